//! Free spaces as the car park counts them, so that the platform need not guess (`leave.md`, note 5).

use std::path::PathBuf;
use std::time::Duration;

use parkgate_wire::UnixMillis;
use parkgate_wire::content_type::without_bom;
use serde::Deserialize;

/// How many spaces there are, and how many are free.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub struct SpaceCount {
    /// `total_parking_space`.
    #[serde(rename = "total_parking_space")]
    pub total: u32,
    /// `remain_parking_space`.
    #[serde(rename = "remain_parking_space")]
    pub remain: u32,
}

/// Where the number of free spaces comes from, besides the local API.
#[derive(Debug, Clone)]
pub struct SpaceSource {
    /// A JSON file with both numbers, rewritten by the car park's software on every change.
    pub file: Option<PathBuf>,
    /// A count is valid for its moment: numbers older than this are not used, nor are records older than this given any.
    pub max_age: Duration,
}

impl Default for SpaceSource {
    fn default() -> Self {
        SpaceSource { file: None, max_age: Duration::from_secs(5 * 60) }
    }
}

impl SpaceSource {
    /// Adds both numbers to a record that has none, if they are known for the time of its event. `reported` came through the
    /// local API; the newer of it and the file counts.
    pub(crate) fn attach(
        &self,
        happened_at: UnixMillis,
        params: &mut Vec<(String, String)>,
        reported: Option<(SpaceCount, UnixMillis)>,
        now: UnixMillis,
    ) {
        let is_fresh = |at: UnixMillis| now.since(at).max(at.since(now)) <= self.max_age;
        let has = |name: &str| params.iter().any(|(other, _)| other == name);
        if !is_fresh(happened_at) || has("total_parking_space") || has("remain_parking_space") {
            return;
        }
        let known =
            [reported, self.read()].into_iter().flatten().filter(|(_, at)| is_fresh(*at)).max_by_key(|(_, at)| *at);
        if let Some((space, _)) = known {
            params.push(("total_parking_space".into(), space.total.to_string()));
            params.push(("remain_parking_space".into(), space.remain.to_string()));
        }
    }

    /// What the file says, and when it was written.
    fn read(&self) -> Option<(SpaceCount, UnixMillis)> {
        let path = self.file.as_ref()?;
        let read = || -> std::io::Result<(SpaceCount, UnixMillis)> {
            let written = std::fs::metadata(path)?.modified()?;
            let space = serde_json::from_slice(without_bom(&std::fs::read(path)?))?;
            Ok((space, written.into()))
        };
        match read() {
            Ok(read) => Some(read),
            Err(error) => {
                tracing::warn!(%error, file = %path.display(), "no free spaces from this file");
                None
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 1_700_000_000_000;

    fn attached(
        source: &SpaceSource,
        happened_at: i64,
        given: &[(&str, &str)],
        reported: Option<(SpaceCount, i64)>,
    ) -> String {
        let mut params: Vec<_> = given.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect();
        let reported = reported.map(|(space, at)| (space, UnixMillis(at)));
        source.attach(UnixMillis(happened_at), &mut params, reported, UnixMillis(NOW));
        params.iter().map(|(n, v)| format!("{n}={v} ")).collect()
    }

    #[test]
    fn free_spaces_are_attached_if_they_are_of_the_records_time() {
        let source = SpaceSource::default();
        let reported = Some((SpaceCount { total: 100, remain: 7 }, NOW - 60_000));
        let both = "total_parking_space=100 remain_parking_space=7 ";
        assert_eq!(attached(&source, NOW, &[], reported), both);
        assert_eq!(attached(&source, NOW - 3_600_000, &[], reported), "", "an old record");
        assert_eq!(attached(&source, NOW, &[], Some((SpaceCount { total: 100, remain: 7 }, NOW - 3_600_000))), "");
        let own = [("total_parking_space", "50")];
        assert_eq!(attached(&source, NOW, &own, reported), "total_parking_space=50 ");
        assert_eq!(attached(&source, NOW, &[], None), "");
    }

    #[test]
    fn the_newer_of_file_and_api_counts_and_a_bad_file_is_no_harm() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("space.json");
        let source = SpaceSource { file: Some(file.clone()), max_age: Duration::from_secs(u32::MAX.into()) };
        let reported = Some((SpaceCount { total: 100, remain: 7 }, NOW));
        assert_eq!(attached(&source, NOW, &[], reported), "total_parking_space=100 remain_parking_space=7 ");
        std::fs::write(&file, r#"{"total_parking_space": 100, "remain_parking_space": 8}"#).unwrap();
        assert_eq!(
            attached(&source, NOW, &[], reported),
            "total_parking_space=100 remain_parking_space=8 ",
            "now is later"
        );
        std::fs::write(&file, "100/8").unwrap();
        assert_eq!(attached(&source, NOW, &[], None), "");
    }
}
