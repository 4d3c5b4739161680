//! `parkgate backup` and `parkgate restore`.

use std::collections::HashSet;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use parkgate_testbed::{BucketServer, DEMO_PARK, Postgres, TestGate, enter, leave, md5_hex};
use serde_json::Value;

use crate::PARKGATE;
use crate::replies::eventually;

pub(crate) fn command(args: &[&str]) -> Command {
    let mut command = Command::new(PARKGATE);
    command.args(args).env("PARKGATE_LANG", "en").env_remove("PARKGATE_DATA").env("COLUMNS", "80");
    command
}

pub(crate) fn run(args: &[&str]) -> Output {
    command(args).output().unwrap()
}

/// Runs a command that must succeed; its stdout.
pub(crate) fn ok(args: &[&str]) -> String {
    succeeded(run(args))
}

pub(crate) fn succeeded(output: Output) -> String {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// Runs a command that must fail; its exit code and stderr.
pub(crate) fn refused(args: &[&str]) -> (i32, String) {
    let output = run(args);
    (output.status.code().unwrap(), String::from_utf8(output.stderr).unwrap())
}

pub(crate) fn json(args: &[&str]) -> Value {
    let mut all = args.to_vec();
    all.push("--json");
    serde_json::from_str(&ok(&all)).unwrap()
}

pub(crate) fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// Pushes a leave with a picture of this text.
pub(crate) fn push_picture(gate: &TestGate, serial: &str, picture: &[u8]) {
    let hash = md5_hex(picture);
    let pairs = leave(serial, &[("leave_image_hash", &hash)]);
    let (_, reply) = gate.push_files("leave", pairs, &[("leave_image_file", picture)]);
    assert_eq!(reply["message"], "OK", "{reply}");
}

fn picture(number: usize) -> Vec<u8> {
    [b"GIF89a".as_slice(), number.to_string().as_bytes(), &[7; 3000]].concat()
}

/// A gate with some visits, every other with a picture.
pub(crate) fn gate_with(visits: usize) -> TestGate {
    let gate = crate::demo();
    for number in 0..visits {
        let serial = format!("S{number}");
        gate.taken("enter", enter(&serial, &[]));
        if number % 2 == 0 {
            push_picture(&gate, &serial, &picture(number))
        } else {
            gate.taken("leave", leave(&serial, &[]));
        }
    }
    gate
}

/// The only backup's folder, or the newest one's.
pub(crate) fn newest(place: &Path) -> PathBuf {
    let names = std::fs::read_dir(place).unwrap().map(|entry| entry.unwrap().path());
    names.filter(|path| path.join("manifest.json").exists()).max().unwrap()
}

pub(crate) fn visits(place: &[&str]) -> Value {
    let mut args = vec!["visit", "list", "--limit", "1000000"];
    args.extend(place);
    json(&args)
}

fn serials(visits: &Value) -> HashSet<String> {
    visits.as_array().unwrap().iter().map(|visit| visit["parking_serial"].as_str().unwrap().to_owned()).collect()
}

pub(crate) fn files_below(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { found.extend(files_below(&path)) } else { found.push(path) }
    }
    found.sort();
    found
}

#[test]
fn a_backup_holds_everything_and_a_second_one_copies_only_what_is_new() {
    let (gate, top) = (gate_with(10), tempfile::tempdir().unwrap());
    let (place, back) = (top.path().join("place"), top.path().join("back"));
    let first = gate.json(&["backup", text(&place)]);
    assert_eq!((&first["copied_pictures"], &first["manifest"]["pictures"]["count"]), (&5.into(), &5.into()));
    assert_eq!(first["manifest"]["highest_record"], 20);
    push_picture(&gate, "N1", b"GIF89a new");
    let second = gate.json(&["backup", text(&place)]);
    assert_eq!((&second["copied_pictures"], &second["manifest"]["pictures"]["count"]), (&1.into(), &6.into()));
    assert_eq!(second["manifest"]["highest_record"], 21);
    let live = visits(&["--data", text(gate.data())]);

    let restored =
        json(&["restore", text(&place), "--data", text(&back), "--key-file", text(&gate.data().join("master.key"))]);
    assert_eq!((&restored["key_missing"], &restored["name"]), (&Value::Null, &second["name"]));
    assert_eq!(visits(&["--data", text(&back)]), live);
    assert_eq!(files_below(&back.join("images")).len(), 6);
    // It takes pushes and knows repeats.
    let again = TestGate::at(PARKGATE, &back, &["--demo"]);
    assert_eq!(again.push("enter", enter("S1", &[])).1["message"], "OK");
    again.taken("leave", leave("N2", &[]));
    // The one before is there, too, with its own pictures.
    let old = top.path().join("old");
    let first_name = first["name"].as_str().unwrap();
    ok(&["restore", text(&place), "--data", text(&old), "--backup", first_name]);
    assert!(!old.join("images").join(second_key(&live, "N1")).exists());
    std::fs::copy(gate.data().join("master.key"), old.join("master.key")).unwrap();
    assert_eq!(visits(&["--data", text(&old)]).as_array().unwrap().len(), 10);
}

fn second_key(visits: &Value, serial: &str) -> String {
    let visit = visits.as_array().unwrap().iter().find(|visit| visit["parking_serial"] == serial).unwrap();
    visit["images"]["leave_image"]["key"].as_str().unwrap().to_owned()
}

/// Pushes by four at once until it is over; `acknowledged` holds the serials that got an OK so far.
fn load(gate: &TestGate, is_over: &AtomicBool, acknowledged: &Mutex<Vec<String>>, during: impl FnOnce()) {
    std::thread::scope(|scope| {
        for pusher in 0..4 {
            scope.spawn(move || {
                for number in 0_usize.. {
                    if is_over.load(Ordering::Relaxed) {
                        return;
                    }
                    let serial = format!("L{pusher}-{number}");
                    if number.is_multiple_of(3) {
                        push_picture(gate, &serial, &picture(pusher * 1_000_000 + number));
                    } else {
                        let order = format!(r#"[{{"parking_order":"{serial}","pay_type":1,"value":500}}]"#);
                        gate.taken(
                            "leave",
                            leave(&serial, &[("payment_list", &order), ("idcard_no", "440301199001011234")]),
                        );
                    }
                    acknowledged.lock().unwrap().push(serial);
                }
            });
        }
        during();
        is_over.store(true, Ordering::Relaxed);
    });
}

/// What was acknowledged before a backup under load began; it goes on until more came.
pub(crate) fn acknowledged_before(gate: &TestGate, back_up: impl Fn()) -> HashSet<String> {
    let (is_over, acknowledged) = (AtomicBool::new(false), Mutex::new(Vec::new()));
    let count = || acknowledged.lock().unwrap().len();
    let mut before = HashSet::new();
    load(gate, &is_over, &acknowledged, || {
        eventually(|| count() > 60);
        before = acknowledged.lock().unwrap().iter().cloned().collect();
        back_up();
        let now = count();
        eventually(|| count() > now + 10);
    });
    before
}

/// Every picture that these visits name is there.
fn assert_pictures(visits: &Value, images: &Path) {
    let mut count = 0;
    for visit in visits.as_array().unwrap() {
        if let Some(key) = visit["images"]["leave_image"]["key"].as_str() {
            let bytes = std::fs::read(images.join(key)).unwrap();
            assert_eq!(visit["images"]["leave_image"]["md5"], md5_hex(&bytes), "{visit}");
            count += 1;
        }
    }
    assert!(count > 10);
}

#[test]
fn what_was_acknowledged_before_a_backup_under_load_began_is_in_it() {
    let (gate, top) = (crate::demo(), tempfile::tempdir().unwrap());
    let (place, back) = (top.path().join("place"), top.path().join("back"));
    let before = acknowledged_before(&gate, || drop(gate.ok(&["backup", text(&place), "--with-key"])));
    ok(&["restore", text(&place), "--data", text(&back)]);
    let found = visits(&["--data", text(&back)]);
    let missing: Vec<_> = before.difference(&serials(&found)).cloned().collect();
    assert!(missing.is_empty(), "{missing:?}");
    assert_pictures(&found, &back.join("images"));
    let checked = json(&["check", "--data", text(&back)]);
    assert_eq!((&checked["flaws"], &checked["pages_read"]), (&serde_json::json!([]), &true.into()), "{checked}");
}

/// The order that `docs/backup.md` gives: the database first, then the pictures.
#[test]
fn a_postgresql_store_comes_back_by_pg_restore_and_restore() {
    let (cluster, top) = (Postgres::shared(), tempfile::tempdir().unwrap());
    let (url, data) = (cluster.database(), top.path().join("data"));
    let (place, dump, back) = (top.path().join("place"), top.path().join("parkgate.dump"), top.path().join("back"));
    let gate = TestGate::at(PARKGATE, &data, &["--store", &url, "--demo"]);
    let said = Mutex::new(String::new());
    let before = acknowledged_before(&gate, || {
        let dumped = Command::new("pg_dump").args(["--format=custom", "--file"]).arg(&dump).arg(&url).output().unwrap();
        assert!(dumped.status.success(), "{}", String::from_utf8_lossy(&dumped.stderr));
        let output = run(&["backup", text(&place), "--with-key", "--data", text(&data), "--store", &url]);
        *said.lock().unwrap() = String::from_utf8_lossy(&output.stderr).into_owned();
        succeeded(output);
    });
    let said = said.into_inner().unwrap();
    assert!(said.contains("pg_dump --format=custom") && said.contains("pg_restore"), "{said}");

    let another = cluster.database();
    let restored = Command::new("pg_restore").args(["--no-owner", "--dbname", &another]).arg(&dump).output().unwrap();
    assert!(restored.status.success(), "{}", String::from_utf8_lossy(&restored.stderr));
    ok(&["restore", text(&place), "--data", text(&back)]);
    let found = visits(&["--data", text(&back), "--store", &another]);
    let missing: Vec<_> = before.difference(&serials(&found)).cloned().collect();
    assert!(missing.is_empty(), "{missing:?}");
    assert_pictures(&found, &back.join("images"));
    let checked = json(&["check", "--data", text(&back), "--store", &another]);
    assert_eq!((&checked["flaws"], &checked["pages_read"]), (&serde_json::json!([]), &false.into()), "{checked}");
    let gate = TestGate::at(PARKGATE, &back, &["--store", &another, "--demo"]);
    gate.taken("leave", leave("N1", &[]));
}

#[test]
fn a_backup_goes_to_a_bucket_and_comes_back_from_there() {
    let (gate, bucket, top) = (gate_with(6), BucketServer::start(), tempfile::tempdir().unwrap());
    let with_bucket = |args: &[&str]| command(args).envs(bucket.variables(None)).output().unwrap();
    let url = bucket.url("backups");
    let data = text(gate.data());
    let back_up = ["backup", &url, "--data", data, "--with-key", "--json"];
    let made: Value = serde_json::from_str(&succeeded(with_bucket(&back_up))).unwrap();
    assert_eq!(made["copied_pictures"], 3);
    push_picture(&gate, "N1", b"GIF89a new");
    let made: Value = serde_json::from_str(&succeeded(with_bucket(&back_up))).unwrap();
    assert_eq!(made["copied_pictures"], 1);
    assert!(!gate.data().join("backup-aside").exists(), "the copy of the database is gone");
    assert!(bucket.objects("backups").iter().all(|path| !path.ends_with("backup.lock")), "it is free again");
    let (back, images) = (top.path().join("back"), bucket.url("restored"));
    succeeded(with_bucket(&["restore", &url, "--data", text(&back), "--images", &images]));
    assert_eq!(bucket.objects("restored").len(), 4);
    assert_eq!(visits(&["--data", text(&back)]), visits(&["--data", data]));
    // Pictures of a store whose pictures are in a bucket.
    let place = top.path().join("place");
    let made = with_bucket(&["backup", text(&place), "--data", text(&back), "--images", &images, "--json"]);
    let made: Value = serde_json::from_str(&succeeded(made)).unwrap();
    assert_eq!((&made["copied_pictures"], &made["manifest"]["pictures"]["missing"]), (&4.into(), &0.into()));
    // Only the newest, and none of the others' pictures.
    succeeded(with_bucket(&["backup", &url, "--data", data, "--keep", "1"]));
    let listed: Value = serde_json::from_str(&succeeded(with_bucket(&["restore", &url, "--list", "--json"]))).unwrap();
    assert_eq!(listed.as_array().unwrap().len(), 1);
    assert_eq!(bucket.objects("backups/images").len(), 4);
    // Another one is at it.
    std::fs::write(
        bucket.objects("backups")[0].ancestors().find(|path| path.ends_with("backups")).unwrap().join("backup.lock"),
        "x",
    )
    .unwrap();
    let output = with_bucket(&back_up);
    assert!(!output.status.success() && String::from_utf8_lossy(&output.stderr).contains("another backup"));
}

#[test]
fn a_backup_that_is_killed_leaves_the_one_before_whole_and_the_next_goes_on() {
    let (gate, top) = (gate_with(2), tempfile::tempdir().unwrap());
    let (place, back) = (top.path().join("place"), top.path().join("back"));
    gate.ok(&["backup", text(&place), "--with-key"]);
    for number in 0..3 {
        let large = [b"GIF89a".as_slice(), &vec![number; 4_000_000]].concat();
        push_picture(&gate, &format!("B{number}"), &large);
    }
    let slowly = ["backup", text(&place), "--data", text(gate.data()), "--max-mb-per-second", "1"];
    let mut child = command(&slowly).stderr(Stdio::null()).stdout(Stdio::null()).spawn().unwrap();
    eventually(|| files_below(&place).iter().any(|path| path.to_str().unwrap().contains("000002-")));
    // Two at once.
    let (code, said) = refused(&["backup", text(&place), "--data", text(gate.data())]);
    assert!(code == 1 && said.contains("another backup"), "{said}");
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!(json(&["restore", text(&place), "--list"]).as_array().unwrap().len(), 1);
    ok(&["restore", text(&place), "--data", text(&back)]);
    let made = gate.json(&["backup", text(&place)]);
    assert!(made["name"].as_str().unwrap().starts_with("000003-"), "{made}");
    let folders = std::fs::read_dir(&place)
        .unwrap()
        .filter(|entry| entry.as_ref().unwrap().file_name().to_str().unwrap().starts_with("0000"));
    assert_eq!(folders.count(), 2, "what the killed one left is gone");
    ok(&["restore", text(&place), "--dry-run"]);
}

#[test]
fn half_a_picture_of_a_killed_backup_is_copied_again() {
    let (gate, top) = (gate_with(2), tempfile::tempdir().unwrap());
    let place = top.path().join("place");
    gate.ok(&["backup", text(&place)]);
    // Of its size, but not what it is; and no whole backup names it.
    let new = [b"GIF89a".as_slice(), &[9; 2000]].concat();
    push_picture(&gate, "N1", &new);
    let key = gate.visit("N1")["images"]["leave_image"]["key"].as_str().unwrap().to_owned();
    let half = place.join("images").join(&key);
    std::fs::create_dir_all(half.parent().unwrap()).unwrap();
    std::fs::write(&half, vec![0; new.len()]).unwrap();
    assert_eq!(gate.json(&["backup", text(&place)])["copied_pictures"], 1);
    assert_eq!(std::fs::read(&half).unwrap(), new);
}

#[test]
fn older_backups_go_with_the_pictures_that_only_they_name() {
    let (gate, top) = (crate::demo(), tempfile::tempdir().unwrap());
    let place = top.path().join("place");
    push_picture(&gate, "S1", b"GIF89a one");
    gate.ok(&["backup", text(&place)]);
    gate.ok(&["backup", text(&place)]);
    // A picture that only a backup names that will go.
    let stray = place.join("images/00").join("0".repeat(62));
    std::fs::create_dir_all(stray.parent().unwrap()).unwrap();
    std::fs::write(&stray, "x").unwrap();
    gate.ok(&["backup", text(&place)]);
    assert!(stray.exists(), "nothing is removed unless asked for");
    let made = gate.json(&["backup", text(&place), "--keep", "2"]);
    assert_eq!((&made["removed_backups"], &made["removed_pictures"]), (&2.into(), &1.into()));
    assert!(!stray.exists());
    assert_eq!(json(&["restore", text(&place), "--list"]).as_array().unwrap().len(), 2);
    ok(&["restore", text(&place), "--dry-run"]);
}

#[test]
fn missing_pictures_are_named_and_fail_unless_they_are_known() {
    let (gate, top) = (gate_with(4), tempfile::tempdir().unwrap());
    let place = top.path().join("place");
    let keys =
        ["S0", "S2"].map(|serial| gate.visit(serial)["images"]["leave_image"]["key"].as_str().unwrap().to_owned());
    std::fs::remove_file(gate.data().join("images").join(&keys[0])).unwrap();
    std::fs::write(gate.data().join("images").join(&keys[1]), "GIF89a other").unwrap();
    let output = gate.run(&["backup", text(&place), "--lang", "en"]);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.code() == Some(1) && keys.iter().all(|key| said.contains(key)), "{said}");
    let made = gate.json(&["backup", text(&place), "--skip-missing"]);
    assert_eq!(
        (&made["manifest"]["pictures"]["missing"], &made["manifest"]["pictures"]["count"]),
        (&2.into(), &0.into())
    );
    ok(&["restore", text(&place), "--data", text(&top.path().join("back"))]);
}

#[test]
fn backups_go_to_places_of_their_own_and_are_their_owners() {
    let (gate, top) = (gate_with(2), tempfile::tempdir().unwrap());
    for inside in [gate.data().to_owned(), gate.data().join("a/b"), gate.data().join("images/backup")] {
        let output = gate.run(&["backup", text(&inside), "--lang", "en"]);
        assert_eq!(output.status.code(), Some(2));
        assert!(String::from_utf8_lossy(&output.stderr).contains("within the data"));
    }
    std::fs::write(top.path().join("letter"), "").unwrap();
    assert_eq!(gate.run(&["backup", text(top.path())]).status.code(), Some(2));
    assert_eq!(gate.run(&["backup", "ftp://x"]).status.code(), Some(2));
    let (place, back) = (top.path().join("new/place"), top.path().join("back"));
    let said = gate.run(&["backup", text(&place), "--lang", "en"]);
    let said = String::from_utf8_lossy(&said.stderr).into_owned();
    assert!(said.contains("master.key") && said.contains("elsewhere"), "{said}");
    assert!(files_below(&place).iter().all(|path| !path.to_str().unwrap().contains("master.key")));
    gate.ok(&["backup", text(&place), "--with-key"]);
    ok(&["restore", text(&place), "--data", text(&back)]);
    for folder in [&place, &back] {
        let mut paths = files_below(folder);
        paths.extend(files_below(folder).iter().map(|path| path.parent().unwrap().to_owned()));
        for path in paths {
            let mode = std::fs::metadata(&path).unwrap().permissions().mode() & 0o777;
            assert_eq!(mode, if path.is_dir() { 0o700 } else { 0o600 }, "{}", path.display());
        }
    }
    assert_eq!(gate.visit("S0")["park_uuid"], DEMO_PARK);
}

#[test]
fn a_place_that_is_full_keeps_the_backups_before() {
    let (gate, top) = (gate_with(2), tempfile::tempdir().unwrap());
    let place = top.path().join("place");
    std::fs::create_dir(&place).unwrap();
    let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", "size=1m", "tmpfs"]).arg(&place).status().unwrap();
    assert!(mounted.success(), "this test mounts a small disk and needs root");
    struct Mounted<'a>(&'a Path);
    impl Drop for Mounted<'_> {
        fn drop(&mut self) {
            drop(Command::new("umount").arg("-l").arg(self.0).status());
        }
    }
    let _mounted = Mounted(&place);
    gate.ok(&["backup", text(&place), "--with-key"]);
    push_picture(&gate, "B1", &[b"GIF89a".as_slice(), &vec![1; 900_000]].concat());
    let (code, said) = refused(&["backup", text(&place), "--data", text(gate.data())]);
    assert!(code == 1 && said.contains("no room"), "{said}");
    assert_eq!(json(&["restore", text(&place), "--list"]).as_array().unwrap().len(), 1);
    ok(&["restore", text(&place), "--data", text(&top.path().join("back"))]);
}
