//! Where the files of a request go.

use std::future::Future;

use bytes::Bytes;
use parkgate_wire::Md5Hash;

/// A place for files: the gate's image store, the agent's folder of incoming pictures.
pub trait FileSink: Sync {
    /// A file that is being written. Dropped, it leaves nothing behind.
    type Open: Send;
    /// A file that is all there. Dropped, it leaves nothing behind.
    type File: Send;
    /// It cannot be written, which is our fault and not the sender's.
    type Error: Send;

    /// Begins a file.
    fn begin(&self) -> impl Future<Output = Result<Self::Open, Self::Error>> + Send;

    /// Appends bytes.
    fn write(&self, open: &mut Self::Open, bytes: Bytes) -> impl Future<Output = Result<(), Self::Error>> + Send;

    /// All bytes are there.
    fn finish(&self, open: Self::Open) -> impl Future<Output = Result<Written<Self::File>, Self::Error>> + Send;
}

/// A file that is all there.
#[derive(Debug)]
pub struct Written<F> {
    /// Where it is.
    pub file: F,
    /// MD5 of its bytes.
    pub md5: Md5Hash,
    /// How many bytes.
    pub size: u64,
}
