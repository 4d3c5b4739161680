//! Pictures: written aside while they arrive, hashed on the way, durable under their content's address before any record
//! names them.
//!
//! A picture's address is its SHA-256, since the protocol's MD5 can be made to collide. Reading, listing and removing
//! go through `object_store`; writing on the local disk is ours, for its order is the promise: file synced, renamed,
//! folder synced.

use std::collections::HashMap;
use std::fmt;
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

use crate::StoreError;
use crate::key::sync_folder;

/// Where pictures are written aside.
const INCOMING: &str = "incoming";
/// Gathered before a piece is hashed and written on a blocking thread.
const PIECE_BYTES: usize = 64 * 1024;
/// The formats told apart look no further than this.
const SNIFFED_BYTES: usize = 64;

/// A picture's address: the SHA-256 of its bytes.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct ImageKey(pub [u8; 32]);

impl ImageKey {
    /// Reads the text that `Display` writes.
    #[must_use]
    pub fn parse(text: &str) -> Option<ImageKey> {
        let mut bytes = [0; 32];
        hex::decode_to_slice(text.split('/').collect::<String>(), &mut bytes).ok()?;
        Some(ImageKey(bytes))
    }
}

impl fmt::Display for ImageKey {
    /// `ab/cdef…`: the first byte is the folder.
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = hex::encode(self.0);
        let (folder, name) = text.split_at(2);
        write!(out, "{folder}/{name}")
    }
}

impl fmt::Debug for ImageKey {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "ImageKey({self})")
    }
}

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
        let objects = LocalFileSystem::new_with_prefix(folder).map_err(|error| ImageError::Away(error.to_string()))?;
        let shared = Shared { folder: folder.to_owned(), objects, next: AtomicU64::new(0), pinned: Mutex::default() };
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
        let before = SystemTime::now() - older_than;
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
    std::fs::remove_file(shared.folder.join(key.to_string()))?;
    Ok(true)
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
        let pin = Pin::new(&self.images.shared, self.key);
        blocking(move || {
            let FinishedImage { images, mut aside, md5, key, size, content_type, file } = self;
            let path = images.shared.folder.join(key.to_string());
            if std::fs::metadata(&path).is_ok_and(|there| there.len() == size) {
                // Synced when it was put there; young again, so that a sweep in another process leaves it.
                File::open(&path)?.set_modified(SystemTime::now())?;
            } else {
                file.sync_all()?;
                put(&images.shared.folder, &aside.path, &path)?;
                aside.keep = true;
            }
            Ok(StoredImage { key, md5, size, content_type, _pin: pin })
        })
        .await
    }
}

fn put(folder: &Path, from: &Path, to: &Path) -> Result<(), ImageError> {
    let shard = to.parent().unwrap_or(folder);
    if !shard.exists() {
        match std::fs::create_dir(shard) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error.into()),
            Ok(()) | Err(_) => sync_folder(folder)?,
        }
    }
    std::fs::rename(from, to)?;
    sync_folder(shard)?;
    Ok(())
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
    pub content_type: &'static str,
    _pin: Pin,
}

struct Pin {
    shared: Arc<Shared>,
    key: ImageKey,
}

impl Pin {
    fn new(shared: &Arc<Shared>, key: ImageKey) -> Pin {
        *lock(&shared.pinned).entry(key).or_insert(0) += 1;
        Pin { shared: Arc::clone(shared), key }
    }
}

impl fmt::Debug for Pin {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("Pin")
    }
}

impl Drop for Pin {
    fn drop(&mut self) {
        let mut pinned = lock(&self.shared.pinned);
        if let Some(count) = pinned.get_mut(&self.key) {
            *count -= 1;
            if *count == 0 {
                pinned.remove(&self.key);
            }
        }
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
