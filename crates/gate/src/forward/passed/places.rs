//! How many calls may be under way to a subscriber, so that one that hangs keeps no more.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// To one subscriber; a park may have as many as are left free, so one alone half of them. Each holds two connections and a piece of
/// a body.
const UNDER_WAY_MAX: usize = 64;

/// The calls under way, by subscriber.
#[derive(Debug, Default)]
pub(super) struct Places {
    taken: Mutex<HashMap<i64, TakenPlaces>>,
}

#[derive(Debug, Default)]
struct TakenPlaces {
    all: usize,
    /// Of a call that names no park under the empty name.
    of_parks: HashMap<String, usize>,
}

/// A place, until it is dropped.
#[derive(Debug)]
pub(super) struct PassedPlace {
    places: Arc<Places>,
    subscriber: i64,
    park: String,
}

impl Places {
    /// A place for a call of this park, if there is one.
    pub(super) fn take(self: &Arc<Self>, subscriber: i64, park: Option<&str>) -> Option<PassedPlace> {
        let park = park.unwrap_or_default().to_owned();
        let mut taken = self.lock();
        let places = taken.entry(subscriber).or_default();
        let of_park = places.of_parks.get(&park).copied().unwrap_or_default();
        if of_park >= UNDER_WAY_MAX.saturating_sub(places.all) {
            return None;
        }
        places.all += 1;
        places.of_parks.insert(park.clone(), of_park + 1);
        Some(PassedPlace { places: Arc::clone(self), subscriber, park })
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<i64, TakenPlaces>> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for PassedPlace {
    fn drop(&mut self) {
        let mut taken = self.places.lock();
        let Some(places) = taken.get_mut(&self.subscriber) else { return };
        places.all = places.all.saturating_sub(1);
        if let Some(of_park) = places.of_parks.get_mut(&self.park) {
            *of_park = of_park.saturating_sub(1);
        }
        places.of_parks.retain(|_, of_park| *of_park > 0);
        if places.all == 0 {
            taken.remove(&self.subscriber);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_park_has_half_and_others_find_room() {
        let places = Arc::new(Places::default());
        let mut held = Vec::new();
        let mut fill = |subscriber: i64, park: Option<&str>| {
            let before = held.len();
            while let Some(place) = places.take(subscriber, park) {
                held.push(place);
            }
            held.len() - before
        };
        assert_eq!((fill(1, Some("a")), fill(1, Some("a")), fill(1, Some("b")), fill(1, None)), (32, 0, 16, 8));
        assert_eq!(fill(2, Some("a")), 32, "another subscriber has its own");
        held.clear();
        assert!(places.lock().is_empty());
    }
}
