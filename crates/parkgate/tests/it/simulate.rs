//! A car park in a box: its own books and the platform's agree, whatever the line did.

use std::path::Path;

use parkgate_testbed::{DEMO_PARK, Scripted, ScriptedReply, TestGate, parkgate};
use serde_json::{Value, json};

use crate::{PARKGATE, demo};

/// A day of a car park with 500 spaces; few pictures, since a build for tests draws slowly.
fn day(gate: &TestGate, more: &[&str]) -> Value {
    let day = ["--day", "24h", "--start", "1760000000000", "--rate", "0", "--pictures", "0.02", "--json"];
    let to = ["simulate", "--url", &gate.url, "--secret", "123", "--park", DEMO_PARK];
    let output = parkgate(Path::new(PARKGATE), &[&to[..], &day, more].concat());
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

/// What the platform has, in the words of the car park's books.
fn on_the_platform(gate: &TestGate) -> Value {
    let visits = gate.json(&["visit", "list", "--unmask", "--limit", "10000"]);
    let visits = visits.as_array().unwrap();
    let count = |half: &str| visits.iter().filter(|visit| visit[half].is_string()).count();
    let payments: Vec<&Value> = visits.iter().flat_map(|visit| visit["payments"].as_array().unwrap()).collect();
    let paid = |pay_type: u64| -> u64 {
        let of = payments.iter().filter(|payment| payment["pay_type"] == pay_type);
        of.map(|payment| payment["value"].as_u64().unwrap()).sum()
    };
    let park = gate.json(&["park", "show", DEMO_PARK]);
    let by_hand = |what: &str| visits.iter().map(|visit| visit[what].as_array().unwrap().len()).sum::<usize>();
    let corrected = visits.iter().filter(|visit| !visit["updates"].as_array().unwrap().is_empty());
    json!({
        "releases": by_hand("releases"),
        "updates": by_hand("updates"),
        "corrected_plates": corrected.map(|visit| (visit["parking_serial"].as_str().unwrap().to_owned(), visit["plate"].clone())).collect::<serde_json::Map<_, _>>(),
        "enters": count("enter_seqno"),
        "leaves": count("leave_seqno"),
        "inside": visits.iter().filter(|visit| visit["state"] == "inside").count(),
        "payments": payments.len(),
        "paid": { "1": paid(1), "2": paid(2), "3": paid(3), "4": paid(4) },
        "remain_parking_space": park["remain_parking_space"],
        "total_parking_space": park["total_parking_space"],
    })
}

/// The same of the books.
fn in_the_books(books: &Value, platform: &Value) -> Value {
    platform.as_object().unwrap().keys().map(|name| (name.clone(), books[name].clone())).collect()
}

#[test]
fn a_day_through_an_agent_agrees_on_both_sides_and_again_changes_nothing() {
    let gate = demo();
    let books = day(&gate, &["--faults", "0.1", "--through-agent"]);
    let platform = on_the_platform(&gate);
    assert_eq!(in_the_books(&books, &platform), platform);
    assert!(books["releases"].as_u64().unwrap() > 5 && books["updates"].as_u64().unwrap() > 5, "{books}");
    assert!(books["leaves"].as_u64().unwrap() > 1500 && books["late"].as_u64().unwrap() > 100, "{books}");
    assert_eq!((&books["refused"], &books["given_up"]), (&json!(0), &json!(0)));
    let pictures = gate.json(&["visit", "list", "--limit", "10000"]);
    let with_picture = |visit: &&Value| visit["images"].as_object().is_some_and(|images| !images.is_empty());
    assert!(pictures.as_array().unwrap().iter().filter(with_picture).count() > 10);
    // The same seed is the same car park: straight to the platform this time.
    let again = day(&gate, &["--faults", "0.1"]);
    assert_eq!(in_the_books(&again, &platform), platform);
    assert_eq!(on_the_platform(&gate), platform);
}

#[test]
fn an_honest_car_park_that_reports_no_spaces_is_counted_by_the_platform() {
    let gate = demo();
    let add = gate.run(&["park", "set", DEMO_PARK, "--total", "500"]);
    assert!(add.status.success(), "{}", String::from_utf8_lossy(&add.stderr));
    let books = day(&gate, &["--faults", "0", "--no-space", "--seed", "2"]);
    let platform = on_the_platform(&gate);
    assert_eq!(in_the_books(&books, &platform), platform);
    assert_eq!((&books["hinted"], &books["late"], &books["retries"]), (&json!(0), &json!(0), &json!(0)));
}

#[test]
fn a_run_by_the_clock_ends_by_itself_and_wrong_flags_are_reported() {
    let gate = demo();
    let to = ["simulate", "--url", &gate.url, "--secret", "123", "--park", DEMO_PARK, "--json"];
    let run = |more: &[&str]| parkgate(Path::new(PARKGATE), &[&to[..], more].concat());
    let output = run(&["--for", "500ms", "--rate", "100", "--pictures", "0"]);
    let books: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(in_the_books(&books, &on_the_platform(&gate)), on_the_platform(&gate));
    assert_eq!(run(&["--faults", "2"]).status.code(), Some(2));
    assert_eq!(run(&["--by-hand", "1.5"]).status.code(), Some(2));
    assert_eq!(run(&["--for", "soon"]).status.code(), Some(2));
    assert_eq!(parkgate(Path::new(PARKGATE), &["simulate", "--rate", "5"]).status.code(), Some(2));
}

/// One that answers every other call 404.
#[test]
fn a_platform_of_enters_and_leaves_alone_is_played_without_the_rest() {
    let platform = Scripted::start(|request| {
        let is_half = ["/enter ", "/leave "].iter().any(|call| request.head.contains(call));
        match is_half {
            true => ScriptedReply::says(200, r#"{"code":"200","message":"OK"}"#),
            false => ScriptedReply::says(404, "<html>"),
        }
    });
    let run = |by_hand: &str| {
        let to = ["simulate", "--url", &platform.url, "--secret", "123", "--park", DEMO_PARK, "--json", "--rate", "0"];
        let day = ["--day", "6h", "--start", "1760000000000", "--pictures", "0", "--by-hand", by_hand];
        let output = parkgate(Path::new(PARKGATE), &[&to[..], &day].concat());
        (output.status.success(), serde_json::from_slice::<Value>(&output.stdout).unwrap())
    };
    let (is_success, books) = run("0");
    let by_hand = ["releases", "updates", "refused", "retries"].map(|name| books[name].clone());
    assert_eq!((is_success, by_hand), (true, [json!(0), json!(0), json!(0), json!(0)]), "{books}");
    let (is_success, books) = run("0.1");
    assert_eq!((is_success, &books["retries"], &books["given_up"]), (false, &json!(0), &json!(0)), "{books}");
    let refused = books["refused"].as_u64().unwrap();
    assert!(refused >= books["releases"].as_u64().unwrap() + books["updates"].as_u64().unwrap(), "{books}");
    assert!(refused > 10 && books["last_hint"].as_str().unwrap().contains("平台没有"), "{books}");
}
