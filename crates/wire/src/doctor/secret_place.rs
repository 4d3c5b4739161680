//! Writes the secret where it belongs, or where people put it instead.

use md5::{Digest as _, Md5};

use super::mistake::{Join, Names, Place, Secretly};
use super::recipe::{Key, MASK};
use super::value_edit::JAVA;

pub(super) fn write_front(place: Place, join: Join, key: Key<'_>, out: &mut String) {
    match place {
        Place::Front(name, and) => {
            out.push_str(name);
            Secretly::AsGiven.write(key, out);
            out.push_str(if and == "&" { join.and } else { and });
        }
        Place::BothEnds => Secretly::AsGiven.write(key, out),
        Place::Around(before, _) => out.push_str(before),
        Place::Documented(_)
        | Place::Named(_)
        | Place::Bare(_)
        | Place::Sorted
        | Place::Missing(_)
        | Place::Between(_) => {}
    }
}

pub(super) fn write_end(place: Place, join: Join, key: Key<'_>, out: &mut String) {
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
        Place::Documented(secretly) => named(join.and, "app_secret", secretly, ""),
        Place::Named(name) => named(join.and, name, Secretly::AsGiven, ""),
        Place::Between(and) => named(and, "app_secret", Secretly::AsGiven, ""),
        Place::Around(_, end) => named(join.and, "app_secret", Secretly::AsGiven, end),
        Place::Bare(and) => {
            out.push_str(and);
            Secretly::AsGiven.write(key, out);
        }
        Place::BothEnds => Secretly::AsGiven.write(key, out),
        Place::Missing(end) => out.push_str(end),
        Place::Front(..) | Place::Sorted => {}
    }
}

impl Secretly {
    fn write(self, key: Key<'_>, out: &mut String) {
        let md5 = |secret: &str| hex::encode(<[u8; 16]>::from(Md5::digest(secret.as_bytes())));
        match (self, key) {
            (Secretly::Padded(before, after), key) => {
                out.push_str(before);
                Secretly::AsGiven.write(key, out);
                out.push_str(after);
            }
            (_, Key::Masked) => out.push_str(MASK),
            (Secretly::AsGiven, Key::Real(secret)) => out.push_str(secret),
            (Secretly::Lower, Key::Real(secret)) => out.push_str(&secret.to_lowercase()),
            (Secretly::Upper, Key::Real(secret)) => out.push_str(&secret.to_uppercase()),
            (Secretly::Md5Lower, Key::Real(secret)) => out.push_str(&md5(secret)),
            (Secretly::Md5Upper, Key::Real(secret)) => out.push_str(&md5(secret).to_uppercase()),
            (Secretly::Encoded, Key::Real(secret)) => out.push_str(&JAVA.encode(secret)),
            (Secretly::Trimmed, Key::Real(secret)) => out.push_str(secret.trim()),
        }
    }
}
