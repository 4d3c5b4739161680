//! The agent against the real gate, against platforms that misbehave, and killed in the middle.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock, Mutex};

use parkgate_testbed::{DEMO_PARK, md5_hex, parkgate};
use serde_json::{Value, json};

use crate::replies::eventually;
use crate::{PARKGATE, demo};

static HTTP: LazyLock<reqwest::blocking::Client> = LazyLock::new(reqwest::blocking::Client::new);

/// An agent with a folder of its own.
struct Agent {
    folder: tempfile::TempDir,
    child: Option<Child>,
    url: String,
}

impl Agent {
    fn new(platform: &str, more: &str) -> Agent {
        let folder = tempfile::tempdir().unwrap();
        let text = format!(
            "data = \"data\"\nlisten = \"127.0.0.1:0\"\nspool = \"spool\"\n{more}\n[platform]\nurl = \"{platform}\"\n\
             park_uuid = \"{DEMO_PARK}\"\nsecret = \"123\"\n[retry]\nfirst = \"20ms\"\nmax = \"200ms\"\n"
        );
        std::fs::write(folder.path().join("agent.toml"), text).unwrap();
        Agent { folder, child: None, url: String::new() }
    }

    fn started(platform: &str, more: &str) -> Agent {
        let mut agent = Agent::new(platform, more);
        agent.start();
        agent
    }

    fn config(&self) -> PathBuf {
        self.folder.path().join("agent.toml")
    }

    fn start(&mut self) {
        let log = std::fs::OpenOptions::new().create(true).append(true).open(self.folder.path().join("log")).unwrap();
        let mut child = Command::new(PARKGATE)
            .args(["agent", "run", "--config"])
            .arg(self.config())
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let url = lines.find_map(|line| line.unwrap().strip_prefix("listening on ").map(str::to_owned));
        self.child = Some(child);
        self.url =
            url.unwrap_or_else(|| panic!("{}", std::fs::read_to_string(self.folder.path().join("log")).unwrap()));
    }

    fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }

    fn run(&self, args: &[&str]) -> (i32, String, String) {
        let config = self.config();
        let output =
            parkgate(Path::new(PARKGATE), &[&["agent"], args, &["--config", config.to_str().unwrap()]].concat());
        let text = |bytes| String::from_utf8(bytes).unwrap();
        (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
    }

    fn json(&self, args: &[&str]) -> Value {
        let (code, text, error) = self.run(&[args, &["--json"]].concat());
        assert_eq!(code, 0, "{error}");
        serde_json::from_str(&text).unwrap()
    }

    fn give(&self, call: &str, record: &Value) -> (u16, Value) {
        let sent = HTTP.post(format!("{}/{call}", self.url)).body(record.to_string()).send().unwrap();
        (sent.status().as_u16(), serde_json::from_str(&sent.text().unwrap()).unwrap())
    }

    fn is_empty(&self) -> bool {
        self.json(&["status"])["queued"] == 0
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        self.kill();
    }
}

fn enter(serial: &str) -> Value {
    json!({
        "parking_serial": serial, "plate": "粤B12345", "plate_color": 1, "enter_time": 1_624_874_732_253_i64,
        "car_type": 1, "car_desc": "临时车", "enter_gate": "东门",
    })
}

fn leave(serial: &str) -> Value {
    let mut record = enter(serial);
    record["leave_time"] = json!("1624937505093");
    record["payment_list"] = json!([{ "value": 500, "pay_type": 1 }]);
    record.as_object_mut().unwrap().remove("enter_gate");
    record
}

#[test]
fn records_arrive_with_pictures_by_every_way_in_and_once() {
    let gate = demo();
    let agent = Agent::started(&gate.url, "");
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
    assert!(page.contains("<td>已发 sent<td>5"), "{page}");
    let metrics = reqwest::blocking::get(format!("{}/metrics", agent.url)).unwrap().text().unwrap();
    assert!(metrics.contains("parkgate_agent_sent_total 5\n"), "{metrics}");
}

#[test]
fn one_refused_record_does_not_stop_the_others_and_is_mended() {
    let gate = demo();
    let agent = Agent::started(&gate.url, "");
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
    let agent = Agent::started(&gate.url, "on_hint = \"hold\"");
    let mut refused = enter("S1");
    refused["total_value"] = json!("much");
    agent.give("enter", &refused);
    eventually(|| agent.json(&["dead", "list"]).as_array().unwrap().len() == 1);
    agent.give("leave", &leave("S1"));
    eventually(|| gate.run(&["visit", "show", DEMO_PARK, "S1"]).status.success() && agent.is_empty());
    assert_eq!(gate.visit("S1")["params"]["enter_gate"], "东门", "the enter's half came along");
    eventually(|| agent.json(&["dead", "list"]) == json!([]));
    let mut twice = leave("S2");
    twice["payment_list"] = json!([{ "value": 500, "pay_type": 1, "parking_order": "S1-1" }]);
    agent.give("leave", &twice);
    eventually(|| agent.json(&["dead", "list"])[0]["state"] == "held");
    assert!(agent.json(&["dead", "list"])[0]["hint"].as_str().unwrap().contains("重复的订单`S1-1`"));
    assert!(agent.run(&["dead", "drop", "99"]).1.contains("dropped 0"));
}

/// A gate behind a line that drops some replies after the gate has committed.
fn lossy(upstream: String) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let count = Arc::new(AtomicUsize::new(0));
    std::thread::spawn(move || {
        for line in listener.incoming().flatten() {
            let (upstream, count) = (upstream.clone(), Arc::clone(&count));
            std::thread::spawn(move || {
                let Ok(gate) = TcpStream::connect(upstream.trim_start_matches("http://")) else { return };
                let (mut from, mut to) = (line.try_clone().unwrap(), gate.try_clone().unwrap());
                std::thread::spawn(move || drop(std::io::copy(&mut from, &mut to)));
                let (mut from, mut to) = (gate, line);
                let mut piece = [0; 4096];
                while let Ok(read @ 1..) = from.read(&mut piece) {
                    if count.fetch_add(1, Ordering::Relaxed) % 5 == 4 {
                        let _ = to.shutdown(std::net::Shutdown::Both);
                        return;
                    }
                    if to.write_all(&piece[..read]).is_err() {
                        return;
                    }
                }
            });
        }
    });
    url
}

#[test]
fn killed_at_any_time_over_a_line_that_loses_replies_everything_arrives_once() {
    const STAYS: usize = 60;
    let gate = demo();
    let mut agent = Agent::started(&lossy(gate.url.clone()), "concurrency = 4");
    let kills: usize = std::env::var("PARKGATE_KILLS").ok().and_then(|text| text.parse().ok()).unwrap_or(8);
    for round in 0..kills {
        for number in (0..STAYS).filter(|number| number % kills == round) {
            let serial = format!("K{number}");
            assert_eq!(agent.give("enter", &enter(&serial)).0, 202);
            assert_eq!(agent.give("leave", &leave(&serial)).0, 202);
        }
        agent.kill();
        agent.start();
    }
    eventually(|| agent.is_empty());
    let visits = gate.json(&["visit", "list", "--limit", "1000"]);
    let visits = visits.as_array().unwrap();
    assert_eq!(visits.len(), STAYS);
    for visit in visits {
        assert!(visit["enter_seqno"].is_string() && visit["leave_seqno"].is_string(), "{visit}");
        assert_eq!(visit["payments"].as_array().unwrap().len(), 1);
        let advisories = visit["advisories"].to_string();
        assert!(!advisories.contains("leave_without_enter"), "an enter came after its leave: {visit}");
    }
    assert_eq!(agent.json(&["status"])["sent"], STAYS * 2);
}

/// Answers each request with the next of these, and from then on with the last.
fn scripted(answers: Vec<(u16, &'static str)>) -> (String, Arc<Mutex<usize>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let heard = Arc::new(Mutex::new(0));
    let asked = Arc::clone(&heard);
    std::thread::spawn(move || {
        for mut line in listener.incoming().flatten() {
            let mut request = Vec::new();
            let mut piece = [0; 4096];
            loop {
                let text = String::from_utf8_lossy(&request).into_owned();
                let length = |head: &str| head.split("content-length: ").nth(1)?.lines().next()?.parse::<usize>().ok();
                if text.split_once("\r\n\r\n").is_some_and(|(head, body)| length(head).is_some_and(|n| body.len() >= n))
                {
                    break;
                }
                match line.read(&mut piece) {
                    Ok(read @ 1..) => request.extend_from_slice(&piece[..read]),
                    _ => break,
                }
            }
            let mut asked = asked.lock().unwrap();
            let (status, body) = answers[(*asked).min(answers.len() - 1)];
            *asked += 1;
            let head = format!("HTTP/1.1 {status} X\r\ncontent-length: {}\r\nconnection: close\r\n\r\n", body.len());
            let _ = line.write_all(format!("{head}{body}").as_bytes());
        }
    });
    (url, heard)
}

#[test]
fn platforms_of_every_kind_are_handled() {
    let ok = (200, r#"{"code":"200","message":"OK"}"#);
    for (answers, requests) in [
        (vec![(200, "<html>busy</html>"), (200, ""), (502, "bad"), ok], 4),
        (vec![(503, r#"{"code":"503","message":"x"}"#), (429, r#"{"code":"429"}"#), (200, r#"{"code":200}"#)], 3),
        (vec![(200, r#"{"code":"1000","message":"x"}"#)], 1),
        (vec![(500, r#"{"code":1001,"message":"known"}"#)], 1),
        (vec![(500, "x"), (500, "x"), (500, "x"), (500, "x"), (500, "x"), (500, "x"), (500, "x"), ok], 8),
    ] {
        let (url, heard) = scripted(answers);
        let agent = Agent::started(&url, "");
        agent.give("leave", &leave("S1"));
        eventually(|| agent.json(&["status"])["sent"] == 1);
        assert_eq!(*heard.lock().unwrap(), requests);
        assert_eq!(agent.json(&["status"])["last_error"], Value::Null);
    }
    let agent = Agent::started("http://127.0.0.1:9", "");
    agent.give("leave", &leave("S1"));
    eventually(|| agent.json(&["status"])["last_error"].is_string());
    assert_eq!(agent.json(&["status"])["queued"], 1);
}

#[test]
fn wrong_settings_are_told() {
    let agent = Agent::new("gate.example.com", "");
    let (code, _, error) = agent.run(&["run"]);
    assert_eq!((code, error.contains("http://")), (1, true), "{error}");
    let agent = Agent::new("http://127.0.0.1:9", "concurency = 3");
    let (code, _, error) = agent.run(&["status"]);
    assert_eq!((code, error.contains("concurency")), (2, true), "{error}");
}
