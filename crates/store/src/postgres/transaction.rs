//! Statements of [`crate::backend`] on PostgreSQL.

use std::error::Error;

use bytes::{BufMut, BytesMut};
use futures_util::future::try_join_all;
use tokio::time::{Instant, timeout_at};
use tokio_postgres::types::{FromSql, IsNull, ToSql, Type, to_sql_checked};

use super::fault::{Fault, taken};
use super::link::Link;
use super::text;
use crate::StoreError;
use crate::backend::dialect::{Dialect, translate};
use crate::backend::{Access, Row, Transaction, Value, Work};

/// Forgotten, it is only done twice: nobody waits for the disk or the standbys.
const UNSYNCED: &str = "SET LOCAL synchronous_commit = off";

/// On a connection that has a transaction open.
pub(super) struct PostgresTransaction<'a> {
    pub(super) link: &'a Link,
    pub(super) until: Instant,
    /// What the first statement that failed means for another attempt.
    pub(super) fault: Option<Fault>,
}

impl PostgresTransaction<'_> {
    /// Does the work and commits it. What only reads is not held together by a transaction: under read committed each of its
    /// statements sees its own moment anyway, and two round trips are saved.
    pub(super) fn transaction(link: &Link, until: Instant, access: Access, work: &mut Work<'_>) -> Result<(), Fault> {
        let is_read = matches!(access, Access::Read | Access::ReadKeys | Access::ReadLong);
        let mut statements = PostgresTransaction { link, until, fault: None };
        if !is_read {
            statements.wait(async { Ok(link.begin().await?) })?;
        }
        if let Err(error) = work(&mut statements) {
            return Err(statements.fault.unwrap_or(Fault::Final(error)));
        }
        if access == Access::WriteUnsynced {
            statements.wait(async { Ok(link.plain(UNSYNCED).await?) })?;
        }
        if is_read { Ok(()) } else { statements.wait(link.commit()) }
    }

    /// Reads outside of a transaction, or in the one that is open.
    pub(super) fn reading<T>(
        link: &Link,
        until: Instant,
        read: impl FnOnce(&mut dyn Transaction) -> Result<T, StoreError>,
    ) -> Result<T, Fault> {
        let mut statements = PostgresTransaction { link, until, fault: None };
        read(&mut statements).map_err(|error| statements.fault.take().unwrap_or(Fault::Final(error)))
    }

    fn wait<T>(&self, work: impl Future<Output = Result<T, Fault>>) -> Result<T, Fault> {
        let late = |_| Err(Fault::Unsure(StoreError::Away("no answer in time".into())));
        self.link.wait(async { timeout_at(self.until, work).await.unwrap_or_else(late) })?
    }

    fn answer<T>(&mut self, work: impl Future<Output = Result<T, tokio_postgres::Error>>) -> Result<T, StoreError> {
        let named = |error| taken(error, "the name or key");
        self.wait(async { work.await.map_err(named) }).map_err(|fault: Fault| {
            let error = fault.error().clone();
            self.fault.get_or_insert(fault);
            error
        })
    }
}

impl Transaction for PostgresTransaction<'_> {
    fn query(&mut self, sql: &str, values: &[Value]) -> Result<Vec<Row>, StoreError> {
        let sql = translate(sql, Dialect::Postgres)?;
        let values: Vec<&(dyn ToSql + Sync)> = values.iter().map(|value| value as _).collect();
        let link = self.link;
        let rows = self.answer(async { link.query(&sql, &values).await })?;
        let read = |row: &tokio_postgres::Row| -> Result<Row, tokio_postgres::Error> {
            Ok(Row((0..row.len()).map(|column| row.try_get(column)).collect::<Result<_, _>>()?))
        };
        rows.iter().map(read).collect::<Result<_, _>>().map_err(|error| StoreError::Broken(error.to_string()))
    }

    fn execute(&mut self, sql: &str, values: &[Value]) -> Result<u64, StoreError> {
        let sql = translate(sql, Dialect::Postgres)?;
        let values: Vec<&(dyn ToSql + Sync)> = values.iter().map(|value| value as _).collect();
        let link = self.link;
        self.answer(async { link.execute(&sql, &values).await })
    }

    fn execute_each(&mut self, sql: &str, rows: &[Vec<Value>]) -> Result<u64, StoreError> {
        let sql = translate(sql, Dialect::Postgres)?;
        let link = self.link;
        let execute = async |values: &Vec<Value>| {
            let values: Vec<&(dyn ToSql + Sync)> = values.iter().map(|value| value as _).collect();
            link.execute(&sql, &values).await
        };
        let changed = self.answer(async {
            // Prepared beforehand: the first use of a statement would wait.
            link.statement(&sql).await?;
            try_join_all(rows.iter().map(execute)).await
        })?;
        Ok(changed.into_iter().sum())
    }
}

type Converted = Result<IsNull, Box<dyn Error + Sync + Send>>;

impl ToSql for Value {
    fn to_sql(&self, kind: &Type, out: &mut BytesMut) -> Converted {
        match self {
            Value::Null => Ok(IsNull::Yes),
            Value::Bool(value) => value.to_sql(&Type::BOOL, out),
            Value::Int(value) => match *kind {
                Type::BOOL => (*value != 0).to_sql(kind, out),
                Type::INT2 => i16::try_from(*value)?.to_sql(kind, out),
                Type::INT4 => i32::try_from(*value)?.to_sql(kind, out),
                _ => value.to_sql(&Type::INT8, out),
            },
            Value::Text(value) => text::kept(value).as_ref().to_sql(kind, out),
            Value::Key(value) => text::key(value).as_ref().to_sql(kind, out),
            Value::Blob(value) => {
                out.put_slice(value);
                Ok(IsNull::No)
            }
            Value::Ints(values) => match *kind {
                Type::INT2_ARRAY => converted(values, |value| i16::try_from(*value))?.to_sql(kind, out),
                Type::INT4_ARRAY => converted(values, |value| i32::try_from(*value))?.to_sql(kind, out),
                Type::BOOL_ARRAY => values.iter().map(|value| *value != 0).collect::<Vec<_>>().to_sql(kind, out),
                _ => values.to_sql(kind, out),
            },
            Value::Keys(values) => values.iter().map(|value| text::key(value)).collect::<Vec<_>>().to_sql(kind, out),
            Value::Blobs(values) => values.iter().map(Vec::as_slice).collect::<Vec<_>>().to_sql(kind, out),
            Value::Texts(values) => {
                values.iter().map(|value| value.as_deref().map(text::kept)).collect::<Vec<_>>().to_sql(kind, out)
            }
        }
    }

    fn accepts(_kind: &Type) -> bool {
        // What the statement expects is known only with the value: `to_sql` says so then.
        true
    }

    to_sql_checked!();
}

fn converted<T, E>(values: &[i64], convert: impl Fn(&i64) -> Result<T, E>) -> Result<Vec<T>, E> {
    values.iter().map(convert).collect()
}

impl<'a> FromSql<'a> for Value {
    fn from_sql(kind: &Type, raw: &'a [u8]) -> Result<Self, Box<dyn Error + Sync + Send>> {
        Ok(match *kind {
            Type::BOOL => Value::Bool(bool::from_sql(kind, raw)?),
            Type::INT2 => Value::Int(i16::from_sql(kind, raw)?.into()),
            Type::INT4 => Value::Int(i32::from_sql(kind, raw)?.into()),
            Type::INT8 => Value::Int(i64::from_sql(kind, raw)?),
            Type::BYTEA => Value::Blob(raw.to_owned()),
            _ => Value::Text(text::read(String::from_sql(kind, raw)?)),
        })
    }

    fn from_sql_null(_kind: &Type) -> Result<Self, Box<dyn Error + Sync + Send>> {
        Ok(Value::Null)
    }

    fn accepts(kind: &Type) -> bool {
        matches!(*kind, Type::BOOL | Type::INT2 | Type::INT4 | Type::INT8 | Type::BYTEA)
            || <String as FromSql<'_>>::accepts(kind)
    }
}
