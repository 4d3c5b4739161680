//! Pictures of releases: in one field with the URL, with a hash or without; and a replay that one of them does not stop.

use parkgate_testbed::{DEMO_PARK, MultipartBody, NamedValues, TestGate, leave, md5_hex, release, signed};
use serde_json::{Value, json};

use crate::PARKGATE;
use crate::release_and_update::on_both;

const PICTURE: &[u8] = b"\xff\xd8\xff\xe0 a barrier";
const OTHER: &[u8] = b"\xff\xd8\xff\xe0 another one";
const JPEG_HASH: &str = "capture_image_hash";

/// Pushes a release with these parts, signed with `secret`.
fn pushed(gate: &TestGate, pairs: NamedValues, secret: &str, files: &[(&str, &[u8])]) -> (u16, Value) {
    let form =
        files.iter().fold(MultipartBody::of(&signed(pairs, secret)), |form, (name, bytes)| form.file(name, bytes));
    gate.post("release", &MultipartBody::content_type(), form.end())
}

/// It must be taken as new or as known.
fn taken(gate: &TestGate, pairs: NamedValues, files: &[(&str, &[u8])]) -> String {
    let (status, reply) = pushed(gate, pairs, "123", files);
    assert_eq!((status, &reply["message"], &reply["hint"]), (200, &json!("OK"), &Value::Null), "{reply}");
    reply["seqno"].as_str().unwrap().to_owned()
}

/// It must be refused by 400 with this hint.
fn refused(gate: &TestGate, pairs: NamedValues, files: &[(&str, &[u8])], expected: &str) {
    let (status, reply) = pushed(gate, pairs, "123", files);
    let hint = reply["hint"].as_str().unwrap_or_default();
    assert!(status == 400 && hint.contains(expected), "{reply}");
}

fn with_hash(serial: &str, picture: &[u8]) -> NamedValues {
    release(serial, &[(JPEG_HASH, &md5_hex(picture))])
}

fn picture_of(visit: &Value, release: usize) -> &Value {
    &visit["releases"][release]["images"]["capture_image"]
}

fn outcomes(gate: &TestGate) -> Vec<Value> {
    let replayed = gate.json(&["quarantine", "replay"]);
    replayed.as_array().unwrap().iter().map(|one| one["outcome"].clone()).collect()
}

#[test]
fn a_picture_sent_in_two_parts_is_refused_and_holds_up_no_other() {
    on_both(|gate| {
        let both: [(&str, &[u8]); 2] = [("capture_image", PICTURE), ("capture_image_file", PICTURE)];
        refused(gate, with_hash("S1", PICTURE), &both, "`capture_image_file`重复传递");
        let kept = gate.json(&["quarantine", "list"]);
        assert_eq!((kept.as_array().unwrap().len(), &kept[0]["reason"]), (1, &json!("Repeated")), "{kept}");
        // Of another secret; once that is right, one stays, the others are admitted.
        pushed(gate, with_hash("S2", PICTURE), "wrong", &both);
        pushed(gate, release("S3", &[]), "wrong", &[("capture_image", PICTURE)]);
        gate.ok(&["park", "rotate-secret", DEMO_PARK, "--secret", "wrong"]);
        assert_eq!(outcomes(gate), ["stays", "stays", "recorded"]);
        assert_eq!(picture_of(&gate.visit("S3"), 0)["md5"], md5_hex(PICTURE));
    });
}

#[test]
fn one_that_cannot_be_recorded_stays_and_the_others_are_replayed() {
    let gate = TestGate::demo(PARKGATE);
    for number in 1..=9 {
        pushed(&gate, release(&format!("S{number}"), &[]), "wrong", &[("capture_image", PICTURE)]);
    }
    gate.ok(&["park", "rotate-secret", DEMO_PARK, "--secret", "wrong"]);
    let database = rusqlite::Connection::open(gate.data().join("parkgate.db")).unwrap();
    let broken = "CREATE TRIGGER broken BEFORE INSERT ON records WHEN NEW.visit_serial IN ('S2', 'S7') \
                  BEGIN SELECT json('{'); END";
    database.execute_batch(broken).unwrap();
    let replayed = gate.json(&["quarantine", "replay"]);
    for (index, one) in replayed.as_array().unwrap().iter().enumerate() {
        let stays = [1, 6].contains(&index);
        assert_eq!(one["outcome"], if stays { "stays" } else { "recorded" }, "{replayed}");
        if stays {
            assert_eq!(one["reason"], "Signature", "what it was refused for");
            assert!(one["hint"].as_str().unwrap().contains("malformed JSON"), "{one}");
        }
    }
    assert_eq!(gate.json(&["quarantine", "list"]).as_array().unwrap().len(), 2);
    database.execute_batch("DROP TRIGGER broken").unwrap();
    assert_eq!(outcomes(&gate), ["recorded"; 2]);
    assert_eq!(gate.json(&["visit", "list"]).as_array().unwrap().len(), 9);
}

#[test]
fn a_conflict_that_cannot_be_recorded_in_a_new_epoch_stays_one_and_the_others_are_taken() {
    let gate = TestGate::demo(PARKGATE);
    let later = [("enter_time", "1700000000000"), ("leave_time", "1700000001000"), ("plate", "粤B99999")];
    for number in 1..=5 {
        gate.taken("leave", leave(&format!("S{number}"), &[]));
        gate.push("leave", leave(&format!("S{number}"), &later));
    }
    let database = rusqlite::Connection::open(gate.data().join("parkgate.db")).unwrap();
    let broken = "CREATE TRIGGER broken BEFORE INSERT ON records WHEN NEW.parking_serial = 'S3' \
                  BEGIN SELECT json('{'); END";
    database.execute_batch(broken).unwrap();
    let begun = gate.ok(&["park", "set", DEMO_PARK, "--new-serial-epoch", "1700000000000"]);
    assert!(begun.contains("补录 4 条, 仍冲突 1 条"), "{begun}");
    assert_eq!(gate.json(&["conflict", "list"]).as_array().unwrap().len(), 1);
    database.execute_batch("DROP TRIGGER broken").unwrap();
    let begun = gate.ok(&["park", "set", DEMO_PARK, "--new-serial-epoch", "1700000000000"]);
    assert!(begun.contains("补录 1 条, 仍冲突 0 条"), "{begun}");
}

#[test]
fn a_retry_with_another_picture_is_kept_as_a_conflict() {
    on_both(|gate| {
        // As a browser sends a field of which no file was chosen.
        let first = taken(gate, release("S1", &[]), &[("capture_image", b"")]);
        for files in [&[("capture_image", PICTURE)], &[("capture_image", OTHER)]] {
            let (status, reply) = pushed(gate, release("S1", &[]), "123", files);
            assert_eq!((status, &reply["hint"]), (200, &json!("重复的放行记录`S1`")), "{reply}");
        }
        // The same once more is the same.
        assert_eq!(taken(gate, release("S1", &[]), &[]), first);
        let conflicts = gate.json(&["conflict", "list"]);
        assert_eq!(conflicts.as_array().unwrap().len(), 2, "{conflicts}");
        let kept: Vec<usize> =
            conflicts.as_array().unwrap().iter().map(|one| one["differing"].as_array().unwrap().len()).collect();
        assert_eq!(kept, [0, 0], "no parameter differs: {conflicts}");
        assert_eq!(gate.pictures_below("images"), 2, "both pictures are kept");
        let second = taken(gate, release("S2", &[]), &[("capture_image", PICTURE)]);
        assert_eq!(taken(gate, release("S2", &[]), &[("capture_image", PICTURE)]), second);
    });
}

#[test]
fn a_replay_knows_a_picture_that_is_recorded_and_another_one() {
    let gate = TestGate::demo(PARKGATE);
    pushed(&gate, release("S1", &[]), "wrong", &[("capture_image", PICTURE)]);
    pushed(&gate, release("S1", &[]), "wrong", &[("capture_image", OTHER)]);
    taken(&gate, release("S1", &[]), &[("capture_image", PICTURE)]);
    gate.ok(&["park", "rotate-secret", DEMO_PARK, "--secret", "wrong"]);
    assert_eq!(outcomes(&gate), ["repeated", "conflict"]);
}

/// Header lines behind the name, what is sent, and the picture or the URL that it is.
type SentPart<'a> = (&'a str, &'a [u8], Result<&'a [u8], &'a str>);

#[test]
fn its_picture_and_its_url_are_distinguished_by_what_they_contain() {
    const URL: &str = "https://img.example/a.jpg";
    let gate = TestGate::demo(PARKGATE);
    let sent: [SentPart<'_>; 10] = [
        ("", PICTURE, Ok(PICTURE)),
        ("\r\nContent-Type: text/plain", PICTURE, Ok(PICTURE)),
        ("\r\nContent-Type: text/plain; charset=ISO-8859-1", PICTURE, Ok(PICTURE)),
        ("\r\nContent-Transfer-Encoding: base64", b"/9j/4CBh\r\nIGJhcnJpZXI=", Ok(PICTURE)),
        ("\r\nContent-Transfer-Encoding: quoted-printable", b"=\r\n=FF=D8=FF=E0 a =\r\nbarrier", Ok(PICTURE)),
        ("; filename=\"a.txt\"\r\nContent-Type: text/plain", PICTURE, Ok(PICTURE)),
        ("\r\nContent-Type: application/octet-stream", URL.as_bytes(), Err(URL)),
        ("; filename=\"a.jpg\"\r\nContent-Type: image/jpeg", URL.as_bytes(), Err(URL)),
        ("\r\nContent-Transfer-Encoding: base64", b"aHR0cHM6Ly9pbWcuZXhhbXBsZS9hLmpwZw==", Err(URL)),
        ("\r\nContent-Type: application/octet-stream", "/图片/a.jpg".as_bytes(), Err("/图片/a.jpg")),
    ];
    for (number, (head, bytes, expected)) in sent.iter().enumerate() {
        let serial = format!("S{number}");
        let mut pairs = release(&serial, &[]);
        if let Err(url) = expected {
            pairs.push(("capture_image".into(), (*url).to_owned()));
        }
        let mut pairs = signed(pairs, "123");
        pairs.retain(|(name, _)| name != "capture_image");
        let part = format!("Content-Disposition: form-data; name=\"capture_image\"{head}");
        let form = MultipartBody::of(&pairs).part(&part, bytes).end();
        let (status, reply) = gate.post("release", &MultipartBody::content_type(), form);
        assert_eq!((status, &reply["hint"]), (200, &Value::Null), "{head}: {reply}");
        let visit = gate.visit(&serial);
        match expected {
            Ok(picture) => assert_eq!(picture_of(&visit, 0)["md5"], md5_hex(picture), "{head}: {visit}"),
            Err(url) => assert_eq!(picture_of(&visit, 0)["url"], *url, "{head}: {visit}"),
        }
    }
}

#[test]
fn a_hash_is_compared_wherever_it_is_sent_and_needs_its_file() {
    let gate = TestGate::demo(PARKGATE);
    let wrong = || with_hash("S1", OTHER);
    for part in ["capture_image", "capture_image_file"] {
        refused(&gate, wrong(), &[(part, PICTURE)], "参数`capture_image_hash`");
    }
    refused(&gate, wrong(), &[], "未上传文件`capture_image`");
    refused(&gate, release("S1", &[]), &[("capture_image_file", PICTURE)], "`capture_image_hash`");
    // Its own is right, and that of an empty file says nothing.
    taken(&gate, with_hash("S1", PICTURE), &[("capture_image", PICTURE)]);
    taken(&gate, with_hash("S2", b""), &[("capture_image", b"")]);
    // What no page knows is no matter of other calls.
    gate.taken("leave", leave("S3", &[(JPEG_HASH, &md5_hex(PICTURE))]));
}
