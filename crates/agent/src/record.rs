//! A record as the car park's software hands it in: protocol names, JSON values.

use std::path::PathBuf;

use parkgate_wire::field::is_name;
use parkgate_wire::push::{entry_text, payment_entries};
use parkgate_wire::value::says_nothing;
use parkgate_wire::{Md5Hash, PushKind, UnixMillis};
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

/// An enter or a leave, checked as far as the agent can check it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// Which call.
    pub kind: PushKind,
    /// `parking_serial`.
    pub parking_serial: String,
    /// `enter_time`.
    pub enter_time: UnixMillis,
    /// When the vehicle passed the barrier: `leave_time` of a leave, else `enter_time`.
    pub happened_at: UnixMillis,
    /// All parameters but `park_uuid` and `sign`, in the order given.
    pub params: Vec<(String, String)>,
    /// PicturesState by part name (`leave_image_file`).
    pub files: Vec<(String, PathBuf)>,
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
                files.push((name.clone(), PathBuf::from(text)));
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
        params.retain(|(name, value)| {
            !says_nothing(value) && !["sign", "park_uuid", "app_secret"].contains(&name.as_str())
        });
        files.retain(|(_, path)| !path.to_str().is_some_and(says_nothing));
        params.retain(|(name, value)| !is_hash_of_nothing(name, value, &files));
        // It becomes part of a file name.
        if let Some((part, _)) = files.iter().find(|(part, _)| !is_name(part.as_bytes())) {
            return Err(format!(
                "`{part}`: 图片字段名应为小写字母、数字与下划线 (a picture's name is of a-z, 0-9 and _)"
            ));
        }
        let get = |name: &str| params.iter().find(|(other, _)| other == name).map(|(_, value)| value.clone());
        let time = |name: &str| -> Result<UnixMillis, String> {
            let text = get(name).ok_or_else(|| format!("参数`{name}`未传递 ({name} is missing)"))?;
            let time = UnixMillis::parse(&text);
            time.ok_or_else(|| format!("参数`{name}`应为13位毫秒时间戳, 收到`{text}` (13-digit milliseconds)"))
        };
        let enter_time = time("enter_time")?;
        let happened_at = if kind == PushKind::Leave { time("leave_time")? } else { enter_time };
        let parking_serial =
            get("parking_serial").ok_or_else(|| "参数`parking_serial`未传递 (parking_serial is missing)".to_owned())?;
        if let Some(list) = params.iter_mut().find(|(name, _)| name == "payment_list") {
            list.1 = with_orders(&list.1, &parking_serial)?;
        }
        Ok(Record { kind, parking_serial, enter_time, happened_at, params, files })
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

/// Is it the hash of a picture that was never taken? Software that always fills the field sends the MD5 of no bytes.
fn is_hash_of_nothing(name: &str, value: &str, files: &[(String, PathBuf)]) -> bool {
    let has_file = |image: &str| files.iter().any(|(part, _)| part.strip_suffix("_file") == Some(image));
    name.strip_suffix("_hash").is_some_and(|image| !has_file(image))
        && Md5Hash::parse(value) == Some(Md5Hash::OF_NOTHING)
}

/// A platform takes each order once, so a payment without one gets an order made of its serial and position.
fn with_orders(list: &str, parking_serial: &str) -> Result<String, String> {
    let wrong = || "参数`payment_list`应为JSON数组 (payment_list is a JSON array of objects)".to_owned();
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
