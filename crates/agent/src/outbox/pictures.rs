//! Pictures beside the database: copied in and synced before their record is committed, removed once it was sent.

use std::collections::HashSet;
use std::fs::File;
use std::io::{ErrorKind, Read, Write};
use std::path::{Path, PathBuf};

use md5::{Digest, Md5};
use parkgate_seal::disk::{open_file, sync_folder, tighten};
use parkgate_wire::field::hash_of_part;
use rusqlite::{Connection, Transaction, params};

use super::{ClaimedRecord, Outbox, OutboxError, schema};

/// Bytes read and written at a time.
const PIECE: usize = 128 * 1024;
/// Age at which pictures that belong to no record are removed.
const STRAY_AFTER: std::time::Duration = std::time::Duration::from_secs(60 * 60);

impl Outbox {
    /// Removes pictures that belong to no record.
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
            } else {
                // An earlier version left it readable to others.
                tighten(&entry.path());
            }
        }
        Ok(())
    }

    /// Copies and syncs a record's pictures. If the disk is full, the record goes without. Returns the names of pictures dropped to
    /// make room, to be removed after the commit; those of records `on_their_way` are kept.
    pub(super) fn add_files(
        &self,
        transaction: &Transaction<'_>,
        id: i64,
        files: &[(String, PathBuf)],
        on_their_way: &HashSet<i64>,
    ) -> Result<Vec<String>, OutboxError> {
        for (part, path) in files {
            let name = format!("{id}-{part}");
            match copied(path, &self.files.join(&name)) {
                // An empty picture counts as none.
                Ok((0, _)) => self.remove(&name),
                Ok((bytes, md5)) => {
                    schema::count(transaction, "picture_bytes", bytes)?;
                    transaction.execute(
                        "INSERT INTO files (record_id, part, name, bytes, md5) VALUES (?1, ?2, ?3, ?4, ?5)",
                        params![id, part, name, bytes, md5],
                    )?;
                }
                Err(error) if matches!(error.kind(), ErrorKind::StorageFull | ErrorKind::QuotaExceeded) => {
                    tracing::error!(record = id, part, %error, "no space left: the record goes without this picture");
                    self.remove(&name);
                    schema::count(transaction, "pictures_dropped", 1)?;
                }
                Err(error) => return Err(OutboxError::File(path.clone(), error)),
            }
        }
        if files.is_empty() {
            return Ok(Vec::new());
        }
        sync_folder(&self.files).map_err(|error| OutboxError::File(self.files.clone(), error))?;
        self.drop_pictures(transaction, on_their_way)
    }

    /// Drops the oldest pictures when they take too much space, with an error in the log. Records stay.
    fn drop_pictures(
        &self,
        transaction: &Transaction<'_>,
        on_their_way: &HashSet<i64>,
    ) -> Result<Vec<String>, OutboxError> {
        let mut over = schema::number(transaction, "picture_bytes")?.saturating_sub(self.disk.picture_bytes_max);
        if over == 0 {
            return Ok(Vec::new());
        }
        let mut dropped: Vec<(i64, String, String)> = Vec::new();
        let mut oldest =
            transaction.prepare_cached("SELECT record_id, part, name, bytes FROM files ORDER BY record_id, part")?;
        let mut rows = oldest.query([])?;
        while over > 0
            && let Some(row) = rows.next()?
        {
            let id = row.get(0)?;
            if !on_their_way.contains(&id) {
                over = over.saturating_sub(row.get::<_, i64>(3)?.unsigned_abs());
                dropped.push((id, row.get(1)?, row.get(2)?));
            }
        }
        drop(rows);
        for (id, part, _) in &dropped {
            tracing::error!(record = id, part, "no space left: a picture was dropped, its record goes without");
            let sql = "DELETE FROM files WHERE record_id = ?1 AND part = ?2 RETURNING bytes";
            let bytes: i64 = transaction.prepare_cached(sql)?.query_row(params![id, part], |row| row.get(0))?;
            schema::count(transaction, "picture_bytes", -bytes)?;
        }
        schema::count(transaction, "pictures_dropped", i64::try_from(dropped.len()).unwrap_or(0))?;
        Ok(dropped.into_iter().map(|(_, _, name)| name).collect())
    }

    /// Counts pictures that were missing when their record was handed in.
    ///
    /// # Errors
    /// The database cannot be written.
    pub(crate) fn count_missing(&self, pictures: usize) -> Result<(), OutboxError> {
        schema::count(&self.lock(), "pictures_missing", i64::try_from(pictures).unwrap_or(0))
    }

    /// Adds a record's pictures to what is to be sent, each with its hash unless the car park sent one.
    pub(super) fn add_pictures(
        &self,
        connection: &Connection,
        id: i64,
        claimed: &mut ClaimedRecord,
    ) -> Result<(), OutboxError> {
        let mut statement =
            connection.prepare_cached("SELECT part, name, md5 FROM files WHERE record_id = ?1 ORDER BY part")?;
        let mut rows = statement.query([id])?;
        while let Some(row) = rows.next()? {
            let (part, name): (String, String) = (row.get(0)?, row.get(1)?);
            if claimed.files.iter().any(|(other, _)| *other == part) {
                continue;
            }
            if let Some(hash) = hash_of_part(&part)
                && !claimed.params.iter().any(|(other, _)| *other == hash)
            {
                claimed.params.push((hash, row.get(2)?));
            }
            claimed.files.push((part, self.files.join(name)));
        }
        Ok(())
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

/// Copies and syncs a picture; returns its size, and its MD5 in upper case as the document prints it.
fn copied(from: &Path, to: &Path) -> std::io::Result<(i64, String)> {
    let (mut source, mut target) = (File::open(from)?, open_file(to)?);
    // A killed process may have left one.
    target.set_len(0)?;
    let (mut md5, mut size) = (Md5::new(), 0_usize);
    let mut piece = vec![0; PIECE];
    loop {
        let read = source.read(&mut piece)?;
        let Some(bytes) = piece.get(..read).filter(|bytes| !bytes.is_empty()) else { break };
        md5.update(bytes);
        target.write_all(bytes)?;
        size += read;
    }
    target.sync_all()?;
    Ok((i64::try_from(size).unwrap_or(i64::MAX), hex::encode_upper(md5.finalize())))
}
