//! Pictures in a bucket of any S3-compatible server: `s3://BUCKET/PREFIX`, with the usual `AWS_*` variables.

use std::path::Path;
use std::time::{Duration, Instant};

use object_store::aws::{AmazonS3Builder, AmazonS3ConfigKey};
use object_store::prefix::PrefixStore;
use object_store::{Attribute, Attributes, ClientConfigKey, ObjectStore, ObjectStoreExt, PutOptions, RetryConfig};
use tokio::sync::{Mutex, Semaphore};

use super::sweep::Removals;
use super::{ImageError, ImageKey, away, object_path};

/// Beyond this a push is answered 503 and the car park keeps it: it will not wait longer itself.
const GIVE_UP_AFTER: Duration = Duration::from_secs(15);
/// One request to the server.
const TIMEOUT: &str = "10 seconds";
/// Each holds one picture in memory.
const UPLOADS_MAX: usize = 8;

/// A load balancer asks often, and every request to the server is paid for.
const PROBE_KEPT: Duration = Duration::from_secs(5);
/// What is put to see whether putting works. No picture is called so.
const PROBE: &str = ".probe";

pub(super) struct Bucket {
    pub(super) objects: Box<dyn ObjectStore>,
    pub(super) removals: Removals,
    uploads: Semaphore,
    probed: Mutex<Option<(Instant, Result<(), String>)>>,
}

impl Bucket {
    pub(super) fn open(url: &str, variables: impl IntoIterator<Item = (String, String)>) -> Result<Bucket, ImageError> {
        let retry = RetryConfig { max_retries: 5, retry_timeout: GIVE_UP_AFTER, ..RetryConfig::default() };
        let timeout = AmazonS3ConfigKey::Client(ClientConfigKey::Timeout);
        let mut builder = AmazonS3Builder::new().with_config(timeout, TIMEOUT);
        for (name, value) in variables {
            if let Ok(key) = name.to_ascii_lowercase().parse() {
                builder = builder.with_config(key, value);
            }
        }
        let bucket = builder.with_url(url).with_retry(retry).build().map_err(away)?;
        let prefix = url.strip_prefix("s3://").and_then(|rest| rest.split_once('/')).map_or("", |(_, prefix)| prefix);
        let objects: Box<dyn ObjectStore> = match prefix.trim_matches('/') {
            "" => Box::new(bucket),
            prefix => Box::new(PrefixStore::new(bucket, prefix)),
        };
        let (removals, probed) = (Removals::default(), Mutex::default());
        Ok(Bucket { objects, removals, uploads: Semaphore::new(UPLOADS_MAX), probed })
    }

    /// Uploads a picture, also one that is there: so it is young again, and no sweep takes it.
    pub(super) async fn put(&self, aside: &Path, key: &ImageKey, content_type: &'static str) -> Result<(), ImageError> {
        let _turn = self.uploads.acquire().await.map_err(|error| ImageError::Away(error.to_string()))?;
        let bytes = tokio::fs::read(aside).await?;
        self.removals.wait(key).await;
        let attributes = Attributes::from_iter([(Attribute::ContentType, content_type)]);
        let options = PutOptions { attributes, ..PutOptions::default() };
        self.objects.put_opts(&object_path(key), bytes.into(), options).await.map_err(away)?;
        Ok(())
    }

    /// Removes a picture unless another node has just put it anew; false if it is not there or young.
    pub(super) async fn remove(&self, key: &ImageKey, before: std::time::SystemTime) -> Result<bool, ImageError> {
        let path = object_path(key);
        match self.objects.head(&path).await {
            Ok(found) if std::time::SystemTime::from(found.last_modified) < before => {
                self.objects.delete(&path).await.map_err(away)?;
                Ok(true)
            }
            Ok(_) | Err(object_store::Error::NotFound { .. }) => Ok(false),
            Err(error) => Err(away(error)),
        }
    }

    /// Can a picture be put now? Nothing less tells: to ask for an object that is not there is answered alike without a
    /// bucket, and allowed to whoever may not write.
    pub(super) async fn probe(&self) -> Result<(), ImageError> {
        // Whoever asks meanwhile waits for this answer.
        let mut probed = self.probed.lock().await;
        let told = match probed.take() {
            Some((at, told)) if at.elapsed() < PROBE_KEPT => (at, told),
            Some(_) | None => {
                let put = self.objects.put(&object_store::path::Path::from(PROBE), "probe".into()).await;
                (Instant::now(), put.map(drop).map_err(|error| error.to_string()))
            }
        };
        *probed = Some(told.clone());
        told.1.map_err(ImageError::Away)
    }
}
