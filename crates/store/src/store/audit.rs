//! The audit log: added to, and read a page at a time.

use parkgate_ledger::plate::NormalPlate;
use sha2::{Digest as _, Sha256};

use super::Store;
use crate::StoreError;
use crate::audit::{AuditEntry, AuditFilter, NewAuditEntry};
use crate::backend::{Access, Backend, Row, Value};
use crate::listing::{self, PAGE, Page, Take};

/// Characters kept of each text: a command line may be long.
const TEXT_CHARS_MAX: usize = 1000;
/// Bytes of a plate's digest: enough for all plates of a country.
const PLATE_DIGEST_BYTES: usize = 12;

impl Store {
    /// Adds an entry to the audit log, durably. What it is about may be shown or done once this returns.
    ///
    /// # Errors
    /// It was not written down: then nothing may be shown or done.
    pub fn audit(&self, entry: &NewAuditEntry) -> Result<(), StoreError> {
        add(self.backend.as_ref(), entry)
    }

    /// The next entries of the audit log, the newest first, below a number.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn audit_page(&self, filter: &AuditFilter, below: Option<i64>) -> Result<Page<AuditEntry>, StoreError> {
        page(self.backend.as_ref(), filter, below)
    }

    /// The audit log, the newest entry first, each as it is read.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn each_audit_entry(&self, filter: &AuditFilter, take: Take<'_, AuditEntry>) -> Result<(), StoreError> {
        let page = |limit, below| self.audit_page(&AuditFilter { limit, ..filter.clone() }, below);
        listing::walk(filter.limit, page, take)
    }

    /// By which a plate is known again in the audit log, without being in it: the same for all writings of one plate, and
    /// after every rotation of the master key. It says nothing to who does not have the key.
    #[must_use]
    pub fn plate_digest(&self, plate: &str) -> String {
        let normal = NormalPlate::of(plate);
        let plate = normal.as_ref().map_or(plate, NormalPlate::as_str);
        let digest: [u8; 32] = Sha256::new()
            .chain_update(b"parkgate plate")
            .chain_update(self.content_key())
            .chain_update(plate)
            .finalize()
            .into();
        digest.iter().take(PLATE_DIGEST_BYTES).map(|byte| format!("{byte:02x}")).collect()
    }
}

fn add(backend: &dyn Backend, entry: &NewAuditEntry) -> Result<(), StoreError> {
    let NewAuditEntry { at, who, what, about, detail } = entry;
    let bounded = |text: &str| Value::Text(text.chars().take(TEXT_CHARS_MAX).collect());
    // Whole, or it would be no JSON.
    let values = [(*at).into(), bounded(who), bounded(what), bounded(about), detail.into()];
    backend.transaction(Access::Write, |transaction| {
        let add = "INSERT INTO audit (at, who, what, about, detail) VALUES ($1, $2, $3, $4, $5)";
        transaction.execute(add, &values).map(drop)
    })
}

const PAGE_SQL: &str = "SELECT id, at, who, what, about, detail FROM audit WHERE id < $1 AND at >= $2 \
    ORDER BY id DESC LIMIT $3";

fn page(backend: &dyn Backend, filter: &AuditFilter, below: Option<i64>) -> Result<Page<AuditEntry>, StoreError> {
    let limit = filter.limit.min(PAGE);
    let values = [below.unwrap_or(i64::MAX).into(), filter.since.unwrap_or(i64::MIN).into(), Value::limit(limit)];
    let rows = backend.transaction(Access::ReadLong, |transaction| transaction.query(PAGE_SQL, &values))?;
    let read = |row: &Row| {
        let (at, who, what) = (row.int(1)?, row.text(2)?, row.text(3)?);
        Ok(AuditEntry {
            id: row.int(0)?,
            entry: NewAuditEntry { at, who, what, about: row.text(4)?, detail: row.text(5)? },
        })
    };
    let rows: Vec<AuditEntry> = rows.iter().map(read).collect::<Result<_, StoreError>>()?;
    let next = rows.last().filter(|_| rows.len() == limit).map(|last| last.id);
    Ok(Page { rows, next })
}
