//! Sends what waits, many at once, and stops asking a platform that is down.
//!
//! Three things go on side by side: pushes on their way; a *turn* at the outbox, which writes down what became of the
//! last ones and claims the next; and waiting for something new. A push that hangs holds one place, no more.

use std::collections::VecDeque;
use std::future::pending;
use std::io::ErrorKind;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use parkgate_client::{Backoff, Circuit, Client, ClientError, Draft, Outcome, after};
use parkgate_wire::{is_personal, without_personal};
use tokio::sync::{Notify, watch};
use tokio::task::{JoinHandle, JoinSet};

use crate::config::{OnHint, OnTooLarge};
use crate::denials::{Denials, Scope};
use crate::outbox::{Claimed, Outbox, OutboxError, Settled};
use crate::problem::Problem;
use crate::tasks::STOP_WITHIN;

/// Claimed at a time, at most.
const CLAIM_MAX: usize = 256;
/// Without a notice the outbox is looked at so often: another process may have added to it, a pause may be over.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// What sending needs.
pub(crate) struct Sender {
    pub(crate) outbox: Arc<Outbox>,
    pub(crate) client: Client,
    pub(crate) backoff: Backoff,
    pub(crate) on_hint: OnHint,
    pub(crate) on_too_large: OnTooLarge,
    pub(crate) concurrency: usize,
    pub(crate) newest_first: bool,
    /// How often the outbox is tidied up.
    pub(crate) upkeep_every: Duration,
    /// Something was added.
    pub(crate) added: Arc<Notify>,
}

/// A push on its way.
struct Attempt {
    record: i64,
    /// Its place among all that were begun.
    number: u64,
    /// Of this record, before.
    failures: u32,
    has_pictures: bool,
    /// ID data that a hint may repeat.
    personal: Vec<(String, String)>,
}

/// A push that ended: what came, and the platform's time.
type Ended = (Attempt, Result<(Outcome, Option<i64>), ClientError>);
/// What a turn at the outbox brought.
#[derive(Default)]
struct Turned {
    /// What could not be written down.
    unwritten: Vec<(i64, Settled)>,
    claimed: Vec<Claimed>,
    /// When the next pause of a record ends.
    next_due: Option<i64>,
}

/// What is under way.
#[derive(Default)]
struct Work {
    circuit: Circuit,
    denials: Denials,
    /// Pushes begun.
    begun: u64,
    ready: VecDeque<Claimed>,
    sending: JoinSet<Ended>,
    ended: Vec<(i64, Settled)>,
    turn: Option<JoinHandle<Turned>>,
    /// There may be more to claim.
    look: bool,
    /// When the next pause of a record ends, ms since 1970.
    next_due: Option<i64>,
    /// The platform came back: nobody waits for the end of their own pause.
    hurry: bool,
    /// When the outbox is tidied up; at the start, if not set.
    upkeep_at: Option<Instant>,
    /// What someone should mend, though records go out; told once, and shown until it is well.
    problem: Option<Problem>,
    /// It changed, and is to be written down.
    problem_changed: bool,
}

impl Work {
    /// How long nothing will happen by itself.
    fn rest(&mut self, now: i64) -> Duration {
        let left = if self.circuit.is_open() {
            Some(self.circuit.rest(Instant::now())).filter(|left| !left.is_zero())
        } else {
            // Asked for anew by the next turn.
            let due = self.next_due.take();
            due.map(|at| Duration::from_millis(at.saturating_sub(now).max(1).unsigned_abs()))
        };
        left.map_or(LOOK_EVERY, |left| left.min(LOOK_EVERY))
    }

    fn is_upkeep_due(&self) -> bool {
        self.upkeep_at.is_none_or(|at| Instant::now() >= at)
    }

    fn look_for_problems(&mut self, date: Option<i64>) {
        let clock = || date.and_then(|date| Problem::of_clock(date, now_ms()));
        let problem = self.denials.of_all().map(Problem::Denied).or_else(clock);
        if Problem::is_same(self.problem.as_ref(), problem.as_ref()) {
            return;
        }
        if let Some(problem) = &problem {
            tracing::error!("{problem}");
        }
        self.problem = problem;
        self.problem_changed = true;
    }
}

impl Sender {
    /// Sends until told to stop, and then finishes what is on its way.
    pub(crate) async fn run(self, mut stop: watch::Receiver<bool>) {
        let mut work = Work { look: true, ..Work::default() };
        while !*stop.borrow() {
            self.start_pushes(&mut work);
            self.start_turn(&mut work, true);
            let rest = work.rest(now_ms());
            tokio::select! {
                Some(ended) = work.sending.join_next(), if !work.sending.is_empty() => self.note(&mut work, ended),
                turned = turned(&mut work.turn) => Sender::take_turn(&mut work, turned),
                () = self.added.notified() => work.look = true,
                () = tokio::time::sleep(rest) => work.look = true,
                _ = stop.changed() => {}
            }
        }
        self.finish(&mut work).await;
    }

    /// Waits for what is on its way, within bounds, and writes it down.
    async fn finish(&self, work: &mut Work) {
        let all = async {
            while let Some(ended) = work.sending.join_next().await {
                self.note(work, ended);
            }
        };
        if tokio::time::timeout(STOP_WITHIN, all).await.is_err() {
            tracing::warn!("pushes still on their way were given up: they are sent again next time");
        }
        if work.turn.is_some() {
            let turned = turned(&mut work.turn).await;
            Sender::take_turn(work, turned);
        }
        self.start_turn(work, false);
        if work.turn.is_some() {
            let turned = turned(&mut work.turn).await;
            Sender::take_turn(work, turned);
        }
    }

    fn start_pushes(&self, work: &mut Work) {
        let allowed = work.circuit.allows(self.concurrency, Instant::now());
        if work.circuit.is_open() && work.ready.len() > 1 {
            self.outbox.give_back(work.ready.drain(..).map(|record| record.id));
        }
        while work.sending.len() < allowed
            && let Some(record) = work.ready.pop_front()
        {
            work.begun += 1;
            work.sending.spawn(push(self.client.clone(), record, work.begun));
        }
    }

    /// A turn at the outbox, if there is reason for one and none is under way.
    fn start_turn(&self, work: &mut Work, claims: bool) {
        let room = work.circuit.allows(CLAIM_MAX, Instant::now()).saturating_sub(work.ready.len());
        let wants = claims && work.look && room > 0 && work.ready.len() < self.concurrency;
        let room = if wants { room } else { 0 };
        let upkeep = claims && work.is_upkeep_due();
        if work.turn.is_some() || (room == 0 && work.ended.is_empty() && !work.hurry && !upkeep) {
            return;
        }
        if upkeep {
            work.upkeep_at = Instant::now().checked_add(self.upkeep_every);
        }
        work.look = work.look && !wants;
        let (ended, hurry) = (std::mem::take(&mut work.ended), std::mem::take(&mut work.hurry));
        let problem = std::mem::take(&mut work.problem_changed).then(|| work.problem.as_ref().map(ToString::to_string));
        let newest_first = self.newest_first || work.circuit.asks_with_newest();
        let (outbox, longest) = (Arc::clone(&self.outbox), self.backoff.longest());
        work.turn = Some(tokio::task::spawn_blocking(move || {
            if let Some(problem) = problem
                && let Err(error) = outbox.note_problem(problem.as_deref())
            {
                tracing::warn!(%error, "what is to be mended could not be written down");
            }
            if upkeep {
                outbox.upkeep();
            }
            turn(&outbox, ended, hurry, &Wish { room, newest_first, longest })
        }));
    }

    fn take_turn(work: &mut Work, turned: Turned) {
        // Behind an enter its leave may wait; behind a full claim there may be more.
        work.look = work.look || !turned.claimed.is_empty();
        work.next_due = turned.next_due;
        work.ready.extend(turned.claimed);
        work.ended.extend(turned.unwritten);
    }

    fn note(&self, work: &mut Work, ended: Result<Ended, tokio::task::JoinError>) {
        match ended {
            Ok((attempt, ended)) => {
                let (outcome, date) = ended.map_or_else(|error| (Err(error), None), |(what, date)| (Ok(what), date));
                let is_answer = is_answer(&outcome);
                let settled = self.settled(outcome, &attempt, work);
                if is_answer {
                    work.look_for_problems(date);
                }
                if !matches!(settled, Settled::Later { .. }) {
                    work.denials.forget(attempt.record);
                }
                work.ended.push((attempt.record, settled));
                work.look = true;
            }
            // Its claim stays until the next start: it might be the record that did it.
            Err(error) => tracing::error!(%error, "a push ended in a fault of ours"),
        }
    }

    fn settled(&self, outcome: Result<Outcome, ClientError>, attempt: &Attempt, work: &mut Work) -> Settled {
        match outcome {
            Ok(Outcome::TryLater { reason, retry_after }) => {
                work.circuit.failed(&self.backoff, retry_after, chance(), Instant::now());
                let reason = without_personal(&reason, &attempt.personal);
                tracing::warn!(reason, "not sent: it stays in the outbox");
                self.later(attempt, retry_after, reason)
            }
            Ok(Outcome::Denied { denial, told, .. }) => {
                let told = without_personal(&told, &attempt.personal);
                match work.denials.denied(attempt.record, denial, work.begun) {
                    Scope::One => dead(told),
                    Scope::Undecided { is_first } => {
                        if is_first || work.circuit.is_open() {
                            work.circuit.failed(&self.backoff, None, chance(), Instant::now());
                        }
                        tracing::warn!(told, "not let in: it stays in the outbox");
                        self.later(attempt, None, told)
                    }
                }
            }
            Ok(Outcome::TooLarge { told }) => {
                work.hurry |= work.circuit.answered();
                self.too_large(without_personal(&told, &attempt.personal), attempt)
            }
            Ok(Outcome::Refused(reply)) => {
                work.hurry |= work.circuit.answered();
                dead(without_personal(&reply.hint.unwrap_or(reply.message), &attempt.personal))
            }
            Ok(Outcome::Accepted(_)) => {
                self.passed(attempt, work);
                Settled::Sent { hint: None }
            }
            Ok(Outcome::AcceptedWithHint(reply)) => {
                self.passed(attempt, work);
                self.hinted(without_personal(&reply.hint.unwrap_or_default(), &attempt.personal))
            }
            Err(error) => self.unreadable(error, attempt),
        }
    }

    fn passed(&self, attempt: &Attempt, work: &mut Work) {
        work.denials.passed(attempt.number);
        work.hurry |= work.circuit.answered();
    }

    fn hinted(&self, hint: String) -> Settled {
        match self.on_hint {
            OnHint::Hold => Settled::Held { hint },
            OnHint::Accept => {
                tracing::warn!(hint, "taken with a hint");
                Settled::Sent { hint: Some(hint) }
            }
        }
    }

    fn too_large(&self, told: String, attempt: &Attempt) -> Settled {
        match self.on_too_large {
            OnTooLarge::WithoutPictures if attempt.has_pictures => {
                tracing::error!(
                    record = attempt.record,
                    told,
                    "too large: the record goes once more without its pictures"
                );
                Settled::WithoutPictures { reason: told }
            }
            OnTooLarge::WithoutPictures | OnTooLarge::Dead => dead(told),
        }
    }

    /// Something on this side of the line.
    fn unreadable(&self, error: ClientError, attempt: &Attempt) -> Settled {
        match error {
            ClientError::File(path, error) if error.kind() == ErrorKind::NotFound => {
                tracing::error!(record = attempt.record, path = %path.display(), "a picture is gone: the record goes without it");
                Settled::PictureGone { path, reason: error.to_string() }
            }
            ClientError::File(path, error) => {
                tracing::error!(record = attempt.record, path = %path.display(), %error, "a picture cannot be read: the record waits");
                self.later(attempt, None, format!("{}: {error}", path.display()))
            }
            // It would be no better the next time, and the others go on.
            ClientError::Setup(told) => dead(told),
        }
    }

    fn later(&self, attempt: &Attempt, asked: Option<Duration>, reason: String) -> Settled {
        let wait = self.backoff.wait(attempt.failures.saturating_add(1), asked, chance());
        Settled::Later { due: after(now_ms(), wait), reason }
    }
}

/// Did it come from the platform, or from what stands before it?
fn is_answer(outcome: &Result<Outcome, ClientError>) -> bool {
    match outcome {
        Ok(Outcome::Accepted(_) | Outcome::AcceptedWithHint(_) | Outcome::Refused(_) | Outcome::Denied { .. }) => true,
        Ok(Outcome::TooLarge { .. } | Outcome::TryLater { .. }) | Err(_) => false,
    }
}

fn dead(hint: String) -> Settled {
    tracing::error!(hint, "refused: the record is aside, see `parkgate agent dead list`");
    Settled::Dead { hint }
}

async fn push(client: Client, record: Claimed, number: u64) -> Ended {
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

/// What a turn is to bring.
struct Wish {
    /// So many records at most.
    room: usize,
    newest_first: bool,
    /// No record waits longer.
    longest: Duration,
}

/// An outbox that cannot be written now (a full disk) is tried again with the same: nothing is forgotten, nothing stops.
fn turn(outbox: &Outbox, ended: Vec<(i64, Settled)>, hurry: bool, wish: &Wish) -> Turned {
    let now = now_ms();
    let written = outbox
        .settle(&ended, now)
        .and_then(|()| if hurry { outbox.hurry() } else { outbox.clamp_due(now, wish.longest) });
    if let Err(error) = written {
        tracing::error!(%error, "the outbox cannot be written: trying again");
        std::thread::sleep(LOOK_EVERY);
        return Turned { unwritten: ended, ..Turned::default() };
    }
    let claimed = if wish.room == 0 { Ok(Vec::new()) } else { outbox.claim(wish.room, now, wish.newest_first) };
    match claimed.and_then(|claimed| Ok((claimed, outbox.next_due(now)?))) {
        Ok((claimed, next_due)) => Turned { unwritten: Vec::new(), claimed, next_due },
        Err(error) => {
            tracing::error!(%error, "the outbox cannot be read: trying again");
            Turned::default()
        }
    }
}

/// The end of the turn that is under way; never, if there is none.
async fn turned(turn: &mut Option<JoinHandle<Turned>>) -> Turned {
    let Some(under_way) = turn.as_mut() else { return pending().await };
    let ended = under_way.await;
    *turn = None;
    ended.unwrap_or_else(|error| match error.try_into_panic() {
        // What it was to write down is lost with it, and what it had claimed would wait until the next start: begun there.
        Ok(panic) => std::panic::resume_unwind(panic),
        Err(_) => Turned::default(),
    })
}

pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, OutboxError> + Send + 'static,
) -> Result<T, OutboxError> {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done,
        Err(error) => Err(OutboxError::File("outbox".into(), std::io::Error::other(error))),
    }
}

/// Milliseconds since 1970.
pub(crate) fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

/// From 0 to 1; without randomness, the middle.
fn chance() -> f64 {
    let mut bytes = [0; 2];
    match getrandom::fill(&mut bytes) {
        Ok(()) => f64::from(u16::from_le_bytes(bytes)) / f64::from(u16::MAX),
        Err(_) => 0.5,
    }
}

#[cfg(test)]
mod tests;
