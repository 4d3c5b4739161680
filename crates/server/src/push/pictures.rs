//! The pictures of a push on their way into the image store.

use std::sync::Arc;

use bytes::Bytes;
use futures_util::future::try_join_all;
use parkgate_intake::{FileSink, Written};
use parkgate_store::Images;
use parkgate_store::images::{FinishedImage, ImageError, IncomingImage};
use parkgate_wire::push::image_of_part;

use crate::aside::Pictures;
use crate::fault::Fault;
use crate::gate::Gate;

/// Files of a request are written aside in the image store.
pub(super) struct ImageSink<'a>(pub(super) &'a Images);

impl FileSink for ImageSink<'_> {
    type Open = IncomingImage;
    type File = FinishedImage;
    type Error = ImageError;

    async fn begin(&self) -> Result<IncomingImage, ImageError> {
        self.0.incoming().await
    }

    async fn write(&self, open: &mut IncomingImage, bytes: Bytes) -> Result<(), ImageError> {
        open.write(bytes).await
    }

    async fn finish(&self, open: IncomingImage) -> Result<Written<FinishedImage>, ImageError> {
        let file = open.finish().await?;
        Ok(Written { md5: file.md5(), size: file.size(), file })
    }
}

/// Makes the pictures durable, several at a time: a record must never point at a picture that is not there.
pub(super) async fn store_pictures(gate: &Gate, files: Vec<(String, FinishedImage)>) -> Result<Pictures, Fault> {
    let stored = files.into_iter().map(|(part, file)| async move {
        let name = image_of_part(&part).unwrap_or(&part).to_owned();
        let picture = file.store().await?;
        gate.metrics.image_bytes.inc_by(picture.size);
        Ok::<_, Fault>((name, Arc::new(picture)))
    });
    try_join_all(stored).await
}
