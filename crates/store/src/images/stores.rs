//! Which stores keep pictures in a place: each leaves its mark there.
//!
//! A store is asked for its own pictures only. Where two share one place, each would take the other's for strays, so none
//! is swept while there are marks of two.

use std::io::ErrorKind;

use futures_util::TryStreamExt;
use object_store::path::Path;
use object_store::{Error, ObjectStoreExt};

use super::{ImageError, Images, Place, away, blocking};
use parkgate_seal::disk::{make_folder, new_file};

/// Of marks, called by the stores' own numbers.
const STORES: &str = ".stores";

impl Images {
    /// Leaves the mark of a store.
    pub(super) async fn mark(&self, store: &str) -> Result<(), ImageError> {
        match &self.shared.place {
            Place::Folder(folder) => {
                let path = folder.path().join(STORES).join(store);
                blocking(move || {
                    make_folder(path.parent().unwrap_or(&path))?;
                    match new_file(&path) {
                        Err(error) if error.kind() != ErrorKind::AlreadyExists => Err(error.into()),
                        Ok(_) | Err(_) => Ok(()),
                    }
                })
                .await
            }
            Place::Bucket(bucket) => {
                let mark = Path::from_iter([STORES, store]);
                match bucket.objects.head(&mark).await {
                    Ok(_) => Ok(()),
                    Err(Error::NotFound { .. }) => {
                        bucket.objects.put(&mark, "keeps pictures here".into()).await.map(drop).map_err(away)
                    }
                    Err(error) => Err(away(error)),
                }
            }
        }
    }

    /// The mark of another store, if there is one.
    pub(super) async fn another_mark(&self, store: &str) -> Result<Option<String>, ImageError> {
        let own = Path::from_iter([STORES, store]);
        let mut marks = self.shared.place.objects().list(Some(&Path::from(STORES)));
        while let Some(mark) = marks.try_next().await.map_err(away)? {
            if mark.location != own {
                return Ok(Some(mark.location.to_string()));
            }
        }
        Ok(None)
    }
}
