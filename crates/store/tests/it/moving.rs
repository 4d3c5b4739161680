//! A move that stops half way goes on; one that was given up begins anew.

use std::path::Path;

use parkgate_ledger::ParkId;
use parkgate_ledger::plate_list::{ListedPlate, PlateChange, PlateList};
use parkgate_store::moving::{Abandoned, At, Begun, Move};
use parkgate_store::{NewQuarantined, PlatesOutcome, QuarantineContent, Store, StoreError, VisitFilter, open};
use parkgate_testbed::Postgres;
use parkgate_wire::{Digest, PushKind, Seqno};

use crate::push::{T, With, enter, leave, new_park, opened, release, update};

/// More than two pages.
const RECORDS: u64 = 4500;

fn fill(store: &Store, first: u64, records: u64) {
    let entries = (first..first + records / 2).flat_map(|number| {
        let serial = number.to_string();
        let event_time = T + number as i64;
        [enter(&serial, number * 2, event_time), leave(&serial, number * 2 + 1, event_time, event_time + 1)]
    });
    let mut entries: Vec<_> = entries.collect();
    // What is about stays, one of them with a serial that is too long for an index.
    let long = format!("{first}{}", "x".repeat(3000));
    for (number, serial) in [first.to_string(), long].iter().enumerate() {
        let seqno = 1_000_000 + first * 10 + number as u64;
        entries.push(update(&format!("U{seqno}"), serial, seqno, T + 5, &[("leave_time", T + 9)]).plate("corrected"));
        entries.push(release(serial, seqno + 5, T + 7));
    }
    entries.chunks(500).for_each(|batch| assert_eq!(store.record(batch).unwrap().len(), batch.len()));
}

fn visits(data: &Path, url: Option<&str>) -> String {
    let all = VisitFilter { park_uuid: None, plate: None, since: None, limit: 100_000 };
    let store = open(data, url).unwrap();
    let shown = store.visits(&all).unwrap().iter().map(|visit| format!("{visit:?}\n")).collect();
    store.close().unwrap();
    shown
}

fn begun(from: At<'_>, to: At<'_>) -> Move {
    match Move::begin(from, to).unwrap() {
        Begun::Going(moving) => moving,
        Begun::Finished => panic!("finished"),
    }
}

fn moves(from: At<'_>, to: At<'_>) {
    let store = opened(from.data, from.url);
    fill(store.as_ref(), 0, RECORDS);
    let listed = [("粤B·1", PlateList::Allow), ("粤B2", PlateList::Deny)];
    let listed = listed.map(|(plate, list)| ListedPlate::new(plate, list, Some("注")).unwrap());
    store.change_plates("a", PlateChange::Put(&listed)).unwrap();
    store.close().unwrap();
    // It stops after the rows, before they are compared.
    begun(from, to).copy(&mut |_| {}).unwrap();
    let refused = open(to.data, to.url).err().unwrap().to_string();
    assert!(refused.contains("unfinished"), "{refused}");
    let refused = open(from.data, from.url).unwrap().record(&[leave("1", 1, T, T)]).unwrap_err();
    assert!(refused.is_temporary(), "its sender keeps it: {refused}");

    // Given up, and written again: rows are new, changed and gone.
    assert!(matches!(Move::abandon(from).unwrap(), Abandoned::GivenUp(_)));
    assert_eq!(Move::abandon(from).unwrap(), Abandoned::Nothing);
    let store = open(from.data, from.url).unwrap();
    fill(store.as_ref(), RECORDS, 100);
    store.close().unwrap();
    let moving = begun(from, to);
    let mut steps = 0;
    moving.copy(&mut |_| steps += 1).unwrap();
    assert!(steps > 3, "from the beginning: {steps}");
    drop(moving);
    // Whoever comes again finds all of it copied.
    let moving = begun(from, to);
    moving.copy(&mut |step| assert!(step.done >= step.all, "{step:?}")).unwrap();
    let totals = moving.finish(&mut |_| {}).unwrap();
    let records = totals.iter().find(|total| total.table == "records").unwrap();
    assert_eq!(records.rows, RECORDS + 100 + 8);
    assert_eq!(visits(to.data, to.url), visits(from.data, from.url));
    let store = open(to.data, to.url).unwrap();
    assert!(store.plates(ParkId(1)).unwrap().into_values().eq(listed.iter().cloned()));
    assert_eq!(store.parks().unwrap()[0].plates_version, 1);
    // A plate is the same one there.
    assert!(matches!(
        store.change_plates("a", PlateChange::Put(&listed)),
        Ok(PlatesOutcome::Changed(changes)) if changes.is_empty()
    ));
    fill(store.as_ref(), 2 * RECORDS, 10);
    store.close().unwrap();

    // Finished, it is neither given up nor begun again: only one of the two takes pushes.
    assert!(matches!(Move::abandon(from).unwrap(), Abandoned::Finished(_)));
    assert!(matches!(Move::begin(from, to).unwrap(), Begun::Finished));
    let swept_by_the_old = open(from.data, from.url).unwrap().keeps_images(&[]).unwrap_err();
    assert!(matches!(swept_by_the_old, StoreError::Busy(_)), "both may have one bucket: {swept_by_the_old}");
    let refused = open(from.data, from.url).unwrap().record(&[leave("1", 1, T, T)]).unwrap_err();
    assert!(refused.is_temporary(), "{refused}");
}

#[test]
fn a_move_that_was_given_up_while_it_compared_is_not_finished() {
    let (data, cluster) = (tempfile::tempdir().unwrap(), Postgres::shared());
    let url = cluster.database();
    let (from, to) = (At { data: data.path(), url: None }, At { data: data.path(), url: Some(&url) });
    opened(from.data, from.url).close().unwrap();
    let moving = begun(from, to);
    moving.copy(&mut |_| {}).unwrap();
    Move::abandon(from).unwrap();
    assert!(moving.finish(&mut |_| {}).unwrap_err().to_string().contains("gave up"));
    assert!(open(to.data, to.url).is_err(), "it stays closed");
}

/// A gate was started on the database first. It was empty when the move began, so the gate knows no park, but it has
/// its connections.
#[test]
fn whoever_is_in_the_new_database_already_writes_nothing_there_until_all_is_moved() {
    let (data, cluster) = (tempfile::tempdir().unwrap(), Postgres::shared());
    let url = cluster.database();
    let (from, to) = (At { data: data.path(), url: None }, At { data: data.path(), url: Some(&url) });
    opened(from.data, from.url).close().unwrap();
    let beside = open(to.data, to.url).unwrap();
    let moving = begun(from, to);
    let add = |uuid: &str| beside.add_park(&new_park(uuid));
    assert!(matches!(add("first"), Err(StoreError::Busy(_))));
    assert!(beside.probe().unwrap_err().to_string().contains("unfinished"));
    moving.copy(&mut |_| {}).unwrap();
    assert!(matches!(add("second"), Err(StoreError::Busy(_))));
    moving.finish(&mut |_| {}).unwrap();
    add("third").unwrap();
    beside.probe().unwrap();
}

#[test]
fn a_store_is_known_by_itself_and_not_by_its_name() {
    let (data, cluster) = (tempfile::tempdir().unwrap(), Postgres::shared());
    let url = cluster.database();
    let (from, to) = (At { data: data.path(), url: None }, At { data: data.path(), url: Some(&url) });
    opened(from.data, from.url).close().unwrap();
    let moving = begun(from, to);
    moving.copy(&mut |_| {}).unwrap();
    moving.finish(&mut |_| {}).unwrap();
    drop(moving);
    let itself = Move::begin(to, to).err().unwrap().to_string();
    assert!(itself.contains("itself"), "{itself}");
    // Another database stands where the one was that everything is in.
    let name = url.rsplit('/').next().unwrap();
    cluster.sql("postgres", &format!("DROP DATABASE {name} WITH (FORCE)"));
    cluster.sql("postgres", &format!("CREATE DATABASE {name}"));
    let another = Move::begin(from, to).err().unwrap().to_string();
    assert!(another.contains("has moved to"), "{another}");
}

/// Both ways: 24 pushes in quarantine of a mebibyte each are never all in memory.
#[test]
fn rows_that_are_large_are_moved_a_few_at_a_time() {
    let (data, back, cluster) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap(), Postgres::shared());
    let url = cluster.database();
    let ends = [
        At { data: data.path(), url: None },
        At { data: data.path(), url: Some(&url) },
        At { data: back.path(), url: None },
    ];
    let store = opened(data.path(), None);
    let batch: Vec<_> = (0..24).map(large).collect();
    let bound = crate::conformance::bound(99, 1 << 30);
    store.add_to_quarantine(&batch, &bound).unwrap();
    store.close().unwrap();
    for way in ends.windows(2) {
        let moving = begun(way[0], way[1]);
        let mut steps = Vec::new();
        moving.copy(&mut |step| steps.extend((step.what == "quarantine").then_some(step.done))).unwrap();
        assert!(steps.len() > 3 && steps.last() == Some(&24), "{steps:?}");
        moving.finish(&mut |_| {}).unwrap();
    }
}

fn large(number: u8) -> NewQuarantined {
    NewQuarantined {
        park: ParkId(1),
        kind: PushKind::Leave,
        seqno: Seqno(number.into()),
        received_at: T,
        address: "10.0.0.1".into(),
        reason: "Signature",
        finding: None,
        digest: Digest([number; 16]),
        kept: QuarantineContent { hint: "x".repeat(1 << 20), ..QuarantineContent::default() },
        pictures: Vec::new(),
        is_admitted: false,
    }
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
