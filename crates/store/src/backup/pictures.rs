//! The pictures of a backup: those that are not in its place yet are read, compared with their address and written, several
//! at once.

use std::collections::HashMap;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use tokio::runtime::Handle;

use super::BackupError;
use super::manifest::{BackupPictures, PictureList, line, picture_path};
use super::names::{ListedPictures, NamedPictures, PresentPictures};
use super::place::{BackupPlace, PlaceKind};
use super::target::BackupTarget;
use crate::images::{Images, PictureFault};
use crate::syncing::Syncing;
use crate::throttle::Throttle;
use crate::workers::at_once;
use crate::{ImageKey, StoreError};

/// Handed to a thread at once.
const GIVEN: usize = 64;
/// Of a folder: while one waits for the disk another hashes.
const THREADS: usize = 4;
/// Of a bucket: most of the time they wait for it.
const THREADS_OF_BUCKET: usize = 16;

/// Why pictures are not in a backup that names them.
pub(super) type LeftOut = HashMap<ImageKey, PictureFault>;

/// From where, to where, and how fast.
pub(super) struct PictureCopies<'a, 't> {
    pub(super) from: &'a Images,
    pub(super) to: &'a BackupTarget<'t>,
    pub(super) handle: &'a Handle,
    pub(super) throttle: &'a Throttle,
}

/// What was copied, and what could not be.
#[derive(Default)]
pub(super) struct Copied {
    pub(super) count: u64,
    pub(super) bytes: u64,
    pub(super) faults: LeftOut,
}

/// A picture to be copied.
struct WantedPicture {
    key: ImageKey,
    size: u64,
    /// A file of its size is there that no whole backup names: it may be half written.
    is_doubtful: bool,
}

impl PictureCopies<'_, '_> {
    /// Copies what is not there. `listed` are those of the newest whole backup in the same place. `report` hears how many are
    /// done.
    pub(super) fn copy(
        &self,
        mut named: PictureList<File>,
        mut listed: ListedPictures,
        report: &mut dyn FnMut(u64),
    ) -> Result<Copied, BackupError> {
        let place = match self.to {
            BackupTarget::Place(place) => Some(*place),
            BackupTarget::Tar(_) => None,
        };
        let mut present = place.map(PresentPictures::of).transpose()?;
        let folders = place.map(PictureFolders::of);
        let syncing = place.and_then(BackupPlace::as_folder).map(Syncing::of);
        let mut seen = 0;
        let next = || {
            let mut wanted = Vec::with_capacity(GIVEN);
            while wanted.len() < GIVEN {
                let Some((key, size)) = named.next()? else { break };
                seen += 1;
                let found = present.as_mut().map_or(Ok(None), |present| present.size(&key))?;
                let is_there = found == Some(size);
                if !(listed.name(&key)? && is_there) {
                    wanted.push(WantedPicture { key, size, is_doubtful: is_there });
                }
                if seen % GIVEN as u64 == 0 {
                    report(seen);
                }
            }
            report(seen);
            Ok::<_, BackupError>(Some(wanted).filter(|wanted| !wanted.is_empty()))
        };
        let (count, bytes, faults) = (AtomicU64::new(0), AtomicU64::new(0), Mutex::new(LeftOut::new()));
        let work = |wanted: Vec<WantedPicture>| {
            let mut buffer = Vec::new();
            for picture in wanted {
                match self.copy_one(&picture, folders.as_ref(), syncing.as_ref(), &mut buffer)? {
                    CopyOutcome::Copied => {
                        count.fetch_add(1, Ordering::Relaxed);
                        bytes.fetch_add(buffer.len() as u64, Ordering::Relaxed);
                    }
                    CopyOutcome::WasThere => {}
                    CopyOutcome::Not(fault) => {
                        faults.lock().unwrap_or_else(PoisonError::into_inner).insert(picture.key, fault);
                    }
                }
            }
            Ok(())
        };
        let is_bucket = |place: &BackupPlace| matches!(place.kind, PlaceKind::Bucket { .. });
        let waits = self.from.folder().is_none() || place.is_some_and(is_bucket);
        at_once(if waits { THREADS_OF_BUCKET } else { THREADS }, next, work)?;
        let faults = faults.into_inner().unwrap_or_else(PoisonError::into_inner);
        Ok(Copied { count: count.into_inner(), bytes: bytes.into_inner(), faults })
    }

    fn copy_one(
        &self,
        picture: &WantedPicture,
        folders: Option<&PictureFolders<'_>>,
        syncing: Option<&Syncing<'_>>,
        buffer: &mut Vec<u8>,
    ) -> Result<CopyOutcome, BackupError> {
        let WantedPicture { key, size, is_doubtful } = picture;
        let path = picture_path(key);
        if *is_doubtful && self.is_whole(key, &path, *size)? {
            return Ok(CopyOutcome::WasThere);
        }
        self.throttle.take(*size);
        let read = self.from.read_now(self.handle, key, buffer);
        let fault = read.map_err(|error| BackupError::Read { path: key.to_string(), why: error.to_string() })?;
        if let Some(fault) = fault {
            return Ok(CopyOutcome::Not(fault));
        }
        if buffer.len() as u64 != *size {
            // Whole by its address; then it is the record that is wrong about it, and the list must say what is there.
            tracing::warn!(%key, size, found = buffer.len(), "a picture is of another size than its record says");
            return Ok(CopyOutcome::Not(PictureFault::Damaged));
        }
        if let Some(folders) = folders {
            folders.make(key)?;
        }
        self.to.put_picture(&path, buffer, syncing)?;
        Ok(CopyOutcome::Copied)
    }

    /// Is what is there of a picture all of it? Not asked of a bucket, where half an object is none: it is sent again.
    fn is_whole(&self, key: &ImageKey, path: &str, size: u64) -> Result<bool, BackupError> {
        match self.to {
            BackupTarget::Place(place) if place.as_folder().is_some() => {
                Ok(place.sum(path)?.is_some_and(|sum| sum == (size, hex::encode(key.0))))
            }
            BackupTarget::Place(_) | BackupTarget::Tar(_) => Ok(false),
        }
    }
}

enum CopyOutcome {
    Copied,
    WasThere,
    Not(PictureFault),
}

/// The folders of pictures, by first byte, each made once.
pub(super) struct PictureFolders<'a> {
    place: &'a BackupPlace,
    made: Mutex<[bool; 256]>,
}

impl<'a> PictureFolders<'a> {
    pub(super) fn of(place: &'a BackupPlace) -> PictureFolders<'a> {
        PictureFolders { place, made: Mutex::new([false; 256]) }
    }

    pub(super) fn make(&self, key: &ImageKey) -> Result<(), BackupError> {
        let [first, ..] = key.0;
        let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        let is_made = made.get_mut(usize::from(first));
        if is_made.as_deref() == Some(&false) {
            self.place.make("images")?;
            self.place.make(&format!("images/{first:02x}"))?;
        }
        if let Some(is_made) = is_made {
            *is_made = true;
        }
        Ok(())
    }
}

/// Writes the list of the pictures that a store names, as it names them now.
pub(super) fn write_named(path: &Path, mut named: NamedPictures<'_>) -> Result<BackupPictures, BackupError> {
    write_list(path, || Ok(named.next()?), &LeftOut::new())
}

/// Writes a list anew without some of its pictures.
pub(super) fn leave_out(path: &Path, left_out: &LeftOut) -> Result<BackupPictures, BackupError> {
    let mut all = open_list(path)?;
    let aside = path.with_extension("part");
    let found = write_list(&aside, || all.next(), left_out)?;
    std::fs::rename(&aside, path).map_err(|error| BackupError::written(&path.display().to_string(), &error))?;
    Ok(found)
}

pub(super) fn open_list(path: &Path) -> Result<PictureList<File>, BackupError> {
    let name = path.display().to_string();
    let file = File::open(path).map_err(|error| BackupError::read(&name, &error))?;
    Ok(PictureList::new(name, file))
}

fn write_list(
    path: &Path,
    mut next: impl FnMut() -> Result<Option<(ImageKey, u64)>, BackupError>,
    left_out: &LeftOut,
) -> Result<BackupPictures, BackupError> {
    let name = path.display().to_string();
    let failed = |error: std::io::Error| BackupError::written(&name, &error);
    let file = parkgate_seal::disk::open_file(path).map_err(failed)?;
    file.set_len(0).map_err(failed)?;
    let mut out = BufWriter::new(file);
    let mut all = BackupPictures::default();
    while let Some((key, size)) = next()? {
        if left_out.contains_key(&key) {
            continue;
        }
        out.write_all(line(&key, size).as_bytes()).map_err(failed)?;
        all.count += 1;
        all.bytes += size;
    }
    out.flush().map_err(failed)?;
    Ok(all)
}

/// Those that nothing keeps any more: let go while the backup was made.
pub(super) fn let_go(faults: &LeftOut, store: &crate::Store) -> Result<Vec<ImageKey>, StoreError> {
    const ASKED: usize = 1000;
    let missing = faults.iter().filter(|(_, fault)| **fault == PictureFault::Missing);
    let missing: Vec<ImageKey> = missing.map(|(key, _)| *key).collect();
    let mut gone = Vec::new();
    for asked in missing.chunks(ASKED) {
        let kept = store.keeps_images(asked)?;
        gone.extend(asked.iter().filter(|key| !kept.contains(key)));
    }
    Ok(gone)
}
