//! Forwarding: what a subscriber is sent, and what becomes of it when the subscriber does not take it. On both stores.

mod compared;
mod other_kinds;

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use base64::Engine as _;
use hmac::{Hmac, KeyInit, Mac};
use parkgate_testbed::{
    DEMO_PARK, Postgres, ReceivedDelivery, SubscriberAnswer, TestGate, TestSubscriber, enter, leave, parkgate_with,
};
use serde_json::Value;
use sha2::Sha256;

use crate::PARKGATE;

/// A gate whose times are short: an hour of waiting is a second.
struct Forwarding {
    gate: TestGate,
    store: Option<(Arc<Postgres>, String)>,
}

impl Forwarding {
    fn on(store: Option<(Arc<Postgres>, String)>, settings: &[(&str, &str)]) -> Forwarding {
        let mut flags = vec!["--demo"];
        if let Some((_, url)) = &store {
            flags.extend(["--store", url]);
        }
        let folder = tempfile::tempdir().unwrap().keep();
        let mut gate = TestGate::stopped(PARKGATE, &folder.join("data"), &flags);
        let base = [("ALLOW_PRIVATE", "true"), ("RETRY_FIRST", "20ms"), ("RETRY_MAX", "200ms"), ("TIMEOUT", "2s")];
        for (name, value) in base.iter().chain(settings) {
            gate.variables.push((format!("PARKGATE_FORWARD_{name}"), (*value).to_owned()));
        }
        gate.start();
        Forwarding { gate, store }
    }

    fn run(&self, args: &[&str]) -> std::process::Output {
        let mut all = args.to_vec();
        all.extend(["--data", self.gate.data().to_str().unwrap()]);
        if let Some((_, url)) = &self.store {
            all.extend(["--store", url]);
        }
        parkgate_with(Path::new(PARKGATE), &all, &self.gate.variables)
    }

    fn ok(&self, args: &[&str]) -> String {
        let output = self.run(args);
        assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    fn json(&self, args: &[&str]) -> Value {
        let mut all = args.to_vec();
        all.push("--json");
        serde_json::from_str(&self.ok(&all)).unwrap()
    }

    /// Subscribes, and waits until the gate knows.
    fn subscribe(&self, name: &str, url: &str, more: &[&str]) {
        let mut args = vec!["subscriber", "add", "--name", name, "--url", url];
        args.extend(more);
        self.ok(&args);
    }

    /// Until nothing waits for it.
    fn drained(&self, name: &str) {
        until(&format!("{name} has everything"), || self.json(&["subscriber", "show", name])["pending"] == 0);
    }
}

/// On SQLite, and on PostgreSQL.
fn each_store(test: impl Fn(Option<(Arc<Postgres>, String)>)) {
    test(None);
    let cluster = Postgres::shared();
    let url = cluster.database();
    test(Some((cluster, url)));
}

fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !holds() {
        assert!(begun.elapsed() < Duration::from_secs(60), "it never came true: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// The serials received, and how often each half was.
fn serials(received: &[ReceivedDelivery]) -> HashMap<(String, bool), usize> {
    let mut seen = HashMap::new();
    for one in received {
        let is_leave = one.field("leave_time").is_some() || one.path.ends_with("leave");
        *seen.entry((one.field("parking_serial").unwrap(), is_leave)).or_default() += 1;
    }
    seen
}

/// Each half of these came, the enter's first coming before the leave's.
fn assert_in_order(received: &[ReceivedDelivery], expected: impl Iterator<Item = String>) {
    let first = |serial: &str, is_leave: bool| {
        let at = received.iter().position(|one| {
            one.path.ends_with(if is_leave { "leave" } else { "enter" })
                && one.field("parking_serial").is_some_and(|found| found.ends_with(serial))
        });
        at.unwrap_or_else(|| panic!("{serial} (leave: {is_leave}) never came"))
    };
    for serial in expected {
        assert!(first(&serial, false) < first(&serial, true), "{serial}: its leave came before its enter");
    }
}

#[test]
fn a_relay_sends_the_push_as_it_came_pictures_and_sign_and_all() {
    each_store(|store| {
        let upstream = TestGate::demo(PARKGATE);
        let front = Forwarding::on(store, &[]);
        // As the car parks know it, by the address of one of its calls.
        let address = format!("{}/gate/1.0/parking/internal/leave", upstream.url);
        front.subscribe("vendor", &address, &["--format", "relay", "--all"]);
        let pairs = enter("R1", &[("idcard_no", "110101199003070011"), ("x_new", "1&2=3"), ("car_desc", "临时 车+")]);
        front.gate.taken("enter", pairs);
        let picture = b"\xff\xd8\xff\xe0 a picture of a car";
        let hash = parkgate_testbed::md5_hex(picture);
        let leaving = leave("R1", &[("leave_image_hash", &hash), ("total_value", "600")]);
        let (_, reply) = front.gate.push_files("leave", leaving, &[("leave_image_file", picture)]);
        assert_eq!(reply["message"], "OK", "{reply}");
        // Signed over encoded values, which are sent encoded once more.
        let encoded = leave("R2", &[("plate", "%E7%B2%A4B12345"), ("car_desc", "%E4%B8%B4"), ("encoding", "URL")]);
        front.gate.taken("leave", encoded);
        front.drained("vendor");
        for serial in ["R1", "R2"] {
            let here = front.json(&["visit", "show", DEMO_PARK, serial]);
            let there = upstream.visit(serial);
            assert_eq!(here["params"], there["params"]);
            assert_eq!(here["images"], there["images"]);
            assert_eq!(there["plate"], "粤B12345");
        }
        assert_eq!(upstream.visit("R1")["images"]["leave_image"]["size"], picture.len());
        assert_eq!(front.json(&["subscriber", "show", "vendor"])["delivered"], 3);
    });
}

#[test]
fn the_open_platform_and_webhooks_get_what_they_subscribed_to() {
    each_store(|store| {
        let (city, hook) =
            (TestSubscriber::start(SubscriberAnswer::TAKES), TestSubscriber::start(SubscriberAnswer::Says(204, "")));
        let front = Forwarding::on(store, &[]);
        let place = ["address=科技路1号", "area_code=440305", "latitude=22.5", "longitude=113.9"];
        let mut args = vec!["park", "set", DEMO_PARK, "--location"];
        args.extend(place);
        front.ok(&args);
        let open = ["--format", "openapi", "--app-id", "A1", "--secret", "k", "--all"];
        front.subscribe("city", &format!("{}/sync-{{event}}", city.url), &open);
        let hooked = ["--format", "webhook", "--secret", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "--events", "leave"];
        let mut hooked = hooked.to_vec();
        hooked.extend(["--park", DEMO_PARK, "--mask-plates"]);
        front.subscribe("hook", &format!("{}/hook", hook.url), &hooked);
        let person =
            [("idcard_no", "110101199003070011"), ("total_parking_space", "100"), ("remain_parking_space", "9")];
        front.gate.taken("enter", enter("O1", &person));
        front.gate.taken("leave", leave("O1", &person));
        front.drained("city");
        front.drained("hook");
        let received = city.received();
        assert_eq!(received.iter().map(|one| one.path.as_str()).collect::<Vec<_>>(), ["/sync-enter", "/sync-leave"]);
        let form = received[1].form();
        let get = |name: &str| form.get(name).map(String::as_str).unwrap_or_default();
        assert_eq!((get("area_code"), get("latitude"), get("parking_time")), ("440305", "22.5", "62772"));
        assert_eq!((get("total_space"), get("remain_space"), get("plate")), ("100", "9", "粤B12345"));
        assert_eq!(get("idcard_no"), "");
        let unsigned = form.iter().filter(|(name, _)| *name != "sign");
        let unsigned = unsigned.map(|(name, value)| (name.as_str(), value.as_str()));
        let (_, sign) = parkgate_wire::sign(unsigned, &parkgate_wire::Secret::new("k"));
        assert_eq!(get("sign"), sign);
        let received = hook.received();
        assert_eq!(received.len(), 1);
        let header = |name: &str| received[0].headers[name].clone();
        let key = base64::engine::general_purpose::STANDARD.decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap();
        let mut mac = Hmac::<Sha256>::new_from_slice(&key).unwrap();
        mac.update(format!("{}.{}.", header("webhook-id"), header("webhook-timestamp")).as_bytes());
        mac.update(&received[0].body);
        let expected = base64::engine::general_purpose::STANDARD.encode(mac.finalize().into_bytes());
        assert_eq!(header("webhook-signature"), format!("v1,{expected}"));
        let body = String::from_utf8(received[0].body.clone()).unwrap();
        assert!(body.contains("parking.leave") && body.contains("粤B***45"), "{body}");
        assert!(!body.contains("粤B12345") && !body.contains("110101199003070011"), "{body}");
    });
}

#[test]
fn whoever_hangs_fails_or_drops_gets_everything_in_order_and_nobody_else_notices() {
    each_store(|store| {
        let manners = [
            ("hangs", SubscriberAnswer::Hangs),
            ("fails", SubscriberAnswer::Says(500, "<html>")),
            ("drops", SubscriberAnswer::Drops),
            ("good", SubscriberAnswer::TAKES),
        ];
        let front = Forwarding::on(store, &[("TIMEOUT", "1s")]);
        let subscribers = manners.map(|(name, manner)| {
            let subscriber = TestSubscriber::start(manner);
            front.subscribe(name, &subscriber.url, &["--format", "relay", "--all"]);
            (name, subscriber)
        });
        let numbers = || (0..60).map(|number| format!("V{number}"));
        for serial in numbers() {
            for (call, pairs) in [("enter", enter(&serial, &[])), ("leave", leave(&serial, &[]))] {
                front.gate.taken(call, pairs);
            }
        }
        // While the others misbehave the good one has all of it.
        front.drained("good");
        let waits = front.json(&["subscriber", "list"]);
        let pending = |name: &str| {
            let found = waits.as_array().unwrap().iter().find(|one| one["name"] == name).unwrap();
            found["pending"].as_u64().unwrap()
        };
        assert_eq!((pending("hangs"), pending("fails"), pending("drops")), (120, 120, 120));
        let readyz = reqwest::blocking::get(format!("{}/readyz", front.gate.url)).unwrap().status();
        assert_eq!(readyz, 200);
        for (name, subscriber) in &subscribers {
            subscriber.turns(SubscriberAnswer::TAKES);
            front.drained(name);
            let received = subscriber.received();
            assert_in_order(&received, numbers());
            if *name == "good" {
                assert!(serials(&received).values().all(|times| *times == 1), "nothing twice without need");
            }
        }
        assert_eq!(front.json(&["delivery", "list"]), Value::Array(Vec::new()));
    });
}

#[test]
fn killed_gates_send_on_what_they_had_recorded() {
    each_store(|store| {
        let city = TestSubscriber::start(SubscriberAnswer::Drops);
        let mut front = Forwarding::on(store, &[("TIMEOUT", "300ms")]);
        front.subscribe("city", &city.url, &["--format", "relay", "--all"]);
        for kill in 0..4 {
            for number in 0..10 {
                front.gate.taken("enter", enter(&format!("K{kill}-{number}"), &[]));
                front.gate.taken("leave", leave(&format!("K{kill}-{number}"), &[]));
            }
            city.turns(if kill % 2 == 0 { SubscriberAnswer::TAKES } else { SubscriberAnswer::Drops });
            front.gate.kill();
            front.gate.start();
        }
        city.turns(SubscriberAnswer::TAKES);
        front.drained("city");
        assert_in_order(
            &city.received(),
            (0..4).flat_map(|kill| (0..10).map(move |number| format!("K{kill}-{number}"))),
        );
        assert_eq!(front.gate.stop(), Some(0));
    });
}

#[test]
fn two_gates_on_one_database_share_the_work() {
    let cluster = Postgres::shared();
    let url = cluster.database();
    let city = TestSubscriber::start(SubscriberAnswer::TAKES);
    let first = Forwarding::on(Some((Arc::clone(&cluster), url.clone())), &[]);
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    std::fs::create_dir_all(&data).unwrap();
    std::fs::copy(first.gate.data().join("master.key"), data.join("master.key")).unwrap();
    let mut second = TestGate::stopped(PARKGATE, &data, &["--store", &url]);
    second.variables.clone_from(&first.gate.variables);
    second.start();
    first.subscribe("city", &city.url, &["--format", "relay", "--all"]);
    for number in 0..100 {
        let gate = if number % 2 == 0 { &first.gate } else { &second };
        gate.taken("enter", enter(&format!("N{number}"), &[]));
        gate.taken("leave", leave(&format!("N{number}"), &[]));
    }
    first.drained("city");
    let received = city.received();
    assert_in_order(&received, (0..100).map(|number| format!("N{number}")));
    assert!(serials(&received).values().all(|times| *times == 1), "nothing twice without need");
    assert_eq!(received.len(), 200);
}

#[test]
fn what_is_refused_is_dead_until_it_is_retried_and_what_failed_too_long_too() {
    each_store(|store| {
        let refusal =
            SubscriberAnswer::Says(400, r#"{"code":"400","message":"请求参数错误","hint":"参数`merchant`未传递"}"#);
        let city = TestSubscriber::start(refusal);
        let away = TestSubscriber::start(SubscriberAnswer::Says(503, ""));
        let front = Forwarding::on(store, &[("GIVE_UP_AFTER", "1s")]);
        front.subscribe("city", &city.url, &["--format", "relay", "--all"]);
        front.subscribe("away", &away.url, &["--format", "webhook", "--all"]);
        for number in 0..3 {
            front.gate.taken("enter", enter(&format!("D{number}"), &[]));
        }
        let dead = |name: &str| front.json(&["delivery", "list", "--state", "dead", "--subscriber", name]);
        let count = |name: &str| dead(name).as_array().unwrap().len();
        until("all are dead", || count("city") == 3 && count("away") == 3);
        let found = dead("city")[0].clone();
        let received = found["told"].as_str().unwrap();
        assert!(received.contains("参数`merchant`未传递"), "{received}");
        let id = found["id"].as_str().unwrap();
        let shown = front.json(&["delivery", "show", id]);
        assert_eq!((&shown["state"], &shown["parking_serial"]), (&"dead".into(), &"D0".into()));
        let other = dead("city")[1]["id"].as_str().unwrap().to_owned();
        front.ok(&["delivery", "drop", &other]);
        city.turns(SubscriberAnswer::TAKES);
        front.ok(&["delivery", "retry", "--subscriber", "city"]);
        until("the other two arrived", || city.received().len() == 2);
        front.drained("city");
        assert_eq!(count("city"), 0);
        let gone = front.run(&["delivery", "retry", id]);
        assert_eq!(gone.status.code(), Some(1));
        // From the records, as often as it is wished.
        front.ok(&["delivery", "replay", "--subscriber", "city", "--since", "1h"]);
        until("all three came again", || city.received().len() == 5);
        away.turns(SubscriberAnswer::Says(200, ""));
        front.ok(&["delivery", "replay", "--subscriber", "away", "--since", "1d"]);
        until("dead letters were delivered after all", || away.received().len() == 3);
    });
}

#[test]
fn a_paused_subscriber_waits_and_a_removed_one_is_forgotten() {
    each_store(|store| {
        let city = TestSubscriber::start(SubscriberAnswer::TAKES);
        let front = Forwarding::on(store, &[]);
        front.subscribe("city", &city.url, &["--format", "relay", "--all"]);
        front.gate.taken("enter", enter("P0", &[]));
        front.drained("city");
        front.ok(&["subscriber", "pause", "city"]);
        until("its loop ended", || {
            front.gate.log().contains("parks and apps changed")
                && front.json(&["subscriber", "show", "city"])["state"] == "paused"
        });
        for number in 1..20 {
            front.gate.taken("enter", enter(&format!("P{number}"), &[]));
        }
        front.ok(&["subscriber", "resume", "city"]);
        front.drained("city");
        assert_eq!(city.received().len(), 20);
        front.ok(&["subscriber", "remove", "city"]);
        front.gate.taken("enter", enter("P99", &[]));
        assert_eq!(front.json(&["delivery", "list"]), Value::Array(Vec::new()));
        let twice = front.run(&["subscriber", "remove", "city"]);
        assert_eq!(twice.status.code(), Some(1));
    });
}

#[test]
fn private_addresses_are_not_reached_unless_allowed_and_redirects_are_never_followed() {
    let inside = TestSubscriber::start(SubscriberAnswer::TAKES);
    let strict = Forwarding::on(None, &[("ALLOW_PRIVATE", "false")]);
    let port = inside.url.rsplit(':').next().unwrap();
    let open_hand = [("PARKGATE_FORWARD_ALLOW_PRIVATE".to_owned(), "true".to_owned())];
    for (name, url) in [("address", inside.url.clone()), ("name", format!("http://localhost:{port}"))] {
        let add = ["subscriber", "add", "--name", name, "--url", &url, "--format", "relay", "--all"];
        let refused = strict.run(&add);
        let received = String::from_utf8(refused.stderr).unwrap();
        assert_eq!(refused.status.code(), Some(2), "{received}");
        assert!(
            received.contains("[forward] allow_private") && received.contains("PARKGATE_FORWARD_ALLOW_PRIVATE"),
            "{received}"
        );
        // Added under other settings than the gate's, it is refused there.
        let mut args = add.to_vec();
        args.extend(["--data", strict.gate.data().to_str().unwrap()]);
        assert!(parkgate_with(Path::new(PARKGATE), &args, &open_hand).status.success());
        let moved = strict.run(&["subscriber", "set", name, "--url", "http://[::ffff:127.0.0.1]/"]);
        assert_eq!(moved.status.code(), Some(2), "changed, it is looked at, too");
    }
    let unknown = ["--name", "later", "--url", "https://no-such-name.invalid/x", "--format", "relay", "--all"];
    let added = strict.run(&[&["subscriber", "add"], &unknown[..]].concat());
    let received = String::from_utf8(added.stderr).unwrap();
    assert!(added.status.success() && received.contains("no-such-name.invalid"), "a warning only: {received}");
    let file = strict.gate.data().join("gate.toml");
    std::fs::write(&file, "[forward]\nallow_private = true\n").unwrap();
    let by_file = ["--name", "by-file", "--url", &inside.url, "--format", "relay", "--park", DEMO_PARK, "--config"];
    let mut args = [&["subscriber", "add"], &by_file[..]].concat();
    args.extend([file.to_str().unwrap(), "--data", strict.gate.data().to_str().unwrap()]);
    assert!(parkgate_with(Path::new(PARKGATE), &args, &[]).status.success(), "as the gate's file says");
    strict.ok(&["subscriber", "remove", "by-file"]);
    strict.gate.taken("enter", enter("A1", &[]));
    for name in ["address", "name"] {
        until(name, || {
            let waits = strict.json(&["delivery", "list", "--subscriber", name]);
            waits[0]["told"].as_str().is_some_and(|received| received.contains("内网地址"))
        });
    }
    assert_eq!(inside.received().len(), 0);
    let redirecting = TestSubscriber::start(SubscriberAnswer::Redirects(format!("{}/elsewhere", inside.url)));
    let open = Forwarding::on(None, &[]);
    open.subscribe("moved", &redirecting.url, &["--format", "webhook", "--all"]);
    open.gate.taken("enter", enter("A1", &[]));
    until("it was tried again", || open.json(&["delivery", "list"])[0]["attempts"].as_u64() >= Some(2));
    assert!(open.json(&["delivery", "list"])[0]["told"].as_str().unwrap().contains("307"));
    assert_eq!(inside.received().len(), 0);
}

#[test]
fn a_rate_is_kept_to() {
    let city = TestSubscriber::start(SubscriberAnswer::TAKES);
    let front = Forwarding::on(None, &[]);
    front.subscribe("city", &city.url, &["--format", "relay", "--all", "--per-second", "20"]);
    let begun = Instant::now();
    for number in 0..40 {
        front.gate.taken("enter", enter(&format!("T{number}"), &[]));
    }
    front.drained("city");
    assert_eq!(city.received().len(), 40);
    assert!(begun.elapsed() > Duration::from_millis(1500), "{:?}", begun.elapsed());
}

#[test]
fn denied_deliveries_arrive_once_the_platform_knows_us() {
    each_store(|store| {
        let city = TestSubscriber::start(SubscriberAnswer::Says(403, r#"{"code":"403","message":"访问被拦截"}"#));
        let front = Forwarding::on(store, &[]);
        front.subscribe("city", &city.url, &["--format", "openapi", "--app-id", "A1", "--secret", "old", "--all"]);
        front.gate.taken("enter", enter("D1", &[]));
        until("the reason is shown", || front.json(&["delivery", "list"])[0]["told"] == "403 访问被拦截");
        assert_eq!(front.json(&["delivery", "list"])[0]["state"], "pending");
        // Somewhere else, and under a new secret.
        let moved = TestSubscriber::start(SubscriberAnswer::TAKES);
        front.ok(&["subscriber", "set", "city", "--url", &format!("{}/new", moved.url), "--secret", "new"]);
        front.drained("city");
        let received = moved.received();
        let form = received[0].form();
        let unsigned = form.iter().filter(|(name, _)| *name != "sign");
        let unsigned = unsigned.map(|(name, value)| (name.as_str(), value.as_str()));
        assert_eq!(form["sign"], parkgate_wire::sign(unsigned, &parkgate_wire::Secret::new("new")).1);
        assert_eq!(front.run(&["subscriber", "set", "city"]).status.code(), Some(2), "nothing to change");
        assert_eq!(front.run(&["subscriber", "set", "nobody", "--url", &moved.url]).status.code(), Some(1));
        let hook = ["subscriber", "add", "--name", "h", "--url", &moved.url, "--format", "webhook", "--all"];
        let odd = [&hook[..], &["--secret", "whsec_no base64"]].concat();
        assert_eq!(front.run(&odd).status.code(), Some(2), "no secret of the standard");
    });
}

#[test]
fn pictures_for_one_that_hangs_keep_nobody_else_waiting() {
    let (slow, good) = (TestSubscriber::start(SubscriberAnswer::Hangs), TestSubscriber::start(SubscriberAnswer::TAKES));
    let front = Forwarding::on(None, &[("TIMEOUT", "60s")]);
    front.subscribe("slow", &slow.url, &["--format", "relay", "--all"]);
    front.subscribe("good", &good.url, &["--format", "relay", "--all"]);
    let picture = vec![7; 4 << 20];
    let hash = parkgate_testbed::md5_hex(&picture);
    for number in 0..24 {
        let leaving = leave(&format!("P{number}"), &[("leave_image_hash", &hash)]);
        let (_, reply) = front.gate.push_files("leave", leaving, &[("leave_image_file", &picture)]);
        assert_eq!(reply["message"], "OK", "{reply}");
    }
    front.drained("good");
    assert_eq!(good.received().len(), 24);
}
