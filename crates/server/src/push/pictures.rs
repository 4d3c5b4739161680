//! The pictures of a push on their way into the image store.

use std::net::IpAddr;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::future::try_join_all;
use parkgate_intake::{FileSink, Written};
use parkgate_store::images::{FinishedImage, ImageError, IncomingImage};
use parkgate_wire::push::image_of_part;
use parkgate_wire::{Form, PushKind};

use crate::aside::Pictures;
use crate::fault::Fault;
use crate::gate::Gate;
use crate::judge::may_push;

/// Files of a request are written aside in the image store: on a disk that is nearly full, only those of good pushes.
pub(super) struct ImageSink<'a> {
    pub(super) gate: &'a Gate,
    pub(super) kind: PushKind,
    pub(super) address: IpAddr,
    pub(super) received_at: i64,
}

/// A picture that arrives.
pub(super) struct Arriving {
    picture: IncomingImage,
    standing: Standing,
}

/// Is the push a good one, as far as that can be told before all of it has come?
enum Standing {
    /// Nobody asked yet: what came before its first file.
    Unasked(Form),
    Genuine,
    Unproven,
}

impl ImageSink<'_> {
    /// Pictures of a push that will be refused must not take the last room from those that will not. A client that sends
    /// its fields first, as all of the document's examples do, has proved itself when the first file begins.
    fn has_room_for(&self, standing: &mut Standing) -> Result<(), ImageError> {
        if !self.gate.disk.is_low_for_arriving() {
            return Ok(());
        }
        if let Standing::Unasked(so_far) = standing {
            let (registry, form) = (self.gate.registry.load(), std::mem::take(so_far));
            let is_genuine = may_push(&registry, form, self.kind, self.address, self.received_at);
            *standing = if is_genuine { Standing::Genuine } else { Standing::Unproven };
        }
        match standing {
            Standing::Genuine => Ok(()),
            Standing::Unasked(_) | Standing::Unproven => {
                Err(ImageError::Full("what is free is left to good pushes".into()))
            }
        }
    }
}

impl FileSink for ImageSink<'_> {
    type Open = Arriving;
    type File = FinishedImage;
    type Error = ImageError;

    async fn begin(&self, so_far: &Form) -> Result<Arriving, ImageError> {
        let mut standing = Standing::Unasked(so_far.clone());
        self.has_room_for(&mut standing)?;
        Ok(Arriving { picture: self.gate.images.incoming().await?, standing })
    }

    async fn write(&self, open: &mut Arriving, bytes: Bytes) -> Result<(), ImageError> {
        self.has_room_for(&mut open.standing)?;
        open.picture.write(bytes).await
    }

    async fn finish(&self, open: Arriving) -> Result<Written<FinishedImage>, ImageError> {
        let file = open.picture.finish().await?;
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
