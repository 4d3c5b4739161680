//! The reply to a question before entering (入场前查询): may this vehicle enter?

use super::{Reply, ReplyFields};

/// `status`: what the platform says of a vehicle at the barrier.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EntryAdvice {
    /// `1`: it may enter.
    Allow,
    /// `0`: the car park decides by its own rules.
    DecideLocally,
    /// `-1`: it may not enter.
    Refuse,
}

impl EntryAdvice {
    /// The status as sent.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            EntryAdvice::Allow => "1",
            EntryAdvice::DecideLocally => "0",
            EntryAdvice::Refuse => "-1",
        }
    }

    /// The advice with that status, text or number as platforms write it.
    #[must_use]
    pub fn from_code(code: &str) -> Option<EntryAdvice> {
        let all = [EntryAdvice::Allow, EntryAdvice::DecideLocally, EntryAdvice::Refuse];
        all.into_iter().find(|advice| advice.code() == code.trim())
    }
}

/// A reply, and what it says of the vehicle.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EntryReply {
    /// What every reply has.
    pub reply: Reply,
    /// `status`, if it is one of the documented three.
    pub advice: Option<EntryAdvice>,
    /// `status_desc`: for the LED at the barrier. Empty if none was sent.
    pub status_desc: String,
    /// `charge_type`, which comes with [`EntryAdvice::Allow`] only.
    pub charge_type: Option<String>,
}

impl EntryReply {
    /// Reads a reply as [`Reply::from_bytes`] does.
    #[must_use]
    pub fn from_bytes(body: &[u8]) -> Option<EntryReply> {
        let sent = ReplyFields::from_bytes(body)?;
        Some(EntryReply {
            reply: Reply::of(&sent)?,
            advice: sent.text("status").and_then(|status| EntryAdvice::from_code(&status)),
            status_desc: sent.text("status_desc").unwrap_or_default(),
            charge_type: sent.text("charge_type").filter(|charge_type| !charge_type.is_empty()),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_is_read_as_text_and_as_number() {
        for (json, advice, status_desc, charge_type) in [
            (
                r#"{"code":"1001","status":"1","status_desc":"欢迎光临","charge_type":"2"}"#,
                Some(EntryAdvice::Allow),
                "欢迎光临",
                Some("2"),
            ),
            (r#"{"code":1001,"status":0}"#, Some(EntryAdvice::DecideLocally), "", None),
            (r#"{"code":"1001","status":-1,"status_desc":"车位已满"}"#, Some(EntryAdvice::Refuse), "车位已满", None),
            (r#"{"code":"1001","status":"2"}"#, None, "", None),
            (r#"{"code":"1002","message":"x"}"#, None, "", None),
        ] {
            let read = EntryReply::from_bytes(json.as_bytes()).unwrap();
            let found = (read.advice, read.status_desc.as_str(), read.charge_type.as_deref());
            assert_eq!(found, (advice, status_desc, charge_type), "{json}");
        }
        assert_eq!(EntryReply::from_bytes(b"<html>"), None);
    }
}
