//! The disk of this machine that holds the store and pictures: below a floor of free bytes only good pushes are taken. The
//! disk of a database server or a bucket is not watched.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use parkgate_ledger::quarantine::DiskRoom;
use parkgate_store::{Images, Store, disk_room};
use tokio::sync::Notify;

use crate::hourly::Hourly;

/// How full the disk is.
pub struct Disk {
    /// Where records, the quarantine and pictures stay.
    kept: Vec<PathBuf>,
    /// Where pictures are written while they arrive.
    arriving: Option<PathBuf>,
    /// Bytes that are left to good pushes, if that is set.
    free_min: Option<u64>,
    last_logged: Mutex<Hourly>,
    /// Bytes that the store's reserve still lacks: so much less counts as free.
    wanting: AtomicU64,
    /// Bytes in the quarantine when it was looked at last.
    quarantined: AtomicU64,
    cleaned: Notify,
}

impl Disk {
    pub(crate) fn of(store: &Arc<Store>, images: &Images, free_min: Option<u64>) -> Disk {
        let folders = [store.disk(), images.folder()];
        let kept = folders.into_iter().flatten().map(ToOwned::to_owned).collect();
        Disk {
            kept,
            arriving: images.arriving_folder(),
            free_min,
            last_logged: Mutex::default(),
            wanting: AtomicU64::new(0),
            quarantined: AtomicU64::new(0),
            cleaned: Notify::new(),
        }
    }

    /// The room on the fullest disk that is in use.
    pub fn room(&self) -> Option<DiskRoom> {
        let rooms = self.kept.iter().filter_map(|folder| self.room_of(folder));
        rooms.min_by_key(|room| room.headroom(self.free_min))
    }

    fn room_of(&self, folder: &Path) -> Option<DiskRoom> {
        let wanting = self.wanting.load(Ordering::Relaxed);
        disk_room(folder).map(|room| DiskRoom { free_bytes: room.free_bytes.saturating_sub(wanting), ..room })
    }

    /// Is the disk so low that only pictures of good pushes may be received?
    pub fn is_low_for_arriving(&self) -> bool {
        let room = self.arriving.as_deref().and_then(|folder| self.room_of(folder));
        room.is_some_and(|room| room.is_low(self.free_min))
    }

    /// What is wrong, if anything is.
    pub fn problem(&self) -> Option<String> {
        let room = self.room().filter(|room| room.is_low(self.free_min))?;
        Some(format!("{} bytes are free, {} are left to good pushes", room.free_bytes, room.floor(self.free_min)))
    }

    /// Waits until something was taken out of the quarantine while the disk is low.
    pub async fn cleaned(&self) {
        self.cleaned.notified().await;
    }

    /// Logs a disk that is low, once an hour, and one that no longer is; keeps the store's reserve where there is
    /// room for it. Blocks.
    pub fn look_after(&self, store: &Store, quarantined: Option<u64>) {
        let before = quarantined.map_or(0, |bytes| self.quarantined.swap(bytes, Ordering::Relaxed));
        let Some(floor) = self.room().map(|room| room.floor(self.free_min)) else { return };
        match store.keep_reserve(floor) {
            Ok(wanting) => self.wanting.store(wanting, Ordering::Relaxed),
            Err(error) => tracing::debug!(%error, "no reserve could be kept on the disk"),
        }
        let Some(room) = self.room() else { return };
        let mut last_logged = self.last_logged.lock().unwrap_or_else(PoisonError::into_inner);
        if room.is_low(self.free_min) {
            if quarantined.is_some_and(|bytes| bytes < before) {
                self.cleaned.notify_one();
            }
            if last_logged.is_due(Instant::now()) {
                tracing::error!(
                    free_bytes = room.free_bytes,
                    disk_free_min = floor,
                    "the disk is nearly full: only good pushes are taken, refused ones are answered 503"
                );
            }
        } else if last_logged.end() {
            tracing::info!(free_bytes = room.free_bytes, "the disk has room again");
        }
    }
}
