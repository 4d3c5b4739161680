//! Ignored pushes, beside the records that have their serials.

use std::collections::HashMap;

use parkgate_ledger::ParkId;
use parkgate_wire::Digest;

use super::record_pages::{RECORDS_OF_PARKS, SearchStatement};
use super::records::{COLUMNS, keys_of, pictures, record};
use crate::StoreError;
use crate::backend::{Access, Backend, Row, Transaction, Value};
use crate::listing::{PAGE, Page};
use crate::query::{ConflictFilter, Conflicting, RecordView};
use crate::stored::{differing, original_of};
use parkgate_seal::Seal;

const END: &str = "SELECT id FROM records {sqlite INDEXED BY records_conflicts_by_id} \
    WHERE conflict_with IS NOT NULL AND id < $1 ORDER BY id DESC LIMIT 1 OFFSET $2";

/// The next ones by the index of conflicts, which knows no parks: a page of a park's may be empty.
pub(crate) fn page(
    backend: &dyn Backend,
    seal: &Seal,
    filter: &ConflictFilter,
    below: Option<i64>,
) -> Result<Page<Conflicting>, StoreError> {
    let looked_at = if filter.park_uuid.is_some() { PAGE } else { filter.limit.min(PAGE) };
    let below = below.unwrap_or(i64::MAX);
    backend.transaction(Access::ReadLong, |transaction| {
        let end = transaction.query_opt(END, &[below.into(), Value::limit(looked_at.saturating_sub(1))])?;
        let end = end.map(|row| row.int(0)).transpose()?;
        let limit = filter.limit.min(PAGE);
        let rows = search(filter, below, end.unwrap_or(i64::MIN), limit).rows(transaction)?;
        let next = match rows.last() {
            Some(last) if rows.len() == limit => Some(last.int(0)?),
            _ => end,
        };
        Ok(Page { rows: read(transaction, seal, &rows)?, next })
    })
}

/// The conflicts with numbers above one up to another, the oldest first.
pub(super) fn between(
    transaction: &mut dyn Transaction,
    seal: &Seal,
    after: i64,
    through: i64,
) -> Result<Vec<Conflicting>, StoreError> {
    let mut search = SearchStatement::new(&searched());
    search.with(" AND r.id > $?", after);
    search.with(" AND r.id <= $?", through);
    search.push(" ORDER BY r.id");
    let rows = search.rows(transaction)?;
    read(transaction, seal, &rows)
}

/// By the index of conflicts.
fn searched() -> String {
    format!(
        "SELECT r.id, r.conflict_with, r.park_id, p.park_uuid, {{serial r}}, r.digest, r.original FROM {} \
         WHERE r.conflict_with IS NOT NULL AND coalesce(r.redacted, 0) < 2",
        RECORDS_OF_PARKS.replacen("records r", "records r {sqlite INDEXED BY records_conflicts_by_id}", 1)
    )
}

fn search(filter: &ConflictFilter, below: i64, end: i64, limit: usize) -> SearchStatement {
    let mut search = SearchStatement::new(&searched());
    search.with(" AND r.id < $?", below);
    search.with(" AND r.id >= $?", end);
    if let Some(park_uuid) = &filter.park_uuid {
        search.with(" AND p.park_uuid = $?", park_uuid);
    }
    search.with(" ORDER BY r.id DESC LIMIT $?", Value::limit(limit));
    search
}

const RECORDS: &str =
    "FROM {keys $1 $2} AS k {step records r: {postgres r.park_id = k.park_id AND} r.id = k.record_id}";

fn read(transaction: &mut dyn Transaction, seal: &Seal, rows: &[Row]) -> Result<Vec<Conflicting>, StoreError> {
    let (mut keys, mut serials) = (Vec::new(), HashMap::new());
    for row in rows {
        for id in [row.int(0)?, row.int(1)?] {
            keys.push((ParkId(row.int(2)?), id));
            serials.insert(id, row.text(4)?);
        }
    }
    if keys.is_empty() {
        return Ok(Vec::new());
    }
    let mut pictures = pictures(transaction, &keys)?;
    let mut views: HashMap<i64, RecordView> = HashMap::new();
    for row in transaction.query(&format!("SELECT {COLUMNS} {RECORDS}"), &keys_of(&keys))? {
        let id = row.int(0)?;
        let mut found = record(&row, seal, serials.get(&id).map_or("", String::as_str))?;
        found.view.pictures = pictures.remove(&id).unwrap_or_default();
        views.insert(id, found.view);
    }
    let mut found = Vec::with_capacity(rows.len());
    for row in rows {
        // Without the record that has the serial it is no conflict.
        let (Some(ignored), Some(standing)) = (views.remove(&row.int(0)?), views.get(&row.int(1)?).cloned()) else {
            continue;
        };
        let (epoch, parking_serial) = (ParkId(row.int(2)?), row.text(4)?);
        let original = row.opt_blob(6)?.map(<[u8]>::to_vec);
        found.push(Conflicting {
            id: row.int(0)?,
            epoch,
            park_uuid: row.text(3)?,
            original: original_of(seal, original, epoch, &parking_serial, ignored.kind)?,
            digest: Digest(row.bytes(5)?),
            differing: differing(&standing.params, &ignored.params),
            parking_serial,
            standing,
            ignored,
        });
    }
    Ok(found)
}

const FORGET: &str = "DELETE FROM records WHERE id {in $1} AND conflict_with IS NOT NULL RETURNING park_id, id";

pub(crate) fn forget(backend: &dyn Backend, ids: &[i64]) -> Result<usize, StoreError> {
    backend.transaction(Access::Write, |transaction| {
        let mut gone = Vec::new();
        for row in transaction.query(FORGET, &[Value::Ints(ids.to_vec())])? {
            gone.push((ParkId(row.int(0)?), row.int(1)?));
        }
        forget_beside(transaction, &gone)?;
        Ok(gone.len())
    })
}

/// What other tables hold of records that are no more, but for payments.
pub(super) fn forget_beside(transaction: &mut dyn Transaction, gone: &[(ParkId, i64)]) -> Result<(), StoreError> {
    if gone.is_empty() {
        return Ok(());
    }
    for table in ["images", "deliveries"] {
        let sql = format!("DELETE FROM {table} WHERE {}", beside(table));
        transaction.execute(&sql, &keys_of(gone))?;
    }
    Ok(())
}

/// The rows of a table beside records, by the records' parks (`$1`) and numbers (`$2`).
pub(super) fn beside(table: &str) -> &'static str {
    match table {
        "images" => "{postgres park_id {in $1} AND} record_id {in $2}",
        // Every delivery's key begins with its subscriber in SQLite, and with its park in PostgreSQL.
        _ => "{postgres park_id {in $1} AND} subscriber_id IN (SELECT id FROM subscribers) AND record_id {in $2}",
    }
}
