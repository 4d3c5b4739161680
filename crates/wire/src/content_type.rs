//! `Content-Type`: what a body or a part is, and the charset its text is in (`DESIGN.md` 3.1).
//!
//! Only charsets in which different text always has different bytes are accepted. With others, such as ISO-2022-JP, a
//! value can be empty as text but not as bytes, and could be added to a captured push.

use std::borrow::Cow;

use encoding_rs::{BIG5, Encoding, GB18030, GBK, UTF_8};

use crate::refusal::{Refusal, shortened};

/// Names that Java, Windows and databases use, in addition to those of the WHATWG's list.
const FURTHER_NAMES: [(&str, &Encoding); 17] = [
    ("utf_8", UTF_8),
    ("cp936", GBK),
    ("ms936", GBK),
    ("windows-936", GBK),
    ("x-mswin-936", GBK),
    ("euc-cn", GBK),
    ("euc_cn", GBK),
    ("x-euc-cn", GBK),
    ("gb2312-80", GBK),
    ("gb-18030", GB18030),
    ("gb18030-2000", GB18030),
    ("gb18030-2022", GB18030),
    ("cp950", BIG5),
    ("ms950", BIG5),
    ("windows-950", BIG5),
    ("x-windows-950", BIG5),
    ("big5_hkscs", BIG5),
];

/// What libraries write on a part when nobody chose a charset: Apache HttpClient on every `addTextBody`.
const DEFAULTS_OF_LIBRARIES: [&str; 6] =
    ["us-ascii", "ascii", "ansi_x3.4-1968", "iso-8859-1", "iso8859-1", "windows-1252"];

/// The charset of that name, if forms may use it: UTF-8, GBK, GB18030 or Big5. Case and surrounding blanks do not
/// matter.
#[must_use]
pub fn charset(name: &str) -> Option<&'static Encoding> {
    let name = name.trim().to_ascii_lowercase();
    let further = FURTHER_NAMES.iter().find(|(other, _)| *other == name).map(|(_, charset)| *charset);
    let found = further.or_else(|| Encoding::for_label_no_replacement(name.as_bytes()))?;
    [UTF_8, GBK, GB18030, BIG5].contains(&found).then_some(found)
}

/// The charset a content type names; `None` if it names none.
///
/// [`Refusal::Charset`]: forms may not use it.
pub fn charset_of(content_type: &str) -> Result<Option<&'static Encoding>, Refusal> {
    match parameter(content_type, "charset") {
        None => Ok(None),
        Some(name) if name.is_empty() => Ok(None),
        Some(name) => match charset(&name) {
            Some(charset) => Ok(Some(charset)),
            None => Err(Refusal::Charset { part: None, found: shortened(&name) }),
        },
    }
}

/// The charset of a text part: its own, else the request's. A part that merely carries its library's default charset is
/// accepted if its text is plain ASCII, which is the same in all of them.
///
/// # Errors
/// [`Refusal::Charset`] with the part's name.
pub fn charset_of_part(
    part: &str,
    content_type: &str,
    text: &[u8],
    of_request: &'static Encoding,
) -> Result<&'static Encoding, Refusal> {
    let named = match charset_of(content_type) {
        Ok(named) => named,
        Err(_) if text.is_ascii() && is_default_of_libraries(content_type) => Some(UTF_8),
        Err(Refusal::Charset { found, .. }) => {
            return Err(Refusal::Charset { part: Some(part.to_owned()), found });
        }
        Err(refusal) => return Err(refusal),
    };
    Ok(named.unwrap_or(of_request))
}

fn is_default_of_libraries(content_type: &str) -> bool {
    let name = parameter(content_type, "charset").unwrap_or_default();
    DEFAULTS_OF_LIBRARIES.iter().any(|default| name.trim().eq_ignore_ascii_case(default))
}

/// A media type without its parameters, in lower case.
#[must_use]
pub fn essence(content_type: &str) -> String {
    content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
}

/// A parameter of a media type or of a `Content-Disposition`, without its quotes.
#[must_use]
pub fn parameter<'a>(header: &'a str, name: &str) -> Option<Cow<'a, str>> {
    let mut rest = header.split_once(';')?.1;
    loop {
        let (key, value, after) = next_parameter(rest)?;
        if key.trim().eq_ignore_ascii_case(name) {
            return Some(unquoted(value.trim()));
        }
        rest = after;
    }
}

/// Name, value and what follows the next `;` outside quotes.
fn next_parameter(text: &str) -> Option<(&str, &str, &str)> {
    if text.trim().is_empty() {
        return None;
    }
    let (mut in_quotes, mut escaped) = (false, false);
    let end = text.find(|c| {
        let is_end = c == ';' && !in_quotes;
        if c == '"' && !escaped {
            in_quotes = !in_quotes;
        }
        escaped = in_quotes && c == '\\' && !escaped;
        is_end
    });
    let (parameter, rest) = end.and_then(|end| Some((text.get(..end)?, text.get(end + 1..)?))).unwrap_or((text, ""));
    let (key, value) = parameter.split_once('=').unwrap_or((parameter, ""));
    Some((key, value, rest))
}

fn unquoted(value: &str) -> Cow<'_, str> {
    let Some(inner) = value.strip_prefix('"') else { return Cow::Borrowed(value) };
    let inner = inner.strip_suffix('"').unwrap_or(inner);
    if inner.contains("\\\"") { Cow::Owned(inner.replace("\\\"", "\"")) } else { Cow::Borrowed(inner) }
}

/// Bytes without a leading UTF-8 byte order mark, which Windows editors and .NET writers put there.
#[must_use]
pub fn without_bom(bytes: &[u8]) -> &[u8] {
    bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(bytes)
}

/// The text of bytes in one of these charsets; `None` if they are not valid in it: nothing is ever replaced.
#[must_use]
pub fn decoded<'a>(bytes: &'a [u8], charset: &'static Encoding) -> Option<Cow<'a, str>> {
    if charset == UTF_8 {
        return std::str::from_utf8(bytes).ok().map(Cow::Borrowed);
    }
    charset.decode_without_bom_handling_and_without_replacement(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_usual_names_of_four_charsets_are_known_and_no_others() {
        let names = [
            (UTF_8, "utf-8 UTF8 Utf-8 unicode-1-1-utf-8"),
            (
                GBK,
                "gbk GBK x-gbk gb2312 GB_2312-80 chinese csgb2312 iso-ir-58 cp936 MS936 windows-936 x-mswin-936 EUC_CN",
            ),
            (GB18030, "gb18030 GB18030-2022"),
            (BIG5, "big5 Big5-HKSCS cn-big5 csbig5 x-x-big5 cp950 MS950 x-windows-950"),
        ];
        for (charset_of, names) in names {
            for name in names.split(' ') {
                assert_eq!(charset(name), Some(charset_of), "{name}");
                assert_eq!(charset(&format!(" {name} ")), Some(charset_of), "{name}");
            }
        }
        let others = "iso-2022-jp iso-2022-kr iso-2022-cn utf-16 utf-16le utf-16be utf-7 unicode latin1 iso-8859-1 \
                      windows-1252 us-ascii shift_jis euc-jp euc-kr euc-tw replacement hz-gb-2312 x-user-defined ibm866 klingon";
        for name in others.split_whitespace() {
            assert_eq!(charset(name), None, "{name}");
        }
        assert_eq!(charset(""), None);
    }

    #[test]
    fn parameters_are_read_whatever_their_quotes_and_case() {
        for (header, found) in [
            ("text/plain; charset=GBK", Some("GBK")),
            ("text/plain;CHARSET = \"gbk\" ; x=y", Some("gbk")),
            ("text/plain; x=\";charset=no\"; charset=yes", Some("yes")),
            (r#"text/plain; x="a\";b"; charset=yes"#, Some("yes")),
            ("text/plain; charset=", Some("")),
            ("text/plain; charset", Some("")),
            ("text/plain; charset=\"gbk", Some("gbk")),
            ("text/plain; x=\"charset=gbk", None),
            ("text/plain;;", None),
            ("charset=gbk", None),
            ("", None),
        ] {
            assert_eq!(parameter(header, "charset").as_deref(), found, "{header}");
        }
        assert_eq!(parameter(r#"form-data; name="a\"b""#, "name").as_deref(), Some("a\"b"));
        assert_eq!(essence(" Multipart/FORM-Data ; boundary=x"), "multipart/form-data");
    }

    #[test]
    fn a_part_with_its_librarys_default_is_taken_as_ascii_only() {
        let of = |content_type, text: &[u8]| charset_of_part("plate", content_type, text, GBK);
        assert_eq!(of("", b"x"), Ok(GBK));
        assert_eq!(of("text/plain; charset=UTF-8", b"x"), Ok(UTF_8));
        assert_eq!(of("text/plain; charset=ISO-8859-1", b"142FA4"), Ok(UTF_8));
        let refused = |found: &str| Err(Refusal::Charset { part: Some("plate".into()), found: found.into() });
        assert_eq!(of("text/plain; charset=ISO-8859-1", b"\xd4\xc1"), refused("ISO-8859-1"));
        assert_eq!(of("text/plain; charset=iso-2022-jp", b"x"), refused("iso-2022-jp"));
    }
}
