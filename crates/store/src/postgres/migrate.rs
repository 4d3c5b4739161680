//! Numbered migrations, embedded; each runs once, under a lock that every starting node waits for. Then the master key is
//! proved: the first one to come is this database's.

use std::path::Path;

use super::link::{Fault, Link};
use crate::StoreError;
use crate::key::MasterKey;
use crate::seal::Seal;
use crate::stored::{KEY_PLACE, KEY_PROOF};

/// In order; the n-th brings a database to version n.
const MIGRATIONS: [&str; 4] = [
    include_str!("../../migrations/postgres/0001_records.sql"),
    include_str!("../../migrations/postgres/0002_quarantine.sql"),
    include_str!("../../migrations/postgres/0003_forwarding.sql"),
    include_str!("../../migrations/postgres/0004_moving.sql"),
];
/// "parkgate" in eight bytes.
const LOCK: i64 = i64::from_be_bytes(*b"parkgate");

/// Brings a database to the newest version, and gives the key that its secrets are sealed under.
pub(super) async fn prepare(link: &Link, data: &Path, name: &str) -> Result<MasterKey, Fault> {
    require_settings(link).await?;
    link.begin().await?;
    // Others may be in the middle of a long migration.
    link.plain("SET LOCAL lock_timeout = 0").await?;
    link.execute("SELECT pg_advisory_xact_lock($1)", &[&LOCK]).await?;
    link.plain("SET LOCAL client_min_messages = warning").await?;
    migrate(link).await?;
    let key = prove_key(link, data, name).await?;
    link.commit().await?;
    Ok(key)
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
        let text = format!("the database is of version {found}, this program knows {newest}: start a newer parkgate");
        return Err(StoreError::Broken(text).into());
    }
    for migration in MIGRATIONS.iter().skip(found) {
        link.plain(migration).await?;
    }
    if found < newest {
        let newest = i64::try_from(newest).unwrap_or(i64::MAX);
        link.execute("UPDATE parkgate_schema SET version = $1", &[&newest]).await?;
    }
    Ok(())
}

/// Refuses a master key that is not this database's, and makes none where the database has one.
async fn prove_key(link: &Link, data: &Path, name: &str) -> Result<MasterKey, Fault> {
    let row = link.query_opt("SELECT proof FROM master_key", &[]).await?;
    let sealed_under = row.is_some().then_some(name);
    let key = MasterKey::of(data, sealed_under).map_err(|error| StoreError::Broken(error.to_string()))?;
    let seal = Seal::new(&key);
    match row {
        Some(row) => {
            if seal.open(row.try_get(0)?, KEY_PLACE).is_err() {
                let text = format!(
                    "{name} is sealed under another master key than {}: copy master.key from a node that uses it",
                    data.join("master.key").display()
                );
                return Err(StoreError::Broken(text).into());
            }
        }
        None => {
            let proof = seal.seal(KEY_PROOF, KEY_PLACE)?;
            link.execute("INSERT INTO master_key VALUES ($1)", &[&proof]).await?;
        }
    }
    Ok(key)
}
