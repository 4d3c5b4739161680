//! Clocks that jump, as the program sees them: what ages is kept, what is given up goes on, and what a wrong clock made due
//! waits no longer than anything does.

use std::path::Path;
use std::process::Command;

use parkgate_testbed::{DEMO_PARK, SubscriberAnswer, TestGate, TestSubscriber, body, enter, leave, signed};
use serde_json::Value;

use crate::PARKGATE;
use crate::replies::eventually;

const SETTINGS: [(&str, &str); 4] = [
    ("PARKGATE_FORWARD_ALLOW_PRIVATE", "true"),
    ("PARKGATE_FORWARD_RETRY_FIRST", "50ms"),
    ("PARKGATE_FORWARD_RETRY_MAX", "200ms"),
    ("PARKGATE_FORWARD_GIVE_UP_AFTER", "3d"),
];

/// In place of the C library's: the system's clock is ahead, the monotonic one as it is. (`faketime` looks up symbols in a way
/// that the program's allocator does not survive.)
const AHEAD: &str = r#"
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>
int clock_gettime(clockid_t clock, struct timespec *now) {
    const char *ahead = getenv("AHEAD_SECONDS");
    int failed = syscall(SYS_clock_gettime, clock, now);
    if (!failed && ahead && clock == CLOCK_REALTIME) now->tv_sec += atol(ahead);
    return failed;
}
"#;

/// Settings with the system's clock so far ahead.
fn ahead(folder: &Path, days: u32) -> Vec<(String, String)> {
    let (source, library) = (folder.join("ahead.c"), folder.join("ahead.so"));
    std::fs::write(&source, AHEAD).unwrap();
    let built = Command::new("cc").args(["-shared", "-fPIC", "-o"]).args([&library, &source]).status();
    assert!(built.unwrap().success());
    let seconds = (days * 24 * 60 * 60).to_string();
    let faked = [("LD_PRELOAD", library.to_str().unwrap()), ("AHEAD_SECONDS", &seconds)];
    SETTINGS.iter().chain(&faked).map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

#[test]
fn a_clock_that_jumps_ahead_deletes_no_quarantine_and_kills_no_delivery_and_what_it_made_due_comes_back() {
    let city = TestSubscriber::start(SubscriberAnswer::Says(500, "later"));
    let mut gate = TestGate::with_variables(PARKGATE, &["--demo"], &SETTINGS);
    let add =
        ["subscriber", "add", "--name", "city", "--url", &city.url, "--format", "relay", "--secret", "s", "--all"];
    gate.ok(&add);
    let wrong = body(&signed(leave("W", &[]), "wrong")).into_bytes();
    assert_eq!(gate.post("leave", "application/x-www-form-urlencoded", wrong).0, 200);
    eventually(|| gate.json(&["subscriber", "list"]).as_array().unwrap().len() == 1);
    gate.taken("leave", leave("S1", &[]));
    let deliveries = |gate: &TestGate| gate.json(&["delivery", "list"]);
    let attempts = |gate: &TestGate| deliveries(gate)[0]["attempts"].as_u64().unwrap_or(0);
    eventually(|| attempts(&gate) > 0);

    // Started again a year later, as its clock says.
    gate.stop();
    let before = { attempts(&gate) };
    let shim = tempfile::tempdir().unwrap();
    gate.set_variables(&ahead(shim.path(), 400));
    gate.start();
    eventually(|| attempts(&gate) > before + 1);
    // A car park whose clock is right confirms nothing of it.
    gate.taken("enter", enter("S2", &[]));
    let kept = |gate: &TestGate| gate.json(&["quarantine", "list"]).as_array().unwrap().len();
    assert_eq!(kept(&gate), 1);
    assert!(deliveries(&gate).as_array().unwrap().iter().all(|delivery| delivery["state"] == "pending"));
    assert!(gate.log().contains("the clock is ahead of what is confirmed"), "{}", gate.log());

    // And set right: what was due in a year is due within the longest wait, which is the time for an answer here.
    gate.stop();
    let settings: Vec<_> = SETTINGS.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    gate.set_variables(&settings);
    gate.start();
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_millis() as i64;
    let next = |delivery: &Value| delivery["next_at"].as_i64().unwrap();
    eventually(|| deliveries(&gate).as_array().unwrap().iter().all(|delivery| next(delivery) < now + 60_000));
    city.turns(SubscriberAnswer::TAKES);
    gate.ok(&["delivery", "retry", "--subscriber", "city"]);
    assert_eq!(kept(&gate), 1);
    assert_eq!(gate.json(&["park", "show", DEMO_PARK])["quarantine_pushes"], 1);
}
