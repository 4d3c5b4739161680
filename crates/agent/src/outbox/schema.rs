//! The outbox's tables, and its counts.

use rusqlite::{Connection, OptionalExtension, params};

use super::{Counts, OutboxError};

const SCHEMA: &str = "
CREATE TABLE IF NOT EXISTS records (
    id INTEGER PRIMARY KEY AUTOINCREMENT, -- people name it
    kind INTEGER NOT NULL,                -- 0 enter, 1 leave
    serial TEXT NOT NULL,
    digest BLOB NOT NULL,
    params TEXT NOT NULL,                 -- JSON array of name and value
    enter_time INTEGER NOT NULL,
    state INTEGER NOT NULL,               -- 0 waits, 1 refused, 2 held for its hint
    attempts INTEGER NOT NULL,
    due INTEGER NOT NULL,
    leased INTEGER NOT NULL,
    added_at INTEGER NOT NULL,
    hint TEXT
) STRICT;
CREATE UNIQUE INDEX IF NOT EXISTS records_by_serial ON records (serial, kind);
CREATE INDEX IF NOT EXISTS records_waiting ON records (id) WHERE state = 0;
CREATE TABLE IF NOT EXISTS files (
    record_id INTEGER NOT NULL,
    part TEXT NOT NULL,
    name TEXT NOT NULL,
    bytes INTEGER NOT NULL,
    PRIMARY KEY (record_id, part)
) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS sent (
    serial TEXT NOT NULL,
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
    connection.pragma_update_and_check(None, "journal_mode", "wal", |_| Ok(()))?;
    connection.pragma_update(None, "synchronous", "full")?;
    connection.pragma_update(None, "cache_size", -8 * 1024)?;
    connection.execute_batch(SCHEMA)?;
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
    let found: Option<String> = connection
        .prepare_cached("SELECT value FROM notes WHERE name = ?1")?
        .query_row([name], |row| row.get(0))
        .optional()?;
    Ok(found.and_then(|text| text.parse().ok()).unwrap_or(0))
}

pub(super) fn counts(connection: &Connection) -> Result<Counts, OutboxError> {
    let note = |name: &str| -> Result<Option<String>, OutboxError> {
        Ok(connection.query_row("SELECT value FROM notes WHERE name = ?1", [name], |row| row.get(0)).optional()?)
    };
    let number = |name: &str| number(connection, name);
    let of = |state: i64| -> Result<u64, OutboxError> {
        Ok(connection
            .query_row("SELECT count(*) FROM records WHERE state = ?1", [state], |row| row.get::<_, i64>(0))?
            .unsigned_abs())
    };
    Ok(Counts {
        queued: of(0)?,
        oldest: connection.query_row("SELECT min(added_at) FROM records WHERE state = 0", [], |row| row.get(0))?,
        dead: of(1)?,
        held: of(2)?,
        sent: number("sent")?,
        hinted: number("hinted")?,
        pictures_dropped: number("pictures_dropped")?,
        picture_bytes: number("picture_bytes")?,
        last_hint: note("last_hint")?,
        last_error: note("last_error")?,
        last_sent_at: note("last_sent_at")?.and_then(|text| text.parse().ok()),
    })
}
