//! What a connection may do, spoken by hand: what follows a body, several requests at once, how long it is kept.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use parkgate_testbed::{TestGate, body, leave, md5_hex, signed};

use crate::{PARKGATE, demo};

/// Far longer than any answer takes, and shorter than any time-out of the gate that is not set by a test.
const SOON: Duration = Duration::from_secs(8);

/// A socket to the gate.
struct Line {
    stream: TcpStream,
    read: Vec<u8>,
}

impl Line {
    fn open(gate: &TestGate) -> Line {
        let stream = TcpStream::connect(gate.url.strip_prefix("http://").unwrap()).unwrap();
        stream.set_read_timeout(Some(SOON)).unwrap();
        Line { stream, read: Vec::new() }
    }

    fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.stream.write_all(bytes.as_ref()).unwrap();
    }

    /// The next whole reply, head and body.
    fn reply(&mut self) -> String {
        loop {
            if let Some(reply) = self.take_reply() {
                return reply;
            }
            let mut piece = [0; 4096];
            let count = self.stream.read(&mut piece).unwrap();
            assert_ne!(count, 0, "closed after {:?}", String::from_utf8_lossy(&self.read));
            self.read.extend_from_slice(&piece[..count]);
        }
    }

    fn take_reply(&mut self) -> Option<String> {
        let text = String::from_utf8_lossy(&self.read).into_owned();
        let (head, rest) = text.split_once("\r\n\r\n")?;
        let length =
            head.to_ascii_lowercase().lines().find_map(|line| line.strip_prefix("content-length: ")?.parse().ok());
        let length: usize = length.unwrap();
        if rest.len() < length {
            return None;
        }
        self.read.drain(..head.len() + 4 + length);
        Some(text[..head.len() + 4 + length].to_owned())
    }

    fn is_closed(&mut self) -> bool {
        self.stream.read(&mut [0; 1]).unwrap() == 0
    }
}

fn form(serial: &str) -> String {
    body(&signed(leave(serial, &[]), "123"))
}

fn head(version: &str, length: usize) -> String {
    format!(
        "POST /gate/1.0/parking/internal/leave HTTP/{version}\r\nHost: x\r\n\
         Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {length}\r\n\r\n"
    )
}

fn push(serial: &str) -> String {
    let form = form(serial);
    format!("{}{form}", head("1.1", form.len()))
}

fn is_taken(reply: &str) -> bool {
    reply.starts_with("HTTP/1.") && reply.contains(" 200 ") && reply.contains("\"message\":\"OK\"")
}

#[test]
fn a_reply_waits_for_nothing_that_follows_the_body() {
    let gate = demo();
    for (name, follows) in
        [("line end", "\r\n"), ("line feed", "\n"), ("two", "\r\n\r\n"), ("next", "POST /gate/1.0/pa")]
    {
        let mut line = Line::open(&gate);
        line.send(format!("{}{follows}", push(name)));
        let reply = line.reply();
        assert!(is_taken(&reply), "{name}: {reply}");
    }
}

#[test]
fn line_ends_between_requests_are_ignored() {
    let gate = demo();
    let mut line = Line::open(&gate);
    line.send(format!("\r\n{}\r\n", push("S1")));
    assert!(is_taken(&line.reply()));
    line.send("\r\n\n");
    line.send(format!("{}\r\n{}", push("S2"), push("S3")));
    assert!(is_taken(&line.reply()));
    assert!(is_taken(&line.reply()));
    assert_eq!(gate.json(&["visit", "list"]).as_array().unwrap().len(), 3);
}

#[test]
fn a_client_of_http_1_0_is_answered_and_the_connection_closed_also_after_a_line_end_it_did_not_count() {
    let gate = demo();
    let form = form("S1");
    let mut line = Line::open(&gate);
    line.send(format!("{}{form}\r\n", head("1.0", form.len())));
    let reply = line.reply();
    assert!(is_taken(&reply), "{reply}");
    assert!(!reply.to_ascii_lowercase().contains("keep-alive"), "{reply}");
    // What comes late must not reset the connection before the client has read its answer.
    line.send("\r\n");
    assert!(line.is_closed());
}

#[test]
fn a_length_in_characters_is_answered_though_bytes_are_left_over() {
    let gate = demo();
    // Not percent-encoded: a character of Chinese is three bytes, and one in this sender's count.
    let form: Vec<String> =
        signed(leave("S1", &[]), "123").iter().map(|(name, value)| format!("{name}={value}")).collect();
    let form = form.join("&");
    let counted = form.chars().count();
    assert!(counted < form.len());
    let mut line = Line::open(&gate);
    line.send(format!("{}{form}", head("1.1", counted)));
    let reply = line.reply();
    assert!(reply.contains("\"seqno\""), "{reply}");
}

#[test]
fn a_push_and_half_of_the_next_and_two_pushes_in_one_segment_are_answered_in_order() {
    let gate = demo();
    let mut line = Line::open(&gate);
    let (second, third) = (push("S2"), push("S3"));
    let (half, rest) = second.split_at(40);
    line.send(format!("{}{half}", push("S1")));
    assert!(is_taken(&line.reply()));
    line.send(format!("{rest}{third}"));
    let replies = [line.reply(), line.reply()];
    assert!(replies.iter().all(|reply| is_taken(reply)), "{replies:?}");
    let seqno = |serial: &str| gate.visit(serial)["leave_seqno"].as_str().map(str::to_owned);
    for (reply, serial) in replies.iter().zip(["S2", "S3"]) {
        let seqno = seqno(serial).unwrap_or_else(|| panic!("{}", gate.visit(serial)));
        assert!(reply.contains(&seqno), "{serial}: {reply}");
    }
}

#[test]
fn a_client_that_ends_its_half_after_the_push_is_answered() {
    let gate = demo();
    let mut line = Line::open(&gate);
    line.send(push("S1"));
    line.stream.shutdown(Shutdown::Write).unwrap();
    let reply = line.reply();
    assert!(is_taken(&reply), "{reply}");
    assert!(line.is_closed());
}

/// Started with these of `[limits]`.
fn with(limits: &[(&str, &str)]) -> TestGate {
    let variables: Vec<(String, &str)> =
        limits.iter().map(|(name, value)| (format!("PARKGATE_LIMITS_{name}"), *value)).collect();
    let variables: Vec<(&str, &str)> = variables.iter().map(|(name, value)| (name.as_str(), *value)).collect();
    TestGate::with_variables(PARKGATE, &["--demo"], &variables)
}

#[test]
fn a_kept_connection_says_for_how_long_and_is_then_closed() {
    let gate = with(&[("IDLE_TIMEOUT", "1500ms"), ("HEADER_TIMEOUT", "300ms")]);
    let mut line = Line::open(&gate);
    for serial in ["S1", "S2"] {
        line.send(push(serial));
        let reply = line.reply().to_ascii_lowercase();
        assert!(
            reply.contains("\r\nconnection: keep-alive\r\n") && reply.contains("\r\nkeep-alive: timeout=1\r\n"),
            "{reply}"
        );
    }
    let answered = Instant::now();
    // Neither the header's time-out nor line ends that are no request change that.
    line.send("\r\n");
    assert!(line.is_closed());
    let kept = answered.elapsed();
    assert!(kept > Duration::from_millis(1400), "{kept:?}");
    // A gate that is not asked otherwise keeps it longer than a header may take.
    let gate = demo();
    let mut line = Line::open(&gate);
    line.send(push("S1"));
    assert!(line.reply().to_ascii_lowercase().contains("\r\nkeep-alive: timeout=75\r\n"));
}

#[test]
fn a_header_that_has_begun_ends_in_its_own_time_on_a_kept_connection_too() {
    let gate = with(&[("IDLE_TIMEOUT", "1h"), ("HEADER_TIMEOUT", "300ms")]);
    assert!(Line::open(&gate).is_closed(), "a connection without a byte");
    let mut line = Line::open(&gate);
    line.send("POST /gate");
    assert!(line.is_closed());
    let mut line = Line::open(&gate);
    line.send(push("S1"));
    assert!(is_taken(&line.reply()));
    line.send("POST /gate");
    assert!(line.is_closed());
}

#[test]
fn a_client_that_closes_is_answered_so_and_not_kept() {
    let gate = demo();
    let mut line = Line::open(&gate);
    line.send(push("S1").replace("Host: x", "Host: x\r\nConnection: foo, Close"));
    let reply = line.reply().to_ascii_lowercase();
    assert!(reply.contains("\r\nconnection: close\r\n") && !reply.contains("keep-alive"), "{reply}");
    assert!(line.is_closed());
    let mut line = Line::open(&gate);
    line.send(push("S2").replace("HTTP/1.1\r\nHost: x", "HTTP/1.0\r\nConnection: Keep-Alive"));
    let reply = line.reply().to_ascii_lowercase();
    assert!(reply.starts_with("http/1.0 200") && reply.contains("\r\nkeep-alive: timeout=75\r\n"), "{reply}");
    line.send(push("S3"));
    assert!(is_taken(&line.reply()), "an old client that asked for it is kept");
}

#[test]
fn where_a_body_is_left_unread_the_connection_is_closed_and_says_so() {
    let gate = demo();
    let form = form("S1");
    for (name, request) in [
        ("no such call", format!("POST /nowhere HTTP/1.1\r\nHost: x\r\nContent-Length: {}\r\n\r\n{form}", form.len())),
        ("too long", head("1.1", 30_000_000)),
    ] {
        let mut line = Line::open(&gate);
        line.send(&request);
        line.stream.shutdown(Shutdown::Write).unwrap();
        let reply = line.reply().to_ascii_lowercase();
        assert!(reply.contains("\r\nconnection: close\r\n") && !reply.contains("keep-alive"), "{name}: {reply}");
        assert!(line.is_closed(), "{name}");
    }
}

#[test]
fn when_all_places_are_taken_the_longest_idle_connection_makes_room() {
    let gate = with(&[("CONNECTIONS_MAX", "3"), ("CONNECTIONS_PER_ADDRESS_MAX", "10")]);
    let mut kept: Vec<Line> = (0..3).map(|_| Line::open(&gate)).collect();
    for (index, line) in kept.iter_mut().enumerate() {
        line.send(push(&format!("S{index}")));
        assert!(is_taken(&line.reply()));
        // Longer ago than the clock's smallest step.
        std::thread::sleep(Duration::from_millis(5));
    }
    // The second one begins to wait anew, and the third is in the middle of a request.
    kept[1].send(push("S3"));
    assert!(is_taken(&kept[1].reply()));
    let last = push("S4");
    let (half, rest) = last.split_at(last.len() - 10);
    kept[2].send(half);
    for serial in ["S5", "S6"] {
        let mut line = Line::open(&gate);
        line.send(push(serial));
        assert!(is_taken(&line.reply()), "{serial}");
    }
    assert!(kept[0].is_closed());
    kept[2].send(rest);
    assert!(is_taken(&kept[2].reply()), "a request is never cut off");
}

#[test]
fn absurd_numbers_of_connections_are_taken_for_as_many_as_the_system_allows() {
    for max in ["16777216", "1"] {
        let gate = with(&[("CONNECTIONS_MAX", max), ("CONNECTIONS_PER_ADDRESS_MAX", max)]);
        gate.taken("leave", leave("S1", &[]));
        assert_eq!(gate.log().contains("RLIMIT_NOFILE"), max != "1", "{}", gate.log());
    }
}

/// The program under these limits of open files, soft and hard, as a script in this folder.
fn under_limits(folder: &Path, soft: u32, hard: u32) -> PathBuf {
    let script = folder.join("parkgate");
    let text = format!("#!/bin/sh\nulimit -S -n {soft}\nulimit -H -n {hard}\nexec {PARKGATE} \"$@\"\n");
    std::fs::write(&script, text).unwrap();
    std::fs::set_permissions(&script, std::fs::Permissions::from_mode(0o755)).unwrap();
    script
}

#[test]
fn the_limit_of_open_files_is_raised_and_more_idle_sockets_than_it_keep_nobody_out() {
    let folder = tempfile::tempdir().unwrap();
    let gate = TestGate::demo(under_limits(folder.path(), 64, 320).to_str().unwrap());
    let limits = std::fs::read_to_string(format!("/proc/{}/limits", gate.pid())).unwrap();
    let files = limits.lines().find(|line| line.starts_with("Max open files")).unwrap();
    assert_eq!(files.split_whitespace().skip(3).take(2).collect::<Vec<_>>(), ["320", "320"]);
    assert!(gate.log().contains("\"connections\":32,"), "{}", gate.log());
    let idle: Vec<Line> = (0..400).map(|_| Line::open(&gate)).collect();
    gate.taken("leave", leave("S1", &[]));
    let with_picture = gate.push_files(
        "leave",
        leave("S2", &[("leave_image_hash", &md5_hex(b"picture"))]),
        &[("leave_image_file", b"picture")],
    );
    assert_eq!(with_picture.0, 200, "{}", with_picture.1);
    drop(idle);
    assert!(!gate.log().contains("could not be accepted"), "{}", gate.log());
}
