//! What a connection may do, spoken by hand: what follows a body, several requests at once, how long it is kept.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::time::Duration;

use parkgate_testbed::{Gate, body, leave, signed};

use crate::demo;

/// Far longer than any answer takes, and shorter than any time-out of the gate that is not set by a test.
const SOON: Duration = Duration::from_secs(8);

/// A socket to the gate.
struct Line {
    stream: TcpStream,
    read: Vec<u8>,
}

impl Line {
    fn open(gate: &Gate) -> Line {
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
            let count = self.stream.read(&mut piece).expect("an answer in time");
            assert_ne!(count, 0, "closed after {:?}", String::from_utf8_lossy(&self.read));
            self.read.extend_from_slice(&piece[..count]);
        }
    }

    fn take_reply(&mut self) -> Option<String> {
        let text = String::from_utf8_lossy(&self.read).into_owned();
        let (head, rest) = text.split_once("\r\n\r\n")?;
        let length = head.to_ascii_lowercase().lines().find_map(|line| line.strip_prefix("content-length: ")?.parse().ok());
        let length: usize = length.unwrap();
        if rest.len() < length {
            return None;
        }
        self.read.drain(..head.len() + 4 + length);
        Some(text[..head.len() + 4 + length].to_owned())
    }

    fn is_closed(&mut self) -> bool {
        self.stream.read(&mut [0; 1]).expect("closed in time") == 0
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
    for (name, follows) in [("line end", "\r\n"), ("line feed", "\n"), ("two", "\r\n\r\n"), ("next", "POST /gate/1.0/pa")] {
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
    let form: Vec<String> = signed(leave("S1", &[]), "123").iter().map(|(name, value)| format!("{name}={value}")).collect();
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
    let seqno = |serial: &str| gate.visit(serial)["leave"]["seqno"].as_str().map(str::to_owned);
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
