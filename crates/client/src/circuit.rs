//! A circuit breaker: a platform that is down is only asked now and then. Pure: the caller supplies the times, which are of a
//! monotonic clock, so that setting the date changes no wait.

use std::time::{Duration, Instant};

use crate::Backoff;

/// After this many failures in a row the circuit opens: one delivery at a time asks whether the platform is back.
const OPENS_AFTER: u32 = 5;

/// What an attempt says of the platform.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Contact {
    /// It answered.
    Answered,
    /// It did not answer, or asked to be left alone.
    Failed {
        /// When it wants to be asked again, if it says.
        retry_after: Option<Duration>,
    },
    /// Nothing: it was not asked, or the answer concerns this push alone.
    Untold,
}

/// How a circuit changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CircuitChange {
    /// From now on the platform counts as away.
    Opened,
    /// It is back.
    Closed,
}

/// Failures in a row, of all deliveries together.
#[derive(Debug, Default)]
pub struct Circuit {
    failures: u32,
    /// How often it has opened since the last answer.
    trips: u32,
    open_until: Option<Instant>,
}

impl Circuit {
    /// How many pushes may be under way now, of `concurrency`.
    #[must_use]
    pub fn allows(&self, concurrency: usize, now: Instant) -> usize {
        match (self.is_open(), self.rest(now).is_zero()) {
            (false, _) => concurrency,
            (true, true) => 1,
            (true, false) => 0,
        }
    }

    /// How long until the platform is asked again.
    #[must_use]
    pub fn rest(&self, now: Instant) -> Duration {
        self.open_until.map_or(Duration::ZERO, |until| until.saturating_duration_since(now))
    }

    /// Does the platform count as away?
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.failures >= OPENS_AFTER
    }

    /// Every other time the newest delivery asks: the oldest may be the only one that the platform fails on.
    #[must_use]
    pub fn asks_with_newest(&self) -> bool {
        self.is_open() && self.trips.is_multiple_of(2)
    }

    /// Notes what an attempt says of the platform, and returns what that changed.
    pub fn note(&mut self, contact: Contact, backoff: &Backoff, chance: f64, now: Instant) -> Option<CircuitChange> {
        let was_open = self.is_open();
        match contact {
            Contact::Answered => *self = Circuit::default(),
            Contact::Failed { retry_after } => self.failed(backoff, retry_after, chance, now),
            Contact::Untold => {}
        }
        match (was_open, self.is_open()) {
            (true, false) => Some(CircuitChange::Closed),
            (false, true) => Some(CircuitChange::Opened),
            (true, true) | (false, false) => None,
        }
    }

    /// Failures of pushes that were under way when the circuit opened do not count again.
    fn failed(&mut self, backoff: &Backoff, asked: Option<Duration>, chance: f64, now: Instant) {
        self.failures = self.failures.saturating_add(1);
        if self.is_open() && self.rest(now).is_zero() {
            self.trips = self.trips.saturating_add(1);
            self.open_until = now.checked_add(backoff.wait(self.trips, asked, chance));
        }
    }
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
        let failed =
            |circuit: &mut Circuit, retry_after, now| circuit.note(Contact::Failed { retry_after }, &backoff, 0.5, now);
        let answered = |circuit: &mut Circuit| circuit.note(Contact::Answered, &backoff, 0.5, begun);
        for _ in 0..4 {
            assert_eq!(failed(&mut circuit, None, begun), None);
        }
        assert_eq!(circuit.note(Contact::Untold, &backoff, 0.5, begun), None);
        assert_eq!(circuit.allows(32, begun), 32);
        assert_eq!(failed(&mut circuit, None, begun), Some(CircuitChange::Opened));
        let rest = circuit.rest(begun);
        assert!(rest > Duration::ZERO);
        let over = begun + rest;
        assert_eq!((circuit.allows(32, begun), circuit.allows(32, over)), (0, 1));
        let nearly = over.checked_sub(Duration::from_millis(1)).unwrap();
        assert_eq!(failed(&mut circuit, None, nearly), None);
        assert_eq!(circuit.rest(begun), rest, "one more that was on its way");
        assert_eq!(failed(&mut circuit, Some(Duration::from_secs(30)), over), None);
        assert!(circuit.rest(over) >= Duration::from_secs(30), "Retry-After counts");
        assert_eq!(answered(&mut circuit), Some(CircuitChange::Closed));
        assert_eq!((circuit.allows(32, over), circuit.rest(over)), (32, Duration::ZERO));
        assert_eq!(answered(&mut circuit), None);
    }
}
