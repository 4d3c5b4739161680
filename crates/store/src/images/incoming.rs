//! Where incoming pictures are written: each process has its own folder, and a lock shows that the process still runs.
//!
//! Several gates may share one folder of pictures. A process makes the file of its lock, takes the lock, and then makes the
//! folder; whoever cleans up takes the lock first, removes the folder, and the file of the lock last. So nothing is removed
//! that somebody writes to, and what a process leaves behind that was killed goes with the next start of any.

use std::fs::File;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use parkgate_seal::disk::{make_folder, make_one, new_file};

/// Of every process, in the folder of pictures.
const INCOMING: &str = "incoming";
const LOCK: &str = "lock";
/// What is there without a lock is of an older version, or its lock was taken away: nobody writes a picture for so long.
const UNLOCKED_AFTER: Duration = Duration::from_secs(24 * 60 * 60);
/// Each fails only where another process cleans up in that very moment.
const TRIES: usize = 100;

/// This process's own folder.
pub(super) struct Incoming {
    folder: PathBuf,
    lock: PathBuf,
    next: AtomicU64,
    _locked: File,
}

impl Incoming {
    /// Removes what processes left behind that ended, and makes a folder for this one.
    pub(super) fn open(pictures: &Path) -> io::Result<Incoming> {
        let all = pictures.join(INCOMING);
        make_folder(&all)?;
        clean(&all)?;
        for _ in 0..TRIES {
            let mut name = [0; 8];
            getrandom::fill(&mut name).map_err(io::Error::other)?;
            let folder = all.join(hex::encode(name));
            let lock = folder.with_extension(LOCK);
            let file = new_file(&lock)?;
            // Unless somebody who cleans up had it first.
            if file.try_lock().is_ok() && lock.exists() {
                make_one(&folder)?;
                return Ok(Incoming { folder, lock, next: AtomicU64::new(0), _locked: file });
            }
        }
        Err(io::Error::other(format!("{}: no folder of its own", all.display())))
    }

    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    /// A new file, for its owner only. Blocks.
    pub(super) fn create(&self) -> io::Result<(PathBuf, File)> {
        let path = self.folder.join(self.next.fetch_add(1, Ordering::Relaxed).to_string());
        match new_file(&path) {
            // Somebody took the folder away: an older version does so when it starts.
            Err(error) if error.kind() == ErrorKind::NotFound => {
                make_folder(&self.folder)?;
                new_file(&path).map(|file| (path, file))
            }
            made => made.map(|file| (path, file)),
        }
    }
}

impl Drop for Incoming {
    fn drop(&mut self) {
        // If something is still in it, the next start takes it.
        if std::fs::remove_dir(&self.folder).is_ok()
            && let Err(error) = std::fs::remove_file(&self.lock)
        {
            tracing::warn!(%error, path = %self.lock.display(), "a lock could not be removed");
        }
    }
}

fn clean(all: &Path) -> io::Result<()> {
    for entry in std::fs::read_dir(all)? {
        let path = entry?.path();
        let cleaned = match path.extension() {
            Some(extension) if extension == LOCK => clean_locked(&path),
            Some(_) | None => clean_unlocked(&path),
        };
        match cleaned {
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
            // Another process was first.
            Ok(()) | Err(_) => {}
        }
    }
    Ok(())
}

/// Leaves the folder of a process that runs.
fn clean_locked(lock: &Path) -> io::Result<()> {
    let file = File::open(lock)?;
    if file.try_lock().is_err() {
        return Ok(());
    }
    let folder = lock.with_extension("");
    match std::fs::remove_dir_all(&folder) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
        Ok(()) | Err(_) => std::fs::remove_file(lock),
    }
}

fn clean_unlocked(path: &Path) -> io::Result<()> {
    let about = std::fs::symlink_metadata(path)?;
    let age = SystemTime::now().duration_since(about.modified()?).unwrap_or_default();
    if path.with_extension(LOCK).exists() || age < UNLOCKED_AFTER {
        return Ok(());
    }
    if about.is_dir() { std::fs::remove_dir_all(path) } else { std::fs::remove_file(path) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(pictures: &Path) -> usize {
        std::fs::read_dir(pictures.join(INCOMING)).unwrap().count()
    }

    #[test]
    fn what_a_running_process_writes_stays_and_what_one_left_that_ended_goes() {
        let pictures = tempfile::tempdir().unwrap();
        let first = Incoming::open(pictures.path()).unwrap();
        let (path, _file) = first.create().unwrap();
        // As a process leaves it that is killed: the lock is free, its file is there.
        let left = pictures.path().join("incoming/0123456789abcdef");
        std::fs::create_dir(&left).unwrap();
        std::fs::write(left.join("0"), "half a picture").unwrap();
        std::fs::write(left.with_extension(LOCK), "").unwrap();
        let second = Incoming::open(pictures.path()).unwrap();
        assert!(path.exists() && !left.exists() && !left.with_extension(LOCK).exists());
        assert_ne!(first.folder, second.folder);
        drop(second);
        assert_eq!(names(pictures.path()), 2, "only the first one's");
        std::fs::remove_file(path).unwrap();
        drop(first);
        assert_eq!(names(pictures.path()), 0);
    }

    #[test]
    fn what_has_no_lock_stays_for_a_day_and_a_folder_taken_away_is_made_again() {
        let pictures = tempfile::tempdir().unwrap();
        let one = Incoming::open(pictures.path()).unwrap();
        let (young, old) = (pictures.path().join("incoming/7"), pictures.path().join("incoming/8"));
        std::fs::write(&young, "of an older version").unwrap();
        let day_ago = SystemTime::now() - UNLOCKED_AFTER - Duration::from_secs(1);
        File::create(&old).unwrap().set_modified(day_ago).unwrap();
        drop(Incoming::open(pictures.path()).unwrap());
        assert!(young.exists() && !old.exists());
        std::fs::remove_dir_all(pictures.path().join(INCOMING)).unwrap();
        assert!(one.create().is_ok() && one.create().is_ok());
    }

    #[test]
    fn many_may_begin_at_once() {
        let pictures = tempfile::tempdir().unwrap();
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    for _ in 0..20 {
                        let one = Incoming::open(pictures.path()).unwrap();
                        let (path, _file) = one.create().unwrap();
                        Incoming::open(pictures.path()).unwrap();
                        std::fs::remove_file(path).unwrap();
                    }
                });
            }
        });
        assert_eq!(names(pictures.path()), 0);
    }
}
