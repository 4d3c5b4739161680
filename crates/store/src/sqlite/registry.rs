//! What the store's own calls leave to this database: its master key's proof.

use rusqlite::{Connection, OptionalExtension, TransactionBehavior};

use crate::StoreError;
use crate::stored::{KEY_PLACE, KEY_PROOF};
use parkgate_seal::Seal;

/// Refuses a master key that is not this database's; the first one to come is.
pub(super) fn prove_key(connection: &mut Connection, seal: &Seal) -> Result<(), StoreError> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let proof: Option<Vec<u8>> =
        transaction.query_row("SELECT proof FROM master_key", [], |row| row.get(0)).optional()?;
    match proof {
        Some(proof) => drop(seal.open(&proof, KEY_PLACE)?),
        None => {
            transaction.execute("INSERT INTO master_key VALUES (?1)", [seal.seal(KEY_PROOF, KEY_PLACE)?])?;
        }
    }
    Ok(transaction.commit()?)
}
