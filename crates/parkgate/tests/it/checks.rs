//! Every check of `DESIGN.md` 3.3, in its order.

use parkgate_testbed::{DEMO_PARK, MultipartBody, TestGate, body, enter, leave, signed};
use serde_json::json;

use crate::demo;

fn refused(gate: &TestGate, call: &str, pairs: Vec<(String, String)>, status: u16, hint: &str) {
    let (found, reply) = gate.push(call, pairs);
    assert_eq!(found, status, "{reply}");
    assert!(reply["hint"].as_str().unwrap().contains(hint), "{reply}");
}

#[test]
fn required_parameters_are_named_in_the_order_of_the_table() {
    let gate = demo();
    refused(&gate, "leave", leave("S", &[("park_uuid", "")]), 400, "参数`park_uuid`未传递");
    let mut taken_away = Vec::new();
    for name in ["leave_time", "car_desc", "car_type", "enter_time", "plate_color", "parking_serial"] {
        taken_away.push((name, ""));
        refused(&gate, "leave", leave("S", &taken_away), 400, &format!("参数`{name}`未传递"));
    }
    refused(&gate, "enter", enter("S", &[("car_type", "")]), 400, "参数`car_type`未传递");
}

#[test]
fn a_strict_park_requires_what_the_table_marks() {
    let gate = demo();
    gate.taken("leave", leave("S1", &[("charge_type", "")]));
    let advisories = gate.visit("S1")["advisories"].clone();
    assert!(advisories.as_array().unwrap().iter().any(|a| a["code"] == "required_missing"), "{advisories}");
    gate.ok(&["park", "add", "--uuid", "P2", "--secret", "123", "--name", "严格", "--strict"]);
    gate.ok(&["app", "add", "--id", "op1", "--secret", "456", "--park", "P2"]);
    let until = std::time::Instant::now() + std::time::Duration::from_secs(10);
    // The gate may see the park before it sees the app.
    for (app, expected) in [("", 200), ("op1", 400)] {
        while gate.push("leave", leave("S1", &[("park_uuid", "P2"), ("app_id", app)])).0 != expected {
            assert!(std::time::Instant::now() < until);
        }
    }
    refused(&gate, "leave", leave("S2", &[("park_uuid", "P2"), ("charge_type", "")]), 400, "参数`charge_type`未传递");
    refused(&gate, "leave", leave("S2", &[("park_uuid", "P2"), ("app_id", "op1")]), 400, "参数`api_type`未传递");
    let by_app = leave("S3", &[("park_uuid", "P2"), ("app_id", "op1"), ("api_type", "X")]);
    let form = body(&signed(by_app, "456"));
    let (status, reply) = gate.post("leave", "application/x-www-form-urlencoded", form.into_bytes());
    assert_eq!((status, &reply["message"]), (200, &json!("OK")), "signed with the app's secret: {reply}");
    refused(&gate, "leave", leave("S4", &[("app_id", "op1")]), 403, "应用");
}

#[test]
fn values_are_checked_after_the_signature() {
    let gate = demo();
    for (name, value, hint) in [
        ("enter_time", "1624874732", "参数`enter_time`应为13位毫秒时间戳"),
        ("leave_time", "2021-06-28", "参数`leave_time`应为13位毫秒时间戳"),
        ("total_value", "10.5", "参数`total_value`应为"),
        ("cash_value", "-1", "参数`cash_value`应为"),
        ("payment_list", "{}", "参数`payment_list`应为JSON对象数组"),
        ("payment_list", r#"[{"value":"x"}]"#, "参数`payment_list[0].value`应为"),
        ("leave_image_hash", "37693CFC748049E45D87B8C7D8B9AACD", "未上传文件`leave_image_file`"),
        ("sign_type", "SHA256", "参数`sign_type`应为`MD5`"),
    ] {
        refused(&gate, "leave", leave("S1", &[(name, value)]), 400, hint);
    }
    refused(&gate, "enter", leave("S1", &[]), 400, "参数`leave_time`不属于入场推送");
    // Wrong values of a push with a wrong signature are not looked at.
    let form = body(&signed(leave("S1", &[("enter_time", "1")]), "other"));
    let (status, reply) = gate.post("leave", "application/x-www-form-urlencoded", form.into_bytes());
    assert_eq!((status, &reply["message"]), (200, &json!("已忽略当前请求")));
    assert_eq!(gate.json(&["visit", "list"]), json!([]));
}

#[test]
fn a_known_name_twice_and_an_ambiguous_string_are_refused() {
    let gate = demo();
    let mut twice = leave("S1", &[]);
    twice.push(("plate".into(), "粤B2".into()));
    refused(&gate, "leave", twice, 400, "参数`plate`重复传递");
    let honest = leave("A1", &[("payment_list", r#"[{"parking_order":"PO1","value":500}]"#)]);
    gate.taken("leave", honest.clone());
    let sign = signed(honest, "123").pop().unwrap();
    // The captured push with another reading: its payment is swallowed by the serial.
    let mut forged = leave("A1&payment_list=[{\"parking_order\":\"PO1\",\"value\":500}]", &[]);
    forged.push(sign);
    let (status, reply) = gate.post("leave", "application/x-www-form-urlencoded", body(&forged).into_bytes());
    assert_eq!(status, 400, "{reply}");
    assert!(reply["hint"].as_str().unwrap().contains("`parking_serial`"), "{reply}");
}

#[test]
fn a_file_needs_its_hash_and_the_hash_its_file() {
    let gate = demo();
    let gif = b"GIF89a....";
    let push = |changes: &[(&str, &str)]| gate.push_files("leave", leave("S1", changes), &[("leave_image_file", gif)]);
    let (status, reply) = push(&[]);
    assert_eq!(status, 400);
    assert!(reply["hint"].as_str().unwrap().starts_with("参数`leave_image_hash`未传递"), "{reply}");
    let (status, reply) = push(&[("leave_image_hash", "37693CFC748049E45D87B8C7D8B9AACD")]);
    assert_eq!(status, 400);
    assert!(reply["hint"].as_str().unwrap().contains("应为文件的MD5"), "{reply}");
}

#[test]
fn what_only_looks_wrong_is_taken_with_an_advisory() {
    let gate = demo();
    let pushed = [
        ("plate_color", "77", "value_unlisted"),
        ("leave_time", "1524937505093", "leave_before_enter"),
        ("leave_time", "9924937505093", "time_in_future"),
        ("total_value", "1000", "total_differs"),
        ("remain_parking_space", "x", "space_unreadable"),
    ];
    for (index, (name, value, code)) in pushed.into_iter().enumerate() {
        let serial = format!("S{index}");
        gate.taken("leave", leave(&serial, &[(name, value)]));
        let advisories = gate.visit(&serial)["advisories"].clone();
        assert!(advisories.as_array().unwrap().iter().any(|a| a["code"] == code), "{code}: {advisories}");
    }
}

#[test]
fn the_merchant_number_may_stand_for_the_park() {
    let gate = demo();
    gate.ok(&["park", "set", DEMO_PARK, "--merchant", "97919537"]);
    gate.ok(&["park", "add", "--uuid", "P2", "--secret", "123", "--name", "二", "--merchant", "626266016"]);
    let by_merchant = leave("S1", &[("park_uuid", ""), ("merchant", "97919537")]);
    let until = std::time::Instant::now() + std::time::Duration::from_secs(10);
    while gate.push("leave", by_merchant.clone()).0 != 200 {
        assert!(std::time::Instant::now() < until);
    }
    gate.taken("leave", leave("S2", &[("merchant", "97919537")]));
    refused(&gate, "leave", leave("S3", &[("merchant", "626266016")]), 400, "不是同一停车场");
}

#[test]
fn both_bodies_and_every_text_part_are_taken() {
    let gate = demo();
    let pairs = signed(leave("S1", &[]), "123");
    let form = pairs.iter().fold(MultipartBody::default(), |form, (name, value)| {
        // With a file name, and with a charset of its own: texts all the same.
        let (gbk, _, _) = encoding_rs::GBK.encode(value);
        let headers = format!(
            "Content-Disposition: form-data; name=\"{name}\"; filename=\"x\"\r\nContent-Type: text/plain; charset=GBK"
        );
        form.part(&headers, &gbk)
    });
    let (status, reply) = gate.post("leave", &MultipartBody::content_type(), form.end());
    assert_eq!((status, &reply["message"]), (200, &json!("OK")), "{reply}");
    assert_eq!(gate.visit("S1")["plate"], "粤B12345");
}
