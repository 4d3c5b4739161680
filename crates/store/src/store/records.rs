//! Records as they are read back, with their personal fields and pictures.

use std::collections::{HashMap, HashSet};

use parkgate_ledger::{ParkId, PushActivity, Snapshot, Space};
use parkgate_wire::{Md5Hash, Seqno, UnixMillis};

use super::identity::refuse_moved;
use crate::StoreError;
use crate::backend::{Access, Backend, Row, Transaction, Value};
use crate::images::ImageKey;
use crate::images::Picture;
use crate::query::RecordView;
use crate::stored::{StoredRecord, kind_of, object, personal_place};
use parkgate_seal::Seal;

/// Read by [`record`].
pub(super) const COLUMNS: &str = "r.id, r.kind, r.enter_time, r.event_time, r.plate, r.seqno, r.received_at, \
    r.variant, r.params, r.personal, r.park_id, r.redacted";
/// How many these are.
pub(super) const COLUMN_COUNT: usize = 12;

/// A record of a serial, its pictures not yet with it.
pub(super) fn record(row: &Row, seal: &Seal, parking_serial: &str) -> Result<StoredRecord, StoreError> {
    let mut found = unopened(row)?;
    if let Some(sealed) = row.opt_blob(9)? {
        let plain = seal.open(sealed, &personal_place(ParkId(row.int(10)?), parking_serial, found.view.kind))?;
        found.view.params.extend(object(&plain)?);
    }
    Ok(found)
}

/// The same without its personal fields, which stay sealed.
pub(super) fn unopened(row: &Row) -> Result<StoredRecord, StoreError> {
    Ok(StoredRecord {
        id: row.int(0)?,
        enter_time: UnixMillis(row.int(2)?),
        event_time: UnixMillis(row.int(3)?),
        plate: row.opt_text(4)?,
        view: RecordView {
            kind: kind_of(row.int(1)?),
            seqno: Seqno(row.int(5)?.cast_unsigned()),
            received_at: row.int(6)?,
            variant: u8::try_from(row.int(7)?).unwrap_or_default(),
            params: object(row.text(8)?.as_bytes())?,
            pictures: Vec::new(),
            is_redacted: row.opt_int(11)?.is_some(),
        },
    })
}

/// Records' keys as the columns of `{keys $1 $2}`.
pub(super) fn keys_of(keys: &[(ParkId, i64)]) -> [Value; 2] {
    [keys.iter().map(|(park, _)| park.0).collect(), keys.iter().map(|(_, record)| *record).collect()]
}

const PICTURES: &str = "SELECT i.record_id, i.name, i.sha256, i.md5, i.size, i.content_type \
    FROM {keys $1 $2} AS k \
    {step images i: {postgres i.park_id = k.park_id AND} i.record_id = k.record_id} ORDER BY i.name";

/// The pictures of records, by their keys.
pub(super) fn pictures(
    transaction: &mut dyn Transaction,
    keys: &[(ParkId, i64)],
) -> Result<HashMap<i64, Vec<Picture>>, StoreError> {
    let mut found: HashMap<i64, Vec<Picture>> = HashMap::new();
    if keys.is_empty() {
        return Ok(found);
    }
    for row in transaction.query(PICTURES, &keys_of(keys))? {
        found.entry(row.int(0)?).or_default().push(picture(&row)?);
    }
    Ok(found)
}

/// Of the columns after the first: name, sha256, md5, size and content type.
pub(super) fn picture(row: &Row) -> Result<Picture, StoreError> {
    Ok(Picture {
        name: row.text(1)?,
        key: ImageKey(row.bytes(2)?),
        md5: Md5Hash(row.bytes(3)?),
        size: row.count(4)?,
        content_type: row.text(5)?,
    })
}

/// The counts of parks, by their keys.
pub(super) fn spaces(transaction: &mut dyn Transaction, parks: Value) -> Result<HashMap<i64, Space>, StoreError> {
    let sql = "SELECT park_id, total, remain, as_of, later, latest_counted FROM spaces WHERE park_id {in $1}";
    let mut spaces = HashMap::new();
    for row in transaction.query(sql, &[parks])? {
        spaces.insert(row.int(0)?, space(&row)?);
    }
    Ok(spaces)
}

/// Of the columns after the first: total, remain, as_of, later and latest_counted.
pub(super) fn space(row: &Row) -> Result<Space, StoreError> {
    let count = |column| Ok::<_, StoreError>(u32::try_from(row.opt_int(column)?.unwrap_or(0)).unwrap_or(u32::MAX));
    let snapshot = match row.opt_int(3)? {
        None => None,
        Some(as_of) => Some(Snapshot { as_of: UnixMillis(as_of), total: count(1)?, remain: count(2)? }),
    };
    Ok(Space { snapshot, later: row.int(4)?, latest_counted: row.opt_int(5)?.map(UnixMillis) })
}

/// Of the columns last_push_at, day and day_pushes after these.
pub(super) fn activity(row: &Row) -> Result<PushActivity, StoreError> {
    Ok(PushActivity {
        last_push_at: row.opt_int(6)?.map(UnixMillis),
        day: row.opt_int(7)?,
        day_pushes: row.opt_int(8)?.unwrap_or(0),
    })
}

/// The count of a park's newest epoch.
pub(crate) fn space_of(backend: &dyn Backend, park: ParkId) -> Result<Space, StoreError> {
    let found = backend.transaction(Access::Read, |transaction| spaces(transaction, [park.0].into_iter().collect()))?;
    Ok(found.get(&park.0).copied().unwrap_or_default())
}

const PUT_SPACE: &str = "INSERT INTO spaces (park_id, total, remain, as_of, later, latest_counted) \
    VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (park_id) DO UPDATE SET total = excluded.total, remain = excluded.remain, \
    as_of = excluded.as_of, later = excluded.later, latest_counted = excluded.latest_counted";

/// Writes a count that was made anew.
pub(super) fn put_space(transaction: &mut dyn Transaction, park: ParkId, space: Space) -> Result<(), StoreError> {
    let snapshot = space.snapshot;
    let values: [Value; 6] = [
        park.0.into(),
        snapshot.map(|snapshot| snapshot.total).into(),
        snapshot.map(|snapshot| snapshot.remain).into(),
        snapshot.map(|snapshot| snapshot.as_of.0).into(),
        space.later.into(),
        space.latest_counted.map(|time| time.0).into(),
    ];
    transaction.execute(PUT_SPACE, &values).map(drop)
}

/// Which of these pictures does any record, conflict or push in quarantine keep?
pub(crate) fn keeps_images(backend: &dyn Backend, keys: &[ImageKey]) -> Result<HashSet<ImageKey>, StoreError> {
    backend.transaction(Access::Read, |transaction| {
        refuse_moved(transaction)?;
        named_images(transaction, keys)
    })
}

/// The same of a store that may have moved.
pub(super) fn names_images(backend: &dyn Backend, keys: &[ImageKey]) -> Result<HashSet<ImageKey>, StoreError> {
    backend.transaction(Access::Read, |transaction| named_images(transaction, keys))
}

fn named_images(transaction: &mut dyn Transaction, keys: &[ImageKey]) -> Result<HashSet<ImageKey>, StoreError> {
    // In one statement: a replay takes a picture from one table to the other.
    let sql = "SELECT sha256 FROM images WHERE sha256 {in blobs $1} \
        UNION SELECT sha256 FROM quarantine_images WHERE sha256 {in blobs $1}";
    let asked = [Value::Blobs(keys.iter().map(|key| key.0.to_vec()).collect())];
    transaction.query(sql, &asked)?.iter().map(|row| Ok(ImageKey(row.bytes(0)?))).collect()
}
