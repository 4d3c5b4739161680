//! What the gate counts. How figures are shown is the business of whoever holds them.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};

use parkgate_ledger::paths::{OTHER_PATHS, counted_path};
use parkgate_ledger::quarantine::DiskRoom;
use parkgate_store::{Backlog, Subscriber};
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;

/// Labels of what is counted by park.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct ParkLabels {
    park_uuid: String,
}

/// Labels of what is counted by park and advisory.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct AdvisoryLabels {
    park_uuid: String,
    code: &'static str,
}

/// Labels of deliveries.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct DeliveryLabels {
    subscriber: String,
    state: &'static str,
}

/// What is counted of forwarding.
#[derive(Debug, Clone, Default)]
pub struct ForwardFigures {
    /// Attempts, by what came of them.
    pub attempts: Family<DeliveryLabels, Counter>,
    /// Deliveries that are pending, and dead letters.
    pub waiting: Family<DeliveryLabels, Gauge>,
}

impl ForwardFigures {
    /// An attempt: `delivered`, `refused`, `denied`, `failed` or `unready`.
    pub(crate) fn count(&self, subscriber: &str, state: &'static str) {
        self.attempts.get_or_create(&DeliveryLabels { subscriber: subscriber.to_owned(), state }).inc();
    }

    /// Subscribers that are gone are shown no more.
    pub(crate) fn waiting(&self, subscribers: &[Arc<Subscriber>], backlog: &[Backlog]) {
        self.waiting.clear();
        for waits in backlog {
            let Some(subscriber) = subscribers.iter().find(|known| known.id == waits.subscriber) else { continue };
            for (state, count) in [("pending", waits.pending), ("dead", waits.dead)] {
                let labels = DeliveryLabels { subscriber: subscriber.registered.name.clone(), state };
                self.waiting.get_or_create(&labels).set(i64::try_from(count).unwrap_or(i64::MAX));
            }
        }
    }
}

/// All figures of the gate.
#[derive(Debug, Clone, Default)]
pub struct Figures {
    /// Bytes of pictures stored.
    pub image_bytes: Counter,
    /// Refused pushes that were quarantined.
    pub quarantined: Counter,
    /// Refused pushes that found no room in the quarantine.
    pub quarantine_full: Counter,
    /// Bytes in the quarantine, pictures included.
    pub quarantine_bytes: Gauge,
    /// Free bytes of the fullest disk.
    pub disk_free_bytes: Gauge,
    /// Ignored pushes that look like serials used anew, by park.
    pub serials_used_anew: Family<ParkLabels, Gauge>,
    /// Advisories of recorded pushes, by park and code.
    pub advisories: Family<AdvisoryLabels, Counter>,
    /// Deliveries.
    pub forwarding: ForwardFigures,
    /// Calls that nobody answers.
    pub unknown_calls: UnknownCalls,
}

/// Labels of what is counted by path.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct PathLabels {
    path: String,
}

/// Calls that nobody answers, by path: what a car park asks for beyond what is here.
#[derive(Debug, Clone, Default)]
pub struct UnknownCalls {
    /// How many.
    pub calls: Family<PathLabels, Counter>,
    counted: Arc<Mutex<HashSet<String>>>,
}

impl UnknownCalls {
    /// One more, under the path as it is shown.
    pub fn count(&self, path: &str) {
        let mut counted = self.counted.lock().unwrap_or_else(PoisonError::into_inner);
        let path = counted_path(path, counted.contains(path), counted.len()).to_owned();
        if path != OTHER_PATHS {
            counted.insert(path.clone());
        }
        self.calls.get_or_create(&PathLabels { path }).inc();
    }
}

impl Figures {
    pub(crate) fn disk(&self, room: Option<DiskRoom>, quarantine_bytes: Option<u64>) {
        let gauge = |bytes| i64::try_from(bytes).unwrap_or(i64::MAX);
        if let Some(bytes) = quarantine_bytes {
            self.quarantine_bytes.set(gauge(bytes));
        }
        if let Some(room) = room {
            self.disk_free_bytes.set(gauge(room.free_bytes));
        }
    }

    /// A recorded push looks wrong in this way.
    pub fn advise(&self, park_uuid: &str, code: &'static str) {
        self.advisories.get_or_create(&AdvisoryLabels { park_uuid: park_uuid.to_owned(), code }).inc();
    }

    pub(crate) fn serials_used_anew(&self, park_uuid: &str, conflicts: u64) {
        let labels = ParkLabels { park_uuid: park_uuid.to_owned() };
        self.serials_used_anew.get_or_create(&labels).set(i64::try_from(conflicts).unwrap_or(i64::MAX));
    }
}
