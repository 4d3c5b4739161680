//! Passing by a park's records, oldest first. What is sealed stays shut.

use parkgate_ledger::ParkId;

use super::record_pages::{KEYS_OF_PARK, OF_KEY, end_after, first_since};
use super::records::{COLUMN_COUNT, COLUMNS, pictures, unopened};
use crate::StoreError;
use crate::backend::{Access, Backend, Value};
use crate::listing::{PAGE, Page};
use crate::survey::{RefusedCounts, Surveyed};

/// In PostgreSQL each epoch by itself walks its index; one list over them all would be sorted anew for each page.
fn statement() -> String {
    format!(
        "{{postgres SELECT v.* FROM {KEYS_OF_PARK} AS n CROSS JOIN LATERAL (}}SELECT {COLUMNS}, r.conflict_with IS NOT NULL AS ignored, \
         coalesce((SELECT min(o.id) FROM records o WHERE o.park_id = r.park_id AND o.parking_serial = r.parking_serial \
         AND o.kind = 1 - r.kind AND o.conflict_with IS NULL), (SELECT min(u.id) FROM records u WHERE u.park_id = r.park_id \
         AND u.visit_serial = r.parking_serial AND u.counted IS NOT NULL AND u.conflict_with IS NULL)) IS NOT NULL \
         AS has_other FROM records r \
         WHERE coalesce(r.redacted, 0) < 2 AND r.received_at >= $2 AND r.id > $3 AND r.id <= $4 \
         AND {{sqlite r.park_id IN {KEYS_OF_PARK}}}{{postgres {OF_KEY}}} ORDER BY {{postgres r.park_id,}} r.id LIMIT $5\
         {{postgres ) AS v ORDER BY v.id LIMIT $5}}"
    )
}

/// A page ends with its rows, or with what was looked at for it.
pub(crate) fn page(
    backend: &dyn Backend,
    park_uuid: &str,
    received_from: i64,
    after: Option<i64>,
) -> Result<Page<Surveyed>, StoreError> {
    let sql = statement();
    backend.transaction(Access::ReadLong, |transaction| {
        let after = match after {
            Some(after) => after,
            None => first_since(transaction, received_from)?.saturating_sub(1),
        };
        let end = end_after(transaction, after, PAGE)?;
        let values =
            [park_uuid.into(), received_from.into(), after.into(), end.unwrap_or(i64::MAX).into(), Value::limit(PAGE)];
        let rows = transaction.query(&sql, &values)?;
        let mut surveyed = Vec::with_capacity(rows.len());
        let mut keys = Vec::with_capacity(rows.len());
        for row in &rows {
            let found = unopened(row)?;
            keys.push((ParkId(row.int(10)?), found.id));
            surveyed.push(Surveyed {
                event_time: found.event_time,
                is_conflict: row.bool(COLUMN_COUNT)?,
                has_other_half: row.bool(COLUMN_COUNT + 1)?,
                record: found.view,
            });
        }
        let mut pictures = pictures(transaction, &keys)?;
        for (one, (_, id)) in surveyed.iter_mut().zip(&keys) {
            one.record.pictures = pictures.remove(id).unwrap_or_default();
        }
        let last = keys.last().map(|(_, id)| *id).filter(|_| keys.len() == PAGE);
        Ok(Page { rows: surveyed, next: end.or(last) })
    })
}

pub(crate) fn refused(backend: &dyn Backend, park_uuid: &str, received_from: i64) -> Result<RefusedCounts, StoreError> {
    let sql = "SELECT q.reason, q.finding, sum(q.times)::bigint FROM quarantine q JOIN parks p ON p.id = q.park_id \
        WHERE p.park_uuid = $1 AND q.received_at >= $2 GROUP BY q.reason, q.finding";
    let values = [park_uuid.into(), received_from.into()];
    let mut counts = RefusedCounts::default();
    for row in backend.transaction(Access::ReadLong, |transaction| transaction.query(sql, &values))? {
        counts.by_reason.insert((row.text(0)?, row.opt_text(1)?), row.count(2)?);
    }
    Ok(counts)
}
