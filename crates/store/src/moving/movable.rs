//! What a store that is moved, or moved to, must do; its marks, and its rows on their way.

use serde::{Deserialize, Serialize};

use super::tables::{Kind, Table};
use crate::{ImageKey, StoreError};

/// Bytes of rows that are read and written at once, at most, but one row at least: a push in quarantine may be hundreds of KiB.
pub(crate) const PAGE_BYTES_MAX: usize = 8 << 20;
/// Marks of the table `moving`.
pub(crate) const TO: &str = "to";
pub(crate) const FROM: &str = "from";
/// All of it was compared there: this store's move cannot be given up any more.
pub(crate) const MOVED: &str = "moved";
/// A number of the database's own, since its name does not identify it: two servers may have the same name, and one server
/// two names. The only mark that stays.
pub(crate) const ID: &str = "id";
/// The error that writes get once the store is frozen; it ends with where everything went.
pub(crate) const FROZEN: &str = "this store moves or has moved to ";
/// Keys that one takes the place of another.
pub(crate) const CHANGING_KEYS: &str = "SELECT count(*) FROM master_keys WHERE state IN ('coming', 'old')";
/// The error that writes to the new store get until everything is there.
pub(crate) const UNFINISHED: &str = "a move to this store is unfinished";

/// One value of a row.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) enum MovedValue {
    Null,
    Int(i64),
    Text(String),
    Bytes(Vec<u8>),
}

impl MovedValue {
    /// About what it takes.
    pub(crate) fn bytes(&self) -> usize {
        match self {
            MovedValue::Null | MovedValue::Int(_) => size_of::<i64>(),
            MovedValue::Text(text) => text.len(),
            MovedValue::Bytes(bytes) => bytes.len(),
        }
    }
}

/// A row, and by what it is found again.
#[derive(Debug)]
pub(crate) struct MovedRow {
    pub(crate) key: Vec<MovedValue>,
    pub(crate) row: Vec<MovedValue>,
}

/// One of the two stores.
pub(crate) trait MovableStore: Send + Sync {
    /// Its name and, in brackets, the number of its own.
    fn name(&self) -> Result<String, StoreError>;
    fn mark(&self, what: &str) -> Result<Option<String>, StoreError>;
    /// Is its master key being changed?
    fn changes_key(&self) -> Result<bool, StoreError>;
    fn set_mark(&self, what: &str, value: &str) -> Result<(), StoreError>;
    /// Refuses every write from now on, whoever asks.
    fn freeze(&self, to: &str) -> Result<(), StoreError>;
    /// Takes writes again. Refused once it has moved.
    fn thaw(&self) -> Result<(), StoreError>;
    /// Stays frozen for good. Refused if it was thawed meanwhile.
    fn settle(&self, to: &str) -> Result<(), StoreError>;
    /// Marks the new store and refuses what others would write there, if it is empty or this move's already: all in one
    /// transaction, so nobody writes in between.
    fn claim(&self, from: &str) -> Result<(), StoreError>;
    fn count(&self, table: &Table) -> Result<u64, StoreError>;
    /// The next rows by their key, within [`PAGE_BYTES_MAX`].
    fn page(
        &self,
        table: &'static Table,
        after: Option<&[MovedValue]>,
        limit: usize,
    ) -> Result<Vec<MovedRow>, StoreError>;
    /// Writes rows, and how far the table is with them.
    fn put(&self, table: &'static Table, rows: &[MovedRow], mark: &str, value: &str) -> Result<(), StoreError>;
    /// Pictures of a table with images, by their address.
    fn pictures(&self, table: &str, after: &[u8], limit: usize) -> Result<Vec<(ImageKey, u64)>, StoreError>;
    /// Empties every table, that of the marks, too, but for [`ID`].
    fn clear(&self) -> Result<(), StoreError>;
    /// The highest numbers ever used, of the tables in [`super::tables::NUMBERED`].
    fn numbers(&self) -> Result<Vec<i64>, StoreError>;
    /// All is there: numbers go on after these, and the marks go.
    fn finish(&self, numbers: &[i64]) -> Result<(), StoreError>;
}

/// A number for a database that has none yet.
pub(crate) fn new_id() -> Result<String, StoreError> {
    let mut id = [0; 8];
    getrandom::fill(&mut id).map_err(|error| StoreError::Broken(error.to_string()))?;
    Ok(hex::encode(id))
}

/// It moved, or the move was given up, while this one was at it.
pub(crate) fn overtaken(name: &str) -> StoreError {
    StoreError::Broken(format!("{name}: another `parkgate move` finished or gave up this move meanwhile"))
}

/// The new store holds something already.
pub(crate) fn not_empty(name: &str, table: &Table) -> StoreError {
    StoreError::Exists(format!("{name}: its table {} is not empty; it", table.name))
}

/// Columns as both stores name them.
pub(crate) fn names(table: &Table) -> Vec<&'static str> {
    table.columns.iter().map(|column| column.name).collect()
}

/// The kind of a column.
pub(crate) fn kind(table: &Table, name: &str) -> Kind {
    table.columns.iter().find(|column| column.name == name).map_or(Kind::Big, |column| column.kind)
}
