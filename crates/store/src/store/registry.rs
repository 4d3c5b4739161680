//! Parks and apps: small tables, read whole into memory by every gate.

use std::collections::HashMap;

use parkgate_ledger::ParkId;
use parkgate_ledger::epoch::Epoch;
use parkgate_ledger::retention::{ParkRetention, RetentionKind};
use parkgate_wire::UnixMillis;

use super::record_pages::newest;
use crate::StoreError;
use crate::backend::keys::fence;
use crate::backend::{Access, Backend, Row, Transaction, Value};
use crate::registry::{App, NewApp, NewPark, OldSecret, Park, ParkChange};
use crate::stored::{app_place, opened, park_place};
use parkgate_seal::Seal;

pub(crate) fn version(backend: &dyn Backend) -> Result<i64, StoreError> {
    backend.transaction(Access::Read, version_in)
}

pub(super) fn version_in(transaction: &mut dyn Transaction) -> Result<i64, StoreError> {
    let row = transaction.query_opt("SELECT version FROM registry_version", &[])?;
    row.ok_or_else(|| StoreError::Broken("the registry has no version".into()))?.int(0)
}

/// In the transaction of a change to what gates hold in memory.
pub(super) fn changed(transaction: &mut dyn Transaction) -> Result<(), StoreError> {
    transaction.execute("UPDATE registry_version SET version = version + 1", &[]).map(drop)
}

/// A name that is taken is named.
pub(super) fn named(name: &str) -> impl Fn(StoreError) -> StoreError {
    move |error| match error {
        StoreError::Exists(_) => StoreError::Exists(name.to_owned()),
        error => error,
    }
}

const PARKS: &str = "SELECT id, park_uuid, merchant, name, secret, enabled, strict, http_200_always, \
    total_parking_space, allow, old_secret, old_secret_until, old_secret_used_at, require_sign, refuse_when_full, \
    plates_version, keep FROM parks \
    ORDER BY name, park_uuid";

pub(crate) fn parks(backend: &dyn Backend, seal: &Seal) -> Result<Vec<Park>, StoreError> {
    let (rows, mut epochs) =
        backend.transaction(Access::Read, |transaction| Ok((transaction.query(PARKS, &[])?, epochs(transaction)?)))?;
    rows.iter().map(|row| park(row, seal, &mut epochs)).collect()
}

/// Of every park that has some, the newest first.
pub(super) fn epochs(transaction: &mut dyn Transaction) -> Result<HashMap<i64, Vec<Epoch>>, StoreError> {
    let mut epochs: HashMap<i64, Vec<Epoch>> = HashMap::new();
    let newest_first = "SELECT park_id, id, entered_from FROM park_epochs ORDER BY entered_from DESC";
    for row in transaction.query(newest_first, &[])? {
        let epoch = Epoch { records: ParkId(row.int(1)?), entered_from: UnixMillis(row.int(2)?) };
        epochs.entry(row.int(0)?).or_default().push(epoch);
    }
    Ok(epochs)
}

fn park(row: &Row, seal: &Seal, epochs: &mut HashMap<i64, Vec<Epoch>>) -> Result<Park, StoreError> {
    let (id, park_uuid) = (row.int(0)?, row.text(1)?);
    let place = park_place(&park_uuid);
    let old_secret = match row.opt_blob(10)? {
        None => None,
        Some(sealed) => Some(OldSecret {
            secret: opened(seal, sealed, &place)?,
            until: row.opt_int(11)?.unwrap_or(0),
            used_at: row.opt_int(12)?,
        }),
    };
    Ok(Park {
        id: ParkId(id),
        merchant: row.opt_text(2)?,
        name: row.text(3)?,
        secret: opened(seal, row.blob(4)?, &place)?,
        enabled: row.bool(5)?,
        strict: row.bool(6)?,
        http_200_always: row.bool(7)?,
        total_parking_space: row.opt_int(8)?.and_then(|total| u32::try_from(total).ok()),
        allow: serde_json::from_str(&row.text(9)?).unwrap_or_default(),
        old_secret,
        require_sign: row.bool(13)?,
        refuse_when_full: row.bool(14)?,
        plates_version: row.int(15)?,
        keep: kept(&row.text(16)?)?,
        epochs: epochs.remove(&id).unwrap_or_default(),
        park_uuid,
    })
}

fn kept(text: &str) -> Result<ParkRetention, StoreError> {
    if text.is_empty() {
        return Ok(ParkRetention::default());
    }
    ParkRetention::default().changed(text).map_err(|error| StoreError::Broken(format!("retention: {error}")))
}

/// Notes when pushes last came with a rotated secret; a later time stands.
pub(crate) fn old_secrets_used(backend: &dyn Backend, used: &[(ParkId, i64)]) -> Result<(), StoreError> {
    let parks: Value = used.iter().map(|(park, _)| park.0).collect();
    let times: Value = used.iter().map(|(_, at)| *at).collect();
    backend.transaction(Access::Write, |transaction| {
        transaction.query("SELECT id FROM parks WHERE id {in $1} ORDER BY id {lock}", std::slice::from_ref(&parks))?;
        let note = "UPDATE parks SET old_secret_used_at = n.at FROM {rows $1 bigint park_id, $2 bigint at} AS n \
            WHERE id = n.park_id AND coalesce(old_secret_used_at, 0) < n.at";
        transaction.execute(note, &[parks.clone(), times.clone()])?;
        changed(transaction)
    })
}

pub(crate) fn apps(backend: &dyn Backend, seal: &Seal) -> Result<Vec<App>, StoreError> {
    let apps = "SELECT app_id, secret, api_type, enabled FROM apps ORDER BY app_id";
    let allowed = "SELECT a.app_id, p.park_uuid FROM app_parks a JOIN parks p ON p.id = a.park_id ORDER BY p.park_uuid";
    let (rows, allowed) = backend.transaction(Access::Read, |transaction| {
        Ok((transaction.query(apps, &[])?, transaction.query(allowed, &[])?))
    })?;
    let mut parks: HashMap<String, Vec<String>> = HashMap::new();
    for row in &allowed {
        parks.entry(row.text(0)?).or_default().push(row.text(1)?);
    }
    let app = |row: &Row| {
        let app_id = row.text(0)?;
        Ok(App {
            secret: opened(seal, row.blob(1)?, &app_place(&app_id))?,
            api_type: row.opt_text(2)?,
            enabled: row.bool(3)?,
            parks: parks.remove(&app_id).unwrap_or_default(),
            app_id,
        })
    };
    rows.iter().map(app).collect()
}

pub(super) const ADD_PARK: &str = "INSERT INTO parks (park_uuid, merchant, name, secret, strict, total_parking_space) \
    VALUES ($1, $2, $3, $4, $5, $6)";

/// Of [`ADD_PARK`].
pub(super) fn added_values(seal: &Seal, park: &NewPark) -> Result<Vec<Value>, StoreError> {
    let secret = seal.seal(park.secret.expose().as_bytes(), &park_place(&park.park_uuid))?;
    Ok(vec![
        (&park.park_uuid).into(),
        park.merchant.as_ref().into(),
        (&park.name).into(),
        secret.into(),
        park.strict.into(),
        park.total_parking_space.into(),
    ])
}

pub(crate) fn add_park(backend: &dyn Backend, seal: &Seal, park: &NewPark) -> Result<(), StoreError> {
    let values = added_values(seal, park)?;
    let added = backend.transaction(Access::WriteOnce, |transaction| {
        fence(transaction, seal)?;
        transaction.execute(ADD_PARK, &values)?;
        begin_progress(transaction, std::iter::once(park.park_uuid.as_str()))?;
        changed(transaction)
    });
    added.map_err(named(&park.park_uuid))
}

/// See `retention_progress`.
const BEGIN_PROGRESS: &str = "INSERT INTO retention_progress (park_id, kind, up_to) \
    SELECT id, $2::bigint, $3::bigint FROM parks WHERE park_uuid = $1 ON CONFLICT DO NOTHING";

/// Nothing of new parks was recorded before, so nothing before is to be looked at.
pub(super) fn begin_progress<'a>(
    transaction: &mut dyn Transaction,
    parks: impl Iterator<Item = &'a str>,
) -> Result<(), StoreError> {
    let newest = newest(transaction)?;
    let of_kind = |park: &'a str| {
        RetentionKind::ALL.map(|kind| -> Vec<Value> { vec![park.into(), (kind as i64).into(), newest.into()] })
    };
    let rows: Vec<Vec<Value>> = parks.flat_map(of_kind).collect();
    transaction.execute_each(BEGIN_PROGRESS, &rows).map(drop)
}

pub(super) const CHANGE_PARK: &str = "UPDATE parks SET secret = coalesce($2, secret), name = coalesce($3, name), \
    merchant = nullif(coalesce($4, merchant), ''), enabled = coalesce($5, enabled), strict = coalesce($6, strict), \
    http_200_always = coalesce($7, http_200_always), \
    total_parking_space = nullif(coalesce($8, total_parking_space), 0), allow = coalesce($9, allow), \
    require_sign = coalesce($10, require_sign), refuse_when_full = coalesce($12, refuse_when_full), \
    keep = coalesce($13, keep), \
    old_secret = CASE WHEN $2::bytea IS NULL THEN old_secret ELSE secret END, \
    old_secret_until = CASE WHEN $2::bytea IS NULL THEN old_secret_until ELSE $11 END, \
    old_secret_used_at = CASE WHEN $2::bytea IS NULL THEN old_secret_used_at END \
    WHERE park_uuid = $1";

/// Of [`CHANGE_PARK`].
pub(super) fn change_values(seal: &Seal, park_uuid: &str, change: &ParkChange) -> Result<Vec<Value>, StoreError> {
    let place = park_place(park_uuid);
    let secret = change.secret.as_ref().map(|secret| seal.seal(secret.expose().as_bytes(), &place)).transpose()?;
    let allow = change.allow.as_ref().map(|allow| serde_json::to_string(allow).unwrap_or_default());
    Ok(vec![
        park_uuid.into(),
        secret.into(),
        change.name.as_ref().into(),
        change.merchant.as_ref().into(),
        change.enabled.into(),
        change.strict.into(),
        change.http_200_always.into(),
        change.total_parking_space.into(),
        allow.into(),
        change.require_sign.into(),
        change.old_secret_until.into(),
        change.refuse_when_full.into(),
        change.keep.map(|keep| keep.to_string()).into(),
    ])
}

pub(crate) fn change_park(
    backend: &dyn Backend,
    seal: &Seal,
    park_uuid: &str,
    change: &ParkChange,
) -> Result<bool, StoreError> {
    let values = change_values(seal, park_uuid, change)?;
    let done = backend.transaction(Access::WriteOnce, |transaction| {
        fence(transaction, seal)?;
        let is_known = transaction.changes(CHANGE_PARK, &values)?;
        changed(transaction)?;
        Ok(is_known)
    });
    done.map_err(named(change.merchant.as_deref().unwrap_or(park_uuid)))
}

/// The keys of parks by their names.
///
/// # Errors
/// [`StoreError::Broken`] names one that is not there.
pub(super) fn park_keys(transaction: &mut dyn Transaction, names: &[String]) -> Result<Vec<i64>, StoreError> {
    let find = "SELECT id FROM parks WHERE park_uuid = $1";
    let mut keys = Vec::with_capacity(names.len());
    for park_uuid in names {
        let row = transaction.query_opt(find, &[park_uuid.into()])?;
        keys.push(row.ok_or_else(|| StoreError::Broken(format!("there is no park {park_uuid}")))?.int(0)?);
    }
    Ok(keys)
}

pub(super) const ADD_APP: &str = "INSERT INTO apps (app_id, secret, api_type) VALUES ($1, $2, $3)";
pub(super) const ADD_APP_PARK: &str = "INSERT INTO app_parks (app_id, park_id) VALUES ($1, $2) ON CONFLICT DO NOTHING";

pub(crate) fn add_app(backend: &dyn Backend, seal: &Seal, app: &NewApp) -> Result<(), StoreError> {
    let secret = seal.seal(app.secret.expose().as_bytes(), &app_place(&app.app_id))?;
    let values: [Value; 3] = [(&app.app_id).into(), secret.into(), app.api_type.as_ref().into()];
    let added = backend.transaction(Access::WriteOnce, |transaction| {
        fence(transaction, seal)?;
        transaction.execute(ADD_APP, &values)?;
        for key in park_keys(transaction, &app.parks)? {
            transaction.execute(ADD_APP_PARK, &[(&app.app_id).into(), key.into()])?;
        }
        changed(transaction)
    });
    added.map_err(named(&app.app_id))
}

pub(crate) fn disable_app(backend: &dyn Backend, app_id: &str) -> Result<bool, StoreError> {
    backend.transaction(Access::Write, |transaction| {
        let is_known = transaction.changes("UPDATE apps SET enabled = false WHERE app_id = $1", &[app_id.into()])?;
        changed(transaction)?;
        Ok(is_known)
    })
}

pub(super) const SET_LOCATION: &str = "UPDATE parks SET location = $2 WHERE park_uuid = $1";

pub(crate) fn set_location(backend: &dyn Backend, park_uuid: &str, location: Option<&str>) -> Result<bool, StoreError> {
    backend.transaction(Access::Write, |transaction| {
        transaction.changes(SET_LOCATION, &[park_uuid.into(), location.into()])
    })
}
