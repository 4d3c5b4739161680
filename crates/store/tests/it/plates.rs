//! What every [`Store`] promises of parks' lists by plate, and of the counts that are asked for together.

use parkgate_ledger::plate::NormalPlate;
use parkgate_ledger::plate_list::{ListedPlate, PlateChange, PlateChanges, PlateList};
use parkgate_ledger::{ParkId, Space};
use parkgate_store::{ParkChange, PlatesOutcome, Store};

use crate::push::{T, With, leave};

on_every_store! {
    two_writings_of_a_plate_are_one_entry_of_its_park,
    lists_are_replaced_whole,
    a_change_is_seen_by_its_version_and_nothing_is_no_change,
    many_plates_are_one_transaction,
    a_park_refuses_when_full_if_it_is_set_to,
    counts_are_read_together,
}

fn entry(plate: &str, list: PlateList, note: Option<&str>) -> ListedPlate {
    ListedPlate::new(plate, list, note).unwrap()
}

fn changed(store: &Store, park_uuid: &str, change: PlateChange<'_>) -> PlateChanges {
    match store.change_plates(park_uuid, change).unwrap() {
        PlatesOutcome::Changed(changes) => changes,
        other => panic!("{other:?}"),
    }
}

fn listed(store: &Store, park: i64) -> Vec<(String, String, bool, Option<String>)> {
    let plates = store.plates(ParkId(park)).unwrap();
    let shown = |(key, entry): (String, ListedPlate)| (key, entry.plate, entry.list == PlateList::Allow, entry.note);
    plates.into_iter().map(shown).collect()
}

fn two_writings_of_a_plate_are_one_entry_of_its_park(store: &Store) {
    let first = changed(store, "a", PlateChange::Put(&[entry("粤B·12345", PlateList::Allow, Some("业主"))]));
    assert_eq!((first.added, first.changed()), (1, 0));
    let again = changed(store, "a", PlateChange::Put(&[entry("粤bI2345", PlateList::Deny, None)]));
    assert_eq!((again.added, again.changed()), (0, 1));
    assert_eq!(listed(store, 1), [("粤B12345".to_owned(), "粤bI2345".to_owned(), false, None)]);
    assert_eq!(listed(store, 2), []);
    changed(store, "b", PlateChange::Put(&[entry("粤B12345", PlateList::Allow, None)]));
    let gone = changed(store, "a", PlateChange::Remove(&NormalPlate::of("粤Ｂ 12345").unwrap()));
    assert_eq!((gone.remove.len(), listed(store, 1).len(), listed(store, 2).len()), (1, 0, 1));
    assert_eq!(store.change_plates("none", PlateChange::Put(&[])).unwrap(), PlatesOutcome::NoSuchPark);
}

fn lists_are_replaced_whole(store: &Store) {
    let list = PlateList::Deny;
    changed(store, "a", PlateChange::Put(&["粤B1", "粤B2", "粤B3"].map(|plate| entry(plate, list, None))));
    let given = [entry("粤B·2", list, None), entry("粤B3", list, None), entry("粤B4", list, Some("'; --"))];
    let changes = changed(store, "a", PlateChange::Replace(&given));
    assert_eq!((changes.added, changes.changed(), changes.remove.as_slice()), (1, 1, &["粤B1".to_owned()][..]));
    let plates: Vec<String> = listed(store, 1).into_iter().map(|(_, plate, ..)| plate).collect();
    assert_eq!(plates, ["粤B·2", "粤B3", "粤B4"]);
}

fn a_change_is_seen_by_its_version_and_nothing_is_no_change(store: &Store) {
    let versions = || (store.registry_version().unwrap(), store.parks().unwrap()[0].plates_version);
    let given = [entry("粤B1", PlateList::Allow, None)];
    let before = versions();
    changed(store, "a", PlateChange::Put(&given));
    let after = versions();
    assert!(after.0 > before.0 && after.1 > before.1, "{before:?} {after:?}");
    assert!(changed(store, "a", PlateChange::Replace(&given)).is_empty());
    assert_eq!(versions(), after);
    assert_eq!(store.parks().unwrap()[1].plates_version, 0);
}

fn many_plates_are_one_transaction(store: &Store) {
    const PLATES: usize = 10_000;
    let plates: Vec<ListedPlate> =
        (0..PLATES).map(|number| entry(&format!("粤B{number:06}D"), PlateList::Allow, Some("业主"))).collect();
    assert_eq!(changed(store, "a", PlateChange::Put(&plates)).added, PLATES);
    assert_eq!(store.plates(ParkId(1)).unwrap().len(), PLATES);
    let changes = changed(store, "a", PlateChange::Replace(&plates[..1]));
    assert_eq!((changes.remove.len(), listed(store, 1).len()), (PLATES - 1, 1));
}

fn a_park_refuses_when_full_if_it_is_set_to(store: &Store) {
    assert!(!store.parks().unwrap()[0].refuse_when_full);
    let change = ParkChange { refuse_when_full: Some(true), ..ParkChange::default() };
    assert!(store.change_park("a", &change).unwrap());
    assert!(store.change_park("a", &ParkChange { name: Some("x".into()), ..ParkChange::default() }).unwrap());
    let parks = store.parks().unwrap();
    assert!(parks.iter().any(|park| park.park_uuid == "a" && park.refuse_when_full));
    assert!(parks.iter().any(|park| park.park_uuid == "b" && !park.refuse_when_full));
}

fn counts_are_read_together(store: &Store) {
    store.record(&[leave("1", 1, T, T + 1), leave("2", 2, T, T + 2).park(2), leave("3", 3, T, T + 3).park(2)]).unwrap();
    let spaces = store.spaces(&[ParkId(1), ParkId(2), ParkId(99)]).unwrap();
    let later = |park| spaces.get(&ParkId(park)).map(|space: &Space| space.later);
    assert_eq!([later(1), later(2), later(99)], [Some(1), Some(2), None]);
    assert!(store.spaces(&[]).unwrap().is_empty());
}
