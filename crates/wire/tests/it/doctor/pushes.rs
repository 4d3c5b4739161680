//! Pushes signed with a mistake, made independently of the doctor: each mistake is a function on one stage of signing.

use md5::{Digest as _, Md5};
use parkgate_wire::doctor::FindingKind;

pub(super) const SECRET: &str = "K3yOfThisParkX9";
pub(super) const OTHER_SECRET: &str = "An0therParksKey7";

pub(super) type Params = Vec<(String, String)>;

/// Where in signing a mistake is made, in this order.
#[derive(Clone, Copy)]
pub(super) enum Stage {
    Values(fn(&mut Params)),
    Sort(fn(&mut Params)),
    /// From `k=v&k=v` to the string with its secret.
    Secret(fn(String) -> String),
    Bytes(fn(String) -> Vec<u8>),
    Hash(fn(&[u8]) -> Vec<u8>),
}

impl Stage {
    pub(super) fn number(&self) -> u8 {
        match self {
            Stage::Values(_) => 0,
            Stage::Sort(_) => 1,
            Stage::Secret(_) => 2,
            Stage::Bytes(_) => 3,
            Stage::Hash(_) => 4,
        }
    }
}

pub(super) struct Mistake {
    pub(super) name: &'static str,
    pub(super) kind: FindingKind,
    pub(super) stage: Stage,
    /// Looked for in pairs too.
    pub(super) is_common: bool,
    /// The strings shown do not differ.
    pub(super) is_unseen: bool,
}

pub(super) fn params() -> Params {
    let list = r#"[{"pay_type":"2","value":500,"operator":"张三","parking_order":"PO/1","change_value":"0"}]"#;
    [
        ("plate", "粤X44444"),
        ("park_uuid", "49f0cc52-e8c7-41e3-b54d-af666b8cc11a"),
        ("parking_serial", "202106028000000007"),
        ("enter_time", "1624874732253"),
        ("leave_time", "1624937505093"),
        ("car_desc", "临时车 A"),
        ("car_type", "1"),
        ("total_value", "500"),
        ("leave_image_hash", "3EF48C1A8A95DF308EFF872082280815"),
        ("payment_list", list),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .to_vec()
}

/// The body as a careful client writes it.
pub(super) fn sent(params: &Params, sign: &str) -> String {
    let mut body = String::new();
    for (name, value) in params {
        body.push_str(&format!("{name}={}&", escaped(value, "", "%20", true)));
    }
    body + "sign=" + sign
}

pub(super) fn signed(params: &Params, mistakes: &[&Mistake]) -> String {
    let at = |number: u8| mistakes.iter().map(|mistake| mistake.stage).find(|stage| stage.number() == number);
    let mut params = params.clone();
    for mistake in mistakes {
        if let Stage::Values(edit) = mistake.stage {
            edit(&mut params);
        }
    }
    match at(1) {
        Some(Stage::Sort(sort)) => sort(&mut params),
        _ => params.sort(),
    }
    let text = params.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("&");
    let text = match at(2) {
        Some(Stage::Secret(with)) => with(text),
        _ => format!("{text}&app_secret={SECRET}"),
    };
    let bytes = match at(3) {
        Some(Stage::Bytes(encode)) => encode(text),
        _ => text.into_bytes(),
    };
    match at(4) {
        Some(Stage::Hash(hash)) => hex::encode_upper(hash(&bytes)),
        _ => md5(&bytes),
    }
}

pub(super) fn md5(bytes: &[u8]) -> String {
    hex::encode_upper(Md5::digest(bytes))
}

pub(super) fn mistakes() -> Vec<Mistake> {
    let mut all = Vec::new();
    let mut add = |name, kind, is_common, stage| {
        all.push(Mistake {
            name,
            kind,
            stage,
            is_common,
            is_unseen: matches!(kind, FindingKind::SecretTransformed | FindingKind::SignedInUtf16),
        });
    };
    values(&mut |name, kind, is_common, edit| add(name, kind, is_common, Stage::Values(edit)));
    for (name, kind, sort) in SORTS {
        add(name, kind, kind == FindingKind::OrderAsSent || kind == FindingKind::OrderReversed, Stage::Sort(sort));
    }
    for (name, kind, is_common, with) in SECRETS {
        add(name, kind, is_common, Stage::Secret(with));
    }
    for (name, kind, is_common, encode) in BYTES {
        add(name, kind, is_common, Stage::Bytes(encode));
    }
    add("MD5 twice", FindingKind::Md5Twice, true, Stage::Hash(|bytes| Md5::digest(md5(bytes)).to_vec()));
    add(
        "MD5 twice, lower",
        FindingKind::Md5Twice,
        true,
        Stage::Hash(|b| Md5::digest(hex::encode(Md5::digest(b))).to_vec()),
    );
    add("MD5 twice, raw", FindingKind::Md5Twice, false, Stage::Hash(|bytes| Md5::digest(Md5::digest(bytes)).to_vec()));
    add("HMAC", FindingKind::HmacMd5, false, Stage::Hash(hmac));
    all
}

fn hmac(bytes: &[u8]) -> Vec<u8> {
    let pad = |with: u8| (0..64).map(|at| SECRET.as_bytes().get(at).unwrap_or(&0) ^ with).collect::<Vec<u8>>();
    let inner = Md5::digest([pad(0x36), bytes.to_vec()].concat());
    Md5::digest([pad(0x5c), inner.to_vec()].concat()).to_vec()
}

fn values(add: &mut dyn FnMut(&'static str, FindingKind, bool, fn(&mut Params))) {
    add("Java URLEncoder", FindingKind::UrlEncodedValues, true, |p| each(p, |v| escaped(v, "-_.*", "+", true)));
    add("Java, lower", FindingKind::UrlEncodedValues, true, |p| each(p, |v| escaped(v, "-_.*", "+", false)));
    add("encodeURIComponent", FindingKind::UrlEncodedValues, true, |p| {
        each(p, |v| escaped(v, "-_.!~*'()", "%20", true))
    });
    add("Python quote", FindingKind::UrlEncodedValues, false, |p| each(p, |v| escaped(v, "-_.~/", "%20", true)));
    add("hash lower", FindingKind::HashCase, true, |p| set(p, "leave_image_hash", str::to_lowercase));
    add("hash left out", FindingKind::HashLeftOut, true, |p| p.retain(|(name, _)| name != "leave_image_hash"));
    add("uuid left out", FindingKind::KeyLeftOut, true, |p| p.retain(|(name, _)| name != "park_uuid"));
    add("type left out", FindingKind::KeyLeftOut, true, |p| p.retain(|(name, _)| name != "car_type"));
    add("list left out", FindingKind::KeyLeftOut, true, |p| p.retain(|(name, _)| name != "payment_list"));
    add("file empty", FindingKind::FileSigned, true, |p| p.push(("leave_image_file".into(), String::new())));
    add("sign empty", FindingKind::SignIncluded, true, |p| p.push(("sign".into(), String::new())));
    add("sign null", FindingKind::SignIncluded, false, |p| p.push(("sign".into(), "null".into())));
    add("sign twice", FindingKind::SignIncluded, false, |p| p.push(("sign".into(), signed(p, &[]))));
    add("absent empty", FindingKind::AbsentKeySigned, false, |p| p.push(("plate_color".into(), String::new())));
    add("absent encoding", FindingKind::AbsentKeySigned, false, |p| p.push(("encoding".into(), "URL".into())));
    add("Python JSON", FindingKind::JsonLibrary, true, |p| set(p, LIST, |v| ascii(&spaced(v))));
    add("spaced JSON", FindingKind::JsonSpacing, true, |p| set(p, LIST, spaced));
    add("ASCII JSON", FindingKind::JsonEscapes, true, |p| set(p, LIST, ascii));
    add("slashes in JSON", FindingKind::JsonEscapes, true, |p| set(p, LIST, |v| v.replace('/', "\\/")));
    add("PHP JSON", FindingKind::JsonLibrary, false, |p| set(p, LIST, |v| ascii(v).replace('/', "\\/")));
    add("escaped JSON", FindingKind::JsonEscaped, true, |p| set(p, LIST, |v| v.replace('"', "\\\"")));
    add("numbers as strings", FindingKind::JsonTypes, true, |p| set(p, LIST, |v| v.replace("500", "\"500\"")));
    add("sorted JSON", FindingKind::JsonKeyOrder, true, |p| {
        set(p, LIST, |_| {
            r#"[{"change_value":"0","operator":"张三","parking_order":"PO/1","pay_type":"2","value":500}]"#.into()
        });
    });
    add("Java list", FindingKind::JsonNotWritten, false, |p| {
        set(p, LIST, |v| v.replace('"', "").replace(':', "=").replace(',', ", "))
    });
    add("plate lower", FindingKind::LetterCase, false, |p| set(p, "plate", str::to_lowercase));
    add("uuid upper", FindingKind::LetterCase, false, |p| set(p, "park_uuid", str::to_uppercase));
    add("plate with blank", FindingKind::WhitespaceAdded, false, |p| set(p, "plate", |v| format!("{v} ")));
    add("serial with newline", FindingKind::WhitespaceAdded, false, |p| set(p, "parking_serial", |v| format!("{v}\n")));
    add("no spaces", FindingKind::WhitespaceRemoved, false, |p| set(p, "car_desc", |v| v.replace(' ', "")));
    add("BOM in plate", FindingKind::BomInValue, false, |p| set(p, "plate", |v| format!("\u{feff}{v}")));
    add("amount 500.0", FindingKind::NumberFormat, false, |p| set(p, "total_value", |v| format!("{v}.0")));
    add("time as double", FindingKind::NumberFormat, false, |p| {
        set(p, "enter_time", |_| "1.624874732253E12".into());
        set(p, "leave_time", |_| "1.624937505093E12".into());
    });
    add("URL-encoded GBK", FindingKind::UrlEncodedGbk, false, |p| {
        set(p, "plate", |_| "%D4%C1X44444".into());
        set(p, "car_desc", |_| "%C1%D9%CA%B1%B3%B5+A".into());
        set(p, LIST, |v| escaped(v, "-_.*", "+", true).replace("%E5%BC%A0%E4%B8%89", "%D5%C5%C8%FD"));
    });
}

const LIST: &str = "payment_list";

fn spaced(json: &str) -> String {
    json.replace("\":", "\": ").replace(",\"", ", \"")
}

fn ascii(json: &str) -> String {
    json.replace("张三", "\\u5f20\\u4e09")
}

type Sort = (&'static str, FindingKind, fn(&mut Params));
const SORTS: [Sort; 5] = [
    ("as sent", FindingKind::OrderAsSent, |_| {}),
    ("reversed", FindingKind::OrderReversed, |p| p.sort_by(|a, b| b.cmp(a))),
    ("by value", FindingKind::OrderByValue, |p| p.sort_by(|a, b| a.1.cmp(&b.1))),
    ("upper case", FindingKind::OrderUpperCase, |p| p.sort_by_key(|a| a.0.to_uppercase())),
    ("no underscore", FindingKind::OrderUpperCase, |p| p.sort_by_key(|a| a.0.replace('_', ""))),
];

type End = (&'static str, FindingKind, bool, fn(String) -> String);
const SECRETS: [End; 23] = [
    ("&SECRET", FindingKind::SecretWithoutName, true, |s| format!("{s}&{SECRET}")),
    ("SECRET", FindingKind::SecretWithoutName, true, |s| format!("{s}{SECRET}")),
    ("&key=", FindingKind::SecretOtherName, true, |s| format!("{s}&key={SECRET}")),
    ("&secret=", FindingKind::SecretOtherName, true, |s| format!("{s}&secret={SECRET}")),
    ("&APP_SECRET=", FindingKind::SecretOtherName, false, |s| format!("{s}&APP_SECRET={SECRET}")),
    ("front, named", FindingKind::SecretInFront, true, |s| format!("app_secret={SECRET}&{s}")),
    ("front, bare", FindingKind::SecretInFront, true, |s| format!("{SECRET}{s}")),
    ("front, &", FindingKind::SecretInFront, false, |s| format!("{SECRET}&{s}")),
    ("both ends", FindingKind::SecretBothEnds, false, |s| format!("{SECRET}{s}{SECRET}")),
    ("missing", FindingKind::SecretMissing, true, |s| s),
    ("masked", FindingKind::SecretMasked, false, |s| format!("{s}&app_secret=***")),
    ("no &", FindingKind::Separators, true, |s| format!("{s}app_secret={SECRET}")),
    ("&&", FindingKind::Separators, false, |s| format!("{s}&&app_secret={SECRET}")),
    ("& after", FindingKind::Separators, false, |s| format!("{s}&app_secret={SECRET}&")),
    ("& before", FindingKind::Separators, false, |s| format!("&{s}&app_secret={SECRET}")),
    ("newline", FindingKind::SecretWhitespace, true, |s| format!("{s}&app_secret={SECRET}\n")),
    ("blank", FindingKind::SecretWhitespace, false, |s| format!("{s}&app_secret={SECRET} ")),
    ("lower secret", FindingKind::SecretTransformed, false, |s| format!("{s}&app_secret={}", SECRET.to_lowercase())),
    ("MD5 secret", FindingKind::SecretTransformed, false, |s| format!("{s}&app_secret={}", md5(SECRET.as_bytes()))),
    ("glued", FindingKind::JoinedOtherwise, false, |s| format!("{}app_secret{SECRET}", s.replace(['=', '&'], ""))),
    ("commas", FindingKind::JoinedOtherwise, false, |s| format!("{},app_secret={SECRET}", s.replace('&', ","))),
    ("whole encoded", FindingKind::WholeEncoded, false, |s| {
        escaped(&format!("{s}&app_secret={SECRET}"), "-_.*", "+", true)
    }),
    ("whole lower", FindingKind::WholeCase, false, |s| format!("{s}&app_secret={SECRET}").to_lowercase()),
];

type Bytes = (&'static str, FindingKind, bool, fn(String) -> Vec<u8>);
const BYTES: [Bytes; 5] = [
    ("GBK", FindingKind::SignedInGbk, true, |s| encoding_rs::GBK.encode(&s).0.into_owned()),
    ("Latin-1", FindingKind::SignedInLatin1, true, |s| s.chars().map(|c| u8::try_from(c).unwrap_or(b'?')).collect()),
    ("UTF-16", FindingKind::SignedInUtf16, false, |s| s.encode_utf16().flat_map(u16::to_le_bytes).collect()),
    ("mojibake", FindingKind::Mojibake, false, |s| s.bytes().map(char::from).collect::<String>().into_bytes()),
    ("BOM", FindingKind::BomInFront, true, |s| format!("\u{feff}{s}").into_bytes()),
];

fn each(params: &mut Params, edit: fn(&str) -> String) {
    params.iter_mut().for_each(|(_, value)| *value = edit(value));
}

fn set(params: &mut Params, name: &str, edit: fn(&str) -> String) {
    params.iter_mut().filter(|param| param.0 == name).for_each(|(_, value)| *value = edit(value));
}

pub(super) fn escaped(text: &str, plain: &str, space: &str, upper: bool) -> String {
    let escape = |byte: u8| match char::from(byte) {
        ' ' => space.to_owned(),
        c if c.is_ascii_alphanumeric() || (c.is_ascii() && plain.contains(c)) => c.to_string(),
        _ if upper => format!("%{byte:02X}"),
        _ => format!("%{byte:02x}"),
    };
    text.bytes().map(escape).collect()
}
