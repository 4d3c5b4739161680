//! The parts a request needs, put together once.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use arc_swap::ArcSwap;
use parkgate_ledger::ParkId;
use parkgate_store::{Alarm, Entry, Images, Recorder, Store, StoreError};
use parkgate_wire::Seqno;

use crate::clock::{self, Clock};
use crate::disk::{self, Disk};
use crate::doctor::Doctor;
use crate::figures::Figures;
use crate::forward::Forwarder;
use crate::quarantine::Quarantine;
use crate::registry::{self, KnownPark, Registry};
use crate::settings::{Mode, Settings};
use crate::upkeep::{self, Supervised};

const NOTES_EVERY: Duration = Duration::from_secs(2);
/// A batch that takes longer than all that is tried within one: the store hangs.
const BATCH_STALLED: Duration = Duration::from_secs(30);

/// The running gate, shared by all requests.
pub struct Gate {
    /// As it was set.
    pub settings: Settings,
    /// Parks, apps and subscribers of this moment.
    pub registry: Arc<ArcSwap<Registry>>,
    /// Where records are.
    pub store: Arc<dyn Store>,
    /// Where pictures are.
    pub images: Images,
    /// The queue in front of the store.
    pub recorder: Recorder,
    /// Where refused pushes go.
    pub quarantine: Quarantine,
    /// How full the disk is.
    pub disk: Arc<Disk>,
    pub(crate) doctor: Doctor,
    /// What is counted.
    pub figures: Figures,
    /// Who sends deliveries, where pushes are recorded.
    pub forwarder: Option<Forwarder>,
    /// Digests of pushes are keyed with it.
    pub content_key: [u8; 32],
    seqnos: AtomicU64,
    /// When each park last used a rotated secret, until it is written down.
    old_secrets: Mutex<HashMap<ParkId, i64>>,
    /// Parks with conflicts, and how many of these looked like serials used anew the last time.
    conflicts: Mutex<HashMap<String, u64>>,
    alarm: Alarm,
    upkeep: Vec<Supervised>,
}

impl Gate {
    /// Starts the recorder and what runs beside it. Must be called within a tokio runtime.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn open(settings: Settings, store: Arc<dyn Store>, images: Images) -> Result<Arc<Gate>, StoreError> {
        let images = images.with_alarm(store.alarm().clone());
        store.begin_serving()?;
        // The version first: a change in between is then seen as new.
        let version = store.registry_version()?;
        for warning in store.durability_warnings()? {
            tracing::warn!("{warning}");
        }
        let registry = Arc::new(ArcSwap::from_pointee(Registry::load(store.as_ref())?));
        let mut start = [0; 8];
        getrandom::fill(&mut start).map_err(|error| StoreError::Broken(error.to_string()))?;
        let alarm = store.alarm().clone();
        let clock = Arc::new(Clock::of(store.as_ref())?);
        let longest_wait = settings.forward.longest_wait();
        let confirming = clock::follow(Arc::clone(&clock), Arc::clone(&store), longest_wait);
        let following = registry::follow(Arc::clone(&registry), Arc::clone(&store), version);
        let ageing = upkeep::age(Arc::clone(&store), Arc::clone(&clock), settings.limits.quarantine_days);
        let disk = Arc::new(Disk::of(&store, &images, settings.limits.disk_free_min));
        disk.look_after(store.as_ref(), None);
        let sweeping = upkeep::sweep(images.clone(), Arc::clone(&store), Arc::clone(&clock), Arc::clone(&disk));
        let mut upkeep = vec![
            Supervised::endless(&alarm, "registry", following),
            Supervised::endless(&alarm, "clock", confirming),
            Supervised::endless(&alarm, "sweep of pictures", sweeping),
            Supervised::endless(&alarm, "age of the quarantine", ageing),
        ];
        if store.months().is_some() {
            upkeep.push(Supervised::endless(&alarm, "months", upkeep::turn_months(Arc::clone(&store))));
        }
        let record = Arc::clone(&store);
        let record = move |batch: &[Entry]| record.record(batch);
        let figures = Figures::default();
        let forwarder = match settings.mode {
            Mode::VerifyOnly => None,
            Mode::Record => Some(Forwarder::start(
                &alarm,
                settings.forward,
                Arc::clone(&registry),
                Arc::clone(&store),
                images.clone(),
                figures.forwarding.clone(),
                Arc::clone(&clock),
            )?),
        };
        let recorder = Recorder::start_lanes(
            &alarm,
            record,
            settings.limits.queue_max,
            settings.limits.batch_max,
            store.lanes(settings.limits.lanes),
            park_of,
        );
        let quarantine = Quarantine::start(&alarm, Arc::clone(&store), &settings.limits);
        Ok(Arc::new_cyclic(|gate: &Weak<Gate>| {
            let (notes, is_gone) = (write_notes(gate.clone()), gate.clone());
            upkeep.push(Supervised::spawn(&alarm, "notes", move || is_gone.strong_count() == 0, notes));
            let (watch, is_gone) = (watch_disk(gate.clone()), gate.clone());
            upkeep.push(Supervised::spawn(&alarm, "disk", move || is_gone.strong_count() == 0, watch));
            Gate {
                forwarder,
                figures,
                recorder,
                quarantine,
                disk,
                doctor: Doctor::new(settings.limits.doctor_per_minute),
                old_secrets: Mutex::default(),
                conflicts: Mutex::default(),
                content_key: store.content_key(),
                seqnos: AtomicU64::new(u64::from_le_bytes(start)),
                settings,
                registry,
                store,
                images,
                alarm,
                upkeep,
            }
        }))
    }

    /// Raised by whatever finds that the process must end.
    #[must_use]
    pub fn alarm(&self) -> &Alarm {
        &self.alarm
    }

    /// What of the parts that must run all the time does not.
    pub fn check(&self) -> Result<(), String> {
        if let Some(reason) = self.alarm.raised() {
            return Err(reason);
        }
        let forwarding = self.forwarder.as_ref().and_then(Forwarder::ended);
        if let Some(name) = self.upkeep.iter().find_map(Supervised::ended).or(forwarding) {
            return Err(format!("ended: {name}"));
        }
        let stalled = self.recorder.stalled(BATCH_STALLED);
        match stalled.or_else(|| self.quarantine.stalled(BATCH_STALLED)) {
            Some(since) => Err(format!("a batch has been under way for {} s", since.as_secs())),
            None => Ok(()),
        }
    }

    /// Unique within the process by counting, between processes by where the count starts.
    pub fn next_seqno(&self) -> Seqno {
        Seqno(self.seqnos.fetch_add(1, Ordering::Relaxed))
    }

    /// A push came with the secret before the last rotation: who still uses it can be seen by `park show`.
    pub fn note_old_secret(&self, park: &KnownPark, now: i64) {
        let first = lock(&self.old_secrets).insert(park.park.id, now).is_none();
        if first {
            tracing::warn!(park_uuid = park.park.park_uuid, "signed with the secret before the last rotation");
        }
    }

    /// A push was ignored for its serial: one of a run of them, perhaps.
    pub fn note_conflict(&self, park: &KnownPark) {
        lock(&self.conflicts).entry(park.park.park_uuid.clone()).or_default();
    }

    /// Looks whether serials start anew where pushes were ignored. Blocks.
    fn look_at_conflicts(&self) {
        let known: Vec<(String, u64)> = lock(&self.conflicts).drain().collect();
        for (park_uuid, before) in known {
            let now = match self.store.serial_reuse(&park_uuid) {
                Ok(reuse) => reuse.map_or(0, |reuse| reuse.conflicts),
                Err(error) => {
                    tracing::warn!(%error, park_uuid, "conflicts could not be looked at");
                    before
                }
            };
            self.figures.serials_used_anew(&park_uuid, now);
            if now > 0 {
                if before == 0 {
                    tracing::error!(
                        park_uuid,
                        conflicts = now,
                        "serials start anew and pushes are ignored: see `park show`"
                    );
                }
                lock(&self.conflicts).insert(park_uuid, now);
            }
        }
    }

    /// Writes down which rotated secrets are still used. Blocks.
    fn write_old_secrets(&self) {
        let used: Vec<(ParkId, i64)> = lock(&self.old_secrets).drain().collect();
        if !used.is_empty()
            && let Err(error) = self.store.old_secrets_used(&used)
        {
            tracing::warn!(%error, "the use of old secrets could not be noted");
        }
    }

    /// Blocks.
    fn look_after_disk(&self) {
        let kept = self.store.quarantine_used().map(|used| used.iter().map(|(.., bytes)| bytes).sum());
        let kept = kept.inspect_err(|error| tracing::debug!(%error, "the quarantine could not be looked at")).ok();
        self.disk.look_after(self.store.as_ref(), kept);
        self.figures.disk(self.disk.room(), kept);
    }

    fn look_after_notes(&self) {
        self.write_old_secrets();
        self.look_at_conflicts();
    }

    /// Finishes what is queued and closes the store. Requests must have ended.
    ///
    /// # Errors
    /// The store could not be closed; nothing is lost, the next start does it.
    pub fn close(&self) -> Result<(), StoreError> {
        self.upkeep.iter().for_each(Supervised::abort);
        self.recorder.stop();
        self.quarantine.stop();
        self.write_old_secrets();
        self.store.close()
    }
}

/// The pushes of a park go by one lane.
fn park_of(entry: &Entry) -> ParkId {
    entry.arrival.park
}

/// Milliseconds since 1970.
pub fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

/// Looks after the disk, until the gate is gone.
async fn watch_disk(gate: Weak<Gate>) {
    loop {
        tokio::time::sleep(disk::WATCH_EVERY).await;
        let Some(gate) = gate.upgrade() else { return };
        if let Err(error) = tokio::task::spawn_blocking(move || gate.look_after_disk()).await {
            tracing::error!(%error, "looking after the disk failed");
        }
    }
}

/// Writes down what is only noted in memory, until the gate is gone.
async fn write_notes(gate: Weak<Gate>) {
    loop {
        tokio::time::sleep(NOTES_EVERY).await;
        let Some(gate) = gate.upgrade() else { return };
        if let Err(error) = tokio::task::spawn_blocking(move || gate.look_after_notes()).await {
            tracing::error!(%error, "writing notes failed");
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
