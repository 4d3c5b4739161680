//! The loop of one subscriber: take what is due, send many at once, settle in batches. Nothing waits for the slowest.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use parkgate_client::{Circuit, CircuitChange, Contact, chance};
use parkgate_store::{Claim, Claimed, Due, Outgoing, Settled, StoreError, Subscriber};
use parkgate_wire::UnixMillis;
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::Instant;

use super::plan::{Answer, Now, Rate, Schedule, is_over, settle};
use super::{Parts, SEND_GRACE};
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
    circuit: Arc<Mutex<Circuit>>,
    rate: Rate,
    queue: VecDeque<Outgoing>,
    /// Until when the queue may be sent.
    send_until: Instant,
    /// How many are taken at once: no more than were sent in time before.
    claim_max: usize,
    sent: usize,
    settled: Vec<Settled>,
    settle_at: Instant,
    claim_at: Instant,
}

impl Worker {
    pub(super) fn new(parts: Parts, subscriber: Arc<Subscriber>, end: watch::Receiver<bool>) -> Worker {
        Worker {
            circuit: parts.circuits.of(subscriber.id),
            parts,
            subscriber,
            end,
            rate: Rate::default(),
            queue: VecDeque::new(),
            send_until: Instant::now(),
            claim_max: CLAIM_MAX,
            sent: 0,
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
                self.give_back(now_ms());
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
        lock(&self.circuit).allows(CONCURRENCY, Instant::now().into_std()).saturating_sub(sending)
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
        while !self.queue.is_empty() {
            let (now, clock) = (now_ms(), Instant::now());
            if clock > self.send_until {
                // Its answer could come when another node has taken it: none is sent twice without need.
                self.claim_max = self.sent.clamp(CONCURRENCY, CLAIM_MAX);
                return self.give_back(now);
            }
            if self.room(sending.len()) == 0 {
                return;
            }
            if !self.parts.pace.allows(clock.into_std()) {
                return;
            }
            let per_second = self.subscriber.told.settings.per_second;
            if self.rate.take(per_second, clock.into_std()).is_err() {
                return;
            }
            let Some(outgoing) = self.queue.pop_front() else { return };
            self.sent += 1;
            let (sender, subscriber) = (Arc::clone(&self.parts.sender), Arc::clone(&self.subscriber));
            sending.spawn(async move {
                let answer = sender.send(&subscriber, &outgoing, now).await;
                (outgoing.due, answer)
            });
        }
    }

    fn claim(&mut self) -> JoinHandle<Result<Claimed, StoreError>> {
        let now = now_ms();
        let per_second = self.subscriber.told.settings.per_second;
        // The last one was sent in time: perhaps more can be.
        self.claim_max =
            if Instant::now() <= self.send_until { (self.claim_max * 2).min(CLAIM_MAX) } else { self.claim_max };
        self.send_until = Instant::now() + SEND_GRACE;
        self.sent = 0;
        let claim = Claim {
            subscriber: self.subscriber.id,
            now,
            until: UnixMillis(now).after(SEND_GRACE + self.parts.settings.timeout).0,
            // At a rate that is kept to, what goes in a second.
            max: per_second.map_or(CLAIM_MAX, |rate| rate.max(1) as usize).min(self.claim_max),
            per_second,
        };
        self.parts.in_store(move |store| store.claim(&claim))
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
        self.rate.from(std::time::Instant::now() + turn_in(claimed.send_from, now_ms()));
        self.queue.extend(claimed.outgoing);
        for (due, told) in claimed.unreadable {
            tracing::error!(subscriber = self.subscriber.told.name, delivery = %due.id, told, "a record cannot be read");
            self.settled.push(Settled::Dead { due, told });
        }
        if lock(&self.circuit).is_open() {
            self.keep_one(now_ms());
        }
    }

    /// While it is away one delivery asks whether it is back. Of the others those that had all their time end.
    fn keep_one(&mut self, now: i64) {
        let asking = self.queue.pop_front();
        let (next_at, confirmed) = (self.asked_next(now), self.parts.clock.now());
        for outgoing in self.queue.drain(..) {
            let due = outgoing.due;
            self.settled.push(if is_over(&due, &self.parts.settings.schedule, confirmed) {
                Settled::Dead { due, told: AWAY.into() }
            } else {
                Settled::Unsent { due, next_at, told: Some(AWAY.into()) }
            });
        }
        self.queue.extend(asking);
    }

    /// After the next one that asks whether it is back.
    fn asked_next(&self, now: i64) -> i64 {
        UnixMillis(now).after(lock(&self.circuit).rest(Instant::now().into_std())).0.saturating_add(1)
    }

    /// What was taken and not sent is anybody's again.
    fn give_back(&mut self, now: i64) {
        for outgoing in self.queue.drain(..) {
            self.settled.push(Settled::Unsent { due: outgoing.due, next_at: now, told: None });
        }
    }

    fn answered(&mut self, due: Due, answer: Answer) {
        let now = now_ms();
        let schedule = self.parts.settings.schedule;
        let subscriber = Arc::clone(&self.subscriber);
        let name = &subscriber.told.name;
        match heard(&self.circuit, &answer, &schedule) {
            Some(CircuitChange::Closed) => {
                tracing::info!(subscriber = name, "the subscriber is back");
                self.claim_at = Instant::now();
            }
            Some(CircuitChange::Opened) => {
                tracing::warn!(subscriber = name, ?answer, "the subscriber is away: it is asked now and then");
                self.keep_none(now);
            }
            None => {}
        }
        self.parts.figures.count(name, answer.name());
        if let Answer::Refused(told) | Answer::TooLarge(told) = &answer {
            tracing::warn!(subscriber = name, delivery = %due.id, told, "refused: see `parkgate delivery list --state dead`");
        }
        if self.settled.is_empty() {
            self.settle_at = Instant::now() + SETTLE_AFTER;
        }
        let now = Now { system: now, confirmed: self.parts.clock.now() };
        self.settled.push(settle(due, answer, &schedule, chance(), now));
    }

    /// The circuit opened.
    fn keep_none(&mut self, now: i64) {
        let next_at = self.asked_next(now);
        for outgoing in self.queue.drain(..) {
            self.settled.push(Settled::Unsent { due: outgoing.due, next_at, told: Some(AWAY.into()) });
        }
    }

    fn settle(&mut self) -> JoinHandle<Result<(), StoreError>> {
        let id = self.subscriber.id;
        let settled = std::mem::take(&mut self.settled);
        self.parts.in_store(move |store| store.settle(id, &settled, now_ms()))
    }

    fn was_settled(&mut self, done: Result<(), StoreError>) {
        if let Err(error) = done {
            tracing::warn!(subscriber = self.subscriber.told.name, %error, "not settled: what arrived is sent again");
        }
        self.claim_at = self.claim_at.min(Instant::now());
    }
}

const AWAY: &str = "平台不可达, 稍后再试 (away: tried again later)";

/// Counts an answer, or the want of one.
pub(super) fn heard(circuit: &Mutex<Circuit>, answer: &Answer, schedule: &Schedule) -> Option<CircuitChange> {
    let contact = match answer {
        Answer::Taken | Answer::Refused(_) | Answer::Denied(_) | Answer::TooLarge(_) => Contact::Answered,
        Answer::Unready(_) => Contact::Untold,
        Answer::Failed { retry_after, .. } => Contact::Failed { retry_after: *retry_after },
    };
    lock(circuit).note(contact, &schedule.asking(), chance(), std::time::Instant::now())
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// How long another node's turn lasts. A clock that was set in between makes nobody wait longer than a claim may be sent.
fn turn_in(send_from: i64, now: i64) -> Duration {
    Duration::from_millis(send_from.saturating_sub(now).max(0).unsigned_abs()).min(SEND_GRACE)
}

/// Waits for what is running, if anything is.
async fn joined<T>(running: &mut Option<JoinHandle<Result<T, StoreError>>>) -> Result<T, StoreError> {
    let Some(task) = running else { return std::future::pending().await };
    let done = task.await;
    *running = None;
    done.unwrap_or_else(|error| Err(StoreError::Broken(error.to_string())))
}
