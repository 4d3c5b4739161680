//! Durable state: [`Store`], behind which SQLite or PostgreSQL stands; pictures in an [`Images`] store beside it.
//!
//! [`Store::record`] is the heart: load what a batch touches, let the ledger decide, write, commit durably. In front of
//! it [`Recorder`] gathers what is in flight into batches. Every call here blocks: the recorder has threads of its own,
//! readers come from blocking threads or from the command line.

mod alarm;
pub mod audit;
mod backend;
pub mod backup;
pub mod check;
pub mod delivery;
mod export;
mod figures;
pub mod forget;
pub mod images;

mod listing;
pub mod months;
pub mod moving;
mod postgres;
pub mod quarantine;
pub mod query;
pub mod recorder;
pub mod registry;
mod reserve;
pub mod restore;
mod restore_mark;
pub mod retention;
mod sqlite;
mod store;
mod stored;
pub mod survey;
mod syncing;
mod throttle;
mod workers;

use std::path::Path;
use std::sync::Arc;

use parkgate_ledger::{Arrival, ParkId};
use parkgate_seal::SealError;

pub use alarm::Alarm;
pub use audit::{AuditEntry, AuditFilter, NewAuditEntry};
pub use backend::keys::KeyState;
pub use delivery::{
    Backlog, Claim, Claimed, Delivery, DeliveryFilter, DeliveryId, Difference, Due, Format, NewSubscriber, Outgoing,
    PassedCalls, Settled, Subscriber, SubscriberSettings,
};
pub use export::{ExportParks, Exported, ExportedRecord, ExportedVisit, LeavePayments, PersonalFields, RecordSpan};
pub use figures::{ConnectionCounts, StoreFigures};
pub use forget::{Forgotten, PlateSearch};
pub use images::{ImageKey, Images, IncomingImage, Picture, StoredImage};
pub use listing::{Page, Take};
pub use months::{HeldMonth, Month, Months, Reduced};
pub use parkgate_ledger::epoch::{Epoch, SerialReuse};
pub use parkgate_ledger::fanout::{Inline, SubscriberId};
pub use parkgate_seal::disk::make_folder;
pub use parkgate_seal::{KeyError, KeyId, MasterKey};
pub use quarantine::{NO_PARK, NewQuarantined, QuarantineContent, QuarantineFilter, QuarantineOutcome, Quarantined};
pub use query::{
    Conflict, ConflictFilter, Conflicting, RecordView, TakenPayment, Visit, VisitCursor, VisitFilter, VisitUpdate,
};
pub use recorder::{Recorded, Recorder};
pub use registry::{App, NewApp, NewPark, OldSecret, Park, ParkChange};
pub use reserve::disk_room;
pub use retention::RetentionWalk;

pub use store::{
    AppImport, ForgottenByPark, ImportOutcome, KeyNode, ListedPark, ParkImport, PlatesOutcome, RotationStart,
    RotationStep, ShownKey, Store,
};
pub use survey::{RefusedCounts, Surveyed};
pub use throttle::{Throttle, give_way};

/// One push on its way into the store: what the rules look at, and what is kept beside.
#[derive(Debug)]
pub struct Entry {
    /// What the ledger decides on.
    pub arrival: Arrival,
    /// `plate`, if sent.
    pub plate: Option<String>,
    /// Everything sent, as a JSON object of names and values, without the personal fields.
    pub params: String,
    /// `idcard_name`, `idcard_no`, `idcard_image` as a JSON object, if any was sent: sealed before it is written.
    pub personal: Option<String>,
    /// What was signed, as a JSON array of names and values, where that is not what `params` say (`encoding=URL`): sealed,
    /// too.
    pub original: Option<String>,
    /// Which documented variant of the signature matched ([`parkgate_wire::Variant::code`]).
    pub variant: u8,
    /// Who is asked about it before it is answered.
    pub inline: Option<Inline>,
    /// The pictures, already durable under their keys. Held until the batch is committed, so that no sweep takes them.
    pub pictures: Vec<(String, Arc<StoredImage>)>,
}

/// Why the store did not do it, and whether trying again can help.
#[derive(Debug, Clone, thiserror::Error)]
pub enum StoreError {
    /// The queue is full, or another writer holds the database too long. Try later.
    #[error("the store is busy: {0}")]
    Busy(String),
    /// Somebody who does not end holds these parks: nothing was written, and what is of other parks can be. Try later.
    #[error("the store is busy: another writer holds {} park(s)", .0.len())]
    Held(Vec<ParkId>),
    /// No room on the disk. Nothing was written; it goes on by itself once there is room.
    #[error("the disk is full: {0}")]
    Full(String),
    /// The database cannot be reached or is stopping. Try later.
    #[error("the store is away: {0}")]
    Away(String),
    /// The disk failed to sync, or pages could not be copied: what is on it is not known. Nothing more is acknowledged, the
    /// alarm is raised, and the next start writes everything once more.
    #[error("the disk failed to sync: {0}")]
    Unsynced(String),
    /// The name or key is taken already.
    #[error("{0} exists already")]
    Exists(String),
    /// A newer program has been at work on the database, and added what this one does not know.
    #[error(transparent)]
    Newer(#[from] NewerDatabase),
    /// Secrets and ID data are sealed under a key that cannot be had.
    #[error("the store cannot be opened: {0}")]
    Key(Arc<KeyError>),
    /// Something is sealed under a master key that is not here, or another one seals now.
    #[error("sealed under the master key {0}, which is not here: copy master.key from a node that uses it")]
    KeyChanged(KeyId),
    /// Damage, or a fault of ours.
    #[error("the store is broken: {0}")]
    Broken(String),
}

/// A database that needs a newer program.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{}", newer_in_words(.program.as_deref(), *.version, *.known))]
pub struct NewerDatabase {
    /// The program that brought it to its version, if it left its own.
    pub program: Option<String>,
    /// How many migrations it has seen.
    pub version: u64,
    /// How many this program knows.
    pub known: u64,
}

/// The version of this program, as databases remember it.
pub const PROGRAM: &str = env!("CARGO_PKG_VERSION");

fn newer_in_words(program: Option<&str>, version: u64, known: u64) -> String {
    let newer = program.map_or_else(|| "a newer parkgate".to_owned(), |program| format!("parkgate {program} or newer"));
    format!("the database is of version {version}, parkgate {PROGRAM} knows {known}: start {newer}")
}

impl From<SealError> for StoreError {
    fn from(error: SealError) -> StoreError {
        match error {
            SealError::OtherKey(_, id) => StoreError::KeyChanged(id),
            error => StoreError::Broken(error.to_string()),
        }
    }
}

impl From<KeyError> for StoreError {
    fn from(error: KeyError) -> StoreError {
        StoreError::Key(Arc::new(error))
    }
}

impl StoreError {
    /// Will the same call succeed later, without anybody changing the program?
    #[must_use]
    pub fn is_temporary(&self) -> bool {
        match self {
            StoreError::Busy(_)
            | StoreError::Held(_)
            | StoreError::Full(_)
            | StoreError::Away(_)
            | StoreError::Unsynced(_) => true,
            StoreError::Exists(_)
            | StoreError::KeyChanged(_)
            | StoreError::Newer(_)
            | StoreError::Key(_)
            | StoreError::Broken(_) => false,
        }
    }
}

/// The columns that are sealed under the master key, each with its table: what a change of the key seals anew.
#[must_use]
pub fn sealed_columns() -> Vec<String> {
    store::sealed_columns()
}

/// Opens the store: the one in the data folder, or the PostgreSQL database that `url` names. The data folder is made on
/// first use (0700), with its master key (0600).
///
/// # Errors
/// The folder, the key or the database cannot be made or read.
pub fn open(data: &Path, url: Option<&str>) -> Result<Arc<Store>, StoreError> {
    restore_mark::refuse_unfinished(data)?;
    let backend: Arc<dyn backend::Backend> = match url {
        None => Arc::new(sqlite::SqliteBackend::open(data)?),
        Some(url) => {
            parkgate_seal::disk::keep_from_others(data, &sqlite::OURS);
            Arc::new(postgres::PostgresBackend::open(data, url)?)
        }
    };
    let store = Arc::new(Store::over(backend));
    // Keys that only the database had: kept, so that they outlive its copy.
    store.load_keys()?;
    Ok(store)
}
