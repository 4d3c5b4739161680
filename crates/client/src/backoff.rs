//! When to try again. Pure: the clock and the chance are the caller's.

use std::time::Duration;

/// Doubling from `first` up to `max`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Backoff {
    /// After the first failure.
    pub first: Duration,
    /// Never longer, but for what the platform asks for.
    pub max: Duration,
}

impl Backoff {
    /// How long to wait after so many failures in a row. `chance`, from 0 to 1, spreads those who failed together over
    /// the upper half of the time; what the platform asked for (`Retry-After`) is kept to.
    #[must_use]
    pub fn wait(&self, failures: u32, retry_after: Option<Duration>, chance: f64) -> Duration {
        let doubled = self.first.saturating_mul(2_u32.saturating_pow(failures.saturating_sub(1).min(31)));
        let bounded = doubled.min(self.max);
        let spread = bounded.mul_f64(0.5 + 0.5 * chance.clamp(0.0, 1.0));
        spread.max(retry_after.unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_doubles_up_to_its_bound_and_keeps_to_what_was_asked() {
        let backoff = Backoff { first: Duration::from_secs(1), max: Duration::from_secs(60) };
        let seconds = |failures| backoff.wait(failures, None, 1.0).as_secs();
        assert_eq!([1, 2, 3, 6, 7, 100, u32::MAX].map(seconds), [1, 2, 4, 32, 60, 60, 60]);
        assert_eq!(backoff.wait(3, None, 0.0), Duration::from_secs(2));
        assert_eq!(backoff.wait(1, Some(Duration::from_secs(90)), 1.0), Duration::from_secs(90));
        assert_eq!(backoff.wait(0, None, 7.0), Duration::from_secs(1));
    }
}
