//! PostgreSQL behind the store: any number of nodes on one database, no leader.
//!
//! A batch locks its parks in the order of their keys, so nodes wait for each other but never in a circle. What fails for
//! a moment (a lost connection, a server that changes over) is tried again for [`PATIENCE`]; a commit whose answer was lost,
//! too: a push that was recorded after all is found as its own repeat.

mod address;
mod drive;
mod durability;
mod fault;
mod link;
mod migrate;
mod months;
pub(crate) mod moving;
mod record;
mod registry;
mod table_lock;
mod text;
mod transaction;
mod write;

use std::num::NonZero;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use parkgate_ledger::{ParkId, Verdict};
use parkgate_seal::KeyRing;

use self::address::Address;
use self::fault::Fault;
use self::link::{Link, Pool, PoolRole, lock};
use self::transaction::PostgresTransaction;
use crate::backend::dialect::Dialect;
use crate::backend::keys::{KeyHolder, another_key};
use crate::backend::{Access, Backend, StoreKeys, Transaction, Work};
use crate::figures::StoreFigures;
use crate::months::Months;
use crate::store::batch::{RelatedRecords, Routing, arrivals};
use crate::stored::key_digest;
use crate::{Alarm, Entry, StoreError};

/// How long a call is tried anew before its sender is asked to come again.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long one attempt at a person's question may take: a list of conflicts may pass by everything.
const QUESTION_MAX: Duration = Duration::from_secs(60);
/// A large database may be long in migrating, and other nodes wait for it.
const MIGRATION_MAX: Duration = Duration::from_secs(60 * 60);
/// The first pause between attempts; each is twice the one before, up to the last.
const PAUSE: Duration = Duration::from_millis(20);
const PAUSE_MAX: Duration = Duration::from_millis(500);
/// Batches in flight if nothing else is set, at most: while one waits for its commit, another is decided.
const LANES_MAX: usize = 4;
/// However many are set: each has a connection, and a server has a hundred.
const LANES_SET_MAX: usize = 64;

/// How often a batch begins anew because the registry changed: each time at once.
const REGISTRY_TRIES: u32 = 5;

/// May a call be tried again when it is not known whether it was done?
#[derive(Clone, Copy, PartialEq, Eq)]
enum Twice {
    Harmless,
    Never,
}

/// The store of many nodes.
pub(crate) struct PostgresBackend {
    batches: Pool,
    questions: Pool,
    /// Named by the URL.
    hosts: usize,
    keys: KeyHolder,
    alarm: Alarm,
    /// As the batch that saw the newest version loaded it.
    routing: Mutex<Arc<Routing>>,
}

impl PostgresBackend {
    /// Opens a database, making and migrating its tables as needed; the master key is in the data folder, which is made
    /// only for a database that has no key yet.
    ///
    /// # Errors
    /// The URL is none, the database cannot be reached or is sealed under another key.
    pub(crate) fn open(data: &Path, url: &str) -> Result<PostgresBackend, StoreError> {
        let (address, name) = Address::read(url)?;
        let hosts = address.hosts();
        let (batches, questions) =
            (Pool::new(address.clone(), PoolRole::Batches), Pool::new(address, PoolRole::Questions));
        let keys = proved(&questions, data, &name);
        let keys = keys.and_then(|keys| {
            attempt(&questions, Twice::Harmless, PATIENCE, async |link, _| moving::refuse_unfinished(link).await)?;
            Ok(keys)
        });
        let keys = keys.map_err(|error| match error {
            StoreError::Away(text) => StoreError::Away(format!("{name}: {text}")),
            error => error,
        })?;
        Ok(PostgresBackend { batches, questions, hosts, keys, alarm: Alarm::default(), routing: Mutex::default() })
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
}

/// Brings a database to the newest version and gives its master keys; none is made where the database has one.
fn proved(pool: &Pool, data: &Path, name: &str) -> Result<KeyHolder, StoreError> {
    attempt(pool, Twice::Harmless, MIGRATION_MAX, async |link, _| migrate::prepare(link).await)?;
    let mut proved = None;
    tried_again(Twice::Harmless, PATIENCE, |left, _| {
        pool.with_link(left, |link, until| {
            PostgresTransaction::transaction(link, until, Access::Write, &mut |transaction| {
                let lock = "SELECT pg_advisory_xact_lock($1)::text";
                transaction.query(lock, &[table_lock::LOCK.into()])?;
                let is_sealed = transaction.query_opt("SELECT 1 FROM master_key", &[])?.is_some();
                let ring = KeyRing::of_node(data, is_sealed.then_some(name));
                proved = Some(KeyHolder::prove(transaction, ring?, &|| another_key(name, data))?);
                Ok(())
            })
        })
    })?;
    proved.ok_or_else(|| StoreError::Broken("the master key was not proved".into()))
}

/// Does the work on a connection of the pool, again and again while that may help, for no longer than `all_max` in all. The
/// work receives the number of attempts so far.
fn attempt<T>(
    pool: &Pool,
    twice: Twice,
    all_max: Duration,
    work: impl AsyncFn(&Link, u32) -> Result<T, Fault>,
) -> Result<T, StoreError> {
    tried_again(twice, all_max, |left, tried| pool.on_link(left, async |link| work(link, tried).await))
}

/// Does the work again and again while that may help. It receives how long it may take, and the number of attempts so far.
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

impl PostgresBackend {
    /// One attempt, by what is known of the registry; if it is of another version by now, by what it says then.
    fn record_on(&self, link: &Link, until: tokio::time::Instant, batch: &[Entry]) -> Result<Vec<Verdict>, Fault> {
        let mut routing = lock(&self.routing).clone();
        for _ in 0..REGISTRY_TRIES {
            let looked_up = routing.looked_up(batch);
            let (start, related) = if looked_up.is_empty() {
                (record::BatchStart::New, RelatedRecords::default())
            } else {
                let locked = related(link, until, batch, &routing, (&looked_up, &self.keys.current()));
                (record::BatchStart::Locked, locked.map_err(|fault| as_they_came(fault, batch, &routing))?)
            };
            let moved = routing.moved(batch, related);
            let arrivals = arrivals(batch, &moved);
            // After the routing, whose version the transaction compares: who changes the key changes that.
            let keys = self.keys.current();
            let attempt = write::PushBatch { entries: batch, arrivals: &arrivals, routing: &routing, keys: &keys };
            let attempt = in_time(link, until, record::record(link, attempt, start));
            match attempt.map_err(|fault| as_they_came(fault, batch, &routing))? {
                record::Attempt::Recorded(verdicts) => return Ok(verdicts),
                record::Attempt::RegistryChanged => {
                    let version = |transaction: &mut dyn Transaction| {
                        let routing = Routing::load(transaction)?;
                        // After the version was read, and before anybody uses it.
                        self.keys.load(transaction)?;
                        Ok(routing)
                    };
                    routing = Arc::new(PostgresTransaction::reading(link, until, version)?);
                    *lock(&self.routing) = Arc::clone(&routing);
                }
            }
        }
        Err(Fault::Again(StoreError::Busy("the registry changes all the time".into())))
    }
}

fn in_time<T>(
    link: &Link,
    until: tokio::time::Instant,
    work: impl Future<Output = Result<T, Fault>>,
) -> Result<T, Fault> {
    let late = |_| Err(Fault::Unsure(StoreError::Away("no answer in time".into())));
    link.wait(async { tokio::time::timeout_at(until, work).await.unwrap_or_else(late) })?
}

/// Begins the transaction of a batch with all locked that it may write, and looks up what its releases and updates are about.
fn related(
    link: &Link,
    until: tokio::time::Instant,
    batch: &[Entry],
    routing: &Routing,
    (looked_up, keys): (&[ParkId], &StoreKeys),
) -> Result<RelatedRecords, Fault> {
    let by_time = routing.keys_by_time(batch);
    let mut parks: Vec<i64> = by_time.iter().chain(looked_up).map(|park| park.0).collect();
    parks.sort_unstable();
    parks.dedup();
    in_time(link, until, record::begin_locked(link, &parks))?;
    PostgresTransaction::reading(link, until, |transaction| {
        RelatedRecords::load(transaction, looked_up, batch, |text| key_digest(&keys.content_key, text))
    })
}

/// Names held parks by the keys that their pushes came with: of a park with epochs all, whichever of them is held.
fn as_they_came(fault: Fault, batch: &[Entry], routing: &Routing) -> Fault {
    match fault {
        Fault::Final(StoreError::Held(held)) => {
            let held: Vec<ParkId> = held.into_iter().map(|key| routing.park_of(key)).collect();
            let parks = batch.iter().map(|entry| entry.arrival.park);
            Fault::Final(StoreError::Held(parks.filter(|park| held.contains(&routing.park_of(*park))).collect()))
        }
        fault => fault,
    }
}

impl Backend for PostgresBackend {
    fn key_holder(&self) -> &KeyHolder {
        &self.keys
    }

    fn run(&self, access: Access, work: &mut Work<'_>) -> Result<(), StoreError> {
        let (twice, all_max) = match access {
            Access::Read | Access::ReadKeys | Access::WriteUnsynced | Access::WritePushes => {
                (Twice::Harmless, PATIENCE)
            }
            Access::ReadLong | Access::Write => (Twice::Harmless, QUESTION_MAX),
            Access::WriteOnce => (Twice::Never, QUESTION_MAX),
        };
        let pool = match access {
            Access::ReadKeys | Access::WriteUnsynced | Access::WritePushes => &self.batches,
            Access::Read | Access::ReadLong | Access::Write | Access::WriteOnce => &self.questions,
        };
        match access {
            Access::WritePushes => self.alarm.refuse()?,
            // Asked every now and then: pools notice nothing by themselves.
            Access::Read => {
                self.batches.trim();
                self.questions.trim();
            }
            Access::ReadKeys | Access::ReadLong | Access::Write | Access::WriteOnce | Access::WriteUnsynced => {}
        }
        tried_again(twice, all_max, |left, _| {
            pool.with_link(left, |link, until| PostgresTransaction::transaction(link, until, access, work))
        })
    }

    fn record(&self, batch: &[Entry]) -> Result<Vec<Verdict>, StoreError> {
        if batch.is_empty() {
            return Ok(Vec::new());
        }
        self.alarm.refuse()?;
        tried_again(Twice::Harmless, PATIENCE, |left, tried| {
            let verdicts = self.batches.with_link(left, |link, until| self.record_on(link, until, batch))?;
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

    fn begin_serving(&self) -> Result<(), StoreError> {
        Ok(())
    }

    fn disk(&self) -> Option<&Path> {
        None
    }

    fn keep_reserve(&self, _free_beside: u64) -> Result<u64, StoreError> {
        Ok(0)
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

    fn figures(&self) -> StoreFigures {
        let connections = self.batches.counts().plus(self.questions.counts());
        StoreFigures { wal_bytes: None, connections: Some(connections) }
    }

    fn dialect(&self) -> Dialect {
        Dialect::Postgres
    }

    fn damaged_pages(&self) -> Result<Option<Vec<String>>, StoreError> {
        Ok(None)
    }

    fn purge(&self) -> Result<bool, StoreError> {
        // What another node is vacuuming need not be vacuumed twice.
        self.long(async |link| {
            Ok(link.plain("VACUUM (SKIP_LOCKED) records, payments, images, quarantine, deliveries").await?)
        })?;
        Ok(true)
    }

    fn close(&self) -> Result<(), StoreError> {
        self.batches.close();
        self.questions.close();
        Ok(())
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
