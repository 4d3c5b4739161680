//! Deliveries: claimed for a time, settled, listed, retried. What each step changes, the ledger decides.

use std::collections::{BTreeMap, HashMap, HashSet};

use parkgate_ledger::delivery::{
    AttemptOutcome, ClaimStep, DeliveryState, Turns, claim, freed, frees_dependents, replayed, resumed, retried, settle,
};
use parkgate_ledger::{ParkId, fanout};
use parkgate_wire::{PushKind, UnixMillis};

use super::registry::changed;
use super::subscribers::key_of;
use crate::StoreError;
use crate::backend::{Access, Backend, Row, Transaction, Value};
use crate::delivery::{Claim, Delivery, DeliveryFilter, DeliveryId, Due, REPLAYED_AT_ONCE, Settled};
use crate::listing::{DELIVERIES_PAGE, Page};
use crate::stored::{key_digest, kind_code, kind_of};

/// A delivery with its name.
#[derive(Debug, Clone)]
struct Stored {
    id: DeliveryId,
    park: ParkId,
    state: DeliveryState,
}

const STATE: &str = "d.subscriber_id, d.park_id, d.record_id, d.dead, d.attempts, d.next_at, d.since, d.told";

fn stored(row: &Row) -> Result<Stored, StoreError> {
    Ok(Stored {
        id: DeliveryId { subscriber: row.int(0)?, record: row.int(2)? },
        park: ParkId(row.int(1)?),
        state: DeliveryState {
            is_dead: row.bool(3)?,
            attempts: u32::try_from(row.int(4)?).unwrap_or_default(),
            next_at: UnixMillis(row.int(5)?),
            since: UnixMillis(row.int(6)?),
            last_answer: row.opt_text(7)?,
        },
    })
}

fn all_stored(rows: &[Row]) -> Result<Vec<Stored>, StoreError> {
    rows.iter().map(stored).collect()
}

/// What a delivery waits for, and the record itself, are found by these keys.
type Key = (ParkId, i64);

fn key_columns(keys: &[Key]) -> (Value, Value) {
    (keys.iter().map(|(park, _)| park.0).collect(), keys.iter().map(|(_, record)| *record).collect())
}

/// Those of a subscriber that are there, locked: each looked up by its key, whatever the planner thinks of a backlog.
fn load(transaction: &mut dyn Transaction, subscriber: i64, keys: &[Key]) -> Result<Vec<Stored>, StoreError> {
    if keys.is_empty() {
        return Ok(Vec::new());
    }
    let (parks, records) = key_columns(keys);
    let sql = format!(
        "SELECT {STATE} FROM {{keys $2 $3}} AS k {{sqlite CROSS}} JOIN deliveries d \
         ON {{postgres d.park_id = k.park_id AND}} d.subscriber_id = $1 AND d.record_id = k.record_id {{lock d}}"
    );
    all_stored(&transaction.query(&sql, &[subscriber.into(), parks, records])?)
}

const PUT: &str = "UPDATE deliveries AS d SET dead = n.dead, attempts = n.attempts, next_at = n.next_at, since = n.since, \
    told = n.told FROM {rows $1 bigint subscriber_id, $2 bigint park_id, $3 bigint record_id, $4 boolean dead, \
    $5 integer attempts, $6 bigint next_at, $7 bigint since, $8 text told} AS n \
    WHERE d.park_id = n.park_id AND d.subscriber_id = n.subscriber_id AND d.record_id = n.record_id";

fn put(transaction: &mut dyn Transaction, rows: &[Stored]) -> Result<(), StoreError> {
    if rows.is_empty() {
        return Ok(());
    }
    let column = |value: fn(&Stored) -> i64| -> Value { rows.iter().map(value).collect() };
    let values = [
        column(|row| row.id.subscriber),
        column(|row| row.park.0),
        column(|row| row.id.record),
        column(|row| i64::from(row.state.is_dead)),
        column(|row| i64::from(row.state.attempts)),
        column(|row| row.state.next_at.0),
        column(|row| row.state.since.0),
        Value::Texts(rows.iter().map(|row| row.state.last_answer.clone()).collect()),
    ];
    transaction.execute(PUT, &values).map(drop)
}

fn delete(transaction: &mut dyn Transaction, subscriber: i64, keys: &[Key]) -> Result<u64, StoreError> {
    if keys.is_empty() {
        return Ok(0);
    }
    let (parks, records) = key_columns(keys);
    let sql = "DELETE FROM deliveries WHERE subscriber_id = $1 AND {postgres (park_id, record_id) IN \
        (SELECT park_id, record_id FROM {keys $2 $3} AS k)}{sqlite record_id IN (SELECT record_id FROM {keys $2 $3} AS k)}";
    transaction.execute(sql, &[subscriber.into(), parks, records])
}

const ANY_DUE: &str = "SELECT 1 FROM deliveries WHERE subscriber_id = $1 AND NOT dead AND next_at <= $2 LIMIT 1";
/// The oldest that are due and that no other node is claiming.
const DUE: &str = "FROM deliveries d WHERE d.subscriber_id = $1 AND NOT d.dead AND d.next_at <= $2 \
    ORDER BY d.next_at, d.record_id LIMIT $3 {lock skip}";
/// Of records whose enter is pending: when that one is tried next. The dead are left out last, so that no index is walked
/// that holds a subscriber's whole backlog.
const PENDING_ENTERS: &str = "SELECT k.record_id, d.next_at FROM {keys $2 $3} AS k \
    {step records l: {postgres l.park_id = k.park_id AND} l.id = k.record_id AND l.kind <> 0} \
    {step records e: e.park_id = l.park_id AND e.parking_serial = coalesce(l.visit_serial, l.parking_serial) \
    AND e.kind = 0 AND e.conflict_with IS NULL} \
    {step deliveries d: {postgres d.park_id = k.park_id AND} d.subscriber_id = $1 AND d.record_id = e.id} WHERE NOT d.dead";
/// What waits for enters: their leaves, releases and updates.
const DEPENDENTS: &str = "SELECT l.park_id, l.id FROM {keys $1 $2} AS k \
    {step records e: {postgres e.park_id = k.park_id AND} e.id = k.record_id AND e.kind = 0} \
    {step records l: l.park_id = e.park_id AND l.parking_serial = e.parking_serial AND l.kind = 1 AND l.conflict_with IS NULL} \
    UNION ALL SELECT u.park_id, u.id FROM {keys $1 $2} AS k \
    {step records e: {postgres e.park_id = k.park_id AND} e.id = k.record_id AND e.kind = 0} \
    {step records u: u.park_id = e.park_id AND u.visit_serial = e.parking_serial AND u.conflict_with IS NULL}";

/// What was claimed, how many were looked at, and when the first may be sent.
pub(crate) struct Claims {
    pub(crate) due: Vec<Due>,
    pub(crate) looked_at: usize,
    pub(crate) send_from: i64,
}

pub(crate) fn claim_due(backend: &dyn Backend, asked: &Claim) -> Result<Claims, StoreError> {
    let none = Claims { due: Vec::new(), looked_at: 0, send_from: asked.now };
    // Most of the time nothing is due, and writers have better to do.
    let any = [asked.subscriber.into(), asked.now.into()];
    if backend.transaction(Access::ReadKeys, |transaction| transaction.query_opt(ANY_DUE, &any))?.is_none() {
        return Ok(none);
    }
    backend.transaction(Access::WriteUnsynced, |transaction| claim_in_turn(transaction, asked))
}

fn claim_in_turn(transaction: &mut dyn Transaction, asked: &Claim) -> Result<Claims, StoreError> {
    let (subscriber, now) = (asked.subscriber, UnixMillis(asked.now));
    let mut free_at = None;
    if asked.per_second.is_some() {
        let turns = "SELECT rate_free_at FROM subscribers WHERE id = $1 {lock}";
        free_at = transaction.query_opt(turns, &[subscriber.into()])?.map(|row| row.int(0)).transpose()?;
    }
    let Some(turns) = Turns::next(free_at.map(UnixMillis), now) else {
        return Ok(Claims { due: Vec::new(), looked_at: 0, send_from: free_at.unwrap_or(asked.now) });
    };
    let values = [subscriber.into(), asked.now.into(), Value::limit(asked.max)];
    let found = all_stored(&transaction.query(&format!("SELECT {STATE} {DUE}"), &values)?)?;
    let enters = pending_enters(transaction, subscriber, &found)?;
    let (looked_at, mut steps, mut due) = (found.len(), Vec::new(), Vec::new());
    for one in found {
        let enter = enters.get(&one.id.record).copied();
        let state = match claim(one.state, enter, now, UnixMillis(asked.until)) {
            ClaimStep::Claimed(state) => {
                due.push(Due { id: one.id, park: one.park, attempts: state.attempts, since: state.since.0 });
                state
            }
            ClaimStep::Postponed(state) => state,
        };
        steps.push(Stored { state, ..one });
    }
    put(transaction, &steps)?;
    if let Some(per_second) = asked.per_second.filter(|rate| *rate > 0) {
        let taken = "UPDATE subscribers SET rate_free_at = $2 WHERE id = $1";
        transaction.execute(taken, &[subscriber.into(), turns.taken(due.len(), per_second).0.into()])?;
    }
    Ok(Claims { due, looked_at, send_from: turns.send_from.0 })
}

fn pending_enters(
    transaction: &mut dyn Transaction,
    subscriber: i64,
    found: &[Stored],
) -> Result<HashMap<i64, UnixMillis>, StoreError> {
    if found.is_empty() {
        return Ok(HashMap::new());
    }
    let keys: Vec<Key> = found.iter().map(|one| (one.park, one.id.record)).collect();
    let (parks, records) = key_columns(&keys);
    let rows = transaction.query(PENDING_ENTERS, &[subscriber.into(), parks, records])?;
    rows.iter().map(|row| Ok((row.int(0)?, UnixMillis(row.int(1)?)))).collect()
}

fn outcome(settled: &Settled) -> AttemptOutcome {
    match settled {
        Settled::Delivered(_) => AttemptOutcome::Delivered,
        Settled::Later { next_at, answer, .. } => {
            AttemptOutcome::Later { next_at: UnixMillis(*next_at), answer: answer.clone() }
        }
        Settled::Dead { answer, .. } => AttemptOutcome::Dead { answer: answer.clone() },
        Settled::Unsent { next_at, answer, .. } => {
            AttemptOutcome::Unsent { next_at: UnixMillis(*next_at), answer: answer.clone() }
        }
    }
}

pub(crate) fn settle_all(
    backend: &dyn Backend,
    subscriber: i64,
    settled: &[Settled],
    now: i64,
) -> Result<(), StoreError> {
    let key = |one: &Settled| (one.due().park, one.due().id.record);
    let outcomes: HashMap<Key, AttemptOutcome> = settled.iter().map(|one| (key(one), outcome(one))).collect();
    let keys: Vec<Key> = outcomes.keys().copied().collect();
    backend.transaction(Access::WriteUnsynced, |transaction| {
        let (mut stay, mut gone, mut free) = (Vec::new(), Vec::new(), Vec::new());
        for one in load(transaction, subscriber, &keys)? {
            let key = (one.park, one.id.record);
            let Some(outcome) = outcomes.get(&key) else { continue };
            if frees_dependents(outcome) {
                free.push(key);
            }
            match settle(one.state, outcome.clone(), UnixMillis(now)) {
                Some(state) => stay.push(Stored { state, ..one }),
                None => gone.push(key),
            }
        }
        put(transaction, &stay)?;
        let delivered = delete(transaction, subscriber, &gone)?;
        free_dependents(transaction, subscriber, &free, now)?;
        if delivered > 0 {
            let count = "UPDATE subscribers SET delivered = delivered + $2, delivered_at = $3 WHERE id = $1";
            let delivered = i64::try_from(delivered).unwrap_or(i64::MAX);
            transaction.execute(count, &[subscriber.into(), delivered.into(), now.into()])?;
        }
        Ok(())
    })
}

/// What waited for these enters is due.
fn free_dependents(
    transaction: &mut dyn Transaction,
    subscriber: i64,
    enters: &[Key],
    now: i64,
) -> Result<(), StoreError> {
    if enters.is_empty() {
        return Ok(());
    }
    let (parks, records) = key_columns(enters);
    let rows = transaction.query(DEPENDENTS, &[parks, records])?;
    let dependents =
        rows.iter().map(|row| Ok((ParkId(row.int(0)?), row.int(1)?))).collect::<Result<Vec<Key>, StoreError>>()?;
    let freed_at = |one: Stored| Stored { state: freed(one.state, UnixMillis(now)), ..one };
    let dependents: Vec<Stored> = load(transaction, subscriber, &dependents)?.into_iter().map(freed_at).collect();
    put(transaction, &dependents)
}

/// The next ones of each subscriber, along its keys, put in order.
pub(crate) fn page(
    backend: &dyn Backend,
    filter: &DeliveryFilter,
    after: Option<DeliveryId>,
) -> Result<Page<Delivery, DeliveryId>, StoreError> {
    let limit = filter.limit.min(DELIVERIES_PAGE);
    let mut found = backend.transaction(Access::ReadLong, |transaction| {
        let mut found = Vec::new();
        for row in transaction.query("SELECT id, name FROM subscribers", &[])? {
            let (id, name) = (row.int(0)?, row.text(1)?);
            if filter.subscriber.as_ref().is_none_or(|wanted| *wanted == name) {
                found.extend(page_of(transaction, filter, (id, &name), after, limit)?);
            }
        }
        Ok(found)
    })?;
    found.sort_unstable_by_key(|one| (one.id.record, one.id.subscriber));
    let is_last = found.len() < limit;
    found.truncate(limit);
    let next = found.last().map(|last| last.id).filter(|_| !is_last);
    Ok(Page { rows: found, next })
}

fn page_of(
    transaction: &mut dyn Transaction,
    filter: &DeliveryFilter,
    (subscriber, name): (i64, &str),
    after: Option<DeliveryId>,
    limit: usize,
) -> Result<Vec<Delivery>, StoreError> {
    // Of one record they stand in the order of their subscribers.
    let from = after.map_or(i64::MIN, |after| after.record.saturating_add(i64::from(subscriber <= after.subscriber)));
    let state = match filter.dead {
        Some(true) => " AND d.dead",
        Some(false) => " AND NOT d.dead",
        None => "",
    };
    let mut values: Vec<Value> = vec![subscriber.into(), from.into(), Value::limit(limit)];
    let named = if filter.ids.is_empty() { "" } else { " AND d.record_id {in $4}" };
    if !filter.ids.is_empty() {
        let of_it = filter.ids.iter().filter(|id| id.subscriber == subscriber);
        values.push(of_it.map(|id| id.record).collect());
    }
    let sql = format!(
        "SELECT d.record_id, p.park_uuid, {{serial r}}, r.kind, d.dead, d.attempts, d.next_at, d.since, d.told \
         FROM deliveries d CROSS JOIN records r LEFT JOIN park_epochs e ON e.id = r.park_id \
         JOIN parks p ON p.id = coalesce(e.park_id, r.park_id) \
         WHERE r.park_id = d.park_id AND r.id = d.record_id AND d.subscriber_id = $1 AND d.record_id >= $2{state}{named} \
         ORDER BY d.record_id LIMIT $3"
    );
    let delivery = |row: &Row| {
        Ok(Delivery {
            id: DeliveryId { subscriber, record: row.int(0)? },
            subscriber: name.to_owned(),
            park_uuid: row.text(1)?,
            parking_serial: row.text(2)?,
            kind: kind_of(row.int(3)?),
            dead: row.bool(4)?,
            attempts: u32::try_from(row.int(5)?).unwrap_or_default(),
            next_at: row.int(6)?,
            since: row.int(7)?,
            answer: row.opt_text(8)?,
        })
    };
    transaction.query(&sql, &values)?.iter().map(delivery).collect()
}

/// Those that people named, whichever park they are of; locked.
fn load_named(transaction: &mut dyn Transaction, ids: &[DeliveryId]) -> Result<Vec<Stored>, StoreError> {
    let sql =
        format!("SELECT {STATE} FROM deliveries d WHERE d.subscriber_id = $1 AND d.record_id {{in $2}} {{lock d}}");
    let mut by_subscriber: BTreeMap<i64, HashSet<i64>> = BTreeMap::new();
    for id in ids {
        by_subscriber.entry(id.subscriber).or_default().insert(id.record);
    }
    let mut found = Vec::new();
    for (subscriber, records) in by_subscriber {
        found.extend(all_stored(&transaction.query(&sql, &[subscriber.into(), records.into_iter().collect()])?)?);
    }
    Ok(found)
}

pub(crate) fn retry(backend: &dyn Backend, ids: &[DeliveryId], now: i64) -> Result<usize, StoreError> {
    backend.transaction(Access::Write, |transaction| {
        let found = load_named(transaction, ids)?.into_iter();
        let retried: Vec<Stored> =
            found.map(|one| Stored { state: retried(one.state, UnixMillis(now)), ..one }).collect();
        put(transaction, &retried)?;
        Ok(retried.len())
    })
}

/// Gives them up for good. A leave that waited for one of them waits no more.
pub(crate) fn give_up(backend: &dyn Backend, ids: &[DeliveryId], now: i64) -> Result<usize, StoreError> {
    backend.transaction(Access::WriteOnce, |transaction| {
        let found = load_named(transaction, ids)?;
        let mut of_subscriber: HashMap<i64, Vec<Key>> = HashMap::new();
        for one in &found {
            of_subscriber.entry(one.id.subscriber).or_default().push((one.park, one.id.record));
        }
        for (subscriber, keys) in &of_subscriber {
            delete(transaction, *subscriber, keys)?;
            free_dependents(transaction, *subscriber, keys, now)?;
        }
        Ok(found.len())
    })
}

/// Pauses or resumes. What failed before has all its time before it again; looked at page by page, so that intake goes on.
pub(crate) fn pause(backend: &dyn Backend, name: &str, paused: bool, now: i64) -> Result<bool, StoreError> {
    let is_known = backend.transaction(Access::Write, |transaction| {
        let put = "UPDATE subscribers SET paused = $2 WHERE name = $1";
        let is_known = transaction.changes(put, &[name.into(), paused.into()])?;
        changed(transaction)?;
        Ok(is_known)
    })?;
    let Some(subscriber) = key_of(backend, name)?.filter(|_| !paused) else { return Ok(is_known) };
    let page = format!(
        "SELECT {STATE} FROM deliveries d WHERE d.subscriber_id = $1 AND NOT d.dead AND d.told IS NOT NULL \
         AND d.record_id > $2 ORDER BY d.record_id LIMIT $3 {{lock}}"
    );
    let mut after = i64::MIN;
    loop {
        let values = [subscriber.into(), after.into(), REPLAYED_AT_ONCE.into()];
        let last = backend.transaction(Access::Write, |transaction| {
            let found = all_stored(&transaction.query(&page, &values)?)?.into_iter();
            let resumed: Vec<Stored> =
                found.map(|one| Stored { state: resumed(one.state, UnixMillis(now)), ..one }).collect();
            put(transaction, &resumed)?;
            Ok(resumed.last().map(|one| one.id.record))
        })?;
        match last {
            Some(last) => after = last,
            None => return Ok(is_known),
        }
    }
}

pub(crate) fn oldest(backend: &dyn Backend, subscriber: i64) -> Result<Option<i64>, StoreError> {
    let sql = "SELECT min(since) FROM deliveries WHERE subscriber_id = $1 AND NOT dead";
    let row = backend.transaction(Access::ReadLong, |transaction| transaction.query_opt(sql, &[subscriber.into()]))?;
    row.map_or(Ok(None), |row| row.opt_int(0))
}

const DELIVERY_OF: &str = "SELECT d.record_id, d.attempts, d.since FROM records r \
    JOIN deliveries d ON d.park_id = r.park_id AND d.subscriber_id = $1 AND d.record_id = r.id \
    WHERE r.park_id = $2 AND r.parking_serial {in $3} AND r.kind = $4 AND r.conflict_with IS NULL";

pub(crate) fn delivery_of(
    backend: &dyn Backend,
    subscriber: i64,
    park: ParkId,
    key: &str,
    kind: PushKind,
) -> Result<Option<Due>, StoreError> {
    // It may stand under its digest, as its stay does.
    let keys = Value::Keys(vec![key.to_owned(), key_digest(&backend.keys().content_key, key)]);
    let values = [subscriber.into(), park.0.into(), keys, kind_code(kind).into()];
    let row = backend.transaction(Access::ReadKeys, |transaction| transaction.query_opt(DELIVERY_OF, &values))?;
    let Some(row) = row else { return Ok(None) };
    let id = DeliveryId { subscriber, record: row.int(0)? };
    let attempts = u32::try_from(row.int(1)?).unwrap_or_default().saturating_add(1);
    Ok(Some(Due { id, park, attempts, since: row.int(2)? }))
}

/// The deliveries that a replay finds, by record.
pub(crate) fn replay_page(
    transaction: &mut dyn Transaction,
    subscriber: i64,
    wanted: &[Key],
    now: i64,
) -> Result<u64, StoreError> {
    let there = load(transaction, subscriber, wanted)?;
    let known: HashSet<Key> = there.iter().map(|one| (one.park, one.id.record)).collect();
    let replayed: Vec<Stored> =
        there.into_iter().map(|one| Stored { state: replayed(one.state, UnixMillis(now)), ..one }).collect();
    put(transaction, &replayed)?;
    let new: Vec<(Key, fanout::NewDelivery)> = wanted
        .iter()
        .filter(|key| !known.contains(key))
        .map(|key| {
            let at = UnixMillis(now);
            (*key, fanout::NewDelivery { subscriber: fanout::SubscriberId(subscriber), next_at: at, since: at })
        })
        .collect();
    add(transaction, &new)?;
    Ok(wanted.len() as u64)
}

/// Writes new deliveries.
pub(crate) fn add(
    transaction: &mut dyn Transaction,
    deliveries: &[(Key, fanout::NewDelivery)],
) -> Result<(), StoreError> {
    if deliveries.is_empty() {
        return Ok(());
    }
    let column = |value: fn(&(Key, fanout::NewDelivery)) -> i64| -> Value { deliveries.iter().map(value).collect() };
    let values = [
        column(|((park, _), _)| park.0),
        column(|(_, delivery)| delivery.subscriber.0),
        column(|((_, record), _)| *record),
        column(|(_, delivery)| delivery.next_at.0),
        column(|(_, delivery)| delivery.since.0),
    ];
    let sql = "INSERT INTO deliveries (park_id, subscriber_id, record_id, next_at, since) SELECT park_id, subscriber_id, \
        record_id, next_at, since FROM {rows $1 bigint park_id, $2 bigint subscriber_id, $3 bigint record_id, \
        $4 bigint next_at, $5 bigint since} AS n";
    transaction.execute(sql, &values).map(drop)
}
