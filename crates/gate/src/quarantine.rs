//! Refused pushes on their way into the quarantine (`DESIGN.md` 3.6): off the way of good ones, bounded, and durable before
//! the reply.

mod sent;
mod way;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use parkgate_ledger::ParkId;
use parkgate_ledger::quarantine::{QuarantineBounds, QuarantineFull, QuarantineLoad, QuarantineRequest, admit};
use parkgate_store::images::FinishedImage;
use parkgate_store::{Alarm, Aside, NO_PARK, Recorder, SetAside, Store, StoreError, StoredImage};
use parkgate_wire::refusal::{Reason, RefusalClass};
use parkgate_wire::{Digest, PushKind, Refusal, Seqno};

use crate::admit::{Why, serial_taken};
use crate::disk::Hourly;
use crate::fault::Fault;
use crate::gate::Gate;
use crate::registry::KnownPark;
use crate::settings::Limits;

pub use sent::{Sent, restored};
use way::{Place, Way};

/// Pushes waiting to be set aside, and in one commit. Few: good pushes share the writer.
const QUEUE_MAX: usize = 512;
const BATCH_MAX: usize = 64;
/// How long a full quarantine is taken for full without asking.
const FULL_FOR: Duration = Duration::from_secs(1);
/// Who sends what cannot even be set aside waits this long for the 503: a flood is slowed down where it comes from.
const FULL_DELAY: Duration = Duration::from_millis(500);
/// How long readiness tells that there was no room.
const FULL_SHOWN: Duration = Duration::from_secs(60);

/// The way into the quarantine.
pub struct Quarantine {
    recorder: Recorder<SetAside, Aside>,
    bounds: QuarantineBounds,
    way: Way,
    full_since: Mutex<HashMap<ParkId, (Instant, QuarantineFull)>>,
    /// When there was no room for anybody's, and why.
    last: Mutex<Option<(Instant, QuarantineFull)>>,
    /// When it was last told that there was no room, and why; of one park or of all.
    told: Mutex<HashMap<(QuarantineFull, ParkId), Hourly>>,
}

/// What became of a refused push.
#[derive(Debug)]
pub enum Kept {
    /// Set aside under this name: the first such push's. The doctor's sentence, if it found a mistake.
    As(Seqno, Option<String>),
    /// There is no room: 503, so that the sender keeps it.
    Full,
}

/// A refused push.
pub struct Refused<'a> {
    /// Whose it is, if that is known.
    pub park: Option<&'a Arc<KnownPark>>,
    /// Enter or leave.
    pub kind: PushKind,
    /// The name of the push.
    pub seqno: Seqno,
    /// When it came, ms since 1970.
    pub received_at: i64,
    /// Who sent it.
    pub address: std::net::IpAddr,
    /// Why it is refused.
    pub cause: Cause<'a>,
    /// What arrived.
    pub sent: Sent,
    /// Its files.
    pub files: Files,
}

/// Why a push is in the quarantine.
#[derive(Clone, Copy)]
pub enum Cause<'a> {
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
pub enum Files {
    /// Written aside.
    Arrived(Vec<(String, FinishedImage)>),
    /// Durable already: it was taken for a record.
    Stored(Pictures),
}

impl Files {
    /// Bytes that are only written aside.
    fn arrived_bytes(&self) -> u64 {
        match self {
            Files::Arrived(files) => files.iter().map(|(_, file)| file.size()).sum(),
            Files::Stored(_) => 0,
        }
    }

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
        let bounds = limits.quarantine();
        let record = move |batch: &[SetAside]| store.set_aside(batch, &bounds);
        let recorder = Recorder::start_lanes(alarm, record, QUEUE_MAX, BATCH_MAX, 1, |refused| refused.park);
        // As many as never find the queue full.
        let way = Way::of(QUEUE_MAX / 2);
        Quarantine {
            recorder,
            bounds,
            way,
            full_since: Mutex::default(),
            last: Mutex::default(),
            told: Mutex::default(),
        }
    }

    pub(crate) fn stop(&self) {
        self.recorder.stop();
    }

    /// How long its oldest batch has been under way, if it is longer than that.
    pub(crate) fn stalled(&self, longer_than: Duration) -> Option<Duration> {
        self.recorder.stalled(longer_than)
    }

    fn is_full(&self, park: ParkId) -> Option<QuarantineFull> {
        let full = lock(&self.full_since).get(&park).copied()?;
        (full.0.elapsed() < FULL_FOR).then_some(full.1)
    }

    /// Why somebody found no room a moment ago, if anybody did.
    pub fn problem(&self) -> Option<QuarantineFull> {
        let last = *lock(&self.last);
        last.filter(|(at, _)| at.elapsed() < FULL_SHOWN).map(|(_, why)| why)
    }

    /// Sets a push aside, after asking the doctor about a wrong signature.
    pub async fn keep(&self, gate: &Gate, refused: Refused<'_>) -> Result<Kept, Fault> {
        let park = refused.park.map_or(NO_PARK, |park| park.park.id);
        let place = match self.place(gate, park, &refused).await? {
            Ok(place) => place,
            Err(why) => {
                // Its files must not take the room of others while it is told to wait.
                drop(refused);
                return Ok(self.full(gate, park, why).await);
            }
        };
        let finding = match refused.cause {
            Cause::NotTaken(Why::Mismatched(_)) => gate.doctor.ask(gate, &refused).await,
            Cause::NotTaken(Why::Refused(_)) | Cause::SerialTaken(_) => None,
        };
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
            digest: Digest([0; 16]),
            kept,
            pictures: Vec::new(),
            is_admitted: refused.files.arrived_bytes() > 0,
        };
        let (recorder, files, content_key) = (self.recorder.clone(), refused.files, gate.content_key);
        // On its own: who hangs up in the middle must not leave pictures behind that nothing names.
        let done = tokio::spawn(async move {
            let pictures = files.store().await?;
            let digest = sent::digest(&content_key, set_aside.kind, &sent, &set_aside.kept, &pictures);
            let recorded = recorder.record(SetAside { pictures, digest, ..set_aside }).await;
            drop(place);
            Ok::<_, Fault>(*recorded?.verdict())
        });
        match done.await.map_err(|error| StoreError::Broken(error.to_string()))?? {
            Aside::Kept(seqno) => {
                gate.figures.quarantined.inc();
                Ok(Kept::As(seqno, shown))
            }
            Aside::Full(why) => Ok(self.full(gate, park, why).await),
        }
    }

    /// A place on the way, or why there is no room. Before pictures are stored: those that find none then would lie about
    /// until they are swept.
    async fn place(
        &self,
        gate: &Gate,
        park: ParkId,
        refused: &Refused<'_>,
    ) -> Result<Result<Place, QuarantineFull>, Fault> {
        if let Some(why) = self.is_full(park) {
            return Ok(Err(why));
        }
        let bytes = refused.files.arrived_bytes();
        let place = self.way.enter(park, bytes);
        let place = place.ok_or_else(|| StoreError::Busy("many refused pushes are on their way".into()))?;
        let store = Arc::clone(&gate.store);
        let mut load = match bytes {
            // The store itself will say.
            0 => QuarantineLoad::default(),
            _ => {
                let asked = tokio::task::spawn_blocking(move || store.quarantine_load(park)).await;
                asked.map_err(|error| StoreError::Broken(error.to_string()))??
            }
        };
        let (reserved, reserved_all) = place.before;
        (load.reserved, load.reserved_all_bytes) = (reserved, reserved_all.bytes);
        load.disk = gate.disk.room();
        Ok(admit(QuarantineRequest { is_known: park != NO_PARK, bytes }, &load, &self.bounds).map(|()| place))
    }

    /// Notes that there is no room for a park's pushes, and has the sender wait.
    async fn full(&self, gate: &Gate, park: ParkId, why: QuarantineFull) -> Kept {
        lock(&self.full_since).insert(park, (Instant::now(), why));
        self.turn_away(gate, park, why).await;
        Kept::Full
    }

    /// Tells, once an hour, and counts that there is no room for a push, and has its sender wait.
    pub async fn turn_away(&self, gate: &Gate, park: ParkId, why: QuarantineFull) {
        let now = Instant::now();
        *lock(&self.last) = Some((now, why));
        let whose = match why {
            QuarantineFull::ParkPushes | QuarantineFull::ParkBytes => park,
            QuarantineFull::Disk | QuarantineFull::AllBytes => NO_PARK,
        };
        if lock(&self.told).entry((why, whose)).or_default().is_due(now) {
            let why = why.in_words();
            tracing::error!(park = whose.0, why, "no room in the quarantine: refused pushes are answered 503");
        }
        gate.figures.quarantine_full.inc();
        tokio::time::sleep(FULL_DELAY).await;
    }
}

/// Is this worth keeping? Not what is no push at all, or over a limit: its sender was told and has it still. Nor what
/// comes from an address that may not push: it would take the room of those who may.
pub fn is_kept(why: &Why) -> bool {
    match why {
        Why::Mismatched(_) => true,
        Why::Refused(Refusal::Method { .. } | Refusal::QuerySent | Refusal::AddressNotAllowed) => false,
        // Genuine, and over a limit of ours: the limit can be raised, and the push replayed.
        Why::Refused(Refusal::TooManyPayments { .. }) => true,
        Why::Refused(refusal) => matches!(refusal.class(), RefusalClass::BadRequest | RefusalClass::Forbidden),
    }
}

pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Pictures that a record will name.
pub type Pictures = Vec<(String, Arc<StoredImage>)>;
