//! Start, stop, health and figures.

use parkgate_testbed::leave;
use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::process::{Command, Stdio};

use crate::{PARKGATE, demo};

/// Status and body, as asked with these flags of curl.
fn asked(flags: &[&str], url: &str) -> (u16, String) {
    let output = Command::new("curl").args(["-s", "-w", "\n%{http_code}"]).args(flags).arg(url).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let (body, status) = text.rsplit_once('\n').unwrap();
    (status.parse().unwrap(), body.to_owned())
}

fn get(address: &str, path: &str) -> (u16, String) {
    asked(&[], &format!("{address}{path}"))
}

#[test]
fn a_stop_drains_exits_zero_and_leaves_everything_in_one_file() {
    let mut gate = demo();
    gate.taken("leave", leave("S1", &[]));
    assert_eq!(gate.stop(), Some(0));
    let wal = std::fs::metadata(gate.data().join("parkgate.db-wal")).map_or(0, |wal| wal.len());
    assert_eq!(wal, 0);
    gate.start();
    assert_eq!(gate.visit("S1")["state"], "left");
}

#[test]
fn health_readiness_and_figures_are_served() {
    let gate = demo();
    gate.taken("leave", leave("S1", &[]));
    let (public, admin) = (|path| get(&gate.url, path), |path| get(&gate.admin_url, path));
    assert_eq!((public("/healthz"), admin("/healthz")), ((200, "ok\n".into()), (200, "ok\n".into())));
    assert_eq!(public("/readyz"), (200, r#"{"ready":true}"#.into()));
    let (status, body) = admin("/readyz");
    let found: serde_json::Value = serde_json::from_str(&body).unwrap();
    let expected = serde_json::json!({
        "ready": true, "draining": false, "parts": "ok", "store": "ok", "images": "ok", "durability": "ok",
        "disk": "ok", "quarantine": "ok",
    });
    assert_eq!((status, found), (200, expected));
    // Figures name parks: not where everybody reaches them.
    let (status, body) = public("/metrics");
    assert_eq!((status, body.contains("--admin-listen")), (404, true), "{body}");
    let (status, body) = admin("/metrics");
    assert_eq!(status, 200);
    assert!(body.contains("parkgate_pushes_total{kind=\"leave\",result=\"recorded\"} 1"), "{body}");
    assert!(body.contains("parkgate_commit_pushes_sum 1.0"), "{body}");
    assert!(body.contains("parkgate_push_duration_seconds_count{result=\"recorded\"} 1"), "{body}");
    assert!(body.contains("parkgate_ready 1"), "{body}");
}

#[test]
fn the_admin_address_answers_to_no_name_that_somebody_else_could_point_at_it() {
    let gate = demo();
    let port = gate.admin_url.rsplit_once(':').unwrap().1;
    let metrics = format!("{}/metrics", gate.admin_url);
    for host in ["localhost", &format!("LocalHost:{port}"), "127.0.0.1", "[::1]"] {
        assert_eq!(asked(&["-H", &format!("Host: {host}")], &metrics).0, 200, "{host}");
    }
    for host in ["evil.example", &format!("evil.example:{port}"), "localhost.evil.example", "127.0.0.1.evil.example"] {
        let (status, body) = asked(&["-H", &format!("Host: {host}")], &metrics);
        assert_eq!((status, body.contains("parkgate_")), (421, false), "{host}: {body}");
    }
    // Through a proxy the name stands in the request line.
    assert_eq!(asked(&["-x", &gate.admin_url], "http://evil.example/metrics").0, 421);
}

/// Starts a gate on a folder of its own; what it printed up to the line with its address, and itself.
fn printed(folder: &std::path::Path, flags: &[&str]) -> (Vec<String>, std::process::Child) {
    let mut child = Command::new(PARKGATE)
        .args(["serve", "--listen", "127.0.0.1:0", "--data"])
        .arg(folder)
        .args(flags)
        .env_remove("PARKGATE_ADMIN_LISTEN")
        .stdout(Stdio::piped())
        .stderr(std::fs::File::create(folder.with_extension("log")).unwrap())
        .spawn()
        .unwrap();
    let mut lines = Vec::new();
    for line in BufReader::new(child.stdout.take().unwrap()).lines() {
        lines.push(line.unwrap());
        if lines.last().unwrap().starts_with("listening on ") {
            break;
        }
    }
    (lines, child)
}

#[test]
fn an_admin_address_that_nobody_asked_for_gives_way_and_one_that_was_asked_for_does_not() {
    let folder = tempfile::tempdir().unwrap();
    // Taken by us, or by another gate of this machine: either way not free.
    let taken = TcpListener::bind("127.0.0.1:8081");
    let data = folder.path().join("default");
    let (lines, mut gate) = printed(&data, &[]);
    let admin = lines[0].strip_prefix("admin on ").unwrap_or_else(|| panic!("{lines:?}"));
    assert_ne!(admin, "http://127.0.0.1:8081");
    assert_eq!(get(admin, "/readyz").0, 200);
    let log = std::fs::read_to_string(data.with_extension("log")).unwrap();
    assert!(log.contains("--admin-listen") && log.contains(admin.strip_prefix("http://").unwrap()), "{log}");
    gate.kill().unwrap();
    gate.wait().unwrap();
    drop(taken);

    let (lines, mut gate) = printed(&folder.path().join("off"), &["--admin-listen", "off"]);
    assert!(lines.len() == 1 && lines[0].starts_with("listening on "), "{lines:?}");
    gate.kill().unwrap();
    gate.wait().unwrap();

    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    for (value, expected, code) in
        [(address.as_str(), "--admin-listen 127.0.0.1:0", 1), ("8081", "admin_listen = 8081", 2)]
    {
        let data = folder.path().join("set");
        let words = ["serve", "--listen", "127.0.0.1:0", "--admin-listen", value, "--data", data.to_str().unwrap()];
        let output = parkgate_testbed::parkgate(PARKGATE.as_ref(), &words);
        let reported = String::from_utf8(output.stderr).unwrap();
        assert_eq!((output.status.code(), reported.contains(expected)), (Some(code), true), "{reported}");
    }
}

#[test]
fn every_log_line_of_a_request_has_its_seqno_and_no_secret() {
    let gate = demo();
    let (_, reply) = gate.push("leave", leave("S1", &[("enter_time", "1")]));
    let seqno = reply["seqno"].as_str().unwrap();
    let log = gate.log();
    let line = log.lines().find(|line| line.contains(seqno)).unwrap();
    assert!(serde_json::from_str::<serde_json::Value>(line).is_ok(), "JSON where no terminal is: {line}");
    assert!(!log.contains("app_secret") && !log.contains("粤B12345"));
}

#[test]
fn a_second_start_on_the_same_port_says_what_to_do() {
    let gate = demo();
    let listen = gate.url.strip_prefix("http://").unwrap();
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().to_str().unwrap();
    let output = parkgate_testbed::parkgate(PARKGATE.as_ref(), &["serve", "--listen", listen, "--data", data]);
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8(output.stderr).unwrap().contains("--listen 127.0.0.1:0"));
}
