//! The loop that delivers: claim what is due, send many at once, settle in batches. An agent has one, and a gate one for each
//! subscriber.
//!
//! A [`Queue`] knows what waits, how it is sent and what is written down; this loop decides when. It claims and settles while
//! it sends, and nothing waits for the slowest: a push that hangs occupies one place. Its time is tokio's, which tests can
//! control.

mod lease;

use std::collections::VecDeque;
use std::future::{Future, pending};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::{JoinError, JoinSet};
use tokio::time::Instant;

use self::lease::Lease;
use crate::circuit::{Circuit, CircuitChange};
use crate::rate::Rate;

/// How often a queue is claimed from without a notice: another process may have added to it, or a wait may be over. Also the
/// pause before settling is tried again.
const IDLE: Duration = Duration::from_millis(500);
/// How often deliveries that their rate holds back are tried again.
const PACED: Duration = Duration::from_millis(50);

/// Where deliveries wait, how one is sent, and what is written down of it.
pub trait Queue: Send + 'static {
    /// What is sent; claimed for this loop.
    type Delivery: Send + 'static;
    /// A delivery that was sent, and what came back.
    type Attempt: Send + 'static;
    /// What is to be written down of a delivery.
    type Settled: Send + 'static;

    /// Claims what is due. Each delivery is claimed once, until it is settled or released or its claim ends.
    fn claim(
        &mut self,
        wish: ClaimWish,
    ) -> impl Future<Output = ClaimBatch<Self::Delivery, Self::Settled>> + Send + 'static;

    /// Sends one, once.
    fn send(&mut self, delivery: Self::Delivery) -> impl Future<Output = Self::Attempt> + Send + 'static;

    /// What an attempt means for its delivery, and for the platform, which is noted in the circuit.
    fn classify(&mut self, attempt: Self::Attempt, circuit: &mut Circuit) -> (Self::Settled, Option<CircuitChange>);

    /// Writes down what came of deliveries, all or nothing. Returns what is to be tried again.
    fn settle(&mut self, settled: Vec<Self::Settled>) -> impl Future<Output = Vec<Self::Settled>> + Send + 'static;

    /// Releases claimed deliveries unsent. Returns what is to be written down for that.
    fn release(&mut self, deliveries: Vec<Self::Delivery>, reason: ReleaseReason) -> Vec<Self::Settled>;

    /// Waits until something new may be due.
    fn added(&self) -> impl Future<Output = ()> + Send;

    /// May a delivery be sent now, besides the limits of this loop?
    fn may_send(&mut self, _now: Instant) -> bool {
        true
    }
}

/// What a claim is to bring.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClaimWish {
    /// At most this many.
    pub max: usize,
    /// The platform counts as away: the first delivery asks whether it is back, and the others are released.
    pub is_away: bool,
    /// Prefer the newest, since the oldest was tried in vain.
    pub rather_newest: bool,
}

/// What a claim brought.
#[derive(Debug)]
pub struct ClaimBatch<D, S> {
    /// To be sent, in this order.
    pub deliveries: Vec<D>,
    /// To be written down at once: what cannot be sent at all.
    pub settled: Vec<S>,
    /// There may be more that are due.
    pub is_more: bool,
    /// When the next one is due, if that is known.
    pub next_due: Option<Duration>,
    /// How long until the first may be sent: before that it is another node's turn.
    pub turn_in: Duration,
}

impl<D, S> Default for ClaimBatch<D, S> {
    fn default() -> Self {
        let (deliveries, settled) = (Vec::new(), Vec::new());
        ClaimBatch { deliveries, settled, is_more: false, next_due: None, turn_in: Duration::ZERO }
    }
}

/// Why claimed deliveries are released unsent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReleaseReason {
    /// The loop stops, or the claim ends.
    Unsent,
    /// The platform is away, and is asked again after this long.
    Away(Duration),
}

/// Bounds of one loop.
#[derive(Debug, Clone, Copy)]
pub struct DispatchLimits {
    /// Pushes under way at once.
    pub concurrency: usize,
    /// More are claimed while fewer than this wait in memory.
    pub ahead: usize,
    /// Claimed at a time, at most.
    pub claim_max: usize,
    /// Claimed deliveries that are not begun within this are released. `None`: a claim ends with the process.
    pub lease: Option<Duration>,
    /// Pushes a second, at most.
    pub per_second: Option<u32>,
    /// Settle as soon as there are this many, or when nothing is under way;
    pub settle_max: usize,
    /// otherwise this long after the first of them.
    pub settle_after: Duration,
    /// From a notice to the claim, so that what comes together is claimed together.
    pub gather: Duration,
    /// How long pushes may take that are under way when the loop stops.
    pub drain: Duration,
}

type InProgress<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// The loop over one queue.
pub struct Dispatch<Q: Queue> {
    queue: Q,
    circuit: Arc<Mutex<Circuit>>,
    limits: DispatchLimits,
    rate: Rate,
    lease: Lease,
    /// Claimed, to be sent.
    ready: VecDeque<Q::Delivery>,
    sending: JoinSet<Q::Attempt>,
    settled: Vec<Q::Settled>,
    claiming: Option<InProgress<ClaimBatch<Q::Delivery, Q::Settled>>>,
    settling: Option<InProgress<Vec<Q::Settled>>>,
    claim_at: Instant,
    settle_at: Instant,
    /// No sooner than this, since the last attempt failed.
    settle_from: Instant,
    /// Set once the loop stops: until when it waits for what is under way.
    drain_until: Option<Instant>,
}

impl<Q: Queue> Dispatch<Q> {
    /// A loop that begins at once. `circuit` outlives it: a loop that is started again knows whether the platform was away.
    #[must_use]
    pub fn new(queue: Q, circuit: Arc<Mutex<Circuit>>, limits: DispatchLimits) -> Dispatch<Q> {
        let now = Instant::now();
        Dispatch {
            queue,
            circuit,
            limits,
            rate: Rate::default(),
            lease: Lease::new(limits.lease, limits.concurrency, limits.claim_max, now),
            ready: VecDeque::new(),
            sending: JoinSet::new(),
            settled: Vec::new(),
            claiming: None,
            settling: None,
            claim_at: now,
            settle_at: now,
            settle_from: now,
            drain_until: None,
        }
    }

    /// Delivers until `stop` says so or is dropped; then nothing more is claimed, and what is on its way is waited for and
    /// settled.
    pub async fn run(mut self, mut stop: watch::Receiver<bool>) {
        loop {
            if *stop.borrow_and_update() || stop.has_changed().is_err() {
                self.drain();
                if self.is_drained() {
                    return;
                }
            }
            self.start_pushes();
            self.start_claim();
            self.start_settle();
            let wait = self.wait(Instant::now());
            let is_running = self.drain_until.is_none();
            // Not while there is enough to do: each notice would wake it.
            let is_idle = is_running && self.ready.is_empty() && self.claim_at > Instant::now() + self.limits.gather;
            tokio::select! {
                Some(ended) = self.sending.join_next() => self.take_attempt(ended),
                batch = ended(&mut self.claiming) => self.take_batch(batch),
                unsettled = ended(&mut self.settling) => self.take_unsettled(unsettled),
                () = self.queue.added(), if is_idle => {
                    self.claim_at = self.claim_at.min(Instant::now() + self.limits.gather);
                }
                _ = stop.changed(), if is_running => {}
                () = tokio::time::sleep(wait) => {}
            }
        }
    }

    /// The loop stops: what is ready is released, and what hangs is given up in the end.
    fn drain(&mut self) {
        let now = Instant::now();
        let until = *self.drain_until.get_or_insert(now + self.limits.drain);
        self.release(0, ReleaseReason::Unsent);
        if now >= until && !self.sending.is_empty() {
            tracing::warn!("pushes still on their way were given up: they are sent again next time");
            self.sending = JoinSet::new();
        }
    }

    fn is_drained(&self) -> bool {
        self.sending.is_empty() && self.claiming.is_none() && self.settling.is_none() && self.settled.is_empty()
    }

    fn start_pushes(&mut self) {
        while !self.ready.is_empty() {
            let now = Instant::now();
            if self.lease.is_over(now) {
                self.lease.shrink();
                return self.release(0, ReleaseReason::Unsent);
            }
            let is_held_back = self.room(self.limits.concurrency, now) == 0
                || !self.queue.may_send(now)
                || self.rate.take(self.limits.per_second, now.into_std()).is_err();
            if is_held_back {
                return;
            }
            let Some(delivery) = self.ready.pop_front() else { return };
            self.lease.begin_one();
            self.sending.spawn(self.queue.send(delivery));
        }
    }

    /// How many more pushes may be under way, of `max`.
    fn room(&self, max: usize, now: Instant) -> usize {
        lock(&self.circuit).allows(max, now.into_std()).saturating_sub(self.sending.len())
    }

    fn wants_more(&self, now: Instant) -> bool {
        let is_free = self.claiming.is_none() && self.settling.is_none() && self.drain_until.is_none();
        // Two batches have no common lease.
        let is_time = self.ready.is_empty() || !self.lease.is_limited();
        let is_room = self.ready.len() < self.limits.claim_max;
        is_free && is_time && is_room && self.room(self.limits.concurrency + self.limits.ahead, now) > self.ready.len()
    }

    fn start_claim(&mut self) {
        let now = Instant::now();
        if now < self.claim_at || !self.wants_more(now) {
            return;
        }
        let max = self.lease.claim(now).saturating_sub(self.ready.len());
        let wish = {
            let circuit = lock(&self.circuit);
            ClaimWish { max, is_away: circuit.is_open(), rather_newest: circuit.asks_with_newest() }
        };
        self.claiming = Some(Box::pin(self.queue.claim(wish)));
    }

    fn take_batch(&mut self, batch: ClaimBatch<Q::Delivery, Q::Settled>) {
        let now = Instant::now();
        let rest = if batch.is_more { self.limits.gather / 10 } else { batch.next_due.unwrap_or(IDLE).min(IDLE) };
        self.claim_at = now + rest;
        self.rate.start_at((now + batch.turn_in).into_std());
        self.ready.extend(batch.deliveries);
        self.note_settled(batch.settled);
        if let Some(rest) = self.away_for(now) {
            self.release(1, ReleaseReason::Away(rest));
        }
    }

    /// Until the platform is asked again, if it is away.
    fn away_for(&self, now: Instant) -> Option<Duration> {
        let circuit = lock(&self.circuit);
        circuit.is_open().then(|| circuit.rest(now.into_std()))
    }

    /// Releases all that are ready but the first `kept`.
    fn release(&mut self, kept: usize, reason: ReleaseReason) {
        let released: Vec<_> = self.ready.drain(kept.min(self.ready.len())..).collect();
        if !released.is_empty() {
            let settled = self.queue.release(released, reason);
            self.note_settled(settled);
        }
    }

    fn take_attempt(&mut self, ended: Result<Q::Attempt, JoinError>) {
        let attempt = match ended {
            Ok(attempt) => attempt,
            // Its claim is left to end by itself: this delivery may be the cause.
            Err(error) => return tracing::error!(%error, "a push ended in a fault of ours"),
        };
        let circuit = Arc::clone(&self.circuit);
        let (settled, change) = self.queue.classify(attempt, &mut lock(&circuit));
        self.note_settled([settled]);
        let now = Instant::now();
        match (change, self.away_for(now)) {
            (Some(CircuitChange::Closed), _) => self.claim_at = now,
            (Some(CircuitChange::Opened), Some(rest)) => self.release(0, ReleaseReason::Away(rest)),
            (Some(CircuitChange::Opened), None) | (None, _) => {}
        }
    }

    fn note_settled(&mut self, settled: impl IntoIterator<Item = Q::Settled>) {
        if self.settled.is_empty() {
            self.settle_at = Instant::now() + self.limits.settle_after;
        }
        self.settled.extend(settled);
    }

    fn settle_due(&self) -> Instant {
        let is_full = self.settled.len() >= self.limits.settle_max || self.sending.is_empty();
        if is_full { self.settle_from } else { self.settle_at.max(self.settle_from) }
    }

    fn start_settle(&mut self) {
        if self.settling.is_none() && !self.settled.is_empty() && Instant::now() >= self.settle_due() {
            let settled = std::mem::take(&mut self.settled);
            self.settling = Some(Box::pin(self.queue.settle(settled)));
        }
    }

    /// What could not be written down is tried again with what came since. When the loop stops it is given up, and sent again next
    /// time.
    fn take_unsettled(&mut self, mut unsettled: Vec<Q::Settled>) {
        let now = Instant::now();
        // A leave may have waited for its enter.
        self.claim_at = self.claim_at.min(now);
        if unsettled.is_empty() {
            return;
        }
        if self.drain_until.is_some() {
            return tracing::error!("what came of pushes could not be written down: they are sent again next time");
        }
        self.settle_from = now + IDLE;
        unsettled.append(&mut self.settled);
        self.settled = unsettled;
    }

    /// How long nothing happens by itself.
    fn wait(&self, now: Instant) -> Duration {
        let until = |at: Instant| at.saturating_duration_since(now);
        let settle = (self.settling.is_none() && !self.settled.is_empty()).then(|| until(self.settle_due()));
        let claim = self.wants_more(now).then(|| until(self.claim_at));
        let is_paced = !self.ready.is_empty() && self.room(self.limits.concurrency, now) > 0;
        let asked = self.away_for(now).filter(|rest| !rest.is_zero());
        let drained = self.drain_until.filter(|_| !self.sending.is_empty()).map(until);
        let next = [settle, claim, is_paced.then_some(PACED), asked, drained].into_iter().flatten().min();
        next.unwrap_or(IDLE).min(IDLE).max(Duration::from_millis(1))
    }
}

fn lock(circuit: &Mutex<Circuit>) -> MutexGuard<'_, Circuit> {
    circuit.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The end of what is running; never, if nothing is.
async fn ended<T>(running: &mut Option<InProgress<T>>) -> T {
    let Some(future) = running else { return pending().await };
    let done = future.await;
    *running = None;
    done
}

#[cfg(test)]
mod tests;
