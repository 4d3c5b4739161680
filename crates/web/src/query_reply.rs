//! The reply to what is only asked, not recorded: free spaces, and whether a vehicle may enter. In the style of these calls
//! (`protocol/facts.md` 4), and with what was asked after what every reply has.

use std::time::Instant;

use axum::response::Response;
use http::{HeaderValue, StatusCode, header};
use parkgate_gate::admit::Rejection;
use parkgate_gate::{GateFault, KnownPark};
use parkgate_wire::call::ReplyStyle;
use parkgate_wire::reply::{ReplyCode, push_json_text};
use parkgate_wire::{Refusal, Seqno};
use serde_json::Value;

use crate::reply::{RETRY_AFTER_SECONDS, json_response, of_fault, of_refusal};

/// Nothing is known.
const NO_RESULT: &str = "1002";

/// What is answered.
pub(crate) struct QueryReply {
    status: StatusCode,
    code: &'static str,
    message: &'static str,
    hint: Option<String>,
    /// Names and values at its end.
    more: Vec<(&'static str, Value)>,
}

/// The request that is answered.
pub(crate) struct QueryRequest<'a> {
    pub(crate) method: &'static str,
    pub(crate) path: &'static str,
    pub(crate) seqno: Seqno,
    pub(crate) started: Instant,
    /// Who answers.
    pub(crate) node: &'a str,
}

impl QueryReply {
    /// What was asked for.
    pub(crate) fn found(hint: Option<String>, more: Vec<(&'static str, Value)>) -> QueryReply {
        let code = ReplyStyle::Refusing.success();
        QueryReply { status: StatusCode::OK, code, message: ReplyCode::Ok.message(), hint, more }
    }

    /// Nothing is known of it.
    pub(crate) fn no_result(hint: String) -> QueryReply {
        QueryReply { code: NO_RESULT, ..QueryReply::found(Some(hint), Vec::new()) }
    }

    /// Asked wrongly, or by somebody who may not.
    pub(crate) fn refused(rejection: &Rejection) -> QueryReply {
        let (status, code) = match rejection {
            Rejection::Refused(refusal) => {
                let (status, code, _) = of_refusal(refusal.class());
                (status, code)
            }
            // What is not answered cannot count as success.
            Rejection::Mismatched(_) => (StatusCode::UNAUTHORIZED, ReplyCode::WrongSignature),
        };
        QueryReply::without_result(status, code, Some(rejection.hint(ReplyStyle::Refusing)))
    }

    /// Asked wrongly.
    pub(crate) fn of_refusal(refusal: Refusal) -> QueryReply {
        QueryReply::refused(&Rejection::Refused(refusal))
    }

    /// Our own fault.
    pub(crate) fn failed(fault: &GateFault) -> QueryReply {
        let (status, code, _) = of_fault(fault);
        QueryReply::without_result(status, code, None)
    }

    /// There is no room to read the question: it may come again.
    pub(crate) fn unavailable() -> QueryReply {
        QueryReply::without_result(StatusCode::SERVICE_UNAVAILABLE, ReplyCode::Unavailable, None)
    }

    fn without_result(status: StatusCode, code: ReplyCode, hint: Option<String>) -> QueryReply {
        let message = code.message();
        QueryReply { status, code: code.code(ReplyStyle::Refusing), message, hint, more: Vec::new() }
    }

    /// The code as sent.
    pub(crate) fn code(&self) -> &'static str {
        self.code
    }

    /// The response, to whoever asked about this park, if that is known.
    pub(crate) fn response(&self, request: &QueryRequest<'_>, park: Option<&KnownPark>) -> Response {
        let always_200 = park.is_some_and(|park| park.park.http_200_always);
        let status = if always_200 { StatusCode::OK } else { self.status };
        let mut response = json_response(status, self.to_json(request));
        if self.status == StatusCode::SERVICE_UNAVAILABLE {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static(RETRY_AFTER_SECONDS));
        }
        response
    }

    fn to_json(&self, request: &QueryRequest<'_>) -> String {
        let mut out = String::with_capacity(256 + self.hint.as_ref().map_or(0, String::len));
        let mut text = |name: &str, value: &str| {
            out.push(if out.is_empty() { '{' } else { ',' });
            push_json_text(&mut out, name);
            out.push(':');
            push_json_text(&mut out, value);
        };
        text("code", self.code);
        text("message", self.message);
        if let Some(hint) = &self.hint {
            text("hint", hint);
        }
        text("seqno", &request.seqno.to_string());
        text("data_node", request.node);
        if self.hint.is_some() || self.code != ReplyStyle::Refusing.success() {
            text("path", &format!("{} {}", request.method, request.path));
        }
        let time_cost = u64::try_from(request.started.elapsed().as_millis()).unwrap_or(u64::MAX);
        out.push_str(&format!(",\"time_cost\":{time_cost}"));
        for (name, value) in &self.more {
            out.push(',');
            push_json_text(&mut out, name);
            out.push(':');
            out.push_str(&value.to_string());
        }
        out.push('}');
        out
    }
}
