//! Pictures beside the database: copied in and synced before their record commits, removed after it was sent.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use rusqlite::{Connection, OptionalExtension, Transaction, params};

use super::{Outbox, OutboxError, schema};
use crate::disk;

/// Pictures that belong to no record are removed after this.
const STRAY_AFTER: std::time::Duration = std::time::Duration::from_secs(60 * 60);

impl Outbox {
    /// Removes pictures of records that are not there.
    pub(super) fn sweep(&self, connection: &Connection) -> Result<(), OutboxError> {
        let mut kept = connection.prepare("SELECT 1 FROM files WHERE name = ?1")?;
        let unreadable = |error| OutboxError::File(self.files.clone(), error);
        for entry in std::fs::read_dir(&self.files).map_err(unreadable)? {
            let entry = entry.map_err(unreadable)?;
            let name = entry.file_name().to_string_lossy().into_owned();
            // Another process may just be adding a record.
            let age = entry.metadata().and_then(|meta| meta.modified()).map(|at| at.elapsed().unwrap_or_default());
            if age.is_ok_and(|age| age > STRAY_AFTER) && !kept.exists([&name])? {
                self.remove(&name);
            }
        }
        Ok(())
    }

    /// Copied and synced before the record commits. Without room on the disk the record goes without its picture.
    pub(super) fn add_files(
        &self,
        transaction: &Transaction<'_>,
        id: i64,
        files: &[(String, PathBuf)],
    ) -> Result<(), OutboxError> {
        for (part, path) in files {
            let name = format!("{id}-{part}");
            match copied(path, &self.files.join(&name)) {
                Ok(bytes) => {
                    schema::count(transaction, "picture_bytes", bytes)?;
                    transaction.execute(
                        "INSERT INTO files (record_id, part, name, bytes) VALUES (?1, ?2, ?3, ?4)",
                        params![id, part, name, bytes],
                    )?;
                }
                Err(error) if matches!(error.kind(), ErrorKind::StorageFull | ErrorKind::QuotaExceeded) => {
                    tracing::error!(record = id, part, %error, "no room: the record goes without this picture");
                    self.remove(&name);
                    schema::count(transaction, "pictures_dropped", 1)?;
                }
                Err(error) => return Err(OutboxError::File(path.clone(), error)),
            }
        }
        if files.is_empty() {
            return Ok(());
        }
        disk::sync_folder(&self.files).map_err(|error| OutboxError::File(self.files.clone(), error))?;
        self.drop_pictures(transaction)
    }

    /// Pictures go first when the disk runs short, the oldest first, and loudly; records stay.
    fn drop_pictures(&self, transaction: &Transaction<'_>) -> Result<(), OutboxError> {
        while schema::number(transaction, "picture_bytes")? > self.disk.picture_bytes_max {
            let oldest: Option<(i64, String, String, i64)> = transaction
                .query_row("SELECT record_id, part, name, bytes FROM files ORDER BY record_id LIMIT 1", [], |row| {
                    Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?))
                })
                .optional()?;
            let Some((id, part, name, size)) = oldest else { break };
            tracing::error!(record = id, part, "no room: a picture was given up, its record goes without");
            transaction.execute("DELETE FROM files WHERE record_id = ?1 AND part = ?2", params![id, part])?;
            schema::count(transaction, "pictures_dropped", 1)?;
            schema::count(transaction, "picture_bytes", -size)?;
            self.remove(&name);
        }
        Ok(())
    }

    pub(super) fn files_of(&self, connection: &Connection, id: i64) -> Result<Vec<(String, PathBuf)>, OutboxError> {
        let mut statement =
            connection.prepare_cached("SELECT part, name FROM files WHERE record_id = ?1 ORDER BY part")?;
        let files = statement
            .query_map([id], |row| Ok((row.get::<_, String>(0)?, self.files.join(row.get::<_, String>(1)?))))?;
        Ok(files.collect::<Result<_, _>>()?)
    }

    pub(super) fn remove(&self, name: &str) {
        let path = self.files.join(name);
        if let Err(error) = std::fs::remove_file(&path)
            && error.kind() != ErrorKind::NotFound
        {
            tracing::warn!(%error, path = %path.display(), "a picture could not be removed");
        }
    }
}

fn copied(from: &Path, to: &Path) -> std::io::Result<i64> {
    let bytes = std::fs::copy(from, to)?;
    std::fs::OpenOptions::new().write(true).open(to)?.sync_all()?;
    Ok(i64::try_from(bytes).unwrap_or(i64::MAX))
}
