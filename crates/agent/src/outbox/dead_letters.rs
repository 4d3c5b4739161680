//! Dead letters, and records held for their hint: listed, sent once more, dropped.

use rusqlite::{OptionalExtension, TransactionBehavior};

use super::settle::forget;
use super::{DeadLetter, Outbox, OutboxError, kind};

impl Outbox {
    /// Dead letters and held records, oldest first.
    ///
    /// # Errors
    /// The database cannot be read.
    pub fn dead_letters(&self) -> Result<Vec<DeadLetter>, OutboxError> {
        let connection = self.lock();
        let mut statement = connection.prepare(
            "SELECT id, kind, serial, params, coalesce(hint, ''), state, personal FROM records WHERE state <> 0 ORDER BY id",
        )?;
        let mut rows = statement.query([])?;
        let mut letters = Vec::new();
        while let Some(row) = rows.next()? {
            let parking_serial: String = row.get(2)?;
            let kind = match kind(row.get(1)?) {
                Ok(kind) => kind,
                Err(error) => {
                    tracing::error!(%error, parking_serial, "a record cannot be shown");
                    continue;
                }
            };
            let mut params: Vec<(String, String)> =
                serde_json::from_str(row.get_ref(3)?.as_str().unwrap_or_default()).unwrap_or_default();
            match self.vault.opened(kind, &parking_serial, row.get_ref(6)?.as_blob_or_null().unwrap_or_default()) {
                Ok(personal) => params.extend(personal),
                Err(error) => tracing::error!(%error, parking_serial, "ID data cannot be shown"),
            }
            let (hint, is_held) = (row.get(4)?, row.get::<_, i64>(5)? == 2);
            letters.push(DeadLetter { id: row.get(0)?, kind, parking_serial, params, hint, is_held });
        }
        Ok(letters)
    }

    /// Queues dead letters and held records again; all, if none is named. Returns how many.
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

    /// Deletes dead letters and held records; returns how many.
    ///
    /// # Errors
    /// The database cannot be written.
    pub fn drop_dead_letters(&self, ids: &[i64]) -> Result<usize, OutboxError> {
        let mut names = Vec::new();
        let mut dropped = 0;
        let mut connection = self.lock();
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        for id in ids {
            let is_dead = transaction
                .query_row("SELECT state <> 0 FROM records WHERE id = ?1", [id], |row| row.get::<_, bool>(0))
                .optional()?;
            if is_dead == Some(true) {
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
