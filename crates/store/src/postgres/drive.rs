//! The blocking face of asynchronous work: a runtime on a thread of its own drives the connections, and who asks waits
//! parked. Works from any thread, within another runtime, too.

use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{Thread, park};

use tokio::runtime::Handle;
use tokio::sync::oneshot;

use crate::StoreError;

/// The thread; it ends when this is dropped.
pub(super) struct Driver {
    handle: Handle,
    _running: oneshot::Sender<()>,
}

impl Driver {
    pub(super) fn start() -> Result<Driver, StoreError> {
        let away = |error: std::io::Error| StoreError::Away(error.to_string());
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(away)?;
        let handle = runtime.handle().clone();
        let (running, ended) = oneshot::channel::<()>();
        let run = move || drop(runtime.block_on(ended));
        std::thread::Builder::new().name("postgres".into()).spawn(run).map_err(away)?;
        Ok(Driver { handle, _running: running })
    }

    /// Waits for `work`, on this thread; only its sockets and clocks are the other one's.
    pub(super) fn wait<T>(&self, work: impl Future<Output = T>) -> T {
        let _within = self.handle.enter();
        // The budget is that of the task this thread may be in, and would never be filled up.
        let mut work = pin!(tokio::task::unconstrained(work));
        let waker = Waker::from(Arc::new(Unpark(std::thread::current())));
        let mut context = Context::from_waker(&waker);
        loop {
            match work.as_mut().poll(&mut context) {
                Poll::Ready(done) => return done,
                Poll::Pending => park(),
            }
        }
    }
}

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.0.unpark();
    }
}
