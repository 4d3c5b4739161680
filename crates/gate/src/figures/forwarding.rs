//! What is counted of forwarding.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use parkgate_store::{Backlog, Subscriber};
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::{Family, MetricConstructor};
use prometheus_client::metrics::histogram::Histogram;

use super::DURATION_BUCKETS;

/// So many subscribers have figures of their own: a platform has a handful, a city some dozens. The rest is counted
/// together, and of what waits those are shown whose oldest delivery has waited longest.
pub const SUBSCRIBERS_SHOWN_MAX: usize = 200;
/// All others together.
const OTHERS: &str = "…";

/// Labels of attempts to deliver.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct AttemptLabels {
    subscriber: String,
    result: &'static str,
}

/// Labels of how long attempts took.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct AttemptResultLabels {
    result: &'static str,
}

/// What waits for one subscriber.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SubscriberFigures {
    /// Its name.
    pub name: String,
    /// Deliveries that wait or are on their way.
    pub pending: u64,
    /// Dead letters.
    pub dead: u64,
    /// For how long the oldest has been tried; none where none waits.
    pub oldest: Option<Duration>,
}

/// Makes the histograms of attempts.
#[derive(Debug, Clone)]
pub struct Durations;

impl MetricConstructor<Histogram> for Durations {
    fn new_metric(&self) -> Histogram {
        Histogram::new(DURATION_BUCKETS)
    }
}

/// What is counted of forwarding.
#[derive(Debug, Clone)]
pub struct ForwardFigures {
    /// Attempts, by what came of them.
    pub attempts: Family<AttemptLabels, Counter>,
    /// How long they took, in seconds.
    pub seconds: Family<AttemptResultLabels, Histogram, Durations>,
    named: Arc<Mutex<HashSet<String>>>,
    waiting: Arc<Mutex<Vec<SubscriberFigures>>>,
}

impl Default for ForwardFigures {
    fn default() -> Self {
        ForwardFigures {
            attempts: Family::default(),
            seconds: Family::new_with_constructor(Durations),
            named: Arc::default(),
            waiting: Arc::default(),
        }
    }
}

impl ForwardFigures {
    /// An attempt: `delivered`, `refused`, `denied`, `too_large`, `failed` or `unready`.
    pub(crate) fn count(&self, subscriber: &str, result: &'static str) {
        let mut named = lock(&self.named);
        let is_named =
            named.contains(subscriber) || named.len() < SUBSCRIBERS_SHOWN_MAX && named.insert(subscriber.to_owned());
        let subscriber = if is_named { subscriber } else { OTHERS }.to_owned();
        drop(named);
        self.attempts.get_or_create(&AttemptLabels { subscriber, result }).inc();
    }

    /// How long an attempt took.
    pub(crate) fn took(&self, result: &'static str, took: Duration) {
        self.seconds.get_or_create(&AttemptResultLabels { result }).observe(took.as_secs_f64());
    }

    /// What waits for each subscriber now, ms since 1970. Those that are gone are shown no more.
    pub(crate) fn waits(&self, subscribers: &[Arc<Subscriber>], backlog: &[Backlog], now: i64) {
        let figures = subscribers.iter().map(|subscriber| {
            let waits = backlog.iter().find(|waits| waits.subscriber == subscriber.id);
            let age = |since: i64| Duration::from_millis(now.saturating_sub(since).max(0).unsigned_abs());
            SubscriberFigures {
                name: subscriber.registered.name.clone(),
                pending: waits.map_or(0, |waits| waits.pending),
                dead: waits.map_or(0, |waits| waits.dead),
                oldest: waits.and_then(|waits| waits.oldest).map(age),
            }
        });
        let mut figures: Vec<SubscriberFigures> = figures.collect();
        figures.sort_by_key(|one| (std::cmp::Reverse(one.oldest), std::cmp::Reverse(one.dead)));
        figures.truncate(SUBSCRIBERS_SHOWN_MAX);
        *lock(&self.waiting) = figures;
    }

    /// What waits for subscribers, as it was counted last.
    #[must_use]
    pub fn waiting(&self) -> Vec<SubscriberFigures> {
        lock(&self.waiting).clone()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use parkgate_store::{Format, NewSubscriber, SubscriberSettings};
    use parkgate_wire::{KindSet, Secret};

    use super::*;

    fn subscriber(id: i64) -> Arc<Subscriber> {
        let settings = SubscriberSettings {
            url: String::new(),
            format: Format::Webhook,
            app_id: None,
            personal: false,
            mask_plates: false,
            per_second: None,
            compare: false,
        };
        let (name, secret) = (format!("s{id}"), Secret::new(""));
        let registered = NewSubscriber { name, settings, secret, parks: None, kinds: KindSet::of([]) };
        Arc::new(Subscriber { id, registered, paused: false, delivered: 0, delivered_at: None })
    }

    #[test]
    fn however_many_subscribers_there_are_figures_stay_few() {
        let figures = ForwardFigures::default();
        let subscribers: Vec<_> = (0..300).map(subscriber).collect();
        for one in &subscribers {
            figures.count(&one.registered.name, "delivered");
        }
        figures.count("s0", "delivered");
        let counted = |subscriber: &str| {
            let labels = AttemptLabels { subscriber: subscriber.to_owned(), result: "delivered" };
            figures.attempts.get(&labels).map_or(0, |counter| counter.get())
        };
        assert_eq!((counted("s0"), counted("s199"), counted("s200"), counted(OTHERS)), (2, 1, 0, 100));

        // The one whose oldest has waited longest is the last of them.
        let backlog: Vec<Backlog> = (0..300)
            .map(|id| Backlog { subscriber: id, pending: 1, dead: 0, oldest: Some(1_000_000 - id * 1000) })
            .collect();
        figures.waits(&subscribers, &backlog, 1_000_000);
        let shown = figures.waiting();
        assert_eq!((shown.len(), shown[0].name.as_str()), (SUBSCRIBERS_SHOWN_MAX, "s299"));
        assert_eq!(shown[0].oldest, Some(Duration::from_secs(299)));
        figures.waits(&subscribers[..1], &[], 1_000_000);
        assert_eq!(figures.waiting(), [SubscriberFigures { name: "s0".into(), pending: 0, dead: 0, oldest: None }]);
    }
}
