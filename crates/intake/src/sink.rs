//! Where the files of a request go.

use std::convert::Infallible;
use std::future::Future;

use bytes::Bytes;
use md5::{Digest, Md5};
use parkgate_wire::{Form, Md5Hash};

/// A destination for files: the gate's image store, the agent's folder of incoming pictures.
pub trait FileSink: Sync {
    /// A file that is being written. Dropping it leaves nothing behind.
    type Open: Send;
    /// A complete file. Dropping it leaves nothing behind.
    type File: Send;
    /// It cannot be written: our fault, not the sender's.
    type Error: Send;

    /// Begins a file of a form; `so_far` are the parameters that arrived before it.
    fn begin(&self, so_far: &Form) -> impl Future<Output = Result<Self::Open, Self::Error>> + Send;

    /// Appends bytes.
    fn write(&self, open: &mut Self::Open, bytes: Bytes) -> impl Future<Output = Result<(), Self::Error>> + Send;

    /// Finishes the file: all its bytes were written.
    fn finish(&self, open: Self::Open) -> impl Future<Output = Result<WrittenFile<Self::File>, Self::Error>> + Send;
}

/// A complete file.
#[derive(Debug)]
pub struct WrittenFile<F> {
    /// Where it is.
    pub file: F,
    /// MD5 of its bytes.
    pub md5: Md5Hash,
    /// How many bytes.
    pub size: u64,
}

/// Keeps only the hashes.
pub(crate) struct HashOnly;

impl FileSink for HashOnly {
    type Open = (Md5, u64);
    type File = ();
    type Error = Infallible;

    async fn begin(&self, _so_far: &Form) -> Result<(Md5, u64), Infallible> {
        Ok((Md5::new(), 0))
    }

    async fn write(&self, (md5, size): &mut (Md5, u64), bytes: Bytes) -> Result<(), Infallible> {
        md5.update(&bytes);
        *size += bytes.len() as u64;
        Ok(())
    }

    async fn finish(&self, (md5, size): (Md5, u64)) -> Result<WrittenFile<()>, Infallible> {
        Ok(WrittenFile { file: (), md5: Md5Hash(md5.finalize().into()), size })
    }
}
