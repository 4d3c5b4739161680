//! What an attempt's answer means, and when the next one is due. Pure.

use std::time::Duration;

use parkgate_client::{Backoff, Contact, Denial, Outcome};
use parkgate_store::{Due, Settled};
use parkgate_wire::UnixMillis;

/// When deliveries are tried again, and for how long.
#[derive(Debug, Clone, Copy)]
pub struct Schedule {
    /// After the first failure; each wait is twice the one before.
    pub retry_first: Duration,
    /// Never longer between two attempts.
    pub retry_max: Duration,
    /// A delivery that fails after so long is dead.
    pub give_up_after: Duration,
}

/// What came back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Answer {
    /// Taken.
    Taken,
    /// Will never be taken as it is.
    Refused(String),
    /// The platform is there, and does not know us, the car park or the signature: once that is mended there, it takes it.
    Denied(String),
    /// Too large for it. A relay goes once more without its pictures; what has none is never taken.
    TooLarge(String),
    /// Not now.
    Failed { told: String, retry_after: Option<Duration> },
    /// Nothing was sent, for a reason of our own.
    Unready(String),
}

impl Answer {
    /// What it says of the subscriber.
    pub(super) fn contact(&self) -> Contact {
        match self {
            Answer::Taken | Answer::Refused(_) | Answer::Denied(_) | Answer::TooLarge(_) => Contact::Answered,
            Answer::Unready(_) => Contact::Untold,
            Answer::Failed { retry_after, .. } => Contact::Failed { retry_after: *retry_after },
        }
    }

    /// The platform is there.
    pub(super) fn is_answered(&self) -> bool {
        self.contact() == Contact::Answered
    }

    /// For the metrics.
    pub(super) fn name(&self) -> &'static str {
        match self {
            Answer::Taken => "delivered",
            Answer::Refused(_) => "refused",
            Answer::Denied(_) => "denied",
            Answer::TooLarge(_) => "too_large",
            Answer::Failed { .. } => "failed",
            Answer::Unready(_) => "unready",
        }
    }

    /// A reply of the protocol. A hint on success is the platform's own matter.
    pub(super) fn of_protocol(outcome: Outcome) -> Answer {
        match outcome {
            Outcome::Accepted(_) | Outcome::AcceptedWithHint(_) => Answer::Taken,
            Outcome::Refused(reply) => {
                let hint = reply.hint.as_deref().map(|hint| format!(": {}", masked(hint))).unwrap_or_default();
                Answer::Refused(format!("{} {}{hint}", reply.code, reply.message))
            }
            // What stands before the platform may be away together with it.
            Outcome::Denied { denial: Denial::Blocked, reason, .. } => {
                Answer::Failed { told: reason, retry_after: None }
            }
            Outcome::Denied { denial: Denial::Signature | Denial::Access, reason, reply } => {
                let code = reply.map(|reply| reply.code).unwrap_or_default();
                Answer::Denied(format!("{code} {}", masked(&reason)))
            }
            Outcome::TooLarge { reason } => Answer::TooLarge(masked(&reason)),
            Outcome::TryLater { reason, retry_after } => Answer::Failed { told: reason, retry_after },
        }
    }

    /// An answer to a webhook: any 2xx has it, whatever it says.
    pub(super) fn of_webhook(status: u16, retry_after: Option<Duration>) -> Answer {
        match status {
            200..300 => Answer::Taken,
            410 => Answer::Refused("HTTP 410: 不再接收 (gone)".into()),
            413 | 414 | 431 => Answer::TooLarge(format!("HTTP {status}")),
            _ => Answer::Failed { told: format!("HTTP {status}"), retry_after },
        }
    }
}

/// A hint repeats what was sent, ID data and all: only its first words are kept.
fn masked(hint: &str) -> String {
    hint.split('[').next().unwrap_or_default().chars().take(80).collect()
}

/// What time it is.
#[derive(Debug, Clone, Copy)]
pub(super) struct Now {
    /// By the system's clock: for what is due.
    pub(super) system: UnixMillis,
    /// As far as it is confirmed: for what is given up.
    pub(super) confirmed: UnixMillis,
}

/// What becomes of a delivery.
pub(super) fn settle(due: Due, answer: Answer, schedule: &Schedule, chance: f64, now: Now) -> Settled {
    let (told, retry_after) = match answer {
        Answer::Taken => return Settled::Delivered(due),
        Answer::Refused(told) | Answer::TooLarge(told) => return Settled::Dead { due, told },
        Answer::Failed { told, retry_after } => (told, retry_after),
        Answer::Denied(told) | Answer::Unready(told) => (told, None),
    };
    if is_over(&due, schedule, now.confirmed) {
        return Settled::Dead { due, told };
    }
    let wait = schedule.backoff().wait(due.attempts, retry_after, chance);
    Settled::Later { due, next_at: now.system.after(wait).0, told }
}

/// A subscriber that is away is asked by one delivery, and that costs nobody anything: so it is known soon when it is back.
const ASKED_EVERY: Duration = Duration::from_secs(60);

impl Schedule {
    /// How a delivery is tried again. Nobody has us wait longer than we would ourselves.
    pub(super) fn backoff(&self) -> Backoff {
        Backoff { first: self.retry_first, max: self.retry_max, asked_max: self.retry_max }
    }

    /// How one that is away is asked whether it is back.
    pub(super) fn asking(&self) -> Backoff {
        Backoff { max: self.retry_max.min(ASKED_EVERY), ..self.backoff() }
    }
}

/// Has it had all its time, by what is confirmed of it?
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

    fn failed() -> Answer {
        Answer::Failed { told: "HTTP 500".into(), retry_after: None }
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
                Settled::Dead { told, .. } => break assert_eq!(told, "HTTP 500"),
                Settled::Delivered(_) | Settled::Unsent { .. } => unreachable!(),
            }
        }
        assert!(now >= 3 * 24 * 3_600_000, "{now}");
        assert!((70..100).contains(&attempts), "{attempts}");
    }

    #[test]
    fn a_wrong_signature_is_no_success_and_a_hint_is_kept_without_what_was_sent() {
        let answer = |body: &str| Answer::of_protocol(parkgate_client::classify(200, None, body.as_bytes()));
        assert_eq!(answer(r#"{"code":"1001"}"#), Answer::Taken);
        assert_eq!(answer(r#"{"code":"200","hint":"流水已存在"}"#), Answer::Taken);
        let lost = answer(
            r#"{"code":"200","message":"已忽略当前请求","hint":"签名验证不通过[idcard_no=110&app_secret=***]"}"#,
        );
        assert_eq!(lost, Answer::Denied("200 签名验证不通过".into()));
        assert_eq!(answer(r#"{"code":"403","message":"访问被拦截"}"#), Answer::Denied("403 访问被拦截".into()));
        assert!(matches!(answer(r#"{"code":"400","message":"x"}"#), Answer::Refused(_)));
        assert_eq!(
            answer(r#"{"code":"401","message":"请求签名校验不通过"}"#),
            Answer::Denied("401 请求签名校验不通过".into())
        );
        assert_eq!(answer(r#"{"code":"200","message":"签名错误"}"#), Answer::Denied("200 签名错误".into()));
        assert!(matches!(answer("<html>"), Answer::Failed { .. }));
        assert!(matches!(Answer::of_webhook(302, None), Answer::Failed { .. }));
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
        for answer in [Answer::of_protocol(html), Answer::of_webhook(413, None), Answer::of_webhook(431, None)] {
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
        let denied = || Answer::Denied("403".into());
        assert!(matches!(settle(due(1, 0), denied(), &SCHEDULE, 0.5, at(1)), Settled::Later { .. }));
        assert!(matches!(settle(due(9, 0), denied(), &SCHEDULE, 0.5, at(4 * 24 * 3_600_000)), Settled::Dead { .. }));
        assert!(denied().is_answered() && !Answer::Unready("the bucket is away".into()).is_answered());
    }
}
