//! Where the car park's software gives records: local HTTP, answered 202 only once they are durable.

use std::path::PathBuf;
use std::sync::Arc;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::response::{Html, IntoResponse, Response};
use axum::routing::{get, post};
use http::{StatusCode, header};
use parkgate_wire::PushKind;
use serde_json::{Map, Value, json};
use tokio::io::AsyncWriteExt;
use tokio::sync::Notify;

use crate::outbox::{Added, Outbox, OutboxError};
use crate::record::Record;
use crate::sender::{blocking, now_ms};
use crate::space::Space;
use crate::status;

/// A record with four pictures.
const BODY_BYTES_MAX: usize = 32 * 1024 * 1024;

#[derive(Clone)]
pub(crate) struct Intake {
    pub(crate) outbox: Arc<Outbox>,
    pub(crate) added: Arc<Notify>,
    /// Where pictures are written until they are copied in.
    pub(crate) incoming: PathBuf,
}

pub(crate) fn router(intake: Intake) -> Router {
    Router::new()
        .route("/enter", post(enter))
        .route("/leave", post(leave))
        .route("/space", post(space))
        .route("/status", get(told))
        .route("/metrics", get(metrics))
        .route("/", get(page))
        .with_state(intake)
}

async fn enter(State(intake): State<Intake>, request: Request) -> Response {
    intake.take(PushKind::Enter, request).await
}

async fn leave(State(intake): State<Intake>, request: Request) -> Response {
    intake.take(PushKind::Leave, request).await
}

/// Free spaces as the car park counts them, for the records that come after.
async fn space(State(intake): State<Intake>, body: Bytes) -> Response {
    let space: Space = match serde_json::from_slice(&body) {
        Ok(space) => space,
        Err(error) => {
            let what = format!(
                "应为 {{\"total_parking_space\": 100, \"remain_parking_space\": 10}} (send both numbers): {error}"
            );
            return json_response(StatusCode::BAD_REQUEST, &json!({ "error": what }));
        }
    };
    let outbox = Arc::clone(&intake.outbox);
    match blocking(move || outbox.tell_space(space, now_ms())).await {
        Ok(()) => json_response(StatusCode::OK, &json!({ "state": "known" })),
        Err(error) => failed(&error),
    }
}

async fn told(State(intake): State<Intake>) -> Response {
    let outbox = Arc::clone(&intake.outbox);
    match blocking(move || outbox.counts(now_ms())).await {
        Ok(counts) => json_response(StatusCode::OK, &status::json(&counts, now_ms())),
        Err(error) => failed(&error),
    }
}

async fn metrics(State(intake): State<Intake>) -> Response {
    let outbox = Arc::clone(&intake.outbox);
    match blocking(move || outbox.counts(now_ms())).await {
        Ok(counts) => {
            ([(header::CONTENT_TYPE, "text/plain; version=0.0.4")], status::metrics(&counts, now_ms())).into_response()
        }
        Err(error) => failed(&error),
    }
}

async fn page(State(intake): State<Intake>) -> Response {
    let outbox = Arc::clone(&intake.outbox);
    match blocking(move || Ok((outbox.counts(now_ms())?, outbox.aside()?))).await {
        Ok((counts, aside)) => Html(status::page(&counts, &aside, now_ms())).into_response(),
        Err(error) => failed(&error),
    }
}

/// Pictures of one request, removed when it is done.
struct Incoming(Vec<PathBuf>);

impl Drop for Incoming {
    fn drop(&mut self) {
        for path in &self.0 {
            if let Err(error) = std::fs::remove_file(path) {
                tracing::debug!(%error, "an incoming picture was gone already");
            }
        }
    }
}

impl Intake {
    async fn take(&self, kind: PushKind, request: Request) -> Response {
        let mut incoming = Incoming(Vec::new());
        let record = match self.read(kind, request, &mut incoming).await {
            Ok(record) => record,
            Err(what) => return json_response(StatusCode::BAD_REQUEST, &json!({ "error": what })),
        };
        let outbox = Arc::clone(&self.outbox);
        let added = blocking(move || outbox.add(&record, now_ms())).await;
        drop(incoming);
        match added {
            Ok(Added::Queued(id)) => {
                self.added.notify_one();
                json_response(StatusCode::ACCEPTED, &json!({ "id": id, "state": "queued" }))
            }
            Ok(Added::Known(id)) => json_response(StatusCode::ACCEPTED, &json!({ "id": id, "state": "known" })),
            Ok(Added::Sent) => json_response(StatusCode::ACCEPTED, &json!({ "state": "sent" })),
            Err(error) => failed(&error),
        }
    }

    async fn read(&self, kind: PushKind, request: Request, incoming: &mut Incoming) -> Result<Record, String> {
        let content_type =
            request.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or("").to_owned();
        let object = if content_type.starts_with("multipart/form-data") {
            self.multipart(&content_type, request.into_body(), incoming).await?
        } else {
            let body = axum::body::to_bytes(request.into_body(), BODY_BYTES_MAX).await;
            let body = body.map_err(|error| format!("请求体不完整 (the body ended early): {error}"))?;
            let object: Map<String, Value> = serde_json::from_slice(&body)
                .map_err(|error| format!("应为JSON对象, 或multipart (send a JSON object, or multipart): {error}"))?;
            if let Some(part) = object.keys().find(|name| name.ends_with("_file")) {
                return Err(format!("`{part}`: 图片请用multipart上传 (send pictures by multipart)"));
            }
            object
        };
        Record::from_json(kind, &object)
    }

    async fn multipart(
        &self,
        content_type: &str,
        body: Body,
        incoming: &mut Incoming,
    ) -> Result<Map<String, Value>, String> {
        let boundary = multer::parse_boundary(content_type).map_err(|error| error.to_string())?;
        let bounds =
            multer::Constraints::new().size_limit(multer::SizeLimit::new().whole_stream(BODY_BYTES_MAX as u64));
        let mut parts = multer::Multipart::with_constraints(body.into_data_stream(), boundary, bounds);
        let mut object = Map::new();
        while let Some(mut part) = parts.next_field().await.map_err(|error| error.to_string())? {
            let name = part.name().unwrap_or_default().to_owned();
            if !name.ends_with("_file") {
                let text = part.text().await.map_err(|error| error.to_string())?;
                object.insert(name, Value::from(text));
                continue;
            }
            let mut unique = [0; 16];
            getrandom::fill(&mut unique).map_err(|error| error.to_string())?;
            let path = self.incoming.join(format!("{:032x}", u128::from_le_bytes(unique)));
            incoming.0.push(path.clone());
            let mut file = tokio::fs::File::create_new(&path).await.map_err(|error| error.to_string())?;
            while let Some(piece) = part.chunk().await.map_err(|error| error.to_string())? {
                file.write_all(&piece).await.map_err(|error| error.to_string())?;
            }
            file.flush().await.map_err(|error| error.to_string())?;
            object.insert(name, Value::from(path.to_string_lossy().into_owned()));
        }
        Ok(object)
    }
}

fn failed(error: &OutboxError) -> Response {
    let status = match error {
        OutboxError::Full(_) => StatusCode::INSUFFICIENT_STORAGE,
        OutboxError::Taken(_) => StatusCode::CONFLICT,
        OutboxError::Database(_) | OutboxError::File(..) => StatusCode::SERVICE_UNAVAILABLE,
    };
    tracing::error!(%error, "a record was not taken");
    json_response(status, &json!({ "error": error.to_string() }))
}

fn json_response(status: StatusCode, value: &Value) -> Response {
    (status, [(header::CONTENT_TYPE, "application/json; charset=utf-8")], value.to_string()).into_response()
}
