//! All parks with what a list of them shows: a statement for each kind of figure, however many parks there are. No record is
//! read but to count the pushes of a day that is not China's.

use std::collections::HashMap;

use parkgate_ledger::epoch::{SerialReuse, detect_restart};
use parkgate_ledger::{ParkId, PushActivity, Space, day_begins, day_in_china};
use parkgate_wire::UnixMillis;

use super::Store;
use super::epochs::newest_conflicts;
use super::quarantine::used;
use super::record_pages::first_since;
use super::records::{activity, space};
use super::registry::parks;
use crate::StoreError;
use crate::backend::{Access, Transaction};
use crate::registry::Park;

/// A park, and what is counted of it.
#[derive(Debug, Clone)]
pub struct ListedPark {
    /// The park.
    pub park: Park,
    /// Its count of free spaces.
    pub space: Space,
    /// When its last recorded push was received.
    pub last_push_at: Option<UnixMillis>,
    /// Pushes recorded today.
    pub pushes_today: u64,
    /// Pushes refused today that are in the quarantine, repeats included.
    pub refused_today: u64,
    /// Pushes in the quarantine.
    pub quarantine_pushes: u64,
    /// What they take.
    pub quarantine_bytes: u64,
    /// Did its serials start anew?
    pub reuse: Option<SerialReuse>,
}

/// Reading a list of parks.
impl Store {
    /// All parks by name, with what was counted since `midnight`, when today began.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn park_figures(&self, midnight: UnixMillis) -> Result<Vec<ListedPark>, StoreError> {
        let backend = self.backend.as_ref();
        let parks = self.with_keys(|keys| parks(backend, &keys.seal))?;
        let quarantined = used(backend)?.into_iter().map(|(park, pushes, bytes)| (park, (pushes, bytes)));
        let quarantined: HashMap<ParkId, (u64, u64)> = quarantined.collect();
        let (counts, refused, conflicts, pushed) = backend.transaction(Access::ReadLong, |transaction| {
            let pushed = if day_begins(day_in_china(midnight)) == midnight {
                None
            } else {
                Some(by_park(transaction, PUSHED, midnight)?)
            };
            Ok((counts(transaction)?, by_park(transaction, REFUSED, midnight)?, newest_conflicts(transaction)?, pushed))
        })?;
        let day = day_in_china(midnight);
        let figures = |park: Park| {
            let keys: Vec<ParkId> = park.record_keys().collect();
            let of_keys = keys.iter().filter_map(|key| counts.get(key)).map(|(_, activity)| *activity);
            let activity = of_keys.fold(PushActivity::default(), PushActivity::with);
            let pushed = pushed.as_ref().map(|pushed| keys.iter().filter_map(|key| pushed.get(key)).sum());
            let mut conflicts: Vec<_> = keys.iter().filter_map(|key| conflicts.get(key)).flatten().collect();
            conflicts.sort_unstable_by_key(|(id, _)| std::cmp::Reverse(*id));
            let conflicts: Vec<_> = conflicts.into_iter().map(|(_, pair)| pair.clone()).collect();
            let (quarantine_pushes, quarantine_bytes) = quarantined.get(&park.id).copied().unwrap_or_default();
            ListedPark {
                space: counts.get(&park.counted()).map(|(space, _)| *space).unwrap_or_default(),
                last_push_at: activity.last_push_at,
                pushes_today: pushed.unwrap_or_else(|| activity.pushes_on(day)),
                refused_today: refused.get(&park.id).copied().unwrap_or_default(),
                quarantine_pushes,
                quarantine_bytes,
                reuse: detect_restart(&conflicts),
                park,
            }
        };
        Ok(parks.into_iter().map(figures).collect())
    }
}

const COUNTS: &str =
    "SELECT park_id, total, remain, as_of, later, latest_counted, last_push_at, day, day_pushes FROM spaces";

/// By the keys that records stand under.
fn counts(transaction: &mut dyn Transaction) -> Result<HashMap<ParkId, (Space, PushActivity)>, StoreError> {
    let rows = transaction.query(COUNTS, &[])?;
    rows.iter().map(|row| Ok((ParkId(row.int(0)?), (space(row)?, activity(row)?)))).collect()
}

/// By the index of the quarantine by age.
const REFUSED: &str = "SELECT park_id, sum(times)::bigint FROM quarantine {sqlite INDEXED BY quarantine_by_age} \
    WHERE received_at >= $1 GROUP BY park_id";
const PUSHED: &str =
    "SELECT park_id, count(*)::bigint FROM records WHERE received_at >= $1 AND id >= $2 GROUP BY park_id";

fn by_park(
    transaction: &mut dyn Transaction,
    sql: &str,
    since: UnixMillis,
) -> Result<HashMap<ParkId, u64>, StoreError> {
    let mut values = vec![since.0.into()];
    if sql == PUSHED {
        values.push(first_since(transaction, since.0)?.into());
    }
    let rows = transaction.query(sql, &values)?;
    rows.iter().map(|row| Ok((ParkId(row.int(0)?), row.count(1)?))).collect()
}
