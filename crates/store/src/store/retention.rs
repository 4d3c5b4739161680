//! What is due goes, some at a time: walks along the records in the order they came, each from where the last one ended.
//!
//! A stay is as old as its last news, so it goes when the walk comes to its newest record. What is still to be delivered stays,
//! and the next walk begins there. In SQLite one walk passes by the records of all parks that keep a kind for the same time; in
//! PostgreSQL each park has its own, and a node leaves alone what another has locked.

use std::collections::{BTreeMap, HashMap, HashSet};

use parkgate_ledger::ParkId;
use parkgate_ledger::redact::Redaction;
use parkgate_ledger::retention::{KeepFor, RetentionDefaults, RetentionKind, aged_as_of};
use parkgate_wire::UnixMillis;

use super::record_pages::{end_after, last_before};
use super::recount::lock_parks;
use super::registry::changed;
use super::stays::{self, Redacting, Stay, StayKey};
use super::{Store, quarantine, registry};
use crate::StoreError;
use crate::backend::dialect::Dialect;
use crate::backend::keys::fenced;
use crate::backend::{Access, Backend, Transaction, Value};
use crate::quarantine::NO_PARK;
use crate::retention::{RetentionWalk, WalkState};

/// Records passed by in one step, in SQLite whosever they are.
const PASSED_AT_ONCE: usize = 2048;
/// Records that begin a redaction in one step: their stays are changed in one transaction, for which pushes wait.
const REDACTED_AT_ONCE: usize = 48;

impl Store {
    /// What is due to go of all parks, by these defaults and as of now.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn retention_walks(
        &self,
        defaults: &RetentionDefaults,
        now: UnixMillis,
    ) -> Result<Vec<RetentionWalk>, StoreError> {
        walks(self.backend.as_ref(), defaults, now)
    }

    /// Takes out the next few things of a walk in one transaction; false once it is at its end.
    ///
    /// # Errors
    /// The store cannot be read or written. Calling again goes on.
    pub fn retain_step(&self, walk: &mut RetentionWalk) -> Result<bool, StoreError> {
        step(self.backend.as_ref(), walk)
    }

    /// Has the database hold no trace of what was taken out: SQLite's WAL is copied and cut off, PostgreSQL's dead rows are
    /// vacuumed. False if that could not be done now: another process serves, or somebody reads.
    ///
    /// # Errors
    /// The store cannot be written.
    pub fn purge(&self) -> Result<bool, StoreError> {
        self.backend.purge()
    }

    /// Has whoever serves purge the database soon; it stays wanted until that is done.
    ///
    /// # Errors
    /// The store cannot be written.
    pub fn want_purge(&self) -> Result<(), StoreError> {
        want_purge(self.backend.as_ref())
    }

    /// Is the database still to be purged?
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn is_purge_wanted(&self) -> Result<bool, StoreError> {
        is_purge_wanted(self.backend.as_ref())
    }

    /// [`Store::purge`], if that is wanted; is nothing more to be done?
    ///
    /// # Errors
    /// The store cannot be read or written.
    pub fn purge_if_wanted(&self) -> Result<bool, StoreError> {
        purge_if_wanted(self.backend.as_ref())
    }
}

/// What there is to do now.
pub(crate) fn walks(
    backend: &dyn Backend,
    defaults: &RetentionDefaults,
    now: UnixMillis,
) -> Result<Vec<RetentionWalk>, StoreError> {
    let parks = registry::parks(backend, &backend.keys().seal)?;
    let mut groups: BTreeMap<(usize, KeepFor), Vec<ParkId>> = BTreeMap::new();
    for park in &parks {
        for (place, kind) in ORDER.into_iter().enumerate() {
            let keys = groups.entry((place, defaults.of(&park.keep, kind))).or_default();
            if kind == RetentionKind::Quarantine { keys.push(park.id) } else { keys.extend(park.record_keys()) }
        }
    }
    for (place, _) in ORDER.into_iter().enumerate().filter(|(_, kind)| *kind == RetentionKind::Quarantine) {
        groups.entry((place, defaults.quarantine)).or_default().push(NO_PARK);
    }
    let mut walks = Vec::new();
    for ((place, keep), parks) in groups {
        let (Some(kind), Some(before)) = (ORDER.get(place), keep.due_before(now)) else { continue };
        walks.extend(of_kind(backend, *kind, parks, (before, now))?);
    }
    Ok(walks)
}

/// What takes the most goes first: the others then find less to do.
const ORDER: [RetentionKind; 5] = [
    RetentionKind::Visits,
    RetentionKind::Conflicts,
    RetentionKind::Personal,
    RetentionKind::Pictures,
    RetentionKind::Quarantine,
];

fn of_kind(
    backend: &dyn Backend,
    kind: RetentionKind,
    parks: Vec<ParkId>,
    (before, now): (UnixMillis, UnixMillis),
) -> Result<Vec<RetentionWalk>, StoreError> {
    let walk = |parks, after, to| RetentionWalk { kind, parks, before, now, after, to, state: WalkState::default() };
    if kind == RetentionKind::Quarantine {
        return Ok(vec![walk(parks, 0, 0)]);
    }
    backend.transaction(Access::ReadLong, |transaction| {
        let to = last_before(transaction, before.0)?;
        let progress = "SELECT park_id, up_to FROM retention_progress WHERE kind = $1";
        let mut up_to: HashMap<ParkId, i64> = HashMap::new();
        for row in transaction.query(progress, &[(kind as i64).into()])? {
            up_to.insert(ParkId(row.int(0)?), row.int(1)?);
        }
        let from = |park: &ParkId| up_to.get(park).copied().unwrap_or(0);
        let due: Vec<ParkId> = parks.iter().copied().filter(|park| from(park) < to).collect();
        if backend.dialect() == Dialect::Postgres {
            return Ok(due.into_iter().map(|park| walk(vec![park], from(&park), to)).collect());
        }
        let first = due.iter().map(from).min();
        Ok(first.map(|first| walk(due, first, to)).into_iter().collect())
    })
}

/// One step of a walk; false once it is at its end.
pub(crate) fn step(backend: &dyn Backend, walk: &mut RetentionWalk) -> Result<bool, StoreError> {
    if walk.kind == RetentionKind::Quarantine {
        return released(backend, walk);
    }
    let page = backend.transaction(Access::ReadLong, |transaction| DuePage::load(transaction, walk))?;
    walk.hold_from(page.later);
    if page.due.is_empty() {
        walk.after = page.end;
    } else {
        mark_digests(backend, walk)?;
        let outcome =
            backend.transaction(Access::Write, |transaction| redact_page(backend, transaction, walk, &page))?;
        let Some(outcome) = outcome else {
            // Another node is at work there.
            walk.after = walk.to;
            return Ok(false);
        };
        walk.state.redacted += outcome.redacted;
        walk.state.held += outcome.held.len() as u64;
        walk.hold_from(outcome.held.iter().copied().min());
        walk.after = page.end;
    }
    if walk.after < walk.to {
        return Ok(true);
    }
    let up_to = walk.up_to();
    backend.transaction(Access::Write, |transaction| put_progress(transaction, walk, up_to))?;
    Ok(false)
}

fn released(backend: &dyn Backend, walk: &mut RetentionWalk) -> Result<bool, StoreError> {
    let released = quarantine::release_due(backend, &walk.parks, walk.before.0)?;
    walk.state.redacted += released as u64;
    Ok(released > 0)
}

/// Records that a walk comes by.
struct DuePage {
    /// The records that are due, by their stays.
    due: Vec<(i64, StayKey)>,
    /// The first that is not: clocks were set, so times do not rise with numbers everywhere.
    later: Option<i64>,
    /// Where the next page begins.
    end: i64,
}

impl DuePage {
    fn load(transaction: &mut dyn Transaction, walk: &RetentionWalk) -> Result<DuePage, StoreError> {
        let end = end_after(transaction, walk.after, PASSED_AT_ONCE)?.unwrap_or(walk.to).min(walk.to);
        let wanted = match walk.kind {
            RetentionKind::Personal => "r.redacted IS NULL AND r.conflict_with IS NULL",
            RetentionKind::Visits => "coalesce(r.redacted, 0) < 2 AND r.conflict_with IS NULL",
            RetentionKind::Conflicts => "coalesce(r.redacted, 0) < 2 AND r.conflict_with IS NOT NULL",
            RetentionKind::Pictures | RetentionKind::Quarantine => {
                "r.conflict_with IS NULL AND EXISTS (SELECT 1 FROM images i WHERE {postgres i.park_id = r.park_id AND} \
                 i.record_id = r.id)"
            }
        };
        // In PostgreSQL in the order of the park's own index, see `record_pages`.
        let sql = format!(
            "SELECT r.id, r.park_id, {{serial r}}, r.received_at, r.event_time FROM records r \
             WHERE r.park_id {{in $1}} AND r.id > $2 AND r.id <= $3 \
             AND {wanted} ORDER BY {{postgres r.park_id,}} r.id LIMIT $4"
        );
        let parks: Value = walk.parks.iter().map(|park| park.0).collect();
        let rows = transaction.query(&sql, &[parks, walk.after.into(), end.into(), Value::limit(REDACTED_AT_ONCE)])?;
        let (mut due, mut later) = (Vec::new(), None);
        for row in &rows {
            let id = row.int(0)?;
            if aged_as_of(UnixMillis(row.int(3)?), UnixMillis(row.int(4)?), walk.now) < walk.before {
                due.push((id, StayKey { park: ParkId(row.int(1)?), serial: row.text(2)? }));
            } else {
                later = later.or(Some(id));
            }
        }
        let end = match rows.last() {
            Some(last) if rows.len() == REDACTED_AT_ONCE => last.int(0)?,
            Some(_) | None => end,
        };
        Ok(DuePage { due, later, end })
    }
}

/// What a step came to.
struct StepOutcome {
    redacted: u64,
    /// Records that are still to be delivered.
    held: Vec<i64>,
}

/// None if another node has locked the park's progress.
fn redact_page(
    backend: &dyn Backend,
    transaction: &mut dyn Transaction,
    walk: &RetentionWalk,
    page: &DuePage,
) -> Result<Option<StepOutcome>, StoreError> {
    if !lock_progress(transaction, walk)? {
        return Ok(None);
    }
    let wanted: HashSet<StayKey> = page.due.iter().map(|(_, key)| key.clone()).collect();
    lock_parks(transaction, wanted.iter().map(|key| key.park.0).collect::<HashSet<_>>().into_iter().collect())?;
    let mut stays = stays::load(transaction, &wanted)?;
    if walk.kind == RetentionKind::Conflicts {
        let due: HashSet<i64> = page.due.iter().map(|(id, _)| *id).collect();
        stays = conflicts_of(&due, stays);
    } else {
        stays.retain(|stay| stay.aged_as_of(walk.now).is_some_and(|aged| aged < walk.before));
    }
    let keys: Vec<(ParkId, i64)> = stays.iter().flat_map(Stay::keys).collect();
    let pending = stays::pending(transaction, &keys)?;
    let is_held = |stay: &Stay| stay.keys().any(|(_, id)| pending.contains(&id));
    let (held, stays): (Vec<Stay>, Vec<Stay>) = stays.into_iter().partition(is_held);
    let redacted = redact(backend, transaction, walk.kind, &stays)?;
    let held: HashSet<StayKey> = held.into_iter().map(|stay| stay.key).collect();
    let held = page.due.iter().filter(|(_, key)| held.contains(key)).map(|(id, _)| *id).collect();
    Ok(Some(StepOutcome { redacted, held }))
}

/// Of these stays the ignored records that are due alone.
fn conflicts_of(due: &HashSet<i64>, stays: Vec<Stay>) -> Vec<Stay> {
    let only = |mut stay: Stay| {
        stay.ignored.retain(|record| due.contains(&record.id));
        stay.standing.clear();
        stay
    };
    stays.into_iter().map(only).filter(|stay| !stay.ignored.is_empty()).collect()
}

fn redact(
    backend: &dyn Backend,
    transaction: &mut dyn Transaction,
    kind: RetentionKind,
    stays: &[Stay],
) -> Result<u64, StoreError> {
    let all: Vec<(ParkId, i64)> = stays.iter().flat_map(Stay::keys).collect();
    let standing = || {
        let of = |stay: &Stay| stay.standing.iter().map(|record| (stay.key.park, record.id)).collect::<Vec<_>>();
        stays.iter().flat_map(of).collect::<Vec<_>>()
    };
    let (how, pictures) = match kind {
        RetentionKind::Personal => (Redacting { standing: Some(Redaction::Personal), ignored: None }, Vec::new()),
        RetentionKind::Pictures | RetentionKind::Quarantine => {
            (Redacting { standing: None, ignored: None }, standing())
        }
        RetentionKind::Visits => {
            (Redacting { standing: Some(Redaction::Whole), ignored: Some(Redaction::Whole) }, all.clone())
        }
        RetentionKind::Conflicts => (Redacting { standing: None, ignored: Some(Redaction::Whole) }, all.clone()),
    };
    let gone = if kind == RetentionKind::Personal { standing() } else { all };
    let keys = fenced(backend, transaction)?;
    stays::redact(transaction, &keys, stays, how)?;
    stays::delete_beside(transaction, "images", &pictures)?;
    // Nothing pends any more: what is left are dead letters, which could only be sent without what went.
    stays::delete_beside(transaction, "deliveries", &gone)?;
    Ok(stays.len() as u64)
}

const MAKE_PROGRESS: &str = "INSERT INTO retention_progress (park_id, kind, up_to) SELECT k.park_id, $2::bigint, 0 \
    FROM {rows $1 bigint park_id} AS k WHERE true ORDER BY k.park_id ON CONFLICT DO NOTHING";
const LOCK_PROGRESS: &str = "SELECT park_id FROM retention_progress WHERE park_id {in $1} AND kind = $2 {lock skip}";
const PUT_PROGRESS: &str =
    "UPDATE retention_progress SET up_to = $3 WHERE park_id {in $1} AND kind = $2 AND up_to < $3";

fn lock_progress(transaction: &mut dyn Transaction, walk: &RetentionWalk) -> Result<bool, StoreError> {
    let values = [walk.parks.iter().map(|park| park.0).collect::<Value>(), (walk.kind as i64).into()];
    let mut locked = transaction.query(LOCK_PROGRESS, &values)?.len();
    if locked < walk.parks.len() && transaction.execute(MAKE_PROGRESS, &values)? > 0 {
        locked = transaction.query(LOCK_PROGRESS, &values)?.len();
    }
    Ok(locked == walk.parks.len())
}

fn put_progress(transaction: &mut dyn Transaction, walk: &RetentionWalk, up_to: i64) -> Result<(), StoreError> {
    let parks = walk.parks.iter().map(|park| park.0).collect::<Value>();
    transaction.execute(MAKE_PROGRESS, &[parks.clone(), (walk.kind as i64).into()])?;
    transaction.execute(PUT_PROGRESS, &[parks, (walk.kind as i64).into(), up_to.into()]).map(drop)
}

/// Has every batch look for digests in these parks from now on. By itself: whoever begins an epoch locks in another order.
pub(super) fn mark_digests_of(backend: &dyn Backend, keys: &[ParkId]) -> Result<(), StoreError> {
    const UNMARKED: &str = "SELECT 1 FROM parks WHERE NOT keeps_digests AND (id {in $1} OR id IN \
        (SELECT park_id FROM park_epochs WHERE id {in $1})) LIMIT 1";
    const MARK: &str = "UPDATE parks SET keeps_digests = true WHERE NOT keeps_digests AND (id {in $1} OR id IN \
        (SELECT park_id FROM park_epochs WHERE id {in $1}))";
    let keys: [Value; 1] = [keys.iter().map(|key| key.0).collect()];
    if backend.transaction(Access::Read, |transaction| transaction.query_opt(UNMARKED, &keys))?.is_none() {
        return Ok(());
    }
    backend.transaction(Access::Write, |transaction| {
        changed(transaction)?;
        transaction.execute(MARK, &keys).map(drop)
    })
}

fn mark_digests(backend: &dyn Backend, walk: &RetentionWalk) -> Result<(), StoreError> {
    match walk.kind {
        RetentionKind::Personal | RetentionKind::Visits | RetentionKind::Conflicts => {
            mark_digests_of(backend, &walk.parks)
        }
        RetentionKind::Pictures | RetentionKind::Quarantine => Ok(()),
    }
}

/// Of `moving`, which holds what the store knows of itself.
const PURGE: &str = "purge";

pub(crate) fn want_purge(backend: &dyn Backend) -> Result<(), StoreError> {
    let put = "INSERT INTO moving (what, told) VALUES ($1, '1') ON CONFLICT DO NOTHING";
    backend.transaction(Access::Write, |transaction| transaction.execute(put, &[PURGE.into()]).map(drop))
}

pub(crate) fn is_purge_wanted(backend: &dyn Backend) -> Result<bool, StoreError> {
    let wanted = "SELECT 1 FROM moving WHERE what = $1";
    let row = backend.transaction(Access::Read, |transaction| transaction.query_opt(wanted, &[PURGE.into()]))?;
    Ok(row.is_some())
}

pub(crate) fn purge_if_wanted(backend: &dyn Backend) -> Result<bool, StoreError> {
    if !is_purge_wanted(backend)? {
        return Ok(true);
    }
    // First: what is wanted meanwhile is done the next time.
    let done = "DELETE FROM moving WHERE what = $1";
    backend.transaction(Access::Write, |transaction| transaction.execute(done, &[PURGE.into()]))?;
    let is_purged = backend.purge();
    if !matches!(is_purged, Ok(true)) {
        want_purge(backend)?;
    }
    is_purged
}
