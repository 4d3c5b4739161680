//! A batch: lock its parks, load what it touches, let the ledger decide, write, commit. Two round trips, each a handful of
//! set-based statements sent one after the other without waiting.

use std::borrow::Cow;
use std::collections::HashMap;
use std::time::Duration;

use futures_util::future::{try_join, try_join5};
use parkgate_ledger::{
    Decision, Keys, Loaded, ParkCounts, ParkId, ParkKey, ParkSpace, PushActivity, RecordId, RecordRef, Snapshot, Space,
    SpaceEvent, StandingRecord, Verdict, counts_as_of, decide, touches_in,
};
use parkgate_wire::{Digest, Seqno, UnixMillis};
use tokio_postgres::Row;
use tokio_postgres::error::SqlState;

use super::fault::Fault;
use super::link::Link;
use super::text;
use super::write::{self, BLOCK, Blocks, PushBatch};
use crate::StoreError;
use crate::stored::{key_digest, kind_of, left_by_update, refused_orders};

/// In the order of their keys, so that nodes never wait for each other in a circle.
const LOCK: &str = "SELECT park_id, total, remain, as_of, later, latest_counted, last_push_at, day, day_pushes FROM spaces \
    WHERE park_id = ANY($1) ORDER BY park_id FOR UPDATE";
/// Whom nobody holds.
const FREE: &str = "SELECT park_id FROM spaces WHERE park_id = ANY($1) FOR UPDATE SKIP LOCKED";
/// How often that is asked, and the pause between: another node's batch, which ends in a moment, is no holder.
const FREE_TRIES: u32 = 4;
const FREE_PAUSE: Duration = Duration::from_millis(50);
const MAKE: &str =
    "INSERT INTO spaces (park_id) SELECT id FROM UNNEST($1::bigint[]) AS id ORDER BY id ON CONFLICT DO NOTHING";
/// And the registry's version now: the lock sees what was there before it was waited for.
const BLOCKS: &str =
    "SELECT nextval('record_blocks'), (SELECT version FROM registry_version) FROM generate_series(1, $1::bigint)";
/// Each key by itself (`OFFSET 0` keeps the planner from making a join of it): with the figures of a table that was empty a
/// moment ago it would read the whole index and compare it with every key, sixty times slower.
/// And without a kind the update, if there is one, that counts that the vehicle of this serial left.
const STANDING: &str = "SELECT k.slot, r.kind, r.id, r.digest, r.seqno, r.refused_orders, r.event_time, r.received_at, r.params \
    FROM UNNEST($1::bigint[], $2::text[], $3::bigint[]) AS k (park_id, record_key, slot) \
    CROSS JOIN LATERAL (SELECT kind, id, digest, seqno, refused_orders, NULL::bigint AS event_time, NULL::bigint AS received_at, \
    NULL::text AS params FROM records r \
    WHERE r.park_id = k.park_id AND r.parking_serial = k.record_key AND r.conflict_with IS NULL \
    UNION ALL SELECT NULL, id, digest, seqno, NULL, event_time, received_at, params FROM records r WHERE r.park_id = k.park_id \
    AND r.visit_serial = k.record_key AND r.conflict_with IS NULL AND r.counted IS NOT NULL OFFSET 0) AS r";
const CONFLICTS: &str = "SELECT k.slot, r.conflict_with, r.digest, r.seqno \
    FROM UNNEST($1::bigint[], $2::text[], $3::bigint[]) AS k (park_id, record_key, slot) \
    CROSS JOIN LATERAL (SELECT * FROM records r WHERE r.park_id = k.park_id AND r.parking_serial = k.record_key \
    AND r.conflict_with IS NOT NULL OFFSET 0) AS r ORDER BY r.id";
const ORDERS: &str = "SELECT k.slot FROM UNNEST($1::bigint[], $2::text[], $3::text[], $4::bigint[]) \
    AS k (park_id, parking_order, pay_type, slot) \
    CROSS JOIN LATERAL (SELECT 1 FROM payments p WHERE p.park_id = k.park_id AND p.parking_order = k.parking_order \
    AND p.pay_type = k.pay_type OFFSET 0) AS p";
/// With some that count as of an earlier time than theirs: the ledger decides.
const COUNTED: &str = "SELECT k.slot, r.event_time, r.received_at, r.counted::bigint \
    FROM UNNEST($1::bigint[], $2::bigint[], $3::bigint[]) AS k (slot, park_id, after) \
    CROSS JOIN LATERAL (SELECT * FROM records r WHERE r.park_id = k.park_id AND r.counted IS NOT NULL \
    AND r.event_time > k.after OFFSET 0) AS r";

/// What the transaction of a batch came to.
pub(super) enum Attempt {
    Recorded(Vec<Verdict>),
    /// The registry is of another version: nothing was written.
    RegistryChanged,
}

/// What the first round trip brought.
enum Read {
    All(Loaded, Blocks),
    /// A park has no row to lock: nothing of it was recorded before.
    NewPark,
    RegistryChanged,
}

/// How far the transaction of a batch is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum BatchStart {
    New,
    /// By [`begin_locked`].
    Locked,
}

/// Begins the transaction of a batch with these parks locked, before it is known under which of their keys it is recorded: a
/// round trip more, where a release or an update is of a park with epochs.
pub(super) async fn begin_locked(link: &Link, parks: &[i64]) -> Result<(), Fault> {
    link.statement(LOCK).await?;
    for _ in 0..2 {
        match try_join(link.begin(), link.query(LOCK, &[&parks])).await {
            Err(error) if error.code() == Some(&SqlState::LOCK_NOT_AVAILABLE) => return Err(held(link, parks).await?),
            Err(error) => return Err(error.into()),
            Ok((_, locked)) if locked.len() == parks.len() => return Ok(()),
            Ok(_) => {
                link.plain("ROLLBACK").await?;
                link.execute(MAKE, &[&parks]).await?;
            }
        }
    }
    Err(row_is_gone())
}

fn row_is_gone() -> Fault {
    Fault::Again(StoreError::Busy("a park's row is gone".into()))
}

/// One durable transaction for the whole batch.
pub(super) async fn record(link: &Link, batch: PushBatch<'_>, start: BatchStart) -> Result<Attempt, Fault> {
    let keys = touches_in(batch.arrivals, |park| batch.routing.keeps_digests(park));
    let mut read = load(link, batch, &keys, start).await?;
    if matches!(read, Read::NewPark) && start == BatchStart::New {
        link.plain("ROLLBACK").await?;
        let parks: Vec<i64> = keys.parks.iter().map(|key| key.park.0).collect();
        link.execute(MAKE, &[&parks]).await?;
        read = load(link, batch, &keys, start).await?;
    }
    let (loaded, blocks) = match read {
        Read::All(loaded, blocks) => (loaded, blocks),
        Read::NewPark => return Err(row_is_gone()),
        Read::RegistryChanged => {
            link.plain("ROLLBACK").await?;
            return Ok(Attempt::RegistryChanged);
        }
    };
    let counts = keys.parks.iter().zip(&loaded.parks).map(|(key, park)| ParkCounts {
        park: key.park,
        space: park.space,
        activity: park.activity,
    });
    let counts: Vec<ParkCounts> = counts.collect();
    let decision = decide(batch.arrivals, &keys, loaded);
    write::write(link, batch, &decision, &blocks, counts_after(counts, &decision)).await?;
    Ok(Attempt::Recorded(decision.verdicts))
}

/// Every park's row is written, though nothing of it may have changed: see `spaces.touched`.
fn counts_after(mut counts: Vec<ParkCounts>, decision: &Decision) -> Vec<ParkCounts> {
    let mut changed = decision.parks.iter().peekable();
    for counts in &mut counts {
        // In the same order, those left out that did not change.
        if let Some(changed) = changed.next_if(|changed| changed.park == counts.park) {
            *counts = *changed;
        }
    }
    counts
}

/// Begins the transaction, unless it has begun.
async fn load(link: &Link, batch: PushBatch<'_>, keys: &Keys<'_>, start: BatchStart) -> Result<Read, Fault> {
    let parks: Vec<i64> = keys.parks.iter().map(|key| key.park.0).collect();
    let records = AskedKeys::of(keys.records.iter().map(|key| (key.park, key.key)), batch);
    let orders = AskedKeys::of(keys.orders.iter().map(|key| (key.park, key.parking_order)), batch);
    let pay_types: Vec<_> = orders.of_slots(&keys.orders).map(|key| text::key(key.pay_type)).collect();
    let blocks = (batch.arrivals.len() as i64).saturating_add(BLOCK - 1) / BLOCK;
    // Prepared beforehand: the first use of a statement would wait.
    for sql in [LOCK, BLOCKS, STANDING, ORDERS] {
        link.statement(sql).await?;
    }
    let loaded = try_join5(
        async { if start == BatchStart::Locked { Ok(()) } else { link.begin().await } },
        link.query(LOCK, &[&parks]),
        // After the lock, so that the numbers of a park rise with the order of arrival.
        link.query(BLOCKS, &[&blocks]),
        link.query(STANDING, &[&records.parks, &records.keys, &records.slots]),
        async {
            if orders.slots.is_empty() {
                Ok(Vec::new())
            } else {
                link.query(ORDERS, &[&orders.parks, &orders.keys, &pay_types, &orders.slots]).await
            }
        },
    )
    .await;
    let (.., locked, blocks, standing, taken) = match loaded {
        Err(error) if error.code() == Some(&SqlState::LOCK_NOT_AVAILABLE) => return Err(held(link, &parks).await?),
        loaded => loaded?,
    };
    let version = blocks.first().map_or(Ok(0), |row| row.try_get(1))?;
    if !batch.routing.is_of(version) {
        return Ok(Read::RegistryChanged);
    }
    if locked.len() < parks.len() {
        return Ok(Read::NewPark);
    }
    let mut loaded = Loaded { orders: vec![false; keys.orders.len()], ..Loaded::default() };
    loaded.records.resize_with(keys.records.len(), Default::default);
    read_standing(&mut loaded, &standing)?;
    if keys.needs_conflicts(batch.arrivals, &loaded) {
        // Seldom, so it waits for a round trip of its own.
        read_conflicts(&mut loaded, &link.query(CONFLICTS, &[&records.parks, &records.keys, &records.slots]).await?)?;
    }
    for row in &taken {
        if let Some(taken) = at(&mut loaded.orders, row.try_get(0)?) {
            *taken = true;
        }
    }
    loaded.parks = read_counts(keys, &locked)?;
    load_counted(link, keys, &mut loaded).await?;
    let first = blocks.iter().map(|row| row.try_get(0)).collect::<Result<_, _>>()?;
    Ok(Read::All(loaded, Blocks { first }))
}

/// Of each park, in the order of the keys.
fn read_counts(keys: &Keys<'_>, locked: &[Row]) -> Result<Vec<ParkSpace>, Fault> {
    let counts = locked.iter().map(|row| Ok((row.try_get(0)?, (read_space(row)?, read_activity(row)?))));
    let counts: HashMap<i64, (Space, PushActivity)> = counts.collect::<Result<_, Fault>>()?;
    let of = |key: &ParkKey| {
        let (space, activity) = counts.get(&key.park.0).copied().unwrap_or_default();
        ParkSpace { space, activity, ..ParkSpace::default() }
    };
    Ok(keys.parks.iter().map(of).collect())
}

/// Which parks the batch waited for in vain, so that the pushes of the others need not wait with them.
async fn held(link: &Link, parks: &[i64]) -> Result<Fault, Fault> {
    link.plain("ROLLBACK").await?;
    link.execute(MAKE, &[&parks]).await?;
    let mut held = parks.to_vec();
    for tried in 0..FREE_TRIES {
        if tried > 0 {
            tokio::time::sleep(FREE_PAUSE).await;
        }
        for row in link.query(FREE, &[&held]).await? {
            let free: i64 = row.try_get(0)?;
            held.retain(|park| *park != free);
        }
        if held.is_empty() {
            return Ok(Fault::Again(StoreError::Busy("a park was held".into())));
        }
    }
    Ok(Fault::Final(StoreError::Held(held.into_iter().map(ParkId).collect())))
}

/// The element a slot names; slots count from 1, those of digests from -1.
fn at<T>(list: &mut [T], slot: i64) -> Option<&mut T> {
    usize::try_from(slot.abs() - 1).ok().and_then(|index| list.get_mut(index))
}

/// Keys as they are, and of parks where some are redacted their digests, too, each with its slot.
struct AskedKeys<'a> {
    parks: Vec<i64>,
    keys: Vec<Cow<'a, str>>,
    slots: Vec<i64>,
}

impl<'a> AskedKeys<'a> {
    fn of(keys: impl Iterator<Item = (ParkId, &'a str)>, batch: PushBatch<'_>) -> AskedKeys<'a> {
        let mut asked = AskedKeys { parks: Vec::new(), keys: Vec::new(), slots: Vec::new() };
        for ((park, key), slot) in keys.zip(1..) {
            asked.add(park, text::key(key), slot);
            if batch.routing.keeps_digests(park) {
                // A slot below zero: what stands there stands by the digest.
                asked.add(park, Cow::Owned(key_digest(&batch.keys.content_key, key)), -slot);
            }
        }
        asked
    }

    fn add(&mut self, park: ParkId, key: Cow<'a, str>, slot: i64) {
        self.parks.push(park.0);
        self.keys.push(key);
        self.slots.push(slot);
    }

    /// What each is asked for.
    fn of_slots<T>(&self, list: &'a [T]) -> impl Iterator<Item = &'a T> {
        self.slots.iter().filter_map(|slot| list.get(usize::try_from(slot.abs() - 1).ok()?))
    }
}

fn read_standing(loaded: &mut Loaded, standing: &[Row]) -> Result<(), Fault> {
    for row in standing {
        let slot: i64 = row.try_get(0)?;
        let Some(found) = at(&mut loaded.records, slot) else { continue };
        found.by_digest |= slot < 0;
        let Some(kind) = row.try_get::<_, Option<i16>>(1)? else {
            let params: &str = row.try_get(8)?;
            found.left_by_update = Some(left_by_update(row.try_get(2)?, row.try_get(6)?, row.try_get(7)?, params)?);
            continue;
        };
        let refused: Option<String> = row.try_get(5)?;
        let record = StandingRecord {
            record: RecordRef::Stored(RecordId(row.try_get(2)?)),
            digest: digest(row, 3)?,
            seqno: seqno(row, 4)?,
            refused_orders: refused_orders(refused.as_deref()),
            conflicts: Vec::new(),
        };
        found.set(kind_of(kind.into()), record);
    }
    Ok(())
}

fn read_conflicts(loaded: &mut Loaded, conflicts: &[Row]) -> Result<(), Fault> {
    for row in conflicts {
        let Some(found) = at(&mut loaded.records, row.try_get(0)?) else { continue };
        let standing = RecordRef::Stored(RecordId(row.try_get(1)?));
        if let Some(record) = found.iter_mut().find(|record| record.record == standing) {
            record.conflicts.push((digest(row, 2)?, seqno(row, 3)?));
        }
    }
    Ok(())
}

/// For snapshots older than what was counted: seldom, so they wait for a round trip of their own.
async fn load_counted(link: &Link, keys: &Keys<'_>, loaded: &mut Loaded) -> Result<(), Fault> {
    let (mut slots, mut parks, mut afters) = (Vec::new(), Vec::new(), Vec::new());
    for (index, (key, park)) in keys.parks.iter().zip(&loaded.parks).enumerate() {
        if let Some(after) = key.needs_events_after(&park.space) {
            slots.push(index as i64 + 1);
            parks.push(key.park.0);
            afters.push(after.0);
        }
    }
    if slots.is_empty() {
        return Ok(());
    }
    for row in link.query(COUNTED, &[&slots, &parks, &afters]).await? {
        if let Some(park) = at(&mut loaded.parks, row.try_get(0)?) {
            let as_of = counts_as_of(UnixMillis(row.try_get(1)?), UnixMillis(row.try_get(2)?));
            park.later_events.push(SpaceEvent { as_of, delta: row.try_get(3)? });
        }
    }
    Ok(())
}

/// Kept bit by bit: PostgreSQL's integers are signed.
fn seqno(row: &Row, column: usize) -> Result<Seqno, tokio_postgres::Error> {
    Ok(Seqno(row.try_get::<_, i64>(column)? as u64))
}

fn digest(row: &Row, column: usize) -> Result<Digest, Fault> {
    Ok(Digest(bytes(row, column)?))
}

/// A column of so many bytes.
fn bytes<const N: usize>(row: &Row, column: usize) -> Result<[u8; N], Fault> {
    let found: &[u8] = row.try_get(column)?;
    let wrong = |_| StoreError::Broken(format!("a digest of {} bytes", found.len()));
    Ok(found.try_into().map_err(wrong)?)
}

fn read_space(row: &Row) -> Result<Space, Fault> {
    let count = |column| -> Result<u32, Fault> {
        let stored: Option<i64> = row.try_get(column)?;
        Ok(u32::try_from(stored.unwrap_or(0)).unwrap_or(u32::MAX))
    };
    let snapshot = match row.try_get(3)? {
        None => None,
        Some(as_of) => Some(Snapshot { as_of: UnixMillis(as_of), total: count(1)?, remain: count(2)? }),
    };
    Ok(Space { snapshot, later: row.try_get(4)?, latest_counted: row.try_get::<_, Option<i64>>(5)?.map(UnixMillis) })
}

fn read_activity(row: &Row) -> Result<PushActivity, Fault> {
    Ok(PushActivity {
        last_push_at: row.try_get::<_, Option<i64>>(6)?.map(UnixMillis),
        day: row.try_get(7)?,
        day_pushes: row.try_get::<_, Option<i64>>(8)?.unwrap_or(0),
    })
}
