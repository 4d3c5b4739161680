//! Sealing at rest: XChaCha20-Poly1305 with a random nonce in front, bound to the place where the value is kept.

use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};

use crate::key::MasterKey;

const NONCE_BYTES: usize = 24;

/// Why something cannot be sealed or opened.
#[derive(Debug, Clone, thiserror::Error)]
pub enum SealError {
    /// There is no randomness, or not enough memory.
    #[error("{0} could not be sealed: {1}")]
    Unsealed(String, String),
    /// It was sealed under another key or for another place, or it is damaged.
    #[error("{0} cannot be opened: is this the right master key?")]
    Shut(String),
}

/// Seals and opens under one master key.
pub struct Seal {
    cipher: XChaCha20Poly1305,
}

impl Seal {
    /// Under this key.
    #[must_use]
    pub fn new(key: &MasterKey) -> Seal {
        Seal { cipher: XChaCha20Poly1305::new(key.bytes().into()) }
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
        let payload = Payload { msg: plain, aad: place.as_bytes() };
        let sealed = self.cipher.encrypt(&XNonce::from(nonce), payload).map_err(|error| unsealed(error.to_string()))?;
        Ok([nonce.as_slice(), &sealed].concat())
    }

    /// Opens what was sealed for this place.
    ///
    /// # Errors
    /// [`SealError::Shut`].
    pub fn open(&self, sealed: &[u8], place: &str) -> Result<Vec<u8>, SealError> {
        let shut = || SealError::Shut(place.to_owned());
        let (nonce, text) = sealed.split_first_chunk::<NONCE_BYTES>().ok_or_else(shut)?;
        let payload = Payload { msg: text, aad: place.as_bytes() };
        self.cipher.decrypt(&XNonce::from(*nonce), payload).map_err(|_| shut())
    }
}
