//! What gate and agent leave on a disk: for their owner only, whichever command makes it first, and no ID number in it.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use parkgate_testbed::{Agent, Scripted, ScriptedReply, TestGate, enter, leave, md5_hex, parkgate};
use serde_json::json;

use crate::PARKGATE;
use crate::replies::eventually;

const ID: &str = "110101199003070011";

/// The program under another umask.
fn under_umask(folder: &Path, umask: &str) -> PathBuf {
    let program = folder.join(format!("parkgate-{umask}"));
    let script = format!("#!/bin/sh\numask {umask}\nexec {PARKGATE} \"$@\"\n");
    std::fs::write(&program, script).unwrap();
    std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
    program
}

fn mode(path: &Path) -> u32 {
    std::fs::symlink_metadata(path).unwrap().permissions().mode() & 0o777
}

/// Everything below a folder, and itself.
fn walk(folder: &Path) -> Vec<PathBuf> {
    let mut found = vec![folder.to_owned()];
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        found.extend(if path.is_dir() { walk(&path) } else { vec![path] });
    }
    found
}

/// Names of what others can use.
fn open_to_others(folder: &Path) -> Vec<(PathBuf, String)> {
    let mode = |path: &PathBuf| format!("{:o}", mode(path));
    walk(folder)
        .into_iter()
        .filter(|path| std::fs::symlink_metadata(path).unwrap().permissions().mode() & 0o077 != 0)
        .map(|path| (path.clone(), mode(&path)))
        .collect()
}

#[test]
fn a_gates_folder_is_its_owners_whatever_the_umask() {
    for umask in ["000", "022"] {
        let folder = tempfile::tempdir().unwrap();
        let program = under_umask(folder.path(), umask);
        // By another command than `serve`, first.
        let made = folder.path().join("made/by/add");
        let add = ["park", "add", "--uuid", "U", "--secret", "1", "--name", "N", "--data", made.to_str().unwrap()];
        assert!(parkgate(&program, &add).status.success());
        assert_eq!(open_to_others(&made), []);
        let data = folder.path().join("data");
        let gate = TestGate::at(program.to_str().unwrap(), &data, &["--demo"]);
        let picture: &[u8] = b"GIF89a car";
        let hash = md5_hex(picture);
        let files = [("leave_image_file", picture)];
        let (_, reply) = gate.push_files("leave", leave("S1", &[("leave_image_hash", &hash)]), &files);
        assert_eq!(reply["message"], "OK", "{reply}");
        let (_, reply) =
            gate.push_files("leave", leave("S2", &[("total_value", "x"), ("leave_image_hash", &hash)]), &files);
        assert_eq!(reply["code"], "400", "one for the quarantine: {reply}");
        gate.taken("enter", enter("S3", &[("idcard_no", ID)]));
        assert!(walk(&data).len() > 8, "{:?}", walk(&data));
        assert_eq!(open_to_others(&data), [], "umask {umask}");
    }
}

#[test]
fn a_gates_folder_that_others_could_use_is_taken_back() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let mut gate = TestGate::at(PARKGATE, &data, &["--demo"]);
    gate.taken("leave", leave("S1", &[]));
    gate.kill();
    for path in walk(&data).iter().filter(|path| !path.ends_with("master.key")) {
        let loose = if path.is_dir() { 0o755 } else { 0o644 };
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(loose)).unwrap();
    }
    gate.start();
    gate.taken("leave", leave("S2", &[]));
    assert_eq!((mode(&data), mode(&data.join("parkgate.db")), mode(&data.join("images"))), (0o700, 0o600, 0o700));
    assert!(gate.log().contains("others could use this"), "{}", gate.log());
}

#[test]
fn an_agents_folder_is_its_owners_and_the_spool_is_not() {
    for umask in ["000", "022"] {
        let folder = tempfile::tempdir().unwrap();
        let program = under_umask(folder.path(), umask);
        let platform = Scripted::start(|_| ScriptedReply::says(503, ""));
        let mut agent = Agent::new(program.to_str().unwrap(), &platform.url, "");
        let picture = agent.folder.path().join("car.gif");
        std::fs::write(&picture, b"GIF89a car").unwrap();
        let image = format!("leave_image_file={}", picture.display());
        let words = ["add", "leave", "parking_serial=S1", "plate_color=1", "enter_time=1624874732253", "car_type=1"];
        let more = ["leave_time=1624937505093", "car_desc=x", "--image", &image];
        assert_eq!(agent.run(&[&words[..], &more].concat()).0, 0);
        let data = agent.folder.path().join("data");
        assert_eq!(open_to_others(&data), [], "before it ran");
        agent.start();
        let form = reqwest::blocking::multipart::Form::new();
        let record = crate::agent::leave("S2");
        let form = record.as_object().unwrap().iter().fold(form, |form, (name, value)| {
            form.text(name.clone(), value.as_str().map_or_else(|| value.to_string(), str::to_owned))
        });
        let part = reqwest::blocking::multipart::Part::bytes(b"GIF89a car".to_vec()).file_name("a");
        let post = reqwest::blocking::Client::new().post(format!("{}/leave", agent.url));
        assert_eq!(post.multipart(form.part("leave_image_file", part)).send().unwrap().status(), 202);
        let spool = agent.folder.path().join("spool");
        eventually(|| spool.is_dir());
        assert_eq!(open_to_others(&data), [], "umask {umask}");
        assert!(walk(&data).len() > 7, "{:?}", walk(&data));
        let open = 0o777 & !u32::from_str_radix(umask, 8).unwrap();
        assert_eq!(mode(&spool), open, "others drop their files there");
    }
}

#[test]
fn an_agents_folder_that_others_could_use_is_taken_back_unless_the_spool_is_in_it() {
    let mut agent = Agent::started(PARKGATE, "http://127.0.0.1:9", "");
    let data = agent.folder.path().join("data");
    assert_eq!(agent.give("leave", &crate::agent::leave("S1")).0, 202);
    agent.kill();
    let loosen = || {
        for path in walk(&data).iter().filter(|path| !path.ends_with("master.key")) {
            let loose = if path.is_dir() { 0o755 } else { 0o644 };
            std::fs::set_permissions(path, std::fs::Permissions::from_mode(loose)).unwrap();
        }
    };
    loosen();
    agent.start();
    assert_eq!((mode(&data), mode(&data.join("outbox.db")), mode(&data.join("pictures"))), (0o700, 0o600, 0o700));
    assert!(agent.log().contains("others could use this"));
    agent.kill();
    loosen();
    let config = std::fs::read_to_string(agent.config()).unwrap();
    std::fs::write(agent.config(), config.replace("\"spool\"", "\"data/spool\"")).unwrap();
    agent.start();
    assert_eq!((mode(&data), mode(&data.join("outbox.db")), mode(&data.join("pictures"))), (0o755, 0o600, 0o700));
}

#[test]
fn an_id_number_is_nowhere_in_the_agents_folder_nor_in_its_log() {
    // It repeats what it was sent, as the protocol has it.
    let platform = Scripted::start(|request| {
        let body = String::from_utf8_lossy(&request.body).into_owned();
        let reported = json!({ "code": "400", "message": "x", "hint": format!("检查[{body}] {ID}") });
        ScriptedReply::says(400, &reported.to_string())
    });
    let agent = Agent::started(PARKGATE, &platform.url, "");
    let mut record = crate::agent::leave("S1");
    record["idcard_no"] = json!(ID);
    record["idcard_name"] = json!("阿Q正传");
    assert_eq!(agent.give("leave", &record).0, 202);
    eventually(|| agent.is_empty());
    assert_eq!(agent.json(&["dead", "list"])[0]["params"]["idcard_no"], ID, "its owner sees it");
    assert!(!agent.json(&["status"]).to_string().contains(ID));
    let data = agent.folder.path().join("data");
    for path in walk(&data).iter().filter(|path| path.is_file()).chain([&agent.folder.path().join("log")]) {
        let bytes = std::fs::read(path).unwrap();
        for text in [ID.as_bytes(), "阿Q正传".as_bytes()] {
            assert!(!bytes.windows(text.len()).any(|piece| piece == text), "{}", path.display());
        }
    }
}
