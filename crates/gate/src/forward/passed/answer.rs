//! An upstream's answer on its way back: never held whole, bounded in size, and let go if it stops coming.

use std::time::Duration;

use bytes::Bytes;
use futures_util::Stream;
use futures_util::stream::unfold;

/// Why an answer that had begun ends early.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CutOff {
    /// It is longer than it may be.
    #[error("it is longer than {bytes_max} bytes")]
    TooLarge {
        /// The bound.
        bytes_max: u64,
    },
    /// Nothing more of it came in time.
    #[error("it stopped coming")]
    Idle,
    /// The upstream ended it.
    #[error("{reason}")]
    Ended {
        /// As the HTTP client says it.
        reason: String,
    },
}

/// The pieces of an answer. `kept` is held until its end.
pub(super) fn pieces<K: Send + 'static>(
    answer: reqwest::Response,
    bytes_max: u64,
    idle: Duration,
    causes: fn(&reqwest::Error) -> String,
    kept: K,
) -> impl Stream<Item = Result<Bytes, CutOff>> + Send + 'static {
    unfold(Some((answer, bytes_max, kept)), move |rest| async move {
        let (mut answer, left, kept) = rest?;
        let piece = match tokio::time::timeout(idle, answer.chunk()).await {
            Err(_) => Err(CutOff::Idle),
            Ok(Err(error)) => Err(CutOff::Ended { reason: causes(&error) }),
            Ok(Ok(None)) => return None,
            Ok(Ok(Some(piece))) => Ok(piece),
        };
        let next = piece.and_then(|piece| match left.checked_sub(piece.len() as u64) {
            Some(left) => Ok((piece, left)),
            None => Err(CutOff::TooLarge { bytes_max }),
        });
        Some(match next {
            Ok((piece, left)) => (Ok(piece), Some((answer, left, kept))),
            Err(cut) => (Err(cut), None),
        })
    })
}
