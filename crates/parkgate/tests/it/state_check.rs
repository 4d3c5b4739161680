//! `parkgate check`: what is whole is said to be, and each thing that is not is named.

use std::path::Path;
use std::time::{Duration, SystemTime};

use parkgate_testbed::{DEMO_PARK, Postgres, TestGate, enter, leave};
use rusqlite::Connection;
use serde_json::{Value, json};

use crate::PARKGATE;
use crate::backup::{acknowledged_before, gate_with, push_picture, text};

/// Checks; exit code and report.
fn check(args: &[&str]) -> (i32, Value) {
    let mut command = std::process::Command::new(PARKGATE);
    let output = command.arg("check").args(args).arg("--json").env_remove("PARKGATE_DATA").output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    (output.status.code().unwrap(), serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{said}")))
}

/// What it says in words.
fn words(data: &Path, more: &[&str]) -> (i32, String) {
    let mut command = std::process::Command::new(PARKGATE);
    command.args(["check", "--lang", "en", "--data", text(data)]).args(more).env("COLUMNS", "80");
    let output = command.output().unwrap();
    (
        output.status.code().unwrap(),
        String::from_utf8(output.stdout).unwrap() + &String::from_utf8_lossy(&output.stderr),
    )
}

fn kinds(report: &Value) -> Vec<&str> {
    let mut kinds: Vec<&str> =
        report["flaws"].as_array().unwrap().iter().map(|flaw| flaw["kind"].as_str().unwrap()).collect();
    kinds.dedup();
    kinds
}

fn with_payment(serial: &str, order: &str, value: u32) -> String {
    format!(
        r#"[{{"parking_order":"{order}","pay_type":"1","value":{value}}},{{"parking_order":"{serial}","pay_type":2}}]"#
    )
}

#[test]
fn beside_a_gate_under_load_nothing_is_wrong() {
    let gate = crate::demo();
    acknowledged_before(&gate, || {
        let (code, report) = check(&["--data", text(gate.data())]);
        assert_eq!((code, &report["flaws"]), (0, &json!([])), "{report}");
        assert!(report["records"].as_u64() > Some(60) && report["pictures"].as_u64() > Some(10), "{report}");
    });
    let (code, said) = words(gate.data(), &["--max-mb-per-second", "100"]);
    assert!(code == 0 && said.contains("Nothing is wrong"), "{said}");
}

#[test]
fn beside_a_gate_on_postgresql_under_load_nothing_is_wrong() {
    let (cluster, folder) = (Postgres::shared(), tempfile::tempdir().unwrap());
    let (url, data) = (cluster.database(), folder.path().join("data"));
    let gate = TestGate::at(PARKGATE, &data, &["--store", &url, "--demo"]);
    acknowledged_before(&gate, || {
        let (code, report) = check(&["--data", text(&data), "--store", &url]);
        assert_eq!((code, &report["flaws"]), (0, &json!([])), "{report}");
        assert!(report["records"].as_u64() > Some(60), "{report}");
    });
}

#[test]
fn a_flipped_bit_in_a_picture_and_a_missing_one_are_named() {
    let gate = gate_with(6);
    let key = |serial| gate.visit(serial)["images"]["leave_image"]["key"].as_str().unwrap().to_owned();
    let (flipped, missing) = (key("S0"), key("S2"));
    let path = gate.data().join("images").join(&flipped);
    let mut bytes = std::fs::read(&path).unwrap();
    bytes[100] ^= 1;
    std::fs::write(&path, bytes).unwrap();
    std::fs::remove_file(gate.data().join("images").join(&missing)).unwrap();
    let (code, report) = check(&["--data", text(gate.data())]);
    let mut found = kinds(&report);
    // Pictures are read by several at once: either may be first.
    found.sort_unstable();
    assert_eq!((code, found), (1, vec!["damaged_picture", "missing_picture"]), "{report}");
    let (code, said) = words(gate.data(), &["--mend"]);
    assert!(
        code == 1 && said.contains(&flipped) && said.contains(&missing) && said.contains("from a backup"),
        "{said}"
    );
}

#[test]
fn a_torn_page_is_reported_whichever_it_is() {
    let mut gate = gate_with(40);
    let data = gate.data().to_owned();
    assert_eq!(gate.stop(), Some(0));
    let file = data.join("parkgate.db");
    let whole = std::fs::read(&file).unwrap();
    let pages = whole.len() / 8192;
    assert!(pages > 20);
    for page in (0..pages).step_by(3) {
        for half in [0, 4096] {
            let mut torn = whole.clone();
            torn[page * 8192 + half..][..4096].fill(0);
            if torn == whole {
                // Nothing stands there.
                continue;
            }
            std::fs::write(&file, &torn).unwrap();
            let (code, said) = words(&data, &[]);
            assert_eq!(code, 1, "page {page}, {half}: {said}");
        }
    }
    // By name: the leaves of the table of records.
    std::fs::write(&file, &whole).unwrap();
    let root: u32 = Connection::open(&file)
        .unwrap()
        .query_row("SELECT rootpage FROM sqlite_schema WHERE name = 'records'", [], |row| row.get(0))
        .unwrap();
    let mut torn = whole.clone();
    torn[(root as usize - 1) * 8192..][..4096].fill(0);
    std::fs::write(&file, &torn).unwrap();
    let (code, report) = check(&["--data", text(&data)]);
    assert!(code == 1 && kinds(&report).contains(&"page"), "{report}");
    assert!(report["flaws"][0]["detail"].as_str().unwrap().contains(&root.to_string()), "{report}");
    for suffix in ["-wal", "-shm"] {
        drop(std::fs::remove_file(data.join(format!("parkgate.db{suffix}"))));
    }
    std::fs::write(&file, &whole).unwrap();
    assert_eq!(check(&["--data", text(&data)]).0, 0);
}

/// Breaks what `--mend` mends, by statements for either database.
const BROKEN: [&str; 5] = [
    "UPDATE spaces SET later = later + 5",
    "DELETE FROM payments WHERE parking_order = 'O1'",
    "UPDATE payments SET value = 7 WHERE parking_order = 'O2'",
    "UPDATE payments SET record_id = 999999 WHERE parking_order = 'O3'",
    "UPDATE quarantine_use SET pushes = pushes + 1",
];

fn filled(gate: &TestGate) {
    for number in 0..5 {
        let serial = format!("P{number}");
        gate.taken("enter", enter(&serial, &[]));
        gate.taken("leave", leave(&serial, &[("payment_list", &with_payment(&serial, &format!("O{number}"), 500))]));
    }
    push_picture(gate, "P9", b"GIF89a");
    // One for the quarantine.
    let (_, reply) = gate.post(
        "leave",
        "application/x-www-form-urlencoded",
        parkgate_testbed::body(&parkgate_testbed::signed(leave("Q1", &[]), "wrong")).into_bytes(),
    );
    assert_eq!(reply["message"], "已忽略当前请求", "{reply}");
}

/// Each is found, mended beside a gate, and then nothing is wrong.
fn assert_mended(gate: &TestGate, at: &[&str], break_it: impl Fn(&str)) {
    filled(gate);
    let before = gate_space(at);
    assert_eq!(check(at).0, 0);
    let stray = gate.data().join("images/00").join("0".repeat(62));
    std::fs::create_dir_all(stray.parent().unwrap()).unwrap();
    std::fs::write(&stray, "x").unwrap();
    assert_eq!(check(at).0, 0, "a push may be bringing it");
    let old = SystemTime::now() - Duration::from_secs(25 * 60 * 60);
    std::fs::File::options().write(true).open(&stray).unwrap().set_modified(old).unwrap();
    for sql in BROKEN {
        break_it(sql);
    }
    let (code, report) = check(at);
    let counts = json!({ "reference": 1, "space": 1, "payment": 3, "quarantine_use": 1, "stray_picture": 1 });
    assert_eq!((code, &report["counts"]), (1, &counts), "{report}");
    assert!(stray.exists() && gate_space(at) != before);
    let mending = [at, &["--mend"]].concat();
    let (code, report) = check(&mending);
    assert_eq!((code, &report["counts"]), (0, &counts), "{report}");
    let (code, report) = check(at);
    assert_eq!((code, &report["flaws"]), (0, &json!([])), "{report}");
    assert!(!stray.exists());
    assert_eq!(gate_space(at), before);
    // An order that was mended is taken.
    let (_, reply) = gate.push("leave", leave("N1", &[("payment_list", &with_payment("N1", "O1", 500))]));
    assert!(reply["hint"].as_str().unwrap().contains("O1"), "{reply}");
}

fn gate_space(at: &[&str]) -> String {
    crate::backup::ok(&[&["park", "show", DEMO_PARK, "--json"], at].concat())
}

#[test]
fn what_records_say_is_mended() {
    let gate = crate::demo();
    let database = gate.data().join("parkgate.db");
    let break_it = |sql: &str| assert_eq!(Connection::open(&database).unwrap().execute(sql, []).unwrap(), 1, "{sql}");
    assert_mended(&gate, &["--data", text(gate.data())], break_it);
}

#[test]
fn what_records_say_is_mended_in_postgresql() {
    let (cluster, folder) = (Postgres::shared(), tempfile::tempdir().unwrap());
    let (url, data) = (cluster.database(), folder.path().join("data"));
    let gate = TestGate::at(PARKGATE, &data, &["--store", &url, "--demo"]);
    assert_mended(&gate, &["--data", text(&data), "--store", &url], |sql| drop(cluster.sql(&url, sql)));
}

#[test]
fn what_does_not_open_or_names_nothing_is_named_by_its_place() {
    let gate = crate::demo();
    gate.taken("leave", leave("S1", &[("idcard_no", "440301199001011234")]));
    push_picture(&gate, "S2", b"GIF89a");
    let database = gate.data().join("parkgate.db");
    for (sql, kind, about) in [
        ("UPDATE records SET personal = zeroblob(60) WHERE parking_serial = 'S1'", "sealed", "records 1"),
        ("UPDATE parks SET old_secret = zeroblob(60)", "sealed", "parks"),
        ("UPDATE records SET params = '{' WHERE parking_serial = 'S2'", "record", "records 2"),
        ("UPDATE images SET record_id = 77", "reference", "images 0 77"),
        ("INSERT INTO park_epochs VALUES (5, 99, 0)", "reference", "park_epochs 99 5"),
    ] {
        let connection = Connection::open(&database).unwrap();
        connection.execute_batch("PRAGMA foreign_keys = off").unwrap();
        assert_eq!(connection.execute(sql, []).unwrap(), 1, "{sql}");
        let (code, report) = check(&["--data", text(gate.data())]);
        let flaws = report["flaws"].as_array().unwrap();
        let is_named = |flaw: &Value| flaw["kind"] == kind && flaw["about"].as_str().unwrap().starts_with(about);
        assert!(code == 1 && flaws.iter().any(is_named), "{sql}: {report}");
    }
}

#[test]
fn one_park_is_checked_by_itself() {
    let gate = crate::demo();
    gate.ok(&["park", "add", "--uuid", "P2", "--name", "b", "--secret", "123"]);
    crate::replies::eventually(|| gate.push("enter", enter("S0", &[("park_uuid", "P2")])).1["message"] == "OK");
    gate.taken("enter", enter("S1", &[]));
    gate.taken("enter", enter("S2", &[("park_uuid", "P2")]));
    let database = gate.data().join("parkgate.db");
    Connection::open(&database).unwrap().execute("UPDATE spaces SET later = 9 WHERE park_id = 2", []).unwrap();
    assert_eq!(check(&["--data", text(gate.data()), "--park", DEMO_PARK]).0, 0);
    let (code, report) = check(&["--data", text(gate.data()), "--park", "P2"]);
    assert_eq!((code, &report["flaws"][0]["about"], &report["records"]), (1, &json!("P2"), &json!(2)), "{report}");
    let (code, said) = words(gate.data(), &["--park", "P3"]);
    assert!(code == 2 && said.contains("P3"), "{said}");
}
