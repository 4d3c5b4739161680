//! A platform that answers in place of this one, while ours is compared (`--compare`).

use super::*;

use parkgate_testbed::{Scripted, ScriptedReply, release, update};

#[test]
fn a_compared_platform_answers_and_where_ours_differs_is_written_down() {
    each_store(|store| {
        let vendor = TestGate::demo(PARKGATE);
        let front = Forwarding::on(store, &[("TIMEOUT", "1s")]);
        front.subscribe("vendor", &vendor.url, &["--format", "relay", "--compare", "--park", DEMO_PARK]);
        until("the gate asks the vendor", || {
            front.gate.push("enter", enter("C0", &[]));
            vendor.json(&["visit", "list"]).as_array().unwrap().len() == 1
        });
        let picture = b"\xff\xd8\xff\xe0 a picture of a car";
        let hash = parkgate_testbed::md5_hex(picture);
        let leaving = leave("C1", &[("leave_image_hash", &hash)]);
        let (_, reply) = front.gate.push_files("leave", leaving, &[("leave_image_file", picture)]);
        let there = vendor.visit("C1");
        assert_eq!(
            (&reply["message"], &reply["seqno"]),
            (&"OK".into(), &there["leave_seqno"]),
            "their answer, to the letter"
        );
        assert_eq!(there["images"]["leave_image"]["size"], picture.len());
        assert_eq!(front.json(&["visit", "show", DEMO_PARK, "C1"])["params"], there["params"]);
        // The vendor has another secret for this park: it ignores what we would take.
        vendor.ok(&["park", "rotate-secret", DEMO_PARK, "--secret", "456"]);
        let mut number = 0;
        until("the vendor has the new secret", || {
            number += 1;
            let reply = front.gate.push("enter", enter(&format!("S{number}"), &[])).1;
            reply["hint"].as_str().is_some_and(|hint| hint.starts_with("签名验证不通过["))
        });
        let found = front.json(&["subscriber", "differences", "vendor"]);
        assert_eq!((&found[0]["ours"], &found[0]["theirs"]), (&"200".into(), &"200 签名验证不通过".into()));
        let waits = front.json(&["delivery", "list", "--state", "pending"]);
        assert_eq!(
            (&waits[0]["parking_serial"], &waits[0]["told"]),
            (&format!("S{number}").into(), &"200 签名验证不通过".into()),
            "it is tried again: the secret may be mended there"
        );
        // Without an answer ours stands, and the push is delivered once there is one.
        front.ok(&["subscriber", "remove", "vendor"]);
        let other = TestSubscriber::start(SubscriberAnswer::Says(500, "<html>"));
        front.subscribe("other", &other.url, &["--format", "relay", "--compare", "--all"]);
        until("the gate asks the other", || {
            number += 1;
            let reply = front.gate.push("enter", enter(&format!("S{number}"), &[])).1;
            let waiting = front.json(&["delivery", "list", "--state", "pending"]);
            reply["hint"].is_null() && waiting.as_array().unwrap().iter().any(|one| one["told"].is_string())
        });
        other.turns(SubscriberAnswer::TAKES);
        // What was recorded before the gate knew of it waits longer.
        until("it arrived after all", || {
            other.received().iter().any(|received| received.field("parking_serial") == Some(format!("S{number}")))
        });
    });
}

/// Subscribes a platform that is asked first, and waits until the gate asks it.
fn compared(front: &Forwarding, platform: &TestSubscriber) {
    front.subscribe("vendor", &platform.url, &["--format", "relay", "--compare", "--all"]);
    let mut number = 0;
    until("the gate asks it", || {
        number += 1;
        let (_, reply) = front.gate.push("enter", enter(&format!("first {number}"), &[]));
        reply["code"] == "1001"
    });
}

#[test]
fn a_compared_leave_goes_after_its_enter_and_is_answered_by_us_meanwhile() {
    each_store(|store| {
        let vendor = TestSubscriber::start(SubscriberAnswer::TAKES);
        let front = Forwarding::on(store, &[("RETRY_FIRST", "2s"), ("RETRY_MAX", "2s")]);
        compared(&front, &vendor);
        vendor.turns(SubscriberAnswer::Says(500, "<html>"));
        assert_eq!(front.gate.push("enter", enter("C1", &[])).1["code"], "200", "ours, for want of theirs");
        vendor.turns(SubscriberAnswer::TAKES);
        assert_eq!(front.gate.push("leave", leave("C1", &[])).1["code"], "200", "theirs would have come too early");
        front.drained("vendor");
        assert_in_order(&vendor.received(), std::iter::once("C1".to_owned()));
    });
}

#[test]
fn what_we_refuse_is_not_answered_while_the_compared_platform_is_away() {
    let vendor = TestSubscriber::start(SubscriberAnswer::TAKES);
    let front = Forwarding::on(None, &[]);
    compared(&front, &vendor);
    vendor.turns(SubscriberAnswer::Says(500, "<html>"));
    let wrong = || {
        let mut pairs = parkgate_testbed::signed(enter("W1", &[]), "another secret");
        pairs.retain(|(name, _)| name != "x");
        front.gate.post("enter", "application/x-www-form-urlencoded", parkgate_testbed::body(&pairs).into_bytes())
    };
    let (status, reply) = wrong();
    assert_eq!(
        (status, &reply["code"]),
        (503, &"503".into()),
        "else the car park would think that it is done: {reply}"
    );
    vendor.turns(SubscriberAnswer::TAKES);
    until("it is asked again", || wrong().1["code"] == "1001");
}

/// It is not away, and it has no answer of its own: ours is given, and it goes on answering all else.
#[test]
fn a_compared_platform_that_lacks_releases_and_updates_still_answers_the_rest() {
    let platform = Scripted::start(|request| {
        let lacks = ["/release ", "/update "].iter().any(|call| request.head.contains(call));
        match lacks {
            true => ScriptedReply::says(404, r#"{"status":404,"error":"Not Found"}"#),
            false => ScriptedReply::says(200, r#"{"code":"200","message":"OK","seqno":"theirs"}"#),
        }
    });
    let front = Forwarding::on(None, &[]);
    front.subscribe("vendor", &platform.url, &["--format", "relay", "--compare", "--park", DEMO_PARK]);
    front.ok(&["subscriber", "set", "vendor", "--events", "enter,leave,release,update"]);
    let mut number = 0;
    let mut is_theirs = || {
        number += 1;
        front.gate.push("enter", enter(&format!("E{number}"), &[])).1["seqno"] == "theirs"
    };
    until("the gate asks the vendor", &mut is_theirs);
    for number in 0..10 {
        let serial = format!("S{number}");
        for (call, pairs) in [("release", release(&serial, &[])), ("update", update(&serial, &serial, &[]))] {
            let (status, reply) = front.gate.push(call, pairs);
            assert_eq!((status, &reply["code"], &reply["hint"]), (200, &"1001".into(), &Value::Null), "{reply}");
        }
    }
    assert!(is_theirs(), "twenty in a row, and it is not away");
    // What we refuse is not held back for want of an answer of theirs.
    assert_eq!(front.gate.push("update", update("W", "S0", &[("plate", "")])).0, 404);
    let wrong = parkgate_testbed::signed(update("W", "S0", &[]), "wrong");
    let body = parkgate_testbed::body(&wrong).into_bytes();
    assert_eq!(front.gate.post("update", "application/x-www-form-urlencoded", body).0, 404);
    let dead = || front.json(&["delivery", "list", "--state", "dead"]);
    until("they are given up", || dead().as_array().unwrap().len() == 20);
    let dead = dead();
    assert!(dead.to_string().contains("平台没有`release`接口"), "{dead}");
    let differences = front.json(&["subscriber", "differences", "vendor"]);
    let ours: Vec<_> = differences.as_array().unwrap().iter().map(|one| one["ours"].as_str().unwrap()).collect();
    assert_eq!(ours, ["401", "400 参数`plate`未传递"], "of these two alone, and nothing of what was sent");
}

#[test]
fn releases_and_updates_are_answered_by_the_compared_platform_and_delivered_by_that() {
    each_store(|store| {
        let vendor = TestSubscriber::start(SubscriberAnswer::TAKES);
        // What is not settled at once would be sent again only after the test.
        let front = Forwarding::on(store, &[("RETRY_FIRST", "1h"), ("RETRY_MAX", "1h")]);
        compared(&front, &vendor);
        front.drained("vendor");
        let before = vendor.received().len();
        front.gate.push("enter", enter("K1", &[]));
        let picture: &[u8] = b"\xff\xd8\xff\xe0 a barrier";
        vendor.turns(SubscriberAnswer::Says(200, r#"{"code":"1001","message":"theirs"}"#));
        let (status, reply) = front.gate.push_files("release", release("K1", &[]), &[("capture_image", picture)]);
        assert_eq!((status, &reply["code"], &reply["message"]), (200, &"1001".into(), &"theirs".into()), "{reply}");
        let (_, reply) = front.gate.push("update", update("F1", "K1", &[("plate", "粤B88888")]));
        assert_eq!((&reply["code"], &reply["message"]), (&"1001".into(), &"theirs".into()), "{reply}");
        let shown = front.json(&["subscriber", "show", "vendor"]);
        assert_eq!((&shown["pending"], &shown["dead"]), (&0.into(), &0.into()), "settled by the answer: {shown}");
        let received = vendor.received().split_off(before);
        let calls: Vec<&str> = received.iter().filter_map(|one| one.path.rsplit('/').next()).collect();
        assert_eq!(calls, ["enter", "release", "update"], "each of them once");
        assert!(received[1].body.windows(picture.len()).any(|part| part == picture));
        assert_eq!(
            front.json(&["subscriber", "differences", "vendor"]),
            serde_json::json!([]),
            "1001 is what we say, too"
        );
        // That platform has another secret: it refuses, in the style of these calls.
        vendor.turns(SubscriberAnswer::Says(
            401,
            r#"{"code":"401","message":"请求签名校验不通过","hint":"a=1&app_secret=***"}"#,
        ));
        let (status, reply) = front.gate.push("update", update("F2", "K1", &[]));
        assert_eq!((status, &reply["code"]), (401, &"401".into()), "their answer, to the letter: {reply}");
        let found = front.json(&["subscriber", "differences", "vendor"]);
        assert_eq!((&found[0]["event"], &found[0]["parking_serial"]), (&"update".into(), &"K1".into()), "{found}");
        assert!(found[0]["theirs"].as_str().unwrap().starts_with("401"), "{found}");
        assert_eq!(front.json(&["subscriber", "show", "vendor"])["pending"], 1, "it is tried again");
    });
}

#[test]
fn what_is_about_a_stay_waits_for_its_enter_at_the_compared_platform() {
    each_store(|store| {
        let vendor = TestSubscriber::start(SubscriberAnswer::TAKES);
        let front = Forwarding::on(store, &[("RETRY_FIRST", "2s"), ("RETRY_MAX", "2s")]);
        compared(&front, &vendor);
        vendor.turns(SubscriberAnswer::Says(500, "<html>"));
        front.gate.push("enter", enter("K2", &[]));
        vendor.turns(SubscriberAnswer::Says(200, r#"{"code":"1001","message":"theirs"}"#));
        for (call, push) in [("release", release("K2", &[])), ("update", update("F2", "K2", &[]))] {
            let (_, reply) = front.gate.push(call, push);
            assert_eq!(reply["message"], "OK", "ours, since theirs would have come too early: {reply}");
        }
        front.drained("vendor");
        let of_stay: Vec<String> = vendor
            .received()
            .into_iter()
            .filter(|one| one.field("parking_serial").as_deref() == Some("K2"))
            .filter_map(|one| one.path.rsplit('/').next().map(str::to_owned))
            .collect();
        assert_eq!((of_stay.len(), of_stay[0].as_str()), (3, "enter"), "{of_stay:?}");
    });
}
