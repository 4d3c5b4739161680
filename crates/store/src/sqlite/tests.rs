use super::*;
use crate::registry::NewPark;

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
    let store = SqliteStore::open(folder.path()).unwrap();
    for role in [Role::Writer, Role::Reader, Role::Checkpointer] {
        let connection = connect(&store.path, role).unwrap();
        let number = |name: &str| connection.pragma_query_value(None, name, |row| row.get::<_, i64>(0)).unwrap();
        assert_eq!((number("page_size"), number("synchronous"), number("wal_autocheckpoint")), (8192, 2, 0));
        assert_eq!(number("query_only") == 1, role == Role::Reader);
        let mode: String = connection.pragma_query_value(None, "journal_mode", |row| row.get(0)).unwrap();
        assert_eq!(mode, "wal");
    }
}

#[test]
fn a_full_database_is_full_and_goes_on_once_there_is_room() {
    let folder = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(folder.path()).unwrap();
    let limit = |pages: i64| {
        store.write(|writer| {
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
fn after_a_failed_write_the_writer_is_opened_anew_and_the_wal_written_once_more() {
    let folder = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(folder.path()).unwrap();
    store.add_park(&park(1)).unwrap();
    let failed = store.write::<()>(|_| Err(StoreError::Away("fsync".into())));
    assert!(matches!(failed, Err(StoreError::Away(_))));
    assert!(matches!(*lock(&store.writer), Held::GivenUp));
    store.write(|writer| checkpoint::full(writer.connection()).map(|wal| assert_eq!(wal.left(), 0))).unwrap();
    store.add_park(&park(2)).unwrap();
    assert!(matches!(*lock(&store.writer), Held::Open(_)));
    assert_eq!(store.parks().unwrap().len(), 2);
}

#[test]
fn a_panic_leaves_no_transaction_behind() {
    let folder = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(folder.path()).unwrap();
    let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        store.write::<()>(|writer| {
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
    let store = SqliteStore::open(folder.path()).unwrap();
    // Full speed is what outruns the copying.
    for number in 0..120 {
        store
            .write(|writer| {
                store.checkpointer.look(writer.connection())?;
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
