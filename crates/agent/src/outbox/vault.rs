//! Personal data in the outbox, sealed under the master key of its folder, as a gate seals its own.

use std::path::Path;

use parkgate_seal::{KeyError, MasterKey, Seal};
use parkgate_wire::{PushKind, is_personal, without_personal};
use rusqlite::{Connection, TransactionBehavior, params};
use sha2::{Digest, Sha256};

use super::{OutboxError, kind, schema};
use crate::record::Record;

/// Names and values of parameters.
type TextParams = Vec<(String, String)>;

/// Seals and opens personal data, and makes digests from which nobody can guess an ID number.
pub(super) struct Vault {
    seal: Seal,
    digest_key: [u8; 32],
}

impl Vault {
    /// Uses the key of this folder, which is made on first use. If it was lost, another one is made: records sealed under the lost
    /// key become dead letters, and everything else goes on.
    pub(super) fn open(data: &Path) -> Result<Vault, KeyError> {
        let key = MasterKey::of(data, None)?;
        Ok(Vault { seal: Seal::new(&key), digest_key: key.derive("outbox digest") })
    }

    /// Parameters as they are stored: those without personal data, and the rest sealed, if there is any.
    pub(super) fn split(
        &self,
        record: &Record,
        params: TextParams,
    ) -> Result<(TextParams, Option<Vec<u8>>), OutboxError> {
        let (personal, params): (TextParams, TextParams) = params.into_iter().partition(|(name, _)| is_personal(name));
        let sealed = self.sealed(record.kind, &record.parking_serial, &personal)?;
        Ok((params, sealed))
    }

    fn sealed(&self, kind: PushKind, serial: &str, personal: &TextParams) -> Result<Option<Vec<u8>>, OutboxError> {
        if personal.is_empty() {
            return Ok(None);
        }
        let json = serde_json::to_vec(personal).unwrap_or_default();
        Ok(Some(self.seal.seal(&json, &place(kind, serial))?))
    }

    /// Opens what was sealed of a record.
    pub(super) fn opened(
        &self,
        kind: PushKind,
        serial: &str,
        sealed: Option<&[u8]>,
    ) -> Result<TextParams, OutboxError> {
        let Some(sealed) = sealed else { return Ok(Vec::new()) };
        let json = self.seal.open(sealed, &place(kind, serial))?;
        Ok(serde_json::from_slice(&json).unwrap_or_default())
    }

    /// The digest by which a record is recognised when it is handed in again.
    pub(super) fn digest(&self, record: &Record) -> [u8; 16] {
        let digest = record.digest();
        if !record.params.iter().any(|(name, _)| is_personal(name)) {
            return digest;
        }
        let keyed = Sha256::new().chain_update(self.digest_key).chain_update(digest).finalize();
        keyed.first_chunk::<16>().copied().unwrap_or(digest)
    }

    /// Was the record stored under this digest? Before personal data was sealed, digests had no key.
    pub(super) fn is_digest(&self, digest: [u8; 16], record: &Record) -> bool {
        digest == self.digest(record) || digest == record.digest()
    }

    /// Seals what an earlier version stored in the clear, and leaves no trace of it in the files.
    pub(super) fn seal_stored(&self, connection: &mut Connection) -> Result<(), OutboxError> {
        if schema::number(connection, "sealed")? > 0 {
            return Ok(());
        }
        connection.pragma_update_and_check(None, "secure_delete", true, |_| Ok(()))?;
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let mut found = Vec::new();
        {
            let mut rows = transaction.prepare("SELECT id, kind, serial, params, hint FROM records ORDER BY id")?;
            let mut rows = rows.query([])?;
            while let Some(row) = rows.next()? {
                let stored: TextParams =
                    serde_json::from_str(row.get_ref(3)?.as_str().unwrap_or_default()).unwrap_or_default();
                if stored.iter().any(|(name, _)| is_personal(name)) {
                    found.push((
                        row.get::<_, i64>(0)?,
                        kind(row.get(1)?)?,
                        row.get::<_, String>(2)?,
                        stored,
                        row.get(4)?,
                    ));
                }
            }
        }
        for (id, kind, serial, stored, hint) in found {
            let hint: Option<String> = hint;
            let hint = hint.map(|hint| without_personal(&hint, &stored));
            let (personal, rest): (TextParams, TextParams) =
                stored.into_iter().partition(|(name, _)| is_personal(name));
            let sealed = self.sealed(kind, &serial, &personal)?;
            let json = serde_json::to_string(&rest).unwrap_or_default();
            let sql = "UPDATE records SET params = ?2, personal = ?3, hint = ?4 WHERE id = ?1";
            transaction.prepare_cached(sql)?.execute(params![id, json, sealed, hint])?;
        }
        for name in ["last_hint", "last_error"] {
            if let Some(text) = schema::noted(&transaction, name)? {
                schema::note(&transaction, name, Some(&without_personal(&text, &[])))?;
            }
        }
        transaction.commit()?;
        // Freed pages may still hold records that were sent.
        connection.execute_batch("VACUUM")?;
        connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))?;
        schema::note(connection, "sealed", Some("1"))
    }
}

/// The record that a sealed value is bound to.
fn place(kind: PushKind, serial: &str) -> String {
    format!("outbox:{}:{serial}", kind.name())
}
