//! A task under watch: one that ends by a fault of ours raises the alarm, and the process ends rather than go on without
//! it.

use parkgate_store::Alarm;
use tokio::task::{AbortHandle, JoinHandle};

/// A task, and whoever watches it.
#[derive(Debug)]
pub struct Supervised {
    name: &'static str,
    task: AbortHandle,
    watching: JoinHandle<()>,
}

impl Supervised {
    /// Spawns a task that must not end before it is stopped; `is_stopped` says whether it was.
    pub fn spawn(
        alarm: &Alarm,
        name: &'static str,
        is_stopped: impl Fn() -> bool + Send + 'static,
        task: impl Future<Output = ()> + Send + 'static,
    ) -> Supervised {
        let (running, alarm) = (tokio::spawn(task), alarm.clone());
        let task = running.abort_handle();
        let watching = tokio::spawn(async move {
            match running.await {
                Ok(()) if is_stopped() => {}
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

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_part_that_ends_or_panics_raises_the_alarm_and_one_that_was_stopped_does_not() {
        let ended = |alarm: &Alarm, is_stopped: bool| Supervised::spawn(alarm, "part", move || is_stopped, async {});
        let alarm = Alarm::default();
        let stopped = ended(&alarm, true);
        while stopped.ended().is_none() {
            tokio::task::yield_now().await;
        }
        stopped.join().await;
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
