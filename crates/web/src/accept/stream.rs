//! A connection's stream with its time-outs, and what the connection does at the moment.
//!
//! hyper has one time-out for a header that has begun and for a connection that is kept, and does not say which of the two
//! it is. Here a connection waits for its first request, receives a header, carries a request, or is kept: the stream sees
//! bytes come, and the requests themselves say when they begin and end. One thing it cannot see: where the beginning of
//! a request came together with the one before, it counts as kept until more of it comes.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use futures_util::task::AtomicWaker;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep};

use parkgate_gate::Limits;

/// After the last reply on a connection, how long and how much is still read of what its sender goes on sending: else the
/// system would reset the connection, and take the reply from a sender that has not read it yet.
const LINGER: Duration = Duration::from_secs(2);
const LINGER_BYTES_MAX: usize = 32 * 1024 * 1024; // as long as a body may be

/// What a connection does. Shared by its stream, its requests and whoever looks for the one that has waited longest.
#[derive(Debug)]
pub(super) struct Activity {
    phase: AtomicU8,
    opened: Instant,
    /// Milliseconds after `opened`, and one; 0 while it does not wait for a request.
    waits_since: AtomicU64,
    should_close: AtomicBool,
    waker: AtomicWaker,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
enum Phase {
    /// Nothing came yet.
    Opened,
    /// A header has begun.
    Header,
    /// A request is read or answered.
    Request,
    /// It was answered; the reply may still be on its way.
    Answered,
    /// The reply is gone, and the next request has not begun.
    Kept,
}

impl Activity {
    pub(super) fn new() -> Self {
        Activity {
            phase: AtomicU8::new(Phase::Opened as u8),
            opened: Instant::now(),
            waits_since: AtomicU64::new(1),
            should_close: AtomicBool::new(false),
            waker: AtomicWaker::new(),
        }
    }

    pub(super) fn request_begins(&self) {
        self.set(Phase::Request);
    }

    pub(super) fn request_is_answered(&self) {
        self.set(Phase::Answered);
    }

    /// Since when it has waited for a request, if it does and was not asked to close.
    pub(super) fn waits_since(&self) -> Option<Instant> {
        let since = self.waits_since.load(Ordering::Relaxed).checked_sub(1)?;
        (!self.should_close.load(Ordering::Relaxed)).then(|| self.opened + Duration::from_millis(since))
    }

    /// Closes it, unless a request begins at this moment.
    pub(super) fn close(&self) {
        self.should_close.store(true, Ordering::Release);
        self.waker.wake();
    }

    /// Ready once somebody wants it closed: for what is done before there is a stream that sees to it.
    pub(super) async fn closed(&self) {
        std::future::poll_fn(|context| {
            self.waker.register(context.waker());
            if self.should_close.load(Ordering::Acquire) { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
    }

    fn phase(&self) -> Phase {
        match self.phase.load(Ordering::Relaxed) {
            0 => Phase::Opened,
            1 => Phase::Header,
            2 => Phase::Request,
            3 => Phase::Answered,
            _ => Phase::Kept,
        }
    }

    fn set(&self, phase: Phase) {
        let waits_since = match phase {
            Phase::Opened => 1,
            Phase::Header | Phase::Request | Phase::Answered => 0,
            Phase::Kept => u64::try_from(self.opened.elapsed().as_millis()).unwrap_or(u64::MAX).saturating_add(1),
        };
        self.phase.store(phase as u8, Ordering::Relaxed);
        self.waits_since.store(waits_since, Ordering::Relaxed);
        self.should_close.store(false, Ordering::Relaxed);
    }
}

/// A stream whose sender is let go when it takes too long.
pub(super) struct TimedStream<S> {
    stream: S,
    activity: Arc<Activity>,
    header_timeout: Duration,
    idle_timeout: Duration,
    write_timeout: Duration,
    /// What is awaited must have come by then; none while nothing is awaited.
    read_by: Option<Instant>,
    write_by: Option<Instant>,
    read_timer: Timer,
    write_timer: Timer,
    is_shut: bool,
    lingered_bytes: usize,
}

impl<S> TimedStream<S> {
    pub(super) fn new(stream: S, activity: Arc<Activity>, limits: &Limits) -> Self {
        TimedStream {
            stream,
            activity,
            header_timeout: limits.header_timeout,
            idle_timeout: limits.idle_timeout,
            write_timeout: limits.body_idle_timeout,
            read_by: None,
            write_by: None,
            read_timer: Timer::default(),
            write_timer: Timer::default(),
            is_shut: false,
            lingered_bytes: 0,
        }
    }

    fn received(&mut self, bytes: &[u8]) {
        match self.activity.phase() {
            Phase::Header | Phase::Request => {}
            // Line ends between requests are no request (RFC 9112, 2.2), and an end is none either.
            Phase::Opened | Phase::Answered | Phase::Kept if bytes.iter().all(|byte| b"\r\n".contains(byte)) => {}
            // Its header is awaited since the connection was opened.
            Phase::Opened => self.activity.set(Phase::Header),
            Phase::Answered | Phase::Kept => {
                self.activity.set(Phase::Header);
                self.read_by = None;
            }
        }
    }

    /// Nothing is there to be read: has it been awaited too long?
    fn poll_waiting(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let phase = self.activity.phase();
        let timeout = match phase {
            // A body has its own bounds, by what is made of it.
            Phase::Request => {
                self.read_by = None;
                return Poll::Pending;
            }
            Phase::Answered => {
                self.activity.set(Phase::Kept);
                self.read_by = None;
                self.idle_timeout
            }
            Phase::Kept => self.idle_timeout,
            Phase::Opened | Phase::Header => self.header_timeout,
        };
        let by = *self.read_by.get_or_insert_with(|| Instant::now() + timeout);
        if phase == Phase::Header {
            ready!(self.read_timer.poll(by, context));
            return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
        }
        self.activity.waker.register(context.waker());
        if !self.activity.should_close.load(Ordering::Acquire) {
            ready!(self.read_timer.poll(by, context));
        }
        // As if the sender had ended it: nothing is lost.
        Poll::Ready(Ok(()))
    }

    fn poll_writing<T>(&mut self, done: Poll<io::Result<T>>, context: &mut Context<'_>) -> Poll<io::Result<T>> {
        if done.is_ready() {
            self.write_by = None;
            return done;
        }
        let by = *self.write_by.get_or_insert_with(|| Instant::now() + self.write_timeout);
        ready!(self.write_timer.poll(by, context));
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }
}

impl<S: AsyncRead + Unpin> TimedStream<S> {
    /// Reads on and forgets, until the sender ends, too, or has had time enough to read its reply.
    fn poll_linger(&mut self, context: &mut Context<'_>) -> Poll<()> {
        let by = *self.read_by.get_or_insert_with(|| Instant::now() + LINGER);
        let mut piece = [0; 4096];
        while self.lingered_bytes < LINGER_BYTES_MAX {
            let mut piece = ReadBuf::new(&mut piece);
            match Pin::new(&mut self.stream).poll_read(context, &mut piece) {
                Poll::Ready(Ok(())) if !piece.filled().is_empty() => self.lingered_bytes += piece.filled().len(),
                Poll::Ready(Ok(()) | Err(_)) => return Poll::Ready(()),
                Poll::Pending => return self.read_timer.poll(by, context),
            }
        }
        Poll::Ready(())
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for TimedStream<S> {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = into.filled().len();
        match Pin::new(&mut this.stream).poll_read(context, into) {
            Poll::Ready(Ok(())) => {
                this.received(into.filled().get(before..).unwrap_or_default());
                Poll::Ready(Ok(()))
            }
            Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
            Poll::Pending => this.poll_waiting(context),
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for TimedStream<S> {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        if this.activity.phase() == Phase::Kept {
            // Only the rest of a body was awaited, which is not read any more; this is the reply.
            this.activity.set(Phase::Answered);
        }
        let done = Pin::new(&mut this.stream).poll_write(context, bytes);
        this.poll_writing(done, context)
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let done = Pin::new(&mut this.stream).poll_flush(context);
        this.poll_writing(done, context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if !this.is_shut {
            let done = Pin::new(&mut this.stream).poll_shutdown(context);
            ready!(this.poll_writing(done, context))?;
            this.is_shut = true;
            this.read_by = None;
        }
        match this.activity.phase() {
            // Whoever waits for no reply misses none.
            Phase::Opened | Phase::Kept => Poll::Ready(Ok(())),
            Phase::Header | Phase::Request | Phase::Answered => this.poll_linger(context).map(Ok),
        }
    }
}

/// Set anew only when it rings too late or too early: a connection whose requests follow each other never touches it.
#[derive(Default)]
struct Timer(Option<Pin<Box<Sleep>>>);

impl Timer {
    fn poll(&mut self, by: Instant, context: &mut Context<'_>) -> Poll<()> {
        let sleep = self.0.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(by)));
        if sleep.deadline() > by {
            sleep.as_mut().reset(by);
        }
        while sleep.as_mut().poll(context).is_ready() {
            if Instant::now() >= by {
                return Poll::Ready(());
            }
            sleep.as_mut().reset(by);
        }
        Poll::Pending
    }
}
