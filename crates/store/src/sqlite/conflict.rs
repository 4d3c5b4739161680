//! Ignored pushes, and what a run of them means.

use parkgate_ledger::ParkId;
use parkgate_wire::{Digest, UnixMillis};
use rusqlite::{Connection, Row, TransactionBehavior, params};

use super::query::{Key, records};
use crate::StoreError;
use crate::listing::{PAGE, Page};
use crate::query::{ConflictFilter, Conflicting, SerialReuse};
use crate::registry::Epoch;
use crate::stored::{
    FAR_LATER_MS, FIRST_EPOCH, GoingOver, LOOKED_AT, Misplaced, differing, kind_of, original_of, serials_anew,
};
use parkgate_seal::Seal;

/// The next ones by the index of conflicts, which knows no parks: a page of a park's may be empty.
pub(super) fn list(
    connection: &Connection,
    seal: &Seal,
    filter: &ConflictFilter,
    below: Option<i64>,
) -> Result<Page<Conflicting>, StoreError> {
    let looked_at = if filter.park_uuid.is_some() { PAGE } else { filter.limit.min(PAGE) };
    let mut next = connection.prepare_cached(
        "SELECT id FROM records WHERE conflict_with IS NOT NULL AND id < ?1 ORDER BY id DESC LIMIT ?2",
    )?;
    let ids = next.query_map(params![below.unwrap_or(i64::MAX), looked_at as i64], |row| row.get(0))?;
    let ids = ids.collect::<Result<Vec<i64>, _>>()?;
    let (mut rows, mut last) = (Vec::new(), None);
    for id in &ids {
        if rows.len() == filter.limit {
            break;
        }
        last = Some(*id);
        rows.extend(one(connection, seal, *id, filter.park_uuid.as_deref())?);
    }
    let is_last = ids.len() < looked_at && last == ids.last().copied();
    Ok(Page { rows, next: last.filter(|_| !is_last) })
}

/// None of another park's, and none without the record that stood: then it is no conflict.
fn one(
    connection: &Connection,
    seal: &Seal,
    id: i64,
    park_uuid: Option<&str>,
) -> Result<Option<Conflicting>, StoreError> {
    let mut statement = connection.prepare_cached(
        "SELECT r.conflict_with, r.park_id, p.park_uuid, r.parking_serial, r.digest, r.original FROM records r \
         LEFT JOIN park_epochs e ON e.id = r.park_id JOIN parks p ON p.id = coalesce(e.park_id, r.park_id) \
         WHERE r.id = ?1 AND (?2 IS NULL OR p.park_uuid = ?2)",
    )?;
    let mut rows = statement.query(params![id, park_uuid])?;
    let Some(row) = rows.next()? else { return Ok(None) };
    let standing: i64 = row.get(0)?;
    let (park_uuid, parking_serial): (String, String) = (row.get(2)?, row.get(3)?);
    let key = Key { park: ParkId(row.get(1)?), park_uuid: &park_uuid, serial: &parking_serial };
    let of = |id: i64| -> Result<_, StoreError> {
        let sql = format!("SELECT {} FROM records WHERE id = ?1", super::query::COLUMNS);
        Ok(records(connection, seal, &key, &sql, params![id])?.pop().map(|found| found.view))
    };
    let (Some(ignored), Some(standing)) = (of(id)?, of(standing)?) else { return Ok(None) };
    let original = original_of(seal, row.get(5)?, key.park, &parking_serial, ignored.kind)?;
    let differing = differing(&standing.params, &ignored.params);
    let digest = Digest(row.get(4)?);
    Ok(Some(Conflicting {
        id,
        numbering: key.park,
        park_uuid,
        parking_serial,
        digest,
        standing,
        ignored,
        original,
        differing,
    }))
}

pub(super) fn forget(connection: &mut Connection, ids: &[i64]) -> Result<usize, StoreError> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let mut forgotten = 0;
    for id in ids {
        let gone = transaction
            .prepare_cached("DELETE FROM records WHERE id = ?1 AND conflict_with IS NOT NULL")?
            .execute([id])?;
        if gone > 0 {
            transaction.prepare_cached("DELETE FROM images WHERE record_id = ?1")?.execute([id])?;
            transaction.prepare_cached("DELETE FROM deliveries WHERE record_id = ?1")?.execute([id])?;
        }
        forgotten += gone;
    }
    transaction.commit()?;
    Ok(forgotten)
}

pub(super) fn serial_reuse(connection: &Connection, park_uuid: &str) -> Result<Option<SerialReuse>, StoreError> {
    let (looked_at, suspicious, entered_from): (u64, u64, Option<i64>) = connection
        .prepare_cached(
            "SELECT count(*), coalesce(sum(far), 0), min(CASE WHEN far THEN entered END) FROM ( \
             SELECT c.enter_time AS entered, \
             coalesce(c.plate, '') <> coalesce(s.plate, '') AND c.enter_time > s.enter_time + ?2 AS far \
             FROM records c JOIN records s ON s.id = c.conflict_with \
             WHERE c.conflict_with IS NOT NULL AND c.park_id IN (SELECT id FROM parks WHERE park_uuid = ?1 \
             UNION ALL SELECT e.id FROM park_epochs e JOIN parks p ON p.id = e.park_id WHERE p.park_uuid = ?1) \
             ORDER BY c.id DESC LIMIT ?3)",
        )?
        .query_row(params![park_uuid, FAR_LATER_MS, LOOKED_AT], |row| {
            Ok((row.get::<_, i64>(0)?.unsigned_abs(), row.get::<_, i64>(1)?.unsigned_abs(), row.get(2)?))
        })?;
    Ok(serials_anew(looked_at, suspicious, entered_from))
}

/// Records that came while gates did not know of the epoch go over to it.
pub(super) fn settle_epoch(
    connection: &mut Connection,
    seal: &Seal,
    park: ParkId,
    epoch: &Epoch,
) -> Result<(), StoreError> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let before: i64 = transaction.query_row(
        "SELECT coalesce((SELECT max(id) FROM park_epochs WHERE park_id = ?2 AND id < ?1), ?2)",
        params![epoch.records.0, park.0],
        |row| row.get(0),
    )?;
    let going = GoingOver::of(misplaced(&transaction, before, epoch)?, seal, ParkId(before), epoch.records)?;
    for one in going.moved {
        let put = "UPDATE records SET park_id = ?2, personal = ?3, original = ?4, conflict_with = ?5, \
            counted = CASE WHEN ?5 IS NULL THEN counted END WHERE id = ?1";
        let values = params![one.id, epoch.records.0, one.personal, one.original, one.conflict_with];
        transaction.prepare_cached(put)?.execute(values)?;
        // An order that is taken in the new numbering, too, stays where it is; what is ignored takes none.
        let payments = match one.conflict_with {
            None => "UPDATE OR IGNORE payments SET park_id = ?2 WHERE record_id = ?1",
            Some(_) => "DELETE FROM payments WHERE record_id = ?1 AND ?2",
        };
        transaction.prepare_cached(payments)?.execute(params![one.id, epoch.records.0])?;
        let deliveries = "UPDATE deliveries SET park_id = ?2 WHERE record_id = ?1";
        transaction.prepare_cached(deliveries)?.execute(params![one.id, epoch.records.0])?;
    }
    for id in going.twins {
        for table in ["payments", "images", "deliveries"] {
            transaction.execute(&format!("DELETE FROM {table} WHERE record_id = ?1"), [id])?;
        }
        transaction.execute("DELETE FROM records WHERE id = ?1", [id])?;
    }
    Ok(transaction.commit()?)
}

/// Those of the new numbering under the old one, and what was ignored for them, in the order they came.
fn misplaced(transaction: &Connection, before: i64, epoch: &Epoch) -> Result<Vec<Misplaced>, StoreError> {
    let sql = "WITH misplaced AS (SELECT id FROM records WHERE id >= ?1 AND park_id = ?2 AND enter_time >= ?3 \
        AND conflict_with IS NULL) \
        SELECT r.id, r.parking_serial, r.kind, r.digest, r.conflict_with, r.personal, r.original, s.id, s.digest \
        FROM records r LEFT JOIN records s ON s.parking_serial = r.parking_serial AND s.park_id = ?4 AND s.kind = r.kind \
        AND s.conflict_with IS NULL \
        WHERE r.id IN (SELECT id FROM misplaced UNION ALL \
        SELECT c.id FROM misplaced m CROSS JOIN records c ON c.conflict_with = m.id) ORDER BY r.id";
    let from = super::survey::first_since(transaction, epoch.entered_from.0)?;
    let mut find = transaction.prepare(sql)?;
    let read = |row: &Row<'_>| {
        let taken_by = match row.get::<_, Option<i64>>(7)? {
            None => None,
            Some(other) => Some((other, Digest(row.get(8)?))),
        };
        Ok(Misplaced {
            id: row.get(0)?,
            serial: row.get(1)?,
            kind: kind_of(row.get(2)?),
            digest: Digest(row.get(3)?),
            conflict_with: row.get(4)?,
            personal: row.get(5)?,
            original: row.get(6)?,
            taken_by,
        })
    };
    let rows = find.query_map(params![from, before, epoch.entered_from.0, epoch.records.0], read)?;
    Ok(rows.collect::<Result<_, _>>()?)
}

pub(super) fn begin_epoch(
    connection: &mut Connection,
    park: ParkId,
    entered_from: UnixMillis,
) -> Result<Epoch, StoreError> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let id: i64 = transaction.query_row(
        "INSERT INTO park_epochs (id, park_id, entered_from) \
         SELECT coalesce(max(id) + 1, ?1), ?2, ?3 FROM park_epochs RETURNING id",
        params![FIRST_EPOCH, park.0, entered_from.0],
        |row| row.get(0),
    )?;
    // The newest count goes on: of the epoch before, else of the park.
    transaction.execute(
        "INSERT INTO spaces (park_id, total, remain, as_of, later, latest_counted) \
         SELECT ?1, total, remain, as_of, later, latest_counted FROM spaces WHERE park_id = coalesce( \
         (SELECT max(id) FROM park_epochs WHERE park_id = ?2 AND id < ?1), ?2)",
        params![id, park.0],
    )?;
    transaction.commit()?;
    Ok(Epoch { records: ParkId(id), entered_from })
}
