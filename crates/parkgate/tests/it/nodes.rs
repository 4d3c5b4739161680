//! Several gates on one PostgreSQL database.

use std::path::Path;
use std::time::{Duration, Instant};

use parkgate_testbed::{DEMO_PARK, Gate, Postgres, enter, leave, parkgate, signed};

use crate::PARKGATE;
use crate::replies::eventually;

/// A gate with this data folder on this database.
fn gate(data: &Path, url: &str) -> Gate {
    Gate::at(PARKGATE, data, &["--store", url, "--demo"])
}

/// Runs a command on the database and the folder.
fn run(data: &Path, url: &str, args: &[&str]) -> String {
    let mut all = args.to_vec();
    all.extend(["--data", data.to_str().unwrap(), "--store", url]);
    let output = parkgate(Path::new(PARKGATE), &all);
    assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn two_gates_share_a_database_and_one_goes_on_when_the_other_is_killed() {
    let (cluster, folder) = (Postgres::shared(), tempfile::tempdir().unwrap());
    // Of a user with a password, to look for where it must not be.
    cluster.sql("postgres", "CREATE ROLE gate LOGIN SUPERUSER PASSWORD 'hidden-word'");
    let url = cluster.database().replace("postgres://postgres@", "postgres://gate:hidden-word@");
    let (one, two) = (folder.path().join("one"), folder.path().join("two"));
    let mut first = gate(&one, &url);
    std::fs::create_dir_all(&two).unwrap();
    std::fs::copy(one.join("master.key"), two.join("master.key")).unwrap();
    let second = gate(&two, &url);

    let seqno = first.taken("enter", enter("S1", &[]));
    let (status, reply) = second.push("enter", enter("S1", &[]));
    assert_eq!(
        (status, reply["seqno"].as_str()),
        (200, Some(seqno.as_str())),
        "a repeat is answered as the first time"
    );
    first.kill();
    second.taken("leave", leave("S1", &[]));
    let shown = run(&two, &url, &["visit", "show", DEMO_PARK, "S1", "--json"]);
    let visit: serde_json::Value = serde_json::from_str(&shown).unwrap();
    assert_eq!((&visit["state"], &visit["plate"]), (&"left".into(), &"粤B12345".into()));
    first.start();

    // What is changed by a command is soon known to both.
    run(&one, &url, &["park", "rotate-secret", DEMO_PARK, "--secret", "456"]);
    for (number, gate) in [&first, &second].into_iter().enumerate() {
        let begun = Instant::now();
        loop {
            let pairs = signed(leave(&format!("R{number}"), &[]), "456");
            let form = parkgate_testbed::body(&pairs).into_bytes();
            let (_, reply) = gate.post("leave", "application/x-www-form-urlencoded", form);
            if reply["message"] == "OK" && reply["hint"].is_null() {
                break;
            }
            assert!(begun.elapsed() < Duration::from_secs(10), "{reply}");
            std::thread::sleep(Duration::from_millis(50));
        }
    }
    let other = parkgate(Path::new(PARKGATE), &["park", "list", "--data", "/nowhere/at/all", "--store", &url]);
    let told = format!("{}{}{}", first.log(), second.log(), String::from_utf8_lossy(&other.stderr));
    assert!(!other.status.success() && !told.contains("hidden-word"), "{told}");
}

#[test]
fn a_database_that_is_away_stops_a_command_with_its_name_and_without_its_password() {
    let folder = tempfile::tempdir().unwrap();
    let url = "postgres://gate:hidden-word@127.0.0.1:9/gate?connect_timeout=1";
    let args = ["park", "list", "--data", folder.path().to_str().unwrap(), "--store", url];
    let output = parkgate(Path::new(PARKGATE), &args);
    let told = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(told.contains("postgres://127.0.0.1:9/gate") && !told.contains("hidden-word"), "{told}");
}

/// Whether it is ready, as a status, and what was found.
fn readyz(gate: &Gate) -> (u16, serde_json::Value) {
    let (ready, found) = gate.readiness();
    (if ready { 200 } else { 503 }, found)
}

fn alive(gate: &Gate) -> bool {
    reqwest::blocking::get(format!("{}/healthz", gate.url)).unwrap().status() == 200
}

#[test]
fn a_load_balancer_is_told_whether_a_push_could_be_recorded_now() {
    let primary = Postgres::start(&["wal_level=replica", "max_wal_senders=4"]);
    let (database, folder) = (primary.database(), tempfile::tempdir().unwrap());
    let standby = primary.standby();
    let both = primary.url_with(&standby, &database);
    let gate = gate(folder.path(), &both);
    gate.taken("leave", leave("S1", &[]));
    assert_eq!(
        readyz(&gate),
        (200, serde_json::json!({"ready": true, "draining": false, "store": "ok", "images": "ok"}))
    );

    // The primary is gone. The standby is reached, and takes nothing: no answer comes from what may be behind.
    primary.kill();
    eventually(|| readyz(&gate).0 == 503);
    let (status, told) = readyz(&gate);
    assert_eq!((status, &told["ready"], &told["images"]), (503, &false.into(), &"ok".into()), "{told}");
    assert_ne!(told["store"], "ok", "{told}");
    assert!(alive(&gate), "it is not for its own sake that it is not ready");
    assert_eq!(gate.push("leave", leave("S1", &[])).0, 503, "a repeat, too, is not answered");
    standby.promote();
    eventually(|| readyz(&gate).0 == 200);
    gate.taken("leave", leave("S2", &[]));

    // A commit that waits for a standby which is not there is no commit.
    standby.sql("postgres", "ALTER SYSTEM SET synchronous_standby_names = 'nobody'");
    standby.sql("postgres", "SELECT pg_reload_conf()");
    eventually(|| readyz(&gate).0 == 503);
    assert_eq!(gate.push("leave", leave("S3", &[])).0, 503);
    standby.sql("postgres", "ALTER SYSTEM RESET synchronous_standby_names");
    standby.sql("postgres", "SELECT pg_reload_conf()");
    eventually(|| readyz(&gate).0 == 200);
    gate.taken("leave", leave("S3", &[]));
}

#[test]
fn a_gate_leaves_a_primary_that_hangs_for_the_one_that_took_over() {
    let primary = Postgres::start(&["wal_level=replica", "max_wal_senders=4"]);
    let (database, folder) = (primary.database(), tempfile::tempdir().unwrap());
    let standby = primary.standby();
    let gate = gate(folder.path(), &primary.url_with(&standby, &database));
    gate.taken("leave", leave("S1", &[]));
    let caught_up = "SELECT count(*) FROM pg_stat_replication WHERE replay_lsn = pg_current_wal_lsn()";
    eventually(|| primary.sql("postgres", caught_up) == "1");
    primary.hang();
    standby.promote();
    let begun = Instant::now();
    while readyz(&gate).0 != 200 {
        assert!(begun.elapsed() < Duration::from_secs(60), "it waits for the one that hangs");
    }
    gate.taken("leave", leave("S2", &[]));
    primary.go_on();
    gate.taken("leave", leave("S3", &[]));
    assert_eq!(standby.sql(&database, "SELECT string_agg(parking_serial, ' ' ORDER BY id) FROM records"), "S1 S2 S3");
    assert_eq!(primary.sql(&database, "SELECT string_agg(parking_serial, ' ' ORDER BY id) FROM records"), "S1");
}
