//! Who may push for which park, and whose secret signs it.

use std::net::IpAddr;
use std::sync::Arc;

use parkgate_wire::{Form, Refusal, Secret};

use crate::registry::{KnownPark, Registry};

/// A push that may come in, if its signature matches.
pub(super) struct Access {
    pub(super) park: Arc<KnownPark>,
    /// The app's where `app_id` is sent, else the park's.
    pub(super) secret: Secret,
    /// The park's before the last rotation, while it is good.
    pub(super) old_secret: Option<Secret>,
    /// The park need not sign; then it comes from addresses it is known by.
    pub(super) may_be_unsigned: bool,
}

/// Checks 2 and 3: the park is named and known, app and address are allowed.
pub(super) fn authorise(
    registry: &Registry,
    form: &Form,
    address: IpAddr,
    now: i64,
    told: &mut Option<Arc<KnownPark>>,
) -> Result<Access, Refusal> {
    let park = named_park(registry, form)?;
    *told = Some(Arc::clone(&park));
    if !park.park.enabled {
        return Err(Refusal::UnknownPark);
    }
    let (secret, old_secret) = match form.get("app_id") {
        None => {
            let old = park.park.old_secret.as_ref().filter(|old| old.until > now);
            (park.park.secret.clone(), old.map(|old| old.secret.clone()))
        }
        Some(app_id) => registry
            .app(app_id)
            .filter(|app| app.enabled && app.parks.contains(&park.park.park_uuid))
            .map(|app| (app.secret.clone(), None))
            .ok_or(Refusal::AppNotAllowed)?,
    };
    if !park.allows(address) {
        return Err(Refusal::AddressNotAllowed);
    }
    let may_be_unsigned = !park.park.require_sign && !park.park.allow.is_empty();
    Ok(Access { park, secret, old_secret, may_be_unsigned })
}

fn named_park(registry: &Registry, form: &Form) -> Result<Arc<KnownPark>, Refusal> {
    let by_uuid = form.get("park_uuid").map(|park_uuid| registry.park(park_uuid));
    let by_merchant = form.get("merchant").map(|merchant| registry.by_merchant(merchant));
    match (by_uuid, by_merchant) {
        (None, None) => Err(Refusal::Missing { name: "park_uuid" }),
        (Some(park), None) | (None, Some(park)) => park.cloned().ok_or(Refusal::UnknownPark),
        (Some(Some(park)), Some(Some(merchant))) if park.park.id != merchant.park.id => Err(Refusal::TwoParks),
        (Some(Some(park)), Some(Some(_))) => Ok(Arc::clone(park)),
        (Some(None), Some(_)) | (Some(_), Some(None)) => Err(Refusal::UnknownPark),
    }
}

/// The protocol knows one way to sign.
pub(super) fn check_sign_type(form: &Form) -> Result<(), Refusal> {
    match form.get("sign_type") {
        Some(found) if !found.eq_ignore_ascii_case("md5") => Err(Refusal::SignType { found: found.to_owned() }),
        Some(_) | None => Ok(()),
    }
}
