//! A disk that fills up: good pushes go first, what is refused leaves nothing on it, and it can be cleaned.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use parkgate_testbed::{DEMO_PARK, MultipartBody, TestGate, body, leave, md5_hex, signed};
use serde_json::Value;

use crate::PARKGATE;
use crate::replies::eventually;

const FORM: &str = "application/x-www-form-urlencoded";

/// A disk of its own, in memory.
struct SmallDisk(PathBuf);

impl SmallDisk {
    fn of(mib: u32, data: &Path) -> SmallDisk {
        std::fs::create_dir_all(data).unwrap();
        let size = format!("size={mib}m");
        let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", &size, "tmpfs"]).arg(data).status();
        assert!(mounted.is_ok_and(|status| status.success()), "this test mounts a small disk and needs root");
        SmallDisk(data.to_owned())
    }

    /// Takes all but so much.
    fn fill_but(&self, bytes: u64) -> PathBuf {
        let filler = self.0.join("filler");
        let free = parkgate_store::disk_room(&self.0).unwrap().free_bytes;
        let size = (free - bytes).to_string();
        let filled = Command::new("fallocate").args(["-l", &size]).arg(&filler).status();
        assert!(filled.unwrap().success());
        filler
    }

    /// Takes all that is left, to the last block.
    fn fill(&self) -> PathBuf {
        let filler = self.0.join("filler");
        let filled =
            Command::new("dd").args(["if=/dev/zero", "bs=64k"]).arg(format!("of={}", filler.display())).output();
        assert!(!filled.unwrap().status.success(), "dd ends when the disk is full");
        filler
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        drop(Command::new("umount").arg("-l").arg(&self.0).status());
    }
}

fn with_picture(park: &str, serial: &str, secret: &str, picture: &[u8]) -> Vec<u8> {
    let changes = [("park_uuid", park), ("leave_image_hash", &md5_hex(picture))];
    MultipartBody::of(&signed(leave(serial, &changes), secret)).file("leave_image_file", picture).end()
}

/// Pictures in their places, and files that are still arriving.
fn pictures(data: &Path) -> (usize, usize) {
    // By the first byte of their addresses, or of one process.
    let is_of_pictures = |path: &Path| {
        let name = path.file_name().unwrap().to_str().unwrap();
        matches!(name.len(), 2 | 16) && name.bytes().all(|letter| letter.is_ascii_hexdigit())
    };
    let under = |folder: &Path| -> usize {
        let files = |folder: PathBuf| std::fs::read_dir(folder).map_or(0, Iterator::count);
        let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
        entries.filter(|path| path.is_dir() && is_of_pictures(path)).map(files).sum()
    };
    (under(&data.join("images")), under(&data.join("images/incoming")))
}

#[test]
fn a_flood_of_wrong_signatures_with_pictures_leaves_the_disk_to_good_pushes() {
    const PARKS: u32 = 50;
    const GOOD: u32 = 60;
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let disk = SmallDisk::of(96, &data);
    let mut gate = TestGate::at(PARKGATE, &data, &["--demo"]);
    for park in 0..PARKS {
        gate.ok(&["park", "add", "--uuid", &format!("P{park}"), "--secret", "s", "--name", "flooded"]);
    }
    let post = |form: Vec<u8>| gate.post("leave", &MultipartBody::content_type(), form);
    let (number, turned_away, done) = (AtomicU32::new(0), AtomicU32::new(0), AtomicBool::new(false));
    std::thread::scope(|scope| {
        for _ in 0..6 {
            scope.spawn(|| {
                while !done.load(Ordering::Relaxed) {
                    let number = number.fetch_add(1, Ordering::Relaxed);
                    let picture = [b"GIF89a", number.to_le_bytes().as_slice(), &[7; 4 << 20]].concat();
                    let park = format!("P{}", number % PARKS);
                    let (status, reply) = post(with_picture(&park, &format!("W{number}"), "wrong", &picture));
                    let kept = (status, &reply["message"]) == (200, &Value::from("已忽略当前请求"));
                    assert!(kept || status == 503, "{status} {reply}");
                    turned_away.fetch_add(u32::from(status == 503), Ordering::Relaxed);
                }
            });
        }
        let honest = scope.spawn(|| {
            let mut good = 0;
            // To the end, and for some time after the disk was low; in step with the flood, however fast either is.
            while good < GOOD || turned_away.load(Ordering::Relaxed) < 12 {
                let serial = format!("G{good}");
                let flooded = number.load(Ordering::Relaxed);
                let picture = [b"GIF89a", serial.as_bytes(), &[1; 10_000]].concat();
                let (status, reply) = post(with_picture(DEMO_PARK, &serial, "123", &picture));
                assert_eq!((status, &reply["message"]), (200, &Value::from("OK")), "{serial}: {reply}");
                eventually(|| number.load(Ordering::Relaxed) > flooded);
                good += 1;
            }
            good
        });
        let good = honest.join();
        done.store(true, Ordering::Relaxed);
        let good = good.unwrap();
        assert!(good >= GOOD);
        number.store(good, Ordering::Relaxed);
    });
    let taken = number.load(Ordering::Relaxed) as usize;
    let kept = gate.json(&["quarantine", "list", "--limit", "100000"]).as_array().unwrap().len();
    assert!(kept > 5, "{kept}");
    assert_eq!(pictures(&data), (kept + taken, 0), "of what was answered 503 nothing stays");
    assert_eq!(gate.readiness().1["quarantine"], "the disk is nearly full");
    let full = || format!("parkgate_quarantine_full_total{{bound=\"disk\"}} {}", turned_away.load(Ordering::Relaxed));
    assert!(gate.metrics().contains(&full()), "{}", gate.metrics());

    // Below the floor, a twentieth of it: only who proves to be good before its pictures come is taken.
    let filler = disk.fill_but(3 << 20);
    let picture = [b"GIF89a", [2; 10_000].as_slice()].concat();
    let good = signed(leave("F1", &[("leave_image_hash", &md5_hex(&picture))]), "123");
    let files_first =
        good.iter().fold(MultipartBody::of(&[]).file("leave_image_file", &picture), |form, (name, value)| {
            form.part(&format!("Content-Disposition: form-data; name=\"{name}\""), value.as_bytes())
        });
    assert_eq!(post(files_first.end()).0, 503);
    let fields_first = MultipartBody::of(&good).file("leave_image_file", &picture).end();
    assert_eq!(post(fields_first).1["message"], "OK");
    assert_eq!(gate.post("leave", FORM, body(&signed(leave("W", &[]), "wrong")).into_bytes()).0, 503);
    let (ready, found) = gate.readiness();
    assert!(ready && found["disk"].as_str().unwrap().contains("left to good pushes"), "{found}");
    let listed = || gate.json(&["quarantine", "list", "--limit", "100000"]).as_array().unwrap().len();
    assert_eq!((listed(), pictures(&data)), (kept, (kept + taken + 1, 0)));
    std::fs::remove_file(filler).unwrap();

    // To the last block: good pushes get 503, and it can be cleaned all the same.
    let filler = disk.fill();
    assert!(data.join("reserve").exists(), "the reserve is not for pushes");
    assert_eq!(gate.push("leave", leave("L1", &[])).0, 503);
    let dropped = gate.ok(&["quarantine", "drop", "--all"]);
    assert!(dropped.contains(&kept.to_string()), "{dropped}");
    assert!(!data.join("reserve").exists(), "it was given up for that");
    gate.stop();
    let day_ago = std::time::SystemTime::now() - std::time::Duration::from_secs(60 * 60);
    for folder in std::fs::read_dir(data.join("images")).unwrap().map(|entry| entry.unwrap().path()) {
        for file in std::fs::read_dir(&folder).into_iter().flatten().map(|entry| entry.unwrap().path()) {
            drop(std::fs::File::open(file).and_then(|file| file.set_modified(day_ago)));
        }
    }
    gate.start();
    eventually(|| pictures(&data).0 == taken + 1);
    std::fs::remove_file(filler).unwrap();
    eventually(|| data.join("reserve").exists());
    gate.taken("leave", leave("L1", &[]));
    assert_eq!(gate.visit("G0")["state"], "left");
    assert!(gate.log().contains("the disk is nearly full: only good pushes are taken"));
    assert_eq!(gate.log().matches("no room in the quarantine").count(), 1, "logged once an hour");
}
