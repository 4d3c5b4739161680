//! Passing by a park's records, oldest first. What is sealed stays shut.

use rusqlite::{Connection, OptionalExtension, params};

use super::query::{COLUMNS, pictures, record};
use crate::StoreError;
use crate::listing::{PAGE, Page};
use crate::survey::{RefusedCounts, Surveyed};

/// A page ends with what was looked at for it.
pub(super) fn page(
    connection: &Connection,
    park_uuid: &str,
    received_from: i64,
    after: Option<i64>,
) -> Result<Page<Surveyed>, StoreError> {
    let after = match after {
        Some(after) => after,
        None => first_since(connection, received_from)?.saturating_sub(1),
    };
    let next: Option<i64> = connection
        .prepare_cached("SELECT id FROM records WHERE id > ?1 ORDER BY id LIMIT 1 OFFSET ?2")?
        .query_row(params![after, PAGE as i64 - 1], |row| row.get(0))
        .optional()?;
    let sql = format!(
        "SELECT {COLUMNS}, conflict_with IS NOT NULL, EXISTS (SELECT 1 FROM records o \
         WHERE o.parking_serial = r.parking_serial AND o.park_id = r.park_id AND o.kind = 1 - r.kind \
         AND o.conflict_with IS NULL), EXISTS (SELECT 1 FROM images WHERE record_id = r.id) FROM records r \
         WHERE r.id > ?1 AND r.id <= ?4 AND r.received_at >= ?2 AND r.park_id IN (SELECT id FROM parks \
         WHERE park_uuid = ?3 UNION ALL SELECT e.id FROM park_epochs e JOIN parks p ON p.id = e.park_id \
         WHERE p.park_uuid = ?3) ORDER BY r.id"
    );
    let mut statement = connection.prepare_cached(&sql)?;
    let mut rows = statement.query(params![after, received_from, park_uuid, next.unwrap_or(i64::MAX)])?;
    let mut surveyed = Vec::new();
    while let Some(row) = rows.next()? {
        let mut found = record(row)?;
        if row.get(12)? {
            found.view.pictures = pictures(connection, found.id)?;
        }
        surveyed.push(Surveyed {
            event_time: found.event_time,
            is_conflict: row.get(10)?,
            has_other_half: row.get(11)?,
            record: found.view,
        });
    }
    Ok(Page { rows: surveyed, next })
}

/// Records stand in the order of arrival, but for a few of one moment: halved until the first that is young enough. An hour
/// before, since a clock may have been set back.
pub(super) fn first_since(connection: &Connection, received_from: i64) -> Result<i64, StoreError> {
    const HOUR_MS: i64 = 60 * 60 * 1000;
    let mut at = connection.prepare("SELECT received_at FROM records WHERE id >= ?1 ORDER BY id LIMIT 1")?;
    let mut low = 0_i64;
    let mut high: i64 = connection.query_row("SELECT coalesce(max(id), 0) FROM records", [], |row| row.get(0))?;
    while low < high {
        let middle = low + (high - low) / 2;
        let received: i64 = at.query_row([middle], |row| row.get(0))?;
        if received < received_from.saturating_sub(HOUR_MS) { low = middle + 1 } else { high = middle }
    }
    Ok(low)
}

pub(super) fn refused(
    connection: &Connection,
    park_uuid: &str,
    received_from: i64,
) -> Result<RefusedCounts, StoreError> {
    let mut statement = connection.prepare_cached(
        "SELECT reason, finding, sum(times) FROM quarantine q JOIN parks p ON p.id = q.park_id \
         WHERE p.park_uuid = ?1 AND q.received_at >= ?2 GROUP BY reason, finding",
    )?;
    let mut counts = RefusedCounts::default();
    let mut rows = statement.query(params![park_uuid, received_from])?;
    while let Some(row) = rows.next()? {
        counts.by_reason.insert((row.get(0)?, row.get(1)?), row.get::<_, i64>(2)?.unsigned_abs());
    }
    Ok(counts)
}
