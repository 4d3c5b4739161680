//! A park's count of free spaces, made anew from its records.

use parkgate_ledger::{Recount, Space};
use rusqlite::{Connection, TransactionBehavior, params};

use super::record::put_spaces;
use crate::StoreError;
use crate::registry::Park;
use crate::stored::CountedRecord;

/// Numbers of records looked at in one transaction, whoever's they are: few, so that none holds the WAL.
const PAGE: i64 = 4096;

/// A count under way: the records up to one of them.
pub(super) struct Counting {
    recount: Recount,
    sql: String,
    after: i64,
}

impl Counting {
    pub(super) fn of(park: &Park) -> Counting {
        let numberings: Vec<String> = park.numberings().map(|numbering| numbering.0.to_string()).collect();
        let numberings = numberings.join(", ");
        let sql = format!(
            "SELECT event_time, received_at, counted, params FROM records WHERE id > ?1 AND id <= ?2 \
             AND conflict_with IS NULL AND park_id IN ({numberings}) ORDER BY id"
        );
        Counting { recount: Recount::default(), sql, after: 0 }
    }

    /// Counts another page; is there more?
    pub(super) fn page(&mut self, connection: &Connection) -> Result<bool, StoreError> {
        let newest: i64 = connection.query_row("SELECT coalesce(max(id), 0) FROM records", [], |row| row.get(0))?;
        let last = newest.min(self.after.saturating_add(PAGE));
        let mut statement = connection.prepare_cached(&self.sql)?;
        let mut rows = statement.query(params![self.after, last])?;
        while let Some(row) = rows.next()? {
            let record = CountedRecord {
                event_time: row.get(0)?,
                received_at: row.get(1)?,
                counted: row.get(2)?,
                params: row.get(3)?,
            };
            record.add_to(&mut self.recount)?;
        }
        self.after = last;
        Ok(last < newest)
    }

    /// The last records, with the writer held, so that none comes in between; and writes the count.
    pub(super) fn finish(mut self, connection: &mut Connection, park: &Park) -> Result<Space, StoreError> {
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        while self.page(&transaction)? {}
        let space = self.recount.space();
        put_spaces(&transaction, &[(park.counted(), space)])?;
        transaction.commit()?;
        Ok(space)
    }
}
