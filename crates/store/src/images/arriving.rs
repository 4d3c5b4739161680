//! A picture while it arrives: written aside and hashed piece by piece, so that it never sits whole in memory.

use std::fs::File;
use std::io::{self, Write};
use std::path::PathBuf;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use futures_util::stream::BoxStream;
use md5::Md5;
use parkgate_wire::Md5Hash;
use sha2::{Digest, Sha256};

use super::pin::Pin;
use super::{ImageError, ImageKey, Images, Place, StoredImage, blocking, pieces};

/// Gathered before a piece is hashed and written on a blocking thread.
pub(super) const PIECE_BYTES: usize = 64 * 1024;
/// The formats told apart look no further than this.
const SNIFFED_BYTES: usize = 64;

/// A file aside: gone when dropped, unless it was moved to its place.
struct UnfinishedFile {
    path: PathBuf,
    keep: bool,
}

impl Drop for UnfinishedFile {
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
    // Before the pictures, whose folder of files aside goes with the last of them.
    aside: UnfinishedFile,
    images: Images,
    gathered: BytesMut,
    writing: Option<Writing>,
}

impl IncomingImage {
    pub(super) async fn create(images: Images) -> Result<IncomingImage, ImageError> {
        let shared = Arc::clone(&images.shared);
        // On a blocking thread, which goes on also if the request ends: then it is gone again.
        let (aside, file) = blocking(move || {
            let incoming = shared.incoming.as_ref().ok_or_else(|| ImageError::Away("opened to be read".into()))?;
            let (path, file) = incoming.create()?;
            Ok((UnfinishedFile { path, keep: false }, file))
        })
        .await?;
        Ok(IncomingImage {
            aside,
            images,
            gathered: BytesMut::with_capacity(2 * PIECE_BYTES),
            writing: Some(Writing { file, md5: Md5::new(), sha256: Sha256::new(), head: Vec::new(), size: 0 }),
        })
    }

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

/// Recognized by the first bytes, whatever the sender says: one day a browser shows the picture.
pub(super) fn content_type(head: &[u8]) -> &'static str {
    match infer::get(head).map(|kind| kind.mime_type()) {
        Some(image @ ("image/jpeg" | "image/png" | "image/gif" | "image/bmp" | "image/webp")) => image,
        Some(_) | None => "application/octet-stream",
    }
}

/// A picture written aside, its hashes known.
pub struct FinishedImage {
    aside: UnfinishedFile,
    images: Images,
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

    /// Its bytes piece by piece, for as long as they are wanted: also when it is stored or dropped meanwhile.
    ///
    /// # Errors
    /// It cannot be opened.
    pub async fn stream(&self) -> Result<BoxStream<'static, io::Result<Bytes>>, ImageError> {
        let path = self.aside.path.clone();
        Ok(pieces(blocking(move || Ok(File::open(path)?)).await?))
    }

    /// What it is, by its first bytes.
    #[must_use]
    pub fn content_type(&self) -> &'static str {
        self.content_type
    }

    /// Makes it durable under its address.
    ///
    /// # Errors
    /// It is not there, and nothing is left behind.
    pub async fn store(self) -> Result<StoredImage, ImageError> {
        let FinishedImage { images, aside, md5, key, size, content_type, file } = self;
        let (shared, alarm) = (Arc::clone(&images.shared), images.alarm().clone());
        // On a blocking thread, which goes on also if the request ends; a sweep may hold the pins while it asks the store.
        let (pin, aside) = blocking(move || {
            let mut aside = aside;
            // Before looking whether it is there.
            let pin = Pin::new(&shared, key);
            if let Place::Folder(folder) = &shared.place {
                alarm.refuse().map_err(|error| ImageError::Away(error.to_string()))?;
                aside.keep = folder.put(&aside.path, &file, &key, size).inspect_err(|error| {
                    if let ImageError::Unsynced(_) = error {
                        alarm.raise(format!("a picture: {error}"));
                    }
                })?;
            }
            Ok((pin, aside))
        })
        .await?;
        if let Place::Bucket(bucket) = &images.shared.place {
            bucket.put(&aside.path, &key, content_type).await?;
        }
        Ok(StoredImage { key, md5, size, content_type: content_type.into(), _pin: Some(pin) })
    }
}
