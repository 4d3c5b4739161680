//! What stored rows mean, whichever database they are in: codes, the places that sealed texts are bound to, and how a visit
//! is put together.

use std::borrow::Cow;

use parkgate_ledger::redact::{Redaction, RefusedOrders};
use parkgate_ledger::visit::{
    CORRECTABLE, CorrectableValues, RecordFacts, SerialRecords, VisitNote, VisitRecords, correct, join,
};
use parkgate_ledger::{
    Arrival, LeftByUpdate, NewRecord, ParkId, RecordId, RecordRef, Recount, SpaceEvent, counts_as_of,
};
use parkgate_wire::push::{entry_text, payment_entries};
use parkgate_wire::value::says_nothing;
use parkgate_wire::{Digest, PushKind, Secret, SpaceReport, TRANSPORT_NAMES, UnixMillis};
use serde_json::{Map, Value};
use sha2::{Digest as _, Sha256};

use crate::quarantine::NewQuarantined;
use crate::query::{Conflict, RecordView, TakenPayment, Visit, VisitUpdate};
use crate::{Entry, StoreError};
use parkgate_seal::Seal;

/// A known text sealed under the master key, by which another key is noticed at the start.
pub(crate) const KEY_PROOF: &[u8] = b"parkgate";
pub(crate) const KEY_PLACE: &str = "master_key";
/// What a row of the quarantine takes beside its sealed text.
const ROW_BYTES: u64 = 200;

/// A record with what only the stores need of it.
#[derive(Clone)]
pub(crate) struct StoredRecord {
    pub(crate) id: i64,
    pub(crate) enter_time: UnixMillis,
    pub(crate) event_time: UnixMillis,
    pub(crate) plate: Option<String>,
    pub(crate) view: RecordView,
}

/// An entry of a leave's `payment_list`.
#[derive(Clone)]
pub(crate) struct Listed {
    pub(crate) position: usize,
    pub(crate) order: String,
    pub(crate) pay_type: String,
    fields: Map<String, Value>,
}

impl Listed {
    /// A field as it was sent.
    pub(crate) fn field(&self, name: &str) -> Option<&Value> {
        self.fields.get(name)
    }

    pub(crate) fn taken(self) -> TakenPayment {
        TakenPayment { position: self.position, fields: with_numbers(self.fields) }
    }
}

pub(crate) fn kind_code(kind: PushKind) -> i64 {
    match kind {
        PushKind::Enter => 0,
        PushKind::Leave => 1,
        PushKind::Release => 2,
        PushKind::Update => 3,
    }
}

pub(crate) fn kind_of(code: i64) -> PushKind {
    let known = PushKind::ALL.into_iter().find(|kind| kind_code(*kind) == code);
    known.unwrap_or(PushKind::Leave)
}

/// The update that counts for a leave: its row, when it says the vehicle left, when it was received, and what it sent.
pub(crate) fn left_by_update(
    id: i64,
    event_time: i64,
    received_at: i64,
    params: &str,
) -> Result<LeftByUpdate, StoreError> {
    let received_at = UnixMillis(received_at);
    let params = object(params.as_bytes())?;
    let made = params.get("operate_time").and_then(Value::as_str).and_then(UnixMillis::parse_iso);
    Ok(LeftByUpdate {
        record: RecordRef::Stored(RecordId(id)),
        as_of: counts_as_of(UnixMillis(event_time), received_at),
        done_at: counts_as_of(made.unwrap_or(received_at), received_at),
        received_at,
    })
}

/// What a new record stands under: its own key, and its stay's serial.
pub(crate) struct StoredKeys<'a> {
    pub(crate) key: Cow<'a, str>,
    pub(crate) serial: Cow<'a, str>,
    /// The serial, of a release and an update; an enter and a leave stand under theirs.
    pub(crate) is_about_stay: bool,
}

impl<'a> StoredKeys<'a> {
    pub(crate) fn of(arrival: &'a Arrival, record: &NewRecord, content_key: &[u8; 32]) -> StoredKeys<'a> {
        let under = |text: &'a str, by_digest: bool| {
            if by_digest { Cow::Owned(key_digest(content_key, text)) } else { Cow::Borrowed(text) }
        };
        StoredKeys {
            key: under(arrival.key(), record.key_by_digest),
            serial: under(&arrival.parking_serial, record.stay_by_digest),
            is_about_stay: arrival.own_key.is_some(),
        }
    }

    pub(crate) fn visit_serial(&self) -> Option<&str> {
        self.is_about_stay.then_some(&self.serial)
    }
}

/// What stands in place of a key once it is redacted, or an order: without the master key nobody can guess the text from it, and
/// the same text gives the same. What stands in place of one already stays.
pub(crate) fn key_digest(content_key: &[u8; 32], text: &str) -> String {
    const MARK: &str = "redacted:";
    const HEX_DIGITS: usize = 32;
    let is_one = |digits: &str| digits.len() == HEX_DIGITS && digits.bytes().all(|digit| digit.is_ascii_hexdigit());
    if text.strip_prefix(MARK).is_some_and(is_one) {
        return text.to_owned();
    }
    let hash =
        Sha256::new().chain_update("parkgate redacted key").chain_update(content_key).chain_update(text).finalize();
    let mut digest = hex::encode(hash);
    digest.truncate(HEX_DIGITS);
    format!("{MARK}{digest}")
}

/// As it is kept.
pub(crate) fn redaction_of(code: Option<i64>) -> Option<Redaction> {
    match code? {
        1 => Some(Redaction::Personal),
        _ => Some(Redaction::Whole),
    }
}

pub(crate) fn redaction_code(redaction: Redaction) -> i64 {
    match redaction {
        Redaction::Personal => 1,
        Redaction::Whole => 2,
    }
}

/// Refused orders, as they are kept: names, or where they stand in `payment_list`.
pub(crate) fn refused_orders(text: Option<&str>) -> RefusedOrders {
    let Some(text) = text else { return RefusedOrders::Named(Vec::new()) };
    match serde_json::from_str(text) {
        Ok(positions) => RefusedOrders::At(positions),
        Err(_) => RefusedOrders::Named(serde_json::from_str(text).unwrap_or_default()),
    }
}

/// The same as a JSON array, if there are any.
pub(crate) fn refused_text(refused: &RefusedOrders) -> Option<String> {
    match refused {
        RefusedOrders::Named(orders) => orders_text(orders),
        RefusedOrders::At(positions) => serde_json::to_string(positions).ok(),
    }
}

/// What the personal fields of a record are bound to.
pub(crate) fn personal_place(park: ParkId, parking_serial: &str, kind: PushKind) -> String {
    format!("personal:{}:{}:{parking_serial}", park.0, kind.name())
}

/// The personal fields of a push, sealed.
pub(crate) fn sealed_personal(
    seal: &Seal,
    entry: &Entry,
    arrival: &Arrival,
    serial: &str,
) -> Result<Option<Vec<u8>>, StoreError> {
    let Some(personal) = &entry.personal else { return Ok(None) };
    let place = personal_place(arrival.park, serial, arrival.kind);
    Ok(Some(seal.seal(personal.as_bytes(), &place)?))
}

/// What the signed values of a record are bound to.
pub(crate) fn original_place(park: ParkId, parking_serial: &str, kind: PushKind) -> String {
    format!("original:{}:{}:{parking_serial}", park.0, kind.name())
}

/// What was signed, sealed: it may hold personal data.
pub(crate) fn sealed_original(
    seal: &Seal,
    entry: &Entry,
    arrival: &Arrival,
    serial: &str,
) -> Result<Option<Vec<u8>>, StoreError> {
    let Some(original) = &entry.original else { return Ok(None) };
    let place = original_place(arrival.park, serial, arrival.kind);
    Ok(Some(seal.seal(original.as_bytes(), &place)?))
}

/// What a recount reads of a record that is no conflict.
pub(crate) struct CountedRecord {
    pub(crate) event_time: i64,
    pub(crate) received_at: i64,
    pub(crate) counted: Option<i64>,
    /// What it sent, as JSON.
    pub(crate) params: String,
}

impl CountedRecord {
    pub(crate) fn add_to(&self, recount: &mut Recount) -> Result<(), StoreError> {
        let as_of = counts_as_of(UnixMillis(self.event_time), UnixMillis(self.received_at));
        if let Some(delta) = self.counted {
            recount.count(SpaceEvent { as_of, delta });
            return Ok(());
        }
        let params = object(self.params.as_bytes())?;
        if let Some(report) = SpaceReport::read(|name| params.get(name).and_then(Value::as_str)) {
            recount.report(report, as_of);
        }
        Ok(())
    }
}

/// What was signed, if it was kept apart.
pub(crate) fn original_of(
    seal: &Seal,
    sealed: Option<Vec<u8>>,
    park: ParkId,
    parking_serial: &str,
    kind: PushKind,
) -> Result<Option<Vec<(String, String)>>, StoreError> {
    let Some(sealed) = sealed else { return Ok(None) };
    let plain = seal.open(&sealed, &original_place(park, parking_serial, kind))?;
    serde_json::from_slice(&plain).map(Some).map_err(|error| StoreError::Broken(format!("signed values: {error}")))
}

pub(crate) fn subscriber_place(name: &str) -> String {
    format!("subscriber:{name}")
}

/// As a JSON array, if there are any.
pub(crate) fn orders_text(orders: &[String]) -> Option<String> {
    (!orders.is_empty()).then(|| serde_json::to_string(orders).unwrap_or_default())
}

pub(crate) fn park_place(park_uuid: &str) -> String {
    format!("park:{park_uuid}")
}

pub(crate) fn app_place(app_id: &str) -> String {
    format!("app:{app_id}")
}

/// A secret as it was before it was sealed.
pub(crate) fn opened(seal: &Seal, sealed: &[u8], place: &str) -> Result<Secret, StoreError> {
    let plain = seal.open(sealed, place)?;
    String::from_utf8(plain).map(Secret::new).map_err(|_| StoreError::Broken(format!("{place} is no text")))
}

/// What a sealed push in the quarantine is bound to.
pub(crate) fn quarantine_place(park: ParkId, digest: &Digest) -> String {
    format!("quarantine:{}:{digest:?}", park.0)
}

/// What is kept of a push, as JSON, and how many bytes it takes, pictures included.
pub(crate) fn quarantine_bytes(push: &NewQuarantined) -> Result<(Vec<u8>, u64), StoreError> {
    let json = serde_json::to_vec(&push.kept).map_err(|error| StoreError::Broken(error.to_string()))?;
    let pictures: u64 = push.pictures.iter().map(|(_, picture)| picture.size).sum();
    let bytes = json.len() as u64 + ROW_BYTES + pictures;
    Ok((json, bytes))
}

pub(crate) fn object(json: &[u8]) -> Result<Map<String, Value>, StoreError> {
    serde_json::from_slice(json).map_err(|error| StoreError::Broken(format!("stored parameters: {error}")))
}

/// The visits under one serial, the leave's first.
pub(crate) fn visits_of_serial(found: Vec<StoredRecord>) -> Vec<VisitRecords<StoredRecord>> {
    let mut records = SerialRecords::default();
    for found in found {
        match found.view.kind {
            PushKind::Enter => records.enter = Some(found),
            PushKind::Leave => records.leave = Some(found),
            PushKind::Release => records.releases.push(found),
            PushKind::Update => records.updates.push(found),
        }
    }
    join(records, facts)
}

fn facts(found: &StoredRecord) -> RecordFacts {
    let params = &found.view.params;
    let given = |name: &str| params.get(name).and_then(Value::as_str).and_then(UnixMillis::parse_iso);
    let received_at = UnixMillis(found.view.received_at);
    RecordFacts {
        record: RecordId(found.id),
        enter_time: if found.view.kind.is_half() { Some(found.enter_time) } else { given("enter_time") },
        done_at: counts_as_of(
            given("operate_time").or_else(|| given("release_time")).unwrap_or(received_at),
            received_at,
        ),
        received_at,
        is_at_entrance: params.get("release_type").and_then(Value::as_str) == Some("1"),
    }
}

/// What a record says of the values that updates correct: of an update only what it gives.
fn correctable(found: &StoredRecord) -> CorrectableValues {
    CORRECTABLE.map(|name| {
        let given = || found.view.params.get(name).and_then(Value::as_str).filter(|text| !says_nothing(text));
        match (name, found.view.kind) {
            ("plate", _) => found.plate.clone(),
            ("enter_time", PushKind::Enter | PushKind::Leave) => Some(found.enter_time.to_string()),
            ("leave_time", PushKind::Leave) => Some(found.event_time.to_string()),
            ("leave_time", PushKind::Enter) => None,
            ("enter_time" | "leave_time", _) => Some(UnixMillis::parse_iso(given()?)?.to_string()),
            _ => given().map(str::to_owned),
        }
    })
}

pub(crate) fn visit_of(
    park_uuid: &str,
    parking_serial: &str,
    visit: VisitRecords<StoredRecord>,
    payments: Vec<TakenPayment>,
    conflicts: Vec<Conflict>,
) -> Visit {
    let VisitRecords { records: SerialRecords { enter, leave, releases, updates }, notes } = visit;
    // What a leave says goes before what its enter said.
    let mut values = enter.as_ref().map(correctable).unwrap_or_default();
    for (value, given) in values.iter_mut().zip(leave.as_ref().map(correctable).unwrap_or_default()) {
        *value = given.or(value.take());
    }
    if enter.is_none() && leave.is_none() {
        // By itself: as its release has it, whose times are no enter's.
        let given = releases.first().map(correctable).unwrap_or_default();
        values = given;
    }
    let (values, corrections) = correct(values, &updates.iter().map(correctable).collect::<Vec<_>>());
    let [plate, _, _, _, enter_time, leave_time] = &values;
    let mut notes = notes;
    let time = |text: &Option<String>| text.as_deref().and_then(UnixMillis::parse);
    let first = leave.iter().chain(&enter).chain(&updates).chain(&releases).next();
    if corrections.iter().any(|some| !some.is_empty())
        && time(leave_time).zip(time(enter_time)).is_some_and(|(l, e)| l < e)
    {
        notes.push(VisitNote::LeaveBeforeEnter);
    }
    Visit {
        park_uuid: park_uuid.to_owned(),
        parking_serial: parking_serial.to_owned(),
        plate: plate.clone(),
        enter_time: time(enter_time).or(first.map(|first| first.enter_time)).unwrap_or(UnixMillis(0)),
        leave_time: time(leave_time).or(leave.as_ref().map(|leave| leave.event_time)),
        payments,
        notes,
        conflicts,
        enter: enter.map(|found| found.view),
        leave: leave.map(|found| found.view),
        releases: releases.into_iter().map(|found| found.view).collect(),
        updates: updates
            .into_iter()
            .zip(corrections)
            .map(|(found, corrections)| VisitUpdate { record: found.view, corrections })
            .collect(),
    }
}

/// The payments a leave listed. What is no object was let through by the protocol's checks: one odd entry must not hide the
/// visit.
pub(crate) fn listed_payments(leave: &RecordView) -> Result<Vec<Listed>, StoreError> {
    listed_in(&leave.params)
}

/// The same, of its parameters.
pub(crate) fn listed_in(params: &Map<String, Value>) -> Result<Vec<Listed>, StoreError> {
    let list = params.get("payment_list").and_then(Value::as_str).unwrap_or_default();
    let entries = payment_entries(list).map_err(|error| StoreError::Broken(format!("stored payments: {error}")))?;
    let mut listed = Vec::new();
    for (position, entry) in entries.into_iter().enumerate() {
        let Value::Object(fields) = entry else { continue };
        let text = |name: &str| fields.get(name).and_then(entry_text).unwrap_or_default();
        listed.push(Listed { position, order: text("parking_order"), pay_type: text("pay_type"), fields });
    }
    Ok(listed)
}

/// Amounts, times and the way of payment as numbers, however they were sent.
fn with_numbers(mut fields: Map<String, Value>) -> Map<String, Value> {
    for name in ["value", "free_value", "change_value", "pay_time", "pay_type"] {
        if let Some(value) = fields.get_mut(name)
            && let Some(number) = value
                .as_str()
                .filter(|text| text.bytes().all(|b| b.is_ascii_digit()))
                .and_then(|text| text.parse::<i64>().ok())
        {
            *value = Value::from(number);
        }
    }
    fields
}

/// The names of the parameters that say something else.
pub(crate) fn differing(standing: &Map<String, Value>, ignored: &Map<String, Value>) -> Vec<String> {
    let mut names: Vec<String> = standing
        .keys()
        .chain(ignored.keys())
        .filter(|name| !TRANSPORT_NAMES.contains(&name.as_str()))
        .filter(|name| standing.get(*name) != ignored.get(*name))
        .cloned()
        .collect();
    names.sort();
    names.dedup();
    names
}
