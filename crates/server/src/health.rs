//! Alive, ready, and the figures.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::{StatusCode, header};

use crate::gate::Gate;
use crate::push::json_response;

const PROBE_MAX: Duration = Duration::from_secs(2);

/// The process answers; touches nothing else.
pub(crate) async fn alive() -> &'static str {
    "ok\n"
}

/// Can a push be recorded now? Names what fails.
pub(crate) async fn ready(State(gate): State<Arc<Gate>>) -> Response {
    let draining = gate.draining.load(Ordering::Relaxed);
    let store = Arc::clone(&gate.store);
    let store = async {
        match tokio::task::spawn_blocking(move || store.probe()).await {
            Ok(done) => done.map_err(|error| error.to_string()),
            Err(error) => Err(error.to_string()),
        }
    };
    let images = async { gate.images.probe().await.map_err(|error| error.to_string()) };
    let (store, images) = tokio::join!(told(store), told(images));
    let ready = !draining && store == "ok" && images == "ok";
    let status = if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    let body = serde_json::json!({ "ready": ready, "draining": draining, "store": store, "images": images });
    json_response(status, body.to_string())
}

/// What a probe came to, soon: a load balancer does not wait long either.
async fn told(probe: impl Future<Output = Result<(), String>>) -> String {
    match tokio::time::timeout(PROBE_MAX, probe).await {
        Ok(Ok(())) => "ok".to_owned(),
        Ok(Err(error)) => error,
        Err(_) => format!("no answer within {} s", PROBE_MAX.as_secs()),
    }
}

/// Prometheus' text format.
pub(crate) async fn metrics(State(gate): State<Arc<Gate>>) -> Response {
    let content_type = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    ([(header::CONTENT_TYPE, content_type)], gate.metrics.encode(&gate.recorder)).into_response()
}
