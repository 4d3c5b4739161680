//! Calls below `/gate/` that are not ours: passed on to the platform that a car park comes from, if one is compared for it, else
//! answered 404 and counted.

use std::sync::{Arc, LazyLock};

use axum::body::Body;
use axum::response::Response;
use futures_util::TryStreamExt;
use http::request::Parts as Head;
use http::{HeaderValue, Method, Request, StatusCode, header};
use hyper::body::{Body as _, Incoming};
use parkgate_gate::admit::park_of_call;
use parkgate_gate::{CutOff, KnownPark, NotPassed, PassedAnswer, PassedCall, Passing, Registry};
use parkgate_intake::{ParkName, PassedBody};
use parkgate_store::Subscriber;
use parkgate_wire::call::{CALLS, ReplyStyle};
use parkgate_wire::reply::ReplyCode;
use parkgate_wire::{Refusal, SPACE_PATH, Seqno, call_at, is_below_gate, may_be_passed_on, shown_path};

use crate::client_address::ClientAddress;
use crate::reply::{RETRY_AFTER_SECONDS, json_response, of_refusal};
use crate::server::Server;

/// What is said of a path that leads to no call.
static NO_SUCH_CALL: LazyLock<String> = LazyLock::new(|| {
    let calls: Vec<String> = CALLS.iter().map(|call| format!("POST {}", call.path)).collect();
    let calls = calls.join(", ");
    format!("没有这个接口, 请检查推送地址 (no such call: check the URL); 现有 there are: {calls}, GET {SPACE_PATH}")
});

/// What is said to whoever asks for free spaces by another method.
const USE_GET: &str = "请用GET, 参数在地址中 (use GET, parameters in the address)";

/// Is it a call of the protocol, but none of ours? A question for free spaces is ours by its method.
pub(crate) fn is_not_ours(method: &Method, path: &str) -> bool {
    let is_space = path == SPACE_PATH && (method == Method::GET || method == Method::HEAD);
    !is_space && is_below_gate(path) && call_at(path).is_none()
}

/// Why a call is answered here.
enum AnsweredHere {
    /// Nobody else answers calls of its park.
    NoUpstream,
    Refused(Refusal),
    NotPassed(NotPassed),
}

/// Answers such a call.
pub(crate) async fn receive(server: &Arc<Server>, client: ClientAddress, request: Request<Incoming>) -> Response {
    let seqno = server.gate.next_seqno();
    let (head, body) = request.into_parts();
    let has_body = !body.is_end_stream();
    let path = head.uri.path().to_owned();
    match passed(server, client, head, body).await {
        Ok((to, answer)) => of_upstream(server, client, seqno, &path, &to, answer),
        Err(NotAnswered { park, to, why }) => {
            log(server, client, seqno, &path, to.as_deref(), &why);
            let mut response = here(server, seqno, &path, &why);
            if park.is_some_and(|park| park.park.http_200_always) {
                *response.status_mut() = StatusCode::OK;
            }
            if has_body {
                // Nobody reads on, and nothing can follow it.
                response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
            }
            response
        }
    }
}

/// A call that nobody else answers, with what is known of it.
struct NotAnswered {
    park: Option<Arc<KnownPark>>,
    to: Option<Arc<Subscriber>>,
    why: AnsweredHere,
}

impl From<AnsweredHere> for NotAnswered {
    fn from(why: AnsweredHere) -> Self {
        NotAnswered { park: None, to: None, why }
    }
}

/// Passes it on, if there is somebody to pass it on to.
async fn passed(
    server: &Server,
    client: ClientAddress,
    head: Head,
    body: Incoming,
) -> Result<(Arc<Subscriber>, PassedAnswer), NotAnswered> {
    let registry = server.gate.registry.load_full();
    let path = head.uri.path();
    let passing = server.gate.passing.as_ref().filter(|_| registry.is_compared() && may_be_passed_on(path));
    let Some(passing) = passing else { return Err(AnsweredHere::NoUpstream.into()) };
    let limits = server.gate.settings.limits.intake();
    if body.size_hint().lower() > limits.body_bytes_max {
        let refusal = Refusal::BodyTooLarge { bytes_max: limits.body_bytes_max };
        return Err(AnsweredHere::Refused(refusal).into());
    }
    let mut body = PassedBody::new(body, &limits, server.bodies.share(client.host()));
    let park = park_of(&registry, &head, &mut body, client).await?;
    let park_uuid = park.as_ref().map(|park| park.park.park_uuid.as_str());
    let Some(to) = registry.upstream(park_uuid).cloned() else {
        return Err(NotAnswered { park, to: None, why: AnsweredHere::NoUpstream });
    };
    let call = PassedCall {
        path: path.to_owned(),
        query: head.uri.query().map(str::to_owned),
        method: head.method,
        headers: head.headers,
        body,
    };
    match pass(passing, &to, park_uuid, call).await {
        Ok(answer) => Ok((to, answer)),
        Err(why) => Err(NotAnswered { park, to: Some(to), why }),
    }
}

async fn pass(
    passing: &Passing,
    to: &Subscriber,
    park: Option<&str>,
    call: PassedCall,
) -> Result<PassedAnswer, AnsweredHere> {
    passing.pass(to, park, call).await.map_err(|why| match why {
        NotPassed::Refused(refusal) => AnsweredHere::Refused(refusal),
        why => AnsweredHere::NotPassed(why),
    })
}

/// The park it names, in its address or near the beginning of its body.
async fn park_of(
    registry: &Registry,
    head: &Head,
    body: &mut PassedBody,
    client: ClientAddress,
) -> Result<Option<Arc<KnownPark>>, AnsweredHere> {
    let named = match head.uri.query().and_then(ParkName::in_query) {
        Some(named) => Some(named),
        None => {
            let content_type = head.headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
            body.park(content_type.unwrap_or_default()).await.map_err(|refusal| {
                let is_ours = body.found_no_room();
                if is_ours { AnsweredHere::NotPassed(NotPassed::NoRoom) } else { AnsweredHere::Refused(refusal) }
            })?
        }
    };
    let Some(named) = named else { return Ok(None) };
    match park_of_call(registry, &named, client.0) {
        Ok(park) => Ok(Some(park)),
        Err(refusal) => Err(AnsweredHere::Refused(refusal)),
    }
}

/// The upstream's answer as it comes. It is streamed, so what goes wrong from here on ends the connection.
fn of_upstream(
    server: &Arc<Server>,
    client: ClientAddress,
    seqno: Seqno,
    path: &str,
    to: &Subscriber,
    answer: PassedAnswer,
) -> Response {
    let (name, path, server) = (to.registered.name.clone(), shown_path(path), Arc::clone(server));
    tracing::debug!(%seqno, subscriber = name, path, status = answer.status.as_u16(), "passed on");
    let body = answer.body.inspect_err(move |cut: &CutOff| {
        if server.refusal_log.admits("AnswerCutOff", client.0) {
            tracing::warn!(%seqno, subscriber = name, path, why = %cut, "an answer that was passed back is cut off");
        }
    });
    let mut response = Response::new(Body::from_stream(body));
    *response.status_mut() = answer.status;
    *response.headers_mut() = answer.headers;
    if !answer.is_request_read {
        response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    response
}

/// Our own answer.
fn here(server: &Server, seqno: Seqno, path: &str, why: &AnsweredHere) -> Response {
    let (status, code, hint) = match why {
        // The path is ours, and only its method is not.
        AnsweredHere::NoUpstream if path == SPACE_PATH => {
            (StatusCode::METHOD_NOT_ALLOWED, ReplyCode::BadRequest, USE_GET.to_owned())
        }
        AnsweredHere::NoUpstream => {
            server.gate.figures.unknown_calls.count(&shown_path(path));
            (StatusCode::NOT_FOUND, ReplyCode::BadRequest, NO_SUCH_CALL.clone())
        }
        AnsweredHere::Refused(refusal) => {
            let (status, code, _) = of_refusal(refusal.class());
            (status, code, refusal.hint())
        }
        AnsweredHere::NotPassed(why) => (StatusCode::SERVICE_UNAVAILABLE, ReplyCode::Unavailable, hint(why)),
    };
    let json = code.to_json(ReplyStyle::Ignoring, Some(&hint), seqno, &server.gate.settings.node, path);
    let mut response = json_response(status, json);
    if code == ReplyCode::Unavailable {
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static(RETRY_AFTER_SECONDS));
    }
    response
}

/// What the sender may know of it: no address, nothing of what answered.
fn hint(why: &NotPassed) -> String {
    match why {
        NotPassed::Busy => "转交中的请求过多 (too many calls are being passed on)".into(),
        NotPassed::NoRoom => "内存不足 (no memory for the body)".into(),
        NotPassed::NoAnswer(_) => "上游平台没有应答 (no answer from the platform this is passed on to)".into(),
        NotPassed::TooLarge(bytes_max) => format!("上游应答超过{bytes_max}字节 (its answer is too long)"),
        NotPassed::Refused(refusal) => refusal.hint(),
    }
}

fn log(server: &Server, client: ClientAddress, seqno: Seqno, path: &str, to: Option<&Subscriber>, why: &AnsweredHere) {
    let (address, path) = (client.0, shown_path(path));
    let subscriber = to.map_or("", |to| to.registered.name.as_str());
    match why {
        AnsweredHere::NoUpstream if server.refusal_log.admits("UnknownCall", address) => {
            tracing::info!(%seqno, %address, path, "no such call");
        }
        AnsweredHere::Refused(refusal) if server.refusal_log.admits(refusal.name(), address) => {
            tracing::info!(%seqno, %address, path, subscriber, reason = refusal.name(), "not passed on");
        }
        AnsweredHere::NotPassed(why) if server.refusal_log.admits("NotPassed", address) => {
            let why = match why {
                NotPassed::NoAnswer(reason) => reason.clone(),
                why => hint(why),
            };
            tracing::warn!(%seqno, %address, path, subscriber, why, "a call that was passed on has no answer");
        }
        AnsweredHere::NoUpstream | AnsweredHere::Refused(_) | AnsweredHere::NotPassed(_) => {}
    }
}
