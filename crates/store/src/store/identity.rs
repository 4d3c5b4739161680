//! A number of the store's own: its folder or address may be another tomorrow, and two may be called alike.

use crate::StoreError;
use crate::backend::{Access, Backend};
use crate::moving::{ID, new_id};

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
