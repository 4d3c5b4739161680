//! What systemd learns of a long-running program (`Type=notify`): that it accepts, that it is alive, that it stops. Without
//! systemd nothing happens.

use std::future::Future;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use sd_notify::NotifyState;
use tokio::time::MissedTickBehavior;

/// It accepts from now on.
pub(super) fn ready() {
    notify(NotifyState::Ready);
}

/// It was asked to stop, and finishes what is in flight.
pub(super) fn stopping() {
    notify(NotifyState::Stopping);
}

/// Reports that the program is alive, twice as often as systemd expects it, as long as it is. If it is not, systemd ends and
/// restarts it. Never ready.
pub(super) async fn keep_alive<F: Future<Output = Result<(), String>>>(is_alive: impl Fn() -> F) {
    match sd_notify::watchdog_enabled() {
        Some(expected) => report_within(expected, is_alive, || notify(NotifyState::Watchdog)).await,
        None => std::future::pending().await,
    }
}

async fn report_within<F: Future<Output = Result<(), String>>>(
    expected: Duration,
    is_alive: impl Fn() -> F,
    report: impl Fn(),
) {
    let mut ticks = tokio::time::interval(expected / 2);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        match is_alive().await {
            Ok(()) => report(),
            Err(reason) => tracing::error!(reason, "not alive: systemd will restart the program"),
        }
    }
}

fn notify(state: NotifyState<'_>) {
    /// Logged once, not at every sign of life.
    static IS_FAILING: AtomicBool = AtomicBool::new(false);
    let notified = sd_notify::notify(&[state]);
    let was_failing = IS_FAILING.swap(notified.is_err(), Ordering::Relaxed);
    if let Err(error) = notified
        && !was_failing
    {
        tracing::warn!(%error, "systemd cannot be notified");
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicU32;

    use super::*;

    #[tokio::test]
    async fn what_is_not_alive_is_not_reported_and_what_is_again_is() {
        let (asked, reported) = (AtomicU32::new(0), AtomicU32::new(0));
        let (enough, until) = tokio::sync::oneshot::channel();
        let enough = std::cell::Cell::new(Some(enough));
        let is_alive = || {
            let turn = asked.fetch_add(1, Ordering::Relaxed);
            if turn == 9 {
                let _ = enough.take().unwrap().send(reported.load(Ordering::Relaxed));
            }
            // Not alive on its third to seventh turn.
            std::future::ready(if (2..7).contains(&turn) { Err("scripted".to_owned()) } else { Ok(()) })
        };
        let report = || {
            reported.fetch_add(1, Ordering::Relaxed);
        };
        tokio::select! {
            () = report_within(Duration::from_millis(2), is_alive, report) => unreachable!(),
            found = until => assert_eq!(found, Ok(2 + 2)),
        }
    }
}
