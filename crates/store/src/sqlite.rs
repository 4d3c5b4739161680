//! SQLite behind the store: one file, WAL, `synchronous=FULL`; one writer, readers beside it.

mod checkpoint;
pub(crate) mod copying;
mod delivery;
mod migrate;
pub(crate) mod moving;
mod pages;
mod recopy;
mod record;
mod transaction;

use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use parkgate_ledger::Verdict;
use rusqlite::config::DbConfig;
use rusqlite::trace::{TraceEvent, TraceEventCodes};
use rusqlite::{Connection, ErrorCode, OpenFlags, TransactionBehavior, ffi};

use self::checkpoint::Checkpointer;
use self::record::Writer;
use self::transaction::SqliteTransaction;
use crate::backend::dialect::Dialect;
use crate::backend::keys::{KeyHolder, another_key};
use crate::backend::{Access, Backend, Work};
use crate::figures::StoreFigures;
use crate::months::Months;
use crate::reserve::{ROOM_BYTES_MIN, Reserve};
use crate::{Alarm, Entry, StoreError};
use parkgate_seal::disk::{keep_from_others, make_folder};
use parkgate_seal::{KeyRing, MasterKey};

/// In the data folder.
pub(crate) const FILE: &str = "parkgate.db";
/// Of a data folder, beside the master key.
pub(crate) const OURS: [&str; 7] =
    [FILE, "parkgate.db-wal", "parkgate.db-shm", "serve.lock", "last-alarm.json", "images", crate::reserve::FILE];
/// Measured: with 4 KiB more pages are written whole for a batch, and with 16 KiB more bytes.
const PAGE_BYTES: u32 = 8192;
/// How long a writer of another process (the command line) is waited for.
const BUSY_WAIT: Duration = Duration::from_secs(5);
/// Statements kept prepared on a connection: more than there are.
const STATEMENTS: usize = 64;
/// Readers kept open between questions; more at once are opened and closed again.
const READERS_KEPT: usize = 8;

/// The writer, if there is one.
enum Held {
    Open(Box<Writer>),
    /// The disk could not be read or written, or a batch panicked: the next one opens it anew.
    GivenUp,
    Closed,
}

/// The store of one node.
pub(crate) struct SqliteBackend {
    path: PathBuf,
    keys: KeyHolder,
    writer: Mutex<Held>,
    readers: Mutex<Vec<Connection>>,
    /// Of the process that serves: all others leave the WAL to it.
    checkpointer: OnceLock<Checkpointer>,
    reserve: Reserve,
    alarm: Alarm,
}

impl SqliteBackend {
    /// Opens the database of a data folder, making and migrating it as needed.
    ///
    /// # Errors
    /// The folder or the database cannot be made, read or migrated.
    pub(crate) fn open(data: &Path) -> Result<SqliteBackend, StoreError> {
        make_folder(data).map_err(|error| StoreError::Away(format!("{}: {error}", data.display())))?;
        keep_from_others(data, &OURS);
        let ring = key_ring(data)?;
        let path = data.join(FILE);
        let reserve = Reserve::of(data);
        reserve.make_room();
        make_file(&path).map_err(|error| StoreError::Away(format!("{}: {error}", path.display())))?;
        let mut writer = Writer::open(&path)?;
        let keys = proved(writer.connection(), data, ring)?;
        moving::refuse_unfinished(writer.connection())?;
        Ok(SqliteBackend {
            checkpointer: OnceLock::new(),
            keys,
            writer: Mutex::new(Held::Open(Box::new(writer))),
            readers: Mutex::default(),
            path,
            reserve,
            alarm: Alarm::default(),
        })
    }

    /// Runs `write` on the writer, opening it anew if it was given up; after a failed sync never again.
    fn write<T>(&self, write: impl FnOnce(&mut Writer) -> Result<T, StoreError>) -> Result<T, StoreError> {
        let mut held = lock(&self.writer);
        self.alarm.refuse()?;
        self.reserve.make_room();
        let mut writer = match std::mem::replace(&mut *held, Held::GivenUp) {
            Held::Open(writer) => writer,
            Held::GivenUp => Box::new(Writer::open(&self.path).map_err(|error| for_want_of_room(&self.path, error))?),
            Held::Closed => {
                *held = Held::Closed;
                return Err(StoreError::Away("closed".into()));
            }
        };
        let written = write(&mut writer);
        // For want of room a write fails whole, and is undone; after any other failure nothing of it is known.
        let disk_failed = matches!(written, Err(StoreError::Away(_) | StoreError::Unsynced(_)));
        if writer.is_idle() && !disk_failed {
            *held = Held::Open(writer);
        }
        written.map_err(|error| for_want_of_room(&self.path, error)).inspect_err(|error| heed(&self.alarm, error))
    }

    /// The same for pushes, which leave the reserve to who cleans up.
    fn write_pushes<T>(&self, write: impl FnOnce(&mut Writer) -> Result<T, StoreError>) -> Result<T, StoreError> {
        let room = self.reserve.refuse_if_full();
        self.write(|writer| {
            // Before the batch, not after: the one before is answered already. Also on a full disk, which it helps.
            self.look_at_wal(writer.connection())?;
            room?;
            write(writer)
        })
    }

    /// What a checkpoint came to, of which the batch after it is the first to know.
    fn look_at_wal(&self, writer: &Connection) -> Result<(), StoreError> {
        match self.checkpointer.get().map_or(Ok(()), |checkpointer| checkpointer.look(writer)) {
            Err(error) => checkpoint::unmade(&self.path, error),
            Ok(()) => Ok(()),
        }
    }

    fn read<T>(&self, read: impl FnOnce(&Connection) -> Result<T, StoreError>) -> Result<T, StoreError> {
        let pooled = lock(&self.readers).pop();
        let reader = match pooled {
            Some(reader) => reader,
            None => connect(&self.path, ConnectionRole::Reader)?,
        };
        let found = read(&reader);
        let mut kept = lock(&self.readers);
        if kept.len() < READERS_KEPT {
            kept.push(reader);
        }
        found
    }
}

impl Backend for SqliteBackend {
    fn key_holder(&self) -> &KeyHolder {
        &self.keys
    }

    fn run(&self, access: Access, work: &mut Work<'_>) -> Result<(), StoreError> {
        match access {
            Access::Read | Access::ReadKeys | Access::ReadLong => self.read(|reader| {
                let transaction = reader.unchecked_transaction()?;
                work(&mut SqliteTransaction(&transaction))?;
                Ok(transaction.commit()?)
            }),
            Access::Write | Access::WriteOnce => self.write(|writer| transaction::write(writer.connection(), work)),
            Access::WritePushes => self.write_pushes(|writer| transaction::write(writer.connection(), work)),
            Access::WriteUnsynced => self.write(|writer| {
                delivery::unsynced(writer.connection(), |connection| transaction::write(connection, work))
            }),
        }
    }

    fn record(&self, batch: &[Entry]) -> Result<Vec<Verdict>, StoreError> {
        self.write_pushes(|writer| writer.record(batch, &self.keys))
    }

    fn lanes(&self, _set: usize) -> usize {
        1
    }

    fn alarm(&self) -> &Alarm {
        &self.alarm
    }

    fn begin_serving(&self) -> Result<(), StoreError> {
        self.write(|writer| {
            assert_durable(writer.connection())?;
            recopy::write_anew(&self.path, writer.connection())
        })?;
        self.checkpointer.get_or_init(|| Checkpointer::start(self.path.clone(), self.alarm.clone()));
        Ok(())
    }

    fn disk(&self) -> Option<&Path> {
        self.path.parent()
    }

    fn keep_reserve(&self, free_beside: u64) -> Result<u64, StoreError> {
        self.reserve
            .keep(free_beside)
            .map_err(|error| for_want_of_room(&self.path, StoreError::Away(error.to_string())))
    }

    fn probe(&self) -> Result<(), StoreError> {
        if free_bytes(&self.path) < ROOM_BYTES_MIN {
            return Err(StoreError::Full(self.path.display().to_string()));
        }
        self.write(|writer| probe(writer.connection()))
    }

    fn durability_warnings(&self) -> Result<Vec<String>, StoreError> {
        Ok(Vec::new())
    }

    fn months(&self) -> Option<&dyn Months> {
        None
    }

    fn figures(&self) -> StoreFigures {
        let wal = std::fs::metadata(self.path.with_extension("db-wal"));
        StoreFigures { wal_bytes: Some(wal.map_or(0, |wal| wal.len())), connections: None }
    }

    fn dialect(&self) -> Dialect {
        Dialect::Sqlite
    }

    fn damaged_pages(&self) -> Result<Option<Vec<String>>, StoreError> {
        pages::damaged(&self.path).map(Some)
    }

    fn purge(&self) -> Result<bool, StoreError> {
        let Some(checkpointer) = self.checkpointer.get() else { return Ok(false) };
        let other = connect(&self.path, ConnectionRole::Checkpointer)?;
        match checkpointer.cut_off(&other, |cut_off| self.write(|writer| cut_off(writer.connection()))) {
            Err(error) => checkpoint::unmade(&self.path, error).map(|()| false),
            Ok(is_cut_off) => Ok(is_cut_off),
        }
    }

    fn close(&self) -> Result<(), StoreError> {
        self.checkpointer.get().inspect(|checkpointer| checkpointer.stop());
        lock(&self.readers).clear();
        let held = std::mem::replace(&mut *lock(&self.writer), Held::Closed);
        // Once a sync failed nothing is copied any more: the next start does all of it.
        self.alarm.refuse()?;
        match held {
            Held::Open(writer) if self.checkpointer.get().is_some() => {
                writer.close().inspect_err(|error| heed(&self.alarm, error))
            }
            Held::Open(_) | Held::GivenUp | Held::Closed => Ok(()),
        }
    }
}

/// The keys of a data folder: made before the database, so that none is ever made beside one that is sealed.
fn key_ring(data: &Path) -> Result<KeyRing, StoreError> {
    drop(MasterKey::beside(data, FILE)?);
    Ok(KeyRing::of(data, None)?)
}

/// Those that are this database's.
fn proved(connection: &mut Connection, data: &Path, ring: KeyRing) -> Result<KeyHolder, StoreError> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let missing = || another_key(&data.join(FILE).display().to_string(), data);
    let keys = KeyHolder::prove(&mut SqliteTransaction(&transaction), ring, &missing)?;
    transaction.commit()?;
    Ok(keys)
}

/// Takes the write lock and gives it back.
fn probe(connection: &mut Connection) -> Result<(), StoreError> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    moving::refuse_moved(&transaction)?;
    Ok(transaction.rollback()?)
}

/// Makes the file before SQLite does, so that only its owner reads it, and what SQLite puts beside it.
fn make_file(path: &Path) -> std::io::Result<()> {
    parkgate_seal::disk::open_file(path).map(drop)
}

/// What a connection is for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum ConnectionRole {
    Writer,
    Reader,
    Checkpointer,
}

impl ConnectionRole {
    fn cache_kib(self) -> i64 {
        match self {
            ConnectionRole::Writer => 64 * 1024,
            ConnectionRole::Reader => 8 * 1024,
            // It copies from file to file.
            ConnectionRole::Checkpointer => 1024,
        }
    }
}

fn connect(path: &Path, role: ConnectionRole) -> Result<Connection, StoreError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut connection = Connection::open_with_flags(path, flags)?;
    log_statements(&mut connection)?;
    connection.busy_timeout(BUSY_WAIT)?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS);
    connection.pragma_update(None, "page_size", PAGE_BYTES)?;
    let mode: String = connection.pragma_update_and_check(None, "journal_mode", "wal", |row| row.get(0))?;
    if mode != "wal" {
        return Err(StoreError::Broken(format!("{}: its journal is {mode}, not a WAL", path.display())));
    }
    connection.pragma_update(None, "synchronous", "full")?;
    assert_durable(&connection)?;
    // The last connection to close would copy what is marked as not copied yet, and delete the WAL.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
    connection.pragma_update(None, "cache_size", -role.cache_kib())?;
    connection.pragma_update(None, "foreign_keys", true)?;
    // What is deleted is written over, or it could be read in the file.
    connection.pragma_update_and_check(None, "secure_delete", role == ConnectionRole::Writer, |_| Ok(()))?;
    connection.pragma_update(None, "query_only", role == ConnectionRole::Reader)?;
    // Checkpoints are made beside the writer.
    connection.pragma_update_and_check(None, "wal_autocheckpoint", 0, |_| Ok(()))?;
    Ok(connection)
}

/// Logs statements, without their values, if asked to: `parkgate_store::sql=trace`.
fn log_statements(connection: &mut Connection) -> Result<(), StoreError> {
    const TARGET: &str = "parkgate_store::sql";
    if tracing::enabled!(target: TARGET, tracing::Level::TRACE) {
        let log = |event: TraceEvent<'_>| {
            if let TraceEvent::Stmt(statement, _) = event {
                tracing::trace!(target: TARGET, sql = %statement.sql(), "a statement");
            }
        };
        connection.trace_v2(TraceEventCodes::SQLITE_TRACE_STMT, Some(log))?;
    }
    Ok(())
}

/// With anything less than FULL, what is acknowledged is gone after a power cut.
fn assert_durable(connection: &Connection) -> Result<(), StoreError> {
    const FULL: i64 = 2;
    match connection.pragma_query_value(None, "synchronous", |row| row.get(0))? {
        FULL => Ok(()),
        other => Err(StoreError::Away(format!("synchronous is {other}, not FULL"))),
    }
}

/// After a failed sync nothing more is acknowledged.
fn heed(alarm: &Alarm, error: &StoreError) {
    if let StoreError::Unsynced(text) = error {
        alarm.raise(format!("the database: {text}"));
    }
}

/// A full disk shows in many ways; at a sync in none that can be trusted.
fn for_want_of_room(path: &Path, error: StoreError) -> StoreError {
    match error {
        StoreError::Away(text) if free_bytes(path) < ROOM_BYTES_MIN || quota_is_used(path) => StoreError::Full(text),
        error => error,
    }
}

/// Only a write finds out about a quota.
fn quota_is_used(path: &Path) -> bool {
    let probe = path.with_extension("probe");
    let written = make_file(&probe).and_then(|()| std::fs::write(&probe, vec![0; ROOM_BYTES_MIN as usize]));
    let is_used = written.is_err_and(|error| matches!(error.kind(), ErrorKind::StorageFull | ErrorKind::QuotaExceeded));
    // If it cannot be removed it could not be made.
    drop(std::fs::remove_file(&probe));
    is_used
}

fn free_bytes(path: &Path) -> u64 {
    crate::reserve::disk_room(path.parent().unwrap_or(path)).map_or(u64::MAX, |disk| disk.free_bytes)
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl From<rusqlite::Error> for StoreError {
    fn from(error: rusqlite::Error) -> Self {
        let text = error.to_string();
        let Some(code) = error.sqlite_error() else { return StoreError::Broken(text) };
        // No trigger refuses anything but writes to a store that moves.
        if code.extended_code == ffi::SQLITE_CONSTRAINT_TRIGGER {
            return StoreError::Busy(text);
        }
        if matches!(code.extended_code, ffi::SQLITE_IOERR_FSYNC | ffi::SQLITE_IOERR_DIR_FSYNC) {
            return StoreError::Unsynced(text);
        }
        match code.code {
            ErrorCode::DiskFull => StoreError::Full(text),
            ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked | ErrorCode::FileLockingProtocolFailed => {
                StoreError::Busy(text)
            }
            ErrorCode::SystemIoFailure | ErrorCode::CannotOpen | ErrorCode::ReadOnly => StoreError::Away(text),
            _ => StoreError::Broken(text),
        }
    }
}

#[cfg(test)]
mod tests;
