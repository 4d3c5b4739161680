//! The outbox's tables and counters.

use parkgate_wire::UnixMillis;
use rusqlite::{Connection, OptionalExtension, params};

use super::{Counts, OutboxError, checkpoint};
use crate::space::SpaceCount;

/// Every commit is synced.
const SYNCHRONOUS_FULL: i64 = 2;

const SCHEMA: &str = "
CREATE TABLE IF NOT EXISTS records (
    id INTEGER PRIMARY KEY AUTOINCREMENT, -- people name it
    kind INTEGER NOT NULL,                -- 0 enter, 1 leave, 2 release, 3 update
    serial TEXT NOT NULL,
    digest BLOB NOT NULL,
    params TEXT NOT NULL,                 -- JSON array of name and value
    enter_time INTEGER NOT NULL,          -- 0 of a release or an update
    state INTEGER NOT NULL,               -- 0 waits, 1 refused, 2 held for its hint
    attempts INTEGER NOT NULL,
    due INTEGER NOT NULL,
    added_at INTEGER NOT NULL,
    hint TEXT,
    personal BLOB,                        -- ID data, sealed: a JSON array of name and value
    own_key TEXT                          -- of a release or an update: what makes it unique
) STRICT;
CREATE INDEX IF NOT EXISTS records_waiting ON records (id) WHERE state = 0;
CREATE INDEX IF NOT EXISTS records_paused ON records (due) WHERE state = 0 AND due > 0;
CREATE INDEX IF NOT EXISTS records_aside ON records (state) WHERE state <> 0;
CREATE TABLE IF NOT EXISTS files (
    record_id INTEGER NOT NULL,
    part TEXT NOT NULL,
    name TEXT NOT NULL,
    bytes INTEGER NOT NULL,
    md5 TEXT NOT NULL,                    -- computed when it was copied in
    PRIMARY KEY (record_id, part)
) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS sent (
    serial TEXT NOT NULL,                 -- of a release or an update its own key
    kind INTEGER NOT NULL,
    digest BLOB NOT NULL,
    enter_time INTEGER NOT NULL,
    sent_at INTEGER NOT NULL,
    PRIMARY KEY (serial, kind)
) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS notes (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID;
";

pub(super) fn prepare(connection: &mut Connection) -> Result<(), OutboxError> {
    connection.busy_timeout(std::time::Duration::from_secs(5))?;
    connection.set_prepared_statement_cache_capacity(64);
    let mode: String = connection.pragma_update_and_check(None, "journal_mode", "wal", |row| row.get(0))?;
    connection.pragma_update(None, "synchronous", "full")?;
    let level: i64 = connection.pragma_query_value(None, "synchronous", |row| row.get(0))?;
    if (mode.as_str(), level) != ("wal", SYNCHRONOUS_FULL) {
        return Err(OutboxError::Damaged(format!("journal {mode}, synchronous {level}: nothing would be durable")));
    }
    checkpoint::leave_the_wal(connection)?;
    connection.pragma_update(None, "cache_size", -2 * 1024)?;
    connection.execute_batch(SCHEMA)?;
    for (column, of) in [("personal", "BLOB"), ("own_key", "TEXT")] {
        add_column(connection, column, of)?;
    }
    connection.execute_batch(KEYS)?;
    Ok(())
}

/// One record for each key: a stay's own halves by its serial, the others by their own key. An outbox of an earlier version had but
/// the first, over all records.
const KEYS: &str = "
CREATE UNIQUE INDEX IF NOT EXISTS records_of_stay ON records (serial, kind) WHERE own_key IS NULL;
CREATE UNIQUE INDEX IF NOT EXISTS records_by_own_key ON records (own_key, kind) WHERE own_key IS NOT NULL;
CREATE INDEX IF NOT EXISTS updates_of_stay ON records (serial, id) WHERE kind = 3;
DROP INDEX IF EXISTS records_by_serial;
";

/// An outbox of an earlier version lacks it.
fn add_column(connection: &Connection, column: &str, of: &str) -> Result<(), OutboxError> {
    let has_it = || connection.prepare("SELECT 1 FROM pragma_table_info('records') WHERE name = ?1")?.exists([column]);
    if !has_it()?
        && let Err(error) = connection.execute_batch(&format!("ALTER TABLE records ADD COLUMN {column} {of}"))
        // Another process may have added it meanwhile.
        && !has_it()?
    {
        return Err(error.into());
    }
    Ok(())
}

pub(super) fn note(connection: &Connection, name: &str, value: Option<&str>) -> Result<(), OutboxError> {
    match value {
        Some(value) => connection
            .prepare_cached("INSERT OR REPLACE INTO notes (name, value) VALUES (?1, ?2)")?
            .execute(params![name, value])?,
        None => connection.prepare_cached("DELETE FROM notes WHERE name = ?1")?.execute([name])?,
    };
    Ok(())
}

pub(super) fn count(connection: &Connection, name: &str, by: i64) -> Result<(), OutboxError> {
    connection
        .prepare_cached(
            "INSERT INTO notes (name, value) VALUES (?1, ?2) \
             ON CONFLICT (name) DO UPDATE SET value = CAST(CAST(value AS INTEGER) + ?2 AS TEXT)",
        )?
        .execute(params![name, by])?;
    Ok(())
}

pub(super) fn number(connection: &Connection, name: &str) -> Result<u64, OutboxError> {
    Ok(noted(connection, name)?.and_then(|text| text.parse().ok()).unwrap_or(0))
}

/// The free spaces last reported, and when.
pub(super) fn space(connection: &Connection) -> Result<Option<(SpaceCount, UnixMillis)>, OutboxError> {
    let Some(text) = noted(connection, "space")? else { return Ok(None) };
    let mut numbers = text.split(' ');
    let mut next = || numbers.next();
    let read = || Some((next()?.parse().ok()?, next()?.parse().ok()?, next()?.parse().ok()?));
    Ok({ read }().map(|(total, remain, at)| (SpaceCount { total, remain }, UnixMillis(at))))
}

pub(super) fn noted(connection: &Connection, name: &str) -> Result<Option<String>, OutboxError> {
    Ok(connection
        .prepare_cached("SELECT value FROM notes WHERE name = ?1")?
        .query_row([name], |row| row.get(0))
        .optional()?)
}

pub(super) fn counts(connection: &Connection, now: UnixMillis) -> Result<Counts, OutboxError> {
    let number = |name: &str| number(connection, name);
    let not_waiting = |state: i64| -> Result<u64, OutboxError> {
        // SQLite uses this partial index only if the query repeats its condition.
        let sql = "SELECT count(*) FROM records WHERE state <> 0 AND state = ?1";
        Ok(connection.query_row(sql, [state], |row| row.get::<_, i64>(0))?.unsigned_abs())
    };
    let (dead, held) = (not_waiting(1)?, not_waiting(2)?);
    let oldest = "SELECT added_at FROM records WHERE state = 0 ORDER BY id LIMIT 1";
    // The current minute is still being counted; the one before it is complete.
    let sent_last_minute = match now.0 / 60_000 - i64::try_from(number("minute")?).unwrap_or(0) {
        0 => number("minute_before")?,
        1 => number("minute_sent")?,
        _ => 0,
    };
    Ok(Counts {
        queued: number("records")?.saturating_sub(dead + held),
        oldest: connection.query_row(oldest, [], |row| row.get(0)).optional()?.map(UnixMillis),
        dead,
        held,
        sent: number("sent")?,
        hinted: number("hinted")?,
        pictures_dropped: number("pictures_dropped")?,
        pictures_too_large: number("pictures_too_large")?,
        pictures_missing: number("pictures_missing")?,
        picture_bytes: number("picture_bytes")?,
        last_hint: noted(connection, "last_hint")?,
        last_error: noted(connection, "last_error")?,
        problem: noted(connection, "problem")?,
        last_sent_at: noted(connection, "last_sent_at")?.and_then(|text| text.parse().ok()).map(UnixMillis),
        sent_last_minute,
        space: space(connection)?.map(|(space, at)| (space.total, space.remain, at)),
    })
}
