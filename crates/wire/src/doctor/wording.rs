//! From a mistake to its finding's kind, and the detail that its sentence names.

use super::json::JsonEdit;
use super::kind::FindingKind;
use super::mistake::{Charset, HashForm, Join, Mistake, Names, Order, SecretPlace, Secretly, WholeEdit};
use super::recipe::Request;
use super::value_edit::{UrlStyle, ValueEdit};
use crate::refusal::shortened;

/// A kind and its detail.
pub(super) fn of(mistake: &Mistake, request: &Request<'_>) -> (FindingKind, String) {
    let name = |at: usize| request.params.get(at).map_or("", |sent| sent.name).to_owned();
    match mistake {
        Mistake::Order(order) => (of_order(*order), String::new()),
        Mistake::Without(at) if name(*at).ends_with("_hash") => (FindingKind::HashLeftOut, name(*at)),
        Mistake::Without(at) => (FindingKind::KeyLeftOut, name(*at)),
        Mistake::With { name, value, is_file: true } if name.ends_with("_file") => {
            (FindingKind::FileSigned, if value.is_empty() { name.clone() } else { format!("{name}={value}") })
        }
        Mistake::With { name, value, .. } => (FindingKind::AbsentKeySigned, format!("{name}={value}")),
        Mistake::SignIncluded(_) => (FindingKind::SignIncluded, String::new()),
        Mistake::Rejoined => (FindingKind::AmpersandSplit, rejoined_names(request)),
        Mistake::Empties { kept } => (FindingKind::EmptiesMixed, kept_names(request, *kept)),
        Mistake::Value(edit) => of_edit(*edit, "*", request),
        Mistake::ValueOf(at, edit) => of_edit(*edit, &name(*at), request),
        Mistake::Json(edit) => of_json(*edit),
        Mistake::Join(join) => (FindingKind::JoinedOtherwise, joined(*join)),
        Mistake::Place(place) => of_place(*place),
        Mistake::Whole(WholeEdit::Bom) => (FindingKind::BomInFront, String::new()),
        Mistake::Whole(WholeEdit::Encoded | WholeEdit::EncodedByJs) => (FindingKind::WholeEncoded, String::new()),
        Mistake::Whole(WholeEdit::Lower | WholeEdit::Upper) => (FindingKind::WholeCase, String::new()),
        Mistake::Charset(charset) => (of_charset(*charset), String::new()),
        Mistake::Hash(HashForm::Hmac | HashForm::HmacWhole) => (FindingKind::HmacMd5, String::new()),
        Mistake::Hash(HashForm::TwiceLower | HashForm::TwiceUpper | HashForm::TwiceRaw) => {
            (FindingKind::Md5Twice, String::new())
        }
    }
}

fn of_order(order: Order) -> FindingKind {
    match order {
        Order::AsSent => FindingKind::OrderAsSent,
        Order::ByValue => FindingKind::OrderByValue,
        Order::Reversed => FindingKind::OrderReversed,
        Order::UpperCase => FindingKind::OrderUpperCase,
        Order::WithoutUnderscore => FindingKind::OrderWithoutUnderscore,
    }
}

fn of_charset(charset: Charset) -> FindingKind {
    match charset {
        Charset::Gbk => FindingKind::SignedInGbk,
        Charset::Gb18030 => FindingKind::SignedInGb18030,
        Charset::Latin1 => FindingKind::SignedInLatin1,
        Charset::Mojibake => FindingKind::Mojibake,
        Charset::Utf16 => FindingKind::SignedInUtf16,
    }
}

fn of_edit(edit: ValueEdit, name: &str, request: &Request<'_>) -> (FindingKind, String) {
    let none = String::new();
    match edit {
        ValueEdit::Encode(style) if UrlStyle::is_gbk(style) => (FindingKind::UrlEncodedGbk, none),
        ValueEdit::Encode(_) if request.url_encoded => (FindingKind::EncodedOnceMore, none),
        ValueEdit::Encode(_) | ValueEdit::AsOnWire => (FindingKind::UrlEncodedValues, none),
        ValueEdit::Decode | ValueEdit::DecodeKeepingPlus if request.url_encoded => (FindingKind::DecodedValues, none),
        ValueEdit::Decode | ValueEdit::DecodeKeepingPlus => (FindingKind::DoubleEncoded, none),
        ValueEdit::EscapesUpper | ValueEdit::EscapesLower => (FindingKind::EscapeCase, none),
        ValueEdit::SpaceWasPlus => (FindingKind::PlusBecameSpace, none),
        ValueEdit::PlusWasSpace => (FindingKind::SpaceBecamePlus, none),
        ValueEdit::HtmlEscaped | ValueEdit::HtmlUnescaped => (FindingKind::HtmlEntities, none),
        ValueEdit::Trimmed => (FindingKind::WhitespaceTrimmed, none),
        ValueEdit::WithoutSpaces => (FindingKind::WhitespaceRemoved, none),
        ValueEdit::HashLower | ValueEdit::HashUpper => (FindingKind::HashCase, none),
        ValueEdit::PlateLower | ValueEdit::PlateUpper => (FindingKind::LetterCase, "plate".into()),
        ValueEdit::UuidLower | ValueEdit::UuidUpper => (FindingKind::LetterCase, "park_uuid".into()),
        ValueEdit::NullForEmpty(null) => (FindingKind::NullForEmpty, null.into()),
        ValueEdit::Decimals(_) | ValueEdit::WithoutDecimals | ValueEdit::Exponent => (FindingKind::NumberFormat, none),
        ValueEdit::WithoutBom | ValueEdit::Before("\u{feff}") => (FindingKind::BomInValue, name.into()),
        ValueEdit::Before(_) | ValueEdit::After(_) => (FindingKind::WhitespaceAdded, name.into()),
    }
}

fn of_json(edit: JsonEdit) -> (FindingKind, String) {
    let none = String::new();
    match edit {
        JsonEdit::Compact | JsonEdit::Spaced | JsonEdit::Pretty(_) => (FindingKind::JsonSpacing, none),
        JsonEdit::Sorted => (FindingKind::JsonKeyOrder, none),
        JsonEdit::Ascii
        | JsonEdit::AsciiUpper
        | JsonEdit::Unicode
        | JsonEdit::Slashes
        | JsonEdit::PlainSlashes
        | JsonEdit::Html => (FindingKind::JsonEscapes, none),
        JsonEdit::NumbersAsStrings | JsonEdit::StringsAsNumbers => (FindingKind::JsonTypes, none),
        JsonEdit::WithoutNulls | JsonEdit::WithoutEmpties => (FindingKind::JsonOmissions, none),
        JsonEdit::Python => (FindingKind::JsonLibrary, "Python json.dumps".into()),
        JsonEdit::Php => (FindingKind::JsonLibrary, "PHP json_encode".into()),
        JsonEdit::Escaped => (FindingKind::JsonEscaped, none),
        JsonEdit::Unescaped => (FindingKind::JsonUnescaped, none),
        JsonEdit::JavaText => (FindingKind::JsonNotWritten, "Java List.toString()".into()),
        JsonEdit::PythonText => (FindingKind::JsonNotWritten, "Python str(list)".into()),
    }
}

fn of_place(place: SecretPlace) -> (FindingKind, String) {
    let none = String::new();
    match place {
        SecretPlace::Named(name) => (FindingKind::SecretOtherName, name.into()),
        SecretPlace::Bare(_) => (FindingKind::SecretWithoutName, none),
        SecretPlace::Front(..) => (FindingKind::SecretInFront, none),
        SecretPlace::BothEnds => (FindingKind::SecretBothEnds, none),
        SecretPlace::Sorted => (FindingKind::SecretSortedIn, none),
        SecretPlace::Missing(end) if end.ends_with('*') => (FindingKind::SecretMasked, none),
        SecretPlace::Missing(_) => (FindingKind::SecretMissing, none),
        SecretPlace::Between(_) | SecretPlace::Around(..) => (FindingKind::Separators, none),
        SecretPlace::Documented(secretly) => match secretly {
            Secretly::AsGiven | Secretly::Trimmed | Secretly::Padded(..) => (FindingKind::SecretWhitespace, none),
            Secretly::Lower => (FindingKind::SecretTransformed, "toLowerCase".into()),
            Secretly::Upper => (FindingKind::SecretTransformed, "toUpperCase".into()),
            Secretly::Md5Lower | Secretly::Md5Upper => (FindingKind::SecretTransformed, "MD5".into()),
            Secretly::Encoded => (FindingKind::SecretTransformed, "URLEncode".into()),
        },
    }
}

fn joined(join: Join) -> String {
    let (name, and) = (if join.names == Names::Signed { ["k", "l"] } else { ["", ""] }, join.and.escape_default());
    format!("{}{equals}v{and}{}{equals}w", name[0], name[1], equals = join.equals)
}

fn kept_names(request: &Request<'_>, kept: u64) -> String {
    let empties = request.params.iter().filter(|sent| sent.value.is_empty());
    let names: Vec<&str> =
        empties.enumerate().filter(|(at, _)| kept >> (*at).min(63) & 1 == 1).map(|(_, sent)| sent.name).collect();
    shortened(&names.join(", "))
}

/// The names whose values become longer when put back together.
fn rejoined_names(request: &Request<'_>) -> String {
    let whole = request.rejoined.iter().flatten();
    let names =
        whole.filter(|whole| request.params.iter().all(|sent| sent.value != whole.value)).map(|whole| whole.name);
    names.collect::<Vec<_>>().join(", ")
}
