//! Several gates on one folder of pictures.

use std::io::{Read, Write};
use std::net::TcpStream;

use parkgate_testbed::{MultipartBody, TestGate, leave, md5_hex, signed};

use crate::PARKGATE;
use crate::replies::eventually;

fn files_aside(folder: &std::path::Path) -> usize {
    let folders = std::fs::read_dir(folder.join("incoming")).into_iter().flatten().map(|entry| entry.unwrap().path());
    folders.filter(|path| path.is_dir()).map(|path| std::fs::read_dir(path).unwrap().count()).sum()
}

#[test]
fn a_gate_that_starts_takes_no_picture_from_one_that_is_receiving_it() {
    let top = tempfile::tempdir().unwrap();
    let images = top.path().join("images");
    let flags = ["--demo", "--images", images.to_str().unwrap()];
    let first = TestGate::at(PARKGATE, &top.path().join("one"), &flags);
    let picture = [b"GIF89a".as_slice(), &[7; 200_000]].concat();
    let hash = md5_hex(&picture);
    let pairs = signed(leave("S1", &[("leave_image_hash", &hash)]), "123");
    let body = MultipartBody::of(&pairs).file("leave_image_file", &picture).end();
    let mut line = TcpStream::connect(first.url.strip_prefix("http://").unwrap()).unwrap();
    let head = format!(
        "POST /gate/1.0/parking/internal/leave HTTP/1.1\r\nHost: gate\r\nConnection: close\r\nContent-Type: {}\r\n\
         Content-Length: {}\r\n\r\n",
        MultipartBody::content_type(),
        body.len()
    );
    let (half, rest) = body.split_at(body.len() - 100_000);
    line.write_all(head.as_bytes()).unwrap();
    line.write_all(half).unwrap();
    eventually(|| files_aside(&images) == 1);
    let second = TestGate::at(PARKGATE, &top.path().join("two"), &flags);
    assert_eq!(files_aside(&images), 1, "it is still arriving");
    line.write_all(rest).unwrap();
    let mut reply = String::new();
    line.read_to_string(&mut reply).unwrap();
    assert!(reply.contains(r#""message":"OK""#), "{reply}");
    let key = first.visit("S1")["images"]["leave_image"]["key"].as_str().unwrap().to_owned();
    assert_eq!(std::fs::read(images.join(key)).unwrap(), picture);
    let pairs = leave("S2", &[("leave_image_hash", &hash)]);
    assert_eq!(second.push_files("leave", pairs, &[("leave_image_file", &picture)]).1["message"], "OK");
}
