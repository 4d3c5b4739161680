//! `quarantine`: refused pushes, until their cause is mended.

use std::ops::ControlFlow;

use anyhow::bail;
use parkgate_server::{Limits, Replayed, replay};
use parkgate_store::{QuarantineFilter, Quarantined};
use serde_json::{Map, Value, json};

use super::open;
use crate::cli;
use crate::output::{self, misuse};

/// Pushes wait while the store forgets these.
const DROPPED_AT_ONCE: usize = 1000;

pub(super) fn run(command: cli::Quarantine) -> anyhow::Result<()> {
    match command {
        cli::Quarantine::List { park, limit, json, place } => {
            let filter = QuarantineFilter { park_uuid: park, limit, ..QuarantineFilter::default() };
            let store = open(&place)?;
            output::listing(json, &LISTED, |take| store.each_quarantined(&filter, take)).map(drop)
        }
        cli::Quarantine::Show { id, json, place } => {
            let filter = QuarantineFilter { ids: vec![id], limit: 1, ..QuarantineFilter::default() };
            let found = open(&place)?.quarantine(&filter)?;
            let Some(found) = found.first() else {
                bail!("隔离区没有 {id}, 见 `parkgate quarantine list` (no such entry)");
            };
            let value = whole(found);
            if json { output::json(&value) } else { output::sheet(&value) }
        }
        cli::Quarantine::Replay { ids, park, json, place } => {
            let limit = if ids.is_empty() { usize::MAX } else { ids.len() };
            let filter = QuarantineFilter { park_uuid: park, ids, limit, after: 0 };
            replayed(&place, &filter, json)
        }
        cli::Quarantine::Drop { ids, park, all, place } => {
            let store = open(&place)?;
            let ids = match (ids.is_empty(), all) {
                (false, false) => ids,
                (true, true) => {
                    let filter = QuarantineFilter { park_uuid: park, limit: usize::MAX, ..QuarantineFilter::default() };
                    let mut ids = Vec::new();
                    store.each_quarantined(&filter, &mut |entry| {
                        ids.push(entry.id);
                        ControlFlow::Continue(())
                    })?;
                    ids
                }
                _ => return Err(misuse("请给出ID, 或 --all (name entries, or say --all)")),
            };
            let mut dropped = 0;
            for some in ids.chunks(DROPPED_AT_ONCE) {
                dropped += store.release(some)?;
            }
            output::line(&format!("已删除 dropped {dropped}"))
        }
    }
}

fn replayed(place: &cli::Place, filter: &QuarantineFilter, json: bool) -> anyhow::Result<()> {
    let store = open(place)?;
    let (mut rows, mut values, mut taken) = (Vec::new(), Vec::new(), 0_u64);
    replay(store.as_ref(), filter, Limits::default().form(), |entry, outcome| {
        let (word, reason, hint) = match outcome {
            Replayed::Recorded => ("recorded", "", ""),
            Replayed::Repeated => ("repeated", "", ""),
            Replayed::Conflict => ("conflict", "", ""),
            Replayed::Stays { reason, hint } => ("stays", reason.as_str(), hint.as_str()),
        };
        taken += u64::from(!matches!(outcome, Replayed::Stays { .. }));
        if json {
            values.push(json!({ "id": entry.id, "park_uuid": entry.park_uuid, "outcome": word, "reason": reason, "hint": hint }));
        } else {
            rows.push(vec![entry.id.to_string(), word.into(), serial(entry), reason.to_owned()]);
        }
    })?;
    if json {
        return output::json(&Value::Array(values));
    }
    let stayed = rows.len() as u64 - taken;
    output::line(&output::table(&["ID", "结果", "流水", "原因"], &rows))?;
    output::line(&format!("\n离开隔离区 left {taken}, 仍在 stayed {stayed}"))
}

fn sent<'a>(entry: &'a Quarantined, name: &str) -> Option<&'a str> {
    entry.kept.params.iter().find(|(other, ..)| other == name).map(|(_, value, _)| value.as_str())
}

fn serial(entry: &Quarantined) -> String {
    sent(entry, "parking_serial").unwrap_or("-").to_owned()
}

fn value(entry: &Quarantined) -> Value {
    json!({
        "id": entry.id,
        "park_uuid": entry.park_uuid,
        "received_at": entry.received_at,
        "reason": entry.reason,
        "hint": entry.kept.hint,
        "finding": entry.kept.finding,
        "finding_code": entry.finding,
        "kind": entry.kind.name(),
        "parking_serial": sent(entry, "parking_serial"),
        "seqno": entry.seqno.to_string(),
        "address": entry.address,
        "times": entry.times,
        "bytes": entry.bytes,
    })
}

fn whole(entry: &Quarantined) -> Value {
    let mut value = value(entry);
    let params: Map<String, Value> =
        entry.kept.params.iter().map(|(name, value, _)| (name.clone(), Value::from(value.as_str()))).collect();
    let images: Vec<Value> = entry
        .pictures
        .iter()
        .map(|picture| {
            json!({
                "part": picture.name,
                "md5": picture.md5.to_string(),
                "size": picture.size,
                "content_type": picture.content_type,
                "key": picture.key.to_string(),
            })
        })
        .collect();
    if let Some(object) = value.as_object_mut() {
        object.insert("params".into(), Value::Object(params));
        object.insert("images".into(), Value::Array(images));
        if let Some((content_type, body)) = &entry.kept.body {
            let text = String::from_utf8_lossy(&hex::decode(body).unwrap_or_default()).into_owned();
            object.insert("body".into(), json!({ "content_type": content_type, "text": text }));
        }
        object.insert("incomplete".into(), Value::Bool(entry.kept.incomplete));
    }
    value
}

const LISTED: output::Shown<Quarantined> =
    output::Shown { head: &["ID", "收到", "次数", "原因", "流水", "park_uuid"], row, value };

fn row(entry: &Quarantined) -> Vec<String> {
    let why = entry.finding.as_ref().unwrap_or(&entry.reason).clone();
    vec![
        entry.id.to_string(),
        output::time(entry.received_at),
        entry.times.to_string(),
        why,
        serial(entry),
        entry.park_uuid.clone().unwrap_or_else(|| "-".into()),
    ]
}
