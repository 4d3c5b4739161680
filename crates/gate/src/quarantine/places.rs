//! Refused pushes on their way into the quarantine: each holds a place until it is kept or not, and the room it will take
//! there counts as taken. There are no more places than the queue behind can hold, however many arrive.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use parkgate_ledger::ParkId;
use parkgate_ledger::quarantine::Usage;

pub(crate) struct QuarantinePlaces {
    places: u64,
    taken: Arc<Mutex<PlacesTaken>>,
}

#[derive(Debug, Default)]
struct PlacesTaken {
    all: Usage,
    parks: HashMap<ParkId, Usage>,
}

/// A push's place on the way; gone when it is dropped.
pub(crate) struct QuarantinePlace {
    taken: Arc<Mutex<PlacesTaken>>,
    park: ParkId,
    usage: Usage,
    /// What was on the way before it: of its park, and of all.
    pub(crate) before: (Usage, Usage),
}

impl QuarantinePlaces {
    pub(crate) fn of(places: usize) -> QuarantinePlaces {
        QuarantinePlaces { places: places as u64, taken: Arc::default() }
    }

    /// A place for a push of so many bytes. None if its park has as many as are left free: one park's flood does not keep
    /// out the others'.
    pub(crate) fn take(&self, park: ParkId, bytes: u64) -> Option<QuarantinePlace> {
        let mut taken = lock(&self.taken);
        let of_park = taken.parks.get(&park).copied().unwrap_or_default();
        if of_park.pushes >= self.places.saturating_sub(taken.all.pushes) {
            return None;
        }
        let (usage, before) = (Usage { pushes: 1, bytes }, (of_park, taken.all));
        taken.all = taken.all.plus(usage);
        taken.parks.insert(park, of_park.plus(usage));
        Some(QuarantinePlace { taken: Arc::clone(&self.taken), park, usage, before })
    }
}

impl Drop for QuarantinePlace {
    fn drop(&mut self) {
        let mut taken = lock(&self.taken);
        taken.all = taken.all.minus(self.usage);
        let left = taken.parks.get(&self.park).copied().unwrap_or_default().minus(self.usage);
        if left == Usage::default() {
            taken.parks.remove(&self.park);
        } else {
            taken.parks.insert(self.park, left);
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_bounded_by_park_counted_and_given_back() {
        let places = QuarantinePlaces::of(8);
        let flood: Vec<QuarantinePlace> = (0..9).filter_map(|_| places.take(ParkId(1), 10)).collect();
        assert_eq!((flood.len(), lock(&places.taken).all), (4, Usage { pushes: 4, bytes: 40 }), "alone, half of them");
        let other = places.take(ParkId(2), 5).unwrap();
        assert_eq!(other.before, (Usage::default(), Usage { pushes: 4, bytes: 40 }));
        drop((flood, other));
        assert_eq!(lock(&places.taken).all, Usage::default());
        assert!(lock(&places.taken).parks.is_empty());
    }
}
