//! Tables as spreadsheets save them: CSV in whatever charset, and XLSX. One reader for every list that is imported.
//!
//! What a spreadsheet has spoilt is refused, with the line: digits lost to floating point, numbers turned into dates, formulas
//! without values. A line's number is that of its row in the spreadsheet.

mod csv_file;
mod workbook;

use std::fs::File;
use std::io::Read as _;
use std::path::Path;

use anyhow::{Context, bail};
use parkgate_text::texts;

/// A list of the most plates a park may have, with long notes; hundreds of thousands of parks.
const FILE_BYTES_MAX: u64 = 64 << 20;
/// The header is looked for in the first rows: a title may stand above it.
const ROWS_ABOVE_HEAD_MAX: usize = 10;

/// A row that is not empty.
#[derive(Debug, Default, Clone)]
pub(crate) struct SpreadsheetRow {
    /// Its number, as the spreadsheet shows it.
    pub(crate) line: u64,
    /// Its cells, without blanks around them.
    pub(crate) cells: Vec<String>,
    /// What the spreadsheet has spoilt: the column and how.
    pub(crate) spoilt: Vec<(usize, SpoiltCell)>,
}

/// What a spreadsheet has made of a cell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum SpoiltCell {
    LostDigits(String),
    Date,
    Error(String),
    NoValue,
}

/// What a column is, and what it may be called.
#[derive(Debug)]
pub(crate) struct NamedColumn {
    /// In English, by which it is found in a [`SpreadsheetTable`].
    pub(crate) key: &'static str,
    /// In Chinese, and other names.
    pub(crate) names: &'static [&'static str],
    /// Without it the row is no header.
    pub(crate) is_required: bool,
}

/// A table with its header.
#[derive(Debug)]
pub(crate) struct SpreadsheetTable {
    /// By column: what it is, if it is known.
    columns: Vec<Option<&'static str>>,
    /// Names of the header that are not known.
    pub(crate) passed_over: Vec<String>,
    /// What stands below the header.
    pub(crate) rows: Vec<SpreadsheetRow>,
}

/// Reads a file.
///
/// # Errors
/// It cannot be read, or is no such table: with its name, why, and the line.
pub(crate) fn load(path: &Path, known: &'static [NamedColumn]) -> anyhow::Result<SpreadsheetTable> {
    let mut bytes = Vec::new();
    let file = File::open(path).with_context(|| path.display().to_string())?;
    file.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes).with_context(|| path.display().to_string())?;
    if bytes.len() as u64 > FILE_BYTES_MAX {
        bail!("{}: {}", path.display(), texts().sheets.too_large);
    }
    table_of(&bytes, known).map_err(|wrong| anyhow::anyhow!("{}: {wrong}", path.display()))
}

/// The table of a file's bytes, whatever it is.
///
/// # Errors
/// It is none, and why.
pub(crate) fn table_of(bytes: &[u8], known: &'static [NamedColumn]) -> Result<SpreadsheetTable, String> {
    if bytes.starts_with(b"\xd0\xcf\x11\xe0") {
        return Err(texts().sheets.old_workbook.to_owned());
    }
    let sheets = if bytes.starts_with(b"PK\x03\x04") {
        workbook::sheets_of(bytes)?
    } else {
        vec![(String::new(), csv_file::rows_of(bytes)?)]
    };
    if sheets.iter().all(|(_, rows)| rows.is_empty()) {
        return Err(texts().sheets.empty_file.to_owned());
    }
    let mut tables: Vec<(String, SpreadsheetTable)> = Vec::new();
    for (name, rows) in sheets {
        if let Some(table) = table(rows, known)? {
            tables.push((name, table));
        }
    }
    // A sheet that is prepared and not filled in is none.
    if tables.len() > 1 {
        tables.retain(|(_, table)| !table.rows.is_empty());
    }
    match tables.len() {
        0 => Err((texts().sheets.no_head)(&expected_head(known))),
        1 => tables.pop().map(|(_, table)| table).ok_or_else(|| texts().sheets.no_rows.to_owned()),
        _ => {
            let names: Vec<&str> = tables.iter().map(|(name, _)| name.as_str()).collect();
            Err((texts().sheets.sheets_with_head)(&names.join(", ")))
        }
    }
}

/// The required columns, as a header could be written.
fn expected_head(known: &[NamedColumn]) -> String {
    let required = known.iter().filter(|column| column.is_required);
    let (keys, names): (Vec<&str>, Vec<&str>) =
        required.map(|column| (column.key, column.names.first().copied().unwrap_or(column.key))).unzip();
    match parkgate_text::lang() {
        parkgate_text::Lang::Zh => names.join(","),
        parkgate_text::Lang::En => keys.join(","),
    }
}

/// The table below the first row that is a header; none if none is.
fn table(rows: Vec<SpreadsheetRow>, known: &'static [NamedColumn]) -> Result<Option<SpreadsheetTable>, String> {
    let key_of = |name: &str| {
        let name = name.trim().to_ascii_lowercase();
        let is_it = |column: &&NamedColumn| column.key == name || column.names.contains(&name.as_str());
        known.iter().find(is_it).map(|column| column.key)
    };
    let is_head = |row: &SpreadsheetRow| {
        let has = |column: &NamedColumn| row.cells.iter().any(|name| key_of(name) == Some(column.key));
        known.iter().filter(|column| column.is_required).all(has)
    };
    let Some(head) = rows.iter().take(ROWS_ABOVE_HEAD_MAX).position(is_head) else { return Ok(None) };
    let mut below = rows.into_iter().skip(head);
    let Some(head) = below.next() else { return Ok(None) };
    let columns: Vec<Option<&'static str>> = head.cells.iter().map(|name| key_of(name)).collect();
    for (place, key) in columns.iter().enumerate() {
        if let Some(key) = key.filter(|key| columns.iter().take(place).any(|before| *before == Some(*key))) {
            return Err((texts().sheets.at_line)(head.line, &(texts().sheets.twice_in_head)(key)));
        }
    }
    let unknown = head.cells.iter().zip(&columns).filter(|(name, key)| key.is_none() && !name.is_empty());
    let passed_over = unknown.map(|(name, _)| name.clone()).collect();
    Ok(Some(SpreadsheetTable { columns, passed_over, rows: below.collect() }))
}

impl SpreadsheetTable {
    /// What a row has in a column; empty if there is no such column.
    pub(crate) fn value<'a>(&self, row: &'a SpreadsheetRow, key: &str) -> &'a str {
        let place = self.columns.iter().position(|column| *column == Some(key));
        place.and_then(|place| row.cells.get(place)).map_or("", String::as_str)
    }

    /// What the spreadsheet has spoilt of a row, in columns that are read.
    pub(crate) fn spoilt(&self, row: &SpreadsheetRow) -> Vec<String> {
        let texts = &texts().sheets;
        let named = row.spoilt.iter().filter_map(|(place, how)| {
            let key = self.columns.get(*place).copied().flatten()?;
            Some(match how {
                SpoiltCell::LostDigits(text) => (texts.lost_digits)(key, text),
                SpoiltCell::Date => (texts.turned_into_date)(key),
                SpoiltCell::Error(text) => (texts.cell_fault)(key, text),
                SpoiltCell::NoValue => (texts.no_value)(key),
            })
        });
        named.collect()
    }
}

#[cfg(test)]
mod tests;
