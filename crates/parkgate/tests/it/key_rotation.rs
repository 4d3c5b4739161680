//! `parkgate key rotate` while gates take pushes, forward them, and are killed.

use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use parkgate_testbed::{DEMO_PARK, Postgres, TestGate, enter, parkgate, parkgate_with, signed};
use serde_json::Value;

use crate::{PARKGATE, demo};

const FORM: &str = "application/x-www-form-urlencoded";

/// Longer than a killed node is waited for.
fn eventually(mut holds: impl FnMut() -> bool) {
    let until = Instant::now() + Duration::from_secs(60);
    while !holds() {
        assert!(Instant::now() < until, "it never came true");
    }
}

fn id_of(number: u64) -> String {
    format!("4403011990{number:08}")
}

/// A push with ID data is recorded, one with a wrong signature is kept.
fn push_both(gate: &TestGate, number: u64) {
    let id = id_of(number);
    gate.taken("enter", enter(&format!("K{number}"), &[("idcard_no", &id)]));
    let wrong = signed(enter(&format!("Q{number}"), &[("idcard_no", &id)]), "wrong");
    let (status, reply) = gate.post("enter", FORM, parkgate_testbed::body(&wrong).into_bytes());
    assert_eq!((status, reply["code"].as_str()), (200, Some("200")), "{reply}");
}

fn states(gate: &TestGate) -> Vec<String> {
    let shown = gate.json(&["key", "show"]);
    shown["keys"].as_array().unwrap().iter().map(|key| key["state"].as_str().unwrap().to_owned()).collect()
}

/// Each push is read whole, by the command line of a node.
fn all_is_readable(gate: &TestGate, numbers: impl Iterator<Item = u64>) {
    for number in numbers {
        let visit = gate.json(&["visit", "show", DEMO_PARK, &format!("K{number}"), "--unmask"]);
        assert_eq!(visit["params"]["idcard_no"], id_of(number));
    }
    let kept = gate.json(&["quarantine", "list", "--limit", "100000", "--unmask"]);
    let kept = kept.as_array().unwrap();
    assert!(kept.iter().all(|one| one["parking_serial"].as_str().is_some_and(|serial| serial.starts_with('Q'))));
}

/// A node on this database, with the key of `first`.
fn node(first: Option<&Path>, data: &Path, url: &str) -> TestGate {
    std::fs::create_dir_all(data).unwrap();
    if let Some(first) = first {
        std::fs::copy(first.join("master.key"), data.join("master.key")).unwrap();
    }
    TestGate::at(PARKGATE, data, &["--store", url, "--demo"])
}

#[test]
fn two_nodes_go_on_under_load_while_the_key_changes_and_one_is_killed() {
    let (cluster, folder) = (Postgres::shared(), tempfile::tempdir().unwrap());
    let url = cluster.database();
    let (one, two) = (folder.path().join("one"), folder.path().join("two"));
    let mut first = node(None, &one, &url);
    let second = node(Some(&one), &two, &url);
    for number in 0..40 {
        push_both(&first, number);
    }
    let place = ["--store", url.as_str(), "--data", one.to_str().unwrap()];
    let begun = parkgate(Path::new(PARKGATE), &[&["key", "rotate", "--detach"][..], &place].concat());
    assert!(begun.status.success(), "{}", String::from_utf8_lossy(&begun.stderr));
    // The gates do it. A second change is refused meanwhile.
    let again = parkgate(Path::new(PARKGATE), &[&["key", "rotate"][..], &place].concat());
    let is_over = || second_states(&two, &url) == ["retired", "active"];
    assert!(again.status.code() == Some(1) || is_over());
    let (done, next) = (AtomicBool::new(false), AtomicU64::new(1000));
    std::thread::scope(|scope| {
        let load = scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                push_both(&second, next.fetch_add(1, Ordering::Relaxed));
            }
        });
        // Whichever of them seals anew: the other goes on with it.
        first.kill();
        first.start();
        eventually(|| second_states(&two, &url) == ["retired", "active"]);
        done.store(true, Ordering::Relaxed);
        load.join().unwrap();
    });
    for number in 2000..2010 {
        push_both(&first, number);
    }
    let last = next.load(Ordering::Relaxed);
    let command = |args: &[&str]| {
        let output =
            parkgate(Path::new(PARKGATE), &[args, &["--store", &url, "--data", two.to_str().unwrap()]].concat());
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_slice::<Value>(&output.stdout).unwrap()
    };
    for number in (0..40).chain(1000..last).chain(2000..2010) {
        let visit = command(&["visit", "show", DEMO_PARK, &format!("K{number}"), "--unmask", "--json"]);
        assert_eq!(visit["params"]["idcard_no"], id_of(number));
    }
    let kept = command(&["quarantine", "list", "--limit", "100000", "--unmask", "--json"]);
    assert_eq!(kept.as_array().unwrap().len() as u64, 40 + last - 1000 + 10);
    // Nothing is sealed under the old key: neither node has it in use, and the database has no value without the new one's header.
    let key = std::fs::read_to_string(one.join("master.key")).unwrap();
    eventually(|| std::fs::read_to_string(two.join("master.key")).unwrap() == key);
    assert_eq!(key.lines().count(), 1);
    let bare =
        "SELECT count(*) FROM records WHERE personal IS NOT NULL AND substr(personal, 1, 4) <> 'PKG\\001'::bytea";
    assert_eq!(cluster.sql(&url, bare), "0");
    // A repeat of a push from before is known.
    let (_, reply) = second.push("enter", enter("K1", &[("idcard_no", &id_of(1))]));
    assert_eq!((reply["message"].as_str(), reply.get("hint")), (Some("OK"), None), "{reply}");
}

fn second_states(data: &Path, url: &str) -> Vec<String> {
    let args = ["key", "show", "--json", "--store", url, "--data", data.to_str().unwrap()];
    let output = parkgate(Path::new(PARKGATE), &args);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let shown: Value = serde_json::from_slice(&output.stdout).unwrap();
    shown["keys"].as_array().unwrap().iter().map(|key| key["state"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn one_gate_and_the_command_line_beside_it_go_on_while_the_key_changes() {
    let mut gate = demo();
    for number in 0..30 {
        push_both(&gate, number);
    }
    let before = std::fs::read_to_string(gate.data().join("master.key")).unwrap();
    let said = gate.ok(&["key", "rotate"]);
    assert!(said.contains("master.key") && said.contains("retired.keys"), "{said}");
    let key = std::fs::read_to_string(gate.data().join("master.key")).unwrap();
    assert!(!said.contains(key.trim()) && !gate.ok(&["key", "show"]).contains(key.trim()), "the key is never shown");
    assert_ne!(key, before);
    assert_eq!(std::fs::read_to_string(gate.data().join("retired.keys")).unwrap(), before);
    assert_eq!(states(&gate), ["retired", "active"]);
    for number in 30..40 {
        push_both(&gate, number);
    }
    all_is_readable(&gate, 0..40);
    let log = gate.json(&["audit", "list", "--limit", "1000"]);
    assert!(log.as_array().unwrap().iter().any(|one| one["what"] == "key rotate"), "{log}");

    // Killed in the middle: whoever comes goes on, a gate or the command.
    gate.ok(&["key", "rotate", "--detach"]);
    gate.kill();
    if states(&gate).last().unwrap() != "active" || states(&gate).contains(&"old".to_owned()) {
        gate.ok(&["key", "rotate", "--go-on"]);
    }
    assert_eq!(states(&gate), ["retired", "retired", "active"]);
    gate.start();
    all_is_readable(&gate, 0..40);
    gate.ok(&["key", "rotate", "--detach"]);
    eventually(|| states(&gate) == ["retired", "retired", "retired", "active"]);
    push_both(&gate, 41);
    all_is_readable(&gate, 0..40);
    assert_eq!(gate.run(&["key", "rotate", "--go-on"]).status.code(), Some(1), "nothing is under way");
    // Secrets are read, too.
    assert_eq!(gate.stop(), Some(0));
    gate.start();
    push_both(&gate, 42);
}

#[test]
fn a_key_from_the_environment_is_changed_for_the_one_that_is_set() {
    let (old, new) = ("1".repeat(64), "2".repeat(64));
    let mut gate = TestGate::with_variables(PARKGATE, &["--demo"], &[("PARKGATE_MASTER_KEY", &old)]);
    push_both(&gate, 1);
    assert!(!gate.data().join("master.key").exists());
    let args = |args: &[&'static str]| [args, &["--data"]].concat();
    let data = gate.data().to_str().unwrap().to_owned();
    let run = |words: &[&'static str], variables: &[(&str, &str)]| {
        let variables: Vec<_> = variables.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
        let mut all = args(words);
        all.push(&data);
        let output = parkgate_with(PARKGATE.as_ref(), &all, &variables);
        let text = [output.stdout, output.stderr].concat();
        (output.status.code(), String::from_utf8(text).unwrap())
    };
    let (code, said) = run(&["key", "rotate"], &[("PARKGATE_MASTER_KEY", &old)]);
    assert!(code == Some(2) && said.contains("PARKGATE_MASTER_KEY_OLD"), "{said}");
    let both = [("PARKGATE_MASTER_KEY", new.as_str()), ("PARKGATE_MASTER_KEY_OLD", old.as_str())];
    assert_eq!(gate.stop(), Some(0));
    gate.variables = both.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    gate.start();
    push_both(&gate, 2);
    let (code, said) = run(&["key", "rotate"], &both);
    assert_eq!(code, Some(0), "{said}");
    push_both(&gate, 3);
    assert_eq!(gate.stop(), Some(0));
    gate.variables = vec![("PARKGATE_MASTER_KEY".into(), new)];
    gate.start();
    push_both(&gate, 4);
    for number in 1..=4 {
        let visit = gate.json(&["visit", "show", DEMO_PARK, &format!("K{number}"), "--unmask"]);
        assert_eq!(visit["params"]["idcard_no"], id_of(number));
    }
    assert!(!gate.data().join("master.key").exists(), "no file is made");
}
