//! `park …-plate(s)`: who may enter and who may not, by plate.

use std::ops::ControlFlow;
use std::path::Path;

use anyhow::bail;
use parkgate_ledger::plate::NormalPlate;
use parkgate_ledger::plate_list::{
    ListedPlate, PLATES_MAX, PlateChange, PlateChanges, PlateList, PlateRefused, plate_changes,
};
use parkgate_store::{Park, PlatesOutcome, Store};
use parkgate_text::texts;
use serde_json::json;

use super::super::open;
use super::plate_file::{self, refused};
use crate::cli::PlateCommand;
use crate::output::{self, ListingFormat, misuse};

pub(super) fn run(command: PlateCommand) -> anyhow::Result<()> {
    match command {
        PlateCommand::ListPlates { uuid, json, place } => list(open(&place)?.as_ref(), &uuid, json),
        PlateCommand::AddPlate { uuid, plate, allow, deny: _, note, place } => {
            let list = if allow { PlateList::Allow } else { PlateList::Deny };
            let entry = ListedPlate::new(&plate, list, note.as_deref()).map_err(|why| misuse(refused(&plate, why)))?;
            add(open(&place)?.as_ref(), &uuid, entry)
        }
        PlateCommand::RemovePlate { uuid, plate, place } => remove(open(&place)?.as_ref(), &uuid, &plate),
        PlateCommand::ImportPlates { uuid, file, replace, dry_run, place } => {
            let plates = plate_file::load(&file)?;
            let change = if replace { PlateChange::Replace(&plates) } else { PlateChange::Put(&plates) };
            import(open(&place)?.as_ref(), &uuid, change, &file, dry_run)
        }
    }
}

const SHOWN: ListingFormat<ListedPlate> = ListingFormat {
    what: || texts().plates.what,
    head: || vec![texts().columns.plate, texts().columns.list, texts().columns.note],
    always: 3,
    row: |entry| vec![entry.plate.clone(), list_name(entry.list).into(), entry.note.clone().unwrap_or_default()],
    value: |entry| json!({ "plate": entry.plate, "list": entry.list.name(), "note": entry.note }),
};

fn list_name(list: PlateList) -> &'static str {
    match list {
        PlateList::Allow => texts().plates.is_allow,
        PlateList::Deny => texts().plates.is_deny,
    }
}

fn list(store: &Store, uuid: &str, as_json: bool) -> anyhow::Result<()> {
    let plates = store.plates(known(store, uuid)?.id)?;
    output::listing(as_json, &SHOWN, &[], |take| {
        for entry in plates.into_values() {
            if let ControlFlow::Break(()) = take(entry) {
                break;
            }
        }
        Ok(())
    })
    .map(drop)
}

fn known(store: &Store, uuid: &str) -> anyhow::Result<Park> {
    match store.parks()?.into_iter().find(|park| park.park_uuid == uuid) {
        Some(park) => Ok(park),
        None => Err(no_park(uuid)),
    }
}

fn no_park(uuid: &str) -> anyhow::Error {
    anyhow::anyhow!((texts().general.no_such_park)(uuid))
}

fn changed(store: &Store, uuid: &str, change: PlateChange<'_>) -> anyhow::Result<PlateChanges> {
    match store.change_plates(uuid, change)? {
        PlatesOutcome::Changed(changes) => Ok(changes),
        PlatesOutcome::NoSuchPark => Err(no_park(uuid)),
        PlatesOutcome::TooMany(too_many) => Err(over(too_many.0)),
    }
}

fn over(count: usize) -> anyhow::Error {
    anyhow::anyhow!((texts().plates.too_many)(count, PLATES_MAX))
}

fn add(store: &Store, uuid: &str, entry: ListedPlate) -> anyhow::Result<()> {
    let (plate, list) = (entry.plate.clone(), entry.list);
    let changes = changed(store, uuid, PlateChange::Put(&[entry]))?;
    let done = match (changes.is_empty(), changes.added) {
        (true, _) => texts().plates.as_before,
        (false, 0) => texts().plates.was_changed,
        (false, _) => texts().plates.was_added,
    };
    output::line(&(texts().plates.put)(&plate, list_name(list), done))
}

fn remove(store: &Store, uuid: &str, plate: &str) -> anyhow::Result<()> {
    let Some(normal) = NormalPlate::of(plate) else { return Err(misuse(refused(plate, PlateRefused::Unreadable))) };
    if changed(store, uuid, PlateChange::Remove(&normal))?.remove.is_empty() {
        bail!((texts().plates.on_no_list)(plate, uuid));
    }
    output::line(&(texts().plates.removed)(plate))
}

fn import(store: &Store, uuid: &str, change: PlateChange<'_>, file: &Path, is_dry: bool) -> anyhow::Result<()> {
    let changes = if is_dry {
        plate_changes(&store.plates(known(store, uuid)?.id)?, change).map_err(|too_many| over(too_many.0))?
    } else {
        changed(store, uuid, change)?
    };
    let done = if is_dry { texts().plates.dry } else { texts().plates.imported };
    let file = file.display().to_string();
    output::line(&done(&file, changes.added, changes.changed(), changes.remove.len()))
}
