//! Connections: how they are made and kept, and what a failure on one means.
//!
//! Whatever fails on a connection, it is given up: nothing is left open on the server, and nobody has to know in which
//! state it was.

use std::cell::RefCell;
use std::collections::HashMap;
use std::future::poll_fn;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::{Instant, timeout_at};
use tokio_postgres::error::{Severity, SqlState};
use tokio_postgres::types::ToSql;
use tokio_postgres::{AsyncMessage, Client, Config, Connection, Error, NoTls, Row, Socket, Statement};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::LANES_SET_MAX;
use super::address::Address;
use super::drive::Driver;
use super::fault::Fault;

use crate::StoreError;
use crate::figures::ConnectionCounts;

/// Connections kept open for questions; batches keep as many as there are lanes. A server has a hundred for all who ask.
const QUESTIONS_KEPT: usize = 2;
/// Others are kept so long after their last use: under load they are not made anew for every call.
const UNUSED_FOR: Duration = Duration::from_secs(2);
/// Kept open between calls, of each role, however much there is to do.
const IDLE_MAX: usize = LANES_SET_MAX;

/// What holds for every session. An unknown name (an older server, another database of this protocol) is left out.
/// `synchronous_commit` is never weaker than on, whatever the server's default: an answer means on disk.
/// A node that vanished must not hold its locks for long: the server looks after idle and silent clients.
const SESSION: &str = "SELECT set_config(name, value, false) FROM (VALUES \
    ('synchronous_commit', CASE current_setting('synchronous_commit') WHEN 'remote_apply' THEN 'remote_apply' ELSE 'on' END), \
    ('default_transaction_isolation', 'read committed'), ('lock_timeout', '4s'), ('client_connection_check_interval', '1s'), \
    ('idle_in_transaction_session_timeout', '10s'), ('tcp_keepalives_idle', '5'), ('tcp_keepalives_interval', '5'), \
    ('tcp_keepalives_count', '3'), ('tcp_user_timeout', '15s')) AS setting (name, value) \
    WHERE current_setting(name, true) IS NOT NULL";
/// A batch looks up keys and nothing else. The planner, which may have last seen the tables when they were small, must
/// not think of reading them whole.
const BY_KEYS_ONLY: &str = "SELECT set_config(name, 'off', false) FROM UNNEST(ARRAY['enable_seqscan', 'enable_hashjoin', \
    'enable_mergejoin', 'enable_material', 'jit']) AS name WHERE current_setting(name, true) IS NOT NULL";

/// What a connection is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum PoolRole {
    /// Batches, by keys only.
    Batches,
    /// Everything else.
    Questions,
}

/// Connections of one role.
pub(super) struct Pool {
    address: Address,
    role: PoolRole,
    /// The one used last at the end, each with the time since when it is not used.
    idle: Mutex<Vec<(Instant, Link)>>,
    /// So many stay open however long they are not used.
    kept: AtomicUsize,
    closed: AtomicBool,
    /// Held by each open connection.
    open: Arc<()>,
}

impl Pool {
    pub(super) fn new(address: Address, role: PoolRole) -> Pool {
        let kept = match role {
            PoolRole::Batches => 1,
            PoolRole::Questions => QUESTIONS_KEPT,
        };
        Pool {
            address,
            role,
            idle: Mutex::default(),
            kept: AtomicUsize::new(kept),
            closed: AtomicBool::new(false),
            open: Arc::default(),
        }
    }

    /// Keeps so many connections open.
    pub(super) fn keep(&self, kept: usize) {
        self.kept.store(kept, Ordering::Relaxed);
    }

    /// Closes those that were not used for a while, but for those that are kept. Whoever asks every now and then calls it,
    /// since a pool that is not used notices nothing itself.
    pub(super) fn trim(&self) {
        let mut idle = lock(&self.idle);
        let beyond = idle.len().saturating_sub(self.kept.load(Ordering::Relaxed));
        let unused = idle.iter().take(beyond).take_while(|(since, _)| since.elapsed() >= UNUSED_FOR).count();
        let closing: Vec<_> = idle.drain(..unused).collect();
        // Nobody waits for the pool while connections are closed.
        drop(idle);
        drop(closing);
    }

    /// Does the work on one of the connections, within that time. Whatever goes wrong, the connection is given up.
    pub(super) fn on_link<T>(
        &self,
        within: Duration,
        work: impl AsyncFn(&Link) -> Result<T, Fault>,
    ) -> Result<T, Fault> {
        self.with_link(within, |link, until| {
            let late = |_| Err(Fault::Unsure(StoreError::Away("no answer in time".into())));
            link.wait(async { timeout_at(until, work(link)).await.unwrap_or_else(late) })?
        })
    }

    /// The same for work that waits for each of its answers by itself, until the time it is given.
    pub(super) fn with_link<T>(
        &self,
        within: Duration,
        work: impl FnOnce(&Link, Instant) -> Result<T, Fault>,
    ) -> Result<T, Fault> {
        let until = Instant::now() + within;
        let done = self.take(until).and_then(|link| {
            let done = work(&link, until)?;
            self.give(link);
            Ok(done)
        });
        if done.as_ref().is_err_and(Fault::is_of_the_line) {
            // What broke this one has most likely broken all, and each would be waited for until its time is over.
            lock(&self.idle).clear();
        }
        done
    }

    fn take(&self, until: Instant) -> Result<Link, Fault> {
        if self.closed.load(Ordering::Relaxed) {
            return Err(Fault::Final(StoreError::Away("closed".into())));
        }
        loop {
            let idle = lock(&self.idle).pop();
            let Some((_, link)) = idle else { return self.open(until) };
            link.driver.catch_up()?;
            // Not to a host that another has taken over from: it may be back, and not know of that.
            if !link.client.is_closed() && link.host == self.address.good_host() {
                return Ok(link);
            }
        }
    }

    fn open(&self, until: Instant) -> Result<Link, Fault> {
        Link::open(&self.address, self.role, until, Arc::clone(&self.open))
    }

    /// How many connections are open.
    pub(super) fn counts(&self) -> ConnectionCounts {
        let idle = lock(&self.idle).len();
        // One of the holders is the pool.
        let open = Arc::strong_count(&self.open).saturating_sub(1);
        ConnectionCounts { idle, busy: open.saturating_sub(idle) }
    }

    /// Gives back what is in order.
    fn give(&self, link: Link) {
        let mut idle = lock(&self.idle);
        if idle.len() < IDLE_MAX && !self.closed.load(Ordering::Relaxed) {
            idle.push((Instant::now(), link));
        }
    }

    pub(super) fn close(&self) {
        self.closed.store(true, Ordering::Relaxed);
        lock(&self.idle).clear();
    }
}

/// One connection.
pub(super) struct Link {
    // Before the client, which would ask the server to end: one that does not answer would keep the connection, and its
    // locks, open.
    driver: Driver,
    client: Client,
    /// Its number in the address.
    host: usize,
    /// The server warned of something since the transaction began.
    warned: Arc<AtomicBool>,
    statements: RefCell<HashMap<String, Statement>>,
    /// Counts it among the open connections of its pool.
    _counted: Arc<()>,
}

/// Values of a statement.
pub(super) type Values<'a> = &'a [&'a (dyn ToSql + Sync)];

impl Link {
    fn open(address: &Address, role: PoolRole, until: Instant, counted: Arc<()>) -> Result<Link, Fault> {
        let driver = Driver::new()?;
        let warned = Arc::new(AtomicBool::new(false));
        let (host, client) = driver.wait(connect(address, role, until, &warned))??;
        Ok(Link { driver, client, host, warned, statements: RefCell::default(), _counted: counted })
    }

    /// Waits for an answer on this thread.
    pub(super) fn wait<T>(&self, work: impl Future<Output = T>) -> Result<T, StoreError> {
        self.driver.wait(work)
    }

    pub(super) async fn statement(&self, sql: &str) -> Result<Statement, Error> {
        if let Some(known) = self.statements.borrow().get(sql) {
            return Ok(known.clone());
        }
        let statement = self.client.prepare(sql).await?;
        self.statements.borrow_mut().insert(sql.to_owned(), statement.clone());
        Ok(statement)
    }

    pub(super) async fn query(&self, sql: &str, values: Values<'_>) -> Result<Vec<Row>, Error> {
        let statement = self.statement(sql).await?;
        self.client.query(&statement, values).await
    }

    pub(super) async fn query_opt(&self, sql: &str, values: Values<'_>) -> Result<Option<Row>, Error> {
        Ok(self.query(sql, values).await?.into_iter().next())
    }

    /// How many rows it was about.
    pub(super) async fn execute(&self, sql: &str, values: Values<'_>) -> Result<u64, Error> {
        let statement = self.statement(sql).await?;
        self.client.execute(&statement, values).await
    }

    /// Statements without values, not prepared.
    pub(super) async fn plain(&self, sql: &str) -> Result<(), Error> {
        self.client.batch_execute(sql).await
    }

    pub(super) async fn begin(&self) -> Result<(), Error> {
        self.warned.store(false, Ordering::Relaxed);
        self.plain("BEGIN").await
    }

    /// When this is done the transaction is durable, also on the standbys that the server is configured to wait for.
    pub(super) async fn commit(&self) -> Result<(), Fault> {
        self.plain("COMMIT").await.map_err(|error| {
            let undone = [&SqlState::T_R_SERIALIZATION_FAILURE, &SqlState::T_R_DEADLOCK_DETECTED];
            let is_undone = error.code().is_some_and(|code| undone.contains(&code));
            match error.into() {
                Fault::Again(error) if !is_undone => Fault::Unsure(error),
                fault => fault,
            }
        })?;
        // A wait for standbys that somebody cancelled ends as a commit with a warning.
        if self.warned.load(Ordering::Acquire) {
            return Err(Fault::Unsure(StoreError::Away("the server warned of this commit".into())));
        }
        Ok(())
    }
}

/// To the first host that is good for it.
async fn connect(
    address: &Address,
    role: PoolRole,
    until: Instant,
    warned: &Arc<AtomicBool>,
) -> Result<(usize, Client), Fault> {
    let mut fault = None;
    for (host, config) in address.in_turn() {
        let until = until.min(Instant::now() + address.host_max());
        let late = |_| Err(Fault::Again(StoreError::Away("no connection in time".into())));
        let opened = session(config, address.tls()?, role, Arc::clone(warned));
        match timeout_at(until, opened).await.unwrap_or_else(late) {
            Ok(client) => {
                address.is_good(host);
                return Ok((host, client));
            }
            // One that may be good later goes before one that will not be.
            Err(found) => match (&fault, &found) {
                (Some(Fault::Again(_)), Fault::Final(_)) => {}
                _ => fault = Some(found),
            },
        }
    }
    Err(fault.unwrap_or_else(|| Fault::Final(StoreError::Away("the URL names no host".into()))))
}

async fn session(
    config: &Config,
    tls: Option<MakeRustlsConnect>,
    role: PoolRole,
    warned: Arc<AtomicBool>,
) -> Result<Client, Fault> {
    let client = match tls {
        Some(tls) => {
            let (client, connection) = config.connect(tls).await?;
            tokio::spawn(drive(connection, warned));
            client
        }
        None => {
            let (client, connection) = config.connect(NoTls).await?;
            tokio::spawn(drive(connection, warned));
            client
        }
    };
    client.batch_execute(SESSION).await?;
    if role == PoolRole::Batches {
        client.batch_execute(BY_KEYS_ONLY).await?;
    }
    Ok(client)
}

/// Carries messages both ways until the connection ends. A warning is noted before the answer that follows it goes on.
async fn drive(mut connection: Connection<Socket, impl AsyncRead + AsyncWrite + Unpin>, warned: Arc<AtomicBool>) {
    while let Some(Ok(message)) = poll_fn(|context| connection.poll_message(context)).await {
        if let AsyncMessage::Notice(notice) = message
            && notice.parsed_severity().is_none_or(|severity| severity == Severity::Warning)
        {
            warned.store(true, Ordering::Release);
            tracing::warn!(code = notice.code().code(), "PostgreSQL warns: {}", notice.message());
        }
    }
}

pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
