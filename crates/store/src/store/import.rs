//! Parks and apps from a list: all of them in one transaction, decided on the registry as it was when the list was read.

use std::collections::HashMap;

use super::Store;
use super::registry::{
    ADD_APP, ADD_APP_PARK, ADD_PARK, CHANGE_PARK, SET_LOCATION, added_values, begin_progress, change_values, park_keys,
};
use crate::StoreError;
use crate::backend::keys::fence;
use crate::backend::{Access, Backend, Transaction, Value};
use crate::registry::{NewApp, NewPark, ParkChange};
use crate::stored::app_place;
use parkgate_seal::Seal;
use parkgate_wire::Secret;

/// What a list says of a park: what is to be written.
#[derive(Debug, Clone)]
pub struct ParkImport {
    /// Which.
    pub park_uuid: String,
    /// It is new.
    pub add: Option<NewPark>,
    /// What changes, of a new one what else it is.
    pub change: Option<ParkChange>,
    /// Where it is from now on, as JSON; `Some(None)` is nowhere.
    pub location: Option<Option<String>>,
}

/// What a list says of an app: what is to be written.
#[derive(Debug, Clone)]
pub struct AppImport {
    /// Which.
    pub app_id: String,
    /// It is new.
    pub add: Option<NewApp>,
    /// Another secret.
    pub secret: Option<Secret>,
    /// Another `api_type`; `Some(None)` takes it away.
    pub api_type: Option<Option<String>>,
    /// Are its pushes taken?
    pub enabled: Option<bool>,
    /// The parks it may push for, and no others.
    pub parks: Option<Vec<String>>,
}

/// What became of an import.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ImportOutcome {
    /// All of it is written.
    Done,
    /// Nothing is written: the registry has changed since this version. Decide anew.
    RegistryChanged,
}

/// Importing lists.
impl Store {
    /// Where parks are, as JSON, of those of which it is known.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn locations(&self) -> Result<HashMap<String, String>, StoreError> {
        let sql = "SELECT park_uuid, location FROM parks WHERE location IS NOT NULL";
        let rows = self.backend.transaction(Access::Read, |transaction| transaction.query(sql, &[]))?;
        rows.iter().map(|row| Ok((row.text(0)?, row.text(1)?))).collect()
    }

    /// Adds and changes parks, all or none, if the registry is still of the version that was decided on.
    ///
    /// # Errors
    /// Nothing was written.
    pub fn import_parks(&self, version: i64, parks: &[ParkImport]) -> Result<ImportOutcome, StoreError> {
        self.with_keys(|keys| import_parks(self.backend.as_ref(), &keys.seal, version, parks))
    }

    /// Adds and changes apps, all or none, if the registry is still of the version that was decided on.
    ///
    /// # Errors
    /// Nothing was written; [`StoreError::Broken`] names a park that is not there.
    pub fn import_apps(&self, version: i64, apps: &[AppImport]) -> Result<ImportOutcome, StoreError> {
        self.with_keys(|keys| import_apps(self.backend.as_ref(), &keys.seal, version, apps))
    }
}

fn import_apps(
    backend: &dyn Backend,
    seal: &Seal,
    version: i64,
    apps: &[AppImport],
) -> Result<ImportOutcome, StoreError> {
    backend.transaction(Access::WriteOnce, |transaction| {
        fence(transaction, seal)?;
        if !is_still(transaction, version)? {
            return Ok(ImportOutcome::RegistryChanged);
        }
        for app in apps {
            import_app(transaction, seal, app)?;
        }
        Ok(ImportOutcome::Done)
    })
}

fn import_parks(
    backend: &dyn Backend,
    seal: &Seal,
    version: i64,
    parks: &[ParkImport],
) -> Result<ImportOutcome, StoreError> {
    let (mut added, mut changed, mut locations) = (Vec::new(), Vec::new(), Vec::new());
    let mut freed = Vec::new();
    for park in parks {
        if let Some(add) = &park.add {
            added.push(added_values(seal, add)?);
        }
        if let Some(change) = &park.change {
            freed.extend(change.merchant.as_ref().map(|_| Some(park.park_uuid.clone())));
            changed.push(change_values(seal, &park.park_uuid, change)?);
        }
        if let Some(location) = &park.location {
            locations.push(vec![(&park.park_uuid).into(), location.as_ref().into()]);
        }
    }
    backend.transaction(Access::WriteOnce, |transaction| {
        fence(transaction, seal)?;
        if !is_still(transaction, version)? {
            return Ok(ImportOutcome::RegistryChanged);
        }
        // Two parks may take each other's number.
        let free = "UPDATE parks SET merchant = NULL WHERE park_uuid {in $1}";
        transaction.execute(free, &[Value::Texts(freed.clone())])?;
        transaction.execute_each(ADD_PARK, &added)?;
        let new = parks.iter().filter(|park| park.add.is_some());
        begin_progress(transaction, new.map(|park| park.park_uuid.as_str()))?;
        transaction.execute_each(CHANGE_PARK, &changed)?;
        transaction.execute_each(SET_LOCATION, &locations)?;
        Ok(ImportOutcome::Done)
    })
}

/// Whoever changes the registry at the same time waits here.
fn is_still(transaction: &mut dyn Transaction, version: i64) -> Result<bool, StoreError> {
    let next = "UPDATE registry_version SET version = version + 1 WHERE version = $1";
    transaction.changes(next, &[version.into()])
}

const CHANGE_APP: &str = "UPDATE apps SET secret = coalesce($2, secret), api_type = CASE WHEN $3 = 1 THEN $4 ELSE api_type END, \
    enabled = coalesce($5, enabled) WHERE app_id = $1";

fn import_app(transaction: &mut dyn Transaction, seal: &Seal, app: &AppImport) -> Result<(), StoreError> {
    let sealed = |secret: &Secret| seal.seal(secret.expose().as_bytes(), &app_place(&app.app_id));
    if let Some(add) = &app.add {
        let values = [(&app.app_id).into(), sealed(&add.secret)?.into(), add.api_type.as_ref().into()];
        transaction.execute(ADD_APP, &values)?;
    }
    let changes = [
        (&app.app_id).into(),
        app.secret.as_ref().map(sealed).transpose()?.into(),
        i64::from(app.api_type.is_some()).into(),
        app.api_type.as_ref().and_then(Option::as_ref).into(),
        app.enabled.into(),
    ];
    transaction.execute(CHANGE_APP, &changes)?;
    let Some(parks) = app.parks.as_ref().or(app.add.as_ref().map(|add| &add.parks)) else { return Ok(()) };
    transaction.execute("DELETE FROM app_parks WHERE app_id = $1", &[(&app.app_id).into()])?;
    let keys = park_keys(transaction, parks)?;
    let allowed: Vec<Vec<Value>> = keys.into_iter().map(|key| vec![(&app.app_id).into(), key.into()]).collect();
    transaction.execute_each(ADD_APP_PARK, &allowed).map(drop)
}
