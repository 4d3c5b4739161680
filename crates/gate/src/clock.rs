//! The time by which things age and are given up: that of the system, as far as it is confirmed (`ledger/clock.rs`).

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use parkgate_ledger::clock::{Evidence, confirmed, latest_due, ran};
use parkgate_store::{Store, StoreError};
use parkgate_wire::UnixMillis;

use crate::hourly::Hourly;

/// A clock that is so far ahead of the confirmed time is logged.
const AHEAD_LOGGED_MS: i64 = 60 * 60 * 1000;

/// Milliseconds since 1970.
#[must_use]
pub fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

/// What was confirmed, and when that was by a clock that nobody sets.
pub(crate) struct Clock(Mutex<(UnixMillis, Instant)>);

impl Clock {
    /// As the store knows it.
    ///
    /// # Errors
    /// The store cannot be read.
    pub(crate) fn of(store: &dyn Store) -> Result<Clock, StoreError> {
        let time = store.confirm_clock(None, now_ms())?;
        Ok(Clock(Mutex::new((UnixMillis(time), Instant::now()))))
    }

    /// The confirmed time, ms since 1970.
    pub(crate) fn now(&self) -> i64 {
        confirmed(Evidence { ran: Some(self.ran()), ..Evidence::default() }, UnixMillis(now_ms())).0
    }

    /// The same for files.
    pub(crate) fn system_now(&self) -> SystemTime {
        UNIX_EPOCH + Duration::from_millis(self.now().max(0).unsigned_abs())
    }

    fn ran(&self) -> UnixMillis {
        let (before, at) = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        ran(before, i64::try_from(at.elapsed().as_millis()).unwrap_or(i64::MAX))
    }

    /// Asks the store what it confirms, and clamps what is due later than anything waits. Blocks.
    pub(crate) fn look(
        &self,
        store: &dyn Store,
        longest_wait: Duration,
        last_logged: &mut Hourly,
    ) -> Result<(), StoreError> {
        let (ran, now) = (self.ran(), now_ms());
        let time = store.confirm_clock(Some(ran.0), now)?;
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = (UnixMillis(time), Instant::now());
        if now.saturating_sub(time) > AHEAD_LOGGED_MS && last_logged.is_due(Instant::now()) {
            tracing::warn!(
                now,
                confirmed = time,
                "the clock is ahead of what is confirmed: nothing ages until that is settled"
            );
        }
        let longest_ms = i64::try_from(longest_wait.as_millis()).unwrap_or(i64::MAX);
        let clamped = store.clamp_due(latest_due(UnixMillis(now), longest_ms).0, now)?;
        if clamped > 0 {
            tracing::warn!(clamped, "deliveries were due later than any waits: the clock was set back since");
        }
        Ok(())
    }
}
