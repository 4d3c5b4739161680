//! What holds while somebody who does not end holds a park or a table.

use std::collections::HashSet;
use std::sync::Arc;

use parkgate_ledger::{ParkId, Verdict};
use parkgate_store::{Alarm, Entry, Recorder, StoreError};
use parkgate_testbed::Postgres;
use parkgate_wire::UnixMillis;

use crate::postgres::two_nodes;
use crate::push::{T, With, leave, update};

/// A cluster in which a transaction can go on without a session.
fn cluster_that_holds() -> Postgres {
    Postgres::start(&["fsync=off", "max_prepared_transactions=2"])
}

/// Somebody who does not end has done this.
fn hold(cluster: &Postgres, url: &str, sql: &str) {
    cluster.sql(url, &format!("BEGIN; {sql}; PREPARE TRANSACTION 'held'"));
}

const LET_GO: &str = "ROLLBACK PREPARED 'held'";
const A_WAITS: &str = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' \
    AND application_name = 'parkgate' AND datname = current_database()";

#[tokio::test(flavor = "multi_thread")]
async fn a_park_that_somebody_holds_keeps_no_other_park_waiting_for_it() {
    let cluster = cluster_that_holds();
    let (_one, _two, url, [store, _]) = two_nodes(&cluster);
    store.record(&[leave("0", 0, T, T).park(1)]).unwrap();
    hold(&cluster, &url, "SELECT 1 FROM spaces WHERE park_id = 1 FOR UPDATE");
    let recorder = {
        let store = Arc::clone(&store);
        Recorder::start_lanes(
            &Alarm::default(),
            move |batch: &[Entry]| store.record(batch),
            1000,
            16,
            1,
            |entry| entry.arrival.park,
        )
    };
    // Of the third park nothing is there yet. The first push may be a batch alone.
    let pushes = (0..9_u64).map(|number| {
        let park = if number == 0 { 2 } else { number as i64 % 3 + 1 };
        recorder.record(leave(&format!("n{number}"), number + 1, T, T).park(park))
    });
    let answers = futures_util::future::join_all(pushes).await;
    for (number, answer) in (0..).zip(answers) {
        let is_held = number % 3 == 0 && number > 0;
        match answer {
            Ok(recorded) => assert!(!is_held && matches!(recorded.verdict(), Verdict::Recorded { .. }), "{number}"),
            Err(error) => assert!(is_held && error.is_temporary(), "{number}: {error}"),
        }
    }
    cluster.sql(&url, LET_GO);
    recorder.record(leave("n3", 4, T, T).park(1)).await.unwrap();
    tokio::task::spawn_blocking(move || recorder.stop()).await.unwrap();
}

#[test]
fn an_update_of_a_park_with_epochs_waits_for_each_of_them_and_names_its_park() {
    let cluster = cluster_that_holds();
    let (_one, _two, url, [store, _]) = two_nodes(&cluster);
    let epoch = store.begin_epoch(ParkId(1), UnixMillis(T)).unwrap();
    hold(&cluster, &url, "SELECT 1 FROM spaces WHERE park_id = 1 FOR UPDATE");
    // By its time of the new epoch, but it may be about a stay of the old one. Of the second park nothing is there yet.
    let batch = [update("1", "s", 1, T + 9, &[]).park(epoch.records.0), leave("1", 2, T, T).park(2)];
    let held = store.record(&batch).unwrap_err();
    assert!(matches!(&held, StoreError::Held(parks) if *parks == [epoch.records]), "{held}");
    store.record(&batch[1..]).unwrap();
    cluster.sql(&url, LET_GO);
    assert!(matches!(store.record(&batch).unwrap()[..], [Verdict::Recorded { .. }, Verdict::Repeated { .. }]));
    let found = format!("SELECT park_id = {} FROM records WHERE kind = 3", epoch.records.0);
    assert_eq!(cluster.sql(&url, &found), "t");
}

#[test]
fn a_first_subscriber_receives_what_waited_for_its_park_meanwhile() {
    let cluster = cluster_that_holds();
    let (_one, _two, url, [store, other]) = two_nodes(&cluster);
    store.record(&[leave("1", 1, T, T)]).unwrap();
    hold(&cluster, &url, "SELECT 1 FROM spaces WHERE park_id = 1 FOR UPDATE");
    std::thread::scope(|scope| {
        let waits = scope.spawn(|| store.record(&[leave("2", 2, T, T)]));
        while cluster.sql(&url, A_WAITS) == "0" {}
        other.add_subscriber(&crate::forwarding::subscriber("city")).unwrap();
        cluster.sql(&url, LET_GO);
        waits.join().unwrap().unwrap();
    });
    assert_eq!(cluster.sql(&url, "SELECT count(*) FROM deliveries"), "1");
}

#[test]
fn a_node_that_finds_a_table_busy_is_patient_at_its_start() {
    let cluster = cluster_that_holds();
    let (_one, two, url, _nodes) = two_nodes(&cluster);
    // As it was before the newest migration, and a table in use.
    let before = "ALTER TABLE records DROP COLUMN visit_serial; ALTER TABLE parks DROP COLUMN refuse_when_full, \
        DROP COLUMN plates_version, DROP COLUMN keep, DROP COLUMN keeps_digests; \
        ALTER TABLE records DROP COLUMN redacted; DROP TABLE retention_progress, master_keys, key_nodes; \
        ALTER TABLE spaces DROP COLUMN last_push_at, DROP COLUMN day, DROP COLUMN day_pushes; \
        ALTER TABLE subscribers DROP COLUMN releases, DROP COLUMN updates; DROP TABLE park_plates, passed_calls, audit; DROP FUNCTION parkgate_audit_kept; \
        UPDATE parkgate_schema SET version = 7";
    cluster.sql(&url, before);
    hold(&cluster, &url, "LOCK TABLE records IN ROW EXCLUSIVE MODE");
    std::thread::scope(|scope| {
        let opens = scope.spawn(|| parkgate_store::open(two.path(), Some(&url)).map(drop));
        let attempt = "SELECT query_start FROM pg_stat_activity WHERE query LIKE '%visit_serial%' \
            AND wait_event_type = 'Lock' AND application_name = 'parkgate'";
        let mut seen = HashSet::new();
        // More attempts than any call has the patience for.
        while seen.len() < 4 && !opens.is_finished() {
            seen.extend(Some(cluster.sql(&url, attempt)).filter(|started| !started.is_empty()));
        }
        cluster.sql(&url, LET_GO);
        opens.join().unwrap().unwrap();
    });
    assert_eq!(cluster.sql(&url, "SELECT version FROM parkgate_schema"), "12");
}
