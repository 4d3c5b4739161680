//! The one way in which a part of the process says that the process must end.
//!
//! A failed sync, a thread or a task that ended: after that nothing more may be acknowledged. Whoever finds it raises the
//! alarm; `serve` waits for it, stops answering and exits with status 70, so that a supervisor starts anew. The first
//! reason stands.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;

use crate::StoreError;

/// Shared by all parts of one process.
#[derive(Debug, Clone)]
pub struct Alarm {
    reason: Arc<Mutex<Option<String>>>,
    raised: watch::Sender<bool>,
}

impl Default for Alarm {
    fn default() -> Self {
        Alarm { reason: Arc::default(), raised: watch::Sender::new(false) }
    }
}

impl Alarm {
    /// The process must end, and why. Only the first reason is kept.
    pub fn raise(&self, reason: impl Into<String>) {
        self.lock().get_or_insert_with(|| reason.into());
        self.raised.send_replace(true);
    }

    /// Must the process end? Asked with every push.
    #[must_use]
    pub fn is_raised(&self) -> bool {
        *self.raised.borrow()
    }

    /// Why the process must end, if it must.
    #[must_use]
    pub fn raised(&self) -> Option<String> {
        self.lock().clone()
    }

    /// Nothing may be written, and so nothing acknowledged, once the alarm is raised.
    pub(crate) fn refuse(&self) -> Result<(), StoreError> {
        self.raised().map_or(Ok(()), |reason| Err(StoreError::Away(reason)))
    }

    /// Ready when the alarm is raised, or was already; the reason.
    pub async fn wait(&self) -> String {
        let mut raised = self.raised.subscribe();
        // The sender lives as long as this alarm.
        let _ = raised.wait_for(|raised| *raised).await;
        self.raised().unwrap_or_default()
    }

    fn lock(&self) -> MutexGuard<'_, Option<String>> {
        self.reason.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_first_reason_stands_and_whoever_waits_hears_of_it_before_or_after() {
        let alarm = Alarm::default();
        assert_eq!(alarm.raised(), None);
        let waiting = tokio::spawn({
            let alarm = alarm.clone();
            async move { alarm.wait().await }
        });
        alarm.raise("the disk did not sync");
        alarm.clone().raise("a thread ended");
        assert_eq!(waiting.await.unwrap(), "the disk did not sync");
        assert_eq!(alarm.wait().await, "the disk did not sync");
        assert!(matches!(alarm.refuse(), Err(StoreError::Away(reason)) if reason == "the disk did not sync"));
    }
}
