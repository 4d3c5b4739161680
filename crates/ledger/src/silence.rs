//! Which parks have pushed nothing, and for how long. A barrier that was cut off looks like one where nobody drives: all
//! that is known is the time since its last push.

use std::time::Duration;

use parkgate_wire::UnixMillis;

const HOUR: Duration = Duration::from_secs(60 * 60);

/// Parks are counted by whether they have been silent for longer than this: after an hour by day something may be wrong,
/// after six it likely is, and after a day it is.
pub const SILENCES: [(&str, Duration); 3] =
    [("1h", HOUR), ("6h", HOUR.saturating_mul(6)), ("24h", HOUR.saturating_mul(24))];

/// How long parks have been silent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Silence<K> {
    /// Those that have been silent longest, the longest first.
    pub longest: Vec<(K, Duration)>,
    /// How many have been silent for longer than each of [`SILENCES`].
    pub counts: [u64; SILENCES.len()],
}

impl<K> Default for Silence<K> {
    fn default() -> Self {
        Silence { longest: Vec::new(), counts: [0; SILENCES.len()] }
    }
}

/// The silence of all parks of which each is given with the time of its last push. A time after `now` counts as now: a
/// clock was set back meanwhile. At most `shown_max` are named.
pub fn silence<K: Ord>(
    last_pushes: impl IntoIterator<Item = (K, UnixMillis)>,
    now: UnixMillis,
    shown_max: usize,
) -> Silence<K> {
    let mut all: Vec<(UnixMillis, K)> = last_pushes.into_iter().map(|(park, last)| (last.min(now), park)).collect();
    let longer_than = |longer: Duration| all.iter().filter(|(last, _)| now.since(*last) > longer).count() as u64;
    let counts = SILENCES.map(|(_, longer)| longer_than(longer));
    // Among thousands only a few are shown: these alone are put in order.
    if shown_max > 0 && all.len() > shown_max {
        all.select_nth_unstable(shown_max - 1);
    }
    all.truncate(shown_max);
    all.sort_unstable();
    Silence { longest: all.into_iter().map(|(last, park)| (park, now.since(last))).collect(), counts }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_parks_silent_longest_are_named_and_all_are_counted() {
        let now = UnixMillis(100 * 3_600_000);
        let hours_ago = |hours: i64| UnixMillis(now.0 - hours * 3_600_000);
        let parks = [("b", hours_ago(7)), ("a", hours_ago(7)), ("c", now), ("d", hours_ago(30)), ("e", hours_ago(2))];
        let found = silence(parks, now, 3);
        let hours = |hours: u64| Duration::from_secs(hours * 3600);
        assert_eq!(found.longest, [("d", hours(30)), ("a", hours(7)), ("b", hours(7))]);
        assert_eq!(found.counts, [4, 3, 1]);
        assert_eq!(silence(parks, now, 5).longest.len(), 5);
        assert_eq!(silence(parks, now, 0), Silence { longest: Vec::new(), counts: [4, 3, 1] });
        assert_eq!(silence::<&str>([], now, 3), Silence::default());
    }

    #[test]
    fn a_silence_of_exactly_an_hour_is_not_longer_and_a_push_of_the_future_is_of_now() {
        let now = UnixMillis(100 * 3_600_000);
        let parks = [
            ("hour", UnixMillis(now.0 - 3_600_000)),
            ("more", UnixMillis(now.0 - 3_600_001)),
            ("ahead", UnixMillis(now.0 + 5)),
        ];
        let found = silence(parks, now, 9);
        assert_eq!(found.counts, [1, 0, 0]);
        assert_eq!(found.longest.last(), Some(&("ahead", Duration::ZERO)));
    }
}
