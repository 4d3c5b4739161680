//! Who sends a request, directly and through proxies, and how much of a gate one address may take.

use std::io::{Read, Write};
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use parkgate_testbed::{DEMO_PARK, MultipartBody, TestGate, body, leave, md5_hex, signed};
use serde_json::Value;

use crate::{PARKGATE, demo};

const PROXY: &str = "127.0.0.9";
const CLIENT: &str = "203.0.113.7";

fn with(variables: &[(&str, &str)]) -> TestGate {
    TestGate::with_variables(PARKGATE, &["--demo"], variables)
}

/// Pushes from an address of this machine, with further headers; status and reply.
fn push_from(gate: &TestGate, from: &str, headers: &[(&str, &str)], serial: &str, secret: &str) -> (u16, Value) {
    let from: IpAddr = from.parse().unwrap();
    let http =
        reqwest::blocking::Client::builder().local_address(from).timeout(Duration::from_secs(30)).build().unwrap();
    let request = http
        .post(format!("{}/gate/1.0/parking/internal/leave", gate.url))
        .header("content-type", "application/x-www-form-urlencoded")
        .body(body(&signed(leave(serial, &[]), secret)));
    let request = headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
    let reply = request.send().unwrap();
    (reply.status().as_u16(), serde_json::from_str(&reply.text().unwrap()).unwrap())
}

/// A connection from an address of this machine.
pub(crate) fn connect_from(gate: &TestGate, from: &str) -> TcpStream {
    let (from, to): (IpAddr, SocketAddr) =
        (from.parse().unwrap(), gate.url.strip_prefix("http://").unwrap().parse().unwrap());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let stream = runtime.block_on(async {
        let socket = tokio::net::TcpSocket::new_v4().unwrap();
        socket.bind(SocketAddr::new(from, 0)).unwrap();
        socket.connect(to).await.unwrap()
    });
    let stream = stream.into_std().unwrap();
    stream.set_nonblocking(false).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    stream
}

fn allow(gate: &TestGate, network: &str, from: &str, headers: &[(&str, &str)]) {
    gate.ok(&["park", "set", DEMO_PARK, "--allow", network]);
    let until = Instant::now() + Duration::from_secs(10);
    while push_from(gate, from, headers, "S0", "123").0 == 200 {
        assert!(Instant::now() < until, "the change is not seen");
    }
}

#[test]
fn behind_a_trusted_proxy_the_clients_own_address_is_allowed_and_kept() {
    let gate = with(&[("PARKGATE_HTTP_TRUSTED_PROXIES", "10.0.0.0/8, 127.0.0.9")]);
    allow(&gate, &format!("{CLIENT}/32"), PROXY, &[("X-Forwarded-For", "203.0.113.8")]);
    for (headers, status) in [
        (vec![("X-Forwarded-For", CLIENT)], 200),
        (vec![("X-Forwarded-For", "203.0.113.8, 203.0.113.7, 10.1.1.1")], 200),
        (vec![("X-Forwarded-For", "203.0.113.7"), ("X-Forwarded-For", "10.1.1.1")], 200),
        (vec![("Forwarded", "for=\"203.0.113.7:80\";proto=https, for=10.1.1.1")], 200),
        (vec![("X-Forwarded-For", "203.0.113.7, 203.0.113.8")], 403),
        (vec![("X-Forwarded-For", "203.0.113.7, unknown")], 403),
        (vec![("X-Forwarded-For", CLIENT), ("Forwarded", "for=203.0.113.8")], 403),
        (vec![], 403),
    ] {
        let (found, reply) = push_from(&gate, PROXY, &headers, "S1", "123");
        assert_eq!(found, status, "{headers:?}: {reply}");
    }
    // Never believed from anybody else.
    let (status, reply) = push_from(&gate, "127.0.0.3", &[("X-Forwarded-For", CLIENT)], "S1", "123");
    assert_eq!(status, 403, "{reply}");
    let (status, _) = push_from(&gate, PROXY, &[("X-Forwarded-For", CLIENT)], "S2", "wrong");
    assert_eq!(status, 200);
    let quarantined = gate.json(&["quarantine", "list", "--park", DEMO_PARK]);
    let id = quarantined[0]["id"].to_string();
    assert_eq!(gate.json(&["quarantine", "show", &id])["address"], CLIENT);
    assert!(gate.log().contains(&format!("\"address\":\"{CLIENT}\"")), "{}", gate.log());
}

#[test]
fn without_trusted_proxies_nobody_is_believed() {
    let gate = demo();
    allow(&gate, "127.0.0.3/32", PROXY, &[]);
    assert_eq!(push_from(&gate, "127.0.0.3", &[("X-Forwarded-For", CLIENT)], "S1", "123").0, 200);
    assert_eq!(push_from(&gate, PROXY, &[("X-Forwarded-For", "127.0.0.3")], "S1", "123").0, 403);
}

/// All that comes until the gate closes.
fn rest(stream: &mut TcpStream) -> String {
    let mut reply = Vec::new();
    drop(stream.read_to_end(&mut reply));
    String::from_utf8_lossy(&reply).into_owned()
}

#[test]
fn one_address_has_so_many_connections_and_no_more() {
    let gate = with(&[("PARKGATE_LIMITS_CONNECTIONS_PER_ADDRESS_MAX", "3")]);
    let mut held: Vec<TcpStream> = (0..3).map(|_| connect_from(&gate, "127.0.0.2")).collect();
    let mut one_more = connect_from(&gate, "127.0.0.2");
    let reply = rest(&mut one_more);
    assert!(
        reply.starts_with("HTTP/1.1 503") && reply.contains("retry-after: ") && reply.contains("\"code\":\"503\""),
        "{reply}"
    );
    assert_eq!(push_from(&gate, "127.0.0.3", &[], "S1", "123").0, 200, "others are not concerned");
    // The third is good for a push, and one that ends makes room.
    let form = body(&signed(leave("S2", &[]), "123"));
    let head = "POST /gate/1.0/parking/internal/leave HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: application/x-www-form-urlencoded\r\n";
    held[2].write_all(format!("{head}Content-Length: {}\r\n\r\n{form}", form.len()).as_bytes()).unwrap();
    assert!(rest(&mut held[2]).contains("\"OK\""));
    held.pop();
    let until = Instant::now() + Duration::from_secs(10);
    while push_from(&gate, "127.0.0.2", &[], "S3", "123").0 != 200 {
        assert!(Instant::now() < until, "its place is not given back");
    }
}

#[test]
fn a_trusted_proxy_has_as_many_as_it_needs_and_its_clients_as_many_requests_as_one_address_may() {
    let gate = with(&[("PARKGATE_LIMITS_CONNECTIONS_PER_ADDRESS_MAX", "3"), ("PARKGATE_HTTP_TRUSTED_PROXIES", PROXY)]);
    // Answered 100 Continue, or why not: a request is counted when its header was read.
    let begin = |client: &str| {
        let mut stream = connect_from(&gate, PROXY);
        let head = format!(
            "POST /gate/1.0/parking/internal/leave HTTP/1.1\r\nHost: x\r\nX-Forwarded-For: {client}\r\n\
             Expect: 100-continue\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: 100\r\n\r\n"
        );
        stream.write_all(head.as_bytes()).unwrap();
        let mut status = [0; 12];
        stream.read_exact(&mut status).unwrap();
        (String::from_utf8_lossy(&status).into_owned(), stream)
    };
    let mut held = Vec::new();
    for client in ["203.0.113.1", "203.0.113.2"] {
        for _ in 0..3 {
            let (status, stream) = begin(client);
            assert_eq!(status, "HTTP/1.1 100", "{client}");
            held.push(stream);
        }
    }
    assert_eq!(begin("203.0.113.2").0, "HTTP/1.1 503");
    assert_eq!(push_from(&gate, PROXY, &[("X-Forwarded-For", "203.0.113.3")], "S1", "123").0, 200);
    assert_eq!(push_from(&gate, PROXY, &[], "S2", "123").0, 200, "its own are not counted");
    drop(held);
}

#[test]
fn networks_that_are_none_are_named() {
    let mut serve = std::process::Command::new(PARKGATE);
    serve.args(["serve", "--listen", "127.0.0.1:0", "--data", "/nonexistent/data"]);
    let output = serve.env("PARKGATE_HTTP_TRUSTED_PROXIES", "10.0.0.0/8,10.0.0.0/33").output().unwrap();
    let reported = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{reported}");
    assert!(reported.contains("http.trusted_proxies") && reported.contains("10.0.0.0/33"), "{reported}");
}

/// Begins a form that says it is so long, and sends so much of it.
fn half_sent(gate: &TestGate, from: &str, length: usize, sent: usize) -> TcpStream {
    let mut stream = connect_from(gate, from);
    let head = "POST /gate/1.0/parking/internal/leave HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-www-form-urlencoded\r\n";
    drop(stream.write_all(format!("{head}Content-Length: {length}\r\n\r\n{}", "a".repeat(sent)).as_bytes()));
    stream
}

fn resident_at_most(gate: &TestGate) -> usize {
    let status = std::fs::read_to_string(format!("/proc/{}/status", gate.pid())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<usize>().unwrap() * 1024
}

#[test]
fn bodies_beyond_the_limit_get_503_and_short_pushes_are_accepted_meanwhile() {
    let gate = with(&[("PARKGATE_LIMITS_BODIES_BYTES_MAX", "4194304"), ("PARKGATE_LIMITS_BODY_IDLE_TIMEOUT", "60s")]);
    assert_eq!(push_from(&gate, "127.0.0.3", &[], "S0", "123").0, 200);
    let before = resident_at_most(&gate);
    // 200 × 400 KiB are 78 MiB.
    let address = |index: usize| format!("127.1.0.{}", index + 1);
    let mut held: Vec<TcpStream> =
        (0..200).map(|index| half_sent(&gate, &address(index), 500 * 1024, 400 * 1024)).collect();
    let (until, mut turned_away) = (Instant::now() + Duration::from_secs(20), 0);
    while turned_away < 150 {
        assert!(Instant::now() < until, "{turned_away}");
        held.retain_mut(|line| {
            line.set_nonblocking(true).unwrap();
            let mut reply = [0; 2048];
            let Ok(count) = line.read(&mut reply) else { return true };
            let reply = String::from_utf8_lossy(&reply[..count]).to_ascii_lowercase();
            assert!(reply.starts_with("http/1.1 503") && reply.contains("retry-after: "), "{reply}");
            assert!(reply.contains("connection: close") && !reply.contains("keep-alive"), "{reply}");
            turned_away += 1;
            false
        });
    }
    for number in 0..20 {
        let (status, reply) = push_from(&gate, "127.0.0.3", &[], &format!("S{number}"), "123");
        assert_eq!(status, 200, "{reply}");
    }
    let grown = resident_at_most(&gate) - before;
    assert!(grown < 40 * 1024 * 1024, "{} MiB", grown / 1024 / 1024);
    drop(held);
    // What they took is given back: half of the bound, for one.
    let until = Instant::now() + Duration::from_secs(20);
    let whole = format!("plate={}", "x".repeat(400 * 1024));
    while gate.post("leave", "application/x-www-form-urlencoded", whole.clone().into_bytes()).0 == 503 {
        assert!(Instant::now() < until, "nothing is given back");
    }
}

#[test]
fn half_sent_pictures_are_on_disk_and_count_for_little() {
    let gate = with(&[("PARKGATE_LIMITS_BODIES_BYTES_MAX", "8388608"), ("PARKGATE_LIMITS_BODY_IDLE_TIMEOUT", "60s")]);
    let picture = vec![b'p'; 1024 * 1024];
    let pairs = signed(leave("S1", &[("leave_image_hash", &md5_hex(&picture))]), "123");
    let form = MultipartBody::of(&pairs).file("leave_image_file", &picture).end();
    let half = &form[..form.len() - 1000];
    let mut held = Vec::new();
    for index in 0..20 {
        let mut stream = connect_from(&gate, &format!("127.1.0.{}", index + 1));
        let head = format!(
            "POST /gate/1.0/parking/internal/leave HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: {}\r\nContent-Length: {}\r\n\r\n",
            MultipartBody::content_type(),
            form.len()
        );
        stream.write_all(head.as_bytes()).unwrap();
        stream.write_all(half).unwrap();
        held.push(stream);
    }
    // 20 MiB, of which nothing was turned away.
    for mut stream in held {
        stream.write_all(&form[form.len() - 1000..]).unwrap();
        let reply = rest(&mut stream);
        assert!(reply.contains("\"OK\""), "{reply}");
    }
}

#[test]
fn a_body_that_trickles_is_let_go_however_steadily_it_comes() {
    let gate = with(&[("PARKGATE_LIMITS_BODY_RATE_AFTER", "300ms"), ("PARKGATE_LIMITS_BODY_RATE_MIN", "100000")]);
    let mut stream = half_sent(&gate, "127.0.0.2", 500, 100);
    stream.set_read_timeout(Some(Duration::from_millis(50))).unwrap();
    let begun = Instant::now();
    let mut reply = [0; 2048];
    // Never idle for as long as `body_idle_timeout`, and no longer than `body_timeout`.
    let count = loop {
        if let Ok(count) = stream.read(&mut reply) {
            break count;
        }
        assert!(begun.elapsed() < Duration::from_secs(9), "still listened to");
        drop(stream.write_all(b"a"));
    };
    let reply = String::from_utf8_lossy(&reply[..count]);
    assert!(reply.starts_with("HTTP/1.1 408"), "{reply}");
    // One that comes fast enough is not, however long that takes.
    let gate = with(&[("PARKGATE_LIMITS_BODY_RATE_AFTER", "1ms"), ("PARKGATE_LIMITS_BODY_RATE_MIN", "1")]);
    let form = body(&signed(leave("S1", &[]), "123"));
    let (beginning, end) = form.split_at(form.len() - 1);
    let mut stream = connect_from(&gate, "127.0.0.2");
    let head = "POST /gate/1.0/parking/internal/leave HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: application/x-www-form-urlencoded\r\n";
    stream.write_all(format!("{head}Content-Length: {}\r\n\r\n{beginning}", form.len()).as_bytes()).unwrap();
    std::thread::sleep(Duration::from_millis(100));
    stream.write_all(end.as_bytes()).unwrap();
    assert!(rest(&mut stream).contains("\"OK\""));
}

#[test]
fn an_honest_push_is_answered_beside_dribbling_sockets_and_half_sent_forms() {
    let gate = with(&[
        ("PARKGATE_LIMITS_CONNECTIONS_MAX", "400"),
        ("PARKGATE_LIMITS_CONNECTIONS_PER_ADDRESS_MAX", "100"),
        ("PARKGATE_LIMITS_BODIES_BYTES_MAX", "8388608"),
    ]);
    let dribbling: Vec<TcpStream> = (0..500)
        .map(|_| {
            let mut stream = connect_from(&gate, "127.0.0.2");
            drop(stream.write_all(b"POST /gate HTTP/1.1\r\nX: "));
            stream
        })
        .collect();
    let forms: Vec<TcpStream> = (0..200).map(|_| half_sent(&gate, "127.0.0.4", 512 * 1024, 256 * 1024)).collect();
    for number in 0..50 {
        let (status, reply) = push_from(&gate, "127.0.0.3", &[], &format!("S{number}"), "123");
        assert_eq!((status, &reply["message"]), (200, &Value::from("OK")), "{reply}");
        for mut stream in dribbling.iter().step_by(7) {
            drop(stream.write_all(b"x"));
        }
    }
    drop(forms);
}
