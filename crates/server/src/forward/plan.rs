//! What an attempt's answer means, and when the next one is due. Pure.

use std::time::Duration;

use parkgate_client::{Backoff, Outcome, after};
use parkgate_store::{Due, Settled};

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
    /// Not now.
    Failed { told: String, retry_after: Option<Duration> },
    /// Nothing was sent, for a reason of our own.
    Unready(String),
}

impl Answer {
    /// The platform is there.
    pub(super) fn is_answered(&self) -> bool {
        match self {
            Answer::Taken | Answer::Refused(_) | Answer::Denied(_) => true,
            Answer::Failed { .. } | Answer::Unready(_) => false,
        }
    }

    /// For the metrics.
    pub(super) fn name(&self) -> &'static str {
        match self {
            Answer::Taken => "delivered",
            Answer::Refused(_) => "refused",
            Answer::Denied(_) => "denied",
            Answer::Failed { .. } => "failed",
            Answer::Unready(_) => "unready",
        }
    }

    /// A reply of the protocol. A hint on success is the platform's own matter, but for a signature that it did not
    /// accept: such a push is lost there, whatever its code (`leave.md`, note 6).
    pub(super) fn of_protocol(outcome: Outcome) -> Answer {
        match outcome {
            Outcome::AcceptedWithHint(reply) if is_of_sign(reply.hint.as_deref().unwrap_or_default()) => {
                Answer::Denied(format!("{} {}", reply.code, masked(reply.hint.as_deref().unwrap_or_default())))
            }
            Outcome::Accepted(_) | Outcome::AcceptedWithHint(_) => Answer::Taken,
            Outcome::Refused(reply) => {
                let hint = reply.hint.as_deref().map(|hint| format!(": {}", masked(hint))).unwrap_or_default();
                let told = format!("{} {}{hint}", reply.code, reply.message);
                if matches!(reply.code.as_str(), "401" | "403" | "1401" | "1403") {
                    Answer::Denied(told)
                } else {
                    Answer::Refused(told)
                }
            }
            Outcome::TryLater { reason, retry_after } => {
                Answer::Failed { told: reason, retry_after: retry_after.map(Duration::from_secs) }
            }
        }
    }

    /// An answer to a webhook: any 2xx has it.
    pub(super) fn of_webhook(status: u16, retry_after: Option<Duration>) -> Answer {
        match status {
            200..300 => Answer::Taken,
            410 => Answer::Refused("HTTP 410: 不再接收 (gone)".into()),
            _ => Answer::Failed { told: format!("HTTP {status}"), retry_after },
        }
    }
}

fn is_of_sign(hint: &str) -> bool {
    hint.starts_with("签名验证不通过")
}

/// A hint repeats what was sent, ID data and all: only its first words are kept.
fn masked(hint: &str) -> String {
    hint.split('[').next().unwrap_or_default().chars().take(80).collect()
}

/// What becomes of a delivery.
pub(super) fn settle(due: Due, answer: Answer, schedule: &Schedule, chance: f64, now: i64) -> Settled {
    let (told, retry_after) = match answer {
        Answer::Taken => return Settled::Delivered(due),
        Answer::Refused(told) => return Settled::Dead { due, told },
        Answer::Failed { told, retry_after } => (told, retry_after),
        Answer::Denied(told) | Answer::Unready(told) => (told, None),
    };
    if is_over(&due, schedule, now) {
        return Settled::Dead { due, told };
    }
    let backoff = Backoff { first: schedule.retry_first, max: schedule.retry_max };
    let wait = backoff.wait(due.attempts, retry_after.map(|asked| asked.min(DAY)), chance);
    Settled::Later { due, next_at: after(now, wait), told }
}

const DAY: Duration = Duration::from_secs(24 * 60 * 60);
/// A subscriber that is away is asked by one delivery, and that costs nobody anything: so it is known soon when it is back.
const ASKED_EVERY: Duration = Duration::from_secs(60);

impl Schedule {
    /// How one that is away is asked whether it is back.
    pub(super) fn asking(&self) -> Backoff {
        Backoff { first: self.retry_first, max: self.retry_max.min(ASKED_EVERY) }
    }

    /// Nobody has us wait longer than we would ourselves.
    pub(super) fn bounded(&self, retry_after: Option<Duration>) -> Option<Duration> {
        retry_after.map(|asked| asked.min(self.retry_max))
    }
}

/// Has it had all its time?
pub(super) fn is_over(due: &Due, schedule: &Schedule, now: i64) -> bool {
    now >= after(due.since, schedule.give_up_after)
}

/// So many requests in a second, evenly.
#[derive(Debug, Default)]
pub(super) struct Rate {
    free_at_us: i64,
}

impl Rate {
    /// What was taken may be sent from then on (ms): before it the turn is another node's.
    pub(super) fn from(&mut self, send_from: i64) {
        self.free_at_us = self.free_at_us.max(send_from.saturating_mul(1000));
    }

    /// May one go now? Else how long to wait.
    pub(super) fn take(&mut self, per_second: Option<u32>, now_us: i64) -> Result<(), Duration> {
        let Some(per_second) = per_second.filter(|rate| *rate > 0) else { return Ok(()) };
        if now_us < self.free_at_us {
            return Err(Duration::from_micros(self.free_at_us.abs_diff(now_us)));
        }
        self.free_at_us = self.free_at_us.max(now_us - 100_000) + 1_000_000 / i64::from(per_second);
        Ok(())
    }
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

    fn failed() -> Answer {
        Answer::Failed { told: "HTTP 500".into(), retry_after: None }
    }

    #[test]
    fn a_dead_subscriber_is_asked_for_three_days_ever_more_seldom() {
        let (mut now, mut attempts) = (0, 0);
        loop {
            attempts += 1;
            match settle(due(attempts, 0), failed(), &SCHEDULE, 1.0, now) {
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
        let answer = |body| Answer::of_protocol(parkgate_client::judge(200, None, body));
        assert_eq!(answer(r#"{"code":"1001"}"#), Answer::Taken);
        assert_eq!(answer(r#"{"code":"200","hint":"流水已存在"}"#), Answer::Taken);
        let lost = answer(
            r#"{"code":"200","message":"已忽略当前请求","hint":"签名验证不通过[idcard_no=110&app_secret=***]"}"#,
        );
        assert_eq!(lost, Answer::Denied("200 签名验证不通过".into()));
        assert_eq!(answer(r#"{"code":"403","message":"访问被拦截"}"#), Answer::Denied("403 访问被拦截".into()));
        assert!(matches!(answer(r#"{"code":"400","message":"x"}"#), Answer::Refused(_)));
        assert!(matches!(answer("<html>"), Answer::Failed { .. }));
        assert!(matches!(Answer::of_webhook(302, None), Answer::Failed { .. }));
    }

    #[test]
    fn a_rate_is_kept_to() {
        let mut rate = Rate::default();
        let (mut now, mut sent) = (1_000_000, 0);
        while now < 11_000_000 {
            match rate.take(Some(50), now) {
                Ok(()) => sent += 1,
                Err(wait) => now += i64::try_from(wait.as_micros()).unwrap(),
            }
        }
        assert!((500..=510).contains(&sent), "{sent}");
        assert!(Rate::default().take(None, 0).is_ok());
    }

    #[test]
    fn whoever_is_away_is_asked_each_minute_and_may_ask_for_an_hour_at_most() {
        assert_eq!(SCHEDULE.asking().wait(u32::MAX, None, 1.0), Duration::from_secs(60));
        assert_eq!(SCHEDULE.bounded(Some(Duration::from_secs(u64::MAX))), Some(Duration::from_secs(3600)));
    }

    #[test]
    fn what_was_denied_is_tried_again_and_dead_only_when_its_time_is_over() {
        let denied = || Answer::Denied("403".into());
        assert!(matches!(settle(due(1, 0), denied(), &SCHEDULE, 0.5, 1), Settled::Later { .. }));
        assert!(matches!(settle(due(9, 0), denied(), &SCHEDULE, 0.5, 4 * 24 * 3_600_000), Settled::Dead { .. }));
        assert!(denied().is_answered() && !Answer::Unready("the bucket is away".into()).is_answered());
    }
}
