//! The way of a push, from the request to the reply: each check in its order (`DESIGN.md` 3.3).
//!
//! Nothing here decides business: the gate says whether a push is admitted, the ledger behind its recorder what becomes of
//! it. In a gate that records, an OK of its own is only made of a `Recorded`, and that only of a committed batch.

use std::sync::Arc;

use axum::response::Response;
use http::{HeaderValue, Request, header};
use hyper::body::{Body, Incoming};
use parkgate_gate::admit::{Admitted, Rejection, admit};
use parkgate_gate::{
    ArrivedFiles, KnownPark, Quarantining, Recording, RefusalCause, RefusedContent, RefusedFiles, RefusedPush,
};
use parkgate_intake::{BodyShare, Unread};
use parkgate_store::Inline;
use parkgate_store::images::FinishedImage;
use parkgate_wire::PushKind;

use crate::client_address::ClientAddress;
use crate::outcome::{PushOutcome, PushResult, Received};
use crate::pictures::{ImageSink, SinkError};
use crate::reply::reply;
use crate::server::Server;

/// The form of a push with its files, or why there is none.
pub(crate) type PushForm = Result<parkgate_intake::FormWithFiles<FinishedImage>, Unread<FinishedImage, SinkError>>;

/// Receives one push and answers it.
pub(crate) async fn receive(
    server: &Server,
    kind: PushKind,
    client: ClientAddress,
    request: Request<Incoming>,
) -> Response {
    let received = Received::now(server, kind, client);
    // Holds what the body keeps in memory, until the push is answered.
    let mut share = server.bodies.share(client.host());
    let (form, rest) = read(server, &received, request, &mut share).await;
    let outcome = decide(server, &received, form, None).await;
    rest.close(reply(server, &received, &outcome))
}

/// Check 1: the body becomes a form, its files go to the image store.
pub(crate) async fn read(
    server: &Server,
    received: &Received,
    request: Request<Incoming>,
    share: &mut BodyShare,
) -> (PushForm, BodyRest) {
    let (head, mut body) = request.into_parts();
    let limits = server.gate.settings.limits.intake();
    let sink = ImageSink { gate: &server.gate, received };
    let form = parkgate_intake::read(&head, &mut body, &limits, share, &sink).await;
    let rest = rest_of(&body, form.is_ok());
    (form, rest)
}

/// What was not read of a body, which became a form or did not.
pub(crate) fn rest_of(body: &Incoming, is_form: bool) -> BodyRest {
    // Of a body whose length the header does not give, only one that became a form is known to have ended.
    let may_have_rest = !is_form || body.size_hint().exact().is_some();
    if may_have_rest && !body.is_end_stream() { BodyRest::Unread } else { BodyRest::None }
}

/// Checks 2 to 6, then the ledger: the push is admitted and recorded, or refused. `inline` names the platform that is asked about it before
/// it is answered.
pub(crate) async fn decide(
    server: &Server,
    received: &Received,
    form: PushForm,
    inline: Option<Inline>,
) -> PushOutcome {
    let form = match form {
        Ok(form) => form,
        Err(unread) => return without_form(server, received, unread).await,
    };
    let admitted = {
        let registry = server.gate.registry.load();
        let payments_max = server.gate.settings.limits.payments_max;
        admit(&registry, form.form, received.kind, received.client.0, received.received_at, payments_max)
    };
    match admitted {
        Ok(admitted) => record(server, received, admitted, form.files, inline).await,
        Err(rejected) => {
            let (park, content) = (rejected.park, Some(RefusedContent::Form(rejected.form)));
            refuse(server, received, park, rejected.rejection, content, form.files).await
        }
    }
}

async fn record(
    server: &Server,
    received: &Received,
    admitted: Admitted,
    files: ArrivedFiles,
    inline: Option<Inline>,
) -> PushOutcome {
    let park = Arc::clone(&admitted.park);
    let recording = server.gate.pushes.record(admitted, files, received.seqno, received.received_at, inline).await;
    let result = match recording {
        Ok(Recording::Recorded { recorded, under }) => PushResult::Recorded { recorded, under },
        Ok(Recording::Verified) => PushResult::Verified,
        // Nobody gets stuck on a key, however often it was sent with other content.
        Ok(Recording::Overflowing { key, form, pictures }) => {
            let files = RefusedFiles::of_admitted(pictures, &form);
            let content = RefusedContent::Form(form);
            let cause = RefusalCause::KeyTaken(&key);
            let refused = refused_push(received, Some(&park), cause, content, files);
            match server.gate.quarantine.keep(refused).await {
                Ok(kept) => PushResult::Overflowed { key, kept },
                Err(fault) => PushResult::Failed(fault),
            }
        }
        Err(fault) => PushResult::Failed(fault),
    };
    PushOutcome { park: Some(park), result }
}

/// The body is no form, or could not be taken.
async fn without_form(server: &Server, received: &Received, unread: Unread<FinishedImage, SinkError>) -> PushOutcome {
    match unread {
        Unread::NoRoom => PushResult::NoMemory.into(),
        Unread::Failed(SinkError::Image(error)) => PushResult::Failed(error.into()).into(),
        Unread::Failed(SinkError::DiskLow) => {
            server.gate.quarantine.turn_away_for_disk().await;
            PushResult::DiskLow.into()
        }
        Unread::Refused { refusal, arrived, files } => {
            let content = arrived.map(|arrived| RefusedContent::Unread(*arrived));
            let named = content.as_ref().and_then(RefusedContent::park_uuid);
            let park = named.and_then(|park_uuid| server.gate.registry.load().park(&park_uuid).cloned());
            refuse(server, received, park, Rejection::Refused(refusal), content, files).await
        }
    }
}

/// Keeps what is worth keeping of a push that is not admitted.
async fn refuse(
    server: &Server,
    received: &Received,
    park: Option<Arc<KnownPark>>,
    rejection: Rejection,
    content: Option<RefusedContent>,
    files: ArrivedFiles,
) -> PushOutcome {
    let kept = match content {
        None => Ok(Quarantining::NotKept),
        Some(content) => {
            let (cause, files) = (RefusalCause::Rejected(&rejection), RefusedFiles::Arrived(files));
            server.gate.quarantine.keep(refused_push(received, park.as_deref(), cause, content, files)).await
        }
    };
    let result = match kept {
        Ok(kept) => PushResult::Refused { rejection, kept },
        Err(fault) => PushResult::Failed(fault),
    };
    PushOutcome { park, result }
}

fn refused_push<'a>(
    received: &Received,
    park: Option<&'a KnownPark>,
    cause: RefusalCause<'a>,
    content: RefusedContent,
    files: RefusedFiles,
) -> RefusedPush<'a> {
    let Received { kind, seqno, received_at, client, .. } = *received;
    RefusedPush { park, kind, seqno, received_at, address: client.0, cause, content, files }
}

/// What was not read of a body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum BodyRest {
    /// All of it was read.
    None,
    /// Not all of it was read, or it was never asked for: what follows on the connection may be it or another request.
    Unread,
}

impl BodyRest {
    /// Has the connection closed if it must be.
    pub(crate) fn close(self, mut response: Response) -> Response {
        if self == BodyRest::Unread {
            response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        response
    }
}
