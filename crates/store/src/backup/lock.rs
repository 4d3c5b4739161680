//! One backup at a time into a place.
//!
//! In a folder by a lock that ends with the process. In a bucket by an object that whoever makes a backup writes anew every
//! minute: one that is older than that by far was left by somebody who was killed.

use std::fs::{File, TryLockError};
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::{Duration, SystemTime};

use object_store::path::Path as ObjectPath;
use object_store::{ObjectStore, ObjectStoreExt, PutMode, PutOptions};
use tokio::runtime::Handle;

use super::BackupError;

/// The name of the lock, in either.
pub(super) const LOCK: &str = "backup.lock";
/// How often the object is written anew.
const RENEWED_EVERY: Duration = Duration::from_secs(60);
/// From this age on it was left behind: more than clocks may differ by, since S3 takes no requests of such a clock.
const LEFT_AFTER: Duration = Duration::from_secs(20 * 60);

/// Held while a backup is made.
pub(super) enum PlaceLock {
    Folder { _file: File },
    Bucket { end: Option<Sender<()>>, renewing: Option<JoinHandle<()>> },
}

impl PlaceLock {
    pub(super) fn of_folder(folder: &Path) -> Result<PlaceLock, BackupError> {
        let path = folder.join(LOCK);
        let failed = |error: std::io::Error| BackupError::written(&path.display().to_string(), &error);
        let file = parkgate_seal::disk::open_file(&path).map_err(failed)?;
        match file.try_lock() {
            Ok(()) => Ok(PlaceLock::Folder { _file: file }),
            Err(TryLockError::WouldBlock) => Err(BackupError::Busy(folder.display().to_string())),
            Err(TryLockError::Error(error)) => Err(failed(error)),
        }
    }

    pub(super) fn of_bucket(
        name: &str,
        objects: &Arc<dyn ObjectStore>,
        handle: &Handle,
    ) -> Result<PlaceLock, BackupError> {
        let failed =
            |error: object_store::Error| BackupError::Write { path: format!("{name}/{LOCK}"), why: error.to_string() };
        let path = ObjectPath::from(LOCK);
        let mut own = [0; 16];
        getrandom::fill(&mut own).map_err(|error| BackupError::Write { path: LOCK.into(), why: error.to_string() })?;
        let own = hex::encode(own);
        let busy = || BackupError::Busy(name.to_owned());
        handle.block_on(async {
            match objects.head(&path).await {
                Ok(found) if is_left(found.last_modified.into(), SystemTime::now()) => {
                    objects.delete(&path).await.map_err(failed)?;
                }
                Ok(_) => return Err(busy()),
                Err(object_store::Error::NotFound { .. }) => {}
                Err(error) => return Err(failed(error)),
            }
            let options = PutOptions { mode: PutMode::Create, ..PutOptions::default() };
            match objects.put_opts(&path, own.clone().into(), options).await {
                Ok(_) => {}
                Err(object_store::Error::AlreadyExists { .. }) => return Err(busy()),
                Err(error) => return Err(failed(error)),
            }
            // A server that knows no conditions takes both of two at once, and keeps one.
            let kept = objects.get(&path).await.map_err(failed)?.bytes().await.map_err(failed)?;
            if kept == own.as_bytes() { Ok(()) } else { Err(busy()) }
        })?;
        let (end, ended) = channel();
        let (objects, handle) = (Arc::clone(objects), handle.clone());
        let renew = move || {
            while let Err(RecvTimeoutError::Timeout) = ended.recv_timeout(RENEWED_EVERY) {
                if let Err(error) = handle.block_on(objects.put(&path, own.clone().into())) {
                    tracing::warn!(%error, "the lock of the backup could not be renewed");
                }
            }
            if let Err(error) = handle.block_on(objects.delete(&path)) {
                tracing::warn!(%error, "the lock of the backup could not be removed");
            }
        };
        let renewing = std::thread::Builder::new().name("backup lock".into()).spawn(renew);
        let renewing = renewing.map_err(|error| BackupError::written(LOCK, &error))?;
        Ok(PlaceLock::Bucket { end: Some(end), renewing: Some(renewing) })
    }
}

impl Drop for PlaceLock {
    fn drop(&mut self) {
        if let PlaceLock::Bucket { end, renewing } = self {
            drop(end.take());
            if let Some(renewing) = renewing.take()
                && renewing.join().is_err()
            {
                tracing::warn!("the thread of the backup's lock ended badly");
            }
        }
    }
}

/// Was a lock of this time left behind?
fn is_left(written: SystemTime, now: SystemTime) -> bool {
    now.duration_since(written).is_ok_and(|age| age > LEFT_AFTER)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_locked_by_one_and_a_lock_left_behind_is_known_by_its_age() {
        let folder = tempfile::tempdir().unwrap();
        let held = PlaceLock::of_folder(folder.path()).unwrap();
        assert!(matches!(PlaceLock::of_folder(folder.path()), Err(BackupError::Busy(_))));
        drop(held);
        assert!(PlaceLock::of_folder(folder.path()).is_ok());
        let now = SystemTime::now();
        assert!(!is_left(now, now) && !is_left(now - LEFT_AFTER, now) && !is_left(now + LEFT_AFTER, now));
        assert!(is_left(now - LEFT_AFTER - Duration::from_secs(1), now));
    }
}
