//! What a park's pushes were like over a time: for summing up its integration.

use std::collections::BTreeMap;

use parkgate_wire::UnixMillis;

use crate::query::RecordView;

/// One recorded push, as a survey passes by it.
#[derive(Debug)]
pub struct Surveyed {
    /// The push.
    pub record: RecordView,
    /// What happened when.
    pub event_time: UnixMillis,
    /// It was ignored: another push has its serial.
    pub is_conflict: bool,
    /// An enter whose leave is recorded or given by an update, or a leave whose enter is recorded.
    pub has_other_half: bool,
}

/// Refused pushes still in the quarantine.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RefusedCounts {
    /// By reason, and for wrong signatures by what the sign doctor found.
    pub by_reason: BTreeMap<(String, Option<String>), u64>,
}
