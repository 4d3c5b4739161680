//! What holds of the files on the disk.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use parkgate_store::{Store, StoreError, VisitFilter};

use crate::push::{T, With, enter, leave, new_park, store};

fn files(folder: &Path) -> Vec<PathBuf> {
    std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect()
}

fn count(store: &Store) -> usize {
    store.visits(&VisitFilter { park_uuid: None, plate: None, since: None, limit: 1000 }).unwrap().len()
}

#[test]
fn what_was_recorded_is_there_after_a_close_and_after_none() {
    let (folder, first) = store();
    first.record(&[enter("1", 1, T), leave("2", 2, T, T)]).unwrap();
    first.close().unwrap();
    assert!(matches!(first.record(&[leave("9", 9, T, T)]), Err(StoreError::Away(_))));
    let (second, key) = (parkgate_store::open(folder.path(), None).unwrap(), first.content_key());
    second.record(&[leave("3", 3, T, T)]).unwrap();
    let third = parkgate_store::open(folder.path(), None).unwrap();
    assert_eq!((count(third.as_ref()), third.parks().unwrap().len(), third.content_key()), (3, 2, key));
    third.record(&[leave("4", 4, T, T)]).unwrap();
    second.record(&[leave("5", 5, T, T)]).unwrap();
    assert_eq!(count(third.as_ref()), 5);
}

#[test]
fn a_copy_of_the_files_of_a_running_store_opens_with_all_that_was_answered() {
    let (folder, store) = store();
    for number in 0..20 {
        store.record(&[leave(&number.to_string(), number, T, T)]).unwrap();
    }
    // As a crash leaves them: no close, the WAL not copied, the shared index gone.
    let copy = tempfile::tempdir().unwrap();
    for file in files(folder.path()).iter().filter(|file| !file.to_string_lossy().ends_with("-shm")) {
        std::fs::copy(file, copy.path().join(file.file_name().unwrap())).unwrap();
    }
    assert_eq!(count(parkgate_store::open(copy.path(), None).unwrap().as_ref()), 20);
}

#[test]
fn secrets_and_personal_data_are_nowhere_in_plain() {
    let (folder, store) = store();
    let personal = r#"{"idcard_no":"440301199901011234","idcard_name":"张三丰"}"#;
    store.record(&[leave("s", 1, T, T).personal(personal).plate("plain-plate")]).unwrap();
    let found = |needle: &str| {
        let holds = |file: &PathBuf| std::fs::read(file).unwrap().windows(needle.len()).any(|w| w == needle.as_bytes());
        files(folder.path()).iter().filter(|file| holds(file)).count()
    };
    for closed in [false, true] {
        if closed {
            store.close().unwrap();
        }
        assert!(found("plain-plate") > 0);
        for needle in ["secret-of-a", "440301199901011234", "张三丰"] {
            assert_eq!(found(needle), 0, "{needle}");
        }
    }
}

#[test]
fn only_the_owner_reads_the_files() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let store = parkgate_store::open(&data, None).unwrap();
    store.record(&[leave("s", 1, T, T)]).unwrap();
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&data), 0o700);
    assert!(files(&data).len() >= 4);
    for file in files(&data) {
        assert_eq!(mode(&file), 0o600, "{}", file.display());
    }
}

#[test]
fn another_master_key_is_refused_at_the_start() {
    let (folder, store) = store();
    store.close().unwrap();
    drop(store);
    let key = folder.path().join("master.key");
    std::fs::write(&key, "00".repeat(32)).unwrap();
    let error = parkgate_store::open(folder.path(), None).err().unwrap();
    assert!(error.to_string().contains("master key"), "{error}");
    std::fs::remove_file(&key).unwrap();
    let error = parkgate_store::open(folder.path(), None).err().unwrap();
    assert!(error.to_string().contains("missing") && !key.exists(), "{error}");
}

#[test]
fn many_may_open_a_new_folder_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    std::thread::scope(|scope| {
        for number in 0..6 {
            let data = &data;
            scope.spawn(move || {
                let store = parkgate_store::open(data, None).unwrap();
                store.add_park(&new_park(&number.to_string())).unwrap();
            });
        }
    });
    assert_eq!(parkgate_store::open(&data, None).unwrap().parks().unwrap().len(), 6);
}

/// A small file system of its own, unmounted when dropped.
struct SmallDisk(tempfile::TempDir);

impl SmallDisk {
    /// None where this may not be done.
    fn new() -> Option<SmallDisk> {
        let disk = SmallDisk(tempfile::tempdir().unwrap());
        let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", "size=6m", "tmpfs"]).arg(disk.0.path()).output();
        mounted.is_ok_and(|output| output.status.success()).then_some(disk)
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        Command::new("umount").arg("-l").arg(self.0.path()).output().unwrap();
    }
}

#[test]
fn a_full_disk_is_full_loses_nothing_and_goes_on_once_there_is_room() {
    let disk = SmallDisk::new().expect("this test mounts a small disk and needs root");
    let ballast = disk.0.path().join("ballast");
    std::fs::write(&ballast, vec![1; 1024 * 1024]).unwrap();
    let store = parkgate_store::open(&disk.0.path().join("data"), None).unwrap();
    store.add_park(&new_park("a")).unwrap();
    store.probe().unwrap();
    let big = |number: u64| {
        let mut entry = leave(&number.to_string(), number, T, T);
        entry.params = format!(r#"{{"long":"{}"}}"#, "x".repeat(100_000));
        entry
    };
    let (stored, error) = (0..).find_map(|n| store.record(&[big(n)]).err().map(|error| (n, error))).unwrap();
    for error in [error, store.record(&[big(stored)]).unwrap_err(), store.probe().unwrap_err()] {
        assert!(matches!(error, StoreError::Full(_)), "{error}");
    }
    assert_eq!(count(store.as_ref()) as u64, stored);
    std::fs::remove_file(&ballast).unwrap();
    store.record(&[leave("small", 999, T, T)]).unwrap();
    assert_eq!(count(store.as_ref()) as u64, stored + 1);
}
