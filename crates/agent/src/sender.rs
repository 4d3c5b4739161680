//! Sends what waits, many at once, and stops asking a platform that is down.
//!
//! Three things go on side by side: pushes on their way; a *turn* at the outbox, which writes down what became of the
//! last ones and claims the next; and waiting for something new. A push that hangs holds one place, no more.

use std::collections::VecDeque;
use std::future::pending;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use parkgate_client::{Backoff, Circuit, Client, ClientError, Draft, Outcome, after};
use tokio::sync::{Notify, watch};
use tokio::task::{JoinHandle, JoinSet};

use crate::check;
use crate::config::OnHint;
use crate::outbox::{Claimed, Outbox, OutboxError, Settled};

/// Claimed at a time, at most.
const CLAIM_MAX: usize = 256;
/// Without a notice the outbox is looked at so often: another process may have added to it, a pause may be over.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// What is on its way when the agent is told to stop has so long; after that it is sent again next time.
const STOP_WITHIN: Duration = Duration::from_secs(10);

/// What sending needs.
pub(crate) struct Sender {
    pub(crate) outbox: Arc<Outbox>,
    pub(crate) client: Client,
    pub(crate) backoff: Backoff,
    pub(crate) on_hint: OnHint,
    pub(crate) concurrency: usize,
    pub(crate) newest_first: bool,
    /// Something was added.
    pub(crate) added: Arc<Notify>,
}

/// A push that ended: the record, its failures before, what came and the platform's time.
type Ended = (i64, u32, Result<(Outcome, Option<i64>), ClientError>);
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
    ready: VecDeque<Claimed>,
    sending: JoinSet<Ended>,
    ended: Vec<(i64, Settled)>,
    turn: Option<JoinHandle<Turned>>,
    /// There may be more to claim.
    look: bool,
    /// When the next pause of a record ends.
    next_due: Option<i64>,
    /// The platform came back: nobody waits for the end of their own pause.
    hurry: bool,
    /// What someone should mend, though records go out; told once, and shown until it is well.
    problem: Option<String>,
    /// It changed, and is to be written down.
    problem_changed: bool,
}

impl Work {
    /// How long nothing will happen by itself.
    fn rest(&mut self, now: i64) -> Duration {
        let ends = if self.circuit.is_open() {
            Some(self.circuit.open_until()).filter(|at| *at > now)
        } else {
            // Asked for anew by the next turn.
            self.next_due.take()
        };
        let left = ends.map(|at| Duration::from_millis(at.saturating_sub(now).max(1).unsigned_abs()));
        left.map_or(LOOK_EVERY, |left| left.min(LOOK_EVERY))
    }

    fn look_for_problems(&mut self, outcome: &Result<Outcome, ClientError>, date: Option<i64>) {
        let Ok(Outcome::Accepted(reply) | Outcome::AcceptedWithHint(reply) | Outcome::Refused(reply)) = outcome else {
            return;
        };
        let clock = date.map(|date| check::clock(date, now_ms())).filter(|clock| !clock.is_ok).map(|clock| clock.told);
        let is_unsigned = reply.hint.as_deref().is_some_and(|hint| hint.contains("签名验证不通过"));
        let problem = match is_unsigned {
            true => Some("平台报签名错误: 检查 [platform] secret, 见 agent check (the signature is wrong)".to_owned()),
            false => clock,
        };
        if problem == self.problem || (problem.is_some() && self.problem.is_some()) {
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
        let allowed = work.circuit.allows(self.concurrency, now_ms());
        if work.circuit.is_open() && work.ready.len() > 1 {
            self.outbox.give_back(work.ready.drain(..).map(|record| record.id));
        }
        while work.sending.len() < allowed
            && let Some(record) = work.ready.pop_front()
        {
            let client = self.client.clone();
            work.sending.spawn(push(client, record));
        }
    }

    /// A turn at the outbox, if there is reason for one and none is under way.
    fn start_turn(&self, work: &mut Work, claims: bool) {
        let now = now_ms();
        let room = work.circuit.allows(CLAIM_MAX, now).saturating_sub(work.ready.len());
        let wants = claims && work.look && room > 0 && work.ready.len() < self.concurrency;
        let room = if wants { room } else { 0 };
        if work.turn.is_some() || (room == 0 && work.ended.is_empty() && !work.hurry) {
            return;
        }
        work.look = work.look && !wants;
        let (ended, hurry) = (std::mem::take(&mut work.ended), std::mem::take(&mut work.hurry));
        let problem = std::mem::take(&mut work.problem_changed).then(|| work.problem.clone());
        let newest_first = self.newest_first || work.circuit.asks_with_newest();
        let outbox = Arc::clone(&self.outbox);
        work.turn = Some(tokio::task::spawn_blocking(move || {
            if let Some(problem) = problem
                && let Err(error) = outbox.note_problem(problem.as_deref())
            {
                tracing::warn!(%error, "what is to be mended could not be written down");
            }
            turn(&outbox, ended, hurry, room, newest_first)
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
            Ok((id, failures, ended)) => {
                let (outcome, date) = ended.map_or_else(|error| (Err(error), None), |(what, date)| (Ok(what), date));
                work.look_for_problems(&outcome, date);
                let settled = self.judged(outcome, failures, work);
                work.ended.push((id, settled));
                work.look = true;
            }
            // Its claim stays until the next start: it might be the record that did it.
            Err(error) => tracing::error!(%error, "a push ended in a fault of ours"),
        }
    }

    fn judged(&self, outcome: Result<Outcome, ClientError>, failures: u32, work: &mut Work) -> Settled {
        match outcome {
            Ok(Outcome::TryLater { reason, retry_after }) => {
                let (now, asked) = (now_ms(), retry_after.map(Duration::from_secs));
                work.circuit.failed(&self.backoff, asked, chance(), now);
                tracing::warn!(reason, "not sent: it stays in the outbox");
                Settled::Later { due: after(now, self.backoff.wait(failures + 1, asked, chance())), reason }
            }
            // It would be no better the next time, and the others go on.
            Err(error) => {
                tracing::error!(%error, "cannot be sent: the record is aside, see `parkgate agent dead list`");
                Settled::Dead { hint: error.to_string() }
            }
            Ok(answered) => {
                work.hurry |= work.circuit.answered();
                self.answered(answered)
            }
        }
    }

    fn answered(&self, outcome: Outcome) -> Settled {
        match outcome {
            Outcome::Refused(reply) => {
                let hint = reply.hint.unwrap_or(reply.message);
                tracing::error!(hint, "refused: the record is aside, see `parkgate agent dead list`");
                Settled::Dead { hint }
            }
            Outcome::AcceptedWithHint(reply) if self.on_hint == OnHint::Hold => {
                Settled::Held { hint: reply.hint.unwrap_or_default() }
            }
            Outcome::AcceptedWithHint(reply) => {
                tracing::warn!(hint = reply.hint, "taken with a hint");
                Settled::Sent { hint: reply.hint }
            }
            Outcome::Accepted(_) | Outcome::TryLater { .. } => Settled::Sent { hint: None },
        }
    }
}

async fn push(client: Client, record: Claimed) -> Ended {
    let mut draft = Draft::default();
    for (name, value) in &record.params {
        draft = draft.param(name, value);
    }
    for (part, path) in &record.files {
        draft = draft.file(part, path);
    }
    (record.id, record.attempts, client.push_dated(record.kind, draft).await)
}

/// An outbox that cannot be written now (a full disk) is tried again with the same: nothing is forgotten, nothing stops.
fn turn(outbox: &Outbox, ended: Vec<(i64, Settled)>, hurry: bool, room: usize, newest_first: bool) -> Turned {
    let now = now_ms();
    if let Err(error) = outbox.settle(&ended, now).and_then(|()| if hurry { outbox.hurry() } else { Ok(()) }) {
        tracing::error!(%error, "the outbox cannot be written: trying again");
        std::thread::sleep(LOOK_EVERY);
        return Turned { unwritten: ended, ..Turned::default() };
    }
    let claimed = if room == 0 { Ok(Vec::new()) } else { outbox.claim(room, now, newest_first) };
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
    ended.unwrap_or_else(|error| {
        tracing::error!(%error, "a turn at the outbox ended in a fault of ours");
        Turned::default()
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
