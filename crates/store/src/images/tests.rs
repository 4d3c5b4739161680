use std::collections::HashSet;
use std::time::{Duration, SystemTime};

use sha2::{Digest, Sha256};

use super::arriving::content_type;
use super::*;

async fn finished(images: &Images, bytes: &[u8]) -> FinishedImage {
    let mut incoming = images.incoming().await.unwrap();
    for piece in bytes.chunks(1000) {
        incoming.write(Bytes::copy_from_slice(piece)).await.unwrap();
    }
    incoming.finish().await.unwrap()
}

/// But for locks.
fn files(folder: &Path) -> usize {
    let entries = std::fs::read_dir(folder).unwrap();
    let paths = entries.map(|entry| entry.unwrap().path()).filter(|path| path.extension().is_none());
    paths.map(|path| if path.is_dir() { files(&path) } else { 1 }).sum()
}

#[tokio::test]
async fn a_picture_is_kept_under_its_sha256() {
    let folder = tempfile::tempdir().unwrap();
    let images = Images::open(folder.path()).unwrap();
    let bytes = [b"GIF89a".as_slice(), &[7; 300_000]].concat();
    let stored = finished(&images, &bytes).await.store().await.unwrap();
    assert_eq!((stored.size, stored.content_type.as_ref()), (300_006, "image/gif"));
    assert_eq!(stored.key.0, <[u8; 32]>::from(Sha256::digest(&bytes)));
    assert_eq!(images.read(&stored.key).await.unwrap(), bytes);
    let again = finished(&images, &bytes).await.store().await.unwrap();
    assert_eq!((again.key, files(folder.path())), (stored.key, 1));
    assert_eq!(ImageKey::parse(&stored.key.to_string()), Some(stored.key));
}

#[tokio::test]
async fn what_was_not_stored_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let images = Images::open(folder.path()).unwrap();
    drop(finished(&images, b"one").await);
    drop(images.incoming().await.unwrap());
    assert_eq!(files(folder.path()), 0);
}

#[tokio::test]
async fn two_stores_of_one_folder_take_nothing_from_each_other() {
    let folder = tempfile::tempdir().unwrap();
    let first = Images::open(folder.path()).unwrap();
    let mut arriving = first.incoming().await.unwrap();
    arriving.write(Bytes::from_static(b"GIF89a")).await.unwrap();
    let second = Images::open(folder.path()).unwrap();
    arriving.write(Bytes::from_static(b" in two pieces")).await.unwrap();
    let stored = arriving.finish().await.unwrap().store().await.unwrap();
    assert_eq!(second.read(&stored.key).await.unwrap(), b"GIF89a in two pieces".as_slice());
    finished(&second, b"another").await.store().await.unwrap();
    drop((first, second, stored));
    assert_eq!((files(folder.path()), files(&folder.path().join("incoming"))), (2, 0));
}

/// Each would take the other's pictures for strays.
#[tokio::test]
async fn a_folder_of_two_stores_is_swept_by_neither_until_one_takes_its_mark_away() {
    let folder = tempfile::tempdir().unwrap();
    let images = Images::open(folder.path()).unwrap();
    let nothing = |_: &[ImageKey]| Ok(HashSet::new());
    let young = Duration::from_secs(60);
    for _ in 0..2 {
        assert_eq!(images.sweep_in_turn("one", SystemTime::now() - young, nothing).await.unwrap(), Some(0));
    }
    let of_two = finished(&images, b"of two").await.store().await.unwrap().key;
    for store in ["two", "one"] {
        assert_eq!(images.sweep_in_turn(store, SystemTime::now(), nothing).await.unwrap(), None);
    }
    assert!(images.read(&of_two).await.is_ok());
    std::fs::remove_file(folder.path().join(".stores/two")).unwrap();
    assert_eq!(images.sweep_in_turn("one", SystemTime::now(), nothing).await.unwrap(), Some(1));
}

#[tokio::test]
async fn only_the_owner_reads_pictures_and_their_folders() {
    use std::os::unix::fs::PermissionsExt;
    let top = tempfile::tempdir().unwrap();
    let folder = top.path().join("images");
    let images = Images::open(&folder).unwrap();
    let stored = finished(&images, b"GIF89a").await.store().await.unwrap();
    let picture = folder.join(stored.key.to_string());
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&folder), mode(picture.parent().unwrap()), mode(&picture)), (0o700, 0o700, 0o600));
}

#[tokio::test]
async fn a_sweep_takes_what_nothing_keeps_and_nothing_holds() {
    let folder = tempfile::tempdir().unwrap();
    let images = Images::open(folder.path()).unwrap();
    let kept = finished(&images, b"kept").await.store().await.unwrap().key;
    let held = finished(&images, b"held").await.store().await.unwrap();
    finished(&images, b"stray").await.store().await.unwrap();
    let keeps = move |keys: &[ImageKey]| Ok(keys.iter().copied().filter(|key| *key == kept).collect());
    assert_eq!(images.sweep(SystemTime::now() - Duration::from_secs(60), keeps).await.unwrap(), 0);
    assert_eq!(images.sweep(SystemTime::now(), keeps).await.unwrap(), 1);
    assert!(images.read(&held.key).await.is_ok() && images.read(&kept).await.is_ok());
    drop(held);
    assert_eq!(images.sweep(SystemTime::now(), keeps).await.unwrap(), 1);
    assert_eq!(files(folder.path()), 1);
}

/// It comes while the store is asked, and is recorded before the sweep goes on.
#[tokio::test]
async fn a_picture_that_comes_again_while_the_store_is_asked_stays() {
    let folder = tempfile::tempdir().unwrap();
    let images = Images::open(folder.path()).unwrap();
    let key = finished(&images, b"again").await.store().await.unwrap().key;
    let (coming, runtime) = (images.clone(), tokio::runtime::Handle::current());
    let keeps = move |keys: &[ImageKey]| {
        assert_eq!(keys, [key]);
        drop(runtime.block_on(async { finished(&coming, b"again").await.store().await.unwrap() }));
        Ok(HashSet::new())
    };
    assert_eq!(images.sweep(SystemTime::now(), keeps).await.unwrap(), 0);
    assert!(images.read(&key).await.is_ok());
}

#[tokio::test]
async fn the_store_is_asked_for_many_pictures_at_a_time() {
    let folder = tempfile::tempdir().unwrap();
    let images = Images::open(folder.path()).unwrap();
    for number in 0..1001_u32 {
        let path = folder.path().join(ImageKey(Sha256::digest(number.to_be_bytes()).into()).to_string());
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, b"stray").unwrap();
    }
    let asked = Arc::new(Mutex::new(Vec::new()));
    let noted = Arc::clone(&asked);
    let keeps = move |keys: &[ImageKey]| {
        noted.lock().unwrap().push(keys.len());
        Ok(HashSet::new())
    };
    assert_eq!(images.sweep(SystemTime::now(), keeps).await.unwrap(), 1001);
    assert_eq!(*asked.lock().unwrap(), [1000, 1]);
}

#[tokio::test]
async fn the_same_picture_many_times_at_once_is_one_file_and_held_by_each() {
    let folder = tempfile::tempdir().unwrap();
    let images = Images::open(folder.path()).unwrap();
    let mut uploads = tokio::task::JoinSet::new();
    for _ in 0..8 {
        let images = images.clone();
        uploads.spawn(async move { finished(&images, b"same").await.store().await.unwrap() });
    }
    let mut stored = uploads.join_all().await;
    assert_eq!(files(folder.path()), 1);
    let last = stored.pop().unwrap();
    drop(stored);
    assert_eq!(images.sweep(SystemTime::now(), |_| Ok(HashSet::new())).await.unwrap(), 0, "one still holds it");
    drop(last);
    assert_eq!(images.sweep(SystemTime::now(), |_| Ok(HashSet::new())).await.unwrap(), 1);
    assert!(images.shared.pinned.lock().unwrap().is_empty());
}

#[tokio::test]
async fn a_picture_cut_short_is_replaced_and_a_folder_taken_away_is_made_again() {
    let folder = tempfile::tempdir().unwrap();
    let images = Images::open(folder.path()).unwrap();
    let key = finished(&images, b"whole").await.store().await.unwrap().key;
    let path = folder.path().join(key.to_string());
    std::fs::write(&path, b"wh").unwrap();
    finished(&images, b"whole").await.store().await.unwrap();
    assert_eq!(images.read(&key).await.unwrap(), b"whole".as_slice());
    std::fs::remove_dir_all(path.parent().unwrap()).unwrap();
    finished(&images, b"whole").await.store().await.unwrap();
    assert_eq!(images.read(&key).await.unwrap(), b"whole".as_slice());
}

#[test]
fn a_full_disk_differs_from_other_faults_and_types_come_from_the_first_bytes() {
    for (kind, full) in [
        (io::ErrorKind::StorageFull, true),
        (io::ErrorKind::QuotaExceeded, true),
        (io::ErrorKind::PermissionDenied, false),
        (io::ErrorKind::NotFound, false),
    ] {
        assert_eq!(matches!(ImageError::from(io::Error::from(kind)), ImageError::Full(_)), full, "{kind}");
    }
    for (head, expected) in [
        (b"\xff\xd8\xff\xe0".as_slice(), "image/jpeg"),
        (b"\x89PNG\r\n\x1a\n", "image/png"),
        (b"BM123456", "image/bmp"),
        (b"RIFF\0\0\0\0WEBPVP8 ", "image/webp"),
        (b"<svg onload=x>", "application/octet-stream"),
        (b"%PDF-1.7", "application/octet-stream"),
        (b"", "application/octet-stream"),
    ] {
        assert_eq!(content_type(head), expected);
    }
}
