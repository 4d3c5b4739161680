//! A bound on open connections. When all places are taken, the connection that has waited longest for a request gives up
//! its own: a kept connection costs its sender a new one, a connection that is not accepted costs a push.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::stream::Activity;

/// How long to wait for a connection that was asked to close before another one is asked.
const CLOSING_MAX: Duration = Duration::from_millis(20);

#[derive(Debug)]
pub(super) struct ConnectionPlaces {
    free: Arc<Semaphore>,
    taken: Mutex<HashMap<u64, Arc<Activity>>>,
    next: AtomicU64,
}

/// Given back when it is dropped.
#[derive(Debug)]
pub(super) struct ConnectionPlace {
    number: u64,
    places: Arc<ConnectionPlaces>,
    _permit: Option<OwnedSemaphorePermit>,
}

impl ConnectionPlaces {
    pub(super) fn new(max: usize) -> Arc<Self> {
        let free = Arc::new(Semaphore::new(max.clamp(1, Semaphore::MAX_PERMITS)));
        Arc::new(ConnectionPlaces { free, taken: Mutex::default(), next: AtomicU64::new(0) })
    }

    /// A place for this connection, as soon as there is one.
    pub(super) async fn take(self: &Arc<Self>, activity: &Arc<Activity>) -> ConnectionPlace {
        let permit = match Arc::clone(&self.free).try_acquire_owned() {
            Ok(permit) => Some(permit),
            Err(_) => self.freed().await,
        };
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        lock(&self.taken).insert(number, Arc::clone(activity));
        ConnectionPlace { number, places: Arc::clone(self), _permit: permit }
    }

    async fn freed(&self) -> Option<OwnedSemaphorePermit> {
        loop {
            self.close_longest_waiting();
            let freed = Arc::clone(&self.free).acquire_owned();
            if let Ok(permit) = tokio::time::timeout(CLOSING_MAX, freed).await {
                // It is never closed.
                return permit.ok();
            }
        }
    }

    fn close_longest_waiting(&self) {
        let taken = lock(&self.taken);
        let waiting = taken.values().filter_map(|activity| Some((activity.waits_since()?, activity)));
        if let Some((_, longest)) = waiting.min_by_key(|(since, _)| *since) {
            longest.close();
        }
    }
}

impl Drop for ConnectionPlace {
    fn drop(&mut self) {
        lock(&self.places.taken).remove(&self.number);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_bound_is_taken() {
        for max in [0, 1, usize::MAX] {
            let places = ConnectionPlaces::new(max);
            assert!(places.free.available_permits() >= 1, "{max}");
        }
    }
}
