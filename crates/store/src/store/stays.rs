//! All records of stays, and what is taken out of them: what stays of a record, the ledger says (`ledger/redact.rs`).

use std::collections::{HashMap, HashSet};

use parkgate_ledger::ParkId;
use parkgate_ledger::plate::NormalPlate;
use parkgate_ledger::redact::{Redaction, Redactor, RefusedOrders};
use parkgate_ledger::retention::aged_as_of;
use parkgate_wire::{PushKind, UnixMillis};
use serde_json::{Map, Value as Json};

use super::conflicts::beside;
use super::records::keys_of;
use crate::StoreError;
use crate::backend::{Row, StoreKeys, Transaction, Value};
use crate::stored::{
    Listed, key_digest, kind_of, listed_in, object, original_place, personal_place, redaction_code, redaction_of,
    refused_orders, refused_text,
};

/// Which stay: what its records carry.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct StayKey {
    pub(super) park: ParkId,
    pub(super) serial: String,
}

/// A record of a stay, whole.
pub(super) struct StayRecord {
    pub(super) id: i64,
    pub(super) kind: PushKind,
    /// What it stands under by itself.
    own_key: Option<String>,
    received_at: UnixMillis,
    event_time: UnixMillis,
    pub(super) plate: Option<String>,
    pub(super) params: Map<String, Json>,
    personal: Option<Vec<u8>>,
    original: Option<Vec<u8>>,
    refused: RefusedOrders,
    pub(super) conflict_with: Option<i64>,
    pub(super) redaction: Option<Redaction>,
}

/// All records of a stay, with those that were ignored for one of them.
pub(super) struct Stay {
    pub(super) key: StayKey,
    pub(super) standing: Vec<StayRecord>,
    pub(super) ignored: Vec<StayRecord>,
}

impl Stay {
    /// As of when it ages: its last news.
    pub(super) fn aged_as_of(&self, now: UnixMillis) -> Option<UnixMillis> {
        self.standing.iter().map(|record| aged_as_of(record.received_at, record.event_time, now)).max()
    }

    /// Of its records and those that were ignored for them.
    pub(super) fn keys(&self) -> impl Iterator<Item = (ParkId, i64)> + '_ {
        self.standing.iter().chain(&self.ignored).map(|record| (self.key.park, record.id))
    }
}

const COLUMNS: &str = "r.id, r.park_id, {serial r}, r.kind, CASE WHEN r.visit_serial IS NOT NULL THEN r.parking_serial END, \
    r.received_at, r.plate, r.params, r.personal, r.original, r.refused_orders, r.conflict_with, r.redacted, r.event_time";
const STANDING: &str = "FROM records r WHERE r.park_id {in $1} AND r.parking_serial {in $2} AND r.visit_serial IS NULL \
    AND r.conflict_with IS NULL";
const ABOUT: &str = "FROM records r WHERE r.park_id {in $1} AND r.visit_serial {in $2} AND r.conflict_with IS NULL";
const IGNORED: &str = "FROM {keys $1 $2} AS k \
    {step records s: {postgres s.park_id = k.park_id AND} s.id = k.record_id} \
    {step records r: {postgres r.park_id = s.park_id AND r.parking_serial = s.parking_serial AND} r.conflict_with = s.id}";

/// The stays, whole. Who must see no record come in between has their parks locked.
pub(super) fn load(transaction: &mut dyn Transaction, wanted: &HashSet<StayKey>) -> Result<Vec<Stay>, StoreError> {
    if wanted.is_empty() {
        return Ok(Vec::new());
    }
    let values = [
        wanted.iter().map(|key| key.park.0).collect::<HashSet<_>>().into_iter().collect(),
        Value::Keys(wanted.iter().map(|key| key.serial.clone()).collect()),
    ];
    let mut stays: HashMap<StayKey, Stay> = HashMap::new();
    let mut stay_of: HashMap<i64, StayKey> = HashMap::new();
    for row in transaction.query(&format!("SELECT {COLUMNS} {STANDING} UNION ALL SELECT {COLUMNS} {ABOUT}"), &values)? {
        let key = stay_key(&row)?;
        if !wanted.contains(&key) {
            continue;
        }
        let record = record(&row)?;
        stay_of.insert(record.id, key.clone());
        let new = || Stay { key: key.clone(), standing: Vec::new(), ignored: Vec::new() };
        stays.entry(key.clone()).or_insert_with(new).standing.push(record);
    }
    let keys: Vec<(ParkId, i64)> = stay_of.iter().map(|(id, key)| (key.park, *id)).collect();
    for row in transaction.query(&format!("SELECT {COLUMNS} {IGNORED}"), &keys_of(&keys))? {
        let record = record(&row)?;
        let stay = record.conflict_with.and_then(|with| stays.get_mut(stay_of.get(&with)?));
        if let Some(stay) = stay {
            stay.ignored.push(record);
        }
    }
    Ok(stays.into_values().collect())
}

fn stay_key(row: &Row) -> Result<StayKey, StoreError> {
    Ok(StayKey { park: ParkId(row.int(1)?), serial: row.text(2)? })
}

fn record(row: &Row) -> Result<StayRecord, StoreError> {
    Ok(StayRecord {
        id: row.int(0)?,
        kind: kind_of(row.int(3)?),
        own_key: row.opt_text(4)?,
        received_at: UnixMillis(row.int(5)?),
        event_time: UnixMillis(row.int(13)?),
        plate: row.opt_text(6)?,
        params: object(row.text(7)?.as_bytes())?,
        personal: row.opt_blob(8)?.map(<[u8]>::to_vec),
        original: row.opt_blob(9)?.map(<[u8]>::to_vec),
        refused: refused_orders(row.opt_text(10)?.as_deref()),
        conflict_with: row.opt_int(11)?,
        redaction: redaction_of(row.opt_int(12)?),
    })
}

/// Which of these records are still to be delivered somewhere.
pub(super) fn pending(transaction: &mut dyn Transaction, keys: &[(ParkId, i64)]) -> Result<HashSet<i64>, StoreError> {
    if keys.is_empty() {
        return Ok(HashSet::new());
    }
    let sql = format!("SELECT DISTINCT record_id FROM deliveries WHERE {} AND NOT dead", beside("deliveries"));
    transaction.query(&sql, &keys_of(keys))?.iter().map(|row| row.int(0)).collect()
}

/// Takes away what other tables hold of these records.
pub(super) fn delete_beside(
    transaction: &mut dyn Transaction,
    table: &str,
    keys: &[(ParkId, i64)],
) -> Result<u64, StoreError> {
    if keys.is_empty() {
        return Ok(0);
    }
    transaction.execute(&format!("DELETE FROM {table} WHERE {}", beside(table)), &keys_of(keys))
}

/// What becomes of the records of a stay, and of those that were ignored for them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Redacting {
    pub(super) standing: Option<Redaction>,
    pub(super) ignored: Option<Redaction>,
}

/// What a key of a stay is changed to.
type KeyChange<'a> = dyn Fn(&str) -> String + 'a;

/// What is written.
#[derive(Default)]
struct Written {
    records: Vec<Vec<Value>>,
    payments: Vec<Vec<Value>>,
    /// Records that are redacted now and were not so far before.
    redacted: Vec<(ParkId, i64)>,
}

const PUT: &str = "UPDATE records SET parking_serial = $3, visit_serial = $4, \
    {postgres long_serial = CASE WHEN $5::boolean THEN long_serial END,} plate = $6, personal = $7, original = $8, \
    params = $9, refused_orders = $10, redacted = $11 WHERE park_id = $1 AND id = $2{sqlite  AND $5 IS NOT NULL}";
const PUT_PAYMENT: &str = "UPDATE payments SET parking_order = $1 WHERE parking_order = $2 AND park_id = $3 AND pay_type = $4 \
    AND record_id = $5";

/// Redacts stays, with the names of their pictures and what is to be delivered of them where they go; which records.
pub(super) fn redact(
    transaction: &mut dyn Transaction,
    keys: &StoreKeys,
    stays: &[Stay],
    how: Redacting,
) -> Result<Vec<(ParkId, i64)>, StoreError> {
    let mut written = Written::default();
    for stay in stays {
        written.add(keys, stay, how)?;
    }
    transaction.execute_each(PUT, &written.records)?;
    transaction.execute_each(PUT_PAYMENT, &written.payments)?;
    Ok(written.redacted)
}

impl Written {
    fn add(&mut self, keys: &StoreKeys, stay: &Stay, how: Redacting) -> Result<(), StoreError> {
        let all = || stay.standing.iter().chain(&stay.ignored);
        let plates: Vec<NormalPlate> = all().filter_map(|record| NormalPlate::of(record.plate.as_deref()?)).collect();
        let mut personal = Vec::new();
        for record in all() {
            personal.extend(record.personal_values(keys, &stay.key)?);
        }
        let digest = |text: &str| key_digest(&keys.content_key, text);
        let redactor = |redaction| Redactor { redaction, plates: &plates, personal: &personal, digest: &digest };
        let standing = how.standing.map(redactor);
        let key =
            |text: &str| standing.as_ref().and_then(|redactor| redactor.key(text)).unwrap_or_else(|| text.to_owned());
        let to = StayKey { park: stay.key.park, serial: key(&stay.key.serial) };
        for record in &stay.standing {
            self.put(keys, stay, record, &to, (&key, standing.as_ref()))?;
        }
        let ignored = how.ignored.map(redactor);
        for record in &stay.ignored {
            self.put(keys, stay, record, &to, (&key, ignored.as_ref()))?;
        }
        Ok(())
    }

    /// A record that is not redacted any further goes along with the key of its stay.
    fn put(
        &mut self,
        keys: &StoreKeys,
        stay: &Stay,
        record: &StayRecord,
        to: &StayKey,
        (key, redactor): (&KeyChange<'_>, Option<&Redactor<'_>>),
    ) -> Result<(), StoreError> {
        let redactor = redactor.filter(|redactor| record.redaction < Some(redactor.redaction));
        let own_key = record.own_key.as_deref().map(key);
        let is_kept = to.serial == stay.key.serial;
        if redactor.is_none() && is_kept && own_key == record.own_key {
            return Ok(());
        }
        let content = match redactor {
            Some(redactor) => self.redacted(record, stay.key.park, redactor)?,
            None => RecordContent::moved(keys, stay, record, to)?,
        };
        let visit_serial = record.own_key.is_some().then(|| Value::key(&to.serial));
        self.records.push(vec![
            to.park.0.into(),
            record.id.into(),
            Value::key(own_key.as_deref().unwrap_or(&to.serial)),
            visit_serial.unwrap_or(Value::Null),
            is_kept.into(),
            content.plate.into(),
            content.personal.into(),
            content.original.into(),
            content.params.into(),
            content.refused.into(),
            content.redaction.map(redaction_code).into(),
        ]);
        Ok(())
    }

    fn redacted(
        &mut self,
        record: &StayRecord,
        park: ParkId,
        redactor: &Redactor<'_>,
    ) -> Result<RecordContent, StoreError> {
        let listed = listed_in(&record.params).unwrap_or_default();
        let places = listed.iter().map(|entry| entry.position + 1).max().unwrap_or(0);
        let mut orders: Vec<Option<String>> = vec![None; places];
        for entry in &listed {
            if let Some(place) = orders.get_mut(entry.position) {
                *place = Some(entry.order.clone());
            }
            self.payment(record, park, entry, redactor);
        }
        self.redacted.push((park, record.id));
        Ok(RecordContent {
            plate: None,
            personal: None,
            original: None,
            params: Json::Object(redactor.params(&record.params)).to_string(),
            refused: refused_text(&redactor.refused(record.refused.clone(), &orders)),
            redaction: Some(redactor.redaction),
        })
    }

    fn payment(&mut self, record: &StayRecord, park: ParkId, entry: &Listed, redactor: &Redactor<'_>) {
        if let Some(digest) = redactor.key(&entry.order).filter(|digest| *digest != entry.order) {
            let (new, old) = (Value::Key(digest), Value::key(&entry.order));
            self.payments.push(vec![new, old, park.0.into(), Value::key(&entry.pay_type), record.id.into()]);
        }
    }
}

/// The columns of a record that redaction changes.
struct RecordContent {
    plate: Option<String>,
    personal: Option<Vec<u8>>,
    original: Option<Vec<u8>>,
    params: String,
    refused: Option<String>,
    redaction: Option<Redaction>,
}

impl RecordContent {
    /// Under another key: what is sealed is bound to it.
    fn moved(keys: &StoreKeys, stay: &Stay, record: &StayRecord, to: &StayKey) -> Result<RecordContent, StoreError> {
        let anew = |sealed: &Option<Vec<u8>>, place: fn(ParkId, &str, PushKind) -> String| {
            let Some(sealed) = sealed else { return Ok::<_, StoreError>(None) };
            let plain = keys.seal.open(sealed, &place(stay.key.park, &stay.key.serial, record.kind))?;
            Ok(Some(keys.seal.seal(&plain, &place(to.park, &to.serial, record.kind))?))
        };
        Ok(RecordContent {
            plate: record.plate.clone(),
            personal: anew(&record.personal, personal_place)?,
            original: anew(&record.original, original_place)?,
            params: Json::Object(record.params.clone()).to_string(),
            refused: refused_text(&record.refused),
            redaction: record.redaction,
        })
    }
}

impl StayRecord {
    /// The values of the fields that are sealed.
    pub(super) fn personal_values(&self, keys: &StoreKeys, stay: &StayKey) -> Result<Vec<String>, StoreError> {
        let Some(sealed) = &self.personal else { return Ok(Vec::new()) };
        let plain = keys.seal.open(sealed, &personal_place(stay.park, &stay.serial, self.kind))?;
        Ok(object(&plain)?.values().filter_map(Json::as_str).map(str::to_owned).collect())
    }
}
