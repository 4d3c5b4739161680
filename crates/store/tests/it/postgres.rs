//! What holds of many nodes on one database, and of connections and servers that end in the middle of it.

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use parkgate_ledger::{ParkId, Verdict};
use parkgate_store::{Alarm, Entry, Recorder, Store, StoreError, VisitFilter};
use parkgate_testbed::Postgres;
use parkgate_wire::Seqno;
use tempfile::TempDir;

use crate::push::{T, With, enter, leave, new_park, on_sqlite, opened};

/// Two nodes on a new database with the parks `a` and `b`, their folders and its URL.
pub(crate) fn two_nodes(cluster: &Postgres) -> (TempDir, TempDir, String, [Arc<Store>; 2]) {
    let (one, two, url) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap(), cluster.database());
    let first = opened(one.path(), Some(&url));
    std::fs::copy(one.path().join("master.key"), two.path().join("master.key")).unwrap();
    let second = parkgate_store::open(two.path(), Some(&url)).unwrap();
    (one, two, url, [first, second])
}

pub(crate) fn listed(store: &Store) -> usize {
    store.visits(&VisitFilter { park_uuid: None, plate: None, since: None, limit: 100_000 }).unwrap().len()
}

#[test]
fn of_pushes_that_conflict_one_wins_and_every_node_says_so() {
    let cluster = Postgres::shared();
    let (_one, _two, _url, nodes) = two_nodes(&cluster);
    let verdicts = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for thread in 0..8_u64 {
            let (node, verdicts) = (&nodes[thread as usize % 2], &verdicts);
            scope.spawn(move || {
                // Parks and serials in another order on each thread: locks must not be taken in a circle.
                for round in 0..30_u64 {
                    let mut batch: Vec<Entry> = (1..=6)
                        .map(|park| leave(&round.to_string(), thread * 1000 + round, T, T).park(park).space(100, 50))
                        .collect();
                    if thread % 2 == 0 {
                        batch.reverse();
                    }
                    let found = node.record(&batch).unwrap();
                    let parks = batch.iter().map(|entry| entry.arrival.park);
                    verdicts.lock().unwrap().extend(parks.zip(found).map(|(park, found)| (park, round, found)));
                }
            });
        }
    });
    let verdicts = verdicts.into_inner().unwrap();
    for park in 1..=6 {
        for round in 0..30 {
            let of = verdicts.iter().filter(|(p, r, _)| (p.0, *r) == (park, round));
            let recorded = of.clone().filter(|(.., found)| matches!(found, Verdict::Recorded { .. })).count();
            let conflicts = of.filter(|(.., found)| matches!(found, Verdict::Conflict { .. })).count();
            assert_eq!((recorded, conflicts), (1, 7), "park {park}, serial {round}");
        }
    }
    assert_eq!(listed(nodes[0].as_ref()), 60, "of the two parks that are in the registry");
    assert_eq!(nodes[0].registry_version().unwrap(), nodes[1].registry_version().unwrap());
}

#[test]
fn a_change_by_one_node_is_seen_by_the_other() {
    let cluster = Postgres::shared();
    let (_one, _two, _url, [first, second]) = two_nodes(&cluster);
    let before = second.registry_version().unwrap();
    first.add_park(&new_park("c")).unwrap();
    assert!(second.registry_version().unwrap() > before);
    assert_eq!(second.parks().unwrap().len(), 3);
    assert!(matches!(second.add_park(&new_park("c")), Err(StoreError::Exists(_))));
    assert_eq!(first.content_key(), second.content_key());
}

#[test]
fn a_node_with_another_key_or_none_is_refused() {
    let cluster = Postgres::shared();
    let (one, _two, url, [first, _]) = two_nodes(&cluster);
    let other = tempfile::tempdir().unwrap();
    let error = parkgate_store::open(other.path(), Some(&url)).err().unwrap().to_string();
    assert!(error.contains("master.key is missing") && !other.path().join("master.key").exists(), "{error}");
    std::fs::write(other.path().join("master.key"), "00".repeat(32)).unwrap();
    let readable = std::os::unix::fs::PermissionsExt::from_mode(0o600);
    std::fs::set_permissions(other.path().join("master.key"), readable).unwrap();
    let error = parkgate_store::open(other.path(), Some(&url)).err().unwrap().to_string();
    assert!(error.contains("another master key"), "{error}");
    first.close().unwrap();
    assert!(matches!(first.record(&[leave("1", 1, T, T)]), Err(StoreError::Away(_))));
    assert_eq!(parkgate_store::open(one.path(), Some(&url)).unwrap().parks().unwrap().len(), 2);
}

#[test]
fn many_nodes_may_open_a_new_database_at_once() {
    let (cluster, data) = (Postgres::shared(), tempfile::tempdir().unwrap());
    let url = cluster.database();
    std::thread::scope(|scope| {
        for number in 0..6 {
            let (data, url) = (data.path(), &url);
            scope.spawn(move || {
                let store = parkgate_store::open(data, Some(url)).unwrap();
                store.add_park(&new_park(&number.to_string())).unwrap();
            });
        }
    });
    assert_eq!(parkgate_store::open(data.path(), Some(&url)).unwrap().parks().unwrap().len(), 6);
}

/// Records on both nodes while `disturb` goes on; then everything acknowledged is there, once.
fn nothing_is_lost_or_doubled(cluster: &Postgres, rounds: u64, mut disturb: impl FnMut(&str) + Send) {
    let (_one, _two, url, nodes) = two_nodes(cluster);
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let writers: Vec<_> = (0..4_u64)
            .map(|thread| {
                let node = &nodes[thread as usize % 2];
                scope.spawn(move || {
                    for round in 0..rounds {
                        let number = thread * 1_000_000 + round * 10;
                        // A car in and out, an order paid twice: whatever is tried anew, it comes to the same.
                        let batch = || {
                            let serial = number.to_string();
                            let paid = format!(r#"[{{"parking_order":"o{number}","pay_type":"1"}}]"#);
                            let park = (number as i64 / 10) % 2 + 1;
                            [
                                enter(&serial, number, T).park(park),
                                leave(&serial, number + 1, T, T + 1).payments(&paid).park(park),
                                leave(&format!("{serial}+"), number + 2, T, T + 1).payments(&paid).park(park),
                            ]
                        };
                        let verdicts = loop {
                            match node.record(&batch()) {
                                Ok(verdicts) => break verdicts,
                                Err(error) => assert!(error.is_temporary(), "{error}"),
                            }
                        };
                        // Of a batch that was refused though it was done, all are repeats of themselves.
                        let seqno = |verdict: &Verdict, own: u64| match verdict {
                            Verdict::Recorded { .. } => own,
                            Verdict::Repeated { seqno: Seqno(first), .. } => *first,
                            other => panic!("{other:?}"),
                        };
                        let named: Vec<u64> = verdicts.iter().zip(number..).map(|(v, own)| seqno(v, own)).collect();
                        assert_eq!(named, [number, number + 1, number + 2]);
                        let refused = match &verdicts[2] {
                            Verdict::Recorded { refused_orders } | Verdict::Repeated { refused_orders, .. } => {
                                refused_orders
                            }
                            other => panic!("{other:?}"),
                        };
                        assert_eq!(refused, &[format!("o{number}")]);
                    }
                })
            })
            .collect();
        let (done, url) = (&done, &url);
        scope.spawn(move || {
            while !done.load(Ordering::Relaxed) {
                disturb(url);
            }
        });
        let ended: Vec<_> = writers.into_iter().map(std::thread::ScopedJoinHandle::join).collect();
        done.store(true, Ordering::Relaxed);
        ended.into_iter().for_each(|ended| ended.unwrap());
    });
    let count = |table: &str| cluster.sql(&url, &format!("SELECT count(*) FROM {table}")).parse::<u64>().unwrap();
    assert_eq!((count("records"), count("payments")), (4 * rounds * 3, 4 * rounds));
    // An enter takes a space and two leaves give one each: twice as many as there were stays less one each.
    let later: i64 =
        nodes.iter().take(1).map(|node| (1..=2).map(|p| node.space(ParkId(p)).unwrap().later).sum::<i64>()).sum();
    assert_eq!(later, 4 * rounds as i64);
}

#[test]
fn connections_that_end_in_the_middle_lose_nothing_and_double_nothing() {
    let cluster = Postgres::shared();
    let killer = Arc::clone(&cluster);
    nothing_is_lost_or_doubled(&cluster, 150, move |url| {
        let kill = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity \
            WHERE application_name = 'parkgate' AND datname = current_database() AND random() < 0.5";
        killer.sql(url, kill);
    });
}

#[test]
fn a_server_that_crashes_loses_nothing_and_doubles_nothing() {
    // Durable, since that is what a crash is about.
    let cluster = Arc::new(Postgres::start(&[]));
    let (crashing, mut left) = (Arc::clone(&cluster), 3);
    nothing_is_lost_or_doubled(&cluster, 60, move |_| {
        std::thread::sleep(Duration::from_millis(150));
        if left > 0 {
            left -= 1;
            crashing.crash();
            crashing.run();
        }
    });
}

#[test]
fn a_commit_that_stopped_waiting_for_its_standby_is_none_until_it_is_there() {
    let cluster = Arc::new(Postgres::start(&["fsync=off"]));
    let (_one, _two, url, [store, _]) = two_nodes(&cluster);
    store.record(&[leave("1", 1, T, T)]).unwrap();
    cluster.run_with("synchronous_standby_names=nobody");
    let waiting = "SELECT count(pg_cancel_backend(pid)) FROM pg_stat_activity WHERE wait_event = 'SyncRep' \
        AND datname = current_database()";
    let (answered, cancelled) = (AtomicBool::new(false), AtomicBool::new(false));
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !answered.load(Ordering::Relaxed) {
                if cluster.sql(&url, waiting) != "0" {
                    cancelled.store(true, Ordering::Relaxed);
                }
            }
        });
        // New ones, and one of which all is there already.
        let answers = [leave("2", 2, T, T), leave("1", 1, T, T)].map(|entry| store.record(&[entry]));
        answered.store(true, Ordering::Relaxed);
        for answer in answers {
            assert!(matches!(answer, Err(StoreError::Away(_) | StoreError::Busy(_))), "{answer:?}");
        }
    });
    assert!(cancelled.load(Ordering::Relaxed));
    cluster.run_with("synchronous_standby_names=");
    let repeated = Verdict::Repeated { seqno: Seqno(2), refused_orders: Vec::new() };
    let verdict = store.record(&[leave("2", 2, T, T)]).unwrap().remove(0);
    // Of a new connection, too: its first attempt may be one on a connection that is no more.
    assert!(verdict == repeated || matches!(verdict, Verdict::Recorded { .. }), "{verdict:?}");
    assert_eq!(cluster.sql(&url, "SELECT count(*) FROM records"), "2");
}

/// Everything acknowledged waited for the standby, repeats included: so it is there when that takes over.
#[test]
fn a_standby_that_takes_over_has_all_that_was_acknowledged() {
    let primary = Postgres::start(&[]);
    let database = primary.database();
    let standby = primary.standby();
    primary.sql("postgres", "ALTER SYSTEM SET synchronous_standby_names = '*'");
    primary.sql("postgres", "SELECT pg_reload_conf()");
    while primary.sql("postgres", "SELECT count(*) FROM pg_stat_replication WHERE sync_state = 'sync'") != "1" {}
    let (url, one, two) =
        (primary.url_with(&standby, &database), tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let first = opened(one.path(), Some(&url));
    std::fs::copy(one.path().join("master.key"), two.path().join("master.key")).unwrap();
    let nodes = [first, parkgate_store::open(two.path(), Some(&url)).unwrap()];
    let (acknowledged, is_over) = (Mutex::new(Vec::new()), AtomicBool::new(false));
    std::thread::scope(|scope| {
        for thread in 0..4_u64 {
            let (nodes, acknowledged, is_over) = (&nodes, &acknowledged, &is_over);
            scope.spawn(move || {
                for number in thread * 1_000_000.. {
                    if is_over.load(Ordering::Relaxed) {
                        break;
                    }
                    let serial = number.to_string();
                    let record = |node: &Arc<Store>| {
                        node.record(&[leave(&serial, number, T, T + 1).park(thread as i64 % 2 + 1)])
                    };
                    // Now to the one node, now to the other, also the same again.
                    match record(&nodes[number as usize % 2]).and_then(|_| record(&nodes[(number + 1) as usize % 2])) {
                        Ok(_) => acknowledged.lock().unwrap().push(serial),
                        Err(error) => assert!(error.is_temporary(), "{error}"),
                    }
                }
            });
        }
        let until = |count: usize| while acknowledged.lock().unwrap().len() < count {};
        until(200);
        primary.crash();
        let before = acknowledged.lock().unwrap().len();
        standby.promote();
        until(before + 200);
        is_over.store(true, Ordering::Relaxed);
    });
    let acknowledged = acknowledged.into_inner().unwrap();
    let there = standby.sql(&database, "SELECT parking_serial FROM records");
    let there: Vec<&str> = there.lines().collect();
    let set: HashSet<&str> = there.iter().copied().collect();
    assert_eq!(set.len(), there.len(), "none twice");
    let lost: Vec<&String> = acknowledged.iter().filter(|serial| !set.contains(serial.as_str())).collect();
    assert!(lost.is_empty(), "{} of {} are lost: {lost:?}", lost.len(), acknowledged.len());
}

#[test]
fn a_server_that_is_away_is_reported_and_found_again() {
    let cluster = Postgres::start(&["fsync=off"]);
    let (_one, _two, _url, [store, _]) = two_nodes(&cluster);
    store.probe().unwrap();
    cluster.crash();
    for error in [store.probe().unwrap_err(), store.record(&[leave("1", 1, T, T)]).unwrap_err()] {
        assert!(matches!(error, StoreError::Away(_)), "{error}");
    }
    cluster.run();
    store.record(&[leave("1", 1, T, T)]).unwrap();
}

/// A server that hangs takes connections and says nothing.
#[test]
fn a_primary_that_hangs_is_left_for_the_standby_and_not_written_to_when_it_goes_on() {
    let primary = Postgres::start(&["fsync=off"]);
    let (database, data) = (primary.database(), tempfile::tempdir().unwrap());
    let standby = primary.standby();
    let store = opened(data.path(), Some(&primary.url_with(&standby, &database)));
    store.record(&[leave("1", 1, T, T)]).unwrap();
    let caught_up = "SELECT count(*) FROM pg_stat_replication WHERE replay_lsn = pg_current_wal_lsn()";
    while primary.sql("postgres", caught_up) != "1" {}
    // Several connections of either role, all to the one that will hang.
    std::thread::scope(|scope| {
        for number in 2..6 {
            let store = &store;
            scope.spawn(move || store.record(&[leave(&number.to_string(), number, T, T)]).unwrap());
            scope.spawn(move || store.parks().unwrap());
        }
    });
    while primary.sql("postgres", caught_up) != "1" {}
    primary.hang();
    standby.promote();
    // One call may wait for the connection that it has; the next asks the other host. What a gate asks by itself waits no
    // longer than that: it would hold threads that pictures need.
    let begun = Instant::now();
    std::thread::scope(|scope| {
        let asks = scope.spawn(|| (0..2).find_map(|_| store.parks().ok()));
        let recorded = (0..2).find_map(|_| store.record(&[leave("6", 6, T, T)]).ok());
        assert!(recorded.is_some() && asks.join().unwrap().is_some(), "two calls came to nothing");
    });
    assert!(begun.elapsed() < Duration::from_secs(40), "a question waits a minute");
    primary.go_on();
    store.add_park(&new_park("c")).unwrap();
    store.record(&[leave("7", 7, T, T)]).unwrap();
    let count = |cluster: &Postgres, table: &str| cluster.sql(&database, &format!("SELECT count(*) FROM {table}"));
    assert_eq!((count(&standby, "records"), count(&standby, "parks")), ("7".into(), "3".into()));
    assert_eq!((count(&primary, "records"), count(&primary, "parks")), ("5".into(), "2".into()));
}

#[test]
fn a_server_in_recovery_is_refused() {
    let (cluster, data) = (Postgres::shared(), tempfile::tempdir().unwrap());
    let url = cluster.database();
    cluster.sql(
        "postgres",
        &format!("ALTER DATABASE {} SET default_transaction_read_only = on", url.rsplit('/').next().unwrap()),
    );
    let error = parkgate_store::open(data.path(), Some(&url)).err().unwrap();
    assert!(matches!(error, StoreError::Away(_)), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn lanes_record_at_once_and_answer_each_in_order() {
    let cluster = Postgres::shared();
    let (_one, _two, _url, [store, _]) = two_nodes(&cluster);
    let recorder = {
        let store = Arc::clone(&store);
        Recorder::start_lanes(
            &Alarm::default(),
            move |batch: &[Entry]| store.record(batch),
            1000,
            16,
            // More than `store.lanes()` may be on a small machine.
            4,
            |entry| entry.arrival.park,
        )
    };
    let pushes = (0..400_u64).map(|number| {
        // Each comes twice: the second is answered with the first.
        let entry = leave(&(number / 2).to_string(), number, T, T).content(7).park(number as i64 / 2 % 8 + 1);
        recorder.record(entry)
    });
    let answers = futures_util::future::join_all(pushes).await;
    for (number, answer) in (0..).zip(answers) {
        match answer.unwrap().verdict() {
            Verdict::Recorded { .. } => assert_eq!(number % 2, 0),
            Verdict::Repeated { seqno, .. } => assert_eq!((number % 2, seqno.0), (1, number - 1)),
            other => panic!("{other:?}"),
        }
    }
    tokio::task::spawn_blocking(move || recorder.stop()).await.unwrap();
}

/// A number made of the one before; the same row of them for the same start.
fn next(state: &mut u64) -> u64 {
    *state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
    *state >> 33
}

/// Batches by seed, with few parks, serials, orders and times, so that everything meets everything.
fn generated(seed: u64) -> Vec<Vec<Entry>> {
    let mut state = seed;
    let mut number = 0;
    (0..12)
        .map(|_| {
            let size = next(&mut state) % 12 + 1;
            let one = |_| {
                number += 1;
                let mut below = |count: u64| next(&mut state) % count;
                let (serial, time) = (below(6).to_string(), T + below(20) as i64);
                let entry = if below(2) == 0 { enter(&serial, number, time) } else { leave(&serial, number, T, time) };
                let orders: Vec<String> = (0..below(3))
                    .map(|_| format!(r#"{{"parking_order":"{}","pay_type":"{}"}}"#, below(5), below(2)))
                    .collect();
                let entry = entry.content(below(3) as u8).park(below(2) as i64 + 1);
                let entry = entry.payments(&format!("[{}]", orders.join(",")));
                if below(4) == 0 { entry.space(100, below(100) as u32) } else { entry }
            };
            (0..size).map(one).collect()
        })
        .collect()
}

/// All that a store says of what it was given.
fn shown(store: &Store, seed: u64) -> String {
    let mut all = String::new();
    for batch in generated(seed) {
        all += &format!("{:?}\n", store.record(&batch).unwrap());
        all += &format!("{:?} {:?}\n", store.space(ParkId(1)).unwrap(), store.space(ParkId(2)).unwrap());
    }
    let visits = store.visits(&VisitFilter { park_uuid: None, plate: None, since: None, limit: 1000 }).unwrap();
    visits.iter().for_each(|visit| all += &format!("{visit:?}\n"));
    all
}

#[test]
fn whatever_is_recorded_both_stores_say_the_same() {
    let cluster = Postgres::shared();
    for seed in 0..12 {
        let data = tempfile::tempdir().unwrap();
        let store = opened(data.path(), Some(&cluster.database()));
        let on_postgres = shown(store.as_ref(), seed);
        on_sqlite(|store| assert_eq!(shown(store, seed), on_postgres, "seed {seed}"));
    }
}

#[test]
fn a_batch_looks_at_its_own_keys_only_though_the_planner_knows_nothing_of_the_table() {
    let cluster = Postgres::shared();
    let (_one, _two, url, [store, other]) = two_nodes(&cluster);
    cluster.sql(&url, "ALTER TABLE records SET (autovacuum_enabled = off)");
    for round in 0..40_u64 {
        let paid = |number| format!(r#"[{{"parking_order":"o{number}","pay_type":"1"}}]"#);
        let numbers = round * 64..(round + 1) * 64;
        let batch: Vec<Entry> = numbers.map(|n| leave(&n.to_string(), n, T, T).payments(&paid(n))).collect();
        store.record(&batch).unwrap();
    }
    // A session reports its figures when it ends.
    store.close().unwrap();
    other.close().unwrap();
    while cluster.sql(&url, "SELECT sum(n_tup_ins) FROM pg_stat_user_tables WHERE relname = 'records'") != "2560" {
        std::thread::sleep(Duration::from_millis(20));
    }
    let read = "SELECT sum(idx_tup_read) FROM pg_stat_user_indexes WHERE relname IN ('records', 'payments')";
    let read: u64 = cluster.sql(&url, read).parse().unwrap();
    assert!(read < 2 * 2560, "{read} entries of indexes for 2560 new pushes");
}
