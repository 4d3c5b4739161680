//! Epochs of a park's serials: a car park whose database was reset starts counting from one again.
//!
//! Every epoch has a key of its own, under which its records stand as if it were another park; the first epoch's key is
//! the park's own. The enter time of a vehicle decides which epoch its record belongs to; a release and an update, which
//! seldom give it, go with their stay. A run of conflicts with other vehicles that entered far later is the sign that a
//! park's serials have restarted.

use std::collections::HashMap;

use parkgate_wire::{Digest, UnixMillis};

use crate::visit::{is_same_time, whole_second};
use crate::{ParkId, RecordId, Space, SpaceEvent};

/// Epoch keys start here: there are never so many parks.
pub const FIRST_EPOCH_KEY: ParkId = ParkId(1 << 40);
/// How many of the newest conflicts are looked at to detect a restart of serials.
pub const CONFLICTS_LOOKED_AT: usize = 50;
/// At least this many of them, and at least half, must be of another vehicle that entered far later.
const RESTART_CONFLICTS_MIN: usize = 5;
/// A stay and its corrections are over within this time; a serial that returns later is a new one.
const FAR_LATER_MS: i64 = 24 * 60 * 60 * 1000;

/// One epoch of a park's serials.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Epoch {
    /// The key its records carry.
    pub records: ParkId,
    /// Vehicles that entered at or after this time belong to it.
    pub entered_from: UnixMillis,
}

/// The key for records of a vehicle that entered at `enter_time`; `epochs` newest first.
#[must_use]
pub fn records_key(park: ParkId, epochs: &[Epoch], enter_time: UnixMillis) -> ParkId {
    epochs.iter().find(|epoch| enter_time >= epoch.entered_from).map_or(park, |epoch| epoch.records)
}

/// A release or an update, as its epoch is looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AboutStay {
    /// When the vehicle entered, as it says; else when it happened.
    pub enter_time: UnixMillis,
    /// When it happened.
    pub event_time: UnixMillis,
    /// Its content.
    pub digest: Digest,
}

/// What stands in an epoch that a release or an update may belong to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RelatedRecord {
    /// An enter or a leave of its serial, by when that vehicle entered.
    Half(UnixMillis),
    /// What has its own key, by its content.
    OwnKey(Digest),
}

/// The key for a release or an update; `epochs` newest first.
///
/// Where the same push stands already, it is a repeat. Else it goes with its stay: the one that began when it says, or in the
/// epoch of which it says so, else the newest that had begun when it happened. Where no stay is known, or another push has its
/// own key beside the stay (these keys start anew with the serials), its time decides.
#[must_use]
pub fn records_key_about(
    park: ParkId,
    epochs: &[Epoch],
    about: AboutStay,
    related: &[(ParkId, RelatedRecord)],
) -> ParkId {
    let newest_with = |is_it: &dyn Fn(ParkId, RelatedRecord) -> bool| {
        let mut newest_first = epochs.iter().map(|epoch| epoch.records).chain([park]);
        newest_first.find(|key| related.iter().any(|(stands, record)| stands == key && is_it(*key, *record)))
    };
    if let Some(key) = newest_with(&|_, record| record == RelatedRecord::OwnKey(about.digest)) {
        return key;
    }
    let by_time = records_key(park, epochs, about.enter_time);
    let half = |is_it: &dyn Fn(ParkId, UnixMillis) -> bool| {
        newest_with(&|key, record| matches!(record, RelatedRecord::Half(entered) if is_it(key, entered)))
    };
    // Its times may be of whole seconds, those of an enter and a leave are of milliseconds.
    let had_begun = |entered| whole_second(entered) <= whole_second(about.event_time);
    let of_stay = half(&|_, entered| is_same_time(about.enter_time, entered))
        .or_else(|| half(&|key, entered| had_begun(entered) && key == by_time))
        .or_else(|| half(&|_, entered| had_begun(entered)));
    let is_taken =
        |key| related.iter().any(|(stands, record)| *stands == key && matches!(record, RelatedRecord::OwnKey(_)));
    of_stay.filter(|key| !is_taken(*key)).unwrap_or(by_time)
}

/// The key under which free spaces are counted now: the newest epoch's.
#[must_use]
pub fn counted_key(park: ParkId, epochs: &[Epoch]) -> ParkId {
    epochs.first().map_or(park, |epoch| epoch.records)
}

/// The key of the epoch before `epoch`; `epochs` newest first.
#[must_use]
pub fn key_before(park: ParkId, epochs: &[Epoch], epoch: ParkId) -> ParkId {
    epochs.iter().map(|known| known.records).filter(|key| *key < epoch).max().unwrap_or(park)
}

/// The key of the next epoch of any park; `highest` is the last one given out.
#[must_use]
pub fn next_key(highest: Option<ParkId>) -> ParkId {
    highest.map_or(FIRST_EPOCH_KEY, |key| ParkId(key.0.saturating_add(1)).max(FIRST_EPOCH_KEY))
}

/// A conflict and the record that has its serial.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConflictPair {
    /// When the vehicle of the ignored push entered.
    pub ignored_entered: UnixMillis,
    /// Its plate.
    pub ignored_plate: Option<String>,
    /// When the vehicle of the standing record entered.
    pub standing_entered: UnixMillis,
    /// Its plate.
    pub standing_plate: Option<String>,
}

/// Conflicts that look as if a park's serials had restarted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SerialReuse {
    /// How many of the newest conflicts look like it.
    pub conflicts: u64,
    /// The whole second in which the first of their vehicles entered: where a new epoch would begin. An update says when a
    /// vehicle entered in whole seconds.
    pub entered_from: UnixMillis,
}

/// Have the serials restarted? Decided by a park's [`CONFLICTS_LOOKED_AT`] newest conflicts.
#[must_use]
pub fn detect_restart(newest: &[ConflictPair]) -> Option<SerialReuse> {
    let is_reused = |pair: &&ConflictPair| {
        pair.ignored_plate.as_deref().unwrap_or_default() != pair.standing_plate.as_deref().unwrap_or_default()
            && pair.ignored_entered.0 > pair.standing_entered.0.saturating_add(FAR_LATER_MS)
    };
    let looked_at = newest.get(..CONFLICTS_LOOKED_AT).unwrap_or(newest);
    let suspicious: Vec<&ConflictPair> = looked_at.iter().filter(is_reused).collect();
    if suspicious.len() < RESTART_CONFLICTS_MIN || suspicious.len() * 2 < looked_at.len() {
        return None;
    }
    let entered_from = suspicious.iter().map(|pair| pair.ignored_entered).min()?;
    Some(SerialReuse { conflicts: suspicious.len() as u64, entered_from: whole_second(entered_from) })
}

/// The count of an epoch merged from both: the newest snapshot of either, and every counted event after it.
///
/// `counted` holds the counted events of both.
#[must_use]
pub fn merged_space(before: Space, epoch: Space, counted: &[SpaceEvent]) -> Space {
    let newest = match (before.snapshot, epoch.snapshot) {
        (Some(before), Some(epoch)) if before.as_of > epoch.as_of => Some(before),
        (before, epoch) => epoch.or(before),
    };
    let after = |event: &&SpaceEvent| newest.is_none_or(|snapshot| event.as_of > snapshot.as_of);
    Space {
        snapshot: newest,
        later: counted.iter().filter(after).map(|event| event.delta).sum(),
        latest_counted: before
            .latest_counted
            .max(epoch.latest_counted)
            .max(counted.iter().map(|event| event.as_of).max()),
    }
}

/// A record of the earlier epoch that belongs to the new one, or a conflict kept with such a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Misplaced {
    /// Its row.
    pub record: RecordId,
    /// Its content.
    pub digest: Digest,
    /// The record that has its serial in the earlier epoch, if it was ignored because of that.
    pub conflict_with: Option<RecordId>,
    /// The record that has its serial in the new epoch, and that record's content.
    pub taken_by: Option<(RecordId, Digest)>,
}

/// What becomes of a misplaced record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EpochMove {
    /// It stands in the new epoch.
    Stands,
    /// It is a conflict of that record there.
    Conflict(RecordId),
    /// The same push is there already: this row goes.
    Repeated,
}

/// Moves records to the epoch they belong to, in the order they arrived: the first one there wins, and a repeat is
/// removed.
#[must_use]
pub fn move_records(misplaced: &[Misplaced]) -> Vec<EpochMove> {
    // For a record that stood in the earlier epoch, the one that stands in its place.
    let mut instead: HashMap<RecordId, RecordId> = HashMap::new();
    let moved = misplaced.iter().map(|one| {
        if let Some((other, digest)) = one.taken_by {
            instead.insert(one.record, other);
            return if digest == one.digest { EpochMove::Repeated } else { EpochMove::Conflict(other) };
        }
        match one.conflict_with {
            None => EpochMove::Stands,
            Some(standing) => EpochMove::Conflict(instead.get(&standing).copied().unwrap_or(standing)),
        }
    });
    moved.collect()
}
