//! What a database must do for the store, and nothing of what it means.
//!
//! A [`Backend`] runs transactions; a [`Transaction`] runs statements. The statements are written once, for both databases,
//! in the modules of `store/` ([`dialect`] says in which words); rules stand in the ledger. Only the batch of the recording
//! path is loaded and written by each database in its own way.

pub(crate) mod dialect;
pub(crate) mod keys;
mod value;

pub(crate) use value::{Row, Value};

use std::path::Path;
use std::sync::Arc;

use parkgate_ledger::Verdict;

pub(crate) use self::keys::{KeyHolder, StoreKeys};
use crate::figures::StoreFigures;
use crate::months::Months;
use crate::{Alarm, Entry, StoreError};

/// How a transaction is run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Access {
    /// Reads. Asked by the gate itself, so it ends soon or fails.
    Read,
    /// Reads by keys only, all the time: what forwarding asks.
    ReadKeys,
    /// Reads, for a person who would rather wait.
    ReadLong,
    /// Writes durably. The same a second time: it is tried again where it is not known whether it was done.
    Write,
    /// Writes durably. Another change the second time: never tried again after an unknown end.
    WriteOnce,
    /// Writes by keys only what may be forgotten without harm: durable with the next durable transaction.
    WriteUnsynced,
    /// Writes durably what a push is acknowledged for: it ends soon or fails, and leaves the reserved room of a full disk
    /// to whoever cleans up. The same a second time.
    WritePushes,
}

/// The work of one transaction. It may run again after a failure, so it begins anew each time.
pub(crate) type Work<'a> = dyn FnMut(&mut dyn Transaction) -> Result<(), StoreError> + 'a;

/// A database.
pub(crate) trait Backend: Send + Sync {
    /// Runs `work` in one transaction and commits it; after an error nothing of it is done.
    fn run(&self, access: Access, work: &mut Work<'_>) -> Result<(), StoreError>;

    /// The master keys of this database.
    fn key_holder(&self) -> &KeyHolder;

    /// What they give now.
    fn keys(&self) -> Arc<StoreKeys> {
        self.key_holder().current()
    }

    /// The batch of the recording path: loads, lets the ledger decide and writes, in one durable transaction.
    fn record(&self, batch: &[Entry]) -> Result<Vec<Verdict>, StoreError>;

    /// How many batches may be recorded at once, where so many are set.
    fn lanes(&self, set: usize) -> usize;

    /// Raised once nothing may be acknowledged any more.
    fn alarm(&self) -> &Alarm;

    /// Makes durable what a process before left behind.
    fn begin_serving(&self) -> Result<(), StoreError>;

    /// The folder of this machine that the database lies in, if it does.
    fn disk(&self) -> Option<&Path>;

    /// Keeps room for cleaning up on a full disk; how many bytes could not be kept.
    fn keep_reserve(&self, free_beside: u64) -> Result<u64, StoreError>;

    /// Can it be written now?
    fn probe(&self) -> Result<(), StoreError>;

    /// Where it is set to keep less than an answer promises.
    fn durability_warnings(&self) -> Result<Vec<String>, StoreError>;

    /// Monthly partitions of records, if this backend has them.
    fn months(&self) -> Option<&dyn Months>;

    /// How it is at this moment, for whoever watches.
    fn figures(&self) -> StoreFigures;

    /// In which words its statements are.
    fn dialect(&self) -> dialect::Dialect;

    /// What is wrong with its pages, each read; nothing is said where the database looks after them itself.
    fn damaged_pages(&self) -> Result<Option<Vec<String>>, StoreError>;

    /// Leaves no trace of what was taken out; false if that cannot be done now.
    fn purge(&self) -> Result<bool, StoreError>;

    /// Ends the connections.
    fn close(&self) -> Result<(), StoreError>;
}

/// A transaction under way.
pub(crate) trait Transaction {
    /// All rows of a statement.
    fn query(&mut self, sql: &str, values: &[Value]) -> Result<Vec<Row>, StoreError>;

    /// Changes rows; how many.
    fn execute(&mut self, sql: &str, values: &[Value]) -> Result<u64, StoreError>;

    /// Changes rows by one statement for each list of values, sent without waiting in between; how many.
    fn execute_each(&mut self, sql: &str, rows: &[Vec<Value>]) -> Result<u64, StoreError>;
}

impl dyn Backend + '_ {
    /// Runs `work` as [`Backend::run`] and gives what it came to.
    pub(crate) fn transaction<T>(
        &self,
        access: Access,
        mut work: impl FnMut(&mut dyn Transaction) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let mut done = None;
        self.run(access, &mut |transaction| {
            done = Some(work(transaction)?);
            Ok(())
        })?;
        done.ok_or_else(|| StoreError::Broken("the transaction was not run".into()))
    }
}

impl dyn Transaction + '_ {
    /// The first row of a statement.
    pub(crate) fn query_opt(&mut self, sql: &str, values: &[Value]) -> Result<Option<Row>, StoreError> {
        Ok(self.query(sql, values)?.into_iter().next())
    }

    /// Did a statement change any row?
    pub(crate) fn changes(&mut self, sql: &str, values: &[Value]) -> Result<bool, StoreError> {
        Ok(self.execute(sql, values)? > 0)
    }
}
