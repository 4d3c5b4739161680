//! A walk along what is due to go.

use parkgate_ledger::ParkId;
use parkgate_ledger::retention::RetentionKind;
use parkgate_wire::UnixMillis;

/// A walk along the records of some parks, to take out what is due of one kind.
#[derive(Debug)]
pub struct RetentionWalk {
    pub(crate) kind: RetentionKind,
    /// The keys that their records carry.
    pub(crate) parks: Vec<ParkId>,
    /// What was received before then is due.
    pub(crate) before: UnixMillis,
    /// The certain time.
    pub(crate) now: UnixMillis,
    /// The last record that was passed by.
    pub(crate) after: i64,
    /// No record after this one is due.
    pub(crate) to: i64,
    pub(crate) state: WalkState,
}

#[derive(Debug, Default)]
pub(crate) struct WalkState {
    pub(crate) redacted: u64,
    pub(crate) held: u64,
    /// The first record that is still to be delivered.
    pub(crate) held_from: Option<i64>,
}

impl RetentionWalk {
    /// What it takes out.
    #[must_use]
    pub fn kind(&self) -> RetentionKind {
        self.kind
    }

    /// Stays, ignored pushes or refused pushes that something was taken out of so far.
    #[must_use]
    pub fn redacted(&self) -> u64 {
        self.state.redacted
    }

    /// Stays that are due and wait for a delivery.
    #[must_use]
    pub fn held(&self) -> u64 {
        self.state.held
    }

    /// From this record on it is to be gone along again.
    pub(crate) fn hold_from(&mut self, record: Option<i64>) {
        self.state.held_from = self.state.held_from.into_iter().chain(record).min();
    }

    /// Up to where everything due is gone.
    pub(crate) fn up_to(&self) -> i64 {
        self.state.held_from.map_or(self.to, |first| first.saturating_sub(1))
    }
}
