//! Ignored pushes, and what a run of them means.

use parkgate_ledger::ParkId;
use parkgate_wire::UnixMillis;
use tokio_postgres::Row;

use super::link::{Fault, Link};
use super::query::{Asked, COLUMNS, Key, RECORDS_OF_PARKS, limit, records};
use super::record::digest;
use super::{registry, text};
use crate::StoreError;
use crate::listing::{PAGE, Page};
use crate::query::{ConflictFilter, Conflicting, SerialReuse};
use crate::registry::Epoch;
use crate::stored::{
    FAR_LATER_MS, FIRST_EPOCH, GoingOver, LOOKED_AT, Misplaced, differing, kind_of, original_of, serials_anew,
};
use parkgate_seal::Seal;

pub(super) async fn list(
    link: &Link,
    seal: &Seal,
    filter: &ConflictFilter,
    below: Option<i64>,
) -> Result<Page<Conflicting>, Fault> {
    let page = filter.limit.min(PAGE);
    let mut asked = Asked::new(&format!(
        "SELECT r.id, r.conflict_with, r.park_id, p.park_uuid, coalesce(r.long_serial, r.parking_serial), r.digest, \
         r.original FROM {RECORDS_OF_PARKS} WHERE r.conflict_with IS NOT NULL"
    ));
    if let Some(park_uuid) = &filter.park_uuid {
        asked.with(" AND p.park_uuid = $?", text::kept(park_uuid).into_owned());
    }
    asked.with(" AND r.id < $?", below.unwrap_or(i64::MAX));
    asked.with(" ORDER BY r.id DESC LIMIT $?", limit(page));
    let both = format!("SELECT {COLUMNS} FROM records r WHERE r.park_id = $1 AND r.id = ANY($2) ORDER BY r.id");
    let (mut found, mut last) = (Vec::new(), None);
    let rows = asked.of(link).await?;
    let is_last = rows.len() < page;
    for row in rows {
        let (id, standing): (i64, i64) = (row.try_get(0)?, row.try_get(1)?);
        last = Some(id);
        let park_uuid: String = row.try_get(3)?;
        let parking_serial = text::read(row.try_get(4)?);
        let key = Key { park: ParkId(row.try_get(2)?), park_uuid: &park_uuid, serial: &parking_serial };
        let mut views = records(link, seal, &key, &both, &[&key.park.0, &vec![id, standing]]).await?;
        let mut of = |id| {
            let at = views.iter().position(|(found, _)| found.id == id)?;
            Some(views.swap_remove(at).0.view)
        };
        // Without the one that stood it is no conflict.
        let (Some(ignored), Some(standing)) = (of(id), of(standing)) else { continue };
        let original = original_of(seal, row.try_get(6)?, key.park, &parking_serial, ignored.kind)?;
        let differing = differing(&standing.params, &ignored.params);
        let digest = digest(&row, 5)?;
        found.push(Conflicting {
            id,
            numbering: key.park,
            park_uuid,
            parking_serial,
            digest,
            standing,
            ignored,
            original,
            differing,
        });
    }
    Ok(Page { rows: found, next: last.filter(|_| !is_last) })
}

pub(super) async fn forget(link: &Link, ids: &[i64]) -> Result<usize, Fault> {
    link.begin().await?;
    let rows = link
        .query(
            "WITH gone AS (DELETE FROM records WHERE id = ANY($1) AND conflict_with IS NOT NULL RETURNING park_id, id), \
             pictures AS (DELETE FROM images i USING gone WHERE i.park_id = gone.park_id AND i.record_id = gone.id), \
             told AS (DELETE FROM deliveries d USING gone WHERE d.park_id = gone.park_id AND d.record_id = gone.id) \
             SELECT id FROM gone",
            &[&ids],
        )
        .await?;
    link.commit().await?;
    Ok(rows.len())
}

pub(super) async fn serial_reuse(link: &Link, park_uuid: &str) -> Result<Option<SerialReuse>, Fault> {
    let sql = format!(
        "SELECT count(*), count(*) FILTER (WHERE far), min(entered) FILTER (WHERE far) FROM ( \
         SELECT c.enter_time AS entered, \
         coalesce(c.plate, '') <> coalesce(s.plate, '') AND c.enter_time > s.enter_time + $2 AS far \
         FROM records c JOIN records s ON s.park_id = c.park_id AND s.id = c.conflict_with \
         WHERE c.conflict_with IS NOT NULL AND c.park_id IN {} ORDER BY c.id DESC LIMIT $3) AS newest",
        super::query::NUMBERINGS
    );
    let row = link.query_opt(&sql, &[&text::kept(park_uuid), &FAR_LATER_MS, &LOOKED_AT]).await?;
    let Some(row) = row else { return Ok(None) };
    let count = |column| Ok::<_, Fault>(row.try_get::<_, i64>(column)?.unsigned_abs());
    Ok(serials_anew(count(0)?, count(1)?, row.try_get(2)?))
}

/// Records that came while gates did not know of the epoch go over to it.
pub(super) async fn settle_epoch(link: &Link, seal: &Seal, park: ParkId, epoch: &Epoch) -> Result<(), Fault> {
    link.begin().await?;
    let before = before(link, park, epoch.records.0).await?;
    link.query(
        "SELECT park_id FROM spaces WHERE park_id IN ($1, $2) ORDER BY park_id FOR UPDATE",
        &[&before, &epoch.records.0],
    )
    .await?;
    let found = misplaced(link, before, epoch).await?;
    let going = GoingOver::of(found, seal, ParkId(before), epoch.records)?;
    put_moved(link, &going.moved, before, epoch.records.0).await?;
    for table in ["payments", "images", "deliveries"] {
        let sql = format!("DELETE FROM {table} WHERE park_id = $1 AND record_id = ANY($2)");
        link.execute(&sql, &[&before, &going.twins]).await?;
    }
    link.execute("DELETE FROM records WHERE park_id = $1 AND id = ANY($2)", &[&before, &going.twins]).await?;
    link.commit().await
}

/// Those of the new numbering under the old one, and what was ignored for them, in the order they came.
async fn misplaced(link: &Link, before: i64, epoch: &Epoch) -> Result<Vec<Misplaced>, Fault> {
    let sql = "WITH misplaced AS (SELECT id FROM records WHERE park_id = $1 AND enter_time >= $2 AND conflict_with IS NULL) \
        SELECT r.id, coalesce(r.long_serial, r.parking_serial), r.kind, r.digest, r.conflict_with, r.personal, r.original, \
        s.id, s.digest FROM records r LEFT JOIN records s ON s.park_id = $3 AND s.parking_serial = r.parking_serial \
        AND s.kind = r.kind AND s.conflict_with IS NULL WHERE r.park_id = $1 \
        AND (r.id IN (SELECT id FROM misplaced) OR r.conflict_with IN (SELECT id FROM misplaced)) ORDER BY r.id";
    let read = |row: &Row| -> Result<Misplaced, Fault> {
        let taken_by = match row.try_get::<_, Option<i64>>(7)? {
            None => None,
            Some(other) => Some((other, digest(row, 8)?)),
        };
        Ok(Misplaced {
            id: row.try_get(0)?,
            serial: text::read(row.try_get(1)?),
            kind: kind_of(row.try_get::<_, i16>(2)?.into()),
            digest: digest(row, 3)?,
            conflict_with: row.try_get(4)?,
            personal: row.try_get(5)?,
            original: row.try_get(6)?,
            taken_by,
        })
    };
    link.query(sql, &[&before, &epoch.entered_from.0, &epoch.records.0]).await?.iter().map(read).collect()
}

async fn put_moved(link: &Link, moved: &[Misplaced], before: i64, to: i64) -> Result<(), Fault> {
    let ids: Vec<i64> = moved.iter().map(|one| one.id).collect();
    let personal: Vec<_> = moved.iter().map(|one| one.personal.as_deref()).collect();
    let originals: Vec<_> = moved.iter().map(|one| one.original.as_deref()).collect();
    let conflicts: Vec<_> = moved.iter().map(|one| one.conflict_with).collect();
    link.execute(
        "UPDATE records r SET park_id = $5, personal = n.personal, original = n.original, conflict_with = n.conflict_with, \
         counted = CASE WHEN n.conflict_with IS NULL THEN r.counted END \
         FROM UNNEST($1::bigint[], $2::bytea[], $3::bytea[], $4::bigint[]) AS n (id, personal, original, conflict_with) \
         WHERE r.park_id = $6 AND r.id = n.id",
        &[&ids, &personal, &originals, &conflicts, &to, &before],
    )
    .await?;
    let ignored: Vec<i64> = moved.iter().filter(|one| one.conflict_with.is_some()).map(|one| one.id).collect();
    link.execute("DELETE FROM payments WHERE park_id = $1 AND record_id = ANY($2)", &[&before, &ignored]).await?;
    // An order that is taken in the new numbering, too, stays where it is.
    link.execute(
        "UPDATE payments p SET park_id = $2 WHERE p.park_id = $3 AND p.record_id = ANY($1) AND NOT EXISTS (SELECT 1 \
         FROM payments o WHERE o.park_id = $2 AND o.parking_order = p.parking_order AND o.pay_type = p.pay_type)",
        &[&ids, &to, &before],
    )
    .await?;
    for table in ["images", "deliveries"] {
        let sql = format!("UPDATE {table} SET park_id = $2 WHERE park_id = $3 AND record_id = ANY($1)");
        link.execute(&sql, &[&ids, &to, &before]).await?;
    }
    Ok(())
}

/// The numbering before that one: of the epoch before, else of the park.
async fn before(link: &Link, park: ParkId, epoch: i64) -> Result<i64, Fault> {
    let sql = "SELECT coalesce(max(id), $1) FROM park_epochs WHERE park_id = $1 AND id < $2";
    let row = link.query_opt(sql, &[&park.0, &epoch]).await?;
    Ok(row.map_or(Ok(park.0), |row| row.try_get(0))?)
}

pub(super) async fn begin_epoch(link: &Link, park: ParkId, entered_from: UnixMillis) -> Result<Epoch, Fault> {
    link.begin().await?;
    // First, so that epochs begin one after the other.
    registry::changed(link).await?;
    let row = link
        .query_opt(
            "INSERT INTO park_epochs (id, park_id, entered_from) \
             SELECT coalesce(max(id) + 1, $1), $2, $3 FROM park_epochs RETURNING id",
            &[&FIRST_EPOCH, &park.0, &entered_from.0],
        )
        .await?;
    let id: i64 = row.ok_or_else(|| StoreError::Broken("no epoch was begun".into()))?.try_get(0)?;
    // The newest count goes on.
    let before = before(link, park, id).await?;
    link.execute(
        "INSERT INTO spaces (park_id, total, remain, as_of, later, latest_counted) \
         SELECT $1, total, remain, as_of, later, latest_counted FROM spaces WHERE park_id = $2",
        &[&id, &before],
    )
    .await?;
    link.execute("INSERT INTO spaces (park_id) VALUES ($1) ON CONFLICT DO NOTHING", &[&id]).await?;
    link.commit().await?;
    Ok(Epoch { records: ParkId(id), entered_from })
}
