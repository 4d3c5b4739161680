//! Parks and apps.

use parkgate_ledger::ParkId;
use rusqlite::{Connection, OptionalExtension, TransactionBehavior, params};

use super::moving;
use crate::StoreError;
use crate::registry::{App, Epoch, NewApp, NewPark, OldSecret, Park, ParkChange};
use crate::seal::Seal;
use crate::stored::{KEY_PLACE, KEY_PROOF, app_place, opened, park_place};

pub(super) fn version(connection: &Connection) -> Result<i64, StoreError> {
    Ok(connection.prepare_cached("SELECT version FROM registry_version")?.query_row([], |row| row.get(0))?)
}

/// Refuses a master key that is not this database's; the first one to come is.
pub(super) fn prove_key(connection: &mut Connection, seal: &Seal) -> Result<(), StoreError> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let proof: Option<Vec<u8>> =
        transaction.query_row("SELECT proof FROM master_key", [], |row| row.get(0)).optional()?;
    match proof {
        Some(proof) => drop(seal.open(&proof, KEY_PLACE)?),
        None => {
            transaction.execute("INSERT INTO master_key VALUES (?1)", [seal.seal(KEY_PROOF, KEY_PLACE)?])?;
        }
    }
    Ok(transaction.commit()?)
}

/// Takes the write lock and gives it back.
pub(super) fn probe(connection: &mut Connection) -> Result<(), StoreError> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    moving::refuse_moved(&transaction)?;
    Ok(transaction.rollback()?)
}

pub(super) fn parks(connection: &Connection, seal: &Seal) -> Result<Vec<Park>, StoreError> {
    let mut statement = connection.prepare_cached(
        "SELECT id, park_uuid, merchant, name, secret, enabled, strict, http_200_always, total_parking_space, allow, \
         old_secret, old_secret_until, old_secret_used_at, require_sign FROM parks ORDER BY name, park_uuid",
    )?;
    let mut rows = statement.query([])?;
    let mut parks = Vec::new();
    while let Some(row) = rows.next()? {
        let park_uuid: String = row.get(1)?;
        let allow: String = row.get(9)?;
        let id = ParkId(row.get(0)?);
        let old_secret = match row.get::<_, Option<Vec<u8>>>(10)? {
            None => None,
            Some(sealed) => Some(OldSecret {
                secret: opened(seal, &sealed, &park_place(&park_uuid))?,
                until: row.get::<_, Option<i64>>(11)?.unwrap_or(0),
                used_at: row.get(12)?,
            }),
        };
        parks.push(Park {
            id,
            old_secret,
            require_sign: row.get(13)?,
            epochs: epochs(connection, id)?,
            secret: opened(seal, &row.get::<_, Vec<u8>>(4)?, &park_place(&park_uuid))?,
            park_uuid,
            merchant: row.get(2)?,
            name: row.get(3)?,
            enabled: row.get(5)?,
            strict: row.get(6)?,
            http_200_always: row.get(7)?,
            total_parking_space: row.get(8)?,
            allow: serde_json::from_str(&allow).unwrap_or_default(),
        });
    }
    Ok(parks)
}

/// The newest first.
fn epochs(connection: &Connection, park: ParkId) -> Result<Vec<Epoch>, StoreError> {
    let mut statement = connection
        .prepare_cached("SELECT id, entered_from FROM park_epochs WHERE park_id = ?1 ORDER BY entered_from DESC")?;
    let rows = statement.query_map([park.0], |row| {
        Ok(Epoch { records: ParkId(row.get(0)?), entered_from: parkgate_wire::UnixMillis(row.get(1)?) })
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}

pub(super) fn old_secrets_used(connection: &Connection, used: &[(ParkId, i64)]) -> Result<(), StoreError> {
    let mut note = connection.prepare_cached("UPDATE parks SET old_secret_used_at = ?2 WHERE id = ?1")?;
    for (park, at) in used {
        note.execute(params![park.0, at])?;
    }
    Ok(())
}

pub(super) fn apps(connection: &Connection, seal: &Seal) -> Result<Vec<App>, StoreError> {
    let mut allowed = connection.prepare_cached(
        "SELECT park_uuid FROM app_parks JOIN parks ON parks.id = park_id WHERE app_id = ?1 ORDER BY park_uuid",
    )?;
    let mut statement =
        connection.prepare_cached("SELECT app_id, secret, api_type, enabled FROM apps ORDER BY app_id")?;
    let mut rows = statement.query([])?;
    let mut apps = Vec::new();
    while let Some(row) = rows.next()? {
        let app_id: String = row.get(0)?;
        apps.push(App {
            secret: opened(seal, &row.get::<_, Vec<u8>>(1)?, &app_place(&app_id))?,
            api_type: row.get(2)?,
            enabled: row.get(3)?,
            parks: allowed.query_map([&app_id], |row| row.get(0))?.collect::<Result<_, _>>()?,
            app_id,
        });
    }
    Ok(apps)
}

pub(super) fn add_park(connection: &Connection, seal: &Seal, park: &NewPark) -> Result<(), StoreError> {
    let secret = seal.seal(park.secret.expose().as_bytes(), &park_place(&park.park_uuid))?;
    connection.execute(
        "INSERT INTO parks (park_uuid, merchant, name, secret, strict, total_parking_space) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        params![park.park_uuid, park.merchant, park.name, secret, park.strict, park.total_parking_space],
    )
    .map_err(|error| taken(error, &park.park_uuid))?;
    Ok(())
}

pub(super) fn change_park(
    connection: &mut Connection,
    seal: &Seal,
    park_uuid: &str,
    change: &ParkChange,
) -> Result<bool, StoreError> {
    let secret = match &change.secret {
        None => None,
        Some(secret) => Some(seal.seal(secret.expose().as_bytes(), &park_place(park_uuid))?),
    };
    let allow = change.allow.as_ref().map(|allow| serde_json::to_string(allow).unwrap_or_default());
    let changed = connection
        .execute(
            "UPDATE parks SET secret = coalesce(?2, secret), name = coalesce(?3, name), \
             merchant = nullif(coalesce(?4, merchant), ''), enabled = coalesce(?5, enabled), strict = coalesce(?6, strict), \
             http_200_always = coalesce(?7, http_200_always), \
             total_parking_space = nullif(coalesce(?8, total_parking_space), 0), allow = coalesce(?9, allow), \
             require_sign = coalesce(?10, require_sign), \
             old_secret = CASE WHEN ?2 IS NULL THEN old_secret ELSE secret END, \
             old_secret_until = CASE WHEN ?2 IS NULL THEN old_secret_until ELSE ?11 END, \
             old_secret_used_at = CASE WHEN ?2 IS NULL THEN old_secret_used_at END \
             WHERE park_uuid = ?1",
            params![
                park_uuid,
                secret,
                change.name,
                change.merchant,
                change.enabled,
                change.strict,
                change.http_200_always,
                change.total_parking_space,
                allow,
                change.require_sign,
                change.old_secret_until,
            ],
        )
        .map_err(|error| taken(error, change.merchant.as_deref().unwrap_or(park_uuid)))?;
    Ok(changed > 0)
}

pub(super) fn add_app(connection: &mut Connection, seal: &Seal, app: &NewApp) -> Result<(), StoreError> {
    let secret = seal.seal(app.secret.expose().as_bytes(), &app_place(&app.app_id))?;
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    transaction
        .execute(
            "INSERT INTO apps (app_id, secret, api_type) VALUES (?1, ?2, ?3)",
            params![app.app_id, secret, app.api_type],
        )
        .map_err(|error| taken(error, &app.app_id))?;
    for park_uuid in &app.parks {
        let park: Option<i64> = transaction
            .query_row("SELECT id FROM parks WHERE park_uuid = ?1", [park_uuid], |row| row.get(0))
            .optional()?;
        let park = park.ok_or_else(|| StoreError::Broken(format!("there is no park {park_uuid}")))?;
        transaction.execute(
            "INSERT INTO app_parks (app_id, park_id) VALUES (?1, ?2) ON CONFLICT DO NOTHING",
            params![app.app_id, park],
        )?;
    }
    transaction.commit()?;
    Ok(())
}

pub(super) fn disable_app(connection: &Connection, app_id: &str) -> Result<bool, StoreError> {
    Ok(connection.execute("UPDATE apps SET enabled = 0 WHERE app_id = ?1", [app_id])? > 0)
}

fn taken(error: rusqlite::Error, name: &str) -> StoreError {
    let is_taken = error.sqlite_error().is_some_and(|code| {
        matches!(
            code.extended_code,
            rusqlite::ffi::SQLITE_CONSTRAINT_UNIQUE | rusqlite::ffi::SQLITE_CONSTRAINT_PRIMARYKEY
        )
    });
    if is_taken { StoreError::Exists(name.to_owned()) } else { error.into() }
}
