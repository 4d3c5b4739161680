//! When the platform is down nobody keeps asking it. Pure: times come from outside, and are of a clock that nobody
//! sets: a wait is over when it is over.

use std::time::{Duration, Instant};

use crate::Backoff;

/// So many failures in a row, and only one record at a time asks whether the platform is back.
const OPENS_AFTER: u32 = 5;

/// Failures in a row, of all records together.
#[derive(Debug, Default)]
pub struct Circuit {
    failures: u32,
    /// How often it opened without an answer in between.
    trips: u32,
    open_until: Option<Instant>,
}

impl Circuit {
    /// How many may be on their way now.
    #[must_use]
    pub fn allows(&self, concurrency: usize, now: Instant) -> usize {
        match (self.is_open(), self.rest(now).is_zero()) {
            (false, _) => concurrency,
            (true, true) => 1,
            (true, false) => 0,
        }
    }

    /// How long until the next record may ask.
    #[must_use]
    pub fn rest(&self, now: Instant) -> Duration {
        self.open_until.map_or(Duration::ZERO, |until| until.saturating_duration_since(now))
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
    pub fn failed(&mut self, backoff: &Backoff, asked: Option<Duration>, chance: f64, now: Instant) {
        self.failures = self.failures.saturating_add(1);
        if self.is_open() && self.rest(now).is_zero() {
            self.trips = self.trips.saturating_add(1);
            self.open_until = now.checked_add(backoff.wait(self.trips, asked, chance));
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
        let hour = Duration::from_secs(3600);
        let backoff = Backoff { first: Duration::from_secs(1), max: Duration::from_secs(60), asked_max: hour };
        let mut circuit = Circuit::default();
        let begun = Instant::now();
        for _ in 0..4 {
            circuit.failed(&backoff, None, 0.5, begun);
        }
        assert_eq!(circuit.allows(32, begun), 32);
        circuit.failed(&backoff, None, 0.5, begun);
        let rest = circuit.rest(begun);
        assert!(rest > Duration::ZERO);
        let over = begun + rest;
        assert_eq!((circuit.allows(32, begun), circuit.allows(32, over)), (0, 1));
        let nearly = over.checked_sub(Duration::from_millis(1)).unwrap();
        circuit.failed(&backoff, None, 0.5, nearly);
        assert_eq!(circuit.rest(begun), rest, "one more that was on its way");
        circuit.failed(&backoff, Some(Duration::from_secs(30)), 0.5, over);
        assert!(circuit.rest(over) >= Duration::from_secs(30), "Retry-After counts");
        assert!(circuit.answered());
        assert_eq!((circuit.allows(32, over), circuit.rest(over)), (32, Duration::ZERO));
        assert!(!circuit.answered());
    }
}
