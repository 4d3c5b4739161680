//! What differs between operating systems: the only place that asks which one this is.

use std::fs::File;
use std::io;
use std::path::Path;

/// Makes new and renamed names in a folder durable. Windows does this by itself and cannot open a folder.
pub(crate) fn sync_folder(folder: &Path) -> io::Result<()> {
    if cfg!(unix) { File::open(folder)?.sync_all() } else { Ok(()) }
}

/// Held as long as the agent runs: one folder has one sender.
pub(crate) struct Lock(#[allow(dead_code, reason = "held, not read")] File);

impl Lock {
    /// Locks a folder for this process; the lock ends with the process, however it ends.
    pub(crate) fn take(folder: &Path) -> io::Result<Lock> {
        let path = folder.join("agent.lock");
        let file = File::options().create(true).truncate(false).write(true).open(&path)?;
        match file.try_lock() {
            Ok(()) => Ok(Lock(file)),
            Err(std::fs::TryLockError::WouldBlock) => Err(io::Error::other(format!(
                "{}: 已有代理在用此目录 (another agent runs on this folder)",
                folder.display()
            ))),
            Err(std::fs::TryLockError::Error(error)) => Err(error),
        }
    }
}
