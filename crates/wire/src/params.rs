//! Everything that was sent, in its order, values as meant.

use std::sync::LazyLock;

use sha2::{Digest as _, Sha256};

use crate::field::{FieldSet, PERSONAL, parameter_of_part};
use crate::form::UploadedFile;
use crate::pairs::{Pairs, Param};
use crate::push_kind::PushKind;
use crate::reply::push_json_text;
use crate::value::{Digest, says_nothing};

/// Names that say how a push was sent, not what happened: a retry may change them and is still the same push.
pub const TRANSPORT_NAMES: [&str; 4] = ["sign", "sign_type", "timestamp", "encoding"];
static TRANSPORT: LazyLock<FieldSet> = LazyLock::new(|| FieldSet::of(&TRANSPORT_NAMES));
static SEALED: LazyLock<FieldSet> = LazyLock::new(|| FieldSet::of(&PERSONAL));

/// An ordered list of names and values.
#[derive(Debug, Clone, Default)]
pub struct Params {
    pairs: Pairs,
}

impl From<Pairs> for Params {
    fn from(pairs: Pairs) -> Self {
        Params { pairs }
    }
}

impl Params {
    /// An empty list with room for this many.
    #[must_use]
    pub fn with_capacity(params: usize) -> Self {
        Params { pairs: Pairs::with_capacity(params, params * 32) }
    }

    pub(crate) fn into_pairs(self) -> Pairs {
        self.pairs
    }

    /// Appends one.
    pub fn push(&mut self, name: &str, value: &str) {
        let name = self.pairs.name(name);
        self.pairs.push(name, value, None);
    }

    /// The first value of that name, unless it is empty.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.pairs.get(name).filter(|value| !says_nothing(value))
    }

    /// Names and values in the order sent.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> + Clone {
        self.pairs.iter().map(|param| (param.name, param.value))
    }

    /// A JSON object of all but the personal fields; a name sent more than once has an array. An empty personal field
    /// is included: it reveals nothing, and it may have been signed.
    #[must_use]
    pub fn to_json(&self) -> String {
        self.json_of(|param| !is_personal(param))
    }

    /// A JSON object of the personal fields, if any was sent.
    #[must_use]
    pub fn personal_json(&self) -> Option<String> {
        let sent = self.pairs.iter().any(|param| is_personal(&param));
        sent.then(|| self.json_of(is_personal))
    }

    /// Equal for two pushes of the same content, whatever their order, empty values and way of sending; of files those count that
    /// no parameter has the hash of. Keyed, so that an ID number cannot be guessed from it.
    pub(crate) fn digest<'a>(
        &self,
        kind: PushKind,
        unhashed: impl Iterator<Item = &'a UploadedFile>,
        key: &[u8; 32],
    ) -> Digest {
        /// Stands before a file, as no length of a text does.
        const FILE: u32 = u32::MAX;

        let mut params = Vec::with_capacity(self.pairs.len());
        params.extend(self.pairs.iter().filter(|param| !says_nothing(param.value) && !TRANSPORT.has(param.field)));
        params.sort_unstable_by(|one, other| one.by_name(other).then_with(|| one.value.cmp(other.value)));
        let mut bytes = Vec::with_capacity(self.pairs.bytes() + params.len() * 8 + 40);
        bytes.extend_from_slice(key);
        bytes.extend_from_slice(kind.name().as_bytes());
        for param in params {
            for text in [param.name, param.value] {
                bytes.extend_from_slice(&(text.len() as u32).to_le_bytes());
                bytes.extend_from_slice(text.as_bytes());
            }
        }
        for file in unhashed {
            bytes.extend_from_slice(&FILE.to_le_bytes());
            bytes.extend_from_slice(parameter_of_part(&file.name).as_bytes());
            bytes.extend_from_slice(&file.md5.0);
        }
        let hash: [u8; 32] = Sha256::digest(&bytes).into();
        let mut digest = [0; 16];
        digest.copy_from_slice(hash.first_chunk::<16>().unwrap_or(&[0; 16]));
        Digest(digest)
    }

    fn json_of(&self, wanted: impl Fn(&Param<'_>) -> bool) -> String {
        let mut out = String::with_capacity(self.pairs.bytes() + self.pairs.len() * 8 + 2);
        out.push('{');
        for (index, param) in self.pairs.iter().enumerate() {
            if !wanted(&param) {
                continue;
            }
            // Only an undocumented name can be there twice: a documented one is refused the second time.
            let is_documented = param.field.is_some();
            if !is_documented && self.pairs.iter().take(index).any(|earlier| earlier.name == param.name) {
                continue;
            }
            if out.len() > 1 {
                out.push(',');
            }
            push_json_text(&mut out, param.name);
            out.push(':');
            if is_documented {
                push_json_text(&mut out, param.value);
            } else {
                self.push_values(&mut out, &param, index);
            }
        }
        out.push('}');
        out
    }

    /// All values of an undocumented name, the first of which stands at `index`.
    fn push_values(&self, out: &mut String, param: &Param<'_>, index: usize) {
        let mut later = self.pairs.iter().skip(index + 1).filter(|other| other.name == param.name).peekable();
        if later.peek().is_none() {
            return push_json_text(out, param.value);
        }
        out.push('[');
        push_json_text(out, param.value);
        for other in later {
            out.push(',');
            push_json_text(out, other.value);
        }
        out.push(']');
    }
}

fn is_personal(param: &Param<'_>) -> bool {
    SEALED.has(param.field) && !says_nothing(param.value)
}
