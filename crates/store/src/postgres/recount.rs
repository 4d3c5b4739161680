//! A park's count of free spaces, made anew from its records.

use parkgate_ledger::{Recount, Space};

use super::link::{Fault, Link};
use super::write::put_spaces;
use crate::registry::Park;
use crate::stored::CountedRecord;

/// Records read in one transaction.
const PAGE: i64 = 1000;
const RECORDS: &str = "SELECT id, event_time, received_at, counted::bigint, params FROM records \
    WHERE park_id = $1 AND id > $2 AND conflict_with IS NULL ORDER BY id LIMIT $3";
const MAKE: &str =
    "INSERT INTO spaces (park_id) SELECT id FROM UNNEST($1::bigint[]) AS id ORDER BY id ON CONFLICT DO NOTHING";
const LOCK: &str = "SELECT park_id FROM spaces WHERE park_id = ANY($1) ORDER BY park_id FOR UPDATE";

/// A count under way: of each numbering, the oldest first, the records up to one of them.
#[derive(Clone)]
pub(super) struct Counting {
    recount: Recount,
    /// Key and last number.
    numberings: Vec<(i64, i64)>,
}

impl Counting {
    pub(super) fn of(park: &Park) -> Counting {
        Counting {
            recount: Recount::default(),
            numberings: park.numberings().map(|numbering| (numbering.0, 0)).collect(),
        }
    }

    /// The same with another page of each numbering counted, and whether there is more.
    pub(super) async fn page(mut self, link: &Link) -> Result<(Counting, bool), Fault> {
        let mut is_more = false;
        for (numbering, after) in &mut self.numberings {
            let rows = link.query(RECORDS, &[numbering, after, &PAGE]).await?;
            for row in &rows {
                let record = CountedRecord {
                    event_time: row.try_get(1)?,
                    received_at: row.try_get(2)?,
                    counted: row.try_get(3)?,
                    params: row.try_get(4)?,
                };
                record.add_to(&mut self.recount)?;
                *after = row.try_get(0)?;
            }
            is_more |= rows.len() as i64 == PAGE;
        }
        Ok((self, is_more))
    }

    /// The last records, with the park locked, so that none comes in between; and writes the count.
    pub(super) async fn finish(mut self, link: &Link, park: &Park) -> Result<Space, Fault> {
        let keys: Vec<i64> = self.numberings.iter().map(|(numbering, _)| *numbering).collect();
        link.begin().await?;
        link.execute(MAKE, &[&keys]).await?;
        link.query(LOCK, &[&keys]).await?;
        let mut is_more = true;
        while is_more {
            (self, is_more) = self.page(link).await?;
        }
        let space = self.recount.space();
        put_spaces(link, &[(park.counted(), space)]).await?;
        link.commit().await?;
        Ok(space)
    }
}
