//! Everything that is sealed, sealed anew under the key that seals now, a few rows at a time.
//!
//! [`SEALED`] is the list of what is sealed: a test compares it with the tables of both databases.

use parkgate_ledger::ParkId;
use parkgate_seal::Seal;
use parkgate_wire::Digest;

use crate::StoreError;
use crate::backend::keys::fence;
use crate::backend::{Access, Backend, Row, Transaction, Value};
use crate::stored::{
    app_place, kind_of, original_place, park_place, personal_place, quarantine_place, subscriber_place,
};

/// A table with sealed columns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SealedTable {
    Parks,
    Apps,
    Subscribers,
    Quarantine,
    Records,
}

/// In the order in which they are looked through.
pub(crate) const SEALED: [SealedTable; 5] =
    [SealedTable::Parks, SealedTable::Apps, SealedTable::Subscribers, SealedTable::Quarantine, SealedTable::Records];

/// Rows sealed anew in one transaction: pushes wait while SQLite writes them.
const ROWS_AT_ONCE: usize = 200;
/// Rows that are looked at for them: most records have no ID data.
const LOOKED_AT: usize = 4000;
/// Of the quarantine, where each may have hundreds of KiB.
const QUARANTINED_AT_ONCE: usize = 16;

impl SealedTable {
    pub(crate) fn name(self) -> &'static str {
        match self {
            SealedTable::Parks => "parks",
            SealedTable::Apps => "apps",
            SealedTable::Subscribers => "subscribers",
            SealedTable::Quarantine => "quarantine",
            SealedTable::Records => "records",
        }
    }

    /// Which columns of it are sealed.
    pub(crate) fn columns(self) -> &'static [&'static str] {
        match self {
            SealedTable::Parks => &["secret", "old_secret"],
            SealedTable::Apps | SealedTable::Subscribers => &["secret"],
            SealedTable::Quarantine => &["sealed"],
            SealedTable::Records => &["personal", "original"],
        }
    }

    fn rows_at_once(self) -> usize {
        if self == SealedTable::Quarantine { QUARANTINED_AT_ONCE } else { ROWS_AT_ONCE }
    }

    fn looked_at(self) -> usize {
        if self == SealedTable::Quarantine { QUARANTINED_AT_ONCE * 16 } else { LOOKED_AT }
    }

    /// Is any column of a row sealed under another key than the one whose header is `$1`?
    fn is_under_another(self) -> String {
        let columns = self.columns().iter().map(|column| format!("substr({column}, 1, $2) <> $1"));
        format!("({})", columns.collect::<Vec<_>>().join(" OR "))
    }
}

/// Each with its table.
pub(crate) fn sealed_columns() -> Vec<String> {
    let of_table = |table: SealedTable| table.columns().iter().map(move |column| format!("{}.{column}", table.name()));
    SEALED.into_iter().flat_map(of_table).collect()
}

/// What became of some rows of a table.
#[derive(Debug, Clone, Copy)]
pub(super) struct Part {
    /// After which row the next part begins; none after the last.
    pub(super) next: Option<i64>,
    pub(super) resealed: u64,
}

/// Seals the next rows of a table anew, those after `after`.
pub(super) fn part(backend: &dyn Backend, seal: &Seal, table: SealedTable, after: i64) -> Result<Part, StoreError> {
    let Some(header) = seal.header() else { return Ok(Part { next: None, resealed: 0 }) };
    let another = [header.as_slice().into(), Value::limit(header.len())];
    if table == SealedTable::Apps {
        return apps(backend, seal, another);
    }
    let (found, next) = look(backend, table, &another, after)?;
    if found.is_empty() {
        return Ok(Part { next, resealed: 0 });
    }
    let resealed = backend.transaction(Access::WriteUnsynced, |transaction| {
        fence(transaction, seal)?;
        match table {
            SealedTable::Records => records(transaction, seal, &found),
            SealedTable::Quarantine => quarantine(transaction, seal, &found),
            SealedTable::Parks => parks(transaction, seal, &found),
            SealedTable::Subscribers => subscribers(transaction, seal, &found),
            SealedTable::Apps => Ok(0),
        }
    })?;
    Ok(Part { next, resealed })
}

/// The numbers of the next rows under another key, and where to look after them.
fn look(
    backend: &dyn Backend,
    table: SealedTable,
    another: &[Value; 2],
    after: i64,
) -> Result<(Vec<i64>, Option<i64>), StoreError> {
    let name = table.name();
    backend.transaction(Access::Read, |transaction| {
        let end = format!("SELECT id FROM {name} WHERE id > $1 ORDER BY id LIMIT 1 OFFSET $2");
        let end = transaction.query_opt(&end, &[after.into(), Value::limit(table.looked_at() - 1)])?;
        let end = end.map(|row| row.int(0)).transpose()?;
        let found = format!(
            "SELECT id FROM {name} WHERE id > $3 AND id <= $4 AND {} ORDER BY id LIMIT $5",
            table.is_under_another()
        );
        let [header, length] = another.clone();
        let limit = table.rows_at_once();
        let values = [header, length, after.into(), end.unwrap_or(i64::MAX).into(), Value::limit(limit)];
        let found = transaction.query(&found, &values)?;
        let found = found.iter().map(|row| row.int(0)).collect::<Result<Vec<_>, _>>()?;
        let next = if found.len() == limit { found.last().copied() } else { end };
        Ok((found, next))
    })
}

fn anew(seal: &Seal, sealed: Option<&[u8]>, place: &str) -> Result<Value, StoreError> {
    let Some(sealed) = sealed else { return Ok(Value::Null) };
    Ok(seal.seal(&seal.open(sealed, place)?, place)?.into())
}

/// Changes rows that are locked in this transaction.
fn put(transaction: &mut dyn Transaction, sql: &str, rows: &[Vec<Value>]) -> Result<u64, StoreError> {
    if rows.is_empty() { Ok(0) } else { transaction.execute_each(sql, rows) }
}

fn records(transaction: &mut dyn Transaction, seal: &Seal, ids: &[i64]) -> Result<u64, StoreError> {
    let sql = "SELECT r.id, r.park_id, r.kind, {serial r}, r.personal, r.original FROM records r WHERE r.id {in $1} \
        ORDER BY r.park_id, r.id {lock r}";
    let mut changed = Vec::with_capacity(ids.len());
    for row in transaction.query(sql, &[Value::Ints(ids.to_vec())])? {
        let (park, kind, serial) = (ParkId(row.int(1)?), kind_of(row.int(2)?), row.text(3)?);
        changed.push(vec![
            anew(seal, row.opt_blob(4)?, &personal_place(park, &serial, kind))?,
            anew(seal, row.opt_blob(5)?, &original_place(park, &serial, kind))?,
            park.0.into(),
            row.int(0)?.into(),
        ]);
    }
    put(transaction, "UPDATE records SET personal = $1, original = $2 WHERE park_id = $3 AND id = $4", &changed)
}

fn quarantine(transaction: &mut dyn Transaction, seal: &Seal, ids: &[i64]) -> Result<u64, StoreError> {
    let sql = "SELECT id, park_id, digest, sealed FROM quarantine WHERE id {in $1} ORDER BY park_id, id {lock}";
    let mut changed = Vec::with_capacity(ids.len());
    for row in transaction.query(sql, &[Value::Ints(ids.to_vec())])? {
        let park = ParkId(row.int(1)?);
        let place = quarantine_place(park, &Digest(row.bytes(2)?));
        changed.push(vec![anew(seal, Some(row.blob(3)?), &place)?, park.0.into(), row.int(0)?.into()]);
    }
    put(transaction, "UPDATE quarantine SET sealed = $1 WHERE park_id = $2 AND id = $3", &changed)
}

fn parks(transaction: &mut dyn Transaction, seal: &Seal, ids: &[i64]) -> Result<u64, StoreError> {
    let sql = "SELECT id, park_uuid, secret, old_secret FROM parks WHERE id {in $1} ORDER BY id {lock}";
    let mut changed = Vec::with_capacity(ids.len());
    for row in transaction.query(sql, &[Value::Ints(ids.to_vec())])? {
        let place = park_place(&row.text(1)?);
        let (secret, old_secret) = (anew(seal, Some(row.blob(2)?), &place)?, anew(seal, row.opt_blob(3)?, &place)?);
        changed.push(vec![secret, old_secret, row.int(0)?.into()]);
    }
    put(transaction, "UPDATE parks SET secret = $1, old_secret = $2 WHERE id = $3", &changed)
}

fn subscribers(transaction: &mut dyn Transaction, seal: &Seal, ids: &[i64]) -> Result<u64, StoreError> {
    let sql = "SELECT id, name, secret FROM subscribers WHERE id {in $1} ORDER BY id {lock}";
    let mut changed = Vec::with_capacity(ids.len());
    for row in transaction.query(sql, &[Value::Ints(ids.to_vec())])? {
        changed.push(vec![anew(seal, Some(row.blob(2)?), &subscriber_place(&row.text(1)?))?, row.int(0)?.into()]);
    }
    put(transaction, "UPDATE subscribers SET secret = $1 WHERE id = $2", &changed)
}

/// Apps have no numbers: the first ones under another key, until there are none.
fn apps(backend: &dyn Backend, seal: &Seal, another: [Value; 2]) -> Result<Part, StoreError> {
    let sql = format!(
        "SELECT app_id, secret FROM apps WHERE {} ORDER BY app_id LIMIT {ROWS_AT_ONCE} {{lock}}",
        SealedTable::Apps.is_under_another()
    );
    let resealed = backend.transaction(Access::WriteUnsynced, |transaction| {
        fence(transaction, seal)?;
        let app = |row: &Row| {
            let app_id = row.text(0)?;
            Ok(vec![anew(seal, Some(row.blob(1)?), &app_place(&app_id))?, app_id.into()])
        };
        let changed = transaction.query(&sql, &another)?.iter().map(app).collect::<Result<Vec<_>, StoreError>>()?;
        put(transaction, "UPDATE apps SET secret = $1 WHERE app_id = $2", &changed)
    })?;
    Ok(Part { next: (resealed as usize == ROWS_AT_ONCE).then_some(0), resealed })
}
