//! Random requests.

use super::pushes::escaped;

/// SplitMix64: the same pushes in every run.
pub(super) struct Random(pub(super) u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        usize::try_from((z ^ (z >> 31)) >> 1).unwrap() % bound
    }

    pub(super) fn hex(&mut self, digits: usize) -> String {
        (0..digits).map(|_| char::from(b"0123456789ABCDEF"[self.below(16)])).collect()
    }

    /// A form without `sign`: documented and other names, values of every sort, some empty.
    pub(super) fn body(&mut self) -> String {
        const VALUES: [&str; 12] =
            ["", "1", "粤B 1", "a+b", "%41", "[{\"b\":1,\"a\":\"/\"}]", "&x=1", "5.0", " ", "URL", "AB12", "\u{feff}"];
        const NAMES: [&str; 12] = [
            "plate",
            "park_uuid",
            "encoding",
            "payment_list",
            "leave_image_hash",
            "fm",
            "total_value",
            "enter_time",
            "car_desc",
            "zz",
            "leave_image",
            "app_key",
        ];
        let names = (0..=self.below(7)).map(|_| NAMES[self.below(NAMES.len())]).collect::<Vec<_>>();
        let mut body = Vec::new();
        for name in names {
            body.push(format!("{name}={}", escaped(VALUES[self.below(VALUES.len())], "", "+", true)));
        }
        body.join("&")
    }

    /// Bytes that may be anything.
    pub(super) fn noise(&mut self) -> Vec<u8> {
        const PIECES: [&str; 20] = [
            "a=",
            "&",
            "=",
            "%",
            "+",
            "粤",
            "payment_list=[{",
            "\"",
            "\\",
            "}]",
            "null",
            "1e999",
            "encoding=URL",
            "sign=",
            "app_secret=***",
            "签名验证不通过[",
            "]",
            "[[[[[[[[",
            "_hash=",
            "\u{feff}",
        ];
        let mut out: String = (0..self.below(40)).map(|_| PIECES[self.below(PIECES.len())]).collect();
        if self.below(2) == 0 {
            out.push_str(&format!("&sign={}", self.hex(32)));
        }
        out.into_bytes()
    }
}
