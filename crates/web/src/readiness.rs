//! How the gate is. However many ask at once: the store and the pictures are asked one question at a time, and what came
//! of it is good for a second.

use std::sync::Arc;
use std::time::{Duration, Instant};

use parkgate_gate::Gate;
use tokio::sync::Mutex;
use tokio::task::JoinHandle;

/// A load balancer does not wait long either.
const PROBE_MAX: Duration = Duration::from_secs(2);
/// How long an answer is kept: load balancers ask every few seconds, and a flood of questions costs one probe.
const KEPT_FOR: Duration = Duration::from_secs(1);

pub(crate) const OK: &str = "ok";

/// How the gate is: of each, `ok` or what is wrong.
#[derive(Debug, Clone)]
pub(crate) struct ReadinessReport {
    /// The threads and tasks that must run all the time.
    pub(crate) parts: String,
    pub(crate) store: String,
    pub(crate) images: String,
    /// What a reply promises and the store, as it is set up, does not keep. Pushes are taken all the same.
    pub(crate) durability: String,
}

impl ReadinessReport {
    pub(crate) fn is_good(&self) -> bool {
        [&self.parts, &self.store, &self.images].into_iter().all(|found| found == OK)
    }
}

/// Asks everything, in a task of its own: somebody who asks and hangs up does not leave a second question to the next one.
pub(crate) async fn report(gate: Arc<Gate>, readiness: Arc<Readiness>) -> ReadinessReport {
    let looking = tokio::spawn(async move {
        let Probed { store, images, durability } = readiness.probed(&gate).await;
        // Not kept: it costs nothing, and whatever is found there ends the gate soon.
        let parts = gate.check().err().unwrap_or_else(|| OK.to_owned());
        ReadinessReport { parts, store, images, durability }
    });
    looking.await.unwrap_or_else(|error| {
        let ok = || OK.to_owned();
        ReadinessReport { parts: error.to_string(), store: ok(), images: ok(), durability: ok() }
    })
}

/// What the store and the pictures said.
#[derive(Debug, Clone)]
struct Probed {
    store: String,
    images: String,
    durability: String,
}

/// What is asked at the moment, and what came of it the last time.
#[derive(Default)]
pub(crate) struct Readiness(Mutex<Probes>);

#[derive(Default)]
struct Probes {
    store: Probe,
    images: Probe,
    durability: Probe,
    kept: Option<(Instant, Probed)>,
}

impl Readiness {
    async fn probed(&self, gate: &Gate) -> Probed {
        let mut probes = self.0.lock().await;
        if let Some((at, kept)) = &probes.kept
            && at.elapsed() < KEPT_FOR
        {
            return kept.clone();
        }
        let Probes { store, images, durability, kept } = &mut *probes;
        let (of_store, of_images, set_up) = (Arc::clone(&gate.store), gate.images.clone(), Arc::clone(&gate.store));
        let (store, images, durability) = tokio::join!(
            store.outcome(PROBE_MAX, || tokio::task::spawn_blocking(move || of_store
                .probe()
                .map_err(|error| error.to_string()))),
            images.outcome(PROBE_MAX, || tokio::spawn(async move {
                of_images.probe().await.map_err(|error| error.to_string())
            })),
            durability.outcome(PROBE_MAX, || tokio::task::spawn_blocking(move || {
                let warnings = set_up.durability_warnings().map_err(|error| error.to_string())?;
                if warnings.is_empty() { Ok(()) } else { Err(warnings.join("; ")) }
            })),
        );
        let found = Probed { store, images, durability };
        *kept = Some((Instant::now(), found.clone()));
        found
    }
}

/// A question under way. One that hangs is waited for again, not asked a second time: each would hold a thread.
#[derive(Default)]
struct Probe(Option<JoinHandle<Result<(), String>>>);

impl Probe {
    /// What came of the question, within this time.
    async fn outcome(&mut self, within: Duration, ask: impl FnOnce() -> JoinHandle<Result<(), String>>) -> String {
        // The answer to a question that nobody waited for any more is an old one.
        if self.0.as_ref().is_some_and(JoinHandle::is_finished) {
            self.0 = None;
        }
        let asked = self.0.get_or_insert_with(ask);
        let Ok(done) = tokio::time::timeout(within, asked).await else {
            return format!("no answer within {} s", within.as_secs());
        };
        self.0 = None;
        match done {
            Ok(Ok(())) => OK.to_owned(),
            Ok(Err(error)) => error,
            Err(error) => error.to_string(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_question_that_hangs_is_not_asked_again_and_one_from_before_is() {
        let mut probe = Probe::default();
        let (answer, answered) = tokio::sync::oneshot::channel();
        let hanging = || tokio::spawn(async move { answered.await.map_err(|error| error.to_string()) });
        assert_eq!(probe.outcome(Duration::ZERO, hanging).await, "no answer within 0 s");
        assert_eq!(probe.outcome(Duration::ZERO, || unreachable!("asked twice")).await, "no answer within 0 s");
        answer.send(()).unwrap();
        while !probe.0.as_ref().unwrap().is_finished() {
            tokio::task::yield_now().await;
        }
        let now = || tokio::spawn(async { Err("the disk is full".to_owned()) });
        assert_eq!(probe.outcome(PROBE_MAX, now).await, "the disk is full", "not what came of it long ago");
        assert_eq!(probe.outcome(PROBE_MAX, || tokio::spawn(async { Ok(()) })).await, OK);
    }
}
