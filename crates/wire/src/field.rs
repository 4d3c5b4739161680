//! The document's parameter tables as data (`leave.md`, 请求参数): which parameters are known, which are required, and
//! which values are listed.

use std::sync::LazyLock;

/// Must a parameter be sent?
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Need {
    /// Marked N.
    Optional,
    /// Marked Y, and enforced.
    Required,
    /// Marked Y, and may be empty: the platform's own pushes send `car_desc` so, and an unread plate is none.
    Sent,
    /// Marked Y for a leave.
    RequiredForLeave,
    /// Marked Y, yet left out by every example: enforced for strict parks only.
    Strict,
    /// As [`Need::Strict`], and only where `app_id` is sent ("不传app_id的不传该字段").
    StrictWithApp,
}

/// One row of the parameter table.
#[derive(Debug, Clone, Copy)]
pub struct Field {
    /// The protocol's name.
    pub name: &'static str,
    /// Must it be sent?
    pub need: Need,
    /// The values the table lists; empty where any will do.
    pub listed: &'static [&'static str],
}

const fn field(name: &'static str, need: Need) -> Field {
    Field { name, need, listed: &[] }
}

const fn listed(name: &'static str, need: Need, listed: &'static [&'static str]) -> Field {
    Field { name, need, listed }
}

/// Every parameter of enter and leave, in the order of the document's table, then those of later versions.
pub const FIELDS: &[Field] = &[
    field("app_id", Need::Optional),
    field("sign", Need::Optional),
    field("payment_list", Need::Optional),
    // Required as well, but checked before all others: it decides whose secret to use.
    field("park_uuid", Need::Optional),
    field("api_type", Need::StrictWithApp),
    field("parking_serial", Need::Required),
    field("plate", Need::Optional),
    listed("plate_color", Need::Required, &["1", "2", "3", "4", "5", "-1"]),
    listed("plate_type", Need::Optional, &["0", "1", "2"]),
    field("enter_time", Need::Required),
    field("enter_image", Need::Optional),
    field("enter_image_file", Need::Optional),
    field("enter_image_hash", Need::Optional),
    field("enter_plate_image", Need::Optional),
    field("enter_plate_image_file", Need::Optional),
    field("enter_plate_image_hash", Need::Optional),
    field("enter_gate", Need::Optional),
    field("enter_security", Need::Optional),
    listed("car_type", Need::Required, &["1", "2", "3", "4", "0"]),
    field("car_desc", Need::Sent),
    listed("car_color", Need::Optional, &["1", "2", "3", "4", "5", "6", "7", "8", "-1"]),
    listed("vehicle_type", Need::Optional, &["1", "2", "3", "-1"]),
    field("charge_type", Need::Strict),
    field("leave_time", Need::RequiredForLeave),
    field("leave_image", Need::Optional),
    field("leave_image_file", Need::Optional),
    field("leave_image_hash", Need::Optional),
    field("leave_plate_image", Need::Optional),
    field("leave_plate_image_file", Need::Optional),
    field("leave_plate_image_hash", Need::Optional),
    field("leave_gate", Need::Optional),
    field("leave_security", Need::Optional),
    field("total_value", Need::Optional),
    field("free_value", Need::Optional),
    field("online_value", Need::Optional),
    field("balance_value", Need::Optional),
    field("cash_value", Need::Optional),
    field("prepaid_value", Need::Optional),
    field("idcard_name", Need::Optional),
    field("idcard_no", Need::Optional),
    field("idcard_image", Need::Optional),
    field("enter_release_reason", Need::Optional),
    field("leave_release_reason", Need::Optional),
    field("total_parking_space", Need::Optional),
    field("remain_parking_space", Need::Optional),
    // Common parameters, and fields of later versions of the page.
    field("encoding", Need::Optional),
    field("timestamp", Need::Optional),
    field("sign_type", Need::Optional),
    field("merchant", Need::Optional),
    field("card_no", Need::Optional),
    field("card_id", Need::Optional),
    field("pay_value", Need::Optional),
    field("telephone", Need::Optional),
    // Not a parameter, but a name at which a canonical string can be split.
    field("app_secret", Need::Optional),
];

/// What may come with every call.
macro_rules! with_common {
    ($($row:expr),* $(,)?) => {
        &[
            field("app_id", Need::Optional),
            field("sign", Need::Optional),
            field("park_uuid", Need::Optional),
            field("api_type", Need::StrictWithApp),
            $($row,)*
            field("encoding", Need::Optional),
            field("timestamp", Need::Optional),
            field("sign_type", Need::Optional),
            field("merchant", Need::Optional),
            field("app_secret", Need::Optional),
        ]
    };
}

/// The parameters of a release (人工放行).
pub const RELEASE_FIELDS: &[Field] = with_common![
    listed("release_type", Need::Required, &["1", "2"]),
    field("parking_serial", Need::Required),
    // Barriers are opened by hand for vehicles whose plates are not read.
    field("plate", Need::Sent),
    listed("plate_color", Need::Optional, &["1", "2", "3", "4", "5", "-1"]),
    field("release_time", Need::Optional),
    field("capture_image", Need::Optional),
    field("gate_name", Need::Optional),
    field("gate_id", Need::Optional),
    listed("car_type", Need::Optional, &["1", "2", "3", "4", "0"]),
    field("car_desc", Need::Optional),
    field("operator", Need::Optional),
    field("reason", Need::Optional),
    listed("release_method", Need::Optional, &["0", "1", "2", "3"]),
    field("release_method_desc", Need::Optional),
];

/// The parameters of an update (记录变更).
pub const UPDATE_FIELDS: &[Field] = with_common![
    field("flow_no", Need::Required),
    field("parking_serial", Need::Required),
    field("plate", Need::Required),
    listed("plate_color", Need::Optional, &["1", "2", "3", "4", "5", "-1"]),
    listed("car_type", Need::Optional, &["1", "2", "3", "4", "0"]),
    field("car_desc", Need::Optional),
    field("enter_time", Need::Optional),
    field("leave_time", Need::Optional),
    // Marked Y, and missing from the page's own sample.
    field("operate_time", Need::Strict),
    field("operator", Need::Required),
    field("reason", Need::Required),
];

/// The parameters of the question before the barrier opens (入场前查询).
pub const BEFORE_FIELDS: &[Field] = with_common![
    field("plate", Need::Required),
    listed("plate_color", Need::Required, &["1", "2", "3", "4", "5", "-1"]),
    field("gate_time", Need::Required),
    field("gate_id", Need::Required),
    field("gate_name", Need::Required),
    field("capture_image", Need::Optional),
    listed("vehicle_type", Need::Optional, &["1", "2", "3", "-1"]),
];

/// Names that only the later pages have.
const LATER_NAMES: [&str; 12] = [
    "release_type",
    "release_time",
    "capture_image",
    "gate_name",
    "gate_id",
    "operator",
    "reason",
    "release_method",
    "release_method_desc",
    "flow_no",
    "operate_time",
    "gate_time",
];

/// How many names any page documents.
pub(crate) const NAME_COUNT: usize = FIELDS.len() + LATER_NAMES.len();
/// Every name that any page documents.
pub(crate) const NAMES: [&str; NAME_COUNT] = all_names();

/// The amounts of a leave, each in fen.
pub const AMOUNTS: [&str; 6] =
    ["total_value", "free_value", "online_value", "balance_value", "cash_value", "prepaid_value"];

/// Personal data: sealed at rest (`DESIGN.md` 8).
pub const PERSONAL: [&str; 3] = ["idcard_name", "idcard_no", "idcard_image"];

/// The fields a picture can be uploaded for: part `X_file`, hash `X_hash`, URL `X`; of a release `capture_image`, which is
/// the URL or the file itself.
pub const IMAGES: [&str; 5] = ["enter_image", "enter_plate_image", "leave_image", "leave_plate_image", CAPTURE_IMAGE];

/// The picture of a release: a URL, or the bytes in a part of the same name, without a hash.
pub const CAPTURE_IMAGE: &str = "capture_image";

/// The hash of that picture, which no page documents: some send it all the same.
pub const CAPTURE_IMAGE_HASH: &str = "capture_image_hash";

/// The parameter that must hold the MD5 of an uploaded picture; none for [`CAPTURE_IMAGE`].
#[must_use]
pub fn hash_of_part(part: &str) -> Option<String> {
    (part != CAPTURE_IMAGE).then(|| hash_name(part))
}

/// The parameter that holds the MD5 of an uploaded picture, if any does.
pub(crate) fn hash_name(part: &str) -> String {
    format!("{}_hash", part.strip_suffix("_file").unwrap_or(part))
}

/// `X` of a part named `X_file`, if the part is a file at all: recognised by its name, since clients send files without
/// a file name and texts with one. `is_file` says what it contains, which only counts for [`CAPTURE_IMAGE`]: that name holds
/// a URL or the file itself.
#[must_use]
pub fn image_of_part(part_name: &str, is_file: bool) -> Option<&str> {
    if part_name == CAPTURE_IMAGE {
        return is_file.then_some(part_name);
    }
    part_name.strip_suffix("_file").filter(|image| is_name(image.as_bytes()))
}

/// The parameter that a picture is stored under, of the part it came in: two parts can have the same.
#[must_use]
pub fn parameter_of_part(part: &str) -> &str {
    image_of_part(part, true).unwrap_or(part)
}

/// Part, hash and URL of each picture that can be uploaded, by their names.
pub const IMAGE_FIELDS: [(&str, &str, &str); 4] = [
    ("enter_image_file", "enter_image_hash", "enter_image"),
    ("enter_plate_image_file", "enter_plate_image_hash", "enter_plate_image"),
    ("leave_image_file", "leave_image_hash", "leave_image"),
    ("leave_plate_image_file", "leave_plate_image_hash", "leave_plate_image"),
];

/// Does any page document this name?
#[must_use]
pub fn known(name: &str) -> bool {
    index_of(name).is_some()
}

/// Where a name stands among those that any page documents, by one look-up and one comparison: this is asked several times
/// for every name of every push.
pub(crate) fn index_of(name: &str) -> Option<usize> {
    let index = usize::from(*PLACES.get(slot_of(name.as_bytes()))?);
    NAMES.get(index).filter(|known| **known == name).map(|_| index)
}

/// The name that stands there.
pub(crate) fn name_at(index: u8) -> Option<&'static str> {
    NAMES.get(usize::from(index)).copied()
}

/// Slots of the look-up table: as many as a byte has values.
const SLOTS: usize = 256;
/// Marks an empty slot.
const NOBODY: u8 = u8::MAX;
/// With this factor every documented name has a slot of its own. If the list of names changes, search for another by
/// trying random factors.
const FACTOR: u32 = 0x0A72_2A05;
const PLACES: [u8; SLOTS] = places();

/// From a name's length and three of its bytes.
const fn slot_of(name: &[u8]) -> usize {
    let (Some(first), Some(last)) = (name.first(), name.last()) else { return 0 };
    let (_, rest) = name.split_at(name.len() * 3 / 4);
    let inner = match rest.first() {
        Some(inner) => *inner,
        None => 0,
    };
    let key = u32::from_le_bytes([name.len() as u8, *first, *last, inner]);
    (key.wrapping_mul(FACTOR) >> 24) as usize
}

#[expect(clippy::indexing_slicing, reason = "a slot is below SLOTS; out of bounds, it would not compile")]
const fn places() -> [u8; SLOTS] {
    let (mut places, mut index) = ([NOBODY; SLOTS], 0);
    while index < NAMES.len() {
        let slot = slot_of(NAMES[index].as_bytes());
        assert!(places[slot] == NOBODY, "two names fall into one slot: another FACTOR is needed");
        places[slot] = index as u8;
        index += 1;
    }
    places
}

#[expect(clippy::indexing_slicing, reason = "out of bounds, it would not compile")]
const fn all_names() -> [&'static str; NAME_COUNT] {
    let (mut names, mut index) = ([""; NAME_COUNT], 0);
    while index < NAME_COUNT {
        names[index] = if index < FIELDS.len() { FIELDS[index].name } else { LATER_NAMES[index - FIELDS.len()] };
        index += 1;
    }
    names
}

/// A field's rank in byte order: comparing two ranks compares their names.
pub(crate) fn alphabetical(field: u8) -> u8 {
    ALPHABETICAL.get(usize::from(field)).copied().unwrap_or(u8::MAX)
}

/// Some fields, as a set.
pub(crate) struct FieldSet(u128);

impl FieldSet {
    pub(crate) fn of(names: &[&str]) -> FieldSet {
        FieldSet(names.iter().filter_map(|name| index_of(name)).fold(0, |set, field| set | 1 << field))
    }

    pub(crate) fn has(&self, field: Option<u8>) -> bool {
        field.is_some_and(|field| self.0 >> field & 1 == 1)
    }
}

const _: () = assert!(NAME_COUNT <= 128, "a FieldSet has a bit for each");

/// Is it a name by the protocol's rule: `[a-z0-9_]{1,64}`?
#[must_use]
pub fn is_name(name: &[u8]) -> bool {
    (1..=64).contains(&name.len()) && name.iter().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || *b == b'_')
}

static ALPHABETICAL: LazyLock<Vec<u8>> = LazyLock::new(|| {
    let before = |name: &str| NAMES.iter().filter(|other| **other < name).count();
    NAMES.iter().filter_map(|name| u8::try_from(before(name)).ok()).collect()
});

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_is_found_and_named_once() {
        for (index, name) in NAMES.iter().enumerate() {
            assert!(is_name(name.as_bytes()));
            assert_eq!(index_of(name), Some(index));
            for (other_index, other) in NAMES.iter().enumerate() {
                let ordered = alphabetical(index as u8).cmp(&alphabetical(other_index as u8));
                assert_eq!(ordered, name.cmp(other));
            }
            assert!(NAMES.iter().skip(index + 1).all(|other| other != name), "{name}");
        }
        assert!(!known("fm"));
        assert!(!known(""));
        assert!(!known(&"x".repeat(200)));
    }
}
