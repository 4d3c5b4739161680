//! What may be asked of the store, and the rows it answers with.

use parkgate_ledger::ParkId;
use parkgate_ledger::visit::{Correction, VisitNote};
use parkgate_wire::{Digest, PushKind, Seqno, UnixMillis};
use serde_json::{Map, Value};

use crate::images::Picture;

/// Which visits, and how many.
#[derive(Debug, Clone)]
pub struct VisitFilter {
    /// Only this park's.
    pub park_uuid: Option<String>,
    /// Only this plate's, exactly.
    pub plate: Option<String>,
    /// Only those whose last event (leaving, or entering while inside) happened at or after this.
    pub since: Option<UnixMillis>,
    /// At most so many.
    pub limit: usize,
}

/// Where the next page of visits begins, and what the first one found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct VisitCursor {
    /// Records from here on are not looked at any more.
    pub below: i64,
    /// The newest record when the listing began. What came later changes no visit's place, or a vehicle that leaves
    /// meanwhile would be passed by.
    pub newest: i64,
    /// No record before this one can be meant.
    pub oldest: i64,
}

impl VisitCursor {
    /// Where a listing begins.
    pub(crate) fn beginning(newest: i64, oldest: i64) -> VisitCursor {
        VisitCursor { below: newest.saturating_add(1), newest, oldest }
    }
}

/// One stay, read from its records.
#[derive(Debug, Clone)]
pub struct Visit {
    /// Whose.
    pub park_uuid: String,
    /// The car park's serial.
    pub parking_serial: String,
    /// `plate`, as the last update has it; else the leave's, else the enter's.
    pub plate: Option<String>,
    /// When it entered, as the last update has it. Of a release whose vehicle is not known otherwise: when it happened.
    pub enter_time: UnixMillis,
    /// When it left, if it has: as the last update has it, else the leave.
    pub leave_time: Option<UnixMillis>,
    /// The enter push.
    pub enter: Option<RecordView>,
    /// The leave push.
    pub leave: Option<RecordView>,
    /// The payments taken, in the order of the list.
    pub payments: Vec<TakenPayment>,
    /// Barriers opened by hand for it, in the order in which that happened.
    pub releases: Vec<RecordView>,
    /// What corrected it, in the order in which it applies.
    pub updates: Vec<VisitUpdate>,
    /// What the ledger found odd about it.
    pub notes: Vec<VisitNote>,
    /// Ignored pushes that came with the same serial.
    pub conflicts: Vec<Conflict>,
}

/// An update of a visit.
#[derive(Debug, Clone)]
pub struct VisitUpdate {
    /// The push: who, when and why.
    pub record: RecordView,
    /// What it changed.
    pub corrections: Vec<Correction>,
}

/// One recorded push.
#[derive(Debug, Clone)]
pub struct RecordView {
    /// Which call it came by.
    pub kind: PushKind,
    /// The name of its request.
    pub seqno: Seqno,
    /// When it was received, ms since 1970.
    pub received_at: i64,
    /// Everything sent, in its order; the personal fields at the end. A name sent more than once has an array.
    pub params: Map<String, Value>,
    /// Which documented variant of the signature matched.
    pub variant: u8,
    /// Uploaded pictures by field name (`leave_image`).
    pub pictures: Vec<Picture>,
    /// Its personal data are gone: sums and what they are of are left.
    pub is_redacted: bool,
}

/// A payment whose order was taken by this record.
#[derive(Debug, Clone)]
pub struct TakenPayment {
    /// Its place in the push's `payment_list`.
    pub position: usize,
    /// All that was sent of it, protocol names, amounts and times as numbers.
    pub fields: Map<String, Value>,
}

/// A push that was ignored because its serial is taken.
#[derive(Debug, Clone)]
pub struct Conflict {
    /// The ignored push.
    pub record: RecordView,
    /// The names of the parameters whose values differ from the recorded push of the same kind.
    pub differing: Vec<String>,
}

/// Which conflicts, and how many.
#[derive(Debug, Clone)]
pub struct ConflictFilter {
    /// Only this park's.
    pub park_uuid: Option<String>,
    /// At most so many, the newest first.
    pub limit: usize,
}

/// An ignored push beside the one that has its serial.
#[derive(Debug, Clone)]
pub struct Conflicting {
    /// The ignored push's row.
    pub id: i64,
    /// The key of the epoch it is ignored in.
    pub epoch: ParkId,
    /// Whose.
    pub park_uuid: String,
    /// The serial both have.
    pub parking_serial: String,
    /// By which the ignored push is known when it comes again.
    pub digest: Digest,
    /// The recorded push.
    pub standing: RecordView,
    /// The ignored one.
    pub ignored: RecordView,
    /// What was signed of the ignored one, where its parameters say something else.
    pub original: Option<Vec<(String, String)>>,
    /// The names of the parameters that differ.
    pub differing: Vec<String>,
}
