//! What is only noted in memory at first: which parks still use a rotated secret, whose pushes were ignored for their serials, and
//! which calls were passed on. Every few seconds it is written down, or looked into.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use parkgate_ledger::ParkId;
use parkgate_ledger::paths::counted_path;
use parkgate_store::{PassedCalls, Store};
use parkgate_wire::{Seqno, UnixMillis};

use crate::figures::Figures;
use crate::registry::KnownPark;

/// What was noted since the last look.
#[derive(Debug, Default)]
pub(crate) struct Notes {
    /// When each park last used a rotated secret.
    old_secrets: Mutex<HashMap<ParkId, i64>>,
    /// Parks with conflicts, and how many of these looked like serials used anew the last time.
    conflicts: Mutex<HashMap<String, u64>>,
    /// Calls that were passed on, by subscriber and path.
    passed: Mutex<HashMap<i64, HashMap<String, PassedCalls>>>,
}

impl Notes {
    /// A push came with the secret before the last rotation: `park show` says who still uses it.
    pub(crate) fn old_secret_used(&self, park: &KnownPark, at: UnixMillis, seqno: Seqno) {
        let first = lock(&self.old_secrets).insert(park.park.id, at.0).is_none();
        if first {
            tracing::warn!(%seqno, park_uuid = park.park.park_uuid, "signed with the secret before the last rotation");
        }
    }

    /// A push was ignored for its serial: it may be one of many.
    pub(crate) fn conflict(&self, park: &KnownPark) {
        lock(&self.conflicts).entry(park.park.park_uuid.clone()).or_default();
    }

    /// A call was passed on to a subscriber and answered with this status; 0 if it was not.
    pub(crate) fn passed(&self, subscriber: i64, path: &str, status: u16, at: UnixMillis) {
        let one = PassedCalls { subscriber, path: path.to_owned(), count: 1, last_status: status, last_at: at.0 };
        self.add_passed(one);
    }

    fn add_passed(&self, one: PassedCalls) {
        let mut passed = lock(&self.passed);
        let of_subscriber = passed.entry(one.subscriber).or_default();
        let path = counted_path(&one.path, of_subscriber.contains_key(&one.path), of_subscriber.len()).to_owned();
        let counted =
            of_subscriber.entry(path.clone()).or_insert_with(|| PassedCalls { count: 0, path, ..one.clone() });
        counted.count += one.count;
        if one.last_at >= counted.last_at {
            (counted.last_status, counted.last_at) = (one.last_status, one.last_at);
        }
    }

    /// Adds to the store what was passed on; what cannot be written is kept for the next time. Blocks.
    pub(crate) fn write_passed(&self, store: &Store) {
        let passed: Vec<PassedCalls> = lock(&self.passed).drain().flat_map(|(_, paths)| paths.into_values()).collect();
        if !passed.is_empty()
            && let Err(error) = store.add_passed_calls(&passed)
        {
            tracing::warn!(%error, "calls that were passed on could not be counted in the store yet");
            passed.into_iter().for_each(|one| self.add_passed(one));
        }
    }

    /// Writes down which rotated secrets are still used. Blocks.
    pub(crate) fn write_old_secrets(&self, store: &Store) {
        let used: Vec<(ParkId, i64)> = lock(&self.old_secrets).drain().collect();
        if !used.is_empty()
            && let Err(error) = store.old_secrets_used(&used)
        {
            tracing::warn!(%error, "the use of old secrets could not be noted");
        }
    }

    /// Looks whether serials start anew where pushes were ignored. Blocks.
    pub(crate) fn look_at_conflicts(&self, store: &Store, figures: &Figures) {
        let known: Vec<(String, u64)> = lock(&self.conflicts).drain().collect();
        for (park_uuid, before) in known {
            let now = match store.serial_reuse(&park_uuid) {
                Ok(reuse) => reuse.map_or(0, |reuse| reuse.conflicts),
                Err(error) => {
                    tracing::warn!(%error, park_uuid, "conflicts could not be looked at");
                    before
                }
            };
            figures.parks.serials_reused(&park_uuid, now);
            if now > 0 {
                if before == 0 {
                    tracing::error!(
                        park_uuid,
                        conflicts = now,
                        "serials start anew and pushes are ignored: see `park show`"
                    );
                }
                lock(&self.conflicts).insert(park_uuid, now);
            }
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
