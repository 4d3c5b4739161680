//! Calls that were passed on to a compared platform, counted by path.

use std::collections::{BTreeMap, HashSet};

use parkgate_ledger::paths::{OTHER_PATHS, counted_path};

use crate::StoreError;
use crate::backend::{Access, Backend, Row, Transaction, Value};
use crate::delivery::PassedCalls;

const PUT: &str = "INSERT INTO passed_calls (subscriber_id, path, count, last_status, last_at) VALUES ($1, $2, $3, $4, $5) \
    ON CONFLICT (subscriber_id, path) DO UPDATE SET count = passed_calls.count + excluded.count, \
    last_status = CASE WHEN excluded.last_at >= passed_calls.last_at THEN excluded.last_status ELSE passed_calls.last_status END, \
    last_at = CASE WHEN excluded.last_at >= passed_calls.last_at THEN excluded.last_at ELSE passed_calls.last_at END";

/// Adds to what was counted before, on this node or another.
pub(crate) fn add(backend: &dyn Backend, calls: &[PassedCalls]) -> Result<(), StoreError> {
    let mut of_subscribers: BTreeMap<i64, Vec<&PassedCalls>> = BTreeMap::new();
    for one in calls {
        of_subscribers.entry(one.subscriber).or_default().push(one);
    }
    backend.transaction(Access::WriteOnce, |transaction| {
        of_subscribers.iter().try_for_each(|(subscriber, calls)| add_of(transaction, *subscriber, calls))
    })
}

fn add_of(transaction: &mut dyn Transaction, subscriber: i64, calls: &[&PassedCalls]) -> Result<(), StoreError> {
    // Nodes wait for each other here, so that together, too, they count no more paths than there may be.
    let there = "SELECT id FROM subscribers WHERE id = $1 {lock}";
    if transaction.query_opt(there, &[subscriber.into()])?.is_none() {
        return Ok(());
    }
    let rows = transaction.query("SELECT path FROM passed_calls WHERE subscriber_id = $1", &[subscriber.into()])?;
    let mut counted = rows.iter().map(|row| row.text(0)).collect::<Result<HashSet<String>, StoreError>>()?;
    counted.remove(OTHER_PATHS);
    for one in calls {
        let is_counted = counted.contains(&one.path) || one.path == OTHER_PATHS;
        let path = counted_path(&one.path, is_counted, counted.len());
        if path != OTHER_PATHS {
            counted.insert(path.to_owned());
        }
        let count = Value::Int(i64::try_from(one.count).unwrap_or(i64::MAX));
        let status = u32::from(one.last_status);
        transaction.execute(PUT, &[subscriber.into(), path.into(), count, status.into(), one.last_at.into()])?;
    }
    Ok(())
}

/// What was passed on to a subscriber, the most frequent path first.
pub(crate) fn all(backend: &dyn Backend, subscriber: i64) -> Result<Vec<PassedCalls>, StoreError> {
    let sql =
        "SELECT path, count, last_status, last_at FROM passed_calls WHERE subscriber_id = $1 ORDER BY count DESC, path";
    let rows = backend.transaction(Access::ReadLong, |transaction| transaction.query(sql, &[subscriber.into()]))?;
    let passed = |row: &Row| {
        Ok(PassedCalls {
            subscriber,
            path: row.text(0)?,
            count: row.count(1)?,
            last_status: u16::try_from(row.int(2)?).unwrap_or_default(),
            last_at: row.int(3)?,
        })
    };
    rows.iter().map(passed).collect()
}
