//! The local HTTP API through which the car park's software hands in records: answered 202 only once they are durable.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Request, State};
use axum::response::{Html, IntoResponse, Response};
use axum::routing::{get, post};
use http::{StatusCode, header};
use parkgate_client::now;
use parkgate_intake::{BodyShare, IntakeLimits, Unread};
use parkgate_text::texts;
use parkgate_wire::PushKind;
use parkgate_wire::content_type::without_bom;
use parkgate_wire::form::FormLimits;
use serde_json::{Map, Value, json};
use tokio::sync::Notify;

use crate::outbox::{Added, Outbox, OutboxError, blocking};
use crate::record::Record;
use crate::space::SpaceCount;
use crate::status;
use crate::upload::{UploadFolder, UploadedPicture};

/// Room for a record with four pictures, larger than a gate accepts by default: another platform may accept them.
const LIMITS: IntakeLimits = IntakeLimits {
    body_bytes_max: 32 * 1024 * 1024,
    fields_bytes_max: 512 * 1024, // as the gate
    file_bytes_max: 32 * 1024 * 1024,
    files_max: 4, // as the document names them
    form: FormLimits::DEFAULT,
    body_idle_timeout: Duration::from_secs(10),
    body_timeout: Duration::from_secs(60),
    body_rate_min: 1024, // as the gate
    body_rate_after: Duration::from_secs(10),
};

#[derive(Clone)]
pub(crate) struct LocalApi {
    pub(crate) outbox: Arc<Outbox>,
    pub(crate) added: Arc<Notify>,
    /// Where pictures are written until they are copied in.
    pub(crate) incoming: UploadFolder,
}

pub(crate) fn router(api: LocalApi) -> Router {
    Router::new()
        .route("/enter", post(enter))
        .route("/leave", post(leave))
        .route("/release", post(release))
        .route("/update", post(update))
        .route("/space", post(space))
        .route("/status", get(state))
        .route("/metrics", get(metrics))
        .route("/", get(page))
        .with_state(api)
}

async fn enter(State(api): State<LocalApi>, request: Request) -> Response {
    api.take(PushKind::Enter, request).await
}

async fn leave(State(api): State<LocalApi>, request: Request) -> Response {
    api.take(PushKind::Leave, request).await
}

async fn release(State(api): State<LocalApi>, request: Request) -> Response {
    api.take(PushKind::Release, request).await
}

async fn update(State(api): State<LocalApi>, request: Request) -> Response {
    api.take(PushKind::Update, request).await
}

/// The free spaces as the car park counts them, for the records that follow.
async fn space(State(api): State<LocalApi>, body: Bytes) -> Response {
    let space: SpaceCount = match serde_json::from_slice(without_bom(&body)) {
        Ok(space) => space,
        Err(error) => {
            let what = (texts().agent_half.both_numbers)(&error.to_string());
            return json_response(StatusCode::BAD_REQUEST, &json!({ "error": what }));
        }
    };
    let outbox = Arc::clone(&api.outbox);
    match blocking(move || outbox.note_space(space, now())).await {
        Ok(()) => json_response(StatusCode::OK, &json!({ "state": "known" })),
        Err(error) => failed(&error),
    }
}

async fn state(State(api): State<LocalApi>) -> Response {
    let outbox = Arc::clone(&api.outbox);
    match blocking(move || outbox.counts(now())).await {
        Ok(counts) => json_response(StatusCode::OK, &status::json(&counts, now())),
        Err(error) => failed(&error),
    }
}

async fn metrics(State(api): State<LocalApi>) -> Response {
    let outbox = Arc::clone(&api.outbox);
    match blocking(move || outbox.counts(now())).await {
        Ok(counts) => {
            ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], status::metrics(&counts, now()))
                .into_response()
        }
        Err(error) => failed(&error),
    }
}

async fn page(State(api): State<LocalApi>) -> Response {
    let outbox = Arc::clone(&api.outbox);
    match blocking(move || Ok((outbox.counts(now())?, outbox.dead_letters()?))).await {
        Ok((counts, letters)) => Html(status::page(&counts, &letters, now())).into_response(),
        Err(error) => failed(&error),
    }
}

impl LocalApi {
    async fn take(&self, kind: PushKind, request: Request) -> Response {
        let (record, files) = match self.read(kind, request).await {
            Ok(read) => read,
            Err(Unread::Refused { refusal, .. }) => {
                return json_response(StatusCode::BAD_REQUEST, &json!({ "error": refusal.hint() }));
            }
            Err(Unread::Failed(error)) => {
                tracing::error!(%error, "a picture could not be written");
                return json_response(StatusCode::SERVICE_UNAVAILABLE, &json!({ "error": error.to_string() }));
            }
            Err(Unread::NoRoom) => {
                return json_response(
                    StatusCode::SERVICE_UNAVAILABLE,
                    &json!({ "error": "no room for this body now" }),
                );
            }
        };
        let record = match record {
            Ok(record) => record,
            Err(what) => return json_response(StatusCode::BAD_REQUEST, &json!({ "error": what })),
        };
        let outbox = Arc::clone(&self.outbox);
        let added = blocking(move || outbox.add(&record, now())).await;
        // They have been copied into the outbox.
        drop(files);
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

    /// Reads a form, or else JSON, and the pictures that came with it.
    async fn read(
        &self,
        kind: PushKind,
        request: Request,
    ) -> Result<(Result<Record, String>, Vec<UploadedPicture>), Unread<UploadedPicture, io::Error>> {
        let (head, mut body) = request.into_parts();
        if !parkgate_intake::is_form(&head) {
            let text = parkgate_intake::read_text(&head, &mut body, &LIMITS).await?;
            return Ok((record_of_json(kind, &text), Vec::new()));
        }
        let read =
            parkgate_intake::read(&head, &mut body, &LIMITS, &mut BodyShare::unbounded(), &self.incoming).await?;
        let files = read.files.iter().map(|(part, picture)| (part.clone(), picture.path().to_owned())).collect();
        let params = read.form.params().map(|param| (param.name.to_owned(), param.value.to_owned()));
        let record = Record::new(kind, params.collect(), files);
        Ok((record, read.files.into_iter().map(|(_, picture)| picture).collect()))
    }
}

fn record_of_json(kind: PushKind, text: &str) -> Result<Record, String> {
    let object: Map<String, Value> =
        serde_json::from_str(text).map_err(|error| (texts().agent_half.write_object)(&error.to_string()))?;
    if let Some(part) = object.keys().find(|name| name.ends_with("_file")) {
        return Err((texts().agent_half.pictures_by_multipart)(part));
    }
    Record::from_json(kind, &object)
}

fn failed(error: &OutboxError) -> Response {
    let status = match error {
        OutboxError::Full(_) => StatusCode::INSUFFICIENT_STORAGE,
        OutboxError::Taken(_) => StatusCode::CONFLICT,
        OutboxError::Database(_)
        | OutboxError::File(..)
        | OutboxError::Key(_)
        | OutboxError::Seal(_)
        | OutboxError::Damaged(_) => StatusCode::SERVICE_UNAVAILABLE,
    };
    tracing::error!(%error, "a record was not taken");
    json_response(status, &json!({ "error": error.to_string() }))
}

pub(crate) fn json_response(status: StatusCode, value: &Value) -> Response {
    (status, [(header::CONTENT_TYPE, "application/json; charset=utf-8")], value.to_string()).into_response()
}
