//! What a backup says of itself: its files with their sizes and SHA-256, and the list of its pictures.
//!
//! The list is a file of its own, a line a picture in the order of their addresses, `SHA-256 SIZE PATH`: a store may have
//! millions. The manifest is written last, so a folder without one is no backup.

use std::io::{BufRead, BufReader, Read};

use serde::{Deserialize, Serialize};

use super::BackupError;
use crate::ImageKey;

/// The layout that this program writes, and the newest that it reads.
pub const FORMAT: u32 = 1;
/// Of each backup.
pub(crate) const MANIFEST: &str = "manifest.json";
/// The list of pictures.
pub(crate) const PICTURES: &str = "pictures.txt";
/// The copy of a SQLite database.
pub(crate) const DATABASE: &str = "parkgate.db";
/// The registry of a PostgreSQL database.
pub(crate) const REGISTRY: &str = "registry.jsonl";
/// A manifest has a few files; what is larger is none.
const MANIFEST_BYTES_MAX: usize = 1 << 20;
/// A line of the list: an address twice, a size.
const LINE_BYTES_MAX: u64 = 256;

/// Which store was backed up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum StoreKind {
    /// Everything is in the backup.
    Sqlite,
    /// Records are in what `pg_dump` wrote; parks, apps and the like are here, too.
    Postgres,
}

/// A file of a backup, in its folder.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BackupFile {
    /// Its name.
    pub name: String,
    /// Bytes.
    pub size: u64,
    /// Of its bytes, in hexadecimal.
    pub sha256: String,
}

/// The pictures of a backup: those of its list, which its other backups may share.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct BackupPictures {
    /// How many.
    pub count: u64,
    /// Their bytes.
    pub bytes: u64,
    /// How many records name that were missing or damaged in the store, and so are not in the backup.
    pub missing: u64,
}

/// What a backup holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// Its layout ([`FORMAT`]).
    pub format: u32,
    /// The program that made it.
    pub version: String,
    /// When it began, ms since 1970.
    pub made_at: i64,
    /// Which store.
    pub store: StoreKind,
    /// The store's own number.
    pub store_id: String,
    /// The number of the newest record in it; 0 if there is none.
    pub highest_record: i64,
    /// A known text sealed under the master key, in hexadecimal: whether a key is the right one.
    pub key_proof: String,
    /// Its files.
    pub files: Vec<BackupFile>,
    /// Its pictures.
    pub pictures: BackupPictures,
}

impl Manifest {
    /// Reads a manifest.
    ///
    /// # Errors
    /// It is none, or of a newer layout.
    pub(crate) fn parse(path: &str, bytes: &[u8]) -> Result<Manifest, BackupError> {
        #[derive(Deserialize)]
        struct Layout {
            format: u32,
        }
        let broken = |why: String| BackupError::Manifest { path: path.to_owned(), why };
        if bytes.len() > MANIFEST_BYTES_MAX {
            return Err(broken(format!("{} bytes", bytes.len())));
        }
        let Layout { format } = serde_json::from_slice(bytes).map_err(|error| broken(error.to_string()))?;
        if format > FORMAT {
            return Err(BackupError::Newer { path: path.to_owned(), format, known: FORMAT });
        }
        let manifest: Manifest = serde_json::from_slice(bytes).map_err(|error| broken(error.to_string()))?;
        let is_plain = |name: &str| !name.is_empty() && !name.starts_with('.') && !name.contains(['/', '\\', '\0']);
        match manifest.files.iter().find(|file| !is_plain(&file.name)) {
            Some(file) => Err(broken(format!("file `{}`", file.name))),
            None => Ok(manifest),
        }
    }

    pub(crate) fn to_json(&self) -> Result<Vec<u8>, BackupError> {
        let text = serde_json::to_vec_pretty(self);
        text.map_err(|error| BackupError::Manifest { path: MANIFEST.into(), why: error.to_string() })
    }

    /// A file of this name, if it has one.
    #[must_use]
    pub fn file(&self, name: &str) -> Option<&BackupFile> {
        self.files.iter().find(|file| file.name == name)
    }

    /// Is the master key in it?
    #[must_use]
    pub fn has_key(&self) -> bool {
        self.files.iter().any(|file| is_key(&file.name))
    }
}

/// Is it a file of master keys: those in use, or those before?
pub(crate) fn is_key(name: &str) -> bool {
    name == "master.key" || name == "retired.keys"
}

/// Where a picture lies in a place of backups.
pub(crate) fn picture_path(key: &ImageKey) -> String {
    format!("images/{key}")
}

/// A line of the list of pictures.
pub(crate) fn line(key: &ImageKey, size: u64) -> String {
    format!("{} {size} {}\n", hex::encode(key.0), picture_path(key))
}

/// The list of pictures, read line by line.
pub(crate) struct PictureList<R> {
    path: String,
    lines: BufReader<R>,
    last: Option<ImageKey>,
}

impl<R: Read> PictureList<R> {
    pub(crate) fn new(path: String, reader: R) -> PictureList<R> {
        PictureList { path, lines: BufReader::with_capacity(1 << 16, reader), last: None }
    }

    /// The next picture and its size.
    ///
    /// # Errors
    /// The list cannot be read, or is none: a line is wrong, or they are out of order.
    pub(crate) fn next(&mut self) -> Result<Option<(ImageKey, u64)>, BackupError> {
        let mut text = String::new();
        let read = (&mut self.lines).take(LINE_BYTES_MAX).read_line(&mut text);
        read.map_err(|error| BackupError::read(&self.path, &error))?;
        if text.is_empty() {
            return Ok(None);
        }
        let wrong = || BackupError::Manifest { path: self.path.clone(), why: format!("`{}`", text.trim_end()) };
        let mut words = text.strip_suffix('\n').ok_or_else(wrong)?.split(' ');
        let key = words.next().filter(|word| !word.contains('/')).and_then(ImageKey::parse).ok_or_else(wrong)?;
        let size = words.next().and_then(|size| size.parse().ok()).ok_or_else(wrong)?;
        if words.next() != Some(&picture_path(&key)) || self.last.is_some_and(|last| last.0 >= key.0) {
            return Err(wrong());
        }
        self.last = Some(key);
        Ok(Some((key, size)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn manifest() -> Manifest {
        Manifest {
            format: FORMAT,
            version: "0.1.0".into(),
            made_at: 1,
            store: StoreKind::Sqlite,
            store_id: "00".into(),
            highest_record: 7,
            key_proof: String::new(),
            files: vec![BackupFile { name: DATABASE.into(), size: 1, sha256: "00".into() }],
            pictures: BackupPictures::default(),
        }
    }

    #[test]
    fn a_manifest_is_read_as_it_was_written_and_a_newer_layout_is_named() {
        let one = manifest();
        assert_eq!(Manifest::parse("m", &one.to_json().unwrap()).unwrap(), one);
        let mut newer: serde_json::Value = serde_json::from_slice(&one.to_json().unwrap()).unwrap();
        newer["of_later"] = "x".into();
        assert_eq!(Manifest::parse("m", newer.to_string().as_bytes()).unwrap(), one, "more may be said");
        newer["format"] = 2.into();
        newer["files"] = serde_json::Value::Null;
        let refused = Manifest::parse("m", newer.to_string().as_bytes());
        assert!(matches!(refused, Err(BackupError::Newer { format: 2, known: 1, .. })), "{refused:?}");
        let text = one.to_json().unwrap();
        assert!(Manifest::parse("m", &text[..text.len() / 2]).is_err());
    }

    #[test]
    fn no_file_of_a_manifest_leads_out_of_its_folder() {
        for name in ["../x", "/etc/passwd", "a/b", "", ".", "..", "a\\b"] {
            let mut one = manifest();
            one.files[0].name = name.into();
            assert!(Manifest::parse("m", &one.to_json().unwrap()).is_err(), "{name}");
        }
    }

    #[test]
    fn a_list_of_pictures_is_read_as_it_was_written_and_a_wrong_line_is_an_error() {
        let keys = [ImageKey([1; 32]), ImageKey([2; 32])];
        let text: String = keys.iter().map(|key| line(key, 5)).collect();
        let read = |text: &str| {
            let mut list = PictureList::new("pictures.txt".into(), text.as_bytes());
            let mut found = Vec::new();
            while let Some(picture) = list.next()? {
                found.push(picture);
            }
            Ok::<_, BackupError>(found)
        };
        assert_eq!(read(&text).unwrap(), [(keys[0], 5), (keys[1], 5)]);
        let twice = line(&keys[0], 5).repeat(2);
        let cut = &text[..text.len() - 1];
        let elsewhere = text.replace("images/01", "images/../01");
        for wrong in [twice.as_str(), cut, &elsewhere, "x\n", "\n", &"0".repeat(1000)] {
            assert!(read(wrong).is_err(), "{wrong}");
        }
    }
}
