//! What is refused is kept until its cause is mended (`DESIGN.md` 3.6).

use parkgate_testbed::{DEMO_PARK, MultipartBody, NamedValues, TestGate, body, leave, md5_hex, signed};
use serde_json::{Value, json};

use crate::replies::eventually;
use crate::{PARKGATE, demo};

const FORM: &str = "application/x-www-form-urlencoded";

fn post(gate: &TestGate, pairs: &NamedValues) -> (u16, Value) {
    gate.post("leave", FORM, body(pairs).into_bytes())
}

fn metric(gate: &TestGate, name: &str) -> u64 {
    let text = gate.metrics();
    let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')).unwrap_or("0").to_owned();
    line.parse().unwrap()
}

/// A gate whose settings file holds these limits.
pub(crate) fn limited(limits: &str) -> (TestGate, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("parkgate.toml");
    std::fs::write(&file, format!("[limits]\n{limits}\n")).unwrap();
    (TestGate::with(PARKGATE, &["--demo", "--config", file.to_str().unwrap()]), folder)
}

#[test]
fn five_hundred_pushes_with_pictures_survive_a_wrong_secret() {
    const PUSHES: usize = 500;
    let (gate, _folder) = limited("doctor_per_minute = 1");
    gate.ok(&["park", "rotate-secret", DEMO_PARK, "--secret", "mistyped"]);
    // Until the gate has seen it; the first of these were still good.
    eventually(|| !gate.push("leave", leave("first", &[])).1["hint"].is_null());
    let picture = |number: usize| format!("GIF89a picture {number}").repeat(40).into_bytes();
    for number in 0..PUSHES {
        let (time, order) = ((1_624_937_505_093 + number as u64).to_string(), format!("O{number}"));
        let payment = format!("[{{\"parking_order\":\"{order}\",\"pay_type\":2,\"value\":{number}}}]");
        let (hash, remain) = (md5_hex(&picture(number)), (number % 90).to_string());
        let pairs = leave(
            &format!("S{number}"),
            &[
                ("leave_time", &time),
                ("payment_list", &payment),
                ("leave_image_hash", &hash),
                ("total_parking_space", "100"),
                ("remain_parking_space", &remain),
                ("idcard_no", "440301199001011234"),
            ],
        );
        let (status, reply) = gate.push_files("leave", pairs, &[("leave_image_file", &picture(number))]);
        assert_eq!((status, &reply["message"]), (200, &json!("已忽略当前请求")), "{reply}");
    }
    assert!(gate.json(&["visit", "list"]).as_array().unwrap().len() <= 1);
    let kept = gate.json(&["quarantine", "list", "--limit", "100000"]);
    assert_eq!(kept.as_array().unwrap().len(), PUSHES + 1);
    assert_eq!(gate.json(&["park", "show", DEMO_PARK])["quarantine_pushes"], PUSHES + 1);
    let still: Vec<Value> = gate.json(&["quarantine", "replay"]).as_array().unwrap().clone();
    assert!(still.iter().all(|outcome| outcome["outcome"] == "stays"), "the cause is not mended yet");

    gate.ok(&["park", "rotate-secret", DEMO_PARK, "--secret", "123"]);
    let replayed = gate.json(&["quarantine", "replay", "--park", DEMO_PARK]);
    assert!(replayed.as_array().unwrap()[1..].iter().all(|outcome| outcome["outcome"] == "recorded"), "{replayed}");
    let state = || (gate.json(&["visit", "list", "--limit", "100000"]), gate.json(&["park", "show", DEMO_PARK]));
    let (visits, park) = state();
    let visits_listed = visits.as_array().unwrap();
    assert_eq!(visits_listed.len(), PUSHES + 1);
    let sum: u64 = visits_listed.iter().filter_map(|visit| visit["payments"][0]["value"].as_u64()).sum();
    assert_eq!(sum, (0..PUSHES as u64).sum::<u64>());
    assert_eq!(park["remain_parking_space"], (PUSHES - 1) % 90);
    assert_eq!(park["quarantine_pushes"], 0);
    for visit in visits_listed.iter().filter(|visit| visit["parking_serial"] != "first") {
        let number: usize = visit["parking_serial"].as_str().unwrap()[1..].parse().unwrap();
        let image = &visit["images"]["leave_image"];
        assert_eq!(image["md5"], md5_hex(&picture(number)));
        let file = gate.data().join("images").join(image["key"].as_str().unwrap());
        assert_eq!(std::fs::read(file).unwrap(), picture(number));
    }
    let seventh = gate.json(&["visit", "show", DEMO_PARK, "S7", "--unmask"]);
    assert_eq!(seventh["params"]["idcard_no"], "440301199001011234");
    assert_eq!(gate.json(&["quarantine", "replay"]), json!([]));
    assert_eq!(state(), (visits, park), "replaying twice changes nothing");
}

#[test]
fn beyond_the_bound_the_sender_keeps_it() {
    let (gate, _folder) = limited("quarantine_pushes_max = 3\nquarantine_unknown_pushes_max = 1");
    let wrong = |serial: &str| signed(leave(serial, &[]), "wrong");
    let seqno = post(&gate, &wrong("S1")).1["seqno"].clone();
    assert_eq!(post(&gate, &wrong("S1")).1["seqno"], seqno, "the same push again is the same entry");
    assert_eq!(post(&gate, &wrong("S2")).0, 200);
    assert_eq!(post(&gate, &signed(leave("S3", &[("enter_time", "soon")]), "123")).0, 400);
    let (status, reply) = post(&gate, &wrong("S4"));
    assert_eq!((status, &reply["code"], &reply["message"]), (503, &json!("503"), &json!("服务暂不可用")));
    assert_eq!(post(&gate, &signed(leave("S5", &[("enter_time", "")]), "123")).0, 503, "a 400 has no room either");
    assert_eq!(metric(&gate, "parkgate_quarantine_full_total{bound=\"park_pushes\"}"), 2);
    gate.taken("leave", leave("S6", &[]));
    let unknown = |serial: &str| signed(leave(serial, &[("park_uuid", "nobody")]), "123");
    assert_eq!(post(&gate, &unknown("U1")).0, 403);
    assert_eq!(post(&gate, &unknown("U2")).0, 503);
    let listed = gate.json(&["quarantine", "list"]);
    let rows: Vec<_> =
        listed.as_array().unwrap().iter().map(|row| (&row["reason"], &row["times"], &row["park_uuid"])).collect();
    let (park, one, two) = (json!(DEMO_PARK), json!(1), json!(2));
    assert_eq!(
        rows,
        [
            (&json!("Signature"), &two, &park),
            (&json!("Signature"), &one, &park),
            (&json!("Value"), &one, &park),
            (&json!("UnknownPark"), &one, &Value::Null),
        ]
    );
    let first = listed[0]["id"].to_string();
    assert_eq!(gate.ok(&["quarantine", "drop", &first]), "已删除 1 条\n");
    eventually(|| post(&gate, &wrong("S7")).0 == 200);
}

#[test]
fn the_cause_is_in_words_for_people_and_by_name_for_programs() {
    let gate = demo();
    let unsorted = body(&signed(leave("S1", &[]), "123 "));
    gate.post("leave", FORM, unsorted.into_bytes());
    post(&gate, &signed(leave("S2", &[]), "nobody's"));
    assert_eq!(gate.push("leave", leave("S3", &[("enter_time", "soon")])).0, 400);
    let unknown = signed(leave("S4", &[("park_uuid", "nobody")]), "123");
    assert_eq!(post(&gate, &unknown).0, 403);
    let listed = gate.json(&["quarantine", "list"]);
    let names = |field: &str| listed.as_array().unwrap().iter().map(|row| row[field].clone()).collect::<Vec<_>>();
    assert_eq!(names("reason"), ["Signature", "Signature", "Value", "UnknownPark"]);
    assert_eq!(names("finding_code")[..2], ["secret_whitespace", "no_known_mistake"]);
    let mut texts = vec![gate.ok(&["quarantine", "list"]), gate.ok(&["quarantine", "replay"])];
    for id in names("id") {
        texts.push(gate.ok(&["quarantine", "show", &id.to_string()]));
    }
    texts.push(gate.ok(&["park", "check", DEMO_PARK, "--since", "1h"]));
    for text in &texts {
        for name in ["secret_whitespace", "no_known_mistake", "Signature", "Value", "UnknownPark", "finding_code"] {
            assert!(!text.contains(name), "{name} in\n{text}");
        }
        assert!(text.lines().all(|line| unicode_width::UnicodeWidthStr::width(line) <= 80), "{text}");
    }
    assert!(texts[0].contains("密钥首尾的空白") && texts[0].contains("参数`enter_time`应"), "{}", texts[0]);
    assert!(texts[1].contains("仍在") && texts[1].contains("签名不正确"), "{}", texts[1]);
    assert!(texts[2].contains("密钥首尾的空白") && texts[2].contains("签名不正确"), "{}", texts[2]);
    let page = texts.last().unwrap().replace(char::is_whitespace, "");
    assert!(page.contains("1条参数值不合要求。按`parkgatequarantineshow`的提示改正参数。"), "{page}");
    assert!(page.contains("签名不正确:没有匹配的已知错误"), "{page}");
}

#[test]
fn pictures_that_find_no_room_leave_nothing_behind() {
    let (gate, _folder) = limited("quarantine_bytes_max = 50000");
    let picture = |number: u8| [b"GIF89a", [number; 30_000].as_slice()].concat();
    let files = || gate.pictures_below("images");
    let push = |number: u8| {
        let pairs = leave(&format!("S{number}"), &[("leave_image_hash", &md5_hex(&picture(number)))]);
        let form = MultipartBody::of(&signed(pairs, "wrong")).file("leave_image_file", &picture(number)).end();
        gate.post("leave", &MultipartBody::content_type(), form).0
    };
    assert_eq!((push(1), files()), (200, 1));
    for number in 2..5 {
        assert_eq!((push(number), files()), (503, 1), "{number}");
    }
}

#[test]
fn what_cannot_be_read_is_kept_as_it_came() {
    let gate = demo();
    let not_text = b"park_uuid=49f0cc52-e8c7-41e3-b54d-af666b8cc11a&parking_serial=S1&plate=\xff\xfe".to_vec();
    assert_eq!(gate.post("leave", FORM, not_text).0, 400);
    assert_eq!(gate.post("leave", "application/json", br#"{"park_uuid":"x"}"#.to_vec()).0, 400);
    let secret_sent = format!("park_uuid={DEMO_PARK}&app_secret=HighlySecret&plate=1");
    assert_eq!(gate.post("leave", FORM, secret_sent.into_bytes()).0, 400);
    let mut cut = MultipartBody::of(&signed(leave("S2", &[]), "123")).file("leave_image_file", b"GIF89a").end();
    cut.truncate(cut.len() - 40);
    assert_eq!(gate.post("leave", &MultipartBody::content_type(), cut).0, 400);
    let reasons: Vec<Value> =
        gate.json(&["quarantine", "list"]).as_array().unwrap().iter().map(|row| row["reason"].clone()).collect();
    let with_secret = br#"{"park_uuid":"x","app_secret":"HighlySecret"}"#.to_vec();
    assert_eq!(gate.post("leave", "application/json", with_secret).0, 400);
    assert_eq!(reasons, ["NotText", "ContentType", "SecretSent", "Malformed"]);
    let unkept = gate.json(&["quarantine", "show", "5"]);
    assert_eq!((&unkept["incomplete"], &unkept["body"]), (&json!(true), &Value::Null), "not to be told from the rest");
    assert_eq!(gate.json(&["quarantine", "show", "1"])["park_uuid"], DEMO_PARK);
    assert_eq!(gate.json(&["quarantine", "show", "2"])["body"]["content_type"], "application/json");
    let masked = gate.json(&["quarantine", "show", "3", "--unmask"]);
    assert!(masked["body"]["text"].as_str().unwrap().contains("app_secret=***&plate=1"), "{masked}");
    let broken = gate.json(&["quarantine", "show", "4"]);
    assert_eq!((&broken["incomplete"], &broken["params"]["parking_serial"]), (&json!(true), &json!("S2")));
    let outcomes = gate.json(&["quarantine", "replay"]);
    assert!(outcomes.as_array().unwrap().iter().all(|outcome| outcome["outcome"] == "stays"), "{outcomes}");
}

#[test]
fn a_park_added_late_gets_what_came_before_it() {
    let gate = demo();
    for serial in ["S1", "S2"] {
        assert_eq!(post(&gate, &signed(leave(serial, &[("park_uuid", "late")]), "s3")).0, 403);
    }
    gate.ok(&["park", "add", "--uuid", "late", "--secret", "s3", "--name", "late"]);
    let outcomes = gate.ok(&["quarantine", "replay", "2"]);
    assert!(outcomes.contains("离开隔离区 1 条, 仍在 0 条"), "{outcomes}");
    assert_eq!(gate.json(&["visit", "show", "late", "S2"])["parking_serial"], "S2");
    gate.ok(&["quarantine", "replay"]);
    assert_eq!(gate.json(&["visit", "list", "--park", "late"]).as_array().unwrap().len(), 2);
    assert_eq!(gate.ok(&["quarantine", "list"]).lines().count(), 1);
}

#[test]
fn no_secret_and_no_id_number_in_anything_the_gate_says() {
    const SECRETS: [&str; 4] = ["Zq81-park-secret", "Zq82-app-secret", "Zq83-new-secret", "Zq84-other-park"];
    const ID: &str = "440301199001011234";
    // What waits for a change pushes often.
    let (mut gate, _folder) = limited("doctor_per_minute = 1000000");
    let secret_file = |secret: &str| {
        let path = gate.data().join("secret");
        std::fs::write(&path, secret).unwrap();
        path.to_str().unwrap().to_owned()
    };
    gate.ok(&["park", "add", "--uuid", "P", "--secret-file", &secret_file(SECRETS[0]), "--name", "P"]);
    gate.ok(&["park", "add", "--uuid", "Q", "--secret-file", &secret_file(SECRETS[3]), "--name", "Q"]);
    gate.ok(&["app", "add", "--id", "op1", "--secret-file", &secret_file(SECRETS[1]), "--park", "P"]);
    let base = |serial: &str| leave(serial, &[("park_uuid", "P"), ("idcard_no", ID), ("idcard_name", "张三丰")]);
    eventually(|| post(&gate, &signed(base("S0"), SECRETS[0])).0 == 200);
    gate.ok(&["park", "rotate-secret", "P", "--secret-file", &secret_file(SECRETS[2]), "--keep-old", "1h"]);
    std::fs::remove_file(gate.data().join("secret")).unwrap();
    let mut said = String::new();
    let mut note = |text: String| said.push_str(&text);
    eventually(|| post(&gate, &signed(base("S9"), SECRETS[2])).1["hint"].is_null());
    for (number, secret) in SECRETS.iter().chain(&["nobody's"]).enumerate() {
        note(post(&gate, &signed(base(&format!("S{number}")), secret)).1.to_string().replace(ID, ""));
        let mut app = base(&format!("A{number}"));
        app.push(("app_id".into(), "op1".into()));
        note(post(&gate, &signed(app, secret)).1.to_string().replace(ID, ""));
        // The secret in a value, in front, and signed without its name.
        let mut sent = base(&format!("V{number}"));
        sent.push(("sign".into(), md5_hex(format!("{}{secret}", "x").as_bytes())));
        note(post(&gate, &sent).1.to_string().replace(ID, ""));
        let text = format!("park_uuid=P&app_secret={secret}");
        note(gate.post("leave", FORM, text.into_bytes()).1.to_string());
    }
    for words in [
        &["park", "list"][..],
        &["park", "show", "P"],
        &["app", "list"],
        &["visit", "list"],
        &["quarantine", "list"],
        &["quarantine", "show", "1"],
        &["conflict", "list"],
    ] {
        note(gate.ok(words).replace(ID, ""));
        note(gate.json(words).to_string().replace(ID, ""));
    }
    note(gate.ok(&["quarantine", "replay"]).replace(ID, ""));
    note(gate.metrics());
    gate.stop();
    note(gate.log());
    assert!(said.contains("可能原因") && said.contains("SecretSent"), "nothing was found or refused: {said}");
    for secret in SECRETS {
        assert!(!said.contains(secret), "{secret} was said");
        for file in ["parkgate.db", "parkgate.db-wal"] {
            let bytes = std::fs::read(gate.data().join(file)).unwrap_or_default();
            assert!(!bytes.windows(secret.len()).any(|window| window == secret.as_bytes()), "{secret} in {file}");
        }
    }
    assert!(!gate.log().contains(ID) && !gate.log().contains("张三丰"));
    let bytes = std::fs::read(gate.data().join("parkgate.db")).unwrap();
    assert!(!bytes.windows(ID.len()).any(|window| window == ID.as_bytes()), "the ID number stands unsealed");
}
