//! Sends what waits, many at once, and stops asking a platform that is down.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use parkgate_client::{Backoff, Client, ClientError, Draft, Outcome};
use tokio::sync::{Notify, watch};

use crate::config::OnHint;
use crate::outbox::{Claimed, Outbox, OutboxError, Settled};

/// Claimed at a time: a commit for all of them.
const CLAIM_MAX: usize = 256;
/// Without a notice the outbox is looked at so often: another process may have added to it.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// So many failures in a row, and only one record at a time asks whether the platform is back.
const CIRCUIT_AFTER: u32 = 5;

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

/// Failures in a row, of all records together.
#[derive(Default)]
struct Circuit {
    failures: u32,
    /// How often it opened without a success in between.
    trips: u32,
    /// What the platform asked for last.
    retry_after: Option<Duration>,
    open_until: i64,
}

impl Circuit {
    fn is_open(&self) -> bool {
        self.failures >= CIRCUIT_AFTER
    }
}

impl Sender {
    /// Sends until told to stop, and then finishes what is on its way.
    pub(crate) async fn run(self, mut stop: watch::Receiver<bool>) -> Result<(), OutboxError> {
        let this = Arc::new(self);
        let mut circuit = Circuit::default();
        while !*stop.borrow() {
            let now = now_ms();
            let probing = circuit.is_open();
            let limit = match (probing, circuit.open_until > now) {
                (_, true) => 0,
                (true, false) => 1,
                (false, false) => CLAIM_MAX,
            };
            let claimed = this.claim(limit, now).await?;
            if claimed.is_empty() {
                tokio::select! {
                    () = this.added.notified() => {}
                    () = tokio::time::sleep(LOOK_EVERY) => {}
                    _ = stop.changed() => {}
                }
                continue;
            }
            this.send_all(claimed, &mut circuit).await?;
        }
        Ok(())
    }

    async fn claim(self: &Arc<Self>, limit: usize, now: i64) -> Result<Vec<Claimed>, OutboxError> {
        if limit == 0 {
            return Ok(Vec::new());
        }
        let this = Arc::clone(self);
        blocking(move || this.outbox.claim(limit, now, this.newest_first)).await
    }

    async fn send_all(self: &Arc<Self>, claimed: Vec<Claimed>, circuit: &mut Circuit) -> Result<(), OutboxError> {
        let mut waiting = claimed.into_iter();
        let mut sending = FuturesUnordered::new();
        let mut settled = Vec::new();
        let was_open = circuit.is_open();
        loop {
            while sending.len() < self.concurrency
                && let Some(record) = waiting.next()
            {
                sending.push(self.send(record));
            }
            let Some((id, failures, outcome)) = sending.next().await else { break };
            settled.push((id, self.judged(outcome, failures, circuit)));
            if circuit.is_open() {
                // The others were not sent: they go back as they were.
                settled.extend(waiting.by_ref().map(|record| {
                    let reason = "平台暂不可用, 暂停发送 (the platform is away: paused)".to_owned();
                    (record.id, Settled::Later { due: 0, reason })
                }));
            }
        }
        if circuit.is_open() {
            circuit.trips = circuit.trips.saturating_add(1);
            circuit.open_until = after(self.backoff.wait(circuit.trips, circuit.retry_after, chance()));
        }
        let (this, is_back) = (Arc::clone(self), was_open && !circuit.is_open());
        blocking(move || {
            this.outbox.settle(&settled, now_ms())?;
            // The platform is back: nobody waits for the end of their own pause.
            if is_back { this.outbox.hurry() } else { Ok(()) }
        })
        .await
    }

    async fn send(&self, record: Claimed) -> (i64, u32, Result<Outcome, ClientError>) {
        let mut draft = Draft::default();
        for (name, value) in &record.params {
            draft = draft.param(name, value);
        }
        for (part, path) in &record.files {
            draft = draft.file(part, path);
        }
        (record.id, record.attempts, self.client.push(record.kind, draft).await)
    }

    fn judged(&self, outcome: Result<Outcome, ClientError>, failures: u32, circuit: &mut Circuit) -> Settled {
        let later = |reason: String, retry_after: Option<u64>, circuit: &mut Circuit| {
            circuit.failures = circuit.failures.saturating_add(1);
            let asked = retry_after.map(Duration::from_secs);
            circuit.retry_after = asked;
            tracing::warn!(reason, "not sent: it stays in the outbox");
            Settled::Later { due: after(self.backoff.wait(failures + 1, asked, chance())), reason }
        };
        match outcome {
            Ok(Outcome::TryLater { reason, retry_after }) => later(reason, retry_after, circuit),
            // It would be no better the next time, and the others go on.
            Err(error) => {
                tracing::error!(%error, "cannot be sent: the record is aside, see `parkgate agent dead list`");
                Settled::Dead { hint: error.to_string() }
            }
            Ok(reply) => {
                *circuit = Circuit::default();
                match reply {
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
    }
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

fn after(wait: Duration) -> i64 {
    now_ms().saturating_add(i64::try_from(wait.as_millis()).unwrap_or(i64::MAX))
}

/// From 0 to 1; without randomness, the middle.
fn chance() -> f64 {
    let mut bytes = [0; 2];
    match getrandom::fill(&mut bytes) {
        Ok(()) => f64::from(u16::from_le_bytes(bytes)) / f64::from(u16::MAX),
        Err(_) => 0.5,
    }
}
