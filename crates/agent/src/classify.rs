//! What the outcome of a push means for its record, and what it says of the platform. Pure, but for the log.

use std::io::ErrorKind;
use std::time::Duration;

use parkgate_client::{Backoff, Circuit, ClientError, Contact, Outcome};
use parkgate_wire::{UnixMillis, without_personal};

use crate::config::{OnHint, OnTooLarge};
use crate::denials::{Denials, Scope};
use crate::outbox::Settlement;

/// A push under way.
#[derive(Debug)]
pub(crate) struct PushAttempt {
    pub(crate) record: i64,
    /// Its number among all pushes begun.
    pub(crate) number: u64,
    /// Earlier failures of this record.
    pub(crate) failures: u32,
    pub(crate) has_pictures: bool,
    /// Personal data that a hint may repeat.
    pub(crate) personal: Vec<(String, String)>,
}

/// When an outcome is classified.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Moment {
    pub(crate) now: UnixMillis,
    /// From 0 to 1, to spread waits.
    pub(crate) chance: f64,
    /// How many pushes have been begun.
    pub(crate) begun: u64,
}

/// The rules of one agent, and the denials so far.
#[derive(Debug)]
pub(crate) struct Classifier {
    pub(crate) backoff: Backoff,
    pub(crate) on_hint: OnHint,
    pub(crate) on_too_large: OnTooLarge,
    pub(crate) denials: Denials,
}

impl Classifier {
    /// What an attempt means for its record, and what it says of the platform.
    pub(crate) fn classify(
        &mut self,
        outcome: Result<Outcome, ClientError>,
        attempt: &PushAttempt,
        circuit: &Circuit,
        moment: &Moment,
    ) -> (Settlement, Contact) {
        match outcome {
            Ok(Outcome::TryLater { reason, retry_after }) => {
                let reason = without_personal(&reason, &attempt.personal);
                tracing::warn!(reason, "not sent: it stays in the outbox");
                (self.later(attempt, retry_after, reason, moment), Contact::Failed { retry_after })
            }
            Ok(Outcome::Denied { denial, reason, .. }) => {
                let reason = without_personal(&reason, &attempt.personal);
                match self.denials.denied(attempt.record, denial, moment.begun) {
                    Scope::One => (dead(reason), Contact::Untold),
                    Scope::Undecided { is_first } => {
                        let is_of_all = is_first || circuit.is_open();
                        let contact = if is_of_all { Contact::Failed { retry_after: None } } else { Contact::Untold };
                        tracing::warn!(reason, "not let in: it stays in the outbox");
                        (self.later(attempt, None, reason, moment), contact)
                    }
                }
            }
            Ok(Outcome::TooLarge { reason }) => {
                (self.too_large(without_personal(&reason, &attempt.personal), attempt), Contact::Answered)
            }
            Ok(Outcome::Refused(reply)) => {
                let hint = reply.hint.unwrap_or(reply.message);
                (dead(without_personal(&hint, &attempt.personal)), Contact::Answered)
            }
            Ok(Outcome::Accepted(_)) => {
                self.denials.passed(attempt.number);
                (Settlement::Sent { hint: None }, Contact::Answered)
            }
            Ok(Outcome::AcceptedWithHint(reply)) => {
                self.denials.passed(attempt.number);
                let hint = without_personal(&reply.hint.unwrap_or_default(), &attempt.personal);
                (self.hinted(hint), Contact::Answered)
            }
            Err(error) => (self.unreadable(error, attempt, moment), Contact::Untold),
        }
    }

    fn hinted(&self, hint: String) -> Settlement {
        match self.on_hint {
            OnHint::Hold => Settlement::Held { hint },
            OnHint::Accept => {
                tracing::warn!(hint, "taken with a hint");
                Settlement::Sent { hint: Some(hint) }
            }
        }
    }

    fn too_large(&self, reason: String, attempt: &PushAttempt) -> Settlement {
        match self.on_too_large {
            OnTooLarge::WithoutPictures if attempt.has_pictures => {
                tracing::error!(
                    record = attempt.record,
                    reason,
                    "too large: the record goes once more without its pictures"
                );
                Settlement::WithoutPictures { reason }
            }
            OnTooLarge::WithoutPictures | OnTooLarge::Dead => dead(reason),
        }
    }

    /// The push could not be made, for a reason on this side.
    fn unreadable(&self, error: ClientError, attempt: &PushAttempt, moment: &Moment) -> Settlement {
        match error {
            ClientError::File(path, error) if error.kind() == ErrorKind::NotFound => {
                tracing::error!(record = attempt.record, path = %path.display(), "a picture is gone: the record goes without it");
                Settlement::PictureGone { path, reason: error.to_string() }
            }
            ClientError::File(path, error) => {
                tracing::error!(record = attempt.record, path = %path.display(), %error, "a picture cannot be read: the record waits");
                self.later(attempt, None, format!("{}: {error}", path.display()), moment)
            }
            // It would be no better the next time, and the others go on.
            ClientError::Setup(reason) => dead(reason),
        }
    }

    fn later(&self, attempt: &PushAttempt, asked: Option<Duration>, reason: String, moment: &Moment) -> Settlement {
        let wait = self.backoff.wait(attempt.failures.saturating_add(1), asked, moment.chance);
        Settlement::Later { due: moment.now.after(wait), reason }
    }
}

fn dead(hint: String) -> Settlement {
    tracing::error!(hint, "refused: the record is a dead letter now, see `parkgate agent dead list`");
    Settlement::Dead { hint }
}

#[cfg(test)]
mod tests;
