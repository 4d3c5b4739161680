//! Everything from one store to another: SQLite to PostgreSQL and back.
//!
//! From its beginning to its end, and after it, the old store is only read: triggers refuse every write, so a gate that
//! runs on it answers 503 to pushes, which their senders keep, and goes on answering questions. The new store is marked
//! from the moment it was found empty until all of it is there and was compared: nobody opens it before, and in PostgreSQL
//! triggers refuse what others would write. Each page is written in one transaction with how far it got, so a move that
//! ended half way goes on where it was. Once it is finished the old store stays as it is: two would take pushes otherwise.

mod pictures;
pub(crate) mod tables;

use std::path::Path;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use self::tables::{Kind, TABLES, Table};
use crate::{ImageKey, StoreError, postgres, sqlite};

pub use pictures::{MissingPictures, move_pictures};

/// Rows read and written at once, at most.
const PAGE: usize = 2000;
/// Of these no more than this many bytes, but one row at least: a push in quarantine may be hundreds of KiB.
pub(crate) const PAGE_BYTES_MAX: usize = 8 << 20;
/// Marks of the table `moving`.
pub(crate) const TO: &str = "to";
pub(crate) const FROM: &str = "from";
/// All of it was compared there: this store's move cannot be given up any more.
pub(crate) const MOVED: &str = "moved";
/// A number of the database's own, since its name does not tell it from others: two servers may be called alike, and one
/// server by two names. The only mark that stays.
pub(crate) const ID: &str = "id";
/// What a write is told from then on, and where everything went.
pub(crate) const FROZEN: &str = "this store moves or has moved to ";
/// What a write to the new store is told until all is there.
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
pub(crate) trait End: Send + Sync {
    /// Its name and, in brackets, the number of its own.
    fn name(&self) -> Result<String, StoreError>;
    fn mark(&self, what: &str) -> Result<Option<String>, StoreError>;
    fn set_mark(&self, what: &str, told: &str) -> Result<(), StoreError>;
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
    fn put(&self, table: &'static Table, rows: &[MovedRow], mark: &str, told: &str) -> Result<(), StoreError>;
    /// Pictures of a table with images, by their address.
    fn pictures(&self, table: &str, after: &[u8], limit: usize) -> Result<Vec<(ImageKey, u64)>, StoreError>;
    /// Empties every table, that of the marks, too, but for [`ID`].
    fn clear(&self) -> Result<(), StoreError>;
    /// The highest numbers ever used, of the tables in [`tables::NUMBERED`].
    fn numbers(&self) -> Result<Vec<i64>, StoreError>;
    /// All is there: numbers go on after these, and the marks go.
    fn finish(&self, numbers: &[i64]) -> Result<(), StoreError>;
}

/// A data folder, with a database beside it if `url` names one.
#[derive(Debug, Clone, Copy)]
pub struct At<'a> {
    /// The folder of the master key, and of SQLite's file.
    pub data: &'a Path,
    /// A PostgreSQL database.
    pub url: Option<&'a str>,
}

/// How far it is: rows of a table, or pictures.
#[derive(Debug, Clone, Copy)]
pub struct Step {
    /// The table; `pictures`; with `compared` set, the second reading of a table.
    pub what: &'static str,
    /// Is this the comparison at the end?
    pub compared: bool,
    /// How many are done.
    pub done: u64,
    /// How many there are.
    pub all: u64,
}

/// What both stores were found to hold at the end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Total {
    /// The table.
    pub table: &'static str,
    /// Its rows.
    pub rows: u64,
    /// The sum of the digests of all rows, in hexadecimal: equal where every row is.
    pub sum: String,
}

/// A move that is under way.
pub struct Move {
    from: Box<dyn End>,
    to: Box<dyn End>,
}

/// What there is to do.
pub enum Begun {
    /// To copy, and to finish.
    Going(Move),
    /// Nothing: this move is finished.
    Finished,
}

/// What became of giving a move up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Abandoned {
    /// No move was under way.
    Nothing,
    /// The move to there; the store takes writes again.
    GivenUp(String),
    /// Everything is there already, and pushes are taken there: nothing was changed.
    Finished(String),
}

impl Move {
    /// Opens both ends, freezes the old one and marks the new one; goes on with a move that ended half way, and begins
    /// anew with one that was given up.
    ///
    /// # Errors
    /// One cannot be opened, the new one holds something already, or the old one is moving somewhere else.
    pub fn begin(from: At<'_>, to: At<'_>) -> Result<Begun, StoreError> {
        let old = open(from)?;
        bring_key(from.data, to.data)?;
        let new = open(to)?;
        let (old_name, new_name) = (old.name()?, new.name()?);
        if is_same(&old_name, &new_name) {
            return Err(StoreError::Broken(format!("{old_name}: a store cannot move to itself")));
        }
        let (goes_to, comes_from) = (old.mark(TO)?, new.mark(FROM)?);
        if let Some(name) = comes_from.as_ref().filter(|name| !is_same(name, &old_name)) {
            return Err(StoreError::Broken(format!("{new_name}: a move from {name} is unfinished here")));
        }
        if let Some(name) = goes_to.as_ref().filter(|name| !is_same(name, &new_name)) {
            return Err(StoreError::Broken(format!("{old_name} moves or has moved to {name}")));
        }
        match (goes_to, comes_from) {
            (Some(_), None) if old.mark(MOVED)?.is_some() => return Ok(Begun::Finished),
            // Given up in between, the old one was written again: what was copied is of no use.
            (None, Some(_)) => new.clear()?,
            (Some(_) | None, _) => {}
        }
        // Before the old one is frozen: a store that cannot be moved to stops nothing.
        new.claim(&old_name)?;
        if old.mark(TO)?.is_none() {
            old.freeze(&new_name)?;
        }
        Ok(Begun::Going(Move { from: old, to: new }))
    }

    /// Lets a store be written again whose move is given up. What was copied stays where it is, and is opened by nobody,
    /// until another move to there begins. A move that is finished cannot be given up: both stores would take pushes.
    ///
    /// # Errors
    /// The store cannot be opened or written.
    pub fn abandon(from: At<'_>) -> Result<Abandoned, StoreError> {
        let old = open(from)?;
        if let Some(to) = old.mark(MOVED)? {
            return Ok(Abandoned::Finished(to));
        }
        let Some(to) = old.mark(TO)? else { return Ok(Abandoned::Nothing) };
        old.thaw()?;
        Ok(Abandoned::GivenUp(to))
    }

    /// Copies what is not copied yet.
    ///
    /// # Errors
    /// One end failed. Calling again goes on.
    pub fn copy(&self, told: &mut dyn FnMut(Step)) -> Result<(), StoreError> {
        for table in TABLES {
            let all = self.from.count(table)?;
            let mark = format!("rows of {}", table.name);
            let (mut after, mut done) = match self.to.mark(&mark)? {
                Some(text) => (Some(key_of(&text)?), self.to.count(table)?),
                None => (None, 0),
            };
            loop {
                told(Step { what: table.name, compared: false, done, all });
                let page = self.from.page(table, after.as_deref(), PAGE)?;
                let Some(last) = page.last() else { break };
                let key = last.key.clone();
                let text = serde_json::to_string(&key).map_err(|error| StoreError::Broken(error.to_string()))?;
                self.to.put(table, &page, &mark, &text)?;
                done += page.len() as u64;
                after = Some(key);
            }
        }
        Ok(())
    }

    /// Reads both stores whole and compares them; then the new one may be opened.
    ///
    /// # Errors
    /// They differ, or one end failed.
    pub fn finish(&self, told: &mut dyn FnMut(Step)) -> Result<Vec<Total>, StoreError> {
        let mut totals = Vec::new();
        for table in TABLES {
            let all = self.from.count(table)? * 2;
            let mut done = 0;
            let mut count = |rows: usize| {
                done += rows as u64;
                told(Step { what: table.name, compared: true, done, all });
            };
            let old = total(self.from.as_ref(), table, &mut count)?;
            let new = total(self.to.as_ref(), table, &mut count)?;
            if old != new {
                return Err(StoreError::Broken(format!(
                    "{}: {} rows with sum {} became {} rows with sum {}",
                    table.name, old.rows, old.sum, new.rows, new.sum
                )));
            }
            totals.push(new);
        }
        // First: if it ends here, nobody takes pushes until the move is run again, and never two stores do.
        self.from.settle(&self.to.name()?)?;
        self.to.finish(&self.from.numbers()?)?;
        Ok(totals)
    }
}

fn open(at: At<'_>) -> Result<Box<dyn End>, StoreError> {
    Ok(match at.url {
        None => Box::new(sqlite::moving::SqliteEnd::open(at.data)?),
        Some(url) => Box::new(postgres::moving::PostgresEnd::open(at.data, url)?),
    })
}

/// Are these one database, whatever it is called?
fn is_same(one: &str, other: &str) -> bool {
    let id = |name: &str| name.rsplit_once(" (").map(|(_, id)| id.to_owned());
    id(one) == id(other)
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

/// What is sealed moves as it is: both stores are under one master key.
fn bring_key(from: &Path, to: &Path) -> Result<(), StoreError> {
    let (old, new) = (from.join("master.key"), to.join("master.key"));
    let away = |error: std::io::Error| StoreError::Away(format!("{}: {error}", new.display()));
    if !old.exists() {
        // By the environment, then; it is proved when a store is opened.
        return Ok(());
    }
    parkgate_seal::disk::make_folder(to).map_err(away)?;
    if !new.exists() {
        let aside = to.join("master.key.moving");
        std::fs::copy(&old, &aside).map_err(away)?;
        std::fs::File::open(&aside).and_then(|file| file.sync_all()).map_err(away)?;
        std::fs::rename(&aside, &new).map_err(away)?;
        return parkgate_seal::disk::sync_folder(to).map_err(away);
    }
    if std::fs::read(&old).map_err(away)? != std::fs::read(&new).map_err(away)? {
        let text = format!("{} is another key than {}: a store moves with its key", new.display(), old.display());
        return Err(StoreError::Broken(text));
    }
    Ok(())
}

fn key_of(text: &str) -> Result<Vec<MovedValue>, StoreError> {
    serde_json::from_str(text).map_err(|error| StoreError::Broken(format!("mark of a move: {error}")))
}

fn total(end: &dyn End, table: &'static Table, count: &mut dyn FnMut(usize)) -> Result<Total, StoreError> {
    let (mut rows, mut sum, mut after) = (0, 0_u128, None);
    loop {
        let page = end.page(table, after.as_deref(), PAGE)?;
        count(page.len());
        for found in &page {
            rows += 1;
            sum = sum.wrapping_add(digest(&found.row));
        }
        match page.into_iter().last() {
            Some(last) => after = Some(last.key),
            None => return Ok(Total { table: table.name, rows, sum: format!("{sum:032x}") }),
        }
    }
}

/// The first half of the SHA-256 of a row.
fn digest(row: &[MovedValue]) -> u128 {
    let mut hash = Sha256::new();
    let mut add = |tag: u8, bytes: &[u8]| {
        hash.update([tag]);
        hash.update((bytes.len() as u64).to_be_bytes());
        hash.update(bytes);
    };
    for value in row {
        match value {
            MovedValue::Null => add(0, &[]),
            MovedValue::Int(number) => add(1, &number.to_be_bytes()),
            MovedValue::Text(text) => add(2, text.as_bytes()),
            MovedValue::Bytes(bytes) => add(3, bytes),
        }
    }
    let digest: [u8; 32] = hash.finalize().into();
    digest.iter().take(16).fold(0, |sum, byte| sum << 8 | u128::from(*byte))
}

/// Columns as both stores name them.
pub(crate) fn names(table: &Table) -> Vec<&'static str> {
    table.columns.iter().map(|column| column.name).collect()
}

/// The kind of a column.
pub(crate) fn kind(table: &Table, name: &str) -> Kind {
    table.columns.iter().find(|column| column.name == name).map_or(Kind::Big, |column| column.kind)
}
