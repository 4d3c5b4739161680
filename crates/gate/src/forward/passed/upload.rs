//! The body of a request on its way to the upstream: who is waited for, sender or upstream.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::stream::unfold;
use parkgate_intake::PassedBody;
use parkgate_wire::Refusal;
use tokio::time::Instant;

/// How far an upload is.
#[derive(Debug)]
pub(super) struct PassedUpload(Mutex<UploadPhase>);

#[derive(Debug)]
enum UploadPhase {
    /// The sender has the next piece, or is too slow: its body has bounds of its own.
    AwaitsSender,
    /// The upstream was given a piece then, or nothing yet.
    AwaitsUpstream(Instant),
    /// It was given all.
    Over(Instant),
    /// The sender's body is refused.
    Refused(RefusedUpload),
}

/// Why a sender's body does not go on.
#[derive(Debug, Clone)]
pub(super) enum RefusedUpload {
    /// What is wrong with it.
    Refused(Refusal),
    /// No memory for more of it.
    NoRoom,
}

impl PassedUpload {
    pub(super) fn new() -> Arc<PassedUpload> {
        Arc::new(PassedUpload(Mutex::new(UploadPhase::AwaitsUpstream(Instant::now()))))
    }

    /// There is none.
    pub(super) fn skip(&self) {
        self.set(UploadPhase::Over(Instant::now()));
    }

    /// When the upstream must have taken another piece, or answered.
    pub(super) fn due(&self, timeout: Duration) -> Instant {
        match &*self.lock() {
            UploadPhase::AwaitsUpstream(since) | UploadPhase::Over(since) => *since + timeout,
            UploadPhase::AwaitsSender | UploadPhase::Refused(_) => Instant::now() + timeout,
        }
    }

    /// Was all of it read?
    pub(super) fn is_over(&self) -> bool {
        matches!(&*self.lock(), UploadPhase::Over(_))
    }

    pub(super) fn refused(&self) -> Option<RefusedUpload> {
        match &*self.lock() {
            UploadPhase::Refused(why) => Some(why.clone()),
            UploadPhase::AwaitsSender | UploadPhase::AwaitsUpstream(_) | UploadPhase::Over(_) => None,
        }
    }

    /// The body as the upstream is sent it, piece by piece.
    pub(super) fn of(self: &Arc<Self>, body: PassedBody) -> reqwest::Body {
        let upload = Arc::clone(self);
        let pieces = unfold(Some(body), move |body| {
            let upload = Arc::clone(&upload);
            async move {
                let mut body = body?;
                upload.set(UploadPhase::AwaitsSender);
                match body.next().await {
                    Ok(Some(piece)) => {
                        let now = Instant::now();
                        let is_over = body.is_over();
                        upload.set(if is_over { UploadPhase::Over(now) } else { UploadPhase::AwaitsUpstream(now) });
                        Some((Ok(piece), Some(body)))
                    }
                    Ok(None) => {
                        upload.skip();
                        None
                    }
                    Err(refusal) => {
                        let no_room = body.found_no_room();
                        let why = if no_room { RefusedUpload::NoRoom } else { RefusedUpload::Refused(refusal.clone()) };
                        upload.set(UploadPhase::Refused(why));
                        Some((Err(refusal), None))
                    }
                }
            }
        });
        reqwest::Body::wrap_stream(pieces)
    }

    fn set(&self, phase: UploadPhase) {
        *self.lock() = phase;
    }

    fn lock(&self) -> MutexGuard<'_, UploadPhase> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
