//! A record as the car park's software hands it in: protocol names, JSON values.

use std::path::PathBuf;

use parkgate_text::texts;
use parkgate_wire::call::TimeForm;
use parkgate_wire::field::{CAPTURE_IMAGE, is_name};
use parkgate_wire::push::{entry_text, own_key, payment_entries};
use parkgate_wire::value::says_nothing;
use parkgate_wire::{Md5Hash, PushKind, UnixMillis};
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

/// A record, checked as far as the agent can check it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// Which call.
    pub kind: PushKind,
    /// `parking_serial`.
    pub parking_serial: String,
    /// What makes it unique among its kind, where the serial does not: of an update `flow_no`, of a release its type, time and
    /// serial.
    pub own_key: Option<String>,
    /// `enter_time` of an enter or a leave.
    pub enter_time: Option<UnixMillis>,
    /// When the vehicle passed the barrier: `leave_time` of a leave, else `enter_time`. None of a release or an update: they are
    /// no half of a stay.
    pub happened_at: Option<UnixMillis>,
    /// All parameters but `park_uuid` and `sign`, in the order given.
    pub params: Vec<(String, String)>,
    /// Pictures by part name (`leave_image_file`, of a release `capture_image`).
    pub files: Vec<(String, PathBuf)>,
}

/// Names a path where its part could be a URL.
const CAPTURE_IMAGE_FILE: &str = "capture_image_file";

/// The name of a part's path in JSON: `*_file` is always a path, `capture_image` the URL.
#[must_use]
pub fn name_of_path(part: &str) -> &str {
    if part == CAPTURE_IMAGE { CAPTURE_IMAGE_FILE } else { part }
}

/// The part that a path of that name is sent as.
fn part_of_path(name: &str) -> &str {
    if name == CAPTURE_IMAGE_FILE { CAPTURE_IMAGE } else { name }
}

impl Record {
    /// Reads a JSON object with protocol names. Lists (`payment_list`) become JSON text, payments without an order get one that
    /// stays the same over retries, and `*_file` is a path.
    ///
    /// # Errors
    /// What is missing or wrong, in a sentence.
    pub fn from_json(kind: PushKind, object: &Map<String, Value>) -> Result<Record, String> {
        let mut params = Vec::new();
        let mut files = Vec::new();
        for (name, value) in object {
            let text = match value {
                Value::Null => continue,
                Value::String(text) => text.clone(),
                other => other.to_string(),
            };
            if name.ends_with("_file") {
                files.push((part_of_path(name).to_owned(), PathBuf::from(text)));
            } else {
                params.push((name.clone(), text));
            }
        }
        Record::new(kind, params, files)
    }

    /// Makes a record from parameters and from pictures by part name. Empty ones are left out.
    ///
    /// # Errors
    /// What is missing or wrong, in a sentence.
    pub fn new(
        kind: PushKind,
        mut params: Vec<(String, String)>,
        mut files: Vec<(String, PathBuf)>,
    ) -> Result<Record, String> {
        files.retain(|(_, path)| !path.to_str().is_some_and(says_nothing));
        params.retain(|(name, value)| {
            let is_ours = ["sign", "park_uuid", "app_secret"].contains(&name.as_str());
            // The picture itself takes the place of its URL.
            let is_sent = files.iter().any(|(part, _)| part == name);
            !says_nothing(value) && !is_ours && !is_sent && !is_hash_of_nothing(name, value, &files)
        });
        // It becomes part of a file name.
        if let Some((part, _)) = files.iter().find(|(part, _)| !is_name(part.as_bytes())) {
            return Err((texts().agent_half.picture_name)(part));
        }
        let identity = Identity::of(kind, &params)?;
        if let Some(list) = params.iter_mut().find(|(name, _)| name == "payment_list") {
            list.1 = with_orders(&list.1, &identity.parking_serial)?;
        }
        let Identity { parking_serial, enter_time, happened_at } = identity;
        let mut record = Record { kind, parking_serial, own_key: None, enter_time, happened_at, params, files };
        record.own_key = record.key();
        Ok(record)
    }

    /// A release may say nothing of its time. Then two of a stay differ by their content, and the same one handed in again is the
    /// same: the time that it is given when it is taken is not its own.
    fn key(&self) -> Option<String> {
        let key = own_key(self.kind, |name| self.get(name))?;
        let is_timeless = self.kind == PushKind::Release && self.get("release_time").is_none();
        Some(if is_timeless { format!("{key}#{}", hex::encode(self.digest())) } else { key })
    }

    /// A parameter by its name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        get(&self.params, name)
    }

    /// By what people know it.
    #[must_use]
    pub fn name(&self) -> String {
        match self.kind {
            PushKind::Enter | PushKind::Leave => (texts().agent_half.serial)(&self.parking_serial),
            PushKind::Release => (texts().agent_half.release_of)(&self.parking_serial),
            PushKind::Update => (texts().agent_half.update_of)(self.get("flow_no").unwrap_or_default()),
        }
    }

    /// Equal for the same record handed in again.
    #[must_use]
    pub fn digest(&self) -> [u8; 16] {
        let mut params: Vec<_> = self.params.iter().collect();
        params.sort();
        let mut hash = Sha256::new();
        for (name, value) in params {
            for text in [name, value] {
                hash.update((text.len() as u64).to_le_bytes());
                hash.update(text.as_bytes());
            }
        }
        let hash: [u8; 32] = hash.finalize().into();
        let mut digest = [0; 16];
        digest.copy_from_slice(hash.first_chunk::<16>().unwrap_or(&[0; 16]));
        digest
    }
}

/// By what a record is known.
struct Identity {
    parking_serial: String,
    enter_time: Option<UnixMillis>,
    happened_at: Option<UnixMillis>,
}

impl Identity {
    fn of(kind: PushKind, params: &[(String, String)]) -> Result<Identity, String> {
        let required = |name: &str| get(params, name).ok_or_else(|| (texts().agent_half.missing)(name));
        let (mut enter_time, mut happened_at) = (None, None);
        match kind {
            PushKind::Enter | PushKind::Leave => {
                enter_time = Some(millis("enter_time", required("enter_time")?)?);
                happened_at = enter_time;
                if kind == PushKind::Leave {
                    happened_at = Some(millis("leave_time", required("leave_time")?)?);
                }
            }
            PushKind::Release => drop(required("release_type")?),
            PushKind::Update => drop(required("flow_no")?),
        }
        if kind.call().time_form == TimeForm::Iso {
            for name in kind.call().times {
                get(params, name).map(|text| iso(name, text)).transpose()?;
            }
        }
        Ok(Identity { parking_serial: required("parking_serial")?.to_owned(), enter_time, happened_at })
    }
}

fn get<'a>(params: &'a [(String, String)], name: &str) -> Option<&'a str> {
    params.iter().find(|(other, _)| other == name).map(|(_, value)| value.as_str())
}

fn millis(name: &str, text: &str) -> Result<UnixMillis, String> {
    let expected = || (texts().agent_half.write_millis)(name, text);
    UnixMillis::parse(text).ok_or_else(expected)
}

fn iso(name: &str, text: &str) -> Result<UnixMillis, String> {
    let expected = || (texts().agent_half.write_iso)(name, text);
    UnixMillis::parse_iso(text).ok_or_else(expected)
}

/// Is it the hash of a picture that was never taken? Software that always fills the field sends the MD5 of no bytes.
fn is_hash_of_nothing(name: &str, value: &str, files: &[(String, PathBuf)]) -> bool {
    let has_file = |image: &str| files.iter().any(|(part, _)| part.strip_suffix("_file") == Some(image));
    name.strip_suffix("_hash").is_some_and(|image| !has_file(image))
        && Md5Hash::parse(value) == Some(Md5Hash::OF_NOTHING)
}

/// A platform takes each order once, so a payment without one gets an order made of its serial and position.
fn with_orders(list: &str, parking_serial: &str) -> Result<String, String> {
    let wrong = || texts().agent_half.write_list.to_owned();
    let mut entries = payment_entries(list).map_err(|_| wrong())?;
    let mut changed = false;
    for (position, entry) in entries.iter_mut().enumerate() {
        let Value::Object(entry) = entry else { return Err(wrong()) };
        if entry.get("parking_order").and_then(entry_text).is_none() {
            changed = true;
            entry.insert("parking_order".into(), Value::from(format!("{parking_serial}-{}", position + 1)));
        }
    }
    if changed { serde_json::to_string(&entries).map_err(|error| error.to_string()) } else { Ok(list.to_owned()) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn read(value: &Value) -> Result<Record, String> {
        Record::from_json(PushKind::Leave, value.as_object().unwrap())
    }

    #[test]
    fn json_becomes_parameters_and_orders_stay_the_same() {
        let given = json!({
            "parking_serial": "S1", "enter_time": 1_624_874_732_253_i64, "leave_time": "1624937505093", "plate": "",
            "park_uuid": "x", "payment_list": [{"value": 5}, {"value": 6, "parking_order": "O2"}], "leave_image_file": "a.jpg",
        });
        let record = read(&given).unwrap();
        assert_eq!(record, read(&given).unwrap());
        let list = &record.params.iter().find(|(name, _)| name == "payment_list").unwrap().1;
        assert_eq!(list, r#"[{"value":5,"parking_order":"S1-1"},{"value":6,"parking_order":"O2"}]"#);
        assert_eq!(record.files, [("leave_image_file".to_owned(), PathBuf::from("a.jpg"))]);
        assert_eq!(record.params.len(), 4);
        assert!(read(&json!({ "parking_serial": "S1", "enter_time": "soon" })).unwrap_err().contains("enter_time"));
        assert!(
            read(&json!({ "enter_time": "1624874732253", "leave_time": "1624874732253" }))
                .unwrap_err()
                .contains("serial")
        );
    }

    #[test]
    fn a_release_and_an_update_are_known_by_their_own_keys() {
        let read = |kind, object: Value| Record::from_json(kind, object.as_object().unwrap());
        let release = |time: Value, reason: &str| {
            let object = json!({
                "parking_serial": "S1", "release_type": 2, "plate": "x", "release_time": time, "reason": reason,
                "capture_image_file": "a.jpg", "capture_image": "https://x/a.jpg",
            });
            read(PushKind::Release, object).unwrap()
        };
        let timed = release(json!("2023-03-27T08:00:00Z"), "a");
        assert_eq!(timed.own_key.as_deref(), Some("release:1:2/1679904000000/S1"));
        assert_eq!(timed.own_key, release(json!("2023-03-27T16:00:00+08:00"), "b").own_key, "the same time");
        assert_eq!(timed.files, [("capture_image".to_owned(), PathBuf::from("a.jpg"))]);
        assert_eq!(timed.get("capture_image"), None, "the file takes the place of the URL");
        let timeless = release(Value::Null, "a");
        assert_eq!(timeless.own_key, release(json!(""), "a").own_key);
        assert_ne!(timeless.own_key, release(Value::Null, "b").own_key, "two of a stay");
        let update = |flow_no: &str, time: &str| {
            read(PushKind::Update, json!({ "parking_serial": "S1", "flow_no": flow_no, "enter_time": time }))
        };
        assert_eq!(update("F1", "2023-03-27T08:00:00.5Z").unwrap().own_key.as_deref(), Some("update:F1"));
        assert!(update("", "2023-03-27T08:00:00Z").unwrap_err().contains("flow_no"));
        assert!(update("F1", "2023-03-27 08:00:00").unwrap_err().contains("enter_time"));
        assert!(read(PushKind::Release, json!({ "parking_serial": "S1" })).unwrap_err().contains("release_type"));
        assert!(read(PushKind::Release, json!({ "release_type": "1" })).unwrap_err().contains("parking_serial"));
    }

    #[test]
    fn a_pictures_name_is_no_path() {
        for name in [
            "../x_file",
            "a/b_file",
            "a\\b_file",
            "CON:_file",
            "图_file",
            "a.b_file",
            &format!("{}_file", "x".repeat(60)),
        ] {
            let given = json!({ "parking_serial": "S1", "enter_time": "1624874732253", "leave_time": "1624937505093", name: "a.jpg" });
            assert!(read(&given).is_err_and(|why| why.contains(name)), "{name}");
        }
    }
}
