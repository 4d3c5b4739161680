//! Forwarding: each record to each platform that subscribes to it, at least once, an enter before its leave.
//!
//! Deliveries are rows of the store. Every node serves all subscribers and claims what no other node has claimed. Each subscriber
//! has a loop of its own, so that one that hangs or is away costs the others and the recording of pushes nothing.

mod address;
mod circuits;
mod compare;
mod message;
mod pace;
mod passed;
mod plan;
mod question;
mod request;
mod worker;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwap;
use parkgate_client::now;
use parkgate_store::{Alarm, Images, NewSubscriber, Store, StoreError, Subscriber};
use tokio::sync::{Notify, Semaphore, watch};
use tokio::task::{JoinError, JoinHandle};

pub use self::address::{Reach, reach};
use self::circuits::Circuits;
pub use self::compare::{Compared, Upstream, summary};
use self::pace::Pace;
pub use self::passed::{CutOff, NotPassed, PassedAnswer, PassedCall, Passing};
pub use self::plan::Schedule;
pub use self::question::PassedQuestion;
use self::request::Sender;
use self::worker::deliver;
use crate::clock::Clock;
use crate::figures::ForwardFigures;
use crate::registry::Registry;
use crate::supervised::Supervised;

/// How often new, changed and removed subscribers are looked for.
const LOOK_EVERY: Duration = Duration::from_millis(300);
/// A subscriber's loop that failed is started again after this long, since the cause may still be there.
const REST: Duration = Duration::from_secs(10);
const COUNT_EVERY: Duration = Duration::from_secs(10);
/// How long a claim lasts beyond the time for an answer.
const SEND_GRACE: Duration = Duration::from_secs(10);
/// Waiting deliveries are counted up to this: the count shows whether a person should look, not how long it will take.
const COUNTED_MAX: u64 = 50_000;
/// Calls to the store at the same time, of all subscribers together: a hundred subscribers need no hundred connections.
const STORE_CALLS_MAX: usize = 4;

/// How deliveries are made.
#[derive(Debug, Clone, Copy)]
pub struct Forward {
    /// Whether a subscriber may have an address that is not public.
    pub allow_private: bool,
    /// When failed deliveries are tried again.
    pub schedule: Schedule,
    /// The time for one request, reply included.
    pub timeout: Duration,
}

impl Forward {
    /// The longest time until any delivery is due. One that is due later was scheduled by a clock that was set back since.
    pub(crate) fn longest_wait(&self) -> Duration {
        self.schedule.backoff().longest().max(self.timeout + SEND_GRACE)
    }
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
pub struct Forwarder {
    recorded: Arc<Notify>,
    parts: Parts,
    stop: watch::Sender<bool>,
    supervisor: Mutex<Option<Supervised>>,
    counter: Supervised,
}

/// What the loops share.
#[derive(Clone)]
struct Parts {
    store: Arc<Store>,
    sender: Arc<Sender>,
    settings: Forward,
    figures: ForwardFigures,
    recorded: Arc<Notify>,
    pace: Arc<Pace>,
    circuits: Arc<Circuits>,
    clock: Arc<Clock>,
    store_calls: Arc<Semaphore>,
    stop: watch::Receiver<bool>,
}

impl Parts {
    /// Calls the store on a blocking thread, when it is this call's turn.
    fn in_store<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Store) -> Result<T, StoreError> + Send + 'static,
    ) -> JoinHandle<Result<T, StoreError>> {
        let (store, calls) = (Arc::clone(&self.store), Arc::clone(&self.store_calls));
        tokio::spawn(async move {
            let _turn = calls.acquire_owned().await.map_err(|error| StoreError::Away(error.to_string()))?;
            let done = tokio::task::spawn_blocking(move || work(store.as_ref())).await;
            done.unwrap_or_else(|error| Err(StoreError::Broken(error.to_string())))
        })
    }
}

impl Forwarder {
    pub(crate) fn start(
        alarm: &Alarm,
        settings: Forward,
        registry: Arc<ArcSwap<Registry>>,
        store: Arc<Store>,
        images: Images,
        figures: ForwardFigures,
        clock: Arc<Clock>,
    ) -> Result<Forwarder, StoreError> {
        let sender =
            Sender::new(&settings, images).map_err(|error| StoreError::Broken(format!("no HTTP client: {error}")))?;
        let recorded = Arc::new(Notify::new());
        let (stop, stopped) = watch::channel(false);
        let parts = Parts {
            store,
            sender: Arc::new(sender),
            settings,
            figures,
            recorded: Arc::clone(&recorded),
            pace: Arc::new(Pace::new()),
            circuits: Arc::default(),
            clock,
            store_calls: Arc::new(Semaphore::new(STORE_CALLS_MAX)),
            stop: stopped,
        };
        let is_stopping = || {
            let stop = parts.stop.clone();
            move || *stop.borrow()
        };
        let counting = count(parts.clone(), Arc::clone(&registry));
        let counter = Supervised::spawn(alarm, "count of deliveries", is_stopping(), counting);
        let supervising = supervise(parts.clone(), registry);
        let supervisor = Mutex::new(Some(Supervised::spawn(alarm, "forwarding", is_stopping(), supervising)));
        Ok(Forwarder { recorded, parts, stop, supervisor, counter })
    }

    /// A push was recorded: subscribers may be waiting for it.
    pub fn wake(&self) {
        self.parts.pace.recorded();
        self.recorded.notify_waiters();
    }

    /// Claims nothing more, and settles what is under way.
    pub async fn stop(&self) {
        let _ = self.stop.send(true);
        let supervisor = self.supervisor.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(supervisor) = supervisor {
            supervisor.join().await;
        }
    }

    /// Which of the loops has ended although nobody stopped it.
    pub fn ended(&self) -> Option<&'static str> {
        let supervisor = self.supervisor.lock().unwrap_or_else(PoisonError::into_inner);
        self.counter.ended().or_else(|| supervisor.as_ref()?.ended()).filter(|_| !*self.parts.stop.borrow())
    }
}

/// What came of a call to the store.
fn joined<T>(done: Result<Result<T, StoreError>, JoinError>) -> Result<T, StoreError> {
    done.unwrap_or_else(|error| Err(StoreError::Broken(error.to_string())))
}

/// The loop of one subscriber.
struct SubscriberLoop {
    subscriber: NewSubscriber,
    end: watch::Sender<bool>,
    task: JoinHandle<()>,
}

impl SubscriberLoop {
    fn begin(parts: &Parts, subscriber: Arc<Subscriber>) -> SubscriberLoop {
        let (end, ended) = watch::channel(false);
        let begun_for = subscriber.registered.clone();
        let task = tokio::spawn(deliver(parts.clone(), subscriber).run(ended));
        SubscriberLoop { subscriber: begun_for, end, task }
    }

    fn is_for(&self, known: &Subscriber) -> bool {
        !known.paused
            && self.subscriber.settings == known.registered.settings
            && self.subscriber.secret.expose() == known.registered.secret.expose()
    }
}

/// Runs a loop for each subscriber that is not paused, and a new one when its settings change.
async fn supervise(parts: Parts, registry: Arc<ArcSwap<Registry>>) {
    let mut running: HashMap<i64, SubscriberLoop> = HashMap::new();
    let mut resting = HashMap::new();
    let mut stop = parts.stop.clone();
    let mut looked = tokio::time::Instant::now();
    while !*stop.borrow_and_update() {
        parts.pace.look(looked.elapsed());
        looked = tokio::time::Instant::now();
        let subscribers: Vec<Arc<Subscriber>> = registry.load().subscribers().to_vec();
        for (id, one) in &running {
            if !subscribers.iter().any(|known| known.id == *id && one.is_for(known)) {
                let _ = one.end.send(true);
            }
        }
        for (id, ended) in running.extract_if(|_, one| one.task.is_finished()) {
            // One that failed is started again after a while. That is safe: its claims end by themselves, at worst a delivery
            // arrives twice, as it may, and its circuit is kept outside.
            if let Err(error) = ended.task.await {
                tracing::error!(%error, subscriber = ended.subscriber.name, "a subscriber's loop failed and is started again");
                resting.insert(id, tokio::time::Instant::now() + REST);
            }
        }
        resting.retain(|_, until| *until > tokio::time::Instant::now());
        parts.circuits.keep(|id| subscribers.iter().any(|known| known.id == id));
        for subscriber in subscribers {
            if !subscriber.paused && !resting.contains_key(&subscriber.id) && !running.contains_key(&subscriber.id) {
                running.insert(subscriber.id, SubscriberLoop::begin(&parts, subscriber));
            }
        }
        tokio::select! {
            _ = stop.changed() => {}
            () = tokio::time::sleep(LOOK_EVERY) => {}
        }
    }
    for (_, one) in running {
        let _ = one.end.send(true);
        if let Err(error) = one.task.await {
            tracing::error!(%error, "a subscriber's loop did not end well");
        }
    }
}

/// Counts what waits, for the metrics.
async fn count(parts: Parts, registry: Arc<ArcSwap<Registry>>) {
    let mut stop = parts.stop.clone();
    while !*stop.borrow_and_update() {
        let subscribers = registry.load().subscribers().to_vec();
        if subscribers.is_empty() {
            parts.figures.waits(&[], &[], now().0);
        } else {
            match parts.in_store(|store| store.backlog(COUNTED_MAX)).await {
                Ok(Ok(backlog)) => parts.figures.waits(&subscribers, &backlog, now().0),
                Ok(Err(error)) => tracing::warn!(%error, "deliveries could not be counted"),
                Err(error) => tracing::error!(%error, "counting deliveries failed"),
            }
        }
        let wait = if subscribers.is_empty() { LOOK_EVERY } else { COUNT_EVERY };
        tokio::select! {
            _ = stop.changed() => {}
            () = tokio::time::sleep(wait) => {}
        }
    }
}
