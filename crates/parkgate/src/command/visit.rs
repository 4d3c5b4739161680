//! `visit`: what was recorded.

use std::time::SystemTime;

use anyhow::bail;
use parkgate_ledger::mask::Masking;
use parkgate_ledger::visit::Correction;
use parkgate_store::{RecordView, TakenPayment, Visit, VisitFilter, VisitUpdate};
use parkgate_text::{either, texts};
use parkgate_wire::advisory::advise;
use parkgate_wire::{Fen, Params, TRANSPORT_NAMES, UnixMillis};
use serde_json::{Map, Value, json};

use super::audited::masking;
use super::open;
use crate::cli;
use crate::output::{self, misuse};

pub(super) fn run(command: cli::VisitCommand) -> anyhow::Result<()> {
    match command {
        cli::VisitCommand::List { park, plate, since, limit, json, unmask, place } => {
            let asked = [("--park", park.clone()), ("--plate", plate.clone()), ("--since", since.clone())];
            let since = since.as_deref().map(moment).transpose()?;
            let (store, filter) = (open(&place)?, VisitFilter { park_uuid: park, plate, since, limit });
            let masking = masking(store.as_ref(), unmask, Masking::All, "visit list", &asked)?;
            output::listing(json, &LISTED, &asked, |take| store.each_visit(&filter, &mut |one| take((masking, one))))
                .map(drop)
        }
        cli::VisitCommand::Show { uuid, serial, json, unmask, place } => {
            let store = open(&place)?;
            let visits = store.visit(&uuid, &serial)?;
            let Some((first, others)) = visits.split_first() else {
                bail!((texts().visit.unknown)(&uuid, &serial));
            };
            let mut value = whole(first);
            if let (Some(object), false) = (value.as_object_mut(), others.is_empty()) {
                object.insert("also".into(), Value::Array(others.iter().map(whole).collect()));
            }
            let value = if json { value } else { for_people(value, &visits) };
            let which = [("", Some(uuid)), ("", Some(serial))];
            let value = output::masked(value, masking(store.as_ref(), unmask, Masking::IdData, "visit show", &which)?);
            if json { output::json(&value) } else { output::sheet(&value) }
        }
    }
}

/// Milliseconds, a time with its zone, or a duration ago.
pub(super) fn moment(text: &str) -> anyhow::Result<UnixMillis> {
    if let Some(ms) = UnixMillis::parse(text) {
        return Ok(ms);
    }
    if let Ok(time) = text.parse::<jiff::Timestamp>() {
        return Ok(UnixMillis(time.as_millisecond()));
    }
    let ago = parkgate_client::parse_duration(text).map_err(|_| misuse((texts().general.moment)(text)))?;
    Ok(UnixMillis::from(SystemTime::now() - ago))
}

const LISTED: output::ListingFormat<(Masking, Visit)> = output::ListingFormat {
    what: || texts().visit.what,
    head: || {
        let c = &texts().columns;
        vec![c.plate, c.entered, c.left, c.serial, c.paid, c.gates, "park_uuid"]
    },
    always: 4,
    row,
    value: without_params,
};

fn row((masking, visit): &(Masking, Visit)) -> Vec<String> {
    vec![
        visit.plate.as_deref().map_or_else(|| "-".into(), |plate| masking.plate(plate)),
        output::time(visit.enter_time.0),
        match (visit.leave_time, state(visit)) {
            (Some(time), _) => output::time(time.0),
            (None, "inside") => texts().visit.inside.into(),
            (None, _) if !visit.releases.is_empty() => texts().visit.released_only.into(),
            (None, _) => "-".into(),
        },
        visit.parking_serial.clone(),
        paid(visit).map_or_else(|| "-".into(), |fen| format!("{}.{:02}", fen / 100, fen % 100)),
        gates(visit),
        visit.park_uuid.clone(),
    ]
}

/// Of a release or an update alone nobody knows.
pub(super) fn state(visit: &Visit) -> &'static str {
    match (visit.leave_time, &visit.enter) {
        (Some(_), _) => "left",
        (None, Some(_)) => "inside",
        (None, None) => "unknown",
    }
}

/// Fen paid: the sum of the accepted payments, else of the leave's totals.
pub(super) fn paid(visit: &Visit) -> Option<u64> {
    let of_payment = |payment: &TakenPayment| payment.fields.get("value").and_then(Value::as_u64);
    if !visit.payments.is_empty() {
        return Some(visit.payments.iter().filter_map(of_payment).fold(0, u64::saturating_add));
    }
    let params = &visit.leave.as_ref()?.params;
    let totals = ["online_value", "balance_value", "cash_value", "prepaid_value"];
    let amounts: Vec<u64> =
        totals.iter().filter_map(|name| Some(Fen::parse(params.get(*name)?.as_str()?)?.0)).collect();
    (!amounts.is_empty()).then(|| amounts.into_iter().fold(0, u64::saturating_add))
}

/// The gates of entry and exit.
fn gates(visit: &Visit) -> String {
    let gate = |name: &str| {
        let halves = visit.leave.iter().chain(&visit.enter);
        halves.filter_map(|half| half.params.get(name)?.as_str()).find(|text| !text.is_empty()).unwrap_or("-")
    };
    match (gate("enter_gate"), gate("leave_gate")) {
        ("-", "-") => "-".into(),
        (enter, leave) => format!("{enter} → {leave}"),
    }
}

fn without_params((masking, visit): &(Masking, Visit)) -> Value {
    let mut value = whole(visit);
    if let Some(object) = value.as_object_mut() {
        object.shift_remove("params");
        object.shift_remove("conflicts");
    }
    output::masked(value, *masking)
}

fn whole(visit: &Visit) -> Value {
    let halves = || visit.enter.iter().chain(&visit.leave);
    let mut params = Map::new();
    for half in halves() {
        params.extend(half.params.clone());
    }
    if params.is_empty() {
        // By itself: there is nothing else to show it by.
        let first = visit.releases.iter().chain(visit.updates.iter().map(|update| &update.record)).next();
        params = first.map(|record| record.params.clone()).unwrap_or_default();
    }
    json!({
        "park_uuid": visit.park_uuid,
        "parking_serial": visit.parking_serial,
        "plate": visit.plate,
        "enter_time": visit.enter_time.0,
        "leave_time": visit.leave_time.map(|time| time.0),
        "state": state(visit),
        "params": params,
        "payments": visit.payments.iter().map(|payment| Value::Object(payment.fields.clone())).collect::<Vec<_>>(),
        "images": images(&params, halves()),
        "advisories": advisories(visit),
        "enter_seqno": visit.enter.as_ref().map(|half| half.seqno.to_string()),
        "leave_seqno": visit.leave.as_ref().map(|half| half.seqno.to_string()),
        "releases": visit.releases.iter().map(release).collect::<Vec<_>>(),
        "updates": visit.updates.iter().map(update).collect::<Vec<_>>(),
        "conflicts": visit.conflicts.iter().map(|conflict| json!({
            "seqno": conflict.record.seqno.to_string(),
            "kind": conflict.record.kind.name(),
            "received_at": conflict.record.received_at,
            "differing": conflict.differing,
            "params": conflict.record.params,
        })).collect::<Vec<_>>(),
    })
}

/// A barrier that was opened by hand: what was sent of it, and its picture.
fn release(record: &RecordView) -> Value {
    let mut value = record.params.clone();
    value.retain(|name, _| !TRANSPORT_NAMES.contains(&name.as_str()) && name != "park_uuid");
    value.insert("seqno".into(), record.seqno.to_string().into());
    value.insert("received_at".into(), record.received_at.into());
    value.insert("images".into(), images(&record.params, std::iter::once(record)));
    Value::Object(value)
}

/// Who corrected what, when and why.
fn update(update: &VisitUpdate) -> Value {
    let sent = |name: &str| update.record.params.get(name).cloned().unwrap_or(Value::Null);
    let mut changed = Map::new();
    for Correction { name, before, after } in &update.corrections {
        let shown = |text: &str| match (name.ends_with("_time"), text.parse::<i64>()) {
            (true, Ok(ms)) => Value::from(ms),
            _ => Value::from(text),
        };
        changed.insert(
            (*name).into(),
            json!({ "before": before.as_deref().map_or(Value::Null, shown), "after": shown(after) }),
        );
    }
    json!({
        "flow_no": sent("flow_no"),
        "operate_time": sent("operate_time"),
        "operator": sent("operator"),
        "reason": sent("reason"),
        "changed": changed,
        "seqno": update.record.seqno.to_string(),
        "received_at": update.record.received_at,
    })
}

/// An uploaded picture takes precedence over a URL (`leave.md`, note 3.2).
fn images<'a>(params: &Map<String, Value>, halves: impl Iterator<Item = &'a RecordView>) -> Value {
    let mut images = Map::new();
    for name in parkgate_wire::field::IMAGES {
        if let Some(url) = params.get(name).and_then(Value::as_str).filter(|url| !url.is_empty()) {
            images.insert(name.into(), json!({ "url": url }));
        }
    }
    for picture in halves.flat_map(|half| &half.pictures) {
        let value = json!({
            "md5": picture.md5.to_string(),
            "size": picture.size,
            "content_type": picture.content_type,
            "key": picture.key.to_string(),
        });
        images.insert(picture.name.clone(), value);
    }
    Value::Object(images)
}

/// Advisories for programs: their sentence in both languages, whatever language people read.
fn advisories(visit: &Visit) -> Vec<Value> {
    let message = |(code, zh, en): (&str, String, String)| json!({ "code": code, "message": format!("{zh} ({en})") });
    advised(visit).into_iter().map(message).collect()
}

/// What looks wrong about a visit: each code with its sentence in Chinese and in English.
fn advised(visit: &Visit) -> Vec<(&'static str, String, String)> {
    let notes = visit.notes.iter().map(|note| (note.code(), note.zh().to_owned(), note.en().to_owned()));
    let mut found: Vec<_> = notes.collect();
    let updates = visit.updates.iter().map(|update| &update.record);
    for half in visit.enter.iter().chain(&visit.leave).chain(&visit.releases).chain(updates) {
        let advised = advise(half.kind, &sent(half), UnixMillis(half.received_at));
        let advised = advised.into_iter().map(|advisory| (advisory.code, advisory.zh, advisory.en));
        for one in advised {
            if !found.contains(&one) {
                found.push(one);
            }
        }
    }
    found
}

/// The same for people: advisories as sentences in their language.
fn for_people(mut value: Value, visits: &[Visit]) -> Value {
    let sentences = |visit: &Visit| {
        let all = advised(visit).into_iter().map(|(_, zh, en)| Value::String(either(zh, en)));
        Value::Array(all.collect())
    };
    let set = |value: &mut Value, visit: &Visit| {
        if let Some(object) = value.as_object_mut() {
            object.insert("advisories".into(), sentences(visit));
        }
    };
    let mut visits = visits.iter();
    visits.next().into_iter().for_each(|visit| set(&mut value, visit));
    let also = value.get_mut("also").and_then(Value::as_array_mut);
    also.into_iter().flatten().zip(visits).for_each(|(value, visit)| set(value, visit));
    value
}

pub(super) fn sent(half: &RecordView) -> Params {
    let mut params = Params::default();
    for (name, value) in &half.params {
        params.push(name, value.as_str().unwrap_or_default());
    }
    params
}
