//! Pictures: written aside while they arrive, hashed on the way, durable under their content's address before any record
//! names them.
//!
//! A picture's address is its SHA-256, since the protocol's MD5 can be made to collide. They lie in a folder or in a
//! bucket; reading, listing and removing go through `object_store`.

mod address;
mod arriving;
mod bucket;
mod folder;
mod incoming;
mod pin;
mod reading;
mod removals;
mod stores;
mod sweep;

pub use address::ImageKey;
pub use arriving::{FinishedImage, IncomingImage};
pub use reading::PictureFault;
pub use sweep::Keeps;

use std::borrow::Cow;
use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use bytes::Bytes;
use futures_util::TryStreamExt;
use futures_util::stream::BoxStream;
use object_store::{GetResultPayload, ObjectStore, ObjectStoreExt};
use parkgate_wire::Md5Hash;
use tokio_util::io::ReaderStream;

use self::bucket::Bucket;
use self::folder::Folder;
use self::incoming::Incoming;
use self::pin::Pin;
use crate::Alarm;

/// An uploaded picture.
#[derive(Debug, Clone)]
pub struct Picture {
    /// The field it stands for: `leave_image` for the part `leave_image_file`.
    pub name: String,
    /// Its place in the image store.
    pub key: ImageKey,
    /// As declared by the sender and checked.
    pub md5: Md5Hash,
    /// Bytes.
    pub size: u64,
    /// Sniffed from its first bytes.
    pub content_type: String,
}

/// A picture could not be kept. Trying again can help: it is for want of room, or of the disk.
#[derive(Debug, thiserror::Error)]
pub enum ImageError {
    /// No room.
    #[error("no room for pictures: {0}")]
    Full(String),
    /// The disk, the folder or the bucket fails.
    #[error("pictures cannot be kept: {0}")]
    Away(String),
    /// A sync failed: what is on the disk is not known, and nothing more may be acknowledged.
    #[error("the disk failed to sync: {0}")]
    Unsynced(String),
    /// There is no such picture, as the folder or the bucket itself says.
    #[error("there is no such picture: {0}")]
    Missing(String),
}

impl From<io::Error> for ImageError {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => ImageError::Full(error.to_string()),
            _ => ImageError::Away(error.to_string()),
        }
    }
}

/// All pictures, in one folder or bucket.
#[derive(Clone)]
pub struct Images {
    shared: Arc<ImagesState>,
}

struct ImagesState {
    /// None where pictures are only read.
    incoming: Option<Incoming>,
    place: Place,
    /// Pictures on their way between their place and their record: no sweep takes these.
    pinned: Mutex<HashMap<ImageKey, usize>>,
    alarm: OnceLock<Alarm>,
}

enum Place {
    Folder(Folder),
    Bucket(Bucket),
}

impl Place {
    fn objects(&self) -> &dyn ObjectStore {
        match self {
            Place::Folder(folder) => &folder.objects,
            Place::Bucket(bucket) => bucket.objects.as_ref(),
        }
    }
}

impl Images {
    /// Opens a folder of pictures, making it on first use. What was written aside by processes that ended is removed; others may
    /// write to the same folder.
    ///
    /// # Errors
    /// The folder cannot be made or read.
    pub fn open(folder: &Path) -> Result<Images, ImageError> {
        Images::in_place(Place::Folder(Folder::open(folder)?), folder)
    }

    /// Opens a folder that another process may be writing to, to read from it.
    ///
    /// # Errors
    /// The folder cannot be read.
    pub fn open_to_read(folder: &Path) -> Result<Images, ImageError> {
        let place = Place::Folder(Folder::open(folder)?);
        Ok(Images::new(None, place))
    }

    /// Opens a bucket, `s3://BUCKET/PREFIX`: its endpoint and credentials come from the usual environment variables
    /// (`AWS_ENDPOINT_URL`, `AWS_REGION`, `AWS_ACCESS_KEY_ID`, …). Pictures are written aside in a folder of this node.
    ///
    /// # Errors
    /// The URL or the variables are wrong, or the folder cannot be made.
    pub fn open_bucket(
        url: &str,
        variables: impl IntoIterator<Item = (String, String)>,
        aside: &Path,
    ) -> Result<Images, ImageError> {
        Images::in_place(Place::Bucket(Bucket::open(url, variables)?), aside)
    }

    /// Opens a bucket to read from it.
    ///
    /// # Errors
    /// The URL or the variables are wrong.
    pub fn open_bucket_to_read(
        url: &str,
        variables: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Images, ImageError> {
        Ok(Images::new(None, Place::Bucket(Bucket::open(url, variables)?)))
    }

    fn in_place(place: Place, aside: &Path) -> Result<Images, ImageError> {
        Ok(Images::new(Some(Incoming::open(aside)?), place))
    }

    fn new(incoming: Option<Incoming>, place: Place) -> Images {
        let (pinned, alarm) = (Mutex::default(), OnceLock::new());
        Images { shared: Arc::new(ImagesState { incoming, place, pinned, alarm }) }
    }

    /// Has a failed sync raise this alarm, the store's. Without one it is raised where nobody hears it, and no picture is
    /// stored any more all the same.
    #[must_use]
    pub fn with_alarm(self, alarm: Alarm) -> Images {
        // The first stands: all handles on this place have it.
        drop(self.shared.alarm.set(alarm));
        self
    }

    fn alarm(&self) -> &Alarm {
        self.shared.alarm.get_or_init(Alarm::default)
    }

    /// The folder that the pictures lie in, if they lie in one.
    #[must_use]
    pub fn folder(&self) -> Option<&Path> {
        match &self.shared.place {
            Place::Folder(folder) => Some(folder.path()),
            Place::Bucket(_) => None,
        }
    }

    /// The folder that they are written to while they arrive.
    #[must_use]
    pub fn arriving_folder(&self) -> Option<PathBuf> {
        self.shared.incoming.as_ref().map(|incoming| incoming.folder().to_owned())
    }

    /// A picture to write.
    ///
    /// # Errors
    /// It cannot be made.
    pub async fn incoming(&self) -> Result<IncomingImage, ImageError> {
        IncomingImage::create(self.clone()).await
    }

    /// The bytes of a picture.
    ///
    /// # Errors
    /// [`ImageError::Missing`] if it is not there, another if it cannot be read.
    pub async fn read(&self, key: &ImageKey) -> Result<Bytes, ImageError> {
        match self.shared.place.objects().get(&object_path(key)).await {
            Ok(found) => found.bytes().await.map_err(away),
            Err(error @ object_store::Error::NotFound { .. }) => Err(ImageError::Missing(error.to_string())),
            Err(error) => Err(away(error)),
        }
    }

    /// Can pictures be listed? Where there is no bucket at all, every single picture is only missing.
    ///
    /// # Errors
    /// They cannot, and why.
    pub(crate) async fn reach(&self) -> Result<(), ImageError> {
        self.shared.place.objects().list(None).try_next().await.map(drop).map_err(away)
    }

    /// The bytes of a picture, piece by piece.
    ///
    /// # Errors
    /// It is not there.
    pub async fn stream(&self, key: &ImageKey) -> Result<BoxStream<'static, io::Result<Bytes>>, ImageError> {
        let found = self.shared.place.objects().get(&object_path(key)).await.map_err(away)?;
        Ok(match found.payload {
            GetResultPayload::File(file, _) => pieces(file),
            GetResultPayload::Stream(stream) => Box::pin(stream.map_err(io::Error::other)),
        })
    }

    /// Can a picture be written now?
    ///
    /// # Errors
    /// It cannot, and why.
    pub async fn probe(&self) -> Result<(), ImageError> {
        drop(self.incoming().await?);
        match &self.shared.place {
            Place::Folder(_) => Ok(()),
            Place::Bucket(bucket) => bucket.probe().await,
        }
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
    /// As recognized by its first bytes.
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

/// A file from its beginning.
fn pieces(file: std::fs::File) -> BoxStream<'static, io::Result<Bytes>> {
    Box::pin(ReaderStream::with_capacity(tokio::fs::File::from_std(file), arriving::PIECE_BYTES))
}

/// The objects of a bucket, `s3://BUCKET/PREFIX`, below the prefix.
pub(crate) fn open_objects(
    url: &str,
    variables: impl IntoIterator<Item = (String, String)>,
) -> Result<Box<dyn ObjectStore>, ImageError> {
    Ok(Bucket::open(url, variables)?.objects)
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
