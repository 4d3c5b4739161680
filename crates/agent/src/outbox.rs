//! The durable queue. What was answered 202 is here until the platform has it.
//!
//! - A record stands once for each `(kind, parking_serial)`; the same one given again is the same record, also for a while
//!   after it was sent.
//! - A leave waits for its enter; an enter that was refused goes along in its leave (`leave.md`, note 8).
//! - A leave has the `enter_time` of its enter, to the millisecond (note 9).
//! - Pictures are copied in and synced before their record commits, and removed after it was sent.

mod schema;

use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use parkgate_wire::PushKind;
use rusqlite::{Connection, OptionalExtension, Transaction, TransactionBehavior, params};

use crate::config::Disk;
use crate::record::Record;

/// What was sent is known again for so long.
const REMEMBERED_MS: i64 = 14 * 24 * 60 * 60 * 1000;
/// A claim that was not settled by then is free again: its sender is gone.
const LEASE_MS: i64 = 5 * 60 * 1000;

/// Pictures that belong to no record are removed after this.
const STRAY_AFTER: std::time::Duration = std::time::Duration::from_secs(60 * 60);

/// What is wrong with the outbox.
#[derive(Debug, thiserror::Error)]
pub enum OutboxError {
    /// The database.
    #[error("outbox: {0}")]
    Database(#[from] rusqlite::Error),
    /// A picture, or the folder.
    #[error("{0}: {1}")]
    File(PathBuf, std::io::Error),
    /// As many records wait as may.
    #[error("发件箱已满: {0}条待发 (the outbox is full)")]
    Full(u64),
    /// The serial is queued or was sent with other content.
    #[error("流水`{0}`已有不同内容的记录 (another record has this serial)")]
    Taken(String),
}

/// What became of a record given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Added {
    /// It waits to be sent.
    Queued(i64),
    /// It is there already.
    Known(i64),
    /// It was sent already.
    Sent,
}

/// A record on its way.
#[derive(Debug, Clone)]
pub struct Claimed {
    /// Its number.
    pub id: i64,
    /// The call.
    pub kind: PushKind,
    /// `parking_serial`.
    pub parking_serial: String,
    /// What to send.
    pub params: Vec<(String, String)>,
    /// Its pictures.
    pub files: Vec<(String, PathBuf)>,
    /// Failures so far.
    pub attempts: u32,
}

/// What became of a record sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Settled {
    /// The platform has it; with a hint perhaps.
    Sent {
        /// The hint.
        hint: Option<String>,
    },
    /// It will never be taken as it is: aside.
    Dead {
        /// The platform's hint.
        hint: String,
    },
    /// Taken with a hint that someone wants to see first: aside.
    Held {
        /// The platform's hint.
        hint: String,
    },
    /// Again, at this time (ms since 1970).
    Later {
        /// When.
        due: i64,
        /// What happened.
        reason: String,
    },
}

/// A record aside.
#[derive(Debug, Clone)]
pub struct Aside {
    /// Its number.
    pub id: i64,
    /// The call.
    pub kind: PushKind,
    /// `parking_serial`.
    pub parking_serial: String,
    /// What was to be sent.
    pub params: Vec<(String, String)>,
    /// The platform's hint.
    pub hint: String,
    /// Taken with a hint, not refused.
    pub is_held: bool,
}

/// The state at a glance.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Counts {
    /// Waiting to be sent.
    pub queued: u64,
    /// When the oldest of them was given, ms since 1970.
    pub oldest: Option<i64>,
    /// Refused, aside.
    pub dead: u64,
    /// Taken with a hint, aside.
    pub held: u64,
    /// Sent ever.
    pub sent: u64,
    /// Sent with a hint ever.
    pub hinted: u64,
    /// Pictures given up for want of room ever.
    pub pictures_dropped: u64,
    /// Bytes of pictures waiting.
    pub picture_bytes: u64,
    /// The last hint.
    pub last_hint: Option<String>,
    /// The last failure to reach the platform, if nothing was sent since.
    pub last_error: Option<String>,
    /// When a record was last sent, ms since 1970.
    pub last_sent_at: Option<i64>,
}

/// The queue.
pub struct Outbox {
    connection: Mutex<Connection>,
    files: PathBuf,
    disk: Disk,
}

impl Outbox {
    /// Opens the outbox in a folder, making it on first use.
    ///
    /// # Errors
    /// The folder or the database cannot be made or read.
    pub fn open(data: &Path, disk: Disk) -> Result<Outbox, OutboxError> {
        let files = data.join("pictures");
        std::fs::create_dir_all(&files).map_err(|error| OutboxError::File(files.clone(), error))?;
        let mut connection = Connection::open(data.join("outbox.db"))?;
        schema::prepare(&mut connection)?;
        Ok(Outbox { connection: Mutex::new(connection), files, disk })
    }

    /// Frees what a sender that ended had claimed, and removes pictures of records that are not there. Only the one that sends may call it.
    ///
    /// # Errors
    /// The database cannot be written.
    pub fn recover(&self, now: i64) -> Result<(), OutboxError> {
        let connection = self.lock();
        connection.execute("UPDATE records SET due = 0 WHERE state = 0 AND leased = 1", [])?;
        connection.execute("DELETE FROM sent WHERE sent_at < ?1", [now - REMEMBERED_MS])?;
        let mut kept = connection.prepare("SELECT 1 FROM files WHERE name = ?1")?;
        let unreadable = |error| OutboxError::File(self.files.clone(), error);
        for entry in std::fs::read_dir(&self.files).map_err(unreadable)? {
            let entry = entry.map_err(unreadable)?;
            let name = entry.file_name().to_string_lossy().into_owned();
            // Another process may just be adding a record.
            let age = entry.metadata().and_then(|meta| meta.modified()).map(|at| at.elapsed().unwrap_or_default());
            if age.is_ok_and(|age| age > STRAY_AFTER) && !kept.exists([&name])? {
                self.remove(&name);
            }
        }
        Ok(())
    }

    /// Takes a record; when this returns, it is on disk.
    ///
    /// # Errors
    /// It was not taken.
    pub fn add(&self, record: &Record, now: i64) -> Result<Added, OutboxError> {
        let mut connection = self.lock();
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        if let Some(known) = known(&transaction, record)? {
            return Ok(known);
        }
        let queued = schema::number(&transaction, "records")?;
        if queued >= self.disk.records_max {
            return Err(OutboxError::Full(queued));
        }
        schema::count(&transaction, "records", 1)?;
        let params = with_enter_time(&transaction, record)?;
        let json = serde_json::to_string(&params).unwrap_or_default();
        transaction.prepare_cached(
            "INSERT INTO records (kind, serial, digest, params, enter_time, state, attempts, due, leased, added_at) \
             VALUES (?1, ?2, ?3, ?4, ?5, 0, 0, 0, 0, ?6)",
        )?
        .execute(params![
            code(record.kind),
            record.parking_serial,
            record.digest(),
            json,
            record.enter_time,
            now
        ])?;
        let id = transaction.last_insert_rowid();
        self.add_files(&transaction, id, &record.files)?;
        transaction.commit()?;
        Ok(Added::Queued(id))
    }

    /// Copied and synced before the record commits.
    fn add_files(
        &self,
        transaction: &Transaction<'_>,
        id: i64,
        files: &[(String, PathBuf)],
    ) -> Result<(), OutboxError> {
        for (part, path) in files {
            let name = format!("{id}-{part}");
            let kept = self.files.join(&name);
            let copy = || -> std::io::Result<i64> {
                let bytes = std::fs::copy(path, &kept)?;
                std::fs::File::open(&kept)?.sync_all()?;
                Ok(i64::try_from(bytes).unwrap_or(i64::MAX))
            };
            let bytes = copy().map_err(|error| OutboxError::File(path.clone(), error))?;
            schema::count(transaction, "picture_bytes", bytes)?;
            transaction.execute(
                "INSERT INTO files (record_id, part, name, bytes) VALUES (?1, ?2, ?3, ?4)",
                params![id, part, name, bytes],
            )?;
        }
        if files.is_empty() {
            return Ok(());
        }
        std::fs::File::open(&self.files)
            .and_then(|folder| folder.sync_all())
            .map_err(|error| OutboxError::File(self.files.clone(), error))?;
        self.drop_pictures(transaction)
    }

    /// Pictures go first when the disk runs short, the oldest first, and loudly; records stay.
    fn drop_pictures(&self, transaction: &Transaction<'_>) -> Result<(), OutboxError> {
        while schema::number(transaction, "picture_bytes")? > self.disk.picture_bytes_max {
            let oldest = transaction
                .query_row("SELECT record_id, part, name, bytes FROM files ORDER BY record_id LIMIT 1", [], |row| {
                    Ok((
                        row.get::<_, i64>(0)?,
                        row.get::<_, String>(1)?,
                        row.get::<_, String>(2)?,
                        row.get::<_, i64>(3)?,
                    ))
                })
                .optional()?;
            let Some((id, part, name, size)) = oldest else { break };
            tracing::error!(record = id, part, "no room: a picture was given up, its record goes without");
            transaction.execute("DELETE FROM files WHERE record_id = ?1 AND part = ?2", params![id, part])?;
            schema::count(transaction, "pictures_dropped", 1)?;
            schema::count(transaction, "picture_bytes", -size)?;
            self.remove(&name);
        }
        Ok(())
    }

    fn remove(&self, name: &str) {
        let path = self.files.join(name);
        if let Err(error) = std::fs::remove_file(&path)
            && error.kind() != std::io::ErrorKind::NotFound
        {
            tracing::warn!(%error, path = %path.display(), "a picture could not be removed");
        }
    }

    /// Up to `limit` records that may be sent now, each handed to this caller only.
    ///
    /// # Errors
    /// The database cannot be written.
    pub fn claim(&self, limit: usize, now: i64, newest_first: bool) -> Result<Vec<Claimed>, OutboxError> {
        let mut connection = self.lock();
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let order = if newest_first { "DESC" } else { "ASC" };
        let sql = format!(
            "SELECT id, kind, serial, params, attempts FROM records r WHERE state = 0 AND due <= ?1 AND \
             (kind = 0 OR NOT EXISTS (SELECT 1 FROM records e WHERE e.kind = 0 AND e.serial = r.serial AND e.state = 0)) \
             ORDER BY id {order} LIMIT ?2"
        );
        let mut claimed = Vec::new();
        {
            let mut statement = transaction.prepare_cached(&sql)?;
            let mut rows = statement.query(params![now, i64::try_from(limit).unwrap_or(i64::MAX)])?;
            while let Some(row) = rows.next()? {
                let json: String = row.get(3)?;
                claimed.push(Claimed {
                    id: row.get(0)?,
                    kind: kind(row.get(1)?),
                    parking_serial: row.get(2)?,
                    params: serde_json::from_str(&json).unwrap_or_default(),
                    files: Vec::new(),
                    attempts: row.get(4)?,
                });
            }
        }
        for record in &mut claimed {
            record.files = self.files_of(&transaction, record.id)?;
            if record.kind == PushKind::Leave {
                self.bring_enter_along(&transaction, record)?;
            }
            transaction
                .prepare_cached("UPDATE records SET leased = 1, due = ?2 WHERE id = ?1")?
                .execute(params![record.id, now + LEASE_MS])?;
        }
        transaction.commit()?;
        Ok(claimed)
    }

    fn files_of(&self, connection: &Connection, id: i64) -> Result<Vec<(String, PathBuf)>, OutboxError> {
        let mut statement =
            connection.prepare_cached("SELECT part, name FROM files WHERE record_id = ?1 ORDER BY part")?;
        let files = statement
            .query_map([id], |row| Ok((row.get::<_, String>(0)?, self.files.join(row.get::<_, String>(1)?))))?;
        Ok(files.collect::<Result<_, _>>()?)
    }

    /// What the platform refused of the enter, it may still take as the leave's half.
    fn bring_enter_along(&self, connection: &Connection, leave: &mut Claimed) -> Result<(), OutboxError> {
        let enter: Option<(i64, String)> = connection
            .prepare_cached("SELECT id, params FROM records WHERE kind = 0 AND serial = ?1 AND state <> 0")?
            .query_row([&leave.parking_serial], |row| Ok((row.get(0)?, row.get(1)?)))
            .optional()?;
        let Some((id, json)) = enter else { return Ok(()) };
        let params: Vec<(String, String)> = serde_json::from_str(&json).unwrap_or_default();
        for (name, value) in params {
            if name.starts_with("enter_") && !leave.params.iter().any(|(other, _)| *other == name) {
                leave.params.push((name, value));
            }
        }
        for (part, path) in self.files_of(connection, id)? {
            if !leave.files.iter().any(|(other, _)| *other == part) {
                leave.files.push((part, path));
            }
        }
        Ok(())
    }

    /// All that waits may be sent now.
    ///
    /// # Errors
    /// The database cannot be written.
    pub fn hurry(&self) -> Result<(), OutboxError> {
        self.lock().execute("UPDATE records SET due = 0 WHERE state = 0 AND leased = 0 AND due > 0", [])?;
        Ok(())
    }

    /// Writes down what became of records, in one commit.
    ///
    /// # Errors
    /// The database cannot be written: they are claimed again once their lease is over.
    pub fn settle(&self, settled: &[(i64, Settled)], now: i64) -> Result<(), OutboxError> {
        let mut removed = Vec::new();
        let mut connection = self.lock();
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        for (id, settled) in settled {
            match settled {
                Settled::Sent { hint } => {
                    removed.extend(sent(&transaction, *id, now)?);
                    schema::count(&transaction, "sent", 1)?;
                    schema::note(&transaction, "last_error", None)?;
                    schema::note(&transaction, "last_sent_at", Some(&now.to_string()))?;
                    if let Some(hint) = hint {
                        schema::count(&transaction, "hinted", 1)?;
                        schema::note(&transaction, "last_hint", Some(hint))?;
                    }
                }
                Settled::Dead { hint } | Settled::Held { hint } => {
                    let state = if matches!(settled, Settled::Dead { .. }) { 1 } else { 2 };
                    transaction
                        .prepare_cached("UPDATE records SET state = ?2, leased = 0, hint = ?3 WHERE id = ?1")?
                        .execute(params![id, state, hint])?;
                    schema::note(&transaction, "last_hint", Some(hint))?;
                    schema::note(&transaction, "last_error", None)?;
                }
                Settled::Later { due, reason } => {
                    transaction
                        .prepare_cached(
                            "UPDATE records SET due = ?2, leased = 0, attempts = attempts + 1 WHERE id = ?1",
                        )?
                        .execute(params![id, due])?;
                    schema::note(&transaction, "last_error", Some(reason))?;
                }
            }
        }
        transaction.commit()?;
        drop(connection);
        // Only now: a record that is still there must find its pictures.
        removed.iter().for_each(|name| self.remove(name));
        Ok(())
    }

    /// Records aside, oldest first.
    ///
    /// # Errors
    /// The database cannot be read.
    pub fn aside(&self) -> Result<Vec<Aside>, OutboxError> {
        let connection = self.lock();
        let mut statement = connection.prepare(
            "SELECT id, kind, serial, params, coalesce(hint, ''), state FROM records WHERE state <> 0 ORDER BY id",
        )?;
        let rows = statement.query_map([], |row| {
            let json: String = row.get(3)?;
            Ok(Aside {
                id: row.get(0)?,
                kind: kind(row.get(1)?),
                parking_serial: row.get(2)?,
                params: serde_json::from_str(&json).unwrap_or_default(),
                hint: row.get(4)?,
                is_held: row.get::<_, i64>(5)? == 2,
            })
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// Sends records that are aside once more; how many. None named: all.
    ///
    /// # Errors
    /// The database cannot be written.
    pub fn retry(&self, ids: &[i64]) -> Result<usize, OutboxError> {
        let connection = self.lock();
        let sql = "UPDATE records SET state = 0, leased = 0, due = 0, attempts = 0 WHERE state <> 0";
        if ids.is_empty() {
            return Ok(connection.execute(sql, [])?);
        }
        let mut one = connection.prepare(&format!("{sql} AND id = ?1"))?;
        let mut retried = 0;
        for id in ids {
            retried += one.execute([id])?;
        }
        Ok(retried)
    }

    /// Gives records up that are aside; how many.
    ///
    /// # Errors
    /// The database cannot be written.
    pub fn drop_aside(&self, ids: &[i64]) -> Result<usize, OutboxError> {
        let mut names = Vec::new();
        let mut dropped = 0;
        let mut connection = self.lock();
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        for id in ids {
            let is_aside = transaction
                .query_row("SELECT state <> 0 FROM records WHERE id = ?1", [id], |row| row.get::<_, bool>(0))
                .optional()?;
            if is_aside == Some(true) {
                names.extend(forget(&transaction, *id)?);
                dropped += 1;
            }
        }
        transaction.commit()?;
        drop(connection);
        names.iter().for_each(|name| self.remove(name));
        Ok(dropped)
    }

    /// The state at a glance.
    ///
    /// # Errors
    /// The database cannot be read.
    pub fn counts(&self) -> Result<Counts, OutboxError> {
        let connection = self.lock();
        schema::counts(&connection)
    }

    fn lock(&self) -> MutexGuard<'_, Connection> {
        self.connection.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Is it there or sent already? One that is aside and comes with other content is mended: the new one takes its place.
fn known(transaction: &Transaction<'_>, record: &Record) -> Result<Option<Added>, OutboxError> {
    let key = params![code(record.kind), record.parking_serial];
    let queued: Option<(i64, [u8; 16], i64)> = transaction
        .prepare_cached("SELECT id, digest, state FROM records WHERE kind = ?1 AND serial = ?2")?
        .query_row(key, |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))
        .optional()?;
    match queued {
        Some((id, digest, _)) if digest == record.digest() => return Ok(Some(Added::Known(id))),
        Some((_, _, 0)) => return Err(OutboxError::Taken(record.parking_serial.clone())),
        Some((id, ..)) => {
            // Its pictures stay on the disk until the next start; the new record has its own.
            forget(transaction, id)?;
        }
        None => {}
    }
    let sent: Option<[u8; 16]> = transaction
        .prepare_cached("SELECT digest FROM sent WHERE kind = ?1 AND serial = ?2")?
        .query_row(params![code(record.kind), record.parking_serial], |row| row.get(0))
        .optional()?;
    match sent {
        Some(digest) if digest == record.digest() => Ok(Some(Added::Sent)),
        Some(_) => Err(OutboxError::Taken(record.parking_serial.clone())),
        None => Ok(None),
    }
}

/// The enter's `enter_time`, where the agent knows it.
fn with_enter_time(transaction: &Transaction<'_>, record: &Record) -> Result<Vec<(String, String)>, OutboxError> {
    let mut params = record.params.clone();
    if record.kind == PushKind::Enter {
        return Ok(params);
    }
    let entered: Option<i64> = transaction
        .prepare_cached(
            "SELECT enter_time FROM records WHERE kind = 0 AND serial = ?1 \
             UNION ALL SELECT enter_time FROM sent WHERE kind = 0 AND serial = ?1 LIMIT 1",
        )?
        .query_row([&record.parking_serial], |row| row.get(0))
        .optional()?;
    if let Some(entered) = entered.filter(|entered| *entered != record.enter_time)
        && let Some(param) = params.iter_mut().find(|(name, _)| name == "enter_time")
    {
        tracing::warn!(
            parking_serial = record.parking_serial,
            "a leave told another enter_time than its enter: the enter's is sent"
        );
        param.1 = entered.to_string();
    }
    Ok(params)
}

/// Remembers a record as sent and forgets it; the names of its pictures, and of the refused enter's that went along.
fn sent(transaction: &Transaction<'_>, id: i64, now: i64) -> Result<Vec<String>, OutboxError> {
    transaction
        .prepare_cached(
            "INSERT OR REPLACE INTO sent (kind, serial, digest, enter_time, sent_at) \
             SELECT kind, serial, digest, enter_time, ?2 FROM records WHERE id = ?1",
        )?
        .execute(params![id, now])?;
    // A refused enter went along in its leave: it is done with it.
    let enter: Option<i64> = transaction
        .prepare_cached(
            "SELECT e.id FROM records l JOIN records e ON e.serial = l.serial AND e.kind = 0 AND e.state <> 0 \
             WHERE l.id = ?1 AND l.kind = 1",
        )?
        .query_row([id], |row| row.get(0))
        .optional()?;
    let mut names = forget(transaction, id)?;
    if let Some(enter) = enter {
        names.extend(forget(transaction, enter)?);
    }
    Ok(names)
}

fn forget(transaction: &Transaction<'_>, id: i64) -> Result<Vec<String>, OutboxError> {
    let mut names = Vec::new();
    {
        let mut statement =
            transaction.prepare_cached("DELETE FROM files WHERE record_id = ?1 RETURNING name, bytes")?;
        let mut rows = statement.query([id])?;
        while let Some(row) = rows.next()? {
            names.push(row.get(0)?);
            schema::count(transaction, "picture_bytes", -row.get::<_, i64>(1)?)?;
        }
    }
    let gone = transaction.prepare_cached("DELETE FROM records WHERE id = ?1")?.execute([id])?;
    schema::count(transaction, "records", -i64::try_from(gone).unwrap_or(0))?;
    Ok(names)
}

fn code(kind: PushKind) -> i64 {
    i64::from(kind == PushKind::Leave)
}

fn kind(code: i64) -> PushKind {
    if code == 0 { PushKind::Enter } else { PushKind::Leave }
}
