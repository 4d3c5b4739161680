//! Brings the WAL into the main file, beside the writer.
//!
//! A passive checkpoint copies pages while batches go on, but under steady load never reaches the end, and the WAL is
//! only started anew once all of it is copied. So a thread copies most of it, and the writer, between two batches, the
//! little that is left.
//!
//! SQLite counts a page as copied once it is written; only the copy that reaches the end of the WAL syncs. If that sync
//! fails, or any other, it is not known which pages are on the disk, and the process ends (`recopy.rs`).

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use rusqlite::Connection;

use super::{BUSY_WAIT, ConnectionRole, PAGE_BYTES, connect, for_want_of_room, heed, lock};
use crate::{Alarm, StoreError};

const MIB_PAGES: i64 = 1024 * 1024 / PAGE_BYTES as i64;
/// The WAL takes no more than this share of a small disk, however much is copied anew for it.
const DISK_SHARE: u64 = 16;

/// How long the writer waits for readers when the WAL is cut off.
const CUT_OFF_WAIT: Duration = Duration::from_millis(100);

/// How large the WAL grows, in pages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Sizes {
    /// Copied from here on. Less would copy pages that the next batches write again.
    copy_from: i64,
    /// No more than this is left to the writer, who makes pushes wait meanwhile.
    little: i64,
    /// The writer waits for a copy under way, and finishes it, from here on: the WAL must not outgrow the disk.
    finish_from: i64,
}

impl Sizes {
    const LARGE: Sizes = Sizes { copy_from: 64 * MIB_PAGES, little: 2 * MIB_PAGES, finish_from: 128 * MIB_PAGES };

    fn on(path: &Path) -> Sizes {
        let disk = crate::reserve::disk_room(path.parent().unwrap_or(path));
        disk.map_or(Sizes::LARGE, |disk| Sizes::of(disk.total_bytes))
    }

    fn of(disk_bytes: u64) -> Sizes {
        let pages = i64::try_from(disk_bytes / DISK_SHARE / u64::from(PAGE_BYTES)).unwrap_or(i64::MAX);
        let finish_from = pages.clamp(MIB_PAGES, Sizes::LARGE.finish_from);
        Sizes { copy_from: finish_from / 2, little: (finish_from / 4).min(Sizes::LARGE.little), finish_from }
    }
}

pub(super) struct Checkpointer {
    ask: Mutex<Option<SyncSender<()>>>,
    thread: Mutex<Option<JoinHandle<()>>>,
    /// Held while pages are copied: two at once get in each other's way.
    copying: Arc<Mutex<()>>,
    sizes: Sizes,
    /// From how many pages on the writer looks again, if a long reader kept it from finishing.
    finish_from: Mutex<i64>,
}

impl Checkpointer {
    pub(super) fn start(path: PathBuf, alarm: Alarm) -> Checkpointer {
        let (ask, asked) = sync_channel(1);
        let sizes = Sizes::on(&path);
        let copying = Arc::new(Mutex::new(()));
        let mine = Arc::clone(&copying);
        let work = move || {
            if catch_unwind(AssertUnwindSafe(|| run(&path, &asked, &mine, &alarm))).is_err() {
                alarm.raise("the thread that makes checkpoints panicked");
            }
        };
        let thread = std::thread::Builder::new().name("checkpoint".into()).spawn(work);
        if let Err(error) = &thread {
            tracing::error!(%error, "no thread for checkpoints: the writer makes them all");
        }
        Checkpointer {
            ask: Mutex::new(Some(ask)),
            thread: Mutex::new(thread.ok()),
            copying,
            sizes,
            finish_from: Mutex::new(sizes.finish_from),
        }
    }

    /// Between two batches: asks for a copy, or finishes what was copied, as the WAL has grown.
    pub(super) fn look(&self, writer: &Connection) -> Result<(), StoreError> {
        let wal = looked(writer)?;
        let sizes = self.sizes;
        let mut finish_from = lock(&self.finish_from);
        if wal.pages < sizes.finish_from {
            *finish_from = sizes.finish_from;
        }
        if wal.pages >= *finish_from {
            let _copying = lock(&self.copying);
            *finish_from = wal.pages + sizes.copy_from;
            return passive(writer).map(drop);
        }
        match wal.left() {
            0 => Ok(()),
            left if wal.copied >= sizes.copy_from && left <= sizes.little => self.finish(writer),
            // Each pass leaves less: what was written while it went on.
            left if wal.copied >= sizes.copy_from || left >= sizes.copy_from => self.ask(writer),
            _ => Ok(()),
        }
    }

    fn ask(&self, writer: &Connection) -> Result<(), StoreError> {
        if let Some(ask) = lock(&self.ask).as_ref()
            && self.copying.try_lock().is_ok()
            && let Err(TrySendError::Disconnected(())) = ask.try_send(())
        {
            return self.finish(writer);
        }
        Ok(())
    }

    /// Copies what is left, unless a copy is under way.
    fn finish(&self, writer: &Connection) -> Result<(), StoreError> {
        match self.copying.try_lock() {
            Ok(_copying) => passive(writer).map(drop),
            Err(_) => Ok(()),
        }
    }

    /// Copies the whole WAL and cuts it off, so that nothing of what was deleted is left in it; false if somebody reads from it.
    /// Most is copied on another connection, beside the writer, which `write` gives for the rest.
    pub(super) fn cut_off(
        &self,
        other: &Connection,
        write: impl FnOnce(&dyn Fn(&mut Connection) -> Result<bool, StoreError>) -> Result<bool, StoreError>,
    ) -> Result<bool, StoreError> {
        let _copying = lock(&self.copying);
        passive(other)?;
        write(&|writer| {
            // Pushes wait: for a reader no longer than this.
            writer.busy_timeout(CUT_OFF_WAIT)?;
            let cut_off = writer.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get::<_, i64>(0));
            writer.busy_timeout(BUSY_WAIT)?;
            match cut_off {
                Ok(busy) => Ok(busy == 0),
                Err(error) => match StoreError::from(error) {
                    StoreError::Busy(_) => Ok(false),
                    error => Err(error),
                },
            }
        })
    }

    pub(super) fn stop(&self) {
        drop(lock(&self.ask).take());
        if let Some(thread) = lock(&self.thread).take()
            && thread.join().is_err()
        {
            tracing::error!("the checkpoint thread ended badly");
        }
    }
}

impl Drop for Checkpointer {
    fn drop(&mut self) {
        self.stop();
    }
}

fn run(path: &Path, asked: &Receiver<()>, copying: &Mutex<()>, alarm: &Alarm) {
    let mut connection: Option<Connection> = None;
    while asked.recv().is_ok() {
        let open = match connection.take().map_or_else(|| connect(path, ConnectionRole::Checkpointer), Ok) {
            Ok(open) => open,
            Err(error) => {
                tracing::warn!(%error, "no connection for a checkpoint");
                continue;
            }
        };
        let copied = {
            let _copying = lock(copying);
            passive(&open).and_then(|_| flush(path))
        };
        match copied.or_else(|error| unmade(path, error)) {
            Ok(()) => connection = Some(open),
            Err(error) => return heed(alarm, &error),
        }
    }
}

/// A checkpoint that was not made: where it was for want of room or of a lock the WAL stays as it is, and nothing is lost.
/// After anything else nobody knows which of the pages that were written are on the disk.
pub(super) fn unmade(path: &Path, error: StoreError) -> Result<(), StoreError> {
    match for_want_of_room(path, error) {
        error @ (StoreError::Full(_) | StoreError::Busy(_)) => {
            tracing::warn!(%error, "a checkpoint was not made");
            Ok(())
        }
        error @ StoreError::Unsynced(_) => Err(error),
        error => Err(StoreError::Unsynced(format!("a checkpoint failed: {error}"))),
    }
}

/// Has the system write what was copied, so that the writer's own sync, at the end, finds little to do; and reports at
/// once what it could not write.
///
/// Of the whole file system: a second handle on the database would drop the process's locks on it when it is closed.
fn flush(path: &Path) -> Result<(), StoreError> {
    let folder = match std::fs::File::open(path.parent().unwrap_or(path)) {
        Ok(folder) => folder,
        Err(error) => {
            tracing::debug!(%error, "what was copied will be written with the next sync");
            return Ok(());
        }
    };
    match rustix::fs::syncfs(&folder) {
        // What a checkpoint promises, its own sync does.
        Ok(()) | Err(rustix::io::Errno::NOSYS) => Ok(()),
        Err(error) => Err(StoreError::Unsynced(format!("{}: {error}", path.display()))),
    }
}

/// How far a checkpoint is.
pub(super) struct Wal {
    pages: i64,
    copied: i64,
}

impl Wal {
    fn left(&self) -> i64 {
        self.pages - self.copied
    }

    /// How many frames stand in it.
    pub(super) fn frames(&self) -> u64 {
        u64::try_from(self.pages).unwrap_or(0)
    }

    /// How many of these, from the first, are counted as copied.
    pub(super) fn copied(&self) -> u64 {
        u64::try_from(self.copied).unwrap_or(0)
    }
}

/// Copies nothing.
pub(super) fn looked(connection: &Connection) -> Result<Wal, StoreError> {
    ask(connection, "PRAGMA wal_checkpoint(NOOP)")
}

/// Copies what can be copied without waiting.
pub(super) fn passive(connection: &Connection) -> Result<Wal, StoreError> {
    ask(connection, "PRAGMA wal_checkpoint(PASSIVE)")
}

fn ask(connection: &Connection, pragma: &str) -> Result<Wal, StoreError> {
    let mut statement = connection.prepare_cached(pragma)?;
    Ok(statement.query_row([], |row| Ok(Wal { pages: row.get(1)?, copied: row.get(2)? }))?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_small_disk_is_not_filled_by_the_wal() {
        assert_eq!(Sizes::of(1 << 40), Sizes::LARGE);
        assert_eq!(Sizes::of(2 << 30), Sizes::LARGE);
        let small = Sizes::of(96 << 20);
        assert_eq!(small, Sizes { copy_from: 3 * MIB_PAGES, little: 3 * MIB_PAGES / 2, finish_from: 6 * MIB_PAGES });
        assert_eq!(Sizes::of(0).finish_from, MIB_PAGES, "and there must be one");
    }
}
