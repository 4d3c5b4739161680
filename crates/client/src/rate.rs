//! A limit on requests per second. Pure: the caller supplies the times, which are of a monotonic clock.

use std::time::{Duration, Instant};

/// Time in which fewer were sent than allowed is made up for, as far back as this.
const MADE_UP: Duration = Duration::from_millis(100);

/// When the next request may go, at an even rate.
#[derive(Debug, Default)]
pub struct Rate {
    free_at: Option<Instant>,
}

impl Rate {
    /// Nothing may be sent before `at`: until then it is another node's turn.
    pub fn start_at(&mut self, at: Instant) {
        self.free_at = self.free_at.max(Some(at));
    }

    /// Takes one turn. There is always one if `per_second` is `None` or 0.
    ///
    /// # Errors
    /// How long until the next turn.
    pub fn take(&mut self, per_second: Option<u32>, now: Instant) -> Result<(), Duration> {
        let Some(per_second) = per_second.filter(|rate| *rate > 0) else { return Ok(()) };
        let left = self.free_at.map_or(Duration::ZERO, |free_at| free_at.saturating_duration_since(now));
        if !left.is_zero() {
            return Err(left);
        }
        self.free_at = self.free_at.max(now.checked_sub(MADE_UP)).or(Some(now));
        self.free_at = self.free_at.and_then(|at| at.checked_add(Duration::from_secs(1) / per_second));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_is_kept() {
        let mut rate = Rate::default();
        let begun = Instant::now();
        let (mut now, mut sent) = (begun, 0);
        while now < begun + Duration::from_secs(10) {
            match rate.take(Some(50), now) {
                Ok(()) => sent += 1,
                Err(wait) => now += wait,
            }
        }
        assert!((500..=510).contains(&sent), "{sent}");
        assert!(Rate::default().take(None, begun).is_ok());
        rate.start_at(now + Duration::from_secs(5));
        assert_eq!(rate.take(Some(50), now), Err(Duration::from_secs(5)), "another node's turn");
    }
}
