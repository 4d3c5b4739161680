//! Bytes of a body that are held in memory until it is complete.
//!
//! Held in chunks of one size: a growing vector is copied each time it doubles, holds up to twice what arrived, and
//! fragments memory. Keeping the pieces as they were read would not do either: each keeps its whole read buffer alive,
//! and the sender chooses how short they are.

use bytes::Bytes;

const CHUNK_BYTES: usize = 32 * 1024;

#[derive(Debug, Default)]
pub(crate) struct HeldBytes {
    chunks: Vec<Vec<u8>>,
    bytes: usize,
}

impl HeldBytes {
    pub(crate) fn len(&self) -> usize {
        self.bytes
    }

    pub(crate) fn append(&mut self, mut piece: &[u8]) {
        self.bytes += piece.len();
        while !piece.is_empty() {
            let room = self.chunks.last().map_or(0, |chunk| CHUNK_BYTES - chunk.len());
            let (fits, rest) = piece.split_at(room.min(piece.len()));
            match self.chunks.last_mut() {
                Some(chunk) if room > 0 => chunk.extend_from_slice(fits),
                Some(_) | None => self.chunks.push(Vec::with_capacity(CHUNK_BYTES)),
            }
            piece = rest;
        }
    }

    /// All bytes in one piece.
    pub(crate) fn into_bytes(self) -> Bytes {
        self.chunks.concat().into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_appended_comes_out_in_one_piece() {
        for (pieces, piece_bytes) in
            [(0, 1), (1, 1), (3, 1000), (1000, 77), (3, CHUNK_BYTES), (2, CHUNK_BYTES + 1), (1, 5 * CHUNK_BYTES)]
        {
            let (mut held, mut expected) = (HeldBytes::default(), Vec::new());
            for number in 0..pieces {
                let piece = vec![u8::try_from(number % 251).unwrap(); piece_bytes];
                held.append(&piece);
                expected.extend_from_slice(&piece);
            }
            assert_eq!(held.len(), expected.len());
            assert!(held.chunks.iter().all(|chunk| chunk.capacity() == CHUNK_BYTES), "{pieces} × {piece_bytes}");
            assert_eq!(held.into_bytes(), expected, "{pieces} × {piece_bytes}");
        }
    }
}
