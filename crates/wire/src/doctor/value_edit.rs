//! What may happen to a value between signing and sending: encoding, trimming, case, spaces, number formats.

use crate::form::url_decoded;

/// One way in which the signed value differs from the value sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ValueEdit {
    Encode(UrlStyle),
    /// The text on the wire, though `encoding=URL` was not sent.
    AsOnWire,
    Decode,
    /// As `Decode`, with `+` left alone.
    DecodeKeepingPlus,
    EscapesUpper,
    EscapesLower,
    /// An unescaped `+` in the body arrived as a space.
    SpaceWasPlus,
    PlusWasSpace,
    HtmlEscaped,
    HtmlUnescaped,
    Trimmed,
    WithoutSpaces,
    HashLower,
    HashUpper,
    PlateLower,
    PlateUpper,
    UuidLower,
    UuidUpper,
    NullForEmpty(&'static str),
    /// Whole numbers with this suffix, such as `.0`.
    Decimals(&'static str),
    /// Numbers without a `.0` or `.00`.
    WithoutDecimals,
    /// Times as Java prints a double.
    Exponent,
    WithoutBom,
    Before(&'static str),
    After(&'static str),
}

/// How a library URL-encodes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct UrlStyle {
    /// What is left unescaped besides letters and digits.
    plain: &'static str,
    plus_for_space: bool,
    lower: bool,
    gbk: bool,
}

const fn style(plain: &'static str, plus_for_space: bool) -> UrlStyle {
    UrlStyle { plain, plus_for_space, lower: false, gbk: false }
}

/// `java.net.URLEncoder`.
pub(super) const JAVA: UrlStyle = style("-_.*", true);
/// .NET's `HttpUtility.UrlEncode`, lower-case hex.
pub(super) const DOTNET: UrlStyle = UrlStyle { lower: true, ..style("-_.!*()", true) };
/// `encodeURIComponent`.
pub(super) const JS: UrlStyle = style("-_.!~*'()", false);
/// PHP's `rawurlencode`, Go's `PathEscape` and RFC 3986.
pub(super) const RFC3986: UrlStyle = style("-_.~", false);
/// Python's `quote`.
pub(super) const PYTHON: UrlStyle = style("-_.~/", false);
/// PHP's `urlencode`.
pub(super) const PHP: UrlStyle = style("-_.", true);
/// `encodeURI`: only text, spaces, quotes and brackets are escaped.
pub(super) const JS_WHOLE: UrlStyle = style("-_.!~*'();,/?:@&=+$#", false);

impl UrlStyle {
    /// The same with lower-case hex.
    pub(super) const fn lower(self) -> UrlStyle {
        UrlStyle { lower: true, ..self }
    }

    /// The same over the bytes of GBK.
    pub(super) const fn gbk(self) -> UrlStyle {
        UrlStyle { gbk: true, ..self }
    }

    pub(super) const fn is_gbk(self) -> bool {
        self.gbk
    }

    pub(super) fn encode(self, text: &str) -> String {
        let mut out = String::with_capacity(text.len() * 3);
        let gbk;
        let bytes = if self.gbk {
            gbk = encoding_rs::GBK.encode(text).0;
            gbk.as_ref()
        } else {
            text.as_bytes()
        };
        for byte in bytes {
            let c = char::from(*byte);
            match c {
                ' ' if self.plus_for_space => out.push('+'),
                c if c.is_ascii_alphanumeric() || self.plain.contains(c) && c.is_ascii() => out.push(c),
                _ => {
                    let digit = |nibble: u8| {
                        let digit = char::from_digit(u32::from(nibble), 16).unwrap_or('0');
                        if self.lower { digit } else { digit.to_ascii_uppercase() }
                    };
                    out.extend(['%', digit(byte >> 4), digit(byte & 15)]);
                }
            }
        }
        out
    }
}

impl ValueEdit {
    /// The value that was signed; `None` if it equals the one that was sent.
    pub(super) fn apply(self, name: &str, value: &str, raw: &str) -> Option<String> {
        let edited = match self {
            ValueEdit::Encode(style) => style.encode(value),
            ValueEdit::AsOnWire => raw.to_owned(),
            ValueEdit::Decode => url_decoded(value).ok()??,
            ValueEdit::DecodeKeepingPlus => url_decoded(&value.replace('+', "%2B")).ok()??,
            ValueEdit::EscapesUpper => with_escapes(value, char::to_ascii_uppercase),
            ValueEdit::EscapesLower => with_escapes(value, char::to_ascii_lowercase),
            ValueEdit::SpaceWasPlus => url_decoded(&raw.replace('+', "%2B")).ok()??,
            ValueEdit::PlusWasSpace => value.replace('+', " "),
            ValueEdit::HtmlEscaped => html_escaped(value),
            ValueEdit::HtmlUnescaped => html_unescaped(value),
            ValueEdit::Trimmed => value.trim().to_owned(),
            ValueEdit::WithoutSpaces => value.replace([' ', '\u{3000}'], ""),
            ValueEdit::HashLower => on(name.ends_with("_hash"), value)?.to_ascii_lowercase(),
            ValueEdit::HashUpper => on(name.ends_with("_hash"), value)?.to_ascii_uppercase(),
            ValueEdit::PlateLower => on(name == "plate", value)?.to_ascii_lowercase(),
            ValueEdit::PlateUpper => on(name == "plate", value)?.to_ascii_uppercase(),
            ValueEdit::UuidLower => on(name == "park_uuid", value)?.to_ascii_lowercase(),
            ValueEdit::UuidUpper => on(name == "park_uuid", value)?.to_ascii_uppercase(),
            ValueEdit::NullForEmpty(null) => on(value.is_empty(), null)?.to_owned(),
            ValueEdit::Decimals(end) => format!("{}{end}", on(is_amount(name) && is_whole(value), value)?),
            ValueEdit::WithoutDecimals => on(is_amount(name) || name.ends_with("_time"), value)?
                .trim_end_matches('0')
                .strip_suffix('.')?
                .to_owned(),
            ValueEdit::Exponent => exponent(on(name.ends_with("_time") && is_whole(value), value)?)?,
            ValueEdit::WithoutBom => value.trim_start_matches('\u{feff}').to_owned(),
            ValueEdit::Before(text) => format!("{text}{value}"),
            ValueEdit::After(text) => format!("{value}{text}"),
        };
        (edited != value).then_some(edited)
    }
}

fn on(applies: bool, value: &str) -> Option<&str> {
    applies.then_some(value)
}

fn is_amount(name: &str) -> bool {
    name.ends_with("_value") || name.ends_with("_space")
}

fn is_whole(value: &str) -> bool {
    !value.is_empty() && value.bytes().all(|b| b.is_ascii_digit())
}

/// `1624937505093` as `1.624937505093E12`.
fn exponent(value: &str) -> Option<String> {
    let (first, rest) = value.split_at_checked(1)?;
    let digits = rest.trim_end_matches('0');
    (rest.len() >= 7).then(|| format!("{first}.{}E{}", if digits.is_empty() { "0" } else { digits }, rest.len()))
}

fn with_escapes(value: &str, recase: fn(&char) -> char) -> String {
    let mut left = 0;
    let chars = value.chars().map(|c| match (c, left) {
        ('%', _) => {
            left = 2;
            c
        }
        (_, 0) => c,
        (c, _) => {
            left -= 1;
            recase(&c)
        }
    });
    chars.collect()
}

const HTML: [(&str, &str); 5] = [("&", "&amp;"), ("<", "&lt;"), (">", "&gt;"), ("\"", "&quot;"), ("'", "&#39;")];

fn html_escaped(value: &str) -> String {
    HTML.iter().fold(value.to_owned(), |text, (plain, entity)| text.replace(plain, entity))
}

fn html_unescaped(value: &str) -> String {
    HTML.iter().rev().fold(value.to_owned(), |text, (plain, entity)| text.replace(entity, plain))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn libraries_encode_as_they_do() {
        let text = "粤B/1 ~*(!)'";
        for (style, expected) in [
            (JAVA, "%E7%B2%A4B%2F1+%7E*%28%21%29%27"),
            (JAVA.lower(), "%e7%b2%a4B%2f1+%7e*%28%21%29%27"),
            (DOTNET, "%e7%b2%a4B%2f1+%7e*(!)%27"),
            (JS, "%E7%B2%A4B%2F1%20~*(!)'"),
            (PYTHON, "%E7%B2%A4B/1%20~%2A%28%21%29%27"),
            (JAVA.gbk(), "%D4%C1B%2F1+%7E*%28%21%29%27"),
        ] {
            assert_eq!(style.encode(text), expected, "{style:?}");
        }
    }

    #[test]
    fn edits_that_change_nothing_are_none() {
        for edit in [
            ValueEdit::Encode(JAVA),
            ValueEdit::AsOnWire,
            ValueEdit::Decode,
            ValueEdit::EscapesUpper,
            ValueEdit::SpaceWasPlus,
            ValueEdit::Trimmed,
            ValueEdit::HashLower,
            ValueEdit::Exponent,
        ] {
            assert_eq!(edit.apply("plate", "B1", "B1"), None, "{edit:?}");
        }
    }

    #[test]
    fn edits_do_what_their_names_say() {
        for (edit, name, value, raw, expected) in [
            (ValueEdit::SpaceWasPlus, "a", "1 2 粤", "1+2%20%E7%B2%A4", "1+2 粤"),
            (ValueEdit::DecodeKeepingPlus, "a", "1+%E7%B2%A4", "", "1+粤"),
            (ValueEdit::EscapesLower, "a", "A%E7%B2BC", "", "A%e7%b2BC"),
            (ValueEdit::HtmlUnescaped, "a", "a&amp;lt;&#39;", "", "a&lt;'"),
            (ValueEdit::HtmlEscaped, "a", "a&<", "", "a&amp;&lt;"),
            (ValueEdit::Decimals(".0"), "total_value", "500", "", "500.0"),
            (ValueEdit::WithoutDecimals, "total_value", "500.00", "", "500"),
            (ValueEdit::Exponent, "enter_time", "1624937505090", "", "1.62493750509E12"),
            (ValueEdit::WithoutBom, "a", "\u{feff}1", "", "1"),
        ] {
            assert_eq!(edit.apply(name, value, raw).as_deref(), Some(expected), "{edit:?}");
        }
    }
}
