//! Pictures: written aside while they arrive, hashed on the way, durable under their content's address before any record
//! names them.
//!
//! A picture's address is its SHA-256, since the protocol's MD5 can be made to collide. Reading, listing and removing
//! go through `object_store`; writing on the local disk is ours, for its order is the promise: file synced, renamed,
//! folder synced.

mod address;
mod pin;

pub use address::ImageKey;

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use bytes::{Bytes, BytesMut};
use futures_util::TryStreamExt;
use md5::Md5;
use object_store::local::LocalFileSystem;
use object_store::{ObjectStore, ObjectStoreExt};
use parkgate_wire::Md5Hash;
use sha2::{Digest, Sha256};

use self::pin::Pin;
use crate::StoreError;
use crate::key::sync_folder;
use crate::query::Picture;

/// Where pictures are written aside.
const INCOMING: &str = "incoming";
/// Gathered before a piece is hashed and written on a blocking thread.
const PIECE_BYTES: usize = 64 * 1024;
/// The formats told apart look no further than this.
const SNIFFED_BYTES: usize = 64;

/// A picture could not be kept. Trying again can help: it is for want of room, or of the disk.
#[derive(Debug, thiserror::Error)]
pub enum ImageError {
    /// No room.
    #[error("no room for pictures: {0}")]
    Full(String),
    /// The disk or the folder fails.
    #[error("pictures cannot be kept: {0}")]
    Away(String),
}

impl From<io::Error> for ImageError {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => ImageError::Full(error.to_string()),
            _ => ImageError::Away(error.to_string()),
        }
    }
}

/// All pictures, in one folder.
#[derive(Clone)]
pub struct Images {
    shared: Arc<Shared>,
}

struct Shared {
    folder: PathBuf,
    objects: LocalFileSystem,
    next: AtomicU64,
    /// Pictures on their way between disk and record: no sweep takes these.
    pinned: Mutex<HashMap<ImageKey, usize>>,
    /// Folders of pictures, by first byte, whose own names this process knows to be durable.
    durable_folders: Mutex<HashSet<u8>>,
}

impl Images {
    /// Opens a folder of pictures, making it on first use. What was written aside by a process that ended is removed.
    ///
    /// # Errors
    /// The folder cannot be made or read.
    pub fn open(folder: &Path) -> Result<Images, ImageError> {
        let incoming = folder.join(INCOMING);
        if incoming.exists() {
            std::fs::remove_dir_all(&incoming)?;
        }
        std::fs::create_dir_all(&incoming)?;
        make_durable(folder)?;
        let objects = LocalFileSystem::new_with_prefix(folder).map_err(|error| ImageError::Away(error.to_string()))?;
        let shared = Shared {
            folder: folder.to_owned(),
            objects,
            next: AtomicU64::new(0),
            pinned: Mutex::default(),
            durable_folders: Mutex::default(),
        };
        Ok(Images { shared: Arc::new(shared) })
    }

    /// A picture to write.
    ///
    /// # Errors
    /// It cannot be made.
    pub async fn incoming(&self) -> Result<IncomingImage, ImageError> {
        let number = self.shared.next.fetch_add(1, Ordering::Relaxed);
        let path = self.shared.folder.join(INCOMING).join(number.to_string());
        let opened = path.clone();
        let file = blocking(move || Ok(File::create_new(opened)?)).await?;
        Ok(IncomingImage {
            images: self.clone(),
            aside: Aside { path, keep: false },
            gathered: BytesMut::with_capacity(2 * PIECE_BYTES),
            writing: Some(Writing { file, md5: Md5::new(), sha256: Sha256::new(), head: Vec::new(), size: 0 }),
        })
    }

    /// The bytes of a picture.
    ///
    /// # Errors
    /// It is not there or cannot be read.
    pub async fn read(&self, key: &ImageKey) -> Result<Bytes, ImageError> {
        let found = self.shared.objects.get(&object_path(key)).await.map_err(away)?;
        found.bytes().await.map_err(away)
    }

    /// Can a picture be written now?
    ///
    /// # Errors
    /// It cannot, and why.
    pub async fn probe(&self) -> Result<(), ImageError> {
        drop(self.incoming().await?);
        Ok(())
    }

    /// Removes pictures older than `older_than` that nothing keeps; how many.
    ///
    /// # Errors
    /// The folder or the store cannot be read.
    pub async fn sweep(
        &self,
        older_than: Duration,
        keeps: impl Fn(&ImageKey) -> Result<bool, StoreError> + Send + Sync + Clone + 'static,
    ) -> Result<usize, ImageError> {
        let before = SystemTime::now().checked_sub(older_than).unwrap_or(SystemTime::UNIX_EPOCH);
        let mut listed = self.shared.objects.list(None);
        let mut swept = 0;
        while let Some(object) = listed.try_next().await.map_err(away)? {
            let Some(key) = ImageKey::parse(object.location.as_ref()) else { continue };
            if SystemTime::from(object.last_modified) < before {
                let (shared, keeps) = (Arc::clone(&self.shared), keeps.clone());
                swept += usize::from(blocking(move || remove_unkept(&shared, &key, &keeps)).await?);
            }
        }
        Ok(swept)
    }
}

/// The name of the folder itself, which may be new. A parent that may not be read was not made by this process.
fn make_durable(folder: &Path) -> io::Result<()> {
    match std::path::absolute(folder)?.parent().map_or(Ok(()), sync_folder) {
        Err(error) if error.kind() != io::ErrorKind::PermissionDenied => Err(error),
        Ok(()) | Err(_) => Ok(()),
    }
}

fn remove_unkept(
    shared: &Shared,
    key: &ImageKey,
    keeps: &dyn Fn(&ImageKey) -> Result<bool, StoreError>,
) -> Result<bool, ImageError> {
    // Held until it is gone: a push with the same picture pins it first.
    let pinned = lock(&shared.pinned);
    if pinned.contains_key(key) || keeps(key).map_err(|error| ImageError::Away(error.to_string()))? {
        return Ok(false);
    }
    match std::fs::remove_file(shared.folder.join(key.to_string())) {
        // Another process was first.
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        removed => Ok(removed.map(|()| true)?),
    }
}

/// A file aside: gone when dropped, unless it was moved to its place.
struct Aside {
    path: PathBuf,
    keep: bool,
}

impl Drop for Aside {
    fn drop(&mut self) {
        if !self.keep
            && let Err(error) = std::fs::remove_file(&self.path)
        {
            tracing::warn!(%error, "a picture aside could not be removed");
        }
    }
}

struct Writing {
    file: File,
    md5: Md5,
    sha256: Sha256,
    head: Vec<u8>,
    size: u64,
}

impl Writing {
    fn write(mut self, piece: &[u8]) -> Result<Writing, ImageError> {
        let wanted = SNIFFED_BYTES.saturating_sub(self.head.len()).min(piece.len());
        self.head.extend_from_slice(piece.get(..wanted).unwrap_or_default());
        self.md5.update(piece);
        self.sha256.update(piece);
        self.size += piece.len() as u64;
        self.file.write_all(piece)?;
        Ok(self)
    }
}

/// A picture that is arriving. Dropped, it leaves nothing behind.
pub struct IncomingImage {
    images: Images,
    aside: Aside,
    gathered: BytesMut,
    writing: Option<Writing>,
}

impl IncomingImage {
    /// Appends bytes.
    ///
    /// # Errors
    /// They cannot be written.
    pub async fn write(&mut self, bytes: Bytes) -> Result<(), ImageError> {
        self.gathered.extend_from_slice(&bytes);
        if self.gathered.len() < PIECE_BYTES {
            return Ok(());
        }
        self.flush().await
    }

    async fn flush(&mut self) -> Result<(), ImageError> {
        let piece = self.gathered.split().freeze();
        let Some(writing) = self.writing.take() else {
            return Err(ImageError::Away("an earlier write failed".into()));
        };
        self.writing = Some(blocking(move || writing.write(&piece)).await?);
        Ok(())
    }

    /// All bytes are there.
    ///
    /// # Errors
    /// The last of them cannot be written.
    pub async fn finish(mut self) -> Result<FinishedImage, ImageError> {
        self.flush().await?;
        let Some(writing) = self.writing else {
            return Err(ImageError::Away("an earlier write failed".into()));
        };
        Ok(FinishedImage {
            images: self.images,
            aside: self.aside,
            md5: Md5Hash(writing.md5.finalize().into()),
            key: ImageKey(writing.sha256.finalize().into()),
            size: writing.size,
            content_type: content_type(&writing.head),
            file: writing.file,
        })
    }
}

/// Told by its first bytes, never by what the sender says: it is shown in a browser one day.
fn content_type(head: &[u8]) -> &'static str {
    match infer::get(head).map(|kind| kind.mime_type()) {
        Some(image @ ("image/jpeg" | "image/png" | "image/gif" | "image/bmp" | "image/webp")) => image,
        Some(_) | None => "application/octet-stream",
    }
}

/// A picture written aside, its hashes known.
pub struct FinishedImage {
    images: Images,
    aside: Aside,
    md5: Md5Hash,
    key: ImageKey,
    size: u64,
    content_type: &'static str,
    file: File,
}

impl FinishedImage {
    /// MD5 of its bytes.
    #[must_use]
    pub fn md5(&self) -> Md5Hash {
        self.md5
    }

    /// How many bytes.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Makes it durable under its address.
    ///
    /// # Errors
    /// It is not there, and nothing is left behind.
    pub async fn store(self) -> Result<StoredImage, ImageError> {
        blocking(move || {
            let FinishedImage { images, mut aside, md5, key, size, content_type, file } = self;
            // Before looking whether it is there. On this thread, since a sweep may hold the pins while it asks the store.
            let pin = Pin::new(&images.shared, key);
            let path = images.shared.folder.join(key.to_string());
            let folder = images.shared.durable_folder(&key, &path)?;
            if std::fs::metadata(&path).is_ok_and(|there| there.len() == size) {
                // Its bytes were synced before it got its name; young again, so that a sweep in another process leaves it.
                File::open(&path)?.set_modified(SystemTime::now())?;
            } else {
                file.sync_all()?;
                std::fs::rename(&aside.path, &path)?;
                aside.keep = true;
            }
            // Also where it was there: a push beside this one, or a process that ended, may have got no further than its name.
            sync_folder(folder)?;
            Ok(StoredImage { key, md5, size, content_type: content_type.into(), _pin: Some(pin) })
        })
        .await
    }
}

impl Shared {
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

/// A picture in its place. While this lives no sweep removes it: hold it until the record that names it is committed.
#[derive(Debug)]
pub struct StoredImage {
    /// Its address.
    pub key: ImageKey,
    /// MD5 of its bytes.
    pub md5: Md5Hash,
    /// How many bytes.
    pub size: u64,
    /// Told by its first bytes.
    pub content_type: Cow<'static, str>,
    _pin: Option<Pin>,
}

impl StoredImage {
    /// A picture that something keeps already, so that no sweep can take it.
    #[must_use]
    pub fn kept(picture: &Picture) -> StoredImage {
        let content_type = picture.content_type.clone().into();
        StoredImage { key: picture.key, md5: picture.md5, size: picture.size, content_type, _pin: None }
    }
}

fn object_path(key: &ImageKey) -> object_store::path::Path {
    object_store::path::Path::from(key.to_string())
}

fn away(error: object_store::Error) -> ImageError {
    ImageError::Away(error.to_string())
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, ImageError> + Send + 'static,
) -> Result<T, ImageError> {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done,
        Err(error) => Err(ImageError::Away(error.to_string())),
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
