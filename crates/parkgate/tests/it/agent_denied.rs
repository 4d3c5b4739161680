//! The agent where the platform lets something in, and something not.

use std::sync::{Arc, Mutex};

use parkgate_testbed::{Agent, Scripted, ScriptedReply};
use serde_json::{Value, json};

use crate::agent::{enter, leave};
use crate::replies::eventually;
use crate::{PARKGATE, demo};

const OK: &str = r#"{"code":"200","message":"OK"}"#;
const UNSIGNED: &str =
    r#"{"code":"200","message":"已忽略当前请求","hint":"签名验证不通过[car_color=1&app_secret=***]"}"#;

fn parts(body: &[u8]) -> String {
    String::from_utf8_lossy(body).into_owned()
}

#[test]
fn a_wrong_signature_that_all_records_meet_loses_none() {
    for (status, unsigned) in [
        (200, UNSIGNED),
        (401, r#"{"code":"401","message":"请求签名校验不通过","hint":"a=1&app_secret=***"}"#),
        (200, r#"{"code":"1401"}"#),
        (403, r#"{"code":"403","message":"访问被拦截"}"#),
        (403, "<html>blocked</html>"),
    ] {
        let mended = Arc::new(Mutex::new(false));
        let now = Arc::clone(&mended);
        let platform = Scripted::start(move |_| match *now.lock().unwrap() {
            true => ScriptedReply::says(200, OK),
            false => ScriptedReply::says(status, unsigned),
        });
        // "accept" counts a hint as done; not this one.
        let agent = Agent::started(PARKGATE, &platform.url, "on_hint = \"accept\"\nconcurrency = 4");
        for number in 0..20 {
            assert_eq!(agent.give("leave", &leave(&format!("S{number}"))).0, 202);
        }
        // Often enough to have given up any of them.
        eventually(|| platform.requests() > 20);
        let reported = agent.json(&["status"]);
        let kept = (&reported["queued"], &reported["sent"], &reported["dead"]);
        assert_eq!(kept, (&json!(20), &json!(0), &json!(0)), "{unsigned}");
        let names = if status == 403 { "park_uuid" } else { "[platform] secret" };
        let names = if unsigned.starts_with('<') { "[platform] url" } else { names };
        assert!(reported["problem"].as_str().unwrap().contains(names), "{reported}");
        *mended.lock().unwrap() = true;
        eventually(|| agent.is_empty());
        let reported = agent.json(&["status"]);
        assert_eq!(
            (&reported["sent"], &reported["dead"], &reported["problem"]),
            (&json!(20), &json!(0), &Value::Null),
            "{unsigned}"
        );
    }
}

#[test]
fn a_record_that_alone_is_denied_becomes_a_dead_letter_and_the_others_go_on() {
    for (status, denial, reported) in [(200, UNSIGNED, "签名验证不通过"), (403, "<html>blocked</html>", "HTTP 403")]
    {
        let platform = Scripted::start(move |request| match parts(&request.body).contains("parking_serial=S3&") {
            true => ScriptedReply::says(status, denial),
            false => ScriptedReply::says(200, OK),
        });
        let agent = Agent::started(PARKGATE, &platform.url, "");
        let mut number = 0;
        eventually(|| {
            number += 1;
            assert_eq!(agent.give("leave", &leave(&format!("S{number}"))).0, 202);
            agent.json(&["dead", "list"])[0]["parking_serial"] == "S3"
        });
        assert!(agent.json(&["dead", "list"])[0]["hint"].as_str().unwrap().contains(reported));
        eventually(|| agent.is_empty());
        let status = agent.json(&["status"]);
        assert_eq!(
            (&status["dead"], &status["sent"], &status["problem"]),
            (&json!(1), &json!(number - 1), &Value::Null)
        );
    }
}

#[test]
fn successes_that_deviate_are_successes_and_no_leave_waits_behind_one() {
    let deviating: [&[u8]; 7] = [
        b"\xef\xbb\xbf{\"code\":\"200\"}",
        b" \r\n {\"code\": 200, \"seqno\": 12345678901234567890, \"data_node\": {\"a\": 1}, \"hint\": []}\r\n",
        br#"{"Code":"1001","Message":"OK"}"#,
        b"{\"code\":\"200\",\"message\":\"\xd2\xd1\xca\xdc\xc0\xed\"}",
        b"{\"code\":\"200\",\"message\":\"a\nb\"}",
        br#"{"code":200.0}"#,
        br#""{\"code\":\"200\"}""#,
    ];
    for body in deviating {
        let platform = Scripted::start(move |_| ScriptedReply { status: 200, headers: "", body: body.to_vec() });
        let agent = Agent::started(PARKGATE, &platform.url, "");
        assert_eq!(agent.give("enter", &enter("S1")).0, 202);
        assert_eq!(agent.give("leave", &leave("S1")).0, 202);
        eventually(|| agent.is_empty());
        assert_eq!((platform.requests(), agent.json(&["status"])["sent"].clone()), (2, json!(2)), "{}", parts(body));
    }
}

#[test]
fn what_is_too_large_goes_once_more_without_its_pictures() {
    for (status, setting) in [(413, ""), (414, ""), (431, ""), (413, "on_too_large = \"dead\"")] {
        let platform = Scripted::start(move |request| match parts(&request.body).contains("GIF89a") {
            true => ScriptedReply::says(status, "<html>too large</html>"),
            false => ScriptedReply::says(200, OK),
        });
        let agent = Agent::started(PARKGATE, &platform.url, setting);
        let picture = agent.folder.path().join("car.gif");
        std::fs::write(&picture, b"GIF89a car").unwrap();
        let image = format!("enter_image_file={}", picture.display());
        let words = ["add", "enter", "parking_serial=S1", "plate_color=1", "enter_time=1624874732253", "car_type=1"];
        assert_eq!(agent.run(&[&words[..], &["car_desc=x", "--image", &image]].concat()).0, 0);
        assert_eq!(agent.give("leave", &leave("S1")).0, 202);
        eventually(|| agent.is_empty());
        let reported = agent.json(&["status"]);
        if setting.is_empty() {
            assert_eq!(
                (&reported["sent"], &reported["dead"], &reported["pictures_too_large"]),
                (&json!(2), &json!(0), &json!(1))
            );
            assert_eq!(platform.requests(), 3);
            assert!(agent.log().contains("without its pictures"));
        } else {
            // The leave takes the enter's half along, pictures and all, and that is too large again.
            assert_eq!((&reported["sent"], &reported["dead"]), (&json!(0), &json!(2)));
        }
    }
    let platform = Scripted::start(|_| ScriptedReply::says(413, "<html>"));
    let agent = Agent::started(PARKGATE, &platform.url, "");
    assert_eq!(agent.give("leave", &leave("S1")).0, 202);
    eventually(|| agent.is_empty());
    assert!(agent.json(&["dead", "list"])[0]["hint"].as_str().unwrap().contains("HTTP 413"), "it has no pictures");
}

#[test]
fn a_picture_that_is_gone_from_the_disk_holds_nothing_back() {
    let gate = demo();
    let mut agent = Agent::new(PARKGATE, "http://127.0.0.1:9", "");
    let picture = agent.folder.path().join("car.gif");
    std::fs::write(&picture, b"GIF89a car").unwrap();
    let image = format!("leave_image_file={}", picture.display());
    let words = ["add", "leave", "parking_serial=S1", "plate_color=1", "enter_time=1624874732253", "car_type=1"];
    assert_eq!(agent.run(&[&words[..], &["leave_time=1624937505093", "car_desc=x", "--image", &image]].concat()).0, 0);
    std::fs::remove_file(agent.folder.path().join("data/pictures/1-leave_image_file")).unwrap();
    let config = std::fs::read_to_string(agent.config()).unwrap();
    std::fs::write(agent.config(), config.replace("http://127.0.0.1:9", &gate.url)).unwrap();
    agent.start();
    eventually(|| agent.is_empty());
    assert_eq!(gate.visit("S1")["images"]["leave_image"], Value::Null);
    let reported = agent.json(&["status"]);
    assert_eq!(
        (&reported["sent"], &reported["dead"], &reported["pictures_missing"]),
        (&json!(1), &json!(0), &json!(1))
    );
    assert!(agent.log().contains("a picture is gone"));
}

#[test]
fn a_picture_that_cannot_be_read_makes_its_record_wait_and_no_other() {
    let gate = demo();
    let mut agent = Agent::new(PARKGATE, "http://127.0.0.1:9", "");
    let picture = agent.folder.path().join("car.gif");
    std::fs::write(&picture, b"GIF89a car").unwrap();
    let image = format!("leave_image_file={}", picture.display());
    let words = ["add", "leave", "parking_serial=S1", "plate_color=1", "enter_time=1624874732253", "car_type=1"];
    assert_eq!(agent.run(&[&words[..], &["leave_time=1624937505093", "car_desc=x", "--image", &image]].concat()).0, 0);
    // What is no file gives another error than one that is gone.
    let kept = agent.folder.path().join("data/pictures/1-leave_image_file");
    std::fs::remove_file(&kept).unwrap();
    std::fs::create_dir(&kept).unwrap();
    let config = std::fs::read_to_string(agent.config()).unwrap();
    std::fs::write(agent.config(), config.replace("http://127.0.0.1:9", &gate.url)).unwrap();
    agent.start();
    assert_eq!(agent.give("leave", &leave("S2")).0, 202);
    eventually(|| agent.json(&["status"])["sent"] == 1 && agent.log().contains("cannot be read"));
    let reported = agent.json(&["status"]);
    assert_eq!(
        (&reported["queued"], &reported["dead"], &reported["pictures_missing"]),
        (&json!(1), &json!(0), &json!(0))
    );
    std::fs::remove_dir(&kept).unwrap();
    std::fs::write(&kept, b"GIF89a car").unwrap();
    eventually(|| agent.is_empty());
    assert!(gate.visit("S1")["images"]["leave_image"].is_object());
}

#[test]
fn a_dropped_file_waits_for_its_picture_and_its_leave_behind_it() {
    let gate = demo();
    let agent = Agent::started(PARKGATE, &gate.url, "");
    let spool = agent.folder.path().join("spool");
    eventually(|| spool.is_dir());
    let drop = |name: &str, record: &Value| {
        std::fs::write(spool.join("tmp"), record.to_string()).unwrap();
        std::fs::rename(spool.join("tmp"), spool.join(name)).unwrap();
    };
    let mut first = enter("S1");
    first["enter_image_file"] = json!("late.gif");
    drop("1.json", &first);
    drop("2.json", &leave("S1"));
    drop("3.json", &leave("S2"));
    eventually(|| gate.json(&["visit", "list"]).as_array().unwrap().len() == 1);
    assert!(spool.join("1.json").exists() && spool.join("2.json").exists(), "the others go on");
    std::fs::write(spool.join("late.gif"), b"GIF89a late").unwrap();
    eventually(|| gate.json(&["visit", "list"]).as_array().unwrap().len() == 2 && agent.is_empty());
    eventually(|| gate.visit("S1")["leave_seqno"].is_string());
    assert!(gate.visit("S1")["images"]["enter_image"].is_object());
    assert_eq!(agent.json(&["status"])["pictures_missing"], 0);
}

#[test]
fn a_dropped_file_whose_picture_does_not_come_goes_without() {
    let gate = demo();
    let agent = Agent::started(PARKGATE, &gate.url, "spool_picture_wait = \"50ms\"");
    let spool = agent.folder.path().join("spool");
    eventually(|| spool.is_dir());
    let mut record = leave("S1");
    record["leave_image_file"] = json!("never.gif");
    record["leave_image_hash"] = json!("00");
    std::fs::write(spool.join("tmp"), record.to_string()).unwrap();
    std::fs::rename(spool.join("tmp"), spool.join("1.json")).unwrap();
    eventually(|| gate.json(&["visit", "list"]).as_array().unwrap().len() == 1 && agent.is_empty());
    let reported = agent.json(&["status"]);
    assert_eq!(
        (&reported["sent"], &reported["dead"], &reported["pictures_missing"]),
        (&json!(1), &json!(0), &json!(1))
    );
    assert!(agent.log().contains("did not come in time"));
}

#[test]
fn a_platform_that_asks_for_a_later_date_is_left_alone_within_bounds() {
    let later = "retry-after: Fri, 31 Dec 9999 23:59:59 GMT\r\n";
    let platform = Scripted::start(move |request| match request.number {
        1 => ScriptedReply { status: 503, headers: later, body: Vec::new() },
        _ => ScriptedReply::says(200, OK),
    });
    // A first wait of 20 ms, and none longer than 200 ms, whatever is asked for.
    let agent = Agent::started(PARKGATE, &platform.url, "");
    let begun = std::time::Instant::now();
    assert_eq!(agent.give("leave", &leave("S1")).0, 202);
    eventually(|| agent.is_empty());
    assert!(begun.elapsed() >= std::time::Duration::from_millis(200), "it was asked for more than 20 ms");
}

#[test]
fn an_agent_that_was_given_the_full_address_of_a_leave_sends_enters_to_theirs() {
    let gate = demo();
    let agent = Agent::started(PARKGATE, &format!("{}/gate/1.0/parking/internal/leave", gate.url), "");
    assert_eq!(agent.give("enter", &enter("S1")).0, 202);
    assert_eq!(agent.give("leave", &leave("S1")).0, 202);
    eventually(|| agent.is_empty());
    let visit = gate.visit("S1");
    assert!(visit["enter_seqno"].is_string() && visit["leave_seqno"].is_string(), "{visit}");
    assert_eq!(agent.run(&["check"]).0, 0);
}

#[test]
fn a_web_page_cannot_have_records_signed_or_read_the_status() {
    let agent = Agent::started(PARKGATE, "http://127.0.0.1:9", "");
    let http = reqwest::blocking::Client::new();
    let post = |headers: &[(&str, &str)]| {
        let request = http.post(format!("{}/leave", agent.url)).body(leave("S1").to_string());
        let request = headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
        let answer = request.send().unwrap();
        (answer.status().as_u16(), answer.text().unwrap())
    };
    let json_type = ("content-type", "application/json");
    for (headers, status) in [
        (vec![("content-type", "text/plain"), ("origin", "http://evil.example")], 403),
        (vec![json_type, ("origin", "http://evil.example")], 403),
        (vec![json_type, ("sec-fetch-site", "cross-site")], 403),
        (vec![json_type, ("host", "evil.example")], 403),
        (vec![("content-type", "text/plain")], 415),
        (vec![("content-type", "application/x-www-form-urlencoded")], 415),
        (vec![], 415),
    ] {
        let (answered, reported) = post(&headers);
        assert_eq!(answered, status, "{headers:?}: {reported}");
        assert!(reported.contains("error"), "{reported}");
        assert!(status != 415 || reported.contains("application/json"), "it says what to send: {reported}");
    }
    for path in ["status", "metrics", ""] {
        let rebound = http.get(format!("{}/{path}", agent.url)).header("host", "evil.example:8070").send().unwrap();
        assert_eq!(rebound.status(), 403, "{path}");
    }
    assert_eq!(agent.json(&["status"])["queued"], 0, "nothing was taken");
    let form = || {
        leave("S1").as_object().unwrap().iter().fold(
            reqwest::blocking::multipart::Form::new(),
            |form, (name, value)| {
                form.text(name.clone(), value.as_str().map_or_else(|| value.to_string(), str::to_owned))
            },
        )
    };
    for part in ["../../x_file", "..\\x_file", "C:x_file", "X_file", "con.x_file"] {
        let picture = reqwest::blocking::multipart::Part::bytes(b"GIF89a".to_vec()).file_name("a");
        let sent = http
            .post(format!("{}/leave", agent.url))
            .multipart(form().percent_encode_noop().part(part, picture))
            .send()
            .unwrap();
        assert_eq!(sent.status(), 400, "{part}");
    }
    assert_eq!(std::fs::read_dir(agent.folder.path().join("data/pictures")).unwrap().count(), 0);
    assert_eq!(std::fs::read_dir(agent.folder.path().join("data/incoming")).unwrap().count(), 0);
    assert_eq!(post(&[json_type]).0, 202);
}

#[test]
fn with_a_token_nobody_else_uses_the_agent() {
    let agent = Agent::started(PARKGATE, "http://127.0.0.1:9", "token = \"s3cret\"");
    let http = reqwest::blocking::Client::new();
    let asks = |token: Option<&str>| {
        let request = http.get(format!("{}/status", agent.url));
        token.into_iter().fold(request, |request, token| request.bearer_auth(token)).send().unwrap().status().as_u16()
    };
    assert_eq!((asks(None), asks(Some("s3cre")), asks(Some("s3cret"))), (401, 401, 200));
    assert_eq!(agent.give("leave", &leave("S1")).0, 401);
}
