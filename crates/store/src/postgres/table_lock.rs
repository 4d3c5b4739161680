//! Locks of whoever changes tables: one program at a time, and a whole table only for moments.

use std::time::Duration;

use tokio_postgres::error::SqlState;

use super::fault::Fault;
use super::link::Link;

/// Held by whoever changes tables: "parkgate" in eight bytes.
pub(super) const LOCK: i64 = i64::from_be_bytes(*b"parkgate");
/// How often a lock on a whole table is asked for; each time others wait behind it for two seconds at most.
const LOCK_TRIES: u32 = 30;
const LOCK_PAUSE: Duration = Duration::from_secs(1);

/// What needs a table for itself, again and again until it has it: what was done before in this transaction stays.
pub(super) async fn patiently(link: &Link, sql: &str) -> Result<(), Fault> {
    for tried in 1.. {
        link.plain("SAVEPOINT before").await?;
        match link.plain(sql).await {
            Err(error) if error.code() == Some(&SqlState::LOCK_NOT_AVAILABLE) && tried < LOCK_TRIES => {
                link.plain("ROLLBACK TO SAVEPOINT before").await?;
                tokio::time::sleep(LOCK_PAUSE).await;
            }
            done => return Ok(done?),
        }
    }
    Ok(())
}
