use std::path::PathBuf;
use std::time::Instant;

use parkgate_client::{Denial, classify};

use super::*;

const NOW: UnixMillis = UnixMillis(1_760_000_000_000);
const MOMENT: Moment = Moment { now: NOW, chance: 1.0, begun: 10 };
const SECOND: Duration = Duration::from_secs(1);
const BACKOFF: Backoff = Backoff { first: SECOND, max: Duration::from_secs(60), asked_max: Duration::from_secs(60) };

fn classifier() -> Classifier {
    let (on_hint, on_too_large) = (OnHint::Accept, OnTooLarge::WithoutPictures);
    Classifier { backoff: BACKOFF, on_hint, on_too_large, denials: Denials::default() }
}

fn attempt() -> PushAttempt {
    let personal = vec![("idcard_no".to_owned(), "110101199003070011".to_owned())];
    PushAttempt { record: 7, number: 9, failures: 2, has_pictures: true, personal }
}

fn answered(status: u16, asked: Option<Duration>, body: &str) -> (Settlement, Contact) {
    classifier().classify(Ok(classify(status, asked, body.as_bytes())), &attempt(), &Circuit::default(), &MOMENT)
}

fn later(wait: Duration, reason: &str) -> Settlement {
    Settlement::Later { due: NOW.after(wait), reason: reason.into() }
}

#[test]
fn each_outcome_has_its_meaning_for_the_record_and_for_the_platform() {
    let hint = "x".to_owned();
    let with_hint = r#"{"code":"200","hint":"x"}"#;
    assert_eq!(answered(200, None, r#"{"code":"200"}"#), (Settlement::Sent { hint: None }, Contact::Answered));
    assert_eq!(answered(200, None, with_hint), (Settlement::Sent { hint: Some(hint.clone()) }, Contact::Answered));
    let refused = answered(400, None, r#"{"code":"400","hint":"x"}"#);
    assert_eq!(refused, (Settlement::Dead { hint: hint.clone() }, Contact::Answered));
    let (settled, contact) = answered(413, None, "<html>");
    assert!(matches!(settled, Settlement::WithoutPictures { .. }) && contact == Contact::Answered);
    let (settled, contact) = answered(403, None, r#"{"code":"403","message":"x"}"#);
    assert_eq!((settled, contact), (later(SECOND * 4, "x"), Contact::Failed { retry_after: None }));
    let mut holds = Classifier { on_hint: OnHint::Hold, on_too_large: OnTooLarge::Dead, ..classifier() };
    let mut held = |status, body: &str| {
        holds.classify(Ok(classify(status, None, body.as_bytes())), &attempt(), &Circuit::default(), &MOMENT).0
    };
    assert_eq!(held(200, with_hint), Settlement::Held { hint });
    assert!(matches!(held(413, "<html>"), Settlement::Dead { .. }));
}

#[test]
fn a_platform_that_is_away_is_tried_again_after_what_it_asks_within_bounds() {
    for (asked, wait) in [(None, 4), (Some(30), 30), (Some(60), 60), (Some(61), 60)] {
        let retry_after = asked.map(Duration::from_secs);
        let (settled, contact) = answered(503, retry_after, r#"{"code":"503","message":"m"}"#);
        assert_eq!((settled, contact), (later(SECOND * wait, "503 m"), Contact::Failed { retry_after }));
    }
}

#[test]
fn a_denial_that_concerns_one_record_says_nothing_of_the_platform() {
    let mut classifier = classifier();
    let denied = || Ok(Outcome::Denied { denial: Denial::Access, reason: "x".into(), reply: None });
    let mut circuit = Circuit::default();
    let mut deny = |circuit: &Circuit| classifier.classify(denied(), &attempt(), circuit, &MOMENT).1;
    assert_eq!(deny(&circuit), Contact::Failed { retry_after: None }, "it may concern all");
    assert_eq!(deny(&circuit), Contact::Untold, "the same record again");
    for _ in 0..5 {
        circuit.note(Contact::Failed { retry_after: None }, &BACKOFF, 1.0, Instant::now());
    }
    assert_eq!(deny(&circuit), Contact::Failed { retry_after: None }, "while the platform counts as away, it does");
    // Later pushes pass: only this record is denied.
    for begun in [20, 30] {
        classifier.denials.passed(begun);
        let moment = Moment { begun: begun + 5, ..MOMENT };
        let (settled, contact) = classifier.classify(denied(), &attempt(), &Circuit::default(), &moment);
        assert_eq!(matches!(settled, Settlement::Dead { .. }), begun == 30, "{settled:?}");
        assert_eq!(contact == Contact::Untold, begun == 30);
    }
}

#[test]
fn a_fault_on_this_side_concerns_its_record_alone() {
    let failed = |error| classifier().classify(Err(error), &attempt(), &Circuit::default(), &MOMENT);
    let file = |kind: ErrorKind| ClientError::File(PathBuf::from("a.gif"), kind.into());
    let (settled, contact) = failed(file(ErrorKind::NotFound));
    assert!(matches!(settled, Settlement::PictureGone { .. }) && contact == Contact::Untold);
    let (settled, contact) = failed(file(ErrorKind::PermissionDenied));
    assert!(
        matches!(settled, Settlement::Later { due, .. } if due == NOW.after(SECOND * 4)) && contact == Contact::Untold
    );
    let (settled, contact) = failed(ClientError::Setup("x".into()));
    assert_eq!((settled, contact), (Settlement::Dead { hint: "x".into() }, Contact::Untold));
}

#[test]
fn what_a_platform_repeats_of_personal_data_is_not_kept() {
    let (settled, _) = answered(400, None, r#"{"code":"400","hint":"x[idcard_no=110101199003070011&k=1]"}"#);
    assert_eq!(settled, Settlement::Dead { hint: "x[idcard_no=***&k=1]".into() });
}
