//! Every route of both addresses, in two tables.

use std::convert::Infallible;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::response::Response;
use axum::routing::get;
use http::{HeaderValue, StatusCode, header};
use hyper::body::{Body as _, Incoming};
use parkgate_wire::call::ReplyStyle;
use parkgate_wire::reply::ReplyCode;
use parkgate_wire::{SPACE_PATH, call_at};

use crate::client_address::ClientAddress;
use crate::reply::json_response;
use crate::server::Server;
use crate::{before, compare, health, passed, push, space};

/// Every route of the public address but the pushes.
fn public(server: Arc<Server>) -> Router {
    Router::new()
        .route("/healthz", get(health::alive))
        .route("/readyz", get(health::ready))
        .route(METRICS, get(elsewhere))
        .route(SPACE_PATH, get(space::answer))
        .fallback(unknown_path)
        .with_state(server)
}

/// Every route of the admin address.
pub(crate) fn admin(server: Arc<Server>) -> Router {
    Router::new()
        .route("/healthz", get(health::alive))
        .route("/readyz", get(health::ready_in_detail))
        .route(METRICS, get(health::metrics))
        .fallback((StatusCode::NOT_FOUND, "there are /metrics, /readyz and /healthz\n"))
        .with_state(server)
}

const METRICS: &str = "/metrics";

/// What answers a request.
pub(crate) struct Routes {
    server: Arc<Server>,
    others: Router,
}

impl Routes {
    pub(crate) fn new(server: Arc<Server>) -> Self {
        Routes { others: public(Arc::clone(&server)), server }
    }

    /// Pushes, and questions before entering, go past the router and its layers, and their bodies unboxed.
    pub(crate) async fn answer(
        &self,
        client: ClientAddress,
        request: http::Request<Incoming>,
    ) -> Result<Response, Infallible> {
        let is_compared = self.server.gate.registry.load().is_compared();
        if let Some(call) = call_at(request.uri().path()) {
            return Ok(match call.kind {
                Some(kind) if is_compared => compare::receive(&self.server, kind, client, request).await,
                Some(kind) => push::receive(&self.server, kind, client, request).await,
                None => before::receive(&self.server, client, request).await,
            });
        }
        // Unless somebody else may take another method there, the route of free spaces says which one it takes.
        let is_routed = request.uri().path() == SPACE_PATH && !is_compared;
        if !is_routed && passed::is_not_ours(request.method(), request.uri().path()) {
            return Ok(passed::receive(&self.server, client, request).await);
        }
        // Nobody reads it here, and nothing can follow it.
        let has_body = !request.body().is_end_stream();
        let mut request = request.map(Body::new);
        request.extensions_mut().insert(client);
        let mut response = tower_service::Service::call(&mut self.others.clone(), request).await?;
        if has_body {
            response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        Ok(response)
    }
}

async fn unknown_path(State(server): State<Arc<Server>>, request: Request) -> Response {
    let hint = "没有这个接口, 请检查推送地址 (no such call: check the URL)";
    let json = ReplyCode::BadRequest.to_json(
        ReplyStyle::Ignoring,
        Some(hint),
        server.gate.next_seqno(),
        &server.gate.settings.node,
        request.uri().path(),
    );
    json_response(StatusCode::NOT_FOUND, json)
}

/// Figures name parks and subscribers, and everybody reaches this address.
async fn elsewhere(State(server): State<Arc<Server>>) -> Response {
    let hint = "指标在管理地址, 见启动时的`admin on` (figures are at the admin address: --admin-listen)";
    let json = ReplyCode::BadRequest.to_json(
        ReplyStyle::Ignoring,
        Some(hint),
        server.gate.next_seqno(),
        &server.gate.settings.node,
        METRICS,
    );
    json_response(StatusCode::NOT_FOUND, json)
}
