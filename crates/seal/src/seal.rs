//! Sealing at rest: XChaCha20-Poly1305 with a random nonce in front, bound to the place where the value is kept.
//!
//! What is sealed under the first master key is `nonce, text`. Once the key was rotated, values name the key they are
//! sealed under: `PKG` and a version, the key's id, the nonce, the text; the header is bound to the text as the place is. A
//! value without a header may begin like one by chance: which it is, the text's own authentication decides.

use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};

use crate::key::{KEY_ID_BYTES, KeyId, MasterKey};

const NONCE_BYTES: usize = 24;
/// Three letters and a version.
const MAGIC: [u8; 4] = *b"PKG\x01";
/// In front of a value that names its key.
pub const HEADER_BYTES: usize = MAGIC.len() + KEY_ID_BYTES;

/// Why something cannot be sealed or opened.
#[derive(Debug, Clone, thiserror::Error)]
pub enum SealError {
    /// There is no randomness, or not enough memory.
    #[error("{0} could not be sealed: {1}")]
    Unsealed(String, String),
    /// It was sealed under another key or for another place, or it is damaged.
    #[error("{0} cannot be opened: is this the right master key?")]
    Shut(String),
    /// It names a key that is not known here.
    #[error("{0} is sealed under the master key {1}, which is not here")]
    OtherKey(String, KeyId),
}

/// Seals under one master key, and opens under some.
pub struct Seal {
    sealing: OneKey,
    /// Are values to name their key?
    names_key: bool,
    /// With the one that seals.
    opening: Vec<OneKey>,
}

#[derive(Clone)]
struct OneKey {
    id: KeyId,
    cipher: XChaCha20Poly1305,
}

impl OneKey {
    fn of(key: &MasterKey) -> OneKey {
        OneKey { id: key.id(), cipher: XChaCha20Poly1305::new(key.bytes().into()) }
    }

    fn header(&self) -> [u8; HEADER_BYTES] {
        let mut header = [0; HEADER_BYTES];
        for (to, from) in header.iter_mut().zip(MAGIC.iter().chain(&self.id.0)) {
            *to = *from;
        }
        header
    }

    /// What follows a header, or all of a value without one.
    fn open(&self, sealed: &[u8], bound_to: &[u8]) -> Option<Vec<u8>> {
        let (nonce, text) = sealed.split_first_chunk::<NONCE_BYTES>()?;
        self.cipher.decrypt(&XNonce::from(*nonce), Payload { msg: text, aad: bound_to }).ok()
    }
}

impl Seal {
    /// Under this key alone, which values do not name.
    #[must_use]
    pub fn new(key: &MasterKey) -> Seal {
        let sealing = OneKey::of(key);
        Seal { opening: vec![sealing.clone()], sealing, names_key: false }
    }

    /// Under this key, which values name; and what is sealed under others is opened.
    #[must_use]
    pub fn naming<'a>(key: &MasterKey, others: impl IntoIterator<Item = &'a MasterKey>) -> Seal {
        Seal::new(key).opening(others).named()
    }

    /// Opens what is sealed under others, too.
    #[must_use]
    pub fn opening<'a>(mut self, others: impl IntoIterator<Item = &'a MasterKey>) -> Seal {
        self.opening.extend(others.into_iter().map(OneKey::of));
        self
    }

    fn named(self) -> Seal {
        Seal { names_key: true, ..self }
    }

    /// The key that it seals under.
    #[must_use]
    pub fn key_id(&self) -> KeyId {
        self.sealing.id
    }

    /// What values that it seals begin with; none where they do not name their key.
    #[must_use]
    pub fn header(&self) -> Option<[u8; HEADER_BYTES]> {
        self.names_key.then(|| self.sealing.header())
    }

    /// Seals `plain` for `place`, which is not stored but must be the same to open it: a sealed value copied elsewhere
    /// cannot be opened.
    ///
    /// # Errors
    /// [`SealError::Unsealed`].
    pub fn seal(&self, plain: &[u8], place: &str) -> Result<Vec<u8>, SealError> {
        let unsealed = |why: String| SealError::Unsealed(place.to_owned(), why);
        let mut nonce = [0; NONCE_BYTES];
        getrandom::fill(&mut nonce).map_err(|error| unsealed(error.to_string()))?;
        let header = self.header();
        let header: &[u8] = header.as_ref().map_or(&[], |header| header);
        let bound_to = [header, place.as_bytes()].concat();
        let payload = Payload { msg: plain, aad: &bound_to };
        let sealed =
            self.sealing.cipher.encrypt(&XNonce::from(nonce), payload).map_err(|error| unsealed(error.to_string()))?;
        Ok([header, nonce.as_slice(), &sealed].concat())
    }

    /// Opens what was sealed for this place.
    ///
    /// # Errors
    /// [`SealError::Shut`], or [`SealError::OtherKey`] for a value that names a key which is not known.
    pub fn open(&self, sealed: &[u8], place: &str) -> Result<Vec<u8>, SealError> {
        let named = sealed.split_first_chunk::<HEADER_BYTES>().filter(|(header, _)| header.starts_with(&MAGIC));
        if let Some((header, rest)) = named {
            let bound_to = [header.as_slice(), place.as_bytes()].concat();
            let key = self.opening.iter().find(|key| key.header() == *header);
            if let Some(plain) = key.and_then(|key| key.open(rest, &bound_to)) {
                return Ok(plain);
            }
        }
        if let Some(plain) = self.opening.iter().find_map(|key| key.open(sealed, place.as_bytes())) {
            return Ok(plain);
        }
        let other = named.map(|(header, _)| KeyId::after(&MAGIC, header));
        match other.filter(|id| !self.opening.iter().any(|key| key.id == *id)) {
            Some(id) => Err(SealError::OtherKey(place.to_owned(), id)),
            None => Err(SealError::Shut(place.to_owned())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_of_either_form_are_known_and_opened() {
        let (old, new) = (MasterKey::random().unwrap(), MasterKey::random().unwrap());
        let (bare, both) = (Seal::new(&old), Seal::naming(&new, [&old]));
        let (first, second) = (bare.seal(b"x", "p").unwrap(), both.seal(b"y", "p").unwrap());
        assert_eq!(both.open(&first, "p").unwrap(), b"x");
        assert_eq!(both.open(&second, "p").unwrap(), b"y");
        assert!(second.starts_with(&both.header().unwrap()) && bare.header().is_none());
        assert!(matches!(bare.open(&second, "p"), Err(SealError::OtherKey(_, id)) if id == new.id()));
        assert!(matches!(both.open(&second, "q"), Err(SealError::Shut(_))));
        assert!(matches!(Seal::new(&new).open(&first, "p"), Err(SealError::Shut(_))));
        // The header is part of what is authenticated.
        let third = MasterKey::random().unwrap();
        let mut other = second.clone();
        other.splice(4..12, third.id().0);
        assert!(Seal::naming(&new, [&third]).open(&other, "p").is_err());
        for short in [&[][..], b"PKG\x01", &second[..20]] {
            assert!(both.open(short, "p").is_err());
        }
    }

    #[test]
    fn a_value_without_a_header_that_begins_like_one_is_opened() {
        let key = MasterKey::random().unwrap();
        let one = OneKey::of(&key);
        let mut nonce = [7; NONCE_BYTES];
        nonce[..HEADER_BYTES].copy_from_slice(&one.header());
        let text = one.cipher.encrypt(&XNonce::from(nonce), Payload { msg: b"x", aad: b"p" }).unwrap();
        let sealed = [nonce.as_slice(), &text].concat();
        assert_eq!(Seal::new(&key).open(&sealed, "p").unwrap(), b"x");
        assert_eq!(Seal::naming(&MasterKey::random().unwrap(), [&key]).open(&sealed, "p").unwrap(), b"x");
    }
}
