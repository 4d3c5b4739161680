//! Refused pushes on their way into the quarantine (`DESIGN.md` 3.6): off the way of good ones, bounded, and durable before
//! the reply.

mod doctor;
mod sent;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use parkgate_ledger::ParkId;
use parkgate_store::images::FinishedImage;
use parkgate_store::{Alarm, Aside, NO_PARK, QuarantineBound, Recorder, SetAside, Store, StoreError, StoredImage};
use parkgate_wire::refusal::{Reason, RefusalClass};
use parkgate_wire::{PushKind, Refusal, Seqno};

use crate::fault::Fault;
use crate::gate::Gate;
use crate::judge::{Why, serial_taken};
use crate::registry::KnownPark;
use crate::settings::Limits;

pub(crate) use doctor::Doctor;
pub(crate) use sent::{Sent, restored};

/// Pushes waiting to be set aside, and in one commit. Few: good pushes share the writer.
const QUEUE_MAX: usize = 512;
const BATCH_MAX: usize = 64;
/// How long a full quarantine is taken for full without asking.
const FULL_FOR: Duration = Duration::from_secs(1);
/// Who sends what cannot even be set aside waits this long for the 503: a flood is slowed down where it comes from.
const FULL_DELAY: Duration = Duration::from_millis(500);

/// The way into the quarantine.
pub(crate) struct Quarantine {
    recorder: Recorder<SetAside, Aside>,
    bound: QuarantineBound,
    full_since: Mutex<HashMap<ParkId, Instant>>,
}

/// What became of a refused push.
#[derive(Debug)]
pub(crate) enum Kept {
    /// Set aside under this name: the first such push's. The doctor's sentence, if it found a mistake.
    As(Seqno, Option<String>),
    /// There is no room: 503, so that the sender keeps it.
    Full,
}

/// A refused push.
pub(crate) struct Refused<'a> {
    pub(crate) park: Option<&'a Arc<KnownPark>>,
    pub(crate) kind: PushKind,
    pub(crate) seqno: Seqno,
    pub(crate) received_at: i64,
    pub(crate) address: std::net::IpAddr,
    pub(crate) cause: Cause<'a>,
    pub(crate) sent: Sent,
    pub(crate) files: Files,
}

/// Why a push is in the quarantine.
#[derive(Clone, Copy)]
pub(crate) enum Cause<'a> {
    /// It was not taken.
    NotTaken(&'a Why),
    /// It is genuine, but so many other contents came under its serial that it is no conflict of the visit any more.
    SerialTaken(&'a str),
}

impl Cause<'_> {
    fn hint(self) -> String {
        match self {
            Cause::NotTaken(why) => why.hint(),
            Cause::SerialTaken(parking_serial) => serial_taken(parking_serial),
        }
    }

    fn reason(self) -> &'static str {
        match self {
            Cause::NotTaken(why) => why.reason(),
            Cause::SerialTaken(_) => Reason::Conflict.name(),
        }
    }
}

/// What came with it, by part name.
pub(crate) enum Files {
    /// Written aside.
    Arrived(Vec<(String, FinishedImage)>),
    /// Durable already: it was taken for a record.
    Stored(Pictures),
}

impl Files {
    /// Makes them durable.
    async fn store(self) -> Result<Pictures, Fault> {
        match self {
            Files::Stored(pictures) => Ok(pictures),
            Files::Arrived(files) => {
                let mut pictures = Vec::with_capacity(files.len());
                for (part, file) in files {
                    pictures.push((part, Arc::new(file.store().await?)));
                }
                Ok(pictures)
            }
        }
    }
}

impl Quarantine {
    pub(crate) fn start(alarm: &Alarm, store: Arc<dyn Store>, limits: &Limits) -> Quarantine {
        let bound = limits.quarantine();
        let record = move |batch: &[SetAside]| store.set_aside(batch, &bound);
        let recorder = Recorder::start_lanes(alarm, record, QUEUE_MAX, BATCH_MAX, 1, |refused| refused.park);
        Quarantine { recorder, bound, full_since: Mutex::default() }
    }

    pub(crate) fn stop(&self) {
        self.recorder.stop();
    }

    /// How long its oldest batch has been under way, if it is longer than that.
    pub(crate) fn stalled(&self, longer_than: Duration) -> Option<Duration> {
        self.recorder.stalled(longer_than)
    }

    fn is_full(&self, park: ParkId) -> bool {
        lock(&self.full_since).get(&park).is_some_and(|since| since.elapsed() < FULL_FOR)
    }

    /// Sets a push aside, after asking the doctor about a wrong signature.
    pub(crate) async fn keep(&self, gate: &Gate, refused: Refused<'_>) -> Result<Kept, Fault> {
        let park = refused.park.map_or(NO_PARK, |park| park.park.id);
        if self.is_full(park) {
            return Ok(full(gate).await);
        }
        if let Files::Arrived(files) = &refused.files
            && !files.is_empty()
            && !self.has_room(gate, park, files).await?
        {
            return Ok(self.note_full(gate, park).await);
        }
        let finding = match refused.cause {
            Cause::NotTaken(Why::Mismatched(_)) => gate.doctor.ask(gate, &refused).await,
            Cause::NotTaken(Why::Refused(_)) | Cause::SerialTaken(_) => None,
        };
        let pictures = refused.files.store().await?;
        let shown = finding.as_ref().filter(|finding| finding.is_known).map(|finding| finding.sentence.clone());
        let code = finding.as_ref().map(|finding| finding.code);
        let sent = refused.sent;
        let kept = sent.kept(refused.cause.hint(), finding.map(|finding| finding.sentence));
        let set_aside = SetAside {
            park,
            kind: refused.kind,
            seqno: refused.seqno,
            received_at: refused.received_at,
            address: refused.address.to_string(),
            reason: refused.cause.reason(),
            finding: code,
            digest: sent::digest(&gate.content_key, refused.kind, &sent, &kept, &pictures),
            kept,
            pictures,
        };
        match self.recorder.record(set_aside).await?.verdict() {
            Aside::Kept(seqno) => {
                gate.metrics.set_aside.inc();
                Ok(Kept::As(*seqno, shown))
            }
            Aside::Full => Ok(self.note_full(gate, park).await),
        }
    }

    /// Before pictures are stored: those that find no room then would lie about until they are swept.
    async fn has_room(&self, gate: &Gate, park: ParkId, files: &[(String, FinishedImage)]) -> Result<bool, Fault> {
        let bytes = files.iter().map(|(_, file)| file.size()).sum();
        let (store, bound) = (Arc::clone(&gate.store), self.bound);
        let asked = tokio::task::spawn_blocking(move || store.quarantine_has_room(park, bytes, &bound)).await;
        Ok(asked.map_err(|error| StoreError::Broken(error.to_string()))??)
    }

    async fn note_full(&self, gate: &Gate, park: ParkId) -> Kept {
        lock(&self.full_since).insert(park, Instant::now());
        tracing::error!(park = park.0, "the quarantine is full: refused pushes are answered 503");
        full(gate).await
    }
}

async fn full(gate: &Gate) -> Kept {
    gate.metrics.quarantine_full.inc();
    tokio::time::sleep(FULL_DELAY).await;
    Kept::Full
}

/// Is this worth keeping? Not what is no push at all, or over a limit: its sender was told and has it still. Nor what
/// comes from an address that may not push: it would take the room of those who may.
pub(crate) fn is_kept(why: &Why) -> bool {
    match why {
        Why::Mismatched(_) => true,
        Why::Refused(Refusal::Method { .. } | Refusal::QuerySent | Refusal::AddressNotAllowed) => false,
        // Genuine, and over a limit of ours: the limit can be raised, and the push replayed.
        Why::Refused(Refusal::TooManyPayments { .. }) => true,
        Why::Refused(refusal) => matches!(refusal.class(), RefusalClass::BadRequest | RefusalClass::Forbidden),
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Pictures that a record will name.
pub(crate) type Pictures = Vec<(String, Arc<StoredImage>)>;
