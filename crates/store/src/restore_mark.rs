//! The mark of a restore that is unfinished: nobody opens a store beside it.

use std::path::Path;

use crate::StoreError;

/// In a data folder.
pub(crate) const MARK: &str = "restore.unfinished";

/// Fails if a restore to this data folder was interrupted.
pub(crate) fn refuse_unfinished(data: &Path) -> Result<(), StoreError> {
    match data.join(MARK).try_exists() {
        Ok(true) => Err(StoreError::Broken(format!(
            "{}: a restore to this folder was interrupted: remove the folder and restore again",
            data.display()
        ))),
        // What cannot be looked at fails where it is opened.
        Ok(false) | Err(_) => Ok(()),
    }
}
