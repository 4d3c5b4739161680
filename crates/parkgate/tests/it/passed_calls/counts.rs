//! What was passed on, and what nobody answers, is counted by path.

use std::path::Path;

use parkgate_testbed::{Postgres, parkgate_with};
use serde_json::{Value, json};

use super::*;

/// On SQLite, and on PostgreSQL.
fn each_store(test: impl Fn(&[&str])) {
    test(&["--demo"]);
    let cluster = Postgres::shared();
    let url = cluster.database();
    test(&["--demo", "--store", &url]);
}

#[test]
fn calls_are_listed_by_path_with_their_last_status_also_after_a_restart() {
    each_store(|flags| {
        let upstream = Upstream::writing(|request, line| match asked(request) {
            asked if asked.contains("/gone") => line.shutdown(std::net::Shutdown::Both),
            asked if asked.contains("status=409") => line.write_all(b"HTTP/1.1 409 No\r\ncontent-length: 0\r\n\r\n"),
            _ => line.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nfine"),
        });
        let allowed = ("PARKGATE_FORWARD_ALLOW_PRIVATE", "true");
        let mut gate = TestGate::with_variables(PARKGATE, flags, &[allowed]);
        let data = gate.data().to_str().unwrap().to_owned();
        let run = |args: &[&str]| {
            let more: Vec<&str> = flags.iter().copied().filter(|flag| *flag != "--demo").collect();
            let args = [args, &["--data", &data], &more].concat();
            let output = parkgate_with(Path::new(PARKGATE), &args, &[(allowed.0.into(), allowed.1.into())]);
            assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
            String::from_utf8(output.stdout).unwrap()
        };
        let add = ["subscriber", "add", "--name", "vendor", "--url", &upstream.server.url, "--format", "relay"];
        run(&[&add[..], &["--compare", "--all"]].concat());
        gate.stop();
        gate.start();
        let calls = || serde_json::from_str::<Value>(&run(&["subscriber", "calls", "vendor", "--json"])).unwrap();
        assert_eq!(calls(), json!([]));
        for path in ["/gate/a?plate=1", "//gate/a?plate=2", "/gate/a?status=409", "/gate/gone/", "/gate/b"] {
            call(&gate, Method::GET, path).send().unwrap();
        }
        let short = |calls: &Value| {
            let rows = calls.as_array().unwrap().iter();
            rows.map(|row| json!([row["path"], row["count"], row["last_status"]])).collect::<Value>()
        };
        let expected = json!([["/gate/a", 3, 409], ["/gate/b", 1, 200], ["/gate/gone", 1, 0]]);
        until("they are written down in the background", || short(&calls()) == expected);
        assert!(calls()[0]["last_at"].as_i64().unwrap() > 1_700_000_000_000);
        gate.kill();
        gate.start();
        call(&gate, Method::GET, "/gate/a").send().unwrap();
        // A stop writes what is not written yet.
        gate.stop();
        assert_eq!(short(&calls()), json!([["/gate/a", 4, 200], ["/gate/b", 1, 200], ["/gate/gone", 1, 0]]));
        let listed = run(&["subscriber", "calls", "vendor"]);
        assert!(listed.contains("/gate/a") && listed.contains("无应答"), "{listed}");
    });
}

#[test]
fn ids_in_paths_do_not_grow_what_is_counted_without_end() {
    let upstream = Upstream::fine();
    let mut gate = front(&upstream.server.url, PARK, &[]);
    let client = client();
    let ask = |gate: &TestGate, number: usize, query: &str| {
        client.get(format!("{}/gate/orders/{number}{query}", gate.url)).send().unwrap().status()
    };
    for number in 0..205 {
        assert_eq!(ask(&gate, number, &format!("?park_uuid={DEMO_PARK}")), 200);
        assert_eq!(ask(&gate, number, ""), 404, "it names no park");
    }
    let metrics = gate.metrics();
    let unknown: Vec<&str> = metrics.lines().filter(|line| line.starts_with("parkgate_unknown_calls_total{")).collect();
    assert_eq!(unknown.len(), 201);
    assert!(unknown.contains(&"parkgate_unknown_calls_total{path=\"/gate/orders/7\"} 1"), "{unknown:?}");
    assert!(unknown.contains(&"parkgate_unknown_calls_total{path=\"…\"} 5"), "{unknown:?}");
    gate.stop();
    let calls = gate.json(&["subscriber", "calls", "vendor"]);
    let counted: u64 = calls.as_array().unwrap().iter().map(|row| row["count"].as_u64().unwrap()).sum();
    assert_eq!((calls.as_array().unwrap().len(), counted), (201, 205));
    assert_eq!((&calls[0]["path"], &calls[0]["count"]), (&"…".into(), &5.into()));
}

#[test]
fn without_such_a_subscriber_the_hint_names_the_calls_that_exist() {
    let upstream = Upstream::fine();
    let gate = TestGate::with_variables(PARKGATE, &["--demo"], &[("PARKGATE_FORWARD_ALLOW_PRIVATE", "true")]);
    let add = ["subscriber", "add", "--name", "plain", "--url", &upstream.server.url, "--format", "relay", "--all"];
    gate.ok(&add);
    let sent = call(&gate, Method::POST, "/gate/1.0/parking/internal/blacklist").body("park_uuid=x");
    let reply = sent.send().unwrap();
    assert_eq!(reply.status(), 404);
    let reply: Value = serde_json::from_str(&reply.text().unwrap()).unwrap();
    let hint = reply["hint"].as_str().unwrap();
    for name in
        ["internal/leave", "internal/enter", "internal/release", "internal/update", "enter/before", "realtime/space"]
    {
        assert!(hint.contains(name), "{hint}");
    }
    assert_eq!((&reply["code"], &reply["message"]), (&"400".into(), &"请求参数错误".into()));
    let counted = "parkgate_unknown_calls_total{path=\"/gate/1.0/parking/internal/blacklist\"} 1";
    assert!(gate.metrics().contains(counted), "{}", gate.metrics());
    // A question for free spaces is ours, and asked by GET.
    assert_eq!(call(&gate, Method::PUT, "/gate/1.0/parking/realtime/space").send().unwrap().status(), 405);
    assert_eq!(upstream.received(), 0);
}
