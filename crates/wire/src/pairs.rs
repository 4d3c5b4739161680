//! Names and values in the order sent, in one allocation; documented names are found without comparing text.

use std::cmp::Ordering;
use std::ops::Range;

use crate::field;

/// One parameter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Param<'a> {
    /// Its name.
    pub name: &'a str,
    /// Its value after form decoding.
    pub value: &'a str,
    /// Its value as it stood on the wire.
    pub raw: &'a str,
    /// Where its name stands among those that any page documents.
    pub(crate) field: Option<u8>,
}

impl Param<'_> {
    /// By name, in byte order.
    pub(crate) fn by_name(&self, other: &Param<'_>) -> Ordering {
        match (self.field, other.field) {
            (Some(one), Some(other)) => field::alphabetical(one).cmp(&field::alphabetical(other)),
            _ => self.name.cmp(other.name),
        }
    }
}

/// Marks a documented field that was not sent.
const ABSENT: u8 = u8::MAX;

/// The list behind a form and behind the parameters as meant.
#[derive(Debug, Clone)]
pub(crate) struct Pairs {
    /// All names and values, raw and decoded, one after the other.
    text: String,
    list: Vec<Pair>,
    /// For each documented field, the index in `list` of its first pair.
    first: [u8; field::NAME_COUNT],
    /// The first documented field that was sent twice.
    repeated: Option<u8>,
}

#[derive(Debug, Clone)]
struct Pair {
    name: Range<u32>,
    value: Range<u32>,
    /// The text on the wire, where it differs from the value: what a client signs that encodes once.
    raw: Range<u32>,
    field: Option<u8>,
}

impl Default for Pairs {
    fn default() -> Self {
        Pairs::with_capacity(0, 0)
    }
}

/// A name that was added and waits for its value.
pub(crate) struct Name {
    text: Range<u32>,
    pub(crate) field: Option<u8>,
}

impl Pairs {
    pub(crate) fn with_capacity(params: usize, bytes: usize) -> Self {
        Pairs {
            text: String::with_capacity(bytes),
            list: Vec::with_capacity(params),
            first: [ABSENT; field::NAME_COUNT],
            repeated: None,
        }
    }

    pub(crate) fn reserve(&mut self, bytes: usize) {
        self.text.reserve(bytes);
    }

    /// The length of all texts, in bytes.
    pub(crate) fn bytes(&self) -> usize {
        self.text.len()
    }

    pub(crate) fn len(&self) -> usize {
        self.list.len()
    }

    pub(crate) fn name(&mut self, name: &str) -> Name {
        Name { field: field::index_of(name).and_then(|field| u8::try_from(field).ok()), text: self.add(name) }
    }

    pub(crate) fn name_text(&self, name: &Name) -> &str {
        self.slice(&name.text)
    }

    /// `raw` if it differs from the value.
    pub(crate) fn push(&mut self, name: Name, value: &str, raw: Option<&str>) {
        let value = self.add(value);
        let raw = raw.map_or(value.clone(), |raw| self.add(raw));
        if let Some(field) = name.field {
            match self.first.get_mut(usize::from(field)) {
                Some(first) if *first == ABSENT => *first = u8::try_from(self.list.len()).unwrap_or(ABSENT),
                Some(_) | None => self.repeated = self.repeated.or(Some(field)),
            }
        }
        self.list.push(Pair { name: name.text, value, raw, field: name.field });
    }

    pub(crate) fn iter(&self) -> impl ExactSizeIterator<Item = Param<'_>> + Clone {
        self.list.iter().map(|pair| Param {
            name: self.slice(&pair.name),
            value: self.slice(&pair.value),
            raw: self.slice(&pair.raw),
            field: pair.field,
        })
    }

    /// The first value of that name.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        let found = match field::index_of(name) {
            Some(field) => {
                let first = self.first.get(field).filter(|first| **first != ABSENT)?;
                self.list.get(usize::from(*first))
            }
            None => self.list.iter().find(|pair| self.slice(&pair.name) == name),
        };
        found.map(|pair| self.slice(&pair.value))
    }

    /// The first documented name that was sent more than once.
    pub(crate) fn repeated(&self) -> Option<&'static str> {
        field::name_at(self.repeated?)
    }

    /// Bodies are limited to far below 4 GiB, so positions fit.
    fn add(&mut self, text: &str) -> Range<u32> {
        let start = self.text.len() as u32;
        self.text.push_str(text);
        start..self.text.len() as u32
    }

    fn slice(&self, range: &Range<u32>) -> &str {
        self.text.get(range.start as usize..range.end as usize).unwrap_or("")
    }
}
