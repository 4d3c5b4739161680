//! Bad input gets its 4xx with a hint, the gate goes on, and nothing is left behind on disk.

use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::net::TcpStream;

use parkgate_testbed::{MultipartBody, TestGate, body, leave, signed};

use crate::{PARKGATE, demo};

fn expect(gate: &TestGate, content_type: &str, body: Vec<u8>, status: u16, hint: &str) {
    let (found, reply) = gate.post("leave", content_type, body);
    assert_eq!((found, &reply["code"]), (status, &"400".into()), "{reply}");
    assert!(reply["hint"].as_str().unwrap().contains(hint), "{reply}");
    assert_eq!(reply["path"], "POST /gate/1.0/parking/internal/leave");
}

fn still_fine(gate: &TestGate, serial: &str) {
    gate.taken("leave", leave(serial, &[]));
    let kept = gate.json(&["quarantine", "list"]);
    let kept = kept.as_array().unwrap().iter().map(|row| gate.json(&["quarantine", "show", &row["id"].to_string()]));
    let keys: BTreeSet<String> = kept
        .flat_map(|kept| kept["images"].as_array().unwrap().clone())
        .map(|image| image["key"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(gate.pictures_below("images"), keys.len(), "nothing is left behind but what the quarantine keeps");
}

const FORM: &str = "application/x-www-form-urlencoded";

#[test]
fn broken_bodies_are_named() {
    let gate = demo();
    let multipart = MultipartBody::content_type();
    let pairs = signed(leave("S1", &[]), "123");
    let whole = MultipartBody::of(&pairs).file("leave_image_file", &[7; 1000]).end();
    expect(&gate, &multipart, whole[..whole.len() - 30].to_vec(), 400, "请求体格式错误");
    expect(&gate, &multipart, b"no multipart at all".to_vec(), 400, "请求体格式错误");
    expect(&gate, &multipart, Vec::new(), 400, "请求体格式错误");
    expect(&gate, "multipart/form-data", whole.clone(), 400, "boundary");
    let long = format!("multipart/form-data; boundary={}", "x".repeat(71));
    expect(&gate, &long, whole, 400, "boundary");
    let nameless = MultipartBody::default().part("Content-Disposition: form-data", b"x").end();
    expect(&gate, &multipart, nameless, 400, "没有name");
    expect(&gate, "application/json", b"{}".to_vec(), 400, "`Content-Type`应为");
    expect(&gate, "", b"a=1".to_vec(), 400, "`Content-Type`应为");
    expect(&gate, "application/x-www-form-urlencoded; charset=klingon", b"a=1".to_vec(), 400, "字符集`klingon`");
    expect(&gate, FORM, b"plate=%D4%C1".to_vec(), 400, "参数`plate`不是有效的UTF-8文本");
    expect(&gate, FORM, b"\xff\xfe=1".to_vec(), 400, "参数名");
    expect(&gate, FORM, b"app_secret=123".to_vec(), 400, "`app_secret`不应发送");
    expect(&gate, FORM, b"".to_vec(), 400, "参数`park_uuid`未传递");
    still_fine(&gate, "S2");
}

#[test]
fn what_is_too_large_or_too_many_is_413() {
    let gate = demo();
    let multipart = MultipartBody::content_type();
    let pairs = signed(leave("S1", &[]), "123");
    let large = MultipartBody::of(&pairs).file("leave_image_file", &vec![7; 5 * 1024 * 1024 + 1]).end();
    expect(&gate, &multipart, large, 413, "文件`leave_image_file`超过上限5242880字节");
    let forty = MultipartBody::of(&pairs).file("leave_image_file", &vec![7; 40_000_000]).end();
    expect(&gate, &multipart, forty, 413, "超过上限");
    let parts = (0..100_000).fold(MultipartBody::default(), |form, index| {
        form.part(&format!("Content-Disposition: form-data; name=\"a{index}\""), b"1")
    });
    expect(&gate, &multipart, parts.end(), 413, "超过上限");
    let twelve = (0..5).fold(MultipartBody::of(&pairs), |form, index| form.file(&format!("x{index}_file"), b"1"));
    expect(&gate, &multipart, twelve.end(), 413, "文件 files超过上限4个");
    let value = format!("plate={}", "x".repeat(64 * 1024 + 1));
    expect(&gate, FORM, value.into_bytes(), 413, "参数`plate`超过上限65536字节");
    let unlisted: Vec<String> = (0..33).map(|index| format!("u{index}=1")).collect();
    expect(&gate, FORM, unlisted.join("&").into_bytes(), 413, "超过上限32个");
    expect(&gate, FORM, vec![b'&'; 600 * 1024], 413, "超过上限524288字节");
    let header = format!("Content-Disposition: form-data; name=\"a\"\r\nX: {}", "x".repeat(1024 * 1024));
    expect(&gate, &multipart, MultipartBody::default().part(&header, b"1").end(), 400, "头过长");
    still_fine(&gate, "S2");
}

/// Speaks HTTP by hand; all that comes back until the gate closes.
fn raw(gate: &TestGate, request: &[u8]) -> String {
    let address = gate.url.strip_prefix("http://").unwrap();
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(std::time::Duration::from_secs(30))).unwrap();
    // The gate may close before it has read all.
    drop(stream.write_all(request));
    let mut reply = Vec::new();
    drop(stream.read_to_end(&mut reply));
    String::from_utf8_lossy(&reply).into_owned()
}

#[test]
fn other_methods_codings_and_queries_are_refused() {
    let gate = demo();
    let path = "/gate/1.0/parking/internal/leave";
    let reply = raw(&gate, format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").as_bytes());
    assert!(reply.starts_with("HTTP/1.1 400") && reply.contains("收到`GET`"), "{reply}");
    let form = "Content-Type: application/x-www-form-urlencoded\r\nConnection: close";
    let reply =
        raw(&gate, format!("POST {path}?sign=1 HTTP/1.1\r\nHost: x\r\n{form}\r\nContent-Length: 0\r\n\r\n").as_bytes());
    assert!(reply.starts_with("HTTP/1.1 400") && reply.contains("不能放在URL里"), "{reply}");
    let head =
        format!("POST {path} HTTP/1.1\r\nHost: x\r\n{form}\r\nContent-Encoding: gzip\r\nContent-Length: 3\r\n\r\nabc");
    let reply = raw(&gate, head.as_bytes());
    assert!(reply.starts_with("HTTP/1.1 415") && reply.contains("\"code\":\"400\""), "{reply}");
    let reply = raw(&gate, b"POST /nowhere HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 0\r\n\r\n");
    assert!(reply.starts_with("HTTP/1.1 404") && reply.contains("没有这个接口"), "{reply}");
    // As from a root that was set with a `/` at its end.
    for path in [format!("/{path}"), format!("{path}/")] {
        let body = body(&signed(leave("S0", &[]), "123"));
        let head = format!("POST {path} HTTP/1.1\r\nHost: x\r\n{form}\r\nContent-Length: {}\r\n\r\n{body}", body.len());
        let reply = raw(&gate, head.as_bytes());
        assert!(reply.starts_with("HTTP/1.1 200") && reply.contains("\"message\":\"OK\""), "{path}: {reply}");
    }
    let long = format!("GET / HTTP/1.1\r\nHost: x\r\nX: {}\r\n\r\n", "x".repeat(200_000));
    // What it did not read may reset the connection before the reply is seen.
    let reply = raw(&gate, long.as_bytes());
    assert!(reply.is_empty() || reply.starts_with("HTTP/1.1 431"), "{reply}");
    still_fine(&gate, "S1");
}

#[test]
fn slow_and_endless_senders_are_let_go() {
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("parkgate.toml");
    let limits = "[limits]\nheader_timeout = \"300ms\"\nbody_idle_timeout = \"300ms\"\nbody_timeout = \"1s\"\n";
    std::fs::write(&config, limits).unwrap();
    let gate = TestGate::with(PARKGATE, &["--demo", "--config", config.to_str().unwrap()]);
    assert_eq!(raw(&gate, b""), "", "a connection without a byte is closed");
    let half_header = raw(&gate, b"POST /gate/1.0/parking/internal/leave HTTP/1.1\r\nHost:");
    assert!(half_header.is_empty() || half_header.starts_with("HTTP/1.1 408"), "{half_header}");
    let head = "POST /gate/1.0/parking/internal/leave HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-www-form-urlencoded\r\n";
    let stuck = raw(&gate, format!("{head}Content-Length: 100\r\n\r\npark").as_bytes());
    assert!(stuck.starts_with("HTTP/1.1 408") && stuck.contains("接收超时"), "{stuck}");
    let mut endless = format!("{head}Transfer-Encoding: chunked\r\n\r\n").into_bytes();
    let chunk = [b"10000\r\n".as_slice(), &[b'a'; 0x10000], b"\r\n"].concat();
    (0..400).for_each(|_| endless.extend_from_slice(&chunk));
    let reply = raw(&gate, &endless);
    assert!(reply.starts_with("HTTP/1.1 413"), "{reply}");
    still_fine(&gate, "S1");
}

#[test]
fn a_form_whose_length_is_wrong_is_refused_and_the_next_is_taken() {
    let gate = demo();
    let form = body(&signed(leave("S1", &[]), "123"));
    let head = "POST /gate/1.0/parking/internal/leave HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-www-form-urlencoded\r\n";
    let both =
        format!("{head}Content-Length: 5\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n0\r\n\r\n{form}");
    let reply = raw(&gate, both.as_bytes());
    assert!(!reply.contains("\"OK\""), "{reply}");
    let twice = format!("{head}Content-Length: 5\r\nContent-Length: 6\r\n\r\n");
    let reply = raw(&gate, twice.as_bytes());
    assert!(reply.starts_with("HTTP/1.1 400"), "{reply}");
    still_fine(&gate, "S2");
}
