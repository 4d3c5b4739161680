//! Pictures that reach the spool folder later than their record: cameras are slower than barriers.

use std::collections::HashMap;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::record::Record;

/// The records of the spool folder that are waiting for pictures.
#[derive(Debug)]
pub(crate) struct PictureWait {
    /// The longest wait; then they are sent without.
    wait: Duration,
    /// The start of each wait, by the record's file.
    since: HashMap<PathBuf, Instant>,
}

/// Whether a record's pictures are there.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum PicturesState {
    There,
    NotYet,
    /// These have not come in time.
    Missing(Vec<PathBuf>),
}

impl PictureWait {
    pub(crate) fn new(wait: Duration) -> PictureWait {
        PictureWait { wait, since: HashMap::new() }
    }

    pub(super) fn look(&mut self, file: &Path, record: &Record, now: Instant) -> PicturesState {
        let missing: Vec<PathBuf> =
            record.files.iter().filter(|(_, path)| !is_there(path)).map(|(_, path)| path.clone()).collect();
        match (missing.is_empty(), self.is_over(file, now)) {
            (true, _) => PicturesState::There,
            (false, false) => PicturesState::NotYet,
            (false, true) => PicturesState::Missing(missing),
        }
    }

    /// Has it waited long enough, counted from the first call of this?
    pub(super) fn is_over(&mut self, file: &Path, now: Instant) -> bool {
        let since = *self.since.entry(file.to_owned()).or_insert(now);
        now.saturating_duration_since(since) >= self.wait
    }

    /// Forgets files that are gone.
    pub(super) fn keep(&mut self, there: &[PathBuf]) {
        self.since.retain(|file, _| there.contains(file));
    }
}

/// An empty file is still being written.
fn is_there(path: &Path) -> bool {
    File::open(path).and_then(|file| file.metadata()).is_ok_and(|picture| picture.is_file() && picture.len() > 0)
}

#[cfg(test)]
mod tests {
    use parkgate_wire::PushKind;
    use serde_json::json;

    use super::*;

    #[test]
    fn a_record_waits_for_its_pictures_and_then_goes_without() {
        let folder = tempfile::tempdir().unwrap();
        let (first, second) = (folder.path().join("1.gif"), folder.path().join("2.gif"));
        let record = json!({
            "parking_serial": "S1", "enter_time": "1624874732253", "leave_time": "1624937505093",
            "leave_image_file": first, "enter_image_file": second,
        });
        let record = Record::from_json(PushKind::Leave, record.as_object().unwrap()).unwrap();
        let (begun, wait) = (Instant::now(), Duration::from_secs(30));
        let mut arriving = PictureWait::new(wait);
        let file = folder.path().join("1.json");
        assert_eq!(arriving.look(&file, &record, begun), PicturesState::NotYet);
        std::fs::write(&first, "x").unwrap();
        std::fs::write(&second, "").unwrap();
        let nearly = begun + wait - Duration::from_millis(1);
        assert_eq!(arriving.look(&file, &record, nearly), PicturesState::NotYet, "still empty");
        assert_eq!(arriving.look(&file, &record, begun + wait), PicturesState::Missing(vec![second.clone()]));
        std::fs::write(&second, "x").unwrap();
        assert_eq!(arriving.look(&file, &record, begun), PicturesState::There);
        arriving.keep(&[]);
        assert!(!arriving.is_over(&file, begun + wait), "another file of that name waits from its own start");
    }
}
