//! Statements of [`crate::backend`] on SQLite.

use rusqlite::types::{ToSqlOutput, Value as Sql, ValueRef};
use rusqlite::{Connection, ToSql, TransactionBehavior, params_from_iter};

use crate::StoreError;
use crate::backend::dialect::{Dialect, has_rows, translate};
use crate::backend::{Row, Transaction, Value, Work};

/// On a connection that has a transaction open.
pub(super) struct SqliteTransaction<'a>(pub(super) &'a Connection);

/// Does the work in a transaction that takes the write lock at once.
pub(super) fn write(connection: &mut Connection, work: &mut Work<'_>) -> Result<(), StoreError> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    work(&mut SqliteTransaction(&transaction))?;
    Ok(transaction.commit()?)
}

impl Transaction for SqliteTransaction<'_> {
    fn query(&mut self, sql: &str, values: &[Value]) -> Result<Vec<Row>, StoreError> {
        if has_rows(sql) {
            return Err(StoreError::Broken("rows are given to statements that change some, keys to questions".into()));
        }
        let mut statement = self.0.prepare_cached(&translate(sql, Dialect::Sqlite)?)?;
        let columns = statement.column_count();
        let mut rows = statement.query(params_from_iter(values))?;
        let mut found = Vec::new();
        while let Some(row) = rows.next().map_err(exists)? {
            let mut read = Vec::with_capacity(columns);
            for column in 0..columns {
                read.push(value(row.get_ref(column)?)?);
            }
            found.push(Row(read));
        }
        Ok(found)
    }

    fn execute(&mut self, sql: &str, values: &[Value]) -> Result<u64, StoreError> {
        let mut statement = self.0.prepare_cached(&translate(sql, Dialect::Sqlite)?)?;
        if !has_rows(sql) {
            return Ok(statement.execute(params_from_iter(values)).map_err(exists)? as u64);
        }
        let mut changed = 0;
        for row in 0..values.iter().filter_map(Value::rows).max().unwrap_or(0) {
            let of_row = values.iter().map(|value| ValueOfRow { value, row });
            changed += statement.execute(params_from_iter(of_row)).map_err(exists)? as u64;
        }
        Ok(changed)
    }

    fn execute_each(&mut self, sql: &str, rows: &[Vec<Value>]) -> Result<u64, StoreError> {
        let mut statement = self.0.prepare_cached(&translate(sql, Dialect::Sqlite)?)?;
        let mut changed = 0;
        for values in rows {
            changed += statement.execute(params_from_iter(values)).map_err(exists)? as u64;
        }
        Ok(changed)
    }
}

/// A name or key that is taken already.
fn exists(error: rusqlite::Error) -> StoreError {
    use rusqlite::ffi::{SQLITE_CONSTRAINT_PRIMARYKEY, SQLITE_CONSTRAINT_UNIQUE};
    match error.sqlite_error().map(|code| code.extended_code) {
        Some(SQLITE_CONSTRAINT_UNIQUE | SQLITE_CONSTRAINT_PRIMARYKEY) => StoreError::Exists("the name or key".into()),
        _ => error.into(),
    }
}

fn value(value: ValueRef<'_>) -> Result<Value, StoreError> {
    Ok(match value {
        ValueRef::Null => Value::Null,
        ValueRef::Integer(value) => Value::Int(value),
        ValueRef::Text(bytes) => {
            let text = std::str::from_utf8(bytes).map_err(|_| StoreError::Broken("a text that is none".into()))?;
            Value::Text(text.to_owned())
        }
        ValueRef::Blob(bytes) => Value::Blob(bytes.to_owned()),
        // No column holds one.
        ValueRef::Real(_) => return Err(StoreError::Broken("a fraction".into())),
    })
}

impl ToSql for Value {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        let json = |text: Result<String, serde_json::Error>| {
            let text = text.map_err(|error| rusqlite::Error::ToSqlConversionFailure(Box::new(error)))?;
            Ok(ToSqlOutput::Owned(Sql::Text(text)))
        };
        match self {
            Value::Null => Ok(ToSqlOutput::Owned(Sql::Null)),
            Value::Bool(value) => Ok(ToSqlOutput::Owned(Sql::Integer(i64::from(*value)))),
            Value::Int(value) => Ok(ToSqlOutput::Owned(Sql::Integer(*value))),
            Value::Text(text) | Value::Key(text) => Ok(ToSqlOutput::Borrowed(ValueRef::Text(text.as_bytes()))),
            Value::Blob(bytes) => Ok(ToSqlOutput::Borrowed(ValueRef::Blob(bytes))),
            Value::Ints(values) => json(serde_json::to_string(values)),
            Value::Texts(values) => json(serde_json::to_string(values)),
            Value::Keys(values) => json(serde_json::to_string(values)),
            Value::Blobs(values) => json(serde_json::to_string(&values.iter().map(hex::encode).collect::<Vec<_>>())),
        }
    }
}

/// What a column has in one row; a single value is the same in all.
struct ValueOfRow<'a> {
    value: &'a Value,
    row: usize,
}

impl ToSql for ValueOfRow<'_> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        match self.value {
            Value::Ints(column) => {
                Ok(ToSqlOutput::Owned(column.get(self.row).copied().map_or(Sql::Null, Sql::Integer)))
            }
            Value::Texts(column) => Ok(text(column.get(self.row).and_then(Option::as_deref))),
            Value::Keys(column) => Ok(text(column.get(self.row).map(String::as_str))),
            Value::Blobs(column) => {
                let bytes = column.get(self.row).map_or(ValueRef::Null, |bytes| ValueRef::Blob(bytes));
                Ok(ToSqlOutput::Borrowed(bytes))
            }
            Value::Null | Value::Bool(_) | Value::Int(_) | Value::Text(_) | Value::Key(_) | Value::Blob(_) => {
                self.value.to_sql()
            }
        }
    }
}

fn text(text: Option<&str>) -> ToSqlOutput<'_> {
    ToSqlOutput::Borrowed(text.map_or(ValueRef::Null, |text| ValueRef::Text(text.as_bytes())))
}
