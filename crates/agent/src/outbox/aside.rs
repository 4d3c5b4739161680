//! Records aside: looked at, sent once more, given up.

use rusqlite::{OptionalExtension, TransactionBehavior};

use super::settle::forget;
use super::{Aside, Outbox, OutboxError, kind};

impl Outbox {
    /// Records aside, oldest first.
    ///
    /// # Errors
    /// The database cannot be read.
    pub fn aside(&self) -> Result<Vec<Aside>, OutboxError> {
        let connection = self.lock();
        let mut statement = connection.prepare(
            "SELECT id, kind, serial, params, coalesce(hint, ''), state FROM records WHERE state <> 0 ORDER BY id",
        )?;
        let rows = statement.query_map([], |row| {
            let json: String = row.get(3)?;
            Ok(Aside {
                id: row.get(0)?,
                kind: kind(row.get(1)?),
                parking_serial: row.get(2)?,
                params: serde_json::from_str(&json).unwrap_or_default(),
                hint: row.get(4)?,
                is_held: row.get::<_, i64>(5)? == 2,
            })
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// Sends records that are aside once more; how many. None named: all.
    ///
    /// # Errors
    /// The database cannot be written.
    pub fn retry(&self, ids: &[i64]) -> Result<usize, OutboxError> {
        let connection = self.lock();
        let sql = "UPDATE records SET state = 0, due = 0, attempts = 0 WHERE state <> 0";
        if ids.is_empty() {
            return Ok(connection.execute(sql, [])?);
        }
        let mut one = connection.prepare(&format!("{sql} AND id = ?1"))?;
        let mut retried = 0;
        for id in ids {
            retried += one.execute([id])?;
        }
        Ok(retried)
    }

    /// Gives records up that are aside; how many.
    ///
    /// # Errors
    /// The database cannot be written.
    pub fn drop_aside(&self, ids: &[i64]) -> Result<usize, OutboxError> {
        let mut names = Vec::new();
        let mut dropped = 0;
        let mut connection = self.lock();
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        for id in ids {
            let is_aside = transaction
                .query_row("SELECT state <> 0 FROM records WHERE id = ?1", [id], |row| row.get::<_, bool>(0))
                .optional()?;
            if is_aside == Some(true) {
                names.extend(forget(&transaction, *id)?);
                dropped += 1;
            }
        }
        transaction.commit()?;
        drop(connection);
        names.iter().for_each(|name| self.remove(name));
        Ok(dropped)
    }
}
