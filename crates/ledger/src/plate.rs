//! The normal form of a plate: equal for two writings that people and cameras take for one plate.
//!
//! It is what lists of plates are matched by, never what is shown. Full width, lower case, blanks and the dots between
//! the letters make no difference, nor do traditional characters. `O` and `0`, `I` and `1` are the same in a plate that
//! has a Chinese character: after its first letters none has an `O` or an `I`, so whoever writes one means the digit,
//! and no two plates fall together. A plate without any (Hong Kong, abroad) may have all four, and keeps them apart.

/// Characters of the longest normal form. A Chinese plate has eight at most, an electric bicycle's with its city ten.
pub const PLATE_CHARS_MAX: usize = 16;

/// A plate in its normal form.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct NormalPlate(Box<str>);

impl NormalPlate {
    /// The normal form of a plate as typed or read by a camera. `None` if it is not one that can be known again: `无牌车`,
    /// `未识别`, a `?` or `*` where a character was not read, only zeros, no letter and no digit, or more than
    /// [`PLATE_CHARS_MAX`] characters.
    #[must_use]
    pub fn of(text: &str) -> Option<NormalPlate> {
        let mut folded = String::with_capacity(text.len().min(4 * PLATE_CHARS_MAX));
        let mut characters = 0;
        for letter in text.chars().filter_map(folded_letter).flat_map(char::to_uppercase) {
            characters += 1;
            if characters > PLATE_CHARS_MAX || !letter.is_alphanumeric() {
                return None;
            }
            folded.push(letter);
        }
        let is_chinese = folded.chars().any(is_han);
        if is_chinese {
            folded = folded.replace('O', "0").replace('I', "1");
        }
        is_readable(&folded, is_chinese).then(|| NormalPlate(folded.into()))
    }

    /// As text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Does a text hold this plate, in whatever way it is written?
#[must_use]
pub fn holds_plate(text: &str, plate: &NormalPlate) -> bool {
    let mut folded: String = text.chars().filter_map(folded_letter).flat_map(char::to_uppercase).collect();
    if plate.as_str().chars().any(is_han) {
        folded = folded.replace('O', "0").replace('I', "1");
    }
    folded.contains(plate.as_str())
}

/// What stands between the parts of a plate, or comes in with a copied text.
const SEPARATORS: [char; 22] = [
    '.', '·', '•', '‧', '∙', '⋅', '・', '･', '●', '˙', '-', '‐', '‑', '–', '—', '−', '_', '\u{200b}', '\u{200e}',
    '\u{200f}', '\u{2060}', '\u{feff}',
];

/// Characters of plates that are written in another way in Hong Kong and Macau.
const TRADITIONAL: [(char, char); 17] = [
    ('滬', '沪'),
    ('雲', '云'),
    ('遼', '辽'),
    ('魯', '鲁'),
    ('蘇', '苏'),
    ('贛', '赣'),
    ('晉', '晋'),
    ('陝', '陕'),
    ('閩', '闽'),
    ('貴', '贵'),
    ('粵', '粤'),
    ('寧', '宁'),
    ('瓊', '琼'),
    ('學', '学'),
    ('掛', '挂'),
    ('領', '领'),
    ('無', '无'),
];

/// A character as it counts; `None` for one that does not.
fn folded_letter(letter: char) -> Option<char> {
    const FULL_WIDTH: std::ops::RangeInclusive<char> = '！'..='～';
    let letter = if FULL_WIDTH.contains(&letter) {
        // Full width has the order of ASCII.
        char::from_u32(u32::from(letter) - u32::from('！') + u32::from('!')).unwrap_or(letter)
    } else {
        letter
    };
    if letter.is_whitespace() || SEPARATORS.contains(&letter) {
        return None;
    }
    let simplified = TRADITIONAL.iter().find(|(traditional, _)| *traditional == letter);
    Some(simplified.map_or(letter, |(_, simplified)| *simplified))
}

fn is_han(letter: char) -> bool {
    ('\u{3400}'..='\u{9fff}').contains(&letter)
}

/// What car parks write in place of a plate: any text with such words in it is none, whatever number follows.
const NO_PLATE: [&str; 8] = ["无牌", "无车牌", "无号牌", "未识别", "未上牌", "未知", "识别失败", "无法识别"];
/// The same without Chinese characters. Not in part: a plate of Hong Kong may have letters only.
const NO_PLATE_EN: [&str; 7] = ["NOPLATE", "NONE", "NULL", "UNKNOWN", "UNLICENSED", "UNRECOGNIZED", "NOREAD"];

/// Does a text say that there is no plate, and nothing else? `无牌车12` may name a vehicle all the same.
#[must_use]
pub fn says_no_plate(text: &str) -> bool {
    let folded: String = text.chars().filter_map(folded_letter).flat_map(char::to_uppercase).collect();
    match folded.chars().all(is_han) {
        true => NO_PLATE.iter().any(|words| folded.contains(words)),
        false => NO_PLATE_EN.contains(&folded.as_str()),
    }
}

fn is_readable(folded: &str, is_chinese: bool) -> bool {
    let says_none = match is_chinese {
        true => NO_PLATE.iter().any(|words| folded.contains(words)),
        false => NO_PLATE_EN.contains(&folded),
    };
    let has = |test: fn(char) -> bool| folded.chars().any(test);
    // Every Chinese plate has a digit; `车牌` and `蓝牌车` have none.
    let has_number = !is_chinese || has(|letter| letter.is_ascii_digit());
    // Cameras write zeros for what they did not read.
    !says_none && has_number && has(|letter| letter.is_alphanumeric() && !is_han(letter) && letter != '0')
}

#[cfg(test)]
mod tests;
