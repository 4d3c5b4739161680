//! Room kept for a full disk: a file that is given up so that what is there can be cleaned, and made again once there is
//! room. Pushes never use it up: while it is given up, their answer is that the disk is full.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use parkgate_ledger::quarantine::DiskRoom;
use parkgate_seal::disk::new_file;

use crate::StoreError;

/// In the data folder.
pub(crate) const FILE: &str = "reserve";
/// Enough for a checkpoint of a WAL of a small disk and for removing any number of rows, a page of each at a time.
const BYTES: u64 = 16 * 1024 * 1024;
/// Of a small disk no more than a sixth.
const SHARE: u64 = 6;
/// Less room than this is none.
pub(crate) const ROOM_BYTES_MIN: u64 = 1024 * 1024;

/// How full the disk is that a folder lies on; nothing where the system does not say.
#[must_use]
pub fn disk_room(folder: &Path) -> Option<DiskRoom> {
    let stat = rustix::fs::statvfs(folder).ok()?;
    let bytes = |blocks: u64| blocks.saturating_mul(stat.f_frsize);
    Some(DiskRoom { free_bytes: bytes(stat.f_bavail), total_bytes: bytes(stat.f_blocks) })
}

pub(crate) struct Reserve {
    folder: PathBuf,
    /// It was there: whoever took it away gave it up.
    was_there: AtomicBool,
}

impl Reserve {
    pub(crate) fn of(data: &Path) -> Reserve {
        let reserve = Reserve { folder: data.to_owned(), was_there: AtomicBool::new(false) };
        reserve.was_there.store(reserve.is_there(), Ordering::Relaxed);
        reserve
    }

    fn path(&self) -> PathBuf {
        self.folder.join(FILE)
    }

    fn is_there(&self) -> bool {
        self.path().exists()
    }

    /// Before anything that must be possible on a full disk: gives the file up if there is no room without it.
    pub(crate) fn make_room(&self) {
        let is_full = disk_room(&self.folder).is_some_and(|disk| disk.free_bytes < ROOM_BYTES_MIN);
        if is_full && self.is_there() {
            match std::fs::remove_file(self.path()) {
                Ok(()) => {
                    tracing::warn!(path = %self.path().display(), "the disk is full: its reserve is given up for cleaning")
                }
                Err(error) => {
                    tracing::warn!(%error, path = %self.path().display(), "the reserve could not be given up")
                }
            }
        }
    }

    /// May a push be written, which must leave the room of a reserve that was given up?
    pub(crate) fn refuse_if_full(&self) -> Result<(), StoreError> {
        let Some(disk) = disk_room(&self.folder) else { return Ok(()) };
        let bytes = bytes_on(disk.total_bytes);
        let is_full = disk.free_bytes < ROOM_BYTES_MIN
            || disk.free_bytes < bytes + ROOM_BYTES_MIN && self.was_there.load(Ordering::Relaxed) && !self.is_there();
        if is_full { Err(StoreError::Full(self.folder.display().to_string())) } else { Ok(()) }
    }

    /// Makes the file where so much stays free beside it; how many bytes are wanting of it. On a disk that fills up in that
    /// moment the file is taken away again.
    pub(crate) fn keep(&self, free_beside: u64) -> io::Result<u64> {
        if self.is_there() {
            self.was_there.store(true, Ordering::Relaxed);
            return Ok(0);
        }
        let Some(disk) = disk_room(&self.folder) else { return Ok(0) };
        let bytes = bytes_on(disk.total_bytes);
        if disk.free_bytes < bytes.saturating_add(free_beside).saturating_add(ROOM_BYTES_MIN) {
            return Ok(bytes);
        }
        let made = fill(&self.path(), bytes);
        if made.is_err() {
            drop(std::fs::remove_file(self.path()));
        }
        made?;
        self.was_there.store(true, Ordering::Relaxed);
        Ok(0)
    }
}

fn bytes_on(disk_bytes: u64) -> u64 {
    BYTES.min(disk_bytes / SHARE)
}

/// A file that takes its bytes on the disk, not one with a hole.
fn fill(path: &Path, bytes: u64) -> io::Result<()> {
    let file = new_file(path)?;
    match rustix::fs::fallocate(&file, rustix::fs::FallocateFlags::empty(), 0, bytes) {
        Ok(()) => Ok(()),
        Err(rustix::io::Errno::OPNOTSUPP | rustix::io::Errno::NOSYS) => {
            io::copy(&mut io::Read::take(io::repeat(0), bytes), &mut &file).map(drop)
        }
        Err(error) => Err(error.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_takes_its_bytes_once_and_is_not_made_where_too_little_stays_free() {
        let data = tempfile::tempdir().unwrap();
        let reserve = Reserve::of(data.path());
        assert_eq!(reserve.keep(u64::MAX).unwrap(), bytes_on(disk_room(data.path()).unwrap().total_bytes));
        reserve.refuse_if_full().unwrap();
        for _ in 0..2 {
            assert_eq!(reserve.keep(0).unwrap(), 0);
        }
        let file = std::fs::metadata(data.path().join(FILE)).unwrap();
        assert_eq!(file.len(), bytes_on(disk_room(data.path()).unwrap().total_bytes));
        assert!(std::os::unix::fs::MetadataExt::blocks(&file) * 512 >= file.len(), "it is no hole");
        reserve.make_room();
        assert!(reserve.is_there(), "there is room: it stays");
    }
}
