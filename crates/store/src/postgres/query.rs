//! Reading visits back from their records.

use std::collections::HashSet;

use std::collections::HashMap;

use parkgate_ledger::ParkId;
use parkgate_ledger::visit::VisitHalves;
use parkgate_wire::{Md5Hash, UnixMillis};
use tokio_postgres::types::ToSql;
use tokio_postgres::{Error, Row};

use super::link::{Fault, Link, Values};
use super::record::{bytes, seqno};
use super::text;

use crate::StoreError;
use crate::images::ImageKey;
use crate::listing::{PAGE, Page};
use crate::query::{Conflict, Picture, RecordView, TakenPayment, Visit, VisitCursor, VisitFilter};
use crate::stored::{Found, differing, kind_of, listed_payments, object, personal_place, stays_of, visit_of};
use parkgate_seal::Seal;

pub(super) const COLUMNS: &str = "r.id, r.kind, r.enter_time, r.event_time, r.plate, r.seqno, r.received_at, r.variant, \
    r.params, r.personal, r.conflict_with";
/// Whose serials start anew has several numberings.
pub(super) const NUMBERINGS: &str = "(SELECT id FROM parks WHERE park_uuid = $1 UNION ALL \
    SELECT e.id FROM park_epochs e JOIN parks p ON p.id = e.park_id WHERE p.park_uuid = $1)";
/// To be walked in the order of `r.park_id, r.id`. Not `r.park_id = n.id`, by which the park would drop out of that order: the
/// planner, who knows of the average park only, would then pass by all records for the few of a small one.
pub(super) const OF_NUMBERING: &str = " AND r.park_id = ANY (ARRAY[n.id])";
/// Records and what keeps them in the list of their park.
pub(super) const RECORDS_OF_PARKS: &str = "records r LEFT JOIN park_epochs e ON e.id = r.park_id \
    JOIN parks p ON p.id = coalesce(e.park_id, r.park_id)";

/// Under what the records of a serial stand.
pub(super) struct Key<'a> {
    pub(super) park: ParkId,
    pub(super) park_uuid: &'a str,
    pub(super) serial: &'a str,
}

/// Conditions and what they are about, as they come.
#[derive(Default)]
pub(super) struct Asked {
    pub(super) sql: String,
    values: Vec<Box<dyn ToSql + Sync>>,
}

impl Asked {
    pub(super) fn new(sql: &str) -> Asked {
        Asked { sql: sql.to_owned(), values: Vec::new() }
    }

    /// Adds ` AND condition $N`.
    pub(super) fn with(&mut self, condition: &str, value: impl ToSql + Sync + 'static) {
        self.values.push(Box::new(value));
        self.sql.push_str(&condition.replace("$?", &format!("${}", self.values.len())));
    }

    pub(super) async fn of(&self, link: &Link) -> Result<Vec<Row>, Fault> {
        let values: Vec<&(dyn ToSql + Sync)> = self.values.iter().map(|value| &**value as _).collect();
        Ok(link.query(&self.sql, &values).await?)
    }
}

/// How many rows, where all are meant too.
pub(super) fn limit(rows: usize) -> i64 {
    i64::try_from(rows).unwrap_or(i64::MAX)
}

pub(super) async fn visit(
    link: &Link,
    seal: &Seal,
    park_uuid: &str,
    parking_serial: &str,
) -> Result<Vec<Visit>, Fault> {
    let numberings = link
        .query(
            "SELECT e.id, e.entered_from FROM park_epochs e JOIN parks p ON p.id = e.park_id WHERE p.park_uuid = $1 \
             UNION ALL SELECT id, NULL FROM parks WHERE park_uuid = $1 ORDER BY 2 DESC NULLS LAST",
            &[&text::kept(park_uuid)],
        )
        .await?;
    let mut found = Vec::new();
    for row in numberings {
        let key = Key { park: ParkId(row.try_get(0)?), park_uuid, serial: parking_serial };
        for stay in stays(link, seal, &key).await? {
            found.push(read_stay(link, seal, &key, stay).await?);
        }
    }
    Ok(found)
}

/// Where a listing begins.
pub(super) async fn beginning(link: &Link, filter: &VisitFilter) -> Result<VisitCursor, Fault> {
    let row = link.query_opt("SELECT coalesce(max(id), 0) FROM records", &[]).await?;
    let newest: i64 = row.map_or(Ok(0), |row| row.try_get(0))?;
    let oldest = match filter.since {
        None => i64::MIN,
        // A push is received after what it tells of.
        Some(since) => first_since(link, since.0).await?,
    };
    Ok(VisitCursor::beginning(newest, oldest))
}

/// The next visits, newest first.
pub(super) async fn visits(
    link: &Link,
    seal: &Seal,
    filter: &VisitFilter,
    cursor: VisitCursor,
) -> Result<Page<Visit, VisitCursor>, Fault> {
    let limit = filter.limit.min(PAGE);
    let (mut found, mut below) = (Vec::new(), cursor.below);
    let rows = asked(filter, cursor, limit).of(link).await?;
    let is_last = rows.len() < limit;
    for row in rows {
        let park_uuid: String = row.try_get(1)?;
        let serial = text::read(row.try_get(2)?);
        let key = Key { park: ParkId(row.try_get(0)?), park_uuid: &park_uuid, serial: &serial };
        let newest: i64 = row.try_get(3)?;
        below = newest;
        let stays = stays(link, seal, &key).await?;
        if let Some(stay) = stays.into_iter().find(|stay| stay.enter.iter().chain(&stay.leave).any(|r| r.id == newest))
        {
            found.push(read_stay(link, seal, &key, stay).await?);
        }
    }
    Ok(Page { rows: found, next: (!is_last).then_some(VisitCursor { below, ..cursor }) })
}

/// A visit stands where the newer of its records stands. Each search walks an index from its newest entry down: of a park
/// each of its numberings' own (one list over them all would be sorted anew for each page), else that of all records.
fn asked(filter: &VisitFilter, cursor: VisitCursor, rows: usize) -> Asked {
    let mut asked = Asked::default();
    let columns = "coalesce(r.long_serial, r.parking_serial) AS serial, r.id FROM";
    match &filter.park_uuid {
        None => asked.sql = format!("SELECT r.park_id, p.park_uuid, {columns} {RECORDS_OF_PARKS}"),
        Some(park_uuid) => asked.with(
            &format!(
                "SELECT v.* FROM {NUMBERINGS} AS n CROSS JOIN LATERAL (SELECT r.park_id, $1::text, {columns} records r"
            ),
            text::kept(park_uuid).into_owned(),
        ),
    }
    if let Some(plate) = &filter.plate {
        let of_park = if filter.park_uuid.is_some() { " AND c.park_id = n.id" } else { "" };
        // By the index of plates, whichever half has it.
        let newer = format!(
            " JOIN (SELECT DISTINCT c.park_id, greatest(c.id, o.id) AS id FROM records c LEFT JOIN {} AND o.id <= $?",
            other_half("c")
        );
        asked.with(&newer, cursor.newest);
        let of_plate = format!(
            " WHERE c.plate = $? AND c.conflict_with IS NULL{of_park}) AS k ON k.park_id = r.park_id AND k.id = r.id"
        );
        asked.with(&of_plate, text::kept(plate).into_owned());
    }
    asked.with(&format!(" LEFT JOIN {} AND o.id <= $?", other_half("r")), cursor.newest);
    asked.sql.push_str(" WHERE r.conflict_with IS NULL AND (o.id IS NULL OR o.id < r.id)");
    if filter.park_uuid.is_some() {
        asked.sql.push_str(OF_NUMBERING);
    }
    if let Some(plate) = &filter.plate {
        let either = " AND CASE r.kind WHEN 1 THEN coalesce(r.plate, o.plate) ELSE coalesce(o.plate, r.plate) END = $?";
        asked.with(either, text::kept(plate).into_owned());
    }
    if let Some(since) = filter.since {
        // The leaving: of a late enter the other half has it.
        let leaving = " AND CASE r.kind WHEN 1 THEN r.event_time ELSE coalesce(o.event_time, r.event_time) END >= $?";
        asked.with(leaving, since.0);
    }
    asked.with(" AND r.id < $?", cursor.below);
    asked.with(" AND r.id >= $?", cursor.oldest);
    let all = limit(rows);
    match &filter.park_uuid {
        None => asked.with(" ORDER BY r.id DESC LIMIT $?", all),
        Some(_) => {
            asked.with(" ORDER BY r.park_id DESC, r.id DESC LIMIT $?", all);
            asked.with(") AS v ORDER BY v.id DESC LIMIT $?", all);
        }
    }
    asked
}

pub(super) async fn keeps_images(link: &Link, keys: &[ImageKey]) -> Result<HashSet<ImageKey>, Fault> {
    // In one statement: a replay takes a picture from one table to the other.
    let kept = "SELECT sha256 FROM images WHERE sha256 = ANY($1) \
        UNION SELECT sha256 FROM quarantine_images WHERE sha256 = ANY($1)";
    let asked: Vec<&[u8]> = keys.iter().map(|key| key.0.as_slice()).collect();
    let rows = link.query(kept, &[&asked]).await?;
    let mut kept = HashSet::new();
    for row in &rows {
        let key = <[u8; 32]>::try_from(row.try_get::<_, &[u8]>(0)?);
        kept.insert(ImageKey(key.map_err(|_| StoreError::Broken("the address of a picture".into()))?));
    }
    Ok(kept)
}

/// The record `o` that completes the stay of this one.
fn other_half(of: &str) -> String {
    format!(
        "records o ON o.park_id = {of}.park_id AND o.parking_serial = {of}.parking_serial AND o.kind = 1 - {of}.kind \
         AND o.conflict_with IS NULL AND o.enter_time = {of}.enter_time"
    )
}

/// The first record that may have been received since then. Received times rise with numbers, but for the clocks of nodes and
/// for batches of one moment: an hour before. Halved until it is found, since no index tells it.
pub(super) async fn first_since(link: &Link, received_from: i64) -> Result<i64, Fault> {
    const HOUR_MS: i64 = 60 * 60 * 1000;
    let bounds = link.query_opt("SELECT coalesce(min(id), 0), coalesce(max(id), 0) FROM records", &[]).await?;
    let (mut low, mut high) = bounds.map_or(Ok((0, 0)), |row| Ok::<_, Error>((row.try_get(0)?, row.try_get(1)?)))?;
    while low < high {
        let middle: i64 = low + (high - low) / 2;
        let at = "SELECT received_at FROM records WHERE id >= $1 ORDER BY id LIMIT 1";
        let row = link.query_opt(at, &[&middle]).await?;
        let received: i64 = row.map_or(Ok(i64::MAX), |row| row.try_get(0))?;
        if received < received_from.saturating_sub(HOUR_MS) { low = middle + 1 } else { high = middle }
    }
    Ok(low)
}

/// The stays under one serial, the leave's first.
async fn stays(link: &Link, seal: &Seal, key: &Key<'_>) -> Result<Vec<VisitHalves<Found>>, Fault> {
    let sql = format!(
        "SELECT {COLUMNS} FROM records r WHERE r.park_id = $1 AND r.parking_serial = $2 AND r.conflict_with IS NULL \
         ORDER BY r.kind"
    );
    let found = records(link, seal, key, &sql, &[&key.park.0, &text::key(key.serial)]).await?;
    Ok(stays_of(found.into_iter().map(|(found, _)| found).collect()))
}

async fn read_stay(link: &Link, seal: &Seal, key: &Key<'_>, stay: VisitHalves<Found>) -> Result<Visit, Fault> {
    let halves: Vec<&Found> = stay.enter.iter().chain(&stay.leave).collect();
    let sql = format!(
        "SELECT {COLUMNS} FROM records r WHERE r.park_id = $1 AND r.parking_serial = $2 AND r.conflict_with = ANY($3) \
         ORDER BY array_position($3, r.conflict_with), r.id"
    );
    let ids: Vec<i64> = halves.iter().map(|half| half.id).collect();
    let mut conflicts = Vec::new();
    for (other, with) in records(link, seal, key, &sql, &[&key.park.0, &text::key(key.serial), &ids]).await? {
        if let Some(half) = halves.iter().find(|half| Some(half.id) == with) {
            let differing = differing(&half.view.params, &other.view.params);
            conflicts.push(Conflict { differing, record: other.view });
        }
    }
    let payments = match &stay.leave {
        None => Vec::new(),
        Some(leave) => taken_payments(link, key.park, leave).await?,
    };
    Ok(visit_of(key.park_uuid, key.serial, stay, payments, conflicts))
}

/// Each with the record it was ignored for, if it was.
pub(super) async fn records(
    link: &Link,
    seal: &Seal,
    key: &Key<'_>,
    sql: &str,
    values: Values<'_>,
) -> Result<Vec<(Found, Option<i64>)>, Fault> {
    let mut found = Vec::new();
    for row in link.query(sql, values).await? {
        let mut record = record(&row)?;
        if let Some(sealed) = row.try_get::<_, Option<&[u8]>>(9)? {
            let plain = seal.open(sealed, &personal_place(key.park, key.serial, record.view.kind))?;
            record.view.params.extend(object(&plain)?);
        }
        found.push((record, row.try_get(10)?));
    }
    let ids: Vec<i64> = found.iter().map(|(record, _)| record.id).collect();
    let mut pictures = pictures(link, &[key.park.0], &ids).await?;
    for (record, _) in &mut found {
        record.view.pictures = pictures.remove(&record.id).unwrap_or_default();
    }
    Ok(found)
}

pub(super) fn record(row: &Row) -> Result<Found, Fault> {
    let params: String = row.try_get(8)?;
    Ok(Found {
        id: row.try_get(0)?,
        enter_time: UnixMillis(row.try_get(2)?),
        event_time: UnixMillis(row.try_get(3)?),
        plate: row.try_get::<_, Option<String>>(4)?.map(text::read),
        view: RecordView {
            kind: kind_of(row.try_get::<_, i16>(1)?.into()),
            seqno: seqno(row, 5)?,
            received_at: row.try_get(6)?,
            variant: u8::try_from(row.try_get::<_, i16>(7)?).unwrap_or_default(),
            params: object(text::read(params).as_bytes())?,
            pictures: Vec::new(),
        },
    })
}

/// By record.
pub(super) async fn pictures(link: &Link, parks: &[i64], ids: &[i64]) -> Result<HashMap<i64, Vec<Picture>>, Fault> {
    let mut found: HashMap<i64, Vec<Picture>> = HashMap::new();
    if ids.is_empty() {
        return Ok(found);
    }
    let sql = "SELECT record_id, name, sha256, md5, size, content_type FROM images \
        WHERE park_id = ANY($1) AND record_id = ANY($2) ORDER BY name";
    for row in link.query(sql, &[&parks, &ids]).await? {
        found.entry(row.try_get(0)?).or_default().push(picture(&row)?);
    }
    Ok(found)
}

/// Of the columns after the first: name, sha256, md5, size and content type.
pub(super) fn picture(row: &Row) -> Result<Picture, Fault> {
    Ok(Picture {
        name: text::read(row.try_get(1)?),
        key: ImageKey(bytes(row, 2)?),
        md5: Md5Hash(bytes(row, 3)?),
        size: row.try_get::<_, i64>(4)?.unsigned_abs(),
        content_type: row.try_get(5)?,
    })
}

/// The payments of a leave whose orders it took, or which have none and belong to it by position.
async fn taken_payments(link: &Link, park: ParkId, leave: &Found) -> Result<Vec<TakenPayment>, Fault> {
    let listed = listed_payments(&leave.view)?;
    let orders: Vec<_> = listed.iter().map(|entry| text::key(&entry.order)).collect();
    let pay_types: Vec<_> = listed.iter().map(|entry| text::key(&entry.pay_type)).collect();
    let sql = "SELECT p.position FROM UNNEST($2::text[], $3::text[]) AS k (parking_order, pay_type) JOIN payments p \
        ON p.park_id = $1 AND p.parking_order = k.parking_order AND p.pay_type = k.pay_type WHERE p.record_id = $4";
    let mut positions = Vec::new();
    for row in link.query(sql, &[&park.0, &orders, &pay_types, &leave.id]).await? {
        positions.push(usize::try_from(row.try_get::<_, i32>(0)?).unwrap_or(usize::MAX));
    }
    let is_taken = |entry: &crate::stored::Listed| entry.order.is_empty() || positions.contains(&entry.position);
    Ok(listed.into_iter().filter(is_taken).map(crate::stored::Listed::taken).collect())
}
