//! What goes into statements and comes out of them, whichever the database.

use crate::StoreError;

/// A value of a statement, or of a row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Value {
    Null,
    Bool(bool),
    Int(i64),
    Text(String),
    /// A text as it is looked for by an index: PostgreSQL keeps long ones shortened.
    Key(String),
    Blob(Vec<u8>),
    Ints(Vec<i64>),
    Texts(Vec<Option<String>>),
    /// As [`Value::Key`], many of them.
    Keys(Vec<String>),
    Blobs(Vec<Vec<u8>>),
}

impl Value {
    /// A text that is looked for by an index.
    pub(crate) fn key(text: &str) -> Value {
        Value::Key(text.to_owned())
    }

    /// Of a column: how many rows it has.
    pub(crate) fn rows(&self) -> Option<usize> {
        match self {
            Value::Ints(column) => Some(column.len()),
            Value::Texts(column) => Some(column.len()),
            Value::Keys(column) => Some(column.len()),
            Value::Blobs(column) => Some(column.len()),
            Value::Null | Value::Bool(_) | Value::Int(_) | Value::Text(_) | Value::Key(_) | Value::Blob(_) => None,
        }
    }

    /// A count of rows, where all are meant too.
    pub(crate) fn limit(rows: usize) -> Value {
        Value::Int(i64::try_from(rows).unwrap_or(i64::MAX))
    }
}

impl FromIterator<i64> for Value {
    fn from_iter<I: IntoIterator<Item = i64>>(values: I) -> Self {
        Value::Ints(values.into_iter().collect())
    }
}

impl From<bool> for Value {
    fn from(value: bool) -> Self {
        Value::Bool(value)
    }
}

impl From<i64> for Value {
    fn from(value: i64) -> Self {
        Value::Int(value)
    }
}

impl From<u32> for Value {
    fn from(value: u32) -> Self {
        Value::Int(i64::from(value))
    }
}

impl From<&str> for Value {
    fn from(value: &str) -> Self {
        Value::Text(value.to_owned())
    }
}

impl From<&String> for Value {
    fn from(value: &String) -> Self {
        Value::Text(value.clone())
    }
}

impl From<String> for Value {
    fn from(value: String) -> Self {
        Value::Text(value)
    }
}

impl From<Vec<u8>> for Value {
    fn from(value: Vec<u8>) -> Self {
        Value::Blob(value)
    }
}

impl From<&[u8]> for Value {
    fn from(value: &[u8]) -> Self {
        Value::Blob(value.to_owned())
    }
}

impl<T: Into<Value>> From<Option<T>> for Value {
    fn from(value: Option<T>) -> Self {
        value.map_or(Value::Null, Into::into)
    }
}

/// A row of a statement, its columns counted from 0.
#[derive(Debug, Clone)]
pub(crate) struct Row(pub(crate) Vec<Value>);

impl Row {
    pub(crate) fn int(&self, column: usize) -> Result<i64, StoreError> {
        self.opt_int(column)?.ok_or_else(|| self.wrong(column, "a number"))
    }

    pub(crate) fn opt_int(&self, column: usize) -> Result<Option<i64>, StoreError> {
        match self.0.get(column) {
            Some(Value::Int(value)) => Ok(Some(*value)),
            Some(Value::Null) => Ok(None),
            _ => Err(self.wrong(column, "a number")),
        }
    }

    /// A count that is never negative.
    pub(crate) fn count(&self, column: usize) -> Result<u64, StoreError> {
        Ok(self.int(column)?.unsigned_abs())
    }

    pub(crate) fn bool(&self, column: usize) -> Result<bool, StoreError> {
        match self.0.get(column) {
            Some(Value::Bool(value)) => Ok(*value),
            // As SQLite keeps it.
            Some(Value::Int(value)) => Ok(*value != 0),
            _ => Err(self.wrong(column, "a truth value")),
        }
    }

    pub(crate) fn text(&self, column: usize) -> Result<String, StoreError> {
        self.opt_text(column)?.ok_or_else(|| self.wrong(column, "a text"))
    }

    pub(crate) fn opt_text(&self, column: usize) -> Result<Option<String>, StoreError> {
        match self.0.get(column) {
            Some(Value::Text(value)) => Ok(Some(value.clone())),
            Some(Value::Null) => Ok(None),
            _ => Err(self.wrong(column, "a text")),
        }
    }

    /// A text that is only looked at.
    pub(crate) fn borrowed_text(&self, column: usize) -> Result<&str, StoreError> {
        match self.0.get(column) {
            Some(Value::Text(value)) => Ok(value),
            _ => Err(self.wrong(column, "a text")),
        }
    }

    pub(crate) fn blob(&self, column: usize) -> Result<&[u8], StoreError> {
        self.opt_blob(column)?.ok_or_else(|| self.wrong(column, "bytes"))
    }

    pub(crate) fn opt_blob(&self, column: usize) -> Result<Option<&[u8]>, StoreError> {
        match self.0.get(column) {
            Some(Value::Blob(value)) => Ok(Some(value)),
            Some(Value::Null) => Ok(None),
            _ => Err(self.wrong(column, "bytes")),
        }
    }

    /// Exactly so many bytes: a digest.
    pub(crate) fn bytes<const N: usize>(&self, column: usize) -> Result<[u8; N], StoreError> {
        self.blob(column)?.try_into().map_err(|_| self.wrong(column, "a digest"))
    }

    fn wrong(&self, column: usize, expected: &str) -> StoreError {
        // Not the value itself: it may be personal.
        let found = match self.0.get(column) {
            None => "no column",
            Some(Value::Null) => "NULL",
            Some(Value::Bool(_)) => "a truth value",
            Some(Value::Int(_)) => "a number",
            Some(Value::Text(_) | Value::Key(_)) => "a text",
            Some(Value::Blob(_)) => "bytes",
            Some(Value::Ints(_) | Value::Texts(_) | Value::Keys(_) | Value::Blobs(_)) => "an array",
        };
        StoreError::Broken(format!("column {column}: expected {expected}, found {found}"))
    }
}
