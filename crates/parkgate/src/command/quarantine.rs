//! `quarantine`: refused pushes, until their cause is mended.

use std::ops::ControlFlow;

use anyhow::bail;
use parkgate_gate::{Limits, Replayed, replay};
use parkgate_ledger::mask::Masking;
use parkgate_store::{QuarantineFilter, Quarantined};
use parkgate_text::{either, texts};
use parkgate_wire::form::FormLimits;
use parkgate_wire::refusal::{self, Reason};
use serde_json::{Map, Value, json};
use unicode_width::UnicodeWidthChar;

use super::audited::masking;
use super::open;
use crate::cli;
use crate::output::{self, misuse};

/// How many are dropped at once: pushes wait while the store deletes them.
const DROPPED_AT_ONCE: usize = 1000;

pub(super) fn run(command: cli::QuarantineCommand) -> anyhow::Result<()> {
    match command {
        cli::QuarantineCommand::List { park, limit, json, unmask, place } => {
            let asked = [("--park", park.clone())];
            let filter = QuarantineFilter { park_uuid: park, limit, ..QuarantineFilter::default() };
            let store = open(&place)?;
            let masking = masking(store.as_ref(), unmask, Masking::All, "quarantine list", &asked)?;
            output::listing(json, &LISTED, &asked, |take| {
                store.each_quarantined(&filter, &mut |one| take((masking, one)))
            })
            .map(drop)
        }
        cli::QuarantineCommand::Show { id, json, unmask, place } => {
            let filter = QuarantineFilter { ids: vec![id], limit: 1, ..QuarantineFilter::default() };
            let store = open(&place)?;
            let found = store.quarantine(&filter)?;
            let Some(found) = found.first() else {
                bail!((texts().quarantine.unknown)(id));
            };
            let masking =
                masking(store.as_ref(), unmask, Masking::IdData, "quarantine show", &[("", Some(id.to_string()))])?;
            let value = output::masked(if json { whole(found) } else { for_people(found) }, masking);
            if json { output::json(&value) } else { output::sheet(&value) }
        }
        cli::QuarantineCommand::Replay { ids, park, json, place } => {
            let limit = if ids.is_empty() { usize::MAX } else { ids.len() };
            let filter = QuarantineFilter { park_uuid: park, ids, limit, after: 0 };
            replayed(&place, &filter, json)
        }
        cli::QuarantineCommand::Drop { ids, park, all, place } => {
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
                _ => return Err(misuse(texts().quarantine.which)),
            };
            let mut dropped = 0;
            for some in ids.chunks(DROPPED_AT_ONCE) {
                dropped += store.release(some)?;
            }
            output::line(&(texts().quarantine.dropped)(dropped))
        }
    }
}

fn replayed(place: &cli::StoreArgs, filter: &QuarantineFilter, json: bool) -> anyhow::Result<()> {
    let store = open(place)?;
    let (mut rows, mut values, mut taken) = (Vec::new(), Vec::new(), 0_u64);
    // Whoever replays a push with many payments has looked at it.
    let limits = FormLimits { payments_max: usize::MAX, ..Limits::default().form() };
    replay(store.as_ref(), filter, limits, |entry, outcome| {
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
            let (word, why) = in_words(outcome);
            rows.push(vec![entry.id.to_string(), word.into(), serial(entry), why]);
        }
    })?;
    if json {
        return output::json(&Value::Array(values));
    }
    let stayed = rows.len() as u64 - taken;
    let c = &texts().columns;
    let asked = [("--park", filter.park_uuid.clone()), (c.id, ids(&filter.ids))];
    output::rows(texts().quarantine.what, &asked, &[c.id, c.result, c.serial, c.reason], &rows)?;
    if rows.is_empty() {
        return Ok(());
    }
    output::line(&format!("\n{}", (texts().quarantine.moved)(taken, stayed)))
}

/// What became of one, and why.
fn in_words(outcome: &Replayed) -> (&'static str, String) {
    match outcome {
        Replayed::Recorded => (texts().quarantine.recorded, String::new()),
        Replayed::Repeated => (texts().quarantine.repeated, String::new()),
        Replayed::Conflict => (texts().quarantine.conflict, String::new()),
        Replayed::Stays { reason, hint } => (texts().quarantine.stays, cause(reason, None, hint)),
    }
}

/// Why it was refused: the mistake behind a wrong signature, else the hint that was sent.
fn cause(reason: &str, finding: Option<&str>, hint: &str) -> String {
    match (Reason::of_name(reason), finding) {
        (Some(Reason::Signature), Some(finding)) => said(refusal::finding_words(finding)),
        (Some(Reason::Signature) | None, _) => said(refusal::words(reason, finding)),
        (Some(_), _) if hint.is_empty() => said(refusal::words(reason, finding)),
        (Some(_), _) => hint_in_words(hint, refusal::words(reason, finding).1),
    }
}

/// A hint as it was sent is Chinese, some with English in brackets after it: the Chinese of it, or the reason in English with
/// the parameter that the hint names.
fn hint_in_words(hint: &str, en: String) -> String {
    let named = hint.split('`').nth(1).map(|name| format!("{en}: `{name}`"));
    either(of_both(hint).map_or(hint, |(zh, _)| zh).to_owned(), named.unwrap_or(en))
}

/// A text of the form `中文 (English)`.
fn of_both(text: &str) -> Option<(&str, &str)> {
    let text = text.strip_suffix(')')?;
    let is_chinese = |letter: char| letter.width() == Some(2);
    let mut halves =
        text.match_indices(" (").filter_map(|(at, gap)| Some((text.get(..at)?, text.get(at + gap.len()..)?)));
    halves.find(|(_, en)| !en.contains(is_chinese))
}

fn said((zh, en): (String, String)) -> String {
    either(zh, en)
}

fn ids(ids: &[i64]) -> Option<String> {
    let named: Vec<String> = ids.iter().map(i64::to_string).collect();
    (!named.is_empty()).then(|| named.join(" "))
}

fn serial(entry: &Quarantined) -> String {
    entry.sent("parking_serial").unwrap_or("-").to_owned()
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
        "parking_serial": entry.sent("parking_serial"),
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

/// The same for people: reasons in words, not by the names for programs.
fn for_people(entry: &Quarantined) -> Value {
    let mut value = whole(entry);
    let cause = said(refusal::words(&entry.reason, entry.finding.as_deref().filter(|_| entry.kept.finding.is_none())));
    if let Some(object) = value.as_object_mut() {
        object.shift_remove("finding_code");
        object.insert("reason".into(), Value::String(cause));
        if let Some((zh, en)) = entry.kept.finding.as_deref().and_then(of_both) {
            object.insert("finding".into(), Value::String(either(zh, en).to_owned()));
        }
    }
    value
}

const LISTED: output::ListingFormat<(Masking, Quarantined)> = output::ListingFormat {
    what: || texts().quarantine.what,
    head: || {
        let c = &texts().columns;
        vec![c.id, c.received, c.times, c.reason, c.serial, "park_uuid"]
    },
    always: 6,
    row,
    value: masked_value,
};

fn masked_value((masking, entry): &(Masking, Quarantined)) -> Value {
    output::masked(value(entry), *masking)
}

fn row((masking, entry): &(Masking, Quarantined)) -> Vec<String> {
    let why = masking.sentence(&cause(&entry.reason, entry.finding.as_deref(), &entry.kept.hint));
    vec![
        entry.id.to_string(),
        output::time(entry.received_at),
        entry.times.to_string(),
        why,
        serial(entry),
        entry.park_uuid.clone().unwrap_or_else(|| "-".into()),
    ]
}
