//! Rotated secrets, parks that need not sign, and car parks whose serials restart.

use parkgate_testbed::{DEMO_PARK, NamedValues, TestGate, body, enter, leave, md5_hex, signed, update};
use serde_json::{Value, json};

use crate::demo;
use crate::quarantine::limited;
use crate::replies::eventually;

fn post(gate: &TestGate, call: &str, pairs: &NamedValues) -> (u16, Value) {
    gate.post(call, "application/x-www-form-urlencoded", body(pairs).into_bytes())
}

#[test]
fn an_old_secret_stays_good_for_a_while_and_is_seen() {
    // What waits for a change pushes often.
    let (gate, _folder) = limited("doctor_per_minute = 1000000");
    gate.ok(&["park", "rotate-secret", DEMO_PARK, "--secret", "new", "--keep-old", "1h"]);
    eventually(|| post(&gate, "leave", &signed(leave("N", &[]), "new")).1["hint"].is_null());
    assert_eq!(gate.json(&["park", "show", DEMO_PARK])["old_secret_used_at"], Value::Null);
    assert_eq!(gate.push("leave", leave("S1", &[])).1["message"], "OK");
    eventually(|| gate.json(&["park", "show", DEMO_PARK])["old_secret_used_at"].is_i64());
    assert!(gate.log().contains("signed with the secret before the last rotation"));
    gate.ok(&["park", "rotate-secret", DEMO_PARK, "--secret", "newer"]);
    eventually(|| post(&gate, "leave", &signed(leave("M", &[]), "newer")).1["hint"].is_null());
    let (_, reply) = post(&gate, "leave", &signed(leave("S2", &[]), "new"));
    assert!(reply["hint"].as_str().unwrap().contains("可能原因: "), "{reply}");
    assert!(reply["hint"].as_str().unwrap().contains("旧"), "{reply}");
}

#[test]
fn a_park_need_not_sign_only_where_its_address_is_known() {
    let gate = demo();
    assert_eq!(gate.run(&["park", "set", DEMO_PARK, "--require-sign", "no"]).status.code(), Some(2));
    gate.ok(&["park", "set", DEMO_PARK, "--require-sign", "no", "--allow", "127.0.0.0/8"]);
    eventually(|| post(&gate, "leave", &leave("S1", &[])).1["message"] == "OK");
    let mut wrong = leave("S2", &[]);
    wrong.push(("sign".into(), md5_hex(b"x")));
    assert_eq!(post(&gate, "leave", &wrong).1["message"], "已忽略当前请求", "a sign that is sent must match");
    assert_eq!(gate.run(&["park", "set", DEMO_PARK, "--allow", "any"]).status.code(), Some(2));
    gate.ok(&["park", "set", DEMO_PARK, "--require-sign", "yes", "--allow", "any"]);
    eventually(|| post(&gate, "leave", &leave("S3", &[])).1["message"] != "OK");
}

#[test]
fn conflicts_are_listed_with_what_differs() {
    let gate = demo();
    gate.taken("leave", leave("S1", &[("plate", "粤B1")]));
    let hint = gate.push("leave", leave("S1", &[("plate", "粤B2"), ("car_color", "3")])).1["hint"].clone();
    assert_eq!(hint, "重复的停车流水`S1`");
    let conflicts = gate.json(&["conflict", "list", "--unmask", "--park", DEMO_PARK]);
    assert_eq!(
        conflicts[0]["differing"],
        json!([
            { "name": "car_color", "recorded": "-", "ignored": "3" },
            { "name": "plate", "recorded": "粤B1", "ignored": "粤B2" },
        ])
    );
    assert_eq!(gate.visit("S1")["conflicts"][0]["differing"], json!(["car_color", "plate"]));
    assert!(gate.ok(&["conflict", "list", "--unmask"]).contains("plate 粤B1 → 粤B2"));
}

/// A stay of its own plate, a day later than the one before.
fn stay(number: u64, day: u64) -> NamedValues {
    let (entered, left) = (1_624_874_732_253 + day * 86_400_000 * 30, 1_624_874_999_000 + day * 86_400_000 * 30);
    let (entered, left, plate) = (entered.to_string(), left.to_string(), format!("粤B{day}{number:04}"));
    leave(&format!("{number}"), &[("enter_time", &entered), ("leave_time", &left), ("plate", &plate)])
}

#[test]
fn a_restart_of_serials_is_noticed_and_mended() {
    let gate = demo();
    for number in 1..=8 {
        gate.taken("leave", stay(number, 0));
    }
    assert_eq!(gate.json(&["park", "show", DEMO_PARK])["serials_used_anew"], Value::Null);
    assert_eq!(gate.run(&["park", "set", DEMO_PARK, "--new-serial-epoch"]).status.code(), Some(1));
    for number in 1..=8 {
        assert_eq!(gate.push("leave", stay(number, 1)).1["message"], "已忽略当前请求");
    }
    let reuse = gate.json(&["park", "show", DEMO_PARK])["serials_used_anew"].clone();
    // The whole second in which the first of them entered.
    assert_eq!(
        (&reuse["conflicts"], &reuse["entered_from"]),
        (&json!(8), &json!(1_624_874_732_000_u64 + 2_592_000_000))
    );
    eventually(|| gate.log().contains("serials start anew"));
    let reported = format!("parkgate_park_reused_serials{{park_uuid=\"{DEMO_PARK}\"}} 8");
    eventually(|| gate.metrics().contains(&reported));

    // Of the new epoch, but its serial was free in the old one: it moves there, with its payment and its count.
    let order = r#"[{"parking_order":"O77","pay_type":1,"value":5}]"#;
    let mut free = stay(77, 1);
    free.extend([("payment_list".into(), order.into()), ("idcard_no".into(), "440301199001011234".into())]);
    gate.taken("leave", free.clone());
    let reported = gate.ok(&["park", "set", DEMO_PARK, "--new-serial-epoch"]);
    assert!(reported.contains("补录 8 条, 仍冲突 0 条"), "{reported}");
    assert_eq!(gate.json(&["conflict", "list"]), json!([]));
    let both = gate.visit("3");
    assert_eq!((&both["plate"], &both["also"][0]["plate"]), (&json!("粤B10003"), &json!("粤B00003")));
    let moved = gate.json(&["visit", "show", "--unmask", DEMO_PARK, "77"]);
    assert_eq!((&moved["payments"][0]["value"], &moved["also"]), (&json!(5), &Value::Null));
    assert_eq!(moved["params"]["idcard_no"], "440301199001011234");
    assert_eq!(gate.json(&["visit", "list"]).as_array().unwrap().len(), 17);
    // New pushes are recorded in the new epoch, retries of either are recognised, and the count of spaces goes on.
    gate.taken("enter", enter("9", &[("enter_time", "1700000000000")]));
    assert_eq!(gate.taken("leave", free), moved["leave_seqno"].as_str().unwrap());
    assert_eq!(gate.push("leave", stay(3, 1)).1["seqno"], both["leave_seqno"]);
    assert_eq!(gate.push("leave", stay(3, 0)).1["seqno"], both["also"][0]["leave_seqno"]);
    let park = gate.json(&["park", "show", DEMO_PARK]);
    let shown = park["remain_parking_space"].as_i64().unwrap() + park["drift"].as_i64().unwrap();
    assert_eq!(shown, 100 + 8 + 8 + 1 - 1);
    assert_eq!((&park["serial_epochs"], &park["serials_used_anew"]), (&json!(1), &Value::Null));
    updates_go_with_their_stay(&gate);
}

/// Of serials that a vehicle of either epoch has.
fn updates_go_with_their_stay(gate: &TestGate) {
    let updated = |flow_no: &str, serial: &str, given: &[(&str, &str)]| {
        let pairs = update(flow_no, serial, &[&[("plate", "粤B99999")], given].concat());
        let (_, reply) = post(gate, "update", &signed(pairs, "123"));
        assert_eq!((&reply["code"], &reply["hint"]), (&json!("1001"), &Value::Null), "{reply}");
        reply["seqno"].clone()
    };
    let plates = |serial: &str| {
        let both = gate.visit(serial);
        [&both, &both["also"][0]].map(|visit| visit["plate"].as_str().unwrap().to_owned())
    };
    // As the first vehicle of the new epoch entered, but in whole seconds.
    updated("F1", "3", &[("enter_time", "2021-07-28T10:05:32Z"), ("operate_time", "2021-07-28T11:00:00Z")]);
    assert_eq!(plates("3"), ["粤B99999", "粤B00003"]);
    let late = [("operate_time", "2021-07-28T10:00:00Z")];
    let first = updated("F2", "8", &late);
    assert_eq!(plates("8"), ["粤B10008", "粤B99999"], "before the other vehicle entered");
    assert_eq!(updated("F2", "8", &late), first);
}
