//! Parks that somebody should look at: those that have been silent longest, and those whose serials start anew.

use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError};

use parkgate_ledger::ParkId;
use parkgate_ledger::silence::{Silence, silence};
use parkgate_wire::UnixMillis;

use crate::registry::Registry;

/// So many parks are named in a figure: as many as a person looks at. With thousands of parks the rest is counted.
pub const PARKS_SHOWN_MAX: usize = 20;

/// What is known of parks.
#[derive(Debug, Default)]
pub struct ParkWatch {
    /// When parks were first seen that have pushed nothing yet: their silence begins there.
    first_seen: Mutex<HashMap<ParkId, UnixMillis>>,
    silence: Mutex<Silence<String>>,
    /// Conflicts that look like serials used anew, by park.
    reused: Mutex<BTreeMap<String, u64>>,
}

impl ParkWatch {
    /// Looks how long parks have been silent, by when each of their keys last had a push. Disabled ones are meant to be.
    pub(crate) fn look(&self, registry: &Registry, last_pushes: &HashMap<ParkId, UnixMillis>, now: UnixMillis) {
        let parks: Vec<_> = registry.parks().filter(|known| known.park.enabled).collect();
        let mut first_seen = lock(&self.first_seen);
        let last = parks.iter().map(|known| {
            let last = known.park.record_keys().filter_map(|key| last_pushes.get(&key)).max();
            let last = last.unwrap_or_else(|| first_seen.entry(known.park.id).or_insert(now));
            (known.park.park_uuid.as_str(), *last)
        });
        let found = silence(last, now, PARKS_SHOWN_MAX);
        drop(first_seen);
        let longest = found.longest.into_iter().map(|(park_uuid, silent)| (park_uuid.to_owned(), silent)).collect();
        *lock(&self.silence) = Silence { longest, counts: found.counts };
    }

    /// How long parks have been silent, as it was looked at last.
    #[must_use]
    pub fn silence(&self) -> Silence<String> {
        lock(&self.silence).clone()
    }

    /// So many ignored pushes of this park look like serials used anew.
    pub(crate) fn serials_reused(&self, park_uuid: &str, conflicts: u64) {
        let mut reused = lock(&self.reused);
        if conflicts > 0 {
            reused.insert(park_uuid.to_owned(), conflicts);
        } else {
            reused.remove(park_uuid);
        }
    }

    /// How many parks use serials anew, and those with the most ignored pushes.
    #[must_use]
    pub fn reusing_serials(&self) -> (usize, Vec<(String, u64)>) {
        let reused = lock(&self.reused);
        let mut most: Vec<(String, u64)> = reused.iter().map(|(park, count)| (park.clone(), *count)).collect();
        most.sort_by_key(|(_, count)| Reverse(*count));
        let count = most.len();
        most.truncate(PARKS_SHOWN_MAX);
        (count, most)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_many_parks_whose_serials_start_anew_the_worst_are_named() {
        let figures = ParkWatch::default();
        for number in 0..100 {
            figures.serials_reused(&format!("p{number:02}"), number);
        }
        let (count, most) = figures.reusing_serials();
        assert_eq!((count, most.len(), most[0].clone()), (99, PARKS_SHOWN_MAX, ("p99".to_owned(), 99)));
        figures.serials_reused("p99", 0);
        assert_eq!(figures.reusing_serials().1[0].0, "p98");
    }
}
