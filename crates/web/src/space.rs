//! `GET /gate/1.0/parking/realtime/space`: a park's free spaces, for apps that show them (`protocol/facts.md` 9).
//!
//! The parameters stand in the query and are signed like a push's. The count is read from the store for each call: it is
//! one row.

use std::sync::Arc;
use std::time::Instant;

use axum::extract::{Extension, Request, State};
use axum::response::Response;
use encoding_rs::UTF_8;
use parkgate_client::now;
use parkgate_gate::admit::{NotAsked, Rejection, may_ask};
use parkgate_gate::{Gate, GateFault, KnownPark};
use parkgate_wire::form::FormLimits;
use parkgate_wire::{Form, Refusal, SPACE_PATH, Seqno};
use serde_json::json;

use crate::client_address::ClientAddress;
use crate::query_reply::{QueryReply, QueryRequest};
use crate::server::Server;

pub(crate) async fn answer(
    State(server): State<Arc<Server>>,
    Extension(client): Extension<ClientAddress>,
    request: Request,
) -> Response {
    let gate = &server.gate;
    let (started, seqno) = (Instant::now(), gate.next_seqno());
    let (reply, park) = match asked(gate, &request, client) {
        Ok(park) => (found(gate, &park, seqno).await, Some(park)),
        Err(refused) => (QueryReply::refused(&refused.rejection), refused.park),
    };
    tracing::debug!(%seqno, code = reply.code(), "free spaces asked");
    let query = QueryRequest { method: "GET", path: SPACE_PATH, seqno, started, node: &gate.settings.node };
    reply.response(&query, park.as_deref())
}

/// Whose count is asked for, if the asker may know it.
fn asked(gate: &Gate, request: &Request, client: ClientAddress) -> Result<Arc<KnownPark>, Box<NotAsked>> {
    let refuse = |refusal| Box::new(NotAsked { park: None, rejection: Rejection::Refused(refusal) });
    let query = request.uri().query().unwrap_or_default();
    let form = Form::from_urlencoded(query.as_bytes(), UTF_8, FormLimits::default()).map_err(refuse)?;
    for name in ["park_uuid", "sign"] {
        if form.get(name).is_none() {
            return Err(refuse(Refusal::Missing { name }));
        }
    }
    Ok(may_ask(&gate.registry.load(), form, None, client.0, now())?.park)
}

async fn found(gate: &Gate, known: &KnownPark, seqno: Seqno) -> QueryReply {
    let (store, id) = (Arc::clone(&gate.store), known.park.counted());
    let space = match tokio::task::spawn_blocking(move || store.space(id)).await {
        Ok(Ok(space)) => space,
        Ok(Err(error)) => return failed(&GateFault::from(error), seqno),
        Err(error) => return failed(&GateFault::from(parkgate_store::StoreError::Broken(error.to_string())), seqno),
    };
    let shown = space.shown(known.park.total_parking_space);
    let (Some(total), Some(remain)) = (shown.total, shown.remain) else {
        return QueryReply::no_result("车位数未知 (no push brought the number of spaces yet)".into());
    };
    // Not `mode` and `remark`, of which nothing is known here.
    let payload = json!({
        "park_uuid": known.park.park_uuid,
        "park_name": known.park.name,
        "total_space": total,
        "remain_space": remain,
        "total_reserve_space": 0,
        "remain_reserve_space": 0,
        "area_space": [],
    });
    QueryReply::found(None, vec![("payload", payload)])
}

fn failed(fault: &GateFault, seqno: Seqno) -> QueryReply {
    tracing::error!(%seqno, error = %fault, "free spaces could not be read");
    QueryReply::failed(fault)
}
