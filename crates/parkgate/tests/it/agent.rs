//! The agent against the real gate, against platforms that misbehave, and killed in the middle.

use std::sync::LazyLock;

use parkgate_testbed::{Agent, DEMO_PARK, md5_hex};
use serde_json::{Value, json};

use crate::replies::eventually;
use crate::{PARKGATE, demo};

static HTTP: LazyLock<reqwest::blocking::Client> = LazyLock::new(reqwest::blocking::Client::new);

pub(crate) fn enter(serial: &str) -> Value {
    json!({
        "parking_serial": serial, "plate": "粤B12345", "plate_color": 1, "enter_time": 1_624_874_732_253_i64,
        "car_type": 1, "car_desc": "临时车", "enter_gate": "东门",
    })
}

pub(crate) fn leave(serial: &str) -> Value {
    let mut record = enter(serial);
    record["leave_time"] = json!("1624937505093");
    record["payment_list"] = json!([{ "value": 500, "pay_type": 1 }]);
    record.as_object_mut().unwrap().remove("enter_gate");
    record
}

#[test]
fn records_arrive_with_pictures_by_every_way_in_and_once() {
    let gate = demo();
    let agent = Agent::started(PARKGATE, &gate.url, "");
    assert_eq!(agent.give("enter", &enter("S1")).0, 202);
    assert_eq!(agent.give("enter", &enter("S1")).1["state"].as_str().map(|s| s == "queued"), Some(false));
    // Another enter_time than its enter's: the enter's is sent, and both make one visit.
    let mut other_time = leave("S1");
    other_time["enter_time"] = json!("1624874732000");
    assert_eq!(agent.give("leave", &other_time).0, 202);
    let picture = agent.folder.path().join("car.gif");
    std::fs::write(&picture, b"GIF89a car").unwrap();
    let image = format!("leave_image_file={}", picture.display());
    let words = ["add", "leave", "parking_serial=S2", "plate_color=1", "enter_time=1624874732253"];
    let more = ["leave_time=1624937505093", "car_type=1", "car_desc=x", "--image", &image];
    assert_eq!(agent.run(&[&words[..], &more].concat()).0, 0);
    let spool = agent.folder.path().join("spool");
    eventually(|| spool.is_dir());
    std::fs::write(spool.join("car.gif"), b"GIF89a car").unwrap();
    let mut dropped = leave("S3");
    dropped["leave_image_file"] = json!("car.gif");
    std::fs::write(spool.join("1.tmp"), dropped.to_string()).unwrap();
    std::fs::rename(spool.join("1.tmp"), spool.join("1.json")).unwrap();
    std::fs::write(spool.join("2.json"), "no record").unwrap();
    let form = reqwest::blocking::multipart::Form::new();
    let form = leave("S4").as_object().unwrap().iter().fold(form, |form, (name, value)| {
        form.text(name.clone(), value.as_str().map_or_else(|| value.to_string(), str::to_owned))
    });
    let part = reqwest::blocking::multipart::Part::bytes(b"GIF89a car".to_vec()).file_name("a");
    let sent = HTTP.post(format!("{}/leave", agent.url)).multipart(form.part("leave_image_file", part)).send().unwrap();
    assert_eq!(sent.status(), 202);
    eventually(|| gate.json(&["visit", "list"]).as_array().unwrap().len() == 4 && agent.is_empty());
    let visit = gate.visit("S1");
    assert_eq!(
        (&visit["enter_time"], &visit["payments"][0]["parking_order"]),
        (&json!(1_624_874_732_253_i64), &json!("S1-1"))
    );
    assert!(visit["enter_seqno"].is_string() && visit["leave_seqno"].is_string());
    for serial in ["S2", "S3", "S4"] {
        assert_eq!(gate.visit(serial)["images"]["leave_image"]["md5"], md5_hex(b"GIF89a car"), "{serial}");
    }
    assert!(std::fs::read_to_string(spool.join("bad/2.txt")).unwrap().contains("expected"));
    assert_eq!(std::fs::read_dir(agent.folder.path().join("data/pictures")).unwrap().count(), 0, "sent pictures go");
    assert_eq!(agent.give("leave", &other_time).1["state"], "sent");
    let mut changed = leave("S2");
    changed["plate"] = json!("粤B2");
    assert_eq!(agent.give("leave", &changed).0, 409);
    assert_eq!(agent.give("leave", &json!({ "plate": "x" })).0, 400);
    let status = agent.json(&["status"]);
    assert_eq!((&status["sent"], &status["dead"], &status["queued"]), (&json!(5), &json!(0), &json!(0)));
    let page = reqwest::blocking::get(&agent.url).unwrap().text().unwrap();
    assert!(page.contains("<td>已发<td>5"), "{page}");
    let metrics = reqwest::blocking::get(format!("{}/metrics", agent.url)).unwrap().text().unwrap();
    assert!(metrics.contains("parkgate_agent_records_sent_total 5\n"), "{metrics}");
}

#[test]
fn one_refused_record_does_not_stop_the_others_and_is_mended() {
    let gate = demo();
    let agent = Agent::started(PARKGATE, &gate.url, "");
    for number in 0..1000 {
        let mut record = leave(&format!("S{number}"));
        if number == 500 {
            record["total_value"] = json!("much");
        }
        assert_eq!(agent.give("leave", &record).0, 202);
    }
    eventually(|| agent.is_empty());
    let dead = agent.json(&["dead", "list"]);
    assert_eq!((dead.as_array().unwrap().len(), &dead[0]["parking_serial"]), (1, &json!("S500")));
    assert!(dead[0]["hint"].as_str().unwrap().contains("total_value"), "{dead}");
    assert_eq!(gate.json(&["visit", "list", "--limit", "2000"]).as_array().unwrap().len(), 999);
    let id = dead[0]["id"].to_string();
    assert!(agent.run(&["dead", "show", &id]).1.contains("total_value"));
    assert_eq!(agent.run(&["dead", "retry", &id]).0, 0);
    eventually(|| agent.json(&["dead", "list"]).as_array().unwrap().len() == 1 && agent.is_empty());
    let mut mended = leave("S500");
    mended["total_value"] = json!(500);
    assert_eq!(agent.give("leave", &mended).1["state"], "queued");
    eventually(|| gate.json(&["visit", "list", "--limit", "2000"]).as_array().unwrap().len() == 1000);
    assert_eq!(agent.json(&["dead", "list"]), json!([]));
}

#[test]
fn a_refused_enter_goes_along_in_its_leave_and_hints_are_held_if_wished() {
    let gate = demo();
    let agent = Agent::started(PARKGATE, &gate.url, "on_hint = \"hold\"");
    let mut refused = enter("S1");
    refused["total_value"] = json!("much");
    assert_eq!(agent.give("enter", &refused).0, 202);
    eventually(|| agent.json(&["dead", "list"]).as_array().unwrap().len() == 1);
    assert_eq!(agent.give("leave", &leave("S1")).0, 202);
    eventually(|| gate.run(&["visit", "show", DEMO_PARK, "S1"]).status.success() && agent.is_empty());
    assert_eq!(gate.visit("S1")["params"]["enter_gate"], "东门", "the enter's half came along");
    eventually(|| agent.json(&["dead", "list"]) == json!([]));
    let mut twice = leave("S2");
    twice["payment_list"] = json!([{ "value": 500, "pay_type": 1, "parking_order": "S1-1" }]);
    assert_eq!(agent.give("leave", &twice).0, 202);
    eventually(|| agent.json(&["dead", "list"])[0]["state"] == "held");
    assert!(agent.json(&["dead", "list"])[0]["hint"].as_str().unwrap().contains("重复的订单`S1-1`"));
    assert!(agent.run(&["dead", "drop", "99"]).1.contains("已删除 0 条"));
}

#[test]
fn wrong_settings_are_reported() {
    let agent = Agent::new(PARKGATE, "gate.example.com", "");
    let (code, _, error) = agent.run(&["run"]);
    assert_eq!((code, error.contains("http://")), (1, true), "{error}");
    let agent = Agent::new(PARKGATE, "http://127.0.0.1:9", "concurency = 3");
    let (code, _, error) = agent.run(&["status"]);
    assert_eq!((code, error.contains("concurency")), (2, true), "{error}");
}

#[test]
fn free_spaces_given_to_the_agent_are_sent_with_current_records() {
    let gate = demo();
    let agent = Agent::started(PARKGATE, &gate.url, "");
    let reported = json!({ "total_parking_space": 80, "remain_parking_space": 33 });
    assert_eq!(agent.give("space", &reported).0, 200);
    assert_eq!(agent.give("space", &json!({ "total": 80 })).0, 400);
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_millis();
    let mut happens = enter("S1");
    happens["enter_time"] = json!(now.to_string());
    assert_eq!(agent.give("enter", &happens).0, 202);
    assert_eq!(agent.give("leave", &leave("S2")).0, 202, "years ago: the count of today is not its own");
    eventually(|| agent.is_empty());
    assert_eq!(gate.visit("S1")["params"]["remain_parking_space"], "33");
    assert_eq!(gate.visit("S2")["params"]["remain_parking_space"], Value::Null);
    let park = gate.json(&["park", "show", DEMO_PARK]);
    assert_eq!((&park["total_parking_space"], &park["remain_parking_space"]), (&json!(80), &json!(33)));
    assert_eq!(agent.give("enter", &happens).1["state"], "sent", "the same record, whatever was given since");
    assert_eq!(agent.json(&["status"])["space"]["remain_parking_space"], 33);
}

#[test]
fn bounds_on_the_disk_give_up_pictures_first_and_records_last() {
    let (mut gate, url) = (demo(), String::from("http://127.0.0.1:9"));
    let more = "[disk]\npicture_bytes_max = 250\nrecords_max = 5\n";
    let agent = Agent::new(PARKGATE, &url, "");
    let config = std::fs::read_to_string(agent.config()).unwrap();
    std::fs::write(agent.config(), format!("{config}{more}")).unwrap();
    let mut agent = agent;
    agent.start();
    for number in 0..5 {
        let picture = agent.folder.path().join(format!("{number}.gif"));
        std::fs::write(&picture, [b"GIF89a", [b'x'; 94].as_slice()].concat()).unwrap();
        let serial = format!("parking_serial=S{number}");
        let image = format!("leave_image_file={}", picture.display());
        // Given by the car park itself: without its picture it must not be sent.
        let hash = format!("leave_image_hash={}", md5_hex(&std::fs::read(&picture).unwrap()));
        let words = ["add", "leave", &serial, "plate_color=1", "enter_time=1624874732253", "car_type=1", "car_desc=x"];
        let (code, _, error) =
            agent.run(&[&words[..], &["leave_time=1624937505093", &hash, "--image", &image]].concat());
        assert_eq!(code, 0, "{error}");
    }
    assert_eq!(agent.give("leave", &leave("S9")).0, 507, "records are not given up: new ones are refused");
    let status = agent.json(&["status"]);
    assert_eq!(
        (&status["queued"], &status["pictures_dropped"], &status["picture_bytes"]),
        (&json!(5), &json!(3), &json!(200))
    );
    assert_eq!(std::fs::read_dir(agent.folder.path().join("data/pictures")).unwrap().count(), 2);
    agent.kill();
    std::fs::write(agent.config(), format!("{}{more}", config.replace(&url, &gate.url))).unwrap();
    agent.start();
    eventually(|| agent.is_empty());
    assert_eq!(agent.json(&["dead", "list"]), json!([]));
    let has_picture = |serial: &str| gate.visit(serial)["images"]["leave_image"].is_object();
    assert_eq!(["S0", "S1", "S2", "S3", "S4"].map(has_picture), [false, false, false, true, true]);
    gate.kill();
}
