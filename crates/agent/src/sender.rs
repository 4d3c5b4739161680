//! Sends what waits in the outbox, with the loop of [`parkgate_client::Dispatch`]. What an outcome means is said in
//! `classify.rs`.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use parkgate_client::{
    Backoff, Circuit, CircuitChange, ClaimBatch, ClaimWish, Client, ClientError, Dispatch, DispatchLimits, Draft,
    Outcome, Queue, ReleaseReason, chance, now,
};
use parkgate_wire::{UnixMillis, is_personal};
use tokio::sync::{Notify, watch};

use crate::classify::{Classifier, Moment, PushAttempt};
use crate::config::{OnHint, OnTooLarge};
use crate::denials::Denials;
use crate::outbox::{ClaimedRecord, Outbox, OutboxError, Settlement};
use crate::problem::Problem;
use crate::tasks::STOP_WITHIN;

/// Records claimed at a time, at most.
const CLAIM_MAX: usize = 256;

/// The settings and parts that sending needs.
pub(crate) struct OutboxSender {
    pub(crate) outbox: Arc<Outbox>,
    pub(crate) client: Client,
    pub(crate) backoff: Backoff,
    pub(crate) on_hint: OnHint,
    pub(crate) on_too_large: OnTooLarge,
    pub(crate) concurrency: usize,
    pub(crate) newest_first: bool,
    /// A record was added.
    pub(crate) added: Arc<Notify>,
}

impl OutboxSender {
    /// Sends until asked to stop, and then finishes what is under way, within bounds.
    pub(crate) async fn run(self, stop: watch::Receiver<bool>) {
        let limits = DispatchLimits {
            concurrency: self.concurrency,
            ahead: self.concurrency,
            claim_max: CLAIM_MAX,
            // No other process claims.
            lease: None,
            per_second: None,
            // What ends while a commit is under way is in the next one.
            settle_max: 1,
            settle_after: Duration::ZERO,
            gather: Duration::ZERO,
            drain: STOP_WITHIN,
        };
        Dispatch::new(OutboxQueue::new(self), Arc::default(), limits).run(stop).await;
    }
}

/// The outbox as the loop sees it.
struct OutboxQueue {
    sender: OutboxSender,
    classifier: Classifier,
    /// Pushes begun.
    begun: u64,
    /// The platform is back: records need not wait any longer.
    is_back: Arc<AtomicBool>,
    /// The problem a person must fix; logged once, and shown until it is gone.
    problem: Option<Problem>,
    /// It changed, and is to be written down.
    is_problem_new: bool,
}

/// A push that ended: the answer, and the platform's time.
type Ended = (PushAttempt, Result<(Outcome, Option<UnixMillis>), ClientError>);

impl Queue for OutboxQueue {
    type Delivery = ClaimedRecord;
    type Attempt = Ended;
    type Settled = (i64, Settlement);

    fn claim(
        &mut self,
        wish: ClaimWish,
    ) -> impl Future<Output = ClaimBatch<ClaimedRecord, (i64, Settlement)>> + Send + 'static {
        let (outbox, is_back) = (Arc::clone(&self.sender.outbox), Arc::clone(&self.is_back));
        let longest = self.classifier.backoff.longest();
        let newest_first = self.sender.newest_first || wish.rather_newest;
        let max = if wish.is_away { 1 } else { wish.max };
        in_outbox(move || {
            claimed(&outbox, max, newest_first, &is_back, longest).unwrap_or_else(|error| {
                tracing::error!(%error, "the outbox cannot be read or written: trying again");
                ClaimBatch::default()
            })
        })
    }

    fn send(&mut self, record: ClaimedRecord) -> impl Future<Output = Ended> + Send + 'static {
        self.begun += 1;
        push(self.sender.client.clone(), record, self.begun)
    }

    fn classify(
        &mut self,
        (attempt, answer): Ended,
        circuit: &mut Circuit,
    ) -> ((i64, Settlement), Option<CircuitChange>) {
        let (outcome, date) = answer.map_or_else(|error| (Err(error), None), |(what, date)| (Ok(what), date));
        let is_answer = is_answer(&outcome);
        let moment = Moment { now: now(), chance: chance(), begun: self.begun };
        let (settled, contact) = self.classifier.classify(outcome, &attempt, circuit, &moment);
        let change = circuit.note(contact, &self.classifier.backoff, moment.chance, Instant::now());
        if change == Some(CircuitChange::Closed) {
            self.is_back.store(true, Ordering::Relaxed);
        }
        if is_answer {
            self.look_for_problems(date);
        }
        if !matches!(settled, Settlement::Later { .. }) {
            self.classifier.denials.forget(attempt.record);
        }
        ((attempt.record, settled), change)
    }

    /// An outbox that cannot be written now (a full disk) is tried again with the same: nothing is forgotten, nothing stops.
    fn settle(
        &mut self,
        settled: Vec<(i64, Settlement)>,
    ) -> impl Future<Output = Vec<(i64, Settlement)>> + Send + 'static {
        let outbox = Arc::clone(&self.sender.outbox);
        let is_problem_new = std::mem::take(&mut self.is_problem_new);
        let problem = is_problem_new.then(|| self.problem.as_ref().map(ToString::to_string));
        in_outbox(move || {
            if let Some(problem) = problem
                && let Err(error) = outbox.note_problem(problem.as_deref())
            {
                tracing::warn!(%error, "the problem to be fixed could not be written down");
            }
            match outbox.settle(&settled, now()) {
                Ok(()) => Vec::new(),
                Err(error) => {
                    tracing::error!(%error, "the outbox cannot be written: trying again");
                    settled
                }
            }
        })
    }

    fn release(&mut self, records: Vec<ClaimedRecord>, _: ReleaseReason) -> Vec<(i64, Settlement)> {
        self.sender.outbox.release(records.iter().map(|record| record.id));
        Vec::new()
    }

    fn added(&self) -> impl Future<Output = ()> + Send {
        self.sender.added.notified()
    }
}

impl OutboxQueue {
    fn new(sender: OutboxSender) -> OutboxQueue {
        let classifier = Classifier {
            backoff: sender.backoff,
            on_hint: sender.on_hint,
            on_too_large: sender.on_too_large,
            denials: Denials::default(),
        };
        let is_back = Arc::default();
        OutboxQueue { sender, classifier, begun: 0, is_back, problem: None, is_problem_new: false }
    }

    fn look_for_problems(&mut self, date: Option<UnixMillis>) {
        let clock = || date.and_then(|date| Problem::of_clock(date, now()));
        let problem = self.classifier.denials.of_all().map(Problem::Denied).or_else(clock);
        if Problem::is_same(self.problem.as_ref(), problem.as_ref()) {
            return;
        }
        if let Some(problem) = &problem {
            tracing::error!("{problem}");
        }
        self.problem = problem;
        self.is_problem_new = true;
    }
}

/// Did the answer come from the platform or something in front of it?
fn is_answer(outcome: &Result<Outcome, ClientError>) -> bool {
    match outcome {
        Ok(Outcome::Accepted(_) | Outcome::AcceptedWithHint(_) | Outcome::Refused(_) | Outcome::Denied { .. }) => true,
        Ok(Outcome::TooLarge { .. } | Outcome::TryLater { .. }) | Err(_) => false,
    }
}

async fn push(client: Client, record: ClaimedRecord, number: u64) -> Ended {
    let mut draft = Draft::default();
    for (name, value) in &record.params {
        draft = draft.param(name, value);
    }
    for (part, path) in &record.files {
        draft = draft.file(part, path);
    }
    let attempt = PushAttempt {
        record: record.id,
        number,
        failures: record.attempts,
        has_pictures: !record.files.is_empty(),
        personal: record.params.into_iter().filter(|(name, _)| is_personal(name)).collect(),
    };
    (attempt, client.push_dated(record.kind, draft).await)
}

/// Claims records, after making sure that none waits longer than it may.
fn claimed(
    outbox: &Outbox,
    max: usize,
    newest_first: bool,
    is_back: &AtomicBool,
    longest: Duration,
) -> Result<ClaimBatch<ClaimedRecord, (i64, Settlement)>, OutboxError> {
    let now = now();
    if is_back.swap(false, Ordering::Relaxed) {
        outbox.hurry().inspect_err(|_| is_back.store(true, Ordering::Relaxed))?;
    } else {
        outbox.clamp_due(now, longest)?;
    }
    let next_due = outbox.next_due(now)?.map(|at| at.since(now));
    let deliveries = outbox.claim(max, now, newest_first)?;
    // Behind an enter its leave may wait; behind a full claim there may be more.
    Ok(ClaimBatch { is_more: !deliveries.is_empty(), deliveries, next_due, ..ClaimBatch::default() })
}

/// Works at the outbox on a blocking thread. A panic ends the agent: what was to be written down is lost with it, and what was
/// claimed would otherwise wait until the next start.
async fn in_outbox<T: Default + Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done,
        Err(error) => match error.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            // The runtime ends.
            Err(_) => T::default(),
        },
    }
}

#[cfg(test)]
mod tests;
