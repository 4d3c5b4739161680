//! Refused pushes on their way into the quarantine: each has a place until it is kept or not, and what they will take there
//! counts as taken. A flood of them has no more places than the queue behind can hold.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use parkgate_ledger::ParkId;
use parkgate_ledger::quarantine::Usage;

use super::lock;

pub(crate) struct Way {
    places: u64,
    taken: Arc<Mutex<Taken>>,
}

#[derive(Debug, Default)]
struct Taken {
    all: Usage,
    parks: HashMap<ParkId, Usage>,
}

/// A push's place on the way; gone when it is dropped.
pub(crate) struct Place {
    taken: Arc<Mutex<Taken>>,
    park: ParkId,
    usage: Usage,
    /// What was on the way before it: of its park, and of all.
    pub(crate) before: (Usage, Usage),
}

impl Way {
    pub(crate) fn of(places: usize) -> Way {
        Way { places: places as u64, taken: Arc::default() }
    }

    /// A place for a push of so many bytes; none if all are taken, or if its park has as many as are left: one park's flood
    /// does not keep out the others'.
    pub(crate) fn enter(&self, park: ParkId, bytes: u64) -> Option<Place> {
        let mut taken = lock(&self.taken);
        let of_park = taken.parks.get(&park).copied().unwrap_or_default();
        if of_park.pushes >= self.places.saturating_sub(taken.all.pushes) {
            return None;
        }
        let (usage, before) = (Usage { pushes: 1, bytes }, (of_park, taken.all));
        taken.all = taken.all.plus(usage);
        taken.parks.insert(park, of_park.plus(usage));
        Some(Place { taken: Arc::clone(&self.taken), park, usage, before })
    }
}

impl Drop for Place {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_bounded_by_park_counted_and_given_back() {
        let way = Way::of(8);
        let flood: Vec<Place> = (0..9).filter_map(|_| way.enter(ParkId(1), 10)).collect();
        assert_eq!((flood.len(), lock(&way.taken).all), (4, Usage { pushes: 4, bytes: 40 }), "alone, half of them");
        let other = way.enter(ParkId(2), 5).unwrap();
        assert_eq!(other.before, (Usage::default(), Usage { pushes: 4, bytes: 40 }));
        drop((flood, other));
        assert_eq!(lock(&way.taken).all, Usage::default());
        assert!(lock(&way.taken).parks.is_empty());
    }
}
