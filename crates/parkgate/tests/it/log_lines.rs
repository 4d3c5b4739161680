//! All lines of one push are found in the log by the `seqno` of its reply.

use std::collections::BTreeSet;

use parkgate_testbed::{SubscriberAnswer, TestGate, TestSubscriber, body, leave, signed};
use serde_json::Value;

use crate::PARKGATE;
use crate::replies::eventually;

/// Of each line with this `seqno`: what it says.
fn messages(log: &str, seqno: &str) -> Vec<String> {
    let lines = log.lines().filter(|line| line.contains(seqno));
    let said = lines.map(|line| {
        let line: Value = serde_json::from_str(line).unwrap();
        assert_eq!(line["seqno"], seqno, "the field says it, and nothing else does: {line}");
        line["message"].as_str().unwrap().to_owned()
    });
    said.collect()
}

#[test]
fn all_lines_of_a_push_are_found_by_the_seqno_of_its_reply_and_no_others() {
    let city = TestSubscriber::start(SubscriberAnswer::Says(500, "<html>"));
    let mut gate = TestGate::stopped(PARKGATE, &tempfile::tempdir().unwrap().keep().join("data"), &["--demo"]);
    let short = [("ALLOW_PRIVATE", "true"), ("RETRY_FIRST", "20ms"), ("RETRY_MAX", "100ms")];
    gate.variables = short.map(|(name, value)| (format!("PARKGATE_FORWARD_{name}"), value.to_owned())).to_vec();
    gate.variables.push(("PARKGATE_LOG".into(), "parkgate_gate=debug,parkgate_web=debug,info".into()));
    gate.start();
    let url = format!("{}/", city.url);
    gate.ok(&["subscriber", "add", "--name", "city", "--url", &url, "--format", "webhook", "--secret", "s", "--all"]);
    // Its loop runs once what is recorded is sent there.
    eventually(|| gate.metrics().contains("parkgate_deliveries_pending{"));
    let seqno = |(_, reply): (u16, Value)| reply["seqno"].as_str().unwrap().to_owned();
    let post = |form: String| gate.post("leave", "application/x-www-form-urlencoded", form.into());

    // Recorded, and delivered at the second attempt or later.
    let recorded = gate.taken("leave", leave("S1", &[]));
    eventually(|| messages(&gate.log(), &recorded).iter().filter(|said| *said == "an attempt to deliver").count() >= 2);
    city.turns(SubscriberAnswer::Says(204, ""));
    eventually(|| gate.log().lines().any(|line| line.contains(&recorded) && line.contains("\"delivered\"")));
    // The same push again, another with its serial, one with a wrong signature, and that again.
    assert_eq!(gate.taken("leave", leave("S1", &[])), recorded);
    let conflict = seqno(gate.push("leave", leave("S1", &[("car_desc", "other")])));
    assert_eq!(seqno(gate.push("leave", leave("S1", &[("car_desc", "other")]))), conflict);
    let wrong = body(&signed(leave("S2", &[]), "wrong"));
    let refused = seqno(post(wrong.clone()));
    assert_eq!(seqno(post(wrong)), refused);
    let missing = seqno(gate.push("leave", leave("S3", &[("enter_time", "")])));

    let all: BTreeSet<&String> = [&recorded, &conflict, &refused, &missing].into_iter().collect();
    assert_eq!(all.len(), 4);
    assert!(all.iter().all(|seqno| seqno.len() == 16 && seqno.bytes().all(|letter| letter.is_ascii_hexdigit())));
    let log = gate.log();
    let of_recorded = messages(&log, &recorded);
    let is_attempt = |said: &&String| *said == "an attempt to deliver";
    let others: Vec<_> = of_recorded.iter().filter(|said| !is_attempt(said)).collect();
    assert_eq!(others.first().map(|said| said.as_str()), Some("recorded"), "{of_recorded:?}");
    assert!(others.iter().any(|said| *said == "the same push again"), "{of_recorded:?}");
    assert_eq!(messages(&log, &conflict), ["serial taken by another push, ignored"; 2]);
    assert_eq!(messages(&log, &refused), ["signature wrong, quarantined"; 2]);
    assert_eq!(messages(&log, &missing), ["refused"]);
}
