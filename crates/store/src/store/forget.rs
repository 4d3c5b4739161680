//! A plate is looked for along all records, and what is kept about it is forgotten: redacted, as at the end of its time.

use std::collections::{BTreeMap, HashSet};

use parkgate_ledger::ParkId;
use parkgate_ledger::plate::{NormalPlate, holds_plate};
use parkgate_ledger::redact::Redaction;

use super::Store;
use super::conflicts::beside;
use super::record_pages::newest;
use super::records::{keys_of, pictures};
use super::recount::lock_parks;
use super::retention::mark_digests_of;
use super::stays::{self, Redacting, Stay, StayKey};
use crate::StoreError;
use crate::backend::keys::fenced;
use crate::backend::{Access, Backend, Transaction, Value};
use crate::forget::{Forgotten, PlateSearch};
use crate::quarantine::QuarantineFilter;

/// Records looked at in one transaction.
const LOOKED_AT_ONCE: usize = 2048;
/// Stays forgotten in one transaction, for which pushes wait.
const FORGOTTEN_AT_ONCE: usize = 48;
/// Differences looked at in one transaction.
const DIFFERENCES_AT_ONCE: usize = 1000;

/// By park, `park_uuid`; those of no known park under an empty one.
pub type ForgottenByPark = BTreeMap<String, Forgotten>;

impl Store {
    /// Begins a search for a plate along the records of one park, or of all.
    ///
    /// # Errors
    /// The store cannot be read; [`StoreError::Broken`] if there is no such park.
    pub fn search_plate(&self, plate: NormalPlate, park_uuid: Option<&str>) -> Result<PlateSearch, StoreError> {
        let mut parks = self.parks()?;
        parks.retain(|park| park_uuid.is_none_or(|wanted| park.park_uuid == wanted));
        if let (Some(wanted), true) = (park_uuid, parks.is_empty()) {
            return Err(StoreError::Broken(format!("there is no park {wanted}")));
        }
        let keys = parks.iter().flat_map(|park| park.record_keys().map(|key| (key, park.park_uuid.clone())));
        Ok(PlateSearch { plate, parks: keys.collect(), after: 0, found: Default::default() })
    }

    /// Looks at the next records; false at the end of those that are there now. A later call goes on with what came since.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn search_step(&self, search: &mut PlateSearch) -> Result<bool, StoreError> {
        look(self.backend.as_ref(), search)
    }

    /// Redacts the next of the stays found, with their pictures, what was ignored for them and what is to be delivered of them;
    /// false if none is left. Where nothing is to be changed, only counts.
    ///
    /// # Errors
    /// The store cannot be read or written. Calling again goes on.
    pub fn forget_step(
        &self,
        search: &mut PlateSearch,
        is_dry_run: bool,
        forgotten: &mut ForgottenByPark,
    ) -> Result<bool, StoreError> {
        forget_some(self.backend.as_ref(), search, is_dry_run, forgotten)
    }

    /// Takes refused pushes and differences between platforms that hold the plate away, or counts them.
    ///
    /// # Errors
    /// The store cannot be read or written. Calling again goes on.
    pub fn forget_aside(
        &self,
        search: &PlateSearch,
        park_uuid: Option<&str>,
        is_dry_run: bool,
        forgotten: &mut ForgottenByPark,
    ) -> Result<(), StoreError> {
        let filter = QuarantineFilter {
            park_uuid: park_uuid.map(str::to_owned),
            limit: usize::MAX,
            ..QuarantineFilter::default()
        };
        let mut ids = Vec::new();
        self.each_quarantined(&filter, &mut |entry| {
            if serde_json::to_string(&entry.kept).is_ok_and(|kept| holds_plate(&kept, &search.plate)) {
                ids.push(entry.id);
                let of_park = forgotten.entry(entry.park_uuid.unwrap_or_default()).or_default();
                of_park.quarantine += 1;
                of_park.pictures += entry.pictures.len() as u64;
                of_park.images.extend(entry.pictures.iter().map(|picture| picture.key));
            }
            std::ops::ControlFlow::Continue(())
        })?;
        if !is_dry_run {
            for some in ids.chunks(FORGOTTEN_AT_ONCE) {
                self.release(some)?;
            }
        }
        differences(self.backend.as_ref(), search, is_dry_run, forgotten)
    }
}

const RECORDS: &str = "SELECT r.id, r.park_id, {serial r}, r.plate, r.params FROM records r \
    WHERE r.id > $1 AND coalesce(r.redacted, 0) = 0 ORDER BY r.id LIMIT $2";

fn look(backend: &dyn Backend, search: &mut PlateSearch) -> Result<bool, StoreError> {
    let rows = backend.transaction(Access::ReadLong, |transaction| {
        transaction.query(RECORDS, &[search.after.into(), Value::limit(LOOKED_AT_ONCE)])
    })?;
    for row in &rows {
        search.after = row.int(0)?;
        let park = ParkId(row.int(1)?);
        if !search.parks.contains_key(&park) {
            continue;
        }
        let is_it = |text: &str| holds_plate(text, &search.plate);
        if row.opt_text(3)?.as_deref().is_some_and(is_it) || is_it(&row.text(4)?) {
            search.found.insert((park, row.text(2)?));
        }
    }
    Ok(rows.len() == LOOKED_AT_ONCE)
}

fn forget_some(
    backend: &dyn Backend,
    search: &mut PlateSearch,
    is_dry_run: bool,
    forgotten: &mut ForgottenByPark,
) -> Result<bool, StoreError> {
    let some: Vec<(ParkId, String)> = search.found.iter().take(FORGOTTEN_AT_ONCE).cloned().collect();
    if some.is_empty() {
        return Ok(false);
    }
    let wanted: HashSet<StayKey> =
        some.iter().map(|(park, serial)| StayKey { park: *park, serial: serial.clone() }).collect();
    let access = if is_dry_run { Access::ReadLong } else { Access::Write };
    if !is_dry_run {
        mark_digests_of(backend, &some.iter().map(|(park, _)| *park).collect::<Vec<_>>())?;
    }
    let done = backend.transaction(access, |transaction| {
        if !is_dry_run {
            lock_parks(transaction, wanted.iter().map(|key| key.park.0).collect::<HashSet<_>>().into_iter().collect())?;
        }
        let stays = stays::load(transaction, &wanted)?;
        let counted = stays.iter().map(|stay| counted(transaction, stay)).collect::<Result<Vec<_>, _>>()?;
        if !is_dry_run {
            forget(backend, transaction, &stays)?;
        }
        Ok(counted)
    })?;
    for (park, of_stay) in done {
        let of_park = forgotten.entry(search.parks.get(&park).cloned().unwrap_or_default()).or_default();
        of_park.visits += of_stay.visits;
        of_park.records += of_stay.records;
        of_park.pictures += of_stay.pictures;
        of_park.conflicts += of_stay.conflicts;
        of_park.deliveries += of_stay.deliveries;
        of_park.images.extend(of_stay.images);
    }
    for one in &some {
        search.found.remove(one);
    }
    Ok(true)
}

fn counted(transaction: &mut dyn Transaction, stay: &Stay) -> Result<(ParkId, Forgotten), StoreError> {
    let keys: Vec<(ParkId, i64)> = stay.keys().collect();
    let named = pictures(transaction, &keys)?;
    let deliveries = format!("SELECT count(*)::bigint FROM deliveries WHERE {}", beside("deliveries"));
    let deliveries = transaction.query_opt(&deliveries, &keys_of(&keys))?.map_or(Ok(0), |row| row.count(0))?;
    let images: Vec<_> = named.into_values().flatten().map(|picture| picture.key).collect();
    let forgotten = Forgotten {
        visits: 1,
        records: stay.standing.len() as u64,
        pictures: images.len() as u64,
        conflicts: stay.ignored.len() as u64,
        deliveries,
        images,
        ..Forgotten::default()
    };
    Ok((stay.key.park, forgotten))
}

fn forget(backend: &dyn Backend, transaction: &mut dyn Transaction, stays: &[Stay]) -> Result<(), StoreError> {
    let how = Redacting { standing: Some(Redaction::Personal), ignored: Some(Redaction::Whole) };
    let keys = fenced(backend, transaction)?;
    stays::redact(transaction, &keys, stays, how)?;
    let all: Vec<(ParkId, i64)> = stays.iter().flat_map(Stay::keys).collect();
    stays::delete_beside(transaction, "images", &all)?;
    stays::delete_beside(transaction, "deliveries", &all).map(drop)
}

const DIFFERENCES: &str = "SELECT id, park_uuid, parking_serial, ours, theirs FROM differences WHERE id > $1 \
    ORDER BY id LIMIT $2";

fn differences(
    backend: &dyn Backend,
    search: &PlateSearch,
    is_dry_run: bool,
    forgotten: &mut ForgottenByPark,
) -> Result<(), StoreError> {
    let parks: HashSet<&str> = search.parks.values().map(String::as_str).collect();
    let mut after = 0;
    loop {
        let values = [after.into(), Value::limit(DIFFERENCES_AT_ONCE)];
        let rows = backend.transaction(Access::ReadLong, |transaction| transaction.query(DIFFERENCES, &values))?;
        let mut gone = Vec::new();
        for row in &rows {
            after = row.int(0)?;
            let (park_uuid, texts) = (row.text(1)?, [row.text(2)?, row.text(3)?, row.text(4)?]);
            if parks.contains(park_uuid.as_str()) && texts.iter().any(|text| holds_plate(text, &search.plate)) {
                forgotten.entry(park_uuid).or_default().differences += 1;
                gone.push(after);
            }
        }
        if !is_dry_run && !gone.is_empty() {
            let gone = [Value::Ints(gone)];
            let delete = "DELETE FROM differences WHERE id {in $1}";
            backend.transaction(Access::Write, |transaction| transaction.execute(delete, &gone))?;
        }
        if rows.len() < DIFFERENCES_AT_ONCE {
            return Ok(());
        }
    }
}

impl Store {
    /// The newest record: how far a search has to go.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn newest_record(&self) -> Result<i64, StoreError> {
        self.backend.transaction(Access::Read, newest)
    }
}
