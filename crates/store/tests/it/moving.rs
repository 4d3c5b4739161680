//! A move that stops half way goes on; one that was given up begins anew.

use std::path::Path;

use parkgate_store::moving::{At, Move};
use parkgate_store::{Store, VisitFilter, open};
use parkgate_testbed::Postgres;

use crate::push::{T, enter, leave, opened};

/// More than two pages.
const RECORDS: u64 = 4500;

fn fill(store: &dyn Store, first: u64, records: u64) {
    let entries = (first..first + records / 2).flat_map(|number| {
        let serial = number.to_string();
        let event_time = T + number as i64;
        [enter(&serial, number * 2, event_time), leave(&serial, number * 2 + 1, event_time, event_time + 1)]
    });
    let entries: Vec<_> = entries.collect();
    entries.chunks(500).for_each(|batch| assert_eq!(store.record(batch).unwrap().len(), batch.len()));
}

fn visits(data: &Path, url: Option<&str>) -> String {
    let all = VisitFilter { park_uuid: None, plate: None, since: None, limit: 100_000 };
    let store = open(data, url).unwrap();
    let told = store.visits(&all).unwrap().iter().map(|visit| format!("{visit:?}\n")).collect();
    store.close().unwrap();
    told
}

fn moves(from: At<'_>, to: At<'_>) {
    let store = opened(from.data, from.url);
    fill(store.as_ref(), 0, RECORDS);
    store.close().unwrap();
    // It stops after the rows, before they are compared.
    Move::begin(from, to).unwrap().copy(&mut |_| {}).unwrap();
    let refused = open(to.data, to.url).err().unwrap().to_string();
    assert!(refused.contains("unfinished"), "{refused}");
    let refused = open(from.data, from.url).unwrap().record(&[leave("1", 1, T, T)]).unwrap_err();
    assert!(refused.is_temporary(), "its sender keeps it: {refused}");

    // Given up, and written again: rows are new, changed and gone.
    assert!(Move::abandon(from).unwrap().is_some());
    assert!(Move::abandon(from).unwrap().is_none());
    let store = open(from.data, from.url).unwrap();
    fill(store.as_ref(), RECORDS, 100);
    store.close().unwrap();
    let moving = Move::begin(from, to).unwrap();
    let mut steps = 0;
    moving.copy(&mut |_| steps += 1).unwrap();
    assert!(steps > 3, "from the beginning: {steps}");
    drop(moving);
    // Whoever comes again finds all of it copied.
    let moving = Move::begin(from, to).unwrap();
    moving.copy(&mut |step| assert!(step.done >= step.all, "{step:?}")).unwrap();
    let totals = moving.finish(&mut |_| {}).unwrap();
    let records = totals.iter().find(|total| total.table == "records").unwrap();
    assert_eq!(records.rows, RECORDS + 100);
    assert_eq!(visits(to.data, to.url), visits(from.data, from.url));
    let store = open(to.data, to.url).unwrap();
    fill(store.as_ref(), 2 * RECORDS, 10);
}

#[test]
fn from_sqlite_to_postgres() {
    let (data, cluster) = (tempfile::tempdir().unwrap(), Postgres::shared());
    let url = cluster.database();
    moves(At { data: data.path(), url: None }, At { data: data.path(), url: Some(&url) });
}

#[test]
fn from_postgres_to_sqlite() {
    let (data, cluster, to) = (tempfile::tempdir().unwrap(), Postgres::shared(), tempfile::tempdir().unwrap());
    let url = cluster.database();
    moves(At { data: data.path(), url: Some(&url) }, At { data: to.path(), url: None });
}
