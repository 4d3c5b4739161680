//! The car park's half: takes records, keeps them until the platform has them, never gets stuck on one.
//!
//! Records come by local HTTP, by a spool folder, or from the command line into an [`Outbox`]; a sender takes them from
//! there. Nothing rests on Parkgate's own extras: any platform of the protocol will do.

pub mod check;
pub mod config;
mod denials;
mod guard;
mod incoming;
mod intake;
mod lock;
pub mod outbox;
mod problem;
pub mod record;
mod sender;
pub mod space;
mod spool;
pub mod status;
mod tasks;

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use parkgate_seal::disk::make_folder;
use tokio::net::TcpListener;
use tokio::sync::{Notify, watch};

pub use config::Config;
pub use outbox::{Added, Outbox};
pub use record::Record;
pub use space::{Space, SpaceSource};

use crate::guard::{Guard, guarded};
use crate::incoming::Incoming;
use crate::intake::Intake;
use crate::lock::Lock;
use crate::outbox::checkpoint;
use crate::sender::Sender;
use crate::tasks::Tasks;

/// How often what was sent long ago is forgotten; at the start, too.
const UPKEEP_EVERY: Duration = Duration::from_secs(24 * 60 * 60);

/// Why an agent did not run to its end.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// It could not start: the settings are wrong, another agent runs on the folder, the outbox cannot be opened, or the
    /// address is taken.
    #[error(transparent)]
    Start(#[from] io::Error),
    /// A part that must run all the time ended by a fault of ours. The process must end and be started anew: what was on its
    /// way is sent again then.
    #[error("a part of the agent ended: {0}")]
    Ended(&'static str),
}

/// Runs until `stop` is ready, and then finishes what is on its way. `listening` is told the address.
///
/// # Errors
/// It could not start, or one of its parts ended.
pub async fn run(
    config: Config,
    stop: impl Future<Output = ()> + Send + 'static,
    listening: impl FnOnce(SocketAddr),
) -> Result<(), RunError> {
    config.make_folder()?;
    let _lock = Lock::take(&config.data)?;
    checkpoint::begin_alone(&config.data.join(outbox::FILE)).map_err(io::Error::other)?;
    let outbox = Arc::new(config.outbox().map_err(io::Error::other)?);
    // All that an agent before left in the WAL.
    outbox.checkpoint(1).map_err(io::Error::other)?;
    let incoming = config.data.join("incoming");
    if incoming.exists() {
        std::fs::remove_dir_all(&incoming)?;
    }
    make_folder(&incoming)?;
    let added = Arc::new(Notify::new());
    let (stopping, stopped) = watch::channel(false);
    let sender = Sender {
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
    let router = guarded(intake::router(Intake { outbox, added, incoming: Incoming(incoming) }), guard);
    let serving = axum::serve(listener, router).with_graceful_shutdown(told(stopped));
    let mut tasks = Tasks { sending, copying, watching, serving: tokio::spawn(async move { serving.await }) };
    listening(address);
    tokio::select! {
        () = stop => {}
        part = tasks.ended() => {
            tracing::error!(part, "a part of the agent ended: the agent must be started anew");
            return Err(RunError::Ended(part));
        }
    }
    // The receivers live as long as the tasks do.
    let _ = stopping.send(true);
    tasks.finish().await?;
    last.checkpoint(1).map_err(|_| RunError::Ended("the outbox's checkpoints"))
}

async fn told(mut stopped: watch::Receiver<bool>) {
    // Told as well when nobody is left to tell.
    let _ = stopped.wait_for(|stopped| *stopped).await;
}
