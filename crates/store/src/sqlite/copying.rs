//! A copy of the database as it was at one moment, made beside whoever writes.
//!
//! SQLite begins a copy anew when another process writes between two steps, so under steady load one would never end. It does
//! not where the connection it reads has a transaction open: every step then reads what that one sees. Until the copy is
//! made, the WAL cannot be begun anew and grows by what is written, as it does with every long reader.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rusqlite::backup::{Backup, StepResult};
use rusqlite::{Connection, OpenFlags, params};

use super::{ConnectionRole, FILE, connect, make_file};
use crate::throttle::Throttle;
use crate::{ImageKey, StoreError};

/// Copied in one step: 8 MiB.
const STEP_PAGES: i32 = 1024;
/// How long a lock on the database is waited for.
const LOCKED_MAX: Duration = Duration::from_secs(30);
const LOCKED_PAUSE: Duration = Duration::from_millis(20);

/// Copies the database of a data folder to a new file. `report` hears how many bytes of how many are copied.
///
/// # Errors
/// The database cannot be read, or the file cannot be written.
pub(crate) fn copy_database(
    data: &Path,
    to: &Path,
    throttle: &Throttle,
    report: &mut dyn FnMut(u64, u64),
) -> Result<DatabaseCopy, StoreError> {
    let from = connect(&data.join(FILE), ConnectionRole::Reader)?;
    let moment = from.unchecked_transaction()?;
    // A transaction sees the moment of its first read.
    moment.query_row("SELECT count(*) FROM sqlite_schema", [], |_| Ok(()))?;
    let page_bytes: u32 = moment.pragma_query_value(None, "page_size", |row| row.get(0))?;
    make_file(to).map_err(|error| StoreError::Away(format!("{}: {error}", to.display())))?;
    let mut copy = unsafe_for_others(to)?;
    {
        let backup = Backup::new(&moment, &mut copy)?;
        let (mut locked_since, mut done) = (None, 0);
        loop {
            match backup.step(STEP_PAGES)? {
                StepResult::Done => break,
                StepResult::More => locked_since = None,
                _ => {
                    let since = *locked_since.get_or_insert_with(Instant::now);
                    if since.elapsed() > LOCKED_MAX {
                        return Err(StoreError::Busy("the database is locked".into()));
                    }
                    std::thread::sleep(LOCKED_PAUSE);
                }
            }
            let progress = backup.progress();
            let bytes = |pages: i32| u64::from(pages.unsigned_abs()) * u64::from(page_bytes);
            let now_done = bytes(progress.pagecount - progress.remaining);
            throttle.take(now_done.saturating_sub(done));
            done = now_done;
            report(done, bytes(progress.pagecount));
        }
    }
    // One file by itself: whoever opens it as a store makes a WAL beside it again.
    let mode: String = copy.pragma_update_and_check(None, "journal_mode", "delete", |row| row.get(0))?;
    if mode != "delete" {
        return Err(StoreError::Broken(format!("{}: its journal is {mode}", to.display())));
    }
    Ok(DatabaseCopy { path: to.to_owned(), connection: copy })
}

/// A file that nobody else opens before it is whole: neither a journal nor syncs.
fn unsafe_for_others(path: &Path) -> Result<Connection, StoreError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let copy = Connection::open_with_flags(path, flags)?;
    copy.pragma_update(None, "synchronous", "off")?;
    copy.pragma_update_and_check(None, "journal_mode", "off", |_| Ok(()))?;
    Ok(copy)
}

/// A copy that is still to be made durable.
pub(crate) struct DatabaseCopy {
    path: PathBuf,
    connection: Connection,
}

impl DatabaseCopy {
    /// A copy that was made before.
    pub(crate) fn open(path: &Path) -> Result<DatabaseCopy, StoreError> {
        Ok(DatabaseCopy { path: path.to_owned(), connection: unsafe_for_others(path)? })
    }

    /// The newest record; 0 if there is none.
    pub(crate) fn highest_record(&self) -> Result<i64, StoreError> {
        Ok(self.connection.query_row("SELECT coalesce(max(id), 0) FROM records", [], |row| row.get(0))?)
    }

    /// The next pictures of a table with images, in the order of their addresses.
    pub(crate) fn pictures(&self, table: &str, after: &[u8], limit: usize) -> Result<Vec<(ImageKey, u64)>, StoreError> {
        super::moving::pictures(&self.connection, table, after, limit)
    }

    /// The store that was copied let these pictures go since: so does the copy. A push in quarantine goes with its picture,
    /// as it went there.
    pub(crate) fn let_go(&mut self, pictures: &[ImageKey]) -> Result<(), StoreError> {
        const USE: &str = "UPDATE quarantine_use SET pushes = pushes - 1, bytes = bytes - (SELECT bytes FROM quarantine \
            WHERE id = ?1) WHERE park_id = (SELECT park_id FROM quarantine WHERE id = ?1)";
        let change = self.connection.transaction()?;
        for picture in pictures {
            change.prepare_cached("DELETE FROM images WHERE sha256 = ?1")?.execute([picture.0])?;
            let held = "SELECT DISTINCT quarantine_id FROM quarantine_images WHERE sha256 = ?1";
            let held: Vec<i64> =
                change.prepare_cached(held)?.query_map([picture.0], |row| row.get(0))?.collect::<Result<_, _>>()?;
            for push in held {
                change.prepare_cached(USE)?.execute([push])?;
                change.prepare_cached("DELETE FROM quarantine_images WHERE quarantine_id = ?1")?.execute([push])?;
                change.prepare_cached("DELETE FROM quarantine WHERE id = ?1")?.execute([push])?;
            }
        }
        Ok(change.commit()?)
    }

    /// Gives the store another number of its own: it is not the one it was copied from, and both may find pictures in one
    /// place.
    pub(crate) fn renumber(&mut self) -> Result<(), StoreError> {
        let sql = "INSERT INTO moving VALUES (?1, ?2) ON CONFLICT DO UPDATE SET told = excluded.told";
        let id = crate::moving::movable::new_id()?;
        self.connection.execute(sql, params![crate::moving::movable::ID, id])?;
        Ok(())
    }

    /// Nothing has it open any more; where it lies.
    pub(crate) fn close(self) -> Result<PathBuf, StoreError> {
        self.connection.close().map_err(|(_, error)| StoreError::from(error))?;
        Ok(self.path)
    }
}
