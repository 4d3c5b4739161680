//! The platform's own canonical string, read back from a hint that someone pasted (`leave.md`, note 10).
//!
//! `签名验证不通过[k=v&…&app_secret=***]` may come alone, inside the JSON reply, or cut out of that reply with its quotes
//! still escaped; release and update send the string without brackets. No text makes this fail: anything that is not a hint gives `None`.

use crate::field;

/// What a hint says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hint {
    /// The canonical string, unescaped, ending in `app_secret=***`.
    pub canonical: String,
    /// Its names and values, without the secret. The string escapes neither `&` nor `=`, so it is split at documented
    /// names, and at others only where they are in order.
    pub params: Vec<(String, String)>,
}

const MASKED: &str = "app_secret=***";

/// Reads the canonical string from a pasted hint, reply or string.
#[must_use]
pub fn from_hint(text: &str) -> Option<Hint> {
    let text = text.trim();
    let reply = serde_json::from_str::<serde_json::Value>(text).ok();
    let text = match &reply {
        Some(serde_json::Value::Object(reply)) => reply.get("hint")?.as_str()?,
        Some(serde_json::Value::String(hint)) => hint,
        _ => text,
    };
    let inner = inside(text)?;
    let canonical = if is_escaped(inner) { unescaped(inner) } else { inner.to_owned() };
    let params = cut(canonical.strip_suffix(MASKED)?.trim_end_matches('&'));
    (!params.is_empty()).then_some(Hint { canonical, params })
}

/// From the opening bracket of the hint, if there is one, else from the first name, up to the masked secret.
fn inside(text: &str) -> Option<&str> {
    let end = text.find(MASKED)? + MASKED.len();
    let text = text.get(..end)?;
    match text.find("不通过[") {
        Some(open) => text.get(open + "不通过[".len()..),
        None => text.get(first_name(text)?..),
    }
}

/// Where the first name begins: `hint: ` or a piece of the reply may stand before it.
fn first_name(text: &str) -> Option<usize> {
    let (before, _) = text.split_once('=')?;
    Some(before.trim_end_matches(|letter: char| letter.is_ascii_alphanumeric() || letter == '_').len())
}

/// Does every quote have a backslash before it, and is there one?
fn is_escaped(text: &str) -> bool {
    let quotes = text.matches('"').count();
    quotes > 0 && quotes == text.matches("\\\"").count()
}

fn unescaped(text: &str) -> String {
    serde_json::from_str(&format!("\"{text}\"")).unwrap_or_else(|_| text.replace("\\\"", "\"").replace("\\\\", "\\"))
}

fn cut(text: &str) -> Vec<(String, String)> {
    let pieces: Vec<&str> = text.split('&').collect();
    let named = |piece: &str| {
        let (name, value) = piece.split_once('=')?;
        field::is_name(name.as_bytes()).then(|| (name.to_owned(), value.to_owned()))
    };
    let mut params: Vec<(String, String)> = Vec::new();
    for (place, piece) in pieces.iter().enumerate() {
        let next = || pieces.iter().skip(place + 1).filter_map(|p| named(p)).find(|p| field::known(&p.0));
        match named(piece).filter(|(name, _)| {
            let follows = params.last().is_none_or(|(last, _)| last <= name);
            follows && (field::known(name) || next().is_none_or(|(next, _)| *name <= next))
        }) {
            Some(param) => params.push(param),
            None => match params.last_mut() {
                Some((_, value)) => {
                    value.push('&');
                    value.push_str(piece);
                }
                None => return Vec::new(),
            },
        }
    }
    params
}

#[cfg(test)]
mod tests {
    use super::*;

    const STRING: &str = "leave_image=https://t7.baidu.com/it/u=1,3&fm=193&f=GIF&park_uuid=P&payment_list=[{\"operator\":\"张三\"}]&plate=粤X&zz=1&app_secret=***";

    #[test]
    fn a_hint_is_read_alone_in_its_reply_and_cut_out_of_it() {
        let hint = format!("签名验证不通过[{STRING}]键未排序");
        let reply = serde_json::json!({"code": "200", "hint": hint}).to_string();
        let escaped = hint.replace('"', "\\\"");
        for text in [hint.as_str(), &reply, &escaped, STRING, &format!("  \"hint\": \"{escaped}\",")] {
            let read = from_hint(text).unwrap();
            assert_eq!(read.canonical, STRING, "{text}");
            let names: Vec<_> = read.params.iter().map(|p| p.0.as_str()).collect();
            assert_eq!(names, ["leave_image", "park_uuid", "payment_list", "plate", "zz"]);
            assert_eq!(read.params[0].1, "https://t7.baidu.com/it/u=1,3&fm=193&f=GIF");
            assert_eq!(read.params[2].1, "[{\"operator\":\"张三\"}]");
        }
    }

    #[test]
    fn a_hint_without_brackets_is_read_with_whatever_stands_before_it() {
        let reply =
            serde_json::json!({"code": "401", "message": "请求签名校验不通过", "hint": STRING, "path": "POST /x?a=b"});
        let piece = reply.to_string();
        let piece = piece.strip_prefix('{').unwrap();
        let printed = format!("401 请求签名校验不通过  seqno 1\nhint: {STRING} 可能原因: 密钥");
        for text in [&reply.to_string(), piece, &printed, &format!("提示：{STRING}"), &format!("[{STRING}]")] {
            assert_eq!(from_hint(text).map(|hint| hint.canonical).as_deref(), Some(STRING), "{text}");
        }
    }

    #[test]
    fn what_is_no_hint_gives_none() {
        for text in [
            "",
            "{}",
            "[",
            "签名验证不通过[",
            "签名验证不通过[app_secret=***]",
            "&=&app_secret=***",
            "null",
            "\"\"",
            "app_secret=***",
        ] {
            assert_eq!(from_hint(text), None, "{text}");
        }
    }
}
