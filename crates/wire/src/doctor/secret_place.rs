//! Writes the secret into the string: where it belongs, or where people put it instead.

use md5::{Digest as _, Md5};

use super::mistake::{Join, Names, SecretPlace, Secretly};
use super::value_edit::JAVA;

/// The secret, or the mask that may be shown for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum SecretText<'a> {
    Real(&'a str),
    Masked,
}

/// Replaces a secret wherever a person or a log can see it.
pub(super) const MASK: &str = "***";

pub(super) fn write_front(place: SecretPlace, join: Join, key: SecretText<'_>, out: &mut String) {
    match place {
        SecretPlace::Front(name, and) => {
            out.push_str(name);
            Secretly::AsGiven.write(key, out);
            out.push_str(if and == "&" { join.and } else { and });
        }
        SecretPlace::BothEnds => Secretly::AsGiven.write(key, out),
        SecretPlace::Around(before, _) => out.push_str(before),
        SecretPlace::Documented(_)
        | SecretPlace::Named(_)
        | SecretPlace::Bare(_)
        | SecretPlace::Sorted
        | SecretPlace::Missing(_)
        | SecretPlace::Between(_) => {}
    }
}

pub(super) fn write_end(place: SecretPlace, join: Join, key: SecretText<'_>, out: &mut String) {
    let mut named = |and: &str, name: &str, secretly: Secretly, end: &str| {
        out.push_str(and);
        if join.names == Names::Signed {
            out.push_str(name);
            out.push_str(join.equals);
        }
        secretly.write(key, out);
        out.push_str(end);
    };
    match place {
        SecretPlace::Documented(secretly) => named(join.and, "app_secret", secretly, ""),
        SecretPlace::Named(name) => named(join.and, name, Secretly::AsGiven, ""),
        SecretPlace::Between(and) => named(and, "app_secret", Secretly::AsGiven, ""),
        SecretPlace::Around(_, end) => named(join.and, "app_secret", Secretly::AsGiven, end),
        SecretPlace::Bare(and) => {
            out.push_str(and);
            Secretly::AsGiven.write(key, out);
        }
        SecretPlace::BothEnds => Secretly::AsGiven.write(key, out),
        SecretPlace::Missing(end) => out.push_str(end),
        SecretPlace::Front(..) | SecretPlace::Sorted => {}
    }
}

impl Secretly {
    fn write(self, key: SecretText<'_>, out: &mut String) {
        let md5 = |secret: &str| hex::encode(<[u8; 16]>::from(Md5::digest(secret.as_bytes())));
        match (self, key) {
            (Secretly::Padded(before, after), key) => {
                out.push_str(before);
                Secretly::AsGiven.write(key, out);
                out.push_str(after);
            }
            (_, SecretText::Masked) => out.push_str(MASK),
            (Secretly::AsGiven, SecretText::Real(secret)) => out.push_str(secret),
            (Secretly::Lower, SecretText::Real(secret)) => out.push_str(&secret.to_lowercase()),
            (Secretly::Upper, SecretText::Real(secret)) => out.push_str(&secret.to_uppercase()),
            (Secretly::Md5Lower, SecretText::Real(secret)) => out.push_str(&md5(secret)),
            (Secretly::Md5Upper, SecretText::Real(secret)) => out.push_str(&md5(secret).to_uppercase()),
            (Secretly::Encoded, SecretText::Real(secret)) => out.push_str(&JAVA.encode(secret)),
            (Secretly::Trimmed, SecretText::Real(secret)) => out.push_str(secret.trim()),
        }
    }
}
