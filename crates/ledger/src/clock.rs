//! Which time is certain, for everything that deletes by age or gives up: a clock that jumps ahead must cost no data.
//!
//! The system's clock is believed only as far as something else confirms it: the time this process has been running
//! since it last knew, by the monotonic clock; and recent pushes of car parks whose own clocks agree with ours. A clock
//! that is behind is believed at once: then everything is merely kept longer.

use parkgate_wire::UnixMillis;

use crate::AHEAD_MAX_MS;

/// A running process lets the certain time catch up at this multiple of real time. So the time while nothing ran is
/// made up for, and a jump ahead ages nothing by more than twice the time that somebody had to notice it.
const CATCH_UP: i64 = 2;

/// What confirms a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Evidence {
    /// The last certain time that the store saved.
    pub stored: Option<UnixMillis>,
    /// The time that this process confirms: [`ran`].
    pub ran: Option<UnixMillis>,
    /// The newest time that a push confirms: [`confirms`].
    pub pushed: Option<UnixMillis>,
}

/// The certain time, never after `now`. With no evidence at all, `now` is accepted.
#[must_use]
pub fn confirmed(evidence: Evidence, now: UnixMillis) -> UnixMillis {
    let known = evidence.stored.max(evidence.ran).max(evidence.pushed);
    known.map_or(now, |known| known.min(now))
}

/// The time confirmed by a process that knew `before` and has been running for this many ms since.
#[must_use]
pub fn ran(before: UnixMillis, elapsed_ms: i64) -> UnixMillis {
    UnixMillis(before.0.saturating_add(elapsed_ms.max(0).saturating_mul(CATCH_UP)))
}

/// What a recorded push confirms: if the car park's clock and ours agree, neither has jumped.
#[must_use]
pub fn confirms(received_at: UnixMillis, event_time: UnixMillis) -> Option<UnixMillis> {
    (received_at.0.abs_diff(event_time.0) <= AHEAD_MAX_MS.unsigned_abs()).then_some(received_at.min(event_time))
}

/// The latest moment at which anything may be due whose longest wait is this many ms: anything later was set by a clock
/// that has been set back since.
#[must_use]
pub fn latest_due(now: UnixMillis, longest_wait_ms: i64) -> UnixMillis {
    UnixMillis(now.0.saturating_add(longest_wait_ms.max(0)))
}

#[cfg(test)]
mod tests {
    use super::*;

    const T: i64 = 1_700_000_000_000;
    const HOUR: i64 = 60 * 60 * 1000;
    const YEAR: i64 = 365 * 24 * HOUR;

    fn at(ms: i64) -> Option<UnixMillis> {
        Some(UnixMillis(ms))
    }

    #[test]
    fn a_jump_ahead_is_not_believed_and_one_back_at_once() {
        let knows = Evidence { stored: at(T), ran: at(ran(UnixMillis(T), HOUR).0), pushed: None };
        assert_eq!(confirmed(knows, UnixMillis(T + YEAR)), UnixMillis(T + 2 * HOUR));
        assert_eq!(confirmed(knows, UnixMillis(T + HOUR)), UnixMillis(T + HOUR), "nothing jumped");
        assert_eq!(confirmed(knows, UnixMillis(T - YEAR)), UnixMillis(T - YEAR));
        assert_eq!(confirmed(Evidence::default(), UnixMillis(T)), UnixMillis(T), "nothing is known yet");
        assert_eq!(ran(UnixMillis(T), -5), UnixMillis(T));
    }

    #[test]
    fn a_push_after_a_jump_confirms_nothing_and_one_after_a_rest_does() {
        // Our clock jumped: the car park's says another time.
        assert_eq!(confirms(UnixMillis(T + YEAR), UnixMillis(T)), None);
        // Their clock is wrong.
        assert_eq!(confirms(UnixMillis(T), UnixMillis(T + YEAR)), None);
        assert_eq!(confirms(UnixMillis(T), UnixMillis(T - AHEAD_MAX_MS)), at(T - AHEAD_MAX_MS));
        assert_eq!(confirms(UnixMillis(T), UnixMillis(T - AHEAD_MAX_MS - 1)), None, "uploaded late");
        let rested = Evidence {
            stored: at(T),
            ran: at(T + HOUR),
            pushed: confirms(UnixMillis(T + YEAR), UnixMillis(T + YEAR - 1)),
        };
        assert_eq!(confirmed(rested, UnixMillis(T + YEAR + 5)), UnixMillis(T + YEAR - 1));
    }

    #[test]
    fn a_year_of_jumped_clock_ages_by_twice_the_time_that_passed_and_comes_back() {
        let (mut known, mut wall) = (UnixMillis(T), T);
        for hour in 1..=48 {
            wall = T + hour * HOUR + if hour > 10 && hour <= 30 { YEAR } else { 0 };
            let evidence = Evidence { stored: Some(known), ran: Some(ran(known, HOUR)), pushed: None };
            known = confirmed(evidence, UnixMillis(wall));
            assert!(known.0 <= T + 2 * hour * HOUR, "{hour}");
        }
        assert_eq!(known.0, wall, "and is right again");
    }

    #[test]
    fn nothing_is_due_later_than_the_longest_wait() {
        assert_eq!(latest_due(UnixMillis(T), HOUR), UnixMillis(T + HOUR));
        assert_eq!(latest_due(UnixMillis(T), i64::MAX), UnixMillis(i64::MAX));
    }
}
