//! Long listings: page after page, and nothing held between two of them.

use std::ops::ControlFlow;
use std::path::Path;

use parkgate_ledger::ParkId;
use parkgate_store::{
    ConflictFilter, Conflicting, DeliveryFilter, DeliveryId, Entry, Page, QuarantineFilter, Store, StoreError, Visit,
    VisitFilter,
};
use parkgate_wire::{Digest, Seqno};

use crate::conformance::{add_to_quarantine, bound};
use crate::forwarding::subscriber;
use crate::push::{T, With, enter, leave, store};

on_every_store! {
    pages_of_visits_follow_each_other_whatever_happens_meanwhile,
    pages_of_conflicts_and_of_the_quarantine_follow_each_other,
    pages_of_deliveries_follow_each_other_over_all_subscribers,
    a_survey_goes_on_over_many_pages,
}

fn visits(park: Option<&str>, limit: usize) -> VisitFilter {
    VisitFilter { park_uuid: park.map(str::to_owned), plate: None, since: None, limit }
}

/// Every page, each of two rows.
fn paged<T, C>(mut page: impl FnMut(Option<C>) -> Result<Page<T, C>, StoreError>) -> Vec<T> {
    let (mut all, mut from) = (Vec::new(), None);
    loop {
        let Page { rows, next } = page(from).unwrap();
        assert!(rows.len() <= 2, "{}", rows.len());
        all.extend(rows);
        if next.is_none() {
            return all;
        }
        from = next;
    }
}

fn pages_of_visits_follow_each_other_whatever_happens_meanwhile(store: &Store) {
    let batch: Vec<Entry> = (1..8_i64).map(|n| enter(&n.to_string(), n as u64, T + n).park(n % 2 + 1)).collect();
    store.record(&batch).unwrap();
    let names = |visits: Vec<Visit>| visits.into_iter().map(|visit| visit.parking_serial).collect::<Vec<_>>();
    let listed = |filter: VisitFilter| names(paged(|from| store.visits_page(&filter, from)));
    assert_eq!(listed(visits(None, 2)), ["7", "6", "5", "4", "3", "2", "1"]);
    assert_eq!(listed(visits(Some("a"), 2)), ["6", "4", "2"]);
    let first = store.visits_page(&visits(None, 2), None).unwrap();
    // 3 leaves and 8 comes: both happened after the listing began.
    store.record(&[leave("3", 10, T + 3, T + 50).park(2), enter("8", 11, T + 60)]).unwrap();
    let mut all = first.rows;
    let mut next = first.next;
    all.extend(paged(|from| store.visits_page(&visits(None, 2), from.or(next.take()))));
    assert_eq!(names(all), ["7", "6", "5", "4", "3", "2", "1"]);
    assert_eq!(names(store.visits(&visits(None, 100)).unwrap()), ["8", "3", "7", "6", "5", "4", "2", "1"]);
    assert_eq!(names(store.visits(&visits(None, 3)).unwrap()), ["8", "3", "7"]);
}

fn pages_of_conflicts_and_of_the_quarantine_follow_each_other(store: &Store) {
    for n in 1..6_i64 {
        let (serial, park) = (n.to_string(), n % 2 + 1);
        let twice = [leave(&serial, n as u64, T, T).park(park), leave(&serial, 100 + n as u64, T, T).park(park)];
        store.record(&twice).unwrap();
    }
    let conflicts = |park: Option<&str>, limit| ConflictFilter { park_uuid: park.map(str::to_owned), limit };
    let serials = |found: Vec<Conflicting>| found.into_iter().map(|one| one.parking_serial).collect::<Vec<_>>();
    let listed = |park| serials(paged(|below| store.conflicts_page(&conflicts(park, 2), below)));
    assert_eq!((listed(None), listed(Some("b"))), (serials_of("5 4 3 2 1"), serials_of("5 3 1")));
    assert_eq!(listed(Some("nobody's")), serials_of(""));
    assert_eq!(serials(store.conflicts(&conflicts(Some("a"), 1)).unwrap()), ["4"]);

    let pushes: Vec<_> = (1..131_u8).map(|n| add_to_quarantine(i64::from(n % 2) + 1, n)).collect();
    store.add_to_quarantine(&pushes, &bound(1000, 1 << 20)).unwrap();
    let filter = QuarantineFilter { limit: 2, park_uuid: Some("a".into()), ..QuarantineFilter::default() };
    let found = paged(|after| {
        let after = after.unwrap_or_default();
        store.quarantine_page(&QuarantineFilter { after, ..filter.clone() })
    });
    let seqnos: Vec<u64> = found.iter().map(|found| found.seqno.0).collect();
    assert_eq!(seqnos, (1..66).map(|n| 2 * n).collect::<Vec<_>>());
    let all = |limit| store.quarantine(&QuarantineFilter { limit, ..QuarantineFilter::default() }).unwrap().len();
    assert_eq!((all(usize::MAX), all(65), all(64)), (130, 65, 64));
}

fn serials_of(text: &str) -> Vec<String> {
    text.split_whitespace().map(str::to_owned).collect()
}

fn pages_of_deliveries_follow_each_other_over_all_subscribers(store: &Store) {
    for name in ["east", "north", "west"] {
        store.add_subscriber(&subscriber(name)).unwrap();
    }
    let batch: Vec<Entry> = (1..4_i64).map(|n| leave(&n.to_string(), n as u64, T, T)).collect();
    store.record(&batch).unwrap();
    let filter = |name: Option<&str>, limit| DeliveryFilter {
        subscriber: name.map(str::to_owned),
        dead: Some(false),
        limit,
        ids: Vec::new(),
    };
    let key = |id: DeliveryId| (id.record, id.subscriber);
    let listed = |name| paged(|after| store.deliveries_page(&filter(name, 2), after));
    let found: Vec<_> = listed(None).iter().map(|one| key(one.id)).collect();
    assert_eq!(found.len(), 9);
    assert!(found.is_sorted(), "{found:?}");
    assert_eq!(store.deliveries(&filter(None, 100)).unwrap().iter().map(|one| key(one.id)).collect::<Vec<_>>(), found);
    assert!(listed(Some("north")).iter().map(|one| one.parking_serial.as_str()).eq(["1", "2", "3"]));
    let named = DeliveryFilter { ids: vec![listed(None)[4].id], limit: 9, ..DeliveryFilter::default() };
    assert_eq!(store.deliveries(&named).unwrap().iter().map(|one| key(one.id)).collect::<Vec<_>>(), found[4..5]);
}

fn a_survey_goes_on_over_many_pages(store: &Store) {
    record_many(store, 2100);
    let mut seen = Vec::new();
    store.survey("a", T, &mut |surveyed| seen.push(surveyed.record.seqno.0)).unwrap();
    assert_eq!(seen, (1..=2100).filter(|n| n % 3 == 0).collect::<Vec<u64>>());
    assert_eq!(store.visits(&visits(Some("a"), usize::MAX)).unwrap().len(), 700);
}

/// Every third of the park `a`, the others of `b`.
fn record_many(store: &Store, count: u64) {
    let entry = |n: u64| leave(&n.to_string(), n, T, T + n as i64).park(if n.is_multiple_of(3) { 1 } else { 2 });
    for from in (1..=count).step_by(500) {
        let batch: Vec<Entry> = (from..=count.min(from + 499)).map(entry).collect();
        store.record(&batch).unwrap();
    }
}

/// What SQLite says of a checkpoint that may not wait: was somebody in its way, and how large is the log now?
fn checkpointed(data: &Path) -> (bool, u64) {
    let file = data.join("parkgate.db");
    let connection = rusqlite::Connection::open(&file).unwrap();
    connection.busy_timeout(std::time::Duration::ZERO).unwrap();
    let busy = connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get(0)).unwrap();
    (busy, std::fs::metadata(data.join("parkgate.db-wal")).unwrap().len())
}

/// However slowly its rows are taken.
#[test]
fn a_listing_that_goes_on_keeps_no_checkpoint_from_ending() {
    let (data, store) = store();
    store.add_subscriber(&subscriber("city")).unwrap();
    record_many(store.as_ref(), 2500);
    for n in 1..9_i64 {
        let again = leave(&(3 * n).to_string(), 9000 + n as u64, T, T + n);
        store.record(&[again]).unwrap();
    }
    store.add_to_quarantine(&[add_to_quarantine(1, 1), add_to_quarantine(1, 2)], &bound(9, 10_000)).unwrap();
    let mut seqno = 10_000;
    // In the middle of a listing another push comes, and the log is brought into the file.
    let mut looked = || {
        seqno += 1;
        store.record(&[leave(&seqno.to_string(), seqno, T, T).park(2)]).unwrap();
        assert_eq!(checkpointed(data.path()), (false, 0));
    };
    let (mut rows, on) = (0_usize, ControlFlow::Continue(()));
    let mut took = |every: usize| {
        rows += 1;
        if rows.is_multiple_of(every) {
            looked();
        }
        on
    };
    store.each_visit(&visits(None, usize::MAX), &mut |_| took(300)).unwrap();
    store.each_conflict(&ConflictFilter { park_uuid: None, limit: 100 }, &mut |_| took(2)).unwrap();
    let all = QuarantineFilter { limit: 100, ..QuarantineFilter::default() };
    store.each_quarantined(&all, &mut |_| took(1)).unwrap();
    let all = DeliveryFilter { limit: usize::MAX, ..DeliveryFilter::default() };
    store.each_delivery(&all, &mut |_| took(300)).unwrap();
    let mut surveyed = 0_usize;
    store
        .survey("b", T, &mut |_| {
            surveyed += 1;
            let _ = took(300);
        })
        .unwrap();
    assert!(surveyed > 1600 && rows > 6000, "{surveyed} of {rows}");
}

/// SQLite has no index by park: what is of another one is looked at, some thousands for a page.
#[test]
fn a_page_that_finds_nothing_is_not_the_last() {
    let (_data, store) = store();
    let mut old = leave("old", 1, T, T).plate("X");
    old.arrival.park = ParkId(1);
    old.arrival.digest = Digest([9; 16]);
    store.record(&[old]).unwrap();
    let batch = |from: u64| (from..from + 500).map(|n| leave(&n.to_string(), n, T, T + 1).park(2)).collect::<Vec<_>>();
    (0..9).for_each(|part| drop(store.record(&batch(10 + 500 * part)).unwrap()));
    let first = store.visits_page(&visits(Some("a"), 10), None).unwrap();
    assert!(first.rows.is_empty() && first.next.is_some());
    for (park, plate) in [(Some("a"), None), (None, Some("X")), (Some("a"), Some("X"))] {
        let filter = VisitFilter { plate: plate.map(str::to_owned), ..visits(park, 10) };
        let found = store.visits(&filter).unwrap();
        assert_eq!(found.iter().filter_map(|visit| Some(visit.leave.as_ref()?.seqno)).collect::<Vec<_>>(), [Seqno(1)]);
    }
}
