//! Every call of the store, once for both databases: load, let the ledger decide, write.

mod audit;
pub(crate) mod backup;
pub(crate) mod batch;
mod clock;
mod conflicts;
mod deliveries;
mod epochs;
mod export;
mod forget;
mod forwarding;
mod identity;
mod import;
mod last_backup;
mod last_pushes;
mod park_list;
mod passed_calls;
mod plates;
mod quarantine;
mod record_pages;
mod records;
mod recount;
mod registry;
mod resealing;
mod retention;
mod rotation;
mod stays;
mod subscribers;
mod survey;
mod visits;

use std::collections::HashSet;
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;

use parkgate_ledger::epoch::{Epoch, SerialReuse};
use parkgate_ledger::quarantine::{QuarantineBounds, QuarantineLoad};
use parkgate_ledger::{ParkId, Space, Verdict};
use parkgate_wire::UnixMillis;

use crate::backend::keys::StoreKeys;
use crate::backend::{Access, Backend};
use crate::figures::StoreFigures;
use crate::listing::{self, Page, Take};
use crate::months::Months;
use crate::quarantine::{NewQuarantined, QuarantineFilter, QuarantineOutcome, Quarantined};
use crate::query::{ConflictFilter, Conflicting, Visit, VisitCursor, VisitFilter};
use crate::registry::{App, NewApp, NewPark, Park, ParkChange};
use crate::survey::{RefusedCounts, Surveyed};
use crate::{Alarm, Entry, ImageKey, StoreError};

pub use forget::ForgottenByPark;
pub use import::{AppImport, ImportOutcome, ParkImport};
pub use park_list::ListedPark;
pub use plates::PlatesOutcome;
pub(crate) use resealing::sealed_columns;
pub use rotation::{KeyNode, RotationStart, RotationStep, ShownKey};

/// How often a call begins anew because the master key changed: each time at once.
const KEY_TRIES: usize = 3;

/// Durable state. Blocking; shared between threads, and by clones.
#[derive(Clone)]
pub struct Store {
    backend: Arc<dyn Backend>,
}

impl Store {
    /// The calls, over one of the databases.
    pub(crate) fn over(backend: Arc<dyn Backend>) -> Store {
        Store { backend }
    }

    /// Runs a call with the keys as they are; with those that the store has by then, if others were in use meanwhile.
    fn with_keys<T>(&self, call: impl Fn(&StoreKeys) -> Result<T, StoreError>) -> Result<T, StoreError> {
        for _ in 0..KEY_TRIES {
            match call(&self.backend.keys()) {
                Err(StoreError::KeyChanged(_)) => {
                    let holder = self.backend.key_holder();
                    self.backend.as_ref().transaction(Access::Read, |transaction| holder.load(transaction))?;
                }
                done => return done,
            }
        }
        call(&self.backend.keys())
    }

    /// Decides a batch in order and commits it durably. When this returns verdicts, what they say is on disk.
    ///
    /// # Errors
    /// Nothing of the batch was recorded. [`StoreError::Held`]: without those parks it may be.
    pub fn record(&self, batch: &[Entry]) -> Result<Vec<Verdict>, StoreError> {
        self.backend.record(batch)
    }

    /// As [`Store::record`], where nobody waits for an answer: what cannot be recorded at all takes nothing else with it, since
    /// a batch that fails for good is recorded by halves, down to each entry alone.
    ///
    /// # Errors
    /// It would succeed later ([`StoreError::is_temporary`]). Any part of the batch may be recorded: the same again goes on.
    pub fn record_apart(&self, batch: &[Entry]) -> Result<Vec<Result<Verdict, StoreError>>, StoreError> {
        match self.record(batch) {
            Ok(verdicts) => Ok(verdicts.into_iter().map(Ok).collect()),
            Err(error) if error.is_temporary() => Err(error),
            Err(error) if batch.len() <= 1 => Ok(batch.iter().map(|_| Err(error.clone())).collect()),
            Err(_) => {
                let (first, second) = batch.split_at(batch.len() / 2);
                let mut recorded = self.record_apart(first)?;
                recorded.extend(self.record_apart(second)?);
                Ok(recorded)
            }
        }
    }

    /// How many batches may be recorded at once, where so many are set (0: as the store thinks best).
    #[must_use]
    pub fn lanes(&self, set: usize) -> usize {
        self.backend.lanes(set)
    }

    /// What this store raises once nothing may be acknowledged any more (a sync failed). From then on every write fails.
    #[must_use]
    pub fn alarm(&self) -> &Alarm {
        self.backend.alarm()
    }

    /// To be called before this process records what it acknowledges. Whatever a process before left behind is durable when
    /// this returns. Of one data folder only one process may do so at a time; all others leave its files as they are.
    ///
    /// # Errors
    /// It cannot be made durable: then nothing may be acknowledged.
    pub fn begin_serving(&self) -> Result<(), StoreError> {
        self.backend.begin_serving()
    }

    /// Keys the digests by which pushes of the same content are known, from the master key.
    #[must_use]
    pub fn content_key(&self) -> [u8; 32] {
        self.backend.keys().content_key
    }

    /// Rises with every change to parks and apps, whoever makes it.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn registry_version(&self) -> Result<i64, StoreError> {
        registry::version(self.backend.as_ref())
    }

    /// All parks, by name and then by `park_uuid`.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn parks(&self) -> Result<Vec<Park>, StoreError> {
        self.with_keys(|keys| registry::parks(self.backend.as_ref(), &keys.seal))
    }

    /// All apps, by id.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn apps(&self) -> Result<Vec<App>, StoreError> {
        self.with_keys(|keys| registry::apps(self.backend.as_ref(), &keys.seal))
    }

    /// Adds a park.
    ///
    /// # Errors
    /// [`StoreError::Exists`] if its `park_uuid` or merchant number is taken.
    pub fn add_park(&self, park: &NewPark) -> Result<(), StoreError> {
        self.with_keys(|keys| registry::add_park(self.backend.as_ref(), &keys.seal, park))
    }

    /// Changes what is `Some` in `change`; false if there is no such park.
    ///
    /// # Errors
    /// [`StoreError::Exists`] if the merchant number is taken.
    pub fn change_park(&self, park_uuid: &str, change: &ParkChange) -> Result<bool, StoreError> {
        self.with_keys(|keys| registry::change_park(self.backend.as_ref(), &keys.seal, park_uuid, change))
    }

    /// Adds an app.
    ///
    /// # Errors
    /// [`StoreError::Exists`] if its id is taken; [`StoreError::Broken`] names a park that is not there.
    pub fn add_app(&self, app: &NewApp) -> Result<(), StoreError> {
        self.with_keys(|keys| registry::add_app(self.backend.as_ref(), &keys.seal, app))
    }

    /// Disables an app; false if there is no such app.
    ///
    /// # Errors
    /// The store cannot be written.
    pub fn disable_app(&self, app_id: &str) -> Result<bool, StoreError> {
        registry::disable_app(self.backend.as_ref(), app_id)
    }

    /// The count of a park.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn space(&self, park: ParkId) -> Result<Space, StoreError> {
        records::space_of(self.backend.as_ref(), park)
    }

    /// The visits under a serial: none, one, or two where the times of entering differ (the leave's first).
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn visit(&self, park_uuid: &str, parking_serial: &str) -> Result<Vec<Visit>, StoreError> {
        self.with_keys(|keys| visits::of_serial(self.backend.as_ref(), keys, park_uuid, parking_serial))
    }

    /// The next visits, newest happening first.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn visits_page(
        &self,
        filter: &VisitFilter,
        from: Option<VisitCursor>,
    ) -> Result<Page<Visit, VisitCursor>, StoreError> {
        self.with_keys(|keys| visits::page(self.backend.as_ref(), &keys.seal, filter, from))
    }

    /// Visits, newest happening first, each as it is read.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn each_visit(&self, filter: &VisitFilter, take: Take<'_, Visit>) -> Result<(), StoreError> {
        let page = |limit, from| self.visits_page(&VisitFilter { limit, ..filter.clone() }, from);
        listing::walk(filter.limit, page, take)
    }

    /// Visits, newest happening first.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn visits(&self, filter: &VisitFilter) -> Result<Vec<Visit>, StoreError> {
        listing::gathered(|take| self.each_visit(filter, take))
    }

    /// The next ignored pushes, the newest first, below an id.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn conflicts_page(&self, filter: &ConflictFilter, below: Option<i64>) -> Result<Page<Conflicting>, StoreError> {
        self.with_keys(|keys| conflicts::page(self.backend.as_ref(), &keys.seal, filter, below))
    }

    /// Ignored pushes, the newest first, each as it is read.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn each_conflict(&self, filter: &ConflictFilter, take: Take<'_, Conflicting>) -> Result<(), StoreError> {
        let page = |limit, below| self.conflicts_page(&ConflictFilter { limit, ..filter.clone() }, below);
        listing::walk(filter.limit, page, take)
    }

    /// Ignored pushes, the newest first.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn conflicts(&self, filter: &ConflictFilter) -> Result<Vec<Conflicting>, StoreError> {
        listing::gathered(|take| self.each_conflict(filter, take))
    }

    /// Takes ignored pushes away that were recorded under another epoch; how many.
    ///
    /// # Errors
    /// The store cannot be written.
    pub fn forget_conflicts(&self, ids: &[i64]) -> Result<usize, StoreError> {
        conflicts::forget(self.backend.as_ref(), ids)
    }

    /// Once every gate knows of an epoch: what came for it before that goes over to it. The count of spaces is then to be
    /// made anew ([`Store::recount`]).
    ///
    /// # Errors
    /// The store cannot be written. Calling again goes on.
    pub fn settle_epoch(&self, park: ParkId, epoch: &Epoch) -> Result<(), StoreError> {
        self.with_keys(|keys| epochs::settle(self.backend.as_ref(), &keys.seal, park, epoch))
    }

    /// Did this park's serials start anew?
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn serial_reuse(&self, park_uuid: &str) -> Result<Option<SerialReuse>, StoreError> {
        epochs::serial_reuse(self.backend.as_ref(), park_uuid)
    }

    /// Begins a new epoch for vehicles that entered at or after `entered_from`; its count of spaces goes on.
    ///
    /// # Errors
    /// The store cannot be written.
    pub fn begin_epoch(&self, park: ParkId, entered_from: UnixMillis) -> Result<Epoch, StoreError> {
        epochs::begin(self.backend.as_ref(), park, entered_from)
    }

    /// A park's next records received since a time (ms since 1970), oldest first, without their personal fields.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn survey_page(
        &self,
        park_uuid: &str,
        received_from: i64,
        after: Option<i64>,
    ) -> Result<Page<Surveyed>, StoreError> {
        survey::page(self.backend.as_ref(), park_uuid, received_from, after)
    }

    /// Passes by a park's records received since a time (ms since 1970), oldest first, without their personal fields.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn survey(
        &self,
        park_uuid: &str,
        received_from: i64,
        visit: &mut dyn FnMut(Surveyed),
    ) -> Result<(), StoreError> {
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
    pub fn refused(&self, park_uuid: &str, received_from: i64) -> Result<RefusedCounts, StoreError> {
        survey::refused(self.backend.as_ref(), park_uuid, received_from)
    }

    /// Which of these pictures does any record, conflict or push in quarantine keep?
    ///
    /// # Errors
    /// The store cannot be read, or it moves or has moved: then another store may keep them.
    pub fn keeps_images(&self, keys: &[ImageKey]) -> Result<HashSet<ImageKey>, StoreError> {
        records::keeps_images(self.backend.as_ref(), keys)
    }

    /// Sets refused pushes aside, durably; each within the bounds, but for what was admitted before.
    ///
    /// # Errors
    /// Nothing of the batch was kept.
    pub fn add_to_quarantine(
        &self,
        batch: &[NewQuarantined],
        bounds: &QuarantineBounds,
    ) -> Result<Vec<QuarantineOutcome>, StoreError> {
        self.with_keys(|keys| quarantine::add(self.backend.as_ref(), &keys.seal, batch, bounds))
    }

    /// What is kept of a park and of all together: asked before pictures are stored that may find no room.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn quarantine_load(&self, park: ParkId) -> Result<QuarantineLoad, StoreError> {
        quarantine::load_of(self.backend.as_ref(), park)
    }

    /// The folder on this machine's disk that the store lies in, if it does.
    #[must_use]
    pub fn disk(&self) -> Option<&Path> {
        self.backend.disk()
    }

    /// Keeps room on the store's own disk for cleaning up when it is full, where so much stays free beside it. How many
    /// bytes of it could not be kept.
    ///
    /// # Errors
    /// The room could not be taken.
    pub fn keep_reserve(&self, free_beside: u64) -> Result<u64, StoreError> {
        self.backend.keep_reserve(free_beside)
    }

    /// The next pushes in the quarantine, oldest first, after an id.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn quarantine_page(&self, filter: &QuarantineFilter) -> Result<Page<Quarantined>, StoreError> {
        self.with_keys(|keys| quarantine::page(self.backend.as_ref(), &keys.seal, filter))
    }

    /// Pushes in the quarantine, oldest first, each as it is read.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn each_quarantined(&self, filter: &QuarantineFilter, take: Take<'_, Quarantined>) -> Result<(), StoreError> {
        let page = |limit, after: Option<i64>| {
            self.quarantine_page(&QuarantineFilter { limit, after: after.unwrap_or(filter.after), ..filter.clone() })
        };
        listing::walk(filter.limit, page, take)
    }

    /// Pushes in the quarantine, oldest first.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn quarantine(&self, filter: &QuarantineFilter) -> Result<Vec<Quarantined>, StoreError> {
        listing::gathered(|take| self.each_quarantined(filter, take))
    }

    /// Takes pushes out of the quarantine for good; how many were there.
    ///
    /// # Errors
    /// The store cannot be written.
    pub fn release(&self, ids: &[i64]) -> Result<usize, StoreError> {
        quarantine::release(self.backend.as_ref(), ids)
    }

    /// Takes out what came before a time, ms since 1970; how many.
    ///
    /// # Errors
    /// The store cannot be written.
    pub fn release_before(&self, received_before: i64) -> Result<usize, StoreError> {
        quarantine::release_before(self.backend.as_ref(), received_before)
    }

    /// Pushes and bytes in quarantine, by park.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn quarantine_used(&self) -> Result<Vec<(ParkId, u64, u64)>, StoreError> {
        quarantine::used(self.backend.as_ref())
    }

    /// Notes when pushes last came with a rotated secret, ms since 1970.
    ///
    /// # Errors
    /// The store cannot be written.
    pub fn old_secrets_used(&self, used: &[(ParkId, i64)]) -> Result<(), StoreError> {
        registry::old_secrets_used(self.backend.as_ref(), used)
    }

    /// The monthly partitions of this store, if it can have them.
    #[must_use]
    pub fn months(&self) -> Option<&dyn Months> {
        self.backend.months()
    }

    /// Can the store be written now? For readiness.
    ///
    /// # Errors
    /// It cannot, and why.
    pub fn probe(&self) -> Result<(), StoreError> {
        self.backend.probe()
    }

    /// A number of its own, by which it is known beside other stores, and which stays.
    ///
    /// # Errors
    /// The store cannot be read, or written when it is asked for the first time.
    pub fn id(&self) -> Result<String, StoreError> {
        identity::id(self.backend.as_ref())
    }

    /// The time that is confirmed, given up to when this process confirms it and the system's, both ms since 1970; and
    /// notes it for the next start.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn confirm_clock(&self, ran: Option<i64>, now: i64) -> Result<i64, StoreError> {
        clock::confirm(self.backend.as_ref(), ran, now)
    }

    /// Where this store, as it is set up, keeps less than an answer promises: a sentence for each. For whoever runs it;
    /// pushes are taken all the same.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn durability_warnings(&self) -> Result<Vec<String>, StoreError> {
        self.backend.durability_warnings()
    }

    /// How the store is at this moment, for whoever watches.
    #[must_use]
    pub fn figures(&self) -> StoreFigures {
        self.backend.figures()
    }

    /// Ends the connections; a process that serves brings everything into the main file before.
    ///
    /// # Errors
    /// Nothing is lost: the next start does it.
    pub fn close(&self) -> Result<(), StoreError> {
        self.backend.close()
    }
}
