//! One line of the log for each push, within bounds. Never the canonical string: it holds plates and ID numbers.

use http::StatusCode;
use parkgate_gate::Quarantining;
use parkgate_gate::admit::Rejection;
use parkgate_ledger::Verdict;
use parkgate_wire::Seqno;
use tracing::field::{DisplayValue, display};

use crate::outcome::{PushOutcome, PushResult, Received};
use crate::server::Server;

/// Writes the line of a push that is answered with this status and under this name. That is what its sender knows, so it is
/// `seqno` of every line; of a push that came before, its own name stands beside it.
pub(crate) fn log(server: &Server, received: &Received, outcome: &PushOutcome, status: StatusCode, answered: Seqno) {
    let park_uuid = outcome.park.as_ref().map_or("", |park| park.park.park_uuid.as_str());
    let (seqno, kind, address) = (answered, received.kind.name(), received.client.0);
    let (admits, status) = (|reason| server.refusal_log.admits(reason, address), status.as_u16());
    match &outcome.result {
        PushResult::Verified => {}
        PushResult::Recorded { recorded, .. } => log_verdict(server, received, park_uuid, recorded.verdict(), seqno),
        PushResult::Refused { rejection, kept } => {
            let line = RefusalLine { received, park_uuid, seqno, status };
            log_refusal(server, &line, rejection, kept);
        }
        PushResult::Overflowed { .. } if admits("Overflowed") => {
            tracing::warn!(%seqno, park_uuid, kind, %address, status, "serial taken by many other pushes, quarantined");
        }
        PushResult::DiskLow => {
            tracing::debug!(%seqno, kind, %address, "the disk is nearly full, and the push is not known to be good");
        }
        PushResult::NoMemory if admits("Failed") => {
            let error = "bodies_bytes_max: no room for more of this body";
            tracing::error!(%seqno, park_uuid, kind, %address, error, "not recorded");
        }
        PushResult::Failed(error) if admits("Failed") => {
            tracing::error!(%seqno, park_uuid, kind, %address, %error, "not recorded");
        }
        PushResult::Overflowed { .. } | PushResult::NoMemory | PushResult::Failed(_) => {}
    }
}

fn log_verdict(server: &Server, received: &Received, park_uuid: &str, verdict: &Verdict, seqno: Seqno) {
    let (kind, address, request_seqno) = (received.kind.name(), received.client.0, own_seqno(received, seqno));
    let admits = |reason| server.refusal_log.admits(reason, address);
    match verdict {
        Verdict::Recorded { refused_orders } if refused_orders.is_empty() => {
            tracing::debug!(%seqno, park_uuid, kind, "recorded");
        }
        Verdict::Recorded { .. } => tracing::info!(%seqno, park_uuid, kind, "recorded, an order was paid before"),
        Verdict::Repeated { .. } => {
            tracing::debug!(%seqno, request_seqno, park_uuid, kind, "the same push again");
        }
        Verdict::Conflict { .. } if admits("Conflict") => {
            tracing::warn!(%seqno, request_seqno, park_uuid, kind, %address, "serial taken by another push, ignored");
        }
        Verdict::Overflowing if admits("Overflowing") => {
            tracing::error!(%seqno, park_uuid, kind, %address, "too many other pushes with one serial, not kept");
        }
        Verdict::Conflict { .. } | Verdict::Overflowing => {}
    }
}

/// The request's own name, where it is answered under another.
fn own_seqno(received: &Received, answered: Seqno) -> Option<DisplayValue<Seqno>> {
    (answered != received.seqno).then(|| display(received.seqno))
}

/// What the line of a refused push says beside its reason.
struct RefusalLine<'a> {
    received: &'a Received,
    park_uuid: &'a str,
    seqno: Seqno,
    status: u16,
}

/// The reason's name only: what was sent may be personal.
fn log_refusal(server: &Server, line: &RefusalLine<'_>, rejection: &Rejection, kept: &Quarantining) {
    let RefusalLine { received, park_uuid, seqno, status } = *line;
    let (kind, address, reason) = (received.kind.name(), received.client.0, rejection.reason());
    let request_seqno = own_seqno(received, seqno);
    let quarantined = match kept {
        Quarantining::Full => {
            tracing::debug!(%seqno, %address, park_uuid, kind, reason, "refused, and no room in the quarantine");
            return;
        }
        Quarantining::Kept { .. } => true,
        Quarantining::NotKept => false,
    };
    if !server.refusal_log.admits(reason, address) {
        return;
    }
    match rejection {
        Rejection::Mismatched(_) => {
            tracing::warn!(%seqno, request_seqno, park_uuid, kind, %address, reason, "signature wrong, quarantined");
        }
        Rejection::Refused(_) => {
            tracing::info!(%seqno, request_seqno, park_uuid, kind, %address, reason, status, quarantined, "refused");
        }
    }
}
