//! Numbered migrations, embedded; each runs once, under a lock that every starting node waits for. Then the master key is
//! proved: the first one to come is this database's.
//!
//! Nodes are upgraded one after the other, so an older program works on with a newer database, as long as what was added
//! does not disturb it: the newer one writes down from which version on programs may (`works_from`). What would disturb
//! older programs (a column that goes, a new rule for a value) is a migration of a later release than the one whose
//! programs no longer need it.

use super::fault::Fault;
use super::link::Link;
use super::table_lock::{LOCK, patiently};
use crate::{NewerDatabase, PROGRAM, StoreError};

/// In order; the n-th brings a database to version n.
const MIGRATIONS: [&str; 12] = [
    include_str!("../../migrations/postgres/0001_records.sql"),
    include_str!("../../migrations/postgres/0002_quarantine.sql"),
    include_str!("../../migrations/postgres/0003_forwarding.sql"),
    include_str!("../../migrations/postgres/0004_moving.sql"),
    include_str!("../../migrations/postgres/0005_months.sql"),
    include_str!("../../migrations/postgres/0006_searches.sql"),
    include_str!("../../migrations/postgres/0007_conflicts.sql"),
    include_str!("../../migrations/postgres/0008_calls.sql"),
    include_str!("../../migrations/postgres/0009_audit.sql"),
    include_str!("../../migrations/postgres/0010_retention.sql"),
    include_str!("../../migrations/postgres/0011_keys.sql"),
    include_str!("../../migrations/postgres/0012_activity.sql"),
];
/// The oldest program, by the number of its migrations, that works with a database of this version.
const WORKS_FROM: i64 = 10;

/// Brings a database to the newest version.
pub(super) async fn prepare(link: &Link) -> Result<(), Fault> {
    require_settings(link).await?;
    link.begin().await?;
    // Others may be in the middle of a long migration.
    link.plain("SET LOCAL lock_timeout = 0").await?;
    link.execute("SELECT pg_advisory_xact_lock($1)", &[&LOCK]).await?;
    // Nodes go on meanwhile: whoever waits long for a table keeps them all waiting behind it.
    link.plain("SET LOCAL lock_timeout = '2s'").await?;
    link.plain("SET LOCAL client_min_messages = warning").await?;
    migrate(link).await?;
    link.commit().await
}

async fn require_settings(link: &Link) -> Result<(), Fault> {
    let setting = "SELECT current_setting('server_encoding'), current_setting('fsync', true)";
    let Some(row) = link.query_opt(setting, &[]).await? else { return Ok(()) };
    let encoding: String = row.try_get(0)?;
    if encoding != "UTF8" {
        let text = format!("the database's encoding is {encoding}: make one with ENCODING 'UTF8'");
        return Err(StoreError::Broken(text).into());
    }
    if row.try_get::<_, Option<String>>(1)?.as_deref() == Some("off") {
        tracing::warn!("fsync is off on this server: what is answered may be lost when it stops");
    }
    Ok(())
}

async fn migrate(link: &Link) -> Result<(), Fault> {
    let newest = MIGRATIONS.len();
    let exists = link.query_opt("SELECT to_regclass('parkgate_schema') IS NOT NULL", &[]).await?;
    if !exists.map_or(Ok(false), |row| row.try_get(0))? {
        link.plain("CREATE TABLE parkgate_schema (version bigint NOT NULL); INSERT INTO parkgate_schema VALUES (0)")
            .await?;
    }
    let row = link.query_opt("SELECT max(version) FROM parkgate_schema", &[]).await?;
    let found: Option<i64> = row.map_or(Ok(None), |row| row.try_get(0))?;
    let found = usize::try_from(found.unwrap_or(0)).unwrap_or(usize::MAX);
    if found > newest {
        return fits(link).await;
    }
    for migration in MIGRATIONS.iter().skip(found) {
        patiently(link, migration).await?;
    }
    if found < newest {
        let newest = i64::try_from(newest).unwrap_or(i64::MAX);
        // Beside the migrations, since programs read it that do not know them.
        patiently(link, "ALTER TABLE parkgate_schema ADD COLUMN IF NOT EXISTS program text").await?;
        let set = "UPDATE parkgate_schema SET version = $1, works_from = $2, program = $3";
        link.execute(set, &[&newest, &WORKS_FROM, &PROGRAM]).await?;
    }
    Ok(())
}

/// May this program work with the database as it is now? A newer node may have migrated it.
pub(super) async fn fits(link: &Link) -> Result<(), Fault> {
    let row = link.query_opt("SELECT version, works_from FROM parkgate_schema", &[]).await?;
    let Some(row) = row else { return Err(StoreError::Broken("the database has no version".into()).into()) };
    let (found, works_from): (i64, i64) = (row.try_get(0)?, row.try_get(1)?);
    if works_from > MIGRATIONS.len() as i64 {
        // Whoever brought it there may have left its version.
        let brought = "SELECT to_jsonb(found) ->> 'program' FROM parkgate_schema found";
        let row = link.query_opt(brought, &[]).await?;
        let program = row.map_or(Ok(None), |row| row.try_get(0))?;
        let version = u64::try_from(found).unwrap_or_default();
        return Err(StoreError::from(NewerDatabase { program, version, known: MIGRATIONS.len() as u64 }).into());
    }
    Ok(())
}
