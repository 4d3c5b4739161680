//! A body with a bound on its bytes and on its time.

use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use futures_util::Stream;
use http_body::Body;
use http_body_util::BodyExt;
use parkgate_wire::Refusal;
use tokio::time::{Instant, Sleep};

use crate::limits::IntakeLimits;

/// The head of a part may be this long: what arrives without the parser getting on is a head.
const PART_HEAD_BYTES_MAX: usize = 192 * 1024; // a few of the largest reads, and 64 KiB of head

/// What is read of a refused body, so that its sender gets to see the reply.
const DRAIN_BYTES_MAX: u64 = 64 * 1024 * 1024;
const DRAIN_TIME_MAX: Duration = Duration::from_secs(5);

/// Shared by a meter and who reads the parts: how much came since the parser last got on, and why the meter stopped.
#[derive(Debug, Default)]
pub(crate) struct Progress {
    since: AtomicUsize,
    refusal: Mutex<Option<Refusal>>,
}

impl Progress {
    /// The parser got on.
    pub(crate) fn made(&self) {
        self.since.store(0, Ordering::Relaxed);
    }

    /// Why the meter stopped, if it did.
    pub(crate) fn refusal(&self) -> Option<Refusal> {
        self.refusal.lock().ok().and_then(|refusal| refusal.clone())
    }
}

/// The pieces of a body. Gives one and then yields, so that a parser which takes all it can get holds little.
pub(crate) struct Meter<'a, B> {
    body: &'a mut B,
    progress: Arc<Progress>,
    bytes_left: u64,
    bytes_max: u64,
    idle: Duration,
    deadline: Instant,
    sleep: Option<Pin<Box<Sleep>>>,
    yields: bool,
}

impl<'a, B: Body<Data = Bytes> + Unpin> Meter<'a, B> {
    pub(crate) fn new(body: &'a mut B, limits: &IntakeLimits, progress: Arc<Progress>) -> Self {
        Meter {
            body,
            progress,
            bytes_left: limits.body_bytes_max,
            bytes_max: limits.body_bytes_max,
            idle: limits.body_idle_timeout,
            deadline: Instant::now() + limits.body_timeout,
            sleep: None,
            yields: false,
        }
    }

    /// Whoever takes the pieces got on.
    pub(crate) fn made_progress(&self) {
        self.progress.made();
    }

    fn piece(&mut self, data: Bytes) -> Result<Bytes, Refusal> {
        self.sleep = None;
        self.yields = !self.body.is_end_stream();
        let bytes = data.len();
        self.bytes_left =
            self.bytes_left.checked_sub(bytes as u64).ok_or(Refusal::BodyTooLarge { bytes_max: self.bytes_max })?;
        if self.progress.since.fetch_add(bytes, Ordering::Relaxed) + bytes > PART_HEAD_BYTES_MAX + bytes {
            return Err(Refusal::Malformed { place: "表单部分的头过长 part header too long".into() });
        }
        Ok(data)
    }

    fn timed_out(&mut self, context: &mut Context<'_>) -> Poll<()> {
        let until = self.deadline.min(Instant::now() + self.idle);
        let sleep = self.sleep.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(until)));
        sleep.as_mut().poll(context)
    }

    fn stopped(&self, refusal: Refusal) -> Poll<Option<Result<Bytes, Refusal>>> {
        if let Ok(mut shared) = self.progress.refusal.lock() {
            *shared = Some(refusal.clone());
        }
        Poll::Ready(Some(Err(refusal)))
    }
}

impl<B: Body<Data = Bytes> + Unpin> Stream for Meter<'_, B> {
    type Item = Result<Bytes, Refusal>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if std::mem::take(&mut self.yields) {
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        loop {
            match Pin::new(&mut *self.body).poll_frame(context) {
                Poll::Ready(None) => return Poll::Ready(None),
                Poll::Ready(Some(Ok(frame))) => {
                    // Trailers say nothing to us.
                    let Ok(data) = frame.into_data() else { continue };
                    return match self.piece(data) {
                        Ok(data) => Poll::Ready(Some(Ok(data))),
                        Err(refusal) => self.stopped(refusal),
                    };
                }
                Poll::Ready(Some(Err(_))) => {
                    return self
                        .stopped(Refusal::Malformed { place: "请求体不完整 the body ended early".into() });
                }
                Poll::Pending => {
                    return match self.timed_out(context) {
                        Poll::Ready(()) => self.stopped(Refusal::TooSlow),
                        Poll::Pending => Poll::Pending,
                    };
                }
            }
        }
    }
}

/// Reads on and forgets, within bounds.
pub(crate) async fn drain<B: Body<Data = Bytes> + Unpin>(body: &mut B, idle: Duration) {
    let mut bytes = 0;
    let reading = async {
        while bytes < DRAIN_BYTES_MAX {
            match tokio::time::timeout(idle, body.frame()).await {
                Ok(Some(Ok(frame))) => bytes += frame.data_ref().map_or(0, |data| data.len() as u64),
                Ok(Some(Err(_)) | None) | Err(_) => break,
            }
        }
    };
    // Whether it ended or not, the reply goes out now.
    let _ = tokio::time::timeout(DRAIN_TIME_MAX, reading).await;
}
