//! Pictures in a folder of the local disk. The order of writing is the promise: file synced, renamed, folder synced.

use std::collections::HashSet;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::SystemTime;

use object_store::local::LocalFileSystem;

use super::{ImageError, ImageKey, lock};
use parkgate_seal::disk::{keep_from_others, make_folder, make_one};

pub(super) struct Folder {
    folder: PathBuf,
    pub(super) objects: LocalFileSystem,
    /// Folders of pictures, by first byte, whose own names this process knows to be durable.
    durable_folders: Mutex<HashSet<u8>>,
}

impl Folder {
    pub(super) fn open(folder: &Path) -> Result<Folder, ImageError> {
        make_folder(folder)?;
        keep_from_others(folder, &["incoming"]);
        let objects = LocalFileSystem::new_with_prefix(folder).map_err(|error| ImageError::Away(error.to_string()))?;
        Ok(Folder { folder: folder.to_owned(), objects, durable_folders: Mutex::default() })
    }

    pub(super) fn path(&self) -> &Path {
        &self.folder
    }

    /// Moves a picture from aside to its place; false if it was there already. Blocks.
    pub(super) fn put(&self, aside: &Path, file: &File, key: &ImageKey, size: u64) -> Result<bool, ImageError> {
        let path = self.folder.join(key.to_string());
        let folder = self.durable_folder(key, &path)?;
        let is_there = std::fs::metadata(&path).is_ok_and(|there| there.len() == size);
        if is_there {
            // Its bytes were synced before it got its name; young again, so that a sweep in another process leaves it.
            File::open(&path)?.set_modified(SystemTime::now())?;
        } else {
            file.sync_all().map_err(of_file)?;
            std::fs::rename(aside, &path)?;
        }
        // Also where it was there: a push beside this one, or a process that ended, may have got no further than its name.
        synced(folder)?;
        Ok(!is_there)
    }

    /// Removes a picture unless it was put anew; false then, or if another process was first. Blocks.
    pub(super) fn remove(&self, key: &ImageKey, before: SystemTime) -> Result<bool, ImageError> {
        let path = self.folder.join(key.to_string());
        let is_old = |file: std::fs::Metadata| Ok(file.modified()? < before);
        match std::fs::metadata(&path).and_then(is_old) {
            Ok(false) => return Ok(false),
            Ok(true) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
            Err(error) => return Err(error.into()),
        }
        match std::fs::remove_file(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            removed => Ok(removed.map(|()| true)?),
        }
    }

    /// The folder of a picture, there to stay. One that is there already may not be durable yet: it is not enough to
    /// sync where this push made it.
    fn durable_folder<'a>(&self, key: &ImageKey, picture: &'a Path) -> Result<&'a Path, ImageError> {
        let folder = picture.parent().unwrap_or(picture);
        let [first, ..] = key.0;
        let made = make_one(folder)?;
        if made || !lock(&self.durable_folders).contains(&first) {
            synced(&self.folder)?;
            lock(&self.durable_folders).insert(first);
        }
        Ok(folder)
    }
}

/// The names in a folder, made durable. One that cannot be opened, for want of descriptors say, is no failed sync.
fn synced(folder: &Path) -> Result<(), ImageError> {
    #[cfg(unix)]
    File::open(folder)?.sync_all().map_err(|error| ImageError::Unsynced(error.to_string()))?;
    Ok(())
}

/// A disk without room may say so at the sync only, and then it is this file alone that is not kept.
fn of_file(error: io::Error) -> ImageError {
    match ImageError::from(error) {
        full @ ImageError::Full(_) => full,
        error => ImageError::Unsynced(error.to_string()),
    }
}
