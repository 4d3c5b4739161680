//! The quarantine: what is admitted, the ledger decides; what is kept of it is sealed.

use std::collections::HashMap;

use parkgate_ledger::ParkId;
use parkgate_ledger::quarantine::{QuarantineBounds, QuarantineLoad, Usage};
use parkgate_wire::{Digest, Seqno};

use super::record_pages::SearchStatement;
use super::records::picture;
use crate::StoreError;
use crate::backend::keys::fence;
use crate::backend::{Access, Backend, Row, Transaction, Value};
use crate::images::Picture;
use crate::listing::{Page, QUARANTINE_PAGE};
use crate::quarantine::{
    Admitting, NewQuarantined, QuarantineContent, QuarantineFilter, QuarantineOutcome, Quarantined, page_of,
};
use crate::stored::{kind_code, kind_of, quarantine_bytes, quarantine_place};
use parkgate_seal::Seal;

/// Old pushes released in one transaction.
const RELEASED_AT_ONCE: i64 = 1000;

const MAKE_USE: &str = "INSERT INTO quarantine_use (park_id, pushes, bytes) SELECT k.park_id, 0, 0 \
    FROM {rows $1 bigint park_id} AS k WHERE true ORDER BY k.park_id ON CONFLICT DO NOTHING";
const LOCK_USE: &str =
    "SELECT park_id, pushes, bytes FROM quarantine_use WHERE park_id {in $1} ORDER BY park_id {lock}";
const KNOWN: &str = "SELECT park_id, digest, seqno FROM quarantine WHERE park_id {in $1} AND digest {in blobs $2}";
/// Never used twice: people name them.
const IDS: &str = "{postgres SELECT nextval('quarantine_ids') FROM generate_series(1, $1::bigint)}\
    {sqlite WITH RECURSIVE n (id) AS (SELECT coalesce((SELECT max(seq) FROM sqlite_sequence WHERE name = 'quarantine'), 0) + 1 \
    UNION ALL SELECT id + 1 FROM n LIMIT $1) SELECT id FROM n}";
const ADD: &str = "INSERT INTO quarantine (park_id, id, kind, seqno, received_at, address, reason, digest, finding, sealed, \
    bytes) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)";
const ADD_PICTURE: &str = "INSERT INTO quarantine_images ({postgres park_id,} quarantine_id, part, sha256, md5, size, content_type) \
    VALUES ({postgres $1,} $2, $3, $4, $5, $6, $7) ON CONFLICT DO NOTHING";
const AGAIN: &str = "UPDATE quarantine SET times = times + 1 WHERE park_id = $1 AND digest = $2";
const PUT_USE: &str = "UPDATE quarantine_use SET pushes = $2, bytes = $3 WHERE park_id = $1";

/// Admits a batch in one durable transaction; each push within the bounds, but for what was admitted before.
pub(crate) fn add(
    backend: &dyn Backend,
    seal: &Seal,
    batch: &[NewQuarantined],
    bounds: &QuarantineBounds,
) -> Result<Vec<QuarantineOutcome>, StoreError> {
    backend.transaction(Access::WritePushes, |transaction| {
        fence(transaction, seal)?;
        let (mut known, mut admitting) = load(transaction, batch)?;
        let (mut new, mut again) = (Vec::new(), Vec::new());
        let mut outcomes = Vec::with_capacity(batch.len());
        for push in batch {
            let key = (push.park, push.digest);
            if let Some(first) = known.get(&key) {
                again.push(vec![push.park.0.into(), push.digest.0.as_slice().into()]);
                outcomes.push(QuarantineOutcome::Kept(*first));
                continue;
            }
            let (json, bytes) = quarantine_bytes(push)?;
            if let Err(why) = admitting.take(push, bytes, bounds) {
                outcomes.push(QuarantineOutcome::Full(why));
                continue;
            }
            known.insert(key, push.seqno);
            new.push((push, seal.seal(&json, &quarantine_place(push.park, &push.digest))?, bytes));
            outcomes.push(QuarantineOutcome::Kept(push.seqno));
        }
        write(transaction, new, &admitting)?;
        transaction.execute_each(AGAIN, &again)?;
        Ok(outcomes)
    })
}

/// The first requests of pushes that are there already.
type Known = HashMap<(ParkId, Digest), Seqno>;

/// The pushes that are there already, and how much is kept. Adding waits for whoever adds for the same parks.
fn load(transaction: &mut dyn Transaction, batch: &[NewQuarantined]) -> Result<(Known, Admitting), StoreError> {
    let parks: Value = batch.iter().map(|push| push.park.0).collect();
    transaction.execute(MAKE_USE, std::slice::from_ref(&parks))?;
    let mut admitting = Admitting::default();
    for row in transaction.query(LOCK_USE, std::slice::from_ref(&parks))? {
        admitting.parks.insert(ParkId(row.int(0)?), usage(&row)?);
    }
    admitting.all_bytes = all_bytes(transaction)?;
    let digests = Value::Blobs(batch.iter().map(|push| push.digest.0.to_vec()).collect());
    let mut known = Known::new();
    for row in transaction.query(KNOWN, &[parks, digests])? {
        known.insert((ParkId(row.int(0)?), Digest(row.bytes(1)?)), Seqno(row.int(2)?.cast_unsigned()));
    }
    Ok((known, admitting))
}

/// Pushes and bytes, after the park.
fn usage(row: &Row) -> Result<Usage, StoreError> {
    Ok(Usage { pushes: row.count(1)?, bytes: row.count(2)? })
}

/// A row for each park: few, and only asked where something was refused. What other nodes add meanwhile is not seen: the
/// bound of all together is gone over by no more than what is in flight.
fn all_bytes(transaction: &mut dyn Transaction) -> Result<u64, StoreError> {
    let sum = "SELECT coalesce(sum(bytes), 0)::bigint FROM quarantine_use";
    transaction.query_opt(sum, &[])?.map_or(Ok(0), |row| row.count(0))
}

fn write(
    transaction: &mut dyn Transaction,
    new: Vec<(&NewQuarantined, Vec<u8>, u64)>,
    admitting: &Admitting,
) -> Result<(), StoreError> {
    if new.is_empty() {
        return Ok(());
    }
    let ids = transaction.query(IDS, &[Value::limit(new.len())])?;
    let (mut rows, mut pictures) = (Vec::with_capacity(new.len()), Vec::new());
    for ((push, sealed, bytes), id) in new.into_iter().zip(&ids) {
        let id = id.int(0)?;
        for (part, picture) in &push.pictures {
            pictures.push(vec![
                push.park.0.into(),
                id.into(),
                part.into(),
                picture.key.0.as_slice().into(),
                picture.md5.0.as_slice().into(),
                number(picture.size),
                picture.content_type.as_ref().into(),
            ]);
        }
        rows.push(vec![
            push.park.0.into(),
            id.into(),
            kind_code(push.kind).into(),
            push.seqno.0.cast_signed().into(),
            push.received_at.into(),
            (&push.address).into(),
            push.reason.into(),
            push.digest.0.as_slice().into(),
            push.finding.into(),
            sealed.into(),
            number(bytes),
        ]);
    }
    transaction.execute_each(ADD, &rows)?;
    transaction.execute_each(ADD_PICTURE, &pictures)?;
    put_use(transaction, admitting.parks.iter().map(|(park, usage)| (park.0, *usage)))
}

fn put_use(transaction: &mut dyn Transaction, parks: impl Iterator<Item = (i64, Usage)>) -> Result<(), StoreError> {
    let rows: Vec<Vec<Value>> =
        parks.map(|(park, usage)| vec![park.into(), number(usage.pushes), number(usage.bytes)]).collect();
    transaction.execute_each(PUT_USE, &rows).map(drop)
}

fn number(count: u64) -> Value {
    i64::try_from(count).unwrap_or(i64::MAX).into()
}

pub(crate) fn load_of(backend: &dyn Backend, park: ParkId) -> Result<QuarantineLoad, StoreError> {
    backend.transaction(Access::Read, |transaction| {
        let of_park = "SELECT park_id, pushes, bytes FROM quarantine_use WHERE park_id = $1";
        let row = transaction.query_opt(of_park, &[park.0.into()])?;
        let park = row.map_or(Ok(Usage::default()), |row| usage(&row))?;
        Ok(QuarantineLoad { park, all_bytes: all_bytes(transaction)?, ..QuarantineLoad::default() })
    })
}

/// Pushes and bytes by park.
pub(crate) fn used(backend: &dyn Backend) -> Result<Vec<(ParkId, u64, u64)>, StoreError> {
    let all = "SELECT park_id, pushes, bytes FROM quarantine_use ORDER BY park_id";
    let rows = backend.transaction(Access::Read, |transaction| transaction.query(all, &[]))?;
    rows.iter().map(|row| Ok((ParkId(row.int(0)?), row.count(1)?, row.count(2)?))).collect()
}

pub(crate) fn page(
    backend: &dyn Backend,
    seal: &Seal,
    filter: &QuarantineFilter,
) -> Result<Page<Quarantined>, StoreError> {
    let limit = filter.limit.min(QUARANTINE_PAGE);
    let mut search = SearchStatement::new(
        "SELECT q.id, q.park_id, p.park_uuid, q.kind, q.seqno, q.received_at, q.address, q.reason, q.finding, q.times, \
         q.bytes, q.digest, q.sealed FROM quarantine q LEFT JOIN parks p ON p.id = q.park_id",
    );
    search.with(" WHERE q.id > $?", filter.after);
    if let Some(park_uuid) = &filter.park_uuid {
        search.with(" AND p.park_uuid = $?", park_uuid);
    }
    if !filter.ids.is_empty() {
        search.with(" AND q.id {in $?}", Value::Ints(filter.ids.clone()));
    }
    search.with(" ORDER BY q.id LIMIT $?", Value::limit(limit));
    backend.transaction(Access::ReadLong, |transaction| {
        let rows = search.rows(transaction)?;
        let mut pictures = pictures(transaction, &rows)?;
        let found = rows.iter().map(|row| quarantined(row, seal, &mut pictures)).collect::<Result<_, _>>()?;
        Ok(page_of(found, limit))
    })
}

fn quarantined(row: &Row, seal: &Seal, pictures: &mut HashMap<i64, Vec<Picture>>) -> Result<Quarantined, StoreError> {
    let (id, park, digest) = (row.int(0)?, ParkId(row.int(1)?), Digest(row.bytes(11)?));
    let json = seal.open(row.blob(12)?, &quarantine_place(park, &digest))?;
    let kept: QuarantineContent =
        serde_json::from_slice(&json).map_err(|error| StoreError::Broken(format!("quarantine: {error}")))?;
    Ok(Quarantined {
        id,
        park_uuid: row.opt_text(2)?,
        kind: kind_of(row.int(3)?),
        seqno: Seqno(row.int(4)?.cast_unsigned()),
        received_at: row.int(5)?,
        address: row.text(6)?,
        reason: row.text(7)?,
        finding: row.opt_text(8)?,
        times: row.count(9)?,
        bytes: row.count(10)?,
        kept,
        pictures: pictures.remove(&id).unwrap_or_default(),
    })
}

const PICTURES: &str = "SELECT i.quarantine_id, i.part, i.sha256, i.md5, i.size, i.content_type FROM {keys $1 $2} AS k \
    {step quarantine_images i: {postgres i.park_id = k.park_id AND} i.quarantine_id = k.record_id} ORDER BY i.part";

/// Of the pushes of these rows.
fn pictures(transaction: &mut dyn Transaction, rows: &[Row]) -> Result<HashMap<i64, Vec<Picture>>, StoreError> {
    let column = |index| rows.iter().map(|row| row.int(index)).collect::<Result<Vec<_>, _>>().map(Value::Ints);
    let mut found: HashMap<i64, Vec<Picture>> = HashMap::new();
    for row in transaction.query(PICTURES, &[column(1)?, column(0)?])? {
        found.entry(row.int(0)?).or_default().push(picture(&row)?);
    }
    Ok(found)
}

const PARKS_OF: &str = "SELECT DISTINCT park_id FROM quarantine WHERE id {in $1}";
const REMOVE: &str = "DELETE FROM quarantine WHERE id {in $1} RETURNING park_id, id, bytes";
const REMOVE_PICTURES: &str =
    "DELETE FROM quarantine_images WHERE {postgres park_id {in $1} AND} quarantine_id {in $2}";

pub(crate) fn release(backend: &dyn Backend, ids: &[i64]) -> Result<usize, StoreError> {
    backend.transaction(Access::Write, |transaction| release_some(transaction, ids))
}

fn release_some(transaction: &mut dyn Transaction, ids: &[i64]) -> Result<usize, StoreError> {
    let ids = [Value::Ints(ids.to_vec())];
    // As whoever adds does: first the parks' rows.
    let parks = transaction.query(PARKS_OF, &ids)?;
    let parks = parks.iter().map(|row| row.int(0)).collect::<Result<_, _>>().map(Value::Ints)?;
    let mut used: HashMap<i64, Usage> = HashMap::new();
    for row in transaction.query(LOCK_USE, &[parks])? {
        used.insert(row.int(0)?, usage(&row)?);
    }
    let gone = transaction.query(REMOVE, &ids)?;
    let (mut of_parks, mut removed) = (Vec::with_capacity(gone.len()), Vec::with_capacity(gone.len()));
    for row in &gone {
        let park = row.int(0)?;
        let usage = used.entry(park).or_default();
        *usage = usage.minus(Usage { pushes: 1, bytes: row.count(2)? });
        of_parks.push(park);
        removed.push(row.int(1)?);
    }
    if gone.is_empty() {
        return Ok(0);
    }
    transaction.execute(REMOVE_PICTURES, &[Value::Ints(of_parks), Value::Ints(removed)])?;
    put_use(transaction, used.into_iter())?;
    Ok(gone.len())
}

/// Takes out some pushes of these parks that came before then; how many.
pub(crate) fn release_due(backend: &dyn Backend, parks: &[ParkId], received_before: i64) -> Result<usize, StoreError> {
    let older = "SELECT id FROM quarantine WHERE park_id {in $1} AND received_at < $2 ORDER BY received_at LIMIT $3";
    let parks: Value = parks.iter().map(|park| park.0).collect();
    let values = [parks, received_before.into(), RELEASED_AT_ONCE.into()];
    backend.transaction(Access::Write, |transaction| {
        let rows = transaction.query(older, &values)?;
        let ids = rows.iter().map(|row| row.int(0)).collect::<Result<Vec<_>, _>>()?;
        if ids.is_empty() { Ok(0) } else { release_some(transaction, &ids) }
    })
}

/// Some at a time, so that whoever adds waits for a moment only.
pub(crate) fn release_before(backend: &dyn Backend, received_before: i64) -> Result<usize, StoreError> {
    let older = "SELECT id FROM quarantine WHERE received_at < $1 ORDER BY received_at LIMIT $2";
    let values = [received_before.into(), RELEASED_AT_ONCE.into()];
    let mut released = 0;
    loop {
        let some = backend.transaction(Access::Write, |transaction| {
            let rows = transaction.query(older, &values)?;
            let ids = rows.iter().map(|row| row.int(0)).collect::<Result<Vec<_>, _>>()?;
            if ids.is_empty() { Ok(0) } else { release_some(transaction, &ids) }
        })?;
        if some == 0 {
            return Ok(released);
        }
        released += some;
    }
}
