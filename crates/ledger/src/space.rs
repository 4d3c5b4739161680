//! Free spaces: a snapshot, and what was counted after it (`leave.md`, note 5).
//!
//! The order of arrival must not matter, only the time at which things happened. So a park's count is the newest
//! snapshot plus the sum of all counted events after it, however late either arrives.

use std::collections::BTreeMap;

use parkgate_wire::{SpaceReport, UnixMillis};

/// How far a car park's clock may be ahead of ours: more than any maintained clock is off, and little enough that a
/// wrong one spoils no more than the next minutes.
pub const AHEAD_MAX_MS: i64 = 10 * 60 * 1000;

/// The time as of which a push counts: when it happened, but no later than its receipt if it claims to happen long
/// after that. Otherwise a snapshot of next year would outlast every later one.
#[must_use]
pub fn counts_as_of(event_time: UnixMillis, received_at: UnixMillis) -> UnixMillis {
    if event_time.0 > received_at.0.saturating_add(AHEAD_MAX_MS) { received_at } else { event_time }
}

/// A park's count as it is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Space {
    /// The newest reported snapshot, if there was any.
    pub snapshot: Option<Snapshot>,
    /// The sum of counted events later than the snapshot: −1 an enter, +1 a leave.
    pub later: i64,
    /// The time of the latest counted event, if there ever was one.
    pub latest_counted: Option<UnixMillis>,
}

/// Free spaces as a push reported them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Snapshot {
    /// As of then ([`counts_as_of`]).
    pub as_of: UnixMillis,
    /// `total_parking_space`.
    pub total: u32,
    /// `remain_parking_space`.
    pub remain: u32,
}

/// A counted event: a recorded push that reported no snapshot of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SpaceEvent {
    /// The time as of which it counts ([`counts_as_of`]).
    pub as_of: UnixMillis,
    /// −1 an enter, +1 a leave.
    pub delta: i64,
}

/// A count as people see it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ShownSpace {
    /// All spaces, if anybody reported them.
    pub total: Option<u32>,
    /// Free ones, within 0 and the total; unknown without a total.
    pub remain: Option<u32>,
    /// What lies outside: below 0 or above the total.
    pub drift: i64,
}

impl Space {
    /// Counts an event that reported no snapshot of its own.
    pub(crate) fn count(&mut self, event: SpaceEvent) {
        self.latest_counted = self.latest_counted.max(Some(event.as_of));
        if self.snapshot.is_none_or(|snapshot| event.as_of > snapshot.as_of) {
            self.later += event.delta;
        }
    }

    /// Sets the snapshot as of `as_of`, unless there is a newer one. `counted` holds every counted event after that
    /// time.
    pub(crate) fn report(&mut self, report: SpaceReport, as_of: UnixMillis, counted: &[SpaceEvent]) {
        if self.snapshot.is_some_and(|snapshot| snapshot.as_of > as_of) {
            return;
        }
        self.snapshot = Some(Snapshot { as_of, total: report.total, remain: report.remain });
        self.later = counted.iter().filter(|event| event.as_of > as_of).map(|event| event.delta).sum();
    }

    /// The count as people see it; `park_total` is the operator's figure, used if no push reported one.
    #[must_use]
    pub fn shown(&self, park_total: Option<u32>) -> ShownSpace {
        let reported = self.snapshot.map(|snapshot| (snapshot.total, snapshot.remain));
        match reported.or(park_total.map(|total| (total, total))) {
            None => ShownSpace { total: None, remain: None, drift: 0 },
            Some((total, base)) => {
                let count = i64::from(base) + self.later;
                let remain = u32::try_from(count.clamp(0, i64::from(total))).unwrap_or(total);
                ShownSpace { total: Some(total), remain: Some(remain), drift: count - i64::from(remain) }
            }
        }
    }
}

/// A count made from a park's records from scratch, given one after the other in the order of arrival. The stored count
/// is not used: it may be what is wrong.
#[derive(Debug, Clone, Default)]
pub struct Recount {
    snapshot: Option<Snapshot>,
    /// What was counted after the snapshot: the sum for each moment.
    later: BTreeMap<UnixMillis, i64>,
    latest_counted: Option<UnixMillis>,
}

impl Recount {
    /// A record that reported a snapshot.
    pub fn report(&mut self, report: SpaceReport, as_of: UnixMillis) {
        if self.snapshot.is_some_and(|snapshot| snapshot.as_of > as_of) {
            return;
        }
        self.snapshot = Some(Snapshot { as_of, total: report.total, remain: report.remain });
        self.later = self.later.split_off(&UnixMillis(as_of.0.saturating_add(1)));
    }

    /// A record that counts.
    pub fn count(&mut self, event: SpaceEvent) {
        self.latest_counted = self.latest_counted.max(Some(event.as_of));
        if self.snapshot.is_none_or(|snapshot| event.as_of > snapshot.as_of) {
            *self.later.entry(event.as_of).or_default() += event.delta;
        }
    }

    /// The count.
    #[must_use]
    pub fn space(&self) -> Space {
        Space { snapshot: self.snapshot, later: self.later.values().sum(), latest_counted: self.latest_counted }
    }
}
