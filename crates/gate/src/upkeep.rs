//! Every loop in the background of a gate, supervised, until it is aborted.
//!
//! A turn that panics ends nothing: each begins from what the store says and keeps nothing in memory for the next, so the
//! next one is as good as the first.

use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use arc_swap::ArcSwap;
use parkgate_client::now;
use parkgate_ledger::quarantine::QuarantineBounds;
use parkgate_ledger::retention::RetentionDefaults;
use parkgate_store::{Alarm, Images, Store, StoreError};

use crate::clock::Clock;
use crate::disk::Disk;
use crate::figures::Figures;
use crate::free_spaces::FreeSpaces;
use crate::hourly::Hourly;
use crate::keys::follow_keys;
use crate::notes::Notes;
use crate::registry::Registry;
use crate::retention::Retention;
use crate::supervised::Supervised;

/// How often the store is asked whether parks, apps or subscribers changed.
const REGISTRY_EVERY: Duration = Duration::from_millis(300);
/// Between two looks at what time the store confirms.
const CLOCK_EVERY: Duration = Duration::from_secs(60);
const NOTES_EVERY: Duration = Duration::from_secs(2);
/// As often as figures are usually asked for.
const SILENCE_EVERY: Duration = Duration::from_secs(15);
const BACKUPS_EVERY: Duration = Duration::from_secs(60);
const DISK_EVERY: Duration = Duration::from_secs(5);
const SWEEP_EVERY: Duration = Duration::from_secs(60 * 60);
/// Between two looks whether a month is over.
const MONTH_EVERY: Duration = Duration::from_secs(60 * 60);
/// Pictures that no record names go after this long: the push they came with was never recorded.
const STRAY_AFTER: Duration = Duration::from_secs(24 * 60 * 60);
/// The same while the disk is low: no push takes so long from its first picture to its record.
const STRAY_AFTER_ON_LOW_DISK: Duration = Duration::from_secs(10 * 60);

/// What the loops look after.
#[derive(Clone)]
pub(crate) struct Upkeep {
    pub(crate) store: Arc<Store>,
    pub(crate) images: Images,
    pub(crate) registry: Arc<ArcSwap<Registry>>,
    /// The version that `registry` was loaded at.
    pub(crate) registry_version: i64,
    pub(crate) clock: Arc<Clock>,
    pub(crate) disk: Arc<Disk>,
    pub(crate) notes: Arc<Notes>,
    pub(crate) free_spaces: Arc<FreeSpaces>,
    pub(crate) figures: Figures,
    /// How many refused pushes are kept.
    pub(crate) quarantine: QuarantineBounds,
    /// How long what is kept.
    pub(crate) retention: RetentionDefaults,
    /// No delivery waits longer for its next attempt.
    pub(crate) longest_wait: Duration,
}

impl Upkeep {
    pub(crate) fn start(self, alarm: &Alarm) -> Vec<Supervised> {
        let retention = Retention {
            store: Arc::clone(&self.store),
            clock: Arc::clone(&self.clock),
            defaults: self.retention,
            figures: self.figures.retention.clone(),
        };
        let mut loops = vec![
            Supervised::endless(alarm, "registry", follow_registry(self.clone())),
            Supervised::endless(alarm, "clock", confirm_clock(self.clone())),
            Supervised::endless(alarm, "sweep of pictures", sweep_pictures(self.clone())),
            Supervised::endless(alarm, "retention", retention.keep()),
            Supervised::endless(alarm, "notes", write_notes(self.clone())),
            Supervised::endless(alarm, "disk", watch_disk(self.clone())),
            Supervised::endless(alarm, "silence of parks", watch_silence(self.clone())),
            Supervised::endless(alarm, "age of the backup", watch_backups(self.clone())),
            Supervised::endless(alarm, "master key", follow_keys(Arc::clone(&self.store))),
            Supervised::endless(alarm, "free spaces", Arc::clone(&self.free_spaces).follow(Arc::clone(&self.store))),
        ];
        if self.store.months().is_some() {
            loops.push(Supervised::endless(alarm, "months", begin_months(self.store)));
        }
        loops
    }
}

/// Loads parks, apps and subscribers anew when they changed. A store that cannot be read leaves what is known.
async fn follow_registry(upkeep: Upkeep) {
    let mut seen = upkeep.registry_version;
    loop {
        tokio::time::sleep(REGISTRY_EVERY).await;
        let (store, registry) = (Arc::clone(&upkeep.store), Arc::clone(&upkeep.registry));
        let looked = tokio::task::spawn_blocking(move || {
            let version = store.registry_version()?;
            if version == seen {
                return Ok::<_, StoreError>(None);
            }
            let new = registry.load().reload(store.as_ref())?;
            // On this thread: long lists that nobody needs any more take a while to free.
            registry.store(Arc::new(new));
            Ok(Some(version))
        });
        match looked.await {
            Ok(Ok(None)) => {}
            Ok(Ok(Some(version))) => {
                seen = version;
                tracing::info!(registry_version = version, "parks and apps changed");
            }
            Ok(Err(error)) => tracing::warn!(%error, "parks and apps could not be read again"),
            Err(error) => tracing::error!(%error, "reading parks and apps failed"),
        }
    }
}

/// Follows the time that the store confirms.
async fn confirm_clock(upkeep: Upkeep) {
    let mut last_logged = Hourly::default();
    loop {
        let Upkeep { clock, store, longest_wait, figures, .. } = upkeep.clone();
        let looking = tokio::task::spawn_blocking(move || {
            let done = clock.look(store.as_ref(), longest_wait, &mut last_logged);
            figures.clock_ahead_seconds.set(clock.ahead().as_secs_f64());
            (done, last_logged)
        });
        match looking.await {
            Ok((done, back)) => {
                last_logged = back;
                if let Err(error) = done {
                    tracing::warn!(%error, "the time could not be confirmed");
                }
            }
            Err(error) => {
                tracing::error!(%error, "confirming the time failed");
                last_logged = Hourly::default();
            }
        }
        tokio::time::sleep(CLOCK_EVERY).await;
    }
}

/// Removes pictures that no record names; at once when a full disk is being cleaned.
async fn sweep_pictures(upkeep: Upkeep) {
    let Upkeep { images, store, clock, disk, .. } = upkeep;
    loop {
        let stray_after = if disk.problem().is_some() { STRAY_AFTER_ON_LOW_DISK } else { STRAY_AFTER };
        let before = clock.system_now().checked_sub(stray_after).unwrap_or(UNIX_EPOCH);
        let (asked, store) = (Arc::clone(&store), Arc::clone(&store));
        let keeps = move |keys: &[parkgate_store::ImageKey]| store.keeps_images(keys);
        match tokio::task::spawn_blocking(move || asked.id()).await {
            Ok(Ok(store)) => match images.sweep_in_turn(&store, before, keeps).await {
                Ok(None | Some(0)) => {}
                Ok(Some(swept)) => tracing::info!(swept, "stray pictures removed"),
                Err(error) => tracing::warn!(%error, "stray pictures could not be removed"),
            },
            Ok(Err(error)) => tracing::warn!(%error, "stray pictures could not be removed"),
            Err(error) => tracing::error!(%error, "asking the store for its number failed"),
        }
        // Whether or not it was cleaned, the next turn comes.
        let _ = tokio::time::timeout(SWEEP_EVERY, disk.cleaned()).await;
    }
}

/// Writes down what is only noted in memory.
async fn write_notes(upkeep: Upkeep) {
    let Upkeep { store, notes, figures, .. } = upkeep;
    loop {
        tokio::time::sleep(NOTES_EVERY).await;
        let (store, notes, figures) = (Arc::clone(&store), Arc::clone(&notes), figures.clone());
        let writing = tokio::task::spawn_blocking(move || {
            notes.write_old_secrets(store.as_ref());
            notes.write_passed(store.as_ref());
            notes.look_at_conflicts(store.as_ref(), &figures);
        });
        if let Err(error) = writing.await {
            tracing::error!(%error, "writing notes failed");
        }
    }
}

/// Looks after the disk and measures the quarantine.
async fn watch_disk(upkeep: Upkeep) {
    loop {
        tokio::time::sleep(DISK_EVERY).await;
        let Upkeep { store, disk, figures, quarantine, .. } = upkeep.clone();
        let looking = tokio::task::spawn_blocking(move || {
            let used = store.quarantine_used();
            let used = used.inspect_err(|error| tracing::debug!(%error, "the quarantine could not be looked at")).ok();
            disk.look_after(store.as_ref(), used.as_ref().map(|used| used.iter().map(|(.., bytes)| bytes).sum()));
            figures.disk(disk.room(), quarantine.disk_free_min);
            if let Some(used) = used {
                figures.quarantine.holds(&used, &quarantine);
            }
        });
        if let Err(error) = looking.await {
            tracing::error!(%error, "looking after the disk failed");
        }
    }
}

/// Looks which parks push nothing.
async fn watch_silence(upkeep: Upkeep) {
    loop {
        let (store, registry, figures) =
            (Arc::clone(&upkeep.store), upkeep.registry.load_full(), upkeep.figures.clone());
        let looking = tokio::task::spawn_blocking(move || {
            let last_pushes = store.last_pushes()?;
            figures.parks.look(&registry, &last_pushes, now());
            Ok::<_, StoreError>(())
        });
        match looking.await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::debug!(%error, "when parks last pushed could not be read"),
            Err(error) => tracing::error!(%error, "looking which parks are silent failed"),
        }
        tokio::time::sleep(SILENCE_EVERY).await;
    }
}

/// Looks when the store was last backed up, which another process does.
async fn watch_backups(upkeep: Upkeep) {
    loop {
        let (store, figures) = (Arc::clone(&upkeep.store), upkeep.figures.clone());
        match tokio::task::spawn_blocking(move || store.last_backup()).await {
            Ok(Ok(at)) => figures.last_backup.set(at.unwrap_or_default()),
            Ok(Err(error)) => tracing::debug!(%error, "when the last backup was made could not be read"),
            Err(error) => tracing::error!(%error, "looking after backups failed"),
        }
        tokio::time::sleep(BACKUPS_EVERY).await;
    }
}

/// Begins a month when the one before is over, in a store with monthly partitions.
async fn begin_months(store: Arc<Store>) {
    loop {
        let store = Arc::clone(&store);
        match tokio::task::spawn_blocking(move || store.months().map_or(Ok(None), |months| months.turn())).await {
            Ok(Ok(None)) => {}
            Ok(Ok(Some(number))) => tracing::info!(number, "another month begun"),
            Ok(Err(error)) => tracing::warn!(%error, "the next month could not be begun; tried again later"),
            Err(error) => tracing::error!(%error, "beginning a month failed"),
        }
        tokio::time::sleep(MONTH_EVERY).await;
    }
}
