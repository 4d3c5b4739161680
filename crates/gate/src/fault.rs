//! What is our own fault: 500 and 503. The only place that knows.

use parkgate_store::StoreError;
use parkgate_store::images::ImageError;
use parkgate_wire::reply::ReplyCode;

/// A push could not be taken for a reason that is ours.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    /// The store did not record it.
    #[error("{0}")]
    Store(#[from] StoreError),
    /// A picture could not be kept.
    #[error("{0}")]
    Image(#[from] ImageError),
    /// Bodies keep as much in memory as they may, or as this sender may.
    #[error("bodies_bytes_max: no room for more of this body")]
    TooManyBodies,
}

impl Fault {
    /// 503 where trying again can help, else 500. No detail leaks.
    pub fn answer(&self) -> ReplyCode {
        let temporary = match self {
            Fault::Store(error) => error.is_temporary(),
            // Pictures fail for want of room or of the disk: both pass.
            Fault::Image(_) => true,
            // Others end.
            Fault::TooManyBodies => true,
        };
        if temporary { ReplyCode::Unavailable } else { ReplyCode::Internal }
    }
}
