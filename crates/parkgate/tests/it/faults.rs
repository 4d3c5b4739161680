//! `kill -9` under load, a full disk, uploads cut off: every acknowledged push is there exactly once.

use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex};

use parkgate_testbed::{DEMO_PARK, MultipartBody, TestGate, body, enter, leave, release, signed, update};
use serde_json::Value;

use crate::PARKGATE;

/// `bench/kills` runs it a thousand times.
fn rounds() -> u32 {
    std::env::var("PARKGATE_KILLS").ok().and_then(|text| text.parse().ok()).unwrap_or(20)
}

/// What a push was answered.
pub(crate) struct Acknowledged {
    pub(crate) push: Push,
    pub(crate) seqno: String,
}

/// A push made of its number.
pub(crate) struct Push {
    call: &'static str,
    /// Of the stay.
    pub(crate) serial: String,
    fields: Vec<(String, String)>,
    picture: Option<Vec<u8>>,
    /// Wrongly signed: it is in the quarantine.
    pub(crate) is_wrong: bool,
}

#[test]
fn nothing_acknowledged_is_lost_or_doubled_by_kills() {
    let mut gate = TestGate::with(PARKGATE, &["--demo"]);
    let next = Arc::new(AtomicU32::new(0));
    let acknowledged = Arc::new(Mutex::new(Vec::new()));
    for round in 0..rounds() {
        let before = acknowledged.lock().unwrap().len();
        let down = Arc::new(AtomicBool::new(false));
        let pushers: Vec<_> = (0..4)
            .map(|_| {
                let (url, next, down) = (gate.url.clone(), Arc::clone(&next), Arc::clone(&down));
                let acknowledged = Arc::clone(&acknowledged);
                std::thread::spawn(move || push_until(&url, &next, &down, &acknowledged, Push::numbered))
            })
            .collect();
        // Killed at a count of answers that differs from round to round, not at a time.
        let enough = before + 15 + (round as usize * 7) % 40;
        while acknowledged.lock().unwrap().len() < enough {
            std::thread::yield_now();
        }
        gate.kill();
        down.store(true, Ordering::Relaxed);
        pushers.into_iter().for_each(|pusher| pusher.join().unwrap());
        gate.start();
    }
    let acknowledged = std::mem::take(&mut *acknowledged.lock().unwrap());
    let picture = |key: &str| std::fs::read(gate.data().join("images").join(key)).unwrap();
    check(&acknowledged, |args| gate.json(args), picture);
    assert_eq!(gate.pictures_below("images/incoming"), 0, "what was written aside is gone");
}

/// Pushes one after the other until the gate is gone.
pub(crate) fn push_until(
    url: &str,
    next: &AtomicU32,
    down: &AtomicBool,
    acknowledged: &Mutex<Vec<Acknowledged>>,
    push: fn(u32) -> Push,
) {
    let http = reqwest::blocking::Client::new();
    while !down.load(Ordering::Relaxed) {
        let number = next.fetch_add(1, Ordering::Relaxed);
        let push = push(number);
        let Some(seqno) = push.send(&http, url) else { continue };
        acknowledged.lock().unwrap().push(Acknowledged { push, seqno });
    }
}

impl Push {
    pub(crate) fn numbered(number: u32) -> Push {
        Push::describing(number, "white")
    }

    /// The same with so much in it that a thousand fill a WAL.
    pub(crate) fn large(number: u32) -> Push {
        Push::describing(number, &"x".repeat(60_000))
    }

    fn describing(number: u32, car: &str) -> Push {
        let serial = format!("20210602{number:010}");
        let event_time = (1_624_937_500_000_i64 + i64::from(number)).to_string();
        let order = format!("[{{\"parking_order\":\"PO{number}\",\"pay_type\":1,\"value\":{number}}}]");
        let leave_time = [("leave_time", event_time.as_str()), ("payment_list", &order), ("car_desc", car)];
        let (call, serial, mut pairs) = match number % 6 {
            0 => ("enter", serial.clone(), enter(&serial, &[("enter_time", &event_time), ("car_desc", car)])),
            3 => ("release", serial.clone(), release(&serial, &[("car_desc", car)])),
            // Of the vehicle that entered five pushes before: every other one says that it left.
            5 => {
                let entered = format!("20210602{:010}", number - 5);
                let left = if number % 4 == 1 { event_time.as_str() } else { "" };
                let pairs = update(&format!("U{number}"), &entered, &[("leave_time", left), ("car_desc", car)]);
                ("update", entered, pairs)
            }
            _ => ("leave", serial.clone(), leave(&serial, &leave_time)),
        };
        let picture = (number % 5 == 4 && call != "update").then(|| format!("\u{ff}picture {number}").repeat(500));
        let picture = picture.map(String::into_bytes);
        if let Some(picture) = picture.as_ref().filter(|_| call != "release") {
            pairs.push((format!("{call}_image_hash"), md5(picture)));
        }
        // Now and then a wrong signature: quarantined, and answered only then.
        let is_wrong = number % 7 == 6;
        let fields = signed(pairs, if is_wrong { "wrong" } else { "123" });
        Push { call, serial, fields, picture, is_wrong }
    }

    /// The part that its picture comes in.
    fn part(&self) -> String {
        if self.call == "release" { "capture_image".into() } else { format!("{}_image_file", self.call) }
    }

    /// What is kept of it in its visit: each as often as it stands there.
    fn kept<'a>(&self, visit: &'a Value, seqno: &str) -> Vec<&'a Value> {
        match self.call {
            "enter" | "leave" => {
                let is_it = visit[format!("{}_seqno", self.call)] == seqno;
                is_it.then_some(&visit["images"][format!("{}_image", self.call)]).into_iter().collect()
            }
            call => {
                let of_kind = visit[format!("{call}s")].as_array().unwrap().iter();
                of_kind.filter(|one| one["seqno"] == seqno).map(|one| &one["images"]["capture_image"]).collect()
            }
        }
    }

    /// Its seqno, if it was answered as it must be. No answer, and "come again", is none.
    pub(crate) fn send(&self, http: &reqwest::blocking::Client, url: &str) -> Option<String> {
        let request = http.post(format!("{url}/gate/1.0/parking/internal/{}", self.call));
        let request = match &self.picture {
            None => request.header("content-type", "application/x-www-form-urlencoded").body(body(&self.fields)),
            Some(picture) => request
                .header("content-type", MultipartBody::content_type())
                .body(MultipartBody::of(&self.fields).file(&self.part(), picture).end()),
        };
        let text = request.send().and_then(reqwest::blocking::Response::text).ok()?;
        let reply: Value = serde_json::from_str(&text).ok()?;
        if reply["code"] == "503" {
            return None;
        }
        let refused = if matches!(self.call, "enter" | "leave") {
            "已忽略当前请求"
        } else {
            "请求签名校验不通过"
        };
        assert_eq!(reply["message"], if self.is_wrong { refused } else { "OK" }, "{reply}");
        reply["seqno"].as_str().map(str::to_owned)
    }
}

/// Each is there once and whole; spaces and payments agree with a recount of all that is recorded. How many visits there are.
pub(crate) fn check(
    acknowledged: &[Acknowledged],
    json: impl Fn(&[&str]) -> Value,
    picture: impl Fn(&str) -> Vec<u8>,
) -> usize {
    let listed = json(&["visit", "list", "--limit", "1000000"]);
    let visits = listed.as_array().unwrap();
    let by_serial: std::collections::HashMap<&str, &Value> =
        visits.iter().map(|visit| (visit["parking_serial"].as_str().unwrap(), visit)).collect();
    assert_eq!(by_serial.len(), visits.len(), "a serial stands once");
    let quarantined = json(&["quarantine", "list", "--limit", "1000000"]);
    let quarantined: Vec<&str> =
        quarantined.as_array().unwrap().iter().map(|row| row["seqno"].as_str().unwrap()).collect();
    assert!(acknowledged.iter().any(|answer| answer.push.is_wrong));
    for answer in acknowledged {
        let (Push { serial, .. }, seqno) = (&answer.push, answer.seqno.as_str());
        if answer.push.is_wrong {
            let times = quarantined.iter().filter(|kept| **kept == seqno).count();
            assert_eq!(times, 1, "{serial} is not in the quarantine once");
            continue;
        }
        let visit = by_serial.get(serial.as_str()).unwrap_or_else(|| panic!("{serial} is lost"));
        let kept = answer.push.kept(visit, seqno);
        assert_eq!(kept.len(), 1, "{serial}: {seqno} is not there once: {visit}");
        if let Some(sent) = &answer.push.picture {
            let image = kept[0];
            let kept = picture(image["key"].as_str().unwrap());
            assert_eq!((&kept, &image["md5"]), (sent, &Value::from(md5(sent))));
        }
    }
    for visit in visits.iter().filter(|visit| visit["leave_seqno"].is_string()) {
        let number: i64 = visit["parking_serial"].as_str().unwrap()[8..].parse().unwrap();
        assert_eq!(visit["payments"][0]["value"], number);
    }
    let park = json(&["park", "show", DEMO_PARK]);
    let shown = park["remain_parking_space"].as_i64().unwrap() + park["drift"].as_i64().unwrap();
    let entered = visits.iter().filter(|visit| visit["enter_seqno"].is_string()).count();
    let left = visits.iter().filter(|visit| visit["state"] == "left").count();
    assert_eq!(shown, 100 - entered as i64 + left as i64);
    visits.len()
}

fn md5(bytes: &[u8]) -> String {
    parkgate_testbed::md5_hex(bytes)
}

#[test]
fn a_full_disk_is_answered_503_and_it_recovers_by_itself() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    std::fs::create_dir(&data).unwrap();
    let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", "size=24m", "tmpfs"]).arg(&data).status();
    assert!(mounted.is_ok_and(|status| status.success()), "this test mounts a small disk and needs root");
    let _unmount = Unmount(data.clone());
    let gate = TestGate::at(PARKGATE, &data, &["--demo"]);
    gate.taken("leave", leave("S1", &[]));
    // Filled to the last block.
    let filler = data.join("filler");
    let filled = Command::new("dd").args(["if=/dev/zero", "bs=64k"]).arg(format!("of={}", filler.display())).output();
    assert!(!filled.unwrap().status.success(), "dd ends when the disk is full");
    let large = "x".repeat(60_000);
    let mut refused = 0;
    for number in 0..20 {
        let (status, reply) = gate.push("leave", leave(&format!("F{number}"), &[("car_desc", &large)]));
        assert!(status == 503 || reply["message"] == "OK", "{status} {reply}");
        if status == 503 {
            assert_eq!((&reply["code"], &reply["message"]), (&Value::from("503"), &Value::from("服务暂不可用")));
            refused += 1;
            let listed = gate.json(&["visit", "list", "--limit", "1000"]);
            let serial = format!("F{number}");
            assert!(listed.as_array().unwrap().iter().all(|visit| visit["parking_serial"] != serial.as_str()));
        }
    }
    assert!(refused > 0, "the disk was never full");
    let hash = md5(b"picture");
    let with_picture = |serial: &str| {
        gate.push_files("leave", leave(serial, &[("leave_image_hash", &hash)]), &[("leave_image_file", b"picture")])
    };
    assert_eq!(with_picture("P1").0, 503);
    std::fs::remove_file(&filler).unwrap();
    gate.taken("leave", leave("S2", &[("car_desc", &large)]));
    let (_, reply) = with_picture("P1");
    assert_eq!(reply["message"], "OK", "{reply}");
    assert_eq!(gate.visit("S1")["state"], "left");
}

struct Unmount(std::path::PathBuf);

impl Drop for Unmount {
    fn drop(&mut self) {
        drop(Command::new("umount").arg("-l").arg(&self.0).status());
    }
}

#[test]
fn an_upload_cut_off_leaves_nothing() {
    let gate = TestGate::with(PARKGATE, &["--demo"]);
    let whole = MultipartBody::of(&signed(leave("S1", &[]), "123")).file("leave_image_file", &vec![7; 1_000_000]).end();
    let head = format!(
        "POST /gate/1.0/parking/internal/leave HTTP/1.1\r\nHost: x\r\nContent-Type: {}\r\nContent-Length: {}\r\n\r\n",
        MultipartBody::content_type(),
        whole.len()
    );
    for _ in 0..5 {
        use std::io::Write;
        let mut stream = std::net::TcpStream::connect(gate.url.strip_prefix("http://").unwrap()).unwrap();
        stream.write_all(head.as_bytes()).unwrap();
        stream.write_all(&whole[..whole.len() / 2]).unwrap();
    }
    let until = std::time::Instant::now() + std::time::Duration::from_secs(20);
    while gate.pictures_below("images/incoming") > 0 {
        assert!(std::time::Instant::now() < until, "files aside were left behind");
        std::thread::yield_now();
    }
    gate.taken("leave", leave("S1", &[]));
}
