//! The pictures of a request that is being received: written to a folder, and copied into the outbox from there.

use std::io;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use md5::{Digest, Md5};
use parkgate_intake::{FileSink, WrittenFile};
use parkgate_seal::disk::new_file;
use parkgate_wire::{Form, Md5Hash};
use tokio::fs::File;
use tokio::io::AsyncWriteExt;

/// The folder that pictures are written to.
#[derive(Debug, Clone)]
pub(crate) struct UploadFolder(pub(crate) PathBuf);

/// A picture that was received. Its file is removed when this is dropped.
#[derive(Debug)]
pub(crate) struct UploadedPicture(PathBuf);

impl UploadedPicture {
    pub(crate) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for UploadedPicture {
    fn drop(&mut self) {
        if let Err(error) = std::fs::remove_file(&self.0) {
            tracing::debug!(%error, "an incoming picture was gone already");
        }
    }
}

/// A picture that is being written.
pub(crate) struct PictureUpload {
    picture: UploadedPicture,
    file: File,
    md5: Md5,
    size: u64,
}

impl FileSink for UploadFolder {
    type Open = PictureUpload;
    type File = UploadedPicture;
    type Error = io::Error;

    async fn begin(&self, _so_far: &Form) -> io::Result<PictureUpload> {
        let mut unique = [0; 16];
        getrandom::fill(&mut unique).map_err(io::Error::other)?;
        // Never a name that a client chose.
        let path = self.0.join(format!("{:032x}", u128::from_le_bytes(unique)));
        let made = path.clone();
        let file = tokio::task::spawn_blocking(move || new_file(&made)).await.map_err(io::Error::other)??;
        let file = File::from_std(file);
        Ok(PictureUpload { picture: UploadedPicture(path), file, md5: Md5::new(), size: 0 })
    }

    async fn write(&self, open: &mut PictureUpload, bytes: Bytes) -> io::Result<()> {
        open.md5.update(&bytes);
        open.size += bytes.len() as u64;
        open.file.write_all(&bytes).await
    }

    async fn finish(&self, mut open: PictureUpload) -> io::Result<WrittenFile<UploadedPicture>> {
        open.file.flush().await?;
        Ok(WrittenFile { file: open.picture, md5: Md5Hash(open.md5.finalize().into()), size: open.size })
    }
}
