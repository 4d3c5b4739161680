//! A park's count of free spaces, made anew from its records.

use parkgate_ledger::{ParkId, Recount, Space};

use super::Store;
use super::record_pages::{end_after, newest};
use super::records::{put_space, spaces};
use crate::StoreError;
use crate::backend::{Access, Backend, Transaction, Value};
use crate::registry::Park;
use crate::stored::CountedRecord;

/// Records read in one transaction: few, so that it ends soon. SQLite passes by other parks' records meanwhile.
const PAGE: usize = 4096;
/// In PostgreSQL in the order of the park's own index, see [`OF_KEY`](super::record_pages::OF_KEY).
const RECORDS: &str = "SELECT id, event_time, received_at, counted::bigint, params FROM records \
    WHERE {sqlite park_id = $1}{postgres park_id = ANY (ARRAY[$1::bigint])} AND id > $2 AND id <= $3 \
    AND conflict_with IS NULL AND (visit_serial IS NULL OR counted IS NOT NULL) ORDER BY {postgres park_id,} id LIMIT $4";
/// Who records waits for these rows in PostgreSQL; SQLite has one writer.
const MAKE: &str = "INSERT INTO spaces (park_id, later) SELECT k.park_id, 0 FROM {rows $1 bigint park_id} AS k \
    WHERE true ORDER BY k.park_id ON CONFLICT DO NOTHING";
const LOCK: &str = "SELECT park_id FROM spaces WHERE park_id {in $1} ORDER BY park_id {lock}";

/// Waits for whoever records of these parks, and keeps others waiting until the transaction ends.
pub(super) fn lock_parks(transaction: &mut dyn Transaction, parks: Value) -> Result<(), StoreError> {
    let parks = [parks];
    transaction.execute(MAKE, &parks)?;
    transaction.query(LOCK, &parks).map(drop)
}

/// A count under way: of each epoch the records up to one of them.
#[derive(Clone)]
struct Counting {
    recount: Recount,
    /// Key and last number.
    epochs: Vec<(ParkId, i64)>,
}

impl Counting {
    /// Counts another page of each epoch; is there more?
    fn page(&mut self, transaction: &mut dyn Transaction) -> Result<bool, StoreError> {
        let newest = newest(transaction)?;
        let mut is_more = false;
        for (key, after) in &mut self.epochs {
            let end = end_after(transaction, *after, PAGE)?.unwrap_or(newest);
            let values = [key.0.into(), (*after).into(), end.into(), Value::limit(PAGE)];
            let rows = transaction.query(RECORDS, &values)?;
            for row in &rows {
                let (event_time, received_at, counted) = (row.int(1)?, row.int(2)?, row.opt_int(3)?);
                let record = CountedRecord { event_time, received_at, counted, params: row.text(4)? };
                record.add_to(&mut self.recount)?;
            }
            *after = match rows.last() {
                Some(last) if rows.len() == PAGE => last.int(0)?,
                _ => end,
            };
            is_more |= *after < newest;
        }
        Ok(is_more)
    }
}

/// Counting anew.
impl Store {
    /// Makes the count of a park's newest epoch anew from the records of all of them, beside whoever records meanwhile,
    /// and writes it.
    ///
    /// # Errors
    /// The store cannot be read or written: the count is as it was.
    pub fn recount(&self, park: &Park) -> Result<Space, StoreError> {
        recount(self.backend.as_ref(), park)
    }
}

/// Beside whoever records meanwhile; the last records with the park locked, so that none comes in between.
pub(crate) fn recount(backend: &dyn Backend, park: &Park) -> Result<Space, StoreError> {
    counted(backend, park, |transaction, space| {
        put_space(transaction, park.counted(), space)?;
        Ok(space)
    })
}

/// The stored count and the one that the records give, where they differ.
pub(super) fn compare(backend: &dyn Backend, park: &Park) -> Result<Option<(Space, Space)>, StoreError> {
    let key = park.counted();
    counted(backend, park, |transaction, space| {
        let stored = spaces(transaction, [key.0].into_iter().collect())?.remove(&key.0).unwrap_or_default();
        Ok((stored != space).then_some((stored, space)))
    })
}

/// Counts a park's records, and does something with the count before anybody records another one.
fn counted<T>(
    backend: &dyn Backend,
    park: &Park,
    with: impl Fn(&mut dyn Transaction, Space) -> Result<T, StoreError>,
) -> Result<T, StoreError> {
    let epochs = park.record_keys().map(|key| (key, 0)).collect();
    let mut counting = Counting { recount: Recount::default(), epochs };
    loop {
        let (next, is_more) = backend.transaction(Access::ReadLong, |transaction| {
            let mut next = counting.clone();
            let is_more = next.page(transaction)?;
            Ok((next, is_more))
        })?;
        counting = next;
        if !is_more {
            break;
        }
    }
    backend.transaction(Access::Write, |transaction| {
        lock_parks(transaction, park.record_keys().map(|key| key.0).collect())?;
        let mut last = counting.clone();
        while last.page(transaction)? {}
        with(transaction, last.recount.space())
    })
}
