//! What an answer, or the lack of one, means: an [`Outcome`]. Pure.

use std::time::Duration;

use parkgate_text::texts;
use parkgate_wire::call::ReplyStyle;
use parkgate_wire::{Call, Reply};

/// What a car park's software does next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// Done.
    Accepted(Reply),
    /// Done in production; during integration something to fix (`leave.md`, note 6).
    AcceptedWithHint(Reply),
    /// This push will never be accepted as it is.
    Refused(Reply),
    /// The platform answered and accepts nothing from this sender. Keep the push: it is accepted once the cause is fixed. If other
    /// pushes pass meanwhile, only this one is affected, and a person should look at it.
    Denied {
        /// What was denied.
        denial: Denial,
        /// What it said.
        reason: String,
        /// The whole reply, if it was one of the protocol.
        reply: Option<Reply>,
    },
    /// Too large for the platform or a proxy in front of it. Without its pictures it may be accepted.
    TooLarge {
        /// What it said.
        reason: String,
    },
    /// Keep it, and send it again.
    TryLater {
        /// What happened.
        reason: String,
        /// When the platform wants it again, if it said.
        retry_after: Option<Duration>,
    },
}

/// Why a platform accepts nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Denial {
    /// It finds the signature wrong, which some platforms answer with a 200 ([`Reply::refuses_signature`]).
    Signature,
    /// It does not know the car park or the app, or blocks them (403).
    Access,
    /// A proxy or firewall in front of it blocks, or the address is wrong: a 4xx that is no reply of the protocol.
    Blocked,
}

impl Outcome {
    pub(crate) fn unreachable(error: &reqwest::Error) -> Outcome {
        let mut reason = match (error.is_timeout(), error.is_connect()) {
            (true, _) => texts().answers.timed_out.to_owned(),
            (false, true) => texts().answers.cannot_connect.to_owned(),
            (false, false) => String::new(),
        };
        let mut causes = vec![error.to_string()];
        let mut cause = std::error::Error::source(error);
        while let Some(error) = cause {
            causes.push(error.to_string());
            cause = error.source();
        }
        // Said already, but for what the network itself says.
        let known = if reason.is_empty() { 0 } else { causes.len() - 1 };
        reason.push_str(&causes.split_off(known).join(": "));
        Outcome::TryLater { reason, retry_after: None }
    }
}

/// What an answer means, by its status and body: success is `200`, `1000` or `1001`, whatever the HTTP status, unless the
/// signature was refused. `400` and the like (`1400` of sibling calls) refuse. `408`, `425` and `429` concern the connection, not
/// the push; `413`, `414` and `431` concern its size.
#[must_use]
pub fn classify(status: u16, retry_after: Option<Duration>, body: &[u8]) -> Outcome {
    let Some(reply) = Reply::from_bytes(body) else { return without_reply(status, retry_after) };
    if reply.refuses_signature() {
        return denied(Denial::Signature, reply);
    }
    match reply.is_success() {
        true if reply.hint.is_some() => return Outcome::AcceptedWithHint(reply),
        true => return Outcome::Accepted(reply),
        false => {}
    }
    if is_of_size(status) {
        return Outcome::TooLarge { reason: format!("HTTP {status}: {}", reason(&reply)) };
    }
    if is_of_the_line(&status.to_string()) || !refuses(&reply.code) {
        return Outcome::TryLater { reason: format!("{} {}", reply.code, reply.message), retry_after };
    }
    if matches!(reply.code.as_str(), "403" | "1403") {
        return denied(Denial::Access, reply);
    }
    Outcome::Refused(reply)
}

/// The same for a call that not every platform has ([`ReplyStyle::Refusing`]). A platform that does not know it refuses it for
/// ever, and says nothing of its other calls: neither is its address wrong, nor is it away.
#[must_use]
pub fn classify_call(call: &Call, status: u16, retry_after: Option<Duration>, body: &[u8]) -> Outcome {
    let reply = Reply::from_bytes(body);
    match lacks(call, status, reply.as_ref()) {
        true => Outcome::Refused(unknown_call(call, status, reply)),
        false => classify(status, retry_after, body),
    }
}

/// Does this answer say that the platform does not know the call?
#[must_use]
pub fn lacks_call(call: &Call, status: u16, body: &[u8]) -> bool {
    lacks(call, status, Reply::from_bytes(body).as_ref())
}

fn lacks(call: &Call, status: u16, reply: Option<&Reply>) -> bool {
    call.replies == ReplyStyle::Refusing && reply.map_or_else(|| is_unknown_call(status), does_not_know)
}

/// What a router answers to a path, or to a method at a path, that it does not have.
fn is_unknown_call(status: u16) -> bool {
    matches!(status, 404 | 405 | 501)
}

/// Do the platform's own words say so? `1503 接口尚未实现` is what the vendor's own sample answers.
fn does_not_know(reply: &Reply) -> bool {
    let says = |text: &str| text.contains("未实现") || text.to_ascii_lowercase().contains("not implemented");
    let kin = kin(&reply.code);
    let is_silent = reply.message.is_empty() && reply.hint.is_none();
    kin == "501" || (kin.starts_with('5') && says(&reply.message)) || (is_silent && matches!(kin, "404" | "405"))
}

/// A reply that says what the platform meant.
fn unknown_call(call: &Call, status: u16, reply: Option<Reply>) -> Reply {
    let said = reply.as_ref().map(|reply| format!(": {} {}", reply.code, reason(reply)));
    let said = said.as_deref().map(str::trim_end).unwrap_or_default();
    let hint = (texts().answers.unknown_call)(call.name, status, said);
    let (seqno, data_node) = reply.map_or_else(Default::default, |reply| (reply.seqno, reply.data_node));
    Reply { code: "404".into(), message: "Not Found".into(), hint: Some(hint), seqno, data_node, path: None }
}

fn denied(denial: Denial, reply: Reply) -> Outcome {
    Outcome::Denied { denial, reason: reason(&reply), reply: Some(reply) }
}

fn reason(reply: &Reply) -> String {
    reply.hint.clone().unwrap_or_else(|| reply.message.clone())
}

/// The answer of a proxy, a firewall or a login page.
fn without_reply(status: u16, retry_after: Option<Duration>) -> Outcome {
    let answers = &texts().answers;
    let address = if matches!(status, 300..400 | 404 | 405) { answers.check_address } else { "" };
    let reason = (answers.no_reply)(status) + address;
    match status {
        _ if is_of_size(status) => Outcome::TooLarge { reason },
        400..500 if !is_of_the_line(&status.to_string()) => {
            Outcome::Denied { denial: Denial::Blocked, reason, reply: None }
        }
        _ => Outcome::TryLater { reason, retry_after },
    }
}

fn is_of_size(status: u16) -> bool {
    matches!(status, 413 | 414 | 431)
}

/// The code without the `1` that sibling calls put in front of it.
fn kin(code: &str) -> &str {
    code.strip_prefix('1').filter(|rest| rest.len() == 3).unwrap_or(code)
}

fn refuses(code: &str) -> bool {
    let kin = kin(code);
    kin.len() == 3 && kin.starts_with('4') && !is_of_the_line(kin)
}

/// Too slow, too early, too many: the push itself may be right.
fn is_of_the_line(code: &str) -> bool {
    matches!(code, "408" | "425" | "429")
}

#[cfg(test)]
mod tests {
    use parkgate_wire::call::{LEAVE, RELEASE, UPDATE};

    use super::*;

    #[test]
    fn every_kind_of_answer_is_classified() {
        let asked = Some(Duration::from_secs(7));
        let name = |status, body: &str| match classify(status, asked, body.as_bytes()) {
            Outcome::Accepted(_) => "accepted",
            Outcome::AcceptedWithHint(_) => "hint",
            Outcome::Refused(_) => "refused",
            Outcome::Denied { denial: Denial::Signature, reply: Some(_), .. } => "signature",
            Outcome::Denied { denial: Denial::Access, reply: Some(_), .. } => "access",
            Outcome::Denied { denial: Denial::Blocked, reply: None, .. } => "blocked",
            Outcome::Denied { .. } => "?",
            Outcome::TooLarge { .. } => "large",
            Outcome::TryLater { retry_after, .. } => {
                assert_eq!(retry_after, asked);
                "later"
            }
        };
        for (status, body, expected) in [
            (200, r#"{"code":"200","message":"OK"}"#, "accepted"),
            (200, r#"{"code":200}"#, "accepted"),
            (200, "\u{feff} {\"code\": 200, \"seqno\": 12, \"data_node\": {}, \"hint\": []}\n", "accepted"),
            (200, r#"{"code":"1001"}"#, "accepted"),
            (500, r#"{"code":"1000"}"#, "accepted"),
            (413, r#"{"code":"200"}"#, "accepted"),
            (200, r#"{"code":"200","hint":"x"}"#, "hint"),
            (200, r#"{"code":"1001","message":"已忽略当前请求","hint":"重复的变更流水`F1`"}"#, "hint"),
            (401, r#"{"code":"401","message":"请求签名校验不通过","hint":"a=1&app_secret=***"}"#, "signature"),
            (
                200,
                r#"{"code":"200","message":"已忽略当前请求","hint":"签名验证不通过[a=1&app_secret=***]"}"#,
                "signature",
            ),
            (200, r#"{"code":"401","message":"请求签名校验不通过"}"#, "signature"),
            (401, r#"{"code":401}"#, "signature"),
            (200, r#"{"code":"1401"}"#, "signature"),
            (400, r#"{"code":"400"}"#, "refused"),
            (200, r#"{"code":"403"}"#, "access"),
            (403, r#"{"code":"1403"}"#, "access"),
            (413, r#"{"code":"400"}"#, "large"),
            (413, "<html>", "large"),
            (414, "", "large"),
            (431, "", "large"),
            (429, r#"{"code":"429"}"#, "later"),
            (408, r#"{"code":"400"}"#, "later"),
            (429, "<html>", "later"),
            (408, "", "later"),
            (425, "", "later"),
            (200, r#"{"code":"4"}"#, "later"),
            (200, r#"{"code":"1500"}"#, "later"),
            (403, "<html>", "blocked"),
            (401, "<html>", "blocked"),
            (404, "<html>", "blocked"),
            (405, "<html>", "blocked"),
            (503, r#"{"code":"503"}"#, "later"),
            (200, r#"{"code":"500"}"#, "later"),
            (502, "<html>", "later"),
            (302, "", "later"),
            (200, "", "later"),
            (200, r#"{"code":"200""#, "later"),
        ] {
            assert_eq!(name(status, body), expected, "{status} {body}");
        }
    }

    #[test]
    fn a_platform_that_lacks_a_call_refuses_it_and_nothing_else() {
        for (status, body) in [
            (404, "<html>nginx</html>"),
            (404, r#"{"timestamp":"2023-03-27","status":404,"error":"Not Found","path":"/gate/1.0"}"#),
            (404, r#"{"code":404,"msg":"no handler"}"#),
            (404, ""),
            (405, "<html>"),
            (501, ""),
            (501, r#"{"code":"501","message":"x"}"#),
            (200, r#"{"code":"1503","message":"接口尚未实现","hint":"service.parking.update"}"#),
            (500, r#"{"code":500,"message":"Not Implemented"}"#),
        ] {
            match classify_call(&UPDATE, status, None, body.as_bytes()) {
                Outcome::Refused(reply) => {
                    let hint = reply.hint.unwrap_or_default();
                    assert!(hint.contains("平台没有`update`接口") && hint.contains(&status.to_string()), "{hint}");
                }
                other => panic!("{status} {body}: {other:?}"),
            }
            // Of a call that every platform has, it says that the address is wrong, or the platform away.
            let outcome = classify_call(&LEAVE, status, None, body.as_bytes());
            assert_eq!(outcome, classify(status, None, body.as_bytes()), "{status} {body}");
        }
        for (status, body) in [
            (200, r#"{"code":"1001"}"#),
            (503, r#"{"code":"503","message":"NO HEALTH SERVICE"}"#),
            (404, r#"{"code":"404","message":"未匹配到停车记录"}"#),
            (404, r#"{"code":"503","message":"x"}"#),
            (401, r#"{"code":"401","message":"请求签名校验不通过"}"#),
            (403, "<html>"),
            (502, "<html>"),
        ] {
            let outcome = classify_call(&RELEASE, status, None, body.as_bytes());
            assert_eq!(outcome, classify(status, None, body.as_bytes()), "{status} {body}");
        }
    }
}
