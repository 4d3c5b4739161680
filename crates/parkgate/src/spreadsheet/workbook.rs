//! XLSX: every sheet's cells as the texts that were typed.

use std::io::Cursor;

use calamine::{Data, Range, Reader as _, Xlsx};
use parkgate_text::texts;

use super::{SpoiltCell, SpreadsheetRow};

/// A spreadsheet keeps fifteen digits of a number, whatever was typed.
const EXACT_MAX: f64 = 1e15;

/// The sheets with their rows that are not empty.
pub(super) fn sheets_of(bytes: &[u8]) -> Result<Vec<(String, Vec<SpreadsheetRow>)>, String> {
    let unreadable = |error: calamine::XlsxError| (texts().sheets.no_workbook)(&error.to_string());
    let mut workbook: Xlsx<_> = Xlsx::new(Cursor::new(bytes)).map_err(unreadable)?;
    let mut sheets = Vec::new();
    for name in workbook.sheet_names() {
        let values = workbook.worksheet_range(&name).map_err(unreadable)?;
        let formulas = workbook.worksheet_formula(&name).map_err(unreadable)?;
        sheets.push((name, rows_of(&values, &formulas)));
    }
    Ok(sheets)
}

fn rows_of(values: &Range<Data>, formulas: &Range<String>) -> Vec<SpreadsheetRow> {
    let (first_row, first_column) = values.start().unwrap_or_default();
    let has_formula = |row: u32, column: u32| {
        !formulas.is_empty() && formulas.get_value((row, column)).is_some_and(|formula| !formula.is_empty())
    };
    let mut rows = Vec::new();
    for (number, cells) in (first_row..).zip(values.rows()) {
        let mut row = SpreadsheetRow { line: u64::from(number) + 1, ..SpreadsheetRow::default() };
        for (place, cell) in cells.iter().enumerate() {
            let column = first_column.saturating_add(u32::try_from(place).unwrap_or(u32::MAX));
            let text = match text_of(cell) {
                Ok(text) if text.is_empty() && has_formula(number, column) => Err(SpoiltCell::NoValue),
                read => read,
            };
            row.cells.push(text.unwrap_or_else(|spoilt| {
                row.spoilt.push((place, spoilt));
                String::new()
            }));
        }
        if row.cells.iter().any(|text| !text.is_empty()) || !row.spoilt.is_empty() {
            rows.push(row);
        }
    }
    rows
}

fn text_of(cell: &Data) -> Result<String, SpoiltCell> {
    match cell {
        Data::Empty => Ok(String::new()),
        Data::String(text) => Ok(text.trim().to_owned()),
        Data::Int(number) => Ok(number.to_string()),
        Data::Bool(value) => Ok(if *value { "yes" } else { "no" }.to_owned()),
        Data::Float(number) if number.abs() >= EXACT_MAX => Err(SpoiltCell::LostDigits(format!("{number:.1E}"))),
        // The shortest text that reads as this number: as it was typed.
        Data::Float(number) => Ok(number.to_string()),
        Data::DateTime(_) | Data::DateTimeIso(_) | Data::DurationIso(_) => Err(SpoiltCell::Date),
        Data::Error(error) => Err(SpoiltCell::Error(error.to_string())),
    }
}
