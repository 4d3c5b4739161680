//! When the platform is down nobody keeps asking it. Pure: times come from outside.

use std::time::Duration;

use crate::Backoff;

/// So many failures in a row, and only one record at a time asks whether the platform is back.
const OPENS_AFTER: u32 = 5;

/// Failures in a row, of all records together.
#[derive(Debug, Default)]
pub struct Circuit {
    failures: u32,
    /// How often it opened without an answer in between.
    trips: u32,
    open_until: i64,
}

impl Circuit {
    /// How many may be on their way now.
    #[must_use]
    pub fn allows(&self, concurrency: usize, now: i64) -> usize {
        match (self.is_open(), now >= self.open_until) {
            (false, _) => concurrency,
            (true, true) => 1,
            (true, false) => 0,
        }
    }

    /// When the next record may ask, ms since 1970.
    #[must_use]
    pub fn open_until(&self) -> i64 {
        self.open_until
    }

    /// Is the platform taken to be down?
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.failures >= OPENS_AFTER
    }

    /// No record is the one that always asks: it may be the only one the platform chokes on.
    #[must_use]
    pub fn asks_with_newest(&self) -> bool {
        self.is_open() && self.trips.is_multiple_of(2)
    }

    /// The platform answered; whether it was away before.
    pub fn answered(&mut self) -> bool {
        let was_open = self.is_open();
        *self = Circuit::default();
        was_open
    }

    /// It did not. What was on its way when the circuit opened does not count again.
    pub fn failed(&mut self, backoff: &Backoff, asked: Option<Duration>, chance: f64, now: i64) {
        self.failures = self.failures.saturating_add(1);
        if self.is_open() && now >= self.open_until {
            self.trips = self.trips.saturating_add(1);
            self.open_until = after(now, backoff.wait(self.trips, asked, chance));
        }
    }
}

/// `wait` after `now`, ms since 1970.
#[must_use]
pub fn after(now: i64, wait: Duration) -> i64 {
    now.saturating_add(i64::try_from(wait.as_millis()).unwrap_or(i64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_opens_after_failures_in_a_row_asks_one_at_a_time_and_closes_with_an_answer() {
        let backoff = Backoff { first: Duration::from_secs(1), max: Duration::from_secs(60) };
        let mut circuit = Circuit::default();
        for _ in 0..4 {
            circuit.failed(&backoff, None, 0.5, 0);
        }
        assert_eq!(circuit.allows(32, 0), 32);
        circuit.failed(&backoff, None, 0.5, 0);
        let opened_until = circuit.open_until;
        assert!(opened_until > 0);
        assert_eq!((circuit.allows(32, 0), circuit.allows(32, opened_until)), (0, 1));
        circuit.failed(&backoff, None, 0.5, opened_until - 1);
        assert_eq!(circuit.open_until, opened_until, "one more that was on its way");
        circuit.failed(&backoff, Some(Duration::from_secs(30)), 0.5, opened_until);
        assert!(circuit.open_until >= opened_until + 30_000, "Retry-After counts");
        assert!(circuit.answered());
        assert_eq!(circuit.allows(32, 0), 32);
        assert!(!circuit.answered());
    }
}
