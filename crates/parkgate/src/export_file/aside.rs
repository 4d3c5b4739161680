//! A file that is written beside its place and put there once it is whole.

use std::fs::{File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use parkgate_seal::disk::{open_file, sync_folder};
use parkgate_text::texts;

/// A file under way: `NAME.part` until it is whole. Only its owner can read it: it holds what people drove where.
#[derive(Debug)]
pub(crate) struct Aside {
    target: PathBuf,
    part: PathBuf,
    file: File,
}

impl Aside {
    /// Begins a file in place of whatever is at `target`. `keep` leaves a part of an earlier run alone.
    ///
    /// # Errors
    /// It cannot be made, another process writes it, or the part of an earlier run is there.
    pub(crate) fn begin(target: &Path, keep: bool) -> anyhow::Result<Aside> {
        let name = target.file_name().with_context(|| target.display().to_string())?;
        let part = target.with_file_name(format!("{}.part", name.to_string_lossy()));
        if keep && part.exists() {
            bail!((texts().export.part_there)(&part.display().to_string()));
        }
        let file = open_file(&part).with_context(|| part.display().to_string())?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => bail!((texts().export.part_held)(&part.display().to_string())),
            Err(TryLockError::Error(error)) => return Err(error).with_context(|| part.display().to_string()),
        }
        file.set_len(0)?;
        Ok(Aside { target: target.to_owned(), part, file })
    }

    /// Where it is being written.
    pub(crate) fn path(&self) -> &Path {
        &self.part
    }

    /// To write to it.
    pub(crate) fn file(&self) -> io::Result<File> {
        self.file.try_clone()
    }

    /// It is whole: it stands at its place, durably.
    pub(crate) fn put(self) -> anyhow::Result<()> {
        // By its name: a library may have made the file anew.
        File::open(&self.part)?.sync_all()?;
        std::fs::rename(&self.part, &self.target).with_context(|| self.target.display().to_string())?;
        let folder = self.target.parent().filter(|folder| !folder.as_os_str().is_empty());
        Ok(sync_folder(folder.unwrap_or(Path::new(".")))?)
    }

    /// Takes it away: nothing of it is worth keeping.
    pub(crate) fn discard(self) {
        // If it stays, the next run begins it anew.
        drop(std::fs::remove_file(&self.part));
    }
}
