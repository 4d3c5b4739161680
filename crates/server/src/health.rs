//! Alive, ready, and the figures.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::{StatusCode, header};

use crate::gate::Gate;
use crate::push::json_response;

/// The process answers; touches nothing else.
pub(crate) async fn alive() -> &'static str {
    "ok\n"
}

/// Can a push be recorded now? Names what fails.
pub(crate) async fn ready(State(gate): State<Arc<Gate>>) -> Response {
    let draining = gate.draining.load(Ordering::Relaxed);
    let store = Arc::clone(&gate.store);
    let store = match tokio::task::spawn_blocking(move || store.probe()).await {
        Ok(Ok(())) => "ok".to_owned(),
        Ok(Err(error)) => error.to_string(),
        Err(error) => error.to_string(),
    };
    let images = match gate.images.probe().await {
        Ok(()) => "ok".to_owned(),
        Err(error) => error.to_string(),
    };
    let ready = !draining && store == "ok" && images == "ok";
    let status = if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    let body = serde_json::json!({ "ready": ready, "draining": draining, "store": store, "images": images });
    json_response(status, body.to_string())
}

/// Prometheus' text format.
pub(crate) async fn metrics(State(gate): State<Arc<Gate>>) -> Response {
    let content_type = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    ([(header::CONTENT_TYPE, content_type)], gate.metrics.encode(&gate.recorder)).into_response()
}
