use parkgate_ledger::quarantine::{QuarantineBounds, Usage};

use std::sync::Arc;

use super::*;
use crate::Store;
use crate::registry::NewPark;

/// The store, and the database behind it.
struct Opened {
    store: Store,
    backend: Arc<SqliteBackend>,
}

impl std::ops::Deref for Opened {
    type Target = Store;

    fn deref(&self) -> &Store {
        &self.store
    }
}

fn opened(data: &Path) -> Opened {
    let backend = Arc::new(SqliteBackend::open(data).unwrap());
    let shared: Arc<dyn Backend> = backend.clone();
    Opened { store: Store::over(shared), backend }
}

fn park(number: usize) -> NewPark {
    NewPark {
        park_uuid: format!("park-{number}"),
        merchant: None,
        name: "x".repeat(4000),
        secret: parkgate_wire::Secret::new("s"),
        strict: false,
        total_parking_space: None,
    }
}

#[test]
fn every_connection_is_set_up_for_durability() {
    let folder = tempfile::tempdir().unwrap();
    let store = opened(folder.path());
    for role in [ConnectionRole::Writer, ConnectionRole::Reader, ConnectionRole::Checkpointer] {
        let connection = connect(&store.backend.path, role).unwrap();
        let number = |name: &str| connection.pragma_query_value(None, name, |row| row.get::<_, i64>(0)).unwrap();
        assert_eq!((number("page_size"), number("synchronous"), number("wal_autocheckpoint")), (8192, 2, 0));
        assert_eq!(number("query_only") == 1, role == ConnectionRole::Reader);
        let mode: String = connection.pragma_query_value(None, "journal_mode", |row| row.get(0)).unwrap();
        assert_eq!(mode, "wal");
    }
}

#[test]
fn a_full_database_is_full_and_goes_on_once_there_is_room() {
    let folder = tempfile::tempdir().unwrap();
    let store = opened(folder.path());
    let limit = |pages: i64| {
        store.backend.write(|writer| {
            let set = format!("PRAGMA max_page_count = {pages}");
            Ok(writer.connection().query_row(&set, [], |_| Ok(()))?)
        })
    };
    // No database is made smaller than it is: full at once.
    limit(1).unwrap();
    let (added, error) = (0..).find_map(|number| store.add_park(&park(number)).err().map(|e| (number, e))).unwrap();
    assert!(matches!(error, StoreError::Full(_)), "{error}");
    assert_eq!(store.parks().unwrap().len(), added);
    limit(1_000_000).unwrap();
    store.add_park(&park(added)).unwrap();
    assert_eq!(store.parks().unwrap().len(), added + 1);
}

#[test]
fn after_a_failed_write_the_writer_is_opened_anew() {
    let folder = tempfile::tempdir().unwrap();
    let store = opened(folder.path());
    store.add_park(&park(1)).unwrap();
    let failed = store.backend.write::<()>(|_| Err(StoreError::Away("pwrite".into())));
    assert!(matches!(failed, Err(StoreError::Away(_))));
    assert!(matches!(*lock(&store.backend.writer), Held::GivenUp));
    store.add_park(&park(2)).unwrap();
    assert!(matches!(*lock(&store.backend.writer), Held::Open(_)));
    assert_eq!((store.parks().unwrap().len(), store.alarm().raised()), (2, None));
}

#[test]
fn what_failed_separates_a_failed_sync_from_a_full_disk() {
    let of = |extended_code| {
        let code = ffi::Error::new(extended_code);
        StoreError::from(rusqlite::Error::SqliteFailure(code, None))
    };
    assert!(matches!(of(ffi::SQLITE_IOERR_FSYNC), StoreError::Unsynced(_)));
    assert!(matches!(of(ffi::SQLITE_IOERR_DIR_FSYNC), StoreError::Unsynced(_)));
    assert!(matches!(of(ffi::SQLITE_IOERR_WRITE), StoreError::Away(_)));
    assert!(matches!(of(ffi::SQLITE_FULL), StoreError::Full(_)));
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(FILE);
    assert!(checkpoint::unmade(&path, of(ffi::SQLITE_FULL)).is_ok());
    assert!(checkpoint::unmade(&path, of(ffi::SQLITE_BUSY)).is_ok());
    for code in [ffi::SQLITE_IOERR_FSYNC, ffi::SQLITE_IOERR_WRITE, ffi::SQLITE_IOERR_READ, ffi::SQLITE_CORRUPT] {
        assert!(matches!(checkpoint::unmade(&path, of(code)), Err(StoreError::Unsynced(_))), "{code}");
    }
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "what was tried is gone");
}

#[test]
fn after_a_failed_sync_nothing_is_written_any_more_and_nothing_is_copied_at_the_end() {
    let folder = tempfile::tempdir().unwrap();
    let store = opened(folder.path());
    store.begin_serving().unwrap();
    store.add_park(&park(1)).unwrap();
    let failed = store.backend.write::<()>(|_| Err(StoreError::Unsynced("fdatasync".into())));
    assert!(matches!(failed, Err(StoreError::Unsynced(_))));
    assert!(store.alarm().raised().unwrap().contains("fdatasync"));
    let nine = Usage { pushes: 9, bytes: 9 };
    let bound = QuarantineBounds { park: nine, unknown: nine, all_bytes: 9, disk_free_min: None };
    assert!(matches!(store.record(&[]), Err(StoreError::Away(_))));
    assert!(matches!(store.add_to_quarantine(&[], &bound), Err(StoreError::Away(_))));
    assert!(matches!(store.add_park(&park(2)), Err(StoreError::Away(_))));
    assert!(matches!(store.release_before(0), Err(StoreError::Away(_))));
    assert!(matches!(store.probe(), Err(StoreError::Away(_))));
    assert_eq!(store.parks().unwrap().len(), 1, "what is there can be read");
    let wal = folder.path().join("parkgate.db-wal");
    let before = std::fs::metadata(&wal).unwrap().len();
    assert!(matches!(store.close(), Err(StoreError::Away(_))));
    drop(store);
    assert!(before > 0 && std::fs::metadata(&wal).unwrap().len() == before);
    assert_eq!(opened(folder.path()).parks().unwrap().len(), 1);
}

/// Parks that were written while `other` had the database open, so that the next connection learns what was copied; and the
/// main file as it was before that.
fn copied_in_part(folder: &Path) -> (Connection, Vec<u8>) {
    let store = opened(folder);
    store.begin_serving().unwrap();
    let other = connect(&store.backend.path, ConnectionRole::Reader).unwrap();
    for number in 0..50 {
        store.add_park(&park(number)).unwrap();
    }
    other.execute_batch("BEGIN; SELECT * FROM parks").unwrap();
    store.add_park(&park(50)).unwrap();
    let before = std::fs::read(&store.backend.path).unwrap();
    let wal = store.backend.write(|writer| checkpoint::passive(writer.connection())).unwrap();
    assert!(wal.copied() > 10 && wal.copied() < wal.frames(), "only what the reader does not need");
    other.execute_batch("COMMIT").unwrap();
    // The process ends: no close.
    (other, before)
}

#[test]
fn pages_that_were_copied_but_not_synced_are_copied_once_more_though_another_process_knows_better() {
    let folder = tempfile::tempdir().unwrap();
    let (other, before) = copied_in_part(folder.path());
    let path = folder.path().join(FILE);
    // What the system did not write it lets go of.
    std::fs::write(&path, before).unwrap();
    let store = opened(folder.path());
    store.begin_serving().unwrap();
    store.add_park(&park(51)).unwrap();
    other.close().unwrap();
    store.close().unwrap();
    assert_eq!(std::fs::metadata(folder.path().join("parkgate.db-wal")).unwrap().len(), 0);
    let whole = Connection::open(&path).unwrap();
    let checked: String = whole.query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
    let parks: i64 = whole.query_row("SELECT count(*) FROM parks", [], |row| row.get(0)).unwrap();
    assert_eq!((checked.as_str(), parks), ("ok", 52));
}

#[test]
fn what_stands_in_the_wal_is_written_over_at_the_start_and_copied() {
    let folder = tempfile::tempdir().unwrap();
    let store = opened(folder.path());
    for number in 0..300 {
        store.add_park(&park(number)).unwrap();
    }
    drop(store);
    let wal = folder.path().join("parkgate.db-wal");
    let (before, long_ago) = (std::fs::read(&wal).unwrap(), std::time::SystemTime::UNIX_EPOCH);
    assert!(before.len() > 1024 * 1024, "more than one piece");
    std::fs::File::options().write(true).open(&wal).unwrap().set_modified(long_ago).unwrap();
    let store = opened(folder.path());
    assert_eq!(std::fs::metadata(&wal).unwrap().modified().unwrap(), long_ago, "only a process that serves does so");
    store.begin_serving().unwrap();
    assert!(std::fs::metadata(&wal).unwrap().modified().unwrap() > long_ago);
    assert_eq!(std::fs::read(&wal).unwrap(), before);
    let wal = store.backend.write(|writer| checkpoint::looked(writer.connection())).unwrap();
    assert!(wal.copied() > 0 && wal.copied() == wal.frames());
    assert_eq!(store.parks().unwrap().len(), 300);
}

#[test]
fn after_a_lower_synchronous_it_is_full_again_or_the_writer_is_given_up() {
    let folder = tempfile::tempdir().unwrap();
    let store = opened(folder.path());
    let level = |writer: &mut Writer| Ok(assert_durable(writer.connection()));
    let failed = store.backend.write(|writer| {
        delivery::unsynced(writer.connection(), |connection| {
            assert!(assert_durable(connection).is_err());
            // Within a transaction it cannot be raised.
            connection.execute_batch("BEGIN")?;
            Err::<(), _>(StoreError::Broken("on purpose".into()))
        })
    });
    assert!(failed.is_err());
    store.backend.write(level).unwrap().unwrap();
    store.backend.write(|writer| delivery::unsynced(writer.connection(), |_| Ok(()))).unwrap();
    store.backend.write(level).unwrap().unwrap();
}

#[test]
fn a_panic_leaves_no_transaction_behind() {
    let folder = tempfile::tempdir().unwrap();
    let store = opened(folder.path());
    let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        store.backend.write::<()>(|writer| {
            writer.connection().execute_batch("BEGIN IMMEDIATE; DELETE FROM registry_version")?;
            panic!("on purpose")
        })
    }));
    assert!(panicked.is_err());
    store.add_park(&park(1)).unwrap();
    assert_eq!(store.registry_version().unwrap(), 2);
}

#[test]
fn the_wal_stays_bounded_under_steady_writing() {
    let folder = tempfile::tempdir().unwrap();
    let store = opened(folder.path());
    store.begin_serving().unwrap();
    // Full speed is what outruns the copying.
    for number in 0..120 {
        store
            .backend
            .write(|writer| {
                store.backend.look_at_wal(writer.connection())?;
                writer.connection().execute(
                    "INSERT INTO parks (park_uuid, name, secret) VALUES (?1, 'n', zeroblob(4194304))",
                    [number.to_string()],
                )?;
                Ok(())
            })
            .unwrap();
    }
    let bytes = std::fs::metadata(folder.path().join("parkgate.db-wal")).unwrap().len();
    assert!(bytes < 160 * 1024 * 1024, "{bytes}");
}
