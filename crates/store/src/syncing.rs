//! Many small files made durable without a sync for each.
//!
//! A sync of each of a million pictures takes longer than copying them. So the whole file system is synced, now and then and
//! at the end, before the manifest is written. From Linux 5.8 on that reports what could not be written; an older kernel
//! does not say so, and each file is synced by itself there.

use std::fs::File;
use std::io;
use std::path::Path;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

use parkgate_seal::disk::sync_folder;

/// Written between two syncs, at most: what waits for the disk must not pile up before a gate's own syncs.
const BETWEEN_BYTES: u64 = 256 << 20;

/// What was written since the last sync of a folder's file system.
pub(crate) struct Syncing<'a> {
    folder: &'a Path,
    waiting: AtomicU64,
}

impl<'a> Syncing<'a> {
    pub(crate) fn of(folder: &'a Path) -> Syncing<'a> {
        Syncing { folder, waiting: AtomicU64::new(0) }
    }

    /// A file was written.
    pub(crate) fn written(&self, file: &File, bytes: u64) -> io::Result<()> {
        if !reports_failures() {
            return file.sync_all();
        }
        begin_writing(file);
        let waiting = self.waiting.fetch_add(bytes, Ordering::Relaxed) + bytes;
        if waiting < BETWEEN_BYTES || self.waiting.swap(0, Ordering::Relaxed) < BETWEEN_BYTES {
            return Ok(());
        }
        sync_file_system(self.folder)
    }
}

/// Has the system write a file soon, and forget its pages: a gate beside needs the memory, and its own syncs wait for less.
pub(crate) fn begin_writing(file: &File) {
    forget_pages(file);
}

/// Pages of a file that nobody reads again.
pub(crate) fn forget_pages(file: &File) {
    #[cfg(target_os = "linux")]
    if let Err(error) = rustix::fs::fadvise(file, 0, None, rustix::fs::Advice::DontNeed) {
        tracing::debug!(%error, "pages stay in memory");
    }
    let _ = file;
}

/// Makes everything durable that was written to the file system of a folder: files that were synced by themselves are, too,
/// and then only names are left.
pub(crate) fn sync_file_system(folder: &Path) -> io::Result<()> {
    #[cfg(target_os = "linux")]
    match rustix::fs::syncfs(File::open(folder)?) {
        Ok(()) => return Ok(()),
        Err(rustix::io::Errno::NOSYS) => {}
        Err(error) => return Err(error.into()),
    }
    sync_all_below(folder)
}

/// A folder, the folders in it, and every file in these.
fn sync_all_below(folder: &Path) -> io::Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            sync_all_below(&entry.path())?
        } else {
            File::open(entry.path())?.sync_all()?
        }
    }
    sync_folder(folder)
}

/// Does a sync of a whole file system report what could not be written?
fn reports_failures() -> bool {
    static REPORTS: OnceLock<bool> = OnceLock::new();
    *REPORTS.get_or_init(|| {
        let release = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
        cfg!(target_os = "linux") && is_at_least(&release, (5, 8))
    })
}

fn is_at_least(release: &str, wanted: (u32, u32)) -> bool {
    let mut numbers = release.split(|c: char| !c.is_ascii_digit()).map(str::parse);
    match (numbers.next(), numbers.next()) {
        (Some(Ok(major)), Some(Ok(minor))) => (major, minor) >= wanted,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kernels_that_report_are_known() {
        for (release, reports) in [
            ("5.8.0-1-amd64\n", true),
            ("6.1.0", true),
            ("5.7.19", false),
            ("4.18.0-553.el8", false),
            ("", false),
            ("x", false),
        ] {
            assert_eq!(is_at_least(release, (5, 8)), reports, "{release}");
        }
    }

    #[test]
    fn everything_below_a_folder_is_synced_either_way() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("a")).unwrap();
        std::fs::write(folder.path().join("a/b"), "x").unwrap();
        sync_all_below(folder.path()).unwrap();
        sync_file_system(folder.path()).unwrap();
        assert!(sync_file_system(&folder.path().join("none")).is_err());
    }
}
