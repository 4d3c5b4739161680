//! An upstream that hangs, is away or answers too much is cut off, and nothing else is slowed.

use std::sync::mpsc::{Receiver, Sender, channel};

use parkgate_testbed::{enter, leave};
use serde_json::Value;

use super::*;

/// An upstream that answers the paths below `/gate/hang` only once the test drops the sender.
fn hanging() -> (Upstream, Sender<()>) {
    let (release, held): (Sender<()>, Receiver<()>) = channel();
    let held = Mutex::new(held);
    let upstream = Upstream::writing(move |request, line| {
        if asked(request).contains("/gate/hang") {
            // Whoever has the lock waits for the test, and the others for them.
            let _ = held.lock().unwrap().recv();
        }
        line.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nfine")
    });
    (upstream, release)
}

fn refused(reply: Response, hint: &str) {
    assert_eq!(reply.status(), 503);
    assert_eq!(
        (reply.headers()["content-type"].to_str().unwrap(), &reply.headers()["retry-after"]),
        ("application/json; charset=UTF-8", &"2".parse::<reqwest::header::HeaderValue>().unwrap())
    );
    let reply: Value = serde_json::from_str(&reply.text().unwrap()).unwrap();
    assert_eq!((&reply["code"], &reply["message"]), (&"503".into(), &"服务暂不可用".into()), "{reply}");
    assert!(reply["hint"].as_str().unwrap().contains(hint), "{reply}");
}

#[test]
fn while_one_platform_hangs_pushes_and_other_calls_go_on() {
    let (upstream, release) = hanging();
    let gate = front(&upstream.server.url, &["--all"], &[]);
    gate.ok(&["park", "add", "--name", "another", "--uuid", "another", "--secret", "s"]);
    until("the gate knows the other park", || {
        call(&gate, Method::GET, "/gate/x?park_uuid=another").send().unwrap().status() == 200
    });
    // Releases and updates, enters and leaves are answered by that platform, too, where they come by other paths.
    let before = upstream.received();
    let address = gate.url.trim_start_matches("http://").to_owned();
    let ask = |park: &str| {
        let mut line = TcpStream::connect(&address).unwrap();
        line.write_all(
            format!("GET /gate/hang?park_uuid={park} HTTP/1.1\r\nHost: g\r\nConnection: close\r\n\r\n").as_bytes(),
        )
        .unwrap();
        line
    };
    let lines: Vec<TcpStream> = (0..32).map(|_| ask(DEMO_PARK)).collect();
    until("half of the places are taken", || upstream.received() == before + 32);
    refused(get(&gate, "/gate/hang"), "转交中的请求过多");
    assert_eq!(upstream.received(), before + 32, "the next one of that park is not passed on");
    let other = ask("another");
    until("another park finds a place", || upstream.received() == before + 33);
    // The same platform answers pushes, which are not in line behind those calls.
    for number in 0..20 {
        let (status, _) = gate.push("enter", enter(&format!("H{number}"), &[]));
        assert_eq!(status, 200);
    }
    let (status, reply) = gate.push("leave", leave("H1", &[]));
    assert_eq!((status, &reply["code"]), (200, &"200".into()), "{reply}");
    drop(release);
    for mut line in lines.into_iter().chain([other]) {
        let mut reply = String::new();
        line.read_to_string(&mut reply).unwrap();
        assert!(reply.ends_with("fine"), "{reply}");
    }
    until("the places are free again", || get(&gate, "/gate/y").status() == 200);
}

#[test]
fn a_platform_that_does_not_answer_in_time_or_at_all_is_answered_for() {
    let (upstream, release) = hanging();
    let mut gate = front(&upstream.server.url, PARK, &[("PARKGATE_FORWARD_TIMEOUT", "300ms")]);
    refused(get(&gate, "/gate/hang"), "没有应答");
    // A park may want each of our replies with 200, since its software reads no other.
    gate.ok(&["park", "set", DEMO_PARK, "--http-200", "always"]);
    until("the gate knows that", || get(&gate, "/gate/hang").status() == 200);
    let reply = get(&gate, "/gate/hang").text().unwrap();
    assert!(reply.contains("\"code\":\"503\""), "{reply}");
    gate.ok(&["park", "set", DEMO_PARK, "--http-200", "errors"]);
    until("the gate knows that, too", || get(&gate, "/gate/hang").status() == 503);
    // Nor one that does not take the body.
    let body = vec![b'a'; 20 * 1024 * 1024];
    let deaf = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", deaf.local_addr().unwrap());
    gate.ok(&["subscriber", "set", "vendor", "--url", &url]);
    gate.stop();
    gate.start();
    let sent = call(&gate, Method::POST, &format!("/gate/x?park_uuid={DEMO_PARK}")).body(body).send();
    refused(sent.unwrap(), "没有应答");
    drop(deaf);
    refused(get(&gate, "/gate/x"), "没有应答");
    let broken = Upstream::saying("this is no HTTP\r\n\r\n");
    gate.ok(&["subscriber", "set", "vendor", "--url", &broken.server.url]);
    gate.stop();
    gate.start();
    refused(get(&gate, "/gate/x"), "没有应答");
    let upgrading = Upstream::saying("HTTP/1.1 101 Switching\r\nupgrade: websocket\r\nconnection: upgrade\r\n\r\n");
    gate.ok(&["subscriber", "set", "vendor", "--url", &upgrading.server.url]);
    gate.stop();
    gate.start();
    refused(get(&gate, "/gate/x"), "没有应答");
    drop(release);
}

/// Answers with so many bytes, in chunks or of a known length.
fn long(bytes: usize, is_chunked: bool, line: &mut TcpStream) -> std::io::Result<()> {
    let piece = [b'x'; 64 * 1024];
    let head = if is_chunked { "transfer-encoding: chunked".to_owned() } else { format!("content-length: {bytes}") };
    line.write_all(format!("HTTP/1.1 200 OK\r\n{head}\r\n\r\n").as_bytes())?;
    for at in (0..bytes).step_by(piece.len()) {
        let piece = &piece[..piece.len().min(bytes - at)];
        if is_chunked {
            line.write_all(format!("{:x}\r\n", piece.len()).as_bytes())?;
        }
        line.write_all(piece)?;
        if is_chunked {
            line.write_all(b"\r\n")?;
        }
    }
    if is_chunked { line.write_all(b"0\r\n\r\n") } else { Ok(()) }
}

const MIB: usize = 1024 * 1024;

#[test]
fn a_long_answer_streams_through_and_one_past_the_bound_is_cut_off() {
    let upstream = Upstream::writing(|request, line| {
        let mut path = asked(request).split(['/', '?']);
        let (size, is_chunked) = (path.nth(2).unwrap(), path.next() == Some("chunked"));
        long(size.parse().unwrap(), is_chunked, line)
    });
    let gate = front(&upstream.server.url, PARK, &[]);
    for path in [format!("/gate/{}", 20 * MIB), format!("/gate/{}/chunked", 32 * MIB), format!("/gate/{}", 32 * MIB)] {
        let reply = get(&gate, &path);
        assert_eq!(reply.status(), 200);
        let size: usize = path.split('/').nth(2).unwrap().parse().unwrap();
        assert_eq!(reply.bytes().unwrap().len(), size, "{path}");
    }
    // Its length says so at once.
    refused(get(&gate, &format!("/gate/{}", 32 * MIB + 1)), "上游应答超过33554432字节");
    // It says so only once it has begun.
    let path = format!("/gate/{}/chunked", 32 * MIB + 1);
    let reply = get(&gate, &path);
    assert_eq!(reply.status(), 200);
    assert!(reply.bytes().is_err(), "an answer that was cut off must not look whole");
    until("the log says so", || gate.log().contains("cut off"));
    assert_eq!(get(&gate, "/gate/1").text().unwrap(), "x");
}

#[test]
fn an_answer_that_ends_or_stops_midway_is_cut_off_there() {
    let (release, held): (Sender<()>, Receiver<()>) = channel();
    let held = Mutex::new(held);
    let upstream = Upstream::writing(move |request, line| {
        line.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nthe beginning")?;
        if asked(request).contains("/gate/stops") {
            let _ = held.lock().unwrap().recv();
        }
        Err(std::io::ErrorKind::Other.into())
    });
    let gate = front(&upstream.server.url, PARK, &[("PARKGATE_LIMITS_BODY_IDLE_TIMEOUT", "300ms")]);
    for path in ["/gate/ends", "/gate/stops"] {
        let head = format!("GET {path}?park_uuid={DEMO_PARK} HTTP/1.1\r\nHost: g\r\n\r\n");
        // The connection is closed, though nobody asked for that.
        let reply = String::from_utf8(raw(&gate, head.as_bytes())).unwrap();
        // What ends at once may not have begun here yet.
        if !reply.is_empty() || path == "/gate/stops" {
            assert!(reply.starts_with("HTTP/1.1 200") && reply.contains("content-length: 100\r\n"), "{reply}");
            assert!(reply.ends_with("the beginning"), "{reply}");
        }
    }
    drop(release);
}

#[test]
fn a_body_is_bounded_in_size_and_time_as_any_other() {
    let upstream = Upstream::fine();
    let limits = [("PARKGATE_LIMITS_BODY_BYTES_MAX", "100000"), ("PARKGATE_LIMITS_BODY_IDLE_TIMEOUT", "1s")];
    let gate = front(&upstream.server.url, PARK, &limits);
    let head = |more: &str| format!("POST /gate/x?park_uuid={DEMO_PARK} HTTP/1.1\r\nHost: g\r\n{more}\r\n\r\n");
    let ask = |request: String| String::from_utf8(raw(&gate, request.as_bytes())).unwrap();
    let whole = "x".repeat(100_000);
    let reply = ask(head("Content-Length: 100000\r\nConnection: close") + &whole);
    assert!(reply.ends_with("fine"), "{reply}");
    let before = upstream.received();
    let reply = ask(head("Content-Length: 100001") + &whole + "x");
    assert!(reply.starts_with("HTTP/1.1 413") && reply.contains("\"code\":\"400\""), "{reply}");
    let reply = ask(head("Transfer-Encoding: chunked") + &format!("186a1\r\n{whole}x\r\n0\r\n\r\n"));
    assert!(reply.starts_with("HTTP/1.1 413"), "{reply}");
    for beginning in ["", "abc"] {
        let reply = ask(head("Content-Length: 10") + beginning);
        assert!(reply.starts_with("HTTP/1.1 408"), "{reply}");
    }
    // While its park is looked for, too.
    let reply = ask("POST /gate/x HTTP/1.1\r\nHost: g\r\nContent-Length: 10\r\n\r\nabc".into());
    assert!(reply.starts_with("HTTP/1.1 408"), "{reply}");
    assert_eq!(upstream.received(), before, "none of these arrived whole");
    assert_eq!(get(&gate, "/gate/x").status(), 200);
}

#[test]
fn an_answer_that_comes_before_the_body_was_taken_is_passed_back_and_ends_the_connection() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let serving = std::thread::spawn(move || {
        let (mut line, _) = listener.accept().unwrap();
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            line.read_exact(&mut byte).unwrap();
            head.push(byte[0]);
        }
        line.write_all(b"HTTP/1.1 413 Long\r\ncontent-length: 3\r\n\r\nbig").unwrap();
        line
    });
    let gate = front(&url, PARK, &[]);
    let mut line = TcpStream::connect(gate.url.trim_start_matches("http://")).unwrap();
    let length = 10 * MIB;
    let head = format!("POST /gate/x?park_uuid={DEMO_PARK} HTTP/1.1\r\nHost: g\r\nContent-Length: {length}\r\n\r\n");
    line.write_all(head.as_bytes()).unwrap();
    // Only a beginning of it is sent: the answer does not wait for the rest.
    line.write_all(&[b'x'; 1000]).unwrap();
    let mut reply = String::new();
    line.read_to_string(&mut reply).unwrap();
    assert!(reply.starts_with("HTTP/1.1 413") && reply.contains("connection: close\r\n"), "{reply}");
    assert!(reply.ends_with("big"), "{reply}");
    drop(serving.join().unwrap());
}

#[test]
fn a_private_address_is_refused_here_too() {
    let upstream = Upstream::fine();
    let mut gate = front(&upstream.server.url, PARK, &[]);
    assert_eq!(get(&gate, "/gate/x").status(), 200);
    gate.stop();
    gate.variables.retain(|(name, _)| name != "PARKGATE_FORWARD_ALLOW_PRIVATE");
    gate.start();
    refused(get(&gate, "/gate/x"), "没有应答");
    gate.stop();
    // By name, too: what it resolves to is checked.
    gate.set_variables(&[("PARKGATE_FORWARD_ALLOW_PRIVATE".into(), "true".into())]);
    gate.ok(&["subscriber", "set", "vendor", "--url", &upstream.server.url.replace("127.0.0.1", "localhost")]);
    gate.set_variables(&[]);
    gate.start();
    refused(get(&gate, "/gate/x"), "没有应答");
    assert!(gate.log().contains("allow_private"), "the log says why");
    assert_eq!(upstream.received(), 1);
}

#[test]
fn a_platform_that_closes_each_connection_without_saying_so_is_asked_anew() {
    let upstream = Upstream::writing(|_, line| {
        line.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nfine")?;
        line.shutdown(std::net::Shutdown::Both)
    });
    let gate = front(&upstream.server.url, PARK, &[]);
    for number in 0..50 {
        let reply = get(&gate, &format!("/gate/{number}"));
        assert_eq!((number, reply.status().as_u16()), (number, 200));
    }
    for number in 0..50 {
        let reply =
            call(&gate, Method::POST, &format!("/gate/{number}?park_uuid={DEMO_PARK}")).body("a=1").send().unwrap();
        assert_eq!((number, reply.status().as_u16()), (number, 200));
    }
}
