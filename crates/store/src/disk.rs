//! Folders whose names outlive a power cut.
//!
//! A file that is synced in a folder whose own name is not is gone with the folder. So whoever makes a folder syncs the one
//! above it, also where it was there before: who made it may have ended in between.

use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

/// Makes a folder, and those above it that are missing, for their owner only. Their names are durable when this returns.
///
/// # Errors
/// It cannot be made, or a name cannot be synced.
pub fn make_folder(folder: &Path) -> io::Result<()> {
    let folder = std::path::absolute(folder)?;
    let mut missing: Vec<PathBuf> = Vec::new();
    let mut above = Some(folder.as_path());
    while let Some(path) = above.filter(|path| !path.is_dir()) {
        missing.push(path.to_owned());
        above = path.parent();
    }
    // The deepest that was there: nobody makes one in it before its name is durable.
    above.map_or(Ok(()), sync_name)?;
    for path in missing.iter().rev() {
        make_one(path)?;
        sync_name(path)?;
    }
    Ok(())
}

/// Makes a folder for its owner only; false if it was there.
pub(crate) fn make_one(folder: &Path) -> io::Result<bool> {
    let mut builder = std::fs::DirBuilder::new();
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    match builder.create(folder) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == ErrorKind::AlreadyExists && folder.is_dir() => Ok(false),
        Err(error) => Err(error),
    }
}

/// Makes the names in a folder durable.
pub(crate) fn sync_folder(folder: &Path) -> io::Result<()> {
    #[cfg(unix)]
    std::fs::File::open(folder)?.sync_all()?;
    Ok(())
}

/// The name of a folder in the one above. One that may not be read was not made by this process.
fn sync_name(folder: &Path) -> io::Result<()> {
    match folder.parent().map_or(Ok(()), sync_folder) {
        Err(error) if error.kind() != ErrorKind::PermissionDenied => Err(error),
        Ok(()) | Err(_) => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn folders_are_made_with_those_above_them_for_their_owner_and_a_file_in_the_way_is_told() {
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
}
