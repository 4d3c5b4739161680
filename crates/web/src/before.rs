//! `POST /gate/1.0/parking/internal/enter/before`: may this vehicle enter? Asked while it waits at the barrier, answered from
//! memory, and not recorded: neither is what is refused quarantined, nor a picture kept.
//!
//! While a platform is compared (`--compare`), it is asked in place of this one.

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::response::Response;
use http::Request;
use hyper::body::Incoming;
use parkgate_client::now;
use parkgate_gate::admit::{Asked, NotAsked, Rejection, may_ask};
use parkgate_gate::{
    ArrivedFiles, Forwarder, Gate, KnownPark, PassedQuestion, RefusedContent, Upstream, entry_decision,
};
use parkgate_intake::Unread;
use parkgate_ledger::entry_policy::EntryDecision;
use parkgate_store::images::FinishedImage;
use parkgate_wire::call::BEFORE;
use parkgate_wire::refusal::RefusalClass;
use parkgate_wire::{Form, Seqno};

use crate::client_address::ClientAddress;
use crate::compare::of_upstream;
use crate::metrics::QuestionCountedAs;
use crate::pictures::QuestionPictures;
use crate::push::rest_of;
use crate::query_reply::{QueryReply, QueryRequest};
use crate::server::Server;

/// With `status` 0 where another platform was asked in vain.
const NO_ANSWER: &str = "上级平台未应答, 请车场自行决定 (the compared platform gave no answer: decide locally)";

/// What is answered, and how it is counted.
struct EntryOutcome {
    park: Option<Arc<KnownPark>>,
    counted: QuestionCountedAs,
    reply: EntryReplied,
}

enum EntryReplied {
    Ours(QueryReply),
    /// The other platform's, to the letter.
    Theirs(Upstream),
}

/// Receives one question and answers it.
pub(crate) async fn receive(server: &Server, client: ClientAddress, request: Request<Incoming>) -> Response {
    let gate = &server.gate;
    let (started, seqno) = (Instant::now(), gate.next_seqno());
    let mut share = server.bodies.share(client.host());
    let (head, mut body) = request.into_parts();
    let pictures = QuestionPictures::of(gate, seqno);
    let form = parkgate_intake::read(&head, &mut body, &gate.settings.limits.intake(), &mut share, &pictures).await;
    let rest = rest_of(&body, form.is_ok());
    let outcome = match form {
        Ok(form) => {
            let files = form.files.into_iter().filter_map(|(name, file)| Some((name, file?))).collect();
            answered(gate, client, seqno, form.form, files).await
        }
        Err(unread) => without_form(gate, unread),
    };
    let park = outcome.park.as_deref();
    let park_uuid = park.map_or("", |park| park.park.park_uuid.as_str());
    tracing::debug!(%seqno, park_uuid, result = ?outcome.counted, "asked whether a vehicle may enter");
    let response = match outcome.reply {
        EntryReplied::Theirs(upstream) => of_upstream(upstream, park),
        EntryReplied::Ours(reply) => {
            let node = &gate.settings.node;
            reply.response(&QueryRequest { method: "POST", path: BEFORE.path, seqno, started, node }, park)
        }
    };
    server.metrics.count_question(outcome.counted, started.elapsed().as_secs_f64());
    rest.close(response)
}

/// Asks the other platform where there is one, else the park's lists and its free spaces.
async fn answered(gate: &Gate, client: ClientAddress, seqno: Seqno, form: Form, files: ArrivedFiles) -> EntryOutcome {
    let (begun, deadline) = (Instant::now(), gate.settings.before.deadline);
    let registry = gate.registry.load_full();
    let passed = match &gate.forwarder {
        Some(forwarder) => {
            PassedQuestion::of(&registry, &BEFORE, &form, &files, seqno).await.map(|passed| (forwarder, passed))
        }
        None => None,
    };
    let asked = may_ask(&registry, form, Some(&BEFORE), client.0, now());
    match (passed, asked) {
        (_, Err(refused)) if is_forbidden(&refused.rejection) => refusal(*refused),
        (Some((forwarder, passed)), asked) => {
            upstream(forwarder, passed, asked, deadline.saturating_sub(begun.elapsed())).await
        }
        (None, Ok(asked)) => {
            let decision = entry_decision(&asked, &gate.free_spaces, deadline).await;
            decided(asked.park, decision, counted(decision), None)
        }
        (None, Err(refused)) => refusal(*refused),
    }
}

/// The other platform's answer. Whether a question is signed as that platform wants it, it knows itself; while it gives no
/// answer, what is refused here stays refused, and the car park decides all else.
async fn upstream(
    forwarder: &Forwarder,
    passed: PassedQuestion,
    asked: Result<Asked, Box<NotAsked>>,
    deadline: Duration,
) -> EntryOutcome {
    match (forwarder.ask_question(passed, deadline).await, asked) {
        (Some(upstream), asked) => {
            let park = asked.map_or_else(|refused| refused.park, |asked| Some(asked.park));
            EntryOutcome { park, counted: QuestionCountedAs::Passed, reply: EntryReplied::Theirs(upstream) }
        }
        (None, Ok(asked)) => {
            let counted = QuestionCountedAs::Unanswered;
            decided(asked.park, EntryDecision::Undecided, counted, Some(NO_ANSWER.to_owned()))
        }
        (None, Err(refused)) => refusal(*refused),
    }
}

fn decided(
    park: Arc<KnownPark>,
    decision: EntryDecision,
    counted: QuestionCountedAs,
    hint: Option<String>,
) -> EntryOutcome {
    let more = vec![("status", decision.advice().code().into()), ("status_desc", decision.display().into())];
    EntryOutcome { park: Some(park), counted, reply: EntryReplied::Ours(QueryReply::found(hint, more)) }
}

fn counted(decision: EntryDecision) -> QuestionCountedAs {
    match decision {
        EntryDecision::Allowed => QuestionCountedAs::Allowed,
        EntryDecision::Denied => QuestionCountedAs::Denied,
        EntryDecision::Full => QuestionCountedAs::Full,
        EntryDecision::Undecided => QuestionCountedAs::Undecided,
    }
}

fn is_forbidden(rejection: &Rejection) -> bool {
    matches!(rejection, Rejection::Refused(refusal) if refusal.class() == RefusalClass::Forbidden)
}

fn refusal(refused: NotAsked) -> EntryOutcome {
    let counted = match &refused.rejection {
        Rejection::Mismatched(_) => QuestionCountedAs::BadSignature,
        Rejection::Refused(_) if is_forbidden(&refused.rejection) => QuestionCountedAs::Forbidden,
        Rejection::Refused(_) => QuestionCountedAs::BadRequest,
    };
    let reply = EntryReplied::Ours(QueryReply::refused(&refused.rejection));
    EntryOutcome { park: refused.park, counted, reply }
}

/// The body is no form, or could not be taken.
fn without_form<E>(gate: &Gate, unread: Unread<Option<FinishedImage>, E>) -> EntryOutcome {
    let ours = |park, counted, reply| EntryOutcome { park, counted, reply: EntryReplied::Ours(reply) };
    match unread {
        Unread::NoRoom | Unread::Failed(_) => ours(None, QuestionCountedAs::Unavailable, QueryReply::unavailable()),
        Unread::Refused { refusal, arrived, .. } => {
            let named = arrived.and_then(|arrived| RefusedContent::Unread(*arrived).park_uuid());
            let park = named.and_then(|park_uuid| gate.registry.load().park(&park_uuid).cloned());
            ours(park, QuestionCountedAs::BadRequest, QueryReply::of_refusal(refusal))
        }
    }
}
