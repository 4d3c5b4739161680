//! `push release|update|before`, and the sign doctor for what they were answered.

use std::path::Path;

use parkgate_testbed::{DEMO_PARK, Scripted, ScriptedReply, md5_hex, parkgate, release, signed, update};
use serde_json::{Value, json};

use crate::{PARKGATE, demo};

/// Exit code, stdout and stderr of `push CALL` for the document's park.
fn push(call: &str, url: &str, secret: &str, more: &[&str]) -> (i32, String, String) {
    let park = format!("park_uuid={DEMO_PARK}");
    let args = [&["push", call, "--url", url, "--secret", secret, &park], more].concat();
    let output = parkgate(Path::new(PARKGATE), &args);
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

const RELEASE: [&str; 5] =
    ["parking_serial=S1", "release_type=2", "release_time=2021-06-29T03:31:45Z", "plate=粤B12345", "reason=道闸故障"];
const UPDATE: [&str; 6] = [
    "flow_no=F1",
    "parking_serial=S1",
    "plate=粤B54321",
    "operate_time=2021-06-29T04:00:00Z",
    "operator=x",
    "reason=y",
];
const QUESTION: [&str; 5] =
    ["plate=粤B12345", "plate_color=1", "gate_time=1624874732253", "gate_id=1", "gate_name=东门入口"];

#[test]
fn releases_and_updates_are_recorded_and_exit_by_what_became_of_them() {
    let gate = demo();
    gate.taken("enter", parkgate_testbed::enter("S1", &[]));
    let picture = gate.data().join("a.gif");
    std::fs::write(&picture, b"GIF89a by hand").unwrap();
    let image = format!("capture_image={}", picture.display());
    let (code, text, _) = push("release", &gate.url, "123", &[&RELEASE[..], &["--image", &image]].concat());
    assert_eq!((code, text.starts_with("1001 OK  seqno ")), (0, true), "{text}");
    let (code, text, _) = push("update", &gate.url, "123", &[&UPDATE[..], &["--as-json"]].concat());
    let reply: Value = serde_json::from_str(&text).unwrap();
    assert_eq!((code, &reply["code"], &reply["hint"]), (0, &json!("1001"), &Value::Null), "{text}");
    let visit = gate.visit("S1");
    assert_eq!((&visit["plate"], &visit["releases"][0]["reason"]), (&json!("粤B54321"), &json!("道闸故障")), "{visit}");
    assert!(visit.to_string().contains(&md5_hex(b"GIF89a by hand")), "{visit}");
    assert_eq!(push("update", &gate.url, "123", &[&UPDATE[..], &["plate=粤B9"]].concat()).0, 5, "its number is taken");
    let (code, text, _) = push("release", &gate.url, "124", &RELEASE);
    assert_eq!((code, text.starts_with("401 请求签名校验不通过")), (3, true), "{text}");
    assert_eq!(push("update", &gate.url, "123", &UPDATE[1..]).0, 3, "no number");
    assert_eq!(push("release", "http://127.0.0.1:9", "123", &RELEASE).0, 4);
}

#[test]
fn a_platform_that_lacks_the_call_is_named() {
    let platform = Scripted::start(|_| ScriptedReply::says(404, "<html>not found</html>"));
    for (call, params) in [("release", &RELEASE[..]), ("update", &UPDATE)] {
        let (code, text, _) = push(call, &platform.url, "123", params);
        assert_eq!((code, text.contains(&format!("平台没有`{call}`接口"))), (3, true), "{text}");
    }
}

#[test]
fn a_question_before_entering_prints_what_the_platform_says() {
    let answers = [
        (
            200,
            r#"{"code":"1001","status":"1","status_desc":"欢迎光临","charge_type":"2","time_cost":3}"#,
            0,
            "status 1 ",
        ),
        (200, r#"{"code":"1001","message":"OK","status":-1,"status_desc":"车位已满"}"#, 0, "status -1 "),
        (200, r#"{"code":"1001","status":"0"}"#, 0, "status 0 "),
        (200, r#"{"code":"1001","status":"1","hint":"停车场无此通道"}"#, 0, "hint: 停车场无此通道"),
        (200, r#"{"code":"1002","message":"无结果"}"#, 0, "status 0 "),
        (401, r#"{"code":"401","message":"请求签名校验不通过","hint":"a=1&app_secret=***"}"#, 3, "401"),
        (403, r#"{"code":"403","message":"访问被拦截"}"#, 3, "403"),
        (404, "<html>", 3, "before"),
        (503, r#"{"code":"503","message":"服务暂不可用"}"#, 4, ""),
        (200, "<html>", 4, ""),
    ];
    let platform = Scripted::start(move |request| {
        assert!(
            request.head.starts_with("POST /gate/1.0/parking/internal/enter/before HTTP/1.1\r\n"),
            "{}",
            request.head
        );
        let (status, body, ..) = answers[request.number - 1];
        ScriptedReply::says(status, body)
    });
    for (status, body, code, printed) in answers {
        let (found, text, error) = push("before", &platform.url, "123", &QUESTION);
        assert_eq!((found, text.contains(printed)), (code, true), "{status} {body}: {text}{error}");
        assert_eq!(code == 0, text.contains("status "), "{text}");
    }
    assert_eq!(push("before", "http://127.0.0.1:9", "123", &QUESTION).0, 4);
}

#[test]
fn the_reply_to_a_question_is_printed_as_it_came_and_the_request_is_signed() {
    let (seen, sent) = std::sync::mpsc::channel();
    let seen = std::sync::Mutex::new(seen);
    let body = r#"{"code":"1001","status":"1","status_desc":"欢迎光临","time_cost":3}"#;
    let platform = Scripted::start(move |request| {
        seen.lock().unwrap().send(String::from_utf8(request.body.clone()).unwrap()).unwrap();
        ScriptedReply::says(200, body)
    });
    let (code, text, _) = push("before", &platform.url, "123", &[&QUESTION[..], &["--as-json"]].concat());
    assert_eq!((code, serde_json::from_str::<Value>(&text).unwrap()), (0, serde_json::from_str(body).unwrap()));
    let mut pairs: Vec<_> = QUESTION.iter().map(|pair| pair.split_once('=').unwrap()).collect();
    pairs.push(("park_uuid", DEMO_PARK));
    let pairs = pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    let sign = signed(pairs, "123").pop().unwrap().1;
    let sent = sent.recv().unwrap();
    assert!(sent.contains(&format!("sign={sign}")) && sent.contains("gate_time=1624874732253"), "{sent}");
}

/// The string of these calls comes without brackets; pasted in whichever way, it is explained.
#[test]
fn the_sign_doctor_reads_what_a_release_and_an_update_are_answered() {
    let gate = demo();
    let explained = |string: &str, sign: &str, secret: &str| {
        let args = ["explain", "--secret", secret, "--string", string, "--sign", sign, "--json"];
        let output = parkgate(Path::new(PARKGATE), &args);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_slice::<Value>(&output.stdout).unwrap()
    };
    for (call, pairs) in [("release", release("S1", &[])), ("update", update("F1", "S1", &[]))] {
        let mut wrong = signed(pairs, "124");
        let sign = wrong.pop().unwrap().1;
        wrong.push(("sign".into(), sign.clone()));
        let form = "application/x-www-form-urlencoded";
        let (status, reply) = gate.post(call, form, parkgate_testbed::body(&wrong).into_bytes());
        assert_eq!((status, &reply["code"]), (401, &json!("401")), "{reply}");
        let hint = reply["hint"].as_str().unwrap();
        assert!(!hint.contains("不通过["), "{hint}");
        for string in [hint.to_owned(), reply.to_string(), format!("hint: {hint}"), format!("\"hint\": \"{hint}\",")] {
            let right = explained(&string, &sign, "124");
            assert_eq!(right["matches"], true, "{string}: {right}");
            let wrong = explained(&string, &sign, "123");
            assert_eq!((&wrong["matches"], wrong["kinds"].as_array().is_some()), (&json!(false), true), "{wrong}");
        }
    }
}
