//! The outbox's periodic upkeep, timed by clocks that nobody sets.
//!
//! How long sent records are remembered is measured in time that the agent ran, not by the machine's date: a date that jumps
//! ahead, or is wrong after a power cut, makes it forget nothing. So the outbox has its own *age*: it starts at the date of
//! first use and advances only while the agent runs.

use std::time::{Duration, Instant};

use parkgate_wire::UnixMillis;
use rusqlite::{Connection, params};

use super::{Outbox, OutboxError, schema};

/// Records that were sent are recognised for this long.
pub(super) const REMEMBERED_MS: i64 = 14 * 24 * 60 * 60 * 1000;

/// How old an outbox is.
pub(super) struct Age {
    /// Its age when this process opened it.
    at_open: UnixMillis,
    opened: Instant,
}

impl Age {
    /// The age that was noted; if none was, the time of the last record sent.
    pub(super) fn read(connection: &Connection, now: UnixMillis) -> Result<Age, OutboxError> {
        let noted = schema::number(connection, "age")?;
        let last: Option<i64> = match noted {
            0 => connection.query_row("SELECT max(sent_at) FROM sent", [], |row| row.get(0))?,
            noted => i64::try_from(noted).ok(),
        };
        Ok(Age { at_open: last.map_or(now, UnixMillis), opened: Instant::now() })
    }
}

impl Outbox {
    /// Its age, as the time it started from plus how long the agent has run since.
    pub(super) fn age(&self) -> UnixMillis {
        self.age.at_open.after(self.age.opened.elapsed())
    }

    pub(super) fn note_age(&self, connection: &Connection) -> Result<(), OutboxError> {
        schema::note(connection, "age", Some(&self.age().to_string()))
    }

    /// Forgets what was sent long ago, and removes pictures that belong to no record. What fails is logged, and done next time.
    pub(crate) fn upkeep(&self) {
        let connection = self.lock();
        let purged = self.note_age(&connection).and_then(|()| {
            Ok(connection.execute("DELETE FROM sent WHERE sent_at < ?1", [self.age().0 - REMEMBERED_MS])?)
        });
        match purged {
            Ok(0) => {}
            Ok(purged) => tracing::info!(purged, "records sent long ago were forgotten"),
            Err(error) => tracing::warn!(%error, "what was sent long ago could not be forgotten"),
        }
        if let Err(error) = self.sweep(&connection) {
            tracing::warn!(%error, "pictures of no record could not be removed");
        }
    }

    /// Makes sure that no record waits longer than `longest`: one that does was put off while the date was wrong.
    ///
    /// # Errors
    /// The database cannot be read or written.
    pub fn clamp_due(&self, now: UnixMillis, longest: Duration) -> Result<(), OutboxError> {
        let latest = now.after(longest).0;
        let connection = self.lock();
        // Both conditions of the index on waiting records.
        let far = "state = 0 AND due > 0 AND due > ?1";
        let is_any = connection.prepare_cached(&format!("SELECT 1 FROM records WHERE {far}"))?.exists([latest])?;
        if is_any {
            let sql = format!("UPDATE records SET due = ?1 WHERE {far}");
            let clamped = connection.execute(&sql, params![latest])?;
            tracing::warn!(clamped, "the date was set back: records that waited for a later one are sent sooner");
        }
        Ok(())
    }
}
