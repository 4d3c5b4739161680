//! The master key is changed for another: whatever is sealed stays readable, from wherever it is gone on with.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use parkgate_ledger::quarantine::{QuarantineBounds, Usage};
use parkgate_store::{
    Entry, Format, KeyState, NewApp, NewQuarantined, NewSubscriber, ParkChange, QuarantineContent, QuarantineFilter,
    RotationStart, RotationStep, Store, StoreError, SubscriberSettings, VisitFilter,
};
use parkgate_testbed::Postgres;
use parkgate_wire::{Digest, KindSet, PushKind, Secret, Seqno};

use crate::push::{T, With, enter, new_park, opened};

on_every_store! {
    whatever_is_sealed_stays_readable_at_every_step,
    only_one_change_of_the_key_is_under_way,
}

/// Later than nodes are waited for.
const LATER: i64 = T + 40_000;
/// Records with ID data: more than are sealed anew at once.
const RECORDS: u64 = 210;

fn sealed_entry(number: u64) -> Entry {
    let mut entry = enter(&format!("P{number}"), number + 10_000, T + number as i64);
    entry = entry.personal(&format!(r#"{{"idcard_no":"{number:018}"}}"#));
    entry.original = Some(format!(r#"[["plate","{number}"]]"#));
    entry
}

fn refused(number: u64) -> NewQuarantined {
    let mut digest = [0; 16];
    digest[..8].copy_from_slice(&number.to_le_bytes());
    NewQuarantined {
        park: parkgate_ledger::ParkId(1),
        kind: PushKind::Enter,
        seqno: Seqno(number),
        received_at: T,
        address: "127.0.0.1".into(),
        reason: "Signature",
        digest: Digest(digest),
        finding: None,
        kept: QuarantineContent { hint: format!("hint {number}"), ..QuarantineContent::default() },
        pictures: Vec::new(),
        is_admitted: false,
    }
}

fn bounds() -> QuarantineBounds {
    let usage = Usage { pushes: 10_000, bytes: 1 << 30 };
    QuarantineBounds { park: usage, unknown: usage, all_bytes: 1 << 30, disk_free_min: None }
}

/// Something in each sealed column.
fn fill(store: &Store) {
    let change =
        ParkChange { secret: Some(Secret::new("rotated")), old_secret_until: Some(LATER * 2), ..ParkChange::default() };
    store.change_park("a", &change).unwrap();
    let (app_id, secret, parks) = ("app".to_owned(), Secret::new("of-app"), vec!["a".to_owned()]);
    store.add_app(&NewApp { app_id, secret, api_type: None, parks }).unwrap();
    let settings = SubscriberSettings {
        url: "http://127.0.0.1:1".into(),
        format: Format::Relay,
        app_id: None,
        personal: true,
        mask_plates: false,
        per_second: None,
        compare: false,
    };
    let (name, secret) = ("city".to_owned(), Secret::new("of-city"));
    let kinds = KindSet::of(PushKind::ALL);
    store.add_subscriber(&NewSubscriber { name, settings, secret, parks: None, kinds }).unwrap();
    for first in (0..RECORDS).step_by(70) {
        store.record(&(first..first + 70).map(sealed_entry).collect::<Vec<_>>()).unwrap();
    }
    store.add_to_quarantine(&(0..40).map(refused).collect::<Vec<_>>(), &bounds()).unwrap();
}

/// Reads all of it.
fn is_whole(store: &Store, records: u64, quarantined: usize) {
    let parks = store.parks().unwrap();
    let of_a = parks.iter().find(|park| park.park_uuid == "a").unwrap();
    assert_eq!(of_a.secret.expose(), "rotated");
    assert_eq!(of_a.old_secret.as_ref().unwrap().secret.expose(), "secret-of-a");
    assert_eq!(store.apps().unwrap()[0].secret.expose(), "of-app");
    assert_eq!(store.subscribers().unwrap()[0].registered.secret.expose(), "of-city");
    let filter = VisitFilter { park_uuid: Some("a".into()), plate: None, since: None, limit: 100_000 };
    let visits = store.visits(&filter).unwrap();
    let with_id = visits.iter().filter(|visit| visit.enter.as_ref().unwrap().params.contains_key("idcard_no"));
    assert_eq!(with_id.count() as u64, records);
    let filter = QuarantineFilter { limit: 100_000, ..QuarantineFilter::default() };
    let kept = store.quarantine(&filter).unwrap();
    assert_eq!(kept.len(), quarantined);
    assert!(kept.iter().all(|entry| entry.kept.hint.starts_with("hint ")));
}

fn states(store: &Store) -> Vec<&'static str> {
    store.shown_keys().unwrap().0.iter().map(|key| key.state.name()).collect()
}

fn is_done(store: &Store) -> bool {
    !store.shown_keys().unwrap().0.iter().any(|key| matches!(key.state, KeyState::Coming | KeyState::Old))
}

fn begin(store: &Store, now: i64) {
    assert!(matches!(store.begin_key_rotation(now).unwrap(), RotationStart::Begun(_)));
}

fn whatever_is_sealed_stays_readable_at_every_step(store: &Store) {
    fill(store);
    let content_key = store.content_key();
    for round in 0..2 {
        let (mut records, mut quarantined) = (RECORDS + round * 1000, 40 + round as usize * 1000);
        if round == 1 {
            let all = VisitFilter { park_uuid: Some("a".into()), plate: None, since: None, limit: 100_000 };
            records = store.visits(&all).unwrap().len() as u64;
            quarantined = store.quarantine(&QuarantineFilter { limit: 100_000, ..Default::default() }).unwrap().len();
        }
        begin(store, T);
        let mut steps = 0;
        while !is_done(store) {
            let step = store.rotate_step("one", LATER).unwrap();
            assert_ne!(step, RotationStep::Nothing);
            steps += 1;
            assert!(steps < 200, "{:?}", store.shown_keys());
            let number = 100_000 * (round + 1) + steps;
            store.record(&[sealed_entry(number)]).unwrap();
            store.add_to_quarantine(&[refused(number)], &bounds()).unwrap();
            (records, quarantined) = (records + 1, quarantined + 1);
            is_whole(store, records, quarantined);
        }
        assert!(steps > 10, "in small steps: {steps}");
        assert_eq!(store.content_key(), content_key, "repeats are known all the time");
    }
    assert_eq!(states(store), ["retired", "retired", "active"]);
    let resealed: u64 = store.shown_keys().unwrap().0[1].resealed;
    // Records, refused pushes, a park with two secrets and another, an app, a subscriber; and what came before it sealed.
    assert!(resealed >= RECORDS + 40 + 4, "{resealed}");
}

fn only_one_change_of_the_key_is_under_way(store: &Store) {
    begin(store, T);
    for now in [T, LATER] {
        assert_eq!(store.begin_key_rotation(now).unwrap(), RotationStart::UnderWay);
        store.rotate_step("one", LATER).unwrap();
    }
    // Another one that goes on waits for its turn, and comes to it once the first has gone.
    let mut turns = 0;
    while store.rotate_step("two", LATER).unwrap() == RotationStep::Waits {
        turns += 1;
        if turns > 2 {
            break;
        }
    }
    let mut now = LATER + 11_000;
    while !is_done(store) {
        store.rotate_step("two", now).unwrap();
        now += 1;
    }
    assert_eq!(states(store), ["retired", "active"]);
    begin(store, now);
}

/// Each step by a process of its own, which ends after it.
fn goes_on_from_wherever_it_was(data: &Path, url: Option<&str>) {
    let store = opened(data, url);
    fill(&store);
    begin(&store, T);
    drop(store);
    let mut steps = 0;
    loop {
        let store = parkgate_store::open(data, url).unwrap();
        is_whole(&store, RECORDS, 40);
        if is_done(&store) {
            break;
        }
        store.rotate_step("one", LATER + steps * 20_000).unwrap();
        store.close().unwrap();
        steps += 1;
        assert!(steps < 100);
    }
    let file = std::fs::read_to_string(data.join("master.key")).unwrap();
    assert_eq!(file.lines().count(), 1, "the old one is kept apart");
    assert_eq!(std::fs::read_to_string(data.join("retired.keys")).unwrap().lines().count(), 1);
    // Nothing of it needs the old key any more.
    std::fs::remove_file(data.join("retired.keys")).unwrap();
    let store = parkgate_store::open(data, url).unwrap();
    is_whole(&store, RECORDS, 40);
    store.close().unwrap();
}

#[test]
fn a_process_that_ends_after_any_step_is_followed_by_another() {
    let folder = tempfile::tempdir().unwrap();
    goes_on_from_wherever_it_was(folder.path(), None);
    let (cluster, folder) = (Postgres::shared(), tempfile::tempdir().unwrap());
    goes_on_from_wherever_it_was(folder.path(), Some(&cluster.database()));
}

/// Another node's folder, with the key of the first as it is now.
fn folder_of(first: &Path) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    std::fs::copy(first.join("master.key"), folder.path().join("master.key")).unwrap();
    folder
}

fn finish(store: &Arc<Store>, now: i64) {
    let mut steps = 0;
    while !is_done(store) {
        store.rotate_step("one", now).unwrap();
        steps += 1;
        assert!(steps < 100);
    }
}

#[test]
fn a_node_that_hangs_or_was_away_opens_and_seals_what_the_others_do() {
    let (cluster, one) = (Postgres::shared(), tempfile::tempdir().unwrap());
    let url = cluster.database();
    let first = opened(one.path(), Some(&url));
    fill(&first);
    let (two, three, late) = (folder_of(one.path()), folder_of(one.path()), folder_of(one.path()));
    let second = parkgate_store::open(two.path(), Some(&url)).unwrap();
    for (data, store) in [(&two, &second), (&three, &parkgate_store::open(three.path(), Some(&url)).unwrap())] {
        assert!(store.key_node().ends_with(&std::fs::canonicalize(data.path()).unwrap().display().to_string()));
        store.keep_keys(T).unwrap();
    }
    begin(&first, T);
    // The second and the third run as far as anybody knows: they are waited for, but not for long.
    assert_eq!(first.rotate_step("one", T + 1).unwrap(), RotationStep::Waits);
    // The key begins to seal while the second hangs.
    assert_eq!(first.rotate_step("one", LATER).unwrap(), RotationStep::Went);
    first.record(&[sealed_entry(5000)]).unwrap();
    second.record(&[sealed_entry(5001)]).unwrap();
    second.add_to_quarantine(&[refused(5001)], &bounds()).unwrap();
    second.add_park(&new_park("c")).unwrap();
    is_whole(&second, RECORDS + 2, 41);
    finish(&first, LATER);
    // Had it sealed anything under the old key, the old key would not be retired.
    is_whole(&first, RECORDS + 2, 41);
    is_whole(&second, RECORDS + 2, 41);
    second.keep_keys(LATER).unwrap();
    assert_eq!(
        std::fs::read(two.path().join("master.key")).unwrap(),
        std::fs::read(one.path().join("master.key")).unwrap()
    );

    // The third was away: the database keeps the key for it until it has it.
    first.rotate_step("one", LATER).unwrap();
    assert!(first.shown_keys().unwrap().0[1].is_wrapped);
    let third = parkgate_store::open(three.path(), Some(&url)).unwrap();
    is_whole(&third, RECORDS + 2, 41);
    third.keep_keys(LATER).unwrap();
    first.keep_keys(LATER).unwrap();
    assert_eq!(first.rotate_step("one", LATER).unwrap(), RotationStep::Went);
    assert!(!first.shown_keys().unwrap().0[1].is_wrapped);
    // Nobody knew of the last one.
    let refused = parkgate_store::open(late.path(), Some(&url)).err().unwrap().to_string();
    assert!(refused.contains("copy master.key from a node that uses it"), "{refused}");
    assert_eq!(refused.lines().count(), 1);
    std::fs::copy(one.path().join("master.key"), late.path().join("master.key")).unwrap();
    is_whole(&parkgate_store::open(late.path(), Some(&url)).unwrap(), RECORDS + 2, 41);
}

#[test]
fn a_backup_from_before_opens_where_the_old_key_is_kept() {
    let (folder, backup) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let store = opened(folder.path(), None);
    fill(&store);
    store.begin_serving().unwrap();
    store.close().unwrap();
    std::fs::copy(folder.path().join("parkgate.db"), backup.path().join("parkgate.db")).unwrap();
    let store = parkgate_store::open(folder.path(), None).unwrap();
    begin(&store, T);
    finish(&store, LATER);
    store.close().unwrap();
    std::fs::copy(folder.path().join("master.key"), backup.path().join("master.key")).unwrap();
    let refused = parkgate_store::open(backup.path(), None).err().unwrap().to_string();
    assert!(refused.contains("master key"), "{refused}");
    std::fs::copy(folder.path().join("retired.keys"), backup.path().join("retired.keys")).unwrap();
    is_whole(&parkgate_store::open(backup.path(), None).unwrap(), RECORDS, 40);
}

#[test]
fn a_store_moves_with_its_keys_but_not_while_they_change() {
    use parkgate_store::moving::{At, Begun, Move};
    let (cluster, folder, there) = (Postgres::shared(), tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let url = cluster.database();
    let (from, to) = (At { data: folder.path(), url: None }, At { data: there.path(), url: Some(&url) });
    let store = opened(folder.path(), None);
    fill(&store);
    begin(&store, T);
    let refused = Move::begin(from, to).err().unwrap().to_string();
    assert!(refused.contains("master key is being changed"), "{refused}");
    finish(&store, LATER);
    let content_key = store.content_key();
    store.close().unwrap();
    let Ok(Begun::Going(moving)) = Move::begin(from, to) else { panic!("it did not begin") };
    moving.copy(&mut |_| {}).unwrap();
    moving.finish(&mut |_| {}).unwrap();
    let store = parkgate_store::open(there.path(), Some(&url)).unwrap();
    is_whole(&store, RECORDS, 40);
    assert_eq!(store.content_key(), content_key);
}

/// Columns of bytes that are not sealed: digests, hashes, and keys by their ids.
const OPEN: [&str; 9] = [
    "images.md5",
    "images.sha256",
    "master_keys.key_id",
    "quarantine.digest",
    "quarantine_images.md5",
    "quarantine_images.sha256",
    "records.digest",
    // Sealed under the key that they name, or belong to.
    "master_key.proof",
    "master_keys.content_key",
];

#[test]
fn every_column_of_bytes_is_known_as_sealed_or_open() {
    let (folder, _store) = crate::push::store();
    let database = rusqlite::Connection::open(folder.path().join("parkgate.db")).unwrap();
    let sql = "SELECT m.name || '.' || c.name FROM sqlite_schema m JOIN pragma_table_info(m.name) c \
        WHERE m.type = 'table' AND c.type = 'BLOB'";
    let mut statement = database.prepare(sql).unwrap();
    let found: BTreeSet<String> = statement.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect();
    let sealed = parkgate_store::sealed_columns();
    let wrapped = ["master_keys.under_before", "master_keys.under_next"];
    let known = sealed.into_iter().chain(OPEN.into_iter().chain(wrapped).map(str::to_owned));
    assert_eq!(found, known.collect::<BTreeSet<_>>());
}

#[test]
fn what_names_a_key_that_is_not_here_says_so() {
    let error = StoreError::KeyChanged(parkgate_store::KeyId([0xab; 8])).to_string();
    assert!(error.contains("abababababababab") && error.contains("copy master.key"), "{error}");
}
