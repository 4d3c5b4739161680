//! What exporting a list of parks and one of apps have in common.

use std::io::Write as _;

use anyhow::Context;
use parkgate_text::{Lang, lang, texts};

use crate::cli::{ListExportArgs, ListFormat};
use crate::export_file::{
    Aside, Cell, ColumnKind, ExportColumn, ExportRow, LocalTimes, TextFormat, encode, head, xlsx_file,
};
use crate::output::{self, misuse};
use crate::spreadsheet::NamedColumn;

/// Columns as an import knows them, but for the secret.
pub(super) fn columns_of(known: &[NamedColumn]) -> Vec<ExportColumn> {
    let is_open = known.iter().filter(|column| column.key != "secret");
    let column = |column: &NamedColumn| ExportColumn {
        key: column.key,
        title: match lang() {
            Lang::Zh => column.names.first().copied().unwrap_or(column.key),
            Lang::En => column.key,
        },
        kind: if column.key == "total" { ColumnKind::Number } else { ColumnKind::Text },
    };
    is_open.map(column).collect()
}

pub(super) fn yes_no(yes: bool) -> Cell {
    Cell::text(match (lang(), yes) {
        (Lang::Zh, true) => "是",
        (Lang::Zh, false) => "否",
        (Lang::En, true) => "yes",
        (Lang::En, false) => "no",
    })
}

/// Writes a list that is in memory.
pub(super) fn write(
    args: &ListExportArgs,
    sheet: &str,
    columns: &[ExportColumn],
    rows: &[ExportRow],
) -> anyhow::Result<()> {
    let times = LocalTimes::of(jiff::tz::TimeZone::UTC);
    let text = || -> anyhow::Result<Vec<u8>> {
        let mut text = head(TextFormat::Csv, columns)?;
        text.extend(encode(TextFormat::Csv, columns, &times, rows)?);
        Ok(text)
    };
    let Some(path) = &args.out else {
        return match args.format {
            ListFormat::Csv => output::bytes(&text()?).map(drop),
            ListFormat::Xlsx => Err(misuse(texts().export.needs_out)),
        };
    };
    let aside = Aside::begin(path, false)?;
    match args.format {
        ListFormat::Csv => aside.file()?.write_all(&text()?).with_context(|| path.display().to_string())?,
        ListFormat::Xlsx => {
            let mut file = xlsx_file(aside.path(), sheet, columns, times)?;
            file.add(rows)?;
            file.finish()?;
        }
    }
    aside.put()
}
