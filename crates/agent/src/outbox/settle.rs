//! Writes down what came of records that were sent.

use std::path::Path;

use parkgate_wire::UnixMillis;
use rusqlite::{OptionalExtension, Transaction, TransactionBehavior, params};

use super::{Outbox, OutboxError, Settlement, schema};

const MINUTE_MS: i64 = 60_000;

impl Outbox {
    /// Writes down what came of records, in one commit, and ends their claims.
    ///
    /// # Errors
    /// The database cannot be written. They are still claimed, and can be settled again.
    pub fn settle(&self, settled: &[(i64, Settlement)], now: UnixMillis) -> Result<(), OutboxError> {
        if settled.is_empty() {
            return Ok(());
        }
        let mut removed = Vec::new();
        let mut connection = self.lock();
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let mut tally = SettledTally::default();
        for (id, settled) in settled {
            tally.add(settled);
            match settled {
                Settlement::Sent { .. } => removed.extend(sent(&transaction, *id, self.age())?),
                Settlement::Dead { hint } | Settlement::Held { hint } => {
                    let state = if matches!(settled, Settlement::Dead { .. }) { 1 } else { 2 };
                    transaction
                        .prepare_cached("UPDATE records SET state = ?2, hint = ?3 WHERE id = ?1")?
                        .execute(params![id, state, hint])?;
                }
                Settlement::WithoutPictures { .. } => {
                    removed.extend(without_pictures(&transaction, *id)?);
                    again(&transaction, *id, UnixMillis(0))?;
                }
                Settlement::PictureGone { path, .. } => {
                    picture_gone(&transaction, path)?;
                    again(&transaction, *id, UnixMillis(0))?;
                }
                Settlement::Later { due, .. } => again(&transaction, *id, *due)?,
            }
        }
        tally.note(&transaction, now)?;
        self.note_age(&transaction)?;
        transaction.commit()?;
        drop(connection);
        self.release(settled.iter().map(|(id, _)| *id));
        // Only after the commit: a record that is still there must find its pictures.
        removed.iter().for_each(|name| self.remove(name));
        Ok(())
    }

    /// Makes every waiting record due now.
    ///
    /// # Errors
    /// The database cannot be written.
    pub fn hurry(&self) -> Result<(), OutboxError> {
        self.lock().execute("UPDATE records SET due = 0 WHERE state = 0 AND due > 0", [])?;
        Ok(())
    }
}

/// The changes that many records make to the counts, written once.
#[derive(Default)]
struct SettledTally<'a> {
    sent: i64,
    hinted: i64,
    hint: Option<&'a str>,
    /// The latest state of the connection: a failure, or `None` when the platform answered.
    error: Option<Option<&'a str>>,
}

impl<'a> SettledTally<'a> {
    fn add(&mut self, settled: &'a Settlement) {
        match settled {
            Settlement::Sent { hint } => {
                self.sent += 1;
                self.hinted += i64::from(hint.is_some());
                self.hint = hint.as_deref().or(self.hint);
                self.error = Some(None);
            }
            Settlement::Dead { hint } | Settlement::Held { hint } => {
                self.hint = Some(hint);
                self.error = Some(None);
            }
            Settlement::Later { reason, .. }
            | Settlement::WithoutPictures { reason }
            | Settlement::PictureGone { reason, .. } => self.error = Some(Some(reason)),
        }
    }

    fn note(&self, transaction: &Transaction<'_>, now: UnixMillis) -> Result<(), OutboxError> {
        if self.sent > 0 {
            schema::count(transaction, "sent", self.sent)?;
            schema::note(transaction, "last_sent_at", Some(&now.to_string()))?;
            // Counted by the minute, for the rate: the current one and the one before.
            let (minute, counted) = (now.0 / MINUTE_MS, schema::number(transaction, "minute")?);
            if counted != minute.unsigned_abs() {
                let is_next = counted + 1 == minute.unsigned_abs();
                let before = if is_next { schema::number(transaction, "minute_sent")? } else { 0 };
                schema::note(transaction, "minute_before", Some(&before.to_string()))?;
                schema::note(transaction, "minute_sent", None)?;
                schema::note(transaction, "minute", Some(&minute.to_string()))?;
            }
            schema::count(transaction, "minute_sent", self.sent)?;
        }
        if self.hinted > 0 {
            schema::count(transaction, "hinted", self.hinted)?;
        }
        if let Some(hint) = self.hint {
            schema::note(transaction, "last_hint", Some(hint))?;
        }
        match self.error {
            Some(error) => schema::note(transaction, "last_error", error),
            None => Ok(()),
        }
    }
}

fn again(transaction: &Transaction<'_>, id: i64, due: UnixMillis) -> Result<(), OutboxError> {
    let sql = "UPDATE records SET due = ?2, attempts = attempts + 1 WHERE id = ?1";
    transaction.prepare_cached(sql)?.execute(params![id, due.0])?;
    Ok(())
}

/// Drops a record's pictures and those of the refused enter that is sent along; returns their names.
fn without_pictures(transaction: &Transaction<'_>, id: i64) -> Result<Vec<String>, OutboxError> {
    let mut names = forget_pictures(transaction, id)?;
    if let Some(enter) = enter_along(transaction, id)? {
        names.extend(forget_pictures(transaction, enter)?);
    }
    schema::count(transaction, "pictures_too_large", i64::try_from(names.len()).unwrap_or(0))?;
    Ok(names)
}

/// Forgets this picture only: others of its record may be there.
fn picture_gone(transaction: &Transaction<'_>, path: &Path) -> Result<(), OutboxError> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let bytes: Option<i64> = transaction
        .prepare_cached("DELETE FROM files WHERE name = ?1 RETURNING bytes")?
        .query_row([name], |row| row.get(0))
        .optional()?;
    if let Some(bytes) = bytes {
        schema::count(transaction, "picture_bytes", -bytes)?;
        schema::count(transaction, "pictures_missing", 1)?;
    }
    Ok(())
}

/// The refused enter that is sent along in this leave.
fn enter_along(transaction: &Transaction<'_>, leave: i64) -> Result<Option<i64>, OutboxError> {
    let sql = "SELECT e.id FROM records l JOIN records e ON e.serial = l.serial AND e.kind = 0 AND e.own_key IS NULL AND e.state <> 0 \
               WHERE l.id = ?1 AND l.kind = 1";
    Ok(transaction.prepare_cached(sql)?.query_row([leave], |row| row.get(0)).optional()?)
}

/// Moves a record to those sent; returns the names of its pictures, and of those of the refused enter that was sent along.
fn sent(transaction: &Transaction<'_>, id: i64, age: UnixMillis) -> Result<Vec<String>, OutboxError> {
    transaction
        .prepare_cached(
            "INSERT OR REPLACE INTO sent (kind, serial, digest, enter_time, sent_at) \
             SELECT kind, coalesce(own_key, serial), digest, enter_time, ?2 FROM records WHERE id = ?1",
        )?
        .execute(params![id, age.0])?;
    let enter = enter_along(transaction, id)?;
    let mut names = forget(transaction, id)?;
    if let Some(enter) = enter {
        names.extend(forget(transaction, enter)?);
    }
    Ok(names)
}

/// Deletes a record; returns the names of its pictures.
pub(super) fn forget(transaction: &Transaction<'_>, id: i64) -> Result<Vec<String>, OutboxError> {
    let names = forget_pictures(transaction, id)?;
    let gone = transaction.prepare_cached("DELETE FROM records WHERE id = ?1")?.execute([id])?;
    schema::count(transaction, "records", -i64::try_from(gone).unwrap_or(0))?;
    Ok(names)
}

/// Deletes the rows of a record's pictures; returns their names, to be removed after the commit.
fn forget_pictures(transaction: &Transaction<'_>, id: i64) -> Result<Vec<String>, OutboxError> {
    let mut names = Vec::new();
    let mut statement = transaction.prepare_cached("DELETE FROM files WHERE record_id = ?1 RETURNING name, bytes")?;
    let mut rows = statement.query([id])?;
    while let Some(row) = rows.next()? {
        names.push(row.get(0)?);
        schema::count(transaction, "picture_bytes", -row.get::<_, i64>(1)?)?;
    }
    Ok(names)
}
