//! Lists of plates as spreadsheets save them: CSV in UTF-8, GBK or UTF-16, the columns named in the first line.

use std::borrow::Cow;
use std::collections::HashMap;
use std::fs::File;
use std::io::Read as _;
use std::path::Path;

use anyhow::{Context, bail};
use csv::{ReaderBuilder, StringRecord};
use encoding_rs::{Encoding, GB18030};
use parkgate_ledger::plate::NormalPlate;
use parkgate_ledger::plate_list::{ListedPlate, NOTE_CHARS_MAX, PLATES_MAX, PlateList, PlateRefused};
use parkgate_text::texts;

/// A list of [`PLATES_MAX`] plates with long notes.
const FILE_BYTES_MAX: u64 = 64 << 20;
/// What a column may be called.
const PLATE: [&str; 5] = ["plate", "车牌", "车牌号", "车牌号码", "号牌"];
const LIST: [&str; 3] = ["list", "名单", "名单类型"];
const NOTE: [&str; 3] = ["note", "备注", "说明"];

/// Reads the file, or names every line that is wrong.
pub(super) fn load(path: &Path) -> anyhow::Result<Vec<ListedPlate>> {
    let mut bytes = Vec::new();
    let file = File::open(path).with_context(|| path.display().to_string())?;
    file.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes).with_context(|| path.display().to_string())?;
    if bytes.len() as u64 > FILE_BYTES_MAX {
        bail!((texts().plates.file_too_large)(&path.display().to_string()));
    }
    plates_of(&bytes).map_err(|wrong| {
        let file = path.display().to_string();
        anyhow::anyhow!((texts().plates.file_wrong)(&file, wrong.len(), &wrong.join("\n  ")))
    })
}

/// The plates of a file, or all that is wrong with it.
fn plates_of(bytes: &[u8]) -> Result<Vec<ListedPlate>, Vec<String>> {
    let text = text_of(bytes).map_err(|wrong| vec![wrong])?;
    let mut records = ReaderBuilder::new()
        .delimiter(delimiter_of(&text))
        .has_headers(false)
        .flexible(true)
        .from_reader(text.as_bytes())
        .into_records();
    let read = |record: Result<StringRecord, csv::Error>| record.map_err(|error| vec![error.to_string()]);
    let Some(head) = records.next().transpose().or_else(|error| read(Err(error)).map(Some))? else {
        return Err(vec![texts().plates.file_empty.to_owned()]);
    };
    let columns = PlateColumns::of(&head).map_err(|wrong| vec![wrong])?;
    let mut rows = Rows::default();
    for record in records {
        rows.add(&columns, &read(record)?);
    }
    match (rows.wrong.is_empty(), rows.plates.is_empty()) {
        (false, _) => Err(rows.wrong),
        (true, true) => Err(vec![texts().plates.no_plates.to_owned()]),
        (true, false) => Ok(rows.plates),
    }
}

/// The text of a file: a byte order mark says what it is; what is not UTF-8 is GBK.
fn text_of(bytes: &[u8]) -> Result<Cow<'_, str>, String> {
    if bytes.starts_with(b"PK\x03\x04") || bytes.starts_with(b"\xd0\xcf\x11\xe0") {
        return Err(texts().plates.is_excel.to_owned());
    }
    let neither = || texts().plates.no_text.to_owned();
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
                Some(line) => (texts().plates.at_line)(line as u64 + 1, &neither()),
                None => neither(),
            }
        }),
    }
}

/// What stands between columns: a comma, else what else a spreadsheet writes.
fn delimiter_of(text: &str) -> u8 {
    let head = text.lines().find(|line| !line.trim().is_empty()).unwrap_or_default();
    [b',', b'\t', b';'].into_iter().find(|delimiter| head.contains(char::from(*delimiter))).unwrap_or(b',')
}

/// Where the columns are.
struct PlateColumns {
    plate: usize,
    list: usize,
    note: Option<usize>,
}

impl PlateColumns {
    fn of(head: &StringRecord) -> Result<PlateColumns, String> {
        let called =
            |names: &[&str]| head.iter().position(|name| names.contains(&name.trim().to_ascii_lowercase().as_str()));
        match (called(&PLATE), called(&LIST)) {
            (Some(plate), Some(list)) => Ok(PlateColumns { plate, list, note: called(&NOTE) }),
            (None, _) | (_, None) => Err((texts().plates.at_line)(1, texts().plates.head)),
        }
    }
}

/// What was read so far.
#[derive(Default)]
struct Rows {
    plates: Vec<ListedPlate>,
    wrong: Vec<String>,
    /// By plate: the line, and the list there.
    seen: HashMap<NormalPlate, (u64, PlateList)>,
}

impl Rows {
    fn add(&mut self, columns: &PlateColumns, record: &StringRecord) {
        if record.iter().all(|value| value.trim().is_empty()) {
            return;
        }
        let line = record.position().map_or(0, csv::Position::line);
        match self.entry(columns, record, line) {
            Ok(entry) => self.plates.push(entry),
            Err(wrong) => self.wrong.push((texts().plates.at_line)(line, &wrong)),
        }
    }

    fn entry(&mut self, columns: &PlateColumns, record: &StringRecord, line: u64) -> Result<ListedPlate, String> {
        let value = |column: usize| record.get(column).map(str::trim).unwrap_or_default();
        let (plate, list) = (value(columns.plate), value(columns.list));
        if plate.is_empty() {
            return Err(texts().plates.no_plate.to_owned());
        }
        let list = PlateList::named(list).ok_or_else(|| (texts().plates.no_list)(list))?;
        let entry = ListedPlate::new(plate, list, columns.note.map(value)).map_err(|why| refused(plate, why))?;
        let known = NormalPlate::of(plate).map(|normal| *self.seen.entry(normal).or_insert((line, list)));
        match known {
            Some((other, stands)) if stands != list => Err((texts().plates.on_two_lists)(plate, other)),
            _ if self.seen.len() > PLATES_MAX => Err((texts().plates.over)(PLATES_MAX)),
            _ => Ok(entry),
        }
    }
}

/// Why something cannot be on a list.
pub(super) fn refused(plate: &str, why: PlateRefused) -> String {
    match why {
        PlateRefused::Unreadable => (texts().plates.unreadable)(plate),
        PlateRefused::NoteTooLong => (texts().plates.note_too_long)(NOTE_CHARS_MAX),
    }
}

#[cfg(test)]
mod tests;
