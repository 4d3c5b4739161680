//! Alive, ready, and the figures.
//!
//! Whoever asks, and however many at once: the store and the pictures are asked one question at a time, and what came of
//! it is good for a second. The public address says only yes or no; what was found is for the admin address.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::{StatusCode, header};
use parkgate_gate::Gate;
use parkgate_ledger::quarantine::QuarantineFull;
use serde_json::json;
use tokio::sync::Mutex;
use tokio::task::JoinHandle;

use crate::reply::json_response;
use crate::server::Server;

/// A load balancer does not wait long either.
const PROBE_MAX: Duration = Duration::from_secs(2);
/// How long an answer is kept: load balancers ask every few seconds, a flood of questions costs one probe.
const KEPT_FOR: Duration = Duration::from_secs(1);

/// The process answers; touches nothing else.
pub(crate) async fn alive() -> &'static str {
    "ok\n"
}

/// Can a push be recorded now? Yes or no: for the address that everybody reaches.
pub(crate) async fn ready(State(server): State<Arc<Server>>) -> Response {
    let ready = look(server).await.is_ready();
    json_response(status(ready), json!({ "ready": ready }).to_string())
}

/// The same, naming what fails.
pub(crate) async fn ready_in_detail(State(server): State<Arc<Server>>) -> Response {
    let found = look(Arc::clone(&server)).await;
    let ready = found.is_ready();
    // Of these good pushes know nothing.
    let (disk, quarantine) = (server.gate.disk.problem(), server.gate.quarantine.problem());
    let (disk, quarantine) = (disk.unwrap_or_else(|| OK.to_owned()), quarantine.map_or(OK, QuarantineFull::in_words));
    let Found { draining, parts, probed: Probed { store, images, durability } } = found;
    let body = json!({
        "ready": ready, "draining": draining, "parts": parts, "store": store, "images": images,
        "durability": durability,
        "disk": disk, "quarantine": quarantine,
    });
    json_response(status(ready), body.to_string())
}

/// Prometheus' text format.
pub(crate) async fn metrics(State(server): State<Arc<Server>>) -> Response {
    let content_type = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    ([(header::CONTENT_TYPE, content_type)], server.metrics.encode(&server.gate.recorder)).into_response()
}

fn status(ready: bool) -> StatusCode {
    if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE }
}

/// How the gate is.
#[derive(Debug, Clone)]
struct Found {
    draining: bool,
    /// Of the threads and tasks that must run all the time.
    parts: String,
    probed: Probed,
}

/// `ok`, or what is wrong.
#[derive(Debug, Clone)]
struct Probed {
    store: String,
    images: String,
    /// What an answer promises and the store, as it is set up, does not keep. Pushes are taken all the same.
    durability: String,
}

impl Found {
    fn is_ready(&self) -> bool {
        !self.draining && self.parts == OK && self.probed.store == OK && self.probed.images == OK
    }
}

const OK: &str = "ok";

/// In a task of its own: who asks and hangs up does not leave a second question to the next one.
async fn look(server: Arc<Server>) -> Found {
    let looking = tokio::spawn(async move {
        let probed = server.readiness.probed(&server.gate).await;
        // Not kept: it costs nothing, and whatever is found there ends the gate soon.
        let parts = server.gate.check().err().unwrap_or_else(|| OK.to_owned());
        Found { draining: server.draining.load(Ordering::Relaxed), parts, probed }
    });
    looking.await.unwrap_or_else(|error| {
        let (parts, ok) = (error.to_string(), OK.to_owned());
        let probed = Probed { store: ok.clone(), images: ok.clone(), durability: ok };
        Found { draining: false, parts, probed }
    })
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
            store.told(PROBE_MAX, || tokio::task::spawn_blocking(move || of_store
                .probe()
                .map_err(|error| error.to_string()))),
            images.told(PROBE_MAX, || tokio::spawn(async move {
                of_images.probe().await.map_err(|error| error.to_string())
            })),
            durability.told(PROBE_MAX, || tokio::task::spawn_blocking(move || {
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
    /// What the question came to, soon.
    async fn told(&mut self, within: Duration, ask: impl FnOnce() -> JoinHandle<Result<(), String>>) -> String {
        // One that came back when nobody waited any more tells of that time, not of now.
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
        assert_eq!(probe.told(Duration::ZERO, hanging).await, "no answer within 0 s");
        assert_eq!(probe.told(Duration::ZERO, || unreachable!("asked twice")).await, "no answer within 0 s");
        answer.send(()).unwrap();
        while !probe.0.as_ref().unwrap().is_finished() {
            tokio::task::yield_now().await;
        }
        let now = || tokio::spawn(async { Err("the disk is full".to_owned()) });
        assert_eq!(probe.told(PROBE_MAX, now).await, "the disk is full", "not what came of it long ago");
        assert_eq!(probe.told(PROBE_MAX, || tokio::spawn(async { Ok(()) })).await, OK);
    }
}
