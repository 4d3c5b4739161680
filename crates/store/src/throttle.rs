//! A bound on bytes a second, for work in the background that may take its time.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

const MB: u64 = 1_000_000;

/// Holds back whoever takes bytes, once more of them were taken than the rate allows. Shared between threads.
#[derive(Debug, Default)]
pub struct Throttle {
    bytes_per_second: Option<u64>,
    /// When the bytes that were taken are all paid for.
    paid_at: Mutex<Option<Instant>>,
}

impl Throttle {
    /// So many megabytes (10⁶ bytes) a second; any number, if none is given.
    #[must_use]
    pub fn mb_per_second(rate: Option<u64>) -> Throttle {
        let bytes_per_second = rate.map(|rate| rate.max(1).saturating_mul(MB));
        Throttle { bytes_per_second, paid_at: Mutex::default() }
    }

    /// Takes bytes, waiting as long as the rate demands. Blocks.
    pub fn take(&self, bytes: u64) {
        let Some(rate) = self.bytes_per_second else { return };
        let now = Instant::now();
        let wait = {
            let mut paid_at = self.paid_at.lock().unwrap_or_else(PoisonError::into_inner);
            let (wait, next) = turn(*paid_at, now, bytes, rate);
            *paid_at = Some(next);
            wait
        };
        if !wait.is_zero() {
            std::thread::sleep(wait);
        }
    }
}

/// From now on this process has the time of the processor that others leave: a gate beside it goes first.
pub fn give_way() {
    const LAST: i32 = 19;
    #[cfg(unix)]
    if let Err(error) = rustix::process::nice(LAST) {
        tracing::debug!(%error, "the priority stays as it is");
    }
}

/// How long to wait before these bytes, and when they are paid for. Time that nobody used is not saved up.
fn turn(paid_at: Option<Instant>, now: Instant, bytes: u64, rate: u64) -> (Duration, Instant) {
    let start = paid_at.filter(|paid_at| *paid_at > now).unwrap_or(now);
    let cost = Duration::from_secs_f64(bytes as f64 / rate as f64);
    (start - now, start + cost)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_wait_for_those_before_them_and_idle_time_is_not_saved_up() {
        let now = Instant::now();
        let (wait, paid_at) = turn(None, now, 5 * MB, 10 * MB);
        assert_eq!((wait, paid_at - now), (Duration::ZERO, Duration::from_millis(500)));
        let (wait, paid_at) = turn(Some(paid_at), now, 5 * MB, 10 * MB);
        assert_eq!((wait, paid_at - now), (Duration::from_millis(500), Duration::from_secs(1)));
        let later = now + Duration::from_secs(60);
        let (wait, paid_at) = turn(Some(paid_at), later, 5 * MB, 10 * MB);
        assert_eq!((wait, paid_at - later), (Duration::ZERO, Duration::from_millis(500)));
    }

    #[test]
    fn without_a_rate_nobody_waits() {
        Throttle::mb_per_second(None).take(u64::MAX);
    }
}
