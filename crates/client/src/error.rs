//! What is wrong on this side of the line.

use std::path::PathBuf;

/// What is wrong on this side of the line.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// A picture cannot be read.
    #[error("{0}: {1}")]
    File(PathBuf, std::io::Error),
    /// No HTTP client can be made, or the URL is invalid.
    #[error("{0}")]
    Setup(String),
}
