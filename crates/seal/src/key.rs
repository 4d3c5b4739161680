//! The master key, under which secrets and personal data at rest are sealed (`DESIGN.md` 8).

use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};
use zeroize::{Zeroize, Zeroizing};

use crate::disk::{KEY_FILE, is_open_to_others, make_folder, new_file, sync_folder};

/// The key as 64 hex digits, in place of the file.
pub(crate) const VARIABLE: &str = "PARKGATE_MASTER_KEY";
/// The key before, while what it sealed is sealed anew.
pub(crate) const OLD_VARIABLE: &str = "PARKGATE_MASTER_KEY_OLD";

/// Bytes of a key's id.
pub(crate) const KEY_ID_BYTES: usize = 8;

/// By which a key is named: a digest, which does not reveal it.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct KeyId(pub [u8; KEY_ID_BYTES]);

impl KeyId {
    /// What follows `magic` in a header.
    pub(crate) fn after(magic: &[u8], header: &[u8]) -> KeyId {
        let mut id = [0; KEY_ID_BYTES];
        for (to, from) in id.iter_mut().zip(header.iter().skip(magic.len())) {
            *to = *from;
        }
        KeyId(id)
    }
}

impl std::fmt::Display for KeyId {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str(&hex::encode(self.0))
    }
}

impl std::fmt::Debug for KeyId {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "{self}")
    }
}

/// 32 random bytes, wiped when dropped.
#[derive(Clone)]
pub struct MasterKey([u8; 32]);

/// Why there is no key.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// The file cannot be made or read.
    #[error("the master key {0} cannot be read: {1}")]
    File(String, std::io::Error),
    /// It does not hold a key.
    #[error("{0} must be 64 hex digits")]
    Malformed(String),
    /// There is a database, but the key it was sealed under is gone: a new key would open nothing in it.
    #[error(
        "{0} is missing, and {1} was sealed under it: copy it from a node or a backup, or name the folder that has it by \
         --data; no other key is made"
    )]
    Lost(String, String),
    /// The database is sealed under another.
    #[error("{0} is sealed under another master key than {1}: copy master.key from a node that uses it")]
    Another(String, String),
    /// Others can read it.
    #[error("{0} is readable by others: run `chmod 600 {0}`")]
    Open(String),
}

impl MasterKey {
    /// The path of a data folder's key, if it is in a file.
    #[must_use]
    pub fn file(data: &Path) -> PathBuf {
        data.join(KEY_FILE)
    }

    /// Reads the key of a data folder, or makes one on first use; but never a new one for data that is already
    /// `sealed_under` a lost one.
    ///
    /// # Errors
    /// It cannot be made or read, or others can read it.
    pub fn of(data: &Path, sealed_under: Option<&str>) -> Result<MasterKey, KeyError> {
        MasterKey::read_or_make(data, sealed_under, "a master key was made: keep a copy apart from the data")
    }

    /// The same, for a database that several nodes may use.
    ///
    /// # Errors
    /// As [`MasterKey::of`].
    pub fn of_node(data: &Path, sealed_under: Option<&str>) -> Result<MasterKey, KeyError> {
        let made = "a master key was made: keep a copy apart from the data; every node needs it";
        MasterKey::read_or_make(data, sealed_under, made)
    }

    /// `made` is logged when the key is made.
    fn read_or_make(data: &Path, sealed_under: Option<&str>, made: &str) -> Result<MasterKey, KeyError> {
        if let Ok(mut text) = std::env::var(VARIABLE) {
            let key = parse(&text).ok_or_else(|| KeyError::Malformed(VARIABLE.into()));
            text.zeroize();
            return key;
        }
        let path = data.join(KEY_FILE);
        let name = path.display().to_string();
        match std::fs::read_to_string(&path) {
            Ok(text) => {
                if is_open_to_others(&path).map_err(|error| KeyError::File(name.clone(), error))? {
                    return Err(KeyError::Open(name));
                }
                parse(&text).ok_or(KeyError::Malformed(name))
            }
            Err(error) if error.kind() == ErrorKind::NotFound => {
                if let Some(database) = sealed_under {
                    return Err(KeyError::Lost(name, database.to_owned()));
                }
                // Another process may be starting, too: whichever links the file first makes the key for both.
                make(data, &path).map_err(|error| KeyError::File(name.clone(), error))?;
                tracing::warn!(path = %std::path::absolute(&path).unwrap_or(path.clone()).display(), "{made}");
                let text = std::fs::read_to_string(&path).map_err(|error| KeyError::File(name.clone(), error))?;
                parse(&text).ok_or(KeyError::Malformed(name))
            }
            Err(error) => Err(KeyError::File(name, error)),
        }
    }

    /// The same for a folder that may hold a database of this file name, which was sealed under the key.
    ///
    /// # Errors
    /// As [`MasterKey::of`].
    pub fn beside(data: &Path, database: &str) -> Result<MasterKey, KeyError> {
        let (database, path) = (data.join(database), data.join(KEY_FILE));
        // In this order: whoever makes both makes the key first.
        let lost = database.exists() && !path.exists();
        MasterKey::of(data, lost.then(|| database.display().to_string()).as_deref())
    }

    /// The key itself.
    #[must_use]
    pub fn bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// A new one.
    ///
    /// # Errors
    /// There is no randomness.
    pub fn random() -> std::io::Result<MasterKey> {
        let mut bytes = [0; 32];
        getrandom::fill(&mut bytes).map_err(std::io::Error::other)?;
        Ok(MasterKey(bytes))
    }

    /// The key of these bytes, if they are as many as a key has.
    #[must_use]
    pub fn from_bytes(bytes: &[u8]) -> Option<MasterKey> {
        Some(MasterKey(bytes.try_into().ok()?))
    }

    /// Its name.
    #[must_use]
    pub fn id(&self) -> KeyId {
        KeyId::after(&[], &self.derive("key id"))
    }

    /// As files have it.
    pub(crate) fn to_hex(&self) -> Zeroizing<String> {
        Zeroizing::new(hex::encode(self.0))
    }

    /// A key for another purpose, which does not reveal this one.
    #[must_use]
    pub fn derive(&self, purpose: &str) -> [u8; 32] {
        Sha256::new().chain_update(b"parkgate ").chain_update(purpose).chain_update(self.0).finalize().into()
    }
}

impl Drop for MasterKey {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

/// The first line: further ones are keys that one takes the place of ([`crate::KeyRing`]).
pub(crate) fn parse(text: &str) -> Option<MasterKey> {
    let mut bytes = [0; 32];
    hex::decode_to_slice(text.trim().lines().next().unwrap_or_default().trim(), &mut bytes).ok()?;
    Some(MasterKey(bytes))
}

fn make(data: &Path, path: &Path) -> std::io::Result<()> {
    make_folder(data)?;
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes).map_err(std::io::Error::other)?;
    // Not the process's number: two containers on one volume may have the same.
    let mut suffix = [0; 8];
    getrandom::fill(&mut suffix).map_err(std::io::Error::other)?;
    let temporary = path.with_extension(format!("key.{}", hex::encode(suffix)));
    let mut file = new_file(&temporary)?;
    writeln!(file, "{}", hex::encode(bytes))?;
    file.sync_all()?;
    bytes.zeroize();
    let linked = std::fs::hard_link(&temporary, path);
    std::fs::remove_file(&temporary)?;
    match linked {
        Err(error) if error.kind() != ErrorKind::AlreadyExists => Err(error),
        Ok(()) | Err(_) => sync_folder(path.parent().unwrap_or(Path::new("."))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::tests::{mode, set_mode};

    const DATABASE: &str = "parkgate.db";

    #[test]
    fn no_key_is_made_beside_a_database() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join(DATABASE), "").unwrap();
        assert!(matches!(MasterKey::beside(folder.path(), DATABASE), Err(KeyError::Lost(..))));
        assert!(!folder.path().join(KEY_FILE).exists());
    }

    #[test]
    fn a_key_is_made_once_and_refused_when_others_can_read_it() {
        let folder = tempfile::tempdir().unwrap();
        let first = MasterKey::of(folder.path(), None).unwrap();
        assert_eq!(MasterKey::of(folder.path(), None).unwrap().bytes(), first.bytes());
        let path = folder.path().join(KEY_FILE);
        assert_eq!(mode(&path), 0o600);
        set_mode(&path, 0o640);
        assert!(matches!(MasterKey::of(folder.path(), None), Err(KeyError::Open(_))));
    }
}
