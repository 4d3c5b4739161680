//! Logs that cannot be written: a full disk, a pipe whose reader ended, one that nobody reads. Pushes are answered, records
//! are sent, and the program ends when asked to.

use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader, PipeReader, Write, pipe};
use std::process::{Command, Stdio};
use std::sync::Arc;

use parkgate_testbed::{Agent, DEMO_PARK, NamedValues, TestGate, body, leave, signed};
use serde_json::{Value, json};

use crate::PARKGATE;
use crate::replies::eventually;

/// How many pushes each program is sent: `PARKGATE_TEST_PUSHES=10000` for the long form.
fn count() -> usize {
    std::env::var("PARKGATE_TEST_PUSHES").map_or(300, |text| text.parse().unwrap())
}

/// What a program may have for its stderr, and what must live as long as it does.
fn outputs() -> Vec<(&'static str, Stdio, Option<PipeReader>)> {
    let full = OpenOptions::new().write(true).open("/dev/full").unwrap();
    let (reader, closed) = pipe().unwrap();
    drop(reader);
    let (reader, unread) = pipe().unwrap();
    let mut filling = unread.try_clone().unwrap();
    // Until it is full, and as soon as there is room again; ends with the reader.
    std::thread::spawn(move || while filling.write_all(b"\n").is_ok() {});
    vec![("full", full.into(), None), ("closed", closed.into(), None), ("unread", unread.into(), Some(reader))]
}

/// Pushes of every kind, and what they must be answered: the status and a piece of the hint.
fn push_of(number: usize) -> (NamedValues, &'static str, u16, &'static str) {
    let serial = |number: usize| format!("S{number}");
    match number % 6 {
        0 => (leave(&serial(number), &[]), "123", 200, ""),
        // The same again, or another with the serial of the last: if that one is there already.
        1 => (leave(&serial(number - 1), &[]), "123", 200, ""),
        2 => (leave(&serial(number - 2), &[("car_desc", "other")]), "123", 200, ""),
        3 => (leave(&serial(number), &[]), "124", 200, "签名"),
        4 => (leave(&serial(number), &[("enter_time", "yesterday")]), "123", 400, "enter_time"),
        _ => (leave(&serial(number), &[("park_uuid", "nobody")]), "123", 403, ""),
    }
}

/// Sends so many, from several threads; each must be answered.
fn push_all(gate: &TestGate, count: usize) {
    let url = Arc::new(format!("{}/gate/1.0/parking/internal/leave", gate.url));
    let threads = (0..6).map(|first| {
        let url = Arc::clone(&url);
        std::thread::spawn(move || {
            let http = reqwest::blocking::Client::new();
            for round in 0..count / 6 {
                let (pairs, secret, expected, piece) = push_of(round * 6 + first);
                let form = body(&signed(pairs, secret));
                let post = http.post(url.as_str()).header("content-type", "application/x-www-form-urlencoded");
                let reply = post.body(form).send().unwrap();
                let (status, text) = (reply.status().as_u16(), reply.text().unwrap());
                assert_eq!((status, text.contains(piece)), (expected, true), "{first}: {text}");
            }
        })
    });
    let threads: Vec<_> = threads.collect();
    threads.into_iter().for_each(|thread| thread.join().unwrap());
}

fn metric(figures: &str, name: &str) -> u64 {
    let value = figures.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    value.unwrap_or_else(|| panic!("no {name}: {figures}")).parse().unwrap()
}

#[test]
fn a_gate_whose_log_cannot_be_written_answers_every_push_and_ends_when_asked() {
    let folder = tempfile::tempdir().unwrap();
    for (name, stderr, reader) in outputs() {
        let mut gate = TestGate::stopped(PARKGATE, &folder.path().join(name), &["--demo"]);
        // Every push is worth a line then; and the quarantine has room for all.
        gate.variables = vec![
            ("PARKGATE_LOG".into(), "parkgate_web=debug,info".into()),
            ("PARKGATE_LIMITS_QUARANTINE_UNKNOWN_PUSHES_MAX".into(), "100000".into()),
        ];
        gate.start_logging_to(stderr);
        push_all(&gate, count());
        assert_eq!(gate.readiness().1["ready"], true, "{name}");
        let figures = gate.metrics();
        let (dropped, waiting) =
            (metric(&figures, "parkgate_log_lines_dropped_total"), metric(&figures, "parkgate_log_lines_waiting"));
        // Each serial is recorded once, and worth a line at least.
        assert!(dropped + waiting >= count() as u64 / 6, "{name}: {dropped} {waiting}");
        assert_eq!(reader.is_none(), dropped > 0 && waiting < 100, "{name}: {dropped} {waiting}");
        assert_eq!(gate.stop(), Some(0), "{name}");
    }
}

#[test]
fn an_agent_whose_log_cannot_be_written_sends_every_record_and_ends_when_asked() {
    let gate = TestGate::demo(PARKGATE);
    for (name, stderr, _reader) in outputs() {
        let mut agent = Agent::new(PARKGATE, &gate.url, "");
        agent.start_logging_to(stderr);
        let count = count() / 3 * 3;
        for number in 0..count {
            let mut record = json!({"parking_serial": format!("{name}{number}"), "plate": "粤B1", "plate_color": 1,
                "enter_time": 1624874732253_i64, "leave_time": 1624937505093_i64, "car_type": 1, "car_desc": "临时车"});
            match number % 3 {
                // Accepted, accepted with a hint (the serial is another's), refused.
                0 => {}
                1 => {
                    let serial = format!("T{name}{number}");
                    gate.taken("leave", leave(&serial, &[("plate", "粤B2")]));
                    record["parking_serial"] = serial.into();
                }
                _ => record["total_value"] = "a lot".into(),
            }
            assert_eq!(agent.give("leave", &record).0, 202, "{name} {number}");
        }
        eventually(|| agent.is_empty());
        let status = agent.json(&["status"]);
        let third = Value::from(count / 3);
        assert_eq!((&status["sent"], &status["dead"]), (&(count / 3 * 2).into(), &third), "{name}: {status}");
        assert_eq!(status["hinted"], third, "{name}: {status}");
        let figures = reqwest::blocking::get(format!("{}/metrics", agent.url)).unwrap().text().unwrap();
        let lost = ["parkgate_agent_log_lines_dropped_total", "parkgate_agent_log_lines_waiting"];
        let lost: u64 = lost.map(|metric_name| metric(&figures, metric_name)).iter().sum();
        assert!(lost >= count as u64 / 3, "{name}: {lost}");
        assert_eq!(agent.stop(), Some(0), "{name}");
    }
}

#[test]
fn a_gate_whose_stdout_nobody_reads_serves_and_its_log_has_its_address() {
    let folder = tempfile::tempdir().unwrap();
    for (name, stdout, _reader) in outputs() {
        let (data, log) = (folder.path().join(name), folder.path().join(format!("{name}.log")));
        let mut child = Command::new(PARKGATE)
            .args(["serve", "--demo", "--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0", "--data"])
            .arg(&data)
            .stdout(stdout)
            .stderr(File::create(&log).unwrap())
            .spawn()
            .unwrap();
        let mut url = String::new();
        eventually(|| {
            let log = std::fs::read_to_string(&log).unwrap();
            assert!(child.try_wait().unwrap().is_none(), "{name}: it ended: {log}");
            let lines = log.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
            let listening = lines.into_iter().find(|line| line["message"] == "listening");
            listening.is_some_and(|line| {
                url = format!("http://{}/readyz", line["address"].as_str().unwrap());
                true
            })
        });
        eventually(|| reqwest::blocking::get(&url).is_ok_and(|reply| reply.status() == 200));
        assert!(Command::new("kill").arg(child.id().to_string()).status().unwrap().success());
        assert_eq!(child.wait().unwrap().code(), Some(0), "{name}");
    }
}

#[test]
fn a_log_that_can_be_written_again_says_how_many_lines_were_lost() {
    let folder = tempfile::tempdir().unwrap();
    let fifo = folder.path().join("fifo");
    assert!(Command::new("mkfifo").arg(&fifo).status().unwrap().success());
    // Opened for both, so that neither end waits for the other.
    let mut both = OpenOptions::new();
    both.read(true).write(true);
    let first = both.open(&fifo).unwrap();
    let stderr = OpenOptions::new().write(true).open(&fifo).unwrap();
    let mut gate = TestGate::stopped(PARKGATE, &folder.path().join("data"), &["--demo"]);
    gate.start_logging_to(stderr);
    // What is said at the start is written. Then nobody reads, and then somebody does.
    drop(gate.log());
    drop(first);
    for number in 0..5 {
        assert_eq!(gate.push("leave", leave(&format!("S{number}"), &[("enter_time", "")])).0, 400);
    }
    eventually(|| metric(&gate.metrics(), "parkgate_log_lines_dropped_total") == 5);
    let mut lines = BufReader::new(both.open(&fifo).unwrap()).lines();
    assert_eq!(gate.push("leave", leave("S9", &[("enter_time", "")])).0, 400);
    let reported = lines.find_map(|line| {
        let line: Value = serde_json::from_str(&line.unwrap()).unwrap();
        line["lines"].as_u64()
    });
    assert_eq!(reported, Some(5));
}

#[test]
fn one_senders_mistake_does_not_fill_the_log() {
    let gate = TestGate::demo(PARKGATE);
    for number in 0..50 {
        let (status, reply) = gate.push("leave", leave(&format!("S{number}"), &[("enter_time", "")]));
        assert_eq!(status, 400, "{reply}");
        assert_eq!(gate.push("leave", leave(&format!("S{number}"), &[("park_uuid", "nobody")])).0, 403);
    }
    let log = gate.log();
    for reason in ["Missing", "UnknownPark"] {
        let lines = log.lines().filter(|line| line.contains("\"refused\"") && line.contains(reason)).count();
        assert_eq!(lines, 10, "{reason}: {log}");
    }
    assert!(log.contains(DEMO_PARK) && log.contains("\"address\":\"127.0.0.1\""), "{log}");
}
