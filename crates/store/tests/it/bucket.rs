//! Pictures in a bucket, against a real S3 server.

use std::time::Duration;

use bytes::Bytes;
use parkgate_store::{ImageKey, Images, StoredImage};
use parkgate_testbed::Bucket;

async fn stored(images: &Images, bytes: &'static [u8]) -> StoredImage {
    let mut incoming = images.incoming().await.unwrap();
    incoming.write(Bytes::from_static(bytes)).await.unwrap();
    incoming.finish().await.unwrap().store().await.unwrap()
}

#[tokio::test]
async fn a_sweep_takes_what_nothing_keeps_and_nothing_holds() {
    let (bucket, aside) = (Bucket::start(), tempfile::tempdir().unwrap());
    let open = |prefix: &str| Images::open_bucket(&bucket.url(prefix), bucket.variables(None), aside.path()).unwrap();
    let images = open("a");
    let kept = stored(&images, b"kept").await.key;
    let held = stored(&images, b"held").await;
    stored(&images, b"stray").await;
    assert_eq!(images.read(&kept).await.unwrap(), b"kept".as_slice());
    let keeps = move |key: &ImageKey| Ok(*key == kept);
    assert_eq!(images.sweep(Duration::from_secs(60), keeps).await.unwrap(), 0, "all are young");
    // Its times are whole seconds: what was put in this one is not older than now.
    let mut swept = 0;
    while swept == 0 {
        swept = images.sweep(Duration::ZERO, keeps).await.unwrap();
    }
    assert_eq!((swept, bucket.objects("a").len()), (1, 2));
    assert!(images.read(&held.key).await.is_ok() && images.read(&kept).await.is_ok());
    drop(held);
    assert_eq!(images.sweep(Duration::ZERO, keeps).await.unwrap(), 1);
    assert!(images.probe().await.is_ok());
    assert!(open("b").read(&kept).await.is_err(), "another prefix is another place");
    let stranger = Images::open_bucket(&bucket.url("a"), bucket.variables(Some("x")), aside.path()).unwrap();
    assert!(stranger.probe().await.is_err());
}
