//! SQLite as one end of a move.

use std::path::{Path, PathBuf};
use std::sync::Mutex;

use rusqlite::types::ValueRef;
use rusqlite::{Connection, OptionalExtension, Row, ToSql, TransactionBehavior, params};

use super::{ConnectionRole, FILE, checkpoint, connect, key_ring, lock, make_file, migrate, proved, recopy};
use crate::moving::movable::{
    CHANGING_KEYS, FROM, FROZEN, ID, MOVED, MovableStore, MovedRow, MovedValue, PAGE_BYTES_MAX, TO, names, new_id,
    not_empty, overtaken,
};
use crate::moving::tables::{NUMBERED, TABLES, Table};
use crate::{ImageKey, StoreError};
use parkgate_seal::disk::make_folder;

/// Nobody waits for a move, so small steps do.
const COPIED_FROM_FRAMES: u64 = 4000;

pub(crate) struct MovableSqlite {
    path: PathBuf,
    connection: Mutex<Connection>,
}

impl MovableSqlite {
    pub(crate) fn open(data: &Path) -> Result<MovableSqlite, StoreError> {
        make_folder(data).map_err(|error| StoreError::Away(format!("{}: {error}", data.display())))?;
        let ring = key_ring(data)?;
        let path = data.join(FILE);
        make_file(&path).map_err(|error| StoreError::Away(format!("{}: {error}", path.display())))?;
        let mut connection = connect(&path, ConnectionRole::Writer)?;
        migrate::migrate(&mut connection)?;
        proved(&mut connection, data, ring)?;
        let path = std::fs::canonicalize(&path).unwrap_or(path);
        Ok(MovableSqlite { path, connection: Mutex::new(connection) })
    }
}

/// Is the move to this database unfinished?
pub(super) fn refuse_unfinished(connection: &Connection) -> Result<(), StoreError> {
    match mark(connection, FROM)? {
        Some(from) => Err(StoreError::Broken(format!("a move from {from} is unfinished: run `parkgate move` again"))),
        None => Ok(()),
    }
}

/// Does this database move, or has it moved?
pub(super) fn refuse_moved(connection: &Connection) -> Result<(), StoreError> {
    mark(connection, TO)?.map_or(Ok(()), |to| Err(StoreError::Busy(format!("{FROZEN}{to}"))))
}

fn mark(connection: &Connection, what: &str) -> Result<Option<String>, StoreError> {
    Ok(connection.query_row("SELECT told FROM moving WHERE what = ?1", [what], |row| row.get(0)).optional()?)
}

fn set_mark(connection: &Connection, what: &str, value: &str) -> Result<(), StoreError> {
    let sql = "INSERT INTO moving VALUES (?1, ?2) ON CONFLICT DO UPDATE SET told = excluded.told";
    connection.prepare_cached(sql)?.execute([what, value])?;
    Ok(())
}

impl MovableStore for MovableSqlite {
    fn name(&self) -> Result<String, StoreError> {
        let connection = lock(&self.connection);
        connection.execute("INSERT INTO moving VALUES (?1, ?2) ON CONFLICT DO NOTHING", [ID, &new_id()?])?;
        Ok(format!("{} ({})", self.path.display(), mark(&connection, ID)?.unwrap_or_default()))
    }

    fn mark(&self, what: &str) -> Result<Option<String>, StoreError> {
        mark(&lock(&self.connection), what)
    }

    fn changes_key(&self) -> Result<bool, StoreError> {
        Ok(lock(&self.connection).query_row(CHANGING_KEYS, [], |row| row.get::<_, i64>(0))? > 0)
    }

    fn set_mark(&self, what: &str, value: &str) -> Result<(), StoreError> {
        set_mark(&lock(&self.connection), what, value)
    }

    fn freeze(&self, to: &str) -> Result<(), StoreError> {
        let mut connection = lock(&self.connection);
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let message = format!("{FROZEN}{to}").replace('\'', "''");
        for Table { name, .. } in TABLES {
            for change in ["INSERT", "UPDATE", "DELETE"] {
                transaction.execute_batch(&format!(
                    "CREATE TRIGGER frozen_{name}_{change} BEFORE {change} ON {name} BEGIN SELECT RAISE(ABORT, '{message}'); END"
                ))?;
            }
        }
        set_mark(&transaction, TO, to)?;
        Ok(transaction.commit()?)
    }

    fn thaw(&self) -> Result<(), StoreError> {
        let mut connection = lock(&self.connection);
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        if mark(&transaction, MOVED)?.is_some() {
            return Err(overtaken(&self.path.display().to_string()));
        }
        for Table { name, .. } in TABLES {
            for change in ["INSERT", "UPDATE", "DELETE"] {
                transaction.execute_batch(&format!("DROP TRIGGER IF EXISTS frozen_{name}_{change}"))?;
            }
        }
        transaction.execute("DELETE FROM moving WHERE what = ?1", [TO])?;
        Ok(transaction.commit()?)
    }

    fn settle(&self, to: &str) -> Result<(), StoreError> {
        let mut connection = lock(&self.connection);
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        if mark(&transaction, TO)?.is_none() {
            return Err(overtaken(&self.path.display().to_string()));
        }
        set_mark(&transaction, MOVED, to)?;
        Ok(transaction.commit()?)
    }

    /// No gate is beside it: whoever moves here holds the lock of the data folder.
    fn claim(&self, from: &str) -> Result<(), StoreError> {
        let mut connection = lock(&self.connection);
        recopy::write_anew(&self.path, &mut connection)?;
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        if mark(&transaction, FROM)?.is_none() {
            for table in TABLES {
                if transaction.prepare(&format!("SELECT 1 FROM {} LIMIT 1", table.name))?.exists([])? {
                    return Err(not_empty(&self.path.display().to_string(), table));
                }
            }
            set_mark(&transaction, FROM, from)?;
        }
        Ok(transaction.commit()?)
    }

    fn count(&self, table: &Table) -> Result<u64, StoreError> {
        let sql = format!("SELECT count(*) FROM {}", table.name);
        Ok(lock(&self.connection).query_row(&sql, [], |row| row.get::<_, i64>(0))?.unsigned_abs())
    }

    fn page(
        &self,
        table: &'static Table,
        after: Option<&[MovedValue]>,
        limit: usize,
    ) -> Result<Vec<MovedRow>, StoreError> {
        let connection = lock(&self.connection);
        let keys = table.sqlite_key.join(", ");
        let columns: Vec<_> = table.columns.iter().map(|column| column.sqlite.unwrap_or(column.name)).collect();
        let marks: Vec<_> = (1..=table.sqlite_key.len()).map(|number| format!("?{number}")).collect();
        let from = after.map_or(String::new(), |_| format!("WHERE ({keys}) > ({})", marks.join(", ")));
        let sql =
            format!("SELECT {keys}, {} FROM {} {from} ORDER BY {keys} LIMIT {limit}", columns.join(", "), table.name);
        let mut statement = connection.prepare_cached(&sql)?;
        let mut rows = statement.query(rusqlite::params_from_iter(after.unwrap_or_default()))?;
        let (mut found, mut bytes) = (Vec::new(), 0);
        while bytes < PAGE_BYTES_MAX
            && let Some(row) = rows.next()?
        {
            let mut key = values(row, table.sqlite_key.len() + table.columns.len())?;
            let row = key.split_off(table.sqlite_key.len());
            bytes += row.iter().map(MovedValue::bytes).sum::<usize>();
            found.push(MovedRow { key, row });
        }
        Ok(found)
    }

    fn put(&self, table: &'static Table, rows: &[MovedRow], what: &str, value: &str) -> Result<(), StoreError> {
        let mut connection = lock(&self.connection);
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let is_own = |index: &usize| table.columns.get(*index).is_some_and(|column| column.sqlite.is_none());
        let own: Vec<usize> = (0..table.columns.len()).filter(is_own).collect();
        let names: Vec<_> = own.iter().filter_map(|index| names(table).get(*index).copied()).collect();
        let marks: Vec<_> = (1..=own.len()).map(|number| format!("?{number}")).collect();
        let sql = format!(
            "INSERT INTO {} ({}) VALUES ({}) ON CONFLICT DO NOTHING",
            table.name,
            names.join(", "),
            marks.join(", ")
        );
        {
            let mut statement = transaction.prepare_cached(&sql)?;
            for MovedRow { row, .. } in rows {
                statement.execute(rusqlite::params_from_iter(own.iter().filter_map(|index| row.get(*index))))?;
            }
        }
        set_mark(&transaction, what, value)?;
        transaction.commit()?;
        // No checkpointer runs beside it, and SQLite's own keeps its failures to itself.
        if checkpoint::looked(&connection)?.frames() > COPIED_FROM_FRAMES {
            checkpoint::passive(&connection)?;
        }
        Ok(())
    }

    fn pictures(&self, table: &str, after: &[u8], limit: usize) -> Result<Vec<(ImageKey, u64)>, StoreError> {
        pictures(&lock(&self.connection), table, after, limit)
    }

    fn clear(&self) -> Result<(), StoreError> {
        let mut connection = lock(&self.connection);
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        // What names comes after what is named.
        for Table { name, .. } in TABLES.iter().rev() {
            transaction.execute(&format!("DELETE FROM {name}"), [])?;
        }
        // Made of records: those that come have other numbers.
        transaction.execute("DELETE FROM counted_runs", [])?;
        transaction.execute("DELETE FROM moving WHERE what <> ?1", [ID])?;
        Ok(transaction.commit()?)
    }

    fn numbers(&self) -> Result<Vec<i64>, StoreError> {
        let connection = lock(&self.connection);
        let mut statement =
            connection.prepare_cached("SELECT coalesce(max(seq), 0) FROM sqlite_sequence WHERE name = ?1")?;
        NUMBERED.iter().map(|(table, _)| Ok(statement.query_row([table], |row| row.get(0))?)).collect()
    }

    fn finish(&self, numbers: &[i64]) -> Result<(), StoreError> {
        let mut connection = lock(&self.connection);
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        for ((table, _), number) in NUMBERED.iter().zip(numbers) {
            transaction.execute("DELETE FROM sqlite_sequence WHERE name = ?1", [table])?;
            transaction.execute("INSERT INTO sqlite_sequence (name, seq) VALUES (?1, ?2)", params![table, number])?;
        }
        transaction.execute("DELETE FROM moving WHERE what <> ?1", [ID])?;
        Ok(transaction.commit()?)
    }
}

/// The next pictures of a table with images, in the order of their addresses.
pub(super) fn pictures(
    connection: &Connection,
    table: &str,
    after: &[u8],
    limit: usize,
) -> Result<Vec<(ImageKey, u64)>, StoreError> {
    let sql = format!(
        "SELECT sha256, max(size) FROM {table} WHERE sha256 > ?1 GROUP BY sha256 ORDER BY sha256 LIMIT {limit}"
    );
    let mut statement = connection.prepare_cached(&sql)?;
    let rows = statement.query_map([after], |row| Ok((ImageKey(row.get(0)?), row.get::<_, i64>(1)?.unsigned_abs())))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

fn values(row: &Row<'_>, count: usize) -> Result<Vec<MovedValue>, StoreError> {
    (0..count)
        .map(|index| {
            Ok(match row.get_ref(index)? {
                ValueRef::Null => MovedValue::Null,
                ValueRef::Integer(number) => MovedValue::Int(number),
                ValueRef::Real(_) => return Err(StoreError::Broken("a number with a fraction".into())),
                ValueRef::Text(text) => MovedValue::Text(String::from_utf8_lossy(text).into_owned()),
                ValueRef::Blob(bytes) => MovedValue::Bytes(bytes.to_vec()),
            })
        })
        .collect()
}

impl ToSql for MovedValue {
    fn to_sql(&self) -> rusqlite::Result<rusqlite::types::ToSqlOutput<'_>> {
        match self {
            MovedValue::Null => Ok(rusqlite::types::Null.into()),
            MovedValue::Int(number) => number.to_sql(),
            MovedValue::Text(text) => text.to_sql(),
            MovedValue::Bytes(bytes) => bytes.to_sql(),
        }
    }
}
