//! Every record: can it be read, do its sealed values open, are its orders taken as it lists them, and do all of a park's give
//! its count of free spaces?

use std::collections::{HashMap, HashSet};

use parkgate_ledger::{ParkId, Recount};
use parkgate_wire::PushKind;
use parkgate_wire::push::entry_text;
use parkgate_wire::value::Fen;

use super::{CheckReport, CheckRequest, Flaw, FlawKind};
use crate::StoreError;
use crate::backend::dialect::Dialect;
use crate::backend::{Access, Row, Transaction, Value};
use crate::registry::Park;
use crate::stored::{CountedRecord, Listed, kind_of, listed_in, object, original_place, personal_place};

/// Records of one transaction.
const PAGE: usize = 1000;
/// What a row takes beside its texts, about.
const ROW_BYTES: u64 = 200;

/// In PostgreSQL of one key of a park; in SQLite, which has no such index, of all.
const RECORDS: &str = "SELECT r.id, r.park_id, r.kind, {serial r}, r.event_time, r.received_at, r.counted::bigint, r.params, \
    r.personal, r.original, r.refused_orders, r.conflict_with, r.visit_serial FROM records r \
    WHERE {postgres r.park_id = ANY (ARRAY[$1::bigint]) AND} r.id > $2 ORDER BY {postgres r.park_id,} r.id LIMIT $3";
const PAYMENTS: &str = "SELECT record_id, position, value, free_value, change_value FROM payments \
    WHERE parking_order {in $1} AND park_id {in $2} AND pay_type {in $3} AND record_id {in $4}";
const NEWEST: &str = "SELECT coalesce(max(id), 0) FROM records";

/// What a payment lists, in the columns of its row.
const AMOUNTS: [&str; 3] = ["value", "free_value", "change_value"];

/// An order of a record that is not as the record lists it.
struct WrongOrder {
    park: ParkId,
    record: i64,
    listed: Listed,
    detail: String,
}

/// A leave's orders, to be compared with the rows of payments.
struct Ordered {
    park: ParkId,
    record: i64,
    listed: Vec<Listed>,
    /// As they are kept: orders, or where they stand in the list.
    refused: Vec<serde_json::Value>,
}

struct Walk<'a> {
    request: &'a CheckRequest<'a>,
    /// The park of each key that its records stand under, by its place in the list.
    parks: HashMap<i64, usize>,
    counts: Vec<Recount>,
    suspects: Vec<WrongOrder>,
}

pub(super) fn check(
    request: &CheckRequest<'_>,
    parks: &[Park],
    found: &mut CheckReport,
    report: &mut dyn FnMut(u64, u64),
) -> Result<(), StoreError> {
    let by_key = |(index, park): (usize, &Park)| park.record_keys().map(|key| (key.0, index)).collect::<Vec<_>>();
    let keys = parks.iter().enumerate().flat_map(by_key).collect();
    let counts = parks.iter().map(|_| Recount::default()).collect();
    let mut walk = Walk { request, parks: keys, counts, suspects: Vec::new() };
    let backend = request.store.backend();
    let all = backend.transaction(Access::ReadLong, |t| t.query_opt(NEWEST, &[])?.map_or(Ok(0), |row| row.count(0)))?;
    let is_by_park = backend.dialect() == Dialect::Postgres;
    let pages: Vec<i64> = if is_by_park { walk.parks.keys().copied().collect() } else { vec![0] };
    for key in pages {
        let mut after = 0;
        while let Some(last) = walk.page(key, after, found)? {
            after = last;
            // Numbers of PostgreSQL have gaps: what was read says more there.
            let done = if is_by_park { found.records } else { after.unsigned_abs() };
            report(done, if is_by_park { 0 } else { all });
        }
    }
    walk.confirm_orders(found)?;
    walk.compare_spaces(parks, found)
}

impl Walk<'_> {
    /// The next page of records; the last of them, if there is more.
    fn page(&mut self, key: i64, after: i64, found: &mut CheckReport) -> Result<Option<i64>, StoreError> {
        let values = [key.into(), after.into(), Value::limit(PAGE)];
        let backend = self.request.store.backend();
        let (rows, orders, taken) = backend.transaction(Access::ReadLong, |transaction| {
            let rows = transaction.query(RECORDS, &values)?;
            let orders = self.orders(&rows);
            let taken = taken(transaction, &orders)?;
            Ok((rows, orders, taken))
        })?;
        let mut bytes = 0;
        for row in &rows {
            if self.parks.contains_key(&row.int(1)?) || self.request.park.is_none() {
                bytes += ROW_BYTES + row.text(7).map_or(0, |params| params.len() as u64);
                found.records += 1;
                self.look_at(row, found)?;
            }
        }
        for ordered in orders {
            self.compare(ordered, &taken, found);
        }
        self.request.throttle.take(bytes);
        if rows.len() < PAGE { Ok(None) } else { rows.last().map(|row| row.int(0)).transpose() }
    }

    fn look_at(&mut self, row: &Row, found: &mut CheckReport) -> Result<(), StoreError> {
        let (id, park, kind, serial) = (row.int(0)?, ParkId(row.int(1)?), kind_of(row.int(2)?), row.text(3)?);
        let about = format!("records {id}");
        let params = row.text(7).and_then(|params| object(params.as_bytes()).map(|_| params));
        match params {
            Err(error) => found.add(FlawKind::Record, &about, error.to_string()),
            Ok(params) => {
                let counted = row.opt_int(6)?;
                let is_conflict = row.opt_int(11)?.is_some();
                let is_of_stay = row.opt_text(12)?.is_some();
                if let Some(recount) = self.parks.get(&park.0).and_then(|index| self.counts.get_mut(*index))
                    && !is_conflict
                    && (!is_of_stay || counted.is_some())
                {
                    let record = CountedRecord { event_time: row.int(4)?, received_at: row.int(5)?, counted, params };
                    record.add_to(recount)?;
                }
            }
        }
        let keys = self.request.store.backend().keys();
        let seal = &keys.seal;
        let places = [(8, personal_place(park, &serial, kind)), (9, original_place(park, &serial, kind))];
        for (column, place) in places {
            if let Some(sealed) = row.opt_blob(column)?
                && let Err(error) = seal.open(sealed, &place)
            {
                found.add(FlawKind::Sealed, &about, error.to_string());
            }
        }
        Ok(())
    }

    /// What the leaves of a page list.
    fn orders(&self, rows: &[Row]) -> Vec<Ordered> {
        let ordered = |row: &Row| {
            let (record, park, kind) = (row.int(0).ok()?, row.int(1).ok()?, kind_of(row.int(2).ok()?));
            if kind != PushKind::Leave || row.opt_int(11).ok()?.is_some() || !self.parks.contains_key(&park) {
                return None;
            }
            // What cannot be read is said of its record.
            let listed = listed_in(&object(row.text(7).ok()?.as_bytes()).ok()?).ok()?;
            let listed: Vec<Listed> = listed.into_iter().filter(|listed| !listed.order.is_empty()).collect();
            let refused =
                row.opt_text(10).ok()?.map_or(Vec::new(), |text| serde_json::from_str(&text).unwrap_or_default());
            (!listed.is_empty()).then_some(Ordered { park: ParkId(park), record, listed, refused })
        };
        rows.iter().filter_map(ordered).collect()
    }

    fn compare(&mut self, ordered: Ordered, taken: &TakenOrders, found: &mut CheckReport) {
        let Ordered { park, record, listed, refused } = ordered;
        let refused: Vec<String> = refused.iter().filter_map(|one| refused_order(one, &listed)).collect();
        for listed in listed {
            found.payments += 1;
            let position = i64::try_from(listed.position).unwrap_or(i64::MAX);
            let detail = match taken.get(&(record, position)) {
                Some(amounts) if *amounts == amounts_of(&listed) => continue,
                Some(amounts) => format!("{:?} instead of {:?}", amounts, amounts_of(&listed)),
                None if refused.contains(&listed.order) => continue,
                None => "not taken".to_owned(),
            };
            self.suspects.push(WrongOrder { park, record, listed, detail });
        }
    }

    /// Looked at once more, since records may have gone meanwhile, or moved to another epoch with their orders.
    fn confirm_orders(&mut self, found: &mut CheckReport) -> Result<(), StoreError> {
        for suspect in std::mem::take(&mut self.suspects) {
            let wrong = &suspect;
            let is_mending = self.request.is_mending();
            let access = if is_mending { Access::Write } else { Access::ReadLong };
            let state = self.request.store.backend().transaction(access, |transaction| {
                let is_there = transaction.query_opt(
                    "SELECT 1 FROM records WHERE park_id = $1 AND id = $2 AND params LIKE '%payment_list%'",
                    &[wrong.park.0.into(), wrong.record.into()],
                )?;
                let ordered = [Ordered {
                    park: wrong.park,
                    record: wrong.record,
                    listed: vec![wrong.listed.clone()],
                    refused: Vec::new(),
                }];
                let taken = taken(transaction, &ordered)?;
                let is_right = taken.values().any(|amounts| *amounts == amounts_of(&wrong.listed));
                if is_there.is_none() || is_right {
                    return Ok(None);
                }
                if !is_mending {
                    return Ok(Some(false));
                }
                Ok(Some(mend(transaction, wrong)?))
            })?;
            if let Some(mended) = state {
                let about = format!("records {}, {}", wrong.record, wrong.listed.order);
                found.add_flaw(Flaw { kind: FlawKind::Payment, about, detail: suspect.detail, mended });
            }
        }
        Ok(())
    }

    fn compare_spaces(&self, parks: &[Park], found: &mut CheckReport) -> Result<(), StoreError> {
        for (park, recount) in parks.iter().zip(&self.counts) {
            found.parks += 1;
            if self.request.store.space(park.counted())? == recount.space() {
                continue;
            }
            // Pushes came meanwhile, or it is wrong: counted anew with the park locked at the end.
            let Some((stored, made)) = self.request.store.compare_space(park)? else { continue };
            let Some(_) = self.request.store.compare_space(park)? else { continue };
            if self.request.is_mending() {
                self.request.store.recount(park)?;
            }
            let detail = format!("{} instead of {}", shown(stored, park), shown(made, park));
            let mended = self.request.is_mending();
            found.add_flaw(Flaw { kind: FlawKind::Space, about: park.park_uuid.clone(), detail, mended });
        }
        Ok(())
    }
}

/// A refused order, of its name or of where it stands.
fn refused_order(refused: &serde_json::Value, listed: &[Listed]) -> Option<String> {
    match refused.as_str() {
        Some(order) => Some(order.to_owned()),
        None => listed.iter().find(|one| refused.as_u64() == Some(one.position as u64)).map(|one| one.order.clone()),
    }
}

fn shown(space: parkgate_ledger::Space, park: &Park) -> String {
    let shown = space.shown(park.total_parking_space);
    let number = |count: Option<u32>| count.map_or("-".to_owned(), |count| count.to_string());
    format!("{}/{} ({:+})", number(shown.remain), number(shown.total), space.later)
}

/// The amounts of taken orders, by record and position.
type TakenOrders = HashMap<(i64, i64), [Option<i64>; 3]>;

fn taken(transaction: &mut dyn Transaction, orders: &[Ordered]) -> Result<TakenOrders, StoreError> {
    let all = || orders.iter().flat_map(|ordered| &ordered.listed);
    if all().next().is_none() {
        return Ok(TakenOrders::new());
    }
    let pay_types: HashSet<&str> = all().map(|listed| listed.pay_type.as_str()).collect();
    let parks: HashSet<i64> = orders.iter().map(|ordered| ordered.park.0).collect();
    let values = [
        Value::Keys(all().map(|listed| listed.order.clone()).collect()),
        Value::Ints(parks.into_iter().collect()),
        Value::Keys(pay_types.into_iter().map(str::to_owned).collect()),
        Value::Ints(orders.iter().map(|ordered| ordered.record).collect()),
    ];
    let rows = transaction.query(PAYMENTS, &values)?;
    rows.iter()
        .map(|row| Ok(((row.int(0)?, row.int(1)?), [row.opt_int(2)?, row.opt_int(3)?, row.opt_int(4)?])))
        .collect()
}

fn amounts_of(listed: &Listed) -> [Option<i64>; 3] {
    AMOUNTS.map(|name| {
        let text = listed.field(name).and_then(entry_text)?;
        i64::try_from(Fen::parse(&text)?.0).ok()
    })
}

/// Writes the row of an order as its record lists it; false if another record has the order.
fn mend(transaction: &mut dyn Transaction, wrong: &WrongOrder) -> Result<bool, StoreError> {
    const PUT: &str = "INSERT INTO payments (park_id, parking_order, pay_type, record_id, position, value, free_value, \
        change_value, pay_time) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) ON CONFLICT {postgres (park_id, parking_order, pay_type)}\
        {sqlite (parking_order, park_id, pay_type)} DO UPDATE SET position = excluded.position, value = excluded.value, \
        free_value = excluded.free_value, change_value = excluded.change_value, pay_time = excluded.pay_time \
        WHERE payments.record_id = excluded.record_id";
    let [value, free_value, change_value] = amounts_of(&wrong.listed);
    let pay_time = wrong.listed.field("pay_time").and_then(entry_text);
    let values: [Value; 9] = [
        wrong.park.0.into(),
        Value::key(&wrong.listed.order),
        Value::key(&wrong.listed.pay_type),
        wrong.record.into(),
        Value::limit(wrong.listed.position),
        value.into(),
        free_value.into(),
        change_value.into(),
        pay_time.and_then(|text| parkgate_wire::UnixMillis::parse(&text)).map(|time| time.0).into(),
    ];
    transaction.changes(PUT, &values)
}
