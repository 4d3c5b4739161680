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
    FAR_LATER_MS, FIRST_EPOCH, GoingOver, LOOKED_AT, Misplaced, differing, kind_of, listed_in, object, original_of,
    serials_anew,
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
        "SELECT id FROM records INDEXED BY records_conflicts_by_id WHERE conflict_with IS NOT NULL AND id < ?1 \
         ORDER BY id DESC LIMIT ?2",
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
            transaction.prepare_cached(FORGET_DELIVERIES)?.execute([id])?;
        }
        forgotten += gone;
    }
    transaction.commit()?;
    Ok(forgotten)
}

/// Every delivery's key begins with its subscriber.
const FORGET_DELIVERIES: &str =
    "DELETE FROM deliveries WHERE subscriber_id IN (SELECT id FROM subscribers) AND record_id = ?1";

/// By the newest of each numbering, so that no more is read however many there are.
pub(super) fn serial_reuse(connection: &Connection, park_uuid: &str) -> Result<Option<SerialReuse>, StoreError> {
    let mut numberings = connection.prepare_cached(
        "SELECT id FROM parks WHERE park_uuid = ?1 \
         UNION ALL SELECT e.id FROM park_epochs e JOIN parks p ON p.id = e.park_id WHERE p.park_uuid = ?1",
    )?;
    let mut newest = connection.prepare_cached(
        "SELECT c.id, c.enter_time, \
         coalesce(c.plate, '') <> coalesce(s.plate, '') AND c.enter_time > s.enter_time + ?2 AS far \
         FROM records c INDEXED BY records_conflicts_by_park JOIN records s ON s.id = c.conflict_with \
         WHERE c.conflict_with IS NOT NULL AND c.park_id = ?1 ORDER BY c.id DESC LIMIT ?3",
    )?;
    let mut found: Vec<(i64, i64, bool)> = Vec::new();
    for numbering in numberings.query_map([park_uuid], |row| row.get::<_, i64>(0))? {
        let values = params![numbering?, FAR_LATER_MS, LOOKED_AT];
        let rows = newest.query_map(values, |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
        found.extend(rows.collect::<Result<Vec<_>, _>>()?);
    }
    found.sort_unstable_by_key(|(id, ..)| std::cmp::Reverse(*id));
    found.truncate(LOOKED_AT as usize);
    let suspicious = || found.iter().filter(|(.., is_far)| *is_far);
    let entered_from = suspicious().map(|(_, entered, _)| *entered).min();
    Ok(serials_anew(found.len() as u64, suspicious().count() as u64, entered_from))
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
        match one.conflict_with {
            None => each_payment(&transaction, before, one.id, MOVE_PAYMENT, epoch.records.0)?,
            Some(_) => each_payment(&transaction, before, one.id, FORGET_PAYMENT, 0)?,
        }
        let deliveries = "UPDATE deliveries SET park_id = ?2 WHERE subscriber_id IN (SELECT id FROM subscribers) \
            AND record_id = ?1";
        transaction.prepare_cached(deliveries)?.execute(params![one.id, epoch.records.0])?;
    }
    for id in going.twins {
        each_payment(&transaction, before, id, FORGET_PAYMENT, 0)?;
        for forget in
            [FORGET_DELIVERIES, "DELETE FROM images WHERE record_id = ?1", "DELETE FROM records WHERE id = ?1"]
        {
            transaction.prepare_cached(forget)?.execute([id])?;
        }
    }
    Ok(transaction.commit()?)
}

const MOVE_PAYMENT: &str = "UPDATE OR IGNORE payments SET park_id = ?5 \
    WHERE parking_order = ?3 AND park_id = ?2 AND pay_type = ?4 AND record_id = ?1";
const FORGET_PAYMENT: &str = "DELETE FROM payments \
    WHERE parking_order = ?3 AND park_id = ?2 AND pay_type = ?4 AND record_id = ?1 AND ?5 = 0";

/// Payments are found by their orders, which the record tells: no index holds them by record.
fn each_payment(connection: &Connection, park: i64, record: i64, sql: &str, to: i64) -> Result<(), StoreError> {
    let params: String =
        connection.prepare_cached("SELECT params FROM records WHERE id = ?1")?.query_row([record], |row| row.get(0))?;
    for listed in listed_in(&object(params.as_bytes())?)? {
        let values = params![record, park, listed.order, listed.pay_type, to];
        connection.prepare_cached(sql)?.execute(values)?;
    }
    Ok(())
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
