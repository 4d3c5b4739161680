//! Parks' lists by plate: loaded whole, since a change to many is decided as one.

use std::collections::{BTreeMap, HashMap};

use parkgate_ledger::plate_list::{ListedPlate, PlateChange, PlateChanges, PlateList, TooManyPlates, plate_changes};
use parkgate_ledger::{ParkId, Space};

use super::Store;
use super::records::spaces;
use super::registry::changed;
use crate::StoreError;
use crate::backend::{Access, Backend, Row, Transaction, Value};

/// What became of a change to a park's lists.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PlatesOutcome {
    /// It is done.
    Changed(PlateChanges),
    /// There is no such park.
    NoSuchPark,
    /// Nothing was changed: there would be too many.
    TooMany(TooManyPlates),
}

/// What is asked before a vehicle enters.
impl Store {
    /// A park's lists by plate, by the keys that entries are stored under.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn plates(&self, park: ParkId) -> Result<BTreeMap<String, ListedPlate>, StoreError> {
        self.backend.transaction(Access::Read, |transaction| listed(transaction, park.0))
    }

    /// Changes a park's lists by plate, all of it or nothing.
    ///
    /// # Errors
    /// The store cannot be read or written: nothing was changed.
    pub fn change_plates(&self, park_uuid: &str, change: PlateChange<'_>) -> Result<PlatesOutcome, StoreError> {
        changed_plates(self.backend.as_ref(), park_uuid, change)
    }

    /// The counts of these keys, of those that have one.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn spaces(&self, parks: &[ParkId]) -> Result<HashMap<ParkId, Space>, StoreError> {
        let keys: Value = parks.iter().map(|park| park.0).collect();
        let found = self.backend.transaction(Access::ReadKeys, |transaction| spaces(transaction, keys.clone()))?;
        Ok(found.into_iter().map(|(park, space)| (ParkId(park), space)).collect())
    }
}

const LISTED: &str =
    "SELECT normal_form, plate, allowed, note FROM park_plates WHERE park_id = $1 ORDER BY normal_form";

fn listed(transaction: &mut dyn Transaction, park: i64) -> Result<BTreeMap<String, ListedPlate>, StoreError> {
    let rows = transaction.query(LISTED, &[park.into()])?;
    let entry = |row: &Row| {
        let list = if row.bool(2)? { PlateList::Allow } else { PlateList::Deny };
        Ok((row.text(0)?, ListedPlate { plate: row.text(1)?, list, note: row.opt_text(3)? }))
    };
    rows.iter().map(entry).collect()
}

/// Changes the lists in one transaction, in which they were read.
fn changed_plates(
    backend: &dyn Backend,
    park_uuid: &str,
    change: PlateChange<'_>,
) -> Result<PlatesOutcome, StoreError> {
    backend.transaction(Access::Write, |transaction| {
        // Whoever changes them at the same time waits here.
        let park = transaction.query_opt("SELECT id FROM parks WHERE park_uuid = $1 {lock}", &[park_uuid.into()])?;
        let Some(park) = park else { return Ok(PlatesOutcome::NoSuchPark) };
        let park = park.int(0)?;
        match plate_changes(&listed(transaction, park)?, change) {
            Err(too_many) => Ok(PlatesOutcome::TooMany(too_many)),
            Ok(changes) => {
                write(transaction, park, &changes)?;
                Ok(PlatesOutcome::Changed(changes))
            }
        }
    })
}

const PUT: &str = "INSERT INTO park_plates (park_id, normal_form, plate, allowed, note) \
    SELECT $1::bigint, n.normal_form, n.plate, n.allowed = 1, n.note \
    FROM {rows $2 text normal_form, $3 text plate, $4 bigint allowed, $5 text note} AS n WHERE true \
    ON CONFLICT (park_id, normal_form) DO UPDATE SET plate = excluded.plate, allowed = excluded.allowed, \
    note = excluded.note";
const REMOVE: &str = "DELETE FROM park_plates WHERE park_id = $1 AND normal_form {in $2}";

fn write(transaction: &mut dyn Transaction, park: i64, changes: &PlateChanges) -> Result<(), StoreError> {
    if changes.is_empty() {
        return Ok(());
    }
    if !changes.remove.is_empty() {
        let keys = Value::Texts(changes.remove.iter().cloned().map(Some).collect());
        transaction.execute(REMOVE, &[park.into(), keys])?;
    }
    if !changes.put.is_empty() {
        let texts = |text: fn(&ListedPlate) -> Option<&String>| {
            Value::Texts(changes.put.iter().map(|(_, entry)| text(entry).cloned()).collect())
        };
        let keys = changes.put.iter().map(|(key, _)| Some(key.as_str().to_owned())).collect();
        let allowed = changes.put.iter().map(|(_, entry)| i64::from(entry.list == PlateList::Allow)).collect();
        let (plates, notes) = (texts(|entry| Some(&entry.plate)), texts(|entry| entry.note.as_ref()));
        transaction.execute(PUT, &[park.into(), Value::Texts(keys), plates, allowed, notes])?;
    }
    transaction.execute("UPDATE parks SET plates_version = plates_version + 1 WHERE id = $1", &[park.into()])?;
    changed(transaction)
}
