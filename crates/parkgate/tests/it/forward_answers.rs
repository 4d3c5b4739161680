//! What subscribers answer in the field, and what it means to a delivery.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::time::{Duration, Instant};

use parkgate_testbed::{Scripted, ScriptedReply, TestGate, enter, leave, md5_hex, release, update};
use serde_json::Value;

use crate::PARKGATE;
use crate::replies::eventually;

fn forwarding(variables: &[(&str, &str)]) -> TestGate {
    let folder = tempfile::tempdir().unwrap().keep();
    let mut gate = TestGate::stopped(PARKGATE, &folder.join("data"), &["--demo"]);
    let base = [("ALLOW_PRIVATE", "true"), ("RETRY_FIRST", "20ms"), ("RETRY_MAX", "200ms"), ("TIMEOUT", "4s")];
    for (name, value) in base.iter().chain(variables) {
        gate.variables.retain(|(known, _)| *known != format!("PARKGATE_FORWARD_{name}"));
        gate.variables.push((format!("PARKGATE_FORWARD_{name}"), (*value).to_owned()));
    }
    gate.start();
    gate
}

fn subscribe(gate: &TestGate, url: &str, format: &str) {
    let args = ["subscriber", "add", "--name", "city", "--url", url, "--format", format, "--secret", "s", "--all"];
    let added = gate.run(&args);
    assert!(added.status.success(), "{}", String::from_utf8_lossy(&added.stderr));
}

fn counts(gate: &TestGate) -> (Value, Value) {
    let shown = gate.json(&["subscriber", "show", "city"]);
    (shown["pending"].clone(), shown["dead"].clone())
}

/// A server whose answers to webhooks never are what their heads say.
fn sloppy(answers: Vec<&'static [u8]>) -> (String, std::sync::Arc<std::sync::atomic::AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/hook", listener.local_addr().unwrap());
    let requests = std::sync::Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let counted = std::sync::Arc::clone(&requests);
    std::thread::spawn(move || {
        for mut line in listener.incoming().flatten() {
            let number = counted.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
            let answer = answers[number % answers.len()];
            std::thread::spawn(move || {
                let mut request = [0; 65536];
                let _ = line.read(&mut request);
                let _ = line.write_all(answer);
                if answer.ends_with(b"endless") {
                    // Until the other side has had enough.
                    while line.write_all(&[b'x'; 16384]).is_ok() {}
                }
                if answer.ends_with(b"silent") {
                    let _ = line.read_to_end(&mut Vec::new());
                }
            });
        }
    });
    (url, requests)
}

#[test]
fn a_webhooks_success_is_its_status_whatever_the_body() {
    let answers: Vec<&'static [u8]> = vec![
        b"HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\ncut off",
        b"HTTP/1.1 202 Accepted\r\ncontent-length: 99999999\r\n\r\nendless",
        b"HTTP/1.1 204 No Content\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\nsilent",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nnot a chunk at all\r\n",
        b"HTTP/1.1 201 Created\r\ncontent-length: 16\r\n\r\n{\"code\":\"500\"...",
    ];
    let sent = answers.len();
    let (url, requests) = sloppy(answers);
    let gate = forwarding(&[]);
    subscribe(&gate, &url, "webhook");
    for number in 0..sent {
        gate.taken("enter", enter(&format!("W{number}"), &[]));
    }
    eventually(|| counts(&gate) == (Value::from(0), Value::from(0)));
    assert_eq!(requests.load(std::sync::atomic::Ordering::SeqCst), sent, "each was sent once");
}

#[test]
fn a_relay_that_is_too_large_goes_once_more_without_its_pictures() {
    let platform = Scripted::start(|request| match String::from_utf8_lossy(&request.body).contains("GIF89a") {
        true => ScriptedReply::says(413, "<html>too large</html>"),
        false => ScriptedReply::says(200, r#"{"code":"200"}"#),
    });
    let gate = forwarding(&[]);
    subscribe(&gate, &platform.url, "relay");
    let hash = md5_hex(b"GIF89a car");
    let pairs = leave("L1", &[("leave_image_hash", &hash)]);
    let (_, reply) = gate.push_files("leave", pairs, &[("leave_image_file", b"GIF89a car")]);
    assert_eq!(reply["message"], "OK", "{reply}");
    eventually(|| counts(&gate) == (Value::from(0), Value::from(0)));
    assert_eq!(platform.requests(), 2);

    let all = Scripted::start(|_| ScriptedReply::says(413, "<html>too large</html>"));
    let gate = forwarding(&[]);
    subscribe(&gate, &all.url, "relay");
    gate.taken("leave", leave("L1", &[]));
    eventually(|| counts(&gate) == (Value::from(0), Value::from(1)));
    assert_eq!(all.requests(), 1, "it had none");
}

/// It is not away: what it knows goes on as it did, and what it lacks is a dead letter that says so.
#[test]
fn a_platform_that_lacks_releases_and_updates_gets_everything_else() {
    let platform = Scripted::start(|request| {
        let lacks = ["/release ", "/update "].iter().any(|call| request.head.contains(call));
        match lacks {
            true => ScriptedReply::says(404, "<html>not found</html>"),
            false => ScriptedReply::says(200, r#"{"code":"200"}"#),
        }
    });
    let gate = forwarding(&[]);
    subscribe(&gate, &platform.url, "relay");
    gate.ok(&["subscriber", "set", "city", "--events", "enter,leave,release,update"]);
    for number in 0..10 {
        let serial = format!("L{number}");
        gate.taken("leave", leave(&serial, &[]));
        for (call, pairs) in [("release", release(&serial, &[])), ("update", update(&serial, &serial, &[]))] {
            assert_eq!(gate.push(call, pairs).1["code"], "1001");
        }
    }
    eventually(|| counts(&gate) == (Value::from(0), Value::from(20)));
    assert_eq!(platform.requests(), 30, "each once");
    let dead = gate.json(&["delivery", "list", "--state", "dead"]).to_string();
    assert!(dead.contains("平台没有`release`接口") && dead.contains("平台没有`update`接口"), "{dead}");
}

#[test]
fn a_date_to_come_back_at_is_kept_within_bounds() {
    let asks = "retry-after: Fri, 31 Dec 9999 23:59:59 GMT\r\n";
    for format in ["webhook", "relay"] {
        let platform = Scripted::start(move |request| match request.number {
            1 => ScriptedReply { status: 503, headers: asks, body: Vec::new() },
            _ => ScriptedReply::says(200, r#"{"code":"200"}"#),
        });
        let gate = forwarding(&[("RETRY_MAX", "600ms")]);
        subscribe(&gate, &platform.url, format);
        gate.taken("leave", leave("L1", &[]));
        eventually(|| platform.requests() == 1);
        let first = Instant::now();
        eventually(|| platform.requests() == 2);
        assert!(first.elapsed() >= Duration::from_millis(500), "{format}: the first wait alone is 20 ms");
        eventually(|| counts(&gate) == (Value::from(0), Value::from(0)));
    }
}
