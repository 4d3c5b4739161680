//! A state that lasts is logged once an hour.

use std::time::{Duration, Instant};

const LOGGED_EVERY: Duration = Duration::from_secs(60 * 60);

/// When a state that lasts was last logged.
#[derive(Debug, Default)]
pub(crate) struct Hourly(Option<Instant>);

impl Hourly {
    /// Is it to be logged now? Then it counts as logged.
    pub(crate) fn is_due(&mut self, now: Instant) -> bool {
        let is_due = self.0.is_none_or(|last| now.duration_since(last) >= LOGGED_EVERY);
        if is_due {
            self.0 = Some(now);
        }
        is_due
    }

    /// It is over. Was it logged?
    pub(crate) fn end(&mut self) -> bool {
        self.0.take().is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_lasts_is_logged_once_an_hour() {
        let (mut last, start) = (Hourly::default(), Instant::now());
        let due = |last: &mut Hourly, minutes: u64| last.is_due(start + Duration::from_secs(minutes * 60));
        assert_eq!([0, 1, 59, 60, 61].map(|minutes| due(&mut last, minutes)), [true, false, false, true, false]);
        assert!(last.end() && !last.end());
        assert!(due(&mut last, 62), "again after it was over");
    }
}
