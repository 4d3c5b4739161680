//! What a backup is written to: a place of backups, or a stream in the format of `tar`, which holds the same files.

use std::fs::File;
use std::io::{Read, Write};
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use super::BackupError;
use super::manifest::BackupFile;
use super::place::{BackupPlace, sum_of};
use crate::syncing::Syncing;

/// Where a backup goes.
pub enum BackupTarget<'a> {
    /// A folder or a bucket, which may hold others.
    Place(&'a BackupPlace),
    /// A stream: a backup by itself.
    Tar(TarStream<'a>),
}

/// A stream in the format of `tar`.
pub struct TarStream<'a> {
    builder: Mutex<tar::Builder<Box<dyn Write + Send + 'a>>>,
}

impl<'a> TarStream<'a> {
    /// To be written to `out`.
    #[must_use]
    pub fn new(out: Box<dyn Write + Send + 'a>) -> TarStream<'a> {
        TarStream { builder: Mutex::new(tar::Builder::new(out)) }
    }

    fn append(&self, path: &str, size: u64, bytes: impl Read) -> Result<(), BackupError> {
        let mut header = tar::Header::new_gnu();
        header.set_size(size);
        header.set_mode(0o600);
        let mut builder = self.builder.lock().unwrap_or_else(PoisonError::into_inner);
        let appended = builder.append_data(&mut header, path, bytes);
        appended.map_err(|error| BackupError::written(STREAM, &error))
    }

    fn end(&self) -> Result<(), BackupError> {
        let mut builder = self.builder.lock().unwrap_or_else(PoisonError::into_inner);
        let ended = builder.finish().and_then(|()| builder.get_mut().flush());
        ended.map_err(|error| BackupError::written(STREAM, &error))
    }
}

/// For people.
const STREAM: &str = "-";

impl BackupTarget<'_> {
    /// Writes a picture.
    pub(super) fn put_picture(
        &self,
        path: &str,
        bytes: &[u8],
        syncing: Option<&Syncing<'_>>,
    ) -> Result<(), BackupError> {
        match self {
            BackupTarget::Tar(stream) => stream.append(path, bytes.len() as u64, bytes),
            BackupTarget::Place(place) => {
                let (Some(folder), Some(syncing)) = (place.as_folder(), syncing) else {
                    return place.write(path, bytes);
                };
                let written = parkgate_seal::disk::open_file(&folder.join(path)).and_then(|mut file| {
                    file.set_len(0)?;
                    file.write_all(bytes)?;
                    syncing.written(&file, bytes.len() as u64)
                });
                written.map_err(|error| BackupError::written(&place.path(path), &error))
            }
        }
    }

    /// Makes a file of this machine one of the backup's: it is read whole for its sum, and copied unless it lies there
    /// already.
    pub(super) fn take(&self, file: &Path, backup: &str, name: &str) -> Result<BackupFile, BackupError> {
        let path = format!("{backup}/{name}");
        let unread = |error: std::io::Error| BackupError::read(&file.display().to_string(), &error);
        let (size, sha256) = match self {
            BackupTarget::Place(place) if place.as_folder().is_some_and(|folder| folder.join(&path) == file) => {
                let mut own = File::open(file).map_err(unread)?;
                let sum = sum_of(&mut own, &mut std::io::sink()).map_err(unread)?;
                own.sync_all().map_err(|error| BackupError::written(&place.path(&path), &error))?;
                crate::syncing::forget_pages(&own);
                sum
            }
            BackupTarget::Place(place) => place.bring(file, &path)?,
            BackupTarget::Tar(stream) => {
                let size = std::fs::metadata(file).map_err(unread)?.len();
                let mut reader = SummingReader { from: File::open(file).map_err(unread)?, sum: Default::default() };
                stream.append(&path, size, &mut reader)?;
                (size, hex::encode(sha2::Digest::finalize(reader.sum)))
            }
        };
        Ok(BackupFile { name: name.to_owned(), size, sha256 })
    }

    /// All is there: says so, durably.
    pub(super) fn finish(&self, path: &str, manifest: &[u8]) -> Result<(), BackupError> {
        match self {
            BackupTarget::Place(place) => {
                place.sync()?;
                place.write_whole(path, manifest)?;
                place.sync()
            }
            BackupTarget::Tar(stream) => {
                stream.append(path, manifest.len() as u64, manifest)?;
                stream.end()
            }
        }
    }
}

/// Sums what is read.
struct SummingReader {
    from: File,
    sum: sha2::Sha256,
}

impl Read for SummingReader {
    fn read(&mut self, out: &mut [u8]) -> std::io::Result<usize> {
        let read = self.from.read(out)?;
        sha2::Digest::update(&mut self.sum, out.get(..read).unwrap_or_default());
        Ok(read)
    }
}
