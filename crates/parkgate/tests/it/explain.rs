//! `parkgate explain`, on what people have at hand: fields, a captured body or request, a platform's hint.

use std::path::Path;

use parkgate_testbed::{DEMO_PARK, MultipartBody, body, leave, md5_hex, parkgate, signed};
use serde_json::{Value, json};

use crate::PARKGATE;

/// The hint of the document's own failing example, as its reply has it.
const DOCUMENTED_REPLY: &str = include_str!("explain/documented_reply.json");

fn explain(args: &[&str]) -> Value {
    let output = parkgate(Path::new(PARKGATE), &[&["explain", "--secret", "123", "--json"], args].concat());
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

/// The fields of the example as the car park meant them: without the type of vehicle, which it never sent.
fn documented_fields(changes: &[(&str, &str)]) -> Vec<String> {
    let hint = parkgate_wire::doctor::from_hint(DOCUMENTED_REPLY).unwrap();
    let changed = |name: &str| changes.iter().find(|(other, _)| *other == name).map(|(_, value)| (*value).to_owned());
    hint.params
        .iter()
        .map(|(name, value)| format!("{name}={}", changed(name).unwrap_or_else(|| value.clone())))
        .collect()
}

#[test]
fn the_documents_failing_example_is_compared_with_the_real_fields() {
    let fields = documented_fields(&[]);
    let same: Vec<&str> = ["--string", DOCUMENTED_REPLY].into_iter().chain(fields.iter().map(String::as_str)).collect();
    let reported = explain(&same);
    assert_eq!((&reported["matches"], &reported["difference"]), (&json!(true), &Value::Null), "{reported}");
    assert!(reported["zh"].as_str().unwrap().contains("密钥"));

    let fields = documented_fields(&[("car_desc", "临时车辆"), ("leave_gate", "出口")]);
    let other: Vec<&str> =
        ["--string", DOCUMENTED_REPLY].into_iter().chain(fields.iter().map(String::as_str)).collect();
    let reported = explain(&other);
    let difference = &reported["difference"];
    assert_eq!(difference["at"], "car_color=1&car_desc=临时车".len());
    assert!(difference["expected"].as_str().unwrap().contains("临时车&car_type"), "{reported}");
    assert!(difference["signed"].as_str().unwrap().contains("临时车辆&car_type"), "{reported}");
    assert!(
        reported["expected"].as_str().unwrap().contains(r#"payment_list=[{"change_value":"500""#),
        "unescaped: {reported}"
    );
    assert!(!reported.to_string().contains("app_secret=123"));
}

#[test]
fn fields_and_a_sign_are_diagnosed() {
    let canonical = "car_type=1&park_uuid=P&plate=粤B1";
    let fields = ["car_type=1", "park_uuid=P", "plate=粤B1"];
    let reported = |sign: &str| explain(&[&["--sign", sign], &fields[..]].concat());
    let right = reported(&md5_hex(format!("{canonical}&app_secret=123").as_bytes()));
    assert_eq!((&right["matches"], &right["variant"]), (&json!(true), &json!("plain")));
    let wrong = reported(&md5_hex(format!("{canonical}&123").as_bytes()));
    assert_eq!((&wrong["matches"], &wrong["kinds"]), (&json!(false), &json!(["secret_without_name"])), "{wrong}");
    assert!(wrong["signed"].as_str().unwrap().ends_with("&***"), "{wrong}");
    let other = explain(
        &[&["--sign", &md5_hex(format!("{canonical}&app_secret=9").as_bytes()), "--other-secret", "9"], &fields[..]]
            .concat(),
    );
    assert_eq!(other["kinds"], json!(["other_park_secret"]));
    assert_eq!(reported("00000000000000000000000000000000")["kinds"], json!(["no_known_mistake"]));
}

#[test]
fn captured_bodies_and_requests_are_read() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, bytes: &[u8]| {
        let path = folder.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let form = body(&signed(leave("S1", &[]), "123"));
    let urlencoded = file("a", format!("{form}\n").as_bytes());
    assert_eq!(explain(&["--body", &urlencoded])["matches"], true);
    let parts = MultipartBody::of(&signed(leave("S1", &[("leave_image_hash", &md5_hex(b"GIF89a"))]), "123"));
    let multipart = file("b", &parts.file("leave_image_file", b"GIF89a").end());
    assert_eq!(explain(&["--body", &multipart, "--content-type", &MultipartBody::content_type()])["matches"], true);
    let head = "POST /gate/1.0/parking/internal/leave HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-www-form-urlencoded\r\n\r\n";
    let whole = file("c", format!("{head}{form}").as_bytes());
    assert_eq!(explain(&["--request", &whole])["matches"], true);
    let wrong = file("d", format!("{head}{}", body(&signed(leave("S1", &[]), " 123"))).as_bytes());
    assert_eq!(explain(&["--request", &wrong])["kinds"], json!(["secret_whitespace"]));
    let masked = format!("签名验证不通过[park_uuid={DEMO_PARK}&plate=粤B1&app_secret=***]");
    let sign = md5_hex(format!("park_uuid={DEMO_PARK}&plate=粤B1&app_secret=123").as_bytes());
    assert_eq!(explain(&["--string", &masked, "--sign", &sign])["matches"], true);
    let nothing = parkgate(Path::new(PARKGATE), &["explain", "--secret", "123"]);
    assert_eq!(nothing.status.code(), Some(2));
}
