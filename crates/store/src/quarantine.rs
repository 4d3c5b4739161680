//! The quarantine: pushes that were refused, kept whole until their cause is mended (`DESIGN.md` 3.6).

use std::collections::HashMap;
use std::sync::Arc;

use parkgate_ledger::ParkId;
use parkgate_ledger::quarantine::{QuarantineBounds, QuarantineFull, QuarantineLoad, QuarantineRequest, Usage, admit};
use parkgate_wire::{Digest, PushKind, Seqno};
use serde::{Deserialize, Serialize};

use crate::images::Picture;
use crate::images::StoredImage;
use crate::listing::Page;

/// The quarantine of pushes that name no known park.
pub const NO_PARK: ParkId = ParkId(0);

/// A push on its way into the quarantine.
#[derive(Debug)]
pub struct NewQuarantined {
    /// Whose, or [`NO_PARK`].
    pub park: ParkId,
    /// The call.
    pub kind: PushKind,
    /// The name of its request.
    pub seqno: Seqno,
    /// When it was received, ms since 1970.
    pub received_at: i64,
    /// Where it came from.
    pub address: String,
    /// Why it was refused, in a word.
    pub reason: &'static str,
    /// The sign doctor's code.
    pub finding: Option<&'static str>,
    /// The same for the same push sent again.
    pub digest: Digest,
    /// Hint, finding and everything sent.
    pub kept: QuarantineContent,
    /// Its files by part name, already durable.
    pub pictures: Vec<(String, Arc<StoredImage>)>,
    /// It was admitted before its pictures were stored, and counted as on its way since: refusing it now would leave them
    /// lying about.
    pub is_admitted: bool,
}

/// What is kept while a batch is admitted.
#[derive(Debug, Default)]
pub(crate) struct Admitting {
    pub(crate) parks: HashMap<ParkId, Usage>,
    pub(crate) all_bytes: u64,
}

impl Admitting {
    /// Counts a push of so many bytes, if there is room for it.
    pub(crate) fn take(
        &mut self,
        push: &NewQuarantined,
        bytes: u64,
        bounds: &QuarantineBounds,
    ) -> Result<(), QuarantineFull> {
        let park = self.parks.entry(push.park).or_default();
        if !push.is_admitted {
            let load = QuarantineLoad { park: *park, all_bytes: self.all_bytes, ..QuarantineLoad::default() };
            admit(QuarantineRequest { is_known: push.park != NO_PARK, bytes }, &load, bounds)?;
        }
        *park = park.plus(Usage { pushes: 1, bytes });
        self.all_bytes = self.all_bytes.saturating_add(bytes);
        Ok(())
    }
}

/// What only its owner may read: sealed where it is kept.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct QuarantineContent {
    /// As it was answered.
    pub hint: String,
    /// The sign doctor's sentences.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub finding: Option<String>,
    /// Names, values, and what stood on the wire where that differs.
    pub params: Vec<(String, String, Option<String>)>,
    /// A body that could not be read as a form, in hex, with its content type.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body: Option<(String, String)>,
    /// Not all of it arrived or could be read: it cannot be replayed.
    #[serde(default)]
    pub incomplete: bool,
}

/// What became of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum QuarantineOutcome {
    /// It is on disk, under the first such request's name.
    Kept(Seqno),
    /// There is no room: nothing was kept.
    Full(QuarantineFull),
}

/// Which entries.
#[derive(Debug, Clone, Default)]
pub struct QuarantineFilter {
    /// Only this park's (`park_uuid`).
    pub park_uuid: Option<String>,
    /// Only these.
    pub ids: Vec<i64>,
    /// Only those after this one.
    pub after: i64,
    /// At most so many, oldest first.
    pub limit: usize,
}

/// A push in the quarantine.
#[derive(Debug, Clone)]
pub struct Quarantined {
    /// Its number.
    pub id: i64,
    /// Whose, if that is known.
    pub park_uuid: Option<String>,
    /// The call.
    pub kind: PushKind,
    /// The name of its first request.
    pub seqno: Seqno,
    /// When it first came, ms since 1970.
    pub received_at: i64,
    /// Where it came from.
    pub address: String,
    /// Why it was refused, in a word.
    pub reason: String,
    /// The sign doctor's code.
    pub finding: Option<String>,
    /// How often it came.
    pub times: u64,
    /// Bytes, pictures included.
    pub bytes: u64,
    /// Hint, finding and everything sent.
    pub kept: QuarantineContent,
    /// Its files by part name.
    pub pictures: Vec<Picture>,
}

impl Quarantined {
    /// What it would stand under, as its sender knows it: the serial, of an update `flow_no`.
    #[must_use]
    pub fn key(&self) -> &str {
        self.sent(self.kind.key_name()).unwrap_or_default()
    }

    /// The first value sent under that name.
    #[must_use]
    pub fn sent(&self, name: &str) -> Option<&str> {
        self.kept.params.iter().find(|(other, ..)| other == name).map(|(_, value, _)| value.as_str())
    }
}

/// What was found, and where the next page begins if this one is full.
pub(crate) fn page_of(found: Vec<Quarantined>, limit: usize) -> Page<Quarantined> {
    let next = found.last().map(|last| last.id).filter(|_| found.len() >= limit);
    Page { rows: found, next }
}
