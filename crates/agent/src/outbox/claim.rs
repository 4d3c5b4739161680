//! Which records may be sent now.

use std::collections::HashSet;
use std::sync::{MutexGuard, PoisonError};

use parkgate_wire::{PushKind, UnixMillis};
use rusqlite::{Connection, OptionalExtension, Row, params};

use super::{ClaimedRecord, Outbox, OutboxError, kind};

/// The most records claimed at once: the query for the next claim passes over all of them.
const CLAIMED_MAX: usize = 4096;

impl Outbox {
    /// Claims up to `limit` records that may be sent now. Each is claimed once until it is settled or released; a claim belongs to
    /// this process and ends with it.
    ///
    /// # Errors
    /// The database cannot be read.
    pub fn claim(&self, limit: usize, now: UnixMillis, newest_first: bool) -> Result<Vec<ClaimedRecord>, OutboxError> {
        let mut taken = self.taken();
        if taken.len() >= CLAIMED_MAX {
            return Ok(Vec::new());
        }
        let connection = self.lock();
        let order = if newest_first { "DESC" } else { "ASC" };
        let sql = format!(
            "SELECT id, kind, serial, params, attempts, personal FROM records r WHERE state = 0 AND due <= ?1 AND \
             (kind = 0 OR NOT EXISTS (SELECT 1 FROM records e \
                WHERE e.serial = r.serial AND e.kind = 0 AND e.own_key IS NULL AND e.state = 0)) AND \
             (kind <> 3 OR NOT EXISTS (SELECT 1 FROM records u \
                WHERE u.serial = r.serial AND u.kind = 3 AND u.id < r.id AND u.state = 0)) \
             ORDER BY id {order} LIMIT ?2"
        );
        let mut claimed = Vec::new();
        let mut damaged = Vec::new();
        {
            let mut statement = connection.prepare_cached(&sql)?;
            let mut rows = statement.query(params![now.0, i64::try_from(limit + taken.len()).unwrap_or(i64::MAX)])?;
            while let Some(row) = rows.next()?
                && claimed.len() < limit
            {
                let id = row.get(0)?;
                if taken.contains(&id) {
                    continue;
                }
                match self.stored(row) {
                    Ok(record) => claimed.push(record),
                    Err(error) => damaged.push((id, error.to_string())),
                }
            }
        }
        for (id, error) in damaged {
            tracing::error!(record = id, error, "damaged on disk: it is a dead letter now");
            connection.execute("UPDATE records SET state = 1, hint = ?2 WHERE id = ?1", params![id, error])?;
        }
        for record in &mut claimed {
            self.add_pictures(&connection, record.id, record)?;
            if record.kind == PushKind::Leave {
                self.add_refused_enter(&connection, record)?;
            }
            drop_lone_hashes(record);
            taken.insert(record.id);
        }
        Ok(claimed)
    }

    /// A row as it is to be sent. An error concerns this row alone.
    fn stored(&self, row: &Row<'_>) -> Result<ClaimedRecord, OutboxError> {
        let (kind, parking_serial): (_, String) = (kind(row.get(1)?)?, row.get(2)?);
        let mut params: Vec<(String, String)> = serde_json::from_str(row.get_ref(3)?.as_str().unwrap_or_default())
            .map_err(|error| OutboxError::Damaged(error.to_string()))?;
        params.extend(self.vault.opened(
            kind,
            &parking_serial,
            row.get_ref(5)?.as_blob_or_null().unwrap_or_default(),
        )?);
        Ok(ClaimedRecord { id: row.get(0)?, kind, parking_serial, params, files: Vec::new(), attempts: row.get(4)? })
    }

    /// When the next waiting record is due, after `now`.
    ///
    /// # Errors
    /// The database cannot be read.
    pub fn next_due(&self, now: UnixMillis) -> Result<Option<UnixMillis>, OutboxError> {
        let sql = "SELECT min(due) FROM records WHERE state = 0 AND due > 0 AND due > ?1";
        let due: Option<i64> = self.lock().prepare_cached(sql)?.query_row([now.0], |row| row.get(0))?;
        Ok(due.map(UnixMillis))
    }

    /// Releases records that were claimed and not sent.
    pub fn release(&self, ids: impl IntoIterator<Item = i64>) {
        let mut taken = self.taken();
        ids.into_iter().for_each(|id| {
            taken.remove(&id);
        });
    }

    /// What is claimed now.
    pub(super) fn claimed(&self) -> HashSet<i64> {
        self.taken().clone()
    }

    fn taken(&self) -> MutexGuard<'_, HashSet<i64>> {
        self.claimed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a refused enter to its leave: the platform may still accept it as the leave's enter half.
    fn add_refused_enter(&self, connection: &Connection, leave: &mut ClaimedRecord) -> Result<(), OutboxError> {
        let enter: Option<(i64, String)> = connection
            .prepare_cached(
                "SELECT id, params FROM records WHERE serial = ?1 AND kind = 0 AND own_key IS NULL AND state <> 0",
            )?
            .query_row([&leave.parking_serial], |row| Ok((row.get(0)?, row.get(1)?)))
            .optional()?;
        let Some((id, json)) = enter else { return Ok(()) };
        let params: Vec<(String, String)> = serde_json::from_str(&json).unwrap_or_default();
        for (name, value) in params {
            if name.starts_with("enter_") && !leave.params.iter().any(|(other, _)| *other == name) {
                leave.params.push((name, value));
            }
        }
        self.add_pictures(connection, id, leave)?;
        Ok(())
    }
}

/// A hash without its file is refused: where the picture was dropped, its hash is, too.
fn drop_lone_hashes(record: &mut ClaimedRecord) {
    let files = &record.files;
    record.params.retain(|(name, _)| match name.strip_suffix("_image_hash") {
        Some(which) => files.iter().any(|(part, _)| part.strip_suffix("_image_file") == Some(which)),
        None => true,
    });
}
