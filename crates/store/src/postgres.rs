//! PostgreSQL behind the [`Store`] trait: any number of nodes on one database, no leader.
//!
//! A batch locks its parks in the order of their keys, so nodes wait for each other but never in a circle. What fails for
//! a moment (a lost connection, a server that changes over) is tried again for [`PATIENCE`]; a commit whose answer was lost,
//! too: a push that was recorded after all is found as its own repeat.

mod address;
mod conflict;
mod drive;
mod durability;
mod link;
mod migrate;
mod months;
pub(crate) mod moving;
mod quarantine;
mod query;
mod record;
mod recount;
mod registry;
mod survey;
mod text;
mod transaction;
mod write;

use std::collections::HashSet;
use std::num::NonZero;
use std::path::Path;
use std::time::{Duration, Instant};

use parkgate_ledger::quarantine::{QuarantineBounds, QuarantineLoad};
use parkgate_ledger::{ParkId, Space, Verdict};
use parkgate_wire::UnixMillis;

use self::address::Address;
use self::link::{Fault, Link, Pool, Role};
use self::transaction::Statements;
use crate::backend::{Access, Backend, Work};
use crate::listing::Page;
use crate::months::Months;
use crate::quarantine::{Aside, QuarantineFilter, Quarantined, SetAside};
use crate::query::{ConflictFilter, Conflicting, SerialReuse, Visit, VisitCursor, VisitFilter};
use crate::registry::{App, Epoch, NewApp, NewPark, Park, ParkChange};
use crate::survey::{RefusedCounts, Surveyed};
use crate::{Alarm, Entry, ImageKey, Store, StoreError, store};
use parkgate_seal::Seal;
use parkgate_seal::disk::keep_from_others;

/// How long a call is tried anew before its sender is told to come again.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long one attempt at a person's question may take: a list of conflicts may pass by everything.
const QUESTION_MAX: Duration = Duration::from_secs(60);
/// A large database may be long in migrating, and other nodes wait for it.
const MIGRATION_MAX: Duration = Duration::from_secs(60 * 60);
/// The first pause between attempts; each is twice the one before, up to the last.
const PAUSE: Duration = Duration::from_millis(20);
const PAUSE_MAX: Duration = Duration::from_millis(500);
/// Batches in flight if nothing else is set, at most: while one waits for its commit, another is judged.
const LANES_MAX: usize = 4;
/// However many are set: each has a connection, and a server has a hundred.
const LANES_SET_MAX: usize = 64;
/// Old pushes released at a time.
const RELEASED_MAX: i64 = 1000;

/// May a call be tried again when it is not known whether it was done?
#[derive(Clone, Copy, PartialEq, Eq)]
enum Twice {
    Harmless,
    Never,
}

/// The store of many nodes.
pub struct PostgresStore {
    batches: Pool,
    questions: Pool,
    /// Named by the URL.
    hosts: usize,
    seal: Seal,
    content_key: [u8; 32],
    alarm: Alarm,
}

impl PostgresStore {
    /// Opens a database, making and migrating its tables as needed; the master key is in the data folder, which is made
    /// only for a database that has no key yet.
    ///
    /// # Errors
    /// The URL is none, the database cannot be reached or is sealed under another key.
    pub fn open(data: &Path, url: &str) -> Result<PostgresStore, StoreError> {
        let (address, name) = Address::read(url)?;
        let hosts = address.hosts();
        keep_from_others(data, &crate::sqlite::OURS);
        let (batches, questions) = (Pool::new(address.clone(), Role::Batches), Pool::new(address, Role::Questions));
        let key = attempt(&questions, Twice::Harmless, MIGRATION_MAX, async |link, _| {
            let key = migrate::prepare(link, data, &name).await?;
            moving::refuse_unfinished(link).await?;
            Ok(key)
        });
        let key = key.map_err(|error| match error {
            StoreError::Away(text) => StoreError::Away(format!("{name}: {text}")),
            error => error,
        })?;
        Ok(PostgresStore {
            batches,
            questions,
            hosts,
            seal: Seal::new(&key),
            content_key: key.derive("content digest"),
            alarm: Alarm::default(),
        })
    }

    /// What a gate asks by itself, and may be done twice: a question, or a change that is the same the second time. No longer
    /// than a batch: whoever waits for a database that hangs holds a thread.
    fn ask<T>(&self, work: impl AsyncFn(&Link) -> Result<T, Fault>) -> Result<T, StoreError> {
        attempt(&self.questions, Twice::Harmless, PATIENCE, async |link, _| work(link).await)
    }

    /// What a person asks, who would rather wait: lists, and work on many rows.
    fn ask_long<T>(&self, work: impl AsyncFn(&Link) -> Result<T, Fault>) -> Result<T, StoreError> {
        attempt(&self.questions, Twice::Harmless, QUESTION_MAX, async |link, _| work(link).await)
    }

    /// What is acknowledged once it is done.
    fn batch<T>(&self, work: impl AsyncFn(&Link, u32) -> Result<T, Fault>) -> Result<T, StoreError> {
        self.alarm.refuse()?;
        attempt(&self.batches, Twice::Harmless, PATIENCE, work)
    }

    /// A change that is another one the second time.
    fn once<T>(&self, work: impl AsyncFn(&Link) -> Result<T, Fault>) -> Result<T, StoreError> {
        attempt(&self.questions, Twice::Never, QUESTION_MAX, async |link, _| work(link).await)
    }
}

/// Does the work on a connection of the pool, again and again while that may help, for no longer than `all_max` in all. The
/// work is told how often it was tried.
fn attempt<T>(
    pool: &Pool,
    twice: Twice,
    all_max: Duration,
    work: impl AsyncFn(&Link, u32) -> Result<T, Fault>,
) -> Result<T, StoreError> {
    tried_again(twice, all_max, |left, tried| pool.on_link(left, async |link| work(link, tried).await))
}

/// Does the work, which is told how long it may take and how often it was tried, again and again while that may help.
fn tried_again<T>(
    twice: Twice,
    all_max: Duration,
    mut work: impl FnMut(Duration, u32) -> Result<T, Fault>,
) -> Result<T, StoreError> {
    let started = Instant::now();
    let mut pause = PAUSE;
    for tried in 0.. {
        let left = all_max.saturating_sub(started.elapsed());
        let error = match work(left, tried) {
            Ok(done) => return Ok(done),
            Err(Fault::Final(error)) => return Err(error),
            Err(Fault::Unsure(error)) if twice == Twice::Never => return Err(error),
            Err(Fault::Again(error) | Fault::Unsure(error)) => error,
        };
        if started.elapsed() + pause > PATIENCE {
            return Err(error);
        }
        tracing::debug!(%error, tried, "trying again");
        std::thread::sleep(pause);
        pause = (pause * 2).min(PAUSE_MAX);
    }
    Err(StoreError::Away("tried too often".into()))
}

impl Backend for PostgresStore {
    fn seal(&self) -> &Seal {
        &self.seal
    }

    fn run(&self, access: Access, work: &mut Work<'_>) -> Result<(), StoreError> {
        let (twice, all_max) = match access {
            Access::Read | Access::ReadKeys | Access::WriteUnsynced => (Twice::Harmless, PATIENCE),
            Access::ReadLong | Access::Write => (Twice::Harmless, QUESTION_MAX),
            Access::WriteOnce => (Twice::Never, QUESTION_MAX),
        };
        let is_synced = access != Access::WriteUnsynced;
        let pool = match access {
            Access::ReadKeys | Access::WriteUnsynced => &self.batches,
            Access::Read | Access::ReadLong | Access::Write | Access::WriteOnce => &self.questions,
        };
        tried_again(twice, all_max, |left, _| {
            pool.with_link(left, |link, until| Statements::transaction(link, until, is_synced, work))
        })
    }
}

/// After an attempt whose end is not known, a push may be found as a repeat of itself: that was its first time.
fn as_the_first_time(batch: &[Entry], verdicts: Vec<Verdict>) -> Vec<Verdict> {
    let first = |(entry, verdict): (&Entry, Verdict)| match verdict {
        Verdict::Repeated { seqno, refused_orders } if seqno == entry.arrival.seqno => {
            Verdict::Recorded { refused_orders }
        }
        verdict => verdict,
    };
    batch.iter().zip(verdicts).map(first).collect()
}

impl Store for PostgresStore {
    fn record(&self, batch: &[Entry]) -> Result<Vec<Verdict>, StoreError> {
        if batch.is_empty() {
            return Ok(Vec::new());
        }
        self.batch(async |link, tried| {
            let verdicts = record::record(link, batch, &self.seal).await?;
            Ok(if tried == 0 { verdicts } else { as_the_first_time(batch, verdicts) })
        })
    }

    fn lanes(&self, set: usize) -> usize {
        // The gate and, often, the database share the machine: more lanes than half its cores make smaller batches, not more.
        let cores = || std::thread::available_parallelism().map_or(1, NonZero::get);
        let lanes = if set > 0 { set.min(LANES_SET_MAX) } else { (cores() / 2).clamp(1, LANES_MAX) };
        self.batches.keep(lanes);
        lanes
    }

    fn alarm(&self) -> &Alarm {
        &self.alarm
    }

    fn content_key(&self) -> [u8; 32] {
        self.content_key
    }

    fn registry_version(&self) -> Result<i64, StoreError> {
        self.batches.trim();
        self.questions.trim();
        store::registry::version(self)
    }

    fn parks(&self) -> Result<Vec<Park>, StoreError> {
        store::registry::parks(self, &self.seal)
    }

    fn apps(&self) -> Result<Vec<App>, StoreError> {
        store::registry::apps(self, &self.seal)
    }

    fn add_park(&self, park: &NewPark) -> Result<(), StoreError> {
        store::registry::add_park(self, &self.seal, park)
    }

    fn change_park(&self, park_uuid: &str, change: &ParkChange) -> Result<bool, StoreError> {
        store::registry::change_park(self, &self.seal, park_uuid, change)
    }

    fn add_app(&self, app: &NewApp) -> Result<(), StoreError> {
        store::registry::add_app(self, &self.seal, app)
    }

    fn disable_app(&self, app_id: &str) -> Result<bool, StoreError> {
        store::registry::disable_app(self, app_id)
    }

    fn space(&self, park: ParkId) -> Result<Space, StoreError> {
        self.ask(async |link| record::space(link, park).await)
    }

    fn recount(&self, park: &Park) -> Result<Space, StoreError> {
        let (mut counting, mut is_more) = (recount::Counting::of(park), true);
        while is_more {
            (counting, is_more) = self.ask_long(async |link| counting.clone().page(link).await)?;
        }
        self.ask_long(async |link| counting.clone().finish(link, park).await)
    }

    fn visit(&self, park_uuid: &str, parking_serial: &str) -> Result<Vec<Visit>, StoreError> {
        self.ask_long(async |link| query::visit(link, &self.seal, park_uuid, parking_serial).await)
    }

    fn visits_page(
        &self,
        filter: &VisitFilter,
        from: Option<VisitCursor>,
    ) -> Result<Page<Visit, VisitCursor>, StoreError> {
        let cursor = match from {
            Some(cursor) => cursor,
            None => self.ask_long(async |link| query::beginning(link, filter).await)?,
        };
        self.ask_long(async |link| query::visits(link, &self.seal, filter, cursor).await)
    }

    fn conflicts_page(&self, filter: &ConflictFilter, below: Option<i64>) -> Result<Page<Conflicting>, StoreError> {
        self.ask_long(async |link| conflict::list(link, &self.seal, filter, below).await)
    }

    fn forget_conflicts(&self, ids: &[i64]) -> Result<usize, StoreError> {
        self.ask_long(async |link| conflict::forget(link, ids).await)
    }

    fn settle_epoch(&self, park: ParkId, epoch: &Epoch) -> Result<(), StoreError> {
        self.ask_long(async |link| conflict::settle_epoch(link, &self.seal, park, epoch).await)
    }

    fn serial_reuse(&self, park_uuid: &str) -> Result<Option<SerialReuse>, StoreError> {
        self.ask(async |link| conflict::serial_reuse(link, park_uuid).await)
    }

    fn begin_epoch(&self, park: ParkId, entered_from: UnixMillis) -> Result<Epoch, StoreError> {
        self.once(async |link| conflict::begin_epoch(link, park, entered_from).await)
    }

    fn survey_page(
        &self,
        park_uuid: &str,
        received_from: i64,
        after: Option<i64>,
    ) -> Result<Page<Surveyed>, StoreError> {
        let after = match after {
            Some(after) => after,
            None => self.ask_long(async |link| query::first_since(link, received_from).await)?.saturating_sub(1),
        };
        self.ask_long(async |link| survey::page(link, park_uuid, received_from, after).await)
    }

    fn refused(&self, park_uuid: &str, received_from: i64) -> Result<RefusedCounts, StoreError> {
        self.ask_long(async |link| survey::refused(link, park_uuid, received_from).await)
    }

    fn keeps_images(&self, keys: &[ImageKey]) -> Result<HashSet<ImageKey>, StoreError> {
        self.ask(async |link| {
            moving::refuse_moved(link).await?;
            query::keeps_images(link, keys).await
        })
    }

    fn set_aside(&self, batch: &[SetAside], bounds: &QuarantineBounds) -> Result<Vec<Aside>, StoreError> {
        self.batch(async |link, _| quarantine::set_aside(link, &self.seal, batch, bounds).await)
    }

    fn quarantine_load(&self, park: ParkId) -> Result<QuarantineLoad, StoreError> {
        self.ask(async |link| quarantine::load_of(link, park).await)
    }

    fn quarantine_page(&self, filter: &QuarantineFilter) -> Result<Page<Quarantined>, StoreError> {
        self.ask_long(async |link| quarantine::list(link, &self.seal, filter).await)
    }

    fn release(&self, ids: &[i64]) -> Result<usize, StoreError> {
        self.ask_long(async |link| quarantine::release(link, ids).await)
    }

    fn release_before(&self, received_before: i64) -> Result<usize, StoreError> {
        let mut released = 0;
        loop {
            let ids = self.ask(async |link| quarantine::older(link, received_before, RELEASED_MAX).await)?;
            if ids.is_empty() {
                return Ok(released);
            }
            released += self.release(&ids)?;
        }
    }

    fn quarantine_used(&self) -> Result<Vec<(ParkId, u64, u64)>, StoreError> {
        self.ask(quarantine::used)
    }

    fn old_secrets_used(&self, used: &[(ParkId, i64)]) -> Result<(), StoreError> {
        store::registry::old_secrets_used(self, used)
    }

    fn id(&self) -> Result<String, StoreError> {
        crate::store::identity::id(self)
    }

    fn confirm_clock(&self, ran: Option<i64>, now: i64) -> Result<i64, StoreError> {
        crate::store::clock::confirm(self, ran, now)
    }

    fn probe(&self) -> Result<(), StoreError> {
        self.batch(async |link, _| registry::probe(link).await)
    }

    fn durability_warnings(&self) -> Result<Vec<String>, StoreError> {
        self.ask(async |link| durability::warnings(link, self.hosts).await)
    }

    fn months(&self) -> Option<&dyn Months> {
        Some(self)
    }

    fn close(&self) -> Result<(), StoreError> {
        self.batches.close();
        self.questions.close();
        Ok(())
    }
}
