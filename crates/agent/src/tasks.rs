//! The parts of an agent that run at the same time. If one ends unasked, the others must not go on as if all were well: records
//! would be accepted and never sent.

use std::future::pending;
use std::io;
use std::time::Duration;

use tokio::task::JoinHandle;

use crate::outbox::OutboxError;

/// Pushes that are under way when the agent stops may take this long; after that they are sent again at the next start.
pub(crate) const STOP_WITHIN: Duration = Duration::from_secs(10);

/// Why an agent did not run to its end.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// It could not start: the settings are wrong, another agent runs on the folder, the outbox cannot be opened, or the
    /// address is taken.
    #[error(transparent)]
    Start(#[from] io::Error),
    /// A part that must always run ended in a fault of ours. The process must end and be restarted: pushes that were under way are
    /// sent again then.
    #[error("a part of the agent ended: {0}")]
    Ended(&'static str),
}

/// The parts of a running agent.
pub(crate) struct Tasks {
    pub(crate) sending: JoinHandle<()>,
    pub(crate) copying: JoinHandle<Result<(), OutboxError>>,
    /// `None` without a spool folder.
    pub(crate) watching: Option<JoinHandle<()>>,
    pub(crate) serving: JoinHandle<io::Result<()>>,
}

impl Tasks {
    /// Waits until one of them ends, by a panic or otherwise, and says which.
    pub(crate) async fn ended(&mut self) -> &'static str {
        let watching = async {
            match &mut self.watching {
                Some(watching) => drop(watching.await),
                None => pending().await,
            }
        };
        tokio::select! {
            _ = &mut self.sending => "sending",
            _ = &mut self.copying => "the outbox's checkpoints",
            () = watching => "the spool folder",
            _ = &mut self.serving => "taking records",
        }
    }

    /// Waits for all of them once they have been asked to stop, within bounds.
    ///
    /// # Errors
    /// One of them ended in a fault of ours.
    pub(crate) async fn finish(mut self) -> Result<(), RunError> {
        if tokio::time::timeout(STOP_WITHIN, &mut self.serving).await.is_err() {
            tracing::warn!("a request did not end in time: its sender was not answered and still has the record");
            self.serving.abort();
        }
        if let Some(watching) = self.watching {
            watching.await.map_err(|_| RunError::Ended("the spool folder"))?;
        }
        // Its own failure is in the log already.
        self.copying.await.ok().and_then(Result::ok).ok_or(RunError::Ended("the outbox's checkpoints"))?;
        self.sending.await.map_err(|_| RunError::Ended("sending"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn goes_on() -> Tasks {
        Tasks {
            sending: tokio::spawn(pending()),
            copying: tokio::spawn(pending()),
            watching: Some(tokio::spawn(pending())),
            serving: tokio::spawn(pending()),
        }
    }

    #[tokio::test]
    async fn whichever_ends_or_panics_is_named() {
        let panics = || async { std::panic::resume_unwind(Box::new("scripted")) };
        assert_eq!(Tasks { sending: tokio::spawn(panics()), ..goes_on() }.ended().await, "sending");
        assert_eq!(Tasks { sending: tokio::spawn(async {}), ..goes_on() }.ended().await, "sending");
        let copying = tokio::spawn(async { Ok(()) });
        assert_eq!(Tasks { copying, ..goes_on() }.ended().await, "the outbox's checkpoints");
        let watching = Some(tokio::spawn(panics()));
        assert_eq!(Tasks { watching, ..goes_on() }.ended().await, "the spool folder");
        let serving = tokio::spawn(async { Err(io::ErrorKind::Other.into()) });
        assert_eq!(Tasks { serving, watching: None, ..goes_on() }.ended().await, "taking records");
    }

    #[tokio::test]
    async fn a_fault_at_the_end_is_an_error_too() {
        let done = || Tasks {
            sending: tokio::spawn(async {}),
            copying: tokio::spawn(async { Ok(()) }),
            watching: None,
            serving: tokio::spawn(async { Ok(()) }),
        };
        assert!(done().finish().await.is_ok());
        let sending = tokio::spawn(async { std::panic::resume_unwind(Box::new("scripted")) });
        let copying = tokio::spawn(async { Err(OutboxError::Damaged("scripted".into())) });
        assert!(Tasks { copying, ..done() }.finish().await.is_err());
        let ended = Tasks { sending, ..done() }.finish().await;
        assert!(matches!(ended, Err(RunError::Ended("sending"))), "{ended:?}");
    }
}
