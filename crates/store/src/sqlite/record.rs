//! The writer: load what a batch touches, let the ledger decide, write, commit.

use std::path::Path;

use parkgate_ledger::fanout::NewDelivery;
use parkgate_ledger::{
    Arrival, Decision, Keys, Loaded, ParkCounts, ParkId, ParkKey, ParkSpace, PushActivity, RecordId, RecordKey,
    RecordRef, Snapshot, Space, SpaceEvent, StandingRecord, StandingRecords, Verdict, counts_as_of, decide, touches_in,
};
use parkgate_wire::{Digest, Seqno, UnixMillis};
use rusqlite::{Connection, OptionalExtension, Row, params};

use super::transaction::SqliteTransaction;
use super::{ConnectionRole, connect, migrate};
use crate::backend::{KeyHolder, StoreKeys};
use crate::store::batch::{RelatedRecords, Routing, arrivals};
use crate::stored::{
    StoredKeys, key_digest, kind_code, kind_of, left_by_update, orders_text, refused_orders, sealed_original,
    sealed_personal,
};
use crate::{Entry, StoreError};

/// The one connection that writes.
pub(super) struct Writer {
    connection: Connection,
    routing: Routing,
}

const STANDING: &str = "SELECT kind, id, digest, seqno, refused_orders FROM records \
    WHERE parking_serial = ?1 AND park_id = ?2 AND conflict_with IS NULL";
/// The update that counts that the vehicle of this serial left, and whether there is any such update at all.
const LEFT_BY_UPDATE: &str = "SELECT id, event_time, received_at, params FROM records INDEXED BY records_left_by_update \
    WHERE visit_serial = ?1 AND park_id = ?2 AND conflict_with IS NULL AND counted IS NOT NULL";
const ANY_LEFT_BY_UPDATE: &str = "SELECT 1 FROM records INDEXED BY records_left_by_update \
    WHERE visit_serial IS NOT NULL AND counted IS NOT NULL LIMIT 1";
const CONFLICTS: &str = "SELECT digest, seqno FROM records WHERE conflict_with = ?1 ORDER BY id";
const ORDER: &str = "SELECT 1 FROM payments WHERE parking_order = ?1 AND park_id = ?2 AND pay_type = ?3";
const SPACE: &str =
    "SELECT total, remain, as_of, later, latest_counted, last_push_at, day, day_pushes FROM spaces WHERE park_id = ?1";
/// Records of this many following numbers are a run: what was counted is found by the run and then by the park, so that a
/// batch touches few pages of that index, and a late report reads its own park's events only, of the runs since.
const RUN_BITS: u32 = 9;
/// With some that count as of an earlier time than theirs: the ledger decides. Runs that were summed up and hold nothing so
/// late are left out; those after them are found one by one.
const COUNTED: &str = "WITH RECURSIVE tail (run) AS (SELECT (SELECT coalesce(max(run), -1) FROM counted_runs) \
    UNION ALL SELECT (SELECT id >> 9 FROM records WHERE counted IS NOT NULL AND id >> 9 > run ORDER BY id >> 9 LIMIT 1) \
    FROM tail WHERE run IS NOT NULL), \
    runs (run) AS (SELECT run + 0 FROM counted_runs WHERE latest > ?1 \
    UNION ALL SELECT run FROM (SELECT run FROM tail LIMIT -1 OFFSET 1)) \
    SELECT r.event_time, r.received_at, r.counted FROM runs n CROSS JOIN records r INDEXED BY records_counted \
    ON r.id >> 9 = n.run AND r.park_id = ?2 AND r.event_time > ?1 WHERE r.counted IS NOT NULL";
/// Sums up the runs before this one that were not yet.
const SUM_UP_RUNS: &str = "INSERT INTO counted_runs SELECT id >> 9, max(event_time) FROM records WHERE counted IS NOT NULL \
    AND id >> 9 > (SELECT coalesce(max(run), -1) FROM counted_runs) AND id >> 9 < ?1 GROUP BY id >> 9";
const NEXT_ID: &str = "SELECT coalesce(max(id), 0) + 1 FROM records";
const ADD_RECORD: &str = "INSERT INTO records (id, park_id, kind, parking_serial, enter_time, event_time, counted, plate, \
    digest, seqno, received_at, variant, conflict_with, refused_orders, params, personal, original, visit_serial) \
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18)";
const ADD_PAYMENT: &str = "INSERT INTO payments (parking_order, park_id, pay_type, record_id, position, value, \
    free_value, change_value, pay_time) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)";
const ADD_IMAGE: &str =
    "INSERT INTO images (record_id, name, sha256, md5, size, content_type) VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
const ADD_DELIVERY: &str = "INSERT INTO deliveries (subscriber_id, record_id, park_id, next_at, since) \
    VALUES (?1, ?2, ?3, ?4, ?5)";
const VERSION: &str = "SELECT version FROM registry_version";
const PUT_SPACE: &str = "INSERT INTO spaces (park_id, total, remain, as_of, later, latest_counted, last_push_at, day, \
    day_pushes) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9) ON CONFLICT (park_id) DO UPDATE SET total = excluded.total, \
    remain = excluded.remain, as_of = excluded.as_of, later = excluded.later, latest_counted = excluded.latest_counted, \
    last_push_at = excluded.last_push_at, day = excluded.day, day_pushes = excluded.day_pushes";

impl Writer {
    pub(super) fn open(path: &Path) -> Result<Writer, StoreError> {
        let mut connection = connect(path, ConnectionRole::Writer)?;
        migrate::migrate(&mut connection)?;
        Ok(Writer { connection, routing: Routing::default() })
    }

    pub(super) fn connection(&mut self) -> &mut Connection {
        &mut self.connection
    }

    /// No transaction is open, or it could be undone.
    pub(super) fn is_idle(&self) -> bool {
        self.connection.is_autocommit() || self.connection.execute_batch("ROLLBACK").is_ok()
    }

    pub(super) fn close(self) -> Result<(), StoreError> {
        self.connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))?;
        self.connection.close().map_err(|(_, error)| error.into())
    }

    /// One durable transaction for the whole batch. After an error it may still be open.
    pub(super) fn record(&mut self, batch: &[Entry], keys: &KeyHolder) -> Result<Vec<Verdict>, StoreError> {
        self.connection.prepare_cached("BEGIN IMMEDIATE")?.execute([])?;
        let version = self.connection.prepare_cached(VERSION)?.query_row([], |row| row.get(0))?;
        if !self.routing.is_of(version) {
            keys.load(&mut SqliteTransaction(&self.connection))?;
            self.routing = Routing::load(&mut SqliteTransaction(&self.connection))?;
        }
        // Of this version of the registry: who changes the key changes that.
        let store_keys = keys.current();
        let looked_up = self.routing.looked_up(batch);
        let related = if looked_up.is_empty() {
            RelatedRecords::default()
        } else {
            let digest = |text: &str| key_digest(&store_keys.content_key, text);
            RelatedRecords::load(&mut SqliteTransaction(&self.connection), &looked_up, batch, digest)?
        };
        let moved = self.routing.moved(batch, related);
        let arrivals = arrivals(batch, &moved);
        let keys = touches_in(&arrivals, |park| self.routing.keeps_digests(park));
        let digest =
            |park, text: &str| self.routing.keeps_digests(park).then(|| key_digest(&store_keys.content_key, text));
        let loaded = load(&self.connection, &arrivals, &keys, &digest)?;
        let decision = decide(&arrivals, &keys, loaded);
        let deliveries = self.routing.deliveries(batch, &arrivals, &decision);
        BatchWriter { connection: &self.connection, entries: batch, arrivals: &arrivals, keys: &store_keys }
            .write(&decision, &deliveries)?;
        self.connection.prepare_cached("COMMIT")?.execute([])?;
        Ok(decision.verdicts)
    }
}

/// A batch that is written.
struct BatchWriter<'a> {
    connection: &'a Connection,
    entries: &'a [Entry],
    arrivals: &'a [&'a Arrival],
    keys: &'a StoreKeys,
}

impl BatchWriter<'_> {
    fn write(&self, decision: &Decision, deliveries: &[(usize, NewDelivery)]) -> Result<(), StoreError> {
        let first_id = self.connection.prepare_cached(NEXT_ID)?.query_row([], |row| row.get::<_, i64>(0))?;
        let id_of = |record: RecordRef| match record {
            RecordRef::Stored(RecordId(id)) => id,
            RecordRef::New(index) => first_id + index as i64,
        };
        if !decision.withdrawn.is_empty() {
            let mut withdraw = self.connection.prepare_cached("UPDATE records SET counted = NULL WHERE id = ?1")?;
            for (_, RecordId(id)) in &decision.withdrawn {
                withdraw.execute([id])?;
            }
        }
        self.add_records(decision, id_of)?;
        self.add_payments(decision, id_of)?;
        self.add_deliveries(decision, deliveries, id_of)?;
        let (first_run, run) = (first_id >> RUN_BITS, (first_id + decision.records.len() as i64) >> RUN_BITS);
        if run > first_run {
            self.connection.prepare_cached(SUM_UP_RUNS)?.execute([run])?;
        }
        put_spaces(self.connection, &decision.parks)
    }

    fn add_records(&self, decision: &Decision, id_of: impl Fn(RecordRef) -> i64) -> Result<(), StoreError> {
        let mut add_record = self.connection.prepare_cached(ADD_RECORD)?;
        let mut add_image = self.connection.prepare_cached(ADD_IMAGE)?;
        for (index, record) in decision.records.iter().enumerate() {
            let (Some(entry), Some(arrival)) = (self.entries.get(record.arrival), self.arrivals.get(record.arrival))
            else {
                continue;
            };
            let id = id_of(RecordRef::New(index));
            let under = StoredKeys::of(arrival, record, &self.keys.content_key);
            add_record.execute(params![
                id,
                arrival.park.0,
                kind_code(arrival.kind),
                under.key,
                arrival.enter_time.0,
                arrival.event_time.0,
                record.counted,
                entry.plate,
                arrival.digest.0,
                arrival.seqno.0 as i64,
                arrival.received_at.0,
                entry.variant,
                record.conflict_with.map(&id_of),
                orders_text(&record.refused_orders),
                entry.params,
                sealed_personal(&self.keys.seal, entry, arrival, &under.serial)?,
                sealed_original(&self.keys.seal, entry, arrival, &under.serial)?,
                under.visit_serial(),
            ])?;
            for (name, picture) in &entry.pictures {
                let size = i64::try_from(picture.size).unwrap_or(i64::MAX);
                add_image.execute(params![id, name, picture.key.0, picture.md5.0, size, picture.content_type])?;
            }
        }
        Ok(())
    }

    fn add_payments(&self, decision: &Decision, id_of: impl Fn(RecordRef) -> i64) -> Result<(), StoreError> {
        let mut add_payment = self.connection.prepare_cached(ADD_PAYMENT)?;
        for payment in &decision.payments {
            let arrival = decision.records.get(payment.record).and_then(|record| self.arrivals.get(record.arrival));
            let Some((arrival, paid)) = arrival.and_then(|a| Some((a, a.payments.get(payment.position)?))) else {
                continue;
            };
            let fen = |amount: Option<parkgate_wire::Fen>| amount.map(|fen| fen.0 as i64);
            add_payment.execute(params![
                paid.parking_order,
                arrival.park.0,
                paid.pay_type,
                id_of(RecordRef::New(payment.record)),
                payment.position as i64,
                fen(paid.value),
                fen(paid.free_value),
                fen(paid.change_value),
                paid.pay_time.map(|time| time.0),
            ])?;
        }
        Ok(())
    }

    fn add_deliveries(
        &self,
        decision: &Decision,
        deliveries: &[(usize, NewDelivery)],
        id_of: impl Fn(RecordRef) -> i64,
    ) -> Result<(), StoreError> {
        if deliveries.is_empty() {
            return Ok(());
        }
        let mut add = self.connection.prepare_cached(ADD_DELIVERY)?;
        for (index, delivery) in deliveries {
            let arrival = decision.records.get(*index).and_then(|record| self.arrivals.get(record.arrival));
            let Some(arrival) = arrival else { continue };
            let id = id_of(RecordRef::New(*index));
            let (subscriber, next_at, since) = (delivery.subscriber.0, delivery.next_at.0, delivery.since.0);
            add.execute(params![subscriber, id, arrival.park.0, next_at, since])?;
        }
        Ok(())
    }
}

/// The digest that a key or an order may be redacted to, in parks where any is.
type KeyDigest<'a> = dyn Fn(ParkId, &str) -> Option<String> + 'a;

fn load(
    connection: &Connection,
    arrivals: &[&Arrival],
    keys: &Keys<'_>,
    digest: &KeyDigest<'_>,
) -> Result<Loaded, StoreError> {
    let mut loaded = Loaded::default();
    let mut standing = connection.prepare_cached(STANDING)?;
    for key in &keys.records {
        loaded.records.push(load_standing(&mut standing, key, digest)?);
    }
    if connection.prepare_cached(ANY_LEFT_BY_UPDATE)?.exists([])? {
        load_left_by_update(connection, keys, &mut loaded, digest)?;
    }
    if keys.needs_conflicts(arrivals, &loaded) {
        for standing in &mut loaded.records {
            load_conflicts(connection, standing)?;
        }
    }
    let mut order = connection.prepare_cached(ORDER)?;
    for key in &keys.orders {
        let mut is_taken = |order_no: &str| order.exists(params![order_no, key.park.0, key.pay_type]);
        let redacted = || digest(key.park, key.parking_order);
        loaded.orders.push(is_taken(key.parking_order)? || redacted().map_or(Ok(false), |digest| is_taken(&digest))?);
    }
    for key in &keys.parks {
        loaded.parks.push(load_space(connection, key)?);
    }
    Ok(loaded)
}

fn load_standing(
    standing: &mut rusqlite::CachedStatement<'_>,
    key: &RecordKey<'_>,
    digest: &KeyDigest<'_>,
) -> Result<StandingRecords, StoreError> {
    let mut found = StandingRecords::default();
    load_under(standing, key.park, key.key, &mut found)?;
    if let Some(digest) = digest(key.park, key.key) {
        found.by_digest = load_under(standing, key.park, &digest, &mut found)?;
    }
    Ok(found)
}

/// Did anything stand there?
fn load_under(
    standing: &mut rusqlite::CachedStatement<'_>,
    park: ParkId,
    key: &str,
    found: &mut StandingRecords,
) -> Result<bool, StoreError> {
    let mut any = false;
    let mut rows = standing.query(params![key, park.0])?;
    while let Some(row) = rows.next()? {
        let id: i64 = row.get(1)?;
        let refused: Option<String> = row.get(4)?;
        let record = StandingRecord {
            record: RecordRef::Stored(RecordId(id)),
            digest: Digest(row.get(2)?),
            seqno: seqno(row, 3)?,
            refused_orders: refused_orders(refused.as_deref()),
            conflicts: Vec::new(),
        };
        found.set(kind_of(row.get(0)?), record);
        any = true;
    }
    Ok(any)
}

fn load_left_by_update(
    connection: &Connection,
    keys: &Keys<'_>,
    loaded: &mut Loaded,
    digest: &KeyDigest<'_>,
) -> Result<(), StoreError> {
    let mut left = connection.prepare_cached(LEFT_BY_UPDATE)?;
    for (key, found) in keys.records.iter().zip(&mut loaded.records) {
        for serial in [Some(key.key.to_owned()), digest(key.park, key.key)].into_iter().flatten() {
            let mut rows = left.query(params![serial, key.park.0])?;
            if let Some(row) = rows.next()? {
                let params: String = row.get(3)?;
                found.left_by_update = Some(left_by_update(row.get(0)?, row.get(1)?, row.get(2)?, &params)?);
            }
        }
    }
    Ok(())
}

fn load_conflicts(connection: &Connection, standing: &mut StandingRecords) -> Result<(), StoreError> {
    for record in standing.iter_mut() {
        let RecordRef::Stored(RecordId(id)) = record.record else { continue };
        let mut conflicts = connection.prepare_cached(CONFLICTS)?;
        let conflicts = conflicts.query_map([id], |row| Ok((Digest(row.get(0)?), seqno(row, 1)?)))?;
        record.conflicts = conflicts.collect::<Result<_, _>>()?;
    }
    Ok(())
}

/// Kept bit by bit: SQLite's integers are signed.
fn seqno(row: &Row<'_>, column: usize) -> rusqlite::Result<Seqno> {
    Ok(Seqno(row.get::<_, i64>(column)? as u64))
}

fn load_space(connection: &Connection, key: &ParkKey) -> Result<ParkSpace, StoreError> {
    let (space, activity) = counts(connection, key.park)?;
    let mut later_events = Vec::new();
    if let Some(after) = key.needs_events_after(&space) {
        let mut counted = connection.prepare_cached(COUNTED)?;
        let events = counted.query_map(params![after.0, key.park.0], |row| {
            let as_of = counts_as_of(UnixMillis(row.get(0)?), UnixMillis(row.get(1)?));
            Ok(SpaceEvent { as_of, delta: row.get(2)? })
        })?;
        later_events = events.collect::<Result<_, _>>()?;
    }
    Ok(ParkSpace { space, activity, later_events })
}

fn counts(connection: &Connection, park: ParkId) -> Result<(Space, PushActivity), StoreError> {
    let found = connection
        .prepare_cached(SPACE)?
        .query_row([park.0], |row| {
            let as_of: Option<i64> = row.get(2)?;
            let snapshot = match as_of {
                None => None,
                Some(as_of) => Some(Snapshot { as_of: UnixMillis(as_of), total: row.get(0)?, remain: row.get(1)? }),
            };
            let latest: Option<i64> = row.get(4)?;
            let last_push_at = row.get::<_, Option<i64>>(5)?.map(UnixMillis);
            let day_pushes: Option<i64> = row.get(7)?;
            let activity = PushActivity { last_push_at, day: row.get(6)?, day_pushes: day_pushes.unwrap_or(0) };
            Ok((Space { snapshot, later: row.get(3)?, latest_counted: latest.map(UnixMillis) }, activity))
        })
        .optional()?;
    Ok(found.unwrap_or_default())
}

fn put_spaces(connection: &Connection, parks: &[ParkCounts]) -> Result<(), StoreError> {
    let mut put = connection.prepare_cached(PUT_SPACE)?;
    for ParkCounts { park, space, activity } in parks {
        let snapshot = space.snapshot;
        put.execute(params![
            park.0,
            snapshot.map(|snapshot| snapshot.total),
            snapshot.map(|snapshot| snapshot.remain),
            snapshot.map(|snapshot| snapshot.as_of.0),
            space.later,
            space.latest_counted.map(|time| time.0),
            activity.last_push_at.map(|time| time.0),
            activity.day,
            activity.day_pushes,
        ])?;
    }
    Ok(())
}
