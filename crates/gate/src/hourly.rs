//! What goes on is told once an hour.

use std::time::{Duration, Instant};

const TOLD_EVERY: Duration = Duration::from_secs(60 * 60);

/// When something that goes on was told last.
#[derive(Debug, Default)]
pub(crate) struct Hourly(Option<Instant>);

impl Hourly {
    /// Is it to be told now? Then it is.
    pub(crate) fn is_due(&mut self, now: Instant) -> bool {
        let is_due = self.0.is_none_or(|last| now.duration_since(last) >= TOLD_EVERY);
        if is_due {
            self.0 = Some(now);
        }
        is_due
    }

    /// It is over; was it told of?
    pub(crate) fn end(&mut self) -> bool {
        self.0.take().is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_goes_on_is_told_once_an_hour() {
        let (mut told, start) = (Hourly::default(), Instant::now());
        let due = |told: &mut Hourly, minutes: u64| told.is_due(start + Duration::from_secs(minutes * 60));
        assert_eq!([0, 1, 59, 60, 61].map(|minutes| due(&mut told, minutes)), [true, false, false, true, false]);
        assert!(told.end() && !told.end());
        assert!(due(&mut told, 62), "again after it was over");
    }
}
