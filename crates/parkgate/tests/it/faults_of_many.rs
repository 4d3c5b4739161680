//! Two gates on one PostgreSQL database, a bucket and a subscriber; gates and database are killed in turn under load.
//! Every push is sent until it is answered, as a car park does, now to the one gate and now to the other.

use std::collections::HashSet;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::{Duration, Instant};

use parkgate_testbed::{BucketServer, Postgres, SubscriberAnswer, TestGate, TestSubscriber, parkgate_with};
use serde_json::Value;

use crate::PARKGATE;
use crate::faults::{Acknowledged, Push, check};

/// As many as a commit and its answer need, after a kill, and then some.
const PROGRESS_MAX: Duration = Duration::from_secs(60);

/// `bench/kills` runs it longer.
fn rounds() -> u32 {
    std::env::var("PARKGATE_KILLS_OF_MANY").ok().and_then(|text| text.parse().ok()).unwrap_or(8)
}

struct Load {
    urls: [Mutex<String>; 2],
    next: AtomicU32,
    enough: AtomicBool,
    acknowledged: Mutex<Vec<Acknowledged>>,
}

impl Load {
    /// Sends one push after the other, each until it is answered.
    fn push(&self) {
        let http = reqwest::blocking::Client::builder().timeout(Duration::from_secs(30)).build().unwrap();
        while !self.enough.load(Ordering::Relaxed) {
            let number = self.next.fetch_add(1, Ordering::Relaxed);
            let push = Push::numbered(number);
            let begun = Instant::now();
            let mut nodes = self.urls.iter().cycle().skip(number as usize % 2);
            let mut send = || push.send(&http, &nodes.next().unwrap().lock().unwrap().clone());
            let seqno = loop {
                if let Some(seqno) = send() {
                    break seqno;
                }
                assert!(begun.elapsed() < PROGRESS_MAX, "push {number} is not taken");
                std::thread::sleep(Duration::from_millis(20));
            };
            // A repeat, to the other gate: answered as the first time, or not at all.
            if number.is_multiple_of(9)
                && let Some(repeated) = send()
            {
                assert_eq!(repeated, seqno, "push {number} again");
            }
            self.acknowledged.lock().unwrap().push(Acknowledged { push, seqno });
        }
    }

    fn wait_for(&self, more: usize) {
        let count = || self.acknowledged.lock().unwrap().len();
        let (enough, begun) = (count() + more, Instant::now());
        while count() < enough {
            assert!(begun.elapsed() < PROGRESS_MAX, "nothing goes on");
            std::thread::sleep(Duration::from_millis(1));
        }
    }
}

#[test]
fn nothing_is_lost_or_doubled_when_gates_and_database_are_killed_in_turn() {
    let (cluster, bucket) = (Postgres::start(&[]), BucketServer::start());
    let (url, pictures) = (cluster.database(), bucket.url("gates"));
    let folder = tempfile::tempdir().unwrap();
    let gate_at = |name: &str| {
        let flags = ["--demo", "--store", &url, "--images", &pictures];
        let mut gate = TestGate::stopped(PARKGATE, &folder.path().join(name), &flags);
        gate.variables = bucket.variables(None);
        for (name, value) in
            [("ALLOW_PRIVATE", "true"), ("RETRY_FIRST", "20ms"), ("RETRY_MAX", "200ms"), ("TIMEOUT", "2s")]
        {
            gate.variables.push((format!("PARKGATE_FORWARD_{name}"), value.into()));
        }
        gate
    };
    let mut gates = [gate_at("one"), gate_at("two")];
    gates[0].start();
    std::fs::create_dir_all(gates[1].data()).unwrap();
    std::fs::copy(gates[0].data().join("master.key"), gates[1].data().join("master.key")).unwrap();
    gates[1].start();
    let data = gates[0].data().to_str().unwrap().to_owned();
    let variables = gates[0].variables.clone();
    let ok = |args: &[&str]| {
        let args = [args, &["--data", &data, "--store", &url]].concat();
        let output = parkgate_with(Path::new(PARKGATE), &args, &variables);
        assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
        output.stdout
    };
    let json = |args: &[&str]| -> Value { serde_json::from_slice(&ok(&[args, &["--json"]].concat())).unwrap() };
    let subscriber = TestSubscriber::start(SubscriberAnswer::TAKES);
    ok(&["subscriber", "add", "--name", "city", "--url", &subscriber.url, "--format", "webhook", "--all"]);

    let load = Load {
        urls: [Mutex::new(gates[0].url.clone()), Mutex::new(gates[1].url.clone())],
        next: AtomicU32::new(0),
        enough: AtomicBool::new(false),
        acknowledged: Mutex::default(),
    };
    std::thread::scope(|scope| {
        for _ in 0..6 {
            scope.spawn(|| load.push());
        }
        // However this ends, the load ends.
        let _ends = Ends(&load.enough);
        for round in 0..rounds() {
            // Killed at a count of answers that differs from round to round, not at a time.
            load.wait_for(15 + (round as usize * 7) % 40);
            let killed = match round % 4 {
                0 => [true, false, false],
                1 => [false, false, true],
                2 => [false, true, false],
                // All at once, as when the machine fails.
                _ => [true, true, true],
            };
            if killed[2] {
                cluster.kill();
            }
            for gate in gates.iter_mut().zip(killed).filter_map(|(gate, killed)| killed.then_some(gate)) {
                gate.kill();
            }
            if killed[2] {
                cluster.run();
            } else {
                // The other one goes on alone.
                load.wait_for(20);
            }
            for node in (0..2).filter(|node| killed[*node]) {
                gates[node].start();
                load.urls[node].lock().unwrap().clone_from(&gates[node].url);
            }
        }
        load.wait_for(20);
    });
    let acknowledged = load.acknowledged.into_inner().unwrap();
    let keys = bucket.objects("gates");
    let picture = |key: &str| std::fs::read(keys.iter().find(|path| path.ends_with(key)).unwrap()).unwrap();
    let visits = check(&acknowledged, json, picture);
    let good = acknowledged.iter().filter(|answer| !answer.push.is_wrong);
    let good = good.map(|answer| &answer.push.serial).collect::<std::collections::HashSet<_>>().len();
    assert_eq!(
        (visits, acknowledged.len()),
        (good, load.next.into_inner() as usize),
        "each was answered, and no other is there"
    );

    let begun = Instant::now();
    while json(&["subscriber", "show", "city"])["pending"] != 0 {
        assert!(begun.elapsed() < PROGRESS_MAX, "the subscriber does not get everything");
        std::thread::sleep(Duration::from_millis(100));
    }
    let received: HashSet<String> =
        subscriber.received().iter().map(|received| received.field("parking_serial").unwrap()).collect();
    assert_eq!(received.len(), good, "the subscriber received every visit");
}

struct Ends<'a>(&'a AtomicBool);

impl Drop for Ends<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}
