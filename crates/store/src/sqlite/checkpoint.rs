//! Brings the WAL into the main file, beside the writer.
//!
//! A passive checkpoint copies pages while batches go on, but under steady load never reaches the end, and the WAL is
//! only started anew once all of it is copied. So a thread copies most of it, and the writer, between two batches, the
//! little that is left.

use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use rusqlite::Connection;

use super::{PAGE_BYTES, Role, connect, lock};
use crate::StoreError;

const MIB_PAGES: i64 = 1024 * 1024 / PAGE_BYTES as i64;
/// Copied from here on. Less would copy pages that the next batches write again.
const COPY_FROM_PAGES: i64 = 64 * MIB_PAGES;
/// No more than this is left to the writer, who makes pushes wait meanwhile.
const LITTLE_PAGES: i64 = 2 * MIB_PAGES;
/// The writer waits for a copy under way, and finishes it, from here on: the WAL must not outgrow the disk.
const FINISH_FROM_PAGES: i64 = 128 * MIB_PAGES;

pub(super) struct Checkpointer {
    ask: Mutex<Option<SyncSender<()>>>,
    thread: Mutex<Option<JoinHandle<()>>>,
    /// Held while pages are copied: two at once get in each other's way.
    copying: Arc<Mutex<()>>,
    /// From how many pages on the writer looks again, if a long reader kept it from finishing.
    finish_from: Mutex<i64>,
}

impl Checkpointer {
    pub(super) fn start(path: PathBuf) -> Checkpointer {
        let (ask, asked) = sync_channel(1);
        let copying = Arc::new(Mutex::new(()));
        let mine = Arc::clone(&copying);
        let thread = std::thread::Builder::new().name("checkpoint".into()).spawn(move || run(&path, &asked, &mine));
        if let Err(error) = &thread {
            tracing::error!(%error, "no thread for checkpoints: the writer makes them all");
        }
        Checkpointer {
            ask: Mutex::new(Some(ask)),
            thread: Mutex::new(thread.ok()),
            copying,
            finish_from: Mutex::new(FINISH_FROM_PAGES),
        }
    }

    /// Between two batches: asks for a copy, or finishes what was copied, as the WAL has grown.
    pub(super) fn look(&self, writer: &Connection) -> Result<(), StoreError> {
        let wal = looked(writer)?;
        let mut finish_from = lock(&self.finish_from);
        if wal.pages < FINISH_FROM_PAGES {
            *finish_from = FINISH_FROM_PAGES;
        }
        if wal.pages >= *finish_from {
            let _copying = lock(&self.copying);
            *finish_from = wal.pages + COPY_FROM_PAGES;
            return passive(writer).map(drop);
        }
        match wal.left() {
            0 => Ok(()),
            left if wal.copied >= COPY_FROM_PAGES && left <= LITTLE_PAGES => self.finish(writer),
            // Each pass leaves less: what was written while it went on.
            left if wal.copied >= COPY_FROM_PAGES || left >= COPY_FROM_PAGES => self.ask(writer),
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

fn run(path: &Path, asked: &Receiver<()>, copying: &Mutex<()>) {
    let mut connection: Option<Connection> = None;
    while asked.recv().is_ok() {
        let opened = match connection.take() {
            Some(open) => Ok(open),
            None => connect(path, Role::Checkpointer),
        };
        let copied = opened.and_then(|open| {
            let _copying = lock(copying);
            passive(&open)?;
            flush(path);
            connection = Some(open);
            Ok(())
        });
        if let Err(error) = copied {
            // A full disk, say: the WAL stays as it is, nothing is lost.
            tracing::warn!(%error, "a checkpoint was not made");
        }
    }
}

/// Has the system write what was copied, so that the writer's own sync, at the end, finds little to do.
///
/// Of the whole file system: a second handle on the database would drop the process's locks on it when it is closed.
/// Nothing rests on this: what a checkpoint promises, its own sync does.
fn flush(path: &Path) {
    let folder = path.parent().unwrap_or(path);
    if let Err(error) = std::fs::File::open(folder).and_then(|folder| Ok(rustix::fs::syncfs(&folder)?)) {
        tracing::debug!(%error, "what was copied will be written with the next sync");
    }
}

/// How far a checkpoint is.
pub(super) struct Wal {
    pages: i64,
    copied: i64,
}

impl Wal {
    pub(super) fn left(&self) -> i64 {
        self.pages - self.copied
    }
}

/// Copies nothing.
fn looked(connection: &Connection) -> Result<Wal, StoreError> {
    ask(connection, "PRAGMA wal_checkpoint(NOOP)")
}

/// Copies what can be copied without waiting.
fn passive(connection: &Connection) -> Result<Wal, StoreError> {
    ask(connection, "PRAGMA wal_checkpoint(PASSIVE)")
}

/// Copies everything, waiting for readers as long as a writer is waited for.
pub(super) fn full(connection: &Connection) -> Result<Wal, StoreError> {
    ask(connection, "PRAGMA wal_checkpoint(FULL)")
}

fn ask(connection: &Connection, pragma: &str) -> Result<Wal, StoreError> {
    let mut statement = connection.prepare_cached(pragma)?;
    Ok(statement.query_row([], |row| Ok(Wal { pages: row.get(1)?, copied: row.get(2)? }))?)
}
