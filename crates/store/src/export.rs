//! What is exported in bulk, in the order of record numbers.
//!
//! Records are passed by in spans, each read by short transactions of its own, so that no reader keeps a log from starting anew. A visit
//! stands where its newest record does: one that changes later comes again with a later export.

use parkgate_wire::UnixMillis;

use crate::query::{RecordView, TakenPayment, Visit};

/// Records of a span, at most: some megabytes in memory.
pub(crate) const SPAN: i64 = 4096;

/// Records after one number up to another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RecordSpan {
    /// They come after this one.
    pub after: i64,
    /// The last one that may be among them.
    pub through: i64,
    /// The newest record when the export began: what came later is not looked at.
    pub newest: i64,
}

/// Whose records.
#[derive(Debug, Clone, Default)]
pub struct ExportParks {
    /// The keys of records with the park they are of; of one park where only its are asked for.
    pub(crate) parks: std::collections::HashMap<i64, (String, String)>,
    /// Are these all parks?
    pub(crate) is_all: bool,
}

/// A row of an export, and the record by which it stands there.
#[derive(Debug, Clone)]
pub struct Exported<T> {
    /// The record's number.
    pub record: i64,
    /// The park's name.
    pub park_name: String,
    /// What is exported.
    pub row: T,
}

/// A visit without its pictures and conflicts, and of its parameters those that an export has columns for.
pub type ExportedVisit = Exported<Visit>;

/// The payments that a leave took.
#[derive(Debug, Clone)]
pub struct LeavePayments {
    /// Of which park.
    pub park_uuid: String,
    /// Of which stay.
    pub parking_serial: String,
    /// `plate`, if sent.
    pub plate: Option<String>,
    /// When the vehicle left.
    pub leave_time: UnixMillis,
    /// The request.
    pub seqno: parkgate_wire::Seqno,
    /// In the order of the list.
    pub payments: Vec<TakenPayment>,
}

/// A record as it came.
#[derive(Debug, Clone)]
pub struct ExportedRecord {
    /// Of which park.
    pub park_uuid: String,
    /// Of which stay.
    pub parking_serial: String,
    /// `plate`, if sent.
    pub plate: Option<String>,
    /// When the vehicle entered, as this record says; else when it happened.
    pub enter_time: UnixMillis,
    /// When it happened.
    pub event_time: UnixMillis,
    /// What was sent.
    pub view: RecordView,
}

/// May the sealed fields of records be opened?
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PersonalFields {
    /// They stay sealed, and are not exported.
    Sealed,
    /// They are exported.
    Opened,
}
