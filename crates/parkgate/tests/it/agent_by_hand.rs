//! Releases and updates through the agent: by every way in, behind the enter of their stay, to platforms that lack them.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use parkgate_testbed::{Agent, Scripted, ScriptedReply, md5_hex};
use serde_json::{Value, json};

use crate::agent::{enter, leave};
use crate::replies::eventually;
use crate::{PARKGATE, demo};

/// It does not say when it was.
pub(crate) fn release(serial: &str) -> Value {
    json!({
        "parking_serial": serial, "release_type": 2, "plate": "粤B12345", "gate_name": "西门出口", "operator": "张三",
        "reason": "道闸故障", "release_method": 1,
    })
}

/// Nor does it.
pub(crate) fn update(flow_no: &str, serial: &str, plate: &str) -> Value {
    json!({ "flow_no": flow_no, "parking_serial": serial, "plate": plate, "operator": "李四", "reason": "识别错误" })
}

const PICTURE: &[u8] = b"GIF89a by hand";

fn spooled(agent: &Agent, name: &str, record: &Value) {
    let spool = agent.folder.path().join("spool");
    eventually(|| spool.is_dir());
    std::fs::write(spool.join("tmp"), record.to_string()).unwrap();
    std::fs::rename(spool.join("tmp"), spool.join(name)).unwrap();
}

fn with(mut record: Value, more: &Value) -> Value {
    record.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    record
}

/// A record with its picture, as browsers and most libraries send one.
fn uploaded(agent: &Agent, call: &str, record: &Value, part: &str) -> (u16, Value) {
    let form =
        record.as_object().unwrap().iter().fold(reqwest::blocking::multipart::Form::new(), |form, (name, value)| {
            form.text(name.clone(), value.as_str().map_or_else(|| value.to_string(), str::to_owned))
        });
    let picture = reqwest::blocking::multipart::Part::bytes(PICTURE.to_vec()).file_name("a");
    let request = reqwest::blocking::Client::new().post(format!("{}/{call}", agent.url));
    let answer = request.multipart(form.part(part.to_owned(), picture)).send().unwrap();
    (answer.status().as_u16(), serde_json::from_str(&answer.text().unwrap()).unwrap())
}

#[test]
fn they_arrive_by_every_way_in_and_once() {
    let gate = demo();
    let agent = Agent::started(PARKGATE, &gate.url, "");
    for number in 1..6 {
        assert_eq!(agent.give("enter", &enter(&format!("S{number}"))).0, 202);
    }
    for _ in 0..2 {
        assert_eq!(agent.give("release", &release("S1")).0, 202);
        assert_eq!(agent.give("update", &update("F1", "S1", "粤B1")).0, 202);
        assert_eq!(uploaded(&agent, "release", &release("S2"), "capture_image").0, 202);
    }
    let picture = agent.folder.path().join("car.gif");
    std::fs::write(&picture, PICTURE).unwrap();
    let image = format!("capture_image={}", picture.display());
    let words = ["add", "release", "parking_serial=S3", "release_type=2", "plate=粤B12345", "--image", &image];
    assert_eq!(agent.run(&words).0, 0);
    let words = ["add", "update", "flow_no=F3", "parking_serial=S3", "plate=粤B3", "operator=x", "reason=y"];
    assert_eq!(agent.run(&words).0, 0);
    // The spool names a picture by its path; a call is known by its name or by what only it has.
    spooled(&agent, "1.json", &with(release("S4"), &json!({ "capture_image_file": picture })));
    spooled(&agent, "2.json", &with(update("F4", "S4", "粤B4"), &json!({ "leave_time": "2021-06-29T03:31:45Z" })));
    spooled(&agent, "3.json", &with(release("S5"), &json!({ "call": "release", "capture_image": "https://x/5.jpg" })));
    spooled(&agent, "4.json", &with(update("F5", "S5", "粤B5"), &json!({ "call": "update" })));
    spooled(&agent, "5.json", &with(update("", "S5", "粤B5"), &json!({ "call": "update" })));
    spooled(&agent, "6.json", &with(enter("S6"), &json!({ "call": "before" })));
    let bad = agent.folder.path().join("spool/bad");
    eventually(|| bad.join("5.txt").is_file() && bad.join("6.txt").is_file() && agent.is_empty());
    assert!(std::fs::read_to_string(bad.join("5.txt")).unwrap().contains("flow_no"));
    assert!(std::fs::read_to_string(bad.join("6.txt")).unwrap().contains("release"), "it names the calls that exist");
    let shown = |serial: &str| {
        let visit = gate.visit(serial);
        let count = |name: &str| visit[name].as_array().unwrap().len();
        (count("releases"), count("updates"), visit["plate"].as_str().unwrap().to_owned(), visit)
    };
    for (serial, releases, updates, plate, has_picture) in [
        ("S1", 1, 1, "粤B1", false),
        ("S2", 1, 0, "粤B12345", true),
        ("S3", 1, 1, "粤B3", true),
        ("S4", 1, 1, "粤B4", true),
        ("S5", 1, 1, "粤B5", false),
    ] {
        let (found_releases, found_updates, found_plate, visit) = shown(serial);
        assert_eq!((found_releases, found_updates, found_plate.as_str()), (releases, updates, plate), "{visit}");
        assert_eq!(visit.to_string().contains(&md5_hex(PICTURE)), has_picture, "{visit}");
    }
    assert!(shown("S5").3.to_string().contains("https://x/5.jpg"));
    assert_eq!(shown("S4").3["state"], "left", "an update's own leave_time");
    assert_eq!(std::fs::read_dir(agent.folder.path().join("data/pictures")).unwrap().count(), 0, "sent pictures go");
    let status = agent.json(&["status"]);
    assert_eq!((&status["sent"], &status["dead"]), (&json!(14), &json!(0)), "{status}");
    assert_eq!(agent.give("update", &update("F1", "S1", "粤B1")).1["state"], "sent");
    assert_eq!(agent.give("update", &update("F1", "S1", "粤B9")).0, 409);
    assert_eq!(agent.give("release", &json!({ "parking_serial": "S1" })).0, 400);
    assert_eq!(agent.give("update", &with(update("F9", "S1", "x"), &json!({ "operate_time": "soon" }))).0, 400);
}

/// A camera may be slow. What is of the same stay waits with its enter, and with nothing else.
#[test]
fn a_file_that_waits_for_its_picture_holds_up_its_stay_only_if_it_is_the_enter() {
    let gate = demo();
    let agent = Agent::started(PARKGATE, &gate.url, "");
    let spool = agent.folder.path().join("spool");
    spooled(&agent, "1.json", &with(release("S1"), &json!({ "capture_image_file": "late.gif" })));
    spooled(&agent, "2.json", &with(enter("S2"), &json!({ "enter_image_file": "later.gif" })));
    spooled(&agent, "3.json", &update("F2", "S2", "粤B2"));
    spooled(&agent, "4.json", &leave("S1"));
    eventually(|| agent.json(&["status"])["sent"] == 1);
    assert_eq!(gate.visit("S1")["state"], "left");
    let waits = |name: &str| spool.join(name).is_file();
    assert_eq!(["1.json", "2.json", "3.json", "4.json"].map(waits), [true, true, true, false]);
    std::fs::write(spool.join("late.gif"), PICTURE).unwrap();
    std::fs::write(spool.join("later.gif"), PICTURE).unwrap();
    eventually(|| agent.json(&["status"])["sent"] == 4);
    assert_eq!(gate.visit("S2")["plate"], "粤B2");
    assert_eq!(gate.visit("S1")["releases"][0]["images"]["capture_image"]["md5"], md5_hex(PICTURE));
}

/// A platform that notes which calls it accepted, in order.
fn noting(
    answer: impl Fn(&str, usize) -> ScriptedReply + Send + Sync + 'static,
) -> (Scripted, Arc<Mutex<Vec<String>>>) {
    let accepted = Arc::new(Mutex::new(Vec::new()));
    let noted = Arc::clone(&accepted);
    let platform = Scripted::start(move |request| {
        let path = request.head.split(' ').nth(1).unwrap();
        let call = path.rsplit('/').next().unwrap().to_owned();
        let reply = answer(&call, request.number);
        noted.lock().unwrap().push(format!("{call} {}", reply.status));
        reply
    });
    (platform, accepted)
}

fn success(call: &str) -> ScriptedReply {
    let code = if ["release", "update"].contains(&call) { "1001" } else { "200" };
    ScriptedReply::says(200, &format!(r#"{{"code":"{code}","message":"OK"}}"#))
}

#[test]
fn nothing_of_a_stay_is_sent_before_its_enter_has_arrived() {
    let (platform, seen) = noting(|call, number| match call {
        "enter" if number <= 3 => ScriptedReply::says(503, r#"{"code":"503","message":"x"}"#),
        call => success(call),
    });
    let agent = Agent::started(PARKGATE, &platform.url, "newest_first = true");
    assert_eq!(agent.give("enter", &enter("S1")).0, 202);
    assert_eq!(agent.give("release", &release("S1")).0, 202);
    assert_eq!(agent.give("update", &update("F1", "S1", "粤B1")).0, 202);
    assert_eq!(agent.give("leave", &leave("S1")).0, 202);
    eventually(|| agent.is_empty());
    let seen = seen.lock().unwrap();
    assert_eq!(seen[..4], ["enter 503", "enter 503", "enter 503", "enter 200"], "{seen:?}");
    let mut after = seen[4..].to_vec();
    after.sort();
    assert_eq!(after, ["leave 200", "release 200", "update 200"]);
}

#[test]
fn a_platform_that_lacks_them_gets_everything_else_and_they_are_kept_with_the_reason() {
    let has_them = Arc::new(AtomicBool::new(false));
    let now_has_them = Arc::clone(&has_them);
    let (platform, _) = noting(move |call, _| match call {
        "release" | "update" if !has_them.load(Ordering::SeqCst) => ScriptedReply::says(404, "<html>not found</html>"),
        call => success(call),
    });
    let agent = Agent::started(PARKGATE, &platform.url, "");
    for number in 0..20 {
        let serial = format!("S{number}");
        assert_eq!(agent.give("enter", &enter(&serial)).0, 202);
        assert_eq!(agent.give("release", &release(&serial)).0, 202);
        assert_eq!(agent.give("update", &update(&format!("F{number}"), &serial, "粤B1")).0, 202);
        assert_eq!(agent.give("leave", &leave(&serial)).0, 202);
    }
    eventually(|| agent.is_empty());
    let dead = agent.json(&["dead", "list"]);
    let dead = dead.as_array().unwrap();
    assert_eq!(dead.len(), 40);
    for letter in dead {
        let reason = format!("平台没有`{}`接口", letter["kind"].as_str().unwrap());
        assert!(letter["hint"].as_str().unwrap().contains(&reason), "{letter}");
    }
    let status = agent.json(&["status"]);
    assert_eq!((&status["sent"], &status["problem"], &status["last_error"]), (&json!(40), &Value::Null, &Value::Null));
    assert_eq!(platform.requests(), 80, "each once");
    let letter = agent.run(&["dead", "show", &dead[1]["id"].to_string()]).1;
    assert!(letter.contains("F0") && letter.contains("operate_time"), "{letter}");
    now_has_them.store(true, Ordering::SeqCst);
    assert_eq!(agent.run(&["dead", "retry"]).0, 0);
    eventually(|| agent.is_empty() && agent.json(&["status"])["sent"] == 80);
    assert_eq!(agent.json(&["dead", "list"]), json!([]));
}

/// As for enters and leaves: nothing is given up while the secret may be wrong for all.
#[test]
fn a_wrong_secret_is_a_problem_to_be_mended_and_gives_nothing_up() {
    let gate = demo();
    let mut agent = Agent::new(PARKGATE, &gate.url, "");
    let config = std::fs::read_to_string(agent.config()).unwrap();
    std::fs::write(agent.config(), config.replace("\"123\"", "\"124\"")).unwrap();
    agent.start();
    assert_eq!(agent.give("release", &release("S1")).0, 202);
    assert_eq!(agent.give("update", &update("F1", "S1", "粤B1")).0, 202);
    let problem = |agent: &Agent| agent.json(&["status"])["problem"].as_str().map(str::to_owned);
    eventually(|| problem(&agent).is_some_and(|problem| problem.contains("[platform] secret")));
    assert_eq!(agent.json(&["status"])["dead"], 0);
    agent.kill();
    std::fs::write(agent.config(), config).unwrap();
    agent.start();
    eventually(|| agent.is_empty());
    let visit = gate.visit("S1");
    assert_eq!((&visit["plate"], &visit["releases"][0]["operator"]), (&json!("粤B1"), &json!("张三")), "{visit}");
}
