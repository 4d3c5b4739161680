//! `MD5(canonical string & app_secret)`: computed, compared in constant time, and turned into a proof.
//!
//! Only [`verify`] makes a [`VerifiedForm`], and [`accept_unsigned`] for a park that need not sign: so a push can only be
//! read from parameters whose signature matched and whose string has one reading, or where none was asked for.

use md5::{Digest as _, Md5};
use subtle::ConstantTimeEq;
use zeroize::Zeroize;

use crate::ambiguity;
use crate::call::{Call, ReplyStyle};
use crate::canonical::{Canonical, SignedText, Variant, is_url_encoded};
use crate::form::{Form, Param, UploadedFile, url_decoded};
use crate::params::Params;
use crate::refusal::Refusal;
use crate::value;

/// An `APP_SECRET`: never printed, wiped when dropped.
#[derive(Clone)]
pub struct Secret(String);

impl Secret {
    /// Takes a secret as the platform gave it.
    #[must_use]
    pub fn new(text: impl Into<String>) -> Self {
        Secret(text.into())
    }

    /// For sealing and signing only.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl Drop for Secret {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str("Secret(***)")
    }
}

/// The MD5 of a canonical string with its secret.
#[must_use]
pub fn digest(canonical: &str, secret: &Secret) -> [u8; 16] {
    let mut md5 = Md5::new();
    md5.update(canonical.as_bytes());
    md5.update(if canonical.is_empty() { "app_secret=".as_bytes() } else { "&app_secret=".as_bytes() });
    md5.update(secret.expose().as_bytes());
    md5.finalize().into()
}

/// Signs parameters in any order: empty values left out, `sign` ignored, upper-case hex as the document prints it.
#[must_use]
pub fn sign<'a>(params: impl IntoIterator<Item = (&'a str, &'a str)>, secret: &Secret) -> (Canonical, String) {
    let mut kept: Vec<(&str, &str)> =
        params.into_iter().filter(|(name, value)| *name != "sign" && !value.is_empty()).collect();
    kept.sort_unstable();
    let canonical = Canonical::join(kept.iter().copied(), 0);
    let sign = hex::encode_upper(digest(&canonical.text, secret));
    (canonical, sign)
}

/// A form whose signature matched and is unambiguous, its values as meant.
#[derive(Debug)]
pub struct VerifiedForm {
    /// The names and values as meant: after `encoding=URL`.
    pub(crate) params: Params,
    pub(crate) files: Vec<UploadedFile>,
    /// The form as received, where it differs from what is meant.
    pub(crate) received: Option<Form>,
    variant: Variant,
}

impl VerifiedForm {
    /// Which documented variant matched.
    #[must_use]
    pub fn variant(&self) -> Variant {
        self.variant
    }

    /// What was signed, where that differs from the parameters (`encoding=URL`): all names and values in the order
    /// sent. A push that is sent on with these values still has a valid signature.
    #[must_use]
    pub fn signed_values(&self) -> Option<Vec<(&str, &str)>> {
        let received = self.received.as_ref().filter(|_| self.variant.text != SignedText::Plain)?;
        Some(received.params().map(|param| (param.name, self.variant.signed(&param))).collect())
    }

    /// The parameters, values as meant.
    #[must_use]
    pub fn params(&self) -> &Params {
        &self.params
    }

    /// The parameters, values as meant.
    #[must_use]
    pub fn into_params(self) -> Params {
        self.params
    }

    /// The form as it was received.
    #[must_use]
    pub fn into_form(self) -> Form {
        as_received(self.received, self.params, self.files)
    }
}

/// The received form is kept apart only where it differs from what is meant.
pub(crate) fn as_received(received: Option<Form>, meant: Params, files: Vec<UploadedFile>) -> Form {
    received.unwrap_or_else(|| Form::from_parts(meant.into_pairs(), files))
}

/// The signature is wrong, or there is none.
#[derive(Debug, Clone)]
pub struct Mismatch {
    /// The string of the likeliest variant, with `app_secret=***`.
    pub masked: String,
}

impl Mismatch {
    /// The hint of the call's page, to the letter.
    #[must_use]
    pub fn hint(&self, style: ReplyStyle) -> String {
        match style {
            ReplyStyle::Ignoring => format!("签名验证不通过[{}]", self.masked),
            ReplyStyle::Refusing => self.masked.clone(),
        }
    }
}

/// The result of checking a signature.
#[derive(Debug)]
pub enum Verified {
    /// The signature matches, and the string has one reading.
    Matched(VerifiedForm),
    /// No variant matches; the form as it came.
    Mismatched(Mismatch, Form),
    /// The signature matches, and the form is refused all the same.
    Refused(Refusal, Form),
}

/// Checks a form's signature with the secret it must be signed with.
#[must_use]
pub fn verify(form: Form, call: &Call, secret: &Secret) -> Verified {
    let (variant, canonical) = match matching_variant(&form, secret) {
        Ok(matching) => matching,
        Err(mismatch) => return Verified::Mismatched(mismatch, form),
    };
    let refused = ambiguity::other_reading(&canonical, call).map(|(name, inner)| Refusal::Ambiguous { name, inner });
    accept(form, call, variant, refused)
}

/// Accepts a form without any signature, for a park that need not sign; a `sign` that is sent must match all the same.
#[must_use]
pub fn accept_unsigned(form: Form, call: &Call) -> Verified {
    accept(form, call, Variant::UNSIGNED, None)
}

fn matching_variant(form: &Form, secret: &Secret) -> Result<(Variant, Canonical), Mismatch> {
    let mut sent = [0_u8; 16];
    let readable = form.get("sign").is_some_and(|sign| hex::decode_to_slice(sign.trim(), &mut sent).is_ok());
    let mut shown = None;
    for variant in Variant::of(form) {
        let canonical = Canonical::of(form, variant);
        if !readable {
            return Err(Mismatch { masked: canonical.masked() });
        }
        if bool::from(digest(&canonical.text, secret).ct_eq(&sent)) {
            return Ok((variant, canonical));
        }
        shown.get_or_insert_with(|| canonical.masked());
    }
    Err(Mismatch { masked: shown.unwrap_or_default() })
}

fn accept(form: Form, call: &Call, variant: Variant, ambiguous: Option<Refusal>) -> Verified {
    // Decided by what was signed, as for empty values everywhere: nothing meaningful can be added to a captured push.
    let says_nothing = |param: &Param<'_>| value::says_nothing(variant.signed(param));
    let foreign = || form.params().find(|param| call.forbids(param.field) && !says_nothing(param));
    let refused = refuse_repeats(&form)
        .err()
        .or(ambiguous)
        .or_else(|| foreign().map(|param| Refusal::Foreign { name: param.name.to_owned(), call: (call.zh, call.en) }));
    if let Some(refusal) = refused {
        return Verified::Refused(refusal, form);
    }
    if !is_url_encoded(&form) {
        let (pairs, files) = form.into_parts();
        return Verified::Matched(VerifiedForm { params: pairs.into(), files, received: None, variant });
    }
    match decoded_params(&form, variant) {
        Ok(params) => {
            Verified::Matched(VerifiedForm { params, files: form.files().to_vec(), received: Some(form), variant })
        }
        Err(refusal) => Verified::Refused(refusal, form),
    }
}

fn refuse_repeats(form: &Form) -> Result<(), Refusal> {
    match form.repeated() {
        Some(name) => Err(Refusal::Repeated { name: name.to_owned() }),
        None => Ok(()),
    }
}

/// The values as a sender of `encoding=URL` means them: the signed text, decoded once.
fn decoded_params(form: &Form, variant: Variant) -> Result<Params, Refusal> {
    let mut params = Params::with_capacity(form.params().len());
    for param in form.params() {
        let signed = if variant.text == SignedText::EncodedOnce { param.raw } else { param.value };
        let is_url =
            param.name.ends_with("_image") && (signed.starts_with("http://") || signed.starts_with("https://"));
        if is_url {
            params.push(param.name, signed);
            continue;
        }
        let decoded =
            url_decoded(signed).map_err(|()| Refusal::NotText { name: param.name.to_owned(), charset: "UTF-8" })?;
        if decoded.is_some() && !variant.encoding_signed && param.name == "parking_serial" {
            // An unsigned `encoding` can be added to a captured push: it must not turn an old serial into a new one.
            return Err(Refusal::Ambiguous { name: param.name.to_owned(), inner: "encoding".into() });
        }
        params.push(param.name, decoded.as_deref().unwrap_or(signed));
    }
    Ok(params)
}
