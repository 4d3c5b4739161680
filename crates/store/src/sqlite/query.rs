//! Reading visits back from their records.

use parkgate_ledger::visit::{HalfFacts, Stay, join};
use parkgate_ledger::{ParkId, RecordId};
use parkgate_wire::{Md5Hash, PushKind, UnixMillis};
use rusqlite::{Connection, OptionalExtension, Row, params, params_from_iter, types::Value as Sql};
use serde_json::{Map, Value};

use super::record::{personal_place, seqno};
use crate::images::ImageKey;
use crate::query::{Conflict, Picture, RecordView, TakenPayment, Visit, VisitFilter};
use crate::seal::Seal;
use crate::StoreError;

const COLUMNS: &str = "id, kind, enter_time, event_time, plate, seqno, received_at, variant, params, personal";

/// A record with what only this module needs.
struct Found {
    id: i64,
    enter_time: UnixMillis,
    event_time: UnixMillis,
    plate: Option<String>,
    view: RecordView,
}

pub(super) fn visit(
    connection: &Connection,
    seal: &Seal,
    park_uuid: &str,
    parking_serial: &str,
) -> Result<Vec<Visit>, StoreError> {
    let park: Option<i64> = connection
        .prepare_cached("SELECT id FROM parks WHERE park_uuid = ?1")?
        .query_row([park_uuid], |row| row.get(0))
        .optional()?;
    match park {
        None => Ok(Vec::new()),
        Some(park) => stays(connection, seal, ParkId(park), park_uuid, parking_serial),
    }
}

pub(super) fn visits(connection: &Connection, seal: &Seal, filter: &VisitFilter) -> Result<Vec<Visit>, StoreError> {
    // A visit stands where its leave stands, or its enter while it has no leave.
    let mut sql = String::from(
        "SELECT r.park_id, p.park_uuid, r.parking_serial, r.kind FROM records r JOIN parks p ON p.id = r.park_id \
         WHERE r.conflict_with IS NULL AND NOT (r.kind = 0 AND EXISTS (SELECT 1 FROM records l WHERE \
         l.parking_serial = r.parking_serial AND l.park_id = r.park_id AND l.kind = 1 AND l.conflict_with IS NULL \
         AND l.enter_time = r.enter_time))",
    );
    let mut values = Vec::new();
    if let Some(park_uuid) = &filter.park_uuid {
        sql.push_str(" AND r.park_id = (SELECT id FROM parks WHERE park_uuid = ?)");
        values.push(Sql::from(park_uuid.clone()));
    }
    if let Some(plate) = &filter.plate {
        sql.push_str(
            " AND coalesce(r.plate, (SELECT e.plate FROM records e WHERE e.parking_serial = r.parking_serial \
             AND e.park_id = r.park_id AND e.kind = 0 AND e.conflict_with IS NULL AND e.enter_time = r.enter_time)) = ?",
        );
        values.push(Sql::from(plate.clone()));
    }
    if let Some(since) = filter.since {
        sql.push_str(" AND r.event_time >= ?");
        values.push(Sql::from(since.0));
    }
    sql.push_str(" ORDER BY r.id DESC LIMIT ?");
    values.push(Sql::from(i64::try_from(filter.limit).unwrap_or(i64::MAX)));
    let mut statement = connection.prepare_cached(&sql)?;
    let mut rows = statement.query(params_from_iter(values))?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        let (park, park_uuid, serial): (i64, String, String) = (row.get(0)?, row.get(1)?, row.get(2)?);
        let left = row.get::<_, i64>(3)? == 1;
        let stays = stays(connection, seal, ParkId(park), &park_uuid, &serial)?;
        found.extend(stays.into_iter().find(|stay| stay.leave.is_some() == left));
    }
    Ok(found)
}

pub(super) fn keeps_image(connection: &Connection, key: &ImageKey) -> Result<bool, StoreError> {
    Ok(connection.prepare_cached("SELECT 1 FROM images WHERE sha256 = ?1")?.exists([key.0])?)
}

/// The visits under one serial, the leave's first.
fn stays(
    connection: &Connection,
    seal: &Seal,
    park: ParkId,
    park_uuid: &str,
    serial: &str,
) -> Result<Vec<Visit>, StoreError> {
    let sql = format!(
        "SELECT {COLUMNS} FROM records WHERE parking_serial = ?1 AND park_id = ?2 AND conflict_with IS NULL ORDER BY kind"
    );
    let (mut enter, mut leave) = (None, None);
    for found in records(connection, seal, park, serial, &sql, params![serial, park.0])? {
        match found.view.kind {
            PushKind::Enter => enter = Some(found),
            PushKind::Leave => leave = Some(found),
        }
    }
    let facts = |found: &Found| HalfFacts { record: RecordId(found.id), enter_time: found.enter_time };
    let stays = join(enter, leave, facts);
    stays.into_iter().map(|stay| read_stay(connection, seal, park, park_uuid, serial, stay)).collect()
}

fn read_stay(
    connection: &Connection,
    seal: &Seal,
    park: ParkId,
    park_uuid: &str,
    serial: &str,
    stay: Stay<Found>,
) -> Result<Visit, StoreError> {
    let mut conflicts = Vec::new();
    let sql = format!("SELECT {COLUMNS} FROM records WHERE conflict_with = ?1 ORDER BY id");
    for half in stay.enter.iter().chain(&stay.leave) {
        for other in records(connection, seal, park, serial, &sql, params![half.id])? {
            conflicts.push(Conflict { differing: differing(&half.view.params, &other.view.params), record: other.view });
        }
    }
    let payments = match &stay.leave {
        None => Vec::new(),
        Some(leave) => taken_payments(connection, park, leave)?,
    };
    let newest = stay.leave.as_ref().or(stay.enter.as_ref());
    Ok(Visit {
        park_uuid: park_uuid.to_owned(),
        parking_serial: serial.to_owned(),
        plate: stay.leave.iter().chain(&stay.enter).find_map(|half| half.plate.clone()),
        enter_time: newest.map_or(UnixMillis(0), |half| half.enter_time),
        leave_time: stay.leave.as_ref().map(|leave| leave.event_time),
        payments,
        notes: stay.notes,
        conflicts,
        enter: stay.enter.map(|half| half.view),
        leave: stay.leave.map(|half| half.view),
    })
}

fn records(
    connection: &Connection,
    seal: &Seal,
    park: ParkId,
    serial: &str,
    sql: &str,
    values: impl rusqlite::Params,
) -> Result<Vec<Found>, StoreError> {
    let mut statement = connection.prepare_cached(sql)?;
    let mut rows = statement.query(values)?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        let mut record = record(row)?;
        if let Some(sealed) = row.get::<_, Option<Vec<u8>>>(9)? {
            let plain = seal.open(&sealed, &personal_place(park, serial))?;
            record.view.params.extend(object(&plain)?);
        }
        record.view.pictures = pictures(connection, record.id)?;
        found.push(record);
    }
    Ok(found)
}

fn record(row: &Row<'_>) -> Result<Found, StoreError> {
    let params: String = row.get(8)?;
    let kind = if row.get::<_, i64>(1)? == 0 { PushKind::Enter } else { PushKind::Leave };
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

fn object(json: &[u8]) -> Result<Map<String, Value>, StoreError> {
    serde_json::from_slice(json).map_err(|error| StoreError::Broken(format!("stored parameters: {error}")))
}

fn pictures(connection: &Connection, record: i64) -> Result<Vec<Picture>, StoreError> {
    let mut statement = connection
        .prepare_cached("SELECT name, sha256, md5, size, content_type FROM images WHERE record_id = ?1 ORDER BY name")?;
    let pictures = statement.query_map([record], |row| {
        Ok(Picture {
            name: row.get(0)?,
            key: ImageKey(row.get(1)?),
            md5: Md5Hash(row.get(2)?),
            size: row.get::<_, i64>(3)?.unsigned_abs(),
            content_type: row.get(4)?,
        })
    })?;
    Ok(pictures.collect::<Result<_, _>>()?)
}

/// The payments of a leave whose orders it took, or which have none and belong to it by position.
fn taken_payments(connection: &Connection, park: ParkId, leave: &Found) -> Result<Vec<TakenPayment>, StoreError> {
    let list = leave.view.params.get("payment_list").and_then(Value::as_str).filter(|text| !text.is_empty());
    let Some(list) = list else { return Ok(Vec::new()) };
    let entries: Vec<Map<String, Value>> =
        serde_json::from_str(list).map_err(|error| StoreError::Broken(format!("stored payments: {error}")))?;
    let mut holder = connection.prepare_cached(
        "SELECT 1 FROM payments WHERE parking_order = ?1 AND park_id = ?2 AND pay_type = ?3 AND record_id = ?4 \
         AND position = ?5",
    )?;
    let mut taken = Vec::new();
    for (position, fields) in entries.into_iter().enumerate() {
        let text = |name: &str| match fields.get(name) {
            Some(Value::String(text)) => text.clone(),
            Some(Value::Number(number)) => number.to_string(),
            _ => String::new(),
        };
        let order = text("parking_order");
        let is_taken = order.is_empty()
            || holder.exists(params![order, park.0, text("pay_type"), leave.id, position as i64])?;
        if is_taken {
            taken.push(TakenPayment { position, fields: with_numbers(fields) });
        }
    }
    Ok(taken)
}

/// Amounts, times and the way of payment as numbers, however they were sent.
fn with_numbers(mut fields: Map<String, Value>) -> Map<String, Value> {
    for name in ["value", "free_value", "change_value", "pay_time", "pay_type"] {
        if let Some(value) = fields.get_mut(name)
            && let Some(number) = value.as_str().and_then(|text| text.parse::<i64>().ok())
        {
            *value = Value::from(number);
        }
    }
    fields
}

fn differing(standing: &Map<String, Value>, ignored: &Map<String, Value>) -> Vec<String> {
    let mut names: Vec<String> = standing
        .keys()
        .chain(ignored.keys())
        .filter(|name| !matches!(name.as_str(), "sign" | "timestamp" | "sign_type" | "encoding"))
        .filter(|name| standing.get(*name) != ignored.get(*name))
        .cloned()
        .collect();
    names.sort();
    names.dedup();
    names
}
