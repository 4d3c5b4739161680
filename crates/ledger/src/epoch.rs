//! Epochs of a park's serials: a car park whose database was reset starts counting from one again.
//!
//! Every epoch has a key of its own, under which its records stand as if it were another park; the first epoch's key is
//! the park's own. The enter time of a vehicle decides which epoch its record belongs to. A run of conflicts with other
//! vehicles that entered far later is the sign that a park's serials have restarted.

use std::collections::HashMap;

use parkgate_wire::{Digest, UnixMillis};

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
    /// When the first of their vehicles entered: where a new epoch would begin.
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
    Some(SerialReuse { conflicts: suspicious.len() as u64, entered_from })
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
