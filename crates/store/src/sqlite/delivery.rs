//! Deliveries written with their records, and transactions that need not be durable by themselves.

use rusqlite::Connection;

use super::assert_durable;
use crate::StoreError;

/// For each subscriber that wants it. What was ignored for its serial (?5) goes to other platforms of the protocol only,
/// which judge for themselves.
pub(super) const ADD: &str = "INSERT INTO deliveries (subscriber_id, record_id, park_id, next_at, since) \
    SELECT s.id, ?1, ?2, CASE WHEN s.id = ?6 AND NOT ?5 THEN ?7 ELSE ?4 END, ?4 FROM subscribers s \
    WHERE (NOT ?5 OR s.relays) AND CASE ?3 WHEN 0 THEN s.enters ELSE s.leaves END \
    AND (s.all_parks OR EXISTS (SELECT 1 FROM subscriber_parks p WHERE p.subscriber_id = s.id \
    AND p.park_id = coalesce((SELECT e.park_id FROM park_epochs e WHERE e.id = ?2), ?2)))";

pub(super) fn any_subscriber(connection: &Connection) -> Result<bool, StoreError> {
    Ok(connection.prepare_cached("SELECT 1 FROM subscribers LIMIT 1")?.exists([])?)
}

/// One commit that the next one of a batch makes durable.
pub(super) fn unsynced<T>(
    connection: &mut Connection,
    work: impl FnOnce(&mut Connection) -> Result<T, StoreError>,
) -> Result<T, StoreError> {
    connection.pragma_update(None, "synchronous", "normal")?;
    let done = work(connection);
    let restored = connection.pragma_update(None, "synchronous", "full").map_err(StoreError::from);
    match (done, restored.and_then(|()| assert_durable(connection))) {
        (Err(error @ StoreError::Unsynced(_)), _) => Err(error),
        // The writer is given up, and whoever writes next opens another.
        (_, Err(error)) => Err(StoreError::Away(format!("synchronous could not be raised again: {error}"))),
        (done, Ok(())) => done,
    }
}
