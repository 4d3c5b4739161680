//! Whatever folder is made, its own name is synced in the one above: a power cut takes no folder with all that is in it.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use parkgate_testbed::{TestGate, leave, md5_hex, parkgate};

use crate::PARKGATE;
use crate::replies::eventually;

/// Folders made, and those synced after they were, in the traced calls of a program.
fn unsynced(trace: &str, top: &Path) -> (usize, Vec<String>) {
    let top = top.to_str().unwrap();
    let mut open: Vec<String> = Vec::new();
    let mut made = 0;
    for line in trace.lines().filter(|line| line.contains(top) && !line.contains("= -1")) {
        if line.contains("mkdir") {
            let path = line.split('"').nth(1).unwrap();
            // What is written aside need not outlive anything.
            if path.starts_with(top) && !path.contains("incoming") {
                made += 1;
                open.push(Path::new(path).parent().unwrap().to_str().unwrap().to_owned());
            }
        } else if line.contains("fsync(") {
            let synced = line.split_once('<').and_then(|(_, rest)| rest.split_once('>')).unwrap().0;
            open.retain(|path| path != synced);
        }
    }
    (made, open)
}

/// The program under another name: its calls are written down. Its own process is the one that is started.
fn traced(top: &Path, trace: &Path) -> PathBuf {
    let program = top.join("traced");
    let calls = "mkdir,mkdirat,fsync,fdatasync";
    let script =
        format!("#!/bin/sh\nexec strace -D -f -y -q -e trace={calls} -o {} {PARKGATE} \"$@\"\n", trace.display());
    std::fs::write(&program, script).unwrap();
    std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o700)).unwrap();
    program
}

/// All of it, once the program has ended.
fn finished(trace: &Path) -> String {
    let mut text = String::new();
    eventually(|| {
        text = std::fs::read_to_string(trace).unwrap_or_default();
        text.lines().last().is_some_and(|line| line.contains("+++"))
    });
    text
}

#[test]
fn folders_are_synced_in_those_above_them() {
    let top = tempfile::tempdir().unwrap();
    let trace = top.path().join("trace");
    let program = traced(top.path(), &trace);
    let under = |path: &str| top.path().join(path).to_str().unwrap().to_owned();
    let all_synced = |folders: usize| {
        let text = finished(&trace);
        let (made, open) = unsynced(&text, top.path());
        assert!(made >= folders && open.is_empty(), "{made} made, in {open:?}: {text}");
        std::fs::remove_file(&trace).unwrap();
    };
    let data = under("a/b/data");
    let add = ["park", "add", "--uuid", "P", "--name", "East", "--secret", "123", "--data", &data];
    assert!(parkgate(&program, &add).status.success());
    all_synced(3);

    let images = under("c/images");
    let mut gate =
        TestGate::at(program.to_str().unwrap(), &top.path().join("d/e/data"), &["--demo", "--images", &images]);
    let hash = md5_hex(b"GIF89a");
    let pairs = leave("S1", &[("leave_image_hash", &hash)]);
    assert_eq!(gate.push_files("leave", pairs, &[("leave_image_file", b"GIF89a")]).1["message"], "OK");
    assert_eq!(gate.stop(), Some(0));
    // The data folder, that of the demo picture, `c` and its images, and one for a first byte.
    all_synced(5);

    let config = under("agent.toml");
    let settings = format!(
        "data = \"{}\"\n[platform]\nurl = \"http://127.0.0.1:1\"\npark_uuid = \"P\"\nsecret = \"1\"\n",
        under("f/agent")
    );
    std::fs::write(&config, settings).unwrap();
    let record = ["parking_serial=S1", "enter_time=1624874732253", "car_type=1", "car_desc=x", "plate_color=1"];
    let mut add = vec!["agent", "add", "enter", "--config", &config];
    add.extend(record);
    let output = parkgate(&program, &add);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    all_synced(3);
}
