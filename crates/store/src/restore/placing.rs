//! Files and pictures of a backup put in their places, compared once more on the way.

use std::fs::File;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use bytes::Bytes;
use parkgate_seal::disk::{make_folder, make_one, open_file, sync_folder};
use sha2::{Digest, Sha256};
use tokio::runtime::Handle;

use crate::ImageKey;
use crate::backup::manifest::{PictureList, picture_path};
use crate::backup::place::sum_of;
use crate::backup::{BackupError, BackupFile, BackupPlace};
use crate::images::{ImageError, Images};
use crate::syncing::{Syncing, sync_file_system};
use crate::workers::at_once;

const THREADS: usize = 4;
const THREADS_OF_BUCKET: usize = 16;
/// Handed to a thread at once.
const GIVEN: usize = 64;
/// No picture has this ending: what is half written is none.
const ASIDE: &str = "restoring";

/// Where the pictures of a backup go.
#[derive(Debug, Clone)]
pub enum PicturesTo {
    /// Into a folder. Pictures that lie there already stay.
    Folder(PathBuf),
    /// Into a bucket, with the variables of its client.
    Bucket(String, Vec<(String, String)>),
}

/// Are the files of the backup needed where they lie?
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum MayMove {
    Yes,
    No,
}

pub(super) struct PlacedPictures<'a> {
    to: PicturePlace<'a>,
    handle: &'a Handle,
}

enum PicturePlace<'a> {
    Folder(&'a Path, Mutex<Vec<bool>>),
    Bucket(Images),
}

impl<'a> PlacedPictures<'a> {
    pub(super) fn open(to: &'a PicturesTo, data: &Path, handle: &'a Handle) -> Result<PlacedPictures<'a>, BackupError> {
        let to = match to {
            PicturesTo::Folder(folder) => {
                make_folder(folder).map_err(|error| BackupError::written(&folder.display().to_string(), &error))?;
                PicturePlace::Folder(folder, Mutex::new(vec![false; 256]))
            }
            PicturesTo::Bucket(url, variables) => {
                let images = Images::open_bucket(url, variables.clone(), &data.join("images"));
                PicturePlace::Bucket(images.map_err(|error| unplaced(url, &error))?)
            }
        };
        Ok(PlacedPictures { to, handle })
    }

    /// Puts all pictures of a list in place; where they are no longer needed where they lie they are moved.
    pub(super) fn put_all(
        &self,
        place: &BackupPlace,
        mut list: PictureList<Box<dyn Read + Send>>,
        may_move: MayMove,
        report: &mut dyn FnMut(u64),
    ) -> Result<(), BackupError> {
        let mut seen = 0;
        let next = || {
            let mut given = Vec::with_capacity(GIVEN);
            while given.len() < GIVEN
                && let Some(picture) = list.next()?
            {
                given.push(picture);
            }
            seen += given.len() as u64;
            report(seen);
            Ok(Some(given).filter(|given| !given.is_empty()))
        };
        match &self.to {
            PicturePlace::Folder(folder, made) => {
                let syncing = Syncing::of(folder);
                at_once(THREADS, next, |given: Vec<(ImageKey, u64)>| {
                    let put = |(key, size)| put_file(place, folder, made, &syncing, key, size, may_move);
                    given.into_iter().try_for_each(put)
                })?;
                sync_file_system(folder).map_err(|error| BackupError::written(&folder.display().to_string(), &error))
            }
            PicturePlace::Bucket(images) => at_once(THREADS_OF_BUCKET, next, |given: Vec<(ImageKey, u64)>| {
                for (key, _) in given {
                    let bytes = whole(place, &key)?;
                    let put = self.handle.block_on(put_object(images, bytes));
                    put.map_err(|error| unplaced(&key.to_string(), &error))?;
                }
                Ok(())
            }),
        }
    }
}

async fn put_object(images: &Images, bytes: Vec<u8>) -> Result<(), ImageError> {
    let mut incoming = images.incoming().await?;
    incoming.write(Bytes::from(bytes)).await?;
    incoming.finish().await?.store().await.map(drop)
}

fn unplaced(path: &str, error: &ImageError) -> BackupError {
    let (path, why) = (path.to_owned(), error.to_string());
    match error {
        ImageError::Full(_) => BackupError::Full { path, why },
        ImageError::Away(_) | ImageError::Unsynced(_) | ImageError::Missing(_) => BackupError::Write { path, why },
    }
}

/// A picture of a backup, which must be what its address says also now.
fn whole(place: &BackupPlace, key: &ImageKey) -> Result<Vec<u8>, BackupError> {
    let path = picture_path(key);
    let bytes = place.read(&path)?.filter(|bytes| Sha256::digest(bytes).as_slice() == key.0);
    bytes.ok_or_else(|| BackupError::Damaged { found: vec![place.path(&path)], all: 1 })
}

fn put_file(
    place: &BackupPlace,
    folder: &Path,
    made: &Mutex<Vec<bool>>,
    syncing: &Syncing<'_>,
    key: ImageKey,
    size: u64,
    may_move: MayMove,
) -> Result<(), BackupError> {
    let to = folder.join(key.to_string());
    let failed = |error: io::Error| BackupError::written(&to.display().to_string(), &error);
    make_once(folder, made, key).map_err(failed)?;
    if may_move == MayMove::Yes
        && let Some(own) = place.as_folder()
        && std::fs::rename(own.join(picture_path(&key)), &to).is_ok()
    {
        return Ok(());
    }
    // From one file system to another it is copied.
    if std::fs::metadata(&to).is_ok_and(|there| there.len() == size) {
        let there = File::open(&to).and_then(|mut file| sum_of(&mut file, &mut io::sink())).map_err(failed)?;
        if there == (size, hex::encode(key.0)) {
            return Ok(());
        }
    }
    let bytes = whole(place, &key)?;
    let aside = to.with_extension(ASIDE);
    let written = open_file(&aside).and_then(|mut file| {
        file.set_len(0)?;
        file.write_all(&bytes)?;
        syncing.written(&file, size)?;
        std::fs::rename(&aside, &to)
    });
    written.map_err(failed)
}

fn make_once(folder: &Path, made: &Mutex<Vec<bool>>, key: ImageKey) -> io::Result<()> {
    let [first, ..] = key.0;
    let mut made = made.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    if let Some(is_made) = made.get_mut(usize::from(first))
        && !std::mem::replace(is_made, true)
    {
        make_one(&folder.join(format!("{first:02x}")))?;
    }
    Ok(())
}

/// Copies a file of a backup to a name that is new, compared and durable.
pub(super) fn copy_file(place: &BackupPlace, backup: &str, file: &BackupFile, to: &Path) -> Result<(), BackupError> {
    let path = format!("{backup}/{}", file.name);
    let damaged = || BackupError::Damaged { found: vec![place.path(&path)], all: 1 };
    let mut from = place.open(&path)?.ok_or_else(damaged)?;
    let failed = |error: io::Error| BackupError::written(&to.display().to_string(), &error);
    let mut copy = open_file(to).map_err(failed)?;
    copy.set_len(0).map_err(failed)?;
    let (size, sha256) = sum_of(&mut from, &mut copy).map_err(failed)?;
    if (size, &sha256) != (file.size, &file.sha256) {
        return Err(damaged());
    }
    copy.sync_all().and_then(|()| sync_folder(to.parent().unwrap_or(to))).map_err(failed)
}
