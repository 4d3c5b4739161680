//! The mistakes, as data: each is one deviation in one step of making a sign.
//!
//! To sign is to select the parameters (which?), write their values (how?), sort them, join them, add the secret
//! (where?), turn the text into bytes (which charset?) and hash them (how?). A pair of mistakes deviates in two steps,
//! or twice in one where that makes sense.

use super::json::JsonEdit;
use super::value_edit::ValueEdit;

/// One deviation from the documented way to sign.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Mistake {
    Order(Order),
    /// The parameter at this position of the sorted list was left out.
    Without(usize),
    /// A parameter that was not sent took part.
    With {
        name: String,
        value: String,
        is_file: bool,
    },
    SignIncluded(SignValue),
    /// A value with an unescaped `&` was split in the body.
    Rejoined,
    /// Only those empty values took part whose bit is set.
    Empties {
        kept: u64,
    },
    Value(ValueEdit),
    /// The value at this position only.
    ValueOf(usize, ValueEdit),
    Json(JsonEdit),
    Join(Join),
    Place(SecretPlace),
    Whole(WholeEdit),
    Charset(Charset),
    Hash(HashForm),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Order {
    AsSent,
    ByValue,
    Reversed,
    /// As if names were in upper case: `_` comes after the letters.
    UpperCase,
    /// As in a dictionary: `_` is ignored.
    WithoutUnderscore,
}

/// What `sign` was when it took part itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum SignValue {
    Empty,
    Null,
    /// The right sign in upper case: the client signed twice, the second time with the first sign among the parameters.
    Upper,
    Lower,
}

/// What stands between a name and its value, and between parameters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Join {
    pub(super) equals: &'static str,
    pub(super) and: &'static str,
    pub(super) names: Names,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Names {
    Signed,
    Omitted,
}

impl Join {
    pub(super) const DOCUMENTED: Join = Join::with("=", "&");

    pub(super) const fn with(equals: &'static str, and: &'static str) -> Join {
        Join { equals, and, names: Names::Signed }
    }

    pub(super) const fn values(and: &'static str) -> Join {
        Join { equals: "", and, names: Names::Omitted }
    }
}

/// Where and how the secret stands in the string.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum SecretPlace {
    /// `&app_secret=S`, as documented, with the secret written like this.
    Documented(Secretly),
    /// `&NAME=S`.
    Named(&'static str),
    /// `&S`, or just `S`.
    Bare(&'static str),
    /// `app_secret=S&…`, `S&…` or `S…`.
    Front(&'static str, &'static str),
    BothEnds,
    /// `app_secret` at its alphabetical position.
    Sorted,
    /// Not at all, with this in its place.
    Missing(&'static str),
    /// `app_secret=S` with this before it instead of `&`.
    Between(&'static str),
    /// The string goes on after the secret, or begins with this.
    Around(&'static str, &'static str),
}

/// How the secret was transformed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Secretly {
    AsGiven,
    Lower,
    Upper,
    Md5Lower,
    Md5Upper,
    Encoded,
    Trimmed,
    /// With blanks around it that do not belong to it.
    Padded(&'static str, &'static str),
}

/// What was done to the string as a whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum WholeEdit {
    Bom,
    Encoded,
    EncodedByJs,
    Lower,
    Upper,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Charset {
    Gbk,
    Gb18030,
    /// `?` for each character that is not Latin-1: `getBytes()` on a server with no locale.
    Latin1,
    /// The UTF-8 bytes taken for Latin-1 and encoded once more.
    Mojibake,
    Utf16,
}

/// What was done instead of one MD5.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum HashForm {
    TwiceLower,
    TwiceUpper,
    TwiceRaw,
    /// HMAC-MD5 over the string without the secret.
    Hmac,
    /// HMAC-MD5 over the whole string.
    HmacWhole,
}

impl Mistake {
    /// Can both be made at once, in this order?
    pub(super) fn composes_with(&self, other: &Mistake) -> bool {
        use Mistake::{
            Charset, Empties, Hash, Join, Json, Order, Place, Rejoined, SignIncluded, Value, Whole, Without,
        };
        match (self, other) {
            (Value(ValueEdit::Encode(_)), Value(ValueEdit::Encode(_) | ValueEdit::AsOnWire))
            | (Without(_), Without(_))
            | (Without(_), Rejoined)
            | (Rejoined, Without(_))
            | (Place(_), Hash(HashForm::Hmac))
            | (Hash(_), Place(_)) => false,
            (Value(one), Value(other)) => one != other,
            (Json(one), Json(other)) => one != other,
            (Order(_), Order(_))
            | (SignIncluded(_), SignIncluded(_))
            | (Rejoined, Rejoined)
            | (Join(_), Join(_))
            | (Place(_), Place(_))
            | (Charset(_), Charset(_))
            | (Hash(_), Hash(_))
            | (Whole(_), Whole(_))
            | (Empties { .. }, Empties { .. }) => false,
            _ => true,
        }
    }
}
