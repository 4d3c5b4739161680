//! A backup in the format of `tar`, unpacked into a folder that nobody opens.
//!
//! What comes may be anybody's: files alone are taken, with the names that a backup has.

use std::io::{self, Read};
use std::path::Path;

use parkgate_seal::disk::{make_folder, new_file};

use crate::backup::BackupError;

/// A name in a backup is no longer: `images/ab/` and 62 digits.
const NAME_BYTES_MAX: usize = 128;

/// Unpacks all of it.
pub(super) fn unpack(stream: impl Read, to: &Path) -> Result<(), BackupError> {
    const STREAM: &str = "-";
    let unread = |error: io::Error| BackupError::read(STREAM, &error);
    let written = |path: &Path, error: &io::Error| BackupError::written(&path.display().to_string(), error);
    make_folder(to).map_err(|error| written(to, &error))?;
    let mut archive = tar::Archive::new(stream);
    for entry in archive.entries().map_err(unread)? {
        let mut entry = entry.map_err(unread)?;
        let name = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
        match entry.header().entry_type() {
            tar::EntryType::Directory => continue,
            tar::EntryType::Regular if is_plain(&name) => {}
            _ => return Err(BackupError::Manifest { path: STREAM.into(), why: format!("`{name}`") }),
        }
        let path = to.join(&name);
        let folder = path.parent().unwrap_or(to);
        if !folder.is_dir() {
            make_folder(folder).map_err(|error| written(folder, &error))?;
        }
        let size = entry.size();
        let mut file = new_file(&path).map_err(|error| written(&path, &error))?;
        let copied = copy(&mut entry, &mut file, &path)?;
        if copied != size {
            return Err(unread(io::ErrorKind::UnexpectedEof.into()));
        }
    }
    Ok(())
}

/// Which of the two failed is told apart.
fn copy(from: &mut impl Read, to: &mut impl io::Write, path: &Path) -> Result<u64, BackupError> {
    let (mut all, mut piece) = (0, vec![0; 1 << 16]);
    loop {
        let read = from.read(&mut piece).map_err(|error| BackupError::read("-", &error))?;
        if read == 0 {
            return Ok(all);
        }
        let written = to.write_all(piece.get(..read).unwrap_or_default());
        written.map_err(|error| BackupError::written(&path.display().to_string(), &error))?;
        all += read as u64;
    }
}

/// Parts of letters, digits and `-_.`, none of which begins with a dot.
fn is_plain(name: &str) -> bool {
    let is_part = |part: &str| {
        !part.is_empty()
            && !part.starts_with('.')
            && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte))
    };
    name.len() <= NAME_BYTES_MAX && name.split('/').all(is_part)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn archive(entries: &[(&str, tar::EntryType, &[u8])]) -> Vec<u8> {
        let mut builder = tar::Builder::new(Vec::new());
        for (name, kind, bytes) in entries {
            let mut header = tar::Header::new_old();
            header.set_entry_type(*kind);
            header.set_size(bytes.len() as u64);
            header.as_old_mut().name[..name.len()].copy_from_slice(name.as_bytes());
            header.set_cksum();
            builder.append(&header, *bytes).unwrap();
        }
        builder.into_inner().unwrap()
    }

    #[test]
    fn files_with_names_of_a_backup_are_unpacked_and_nothing_else() {
        use tar::EntryType::{Directory, Link, Regular, Symlink};
        let unpacked = |entries: &[(&str, tar::EntryType, &[u8])]| {
            let top = tempfile::tempdir().unwrap();
            let to = top.path().join("to");
            let outcome = unpack(archive(entries).as_slice(), &to);
            assert_eq!(std::fs::read_dir(top.path()).unwrap().count(), 1, "nothing beside it");
            outcome.map(|()| std::fs::read(to.join("a/b")).unwrap())
        };
        assert_eq!(unpacked(&[("a", Directory, b""), ("a/b", Regular, b"x")]).unwrap(), b"x");
        for odd in [
            ("../b", Regular),
            ("/tmp/b", Regular),
            ("a/../../b", Regular),
            (".b", Regular),
            ("a//b", Regular),
            ("b", Symlink),
            ("b", Link),
        ] {
            assert!(unpacked(&[(odd.0, odd.1, b"")]).is_err(), "{odd:?}");
        }
        assert!(unpacked(&[("a/b", Regular, b"x"), ("a/b", Regular, b"y")]).is_err(), "no name twice");
    }

    #[test]
    fn a_stream_that_is_cut_is_an_error() {
        let whole = archive(&[("a/b", tar::EntryType::Regular, &[7; 5000])]);
        for cut in [600, 3000, 5600] {
            let top = tempfile::tempdir().unwrap();
            assert!(unpack(&whole[..cut], &top.path().join("to")).is_err(), "{cut}");
        }
        let top = tempfile::tempdir().unwrap();
        unpack(&whole[..], &top.path().join("to")).unwrap();
    }
}
