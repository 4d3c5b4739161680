//! What differs between operating systems: the only place that asks which one this is.

use std::fs::File;
use std::io;
use std::path::Path;

/// Makes new and renamed names in a folder durable. Windows does this by itself and cannot open a folder.
pub(crate) fn sync_folder(folder: &Path) -> io::Result<()> {
    if cfg!(unix) { File::open(folder)?.sync_all() } else { Ok(()) }
}

/// Makes a folder, and those above it that are missing. Their names are durable when this returns: records in a folder
/// whose own name is not would be gone with it after a power cut.
pub(crate) fn make_folder(folder: &Path) -> io::Result<()> {
    let folder = std::path::absolute(folder)?;
    let mut missing = Vec::new();
    let mut above = Some(folder.as_path());
    while let Some(path) = above.filter(|path| !path.is_dir()) {
        missing.push(path);
        above = path.parent();
    }
    // The deepest that was there, too: who made it may have ended before its name was durable.
    above.map_or(Ok(()), sync_name)?;
    for path in missing.into_iter().rev() {
        match std::fs::create_dir(path) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists || !path.is_dir() => return Err(error),
            Ok(()) | Err(_) => sync_name(path)?,
        }
    }
    Ok(())
}

/// The name of a folder in the one above. One that may not be read was not made by this process.
fn sync_name(folder: &Path) -> io::Result<()> {
    match folder.parent().map_or(Ok(()), sync_folder) {
        Err(error) if error.kind() != io::ErrorKind::PermissionDenied => Err(error),
        Ok(()) | Err(_) => Ok(()),
    }
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
