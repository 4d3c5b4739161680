//! `GET /gate/1.0/parking/realtime/space`: a park's free spaces, for apps that show them (`protocol/facts.md` 9).
//!
//! The parameters stand in the query and are signed like a push's. The count is read from the store for each call: it is
//! one row.

use std::sync::Arc;
use std::time::Instant;

use axum::extract::{Extension, Request, State};
use axum::response::Response;
use encoding_rs::UTF_8;
use http::StatusCode;
use parkgate_client::now;
use parkgate_gate::admit::{Rejection, may_ask};
use parkgate_gate::{Gate, GateFault, KnownPark};
use parkgate_wire::call::ReplyStyle;
use parkgate_wire::form::FormLimits;
use parkgate_wire::reply::ReplyCode;
use parkgate_wire::{Form, Refusal, SPACE_PATH, Seqno};
use serde_json::{Map, Value, json};

use crate::client_address::ClientAddress;
use crate::reply::{json_response, of_fault, of_refusal};
use crate::server::Server;

/// Success of a query, as the sibling calls have it.
const FOUND: &str = "1001";
/// Nothing is known.
const NO_RESULT: &str = "1002";

/// What is answered.
struct SpaceReply {
    status: StatusCode,
    code: &'static str,
    message: &'static str,
    hint: Option<String>,
    payload: Option<Value>,
}

pub(crate) async fn answer(
    State(server): State<Arc<Server>>,
    Extension(client): Extension<ClientAddress>,
    request: Request,
) -> Response {
    let gate = &server.gate;
    let (started, seqno) = (Instant::now(), gate.next_seqno());
    let reply = match asked(gate, &request, client) {
        Ok(park) => found(gate, &park).await,
        Err(reply) => *reply,
    };
    tracing::debug!(%seqno, code = reply.code, "free spaces asked");
    json_response(reply.status, reply.to_json(&gate.settings.node, seqno, started))
}

/// Whose count is asked for, if the asker may know it.
fn asked(gate: &Gate, request: &Request, client: ClientAddress) -> Result<Arc<KnownPark>, Box<SpaceReply>> {
    let refuse = |refusal: &Refusal| {
        let (status, answer, _) = of_refusal(refusal.class());
        let hint = Some(refusal.hint());
        Box::new(SpaceReply {
            status,
            code: answer.code(ReplyStyle::Refusing),
            message: answer.message(),
            hint,
            payload: None,
        })
    };
    let query = request.uri().query().unwrap_or_default();
    let form = Form::from_urlencoded(query.as_bytes(), UTF_8, FormLimits::default()).map_err(|why| refuse(&why))?;
    for name in ["park_uuid", "sign"] {
        if form.get(name).is_none() {
            return Err(refuse(&Refusal::Missing { name }));
        }
    }
    may_ask(&gate.registry.load(), form, None, client.0, now()).map(|asked| asked.park).map_err(|why| match why {
        Rejection::Refused(refusal) => refuse(&refusal),
        // As the sibling calls say it: a query that is not answered cannot count as success.
        Rejection::Mismatched(mismatch) => Box::new(SpaceReply {
            status: StatusCode::UNAUTHORIZED,
            code: ReplyCode::WrongSignature.code(ReplyStyle::Refusing),
            message: ReplyCode::WrongSignature.message(),
            hint: Some(mismatch.masked),
            payload: None,
        }),
    })
}

async fn found(gate: &Gate, known: &KnownPark) -> SpaceReply {
    let (store, id) = (Arc::clone(&gate.store), known.park.counted());
    let space = match tokio::task::spawn_blocking(move || store.space(id)).await {
        Ok(Ok(space)) => space,
        Ok(Err(error)) => return failed(&GateFault::from(error)),
        Err(error) => return failed(&GateFault::from(parkgate_store::StoreError::Broken(error.to_string()))),
    };
    let shown = space.shown(known.park.total_parking_space);
    let ok = |code, hint, payload| SpaceReply { status: StatusCode::OK, code, message: "OK", hint, payload };
    let (Some(total), Some(remain)) = (shown.total, shown.remain) else {
        return ok(NO_RESULT, Some("车位数未知 (no push brought the number of spaces yet)".into()), None);
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
    ok(FOUND, None, Some(payload))
}

fn failed(fault: &GateFault) -> SpaceReply {
    tracing::error!(error = %fault, "free spaces could not be read");
    let (status, answer, _) = of_fault(fault);
    SpaceReply { status, code: answer.code(ReplyStyle::Refusing), message: answer.message(), hint: None, payload: None }
}

impl SpaceReply {
    fn to_json(&self, node: &str, seqno: Seqno, started: Instant) -> String {
        let mut reply = Map::new();
        reply.insert("code".into(), self.code.into());
        reply.insert("message".into(), self.message.into());
        if let Some(hint) = &self.hint {
            reply.insert("hint".into(), hint.as_str().into());
        }
        reply.insert("seqno".into(), seqno.to_string().into());
        reply.insert("data_node".into(), node.into());
        if self.code != FOUND {
            reply.insert("path".into(), format!("GET {SPACE_PATH}").into());
        }
        reply.insert("time_cost".into(), u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX).into());
        if let Some(payload) = &self.payload {
            reply.insert("payload".into(), payload.clone());
        }
        Value::Object(reply).to_string()
    }
}
