//! The master key, followed and changed in the background: this node keeps the keys that the store uses, and goes on with a
//! change of the key that is under way, whoever began it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use parkgate_client::now;
use parkgate_store::{RotationStep, Store, StoreError};

/// Between two looks whether the key is changed.
const LOOK_EVERY: Duration = Duration::from_secs(2);
/// Of the time that sealing anew takes, so much is left to pushes: they go on nearly as before.
const PAUSE_PER_WORK: u32 = 24;
/// Nor longer: a step that took long waited for others most of the time.
const PAUSE_MAX: Duration = Duration::from_millis(500);
/// No pause is shorter, so that a commit of the store waits for no queue of ours.
const PAUSE_MIN: Duration = Duration::from_millis(5);

/// Follows the store's keys.
pub(crate) async fn follow_keys(store: Arc<Store>) {
    let who = format!("{} {}", store.key_node(), std::process::id());
    loop {
        let (store, who) = (Arc::clone(&store), who.clone());
        let started = Instant::now();
        let looked = tokio::task::spawn_blocking(move || {
            store.keep_keys(now().0)?;
            store.rotate_step(&who, now().0)
        });
        let pause = match looked.await {
            Ok(Ok(RotationStep::Resealed(rows))) => {
                // What is only looked at keeps nobody waiting.
                let per_work = if rows > 0 { PAUSE_PER_WORK } else { 1 };
                (started.elapsed() * per_work).clamp(PAUSE_MIN, PAUSE_MAX)
            }
            Ok(Ok(RotationStep::Went)) => {
                tracing::info!("the change of the master key went on: see `parkgate key show`");
                PAUSE_MIN
            }
            Ok(Ok(RotationStep::Nothing | RotationStep::Waits)) => LOOK_EVERY,
            Ok(Err(error)) => {
                warned(&error);
                LOOK_EVERY
            }
            Err(error) => {
                tracing::error!(%error, "looking after the master key failed");
                LOOK_EVERY
            }
        };
        tokio::time::sleep(pause).await;
    }
}

fn warned(error: &StoreError) {
    match error {
        // It moves, or is away for a moment: others say so.
        error if error.is_temporary() => tracing::debug!(%error, "the master key could not be looked after"),
        error => tracing::warn!(%error, "the master key could not be looked after"),
    }
}
