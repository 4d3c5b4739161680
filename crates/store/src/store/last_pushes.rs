//! When parks last pushed, as their counts say: no record is read.

use std::collections::HashMap;

use parkgate_ledger::ParkId;
use parkgate_wire::UnixMillis;

use super::Store;
use crate::StoreError;
use crate::backend::Access;

const LAST_PUSHES: &str = "SELECT park_id, last_push_at FROM spaces WHERE last_push_at IS NOT NULL";

impl Store {
    /// When the last push was received of each key that records stand under ([`crate::Park::record_keys`]).
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn last_pushes(&self) -> Result<HashMap<ParkId, UnixMillis>, StoreError> {
        let rows = self.backend.transaction(Access::Read, |transaction| transaction.query(LAST_PUSHES, &[]))?;
        rows.iter().map(|row| Ok((ParkId(row.int(0)?), UnixMillis(row.int(1)?)))).collect()
    }
}
