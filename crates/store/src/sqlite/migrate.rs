//! Numbered migrations, embedded; each runs once, under the write lock.

use rusqlite::{Connection, TransactionBehavior};

use crate::StoreError;

/// In order; the n-th brings a database to version n.
const MIGRATIONS: [&str; 9] = [
    include_str!("../../migrations/sqlite/0001_records.sql"),
    include_str!("../../migrations/sqlite/0002_quarantine.sql"),
    include_str!("../../migrations/sqlite/0003_forwarding.sql"),
    include_str!("../../migrations/sqlite/0004_moving.sql"),
    include_str!("../../migrations/sqlite/0005_forwarding.sql"),
    include_str!("../../migrations/sqlite/0006_by_park.sql"),
    include_str!("../../migrations/sqlite/0007_counted.sql"),
    include_str!("../../migrations/sqlite/0008_quarantine.sql"),
    include_str!("../../migrations/sqlite/0009_calls.sql"),
];

/// Brings a database to the newest version.
pub(super) fn migrate(connection: &mut Connection) -> Result<(), StoreError> {
    let newest = MIGRATIONS.len();
    if version(connection)? == newest {
        return Ok(());
    }
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    // Another process may have been first.
    let found = version(&transaction)?;
    if found > newest {
        return Err(StoreError::Broken(format!(
            "the database is of version {found}, this program knows {newest}: start a newer parkgate"
        )));
    }
    for migration in MIGRATIONS.iter().skip(found) {
        transaction.execute_batch(migration)?;
    }
    transaction.pragma_update(None, "user_version", u32::try_from(newest).unwrap_or(u32::MAX))?;
    transaction.commit()?;
    Ok(())
}

fn version(connection: &Connection) -> Result<usize, StoreError> {
    Ok(connection.pragma_query_value(None, "user_version", |row| row.get::<_, u32>(0))? as usize)
}
