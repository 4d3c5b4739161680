//! What became of a request as a reply, a log line and a count: the reply table of `DESIGN.md` 3.4.

use std::time::Instant;

use axum::body::Body;
use axum::response::Response;
use http::{HeaderValue, StatusCode, header};
use parkgate_gate::Fault;
use parkgate_gate::admit::{Why, serial_taken};
use parkgate_gate::forward::{Upstream, summary};
use parkgate_gate::quarantine::Kept;
use parkgate_gate::registry::KnownPark;
use parkgate_ledger::Verdict;
use parkgate_wire::refusal::RefusalClass;
use parkgate_wire::reply::ReplyCode;
use parkgate_wire::{PushKind, Seqno};

use crate::metrics::Result as Counted;
use crate::push::{Outcome, Visit};
use crate::server::Server;

/// When a sender that was turned away for want of room may come again.
pub(crate) const RETRY_AFTER_SECONDS: &str = "2";

struct Row {
    status: StatusCode,
    answer: ReplyCode,
    hint: Option<String>,
    seqno: Seqno,
    counted: Counted,
}

/// Answers, logs and counts.
pub(crate) fn answer(visit: &Visit<'_>, outcome: &Outcome, started: Instant) -> Response {
    let (server, kind, park) = (visit.server, visit.kind, visit.park.as_deref());
    let row = row(outcome, visit.seqno);
    log(server, visit, outcome, &row);
    server.metrics.count(kind, row.counted, started.elapsed().as_secs_f64());
    said(server, kind, park, &row)
}

/// The platform that was to be asked, too, gave no answer, and nothing here would send it the push later: the sender keeps it.
pub(crate) fn unheard(server: &Server, kind: PushKind, seqno: Seqno, park: Option<&KnownPark>) -> Response {
    let park_uuid = park.map_or("", |park| park.park.park_uuid.as_str());
    tracing::warn!(%seqno, park_uuid, kind = kind.name(), "not taken here, and the compared platform gave no answer");
    let status = StatusCode::SERVICE_UNAVAILABLE;
    let answer = ReplyCode::Unavailable;
    said(server, kind, park, &Row { status, answer, hint: None, seqno, counted: Counted::Unavailable })
}

/// Another platform's answer, to the letter.
pub(crate) fn of_upstream(upstream: Upstream, park: Option<&KnownPark>) -> Response {
    let mut response = Response::new(Body::from(upstream.body));
    let status = if park.is_some_and(|park| park.park.http_200_always) { 200 } else { upstream.status };
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::OK);
    if let Some(content_type) = upstream.content_type {
        response.headers_mut().insert(header::CONTENT_TYPE, content_type);
    }
    response
}

fn said(server: &Server, kind: PushKind, park: Option<&KnownPark>, row: &Row) -> Response {
    let json = row.answer.to_json(row.hint.as_deref(), row.seqno, &server.gate.settings.node, kind.path());
    let always_200 = park.is_some_and(|park| park.park.http_200_always);
    let mut response = json_response(if always_200 { StatusCode::OK } else { row.status }, json);
    if row.answer == ReplyCode::Unavailable {
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static(RETRY_AFTER_SECONDS));
    }
    response
}

/// What would have been answered, as far as it is compared with others'; nothing where the sender must come again, or may
/// not send from where it does.
pub(crate) fn kept_summary(outcome: &Outcome, seqno: Seqno) -> Option<String> {
    let row = row(outcome, seqno);
    let is_turned_away = matches!(outcome, Outcome::Refused { kept: None, .. });
    let is_kept = !is_turned_away && !matches!(row.answer, ReplyCode::Unavailable | ReplyCode::Internal);
    is_kept.then(|| summary(row.answer.to_json(row.hint.as_deref(), row.seqno, "", "").as_bytes()))
}

/// Turned away unread, since there is too much of it.
pub(crate) fn busy(server: &Server, path: &str, hint: &str) -> Response {
    let json = ReplyCode::Unavailable.to_json(Some(hint), server.gate.next_seqno(), &server.gate.settings.node, path);
    let mut response = json_response(StatusCode::SERVICE_UNAVAILABLE, json);
    response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static(RETRY_AFTER_SECONDS));
    response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    response
}

fn row(outcome: &Outcome, seqno: Seqno) -> Row {
    let ok = |hint, seqno, counted| Row { status: StatusCode::OK, answer: ReplyCode::Ok, hint, seqno, counted };
    let conflict = |parking_serial: &str, seqno| Row {
        answer: ReplyCode::Ignored,
        ..ok(Some(serial_taken(parking_serial)), seqno, Counted::Conflict)
    };
    match outcome {
        Outcome::Verified => ok(None, seqno, Counted::Recorded),
        Outcome::Recorded(recorded) => match recorded.verdict() {
            Verdict::Recorded { refused_orders } => ok(refused_hint(refused_orders), seqno, Counted::Recorded),
            Verdict::Repeated { seqno, refused_orders } => ok(refused_hint(refused_orders), *seqno, Counted::Repeated),
            Verdict::Conflict { seqno, parking_serial } => conflict(parking_serial, *seqno),
            // Kept nowhere.
            Verdict::Overflowing => Row {
                status: StatusCode::SERVICE_UNAVAILABLE,
                answer: ReplyCode::Unavailable,
                ..ok(None, seqno, Counted::Unavailable)
            },
        },
        Outcome::Overflowed { parking_serial, kept: Kept::As(first, _) } => conflict(parking_serial, *first),
        Outcome::Refused { kept: Some(Kept::Full), .. }
        | Outcome::Overflowed { kept: Kept::Full, .. }
        | Outcome::DiskLow => {
            let status = StatusCode::SERVICE_UNAVAILABLE;
            Row { status, answer: ReplyCode::Unavailable, hint: None, seqno, counted: Counted::QuarantineFull }
        }
        Outcome::Refused { why, kept } => {
            let (seqno, finding) = match kept {
                Some(Kept::As(first, finding)) => (*first, finding.as_deref()),
                Some(Kept::Full) | None => (seqno, None),
            };
            match why {
                Why::Mismatched(mismatch) => {
                    let hint = match finding {
                        None => mismatch.hint(),
                        Some(finding) => format!("{} 可能原因: {finding}", mismatch.hint()),
                    };
                    Row { answer: ReplyCode::Ignored, ..ok(Some(hint), seqno, Counted::BadSignature) }
                }
                Why::Refused(refusal) => {
                    let (status, answer, counted) = refused(refusal.class());
                    Row { status, answer, hint: Some(refusal.hint()), seqno, counted }
                }
            }
        }
        Outcome::Failed(fault) => {
            let answer = fault.answer();
            let counted = if answer == ReplyCode::Unavailable { Counted::Unavailable } else { Counted::Internal };
            Row { status: status_of(fault), answer, hint: None, seqno, counted }
        }
    }
}

/// The HTTP status of our own fault.
pub(crate) fn status_of(fault: &Fault) -> StatusCode {
    match fault.answer() {
        ReplyCode::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        _ => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

/// The row of a refusal.
pub(crate) fn refused(class: RefusalClass) -> (StatusCode, ReplyCode, Counted) {
    match class {
        RefusalClass::BadRequest => (StatusCode::BAD_REQUEST, ReplyCode::BadRequest, Counted::BadRequest),
        RefusalClass::TooLarge => (StatusCode::PAYLOAD_TOO_LARGE, ReplyCode::BadRequest, Counted::BadRequest),
        RefusalClass::UnsupportedCoding => {
            (StatusCode::UNSUPPORTED_MEDIA_TYPE, ReplyCode::BadRequest, Counted::BadRequest)
        }
        RefusalClass::TimedOut => (StatusCode::REQUEST_TIMEOUT, ReplyCode::BadRequest, Counted::BadRequest),
        RefusalClass::Forbidden => (StatusCode::FORBIDDEN, ReplyCode::Forbidden, Counted::Forbidden),
    }
}

fn refused_hint(orders: &[String]) -> Option<String> {
    if orders.is_empty() {
        return None;
    }
    let named: Vec<String> = orders.iter().map(|order| format!("`{order}`")).collect();
    Some(format!("重复的订单{}未受理", named.join(", ")))
}

/// One line a request, within bounds. Never the canonical string: it holds plates and ID numbers.
fn log(server: &Server, visit: &Visit<'_>, outcome: &Outcome, row: &Row) {
    let park_uuid = visit.park.as_ref().map_or("", |park| park.park.park_uuid.as_str());
    let (seqno, kind, address) = (visit.seqno, visit.kind.name(), visit.client.0);
    let admits = |reason| server.refusal_log.admits(reason, address);
    match outcome {
        Outcome::Verified => {}
        Outcome::Recorded(recorded) => match recorded.verdict() {
            Verdict::Recorded { refused_orders } if refused_orders.is_empty() => {
                tracing::debug!(%seqno, park_uuid, kind, "recorded");
            }
            Verdict::Recorded { .. } => tracing::info!(%seqno, park_uuid, kind, "recorded, an order was paid before"),
            Verdict::Repeated { seqno: first, .. } => {
                tracing::debug!(%seqno, park_uuid, kind, first_seqno = %first, "the same push again");
            }
            Verdict::Conflict { .. } if admits("Conflict") => {
                tracing::warn!(%seqno, park_uuid, kind, %address, "serial taken by another push, ignored");
            }
            Verdict::Overflowing if admits("Overflowing") => {
                tracing::error!(%seqno, park_uuid, kind, %address, "too many other pushes with one serial, not kept");
            }
            Verdict::Conflict { .. } | Verdict::Overflowing => {}
        },
        Outcome::Refused { why, kept: Some(Kept::Full) } => {
            tracing::debug!(%seqno, %address, park_uuid, kind, reason = why.reason(), "refused, and no room to set it aside");
        }
        Outcome::Refused { why, .. } if !admits(why.reason()) => {}
        // The reason's name only: what was sent may be personal.
        Outcome::Refused { why: why @ Why::Mismatched(_), .. } => {
            tracing::warn!(%seqno, park_uuid, kind, %address, reason = why.reason(), "signature wrong, set aside");
        }
        Outcome::Refused { why, kept } => {
            let (status, set_aside, reason) = (row.status.as_u16(), kept.is_some(), why.reason());
            tracing::info!(%seqno, park_uuid, kind, %address, reason, status, set_aside, "refused");
        }
        Outcome::Overflowed { .. } if !admits("Overflowed") => {}
        Outcome::Overflowed { .. } => {
            tracing::warn!(%seqno, park_uuid, kind, %address, status = row.status.as_u16(), "serial taken by many other pushes, set aside");
        }
        Outcome::Failed(error) if admits("Failed") => {
            tracing::error!(%seqno, park_uuid, kind, %address, %error, "not recorded");
        }
        Outcome::DiskLow => {
            tracing::debug!(%seqno, kind, %address, "the disk is nearly full, and the push is not known to be good");
        }
        Outcome::Failed(_) => {}
    }
}

/// A JSON reply.
pub(crate) fn json_response(status: StatusCode, json: String) -> Response {
    let mut response = Response::new(Body::from(json));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json; charset=UTF-8"));
    response
}
