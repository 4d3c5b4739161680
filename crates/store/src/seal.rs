//! Sealing at rest: XChaCha20-Poly1305 with a random nonce in front, bound to the place it is kept in.

use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};

use crate::StoreError;
use crate::key::MasterKey;

const NONCE_BYTES: usize = 24;

/// Seals and opens under one master key.
pub(crate) struct Seal {
    cipher: XChaCha20Poly1305,
}

impl Seal {
    pub(crate) fn new(key: &MasterKey) -> Seal {
        Seal { cipher: XChaCha20Poly1305::new(key.bytes().into()) }
    }

    /// `place` is not kept, but must be the same to open: a sealed value moved elsewhere stays shut.
    pub(crate) fn seal(&self, plain: &[u8], place: &str) -> Result<Vec<u8>, StoreError> {
        let mut nonce = [0; NONCE_BYTES];
        getrandom::fill(&mut nonce).map_err(|error| StoreError::Broken(error.to_string()))?;
        let payload = Payload { msg: plain, aad: place.as_bytes() };
        let sealed = self
            .cipher
            .encrypt(&XNonce::from(nonce), payload)
            .map_err(|_| StoreError::Broken(format!("{place} could not be sealed")))?;
        Ok([nonce.as_slice(), &sealed].concat())
    }

    pub(crate) fn open(&self, sealed: &[u8], place: &str) -> Result<Vec<u8>, StoreError> {
        let shut = || StoreError::Broken(format!("{place} cannot be opened: is this the right master key?"));
        let (nonce, text) = sealed.split_first_chunk::<NONCE_BYTES>().ok_or_else(shut)?;
        let payload = Payload { msg: text, aad: place.as_bytes() };
        self.cipher.decrypt(&XNonce::from(*nonce), payload).map_err(|_| shut())
    }
}
