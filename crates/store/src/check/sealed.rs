//! What is sealed beside records: secrets, and pushes in quarantine.

use parkgate_ledger::ParkId;
use parkgate_wire::Digest;

use super::{CheckReport, CheckRequest, FlawKind};
use crate::StoreError;
use crate::backend::{Access, Value};
use crate::stored::{app_place, park_place, quarantine_place, subscriber_place};

/// Pushes in quarantine of one transaction: each may be hundreds of KiB.
const PAGE: usize = 100;

type SealedPlace = fn(&str) -> String;

/// Small tables: a name, and what is sealed for it.
const SECRETS: [(&str, &str, SealedPlace); 3] = [
    ("parks", "SELECT park_uuid, secret, old_secret FROM parks ORDER BY park_uuid", park_place),
    ("apps", "SELECT app_id, secret, NULL::bytea FROM apps ORDER BY app_id", app_place),
    ("subscribers", "SELECT name, secret, NULL::bytea FROM subscribers ORDER BY name", subscriber_place),
];
const QUARANTINE: &str = "SELECT id, park_id, digest, sealed FROM quarantine WHERE id > $1 ORDER BY id LIMIT $2";

pub(super) fn check(request: &CheckRequest<'_>, found: &mut CheckReport) -> Result<(), StoreError> {
    let backend = request.store.backend();
    let keys = backend.keys();
    let seal = &keys.seal;
    for (table, sql, place) in SECRETS {
        for row in backend.transaction(Access::ReadLong, |transaction| transaction.query(sql, &[]))? {
            let name = row.text(0)?;
            for column in [1, 2] {
                if let Some(sealed) = row.opt_blob(column)?
                    && let Err(error) = seal.open(sealed, &place(&name))
                {
                    found.add(FlawKind::Sealed, format!("{table} {name}"), error.to_string());
                }
            }
        }
    }
    let mut after = 0;
    loop {
        let values = [Value::Int(after), Value::limit(PAGE)];
        let rows = backend.transaction(Access::ReadLong, |transaction| transaction.query(QUARANTINE, &values))?;
        let mut bytes = 0;
        for row in &rows {
            let (park, digest) = (ParkId(row.int(1)?), Digest(row.bytes(2)?));
            let sealed = row.blob(3)?;
            bytes += sealed.len() as u64;
            if let Err(error) = seal.open(sealed, &quarantine_place(park, &digest)) {
                found.add(FlawKind::Sealed, format!("quarantine {}", row.int(0)?), error.to_string());
            }
        }
        request.throttle.take(bytes);
        match rows.last() {
            Some(last) if rows.len() == PAGE => after = last.int(0)?,
            Some(_) | None => return Ok(()),
        }
    }
}
