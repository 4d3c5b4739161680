//! Transactions that need not be durable by themselves.

use rusqlite::Connection;

use super::assert_durable;
use crate::StoreError;

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
