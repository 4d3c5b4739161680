//! The log of a whole process, which can only be tested from outside: the test starts itself again.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

use std::io::{Read, Write, pipe};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::channel;
use std::time::Duration;

/// Set for the process that logs.
const CHILD: &str = "PARKGATE_LOG_TEST_CHILD";

/// Not a test of its own: panics in a thread, then reports that it went on.
#[test]
fn child() {
    if std::env::var_os(CHILD).is_none() {
        return;
    }
    parkgate_log::to_stderr().unwrap();
    assert!(parkgate_log::to_stderr().is_err(), "one log a process");
    let panics = std::thread::Builder::new().name("panics".into()).spawn(|| panic!("scripted"));
    assert!(panics.unwrap().join().is_err());
    parkgate_log::print("went on");
    parkgate_log::flush(Duration::from_millis(500));
}

fn start(stderr: impl Into<Stdio>) -> Child {
    let mut child = Command::new(std::env::current_exe().unwrap());
    child.args(["--exact", "child", "--nocapture"]).env(CHILD, "1").env_remove("RUST_LOG").env_remove("PARKGATE_LOG");
    child.env_remove("RUST_BACKTRACE").stdout(Stdio::piped()).stderr(stderr).spawn().unwrap()
}

/// Everything it printed. A child that hangs fails the test.
fn printed(mut child: Child) -> String {
    let mut stdout = child.stdout.take().unwrap();
    let (sender, receiver) = channel();
    std::thread::spawn(move || {
        let mut text = String::new();
        stdout.read_to_string(&mut text).unwrap();
        sender.send(text)
    });
    let text = receiver.recv_timeout(Duration::from_secs(60));
    child.kill().unwrap();
    assert!(child.wait().unwrap().success() || text.is_ok());
    text.unwrap_or_else(|_| panic!("it hangs"))
}

#[test]
fn a_panic_is_a_line_of_the_log() {
    let (mut reader, writer) = pipe().unwrap();
    let text = printed(start(writer));
    assert!(text.contains("went on"), "{text}");
    let mut log = String::new();
    reader.read_to_string(&mut log).unwrap();
    let line = log.lines().find(|line| line.contains("scripted")).unwrap_or_else(|| panic!("{log}"));
    assert!(line.contains("\"level\":\"ERROR\"") && line.contains("\"thread\":\"panics\""), "{line}");
    assert!(line.contains("tests/it/main.rs:"), "{line}");
    assert_eq!(log.lines().count(), 1, "the default hook does not write beside it: {log}");
}

#[test]
fn a_panic_does_not_wait_for_a_reader_that_does_not_read() {
    let (reader, writer) = pipe().unwrap();
    let mut filling = writer.try_clone().unwrap();
    std::thread::spawn(move || while filling.write_all(b"\n").is_ok() {});
    let text = printed(start(writer));
    assert!(text.contains("went on"), "{text}");
    drop(reader);
}
