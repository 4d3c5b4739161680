//! What the pure parts are told from outside: the time, and chance.

use std::time::SystemTime;

use parkgate_wire::UnixMillis;

/// The system's clock. It may be set at any moment: what must only pass is measured by an `Instant`.
#[must_use]
pub fn now() -> UnixMillis {
    SystemTime::now().into()
}

/// From 0 to 1, to spread waits; without randomness, the middle.
#[must_use]
pub fn chance() -> f64 {
    let mut bytes = [0; 2];
    match getrandom::fill(&mut bytes) {
        Ok(()) => f64::from(u16::from_le_bytes(bytes)) / f64::from(u16::MAX),
        Err(_) => 0.5,
    }
}
