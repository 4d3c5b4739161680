//! Pictures that are being removed: one that is put meanwhile waits.

use std::collections::HashSet;
use std::sync::Mutex;

use tokio::sync::Notify;

use super::{ImageKey, lock};

/// Pictures that are being removed just now.
#[derive(Default)]
pub(super) struct Removals {
    keys: Mutex<HashSet<ImageKey>>,
    ended: Notify,
}

/// One of them, until it is dropped.
pub(super) struct Removal<'a> {
    removals: &'a Removals,
    pub(super) key: ImageKey,
}

impl Removals {
    pub(super) fn begin(&self, key: ImageKey) -> Removal<'_> {
        lock(&self.keys).insert(key);
        Removal { removals: self, key }
    }

    /// Until this picture may be put.
    pub(super) async fn wait(&self, key: &ImageKey) {
        loop {
            // Before looking, or the end could be missed.
            let ended = self.ended.notified();
            if !lock(&self.keys).contains(key) {
                return;
            }
            ended.await;
        }
    }
}

impl Drop for Removal<'_> {
    fn drop(&mut self) {
        lock(&self.removals.keys).remove(&self.key);
        self.removals.ended.notify_waiters();
    }
}
