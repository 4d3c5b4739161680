//! The sign doctor: names the mistake behind a signature that does not match (`leave.md`, 签名计算).
//!
//! Making a sign has several steps: which parameters, their values, the order, the joining, the secret and its place,
//! the charset, the hash. Each step has the mistakes that people really make. [`diagnose`] signs as someone would who
//! made one of them, then as someone who made two, and names those that give the sign that was sent.
//!
//! It is no oracle: it reveals neither the right sign nor any hash, nor whose another secret is, and it shows strings
//! only once a sign has proved that the sender has the secret. Secrets appear as `***`, in values as well. Its work is
//! bounded by a [`Budget`]. Read `mistake.rs`, then `recipe.rs`, `alternatives.rs` and `search.rs`.

mod alternatives;
mod difference;
mod finding;
mod hint;
mod json;
mod kind;
mod mistake;
mod recipe;
mod request;
mod search;
mod secret_place;
mod target;
mod value_edit;
mod wording;

pub use difference::{FirstDifference, first_difference};
pub use finding::{Finding, Strings};
pub use hint::{Hint, from_hint};
pub use kind::FindingKind;

use crate::form::Form;
use crate::signature::Secret;
use recipe::Request;
use search::SignSearch;
use target::Target;

/// A secret that may have been used. The caller passes the right ones too, as [`SecretRole::Park`] or
/// [`SecretRole::App`].
#[derive(Debug, Clone, Copy)]
pub struct Candidate<'a> {
    /// The secret: never shown.
    pub secret: &'a Secret,
    /// Whose it is.
    pub role: SecretRole,
}

/// Whose a secret is. The right one is the app's where `app_id` was sent, else the park's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SecretRole {
    /// Valid for this park.
    Park,
    /// Valid for the app of this request.
    App,
    /// Was this park's, and is no longer valid.
    RotatedPark,
    /// Was this app's, and is no longer valid.
    RotatedApp,
    /// Of another park.
    OtherPark,
    /// Of another app.
    OtherApp,
}

/// How much work a diagnosis may cost; what has not been tried by then is not found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Budget {
    /// Hashes at most.
    pub hashes: u32,
    /// Bytes of strings built at most, so that long values cost no more than short ones.
    pub bytes: u64,
}

impl Default for Budget {
    /// A leave of 1 KiB needs about 1700 hashes (5 ms) for every single mistake and pair; with empty values or
    /// `encoding=URL` each has up to four variants, which makes 4000 to 5000 (15 to 18 ms). 8 MiB are about 20 ms.
    fn default() -> Self {
        Budget { hashes: 20_000, bytes: 8 << 20 }
    }
}

/// What was found, and what it cost.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnosis {
    /// The simplest explanation that fits.
    pub finding: Finding,
    /// Hashes made.
    pub hashes_spent: u32,
    /// The budget ran out before everything was tried.
    pub is_exhausted: bool,
}

/// Names the mistake that was made in signing this form.
#[must_use]
pub fn diagnose(form: &Form, candidates: &[Candidate<'_>], budget: Budget) -> Diagnosis {
    let unsearched = |finding| Diagnosis { finding, hashes_spent: 0, is_exhausted: false };
    let Some(sign) = form.get("sign").map(str::trim).filter(|sign| !sign.is_empty()) else {
        return unsearched(Finding::plain(FindingKind::SignMissing, ""));
    };
    let target = match Target::read(sign) {
        Ok(target) => target,
        Err(kind) => return unsearched(Finding::plain(kind, &sign.chars().count().to_string())),
    };
    let request = Request::of(form);
    let mut search = SignSearch::new(form, &request, candidates, &target, budget);
    let found = search.run();
    let (hashes_spent, is_exhausted) = (search.hashes_spent(), search.is_exhausted());
    let finding = match found {
        Some(found) => Finding::of(&found, &target, &request, candidates).beside_misread(form),
        // Tried last: text may be lost, and the sign wrong for another reason all the same.
        None if target.is_whole() => Finding::lost(form).unwrap_or_else(|| Finding::none(form, &request)),
        None => Finding::plain(FindingKind::SignNotMd5, &sign.chars().count().to_string()),
    };
    Diagnosis { finding, hashes_spent, is_exhausted }
}
