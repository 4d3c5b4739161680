//! Every mistake in signing that the doctor knows, and pairs of them, as real requests: the hint names it.

// The pushes of wire's own table: made independently of the doctor.
#[path = "../../../wire/tests/it/doctor/pushes.rs"]
mod pushes;

use parkgate_testbed::{MultipartBody, TestGate, body, leave, md5_hex, signed as rightly_signed};
use parkgate_wire::doctor::FindingKind;
use pushes::{Mistake, OTHER_SECRET, Params, SECRET, Stage, mistakes, params, sent, signed};
use serde_json::Value;

use crate::PARKGATE;
use crate::replies::eventually;

const FORM: &str = "application/x-www-form-urlencoded";
const PARK: &str = "49f0cc52-e8c7-41e3-b54d-af666b8cc11a";

/// A gate that asks the doctor as often as it may, with a park of that secret.
fn gate() -> (TestGate, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("parkgate.toml");
    std::fs::write(&file, "[limits]\ndoctor_per_minute = 1000000\n").unwrap();
    let data = folder.path().join("data");
    let add = |uuid: &str, secret: &str| {
        let data = data.to_str().unwrap();
        let args = ["park", "add", "--uuid", uuid, "--secret", secret, "--name", uuid, "--data", data];
        assert!(parkgate_testbed::parkgate(std::path::Path::new(PARKGATE), &args).status.success());
    };
    add(PARK, SECRET);
    add("another", OTHER_SECRET);
    (TestGate::at(PARKGATE, &data, &["--config", file.to_str().unwrap()]), folder)
}

/// The table's push with all that the gate wants of a leave.
fn whole() -> Params {
    let mut all = params();
    // A hash needs its file, which is no matter here.
    all.push(("plate_color".into(), "1".into()));
    all
}

fn hint(gate: &TestGate, content_type: &str, body: Vec<u8>) -> String {
    let (status, reply) = gate.post("leave", content_type, body);
    assert_eq!((status, &reply["message"]), (200, &Value::from("已忽略当前请求")), "{reply}");
    let hint = reply["hint"].as_str().unwrap().to_owned();
    assert!(hint.starts_with("签名验证不通过[") && hint.contains("&app_secret=***]"), "{hint}");
    assert!(!hint.contains(SECRET) && !hint.contains(OTHER_SECRET), "{hint}");
    hint
}

/// Does the hint say so, in both languages? What a sentence is filled with is left out.
fn names(hint: &str, kind: FindingKind) -> bool {
    let (_, finding) = hint.split_once("&app_secret=***] 可能原因: ").unwrap_or_default();
    let said = |sentence: &str| sentence.split("{}").all(|piece| finding.contains(piece));
    said(kind.zh()) && said(kind.en())
}

#[test]
fn every_mistake_is_named_in_the_hint() {
    let (gate, _folder) = gate();
    let mut rows = 0;
    for mistake in mistakes().iter().filter(|mistake| mistake.name != "absent empty") {
        let hint = hint(&gate, FORM, sent(&whole(), &signed(&whole(), &[mistake])).into_bytes());
        assert!(names(&hint, mistake.kind), "{}: {hint}", mistake.name);
        let right = signed(&whole(), &[]);
        assert!(!hint.to_uppercase().contains(&right), "the right sign was revealed: {hint}");
        rows += 1;
    }
    assert!(rows >= 60, "{rows}");
    assert!(mistakes().iter().any(|mistake| mistake.is_unseen), "those whose strings look alike are among them");
    let kept = gate.json(&["quarantine", "list", "--limit", "1000"]);
    let codes: Vec<&str> = kept.as_array().unwrap().iter().filter_map(|row| row["finding_code"].as_str()).collect();
    for kind in
        [FindingKind::SignedInGbk, FindingKind::OrderAsSent, FindingKind::JsonSpacing, FindingKind::SecretInFront]
    {
        assert!(codes.contains(&kind.code()), "{codes:?}");
    }
    assert!(kept.as_array().unwrap().iter().all(|row| row["reason"] == "Signature"), "{kept}");
}

#[test]
fn pairs_of_mistakes_are_named_in_the_hint() {
    let (gate, _folder) = gate();
    let mistakes = mistakes();
    let common: Vec<&Mistake> =
        mistakes.iter().filter(|m| m.is_common && m.kind != FindingKind::SecretMissing).collect();
    let mut pairs = 0;
    for (at, one) in common.iter().enumerate() {
        for (other_at, other) in common.iter().enumerate() {
            let hides = one.kind == FindingKind::UrlEncodedValues
                && matches!(other.kind, FindingKind::SignedInGbk | FindingKind::SignedInLatin1);
            // Of the hundreds every seventh: wire's own test has them all.
            if one.stage.number() >= other.stage.number() || hides || !(at * 31 + other_at).is_multiple_of(7) {
                continue;
            }
            let hint = hint(&gate, FORM, sent(&whole(), &signed(&whole(), &[one, other])).into_bytes());
            assert!(names(&hint, one.kind) && names(&hint, other.kind), "{} and {}: {hint}", one.name, other.name);
            pairs += 1;
        }
    }
    assert!(pairs >= 20, "{pairs}");
    assert!(common.iter().any(|mistake| matches!(mistake.stage, Stage::Bytes(_))));
}

#[test]
fn mistakes_with_files_empties_encoding_and_other_secrets_are_named() {
    let (gate, _folder) = gate();
    gate.ok(&["app", "add", "--id", "op1", "--secret", "Th3AppsOwnKey5", "--park", PARK]);
    let pairs = |changes: &[(&str, &str)]| leave("S1", changes);
    let canonical = |pairs: &parkgate_testbed::NamedValues| {
        let mut sorted = pairs.clone();
        sorted.sort();
        sorted.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("&")
    };
    let push = |mut sent: parkgate_testbed::NamedValues, sign: String| {
        sent.push(("sign".into(), sign));
        hint(&gate, FORM, body(&sent).into_bytes())
    };
    let of = |text: &str| md5_hex(format!("{text}&app_secret={SECRET}").as_bytes());
    // The file itself was signed, by its name in the form and its MD5.
    let picture = b"GIF89a picture";
    let with_hash = pairs(&[("leave_image_hash", &md5_hex(picture))]);
    let mut and_file = with_hash.clone();
    and_file.push(("leave_image_file".into(), md5_hex(picture)));
    let mut sent = with_hash.clone();
    sent.push(("sign".into(), of(&canonical(&and_file))));
    let form = MultipartBody::of(&sent).file("leave_image_file", picture).end();
    assert!(names(&hint(&gate, &MultipartBody::content_type(), form), FindingKind::FileSigned));
    // Of three empty values only one was signed.
    let mut empties = pairs(&[]);
    let signed_one = {
        let mut one = empties.clone();
        one.push(("leave_gate".into(), String::new()));
        of(&canonical(&one))
    };
    empties.extend(["leave_gate", "leave_security", "free_value"].map(|name| (name.to_owned(), String::new())));
    assert!(names(&push(empties, signed_one), FindingKind::EmptiesMixed));
    // Announced as encoded, signed as it is.
    let mut encoded = pairs(&[("plate", "%E7%B2%A4B1")]);
    encoded.push(("encoding".into(), "URL".into()));
    let decoded = canonical(&encoded).replace("%E7%B2%A4", "粤");
    assert!(names(&push(encoded, of(&decoded)), FindingKind::DecodedValues));
    let plain = canonical(&pairs(&[]));
    for (secret, kind) in
        [(OTHER_SECRET, FindingKind::OtherParkSecret), ("Th3AppsOwnKey5", FindingKind::OtherAppSecret)]
    {
        eventually(|| {
            let sign = md5_hex(format!("{plain}&app_secret={secret}").as_bytes());
            names(&push(pairs(&[]), sign), kind)
        });
    }
    let by_app = pairs(&[("app_id", "op1")]);
    assert!(names(&push(by_app.clone(), of(&canonical(&by_app))), FindingKind::ParkSecretForApp));
    gate.ok(&["park", "rotate-secret", PARK, "--secret", "new"]);
    eventually(|| {
        let mut sent = pairs(&[]);
        sent.push(("sign".into(), of(&plain)));
        let reply = gate.post("leave", FORM, body(&sent).into_bytes()).1;
        reply["hint"].as_str().is_some_and(|hint| names(hint, FindingKind::RotatedSecret))
    });
}

#[test]
fn text_lost_before_it_was_sent_is_named_where_it_is_refused_and_where_it_is_recorded() {
    let (gate, _folder) = gate();
    let meant = leave("S1", &[("plate", "粤KKKKKK"), ("car_desc", "临时车")]);
    let mut sent = rightly_signed(meant, SECRET);
    for (name, left) in [("plate", "?KKKKKK"), ("car_desc", "???")] {
        sent.iter_mut().filter(|pair| pair.0 == name).for_each(|pair| pair.1 = left.into());
    }
    let hint = hint(&gate, FORM, body(&sent).into_bytes());
    assert!(names(&hint, FindingKind::LostText), "{hint}");
    assert!(hint.contains("`plate`第1个字符是`?`, `car_desc`第1个字符是`?`"), "{hint}");
    let kept = gate.json(&["quarantine", "list"]);
    assert_eq!(kept[0]["finding_code"], "lost_text");
    assert!(kept[0]["finding"].as_str().unwrap().contains("encoding=URL"), "{kept}");
    // Signed as it was left, it is accepted with an advisory.
    let left = rightly_signed(leave("S2", &[("plate", "?KKKKKK"), ("leave_gate", "ç²¤æµ·")]), SECRET);
    assert_eq!(gate.post("leave", FORM, body(&left).into_bytes()).1["message"], "OK");
    let visit = gate.json(&["visit", "show", PARK, "S2"]);
    let lost: Vec<&str> = visit["advisories"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|one| one["code"] == "lost_text")
        .map(|one| one["message"].as_str().unwrap())
        .collect();
    assert!(
        lost.len() == 2 && lost.iter().any(|reported| reported.contains("`leave_gate`从第1个字符起是乱码")),
        "{visit}"
    );
    let page = gate.ok(&["park", "check", PARK, "--since", "1h"]).replace(char::is_whitespace, "");
    assert!(page.contains("提醒2次中文在发送前已丢失"), "{page}");
}

#[test]
fn honest_and_random_signs_are_accused_of_nothing() {
    let (gate, _folder) = gate();
    for number in 0..40_u32 {
        let pairs = leave(&format!("S{number}"), &[("leave_gate", "东门 A+B&C=%20")]);
        let honest = rightly_signed(pairs.clone(), SECRET);
        assert_eq!(gate.post("leave", FORM, body(&honest).into_bytes()).1["message"], "OK");
        let mut random = pairs;
        random.push(("sign".into(), md5_hex(&number.to_le_bytes())));
        let hint = hint(&gate, FORM, body(&random).into_bytes());
        assert!(hint.ends_with("&app_secret=***]"), "{hint}");
    }
}
