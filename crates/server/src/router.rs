//! Every route, in one table.

use std::sync::Arc;

use axum::Router;
use axum::extract::{Request, State};
use axum::response::Response;
use axum::routing::{any, get};
use parkgate_wire::PushKind;
use parkgate_wire::reply::Answer;

use crate::gate::Gate;
use crate::{health, push};

pub(crate) fn router(gate: Arc<Gate>) -> Router {
    Router::new()
        .route(PushKind::Leave.path(), any(leave))
        .route(PushKind::Enter.path(), any(enter))
        .route("/healthz", get(health::alive))
        .route("/readyz", get(health::ready))
        .route("/metrics", get(health::metrics))
        .fallback(unknown_path)
        .with_state(gate)
}

async fn leave(State(gate): State<Arc<Gate>>, request: Request) -> Response {
    push::receive(&gate, PushKind::Leave, request).await
}

async fn enter(State(gate): State<Arc<Gate>>, request: Request) -> Response {
    push::receive(&gate, PushKind::Enter, request).await
}

async fn unknown_path(State(gate): State<Arc<Gate>>, request: Request) -> Response {
    let hint = "没有这个接口, 请检查推送地址 (no such call: check the URL)";
    let json = Answer::BadRequest.to_json(Some(hint), gate.next_seqno(), &gate.settings.node, request.uri().path());
    push::json_response(http::StatusCode::NOT_FOUND, json)
}
