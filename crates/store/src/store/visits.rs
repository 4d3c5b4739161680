//! Visits, read back from their records.

use std::collections::{HashMap, HashSet};

use parkgate_ledger::ParkId;
use parkgate_ledger::visit::{SerialRecords, VisitRecords};

use super::record_pages::{KEYS_OF_PARK, OF_KEY, RECORDS_OF_PARKS, SearchStatement, end_below, first_since, newest};
use super::records::{COLUMN_COUNT, COLUMNS, keys_of, pictures, record};
use crate::StoreError;
use crate::backend::{Access, Backend, Row, StoreKeys, Transaction, Value};
use crate::listing::{LOOKED_AT_FOR_A_PAGE, PAGE, Page};
use crate::query::{Conflict, TakenPayment, Visit, VisitCursor, VisitFilter};
use crate::stored::{StoredRecord, differing, key_digest, listed_payments, visit_of, visits_of_serial};
use parkgate_seal::Seal;

/// A visit, and under what its records stand.
pub(super) struct Chosen {
    pub(super) park: ParkId,
    pub(super) park_uuid: String,
    pub(super) serial: String,
    pub(super) visit: VisitRecords<StoredRecord>,
}

impl Chosen {
    fn records(&self) -> impl Iterator<Item = &StoredRecord> {
        all(&self.visit.records)
    }

    fn records_mut(&mut self) -> impl Iterator<Item = &mut StoredRecord> {
        let SerialRecords { enter, leave, releases, updates } = &mut self.visit.records;
        enter.iter_mut().chain(leave).chain(releases).chain(updates)
    }
}

fn all(records: &SerialRecords<StoredRecord>) -> impl Iterator<Item = &StoredRecord> {
    records.enter.iter().chain(&records.leave).chain(&records.releases).chain(&records.updates)
}

/// Of a stay that is gone only what a repeat is known by is left.
const SHOWN: &str = "coalesce(r.redacted, 0) < 2";

const NEWEST_EPOCH_FIRST: &str = "SELECT e.id, e.entered_from FROM park_epochs e JOIN parks p ON p.id = e.park_id \
    WHERE p.park_uuid = $1 UNION ALL SELECT id, NULL FROM parks WHERE park_uuid = $1 ORDER BY 2 DESC NULLS LAST";

/// The visits under a serial, those of the newest epoch first.
pub(crate) fn of_serial(
    backend: &dyn Backend,
    keys: &StoreKeys,
    park_uuid: &str,
    serial: &str,
) -> Result<Vec<Visit>, StoreError> {
    let of_visit = format!(
        "SELECT {COLUMNS} FROM records r WHERE r.park_id = $1 AND r.parking_serial = $2 AND r.conflict_with IS NULL \
         AND r.visit_serial IS NULL AND {SHOWN} UNION ALL \
         SELECT {COLUMNS} FROM records r WHERE r.park_id = $1 AND r.visit_serial = $2 AND r.conflict_with IS NULL AND {SHOWN}"
    );
    // Its serial may have been redacted.
    let redacted = key_digest(&keys.content_key, serial);
    backend.transaction(Access::ReadLong, |transaction| {
        let mut chosen = Vec::new();
        for row in transaction.query(NEWEST_EPOCH_FIRST, &[park_uuid.into()])? {
            let park = ParkId(row.int(0)?);
            for serial in [serial, &redacted] {
                let rows = transaction.query(&of_visit, &[park.0.into(), Value::key(serial)])?;
                let found = rows.iter().map(|row| record(row, &keys.seal, serial)).collect::<Result<_, _>>()?;
                let (park_uuid, serial) = (park_uuid.to_owned(), serial.to_owned());
                chosen.extend(visits_of_serial(found).into_iter().map(|visit| Chosen {
                    park,
                    park_uuid: park_uuid.clone(),
                    serial: serial.clone(),
                    visit,
                }));
            }
        }
        visits_of(transaction, &keys.seal, chosen)
    })
}

/// The next visits. A page ends with its rows, or with what was looked at for it.
pub(crate) fn page(
    backend: &dyn Backend,
    seal: &Seal,
    filter: &VisitFilter,
    from: Option<VisitCursor>,
) -> Result<Page<Visit, VisitCursor>, StoreError> {
    let limit = filter.limit.min(PAGE);
    backend.transaction(Access::ReadLong, |transaction| {
        let cursor = match from {
            Some(cursor) => cursor,
            None => beginning(transaction, filter)?,
        };
        let low = end_below(transaction, cursor.below, LOOKED_AT_FOR_A_PAGE)?.unwrap_or(i64::MIN);
        let rows = search(filter, cursor, low.max(cursor.oldest), limit).rows(transaction)?;
        let below = match rows.last() {
            Some(last) if rows.len() == limit => last.int(3)?,
            _ => low,
        };
        let chosen = chosen(transaction, seal, &rows, cursor.newest)?;
        let next = (below > cursor.oldest).then_some(VisitCursor { below, ..cursor });
        Ok(Page { rows: visits_of(transaction, seal, chosen)?, next })
    })
}

fn beginning(transaction: &mut dyn Transaction, filter: &VisitFilter) -> Result<VisitCursor, StoreError> {
    let newest = newest(transaction)?;
    // A push is received after what it reports.
    let oldest = filter.since.map_or(Ok(i64::MIN), |since| first_since(transaction, since.0))?;
    Ok(VisitCursor::beginning(newest, oldest))
}

/// The record `o` that completes the stay of this one.
fn other_half(of: &str) -> String {
    format!(
        "o.park_id = {of}.park_id AND o.parking_serial = {of}.parking_serial AND o.kind = 1 - {of}.kind \
         AND o.conflict_with IS NULL AND o.enter_time = {of}.enter_time"
    )
}

/// Joins a record `o`, if there is one: looked up for each row, whatever the planner thinks of the whole table.
fn left_join(which: &str, up_to: &str) -> String {
    format!(
        "{{sqlite  LEFT JOIN records o ON {which} AND {up_to}}}\
         {{postgres  LEFT JOIN LATERAL (SELECT * FROM records o WHERE {which} AND {up_to} OFFSET 0) AS o ON true}}"
    )
}

/// The number of a release or an update of the serial of `r` that fulfils a condition. No `EXISTS`, for which PostgreSQL may
/// read the whole table once.
fn about(condition: &str) -> String {
    format!(
        "(SELECT min(u.id) FROM records u WHERE u.park_id = r.park_id AND u.visit_serial = \
         coalesce(r.visit_serial, r.parking_serial) AND u.conflict_with IS NULL AND {condition})"
    )
}

/// Of a release or an update whose enter and leave never came, the newest stands for the visit.
const STANDS_ALONE: &str = "r.visit_serial IS NOT NULL AND (SELECT min(h.id) FROM records h \
    WHERE h.park_id = r.park_id AND h.parking_serial = r.visit_serial AND h.visit_serial IS NULL \
    AND h.conflict_with IS NULL AND h.id <= $? AND coalesce(h.redacted, 0) < 2) IS NULL";

/// A visit stands where the newer of its enter and its leave stands. SQLite passes by the records of the page. In PostgreSQL each search
/// walks an index from its newest entry down: of a park each of its epochs' own (one list over them all would be
/// sorted anew for each page), of a plate that of plates, else that of all records.
fn search(filter: &VisitFilter, cursor: VisitCursor, low: i64, rows: usize) -> SearchStatement {
    let columns = "{serial r} AS serial, r.id FROM";
    let mut search = SearchStatement::new("");
    match &filter.park_uuid {
        None => search.push(&format!("SELECT r.park_id, p.park_uuid, {columns} {RECORDS_OF_PARKS}")),
        Some(park_uuid) => {
            let of_park = format!(
                "{{sqlite SELECT r.park_id, p.park_uuid, {columns} {RECORDS_OF_PARKS}}}{{postgres SELECT v.* FROM {KEYS_OF_PARK} \
                 AS n CROSS JOIN LATERAL (SELECT r.park_id, $?::text, {columns} records r}}"
            );
            search.with(&of_park, park_uuid);
        }
    }
    if let Some(plate) = &filter.plate {
        // By the index of plates, whichever half has it.
        let of_park = if filter.park_uuid.is_some() { " AND c.park_id = n.id" } else { "" };
        let newer = format!(
            "{{postgres  JOIN (SELECT DISTINCT c.park_id, coalesce(greatest(h.id, o.id), c.id) AS id FROM records c \
             LEFT JOIN records h ON h.park_id = c.park_id AND h.parking_serial = coalesce(c.visit_serial, c.parking_serial) \
             AND h.visit_serial IS NULL AND h.conflict_with IS NULL LEFT JOIN records o ON {} AND o.id <= $?",
            other_half("h")
        );
        search.with(&newer, cursor.newest);
        let of_plate = format!(
            " WHERE c.plate = $? AND c.conflict_with IS NULL{of_park}) AS k ON k.park_id = r.park_id AND k.id = r.id}}"
        );
        search.with(&of_plate, plate);
    }
    search.with(&left_join(&other_half("r"), "o.id <= $?"), cursor.newest);
    let newest_alone = about("u.id > r.id AND u.id <= $?");
    search.push(&format!(" WHERE r.conflict_with IS NULL AND {SHOWN}"));
    search.push(" AND (r.visit_serial IS NULL AND (o.id IS NULL OR o.id < r.id)");
    search.with(&format!(" OR {STANDS_ALONE} AND {newest_alone} IS NULL)"), cursor.newest);
    if filter.park_uuid.is_some() {
        search.push(&format!(" AND {{sqlite p.park_uuid = $1}}{{postgres {OF_KEY}}}"));
    }
    if let Some(plate) = &filter.plate {
        // As its enter or leave has it, or whatever names the visit.
        let either = "CASE r.kind WHEN 1 THEN coalesce(r.plate, o.plate) ELSE coalesce(o.plate, r.plate) END = $?";
        search.with(&format!(" AND ({either} OR {} IS NOT NULL)", about("u.plate = $?")), plate);
    }
    if let Some(since) = filter.since {
        // The leaving: of a late enter the other half has it.
        let leaving = "CASE r.kind WHEN 1 THEN r.event_time ELSE coalesce(o.event_time, r.event_time) END >= $?";
        search.with(&format!(" AND ({leaving} OR {} IS NOT NULL)", about("u.event_time >= $?")), since.0);
    }
    search.with(" AND r.id < $?", cursor.below);
    search.with(" AND r.id >= $?", low);
    let limit = Value::limit(rows);
    match &filter.park_uuid {
        None => search.with(" ORDER BY r.id DESC LIMIT $?", limit),
        Some(_) => {
            let order = " ORDER BY {postgres r.park_id DESC,} r.id DESC LIMIT $?\
                {postgres ) AS v ORDER BY v.id DESC LIMIT $?}";
            search.with(order, limit);
        }
    }
    search
}

const NAMED: &str = "FROM {keys $1 $2} AS k {step records n: {postgres n.park_id = k.park_id AND} n.id = k.record_id}";
const HALVES: &str = "{step records r: r.park_id = n.park_id AND r.parking_serial = coalesce(n.visit_serial, n.parking_serial) \
    AND r.visit_serial IS NULL AND r.conflict_with IS NULL AND coalesce(r.redacted, 0) < 2}";
const ABOUT: &str = "{step records r: r.park_id = n.park_id AND r.visit_serial = coalesce(n.visit_serial, n.parking_serial) \
    AND r.conflict_with IS NULL AND coalesce(r.redacted, 0) < 2}";

/// The visits whose records these rows name: park, its `park_uuid`, serial and record. One whose enter and leave are only
/// known by an update to be one visit is named by both: it stands where the newer one does.
fn chosen(
    transaction: &mut dyn Transaction,
    seal: &Seal,
    rows: &[Row],
    newest_listed: i64,
) -> Result<Vec<Chosen>, StoreError> {
    let mut named = Vec::with_capacity(rows.len());
    for row in rows {
        named.push((ParkId(row.int(0)?), row.text(1)?, row.text(2)?, row.int(3)?));
    }
    let keys: Vec<(ParkId, i64)> = named.iter().map(|(park, .., id)| (*park, *id)).collect();
    let mut records: HashMap<i64, Vec<Row>> = HashMap::new();
    if !keys.is_empty() {
        let select = format!("SELECT {COLUMNS}, n.id {NAMED}");
        for row in transaction.query(&format!("{select} {HALVES} UNION ALL {select} {ABOUT}"), &keys_of(&keys))? {
            records.entry(row.int(COLUMN_COUNT)?).or_default().push(row);
        }
    }
    let mut chosen = Vec::with_capacity(named.len());
    for (park, park_uuid, serial, newest) in named {
        let found = records.remove(&newest).unwrap_or_default();
        let found = found.iter().map(|row| record(row, seal, &serial)).collect::<Result<_, _>>()?;
        let is_it = |visit: &VisitRecords<StoredRecord>| all(&visit.records).any(|record| record.id == newest);
        let Some(visit) = visits_of_serial(found).into_iter().find(is_it) else { continue };
        let halves = visit.records.enter.iter().chain(&visit.records.leave);
        let newest_half = halves.map(|half| half.id).filter(|id| *id <= newest_listed).max();
        if newest_half.is_none_or(|half| half == newest) {
            chosen.push(Chosen { park, park_uuid, serial, visit });
        }
    }
    Ok(chosen)
}

/// With what other tables hold of them, asked once for all.
fn visits_of(
    transaction: &mut dyn Transaction,
    seal: &Seal,
    mut chosen: Vec<Chosen>,
) -> Result<Vec<Visit>, StoreError> {
    let mut keys: Vec<(ParkId, i64)> =
        chosen.iter().flat_map(|one| one.records().map(|record| (one.park, record.id))).collect();
    if keys.is_empty() {
        return Ok(Vec::new());
    }
    let mut ignored = ignored_for(transaction, seal, &chosen, &keys)?;
    let taken = taken_orders(transaction, &chosen.iter().collect::<Vec<_>>())?;
    keys.extend(ignored.values().flatten().map(|(park, other)| (*park, other.id)));
    let mut pictures = pictures(transaction, &keys)?;
    let mut visits = Vec::with_capacity(chosen.len());
    for one in &mut chosen {
        for record in one.records_mut() {
            // An update of a serial with two visits is shown with both.
            record.view.pictures = pictures.get(&record.id).cloned().unwrap_or_default();
        }
    }
    for Chosen { park_uuid, serial, visit, .. } in chosen {
        let mut conflicts = Vec::new();
        for record in all(&visit.records) {
            for (_, mut other) in ignored.remove(&record.id).unwrap_or_default() {
                other.view.pictures = pictures.remove(&other.id).unwrap_or_default();
                let differing = differing(&record.view.params, &other.view.params);
                conflicts.push(Conflict { differing, record: other.view });
            }
        }
        let payments = match &visit.records.leave {
            None => Vec::new(),
            Some(leave) => taken_of(leave, Some(&taken))?,
        };
        visits.push(visit_of(&park_uuid, &serial, visit, payments, conflicts));
    }
    Ok(visits)
}

const IGNORED: &str = "FROM {keys $1 $2} AS k \
    {step records s: {postgres s.park_id = k.park_id AND} s.id = k.record_id} \
    {step records r: {postgres r.park_id = s.park_id AND r.parking_serial = s.parking_serial AND} r.conflict_with = s.id AND coalesce(r.redacted, 0) < 2} \
    ORDER BY r.id";

/// By the record that has their serial, in the order they came.
type Ignored = HashMap<i64, Vec<(ParkId, StoredRecord)>>;

fn ignored_for(
    transaction: &mut dyn Transaction,
    seal: &Seal,
    chosen: &[Chosen],
    keys: &[(ParkId, i64)],
) -> Result<Ignored, StoreError> {
    let rows = transaction.query(&format!("SELECT {COLUMNS}, r.conflict_with {IGNORED}"), &keys_of(keys))?;
    let mut ignored = Ignored::new();
    if rows.is_empty() {
        return Ok(ignored);
    }
    let serials: HashMap<i64, (ParkId, &str)> = chosen
        .iter()
        .flat_map(|one| one.records().map(|record| (record.id, (one.park, one.serial.as_str()))))
        .collect();
    for row in &rows {
        let standing = row.int(COLUMN_COUNT)?;
        if let Some((park, serial)) = serials.get(&standing) {
            ignored.entry(standing).or_default().push((*park, record(row, seal, serial)?));
        }
    }
    Ok(ignored)
}

const TAKEN: &str = "SELECT record_id, position FROM payments WHERE parking_order {in $1} AND park_id {in $2} \
    AND pay_type {in $3} AND record_id {in $4}";

/// Whose orders were taken by which leaves: record and position.
pub(super) fn taken_orders(
    transaction: &mut dyn Transaction,
    chosen: &[&Chosen],
) -> Result<HashSet<(i64, usize)>, StoreError> {
    let (mut orders, mut pay_types) = (Vec::new(), HashSet::new());
    let (mut parks, mut leaves) = (HashSet::new(), Vec::new());
    for one in chosen {
        let Some(leave) = &one.visit.records.leave else { continue };
        for listed in listed_payments(&leave.view)?.into_iter().filter(|listed| !listed.order.is_empty()) {
            orders.push(listed.order);
            pay_types.insert(listed.pay_type);
            parks.insert(one.park.0);
            leaves.push(leave.id);
        }
    }
    let mut taken = HashSet::new();
    if orders.is_empty() {
        return Ok(taken);
    }
    let values = [
        Value::Keys(orders),
        Value::Ints(parks.into_iter().collect()),
        Value::Keys(pay_types.into_iter().collect()),
        Value::Ints(leaves),
    ];
    for row in transaction.query(TAKEN, &values)? {
        taken.insert((row.int(0)?, usize::try_from(row.int(1)?).unwrap_or(usize::MAX)));
    }
    Ok(taken)
}

/// The payments of a leave whose orders it took, or which have none and belong to it by position. Without the orders that were
/// taken: it took all of its own.
pub(super) fn taken_of(
    leave: &StoredRecord,
    taken: Option<&HashSet<(i64, usize)>>,
) -> Result<Vec<TakenPayment>, StoreError> {
    let listed = listed_payments(&leave.view)?.into_iter();
    let is_taken = |listed: &crate::stored::Listed| {
        listed.order.is_empty() || taken.is_none_or(|taken| taken.contains(&(leave.id, listed.position)))
    };
    Ok(listed.filter(is_taken).map(crate::stored::Listed::taken).collect())
}
