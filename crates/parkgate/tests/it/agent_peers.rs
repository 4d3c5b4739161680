//! The agent against platforms that misbehave, lines that lose replies, and a platform written by others.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use parkgate_testbed::{Agent, DEMO_PARK, md5_hex};
use serde_json::{Value, json};

use crate::agent::{enter, leave};
use crate::agent_by_hand::{release, update};
use crate::replies::eventually;
use crate::{PARKGATE, demo};

/// A line to a gate that loses replies after the gate has committed, and is cut altogether for a time.
struct Line {
    url: String,
    is_cut: Arc<AtomicBool>,
}

impl Line {
    fn to(upstream: &str) -> Line {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let line = Line { url: format!("http://{}", listener.local_addr().unwrap()), is_cut: Arc::default() };
        let (upstream, is_cut) = (upstream.trim_start_matches("http://").to_owned(), Arc::clone(&line.is_cut));
        let replies = Arc::new(AtomicUsize::new(0));
        std::thread::spawn(move || {
            for near in listener.incoming().flatten() {
                let (upstream, replies, is_cut) = (upstream.clone(), Arc::clone(&replies), Arc::clone(&is_cut));
                std::thread::spawn(move || carry(near, &upstream, &replies, &is_cut));
            }
        });
        line
    }

    fn cut(&self, is_cut: bool) {
        self.is_cut.store(is_cut, Ordering::SeqCst);
    }
}

/// Every fifth piece of a reply is lost with its connection; while the line is cut, nothing goes either way.
fn carry(mut near: TcpStream, upstream: &str, replies: &AtomicUsize, is_cut: &Arc<AtomicBool>) {
    if is_cut.load(Ordering::SeqCst) {
        return;
    }
    let Ok(mut gate) = TcpStream::connect(upstream) else { return };
    let (mut from, mut to, cut) = (near.try_clone().unwrap(), gate.try_clone().unwrap(), Arc::clone(is_cut));
    std::thread::spawn(move || {
        let mut piece = [0; 4096];
        while let Ok(read @ 1..) = from.read(&mut piece) {
            if cut.load(Ordering::SeqCst) || to.write_all(&piece[..read]).is_err() {
                break;
            }
        }
        let _ = to.shutdown(std::net::Shutdown::Both);
    });
    let mut piece = [0; 4096];
    while let Ok(read @ 1..) = gate.read(&mut piece) {
        let is_lost = replies.fetch_add(1, Ordering::Relaxed) % 5 == 4 || is_cut.load(Ordering::SeqCst);
        if is_lost || near.write_all(&piece[..read]).is_err() {
            let _ = near.shutdown(std::net::Shutdown::Both);
            return;
        }
    }
}

/// Times are a thousandth: an agent's `first = "1s"` and `max = "5m"` are 1 ms and 300 ms here, and the hour of the outage
/// 3.6 s, in which records go on coming and the agent is killed at random points, as before and after it.
#[test]
fn killed_fifty_times_with_an_hours_outage_over_a_line_that_loses_replies_everything_arrives_once() {
    const KILLS: usize = 50;
    const HOUR: Duration = Duration::from_millis(3600);
    let gate = demo();
    let line = Line::to(&gate.url);
    let agent = Agent::new(PARKGATE, &line.url, "concurrency = 4");
    let config = std::fs::read_to_string(agent.config()).unwrap();
    std::fs::write(agent.config(), config.replace("20ms", "1ms").replace("200ms", "300ms")).unwrap();
    let mut agent = agent;
    agent.start();
    let mut random = fastrand::Rng::new();
    println!("seed {}", random.get_seed());
    let (mut kills, mut stays, mut cut_at, mut kills_in_the_outage) = (0, 0, None::<Instant>, 0);
    let mut given = Vec::new();
    loop {
        let is_out = cut_at.is_some_and(|at| at.elapsed() < HOUR);
        if kills == 10 {
            cut_at = Some(Instant::now());
        }
        line.cut(kills >= 10 && cut_at.is_some_and(|at| at.elapsed() < HOUR));
        for _ in 0..3 {
            let serial = format!("K{stays}");
            stays += 1;
            for (call, record) in stay(&serial) {
                assert_eq!(agent.give(call, &record).0, 202);
            }
            given.push(serial);
        }
        std::thread::sleep(Duration::from_millis(random.u64(0..120)));
        agent.kill();
        agent.start();
        // What software that saw no answer does.
        let again = random.usize(0..given.len());
        for (call, record) in stay(&given[again]) {
            let (status, answer) = agent.give(call, &record);
            assert_eq!((status, answer["state"] == "queued"), (202, false), "{call}: {answer}");
        }
        kills += 1;
        kills_in_the_outage += usize::from(is_out);
        if kills >= KILLS && cut_at.is_some_and(|at| at.elapsed() > HOUR) && !is_out {
            break;
        }
    }
    assert!(kills_in_the_outage > 5, "{kills_in_the_outage} of {kills} kills");
    line.cut(false);
    eventually(|| agent.is_empty());
    let visits = gate.json(&["visit", "list", "--limit", "1000", "--unmask"]);
    let visits = visits.as_array().unwrap();
    assert_eq!(visits.len(), stays);
    for visit in visits {
        assert!(visit["enter_seqno"].is_string() && visit["leave_seqno"].is_string(), "{visit}");
        let count = |name: &str| visit[name].as_array().unwrap().len();
        assert_eq!((count("payments"), count("releases"), count("updates")), (1, 1, 2), "{visit}");
        assert_eq!(visit["plate"], "粤B2", "the last update was sent last: {visit}");
        let advisories = visit["advisories"].to_string();
        assert!(!advisories.contains("leave_without_enter"), "an enter came after its leave: {visit}");
    }
    assert_eq!(gate.json(&["conflict", "list"]), json!([]), "what was sent again was the same to the byte");
    assert_eq!(agent.json(&["status"])["sent"], stays * 5);
}

/// All that may be pushed of one: what is done by hand does not say when.
fn stay(serial: &str) -> [(&'static str, Value); 5] {
    [
        ("enter", enter(serial)),
        ("update", update(&format!("{serial}-1"), serial, "粤B1")),
        ("release", release(serial)),
        ("leave", leave(serial)),
        ("update", update(&format!("{serial}-2"), serial, "粤B2")),
    ]
}

/// What a scripted platform does with a request.
#[derive(Clone, Copy)]
enum Answer {
    /// A status and a body.
    Says(u16, &'static str),
    /// Nothing, with the line held open.
    Hangs,
    /// Nothing, and the line ends.
    HangsUp,
}

use Answer::{Hangs, HangsUp, Says};

/// Answers each request with the next of these, and from then on with the last.
fn scripted(answers: Vec<Answer>) -> (String, Arc<Mutex<usize>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let counted = Arc::new(Mutex::new(0));
    let asked = Arc::clone(&counted);
    std::thread::spawn(move || {
        let mut held = Vec::new();
        for mut line in listener.incoming().flatten() {
            read_request(&mut line);
            let mut asked = asked.lock().unwrap();
            let answer = answers[(*asked).min(answers.len() - 1)];
            *asked += 1;
            match answer {
                Says(status, body) => {
                    let length = body.len();
                    let head = format!("HTTP/1.1 {status} X\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n");
                    let _ = line.write_all(format!("{head}{body}").as_bytes());
                }
                Hangs => held.push(line),
                HangsUp => {}
            }
        }
    });
    (url, counted)
}

fn read_request(line: &mut TcpStream) {
    let length = |head: &str| head.split("content-length: ").nth(1)?.lines().next()?.parse::<usize>().ok();
    let mut request = Vec::new();
    let mut piece = [0; 4096];
    loop {
        let text = String::from_utf8_lossy(&request);
        if text.split_once("\r\n\r\n").is_some_and(|(head, body)| length(head).is_some_and(|n| body.len() >= n)) {
            return;
        }
        match line.read(&mut piece) {
            Ok(read @ 1..) => request.extend_from_slice(&piece[..read]),
            _ => return,
        }
    }
}

#[test]
fn platforms_of_every_kind_are_handled() {
    let ok = Says(200, r#"{"code":"200","message":"OK"}"#);
    let broken = Says(500, "x");
    for (answers, requests) in [
        (vec![Says(200, "<html>busy</html>"), Says(200, ""), Says(502, "bad"), HangsUp, ok], 5),
        (
            vec![
                Says(503, r#"{"code":"503","message":"x"}"#),
                Says(429, r#"{"code":"429"}"#),
                Says(200, r#"{"code":200}"#),
            ],
            3,
        ),
        (vec![Says(200, r#"{"code":"1000","message":"x"}"#)], 1),
        (vec![Says(500, r#"{"code":1001,"message":"known"}"#)], 1),
        (vec![broken, broken, broken, broken, broken, broken, broken, ok], 8),
    ] {
        let (url, counted) = scripted(answers);
        let agent = Agent::started(PARKGATE, &url, "");
        assert_eq!(agent.give("leave", &leave("S1")).0, 202);
        eventually(|| agent.json(&["status"])["sent"] == 1);
        assert_eq!(*counted.lock().unwrap(), requests);
        assert_eq!(agent.json(&["status"])["last_error"], Value::Null);
    }
}

#[test]
fn a_platform_that_is_down_for_good_loses_nothing_and_is_asked_by_one_record_at_a_time() {
    let (url, counted) = scripted(vec![Says(500, "x")]);
    let agent = Agent::started(PARKGATE, &url, "");
    for number in 0..200 {
        assert_eq!(agent.give("leave", &leave(&format!("S{number}"))).0, 202);
    }
    eventually(|| *counted.lock().unwrap() > 20);
    let status = agent.json(&["status"]);
    assert_eq!((&status["queued"], &status["sent"], &status["dead"]), (&json!(200), &json!(0), &json!(0)));
    assert!(status["last_error"].as_str().unwrap().contains("HTTP 500"), "{status}");
}

#[test]
fn a_push_that_hangs_holds_up_nobody_else_and_is_sent_again() {
    let ok = Says(200, r#"{"code":"200","message":"OK"}"#);
    let (url, counted) = scripted(vec![Hangs, ok]);
    let agent = Agent::new(PARKGATE, &url, "concurrency = 2");
    let config = std::fs::read_to_string(agent.config()).unwrap();
    std::fs::write(agent.config(), config.replace("[retry]", "timeout = \"3s\"\n[retry]")).unwrap();
    let mut agent = agent;
    agent.start();
    for number in 0..50 {
        assert_eq!(agent.give("leave", &leave(&format!("S{number}"))).0, 202);
    }
    eventually(|| agent.json(&["status"])["sent"] == 49);
    let hanging = agent.json(&["status"]);
    assert_eq!(
        (&hanging["queued"], &hanging["last_error"]),
        (&json!(1), &Value::Null),
        "the others did not wait for it"
    );
    eventually(|| agent.is_empty());
    assert_eq!(*counted.lock().unwrap(), 51);
}

#[test]
fn what_goes_wrong_on_the_first_day_is_reported() {
    let reported = |agent: &Agent| -> Value { serde_json::from_str(&agent.run(&["check", "--json"]).1).unwrap() };
    let last = |agent: &Agent| reported(agent).as_array().unwrap().last().unwrap().clone();
    let gate = demo();
    let agent = Agent::new(PARKGATE, &gate.url, "");
    assert_eq!(agent.run(&["check"]).0, 0, "{}", reported(&agent));
    assert_eq!(gate.json(&["visit", "list"]), json!([]), "looking leaves nothing behind");
    let config = std::fs::read_to_string(agent.config()).unwrap();
    for (from, to, what, words) in [
        ("secret = \"123\"", "secret = \"124\"".to_owned(), "secret", "[platform] secret"),
        (DEMO_PARK, "another-park".into(), "platform", "park_uuid"),
        ("http://127.0.0.1", "http://no-such-host.invalid".into(), "dns", "DNS"),
        (&gate.url, "http://127.0.0.1:9".into(), "line", "127.0.0.1:9"),
        (&gate.url, scripted(vec![Says(404, "<html>")]).0, "platform", "[platform] url"),
    ] {
        std::fs::write(agent.config(), config.replace(from, &to)).unwrap();
        let finding =
            reported(&agent).as_array().unwrap().iter().find(|finding| finding["ok"] == false).unwrap().clone();
        assert_eq!(finding["what"], what, "{finding}");
        assert!(finding["told"].as_str().unwrap().contains(words), "{finding}");
        assert_eq!(agent.run(&["check"]).0, 1);
    }
    assert_eq!(last(&agent)["what"], "platform");
    // The same while it runs: the platform drops what is signed wrongly and calls it success.
    std::fs::write(agent.config(), config.replace("\"123\"", "\"124\"")).unwrap();
    let mut agent = agent;
    agent.start();
    assert_eq!(agent.give("leave", &leave("S1")).0, 202);
    eventually(|| {
        agent.json(&["status"])["problem"].as_str().is_some_and(|reported| reported.contains("[platform] secret"))
    });
    let (code, _, error) = agent.run(&["run"]);
    assert_eq!((code, error.contains("已有代理")), (1, true), "{error}");
}

/// `platform.py`, ended with the test.
struct Platform {
    child: Child,
    url: String,
}

impl Platform {
    fn start(secret: &str) -> Platform {
        // ./test installs it.
        let mut child = Command::new("python3")
            .args([concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/platform.py"), DEMO_PARK, secret])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut port = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut port).unwrap();
        Platform { child, url: format!("http://127.0.0.1:{}", port.trim()) }
    }

    fn recorded(&self) -> Value {
        let text = reqwest::blocking::get(format!("{}/recorded", self.url)).unwrap().text().unwrap();
        serde_json::from_str(&text).unwrap()
    }
}

impl Drop for Platform {
    fn drop(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

#[test]
fn a_platform_written_from_the_document_alone_takes_what_the_agent_sends() {
    let platform = Platform::start("123");
    let line = Line::to(&platform.url);
    let agent = Agent::started(PARKGATE, &line.url, "");
    assert_eq!(agent.run(&["check"]).0, 0);
    let picture = agent.folder.path().join("car.gif");
    std::fs::write(&picture, b"GIF89a car").unwrap();
    for number in 0..100 {
        let serial = format!("S{number}");
        let mut entered = enter(&serial);
        entered["car_desc"] = json!("临停 & 月卡=A+100% \"号\"");
        assert_eq!(agent.give("enter", &entered).0, 202);
        assert_eq!(agent.give("leave", &leave(&serial)).0, 202);
    }
    let words = ["add", "leave", "parking_serial=P1", "plate=粤X44444", "plate_color=1", "enter_time=1624874732253"];
    let more = ["leave_time=1624937505093", "car_type=1", "car_desc=x", "--image"];
    let image = format!("leave_image_file={}", picture.display());
    assert_eq!(agent.run(&[&words[..], &more, &[&image]].concat()).0, 0);
    eventually(|| agent.is_empty());
    let recorded = platform.recorded();
    let count = |name: &str| recorded[name].as_object().unwrap().len();
    assert_eq!((count("enter"), count("leave"), count("orders")), (100, 101, 100));
    assert_eq!(recorded["enter"]["S7"]["car_desc"], "临停 & 月卡=A+100% \"号\"");
    assert_eq!(recorded["leave"]["P1"]["files"]["leave_image_file"], md5_hex(b"GIF89a car"));
    assert_eq!(recorded["leave"]["P1"]["leave_image_hash"], md5_hex(b"GIF89a car"));
    let status = agent.json(&["status"]);
    assert_eq!((&status["dead"], &status["sent"], &status["problem"]), (&json!(0), &json!(201), &Value::Null));
}
