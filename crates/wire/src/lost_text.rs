//! Chinese text that was lost before it was sent: `?` or U+FFFD in place of characters, or bytes of one charset read in
//! another.
//!
//! Software that writes a string in a charset that lacks its characters replaces them silently, and nothing here can
//! bring them back. A finding must be right: a `?` counts only in a plate, a person's name or a place, and text counts
//! as misread only if its bytes, read in the right charset, are ordinary Chinese.

use std::sync::LazyLock;

use encoding_rs::{GBK, WINDOWS_1252};

use crate::push::payment_entries;

/// At most this many places are named: a sentence, not a list.
const PLACES_MAX: usize = 4;
/// At most this much JSON is read: a payment list of 100 entries is about 20 KiB.
const JSON_BYTES_MAX: usize = 64 * 1024;

/// Where a value's text was lost.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LostText {
    /// The parameter, or the path within `payment_list`.
    pub name: String,
    /// The first such character, counted from 1.
    pub place: usize,
    /// What stands there.
    pub found: Trace,
}

/// What lost text leaves behind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trace {
    /// `?`: written in a charset that lacks the character.
    QuestionMark,
    /// U+FFFD: bytes that were not valid in the charset they were read in.
    Replacement,
    /// Bytes of one charset, read in another.
    Misread,
}

impl LostText {
    /// Where and what, in Chinese.
    #[must_use]
    pub fn zh(&self) -> String {
        let LostText { name, place, found } = self;
        match found {
            Trace::QuestionMark => format!("`{name}`第{place}个字符是`?`"),
            Trace::Replacement => format!("`{name}`第{place}个字符是U+FFFD"),
            Trace::Misread => format!("`{name}`从第{place}个字符起是乱码"),
        }
    }

    /// The same in English.
    #[must_use]
    pub fn en(&self) -> String {
        let LostText { name, place, found } = self;
        match found {
            Trace::QuestionMark => format!("character {place} of `{name}` is `?`"),
            Trace::Replacement => format!("character {place} of `{name}` is U+FFFD"),
            Trace::Misread => format!("`{name}` is misread from character {place} on"),
        }
    }
}

/// Several places as one clause, in Chinese and in English.
#[must_use]
pub fn described(lost: &[LostText]) -> (String, String) {
    let all = |each: fn(&LostText) -> String| lost.iter().map(each).collect::<Vec<_>>().join(", ");
    (all(LostText::zh), all(LostText::en))
}

/// Where text was lost in these parameters (values as meant); the first few places.
#[must_use]
pub fn lost_text<'a>(params: impl Iterator<Item = (&'a str, &'a str)>) -> Vec<LostText> {
    let mut all = Vec::new();
    for (name, value) in params.filter(|(_, value)| is_suspect(value)) {
        if name == "payment_list" {
            in_payments(value, &mut all);
        } else {
            note(name, value, Text::of(name), &mut all);
        }
        if all.len() >= PLACES_MAX {
            all.truncate(PLACES_MAX);
            break;
        }
    }
    all
}

fn note(name: &str, value: &str, text: Text, all: &mut Vec<LostText>) {
    all.extend(text.first_lost(value).map(|(place, found)| LostText { name: name.into(), place: place + 1, found }));
}

/// A look at the bytes clears nearly all values.
fn is_suspect(value: &str) -> bool {
    !value.is_ascii() || memchr::memchr2(b'?', b'\\', value.as_bytes()).is_some()
}

fn in_payments(list: &str, all: &mut Vec<LostText>) {
    // Parsing JSON takes a hundred times as long as seeing that there is nothing to find.
    let is_suspect = list.contains('?') || list.contains("\\u") || has_trace(list);
    if !is_suspect || list.len() > JSON_BYTES_MAX {
        return;
    }
    let Ok(payments) = payment_entries(list) else { return };
    for (index, payment) in payments.iter().enumerate() {
        for name in ["pay_origin_desc", "operator"] {
            if let Some(value) = payment.get(name).and_then(serde_json::Value::as_str) {
                note(&format!("payment_list[{index}].{name}"), value, Text::of(name), all);
            }
        }
        if all.len() >= PLACES_MAX {
            return;
        }
    }
}

/// What kind of text a value ought to hold.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Text {
    /// No plate has a `?`, but a camera writes one for a letter it could not read.
    Plate,
    /// Never a `?`.
    Person,
    /// May be a question.
    Words,
    /// Unknown: only what no text contains counts.
    Unknown,
}

impl Text {
    fn of(name: &str) -> Text {
        match name {
            "plate" => Text::Plate,
            "enter_security" | "leave_security" | "idcard_name" | "operator" => Text::Person,
            "car_desc"
            | "enter_gate"
            | "leave_gate"
            | "enter_release_reason"
            | "leave_release_reason"
            | "pay_origin_desc" => Text::Words,
            _ => Text::Unknown,
        }
    }

    /// The first such character, counted from 0.
    fn first_lost(self, value: &str) -> Option<(usize, Trace)> {
        let chars_before = |at: usize| value.char_indices().take_while(|(start, _)| *start < at).count();
        if !value.is_ascii() {
            if let Some(at) = value.find('\u{fffd}').or_else(|| value.find(TWICE_REPLACED)) {
                return Some((chars_before(at), Trace::Replacement));
            }
            if is_misread(value) {
                let at = value.find(|letter: char| !letter.is_ascii()).unwrap_or(0);
                return Some((chars_before(at), Trace::Misread));
            }
        }
        let at = self.question_mark(value)?;
        Some((chars_before(at), Trace::QuestionMark))
    }

    fn question_mark(self, value: &str) -> Option<usize> {
        // If some Chinese came through, the charset has it: at most a rare character of a name is missing.
        match (self, value.is_ascii()) {
            (Text::Person, _) | (Text::Plate, true) => value.find('?'),
            (Text::Words, true) => value.find("??").or_else(|| value.starts_with('?').then_some(0)),
            (Text::Plate | Text::Words, false) | (Text::Unknown, _) => None,
        }
    }
}

/// Two U+FFFD in UTF-8, read as GBK.
const TWICE_REPLACED: &str = "锟斤拷";

/// The last character of Windows-1252 in Unicode's order: the trade mark sign.
const LAST_OF_WINDOWS: char = '\u{2122}';

/// Is there anything outside ASCII that could be a trace? In JSON text each trace follows an ASCII character, be it a
/// quote.
fn has_trace(text: &str) -> bool {
    let mut is_first = true;
    text.chars().any(|letter| {
        let is_found = letter == '\u{fffd}'
            || (!letter.is_ascii() && letter <= LAST_OF_WINDOWS)
            || (is_first && !letter.is_ascii() && STARTS.binary_search(&letter).is_ok());
        is_first = letter.is_ascii();
        is_found
    }) || text.contains(TWICE_REPLACED)
}

fn is_misread(value: &str) -> bool {
    let last = value.chars().max().unwrap_or_default();
    if last <= '\u{ff}' {
        let bytes: Vec<u8> = value.chars().filter_map(|letter| u8::try_from(letter).ok()).collect();
        return is_chinese_utf8(&bytes) || is_chinese_gbk(&bytes);
    }
    let is_windows = || match WINDOWS_1252.encode(value) {
        (bytes, _, false) => is_chinese_utf8(&bytes),
        (_, _, true) => false,
    };
    (last <= LAST_OF_WINDOWS && is_windows()) || is_utf8_read_as_gbk(value)
}

/// Rare characters whose two bytes in GBK look like the start of a Chinese character in UTF-8.
static STARTS: LazyLock<Vec<char>> = LazyLock::new(|| {
    let pairs = (0xe4..=0xe9_u8).flat_map(|lead| (0x80..=0xbf_u8).map(move |trail| [lead, trail]));
    let mut starts: Vec<char> = pairs
        .filter_map(|pair| GBK.decode_without_bom_handling_and_without_replacement(&pair)?.chars().next())
        .collect();
    starts.sort_unstable();
    starts
});

fn is_utf8_read_as_gbk(value: &str) -> bool {
    // Looking a character up in GBK is slow, and the first one of ordinary text is not among these.
    let first = value.chars().find(|letter| !letter.is_ascii());
    if first.is_none_or(|first| STARTS.binary_search(&first).is_err()) {
        return false;
    }
    let (bytes, _, is_lossy) = GBK.encode(value.trim_end_matches('?'));
    !is_lossy && is_chinese_utf8(&bytes)
}

fn is_chinese_utf8(bytes: &[u8]) -> bool {
    match std::str::from_utf8(bytes) {
        Ok(text) => is_ordinary_chinese(text, 1),
        // Truncated in the middle of the last character, whose bytes were not a pair.
        Err(error) if error.error_len().is_none() => {
            let whole = bytes.get(..error.valid_up_to()).and_then(|whole| std::str::from_utf8(whole).ok());
            whole.is_some_and(|text| is_ordinary_chinese(text, 2))
        }
        Err(_) => false,
    }
}

/// Only pairs of GB2312: a single accented letter, or one before a plain letter, is a European name.
fn is_chinese_gbk(bytes: &[u8]) -> bool {
    let is_paired = bytes.chunk_by(|one, other| one.is_ascii() == other.is_ascii()).all(|run| {
        run.first().is_some_and(u8::is_ascii) || (run.len().is_multiple_of(2) && run.iter().all(|byte| *byte >= 0xa1))
    });
    let text = if is_paired { GBK.decode_without_bom_handling_and_without_replacement(bytes) } else { None };
    text.is_some_and(|text| is_ordinary_chinese(&text, 1))
}

/// Only ASCII, Chinese punctuation and at least this many characters of GB2312.
fn is_ordinary_chinese(text: &str, characters_min: usize) -> bool {
    let mut characters = 0;
    for letter in text.chars().filter(|letter| !letter.is_ascii()) {
        match letter {
            '\u{4e00}'..='\u{9fff}' if is_gb2312(letter) => characters += 1,
            '·' | '\u{3000}'..='\u{303f}' | '\u{ff00}'..='\u{ff60}' => {}
            _ => return false,
        }
    }
    characters >= characters_min
}

fn is_gb2312(letter: char) -> bool {
    let mut buffer = [0; 4];
    let (bytes, ..) = GBK.encode(letter.encode_utf8(&mut buffer));
    matches!(*bytes, [0xb0..=0xf7, 0xa1..=0xfe])
}

#[cfg(test)]
mod tests;
