//! The reply to a push (`leave.md`, 请求返回结果; `DESIGN.md` 3.4): written by the gate, read by the client.

mod entry;

use std::collections::BTreeMap;

use serde_json::value::RawValue;

use crate::call::ReplyStyle;
use crate::value::Seqno;

pub use self::entry::{EntryAdvice, EntryReply};

/// One reply. `code` is text in every documented example; clients must accept a number, too.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// `200`, `400`, `403`, `500`, `503`.
    pub code: String,
    /// For people.
    pub message: String,
    /// What to look at; during integration any hint is a fault to correct (`leave.md`, note 6).
    pub hint: Option<String>,
    /// The platform's number of the request.
    pub seqno: String,
    /// The node that answered.
    pub data_node: String,
    /// `POST /gate/…`: with every reply that is not a plain OK.
    pub path: Option<String>,
}

/// The rows of the document's table of codes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReplyCode {
    /// `200 OK`
    Ok,
    /// `200 已忽略当前请求`
    Ignored,
    /// `400 请求参数错误`
    BadRequest,
    /// `401 请求签名校验不通过`: of the calls that refuse.
    WrongSignature,
    /// `403 访问被拦截`
    Forbidden,
    /// `500 服务器内部错误`
    Internal,
    /// `503 服务暂不可用`
    Unavailable,
}

impl ReplyCode {
    /// The code as sent.
    #[must_use]
    pub fn code(self, style: ReplyStyle) -> &'static str {
        match self {
            ReplyCode::Ok | ReplyCode::Ignored => style.success(),
            ReplyCode::BadRequest => "400",
            ReplyCode::WrongSignature => "401",
            ReplyCode::Forbidden => "403",
            ReplyCode::Internal => "500",
            ReplyCode::Unavailable => "503",
        }
    }

    /// The message as sent.
    #[must_use]
    pub fn message(self) -> &'static str {
        match self {
            ReplyCode::Ok => "OK",
            ReplyCode::Ignored => "已忽略当前请求",
            ReplyCode::BadRequest => "请求参数错误",
            ReplyCode::WrongSignature => "请求签名校验不通过",
            ReplyCode::Forbidden => "访问被拦截",
            ReplyCode::Internal => "服务器内部错误",
            ReplyCode::Unavailable => "服务暂不可用",
        }
    }

    /// The reply as JSON, in the document's order. A plain OK has no `path`.
    #[must_use]
    pub fn to_json(self, style: ReplyStyle, hint: Option<&str>, seqno: Seqno, data_node: &str, path: &str) -> String {
        let mut out = String::with_capacity(160 + hint.map_or(0, str::len));
        out.push_str("{\"code\":\"");
        out.push_str(self.code(style));
        out.push_str("\",\"message\":\"");
        out.push_str(self.message());
        out.push('"');
        if let Some(hint) = hint {
            out.push_str(",\"hint\":");
            push_json_text(&mut out, hint);
        }
        out.push_str(",\"seqno\":\"");
        out.push_str(&seqno.to_string());
        out.push_str("\",\"data_node\":");
        push_json_text(&mut out, data_node);
        if hint.is_some() || self != ReplyCode::Ok {
            out.push_str(",\"path\":");
            push_json_text(&mut out, &format!("POST {path}"));
        }
        out.push('}');
        out
    }
}

impl ReplyStyle {
    /// The code of success.
    #[must_use]
    pub fn success(self) -> &'static str {
        match self {
            ReplyStyle::Ignoring => "200",
            ReplyStyle::Refusing => "1001",
        }
    }
}

/// Appends `text` as a JSON string.
pub fn push_json_text(out: &mut String, text: &str) {
    // Without leaving early, so that it is done for many bytes at once.
    let is_plain = text.bytes().fold(true, |is_plain, b| is_plain & (b >= 0x20) & (b != b'"') & (b != b'\\'));
    if is_plain {
        out.push('"');
        out.push_str(text);
        out.push('"');
    } else {
        // Writing a string as JSON into memory cannot fail.
        out.push_str(&serde_json::to_string(text).unwrap_or_default());
    }
}

impl Reply {
    /// Reads a reply of any platform of the protocol; `None` if it is not one.
    ///
    /// Only `code` decides, text or number; everything else is read as text, whatever its JSON type. Platforms in the
    /// field put a BOM in front, raw line ends into their hints, and write GBK or `"Code"`.
    #[must_use]
    pub fn from_bytes(body: &[u8]) -> Option<Reply> {
        Reply::of(&ReplyFields::from_bytes(body)?)
    }

    /// The same from text.
    #[must_use]
    pub fn from_json(text: &str) -> Option<Reply> {
        Reply::of(&ReplyFields::read(text)?)
    }

    fn of(sent: &ReplyFields) -> Option<Reply> {
        Some(Reply {
            code: sent.code()?,
            message: sent.text("message").unwrap_or_default(),
            hint: sent.text("hint").filter(|hint| !hint.trim().is_empty()),
            seqno: sent.text("seqno").unwrap_or_default(),
            data_node: sent.text("data_node").unwrap_or_default(),
            path: sent.text("path"),
        })
    }

    /// `200`, `1000` and `1001` all mean success. A sender needs more: see [`Reply::refuses_signature`].
    #[must_use]
    pub fn is_success(&self) -> bool {
        matches!(self.code.as_str(), "200" | "1000" | "1001")
    }

    /// The signature was refused and nothing was recorded, whatever the code says: enter and leave answer 200 with the
    /// hint `签名验证不通过[…]` (`leave.md`, note 6), release and update 401 `请求签名校验不通过`, sibling calls 1401.
    #[must_use]
    pub fn refuses_signature(&self) -> bool {
        let hint = self.hint.as_deref().unwrap_or_default();
        // Only a wrong signature is answered with the canonical string and its masked secret.
        let is_joined_string = hint.contains("&app_secret=***");
        matches!(self.code.as_str(), "401" | "1401")
            || is_joined_string
            || [hint, &self.message].into_iter().any(speaks_of_a_wrong_signature)
    }
}

/// The platform's own words at the beginning of a hint. The rest repeats what was sent: a string in brackets, or one that stands
/// there without them.
#[must_use]
pub fn own_words(hint: &str) -> &str {
    let said = hint.split('[').next().unwrap_or_default();
    if said.contains('=') && hint.contains("&app_secret=***") { "" } else { said }
}

/// Looks at the platform's own words only: what follows a bracket or a backtick was sent by the car park.
fn speaks_of_a_wrong_signature(text: &str) -> bool {
    const WRONG_ZH: [&str; 7] = ["不通过", "未通过", "失败", "错误", "不正确", "不匹配", "无效"];
    const WRONG_EN: [&str; 5] = ["invalid", "mismatch", "fail", "error", "wrong"];
    let said = text.split(['[', '`']).next().unwrap_or_default().to_ascii_lowercase();
    let says = |words: &[&str]| words.iter().any(|word| said.contains(word));
    (said.contains("签名") && says(&WRONG_ZH)) || (said.contains("signature") && says(&WRONG_EN))
}

/// The fields of a reply, each as its JSON text: numbers that a float could not hold keep their digits.
struct ReplyFields(BTreeMap<String, Box<RawValue>>);

impl ReplyFields {
    fn from_bytes(body: &[u8]) -> Option<ReplyFields> {
        match std::str::from_utf8(body) {
            Ok(text) => ReplyFields::read(text),
            // A UTF-16 BOM takes precedence.
            Err(_) => ReplyFields::read(&encoding_rs::GB18030.decode(body).0),
        }
    }

    /// The first JSON object of a text; anything after it is ignored. Also accepts an object that is quoted as a
    /// string.
    fn read(text: &str) -> Option<ReplyFields> {
        // Inside a string a control character is not valid JSON; outside it is white space.
        let text = text.trim_start_matches('\u{feff}').replace(|letter: char| letter.is_ascii_control(), " ");
        let first = first_value(&text)?;
        match serde_json::from_str::<String>(first.get()) {
            Ok(quoted) => serde_json::from_str(first_value(&quoted)?.get()).ok().map(ReplyFields),
            Err(_) => serde_json::from_str(first.get()).ok().map(ReplyFields),
        }
    }

    fn get(&self, name: &str) -> Option<&RawValue> {
        let alike = || self.0.iter().find(|(other, _)| other.eq_ignore_ascii_case(name)).map(|(_, value)| value);
        self.0.get(name).or_else(alike).map(AsRef::as_ref)
    }

    fn text(&self, name: &str) -> Option<String> {
        text_of(self.get(name)?)
    }

    fn code(&self) -> Option<String> {
        let value = self.get("code")?;
        let is_scalar = value.get().starts_with(|first: char| first == '"' || first == '-' || first.is_ascii_digit());
        let code = text_of(value).filter(|_| is_scalar)?;
        let code = code.trim();
        // `200.0` comes from a serializer that knows only floats.
        let whole = code.split_once('.').filter(|(_, rest)| rest.bytes().all(|digit| digit == b'0'));
        Some(whole.map_or(code, |(whole, _)| whole).to_owned())
    }
}

fn first_value(text: &str) -> Option<Box<RawValue>> {
    serde_json::Deserializer::from_str(text).into_iter().next()?.ok()
}

/// Text as it is, a list's entries joined, anything else as it was written; `None` for null.
fn text_of(value: &RawValue) -> Option<String> {
    let written = value.get();
    if written == "null" {
        return None;
    }
    if let Ok(text) = serde_json::from_str::<String>(written) {
        return Some(text);
    }
    if let Ok(list) = serde_json::from_str::<Vec<Box<RawValue>>>(written) {
        let texts: Vec<String> = list.iter().filter_map(|entry| text_of(entry)).collect();
        return Some(texts.join("; "));
    }
    let is_empty = serde_json::from_str::<BTreeMap<String, Box<RawValue>>>(written).is_ok_and(|map| map.is_empty());
    Some(if is_empty { String::new() } else { written.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_ok_is_the_documents_own() {
        let json =
            ReplyCode::Ok.to_json(ReplyStyle::Ignoring, None, Seqno(0x47ac_4e61_5fa7_d439), "CN-South/HS3-3", "/x");
        assert_eq!(json, r#"{"code":"200","message":"OK","seqno":"47ac4e615fa7d439","data_node":"CN-South/HS3-3"}"#);
        assert_eq!(Reply::from_json(&json).map(|r| r.is_success()), Some(true));
    }

    #[test]
    fn a_hint_is_escaped_and_has_its_path() {
        let json = ReplyCode::BadRequest.to_json(ReplyStyle::Ignoring, Some("\"a\"\\\n"), Seqno(1), "n", "/leave");
        assert_eq!(
            json,
            r#"{"code":"400","message":"请求参数错误","hint":"\"a\"\\\n","seqno":"0000000000000001","data_node":"n","path":"POST /leave"}"#
        );
        assert_eq!(Reply::from_json(&json).and_then(|r| r.hint).as_deref(), Some("\"a\"\\\n"));
    }

    #[test]
    fn codes_come_as_text_or_number() {
        for (json, success) in [
            (r#"{"code":200}"#, Some(true)),
            (r#"{"code":"1001","message":"x"}"#, Some(true)),
            (r#"{"code":1000}"#, Some(true)),
            (r#"{"code":"500"}"#, Some(false)),
            ("<html>", None),
            ("{}", None),
            (r#"{"code":null}"#, None),
        ] {
            assert_eq!(Reply::from_json(json).map(|r| r.is_success()), success, "{json}");
        }
    }

    #[test]
    fn only_the_code_decides() {
        let read = |json: &str| Reply::from_json(json);
        for json in [
            "\u{feff}{\"code\":\"200\"}",
            " \r\n{\"code\":\" 200 \"}\n\n<!-- -->",
            r#"{"code":200.0,"seqno":12345678901234567890123,"message":null,"data_node":{"name":"n"},"hint":[]}"#,
            r#"{"Code":"200","Message":"OK","Hint":""}"#,
            r#""{\"code\":\"200\"}""#,
            r#"{"code":200,"data":{"code":"500"},"hint":{},"path":["x",1]}"#,
            r#"{"code":"1001","hint":null,"seqno":false}"#,
        ] {
            let reply = read(json).unwrap_or_else(|| panic!("{json}"));
            assert!(reply.is_success() && reply.hint.is_none(), "{json}: {reply:?}");
        }
        let reply = read(r#"{"code":200,"seqno":20240601123456789011,"hint":["a","b"],"data_node":{"n":1}}"#).unwrap();
        let reported = (reply.seqno.as_str(), reply.hint.as_deref(), reply.data_node.as_str());
        assert_eq!(reported, ("20240601123456789011", Some("a; b"), r#"{"n":1}"#));
        let with_line_end = read("{\"code\":\"200\",\n\t\"hint\":\"a\nb\"}").unwrap();
        assert_eq!(with_line_end.hint.as_deref(), Some("a b"));
        for none in [r#"{"code":[200]}"#, r#"{"code":true}"#, r#"["code"]"#, r#"{"code":"200""#, "200", "", "\"x\""] {
            assert_eq!(read(none), None, "{none}");
        }
    }

    #[test]
    fn answers_come_in_other_charsets() {
        let text = r#"{"code":"200","message":"已忽略当前请求"}"#;
        let (gbk, _, _) = encoding_rs::GBK.encode(text);
        let utf_16 =
            [0xff, 0xfe].into_iter().chain(text.encode_utf16().flat_map(u16::to_le_bytes)).collect::<Vec<u8>>();
        for body in [text.as_bytes(), &gbk, &utf_16] {
            assert_eq!(Reply::from_bytes(body).map(|reply| reply.message), Some("已忽略当前请求".into()));
        }
    }

    #[test]
    fn a_hint_has_own_words_and_what_was_sent() {
        for (hint, said) in [
            ("签名验证不通过[a=1&app_secret=***] 可能原因: x", "签名验证不通过"),
            ("operator=李四&reason=x[y&app_secret=***", ""),
            ("operator=李四&app_secret=*** 可能原因: x", ""),
            ("参数`plate`未传递", "参数`plate`未传递"),
            ("merchant=97919537, order=1", "merchant=97919537, order=1"),
            ("", ""),
        ] {
            assert_eq!(own_words(hint), said, "{hint}");
        }
    }

    #[test]
    fn a_refused_signature_is_known_in_every_style() {
        for (json, refused) in [
            (r#"{"code":"200","message":"已忽略当前请求","hint":"签名验证不通过[car_color=1&app_secret=***]"}"#, true),
            (r#"{"code":"200","hint":["签名验证不通过"]}"#, true),
            (r#"{"code":"401","message":"请求签名校验不通过","hint":"a=1&app_secret=***"}"#, true),
            (r#"{"code":"400","hint":"a=1&app_secret=***"}"#, true),
            (r#"{"code":1401}"#, true),
            (r#"{"code":"200","message":"签名错误"}"#, true),
            (r#"{"code":"500","message":"Invalid Signature"}"#, true),
            (r#"{"code":"200","hint":"重复的停车流水`签名验证不通过`"}"#, false),
            (r#"{"code":"200","hint":"重复的订单`1`未受理"}"#, false),
            (r#"{"code":"400","hint":"参数`sign`未传递"}"#, false),
            (r#"{"code":"400","hint":"签名类型`sign_type`错误"}"#, false),
            (r#"{"code":"200","message":"OK"}"#, false),
        ] {
            assert_eq!(Reply::from_json(json).map(|reply| reply.refuses_signature()), Some(refused), "{json}");
        }
    }
}
