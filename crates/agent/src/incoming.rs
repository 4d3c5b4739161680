//! Pictures of a request while it is taken: written to a folder, and copied into the outbox from there.

use std::io;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use md5::{Digest, Md5};
use parkgate_intake::{FileSink, WrittenFile};
use parkgate_seal::disk::new_file;
use parkgate_wire::{Form, Md5Hash};
use tokio::fs::File;
use tokio::io::AsyncWriteExt;

/// The folder they are written to.
#[derive(Debug, Clone)]
pub(crate) struct Incoming(pub(crate) PathBuf);

/// A picture, removed when dropped.
#[derive(Debug)]
pub(crate) struct IncomingPicture(PathBuf);

impl IncomingPicture {
    pub(crate) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for IncomingPicture {
    fn drop(&mut self) {
        if let Err(error) = std::fs::remove_file(&self.0) {
            tracing::debug!(%error, "an incoming picture was gone already");
        }
    }
}

/// A picture that is being written.
pub(crate) struct Writing {
    picture: IncomingPicture,
    file: File,
    md5: Md5,
    size: u64,
}

impl FileSink for Incoming {
    type Open = Writing;
    type File = IncomingPicture;
    type Error = io::Error;

    async fn begin(&self, _so_far: &Form) -> io::Result<Writing> {
        let mut unique = [0; 16];
        getrandom::fill(&mut unique).map_err(io::Error::other)?;
        // Never a name that was sent.
        let path = self.0.join(format!("{:032x}", u128::from_le_bytes(unique)));
        let made = path.clone();
        let file = tokio::task::spawn_blocking(move || new_file(&made)).await.map_err(io::Error::other)??;
        let file = File::from_std(file);
        Ok(Writing { picture: IncomingPicture(path), file, md5: Md5::new(), size: 0 })
    }

    async fn write(&self, open: &mut Writing, bytes: Bytes) -> io::Result<()> {
        open.md5.update(&bytes);
        open.size += bytes.len() as u64;
        open.file.write_all(&bytes).await
    }

    async fn finish(&self, mut open: Writing) -> io::Result<WrittenFile<IncomingPicture>> {
        open.file.flush().await?;
        Ok(WrittenFile { file: open.picture, md5: Md5Hash(open.md5.finalize().into()), size: open.size })
    }
}
