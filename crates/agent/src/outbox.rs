//! The outbox, a durable queue. What was answered 202 stays here until the platform has it.
//!
//! - There is one record for each `(kind, key)`: the `parking_serial` of an enter or a leave, the own key of a release or an
//!   update. The same one handed in again is recognised, also for a while after it was sent.
//! - Every other record waits for the enter of its stay, and an update for the updates before it; an enter that was refused is sent along in its leave (`leave.md`, note 8).
//! - A leave has the `enter_time` of its enter, to the millisecond (note 9).
//! - The number of free spaces is attached when a record is accepted, since it is valid for that moment (note 5).
//! - Pictures are copied in and synced before their record is committed, and removed once it was sent.

pub(crate) mod checkpoint;
mod claim;
mod dead_letters;
mod pictures;
mod schema;
mod settle;
mod types;
mod upkeep;
mod vault;

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use parkgate_seal::disk::{make_folder, open_file};
use parkgate_seal::{KeyError, SealError};
use parkgate_text::texts;
use parkgate_wire::{PushKind, UnixMillis};
use rusqlite::{Connection, OptionalExtension, Transaction, TransactionBehavior, params};

use crate::record::Record;
use crate::space::{SpaceCount, SpaceSource};

use upkeep::Age;
use vault::Vault;

pub use types::{Added, ClaimedRecord, Counts, DeadLetter, DiskLimits, Settlement};

/// Why the outbox did not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum OutboxError {
    /// The database.
    #[error("outbox: {0}")]
    Database(#[from] rusqlite::Error),
    /// A picture, or the folder.
    #[error("{0}: {1}")]
    File(PathBuf, std::io::Error),
    /// The master key.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// ID data cannot be sealed or opened.
    #[error(transparent)]
    Seal(#[from] SealError),
    /// A record is not what was written.
    #[error("damaged on disk: {0}")]
    Damaged(String),
    /// As many records are waiting as are allowed.
    #[error("{}", (texts().agent_half.full)(*.0))]
    Full(u64),
    /// A record with this key and other content is queued or was sent.
    #[error("{}", (texts().agent_half.taken)(.0))]
    Taken(String),
}

/// The queue.
pub struct Outbox {
    connection: Mutex<Connection>,
    /// Claimed for sending, and not settled yet.
    claimed: Mutex<HashSet<i64>>,
    files: PathBuf,
    disk: DiskLimits,
    space: SpaceSource,
    age: Age,
    vault: Vault,
}

/// The database in the outbox's folder.
pub(crate) const FILE: &str = "outbox.db";
/// The agent's own files and folders there, besides the master key.
pub(crate) const OURS: [&str; 6] = [FILE, "outbox.db-wal", "outbox.db-shm", "agent.lock", "pictures", "incoming"];

impl Outbox {
    /// Opens the outbox in a folder, making it on first use.
    ///
    /// # Errors
    /// The folder or the database cannot be made or read.
    pub fn open(data: &Path, disk: DiskLimits, space: SpaceSource) -> Result<Outbox, OutboxError> {
        let (files, path) = (data.join("pictures"), data.join(FILE));
        let unmade = |path: &PathBuf, error| OutboxError::File(path.clone(), error);
        make_folder(&files).map_err(|error| unmade(&files, error))?;
        // Made before SQLite does it, so that only its owner can read it and the files that SQLite puts beside it.
        open_file(&path).map_err(|error| unmade(&path, error))?;
        let vault = Vault::open(data)?;
        let mut connection = Connection::open(path)?;
        schema::prepare(&mut connection)?;
        vault.seal_stored(&mut connection)?;
        let age = Age::read(&connection, parkgate_client::now())?;
        let claimed = Mutex::new(HashSet::new());
        Ok(Outbox { connection: Mutex::new(connection), claimed, files, disk, space, age, vault })
    }

    /// Accepts a record. When this returns, it is on disk.
    ///
    /// # Errors
    /// It was not accepted.
    pub fn add(&self, record: &Record, now: UnixMillis) -> Result<Added, OutboxError> {
        let on_their_way = if record.files.is_empty() { HashSet::new() } else { self.claimed() };
        let mut connection = self.lock();
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let mut removed = match known(&transaction, record, &self.vault)? {
            Earlier::Nothing => Vec::new(),
            Earlier::Corrected(pictures) => pictures,
            Earlier::Same(added) => return Ok(added),
        };
        let queued = schema::number(&transaction, "records")?;
        if queued >= self.disk.records_max {
            return Err(OutboxError::Full(queued));
        }
        schema::count(&transaction, "records", 1)?;
        let mut params = with_enter_time(&transaction, record)?;
        add_hand_in_time(record, &mut params, now);
        if let Some(happened_at) = record.happened_at {
            self.space.attach(happened_at, &mut params, schema::space(&transaction)?, now);
        }
        let (params, personal) = self.vault.split(record, params)?;
        let json = serde_json::to_string(&params).unwrap_or_default();
        transaction
            .prepare_cached(
                "INSERT INTO records (kind, serial, own_key, digest, params, enter_time, state, attempts, due, added_at, \
                 personal) VALUES (?1, ?2, ?3, ?4, ?5, ?6, 0, 0, 0, ?7, ?8)",
            )?
            .execute(params![
                code(record.kind),
                record.parking_serial,
                record.own_key,
                self.vault.digest(record),
                json,
                record.enter_time.map_or(0, |time| time.0),
                now.0,
                personal
            ])?;
        let id = transaction.last_insert_rowid();
        removed.extend(self.add_files(&transaction, id, &record.files, &on_their_way)?);
        transaction.commit()?;
        drop(connection);
        // Only after the commit: a record that is still there must find its pictures.
        removed.iter().for_each(|name| self.remove(name));
        Ok(Added::Queued(id))
    }

    /// Notes the free spaces that the car park's software reported, for the records that follow.
    ///
    /// # Errors
    /// The database cannot be written.
    pub fn note_space(&self, space: SpaceCount, now: UnixMillis) -> Result<(), OutboxError> {
        let SpaceCount { total, remain } = space;
        schema::note(&self.lock(), "space", Some(&format!("{total} {remain} {now}")))
    }

    /// Notes the problem that a person must fix, or that there is none.
    ///
    /// # Errors
    /// The database cannot be written.
    pub fn note_problem(&self, problem: Option<&str>) -> Result<(), OutboxError> {
        schema::note(&self.lock(), "problem", problem)
    }

    /// All counts.
    ///
    /// # Errors
    /// The database cannot be read.
    pub fn counts(&self, now: UnixMillis) -> Result<Counts, OutboxError> {
        schema::counts(&self.lock(), now)
    }

    /// Does the database answer? It waits for whoever uses it.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn probe(&self) -> Result<(), OutboxError> {
        Ok(self.lock().query_row("SELECT 1 FROM sqlite_schema LIMIT 1", [], |_| Ok(()))?)
    }

    fn lock(&self) -> MutexGuard<'_, Connection> {
        self.connection.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What the outbox knows of a record that is handed in.
enum Earlier {
    Nothing,
    Same(Added),
    /// It replaces a dead letter, whose pictures these are.
    Corrected(Vec<String>),
}

/// Is the record queued or sent already? A dead letter that is handed in with other content has been corrected: the new one
/// replaces it.
fn known(transaction: &Transaction<'_>, record: &Record, vault: &Vault) -> Result<Earlier, OutboxError> {
    let key = params![record.own_key.as_ref().unwrap_or(&record.parking_serial), code(record.kind)];
    // Each by an index of its own, which SQLite uses only if the query repeats its condition.
    let sql = match record.own_key {
        None => "SELECT id, digest, state FROM records WHERE serial = ?1 AND kind = ?2 AND own_key IS NULL",
        Some(_) => "SELECT id, digest, state FROM records WHERE own_key = ?1 AND kind = ?2",
    };
    let queued: Option<(i64, [u8; 16], i64)> = transaction
        .prepare_cached(sql)?
        .query_row(key, |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))
        .optional()?;
    match queued {
        Some((id, digest, _)) if vault.is_digest(digest, record) => return Ok(Earlier::Same(Added::Known(id))),
        Some((_, _, 0)) => return Err(OutboxError::Taken(record.name())),
        Some((id, ..)) => return Ok(Earlier::Corrected(settle::forget(transaction, id)?)),
        None => {}
    }
    let sent: Option<[u8; 16]> = transaction
        .prepare_cached("SELECT digest FROM sent WHERE serial = ?1 AND kind = ?2")?
        .query_row(key, |row| row.get(0))
        .optional()?;
    match sent {
        Some(digest) if vault.is_digest(digest, record) => Ok(Earlier::Same(Added::Sent)),
        Some(_) => Err(OutboxError::Taken(record.name())),
        None => Ok(Earlier::Nothing),
    }
}

/// A record's parameters; a leave's with the `enter_time` of its enter if the agent knows it. An update says what the time is now.
fn with_enter_time(transaction: &Transaction<'_>, record: &Record) -> Result<Vec<(String, String)>, OutboxError> {
    let mut params = record.params.clone();
    if record.kind != PushKind::Leave {
        return Ok(params);
    }
    let entered: Option<i64> = transaction
        .prepare_cached(
            "SELECT enter_time FROM records WHERE kind = 0 AND serial = ?1 AND own_key IS NULL \
             UNION ALL SELECT enter_time FROM sent WHERE kind = 0 AND serial = ?1 LIMIT 1",
        )?
        .query_row([&record.parking_serial], |row| row.get(0))
        .optional()?;
    if let Some(entered) = entered.filter(|entered| record.enter_time != Some(UnixMillis(*entered)))
        && let Some(param) = params.iter_mut().find(|(name, _)| name == "enter_time")
    {
        tracing::warn!(
            parking_serial = record.parking_serial,
            "a leave has another enter_time than its enter: the enter's is sent"
        );
        param.1 = entered.to_string();
    }
    Ok(params)
}

/// A release or an update that does not say when it was done was done when it was handed in. It says so from then on: what is sent
/// again must be the same push.
fn add_hand_in_time(record: &Record, params: &mut Vec<(String, String)>, now: UnixMillis) {
    let name = match record.kind {
        PushKind::Enter | PushKind::Leave => return,
        PushKind::Release => "release_time",
        PushKind::Update => "operate_time",
    };
    if record.get(name).is_none() {
        params.push((name.to_owned(), now.to_iso()));
    }
}

/// Works at the outbox on a blocking thread.
///
/// # Errors
/// As the work; or it panicked.
pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, OutboxError> + Send + 'static,
) -> Result<T, OutboxError> {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done,
        Err(error) => Err(OutboxError::File("outbox".into(), std::io::Error::other(error))),
    }
}

fn code(kind: PushKind) -> i64 {
    match kind {
        PushKind::Enter => 0,
        PushKind::Leave => 1,
        PushKind::Release => 2,
        PushKind::Update => 3,
    }
}

fn kind(stored: i64) -> Result<PushKind, OutboxError> {
    let known = PushKind::ALL.into_iter().find(|kind| code(*kind) == stored);
    known.ok_or_else(|| OutboxError::Damaged(format!("kind {stored}")))
}

#[cfg(test)]
mod tests;
