//! XLSX, a row at a time: texts as texts, times as dates of a zone, amounts as numbers of yuan.

use std::path::{Path, PathBuf};

use anyhow::Context;
use rust_xlsxwriter::{Format, Workbook, Worksheet};

use super::{Cell, ColumnKind, ExportColumn, ExportRow, LocalTimes, SheetFile};

/// Rows of a sheet, the header among them: no spreadsheet takes more.
const SHEET_ROWS_MAX: u32 = 1_048_576;
/// Characters (UTF-16) of a cell: likewise.
const CELL_CHARS_MAX: usize = 32_767;
/// What stands at the end of a text that was too long.
const CUT: &str = "…";

/// A workbook under way.
pub(super) struct XlsxFile {
    workbook: Workbook,
    path: PathBuf,
    sheet: String,
    columns: Vec<ExportColumn>,
    times: LocalTimes,
    formats: CellFormats,
    sheets: usize,
    /// The next row of the last sheet.
    row: u32,
}

struct CellFormats {
    head: Format,
    time: Format,
    amount: Format,
    text: Format,
}

impl XlsxFile {
    pub(super) fn begin(
        path: &Path,
        sheet: &str,
        columns: &[ExportColumn],
        times: LocalTimes,
    ) -> anyhow::Result<XlsxFile> {
        let mut workbook = Workbook::new();
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
        workbook.set_tempdir(folder.unwrap_or(Path::new(".")))?;
        let formats = CellFormats {
            head: Format::new().set_bold(),
            time: Format::new().set_num_format("yyyy-mm-dd hh:mm:ss"),
            amount: Format::new().set_num_format("0.00"),
            // So that a text of digits stays one when it is edited.
            text: Format::new().set_num_format("@"),
        };
        let (path, sheet) = (path.to_owned(), sheet.to_owned());
        let mut file = XlsxFile { workbook, path, sheet, columns: columns.to_vec(), times, formats, sheets: 0, row: 0 };
        file.next_sheet()?;
        Ok(file)
    }

    fn next_sheet(&mut self) -> anyhow::Result<()> {
        let sheet = self.workbook.add_worksheet_with_constant_memory()?;
        self.sheets += 1;
        let name = if self.sheets == 1 { self.sheet.clone() } else { format!("{} {}", self.sheet, self.sheets) };
        sheet.set_name(name)?.set_freeze_panes(1, 0)?;
        for (place, column) in (0..).zip(&self.columns) {
            let width = match column.kind {
                ColumnKind::Time => 20,
                ColumnKind::Amount | ColumnKind::Number => 10,
                ColumnKind::Text | ColumnKind::Json => 24,
            };
            sheet.set_column_width(place, width)?;
        }
        for (place, column) in (0..).zip(&self.columns) {
            sheet.write_string_with_format(0, place, column.title, &self.formats.head)?;
        }
        self.row = 1;
        Ok(())
    }
}

impl SheetFile for XlsxFile {
    fn add(&mut self, rows: &[ExportRow]) -> anyhow::Result<()> {
        for row in rows {
            if self.row >= SHEET_ROWS_MAX {
                self.next_sheet()?;
            }
            let sheet = self.workbook.worksheet_from_index(self.sheets - 1)?;
            for ((place, column), cell) in (0..).zip(&self.columns).zip(row) {
                write_cell(sheet, (self.row, place), column.kind, cell, &self.times, &self.formats)?;
            }
            self.row += 1;
        }
        Ok(())
    }

    fn finish(mut self: Box<Self>) -> anyhow::Result<()> {
        self.workbook.save(&self.path).with_context(|| self.path.display().to_string())
    }
}

fn write_cell(
    sheet: &mut Worksheet,
    (row, place): (u32, u16),
    kind: ColumnKind,
    cell: &Cell,
    times: &LocalTimes,
    formats: &CellFormats,
) -> anyhow::Result<()> {
    let _written = match (cell, kind) {
        (Cell::Empty, _) => return Ok(()),
        (Cell::Text(text), _) => sheet.write_string_with_format(row, place, fitting(text), &formats.text)?,
        (Cell::Number(ms), ColumnKind::Time) => match times.excel_days(*ms) {
            Some(days) => sheet.write_number_with_format(row, place, days, &formats.time)?,
            None => sheet.write_string(row, place, ms.to_string())?,
        },
        (Cell::Number(fen), ColumnKind::Amount) => {
            sheet.write_number_with_format(row, place, *fen as f64 / 100.0, &formats.amount)?
        }
        (Cell::Number(number), _) => sheet.write_number(row, place, *number as f64)?,
        (Cell::Decimal(digits), _) => match digits.parse::<f64>() {
            Ok(number) => sheet.write_number(row, place, number)?,
            Err(_) => sheet.write_string(row, place, digits)?,
        },
    };
    Ok(())
}

/// As much of a text as a cell takes.
fn fitting(text: &str) -> std::borrow::Cow<'_, str> {
    // No text has more UTF-16 units than bytes.
    if text.len() <= CELL_CHARS_MAX || text.encode_utf16().count() <= CELL_CHARS_MAX {
        return text.into();
    }
    let mut units = CUT.encode_utf16().count();
    let fits = |letter: &char| {
        units += letter.len_utf16();
        units <= CELL_CHARS_MAX
    };
    let mut cut: String = text.chars().take_while(fits).collect();
    cut.push_str(CUT);
    cut.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_cut_where_a_cell_ends() {
        let fits = "字".repeat(CELL_CHARS_MAX);
        assert_eq!(fitting(&fits), fits);
        let cut = fitting(&format!("{fits}字")).into_owned();
        assert!(cut.ends_with(CUT) && cut.encode_utf16().count() == CELL_CHARS_MAX);
        let pairs = fitting(&"🚗".repeat(CELL_CHARS_MAX)).into_owned();
        assert!(pairs.ends_with(CUT) && pairs.encode_utf16().count() <= CELL_CHARS_MAX);
    }
}
