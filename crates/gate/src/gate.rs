//! The parts of a running gate, put together once; each is handed what it needs.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use parkgate_ledger::ParkId;
use parkgate_store::{Alarm, Entry, Images, Recorder, Store, StoreError};
use parkgate_wire::Seqno;

use crate::clock::Clock;
use crate::disk::Disk;
use crate::figures::Figures;
use crate::forward::{Forward, Forwarder, Passing};
use crate::free_spaces::FreeSpaces;
use crate::notes::Notes;
use crate::quarantine::Quarantine;
use crate::record::PushRecorder;
use crate::registry::Registry;
use crate::settings::{Limits, Mode, Settings};
use crate::supervised::Supervised;
use crate::upkeep::Upkeep;

/// A batch that takes longer than all that is tried within one: the store hangs.
const BATCH_STALLED: Duration = Duration::from_secs(30);

/// The running gate, shared by all requests.
pub struct Gate {
    /// As it was set.
    pub settings: Settings,
    /// Parks, apps and subscribers of this moment.
    pub registry: Arc<ArcSwap<Registry>>,
    /// Where records are.
    pub store: Arc<Store>,
    /// Where pictures are.
    pub images: Images,
    /// How full the disk is.
    pub disk: Arc<Disk>,
    /// Records admitted pushes.
    pub pushes: PushRecorder,
    /// Keeps refused ones.
    pub quarantine: Quarantine,
    /// Sends deliveries. None in a gate that records nothing.
    pub forwarder: Option<Arc<Forwarder>>,
    /// Passes on the calls that are not ours. None in a gate that records nothing.
    pub passing: Option<Passing>,
    /// Free spaces in memory, of parks that are asked about.
    pub free_spaces: Arc<FreeSpaces>,
    /// What is counted.
    pub figures: Figures,
    notes: Arc<Notes>,
    seqnos: AtomicU64,
    alarm: Alarm,
    upkeep: Vec<Supervised>,
}

impl Gate {
    /// Starts the recorder and what runs beside it. Must be called within a tokio runtime.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn open(settings: Settings, store: Arc<Store>, images: Images) -> Result<Arc<Gate>, StoreError> {
        let alarm = store.alarm().clone();
        let images = images.with_alarm(alarm.clone());
        store.begin_serving()?;
        // The version first: a change in between is then seen as new.
        let registry_version = store.registry_version()?;
        for warning in store.durability_warnings()? {
            tracing::warn!("{warning}");
        }
        let registry = Arc::new(ArcSwap::from_pointee(Registry::load(store.as_ref())?));
        let disk = Arc::new(Disk::of(&store, &images, settings.limits.disk_free_min));
        disk.look_after(store.as_ref(), None);
        let (figures, notes) = (Figures::default(), Arc::new(Notes::default()));
        let free_spaces = Arc::<FreeSpaces>::default();
        let upkeep = Upkeep {
            store: Arc::clone(&store),
            images: images.clone(),
            registry: Arc::clone(&registry),
            registry_version,
            clock: Arc::new(Clock::of(store.as_ref())?),
            disk: Arc::clone(&disk),
            notes: Arc::clone(&notes),
            free_spaces: Arc::clone(&free_spaces),
            figures: figures.clone(),
            quarantine: settings.limits.quarantine(),
            retention: settings.retention,
            longest_wait: settings.forward.longest_wait(),
        };
        let forwarder = match settings.mode {
            Mode::VerifyOnly => None,
            Mode::Record => Some(Arc::new(start_forwarder(&upkeep, settings.forward, &alarm)?)),
        };
        let pushes = start_pushes(&upkeep, &settings, forwarder.clone(), &alarm);
        let quarantine = Quarantine::start(
            &alarm,
            settings.mode,
            &settings.limits,
            Arc::clone(&store),
            Arc::clone(&registry),
            Arc::clone(&disk),
            figures.clone(),
        );
        Ok(Arc::new(Gate {
            upkeep: upkeep.start(&alarm),
            seqnos: AtomicU64::new(random()?),
            registry,
            store,
            images,
            disk,
            pushes,
            quarantine,
            passing: passing(forwarder.as_deref(), &settings.limits, &notes),
            settings,
            forwarder,
            free_spaces,
            figures,
            notes,
            alarm,
        }))
    }

    /// Raised by whatever finds that the process must end.
    #[must_use]
    pub fn alarm(&self) -> &Alarm {
        &self.alarm
    }

    /// Do all parts run that must run all the time?
    ///
    /// # Errors
    /// One does not, and which.
    pub fn check(&self) -> Result<(), String> {
        if let Some(reason) = self.alarm.raised() {
            return Err(reason);
        }
        let forwarding = self.forwarder.as_ref().and_then(|forwarder| forwarder.ended());
        if let Some(name) = self.upkeep.iter().find_map(Supervised::ended).or(forwarding) {
            return Err(format!("ended: {name}"));
        }
        let stalled = self.pushes.stalled(BATCH_STALLED);
        match stalled.or_else(|| self.quarantine.stalled(BATCH_STALLED)) {
            Some(since) => Err(format!("a batch has been under way for {} s", since.as_secs())),
            None => Ok(()),
        }
    }

    /// Unique within the process by counting, between processes by where the count starts.
    pub fn next_seqno(&self) -> Seqno {
        Seqno(self.seqnos.fetch_add(1, Ordering::Relaxed))
    }

    /// Settles deliveries that are on their way, commits what is queued and closes the store. Requests must have ended.
    ///
    /// # Errors
    /// The store could not be closed; nothing is lost, the next start does it.
    pub async fn stop(self: Arc<Self>) -> Result<(), StoreError> {
        if let Some(forwarder) = &self.forwarder {
            forwarder.stop().await;
        }
        let closed = tokio::task::spawn_blocking(move || {
            self.upkeep.iter().for_each(Supervised::abort);
            self.pushes.stop();
            self.quarantine.stop();
            self.notes.write_old_secrets(self.store.as_ref());
            self.notes.write_passed(self.store.as_ref());
            self.store.close()
        });
        closed.await.map_err(|error| StoreError::Broken(error.to_string()))?
    }
}

fn start_forwarder(parts: &Upkeep, settings: Forward, alarm: &Alarm) -> Result<Forwarder, StoreError> {
    let (registry, store, images) = (Arc::clone(&parts.registry), Arc::clone(&parts.store), parts.images.clone());
    let (figures, clock) = (parts.figures.forwarding.clone(), Arc::clone(&parts.clock));
    Forwarder::start(alarm, settings, registry, store, images, figures, clock)
}

fn passing(forwarder: Option<&Forwarder>, limits: &Limits, notes: &Arc<Notes>) -> Option<Passing> {
    forwarder.map(|forwarder| Passing::by(forwarder, limits.body_idle_timeout, Arc::clone(notes)))
}

fn random() -> Result<u64, StoreError> {
    let mut bytes = [0; 8];
    getrandom::fill(&mut bytes).map_err(|error| StoreError::Broken(error.to_string()))?;
    Ok(u64::from_le_bytes(bytes))
}

fn start_pushes(parts: &Upkeep, settings: &Settings, forwarder: Option<Arc<Forwarder>>, alarm: &Alarm) -> PushRecorder {
    PushRecorder {
        mode: settings.mode,
        content_key: parts.store.content_key(),
        recorder: start_recorder(alarm, parts, &settings.limits),
        notes: Arc::clone(&parts.notes),
        figures: parts.figures.clone(),
        forwarder,
    }
}

fn start_recorder(alarm: &Alarm, parts: &Upkeep, limits: &Limits) -> Recorder {
    let (store, commits) = (Arc::clone(&parts.store), parts.figures.commits.clone());
    let lanes = store.lanes(limits.lanes);
    let record = move |batch: &[Entry]| {
        let begun = Instant::now();
        let verdicts = store.record(batch)?;
        commits.committed(batch.len(), begun.elapsed());
        Ok(verdicts)
    };
    Recorder::start_lanes(alarm, record, limits.queue_max, limits.batch_max, lanes, park_of)
}

/// The pushes of a park go by one lane.
fn park_of(entry: &Entry) -> ParkId {
    entry.arrival.park
}
