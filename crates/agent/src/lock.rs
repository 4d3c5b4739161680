//! One agent per folder.

use std::fs::File;
use std::io;
use std::path::Path;

use parkgate_seal::disk::open_file;
use parkgate_text::texts;

/// Held while the agent runs: a folder has one sender.
pub(crate) struct Lock(#[allow(dead_code, reason = "held, not read")] File);

impl Lock {
    /// Locks a folder for this process; the lock ends with the process, however it ends.
    pub(crate) fn take(folder: &Path) -> io::Result<Lock> {
        let path = folder.join("agent.lock");
        let file = open_file(&path)?;
        match file.try_lock() {
            Ok(()) => Ok(Lock(file)),
            Err(std::fs::TryLockError::WouldBlock) => {
                Err(io::Error::other((texts().agent_half.folder_taken)(&folder.display().to_string())))
            }
            Err(std::fs::TryLockError::Error(error)) => Err(error),
        }
    }
}
