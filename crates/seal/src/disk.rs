//! Folders and files that only their owner can use, whatever the process's umask, and whose names survive a power cut.
//! Everything that differs between operating systems is here.
//!
//! A synced file is lost with its folder if the folder's own name was not synced. So whoever makes a folder syncs the
//! one above it, even if the folder already existed: its maker may have ended before it could.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};

/// The master key in a data folder: made at first start, readable by its owner only. A folder that has one is ours.
pub(crate) const KEY_FILE: &str = "master.key";

/// Who may use what is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum For {
    Owner,
    /// Whoever the umask lets.
    Everybody,
}

/// Makes a folder, and missing ones above it, for their owner only. Their names are durable when this returns.
///
/// # Errors
/// It cannot be made, or a name cannot be synced.
pub fn make_folder(folder: &Path) -> io::Result<()> {
    make_all(folder, For::Owner)
}

/// The same for a folder that others use, too, as far as the umask allows.
///
/// # Errors
/// As [`make_folder`].
pub fn make_shared_folder(folder: &Path) -> io::Result<()> {
    make_all(folder, For::Everybody)
}

fn make_all(folder: &Path, whose: For) -> io::Result<()> {
    let folder = std::path::absolute(folder)?;
    let mut missing: Vec<PathBuf> = Vec::new();
    let mut above = Some(folder.as_path());
    while let Some(path) = above.filter(|path| !path.is_dir()) {
        missing.push(path.to_owned());
        above = path.parent();
    }
    // The deepest folder that existed: nobody makes another in it before its name is durable.
    above.map_or(Ok(()), sync_name)?;
    for path in missing.iter().rev() {
        make(path, whose)?;
        sync_name(path)?;
    }
    Ok(())
}

/// Makes a folder for its owner only; false if it existed.
///
/// # Errors
/// It cannot be made.
pub fn make_one(folder: &Path) -> io::Result<bool> {
    make(folder, For::Owner)
}

fn make(folder: &Path, whose: For) -> io::Result<bool> {
    let mut builder = DirBuilder::new();
    #[cfg(unix)]
    if whose == For::Owner {
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    }
    match builder.create(folder) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == ErrorKind::AlreadyExists && folder.is_dir() => Ok(false),
        Err(error) => Err(error),
    }
}

/// Makes a new file, for its owner only.
///
/// It cannot be made, or exists already.
pub fn new_file(path: &Path) -> io::Result<File> {
    owners(OpenOptions::new().write(true).create_new(true)).open(path)
}

/// Opens a file for writing and keeps its contents; if it does not exist, it is made for its owner only.
///
/// # Errors
/// It cannot be made or opened.
pub fn open_file(path: &Path) -> io::Result<File> {
    owners(OpenOptions::new().write(true).create(true).truncate(false)).open(path)
}

/// Writes a whole file, for its owner only.
///
/// # Errors
/// It cannot be made or written.
pub fn write_file(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = open_file(path)?;
    file.set_len(0)?;
    file.write_all(bytes)
}

fn owners(options: &mut OpenOptions) -> &mut OpenOptions {
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(options, 0o600);
    options
}

/// Can others read or change it?
///
/// It does not exist, or its permissions cannot be read.
pub fn is_open_to_others(path: &Path) -> io::Result<bool> {
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        Ok(std::fs::metadata(path)?.permissions().mode() & 0o077 != 0)
    }
    #[cfg(not(unix))]
    std::fs::metadata(path).map(|_| false)
}

/// Can everybody on the machine read or change it, not only its owner and group?
///
/// # Errors
/// It does not exist, or its permissions cannot be read.
pub fn is_open_to_everybody(path: &Path) -> io::Result<bool> {
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        Ok(std::fs::metadata(path)?.permissions().mode() & 0o007 != 0)
    }
    #[cfg(not(unix))]
    std::fs::metadata(path).map(|_| false)
}

/// Closes a folder to others, and those of these files and folders that exist in it. A folder that does not look like
/// ours (none of these names, no master key, but something else) is left as it is. Every change is logged.
pub fn keep_from_others(folder: &Path, names: &[&str]) {
    let ours: Vec<PathBuf> = names.iter().map(|name| folder.join(name)).filter(|path| path.exists()).collect();
    let is_empty = || std::fs::read_dir(folder).is_ok_and(|mut entries| entries.next().is_none());
    if !ours.is_empty() || folder.join(KEY_FILE).exists() || is_empty() {
        ours.iter().map(PathBuf::as_path).chain([folder]).for_each(tighten);
    }
}

/// Closes a file or folder to others.
pub fn tighten(path: &Path) {
    match is_open_to_others(path).and_then(|is_open| if is_open { owner_only(path).map(|()| true) } else { Ok(false) })
    {
        Ok(false) => {}
        Ok(true) => tracing::warn!(path = %path.display(), "others could use this: it is its owner's alone now"),
        Err(error) => {
            tracing::warn!(path = %path.display(), %error, "others may be able to use this, and that cannot be changed");
        }
    }
}

fn owner_only(path: &Path) -> io::Result<()> {
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let mode = std::fs::metadata(path)?.permissions().mode() & 0o700;
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode))?;
    }
    let _ = path;
    Ok(())
}

/// Who this process is of, by number: where the system has no name for that user (a container).
#[must_use]
pub fn owner_of_process() -> String {
    #[cfg(unix)]
    if let Ok(process) = std::fs::metadata("/proc/self") {
        return format!("uid {}", std::os::unix::fs::MetadataExt::uid(&process));
    }
    "unknown".into()
}

/// The name of this machine.
#[must_use]
pub fn host_name() -> String {
    let name = std::fs::read_to_string("/etc/hostname").unwrap_or_default();
    let name = name.trim();
    if name.is_empty() { "parkgate".into() } else { name.into() }
}

/// Makes the names in a folder durable.
///
/// # Errors
/// They cannot be synced.
pub fn sync_folder(folder: &Path) -> io::Result<()> {
    // Windows does this by itself and cannot open a folder.
    if cfg!(unix) { File::open(folder)?.sync_all() } else { Ok(()) }
}

/// Makes a folder's own name durable. A parent that may not be read was not made by this process.
fn sync_name(folder: &Path) -> io::Result<()> {
    match folder.parent().map_or(Ok(()), sync_folder) {
        Err(error) if error.kind() != ErrorKind::PermissionDenied => Err(error),
        Ok(()) | Err(_) => Ok(()),
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn folders_are_made_with_those_above_them_for_their_owner_and_a_file_in_the_way_is_an_error() {
        let top = tempfile::tempdir().unwrap();
        let deep = top.path().join("a/b/c");
        for _ in 0..2 {
            make_folder(&deep).unwrap();
            for path in [&deep, deep.parent().unwrap()] {
                assert_eq!(std::fs::metadata(path).unwrap().permissions().mode() & 0o777, 0o700);
            }
        }
        std::fs::write(top.path().join("file"), "").unwrap();
        assert!(make_folder(&top.path().join("file")).is_err());
        assert!(make_folder(&top.path().join("file/a")).is_err());
    }

    pub(crate) fn mode(path: &Path) -> u32 {
        std::fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    pub(crate) fn set_mode(path: &Path, mode: u32) {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    }

    #[test]
    fn what_is_ours_is_taken_back_and_what_may_not_be_is_left() {
        let top = tempfile::tempdir().unwrap();
        let (ours, empty, theirs) = (top.path().join("ours"), top.path().join("empty"), top.path().join("theirs"));
        for folder in [&ours, &empty, &theirs] {
            std::fs::create_dir(folder).unwrap();
            set_mode(folder, 0o755);
        }
        for file in [ours.join("a.db"), ours.join("letter"), theirs.join("letter")] {
            std::fs::write(&file, "").unwrap();
            set_mode(&file, 0o644);
        }
        for folder in [&ours, &empty, &theirs, &top.path().join("none")] {
            keep_from_others(folder, &["a.db", "b.db"]);
        }
        assert_eq!((mode(&ours), mode(&empty), mode(&theirs)), (0o700, 0o700, 0o755));
        assert_eq!((mode(&ours.join("a.db")), mode(&ours.join("letter"))), (0o600, 0o644));
    }

    #[test]
    fn files_are_their_owners_and_what_is_in_them_stays() {
        let top = tempfile::tempdir().unwrap();
        let path = top.path().join("file");
        drop(new_file(&path).unwrap());
        assert_eq!(mode(&path), 0o600);
        assert!(new_file(&path).is_err());
        std::fs::write(&path, "x").unwrap();
        drop(open_file(&path).unwrap());
        assert_eq!(std::fs::read(&path).unwrap(), b"x");
        assert!(!is_open_to_others(&path).unwrap());
    }
}
