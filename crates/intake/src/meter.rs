//! A body with a limit on its bytes and on its time.

use std::borrow::BorrowMut;
use std::future::Future;
use std::time::Duration;

use bytes::Bytes;
use http_body::Body;
use http_body_util::BodyExt;
use parkgate_wire::Refusal;
use tokio::time::{Instant, timeout, timeout_at};

use crate::budget::{BodyShare, BudgetFull};
use crate::limits::IntakeLimits;

/// How much of a refused body is still read, so that its sender gets to see the reply.
const DRAIN_BYTES_MAX: u64 = 64 * 1024 * 1024;
const DRAIN_TIME_MAX: Duration = Duration::from_secs(5);

/// A body that arrives in pieces.
pub(crate) trait Pieces: Send {
    /// The next piece; `None` after the last. It is counted as held in memory.
    fn next(&mut self) -> impl Future<Output = Result<Option<Bytes>, Refusal>> + Send;

    /// This many bytes are held in memory again.
    fn keep(&mut self, bytes: usize) -> Result<(), Refusal>;

    /// This many bytes are no longer held in memory.
    fn forget(&mut self, bytes: usize);
}

/// A complete body.
pub(crate) struct WholeBody(pub(crate) Option<Bytes>);

impl Pieces for WholeBody {
    async fn next(&mut self) -> Result<Option<Bytes>, Refusal> {
        Ok(self.0.take())
    }

    fn keep(&mut self, _bytes: usize) -> Result<(), Refusal> {
        Ok(())
    }

    fn forget(&mut self, _bytes: usize) {}
}

/// The pieces of a request's body as they arrive; body and share may be its own or borrowed.
pub(crate) struct Meter<B, S> {
    body: B,
    share: S,
    bytes_left: u64,
    bytes_max: u64,
    idle: Duration,
    deadline: Instant,
    rate_min: u64,
    /// Until then a body may arrive slowly; every received byte extends it.
    slow_until: Instant,
}

impl<B, S> Meter<B, S>
where
    B: Body<Data = Bytes> + Unpin + Send,
    S: BorrowMut<BodyShare> + Send,
{
    pub(crate) fn new(body: B, limits: &IntakeLimits, share: S) -> Self {
        let now = Instant::now();
        Meter {
            body,
            share,
            bytes_left: limits.body_bytes_max,
            bytes_max: limits.body_bytes_max,
            idle: limits.body_idle_timeout,
            deadline: now + limits.body_timeout,
            rate_min: limits.body_rate_min,
            slow_until: now + limits.body_rate_after,
        }
    }

    fn counted(&mut self, data: Bytes) -> Result<Bytes, Refusal> {
        let left = self.bytes_left.checked_sub(data.len() as u64);
        self.bytes_left = left.ok_or(Refusal::BodyTooLarge { bytes_max: self.bytes_max })?;
        self.keep(data.len())?;
        Ok(data)
    }

    /// Was more of it refused for want of memory?
    pub(crate) fn found_no_room(&self) -> bool {
        self.share.borrow().found_no_room()
    }

    /// How long it is, if its header says so.
    pub(crate) fn length(&self) -> Option<u64> {
        self.body.size_hint().exact()
    }

    /// When the next piece must have arrived.
    fn due(&self) -> Instant {
        let due = self.deadline.min(Instant::now() + self.idle);
        let received = self.bytes_max - self.bytes_left;
        match (received.saturating_mul(1000)).checked_div(self.rate_min) {
            None => due,
            Some(ms) => due.min(self.slow_until + Duration::from_millis(ms)),
        }
    }
}

impl<B, S> Pieces for Meter<B, S>
where
    B: Body<Data = Bytes> + Unpin + Send,
    S: BorrowMut<BodyShare> + Send,
{
    async fn next(&mut self) -> Result<Option<Bytes>, Refusal> {
        loop {
            match timeout_at(self.due(), self.body.frame()).await {
                Err(_) => return Err(Refusal::TooSlow),
                Ok(None) => return Ok(None),
                Ok(Some(Err(_))) => {
                    return Err(Refusal::Malformed { place: "请求体不完整 (the body ended early)".into() });
                }
                // Trailers are ignored.
                Ok(Some(Ok(frame))) => {
                    if let Ok(data) = frame.into_data() {
                        return self.counted(data).map(Some);
                    }
                }
            }
        }
    }

    fn keep(&mut self, bytes: usize) -> Result<(), Refusal> {
        // Answered as a full budget by whoever checks the share.
        self.share.borrow_mut().keep(bytes).map_err(|BudgetFull| Refusal::BodyTooLarge { bytes_max: self.bytes_max })
    }

    fn forget(&mut self, bytes: usize) {
        self.share.borrow_mut().forget(bytes);
    }
}

/// Reads on and discards, within limits.
pub(crate) async fn drain<B: Body<Data = Bytes> + Unpin>(body: &mut B, idle: Duration) {
    let mut bytes = 0;
    let reading = async {
        while bytes < DRAIN_BYTES_MAX {
            match timeout(idle, body.frame()).await {
                Ok(Some(Ok(frame))) => bytes += frame.data_ref().map_or(0, |data| data.len() as u64),
                Ok(Some(Err(_)) | None) | Err(_) => break,
            }
        }
    };
    // Whether the body ended or not, the reply goes out now.
    let _ = timeout(DRAIN_TIME_MAX, reading).await;
}
