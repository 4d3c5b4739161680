//! When and why a gate last ended for a fault, in a file of its data folder. Such a gate is gone before anybody asks for its
//! figures, and the one that a supervisor starts in its place is well: without this file, nobody would see a failed sync.

use std::path::Path;
use std::time::SystemTime;

use parkgate_wire::UnixMillis;
use serde::{Deserialize, Serialize};

const FILE: &str = "last-alarm.json";

/// What was found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct LastAlarm {
    /// When, ms since 1970.
    at: i64,
    /// What ended the gate.
    reason: String,
}

/// Writes it down, as far as the disk still does that.
pub(super) fn note(data: &Path, reason: &str) {
    let found = LastAlarm { at: UnixMillis::from(SystemTime::now()).0, reason: reason.to_owned() };
    let written = serde_json::to_vec(&found)
        .map_err(std::io::Error::from)
        .and_then(|json| parkgate_seal::disk::write_file(&data.join(FILE), &json));
    if let Err(error) = written {
        tracing::warn!(%error, "why the gate ends could not be written down");
    }
}

/// When that was, ms since 1970, or 0 if it never was; logged, with the reason, for whoever looks why it was restarted.
pub(super) fn last_at(data: &Path) -> i64 {
    let Some(last) = last(data) else { return 0 };
    tracing::warn!(at = last.at, reason = last.reason, "a gate on this data folder ended for a fault before");
    last.at
}

/// What was found last, if anything was. A file that cannot be read says nothing.
fn last(data: &Path) -> Option<LastAlarm> {
    let json = std::fs::read(data.join(FILE)).ok()?;
    serde_json::from_slice(&json).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_alarm_is_found_again_and_what_is_none_is_not() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(last(folder.path()), None);
        note(folder.path(), "the disk failed to sync");
        note(folder.path(), "a thread ended");
        let found = last(folder.path()).unwrap();
        assert_eq!(found.reason, "a thread ended");
        assert!(found.at > 1_700_000_000_000);
        std::fs::write(folder.path().join(FILE), b"{\"at\":").unwrap();
        assert_eq!(last(folder.path()), None);
    }
}
