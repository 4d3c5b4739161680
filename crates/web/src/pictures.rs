//! The pictures of a push on their way into the image store.

use bytes::Bytes;
use parkgate_gate::Gate;
use parkgate_gate::admit::may_push;
use parkgate_intake::{FileSink, WrittenFile};
use parkgate_store::images::{FinishedImage, ImageError, IncomingImage};
use parkgate_wire::Form;

use crate::outcome::Received;

/// Writes the files of a request to the image store; on a disk that is nearly full, only those of good pushes.
pub(crate) struct ImageSink<'a> {
    pub(crate) gate: &'a Gate,
    pub(crate) received: &'a Received,
}

/// Why a picture was not written.
#[derive(Debug)]
pub(crate) enum SinkError {
    /// What is free of the disk is left to pushes that proved to be good.
    DiskLow,
    Image(ImageError),
}

impl From<ImageError> for SinkError {
    fn from(error: ImageError) -> Self {
        SinkError::Image(error)
    }
}

/// A picture that arrives.
pub(crate) struct ArrivingPicture {
    /// None for want of room. What still comes of it is read and forgotten: a sender that is still sending would not see
    /// the reply.
    picture: Option<IncomingImage>,
    standing: Standing,
}

/// Is the push a good one, as far as that can be known before all of it has come?
enum Standing {
    /// Nobody asked yet: what came before its first file.
    Unasked(Form),
    Genuine,
    Unproven,
}

impl ImageSink<'_> {
    /// Pictures of a push that will be refused must not take the last room from those that will not. A client that sends
    /// its fields first, as all of the document's examples do, has proved itself when the first file begins.
    fn has_room_for(&self, standing: &mut Standing) -> bool {
        if !self.gate.disk.is_low_for_arriving() {
            return true;
        }
        if let Standing::Unasked(so_far) = standing {
            let (registry, form) = (self.gate.registry.load(), std::mem::take(so_far));
            let Received { kind, client, received_at, .. } = *self.received;
            let is_genuine = may_push(&registry, form, kind, client.0, received_at);
            *standing = if is_genuine { Standing::Genuine } else { Standing::Unproven };
        }
        matches!(standing, Standing::Genuine)
    }
}

impl FileSink for ImageSink<'_> {
    type Open = ArrivingPicture;
    type File = FinishedImage;
    type Error = SinkError;

    async fn begin(&self, so_far: &Form) -> Result<ArrivingPicture, SinkError> {
        let mut standing = Standing::Unasked(so_far.clone());
        let picture = if self.has_room_for(&mut standing) { Some(self.gate.images.incoming().await?) } else { None };
        Ok(ArrivingPicture { picture, standing })
    }

    async fn write(&self, open: &mut ArrivingPicture, bytes: Bytes) -> Result<(), SinkError> {
        if !self.has_room_for(&mut open.standing) {
            open.picture = None;
        }
        match &mut open.picture {
            Some(picture) => Ok(picture.write(bytes).await?),
            None => Ok(()),
        }
    }

    async fn finish(&self, open: ArrivingPicture) -> Result<WrittenFile<FinishedImage>, SinkError> {
        let file = open.picture.ok_or(SinkError::DiskLow)?.finish().await?;
        Ok(WrittenFile { md5: file.md5(), size: file.size(), file })
    }
}
