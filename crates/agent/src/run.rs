//! An agent from its start to its end: which parts there are, and in which order they begin and stop.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use parkgate_seal::disk::make_folder;
use tokio::net::TcpListener;
use tokio::sync::{Notify, watch};

use crate::config::AgentConfig;
use crate::guard::{Guard, guarded};
use crate::local_api::{self, LocalApi};
use crate::lock::Lock;
use crate::outbox::{self, Outbox, checkpoint};
use crate::sender::OutboxSender;
use crate::spool;
use crate::tasks::{RunError, Tasks};
use crate::upload::UploadFolder;

/// How often the outbox forgets what it sent long ago. It also does so at the start.
const UPKEEP_EVERY: Duration = Duration::from_secs(24 * 60 * 60);

/// Runs until `stop` is ready, then finishes what is under way. `listening` is called with the address and the outbox once
/// records are accepted.
///
/// # Errors
/// It could not start, or one of its parts ended.
pub async fn run(
    config: AgentConfig,
    stop: impl Future<Output = ()> + Send + 'static,
    listening: impl FnOnce(SocketAddr, Arc<Outbox>),
) -> Result<(), RunError> {
    config.make_folder()?;
    let _lock = Lock::take(&config.data)?;
    checkpoint::begin_alone(&config.data.join(outbox::FILE)).map_err(io::Error::other)?;
    let outbox = Arc::new(config.outbox().map_err(io::Error::other)?);
    // All that the agent before this one left in the WAL.
    outbox.checkpoint(1).map_err(io::Error::other)?;
    let incoming = config.data.join("incoming");
    if incoming.exists() {
        std::fs::remove_dir_all(&incoming)?;
    }
    make_folder(&incoming)?;
    let added = Arc::new(Notify::new());
    let (stopping, stopped) = watch::channel(false);
    let sender = OutboxSender {
        outbox: Arc::clone(&outbox),
        client: config.client().map_err(io::Error::other)?,
        backoff: config.backoff().map_err(io::Error::other)?,
        on_hint: config.on_hint,
        on_too_large: config.on_too_large,
        concurrency: config.concurrency,
        newest_first: config.newest_first,
        added: Arc::clone(&added),
    };
    let picture_wait = config.spool_picture_wait().map_err(io::Error::other)?;
    let listener = TcpListener::bind(config.listen).await?;
    let address = listener.local_addr()?;
    let sending = tokio::spawn(sender.run(stopped.clone()));
    let copying = tokio::spawn(checkpoint::copy_now_and_then(Arc::clone(&outbox), UPKEEP_EVERY, stopped.clone()));
    let watching = config.spool.clone().map(|folder| {
        let (outbox, added) = (Arc::clone(&outbox), Arc::clone(&added));
        tokio::spawn(spool::watch(folder, picture_wait, outbox, added, stopped.clone()))
    });
    let guard = Guard::new(config.listen, &config.hosts, config.token.as_deref());
    let last = Arc::clone(&outbox);
    let router = guarded(local_api::router(LocalApi { outbox, added, incoming: UploadFolder(incoming) }), guard);
    let serving = axum::serve(listener, router).with_graceful_shutdown(stop_asked(stopped));
    let mut tasks = Tasks { sending, copying, watching, serving: tokio::spawn(async move { serving.await }) };
    listening(address, Arc::clone(&last));
    tokio::select! {
        () = stop => {}
        part = tasks.ended() => {
            tracing::error!(part, "a part of the agent ended: the agent must be restarted");
            return Err(RunError::Ended(part));
        }
    }
    // The receivers live as long as the tasks do.
    let _ = stopping.send(true);
    tasks.finish().await?;
    last.checkpoint(1).map_err(|_| RunError::Ended("the outbox's checkpoints"))
}

async fn stop_asked(mut stopped: watch::Receiver<bool>) {
    // The end of the sender is a request to stop, too.
    let _ = stopped.wait_for(|stopped| *stopped).await;
}
