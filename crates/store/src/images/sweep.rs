//! Pictures that nothing keeps go, a page of keys at a time.
//!
//! A push may bring the very picture that is being removed. It pins it before it puts it, and putting makes it young again
//! whether it was there or not. So the store is asked first, and then, at the last moment, whether it is pinned or young;
//! an upload waits while its picture is being removed from the bucket. Another node's upload that falls between the look at
//! an object's age and its removal, a round trip, is not seen.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use futures_util::{StreamExt, TryStreamExt, stream};
use object_store::ObjectStoreExt;

use super::bucket::Bucket;
use super::{ImageError, ImageKey, Images, Place, away, blocking, lock};
use crate::StoreError;

/// Keys the store is asked for at once.
const PAGE: usize = 1000;
/// Objects removed from a bucket at once.
const AT_ONCE: usize = 8;
/// Between two pages as long as the page took, so that half of the time is others', but no longer than this.
const PAUSE_MAX: Duration = Duration::from_secs(1);
/// Many gates have one bucket, and every list of it is paid for.
const BUCKET_EVERY: Duration = Duration::from_secs(24 * 60 * 60);
/// As old as the last sweep of the bucket. No picture is called so.
const SWEPT: &str = ".swept";

/// Which of these pictures the store keeps.
pub trait Keeps: Fn(&[ImageKey]) -> Result<HashSet<ImageKey>, StoreError> + Send + Sync + Clone + 'static {}
impl<F: Fn(&[ImageKey]) -> Result<HashSet<ImageKey>, StoreError> + Send + Sync + Clone + 'static> Keeps for F {}

impl Images {
    /// [`Images::sweep`], where it is due: a bucket is swept by one of its gates once a day, a folder whenever it is asked.
    /// How many, or nothing if it was not due. Where another store keeps pictures, too, none is removed: this one, known by
    /// its number, does not know which those are.
    ///
    /// # Errors
    /// The folder, the bucket or the store cannot be read.
    pub async fn sweep_in_turn(
        &self,
        store: &str,
        before: SystemTime,
        keeps: impl Keeps,
    ) -> Result<Option<usize>, ImageError> {
        // A store that is away or has moved takes no turn from the others.
        ask(&keeps, Vec::new()).await?;
        self.mark(store).await?;
        let is_due = match &self.shared.place {
            Place::Folder(_) => true,
            Place::Bucket(bucket) => bucket.take_turn().await?,
        };
        if !is_due {
            return Ok(None);
        }
        if let Some(other) = self.another_mark(store).await? {
            tracing::warn!(
                other,
                "another store keeps pictures in the same place, so strays stay: remove its mark there if it is no more"
            );
            return Ok(None);
        }
        self.sweep(before, keeps).await.map(Some)
    }

    /// The pictures from before a time that nothing keeps, which a sweep would remove; nothing where another store keeps
    /// pictures, too.
    ///
    /// # Errors
    /// The folder, the bucket or the store cannot be read.
    pub async fn strays(
        &self,
        store: &str,
        before: SystemTime,
        keeps: impl Keeps,
    ) -> Result<Option<Vec<ImageKey>>, ImageError> {
        if self.another_mark(store).await?.is_some() {
            return Ok(None);
        }
        let mut listed = self.shared.place.objects().list(None);
        let (mut strays, mut page) = (Vec::new(), Vec::new());
        while let Some(object) = listed.try_next().await.map_err(away)? {
            let Some(key) = ImageKey::parse(object.location.as_ref()) else { continue };
            if SystemTime::from(object.last_modified) < before {
                page.push(key);
            }
            if page.len() == PAGE {
                let asked = std::mem::take(&mut page);
                strays.extend(unkept(&keeps, asked).await?);
            }
        }
        strays.extend(unkept(&keeps, page).await?);
        Ok(Some(strays))
    }

    /// Removes pictures from before a time that nothing keeps; how many.
    ///
    /// # Errors
    /// The folder, the bucket or the store cannot be read.
    pub async fn sweep(&self, before: SystemTime, keeps: impl Keeps) -> Result<usize, ImageError> {
        let mut listed = self.shared.place.objects().list(None);
        let (mut swept, mut page) = (0, Vec::new());
        while let Some(object) = listed.try_next().await.map_err(away)? {
            let Some(key) = ImageKey::parse(object.location.as_ref()) else { continue };
            if SystemTime::from(object.last_modified) < before {
                page.push(key);
            }
            if page.len() == PAGE {
                let begun = Instant::now();
                swept += self.remove_unkept(std::mem::take(&mut page), before, &keeps).await?;
                tokio::time::sleep(begun.elapsed().min(PAUSE_MAX)).await;
            }
        }
        Ok(swept + self.remove_unkept(page, before, &keeps).await?)
    }

    /// Removes those of these pictures at once that nothing keeps and that are older than that; how many.
    ///
    /// # Errors
    /// The folder, the bucket or the store cannot be read.
    pub async fn remove_unkept(
        &self,
        page: Vec<ImageKey>,
        before: SystemTime,
        keeps: &impl Keeps,
    ) -> Result<usize, ImageError> {
        let page = unkept(keeps, page).await?;
        match &self.shared.place {
            Place::Folder(_) => self.remove_files(page, before).await,
            Place::Bucket(bucket) => {
                let removals = page.into_iter().map(|key| self.remove_object(bucket, key, before));
                let removed: Vec<bool> = stream::iter(removals).buffer_unordered(AT_ONCE).try_collect().await?;
                Ok(removed.into_iter().filter(|is_removed| *is_removed).count())
            }
        }
    }

    async fn remove_files(&self, page: Vec<ImageKey>, before: SystemTime) -> Result<usize, ImageError> {
        let shared = Arc::clone(&self.shared);
        blocking(move || {
            let Place::Folder(folder) = &shared.place else { return Ok(0) };
            let mut removed = 0;
            for key in page {
                // Held until it is gone: a push with the same picture pins it first.
                let pinned = lock(&shared.pinned);
                if !pinned.contains_key(&key) {
                    removed += usize::from(folder.remove(&key, before)?);
                }
            }
            Ok(removed)
        })
        .await
    }

    async fn remove_object(&self, bucket: &Bucket, key: ImageKey, before: SystemTime) -> Result<bool, ImageError> {
        let _removal = {
            let pinned = lock(&self.shared.pinned);
            if pinned.contains_key(&key) {
                return Ok(false);
            }
            // Under the lock: whoever pins it from now on waits.
            bucket.removals.begin(key)
        };
        bucket.remove(&key, before).await
    }
}

impl Bucket {
    /// Is a sweep due? Then it is this gate's. Two that ask in the same moment may both sweep, which is only more work.
    async fn take_turn(&self) -> Result<bool, ImageError> {
        let mark = object_store::path::Path::from(SWEPT);
        match self.objects.head(&mark).await {
            Ok(last) => {
                let age = SystemTime::now().duration_since(last.last_modified.into()).unwrap_or_default();
                if age < BUCKET_EVERY {
                    return Ok(false);
                }
            }
            Err(object_store::Error::NotFound { .. }) => {}
            Err(error) => return Err(away(error)),
        }
        self.objects.put(&mark, "swept".into()).await.map_err(away)?;
        Ok(true)
    }
}

async fn unkept(keeps: &impl Keeps, mut page: Vec<ImageKey>) -> Result<Vec<ImageKey>, ImageError> {
    if !page.is_empty() {
        let kept = ask(keeps, page.clone()).await?;
        page.retain(|key| !kept.contains(key));
    }
    Ok(page)
}

async fn ask(keeps: &impl Keeps, keys: Vec<ImageKey>) -> Result<HashSet<ImageKey>, ImageError> {
    let keeps = keeps.clone();
    blocking(move || keeps(&keys).map_err(|error| ImageError::Away(error.to_string()))).await
}

#[cfg(test)]
mod tests {
    use std::task::Poll;

    use super::super::removals::Removals;
    use super::*;

    #[tokio::test]
    async fn an_upload_waits_while_its_picture_is_being_removed_and_no_other_does() {
        let removals = Removals::default();
        let removal = removals.begin(ImageKey([1; 32]));
        removals.wait(&ImageKey([2; 32])).await;
        let key = removal.key;
        let mut upload = Box::pin(removals.wait(&key));
        assert_eq!(futures_util::poll!(&mut upload), Poll::Pending);
        drop(removal);
        upload.await;
        removals.wait(&ImageKey([1; 32])).await;
    }
}
