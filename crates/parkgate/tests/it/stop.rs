//! Start, stop, health and figures.

use parkgate_testbed::{Gate, leave};
use std::process::Command;

use crate::{PARKGATE, demo};

fn get(gate: &Gate, path: &str) -> (u16, String) {
    let output =
        Command::new("curl").args(["-s", "-w", "\n%{http_code}", &format!("{}{path}", gate.url)]).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let (body, status) = text.rsplit_once('\n').unwrap();
    (status.parse().unwrap(), body.to_owned())
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
    assert_eq!(get(&gate, "/healthz"), (200, "ok\n".into()));
    let (status, body) = get(&gate, "/readyz");
    assert_eq!((status, body.contains("\"ready\":true")), (200, true), "{body}");
    let (status, body) = get(&gate, "/metrics");
    assert_eq!(status, 200);
    assert!(body.contains("parkgate_pushes_total{kind=\"leave\",result=\"Recorded\"} 1"), "{body}");
    assert!(body.contains("parkgate_recorder_pushes_total 1"), "{body}");
    assert_eq!(body.matches("# EOF").count(), 1);
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
