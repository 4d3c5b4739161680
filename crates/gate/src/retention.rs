//! Takes out what is kept no longer, in small steps beside the pushes.
//!
//! Each step is one short transaction, and after it the loop rests for many times as long: SQLite has one writer, and in
//! PostgreSQL pushes of the park wait. What is due is decided by the certain time, so a clock that jumps ahead deletes nothing.

use std::sync::Arc;
use std::time::{Duration, Instant};

use parkgate_ledger::retention::RetentionDefaults;
use parkgate_store::{RetentionWalk, Store, StoreError};

use crate::clock::Clock;
use crate::figures::RetentionFigures;

/// Between two rounds. Retention is a matter of days.
const ROUND_EVERY: Duration = Duration::from_secs(60 * 60);
/// Between two looks whether the database is to be purged: after a round, or by `forget`, which waits for it.
const LOOK_EVERY: Duration = Duration::from_secs(2);
/// A step rests so many times as long as it took: what it takes from pushes is a fortieth of the time.
const REST: u32 = 40;
/// However short a step was, and however long.
const REST_MIN: Duration = Duration::from_millis(2);
const REST_MAX: Duration = Duration::from_secs(10);

/// What the loop needs.
pub(crate) struct Retention {
    pub(crate) store: Arc<Store>,
    pub(crate) clock: Arc<Clock>,
    pub(crate) defaults: RetentionDefaults,
    pub(crate) figures: RetentionFigures,
}

impl Retention {
    /// Rounds without end.
    pub(crate) async fn keep(self) {
        loop {
            if let Err(error) = self.round().await {
                tracing::warn!(%error, "what is kept no longer could not all be taken out; tried again later");
            }
            let begun = Instant::now();
            while begun.elapsed() < ROUND_EVERY {
                if let Err(error) = self.purge_if_wanted().await {
                    tracing::warn!(%error, "the database could not be purged of what was taken out; tried again");
                }
                tokio::time::sleep(LOOK_EVERY).await;
            }
        }
    }

    /// Everything that is due now.
    async fn round(&self) -> Result<(), StoreError> {
        let (store, defaults, now) = (Arc::clone(&self.store), self.defaults, self.clock.now());
        let walks = blocking(move || store.retention_walks(&defaults, now)).await?;
        let mut any = false;
        for walk in walks {
            any |= self.walk(walk).await?;
        }
        if any {
            let store = Arc::clone(&self.store);
            blocking(move || store.want_purge()).await?;
        }
        self.figures.last_round.set(now.0);
        Ok(())
    }

    /// Was anything taken out?
    async fn walk(&self, mut walk: RetentionWalk) -> Result<bool, StoreError> {
        loop {
            let (store, begun) = (Arc::clone(&self.store), Instant::now());
            let (is_more, back) = blocking(move || {
                let is_more = store.retain_step(&mut walk)?;
                Ok((is_more, walk))
            })
            .await?;
            walk = back;
            if !is_more {
                break;
            }
            tokio::time::sleep((begun.elapsed() * REST).clamp(REST_MIN, REST_MAX)).await;
        }
        let (kind, redacted, held) = (walk.kind().name(), walk.redacted(), walk.held());
        self.figures.walked(kind, redacted, held);
        if redacted > 0 {
            tracing::info!(kind, redacted, "taken out at the end of their time");
        }
        if held > 0 {
            tracing::warn!(kind, held, "kept beyond their time: they are still to be delivered to a subscriber");
        }
        Ok(redacted > 0)
    }

    async fn purge_if_wanted(&self) -> Result<(), StoreError> {
        let store = Arc::clone(&self.store);
        blocking(move || store.purge_if_wanted().map(drop)).await
    }
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, StoreError> + Send + 'static,
) -> Result<T, StoreError> {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done,
        Err(error) => Err(StoreError::Away(error.to_string())),
    }
}
