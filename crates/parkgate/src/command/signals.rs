//! How the operating system asks a program to end: the only file of this crate that depends on the system.

use std::io;
use std::time::Duration;

/// How long the log may take if the process ends at once.
const LAST_WORDS: Duration = Duration::from_millis(200);

/// Listens from the moment it is made, so that no signal is missed.
pub(super) struct Signals {
    #[cfg(unix)]
    terminate: tokio::signal::unix::Signal,
    #[cfg(unix)]
    interrupt: tokio::signal::unix::Signal,
}

impl Signals {
    #[cfg(unix)]
    pub(super) fn listen() -> io::Result<Signals> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Signals { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? })
    }

    #[cfg(unix)]
    async fn next(&mut self) {
        tokio::select! { _ = self.terminate.recv() => {}, _ = self.interrupt.recv() => {} }
    }

    #[cfg(not(unix))]
    pub(super) fn listen() -> io::Result<Signals> {
        Ok(Signals {})
    }

    #[cfg(not(unix))]
    async fn next(&mut self) {
        if let Err(error) = tokio::signal::ctrl_c().await {
            tracing::error!(%error, "Ctrl-C cannot be listened for");
            std::future::pending::<()>().await;
        }
    }

    /// The first signal drains, a second one ends at once.
    pub(super) async fn stopped(mut self) {
        self.next().await;
        tokio::spawn(async move {
            self.next().await;
            tracing::warn!("a second signal: ending at once");
            parkgate_log::flush(LAST_WORDS);
            std::process::exit(1);
        });
    }
}

/// SIGHUP: the settings' files have changed. From a terminal it means that the terminal is gone, and ends the program, as is
/// usual.
pub(super) struct Hangup {
    #[cfg(unix)]
    signal: Option<tokio::signal::unix::Signal>,
}

impl Hangup {
    #[cfg(unix)]
    pub(super) fn listen() -> io::Result<Hangup> {
        use std::io::IsTerminal;
        use tokio::signal::unix::{SignalKind, signal};
        let signal = if io::stdin().is_terminal() { None } else { Some(signal(SignalKind::hangup())?) };
        Ok(Hangup { signal })
    }

    #[cfg(not(unix))]
    pub(super) fn listen() -> io::Result<Hangup> {
        Ok(Hangup {})
    }

    /// Ready when the next one comes.
    pub(super) async fn next(&mut self) {
        #[cfg(unix)]
        if let Some(signal) = &mut self.signal
            && signal.recv().await.is_some()
        {
            return;
        }
        std::future::pending().await
    }
}
