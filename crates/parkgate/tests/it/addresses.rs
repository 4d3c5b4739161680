//! Who sends a request, directly and through proxies, and how much of a gate one address may take.

use std::io::{Read, Write};
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use parkgate_testbed::{DEMO_PARK, Gate, body, leave, signed};
use serde_json::Value;

use crate::{PARKGATE, demo};

const PROXY: &str = "127.0.0.9";
const CLIENT: &str = "203.0.113.7";

fn with(variables: &[(&str, &str)]) -> Gate {
    Gate::with_variables(PARKGATE, &["--demo"], variables)
}

/// Pushes from an address of this machine, with further headers; status and reply.
fn push_from(gate: &Gate, from: &str, headers: &[(&str, &str)], serial: &str, secret: &str) -> (u16, Value) {
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
pub(crate) fn connect_from(gate: &Gate, from: &str) -> TcpStream {
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

fn allow(gate: &Gate, network: &str, from: &str, headers: &[(&str, &str)]) {
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
    // Told to go on with its body, or why not: a request is counted when its header was read.
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
    let told = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{told}");
    assert!(told.contains("http.trusted_proxies") && told.contains("10.0.0.0/33"), "{told}");
}
