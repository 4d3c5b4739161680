//! What arrived: an ordered list of names and values, raw and decoded, and the files sent with it.
//!
//! A form is decoded exactly once, here. Bytes that are not valid in their charset are refused, never replaced: what is
//! recorded must be what was signed.

use std::borrow::Cow;

use encoding_rs::{Encoding, UTF_8};

use crate::content_type::{self, without_bom};
use crate::field;
pub use crate::pairs::Param;
use crate::pairs::{Name, Pairs};
use crate::refusal::{Refusal, shortened};
use crate::value::{Md5Hash, says_nothing};

/// The parameters of one request.
#[derive(Debug, Clone, Default)]
pub struct Form {
    pairs: Pairs,
    files: Vec<UploadedFile>,
}

/// A file part: its bytes went to the image store; its name and MD5 are kept here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UploadedFile {
    /// The part's name: `X_file`, or `capture_image`.
    pub name: String,
    /// MD5 of its bytes.
    pub md5: Md5Hash,
    /// How many bytes.
    pub size: u64,
}

impl UploadedFile {
    /// Are both stored under one parameter, as `capture_image` and `capture_image_file` are?
    fn is_same_picture(&self, other: &UploadedFile) -> bool {
        field::parameter_of_part(&self.name) == field::parameter_of_part(&other.name)
    }
}

/// At most this many parameters: positions are kept in a byte.
const PARAMS_MAX: usize = 128;

/// The size of a payment as JSON, with a name and two times, is about 200.
const PAYMENT_BYTES: usize = 256;

/// How much a form may hold; anything over it is refused with 413.
#[derive(Debug, Clone, Copy)]
pub struct FormLimits {
    /// Parameters.
    pub params_max: usize,
    /// Parameters whose names the document does not list.
    pub unlisted_max: usize,
    /// Bytes of one decoded value.
    pub value_bytes_max: usize,
    /// Entries of `payment_list`: each costs the store a row.
    pub payments_max: usize,
}

impl FormLimits {
    /// The documented table has about 50 names; nobody pays for one stay a thousand times.
    pub const DEFAULT: FormLimits =
        FormLimits { params_max: PARAMS_MAX, unlisted_max: 32, value_bytes_max: 64 * 1024, payments_max: 1000 };

    /// How long a value of that name may be: a payment list as long as its payments need.
    fn bytes_max_of(&self, name: &str) -> usize {
        let payments = if name == "payment_list" { self.payments_max.saturating_mul(PAYMENT_BYTES) } else { 0 };
        self.value_bytes_max.max(payments)
    }
}

impl Default for FormLimits {
    fn default() -> Self {
        FormLimits::DEFAULT
    }
}

impl Form {
    /// All parameters in the order sent.
    pub fn params(&self) -> impl ExactSizeIterator<Item = Param<'_>> + Clone {
        self.pairs.iter()
    }

    /// The first value of that name, unless it is empty: empty values need not be signed.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.pairs.get(name).filter(|value| !says_nothing(value))
    }

    /// Was the name sent at all, even if empty?
    #[must_use]
    pub fn has(&self, name: &str) -> bool {
        self.pairs.get(name).is_some()
    }

    /// The first documented name that was sent more than once, or the first part that is one more file of the same picture.
    pub(crate) fn repeated(&self) -> Option<&str> {
        let repeats = |(index, file): &(usize, &UploadedFile)| {
            self.files.iter().take(*index).any(|earlier| earlier.is_same_picture(file))
        };
        let file = || self.files.iter().enumerate().find(repeats).map(|(_, file)| file.name.as_str());
        self.pairs.repeated().or_else(file)
    }

    /// A form as it was received and kept: names, values, and the text on the wire where that differed.
    #[must_use]
    pub fn restored<'a>(
        params: impl IntoIterator<Item = (&'a str, &'a str, Option<&'a str>)>,
        files: Vec<UploadedFile>,
    ) -> Form {
        let mut pairs = Pairs::default();
        for (name, value, raw) in params {
            let name = pairs.name(name);
            pairs.push(name, value, raw);
        }
        Form { pairs, files }
    }

    pub(crate) fn from_parts(pairs: Pairs, files: Vec<UploadedFile>) -> Form {
        Form { pairs, files }
    }

    pub(crate) fn into_parts(self) -> (Pairs, Vec<UploadedFile>) {
        (self.pairs, self.files)
    }

    /// The files that were sent with it.
    #[must_use]
    pub fn files(&self) -> &[UploadedFile] {
        &self.files
    }

    /// Reads an `application/x-www-form-urlencoded` body, without the byte order mark that may stand in front.
    ///
    /// A name or value is not valid in `charset`, a name is malformed, or there are too many of them.
    pub fn from_urlencoded(body: &[u8], charset: &'static Encoding, limits: FormLimits) -> Result<Form, Refusal> {
        let mut form = FormBuilder::new(limits);
        form.form.pairs.reserve(body.len() + body.len() / 4);
        for piece in without_bom(body).split(|b| *b == b'&').filter(|piece| !piece.is_empty()) {
            let cut = memchr::memchr(b'=', piece).unwrap_or(piece.len());
            let (name, value) = piece.split_at(cut);
            form.urlencoded_pair(name, value.strip_prefix(b"=").unwrap_or(value), charset)?;
        }
        Ok(form.build())
    }
}

/// Gathers a form part by part.
#[derive(Debug)]
pub struct FormBuilder {
    form: Form,
    limits: FormLimits,
    unlisted: usize,
    scratch: Vec<u8>,
}

impl FormBuilder {
    /// An empty form.
    #[must_use]
    pub fn new(limits: FormLimits) -> Self {
        FormBuilder {
            form: Form { pairs: Pairs::with_capacity(32, 0), files: Vec::new() },
            limits,
            unlisted: 0,
            scratch: Vec::new(),
        }
    }

    /// Adds a text part of a multipart body.
    ///
    /// # Errors
    /// As [`Form::from_urlencoded`].
    pub fn text_part(&mut self, name: &str, value: &[u8], charset: &'static Encoding) -> Result<(), Refusal> {
        let name = self.checked_name(name.as_bytes())?;
        let value = self.decoded(&name, value, charset)?;
        self.form.pairs.push(name, &value, None);
        Ok(())
    }

    /// Adds a file part.
    ///
    /// # Errors
    /// A file of the same picture came before.
    pub fn file_part(&mut self, file: UploadedFile) -> Result<(), Refusal> {
        if self.form.files.iter().any(|other| other.is_same_picture(&file)) {
            return Err(Refusal::Repeated { name: file.name });
        }
        self.form.files.push(file);
        Ok(())
    }

    /// What has arrived so far.
    #[must_use]
    pub fn so_far(&self) -> &Form {
        &self.form
    }

    /// The whole form.
    #[must_use]
    pub fn build(self) -> Form {
        self.form
    }

    fn urlencoded_pair(&mut self, name: &[u8], value: &[u8], charset: &'static Encoding) -> Result<(), Refusal> {
        let name = if is_plain(name) {
            self.checked_name(name)?
        } else {
            let mut decoded = Vec::new();
            percent_decode(name, &mut decoded);
            self.checked_name(&decoded)?
        };
        if is_plain(value) {
            let value = self.decoded(&name, value, UTF_8)?;
            self.form.pairs.push(name, &value, None);
            return Ok(());
        }
        let mut scratch = std::mem::take(&mut self.scratch);
        scratch.clear();
        percent_decode(value, &mut scratch);
        let decoded = self.decoded(&name, &scratch, charset)?;
        // Some clients put unescaped Chinese into the body: then the raw text is in the form's charset, too.
        let raw = self.text(&name, value, charset)?;
        self.form.pairs.push(name, &decoded, Some(&raw));
        self.scratch = scratch;
        Ok(())
    }

    fn checked_name(&mut self, name: &[u8]) -> Result<Name, Refusal> {
        if !field::is_name(name) {
            return Err(Refusal::BadName { name: shortened(&String::from_utf8_lossy(name)) });
        }
        let text = std::str::from_utf8(name).unwrap_or("");
        if text == "app_secret" {
            return Err(Refusal::SecretSent);
        }
        if self.form.pairs.len() >= self.limits.params_max.min(PARAMS_MAX) {
            return Err(Refusal::TooMany { what: "参数 parameters", max: self.limits.params_max });
        }
        let name = self.form.pairs.name(text);
        if name.field.is_none() {
            self.unlisted += 1;
            if self.unlisted > self.limits.unlisted_max {
                let what = "未列出的参数 unlisted parameters";
                return Err(Refusal::TooMany { what, max: self.limits.unlisted_max });
            }
        }
        Ok(name)
    }

    /// The text of a value, within its limit.
    fn decoded<'a>(&self, name: &Name, bytes: &'a [u8], charset: &'static Encoding) -> Result<Cow<'a, str>, Refusal> {
        let bytes_max = self.limits.bytes_max_of(self.form.pairs.name_text(name));
        if bytes.len() > bytes_max {
            return Err(Refusal::ValueTooLong { name: self.form.pairs.name_text(name).to_owned(), bytes_max });
        }
        self.text(name, bytes, charset)
    }

    fn text<'a>(&self, name: &Name, bytes: &'a [u8], charset: &'static Encoding) -> Result<Cow<'a, str>, Refusal> {
        content_type::decoded(bytes, charset).ok_or_else(|| Refusal::NotText {
            name: self.form.pairs.name_text(name).to_owned(),
            charset: charset.name(),
        })
    }
}

/// Is it plain ASCII that form encoding would not change?
fn is_plain(bytes: &[u8]) -> bool {
    // Without leaving early, so that it is done for many bytes at once.
    bytes.iter().fold(true, |is_plain, b| is_plain & (*b != b'%') & (*b != b'+') & b.is_ascii())
}

/// Form decoding, appended to `out`: `+` is a space, `%XX` a byte; a malformed escape stays as it is.
pub fn percent_decode(bytes: &[u8], out: &mut Vec<u8>) {
    out.reserve(bytes.len());
    let mut rest = bytes;
    while let Some((first, tail)) = rest.split_first() {
        rest = tail;
        match (first, tail) {
            (b'+', _) => out.push(b' '),
            (b'%', [high, low, after @ ..]) => match (hex_digit(*high), hex_digit(*low)) {
                (Some(high), Some(low)) => {
                    out.push(high << 4 | low);
                    rest = after;
                }
                _ => out.push(b'%'),
            },
            _ => out.push(*first),
        }
    }
}

fn hex_digit(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'A'..=b'F' => Some(digit - b'A' + 10),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        _ => None,
    }
}

/// `java.net.URLDecoder` for `encoding=URL`: `None` if nothing changes, an error if the bytes are not UTF-8.
pub(crate) fn url_decoded(value: &str) -> Result<Option<String>, ()> {
    if !value.bytes().any(|b| b == b'%' || b == b'+') {
        return Ok(None);
    }
    let mut bytes = Vec::with_capacity(value.len());
    percent_decode(value.as_bytes(), &mut bytes);
    String::from_utf8(bytes).map(Some).map_err(|_| ())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn form(body: &[u8]) -> Result<Form, Refusal> {
        Form::from_urlencoded(body, UTF_8, FormLimits::default())
    }

    #[test]
    fn raw_and_decoded_stand_side_by_side() {
        let form = form("plate=%E7%B2%A4B%2B1&a=1+2&b&&c=&d=x=y&e=100%&f=%zz".as_bytes()).unwrap();
        let seen: Vec<_> = form.params().map(|p| (p.name, p.value, p.raw)).collect();
        assert_eq!(
            seen,
            [
                ("plate", "粤B+1", "%E7%B2%A4B%2B1"),
                ("a", "1 2", "1+2"),
                ("b", "", ""),
                ("c", "", ""),
                ("d", "x=y", "x=y"),
                ("e", "100%", "100%"),
                ("f", "%zz", "%zz"),
            ]
        );
    }

    #[test]
    fn gbk_is_decoded_and_broken_text_is_refused() {
        let gbk = encoding_rs::GBK;
        let form = Form::from_urlencoded(b"plate=%D4%C1B1&car_desc=\xd4\xc1", gbk, FormLimits::default()).unwrap();
        assert_eq!(form.get("plate"), Some("粤B1"));
        assert_eq!(form.get("car_desc"), Some("粤"));
        let refused = Form::from_urlencoded(b"plate=%D4%C1B1", UTF_8, FormLimits::default()).unwrap_err();
        assert_eq!(refused, Refusal::NotText { name: "plate".into(), charset: "UTF-8" });
    }

    #[test]
    fn names_are_lower_case_letters_digits_and_underscores() {
        for body in ["SIGN=1", "=1", "a-b=1", "%00=1", &format!("{}=1", "x".repeat(65))] {
            assert!(matches!(form(body.as_bytes()), Err(Refusal::BadName { .. })), "{body}");
        }
        assert!(form(format!("{}=1", "x".repeat(64)).as_bytes()).is_ok());
        assert_eq!(form(b"app_secret=123").unwrap_err(), Refusal::SecretSent);
    }

    #[test]
    fn a_limit_is_kept_at_it_and_not_past_it() {
        let limits = FormLimits { params_max: 2, unlisted_max: 1, value_bytes_max: 3, ..FormLimits::DEFAULT };
        let read = |body: &str| Form::from_urlencoded(body.as_bytes(), UTF_8, limits).map(|form| form.params().len());
        assert_eq!(read("plate=123&x=1").unwrap(), 2);
        assert!(matches!(read("plate=1&sign=1&car_type=1"), Err(Refusal::TooMany { max: 2, .. })));
        assert!(matches!(read("x=1&y=1"), Err(Refusal::TooMany { max: 1, .. })));
        assert!(matches!(read("plate=1234"), Err(Refusal::ValueTooLong { .. })));
    }
}
