//! A backup put back: into an empty data folder, and into an empty database where it holds a registry.
//!
//! Everything is compared with the manifest first, and only then put in place, with a mark in the folder that no store opens
//! beside: whoever is killed half way leaves a folder that says so, never half a store. The database gets its name last.

mod compare;
mod placing;
mod stream;

use std::fs::File;
use std::io::{ErrorKind, Read};
use std::path::{Path, PathBuf};

use parkgate_seal::disk::{make_folder, new_file, sync_folder};
use parkgate_seal::{MasterKey, Seal};
use tokio::runtime::Handle;

use self::compare::Comparing;
use self::placing::{MayMove, PlacedPictures, copy_file};
use crate::backup::manifest::{DATABASE, REGISTRY, is_key};
use crate::backup::place::write_over;
use crate::backup::{BackupError, BackupPart, BackupPlace, Manifest, ReportBackup, StoreKind, WholeBackup, registry};
use crate::moving::At;
use crate::moving::movable::{FROM, MovableStore};
use crate::restore_mark::MARK;
use crate::sqlite::copying::DatabaseCopy;
use crate::store::backup::BACKUP_PLACE;
use crate::stored::KEY_PROOF;
use crate::syncing::sync_file_system;
use crate::{StoreError, moving, sqlite};

pub use placing::PicturesTo;

/// What comes as a stream, until it was compared.
const STAGED: &str = "restoring";
const KEY: &str = "master.key";

/// What to restore from.
pub enum RestoreSource<'a> {
    /// The newest backup of a place, or the one of this name.
    Place(&'a BackupPlace, Option<&'a str>),
    /// One in the format of `tar`, as `backup -` writes it.
    Tar(Box<dyn Read + 'a>),
}

/// What to restore to.
pub struct RestoreRequest<'a> {
    /// An empty data folder, or none yet.
    pub data: &'a Path,
    /// An empty PostgreSQL database, for the registry.
    pub url: Option<&'a str>,
    /// For the pictures.
    pub pictures: PicturesTo,
    /// A file with the master key.
    pub key_file: Option<&'a Path>,
    /// Of a runtime that the calling thread is none of.
    pub handle: &'a Handle,
}

/// A backup that was restored.
#[derive(Debug)]
pub struct Restored {
    /// Its name.
    pub name: String,
    /// What it holds.
    pub manifest: Manifest,
    /// Where the master key still has to be put, if it is missing.
    pub key_missing: Option<PathBuf>,
    /// Rows of the registry, if it was restored.
    pub registry_rows: Option<u64>,
}

/// Compares a backup with its manifest, and restores nothing; its name and what it holds.
///
/// # Errors
/// Something is missing or damaged.
pub fn compare(place: &BackupPlace, name: Option<&str>, report: ReportBackup<'_>) -> Result<WholeBackup, BackupError> {
    let backup = chosen(place, name)?;
    Comparing::of(place, &backup)?.run(report)?;
    Ok(backup)
}

/// Restores a backup.
///
/// # Errors
/// It is damaged or cannot be read, and nothing was put in place; or what it is restored to cannot be written, and is marked
/// as unfinished.
pub fn restore(
    request: &RestoreRequest<'_>,
    from: RestoreSource<'_>,
    report: ReportBackup<'_>,
) -> Result<Restored, BackupError> {
    refuse_used(request.data)?;
    match from {
        RestoreSource::Place(place, name) => {
            let backup = chosen(place, name)?;
            request.refuse_unfit(&backup.manifest)?;
            Comparing::of(place, &backup)?.run(report)?;
            let mark = Mark::make(request.data)?;
            let key_missing = mark.or_as_it_was(request.put_key(place, &backup))?;
            let restored = request.put(place, backup, key_missing, MayMove::No, report)?;
            mark.remove()?;
            Ok(restored)
        }
        RestoreSource::Tar(stream) => {
            let mark = Mark::make(request.data)?;
            let staged = request.data.join(STAGED);
            let place = BackupPlace::folder(&staged);
            let compared = stream::unpack(stream, &staged).and_then(|()| {
                let backup = chosen(&place, None)?;
                request.refuse_unfit(&backup.manifest)?;
                Comparing::of(&place, &backup)?.run(report)?;
                let key_missing = request.put_key(&place, &backup)?;
                Ok((backup, key_missing))
            });
            let (backup, key_missing) = mark.or_as_it_was(compared)?;
            let restored = request.put(&place, backup, key_missing, MayMove::Yes, report)?;
            remove_all(&staged)?;
            mark.remove()?;
            Ok(restored)
        }
    }
}

fn remove_all(folder: &Path) -> Result<(), BackupError> {
    match std::fs::remove_dir_all(folder) {
        Err(error) if error.kind() != ErrorKind::NotFound => {
            Err(BackupError::written(&folder.display().to_string(), &error))
        }
        Ok(()) | Err(_) => Ok(()),
    }
}

/// The newest backup of a place, or the one that is named.
fn chosen(place: &BackupPlace, name: Option<&str>) -> Result<WholeBackup, BackupError> {
    let mut found = place.backups()?;
    if let Some(name) = name {
        found.retain(|backup| backup.name == name);
    }
    found.pop().ok_or_else(|| BackupError::NoBackup(name.map_or_else(|| place.name.clone(), |name| place.path(name))))
}

/// A folder that holds anything is not restored to.
fn refuse_used(data: &Path) -> Result<(), BackupError> {
    let name = data.display().to_string();
    if data.join(MARK).exists() {
        return Err(BackupError::Unfinished(name));
    }
    match std::fs::read_dir(data) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        Err(error) => Err(BackupError::read(&name, &error)),
        Ok(mut entries) => entries.next().map_or(Ok(()), |_| Err(BackupError::NotEmpty(name))),
    }
}

/// A data folder that no store opens.
struct Mark<'a>(&'a Path);

impl<'a> Mark<'a> {
    fn make(data: &'a Path) -> Result<Mark<'a>, BackupError> {
        let failed = |error: std::io::Error| BackupError::written(&data.display().to_string(), &error);
        make_folder(data).map_err(failed)?;
        // Whoever restores to the same folder at the same time finds it made.
        let made = new_file(&data.join(MARK)).and_then(|file| file.sync_all()).and_then(|()| sync_folder(data));
        match made {
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {
                Err(BackupError::Unfinished(data.display().to_string()))
            }
            made => made.map(|()| Mark(data)).map_err(failed),
        }
    }

    /// Before anything is in place a failure leaves the folder as empty as it was.
    fn or_as_it_was<T>(&self, outcome: Result<T, BackupError>) -> Result<T, BackupError> {
        let Err(error) = outcome else { return outcome };
        remove_all(&self.0.join(STAGED))?;
        for entry in std::fs::read_dir(self.0).into_iter().flatten().flatten() {
            if is_key(&entry.file_name().to_string_lossy()) {
                let removed = std::fs::remove_file(entry.path());
                removed.map_err(|error| BackupError::written(&self.0.display().to_string(), &error))?;
            }
        }
        Mark(self.0).remove()?;
        Err(error)
    }

    fn remove(self) -> Result<(), BackupError> {
        let removed = std::fs::remove_file(self.0.join(MARK)).and_then(|()| sync_folder(self.0));
        removed.map_err(|error| BackupError::written(&self.0.display().to_string(), &error))
    }
}

impl RestoreRequest<'_> {
    /// What is known to fail fails before anything is read whole.
    fn refuse_unfit(&self, manifest: &Manifest) -> Result<(), BackupError> {
        if self.url.is_some() && manifest.store == StoreKind::Sqlite {
            let text = "this is the backup of a data folder: restore it without a database, then `parkgate move`";
            return Err(StoreError::Broken(text.into()).into());
        }
        let is_set = std::env::var_os("PARKGATE_MASTER_KEY").is_some();
        if self.url.is_some() && self.key_file.is_none() && !manifest.has_key() && !is_set {
            return Err(BackupError::NoKey(self.data.join(KEY).display().to_string()));
        }
        Ok(())
    }

    /// Puts everything in place.
    fn put(
        &self,
        place: &BackupPlace,
        backup: WholeBackup,
        key_missing: Option<PathBuf>,
        may_move: MayMove,
        report: ReportBackup<'_>,
    ) -> Result<Restored, BackupError> {
        let failed = |error: std::io::Error| BackupError::written(&self.data.display().to_string(), &error);
        let pictures = PlacedPictures::open(&self.pictures, self.data, self.handle)?;
        let all = backup.manifest.pictures.count;
        pictures
            .put_all(place, place.list_of(&backup)?, may_move, &mut |done| report(BackupPart::Placing, done, all))?;
        let registry_rows = match (backup.manifest.store, self.url) {
            (StoreKind::Sqlite, _) => {
                self.put_database(place, &backup)?;
                None
            }
            (StoreKind::Postgres, None) => None,
            (StoreKind::Postgres, Some(url)) => Some(self.put_registry(place, &backup, url)?),
        };
        sync_file_system(self.data).map_err(failed)?;
        Ok(Restored { name: backup.name, manifest: backup.manifest, key_missing, registry_rows })
    }

    /// Puts the key there that was given, or that the backup has, and proves it; if there is none, where it belongs.
    fn put_key(&self, place: &BackupPlace, backup: &WholeBackup) -> Result<Option<PathBuf>, BackupError> {
        let written = |path: &Path, error: &std::io::Error| BackupError::written(&path.display().to_string(), error);
        if let Some(file) = self.key_file {
            let bytes = std::fs::read(file).map_err(|error| BackupError::read(&file.display().to_string(), &error))?;
            let key = self.data.join(KEY);
            write_over(&key, &bytes).map_err(|error| written(&key, &error))?;
        } else {
            for file in backup.manifest.files.iter().filter(|file| is_key(&file.name)) {
                copy_file(place, &backup.name, file, &self.data.join(&file.name))?;
            }
        }
        let key = self.data.join(KEY);
        let is_set = std::env::var_os("PARKGATE_MASTER_KEY").is_some();
        if !key.exists() && !is_set {
            return Ok(Some(key));
        }
        let name = key.display().to_string();
        let proof = hex::decode(&backup.manifest.key_proof).unwrap_or_default();
        let read = MasterKey::of(self.data, Some(&backup.name));
        let read = read.map_err(|error| BackupError::Read { path: name.clone(), why: error.to_string() })?;
        match Seal::new(&read).open(&proof, BACKUP_PLACE) {
            Ok(text) if text == KEY_PROOF => Ok(None),
            Ok(_) | Err(_) => Err(BackupError::WrongKey(name)),
        }
    }

    fn put_database(&self, place: &BackupPlace, backup: &WholeBackup) -> Result<(), BackupError> {
        let file = backup.manifest.file(DATABASE).ok_or_else(|| BackupError::NoBackup(DATABASE.into()))?;
        let (aside, name) = (self.data.join("parkgate.db.restoring"), self.data.join(sqlite::FILE));
        let failed = |error: std::io::Error| BackupError::written(&name.display().to_string(), &error);
        copy_file(place, &backup.name, file, &aside)?;
        let mut copy = DatabaseCopy::open(&aside)?;
        copy.renumber()?;
        copy.close()?;
        File::open(&aside).and_then(|file| file.sync_all()).map_err(failed)?;
        std::fs::rename(&aside, &name).and_then(|()| sync_folder(self.data)).map_err(failed)
    }

    /// In PostgreSQL the marks of a move keep everybody out until all of it is there.
    fn put_registry(&self, place: &BackupPlace, backup: &WholeBackup, url: &str) -> Result<u64, BackupError> {
        let name = format!("{}/{REGISTRY}", backup.name);
        let lines = place.open(&name)?.ok_or_else(|| BackupError::NoBackup(place.path(&name)))?;
        let database: Box<dyn MovableStore> = moving::open_anew(At { data: self.data, url: Some(url) })?;
        let from = format!("backup {}", backup.manifest.store_id);
        if database.mark(FROM)?.as_deref() == Some(&from) {
            // Of a restore that was interrupted.
            database.clear()?;
        }
        database.claim(&from)?;
        if database.mark(FROM)?.as_deref() != Some(&from) {
            return Err(StoreError::Busy("a move to this database is unfinished".into()).into());
        }
        let (rows, numbers) = registry::put(database.as_ref(), &place.path(&name), lines)?;
        database.finish(&numbers)?;
        Ok(rows)
    }
}
