//! Rows that name rows of other tables. Each page is one statement, so what is committed together is seen together.

use super::{CheckReport, CheckRequest, Flaw, FlawKind};
use crate::StoreError;
use crate::backend::dialect::Dialect;
use crate::backend::{Access, Row, Value};

/// Rows of one statement.
const PAGE: usize = 5000;

/// A table whose rows name others.
struct Reference {
    table: &'static str,
    /// Rows after a key, in its order: the columns of the key, and whether what they name is there.
    sql: &'static str,
    key: fn(Dialect) -> Vec<Value>,
    /// Takes a row away that names nothing, by its key, if that is how it is mended.
    remove: Option<&'static str>,
}

fn numbers_and_text(dialect: Dialect) -> Vec<Value> {
    let mut key = numbers(dialect);
    key.push("".into());
    key
}

fn numbers(_: Dialect) -> Vec<Value> {
    vec![Value::Int(i64::MIN), Value::Int(i64::MIN)]
}

fn order(dialect: Dialect) -> Vec<Value> {
    match dialect {
        Dialect::Sqlite => vec!["".into(), Value::Int(i64::MIN), "".into()],
        Dialect::Postgres => vec![Value::Int(i64::MIN), "".into(), "".into()],
    }
}

const REFERENCES: [Reference; 6] = [
    Reference {
        table: "images",
        sql: "SELECT {postgres i.park_id}{sqlite 0}, i.record_id, i.name, EXISTS (SELECT 1 FROM records r WHERE \
            {postgres r.park_id = i.park_id AND} r.id = i.record_id) FROM images i WHERE \
            ({postgres i.park_id,} i.record_id, i.name) > ({postgres $1::bigint,} $2, $3) \
            ORDER BY {postgres i.park_id,} i.record_id, i.name LIMIT $4",
        key: numbers_and_text,
        remove: None,
    },
    Reference {
        table: "quarantine_images",
        sql: "SELECT {postgres i.park_id}{sqlite 0}, i.quarantine_id, i.part, EXISTS (SELECT 1 FROM quarantine q WHERE \
            {postgres q.park_id = i.park_id AND} q.id = i.quarantine_id) FROM quarantine_images i WHERE \
            ({postgres i.park_id,} i.quarantine_id, i.part) > ({postgres $1::bigint,} $2, $3) \
            ORDER BY {postgres i.park_id,} i.quarantine_id, i.part LIMIT $4",
        key: numbers_and_text,
        remove: None,
    },
    Reference {
        table: "records",
        sql: "SELECT {postgres r.park_id}{sqlite 0}, r.id, EXISTS (SELECT 1 FROM parks p WHERE p.id = r.park_id) OR EXISTS \
            (SELECT 1 FROM park_epochs e JOIN parks p ON p.id = e.park_id WHERE e.id = r.park_id) FROM records r \
            WHERE ({postgres r.park_id,} r.id) > ({postgres $1::bigint,} $2) ORDER BY {postgres r.park_id,} r.id LIMIT $3",
        key: numbers,
        remove: None,
    },
    Reference {
        table: "payments",
        sql: "SELECT {postgres p.park_id, p.parking_order}{sqlite p.parking_order, p.park_id}, p.pay_type, \
            EXISTS (SELECT 1 FROM records r WHERE {postgres r.park_id = p.park_id AND} r.id = p.record_id) FROM payments p \
            WHERE ({postgres p.park_id, p.parking_order}{sqlite p.parking_order, p.park_id}, p.pay_type) > ($1, $2, $3) \
            ORDER BY {postgres p.park_id, p.parking_order}{sqlite p.parking_order, p.park_id}, p.pay_type LIMIT $4",
        key: order,
        remove: Some(
            "DELETE FROM payments AS p WHERE {postgres p.park_id = $1 AND p.parking_order = $2}\
            {sqlite p.parking_order = $1 AND p.park_id = $2} AND p.pay_type = $3 AND NOT EXISTS (SELECT 1 FROM records r \
            WHERE {postgres r.park_id = p.park_id AND} r.id = p.record_id)",
        ),
    },
    Reference {
        table: "park_epochs",
        sql: "SELECT e.park_id, e.id, EXISTS (SELECT 1 FROM parks p WHERE p.id = e.park_id) FROM park_epochs e \
            WHERE (e.park_id, e.id) > ($1, $2) ORDER BY e.park_id, e.id LIMIT $3",
        key: numbers,
        remove: None,
    },
    Reference {
        table: "subscriber_parks",
        sql: "SELECT s.subscriber_id, s.park_id, EXISTS (SELECT 1 FROM parks p WHERE p.id = s.park_id) AND EXISTS \
            (SELECT 1 FROM subscribers o WHERE o.id = s.subscriber_id) FROM subscriber_parks s \
            WHERE (s.subscriber_id, s.park_id) > ($1, $2) ORDER BY s.subscriber_id, s.park_id LIMIT $3",
        key: numbers,
        remove: None,
    },
];

pub(super) fn check(request: &CheckRequest<'_>, found: &mut CheckReport) -> Result<(), StoreError> {
    for reference in &REFERENCES {
        let checked = check_one(request, reference, found);
        found.part(reference.table, checked)?;
    }
    quarantine_use(request, found)
}

fn check_one(request: &CheckRequest<'_>, reference: &Reference, found: &mut CheckReport) -> Result<(), StoreError> {
    let backend = request.store.backend();
    let mut after = (reference.key)(backend.dialect());
    loop {
        let mut values = after.clone();
        values.push(Value::limit(PAGE));
        let rows = backend.transaction(Access::ReadLong, |transaction| transaction.query(reference.sql, &values))?;
        for row in &rows {
            let key = key_of(row, after.len());
            if row.bool(after.len())? {
                continue;
            }
            let is_gone = match reference.remove.filter(|_| request.is_mending()) {
                Some(sql) => backend.transaction(Access::Write, |transaction| transaction.changes(sql, &key))?,
                None => false,
            };
            let about = format!("{} {}", reference.table, shown(&key));
            found.add_flaw(Flaw { kind: FlawKind::Reference, about, detail: String::new(), mended: is_gone });
        }
        request.throttle.take(rows.len() as u64 * ROW_BYTES);
        match rows.last() {
            Some(last) if rows.len() == PAGE => after = key_of(last, after.len()),
            Some(_) | None => return Ok(()),
        }
    }
}

/// What a row of these tables takes, about.
const ROW_BYTES: u64 = 100;

fn key_of(row: &Row, columns: usize) -> Vec<Value> {
    row.0.iter().take(columns).cloned().collect()
}

fn shown(key: &[Value]) -> String {
    let part = |value: &Value| match value {
        Value::Int(number) => number.to_string(),
        Value::Text(text) => text.clone(),
        other => format!("{other:?}"),
    };
    key.iter().map(part).collect::<Vec<_>>().join(" ")
}

/// One statement sees pushes and their use at one moment.
const QUARANTINE_USE: &str = "SELECT k.park_id, q.pushes, q.bytes, coalesce(u.pushes, 0), coalesce(u.bytes, 0) FROM \
    (SELECT park_id FROM quarantine_use UNION SELECT park_id FROM quarantine) k LEFT JOIN quarantine_use u \
    ON u.park_id = k.park_id LEFT JOIN (SELECT park_id, count(*)::bigint AS pushes, sum(bytes)::bigint AS bytes FROM quarantine \
    GROUP BY park_id) q ON q.park_id = k.park_id \
    WHERE coalesce(q.pushes, 0) <> coalesce(u.pushes, 0) OR coalesce(q.bytes, 0) <> coalesce(u.bytes, 0)";
const MEND_USE: &str = "UPDATE quarantine_use SET \
    pushes = (SELECT count(*) FROM quarantine q WHERE q.park_id = quarantine_use.park_id), \
    bytes = coalesce((SELECT sum(q.bytes)::bigint FROM quarantine q WHERE q.park_id = quarantine_use.park_id), 0) \
    WHERE park_id = $1";
const LOCK_USE: &str = "INSERT INTO quarantine_use (park_id, pushes, bytes) VALUES ($1, 0, 0) \
    ON CONFLICT (park_id) DO UPDATE SET pushes = quarantine_use.pushes";

fn quarantine_use(request: &CheckRequest<'_>, found: &mut CheckReport) -> Result<(), StoreError> {
    let backend = request.store.backend();
    let rows = backend.transaction(Access::ReadLong, |transaction| transaction.query(QUARANTINE_USE, &[]))?;
    for row in rows {
        let park: Value = row.int(0)?.into();
        let detail = format!(
            "{} pushes, {} bytes instead of {}, {}",
            row.int(3)?,
            row.int(4)?,
            row.opt_int(1)?.unwrap_or(0),
            row.opt_int(2)?.unwrap_or(0)
        );
        if request.is_mending() {
            backend.transaction(Access::Write, |transaction| {
                // Whoever adds or takes away waits for this row.
                transaction.execute(LOCK_USE, std::slice::from_ref(&park))?;
                transaction.execute(MEND_USE, std::slice::from_ref(&park))
            })?;
        }
        let (about, mended) = (format!("quarantine_use {}", row.int(0)?), request.is_mending());
        found.add_flaw(Flaw { kind: FlawKind::QuarantineUse, about, detail, mended });
    }
    Ok(())
}
