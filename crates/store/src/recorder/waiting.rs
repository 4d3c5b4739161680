//! What waits in one lane, first in, first out. A park may hold as many places as are left free: alone half of them, two
//! that flood a third each, and whoever has nothing waiting finds room. One park's flood is thus never another's 503.

use std::collections::{HashMap, VecDeque};

use parkgate_ledger::ParkId;

pub(super) struct Waiting<T> {
    items: VecDeque<T>,
    places: usize,
    /// How many of each park wait, while more than half of the places are taken. With fewer no park can hold more than is
    /// left free, so nothing is counted.
    of_parks: Option<HashMap<ParkId, usize>>,
}

/// Why there was no room.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum NoRoom {
    /// All places are taken: so many.
    Full(usize),
    /// This park holds as many as are left.
    ShareTaken(usize),
}

impl<T> Waiting<T> {
    pub(super) fn new(places: usize) -> Self {
        Waiting { items: VecDeque::new(), places, of_parks: None }
    }

    pub(super) fn len(&self) -> usize {
        self.items.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// Takes it in, or says why not. Without `park_of` all places are for everybody.
    pub(super) fn push(&mut self, item: T, park_of: Option<impl Fn(&T) -> ParkId>) -> Result<(), NoRoom> {
        let free = self.places.saturating_sub(self.items.len());
        if free == 0 {
            return Err(NoRoom::Full(self.places));
        }
        if let Some(park_of) = park_of
            && self.items.len() >= free
        {
            let of_parks = self.of_parks.get_or_insert_with(|| {
                self.items.iter().fold(HashMap::new(), |mut of_parks, item| {
                    *of_parks.entry(park_of(item)).or_default() += 1;
                    of_parks
                })
            });
            let of_park = of_parks.entry(park_of(&item)).or_default();
            if *of_park >= free {
                return Err(NoRoom::ShareTaken(*of_park));
            }
            *of_park += 1;
        }
        self.items.push_back(item);
        Ok(())
    }

    /// The first ones, at most so many.
    pub(super) fn take(&mut self, max: usize) -> impl Iterator<Item = T> {
        // Counted anew when it matters again: a batch takes most of what waits.
        self.of_parks = None;
        let count = self.items.len().min(max);
        self.items.drain(..count)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn park(item: &i64) -> ParkId {
        ParkId(*item)
    }

    fn fill(waiting: &mut Waiting<i64>, item: i64) -> usize {
        (0..).take_while(|_| waiting.push(item, Some(park)).is_ok()).count()
    }

    #[test]
    fn one_park_fills_half_and_others_find_room() {
        let mut waiting = Waiting::new(100);
        assert_eq!(fill(&mut waiting, 1), 50);
        assert_eq!(waiting.push(1, Some(park)), Err(NoRoom::ShareTaken(50)));
        assert_eq!(fill(&mut waiting, 2), 25, "as many as are left");
        assert_eq!(fill(&mut waiting, 1), 0);
        assert_eq!(fill(&mut waiting, 3), 13);
        for park_id in 4..16 {
            assert_eq!(waiting.push(park_id, Some(park)), Ok(()));
        }
        assert_eq!(waiting.push(16, Some(park)), Err(NoRoom::Full(100)));
        assert_eq!(waiting.take(60).count(), 60);
        assert_eq!(fill(&mut waiting, 1), 30, "places that were freed are shared anew");
    }

    #[test]
    fn a_queue_of_one_place_takes_one_and_where_parks_are_not_distinguished_all_is_taken() {
        assert_eq!(fill(&mut Waiting::new(1), 1), 1);
        let mut waiting = Waiting::new(3);
        let taken = (0..5).filter(|_| waiting.push(1, None::<fn(&i64) -> ParkId>).is_ok()).count();
        assert_eq!(taken, 3);
    }

    proptest! {
        #[test]
        fn counts_lazily_as_one_who_counts_always(places in 1_usize..40, steps in prop::collection::vec((0_i64..4, 0_usize..12), 0..200)) {
            let (mut waiting, mut model) = (Waiting::new(places), Vec::new());
            for (item, taken) in steps {
                if taken < 2 {
                    let taken = taken * 20;
                    let expected: Vec<i64> = model.drain(..taken.min(model.len())).collect();
                    prop_assert_eq!(waiting.take(taken).collect::<Vec<_>>(), expected);
                }
                let mine = model.iter().filter(|other| **other == item).count();
                let is_taken = mine < places - model.len();
                prop_assert_eq!(waiting.push(item, Some(park)).is_ok(), is_taken);
                if is_taken {
                    model.push(item);
                }
            }
        }
    }
}
