//! Older backups of a place: what of them goes, and what stays.

use std::io::Read;

use futures_util::TryStreamExt;
use object_store::path::Path as ObjectPath;

use super::BackupError;
use super::manifest::{MANIFEST, Manifest, PICTURES, PictureList, picture_path};
use super::names::ListedPictures;
use super::place::{BackupPlace, PlaceKind};
use crate::ImageKey;

/// A whole backup, by the name of its folder.
#[derive(Debug, Clone)]
pub struct WholeBackup {
    /// Its folder: a number that rises, and when it was begun.
    pub name: String,
    /// What it holds.
    pub manifest: Manifest,
}

/// The number of a backup, of the name of its folder; none of another folder.
pub(super) fn number_of(name: &str) -> Option<u64> {
    let (number, _) = name.split_once('-')?;
    if number.len() >= NUMBER_DIGITS && number.bytes().all(|digit| digit.is_ascii_digit()) {
        number.parse().ok()
    } else {
        None
    }
}

pub(super) const NUMBER_DIGITS: usize = 6;

impl BackupPlace {
    /// All whole backups in it, the oldest first.
    ///
    /// # Errors
    /// It cannot be read, or a manifest in it is none.
    pub fn backups(&self) -> Result<Vec<WholeBackup>, BackupError> {
        let mut found = Vec::new();
        for name in self.folders()? {
            if number_of(&name).is_none() {
                continue;
            }
            let path = format!("{name}/{MANIFEST}");
            if let Some(bytes) = self.read(&path)? {
                let manifest = Manifest::parse(&self.path(&path), &bytes)?;
                found.push(WholeBackup { name, manifest });
            }
        }
        found.sort_by_key(|backup| number_of(&backup.name));
        Ok(found)
    }

    /// Removes folders of backups without a manifest: of some that were killed, or were being removed. The highest number that
    /// was ever used here.
    pub(super) fn remove_unfinished(&self, whole: &[WholeBackup]) -> Result<u64, BackupError> {
        let mut highest = 0;
        for name in self.folders()? {
            let Some(number) = number_of(&name) else { continue };
            highest = highest.max(number);
            if !whole.iter().any(|backup| backup.name == name) {
                self.remove_folder(&name)?;
            }
        }
        Ok(highest)
    }

    /// The list of pictures of a backup, proved to be the one that its manifest means.
    pub(crate) fn list_of(&self, backup: &WholeBackup) -> Result<PictureList<Box<dyn Read + Send>>, BackupError> {
        let path = format!("{}/{PICTURES}", backup.name);
        let damaged = || BackupError::Damaged { found: vec![self.path(&path)], all: 1 };
        let file = backup.manifest.file(PICTURES).ok_or_else(damaged)?;
        if !self.has(&backup.name, file)? {
            return Err(damaged());
        }
        Ok(PictureList::new(self.path(&path), self.open(&path)?.ok_or_else(damaged)?))
    }

    /// Removes older backups but for the newest `keep`, and the pictures that none of these names; how many backups, and how
    /// many pictures.
    pub(super) fn prune(&self, whole: &[WholeBackup], keep: usize) -> Result<(u64, u64), BackupError> {
        let (old, kept) = whole.split_at(whole.len().saturating_sub(keep.max(1)));
        // Proved before anything is removed: a list that lacks a line would cost pictures.
        let lists = kept.iter().map(|backup| self.list_of(backup)).collect::<Result<Vec<_>, _>>()?;
        let mut named = ListedPictures::new(lists)?;
        for backup in old {
            // First: without it the rest is no backup any more.
            self.remove(&format!("{}/{MANIFEST}", backup.name))?;
            self.remove_folder(&backup.name)?;
        }
        let removed = self.remove_unnamed(&mut named)?;
        Ok((old.len() as u64, removed))
    }

    fn remove_unnamed(&self, named: &mut ListedPictures) -> Result<u64, BackupError> {
        let (mut removed, mut last) = (0, None);
        let mut look = |key: ImageKey| {
            if last.is_some_and(|last: ImageKey| last.0 >= key.0) {
                let why = "pictures are listed out of order".to_owned();
                return Err(BackupError::Read { path: self.path("images"), why });
            }
            last = Some(key);
            if !named.name(&key)? {
                self.remove(&picture_path(&key))?;
                removed += 1;
            }
            Ok(())
        };
        match &self.kind {
            PlaceKind::Folder(folder) => {
                for first in 0..=u8::MAX {
                    for key in keys_in(&folder.join(format!("images/{first:02x}")), first)? {
                        look(key)?;
                    }
                }
            }
            PlaceKind::Bucket { objects, handle } => {
                let mut listed = objects.list(Some(&ObjectPath::from("images")));
                while let Some(object) = handle.block_on(listed.try_next()).map_err(|e| self.unread("images", &e))? {
                    let key = object.location.as_ref().strip_prefix("images/").and_then(ImageKey::parse);
                    key.map_or(Ok(()), &mut look)?;
                }
            }
        }
        Ok(removed)
    }
}

/// The pictures in the folder of a first byte, in order.
fn keys_in(folder: &std::path::Path, first: u8) -> Result<Vec<ImageKey>, BackupError> {
    let failed = |error: std::io::Error| BackupError::read(&folder.display().to_string(), &error);
    let entries = match std::fs::read_dir(folder) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.map_err(failed)?,
    };
    let mut keys = Vec::new();
    for entry in entries {
        let name = entry.map_err(failed)?.file_name();
        keys.extend(ImageKey::parse(&format!("{first:02x}/{}", name.to_string_lossy())));
    }
    keys.sort_unstable_by_key(|key| key.0);
    Ok(keys)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_of_backups_are_known_by_their_names() {
        for (name, number) in [
            ("000001-20261125T104530Z", Some(1)),
            ("1234567-x", Some(1_234_567)),
            ("00001-x", None),
            ("000001", None),
            ("images", None),
            ("+00001-x", None),
        ] {
            assert_eq!(number_of(name), number, "{name}");
        }
    }
}
