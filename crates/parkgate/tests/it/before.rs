//! The question before the barrier opens (入场前查询): every answer and every refusal, on both stores.

mod compared;
mod lists;

use std::time::{Duration, Instant};

use encoding_rs::GBK;
use parkgate_testbed::{DEMO_PARK, MultipartBody, NamedValues, Postgres, TestGate, body, enter, leave, percent};
use serde_json::{Value, json};

use crate::release_and_update::{independent, on_both};
use crate::replies::eventually;
use crate::{PARKGATE, demo};

const FORM: &str = "application/x-www-form-urlencoded";
const CALL: &str = "enter/before";

/// A question with everything that is required, of this plate; then `changes`: a value replaces, an empty one removes the name.
fn question(plate: &str, changes: &[(&str, &str)]) -> NamedValues {
    let base = [
        ("park_uuid", DEMO_PARK),
        ("plate", plate),
        ("plate_color", "1"),
        ("gate_time", "1624937505093"),
        ("gate_id", "G1"),
        ("gate_name", "东门入口"),
    ];
    let mut pairs: Vec<(&str, &str)> = base.to_vec();
    for (name, value) in changes {
        match pairs.iter_mut().find(|(other, _)| other == name) {
            Some(pair) => pair.1 = value,
            None => pairs.push((name, value)),
        }
    }
    let pairs = pairs.into_iter().filter(|(_, value)| !value.is_empty());
    pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

/// Signed by a program of its own.
fn signed(mut pairs: NamedValues) -> NamedValues {
    let (_, sign) = independent(&pairs, "123");
    pairs.push(("sign".into(), sign));
    pairs
}

/// HTTP status and reply.
fn ask(gate: &TestGate, plate: &str, changes: &[(&str, &str)]) -> (u16, Value) {
    gate.post(CALL, FORM, body(&parkgate_testbed::signed(question(plate, changes), "123")).into_bytes())
}

/// `status` and `status_desc`; it must be answered without a hint.
fn answer(gate: &TestGate, plate: &str) -> (String, String) {
    let (status, reply) = ask(gate, plate, &[]);
    assert_eq!((status, &reply["code"], &reply["hint"]), (200, &json!("1001"), &Value::Null), "{reply}");
    let text = |name: &str| reply[name].as_str().unwrap().to_owned();
    (text("status"), text("status_desc"))
}

fn is(answer: (String, String), status: &str, display: &str) -> bool {
    (answer.0.as_str(), answer.1.as_str()) == (status, display)
}

fn full(serial: &str) -> NamedValues {
    enter(serial, &[("total_parking_space", "10"), ("remain_parking_space", "0")])
}

#[test]
fn lists_and_free_spaces_decide_who_may_enter() {
    on_both(|gate| {
        assert!(is(answer(gate, "粤B12345"), "0", "请等待确认"));
        gate.ok(&["park", "add-plate", DEMO_PARK, "粤B·11111", "--allow", "--note", "业主"]);
        gate.ok(&["park", "add-plate", DEMO_PARK, "粤B22222", "--deny"]);
        eventually(|| is(answer(gate, "粤B11111"), "1", "欢迎光临"));
        eventually(|| is(answer(gate, "粤b·22222"), "-1", "禁止入场"));
        // Nobody is refused for want of spaces where that was not asked for.
        gate.taken("enter", full("S1"));
        assert!(is(answer(gate, "粤B12345"), "0", "请等待确认"));
        gate.ok(&["park", "set", DEMO_PARK, "--refuse-when-full", "yes"]);
        eventually(|| is(answer(gate, "粤B12345"), "-1", "车位已满"));
        for (plate, status, display) in
            [("粤BIIIII", "1", "欢迎光临"), ("粤B22222", "-1", "禁止入场"), ("无牌车", "-1", "车位已满")]
        {
            assert!(is(answer(gate, plate), status, display), "{plate}");
        }
        // A vehicle leaves.
        gate.taken("leave", leave("S2", &[("leave_time", "1924937505093"), ("enter_time", "1924874732253")]));
        gate.taken("leave", leave("S3", &[("total_parking_space", "10"), ("remain_parking_space", "1")]));
        eventually(|| is(answer(gate, "粤B12345"), "0", "请等待确认"));
        gate.ok(&["park", "set", DEMO_PARK, "--refuse-when-full", "no"]);
        gate.ok(&["park", "remove-plate", DEMO_PARK, "粤B-22222"]);
        eventually(|| is(answer(gate, "粤B22222"), "0", "请等待确认"));
        // Nothing of all this was recorded or kept.
        assert_eq!(gate.json(&["visit", "list", "--park", DEMO_PARK]).as_array().unwrap().len(), 3);
        assert_eq!(gate.json(&["quarantine", "list"]), json!([]));
    });
}

#[test]
fn a_reply_has_what_was_asked_for_at_its_end() {
    on_both(|gate| {
        let form =
            body(&signed(question("粤B12345", &[("vehicle_type", "1"), ("capture_image", "https://c/?a=1&b=2")])));
        let (status, reply) = gate.post(CALL, FORM, form.into_bytes());
        let names: Vec<&String> = reply.as_object().unwrap().keys().collect();
        assert_eq!(names, ["code", "message", "seqno", "data_node", "time_cost", "status", "status_desc"], "{reply}");
        assert_eq!((status, &reply["message"], &reply["status"]), (200, &json!("OK"), &json!("0")));
        assert_eq!(reply["seqno"].as_str().unwrap().len(), 16);
        // A park's merchant number may stand in place of its `park_uuid`, and another name for the path.
        gate.ok(&["park", "set", DEMO_PARK, "--merchant", "M1"]);
        let by_merchant = || {
            let form = body(&signed(question("粤B12345", &[("park_uuid", ""), ("merchant", "M1")])));
            gate.post("enter//before/", FORM, form.into_bytes()).1["status"] == "0"
        };
        eventually(by_merchant);
    });
}

#[test]
fn multipart_with_a_picture_and_gbk_are_understood() {
    on_both(|gate| {
        gate.ok(&["park", "add-plate", DEMO_PARK, "粤B11111", "--allow"]);
        eventually(|| is(answer(gate, "粤B11111"), "1", "欢迎光临"));
        let pairs = signed(question("粤B11111", &[]));
        let picture = vec![0xff; 300_000];
        let form = MultipartBody::of(&pairs).file("capture_image", &picture).end();
        let (status, reply) = gate.post(CALL, &MultipartBody::content_type(), form);
        assert_eq!((status, &reply["status"], &reply["hint"]), (200, &json!("1"), &Value::Null), "{reply}");
        assert_eq!(gate.pictures_below("images"), 0, "it is not kept");
        // Signed as the table of the protocol has it, over UTF-8, and sent in GBK.
        let encoded = pairs.iter().map(|(name, value)| format!("{name}={}", percent(&GBK.encode(value).0)));
        let form = encoded.collect::<Vec<_>>().join("&");
        let (status, reply) = gate.post(CALL, "application/x-www-form-urlencoded; charset=GBK", form.into_bytes());
        assert_eq!((status, &reply["status"]), (200, &json!("1")), "{reply}");
    });
}

#[test]
fn what_is_asked_wrongly_is_refused_and_kept_nowhere() {
    on_both(|gate| {
        let pairs = question("粤B12345", &[]);
        let (string, _) = independent(&pairs, "123");
        let refused = |pairs: NamedValues, status: u16, message: &str, hint: &str| {
            let (found, reply) = gate.post(CALL, FORM, body(&pairs).into_bytes());
            let code = status.to_string();
            assert_eq!((found, &reply["code"], &reply["message"]), (status, &json!(code), &json!(message)), "{reply}");
            assert_eq!(reply["hint"], hint, "{reply}");
            assert_eq!(reply["path"], "POST /gate/1.0/parking/internal/enter/before");
            assert!(reply.get("status").is_none() && reply.get("status_desc").is_none(), "{reply}");
        };
        let wrong = [pairs.clone(), vec![("sign".to_owned(), "0".repeat(32))]].concat();
        refused(wrong, 401, "请求签名校验不通过", &format!("{string}&app_secret=***"));
        for name in ["park_uuid", "plate", "plate_color", "gate_time", "gate_id", "gate_name"] {
            refused(signed(question("粤B12345", &[(name, "")])), 400, "请求参数错误", &format!("参数`{name}`未传递"));
        }
        let by = |changes: &[(&str, &str)]| ask(gate, "粤B12345", changes);
        let (status, reply) = by(&[("gate_time", "2021-06-29T03:31:45Z")]);
        assert!(status == 400 && reply["hint"].as_str().unwrap().contains("gate_time"), "{reply}");
        for changes in [("park_uuid", "nobody"), ("app_id", "nobody")] {
            let (status, reply) = by(&[changes]);
            assert_eq!((status, &reply["code"], &reply["message"]), (403, &json!("403"), &json!("访问被拦截")));
        }
        let url = format!("{}/gate/1.0/parking/internal/enter/before", gate.url);
        let got = reqwest::blocking::get(&url).unwrap();
        assert_eq!(got.status(), 400);
        assert!(got.text().unwrap().contains("POST"));
        let (status, reply) = gate.post(CALL, "application/json", b"{}".to_vec());
        assert!(status == 400 && reply["code"] == "400", "{reply}");
        assert_eq!(gate.json(&["quarantine", "list"]), json!([]));
        // A park that wants every reply with 200 gets these, too.
        gate.ok(&["park", "set", DEMO_PARK, "--http-200", "always"]);
        eventually(|| by(&[("gate_id", "")]).0 == 200);
        let wrong = body(&[question("粤B12345", &[]), vec![("sign".to_owned(), "0".repeat(32))]].concat());
        let (status, reply) = gate.post(CALL, FORM, wrong.into_bytes());
        assert_eq!((status, &reply["code"]), (200, &json!("401")), "{reply}");
        let torn = MultipartBody::of(&question("粤B12345", &[])).end();
        let (status, reply) = gate.post(CALL, &MultipartBody::content_type(), torn[..torn.len() - 20].to_vec());
        assert_eq!((status, &reply["code"]), (200, &json!("400")), "{reply}");
        gate.ok(&["park", "disable", DEMO_PARK]);
        eventually(|| by(&[]).1["code"] == "403");
    });
}

#[test]
fn questions_are_counted_by_their_answers_and_are_no_pushes() {
    let gate = demo();
    gate.ok(&["park", "add-plate", DEMO_PARK, "粤B11111", "--allow"]);
    eventually(|| is(answer(&gate, "粤B11111"), "1", "欢迎光临"));
    assert!(is(answer(&gate, "粤B12345"), "0", "请等待确认"));
    ask(&gate, "粤B12345", &[("gate_id", "")]);
    let metrics = gate.metrics();
    let count = |name: &str| {
        let line =
            metrics.lines().find(|line| line.starts_with(&format!("{name} "))).unwrap_or_else(|| panic!("{metrics}"));
        line.rsplit(' ').next().unwrap().parse::<f64>().unwrap() as u64
    };
    assert_eq!(count("parkgate_entry_questions_total{result=\"allowed\"}"), 1);
    assert_eq!(count("parkgate_entry_questions_total{result=\"bad_request\"}"), 1);
    assert!(count("parkgate_entry_questions_total{result=\"undecided\"}") >= 1);
    assert!(count("parkgate_entry_question_duration_seconds_count") >= 3);
    assert_eq!(count("parkgate_push_duration_seconds_count{result=\"recorded\"}"), 0);
}

#[test]
fn a_store_that_hangs_keeps_no_vehicle_waiting() {
    let (server, folder) = (Postgres::start(&[]), tempfile::tempdir().unwrap());
    let url = server.database();
    let mut gate = TestGate::stopped(PARKGATE, &folder.path().join("data"), &["--store", &url, "--demo"]);
    let variables = [("PARKGATE_STORE", url.as_str()), ("PARKGATE_BEFORE_DEADLINE", "500ms")];
    gate.set_variables(&variables.map(|(name, value)| (name.to_owned(), value.to_owned())));
    gate.start();
    gate.ok(&["park", "set", DEMO_PARK, "--refuse-when-full", "yes"]);
    gate.ok(&["park", "add-plate", DEMO_PARK, "粤B11111", "--allow"]);
    gate.taken("enter", full("S1"));
    eventually(|| is(answer(&gate, "粤B12345"), "-1", "车位已满"));
    eventually(|| is(answer(&gate, "粤B11111"), "1", "欢迎光临"));
    server.hang();
    // The count is held for some seconds, then it is not known any more. No question waits longer than its deadline.
    eventually(|| {
        let asked = Instant::now();
        let found = answer(&gate, "粤B12345");
        assert!(asked.elapsed() < Duration::from_secs(5), "{:?}", asked.elapsed());
        is(found, "0", "请等待确认")
    });
    assert!(is(answer(&gate, "粤B11111"), "1", "欢迎光临"), "from memory");
    server.go_on();
    eventually(|| is(answer(&gate, "粤B12345"), "-1", "车位已满"));
}
