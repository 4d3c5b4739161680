//! Files for spreadsheets and programs: the same rows as CSV, JSON lines, XLSX or Parquet.
//!
//! CSV and XLSX are for people: amounts in yuan, times of a zone, texts that a spreadsheet would take for a number, a date or a
//! formula kept as texts. JSON lines and Parquet are for programs: amounts in fen, times in milliseconds since 1970, every text
//! as it is.

mod aside;
#[cfg(feature = "parquet")]
mod parquet;
mod text;
mod times;
mod xlsx;

use std::path::Path;

#[cfg(not(feature = "parquet"))]
use parkgate_text::texts;

pub(crate) use aside::Aside;
pub(crate) use text::{TextFormat, encode, head, without_guard};
pub(crate) use times::LocalTimes;

#[cfg(not(feature = "parquet"))]
use crate::output::misuse;

/// What a column holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ColumnKind {
    Text,
    /// ms since 1970.
    Time,
    /// Fen.
    Amount,
    Number,
    /// A text that is JSON: in JSON lines it stands as what it is.
    Json,
}

/// A column of a file.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ExportColumn {
    /// For programs.
    pub(crate) key: &'static str,
    /// For people, in the language of the header.
    pub(crate) title: &'static str,
    pub(crate) kind: ColumnKind,
}

/// What stands in a cell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Cell {
    Empty,
    Text(String),
    /// A time, an amount or a number, as its column says.
    Number(i64),
    /// A number with a fraction, as its digits.
    Decimal(String),
}

impl Cell {
    pub(crate) fn text(text: impl Into<String>) -> Cell {
        Cell::Text(text.into())
    }
}

impl<T: Into<Cell>> From<Option<T>> for Cell {
    fn from(cell: Option<T>) -> Cell {
        cell.map_or(Cell::Empty, Into::into)
    }
}

impl From<i64> for Cell {
    fn from(number: i64) -> Cell {
        Cell::Number(number)
    }
}

impl From<String> for Cell {
    fn from(text: String) -> Cell {
        Cell::Text(text)
    }
}

impl From<&str> for Cell {
    fn from(text: &str) -> Cell {
        Cell::Text(text.to_owned())
    }
}

/// The cells of a row, in the order of the columns.
pub(crate) type ExportRow = Vec<Cell>;

/// A file that holds rows as cells, not as text.
pub(crate) trait SheetFile {
    /// Adds rows.
    fn add(&mut self, rows: &[ExportRow]) -> anyhow::Result<()>;
    /// Makes it whole. Without this it cannot be read.
    fn finish(self: Box<Self>) -> anyhow::Result<()>;
}

/// An XLSX file, written at `path`; what it needs meanwhile lies beside it.
pub(crate) fn xlsx_file(
    path: &Path,
    sheet: &str,
    columns: &[ExportColumn],
    times: LocalTimes,
) -> anyhow::Result<Box<dyn SheetFile>> {
    Ok(Box::new(xlsx::XlsxFile::begin(path, sheet, columns, times)?))
}

/// A Parquet file, if this program can write them.
#[cfg(feature = "parquet")]
pub(crate) fn parquet_file(path: &Path, columns: &[ExportColumn]) -> anyhow::Result<Box<dyn SheetFile>> {
    Ok(Box::new(parquet::ParquetFile::begin(path, columns)?))
}

/// A Parquet file, if this program can write them.
#[cfg(not(feature = "parquet"))]
pub(crate) fn parquet_file(_path: &Path, _columns: &[ExportColumn]) -> anyhow::Result<Box<dyn SheetFile>> {
    Err(misuse(texts().export.no_parquet))
}
