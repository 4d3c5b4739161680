//! `serve`: the gate itself.

use std::ffi::OsString;
use std::fs::{File, TryLockError};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use parkgate_gate::{Gate, Mode, Settings};
use parkgate_store::{Alarm, Images};
use parkgate_text::texts;
use parkgate_web::{Listeners, ServeError, Server, Tls, TlsFiles, serve};
use tokio::net::TcpListener;

use super::signals::{Hangup, Signals};
use super::{demo, last_alarm, running, supervisor};
use crate::cli::ServeArgs;
use crate::config::{ADMIN_LISTEN, AdminListen, ImagesAt, ServeConfig, tls_fault};
use crate::output::{ComponentFailed, misuse};

/// Threads that write pictures and query the store. A disk keeps eight busy; but with a hanging database each query
/// (the registry, a count of spaces, every subscriber's claim) blocks one for five seconds, and pictures must still
/// find one.
const BLOCKING_THREADS: usize = 64;

pub(super) fn run(args: &ServeArgs) -> anyhow::Result<()> {
    let config = ServeConfig::of(&args.settings)?;
    if args.demo && !config.listen.ip().is_loopback() {
        return Err(misuse(texts().state.loopback_only));
    }
    let tls = load_tls(config.tls.as_ref())?;
    running::log()?;
    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    let runtime = runtime.enable_all().max_blocking_threads(BLOCKING_THREADS).build()?;
    running::run(runtime, run_gate(args.demo, args.verify_only, config, tls))
}

/// The certificate, if there is to be one; or what is wrong with its files, before anything else is touched.
fn load_tls(files: Option<&TlsFiles>) -> anyhow::Result<Option<Arc<Tls>>> {
    let Some(files) = files else { return Ok(None) };
    Tls::load(files.clone()).map(Some).map_err(|error| misuse(tls_fault(files, &error)))
}

async fn run_gate(is_demo: bool, verify_only: bool, config: ServeConfig, tls: Option<Arc<Tls>>) -> anyhow::Result<()> {
    let _lock = lock(&config.state.data)?;
    let store = config.state.open()?;
    let images = open_images(&config.images, &config.state.data)?;
    let demo = if is_demo { Some(demo::prepare(store.as_ref(), &config.state)?) } else { None };
    let mode = if verify_only { Mode::VerifyOnly } else { Mode::Record };
    let (trusted_proxies, data) = (config.trusted_proxies, config.state.data.clone());
    let drain_timeout = config.limits.drain_timeout;
    let ServeConfig { node, limits, forward, before, retention, .. } = config;
    let settings = Settings { node, limits, forward, before, retention, mode };
    let public = TcpListener::bind(config.listen)
        .await
        .with_context(|| (texts().state.cannot_listen)(&config.listen.to_string()))?;
    let address = public.local_addr()?;
    let admin = listen_to_admin(config.admin_listen).await?;
    let gate = Gate::open(settings, Arc::clone(&store), images)?;
    gate.figures.last_alarm.set(last_alarm::last_at(&data));
    see_to_the_end(gate.alarm().clone(), data.clone())?;
    let scheme = if tls.is_some() { "https" } else { "http" };
    let parts = Arc::clone(&gate);
    let server = Server::new(gate, trusted_proxies, tls.clone());
    // Before the line on stdout: whoever reads it may stop the gate at once.
    let signals = Signals::listen()?;
    tokio::spawn(reload(Hangup::listen()?, tls));
    if let Some(admin) = &admin {
        let admin = admin.local_addr()?;
        parkgate_log::print(&format!("admin on {scheme}://{admin}"));
        tracing::info!(%admin, "the admin address");
    }
    parkgate_log::print(&format!("listening on {scheme}://{address}"));
    // Logged as well: nobody may be reading what is printed.
    tracing::info!(%address, "listening");
    if let Some(demo) = demo {
        demo.print(&format!("{scheme}://{address}"));
    }
    supervisor::ready();
    // A database that is away for a while is no reason to be restarted: that it records nothing is for readiness to say.
    let alive = tokio::spawn(supervisor::keep_alive(move || std::future::ready(parts.check())));
    let stopped = async move {
        signals.stopped().await;
        supervisor::stopping();
        // Its parts end now; `end_within` sees to what hangs.
        alive.abort();
        tokio::spawn(supervisor::keep_alive(|| std::future::ready(Ok(()))));
        if let Err(error) = running::end_within(drain_timeout + CLOSE_MAX) {
            tracing::warn!(%error, "the end may be long in coming");
        }
    };
    match serve(server, Listeners { public, admin }, stopped).await {
        Ok(()) => Ok(()),
        Err(ServeError::Alarm(reason)) => {
            // Closing it would sync and copy data that is in doubt. The next start examines it as it is.
            std::mem::forget(store);
            // Also here: the thread that waits for the alarm may not have come to it.
            last_alarm::note(&data, &reason);
            Err(ComponentFailed(reason).into())
        }
        Err(error @ ServeError::Close(_)) => Err(error).context(texts().state.stopping),
    }
}

/// SIGHUP reads the certificate anew.
async fn reload(mut hangup: Hangup, tls: Option<Arc<Tls>>) {
    loop {
        hangup.next().await;
        match &tls {
            Some(tls) => tls.reload(),
            None => tracing::info!("SIGHUP: there is no certificate to read anew"),
        }
    }
}

/// Once the alarm is raised, the process ends soon, whatever hangs. A thread of its own waits for it: any other may
/// hang.
fn see_to_the_end(alarm: Alarm, data: PathBuf) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Handle::current();
    let wait = move || {
        let reason = runtime.block_on(alarm.wait());
        tracing::error!(reason, "the gate must end: nothing is acknowledged any more");
        if let Err(error) = running::end_within(ALARM_MAX) {
            tracing::error!(%error, "the end may be long in coming");
        }
        // After that: the disk that failed may hang, too.
        last_alarm::note(&data, &reason);
    };
    let started = std::thread::Builder::new().name("alarm".into()).spawn(wait);
    started.map(drop).context("no thread that waits for the alarm")
}

/// After an alarm the process ends by itself within two or three seconds. This is for one that does not.
const ALARM_MAX: Duration = Duration::from_secs(10);
/// In addition to the time for requests in flight: for settling deliveries and checkpointing the WAL.
const CLOSE_MAX: Duration = Duration::from_secs(60);

/// If nobody asked for a particular address and it is taken (say by another gate on this machine), the gate starts all
/// the same.
async fn listen_to_admin(listen: AdminListen) -> anyhow::Result<Option<TcpListener>> {
    match listen {
        AdminListen::Off => Ok(None),
        AdminListen::At(address) => {
            let listener = TcpListener::bind(address)
                .await
                .with_context(|| (texts().state.cannot_listen_admin)(&address.to_string()))?;
            Ok(Some(listener))
        }
        AdminListen::Default => match TcpListener::bind(ADMIN_LISTEN).await {
            Ok(listener) => Ok(Some(listener)),
            Err(error) => {
                let listener =
                    TcpListener::bind(SocketAddr::new(ADMIN_LISTEN.ip(), 0)).await.context("--admin-listen")?;
                let taken = listener.local_addr()?;
                tracing::warn!(%error, wanted = %ADMIN_LISTEN, %taken, "the admin address is another one: set --admin-listen");
                Ok(Some(listener))
            }
        },
    }
}

pub(super) fn open_images(at: &ImagesAt, data: &Path) -> anyhow::Result<Images> {
    match at {
        ImagesAt::Folder(folder) => {
            Images::open(folder).with_context(|| (texts().state.pictures)(&folder.display().to_string()))
        }
        ImagesAt::Bucket(url) => {
            Images::open_bucket(url, aws_variables(), &data.join("images")).with_context(|| (texts().state.bucket)(url))
        }
    }
}

/// The bucket's address and credentials, from the variables that every S3 client uses.
pub(super) fn aws_variables() -> impl Iterator<Item = (String, String)> {
    let text = |(name, value): (OsString, OsString)| Some((name.into_string().ok()?, value.into_string().ok()?));
    std::env::vars_os().filter_map(text).filter(|(name, _)| name.starts_with("AWS_"))
}

/// Locks a folder for one gate, until the process ends.
pub(super) fn lock(data: &Path) -> anyhow::Result<File> {
    let path = data.join("serve.lock");
    let open = parkgate_store::make_folder(data).and_then(|()| parkgate_seal::disk::open_file(&path));
    let file = open.with_context(|| (texts().state.data_folder)(&data.display().to_string()))?;
    let begun = Instant::now();
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(file),
            Err(TryLockError::WouldBlock) if begun.elapsed() < ENDING_MAX => std::thread::sleep(ENDING_MAX / 20),
            Err(TryLockError::WouldBlock) => {
                bail!((texts().state.in_use)(&data.display().to_string()))
            }
            Err(TryLockError::Error(error)) => return Err(error).with_context(|| path.display().to_string()),
        }
    }
}

/// How long to wait for a gate that was killed a moment ago.
const ENDING_MAX: Duration = Duration::from_secs(2);
