//! Passing by a park's records, oldest first, a page at a time. What is sealed stays shut.

use super::link::{Fault, Link};
use super::query::{COLUMNS, NUMBERINGS, OF_NUMBERING, pictures, record};
use super::text;
use crate::listing::{PAGE, Page};
use crate::survey::{RefusedCounts, Surveyed};

/// The records after one of them.
pub(super) async fn page(
    link: &Link,
    park_uuid: &str,
    received_from: i64,
    after: i64,
) -> Result<Page<Surveyed>, Fault> {
    // Each numbering by itself walks its index; one list over them all would be sorted anew for each page.
    let sql = format!(
        "SELECT v.* FROM {NUMBERINGS} AS n CROSS JOIN LATERAL (SELECT {COLUMNS}, r.park_id, EXISTS (SELECT 1 FROM records o WHERE o.park_id = r.park_id \
         AND o.parking_serial = r.parking_serial AND o.kind = 1 - r.kind AND o.conflict_with IS NULL) FROM records r \
         WHERE r.received_at >= $2 AND r.id > $3{OF_NUMBERING} ORDER BY r.park_id, r.id LIMIT $4) AS v \
         ORDER BY v.id LIMIT $4"
    );
    let page = PAGE as i64;
    let rows = link.query(&sql, &[&text::kept(park_uuid), &received_from, &after, &page]).await?;
    let (mut parks, mut ids) = (Vec::new(), Vec::new());
    for row in &rows {
        ids.push(row.try_get::<_, i64>(0)?);
        parks.push(row.try_get::<_, i64>(11)?);
    }
    parks.sort_unstable();
    parks.dedup();
    let mut pictures = pictures(link, &parks, &ids).await?;
    let mut found = Vec::with_capacity(rows.len());
    for row in &rows {
        let mut one = record(row)?;
        one.view.pictures = pictures.remove(&one.id).unwrap_or_default();
        found.push(Surveyed {
            event_time: one.event_time,
            is_conflict: row.try_get::<_, Option<i64>>(10)?.is_some(),
            has_other_half: row.try_get(12)?,
            record: one.view,
        });
    }
    Ok(Page { rows: found, next: ids.last().copied().filter(|_| ids.len() == PAGE) })
}

pub(super) async fn refused(link: &Link, park_uuid: &str, received_from: i64) -> Result<RefusedCounts, Fault> {
    let sql = "SELECT reason, finding, sum(times)::bigint FROM quarantine q JOIN parks p ON p.id = q.park_id \
        WHERE p.park_uuid = $1 AND q.received_at >= $2 GROUP BY reason, finding";
    let mut counts = RefusedCounts::default();
    for row in link.query(sql, &[&text::kept(park_uuid), &received_from]).await? {
        counts.by_reason.insert((row.try_get(0)?, row.try_get(1)?), row.try_get::<_, i64>(2)?.unsigned_abs());
    }
    Ok(counts)
}
