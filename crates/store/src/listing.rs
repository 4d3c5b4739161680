//! Long listings, a page at a time.
//!
//! A reader that stays in one transaction keeps SQLite from starting its log anew, and PostgreSQL from cleaning up. So each
//! page is a short transaction of its own, and says where the next one begins. Nothing is held while rows are printed,
//! however slowly they are read.

use std::ops::ControlFlow;

use crate::StoreError;

/// Rows of a page, at most.
pub(crate) const PAGE: usize = 1000;
/// Records that SQLite looks at for a page, where few are what is asked for.
pub(crate) const LOOKED_AT_FOR_A_PAGE: usize = 4000;
/// Pushes in quarantine of a page: each may have hundreds of KiB.
pub(crate) const QUARANTINE_PAGE: usize = 64;
/// Deliveries of a page: they are small, and PostgreSQL sorts what waits for each page anew.
pub(crate) const DELIVERIES_PAGE: usize = 10_000;

/// Part of a listing.
#[derive(Debug)]
pub struct Page<T, C = i64> {
    /// What was found; a page may be empty though it is not the last.
    pub rows: Vec<T>,
    /// Where the next page begins; none after the last.
    pub next: Option<C>,
}

/// Who takes the rows of a listing, and says when it has enough.
pub type Take<'a, T> = &'a mut dyn FnMut(T) -> ControlFlow<()>;

/// Hands out the rows of all pages, `limit` at most. A page is asked for the rows that are still wanted and where it begins.
pub(crate) fn walk<T, C>(
    limit: usize,
    mut page: impl FnMut(usize, Option<C>) -> Result<Page<T, C>, StoreError>,
    take: Take<'_, T>,
) -> Result<(), StoreError> {
    let (mut left, mut from) = (limit, None);
    while left > 0 {
        let Page { rows, next } = page(left, from)?;
        left = left.saturating_sub(rows.len());
        for row in rows {
            if take(row).is_break() {
                return Ok(());
            }
        }
        if next.is_none() {
            return Ok(());
        }
        from = next;
    }
    Ok(())
}

/// All rows of a listing.
pub(crate) fn gathered<T>(each: impl FnOnce(Take<'_, T>) -> Result<(), StoreError>) -> Result<Vec<T>, StoreError> {
    let mut found = Vec::new();
    each(&mut |row| {
        found.push(row);
        ControlFlow::Continue(())
    })?;
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Ten numbers, three a page, the second page empty.
    fn page(limit: usize, from: Option<i64>) -> Result<Page<i64>, StoreError> {
        let from = from.unwrap_or(0);
        let rows: Vec<i64> = if from == 3 { Vec::new() } else { (from..(from + 3).min(10)).take(limit).collect() };
        Ok(Page { rows, next: Some(from + 3).filter(|next| *next < 10) })
    }

    #[test]
    fn pages_follow_each_other_to_the_limit_to_the_end_or_until_there_is_enough() {
        let listed = |limit| gathered(|take| walk(limit, page, take)).unwrap();
        assert_eq!(listed(usize::MAX), [0, 1, 2, 6, 7, 8, 9]);
        assert_eq!((listed(3), listed(4)), (vec![0, 1, 2], vec![0, 1, 2, 6]));
        assert!(listed(0).is_empty());
        let mut seen = 0;
        let enough = &mut |row| {
            seen += 1;
            if row == 1 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        };
        walk(usize::MAX, page, enough).unwrap();
        assert_eq!(seen, 2);
    }
}
