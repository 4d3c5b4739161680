//! The protocol's values: parsed once, then trusted.
//!
//! Every constructor takes the text as it was sent, and the caller says what was expected when it does not fit
//! (`leave.md`, the parameter table). Nothing is rounded, trimmed or repaired.

use std::fmt;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Is a value empty: no text, or the `null` that languages write for a missing value? Such a parameter counts as not
/// sent, except in the signed text.
#[must_use]
pub fn says_nothing(value: &str) -> bool {
    value.is_empty() || value == "null"
}

/// Whole fen (0.01 yuan), never negative. The table types it "string", the examples send numbers as well.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Fen(pub u64);

impl Fen {
    /// The largest amount accepted: what a JSON number holds without loss in every client (2^53 - 1).
    pub const MAX: Fen = Fen((1 << 53) - 1);

    /// Reads `"500"`; refuses signs, points, exponents, blanks and amounts over [`Fen::MAX`].
    #[must_use]
    pub fn parse(text: &str) -> Option<Fen> {
        let value = parse_digits(text, 16)?;
        (value <= Fen::MAX.0).then_some(Fen(value))
    }
}

/// Milliseconds since 1970-01-01 UTC, as the protocol writes times: 13 digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UnixMillis(pub i64);

impl UnixMillis {
    /// Reads `"1552976318722"`: exactly 13 digits, the first not zero (so 2001-09-09 to 2286-11-20).
    #[must_use]
    pub fn parse(text: &str) -> Option<UnixMillis> {
        if text.len() != 13 || text.starts_with('0') {
            return None;
        }
        let value = parse_digits(text, 13)?;
        i64::try_from(value).ok().map(UnixMillis)
    }

    /// Reads `"2023-03-27T08:00:00Z"`, with or without a fraction, with `Z` or an offset such as `+08:00`; and 13 digits, as
    /// [`UnixMillis::parse`]. A time without its zone could be any of 24: it is not read.
    #[must_use]
    pub fn parse_iso(text: &str) -> Option<UnixMillis> {
        UnixMillis::parse(text).or_else(|| {
            let time: jiff::Timestamp = with_offset(text).parse().ok()?;
            // Within the years that 13 digits can write.
            UnixMillis::parse(&time.as_millisecond().to_string())
        })
    }

    /// UTC in whole seconds, as the later pages write times: `2023-03-27T08:00:00Z`.
    #[must_use]
    pub fn to_iso(self) -> String {
        let seconds = jiff::Timestamp::from_second(self.0.div_euclid(1000));
        // A time that no calendar has stays as its digits.
        seconds.map_or_else(|_| self.to_string(), |time| time.to_string())
    }

    /// This instant and `wait` more.
    #[must_use]
    pub fn after(self, wait: Duration) -> UnixMillis {
        UnixMillis(self.0.saturating_add(i64::try_from(wait.as_millis()).unwrap_or(i64::MAX)))
    }

    /// How long after `earlier` this is; nothing, if it is not later.
    #[must_use]
    pub fn since(self, earlier: UnixMillis) -> Duration {
        Duration::from_millis(self.0.saturating_sub(earlier.0).max(0).unsigned_abs())
    }
}

impl From<SystemTime> for UnixMillis {
    /// A clock set before 1970 counts as 1970.
    fn from(time: SystemTime) -> UnixMillis {
        UnixMillis(0).after(time.duration_since(UNIX_EPOCH).unwrap_or_default())
    }
}

impl fmt::Display for UnixMillis {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(out)
    }
}

/// An MD5 as the protocol's `*_hash` fields carry it: 32 hex digits in either case.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Md5Hash(pub [u8; 16]);

impl Md5Hash {
    /// The MD5 of no bytes, which is the hash of an empty file.
    pub const OF_NOTHING: Md5Hash =
        Md5Hash([0xd4, 0x1d, 0x8c, 0xd9, 0x8f, 0x00, 0xb2, 0x04, 0xe9, 0x80, 0x09, 0x98, 0xec, 0xf8, 0x42, 0x7e]);

    /// Reads 32 hex digits, upper or lower case.
    #[must_use]
    pub fn parse(text: &str) -> Option<Md5Hash> {
        let mut bytes = [0; 16];
        hex::decode_to_slice(text, &mut bytes).ok()?;
        Some(Md5Hash(bytes))
    }
}

impl fmt::Display for Md5Hash {
    /// Upper case, as the document prints it.
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&hex::encode_upper(self.0))
    }
}

impl fmt::Debug for Md5Hash {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "Md5Hash({self})")
    }
}

/// `seqno` of a reply: identifies one request in every log line and in the store. Shown as 16 hex digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Seqno(pub u64);

impl Seqno {
    /// Reads 16 hex digits.
    #[must_use]
    pub fn parse(text: &str) -> Option<Seqno> {
        (text.len() == 16).then(|| u64::from_str_radix(text, 16).ok().map(Seqno))?
    }
}

impl fmt::Display for Seqno {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{:016x}", self.0)
    }
}

/// Equal for two pushes that are "the same push": a keyed SHA-256 of their content, truncated to 16 bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Digest(pub [u8; 16]);

/// A `+` that form decoding made a blank is one again: `2026-11-25T16:00:00 08:00`.
fn with_offset(text: &str) -> std::borrow::Cow<'_, str> {
    match text.rsplit_once(' ') {
        Some((time, offset)) if time.contains(['T', 't', ' ']) => format!("{time}+{offset}").into(),
        _ => text.into(),
    }
}

fn parse_digits(text: &str, digits_max: usize) -> Option<u64> {
    if text.is_empty() || text.len() > digits_max || !text.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    text.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fen_is_whole_and_not_negative() {
        assert_eq!(Fen::parse("500"), Some(Fen(500)));
        assert_eq!(Fen::parse("0"), Some(Fen(0)));
        assert_eq!(Fen::parse("9007199254740991"), Some(Fen::MAX));
        for wrong in ["", "-1", "+1", "1.0", "1e3", " 1", "９", "9007199254740992", "99999999999999999999"] {
            assert_eq!(Fen::parse(wrong), None, "{wrong:?}");
        }
    }

    #[test]
    fn times_are_thirteen_digits() {
        assert_eq!(UnixMillis::parse("1552976318722"), Some(UnixMillis(1_552_976_318_722)));
        for wrong in ["", "1552976318", "15529763187220", "155297631872a", "-155297631872", "0552976318722"] {
            assert_eq!(UnixMillis::parse(wrong), None, "{wrong:?}");
        }
    }

    #[test]
    fn iso_times_have_their_zone() {
        let time = UnixMillis(1_679_904_000_000);
        for text in [
            "2023-03-27T08:00:00Z",
            "2023-03-27T08:00:00.000Z",
            "2023-03-27 08:00:00Z",
            "2023-03-27T16:00:00+08:00",
            "2023-03-27T16:00:00+0800",
            "2023-03-27T16:00:00 08:00",
            "2023-03-27 16:00:00 0800",
            "1679904000000",
        ] {
            assert_eq!(UnixMillis::parse_iso(text), Some(time), "{text}");
        }
        assert_eq!(UnixMillis::parse_iso("2023-03-27T08:00:00.123Z"), Some(UnixMillis(time.0 + 123)));
        for wrong in [
            "",
            "2023-03-27T08:00:00",
            "2023-03-27",
            "20230327080000",
            "1679904000",
            "1970-01-01T00:00:00Z",
            "9999-12-31T00:00:00Z",
            "2023-02-30T08:00:00Z",
            "2023-03-27T25:00:00Z",
            "now",
        ] {
            assert_eq!(UnixMillis::parse_iso(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn times_are_written_as_they_are_read() {
        let time = UnixMillis::parse_iso("2023-03-27T08:00:00.999Z").unwrap();
        assert_eq!(time.to_iso(), "2023-03-27T08:00:00Z");
        assert_eq!(UnixMillis::parse_iso(&time.to_iso()), Some(UnixMillis(time.0 - 999)));
        assert_eq!(UnixMillis(i64::MAX).to_iso(), i64::MAX.to_string());
    }

    #[test]
    fn times_are_added_and_compared_without_overflow() {
        let second = Duration::from_secs(1);
        assert_eq!(UnixMillis(5).after(second), UnixMillis(1005));
        assert_eq!(UnixMillis(5).after(Duration::MAX), UnixMillis(i64::MAX));
        assert_eq!(UnixMillis(1005).since(UnixMillis(5)), second);
        assert_eq!(UnixMillis(5).since(UnixMillis(1005)), Duration::ZERO);
        assert_eq!(UnixMillis(i64::MAX).since(UnixMillis(i64::MIN)), Duration::from_millis(i64::MAX.unsigned_abs()));
        assert_eq!(UnixMillis::from(UNIX_EPOCH + second), UnixMillis(1000));
        assert_eq!(UnixMillis::from(UNIX_EPOCH - second), UnixMillis(0), "a clock before 1970");
    }

    #[test]
    fn hashes_are_read_in_either_case() {
        let upper = Md5Hash::parse("37693CFC748049E45D87B8C7D8B9AACD");
        assert_eq!(upper, Md5Hash::parse("37693cfc748049e45d87b8c7d8b9aacd"));
        assert!(upper.is_some());
        assert_eq!(Md5Hash::parse("XXXXXXX"), None);
    }

    #[test]
    fn seqno_has_sixteen_digits() {
        assert_eq!(Seqno(0x47ac).to_string(), "00000000000047ac");
        assert_eq!(Seqno::parse("47ac4e615fa7d439").map(|s| s.to_string()).as_deref(), Some("47ac4e615fa7d439"));
        assert_eq!(Seqno::parse("47ac"), None);
    }
}
