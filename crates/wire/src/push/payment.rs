//! `payment_list`: a JSON array of objects in one text field (`leave.md`, payment字段说明).
//!
//! Amounts and types come as JSON numbers or strings, even mixed in one list. Undocumented fields are skipped here;
//! they stay in the text of the parameter.

use serde::Deserialize;
use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserializer, Error as _, MapAccess, Visitor};
use serde_json::Value;
use serde_json::value::RawValue;

use super::{FEN, MILLIS, Payment};
use crate::refusal::{Refusal, shortened};
use crate::value::{Fen, UnixMillis, says_nothing};

/// Reads the list; `null` is none.
///
/// It is not an array of objects, is too long, or an entry's amount or time does not have the documented form.
pub(super) fn read_list(list: &str, payments_max: usize) -> Result<Vec<Payment>, Refusal> {
    let not_a_list = || Refusal::Value {
        name: "payment_list".into(),
        found: shortened(list),
        expected: "JSON对象数组 (a JSON array of objects)",
    };
    let entries: Vec<ObjectOnly> = serde_json::from_str(list).map_err(|_| not_a_list())?;
    if !is_read_by_all(list, entries.len()) {
        return Err(not_a_list());
    }
    if entries.len() > payments_max {
        return Err(Refusal::TooManyPayments { found: entries.len(), max: payments_max });
    }
    entries.into_iter().enumerate().map(|(position, ObjectOnly(entry))| entry.read(position)).collect()
}

/// The entries of a `payment_list` as they were sent, for whoever shows, sums or completes them; `null` is none. In lists that
/// were stored before entries were checked, an entry may be no object.
///
/// # Errors
/// It is no JSON array.
pub fn payment_entries(list: &str) -> Result<Vec<Value>, serde_json::Error> {
    if says_nothing(list) { Ok(Vec::new()) } else { serde_json::from_str(list) }
}

/// A field of an entry as text: a string that says something, or a number as it was written.
#[must_use]
pub fn entry_text(field: &Value) -> Option<String> {
    match field {
        Value::String(text) => Some(text.clone()).filter(|text| !says_nothing(text)),
        Value::Number(number) => Some(number.to_string()),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
    }
}

/// Can everybody who later shows the list parse it, too? Undocumented fields were only skipped so far: they may be
/// nested too deeply for a JSON value, or use a name that `serde_json` reserves. Few lists have more than their own
/// brackets, a `$` or an escape.
fn is_read_by_all(list: &str, entries: usize) -> bool {
    let brackets = list.bytes().filter(|byte| b"[{".contains(byte)).count();
    let is_plain = brackets <= entries + 1 && !list.contains('$') && !list.contains("\\u");
    is_plain || serde_json::from_str::<Vec<Value>>(list).is_ok()
}

/// A `#[derive]`d struct also accepts an array of its fields' values; an entry must be an object.
struct ObjectOnly(PaymentEntry);

impl<'de> Deserialize<'de> for ObjectOnly {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Object;

        impl<'de> Visitor<'de> for Object {
            type Value = ObjectOnly;

            fn expecting(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                out.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<ObjectOnly, A::Error> {
                PaymentEntry::deserialize(MapAccessDeserializer::new(map)).map(ObjectOnly)
            }
        }

        deserializer.deserialize_map(Object)
    }
}

#[derive(Deserialize)]
struct PaymentEntry {
    #[serde(default, deserialize_with = "scalar")]
    parking_order: Option<String>,
    #[serde(default, deserialize_with = "scalar")]
    pay_type: Option<String>,
    #[serde(default, deserialize_with = "scalar")]
    value: Option<String>,
    #[serde(default, deserialize_with = "scalar")]
    free_value: Option<String>,
    #[serde(default, deserialize_with = "scalar")]
    change_value: Option<String>,
    #[serde(default, deserialize_with = "scalar")]
    pay_time: Option<String>,
}

impl PaymentEntry {
    fn read(self, position: usize) -> Result<Payment, Refusal> {
        let wrong = |field: &str, found: &str, expected| Refusal::Value {
            name: format!("payment_list[{position}].{field}"),
            found: shortened(found),
            expected,
        };
        let fen = |field: &str, text: Option<String>| match text {
            None => Ok(None),
            Some(text) => Fen::parse(&text).map(Some).ok_or_else(|| wrong(field, &text, FEN)),
        };
        Ok(Payment {
            value: fen("value", self.value)?,
            free_value: fen("free_value", self.free_value)?,
            change_value: fen("change_value", self.change_value)?,
            pay_time: match self.pay_time {
                None => None,
                Some(text) => Some(UnixMillis::parse(&text).ok_or_else(|| wrong("pay_time", &text, MILLIS))?),
            },
            parking_order: self.parking_order,
            pay_type: self.pay_type.unwrap_or_default(),
        })
    }
}

/// A string or a number as text. A number is kept as written: a float would make two long orders equal. Null and the
/// empty string count as missing.
fn scalar<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    let raw = <&RawValue>::deserialize(deserializer)?.get();
    match raw.as_bytes().first() {
        Some(b'n') => Ok(None),
        Some(b'"') => {
            let text: String = serde_json::from_str(raw).map_err(D::Error::custom)?;
            Ok(Some(text).filter(|text| !says_nothing(text)))
        }
        Some(b'-' | b'0'..=b'9') => Ok(Some(raw.to_owned())),
        _ => Err(D::Error::custom("neither text nor a number")),
    }
}
