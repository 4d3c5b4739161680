//! Brings the WAL into the main file, beside the writer.
//!
//! A passive checkpoint copies pages while batches go on, but under steady load never reaches the end, and the WAL is
//! only started anew once all of it is copied. So when it has grown, the writer is asked to copy the little that is left.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use rusqlite::Connection;

use super::{READER_CACHE_KIB, connect, lock};

/// Batches between two looks. Pages that many batches write again are so copied once.
const LOOK_EVERY: u32 = 256;
/// Pages in the WAL from which the writer is asked to finish: 64 MiB.
const RESET_FROM_PAGES: i64 = 8192;

pub(super) struct Checkpointer {
    batches: AtomicU32,
    wants_reset: Arc<AtomicBool>,
    ask: Mutex<Option<SyncSender<()>>>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl Checkpointer {
    pub(super) fn start(path: PathBuf) -> Checkpointer {
        let wants_reset = Arc::new(AtomicBool::new(false));
        let (ask, asked) = sync_channel(1);
        let flag = Arc::clone(&wants_reset);
        let thread = std::thread::Builder::new().name("checkpoint".into()).spawn(move || run(&path, &asked, &flag));
        let thread = match thread {
            Ok(thread) => Some(thread),
            Err(error) => {
                tracing::error!(%error, "no checkpoints: the WAL will grow until the next start");
                None
            }
        };
        Checkpointer {
            batches: AtomicU32::new(0),
            wants_reset,
            ask: Mutex::new(Some(ask)),
            thread: Mutex::new(thread),
        }
    }

    /// A batch was committed.
    pub(super) fn committed(&self) {
        if self.batches.fetch_add(1, Ordering::Relaxed) % LOOK_EVERY == LOOK_EVERY - 1
            && let Some(ask) = lock(&self.ask).as_ref()
            && ask.try_send(()).is_err()
        {
            tracing::trace!("a checkpoint is under way, or cannot be made");
        }
    }

    /// Should the writer finish the checkpoint now?
    pub(super) fn wants_reset(&self) -> bool {
        self.wants_reset.swap(false, Ordering::Relaxed)
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

fn run(path: &std::path::Path, asked: &Receiver<()>, wants_reset: &AtomicBool) {
    let mut connection: Option<Connection> = None;
    while asked.recv().is_ok() {
        let opened = match connection.take() {
            Some(open) => Ok(open),
            None => connect(path, READER_CACHE_KIB, false),
        };
        let copied = opened.and_then(|open| {
            let pages = checkpoint(&open)?;
            connection = Some(open);
            Ok(pages)
        });
        match copied {
            Ok(pages) if pages >= RESET_FROM_PAGES => wants_reset.store(true, Ordering::Relaxed),
            Ok(_) => {}
            // A full disk, say: the WAL stays as it is, nothing is lost.
            Err(error) => tracing::warn!(%error, "a checkpoint was not made"),
        }
    }
}

/// Copies what can be copied without waiting; how many pages the WAL holds.
pub(super) fn checkpoint(connection: &Connection) -> Result<i64, crate::StoreError> {
    Ok(connection.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |row| row.get(1))?)
}
