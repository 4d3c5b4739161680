//! What time it surely is, for whatever deletes by age or gives up: a clock that jumps ahead must cost nothing.
//!
//! The system's clock is believed no further than something else confirms it: the time a process ran since it last knew, by
//! a clock that nobody sets; and pushes that car parks sent lately, whose own clocks agree with ours. A clock that is behind
//! is believed at once: then everything is only kept longer.

use parkgate_wire::UnixMillis;

use crate::AHEAD_MAX_MS;

/// While a process runs it catches up this many times as fast as time goes by, so that the time for which nothing ran is
/// made up for, and a jump ahead ages nothing by more than twice the time that somebody has to notice it.
const CATCH_UP: i64 = 2;

/// What speaks for a time, ms since 1970.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Evidence {
    /// What the store was told last.
    pub stored: Option<UnixMillis>,
    /// Up to when this process confirms it: [`ran`].
    pub ran: Option<UnixMillis>,
    /// The newest that a push confirms: [`confirms`].
    pub pushed: Option<UnixMillis>,
}

/// The time that is confirmed, never after `now`. A store that knows nothing yet takes `now` for it.
#[must_use]
pub fn confirmed(evidence: Evidence, now: UnixMillis) -> UnixMillis {
    let known = evidence.stored.max(evidence.ran).max(evidence.pushed);
    known.map_or(now, |known| known.min(now))
}

/// Up to when it is confirmed by a process that knew `before` and ran for so many ms since.
#[must_use]
pub fn ran(before: UnixMillis, elapsed_ms: i64) -> UnixMillis {
    UnixMillis(before.0.saturating_add(elapsed_ms.max(0).saturating_mul(CATCH_UP)))
}

/// What a recorded push confirms: the car park's clock and ours agree, so neither has jumped.
#[must_use]
pub fn confirms(received_at: UnixMillis, event_time: UnixMillis) -> Option<UnixMillis> {
    (received_at.0.abs_diff(event_time.0) <= AHEAD_MAX_MS.unsigned_abs()).then_some(received_at.min(event_time))
}

/// The latest that anything may be due whose longest wait is so many ms: what lies further ahead was set by a clock that
/// has been set back since.
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
        // Ours jumped: the car park's clock says another time.
        assert_eq!(confirms(UnixMillis(T + YEAR), UnixMillis(T)), None);
        // Theirs is wrong.
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
