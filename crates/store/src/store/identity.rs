//! A number of the store's own: its folder or address may be another tomorrow, and two may be called alike.

use crate::StoreError;
use crate::backend::{Access, Backend, Transaction};
use crate::moving::movable::{FROM, FROZEN, ID, TO, UNFINISHED, new_id};

/// Makes it on first use. It stays, whatever becomes of the store.
pub(crate) fn id(backend: &dyn Backend) -> Result<String, StoreError> {
    let known = "SELECT told FROM moving WHERE what = $1";
    let found = backend.transaction(Access::Read, |transaction| transaction.query_opt(known, &[ID.into()]))?;
    if let Some(row) = found {
        return row.text(0);
    }
    let new = new_id()?;
    let row = backend.transaction(Access::Write, |transaction| {
        transaction
            .execute("INSERT INTO moving VALUES ($1, $2) ON CONFLICT DO NOTHING", &[ID.into(), (&*new).into()])?;
        transaction.query_opt(known, &[ID.into()])
    })?;
    row.ok_or_else(|| StoreError::Broken("the store has no number".into()))?.text(0)
}

/// Does this store move, has it moved, or does another move here?
pub(super) fn refuse_moved(transaction: &mut dyn Transaction) -> Result<(), StoreError> {
    let marks = "SELECT what, told FROM moving WHERE what IN ($1, $2) ORDER BY what";
    match transaction.query_opt(marks, &[FROM.into(), TO.into()])? {
        None => Ok(()),
        Some(row) if row.text(0)? == FROM => Err(StoreError::Busy(UNFINISHED.into())),
        Some(row) => Err(StoreError::Busy(format!("{FROZEN}{}", row.text(1)?))),
    }
}
