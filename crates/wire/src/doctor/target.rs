//! The sign that was sent, as far as it can be compared.

use subtle::ConstantTimeEq;

use super::kind::FindingKind;

/// What a hash must equal to explain the sign.
#[derive(Debug)]
pub(super) enum Target {
    Whole([u8; 16]),
    /// The middle 16 digits.
    Short([u8; 8]),
    /// Lower-case hex in which leading zeros are missing, of the whole or of single bytes.
    ZerosLost(String),
}

/// Fewer digits would match too many hashes. A byte loses its zero one time in 16, so 24 of 32 is never reached in
/// practice.
const DIGITS_MIN: usize = 24;

impl Target {
    /// Reads the sign, or says why it is not one.
    pub(super) fn read(sign: &str) -> Result<Target, FindingKind> {
        let is_hex = sign.bytes().all(|b| b.is_ascii_hexdigit());
        match sign.len() {
            32 if is_hex => {
                let mut hash = [0; 16];
                hex::decode_to_slice(sign, &mut hash).map_err(|_| FindingKind::SignNotMd5)?;
                Ok(Target::Whole(hash))
            }
            16 if is_hex => {
                let mut hash = [0; 8];
                hex::decode_to_slice(sign, &mut hash).map_err(|_| FindingKind::SignNotMd5)?;
                Ok(Target::Short(hash))
            }
            DIGITS_MIN..32 if is_hex => Ok(Target::ZerosLost(sign.to_ascii_lowercase())),
            40 if is_hex => Err(FindingKind::SignIsSha1),
            64 if is_hex => Err(FindingKind::SignIsSha256),
            24 if sign.ends_with("==") => Err(FindingKind::SignIsBase64),
            _ => Err(FindingKind::SignNotMd5),
        }
    }

    /// Is it a complete MD5?
    pub(super) fn is_whole(&self) -> bool {
        matches!(self, Target::Whole(_))
    }

    /// What its length alone reveals.
    pub(super) fn kind(&self) -> Option<FindingKind> {
        match self {
            Target::Whole(_) => None,
            Target::Short(_) => Some(FindingKind::ShortMd5),
            Target::ZerosLost(_) => Some(FindingKind::HexZerosLost),
        }
    }

    pub(super) fn matches(&self, hash: [u8; 16]) -> bool {
        match self {
            Target::Whole(sent) => bool::from(sent.ct_eq(&hash)),
            Target::Short(sent) => hash.get(4..12).is_some_and(|middle| bool::from(sent.as_slice().ct_eq(middle))),
            Target::ZerosLost(sent) => {
                let whole = hex::encode(hash);
                let each: String = hash.iter().map(|byte| format!("{byte:x}")).collect();
                [whole.trim_start_matches('0'), &each]
                    .iter()
                    .any(|hex| bool::from(sent.as_bytes().ct_eq(hex.as_bytes())))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sign_is_read_by_its_length() {
        assert!(Target::read(&"aF".repeat(16)).unwrap().is_whole());
        for (sign, kind) in [
            ("x".repeat(32), FindingKind::SignNotMd5),
            ("ab".repeat(20), FindingKind::SignIsSha1),
            ("ab".repeat(32), FindingKind::SignIsSha256),
            ("ISMvKXpXpadDiUoOSoAfww==".into(), FindingKind::SignIsBase64),
            ("粤".repeat(8), FindingKind::SignNotMd5),
            (String::new(), FindingKind::SignNotMd5),
        ] {
            assert_eq!(Target::read(&sign).unwrap_err(), kind, "{sign}");
        }
    }

    #[test]
    fn zeros_may_be_lost_in_front_or_of_each_byte() {
        let hash = [0x00, 0x0a, 0xbc, 0x01, 0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77, 0x88, 0x99, 0xaa, 0xbb, 0xcc];
        for sign in ["abc01112233445566778899aabbcc", "0abc1112233445566778899AABBCC"] {
            assert!(Target::read(sign).unwrap().matches(hash), "{sign}");
        }
        assert!(Target::read("1122334455667788").unwrap().matches(hash));
        assert!(!Target::read("1122334455667789").unwrap().matches(hash));
    }
}
