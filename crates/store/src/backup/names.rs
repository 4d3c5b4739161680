//! Which pictures there are, in the order of their addresses, however many: read a page at a time.

use std::collections::VecDeque;
use std::io::Read;

use futures_util::StreamExt;
use futures_util::stream::BoxStream;
use object_store::ObjectMeta;
use object_store::path::Path as ObjectPath;

use super::BackupError;
use super::manifest::PictureList;
use super::place::{BackupPlace, PlaceKind};
use crate::{ImageKey, StoreError};

/// Asked for at once.
const PAGE: usize = 4096;
/// What names pictures.
pub(crate) const TABLES: [&str; 2] = ["images", "quarantine_images"];

/// The next pictures that a table names after an address.
pub(crate) type NamedPage<'a> = dyn FnMut(&str, &[u8], usize) -> Result<Vec<(ImageKey, u64)>, StoreError> + 'a;

/// The pictures that a store names, each once.
pub(crate) struct NamedPictures<'a> {
    page: Box<NamedPage<'a>>,
    tables: [NamedInTable; 2],
}

struct NamedInTable {
    name: &'static str,
    after: Vec<u8>,
    found: VecDeque<(ImageKey, u64)>,
    is_over: bool,
}

impl<'a> NamedPictures<'a> {
    pub(crate) fn new(
        page: impl FnMut(&str, &[u8], usize) -> Result<Vec<(ImageKey, u64)>, StoreError> + 'a,
    ) -> NamedPictures<'a> {
        let table = |name| NamedInTable { name, after: Vec::new(), found: VecDeque::new(), is_over: false };
        NamedPictures { page: Box::new(page), tables: TABLES.map(table) }
    }

    /// The next one and its size.
    pub(crate) fn next(&mut self) -> Result<Option<(ImageKey, u64)>, StoreError> {
        for table in &mut self.tables {
            if table.found.is_empty() && !table.is_over {
                let page = (self.page)(table.name, &table.after, PAGE)?;
                table.is_over = page.len() < PAGE;
                if let Some((last, _)) = page.last() {
                    table.after = last.0.to_vec();
                }
                table.found = page.into();
            }
        }
        let least = self.tables.iter().filter_map(|table| table.found.front()).min_by_key(|(key, _)| key.0).copied();
        if let Some((key, _)) = least {
            for table in &mut self.tables {
                table.found.pop_front_if(|(other, _)| *other == key);
            }
        }
        Ok(least)
    }
}

/// The lists of backups, asked for pictures in the order of their addresses.
pub(super) struct ListedPictures {
    lists: Vec<OneList>,
}

/// A list, and the picture of it that is next.
struct OneList {
    list: PictureList<Box<dyn Read + Send>>,
    next: Option<(ImageKey, u64)>,
}

impl ListedPictures {
    pub(super) fn new(lists: Vec<PictureList<Box<dyn Read + Send>>>) -> Result<ListedPictures, BackupError> {
        let mut begun = Vec::new();
        for mut list in lists {
            let next = list.next()?;
            begun.push(OneList { list, next });
        }
        Ok(ListedPictures { lists: begun })
    }

    /// Does any list name it? Each answer is about a picture after the one before.
    pub(super) fn name(&mut self, key: &ImageKey) -> Result<bool, BackupError> {
        let mut is_named = false;
        for OneList { list, next } in &mut self.lists {
            while next.is_some_and(|(other, _)| other.0 < key.0) {
                *next = list.next()?;
            }
            is_named |= next.is_some_and(|(other, _)| other == *key);
        }
        Ok(is_named)
    }
}

/// The pictures that lie in a place of backups, with their sizes, asked for in the order of their addresses.
pub(super) enum PresentPictures<'a> {
    /// Each is looked at.
    Folder(&'a BackupPlace),
    /// All are listed once, which a server does in order.
    Bucket(&'a BackupPlace, BoxStream<'static, object_store::Result<ObjectMeta>>, Option<(ImageKey, u64)>),
}

impl<'a> PresentPictures<'a> {
    pub(super) fn of(place: &'a BackupPlace) -> Result<PresentPictures<'a>, BackupError> {
        let PlaceKind::Bucket { objects, .. } = &place.kind else { return Ok(PresentPictures::Folder(place)) };
        let mut present = PresentPictures::Bucket(place, objects.list(Some(&ObjectPath::from("images"))), None);
        present.advance()?;
        Ok(present)
    }

    /// The size of a picture, if it is there. Each answer is about a picture after the one before.
    pub(super) fn size(&mut self, key: &ImageKey) -> Result<Option<u64>, BackupError> {
        if let PresentPictures::Folder(place) = self {
            return place.size(&super::manifest::picture_path(key));
        }
        loop {
            match self {
                // A list out of order only has some copied again.
                PresentPictures::Bucket(_, _, Some((other, _))) if other.0 < key.0 => {}
                PresentPictures::Bucket(_, _, Some((other, size))) if other == key => return Ok(Some(*size)),
                PresentPictures::Bucket(..) | PresentPictures::Folder(_) => return Ok(None),
            }
            self.advance()?;
        }
    }

    fn advance(&mut self) -> Result<(), BackupError> {
        let PresentPictures::Bucket(place, listed, next) = self else { return Ok(()) };
        let PlaceKind::Bucket { handle, .. } = &place.kind else { return Ok(()) };
        *next = loop {
            match handle.block_on(listed.next()) {
                None => break None,
                Some(Err(error)) => return Err(place.unread("images", &error)),
                Some(Ok(object)) => {
                    let path = object.location.as_ref().strip_prefix("images/").and_then(ImageKey::parse);
                    if let Some(key) = path {
                        break Some((key, object.size));
                    }
                }
            }
        };
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::manifest::line;
    use super::*;

    fn key(number: u8) -> ImageKey {
        ImageKey([number; 32])
    }

    #[test]
    fn pictures_of_both_tables_come_in_order_and_each_once() {
        let rows = |table: &str| match table {
            "images" => vec![1, 3, 5, 7],
            _ => vec![2, 3, 9],
        };
        let mut named = NamedPictures::new(|table, after, limit| {
            let later = rows(table).into_iter().filter(|number| key(*number).0.as_slice() > after);
            Ok(later.take(limit).map(|number| (key(number), u64::from(number))).collect())
        });
        let mut found = Vec::new();
        while let Some((key, size)) = named.next().unwrap() {
            assert_eq!(u64::from(key.0[0]), size);
            found.push(size);
        }
        assert_eq!(found, [1, 2, 3, 5, 7, 9]);
    }

    #[test]
    fn lists_are_asked_in_order() {
        let list = |numbers: &[u8]| {
            let text: String = numbers.iter().map(|number| line(&key(*number), 1)).collect();
            PictureList::new("x".into(), Box::new(std::io::Cursor::new(text)) as Box<dyn Read + Send>)
        };
        let mut lists = ListedPictures::new(vec![list(&[2, 4]), list(&[3]), list(&[])]).unwrap();
        let named: Vec<bool> = (1..6).map(|number| lists.name(&key(number)).unwrap()).collect();
        assert_eq!(named, [false, true, true, true, false]);
    }
}
