//! Pictures from one folder or bucket to another, by their address, which is what they are.

use futures_util::{StreamExt, stream};

use super::tables::TABLES;
use super::{Move, Step};
use crate::images::{ImageError, Images};
use crate::{ImageKey, StoreError};

/// Pictures on their way at once.
const AT_ONCE: usize = 16;
const PAGE: usize = 256;

/// What becomes of records whose picture is gone from the old place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MissingPictures {
    /// The move ends with an error, and goes on once they are back.
    Stop,
    /// They are counted, and left out: those that the old place says it has not. Any other failure ends the move.
    Skip,
}

/// Copies the pictures that records and the quarantine name; how many are missing.
///
/// # Errors
/// One place or store failed, or a picture is not what its address says. Calling again goes on.
pub async fn move_pictures(
    moving: &Move,
    from: &Images,
    to: &Images,
    missing: MissingPictures,
    report: &mut (dyn FnMut(Step) + Send),
) -> Result<u64, StoreError> {
    let (mut gone, mut done, mut all) = (0, 0, 0);
    // At most: records may share one.
    for table in TABLES.iter().filter(|table| table.name.ends_with("images")) {
        all += moving.from.count(table)?;
    }
    for table in ["images", "quarantine_images"] {
        let mark = format!("pictures of {table}");
        let mut after = moving.to.mark(&mark)?.map(|text| hex::decode(text).unwrap_or_default()).unwrap_or_default();
        loop {
            let page = moving.from.pictures(table, &after, PAGE)?;
            let Some((ImageKey(last), _)) = page.last().copied() else { break };
            let mut copies = stream::iter(page.iter().map(|(key, _)| copy(from, to, *key))).buffer_unordered(AT_ONCE);
            while let Some((key, copied)) = copies.next().await {
                match copied {
                    Ok(()) => {}
                    Err(error @ ImageError::Missing(_)) if missing == MissingPictures::Skip => {
                        if gone == 0 {
                            from.reach().await.map_err(|error| StoreError::Away(format!("the old place: {error}")))?;
                        }
                        tracing::warn!(%key, %error, "a picture is missing");
                        gone += 1;
                    }
                    Err(error) => return Err(unmoved(key, &error)),
                }
                done += 1;
                report(Step { what: "pictures", compared: false, done, all });
            }
            drop(copies);
            moving.to.set_mark(&mark, &hex::encode(last))?;
            after = last.to_vec();
        }
    }
    Ok(gone)
}

fn unmoved(key: ImageKey, error: &ImageError) -> StoreError {
    StoreError::Away(format!("picture {key}: {error}; the move goes on from here when it is run again"))
}

async fn copy(from: &Images, to: &Images, key: ImageKey) -> (ImageKey, Result<(), ImageError>) {
    (key, copy_one(from, to, key).await)
}

async fn copy_one(from: &Images, to: &Images, key: ImageKey) -> Result<(), ImageError> {
    let bytes = from.read(&key).await?;
    let mut incoming = to.incoming().await?;
    incoming.write(bytes).await?;
    let stored = incoming.finish().await?.store().await?;
    if stored.key == key { Ok(()) } else { Err(ImageError::Away("its bytes are not what its address says".into())) }
}
