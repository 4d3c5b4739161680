//! Records as they are read back, with their personal fields and pictures.

use std::collections::HashMap;

use parkgate_ledger::{ParkId, Snapshot, Space};
use parkgate_wire::{Md5Hash, Seqno, UnixMillis};

use crate::StoreError;
use crate::backend::{Row, Transaction, Value};
use crate::images::ImageKey;
use crate::query::{Picture, RecordView};
use crate::stored::{Found, kind_of, object, personal_place};
use parkgate_seal::Seal;

/// Read by [`record`].
pub(super) const COLUMNS: &str = "r.id, r.kind, r.enter_time, r.event_time, r.plate, r.seqno, r.received_at, \
    r.variant, r.params, r.personal, r.park_id";
/// How many these are.
pub(super) const COLUMN_COUNT: usize = 11;

/// A record of a serial, its pictures not yet with it.
pub(super) fn record(row: &Row, seal: &Seal, parking_serial: &str) -> Result<Found, StoreError> {
    let kind = kind_of(row.int(1)?);
    let mut params = object(row.text(8)?.as_bytes())?;
    if let Some(sealed) = row.opt_blob(9)? {
        let plain = seal.open(sealed, &personal_place(ParkId(row.int(10)?), parking_serial, kind))?;
        params.extend(object(&plain)?);
    }
    Ok(Found {
        id: row.int(0)?,
        enter_time: UnixMillis(row.int(2)?),
        event_time: UnixMillis(row.int(3)?),
        plate: row.opt_text(4)?,
        view: RecordView {
            kind,
            seqno: Seqno(row.int(5)?.cast_unsigned()),
            received_at: row.int(6)?,
            variant: u8::try_from(row.int(7)?).unwrap_or_default(),
            params,
            pictures: Vec::new(),
        },
    })
}

const PICTURES: &str = "SELECT i.record_id, i.name, i.sha256, i.md5, i.size, i.content_type \
    FROM {rows $1 bigint park_id, $2 bigint record_id} AS k \
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
    let values = [keys.iter().map(|(park, _)| park.0).collect(), keys.iter().map(|(_, record)| *record).collect()];
    for row in transaction.query(PICTURES, &values)? {
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

fn space(row: &Row) -> Result<Space, StoreError> {
    let count = |column| Ok::<_, StoreError>(u32::try_from(row.opt_int(column)?.unwrap_or(0)).unwrap_or(u32::MAX));
    let snapshot = match row.opt_int(3)? {
        None => None,
        Some(as_of) => Some(Snapshot { as_of: UnixMillis(as_of), total: count(1)?, remain: count(2)? }),
    };
    Ok(Space { snapshot, later: row.int(4)?, latest_counted: row.opt_int(5)?.map(UnixMillis) })
}
