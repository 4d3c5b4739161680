//! When the store was last backed up: whoever watches the gate must hear of it when that is long ago.

use super::Store;
use crate::StoreError;
use crate::backend::Access;

/// Of `moving`, which holds what the store knows of itself.
const LAST_BACKUP: &str = "last_backup";

impl Store {
    /// Notes that a backup begun at this time (ms since 1970) is whole. The latest stands, also where two end in another
    /// order than they began in.
    ///
    /// # Errors
    /// The store cannot be read or written.
    pub fn note_backup(&self, begun_at: i64) -> Result<(), StoreError> {
        let put =
            "INSERT INTO moving (what, told) VALUES ($1, $2) ON CONFLICT (what) DO UPDATE SET told = excluded.told";
        self.backend.transaction(Access::Write, |transaction| {
            let row = transaction.query_opt(KNOWN, &[LAST_BACKUP.into()])?;
            let known = row.map(|row| row.text(0)).transpose()?.and_then(|text| text.parse::<i64>().ok());
            if known.is_none_or(|known| known < begun_at) {
                transaction.execute(put, &[LAST_BACKUP.into(), begun_at.to_string().as_str().into()])?;
            }
            Ok(())
        })
    }

    /// When the last whole backup began, ms since 1970, if there was any.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn last_backup(&self) -> Result<Option<i64>, StoreError> {
        let row = self
            .backend
            .transaction(Access::Read, |transaction| transaction.query_opt(KNOWN, &[LAST_BACKUP.into()]))?;
        Ok(row.map(|row| row.text(0)).transpose()?.and_then(|text| text.parse().ok()))
    }
}

const KNOWN: &str = "SELECT told FROM moving WHERE what = $1";
