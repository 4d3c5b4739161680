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
    let listed = gate.json(&["visit", "list"]);
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
