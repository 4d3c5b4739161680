//! Sends what waits in the outbox, with the loop of [`parkgate_client::Dispatch`]. Here stands what an answer means for a record,
//! and for all of them.

use std::future::Future;
use std::io::ErrorKind;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use parkgate_client::{
    Backoff, Circuit, CircuitChange, ClaimBatch, ClaimWish, Client, ClientError, Contact, Dispatch, DispatchLimits,
    Draft, Outcome, Queue, ReleaseReason, chance, now,
};
use parkgate_wire::{UnixMillis, is_personal, without_personal};
use tokio::sync::{Notify, watch};

use crate::config::{OnHint, OnTooLarge};
use crate::denials::{Denials, Scope};
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
    denials: Denials,
    /// Pushes begun.
    begun: u64,
    /// The platform is back: records need not wait any longer.
    is_back: Arc<AtomicBool>,
    /// The problem a person must fix; logged once, and shown until it is gone.
    problem: Option<Problem>,
    /// It changed, and is to be written down.
    is_problem_new: bool,
}

/// A push under way.
struct Attempt {
    record: i64,
    /// Its number among all pushes begun.
    number: u64,
    /// Earlier failures of this record.
    failures: u32,
    has_pictures: bool,
    /// Personal data that a hint may repeat.
    personal: Vec<(String, String)>,
}

/// A push that ended: the answer, and the platform's time.
type Ended = (Attempt, Result<(Outcome, Option<UnixMillis>), ClientError>);

impl Queue for OutboxQueue {
    type Delivery = ClaimedRecord;
    type Attempt = Ended;
    type Settled = (i64, Settlement);

    fn claim(
        &mut self,
        wish: ClaimWish,
    ) -> impl Future<Output = ClaimBatch<ClaimedRecord, (i64, Settlement)>> + Send + 'static {
        let (outbox, is_back) = (Arc::clone(&self.sender.outbox), Arc::clone(&self.is_back));
        let longest = self.sender.backoff.longest();
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
        let (settled, contact) = self.settled(outcome, &attempt, circuit);
        let change = circuit.note(contact, &self.sender.backoff, chance(), Instant::now());
        if change == Some(CircuitChange::Closed) {
            self.is_back.store(true, Ordering::Relaxed);
        }
        if is_answer {
            self.look_for_problems(date);
        }
        if !matches!(settled, Settlement::Later { .. }) {
            self.denials.forget(attempt.record);
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
        let is_back = Arc::default();
        OutboxQueue { sender, denials: Denials::default(), begun: 0, is_back, problem: None, is_problem_new: false }
    }

    fn look_for_problems(&mut self, date: Option<UnixMillis>) {
        let clock = || date.and_then(|date| Problem::of_clock(date, now()));
        let problem = self.denials.of_all().map(Problem::Denied).or_else(clock);
        if Problem::is_same(self.problem.as_ref(), problem.as_ref()) {
            return;
        }
        if let Some(problem) = &problem {
            tracing::error!("{problem}");
        }
        self.problem = problem;
        self.is_problem_new = true;
    }

    /// What an attempt means for its record, and what it says of the platform.
    fn settled(
        &mut self,
        outcome: Result<Outcome, ClientError>,
        attempt: &Attempt,
        circuit: &Circuit,
    ) -> (Settlement, Contact) {
        match outcome {
            Ok(Outcome::TryLater { reason, retry_after }) => {
                let reason = without_personal(&reason, &attempt.personal);
                tracing::warn!(reason, "not sent: it stays in the outbox");
                (self.later(attempt, retry_after, reason), Contact::Failed { retry_after })
            }
            Ok(Outcome::Denied { denial, reason, .. }) => {
                let reason = without_personal(&reason, &attempt.personal);
                match self.denials.denied(attempt.record, denial, self.begun) {
                    Scope::One => (dead(reason), Contact::Untold),
                    Scope::Undecided { is_first } => {
                        let is_of_all = is_first || circuit.is_open();
                        let contact = if is_of_all { Contact::Failed { retry_after: None } } else { Contact::Untold };
                        tracing::warn!(reason, "not let in: it stays in the outbox");
                        (self.later(attempt, None, reason), contact)
                    }
                }
            }
            Ok(Outcome::TooLarge { reason }) => {
                (self.too_large(without_personal(&reason, &attempt.personal), attempt), Contact::Answered)
            }
            Ok(Outcome::Refused(reply)) => {
                let hint = reply.hint.unwrap_or(reply.message);
                (dead(without_personal(&hint, &attempt.personal)), Contact::Answered)
            }
            Ok(Outcome::Accepted(_)) => {
                self.denials.passed(attempt.number);
                (Settlement::Sent { hint: None }, Contact::Answered)
            }
            Ok(Outcome::AcceptedWithHint(reply)) => {
                self.denials.passed(attempt.number);
                let hint = without_personal(&reply.hint.unwrap_or_default(), &attempt.personal);
                (self.hinted(hint), Contact::Answered)
            }
            Err(error) => (self.unreadable(error, attempt), Contact::Untold),
        }
    }

    fn hinted(&self, hint: String) -> Settlement {
        match self.sender.on_hint {
            OnHint::Hold => Settlement::Held { hint },
            OnHint::Accept => {
                tracing::warn!(hint, "taken with a hint");
                Settlement::Sent { hint: Some(hint) }
            }
        }
    }

    fn too_large(&self, reason: String, attempt: &Attempt) -> Settlement {
        match self.sender.on_too_large {
            OnTooLarge::WithoutPictures if attempt.has_pictures => {
                tracing::error!(
                    record = attempt.record,
                    reason,
                    "too large: the record goes once more without its pictures"
                );
                Settlement::WithoutPictures { reason }
            }
            OnTooLarge::WithoutPictures | OnTooLarge::Dead => dead(reason),
        }
    }

    /// The push could not be made, for a reason on this side.
    fn unreadable(&self, error: ClientError, attempt: &Attempt) -> Settlement {
        match error {
            ClientError::File(path, error) if error.kind() == ErrorKind::NotFound => {
                tracing::error!(record = attempt.record, path = %path.display(), "a picture is gone: the record goes without it");
                Settlement::PictureGone { path, reason: error.to_string() }
            }
            ClientError::File(path, error) => {
                tracing::error!(record = attempt.record, path = %path.display(), %error, "a picture cannot be read: the record waits");
                self.later(attempt, None, format!("{}: {error}", path.display()))
            }
            // It would be no better the next time, and the others go on.
            ClientError::Setup(reason) => dead(reason),
        }
    }

    fn later(&self, attempt: &Attempt, asked: Option<Duration>, reason: String) -> Settlement {
        let wait = self.sender.backoff.wait(attempt.failures.saturating_add(1), asked, chance());
        Settlement::Later { due: now().after(wait), reason }
    }
}

/// Did the answer come from the platform or something in front of it?
fn is_answer(outcome: &Result<Outcome, ClientError>) -> bool {
    match outcome {
        Ok(Outcome::Accepted(_) | Outcome::AcceptedWithHint(_) | Outcome::Refused(_) | Outcome::Denied { .. }) => true,
        Ok(Outcome::TooLarge { .. } | Outcome::TryLater { .. }) | Err(_) => false,
    }
}

fn dead(hint: String) -> Settlement {
    tracing::error!(hint, "refused: the record is a dead letter now, see `parkgate agent dead list`");
    Settlement::Dead { hint }
}

async fn push(client: Client, record: ClaimedRecord, number: u64) -> Ended {
    let mut draft = Draft::default();
    for (name, value) in &record.params {
        draft = draft.param(name, value);
    }
    for (part, path) in &record.files {
        draft = draft.file(part, path);
    }
    let attempt = Attempt {
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
