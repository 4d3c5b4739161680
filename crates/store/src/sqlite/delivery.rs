//! Subscribers and deliveries.

use parkgate_ledger::ParkId;
use parkgate_wire::{PushKind, Secret};
use rusqlite::{Connection, OptionalExtension, Row, TransactionBehavior, params};

use super::query::{self, Key};
use super::record;
use crate::StoreError;
use crate::delivery::{
    Backlog, Claim, Claimed, DIFFERENCES_MAX, Delivery, DeliveryFilter, DeliveryId, Difference, Due, Format,
    NewSubscriber, Outgoing, REMOVED_AT_ONCE, REPLAYED_AT_ONCE, Settled, Subscriber, SubscriberSettings,
};
use crate::listing::{PAGE, Page};
use crate::seal::Seal;
use crate::stored::{GONE, kind_code, kind_of, opened, original_of, subscriber_place};

/// For each subscriber that wants it. What was ignored for its serial (?5) goes to other platforms of the protocol only,
/// which judge for themselves.
pub(super) const ADD: &str = "INSERT INTO deliveries (subscriber_id, record_id, park_id, next_at, since) \
    SELECT s.id, ?1, ?2, CASE WHEN s.id = ?6 AND NOT ?5 THEN ?7 ELSE ?4 END, ?4 FROM subscribers s \
    WHERE (NOT ?5 OR s.relays) AND CASE ?3 WHEN 0 THEN s.enters ELSE s.leaves END \
    AND (s.all_parks OR EXISTS (SELECT 1 FROM subscriber_parks p WHERE p.subscriber_id = s.id \
    AND p.park_id = coalesce((SELECT e.park_id FROM park_epochs e WHERE e.id = ?2), ?2)))";

pub(super) fn any_subscriber(connection: &Connection) -> Result<bool, StoreError> {
    Ok(connection.prepare_cached("SELECT 1 FROM subscribers LIMIT 1")?.exists([])?)
}

pub(super) fn is_due(connection: &Connection, subscriber: i64, now: i64) -> Result<bool, StoreError> {
    let due = "SELECT 1 FROM deliveries WHERE subscriber_id = ?1 AND dead = 0 AND next_at <= ?2 LIMIT 1";
    Ok(connection.prepare_cached(due)?.exists([subscriber, now])?)
}

pub(super) fn subscribers(connection: &Connection, seal: &Seal) -> Result<Vec<Subscriber>, StoreError> {
    let mut statement = connection.prepare_cached(
        "SELECT id, name, settings, secret, all_parks, enters, leaves, paused, delivered, delivered_at \
         FROM subscribers ORDER BY name",
    )?;
    let mut parks = connection.prepare_cached(
        "SELECT p.park_uuid FROM subscriber_parks s JOIN parks p ON p.id = s.park_id WHERE s.subscriber_id = ?1 \
         ORDER BY p.park_uuid",
    )?;
    let mut rows = statement.query([])?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        let (id, name, settings): (i64, String, String) = (row.get(0)?, row.get(1)?, row.get(2)?);
        let settings = serde_json::from_str(&settings);
        let told = NewSubscriber {
            settings: settings.map_err(|error| StoreError::Broken(format!("subscriber {name}: {error}")))?,
            secret: opened(seal, &row.get::<_, Vec<u8>>(3)?, &subscriber_place(&name))?,
            parks: match row.get(4)? {
                true => None,
                false => Some(parks.query_map([id], |row| row.get(0))?.collect::<Result<_, _>>()?),
            },
            enters: row.get(5)?,
            leaves: row.get(6)?,
            name,
        };
        let delivered: i64 = row.get(8)?;
        found.push(Subscriber {
            id,
            told,
            paused: row.get(7)?,
            delivered: delivered.unsigned_abs(),
            delivered_at: row.get(9)?,
        });
    }
    Ok(found)
}

pub(super) fn add_subscriber(
    connection: &mut Connection,
    seal: &Seal,
    subscriber: &NewSubscriber,
) -> Result<(), StoreError> {
    let secret = seal.seal(subscriber.secret.expose().as_bytes(), &subscriber_place(&subscriber.name))?;
    let settings =
        serde_json::to_string(&subscriber.settings).map_err(|error| StoreError::Broken(error.to_string()))?;
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    if transaction.prepare("SELECT 1 FROM subscribers WHERE name = ?1")?.exists([&subscriber.name])? {
        return Err(StoreError::Exists(subscriber.name.clone()));
    }
    transaction.execute(
        "INSERT INTO subscribers (name, settings, secret, all_parks, enters, leaves, relays) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
        params![subscriber.name, settings, secret, subscriber.parks.is_none(), subscriber.enters, subscriber.leaves, subscriber.settings.format == Format::Relay],
    )?;
    let id = transaction.last_insert_rowid();
    for park_uuid in subscriber.parks.iter().flatten() {
        let added = transaction.execute(
            "INSERT OR IGNORE INTO subscriber_parks SELECT ?1, id FROM parks WHERE park_uuid = ?2",
            params![id, park_uuid],
        )?;
        let is_known =
            added > 0 || transaction.prepare("SELECT 1 FROM parks WHERE park_uuid = ?1")?.exists([park_uuid])?;
        if !is_known {
            return Err(StoreError::Broken(format!("there is no park {park_uuid}")));
        }
    }
    Ok(transaction.commit()?)
}

pub(super) fn pause(connection: &mut Connection, name: &str, paused: bool) -> Result<bool, StoreError> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let put = "UPDATE subscribers SET paused = ?2 WHERE name = ?1";
    let is_known = transaction.execute(put, params![name, paused])? > 0;
    if !paused {
        let anew = "UPDATE deliveries SET since = CAST(unixepoch('subsec') * 1000 AS INTEGER) WHERE dead = 0 \
            AND told IS NOT NULL AND subscriber_id = (SELECT id FROM subscribers WHERE name = ?1)";
        transaction.execute(anew, [name])?;
    }
    transaction.commit()?;
    Ok(is_known)
}

pub(super) fn change(
    connection: &Connection,
    seal: &Seal,
    name: &str,
    settings: &SubscriberSettings,
    secret: Option<&Secret>,
) -> Result<bool, StoreError> {
    let settings = serde_json::to_string(settings).map_err(|error| StoreError::Broken(error.to_string()))?;
    let place = subscriber_place(name);
    let secret = secret.map(|secret| seal.seal(secret.expose().as_bytes(), &place)).transpose()?;
    let put = "UPDATE subscribers SET settings = ?2, secret = coalesce(?3, secret) WHERE name = ?1";
    Ok(connection.execute(put, params![name, settings, secret])? > 0)
}

/// Takes away some of what waits for it, so that pushes need not wait for all of it to go; is there more?
pub(super) fn empty(connection: &mut Connection, name: &str) -> Result<bool, StoreError> {
    let some = "DELETE FROM deliveries WHERE (subscriber_id, record_id) IN (SELECT d.subscriber_id, d.record_id \
        FROM deliveries d JOIN subscribers s ON s.id = d.subscriber_id WHERE s.name = ?1 LIMIT ?2)";
    let gone = connection.execute(some, params![name, REMOVED_AT_ONCE])?;
    Ok(gone as i64 >= REMOVED_AT_ONCE)
}

pub(super) fn remove(connection: &mut Connection, name: &str) -> Result<bool, StoreError> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let of_it = "DELETE FROM deliveries WHERE subscriber_id = (SELECT id FROM subscribers WHERE name = ?1)";
    transaction.execute(of_it, [name])?;
    let removed = transaction.execute("DELETE FROM subscribers WHERE name = ?1", [name])? > 0;
    transaction.commit()?;
    Ok(removed)
}

/// The oldest that are due, and of a leave whose enter waits, when that one is tried next.
const DUE: &str = "SELECT d.record_id, d.park_id, d.attempts, \
    CASE WHEN d.attempts = 0 AND d.told IS NULL THEN max(d.since, ?2) ELSE d.since END, CASE r.kind WHEN 1 THEN (SELECT p.next_at \
    FROM records e JOIN deliveries p ON p.subscriber_id = d.subscriber_id AND p.record_id = e.id AND p.dead = 0 \
    WHERE e.parking_serial = r.parking_serial AND e.park_id = r.park_id AND e.kind = 0 AND e.conflict_with IS NULL) END \
    FROM deliveries d CROSS JOIN records r ON r.id = d.record_id \
    WHERE d.subscriber_id = ?1 AND d.dead = 0 AND d.next_at <= ?2 ORDER BY d.next_at, d.record_id LIMIT ?3";
const TAKE: &str = "UPDATE deliveries SET next_at = ?3, attempts = attempts + 1, since = ?4 WHERE subscriber_id = ?1 AND record_id = ?2";
const POSTPONE: &str = "UPDATE deliveries SET next_at = ?3 WHERE subscriber_id = ?1 AND record_id = ?2";

/// What was taken, and how many were looked at. Not synced: if it is forgotten, it is sent twice.
pub(super) fn claim(connection: &mut Connection, claim: &Claim) -> Result<(Vec<Due>, usize), StoreError> {
    let Claim { subscriber, now, until, max, .. } = *claim;
    unsynced(connection, |connection| {
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let mut taken = Vec::new();
        let mut looked_at = 0;
        {
            let mut due = transaction.prepare_cached(DUE)?;
            let found = due.query_map(params![subscriber, now, i64::try_from(max).unwrap_or(i64::MAX)], |row| {
                let id = DeliveryId { subscriber, record: row.get(0)? };
                let due = Due { id, park: ParkId(row.get(1)?), attempts: row.get(2)?, since: row.get(3)? };
                Ok((due, row.get::<_, Option<i64>>(4)?))
            })?;
            for (due, enter_at) in found.collect::<Result<Vec<_>, _>>()? {
                looked_at += 1;
                let key = (due.id.subscriber, due.id.record);
                if let Some(enter_at) = enter_at {
                    let next_at = enter_at.max(now) + 1;
                    transaction.prepare_cached(POSTPONE)?.execute(params![key.0, key.1, next_at])?;
                } else {
                    transaction.prepare_cached(TAKE)?.execute(params![key.0, key.1, until, due.since])?;
                    taken.push(Due { attempts: due.attempts + 1, ..due });
                }
            }
        }
        transaction.commit()?;
        Ok((taken, looked_at))
    })
}

/// One commit that the next one of a batch makes durable.
fn unsynced<T>(
    connection: &mut Connection,
    work: impl FnOnce(&mut Connection) -> Result<T, StoreError>,
) -> Result<T, StoreError> {
    connection.pragma_update(None, "synchronous", "normal")?;
    let done = work(connection);
    connection.pragma_update(None, "synchronous", "full")?;
    done
}

pub(super) fn outgoing(connection: &Connection, seal: &Seal, taken: Vec<Due>) -> Result<Claimed, StoreError> {
    let mut claimed = Claimed::default();
    for due in taken {
        // One that cannot be read must not keep the others.
        match one(connection, seal, due) {
            Ok(Some(outgoing)) => claimed.outgoing.push(outgoing),
            Ok(None) => claimed.unreadable.push((due, GONE.into())),
            Err(StoreError::Broken(told)) => claimed.unreadable.push((due, told)),
            Err(error) => return Err(error),
        }
    }
    Ok(claimed)
}

fn one(connection: &Connection, seal: &Seal, due: Due) -> Result<Option<Outgoing>, StoreError> {
    let mut of_record = connection.prepare_cached(
        "SELECT r.parking_serial, r.original, p.park_uuid, p.name, p.location, p.total_parking_space, \
         coalesce((SELECT max(n.id) FROM park_epochs n WHERE n.park_id = p.id), p.id) FROM records r \
         JOIN parks p ON p.id = coalesce((SELECT e.park_id FROM park_epochs e WHERE e.id = r.park_id), r.park_id) \
         WHERE r.id = ?1",
    )?;
    type Found = (String, Option<Vec<u8>>, String, String, Option<String>, Option<u32>, i64);
    let read =
        |row: &Row<'_>| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?, row.get(5)?, row.get(6)?));
    let found: Option<Found> = of_record.query_row([due.id.record], read).optional()?;
    let Some((parking_serial, original, park_uuid, park_name, location, park_total, counted)) = found else {
        return Ok(None);
    };
    let key = Key { park: due.park, park_uuid: &park_uuid, serial: &parking_serial };
    let sql = format!("SELECT {} FROM records WHERE id = ?1", query::COLUMNS);
    let Some(record) = query::records(connection, seal, &key, &sql, params![due.id.record])?.pop() else {
        return Ok(None);
    };
    let original = original_of(seal, original, due.park, &parking_serial, record.view.kind)?;
    Ok(Some(Outgoing {
        due,
        park_total,
        location,
        plate: record.plate,
        enter_time: record.enter_time,
        event_time: record.event_time,
        record: record.view,
        original,
        // Of the newest numbering, whichever the record is of.
        space: record::space(connection, ParkId(counted))?,
        park_uuid,
        park_name,
        parking_serial,
    }))
}

const DELIVERED: &str = "DELETE FROM deliveries WHERE subscriber_id = ?1 AND record_id = ?2";
const LATER: &str =
    "UPDATE deliveries SET next_at = ?3, told = ?4, dead = ?5 WHERE subscriber_id = ?1 AND record_id = ?2";
const UNSENT: &str = "UPDATE deliveries SET next_at = ?3, told = coalesce(told, ?4), attempts = max(attempts - 1, 0) \
    WHERE subscriber_id = ?1 AND record_id = ?2";
/// The leave that waited for an enter.
const WAKE: &str = "UPDATE deliveries SET next_at = min(next_at, ?3) WHERE subscriber_id = ?1 AND dead = 0 \
    AND record_id = (SELECT l.id FROM records e JOIN records l ON l.parking_serial = e.parking_serial \
    AND l.park_id = e.park_id AND l.kind = 1 AND l.conflict_with IS NULL WHERE e.id = ?2 AND e.kind = 0)";

pub(super) fn settle(
    connection: &mut Connection,
    subscriber: i64,
    settled: &[Settled],
    now: i64,
) -> Result<(), StoreError> {
    unsynced(connection, |connection| {
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let mut delivered = 0;
        for one in settled {
            let record = one.due().id.record;
            match one {
                Settled::Delivered(_) => {
                    delivered += transaction.prepare_cached(DELIVERED)?.execute([subscriber, record])?;
                }
                Settled::Later { next_at, told, .. } => {
                    transaction.prepare_cached(LATER)?.execute(params![subscriber, record, next_at, told, 0])?;
                }
                Settled::Dead { told, .. } => {
                    transaction.prepare_cached(LATER)?.execute(params![subscriber, record, now, told, 1])?;
                }
                Settled::Unsent { next_at, told, .. } => {
                    transaction.prepare_cached(UNSENT)?.execute(params![subscriber, record, next_at, told])?;
                }
            }
            if matches!(one, Settled::Delivered(_) | Settled::Dead { .. }) {
                transaction.prepare_cached(WAKE)?.execute([subscriber, record, now])?;
            }
        }
        if delivered > 0 {
            let count = "UPDATE subscribers SET delivered = delivered + ?2, delivered_at = ?3 WHERE id = ?1";
            transaction.prepare_cached(count)?.execute(params![subscriber, delivered as i64, now])?;
        }
        Ok(transaction.commit()?)
    })
}

/// The next ones of each subscriber, along its keys, put in order.
pub(super) fn list(
    connection: &Connection,
    filter: &DeliveryFilter,
    after: Option<DeliveryId>,
) -> Result<Page<Delivery, DeliveryId>, StoreError> {
    let limit = filter.limit.min(PAGE);
    let mut subscribers = connection.prepare_cached("SELECT id, name FROM subscribers")?;
    let names = subscribers.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
    let mut found = Vec::new();
    for (id, name) in names.collect::<Result<Vec<(i64, String)>, _>>()? {
        if filter.subscriber.as_ref().is_none_or(|wanted| *wanted == name) {
            found.extend(of_subscriber(connection, filter, (id, &name), after, limit)?);
        }
    }
    found.sort_unstable_by_key(|one| (one.id.record, one.id.subscriber));
    let is_last = found.len() < limit;
    found.truncate(limit);
    let next = found.last().map(|last| last.id).filter(|_| !is_last);
    Ok(Page { rows: found, next })
}

fn of_subscriber(
    connection: &Connection,
    filter: &DeliveryFilter,
    (subscriber, name): (i64, &str),
    after: Option<DeliveryId>,
    limit: usize,
) -> Result<Vec<Delivery>, StoreError> {
    // In plain text, so that the index of dead ones is known to do.
    let dead = filter.dead.map_or(String::new(), |dead| format!(" AND d.dead = {}", i64::from(dead)));
    let mut statement = connection.prepare_cached(&format!(
        "SELECT d.record_id, p.park_uuid, r.parking_serial, r.kind, d.dead, d.attempts, d.next_at, d.since, d.told \
         FROM deliveries d CROSS JOIN records r ON r.id = d.record_id \
         JOIN parks p ON p.id = coalesce((SELECT e.park_id FROM park_epochs e WHERE e.id = r.park_id), r.park_id) \
         WHERE d.subscriber_id = ?1 AND d.record_id >= ?2{dead} \
         AND (?3 IS NULL OR d.record_id IN (SELECT value FROM json_each(?3))) ORDER BY d.record_id LIMIT ?4"
    ))?;
    let ids: Vec<i64> = filter.ids.iter().filter(|id| id.subscriber == subscriber).map(|id| id.record).collect();
    let ids = (!filter.ids.is_empty()).then(|| serde_json::json!(ids).to_string());
    // Of one record they stand in the order of their subscribers.
    let from = after.map_or(i64::MIN, |after| after.record.saturating_add(i64::from(subscriber <= after.subscriber)));
    let rows = statement.query_map(params![subscriber, from, ids, limit as i64], |row| {
        Ok(Delivery {
            id: DeliveryId { subscriber, record: row.get(0)? },
            subscriber: name.to_owned(),
            park_uuid: row.get(1)?,
            parking_serial: row.get(2)?,
            kind: kind_of(row.get(3)?),
            dead: row.get(4)?,
            attempts: row.get(5)?,
            next_at: row.get(6)?,
            since: row.get(7)?,
            told: row.get(8)?,
        })
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// Makes them due now; how many there were.
pub(super) fn retry(connection: &mut Connection, ids: &[DeliveryId], now: i64) -> Result<usize, StoreError> {
    let sql = "UPDATE deliveries SET dead = 0, attempts = 0, next_at = ?3, since = ?3 \
        WHERE subscriber_id = ?1 AND record_id = ?2";
    each(connection, ids, |transaction, id| {
        Ok(transaction.prepare_cached(sql)?.execute([id.subscriber, id.record, now])?)
    })
}

/// Gives them up; how many there were. Whoever waited for them waits no more.
pub(super) fn give_up(connection: &mut Connection, ids: &[DeliveryId], now: i64) -> Result<usize, StoreError> {
    each(connection, ids, |transaction, id| {
        let gone = transaction.prepare_cached(DELIVERED)?.execute([id.subscriber, id.record])?;
        transaction.prepare_cached(WAKE)?.execute([id.subscriber, id.record, now])?;
        Ok(gone)
    })
}

/// One transaction over all of them.
fn each(
    connection: &mut Connection,
    ids: &[DeliveryId],
    change: impl Fn(&Connection, &DeliveryId) -> Result<usize, StoreError>,
) -> Result<usize, StoreError> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let mut changed = 0;
    for id in ids {
        changed += change(&transaction, id)?;
    }
    transaction.commit()?;
    Ok(changed)
}

/// Where a replay begins and ends.
pub(super) fn range(connection: &Connection, received_from: i64) -> Result<Option<(i64, i64)>, StoreError> {
    let sql = "SELECT min(id), max(id) FROM records WHERE received_at >= ?1";
    let found: (Option<i64>, Option<i64>) =
        connection.prepare_cached(sql)?.query_row([received_from], |row| Ok((row.get(0)?, row.get(1)?)))?;
    Ok(found.0.zip(found.1))
}

/// A piece, from the oldest record up, so that enters are there before their leaves; gives where the next one begins.
pub(super) fn replay(
    connection: &mut Connection,
    subscriber: i64,
    received_from: i64,
    now: i64,
    (from, last): (i64, i64),
) -> Result<(u64, Option<i64>), StoreError> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let next: Option<i64> = transaction
        .prepare_cached("SELECT id FROM records WHERE id >= ?1 AND id <= ?2 ORDER BY id LIMIT 1 OFFSET ?3")?
        .query_row([from, last, REPLAYED_AT_ONCE], |row| row.get(0))
        .optional()?;
    let added = transaction
        .prepare_cached(
            "INSERT INTO deliveries (subscriber_id, record_id, park_id, next_at, since) \
         SELECT s.id, r.id, r.park_id, ?3, ?3 FROM records r CROSS JOIN subscribers s \
         WHERE r.id >= ?4 AND r.id < ?5 AND s.id = ?1 AND r.received_at >= ?2 \
         AND (r.conflict_with IS NULL OR s.relays) AND CASE r.kind WHEN 0 THEN s.enters ELSE s.leaves END \
         AND (s.all_parks OR EXISTS (SELECT 1 FROM subscriber_parks p WHERE p.subscriber_id = s.id \
         AND p.park_id = coalesce((SELECT e.park_id FROM park_epochs e WHERE e.id = r.park_id), r.park_id))) \
         ON CONFLICT (subscriber_id, record_id) DO UPDATE SET dead = 0, attempts = 0, \
         next_at = CASE dead WHEN 1 THEN excluded.next_at ELSE next_at END, since = excluded.since",
        )?
        .execute([subscriber, received_from, now, from, next.unwrap_or(last.saturating_add(1))])?;
    transaction.commit()?;
    Ok((added as u64, next))
}

pub(super) fn id_of(connection: &Connection, name: &str) -> Result<Option<i64>, StoreError> {
    let mut statement = connection.prepare_cached("SELECT id FROM subscribers WHERE name = ?1")?;
    Ok(statement.query_row([name], |row| row.get(0)).optional()?)
}

pub(super) fn backlog(connection: &Connection, count_max: u64) -> Result<Vec<Backlog>, StoreError> {
    let counted = |dead| {
        format!(
            "(SELECT count(*) FROM (SELECT 1 FROM deliveries WHERE subscriber_id = s.id AND dead = {dead} LIMIT ?1))"
        )
    };
    let sql = format!("SELECT s.id, {}, {} FROM subscribers s", counted(0), counted(1));
    let mut statement = connection.prepare_cached(&sql)?;
    let rows = statement.query_map([i64::try_from(count_max).unwrap_or(i64::MAX)], |row| {
        let (pending, dead): (i64, i64) = (row.get(1)?, row.get(2)?);
        Ok(Backlog { subscriber: row.get(0)?, pending: pending.unsigned_abs(), dead: dead.unsigned_abs() })
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}

pub(super) fn oldest(connection: &Connection, subscriber: i64) -> Result<Option<i64>, StoreError> {
    let sql = "SELECT min(since) FROM deliveries WHERE subscriber_id = ?1 AND dead = 0";
    Ok(connection.prepare_cached(sql)?.query_row([subscriber], |row| row.get(0))?)
}

pub(super) fn delivery_of(
    connection: &Connection,
    subscriber: i64,
    park: ParkId,
    parking_serial: &str,
    kind: PushKind,
) -> Result<Option<Due>, StoreError> {
    let mut found = connection.prepare_cached(
        "SELECT d.record_id, d.attempts, d.since FROM records r JOIN deliveries d ON d.subscriber_id = ?1 \
         AND d.record_id = r.id WHERE r.parking_serial = ?2 AND r.park_id = ?3 AND r.kind = ?4 AND r.conflict_with IS NULL",
    )?;
    let due = found.query_row(params![subscriber, parking_serial, park.0, kind_code(kind)], |row| {
        let id = DeliveryId { subscriber, record: row.get(0)? };
        Ok(Due { id, park, attempts: row.get::<_, u32>(1)? + 1, since: row.get(2)? })
    });
    Ok(due.optional()?)
}

pub(super) fn add_difference(connection: &mut Connection, difference: &Difference) -> Result<(), StoreError> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let Difference { subscriber, park_uuid, kind, parking_serial, at, ours, theirs } = difference;
    transaction.execute(
        "INSERT INTO differences (subscriber_id, park_uuid, kind, parking_serial, at, ours, theirs) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
        params![subscriber, park_uuid, kind_code(*kind), parking_serial, at, ours, theirs],
    )?;
    let old = "DELETE FROM differences WHERE subscriber_id = ?1 AND id <= (SELECT id FROM differences \
        WHERE subscriber_id = ?1 ORDER BY id DESC LIMIT 1 OFFSET ?2)";
    transaction.execute(old, params![subscriber, DIFFERENCES_MAX])?;
    Ok(transaction.commit()?)
}

pub(super) fn differences(
    connection: &Connection,
    subscriber: i64,
    limit: usize,
) -> Result<Vec<Difference>, StoreError> {
    let mut statement = connection.prepare_cached(
        "SELECT park_uuid, kind, parking_serial, at, ours, theirs FROM differences WHERE subscriber_id = ?1 \
         ORDER BY id DESC LIMIT ?2",
    )?;
    let rows = statement.query_map(params![subscriber, i64::try_from(limit).unwrap_or(i64::MAX)], |row| {
        Ok(Difference {
            subscriber,
            park_uuid: row.get(0)?,
            kind: kind_of(row.get(1)?),
            parking_serial: row.get(2)?,
            at: row.get(3)?,
            ours: row.get(4)?,
            theirs: row.get(5)?,
        })
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}

pub(super) fn set_location(
    connection: &Connection,
    park_uuid: &str,
    location: Option<&str>,
) -> Result<bool, StoreError> {
    Ok(connection.execute("UPDATE parks SET location = ?2 WHERE park_uuid = ?1", params![park_uuid, location])? > 0)
}
