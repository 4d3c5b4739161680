//! Faults as people read them: those that are commonly met in the language in use, with what to do next.

use std::error::Error;
use std::io::{self, ErrorKind};

use parkgate_seal::{KeyError, SealError};
use parkgate_store::{NewerDatabase, PROGRAM, StoreError};
use parkgate_text::texts;

/// An error with its causes.
pub(super) fn said(error: &anyhow::Error) -> String {
    error.chain().map(one).collect::<Vec<_>>().join(": ")
}

fn one(error: &(dyn Error + 'static)) -> String {
    if let Some(error) = error.downcast_ref::<StoreError>() {
        return of_store(error);
    }
    if let Some(error) = error.downcast_ref::<KeyError>() {
        return of_key(error);
    }
    if let Some(error) = error.downcast_ref::<SealError>() {
        return of_seal(error);
    }
    match error.downcast_ref::<io::Error>() {
        Some(error) => of_file(error),
        None => error.to_string(),
    }
}

fn of_store(error: &StoreError) -> String {
    let upgrade = &texts().upgrade;
    let texts = &texts().state;
    match error {
        StoreError::Busy(why) => (texts.busy)(why),
        StoreError::Held(parks) => (texts.held)(parks.len()),
        StoreError::Full(why) => (texts.full)(why),
        StoreError::Away(why) => (texts.away)(why),
        StoreError::Unsynced(why) => (texts.unsynced)(why),
        StoreError::Exists(what) => (texts.exists)(what),
        StoreError::Newer(NewerDatabase { program: Some(program), .. }) => (upgrade.newer)(program, PROGRAM),
        StoreError::Newer(NewerDatabase { program: None, .. }) => (upgrade.newer_unknown)(PROGRAM),
        StoreError::Key(error) => of_key(error),
        StoreError::KeyChanged(id) => (parkgate_text::texts().key.not_here)(&id.to_string()),
        StoreError::Broken(why) => (texts.broken)(why),
    }
}

fn of_key(error: &KeyError) -> String {
    let texts = &texts().state;
    match error {
        KeyError::File(path, error) => (texts.key_unreadable)(path, &of_file(error)),
        KeyError::Malformed(path) => (texts.key_not_hex)(path),
        KeyError::Lost(path, sealed) => (texts.key_lost)(path, sealed),
        KeyError::Another(sealed, path) => (parkgate_text::texts().key.another)(sealed, path),
        KeyError::Open(path) => (texts.key_exposed)(path),
    }
}

fn of_seal(error: &SealError) -> String {
    let texts = &texts().state;
    match error {
        SealError::Unsealed(what, _) => (texts.cannot_seal)(what),
        SealError::OtherKey(_, id) => (parkgate_text::texts().key.not_here)(&id.to_string()),
        SealError::Shut(what) => (texts.cannot_unseal)(what),
    }
}

/// What the operating system says, in our words where they are known: its own are in a language of its own.
pub(crate) fn of_file(error: &io::Error) -> String {
    let texts = &texts().state;
    let text = match error.kind() {
        // One that our code made says more than its kind.
        _ if error.raw_os_error().is_none() => return error.to_string(),
        ErrorKind::NotFound => texts.not_found,
        ErrorKind::PermissionDenied => texts.denied,
        ErrorKind::AddrInUse => texts.taken,
        ErrorKind::StorageFull => texts.no_space,
        ErrorKind::ReadOnlyFilesystem => texts.read_only,
        ErrorKind::IsADirectory => texts.is_folder,
        ErrorKind::ConnectionRefused => texts.refused,
        _ => return error.to_string(),
    };
    text.to_owned()
}

#[cfg(test)]
mod tests {
    use anyhow::Context as _;

    use super::*;

    #[test]
    fn a_fault_is_said_with_its_causes_in_the_language_in_use() {
        let missing = io::Error::from_raw_os_error(2);
        let error = Err::<(), _>(missing).context("parkgate.toml").unwrap_err();
        assert_eq!(said(&error), "parkgate.toml: 没有此文件或目录");
        let own = anyhow::Error::from(io::Error::other("one of ours"));
        assert_eq!(said(&own), "one of ours");
        let away = anyhow::Error::from(StoreError::Away("refused".into())).context("PostgreSQL");
        assert!(said(&away).starts_with("PostgreSQL: 连不上存储: ") && said(&away).ends_with("(refused)"));
    }
}
