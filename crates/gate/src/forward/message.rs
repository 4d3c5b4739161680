//! A record as it is sent to a subscriber: signed form parameters, or JSON. Pure.

use parkgate_ledger::mask;
use parkgate_store::{Outgoing, SubscriberSettings};
use parkgate_wire::push::{entry_text, payment_entries};
use parkgate_wire::value::says_nothing;
use parkgate_wire::{PushKind, Secret, TRANSPORT_NAMES, UnixMillis, is_personal, sign};
use serde_json::{Map, Value, json};

/// Names and values of a signed form.
pub(super) type FormParams = Vec<(String, String)>;

/// The push as it came. If encoded values were signed, these are passed on: a receiver recognises them by `encoding=URL`.
pub(super) fn relayed(outgoing: &Outgoing) -> FormParams {
    if let Some(original) = &outgoing.original {
        return original.clone();
    }
    let mut params = FormParams::new();
    for (name, value) in &outgoing.record.params {
        match value {
            Value::Array(values) => params.extend(values.iter().map(|value| (name.clone(), text(value)))),
            value => params.push((name.clone(), text(value))),
        }
    }
    params
}

fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// The open platform's sync-enter or sync-leave (`facts.md` 10); empty values are neither sent nor signed.
pub(super) fn open_platform(
    outgoing: &Outgoing,
    settings: &SubscriberSettings,
    secret: &Secret,
    now: UnixMillis,
) -> FormParams {
    let sent = |name: &str| {
        let sent = outgoing.record.params.get(name).map(text);
        sent.filter(|text| !says_nothing(text)).unwrap_or_default()
    };
    let location: Map<String, Value> =
        outgoing.location.as_deref().and_then(|json| serde_json::from_str(json).ok()).unwrap_or_default();
    let place = |name: &str, unknown: &str| location.get(name).map_or_else(|| unknown.to_owned(), text);
    let mut params: FormParams = Vec::with_capacity(32);
    let mut put = |name: &str, value: String| {
        if !value.is_empty() {
            params.push((name.to_owned(), value));
        }
    };
    put("app_id", settings.app_id.clone().unwrap_or_default());
    put("sign_type", "MD5".into());
    put("timestamp", now.to_string());
    put("park_uuid", outgoing.park_uuid.clone());
    put("park_name", outgoing.park_name.clone());
    put("address", place("address", ""));
    put("area_code", place("area_code", ""));
    put("latitude", place("latitude", "-1.0"));
    put("longitude", place("longitude", "-1.0"));
    put("parking_serial", serial(outgoing));
    put("plate", plate(outgoing, settings));
    put("plate_color", sent("plate_color"));
    put("car_type", mapped(&sent("car_type"), &[("0", "-1")]));
    put("car_desc", sent("car_desc"));
    put("vehicle_type", mapped(&sent("vehicle_type"), &[("3", "5")]));
    put("enter_time", outgoing.enter_time.0.to_string());
    put("enter_image", url(&sent("enter_image")));
    put("enter_gate", sent("enter_gate"));
    put("enter_security", sent("enter_security"));
    let shown = outgoing.space.shown(outgoing.park_total);
    put("total_space", shown.total.unwrap_or(0).to_string());
    put("remain_space", shown.remain.unwrap_or(0).to_string());
    if outgoing.record.kind == PushKind::Leave {
        put("leave_time", outgoing.event_time.0.to_string());
        put("leave_image", url(&sent("leave_image")));
        put("leave_gate", sent("leave_gate"));
        put("leave_security", sent("leave_security"));
        let stayed = outgoing.event_time.0.saturating_sub(outgoing.enter_time.0).max(0) / 1000;
        put("parking_time", stayed.to_string());
        let total = sent("total_value");
        put("total_value", if total.is_empty() { "0".into() } else { total });
        put("free_value", sent("free_value"));
        put("autopay_value", automatic(outgoing));
    }
    let (_, signature) = sign(params.iter().map(|(name, value)| (name.as_str(), value.as_str())), secret);
    params.push(("sign".into(), signature));
    params
}

/// A serial that is unique on this platform and equal for both halves of a visit: the car park's own is unique only there.
fn serial(outgoing: &Outgoing) -> String {
    format!("{}-{}", outgoing.due.park.0, outgoing.parking_serial)
}

/// Codes that the two documents number differently (`facts.md` 8).
fn mapped(code: &str, pairs: &[(&str, &str)]) -> String {
    pairs.iter().find(|(from, _)| *from == code).map_or(code, |(_, to)| to).to_owned()
}

/// A picture's URL, if the field contains one: other contents are of no use elsewhere.
fn url(image: &str) -> String {
    if image.starts_with("http://") || image.starts_with("https://") { image.to_owned() } else { String::new() }
}

/// The sum of automatic payments, in fen.
fn automatic(outgoing: &Outgoing) -> String {
    const AUTO: &str = "3";
    let payments = payments(outgoing);
    let auto = payments.iter().filter(|payment| payment.get("pay_type").and_then(entry_text).as_deref() == Some(AUTO));
    let sum: i64 = auto.filter_map(|payment| entry_text(payment.get("value")?)?.parse::<i64>().ok()).sum();
    if sum > 0 { sum.to_string() } else { String::new() }
}

fn payments(outgoing: &Outgoing) -> Vec<Value> {
    let list = outgoing.record.params.get("payment_list").and_then(Value::as_str).unwrap_or_default();
    payment_entries(list).unwrap_or_default()
}

fn plate(outgoing: &Outgoing, settings: &SubscriberSettings) -> String {
    let plate = outgoing.plate.clone().unwrap_or_default();
    if settings.mask_plates { mask::plate(&plate) } else { plate }
}

/// When the vehicle entered and left, as far as this record says, and when a barrier was opened or something corrected.
fn times(outgoing: &Outgoing) -> Vec<(&'static str, UnixMillis)> {
    let given = |name: &str| outgoing.record.params.get(name).and_then(Value::as_str).and_then(UnixMillis::parse_iso);
    match outgoing.record.kind {
        PushKind::Enter => vec![("enter_time", outgoing.enter_time)],
        PushKind::Leave => vec![("enter_time", outgoing.enter_time), ("leave_time", outgoing.event_time)],
        kind @ (PushKind::Release | PushKind::Update) => {
            let times = kind.call().times.iter();
            times.filter_map(|name| Some((*name, given(name)?))).collect()
        }
    }
}

/// The event of a webhook.
pub(super) fn event(outgoing: &Outgoing, settings: &SubscriberSettings) -> String {
    let kind = outgoing.record.kind;
    let mut params = outgoing.record.params.clone();
    params.retain(|name, _| {
        !TRANSPORT_NAMES.contains(&name.as_str())
            && !matches!(name.as_str(), "app_id" | "api_type")
            && (settings.personal || !is_personal(name))
    });
    let payments = payments(outgoing);
    if !payments.is_empty() {
        params.insert("payment_list".into(), Value::Array(payments));
    }
    if settings.mask_plates && params.contains_key("plate") {
        params.insert("plate".into(), plate(outgoing, settings).into());
    }
    let images: Map<String, Value> = outgoing
        .record
        .pictures
        .iter()
        .filter(|picture| settings.personal || !is_personal(&picture.name))
        .map(|picture| {
            let described = json!({
                "md5": picture.md5.to_string(), "size": picture.size, "content_type": picture.content_type,
                "key": picture.key.to_string(),
            });
            (picture.name.clone(), described)
        })
        .collect();
    let shown = outgoing.space.shown(outgoing.park_total);
    let mut data = json!({
        "park_uuid": outgoing.park_uuid,
        "park_name": outgoing.park_name,
        "parking_serial": outgoing.parking_serial,
        "plate": outgoing.plate.as_ref().map(|_| plate(outgoing, settings)),
        "seqno": outgoing.record.seqno.to_string(),
        "received_at": outgoing.record.received_at,
        "total_parking_space": shown.total,
        "remain_parking_space": shown.remain,
        "params": params,
        "images": images,
    });
    if let Value::Object(data) = &mut data {
        for (name, time) in times(outgoing) {
            data.insert(name.into(), time.0.into());
        }
    }
    let at = jiff::Timestamp::from_millisecond(outgoing.record.received_at).unwrap_or_default();
    json!({ "type": format!("parking.{}", kind.name()), "timestamp": at.to_string(), "data": data }).to_string()
}

#[cfg(test)]
mod tests;
