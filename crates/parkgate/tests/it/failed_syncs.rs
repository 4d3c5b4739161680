//! A sync that fails, once: the gate ends with status 70, and every push it acknowledged is there when it starts again.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex};

use parkgate_testbed::{Agent, TestGate};

use crate::PARKGATE;
use crate::agent::leave;
use crate::faults::{Push, check, push_until};

/// Each place where a sync may fail once, or as often as set.
fn rounds() -> usize {
    std::env::var("PARKGATE_FAILED_SYNCS").ok().and_then(|text| text.parse().ok()).unwrap_or(FAULTS.len())
}

/// What fails.
struct Fault {
    call: &'static str,
    /// In the data folder; anywhere, if none is named.
    file: Option<&'static str>,
    push: fn(u32) -> Push,
    /// Of one thread.
    calls_before_max: usize,
}

const FAULTS: [Fault; 4] = [
    // A commit.
    Fault { call: "fdatasync", file: Some("parkgate.db-wal"), push: Push::numbered, calls_before_max: 40 },
    // The end of a copy of the WAL into the main file.
    Fault { call: "fdatasync", file: Some("parkgate.db"), push: Push::large, calls_before_max: 1 },
    // What was copied in part, and is counted as copied.
    Fault { call: "syncfs", file: None, push: Push::large, calls_before_max: 1 },
    // A picture, or its folder.
    Fault { call: "fsync", file: None, push: Push::numbered, calls_before_max: 5 },
];

#[test]
fn after_one_failed_sync_the_gate_ends_and_nothing_acknowledged_is_lost() {
    let mut gate = TestGate::with(PARKGATE, &["--demo"]);
    let next = Arc::new(AtomicU32::new(0));
    let acknowledged = Arc::new(Mutex::new(Vec::new()));
    for round in 0..rounds() {
        let fault = &FAULTS[round % FAULTS.len()];
        // Every other time another process has the database open all the while, so that what it shares outlives the gate.
        let other = (round / FAULTS.len() % 2 == 1).then(|| parkgate_store::open(gate.data(), None).unwrap());
        let injected = inject(gate.pid(), gate.data(), fault.call, fault.file, 1 + round * 7 % fault.calls_before_max);
        let down = Arc::new(AtomicBool::new(false));
        let pushers: Vec<_> = (0..4)
            .map(|_| {
                let (url, next, down) = (gate.url.clone(), Arc::clone(&next), Arc::clone(&down));
                let (acknowledged, push) = (Arc::clone(&acknowledged), fault.push);
                std::thread::spawn(move || push_until(&url, &next, &down, &acknowledged, push))
            })
            .collect();
        let code = gate.ended();
        down.store(true, Ordering::Relaxed);
        pushers.into_iter().for_each(|pusher| pusher.join().unwrap());
        drop(injected);
        assert_eq!(code, Some(70), "round {round}, {}: {}", fault.call, gate.log());
        gate.start();
        drop(other);
        assert!(gate.readiness().0, "round {round}");
        // It is well again; a figure and its log say that it was not.
        assert!(gate.metrics().contains("parkgate_last_alarm_timestamp_seconds 1"), "round {round}");
        assert!(gate.log().contains("ended for a fault before"), "round {round}");
    }
    let acknowledged = std::mem::take(&mut *acknowledged.lock().unwrap());
    let picture = |key: &str| std::fs::read(gate.data().join("images").join(key)).unwrap();
    check(&acknowledged, |args| gate.json(args), picture);
}

/// Ends with its process, or when dropped.
struct Injected(Child);

impl Drop for Injected {
    fn drop(&mut self) {
        drop(self.0.kill());
        self.0.wait().unwrap();
    }
}

/// Has a call of a running process fail, from when this returns: by `strace`.
fn inject(pid: u32, data: &Path, call: &str, file: Option<&str>, when: usize) -> Injected {
    let mut command = Command::new("strace");
    command.args(["-f", "-e", &format!("trace={call}"), "-e", &format!("inject={call}:error=EIO:when={when}")]);
    if let Some(file) = file {
        command.arg("-P").arg(data.join(file));
    }
    command.arg("-o").arg(data.with_extension("strace")).arg("-p").arg(pid.to_string());
    let injected = Injected(command.stderr(Stdio::null()).spawn().unwrap());
    while !is_traced(pid) {
        std::thread::yield_now();
    }
    injected
}

/// Are all its threads?
fn is_traced(pid: u32) -> bool {
    let threads = std::fs::read_dir(Path::new("/proc").join(pid.to_string()).join("task")).unwrap();
    threads.flatten().all(|thread| {
        let status = std::fs::read_to_string(thread.path().join("status")).unwrap_or_default();
        status.lines().all(|line| !line.starts_with("TracerPid:") || !line.ends_with("\t0"))
    })
}

#[test]
fn after_one_failed_sync_of_its_outbox_the_agent_ends_and_nothing_taken_is_lost() {
    // Nobody takes its records.
    let mut agent = Agent::started(PARKGATE, "http://127.0.0.1:1", "");
    let data = agent.folder.path().join("data");
    let http = reqwest::blocking::Client::new();
    let (mut number, mut taken) = (0, 0);
    for round in 0..3 {
        // Of the main file: at a checkpoint.
        let injected = inject(agent.pid(), &data, "fdatasync", Some("outbox.db"), 1);
        // Until it is gone.
        let give = |number: u32| {
            let mut record = leave(&format!("S{number}"));
            record["car_desc"] = "x".repeat(2000).into();
            let request = http.post(format!("{}/leave", agent.url)).header("content-type", "application/json");
            request.body(record.to_string()).send()
        };
        while let Ok(answer) = give(number) {
            assert!([202, 503].contains(&answer.status().as_u16()), "{answer:?}");
            taken += u64::from(answer.status() == 202);
            number += 1;
        }
        assert_eq!(agent.ended(), Some(70), "round {round}: {}", agent.log());
        drop(injected);
        number += 1;
        agent.start();
        // One may be there whose answer was lost.
        let queued = agent.json(&["status"])["queued"].as_u64().unwrap();
        assert!((taken..=taken + 1).contains(&queued), "{queued} of {taken}");
        taken = queued;
    }
    assert!(taken > 100, "{taken}");
}
