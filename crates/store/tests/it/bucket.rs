//! Pictures in a bucket, against a real S3 server.

use std::collections::HashSet;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use parkgate_store::{ImageKey, Images, StoreError, StoredImage};
use parkgate_testbed::BucketServer;

async fn stored(images: &Images, bytes: &'static [u8]) -> StoredImage {
    let mut incoming = images.incoming().await.unwrap();
    incoming.write(Bytes::from_static(bytes)).await.unwrap();
    incoming.finish().await.unwrap().store().await.unwrap()
}

#[tokio::test]
async fn a_sweep_takes_what_nothing_keeps_and_nothing_holds() {
    let (bucket, aside) = (BucketServer::start(), tempfile::tempdir().unwrap());
    let open = |prefix: &str| Images::open_bucket(&bucket.url(prefix), bucket.variables(None), aside.path()).unwrap();
    let images = open("a");
    let kept = stored(&images, b"kept").await.key;
    let held = stored(&images, b"held").await;
    stored(&images, b"stray").await;
    assert_eq!(images.read(&kept).await.unwrap(), b"kept".as_slice());
    let keeps = move |keys: &[ImageKey]| Ok(keys.iter().copied().filter(|key| *key == kept).collect());
    assert_eq!(images.sweep(SystemTime::now() - Duration::from_secs(60), keeps).await.unwrap(), 0, "all are young");
    // Its times are whole seconds: what was put in this one is not older than now.
    let mut swept = 0;
    while swept == 0 {
        swept = images.sweep(SystemTime::now(), keeps).await.unwrap();
    }
    assert_eq!((swept, bucket.objects("a").len()), (1, 2));
    assert!(images.read(&held.key).await.is_ok() && images.read(&kept).await.is_ok());
    drop(held);
    assert_eq!(images.sweep(SystemTime::now(), keeps).await.unwrap(), 1);
    assert!(images.probe().await.is_ok());
    assert!(open("b").read(&kept).await.is_err(), "another prefix is another place");
    let stranger = Images::open_bucket(&bucket.url("a"), bucket.variables(Some("x")), aside.path()).unwrap();
    assert!(stranger.probe().await.is_err());
}

#[tokio::test]
async fn an_upload_carries_its_sha256_and_one_that_was_changed_on_the_way_is_refused() {
    const SUM: &str = "x7vrlBsKEF0UU9GKQs601QMHtLtHzVDH39+Ip2hXUtM=";
    let (bucket, aside) = (BucketServer::start(), tempfile::tempdir().unwrap());
    let opened = |more: &[(&str, &str)]| {
        let more = more.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        let variables: Vec<_> = bucket.variables(None).into_iter().chain(more).collect();
        Images::open_bucket(&bucket.url("a"), variables, aside.path()).unwrap()
    };
    stored(&opened(&[("AWS_CHECKSUM_ALGORITHM", "off")]), b"GIF89a without").await;
    stored(&opened(&[("AWS_REQUEST_CHECKSUM_CALCULATION", "when_required")]), b"GIF89a without").await;
    assert_eq!(bucket.checksums(), Vec::<String>::new());
    stored(&opened(&[]), b"GIF89a a car").await;
    assert_eq!(bucket.checksums(), [SUM]);
    // The signature does not cover the bytes where the operator says so.
    let bad = bucket.through_a_bad_line(b"GIF89a lorry", b"GIF88a lorry");
    let through = opened(&[("AWS_ENDPOINT_URL", &bad), ("AWS_UNSIGNED_PAYLOAD", "true")]);
    stored(&through, b"GIF89a another car").await;
    let mut incoming = through.incoming().await.unwrap();
    incoming.write(Bytes::from_static(b"GIF89a lorry")).await.unwrap();
    let refused = incoming.finish().await.unwrap().store().await.unwrap_err();
    assert!(refused.to_string().contains("BadDigest"), "{refused}");
    assert_eq!(bucket.checksums().len(), 2);
}

#[tokio::test]
async fn a_bucket_of_two_stores_is_not_swept() {
    let (bucket, aside) = (BucketServer::start(), tempfile::tempdir().unwrap());
    let images = Images::open_bucket(&bucket.url("a"), bucket.variables(None), aside.path()).unwrap();
    let key = stored(&images, b"of two").await.key;
    let nothing = |_: &[ImageKey]| Ok(HashSet::new());
    assert_eq!(
        images.sweep_in_turn("two", SystemTime::now() - Duration::from_secs(60), nothing).await.unwrap(),
        Some(0)
    );
    assert_eq!(images.sweep_in_turn("one", SystemTime::now(), nothing).await.unwrap(), None);
    assert!(images.read(&key).await.is_ok());
}

#[tokio::test]
async fn it_is_ready_only_while_a_picture_can_be_put() {
    let (bucket, aside) = (BucketServer::start(), tempfile::tempdir().unwrap());
    let open = |url: &str| Images::open_bucket(url, bucket.variables(None), aside.path()).unwrap();
    assert!(open("s3://elsewhere/a").probe().await.is_err(), "there is no such bucket");
    let reader = Images::open_bucket(&bucket.url("a"), bucket.variables_to_read(), aside.path()).unwrap();
    assert!(reader.probe().await.is_err(), "it may be read only");
    assert!(open(&bucket.url("a")).probe().await.is_ok());
}

#[tokio::test]
async fn of_many_gates_one_sweeps_a_bucket_once_a_day() {
    let (bucket, aside) = (BucketServer::start(), tempfile::tempdir().unwrap());
    let open = || Images::open_bucket(&bucket.url("a"), bucket.variables(None), aside.path()).unwrap();
    let nothing = |_: &[ImageKey]| Ok(HashSet::new());
    let moved = |_: &[ImageKey]| Err(StoreError::Busy("moved".into()));
    let day = Duration::from_secs(24 * 60 * 60);
    assert!(open().sweep_in_turn("one", SystemTime::now() - day, moved).await.is_err(), "and it takes no turn");
    assert_eq!(open().sweep_in_turn("one", SystemTime::now() - day, nothing).await.unwrap(), Some(0));
    assert_eq!(open().sweep_in_turn("one", SystemTime::now() - day, nothing).await.unwrap(), None);
}
