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
        let mut reason = error.to_string();
        let mut cause = std::error::Error::source(error);
        while let Some(error) = cause {
            reason = format!("{reason}: {error}");
            cause = error.source();
        }
        Outcome::TryLater { reason, retry_after: None }
    }
}

/// Judges an answer by its status and body: success is `200`, `1000` or `1001`, whatever the HTTP status.
#[must_use]
pub fn judge(status: u16, retry_after: Option<&str>, body: &str) -> Outcome {
    let retry_after = retry_after.and_then(|seconds| seconds.trim().parse().ok());
    match Reply::from_json(body) {
        Some(reply) if reply.is_success() && reply.hint.is_some() => Outcome::AcceptedWithHint(reply),
        Some(reply) if reply.is_success() => Outcome::Accepted(reply),
        Some(reply) if reply.code.starts_with('4') || reply.code.starts_with("14") => Outcome::Refused(reply),
        Some(reply) => Outcome::TryLater { reason: format!("{} {}", reply.code, reply.message), retry_after },
        None => Outcome::TryLater { reason: format!("HTTP {status}, and no reply of the protocol"), retry_after },
    }
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
            (503, r#"{"code":"503"}"#, "later"),
            (200, r#"{"code":"500"}"#, "later"),
            (502, "<html>", "later"),
            (200, "", "later"),
        ] {
            assert_eq!(name(status, body), expected, "{status} {body}");
        }
    }
}
