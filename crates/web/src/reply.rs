//! What became of a push as a reply, a count and a log line: the reply table of `DESIGN.md` 3.4.

use axum::body::Body;
use axum::response::Response;
use http::{HeaderValue, StatusCode, header};
use parkgate_gate::admit::{Rejection, key_taken};
use parkgate_gate::{GateFault, KnownPark, Quarantining, summary};
use parkgate_ledger::Verdict;
use parkgate_wire::call::ReplyStyle;
use parkgate_wire::refusal::RefusalClass;
use parkgate_wire::reply::ReplyCode;
use parkgate_wire::{PushKind, Seqno};

use crate::metrics::CountedAs;
use crate::outcome::{PushOutcome, PushResult, Received};
use crate::push_log;
use crate::server::Server;

/// When a sender that was turned away for want of room may come again.
pub(crate) const RETRY_AFTER_SECONDS: &str = "2";

/// A row of the reply table.
struct ReplyRow {
    status: StatusCode,
    code: ReplyCode,
    hint: Option<String>,
    seqno: Seqno,
    counted: CountedAs,
}

/// Answers, logs and counts.
pub(crate) fn reply(server: &Server, received: &Received, outcome: &PushOutcome) -> Response {
    let row = row(received.kind, &outcome.result, received.seqno);
    push_log::log(server, received, outcome, row.status, row.seqno);
    if let PushResult::Refused { rejection, .. } = &outcome.result {
        server.metrics.count_refused(rejection.reason());
    }
    server.metrics.count(received.kind, row.counted, received.started.elapsed().as_secs_f64());
    response(server, received, outcome.park.as_deref(), &row)
}

/// 503: nothing was kept here, the sender must come again.
pub(crate) fn unavailable(server: &Server, received: &Received, park: Option<&KnownPark>) -> Response {
    response(server, received, park, &unavailable_row(received.seqno, CountedAs::Unavailable))
}

fn response(server: &Server, received: &Received, park: Option<&KnownPark>, row: &ReplyRow) -> Response {
    let node = &server.gate.settings.node;
    let call = received.kind.call();
    let json = row.code.to_json(call.replies, row.hint.as_deref(), row.seqno, node, call.path);
    let always_200 = park.is_some_and(|park| park.park.http_200_always);
    let mut response = json_response(if always_200 { StatusCode::OK } else { row.status }, json);
    if row.code == ReplyCode::Unavailable {
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static(RETRY_AFTER_SECONDS));
    }
    response
}

/// What would have been answered, as far as it is compared with another platform's reply. None where the sender must come
/// again, or may not send from where it does.
pub(crate) fn compared_summary(kind: PushKind, outcome: &PushOutcome, seqno: Seqno) -> Option<String> {
    let row = row(kind, &outcome.result, seqno);
    let is_turned_away = matches!(outcome.result, PushResult::Refused { kept: Quarantining::NotKept, .. });
    let is_kept = !is_turned_away && !matches!(row.code, ReplyCode::Unavailable | ReplyCode::Internal);
    is_kept.then(|| summary(row.code.to_json(kind.call().replies, row.hint.as_deref(), row.seqno, "", "").as_bytes()))
}

/// The reply to a request that is turned away unread, since there are too many.
pub(crate) fn busy(server: &Server, path: &str, hint: &str) -> Response {
    let (seqno, node) = (server.gate.next_seqno(), &server.gate.settings.node);
    let json = ReplyCode::Unavailable.to_json(ReplyStyle::Ignoring, Some(hint), seqno, node, path);
    let mut response = json_response(StatusCode::SERVICE_UNAVAILABLE, json);
    response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static(RETRY_AFTER_SECONDS));
    response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    response
}

fn row(kind: PushKind, result: &PushResult, seqno: Seqno) -> ReplyRow {
    match result {
        PushResult::Verified => ok_row(None, seqno, CountedAs::Recorded),
        PushResult::Recorded { recorded, .. } => verdict_row(kind, recorded.verdict(), seqno),
        PushResult::Refused { rejection, kept } => refusal_row(kind.call().replies, rejection, kept, seqno),
        PushResult::Overflowed { key, kept: Quarantining::Kept { first, .. } } => conflict_row(kind, key, *first),
        PushResult::Overflowed { kept: Quarantining::Full | Quarantining::NotKept, .. } | PushResult::DiskLow => {
            unavailable_row(seqno, CountedAs::QuarantineFull)
        }
        PushResult::NoMemory => unavailable_row(seqno, CountedAs::Unavailable),
        PushResult::Failed(fault) => {
            let (status, code, counted) = of_fault(fault);
            ReplyRow { status, code, hint: None, seqno, counted }
        }
    }
}

fn verdict_row(kind: PushKind, verdict: &Verdict, seqno: Seqno) -> ReplyRow {
    match verdict {
        Verdict::Recorded { refused_orders } => ok_row(refused_hint(refused_orders), seqno, CountedAs::Recorded),
        Verdict::Repeated { seqno, refused_orders } => {
            ok_row(refused_hint(refused_orders), *seqno, CountedAs::Repeated)
        }
        Verdict::Conflict { seqno, key } => conflict_row(kind, key, *seqno),
        // Kept nowhere.
        Verdict::Overflowing => unavailable_row(seqno, CountedAs::Unavailable),
    }
}

fn refusal_row(style: ReplyStyle, rejection: &Rejection, kept: &Quarantining, seqno: Seqno) -> ReplyRow {
    let (seqno, finding) = match kept {
        Quarantining::Kept { first, finding } => (*first, finding.as_deref()),
        Quarantining::NotKept => (seqno, None),
        Quarantining::Full => return unavailable_row(seqno, CountedAs::QuarantineFull),
    };
    match rejection {
        Rejection::Mismatched(mismatch) => {
            let hint = match finding {
                None => mismatch.hint(style),
                Some(finding) => format!("{} 可能原因: {finding}", mismatch.hint(style)),
            };
            let (status, code) = match style {
                ReplyStyle::Ignoring => (StatusCode::OK, ReplyCode::Ignored),
                ReplyStyle::Refusing => (StatusCode::UNAUTHORIZED, ReplyCode::WrongSignature),
            };
            ReplyRow { status, code, hint: Some(hint), seqno, counted: CountedAs::BadSignature }
        }
        Rejection::Refused(refusal) => {
            let (status, code, counted) = of_refusal(refusal.class());
            ReplyRow { status, code, hint: Some(refusal.hint()), seqno, counted }
        }
    }
}

fn ok_row(hint: Option<String>, seqno: Seqno, counted: CountedAs) -> ReplyRow {
    ReplyRow { status: StatusCode::OK, code: ReplyCode::Ok, hint, seqno, counted }
}

fn conflict_row(kind: PushKind, key: &str, seqno: Seqno) -> ReplyRow {
    ReplyRow { code: ReplyCode::Ignored, ..ok_row(Some(key_taken(kind, key)), seqno, CountedAs::Conflict) }
}

fn unavailable_row(seqno: Seqno, counted: CountedAs) -> ReplyRow {
    let status = StatusCode::SERVICE_UNAVAILABLE;
    ReplyRow { status, code: ReplyCode::Unavailable, hint: None, seqno, counted }
}

/// Our own fault: 503 where trying again can help, else 500. No detail leaks.
pub(crate) fn of_fault(fault: &GateFault) -> (StatusCode, ReplyCode, CountedAs) {
    if fault.is_temporary() {
        (StatusCode::SERVICE_UNAVAILABLE, ReplyCode::Unavailable, CountedAs::Unavailable)
    } else {
        (StatusCode::INTERNAL_SERVER_ERROR, ReplyCode::Internal, CountedAs::Internal)
    }
}

/// A refusal of this class.
pub(crate) fn of_refusal(class: RefusalClass) -> (StatusCode, ReplyCode, CountedAs) {
    let bad_request = |status| (status, ReplyCode::BadRequest, CountedAs::BadRequest);
    match class {
        RefusalClass::BadRequest => bad_request(StatusCode::BAD_REQUEST),
        RefusalClass::TooLarge => bad_request(StatusCode::PAYLOAD_TOO_LARGE),
        RefusalClass::UnsupportedCoding => bad_request(StatusCode::UNSUPPORTED_MEDIA_TYPE),
        RefusalClass::TimedOut => bad_request(StatusCode::REQUEST_TIMEOUT),
        RefusalClass::Forbidden => (StatusCode::FORBIDDEN, ReplyCode::Forbidden, CountedAs::Forbidden),
    }
}

fn refused_hint(orders: &[String]) -> Option<String> {
    if orders.is_empty() {
        return None;
    }
    let named: Vec<String> = orders.iter().map(|order| format!("`{order}`")).collect();
    Some(format!("重复的订单{}未受理", named.join(", ")))
}

/// A JSON reply.
pub(crate) fn json_response(status: StatusCode, json: String) -> Response {
    let mut response = Response::new(Body::from(json));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json; charset=UTF-8"));
    response
}
