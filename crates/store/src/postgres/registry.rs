//! Parks and apps.

use std::collections::HashMap;

use parkgate_ledger::ParkId;
use parkgate_wire::UnixMillis;
use tokio_postgres::Row;

use super::link::{Fault, Link, taken};
use super::{migrate, moving};
use crate::StoreError;
use crate::registry::{App, Epoch, NewApp, NewPark, OldSecret, Park, ParkChange};
use crate::seal::Seal;
use crate::stored::{app_place, opened, park_place};

pub(super) async fn version(link: &Link) -> Result<i64, Fault> {
    let row = link.query_opt("SELECT version FROM registry_version", &[]).await?;
    Ok(row.ok_or_else(|| StoreError::Broken("the registry has no version".into()))?.try_get(0)?)
}

/// In the transaction of a change to what the registry holds.
pub(super) async fn changed(link: &Link) -> Result<(), Fault> {
    link.execute("UPDATE registry_version SET version = version + 1", &[]).await?;
    Ok(())
}

/// Writes, commits, and so waits for what every answer waits for.
pub(super) async fn probe(link: &Link) -> Result<(), Fault> {
    migrate::fits(link).await?;
    moving::refuse_moved(link).await?;
    link.begin().await?;
    link.execute("UPDATE registry_version SET version = version", &[]).await?;
    link.commit().await
}

pub(super) async fn parks(link: &Link, seal: &Seal) -> Result<Vec<Park>, Fault> {
    let mut epochs: HashMap<i64, Vec<Epoch>> = HashMap::new();
    let newest_first = "SELECT park_id, id, entered_from FROM park_epochs ORDER BY entered_from DESC";
    for row in link.query(newest_first, &[]).await? {
        let epoch = Epoch { records: ParkId(row.try_get(1)?), entered_from: UnixMillis(row.try_get(2)?) };
        epochs.entry(row.try_get(0)?).or_default().push(epoch);
    }
    let rows = link
        .query(
            "SELECT id, park_uuid, merchant, name, secret, enabled, strict, http_200_always, total_parking_space, allow, \
             old_secret, old_secret_until, old_secret_used_at, require_sign FROM parks ORDER BY name, park_uuid",
            &[],
        )
        .await?;
    rows.iter().map(|row| park(row, seal, &mut epochs)).collect()
}

fn park(row: &Row, seal: &Seal, epochs: &mut HashMap<i64, Vec<Epoch>>) -> Result<Park, Fault> {
    let park_uuid: String = row.try_get(1)?;
    let place = park_place(&park_uuid);
    let old_secret = match row.try_get::<_, Option<&[u8]>>(10)? {
        None => None,
        Some(sealed) => Some(OldSecret {
            secret: opened(seal, sealed, &place)?,
            until: row.try_get::<_, Option<i64>>(11)?.unwrap_or(0),
            used_at: row.try_get(12)?,
        }),
    };
    let id: i64 = row.try_get(0)?;
    let allow: &str = row.try_get(9)?;
    let total: Option<i64> = row.try_get(8)?;
    Ok(Park {
        id: ParkId(id),
        secret: opened(seal, row.try_get(4)?, &place)?,
        merchant: row.try_get(2)?,
        name: row.try_get(3)?,
        enabled: row.try_get(5)?,
        strict: row.try_get(6)?,
        http_200_always: row.try_get(7)?,
        total_parking_space: total.and_then(|total| u32::try_from(total).ok()),
        allow: serde_json::from_str(allow).unwrap_or_default(),
        old_secret,
        require_sign: row.try_get(13)?,
        epochs: epochs.remove(&id).unwrap_or_default(),
        park_uuid,
    })
}

pub(super) async fn old_secrets_used(link: &Link, used: &[(ParkId, i64)]) -> Result<(), Fault> {
    let parks: Vec<i64> = used.iter().map(|(park, _)| park.0).collect();
    let times: Vec<i64> = used.iter().map(|(_, at)| *at).collect();
    link.begin().await?;
    link.query("SELECT id FROM parks WHERE id = ANY($1) ORDER BY id FOR UPDATE", &[&parks]).await?;
    link.execute(
        "UPDATE parks SET old_secret_used_at = greatest(old_secret_used_at, n.at) \
         FROM UNNEST($1::bigint[], $2::bigint[]) AS n (park_id, at) WHERE id = n.park_id",
        &[&parks, &times],
    )
    .await?;
    changed(link).await?;
    link.commit().await
}

pub(super) async fn apps(link: &Link, seal: &Seal) -> Result<Vec<App>, Fault> {
    let rows = link
        .query(
            "SELECT app_id, secret, api_type, enabled, ARRAY(SELECT p.park_uuid FROM app_parks a \
             JOIN parks p ON p.id = a.park_id WHERE a.app_id = apps.app_id ORDER BY p.park_uuid) FROM apps ORDER BY app_id",
            &[],
        )
        .await?;
    let read = |row: &Row| -> Result<App, Fault> {
        let app_id: String = row.try_get(0)?;
        Ok(App {
            secret: opened(seal, row.try_get(1)?, &app_place(&app_id))?,
            api_type: row.try_get(2)?,
            enabled: row.try_get(3)?,
            parks: row.try_get(4)?,
            app_id,
        })
    };
    rows.iter().map(read).collect()
}

pub(super) async fn add_park(link: &Link, seal: &Seal, park: &NewPark) -> Result<(), Fault> {
    let secret = seal.seal(park.secret.expose().as_bytes(), &park_place(&park.park_uuid))?;
    let total = park.total_parking_space.map(i64::from);
    link.begin().await?;
    link.execute(
        "INSERT INTO parks (park_uuid, merchant, name, secret, strict, total_parking_space) \
         VALUES ($1, $2, $3, $4, $5, $6)",
        &[&park.park_uuid, &park.merchant, &park.name, &secret, &park.strict, &total],
    )
    .await
    .map_err(|error| taken(error, &park.park_uuid))?;
    changed(link).await?;
    link.commit().await
}

const CHANGE: &str = "UPDATE parks SET secret = coalesce($2, secret), name = coalesce($3, name), \
    merchant = nullif(coalesce($4, merchant), ''), enabled = coalesce($5, enabled), strict = coalesce($6, strict), \
    http_200_always = coalesce($7, http_200_always), \
    total_parking_space = nullif(coalesce($8, total_parking_space), 0), allow = coalesce($9, allow), \
    require_sign = coalesce($10, require_sign), \
    old_secret = CASE WHEN $2::bytea IS NULL THEN old_secret ELSE secret END, \
    old_secret_until = CASE WHEN $2::bytea IS NULL THEN old_secret_until ELSE $11 END, \
    old_secret_used_at = CASE WHEN $2::bytea IS NULL THEN old_secret_used_at END \
    WHERE park_uuid = $1";

pub(super) async fn change_park(link: &Link, seal: &Seal, park_uuid: &str, change: &ParkChange) -> Result<bool, Fault> {
    let secret = match &change.secret {
        None => None,
        Some(secret) => Some(seal.seal(secret.expose().as_bytes(), &park_place(park_uuid))?),
    };
    let allow = change.allow.as_ref().map(|allow| serde_json::to_string(allow).unwrap_or_default());
    let total = change.total_parking_space.map(i64::from);
    link.begin().await?;
    let rows = link
        .execute(
            CHANGE,
            &[
                &park_uuid,
                &secret,
                &change.name,
                &change.merchant,
                &change.enabled,
                &change.strict,
                &change.http_200_always,
                &total,
                &allow,
                &change.require_sign,
                &change.old_secret_until,
            ],
        )
        .await
        .map_err(|error| taken(error, change.merchant.as_deref().unwrap_or(park_uuid)))?;
    changed(link).await?;
    link.commit().await?;
    Ok(rows > 0)
}

pub(super) async fn add_app(link: &Link, seal: &Seal, app: &NewApp) -> Result<(), Fault> {
    let secret = seal.seal(app.secret.expose().as_bytes(), &app_place(&app.app_id))?;
    link.begin().await?;
    link.execute(
        "INSERT INTO apps (app_id, secret, api_type) VALUES ($1, $2, $3)",
        &[&app.app_id, &secret, &app.api_type],
    )
    .await
    .map_err(|error| taken(error, &app.app_id))?;
    let found = "SELECT u FROM UNNEST($1::text[]) AS u WHERE NOT EXISTS (SELECT 1 FROM parks WHERE park_uuid = u)";
    if let Some(row) = link.query_opt(found, &[&app.parks]).await? {
        let park_uuid: String = row.try_get(0)?;
        return Err(StoreError::Broken(format!("there is no park {park_uuid}")).into());
    }
    link.execute(
        "INSERT INTO app_parks (app_id, park_id) SELECT $1, id FROM parks WHERE park_uuid = ANY($2)",
        &[&app.app_id, &app.parks],
    )
    .await?;
    changed(link).await?;
    link.commit().await
}

pub(super) async fn disable_app(link: &Link, app_id: &str) -> Result<bool, Fault> {
    link.begin().await?;
    let rows = link.execute("UPDATE apps SET enabled = false WHERE app_id = $1", &[&app_id]).await?;
    changed(link).await?;
    link.commit().await?;
    Ok(rows > 0)
}
