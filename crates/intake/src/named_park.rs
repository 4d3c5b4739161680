//! The park that a call names, as far as that can be seen without knowing its page: in its query, or near the beginning of its
//! body, be that a form, multipart or JSON.

use parkgate_wire::content_type::essence;
use parkgate_wire::form::percent_decode;

/// How a call names its park.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ParkName {
    /// `park_uuid`
    Uuid(String),
    /// `merchant`, its merchant number.
    Merchant(String),
}

impl ParkName {
    /// In a query string.
    #[must_use]
    pub fn in_query(query: &str) -> Option<ParkName> {
        named_by(|name| in_pairs(query.as_bytes(), name, true))
    }
}

/// In the beginning of a body, or in all of it if it has ended.
pub(crate) fn park_named(content_type: &str, body: &[u8], has_ended: bool) -> Option<ParkName> {
    match essence(content_type).as_str() {
        "multipart/form-data" => named_by(|name| in_parts(body, name)),
        kind if kind.ends_with("json") => named_by(|name| in_json(body, name)),
        // Whatever it says it is: some send JSON as text, or say nothing.
        _ => named_by(|name| in_pairs(body, name, has_ended).or_else(|| in_json(body, name))),
    }
}

fn named_by(value_of: impl Fn(&str) -> Option<String>) -> Option<ParkName> {
    let value_of = |name| value_of(name).map(|value| value.trim().to_owned()).filter(|value| !value.is_empty());
    value_of("park_uuid").map(ParkName::Uuid).or_else(|| value_of("merchant").map(ParkName::Merchant))
}

/// The value after `NAME=`, up to the next `&`.
pub(crate) fn in_pairs(body: &[u8], name: &str, has_ended: bool) -> Option<String> {
    let mut pairs = body.split(|byte| *byte == b'&').peekable();
    while let Some(pair) = pairs.next() {
        // The last one may go on.
        let is_whole = has_ended || pairs.peek().is_some();
        if let Some(value) = pair.strip_prefix(name.as_bytes()).and_then(|rest| rest.strip_prefix(b"="))
            && is_whole
        {
            let mut decoded = Vec::with_capacity(value.len());
            percent_decode(value, &mut decoded);
            return Some(String::from_utf8_lossy(&decoded).into_owned());
        }
    }
    None
}

/// The first line of the part of that name, if it was read to its end.
pub(crate) fn in_parts(body: &[u8], name: &str) -> Option<String> {
    let quoted = format!("name=\"{name}\"");
    let head = after(body, &quoted).or_else(|| after(body, &format!("name={name}")))?;
    // The empty line that ends the part's head.
    let ends = ["\r\n\r\n", "\n\n"].iter().filter_map(|end| Some(find(head, end)? + end.len()));
    let value = head.get(ends.min()?..)?;
    let end = value.iter().position(|byte| b"\r\n".contains(byte))?;
    Some(String::from_utf8_lossy(value.get(..end)?).into_owned())
}

/// The text or number after `"NAME":`, at any depth. A park's names need no escapes.
fn in_json(body: &[u8], name: &str) -> Option<String> {
    let rest = after(body, &format!("\"{name}\""))?.trim_ascii_start().strip_prefix(b":")?.trim_ascii_start();
    let (text, ends): (&[u8], &[u8]) = match rest.strip_prefix(b"\"") {
        Some(text) => (text, b"\""),
        None => (rest, b",}] \t\r\n"),
    };
    let end = text.iter().position(|byte| ends.contains(byte))?;
    Some(String::from_utf8_lossy(text.get(..end)?).into_owned())
}

fn after<'a>(bytes: &'a [u8], wanted: &str) -> Option<&'a [u8]> {
    bytes.get(find(bytes, wanted)? + wanted.len()..)
}

fn find(bytes: &[u8], wanted: &str) -> Option<usize> {
    memchr::memmem::find(bytes, wanted.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    const FORM: &str = "application/x-www-form-urlencoded";
    const MULTIPART: &str = "multipart/form-data; boundary=x";
    const JSON: &str = "application/json;charset=utf-8";

    #[test]
    fn a_park_is_found_in_every_kind_of_body() {
        let uuid = |value: &str| Some(ParkName::Uuid(value.into()));
        let merchant = |value: &str| Some(ParkName::Merchant(value.into()));
        for (content_type, body, expected) in [
            (FORM, "a=1&park_uuid=49f0-cc%2D&b=2", uuid("49f0-cc-")),
            (FORM, "park_uuid=a", uuid("a")),
            (FORM, "merchant=1&park_uuid=a", uuid("a")),
            (FORM, "merchant=97919537&x_park_uuid=a", merchant("97919537")),
            (FORM, "park_uuid=&merchant=", None),
            ("", "{\"park_uuid\":\"a\"}", uuid("a")),
            (JSON, "{\"biz\":{\"park_uuid\" :\n\"a-1\"}}", uuid("a-1")),
            (JSON, "{\"merchant\":97919537}", merchant("97919537")),
            (JSON, "{\"text\":\"\\\"park_uuid\\\":\\\"a\\\"\"}", None),
            (JSON, "park_uuid=a", None),
            (MULTIPART, "--x\r\nContent-Disposition: form-data; name=\"park_uuid\"\r\n\r\na\r\n--x", uuid("a")),
            (MULTIPART, "--x\nContent-Disposition: form-data; name=merchant\n\n7\n--x", merchant("7")),
            (MULTIPART, "a=1&park_uuid=a", None),
        ] {
            assert_eq!(park_named(content_type, body.as_bytes(), true), expected, "{body}");
        }
    }

    #[test]
    fn a_value_counts_once_its_end_was_read() {
        for (content_type, body) in [
            (FORM, "a=1&park_uuid=49f0&b=2"),
            (JSON, "{\"park_uuid\":\"49f0\"}"),
            (MULTIPART, "--x\r\nContent-Disposition: form-data; name=\"park_uuid\"\r\n\r\n49f0\r\n--x"),
        ] {
            for end in 0..=body.len() {
                let found = park_named(content_type, &body.as_bytes()[..end], false);
                assert!(found.is_none() || found == Some(ParkName::Uuid("49f0".into())), "{end}: {found:?}");
            }
            assert!(park_named(content_type, body.as_bytes(), false).is_some(), "{body}");
        }
    }
}
