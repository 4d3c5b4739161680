//! Comparison with another platform (`subscriber add --compare`): it is asked about each push, and its words are the reply
//! in place of ours. Wraps the way of a push, which knows nothing of it.

use axum::body::Body;
use axum::response::Response;
use http::{Request, StatusCode, header};
use hyper::body::Incoming;
use parkgate_gate::{Compared, Forwarder, KnownPark, RecordedUnder, Upstream};
use parkgate_ledger::Verdict;
use parkgate_wire::PushKind;

use crate::client_address::ClientAddress;
use crate::outcome::{PushOutcome, PushResult, Received};
use crate::push::{self, decide, read};
use crate::reply::{compared_summary, reply, unavailable};
use crate::server::Server;

/// Receives one push, and answers it with the other platform's words where it is asked.
pub(crate) async fn receive(
    server: &Server,
    kind: PushKind,
    client: ClientAddress,
    request: Request<Incoming>,
) -> Response {
    let Some(forwarder) = &server.gate.forwarder else { return push::receive(server, kind, client, request).await };
    let received = Received::now(server, kind, client);
    let mut share = server.bodies.share(client.host());
    let (form, rest) = read(server, &received, request, &mut share).await;
    let compared = match &form {
        Ok(form) => Compared::of(&server.gate.registry.load_full(), &form.form, kind, &form.files).await,
        Err(_) => Ok(None),
    };
    let (outcome, compared) = match compared {
        Ok(compared) => {
            let inline = compared.as_ref().and_then(|compared| forwarder.inline(compared));
            (decide(server, &received, form, inline).await, compared)
        }
        Err(fault) => (PushResult::Failed(fault).into(), None),
    };
    let ours = reply(server, &received, &outcome);
    rest.close(match compared {
        None => ours,
        Some(compared) => theirs(server, forwarder, &received, &outcome, compared).await.unwrap_or(ours),
    })
}

/// What is answered in place of our own reply, if anything is.
async fn theirs(
    server: &Server,
    forwarder: &Forwarder,
    received: &Received,
    outcome: &PushOutcome,
    compared: Compared,
) -> Option<Response> {
    // What could not be kept here must come again, whatever others say of it.
    let summary = compared_summary(received.kind, outcome, received.seqno)?;
    let park = outcome.park.as_deref();
    match (forwarder.ask(compared, recorded_under(outcome), &summary, received.seqno).await, &outcome.result) {
        (Some(upstream), _) => Some(of_upstream(upstream, park)),
        // It is delivered later.
        (None, PushResult::Recorded { .. }) => None,
        // Nothing here would send it later: the sender keeps it.
        (None, _) => {
            let (seqno, kind) = (received.seqno, received.kind.name());
            let park_uuid = park.map_or("", |park| park.park.park_uuid.as_str());
            tracing::warn!(%seqno, park_uuid, kind, "not taken here, and the compared platform gave no answer");
            Some(unavailable(server, received, park))
        }
    }
}

/// Where the push is recorded, if it is.
fn recorded_under(outcome: &PushOutcome) -> Option<RecordedUnder> {
    match &outcome.result {
        PushResult::Recorded { recorded, under } => match recorded.verdict() {
            Verdict::Recorded { .. } | Verdict::Repeated { .. } => Some(under.clone()),
            Verdict::Conflict { .. } | Verdict::Overflowing => None,
        },
        _ => None,
    }
}

/// The other platform's reply, to the letter.
pub(crate) fn of_upstream(upstream: Upstream, park: Option<&KnownPark>) -> Response {
    let mut response = Response::new(Body::from(upstream.body));
    let status = if park.is_some_and(|park| park.park.http_200_always) { 200 } else { upstream.status };
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::OK);
    if let Some(content_type) = upstream.content_type {
        response.headers_mut().insert(header::CONTENT_TYPE, content_type);
    }
    response
}
