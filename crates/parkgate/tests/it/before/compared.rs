//! A platform that is asked in place of this one (`--compare`).

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use parkgate_testbed::{Scripted, ScriptedReply, ScriptedRequest, SubscriberAnswer, TestSubscriber};

use super::*;

/// A gate that asks this platform.
fn front(url: &str, variables: &[(&str, &str)]) -> TestGate {
    let mut all = vec![("PARKGATE_FORWARD_ALLOW_PRIVATE", "true")];
    all.extend(variables);
    let gate = TestGate::with_variables(PARKGATE, &["--demo"], &all);
    subscribe(&gate, url);
    gate
}

fn subscribe(gate: &TestGate, url: &str) {
    gate.ok(&[
        "subscriber",
        "add",
        "--name",
        "vendor",
        "--url",
        url,
        "--format",
        "relay",
        "--compare",
        "--park",
        DEMO_PARK,
        "--events",
        "leave",
    ]);
}

const NO_ANSWER: &str = "上级平台未应答, 请车场自行决定 (the compared platform gave no answer: decide locally)";

fn is_unanswered((status, reply): &(u16, Value)) -> bool {
    (*status, &reply["code"], &reply["status"], &reply["hint"]) == (200, &json!("1001"), &json!("0"), &json!(NO_ANSWER))
}

#[test]
fn the_other_platform_is_asked_with_what_came_and_its_words_are_the_answer() {
    let requests = Arc::new(Mutex::new(Vec::<ScriptedRequest>::new()));
    let kept = Arc::clone(&requests);
    let vendor = Scripted::start(move |request| {
        kept.lock().unwrap().push(request.clone());
        let body = r#"{"code":"1001","status":"1","status_desc":"月租车","charge_type":"2","x":[1]}"#;
        ScriptedReply { status: 200, headers: "content-type: text/plain;charset=GBK\r\n", body: body.into() }
    });
    let gate = front(&format!("{}/root?key=1", vendor.url), &[]);
    gate.ok(&["park", "add-plate", DEMO_PARK, "粤B11111", "--deny"]);
    eventually(|| ask(&gate, "粤B11111", &[]).1["status_desc"] == "月租车");

    // To the letter, with its headers; a sign that only it can check goes through unchanged.
    let mut pairs = question("粤B11111", &[("x1", "a&b=c")]);
    pairs.push(("sign".into(), "signed with another secret".into()));
    let url = format!("{}/gate/1.0/parking/internal/enter/before", gate.url);
    let http = reqwest::blocking::Client::new();
    let reply = http.post(&url).header("content-type", FORM).body(body(&pairs)).send().unwrap();
    assert_eq!(reply.headers()["content-type"], "text/plain;charset=GBK");
    let text = reply.text().unwrap();
    assert_eq!(text, r#"{"code":"1001","status":"1","status_desc":"月租车","charge_type":"2","x":[1]}"#);
    let request = requests.lock().unwrap().last().unwrap().clone();
    assert!(request.head.starts_with("POST /root/gate/1.0/parking/internal/enter/before?key=1 "), "{}", request.head);
    let sent: NamedValues = reqwest::Url::parse(&format!("http://x/?{}", String::from_utf8(request.body).unwrap()))
        .unwrap()
        .query_pairs()
        .into_owned()
        .collect();
    assert_eq!(sent, pairs);

    // With its picture, which stays nowhere here.
    let form = MultipartBody::of(&pairs).file("capture_image", b"\xff\xd8\xff\xe0 a car").end();
    assert_eq!(gate.post(CALL, &MultipartBody::content_type(), form).1["status"], "1");
    let request = requests.lock().unwrap().last().unwrap().clone();
    let sent = String::from_utf8_lossy(&request.body).into_owned();
    assert!(sent.contains("name=\"capture_image\"; filename") && sent.contains(" a car\r\n"), "{sent}");
    assert_eq!(gate.pictures_below("images"), 0);

    // Nobody is asked about a park that is unknown here.
    let before = vendor.requests();
    assert_eq!(ask(&gate, "粤B1", &[("park_uuid", "nobody")]).0, 403);
    gate.ok(&["park", "set", DEMO_PARK, "--allow", "10.0.0.0/8"]);
    eventually(|| ask(&gate, "粤B1", &[]).0 == 403);
    gate.ok(&["park", "set", DEMO_PARK, "--allow", "any"]);
    eventually(|| ask(&gate, "粤B1", &[]).0 == 200);
    assert!(vendor.requests() > before);
    // While it is paused, what is known here decides.
    gate.ok(&["subscriber", "pause", "vendor"]);
    eventually(|| is_denied(&ask(&gate, "粤B11111", &[])));
    assert!(gate.metrics().contains("parkgate_entry_questions_total{result=\"passed\"}"));
}

fn is_denied((status, reply): &(u16, Value)) -> bool {
    (*status, &reply["status"]) == (200, &json!("-1"))
}

#[test]
fn its_refusal_comes_back_with_its_status() {
    let vendor = TestSubscriber::start(SubscriberAnswer::Says(401, r#"{"code":"401","message":"请求签名校验不通过"}"#));
    let gate = front(&vendor.url, &[]);
    eventually(|| ask(&gate, "粤B1", &[]) == (401, json!({"code": "401", "message": "请求签名校验不通过"})));
    gate.ok(&["park", "set", DEMO_PARK, "--http-200", "always"]);
    eventually(|| ask(&gate, "粤B1", &[]) == (200, json!({"code": "401", "message": "请求签名校验不通过"})));
}

#[test]
fn without_an_answer_in_time_the_car_park_decides() {
    let gate = front("http://127.0.0.1:9", &[("PARKGATE_BEFORE_DEADLINE", "300ms")]);
    eventually(|| is_unanswered(&ask(&gate, "粤B1", &[])));
    // What is wrong here stays so.
    let mut wrong = question("粤B1", &[]);
    wrong.push(("sign".into(), "0".repeat(32)));
    let refused = gate.post(CALL, FORM, body(&wrong).into_bytes());
    assert_eq!((refused.0, &refused.1["code"]), (401, &json!("401")));

    let vendor = TestSubscriber::start(SubscriberAnswer::TAKES);
    gate.ok(&["subscriber", "remove", "vendor"]);
    subscribe(&gate, &vendor.url);
    let is_taken = || ask(&gate, "粤B1", &[]).1 == json!({"code": "1001", "message": "OK"});
    eventually(is_taken);
    for answer in [
        SubscriberAnswer::Hangs,
        SubscriberAnswer::Drops,
        SubscriberAnswer::Says(500, "<html>"),
        SubscriberAnswer::Says(502, ""),
        SubscriberAnswer::Redirects("http://127.0.0.1:9/".into()),
    ] {
        vendor.turns(answer.clone());
        let asked = Instant::now();
        assert!(is_unanswered(&ask(&gate, "粤B1", &[])), "{answer:?}");
        assert!(asked.elapsed() < Duration::from_secs(10), "{answer:?}");
    }
    vendor.turns(SubscriberAnswer::TAKES);
    eventually(is_taken);
}

#[test]
fn an_answer_is_read_up_to_64_kib() {
    let is_longer = Arc::new(AtomicBool::new(false));
    let longer = Arc::clone(&is_longer);
    let vendor = Scripted::start(move |_| {
        let around = r#"{"code":"1001","status":"1","status_desc":""}"#.len();
        let longest = 64 * 1024 - around + usize::from(longer.load(Ordering::SeqCst));
        let body = format!(r#"{{"code":"1001","status":"1","status_desc":"{}"}}"#, "x".repeat(longest));
        ScriptedReply::says(200, &body)
    });
    let gate = front(&vendor.url, &[]);
    eventually(|| ask(&gate, "粤B1", &[]).1["status"] == "1");
    is_longer.store(true, Ordering::SeqCst);
    assert!(is_unanswered(&ask(&gate, "粤B1", &[])));
}
