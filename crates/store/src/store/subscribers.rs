//! Subscribers, and where a compared platform answered otherwise.

use std::collections::HashMap;

use parkgate_wire::{KindSet, PushKind, Secret};

use super::registry::{changed, named, park_keys};
use crate::StoreError;
use crate::backend::keys::fence;
use crate::backend::{Access, Backend, Row, Value};
use crate::delivery::{
    Backlog, DIFFERENCES_MAX, Difference, Format, NewSubscriber, REMOVED_AT_ONCE, Subscriber, SubscriberSettings,
};
use crate::stored::{kind_code, kind_of, opened, subscriber_place};
use parkgate_seal::Seal;

/// Kinds that stand in a column each, from this one on, in the order of [`PushKind::ALL`].
pub(super) fn kinds(row: &Row, first: usize) -> Result<KindSet, StoreError> {
    let mut wanted = Vec::new();
    for (column, kind) in (first..).zip(PushKind::ALL) {
        if row.bool(column)? {
            wanted.push(kind);
        }
    }
    Ok(KindSet::of(wanted))
}

pub(crate) fn subscribers(backend: &dyn Backend, seal: &Seal) -> Result<Vec<Subscriber>, StoreError> {
    let all = "SELECT id, name, settings, secret, all_parks, paused, delivered, delivered_at, enters, leaves, releases, updates \
        FROM subscribers ORDER BY name";
    let of_parks = "SELECT s.subscriber_id, p.park_uuid FROM subscriber_parks s JOIN parks p ON p.id = s.park_id \
        ORDER BY p.park_uuid";
    let (rows, of_parks) = backend.transaction(Access::Read, |transaction| {
        Ok((transaction.query(all, &[])?, transaction.query(of_parks, &[])?))
    })?;
    let mut parks: HashMap<i64, Vec<String>> = HashMap::new();
    for row in &of_parks {
        parks.entry(row.int(0)?).or_default().push(row.text(1)?);
    }
    let subscriber = |row: &Row| {
        let (id, name) = (row.int(0)?, row.text(1)?);
        let settings = serde_json::from_str(&row.text(2)?);
        Ok(Subscriber {
            id,
            registered: NewSubscriber {
                settings: settings.map_err(|error| StoreError::Broken(format!("subscriber {name}: {error}")))?,
                secret: opened(seal, row.blob(3)?, &subscriber_place(&name))?,
                parks: if row.bool(4)? { None } else { Some(parks.remove(&id).unwrap_or_default()) },
                kinds: kinds(row, 8)?,
                name,
            },
            paused: row.bool(5)?,
            delivered: row.count(6)?,
            delivered_at: row.opt_int(7)?,
        })
    };
    rows.iter().map(subscriber).collect()
}

fn settings_text(settings: &SubscriberSettings) -> Result<String, StoreError> {
    serde_json::to_string(settings).map_err(|error| StoreError::Broken(error.to_string()))
}

pub(crate) fn add(backend: &dyn Backend, seal: &Seal, subscriber: &NewSubscriber) -> Result<(), StoreError> {
    let name = &subscriber.name;
    let secret = seal.seal(subscriber.secret.expose().as_bytes(), &subscriber_place(name))?;
    let mut values: Vec<Value> = vec![
        name.into(),
        settings_text(&subscriber.settings)?.into(),
        secret.into(),
        subscriber.parks.is_none().into(),
        (subscriber.settings.format == Format::Relay).into(),
    ];
    values.extend(PushKind::ALL.map(|kind| subscriber.kinds.has(kind).into()));
    let add = "INSERT INTO subscribers (name, settings, secret, all_parks, relays, enters, leaves, releases, updates) \
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) RETURNING id";
    let added = backend.transaction(Access::WriteOnce, |transaction| {
        fence(transaction, seal)?;
        let id = transaction.query_opt(add, &values)?.map_or(Ok(0), |row| row.int(0))?;
        let of_park = "INSERT INTO subscriber_parks (subscriber_id, park_id) VALUES ($1, $2) ON CONFLICT DO NOTHING";
        for key in park_keys(transaction, subscriber.parks.as_deref().unwrap_or_default())? {
            transaction.execute(of_park, &[id.into(), key.into()])?;
        }
        changed(transaction)
    });
    added.map_err(named(name))
}

pub(crate) fn change(
    backend: &dyn Backend,
    seal: &Seal,
    name: &str,
    settings: &SubscriberSettings,
    secret: Option<&Secret>,
    kinds: Option<KindSet>,
) -> Result<bool, StoreError> {
    let place = subscriber_place(name);
    let secret = secret.map(|secret| seal.seal(secret.expose().as_bytes(), &place)).transpose()?;
    let mut values: Vec<Value> = vec![name.into(), settings_text(settings)?.into(), secret.into()];
    values.extend(PushKind::ALL.map(|kind| kinds.map(|kinds| kinds.has(kind)).into()));
    let put = "UPDATE subscribers SET settings = $2, secret = coalesce($3, secret), enters = coalesce($4, enters), \
        leaves = coalesce($5, leaves), releases = coalesce($6, releases), updates = coalesce($7, updates) WHERE name = $1";
    backend.transaction(Access::Write, |transaction| {
        fence(transaction, seal)?;
        let is_known = transaction.changes(put, &values)?;
        changed(transaction)?;
        Ok(is_known)
    })
}

pub(crate) fn key_of(backend: &dyn Backend, name: &str) -> Result<Option<i64>, StoreError> {
    backend.transaction(Access::Read, |transaction| {
        let row = transaction.query_opt("SELECT id FROM subscribers WHERE name = $1", &[name.into()])?;
        row.map(|row| row.int(0)).transpose()
    })
}

/// Some of what waits for it at a time, so that nobody waits for all of it to go.
const REMOVE_SOME: &str = "DELETE FROM deliveries WHERE subscriber_id = $1 AND record_id IN (SELECT record_id \
    FROM deliveries WHERE subscriber_id = $1 LIMIT $2)";

pub(crate) fn remove(backend: &dyn Backend, name: &str) -> Result<bool, StoreError> {
    let Some(id) = key_of(backend, name)? else { return Ok(false) };
    let some: [Value; 2] = [id.into(), REMOVED_AT_ONCE.into()];
    while backend.transaction(Access::Write, |transaction| transaction.execute(REMOVE_SOME, &some))?
        >= REMOVED_AT_ONCE.unsigned_abs()
    {}
    backend.transaction(Access::Write, |transaction| {
        for table in ["subscriber_parks", "deliveries", "differences", "passed_calls"] {
            transaction.execute(&format!("DELETE FROM {table} WHERE subscriber_id = $1"), &[id.into()])?;
        }
        let is_known = transaction.changes("DELETE FROM subscribers WHERE id = $1", &[id.into()])?;
        changed(transaction)?;
        Ok(is_known)
    })
}

/// What waits of each, counted no further than `count_max`.
pub(crate) fn backlog(backend: &dyn Backend, count_max: u64) -> Result<Vec<Backlog>, StoreError> {
    let counted = |state: &str| {
        format!(
            "(SELECT count(*) FROM (SELECT 1 FROM deliveries WHERE subscriber_id = s.id AND {state} LIMIT $1) AS counted)"
        )
    };
    let oldest = "(SELECT min(since) FROM (SELECT since FROM deliveries WHERE subscriber_id = s.id AND NOT dead \
        ORDER BY next_at, record_id LIMIT $1) AS looked_at)";
    let sql = format!("SELECT s.id, {}, {}, {oldest} FROM subscribers s", counted("NOT dead"), counted("dead"));
    let max = Value::Int(i64::try_from(count_max).unwrap_or(i64::MAX));
    let rows =
        backend.transaction(Access::ReadLong, |transaction| transaction.query(&sql, std::slice::from_ref(&max)))?;
    let backlog = |row: &Row| {
        Ok(Backlog { subscriber: row.int(0)?, pending: row.count(1)?, dead: row.count(2)?, oldest: row.opt_int(3)? })
    };
    rows.iter().map(backlog).collect()
}

pub(crate) fn add_difference(backend: &dyn Backend, difference: &Difference) -> Result<(), StoreError> {
    let Difference { subscriber, park_uuid, kind, parking_serial, at, ours, theirs } = difference;
    let values: [Value; 7] = [
        (*subscriber).into(),
        park_uuid.into(),
        kind_code(*kind).into(),
        parking_serial.into(),
        (*at).into(),
        ours.into(),
        theirs.into(),
    ];
    backend.transaction(Access::Write, |transaction| {
        let add = "INSERT INTO differences (subscriber_id, park_uuid, kind, parking_serial, at, ours, theirs) \
            VALUES ($1, $2, $3, $4, $5, $6, $7)";
        transaction.execute(add, &values)?;
        let old = "DELETE FROM differences WHERE subscriber_id = $1 AND id <= (SELECT id FROM differences \
            WHERE subscriber_id = $1 ORDER BY id DESC LIMIT 1 OFFSET $2)";
        transaction.execute(old, &[(*subscriber).into(), DIFFERENCES_MAX.into()]).map(drop)
    })
}

pub(crate) fn differences(backend: &dyn Backend, subscriber: i64, limit: usize) -> Result<Vec<Difference>, StoreError> {
    let newest = "SELECT park_uuid, kind, parking_serial, at, ours, theirs FROM differences WHERE subscriber_id = $1 \
        ORDER BY id DESC LIMIT $2";
    let values = [subscriber.into(), Value::limit(limit)];
    let rows = backend.transaction(Access::ReadLong, |transaction| transaction.query(newest, &values))?;
    let difference = |row: &Row| {
        Ok(Difference {
            subscriber,
            park_uuid: row.text(0)?,
            kind: kind_of(row.int(1)?),
            parking_serial: row.text(2)?,
            at: row.int(3)?,
            ours: row.text(4)?,
            theirs: row.text(5)?,
        })
    };
    rows.iter().map(difference).collect()
}
