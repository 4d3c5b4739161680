//! `parkgate move`: SQLite and a folder to PostgreSQL and a bucket, and back.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use parkgate_testbed::{BucketServer, DEMO_PARK, Postgres, TestGate, enter, leave, md5_hex};
use serde_json::Value;

use crate::PARKGATE;

fn run(bucket: &BucketServer, args: &[&str]) -> Output {
    Command::new(PARKGATE).args(args).envs(bucket.variables(None)).output().unwrap()
}

fn ok(bucket: &BucketServer, args: &[&str]) -> String {
    let output = run(bucket, args);
    assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

fn visits(bucket: &BucketServer, place: &[&str]) -> Value {
    let mut args = vec!["visit", "list", "--json"];
    args.extend(place);
    serde_json::from_str(&ok(bucket, &args)).unwrap()
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

#[test]
fn everything_moves_to_a_database_and_back_while_the_old_store_is_read() {
    let (cluster, bucket, folder) = (Postgres::shared(), BucketServer::start(), tempfile::tempdir().unwrap());
    let (url, images) = (cluster.database(), bucket.url("moved"));
    let (old, back) = (folder.path().join("old"), folder.path().join("back"));
    let gate = TestGate::at(PARKGATE, &old, &["--demo"]);
    for number in 0..30 {
        let serial = format!("S{number}");
        gate.taken("enter", enter(&serial, &[]));
        let picture = format!("GIF89a car {number}").into_bytes();
        let hash = md5_hex(&picture);
        let pairs = leave(&serial, &[("leave_image_hash", &hash)]);
        let (_, reply) = gate.push_files("leave", pairs, &[("leave_image_file", &picture)]);
        assert_eq!(reply["message"], "OK", "{reply}");
    }
    gate.push("leave", leave("S1", &[("plate", "粤B99999")]));
    let before = visits(&bucket, &["--data", text(&old)]);

    let there = ["move", "--data", text(&old), "--to-store", &url, "--to-images", &images, "--json"];
    let reported: Value = serde_json::from_str(&ok(&bucket, &there)).unwrap();
    let rows = |reported: &Value, table: &str| {
        let tables = reported["tables"].as_array().unwrap();
        tables.iter().find(|total| total["table"] == table).unwrap()["rows"].as_u64().unwrap()
    };
    assert_eq!((rows(&reported, "records"), rows(&reported, "images")), (61, 30));
    assert_eq!(bucket.objects("moved").len(), 30);

    // The old gate still runs: it answers queries, and accepts nothing that would be lost.
    assert_eq!(gate.visit("S1")["state"], "left");
    let (status, reply) = gate.push("leave", leave("S99", &[]));
    assert_eq!((status, &reply["code"]), (503, &"503".into()), "{reply}");
    let again: Value = serde_json::from_str(&ok(&bucket, &there)).unwrap();
    assert_eq!(again["already_finished"], true);
    let abandoned = run(&bucket, &["move", "--data", text(&old), "--abandon"]);
    let reported = String::from_utf8_lossy(&abandoned.stderr);
    assert!(!abandoned.status.success() && reported.contains("不能放弃"), "{reported}");
    assert_eq!(gate.push("leave", leave("S99", &[])).0, 503, "one store takes pushes, not two");
    drop(gate);

    let beside = ["--data", text(&old), "--store", &url];
    assert_eq!(visits(&bucket, &beside), before);
    let mut gate = TestGate::stopped(PARKGATE, &old, &["--store", &url, "--images", &images, "--demo"]);
    gate.variables = bucket.variables(None);
    gate.start();
    // A repeat is known, and what is new gets a number of its own.
    let (_, reply) = gate.push("enter", enter("S1", &[]));
    assert_eq!(reply["message"], "OK", "{reply}");
    gate.taken("leave", leave("N1", &[]));
    drop(gate);
    let before = visits(&bucket, &beside);

    let home = ["move", "--data", text(&old), "--store", &url, "--images", &images, "--to-data", text(&back), "--json"];
    let reported: Value = serde_json::from_str(&ok(&bucket, &home)).unwrap();
    assert_eq!(rows(&reported, "records"), 62);
    assert_eq!(visits(&bucket, &["--data", text(&back)]), before);
    let gate = TestGate::at(PARKGATE, &back, &["--demo"]);
    gate.taken("leave", leave("N2", &[]));
    let (_, reply) = gate.push("enter", enter("S1", &[]));
    assert_eq!(reply["message"], "OK", "{reply}");
    let shown = gate.visit("S7");
    let key = shown["images"]["leave_image"]["key"].as_str().unwrap();
    assert_eq!(std::fs::read(back.join("images").join(key)).unwrap(), b"GIF89a car 7");
    assert_eq!(shown["park_uuid"], DEMO_PARK);
}

#[test]
fn an_unfinished_move_is_opened_by_nobody_goes_on_and_can_be_given_up() {
    let (cluster, bucket, folder) = (Postgres::shared(), BucketServer::start(), tempfile::tempdir().unwrap());
    let (url, old) = (cluster.database(), folder.path().join("old"));
    let gate = TestGate::at(PARKGATE, &old, &["--demo"]);
    let picture = b"GIF89a car";
    let hash = md5_hex(picture);
    gate.push_files("leave", leave("S1", &[("leave_image_hash", &hash)]), &[("leave_image_file", picture)]);
    // It stops half way: the picture is gone.
    let key = gate.visit("S1")["images"]["leave_image"]["key"].as_str().unwrap().to_owned();
    let picture_path = old.join("images").join(key);
    std::fs::rename(&picture_path, folder.path().join("aside")).unwrap();
    let images = folder.path().join("new-images");
    let there = ["move", "--data", text(&old), "--to-store", &url, "--to-images", text(&images)];
    assert!(!run(&bucket, &there).status.success());
    let list = run(&bucket, &["park", "list", "--data", text(&old), "--store", &url]);
    assert!(String::from_utf8_lossy(&list.stderr).contains("unfinished"), "{list:?}");
    assert_eq!(gate.push("leave", leave("S2", &[])).0, 503);
    // Given up, it takes pushes again.
    ok(&bucket, &["move", "--data", text(&old), "--abandon"]);
    gate.taken("leave", leave("S2", &[]));
    // And once more, with the picture in its place.
    std::fs::rename(folder.path().join("aside"), &picture_path).unwrap();
    let reported = ok(&bucket, &there);
    assert!(reported.contains("records") && reported.contains("已迁至"), "{reported}");
    let after = visits(&bucket, &["--data", text(&old), "--store", &url]);
    assert_eq!(after.as_array().unwrap().len(), 2);
}

#[test]
fn a_picture_that_cannot_be_read_is_not_taken_for_a_missing_one() {
    let (cluster, bucket, folder) = (Postgres::shared(), BucketServer::start(), tempfile::tempdir().unwrap());
    let (url, old) = (cluster.database(), folder.path().join("old"));
    let mut gate = TestGate::at(PARKGATE, &old, &["--demo"]);
    let pictures: Vec<PathBuf> = ["missing", "unreadable"].map(|car| with_picture(&gate, car)).into();
    gate.stop();
    std::fs::remove_file(&pictures[0]).unwrap();
    // Something else is where the picture's folder was: its disk, say, is away.
    let (place, elsewhere) = (pictures[1].parent().unwrap(), folder.path().join("aside"));
    std::fs::rename(place, &elsewhere).unwrap();
    std::fs::write(place, b"").unwrap();
    let images = folder.path().join("new-images");
    let there = ["move", "--data", text(&old), "--to-store", &url, "--to-images", text(&images), "--skip-missing"];
    let stopped = run(&bucket, &there);
    let reported = String::from_utf8_lossy(&stopped.stderr);
    assert!(!stopped.status.success() && reported.contains("run again"), "{reported}");

    std::fs::remove_file(place).unwrap();
    std::fs::rename(&elsewhere, place).unwrap();
    let reported = ok(&bucket, &there);
    assert!(reported.contains("已迁至"), "{reported}");
    let kept = pictures[1].strip_prefix(old.join("images")).unwrap();
    assert_eq!(std::fs::read(images.join(kept)).unwrap(), b"GIF89a unreadable");
}

/// Where the picture of a car that left is.
fn with_picture(gate: &TestGate, car: &str) -> PathBuf {
    let picture = format!("GIF89a {car}").into_bytes();
    let hash = md5_hex(&picture);
    gate.push_files("leave", leave(car, &[("leave_image_hash", &hash)]), &[("leave_image_file", &picture)]);
    gate.data().join("images").join(gate.visit(car)["images"]["leave_image"]["key"].as_str().unwrap())
}

#[test]
fn a_move_that_is_killed_goes_on_where_it_was() {
    let (cluster, bucket, folder) = (Postgres::shared(), BucketServer::start(), tempfile::tempdir().unwrap());
    let (url, old) = (cluster.database(), folder.path().join("old"));
    let mut gate = TestGate::at(PARKGATE, &old, &["--demo"]);
    std::thread::scope(|scope| {
        for thread in 0..8 {
            let gate = &gate;
            scope.spawn(move || {
                (0..600).for_each(|number| drop(gate.taken("enter", enter(&format!("{thread}-{number}"), &[]))))
            });
        }
    });
    gate.stop();
    let before = visits(&bucket, &["--data", text(&old), "--limit", "10000"]);
    let there = ["move", "--data", text(&old), "--to-store", &url, "--json"];
    let mut killed = Command::new(PARKGATE).args(there).spawn().unwrap();
    // Some of the records are there, and then it is gone.
    let begun = std::time::Instant::now();
    let is_half_way = |url: &str| cluster.sql(url, "SELECT count(*) FROM records") != "0";
    while cluster.sql(&url, "SELECT to_regclass('records') IS NOT NULL") != "t" || !is_half_way(&url) {
        assert!(begun.elapsed() < std::time::Duration::from_secs(60), "it does not begin");
    }
    killed.kill().unwrap();
    killed.wait().unwrap();
    let list = run(&bucket, &["park", "list", "--data", text(&old), "--store", &url]);
    assert!(String::from_utf8_lossy(&list.stderr).contains("unfinished"), "{list:?}");
    ok(&bucket, &there);
    assert_eq!(visits(&bucket, &["--data", text(&old), "--store", &url, "--limit", "10000"]), before);
}
