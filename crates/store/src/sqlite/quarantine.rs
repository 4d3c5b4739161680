//! Pushes set aside.

use parkgate_ledger::ParkId;
use parkgate_ledger::quarantine::{QuarantineBounds, QuarantineLoad, Usage};
use parkgate_wire::{Digest, PushKind, Seqno};
use rusqlite::{Connection, OptionalExtension, TransactionBehavior, params, params_from_iter, types::Value as Sql};

use super::query::picture;
use super::record::seqno;
use crate::StoreError;
use crate::listing::{Page, QUARANTINE_PAGE};
use crate::quarantine::{Admitting, Aside, Kept, QuarantineFilter, Quarantined, SetAside, page_of};
use crate::query::Picture;
use crate::stored::{aside_bytes, aside_place, kind_of};
use parkgate_seal::Seal;

/// One durable transaction for all.
pub(super) fn set_aside(
    connection: &mut Connection,
    seal: &Seal,
    batch: &[SetAside],
    bounds: &QuarantineBounds,
) -> Result<Vec<Aside>, StoreError> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let mut admitting = Admitting { all_bytes: all_bytes(&transaction)?, ..Admitting::default() };
    for push in batch {
        admitting.parks.insert(push.park, used_of(&transaction, push.park)?);
    }
    let kept = batch
        .iter()
        .map(|push| set_one_aside(&transaction, seal, push, &mut admitting, bounds))
        .collect::<Result<_, _>>()?;
    transaction.commit()?;
    Ok(kept)
}

fn set_one_aside(
    connection: &Connection,
    seal: &Seal,
    push: &SetAside,
    admitting: &mut Admitting,
    bounds: &QuarantineBounds,
) -> Result<Aside, StoreError> {
    if let Some(first) = again(connection, push.park, &push.digest)? {
        return Ok(Aside::Kept(first));
    }
    let (json, bytes) = aside_bytes(push)?;
    if let Err(why) = admitting.take(push, bytes, bounds) {
        return Ok(Aside::Full(why));
    }
    let sealed = seal.seal(&json, &aside_place(push.park, &push.digest))?;
    connection
        .prepare_cached(
            "INSERT INTO quarantine (park_id, kind, seqno, received_at, address, reason, digest, finding, sealed, bytes) \
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
        )?
        .execute(params![
            push.park.0,
            push.kind == PushKind::Leave,
            push.seqno.0 as i64,
            push.received_at,
            push.address,
            push.reason,
            push.digest.0,
            push.finding,
            sealed,
            bytes as i64,
        ])?;
    let id = connection.last_insert_rowid();
    let mut add_image =
        connection.prepare_cached("INSERT OR REPLACE INTO quarantine_images VALUES (?1, ?2, ?3, ?4, ?5, ?6)")?;
    for (part, picture) in &push.pictures {
        let size = i64::try_from(picture.size).unwrap_or(i64::MAX);
        add_image.execute(params![id, part, picture.key.0, picture.md5.0, size, picture.content_type])?;
    }
    Ok(Aside::Kept(push.seqno))
}

/// The first request's name, if the same push is there already.
fn again(connection: &Connection, park: ParkId, digest: &Digest) -> Result<Option<Seqno>, StoreError> {
    let mut count = connection
        .prepare_cached("UPDATE quarantine SET times = times + 1 WHERE park_id = ?1 AND digest = ?2 RETURNING seqno")?;
    Ok(count.query_row(params![park.0, digest.0], |row| seqno(row, 0)).optional()?)
}

fn used_of(connection: &Connection, park: ParkId) -> Result<Usage, StoreError> {
    let used = connection
        .prepare_cached("SELECT pushes, bytes FROM quarantine_use WHERE park_id = ?1")?
        .query_row([park.0], |row| {
            Ok(Usage { pushes: row.get::<_, i64>(0)?.unsigned_abs(), bytes: row.get::<_, i64>(1)?.unsigned_abs() })
        })
        .optional()?;
    Ok(used.unwrap_or_default())
}

/// A row for each park: few, and only asked where something was refused.
fn all_bytes(connection: &Connection) -> Result<u64, StoreError> {
    let mut sum = connection.prepare_cached("SELECT coalesce(sum(bytes), 0) FROM quarantine_use")?;
    Ok(sum.query_row([], |row| row.get::<_, i64>(0))?.unsigned_abs())
}

pub(super) fn load(connection: &Connection, park: ParkId) -> Result<QuarantineLoad, StoreError> {
    let (park, all_bytes) = (used_of(connection, park)?, all_bytes(connection)?);
    Ok(QuarantineLoad { park, all_bytes, ..QuarantineLoad::default() })
}

pub(super) fn list(
    connection: &Connection,
    seal: &Seal,
    filter: &QuarantineFilter,
) -> Result<Page<Quarantined>, StoreError> {
    let limit = filter.limit.min(QUARANTINE_PAGE);
    let mut sql = String::from(
        "SELECT q.id, q.park_id, p.park_uuid, q.kind, q.seqno, q.received_at, q.address, q.reason, q.finding, q.times, \
         q.bytes, q.digest, q.sealed FROM quarantine q LEFT JOIN parks p ON p.id = q.park_id WHERE q.id > ?",
    );
    let mut values = vec![Sql::from(filter.after)];
    if let Some(park_uuid) = &filter.park_uuid {
        sql.push_str(" AND p.park_uuid = ?");
        values.push(Sql::from(park_uuid.clone()));
    }
    if !filter.ids.is_empty() {
        sql.push_str(&format!(" AND q.id IN ({})", vec!["?"; filter.ids.len()].join(", ")));
        values.extend(filter.ids.iter().map(|id| Sql::from(*id)));
    }
    sql.push_str(" ORDER BY q.id LIMIT ?");
    values.push(Sql::from(limit as i64));
    let mut statement = connection.prepare(&sql)?;
    let mut rows = statement.query(params_from_iter(values))?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        let (park, digest) = (ParkId(row.get(1)?), Digest(row.get(11)?));
        let json = seal.open(&row.get::<_, Vec<u8>>(12)?, &aside_place(park, &digest))?;
        let kept: Kept =
            serde_json::from_slice(&json).map_err(|error| StoreError::Broken(format!("quarantine: {error}")))?;
        let id = row.get(0)?;
        found.push(Quarantined {
            id,
            park_uuid: row.get(2)?,
            kind: kind_of(row.get(3)?),
            seqno: seqno(row, 4)?,
            received_at: row.get(5)?,
            address: row.get(6)?,
            reason: row.get(7)?,
            finding: row.get(8)?,
            times: row.get::<_, i64>(9)?.unsigned_abs(),
            bytes: row.get::<_, i64>(10)?.unsigned_abs(),
            kept,
            pictures: pictures(connection, id)?,
        });
    }
    Ok(page_of(found, limit))
}

fn pictures(connection: &Connection, id: i64) -> Result<Vec<Picture>, StoreError> {
    let mut statement = connection.prepare_cached(
        "SELECT part, sha256, md5, size, content_type FROM quarantine_images WHERE quarantine_id = ?1 ORDER BY part",
    )?;
    let pictures = statement.query_map([id], picture)?;
    Ok(pictures.collect::<Result<_, _>>()?)
}

pub(super) fn release(connection: &Connection, ids: &[i64]) -> Result<usize, StoreError> {
    let mut remove = connection.prepare_cached("DELETE FROM quarantine WHERE id = ?1")?;
    let mut removed = 0;
    for id in ids {
        removed += remove.execute([id])?;
    }
    Ok(removed)
}

pub(super) fn release_before(connection: &Connection, received_before: i64) -> Result<usize, StoreError> {
    Ok(connection.prepare_cached("DELETE FROM quarantine WHERE received_at < ?1")?.execute([received_before])?)
}

/// Pushes and bytes by park.
pub(super) fn used(connection: &Connection) -> Result<Vec<(ParkId, u64, u64)>, StoreError> {
    let mut statement = connection.prepare_cached("SELECT park_id, pushes, bytes FROM quarantine_use")?;
    let rows = statement.query_map([], |row| {
        Ok((ParkId(row.get(0)?), row.get::<_, i64>(1)?.unsigned_abs(), row.get::<_, i64>(2)?.unsigned_abs()))
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}
