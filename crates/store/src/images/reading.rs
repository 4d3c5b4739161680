//! Pictures read whole and compared with their address: by backups and checks, a thread a picture.

use std::io::{ErrorKind, Read};

use sha2::{Digest, Sha256};
use tokio::runtime::Handle;

use super::{ImageError, ImageKey, Images, Place};

/// What is wrong with a picture that something names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PictureFault {
    /// It is not there.
    Missing,
    /// Its bytes are not those that its address is made of.
    Damaged,
    /// The disk does not give it.
    Unreadable(String),
}

impl Images {
    /// Reads a picture into `bytes`, whatever was in it, and compares it with its address. Blocks; `handle` is of a runtime
    /// that the calling thread is none of.
    ///
    /// # Errors
    /// The bucket cannot be asked. Of a folder a picture alone may be unreadable.
    pub(crate) fn read_now(
        &self,
        handle: &Handle,
        key: &ImageKey,
        bytes: &mut Vec<u8>,
    ) -> Result<Option<PictureFault>, ImageError> {
        bytes.clear();
        match &self.shared.place {
            Place::Folder(folder) => {
                let read = std::fs::File::open(folder.path().join(key.to_string())).and_then(|mut file| {
                    file.read_to_end(bytes)?;
                    crate::syncing::forget_pages(&file);
                    Ok(())
                });
                match read {
                    Ok(()) => {}
                    Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Some(PictureFault::Missing)),
                    Err(error) => return Ok(Some(PictureFault::Unreadable(error.to_string()))),
                }
            }
            Place::Bucket(_) => match handle.block_on(self.read(key)) {
                Ok(read) => bytes.extend_from_slice(&read),
                Err(ImageError::Missing(_)) => return Ok(Some(PictureFault::Missing)),
                Err(error) => return Err(error),
            },
        }
        Ok((Sha256::digest(&*bytes).as_slice() != key.0).then_some(PictureFault::Damaged))
    }
}
