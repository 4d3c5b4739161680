//! A park's lists by plate (白名单, 黑名单): who may enter and who may not. Two writings of one plate are one entry.

use std::collections::{BTreeMap, HashMap, HashSet};

use crate::plate::NormalPlate;

/// Plates of a park on both lists together: some 20 MB of a gate's memory, and more vehicles than any car park knows.
pub const PLATES_MAX: usize = 200_000;
/// Characters of a note.
pub const NOTE_CHARS_MAX: usize = 200;

/// On which list a plate is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PlateList {
    /// 白名单: it may enter, also when the park is full.
    Allow,
    /// 黑名单: it may not.
    Deny,
}

impl PlateList {
    /// `allow` or `deny`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            PlateList::Allow => "allow",
            PlateList::Deny => "deny",
        }
    }

    /// In Chinese.
    #[must_use]
    pub fn zh(self) -> &'static str {
        match self {
            PlateList::Allow => "白名单",
            PlateList::Deny => "黑名单",
        }
    }

    /// By any name that people give it.
    #[must_use]
    pub fn named(name: &str) -> Option<PlateList> {
        match name.trim().to_ascii_lowercase().as_str() {
            "allow" | "allowed" | "white" | "whitelist" | "白名单" | "白" | "允许" => Some(PlateList::Allow),
            "deny" | "denied" | "black" | "blacklist" | "黑名单" | "黑" | "禁止" => Some(PlateList::Deny),
            _ => None,
        }
    }
}

/// An entry of a list, as a person wrote it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListedPlate {
    /// The plate as typed, without blanks around it.
    pub plate: String,
    /// The list.
    pub list: PlateList,
    /// For people.
    pub note: Option<String>,
}

/// Why something cannot be put on a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PlateRefused {
    /// It is no plate that could be known again.
    Unreadable,
    /// The note has more than [`NOTE_CHARS_MAX`] characters.
    NoteTooLong,
}

impl ListedPlate {
    /// An entry that can be matched.
    ///
    /// # Errors
    /// It cannot be.
    pub fn new(plate: &str, list: PlateList, note: Option<&str>) -> Result<ListedPlate, PlateRefused> {
        NormalPlate::of(plate).ok_or(PlateRefused::Unreadable)?;
        let note = note.map(str::trim).filter(|note| !note.is_empty());
        if note.is_some_and(|note| note.chars().count() > NOTE_CHARS_MAX) {
            return Err(PlateRefused::NoteTooLong);
        }
        Ok(ListedPlate { plate: plate.trim().to_owned(), list, note: note.map(str::to_owned) })
    }
}

/// Both lists of a park, to ask for a plate.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct PlateLists(HashMap<NormalPlate, PlateList>);

impl FromIterator<(NormalPlate, PlateList)> for PlateLists {
    /// In any order: a plate that is on both lists may not enter.
    fn from_iter<I: IntoIterator<Item = (NormalPlate, PlateList)>>(plates: I) -> Self {
        let mut lists = HashMap::new();
        for (plate, list) in plates {
            let stands = lists.entry(plate).or_insert(list);
            if list == PlateList::Deny {
                *stands = list;
            }
        }
        lists.shrink_to_fit();
        PlateLists(lists)
    }
}

impl PlateLists {
    /// The list that a plate is on. One that cannot be read is on none.
    #[must_use]
    pub fn list_of(&self, plate: &str) -> Option<PlateList> {
        if self.0.is_empty() {
            return None;
        }
        self.0.get(&NormalPlate::of(plate)?).copied()
    }

    /// How many plates are on this list.
    #[must_use]
    pub fn count(&self, list: PlateList) -> usize {
        self.0.values().filter(|one| **one == list).count()
    }
}

/// A change to a park's lists.
#[derive(Debug, Clone, Copy)]
pub enum PlateChange<'a> {
    /// These are on the lists, whatever else is.
    Put(&'a [ListedPlate]),
    /// These are on the lists, and no others.
    Replace(&'a [ListedPlate]),
    /// This one is on none.
    Remove(&'a NormalPlate),
}

/// What a change comes to. Entries that stay as they are are not in it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PlateChanges {
    /// New entries, and ones that changed, each by the key it is stored under.
    pub put: Vec<(NormalPlate, ListedPlate)>,
    /// How many of them are new.
    pub added: usize,
    /// The keys of entries that go.
    pub remove: Vec<String>,
}

impl PlateChanges {
    /// How many entries changed.
    #[must_use]
    pub fn changed(&self) -> usize {
        self.put.len() - self.added
    }

    /// Is there nothing to do?
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.put.is_empty() && self.remove.is_empty()
    }
}

/// The lists would have more than [`PLATES_MAX`] entries: this many.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TooManyPlates(pub usize);

/// What a change comes to on the entries that stand, which are given by their keys. Of several writings of one plate the
/// last counts.
///
/// # Errors
/// There would be too many.
pub fn plate_changes(
    standing: &BTreeMap<String, ListedPlate>,
    change: PlateChange<'_>,
) -> Result<PlateChanges, TooManyPlates> {
    changes_within(PLATES_MAX, standing, change)
}

fn changes_within(
    plates_max: usize,
    standing: &BTreeMap<String, ListedPlate>,
    change: PlateChange<'_>,
) -> Result<PlateChanges, TooManyPlates> {
    let (given, is_whole) = match change {
        PlateChange::Put(given) => (given, false),
        PlateChange::Replace(given) => (given, true),
        PlateChange::Remove(plate) => {
            let is_it = |(key, entry): &(&String, &ListedPlate)| {
                key.as_str() == plate.as_str() || NormalPlate::of(&entry.plate).as_ref() == Some(plate)
            };
            let remove = standing.iter().filter(is_it).map(|(key, _)| key.clone()).collect();
            return Ok(PlateChanges { remove, ..PlateChanges::default() });
        }
    };
    let mut wanted = BTreeMap::new();
    for entry in given {
        if let Some(plate) = NormalPlate::of(&entry.plate) {
            wanted.insert(plate, entry);
        }
    }
    let mut changes = PlateChanges::default();
    if is_whole {
        let keys: HashSet<&str> = wanted.keys().map(NormalPlate::as_str).collect();
        changes.remove = standing.keys().filter(|key| !keys.contains(key.as_str())).cloned().collect();
    }
    for (plate, entry) in wanted {
        match standing.get(plate.as_str()) {
            Some(stands) if stands == entry => continue,
            Some(_) => {}
            None => changes.added += 1,
        }
        changes.put.push((plate, entry.clone()));
    }
    let count = standing.len() + changes.added - changes.remove.len();
    if count > plates_max { Err(TooManyPlates(count)) } else { Ok(changes) }
}

#[cfg(test)]
mod tests;
