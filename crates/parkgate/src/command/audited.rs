//! What is written to the audit log before it is shown or done.

use parkgate_client::now;
use parkgate_ledger::mask::{self, Masking};
use parkgate_seal::disk::host_name;
use parkgate_store::{NewAuditEntry, Store, StoreError};
use parkgate_text::texts;
use serde_json::{Map, Value};

use crate::cli::UnmaskArgs;

/// Writes down what the user of this process does: `detail` without plates and ID data, but for [`Store::plate_digest`].
pub(super) fn note(store: &Store, what: &str, about: &str, mut detail: Map<String, Value>) -> Result<(), StoreError> {
    detail.insert("host".into(), host_name().into());
    let (what, about) = (what.to_owned(), about.to_owned());
    store.audit(&NewAuditEntry { at: now().0, who: user(), what, about, detail: Value::Object(detail).to_string() })
}

/// How much a command hides. Where nothing is to be hidden, that is written down first: what it shows, and by which filters.
pub(super) fn masking(
    store: &Store,
    asked: UnmaskArgs,
    hidden: Masking,
    command: &str,
    filters: &[(&str, Option<String>)],
) -> anyhow::Result<Masking> {
    if !asked.unmask {
        return Ok(hidden);
    }
    let (mut about, mut detail) = (command.to_owned(), Map::new());
    for (flag, given) in filters {
        let Some(given) = given else { continue };
        let shown = if *flag == "--plate" {
            detail.insert("plate_digest".into(), store.plate_digest(given).into());
            mask::plate(given)
        } else {
            given.clone()
        };
        about.push_str(&format!(" {flag} {shown}").replace("  ", " "));
    }
    let written = note(store, "unmask", &about, detail);
    written.map_err(|error| anyhow::anyhow!((texts().audit.not_written)(&error.to_string())))?;
    Ok(Masking::Nothing)
}

/// The system's user, with the one who became it by `sudo`.
fn user() -> String {
    let name = whoami::username().unwrap_or_else(|_| parkgate_seal::disk::owner_of_process());
    match std::env::var("SUDO_USER").ok().filter(|sudo| !sudo.is_empty() && *sudo != name) {
        Some(sudo) => format!("{name} (sudo: {sudo})").replace(char::is_control, " "),
        None => name,
    }
}
