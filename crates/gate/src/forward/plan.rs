//! What the answer to an attempt means, and when the next attempt is due. Pure.

use std::time::Duration;

use parkgate_client::{Backoff, Contact, Denial, Outcome};
use parkgate_store::{Due, Settled};
use parkgate_text::texts;
use parkgate_wire::UnixMillis;
use parkgate_wire::reply::own_words;

/// When deliveries are tried again, and for how long.
#[derive(Debug, Clone, Copy)]
pub struct Schedule {
    /// The wait after the first failure; each further wait is twice the one before.
    pub retry_first: Duration,
    /// The longest wait between two attempts.
    pub retry_max: Duration,
    /// A delivery that still fails after this long becomes a dead letter.
    pub give_up_after: Duration,
}

/// The answer to an attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum DeliveryAnswer {
    /// Accepted.
    Taken,
    /// It will never be accepted as it is.
    Refused(String),
    /// The platform answered, but does not know us, the car park or the signature: it accepts the delivery once that is fixed
    /// there.
    Denied(String),
    /// Too large. A relayed push was sent once more without its pictures; one without any is never accepted.
    TooLarge(String),
    /// Not now, for this reason.
    Failed { reason: String, retry_after: Option<Duration> },
    /// Nothing was sent, for a reason on our side.
    Unready(String),
}

impl DeliveryAnswer {
    /// What it says of the subscriber.
    pub(super) fn contact(&self) -> Contact {
        match self {
            DeliveryAnswer::Taken
            | DeliveryAnswer::Refused(_)
            | DeliveryAnswer::Denied(_)
            | DeliveryAnswer::TooLarge(_) => Contact::Answered,
            DeliveryAnswer::Unready(_) => Contact::Untold,
            DeliveryAnswer::Failed { retry_after, .. } => Contact::Failed { retry_after: *retry_after },
        }
    }

    /// Did the subscriber answer?
    pub(super) fn is_answered(&self) -> bool {
        self.contact() == Contact::Answered
    }

    /// Its name in the metrics.
    pub(super) fn name(&self) -> &'static str {
        match self {
            DeliveryAnswer::Taken => "delivered",
            DeliveryAnswer::Refused(_) => "refused",
            DeliveryAnswer::Denied(_) => "denied",
            DeliveryAnswer::TooLarge(_) => "too_large",
            DeliveryAnswer::Failed { .. } => "failed",
            DeliveryAnswer::Unready(_) => "unready",
        }
    }

    /// Why it was not accepted; nothing that repeats personal data.
    pub(super) fn reason(&self) -> Option<&str> {
        match self {
            DeliveryAnswer::Taken => None,
            DeliveryAnswer::Refused(reason)
            | DeliveryAnswer::Denied(reason)
            | DeliveryAnswer::TooLarge(reason)
            | DeliveryAnswer::Failed { reason, .. }
            | DeliveryAnswer::Unready(reason) => Some(reason),
        }
    }

    /// From a reply of the protocol. A success with a hint is a success.
    pub(super) fn of_protocol(outcome: Outcome) -> DeliveryAnswer {
        match outcome {
            Outcome::Accepted(_) | Outcome::AcceptedWithHint(_) => DeliveryAnswer::Taken,
            Outcome::Refused(reply) => {
                let hint = reply.hint.as_deref().map(|hint| format!(": {}", masked(hint))).unwrap_or_default();
                DeliveryAnswer::Refused(format!("{} {}{hint}", reply.code, reply.message))
            }
            // A proxy in front of the platform may answer like this while the platform is away.
            Outcome::Denied { denial: Denial::Blocked, reason, .. } => {
                DeliveryAnswer::Failed { reason, retry_after: None }
            }
            Outcome::Denied { denial: Denial::Signature | Denial::Access, reason, reply } => {
                let (code, message) = reply.map(|reply| (reply.code, reply.message)).unwrap_or_default();
                let said = Some(masked(&reason)).filter(|said| !said.is_empty()).unwrap_or(message);
                DeliveryAnswer::Denied(format!("{code} {said}"))
            }
            Outcome::TooLarge { reason } => DeliveryAnswer::TooLarge(masked(&reason)),
            Outcome::TryLater { reason, retry_after } => DeliveryAnswer::Failed { reason, retry_after },
        }
    }

    /// From the answer to a webhook: any 2xx is a success, whatever its body.
    pub(super) fn of_webhook(status: u16, retry_after: Option<Duration>) -> DeliveryAnswer {
        match status {
            200..300 => DeliveryAnswer::Taken,
            410 => DeliveryAnswer::Refused(texts().answers.unwanted.into()),
            413 | 414 | 431 => DeliveryAnswer::TooLarge(format!("HTTP {status}")),
            _ => DeliveryAnswer::Failed { reason: format!("HTTP {status}"), retry_after },
        }
    }
}

/// The beginning of a hint: the rest repeats what was sent, personal data included.
fn masked(hint: &str) -> String {
    own_words(hint).chars().take(80).collect()
}

/// The present time.
#[derive(Debug, Clone, Copy)]
pub(super) struct Now {
    /// By the system's clock: for what is due.
    pub(super) system: UnixMillis,
    /// As far as it is confirmed: for what is given up.
    pub(super) confirmed: UnixMillis,
}

/// What an answer means for its delivery.
pub(super) fn settle(due: Due, answer: DeliveryAnswer, schedule: &Schedule, chance: f64, now: Now) -> Settled {
    let (reason, retry_after) = match answer {
        DeliveryAnswer::Taken => return Settled::Delivered(due),
        DeliveryAnswer::Refused(reason) | DeliveryAnswer::TooLarge(reason) => {
            return Settled::Dead { due, answer: reason };
        }
        DeliveryAnswer::Failed { reason, retry_after } => (reason, retry_after),
        DeliveryAnswer::Denied(reason) | DeliveryAnswer::Unready(reason) => (reason, None),
    };
    if is_over(&due, schedule, now.confirmed) {
        return Settled::Dead { due, answer: reason };
    }
    let wait = schedule.backoff().wait(due.attempts, retry_after, chance);
    Settled::Later { due, next_at: now.system.after(wait).0, answer: reason }
}

/// The longest wait until a subscriber that is away is asked again. One delivery asks, which costs little.
const ASKED_EVERY: Duration = Duration::from_secs(60);

impl Schedule {
    /// The waits of a delivery. A `Retry-After` is respected up to `retry_max`.
    pub(super) fn backoff(&self) -> Backoff {
        Backoff { first: self.retry_first, max: self.retry_max, asked_max: self.retry_max }
    }

    /// The waits between two deliveries that ask whether a subscriber is back.
    pub(super) fn asking(&self) -> Backoff {
        Backoff { max: self.retry_max.min(ASKED_EVERY), ..self.backoff() }
    }
}

/// Has a delivery been tried long enough, by the confirmed time?
pub(super) fn is_over(due: &Due, schedule: &Schedule, confirmed: UnixMillis) -> bool {
    confirmed >= UnixMillis(due.since).after(schedule.give_up_after)
}

#[cfg(test)]
mod tests {
    use super::*;
    use parkgate_ledger::ParkId;
    use parkgate_store::DeliveryId;

    const SCHEDULE: Schedule = Schedule {
        retry_first: Duration::from_secs(5),
        retry_max: Duration::from_secs(3600),
        give_up_after: Duration::from_secs(3 * 24 * 3600),
    };

    fn due(attempts: u32, since: i64) -> Due {
        Due { id: DeliveryId { subscriber: 1, record: 2 }, park: ParkId(3), attempts, since }
    }

    fn at(now: i64) -> Now {
        Now { system: UnixMillis(now), confirmed: UnixMillis(now) }
    }

    fn failed() -> DeliveryAnswer {
        DeliveryAnswer::Failed { reason: "HTTP 500".into(), retry_after: None }
    }

    #[test]
    fn a_dead_subscriber_is_asked_for_three_days_ever_more_seldom() {
        let (mut now, mut attempts) = (0, 0);
        loop {
            attempts += 1;
            match settle(due(attempts, 0), failed(), &SCHEDULE, 1.0, at(now)) {
                Settled::Later { next_at, .. } => {
                    assert!(next_at > now && next_at <= now + 3_600_000);
                    now = next_at;
                }
                Settled::Dead { answer: reason, .. } => break assert_eq!(reason, "HTTP 500"),
                Settled::Delivered(_) | Settled::Unsent { .. } => unreachable!(),
            }
        }
        assert!(now >= 3 * 24 * 3_600_000, "{now}");
        assert!((70..100).contains(&attempts), "{attempts}");
    }

    #[test]
    fn a_wrong_signature_is_no_success_and_a_hint_is_kept_without_what_was_sent() {
        let answer = |body: &str| DeliveryAnswer::of_protocol(parkgate_client::classify(200, None, body.as_bytes()));
        assert_eq!(answer(r#"{"code":"1001"}"#), DeliveryAnswer::Taken);
        assert_eq!(answer(r#"{"code":"200","hint":"流水已存在"}"#), DeliveryAnswer::Taken);
        let lost = answer(
            r#"{"code":"200","message":"已忽略当前请求","hint":"签名验证不通过[idcard_no=110&app_secret=***]"}"#,
        );
        assert_eq!(lost, DeliveryAnswer::Denied("200 签名验证不通过".into()));
        assert_eq!(answer(r#"{"code":"403","message":"访问被拦截"}"#), DeliveryAnswer::Denied("403 访问被拦截".into()));
        assert!(matches!(answer(r#"{"code":"400","message":"x"}"#), DeliveryAnswer::Refused(_)));
        assert_eq!(
            answer(r#"{"code":"401","message":"请求签名校验不通过"}"#),
            DeliveryAnswer::Denied("401 请求签名校验不通过".into())
        );
        assert_eq!(
            answer(r#"{"code":"401","message":"请求签名校验不通过","hint":"operator=李四&app_secret=***"}"#),
            DeliveryAnswer::Denied("401 请求签名校验不通过".into())
        );
        assert_eq!(answer(r#"{"code":"200","message":"签名错误"}"#), DeliveryAnswer::Denied("200 签名错误".into()));
        assert!(matches!(answer("<html>"), DeliveryAnswer::Failed { .. }));
        assert!(matches!(DeliveryAnswer::of_webhook(302, None), DeliveryAnswer::Failed { .. }));
    }

    #[test]
    fn whoever_is_away_is_asked_each_minute_and_may_ask_for_an_hour_at_most() {
        let hour = Duration::from_secs(3600);
        assert_eq!(SCHEDULE.asking().wait(u32::MAX, None, 1.0), Duration::from_secs(60));
        for backoff in [SCHEDULE.asking(), SCHEDULE.backoff()] {
            assert_eq!(backoff.wait(1, Some(Duration::from_secs(3599)), 1.0), hour - Duration::from_secs(1));
            assert_eq!(backoff.wait(1, Some(Duration::MAX), 1.0), hour);
        }
    }

    #[test]
    fn what_is_too_large_is_not_tried_for_ever() {
        let html = parkgate_client::classify(413, None, b"<html>");
        for answer in [
            DeliveryAnswer::of_protocol(html),
            DeliveryAnswer::of_webhook(413, None),
            DeliveryAnswer::of_webhook(431, None),
        ] {
            assert!(answer.is_answered());
            assert!(matches!(settle(due(1, 0), answer, &SCHEDULE, 0.5, at(1)), Settled::Dead { .. }));
        }
    }

    #[test]
    fn a_clock_that_jumped_ahead_kills_nothing() {
        let jumped = Now { system: UnixMillis(365 * 24 * 3_600_000), confirmed: UnixMillis(3_600_000) };
        match settle(due(1, 0), failed(), &SCHEDULE, 0.5, jumped) {
            Settled::Later { next_at, .. } => assert!(next_at > jumped.system.0),
            other => panic!("{other:?}"),
        }
        assert!(!is_over(&due(1, 0), &SCHEDULE, jumped.confirmed));
    }

    #[test]
    fn what_was_denied_is_tried_again_and_dead_only_when_its_time_is_over() {
        let denied = || DeliveryAnswer::Denied("403".into());
        assert!(matches!(settle(due(1, 0), denied(), &SCHEDULE, 0.5, at(1)), Settled::Later { .. }));
        assert!(matches!(settle(due(9, 0), denied(), &SCHEDULE, 0.5, at(4 * 24 * 3_600_000)), Settled::Dead { .. }));
        assert!(denied().is_answered() && !DeliveryAnswer::Unready("the bucket is away".into()).is_answered());
    }
}
