//! All that was sent, in its order, values as meant.

use sha2::{Digest as _, Sha256};
use std::ops::Range;

use crate::field::{self, PERSONAL};
use crate::push::PushKind;
use crate::reply::push_json_text;
use crate::value::Digest;

/// Names that say how a push was sent, not what happened: a retry may change them and is still the same push.
const HOW_IT_WAS_SENT: [&str; 4] = ["sign", "sign_type", "timestamp", "encoding"];

/// An ordered list of names and values.
#[derive(Debug, Clone, Default)]
pub struct Params {
    text: String,
    pairs: Vec<(Range<u32>, Range<u32>)>,
}

impl Params {
    /// An empty list with room.
    #[must_use]
    pub fn with_capacity(params: usize) -> Self {
        Params { text: String::with_capacity(params * 32), pairs: Vec::with_capacity(params) }
    }

    /// Appends one.
    pub fn push(&mut self, name: &str, value: &str) {
        let name = self.push_text(name);
        let value = self.push_text(value);
        self.pairs.push((name, value));
    }

    /// The first value of that name; an empty one is as good as none.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        let found = self.pairs.iter().find(|(other, _)| {
            // The length tells most of them apart.
            other.len() == name.len() && self.text.as_bytes().get(bytes_of(other)) == Some(name.as_bytes())
        });
        found.map(|(_, value)| self.slice(value)).filter(|value| !value.is_empty())
    }

    /// Names and values in the order sent.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> + Clone {
        self.pairs.iter().map(|(name, value)| (self.slice(name), self.slice(value)))
    }

    /// A JSON object of all but the personal fields; a name sent more than once has an array.
    #[must_use]
    pub fn to_json(&self) -> String {
        self.json_of(|name| !PERSONAL.contains(&name))
    }

    /// A JSON object of the personal fields, if any was sent.
    #[must_use]
    pub fn personal_json(&self) -> Option<String> {
        self.iter()
            .any(|(name, value)| PERSONAL.contains(&name) && !value.is_empty())
            .then(|| self.json_of(|name| PERSONAL.contains(&name)))
    }

    /// What two pushes of the same content share, whatever their order, empties and way of sending. Keyed, so that an ID
    /// number cannot be guessed from it.
    #[must_use]
    pub fn digest(&self, kind: PushKind, key: &[u8; 32]) -> Digest {
        let mut pairs: Vec<(&str, &str)> =
            self.iter().filter(|(name, value)| !value.is_empty() && !HOW_IT_WAS_SENT.contains(name)).collect();
        pairs.sort_unstable();
        let mut bytes = Vec::with_capacity(self.text.len() + pairs.len() * 8 + 40);
        bytes.extend_from_slice(key);
        bytes.extend_from_slice(kind.name().as_bytes());
        for (name, value) in pairs {
            for text in [name, value] {
                bytes.extend_from_slice(&(text.len() as u32).to_le_bytes());
                bytes.extend_from_slice(text.as_bytes());
            }
        }
        let hash: [u8; 32] = Sha256::digest(&bytes).into();
        let mut digest = [0; 16];
        digest.copy_from_slice(hash.first_chunk::<16>().unwrap_or(&[0; 16]));
        Digest(digest)
    }

    fn json_of(&self, wanted: impl Fn(&str) -> bool) -> String {
        let mut out = String::with_capacity(self.text.len() + self.pairs.len() * 8);
        out.push('{');
        for (index, (name, value)) in self.iter().enumerate() {
            // Only a name that nobody documents can be there twice.
            let unlisted = field::known(name).is_none();
            if !wanted(name) || unlisted && self.iter().take(index).any(|(earlier, _)| earlier == name) {
                continue;
            }
            if out.len() > 1 {
                out.push(',');
            }
            push_json_text(&mut out, name);
            out.push(':');
            if !unlisted {
                push_json_text(&mut out, value);
                continue;
            }
            let mut others = self.iter().skip(index + 1).filter(|(other, _)| *other == name).map(|(_, v)| v).peekable();
            if others.peek().is_none() {
                push_json_text(&mut out, value);
                continue;
            }
            out.push('[');
            push_json_text(&mut out, value);
            for other in others {
                out.push(',');
                push_json_text(&mut out, other);
            }
            out.push(']');
        }
        out.push('}');
        out
    }

    fn push_text(&mut self, text: &str) -> Range<u32> {
        let start = self.text.len() as u32;
        self.text.push_str(text);
        start..self.text.len() as u32
    }

    fn slice(&self, range: &Range<u32>) -> &str {
        self.text.get(bytes_of(range)).unwrap_or("")
    }
}

fn bytes_of(range: &Range<u32>) -> Range<usize> {
    range.start as usize..range.end as usize
}
