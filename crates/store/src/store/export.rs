//! Exports in bulk: spans of records, each read by a few statements and no others.

use std::collections::{HashMap, HashSet};

use parkgate_ledger::ParkId;
use parkgate_wire::{Seqno, UnixMillis};
use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::Map;

use super::Store;
use super::conflicts;
use super::record_pages::OF_KEY;
use super::records::{COLUMN_COUNT, COLUMNS, keys_of, record};
use super::visits::{Chosen, taken_of, taken_orders};
use crate::StoreError;
use crate::backend::{Access, Backend, Row, Transaction, Value};
use crate::export::{
    ExportParks, Exported, ExportedRecord, ExportedVisit, LeavePayments, PersonalFields, RecordSpan, SPAN,
};
use crate::query::{Conflicting, RecordView};
use crate::stored::{StoredRecord, kind_of, visit_of, visits_of_serial};
use parkgate_seal::Seal;

/// Exports in bulk.
impl Store {
    /// All parks, or the one that is named; none if there is no such park.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn export_parks(&self, park_uuid: Option<&str>) -> Result<Option<ExportParks>, StoreError> {
        let mut parks = HashMap::new();
        for park in self.parks()? {
            if park_uuid.is_none_or(|wanted| wanted == park.park_uuid) {
                for key in park.record_keys() {
                    parks.insert(key.0, (park.park_uuid.clone(), park.name.clone()));
                }
            }
        }
        let is_known = park_uuid.is_none() || !parks.is_empty();
        Ok(is_known.then_some(ExportParks { parks, is_all: park_uuid.is_none() }))
    }

    /// Up to here nothing can be recorded any more, where everything that was received before `before` is committed or given up:
    /// on PostgreSQL a number may be committed after a higher one.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn settled_record(&self, before: UnixMillis) -> Result<i64, StoreError> {
        let sql = "SELECT coalesce((SELECT id FROM records {postgres WHERE received_at < $1}{sqlite WHERE $1 IS NOT NULL} \
            ORDER BY id DESC LIMIT 1), 0)";
        let row =
            self.backend.transaction(Access::Read, |transaction| transaction.query_opt(sql, &[before.0.into()]))?;
        row.map_or(Ok(0), |row| row.int(0))
    }

    /// The record before the first one that may have been received since then.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn record_before(&self, since: UnixMillis) -> Result<i64, StoreError> {
        let first = |transaction: &mut dyn Transaction| super::record_pages::first_since(transaction, since.0);
        Ok(self.backend.transaction(Access::Read, first)?.saturating_sub(1))
    }

    /// The next span after a record; none after the newest.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn next_span(&self, parks: &ExportParks, after: i64, newest: i64) -> Result<Option<RecordSpan>, StoreError> {
        if after >= newest {
            return Ok(None);
        }
        let of_parks = format!(
            "SELECT max(v.id) FROM (SELECT r.id FROM UNNEST($3::bigint[]) AS n (id) CROSS JOIN LATERAL \
             (SELECT r.id FROM records r WHERE r.id > $1 AND {OF_KEY} ORDER BY r.park_id, r.id LIMIT $2) AS r \
             ORDER BY r.id LIMIT $2) AS v"
        );
        // Numbers in SQLite follow each other, but for those of a store that came from PostgreSQL.
        let of_all = "SELECT max(v.id) FROM (SELECT r.id FROM records r WHERE r.id > $1 ORDER BY r.id LIMIT $2) AS v";
        let in_sqlite = "SELECT (SELECT min(id) FROM records WHERE id > $1) + $2 - 1";
        let whose = if parks.is_all { "" } else { " WHERE $3 IS NOT NULL" };
        let mut values = vec![after.into(), SPAN.into()];
        let postgres = if parks.is_all { of_all } else { of_parks.as_str() };
        let sql = format!("{{sqlite {in_sqlite}{whose}}}{{postgres {postgres}}}");
        if !parks.is_all {
            values.push(parks.keys());
        }
        let end = self.backend.transaction(Access::ReadLong, |transaction| transaction.query_opt(&sql, &values))?;
        let end = end.map_or(Ok(None), |row| row.opt_int(0))?;
        Ok(end.map(|end| RecordSpan { after, through: end.min(newest), newest }))
    }

    /// The visits whose newest record is in a span.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn exported_visits(&self, parks: &ExportParks, span: RecordSpan) -> Result<Vec<ExportedVisit>, StoreError> {
        self.backend.transaction(Access::ReadLong, |transaction| visits(transaction, parks, span))
    }

    /// The payments that leaves of a span took.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn exported_payments(
        &self,
        parks: &ExportParks,
        span: RecordSpan,
    ) -> Result<Vec<Exported<LeavePayments>>, StoreError> {
        self.backend.transaction(Access::ReadLong, |transaction| payments(transaction, parks, span))
    }

    /// The records of a span, but for conflicts.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn exported_records(
        &self,
        parks: &ExportParks,
        span: RecordSpan,
        personal: PersonalFields,
    ) -> Result<Vec<Exported<ExportedRecord>>, StoreError> {
        self.with_keys(|keys| records(self.backend.as_ref(), &keys.seal, parks, span, personal))
    }

    /// The conflicts of a span.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn exported_conflicts(
        &self,
        parks: &ExportParks,
        span: RecordSpan,
    ) -> Result<Vec<Exported<Conflicting>>, StoreError> {
        let found = self.with_keys(|keys| {
            self.backend.transaction(Access::ReadLong, |transaction| {
                conflicts::between(transaction, &keys.seal, span.after, span.through)
            })
        })?;
        let exported = found.into_iter().filter_map(|row| {
            let (_, park_name) = parks.of(row.epoch.0)?;
            Some(Exported { record: row.id, park_name, row })
        });
        Ok(exported.collect())
    }
}

fn records(
    backend: &dyn Backend,
    seal: &Seal,
    parks: &ExportParks,
    span: RecordSpan,
    personal: PersonalFields,
) -> Result<Vec<Exported<ExportedRecord>>, StoreError> {
    let rows = backend.transaction(Access::ReadLong, |transaction| {
        transaction.query(&records_of(parks, COLUMNS, SHOWN), &parks.values(span))
    })?;
    let mut exported = Vec::with_capacity(rows.len());
    for row in &rows {
        let Some((park_uuid, park_name)) = parks.of(row.int(10)?) else { continue };
        let parking_serial = row.text(COLUMN_COUNT)?;
        let found = match personal {
            PersonalFields::Sealed => super::records::unopened(row)?,
            PersonalFields::Opened => record(row, seal, &parking_serial)?,
        };
        let StoredRecord { id, enter_time, event_time, plate, view } = found;
        let row = ExportedRecord { park_uuid, parking_serial, plate, enter_time, event_time, view };
        exported.push(Exported { record: id, park_name, row });
    }
    Ok(exported)
}

impl ExportParks {
    fn of(&self, key: i64) -> Option<(String, String)> {
        self.parks.get(&key).cloned()
    }

    fn keys(&self) -> Value {
        self.parks.keys().copied().collect()
    }

    /// Of [`records_of`].
    fn values(&self, span: RecordSpan) -> Vec<Value> {
        let mut values = vec![span.after.into(), span.through.into()];
        if !self.is_all {
            values.push(self.keys());
        }
        values
    }
}

/// Records that are no conflicts, and whose stay is not gone.
const SHOWN: &str = "r.conflict_with IS NULL AND coalesce(r.redacted, 0) < 2";

/// The records of a span in their order: these columns, and the serial of the stay.
fn records_of(parks: &ExportParks, columns: &str, condition: &str) -> String {
    let serial = "{serial r}";
    let select = format!("SELECT {columns}, {serial} AS serial");
    let of_span = format!("r.id > $1 AND r.id <= $2 AND {condition}");
    if parks.is_all {
        return format!("{select} FROM records r WHERE {of_span} ORDER BY r.id");
    }
    format!(
        "{{sqlite {select} FROM records r WHERE {of_span} AND r.park_id {{in $3}} ORDER BY r.id}}\
         {{postgres SELECT v.* FROM UNNEST($3::bigint[]) AS n (id) CROSS JOIN LATERAL \
         ({select} FROM records r WHERE {of_span} AND r.park_id = n.id OFFSET 0) AS v ORDER BY v.id}}"
    )
}

/// Parameters that an export of visits has columns for, and those by which a visit is put together.
const OF_VISITS: &[&str] = &[
    "plate",
    "plate_color",
    "car_type",
    "car_desc",
    "enter_time",
    "leave_time",
    "enter_gate",
    "leave_gate",
    "total_value",
    "free_value",
    "online_value",
    "balance_value",
    "cash_value",
    "prepaid_value",
    "payment_list",
    "operate_time",
    "release_time",
    "release_type",
];

/// Without sealed fields; of the parameters those that are named.
fn picked(row: &Row, names: &'static [&'static str]) -> Result<StoredRecord, StoreError> {
    Ok(StoredRecord {
        id: row.int(0)?,
        enter_time: UnixMillis(row.int(2)?),
        event_time: UnixMillis(row.int(3)?),
        plate: row.opt_text(4)?,
        view: RecordView {
            kind: kind_of(row.int(1)?),
            seqno: Seqno(row.int(5)?.cast_unsigned()),
            received_at: row.int(6)?,
            variant: u8::try_from(row.int(7)?).unwrap_or_default(),
            params: Picked(names).of(row.borrowed_text(8)?)?,
            pictures: Vec::new(),
            is_redacted: row.bool(11)?,
        },
    })
}

/// Reads some names of an object, and passes by the others.
struct Picked(&'static [&'static str]);

impl Picked {
    fn of(self, json: &str) -> Result<Map<String, serde_json::Value>, StoreError> {
        let mut reader = serde_json::Deserializer::from_str(json);
        self.deserialize(&mut reader).map_err(|error| StoreError::Broken(format!("stored parameters: {error}")))
    }
}

impl<'de> DeserializeSeed<'de> for Picked {
    type Value = Map<String, serde_json::Value>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Picked {
    type Value = Map<String, serde_json::Value>;

    fn expecting(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut picked = Map::new();
        while let Some(name) = map.next_key::<std::borrow::Cow<'de, str>>()? {
            if self.0.contains(&name.as_ref()) {
                picked.insert(name.into_owned(), map.next_value()?);
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        Ok(picked)
    }
}

/// The columns of [`picked`], without what is sealed, then the park, and whether orders were refused.
const PICKED: &str = "r.id, r.kind, r.enter_time, r.event_time, r.plate, r.seqno, r.received_at, r.variant, r.params, \
    r.park_id, r.refused_orders IS NOT NULL, r.redacted IS NOT NULL";
const PICKED_COUNT: usize = 12;

/// Records of the stays of a span's records that are not in it: a stay with a later one is exported there.
fn elsewhere(parks: &ExportParks) -> String {
    let of_span = records_of(parks, "r.park_id, r.visit_serial, r.parking_serial, r.id", SHOWN);
    let newest = if parks.is_all { "$3" } else { "$4" };
    let outside = format!("{SHOWN} AND r.id <= {newest} AND (r.id <= $1 OR r.id > $2)");
    let own = "coalesce(n.visit_serial, n.parking_serial)";
    let (half, about) = (
        format!(
            "{{step records r: r.park_id = n.park_id AND r.parking_serial = {own} AND r.visit_serial IS NULL AND {outside}}}"
        ),
        format!("{{step records r: r.park_id = n.park_id AND r.visit_serial = {own} AND {outside}}}"),
    );
    let of_span = of_span.replace(" ORDER BY r.id", "").replace(" ORDER BY v.id", "");
    format!(
        "SELECT n.id, r.id, r.park_id FROM ({of_span}) AS n {half} WHERE true \
         UNION ALL SELECT n.id, r.id, r.park_id FROM ({of_span}) AS n {about} WHERE true"
    )
}

const NAMED: &str =
    "FROM {keys $1 $2} AS k {step records r: {postgres r.park_id = k.park_id AND} r.id = k.record_id} WHERE true";

/// The records of one stay, as far as they are known.
#[derive(Default)]
struct ExportStay {
    found: Vec<StoredRecord>,
    has_refused: bool,
    /// The newest of them in the span.
    newest: i64,
}

/// By park and serial.
type ExportStays = HashMap<(i64, String), ExportStay>;

fn visits(
    transaction: &mut dyn Transaction,
    parks: &ExportParks,
    span: RecordSpan,
) -> Result<Vec<ExportedVisit>, StoreError> {
    let rows = transaction.query(&records_of(parks, PICKED, SHOWN), &parks.values(span))?;
    let mut values = parks.values(span);
    values.push(span.newest.into());
    let (mut later, mut earlier) = (HashSet::new(), HashSet::new());
    for row in transaction.query(&elsewhere(parks), &values)? {
        let (of, other) = (row.int(0)?, row.int(1)?);
        if other > span.through {
            later.insert(of)
        } else {
            earlier.insert((row.int(2)?, other))
        };
    }
    let mut stays = ExportStays::new();
    // Those that are exported later, by any of their records.
    let mut put_off = HashSet::new();
    for row in &rows {
        let key = (row.int(9)?, row.text(PICKED_COUNT)?);
        if later.contains(&row.int(0)?) {
            put_off.insert(key);
        } else {
            add(&mut stays, key, row)?.newest = row.int(0)?;
        }
    }
    stays.retain(|key, _| !put_off.contains(key));
    if !earlier.is_empty() {
        let keys: Vec<(ParkId, i64)> = earlier.into_iter().map(|(park, id)| (ParkId(park), id)).collect();
        for row in transaction.query(&format!("SELECT {PICKED}, {{serial r}} {NAMED}"), &keys_of(&keys))? {
            let key = (row.int(9)?, row.text(PICKED_COUNT)?);
            if stays.contains_key(&key) {
                add(&mut stays, key, &row)?;
            }
        }
    }
    joined(transaction, parks, stays)
}

fn add<'a>(stays: &'a mut ExportStays, key: (i64, String), row: &Row) -> Result<&'a mut ExportStay, StoreError> {
    let found = picked(row, OF_VISITS)?;
    let stay = stays.entry(key).or_default();
    stay.has_refused |= row.bool(10)?;
    stay.found.push(found);
    Ok(stay)
}

/// The visits of these stays, in the order of their newest records.
fn joined(
    transaction: &mut dyn Transaction,
    parks: &ExportParks,
    stays: ExportStays,
) -> Result<Vec<ExportedVisit>, StoreError> {
    let mut chosen = Vec::with_capacity(stays.len());
    for ((park, serial), stay) in stays {
        let Some((park_uuid, park_name)) = parks.of(park) else { continue };
        for visit in visits_of_serial(stay.found) {
            let (park_uuid, serial) = (park_uuid.clone(), serial.clone());
            let one = Chosen { park: ParkId(park), park_uuid, serial, visit };
            chosen.push((stay.newest, park_name.clone(), stay.has_refused, one));
        }
    }
    // Two visits of one serial stand together, the leave's first.
    chosen.sort_by_key(|(newest, ..)| *newest);
    let refused: Vec<&Chosen> = chosen.iter().filter(|(_, _, refused, _)| *refused).map(|(.., one)| one).collect();
    let taken = taken_orders(transaction, &refused)?;
    let mut exported = Vec::with_capacity(chosen.len());
    for (record, park_name, refused, Chosen { park_uuid, serial, visit, .. }) in chosen {
        let payments = match &visit.records.leave {
            None => Vec::new(),
            Some(leave) => taken_of(leave, refused.then_some(&taken))?,
        };
        exported.push(Exported { record, park_name, row: visit_of(&park_uuid, &serial, visit, payments, Vec::new()) });
    }
    Ok(exported)
}

fn payments(
    transaction: &mut dyn Transaction,
    parks: &ExportParks,
    span: RecordSpan,
) -> Result<Vec<Exported<LeavePayments>>, StoreError> {
    let leaves = format!("{SHOWN} AND r.kind = 1");
    let rows = transaction.query(&records_of(parks, PICKED, &leaves), &parks.values(span))?;
    let mut found = Vec::with_capacity(rows.len());
    for row in &rows {
        let Some((park_uuid, park_name)) = parks.of(row.int(9)?) else { continue };
        let serial = row.text(PICKED_COUNT)?;
        let leave = picked(row, &["payment_list"])?;
        let mut visits = visits_of_serial(vec![leave]);
        let Some(visit) = visits.pop() else { continue };
        found.push((park_name, row.bool(10)?, Chosen { park: ParkId(row.int(9)?), park_uuid, serial, visit }));
    }
    let refused: Vec<&Chosen> = found.iter().filter(|(_, refused, _)| *refused).map(|(.., one)| one).collect();
    let taken = taken_orders(transaction, &refused)?;
    let mut exported = Vec::with_capacity(found.len());
    for (park_name, refused, Chosen { park_uuid, serial: parking_serial, visit, .. }) in found {
        let Some(leave) = visit.records.leave else { continue };
        let payments = taken_of(&leave, refused.then_some(&taken))?;
        if payments.is_empty() {
            continue;
        }
        let StoredRecord { id: record, event_time: leave_time, plate, view, .. } = leave;
        let row = LeavePayments { park_uuid, parking_serial, plate, leave_time, seqno: view.seqno, payments };
        exported.push(Exported { record, park_name, row });
    }
    Ok(exported)
}
