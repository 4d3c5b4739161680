//! Where a picture lies: its SHA-256, in folders by the first byte.

use std::fmt;

/// A picture's address: the SHA-256 of its bytes.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct ImageKey(pub [u8; 32]);

impl ImageKey {
    /// Reads the text that `Display` writes.
    #[must_use]
    pub fn parse(text: &str) -> Option<ImageKey> {
        let mut bytes = [0; 32];
        hex::decode_to_slice(text.split('/').collect::<String>(), &mut bytes).ok()?;
        Some(ImageKey(bytes))
    }
}

impl fmt::Display for ImageKey {
    /// `ab/cdef…`: the first byte is the folder.
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = hex::encode(self.0);
        let (folder, name) = text.split_at(2);
        write!(out, "{folder}/{name}")
    }
}

impl fmt::Debug for ImageKey {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "ImageKey({self})")
    }
}
