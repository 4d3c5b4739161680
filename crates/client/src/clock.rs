//! What the pure parts get from outside: the time, and randomness.

use std::time::SystemTime;

use parkgate_wire::UnixMillis;

/// The system's clock. It can be set at any moment: durations are measured with an `Instant`.
#[must_use]
pub fn now() -> UnixMillis {
    SystemTime::now().into()
}

/// A random number from 0 to 1, to spread waits; 0.5 if there is no randomness.
#[must_use]
pub fn chance() -> f64 {
    let mut bytes = [0; 2];
    match getrandom::fill(&mut bytes) {
        Ok(()) => f64::from(u16::from_le_bytes(bytes)) / f64::from(u16::MAX),
        Err(_) => 0.5,
    }
}
