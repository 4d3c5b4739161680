//! Releases and updates: every reply in its style, one visit read from all of its records, on both stores.

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use parkgate_testbed::{
    DEMO_PARK, MultipartBody, NamedValues, Postgres, TestGate, body, enter, leave, md5_hex, parkgate, release, update,
};
use serde_json::{Value, json};

use crate::PARKGATE;
use crate::replies::eventually;

const FORM: &str = "application/x-www-form-urlencoded";
/// `enter_time` and `leave_time` of the pushes that are made here, as updates write times.
const ENTERED: (i64, &str) = (1_624_874_732_253, "2021-06-28T10:05:32.253Z");
const LEFT: (i64, &str) = (1_624_937_505_093, "2021-06-29T03:31:45.093Z");

/// The same on SQLite and on PostgreSQL.
pub(crate) fn on_both(promise: impl Fn(&TestGate)) {
    promise(&TestGate::demo(PARKGATE));
    let (server, folder) = (Postgres::shared(), tempfile::tempdir().unwrap());
    let url = server.database();
    let mut gate = TestGate::stopped(PARKGATE, &folder.path().join("data"), &["--store", &url, "--demo"]);
    gate.set_variables(&[("PARKGATE_STORE".to_owned(), url)]);
    gate.start();
    promise(&gate);
}

/// The string and the signature that another program makes of these.
pub(crate) fn independent(pairs: &[(String, String)], secret: &str) -> (String, String) {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/signer.py");
    let mut python =
        Command::new("python3").arg(script).arg(secret).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    python.stdin.take().unwrap().write_all(serde_json::to_string(pairs).unwrap().as_bytes()).unwrap();
    let output = python.wait_with_output().unwrap();
    let made: Value = serde_json::from_slice(&output.stdout).unwrap();
    (made["string"].as_str().unwrap().to_owned(), made["sign"].as_str().unwrap().to_owned())
}

/// Pushes what the other program signed.
fn push(gate: &TestGate, call: &str, pairs: NamedValues) -> (u16, Value) {
    let (_, sign) = independent(&pairs, "123");
    let mut pairs = pairs;
    pairs.push(("sign".into(), sign));
    gate.post(call, FORM, body(&pairs).into_bytes())
}

/// It must be accepted without a hint, by 1001; its number.
fn taken(gate: &TestGate, call: &str, pairs: NamedValues) -> String {
    let (status, reply) = push(gate, call, pairs);
    let (code, hint) = (&reply["code"], &reply["hint"]);
    assert_eq!((status, code, &reply["message"], hint), (200, &json!("1001"), &json!("OK"), &Value::Null), "{reply}");
    assert!(reply.get("path").is_none(), "{reply}");
    reply["seqno"].as_str().unwrap().to_owned()
}

#[test]
fn both_are_answered_by_1001_and_a_repeat_as_the_first_time() {
    on_both(|gate| {
        for (call, pairs) in [("release", release("S1", &[])), ("update", update("F1", "S1", &[]))] {
            let first = taken(gate, call, pairs.clone());
            assert_eq!(taken(gate, call, pairs), first, "{call}");
        }
        let visit = gate.visit("S1");
        assert_eq!(visit["releases"].as_array().unwrap().len(), 1, "{visit}");
        assert_eq!(visit["updates"].as_array().unwrap().len(), 1, "{visit}");
    });
}

#[test]
fn other_content_under_the_same_key_is_ignored_and_kept() {
    on_both(|gate| {
        taken(gate, "release", release("S1", &[]));
        taken(gate, "update", update("F1", "S1", &[]));
        let others = [
            ("release", release("S1", &[("reason", "贵宾")]), "重复的放行记录`S1`"),
            ("update", update("F1", "S1", &[("plate", "粤B99999")]), "重复的变更流水`F1`"),
            // The same number for another stay is no other update.
            ("update", update("F1", "S2", &[]), "重复的变更流水`F1`"),
        ];
        for (call, pairs, hint) in others {
            let (status, reply) = push(gate, call, pairs);
            let path = format!("POST /gate/1.0/parking/internal/{call}");
            assert_eq!((status, &reply["code"], &reply["message"]), (200, &json!("1001"), &json!("已忽略当前请求")));
            assert_eq!((&reply["hint"], &reply["path"]), (&json!(hint), &json!(path)));
        }
        assert_eq!(gate.visit("S1")["plate"], "粤B12345");
        let conflicts = gate.json(&["conflict", "list"]);
        assert_eq!(conflicts.as_array().unwrap().len(), 3, "{conflicts}");
        // Another type, another time or another stay is another release.
        for changes in [("release_type", "1"), ("release_time", "2021-06-29T03:31:46Z"), ("parking_serial", "S2")] {
            taken(gate, "release", release("S1", &[changes]));
        }
        assert_eq!(gate.visit("S1")["releases"].as_array().unwrap().len(), 3);
    });
}

#[test]
fn a_wrong_signature_is_refused_in_each_style_with_the_string_that_was_signed() {
    on_both(|gate| {
        for (call, pairs, id) in
            [("release", release("S1", &[]), 1), ("update", update("F1", "S1", &[]), 2), ("leave", leave("S1", &[]), 3)]
        {
            let (string, sign) = independent(&pairs, "wrong");
            let mut wrong = pairs;
            wrong.push(("sign".into(), sign));
            let (status, reply) = gate.post(call, FORM, body(&wrong).into_bytes());
            let hint = reply["hint"].as_str().unwrap().to_owned();
            let expected = if call == "leave" {
                assert_eq!((status, &reply["code"], &reply["message"]), (200, &json!("200"), &json!("已忽略当前请求")));
                format!("签名验证不通过[{string}&app_secret=***]")
            } else {
                let message = json!("请求签名校验不通过");
                assert_eq!((status, &reply["code"], &reply["message"]), (401, &json!("401"), &message), "{reply}");
                format!("{string}&app_secret=***")
            };
            assert_eq!(hint.split(" 可能原因").next(), Some(expected.as_str()), "{reply}");
            let kept = gate.json(&["quarantine", "show", &id.to_string()]);
            assert_eq!((&kept["kind"], &kept["reason"]), (&json!(call), &json!("Signature")), "{kept}");
        }
        // Once the secret is right they are admitted.
        gate.ok(&["park", "rotate-secret", DEMO_PARK, "--secret", "wrong"]);
        let replayed = gate.json(&["quarantine", "replay"]);
        let outcomes: Vec<&Value> = replayed.as_array().unwrap().iter().map(|one| &one["outcome"]).collect();
        assert_eq!(outcomes, ["recorded"; 3], "{replayed}");
        let visit = gate.visit("S1");
        assert_eq!((visit["releases"].as_array().unwrap().len(), visit["updates"].as_array().unwrap().len()), (1, 1));
    });
}

#[test]
fn the_doctor_finds_the_mistake_behind_a_401() {
    let gate = TestGate::demo(PARKGATE);
    let mut pairs = release("S1", &[]);
    pairs.push(("sign".into(), "0123456789ABCDEF0123456789ABCDEF".into()));
    let unsorted = {
        use md5::Digest as _;
        let joined: Vec<String> = release("S1", &[]).iter().map(|(name, value)| format!("{name}={value}")).collect();
        hex::encode(md5::Md5::digest(format!("{}&app_secret=123", joined.join("&"))))
    };
    pairs.last_mut().unwrap().1 = unsorted;
    let (status, reply) = gate.post("release", FORM, body(&pairs).into_bytes());
    assert_eq!(status, 401);
    assert!(reply["hint"].as_str().unwrap().contains("可能原因"), "{reply}");
    let kept = gate.json(&["quarantine", "show", "1"]);
    assert_eq!(kept["finding_code"], "order_as_sent", "{kept}");
}

#[test]
fn what_is_missing_or_malformed_is_named_in_the_order_of_its_page() {
    let gate = TestGate::demo(PARKGATE);
    for (call, name, expected) in [
        ("release", "release_type", "参数`release_type`未传递"),
        ("release", "parking_serial", "参数`parking_serial`未传递"),
        ("release", "plate", "参数`plate`未传递"),
        ("update", "flow_no", "参数`flow_no`未传递"),
        ("update", "operator", "参数`operator`未传递"),
        ("update", "reason", "参数`reason`未传递"),
        ("release", "park_uuid", "参数`park_uuid`未传递"),
    ] {
        let pairs = if call == "release" { release("S1", &[(name, "")]) } else { update("F1", "S1", &[(name, "")]) };
        let (status, reply) = push(&gate, call, pairs);
        assert_eq!((status, &reply["code"], &reply["hint"]), (400, &json!("400"), &json!(expected)), "{reply}");
    }
    let iso = "UTC时间如2023-03-27T08:00:00Z (ISO 8601 with its zone)";
    for (call, name, value) in [
        ("release", "release_time", "2021-06-29 11:31:45"),
        ("update", "operate_time", "20210629113145"),
        ("update", "enter_time", "1624874732"),
        ("update", "leave_time", "yesterday"),
    ] {
        let changes = [(name, value)];
        let pairs = if call == "release" { release("S1", &changes) } else { update("F1", "S1", &changes) };
        let (status, reply) = push(&gate, call, pairs);
        assert_eq!((status, &reply["hint"]), (400, &json!(format!("参数`{name}`应为{iso}, 收到`{value}`"))), "{reply}");
    }
    let (status, reply) = push(&gate, "release", release("S1", &[("park_uuid", "nobody")]));
    assert_eq!((status, &reply["code"], &reply["message"]), (403, &json!("403"), &json!("访问被拦截")));
    assert!(gate.json(&["visit", "list"]).as_array().unwrap().is_empty());
}

#[test]
fn what_a_barrier_is_opened_by_hand_for_is_taken() {
    let gate = TestGate::demo(PARKGATE);
    // A plate that was not read is sent empty; the address of the picture has parameters of its own.
    let mut pairs = release("S1", &[("capture_image", "https://i.example/u=1,2&fm=193&f=GIF"), ("plate", "")]);
    pairs.push(("plate".into(), String::new()));
    taken(&gate, "release", pairs);
    // Only the Chinese encoded, and the `+` of an offset left as it is.
    let encoded = [("encoding", "URL"), ("reason", "%E8%AE%BE%E5%A4%87"), ("operator", ""), ("gate_name", "")];
    let mut pairs = release("S2", &[&encoded[..], &[("release_time", "2021-06-29T11:31:45+08:00")]].concat());
    pairs.retain(|(name, _)| name != "plate");
    pairs.push(("plate".into(), "%E7%B2%A4B12345".into()));
    taken(&gate, "release", pairs);
    let visit = gate.visit("S2");
    assert_eq!((&visit["plate"], &visit["releases"][0]["reason"]), (&json!("粤B12345"), &json!("设备")), "{visit}");
    assert_eq!(
        gate.visit("S1")["releases"][0]["images"]["capture_image"]["url"],
        "https://i.example/u=1,2&fm=193&f=GIF"
    );
}

#[test]
fn a_captured_push_is_no_other_call() {
    let gate = TestGate::demo(PARKGATE);
    // All that a leave needs, and a number of its own: signed as an update, replayed as a leave.
    let all = [("car_type", "1"), ("car_desc", "x"), ("plate_color", "1")];
    let times = [("enter_time", "1624874732253"), ("leave_time", "1624937505093")];
    let captured = update("F1", "S1", &[&all[..], &times[..]].concat());
    let (status, reply) = push(&gate, "leave", captured.clone());
    assert_eq!(
        (status, &reply["hint"]),
        (400, &json!("参数`flow_no`不属于离场推送 (not a parameter of a leave push)"))
    );
    taken(&gate, "update", captured);
    let (status, reply) = push(&gate, "update", update("F2", "S1", &[("release_type", "1")]));
    assert_eq!(
        (status, &reply["hint"]),
        (400, &json!("参数`release_type`不属于记录变更推送 (not a parameter of an update push)"))
    );
}

#[test]
fn an_update_corrects_its_visit_and_what_was_before_stays_visible() {
    on_both(|gate| {
        gate.taken("enter", enter("S1", &[]));
        let changes = [("plate", "粤B88888"), ("plate_color", "5"), ("enter_time", "2021-06-28T10:00:00Z")];
        let seqno = taken(gate, "update", update("F1", "S1", &changes));
        // The leave comes with the corrected time: one visit.
        gate.taken("leave", leave("S1", &[("plate", "粤B88888"), ("enter_time", "1624874400000")]));
        let visit = gate.visit("S1");
        assert!(visit.get("also").is_none(), "{visit}");
        assert_eq!((&visit["plate"], &visit["state"]), (&json!("粤B88888"), &json!("left")));
        assert_eq!((&visit["enter_time"], &visit["leave_time"]), (&json!(1_624_874_400_000_i64), &json!(LEFT.0)));
        let applied = &visit["updates"][0];
        assert_eq!(
            (&applied["operator"], &applied["reason"], &applied["flow_no"]),
            (&json!("李四"), &json!("识别错误"), &json!("F1"))
        );
        assert_eq!((&applied["seqno"], &applied["operate_time"]), (&json!(seqno), &json!("2021-06-29T04:00:00Z")));
        // The leave already says so: what it says was before is its enter's and its own.
        assert_eq!(applied["changed"]["plate_color"], json!({"before": "1", "after": "5"}));
        let listed = gate.json(&["visit", "list", "--unmask"]);
        assert_eq!(listed.as_array().unwrap().len(), 1, "{listed}");
        assert_eq!(listed[0]["plate"], "粤B88888");
        for plate in ["粤B88888", "粤B12345"] {
            let found = gate.json(&["visit", "list", "--plate", plate]);
            assert!(found.as_array().unwrap().len() <= 1, "{found}");
        }
        assert_eq!(gate.json(&["visit", "list", "--plate", "粤B88888"]).as_array().unwrap().len(), 1);
    });
}

#[test]
fn updates_apply_by_their_own_time_whatever_the_order_they_come_in() {
    on_both(|gate| {
        let later = update("F2", "S1", &[("plate", "粤B00002"), ("operate_time", "2021-06-29T05:00:00Z")]);
        let earlier = update("F1", "S1", &[("plate", "粤B00001")]);
        // Before its enter, the later one first, and once more.
        for pairs in [&later, &earlier, &later] {
            taken(gate, "update", pairs.clone());
        }
        let alone = gate.visit("S1");
        assert_eq!((&alone["plate"], &alone["state"]), (&json!("粤B00002"), &json!("unknown")), "{alone}");
        gate.taken("enter", enter("S1", &[]));
        let visit = gate.visit("S1");
        assert_eq!(
            (&visit["plate"], &visit["enter_time"], &visit["state"]),
            (&json!("粤B00002"), &json!(ENTERED.0), &json!("inside"))
        );
        let changed: Vec<&Value> = visit["updates"].as_array().unwrap().iter().map(|one| &one["changed"]).collect();
        assert_eq!(changed[0], &json!({"plate": {"before": "粤B12345", "after": "粤B00001"}}));
        assert_eq!(changed[1], &json!({"plate": {"before": "粤B00001", "after": "粤B00002"}}));
        assert_eq!(gate.json(&["visit", "list"]).as_array().unwrap().len(), 1);
    });
}

#[test]
fn a_leave_time_of_an_update_counts_once() {
    on_both(|gate| {
        gate.ok(&["park", "set", DEMO_PARK, "--total", "100"]);
        let free = || gate.json(&["park", "show", DEMO_PARK])["remain_parking_space"].as_i64().unwrap();
        gate.taken("enter", enter("S1", &[]));
        gate.taken("enter", enter("S2", &[]));
        assert_eq!(free(), 98);
        taken(gate, "update", update("F1", "S1", &[("leave_time", LEFT.1)]));
        assert_eq!(free(), 99);
        let visit = gate.visit("S1");
        assert_eq!((&visit["state"], &visit["leave_time"]), (&json!("left"), &json!(LEFT.0)));
        taken(gate, "update", update("F2", "S1", &[("leave_time", LEFT.1)]));
        gate.taken("leave", leave("S1", &[]));
        assert_eq!(free(), 99, "it left once");
        gate.taken("leave", leave("S2", &[]));
        taken(gate, "update", update("F3", "S2", &[("leave_time", LEFT.1)]));
        assert_eq!(free(), 100);
        gate.ok(&["park", "recount", DEMO_PARK]);
        assert_eq!(free(), 100, "a recount comes to the same");
    });
}

#[test]
fn payments_are_no_matter_of_updates() {
    let gate = TestGate::demo(PARKGATE);
    let list = r#"[{"parking_order":"O1","pay_type":2,"value":500}]"#;
    gate.taken("leave", leave("S1", &[("payment_list", list), ("total_value", "500"), ("online_value", "500")]));
    let other = r#"[{"parking_order":"O2","pay_type":2,"value":1}]"#;
    taken(&gate, "update", update("F1", "S1", &[("payment_list", other), ("total_value", "1")]));
    let visit = gate.visit("S1");
    assert_eq!(visit["payments"], json!([{"parking_order": "O1", "pay_type": 2, "value": 500}]));
    assert_eq!(visit["params"]["total_value"], "500");
}

#[test]
fn a_release_is_shown_with_its_visit_and_by_itself_without_one() {
    on_both(|gate| {
        let picture: &[u8] = b"\xff\xd8\xff\xe0 a barrier";
        let form = |pairs: NamedValues| {
            let (_, sign) = independent(&pairs, "123");
            let mut pairs = pairs;
            pairs.push(("sign".into(), sign));
            MultipartBody::of(&pairs).file("capture_image", picture).end()
        };
        // The bytes in the field of the URL, and no hash.
        let (status, reply) =
            gate.post("release", &MultipartBody::content_type(), form(release("S1", &[("gate_id", "3")])));
        assert_eq!((status, &reply["code"], &reply["hint"]), (200, &json!("1001"), &Value::Null), "{reply}");
        let alone = gate.visit("S1");
        assert_eq!(
            (&alone["state"], &alone["plate"], &alone["enter_seqno"]),
            (&json!("unknown"), &json!("粤B12345"), &Value::Null)
        );
        let image = &alone["releases"][0]["images"]["capture_image"];
        assert_eq!(
            (&image["md5"], &image["content_type"]),
            (&json!(md5_hex(picture)), &json!("image/jpeg")),
            "{alone}"
        );
        assert_eq!(gate.json(&["visit", "list"]).as_array().unwrap().len(), 1);
        // As a URL.
        let url = "https://img.example/a.jpg?x=1&operator=2";
        taken(gate, "release", release("S1", &[("release_type", "1"), ("capture_image", "https://img.example/a.jpg")]));
        let (status, reply) = push(gate, "release", release("S3", &[("capture_image", url)]));
        assert_eq!(status, 400, "`operator` is one of its parameters: {reply}");
        gate.taken("leave", leave("S1", &[]));
        let visit = gate.visit("S1");
        assert_eq!((&visit["state"], visit["releases"].as_array().unwrap().len()), (&json!("left"), 2));
        assert_eq!(visit["releases"][1]["images"]["capture_image"], json!({"url": "https://img.example/a.jpg"}));
        assert_eq!(visit["releases"][0]["reason"], "设备故障");
        assert_eq!(gate.json(&["visit", "list"]).as_array().unwrap().len(), 1);
    });
}

#[test]
fn a_release_without_its_time_is_one_for_each_type() {
    let gate = TestGate::demo(PARKGATE);
    let pairs = release("S1", &[("release_time", "")]);
    let first = taken(&gate, "release", pairs.clone());
    assert_eq!(taken(&gate, "release", pairs), first);
    // However the time is written, it is the same release: with other content a conflict.
    taken(&gate, "release", release("S1", &[("release_time", "2021-06-29T03:31:45Z")]));
    let (_, reply) = push(&gate, "release", release("S1", &[("release_time", "1624937505000")]));
    assert_eq!(reply["hint"], "重复的放行记录`S1`");
}

#[test]
fn the_public_clients_shape_is_taken() {
    let gate = TestGate::demo(PARKGATE);
    gate.ok(&["app", "add", "--id", "op1", "--secret", "456", "--park", DEMO_PARK]);
    let mut pairs = update("U-1", "1001", &[("plate_color", "-1"), ("enter_time", ENTERED.1), ("car_desc", "")]);
    pairs.push(("app_id".into(), "op1".into()));
    let (_, sign) = independent(&pairs, "456");
    pairs.push(("sign".into(), sign.to_ascii_uppercase()));
    // It leaves empties out of the string and sends them all the same.
    pairs.push(("car_desc".into(), String::new()));
    let content_type = "application/x-www-form-urlencoded;charset=UTF-8";
    let push = || gate.post("update", content_type, body(&pairs).into_bytes());
    // Until the gate knows of the app.
    eventually(|| push().0 == 200);
    let (status, reply) = push();
    assert_eq!((status, &reply["code"], &reply["hint"]), (200, &json!("1001"), &Value::Null), "{reply}");
}

/// Everything about one stay at once, on two nodes, each push on both.
#[test]
fn two_nodes_at_once_come_to_the_same_visit() {
    let (server, one, two) = (Postgres::shared(), tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let url = server.database();
    let start = |data: &Path| TestGate::at(PARKGATE, data, &["--store", &url, "--demo"]);
    let first = start(one.path());
    std::fs::copy(one.path().join("master.key"), two.path().join("master.key")).unwrap();
    let second = start(two.path());
    for number in 0..10 {
        let serial = format!("N{number}");
        let left = [("leave_time", LEFT.1), ("plate", "粤B00001")];
        let later = [
            ("operate_time", "2021-06-29T05:00:00Z"),
            ("plate", "粤B00002"),
            ("enter_time", "2021-06-28T10:05:32.254Z"),
        ];
        let pushes = [
            ("enter", enter(&serial, &[])),
            ("leave", leave(&serial, &[("enter_time", "1624874732254")])),
            ("update", update(&format!("A{number}"), &serial, &left)),
            ("update", update(&format!("B{number}"), &serial, &later)),
            ("release", release(&serial, &[])),
        ];
        std::thread::scope(|scope| {
            for (call, pairs) in &pushes {
                for gate in [&first, &second] {
                    scope.spawn(move || {
                        let (status, reply) = gate.push(call, pairs.clone());
                        assert_eq!(
                            (status, &reply["message"], &reply["hint"]),
                            (200, &json!("OK"), &Value::Null),
                            "{reply}"
                        );
                    });
                }
            }
        });
    }
    let output = parkgate(
        Path::new(PARKGATE),
        &["visit", "list", "--unmask", "--json", "--store", &url, "--data", one.path().to_str().unwrap()],
    );
    let listed: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(listed.as_array().unwrap().len(), 10, "{listed}");
    for visit in listed.as_array().unwrap() {
        let shown = (&visit["plate"], &visit["enter_time"], &visit["leave_time"], &visit["state"]);
        assert_eq!(shown, (&json!("粤B00002"), &json!(ENTERED.0 + 1), &json!(LEFT.0), &json!("left")));
        assert_eq!((visit["updates"].as_array().unwrap().len(), visit["releases"].as_array().unwrap().len()), (2, 1));
        assert_eq!(visit["updates"][1]["changed"]["plate"], json!({"before": "粤B00001", "after": "粤B00002"}));
    }
    assert_eq!(server.sql(&url, "SELECT later FROM spaces WHERE park_id = 1"), "0", "ten entered, ten left");
    assert_eq!(server.sql(&url, "SELECT count(*) FROM records"), "50");
}
