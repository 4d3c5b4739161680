//! Where a backup may go, and where its files are made before they are part of it.

use std::fs::{File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

use parkgate_seal::disk::{make_folder, open_file};

use super::BackupError;
use super::lock::LOCK;
use super::manifest::is_key;

/// In the folder named for it, if a backup goes to no folder: the copy of the database until it is sent.
const ASIDE: &str = "backup-aside";

/// Refuses a folder that lies within the gate's own state, or that holds something else than backups.
///
/// # Errors
/// [`BackupError::Inside`], [`BackupError::Foreign`], or it cannot be read.
pub fn refuse_unfit(folder: &Path, own: &[&Path]) -> Result<(), BackupError> {
    let name = folder.display().to_string();
    let place = real(folder).map_err(|error| BackupError::read(&name, &error))?;
    for own in own {
        let own = real(own).map_err(|error| BackupError::read(&own.display().to_string(), &error))?;
        if place.starts_with(&own) {
            return Err(BackupError::Inside(name));
        }
    }
    let entries = match std::fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        entries => entries.map_err(|error| BackupError::read(&name, &error))?,
    };
    let mut is_empty = true;
    for entry in entries {
        let entry = entry.map_err(|error| BackupError::read(&name, &error))?.file_name();
        if entry == LOCK {
            return Ok(());
        }
        // A disk of its own is not quite empty.
        is_empty &= entry == "lost+found";
    }
    if is_empty { Ok(()) } else { Err(BackupError::Foreign(name)) }
}

/// Without links, of what exists of it.
fn real(path: &Path) -> io::Result<PathBuf> {
    let path = std::path::absolute(path)?;
    let mut missing = Vec::new();
    let mut above = path.as_path();
    loop {
        match (std::fs::canonicalize(above), above.parent()) {
            (Ok(real), _) => return Ok(missing.iter().rev().fold(real, |path, name| path.join(name))),
            (Err(error), Some(parent)) if error.kind() == io::ErrorKind::NotFound => {
                missing.extend(above.file_name());
                above = parent;
            }
            (Err(error), _) => return Err(error),
        }
    }
}

/// The files of master keys in a data folder, by name.
pub(super) fn key_files(data: &Path) -> Result<Vec<(String, PathBuf)>, BackupError> {
    let failed = |error: io::Error| BackupError::read(&data.display().to_string(), &error);
    let mut found = Vec::new();
    for entry in std::fs::read_dir(data).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        if let Ok(name) = entry.file_name().into_string()
            && is_key(&name)
            && entry.file_type().map_err(failed)?.is_file()
        {
            found.push((name, entry.path()));
        }
    }
    found.sort();
    Ok(found)
}

/// Where files of a backup are made.
pub(super) struct WorkFolder {
    folder: PathBuf,
    /// If it is not the backup's own folder: gone at the end, and by the next backup if this one was killed.
    aside: Option<File>,
}

impl WorkFolder {
    /// The backup's own folder.
    pub(super) fn own(folder: PathBuf) -> WorkFolder {
        WorkFolder { folder, aside: None }
    }

    /// A folder in another one, for one backup at a time.
    pub(super) fn aside(within: &Path) -> Result<WorkFolder, BackupError> {
        let folder = within.join(ASIDE);
        let name = folder.display().to_string();
        let failed = |error: io::Error| BackupError::written(&name, &error);
        make_folder(within).map_err(failed)?;
        let lock = open_file(&folder.with_extension("lock")).map_err(failed)?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(BackupError::Busy(name)),
            Err(TryLockError::Error(error)) => return Err(failed(error)),
        }
        // What one left that was killed.
        match std::fs::remove_dir_all(&folder) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(failed(error)),
            Ok(()) | Err(_) => {}
        }
        make_folder(&folder).map_err(failed)?;
        Ok(WorkFolder { folder, aside: Some(lock) })
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// A copy of a file that is to be in the backup.
    pub(super) fn copy_of(&self, file: &Path, name: &str) -> Result<PathBuf, BackupError> {
        let bytes = std::fs::read(file).map_err(|error| BackupError::read(&file.display().to_string(), &error))?;
        let copy = self.path(name);
        let written = super::place::write_over(&copy, &bytes);
        written.map_err(|error| BackupError::written(&copy.display().to_string(), &error))?;
        Ok(copy)
    }
}

impl Drop for WorkFolder {
    fn drop(&mut self) {
        if self.aside.is_some() {
            let lock = self.folder.with_extension("lock");
            if let Err(error) = std::fs::remove_dir_all(&self.folder).and_then(|()| std::fs::remove_file(lock)) {
                tracing::warn!(%error, path = %self.folder.display(), "could not be removed: the next backup does it");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_backup_goes_neither_into_the_data_nor_among_other_files() {
        let top = tempfile::tempdir().unwrap();
        let data = top.path().join("data");
        std::fs::create_dir_all(data.join("images")).unwrap();
        let unfit = |folder: &Path| refuse_unfit(folder, &[&data, &data.join("images")]);
        for inside in [data.clone(), data.join("images"), data.join("a/b"), data.join("a/../b")] {
            assert!(matches!(unfit(&inside), Err(BackupError::Inside(_))), "{}", inside.display());
        }
        let link = top.path().join("link");
        std::os::unix::fs::symlink(&data, &link).unwrap();
        assert!(matches!(unfit(&link.join("backups")), Err(BackupError::Inside(_))));
        let (empty, other, used) = (top.path().join("empty"), top.path().join("other"), top.path().join("data2"));
        for folder in [&empty, &other, &used] {
            std::fs::create_dir(folder).unwrap();
        }
        std::fs::create_dir(empty.join("lost+found")).unwrap();
        std::fs::write(other.join("letter"), "").unwrap();
        std::fs::write(used.join(LOCK), "").unwrap();
        std::fs::write(used.join("letter"), "").unwrap();
        assert!(matches!(unfit(&other), Err(BackupError::Foreign(_))));
        for fit in [&empty, &used, &top.path().join("new/er")] {
            unfit(fit).unwrap();
        }
    }

    #[test]
    fn a_folder_aside_is_one_backups_and_goes_with_it() {
        let top = tempfile::tempdir().unwrap();
        let one = WorkFolder::aside(top.path()).unwrap();
        std::fs::write(one.path("x"), "").unwrap();
        assert!(matches!(WorkFolder::aside(top.path()), Err(BackupError::Busy(_))));
        drop(one);
        assert_eq!(std::fs::read_dir(top.path()).unwrap().count(), 0);
    }
}
