//! Recording goes first: a push waits for its reply, a delivery can wait. While pushes come in faster than a share of this
//! machine allows, deliveries are limited to the other share; the backlog is sent afterwards.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use parkgate_client::Rate;

/// Pushes per second and core above which recording counts as busy, and deliveries per second and core that are sent then, to
/// all subscribers together. Measured with `bench/forward`.
const BUSY_PER_CORE: u32 = 2000;
const SENT_PER_CORE: u32 = 1500;

/// Shared by recording and the loops of all subscribers.
#[derive(Debug)]
pub(super) struct Pace {
    cores: u32,
    recorded: AtomicU64,
    is_busy: AtomicBool,
    rate: Mutex<Rate>,
}

impl Pace {
    pub(super) fn new() -> Pace {
        let cores = std::thread::available_parallelism().map_or(1, |cores| u32::try_from(cores.get()).unwrap_or(1));
        Pace { cores, recorded: AtomicU64::new(0), is_busy: AtomicBool::new(false), rate: Mutex::default() }
    }

    /// A push was recorded.
    pub(super) fn recorded(&self) {
        self.recorded.fetch_add(1, Ordering::Relaxed);
    }

    /// Decides whether recording is busy, from the pushes of the last `elapsed`.
    pub(super) fn look(&self, elapsed: Duration) {
        let recorded = self.recorded.swap(0, Ordering::Relaxed);
        let busy = f64::from(BUSY_PER_CORE.saturating_mul(self.cores)) * elapsed.as_secs_f64();
        self.is_busy.store(recorded as f64 > busy, Ordering::Relaxed);
    }

    /// May a delivery be sent now?
    pub(super) fn allows(&self, now: Instant) -> bool {
        if !self.is_busy.load(Ordering::Relaxed) {
            return true;
        }
        let mut rate = self.rate.lock().unwrap_or_else(PoisonError::into_inner);
        rate.take(Some(SENT_PER_CORE.saturating_mul(self.cores)), now).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_busy_intake_slows_deliveries() {
        let pace = Pace { cores: 2, ..Pace::new() };
        let begun = Instant::now();
        let at = |tenth_ms| begun + Duration::from_micros(100) * tenth_ms;
        let sent = |pace: &Pace| (0..10_000).filter(|tenth_ms| pace.allows(at(*tenth_ms))).count();
        assert_eq!(sent(&pace), 10_000);
        (0..5000).for_each(|_| pace.recorded());
        pace.look(Duration::from_secs(1));
        assert!((2900..=3400).contains(&sent(&pace)), "{}", sent(&pace));
        pace.look(Duration::from_secs(1));
        assert_eq!(sent(&pace), 10_000);
    }
}
