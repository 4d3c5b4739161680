//! Where backups lie: a folder, or a bucket of an S3-compatible server.
//!
//! In a folder each file is its owner's alone. Nothing here is durable before [`BackupPlace::sync`] says so; in a bucket an
//! object is durable once it is there.

use std::fs::File;
use std::io::{self, ErrorKind, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use futures_util::{StreamExt, TryStreamExt};
use object_store::path::Path as ObjectPath;
use object_store::{ObjectStore, ObjectStoreExt, WriteMultipart};
use parkgate_seal::disk::{make_folder, make_one, open_file, sync_folder};
use sha2::{Digest, Sha256};
use tokio::runtime::Handle;

use super::BackupError;
use super::lock::PlaceLock;
use super::manifest::BackupFile;
use crate::images;

/// Read and written at once.
pub(crate) const PIECE_BYTES: usize = 1 << 20;
/// Of an object: one request each, which must end within the client's time limit.
const OBJECT_PIECE_BYTES: u64 = 8 << 20;
/// Parts of one object on their way at once.
const PARTS_AT_ONCE: usize = 4;

/// A folder or a bucket that holds backups, or will.
pub struct BackupPlace {
    pub(crate) name: String,
    pub(crate) kind: PlaceKind,
}

pub(crate) enum PlaceKind {
    Folder(PathBuf),
    Bucket { objects: Arc<dyn ObjectStore>, handle: Handle },
}

impl BackupPlace {
    /// A folder, which need not be there yet.
    #[must_use]
    pub fn folder(folder: &Path) -> BackupPlace {
        BackupPlace { name: folder.display().to_string(), kind: PlaceKind::Folder(folder.to_owned()) }
    }

    /// A bucket, `s3://BUCKET/PREFIX`, with the usual variables. `handle` is of a runtime that goes on while this is used; no
    /// thread of it may call this, since every call blocks.
    ///
    /// # Errors
    /// The URL or the variables are wrong.
    pub fn bucket(
        url: &str,
        variables: impl IntoIterator<Item = (String, String)>,
        handle: Handle,
    ) -> Result<BackupPlace, BackupError> {
        let objects = images::open_objects(url, variables);
        let objects = objects.map_err(|error| BackupError::Read { path: url.to_owned(), why: error.to_string() })?;
        Ok(BackupPlace { name: url.to_owned(), kind: PlaceKind::Bucket { objects: objects.into(), handle } })
    }

    /// The folder that it is, if it is one.
    #[must_use]
    pub fn as_folder(&self) -> Option<&Path> {
        match &self.kind {
            PlaceKind::Folder(folder) => Some(folder),
            PlaceKind::Bucket { .. } => None,
        }
    }

    /// For people: the place, and a path in it.
    pub(crate) fn path(&self, path: &str) -> String {
        format!("{}/{path}", self.name.trim_end_matches('/'))
    }

    /// Makes it, if it is a folder that is not there, and takes it for one backup; released when dropped.
    pub(super) fn lock(&self) -> Result<PlaceLock, BackupError> {
        match &self.kind {
            PlaceKind::Folder(folder) => {
                make_folder(folder).map_err(|error| BackupError::written(&self.name, &error))?;
                PlaceLock::of_folder(folder)
            }
            PlaceKind::Bucket { objects, handle } => PlaceLock::of_bucket(&self.name, objects, handle),
        }
    }

    /// The folders directly below it, in order.
    pub(super) fn folders(&self) -> Result<Vec<String>, BackupError> {
        let mut names: Vec<String> = match &self.kind {
            PlaceKind::Folder(folder) => {
                let failed = |error: io::Error| BackupError::read(&self.name, &error);
                let mut names = Vec::new();
                let entries = match std::fs::read_dir(folder) {
                    Err(error) if error.kind() == ErrorKind::NotFound => return Ok(names),
                    entries => entries.map_err(failed)?,
                };
                for entry in entries {
                    let entry = entry.map_err(failed)?;
                    if entry.file_type().map_err(failed)?.is_dir() {
                        names.extend(entry.file_name().into_string());
                    }
                }
                names
            }
            PlaceKind::Bucket { objects, handle } => {
                let listed = handle.block_on(objects.list_with_delimiter(None));
                let listed = listed.map_err(|error| self.unread("", &error))?;
                listed.common_prefixes.iter().filter_map(|prefix| Some(prefix.filename()?.to_owned())).collect()
            }
        };
        names.sort();
        Ok(names)
    }

    /// The size of a file; none if it is not there.
    pub(crate) fn size(&self, path: &str) -> Result<Option<u64>, BackupError> {
        match &self.kind {
            PlaceKind::Folder(folder) => match std::fs::metadata(folder.join(path)) {
                Ok(about) => Ok(Some(about.len())),
                Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
                Err(error) => Err(BackupError::read(&self.path(path), &error)),
            },
            PlaceKind::Bucket { objects, handle } => match handle.block_on(objects.head(&ObjectPath::from(path))) {
                Ok(found) => Ok(Some(found.size)),
                Err(object_store::Error::NotFound { .. }) => Ok(None),
                Err(error) => Err(self.unread(path, &error)),
            },
        }
    }

    /// A file from its beginning; none if it is not there.
    pub(crate) fn open(&self, path: &str) -> Result<Option<Box<dyn Read + Send>>, BackupError> {
        match &self.kind {
            PlaceKind::Folder(folder) => match File::open(folder.join(path)) {
                Ok(file) => Ok(Some(Box::new(file))),
                Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
                Err(error) => Err(BackupError::read(&self.path(path), &error)),
            },
            PlaceKind::Bucket { objects, handle } => {
                let Some(size) = self.size(path)? else { return Ok(None) };
                let (objects, handle, path) = (Arc::clone(objects), handle.clone(), ObjectPath::from(path));
                Ok(Some(Box::new(ObjectReader { objects, handle, path, at: 0, size, piece: Bytes::new() })))
            }
        }
    }

    /// A small file, whole; none if it is not there.
    pub(crate) fn read(&self, path: &str) -> Result<Option<Vec<u8>>, BackupError> {
        match &self.kind {
            PlaceKind::Folder(folder) => match std::fs::read(folder.join(path)) {
                Ok(bytes) => Ok(Some(bytes)),
                Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
                Err(error) => Err(BackupError::read(&self.path(path), &error)),
            },
            PlaceKind::Bucket { objects, handle } => {
                let got = handle.block_on(async { objects.get(&ObjectPath::from(path)).await?.bytes().await });
                match got {
                    Ok(bytes) => Ok(Some(bytes.into())),
                    Err(object_store::Error::NotFound { .. }) => Ok(None),
                    Err(error) => Err(self.unread(path, &error)),
                }
            }
        }
    }

    /// Size and SHA-256 of a file, read whole; none if it is not there.
    pub(crate) fn sum(&self, path: &str) -> Result<Option<(u64, String)>, BackupError> {
        let Some(mut reader) = self.open(path)? else { return Ok(None) };
        let summed = sum_of(&mut reader, &mut io::sink());
        summed.map(Some).map_err(|error| BackupError::read(&self.path(path), &error))
    }

    /// Is this file of a manifest there, as the manifest has it?
    pub(crate) fn has(&self, folder: &str, file: &BackupFile) -> Result<bool, BackupError> {
        let found = self.sum(&format!("{folder}/{}", file.name))?;
        Ok(found.is_some_and(|(size, sha256)| size == file.size && sha256 == file.sha256))
    }

    /// Makes a folder, where this is one.
    pub(super) fn make(&self, path: &str) -> Result<(), BackupError> {
        match &self.kind {
            PlaceKind::Folder(folder) => {
                let made = make_one(&folder.join(path));
                made.map(drop).map_err(|error| BackupError::written(&self.path(path), &error))
            }
            PlaceKind::Bucket { .. } => Ok(()),
        }
    }

    /// Writes a small file; its folder must be there. Where a file is there it is written over.
    pub(super) fn write(&self, path: &str, bytes: &[u8]) -> Result<(), BackupError> {
        match &self.kind {
            PlaceKind::Folder(folder) => {
                let written = write_over(&folder.join(path), bytes);
                written.map_err(|error| BackupError::written(&self.path(path), &error))
            }
            PlaceKind::Bucket { objects, handle } => {
                let put = handle.block_on(objects.put(&ObjectPath::from(path), bytes.to_vec().into()));
                put.map(drop).map_err(|error| self.unwritten(path, &error))
            }
        }
    }

    /// Writes a small file so that it is there whole or not at all.
    pub(super) fn write_whole(&self, path: &str, bytes: &[u8]) -> Result<(), BackupError> {
        let PlaceKind::Folder(folder) = &self.kind else { return self.write(path, bytes) };
        let (aside, place) = (folder.join(format!("{path}.part")), folder.join(path));
        let written = write_over(&aside, bytes)
            .and_then(|()| File::open(&aside)?.sync_all())
            .and_then(|()| std::fs::rename(&aside, &place))
            .and_then(|()| sync_folder(place.parent().unwrap_or(folder)));
        written.map_err(|error| BackupError::written(&self.path(path), &error))
    }

    /// Copies a file of this machine here; its size and SHA-256, of the bytes that were copied.
    pub(super) fn bring(&self, from: &Path, path: &str) -> Result<(u64, String), BackupError> {
        let mut file = File::open(from).map_err(|error| BackupError::read(&from.display().to_string(), &error))?;
        match &self.kind {
            PlaceKind::Folder(folder) => {
                let copied = open_file(&folder.join(path)).and_then(|mut to| {
                    to.set_len(0)?;
                    sum_of(&mut file, &mut to)
                });
                copied.map_err(|error| BackupError::written(&self.path(path), &error))
            }
            PlaceKind::Bucket { objects, handle } => {
                handle.block_on(upload(objects.as_ref(), &mut file, path)).map_err(|why| self.unwritten(path, &why))
            }
        }
    }

    /// Removes a file; one that is not there is removed already.
    pub(super) fn remove(&self, path: &str) -> Result<(), BackupError> {
        match &self.kind {
            PlaceKind::Folder(folder) => match std::fs::remove_file(folder.join(path)) {
                Err(error) if error.kind() != ErrorKind::NotFound => {
                    Err(BackupError::written(&self.path(path), &error))
                }
                Ok(()) | Err(_) => Ok(()),
            },
            PlaceKind::Bucket { objects, handle } => match handle.block_on(objects.delete(&ObjectPath::from(path))) {
                Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(()),
                Err(error) => Err(self.unwritten(path, &error)),
            },
        }
    }

    /// Removes a folder with all that is in it.
    pub(super) fn remove_folder(&self, path: &str) -> Result<(), BackupError> {
        match &self.kind {
            PlaceKind::Folder(folder) => match std::fs::remove_dir_all(folder.join(path)) {
                Err(error) if error.kind() != ErrorKind::NotFound => {
                    Err(BackupError::written(&self.path(path), &error))
                }
                Ok(()) | Err(_) => Ok(()),
            },
            PlaceKind::Bucket { objects, handle } => {
                let removed = handle.block_on(async {
                    let listed = objects.list(Some(&ObjectPath::from(path))).map_ok(|object| object.location).boxed();
                    objects.delete_stream(listed).try_for_each(|_| std::future::ready(Ok(()))).await
                });
                removed.map_err(|error| self.unwritten(path, &error))
            }
        }
    }

    /// Makes all that was written here durable.
    pub(super) fn sync(&self) -> Result<(), BackupError> {
        match &self.kind {
            PlaceKind::Folder(folder) => {
                let synced = crate::syncing::sync_file_system(folder);
                synced.map_err(|error| BackupError::written(&self.name, &error))
            }
            PlaceKind::Bucket { .. } => Ok(()),
        }
    }

    pub(super) fn unread(&self, path: &str, error: &dyn std::error::Error) -> BackupError {
        BackupError::Read { path: self.path(path), why: error.to_string() }
    }

    fn unwritten(&self, path: &str, error: &dyn std::error::Error) -> BackupError {
        BackupError::Write { path: self.path(path), why: error.to_string() }
    }
}

/// Writes a file for its owner only, whatever was there.
pub(crate) fn write_over(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = open_file(path)?;
    file.set_len(0)?;
    file.write_all(bytes)
}

/// Copies all there is to read, and gives its size and SHA-256.
pub(crate) fn sum_of(from: &mut impl Read, to: &mut impl Write) -> io::Result<(u64, String)> {
    let (mut hash, mut size, mut piece) = (Sha256::new(), 0, vec![0; PIECE_BYTES]);
    loop {
        let read = match from.read(&mut piece) {
            Ok(0) => return Ok((size, hex::encode(hash.finalize()))),
            Ok(read) => read,
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        let bytes = piece.get(..read).unwrap_or_default();
        hash.update(bytes);
        to.write_all(bytes)?;
        size += read as u64;
    }
}

/// Uploads a file in parts. Until the last of them is there, there is no object.
async fn upload(objects: &dyn ObjectStore, file: &mut File, path: &str) -> Result<(u64, String), object_store::Error> {
    let local = |error: io::Error| object_store::Error::Generic { store: "file", source: Box::new(error) };
    file.seek(SeekFrom::Start(0)).map_err(local)?;
    let begun = objects.put_multipart(&ObjectPath::from(path)).await?;
    let part_bytes = usize::try_from(OBJECT_PIECE_BYTES).unwrap_or(PIECE_BYTES);
    let mut parts = WriteMultipart::new_with_chunk_size(begun, part_bytes);
    let (mut hash, mut size, mut piece) = (Sha256::new(), 0, vec![0; PIECE_BYTES]);
    loop {
        let read = file.read(&mut piece).map_err(local)?;
        let bytes = piece.get(..read).unwrap_or_default();
        if bytes.is_empty() {
            parts.finish().await?;
            return Ok((size, hex::encode(hash.finalize())));
        }
        hash.update(bytes);
        size += read as u64;
        parts.wait_for_capacity(PARTS_AT_ONCE).await?;
        parts.write(bytes);
    }
}

/// An object, a piece a request.
struct ObjectReader {
    objects: Arc<dyn ObjectStore>,
    handle: Handle,
    path: ObjectPath,
    at: u64,
    size: u64,
    piece: Bytes,
}

impl Read for ObjectReader {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        if self.piece.is_empty() && self.at < self.size {
            let end = self.size.min(self.at + OBJECT_PIECE_BYTES);
            let got = self.handle.block_on(self.objects.get_range(&self.path, self.at..end));
            self.piece = got.map_err(io::Error::other)?;
            if self.piece.is_empty() {
                return Err(ErrorKind::UnexpectedEof.into());
            }
            self.at += self.piece.len() as u64;
        }
        let taken = self.piece.split_to(out.len().min(self.piece.len()));
        if let Some(room) = out.get_mut(..taken.len()) {
            room.copy_from_slice(&taken);
        }
        Ok(taken.len())
    }
}
