//! Copies what was committed from the WAL into the database's main file.
//!
//! SQLite would do this by itself at a commit, and not report a failure. But after a failed sync nobody knows what is on the
//! disk, and the next sync may report success: so the agent ends then, and the next start writes everything once more.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rusqlite::config::DbConfig;
use rusqlite::{Connection, ErrorCode};
use tokio::sync::watch;

use super::{Outbox, OutboxError, blocking};

/// As SQLite does by itself: 4 MiB.
const COPIED_FROM_PAGES: i64 = 1000;
/// At a thousand records a second the WAL grows by some 40 MiB in this time.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// `agent status` and similar commands take a moment.
const OTHERS_MAX: Duration = Duration::from_secs(10);

impl Outbox {
    /// Copies the WAL if it has at least `from_pages` pages. If the disk is full or another process is reading, some of it stays
    /// there.
    ///
    /// # Errors
    /// It is not known what is on the disk. The agent must end: the next start copies all of it.
    pub(crate) fn checkpoint(&self, from_pages: i64) -> Result<(), OutboxError> {
        let connection = self.lock();
        if asked(&connection, "NOOP")?.0 < from_pages {
            return Ok(());
        }
        match asked(&connection, "PASSIVE") {
            Err(error) if is_put_off(&error) => {
                tracing::warn!(%error, "the outbox was not copied into its main file");
                Ok(())
            }
            copied => Ok(copied.map(drop)?),
        }
    }
}

/// Copies the WAL periodically, and does the outbox's upkeep at the start and every `tidy_every`. Ends when asked to stop, or
/// after a failure.
pub(crate) async fn copy_now_and_then(
    outbox: Arc<Outbox>,
    tidy_every: Duration,
    mut stopped: watch::Receiver<bool>,
) -> Result<(), OutboxError> {
    let mut tidied: Option<Instant> = None;
    loop {
        if tidied.is_none_or(|at| at.elapsed() >= tidy_every) {
            tidied = Some(Instant::now());
            let tidying = Arc::clone(&outbox);
            let tidy = move || {
                tidying.upkeep();
                Ok(())
            };
            blocking(tidy).await?;
        }
        tokio::select! {
            _ = stopped.wait_for(|stopped| *stopped) => return Ok(()),
            () = tokio::time::sleep(LOOK_EVERY.min(tidy_every)) => {}
        }
        let looking = Arc::clone(&outbox);
        blocking(move || looking.checkpoint(COPIED_FROM_PAGES))
            .await
            .inspect_err(|error| tracing::error!(%error, "it is not known what of the outbox is on the disk"))?;
    }
}

/// Waits until no process shares what an earlier agent recorded of copied pages, which may not have been true. Blocks.
pub(crate) fn begin_alone(database: &Path) -> Result<(), OutboxError> {
    let until = Instant::now() + OTHERS_MAX;
    while database.exists() {
        let connection = Connection::open(database)?;
        leave_the_wal(&connection)?;
        if asked(&connection, "NOOP")?.1 <= 0 {
            break;
        }
        if Instant::now() > until {
            let error = std::io::Error::other("another process has it open");
            return Err(OutboxError::File(database.to_owned(), error));
        }
        drop(connection);
        std::thread::sleep(OTHERS_MAX / 100);
    }
    Ok(())
}

/// Stops SQLite from copying by itself, at a commit or when the connection closes.
pub(super) fn leave_the_wal(connection: &Connection) -> Result<(), OutboxError> {
    connection.pragma_update_and_check(None, "wal_autocheckpoint", 0, |_| Ok(()))?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
    Ok(())
}

fn is_put_off(error: &rusqlite::Error) -> bool {
    let code = error.sqlite_error_code();
    matches!(code, Some(ErrorCode::DiskFull | ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked))
}

/// Pages in the WAL, and how many of them count as copied.
fn asked(connection: &Connection, how: &str) -> rusqlite::Result<(i64, i64)> {
    connection.query_row(&format!("PRAGMA wal_checkpoint({how})"), [], |row| Ok((row.get(1)?, row.get(2)?)))
}

#[cfg(test)]
mod tests {
    use super::super::DiskLimits;
    use super::*;

    fn records(outbox: &Outbox) -> i64 {
        outbox.lock().query_row("SELECT count(*) FROM notes", [], |row| row.get(0)).unwrap()
    }

    fn note(outbox: &Outbox, names: std::ops::Range<u32>) {
        for name in names {
            super::super::schema::note(&outbox.lock(), &name.to_string(), Some(&"x".repeat(3000))).unwrap();
        }
    }

    #[test]
    fn the_wal_is_copied_when_asked_and_left_at_the_end() {
        let folder = tempfile::tempdir().unwrap();
        let open = || Outbox::open(folder.path(), DiskLimits::default(), Default::default()).unwrap();
        let outbox = open();
        let before = records(&outbox);
        note(&outbox, 0..20);
        outbox.checkpoint(1_000_000).unwrap();
        assert_eq!(asked(&outbox.lock(), "NOOP").unwrap().1, 0, "not so many yet");
        drop(outbox);
        let outbox = open();
        assert_eq!(records(&outbox), before + 20);
        outbox.checkpoint(1).unwrap();
        let (pages, copied) = asked(&outbox.lock(), "NOOP").unwrap();
        assert!(pages > 20 && pages == copied, "{pages} {copied}");
    }

    #[test]
    fn what_another_process_knows_of_copied_pages_is_waited_for_to_be_forgotten() {
        let folder = tempfile::tempdir().unwrap();
        let database = folder.path().join(super::super::FILE);
        begin_alone(&database).unwrap();
        let outbox = Outbox::open(folder.path(), DiskLimits::default(), Default::default()).unwrap();
        note(&outbox, 0..20);
        outbox.checkpoint(1).unwrap();
        let (done, is_done) = std::sync::mpsc::channel();
        std::thread::scope(|scope| {
            scope.spawn(|| {
                begin_alone(&database).unwrap();
                done.send(()).unwrap();
            });
            assert!(is_done.try_recv().is_err());
            drop(outbox);
            is_done.recv().unwrap();
        });
    }
}
