//! Pushes as a car park's software builds them.

use parkgate_wire::{Secret, sign};

/// The park of the document.
pub const DEMO_PARK: &str = "49f0cc52-e8c7-41e3-b54d-af666b8cc11a";

/// Names and values in the order sent.
pub type NamedValues = Vec<(String, String)>;

/// A leave with everything that is required, then `changes`: a value replaces, an empty one removes the name.
#[must_use]
pub fn leave(serial: &str, changes: &[(&str, &str)]) -> NamedValues {
    let base = [
        ("park_uuid", DEMO_PARK),
        ("parking_serial", serial),
        ("plate", "粤B12345"),
        ("plate_color", "1"),
        ("enter_time", "1624874732253"),
        ("car_type", "1"),
        ("car_desc", "临时车"),
        ("leave_time", "1624937505093"),
        ("charge_type", "1"),
    ];
    changed(&base, changes)
}

/// An enter with everything that is required, changed likewise.
#[must_use]
pub fn enter(serial: &str, changes: &[(&str, &str)]) -> NamedValues {
    let mut all = vec![("leave_time", "")];
    all.extend_from_slice(changes);
    leave(serial, &all)
}

/// A release with everything that is required and its time, changed likewise.
#[must_use]
pub fn release(serial: &str, changes: &[(&str, &str)]) -> NamedValues {
    let base = [
        ("park_uuid", DEMO_PARK),
        ("release_type", "2"),
        ("parking_serial", serial),
        ("plate", "粤B12345"),
        ("release_time", "2021-06-29T03:31:45Z"),
        ("gate_name", "南门出口"),
        ("operator", "张三"),
        ("reason", "设备故障"),
        ("release_method", "1"),
    ];
    changed(&base, changes)
}

/// An update with everything that is required and its time, changed likewise.
#[must_use]
pub fn update(flow_no: &str, serial: &str, changes: &[(&str, &str)]) -> NamedValues {
    let base = [
        ("park_uuid", DEMO_PARK),
        ("flow_no", flow_no),
        ("parking_serial", serial),
        ("plate", "粤B12345"),
        ("operate_time", "2021-06-29T04:00:00Z"),
        ("operator", "李四"),
        ("reason", "识别错误"),
    ];
    changed(&base, changes)
}

fn changed(base: &[(&str, &str)], changes: &[(&str, &str)]) -> NamedValues {
    let mut pairs: NamedValues = base.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect();
    for (name, value) in changes {
        match pairs.iter_mut().find(|(other, _)| other == name) {
            Some(pair) => pair.1 = (*value).to_owned(),
            None => pairs.push(((*name).to_owned(), (*value).to_owned())),
        }
    }
    pairs.retain(|(_, value)| !value.is_empty());
    pairs
}

/// With `sign` at the end.
#[must_use]
pub fn signed(mut pairs: NamedValues, secret: &str) -> NamedValues {
    let (_, signature) = sign(pairs.iter().map(|(n, v)| (n.as_str(), v.as_str())), &Secret::new(secret));
    pairs.push(("sign".into(), signature));
    pairs
}

/// As `application/x-www-form-urlencoded`.
#[must_use]
pub fn body(pairs: &[(String, String)]) -> String {
    let encoded: Vec<String> =
        pairs.iter().map(|(name, value)| format!("{name}={}", percent(value.as_bytes()))).collect();
    encoded.join("&")
}

/// Everything but letters, digits and `-_.` as `%XX`.
#[must_use]
pub fn percent(bytes: &[u8]) -> String {
    let mut out = String::new();
    for byte in bytes {
        if byte.is_ascii_alphanumeric() || b"-_.".contains(byte) {
            out.push(char::from(*byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}

/// A `multipart/form-data` body built by hand, so that every byte of it can be wrong on purpose.
#[derive(Debug, Default)]
pub struct MultipartBody {
    bytes: Vec<u8>,
}

impl MultipartBody {
    /// Its boundary.
    pub const BOUNDARY: &'static str = "----parkgate-test-boundary";

    /// All pairs as text parts without a content type.
    #[must_use]
    pub fn of(pairs: &[(String, String)]) -> Self {
        pairs.iter().fold(MultipartBody::default(), |form, (name, value)| {
            form.part(&format!("Content-Disposition: form-data; name=\"{name}\""), value.as_bytes())
        })
    }

    /// Adds a part with these header lines.
    #[must_use]
    pub fn part(mut self, headers: &str, content: &[u8]) -> Self {
        self.bytes.extend_from_slice(format!("--{}\r\n{headers}\r\n\r\n", Self::BOUNDARY).as_bytes());
        self.bytes.extend_from_slice(content);
        self.bytes.extend_from_slice(b"\r\n");
        self
    }

    /// Adds a file part as most clients send it.
    #[must_use]
    pub fn file(self, name: &str, content: &[u8]) -> Self {
        let headers = format!(
            "Content-Disposition: form-data; name=\"{name}\"; filename=\"a.jpg\"\r\nContent-Type: application/octet-stream"
        );
        self.part(&headers, content)
    }

    /// The whole body.
    #[must_use]
    pub fn end(mut self) -> Vec<u8> {
        self.bytes.extend_from_slice(format!("--{}--\r\n", Self::BOUNDARY).as_bytes());
        self.bytes
    }

    /// The header to send it with.
    #[must_use]
    pub fn content_type() -> String {
        format!("multipart/form-data; boundary={}", Self::BOUNDARY)
    }
}

/// The MD5 of a picture as `*_hash` carries it.
#[must_use]
pub fn md5_hex(bytes: &[u8]) -> String {
    use md5::Digest;
    hex::encode_upper(md5::Md5::digest(bytes))
}
