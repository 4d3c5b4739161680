//! `park …-plate(s)`: who may enter and who may not, by plate.

use std::ops::ControlFlow;
use std::path::Path;

use anyhow::bail;
use parkgate_ledger::plate::NormalPlate;
use parkgate_ledger::plate_list::{
    ListedPlate, PLATES_MAX, PlateChange, PlateChanges, PlateList, PlateRefused, plate_changes,
};
use parkgate_store::{Park, PlatesOutcome, Store};
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
    what: ("名单车牌", "plates on a list"),
    head: &["车牌", "名单", "备注"],
    always: 3,
    row: |entry| vec![entry.plate.clone(), entry.list.zh().into(), entry.note.clone().unwrap_or_default()],
    value: |entry| json!({ "plate": entry.plate, "list": entry.list.name(), "note": entry.note }),
};

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
    anyhow::anyhow!("没有停车场 {uuid}, 见 `parkgate park list` (no such park)")
}

fn changed(store: &Store, uuid: &str, change: PlateChange<'_>) -> anyhow::Result<PlateChanges> {
    match store.change_plates(uuid, change)? {
        PlatesOutcome::Changed(changes) => Ok(changes),
        PlatesOutcome::NoSuchPark => Err(no_park(uuid)),
        PlatesOutcome::TooMany(too_many) => Err(over(too_many.0)),
    }
}

fn over(count: usize) -> anyhow::Error {
    anyhow::anyhow!(
        "名单会有 {count} 个车牌, 每个停车场最多 {PLATES_MAX} 个: 未作修改 (a park has {PLATES_MAX} plates on its lists at most; \
         nothing was changed)"
    )
}

fn add(store: &Store, uuid: &str, entry: ListedPlate) -> anyhow::Result<()> {
    let (plate, list) = (entry.plate.clone(), entry.list);
    let changes = changed(store, uuid, PlateChange::Put(&[entry]))?;
    let done = match (changes.is_empty(), changes.added) {
        (true, _) => "未变 as before",
        (false, 0) => "已修改 changed",
        (false, _) => "已加入 added",
    };
    output::line(&format!("{plate} {} ({}) {done}", list.zh(), list.name()))
}

fn remove(store: &Store, uuid: &str, plate: &str) -> anyhow::Result<()> {
    let Some(normal) = NormalPlate::of(plate) else { return Err(misuse(refused(plate, PlateRefused::Unreadable))) };
    if changed(store, uuid, PlateChange::Remove(&normal))?.remove.is_empty() {
        bail!("{plate} 不在名单中, 见 `parkgate park list-plates {uuid}` (on no list)");
    }
    output::line(&format!("{plate} 已移出 removed"))
}

fn import(store: &Store, uuid: &str, change: PlateChange<'_>, file: &Path, is_dry: bool) -> anyhow::Result<()> {
    let changes = if is_dry {
        plate_changes(&store.plates(known(store, uuid)?.id)?, change).map_err(|too_many| over(too_many.0))?
    } else {
        changed(store, uuid, change)?
    };
    let done = if is_dry { "试运行, 未写入 a dry run, nothing was written" } else { "已导入 imported" };
    output::line(&format!(
        "{} {done}: 新增 added {}, 修改 changed {}, 移出 removed {}",
        file.display(),
        changes.added,
        changes.changed(),
        changes.remove.len()
    ))
}
