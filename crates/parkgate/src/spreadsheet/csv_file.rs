//! CSV in UTF-8, GBK or UTF-16, parted by commas, semicolons or tabs.

use std::borrow::Cow;

use csv::ReaderBuilder;
use encoding_rs::{Encoding, GB18030};
use parkgate_text::texts;

use super::SpreadsheetRow;
use crate::export_file::without_guard;

/// The rows of a file that are not empty.
pub(super) fn rows_of(bytes: &[u8]) -> Result<Vec<SpreadsheetRow>, String> {
    let text = text_of(bytes)?;
    let records = ReaderBuilder::new()
        .delimiter(delimiter_of(&text))
        .has_headers(false)
        .flexible(true)
        .from_reader(text.as_bytes())
        .into_records();
    let (mut rows, mut lines) = (Vec::new(), LineCount::of(&text));
    for record in records {
        let record = record.map_err(|error| error.to_string())?;
        let line = lines.at(record.position().map_or(0, csv::Position::byte));
        if record.iter().all(|value| value.trim().is_empty()) {
            continue;
        }
        rows.push(SpreadsheetRow {
            line,
            cells: record.iter().map(|value| without_guard(value.trim()).to_owned()).collect(),
            spoilt: Vec::new(),
        });
    }
    Ok(rows)
}

/// Counts lines from one record to the next. The reader's own count is one behind where lines end with CR LF: there a record
/// begins before the LF of the line before it.
struct LineCount<'a> {
    bytes: &'a [u8],
    at: usize,
    line: u64,
}

impl LineCount<'_> {
    fn of(text: &str) -> LineCount<'_> {
        LineCount { bytes: text.as_bytes(), at: 0, line: 1 }
    }

    /// The line of the record that begins here, or after what is left of the lines before it.
    fn at(&mut self, byte: u64) -> u64 {
        let byte = usize::try_from(byte).unwrap_or(usize::MAX);
        while let Some(found) = self.bytes.get(self.at) {
            let ends_line = *found == b'\n' || *found == b'\r' && self.bytes.get(self.at + 1) != Some(&b'\n');
            if self.at >= byte && !matches!(found, b'\r' | b'\n') {
                break;
            }
            self.line += u64::from(ends_line);
            self.at += 1;
        }
        self.line
    }
}

/// The text of a file: a byte order mark says what it is; what is not UTF-8 is GBK.
fn text_of(bytes: &[u8]) -> Result<Cow<'_, str>, String> {
    let neither = || texts().sheets.no_text.to_owned();
    if let Some((encoding, mark)) = Encoding::for_bom(bytes) {
        let text = bytes.get(mark..).unwrap_or_default();
        return encoding.decode_without_bom_handling_and_without_replacement(text).ok_or_else(neither);
    }
    match std::str::from_utf8(bytes) {
        Ok(text) => Ok(Cow::Borrowed(text)),
        Err(_) => GB18030.decode_without_bom_handling_and_without_replacement(bytes).ok_or_else(|| {
            let is_wrong = |line: &[u8]| {
                std::str::from_utf8(line).is_err()
                    && GB18030.decode_without_bom_handling_and_without_replacement(line).is_none()
            };
            match bytes.split(|byte| *byte == b'\n').position(is_wrong) {
                Some(line) => (texts().sheets.at_line)(line as u64 + 1, &neither()),
                None => neither(),
            }
        }),
    }
}

/// What stands between columns: of the marks that spreadsheets write, the one that the first lines have most of.
fn delimiter_of(text: &str) -> u8 {
    let head = || text.lines().filter(|line| !line.trim().is_empty()).take(super::ROWS_ABOVE_HEAD_MAX);
    let count = |mark: u8| head().map(|line| line.matches(char::from(mark)).count()).max().unwrap_or(0);
    // Of as many the first.
    [b'\t', b';', b','].into_iter().max_by_key(|mark| count(*mark)).unwrap_or(b',')
}
