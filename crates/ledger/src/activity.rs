//! When a park last pushed, and how many pushes of one day were recorded: kept beside its count of free spaces, so that a
//! list of all parks reads no records.

use parkgate_wire::UnixMillis;

/// The days that are counted are those of China, which has one time and has not changed its clocks since 1991.
const CHINA_OFFSET_MS: i64 = 8 * 60 * 60 * 1000;
const DAY_MS: i64 = 24 * 60 * 60 * 1000;

/// What a park pushed, by when its pushes were received.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct PushActivity {
    /// When the last push that was recorded was received.
    pub last_push_at: Option<UnixMillis>,
    /// The day that is counted ([`day_in_china`]).
    pub day: Option<i64>,
    /// Pushes recorded on it.
    pub day_pushes: i64,
}

/// The number of the day in China, counted from 1 January 1970.
#[must_use]
pub fn day_in_china(at: UnixMillis) -> i64 {
    at.0.saturating_add(CHINA_OFFSET_MS).div_euclid(DAY_MS)
}

/// When such a day begins.
#[must_use]
pub fn day_begins(day: i64) -> UnixMillis {
    UnixMillis(day.saturating_mul(DAY_MS).saturating_sub(CHINA_OFFSET_MS))
}

impl PushActivity {
    /// Counts a push that is recorded. The clocks of nodes differ by little: a push of the day before the one that is counted
    /// belongs to no day any more. What is further ahead than a day was received by a clock that was wrong, and gives way.
    pub(crate) fn add(&mut self, received_at: UnixMillis) {
        let is_wrong = |known: UnixMillis| known.0 > received_at.0.saturating_add(DAY_MS);
        self.last_push_at = self.last_push_at.filter(|known| !is_wrong(*known)).max(Some(received_at));
        let day = day_in_china(received_at);
        match self.day {
            Some(counted) if counted == day => self.day_pushes = self.day_pushes.saturating_add(1),
            Some(counted) if counted == day + 1 => {}
            _ => (self.day, self.day_pushes) = (Some(day), 1),
        }
    }

    /// How many pushes of this day were recorded.
    #[must_use]
    pub fn pushes_on(&self, day: i64) -> u64 {
        if self.day == Some(day) { self.day_pushes.unsigned_abs() } else { 0 }
    }

    /// That of two keys of one park together.
    #[must_use]
    pub fn with(self, other: PushActivity) -> PushActivity {
        let (day, day_pushes) = match self.day.cmp(&other.day) {
            std::cmp::Ordering::Equal => (self.day, self.day_pushes.saturating_add(other.day_pushes)),
            std::cmp::Ordering::Less => (other.day, other.day_pushes),
            std::cmp::Ordering::Greater => (self.day, self.day_pushes),
        };
        PushActivity { last_push_at: self.last_push_at.max(other.last_push_at), day, day_pushes }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR_MS: i64 = DAY_MS / 24;
    /// 2026-11-25 00:00 in China.
    const MIDNIGHT: i64 = 1_795_536_000_000;

    fn after(hours: &[i64]) -> PushActivity {
        let mut activity = PushActivity::default();
        for hour in hours {
            activity.add(UnixMillis(MIDNIGHT + hour * HOUR_MS));
        }
        activity
    }

    #[test]
    fn a_day_begins_at_midnight_in_china() {
        let day = day_in_china(UnixMillis(MIDNIGHT));
        assert_eq!(day_in_china(UnixMillis(MIDNIGHT - 1)), day - 1);
        assert_eq!(day_begins(day), UnixMillis(MIDNIGHT));
        assert_eq!(day_in_china(UnixMillis(-1)), 0);
        assert_eq!(day_in_china(UnixMillis(-8 * HOUR_MS - 1)), -1);
    }

    #[test]
    fn pushes_are_counted_by_the_day_they_are_received_on() {
        let day = day_in_china(UnixMillis(MIDNIGHT));
        assert_eq!(after(&[0, 1, 23]).pushes_on(day), 3);
        assert_eq!(after(&[0, 1, 23, 24]).pushes_on(day + 1), 1, "another day");
        assert_eq!(after(&[0, 1, 23, 24]).pushes_on(day), 0, "yesterday is over");
        assert_eq!(after(&[24, 23, 25]).pushes_on(day + 1), 2, "another node is a little behind");
        assert_eq!(after(&[24, 23]).last_push_at, Some(UnixMillis(MIDNIGHT + 24 * HOUR_MS)));
        assert_eq!(after(&[]).pushes_on(day), 0);
    }

    #[test]
    fn a_clock_that_was_years_ahead_is_forgotten_once_it_is_right() {
        let day = day_in_china(UnixMillis(MIDNIGHT));
        let years = 24 * 365 * 5;
        let mended = after(&[years, years + 1, 3, 4]);
        assert_eq!((mended.pushes_on(day), mended.last_push_at), (2, Some(UnixMillis(MIDNIGHT + 4 * HOUR_MS))));
    }

    #[test]
    fn the_keys_of_one_park_are_summed_up() {
        let day = day_in_china(UnixMillis(MIDNIGHT));
        let (old, new) = (after(&[1, 2]), after(&[3]));
        assert_eq!(old.with(new).pushes_on(day), 3);
        assert_eq!(old.with(new).last_push_at, new.last_push_at);
        assert_eq!(after(&[1]).with(after(&[25])).pushes_on(day + 1), 1);
        assert_eq!(after(&[25]).with(after(&[1])), after(&[1]).with(after(&[25])));
        assert_eq!(old.with(PushActivity::default()), old);
    }
}
