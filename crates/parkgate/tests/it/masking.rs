//! Lists mask plates and ID data; whoever wants them whole is written down first.

use parkgate_testbed::{TestGate, enter, leave, update};
use serde_json::{Value, json};

use crate::demo;

const ID: &str = "440301199003071234";

/// A visit with ID data and an update, a conflict, and a refused push.
fn filled() -> TestGate {
    let gate = demo();
    let person = [("idcard_no", ID), ("idcard_name", "欧阳娜娜"), ("plate", "粤BD12345")];
    gate.taken("enter", enter("S1", &person));
    gate.taken("leave", leave("S1", &person));
    gate.push("leave", leave("S1", &[("plate", "粤B99999"), ("idcard_no", ID)]));
    gate.push("update", update("F1", "S1", &[("plate", "粤B77777")]));
    let mut wrong = enter("S2", &person);
    wrong.push(("sign".into(), "0".repeat(32)));
    let body = parkgate_testbed::body(&wrong).into_bytes();
    gate.post("enter", "application/x-www-form-urlencoded", body);
    gate
}

const PLATES: [&str; 3] = ["粤BD12345", "粤B99999", "粤B77777"];

fn shows_any(text: &str, secrets: &[&str]) -> Option<String> {
    secrets.iter().find(|secret| text.contains(**secret)).map(|secret| format!("{secret}: {text}"))
}

#[test]
fn lists_mask_plates_and_id_data_as_tables_and_as_json() {
    let gate = filled();
    let hidden: Vec<&str> = PLATES.into_iter().chain([ID, "欧阳娜娜"]).collect();
    for list in [&["visit", "list"][..], &["conflict", "list"], &["quarantine", "list"], &["delivery", "list"]] {
        for text in [gate.ok(list), gate.json(list).to_string()] {
            assert_eq!(shows_any(&text, &hidden), None, "{list:?}");
        }
    }
    assert_eq!(gate.json(&["visit", "list"])[0]["plate"], "粤B***77");
    let differing = gate.json(&["conflict", "list"])[0]["differing"].to_string();
    assert!(differing.contains("粤B***99") && differing.contains("粤B****45"), "{differing}");
    // Whoever knows a plate finds its visits.
    assert_eq!(gate.json(&["visit", "list", "--plate", "粤B77777"]).as_array().unwrap().len(), 1);
    assert_eq!(gate.json(&["visit", "list", "--plate", "粤B77778"]), json!([]));
    // One visit, one push: its plate, but no ID data.
    for shown in [gate.visit("S1").to_string(), gate.json(&["quarantine", "show", "1"]).to_string()] {
        assert!(
            shown.contains("粤BD12345") && shown.contains("4403**********1234") && shown.contains("欧***"),
            "{shown}"
        );
        assert_eq!(shows_any(&shown, &[ID, "欧阳娜娜"]), None);
    }
    assert_eq!(gate.json(&["audit", "list"]), json!([]), "nothing of that is written down");
}

#[test]
fn whoever_sees_personal_data_whole_is_in_the_audit_log_first() {
    let gate = filled();
    let unmasked = |args: &[&str]| gate.json(&[args, &["--unmask"]].concat());
    assert_eq!(unmasked(&["visit", "list", "--plate", "粤B77777"])[0]["plate"], "粤B77777");
    assert_eq!(unmasked(&["visit", "show", parkgate_testbed::DEMO_PARK, "S1"])["params"]["idcard_no"], ID);
    assert_eq!(unmasked(&["quarantine", "show", "1"])["params"]["idcard_name"], "欧阳娜娜");
    assert!(unmasked(&["conflict", "list"]).to_string().contains("粤B99999"));
    assert!(unmasked(&["quarantine", "list"]).to_string().contains("粤BD12345"));
    unmasked(&["delivery", "list"]);
    let log = gate.json(&["audit", "list"]);
    let about = |one: &Value| one["about"].as_str().unwrap().to_owned();
    let all: Vec<String> = log.as_array().unwrap().iter().map(about).collect();
    let show = format!("visit show {} S1", parkgate_testbed::DEMO_PARK);
    let expected = [
        "delivery list",
        "quarantine list",
        "conflict list",
        "quarantine show 1",
        &show,
        "visit list --plate 粤B***77",
    ];
    assert_eq!(all, expected);
    assert!(
        log.as_array().unwrap().iter().all(|one| one["what"] == "unmask" && one["who"] != "" && one["at"].is_i64())
    );
    // The same plate is found again in the log, and stands nowhere in it.
    assert_eq!(log[5]["detail"]["plate_digest"].as_str().unwrap().len(), 24);
    assert_eq!(shows_any(&format!("{log}{}", gate.ok(&["audit", "list"])), &[&PLATES[..], &[ID]].concat()), None);
    assert_eq!(gate.json(&["audit", "list", "--limit", "2"]).as_array().unwrap().len(), 2);
    assert_eq!(gate.json(&["audit", "list", "--since", "4102444800000"]), json!([]));
}

#[test]
fn who_became_another_user_is_named_with_that_user() {
    let gate = demo();
    let args = ["visit", "list", "--unmask", "--data", gate.data().to_str().unwrap()];
    let variables = [("SUDO_USER".to_owned(), "zhang".to_owned())];
    assert!(parkgate_testbed::parkgate_with(crate::PARKGATE.as_ref(), &args, &variables).status.success());
    let who = gate.json(&["audit", "list"])[0]["who"].as_str().unwrap().to_owned();
    assert!(who.ends_with(" (sudo: zhang)"), "{who}");
}

#[test]
fn what_cannot_be_written_down_is_not_shown_and_the_log_is_never_changed() {
    let gate = filled();
    gate.ok(&["visit", "list", "--unmask"]);
    let database = rusqlite::Connection::open(gate.data().join("parkgate.db")).unwrap();
    for change in ["UPDATE audit SET who = 'x'", "DELETE FROM audit"] {
        assert!(database.execute(change, []).unwrap_err().to_string().contains("only added to"));
    }
    let full = "CREATE TRIGGER full BEFORE INSERT ON audit BEGIN SELECT RAISE(ABORT, 'no room'); END";
    database.execute(full, []).unwrap();
    for command in
        [&["visit", "list"][..], &["visit", "show", parkgate_testbed::DEMO_PARK, "S1"], &["quarantine", "show", "1"]]
    {
        let output = gate.run(&[command, &["--unmask"]].concat());
        assert_eq!(output.status.code(), Some(1));
        assert!(output.stdout.is_empty(), "{}", String::from_utf8_lossy(&output.stdout));
        assert!(String::from_utf8_lossy(&output.stderr).contains("no room"));
    }
    assert!(gate.run(&["visit", "list"]).status.success());
}
