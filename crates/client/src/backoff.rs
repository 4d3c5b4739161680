//! When to try again. Pure: the caller supplies the time and the randomness.

use std::time::{Duration, SystemTime};

use parkgate_wire::UnixMillis;

/// Waits that double from `first` up to `max`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Backoff {
    /// The wait after the first failure.
    pub first: Duration,
    /// The longest wait, unless the platform asks for a longer one.
    pub max: Duration,
    /// The longest wait that a platform can ask for (`Retry-After`).
    pub asked_max: Duration,
}

impl Backoff {
    /// How long to wait after so many failures in a row. `chance`, from 0 to 1, spreads those that failed together over the upper
    /// half of the wait. What the platform asked for (`Retry-After`) is respected within its bound.
    #[must_use]
    pub fn wait(&self, failures: u32, retry_after: Option<Duration>, chance: f64) -> Duration {
        let doubled = self.first.saturating_mul(2_u32.saturating_pow(failures.saturating_sub(1).min(31)));
        let bounded = doubled.min(self.max);
        let spread = bounded.mul_f64(0.5 + 0.5 * chance.clamp(0.0, 1.0));
        spread.max(retry_after.unwrap_or_default().min(self.asked_max))
    }

    /// The longest wait of all. Whatever is due later was scheduled while the clock was wrong.
    #[must_use]
    pub fn longest(&self) -> Duration {
        self.max.max(self.asked_max)
    }
}

/// What a `Retry-After` asks for: seconds, or an HTTP date, which is read by the platform's own clock (`Date`) if it was sent.
/// `None` if it is neither.
#[must_use]
pub fn retry_after(value: &str, platform_now: Option<UnixMillis>, now: UnixMillis) -> Option<Duration> {
    let value = value.trim();
    if let Ok(seconds) = value.parse() {
        return Some(Duration::from_secs(seconds));
    }
    Some(http_date(value)?.since(platform_now.unwrap_or(now)))
}

/// An HTTP date (`Date`, `Retry-After`).
#[must_use]
pub fn http_date(value: &str) -> Option<UnixMillis> {
    let date = httpdate::parse_http_date(value).ok()?;
    (date >= SystemTime::UNIX_EPOCH).then(|| date.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_doubles_up_to_its_bound_and_keeps_to_what_was_asked() {
        let backoff = Backoff {
            first: Duration::from_secs(1),
            max: Duration::from_secs(60),
            asked_max: Duration::from_secs(100),
        };
        let seconds = |failures| backoff.wait(failures, None, 1.0).as_secs();
        assert_eq!([1, 2, 3, 6, 7, 100, u32::MAX].map(seconds), [1, 2, 4, 32, 60, 60, 60]);
        assert_eq!(backoff.wait(3, None, 0.0), Duration::from_secs(2));
        for (asked, waits) in [(90, 90), (100, 100), (101, 100), (u64::MAX, 100)] {
            assert_eq!(backoff.wait(1, Some(Duration::from_secs(asked)), 1.0), Duration::from_secs(waits));
        }
        assert_eq!(backoff.wait(0, None, 7.0), Duration::from_secs(1));
        assert_eq!(backoff.longest(), Duration::from_secs(100));
    }

    #[test]
    fn a_platform_asks_in_seconds_or_with_a_date_of_its_own_clock() {
        const SIX: &str = "Sun, 06 Nov 1994 08:49:37 GMT";
        let at = 784_111_777_000;
        let asks = |value, platform: Option<i64>, now| {
            retry_after(value, platform.map(UnixMillis), UnixMillis(now)).map(|wait| wait.as_secs())
        };
        assert_eq!(asks(" 120 ", None, 0), Some(120));
        assert_eq!(asks(SIX, Some(at - 30_000), 0), Some(30));
        assert_eq!(asks(SIX, None, at - 7_000), Some(7));
        assert_eq!(asks("Sunday, 06-Nov-94 08:49:37 GMT", None, at - 7_000), Some(7));
        assert_eq!(asks(SIX, Some(at + 1), at - 7_000), Some(0), "over by its own clock");
        for other in ["", "soon", "-1", "1.5", "1994-11-06"] {
            assert_eq!(asks(other, None, 0), None, "{other}");
        }
    }
}
