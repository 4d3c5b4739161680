//! Pictures in a folder of the local disk. The order of writing is the promise: file synced, renamed, folder synced.

use std::collections::HashSet;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::SystemTime;

use object_store::local::LocalFileSystem;

use super::{ImageError, ImageKey, lock};
use crate::key::sync_folder;

pub(super) struct Folder {
    folder: PathBuf,
    pub(super) objects: LocalFileSystem,
    /// Folders of pictures, by first byte, whose own names this process knows to be durable.
    durable_folders: Mutex<HashSet<u8>>,
}

impl Folder {
    pub(super) fn open(folder: &Path) -> Result<Folder, ImageError> {
        std::fs::create_dir_all(folder)?;
        make_durable(folder)?;
        let objects = LocalFileSystem::new_with_prefix(folder).map_err(|error| ImageError::Away(error.to_string()))?;
        Ok(Folder { folder: folder.to_owned(), objects, durable_folders: Mutex::default() })
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
            file.sync_all()?;
            std::fs::rename(aside, &path)?;
        }
        // Also where it was there: a push beside this one, or a process that ended, may have got no further than its name.
        sync_folder(folder)?;
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
        let made = match std::fs::create_dir(folder) {
            Ok(()) => true,
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => false,
            Err(error) => return Err(error.into()),
        };
        if made || !lock(&self.durable_folders).contains(&first) {
            sync_folder(&self.folder)?;
            lock(&self.durable_folders).insert(first);
        }
        Ok(folder)
    }
}

/// The name of the folder itself, which may be new. A parent that may not be read was not made by this process.
fn make_durable(folder: &Path) -> io::Result<()> {
    match std::path::absolute(folder)?.parent().map_or(Ok(()), sync_folder) {
        Err(error) if error.kind() != io::ErrorKind::PermissionDenied => Err(error),
        Ok(()) | Err(_) => Ok(()),
    }
}
