//! Pictures in a bucket of any S3-compatible server: `s3://BUCKET/PREFIX`, with the usual `AWS_*` variables.
//!
//! Each upload carries the SHA-256 of its bytes: the server refuses what it did not receive as it was sent, and keeps the sum
//! beside the object.

use std::path::Path;
use std::time::{Duration, Instant};

use object_store::aws::{AmazonS3Builder, AmazonS3ConfigKey, Checksum};
use object_store::prefix::PrefixStore;
use object_store::{Attribute, Attributes, ClientConfigKey, ObjectStore, ObjectStoreExt, PutOptions, RetryConfig};
use sha2::{Digest, Sha256};
use tokio::sync::{Mutex, Semaphore};

use super::removals::Removals;
use super::{ImageError, ImageKey, away, blocking, object_path};

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
        let variables: Vec<(String, String)> = variables.into_iter().collect();
        if takes_checksums(&variables) {
            builder = builder.with_checksum_algorithm(Checksum::SHA256);
        }
        for (name, value) in variables {
            match name.to_ascii_lowercase().parse() {
                Ok(AmazonS3ConfigKey::Checksum) if value.eq_ignore_ascii_case(NO_CHECKSUM) => {}
                Ok(key) => builder = builder.with_config(key, value),
                Err(_) => {}
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
        let bytes = read_whole(aside, *key).await?;
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

    /// Can a picture be put now? Only a real write shows it: a request for a missing object gets the same answer if there is
    /// no bucket, and is allowed without the right to write.
    pub(super) async fn probe(&self) -> Result<(), ImageError> {
        // Whoever asks meanwhile waits for this answer.
        let mut probed = self.probed.lock().await;
        let outcome = match probed.take() {
            Some((at, result)) if at.elapsed() < PROBE_KEPT => (at, result),
            Some(_) | None => {
                let put = self.objects.put(&object_store::path::Path::from(PROBE), "probe".into()).await;
                (Instant::now(), put.map(drop).map_err(|error| error.to_string()))
            }
        };
        *probed = Some(outcome.clone());
        outcome.1.map_err(ImageError::Away)
    }
}

/// Of `AWS_CHECKSUM_ALGORITHM`: for a server that knows no checksums.
const NO_CHECKSUM: &str = "off";

/// Unless a variable says otherwise: ours, or the one that other clients follow (`WHEN_REQUIRED`).
fn takes_checksums(variables: &[(String, String)]) -> bool {
    let is = |name: &str, wanted: &str| {
        let said = variables.iter().rev().find(|(other, _)| other.eq_ignore_ascii_case(name));
        said.is_some_and(|(_, value)| value.eq_ignore_ascii_case(wanted))
    };
    !is("AWS_CHECKSUM_ALGORITHM", NO_CHECKSUM) && !is("AWS_REQUEST_CHECKSUM_CALCULATION", "WHEN_REQUIRED")
}

/// The bytes as they came: the checksum is of what is read here, so a disk that gives others must not get past it.
async fn read_whole(aside: &Path, key: ImageKey) -> Result<Vec<u8>, ImageError> {
    let aside = aside.to_owned();
    blocking(move || {
        let bytes = std::fs::read(&aside)?;
        if Sha256::digest(&bytes).as_slice() != key.0 {
            return Err(ImageError::Away(format!("{}: not as it was written", aside.display())));
        }
        Ok(bytes)
    })
    .await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uploads_carry_a_checksum_unless_a_variable_says_otherwise() {
        let taken = |variables: &[(&str, &str)]| {
            let own = variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
            takes_checksums(&own.collect::<Vec<_>>())
        };
        assert!(taken(&[]) && taken(&[("AWS_REQUEST_CHECKSUM_CALCULATION", "WHEN_SUPPORTED")]));
        assert!(taken(&[("AWS_CHECKSUM_ALGORITHM", "crc64nvme")]));
        assert!(!taken(&[("AWS_CHECKSUM_ALGORITHM", "OFF")]));
        assert!(!taken(&[("aws_request_checksum_calculation", "when_required")]));
    }

    #[tokio::test]
    async fn what_is_no_longer_as_it_was_written_is_not_uploaded() {
        let aside = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(aside.path(), b"GIF89a").unwrap();
        let key = ImageKey(Sha256::digest(b"GIF89a").into());
        assert_eq!(read_whole(aside.path(), key).await.unwrap(), b"GIF89a");
        std::fs::write(aside.path(), b"GIF88a").unwrap();
        assert!(read_whole(aside.path(), key).await.is_err());
    }
}
