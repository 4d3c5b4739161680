use super::*;

async fn finished(images: &Images, bytes: &[u8]) -> FinishedImage {
    let mut incoming = images.incoming().await.unwrap();
    for piece in bytes.chunks(1000) {
        incoming.write(Bytes::copy_from_slice(piece)).await.unwrap();
    }
    incoming.finish().await.unwrap()
}

fn files(folder: &Path) -> usize {
    let entries = std::fs::read_dir(folder).unwrap();
    entries.map(|entry| entry.unwrap().path()).map(|path| if path.is_dir() { files(&path) } else { 1 }).sum()
}

#[tokio::test]
async fn a_picture_is_kept_under_its_sha256() {
    let folder = tempfile::tempdir().unwrap();
    let images = Images::open(folder.path()).unwrap();
    let bytes = [b"GIF89a".as_slice(), &[7; 300_000]].concat();
    let stored = finished(&images, &bytes).await.store().await.unwrap();
    assert_eq!((stored.size, stored.content_type), (300_006, "image/gif"));
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
    let aside = images.incoming().await.unwrap();
    std::mem::forget(aside);
    assert_eq!(files(folder.path()), 1);
    Images::open(folder.path()).unwrap();
    assert_eq!(files(folder.path()), 0);
}

#[tokio::test]
async fn a_sweep_takes_what_nothing_keeps_and_nothing_holds() {
    let folder = tempfile::tempdir().unwrap();
    let images = Images::open(folder.path()).unwrap();
    let kept = finished(&images, b"kept").await.store().await.unwrap().key;
    let held = finished(&images, b"held").await.store().await.unwrap();
    finished(&images, b"stray").await.store().await.unwrap();
    let keeps = move |key: &ImageKey| Ok(*key == kept);
    assert_eq!(images.sweep(Duration::from_secs(60), keeps).await.unwrap(), 0);
    assert_eq!(images.sweep(Duration::ZERO, keeps).await.unwrap(), 1);
    assert!(images.read(&held.key).await.is_ok() && images.read(&kept).await.is_ok());
    drop(held);
    assert_eq!(images.sweep(Duration::ZERO, keeps).await.unwrap(), 1);
    assert_eq!(files(folder.path()), 1);
}
