//! `conflict`: pushes that were ignored because another one has their serial.

use parkgate_ledger::mask::Masking;
use parkgate_store::{ConflictFilter, Conflicting};
use parkgate_text::texts;
use serde_json::{Value, json};

use super::audited::masking;
use super::{call_name, open};
use crate::cli;
use crate::output;

pub(super) fn run(command: cli::ConflictCommand) -> anyhow::Result<()> {
    let cli::ConflictCommand::List { park, limit, json, unmask, place } = command;
    let asked = [("--park", park.clone())];
    let (store, filter) = (open(&place)?, ConflictFilter { park_uuid: park, limit });
    let masking = masking(store.as_ref(), unmask, Masking::All, "conflict list", &asked)?;
    output::listing(json, &LISTED, &asked, |take| store.each_conflict(&filter, &mut |one| take((masking, one))))
        .map(drop)
}

const LISTED: output::ListingFormat<(Masking, Conflicting)> = output::ListingFormat {
    what: || texts().conflict.what,
    head: || {
        let columns = &texts().columns;
        vec![columns.received, columns.push, columns.serial, columns.differs]
    },
    always: 4,
    row,
    value,
};

fn row((masking, conflict): &(Masking, Conflicting)) -> Vec<String> {
    let changes = changes(conflict);
    let shown = |name: &str, text: &str| if text == NONE { NONE.to_owned() } else { masking.field(name, text) };
    let changes = changes.iter().map(|(name, was, now)| format!("{name} {} → {}", shown(name, was), shown(name, now)));
    vec![
        output::time(conflict.ignored.received_at),
        call_name(conflict.ignored.kind).into(),
        conflict.parking_serial.clone(),
        changes.collect::<Vec<_>>().join(", "),
    ]
}

/// In place of a value that was not sent.
const NONE: &str = "-";

/// Each field that differs: as recorded, and as ignored.
fn changes(conflict: &Conflicting) -> Vec<(String, String, String)> {
    let text = |params: &serde_json::Map<String, Value>, name: &str| match params.get(name) {
        None => NONE.to_owned(),
        Some(Value::String(text)) => text.clone(),
        Some(other) => other.to_string(),
    };
    let names = conflict.differing.iter();
    names
        .map(|name| (name.clone(), text(&conflict.standing.params, name), text(&conflict.ignored.params, name)))
        .collect()
}

fn value((masking, conflict): &(Masking, Conflicting)) -> Value {
    let changes = changes(conflict);
    let changes = changes.iter().map(|(name, was, now)| json!({ "name": name, "recorded": was, "ignored": now }));
    let value = json!({
        "park_uuid": conflict.park_uuid,
        "parking_serial": conflict.parking_serial,
        "kind": conflict.ignored.kind.name(),
        "seqno": conflict.ignored.seqno.to_string(),
        "received_at": conflict.ignored.received_at,
        "recorded_seqno": conflict.standing.seqno.to_string(),
        "differing": changes.collect::<Vec<_>>(),
    });
    output::masked(value, *masking)
}
