//! `push`: one record to any platform of the protocol, or a question to it.

use std::path::PathBuf;

use anyhow::Context;
use parkgate_client::{Client, ClientError, Credentials, Draft, EntryAdvice, EntryAnswer, Outcome};
use parkgate_text::texts;
use parkgate_wire::content_type::without_bom;
use parkgate_wire::{PushKind, Reply};
use serde_json::{Map, Value, json};

use super::{pairs, secret};
use crate::cli::{PushArgs, SentCall};
use crate::output::{self, misuse};

pub(super) fn run(args: &PushArgs) -> anyhow::Result<u8> {
    let draft = draft(args)?;
    let credentials = Credentials::of_park(secret::required(&args.secret)?);
    let client = Client::new(&args.url, None, credentials).map_err(|error| match error {
        ClientError::Setup(_) => misuse(error.to_string()),
        ClientError::File(..) => error.into(),
    })?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let kind = match args.call {
        SentCall::Leave => PushKind::Leave,
        SentCall::Enter => PushKind::Enter,
        SentCall::Release => PushKind::Release,
        SentCall::Update => PushKind::Update,
        SentCall::Before => return print_answer(runtime.block_on(client.ask_before(draft))?, args.as_json),
    };
    let (code, reply) = read(runtime.block_on(client.push(kind, draft))?);
    if let Some(reply) = reply {
        if args.as_json { output::json(&fields(&reply))? } else { print_reply(&reply)? }
    }
    Ok(code)
}

/// The exit code, and the reply, if there was one.
fn read(outcome: Outcome) -> (u8, Option<Reply>) {
    match outcome {
        Outcome::Accepted(reply) => (0, Some(reply)),
        Outcome::AcceptedWithHint(reply) => (5, Some(reply)),
        Outcome::Refused(reply) => (3, Some(reply)),
        // The platform called this a success and sent a hint.
        Outcome::Denied { reply: Some(reply), .. } => (if reply.is_success() { 5 } else { 3 }, Some(reply)),
        Outcome::Denied { reason, reply: None, .. }
        | Outcome::TooLarge { reason }
        | Outcome::TryLater { reason, .. } => {
            output::remark(&(texts().push.not_delivered)(&reason));
            (4, None)
        }
    }
}

/// Prints what a platform says of a vehicle; the exit code. Without an answer the car park decides.
fn print_answer(answer: EntryAnswer, as_json: bool) -> anyhow::Result<u8> {
    let EntryAnswer { advice, status_desc, charge_type, is_answered, outcome, body } = answer;
    let (code, reply) = match outcome {
        // No result is an answer, too.
        Outcome::TryLater { .. } if is_answered => (0, Reply::from_bytes(&body)),
        outcome => read(outcome),
    };
    let Some(reply) = reply else { return Ok(code) };
    if as_json {
        output::json(&serde_json::from_slice(without_bom(&body)).unwrap_or_else(|_| fields(&reply)))?;
    } else {
        print_reply(&reply)?;
        if is_answered {
            let charge_type = charge_type.map(|kind| format!("  charge_type {kind}")).unwrap_or_default();
            output::line(&format!("status {} {}  {status_desc}{charge_type}", advice.code(), said(advice)))?;
        }
    }
    Ok(if is_answered { 0 } else { code })
}

fn said(advice: EntryAdvice) -> &'static str {
    match advice {
        EntryAdvice::Allow => texts().push.may_enter,
        EntryAdvice::DecideLocally => texts().push.park_decides,
        EntryAdvice::Refuse => texts().push.may_not_enter,
    }
}

/// A reply that is no plain JSON, in its documented names.
fn fields(reply: &Reply) -> Value {
    json!({
        "code": reply.code,
        "message": reply.message,
        "hint": reply.hint,
        "seqno": reply.seqno,
        "data_node": reply.data_node,
        "path": reply.path,
    })
}

fn draft(args: &PushArgs) -> anyhow::Result<Draft> {
    let mut draft = Draft::default();
    if let Some(path) = &args.json {
        let bytes = std::fs::read(path).with_context(|| path.display().to_string())?;
        let object: Map<String, Value> = serde_json::from_slice(without_bom(&bytes))
            .with_context(|| (texts().push.object_needed)(&path.display().to_string()))?;
        for (name, value) in &object {
            let value = match value {
                Value::Null => String::new(),
                Value::String(text) => text.clone(),
                // A payment list is sent as JSON text.
                other => other.to_string(),
            };
            draft = draft.param(name, &value);
        }
    }
    for (name, value) in pairs(&args.params)? {
        draft = draft.param(name, value);
    }
    for (part, path) in pairs(&args.image)? {
        draft = draft.file(part, PathBuf::from(path));
    }
    Ok(draft)
}

fn print_reply(reply: &Reply) -> anyhow::Result<()> {
    output::line(&format!("{} {}  seqno {}", reply.code, reply.message, reply.seqno))?;
    match &reply.hint {
        Some(hint) => output::line(&format!("hint: {hint}")),
        None => Ok(()),
    }
}
