//! What is counted. Handles are held, not looked up: a push costs two atomic additions.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use parkgate_ledger::quarantine::DiskRoom;
use parkgate_store::{Backlog, Recorder, Subscriber};
use parkgate_wire::PushKind;
use prometheus_client::encoding::text::encode;
use prometheus_client::encoding::{EncodeLabelSet, EncodeLabelValue};
use prometheus_client::metrics::counter::{ConstCounter, Counter};
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::{ConstGauge, Gauge};
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

/// What became of a push, as a label.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, EncodeLabelValue)]
pub(crate) enum Result {
    Recorded,
    Repeated,
    Conflict,
    BadSignature,
    BadRequest,
    Forbidden,
    Unavailable,
    Internal,
    QuarantineFull,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct PushLabels {
    kind: &'static str,
    result: Result,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ParkLabels {
    park_uuid: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct AdvisoryLabels {
    park_uuid: String,
    code: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct DeliveryLabels {
    subscriber: String,
    state: &'static str,
}

/// What is counted of forwarding.
#[derive(Debug, Clone, Default)]
pub(crate) struct Forwarded {
    attempts: Family<DeliveryLabels, Counter>,
    waiting: Family<DeliveryLabels, Gauge>,
}

impl Forwarded {
    /// An attempt: `delivered`, `refused`, `denied`, `failed` or `unready`.
    pub(crate) fn count(&self, subscriber: &str, state: &'static str) {
        self.attempts.get_or_create(&DeliveryLabels { subscriber: subscriber.to_owned(), state }).inc();
    }

    /// Those that are gone are told of no more.
    pub(crate) fn waiting(&self, subscribers: &[Arc<Subscriber>], backlog: &[Backlog]) {
        self.waiting.clear();
        for waits in backlog {
            let Some(subscriber) = subscribers.iter().find(|known| known.id == waits.subscriber) else { continue };
            for (state, count) in [("pending", waits.pending), ("dead", waits.dead)] {
                let labels = DeliveryLabels { subscriber: subscriber.told.name.clone(), state };
                self.waiting.get_or_create(&labels).set(i64::try_from(count).unwrap_or(i64::MAX));
            }
        }
    }
}

const RESULTS: [Result; 9] = [
    Result::Recorded,
    Result::Repeated,
    Result::Conflict,
    Result::BadSignature,
    Result::BadRequest,
    Result::Forbidden,
    Result::Unavailable,
    Result::Internal,
    Result::QuarantineFull,
];

/// All figures of the gate.
pub(crate) struct Metrics {
    registry: Registry,
    enters: Vec<Counter>,
    leaves: Vec<Counter>,
    seconds: Histogram,
    pub(crate) image_bytes: Counter,
    pub(crate) set_aside: Counter,
    pub(crate) quarantine_full: Counter,
    quarantine_bytes: Gauge,
    disk_free_bytes: Gauge,
    serials_used_anew: Family<ParkLabels, Gauge>,
    advisories: Family<AdvisoryLabels, Counter>,
    pub(crate) forwarded: Forwarded,
    pub(crate) connections: Gauge,
    pub(crate) turned_away: Counter,
}

impl Default for Metrics {
    fn default() -> Self {
        let mut registry = Registry::with_prefix("parkgate");
        let pushes = Family::<PushLabels, Counter>::default();
        let held = |kind| RESULTS.map(|result| pushes.get_or_create_owned(&PushLabels { kind, result })).to_vec();
        let (enters, leaves) = (held("enter"), held("leave"));
        // From a tenth of a millisecond to half a minute.
        let bounds = [0.0001, 0.0003, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.3, 1.0, 5.0, 30.0];
        let seconds = Histogram::new(bounds);
        let (image_bytes, connections) = (Counter::<u64, AtomicU64>::default(), Gauge::default());
        registry.register("pushes", "Pushes by what became of them", pushes);
        registry.register("push_duration_seconds", "From the header to the reply", seconds.clone());
        registry.register("image_bytes", "Bytes of pictures stored", image_bytes.clone());
        registry.register("connections", "Open connections", connections.clone());
        let turned_away = Counter::default();
        let help = "Connections, and requests through a proxy, beyond what one address may have";
        registry.register("turned_away", help, turned_away.clone());
        let (set_aside, quarantine_full) = (Counter::default(), Counter::default());
        registry.register("quarantine_kept", "Refused pushes set aside", set_aside.clone());
        registry.register("quarantine_full", "Refused pushes that found no room there: 503", quarantine_full.clone());
        let (quarantine_bytes, disk_free_bytes) = (Gauge::default(), Gauge::default());
        let help = "Bytes of all refused pushes in the quarantine, pictures included";
        registry.register("quarantine_bytes", help, quarantine_bytes.clone());
        let help = "Free bytes of the fullest disk of this machine that records or pictures lie on";
        registry.register("disk_free_bytes", help, disk_free_bytes.clone());
        let serials_used_anew = Family::<ParkLabels, Gauge>::default();
        let help = "Ignored pushes that look like serials used anew, by park";
        registry.register("serials_used_anew", help, serials_used_anew.clone());
        let advisories = Family::<AdvisoryLabels, Counter>::default();
        registry.register("advisories", "Recorded pushes that look wrong, by park and code", advisories.clone());
        let forwarded = Forwarded::default();
        let help = "Attempts to tell subscribers, by what came of them";
        registry.register("deliveries", help, forwarded.attempts.clone());
        let help = "What waits for subscribers, and what was given up";
        registry.register("deliveries_waiting", help, forwarded.waiting.clone());
        Metrics {
            forwarded,
            serials_used_anew,
            advisories,
            registry,
            enters,
            leaves,
            seconds,
            image_bytes,
            set_aside,
            quarantine_full,
            quarantine_bytes,
            disk_free_bytes,
            connections,
            turned_away,
        }
    }
}

impl Metrics {
    pub(crate) fn count(&self, kind: PushKind, result: Result, seconds: f64) {
        let held = match kind {
            PushKind::Enter => &self.enters,
            PushKind::Leave => &self.leaves,
        };
        if let Some(counter) = held.get(result as usize) {
            counter.inc();
        }
        self.seconds.observe(seconds);
    }

    pub(crate) fn disk(&self, room: Option<DiskRoom>, quarantine_bytes: Option<u64>) {
        let gauge = |bytes| i64::try_from(bytes).unwrap_or(i64::MAX);
        if let Some(bytes) = quarantine_bytes {
            self.quarantine_bytes.set(gauge(bytes));
        }
        if let Some(room) = room {
            self.disk_free_bytes.set(gauge(room.free_bytes));
        }
    }

    pub(crate) fn advise(&self, park_uuid: &str, code: &'static str) {
        self.advisories.get_or_create(&AdvisoryLabels { park_uuid: park_uuid.to_owned(), code }).inc();
    }

    pub(crate) fn serials_used_anew(&self, park_uuid: &str, conflicts: u64) {
        let labels = ParkLabels { park_uuid: park_uuid.to_owned() };
        self.serials_used_anew.get_or_create(&labels).set(i64::try_from(conflicts).unwrap_or(i64::MAX));
    }

    /// All figures as text, the recorder's among them.
    pub(crate) fn encode(&self, recorder: &Recorder) -> String {
        let stats = recorder.stats();
        let mut now = Registry::with_prefix("parkgate");
        let queue = i64::try_from(recorder.queue_len()).unwrap_or(i64::MAX);
        now.register("recorder_queue", "Pushes waiting for the store", ConstGauge::new(queue));
        now.register("recorder_batches", "Batches committed", ConstCounter::new(stats.batches));
        now.register("recorder_pushes", "Pushes in those batches", ConstCounter::new(stats.records));
        let seconds = std::time::Duration::from_nanos(stats.commit_ns_total).as_secs_f64();
        now.register("recorder_busy_seconds", "Time spent on batches", ConstCounter::new(seconds));
        let log = parkgate_log::lines();
        now.register("log_lines_dropped", "Lines of the log that nobody will read", ConstCounter::new(log.dropped));
        let waiting = i64::try_from(log.waiting).unwrap_or(i64::MAX);
        now.register("log_lines_waiting", "Lines of the log not written yet", ConstGauge::new(waiting));
        let mut text = String::new();
        // Writing into memory cannot fail.
        let _ = encode(&mut text, &self.registry);
        let text_end = text.rfind("# EOF").unwrap_or(text.len());
        text.truncate(text_end);
        let _ = encode(&mut text, &now);
        text
    }
}
