//! The answer to a push (`leave.md`, 请求返回结果; `DESIGN.md` 3.4): written by the gate, read by the client.

use serde::Deserialize;

use crate::value::Seqno;

/// One answer. `code` is text in every documented example; clients must take a number, too.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// `200`, `400`, `403`, `500`, `503`.
    pub code: String,
    /// For people.
    pub message: String,
    /// What to look at; during integration any hint is a fault to mend (`leave.md`, note 6).
    pub hint: Option<String>,
    /// The name of the request at the platform.
    pub seqno: String,
    /// The node that answered.
    pub data_node: String,
    /// `POST /gate/…`: with every answer that is not a plain OK.
    pub path: Option<String>,
}

/// The rows of the document's table of codes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// `200 OK`
    Ok,
    /// `200 已忽略当前请求`
    Ignored,
    /// `400 请求参数错误`
    BadRequest,
    /// `403 访问被拦截`
    Forbidden,
    /// `500 服务器内部错误`
    Internal,
    /// `503 服务暂不可用`
    Unavailable,
}

impl Answer {
    /// The code as replied.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Answer::Ok | Answer::Ignored => "200",
            Answer::BadRequest => "400",
            Answer::Forbidden => "403",
            Answer::Internal => "500",
            Answer::Unavailable => "503",
        }
    }

    /// The message as replied.
    #[must_use]
    pub fn message(self) -> &'static str {
        match self {
            Answer::Ok => "OK",
            Answer::Ignored => "已忽略当前请求",
            Answer::BadRequest => "请求参数错误",
            Answer::Forbidden => "访问被拦截",
            Answer::Internal => "服务器内部错误",
            Answer::Unavailable => "服务暂不可用",
        }
    }

    /// The answer as JSON, in the document's order. `path` is left out of a plain OK.
    #[must_use]
    pub fn to_json(self, hint: Option<&str>, seqno: Seqno, data_node: &str, path: &str) -> String {
        let mut out = String::with_capacity(160 + hint.map_or(0, str::len));
        out.push_str("{\"code\":\"");
        out.push_str(self.code());
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
        if hint.is_some() || self != Answer::Ok {
            out.push_str(",\"path\":");
            push_json_text(&mut out, &format!("POST {path}"));
        }
        out.push('}');
        out
    }
}

/// Appends `text` as a JSON string.
pub fn push_json_text(out: &mut String, text: &str) {
    if text.bytes().all(|b| b >= 0x20 && b != b'"' && b != b'\\') {
        out.push('"');
        out.push_str(text);
        out.push('"');
    } else {
        // Writing a str as JSON into memory cannot fail.
        out.push_str(&serde_json::to_string(text).unwrap_or_default());
    }
}

impl Reply {
    /// Reads an answer of any platform of the protocol; `None` if it is none.
    #[must_use]
    pub fn from_json(text: &str) -> Option<Reply> {
        #[derive(Deserialize)]
        struct Sent {
            code: serde_json::Value,
            message: Option<String>,
            hint: Option<String>,
            seqno: Option<String>,
            data_node: Option<String>,
            path: Option<String>,
        }
        let sent: Sent = serde_json::from_str(text).ok()?;
        let code = match sent.code {
            serde_json::Value::String(code) => code,
            serde_json::Value::Number(code) => code.to_string(),
            _ => return None,
        };
        Some(Reply {
            code,
            message: sent.message.unwrap_or_default(),
            hint: sent.hint.filter(|hint| !hint.is_empty()),
            seqno: sent.seqno.unwrap_or_default(),
            data_node: sent.data_node.unwrap_or_default(),
            path: sent.path,
        })
    }

    /// `200`, `1000` and `1001` all mean taken.
    #[must_use]
    pub fn is_success(&self) -> bool {
        matches!(self.code.as_str(), "200" | "1000" | "1001")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_ok_is_the_documents_own() {
        let json = Answer::Ok.to_json(None, Seqno(0x47ac_4e61_5fa7_d439), "CN-South/HS3-3", "/x");
        assert_eq!(json, r#"{"code":"200","message":"OK","seqno":"47ac4e615fa7d439","data_node":"CN-South/HS3-3"}"#);
        assert_eq!(Reply::from_json(&json).map(|r| r.is_success()), Some(true));
    }

    #[test]
    fn a_hint_is_escaped_and_has_its_path() {
        let json = Answer::BadRequest.to_json(Some("\"a\"\\\n"), Seqno(1), "n", "/leave");
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
}
