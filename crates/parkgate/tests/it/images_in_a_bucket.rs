//! Pictures on S3: `--images s3://…` against a real S3 server (`s3s-fs`).

use parkgate_testbed::{BucketServer, TestGate, leave, md5_hex};
use serde_json::json;

use crate::PARKGATE;
use crate::replies::eventually;

const PICTURE: &[u8] = b"GIF89a a car";

fn push(gate: &TestGate, serial: &str, picture: &[u8]) -> (u16, serde_json::Value) {
    let hash = md5_hex(picture);
    gate.push_files("leave", leave(serial, &[("leave_image_hash", &hash)]), &[("leave_image_file", picture)])
}

#[test]
fn pictures_are_in_the_bucket_before_the_reply_and_without_it_the_car_park_keeps_them() {
    let bucket = BucketServer::start();
    let folder = tempfile::tempdir().unwrap();
    let url = bucket.url("east/gate");
    let mut gate = TestGate::stopped(PARKGATE, &folder.path().join("data"), &["--demo", "--images", &url]);
    gate.variables = bucket.variables(None);
    gate.start();
    assert_eq!(push(&gate, "S1", PICTURE).1["message"], "OK");
    let objects = bucket.objects("east/gate");
    assert_eq!((objects.len(), std::fs::read(&objects[0]).unwrap()), (1, PICTURE.to_vec()));
    let visit = gate.visit("S1");
    let key = visit["images"]["leave_image"]["key"].as_str().unwrap();
    assert!(objects[0].ends_with(key), "{key}");
    // The same picture again is the same object; another one another.
    assert_eq!(push(&gate, "S2", PICTURE).1["message"], "OK");
    assert_eq!(push(&gate, "S3", b"GIF89a another").1["message"], "OK");
    assert_eq!(bucket.objects("east/gate").len(), 2);
    // What was signed wrongly waits with its picture there, too.
    let (_, reply) = gate.post("leave", &parkgate_testbed::MultipartBody::content_type(), wrongly_signed());
    assert!(reply["hint"].as_str().unwrap().contains("签名"), "{reply}");
    assert_eq!(bucket.objects("east/gate").len(), 3);
    let ready = || reqwest::blocking::get(format!("{}/readyz", gate.url)).unwrap().status().as_u16();
    assert_eq!(ready(), 200);
    let aside = std::fs::read_dir(gate.data().join("images/incoming")).unwrap().map(|entry| entry.unwrap().path());
    let mut aside = aside.filter(|path| path.is_dir());
    assert_eq!(std::fs::read_dir(aside.next().unwrap()).unwrap().count(), 0, "nothing stays aside");
    assert_eq!(gate.stop(), Some(0));
    // Not let in any more: neither ready nor claiming to have a picture it has not.
    gate.variables = bucket.variables(Some("another"));
    gate.start();
    let ready = || reqwest::blocking::get(format!("{}/readyz", gate.url)).unwrap().status().as_u16();
    eventually(|| ready() == 503);
    let (status, reply) = push(&gate, "S4", b"GIF89a lost?");
    assert_eq!((status, &reply["code"]), (503, &json!("503")));
    assert_eq!(gate.json(&["visit", "list"]).as_array().unwrap().len(), 3);
    gate.taken("leave", leave("S5", &[]));
}

#[test]
fn a_gate_without_its_bucket_is_not_ready() {
    let (bucket, folder) = (BucketServer::start(), tempfile::tempdir().unwrap());
    let mut gate =
        TestGate::stopped(PARKGATE, &folder.path().join("data"), &["--demo", "--images", "s3://elsewhere/gate"]);
    gate.variables = bucket.variables(None);
    gate.start();
    let (ready, reported) = gate.readiness();
    assert!(!ready);
    assert_eq!((&reported["store"], reported["images"] == "ok"), (&json!("ok"), false), "{reported}");
}

fn wrongly_signed() -> Vec<u8> {
    let hash = md5_hex(b"GIF89a wrong");
    let mut pairs = leave("S9", &[("leave_image_hash", &hash)]);
    pairs.push(("sign".into(), "0".repeat(32)));
    parkgate_testbed::MultipartBody::of(&pairs).file("leave_image_file", b"GIF89a wrong").end()
}
