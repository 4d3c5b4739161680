//! What no sweep may take.

use std::fmt;
use std::sync::Arc;

use super::{ImageKey, ImagesState, lock};

/// Held from before a picture is put in its place until the record that names it is committed.
pub(super) struct Pin {
    shared: Arc<ImagesState>,
    key: ImageKey,
}

impl Pin {
    pub(super) fn new(shared: &Arc<ImagesState>, key: ImageKey) -> Pin {
        *lock(&shared.pinned).entry(key).or_insert(0) += 1;
        Pin { shared: Arc::clone(shared), key }
    }
}

impl fmt::Debug for Pin {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("Pin")
    }
}

impl Drop for Pin {
    fn drop(&mut self) {
        let mut pinned = lock(&self.shared.pinned);
        if let Some(count) = pinned.get_mut(&self.key) {
            *count -= 1;
            if *count == 0 {
                pinned.remove(&self.key);
            }
        }
    }
}
