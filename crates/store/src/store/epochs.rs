//! Epochs: a park's serials that start anew.

use std::collections::HashMap;

use parkgate_ledger::epoch::{
    AboutStay, CONFLICTS_LOOKED_AT, ConflictPair, Epoch, EpochMove, Misplaced, RelatedRecord, SerialReuse,
    detect_restart, key_before, move_records, next_key, records_key, records_key_about,
};
use parkgate_ledger::{ParkId, RecordId};
use parkgate_wire::{Digest, PushKind, UnixMillis};

use super::conflicts::{beside, forget_beside};
use super::record_pages::{KEYS_OF_PARK, first_since};
use super::records::keys_of;
use super::recount::lock_parks;
use super::registry::{changed, epochs};
use crate::StoreError;
use crate::backend::keys::fence;
use crate::backend::{Access, Backend, Row, Transaction, Value};
use crate::stored::{kind_of, listed_in, object, original_place, personal_place};
use parkgate_seal::Seal;

/// By the newest of each epoch, so that no more is read however many there are.
const NEWEST_CONFLICTS: &str = "SELECT c.id, c.enter_time, c.plate, s.enter_time, s.plate \
    FROM records c {sqlite INDEXED BY records_conflicts_by_park} \
    JOIN records s ON {postgres s.park_id = c.park_id AND} s.id = c.conflict_with \
    WHERE c.conflict_with IS NOT NULL AND c.park_id = $1 ORDER BY c.id DESC LIMIT $2";

/// Did this park's serials start anew?
pub(crate) fn serial_reuse(backend: &dyn Backend, park_uuid: &str) -> Result<Option<SerialReuse>, StoreError> {
    let keys = format!("SELECT n.id FROM {KEYS_OF_PARK} AS n");
    let mut newest = backend.transaction(Access::Read, |transaction| {
        let mut newest = Vec::new();
        for key in transaction.query(&keys, &[park_uuid.into()])? {
            let values = [key.int(0)?.into(), Value::limit(CONFLICTS_LOOKED_AT)];
            for row in transaction.query(NEWEST_CONFLICTS, &values)? {
                newest.push((row.int(0)?, conflict_pair(&row)?));
            }
        }
        Ok(newest)
    })?;
    newest.sort_unstable_by_key(|(id, _)| std::cmp::Reverse(*id));
    let newest: Vec<ConflictPair> = newest.into_iter().map(|(_, pair)| pair).collect();
    Ok(detect_restart(&newest))
}

/// The keys that have conflicts: each is found after the one before, without those between.
const IN_CONFLICT: &str = "WITH RECURSIVE k (id) AS (\
    SELECT (SELECT min(park_id) FROM records {sqlite INDEXED BY records_conflicts_by_park} WHERE conflict_with IS NOT NULL) UNION ALL \
    SELECT (SELECT min(r.park_id) FROM records r {sqlite INDEXED BY records_conflicts_by_park} WHERE r.conflict_with IS NOT NULL AND r.park_id > k.id) \
    FROM k WHERE k.id IS NOT NULL) SELECT id FROM k WHERE id IS NOT NULL";
/// The newest of each of these keys, as [`NEWEST_CONFLICTS`] has them of one.
const NEWEST_OF_EACH: &str = "SELECT c.id, c.enter_time, c.plate, s.enter_time, s.plate, c.park_id FROM \
    {postgres UNNEST($1::bigint[]) AS k (id) CROSS JOIN LATERAL (SELECT * FROM records r WHERE r.conflict_with IS NOT NULL \
    AND r.park_id = k.id ORDER BY r.id DESC LIMIT $2) AS c}\
    {sqlite (SELECT value AS id FROM json_each($1)) AS k CROSS JOIN records c ON c.id IN (SELECT r.id FROM records r \
    INDEXED BY records_conflicts_by_park WHERE r.conflict_with IS NOT NULL AND r.park_id = k.id ORDER BY r.id DESC LIMIT $2)} \
    {step records s: {postgres s.park_id = c.park_id AND} s.id = c.conflict_with} WHERE true ORDER BY c.id DESC";

/// The newest conflicts of every key, the newest first, with their numbers.
pub(super) fn newest_conflicts(
    transaction: &mut dyn Transaction,
) -> Result<HashMap<ParkId, Vec<(i64, ConflictPair)>>, StoreError> {
    let keys = transaction.query(IN_CONFLICT, &[])?;
    let keys: Value = keys.iter().map(|row| row.int(0)).collect::<Result<Vec<_>, _>>().map(Value::Ints)?;
    let mut newest: HashMap<ParkId, Vec<(i64, ConflictPair)>> = HashMap::new();
    for row in transaction.query(NEWEST_OF_EACH, &[keys, Value::limit(CONFLICTS_LOOKED_AT)])? {
        newest.entry(ParkId(row.int(5)?)).or_default().push((row.int(0)?, conflict_pair(&row)?));
    }
    Ok(newest)
}

fn conflict_pair(row: &Row) -> Result<ConflictPair, StoreError> {
    Ok(ConflictPair {
        ignored_entered: UnixMillis(row.int(1)?),
        ignored_plate: row.opt_text(2)?,
        standing_entered: UnixMillis(row.int(3)?),
        standing_plate: row.opt_text(4)?,
    })
}

/// Every epoch of a park, and the highest key that any park's epoch has.
fn known_epochs(transaction: &mut dyn Transaction, park: ParkId) -> Result<(Vec<Epoch>, Option<ParkId>), StoreError> {
    let mut all = epochs(transaction)?;
    let highest = all.values().flatten().map(|epoch| epoch.records).max();
    Ok((all.remove(&park.0).unwrap_or_default(), highest))
}

const ADD: &str = "INSERT INTO park_epochs (id, park_id, entered_from) VALUES ($1, $2, $3)";
/// The newest count goes on.
const COPY_SPACE: &str = "INSERT INTO spaces (park_id, total, remain, as_of, later, latest_counted) \
    SELECT $1::bigint, total, remain, as_of, later, latest_counted FROM spaces WHERE park_id = $2";

/// What is gone of its records is gone of those that go over, too.
const COPY_PROGRESS: &str = "INSERT INTO retention_progress (park_id, kind, up_to) \
    SELECT $1::bigint, kind, up_to FROM retention_progress WHERE park_id = $2";

/// Begins a new epoch. Whoever records for the park meanwhile has committed before it begins, or sees it.
pub(crate) fn begin(backend: &dyn Backend, park: ParkId, entered_from: UnixMillis) -> Result<Epoch, StoreError> {
    backend.transaction(Access::WriteOnce, |transaction| {
        // First, so that epochs begin one after the other.
        changed(transaction)?;
        let (known, highest) = known_epochs(transaction, park)?;
        let records = next_key(highest);
        let before = key_before(park, &known, records);
        lock_parks(transaction, std::iter::once(park.0).chain(known.iter().map(|epoch| epoch.records.0)).collect())?;
        transaction.execute(ADD, &[records.0.into(), park.0.into(), entered_from.0.into()])?;
        transaction.execute(COPY_SPACE, &[records.0.into(), before.0.into()])?;
        transaction.execute(COPY_PROGRESS, &[records.0.into(), before.0.into()])?;
        Ok(Epoch { records, entered_from })
    })
}

/// A record of the new epoch under the old one, as it stands there.
struct MisplacedRecord {
    misplaced: Misplaced,
    serial: String,
    kind: PushKind,
    personal: Option<Vec<u8>>,
    original: Option<Vec<u8>>,
    params: String,
    /// Of a release and an update: it goes with its stay.
    is_about_stay: bool,
    enter_time: UnixMillis,
    event_time: UnixMillis,
}

impl MisplacedRecord {
    /// Is it of the new epoch? `related` are the halves of the stay that it is about.
    fn is_of(&self, epoch: &Epoch, before: ParkId, related: &[(ParkId, RelatedRecord)]) -> bool {
        let (epochs, digest) = (std::slice::from_ref(epoch), self.misplaced.digest);
        let about = AboutStay { enter_time: self.enter_time, event_time: self.event_time, digest };
        let key = if self.is_about_stay {
            records_key_about(before, epochs, about, related)
        } else {
            records_key(before, epochs, self.enter_time)
        };
        key == epoch.records
    }
}

const COLUMNS: &str = "r.id, {serial r}, r.kind, r.digest, r.conflict_with, r.personal, r.original, r.params, s.id, s.digest, \
    r.visit_serial IS NOT NULL, r.enter_time, r.event_time";
const TAKEN_BY: &str = "LEFT JOIN records s ON s.park_id = $3 AND s.parking_serial = r.parking_serial \
    AND s.kind = r.kind AND s.conflict_with IS NULL";
const STANDING: &str = "WHERE r.park_id = $1 AND r.id >= $2 AND (r.enter_time >= $4 OR r.visit_serial IS NOT NULL) \
    AND r.conflict_with IS NULL";
/// Of releases and updates, the enter and the leave of their serial.
const HALVES: &str = "FROM {keys $1 $2} AS k \
    {step records r: {postgres r.park_id = k.park_id AND} r.id = k.record_id} \
    {step records h: h.park_id = $3 AND h.parking_serial = r.visit_serial AND h.visit_serial IS NULL \
    AND h.conflict_with IS NULL}";
const IGNORED_HALVES: &str = "{step records c: {postgres c.park_id = h.park_id AND c.parking_serial = h.parking_serial AND} c.conflict_with = h.id}";
const IGNORED: &str = "FROM {keys $1 $2} AS k \
    {step records m: {postgres m.park_id = k.park_id AND} m.id = k.record_id} \
    {step records r: {postgres r.park_id = m.park_id AND r.parking_serial = m.parking_serial AND} r.conflict_with = m.id}";

/// Those of the new epoch under the old one, and what was ignored for them, in the order they came.
fn misplaced(
    transaction: &mut dyn Transaction,
    before: ParkId,
    epoch: &Epoch,
) -> Result<Vec<MisplacedRecord>, StoreError> {
    let from = first_since(transaction, epoch.entered_from.0)?;
    let values = [before.0.into(), from.into(), epoch.records.0.into(), epoch.entered_from.0.into()];
    let standing = format!("SELECT {COLUMNS} FROM records r {TAKEN_BY} {STANDING}");
    let rows = transaction.query(&standing, &values)?;
    let mut found = rows.iter().map(self::found).collect::<Result<Vec<_>, _>>()?;
    let halves = halves(transaction, before, epoch, &found)?;
    found.retain(|one| {
        let related = halves.get(&one.misplaced.record.0).map(Vec::as_slice);
        one.is_of(epoch, before, related.unwrap_or_default())
    });
    let keys: Vec<(ParkId, i64)> = found.iter().map(|one| (before, one.misplaced.record.0)).collect();
    if !keys.is_empty() {
        let [parks, records] = keys_of(&keys);
        let ignored = format!("SELECT {COLUMNS} {IGNORED} {TAKEN_BY}");
        for row in &transaction.query(&ignored, &[parks, records, epoch.records.0.into()])? {
            found.push(self::found(row)?);
        }
    }
    found.sort_unstable_by_key(|one| one.misplaced.record.0);
    Ok(found)
}

/// By release or update, the halves of its serial and the epoch that each of them is of from now on.
fn halves(
    transaction: &mut dyn Transaction,
    before: ParkId,
    epoch: &Epoch,
    found: &[MisplacedRecord],
) -> Result<HashMap<i64, Vec<(ParkId, RelatedRecord)>>, StoreError> {
    let about = found.iter().filter(|one| one.is_about_stay);
    let keys: Vec<(ParkId, i64)> = about.map(|one| (before, one.misplaced.record.0)).collect();
    let mut halves: HashMap<i64, Vec<(ParkId, RelatedRecord)>> = HashMap::new();
    if keys.is_empty() {
        return Ok(halves);
    }
    let standing = format!("SELECT r.id, h.park_id, h.enter_time {HALVES}");
    // What was ignored for another vehicle's serial is recorded in the new epoch next.
    let ignored = format!("SELECT r.id, c.park_id, c.enter_time {HALVES} {IGNORED_HALVES}");
    for (sql, key) in [(&standing, before), (&ignored, before), (&standing, epoch.records)] {
        let [parks, records] = keys_of(&keys);
        for row in transaction.query(sql, &[parks, records, key.0.into()])? {
            let (stands, entered) = (ParkId(row.int(1)?), UnixMillis(row.int(2)?));
            let key = if entered >= epoch.entered_from { epoch.records } else { stands };
            halves.entry(row.int(0)?).or_default().push((key, RelatedRecord::Half(entered)));
        }
    }
    Ok(halves)
}

fn found(row: &Row) -> Result<MisplacedRecord, StoreError> {
    let taken_by = match row.opt_int(8)? {
        None => None,
        Some(other) => Some((RecordId(other), Digest(row.bytes(9)?))),
    };
    Ok(MisplacedRecord {
        misplaced: Misplaced {
            record: RecordId(row.int(0)?),
            digest: Digest(row.bytes(3)?),
            conflict_with: row.opt_int(4)?.map(RecordId),
            taken_by,
        },
        serial: row.text(1)?,
        kind: kind_of(row.int(2)?),
        personal: row.opt_blob(5)?.map(<[u8]>::to_vec),
        original: row.opt_blob(6)?.map(<[u8]>::to_vec),
        params: row.text(7)?,
        is_about_stay: row.bool(10)?,
        enter_time: UnixMillis(row.int(11)?),
        event_time: UnixMillis(row.int(12)?),
    })
}

/// Records that came before the epoch began go over to it.
pub(crate) fn settle(backend: &dyn Backend, seal: &Seal, park: ParkId, epoch: &Epoch) -> Result<(), StoreError> {
    backend.transaction(Access::Write, |transaction| {
        fence(transaction, seal)?;
        let (known, _) = known_epochs(transaction, park)?;
        let before = key_before(park, &known, epoch.records);
        lock_parks(transaction, [before.0, epoch.records.0].into_iter().collect())?;
        let found = misplaced(transaction, before, epoch)?;
        let misplaced: Vec<Misplaced> = found.iter().map(|one| one.misplaced).collect();
        let moves = move_records(&misplaced);
        let (mut moved, mut unpaid, mut repeated) = (Vec::new(), Vec::new(), Vec::new());
        for (one, becomes) in found.iter().zip(moves) {
            match becomes {
                EpochMove::Stands => moved.push((one, None)),
                // What is ignored pays nothing.
                EpochMove::Conflict(with) => {
                    moved.push((one, Some(with)));
                    unpaid.push(one);
                }
                EpochMove::Repeated => {
                    repeated.push((before, one.misplaced.record.0));
                    unpaid.push(one);
                }
            }
        }
        payments(transaction, FORGET_PAYMENTS, &unpaid, before, None)?;
        move_all(transaction, seal, &moved, before, epoch.records)?;
        forget_beside(transaction, &repeated)?;
        let gone = "DELETE FROM records WHERE {postgres park_id {in $1} AND} id {in $2}";
        transaction.execute(gone, &keys_of(&repeated)).map(drop)
    })
}

const MOVE: &str = "UPDATE records SET park_id = $1, personal = $2, original = $3, conflict_with = $4, \
    counted = CASE WHEN $4::bigint IS NULL THEN counted END WHERE park_id = $5 AND id = $6";

fn move_all(
    transaction: &mut dyn Transaction,
    seal: &Seal,
    moved: &[(&MisplacedRecord, Option<RecordId>)],
    from: ParkId,
    to: ParkId,
) -> Result<(), StoreError> {
    let (mut rows, mut keys) = (Vec::with_capacity(moved.len()), Vec::with_capacity(moved.len()));
    for (one, conflict_with) in moved {
        let anew = |sealed: &Option<Vec<u8>>, place: fn(ParkId, &str, PushKind) -> String| {
            let Some(sealed) = sealed else { return Ok::<_, StoreError>(None) };
            let plain = seal.open(sealed, &place(from, &one.serial, one.kind))?;
            Ok(Some(seal.seal(&plain, &place(to, &one.serial, one.kind))?))
        };
        let record = one.misplaced.record.0;
        rows.push(vec![
            to.0.into(),
            anew(&one.personal, personal_place)?.into(),
            anew(&one.original, original_place)?.into(),
            conflict_with.map(|with| with.0).into(),
            from.0.into(),
            record.into(),
        ]);
        keys.push((from, record));
    }
    transaction.execute_each(MOVE, &rows)?;
    let standing: Vec<&MisplacedRecord> =
        moved.iter().filter(|(_, with)| with.is_none()).map(|(one, _)| *one).collect();
    payments(transaction, MOVE_PAYMENTS, &standing, from, Some(to))?;
    if keys.is_empty() {
        return Ok(());
    }
    let [parks, records] = keys_of(&keys);
    let deliveries = format!("UPDATE deliveries SET park_id = $3 WHERE {}", beside("deliveries"));
    transaction.execute(&deliveries, &[parks.clone(), records.clone(), to.0.into()])?;
    transaction.query(MOVE_IMAGES, &[parks, records, to.0.into()]).map(drop)
}

/// SQLite's name no park: nothing is to be done.
const MOVE_IMAGES: &str = "{postgres UPDATE images SET park_id = $3 WHERE park_id {in $1} AND record_id {in $2}}\
    {sqlite SELECT 1 WHERE false AND $1 IS $2 AND $3}";

/// An order that is taken in the new epoch, too, stays where it is.
const MOVE_PAYMENTS: &str = "UPDATE payments AS p SET park_id = $5 WHERE p.parking_order {in $1} AND p.park_id = $2 \
    AND p.pay_type {in $3} AND p.record_id {in $4} AND NOT EXISTS (SELECT 1 FROM payments o \
    WHERE o.parking_order = p.parking_order AND o.park_id = $5 AND o.pay_type = p.pay_type)";
const FORGET_PAYMENTS: &str = "DELETE FROM payments WHERE parking_order {in $1} AND park_id = $2 \
    AND pay_type {in $3} AND record_id {in $4}";

/// Payments are found by their orders, which the records name: no index holds them by record.
fn payments(
    transaction: &mut dyn Transaction,
    sql: &str,
    of: &[&MisplacedRecord],
    park: ParkId,
    to: Option<ParkId>,
) -> Result<(), StoreError> {
    let (mut orders, mut pay_types, mut records) = (Vec::new(), Vec::new(), Vec::new());
    for one in of {
        for listed in listed_in(&object(one.params.as_bytes())?)? {
            orders.push(listed.order);
            pay_types.push(listed.pay_type);
            records.push(one.misplaced.record.0);
        }
    }
    if orders.is_empty() {
        return Ok(());
    }
    pay_types.sort_unstable();
    pay_types.dedup();
    let mut values = vec![Value::Keys(orders), park.0.into(), Value::Keys(pay_types), Value::Ints(records)];
    values.extend(to.map(|to| Value::Int(to.0)));
    transaction.execute(sql, &values).map(drop)
}
