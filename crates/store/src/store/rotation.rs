//! The master key is changed for another while everything goes on.
//!
//! 1. *Coming*: the new key is in the database, sealed under the one in use (and that one under the new). Nodes take it from
//!    there and keep it in their data folder.
//! 2. *Active*: once every node that runs has it, or after [`LEARN_MAX_MS`]. From this transaction on, nothing is written
//!    that is sealed under the other: who writes looks at the key in its own transaction ([`fence`]), a batch of pushes at
//!    the registry's version once its parks are locked. Who meets a value of a key that it does not know takes the key
//!    from the database.
//! 3. What the *old* one sealed is sealed anew, a few rows at a time ([`super::resealing`]), round by round, until a whole round
//!    found nothing.
//! 4. The old one is *retired*: nodes move it to `retired.keys`. What the database holds of the new key sealed under it
//!    goes once every node has the new one.
//!
//! Each step is one transaction, and what comes next follows from the database alone: whoever comes goes on.

use parkgate_seal::{KeyId, KeySource, MasterKey};

use super::registry::changed;
use super::{Store, resealing};
use crate::StoreError;
use crate::backend::keys::{CONTENT_PLACE, KEY_LOCK, KeyRow, KeyState, fence, key_rows, seal_of, wrapped_place};
use crate::backend::{Access, Transaction, Value};
use crate::stored::{KEY_PLACE, KEY_PROOF};

/// How long nodes that run are waited for before the new key seals: those that hang take it from the database later.
const LEARN_MAX_MS: i64 = 30_000;
/// A node that was not seen for so long is stopped, and reads the key at its start.
const RUNS_MS: i64 = 60 * 60_000;
/// A node that runs says so again after this long.
const SEEN_EVERY_MS: i64 = 10 * 60_000;
/// A node that was away for so long is not waited for any more: it needs a copy of `master.key` when it comes back.
const AWAY_MAX_MS: i64 = 30 * 24 * 60 * 60_000;
/// Who seals anew is alone for so long, from its last step on: then another goes on.
const TURN_MS: i64 = 10_000;
/// The oldest program, by the number of its migrations in PostgreSQL, that opens what names its key.
const OPENS_FROM: i64 = 11;

/// What asking for a new key came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RotationStart {
    /// This key comes.
    Begun(KeyId),
    /// Another rotation is not finished.
    UnderWay,
    /// The key comes from the environment, and the new one is not there: `PARKGATE_MASTER_KEY` must be the new one and
    /// `PARKGATE_MASTER_KEY_OLD` the one in use.
    NoNewKey,
}

/// What a step of a rotation came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RotationStep {
    /// No key is changed.
    Nothing,
    /// For nodes to learn the key, or another process does it.
    Waits,
    /// Rows were looked at, and so many sealed anew.
    Resealed(u64),
    /// Another phase began.
    Went,
}

/// A key of a store, without the key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShownKey {
    /// By which values and files name it.
    pub id: KeyId,
    /// Where it is in its life.
    pub state: KeyState,
    /// When it was made, ms since 1970; unknown of the first one.
    pub made_at: Option<i64>,
    /// Rows sealed anew under it.
    pub resealed: u64,
    /// Which table is looked through for values under the key before it.
    pub looks_through: Option<&'static str>,
    /// Is it still in the database, sealed under the one before?
    pub is_wrapped: bool,
}

/// A node that keeps keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyNode {
    /// Its machine and folder.
    pub node: String,
    /// When it was last seen, ms since 1970.
    pub seen_at: i64,
    /// The keys that it has, whatever happens to the database.
    pub keys: Vec<String>,
}

impl Store {
    /// Begins to change the master key. The key in use is proved, the new one durable in the database when this returns.
    ///
    /// # Errors
    /// The store cannot be written: nothing changed.
    pub fn begin_key_rotation(&self, now: i64) -> Result<RotationStart, StoreError> {
        let begun = self.with_keys(|_| self.begun(now))?;
        self.load_keys()?;
        Ok(begun)
    }

    fn begun(&self, now: i64) -> Result<RotationStart, StoreError> {
        let keys = self.backend.keys();
        let (active, new) = {
            let ring = self.backend.key_holder().ring();
            let active = ring.find(keys.seal.key_id()).cloned();
            let active = active.ok_or_else(|| StoreError::KeyChanged(keys.seal.key_id()))?;
            let new = match ring.source {
                KeySource::Folder => MasterKey::random().map_err(|error| StoreError::Away(error.to_string()))?,
                KeySource::Environment => match ring.keys.first().filter(|key| key.id() != active.id()) {
                    Some(key) => key.clone(),
                    None => return Ok(RotationStart::NoNewKey),
                },
            };
            (active, new)
        };
        self.backend.as_ref().transaction(Access::WriteOnce, |transaction| {
            alone(transaction)?;
            fence(transaction, &keys.seal)?;
            let rows = key_rows(transaction)?;
            if rows.iter().any(|row| matches!(row.state, KeyState::Coming | KeyState::Old)) {
                return Ok(RotationStart::UnderWay);
            }
            if rows.iter().any(|row| row.id == new.id()) {
                return Ok(RotationStart::NoNewKey);
            }
            let last = match rows.last() {
                Some(last) => last.number,
                None => put_key(transaction, 1, &active, KeyState::Active, 0, &keys.content_key).map(|()| 1)?,
            };
            put_key(transaction, last + 1, &new, KeyState::Coming, now, &keys.content_key)?;
            let wrap = |inner: &MasterKey, number: i64, outer: &MasterKey| {
                seal_of(number, outer).seal(inner.bytes(), &wrapped_place(inner.id()))
            };
            let put = "UPDATE master_keys SET under_before = coalesce($2, under_before), \
                under_next = coalesce($3, under_next) WHERE number = $1";
            let number = |id: KeyId| rows.iter().find(|row| row.id == id).map_or(1, |row| row.number);
            let before = number(active.id());
            transaction.execute(put, &[(last + 1).into(), wrap(&new, before, &active)?.into(), Value::Null])?;
            transaction.execute(put, &[before.into(), Value::Null, wrap(&active, last + 1, &new)?.into()])?;
            let newer = "{postgres UPDATE parkgate_schema SET works_from = greatest(works_from, $1)}{sqlite SELECT $1}";
            transaction.query(newer, &[OPENS_FROM.into()])?;
            changed(transaction)?;
            Ok(RotationStart::Begun(new.id()))
        })
    }

    /// Reads anew which keys there are, and keeps those in use in the data folder, so that they outlive the database's copy.
    ///
    /// # Errors
    /// The store cannot be read, or a key in use is not to be had. A folder that cannot be written is only logged.
    pub fn load_keys(&self) -> Result<Vec<KeyId>, StoreError> {
        let holder = self.backend.key_holder();
        let in_use = self.backend.as_ref().transaction(Access::Read, |transaction| {
            holder.load(transaction)?;
            let mut rows = key_rows(transaction)?;
            rows.retain(|row| row.state != KeyState::Retired);
            rows.sort_by_key(|row| (row.state != KeyState::Active, row.number));
            Ok(rows.iter().map(|row| row.id).collect::<Vec<_>>())
        })?;
        let mut ring = holder.ring();
        if in_use.is_empty() {
            return Ok(ring.kept().collect());
        }
        match ring.keep(&in_use) {
            Ok(()) => Ok(ring.kept().collect()),
            Err(error) => {
                tracing::warn!(%error, "the master keys in use cannot be kept in the data folder: they are in memory only");
                Ok(Vec::new())
            }
        }
    }

    /// The machine and the folder of this store's keys, by which a node is known.
    #[must_use]
    pub fn key_node(&self) -> String {
        self.backend.key_holder().ring().node()
    }

    /// As [`Store::load_keys`], and writes down which keys this node has for good.
    ///
    /// # Errors
    /// As [`Store::load_keys`], or the store cannot be written.
    pub fn keep_keys(&self, now: i64) -> Result<(), StoreError> {
        let node = self.key_node();
        let kept = self.load_keys()?.iter().map(KeyId::to_string).collect::<Vec<_>>().join(" ");
        let sql = "SELECT seen_at, key_ids FROM key_nodes WHERE node = $1";
        let known = self
            .backend
            .as_ref()
            .transaction(Access::Read, |transaction| transaction.query_opt(sql, &[(&node).into()]))?;
        if let Some(row) = known
            && row.text(1)? == kept
            && row.int(0)?.abs_diff(now) < SEEN_EVERY_MS.unsigned_abs()
        {
            return Ok(());
        }
        let put = "INSERT INTO key_nodes (node, seen_at, key_ids) VALUES ($1, $2, $3) \
            ON CONFLICT (node) DO UPDATE SET seen_at = excluded.seen_at, key_ids = excluded.key_ids";
        let values = [node.into(), now.into(), kept.into()];
        self.backend.as_ref().transaction(Access::Write, |transaction| transaction.execute(put, &values).map(drop))
    }

    /// Goes on with the rotation that is under way by one small step. `who` is told apart from others that may do so.
    ///
    /// # Errors
    /// The store cannot be read or written. Calling again goes on.
    pub fn rotate_step(&self, who: &str, now: i64) -> Result<RotationStep, StoreError> {
        let (rows, nodes) = self.keys_and_nodes()?;
        let waits_for = |id: KeyId, span: i64| {
            let id = id.to_string();
            nodes.iter().any(|node| now - node.seen_at < span && !node.keys.contains(&id))
        };
        let by_state = |state| rows.iter().find(|row| row.state == state);
        let step = match (by_state(KeyState::Coming), by_state(KeyState::Active), by_state(KeyState::Old)) {
            (Some(new), _, _) if waits_for(new.id, RUNS_MS) && now - new.made_at < LEARN_MAX_MS => RotationStep::Waits,
            (Some(new), Some(active), _) => self.activate(new, active)?,
            (_, Some(active), Some(old)) => self.reseal(who, active, old, now)?,
            (_, Some(active), None) if active.under_before.is_some() => {
                if waits_for(active.id, AWAY_MAX_MS) {
                    // No rotation waits for that.
                    RotationStep::Nothing
                } else {
                    let forget = "UPDATE master_keys SET under_before = NULL WHERE number = $1";
                    let number = [active.number.into()];
                    self.backend
                        .as_ref()
                        .transaction(Access::Write, |transaction| transaction.execute(forget, &number))?;
                    RotationStep::Went
                }
            }
            (_, _, _) => RotationStep::Nothing,
        };
        Ok(step)
    }

    fn activate(&self, new: &KeyRow, active: &KeyRow) -> Result<RotationStep, StoreError> {
        let proof = {
            let ring = self.backend.key_holder().ring();
            let key = ring.find(new.id).ok_or(StoreError::KeyChanged(new.id))?;
            seal_of(new.number, key).seal(KEY_PROOF, KEY_PLACE)?
        };
        self.backend.as_ref().transaction(Access::Write, |transaction| {
            alone(transaction)?;
            // Batches of pushes hold locks on their parks' rows here, and look at the registry's version after that.
            lock_spaces(transaction)?;
            let put = "UPDATE master_keys SET state = $2 WHERE number = $1 AND state = $3";
            let (active_name, coming) = (KeyState::Active.name(), KeyState::Coming.name());
            if !transaction.changes(put, &[new.number.into(), active_name.into(), coming.into()])? {
                return Ok(());
            }
            let old = KeyState::Old.name();
            transaction.execute(put, &[active.number.into(), old.into(), active_name.into()])?;
            transaction.execute("UPDATE master_key SET proof = $1", &[proof.as_slice().into()])?;
            changed(transaction)
        })?;
        self.load_keys()?;
        Ok(RotationStep::Went)
    }

    fn reseal(&self, who: &str, active: &KeyRow, old: &KeyRow, now: i64) -> Result<RotationStep, StoreError> {
        let turn = "UPDATE master_keys SET driver = $2, driver_until = $3 WHERE number = $1 \
            AND (driver IS NULL OR driver = $2 OR driver_until < $4)";
        let values = [active.number.into(), who.into(), (now + TURN_MS).into(), now.into()];
        let is_ours = self
            .backend
            .as_ref()
            .transaction(Access::WriteUnsynced, |transaction| transaction.changes(turn, &values))?;
        if !is_ours {
            return Ok(RotationStep::Waits);
        }
        let at = usize::try_from(active.at_table).unwrap_or(0);
        let Some(table) = resealing::SEALED.get(at) else { return self.end_round(active, old) };
        let part = self.with_keys(|keys| resealing::part(self.backend.as_ref(), &keys.seal, *table, active.at_row))?;
        let resealed = i64::try_from(part.resealed).unwrap_or(i64::MAX);
        let (table, row) = part.next.map_or((active.at_table + 1, i64::MIN), |next| (active.at_table, next));
        let put = "UPDATE master_keys SET at_table = $2, at_row = $3, resealed = resealed + $4, in_round = in_round + $4 \
            WHERE number = $1 AND state = 'active'";
        let values = [active.number.into(), table.into(), row.into(), resealed.into()];
        self.backend.as_ref().transaction(Access::WriteUnsynced, |transaction| transaction.execute(put, &values))?;
        Ok(RotationStep::Resealed(part.resealed))
    }

    /// All tables were looked through: once more, or the old key is retired.
    fn end_round(&self, active: &KeyRow, old: &KeyRow) -> Result<RotationStep, StoreError> {
        let again = active.in_round > 0;
        self.backend.as_ref().transaction(Access::Write, |transaction| {
            let put = "UPDATE master_keys SET at_table = 0, at_row = $2, in_round = 0 WHERE number = $1";
            transaction.execute(put, &[active.number.into(), i64::MIN.into()])?;
            if again {
                return Ok(());
            }
            let retire =
                "UPDATE master_keys SET state = 'retired', under_next = NULL WHERE number = $1 AND state = 'old'";
            transaction.execute(retire, &[old.number.into()])?;
            changed(transaction)
        })?;
        self.load_keys()?;
        Ok(RotationStep::Went)
    }

    fn keys_and_nodes(&self) -> Result<(Vec<KeyRow>, Vec<KeyNode>), StoreError> {
        self.backend.as_ref().transaction(Access::Read, |transaction| Ok((key_rows(transaction)?, nodes(transaction)?)))
    }

    /// The keys of this store, the first one first, and the nodes that keep them.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn shown_keys(&self) -> Result<(Vec<ShownKey>, Vec<KeyNode>), StoreError> {
        let (rows, nodes) = self.keys_and_nodes()?;
        if rows.is_empty() {
            let id = self.backend.keys().seal.key_id();
            let first = ShownKey {
                id,
                state: KeyState::Active,
                made_at: None,
                resealed: 0,
                looks_through: None,
                is_wrapped: false,
            };
            return Ok((vec![first], nodes));
        }
        let is_resealing = rows.iter().any(|row| row.state == KeyState::Old);
        let shown = |row: &KeyRow| ShownKey {
            id: row.id,
            state: row.state,
            made_at: Some(row.made_at).filter(|made_at| *made_at > 0),
            resealed: row.resealed.unsigned_abs(),
            looks_through: usize::try_from(row.at_table)
                .ok()
                .filter(|_| is_resealing && row.state == KeyState::Active)
                .and_then(|at| resealing::SEALED.get(at))
                .map(|table| table.name()),
            is_wrapped: row.under_before.is_some(),
        };
        Ok((rows.iter().map(shown).collect(), nodes))
    }
}

/// Nobody writes what is sealed until this transaction ends.
fn alone(transaction: &mut dyn Transaction) -> Result<(), StoreError> {
    let lock = "{postgres SELECT pg_advisory_xact_lock($1)::text}{sqlite SELECT $1}";
    transaction.query(lock, &[KEY_LOCK.into()]).map(drop)
}

/// No batch of pushes is under way until this transaction ends.
fn lock_spaces(transaction: &mut dyn Transaction) -> Result<(), StoreError> {
    // Batches that begin meanwhile wait behind it: not for long, and then it is tried again.
    let wait = "{postgres SET LOCAL lock_timeout = '2s'}{sqlite UPDATE registry_version SET version = version}";
    transaction.execute(wait, &[])?;
    let lock = "{postgres LOCK TABLE spaces IN EXCLUSIVE MODE}{sqlite UPDATE registry_version SET version = version}";
    transaction.execute(lock, &[]).map(drop)
}

fn put_key(
    transaction: &mut dyn Transaction,
    number: i64,
    key: &MasterKey,
    state: KeyState,
    made_at: i64,
    content_key: &[u8],
) -> Result<(), StoreError> {
    let put =
        "INSERT INTO master_keys (number, key_id, state, made_at, content_key, at_row) VALUES ($1, $2, $3, $4, $5, $6)";
    let content_key = seal_of(number, key).seal(content_key, CONTENT_PLACE)?;
    let id = key.id();
    let values: [Value; 6] = [
        number.into(),
        id.0.as_slice().into(),
        state.name().into(),
        made_at.into(),
        content_key.into(),
        i64::MIN.into(),
    ];
    transaction.execute(put, &values).map(drop)
}

fn nodes(transaction: &mut dyn Transaction) -> Result<Vec<KeyNode>, StoreError> {
    let rows = transaction.query("SELECT node, seen_at, key_ids FROM key_nodes ORDER BY node", &[])?;
    rows.iter()
        .map(|row| {
            let keys = row.text(2)?.split_whitespace().map(str::to_owned).collect();
            Ok(KeyNode { node: row.text(0)?, seen_at: row.int(1)?, keys })
        })
        .collect()
}
