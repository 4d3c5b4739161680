//! Who may push: parks, and the apps that push for several of them.

use parkgate_ledger::ParkId;
use parkgate_ledger::epoch::{Epoch, counted_key, records_key};
use parkgate_ledger::retention::ParkRetention;
use parkgate_wire::{Secret, UnixMillis};

/// A car park.
#[derive(Debug, Clone)]
pub struct Park {
    /// Its key in the store.
    pub id: ParkId,
    /// The protocol's name for it.
    pub park_uuid: String,
    /// Its merchant number, which may stand in place of `park_uuid`.
    pub merchant: Option<String>,
    /// For people.
    pub name: String,
    /// `APP_SECRET` of pushes without an `app_id`.
    pub secret: Secret,
    /// A disabled park is answered 403.
    pub enabled: bool,
    /// `charge_type` (and, with an app, `api_type`) are required.
    pub strict: bool,
    /// Every reply has HTTP status 200, for clients that lose the body of others.
    pub http_200_always: bool,
    /// All its spaces, as the operator says; a push's own total goes before.
    pub total_parking_space: Option<u32>,
    /// Networks it may push from, as CIDR; empty: from anywhere.
    pub allow: Vec<String>,
    /// The secret before the last rotation.
    pub old_secret: Option<OldSecret>,
    /// Pushes must be signed (`leave.md` marks `sign` as optional).
    pub require_sign: bool,
    /// A vehicle that asks whether it may enter is refused while no space is free.
    pub refuse_when_full: bool,
    /// Rises with each change to its lists of plates.
    pub plates_version: i64,
    /// How long its data are kept, where it says so itself.
    pub keep: ParkRetention,
    /// Where its serials started anew, the newest first; empty for nearly all parks.
    pub epochs: Vec<Epoch>,
}

/// A secret that was rotated out.
#[derive(Debug, Clone)]
pub struct OldSecret {
    /// The secret.
    pub secret: Secret,
    /// Good until then, ms since 1970.
    pub until: i64,
    /// When a push last came with it.
    pub used_at: Option<i64>,
}

impl Park {
    /// The key under which a visit's records stand.
    #[must_use]
    pub fn records_of(&self, enter_time: UnixMillis) -> ParkId {
        records_key(self.id, &self.epochs, enter_time)
    }

    /// The keys its records stand under, one for each epoch, the oldest first.
    pub fn record_keys(&self) -> impl Iterator<Item = ParkId> + '_ {
        std::iter::once(self.id).chain(self.epochs.iter().rev().map(|epoch| epoch.records))
    }

    /// The key under which its spaces are counted now: that of the newest epoch.
    #[must_use]
    pub fn counted(&self) -> ParkId {
        counted_key(self.id, &self.epochs)
    }
}

/// A park to add.
#[derive(Debug, Clone)]
pub struct NewPark {
    /// The protocol's name for it.
    pub park_uuid: String,
    /// Its merchant number, if it has one.
    pub merchant: Option<String>,
    /// For people.
    pub name: String,
    /// Its `APP_SECRET`.
    pub secret: Secret,
    /// See [`Park::strict`].
    pub strict: bool,
    /// See [`Park::total_parking_space`].
    pub total_parking_space: Option<u32>,
}

/// What to change of a park; `None` stays.
#[derive(Debug, Clone, Default)]
pub struct ParkChange {
    /// A new `APP_SECRET`.
    pub secret: Option<Secret>,
    /// See [`Park::name`].
    pub name: Option<String>,
    /// See [`Park::merchant`]; an empty text takes it away.
    pub merchant: Option<String>,
    /// See [`Park::enabled`].
    pub enabled: Option<bool>,
    /// See [`Park::strict`].
    pub strict: Option<bool>,
    /// See [`Park::http_200_always`].
    pub http_200_always: Option<bool>,
    /// See [`Park::total_parking_space`]; 0 takes it away.
    pub total_parking_space: Option<u32>,
    /// See [`Park::allow`].
    pub allow: Option<Vec<String>>,
    /// See [`Park::require_sign`].
    pub require_sign: Option<bool>,
    /// See [`Park::refuse_when_full`].
    pub refuse_when_full: Option<bool>,
    /// With a new secret: the one before stays good until then.
    pub old_secret_until: Option<i64>,
    /// See [`Park::keep`].
    pub keep: Option<ParkRetention>,
}

/// An app: one maker's software that pushes for several parks, with a secret of its own.
#[derive(Debug, Clone)]
pub struct App {
    /// `app_id`.
    pub app_id: String,
    /// Its `APP_SECRET`.
    pub secret: Secret,
    /// The `api_type` it was given, if any.
    pub api_type: Option<String>,
    /// A disabled app is answered 403.
    pub enabled: bool,
    /// `park_uuid` of each park it may push for.
    pub parks: Vec<String>,
}

/// An app to add.
#[derive(Debug, Clone)]
pub struct NewApp {
    /// `app_id`.
    pub app_id: String,
    /// Its `APP_SECRET`.
    pub secret: Secret,
    /// The `api_type` it was given, if any.
    pub api_type: Option<String>,
    /// `park_uuid` of each park it may push for.
    pub parks: Vec<String>,
}
