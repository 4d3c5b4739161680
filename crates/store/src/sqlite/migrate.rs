//! Numbered migrations, embedded; each runs once, under the write lock.

use rusqlite::{Connection, OptionalExtension, TransactionBehavior};

use crate::{NewerDatabase, PROGRAM, StoreError};

/// In order; the n-th brings a database to version n.
const MIGRATIONS: [&str; 13] = [
    include_str!("../../migrations/sqlite/0001_records.sql"),
    include_str!("../../migrations/sqlite/0002_quarantine.sql"),
    include_str!("../../migrations/sqlite/0003_forwarding.sql"),
    include_str!("../../migrations/sqlite/0004_moving.sql"),
    include_str!("../../migrations/sqlite/0005_forwarding.sql"),
    include_str!("../../migrations/sqlite/0006_by_park.sql"),
    include_str!("../../migrations/sqlite/0007_counted.sql"),
    include_str!("../../migrations/sqlite/0008_quarantine.sql"),
    include_str!("../../migrations/sqlite/0009_calls.sql"),
    include_str!("../../migrations/sqlite/0010_audit.sql"),
    include_str!("../../migrations/sqlite/0011_retention.sql"),
    include_str!("../../migrations/sqlite/0012_keys.sql"),
    include_str!("../../migrations/sqlite/0013_activity.sql"),
];

/// The oldest program, by the number of its migrations, that works with a database of this version. A migration that only
/// adds what older programs never look at leaves it; one that would disturb them raises it to its own number. No program
/// was released before this one.
const WORKS_FROM: usize = MIGRATIONS.len();
/// Who brought the database to its version. Beside the migrations, since programs read it that do not know them.
const BROUGHT_BY: &str =
    "CREATE TABLE IF NOT EXISTS schema_program (works_from INTEGER NOT NULL, program TEXT NOT NULL) STRICT;
    DELETE FROM schema_program";

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
        return fits(&transaction, found);
    }
    for migration in MIGRATIONS.iter().skip(found) {
        transaction.execute_batch(migration)?;
    }
    transaction.execute_batch(BROUGHT_BY)?;
    transaction.execute(
        "INSERT INTO schema_program VALUES (?1, ?2)",
        (u32::try_from(WORKS_FROM).unwrap_or(u32::MAX), PROGRAM),
    )?;
    transaction.pragma_update(None, "user_version", u32::try_from(newest).unwrap_or(u32::MAX))?;
    transaction.commit()?;
    Ok(())
}

/// May this program work with a database that a newer one has migrated?
fn fits(connection: &Connection, found: usize) -> Result<(), StoreError> {
    let known = MIGRATIONS.len() as u64;
    let newer = |program| NewerDatabase { program, version: found as u64, known };
    let table = "SELECT count(*) FROM sqlite_schema WHERE name = 'schema_program'";
    if connection.query_row(table, [], |row| row.get::<_, u32>(0))? == 0 {
        return Err(newer(None).into());
    }
    let brought = "SELECT works_from, program FROM schema_program";
    let brought: Option<(u32, String)> =
        connection.query_row(brought, [], |row| Ok((row.get(0)?, row.get(1)?))).optional()?;
    match brought {
        Some((works_from, _)) if u64::from(works_from) <= known => Ok(()),
        brought => Err(newer(brought.map(|(_, program)| program)).into()),
    }
}

fn version(connection: &Connection) -> Result<usize, StoreError> {
    Ok(connection.pragma_query_value(None, "user_version", |row| row.get::<_, u32>(0))? as usize)
}
