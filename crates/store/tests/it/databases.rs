//! What holds of PostgreSQL databases: TLS to them, their versions, and schemas within them.

use parkgate_store::{Entry, StoreError};
use parkgate_testbed::{Authority, Postgres};

use crate::postgres::{listed, two_nodes};
use crate::push::{T, leave, new_park, opened};

#[test]
fn tls_is_used_where_asked_for_and_a_server_that_cannot_prove_who_it_is_is_refused() {
    let (trusted, another) = (Authority::new("trusted"), Authority::new("another"));
    let (cluster, data) = (Postgres::with_tls(&trusted), tempfile::tempdir().unwrap());
    let database = cluster.database();
    let url = |host: &str, query: String| format!("{}?{query}", cluster.url_by_tcp(host, &database));
    let by = |authority: &Authority| format!("sslmode=verify-full&sslrootcert={}", authority.file().display());
    let store = parkgate_store::open(data.path(), Some(&url("localhost", by(&trusted)))).unwrap();
    store.add_park(&new_park("a")).unwrap();
    store.record(&[leave("1", 1, T, T)]).unwrap();
    let encrypted = "SELECT bool_and(ssl) AND count(*) > 1 FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) \
        WHERE application_name = 'parkgate'";
    assert_eq!(cluster.sql(&database, encrypted), "t");

    let refused = |url: String| {
        let error = parkgate_store::open(data.path(), Some(&url)).err().unwrap();
        assert!(matches!(error, StoreError::Away(_)), "{error}");
        error.to_string()
    };
    let error = refused(url("localhost", by(&another)));
    assert!(error.contains("certificate"), "{error}");
    let error = refused(url("127.0.0.1", by(&trusted)));
    assert!(error.contains("certificate") && error.contains("127.0.0.1"), "{error}");
    // Of this machine's own authorities none has signed it.
    let error = refused(url("localhost", "sslmode=require".into()));
    assert!(error.contains("certificate") || error.contains("authority"), "{error}");
    // The server takes no connection that is not encrypted.
    let error = refused(url("localhost", "connect_timeout=3".into()));
    assert!(error.contains("no encryption"), "{error}");
}

#[test]
fn a_newer_node_may_add_to_the_database_while_older_ones_go_on() {
    let cluster = Postgres::shared();
    let (_one, two, url, [first, second]) = two_nodes(&cluster);
    first.record(&[leave("1", 1, T, T)]).unwrap();
    second.probe().unwrap();
    // What a migration of a later release may do.
    cluster.sql(
        &url,
        "ALTER TABLE records ADD COLUMN of_later text; ALTER TABLE spaces ADD COLUMN of_later bigint NOT NULL DEFAULT 7; \
         ALTER TABLE subscribers ADD COLUMN of_later text; CREATE TABLE of_later (id bigint); \
         UPDATE parkgate_schema SET version = version + 1",
    );
    for (number, store) in [&first, &second, &parkgate_store::open(two.path(), Some(&url)).unwrap()].iter().enumerate()
    {
        let number = number as u64 + 2;
        let serial = number.to_string();
        assert_eq!(store.record(&[leave(&serial, number, T, T), leave("1", 9, T, T)]).unwrap().len(), 2);
        store.probe().unwrap();
    }
    assert_eq!(listed(first.as_ref()), 4);
    // What an older program must not see any more.
    cluster.sql(&url, "UPDATE parkgate_schema SET works_from = version, program = '9.8.7'");
    let error = first.probe().unwrap_err().to_string();
    assert!(error.contains("start parkgate 9.8.7 or newer"), "{error}");
    let error = parkgate_store::open(two.path(), Some(&url)).err().unwrap().to_string();
    assert!(error.contains("start parkgate 9.8.7 or newer"), "{error}");
    cluster.sql(&url, "ALTER TABLE parkgate_schema DROP COLUMN program");
    let error = first.probe().unwrap_err().to_string();
    assert!(error.contains("start a newer parkgate"), "{error}");
}

/// `docs/scale.md`: a schema for each cell, on one server or, with an extension that spreads schemas, on many.
#[test]
fn each_schema_of_a_database_is_a_store_of_its_own() {
    let (cluster, one, two) = (Postgres::shared(), tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let url = cluster.database();
    let url_of = |cell: &str| {
        cluster.sql(&url, &format!("CREATE SCHEMA {cell}"));
        format!("{url}?options=-csearch_path%3D{cell}")
    };
    let stores = [opened(one.path(), Some(&url_of("cell_1"))), opened(two.path(), Some(&url_of("cell_2")))];
    for (number, store) in (1..).zip(&stores) {
        let entries: Vec<Entry> = (0..number).map(|serial| leave(&serial.to_string(), serial, T, T)).collect();
        store.record(&entries).unwrap();
        store.months().unwrap().begin().unwrap();
        store.record(&[leave("later", 99, T, T)]).unwrap();
        store.probe().unwrap();
    }
    assert_eq!(stores.each_ref().map(|store| listed(store.as_ref())), [2, 3]);
    assert_eq!(cluster.sql(&url, "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'"), "0");
}
