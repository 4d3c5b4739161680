//! One subscriber's deliveries as the loop of [`parkgate_client::Dispatch`] sees them: rows of the store, claimed for a time.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use parkgate_client::{
    Circuit, CircuitChange, ClaimBatch, ClaimWish, Dispatch, DispatchLimits, Queue, ReleaseReason, chance, now,
};
use parkgate_store::{Claim, Claimed, Due, Outgoing, Settled, Subscriber};
use parkgate_text::texts;
use parkgate_wire::{Seqno, UnixMillis};
use tokio::time::Instant;

use super::plan::{DeliveryAnswer, Now, is_over, settle};
use super::{Parts, SEND_GRACE, joined};

/// Requests on their way to one subscriber.
const CONCURRENCY: usize = 32;
/// Claimed at once.
const CLAIM_MAX: usize = 256;
/// Settled at once, or after this long.
const SETTLE_MAX: usize = 128;
const SETTLE_AFTER: Duration = Duration::from_millis(50);
/// A little later than the record itself, so that what comes together is claimed together.
const GATHER: Duration = Duration::from_millis(20);

/// The loop of one subscriber.
pub(super) fn deliver(parts: Parts, subscriber: Arc<Subscriber>) -> Dispatch<SubscriberQueue> {
    let limits = DispatchLimits {
        concurrency: CONCURRENCY,
        ahead: 0,
        claim_max: CLAIM_MAX,
        // A delivery begun later could be claimed by another node before it is answered, and arrive twice.
        lease: Some(SEND_GRACE),
        per_second: subscriber.registered.settings.per_second,
        settle_max: SETTLE_MAX,
        settle_after: SETTLE_AFTER,
        gather: GATHER,
        // A push may be sent twice: with its pictures, and once more without them.
        drain: parts.settings.timeout * 2 + SEND_GRACE,
    };
    let circuit = parts.circuits.of(subscriber.id);
    Dispatch::new(SubscriberQueue { parts, subscriber }, circuit, limits)
}

/// A delivery that was sent, and what came back.
pub(super) struct Attempted {
    due: Due,
    /// The name of the push it is about.
    seqno: Seqno,
    answer: DeliveryAnswer,
    took: Duration,
}

/// One line for each attempt, found by the name that the push was answered with.
pub(super) fn log_attempt(subscriber: &Subscriber, seqno: Seqno, answer: &DeliveryAnswer, took: Duration) {
    let (subscriber, result) = (&subscriber.registered.name, answer.name());
    let duration_ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
    tracing::debug!(%seqno, subscriber, result, duration_ms, reason = answer.reason(), "an attempt to deliver");
}

/// What waits for one subscriber.
pub(super) struct SubscriberQueue {
    parts: Parts,
    subscriber: Arc<Subscriber>,
}

impl Queue for SubscriberQueue {
    type Delivery = Outgoing;
    type Attempt = Attempted;
    type Settled = Settled;

    fn claim(&mut self, wish: ClaimWish) -> impl Future<Output = ClaimBatch<Outgoing, Settled>> + Send + 'static {
        let now = now();
        let per_second = self.subscriber.registered.settings.per_second;
        let claim = Claim {
            subscriber: self.subscriber.id,
            now: now.0,
            until: now.after(SEND_GRACE + self.parts.settings.timeout).0,
            // With a rate, no more than is sent in a second.
            max: per_second.map_or(CLAIM_MAX, |rate| rate.max(1) as usize).min(wish.max),
            per_second,
        };
        let claiming = self.parts.in_store(move |store| store.claim(&claim));
        let subscriber = Arc::clone(&self.subscriber);
        async move {
            let name = &subscriber.registered.name;
            match joined(claiming.await) {
                Ok(claimed) => batch(claimed, name),
                Err(error) => {
                    tracing::warn!(subscriber = name, %error, "deliveries could not be claimed");
                    ClaimBatch::default()
                }
            }
        }
    }

    fn send(&mut self, outgoing: Outgoing) -> impl Future<Output = Attempted> + Send + 'static {
        let (sender, subscriber) = (Arc::clone(&self.parts.sender), Arc::clone(&self.subscriber));
        let now = now();
        async move {
            let begun = Instant::now();
            let answer = sender.send(&subscriber, &outgoing, now).await;
            Attempted { due: outgoing.due, seqno: outgoing.record.seqno, answer, took: begun.elapsed() }
        }
    }

    fn classify(&mut self, attempted: Attempted, circuit: &mut Circuit) -> (Settled, Option<CircuitChange>) {
        let Attempted { due, seqno, answer, took } = attempted;
        let schedule = self.parts.settings.schedule;
        let name = &self.subscriber.registered.name;
        let change = circuit.note(answer.contact(), &schedule.asking(), chance(), std::time::Instant::now());
        match change {
            Some(CircuitChange::Closed) => tracing::info!(subscriber = name, "the subscriber is back"),
            Some(CircuitChange::Opened) => {
                tracing::warn!(%seqno, subscriber = name, ?answer, "the subscriber is away: it is asked now and then");
            }
            None => {}
        }
        log_attempt(&self.subscriber, seqno, &answer, took);
        self.parts.figures.count(name, answer.name());
        self.parts.figures.took(answer.name(), took);
        if let DeliveryAnswer::Refused(reason) | DeliveryAnswer::TooLarge(reason) = &answer {
            tracing::warn!(%seqno, subscriber = name, delivery = %due.id, reason, "refused: see `parkgate delivery list --state dead`");
        }
        let now = Now { system: now(), confirmed: self.parts.clock.now() };
        (settle(due, answer, &schedule, chance(), now), change)
    }

    /// What could not be written down is due again when its claim ends: deliveries may arrive twice.
    fn settle(&mut self, settled: Vec<Settled>) -> impl Future<Output = Vec<Settled>> + Send + 'static {
        let subscriber = Arc::clone(&self.subscriber);
        let id = subscriber.id;
        let settling = self.parts.in_store(move |store| store.settle(id, &settled, now().0));
        async move {
            if let Err(error) = joined(settling.await) {
                let name = &subscriber.registered.name;
                tracing::warn!(subscriber = name, %error, "not settled: what arrived is sent again");
            }
            Vec::new()
        }
    }

    /// While a subscriber is away, deliveries that were tried long enough become dead letters.
    fn release(&mut self, deliveries: Vec<Outgoing>, reason: ReleaseReason) -> Vec<Settled> {
        let (now, confirmed, schedule) = (now(), self.parts.clock.now(), self.parts.settings.schedule);
        let released = deliveries.into_iter().map(|outgoing| {
            let due = outgoing.due;
            match reason {
                ReleaseReason::Unsent => Settled::Unsent { due, next_at: now.0, answer: None },
                ReleaseReason::Away(_) if is_over(&due, &schedule, confirmed) => {
                    Settled::Dead { due, answer: texts().answers.away.into() }
                }
                ReleaseReason::Away(rest) => {
                    // Just after the delivery that asks whether the subscriber is back.
                    let next_at = now.after(rest + Duration::from_millis(1)).0;
                    Settled::Unsent { due, next_at, answer: Some(texts().answers.away.into()) }
                }
            }
        });
        released.collect()
    }

    fn added(&self) -> impl Future<Output = ()> + Send {
        self.parts.recorded.notified()
    }

    /// Recording goes first.
    fn may_send(&mut self, now: Instant) -> bool {
        self.parts.pace.allows(now.into_std())
    }
}

fn batch(claimed: Claimed, subscriber: &str) -> ClaimBatch<Outgoing, Settled> {
    let dead = claimed.unreadable.into_iter().map(|(due, reason)| {
        tracing::error!(subscriber, delivery = %due.id, reason, "a record cannot be read");
        Settled::Dead { due, answer: reason }
    });
    ClaimBatch {
        settled: dead.collect(),
        // More may be due than were looked at.
        is_more: claimed.looked_at > 0,
        deliveries: claimed.outgoing,
        next_due: None,
        turn_in: turn_in(UnixMillis(claimed.send_from), now()),
    }
}

/// How long another node's turn lasts. Even if the clock was set meanwhile, it is never longer than the lease.
fn turn_in(send_from: UnixMillis, now: UnixMillis) -> Duration {
    send_from.since(now).min(SEND_GRACE)
}
