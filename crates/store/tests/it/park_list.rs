//! What every [`Store`] promises of the list of all parks.

use parkgate_ledger::{ParkId, day_begins, day_in_china};
use parkgate_store::{ListedPark, Store};
use parkgate_wire::UnixMillis;

use crate::conformance::{add_to_quarantine, bound};
use crate::push::{T, With, enter, leave};

on_every_store! {
    every_park_is_listed_with_what_was_counted_of_it_today,
    the_day_of_another_zone_is_counted_from_the_records,
    serials_that_start_anew_are_seen_in_a_list_as_in_a_park_alone,
    the_epochs_of_a_park_are_counted_together,
}

const HOUR: i64 = 60 * 60 * 1000;

fn midnight() -> UnixMillis {
    day_begins(day_in_china(UnixMillis(T)))
}

fn listed(store: &Store, midnight: UnixMillis) -> [ListedPark; 2] {
    store.park_figures(midnight).unwrap().try_into().unwrap()
}

fn every_park_is_listed_with_what_was_counted_of_it_today(store: &Store) {
    let [a, _] = listed(store, midnight());
    assert_eq!((a.last_push_at, a.pushes_today, a.refused_today, a.quarantine_pushes), (None, 0, 0, 0));
    store.record(&[leave("0", 1, T, midnight().0 - 2)]).unwrap();
    let batch = [
        enter("1", 2, T),
        leave("1", 3, T, T + 5).space(100, 40),
        // Another push with the serial: it is recorded beside it.
        leave("1", 4, T, T + 7),
        leave("2", 5, T, T).park(2),
    ];
    store.record(&batch).unwrap();
    // Repeats are no new pushes.
    store.record(&[leave("1", 3, T, T + 5).space(100, 40).received_at(T + HOUR)]).unwrap();
    let quarantined = [add_to_quarantine(2, 1), add_to_quarantine(2, 2), add_to_quarantine(0, 3)];
    store.add_to_quarantine(&quarantined, &bound(100, 1 << 20)).unwrap();
    store.add_to_quarantine(&quarantined[..1], &bound(100, 1 << 20)).unwrap();
    let [a, b] = listed(store, midnight());
    assert_eq!((a.park.park_uuid.as_str(), a.last_push_at, a.pushes_today), ("a", Some(UnixMillis(T + 8)), 3));
    assert_eq!((b.last_push_at, b.pushes_today), (Some(UnixMillis(T + 1)), 1));
    let shown = a.space.shown(None);
    assert_eq!((shown.remain, shown.total, b.space), (Some(40), Some(100), store.space(ParkId(2)).unwrap()));
    assert_eq!((a.refused_today, b.refused_today), (0, 3));
    let used = store.quarantine_used().unwrap().into_iter().find(|(park, ..)| *park == ParkId(2)).unwrap();
    assert_eq!((b.quarantine_pushes, b.quarantine_bytes), (used.1, used.2));
    let [a, b] = listed(store, UnixMillis(midnight().0 + 24 * HOUR));
    assert_eq!((a.pushes_today, a.last_push_at), (0, Some(UnixMillis(T + 8))), "tomorrow");
    assert_eq!((b.refused_today, b.quarantine_pushes), (0, 2));
    // A recount counts spaces, and nothing else.
    let park = &store.parks().unwrap()[0];
    store.recount(park).unwrap();
    assert_eq!(listed(store, midnight())[0].pushes_today, 3);
}

fn the_day_of_another_zone_is_counted_from_the_records(store: &Store) {
    let elsewhere = UnixMillis(midnight().0 + HOUR / 2);
    store.record(&[leave("1", 1, T, elsewhere.0 - 2), leave("2", 2, T, elsewhere.0), leave("3", 3, T, T)]).unwrap();
    assert_eq!(listed(store, elsewhere).map(|one| one.pushes_today), [2, 0]);
    assert_eq!(listed(store, midnight()).map(|one| one.pushes_today), [3, 0]);
}

fn conflicts_of_a_restart(store: &Store) {
    const DAY: i64 = 24 * HOUR;
    for number in 0..60_u64 {
        let serial = number.to_string();
        store.record(&[leave(&serial, number, T, T + 1).plate("old")]).unwrap();
        store.record(&[leave(&serial, 100 + number, T + 10 * DAY, T + 10 * DAY + 1).plate("new")]).unwrap();
        store
            .record(&[leave(&serial, number, T, T + 1).park(2), leave(&serial, 200 + number, T, T + 2).park(2)])
            .unwrap();
    }
}

fn serials_that_start_anew_are_seen_in_a_list_as_in_a_park_alone(store: &Store) {
    conflicts_of_a_restart(store);
    for one in listed(store, midnight()) {
        assert_eq!(one.reuse, store.serial_reuse(&one.park.park_uuid).unwrap());
        assert_eq!(one.reuse.is_some(), one.park.park_uuid == "a");
    }
}

fn the_epochs_of_a_park_are_counted_together(store: &Store) {
    store.record(&[leave("1", 1, T, T).space(10, 4)]).unwrap();
    let epoch = store.begin_epoch(ParkId(1), UnixMillis(T + 10)).unwrap();
    store.record(&[leave("1", 2, T + 20, T + 30).park(epoch.records.0).space(10, 5)]).unwrap();
    let [a, _] = listed(store, midnight());
    assert_eq!((a.pushes_today, a.last_push_at), (2, Some(UnixMillis(T + 31))));
    assert_eq!(a.space.shown(None).remain, Some(5));
}
