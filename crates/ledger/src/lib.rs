//! The rules of business: what becomes of a push that is genuine and well formed.
//!
//! The ledger is one pure function between loading and writing. [`touches`] says which keys a batch needs, the store
//! loads them, [`decide`] decides every arrival in order and says what to write. No I/O, no clock, no randomness: the
//! same batch on the same state gives the same verdicts.
//!
//! A *record* is one accepted push, kept as it came. A *visit* is one stay and is read from its records:
//! [`visit::join`] puts an enter and a leave of one serial together (`leave.md`, notes 1, 8 and 9), with the releases and
//! updates that name it, and [`visit::correct`] reads it through its updates.

#![forbid(unsafe_code)]

mod activity;
pub mod clock;
mod decide;
pub mod delivery;
pub mod entry_policy;
pub mod epoch;
pub mod fanout;
pub mod mask;
pub mod paths;
pub mod plate;
pub mod plate_list;
pub mod quarantine;
pub mod redact;
pub mod retention;
pub mod silence;
mod space;
mod touch;
pub mod verdict;
pub mod visit;

pub use activity::{PushActivity, day_begins, day_in_china};
pub use decide::{CONFLICTS_MAX, Decision, NewPayment, NewRecord, ParkCounts, RecordRef, decide};
pub use space::{AHEAD_MAX_MS, Recount, ShownSpace, Snapshot, Space, SpaceEvent, counts_as_of};
pub use touch::{
    Keys, LeftByUpdate, Loaded, OrderKey, ParkKey, ParkSpace, RecordKey, StandingRecord, StandingRecords, touches,
    touches_in,
};
pub use verdict::Verdict;

use parkgate_wire::push::UPDATE_KEY;
use parkgate_wire::{Digest, Payment, PushKind, Seqno, SpaceReport, UnixMillis};

/// A park's key in the store: small, so that indexes stay narrow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ParkId(pub i64);

/// A record's key in the store: rises with the order of arrival.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RecordId(pub i64);

impl Arrival {
    /// What makes it unique among its kind.
    #[must_use]
    pub fn key(&self) -> &str {
        self.own_key.as_deref().unwrap_or(&self.parking_serial)
    }

    /// The key as its sender knows it: `flow_no` of an update, else the serial.
    #[must_use]
    pub fn shown_key(&self) -> &str {
        match self.kind {
            PushKind::Update => self.key().strip_prefix(UPDATE_KEY).unwrap_or(self.key()),
            PushKind::Enter | PushKind::Leave | PushKind::Release => &self.parking_serial,
        }
    }

    /// The time as of which it counts for free spaces.
    #[must_use]
    pub fn counts_as_of(&self) -> UnixMillis {
        counts_as_of(self.event_time, self.received_at)
    }
}

/// One verified push, reduced to what the rules look at.
#[derive(Debug, Clone)]
pub struct Arrival {
    /// The park whose push it is, by its epoch's key.
    pub park: ParkId,
    /// Which call.
    pub kind: PushKind,
    /// The car park's own serial of the stay.
    pub parking_serial: String,
    /// What makes it unique among its kind, where the serial does not (a release, an update).
    pub own_key: Option<String>,
    /// When the vehicle entered, as this push says; else when it happened.
    pub enter_time: UnixMillis,
    /// When it happened: `enter_time` of an enter, `leave_time` of a leave and of an update that gives one.
    pub event_time: UnixMillis,
    /// An update that says that the vehicle left.
    pub gives_leave: bool,
    /// When a release or an update was made, as it says; one from the future counts as of its receipt, as free spaces do.
    pub done_at: UnixMillis,
    /// When the request was received: free spaces do not believe a time far later than that ([`counts_as_of`]).
    pub received_at: UnixMillis,
    /// Equal for two pushes of the same content.
    pub digest: Digest,
    /// The number of the request; a repeat is answered with the first one's.
    pub seqno: Seqno,
    /// The payments in the order of `payment_list`.
    pub payments: Vec<Payment>,
    /// Total and free spaces, if the push reports them.
    pub space: Option<SpaceReport>,
}
