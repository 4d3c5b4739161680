//! Subscribers and deliveries. Nodes share the work: each takes what no other is just taking (`SKIP LOCKED`), for a time.

use std::borrow::Cow;
use std::collections::HashMap;

use parkgate_ledger::{ParkId, Space};
use parkgate_wire::{PushKind, Secret};
use tokio_postgres::Row;

use super::link::{Fault, Link, taken};
use super::{query, record, registry, text};
use crate::StoreError;
use crate::delivery::{
    Backlog, Claim, Claimed, DIFFERENCES_MAX, Delivery, DeliveryFilter, DeliveryId, Difference, Due, Format,
    NewSubscriber, Outgoing, REMOVED_AT_ONCE, REPLAYED_AT_ONCE, Settled, Subscriber, SubscriberSettings,
};
use crate::listing::{DELIVERIES_PAGE, Page};
use crate::query::Picture;
use crate::seal::Seal;
use crate::stored::{GONE, kind_code, kind_of, object, opened, original_of, personal_place, subscriber_place};

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
            "INSERT INTO subscribers (name, settings, secret, all_parks, enters, leaves, relays) \
             VALUES ($1, $2, $3, $4, $5, $6, $7) \
             RETURNING id",
            &[
                &subscriber.name,
                &settings,
                &secret,
                &all,
                &subscriber.enters,
                &subscriber.leaves,
                &(subscriber.settings.format == Format::Relay),
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
    let row =
        link.query_opt("UPDATE subscribers SET paused = $2 WHERE name = $1 RETURNING id", &[&name, &paused]).await?;
    if let (Some(row), false) = (&row, paused) {
        let anew = "UPDATE deliveries SET since = (extract(epoch FROM now()) * 1000)::bigint \
            WHERE subscriber_id = $1 AND NOT dead AND told IS NOT NULL";
        link.execute(anew, &[&row.try_get::<_, i64>(0)?]).await?;
    }
    registry::changed(link).await?;
    link.commit().await?;
    Ok(row.is_some())
}

pub(super) async fn change(
    link: &Link,
    seal: &Seal,
    name: &str,
    settings: &SubscriberSettings,
    secret: Option<&Secret>,
) -> Result<bool, Fault> {
    let settings = serde_json::to_string(settings).map_err(|error| StoreError::Broken(error.to_string()))?;
    let place = subscriber_place(name);
    let secret = secret.map(|secret| seal.seal(secret.expose().as_bytes(), &place)).transpose()?;
    link.begin().await?;
    let put = "UPDATE subscribers SET settings = $2, secret = coalesce($3, secret) WHERE name = $1";
    let changed = link.execute(put, &[&name, &settings, &secret]).await? > 0;
    registry::changed(link).await?;
    link.commit().await?;
    Ok(changed)
}

/// Takes away some of what waits for it, so that the rest goes with it in a short time; is there more?
pub(super) async fn empty(link: &Link, name: &str) -> Result<bool, Fault> {
    let Some(id) = id_of(link, name).await? else { return Ok(false) };
    let mut gone = 0;
    for state in ["NOT dead", "dead"] {
        let sql = format!(
            "DELETE FROM deliveries d USING (SELECT park_id, record_id FROM deliveries WHERE subscriber_id = $1 AND {state} \
             LIMIT $2) AS gone WHERE d.park_id = gone.park_id AND d.subscriber_id = $1 AND d.record_id = gone.record_id"
        );
        gone += link.execute(&sql, &[&id, &REMOVED_AT_ONCE]).await?;
    }
    Ok(gone >= REMOVED_AT_ONCE.unsigned_abs())
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
const DUE: &str = "SELECT record_id, park_id, attempts, \
    CASE WHEN attempts = 0 AND told IS NULL THEN greatest(since, $2) ELSE since END FROM deliveries WHERE subscriber_id = $1 AND NOT dead \
    AND next_at <= $2 ORDER BY next_at, record_id LIMIT $3 FOR UPDATE SKIP LOCKED";
/// Of leaves whose enter waits: when that one is tried next.
///
/// Here and below one key leads to the next (`OFFSET 0`), and the dead are left out last, so that no index is walked that
/// holds a subscriber's whole backlog.
const ENTERS: &str = "SELECT k.record_id, d.next_at FROM UNNEST($2::bigint[], $3::bigint[]) AS k (park_id, record_id) \
    CROSS JOIN LATERAL (SELECT parking_serial FROM records WHERE park_id = k.park_id AND id = k.record_id AND kind = 1 \
    OFFSET 0) AS l \
    CROSS JOIN LATERAL (SELECT id FROM records WHERE park_id = k.park_id AND parking_serial = l.parking_serial \
    AND kind = 0 AND conflict_with IS NULL OFFSET 0) AS e \
    CROSS JOIN LATERAL (SELECT next_at, dead FROM deliveries WHERE park_id = k.park_id AND subscriber_id = $1 \
    AND record_id = e.id OFFSET 0) AS d WHERE NOT d.dead";
const TAKE: &str = "UPDATE deliveries d SET next_at = n.next_at, attempts = d.attempts + n.taken, since = n.since \
    FROM UNNEST($2::bigint[], $3::bigint[], $4::bigint[], $5::integer[], $6::bigint[]) \
    AS n (park_id, record_id, next_at, taken, since) \
    WHERE d.park_id = n.park_id AND d.subscriber_id = $1 AND d.record_id = n.record_id";

/// Other nodes have given themselves the turns of so long: there is nothing to take for this one yet.
const TURNS_MS: i64 = 1000;
const TURNS: &str = "SELECT rate_free_at FROM subscribers WHERE id = $1 FOR UPDATE";
const TAKE_TURNS: &str = "UPDATE subscribers SET rate_free_at = $2 WHERE id = $1";

/// What was taken, how many were looked at, and when the first may be sent.
pub(super) struct Taken {
    due: Vec<Due>,
    looked_at: usize,
    send_from: i64,
}

pub(super) async fn claim(link: &Link, claim: &Claim) -> Result<Taken, Fault> {
    let Claim { subscriber, now, until, max, per_second } = *claim;
    let max = i64::try_from(max).unwrap_or(i64::MAX);
    link.begin().await?;
    let mut send_from = now;
    if per_second.is_some() {
        let free_at = link.query_opt(TURNS, &[&subscriber]).await?.map_or(Ok(now), |row| row.try_get(0))?;
        send_from = now.max(free_at);
    }
    let rows = match send_from - now <= TURNS_MS {
        true => link.query(DUE, &[&subscriber, &now, &max]).await?,
        false => Vec::new(),
    };
    if rows.is_empty() {
        link.commit().await?;
        return Ok(Taken { due: Vec::new(), looked_at: 0, send_from });
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
    let sinces: Vec<i64> = due.iter().map(|due| due.since).collect();
    link.execute(TAKE, &[&subscriber, &parks, &records, &next_at, &taken, &sinces]).await?;
    due.retain(|due| !waiting.contains_key(&due.id.record));
    due.iter_mut().for_each(|due| due.attempts += 1);
    if let Some(per_second) = per_second.filter(|rate| *rate > 0) {
        let turns = due.len() as i64 * 1000 / i64::from(per_second);
        link.execute(TAKE_TURNS, &[&subscriber, &(send_from + turns)]).await?;
    }
    link.plain(UNSYNCED).await?;
    link.commit().await?;
    Ok(Taken { due, looked_at: rows.len(), send_from })
}

pub(super) async fn outgoing(link: &Link, seal: &Seal, taken: Taken) -> Result<Claimed, Fault> {
    let Taken { due, looked_at, send_from } = taken;
    let mut claimed = Claimed { looked_at, send_from, ..Claimed::default() };
    if due.is_empty() {
        return Ok(claimed);
    }
    let parks: Vec<i64> = due.iter().map(|due| due.park.0).collect();
    let ids: Vec<i64> = due.iter().map(|due| due.id.record).collect();
    let sql = format!(
        "SELECT {}, p.park_uuid, p.name, p.location, coalesce(r.long_serial, r.parking_serial), r.original, \
         p.total_parking_space, coalesce((SELECT max(n.id) FROM park_epochs n WHERE n.park_id = p.id), p.id) \
         FROM UNNEST($1::bigint[], $2::bigint[]) AS k (park_id, id) \
         CROSS JOIN LATERAL (SELECT * FROM records WHERE park_id = k.park_id AND id = k.id OFFSET 0) AS r \
         LEFT JOIN park_epochs e ON e.id = r.park_id JOIN parks p ON p.id = coalesce(e.park_id, r.park_id)",
        query::COLUMNS
    );
    let mut found = HashMap::new();
    for row in link.query(&sql, &[&parks, &ids]).await? {
        found.insert(row.try_get::<_, i64>(0)?, row);
    }
    let mut pictures = query::pictures(link, &parks, &ids).await?;
    // Of the newest numbering, whichever the record is of.
    let counted = found.values().map(|row| row.try_get::<_, i64>(17)).collect::<Result<Vec<_>, _>>()?;
    let spaces = record::spaces(link, &counted).await?;
    for due in due {
        let Some(row) = found.get(&due.id.record) else {
            claimed.unreadable.push((due, GONE.into()));
            continue;
        };
        let space = spaces.get(&row.try_get::<_, i64>(17)?).copied().unwrap_or_default();
        let pictures = pictures.remove(&due.id.record).unwrap_or_default();
        // One that cannot be read must not keep the others.
        match one(seal, row, due, pictures, space) {
            Ok(outgoing) => claimed.outgoing.push(outgoing),
            Err(error) => claimed.unreadable.push((due, format!("{error:?}"))),
        }
    }
    Ok(claimed)
}

fn one(seal: &Seal, row: &Row, due: Due, pictures: Vec<Picture>, space: Space) -> Result<Outgoing, Fault> {
    let serial = text::read(row.try_get(14)?);
    let mut read = query::record(row)?;
    if let Some(sealed) = row.try_get::<_, Option<&[u8]>>(9)? {
        let plain = seal.open(sealed, &personal_place(due.park, &serial, read.view.kind))?;
        read.view.params.extend(object(&plain)?);
    }
    read.view.pictures = pictures;
    let original = original_of(seal, row.try_get(15)?, due.park, &serial, read.view.kind)?;
    Ok(Outgoing {
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
    })
}

const DELIVERED: &str = "DELETE FROM deliveries d USING UNNEST($2::bigint[], $3::bigint[]) AS n (park_id, record_id) \
    WHERE d.park_id = n.park_id AND d.subscriber_id = $1 AND d.record_id = n.record_id";
const LATER: &str = "UPDATE deliveries d SET next_at = n.next_at, dead = n.dead, attempts = greatest(d.attempts - n.unsent, 0), \
    told = CASE n.unsent WHEN 0 THEN n.told ELSE coalesce(d.told, n.told) END \
    FROM UNNEST($2::bigint[], $3::bigint[], $4::bigint[], $5::text[], $6::boolean[], $7::integer[]) \
    AS n (park_id, record_id, next_at, told, dead, unsent) \
    WHERE d.park_id = n.park_id AND d.subscriber_id = $1 AND d.record_id = n.record_id";
/// The leaves that waited for these enters.
const WAKE: &str = "UPDATE deliveries d SET next_at = least(d.next_at, $4) \
    FROM (SELECT k.park_id, l.id FROM UNNEST($2::bigint[], $3::bigint[]) AS k (park_id, record_id) \
    CROSS JOIN LATERAL (SELECT parking_serial FROM records WHERE park_id = k.park_id AND id = k.record_id AND kind = 0 \
    OFFSET 0) AS e \
    CROSS JOIN LATERAL (SELECT id FROM records WHERE park_id = k.park_id AND parking_serial = e.parking_serial \
    AND kind = 1 AND conflict_with IS NULL OFFSET 0) AS l OFFSET 0) AS w \
    WHERE d.park_id = w.park_id AND d.subscriber_id = $1 AND d.record_id = w.id";
const COUNT: &str = "UPDATE subscribers SET delivered = delivered + $2, delivered_at = $3 WHERE id = $1";

/// Deliveries that stay, as columns.
#[derive(Default)]
struct Staying<'a> {
    parks: Vec<i64>,
    records: Vec<i64>,
    next: Vec<i64>,
    told: Vec<Option<Cow<'a, str>>>,
    dead: Vec<bool>,
    unsent: Vec<i32>,
}

impl<'a> Staying<'a> {
    fn of(settled: &'a [Settled], now: i64) -> Staying<'a> {
        let mut all = Staying::default();
        for one in settled {
            let (next, told, dead, unsent) = match one {
                Settled::Delivered(_) => continue,
                Settled::Later { next_at, told, .. } => (*next_at, Some(text::kept(told)), false, 0),
                Settled::Dead { told, .. } => (now, Some(text::kept(told)), true, 0),
                Settled::Unsent { next_at, told, .. } => (*next_at, told.as_deref().map(text::kept), false, 1),
            };
            all.parks.push(one.due().park.0);
            all.records.push(one.due().id.record);
            all.next.push(next);
            all.told.push(told);
            all.dead.push(dead);
            all.unsent.push(unsent);
        }
        all
    }
}

pub(super) async fn settle(link: &Link, subscriber: i64, settled: &[Settled], now: i64) -> Result<(), Fault> {
    let rows = |is_meant: fn(&Settled) -> bool| -> (Vec<i64>, Vec<i64>) {
        let due = settled.iter().filter(|one| is_meant(one)).map(Settled::due);
        due.map(|due| (due.park.0, due.id.record)).unzip()
    };
    let (done_parks, done_records) = rows(|one| matches!(one, Settled::Delivered(_)));
    let (parks, records) = rows(|one| matches!(one, Settled::Delivered(_) | Settled::Dead { .. }));
    let later = Staying::of(settled, now);
    link.begin().await?;
    link.plain(UNSYNCED).await?;
    let mut delivered = 0;
    if !done_records.is_empty() {
        delivered = link.execute(DELIVERED, &[&subscriber, &done_parks, &done_records]).await?;
    }
    if !later.records.is_empty() {
        let Staying { parks, records, next, told, dead, unsent } = &later;
        link.execute(LATER, &[&subscriber, parks, records, next, told, dead, unsent]).await?;
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

pub(super) async fn list(
    link: &Link,
    filter: &DeliveryFilter,
    after: Option<DeliveryId>,
) -> Result<Page<Delivery, DeliveryId>, Fault> {
    let page = filter.limit.min(DELIVERIES_PAGE);
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
    if let Some(after) = after {
        asked.with(" AND (d.record_id, d.subscriber_id) > ($?,", after.record);
        asked.with(" $?)", after.subscriber);
    }
    asked.with(" ORDER BY d.record_id, d.subscriber_id LIMIT $?", query::limit(page));
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
    let found = asked.of(link).await?.iter().map(read).collect::<Result<Vec<_>, _>>()?;
    let next = found.last().map(|last| last.id).filter(|_| found.len() >= page);
    Ok(Page { rows: found, next })
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

pub(super) async fn give_up(link: &Link, ids: &[DeliveryId], now: i64) -> Result<usize, Fault> {
    let (subscribers, records) = columns(ids);
    link.begin().await?;
    let rows = link
        .query(
            "DELETE FROM deliveries d USING UNNEST($1::bigint[], $2::bigint[]) AS n (subscriber_id, record_id) \
             WHERE d.subscriber_id = n.subscriber_id AND d.record_id = n.record_id \
             RETURNING d.subscriber_id, d.park_id, d.record_id",
            &[&subscribers, &records],
        )
        .await?;
    for row in &rows {
        let (subscriber, park, record): (i64, i64, i64) = (row.try_get(0)?, row.try_get(1)?, row.try_get(2)?);
        link.execute(WAKE, &[&subscriber, &vec![park], &vec![record], &now]).await?;
    }
    link.commit().await?;
    Ok(rows.len())
}

pub(super) async fn id_of(link: &Link, name: &str) -> Result<Option<i64>, Fault> {
    let row = link.query_opt("SELECT id FROM subscribers WHERE name = $1", &[&name]).await?;
    Ok(row.map(|row| row.try_get(0)).transpose()?)
}

/// Where a replay begins and ends.
pub(super) async fn range(link: &Link, received_from: i64) -> Result<Option<(i64, i64)>, Fault> {
    // By the time, not along the numbers from the oldest on.
    let sql = "SELECT min(id + 0), max(id + 0) FROM records WHERE received_at >= $1";
    let Some(row) = link.query_opt(sql, &[&received_from]).await? else { return Ok(None) };
    Ok(row.try_get::<_, Option<i64>>(0)?.zip(row.try_get(1)?))
}

/// A piece, from the oldest record up, so that enters are there before their leaves; gives where the next one begins.
pub(super) async fn replay(
    link: &Link,
    subscriber: i64,
    received_from: i64,
    now: i64,
    (from, last): (i64, i64),
) -> Result<(u64, Option<i64>), Fault> {
    link.begin().await?;
    let piece = "SELECT id FROM records WHERE id >= $1 AND id <= $2 ORDER BY id LIMIT 1 OFFSET $3";
    let next = link.query_opt(piece, &[&from, &last, &REPLAYED_AT_ONCE]).await?;
    let next: Option<i64> = next.map(|row| row.try_get(0)).transpose()?;
    let below = next.unwrap_or(last.saturating_add(1));
    let added = link
        .execute(
            "INSERT INTO deliveries AS d (park_id, subscriber_id, record_id, next_at, since) \
             SELECT r.park_id, s.id, r.id, $3, $3 FROM records r CROSS JOIN subscribers s \
             WHERE r.id >= $4 AND r.id < $5 AND s.id = $1 AND r.received_at >= $2 \
             AND (r.conflict_with IS NULL OR s.relays) \
             AND NOT EXISTS (SELECT 1 FROM months m WHERE m.stripped_at IS NOT NULL AND r.id >> 40 <= m.number) \
             AND CASE r.kind WHEN 0 THEN s.enters ELSE s.leaves END \
             AND (s.all_parks OR EXISTS (SELECT 1 FROM subscriber_parks p WHERE p.subscriber_id = s.id \
             AND p.park_id = coalesce((SELECT e.park_id FROM park_epochs e WHERE e.id = r.park_id), r.park_id))) \
             ON CONFLICT (park_id, subscriber_id, record_id) DO UPDATE SET dead = false, attempts = 0, \
             next_at = CASE WHEN d.dead THEN excluded.next_at ELSE d.next_at END, since = excluded.since",
            &[&subscriber, &received_from, &now, &from, &below],
        )
        .await?;
    link.commit().await?;
    Ok((added, next))
}

pub(super) async fn backlog(link: &Link, count_max: u64) -> Result<Vec<Backlog>, Fault> {
    let counted = |state: &str| {
        format!("(SELECT count(*) FROM (SELECT FROM deliveries WHERE subscriber_id = s.id AND {state} LIMIT $1) AS x)")
    };
    let sql = format!("SELECT s.id, {}, {} FROM subscribers s", counted("NOT dead"), counted("dead"));
    let read = |row: &Row| -> Result<Backlog, Fault> {
        let (pending, dead): (i64, i64) = (row.try_get(1)?, row.try_get(2)?);
        Ok(Backlog { subscriber: row.try_get(0)?, pending: pending.unsigned_abs(), dead: dead.unsigned_abs() })
    };
    link.query(&sql, &[&i64::try_from(count_max).unwrap_or(i64::MAX)]).await?.iter().map(read).collect()
}

pub(super) async fn oldest(link: &Link, subscriber: i64) -> Result<Option<i64>, Fault> {
    let sql = "SELECT min(since) FROM deliveries WHERE subscriber_id = $1 AND NOT dead";
    Ok(link.query_opt(sql, &[&subscriber]).await?.map_or(Ok(None), |row| row.try_get(0))?)
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
