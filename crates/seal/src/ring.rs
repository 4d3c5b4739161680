//! The master keys of a data folder: one as a rule, two while one takes the place of the other, and those before.
//!
//! `master.key` holds the keys in use, a line each, the one that seals first. A key that nothing is sealed under any more
//! goes to `retired.keys`: backups from before need it. Whoever has no such backup deletes that file.

use std::io::Write;
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use crate::disk::{host_name, is_open_to_others, new_file, sync_folder};
use crate::key::{KeyError, KeyId, MasterKey, OLD_VARIABLE, VARIABLE, parse};

/// Keys of the past, beside `master.key`.
const RETIRED_FILE: &str = "retired.keys";

/// Where the keys in use come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeySource {
    /// `PARKGATE_MASTER_KEY` and, while it is rotated, `PARKGATE_MASTER_KEY_OLD`.
    Environment,
    /// `master.key` of the data folder.
    Folder,
}

/// The keys of a data folder.
pub struct KeyRing {
    folder: PathBuf,
    /// Where they come from.
    pub source: KeySource,
    /// Those that outlive this process.
    kept: Vec<KeyId>,
    /// Those in use, the one that seals first.
    pub keys: Vec<MasterKey>,
    /// Those before: only for data from before.
    pub retired: Vec<MasterKey>,
}

impl KeyRing {
    /// Reads the keys of a data folder, or makes one on first use, as [`MasterKey::of`] does.
    ///
    /// # Errors
    /// As [`MasterKey::of`].
    pub fn of(data: &Path, sealed_under: Option<&str>) -> Result<KeyRing, KeyError> {
        KeyRing::after(MasterKey::of(data, sealed_under)?, data)
    }

    /// The same, for a database that several nodes may use.
    ///
    /// # Errors
    /// As [`MasterKey::of`].
    pub fn of_node(data: &Path, sealed_under: Option<&str>) -> Result<KeyRing, KeyError> {
        KeyRing::after(MasterKey::of_node(data, sealed_under)?, data)
    }

    fn after(first: MasterKey, data: &Path) -> Result<KeyRing, KeyError> {
        let (folder, retired) = (data.to_owned(), lines(&data.join(RETIRED_FILE))?);
        let variable = |name: &str| std::env::var(name).ok().map(Zeroizing::new);
        if variable(VARIABLE).is_none() {
            let keys = lines(&MasterKey::file(data))?;
            let keys = if keys.is_empty() { vec![first] } else { keys };
            return Ok(KeyRing { folder, source: KeySource::Folder, kept: ids(&keys), keys, retired });
        }
        let old = variable(OLD_VARIABLE).filter(|text| !text.trim().is_empty());
        let old = old.map(|text| parse(&text).ok_or_else(|| KeyError::Malformed(OLD_VARIABLE.into()))).transpose()?;
        let keys: Vec<MasterKey> = [Some(first), old].into_iter().flatten().collect();
        Ok(KeyRing { folder, source: KeySource::Environment, kept: ids(&keys), keys, retired })
    }

    /// The machine and the folder of these keys: a name for the node.
    #[must_use]
    pub fn node(&self) -> String {
        let folder = std::fs::canonicalize(&self.folder).unwrap_or_else(|_| self.folder.clone());
        format!("{} {}", host_name(), folder.display())
    }

    /// All of them, those in use first.
    pub fn all(&self) -> impl Iterator<Item = &MasterKey> {
        self.keys.iter().chain(&self.retired)
    }

    /// The ids of those in use that outlive this process: in the folder's file, or in the environment.
    pub fn kept(&self) -> impl Iterator<Item = KeyId> {
        self.kept.iter().copied()
    }

    /// The key of this id, if it is here.
    #[must_use]
    pub fn find(&self, id: KeyId) -> Option<&MasterKey> {
        self.all().find(|key| key.id() == id)
    }

    /// Takes a key in that came from elsewhere, for this process only.
    pub fn add(&mut self, key: MasterKey) {
        if self.find(key.id()).is_none() {
            self.keys.push(key);
        }
    }

    /// Writes the keys in use to the folder's file, in this order, if it does not say so already; keys of the file that are not
    /// among them are kept as retired first. Keys from the environment stay as they are.
    ///
    /// # Errors
    /// A file cannot be read or written: it is as it was.
    pub fn keep(&mut self, in_use: &[KeyId]) -> Result<(), KeyError> {
        if self.source == KeySource::Environment {
            return Ok(());
        }
        let keys: Vec<MasterKey> = in_use.iter().filter_map(|id| self.find(*id)).cloned().collect();
        let (file, retired_file) = (MasterKey::file(&self.folder), self.folder.join(RETIRED_FILE));
        let (there, mut retired) = (lines(&file)?, lines(&retired_file)?);
        if ids(&there) != ids(&keys) {
            let gone = there.into_iter().filter(|key| !in_use.contains(&key.id()));
            let gone: Vec<MasterKey> = gone.filter(|key| !ids(&retired).contains(&key.id())).collect();
            if !gone.is_empty() {
                retired.extend(gone);
                write(&retired_file, &retired)?;
            }
            write(&file, &keys)?;
        }
        (self.kept, self.keys, self.retired) = (ids(&keys), keys, retired);
        Ok(())
    }
}

fn ids(keys: &[MasterKey]) -> Vec<KeyId> {
    keys.iter().map(MasterKey::id).collect()
}

/// The keys of a file, a line each; none if there is no such file.
fn lines(path: &Path) -> Result<Vec<MasterKey>, KeyError> {
    let name = path.display().to_string();
    let text = match std::fs::read_to_string(path) {
        Ok(text) => Zeroizing::new(text),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(KeyError::File(name, error)),
    };
    if is_open_to_others(path).map_err(|error| KeyError::File(name.clone(), error))? {
        return Err(KeyError::Open(name));
    }
    let keys = text.lines().filter(|line| !line.trim().is_empty());
    keys.map(|line| parse(line).ok_or_else(|| KeyError::Malformed(name.clone()))).collect()
}

/// Writes a whole file aside, syncs it and puts it in the place of the one before.
fn write(path: &Path, keys: &[MasterKey]) -> Result<(), KeyError> {
    let text = Zeroizing::new(keys.iter().map(|key| format!("{}\n", key.to_hex().as_str())).collect::<String>());
    let put = || {
        let mut suffix = [0; 8];
        getrandom::fill(&mut suffix).map_err(std::io::Error::other)?;
        let aside = path.with_extension(format!("new.{}", hex::encode(suffix)));
        let mut file = new_file(&aside)?;
        let written = file.write_all(text.as_bytes()).and_then(|()| file.sync_all());
        let renamed = written.and_then(|()| std::fs::rename(&aside, path));
        if let Err(error) = renamed {
            // The error before says why.
            let _ = std::fs::remove_file(&aside);
            return Err(error);
        }
        sync_folder(path.parent().unwrap_or(Path::new(".")))
    };
    put().map_err(|error| KeyError::File(path.display().to_string(), error))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::tests::mode;

    #[test]
    fn keys_are_kept_in_order_and_those_before_go_to_a_file_of_their_own() {
        let folder = tempfile::tempdir().unwrap();
        let mut ring = KeyRing::of(folder.path(), None).unwrap();
        let (first, second) = (ring.keys[0].clone(), MasterKey::random().unwrap());
        ring.add(second.clone());
        for _ in 0..2 {
            ring.keep(&[second.id(), first.id()]).unwrap();
            let read = KeyRing::of(folder.path(), None).unwrap();
            assert_eq!(read.keys.iter().map(MasterKey::id).collect::<Vec<_>>(), [second.id(), first.id()]);
        }
        assert_eq!(MasterKey::of(folder.path(), None).unwrap().id(), second.id(), "the one that seals");
        for _ in 0..2 {
            ring.keep(&[second.id()]).unwrap();
            let read = KeyRing::of(folder.path(), None).unwrap();
            assert_eq!((read.keys.len(), read.retired.len()), (1, 1));
            assert!(read.find(first.id()).is_some());
        }
        for file in ["master.key", RETIRED_FILE] {
            assert_eq!(mode(&folder.path().join(file)), 0o600);
        }
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 2, "nothing is left aside");
        std::fs::write(folder.path().join("master.key"), "00\n").unwrap();
        assert!(matches!(KeyRing::of(folder.path(), None), Err(KeyError::Malformed(_))));
    }
}
