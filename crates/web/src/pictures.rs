//! The pictures of a push on their way into the image store.

use std::convert::Infallible;

use bytes::Bytes;
use parkgate_gate::Gate;
use parkgate_gate::admit::may_push;
use parkgate_intake::{FileSink, WrittenFile};
use parkgate_store::Images;
use parkgate_store::images::{FinishedImage, ImageError, IncomingImage};
use parkgate_wire::{Form, Md5Hash, Seqno};

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

/// What comes of the picture of a question: it is kept only until another platform that is asked has it.
pub(crate) struct QuestionPictures<'a> {
    /// None where nobody else is asked, or the disk is nearly full: a question is as good without its picture.
    images: Option<&'a Images>,
    seqno: Seqno,
}

impl<'a> QuestionPictures<'a> {
    pub(crate) fn of(gate: &'a Gate, seqno: Seqno) -> QuestionPictures<'a> {
        let is_passed_on = gate.forwarder.is_some() && gate.registry.load().is_compared();
        let images = (is_passed_on && !gate.disk.is_low_for_arriving()).then_some(&gate.images);
        QuestionPictures { images, seqno }
    }
}

/// A picture of a question that arrives; `None` for one that is read and forgotten.
pub(crate) struct QuestionPicture {
    picture: Option<IncomingImage>,
    size: u64,
}

impl FileSink for QuestionPictures<'_> {
    type Open = QuestionPicture;
    type File = Option<FinishedImage>;
    type Error = Infallible;

    async fn begin(&self, _so_far: &Form) -> Result<QuestionPicture, Infallible> {
        let picture = match self.images {
            Some(images) => self.unless_failed(images.incoming().await),
            None => None,
        };
        Ok(QuestionPicture { picture, size: 0 })
    }

    async fn write(&self, open: &mut QuestionPicture, bytes: Bytes) -> Result<(), Infallible> {
        open.size += bytes.len() as u64;
        if let Some(picture) = &mut open.picture
            && self.unless_failed(picture.write(bytes).await).is_none()
        {
            open.picture = None;
        }
        Ok(())
    }

    async fn finish(&self, open: QuestionPicture) -> Result<WrittenFile<Option<FinishedImage>>, Infallible> {
        let file = match open.picture {
            Some(picture) => self.unless_failed(picture.finish().await),
            None => None,
        };
        // The pictures of questions have no hash to compare it with.
        Ok(WrittenFile { file, md5: Md5Hash::OF_NOTHING, size: open.size })
    }
}

impl QuestionPictures<'_> {
    /// The vehicle must not wait for our disk.
    fn unless_failed<T>(&self, done: Result<T, ImageError>) -> Option<T> {
        let seqno = self.seqno;
        done.inspect_err(|error| tracing::warn!(%seqno, %error, "a question is passed on without its picture")).ok()
    }
}
