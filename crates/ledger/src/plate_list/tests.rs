use proptest::prelude::*;

use super::*;

fn entry(plate: &str, list: PlateList) -> ListedPlate {
    ListedPlate::new(plate, list, None).unwrap()
}

fn standing(entries: &[ListedPlate]) -> BTreeMap<String, ListedPlate> {
    let key = |entry: &ListedPlate| NormalPlate::of(&entry.plate).unwrap().as_str().to_owned();
    entries.iter().map(|entry| (key(entry), entry.clone())).collect()
}

/// The lists after a change.
fn after(mut standing: BTreeMap<String, ListedPlate>, change: PlateChange<'_>) -> BTreeMap<String, ListedPlate> {
    let changes = plate_changes(&standing, change).unwrap();
    let added = changes.put.iter().filter(|(key, _)| !standing.contains_key(key.as_str())).count();
    assert_eq!((added, changes.put.len() - added), (changes.added, changes.changed()));
    changes.remove.iter().for_each(|key| assert!(standing.remove(key).is_some()));
    standing.extend(changes.put.into_iter().map(|(key, entry)| (key.as_str().to_owned(), entry)));
    standing
}

#[test]
fn lists_have_many_names() {
    for list in [PlateList::Allow, PlateList::Deny] {
        for name in [list.name(), list.zh()] {
            assert_eq!(PlateList::named(name), Some(list));
            assert_eq!(PlateList::named(&format!(" {} ", name.to_uppercase())), Some(list));
        }
    }
    assert_eq!([PlateList::named(""), PlateList::named("灰名单")], [None, None]);
}

#[test]
fn an_entry_can_be_matched_and_its_note_is_short() {
    let listed = ListedPlate::new(" 粤B·12345 ", PlateList::Allow, Some(" 业主 ")).unwrap();
    assert_eq!((listed.plate.as_str(), listed.note.as_deref()), ("粤B·12345", Some("业主")));
    assert_eq!(ListedPlate::new("粤B12345", PlateList::Allow, Some("  ")).unwrap().note, None);
    assert_eq!(ListedPlate::new("无牌车", PlateList::Deny, None), Err(PlateRefused::Unreadable));
    let note = "注".repeat(NOTE_CHARS_MAX);
    assert!(ListedPlate::new("粤B12345", PlateList::Deny, Some(&note)).is_ok());
    let longer = ListedPlate::new("粤B12345", PlateList::Deny, Some(&(note + "注")));
    assert_eq!(longer, Err(PlateRefused::NoteTooLong));
}

#[test]
fn a_plate_is_on_its_list_however_it_is_written() {
    let plates = [("粤B12345", PlateList::Allow), ("粤B1O345", PlateList::Deny), ("MO12", PlateList::Deny)];
    let lists: PlateLists = plates.iter().map(|(plate, list)| (NormalPlate::of(plate).unwrap(), *list)).collect();
    for (plate, expected) in [
        ("粤b·I2345", Some(PlateList::Allow)),
        ("粤B10345", Some(PlateList::Deny)),
        ("mo-12", Some(PlateList::Deny)),
        ("M012", None),
        ("粤B12346", None),
        ("无牌车", None),
        ("", None),
    ] {
        assert_eq!(lists.list_of(plate), expected, "{plate}");
    }
    assert_eq!((lists.count(PlateList::Allow), lists.count(PlateList::Deny)), (1, 2));
    assert_eq!(PlateLists::default().list_of("粤B12345"), None);
}

#[test]
fn a_change_says_what_is_new_what_changed_and_what_goes() {
    let lists = standing(&[entry("粤B1", PlateList::Allow), entry("粤B2", PlateList::Allow)]);
    let given = [entry("粤B·2", PlateList::Deny), entry("粤B3", PlateList::Deny), entry("粤B1", PlateList::Allow)];
    let put = plate_changes(&lists, PlateChange::Put(&given)).unwrap();
    assert_eq!((put.added, put.changed(), put.remove.len()), (1, 1, 0));
    let whole = plate_changes(&lists, PlateChange::Replace(&given[..1])).unwrap();
    assert_eq!((whole.added, whole.changed(), whole.remove.as_slice()), (0, 1, &["粤B1".to_owned()][..]));
    assert!(plate_changes(&lists, PlateChange::Put(&given[2..])).unwrap().is_empty());
    // The last writing counts.
    let twice = [entry("粤B9", PlateList::Allow), entry("粤b-9", PlateList::Deny)];
    let put = plate_changes(&lists, PlateChange::Put(&twice)).unwrap();
    assert_eq!((put.added, &put.put[0].1), (1, &twice[1]));
    let plate = NormalPlate::of("粤 b 1").unwrap();
    assert_eq!(plate_changes(&lists, PlateChange::Remove(&plate)).unwrap().remove, ["粤B1"]);
    let none = NormalPlate::of("粤B7").unwrap();
    assert!(plate_changes(&lists, PlateChange::Remove(&none)).unwrap().is_empty());
}

#[test]
fn lists_are_bounded() {
    let all: Vec<ListedPlate> = (1..=4).map(|number| entry(&format!("粤B{number}"), PlateList::Allow)).collect();
    let none = BTreeMap::new();
    assert_eq!(changes_within(3, &none, PlateChange::Put(&all)), Err(TooManyPlates(4)));
    assert_eq!(changes_within(3, &none, PlateChange::Put(&all[1..])).unwrap().added, 3);
    let full = standing(&all[1..]);
    assert_eq!(changes_within(3, &full, PlateChange::Put(&all[..1])), Err(TooManyPlates(4)));
    let whole = changes_within(3, &full, PlateChange::Replace(&all[..3])).unwrap();
    assert_eq!((whole.added, whole.changed(), whole.remove.len()), (1, 0, 1));
}

fn some_entry() -> impl Strategy<Value = ListedPlate> {
    let list = prop::sample::select(vec![PlateList::Allow, PlateList::Deny]);
    ("[粤京][AB][·]?[0-2OI]{2}", list)
        .prop_filter_map("readable", |(plate, list)| ListedPlate::new(&plate, list, None).ok())
}

proptest! {
    #[test]
    fn changes_come_to_what_was_asked_for_and_a_second_time_to_nothing(
        before in prop::collection::vec(some_entry(), 0..12),
        given in prop::collection::vec(some_entry(), 0..12),
    ) {
        let before = standing(&before);
        let put = after(before.clone(), PlateChange::Put(&given));
        let mut model = before.clone();
        model.extend(standing(&given));
        prop_assert_eq!(&put, &model);
        prop_assert!(plate_changes(&put, PlateChange::Put(&given)).unwrap().is_empty());
        let replaced = after(before, PlateChange::Replace(&given));
        prop_assert_eq!(&replaced, &standing(&given));
        prop_assert!(plate_changes(&replaced, PlateChange::Replace(&given)).unwrap().is_empty());
    }

    #[test]
    fn a_denied_plate_is_denied_in_whatever_order_its_entries_come(
        mut entries in prop::collection::vec(some_entry(), 1..20),
        turn in 0_usize..20,
    ) {
        let lists = |entries: &[ListedPlate]| -> PlateLists {
            entries.iter().map(|entry| (NormalPlate::of(&entry.plate).unwrap(), entry.list)).collect()
        };
        let first = lists(&entries);
        for entry in &entries {
            let is_denied = entries.iter().any(|other| {
                other.list == PlateList::Deny && NormalPlate::of(&other.plate) == NormalPlate::of(&entry.plate)
            });
            let expected = if is_denied { PlateList::Deny } else { PlateList::Allow };
            prop_assert_eq!(first.list_of(&entry.plate), Some(expected));
        }
        let turn = turn % entries.len();
        entries.rotate_left(turn);
        prop_assert_eq!(lists(&entries), first);
    }
}
