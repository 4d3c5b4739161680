//! Every single mistake that a request could have been signed with, likeliest first.

use super::json::JsonEdit;
use super::mistake::{Charset, HashForm, Join, Mistake, Order, SecretPlace, Secretly, SignValue, WholeEdit};
use super::recipe::Request;
use super::value_edit::{DOTNET, JAVA, JS, JS_WHOLE, PHP, PYTHON, RFC3986, ValueEdit};
use crate::field;

/// A mistake, and whether it is common enough to be tried together with another one.
#[derive(Debug)]
pub(super) struct Alternative {
    pub(super) mistake: Mistake,
    pub(super) is_common: bool,
}

/// Up to this many empty values, each subset is tried: 2^6 strings.
const EMPTIES_MAX: usize = 6;

/// The mistakes that are also tried in pairs, then the rare ones.
pub(super) fn of(request: &Request<'_>) -> Vec<Alternative> {
    let mut common: Vec<Mistake> = Vec::with_capacity(256);
    // Before the orders: for parameters signed in the order sent, a value put back together looks like an unsorted
    // string.
    common.extend(request.rejoined.as_ref().map(|_| Mistake::Rejoined));
    common.extend(COMMON_ORDERS.map(Mistake::Order));
    common.extend(COMMON_PLACES.map(Mistake::Place));
    common.extend([Charset::Gbk, Charset::Latin1].map(Mistake::Charset));
    common.extend(COMMON_EDITS.map(Mistake::Value));
    if has_json(request) {
        common.extend(COMMON_JSON.map(Mistake::Json));
    }
    common.extend([SignValue::Empty, SignValue::Upper].map(Mistake::SignIncluded));
    common.extend([HashForm::TwiceLower, HashForm::TwiceUpper].map(Mistake::Hash));
    common.push(Mistake::Whole(WholeEdit::Bom));
    common.push(Mistake::Join(Join::with("", "")));
    common.extend(files(request, false));
    common.extend((0..request.params.len()).map(Mistake::Without));
    let rare = rare(request);
    let common = common.into_iter().map(|mistake| Alternative { mistake, is_common: true });
    common.chain(rare.into_iter().map(|mistake| Alternative { mistake, is_common: false })).collect()
}

fn rare(request: &Request<'_>) -> Vec<Mistake> {
    let mut rare: Vec<Mistake> = Vec::with_capacity(256);
    rare.extend(empties(request));
    rare.extend([Order::ByValue, Order::UpperCase, Order::WithoutUnderscore].map(Mistake::Order));
    rare.extend(RARE_PLACES.map(Mistake::Place));
    rare.extend([Charset::Gb18030, Charset::Mojibake, Charset::Utf16].map(Mistake::Charset));
    rare.extend(RARE_EDITS.map(Mistake::Value));
    if has_json(request) {
        rare.extend(RARE_JSON.map(Mistake::Json));
    }
    rare.extend([SignValue::Null, SignValue::Lower].map(Mistake::SignIncluded));
    rare.extend([HashForm::TwiceRaw, HashForm::Hmac, HashForm::HmacWhole].map(Mistake::Hash));
    rare.extend([WholeEdit::Encoded, WholeEdit::EncodedByJs, WholeEdit::Lower, WholeEdit::Upper].map(Mistake::Whole));
    rare.extend(JOINS.map(Mistake::Join));
    rare.extend(files(request, true));
    rare.extend(not_sent(request));
    for at in 0..request.params.len() {
        rare.extend(EDITS_OF_ONE.map(|edit| Mistake::ValueOf(at, edit)));
    }
    rare
}

const COMMON_ORDERS: [Order; 2] = [Order::AsSent, Order::Reversed];

const COMMON_PLACES: [SecretPlace; 12] = [
    SecretPlace::Bare("&"),
    SecretPlace::Bare(""),
    SecretPlace::Named("key"),
    SecretPlace::Named("secret"),
    SecretPlace::Named("appSecret"),
    SecretPlace::Front("app_secret=", "&"),
    SecretPlace::Front("", ""),
    SecretPlace::Sorted,
    SecretPlace::Missing(""),
    SecretPlace::Between(""),
    SecretPlace::Documented(Secretly::Trimmed),
    SecretPlace::Documented(Secretly::Padded("", "\n")),
];

const RARE_PLACES: [SecretPlace; 25] = [
    SecretPlace::Named("appsecret"),
    SecretPlace::Named("APP_SECRET"),
    SecretPlace::Named("app_key"),
    SecretPlace::Named("appkey"),
    SecretPlace::Named("appKey"),
    SecretPlace::Named("secret_key"),
    SecretPlace::Front("", "&"),
    SecretPlace::Front("app_secret=", ""),
    SecretPlace::BothEnds,
    SecretPlace::Missing("&"),
    SecretPlace::Missing("&app_secret="),
    SecretPlace::Missing("&app_secret=***"),
    SecretPlace::Between("&&"),
    SecretPlace::Around("", "&"),
    SecretPlace::Around("&", ""),
    SecretPlace::Around("?", ""),
    SecretPlace::Documented(Secretly::Lower),
    SecretPlace::Documented(Secretly::Upper),
    SecretPlace::Documented(Secretly::Md5Lower),
    SecretPlace::Documented(Secretly::Md5Upper),
    SecretPlace::Documented(Secretly::Encoded),
    SecretPlace::Documented(Secretly::Padded("", " ")),
    SecretPlace::Documented(Secretly::Padded("", "\r\n")),
    SecretPlace::Documented(Secretly::Padded(" ", "")),
    SecretPlace::Documented(Secretly::Padded("\u{feff}", "")),
];

const COMMON_EDITS: [ValueEdit; 13] = [
    ValueEdit::SpaceWasPlus,
    ValueEdit::PlusWasSpace,
    ValueEdit::Decode,
    ValueEdit::Encode(JAVA),
    ValueEdit::Encode(JAVA.lower()),
    ValueEdit::Encode(JS),
    ValueEdit::AsOnWire,
    ValueEdit::EscapesUpper,
    ValueEdit::EscapesLower,
    ValueEdit::Trimmed,
    ValueEdit::HashLower,
    ValueEdit::HashUpper,
    ValueEdit::NullForEmpty("null"),
];

const RARE_EDITS: [ValueEdit; 26] = [
    ValueEdit::DecodeKeepingPlus,
    ValueEdit::Encode(DOTNET),
    ValueEdit::Encode(PYTHON),
    ValueEdit::Encode(RFC3986),
    ValueEdit::Encode(PHP),
    ValueEdit::Encode(JS.lower()),
    ValueEdit::Encode(RFC3986.lower()),
    ValueEdit::Encode(JS_WHOLE),
    ValueEdit::Encode(JAVA.gbk()),
    ValueEdit::Encode(JAVA.gbk().lower()),
    ValueEdit::Encode(RFC3986.gbk()),
    ValueEdit::HtmlEscaped,
    ValueEdit::HtmlUnescaped,
    ValueEdit::WithoutSpaces,
    ValueEdit::WithoutBom,
    ValueEdit::PlateLower,
    ValueEdit::PlateUpper,
    ValueEdit::UuidLower,
    ValueEdit::UuidUpper,
    ValueEdit::NullForEmpty("undefined"),
    ValueEdit::NullForEmpty("None"),
    ValueEdit::Decimals(".0"),
    ValueEdit::Decimals(".00"),
    ValueEdit::WithoutDecimals,
    ValueEdit::Exponent,
    ValueEdit::Before("\u{feff}"),
];

const EDITS_OF_ONE: [ValueEdit; 9] = [
    ValueEdit::After(" "),
    ValueEdit::Before(" "),
    ValueEdit::After("\n"),
    ValueEdit::After("\r\n"),
    ValueEdit::Before("\u{feff}"),
    ValueEdit::Decimals(".0"),
    ValueEdit::Decimals(".00"),
    ValueEdit::WithoutDecimals,
    ValueEdit::Trimmed,
];

const COMMON_JSON: [JsonEdit; 12] = [
    JsonEdit::Spaced,
    JsonEdit::Compact,
    JsonEdit::Sorted,
    JsonEdit::Ascii,
    JsonEdit::Unicode,
    JsonEdit::Slashes,
    JsonEdit::PlainSlashes,
    JsonEdit::NumbersAsStrings,
    JsonEdit::StringsAsNumbers,
    JsonEdit::Escaped,
    JsonEdit::Python,
    JsonEdit::Unescaped,
];

const RARE_JSON: [JsonEdit; 9] = [
    JsonEdit::Php,
    JsonEdit::AsciiUpper,
    JsonEdit::Html,
    JsonEdit::WithoutNulls,
    JsonEdit::WithoutEmpties,
    JsonEdit::Pretty(2),
    JsonEdit::Pretty(4),
    JsonEdit::JavaText,
    JsonEdit::PythonText,
];

const JOINS: [Join; 10] = [
    Join::with("=", ""),
    Join::with("=", " & "),
    Join::with("=", "& "),
    Join::with("=", " "),
    Join::with("=", ","),
    Join::with("=", ";"),
    Join::with("=", "|"),
    Join::with("=", "\n"),
    Join::with(":", "&"),
    Join::values(""),
];

fn has_json(request: &Request<'_>) -> bool {
    request.params.iter().any(|sent| sent.json.is_some() || sent.value.contains("\\\""))
}

/// Proper subsets of the empty values; if there are many, only those that keep or drop a single one.
fn empties(request: &Request<'_>) -> Vec<Mistake> {
    let count = request.params.iter().filter(|sent| sent.value.is_empty()).count().min(63);
    let all = (1_u64 << count) - 1;
    let kept: Vec<u64> = match count {
        0 | 1 => Vec::new(),
        2..=EMPTIES_MAX => (1..all).collect(),
        _ => (0..count).flat_map(|at| [1 << at, all ^ (1 << at)]).collect(),
    };
    kept.into_iter().map(|kept| Mistake::Empties { kept }).collect()
}

/// The file's own field was signed: its bytes are gone by now, but its MD5, its size and its part's name are known.
fn files(request: &Request<'_>, rare: bool) -> Vec<Mistake> {
    let mut signed = Vec::new();
    let mut add = |name: &str, value: String| {
        signed.push(Mistake::With { name: name.to_owned(), value, is_file: true });
    };
    for (file, hash, _) in field::IMAGE_FIELDS {
        let upload = request.files.iter().find(|upload| upload.name == file);
        let sent = request.params.iter().find(|sent| sent.name == hash).map(|sent| sent.value.as_ref());
        if upload.is_none() && sent.is_none_or(str::is_empty) {
            continue;
        }
        let md5 = upload.map(|upload| hex::encode(upload.md5.0)).or(sent.map(str::to_lowercase)).unwrap_or_default();
        if rare {
            add(file, file.to_owned());
            add(file, "null".to_owned());
            upload.iter().for_each(|upload| add(file, upload.size.to_string()));
            if upload.is_some() && sent.is_none() {
                add(hash, md5.to_uppercase());
                add(hash, md5);
            }
        } else {
            add(file, String::new());
            add(file, md5.to_uppercase());
            add(file, md5);
        }
    }
    signed
}

/// Documented names that were not sent: an HTTP library may drop empty values that were signed.
fn not_sent(request: &Request<'_>) -> Vec<Mistake> {
    let is_absent = |name: &str| request.params.iter().all(|sent| sent.name != name);
    let with =
        |name: &str, value: &str| Mistake::With { name: name.to_owned(), value: value.to_owned(), is_file: false };
    let mut signed: Vec<Mistake> = [("encoding", "URL"), ("sign_type", "MD5"), ("encoding", "UTF-8")]
        .into_iter()
        .filter(|(name, _)| is_absent(name))
        .map(|(name, value)| with(name, value))
        .collect();
    let names = field::NAMES.into_iter();
    for name in names.filter(|name| !["sign", "app_secret"].contains(name) && is_absent(name)) {
        signed.push(with(name, ""));
        signed.push(with(name, "null"));
    }
    signed
}
