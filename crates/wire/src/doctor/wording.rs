//! From a mistake to its kind, and the detail that its sentence names.

use super::json::JsonEdit;
use super::kind::Kind;
use super::mistake::{Charset, HashForm, Join, Mistake, Names, Order, Place, Secretly, Whole};
use super::recipe::Request;
use super::value_edit::{UrlStyle, ValueEdit};
use crate::form::shortened;

/// A kind and its detail.
pub(super) fn of(mistake: &Mistake, request: &Request<'_>) -> (Kind, String) {
    let name = |at: usize| request.params.get(at).map_or("", |sent| sent.name).to_owned();
    match mistake {
        Mistake::Order(order) => (of_order(*order), String::new()),
        Mistake::Without(at) if name(*at).ends_with("_hash") => (Kind::HashLeftOut, name(*at)),
        Mistake::Without(at) => (Kind::KeyLeftOut, name(*at)),
        Mistake::With { name, value, is_file: true } if name.ends_with("_file") => {
            (Kind::FileSigned, if value.is_empty() { name.clone() } else { format!("{name}={value}") })
        }
        Mistake::With { name, value, .. } => (Kind::AbsentKeySigned, format!("{name}={value}")),
        Mistake::SignIncluded(_) => (Kind::SignIncluded, String::new()),
        Mistake::Rejoined => (Kind::AmpersandSplit, rejoined_names(request)),
        Mistake::Empties { kept } => (Kind::EmptiesMixed, kept_names(request, *kept)),
        Mistake::Value(edit) => of_edit(*edit, "*", request),
        Mistake::ValueOf(at, edit) => of_edit(*edit, &name(*at), request),
        Mistake::Json(edit) => of_json(*edit),
        Mistake::Join(join) => (Kind::JoinedOtherwise, joined(*join)),
        Mistake::Place(place) => of_place(*place),
        Mistake::Whole(Whole::Bom) => (Kind::BomInFront, String::new()),
        Mistake::Whole(Whole::Encoded | Whole::EncodedByJs) => (Kind::WholeEncoded, String::new()),
        Mistake::Whole(Whole::Lower | Whole::Upper) => (Kind::WholeCase, String::new()),
        Mistake::Charset(charset) => (of_charset(*charset), String::new()),
        Mistake::Hash(HashForm::Hmac | HashForm::HmacWhole) => (Kind::HmacMd5, String::new()),
        Mistake::Hash(HashForm::TwiceLower | HashForm::TwiceUpper | HashForm::TwiceRaw) => {
            (Kind::Md5Twice, String::new())
        }
    }
}

fn of_order(order: Order) -> Kind {
    match order {
        Order::AsSent => Kind::OrderAsSent,
        Order::ByValue => Kind::OrderByValue,
        Order::Reversed => Kind::OrderReversed,
        Order::UpperCase => Kind::OrderUpperCase,
        Order::WithoutUnderscore => Kind::OrderWithoutUnderscore,
    }
}

fn of_charset(charset: Charset) -> Kind {
    match charset {
        Charset::Gbk => Kind::SignedInGbk,
        Charset::Gb18030 => Kind::SignedInGb18030,
        Charset::Latin1 => Kind::SignedInLatin1,
        Charset::Mojibake => Kind::Mojibake,
        Charset::Utf16 => Kind::SignedInUtf16,
    }
}

fn of_edit(edit: ValueEdit, name: &str, request: &Request<'_>) -> (Kind, String) {
    let none = String::new();
    match edit {
        ValueEdit::Encode(style) if UrlStyle::is_gbk(style) => (Kind::UrlEncodedGbk, none),
        ValueEdit::Encode(_) if request.url_encoded => (Kind::EncodedOnceMore, none),
        ValueEdit::Encode(_) | ValueEdit::AsOnWire => (Kind::UrlEncodedValues, none),
        ValueEdit::Decode | ValueEdit::DecodeKeepingPlus if request.url_encoded => (Kind::DecodedValues, none),
        ValueEdit::Decode | ValueEdit::DecodeKeepingPlus => (Kind::DoubleEncoded, none),
        ValueEdit::EscapesUpper | ValueEdit::EscapesLower => (Kind::EscapeCase, none),
        ValueEdit::SpaceWasPlus => (Kind::PlusBecameSpace, none),
        ValueEdit::PlusWasSpace => (Kind::SpaceBecamePlus, none),
        ValueEdit::HtmlEscaped | ValueEdit::HtmlUnescaped => (Kind::HtmlEntities, none),
        ValueEdit::Trimmed => (Kind::WhitespaceTrimmed, none),
        ValueEdit::WithoutSpaces => (Kind::WhitespaceRemoved, none),
        ValueEdit::HashLower | ValueEdit::HashUpper => (Kind::HashCase, none),
        ValueEdit::PlateLower | ValueEdit::PlateUpper => (Kind::LetterCase, "plate".into()),
        ValueEdit::UuidLower | ValueEdit::UuidUpper => (Kind::LetterCase, "park_uuid".into()),
        ValueEdit::NullForEmpty(null) => (Kind::NullForEmpty, null.into()),
        ValueEdit::Decimals(_) | ValueEdit::WithoutDecimals | ValueEdit::Exponent => (Kind::NumberFormat, none),
        ValueEdit::WithoutBom | ValueEdit::Before("\u{feff}") => (Kind::BomInValue, name.into()),
        ValueEdit::Before(_) | ValueEdit::After(_) => (Kind::WhitespaceAdded, name.into()),
    }
}

fn of_json(edit: JsonEdit) -> (Kind, String) {
    let none = String::new();
    match edit {
        JsonEdit::Compact | JsonEdit::Spaced | JsonEdit::Pretty(_) => (Kind::JsonSpacing, none),
        JsonEdit::Sorted => (Kind::JsonKeyOrder, none),
        JsonEdit::Ascii
        | JsonEdit::AsciiUpper
        | JsonEdit::Unicode
        | JsonEdit::Slashes
        | JsonEdit::PlainSlashes
        | JsonEdit::Html => (Kind::JsonEscapes, none),
        JsonEdit::NumbersAsStrings | JsonEdit::StringsAsNumbers => (Kind::JsonTypes, none),
        JsonEdit::WithoutNulls | JsonEdit::WithoutEmpties => (Kind::JsonOmissions, none),
        JsonEdit::Python => (Kind::JsonLibrary, "Python json.dumps".into()),
        JsonEdit::Php => (Kind::JsonLibrary, "PHP json_encode".into()),
        JsonEdit::Escaped => (Kind::JsonEscaped, none),
        JsonEdit::Unescaped => (Kind::JsonUnescaped, none),
        JsonEdit::JavaText => (Kind::JsonNotWritten, "Java List.toString()".into()),
        JsonEdit::PythonText => (Kind::JsonNotWritten, "Python str(list)".into()),
    }
}

fn of_place(place: Place) -> (Kind, String) {
    let none = String::new();
    match place {
        Place::Named(name) => (Kind::SecretOtherName, name.into()),
        Place::Bare(_) => (Kind::SecretWithoutName, none),
        Place::Front(..) => (Kind::SecretInFront, none),
        Place::BothEnds => (Kind::SecretBothEnds, none),
        Place::Sorted => (Kind::SecretSortedIn, none),
        Place::Missing(end) if end.ends_with('*') => (Kind::SecretMasked, none),
        Place::Missing(_) => (Kind::SecretMissing, none),
        Place::Between(_) | Place::Around(..) => (Kind::Separators, none),
        Place::Documented(secretly) => match secretly {
            Secretly::AsGiven | Secretly::Trimmed | Secretly::Padded(..) => (Kind::SecretWhitespace, none),
            Secretly::Lower => (Kind::SecretTransformed, "toLowerCase".into()),
            Secretly::Upper => (Kind::SecretTransformed, "toUpperCase".into()),
            Secretly::Md5Lower | Secretly::Md5Upper => (Kind::SecretTransformed, "MD5".into()),
            Secretly::Encoded => (Kind::SecretTransformed, "URLEncode".into()),
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

/// The names whose values are longer when put together again.
fn rejoined_names(request: &Request<'_>) -> String {
    let whole = request.rejoined.iter().flatten();
    let names =
        whole.filter(|whole| request.params.iter().all(|sent| sent.value != whole.value)).map(|whole| whole.name);
    names.collect::<Vec<_>>().join(", ")
}
