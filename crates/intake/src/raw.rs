//! A body that is not a form, kept as received: in memory up to the limit for fields, else as a file.

use bytes::Bytes;
use parkgate_wire::{Form, Refusal};

use crate::held::HeldBytes;
use crate::meter::Pieces;
use crate::named_park::{in_pairs, in_parts};
use crate::sink::FileSink;

/// A body that names the secret is not kept as received, since the secret could not be separated from the rest.
const SECRET_NAME: &[u8] = b"app_secret";

/// A body as it is kept.
pub(crate) struct Raw<F> {
    /// Its bytes, if they are few.
    pub(crate) bytes: Bytes,
    /// Its bytes, if they are many.
    pub(crate) file: Option<F>,
    /// Did all of it arrive?
    pub(crate) has_ended: bool,
    /// The park named near its beginning.
    pub(crate) park_uuid: Option<String>,
}

impl<F> Raw<F> {
    /// A body that arrived completely.
    pub(crate) fn of(bytes: Bytes) -> Raw<F> {
        Raw { park_uuid: park_uuid_in(&bytes), bytes, file: None, has_ended: true }
    }

    /// Is all of it held here?
    pub(crate) fn is_whole(&self) -> bool {
        self.has_ended && self.file.is_none()
    }
}

/// Keeps what arrived `before` and what is still to come.
pub(crate) async fn keep<P: Pieces, S: FileSink>(
    before: HeldBytes,
    pieces: &mut P,
    memory_bytes_max: usize,
    sink: &S,
) -> Result<Raw<S::File>, S::Error> {
    let mut bytes = before;
    while bytes.len() <= memory_bytes_max {
        match pieces.next().await {
            Ok(Some(piece)) => bytes.append(&piece),
            ended => return Ok(Raw { has_ended: ended.is_ok(), ..Raw::of(bytes.into_bytes()) }),
        }
    }
    let bytes = bytes.into_bytes();
    let park_uuid = park_uuid_in(&bytes);
    // Nothing is known about a body that is not a form.
    let mut open = sink.begin(&Form::default()).await?;
    let mut secrets = SecretName::default();
    let mut next = Ok(Some(bytes));
    while let Ok(Some(piece)) = next {
        secrets.look_at(&piece);
        let written = piece.len();
        sink.write(&mut open, piece).await?;
        pieces.forget(written);
        next = pieces.next().await;
    }
    // An unfinished file leaves nothing behind.
    let file = if secrets.is_named { None } else { Some(sink.finish(open).await?.file) };
    Ok(Raw { bytes: Bytes::new(), file, has_ended: next.is_ok() && !secrets.is_named, park_uuid })
}

/// The park named by a body that is not a form: after `park_uuid=`, or in the part of that name.
fn park_uuid_in(body: &[u8]) -> Option<String> {
    in_pairs(body, "park_uuid", true).or_else(|| in_parts(body, "park_uuid"))
}

/// Does this name the secret?
fn names_secret(bytes: &[u8]) -> bool {
    memchr::memmem::find(bytes, SECRET_NAME).is_some()
}

/// Looks for the secret's name across pieces.
#[derive(Default)]
struct SecretName {
    is_named: bool,
    tail: Vec<u8>,
}

impl SecretName {
    fn look_at(&mut self, piece: &[u8]) {
        self.tail.extend_from_slice(piece.get(..SECRET_NAME.len().min(piece.len())).unwrap_or_default());
        self.is_named |= names_secret(&self.tail) || names_secret(piece);
        let end = piece.get(piece.len().saturating_sub(SECRET_NAME.len())..).unwrap_or_default();
        self.tail = end.to_vec();
    }
}

/// A body from its beginning, as long as all of it may still be kept in memory.
#[derive(Debug, Default)]
pub(crate) struct History {
    held: HeldBytes,
    is_given_up: bool,
}

impl History {
    pub(crate) fn add(&mut self, piece: &[u8], bytes_max: usize) {
        if self.held.len() + piece.len() > bytes_max {
            self.give_up();
        }
        if !self.is_given_up {
            self.held.append(piece);
        }
    }

    /// Stops keeping, since files are not held in memory. Returns how many bytes were held until now.
    pub(crate) fn give_up(&mut self) -> usize {
        self.is_given_up = true;
        std::mem::take(&mut self.held).len()
    }

    pub(crate) fn is_given_up(&self) -> bool {
        self.is_given_up
    }

    /// The body as far as it arrived, if it was kept.
    pub(crate) fn take(&mut self) -> Option<HeldBytes> {
        (!self.is_given_up).then(|| std::mem::take(&mut self.held))
    }
}

/// Should the sender of such a refusal find the push in the quarantine?
pub(crate) fn is_worth_keeping(refusal: &Refusal) -> bool {
    refusal.class() == parkgate_wire::refusal::RefusalClass::BadRequest
}
