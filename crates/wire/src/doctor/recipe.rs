//! Signs as somebody who makes the given mistakes: parameters → text → bytes → MD5.

use std::borrow::Cow;
use std::cmp::Ordering;

use md5::{Digest as _, Md5};

use super::json::{self, Json, JsonEdit};
use super::mistake::{Charset, HashForm, Join, Mistake, Names, Order, SecretPlace, Secretly, SignValue, WholeEdit};
use super::secret_place::{MASK, SecretText, write_end, write_front};
use super::value_edit::{JAVA, JS, ValueEdit};
use crate::canonical::{Empties, SignedText, Variant};
use crate::form::UploadedFile;

/// One parameter that was sent; `sign` is not among them.
#[derive(Debug)]
pub(super) struct SentParam<'a> {
    pub(super) name: &'a str,
    pub(super) value: Cow<'a, str>,
    pub(super) raw: Cow<'a, str>,
    /// Its position among all, as sent.
    pub(super) place: usize,
    pub(super) json: Option<Json>,
}

/// What is known of the request.
#[derive(Debug)]
pub(super) struct Request<'a> {
    /// In the documented order.
    pub(super) params: Vec<SentParam<'a>>,
    /// With values put back together that an unescaped `&` may have split, if there are any.
    pub(super) rejoined: Option<Vec<SentParam<'a>>>,
    pub(super) files: &'a [UploadedFile],
    pub(super) sign_place: usize,
    pub(super) url_encoded: bool,
}

/// A documented variant with none, one or two mistakes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Recipe<'m> {
    pub(super) variant: Variant,
    pub(super) mistakes: [Option<&'m Mistake>; 2],
}

struct Item<'a> {
    name: Cow<'a, str>,
    value: Cow<'a, str>,
    place: usize,
}

impl<'m> Recipe<'m> {
    pub(super) fn mistakes(&self) -> impl Iterator<Item = &'m Mistake> + Clone + use<'m> {
        self.mistakes.into_iter().flatten()
    }

    fn find<T>(&self, pick: impl Fn(&'m Mistake) -> Option<T>) -> Option<T> {
        self.mistakes().find_map(pick)
    }

    fn place(&self) -> SecretPlace {
        self.find(|m| match m {
            Mistake::Place(place) => Some(*place),
            Mistake::Hash(HashForm::Hmac) => Some(SecretPlace::Missing("")),
            _ => None,
        })
        .unwrap_or(SecretPlace::Documented(Secretly::AsGiven))
    }

    /// What `sign` was, if it took part.
    pub(super) fn sign_value(&self) -> Option<SignValue> {
        self.find(|m| if let Mistake::SignIncluded(value) = m { Some(*value) } else { None })
    }

    /// The string, before any edit of the whole. `sign` is the text of a sign that took part.
    pub(super) fn text(&self, request: &Request<'_>, key: SecretText<'_>, sign: &str) -> String {
        let mut items = self.items(request, sign);
        let place = self.place();
        if place == SecretPlace::Sorted {
            let secret = match key {
                SecretText::Real(secret) => secret,
                SecretText::Masked => MASK,
            };
            items.push(Item { name: "app_secret".into(), value: secret.into(), place: usize::MAX });
        }
        let order = self.find(|m| if let Mistake::Order(order) = m { Some(*order) } else { None });
        items.sort_by(|one, other| compare(order, one, other));
        let join = self.find(|m| if let Mistake::Join(join) = m { Some(*join) } else { None });
        let join = join.unwrap_or(Join::DOCUMENTED);
        let mut out =
            String::with_capacity(128 + items.iter().map(|i| i.name.len() + i.value.len() + 2).sum::<usize>());
        write_front(place, join, key, &mut out);
        let start = out.len();
        for item in &items {
            if out.len() > start {
                out.push_str(join.and);
            }
            if join.names == Names::Signed {
                out.push_str(&item.name);
                out.push_str(join.equals);
            }
            out.push_str(&item.value);
        }
        let join = if out.len() == start { Join { and: "", ..join } } else { join };
        write_end(place, join, key, &mut out);
        out
    }

    /// The string after edits of the whole.
    pub(super) fn whole(&self, text: String) -> String {
        self.mistakes().fold(text, |text, mistake| match mistake {
            Mistake::Whole(WholeEdit::Bom) => format!("\u{feff}{text}"),
            Mistake::Whole(WholeEdit::Encoded) => JAVA.encode(&text),
            Mistake::Whole(WholeEdit::EncodedByJs) => JS.encode(&text),
            Mistake::Whole(WholeEdit::Lower) => text.to_lowercase(),
            Mistake::Whole(WholeEdit::Upper) => text.to_uppercase(),
            _ => text,
        })
    }

    /// The bytes of the string that were hashed.
    pub(super) fn bytes<'t>(&self, text: &'t str) -> Cow<'t, [u8]> {
        match self.find(|m| if let Mistake::Charset(charset) = m { Some(*charset) } else { None }) {
            None => Cow::Borrowed(text.as_bytes()),
            Some(charset) => encoded(charset, text),
        }
    }

    /// The hash, made as the recipe says.
    pub(super) fn hash(&self, bytes: &[u8], secret: &str) -> [u8; 16] {
        let form = self.find(|m| if let Mistake::Hash(form) = m { Some(*form) } else { None });
        let md5 = |bytes: &[u8]| <[u8; 16]>::from(Md5::digest(bytes));
        match form {
            None => md5(bytes),
            Some(HashForm::TwiceLower) => md5(hex::encode(md5(bytes)).as_bytes()),
            Some(HashForm::TwiceUpper) => md5(hex::encode_upper(md5(bytes)).as_bytes()),
            Some(HashForm::TwiceRaw) => md5(&md5(bytes)),
            Some(HashForm::Hmac | HashForm::HmacWhole) => hmac_md5(secret.as_bytes(), bytes),
        }
    }

    fn items<'a>(&self, request: &'a Request<'_>, sign: &'a str) -> Vec<Item<'a>>
    where
        'm: 'a,
    {
        let rejoined = self.mistakes().any(|m| *m == Mistake::Rejoined);
        let params = if rejoined { request.rejoined.as_ref().unwrap_or(&request.params) } else { &request.params };
        let mut items = Vec::with_capacity(params.len() + 2);
        let mut empties = 0;
        for (at, sent) in params.iter().enumerate() {
            let is_out = (!self.variant.encoding_signed && sent.name == "encoding")
                || self.mistakes().any(|m| *m == Mistake::Without(at));
            let value = self.value(at, sent);
            let is_kept = match self.find(|m| if let Mistake::Empties { kept } = m { Some(*kept) } else { None }) {
                Some(kept) if sent.value.is_empty() => {
                    empties += 1;
                    kept >> (empties - 1_u32).min(63) & 1 == 1
                }
                _ => self.variant.empties == Empties::Kept || !value.is_empty(),
            };
            if is_kept && !is_out {
                items.push(Item { name: sent.name.into(), value, place: sent.place });
            }
        }
        for mistake in self.mistakes() {
            match mistake {
                Mistake::With { name, value, .. } => {
                    items.push(Item { name: name.into(), value: value.into(), place: usize::MAX });
                }
                Mistake::SignIncluded(_) => {
                    items.push(Item { name: "sign".into(), value: sign.into(), place: request.sign_place });
                }
                _ => {}
            }
        }
        items
    }

    fn value<'a>(&self, at: usize, sent: &'a SentParam<'_>) -> Cow<'a, str> {
        let is_raw = self.variant.text == SignedText::EncodedOnce;
        let mut value = Cow::Borrowed(if is_raw { sent.raw.as_ref() } else { sent.value.as_ref() });
        if let Some(text) = self.json(sent) {
            value = Cow::Owned(text);
        }
        for mistake in self.mistakes() {
            let edit: Option<ValueEdit> = match mistake {
                Mistake::Value(edit) => Some(*edit),
                Mistake::ValueOf(only, edit) if *only == at => Some(*edit),
                _ => None,
            };
            if let Some(edited) = edit.and_then(|edit| edit.apply(sent.name, &value, &sent.raw)) {
                value = Cow::Owned(edited);
            }
        }
        value
    }

    fn json(&self, sent: &SentParam<'_>) -> Option<String> {
        let edits = || self.mistakes().filter_map(|m| if let Mistake::Json(edit) = m { Some(*edit) } else { None });
        edits().next()?;
        match &sent.json {
            Some(json) => Some(json.written(edits())),
            None if edits().any(|edit| edit == JsonEdit::Unescaped) => json::unescaped(&sent.value),
            None => None,
        }
    }
}

fn compare(order: Option<Order>, one: &Item<'_>, other: &Item<'_>) -> Ordering {
    let documented = || one.name.cmp(&other.name).then_with(|| one.value.cmp(&other.value));
    match order {
        None => documented(),
        Some(Order::AsSent) => one.place.cmp(&other.place),
        Some(Order::ByValue) => one.value.cmp(&other.value).then_with(|| one.name.cmp(&other.name)),
        Some(Order::Reversed) => documented().reverse(),
        Some(Order::UpperCase) => {
            let upper = |name: &'_ str| name.bytes().map(|b| b.to_ascii_uppercase()).collect::<Vec<_>>();
            upper(&one.name).cmp(&upper(&other.name)).then_with(documented)
        }
        Some(Order::WithoutUnderscore) => {
            let letters = |item: &Item<'_>| item.name.bytes().filter(|b| *b != b'_').collect::<Vec<_>>();
            letters(one).cmp(&letters(other)).then_with(documented)
        }
    }
}

/// The text in that charset; `?` for what the charset lacks, as Java and PHP write it.
fn encoded(charset: Charset, text: &str) -> Cow<'_, [u8]> {
    let by_char = |encoding: &'static encoding_rs::Encoding| match encoding.encode(text) {
        (bytes, _, false) => bytes,
        (_, _, true) => {
            let each = text.chars().flat_map(|c| match encoding.encode(c.encode_utf8(&mut [0; 4])) {
                (bytes, _, false) => bytes.into_owned(),
                (_, _, true) => vec![b'?'],
            });
            Cow::Owned(each.collect())
        }
    };
    match charset {
        Charset::Gbk => by_char(encoding_rs::GBK),
        Charset::Gb18030 => by_char(encoding_rs::GB18030),
        Charset::Latin1 => Cow::Owned(text.chars().map(|c| u8::try_from(c).unwrap_or(b'?')).collect()),
        Charset::Mojibake => Cow::Owned(text.bytes().map(char::from).collect::<String>().into_bytes()),
        Charset::Utf16 => Cow::Owned(text.encode_utf16().flat_map(u16::to_le_bytes).collect()),
    }
}

/// RFC 2104.
fn hmac_md5(secret: &[u8], bytes: &[u8]) -> [u8; 16] {
    let mut key = [0_u8; 64];
    let short;
    let secret = if secret.len() > key.len() {
        short = <[u8; 16]>::from(Md5::digest(secret));
        short.as_slice()
    } else {
        secret
    };
    key.iter_mut().zip(secret).for_each(|(to, from)| *to = *from);
    let inner = Md5::new().chain_update(key.map(|b| b ^ 0x36)).chain_update(bytes).finalize();
    Md5::new().chain_update(key.map(|b| b ^ 0x5c)).chain_update(inner).finalize().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hmac_is_rfc_2202() {
        assert_eq!(hex::encode(hmac_md5(b"Jefe", b"what do ya want for nothing?")), "750c783e6ab0b503eaa86e310a5db738");
        assert_eq!(
            hex::encode(hmac_md5(&[0xaa; 80], b"Test Using Larger Than Block-Size Key - Hash Key First")),
            "6b1ab7fe4bd7bf8f0b62e6ce61b9d0cd"
        );
    }

    #[test]
    fn charsets_write_a_question_mark_for_what_they_lack() {
        assert_eq!(encoded(Charset::Gbk, "粤B😀").as_ref(), b"\xD4\xC1B?");
        assert_eq!(encoded(Charset::Latin1, "粤Bé").as_ref(), b"?B\xE9");
        assert_eq!(encoded(Charset::Utf16, "A").as_ref(), b"A\0");
    }
}
