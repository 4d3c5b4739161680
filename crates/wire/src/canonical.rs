//! The string under the signature, in each variant that the documents of the protocol support (`leave.md`, 签名计算).
//!
//! `k1=v1&k2=v2&…&app_secret=SECRET`, keys in byte order, a repeated key by value. `sign` never takes part; of a file
//! only its `*_hash` does. Values stand as they are: nothing is escaped (see the `ambiguity` module for what follows from that).

use crate::form::{Form, Param};

/// What the signer did with empty values.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Empties {
    /// Left out of the string; also if there were none.
    Dropped,
    /// Kept as `k=`.
    Kept,
}

/// Which text of the values was signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SignedText {
    /// The values as they are; no `encoding=URL`.
    Plain,
    /// `encoding=URL` through an HTTP library: encoded again on the wire, so what form decoding leaves was signed.
    EncodedTwice,
    /// `encoding=URL` by a body pasted together by hand: the text on the wire itself was signed.
    EncodedOnce,
}

/// One way to build the string.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Variant {
    /// Empty values.
    pub empties: Empties,
    /// The text of the values.
    pub text: SignedText,
    /// Does the parameter `encoding` take part?
    pub encoding_signed: bool,
    /// Was anything signed at all? Only a park that need not sign may push without.
    pub signed: bool,
}

impl Variant {
    /// What Parkgate itself signs, and most clients do.
    pub const PLAIN: Variant =
        Variant { empties: Empties::Dropped, text: SignedText::Plain, encoding_signed: true, signed: true };

    /// No signature was sent.
    pub const UNSIGNED: Variant = Variant { signed: false, ..Variant::PLAIN };

    /// A small number for the store: stable for ever.
    #[must_use]
    pub fn code(self) -> u8 {
        let text = match self.text {
            SignedText::Plain => 0,
            SignedText::EncodedTwice => 1,
            SignedText::EncodedOnce => 2,
        };
        text | u8::from(self.empties == Empties::Kept) << 2
            | u8::from(!self.encoding_signed) << 3
            | u8::from(!self.signed) << 4
    }

    /// The variant of a stored number in words, in Chinese and in English.
    #[must_use]
    pub fn words(code: u8) -> (String, String) {
        if code & 16 != 0 {
            return ("未签名".into(), "not signed".into());
        }
        let (zh, en) = match code & 3 {
            0 => ("原文签名", "as it stands"),
            1 => ("encoding=URL, 值编码两次", "encoding=URL, values encoded twice"),
            _ => ("encoding=URL, 值编码一次", "encoding=URL, values encoded once"),
        };
        let (mut all_zh, mut all_en) = (vec![zh], vec![en]);
        if code & 4 != 0 {
            all_zh.push("空值参与签名");
            all_en.push("empty values signed");
        }
        if code & 8 != 0 {
            all_zh.push("encoding 未参与签名");
            all_en.push("encoding not signed");
        }
        (all_zh.join(", "), all_en.join(", "))
    }

    /// The variant of a stored number, for programs.
    #[must_use]
    pub fn describe(code: u8) -> String {
        if code & 16 != 0 {
            return "not signed".into();
        }
        let text = match code & 3 {
            0 => "plain",
            1 => "encoding=URL twice",
            _ => "encoding=URL once",
        };
        let empties = if code & 4 == 0 { "" } else { ", empty values kept" };
        let encoding = if code & 8 == 0 { "" } else { ", encoding not signed" };
        format!("{text}{empties}{encoding}")
    }

    /// The text of a value that takes part.
    pub(crate) fn signed<'a>(self, param: &Param<'a>) -> &'a str {
        match self.text {
            SignedText::Plain | SignedText::EncodedTwice => param.value,
            SignedText::EncodedOnce => param.raw,
        }
    }

    /// The variants in which a form may have been signed, likeliest first: at most eight.
    pub(crate) fn of(form: &Form) -> impl Iterator<Item = Variant> {
        let encoded = is_url_encoded(form);
        let texts: &[SignedText] = match (encoded, form.params().any(|p| p.raw != p.value)) {
            (false, _) => &[SignedText::Plain],
            (true, false) => &[SignedText::EncodedTwice],
            (true, true) => &[SignedText::EncodedTwice, SignedText::EncodedOnce],
        };
        let has_empty = form.params().any(|p| (p.value.is_empty() || p.raw.is_empty()) && p.name != "sign");
        let empties: &[Empties] = if has_empty { &[Empties::Dropped, Empties::Kept] } else { &[Empties::Dropped] };
        let signed: &[bool] = if encoded { &[true, false] } else { &[true] };
        texts.iter().flat_map(move |text| {
            empties.iter().flat_map(move |empties| {
                signed.iter().map(move |encoding_signed| Variant {
                    empties: *empties,
                    text: *text,
                    encoding_signed: *encoding_signed,
                    signed: true,
                })
            })
        })
    }
}

/// Did the sender announce URL-encoded values (`encoding=URL`)?
#[must_use]
pub fn is_url_encoded(form: &Form) -> bool {
    form.get("encoding").is_some_and(|encoding| encoding.eq_ignore_ascii_case("url"))
}

/// The canonical string without the secret, and where each parameter starts in it.
#[derive(Debug, Default, Clone)]
pub struct Canonical {
    /// `k1=v1&k2=v2…`
    pub text: String,
    /// The byte position of each parameter's name, ascending.
    pub starts: Vec<usize>,
}

impl Canonical {
    /// The string of a form in one variant.
    #[must_use]
    pub fn of(form: &Form, variant: Variant) -> Canonical {
        let mut params = Vec::with_capacity(form.params().len());
        params.extend(form.params().filter(|param| {
            param.name != "sign"
                // Emptiness is decided by the signed text: a value that merely reads as empty could be added to a
                // captured push.
                && (variant.empties == Empties::Kept || !variant.signed(param).is_empty())
                && (variant.encoding_signed || param.name != "encoding")
        }));
        params.sort_unstable_by(|one, other| {
            one.by_name(other).then_with(|| variant.signed(one).cmp(variant.signed(other)))
        });
        let bytes = params.iter().map(|param| param.name.len() + variant.signed(param).len() + 2).sum();
        Canonical::join(params.iter().map(|param| (param.name, variant.signed(param))), bytes)
    }

    /// The string of parameters that are already sorted.
    #[must_use]
    pub fn join<'a>(params: impl ExactSizeIterator<Item = (&'a str, &'a str)>, bytes: usize) -> Canonical {
        let mut text = String::with_capacity(bytes);
        let mut starts = Vec::with_capacity(params.len());
        for (name, value) in params {
            if !text.is_empty() {
                text.push('&');
            }
            starts.push(text.len());
            text.push_str(name);
            text.push('=');
            text.push_str(value);
        }
        Canonical { text, starts }
    }

    /// As hints and logs may show it: with `app_secret=***`.
    #[must_use]
    pub fn masked(&self) -> String {
        if self.text.is_empty() { "app_secret=***".into() } else { format!("{}&app_secret=***", self.text) }
    }
}
