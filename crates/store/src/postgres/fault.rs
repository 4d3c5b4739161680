//! What a failure of PostgreSQL means: whether another attempt may do, and what the caller gets.

use parkgate_seal::SealError;
use tokio_postgres::Error;
use tokio_postgres::error::SqlState;
use tokio_postgres::types::{WasNull, WrongType};

use crate::StoreError;

/// Why an attempt came to nothing.
#[derive(Debug)]
pub(super) enum Fault {
    /// Surely nothing was done, and another attempt may do.
    Again(StoreError),
    /// The commit was asked for, and its answer did not come: perhaps it is done.
    Unsure(StoreError),
    /// Another attempt would fare no better.
    Final(StoreError),
}

impl Fault {
    pub(super) fn error(&self) -> &StoreError {
        let (Fault::Again(error) | Fault::Unsure(error) | Fault::Final(error)) = self;
        error
    }

    /// Is the server or the way to it in doubt?
    pub(super) fn is_of_the_line(&self) -> bool {
        matches!(self.error(), StoreError::Away(_))
    }
}

impl From<SealError> for Fault {
    fn from(error: SealError) -> Fault {
        StoreError::from(error).into()
    }
}

impl From<StoreError> for Fault {
    fn from(error: StoreError) -> Self {
        Fault::Final(error)
    }
}

impl From<Error> for Fault {
    fn from(error: Error) -> Self {
        let Some(reported) = error.as_db_error() else {
            let text = causes(&error);
            // What is no word of the server's is the line's, but for values of ours that cannot be converted.
            return if has_cause(&error, is_conversion) {
                Fault::Final(StoreError::Broken(text))
            } else if has_cause(&error, is_certificate) {
                Fault::Final(StoreError::Away(text))
            } else {
                Fault::Again(StoreError::Away(text))
            };
        };
        // Not its detail, which may hold what was sent.
        let text = format!("{} ({})", reported.message(), reported.code().code());
        match reported.code().code() {
            "40001" | "40P01" | "55P03" | "57014" => Fault::Again(StoreError::Busy(text)),
            "PM001" => Fault::Final(StoreError::Busy(text)),
            "53100" => Fault::Final(StoreError::Full(text)),
            // A prepared statement that is no more, or not as it was; a server that became a standby.
            "26000" | "0A000" | "25006" | "58030" => Fault::Again(StoreError::Away(text)),
            "28P01" | "28000" | "3D000" => Fault::Final(StoreError::Away(text)),
            code if ["08", "53", "57"].iter().any(|class| code.starts_with(class)) => {
                Fault::Again(StoreError::Away(text))
            }
            _ => Fault::Final(StoreError::Broken(text)),
        }
    }
}

/// Is one of the errors that this one comes of such a one?
fn has_cause(error: &Error, is_such: fn(&(dyn std::error::Error + 'static)) -> bool) -> bool {
    let mut next = std::error::Error::source(error);
    while let Some(cause) = next {
        if is_such(cause) {
            return true;
        }
        // An error of the system's kind hides another kind's behind it.
        let hidden = cause.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref);
        if hidden.is_some_and(|hidden| is_such(hidden)) {
            return true;
        }
        next = cause.source();
    }
    false
}

/// A value or column of another type than the statement's.
fn is_conversion(cause: &(dyn std::error::Error + 'static)) -> bool {
    cause.is::<WrongType>()
        || cause.is::<WasNull>()
        || cause.is::<std::num::TryFromIntError>()
        || cause.is::<std::str::Utf8Error>()
}

/// The server's certificate is not the one that was asked for.
fn is_certificate(cause: &(dyn std::error::Error + 'static)) -> bool {
    matches!(cause.downcast_ref(), Some(rustls::Error::InvalidCertificate(_)))
}

/// The error and what it comes of, in one line.
fn causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        text = format!("{text}: {cause}");
        next = cause.source();
    }
    text
}

/// A name or key is taken already.
pub(super) fn taken(error: Error, name: &str) -> Fault {
    match error.code() {
        Some(code) if *code == SqlState::UNIQUE_VIOLATION => Fault::Final(StoreError::Exists(name.to_owned())),
        _ => error.into(),
    }
}
