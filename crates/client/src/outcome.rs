//! Any answer, or none, as one of four outcomes. Pure.

use parkgate_wire::Reply;

/// What a car park's software does next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// Done.
    Accepted(Reply),
    /// Done in production; during integration something to mend (`leave.md`, note 6).
    AcceptedWithHint(Reply),
    /// This push will never be taken as it is.
    Refused(Reply),
    /// Keep it, and send it again.
    TryLater {
        /// What happened.
        reason: String,
        /// When the platform wants it again, in seconds, if it says.
        retry_after: Option<u64>,
    },
}

impl Outcome {
    pub(crate) fn unreachable(error: &reqwest::Error) -> Outcome {
        let mut reason = match (error.is_timeout(), error.is_connect()) {
            (true, _) => "超时无应答 (no answer in time): ".to_owned(),
            (false, true) => "连不上平台 (cannot connect): ".to_owned(),
            (false, false) => String::new(),
        };
        reason.push_str(&error.to_string());
        let mut cause = std::error::Error::source(error);
        while let Some(error) = cause {
            reason = format!("{reason}: {error}");
            cause = error.source();
        }
        Outcome::TryLater { reason, retry_after: None }
    }
}

/// Judges an answer by its status and body: success is `200`, `1000` or `1001`, whatever the HTTP status. `400`, `401`,
/// `403` and their kin (`1400`, `1401`, `1403` of sibling calls) refuse; `408`, `425` and `429` speak of the line, not
/// of the push.
#[must_use]
pub fn judge(status: u16, retry_after: Option<&str>, body: &str) -> Outcome {
    let retry_after = retry_after.and_then(|seconds| seconds.trim().parse().ok());
    match Reply::from_json(body) {
        Some(reply) if reply.is_success() && reply.hint.is_some() => Outcome::AcceptedWithHint(reply),
        Some(reply) if reply.is_success() => Outcome::Accepted(reply),
        Some(reply) if refuses(&reply.code) && !is_of_the_line(&status.to_string()) => Outcome::Refused(reply),
        Some(reply) => Outcome::TryLater { reason: format!("{} {}", reply.code, reply.message), retry_after },
        None => {
            let address = if matches!(status, 300..400 | 404 | 405) {
                "; 检查平台地址 (is the address right?)"
            } else {
                ""
            };
            let reason = format!("HTTP {status}: 不是本协议的应答 (no reply of the protocol){address}");
            Outcome::TryLater { reason, retry_after }
        }
    }
}

fn refuses(code: &str) -> bool {
    let kin = code.strip_prefix('1').filter(|rest| rest.len() == 3).unwrap_or(code);
    kin.len() == 3 && kin.starts_with('4') && !is_of_the_line(kin)
}

/// Too slow, too early, too many: the push itself may be right.
fn is_of_the_line(code: &str) -> bool {
    matches!(code, "408" | "425" | "429")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_of_answer_is_judged() {
        let name = |status, body| match judge(status, Some("7"), body) {
            Outcome::Accepted(_) => "accepted",
            Outcome::AcceptedWithHint(_) => "hint",
            Outcome::Refused(_) => "refused",
            Outcome::TryLater { retry_after, .. } => {
                assert_eq!(retry_after, Some(7));
                "later"
            }
        };
        for (status, body, expected) in [
            (200, r#"{"code":"200","message":"OK"}"#, "accepted"),
            (200, r#"{"code":200}"#, "accepted"),
            (200, r#"{"code":"1001"}"#, "accepted"),
            (500, r#"{"code":"1000"}"#, "accepted"),
            (200, r#"{"code":"200","hint":"x"}"#, "hint"),
            (400, r#"{"code":"400"}"#, "refused"),
            (200, r#"{"code":"403"}"#, "refused"),
            (401, r#"{"code":401}"#, "refused"),
            (413, r#"{"code":"400"}"#, "refused"),
            (200, r#"{"code":"1401"}"#, "refused"),
            (429, r#"{"code":"429"}"#, "later"),
            (408, r#"{"code":"400"}"#, "later"),
            (200, r#"{"code":"4"}"#, "later"),
            (200, r#"{"code":"1500"}"#, "later"),
            (403, "<html>", "later"),
            (503, r#"{"code":"503"}"#, "later"),
            (200, r#"{"code":"500"}"#, "later"),
            (502, "<html>", "later"),
            (200, "", "later"),
        ] {
            assert_eq!(name(status, body), expected, "{status} {body}");
        }
    }
}
