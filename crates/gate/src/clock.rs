//! The time by which things age and are given up: that of the system, as far as it is confirmed (`ledger/clock.rs`).

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use parkgate_client::now;
use parkgate_ledger::clock::{Evidence, confirmed, latest_due, ran};
use parkgate_store::{Store, StoreError};
use parkgate_wire::UnixMillis;

use crate::hourly::Hourly;

/// A clock that is so far ahead of the confirmed time is logged.
const AHEAD_LOGGED: Duration = Duration::from_secs(60 * 60);

/// What was confirmed, and when that was by a clock that nobody sets.
pub(crate) struct Clock(Mutex<(UnixMillis, Instant)>);

impl Clock {
    /// As the store knows it.
    ///
    /// # Errors
    /// The store cannot be read.
    pub(crate) fn of(store: &Store) -> Result<Clock, StoreError> {
        let time = store.confirm_clock(None, now().0)?;
        Ok(Clock(Mutex::new((UnixMillis(time), Instant::now()))))
    }

    /// The confirmed time.
    pub(crate) fn now(&self) -> UnixMillis {
        confirmed(Evidence { ran: Some(self.ran()), ..Evidence::default() }, now())
    }

    /// The same for files.
    pub(crate) fn system_now(&self) -> SystemTime {
        UNIX_EPOCH + Duration::from_millis(self.now().0.max(0).unsigned_abs())
    }

    /// By how much the system's clock is ahead of the confirmed time.
    pub(crate) fn ahead(&self) -> Duration {
        let now = now();
        now.since(confirmed(Evidence { ran: Some(self.ran()), ..Evidence::default() }, now))
    }

    fn ran(&self) -> UnixMillis {
        let (before, at) = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        ran(before, i64::try_from(at.elapsed().as_millis()).unwrap_or(i64::MAX))
    }

    /// Asks the store what it confirms, and clamps what is due later than anything waits. Blocks.
    pub(crate) fn look(
        &self,
        store: &Store,
        longest_wait: Duration,
        last_logged: &mut Hourly,
    ) -> Result<(), StoreError> {
        let (ran, now) = (self.ran(), now());
        let time = store.confirm_clock(Some(ran.0), now.0)?;
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = (UnixMillis(time), Instant::now());
        if now.since(UnixMillis(time)) > AHEAD_LOGGED && last_logged.is_due(Instant::now()) {
            tracing::warn!(
                now = now.0,
                confirmed = time,
                "the clock is ahead of what is confirmed: nothing ages until that is settled"
            );
        }
        let longest_ms = i64::try_from(longest_wait.as_millis()).unwrap_or(i64::MAX);
        let clamped = store.clamp_due(latest_due(now, longest_ms).0, now.0)?;
        if clamped > 0 {
            tracing::warn!(clamped, "deliveries were due later than any waits: the clock was set back since");
        }
        Ok(())
    }
}
