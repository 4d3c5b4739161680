//! Every page of the database, read: is each what its place says, and does every index fit its table?

use std::path::Path;

use rusqlite::Connection;

use super::{ConnectionRole, connect};
use crate::StoreError;

/// Sentences, at most.
const FOUND_MAX: usize = 100;

/// What is wrong, a sentence for each. A page that cannot be read at all ends it with one.
pub(super) fn damaged(path: &Path) -> Result<Vec<String>, StoreError> {
    let connection = match connect(path, ConnectionRole::Reader) {
        Err(StoreError::Broken(text)) => return Ok(vec![text]),
        connection => connection?,
    };
    let mut found = Vec::new();
    look(&connection, &format!("PRAGMA integrity_check({FOUND_MAX})"), &mut found, |row| row.get(0))?;
    found.retain(|text: &String| text != "ok");
    look(&connection, "PRAGMA foreign_key_check", &mut found, |row| {
        let (table, row, named): (String, Option<i64>, String) = (row.get(0)?, row.get(1)?, row.get(2)?);
        Ok(format!("{table} {}: no such row in {named}", row.unwrap_or_default()))
    })?;
    found.truncate(FOUND_MAX);
    Ok(found)
}

fn look(
    connection: &Connection,
    pragma: &str,
    found: &mut Vec<String>,
    read: impl Fn(&rusqlite::Row<'_>) -> rusqlite::Result<String>,
) -> Result<(), StoreError> {
    let looked: rusqlite::Result<()> = (|| {
        let mut statement = connection.prepare(pragma)?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            found.push(read(row)?);
        }
        Ok(())
    })();
    match looked.map_err(StoreError::from) {
        // The database is what is broken, and that is what was asked.
        Err(StoreError::Broken(text) | StoreError::Away(text)) => {
            found.push(text);
            Ok(())
        }
        looked => looked,
    }
}
