//! Texts as PostgreSQL takes them: without the character NUL, and as keys no longer than a page of an index holds.
//!
//! The protocol bounds neither, and what was accepted by one store must be by the other.

use std::borrow::Cow;

use sha2::{Digest, Sha256};

/// A key of the park and two texts of this length, with their digests, stays under the 2704 bytes of an index entry.
const KEY_BYTES_MAX: usize = 512;
/// Stands for itself and for NUL. No character of any script.
const ESCAPE: char = '\u{10FFFF}';

/// A text as it is kept.
pub(super) fn kept(text: &str) -> Cow<'_, str> {
    if !text.contains(['\0', ESCAPE]) {
        return Cow::Borrowed(text);
    }
    Cow::Owned(text.replace(ESCAPE, "\u{10FFFF}1").replace('\0', "\u{10FFFF}0"))
}

/// A kept text as it was.
pub(super) fn read(text: String) -> String {
    if text.contains(ESCAPE) { text.replace("\u{10FFFF}0", "\0").replace("\u{10FFFF}1", "\u{10FFFF}") } else { text }
}

/// A text as it is looked for: itself, or if it is long its beginning and its digest, which no short one equals.
pub(super) fn key(text: &str) -> Cow<'_, str> {
    let kept = kept(text);
    if kept.len() <= KEY_BYTES_MAX {
        return kept;
    }
    let mut end = KEY_BYTES_MAX;
    while !kept.is_char_boundary(end) {
        end -= 1;
    }
    let start = kept.get(..end).unwrap_or_default();
    Cow::Owned(format!("{start}#{}", hex::encode(Sha256::digest(kept.as_bytes()))))
}

/// The whole of a text, where its key is not.
pub(super) fn long(text: &str) -> Option<Cow<'_, str>> {
    Some(kept(text)).filter(|kept| kept.len() > KEY_BYTES_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_text_comes_back_as_it_was() {
        for text in ["", "a", "a\0b", "\0", "\u{10FFFF}", "\u{10FFFF}0", "\u{10FFFF}1\0", "粤B\0\0"] {
            let kept = kept(text);
            assert!(!kept.contains('\0'));
            assert_eq!(read(kept.into_owned()), text);
        }
    }

    #[test]
    fn keys_are_short_and_differ_as_texts_do() {
        let long_text = "车".repeat(30_000);
        let other = format!("{}x", "车".repeat(29_999));
        let worst = "\0".repeat(60_000);
        assert!(key(&long_text).len() < 600 && key(&long_text) != key(&other) && long(&long_text).is_some());
        assert!(key(&worst).len() <= 512 + 65);
        assert_eq!((key("a"), long("a")), ("a".into(), None));
    }
}
