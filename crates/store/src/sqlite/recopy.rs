//! Writes and syncs once more all that stands in the WAL, before a gate serves.
//!
//! After a failed sync the system may have let go of pages it was asked to write, and call them clean: it reads them back
//! for a while, and the next sync has nothing to say of them. SQLite counts a page as copied once it is written, not once
//! it is synced, and that count outlives the process that failed if another one has the database open. So a gate that
//! starts believes neither. It writes the WAL over with its own bytes and syncs it; then every frame in it is durable. It
//! copies the pages that are counted as copied from their frames again and syncs them. What is not counted, SQLite copies.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use rusqlite::{Connection, TransactionBehavior};

use super::checkpoint::{Wal, looked, passive};
use super::{ConnectionRole, connect};
use crate::StoreError;
use parkgate_seal::disk::sync_folder;

/// The format of the WAL: <https://sqlite.org/fileformat2.html#the_write_ahead_log>.
const HEADER_BYTES: u64 = 32;
const FRAME_HEADER_BYTES: u64 = 24;
/// Read and written over at once.
const PIECE_BYTES: usize = 1024 * 1024;

/// The caller alone copies pages of this database: no other gate has the folder.
pub(super) fn write_anew(path: &Path, writer: &mut Connection) -> Result<(), StoreError> {
    // Another connection looks: within a transaction SQLite reports nothing about the WAL.
    let other = connect(path, ConnectionRole::Checkpointer)?;
    {
        // While this is open nobody else adds to the WAL or begins it anew.
        let _alone = writer.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let wal = looked(&other)?;
        if wal.frames() > 0 {
            let mut log = Log::open(path)?;
            log.write_over(wal.frames())?;
            copy_counted(path, &mut log, &other, &wal)?;
        }
        // The files' own names: SQLite does not mind if that fails.
        sync_folder(path.parent().unwrap_or(path)).map_err(|error| unsynced(path, &error))?;
    }
    match passive(&other) {
        // A full disk, say: all of it is durable in the WAL, and copied later.
        Err(error @ StoreError::Full(_)) => tracing::warn!(%error, "the WAL was not copied yet"),
        Err(error) => return Err(error),
        Ok(_) => {}
    }
    Ok(())
}

/// Copies from their frames the pages that are counted as copied.
fn copy_counted(path: &Path, log: &mut Log, other: &Connection, wal: &Wal) -> Result<(), StoreError> {
    if wal.copied() == 0 {
        return Ok(());
    }
    tracing::info!(frames = wal.copied(), "copied before, and copied once more: another process has the database open");
    let failed = |error: io::Error| read_or_written(path, &error);
    let mut main = OpenOptions::new().write(true).open(path).map_err(failed)?;
    let (pages, newest) = log.newest(wal.copied())?;
    for (page, frame) in newest {
        // What was cut off since is not there to be written.
        if page <= pages {
            let bytes = log.page(frame)?;
            main.seek(SeekFrom::Start(u64::from(page - 1) * log.page_bytes)).map_err(failed)?;
            main.write_all(&bytes).map_err(failed)?;
        }
    }
    main.sync_all().map_err(|error| unsynced(path, &error))?;
    // Never closed: that would drop all locks of this process on the database. One descriptor, and seldom.
    std::mem::forget(main);
    if looked(other)?.copied() != wal.copied() {
        return Err(StoreError::Busy("another process copies pages of the database".into()));
    }
    Ok(())
}

struct Log {
    path: PathBuf,
    file: File,
    page_bytes: u64,
}

impl Log {
    fn open(database: &Path) -> Result<Log, StoreError> {
        let mut path = database.as_os_str().to_owned();
        path.push("-wal");
        let path = PathBuf::from(path);
        let opened = OpenOptions::new().read(true).write(true).open(&path);
        let mut file = opened.map_err(|error| read_or_written(&path, &error))?;
        let mut header = [0; HEADER_BYTES as usize];
        file.read_exact(&mut header).map_err(|error| read_or_written(&path, &error))?;
        let page_bytes = u64::from(number(&header, 8));
        if !page_bytes.is_power_of_two() {
            return Err(StoreError::Broken(format!("{}: pages of {page_bytes} bytes", path.display())));
        }
        Ok(Log { path, file, page_bytes })
    }

    fn frame_bytes(&self) -> u64 {
        FRAME_HEADER_BYTES + self.page_bytes
    }

    /// Writes the first frames over with what they are, and syncs them.
    fn write_over(&mut self, frames: u64) -> Result<(), StoreError> {
        let bytes = HEADER_BYTES + frames * self.frame_bytes();
        write_over(&mut self.file, bytes).map_err(|error| read_or_written(&self.path, &error))?;
        self.file.sync_all().map_err(|error| unsynced(&self.path, &error))
    }

    /// How many pages the database has after so many frames, and of each page among them the newest frame, counted from 0.
    fn newest(&mut self, frames: u64) -> Result<(u32, BTreeMap<u32, u64>), StoreError> {
        let (mut pages, mut newest) = (0, BTreeMap::new());
        for frame in 0..frames {
            let header: [u8; FRAME_HEADER_BYTES as usize] = self.read(HEADER_BYTES + frame * self.frame_bytes())?;
            newest.insert(number(&header, 0), frame);
            // Of the last frame of a commit only; copies end with one.
            pages = number(&header, 4);
        }
        match newest.first_key_value() {
            Some((0, _)) => Err(StoreError::Broken(format!("{}: a frame of no page", self.path.display()))),
            Some(_) | None => Ok((pages, newest)),
        }
    }

    fn page(&mut self, frame: u64) -> Result<Vec<u8>, StoreError> {
        let at = HEADER_BYTES + frame * self.frame_bytes() + FRAME_HEADER_BYTES;
        let mut bytes = vec![0; usize::try_from(self.page_bytes).unwrap_or_default()];
        let read = self.file.seek(SeekFrom::Start(at)).and_then(|_| self.file.read_exact(&mut bytes));
        read.map(|()| bytes).map_err(|error| read_or_written(&self.path, &error))
    }

    fn read<const N: usize>(&mut self, at: u64) -> Result<[u8; N], StoreError> {
        let mut bytes = [0; N];
        let read = self.file.seek(SeekFrom::Start(at)).and_then(|_| self.file.read_exact(&mut bytes));
        read.map(|()| bytes).map_err(|error| read_or_written(&self.path, &error))
    }
}

fn write_over(file: &mut File, bytes: u64) -> io::Result<()> {
    let mut piece = vec![0; PIECE_BYTES];
    let mut at = 0;
    while at < bytes {
        let wanted = usize::try_from(bytes - at).unwrap_or(usize::MAX).min(PIECE_BYTES);
        let piece = piece.get_mut(..wanted).unwrap_or_default();
        file.seek(SeekFrom::Start(at))?;
        file.read_exact(piece)?;
        file.seek(SeekFrom::Start(at))?;
        file.write_all(piece)?;
        at += wanted as u64;
    }
    Ok(())
}

/// Numbers in a WAL have their highest byte first.
fn number(bytes: &[u8], at: usize) -> u32 {
    bytes.iter().skip(at).take(4).fold(0, |number, byte| number << 8 | u32::from(*byte))
}

fn read_or_written(path: &Path, error: &io::Error) -> StoreError {
    let text = format!("{}: {error}", path.display());
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => StoreError::Full(text),
        _ => StoreError::Away(text),
    }
}

fn unsynced(path: &Path, error: &io::Error) -> StoreError {
    StoreError::Unsynced(format!("{}: {error}", path.display()))
}
