//! A body that is passed on piece by piece as it arrives, within the limits of any other, and never held whole.

use bytes::Bytes;
use http_body::Body;
use http_body_util::BodyExt;
use http_body_util::combinators::UnsyncBoxBody;
use parkgate_wire::Refusal;

use crate::budget::BodyShare;
use crate::limits::IntakeLimits;
use crate::meter::{Meter, Pieces};
use crate::named_park::{ParkName, park_named};

/// So much of its beginning is looked at for a park: the fields of every call that is documented, before the first file.
const BEGINNING_BYTES_MAX: usize = 64 * 1024;

/// A body on its way through.
pub struct PassedBody {
    meter: Meter<UnsyncBoxBody<Bytes, ()>, BodyShare>,
    length: Option<u64>,
    /// Bytes that were passed on.
    gone: u64,
    beginning: Vec<u8>,
    has_ended: bool,
    /// Bytes of the last piece, which are out of memory once the next is asked for.
    passed: usize,
}

impl PassedBody {
    /// A body of which nothing was read.
    #[must_use]
    pub fn new<B>(body: B, limits: &IntakeLimits, share: BodyShare) -> Self
    where
        B: Body<Data = Bytes> + Send + 'static,
    {
        let meter = Meter::new(body.map_err(drop).boxed_unsync(), limits, share);
        PassedBody { length: meter.length(), meter, gone: 0, beginning: Vec::new(), has_ended: false, passed: 0 }
    }

    /// How long it is, if that is known.
    #[must_use]
    pub fn length(&self) -> Option<u64> {
        self.length
    }

    /// Was it refused for want of memory, and not for what it is?
    #[must_use]
    pub fn found_no_room(&self) -> bool {
        self.meter.found_no_room()
    }

    /// Reads its beginning until that names a park.
    ///
    /// # Errors
    /// It is too large, too slow, or ended early.
    pub async fn park(&mut self, content_type: &str) -> Result<Option<ParkName>, Refusal> {
        loop {
            let looked_at = self.beginning.get(..BEGINNING_BYTES_MAX).unwrap_or(&self.beginning);
            let is_whole = self.has_ended && looked_at.len() == self.beginning.len();
            if let Some(name) = park_named(content_type, looked_at, is_whole) {
                return Ok(Some(name));
            }
            if self.has_ended || self.beginning.len() >= BEGINNING_BYTES_MAX {
                return Ok(None);
            }
            match self.meter.next().await? {
                Some(piece) => self.beginning.extend_from_slice(&piece),
                None => self.has_ended = true,
            }
        }
    }

    /// The next piece, what was read of the beginning first; `None` after the last.
    ///
    /// # Errors
    /// As [`PassedBody::park`].
    pub async fn next(&mut self) -> Result<Option<Bytes>, Refusal> {
        self.meter.forget(std::mem::take(&mut self.passed));
        let piece = match std::mem::take(&mut self.beginning) {
            beginning if !beginning.is_empty() => Some(Bytes::from(beginning)),
            _ if self.has_ended => None,
            _ => self.meter.next().await?,
        };
        self.passed = piece.as_ref().map_or(0, Bytes::len);
        self.gone += self.passed as u64;
        // Whoever knows its length does not ask for what follows the last piece.
        self.has_ended |= piece.is_none() || self.length == Some(self.gone);
        Ok(piece)
    }

    /// Was all of it passed on?
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.has_ended && self.beginning.is_empty()
    }
}
