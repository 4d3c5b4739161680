//! Several gates on one PostgreSQL database.

use std::path::Path;
use std::time::{Duration, Instant};

use parkgate_testbed::{DEMO_PARK, Postgres, TestGate, enter, leave, parkgate, signed};

use crate::PARKGATE;
use crate::replies::eventually;

/// A gate with this data folder on this database.
fn gate(data: &Path, url: &str) -> TestGate {
    TestGate::at(PARKGATE, data, &["--store", url, "--demo"])
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
fn a_new_master_key_is_announced_and_a_second_one_is_never_made() {
    let (cluster, folder) = (Postgres::shared(), tempfile::tempdir().unwrap());
    let url = cluster.database();
    let command = |place: &str, args: &[&str]| {
        let place = folder.path().join(place);
        std::fs::create_dir_all(&place).unwrap();
        let mut command = std::process::Command::new(PARKGATE);
        command.args(args).args(["--store", &url]).current_dir(place).env_remove("PARKGATE_DATA");
        command
    };
    let run = |place: &str, args: &[&str]| {
        let output = command(place, args).output().unwrap();
        (output.status.code().unwrap(), String::from_utf8(output.stderr).unwrap())
    };
    // Two at once, each in a folder of its own: one key is made.
    let add = |uuid| ["park", "add", "--uuid", uuid, "--name", "East", "--secret", "1"];
    let started = [("one", "P1"), ("two", "P2")].map(|(place, uuid)| {
        let mut command = command(place, &add(uuid));
        (place, command.stderr(std::process::Stdio::piped()).stdout(std::process::Stdio::null()).spawn().unwrap())
    });
    let mut ended: Vec<_> = started.map(|(place, child)| (place, child.wait_with_output().unwrap())).into();
    ended.sort_by_key(|(_, output)| !output.status.success());
    let [(first, made), (second, refused)] = ended.try_into().unwrap();
    let (made, reported) = (String::from_utf8(made.stderr).unwrap(), String::from_utf8(refused.stderr).unwrap());
    let key = folder.path().join(first).join("parkgate-data/master.key");
    assert!(made.contains(&*key.to_string_lossy()) && made.contains("每个节点"), "{made}");
    assert_eq!(refused.status.code(), Some(1), "{reported}");
    assert!(reported.contains("缺少 ") && reported.contains("master.key") && reported.contains("--data"), "{reported}");
    for (place, args) in [(second, &add("P3")[..]), ("third", &add("P4")), ("third", &["park", "list"])] {
        let (code, reported) = run(place, args);
        assert!(code == 1 && reported.contains("缺少 ") && reported.contains("master.key"), "{reported}");
        assert!(!folder.path().join(place).join("parkgate-data").exists(), "nothing is left behind");
    }
    // With the key it is a node as any other, and nothing more is said.
    std::fs::create_dir_all(folder.path().join("third/parkgate-data")).unwrap();
    std::fs::copy(&key, folder.path().join("third/parkgate-data/master.key")).unwrap();
    assert_eq!(run("third", &add("P5")), (0, String::new()));
    let there = key.parent().unwrap().to_str().unwrap();
    assert_eq!(run("fourth", &[&add("P6")[..], &["--data", there]].concat()), (0, String::new()));
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
    let reported = format!("{}{}{}", first.log(), second.log(), String::from_utf8_lossy(&other.stderr));
    assert!(!other.status.success() && !reported.contains("hidden-word"), "{reported}");
}

#[test]
fn a_database_that_is_away_stops_a_command_with_its_name_and_without_its_password() {
    let folder = tempfile::tempdir().unwrap();
    let url = "postgres://gate:hidden-word@127.0.0.1:9/gate?connect_timeout=1";
    let args = ["park", "list", "--data", folder.path().to_str().unwrap(), "--store", url];
    let output = parkgate(Path::new(PARKGATE), &args);
    let reported = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(reported.contains("postgres://127.0.0.1:9/gate") && !reported.contains("hidden-word"), "{reported}");
}

/// Whether it is ready, as a status, and what was found.
fn readyz(gate: &TestGate) -> (u16, serde_json::Value) {
    let (ready, found) = gate.readiness();
    (if ready { 200 } else { 503 }, found)
}

fn alive(gate: &TestGate) -> bool {
    reqwest::blocking::get(format!("{}/healthz", gate.url)).unwrap().status() == 200
}

#[test]
fn readiness_says_whether_a_push_could_be_recorded_now() {
    let primary = Postgres::start(&["wal_level=replica", "max_wal_senders=4"]);
    let (database, folder) = (primary.database(), tempfile::tempdir().unwrap());
    let standby = primary.standby();
    let both = primary.url_with(&standby, &database);
    let gate = gate(folder.path(), &both);
    gate.taken("leave", leave("S1", &[]));
    let (status, reported) = readyz(&gate);
    // Two hosts, and no commit waits for the second: said, and no reason to take no pushes.
    let promised = &reported["durability"];
    let is_said = |text: &str| text.contains("2 hosts") && text.contains("synchronous_standby_names is empty");
    assert!(is_said(promised.as_str().unwrap()) && is_said(&gate.log()), "{promised}\n{}", gate.log());
    // The disk is not asked here: that of who runs the test may well be full.
    assert_eq!((status, &reported["ready"], &reported["draining"]), (200, &true.into(), &false.into()), "{reported}");
    assert!(["parts", "store", "images"].iter().all(|part| reported[part] == "ok"), "{reported}");

    // The primary is gone. The standby is reached, and takes nothing: no answer comes from what may be behind.
    primary.kill();
    eventually(|| readyz(&gate).0 == 503);
    let (status, reported) = readyz(&gate);
    assert_eq!((status, &reported["ready"], &reported["images"]), (503, &false.into(), &"ok".into()), "{reported}");
    assert_ne!(reported["store"], "ok", "{reported}");
    assert!(alive(&gate), "it is not for its own sake that it is not ready");
    assert_eq!(gate.push("leave", leave("S1", &[])).0, 503, "a repeat, too, is not answered");
    standby.promote();
    eventually(|| readyz(&gate).0 == 200);
    gate.taken("leave", leave("S2", &[]));

    // A commit that waits for a standby which is not there is no commit.
    standby.sql("postgres", "ALTER SYSTEM SET synchronous_standby_names = 'nobody'");
    standby.sql("postgres", "SELECT pg_reload_conf()");
    eventually(|| readyz(&gate).0 == 503);
    eventually(|| !is_said(readyz(&gate).1["durability"].as_str().unwrap()));
    assert_eq!(gate.push("leave", leave("S3", &[])).0, 503);
    standby.sql("postgres", "ALTER SYSTEM RESET synchronous_standby_names");
    standby.sql("postgres", "SELECT pg_reload_conf()");
    eventually(|| readyz(&gate).0 == 200);
    gate.taken("leave", leave("S3", &[]));
}

#[test]
fn however_many_ask_whether_it_is_ready_few_connections_are_made_and_fewer_stay() {
    let (cluster, folder) = (Postgres::shared(), tempfile::tempdir().unwrap());
    let url = cluster.database();
    let database = url.rsplit_once('/').unwrap().1.to_owned();
    let mut gate = TestGate::stopped(PARKGATE, folder.path(), &["--store", &url, "--demo"]);
    gate.variables = vec![("PARKGATE_LIMITS_LANES".into(), "2".into())];
    gate.start();
    let counted = format!("SELECT count(*) FROM pg_stat_activity WHERE datname = '{database}'");
    let connections = || cluster.sql("postgres", &counted).parse::<usize>().unwrap();
    let asked: Vec<_> = (0..200)
        .map(|number| {
            let url = format!("{}/readyz", if number % 2 == 0 { &gate.url } else { &gate.admin_url });
            std::thread::spawn(move || {
                let reply = reqwest::blocking::get(url).unwrap();
                (reply.status().as_u16(), reply.text().unwrap())
            })
        })
        .collect();
    let mut most = 0;
    while asked.iter().any(|asking| !asking.is_finished()) {
        most = most.max(connections());
    }
    for asking in asked {
        // On a machine that is busy the database may be late with its answer; the gate is not.
        let (status, found) = asking.join().unwrap();
        assert!(status == 200 || status == 503, "{found}");
    }
    // Two lanes, one for what is refused, the question, the registry's, the notes', retention's and the last pushes'.
    assert!(most <= 8, "{most} connections");
    // Questions that each need one at the same time; what is left open for the next goes when it does not come.
    let pairs = vec![("park_uuid".to_owned(), DEMO_PARK.to_owned()), ("timestamp".into(), "1".into())];
    let url = format!("{}/gate/1.0/parking/realtime/space?{}", gate.url, parkgate_testbed::body(&signed(pairs, "123")));
    let spaces: Vec<_> = (0..64).map(|_| url.clone()).collect();
    let spaces: Vec<_> = spaces
        .into_iter()
        .map(|url| std::thread::spawn(move || reqwest::blocking::get(url).unwrap().status()))
        .collect();
    assert!(spaces.into_iter().all(|asking| asking.join().unwrap() == 200));
    gate.taken("leave", leave("S1", &[]));
    eventually(|| connections() <= 4);
    assert!(connections() > 0, "counted in the wrong database");
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
