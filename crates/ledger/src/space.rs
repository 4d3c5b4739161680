//! Free spaces: a snapshot, and what was counted after it (`leave.md`, note 5).
//!
//! Order of arrival must not matter: what counts is when it happened. So a park's count is the newest snapshot plus
//! the sum of all counted events later than it, however late either arrives.

use parkgate_wire::{SpaceReport, UnixMillis};

/// A park's count as it is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Space {
    /// The newest told state, if any was told.
    pub snapshot: Option<Snapshot>,
    /// The sum of counted events later than the snapshot: −1 an enter, +1 a leave.
    pub later: i64,
    /// When the latest counted event happened, if any was ever counted.
    pub latest_counted: Option<UnixMillis>,
}

/// Free spaces as a push told them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Snapshot {
    /// As of this event time.
    pub as_of: UnixMillis,
    /// `total_parking_space`.
    pub total: u32,
    /// `remain_parking_space`.
    pub remain: u32,
}

/// An event that counts: a recorded push that brought no snapshot of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SpaceEvent {
    /// When it happened.
    pub event_time: UnixMillis,
    /// −1 an enter, +1 a leave.
    pub delta: i64,
}

/// A count as people see it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shown {
    /// All spaces, if anything told them.
    pub total: Option<u32>,
    /// Free ones, within 0 and the total; unknown without a total.
    pub remain: Option<u32>,
    /// What lies outside: below 0 or above the total.
    pub drift: i64,
}

impl Space {
    /// Counts an event that brought no snapshot of its own.
    pub(crate) fn count(&mut self, event: SpaceEvent) {
        self.latest_counted = self.latest_counted.max(Some(event.event_time));
        if self.snapshot.is_none_or(|snapshot| event.event_time > snapshot.as_of) {
            self.later += event.delta;
        }
    }

    /// Sets the snapshot as of `as_of`, unless a newer one stands. `counted` holds every counted event later than that.
    pub(crate) fn tell(&mut self, report: SpaceReport, as_of: UnixMillis, counted: &[SpaceEvent]) {
        if self.snapshot.is_some_and(|snapshot| snapshot.as_of > as_of) {
            return;
        }
        self.snapshot = Some(Snapshot { as_of, total: report.total, remain: report.remain });
        self.later = counted.iter().filter(|event| event.event_time > as_of).map(|event| event.delta).sum();
    }

    /// The count as people see it; `park_total` is what the operator says of the park, used where no push told.
    #[must_use]
    pub fn shown(&self, park_total: Option<u32>) -> Shown {
        let told = self.snapshot.map(|snapshot| (snapshot.total, snapshot.remain));
        match told.or(park_total.map(|total| (total, total))) {
            None => Shown { total: None, remain: None, drift: 0 },
            Some((total, base)) => {
                let count = i64::from(base) + self.later;
                let remain = u32::try_from(count.clamp(0, i64::from(total))).unwrap_or(total);
                Shown { total: Some(total), remain: Some(remain), drift: count - i64::from(remain) }
            }
        }
    }
}
