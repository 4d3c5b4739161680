//! What backups and checks ask the store itself.

use std::collections::HashSet;

use parkgate_ledger::Space;

use super::{Store, records, recount};
use crate::backend::{Access, Backend};
use crate::registry::Park;
use crate::stored::KEY_PROOF;
use crate::{ImageKey, StoreError};

/// What the proof of a backup's key is bound to.
pub(crate) const BACKUP_PLACE: &str = "backup";

impl Store {
    /// The number of the newest record; 0 if there is none.
    pub(crate) fn highest_record(&self) -> Result<i64, StoreError> {
        self.backend.transaction(Access::Read, super::record_pages::newest)
    }

    /// A known text sealed under this store's master key.
    pub(crate) fn key_proof(&self) -> Result<Vec<u8>, StoreError> {
        Ok(self.backend.keys().seal.seal(KEY_PROOF, BACKUP_PLACE)?)
    }

    /// The database behind it.
    pub(crate) fn backend(&self) -> &dyn Backend {
        self.backend.as_ref()
    }

    /// What is wrong with pages of the database: a sentence for each. Nothing is said of a database that looks after its
    /// pages itself.
    pub(crate) fn damaged_pages(&self) -> Result<Option<Vec<String>>, StoreError> {
        self.backend.damaged_pages()
    }

    /// The stored count of a park and the one that its records give, where they differ.
    pub(crate) fn compare_space(&self, park: &Park) -> Result<Option<(Space, Space)>, StoreError> {
        recount::compare(self.backend.as_ref(), park)
    }

    /// Which of these pictures does any record or push in quarantine name? Also of a store that has moved.
    pub(crate) fn names_images(&self, keys: &[ImageKey]) -> Result<HashSet<ImageKey>, StoreError> {
        records::names_images(self.backend.as_ref(), keys)
    }
}
