//! Lists of plates as spreadsheets save them, the columns named in the first line.

use std::collections::HashMap;
use std::path::Path;

use parkgate_ledger::plate::NormalPlate;
use parkgate_ledger::plate_list::{ListedPlate, NOTE_CHARS_MAX, PLATES_MAX, PlateList, PlateRefused};
use parkgate_text::texts;

use crate::spreadsheet::{NamedColumn, SpreadsheetRow, SpreadsheetTable, load as load_table};

/// What a column may be called.
const COLUMNS: &[NamedColumn] = &[
    NamedColumn { key: "plate", names: &["车牌", "车牌号", "车牌号码", "号牌"], is_required: true },
    NamedColumn { key: "list", names: &["名单", "名单类型"], is_required: true },
    NamedColumn { key: "note", names: &["备注", "说明"], is_required: false },
];

/// Reads the file, or names every line that is wrong.
pub(super) fn load(path: &Path) -> anyhow::Result<Vec<ListedPlate>> {
    plates_of(&load_table(path, COLUMNS)?).map_err(|wrong| {
        let file = path.display().to_string();
        anyhow::anyhow!((texts().plates.file_wrong)(&file, wrong.len(), &wrong.join("\n  ")))
    })
}

/// The plates of a table, or all that is wrong with it.
fn plates_of(table: &SpreadsheetTable) -> Result<Vec<ListedPlate>, Vec<String>> {
    let mut rows = Rows::default();
    for row in &table.rows {
        rows.add(table, row);
    }
    match (rows.wrong.is_empty(), rows.plates.is_empty()) {
        (false, _) => Err(rows.wrong),
        (true, true) => Err(vec![texts().plates.no_plates.to_owned()]),
        (true, false) => Ok(rows.plates),
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
    fn add(&mut self, table: &SpreadsheetTable, row: &SpreadsheetRow) {
        match self.entry(table, row) {
            Ok(entry) => self.plates.push(entry),
            Err(wrong) => self.wrong.push((texts().sheets.at_line)(row.line, &wrong)),
        }
    }

    fn entry(&mut self, table: &SpreadsheetTable, row: &SpreadsheetRow) -> Result<ListedPlate, String> {
        if let Some(spoilt) = table.spoilt(row).into_iter().next() {
            return Err(spoilt);
        }
        let (plate, list) = (table.value(row, "plate"), table.value(row, "list"));
        if plate.is_empty() {
            return Err(texts().plates.no_plate.to_owned());
        }
        let list = PlateList::named(list).ok_or_else(|| (texts().plates.no_list)(list))?;
        let entry = ListedPlate::new(plate, list, Some(table.value(row, "note"))).map_err(|why| refused(plate, why))?;
        let known = NormalPlate::of(plate).map(|normal| *self.seen.entry(normal).or_insert((row.line, list)));
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
