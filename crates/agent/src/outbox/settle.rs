//! What became of records sent.

use rusqlite::{OptionalExtension, Transaction, TransactionBehavior, params};

use super::{Outbox, OutboxError, Settled, schema};

const MINUTE_MS: i64 = 60_000;

impl Outbox {
    /// Writes down what became of records, in one commit, and ends their claims.
    ///
    /// # Errors
    /// The database cannot be written: they are still claimed, and can be settled again.
    pub fn settle(&self, settled: &[(i64, Settled)], now: i64) -> Result<(), OutboxError> {
        if settled.is_empty() {
            return Ok(());
        }
        let mut removed = Vec::new();
        let mut connection = self.lock();
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let mut tally = Tally::default();
        for (id, settled) in settled {
            tally.add(settled);
            match settled {
                Settled::Sent { .. } => removed.extend(sent(&transaction, *id, now)?),
                Settled::Dead { hint } | Settled::Held { hint } => {
                    let state = if matches!(settled, Settled::Dead { .. }) { 1 } else { 2 };
                    transaction
                        .prepare_cached("UPDATE records SET state = ?2, hint = ?3 WHERE id = ?1")?
                        .execute(params![id, state, hint])?;
                }
                Settled::Later { due, .. } => {
                    transaction
                        .prepare_cached("UPDATE records SET due = ?2, attempts = attempts + 1 WHERE id = ?1")?
                        .execute(params![id, due])?;
                }
            }
        }
        tally.note(&transaction, now)?;
        transaction.commit()?;
        drop(connection);
        self.give_back(settled.iter().map(|(id, _)| *id));
        // Only now: a record that is still there must find its pictures.
        removed.iter().for_each(|name| self.remove(name));
        Ok(())
    }

    /// All that waits may be sent now.
    ///
    /// # Errors
    /// The database cannot be written.
    pub fn hurry(&self) -> Result<(), OutboxError> {
        self.lock().execute("UPDATE records SET due = 0 WHERE state = 0 AND due > 0", [])?;
        Ok(())
    }
}

/// What many records change in the counts, written once.
#[derive(Default)]
struct Tally<'a> {
    sent: i64,
    hinted: i64,
    hint: Option<&'a str>,
    /// The last word on the line: a failure, or `None` when the platform answered.
    error: Option<Option<&'a str>>,
}

impl<'a> Tally<'a> {
    fn add(&mut self, settled: &'a Settled) {
        match settled {
            Settled::Sent { hint } => {
                self.sent += 1;
                self.hinted += i64::from(hint.is_some());
                self.hint = hint.as_deref().or(self.hint);
                self.error = Some(None);
            }
            Settled::Dead { hint } | Settled::Held { hint } => {
                self.hint = Some(hint);
                self.error = Some(None);
            }
            Settled::Later { reason, .. } => self.error = Some(Some(reason)),
        }
    }

    fn note(&self, transaction: &Transaction<'_>, now: i64) -> Result<(), OutboxError> {
        if self.sent > 0 {
            schema::count(transaction, "sent", self.sent)?;
            schema::note(transaction, "last_sent_at", Some(&now.to_string()))?;
            // Counted by the minute, for the rate: this one, and the one before.
            let (minute, counted) = (now / MINUTE_MS, schema::number(transaction, "minute")?);
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

/// Remembers a record as sent and forgets it; the names of its pictures, and of the refused enter's that went along.
fn sent(transaction: &Transaction<'_>, id: i64, now: i64) -> Result<Vec<String>, OutboxError> {
    transaction
        .prepare_cached(
            "INSERT OR REPLACE INTO sent (kind, serial, digest, enter_time, sent_at) \
             SELECT kind, serial, digest, enter_time, ?2 FROM records WHERE id = ?1",
        )?
        .execute(params![id, now])?;
    // A refused enter went along in its leave: it is done with it.
    let enter: Option<i64> = transaction
        .prepare_cached(
            "SELECT e.id FROM records l JOIN records e ON e.serial = l.serial AND e.kind = 0 AND e.state <> 0 \
             WHERE l.id = ?1 AND l.kind = 1",
        )?
        .query_row([id], |row| row.get(0))
        .optional()?;
    let mut names = forget(transaction, id)?;
    if let Some(enter) = enter {
        names.extend(forget(transaction, enter)?);
    }
    Ok(names)
}

pub(super) fn forget(transaction: &Transaction<'_>, id: i64) -> Result<Vec<String>, OutboxError> {
    let mut names = Vec::new();
    {
        let mut statement =
            transaction.prepare_cached("DELETE FROM files WHERE record_id = ?1 RETURNING name, bytes")?;
        let mut rows = statement.query([id])?;
        while let Some(row) = rows.next()? {
            names.push(row.get(0)?);
            schema::count(transaction, "picture_bytes", -row.get::<_, i64>(1)?)?;
        }
    }
    let gone = transaction.prepare_cached("DELETE FROM records WHERE id = ?1")?.execute([id])?;
    schema::count(transaction, "records", -i64::try_from(gone).unwrap_or(0))?;
    Ok(names)
}
