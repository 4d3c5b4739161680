//! Pushes set aside.

use std::collections::HashMap;

use parkgate_ledger::ParkId;
use parkgate_ledger::quarantine::{QuarantineBounds, QuarantineLoad, Usage};
use parkgate_wire::{Digest, Seqno};
use tokio_postgres::Row;

use super::link::{Fault, Link};
use super::query::{Asked, limit, picture};
use super::record::{digest, seqno};
use super::text;
use crate::StoreError;
use crate::listing::{Page, QUARANTINE_PAGE};
use crate::quarantine::{Admitting, Aside, Kept, QuarantineFilter, Quarantined, SetAside, page_of};
use crate::query::Picture;
use crate::stored::{aside_bytes, aside_place, kind_code, kind_of};
use parkgate_seal::Seal;

const MAKE: &str =
    "INSERT INTO quarantine_use (park_id) SELECT id FROM UNNEST($1::bigint[]) AS id ORDER BY id ON CONFLICT DO NOTHING";
const LOCK: &str =
    "SELECT park_id, pushes, bytes FROM quarantine_use WHERE park_id = ANY($1) ORDER BY park_id FOR UPDATE";
const KNOWN: &str = "SELECT q.park_id, q.digest, q.seqno FROM UNNEST($1::bigint[], $2::bytea[]) AS k (park_id, digest) \
    JOIN quarantine q ON q.park_id = k.park_id AND q.digest = k.digest";
const IDS: &str = "SELECT nextval('quarantine_ids') FROM generate_series(1, $1::bigint)";
const AGAIN: &str = "UPDATE quarantine q SET times = q.times + n.times \
    FROM UNNEST($1::bigint[], $2::bytea[], $3::bigint[]) AS n (park_id, digest, times) \
    WHERE q.park_id = n.park_id AND q.digest = n.digest";
const ADD: &str = "INSERT INTO quarantine (park_id, id, kind, seqno, received_at, address, reason, digest, finding, sealed, \
    bytes) SELECT * FROM UNNEST($1::bigint[], $2::bigint[], $3::smallint[], $4::bigint[], $5::bigint[], $6::text[], \
    $7::text[], $8::bytea[], $9::text[], $10::bytea[], $11::bigint[])";
const ADD_IMAGES: &str = "INSERT INTO quarantine_images (park_id, quarantine_id, part, sha256, md5, size, content_type) \
    SELECT * FROM UNNEST($1::bigint[], $2::bigint[], $3::text[], $4::bytea[], $5::bytea[], $6::bigint[], $7::text[]) \
    ON CONFLICT (park_id, quarantine_id, part) DO NOTHING";
const PUT_USE: &str = "UPDATE quarantine_use u SET pushes = n.pushes, bytes = n.bytes \
    FROM UNNEST($1::bigint[], $2::bigint[], $3::bigint[]) AS n (park_id, pushes, bytes) WHERE u.park_id = n.park_id";

type Known = HashMap<(ParkId, Digest), Seqno>;

/// One durable transaction for all.
pub(super) async fn set_aside(
    link: &Link,
    seal: &Seal,
    batch: &[SetAside],
    bounds: &QuarantineBounds,
) -> Result<Vec<Aside>, Fault> {
    link.begin().await?;
    let (mut known, mut admitting) = load(link, batch).await?;
    let mut new: Vec<(&SetAside, Vec<u8>, u64)> = Vec::new();
    let mut again: HashMap<(ParkId, Digest), i64> = HashMap::new();
    let mut kept = Vec::with_capacity(batch.len());
    for push in batch {
        let key = (push.park, push.digest);
        if let Some(first) = known.get(&key) {
            *again.entry(key).or_default() += 1;
            kept.push(Aside::Kept(*first));
            continue;
        }
        let (json, bytes) = aside_bytes(push)?;
        if let Err(why) = admitting.take(push, bytes, bounds) {
            kept.push(Aside::Full(why));
            continue;
        }
        known.insert(key, push.seqno);
        new.push((push, json, bytes));
        kept.push(Aside::Kept(push.seqno));
    }
    add(link, seal, &new).await?;
    count(link, &again, &admitting.parks).await?;
    link.commit().await?;
    Ok(kept)
}

async fn load(link: &Link, batch: &[SetAside]) -> Result<(Known, Admitting), Fault> {
    let parks: Vec<i64> = batch.iter().map(|push| push.park.0).collect();
    let digests: Vec<&[u8]> = batch.iter().map(|push| push.digest.0.as_slice()).collect();
    link.execute(MAKE, &[&parks]).await?;
    let mut admitting = Admitting { all_bytes: all_bytes(link).await?, ..Admitting::default() };
    for row in link.query(LOCK, &[&parks]).await? {
        admitting.parks.insert(ParkId(row.try_get(0)?), usage(&row)?);
    }
    let mut known = Known::new();
    for row in link.query(KNOWN, &[&parks, &digests]).await? {
        known.insert((ParkId(row.try_get(0)?), digest(&row, 1)?), seqno(&row, 2)?);
    }
    Ok((known, admitting))
}

/// Pushes and bytes, after the park.
fn usage(row: &Row) -> Result<Usage, Fault> {
    Ok(Usage { pushes: row.try_get::<_, i64>(1)?.unsigned_abs(), bytes: row.try_get::<_, i64>(2)?.unsigned_abs() })
}

/// A row for each park: few, and only asked where something was refused. What other nodes add meanwhile is not seen: the
/// bound of all together is gone over by no more than what is in flight.
async fn all_bytes(link: &Link) -> Result<u64, Fault> {
    let row = link.query_opt("SELECT coalesce(sum(bytes), 0)::bigint FROM quarantine_use", &[]).await?;
    Ok(row.map_or(Ok(0), |row| row.try_get::<_, i64>(0))?.unsigned_abs())
}

async fn add(link: &Link, seal: &Seal, new: &[(&SetAside, Vec<u8>, u64)]) -> Result<(), Fault> {
    if new.is_empty() {
        return Ok(());
    }
    let rows = link.query(IDS, &[&(new.len() as i64)]).await?;
    let ids: Vec<i64> = rows.iter().map(|row| row.try_get(0)).collect::<Result<_, _>>()?;
    let of = |number: fn(&SetAside) -> i64| new.iter().map(|(push, ..)| number(push)).collect::<Vec<i64>>();
    let parks = of(|push| push.park.0);
    let kinds: Vec<i16> = new.iter().map(|(push, ..)| kind_code(push.kind) as i16).collect();
    let addresses: Vec<_> = new.iter().map(|(push, ..)| text::kept(&push.address)).collect();
    let reasons: Vec<&str> = new.iter().map(|(push, ..)| push.reason).collect();
    let digests: Vec<&[u8]> = new.iter().map(|(push, ..)| push.digest.0.as_slice()).collect();
    let findings: Vec<Option<&str>> = new.iter().map(|(push, ..)| push.finding).collect();
    let bytes: Vec<i64> = new.iter().map(|(.., bytes)| i64::try_from(*bytes).unwrap_or(i64::MAX)).collect();
    let sealed: Vec<Vec<u8>> = new
        .iter()
        .map(|(push, json, _)| seal.seal(json, &aside_place(push.park, &push.digest)))
        .collect::<Result<_, _>>()?;
    let (seqnos, received) = (of(|push| push.seqno.0 as i64), of(|push| push.received_at));
    let values: super::link::Values<'_> =
        &[&parks, &ids, &kinds, &seqnos, &received, &addresses, &reasons, &digests, &findings, &sealed, &bytes];
    link.execute(ADD, values).await?;
    add_images(link, new, &ids).await
}

async fn add_images(link: &Link, new: &[(&SetAside, Vec<u8>, u64)], ids: &[i64]) -> Result<(), Fault> {
    let all: Vec<_> = new
        .iter()
        .zip(ids)
        // Of parts with one name the last is kept.
        .flat_map(|((push, ..), id)| push.pictures.iter().rev().map(|picture| (push.park.0, *id, picture)))
        .collect();
    if all.is_empty() {
        return Ok(());
    }
    let parks: Vec<i64> = all.iter().map(|(park, ..)| *park).collect();
    let ids: Vec<i64> = all.iter().map(|(_, id, _)| *id).collect();
    let parts: Vec<_> = all.iter().map(|(.., (part, _))| text::key(part)).collect();
    let keys: Vec<&[u8]> = all.iter().map(|(.., (_, picture))| picture.key.0.as_slice()).collect();
    let md5s: Vec<&[u8]> = all.iter().map(|(.., (_, picture))| picture.md5.0.as_slice()).collect();
    let sizes: Vec<i64> =
        all.iter().map(|(.., (_, picture))| i64::try_from(picture.size).unwrap_or(i64::MAX)).collect();
    let content_types: Vec<&str> = all.iter().map(|(.., (_, picture))| picture.content_type.as_ref()).collect();
    link.execute(ADD_IMAGES, &[&parks, &ids, &parts, &keys, &md5s, &sizes, &content_types]).await?;
    Ok(())
}

async fn count(
    link: &Link,
    again: &HashMap<(ParkId, Digest), i64>,
    used: &HashMap<ParkId, Usage>,
) -> Result<(), Fault> {
    if !again.is_empty() {
        let parks: Vec<i64> = again.keys().map(|(park, _)| park.0).collect();
        let digests: Vec<&[u8]> = again.keys().map(|(_, digest)| digest.0.as_slice()).collect();
        let times: Vec<i64> = again.values().copied().collect();
        link.execute(AGAIN, &[&parks, &digests, &times]).await?;
    }
    let parks: Vec<i64> = used.keys().map(|park| park.0).collect();
    let pushes: Vec<i64> = used.values().map(|used| used.pushes as i64).collect();
    let bytes: Vec<i64> = used.values().map(|used| used.bytes as i64).collect();
    link.execute(PUT_USE, &[&parks, &pushes, &bytes]).await?;
    Ok(())
}

pub(super) async fn load_of(link: &Link, park: ParkId) -> Result<QuarantineLoad, Fault> {
    let row =
        link.query_opt("SELECT park_id, pushes, bytes FROM quarantine_use WHERE park_id = $1", &[&park.0]).await?;
    let park = row.map_or(Ok(Usage::default()), |row| usage(&row))?;
    Ok(QuarantineLoad { park, all_bytes: all_bytes(link).await?, ..QuarantineLoad::default() })
}

pub(super) async fn list(link: &Link, seal: &Seal, filter: &QuarantineFilter) -> Result<Page<Quarantined>, Fault> {
    let page = filter.limit.min(QUARANTINE_PAGE);
    let mut asked = Asked::new(
        "SELECT q.id, q.park_id, p.park_uuid, q.kind, q.seqno, q.received_at, q.address, q.reason, q.finding, q.times, \
         q.bytes, q.digest, q.sealed FROM quarantine q LEFT JOIN parks p ON p.id = q.park_id",
    );
    asked.with(" WHERE q.id > $?", filter.after);
    if let Some(park_uuid) = &filter.park_uuid {
        asked.with(" AND p.park_uuid = $?", text::kept(park_uuid).into_owned());
    }
    if !filter.ids.is_empty() {
        asked.with(" AND q.id = ANY($?)", filter.ids.clone());
    }
    asked.with(" ORDER BY q.id LIMIT $?", limit(page));
    let rows = asked.of(link).await?;
    let ids: Vec<i64> = rows.iter().map(|row| row.try_get(0)).collect::<Result<_, _>>()?;
    let mut pictures = pictures(link, &ids).await?;
    let found = rows.iter().map(|row| quarantined(row, seal, &mut pictures)).collect::<Result<_, _>>()?;
    Ok(page_of(found, page))
}

fn quarantined(row: &Row, seal: &Seal, pictures: &mut HashMap<i64, Vec<Picture>>) -> Result<Quarantined, Fault> {
    let (park, digest) = (ParkId(row.try_get(1)?), digest(row, 11)?);
    let json = seal.open(row.try_get(12)?, &aside_place(park, &digest))?;
    let kept: Kept =
        serde_json::from_slice(&json).map_err(|error| StoreError::Broken(format!("quarantine: {error}")))?;
    let id = row.try_get(0)?;
    Ok(Quarantined {
        id,
        park_uuid: row.try_get(2)?,
        kind: kind_of(row.try_get::<_, i16>(3)?.into()),
        seqno: seqno(row, 4)?,
        received_at: row.try_get(5)?,
        address: row.try_get(6)?,
        reason: row.try_get(7)?,
        finding: row.try_get(8)?,
        times: row.try_get::<_, i64>(9)?.unsigned_abs(),
        bytes: row.try_get::<_, i64>(10)?.unsigned_abs(),
        kept,
        pictures: pictures.remove(&id).unwrap_or_default(),
    })
}

async fn pictures(link: &Link, ids: &[i64]) -> Result<HashMap<i64, Vec<Picture>>, Fault> {
    let sql = "SELECT i.quarantine_id, i.part, i.sha256, i.md5, i.size, i.content_type FROM quarantine q \
        JOIN quarantine_images i ON i.park_id = q.park_id AND i.quarantine_id = q.id WHERE q.id = ANY($1) ORDER BY i.part";
    let mut found: HashMap<i64, Vec<Picture>> = HashMap::new();
    for row in link.query(sql, &[&ids]).await? {
        found.entry(row.try_get(0)?).or_default().push(picture(&row)?);
    }
    Ok(found)
}

pub(super) async fn release(link: &Link, ids: &[i64]) -> Result<usize, Fault> {
    link.begin().await?;
    // As who sets aside does: first the park's row.
    link.query(
        "SELECT park_id FROM quarantine_use WHERE park_id IN (SELECT park_id FROM quarantine WHERE id = ANY($1)) \
         ORDER BY park_id FOR UPDATE",
        &[&ids],
    )
    .await?;
    let rows = link
        .query(
            "WITH gone AS (DELETE FROM quarantine WHERE id = ANY($1) RETURNING park_id, id, bytes), \
             pictures AS (DELETE FROM quarantine_images i USING gone \
             WHERE i.park_id = gone.park_id AND i.quarantine_id = gone.id), \
             used AS (UPDATE quarantine_use u SET pushes = u.pushes - g.pushes, bytes = u.bytes - g.bytes \
             FROM (SELECT park_id, count(*) AS pushes, sum(bytes)::bigint AS bytes FROM gone GROUP BY park_id) AS g \
             WHERE u.park_id = g.park_id) SELECT id FROM gone",
            &[&ids],
        )
        .await?;
    link.commit().await?;
    Ok(rows.len())
}

/// The next so many that came before a time.
pub(super) async fn older(link: &Link, received_before: i64, count: i64) -> Result<Vec<i64>, Fault> {
    let sql = "SELECT id FROM quarantine WHERE received_at < $1 ORDER BY received_at LIMIT $2";
    let rows = link.query(sql, &[&received_before, &count]).await?;
    Ok(rows.iter().map(|row| row.try_get(0)).collect::<Result<_, _>>()?)
}

/// Pushes and bytes by park.
pub(super) async fn used(link: &Link) -> Result<Vec<(ParkId, u64, u64)>, Fault> {
    let rows = link.query("SELECT park_id, pushes, bytes FROM quarantine_use ORDER BY park_id", &[]).await?;
    rows.iter().map(|row| usage(row).and_then(|used| Ok((ParkId(row.try_get(0)?), used.pushes, used.bytes)))).collect()
}
