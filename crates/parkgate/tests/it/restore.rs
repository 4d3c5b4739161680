//! `parkgate restore`: everything is compared before anything is put in place.

use std::io::Write;
use std::path::Path;
use std::process::Stdio;

use parkgate_testbed::Postgres;

use crate::backup::{command, files_below, gate_with, json, newest, ok, refused, text, visits};

#[test]
fn a_damaged_backup_is_named_and_nothing_of_it_is_put_in_place() {
    let (gate, top) = (gate_with(4), tempfile::tempdir().unwrap());
    let place = top.path().join("place");
    gate.ok(&["backup", text(&place), "--with-key"]);
    let folder = newest(&place);
    let picture = files_below(&place.join("images")).remove(0);
    let back = top.path().join("back");
    let restore = ["restore", text(&place), "--data", text(&back)];
    for file in [&picture, &folder.join("parkgate.db"), &folder.join("pictures.txt"), &folder.join("master.key")] {
        let whole = std::fs::read(file).unwrap();
        let mut flipped = whole.clone();
        let middle = flipped.len() / 2;
        flipped[middle] ^= 1;
        for wrong in [Some(flipped), Some(whole[..whole.len() - 1].to_vec()), None] {
            match wrong {
                Some(bytes) => std::fs::write(file, bytes).unwrap(),
                None => std::fs::remove_file(file).unwrap(),
            }
            for args in [&restore[..], &["restore", text(&place), "--dry-run"]] {
                let (code, said) = refused(args);
                let name = file.strip_prefix(&place).unwrap().to_str().unwrap();
                assert!(code == 1 && said.contains(name), "{name}: {said}");
                assert!(!back.exists());
            }
        }
        std::fs::write(file, &whole).unwrap();
    }
    let manifest = folder.join("manifest.json");
    let whole = std::fs::read(&manifest).unwrap();
    std::fs::write(&manifest, &whole[..whole.len() / 2]).unwrap();
    assert_eq!(refused(&restore).0, 1);
    std::fs::write(&manifest, String::from_utf8(whole.clone()).unwrap().replacen("\"format\": 1", "\"format\": 2", 1))
        .unwrap();
    let (code, said) = refused(&restore);
    assert!(code == 1 && said.contains("newer parkgate"), "{said}");
    std::fs::write(&manifest, whole).unwrap();
    ok(&["restore", text(&place), "--dry-run"]);
    ok(&restore);
}

#[test]
fn what_is_not_empty_or_unfinished_or_has_another_key_is_not_restored_to() {
    let (gate, top) = (gate_with(2), tempfile::tempdir().unwrap());
    let (place, back) = (top.path().join("place"), top.path().join("back"));
    gate.ok(&["backup", text(&place)]);
    std::fs::create_dir(&back).unwrap();
    std::fs::write(back.join("letter"), "").unwrap();
    let restore = ["restore", text(&place), "--data", text(&back)];
    assert!(matches!(refused(&restore), (2, said) if said.contains("not empty")));
    std::fs::remove_file(back.join("letter")).unwrap();
    // Another key: the folder is as it was.
    let wrong = top.path().join("wrong.key");
    std::fs::write(&wrong, "00".repeat(32)).unwrap();
    let (code, said) = refused(&[&restore[..], &["--key-file", text(&wrong)]].concat());
    assert!(code == 1 && said.contains("not the master key"), "{said}");
    assert_eq!(std::fs::read_dir(&back).unwrap().count(), 0);
    // Without one it says where it belongs, and nothing opens until it is there.
    let said = ok(&restore);
    assert!(said.contains(text(&back.join("master.key"))) && said.contains("chmod 600"), "{said}");
    assert!(refused(&["park", "list", "--data", text(&back)]).1.contains("master.key is missing"));
    std::fs::copy(gate.data().join("master.key"), back.join("master.key")).unwrap();
    ok(&["park", "list", "--data", text(&back)]);
    // As one leaves it that was killed.
    std::fs::write(back.join("restore.unfinished"), "").unwrap();
    for args in [
        &["park", "list", "--data", text(&back)][..],
        &["serve", "--listen", "127.0.0.1:0", "--data", text(&back)],
        &restore,
    ] {
        let (code, said) = refused(args);
        assert!(code == 1 && said.contains("interrupted"), "{args:?}: {said}");
    }
}

#[test]
fn the_registry_of_a_postgresql_store_is_restored_to_an_empty_database() {
    let (cluster, top) = (Postgres::shared(), tempfile::tempdir().unwrap());
    let (url, data, place) = (cluster.database(), top.path().join("data"), top.path().join("place"));
    let at = ["--data", text(&data), "--store", &url];
    let ran = |args: &[&str]| ok(&[args, &at].concat());
    ran(&["park", "add", "--uuid", "P1", "--name", "东门", "--secret", "s1"]);
    ran(&["app", "add", "--id", "A1", "--secret", "s2", "--park", "P1"]);
    ran(&[
        "subscriber",
        "add",
        "--name",
        "city",
        "--url",
        "https://example.com",
        "--format",
        "webhook",
        "--secret",
        "s3",
        "--all",
    ]);
    ran(&["backup", text(&place)]);

    let (another, back) = (cluster.database(), top.path().join("back"));
    let to = ["restore", text(&place), "--data", text(&back), "--store", &another];
    let (code, said) = refused(&to);
    assert!(code == 1 && said.contains("--key-file") && !back.exists(), "{said}");
    let key = data.join("master.key");
    ok(&[&to[..], &["--key-file", text(&key)]].concat());
    let list = |what: &str, at: &[&str]| json(&[&[what, "list"], at].concat());
    let there = ["--data", text(&back), "--store", &another];
    for what in ["park", "app", "subscriber"] {
        assert_eq!(list(what, &there), list(what, &at), "{what}");
    }
    // Numbers go on after those that were used, and what is not empty stays as it is.
    ok(&[&["park", "add", "--uuid", "P2", "--name", "b", "--secret", "1"], &there[..]].concat());
    let (code, said) = refused(&[
        "restore",
        text(&place),
        "--data",
        text(&top.path().join("third")),
        "--store",
        &another,
        "--key-file",
        text(&key),
    ]);
    assert!(code == 1 && said.contains("not empty"), "{said}");
}

#[test]
fn a_backup_is_a_stream_and_one_that_is_cut_leaves_nothing_behind() {
    let (gate, top) = (gate_with(6), tempfile::tempdir().unwrap());
    let output = gate.run(&["backup", "-", "--with-key"]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let restore = |to: &Path, bytes: &[u8]| {
        let mut child = command(&["restore", "-", "--data", text(to)]);
        let mut child = child.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        // It may have given up before the end.
        let _ = child.stdin.take().unwrap().write_all(bytes);
        child.wait_with_output().unwrap()
    };
    let back = top.path().join("back");
    let restored = restore(&back, &output.stdout);
    assert!(restored.status.success(), "{}", String::from_utf8_lossy(&restored.stderr));
    assert_eq!(visits(&["--data", text(&back)]), visits(&["--data", text(gate.data())]));
    assert!(!back.join("restoring").exists() && !back.join("restore.unfinished").exists());
    for cut in [0, 1000, output.stdout.len() / 2, output.stdout.len() - 2000] {
        let to = top.path().join(format!("cut {cut}"));
        assert_eq!(restore(&to, &output.stdout[..cut]).status.code(), Some(1), "{cut}");
        assert_eq!(std::fs::read_dir(&to).unwrap().count(), 0, "{cut}");
    }
    for args in [["backup", "-", "--json"].as_slice(), &["backup", "-", "--keep", "2"]] {
        assert_eq!(gate.run(args).status.code(), Some(2), "{args:?}");
    }
}
