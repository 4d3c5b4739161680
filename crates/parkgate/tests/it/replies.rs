//! Every row of the reply table (`DESIGN.md` 3.4), with the state read back.

use parkgate_testbed::{DEMO_PARK, body, leave, signed};
use serde_json::{Value, json};

use crate::demo;

const PATH: &str = "POST /gate/1.0/parking/internal/leave";

fn pay(orders: &[(&str, &str)]) -> String {
    let list: Vec<Value> =
        orders.iter().map(|(order, kind)| json!({"parking_order": order, "pay_type": kind, "value": 500})).collect();
    Value::from(list).to_string()
}

#[test]
fn a_new_push_is_recorded_and_the_same_again_is_answered_as_the_first_time() {
    let gate = demo();
    let first = gate.taken("leave", leave("S1", &[]));
    assert_eq!((first.len(), gate.taken("leave", leave("S1", &[]))), (16, first.clone()));
    let visit = gate.visit("S1");
    assert_eq!(visit["leave_seqno"], first.as_str());
    assert_eq!(visit["state"], "left");
    assert_eq!(gate.json(&["visit", "list"]).as_array().unwrap().len(), 1);
}

#[test]
fn another_push_with_the_same_serial_is_ignored_and_kept_as_a_conflict() {
    let gate = demo();
    gate.taken("leave", leave("S1", &[]));
    for _ in 0..2 {
        let (status, reply) = gate.push("leave", leave("S1", &[("plate", "粤B99999")]));
        assert_eq!(status, 200);
        assert_eq!(reply["code"], "200");
        assert_eq!(reply["message"], "已忽略当前请求");
        assert_eq!(reply["hint"], "重复的停车流水`S1`");
        assert_eq!(reply["path"], PATH);
    }
    let visit = gate.visit("S1");
    assert_eq!(visit["plate"], "粤B12345");
    let conflicts = visit["conflicts"].as_array().unwrap();
    assert_eq!(conflicts.len(), 1);
    assert_eq!(conflicts[0]["differing"], json!(["plate"]));
}

#[test]
fn a_repeated_order_is_refused_and_the_rest_recorded() {
    let gate = demo();
    gate.taken("leave", leave("S1", &[("payment_list", &pay(&[("O1", "1")]))]));
    let second = leave("S2", &[("payment_list", &pay(&[("O1", "1"), ("O2", "1"), ("O1", "2")]))]);
    let mut seqnos = Vec::new();
    for _ in 0..2 {
        let (status, reply) = gate.push("leave", second.clone());
        assert_eq!((status, &reply["message"]), (200, &Value::from("OK")));
        assert_eq!(reply["hint"], "重复的订单`O1`未受理");
        assert_eq!(reply["path"], PATH);
        seqnos.push(reply["seqno"].clone());
    }
    assert_eq!(seqnos[0], seqnos[1], "a repeat is answered as the first time");
    let visit = gate.visit("S2");
    let orders: Vec<_> = visit["payments"].as_array().unwrap().iter().map(|p| p["parking_order"].clone()).collect();
    assert_eq!(orders, ["O2", "O1"]);
    assert_eq!(visit["payments"][0]["value"], 500);
}

#[test]
fn the_documents_own_leave_is_recorded_whole() {
    let gate = demo();
    let list = r#"[{"change_value":"500","free_value":100,"operator":"张三","parking_order":"1624937505093","pay_origin_desc":"现金","pay_time":"1624937505093","pay_type":"1","value":500},{"change_value":"0","free_value":100,"operator":"","parking_order":"1624937505193","pay_origin_desc":"在线支付","pay_time":"1624937505093","pay_type":"2","value":500},{"change_value":"0","free_value":0,"operator":"","parking_order":"1624937505193","pay_origin_desc":"储值卡余额支付","pay_time":"1624937505093","pay_type":"4","value":500}]"#;
    gate.taken(
        "leave",
        leave(
            "202106028000000007",
            &[
                ("payment_list", list),
                ("leave_image", "https://t7.baidu.com/it/u=1595072465,3644073269&fm=193&f=GIF"),
                ("total_parking_space", "100"),
                ("remain_parking_space", "10"),
            ],
        ),
    );
    let visit = gate.visit("202106028000000007");
    assert_eq!(visit["payments"].as_array().unwrap().len(), 3, "one order may be paid in two ways");
    let sum: i64 = visit["payments"].as_array().unwrap().iter().map(|p| p["value"].as_i64().unwrap()).sum();
    assert_eq!(sum, 1500);
    assert_eq!(visit["images"]["leave_image"]["url"], "https://t7.baidu.com/it/u=1595072465,3644073269&fm=193&f=GIF");
    let park = gate.json(&["park", "show", DEMO_PARK]);
    assert_eq!((&park["total_parking_space"], &park["remain_parking_space"]), (&json!(100), &json!(10)));
}

#[test]
fn a_wrong_signature_is_ignored_with_the_documents_hint() {
    let gate = demo();
    for sign in ["wrong", ""] {
        let mut pairs = leave("S1", &[("leave_image", "https://a.b/c?x=1&y=2")]);
        if !sign.is_empty() {
            pairs = signed(pairs, sign);
        }
        let (status, reply) = gate.post("leave", "application/x-www-form-urlencoded", body(&pairs).into_bytes());
        assert_eq!(status, 200);
        assert_eq!((&reply["code"], &reply["message"]), (&json!("200"), &json!("已忽略当前请求")));
        let expected = format!(
            "签名验证不通过[car_desc=临时车&car_type=1&charge_type=1&enter_time=1624874732253&leave_image=https://a.b/c?x=1&y=2&leave_time=1624937505093&park_uuid={DEMO_PARK}&parking_serial=S1&plate=粤B12345&plate_color=1&app_secret=***]"
        );
        // No known mistake gives that sign, so the hint stays the document's own; without a sign there is one to name.
        let finding =
            if sign.is_empty() { " 可能原因: 参数`sign`未传递 (parameter `sign` was not sent)" } else { "" };
        assert_eq!(reply["hint"], format!("{expected}{finding}"));
        assert_eq!(reply["path"], PATH);
        let keys: Vec<_> = reply.as_object().unwrap().keys().cloned().collect();
        assert_eq!(keys, ["code", "message", "hint", "seqno", "data_node", "path"]);
    }
    assert_eq!(gate.json(&["visit", "list"]), json!([]));
}

#[test]
fn a_missing_parameter_is_answered_400_to_the_letter() {
    let gate = demo();
    let (status, reply) = gate.push("leave", leave("S1", &[("enter_time", "")]));
    assert_eq!(status, 400);
    assert_eq!((&reply["code"], &reply["message"]), (&json!("400"), &json!("请求参数错误")));
    assert_eq!((&reply["hint"], &reply["path"]), (&json!("参数`enter_time`未传递"), &json!(PATH)));
}

#[test]
fn unknown_and_disabled_parks_and_foreign_addresses_are_blocked() {
    let gate = demo();
    let blocked = |pairs| {
        let (status, reply) = gate.push("leave", pairs);
        assert_eq!((status, &reply["code"], &reply["message"]), (403, &json!("403"), &json!("访问被拦截")));
    };
    blocked(leave("S1", &[("park_uuid", "nobody")]));
    blocked(leave("S1", &[("app_id", "nobody")]));
    gate.ok(&["park", "disable", DEMO_PARK]);
    eventually(|| gate.push("leave", leave("S1", &[])).0 == 403);
    gate.ok(&["park", "enable", DEMO_PARK]);
    eventually(|| gate.push("leave", leave("S1", &[])).0 == 200);
    gate.ok(&["park", "set", DEMO_PARK, "--allow", "10.9.0.0/16"]);
    eventually(|| gate.push("leave", leave("S1", &[])).0 == 403);
    gate.ok(&["park", "set", DEMO_PARK, "--allow", "127.0.0.0/8"]);
    eventually(|| gate.push("leave", leave("S1", &[])).0 == 200);
}

#[test]
fn a_park_can_have_every_answer_with_http_200() {
    let gate = demo();
    gate.ok(&["park", "set", DEMO_PARK, "--http-200", "always"]);
    eventually(|| gate.push("leave", leave("S1", &[("enter_time", "")])).0 == 200);
    let (_, reply) = gate.push("leave", leave("S1", &[("enter_time", "")]));
    assert_eq!(reply["code"], "400");
}

#[test]
fn a_change_by_the_command_line_takes_effect_within_a_second() {
    let gate = demo();
    gate.ok(&["park", "add", "--uuid", "P2", "--secret", "123", "--name", "二号停车场"]);
    let started = std::time::Instant::now();
    eventually(|| gate.push("leave", leave("S1", &[("park_uuid", "P2")])).0 == 200);
    assert!(started.elapsed().as_secs() < 5, "seen after {:?}", started.elapsed());
}

/// Asks until it is so: what the gate looks at by itself is seen within a second.
pub(crate) fn eventually(mut holds: impl FnMut() -> bool) {
    let until = std::time::Instant::now() + std::time::Duration::from_secs(10);
    while !holds() {
        assert!(std::time::Instant::now() < until, "it never came true");
    }
}

#[test]
fn free_spaces_are_answered_to_signed_queries() {
    let gate = demo();
    let ask = |changes: &[(&str, &str)], secret: &str| -> (u16, Value) {
        let mut pairs =
            vec![("park_uuid".to_owned(), DEMO_PARK.to_owned()), ("timestamp".into(), "1624937505093".into())];
        pairs.extend(changes.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
        let query = body(&signed(pairs, secret));
        let reply = reqwest::blocking::get(format!("{}/gate/1.0/parking/realtime/space?{query}", gate.url)).unwrap();
        (reply.status().as_u16(), serde_json::from_str(&reply.text().unwrap()).unwrap())
    };
    gate.taken("leave", leave("S1", &[("total_parking_space", "80"), ("remain_parking_space", "33")]));
    let (status, reply) = ask(&[], "123");
    assert_eq!((status, &reply["code"], &reply["payload"]["park_uuid"]), (200, &json!("1001"), &json!(DEMO_PARK)));
    assert_eq!((&reply["payload"]["total_space"], &reply["payload"]["remain_space"]), (&json!(80), &json!(33)));
    assert!(reply["time_cost"].is_number() && reply["seqno"].as_str().unwrap().len() == 16, "{reply}");
    let (status, reply) = ask(&[], "124");
    let hint = format!("park_uuid={DEMO_PARK}&timestamp=1624937505093&app_secret=***");
    assert_eq!((status, &reply["code"], &reply["hint"]), (401, &json!("401"), &json!(hint)));
    assert_eq!(ask(&[("app_id", "op1")], "123").0, 403);
    let app = gate.run(&["app", "add", "--id", "op1", "--secret", "456", "--park", DEMO_PARK]);
    assert!(app.status.success());
    eventually(|| ask(&[("app_id", "op1")], "456").1["code"] == "1001");
    let unknown = reqwest::blocking::get(format!("{}/gate/1.0/parking/realtime/space?sign=1", gate.url)).unwrap();
    assert_eq!(unknown.status(), 400);
    assert!(unknown.text().unwrap().contains("参数`park_uuid`未传递"));
    let post =
        reqwest::blocking::Client::new().post(format!("{}/gate/1.0/parking/realtime/space", gate.url)).send().unwrap();
    assert_eq!(post.status(), 405);
}
