//! Real clients: the document's own Java program, Python `requests`, Node's `fetch`; every way of encoding.

use std::path::{Path, PathBuf};
use std::process::Command;

use parkgate_testbed::{DEMO_PARK, TestGate, leave, percent, signed};
use serde_json::Value;

use crate::demo;

const GIF: &[u8] = b"GIF89a\x01\x00\x01\x00\x80\x00\x00\x05\x04\x04\x00\x00\x00\x2c\x00\x00\x00\x00\x01\x00\x01\x00\x00\x02\x02\x44\x01\x00\x3b";

fn clients() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/clients")
}

fn picture(gate: &TestGate) -> PathBuf {
    let path = gate.data().join("abcde.gif");
    std::fs::write(&path, GIF).unwrap();
    path
}

fn replies(command: &mut Command) -> Vec<Value> {
    let output = command.output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{text}\n{}", String::from_utf8_lossy(&output.stderr));
    text.lines().filter(|line| line.starts_with('{')).map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn all_taken(gate: &TestGate, replies: &[Value], pushed: usize) {
    assert_eq!(replies.len(), pushed);
    for reply in replies {
        assert_eq!((&reply["message"], &reply["hint"]), (&Value::from("OK"), &Value::Null), "{reply}");
    }
    let listed = gate.json(&["visit", "list", "--unmask"]);
    for visit in listed.as_array().unwrap() {
        assert_eq!(visit["plate"], "粤X44444", "{visit}");
    }
    assert_eq!(listed.as_array().unwrap().len(), pushed);
}

#[test]
fn the_documents_java_program_is_accepted() {
    let gate = demo();
    let classes = tempfile::tempdir().unwrap();
    let jars = "/usr/share/java/httpclient.jar:/usr/share/java/httpcore.jar:/usr/share/java/httpmime.jar:/usr/share/java/commons-logging.jar:/usr/share/java/commons-codec.jar";
    let compiled = Command::new("javac")
        .args(["-encoding", "UTF-8", "-cp", jars, "-d"])
        .arg(classes.path())
        .arg(clients().join("TestLeave.java"))
        .output()
        .unwrap();
    assert!(compiled.status.success(), "{}", String::from_utf8_lossy(&compiled.stderr));
    let class_path = format!("{jars}:{}", classes.path().display());
    let mut java = Command::new("java");
    java.args(["-Dfile.encoding=UTF-8", "-cp", &class_path, "TestLeave", &gate.url, DEMO_PARK]).arg(picture(&gate));
    all_taken(&gate, &replies(&mut java), 1);
    let visit = gate.visit("202106028000000007");
    assert_eq!(visit["images"]["leave_image"]["md5"], "DF16D33739DEFE9BDA1F4C45D36FD7A7");
    assert_eq!(visit["payments"].as_array().unwrap().len(), 3);
}

/// Null and empty values in the form and not in the sign, an `app_id` without `api_type`, success of an update only by 1001, and
/// bodies of a 4xx lost.
#[test]
fn a_client_that_corrects_its_records_moves_over_by_its_url_alone() {
    let gate = demo();
    gate.ok(&["app", "add", "--id", "op1", "--secret", "456", "--park", DEMO_PARK]);
    let classes = tempfile::tempdir().unwrap();
    let compiled = Command::new("javac")
        .args(["-encoding", "UTF-8", "-d"])
        .arg(classes.path())
        .arg(clients().join("PushByForm.java"))
        .output()
        .unwrap();
    assert!(compiled.status.success(), "{}", String::from_utf8_lossy(&compiled.stderr));
    let pushed = |secret: &str| -> Vec<String> {
        let mut java = Command::new("java");
        java.args(["-Dfile.encoding=UTF-8", "-Dstdout.encoding=UTF-8", "-cp"]).arg(classes.path());
        let output = java.args(["PushByForm", &gate.url, DEMO_PARK, secret]).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap().lines().map(str::to_owned).collect()
    };
    let mut lines = Vec::new();
    // Until the gate knows of the app; what is pushed again meanwhile is the same.
    crate::replies::eventually(|| {
        lines = pushed("456");
        lines[0].starts_with("enter taken ")
    });
    for (line, call) in lines.iter().zip(["enter", "leave", "update", "update"]) {
        assert!(line.starts_with(&format!("{call} taken ")) && !line.contains("hint"), "{line}");
    }
    assert_eq!(lines.len(), 4);
    let visit = gate.visit("1001");
    assert_eq!((&visit["plate"], &visit["state"]), (&Value::from("粤B54321"), &Value::from("left")), "{visit}");
    assert_eq!(visit["enter_time"], 1_624_874_400_000_i64, "as the update has it: {visit}");
    assert!(visit["enter_seqno"].is_string() && visit["leave_seqno"].is_string(), "one visit: {visit}");
    let updates = visit["updates"].as_array().unwrap();
    assert_eq!((updates.len(), &updates[0]["reason"]), (1, &Value::from("车牌识别错误 & 时间不准")), "{visit}");
    assert_eq!(updates[0]["changed"]["plate"]["before"], "粤B12345", "{visit}");
    // A wrong secret is no success to it, though it never sees why; the gate has kept the pushes.
    let failed = pushed("457");
    assert!(failed[2..].iter().all(|line| line == "update failed HTTP 401"), "{failed:?}");
    let kept = gate.json(&["quarantine", "list"]);
    assert!(kept.as_array().unwrap().len() >= 3, "enter, leave and update: {kept}");
    // Where it must see a 200, the code alone says so.
    gate.ok(&["park", "set", DEMO_PARK, "--http-200", "always"]);
    crate::replies::eventually(|| {
        let failed = pushed("457");
        failed[2].starts_with("update failed {") && failed[2].contains("\"401\"")
    });
}

#[test]
fn python_requests_is_accepted_as_form_and_as_multipart() {
    let gate = demo();
    let mut python = Command::new("python3");
    python.arg(clients().join("push.py")).args([&gate.url, DEMO_PARK]).arg(picture(&gate));
    all_taken(&gate, &replies(&mut python), 4);
}

#[test]
fn nodes_fetch_is_accepted_as_form_and_as_multipart() {
    let gate = demo();
    let mut node = Command::new("node");
    node.arg(clients().join("push.mjs")).args([&gate.url, DEMO_PARK]).arg(picture(&gate));
    all_taken(&gate, &replies(&mut node), 3);
}

/// `encoding=URL`: only the Chinese is encoded, the encoded text is signed.
fn url_encoded(serial: &str) -> Vec<(String, String)> {
    let car_desc = percent("临时车".as_bytes());
    let plate = format!("{}B12345", percent("粤".as_bytes()));
    signed(leave(serial, &[("plate", &plate), ("car_desc", &car_desc), ("encoding", "URL")]), "123")
}

#[test]
fn url_encoded_values_are_taken_encoded_once_and_twice() {
    let gate = demo();
    let form = "application/x-www-form-urlencoded";
    let post = |serial: &str, encode: &dyn Fn(&str) -> String| {
        let pairs: Vec<String> =
            url_encoded(serial).iter().map(|(name, value)| format!("{name}={}", encode(value))).collect();
        let (_, reply) = gate.post("leave", form, pairs.join("&").into_bytes());
        assert_eq!((&reply["message"], &reply["hint"]), (&Value::from("OK"), &Value::Null), "{reply}");
        let visit = gate.visit(serial);
        assert_eq!((&visit["plate"], &visit["params"]["car_desc"]), (&Value::from("粤B12345"), &Value::from("临时车")));
    };
    post("S1", &|value| percent(value.as_bytes()));
    post("S2", &str::to_owned);
}

#[test]
fn gbk_named_in_the_content_type_is_decoded() {
    let gate = demo();
    let pairs = signed(leave("S1", &[]), "123");
    let encoded: Vec<String> =
        pairs.iter().map(|(name, value)| format!("{name}={}", percent(&encoding_rs::GBK.encode(value).0))).collect();
    let content_type = "application/x-www-form-urlencoded; charset=GBK";
    let (_, reply) = gate.post("leave", content_type, encoded.join("&").into_bytes());
    assert_eq!(reply["message"], "OK", "{reply}");
    assert_eq!(gate.visit("S1")["params"]["car_desc"], "临时车");
}
