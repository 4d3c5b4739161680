//! The audit log: who saw or changed what a list does not show.

/// What a person did, as it is written down.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewAuditEntry {
    /// When, ms since 1970.
    pub at: i64,
    /// The system's user.
    pub who: String,
    /// What was done, by a name of one or two words (`unmask`, `key rotate`).
    pub what: String,
    /// To what. Plates stand masked here ([`parkgate_ledger::mask`]).
    pub about: String,
    /// More of it, a JSON object. Plates stand as [`crate::Store::plate_digest`] has them.
    pub detail: String,
}

/// An entry of the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditEntry {
    /// Its number: later entries have higher ones.
    pub id: i64,
    /// What was written.
    pub entry: NewAuditEntry,
}

/// Which entries, and how many.
#[derive(Debug, Clone, Default)]
pub struct AuditFilter {
    /// Only those at or after this time, ms since 1970.
    pub since: Option<i64>,
    /// At most so many, the newest first.
    pub limit: usize,
}
