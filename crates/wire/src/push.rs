//! A verified form as a typed push (`leave.md`, the parameter table).
//!
//! Only what a rule looks at is typed; everything that was sent, also what no version of the protocol names, stays in
//! [`Push::params`]. The checks of `DESIGN.md` 3.3 stand here in their order: required parameters before the signature
//! ([`check_required`]), values after it ([`Push::read`]).

mod payment;

use sha2::{Digest as _, Sha256};

pub use self::payment::{entry_text, payment_entries};
use crate::call::{Call, TimeForm};
use crate::field::{self, AMOUNTS, CAPTURE_IMAGE, CAPTURE_IMAGE_HASH, IMAGE_FIELDS, Need, parameter_of_part};
use crate::form::{Form, UploadedFile};
use crate::params::Params;
use crate::push_kind::PushKind;
use crate::refusal::{Refusal, shortened};
use crate::signature::{VerifiedForm, as_received};
use crate::value::{Digest, Fen, Md5Hash, UnixMillis};

/// A push whose values all have the documented form.
#[derive(Debug, Clone)]
pub struct Push {
    /// Which call.
    pub kind: PushKind,
    /// `parking_serial`: the car park's own serial of the stay.
    pub parking_serial: String,
    /// What makes a release or an update unique among its kind ([`own_key`]); an enter and a leave have the serial.
    pub own_key: Option<String>,
    /// `plate`, if sent.
    pub plate: Option<String>,
    /// `enter_time`; an enter and a leave have one.
    pub enter_time: Option<UnixMillis>,
    /// `leave_time`; a leave has one, an update may.
    pub leave_time: Option<UnixMillis>,
    /// `release_time` or `operate_time`, if sent.
    pub done_time: Option<UnixMillis>,
    /// `payment_list`, in its order.
    pub payments: Vec<Payment>,
    /// `total_parking_space` and `remain_parking_space`, if both were sent and the total is over 0.
    pub space: Option<SpaceReport>,
    /// Everything that was sent, in its order, values as meant (after `encoding=URL`).
    pub params: Params,
    files: Vec<UploadedFile>,
    /// The form as received, where it differs from what is meant.
    received: Option<Form>,
}

impl Push {
    /// When it happened: `leave_time`, `release_time` or `operate_time`, of an enter `enter_time`; an update or a release that
    /// says nothing of it happened when it was received.
    #[must_use]
    pub fn event_time(&self, received_at: UnixMillis) -> UnixMillis {
        let entered = self.enter_time.filter(|_| self.kind == PushKind::Enter);
        self.leave_time.or(entered).or(self.done_time).unwrap_or(received_at)
    }

    /// When the vehicle entered, as far as this push says; else when it happened.
    #[must_use]
    pub fn entered_by(&self, received_at: UnixMillis) -> UnixMillis {
        self.enter_time.unwrap_or_else(|| self.event_time(received_at))
    }

    /// Equal for two pushes of the same content ([`Params::digest`]). A file counts by its hash: of one that is sent without,
    /// by its own.
    #[must_use]
    pub fn digest(&self, key: &[u8; 32]) -> Digest {
        let unhashed = self.files.iter().filter(|file| self.params.get(&field::hash_name(&file.name)).is_none());
        self.params.digest(self.kind, unhashed, key)
    }

    /// The form as it was received.
    #[must_use]
    pub fn into_form(self) -> Form {
        as_received(self.received, self.params, self.files)
    }
}

/// What makes a push unique among its kind: of an update `flow_no`, of a release its type, time and serial. None where the
/// serial does.
#[must_use]
pub fn own_key<'a>(kind: PushKind, get: impl Fn(&str) -> Option<&'a str>) -> Option<String> {
    let text = |name: &str| get(name).unwrap_or_default();
    match kind {
        PushKind::Enter | PushKind::Leave => None,
        PushKind::Update => Some(shortened_key(format!("{UPDATE_KEY}{}", text("flow_no")))),
        PushKind::Release => {
            // However the time is written, it is the same one.
            let time = get("release_time").and_then(UnixMillis::parse_iso).map(|time| time.to_string());
            let (release_type, time) = (text("release_type"), time.unwrap_or_default());
            // With the type's length, so that no other type, time and serial give the same text.
            let type_length = release_type.len();
            Some(shortened_key(format!("release:{type_length}:{release_type}/{time}/{}", text("parking_serial"))))
        }
    }
}

/// The key of an update is this and its `flow_no`: no serial looks like it.
pub const UPDATE_KEY: &str = "update:";

/// A key of its own is never long, nor has it a character that a store would write otherwise: such a key is its beginning and
/// its digest, which no other one equals.
fn shortened_key(key: String) -> String {
    const BYTES_MAX: usize = 256;
    if key.len() <= BYTES_MAX && !key.contains(['\0', '\u{10FFFF}']) {
        return key;
    }
    let end = (0..=BYTES_MAX.min(key.len())).rev().find(|end| key.is_char_boundary(*end)).unwrap_or_default();
    let start = key.get(..end).unwrap_or_default().replace(['\0', '\u{10FFFF}'], "?");
    format!("{start}#{}", hex::encode(Sha256::digest(key.as_bytes())))
}

/// The free spaces that a push reports (`leave.md`, note 5).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SpaceReport {
    /// `total_parking_space`, over 0.
    pub total: u32,
    /// `remain_parking_space`.
    pub remain: u32,
}

impl SpaceReport {
    /// The report in these parameters, if there is one. Numbers that cannot be read are no report: a car park must not
    /// get stuck on them (see the advisories).
    #[must_use]
    pub fn read<'a>(get: impl Fn(&str) -> Option<&'a str>) -> Option<SpaceReport> {
        let total: u32 = get("total_parking_space")?.parse().ok().filter(|total| *total > 0)?;
        let remain: u32 = get("remain_parking_space")?.parse().ok()?;
        Some(SpaceReport { total, remain })
    }
}

/// One entry of `payment_list`. Amounts in fen.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Payment {
    /// `parking_order`: the car park's order number, if it has one.
    pub parking_order: Option<String>,
    /// `pay_type` as sent (`1` cash, `2` online, `3` auto, `4` stored value, `8` coupon); empty where none was sent.
    pub pay_type: String,
    /// `value`: the amount received, without discounts.
    pub value: Option<Fen>,
    /// `free_value`: the discount.
    pub free_value: Option<Fen>,
    /// `change_value`: change due, cash only.
    pub change_value: Option<Fen>,
    /// `pay_time`.
    pub pay_time: Option<UnixMillis>,
}

const MILLIS: &str = "13位毫秒时间戳 (13-digit milliseconds)";
const ISO: &str = "UTC时间如2023-03-27T08:00:00Z (ISO 8601 with its zone)";
const FEN: &str = "不小于0的整数, 单位分 (whole fen, 0 or more)";
const MD5: &str = "32位十六进制MD5 (32 hex digits)";
const FILE: &str = "multipart文件 (a multipart file part)";

/// The first required parameter that is missing, in the order of the document's table.
///
/// `strict` adds what the table marks required and every example leaves out. An empty value counts as missing, except
/// where it may be empty ([`Need::Sent`]).
///
/// # Errors
/// [`Refusal::Missing`].
pub fn check_required(form: &Form, call: &Call, strict: bool) -> Result<(), Refusal> {
    for field in call.fields {
        let required = match field.need {
            Need::Optional => false,
            Need::Required | Need::Sent => true,
            Need::RequiredForLeave => call.kind == Some(PushKind::Leave),
            Need::Strict => strict,
            Need::StrictWithApp => strict && form.get("app_id").is_some(),
        };
        let sent = if field.need == Need::Sent { form.has(field.name) } else { form.get(field.name).is_some() };
        if required && !sent {
            return Err(Refusal::Missing { name: field.name });
        }
    }
    Ok(())
}

impl Push {
    /// Reads a verified form as a push. Checks every value that has a documented form, and that there are no more
    /// payments than `payments_max`.
    ///
    /// The first parameter, in the order of the checks, whose value does not have the documented form; and the form as
    /// it was received.
    pub fn read(verified: VerifiedForm, kind: PushKind, payments_max: usize) -> Result<Push, Box<(Refusal, Form)>> {
        match read_values(&verified, kind, payments_max) {
            Err(refusal) => Err(Box::new((refusal, verified.into_form()))),
            Ok(values) => {
                let VerifiedForm { params, files, received, .. } = verified;
                Ok(Push {
                    kind,
                    parking_serial: params.get("parking_serial").unwrap_or_default().to_owned(),
                    own_key: own_key(kind, |name| params.get(name)),
                    plate: params.get("plate").map(str::to_owned),
                    enter_time: values.enter_time,
                    leave_time: values.leave_time,
                    done_time: values.done_time,
                    payments: values.payments,
                    space: if kind.is_half() { SpaceReport::read(|name| params.get(name)) } else { None },
                    params,
                    files,
                    received,
                })
            }
        }
    }
}

#[derive(Default)]
struct PushValues {
    enter_time: Option<UnixMillis>,
    leave_time: Option<UnixMillis>,
    done_time: Option<UnixMillis>,
    payments: Vec<Payment>,
}

fn read_values(verified: &VerifiedForm, kind: PushKind, payments_max: usize) -> Result<PushValues, Refusal> {
    let params = &verified.params;
    let mut values = PushValues::default();
    for name in kind.call().times {
        let time = time(params, name, kind.call().time_form)?;
        match *name {
            "enter_time" => values.enter_time = time,
            "leave_time" => values.leave_time = time,
            _ => values.done_time = time,
        }
    }
    if kind.is_half() {
        if values.enter_time.is_none() {
            return Err(Refusal::Missing { name: "enter_time" });
        }
        if kind == PushKind::Leave && values.leave_time.is_none() {
            return Err(Refusal::Missing { name: "leave_time" });
        }
        for name in AMOUNTS {
            amount(params, name)?;
        }
        if let Some(list) = params.get("payment_list") {
            values.payments = payment::read_list(list, payments_max)?;
        }
    }
    check_files(&verified.files, params, kind)?;
    Ok(values)
}

/// The question before the barrier opens: checks the values of a verified form.
///
/// # Errors
/// The first time that does not have the documented form.
pub fn check_times(verified: &VerifiedForm, call: &Call) -> Result<(), Refusal> {
    call.times.iter().try_for_each(|name| time(&verified.params, name, call.time_form).map(drop))
}

fn time(params: &Params, name: &str, form: TimeForm) -> Result<Option<UnixMillis>, Refusal> {
    let Some(text) = params.get(name) else { return Ok(None) };
    let (read, expected) = match form {
        TimeForm::Millis => (UnixMillis::parse(text), MILLIS),
        TimeForm::Iso => (UnixMillis::parse_iso(text), ISO),
    };
    read.map(Some).ok_or_else(|| wrong(name, text, expected))
}

/// An amount of that name, in fen.
///
/// # Errors
/// It is not whole fen.
pub(crate) fn amount(params: &Params, name: &str) -> Result<Option<Fen>, Refusal> {
    match params.get(name) {
        None => Ok(None),
        Some(text) => Fen::parse(text).map(Some).ok_or_else(|| wrong(name, text, FEN)),
    }
}

fn wrong(name: &str, found: &str, expected: &'static str) -> Refusal {
    Refusal::Value { name: name.to_owned(), found: shortened(found), expected }
}

/// A file needs its hash, a hash its file, and the hash must be the file's (`leave.md`, 特殊说明). An empty file counts as
/// not sent, and so does its hash.
fn check_files(files: &[UploadedFile], params: &Params, kind: PushKind) -> Result<(), Refusal> {
    for (file, hash, _) in IMAGE_FIELDS {
        if let Some(text) = params.get(file) {
            return Err(wrong(file, text, FILE));
        }
        check_file_of(hash, file, files, params)?;
    }
    if kind == PushKind::Release {
        check_file_of(CAPTURE_IMAGE_HASH, CAPTURE_IMAGE, files, params)?;
    }
    files.iter().try_for_each(|part| check_hash(part, params))
}

/// A hash that says anything needs its file.
fn check_file_of(hash: &str, file: &str, files: &[UploadedFile], params: &Params) -> Result<(), Refusal> {
    let names_a_file = params.get(hash).is_some_and(|text| Md5Hash::parse(text) != Some(Md5Hash::OF_NOTHING));
    let parameter = parameter_of_part(file);
    if names_a_file && !files.iter().any(|part| parameter_of_part(&part.name) == parameter) {
        return Err(Refusal::FileMissing { name: hash.to_owned(), file: file.to_owned() });
    }
    Ok(())
}

/// Where a hash is sent, it is compared, also where none is needed.
fn check_hash(part: &UploadedFile, params: &Params) -> Result<(), Refusal> {
    let hash = field::hash_name(&part.name);
    let Some(text) = params.get(&hash) else {
        // There need be none.
        if part.name == CAPTURE_IMAGE {
            return Ok(());
        }
        return Err(Refusal::HashMissing { name: hash, file: part.name.clone() });
    };
    match Md5Hash::parse(text) {
        None => Err(wrong(&hash, text, MD5)),
        Some(md5) if md5 != part.md5 => {
            let (found, computed) = (shortened(text), part.md5.to_string());
            Err(Refusal::HashDiffers { name: hash, found, computed })
        }
        Some(_) => Ok(()),
    }
}

#[cfg(test)]
mod tests;
