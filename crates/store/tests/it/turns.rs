//! Forwarding on several nodes, and from a database that was damaged.

use std::sync::Arc;

use parkgate_store::delivery::{Claim, DeliveryFilter, Format, NewSubscriber, Settled, SubscriberSettings};
use parkgate_store::{ConflictFilter, Entry, Store, Subscriber};
use parkgate_testbed::Postgres;
use parkgate_wire::{KindSet, PushKind, Secret};

use crate::push::{T, With, enter, leave, new_park};

fn opened(cluster: &Postgres) -> (tempfile::TempDir, String, [Arc<Store>; 2], Subscriber) {
    let (folder, database) = (tempfile::tempdir().unwrap(), cluster.database());
    let open = || parkgate_store::open(folder.path(), Some(&database)).unwrap();
    let nodes = [open(), open()];
    nodes[0].add_park(&new_park("a")).unwrap();
    let settings = SubscriberSettings {
        url: "https://city.example".into(),
        format: Format::Relay,
        app_id: None,
        personal: true,
        mask_plates: false,
        per_second: Some(10),
        compare: false,
    };
    let secret = Secret::new("");
    let city = NewSubscriber {
        name: "city".into(),
        settings,
        secret,
        parks: None,
        kinds: KindSet::of([PushKind::Enter, PushKind::Leave]),
    };
    nodes[0].add_subscriber(&city).unwrap();
    let city = nodes[0].subscribers().unwrap().remove(0);
    (folder, database, nodes, city)
}

#[test]
fn nodes_share_the_turns_of_a_rate() {
    let cluster = Postgres::shared();
    let (_folder, _, nodes, city) = opened(&cluster);
    let pushes: Vec<_> = (0..100).map(|n| leave(&n.to_string(), n, T, T)).collect();
    nodes[0].record(&pushes).unwrap();
    let mut turns = Vec::new();
    // Each of them asks all the time.
    for now in (T..T + 3000).step_by(100) {
        for node in &nodes {
            let claim = Claim { subscriber: city.id, now, until: now + 60_000, max: 10, per_second: Some(10) };
            let claimed = node.claim(&claim).unwrap();
            turns.extend((0..claimed.outgoing.len() as i64).map(|number| claimed.send_from + number * 100));
        }
    }
    assert!(turns.len() >= 30, "{turns:?}");
    assert!(turns.windows(2).all(|pair| pair[1] - pair[0] >= 100), "ten a second, whoever sends: {turns:?}");
}

#[test]
fn a_record_that_cannot_be_read_does_not_keep_the_others() {
    let cluster = Postgres::shared();
    let (_folder, database, nodes, city) = opened(&cluster);
    let personal = |serial: &str, seqno| leave(serial, seqno, T, T).personal(r#"{"idcard_no":"110"}"#);
    nodes[0].record(&[personal("1", 1), personal("2", 2), personal("3", 3)]).unwrap();
    let name = database.rsplit('/').next().unwrap();
    cluster.sql(name, "UPDATE records SET personal = 'x' WHERE parking_serial = '2'");
    cluster.sql(name, "DELETE FROM records WHERE parking_serial = '3'");
    let claim = Claim { subscriber: city.id, now: T + 10_000, until: T + 20_000, max: 10, per_second: None };
    let claimed = nodes[0].claim(&claim).unwrap();
    assert_eq!(claimed.outgoing.len(), 1);
    assert_eq!(claimed.unreadable.len(), 2);
    let dead = claimed.unreadable.into_iter().map(|(due, answer)| Settled::Dead { due, answer });
    nodes[0].settle(city.id, &dead.collect::<Vec<_>>(), T).unwrap();
    let filter = DeliveryFilter { dead: Some(true), limit: 10, ..DeliveryFilter::default() };
    assert!(nodes[0].deliveries(&filter).unwrap().iter().any(|one| one.parking_serial == "2"));
}

#[test]
fn a_conflict_whose_other_is_gone_hides_no_other() {
    let cluster = Postgres::shared();
    let (_folder, database, [node, _], _) = opened(&cluster);
    for serial in ["1", "2"] {
        node.record(&[leave(serial, 1, T, T), leave(serial, 2, T, T).content(9)]).unwrap();
    }
    // As when its month is dropped while another push for it comes.
    let name = database.rsplit('/').next().unwrap();
    cluster.sql(name, "DELETE FROM records WHERE parking_serial = '2' AND conflict_with IS NULL");
    let listed = node.conflicts(&ConflictFilter { park_uuid: None, limit: 9 }).unwrap();
    assert_eq!(listed.iter().map(|one| one.parking_serial.as_str()).collect::<Vec<_>>(), ["1"]);
}

#[test]
fn forwarding_looks_at_its_own_keys_only_though_the_planner_knows_nothing_of_the_table() {
    const VISITS: u64 = 1500;
    let cluster = Postgres::shared();
    let (_folder, database, [node, other], city) = opened(&cluster);
    for table in ["records", "deliveries"] {
        cluster.sql(&database, &format!("ALTER TABLE {table} SET (autovacuum_enabled = off)"));
    }
    let pair = |number: u64| {
        let serial = number.to_string();
        [enter(&serial, number, T), leave(&serial, VISITS + number, T, T + 1)]
    };
    let pushes: Vec<Entry> = (0..VISITS).flat_map(pair).collect();
    pushes.chunks(100).for_each(|some| drop(node.record(some).unwrap()));
    // Enters first, each waking its leave; then these.
    let mut delivered = 0;
    while delivered < 2 * VISITS {
        let claim = Claim { subscriber: city.id, now: T + 10_000, until: T + 20_000, max: 100, per_second: None };
        let taken = node.claim(&claim).unwrap().outgoing;
        assert!(!taken.is_empty(), "{delivered}");
        delivered += taken.len() as u64;
        let settled: Vec<Settled> = taken.into_iter().map(|one| Settled::Delivered(one.due)).collect();
        node.settle(city.id, &settled, T + 10_000).unwrap();
    }
    // A session reports its figures when it ends.
    node.close().unwrap();
    other.close().unwrap();
    let gone = format!("{}", 2 * VISITS);
    while cluster.sql(&database, "SELECT n_tup_del FROM pg_stat_user_tables WHERE relname = 'deliveries'") != gone {
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    let read =
        "SELECT sum(idx_tup_read) FROM pg_stat_user_indexes WHERE relname IN ('records', 'deliveries', 'images')";
    let read: u64 = cluster.sql(&database, read).parse().unwrap();
    let scanned =
        "SELECT sum(seq_tup_read) FROM pg_stat_user_tables WHERE relname IN ('records', 'deliveries', 'images')";
    let scanned: u64 = cluster.sql(&database, scanned).parse().unwrap();
    // Some ten lookups for each, and what was postponed or is not vacuumed yet.
    assert!(read < 60 * 2 * VISITS && scanned < 2 * VISITS, "{read} entries of indexes, {scanned} rows");
}
