//! CSV and JSON lines, encoded by blocks of rows.
//!
//! CSV opens in a spreadsheet: a byte order mark (Excel takes the file for GBK without one), lines that end with CR LF. A text
//! of digits that a spreadsheet would take for a number or a date ends with a tab: Excel, WPS and LibreOffice then keep it as it
//! is, all of its twenty digits, and pandas reads a text. `="…"` is no way: it is a formula, and other programs read that. A text
//! that would be a formula (CWE-1236) begins with an apostrophe, and so does one that begins with an apostrophe before such a
//! mark, so that what is read back is what was written.

use std::fmt::Write as _;

use csv::{Terminator, WriterBuilder};

use super::{Cell, ColumnKind, ExportColumn, ExportRow, LocalTimes};

/// How rows are written as text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TextFormat {
    Csv,
    JsonLines,
}

/// What stands before the rows.
pub(crate) fn head(format: TextFormat, columns: &[ExportColumn]) -> anyhow::Result<Vec<u8>> {
    match format {
        TextFormat::JsonLines => Ok(Vec::new()),
        TextFormat::Csv => {
            let mut out = csv_writer(b"\xef\xbb\xbf".to_vec());
            out.write_record(columns.iter().map(|column| column.title))?;
            inner(out)
        }
    }
}

/// Rows as text.
pub(crate) fn encode(
    format: TextFormat,
    columns: &[ExportColumn],
    times: &LocalTimes,
    rows: &[ExportRow],
) -> anyhow::Result<Vec<u8>> {
    match format {
        TextFormat::Csv => csv_rows(columns, times, rows),
        TextFormat::JsonLines => json_rows(columns, rows),
    }
}

fn csv_writer(out: Vec<u8>) -> csv::Writer<Vec<u8>> {
    WriterBuilder::new().flexible(false).terminator(Terminator::CRLF).from_writer(out)
}

fn inner(out: csv::Writer<Vec<u8>>) -> anyhow::Result<Vec<u8>> {
    out.into_inner().map_err(|error| anyhow::anyhow!("{error}"))
}

fn csv_rows(columns: &[ExportColumn], times: &LocalTimes, rows: &[ExportRow]) -> anyhow::Result<Vec<u8>> {
    let mut out = csv_writer(Vec::with_capacity(rows.len() * 256));
    let mut field: Vec<u8> = Vec::new();
    for row in rows {
        for (column, cell) in columns.iter().zip(row) {
            match (cell, column.kind) {
                (Cell::Empty, _) => out.write_field(b"")?,
                (Cell::Text(text), _) => match guard(text) {
                    CellGuard::None => out.write_field(text)?,
                    CellGuard::Tab => out.write_field(format!("{text}\t"))?,
                    CellGuard::Apostrophe => out.write_field(format!("'{text}"))?,
                },
                (Cell::Decimal(digits), _) => out.write_field(digits)?,
                (Cell::Number(number), kind) => {
                    field.clear();
                    push_number(*number, kind, times, &mut field);
                    out.write_field(&field)?;
                }
            }
        }
        out.write_record(None::<&[u8]>)?;
    }
    inner(out)
}

fn push_number(number: i64, kind: ColumnKind, times: &LocalTimes, out: &mut Vec<u8>) {
    use std::io::Write as _;
    let written = match kind {
        ColumnKind::Time => {
            times.push(number, out);
            Ok(())
        }
        ColumnKind::Amount => {
            let sign = if number < 0 { "-" } else { "" };
            write!(out, "{sign}{}.{:02}", number.unsigned_abs() / 100, number.unsigned_abs() % 100)
        }
        ColumnKind::Text | ColumnKind::Number | ColumnKind::Json => write!(out, "{number}"),
    };
    // Writing to memory does not fail.
    debug_assert!(written.is_ok());
}

/// What keeps a text from being taken for something else.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum CellGuard {
    None,
    Tab,
    Apostrophe,
}

/// A cell that begins so is a formula somewhere (CWE-1236).
fn begins_formula(text: &str) -> bool {
    text.starts_with(['=', '+', '-', '@', '\t', '\r', '\n', '＝', '＋', '－', '＠'])
}

fn guard(text: &str) -> CellGuard {
    if begins_formula(text)
        || text.strip_prefix('\'').is_some_and(|rest| begins_formula(rest) || rest.starts_with('\''))
    {
        return CellGuard::Apostrophe;
    }
    // Digits with what may stand in numbers, dates, times and powers of ten.
    let is_mark = |byte: u8| byte.is_ascii_digit() || b".,:/-+ eE%".contains(&byte);
    let looks_like_number = text.bytes().any(|byte| byte.is_ascii_digit()) && text.bytes().all(is_mark);
    if looks_like_number { CellGuard::Tab } else { CellGuard::None }
}

/// What stood in a cell before it was guarded.
pub(crate) fn without_guard(text: &str) -> &str {
    match text.strip_prefix('\'') {
        Some(rest) if begins_formula(rest) || rest.starts_with('\'') => rest,
        _ => text,
    }
}

fn json_rows(columns: &[ExportColumn], rows: &[ExportRow]) -> anyhow::Result<Vec<u8>> {
    let mut out = String::with_capacity(rows.len() * 400);
    for row in rows {
        out.push('{');
        for (place, (column, cell)) in columns.iter().zip(row).enumerate() {
            if place > 0 {
                out.push(',');
            }
            write!(out, "\"{}\":", column.key)?;
            match (cell, column.kind) {
                (Cell::Empty, _) => out.push_str("null"),
                (Cell::Text(json), ColumnKind::Json) => out.push_str(json),
                (Cell::Text(text), _) => out.push_str(&serde_json::to_string(text)?),
                (Cell::Number(number), _) => write!(out, "{number}")?,
                (Cell::Decimal(digits), _) => out.push_str(digits),
            }
        }
        out.push_str("}\n");
    }
    Ok(out.into_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_spreadsheet_would_change_is_guarded_and_nothing_else() {
        for (text, expected) in [
            ("20210628000000000001", CellGuard::Tab),
            ("007", CellGuard::Tab),
            ("12E34", CellGuard::Tab),
            ("2021-06", CellGuard::Tab),
            ("3/4", CellGuard::Tab),
            ("49f0cc52-e8c7-41e3-b54d-af666b8cc11a", CellGuard::None),
            ("粤B12345", CellGuard::None),
            ("", CellGuard::None),
            ("e", CellGuard::None),
            ("=1+1", CellGuard::Apostrophe),
            ("+86", CellGuard::Apostrophe),
            ("-5", CellGuard::Apostrophe),
            ("@SUM(A1)", CellGuard::Apostrophe),
            ("\tx", CellGuard::Apostrophe),
            ("\rx", CellGuard::Apostrophe),
            ("＝1", CellGuard::Apostrophe),
            ("'=1", CellGuard::Apostrophe),
            ("''x", CellGuard::Apostrophe),
            ("'x", CellGuard::None),
        ] {
            assert_eq!(guard(text), expected, "{text}");
        }
    }

    #[test]
    fn what_was_guarded_is_read_back() {
        for text in ["=1", "-", "@", "'=1", "''", "'''=", "x", "'x", "123", "＝"] {
            let written = match guard(text) {
                CellGuard::None => text.to_owned(),
                CellGuard::Tab => format!("{text}\t"),
                CellGuard::Apostrophe => format!("'{text}"),
            };
            assert_eq!(without_guard(written.trim()), text);
        }
    }
}
