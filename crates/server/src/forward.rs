//! Forwarding: each record to each platform that subscribes to it, at least once, an enter before its leave.
//!
//! Deliveries are rows of the store; every node works on all subscribers and takes from the store what no other node has
//! taken. A subscriber has a loop of its own: one that hangs or is away costs the others and the intake nothing.

mod address;
mod compare;
mod message;
mod pace;
mod plan;
mod request;
mod worker;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwap;
use parkgate_store::{Images, Store, StoreError, Subscriber};
use tokio::sync::{Notify, Semaphore, watch};
use tokio::task::JoinHandle;

pub(crate) use self::compare::{Compared, summary};
use self::pace::Pace;
pub use self::plan::Schedule;
use self::request::Sender;
use self::worker::Worker;
use crate::metrics::Forwarded;
use crate::registry::Registry;

/// How often it is looked whether subscribers came or went, and how much waits for them.
const LOOK_EVERY: Duration = Duration::from_millis(300);
const COUNT_EVERY: Duration = Duration::from_secs(10);
/// Pictures in memory on their way to all subscribers, KiB.
const PICTURES_KIB: usize = 64 * 1024;

/// How deliveries are made.
#[derive(Debug, Clone, Copy)]
pub struct Forward {
    /// May a subscriber have an address that is not public?
    pub allow_private: bool,
    /// When failures are tried again.
    pub schedule: Schedule,
    /// One request, reply included.
    pub timeout: Duration,
}

impl Default for Forward {
    fn default() -> Self {
        Forward {
            allow_private: false,
            schedule: Schedule {
                retry_first: Duration::from_secs(5),
                retry_max: Duration::from_secs(60 * 60),
                give_up_after: Duration::from_secs(3 * 24 * 60 * 60),
            },
            timeout: Duration::from_secs(30),
        }
    }
}

/// The loops of all subscribers.
pub(crate) struct Forwarder {
    recorded: Arc<Notify>,
    parts: Parts,
    stop: watch::Sender<bool>,
    supervisor: Mutex<Option<JoinHandle<()>>>,
}

/// What every loop works with.
#[derive(Clone)]
struct Parts {
    store: Arc<dyn Store>,
    sender: Arc<Sender>,
    settings: Forward,
    figures: Forwarded,
    recorded: Arc<Notify>,
    pace: Arc<Pace>,
    stop: watch::Receiver<bool>,
}

impl Forwarder {
    pub(crate) fn start(
        settings: Forward,
        registry: Arc<ArcSwap<Registry>>,
        store: Arc<dyn Store>,
        images: Images,
        figures: Forwarded,
    ) -> Result<Forwarder, StoreError> {
        let pictures = Arc::new(Semaphore::new(PICTURES_KIB));
        let sender = Sender::new(&settings, images, pictures)
            .map_err(|error| StoreError::Broken(format!("no HTTP client: {error}")))?;
        let recorded = Arc::new(Notify::new());
        let (stop, stopped) = watch::channel(false);
        let parts = Parts {
            store,
            sender: Arc::new(sender),
            settings,
            figures,
            recorded: Arc::clone(&recorded),
            pace: Arc::new(Pace::new()),
            stop: stopped,
        };
        let supervisor = Mutex::new(Some(tokio::spawn(supervise(parts.clone(), registry))));
        Ok(Forwarder { recorded, parts, stop, supervisor })
    }

    /// Something was recorded: perhaps somebody waits for it.
    pub(crate) fn wake(&self) {
        self.parts.pace.recorded();
        self.recorded.notify_waiters();
    }

    /// Takes nothing more, and settles what is on its way.
    pub(crate) async fn stop(&self) {
        let _ = self.stop.send(true);
        let supervisor = self.supervisor.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(supervisor) = supervisor
            && let Err(error) = supervisor.await
        {
            tracing::error!(%error, "forwarding did not end well");
        }
    }
}

/// A loop for each subscriber that is not paused, begun anew when its settings change.
async fn supervise(parts: Parts, registry: Arc<ArcSwap<Registry>>) {
    let mut running: HashMap<i64, (watch::Sender<bool>, JoinHandle<()>, bool)> = HashMap::new();
    let mut stop = parts.stop.clone();
    let mut count_at = tokio::time::Instant::now();
    let mut looked = tokio::time::Instant::now();
    while !*stop.borrow_and_update() {
        parts.pace.look(looked.elapsed());
        looked = tokio::time::Instant::now();
        let subscribers: Vec<Arc<Subscriber>> = registry.load().subscribers().to_vec();
        for (id, (end, _, ended)) in &mut running {
            let is_wanted = subscribers.iter().any(|known| known.id == *id && !known.paused);
            if !is_wanted && !*ended {
                *ended = true;
                let _ = end.send(true);
            }
        }
        running.retain(|_, (_, task, ended)| !(*ended && task.is_finished()));
        for subscriber in subscribers {
            if !subscriber.paused && !running.contains_key(&subscriber.id) {
                let (end, ended) = watch::channel(false);
                let id = subscriber.id;
                let task = tokio::spawn(Worker::new(parts.clone(), subscriber, ended).run());
                running.insert(id, (end, task, false));
            }
        }
        if tokio::time::Instant::now() >= count_at {
            count_at = tokio::time::Instant::now() + COUNT_EVERY;
            count(&parts, &registry).await;
        }
        tokio::select! {
            _ = stop.changed() => {}
            () = tokio::time::sleep(LOOK_EVERY) => {}
        }
    }
    for (_, (end, task, _)) in running {
        let _ = end.send(true);
        if let Err(error) = task.await {
            tracing::error!(%error, "a subscriber's loop did not end well");
        }
    }
}

/// What waits, for the metrics.
async fn count(parts: &Parts, registry: &ArcSwap<Registry>) {
    if registry.load().subscribers().is_empty() {
        return;
    }
    let store = Arc::clone(&parts.store);
    match tokio::task::spawn_blocking(move || store.backlog()).await {
        Ok(Ok(backlog)) => {
            for subscriber in registry.load().subscribers() {
                if let Some(waiting) = backlog.iter().find(|waiting| waiting.subscriber == subscriber.id) {
                    parts.figures.waiting(&subscriber.told.name, waiting.pending, waiting.dead);
                }
            }
        }
        Ok(Err(error)) => tracing::warn!(%error, "deliveries could not be counted"),
        Err(error) => tracing::error!(%error, "counting deliveries failed"),
    }
}
