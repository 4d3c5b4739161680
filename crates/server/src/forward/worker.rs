//! The loop of one subscriber: take what is due, send many at once, settle in batches. Nothing waits for the slowest.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use parkgate_client::{Backoff, Circuit};
use parkgate_store::{Claimed, Due, Outgoing, Settled, StoreError, Subscriber};
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::Instant;

use super::Parts;
use super::plan::{Answer, Rate, is_over, settle};
use crate::gate::now_ms;

/// Requests on their way to one subscriber.
const CONCURRENCY: usize = 32;
/// Taken at once.
const CLAIM_MAX: usize = 256;
/// Settled at once, or after this long.
const SETTLE_MAX: usize = 128;
const SETTLE_AFTER: Duration = Duration::from_millis(50);
/// A little later than the record itself, so that what comes together is taken together.
const GATHER: Duration = Duration::from_millis(20);
/// Looked at without being woken: other nodes record, too, and what failed becomes due again.
const IDLE: Duration = Duration::from_millis(500);

pub(super) struct Worker {
    parts: Parts,
    subscriber: Arc<Subscriber>,
    end: watch::Receiver<bool>,
    circuit: Circuit,
    rate: Rate,
    queue: VecDeque<Outgoing>,
    /// Until when this node has the queue to itself, ms since 1970.
    queue_until: i64,
    settled: Vec<Settled>,
    settle_at: Instant,
    claim_at: Instant,
}

impl Worker {
    pub(super) fn new(parts: Parts, subscriber: Arc<Subscriber>, end: watch::Receiver<bool>) -> Worker {
        Worker {
            parts,
            subscriber,
            end,
            circuit: Circuit::default(),
            rate: Rate::default(),
            queue: VecDeque::new(),
            queue_until: 0,
            settled: Vec::new(),
            settle_at: Instant::now(),
            claim_at: Instant::now(),
        }
    }

    pub(super) async fn run(mut self) {
        let recorded = Arc::clone(&self.parts.recorded);
        let mut end = self.end.clone();
        let mut sending: JoinSet<(Due, Answer)> = JoinSet::new();
        let mut claiming: Option<JoinHandle<Result<Claimed, StoreError>>> = None;
        let mut settling: Option<JoinHandle<Result<(), StoreError>>> = None;
        loop {
            let ending = *end.borrow_and_update();
            if ending {
                self.release(now_ms());
                if sending.is_empty() && claiming.is_none() && settling.is_none() && self.settled.is_empty() {
                    return;
                }
            }
            self.send(&mut sending);
            let may_claim = claiming.is_none() && settling.is_none() && self.queue.is_empty();
            if may_claim && !ending && Instant::now() >= self.claim_at && self.room(sending.len()) > 0 {
                claiming = Some(self.claim());
            }
            let is_full = self.settled.len() >= SETTLE_MAX || sending.is_empty();
            if settling.is_none() && !self.settled.is_empty() && (is_full || Instant::now() >= self.settle_at) {
                settling = Some(self.settle());
            }
            let wait = self.wait(sending.len());
            // Not while there is enough to do: each push recorded would wake it.
            let is_idle = !ending && self.queue.is_empty() && self.claim_at > Instant::now() + GATHER;
            tokio::select! {
                Some(sent) = sending.join_next() => match sent {
                    Ok((due, answer)) => self.answered(due, answer),
                    // What it was about comes back by itself.
                    Err(error) => tracing::error!(%error, "sending failed"),
                },
                claimed = joined(&mut claiming) => self.claimed(claimed),
                done = joined(&mut settling) => self.was_settled(done),
                () = recorded.notified(), if is_idle => {
                    self.claim_at = self.claim_at.min(Instant::now() + GATHER);
                }
                _ = end.changed(), if !ending => {}
                () = tokio::time::sleep(wait) => {}
            }
        }
    }

    /// How many more may be on their way.
    fn room(&self, sending: usize) -> usize {
        self.circuit.allows(CONCURRENCY, now_ms()).saturating_sub(sending)
    }

    /// Until something is due that nobody tells of.
    fn wait(&self, sending: usize) -> Duration {
        let now = Instant::now();
        let settle = if self.settled.is_empty() { IDLE } else { self.settle_at.saturating_duration_since(now) };
        let claim = if self.queue.is_empty() && self.room(sending) > 0 {
            self.claim_at.saturating_duration_since(now)
        } else {
            SETTLE_AFTER
        };
        settle.min(claim).max(Duration::from_millis(1))
    }

    fn send(&mut self, sending: &mut JoinSet<(Due, Answer)>) {
        let timeout = self.parts.settings.timeout;
        while self.room(sending.len()) > 0 {
            let now = now_ms();
            if self.queue.is_empty() {
                return;
            }
            if parkgate_client::after(now, timeout) > self.queue_until {
                // Another node may take these now: none is sent twice without need.
                self.queue.clear();
                return;
            }
            if !self.parts.pace.allows(now.saturating_mul(1000)) {
                return;
            }
            let per_second = self.subscriber.told.settings.per_second;
            if self.rate.take(per_second, now.saturating_mul(1000)).is_err() {
                return;
            }
            let Some(outgoing) = self.queue.pop_front() else { return };
            let (sender, subscriber) = (Arc::clone(&self.parts.sender), Arc::clone(&self.subscriber));
            sending.spawn(async move {
                let answer = sender.send(&subscriber, &outgoing, now).await;
                (outgoing.due, answer)
            });
        }
    }

    fn claim(&mut self) -> JoinHandle<Result<Claimed, StoreError>> {
        let (store, id) = (Arc::clone(&self.parts.store), self.subscriber.id);
        let now = now_ms();
        // Time for all of them at the rate that is kept to, and for the last one to be answered.
        let per_second = self.subscriber.told.settings.per_second.map_or(CLAIM_MAX, |rate| rate.max(1) as usize);
        self.queue_until = parkgate_client::after(now, self.parts.settings.timeout * 3);
        let until = self.queue_until;
        tokio::task::spawn_blocking(move || store.claim(id, now, until, per_second.min(CLAIM_MAX)))
    }

    fn claimed(&mut self, claimed: Result<Claimed, StoreError>) {
        let claimed = match claimed {
            Ok(claimed) => claimed,
            Err(error) => {
                tracing::warn!(subscriber = self.subscriber.told.name, %error, "deliveries could not be taken");
                Claimed::default()
            }
        };
        // Some may be due that were not looked at.
        let is_more = claimed.looked_at > 0;
        self.claim_at = Instant::now() + if is_more { GATHER / 10 } else { IDLE };
        self.queue.extend(claimed.outgoing);
        if self.circuit.is_open() {
            self.keep_one(now_ms());
        }
    }

    /// While it is away one delivery asks whether it is back. Of the others those that had all their time end.
    fn keep_one(&mut self, now: i64) {
        let asking = self.queue.pop_front();
        for outgoing in self.queue.drain(..) {
            let due = outgoing.due;
            self.settled.push(if is_over(&due, &self.parts.settings.schedule, now) {
                Settled::Dead { due, told: AWAY.into() }
            } else {
                let next_at = self.circuit.open_until().max(now) + 1;
                Settled::Later { due, next_at, told: AWAY.into() }
            });
        }
        self.queue.extend(asking);
    }

    /// What was taken and not sent is anybody's again.
    fn release(&mut self, now: i64) {
        for outgoing in self.queue.drain(..) {
            self.settled.push(Settled::Later { due: outgoing.due, next_at: now, told: String::new() });
        }
    }

    fn answered(&mut self, due: Due, answer: Answer) {
        let now = now_ms();
        let schedule = self.parts.settings.schedule;
        let subscriber = Arc::clone(&self.subscriber);
        let name = &subscriber.told.name;
        if answer.is_answered() {
            if self.circuit.answered() {
                tracing::info!(subscriber = name, "the subscriber is back");
                self.claim_at = Instant::now();
            }
        } else {
            let was_open = self.circuit.is_open();
            let backoff = Backoff { first: schedule.retry_first, max: schedule.retry_max };
            let asked = match &answer {
                Answer::Failed { retry_after, .. } => *retry_after,
                Answer::Taken | Answer::Refused(_) => None,
            };
            self.circuit.failed(&backoff, asked, chance(), now);
            if !was_open && self.circuit.is_open() {
                tracing::warn!(subscriber = name, ?answer, "the subscriber is away: it is asked now and then");
                self.keep_none(now);
            }
        }
        self.parts.figures.count(name, answer.name());
        if let Answer::Refused(told) = &answer {
            tracing::warn!(subscriber = name, delivery = %due.id, told, "refused: see `parkgate delivery list --state dead`");
        }
        if self.settled.is_empty() {
            self.settle_at = Instant::now() + SETTLE_AFTER;
        }
        self.settled.push(settle(due, answer, &schedule, chance(), now));
    }

    /// The circuit opened.
    fn keep_none(&mut self, now: i64) {
        let next_at = self.circuit.open_until().max(now) + 1;
        for outgoing in self.queue.drain(..) {
            self.settled.push(Settled::Later { due: outgoing.due, next_at, told: AWAY.into() });
        }
    }

    fn settle(&mut self) -> JoinHandle<Result<(), StoreError>> {
        let (store, id) = (Arc::clone(&self.parts.store), self.subscriber.id);
        let settled = std::mem::take(&mut self.settled);
        tokio::task::spawn_blocking(move || store.settle(id, &settled, now_ms()))
    }

    fn was_settled(&mut self, done: Result<(), StoreError>) {
        if let Err(error) = done {
            tracing::warn!(subscriber = self.subscriber.told.name, %error, "not settled: what arrived is sent again");
        }
        self.claim_at = self.claim_at.min(Instant::now());
    }
}

const AWAY: &str = "平台不可达, 稍后再试 (away: tried again later)";

/// Waits for what is running, if anything is.
async fn joined<T>(running: &mut Option<JoinHandle<Result<T, StoreError>>>) -> Result<T, StoreError> {
    let Some(task) = running else { return std::future::pending().await };
    let done = task.await;
    *running = None;
    done.unwrap_or_else(|error| Err(StoreError::Broken(error.to_string())))
}

/// From 0 to 1.
fn chance() -> f64 {
    let mut bytes = [0; 2];
    match getrandom::fill(&mut bytes) {
        Ok(()) => f64::from(u16::from_le_bytes(bytes)) / f64::from(u16::MAX),
        Err(_) => 0.5,
    }
}
