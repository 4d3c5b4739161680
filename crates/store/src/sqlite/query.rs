//! Reading visits back from their records.

use std::collections::HashSet;

use parkgate_ledger::ParkId;
use parkgate_ledger::visit::VisitHalves;
use parkgate_wire::{Md5Hash, UnixMillis};
use rusqlite::{Connection, OptionalExtension, Row, params, params_from_iter, types::Value as Sql};

use super::record::seqno;
use super::survey::first_since;
use crate::StoreError;
use crate::images::ImageKey;
use crate::listing::{LOOKED_AT_FOR_A_PAGE, PAGE, Page};
use crate::query::{Conflict, Picture, RecordView, TakenPayment, Visit, VisitCursor, VisitFilter};
use crate::stored::{Found, differing, kind_of, listed_payments, object, personal_place, stays_of, visit_of};
use parkgate_seal::Seal;

pub(super) const COLUMNS: &str =
    "id, kind, enter_time, event_time, plate, seqno, received_at, variant, params, personal";

pub(super) fn visit(
    connection: &Connection,
    seal: &Seal,
    park_uuid: &str,
    parking_serial: &str,
) -> Result<Vec<Visit>, StoreError> {
    let mut of_park = connection.prepare_cached(
        "SELECT e.id, e.entered_from FROM park_epochs e JOIN parks p ON p.id = e.park_id WHERE p.park_uuid = ?1 \
         UNION ALL SELECT id, NULL FROM parks WHERE park_uuid = ?1 ORDER BY 2 DESC",
    )?;
    let numberings = of_park.query_map([park_uuid], |row| Ok(ParkId(row.get(0)?)))?.collect::<Result<Vec<_>, _>>()?;
    let mut found = Vec::new();
    for park in numberings {
        let key = Key { park, park_uuid, serial: parking_serial };
        for stay in stays(connection, seal, &key)? {
            found.push(read_stay(connection, seal, &key, stay)?);
        }
    }
    Ok(found)
}

/// A visit stands where the newer of its records stands. `CROSS JOIN`: from the newest record down, whatever the planner
/// thinks of it.
const VISITS: &str = "SELECT r.park_id, p.park_uuid, r.parking_serial, r.id \
    FROM records r LEFT JOIN park_epochs e ON e.id = r.park_id CROSS JOIN parks p ON p.id = coalesce(e.park_id, r.park_id) \
    LEFT JOIN records o ON o.parking_serial = r.parking_serial AND o.park_id = r.park_id AND o.kind = 1 - r.kind \
    AND o.conflict_with IS NULL AND o.enter_time = r.enter_time AND o.id <= ? \
    WHERE r.conflict_with IS NULL AND (o.id IS NULL OR o.id < r.id) AND r.id < ? AND r.id >= ?";

/// The next visits. A page ends with its rows or with what was looked at for it.
pub(super) fn visits(
    connection: &Connection,
    seal: &Seal,
    filter: &VisitFilter,
    from: Option<VisitCursor>,
) -> Result<Page<Visit, VisitCursor>, StoreError> {
    let cursor = match from {
        Some(cursor) => cursor,
        None => beginning(connection, filter)?,
    };
    let low = looked_at_from(connection, cursor.below)?.unwrap_or(i64::MIN);
    let limit = filter.limit.min(PAGE);
    let (sql, values) = asked(filter, cursor, low.max(cursor.oldest), limit);
    let mut statement = connection.prepare_cached(&sql)?;
    let mut rows = statement.query(params_from_iter(values))?;
    let (mut found, mut read, mut last) = (Vec::new(), 0, low);
    while let Some(row) = rows.next()? {
        let (park_uuid, serial): (String, String) = (row.get(1)?, row.get(2)?);
        let key = Key { park: ParkId(row.get(0)?), park_uuid: &park_uuid, serial: &serial };
        let newest: i64 = row.get(3)?;
        (read, last) = (read + 1, newest);
        let stays = stays(connection, seal, &key)?;
        if let Some(stay) = stays.into_iter().find(|stay| stay.enter.iter().chain(&stay.leave).any(|r| r.id == newest))
        {
            found.push(read_stay(connection, seal, &key, stay)?);
        }
    }
    let below = if read == limit { last } else { low };
    Ok(Page { rows: found, next: (below > cursor.oldest).then_some(VisitCursor { below, ..cursor }) })
}

fn beginning(connection: &Connection, filter: &VisitFilter) -> Result<VisitCursor, StoreError> {
    let newest: i64 = connection.query_row("SELECT coalesce(max(id), 0) FROM records", [], |row| row.get(0))?;
    // A push is received after what it tells of.
    let oldest = filter.since.map_or(Ok(i64::MIN), |since| first_since(connection, since.0))?;
    Ok(VisitCursor::beginning(newest, oldest))
}

/// The oldest of the records that are looked at for one page.
fn looked_at_from(connection: &Connection, below: i64) -> Result<Option<i64>, StoreError> {
    let mut statement =
        connection.prepare_cached("SELECT id FROM records WHERE id < ?1 ORDER BY id DESC LIMIT 1 OFFSET ?2")?;
    Ok(statement.query_row(params![below, LOOKED_AT_FOR_A_PAGE as i64 - 1], |row| row.get(0)).optional()?)
}

fn asked(filter: &VisitFilter, cursor: VisitCursor, low: i64, limit: usize) -> (String, Vec<Sql>) {
    let mut sql = String::from(VISITS);
    let mut values = vec![Sql::from(cursor.newest), Sql::from(cursor.below), Sql::from(low)];
    if let Some(park_uuid) = &filter.park_uuid {
        sql.push_str(" AND p.park_uuid = ?");
        values.push(Sql::from(park_uuid.clone()));
    }
    if let Some(plate) = &filter.plate {
        sql.push_str(" AND CASE r.kind WHEN 1 THEN coalesce(r.plate, o.plate) ELSE coalesce(o.plate, r.plate) END = ?");
        values.push(Sql::from(plate.clone()));
    }
    if let Some(since) = filter.since {
        // The leaving: of a late enter the other half has it.
        sql.push_str(" AND CASE r.kind WHEN 1 THEN r.event_time ELSE coalesce(o.event_time, r.event_time) END >= ?");
        values.push(Sql::from(since.0));
    }
    sql.push_str(" ORDER BY r.id DESC LIMIT ?");
    values.push(Sql::from(i64::try_from(limit).unwrap_or(i64::MAX)));
    (sql, values)
}

pub(super) fn keeps_images(connection: &Connection, keys: &[ImageKey]) -> Result<HashSet<ImageKey>, StoreError> {
    // In one statement: a replay takes a picture from one table to the other.
    let sql = "SELECT 1 FROM images WHERE sha256 = ?1 UNION ALL SELECT 1 FROM quarantine_images WHERE sha256 = ?1";
    let mut kept = HashSet::new();
    let mut statement = connection.prepare_cached(sql)?;
    for key in keys {
        if statement.exists([key.0])? {
            kept.insert(*key);
        }
    }
    Ok(kept)
}

/// Under what the records of a serial stand.
pub(super) struct Key<'a> {
    pub(super) park: ParkId,
    pub(super) park_uuid: &'a str,
    pub(super) serial: &'a str,
}

/// The stays under one serial, the leave's first.
fn stays(connection: &Connection, seal: &Seal, key: &Key<'_>) -> Result<Vec<VisitHalves<Found>>, StoreError> {
    let sql = format!(
        "SELECT {COLUMNS} FROM records WHERE parking_serial = ?1 AND park_id = ?2 AND conflict_with IS NULL ORDER BY kind"
    );
    Ok(stays_of(records(connection, seal, key, &sql, params![key.serial, key.park.0])?))
}

fn read_stay(
    connection: &Connection,
    seal: &Seal,
    key: &Key<'_>,
    stay: VisitHalves<Found>,
) -> Result<Visit, StoreError> {
    let mut conflicts = Vec::new();
    let sql = format!("SELECT {COLUMNS} FROM records WHERE conflict_with = ?1 ORDER BY id");
    for half in stay.enter.iter().chain(&stay.leave) {
        for other in records(connection, seal, key, &sql, params![half.id])? {
            let differing = differing(&half.view.params, &other.view.params);
            conflicts.push(Conflict { differing, record: other.view });
        }
    }
    let payments = match &stay.leave {
        None => Vec::new(),
        Some(leave) => taken_payments(connection, key.park, leave)?,
    };
    Ok(visit_of(key.park_uuid, key.serial, stay, payments, conflicts))
}

pub(super) fn records(
    connection: &Connection,
    seal: &Seal,
    key: &Key<'_>,
    sql: &str,
    values: impl rusqlite::Params,
) -> Result<Vec<Found>, StoreError> {
    let mut statement = connection.prepare_cached(sql)?;
    let mut rows = statement.query(values)?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        let mut record = record(row)?;
        if let Some(sealed) = row.get::<_, Option<Vec<u8>>>(9)? {
            let plain = seal.open(&sealed, &personal_place(key.park, key.serial, record.view.kind))?;
            record.view.params.extend(object(&plain)?);
        }
        record.view.pictures = pictures(connection, record.id)?;
        found.push(record);
    }
    Ok(found)
}

pub(super) fn record(row: &Row<'_>) -> Result<Found, StoreError> {
    let params: String = row.get(8)?;
    let kind = kind_of(row.get(1)?);
    Ok(Found {
        id: row.get(0)?,
        enter_time: UnixMillis(row.get(2)?),
        event_time: UnixMillis(row.get(3)?),
        plate: row.get(4)?,
        view: RecordView {
            kind,
            seqno: seqno(row, 5)?,
            received_at: row.get(6)?,
            variant: row.get(7)?,
            params: object(params.as_bytes())?,
            pictures: Vec::new(),
        },
    })
}

pub(super) fn pictures(connection: &Connection, record: i64) -> Result<Vec<Picture>, StoreError> {
    let mut statement = connection.prepare_cached(
        "SELECT name, sha256, md5, size, content_type FROM images WHERE record_id = ?1 ORDER BY name",
    )?;
    let pictures = statement.query_map([record], picture)?;
    Ok(pictures.collect::<Result<_, _>>()?)
}

/// Of the columns name, sha256, md5, size and content type.
pub(super) fn picture(row: &Row<'_>) -> rusqlite::Result<Picture> {
    Ok(Picture {
        name: row.get(0)?,
        key: ImageKey(row.get(1)?),
        md5: Md5Hash(row.get(2)?),
        size: row.get::<_, i64>(3)?.unsigned_abs(),
        content_type: row.get(4)?,
    })
}

/// The payments of a leave whose orders it took, or which have none and belong to it by position.
fn taken_payments(connection: &Connection, park: ParkId, leave: &Found) -> Result<Vec<TakenPayment>, StoreError> {
    let mut holder = connection.prepare_cached(
        "SELECT 1 FROM payments WHERE parking_order = ?1 AND park_id = ?2 AND pay_type = ?3 AND record_id = ?4 \
         AND position = ?5",
    )?;
    let mut taken = Vec::new();
    for entry in listed_payments(&leave.view)? {
        let key = params![entry.order, park.0, entry.pay_type, leave.id, entry.position as i64];
        if entry.order.is_empty() || holder.exists(key)? {
            taken.push(entry.taken());
        }
    }
    Ok(taken)
}
