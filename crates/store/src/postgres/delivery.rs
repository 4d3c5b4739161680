//! Subscribers and deliveries. Nodes share the work: each takes what no other is just taking (`SKIP LOCKED`), for a time.

use std::collections::HashMap;

use parkgate_ledger::{ParkId, Space};
use parkgate_wire::PushKind;
use tokio_postgres::Row;

use super::link::{Fault, Link, taken};
use super::{query, record, registry, text};
use crate::StoreError;
use crate::delivery::{
    Backlog, DIFFERENCES_MAX, Delivery, DeliveryFilter, DeliveryId, Difference, Due, NewSubscriber, Outgoing, Settled,
    Subscriber,
};
use crate::seal::Seal;
use crate::stored::{kind_code, kind_of, object, opened, original_of, personal_place, subscriber_place};

pub(super) async fn subscribers(link: &Link, seal: &Seal) -> Result<Vec<Subscriber>, Fault> {
    let rows = link
        .query(
            "SELECT id, name, settings, secret, all_parks, enters, leaves, paused, delivered, delivered_at, \
             ARRAY(SELECT p.park_uuid FROM subscriber_parks s JOIN parks p ON p.id = s.park_id \
             WHERE s.subscriber_id = subscribers.id ORDER BY p.park_uuid) FROM subscribers ORDER BY name",
            &[],
        )
        .await?;
    let read = |row: &Row| -> Result<Subscriber, Fault> {
        let name: String = row.try_get(1)?;
        let settings = serde_json::from_str(row.try_get(2)?);
        let all: bool = row.try_get(4)?;
        let delivered: i64 = row.try_get(8)?;
        Ok(Subscriber {
            id: row.try_get(0)?,
            told: NewSubscriber {
                settings: settings.map_err(|error| StoreError::Broken(format!("subscriber {name}: {error}")))?,
                secret: opened(seal, row.try_get(3)?, &subscriber_place(&name))?,
                parks: if all { None } else { Some(row.try_get(10)?) },
                enters: row.try_get(5)?,
                leaves: row.try_get(6)?,
                name,
            },
            paused: row.try_get(7)?,
            delivered: delivered.unsigned_abs(),
            delivered_at: row.try_get(9)?,
        })
    };
    rows.iter().map(read).collect()
}

pub(super) async fn add_subscriber(link: &Link, seal: &Seal, subscriber: &NewSubscriber) -> Result<(), Fault> {
    let secret = seal.seal(subscriber.secret.expose().as_bytes(), &subscriber_place(&subscriber.name))?;
    let settings =
        serde_json::to_string(&subscriber.settings).map_err(|error| StoreError::Broken(error.to_string()))?;
    link.begin().await?;
    let all = subscriber.parks.is_none();
    let row = link
        .query_opt(
            "INSERT INTO subscribers (name, settings, secret, all_parks, enters, leaves, inline_ms) \
             VALUES ($1, $2, $3, $4, $5, $6, $7) \
             RETURNING id",
            &[
                &subscriber.name,
                &settings,
                &secret,
                &all,
                &subscriber.enters,
                &subscriber.leaves,
                &subscriber.settings.inline_ms(),
            ],
        )
        .await
        .map_err(|error| taken(error, &subscriber.name))?;
    let id: i64 = row.map_or(Ok(0), |row| row.try_get(0))?;
    for park_uuid in subscriber.parks.iter().flatten() {
        let park = link.query_opt("SELECT id FROM parks WHERE park_uuid = $1", &[park_uuid]).await?;
        let park = park.ok_or_else(|| StoreError::Broken(format!("there is no park {park_uuid}")))?;
        let park: i64 = park.try_get(0)?;
        link.execute("INSERT INTO subscriber_parks VALUES ($1, $2) ON CONFLICT DO NOTHING", &[&id, &park]).await?;
    }
    registry::changed(link).await?;
    link.commit().await
}

pub(super) async fn pause(link: &Link, name: &str, paused: bool) -> Result<bool, Fault> {
    link.begin().await?;
    let changed = link.execute("UPDATE subscribers SET paused = $2 WHERE name = $1", &[&name, &paused]).await? > 0;
    registry::changed(link).await?;
    link.commit().await?;
    Ok(changed)
}

pub(super) async fn remove(link: &Link, name: &str) -> Result<bool, Fault> {
    link.begin().await?;
    let row = link.query_opt("DELETE FROM subscribers WHERE name = $1 RETURNING id", &[&name]).await?;
    if let Some(row) = &row {
        let id: i64 = row.try_get(0)?;
        link.execute("DELETE FROM subscriber_parks WHERE subscriber_id = $1", &[&id]).await?;
        link.execute("DELETE FROM deliveries WHERE subscriber_id = $1", &[&id]).await?;
        link.execute("DELETE FROM differences WHERE subscriber_id = $1", &[&id]).await?;
    }
    registry::changed(link).await?;
    link.commit().await?;
    Ok(row.is_some())
}

/// Forgotten, it is only sent twice: nobody waits for the disk or the standbys.
const UNSYNCED: &str = "SET LOCAL synchronous_commit = off";
/// The oldest that are due and that no other node is taking.
const DUE: &str = "SELECT record_id, park_id, attempts, since FROM deliveries WHERE subscriber_id = $1 AND NOT dead \
    AND next_at <= $2 ORDER BY next_at, record_id LIMIT $3 FOR UPDATE SKIP LOCKED";
/// Of leaves whose enter waits: when that one is tried next.
const ENTERS: &str = "SELECT k.record_id, w.next_at FROM UNNEST($2::bigint[], $3::bigint[]) AS k (park_id, record_id) \
    CROSS JOIN LATERAL (SELECT d.next_at FROM records l JOIN records e ON e.park_id = l.park_id \
    AND e.parking_serial = l.parking_serial AND e.kind = 0 AND e.conflict_with IS NULL JOIN deliveries d \
    ON d.park_id = e.park_id AND d.subscriber_id = $1 AND d.record_id = e.id AND NOT d.dead \
    WHERE l.park_id = k.park_id AND l.id = k.record_id AND l.kind = 1 OFFSET 0) AS w";
const TAKE: &str = "UPDATE deliveries d SET next_at = n.next_at, attempts = d.attempts + n.taken \
    FROM UNNEST($2::bigint[], $3::bigint[], $4::bigint[], $5::integer[]) AS n (park_id, record_id, next_at, taken) \
    WHERE d.park_id = n.park_id AND d.subscriber_id = $1 AND d.record_id = n.record_id";

pub(super) async fn claim(
    link: &Link,
    subscriber: i64,
    now: i64,
    until: i64,
    max: usize,
) -> Result<(Vec<Due>, usize), Fault> {
    let max = i64::try_from(max).unwrap_or(i64::MAX);
    link.begin().await?;
    let rows = link.query(DUE, &[&subscriber, &now, &max]).await?;
    if rows.is_empty() {
        link.commit().await?;
        return Ok((Vec::new(), 0));
    }
    let mut due = Vec::with_capacity(rows.len());
    for row in &rows {
        let id = DeliveryId { subscriber, record: row.try_get(0)? };
        let attempts: i32 = row.try_get(2)?;
        due.push(Due { id, park: ParkId(row.try_get(1)?), attempts: attempts.unsigned_abs(), since: row.try_get(3)? });
    }
    let parks: Vec<i64> = due.iter().map(|due| due.park.0).collect();
    let records: Vec<i64> = due.iter().map(|due| due.id.record).collect();
    let mut waiting = HashMap::new();
    for row in link.query(ENTERS, &[&subscriber, &parks, &records]).await? {
        waiting.insert(row.try_get::<_, i64>(0)?, row.try_get::<_, i64>(1)?);
    }
    let at = |record: &i64| waiting.get(record).map_or(until, |enter_at| (*enter_at).max(now) + 1);
    let next_at: Vec<i64> = records.iter().map(at).collect();
    let taken: Vec<i32> = records.iter().map(|record| i32::from(!waiting.contains_key(record))).collect();
    link.execute(TAKE, &[&subscriber, &parks, &records, &next_at, &taken]).await?;
    link.plain(UNSYNCED).await?;
    link.commit().await?;
    due.retain(|due| !waiting.contains_key(&due.id.record));
    due.iter_mut().for_each(|due| due.attempts += 1);
    Ok((due, rows.len()))
}

pub(super) async fn outgoing(link: &Link, seal: &Seal, due: Vec<Due>) -> Result<Vec<Outgoing>, Fault> {
    if due.is_empty() {
        return Ok(Vec::new());
    }
    let parks: Vec<i64> = due.iter().map(|due| due.park.0).collect();
    let ids: Vec<i64> = due.iter().map(|due| due.id.record).collect();
    let sql = format!(
        "SELECT {}, p.park_uuid, p.name, p.location, coalesce(r.long_serial, r.parking_serial), r.original, \
         p.total_parking_space \
         FROM UNNEST($1::bigint[], $2::bigint[]) AS k (park_id, id) JOIN records r ON r.park_id = k.park_id AND r.id = k.id \
         LEFT JOIN park_epochs e ON e.id = r.park_id JOIN parks p ON p.id = coalesce(e.park_id, r.park_id)",
        query::COLUMNS
    );
    let mut found = HashMap::new();
    for row in link.query(&sql, &[&parks, &ids]).await? {
        found.insert(row.try_get::<_, i64>(0)?, row);
    }
    let mut pictures = query::pictures(link, &parks, &ids).await?;
    let mut spaces: HashMap<ParkId, Space> = HashMap::new();
    let mut outgoing = Vec::with_capacity(due.len());
    for due in due {
        let Some(row) = found.get(&due.id.record) else { continue };
        let serial = text::read(row.try_get(14)?);
        let mut read = query::record(row)?;
        if let Some(sealed) = row.try_get::<_, Option<&[u8]>>(9)? {
            let plain = seal.open(sealed, &personal_place(due.park, &serial, read.view.kind))?;
            read.view.params.extend(object(&plain)?);
        }
        read.view.pictures = pictures.remove(&due.id.record).unwrap_or_default();
        let original = original_of(seal, row.try_get(15)?, due.park, &serial, read.view.kind)?;
        let space = match spaces.get(&due.park) {
            Some(space) => *space,
            None => *spaces.entry(due.park).or_insert(record::space(link, due.park).await?),
        };
        outgoing.push(Outgoing {
            due,
            park_uuid: row.try_get(11)?,
            park_name: row.try_get(12)?,
            location: row.try_get(13)?,
            park_total: row.try_get::<_, Option<i64>>(16)?.and_then(|total| u32::try_from(total).ok()),
            parking_serial: serial,
            plate: read.plate,
            enter_time: read.enter_time,
            event_time: read.event_time,
            record: read.view,
            original,
            space,
        });
    }
    Ok(outgoing)
}

const DELIVERED: &str = "DELETE FROM deliveries d USING UNNEST($2::bigint[], $3::bigint[]) AS n (park_id, record_id) \
    WHERE d.park_id = n.park_id AND d.subscriber_id = $1 AND d.record_id = n.record_id";
const LATER: &str = "UPDATE deliveries d SET next_at = n.next_at, told = n.told, dead = n.dead \
    FROM UNNEST($2::bigint[], $3::bigint[], $4::bigint[], $5::text[], $6::boolean[]) \
    AS n (park_id, record_id, next_at, told, dead) \
    WHERE d.park_id = n.park_id AND d.subscriber_id = $1 AND d.record_id = n.record_id";
/// The leaves that waited for these enters.
const WAKE: &str = "UPDATE deliveries d SET next_at = least(d.next_at, $4) \
    FROM UNNEST($2::bigint[], $3::bigint[]) AS n (park_id, record_id) \
    CROSS JOIN LATERAL (SELECT l.id FROM records e JOIN records l ON l.park_id = e.park_id \
    AND l.parking_serial = e.parking_serial AND l.kind = 1 AND l.conflict_with IS NULL \
    WHERE e.park_id = n.park_id AND e.id = n.record_id AND e.kind = 0 OFFSET 0) AS w \
    WHERE d.park_id = n.park_id AND d.subscriber_id = $1 AND d.record_id = w.id AND NOT d.dead";
const COUNT: &str = "UPDATE subscribers SET delivered = delivered + $2, delivered_at = $3 WHERE id = $1";

pub(super) async fn settle(link: &Link, subscriber: i64, settled: &[Settled], now: i64) -> Result<(), Fault> {
    let (mut parks, mut records) = (Vec::new(), Vec::new());
    let (mut done_parks, mut done_records) = (Vec::new(), Vec::new());
    let (mut later_parks, mut later_records) = (Vec::new(), Vec::new());
    let (mut next, mut told, mut dead) = (Vec::new(), Vec::new(), Vec::new());
    for one in settled {
        let due = one.due();
        match one {
            Settled::Delivered(_) => {
                done_parks.push(due.park.0);
                done_records.push(due.id.record);
            }
            Settled::Later { next_at, told: text, .. } => {
                later_parks.push(due.park.0);
                later_records.push(due.id.record);
                next.push(*next_at);
                told.push(text::kept(text));
                dead.push(false);
            }
            Settled::Dead { told: text, .. } => {
                later_parks.push(due.park.0);
                later_records.push(due.id.record);
                next.push(now);
                told.push(text::kept(text));
                dead.push(true);
            }
        }
        if !matches!(one, Settled::Later { .. }) {
            parks.push(due.park.0);
            records.push(due.id.record);
        }
    }
    link.begin().await?;
    link.plain(UNSYNCED).await?;
    let mut delivered = 0;
    if !done_records.is_empty() {
        delivered = link.execute(DELIVERED, &[&subscriber, &done_parks, &done_records]).await?;
    }
    if !later_records.is_empty() {
        link.execute(LATER, &[&subscriber, &later_parks, &later_records, &next, &told, &dead]).await?;
    }
    if !records.is_empty() {
        link.execute(WAKE, &[&subscriber, &parks, &records, &now]).await?;
    }
    if delivered > 0 {
        let delivered = i64::try_from(delivered).unwrap_or(i64::MAX);
        link.execute(COUNT, &[&subscriber, &delivered, &now]).await?;
    }
    link.commit().await
}

pub(super) async fn list(link: &Link, filter: &DeliveryFilter) -> Result<Vec<Delivery>, Fault> {
    let mut asked = query::Asked::new(
        "SELECT d.subscriber_id, d.record_id, s.name, p.park_uuid, coalesce(r.long_serial, r.parking_serial), r.kind, d.dead, \
         d.attempts, d.next_at, d.since, d.told FROM deliveries d JOIN subscribers s ON s.id = d.subscriber_id \
         JOIN records r ON r.park_id = d.park_id AND r.id = d.record_id LEFT JOIN park_epochs e ON e.id = r.park_id \
         JOIN parks p ON p.id = coalesce(e.park_id, r.park_id) WHERE true",
    );
    if let Some(dead) = filter.dead {
        asked.with(" AND d.dead = $?", dead);
    }
    if let Some(subscriber) = &filter.subscriber {
        asked.with(" AND s.name = $?", subscriber.clone());
    }
    if !filter.ids.is_empty() {
        let ids: Vec<String> = filter.ids.iter().map(ToString::to_string).collect();
        asked.with(" AND d.subscriber_id || '-' || d.record_id = ANY($?)", ids);
    }
    let limit = i64::try_from(filter.limit).unwrap_or(i64::MAX);
    asked.with(" ORDER BY d.record_id, d.subscriber_id LIMIT $?", limit);
    let read = |row: &Row| -> Result<Delivery, Fault> {
        let attempts: i32 = row.try_get(7)?;
        Ok(Delivery {
            id: DeliveryId { subscriber: row.try_get(0)?, record: row.try_get(1)? },
            subscriber: row.try_get(2)?,
            park_uuid: row.try_get(3)?,
            parking_serial: text::read(row.try_get(4)?),
            kind: kind_of(row.try_get::<_, i16>(5)?.into()),
            dead: row.try_get(6)?,
            attempts: attempts.unsigned_abs(),
            next_at: row.try_get(8)?,
            since: row.try_get(9)?,
            told: row.try_get::<_, Option<String>>(10)?.map(text::read),
        })
    };
    asked.of(link).await?.iter().map(read).collect()
}

fn columns(ids: &[DeliveryId]) -> (Vec<i64>, Vec<i64>) {
    ids.iter().map(|id| (id.subscriber, id.record)).unzip()
}

pub(super) async fn retry(link: &Link, ids: &[DeliveryId], now: i64) -> Result<usize, Fault> {
    let (subscribers, records) = columns(ids);
    let changed = link
        .execute(
            "UPDATE deliveries d SET dead = false, attempts = 0, next_at = $3, since = $3 \
             FROM UNNEST($1::bigint[], $2::bigint[]) AS n (subscriber_id, record_id) \
             WHERE d.subscriber_id = n.subscriber_id AND d.record_id = n.record_id",
            &[&subscribers, &records, &now],
        )
        .await?;
    Ok(usize::try_from(changed).unwrap_or(usize::MAX))
}

pub(super) async fn give_up(link: &Link, ids: &[DeliveryId]) -> Result<usize, Fault> {
    let (subscribers, records) = columns(ids);
    let changed = link
        .execute(
            "DELETE FROM deliveries d USING UNNEST($1::bigint[], $2::bigint[]) AS n (subscriber_id, record_id) \
             WHERE d.subscriber_id = n.subscriber_id AND d.record_id = n.record_id",
            &[&subscribers, &records],
        )
        .await?;
    Ok(usize::try_from(changed).unwrap_or(usize::MAX))
}

pub(super) async fn id_of(link: &Link, name: &str) -> Result<Option<i64>, Fault> {
    let row = link.query_opt("SELECT id FROM subscribers WHERE name = $1", &[&name]).await?;
    Ok(row.map(|row| row.try_get(0)).transpose()?)
}

/// How many records are looked at in one transaction.
const REPLAYED: i64 = 5000;
const HOUR_MS: i64 = 60 * 60 * 1000;

/// From the newest record down, in pieces; gives where the piece ended.
pub(super) async fn replay(
    link: &Link,
    subscriber: i64,
    received_from: i64,
    now: i64,
    below: i64,
) -> Result<(u64, Option<i64>), Fault> {
    link.begin().await?;
    let piece = "SELECT id, received_at FROM records WHERE id < $1 ORDER BY id DESC LIMIT 1 OFFSET $2";
    let end = link.query_opt(piece, &[&below, &REPLAYED]).await?;
    let end: Option<(i64, i64)> = match end {
        None => None,
        Some(row) => Some((row.try_get(0)?, row.try_get(1)?)),
    };
    let from = end.map_or(0, |(id, _)| id);
    let added = link
        .execute(
            "INSERT INTO deliveries AS d (park_id, subscriber_id, record_id, next_at, since) \
             SELECT r.park_id, s.id, r.id, $3, $3 FROM records r CROSS JOIN subscribers s \
             WHERE r.id < $4 AND r.id >= $5 AND s.id = $1 AND r.received_at >= $2 AND r.conflict_with IS NULL \
             AND NOT EXISTS (SELECT 1 FROM months m WHERE m.stripped_at IS NOT NULL AND r.id >> 40 <= m.number) \
             AND CASE r.kind WHEN 0 THEN s.enters ELSE s.leaves END \
             AND (s.all_parks OR EXISTS (SELECT 1 FROM subscriber_parks p WHERE p.subscriber_id = s.id \
             AND p.park_id = coalesce((SELECT e.park_id FROM park_epochs e WHERE e.id = r.park_id), r.park_id))) \
             ON CONFLICT (park_id, subscriber_id, record_id) DO UPDATE SET dead = false, attempts = 0, \
             next_at = CASE WHEN d.dead THEN excluded.next_at ELSE d.next_at END, since = excluded.since",
            &[&subscriber, &received_from, &now, &below, &from],
        )
        .await?;
    link.commit().await?;
    // Received times rise with ids but for the nodes' clocks: an hour of grace.
    Ok((added, end.filter(|(_, received_at)| received_at + HOUR_MS >= received_from).map(|(id, _)| id)))
}

pub(super) async fn backlog(link: &Link) -> Result<Vec<Backlog>, Fault> {
    let rows = link
        .query(
            "SELECT s.id, count(d.record_id) FILTER (WHERE NOT d.dead), count(d.record_id) FILTER (WHERE d.dead), \
             min(d.since) FILTER (WHERE NOT d.dead) FROM subscribers s LEFT JOIN deliveries d ON d.subscriber_id = s.id \
             GROUP BY s.id",
            &[],
        )
        .await?;
    let read = |row: &Row| -> Result<Backlog, Fault> {
        let (pending, dead): (i64, i64) = (row.try_get(1)?, row.try_get(2)?);
        Ok(Backlog {
            subscriber: row.try_get(0)?,
            pending: pending.unsigned_abs(),
            dead: dead.unsigned_abs(),
            oldest: row.try_get(3)?,
        })
    };
    rows.iter().map(read).collect()
}

pub(super) async fn delivery_of(
    link: &Link,
    subscriber: i64,
    park: ParkId,
    parking_serial: &str,
    kind: PushKind,
) -> Result<Option<Due>, Fault> {
    let kind = i16::try_from(kind_code(kind)).unwrap_or_default();
    let row = link
        .query_opt(
            "SELECT d.record_id, d.attempts, d.since FROM records r JOIN deliveries d ON d.park_id = r.park_id \
             AND d.subscriber_id = $1 AND d.record_id = r.id \
             WHERE r.park_id = $2 AND r.parking_serial = $3 AND r.kind = $4 AND r.conflict_with IS NULL",
            &[&subscriber, &park.0, &text::key(parking_serial), &kind],
        )
        .await?;
    let Some(row) = row else { return Ok(None) };
    let attempts: i32 = row.try_get(1)?;
    let id = DeliveryId { subscriber, record: row.try_get(0)? };
    Ok(Some(Due { id, park, attempts: attempts.unsigned_abs() + 1, since: row.try_get(2)? }))
}

pub(super) async fn add_difference(link: &Link, difference: &Difference) -> Result<(), Fault> {
    let Difference { subscriber, park_uuid, kind, parking_serial, at, ours, theirs } = difference;
    let kind = i16::try_from(kind_code(*kind)).unwrap_or_default();
    let (park_uuid, serial) = (text::kept(park_uuid), text::kept(parking_serial));
    let (ours, theirs) = (text::kept(ours), text::kept(theirs));
    link.execute(
        "INSERT INTO differences (subscriber_id, park_uuid, kind, parking_serial, at, ours, theirs) \
         VALUES ($1, $2, $3, $4, $5, $6, $7)",
        &[subscriber, &park_uuid, &kind, &serial, at, &ours, &theirs],
    )
    .await?;
    let old = "DELETE FROM differences WHERE subscriber_id = $1 AND id <= (SELECT id FROM differences \
        WHERE subscriber_id = $1 ORDER BY id DESC LIMIT 1 OFFSET $2)";
    link.execute(old, &[subscriber, &DIFFERENCES_MAX]).await?;
    Ok(())
}

pub(super) async fn differences(link: &Link, subscriber: i64, limit: usize) -> Result<Vec<Difference>, Fault> {
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let newest = "SELECT park_uuid, kind, parking_serial, at, ours, theirs FROM differences WHERE subscriber_id = $1 \
        ORDER BY id DESC LIMIT $2";
    let read = |row: &Row| -> Result<Difference, Fault> {
        Ok(Difference {
            subscriber,
            park_uuid: text::read(row.try_get(0)?),
            kind: kind_of(row.try_get::<_, i16>(1)?.into()),
            parking_serial: text::read(row.try_get(2)?),
            at: row.try_get(3)?,
            ours: text::read(row.try_get(4)?),
            theirs: text::read(row.try_get(5)?),
        })
    };
    link.query(newest, &[&subscriber, &limit]).await?.iter().map(read).collect()
}

pub(super) async fn set_location(link: &Link, park_uuid: &str, location: Option<&str>) -> Result<bool, Fault> {
    let changed = link.execute("UPDATE parks SET location = $2 WHERE park_uuid = $1", &[&park_uuid, &location]).await?;
    Ok(changed > 0)
}
