//! What is our own fault, not the sender's.

use parkgate_store::StoreError;
use parkgate_store::images::ImageError;

/// A push could not be taken for a reason that is ours.
#[derive(Debug, thiserror::Error)]
pub enum GateFault {
    /// The store did not record it.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A picture could not be kept.
    #[error(transparent)]
    Image(#[from] ImageError),
}

impl GateFault {
    /// Can it help to send the push again?
    #[must_use]
    pub fn is_temporary(&self) -> bool {
        match self {
            GateFault::Store(error) => error.is_temporary(),
            // Pictures fail for want of room, or because the disk or the bucket is away: both pass.
            GateFault::Image(_) => true,
        }
    }
}
