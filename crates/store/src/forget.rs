//! Everything that is kept about one plate: looked for, shown and forgotten.

use std::collections::{BTreeSet, HashMap};

use parkgate_ledger::ParkId;
use parkgate_ledger::plate::NormalPlate;

use crate::images::ImageKey;

/// A search along all records for a plate, in whatever way it is written.
#[derive(Debug)]
pub struct PlateSearch {
    pub(crate) plate: NormalPlate,
    /// By the keys that records carry: the parks that are searched.
    pub(crate) parks: HashMap<ParkId, String>,
    /// The last record that was looked at.
    pub(crate) after: i64,
    /// The stays found and not yet forgotten, by park and serial.
    pub(crate) found: BTreeSet<(ParkId, String)>,
}

impl PlateSearch {
    /// The last record that was looked at.
    #[must_use]
    pub fn looked_at(&self) -> i64 {
        self.after
    }

    /// The stays found so far, by `park_uuid` and serial.
    pub fn stays(&self) -> impl Iterator<Item = (&str, &str)> {
        self.found.iter().filter_map(|(park, serial)| Some((self.parks.get(park)?.as_str(), serial.as_str())))
    }
}

/// What was forgotten, or would be, of one park.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Forgotten {
    /// Stays whose records were redacted.
    pub visits: u64,
    /// Their records.
    pub records: u64,
    /// Pictures that they named.
    pub pictures: u64,
    /// Ignored pushes beside them.
    pub conflicts: u64,
    /// Deliveries of them that had not arrived, dead letters included.
    pub deliveries: u64,
    /// Refused pushes.
    pub quarantine: u64,
    /// Differences noted between platforms.
    pub differences: u64,
    /// The contents of the pictures, for whoever removes those that nothing else keeps.
    pub images: Vec<ImageKey>,
}
