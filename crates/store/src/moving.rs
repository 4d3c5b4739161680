//! Everything from one store to another: SQLite to PostgreSQL and back.
//!
//! From its beginning to its end, and after it, the old store is only read: triggers refuse every write, so a gate that
//! runs on it answers 503 to pushes, which their senders keep, and goes on answering questions. The new store is marked
//! from the moment it was found empty until all of it is there and was compared: nobody opens it before, and in PostgreSQL
//! triggers refuse what others would write. Each page is written in one transaction with how far it got, so a move that
//! ended half way goes on where it was. Once it is finished the old store stays as it is: two would take pushes otherwise.

pub(crate) mod movable;
mod pictures;
pub(crate) mod tables;

use std::path::Path;

use serde::Serialize;
use sha2::{Digest, Sha256};

use self::movable::{FROM, MOVED, MovableStore, MovedValue, TO};
use self::tables::{TABLES, Table};
use crate::{StoreError, postgres, sqlite};

pub use pictures::{MissingPictures, move_pictures};

/// Rows read and written at once, at most.
const PAGE: usize = 2000;

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
    from: Box<dyn MovableStore>,
    to: Box<dyn MovableStore>,
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
        if old.changes_key()? {
            let text = "its master key is being changed: see `parkgate key show`, and move once that is done";
            return Err(StoreError::Broken(format!("{}: {text}", old.name()?)));
        }
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
    pub fn copy(&self, report: &mut dyn FnMut(Step)) -> Result<(), StoreError> {
        for table in TABLES {
            let all = self.from.count(table)?;
            let mark = format!("rows of {}", table.name);
            let (mut after, mut done) = match self.to.mark(&mark)? {
                Some(text) => (Some(key_of(&text)?), self.to.count(table)?),
                None => (None, 0),
            };
            loop {
                report(Step { what: table.name, compared: false, done, all });
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
    pub fn finish(&self, report: &mut dyn FnMut(Step)) -> Result<Vec<Total>, StoreError> {
        let mut totals = Vec::new();
        for table in TABLES {
            let all = self.from.count(table)? * 2;
            let mut done = 0;
            let mut count = |rows: usize| {
                done += rows as u64;
                report(Step { what: table.name, compared: true, done, all });
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

pub(crate) fn open(at: At<'_>) -> Result<Box<dyn MovableStore>, StoreError> {
    crate::restore_mark::refuse_unfinished(at.data)?;
    open_anew(at)
}

/// The same for a restore, which alone may open a folder that is marked as unfinished.
pub(crate) fn open_anew(at: At<'_>) -> Result<Box<dyn MovableStore>, StoreError> {
    Ok(match at.url {
        None => Box::new(sqlite::moving::MovableSqlite::open(at.data)?),
        Some(url) => Box::new(postgres::moving::MovablePostgres::open(at.data, url)?),
    })
}

/// Are these one database, whatever it is called?
fn is_same(one: &str, other: &str) -> bool {
    let id = |name: &str| name.rsplit_once(" (").map(|(_, id)| id.to_owned());
    id(one) == id(other)
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

fn total(end: &dyn MovableStore, table: &'static Table, count: &mut dyn FnMut(usize)) -> Result<Total, StoreError> {
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
