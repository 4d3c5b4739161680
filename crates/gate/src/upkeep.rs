//! What runs in the background for as long as the gate does, supervised: a loop that ends by a fault of ours raises the alarm,
//! and the process ends rather than go on without it.
//!
//! A single turn that panics ends nothing. Each turn begins from what the store says and keeps nothing in memory for the
//! next, so the next one is as good as the first.

use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use parkgate_store::{Alarm, Images, Store};
use tokio::task::{AbortHandle, JoinHandle};

use crate::clock::Clock;
use crate::disk::Disk;

/// Pictures that no record keeps go after this long: the push they came with was never recorded.
const STRAY_AFTER: Duration = Duration::from_secs(24 * 60 * 60);
/// The same while the disk is low: no push takes so long from its first picture to its record.
const STRAY_AFTER_ON_LOW_DISK: Duration = Duration::from_secs(10 * 60);
const SWEEP_EVERY: Duration = Duration::from_secs(60 * 60);
/// Between two looks whether a month is over.
const TURN_EVERY: Duration = Duration::from_secs(60 * 60);

/// A task that someone watches.
#[derive(Debug)]
pub struct Supervised {
    name: &'static str,
    task: AbortHandle,
    watching: JoinHandle<()>,
}

impl Supervised {
    /// Spawns a task that must not end before it is told to, which `is_told` knows.
    pub fn spawn(
        alarm: &Alarm,
        name: &'static str,
        is_told: impl Fn() -> bool + Send + 'static,
        task: impl Future<Output = ()> + Send + 'static,
    ) -> Supervised {
        let (running, alarm) = (tokio::spawn(task), alarm.clone());
        let task = running.abort_handle();
        let watching = tokio::spawn(async move {
            match running.await {
                Ok(()) if is_told() => {}
                Ok(()) => alarm.raise(format!("a part of the gate ended: {name}")),
                Err(error) if error.is_panic() => alarm.raise(format!("a part of the gate panicked: {name}")),
                // Aborted by us, or with the runtime.
                Err(_) => {}
            }
        });
        Supervised { name, task, watching }
    }

    /// The same for one that runs until it is aborted.
    pub fn endless(alarm: &Alarm, name: &'static str, task: impl Future<Output = ()> + Send + 'static) -> Supervised {
        Supervised::spawn(alarm, name, || false, task)
    }

    /// Its name, if it does not run any more.
    pub fn ended(&self) -> Option<&'static str> {
        self.task.is_finished().then_some(self.name)
    }

    /// Ends it.
    pub fn abort(&self) {
        self.task.abort();
    }

    /// Ready when it ended.
    pub async fn join(self) {
        // Watching does nothing that could fail.
        let _ = self.watching.await;
    }
}

/// What was set aside is kept so long, and no longer.
pub async fn age(store: Arc<dyn Store>, clock: Arc<Clock>, days: u32) {
    loop {
        let store = Arc::clone(&store);
        let before = clock.now() - i64::from(days) * 24 * 60 * 60 * 1000;
        match tokio::task::spawn_blocking(move || store.release_before(before)).await {
            Ok(Ok(0)) => {}
            Ok(Ok(released)) => tracing::warn!(released, "pushes in quarantine reached their age and are gone"),
            Ok(Err(error)) => tracing::warn!(%error, "the quarantine could not be aged"),
            Err(error) => tracing::error!(%error, "ageing the quarantine failed"),
        }
        tokio::time::sleep(SWEEP_EVERY).await;
    }
}

/// Removes pictures that no record keeps; at once when a full disk is being cleaned.
pub async fn sweep(images: Images, store: Arc<dyn Store>, clock: Arc<Clock>, disk: Arc<Disk>) {
    loop {
        let stray_after = if disk.problem().is_some() { STRAY_AFTER_ON_LOW_DISK } else { STRAY_AFTER };
        let before = clock.system_now().checked_sub(stray_after).unwrap_or(UNIX_EPOCH);
        let (asked, store) = (Arc::clone(&store), Arc::clone(&store));
        let keeps = move |keys: &[parkgate_store::ImageKey]| store.keeps_images(keys);
        match tokio::task::spawn_blocking(move || asked.id()).await {
            Ok(Ok(store)) => match images.sweep_in_turn(&store, before, keeps).await {
                Ok(None | Some(0)) => {}
                Ok(Some(swept)) => tracing::info!(swept, "stray pictures removed"),
                Err(error) => tracing::warn!(%error, "stray pictures could not be removed"),
            },
            Ok(Err(error)) => tracing::warn!(%error, "stray pictures could not be removed"),
            Err(error) => tracing::error!(%error, "asking the store for its number failed"),
        }
        // Ready or not, the next turn comes.
        let _ = tokio::time::timeout(SWEEP_EVERY, disk.cleaned()).await;
    }
}

/// Begins a month when the one before is over, where the store is cut by months.
pub async fn turn_months(store: Arc<dyn Store>) {
    loop {
        let store = Arc::clone(&store);
        match tokio::task::spawn_blocking(move || store.months().map_or(Ok(None), |months| months.turn())).await {
            Ok(Ok(None)) => {}
            Ok(Ok(Some(number))) => tracing::info!(number, "another month begun"),
            Ok(Err(error)) => tracing::warn!(%error, "the next month could not be begun; tried again later"),
            Err(error) => tracing::error!(%error, "beginning a month failed"),
        }
        tokio::time::sleep(TURN_EVERY).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_part_that_ends_or_panics_raises_the_alarm_and_one_that_was_told_to_does_not() {
        let ended = |alarm: &Alarm, is_told: bool| Supervised::spawn(alarm, "part", move || is_told, async {});
        let alarm = Alarm::default();
        let told = ended(&alarm, true);
        while told.ended().is_none() {
            tokio::task::yield_now().await;
        }
        told.join().await;
        let aborted = Supervised::endless(&alarm, "part", std::future::pending());
        assert_eq!(aborted.ended(), None);
        aborted.abort();
        aborted.join().await;
        assert_eq!(alarm.raised(), None);

        ended(&alarm, false).join().await;
        assert_eq!(alarm.raised().as_deref(), Some("a part of the gate ended: part"));
        let alarm = Alarm::default();
        let panics = async { std::panic::resume_unwind(Box::new("scripted")) };
        let panicked = Supervised::spawn(&alarm, "part", || true, panics);
        assert_eq!(alarm.wait().await, "a part of the gate panicked: part");
        assert_eq!(panicked.ended(), Some("part"));
    }
}
