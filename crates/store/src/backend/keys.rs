//! The master keys of a store: which one seals, and which ones open.
//!
//! The database says which keys there are (`master_keys`, empty until the first rotation); the keys themselves are in the data
//! folder or the environment. While one key takes the place of another, the database holds each of the two sealed under the
//! other: whoever has one of them has both, whenever it comes. [`KeyHolder::load`] reads what the database says now; it is
//! called whenever a value names a key that is not known, or the key that seals has changed.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use parkgate_seal::{KeyError, KeyId, KeyRing, MasterKey, Seal};

use crate::StoreError;
use crate::backend::{Backend, Row, Transaction};
use crate::stored::{KEY_PLACE, KEY_PROOF};

/// What is sealed and known under the master keys.
pub(crate) struct StoreKeys {
    /// Seals personal data and secrets.
    pub(crate) seal: Seal,
    /// Keys the digests by which pushes of the same content are known: the same whichever key seals.
    pub(crate) content_key: [u8; 32],
}

/// Where a key is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyState {
    /// Made, and not sealing yet: nodes learn of it.
    Coming,
    /// It seals.
    Active,
    /// It seals no more; what it sealed is sealed anew.
    Old,
    /// Nothing is sealed under it.
    Retired,
}

impl KeyState {
    const ALL: [KeyState; 4] = [KeyState::Coming, KeyState::Active, KeyState::Old, KeyState::Retired];

    /// As the database and scripts have it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            KeyState::Coming => "coming",
            KeyState::Active => "active",
            KeyState::Old => "old",
            KeyState::Retired => "retired",
        }
    }
}

/// A row of `master_keys`.
pub(crate) struct KeyRow {
    pub(crate) number: i64,
    pub(crate) id: KeyId,
    pub(crate) state: KeyState,
    pub(crate) made_at: i64,
    /// Sealed under it.
    content_key: Vec<u8>,
    /// It, sealed under the key before.
    pub(crate) under_before: Option<Vec<u8>>,
    /// It, sealed under the key after.
    under_next: Option<Vec<u8>>,
    /// How far sealing anew under it is: the place in the list of tables, and after which row of it.
    pub(crate) at_table: i64,
    pub(crate) at_row: i64,
    /// Rows that were sealed anew under it, and those of this round.
    pub(crate) resealed: i64,
    pub(crate) in_round: i64,
}

const ROWS: &str = "SELECT number, key_id, state, made_at, content_key, under_before, under_next, at_table, at_row, resealed, \
    in_round FROM master_keys ORDER BY number";

/// All keys there were, in their order; none until the first rotation.
pub(crate) fn key_rows(transaction: &mut dyn Transaction) -> Result<Vec<KeyRow>, StoreError> {
    transaction.query(ROWS, &[])?.iter().map(key_row).collect()
}

fn key_row(row: &Row) -> Result<KeyRow, StoreError> {
    let state = row.text(2)?;
    let state = KeyState::ALL.into_iter().find(|known| known.name() == state);
    Ok(KeyRow {
        number: row.int(0)?,
        id: KeyId(row.bytes(1)?),
        state: state.ok_or_else(|| StoreError::Broken("a master key in no known state".into()))?,
        made_at: row.int(3)?,
        content_key: row.blob(4)?.to_vec(),
        under_before: row.opt_blob(5)?.map(<[u8]>::to_vec),
        under_next: row.opt_blob(6)?.map(<[u8]>::to_vec),
        at_table: row.int(7)?,
        at_row: row.int(8)?,
        resealed: row.int(9)?,
        in_round: row.int(10)?,
    })
}

/// What the content key is bound to, sealed under a master key.
pub(crate) const CONTENT_PLACE: &str = "content_key";

/// What a master key is bound to, sealed under another.
pub(crate) fn wrapped_place(id: KeyId) -> String {
    format!("master_key:{id}")
}

/// Seals as the number-th key of a store does: values do not name the first one.
pub(crate) fn seal_of(number: i64, key: &MasterKey) -> Seal {
    if number == 1 { Seal::new(key) } else { Seal::naming(key, []) }
}

/// The keys of an open store.
pub(crate) struct KeyHolder {
    ring: Mutex<KeyRing>,
    current: RwLock<Arc<StoreKeys>>,
}

impl KeyHolder {
    /// The keys of a database, `missing` says what is wrong where they do not fit. The first to come seals its proof.
    pub(crate) fn prove(
        transaction: &mut dyn Transaction,
        ring: KeyRing,
        missing: &dyn Fn() -> StoreError,
    ) -> Result<KeyHolder, StoreError> {
        let first = ring.keys.first().ok_or_else(missing)?;
        let proof = transaction.query_opt("SELECT proof FROM master_key", &[])?;
        let key = match &proof {
            Some(row) => {
                let proof = row.blob(0)?;
                ring.all().find(|key| opens(key, proof))
            }
            None => {
                let proof = Seal::new(first).seal(KEY_PROOF, KEY_PLACE)?;
                transaction.execute("INSERT INTO master_key VALUES ($1)", &[proof.into()])?;
                Some(first)
            }
        };
        // After a rotation the proof may be of a key that is only known once the database gives it.
        let key = key.cloned();
        let any = key.clone().unwrap_or_else(|| first.clone());
        let others: Vec<MasterKey> = ring.all().cloned().collect();
        let keys = StoreKeys { seal: Seal::new(&any).opening(&others), content_key: any.derive("content digest") };
        let holder = KeyHolder { ring: Mutex::new(ring), current: RwLock::new(Arc::new(keys)) };
        let is_rotated = holder.load(transaction).map_err(|error| match error {
            StoreError::KeyChanged(_) => missing(),
            error => error,
        })?;
        if key.is_none() && !is_rotated { Err(missing()) } else { Ok(holder) }
    }

    /// As the database was when it was last read.
    pub(crate) fn current(&self) -> Arc<StoreKeys> {
        Arc::clone(&self.current.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Reads which key seals now, and which ones open; was the key ever rotated?
    ///
    /// # Errors
    /// [`StoreError::KeyChanged`]: a key in use is not to be had.
    pub(crate) fn load(&self, transaction: &mut dyn Transaction) -> Result<bool, StoreError> {
        let mut ring = self.ring.lock().unwrap_or_else(PoisonError::into_inner);
        let rows = key_rows(transaction)?;
        let Some(active) = rows.iter().find(|row| row.state == KeyState::Active) else { return Ok(false) };
        unwrap(&mut ring, &rows);
        let in_use = rows.iter().filter(|row| row.state != KeyState::Retired);
        if let Some(missing) = in_use.map(|row| row.id).find(|id| ring.find(*id).is_none()) {
            return Err(StoreError::KeyChanged(missing));
        }
        let key = ring.find(active.id).ok_or(StoreError::KeyChanged(active.id))?;
        let others = || ring.all().filter(|other| other.id() != active.id);
        let content_key = seal_of(active.number, key).open(&active.content_key, CONTENT_PLACE)?;
        let content_key = content_key.try_into().map_err(|_| StoreError::Broken("no content key".into()))?;
        let seal = seal_of(active.number, key).opening(others());
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(StoreKeys { seal, content_key });
        Ok(true)
    }

    /// The keys themselves.
    pub(crate) fn ring(&self) -> std::sync::MutexGuard<'_, KeyRing> {
        self.ring.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn opens(key: &MasterKey, proof: &[u8]) -> bool {
    // Whichever form it has.
    Seal::naming(key, []).open(proof, KEY_PLACE).is_ok()
}

/// Takes every key out of the database that one here opens.
fn unwrap(ring: &mut KeyRing, rows: &[KeyRow]) {
    for _ in rows {
        for (at, row) in rows.iter().enumerate() {
            if ring.find(row.id).is_some() {
                continue;
            }
            let before = at.checked_sub(1).and_then(|before| rows.get(before));
            let under = [(before, &row.under_before), (rows.get(at + 1), &row.under_next)];
            let found = under.into_iter().find_map(|(other, wrapped)| {
                let key = ring.find(other?.id)?;
                let plain = Seal::naming(key, []).open(wrapped.as_deref()?, &wrapped_place(row.id)).ok()?;
                MasterKey::from_bytes(&plain).filter(|key| key.id() == row.id)
            });
            if let Some(key) = found {
                ring.add(key);
            }
        }
    }
}

/// Is the key that sealed what is about to be written still the one that seals? Asked in the transaction that writes: until it
/// ends, no other key begins to.
pub(crate) fn fence(transaction: &mut dyn Transaction, seal: &Seal) -> Result<(), StoreError> {
    let lock = "{postgres SELECT pg_advisory_xact_lock_shared($1)::text}{sqlite SELECT $1}";
    transaction.query(lock, &[KEY_LOCK.into()])?;
    let active = transaction.query_opt("SELECT key_id FROM master_keys WHERE state = 'active'", &[])?;
    match active.map(|row| row.bytes(0).map(KeyId)).transpose()? {
        Some(active) if active != seal.key_id() => Err(StoreError::KeyChanged(active)),
        Some(_) | None => Ok(()),
    }
}

/// The keys that hold until this transaction ends, for what it reads and seals anew.
pub(crate) fn fenced(backend: &dyn Backend, transaction: &mut dyn Transaction) -> Result<Arc<StoreKeys>, StoreError> {
    match fence(transaction, &backend.keys().seal) {
        Err(StoreError::KeyChanged(_)) => drop(backend.key_holder().load(transaction)?),
        other => other?,
    }
    Ok(backend.keys())
}

/// Of PostgreSQL's advisory locks: shared by who writes what is sealed, alone for who changes the key.
pub(crate) const KEY_LOCK: i64 = 0x7061_726b_6b65_7973;

/// The folder and the database of a store that is opened under another key.
pub(crate) fn another_key(name: &str, data: &Path) -> StoreError {
    KeyError::Another(name.to_owned(), data.join("master.key").display().to_string()).into()
}
