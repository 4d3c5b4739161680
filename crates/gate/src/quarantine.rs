//! Refused pushes on their way into the quarantine (`DESIGN.md` 3.6): beside the way of good ones, bounded, and durable
//! before the reply.

mod content;
mod places;
mod refused;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use parkgate_ledger::ParkId;
use parkgate_ledger::quarantine::{QuarantineBounds, QuarantineFull, QuarantineLoad, QuarantineRequest, admit};
use parkgate_store::{Alarm, NO_PARK, NewQuarantined, QuarantineOutcome, Recorder, Store, StoreError};
use parkgate_wire::{Digest, Seqno};

use self::places::{QuarantinePlace, QuarantinePlaces};
use crate::admit::Rejection;
use crate::disk::Disk;
use crate::doctor::{Doctor, KeptFinding};
use crate::fault::GateFault;
use crate::figures::Figures;
use crate::hourly::Hourly;
use crate::registry::Registry;
use crate::settings::{Limits, Mode};

pub use self::content::RefusedContent;
pub(crate) use self::content::restored;
pub use self::refused::{RefusalCause, RefusedFiles, RefusedPush};

/// Pushes waiting for the quarantine, and in one commit. Few: good pushes share the writer.
const QUEUE_MAX: usize = 512;
const BATCH_MAX: usize = 64;
/// How long a full quarantine is taken for full without asking.
const FULL_FOR: Duration = Duration::from_secs(1);
/// The sender of a push for which there is no room waits this long for its 503: that slows a flood down at its source.
const FULL_DELAY: Duration = Duration::from_millis(500);
/// How long readiness says that there was no room.
const FULL_SHOWN: Duration = Duration::from_secs(60);

/// The way into the quarantine.
pub struct Quarantine {
    mode: Mode,
    store: Arc<Store>,
    disk: Arc<Disk>,
    registry: Arc<ArcSwap<Registry>>,
    figures: Figures,
    /// Digests of pushes are keyed with it.
    content_key: [u8; 32],
    doctor: Doctor,
    recorder: Recorder<NewQuarantined, QuarantineOutcome>,
    bounds: QuarantineBounds,
    places: QuarantinePlaces,
    full_since: Mutex<HashMap<ParkId, (Instant, QuarantineFull)>>,
    /// When there was last no room, whoever's push it was, and why.
    last: Mutex<Option<(Instant, QuarantineFull)>>,
    /// When it was last logged that there is no room, and why; for one park or for all.
    last_logged: Mutex<HashMap<(QuarantineFull, ParkId), Hourly>>,
}

/// What became of a refused push.
#[derive(Debug)]
pub enum Quarantining {
    /// It is kept.
    Kept {
        /// The name of the first such push.
        first: Seqno,
        /// The doctor's sentence, if it found a mistake.
        finding: Option<String>,
    },
    /// There is no room: it is answered 503, so that the sender keeps it.
    Full,
    /// It is not worth keeping, or this gate keeps nothing.
    NotKept,
}

impl Quarantine {
    pub(crate) fn start(
        alarm: &Alarm,
        mode: Mode,
        limits: &Limits,
        store: Arc<Store>,
        registry: Arc<ArcSwap<Registry>>,
        disk: Arc<Disk>,
        figures: Figures,
    ) -> Quarantine {
        let bounds = limits.quarantine();
        let writer = Arc::clone(&store);
        let record = move |batch: &[NewQuarantined]| writer.add_to_quarantine(batch, &bounds);
        let recorder = Recorder::start_lanes(alarm, record, QUEUE_MAX, BATCH_MAX, 1, |refused| refused.park);
        Quarantine {
            mode,
            disk,
            registry,
            figures,
            content_key: store.content_key(),
            store,
            doctor: Doctor::new(limits.doctor_per_minute),
            recorder,
            bounds,
            // As many as never find the queue full.
            places: QuarantinePlaces::of(QUEUE_MAX / 2),
            full_since: Mutex::default(),
            last: Mutex::default(),
            last_logged: Mutex::default(),
        }
    }

    pub(crate) fn stop(&self) {
        self.recorder.stop();
    }

    /// How many refused pushes wait for their commit, and how many may.
    #[must_use]
    pub fn queue(&self) -> (usize, usize) {
        (self.recorder.queue_len(), QUEUE_MAX)
    }

    /// How much it may hold.
    #[must_use]
    pub fn bounds(&self) -> QuarantineBounds {
        self.bounds
    }

    /// How long its oldest batch has been under way, if it is longer than that.
    pub(crate) fn stalled(&self, longer_than: Duration) -> Option<Duration> {
        self.recorder.stalled(longer_than)
    }

    /// Why a push found no room a moment ago, if one did.
    #[must_use]
    pub fn problem(&self) -> Option<QuarantineFull> {
        let last = *lock(&self.last);
        last.filter(|(at, _)| at.elapsed() < FULL_SHOWN).map(|(_, why)| why)
    }

    /// Keeps a refused push if it is worth it, after asking the doctor about a wrong signature.
    ///
    /// # Errors
    /// The store did not keep it, or a picture could not be stored.
    pub async fn keep(&self, refused: RefusedPush<'_>) -> Result<Quarantining, GateFault> {
        if self.mode == Mode::VerifyOnly || !refused.cause.is_worth_keeping() {
            return Ok(Quarantining::NotKept);
        }
        let park = refused.park.map_or(NO_PARK, |park| park.park.id);
        let place = match self.place(park, refused.files.arrived_bytes()).await? {
            Ok(place) => place,
            Err(why) => {
                // Its files must not take the room of others while its sender waits.
                drop(refused);
                return Ok(self.full(park, why).await);
            }
        };
        let finding = self.finding(&refused).await;
        let shown = finding.as_ref().filter(|finding| finding.is_known).map(|finding| finding.sentence.clone());
        match self.write(park, place, refused, finding).await? {
            QuarantineOutcome::Kept(first) => {
                self.figures.quarantine.kept.inc();
                Ok(Quarantining::Kept { first, finding: shown })
            }
            QuarantineOutcome::Full(why) => Ok(self.full(park, why).await),
        }
    }

    /// A place on the way, or why there is no room. Asked before pictures are stored: those of a push that finds none would
    /// lie about until they are swept.
    async fn place(&self, park: ParkId, bytes: u64) -> Result<Result<QuarantinePlace, QuarantineFull>, StoreError> {
        if let Some(why) = self.is_full(park) {
            return Ok(Err(why));
        }
        let place = self.places.take(park, bytes);
        let place = place.ok_or_else(|| StoreError::Busy("many refused pushes are on their way".into()))?;
        let store = Arc::clone(&self.store);
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
        load.disk = self.disk.room();
        Ok(admit(QuarantineRequest { is_known: park != NO_PARK, bytes }, &load, &self.bounds).map(|()| place))
    }

    fn is_full(&self, park: ParkId) -> Option<QuarantineFull> {
        let full = lock(&self.full_since).get(&park).copied()?;
        (full.0.elapsed() < FULL_FOR).then_some(full.1)
    }

    async fn finding(&self, refused: &RefusedPush<'_>) -> Option<KeptFinding> {
        let RefusalCause::Rejected(Rejection::Mismatched(_)) = refused.cause else { return None };
        let (park, form) = (refused.park?, refused.content.form()?);
        self.doctor.ask(self.registry.load_full(), park, form, refused.received_at, refused.seqno).await
    }

    async fn write(
        &self,
        park: ParkId,
        place: QuarantinePlace,
        refused: RefusedPush<'_>,
        finding: Option<KeptFinding>,
    ) -> Result<QuarantineOutcome, GateFault> {
        let code = finding.as_ref().map(|finding| finding.code);
        let content = refused.content;
        let kept = content.kept(refused.cause.hint(refused.kind), finding.map(|finding| finding.sentence));
        let entry = NewQuarantined {
            park,
            kind: refused.kind,
            seqno: refused.seqno,
            received_at: refused.received_at.0,
            address: refused.address.to_string(),
            reason: refused.cause.reason(),
            finding: code,
            digest: Digest([0; 16]),
            kept,
            pictures: Vec::new(),
            is_admitted: refused.files.arrived_bytes() > 0,
        };
        let (recorder, files, content_key) = (self.recorder.clone(), refused.files, self.content_key);
        // In a task of its own: a sender that hangs up meanwhile must not leave pictures behind that nothing names.
        let done = tokio::spawn(async move {
            let pictures = files.store().await?;
            let digest = content::digest(&content_key, entry.kind, &content, &entry.kept, &pictures);
            let recorded = recorder.record(NewQuarantined { pictures, digest, ..entry }).await;
            drop(place);
            Ok::<_, GateFault>(*recorded?.verdict())
        });
        done.await.map_err(|error| StoreError::Broken(error.to_string()))?
    }

    /// Notes that there is no room for a park's pushes, and has the sender wait.
    async fn full(&self, park: ParkId, why: QuarantineFull) -> Quarantining {
        lock(&self.full_since).insert(park, (Instant::now(), why));
        self.turn_away(park, why).await;
        Quarantining::Full
    }

    /// Has the sender of a push wait whose pictures were not received: the disk is low, and the push had not proved to be a
    /// good one.
    pub async fn turn_away_for_disk(&self) {
        self.turn_away(NO_PARK, QuarantineFull::Disk).await;
    }

    /// Counts that there is no room for a push, logs it once an hour, and has the sender wait.
    async fn turn_away(&self, park: ParkId, why: QuarantineFull) {
        let now = Instant::now();
        *lock(&self.last) = Some((now, why));
        let whose = match why {
            QuarantineFull::ParkPushes | QuarantineFull::ParkBytes => park,
            QuarantineFull::Disk | QuarantineFull::AllBytes => NO_PARK,
        };
        if lock(&self.last_logged).entry((why, whose)).or_default().is_due(now) {
            let why = why.in_words();
            tracing::error!(park = whose.0, why, "no room in the quarantine: refused pushes are answered 503");
        }
        self.figures.quarantine.found_no_room(why);
        tokio::time::sleep(FULL_DELAY).await;
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
