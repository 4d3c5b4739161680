//! Every rule of `DESIGN.md` 4 that a push can show.

use parkgate_testbed::{DEMO_PARK, TestGate, enter, leave};
use serde_json::{Value, json};

use crate::demo;

fn spaces(gate: &TestGate) -> (Value, Value) {
    let park = gate.json(&["park", "show", DEMO_PARK]);
    (park["remain_parking_space"].clone(), park["drift"].clone())
}

fn codes(visit: &Value) -> Vec<String> {
    visit["advisories"].as_array().unwrap().iter().map(|a| a["code"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn a_leave_completes_the_visit_of_its_enter() {
    let gate = demo();
    let entered = gate.taken("enter", enter("S1", &[("enter_gate", "东门入口")]));
    let visit = gate.visit("S1");
    assert_eq!((&visit["state"], &visit["leave_time"]), (&json!("inside"), &Value::Null));
    let left = gate.taken("leave", leave("S1", &[("leave_gate", "西门出口")]));
    let visit = gate.visit("S1");
    assert_eq!((&visit["state"], &visit["leave_time"]), (&json!("left"), &json!(1624937505093_i64)));
    assert_eq!((&visit["enter_seqno"], &visit["leave_seqno"]), (&json!(entered), &json!(left)));
    assert_eq!(
        (&visit["params"]["enter_gate"], &visit["params"]["leave_gate"]),
        (&json!("东门入口"), &json!("西门出口"))
    );
    assert!(!codes(&visit).contains(&"leave_without_enter".to_owned()));
    assert_eq!(gate.json(&["visit", "list"]).as_array().unwrap().len(), 1);
}

#[test]
fn a_late_enter_fills_its_half_and_the_vehicle_is_not_inside() {
    let gate = demo();
    gate.taken("leave", leave("S1", &[]));
    assert!(codes(&gate.visit("S1")).contains(&"leave_without_enter".to_owned()));
    gate.taken("enter", enter("S1", &[("enter_gate", "东门入口")]));
    let visit = gate.visit("S1");
    assert_eq!((&visit["state"], &visit["params"]["enter_gate"]), (&json!("left"), &json!("东门入口")));
    assert!(codes(&visit).contains(&"leave_without_enter".to_owned()));
}

#[test]
fn another_enter_time_is_another_visit_and_both_say_so() {
    let gate = demo();
    gate.taken("enter", enter("S1", &[]));
    gate.taken("leave", leave("S1", &[("enter_time", "1624874732999")]));
    let visit = gate.visit("S1");
    assert_eq!((&visit["state"], &visit["enter_seqno"]), (&json!("left"), &Value::Null));
    let also = &visit["also"][0];
    assert_eq!(also["state"], "inside");
    for half in [&visit, also] {
        assert!(codes(half).contains(&"enter_time_mismatch".to_owned()), "{half}");
    }
    assert_eq!(gate.json(&["visit", "list"]).as_array().unwrap().len(), 2);
    // One enter and one leave for each serial, whatever their times.
    let (_, reply) = gate.push("enter", enter("S1", &[("enter_time", "1624874732998")]));
    assert_eq!(reply["hint"], "重复的停车流水`S1`");
}

#[test]
fn free_spaces_are_the_newest_snapshot_and_what_came_after_it() {
    let gate = demo();
    assert_eq!(spaces(&gate), (json!(100), json!(0)), "as the operator says");
    gate.taken("enter", enter("E1", &[("enter_time", "1624874732001")]));
    assert_eq!(spaces(&gate).0, 99);
    let reported = [("total_parking_space", "100"), ("remain_parking_space", "10")];
    gate.taken("leave", leave("L1", &[&[("leave_time", "1624874735000")], reported.as_slice()].concat()));
    assert_eq!(spaces(&gate).0, 10);
    // A day late: its event is older than the snapshot.
    gate.taken("enter", enter("E2", &[("enter_time", "1624874732002")]));
    assert_eq!(spaces(&gate).0, 10);
    gate.taken("enter", enter("E3", &[("enter_time", "1624874739000")]));
    gate.taken("leave", leave("L2", &[("leave_time", "1624874739500")]));
    gate.taken("leave", leave("L3", &[("leave_time", "1624874739600")]));
    assert_eq!(spaces(&gate).0, 11);
    // A newer snapshot that arrives after events still newer keeps those.
    let late = [("total_parking_space", "100"), ("remain_parking_space", "50")];
    gate.taken("leave", leave("L4", &[&[("leave_time", "1624874739400")], late.as_slice()].concat()));
    assert_eq!(spaces(&gate).0, 52);
    // And an older one changes nothing.
    let old = [("total_parking_space", "100"), ("remain_parking_space", "1")];
    gate.taken("leave", leave("L5", &[&[("leave_time", "1624874739300")], old.as_slice()].concat()));
    assert_eq!(spaces(&gate), (json!(52), json!(0)));
}

#[test]
fn a_push_from_the_future_does_not_freeze_free_spaces_and_a_recount_mends_a_frozen_count() {
    let gate = demo();
    let reported = |serial: &str, leave_time: &str, remain: &str| {
        let reported = [("leave_time", leave_time), ("total_parking_space", "100"), ("remain_parking_space", remain)];
        gate.taken("leave", leave(serial, &reported));
    };
    reported("S1", "9999999999999", "0");
    assert_eq!(spaces(&gate).0, 0);
    assert_eq!(gate.visit("S1")["leave_time"], 9999999999999_i64, "recorded as it was sent");
    let now = gate.visit("S1")["params"].clone();
    assert_eq!(now["leave_time"], "9999999999999");
    let seconds = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
    reported("S2", &format!("{}000", seconds + 60), "40");
    assert_eq!(spaces(&gate).0, 40);
    // As a program before this rule left it.
    let database = rusqlite::Connection::open(gate.data().join("parkgate.db")).unwrap();
    let frozen = "UPDATE spaces SET remain = 0, as_of = 9999999999999, later = 7";
    assert_eq!(database.execute(frozen, []).unwrap(), 1);
    reported("S3", &format!("{}000", seconds + 61), "50");
    assert_eq!(spaces(&gate).0, 7);
    let recounted = gate.json(&["park", "recount", DEMO_PARK]);
    assert_eq!(
        (&recounted["remain_parking_space_before"], &recounted["remain_parking_space"]),
        (&json!(7), &json!(50))
    );
    gate.taken("leave", leave("S4", &[("leave_time", &format!("{}000", seconds + 62))]));
    assert_eq!(spaces(&gate), (json!(51), json!(0)));
    let said = gate.ok(&["park", "recount", DEMO_PARK]);
    assert!(said.contains("51 → 51"), "{said}");
}

#[test]
fn nobody_gets_stuck_on_a_serial_however_often_it_comes_with_other_content() {
    let gate = demo();
    gate.taken("leave", leave("S1", &[]));
    let hash = parkgate_testbed::md5_hex(b"picture");
    let other = |number: u32| {
        let changes = [("car_desc", format!("other {number}")), ("leave_image_hash", hash.clone())];
        let changes: Vec<(&str, &str)> = changes.iter().map(|(name, value)| (*name, value.as_str())).collect();
        gate.push_files("leave", leave("S1", &changes), &[("leave_image_file", b"picture")])
    };
    let mut last = Value::Null;
    for number in 0..=65 {
        let (status, reply) = other(number);
        assert_eq!(
            (status, &reply["code"], &reply["message"]),
            (200, &json!("200"), &json!("已忽略当前请求")),
            "{number}"
        );
        assert_eq!(reply["hint"], "重复的停车流水`S1`");
        last = reply;
    }
    let (_, again) = other(65);
    assert_eq!(again["seqno"], last["seqno"], "known again");
    let kept = gate.json(&["quarantine", "list"]);
    let reasons: Vec<&Value> = kept.as_array().unwrap().iter().map(|row| &row["reason"]).collect();
    assert_eq!(reasons, ["Conflict", "Conflict"]);
    assert_eq!((&kept[1]["seqno"], &kept[1]["times"]), (&last["seqno"], &json!(2)));
    let replay = || gate.json(&["quarantine", "replay"]);
    assert!(replay().as_array().unwrap().iter().all(|outcome| outcome["outcome"] == "stays"), "it does not loop");
    assert_eq!(gate.json(&["conflict", "list", "--limit", "1000"]).as_array().unwrap().len(), 64);
    let whole = gate.json(&["quarantine", "show", &kept[0]["id"].to_string()]);
    assert_eq!((&whole["images"][0]["part"], &whole["images"][0]["md5"]), (&json!("leave_image_file"), &json!(hash)));
    // All move to a new epoch and are in conflict there, too: nothing is lost.
    gate.ok(&["park", "set", DEMO_PARK, "--new-serial-epoch", "1624874732253"]);
    let outcomes = replay();
    let outcomes: Vec<&Value> = outcomes.as_array().unwrap().iter().map(|outcome| &outcome["outcome"]).collect();
    assert_eq!(outcomes, ["stays", "stays"]);
    assert_eq!(gate.json(&["conflict", "list", "--limit", "1000"]).as_array().unwrap().len(), 64);
}

#[test]
fn the_count_lies_within_the_total_and_the_rest_shows_as_drift() {
    let gate = demo();
    let reported = [("leave_time", "1624874735000"), ("total_parking_space", "100"), ("remain_parking_space", "100")];
    gate.taken("leave", leave("L1", &reported));
    gate.taken("leave", leave("L2", &[("leave_time", "1624874739000")]));
    gate.taken("leave", leave("L3", &[("leave_time", "1624874739001")]));
    assert_eq!(spaces(&gate), (json!(100), json!(2)));
}

#[test]
fn repeats_and_conflicts_count_nothing() {
    let gate = demo();
    for _ in 0..3 {
        gate.taken("enter", enter("E1", &[]));
        gate.push("enter", enter("E1", &[("plate", "粤B00000")]));
    }
    assert_eq!(spaces(&gate).0, 99);
}

#[test]
fn payments_without_an_order_belong_to_their_visit() {
    let gate = demo();
    let list = r#"[{"pay_type":1,"value":"300"},{"pay_type":1,"value":300}]"#;
    gate.taken("leave", leave("S1", &[("payment_list", list)]));
    gate.taken("leave", leave("S2", &[("payment_list", list)]));
    for serial in ["S1", "S2"] {
        assert_eq!(gate.visit(serial)["payments"], json!([{"pay_type":1,"value":300},{"pay_type":1,"value":300}]));
    }
}

#[test]
fn orders_and_serials_are_each_parks_own() {
    let gate = demo();
    gate.ok(&["park", "add", "--uuid", "P2", "--secret", "123", "--name", "二"]);
    let until = std::time::Instant::now() + std::time::Duration::from_secs(10);
    while gate.push("leave", leave("S0", &[("park_uuid", "P2")])).0 != 200 {
        assert!(std::time::Instant::now() < until);
    }
    let paid = [("payment_list", r#"[{"parking_order":"O1","pay_type":1,"value":300}]"#)];
    gate.taken("leave", leave("S1", &paid));
    gate.taken("leave", leave("S1", &[&[("park_uuid", "P2")], paid.as_slice()].concat()));
}

#[test]
fn a_file_goes_before_a_url_and_both_halves_keep_their_pictures() {
    let gate = demo();
    let picture = b"\xff\xd8\xff\xe0 a picture";
    let hash = {
        use std::process::Command;
        let file = gate.data().join("x.jpg");
        std::fs::write(&file, picture).unwrap();
        let output = Command::new("md5sum").arg(file).output().unwrap();
        String::from_utf8(output.stdout).unwrap().split(' ').next().unwrap().to_uppercase()
    };
    let with = [("leave_image_hash", hash.as_str()), ("leave_image", "https://a.b/c.jpg")];
    let (_, reply) = gate.push_files("leave", leave("S1", &with), &[("leave_image_file", picture)]);
    assert_eq!(reply["message"], "OK", "{reply}");
    let image = gate.visit("S1")["images"]["leave_image"].clone();
    assert_eq!((&image["md5"], &image["size"]), (&json!(hash), &json!(picture.len())));
    assert_eq!(image["content_type"], "image/jpeg");
    let kept = std::fs::read(gate.data().join("images").join(image["key"].as_str().unwrap())).unwrap();
    assert_eq!(kept, picture);
}

#[test]
fn personal_data_is_sealed_at_rest_and_read_back() {
    let mut gate = demo();
    let secret_no = "440301199001011234";
    gate.taken("enter", enter("S1", &[("idcard_no", secret_no), ("idcard_name", "阿Q")]));
    assert_eq!(gate.visit("S1")["params"]["idcard_no"], "4403**********1234");
    let unmasked = gate.json(&["visit", "show", "--unmask", DEMO_PARK, "S1"]);
    assert_eq!(unmasked["params"]["idcard_no"], secret_no);
    let data = gate.data().to_owned();
    assert_eq!(gate.stop(), Some(0));
    let haystack: Vec<u8> = ["parkgate.db", "parkgate.db-wal"]
        .iter()
        .flat_map(|file| std::fs::read(data.join(file)).unwrap_or_default())
        .chain(gate.log().into_bytes())
        .collect();
    assert!(!haystack.windows(secret_no.len()).any(|window| window == secret_no.as_bytes()));
}
