//! The registry of a PostgreSQL database as lines of JSON: every table that is not of records, a row a line.

use std::fs::File;
use std::io::{BufRead, BufReader, BufWriter, Read, Write};
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::BackupError;
use crate::StoreError;
use crate::moving::movable::{MovableStore, MovedRow, MovedValue};
use crate::moving::tables::{NUMBERED, PER_RECORD, TABLES, Table};

/// Rows read and written at once.
const PAGE: usize = 500;
/// A list of plates has short rows; what is longer is no row.
const LINE_BYTES_MAX: u64 = 4 << 20;

#[derive(Serialize, Deserialize)]
struct Line {
    table: String,
    row: Vec<MovedValue>,
}

/// The tables that are in it.
fn tables() -> impl Iterator<Item = &'static Table> {
    TABLES.iter().filter(|table| !PER_RECORD.contains(&table.name))
}

/// Writes all of it to a file.
pub(super) fn write(store: &dyn MovableStore, path: &Path) -> Result<(), BackupError> {
    let name = path.display().to_string();
    let failed = |error: std::io::Error| BackupError::written(&name, &error);
    let file: File = parkgate_seal::disk::open_file(path).map_err(failed)?;
    file.set_len(0).map_err(failed)?;
    let mut out = BufWriter::new(file);
    for table in tables() {
        let mut after: Option<Vec<MovedValue>> = None;
        loop {
            let page = store.page(table, after.as_deref(), PAGE)?;
            for MovedRow { row, .. } in &page {
                let line = Line { table: table.name.to_owned(), row: row.clone() };
                let text = serde_json::to_string(&line).map_err(|error| StoreError::Broken(error.to_string()))?;
                writeln!(out, "{text}").map_err(failed)?;
            }
            match page.into_iter().last() {
                Some(last) => after = Some(last.key),
                None => break,
            }
        }
    }
    out.flush().map_err(failed)
}

/// Puts all of it into an empty database; how many rows, and the highest numbers of the tables that never use one twice.
pub(crate) fn put(store: &dyn MovableStore, name: &str, reader: impl Read) -> Result<(u64, Vec<i64>), BackupError> {
    let mut numbers = vec![0; NUMBERED.len()];
    let mut lines = BufReader::new(reader);
    let (mut rows, mut page, mut of): (u64, Vec<MovedRow>, Option<&'static Table>) = (0, Vec::new(), None);
    let mut put = |of: Option<&'static Table>, page: &mut Vec<MovedRow>| match of {
        Some(table) if !page.is_empty() => {
            rows += page.len() as u64;
            store.put(table, &std::mem::take(page), RESTORED, table.name)
        }
        Some(_) | None => Ok(()),
    };
    loop {
        let mut text = String::new();
        let read = (&mut lines).take(LINE_BYTES_MAX).read_line(&mut text);
        read.map_err(|error| BackupError::read(name, &error))?;
        if text.is_empty() {
            put(of, &mut page)?;
            return Ok((rows, numbers));
        }
        let wrong = |why: String| BackupError::Manifest { path: name.to_owned(), why };
        let Line { table, row } = serde_json::from_str(&text).map_err(|error| wrong(error.to_string()))?;
        let table = tables().find(|known| known.name == table).ok_or_else(|| wrong(format!("table {table}")))?;
        if row.len() != table.columns.len() {
            return Err(wrong(format!("{} columns of {}", row.len(), table.name)));
        }
        if of.is_none_or(|of| of.name != table.name) || page.len() == PAGE {
            put(of, &mut page)?;
            of = Some(table);
        }
        if let Some(number) = NUMBERED.iter().position(|(numbered, _)| *numbered == table.name)
            && let (Some(number), Some(MovedValue::Int(id))) = (numbers.get_mut(number), id_of(table, &row))
        {
            *number = (*number).max(*id);
        }
        page.push(MovedRow { key: Vec::new(), row });
    }
}

fn id_of<'a>(table: &Table, row: &'a [MovedValue]) -> Option<&'a MovedValue> {
    row.get(table.columns.iter().position(|column| column.name == "id")?)
}

/// The mark by which a store is known whose registry is being restored: how far it is.
pub(crate) const RESTORED: &str = "restored";
