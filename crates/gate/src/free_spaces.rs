//! Free spaces in memory, of parks that are asked about before their barriers open.
//!
//! The counts of all of them are read together once a second, as long as somebody asked within the last minute. So a count is
//! about a second old when it is used, and a question reads no store; only the first one in a while waits until its park's
//! count was read. A count that could not be read again for [`AGE_MAX`] is not known any more.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use parkgate_ledger::{ParkId, Space};
use parkgate_store::{Store, StoreError};
use tokio::sync::{Notify, watch};

use crate::hourly::Hourly;

/// Between two reads.
const READ_EVERY: Duration = Duration::from_secs(1);
/// A count that is older than this is not used: a store that is away for longer is a fault, and a barrier should not stay
/// closed for it.
const AGE_MAX: Duration = Duration::from_secs(5);
/// A park that nobody asked about for this long is not read any more.
const ASKED_WITHIN: Duration = Duration::from_secs(60);

/// What is known of a park.
#[derive(Debug, Clone, Copy)]
struct HeldSpace {
    asked_at: Instant,
    /// When it was last tried to read it.
    tried_at: Option<Instant>,
    read: Option<(Instant, Space)>,
}

impl HeldSpace {
    /// The count, or that there is none, if either is known without asking again.
    fn known(&self, now: Instant) -> Option<Option<Space>> {
        let fresh = self.read.filter(|(read_at, _)| now.duration_since(*read_at) <= AGE_MAX);
        let tried = self.tried_at.is_some_and(|tried_at| now.duration_since(tried_at) <= READ_EVERY);
        match fresh {
            Some((_, space)) => Some(Some(space)),
            None => tried.then_some(None),
        }
    }
}

/// The counts of parks, by the keys they are counted under.
#[derive(Debug)]
pub struct FreeSpaces {
    held: Mutex<HashMap<ParkId, HeldSpace>>,
    /// Somebody waits for a count that was not read yet.
    wanted: Notify,
    /// How often they were read.
    turns: watch::Sender<u64>,
}

impl Default for FreeSpaces {
    fn default() -> Self {
        FreeSpaces { held: Mutex::default(), wanted: Notify::new(), turns: watch::Sender::new(0) }
    }
}

impl FreeSpaces {
    /// The count of a park; `None` if it is not known within `deadline`.
    pub(crate) async fn of(&self, park: ParkId, deadline: Duration) -> Option<Space> {
        // Before it is asked for: the turn that reads it must be seen.
        let mut turns = self.turns.subscribe();
        if let Some(known) = self.asked(park) {
            return known;
        }
        self.wanted.notify_one();
        let reading = async {
            loop {
                turns.changed().await.ok()?;
                if let Some(known) = self.asked(park) {
                    return known;
                }
                // That turn had begun before.
                self.wanted.notify_one();
            }
        };
        tokio::time::timeout(deadline, reading).await.ok().flatten()
    }

    /// Notes that somebody asks; what is known without waiting.
    fn asked(&self, park: ParkId) -> Option<Option<Space>> {
        let now = Instant::now();
        let mut held = self.held();
        let one = held.entry(park).or_insert(HeldSpace { asked_at: now, tried_at: None, read: None });
        one.asked_at = now;
        one.known(now)
    }

    /// Reads again and again what is asked for.
    pub(crate) async fn follow(self: Arc<Self>, store: Arc<Store>) {
        let mut last_logged = Hourly::default();
        loop {
            // Whether somebody waits or the time has come.
            let _ = tokio::time::timeout(READ_EVERY, self.wanted.notified()).await;
            let parks = self.due();
            if parks.is_empty() {
                continue;
            }
            let (asked, store) = (parks.clone(), Arc::clone(&store));
            let read = tokio::task::spawn_blocking(move || store.spaces(&asked)).await;
            let read = read.unwrap_or_else(|error| Err(StoreError::Broken(error.to_string())));
            match &read {
                Ok(_) => drop(last_logged.end()),
                Err(error) if last_logged.is_due(Instant::now()) => {
                    tracing::warn!(%error, "free spaces could not be read: car parks that ask decide themselves");
                }
                Err(error) => tracing::debug!(%error, "free spaces could not be read"),
            }
            self.note(&parks, read.ok());
        }
    }

    /// Parks to be read now. Forgets those that nobody asks about any more.
    fn due(&self) -> Vec<ParkId> {
        let now = Instant::now();
        let mut held = self.held();
        held.retain(|_, one| now.duration_since(one.asked_at) <= ASKED_WITHIN);
        let is_due = |one: &HeldSpace| one.tried_at.is_none_or(|tried_at| now.duration_since(tried_at) >= READ_EVERY);
        held.iter().filter(|(_, one)| is_due(one)).map(|(park, _)| *park).collect()
    }

    /// Notes what was read; a park without a row has counted nothing yet.
    fn note(&self, parks: &[ParkId], read: Option<HashMap<ParkId, Space>>) {
        let (now, tried) = (Instant::now(), parks.iter().collect::<HashSet<_>>());
        for (park, one) in self.held().iter_mut().filter(|(park, _)| tried.contains(park)) {
            one.tried_at = Some(now);
            if let Some(read) = &read {
                one.read = Some((now, read.get(park).copied().unwrap_or_default()));
            }
        }
        self.turns.send_modify(|turns| *turns += 1);
    }

    fn held(&self) -> MutexGuard<'_, HashMap<ParkId, HeldSpace>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PARK: ParkId = ParkId(7);

    fn read(later: i64) -> Option<HashMap<ParkId, Space>> {
        Some(HashMap::from([(PARK, Space { later, ..Space::default() })]))
    }

    fn held_since(spaces: &FreeSpaces, ago: Duration, change: impl Fn(&mut HeldSpace, Instant)) {
        let then = Instant::now().checked_sub(ago).unwrap();
        change(spaces.held().get_mut(&PARK).unwrap(), then);
    }

    #[tokio::test]
    async fn the_first_question_waits_until_its_park_was_read_and_no_longer_than_its_deadline() {
        let spaces = Arc::new(FreeSpaces::default());
        assert_eq!(spaces.of(PARK, Duration::from_millis(5)).await, None, "nobody reads");
        let asking = tokio::spawn({
            let spaces = Arc::clone(&spaces);
            async move { spaces.of(PARK, Duration::from_secs(3600)).await }
        });
        while spaces.turns.receiver_count() == 0 {
            tokio::task::yield_now().await;
        }
        // A turn that began before it asked.
        spaces.note(&[], read(1));
        tokio::task::yield_now().await;
        assert!(!asking.is_finished());
        assert_eq!(spaces.due(), [PARK]);
        spaces.note(&[PARK], read(-3));
        assert_eq!(asking.await.unwrap().unwrap().later, -3);
        // From memory from now on.
        assert_eq!(spaces.of(PARK, Duration::ZERO).await.unwrap().later, -3);
        assert!(spaces.due().is_empty(), "not so soon again");
    }

    #[tokio::test]
    async fn a_count_that_is_too_old_is_not_known_and_a_failed_read_is_not_waited_for() {
        let spaces = FreeSpaces::default();
        spaces.asked(PARK);
        spaces.note(&[PARK], read(5));
        held_since(&spaces, AGE_MAX - Duration::from_secs(1), |one, then| one.read.as_mut().unwrap().0 = then);
        spaces.note(&[PARK], None);
        assert_eq!(spaces.of(PARK, Duration::ZERO).await.unwrap().later, 5, "a short fault");
        held_since(&spaces, AGE_MAX + Duration::from_secs(1), |one, then| one.read.as_mut().unwrap().0 = then);
        let begun = Instant::now();
        assert_eq!(spaces.of(PARK, Duration::from_secs(3600)).await, None);
        assert!(begun.elapsed() < Duration::from_secs(60), "the store was just asked in vain");
    }

    #[test]
    fn a_park_that_nobody_asks_about_is_forgotten() {
        let spaces = FreeSpaces::default();
        spaces.asked(PARK);
        held_since(&spaces, ASKED_WITHIN - Duration::from_secs(1), |one, then| one.asked_at = then);
        assert_eq!(spaces.due(), [PARK]);
        held_since(&spaces, ASKED_WITHIN + Duration::from_secs(1), |one, then| one.asked_at = then);
        assert!(spaces.due().is_empty() && spaces.held().is_empty());
    }

    #[test]
    fn a_park_that_has_counted_nothing_has_an_empty_count() {
        let spaces = FreeSpaces::default();
        spaces.asked(PARK);
        spaces.note(&[PARK], Some(HashMap::new()));
        assert_eq!(spaces.asked(PARK), Some(Some(Space::default())));
    }
}
