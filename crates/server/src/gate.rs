//! The parts a request needs, put together once.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use arc_swap::ArcSwap;
use parkgate_store::{Images, Recorder, Store, StoreError};
use parkgate_wire::Seqno;

use crate::metrics::Metrics;
use crate::registry::{self, Registry};
use crate::settings::Settings;

/// Pictures that no record keeps go after this long: the push they came with was never recorded.
const STRAY_AFTER: Duration = Duration::from_secs(24 * 60 * 60);
const SWEEP_EVERY: Duration = Duration::from_secs(60 * 60);

/// The running gate, shared by all requests.
pub struct Gate {
    pub(crate) settings: Settings,
    pub(crate) registry: Arc<ArcSwap<Registry>>,
    pub(crate) store: Arc<dyn Store>,
    pub(crate) images: Images,
    pub(crate) recorder: Recorder,
    pub(crate) metrics: Metrics,
    pub(crate) content_key: [u8; 32],
    pub(crate) draining: AtomicBool,
    seqnos: AtomicU64,
    tasks: Vec<tokio::task::JoinHandle<()>>,
}

impl Gate {
    /// Starts the recorder and what runs beside it. Must be called within a tokio runtime.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn open(settings: Settings, store: Arc<dyn Store>, images: Images) -> Result<Arc<Gate>, StoreError> {
        // The version first: a change in between is then seen as new.
        let version = store.registry_version()?;
        let registry = Arc::new(ArcSwap::from_pointee(Registry::load(store.as_ref())?));
        let mut start = [0; 8];
        getrandom::fill(&mut start).map_err(|error| StoreError::Broken(error.to_string()))?;
        let tasks = vec![
            tokio::spawn(registry::follow(Arc::clone(&registry), Arc::clone(&store), version)),
            tokio::spawn(sweep(images.clone(), Arc::clone(&store))),
        ];
        Ok(Arc::new(Gate {
            recorder: Recorder::start(Arc::clone(&store), settings.limits.queue_max, settings.limits.batch_max),
            metrics: Metrics::default(),
            content_key: store.content_key(),
            draining: AtomicBool::new(false),
            seqnos: AtomicU64::new(u64::from_le_bytes(start)),
            settings,
            registry,
            store,
            images,
            tasks,
        }))
    }

    /// Unique within the process by counting, between processes by where the count starts.
    pub(crate) fn next_seqno(&self) -> Seqno {
        Seqno(self.seqnos.fetch_add(1, Ordering::Relaxed))
    }

    /// Finishes what is queued and closes the store. Requests must have ended.
    ///
    /// # Errors
    /// The store could not be closed; nothing is lost, the next start does it.
    pub(crate) fn close(&self) -> Result<(), StoreError> {
        for task in &self.tasks {
            task.abort();
        }
        self.recorder.stop();
        self.store.close()
    }
}

/// Milliseconds since 1970.
pub(crate) fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

async fn sweep(images: Images, store: Arc<dyn Store>) {
    loop {
        let store = Arc::clone(&store);
        let keeps = move |key: &parkgate_store::ImageKey| store.keeps_image(key);
        match images.sweep(STRAY_AFTER, keeps).await {
            Ok(0) => {}
            Ok(swept) => tracing::info!(swept, "stray pictures removed"),
            Err(error) => tracing::warn!(%error, "stray pictures could not be removed"),
        }
        tokio::time::sleep(SWEEP_EVERY).await;
    }
}
