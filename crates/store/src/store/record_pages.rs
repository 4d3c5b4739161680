//! Where a page ends that walks records, and where one begins that asks for a time.
//!
//! Of SQLite no index of records begins with the park (a batch would touch a page of it for every park), so what is of one
//! park is found by passing by everybody's. So that no page takes long, it ends after so many records, whoever's they are.
//! PostgreSQL has such an index, and its pages end with their rows alone.

use crate::StoreError;
use crate::backend::{Transaction, Value};

/// Records of all parks, and whose they are: an epoch's key stands for its park.
pub(super) const RECORDS_OF_PARKS: &str = "records r LEFT JOIN park_epochs e ON e.id = r.park_id \
    {sqlite CROSS} JOIN parks p ON p.id = coalesce(e.park_id, r.park_id)";
/// The keys that records of the park `$1` stand under: its own, and those of its epochs.
pub(super) const KEYS_OF_PARK: &str = "(SELECT id FROM parks WHERE park_uuid = $1 UNION ALL \
    SELECT e.id FROM park_epochs e JOIN parks p ON p.id = e.park_id WHERE p.park_uuid = $1)";
/// To be walked in the order of `r.park_id, r.id`. Not `r.park_id = n.id`, by which the park would drop out of that order: the
/// planner, who knows of the average park only, would then pass by all records for the few of a small one.
pub(super) const OF_KEY: &str = "r.park_id = ANY (ARRAY[n.id])";

const DOWNWARDS: &str = "{sqlite SELECT id FROM records WHERE id < $1 ORDER BY id DESC LIMIT 1 OFFSET $2}\
    {postgres SELECT $1::bigint WHERE $2::bigint < 0}";
const UPWARDS: &str = "{sqlite SELECT id FROM records WHERE id > $1 ORDER BY id LIMIT 1 OFFSET $2}\
    {postgres SELECT $1::bigint WHERE $2::bigint < 0}";

/// The last record of a page of so many records below `below`; none if the page reaches the end.
pub(super) fn end_below(t: &mut dyn Transaction, below: i64, records: usize) -> Result<Option<i64>, StoreError> {
    end(t, DOWNWARDS, below, records)
}

/// The last record of a page of so many records after `after`; none if the page reaches the end.
pub(super) fn end_after(t: &mut dyn Transaction, after: i64, records: usize) -> Result<Option<i64>, StoreError> {
    end(t, UPWARDS, after, records)
}

fn end(t: &mut dyn Transaction, sql: &str, from: i64, records: usize) -> Result<Option<i64>, StoreError> {
    let values = [from.into(), Value::limit(records.saturating_sub(1))];
    t.query_opt(sql, &values)?.map(|row| row.int(0)).transpose()
}

/// The newest record; 0 if there is none.
pub(super) fn newest(t: &mut dyn Transaction) -> Result<i64, StoreError> {
    t.query_opt("SELECT coalesce(max(id), 0) FROM records", &[])?.map_or(Ok(0), |row| row.int(0))
}

/// The first record that may have been received since then. Received times rise with numbers, but for the clocks of nodes and
/// for batches of one moment: an hour before. Halved until it is found, since no index holds it.
pub(super) fn first_since(t: &mut dyn Transaction, received_from: i64) -> Result<i64, StoreError> {
    const HOUR_MS: i64 = 60 * 60 * 1000;
    const ENDS: &str = "SELECT coalesce((SELECT min(id) FROM records), 0), coalesce((SELECT max(id) FROM records), 0)";
    const AT: &str = "SELECT received_at FROM records WHERE id >= $1 ORDER BY id LIMIT 1";
    let Some(ends) = t.query_opt(ENDS, &[])? else { return Ok(0) };
    let (mut low, mut high) = (ends.int(0)?, ends.int(1)?);
    while low < high {
        let middle = low + (high - low) / 2;
        let received = t.query_opt(AT, &[middle.into()])?.map_or(Ok(i64::MAX), |row| row.int(0))?;
        if received < received_from.saturating_sub(HOUR_MS) { low = middle + 1 } else { high = middle }
    }
    Ok(low)
}

/// The last record that was surely received before then; 0 if there is none.
pub(super) fn last_before(t: &mut dyn Transaction, received_before: i64) -> Result<i64, StoreError> {
    let first = first_since(t, received_before)?;
    let row = t.query_opt("SELECT received_at FROM records WHERE id = $1", &[first.into()])?;
    let is_before = row.map_or(Ok(false), |row| Ok::<_, StoreError>(row.int(0)? < received_before))?;
    Ok(if is_before { first } else { first.saturating_sub(1) })
}

/// A statement put together of conditions as they are asked for.
pub(super) struct SearchStatement {
    sql: String,
    values: Vec<Value>,
}

impl SearchStatement {
    pub(super) fn new(sql: &str) -> SearchStatement {
        SearchStatement { sql: sql.to_owned(), values: Vec::new() }
    }

    pub(super) fn push(&mut self, sql: &str) {
        self.sql.push_str(sql);
    }

    /// Adds a text whose `$?` is this value.
    pub(super) fn with(&mut self, sql: &str, value: impl Into<Value>) {
        self.values.push(value.into());
        self.sql.push_str(&sql.replace("$?", &format!("${}", self.values.len())));
    }

    pub(super) fn rows(&self, t: &mut dyn Transaction) -> Result<Vec<crate::backend::Row>, StoreError> {
        t.query(&self.sql, &self.values)
    }
}
