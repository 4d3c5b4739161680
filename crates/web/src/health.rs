//! Alive, ready, and the figures. The public address says of readiness only yes or no; what was found is for the admin
//! address.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::{StatusCode, header};
use parkgate_ledger::quarantine::QuarantineFull;
use serde_json::json;

use crate::metrics::{CONTENT_TYPE, ServingState};
use crate::readiness::{OK, ReadinessReport, report};
use crate::reply::json_response;
use crate::server::Server;

/// The process answers; touches nothing else.
pub(crate) async fn alive() -> &'static str {
    "ok\n"
}

/// Can a push be recorded now? Yes or no: for the address that everybody reaches.
pub(crate) async fn ready(State(server): State<Arc<Server>>) -> Response {
    let (_, ready) = look(&server).await;
    json_response(status(ready), json!({ "ready": ready }).to_string())
}

/// The same, naming what fails.
pub(crate) async fn ready_in_detail(State(server): State<Arc<Server>>) -> Response {
    let (report, ready) = look(&server).await;
    // Neither keeps a good push out.
    let (disk, quarantine) = (server.gate.disk.problem(), server.gate.quarantine.problem());
    let (disk, quarantine) = (disk.unwrap_or_else(|| OK.to_owned()), quarantine.map_or(OK, QuarantineFull::in_words));
    let draining = server.draining.load(Ordering::Relaxed);
    let ReadinessReport { parts, store, images, durability } = report;
    let body = json!({
        "ready": ready, "draining": draining, "parts": parts, "store": store, "images": images,
        "durability": durability,
        "disk": disk, "quarantine": quarantine,
    });
    json_response(status(ready), body.to_string())
}

/// Prometheus' text format.
pub(crate) async fn metrics(State(server): State<Arc<Server>>) -> Response {
    let (_, is_ready) = look(&server).await;
    let state = ServingState { is_ready, connections_max: server.connections_max };
    ([(header::CONTENT_TYPE, CONTENT_TYPE)], server.metrics.encode(&server.gate, state)).into_response()
}

/// How the gate is, and whether a push can be recorded now.
async fn look(server: &Server) -> (ReadinessReport, bool) {
    let report = report(Arc::clone(&server.gate), Arc::clone(&server.readiness)).await;
    let ready = report.is_good() && !server.draining.load(Ordering::Relaxed);
    (report, ready)
}

fn status(ready: bool) -> StatusCode {
    if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE }
}
