//! `push`: one record to any platform of the protocol.

use std::path::PathBuf;

use anyhow::Context;
use parkgate_client::{Client, ClientError, Credentials, Draft, Outcome};
use parkgate_wire::content_type::without_bom;
use parkgate_wire::{PushKind, Reply};
use serde_json::{Map, Value};

use super::{pairs, secret};
use crate::cli::{PushArgs, PushCall};
use crate::output::{self, misuse};

pub(super) fn run(args: &PushArgs) -> anyhow::Result<u8> {
    let kind = match args.call {
        PushCall::Leave => PushKind::Leave,
        PushCall::Enter => PushKind::Enter,
    };
    let draft = draft(args)?;
    let credentials = Credentials::of_park(secret::required(&args.secret)?);
    let client = Client::new(&args.url, None, credentials).map_err(|error| match error {
        ClientError::Setup(_) => misuse(error.to_string()),
        ClientError::File(..) => error.into(),
    })?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    Ok(match runtime.block_on(client.push(kind, draft))? {
        Outcome::Accepted(reply) => print_reply(&reply, 0)?,
        Outcome::AcceptedWithHint(reply) => print_reply(&reply, 5)?,
        Outcome::Refused(reply) => print_reply(&reply, 3)?,
        // The platform called this a success and sent a hint.
        Outcome::Denied { reply: Some(reply), .. } => print_reply(&reply, if reply.is_success() { 5 } else { 3 })?,
        Outcome::Denied { reason, reply: None, .. }
        | Outcome::TooLarge { reason }
        | Outcome::TryLater { reason, .. } => {
            output::remark(&format!("未送达, 请稍后重试 (not delivered, try later): {reason}"));
            4
        }
    })
}

fn draft(args: &PushArgs) -> anyhow::Result<Draft> {
    let mut draft = Draft::default();
    if let Some(path) = &args.json {
        let bytes = std::fs::read(path).with_context(|| path.display().to_string())?;
        let object: Map<String, Value> = serde_json::from_slice(without_bom(&bytes))
            .with_context(|| format!("{}: a JSON object is needed", path.display()))?;
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

fn print_reply(reply: &Reply, code: u8) -> anyhow::Result<u8> {
    output::line(&format!("{} {}  seqno {}", reply.code, reply.message, reply.seqno))?;
    if let Some(hint) = &reply.hint {
        output::line(&format!("hint: {hint}"))?;
    }
    Ok(code)
}
