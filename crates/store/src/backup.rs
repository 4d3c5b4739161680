//! Backups of a gate's state, made while it serves.
//!
//! The database is copied first, as it was at one moment after the backup began, and then the pictures that this copy names.
//! A picture is in its place before the record that names it is committed, so each of them is there; but for those that the
//! store let go meanwhile, which the copy then lets go, too. So everything that was acknowledged before the backup began is in
//! it. Of a PostgreSQL database the copy is what `pg_dump` makes, before: the backup takes the registry and the pictures.
//!
//! A place of backups holds a folder for each, and the pictures of all of them once, under their addresses. The manifest of a
//! backup is written last: without one it is none. Nothing of a whole backup is ever written over.

mod destination;
mod lock;
pub(crate) mod manifest;
pub(crate) mod names;
mod pictures;
pub(crate) mod place;
mod prune;
pub(crate) mod registry;
mod target;

use std::io;
use std::num::NonZeroUsize;
use std::path::Path;

use tokio::runtime::Handle;

use self::destination::WorkFolder;
use self::lock::PlaceLock;
use self::manifest::{DATABASE, MANIFEST, PICTURES, REGISTRY};
use self::names::{ListedPictures, NamedPictures};
use self::pictures::{PictureCopies, leave_out, let_go, open_list, write_named};
use self::prune::NUMBER_DIGITS;
use crate::images::{Images, PictureFault};
use crate::moving::At;
use crate::sqlite::copying::{DatabaseCopy, copy_database};
use crate::throttle::Throttle;
use crate::{ImageKey, Store, StoreError};

pub use destination::refuse_unfit;
pub use manifest::{BackupFile, BackupPictures, FORMAT, Manifest, StoreKind};
pub use place::BackupPlace;
pub use prune::WholeBackup;
pub use target::{BackupTarget, TarStream};

/// Why a backup was not made, checked or restored.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Something cannot be read.
    #[error("{path}: {why}")]
    Read {
        /// What.
        path: String,
        /// As the system says it.
        why: String,
    },
    /// Something cannot be written.
    #[error("{path}: {why}")]
    Write {
        /// What.
        path: String,
        /// As the system says it.
        why: String,
    },
    /// No room.
    #[error("no room for {path}: {why}")]
    Full {
        /// For what.
        path: String,
        /// As the system says it.
        why: String,
    },
    /// Another backup is being made into the same place, or by way of the same folder.
    #[error("another backup is being made: {0}")]
    Busy(String),
    /// The place lies where the gate keeps its own state.
    #[error("{0} lies within the data that is backed up")]
    Inside(String),
    /// The folder holds something that is no backup.
    #[error("{0} is not empty and holds no backups")]
    Foreign(String),
    /// A manifest or a list of pictures is none.
    #[error("{path} is damaged: {why}")]
    Manifest {
        /// Which.
        path: String,
        /// What is wrong.
        why: String,
    },
    /// Of a layout that only a newer program knows.
    #[error("{path}: layout {format}, this program knows {known}")]
    Newer {
        /// Which manifest.
        path: String,
        /// Its layout.
        format: u32,
        /// The newest that is known.
        known: u32,
    },
    /// There is no whole backup, or not this one.
    #[error("no backup: {0}")]
    NoBackup(String),
    /// Files are missing or not as the manifest has them.
    #[error("{all} file(s) missing or damaged, the first: {}", .found.join(", "))]
    Damaged {
        /// The first of them.
        found: Vec<String>,
        /// How many.
        all: u64,
    },
    /// What to restore to is not empty.
    #[error("{0} is not empty")]
    NotEmpty(String),
    /// A restore to there was interrupted.
    #[error("a restore to {0} is unfinished")]
    Unfinished(String),
    /// The key is none, or not the one that the backup is sealed under.
    #[error("{0} is not the master key of this backup")]
    WrongKey(String),
    /// A database cannot be restored without its key.
    #[error("the master key is missing: {0}")]
    NoKey(String),
}

impl BackupError {
    pub(crate) fn read(path: &str, error: &io::Error) -> BackupError {
        BackupError::Read { path: path.to_owned(), why: error.to_string() }
    }

    pub(crate) fn written(path: &str, error: &io::Error) -> BackupError {
        let (path, why) = (path.to_owned(), error.to_string());
        match error.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => BackupError::Full { path, why },
            _ => BackupError::Write { path, why },
        }
    }
}

/// What a backup or a restore is at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BackupPart {
    /// The copy of the database: bytes.
    Database,
    /// Pictures.
    Pictures,
    /// Files of a backup that are compared with its manifest: bytes.
    Comparing,
    /// Pictures that are put in place.
    Placing,
}

/// How far it is.
pub type ReportBackup<'a> = &'a mut dyn FnMut(BackupPart, u64, u64);

/// What to back up, and how.
pub struct BackupRequest<'a> {
    /// The store, and where it is.
    pub store: &'a Store,
    /// Its data folder, and its database.
    pub at: At<'a>,
    /// Its pictures.
    pub images: &'a Images,
    /// Of a runtime that the calling thread is none of.
    pub handle: &'a Handle,
    /// When it begins, ms since 1970.
    pub made_at: i64,
    /// The same as it stands in the backup's name.
    pub label: &'a str,
    /// This program.
    pub version: &'a str,
    /// Takes the master key along.
    pub with_key: bool,
    /// Removes older backups of the place, but for so many with this one.
    pub keep: Option<NonZeroUsize>,
    /// How fast.
    pub throttle: &'a Throttle,
    /// Where the copy of the database is made, unless the backup goes to a folder.
    pub work: &'a Path,
}

/// A backup that was made.
#[derive(Debug)]
pub struct BackupMade {
    /// The name of its folder.
    pub name: String,
    /// What it holds.
    pub manifest: Manifest,
    /// Pictures that were copied; the others were there.
    pub copied_pictures: u64,
    /// Bytes of these.
    pub copied_bytes: u64,
    /// Pictures that records name and that are not in it.
    pub faults: Vec<(ImageKey, PictureFault)>,
    /// Older backups that were removed.
    pub removed_backups: u64,
    /// Pictures that were removed with them.
    pub removed_pictures: u64,
}

/// Makes a backup.
///
/// # Errors
/// It was not made; backups that were there before are whole.
pub fn back_up(
    request: &BackupRequest<'_>,
    to: &BackupTarget<'_>,
    report: ReportBackup<'_>,
) -> Result<BackupMade, BackupError> {
    let (begun, listed) = BackupUnderWay::begin(request, to)?;
    let made = request.make(&begun, listed, to, report);
    if made.is_err()
        && let BackupTarget::Place(place) = to
        && let Err(error) = place.remove_folder(&begun.name)
    {
        tracing::warn!(%error, "what was made of the backup is left; the next one removes it");
    }
    let mut made = made?;
    if let (BackupTarget::Place(place), Some(keep)) = (to, request.keep) {
        (made.removed_backups, made.removed_pictures) = place.prune(&place.backups()?, keep.get())?;
    }
    Ok(made)
}

/// A backup under way.
struct BackupUnderWay {
    name: String,
    work: WorkFolder,
    _lock: Option<PlaceLock>,
}

impl BackupUnderWay {
    /// Beside it, the list of the newest whole backup in the same place.
    fn begin(
        request: &BackupRequest<'_>,
        to: &BackupTarget<'_>,
    ) -> Result<(BackupUnderWay, ListedPictures), BackupError> {
        let BackupTarget::Place(place) = to else {
            let name = format!("{:0NUMBER_DIGITS$}-{}", 1, request.label);
            let work = WorkFolder::aside(request.work)?;
            return Ok((BackupUnderWay { name, work, _lock: None }, ListedPictures::new(Vec::new())?));
        };
        let lock = place.lock()?;
        let whole = place.backups()?;
        let highest = place.remove_unfinished(&whole)?;
        let name = format!("{:0NUMBER_DIGITS$}-{}", highest + 1, request.label);
        let list = match whole.last().map(|newest| place.list_of(newest)) {
            None => None,
            Some(Ok(list)) => Some(list),
            Some(Err(error)) => {
                tracing::warn!(%error, "the newest backup's list of pictures is of no use: each picture is compared");
                None
            }
        };
        place.make(&name)?;
        let work = match place.as_folder() {
            Some(folder) => WorkFolder::own(folder.join(&name)),
            None => WorkFolder::aside(request.work)?,
        };
        Ok((BackupUnderWay { name, work, _lock: Some(lock) }, ListedPictures::new(list.into_iter().collect())?))
    }
}

/// The database's part of a backup, of either kind.
struct DatabasePart {
    kind: StoreKind,
    highest_record: i64,
    copy: Option<DatabaseCopy>,
    all: BackupPictures,
}

impl BackupRequest<'_> {
    fn make(
        &self,
        begun: &BackupUnderWay,
        listed: ListedPictures,
        to: &BackupTarget<'_>,
        report: ReportBackup<'_>,
    ) -> Result<BackupMade, BackupError> {
        let list = begun.work.path(PICTURES);
        let mut database = self.database(&begun.work, &list, report)?;
        let copies = PictureCopies { from: self.images, to, handle: self.handle, throttle: self.throttle };
        let mut report = |done| report(BackupPart::Pictures, done, database.all.count);
        let copied = copies.copy(open_list(&list)?, listed, &mut report)?;
        let gone = let_go(&copied.faults, self.store)?;
        if let Some(copy) = &mut database.copy {
            copy.let_go(&gone)?;
        }
        let mut held = if copied.faults.is_empty() { database.all } else { leave_out(&list, &copied.faults)? };
        let faults: Vec<_> = copied.faults.into_iter().filter(|(key, _)| !gone.contains(key)).collect();
        held.missing = faults.len() as u64;
        let manifest = self.finish(begun, to, database, held)?;
        Ok(BackupMade {
            name: begun.name.clone(),
            manifest,
            copied_pictures: copied.count,
            copied_bytes: copied.bytes,
            faults,
            removed_backups: 0,
            removed_pictures: 0,
        })
    }

    /// Copies the database, or its registry, and writes the list of the pictures that it names.
    fn database(&self, work: &WorkFolder, list: &Path, report: ReportBackup<'_>) -> Result<DatabasePart, BackupError> {
        if self.at.url.is_some() {
            let live = crate::moving::open(self.at)?;
            let highest_record = self.store.highest_record()?;
            registry::write(live.as_ref(), &work.path(REGISTRY))?;
            let page = |table: &str, after: &[u8], limit| live.pictures(table, after, limit);
            let all = write_named(list, NamedPictures::new(page))?;
            return Ok(DatabasePart { kind: StoreKind::Postgres, highest_record, copy: None, all });
        }
        let mut report = |done, all| report(BackupPart::Database, done, all);
        let copy = copy_database(self.at.data, &work.path(DATABASE), self.throttle, &mut report)?;
        let all = write_named(
            list,
            NamedPictures::new(|table: &str, after: &[u8], limit| copy.pictures(table, after, limit)),
        )?;
        Ok(DatabasePart { kind: StoreKind::Sqlite, highest_record: copy.highest_record()?, copy: Some(copy), all })
    }

    /// Takes the files, with their sums, and writes the manifest.
    fn finish(
        &self,
        begun: &BackupUnderWay,
        to: &BackupTarget<'_>,
        database: DatabasePart,
        pictures: BackupPictures,
    ) -> Result<Manifest, BackupError> {
        let take = |path: &Path, name: &str| to.take(path, &begun.name, name);
        let mut files = Vec::new();
        match database.copy {
            Some(copy) => files.push(take(&copy.close()?, DATABASE)?),
            None => files.push(take(&begun.work.path(REGISTRY), REGISTRY)?),
        }
        files.push(take(&begun.work.path(PICTURES), PICTURES)?);
        if self.with_key {
            let keys = destination::key_files(self.at.data)?;
            if keys.is_empty() {
                return Err(BackupError::NoKey(self.at.data.join("master.key").display().to_string()));
            }
            for (name, path) in keys {
                let copy = begun.work.copy_of(&path, &name)?;
                files.push(take(&copy, &name)?);
            }
        }
        let manifest = Manifest {
            format: FORMAT,
            version: self.version.to_owned(),
            made_at: self.made_at,
            store: database.kind,
            store_id: self.store.id()?,
            highest_record: database.highest_record,
            key_proof: hex::encode(self.store.key_proof()?),
            files,
            pictures,
        };
        to.finish(&format!("{}/{MANIFEST}", begun.name), &manifest.to_json()?)?;
        Ok(manifest)
    }
}
