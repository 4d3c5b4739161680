//! The blocking face of asynchronous work. Each connection has a small runtime of its own, and whoever waits for an answer
//! drives it: no other thread has to be woken for what comes in.

use tokio::runtime::{Handle, Runtime, RuntimeFlavor};
use tokio::task::{block_in_place, yield_now};

use crate::StoreError;

/// A connection's sockets and clocks. They stand still while nobody waits.
pub(super) struct Driver(Option<Runtime>);

impl Driver {
    pub(super) fn new() -> Result<Driver, StoreError> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        Ok(Driver(Some(runtime.map_err(|error| StoreError::Away(error.to_string()))?)))
    }

    /// Does `work` on this thread: one of its own, one for blocking work, or one of a runtime of many threads.
    pub(super) fn wait<T>(&self, work: impl Future<Output = T>) -> Result<T, StoreError> {
        let Some(runtime) = &self.0 else { return Err(StoreError::Away("closed".into())) };
        // Its other tasks go on elsewhere.
        let is_within = Handle::try_current().is_ok_and(|other| other.runtime_flavor() == RuntimeFlavor::MultiThread);
        Ok(if is_within { block_in_place(|| runtime.block_on(work)) } else { runtime.block_on(work) })
    }

    /// Sees what came in while nobody waited: that the server closed the connection.
    pub(super) fn catch_up(&self) -> Result<(), StoreError> {
        self.wait(async {
            // The first lets the socket report, the second lets the connection read.
            for _ in 0..2 {
                yield_now().await;
            }
        })
    }
}

impl Drop for Driver {
    /// What runs in it ends where it is; nobody waits for that.
    fn drop(&mut self) {
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}
