//! Durable state: one trait, [`Store`], behind which SQLite or PostgreSQL stands; pictures in an [`Images`] store beside it.
//!
//! [`Store::record`] is the heart: load what a batch touches, let the ledger decide, write, commit durably. In front of
//! it [`Recorder`] gathers what is in flight into batches. Every call here blocks: the recorder has threads of its own,
//! readers come from blocking threads or from the command line.

mod alarm;
mod backend;
pub mod delivery;
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
mod sqlite;
mod store;
mod stored;
pub mod survey;

use std::collections::HashSet;
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;

use parkgate_ledger::quarantine::{QuarantineBounds, QuarantineLoad};
use parkgate_ledger::{Arrival, ParkId, Space, Verdict};
use parkgate_seal::SealError;
use parkgate_wire::UnixMillis;

pub use alarm::Alarm;
pub use delivery::{
    Backlog, Claim, Claimed, Delivery, DeliveryFilter, DeliveryId, Difference, Due, Format, Forwarding, NewSubscriber,
    Outgoing, Settled, Subscriber, SubscriberSettings,
};
pub use images::{ImageKey, Images, IncomingImage, StoredImage};
pub use listing::{Page, Take};
pub use months::{HeldMonth, Month, Months, Reduced};
pub use parkgate_ledger::epoch::{Epoch, SerialReuse};
pub use parkgate_ledger::fanout::{Inline, SubscriberId};
pub use parkgate_seal::disk::make_folder;
pub use parkgate_seal::{KeyError, MasterKey};
pub use postgres::PostgresStore;
pub use quarantine::{Aside, Kept, NO_PARK, QuarantineFilter, Quarantined, SetAside};
pub use query::{
    Conflict, ConflictFilter, Conflicting, Picture, RecordView, TakenPayment, Visit, VisitCursor, VisitFilter,
};
pub use recorder::{Recorded, Recorder};
pub use registry::{App, NewApp, NewPark, OldSecret, Park, ParkChange};
pub use reserve::disk_room;
pub use sqlite::SqliteStore;
pub use survey::{RefusedCounts, Surveyed};

/// One push on its way into the store: what the rules look at, and what is kept beside.
#[derive(Debug)]
pub struct Entry {
    /// What the ledger judges.
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
    /// Damage, or a fault of ours.
    #[error("the store is broken: {0}")]
    Broken(String),
}

impl From<SealError> for StoreError {
    fn from(error: SealError) -> StoreError {
        StoreError::Broken(error.to_string())
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
            StoreError::Exists(_) | StoreError::Broken(_) => false,
        }
    }
}

/// Durable state. Blocking; shared between threads.
pub trait Store: delivery::Forwarding + Send + Sync + 'static {
    /// Judges a batch in order and commits it durably. When this returns verdicts, what they say is on disk.
    ///
    /// # Errors
    /// Nothing of the batch was recorded. [`StoreError::Held`]: without those parks it may be.
    fn record(&self, batch: &[Entry]) -> Result<Vec<Verdict>, StoreError>;

    /// How many batches may be recorded at once, where so many are set (0: as the store thinks best).
    fn lanes(&self, _set: usize) -> usize {
        1
    }

    /// What this store raises once nothing may be acknowledged any more (a sync failed). From then on every write fails.
    fn alarm(&self) -> &Alarm;

    /// To be called before this process records what it acknowledges. Whatever a process before left behind is durable when
    /// this returns. Of one data folder only one process may do so at a time; all others leave its files as they are.
    ///
    /// # Errors
    /// It cannot be made durable: then nothing may be acknowledged.
    fn begin_serving(&self) -> Result<(), StoreError> {
        Ok(())
    }

    /// Keys the digests by which pushes of the same content are known, from the master key.
    fn content_key(&self) -> [u8; 32];

    /// Rises with every change to parks and apps, whoever makes it.
    ///
    /// # Errors
    /// The store cannot be read.
    fn registry_version(&self) -> Result<i64, StoreError>;

    /// All parks, by name and then by `park_uuid`.
    ///
    /// # Errors
    /// The store cannot be read.
    fn parks(&self) -> Result<Vec<Park>, StoreError>;

    /// All apps, by id.
    ///
    /// # Errors
    /// The store cannot be read.
    fn apps(&self) -> Result<Vec<App>, StoreError>;

    /// Adds a park.
    ///
    /// # Errors
    /// [`StoreError::Exists`] if its `park_uuid` or merchant number is taken.
    fn add_park(&self, park: &NewPark) -> Result<(), StoreError>;

    /// Changes what is `Some` in `change`; false if there is no such park.
    ///
    /// # Errors
    /// [`StoreError::Exists`] if the merchant number is taken.
    fn change_park(&self, park_uuid: &str, change: &ParkChange) -> Result<bool, StoreError>;

    /// Adds an app.
    ///
    /// # Errors
    /// [`StoreError::Exists`] if its id is taken; [`StoreError::Broken`] names a park that is not there.
    fn add_app(&self, app: &NewApp) -> Result<(), StoreError>;

    /// Disables an app; false if there is no such app.
    ///
    /// # Errors
    /// The store cannot be written.
    fn disable_app(&self, app_id: &str) -> Result<bool, StoreError>;

    /// The count of a park.
    ///
    /// # Errors
    /// The store cannot be read.
    fn space(&self, park: ParkId) -> Result<Space, StoreError>;

    /// Makes the count of a park's newest numbering anew from the records of all of them, beside whoever records meanwhile,
    /// and writes it.
    ///
    /// # Errors
    /// The store cannot be read or written: the count is as it was.
    fn recount(&self, park: &Park) -> Result<Space, StoreError>;

    /// The visits under a serial: none, one, or two where the times of entering differ (the leave's first).
    ///
    /// # Errors
    /// The store cannot be read.
    fn visit(&self, park_uuid: &str, parking_serial: &str) -> Result<Vec<Visit>, StoreError>;

    /// The next visits, newest happening first.
    ///
    /// # Errors
    /// The store cannot be read.
    fn visits_page(
        &self,
        filter: &VisitFilter,
        from: Option<VisitCursor>,
    ) -> Result<Page<Visit, VisitCursor>, StoreError>;

    /// Visits, newest happening first, each as it is read.
    ///
    /// # Errors
    /// The store cannot be read.
    fn each_visit(&self, filter: &VisitFilter, take: Take<'_, Visit>) -> Result<(), StoreError> {
        let page = |limit, from| self.visits_page(&VisitFilter { limit, ..filter.clone() }, from);
        listing::walk(filter.limit, page, take)
    }

    /// Visits, newest happening first.
    ///
    /// # Errors
    /// The store cannot be read.
    fn visits(&self, filter: &VisitFilter) -> Result<Vec<Visit>, StoreError> {
        listing::gathered(|take| self.each_visit(filter, take))
    }

    /// The next ignored pushes, the newest first, below an id.
    ///
    /// # Errors
    /// The store cannot be read.
    fn conflicts_page(&self, filter: &ConflictFilter, below: Option<i64>) -> Result<Page<Conflicting>, StoreError>;

    /// Ignored pushes, the newest first, each as it is read.
    ///
    /// # Errors
    /// The store cannot be read.
    fn each_conflict(&self, filter: &ConflictFilter, take: Take<'_, Conflicting>) -> Result<(), StoreError> {
        let page = |limit, below| self.conflicts_page(&ConflictFilter { limit, ..filter.clone() }, below);
        listing::walk(filter.limit, page, take)
    }

    /// Ignored pushes, the newest first.
    ///
    /// # Errors
    /// The store cannot be read.
    fn conflicts(&self, filter: &ConflictFilter) -> Result<Vec<Conflicting>, StoreError> {
        listing::gathered(|take| self.each_conflict(filter, take))
    }

    /// Takes ignored pushes away that were recorded under another numbering; how many.
    ///
    /// # Errors
    /// The store cannot be written.
    fn forget_conflicts(&self, ids: &[i64]) -> Result<usize, StoreError>;

    /// Once every gate knows of an epoch: what came for it before that goes over to it. The count of spaces is then to be
    /// made anew ([`Store::recount`]).
    ///
    /// # Errors
    /// The store cannot be written. Calling again goes on.
    fn settle_epoch(&self, park: ParkId, epoch: &Epoch) -> Result<(), StoreError>;

    /// Did this park's serials start anew?
    ///
    /// # Errors
    /// The store cannot be read.
    fn serial_reuse(&self, park_uuid: &str) -> Result<Option<SerialReuse>, StoreError>;

    /// Begins a new numbering for vehicles that entered at or after `entered_from`; its count of spaces goes on.
    ///
    /// # Errors
    /// The store cannot be written.
    fn begin_epoch(&self, park: ParkId, entered_from: UnixMillis) -> Result<Epoch, StoreError>;

    /// A park's next records received since a time (ms since 1970), oldest first, without their personal fields.
    ///
    /// # Errors
    /// The store cannot be read.
    fn survey_page(
        &self,
        park_uuid: &str,
        received_from: i64,
        after: Option<i64>,
    ) -> Result<Page<Surveyed>, StoreError>;

    /// Passes by a park's records received since a time (ms since 1970), oldest first, without their personal fields.
    ///
    /// # Errors
    /// The store cannot be read.
    fn survey(&self, park_uuid: &str, received_from: i64, visit: &mut dyn FnMut(Surveyed)) -> Result<(), StoreError> {
        let page = |_, after| self.survey_page(park_uuid, received_from, after);
        listing::walk(usize::MAX, page, &mut |surveyed| {
            visit(surveyed);
            ControlFlow::Continue(())
        })
    }

    /// A park's refused pushes received since a time, by reason.
    ///
    /// # Errors
    /// The store cannot be read.
    fn refused(&self, park_uuid: &str, received_from: i64) -> Result<RefusedCounts, StoreError>;

    /// Which of these pictures does any record, conflict or push in quarantine keep?
    ///
    /// # Errors
    /// The store cannot be read, or it moves or has moved: then another store may keep them.
    fn keeps_images(&self, keys: &[ImageKey]) -> Result<HashSet<ImageKey>, StoreError>;

    /// Sets refused pushes aside, durably; each within the bounds, but for what was admitted before.
    ///
    /// # Errors
    /// Nothing of the batch was kept.
    fn set_aside(&self, batch: &[SetAside], bounds: &QuarantineBounds) -> Result<Vec<Aside>, StoreError>;

    /// What is kept of a park and of all together: asked before pictures are stored that may find no room.
    ///
    /// # Errors
    /// The store cannot be read.
    fn quarantine_load(&self, park: ParkId) -> Result<QuarantineLoad, StoreError>;

    /// The folder on this machine's disk that the store lies in, if it does.
    fn disk(&self) -> Option<&Path> {
        None
    }

    /// Keeps room on the store's own disk for cleaning up when it is full, where so much stays free beside it. How many
    /// bytes of it could not be kept.
    ///
    /// # Errors
    /// The room could not be taken.
    fn keep_reserve(&self, _free_beside: u64) -> Result<u64, StoreError> {
        Ok(0)
    }

    /// The next pushes in the quarantine, oldest first, after an id.
    ///
    /// # Errors
    /// The store cannot be read.
    fn quarantine_page(&self, filter: &QuarantineFilter) -> Result<Page<Quarantined>, StoreError>;

    /// Pushes in the quarantine, oldest first, each as it is read.
    ///
    /// # Errors
    /// The store cannot be read.
    fn each_quarantined(&self, filter: &QuarantineFilter, take: Take<'_, Quarantined>) -> Result<(), StoreError> {
        let page = |limit, after: Option<i64>| {
            self.quarantine_page(&QuarantineFilter { limit, after: after.unwrap_or(filter.after), ..filter.clone() })
        };
        listing::walk(filter.limit, page, take)
    }

    /// Pushes in the quarantine, oldest first.
    ///
    /// # Errors
    /// The store cannot be read.
    fn quarantine(&self, filter: &QuarantineFilter) -> Result<Vec<Quarantined>, StoreError> {
        listing::gathered(|take| self.each_quarantined(filter, take))
    }

    /// Takes pushes out of the quarantine for good; how many were there.
    ///
    /// # Errors
    /// The store cannot be written.
    fn release(&self, ids: &[i64]) -> Result<usize, StoreError>;

    /// Takes out what came before a time, ms since 1970; how many.
    ///
    /// # Errors
    /// The store cannot be written.
    fn release_before(&self, received_before: i64) -> Result<usize, StoreError>;

    /// Pushes and bytes in quarantine, by park.
    ///
    /// # Errors
    /// The store cannot be read.
    fn quarantine_used(&self) -> Result<Vec<(ParkId, u64, u64)>, StoreError>;

    /// Notes when pushes last came with a rotated secret, ms since 1970.
    ///
    /// # Errors
    /// The store cannot be written.
    fn old_secrets_used(&self, used: &[(ParkId, i64)]) -> Result<(), StoreError>;

    /// How this store is cut by months, if it can be.
    fn months(&self) -> Option<&dyn Months> {
        None
    }

    /// Can the store be written now? For readiness.
    ///
    /// # Errors
    /// It cannot, and why.
    fn probe(&self) -> Result<(), StoreError>;

    /// A number of its own, by which it is known beside other stores, and which stays.
    ///
    /// # Errors
    /// The store cannot be read, or written when it is asked for the first time.
    fn id(&self) -> Result<String, StoreError>;

    /// The time that is confirmed, given up to when this process confirms it and the system's, both ms since 1970; and
    /// notes it for the next start.
    ///
    /// # Errors
    /// The store cannot be read.
    fn confirm_clock(&self, ran: Option<i64>, now: i64) -> Result<i64, StoreError>;

    /// Where this store, as it is set up, keeps less than an answer promises: a sentence for each. For whoever runs it;
    /// pushes are taken all the same.
    ///
    /// # Errors
    /// The store cannot be read.
    fn durability_warnings(&self) -> Result<Vec<String>, StoreError> {
        Ok(Vec::new())
    }

    /// Ends the connections; a process that serves brings everything into the main file before.
    ///
    /// # Errors
    /// Nothing is lost: the next start does it.
    fn close(&self) -> Result<(), StoreError>;
}

/// Opens the store: the one in the data folder, or the PostgreSQL database that `url` names. The data folder is made on
/// first use (0700), with its master key (0600).
///
/// # Errors
/// The folder, the key or the database cannot be made or read.
pub fn open(data: &Path, url: Option<&str>) -> Result<Arc<dyn Store>, StoreError> {
    Ok(match url {
        None => Arc::new(SqliteStore::open(data)?),
        Some(url) => Arc::new(PostgresStore::open(data, url)?),
    })
}
