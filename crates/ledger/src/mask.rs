//! What lists and exports show of personal data: enough to see that two vehicles or persons differ, not enough to know either.
//!
//! A letter is what a reader takes for one: a character with whatever stands on it (accents, variation selectors). Stars
//! stand for letters one by one, [`STARS_MAX`] at most.

use unicode_width::UnicodeWidthChar;

use crate::plate::says_no_plate;

/// Stars in a row: a long value does not become a long line, nor give its length away.
pub const STARS_MAX: usize = 20;
/// From so many letters on an ID number keeps four at each end, as the authorities print it; shorter ones (passports,
/// permits) keep two, one or none.
const ID_LETTERS: usize = 15;
/// What hides a value of which no part may be shown.
const HIDDEN: &str = "***";

/// `粤B12345` becomes `粤B***45`; a plate of four letters or fewer keeps its first one, a single letter nothing. What says
/// that there is no plate (`无牌车`) is shown as it is.
#[must_use]
pub fn plate(text: &str) -> String {
    if says_no_plate(text) {
        return text.to_owned();
    }
    match letters(text).len() {
        0 => String::new(),
        1 => "*".into(),
        2..=4 => ends(text, 1, 0),
        _ => ends(text, 2, 2),
    }
}

/// `张三` becomes `张*`: the first letter stays.
#[must_use]
pub fn name(text: &str) -> String {
    let text = text.trim();
    if letters(text).len() == 1 { "*".into() } else { ends(text, 1, 0) }
}

/// `440301199003071234` becomes `4403**********1234`.
#[must_use]
pub fn id_number(text: &str) -> String {
    let text = text.trim();
    match letters(text).len() {
        ID_LETTERS.. => ends(text, 4, 4),
        8.. => ends(text, 2, 2),
        5.. => ends(text, 1, 1),
        _ => ends(text, 0, 0),
    }
}

/// `13800138000` becomes `138****8000`.
#[must_use]
pub fn telephone(text: &str) -> String {
    let text = text.trim();
    match letters(text).len() {
        11.. => ends(text, 3, 4),
        7.. => ends(text, 0, 2),
        _ => ends(text, 0, 0),
    }
}

/// How much of a push is hidden.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Masking {
    /// Nothing is hidden: whoever asked may see it, and that was written down.
    Nothing,
    /// ID data: where one push is shown.
    IdData,
    /// ID data, plates and telephone numbers: in lists and exports.
    All,
}

impl Masking {
    /// The value of a parameter, by its protocol name.
    #[must_use]
    pub fn field(self, field: &str, value: &str) -> String {
        match (self, field) {
            (Masking::Nothing, _) => value.to_owned(),
            (_, "idcard_name") => name(value),
            (_, "idcard_no") => id_number(value),
            (_, "idcard_image") if !value.is_empty() => HIDDEN.into(),
            (Masking::All, "plate") => plate(value),
            (Masking::All, "telephone") => telephone(value),
            (_, _) => value.to_owned(),
        }
    }

    /// A plate by itself.
    #[must_use]
    pub fn plate(self, text: &str) -> String {
        self.field("plate", text)
    }

    /// A sentence that may repeat what was sent (a hint, an answer, a finding): parameters in it, and whatever reads as a
    /// Chinese plate.
    #[must_use]
    pub fn sentence(self, text: &str) -> String {
        let mut masked = text.to_owned();
        let hidden: &[&str] = match self {
            Masking::Nothing => &[],
            Masking::IdData => &["idcard_name", "idcard_no", "idcard_image"],
            Masking::All => &["idcard_name", "idcard_no", "idcard_image", "plate", "telephone"],
        };
        for field in hidden {
            masked = self.parameter(&masked, field);
        }
        if self == Masking::All { without_plates(&masked) } else { masked }
    }

    /// Every `field=value` of a text, up to the next parameter.
    fn parameter(self, text: &str, field: &str) -> String {
        let start = format!("{field}=");
        let mut pieces = text.split(start.as_str());
        let mut out = pieces.next().unwrap_or_default().to_owned();
        for piece in pieces {
            // `no_plate=` is another parameter.
            let is_whole =
                !out.chars().next_back().is_some_and(|letter| letter.is_ascii_alphanumeric() || letter == '_');
            let end = piece.find(['&', ']', '`', '"', ',']).unwrap_or(piece.len());
            let (value, rest) = piece.split_at(end);
            out.push_str(&start);
            match (is_whole, value.contains('%')) {
                (false, _) => out.push_str(value),
                // Encoded letters are not cut in two.
                (true, true) => out.push_str(HIDDEN),
                (true, false) => out.push_str(&self.field(field, value)),
            }
            out.push_str(rest);
        }
        out
    }
}

/// What Chinese plates begin with.
const PROVINCES: &str = "京津沪渝冀豫云辽黑湘皖鲁新苏浙赣鄂桂甘晋蒙陕吉闽贵粤青藏川宁琼使";
/// What some end with.
const ENDINGS: &str = "港澳领警学挂试超";
/// Letters and digits after the first letter of a plate: five, six of a new energy vehicle, four before an ending.
const DIGITS: std::ops::RangeInclusive<usize> = 4..=6;

/// A text whose Chinese plates are masked.
fn without_plates(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(letter) = rest.chars().next() {
        let length = plate_bytes(rest).unwrap_or(0);
        let (found, after) = rest.split_at(length.max(letter.len_utf8()));
        if length > 0 {
            out.push_str(&plate(found))
        } else {
            out.push_str(found)
        }
        rest = after;
    }
    out
}

/// How many bytes of a text are the plate that it begins with.
fn plate_bytes(text: &str) -> Option<usize> {
    let mut letters = text.chars();
    let first = letters.next().filter(|letter| PROVINCES.contains(*letter))?;
    let is_ascii = |letter: &char| letter.is_ascii_uppercase() || letter.is_ascii_digit();
    let after: usize = letters.clone().take_while(is_ascii).count();
    let digits = after.checked_sub(1).filter(|digits| DIGITS.contains(digits))?;
    let ending = text.chars().nth(digits + 2).filter(|letter| ENDINGS.contains(*letter));
    Some(first.len_utf8() + after + ending.map_or(0, char::len_utf8))
}

/// Where each letter ends, in bytes: what takes no room of its own belongs to the letter before.
fn letters(text: &str) -> Vec<&str> {
    let mut starts: Vec<usize> = Vec::new();
    for (at, letter) in text.char_indices() {
        if starts.is_empty() || letter.width() != Some(0) {
            starts.push(at);
        }
    }
    let ends = starts.iter().skip(1).copied().chain([text.len()]);
    starts.iter().zip(ends).filter_map(|(start, end)| text.get(*start..end)).collect()
}

/// So many letters of the beginning and of the end, and stars between.
fn ends(text: &str, first: usize, last: usize) -> String {
    let letters = letters(text);
    let hidden = letters.len().saturating_sub(first + last);
    let tail = letters.iter().skip(first + hidden);
    let shown = letters.iter().take(first).chain(std::iter::repeat_n(&"*", hidden.min(STARS_MAX))).chain(tail);
    shown.copied().collect()
}

#[cfg(test)]
mod tests;
