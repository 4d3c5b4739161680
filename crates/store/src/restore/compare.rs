//! Every file of a backup, read whole and compared with its manifest; nothing is written.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use crate::ImageKey;
use crate::backup::manifest::{DATABASE, PICTURES, REGISTRY, picture_path};
use crate::backup::{BackupError, BackupPart, BackupPlace, ReportBackup, StoreKind, WholeBackup};
use crate::workers::at_once;

/// Read at once.
const THREADS: usize = 4;
/// Named in the error, at most.
const NAMED_MAX: usize = 20;
/// Handed to a thread at once.
const GIVEN: usize = 64;

pub(super) struct Comparing<'a> {
    place: &'a BackupPlace,
    backup: &'a WholeBackup,
    found: Mutex<(Vec<String>, u64)>,
    done: AtomicU64,
}

impl<'a> Comparing<'a> {
    pub(super) fn of(place: &'a BackupPlace, backup: &'a WholeBackup) -> Result<Comparing<'a>, BackupError> {
        let wanted = match backup.manifest.store {
            StoreKind::Sqlite => [DATABASE, PICTURES],
            StoreKind::Postgres => [REGISTRY, PICTURES],
        };
        match wanted.into_iter().find(|name| backup.manifest.file(name).is_none()) {
            None => Ok(Comparing { place, backup, found: Mutex::default(), done: AtomicU64::new(0) }),
            Some(name) => {
                let why = format!("it has no {name}");
                Err(BackupError::Manifest { path: place.path(&backup.name), why })
            }
        }
    }

    /// Compares all of it.
    pub(super) fn run(self, report: ReportBackup<'_>) -> Result<(), BackupError> {
        let Comparing { place, backup, .. } = self;
        let files = &backup.manifest.files;
        let all = files.iter().map(|file| file.size).sum::<u64>() + backup.manifest.pictures.bytes;
        for file in files {
            report(BackupPart::Comparing, self.done.load(Ordering::Relaxed), all);
            if !place.has(&backup.name, file)? {
                self.add(place.path(&format!("{}/{}", backup.name, file.name)));
            }
            self.done.fetch_add(file.size, Ordering::Relaxed);
        }
        // Without its list nothing is known of the pictures.
        self.outcome()?;
        self.pictures(&mut |done| report(BackupPart::Comparing, done, all))?;
        self.outcome()
    }

    fn pictures(&self, report: &mut dyn FnMut(u64)) -> Result<(), BackupError> {
        let mut list = self.place.list_of(self.backup)?;
        let mut count = 0;
        let next = || {
            let mut given = Vec::with_capacity(GIVEN);
            while given.len() < GIVEN
                && let Some(picture) = list.next()?
            {
                given.push(picture);
            }
            count += given.len() as u64;
            report(self.done.load(Ordering::Relaxed));
            Ok::<_, BackupError>(Some(given).filter(|given| !given.is_empty()))
        };
        at_once(THREADS, next, |given: Vec<(ImageKey, u64)>| {
            for (key, size) in given {
                let path = picture_path(&key);
                if self.place.sum(&path)? != Some((size, hex::encode(key.0))) {
                    self.add(self.place.path(&path));
                }
                self.done.fetch_add(size, Ordering::Relaxed);
            }
            Ok(())
        })?;
        if count == self.backup.manifest.pictures.count {
            return Ok(());
        }
        let why = format!("{count} pictures, not {}", self.backup.manifest.pictures.count);
        Err(BackupError::Manifest { path: self.place.path(&format!("{}/{PICTURES}", self.backup.name)), why })
    }

    fn add(&self, path: String) {
        let mut found = self.found.lock().unwrap_or_else(PoisonError::into_inner);
        found.1 += 1;
        if found.0.len() < NAMED_MAX {
            found.0.push(path);
        }
    }

    fn outcome(&self) -> Result<(), BackupError> {
        let (mut found, all) = self.found.lock().unwrap_or_else(PoisonError::into_inner).clone();
        found.sort();
        if all == 0 { Ok(()) } else { Err(BackupError::Damaged { found, all }) }
    }
}
