//! `person`: everything that is kept about a plate, as files for whoever it is about.

use std::collections::{BTreeMap, HashSet};
use std::ops::ControlFlow;
use std::path::Path;

use anyhow::{Context, bail};
use parkgate_ledger::plate::{NormalPlate, holds_plate};
use parkgate_store::{DeliveryFilter, ImageKey, Images, Picture, QuarantineFilter, RecordView, Store, Visit};
use parkgate_text::texts;
use serde_json::{Value, json};

use super::forget::{audited, images_to_read, listed, normal, search_all};
use super::open;
use crate::cli::PersonArgs;
use crate::config::{images_at, state};
use crate::output;

/// In the folder.
const FILE: &str = "person.json";
const PICTURES: &str = "pictures";

pub(super) fn run(args: &PersonArgs) -> anyhow::Result<()> {
    let plate = normal(&args.plate)?;
    let state = state(&args.place)?;
    let store = open(&args.place)?;
    let images = images_to_read(&images_at(args.images.clone(), &state.data)?, &state.data)?;
    make_empty(&args.out)?;
    audited(&store, "person", None, &plate, &[])?;
    let mut kept = Kept::default();
    let value = everything(&store, &plate, &mut kept)?;
    let missing = write_pictures(&images, &args.out, &kept)?;
    let text = serde_json::to_string_pretty(&value)?;
    let file = args.out.join(FILE);
    parkgate_seal::disk::write_file(&file, text.as_bytes()).with_context(|| file.display().to_string())?;
    if args.json {
        return output::json(&json!({
            "file": file, "visits": kept.visits, "pictures": kept.pictures.len() - missing, "pictures_missing": missing,
        }));
    }
    let (visits, pictures) = (kept.visits, kept.pictures.len() - missing);
    output::line(&(texts().retention.person_done)(&file.display().to_string(), visits, pictures))
}

/// What is written beside the JSON.
#[derive(Default)]
struct Kept {
    visits: usize,
    /// By name of the file.
    pictures: BTreeMap<String, ImageKey>,
}

/// New or empty, and its owner's alone.
fn make_empty(out: &Path) -> anyhow::Result<()> {
    if std::fs::read_dir(out).is_ok_and(|mut entries| entries.next().is_some()) {
        bail!("{}", (texts().retention.not_empty)(&out.display().to_string()));
    }
    for folder in [out.to_owned(), out.join(PICTURES)] {
        parkgate_seal::disk::make_folder(&folder).with_context(|| folder.display().to_string())?;
        parkgate_seal::disk::tighten(&folder);
    }
    Ok(())
}

fn everything(store: &Store, plate: &NormalPlate, kept: &mut Kept) -> anyhow::Result<Value> {
    let mut search = store.search_plate(plate.clone(), None)?;
    search_all(store, &mut search)?;
    let stays: HashSet<(String, String)> =
        search.stays().map(|(park, serial)| (park.to_owned(), serial.to_owned())).collect();
    let mut visits = Vec::new();
    for (park_uuid, serial) in &stays {
        for visit in store.visit(park_uuid, serial)? {
            kept.visits += 1;
            visits.push(kept.visit(&visit));
        }
    }
    let mut refused = Vec::new();
    let filter = QuarantineFilter { limit: usize::MAX, ..QuarantineFilter::default() };
    store.each_quarantined(&filter, &mut |entry| {
        if serde_json::to_string(&entry.kept).is_ok_and(|text| holds_plate(&text, plate)) {
            let params: Vec<Value> = entry.kept.params.iter().map(|(name, value, _)| json!([name, value])).collect();
            refused.push(json!({
                "park_uuid": entry.park_uuid, "kind": entry.kind.name(), "received_at": entry.received_at,
                "address": entry.address, "reason": entry.reason, "hint": entry.kept.hint, "params": params,
                "pictures": kept.pictures_of(&entry.pictures),
            }));
        }
        ControlFlow::Continue(())
    })?;
    let deliveries = deliveries(store, &stays)?;
    Ok(json!({
        "plate": plate.as_str(), "visits": visits, "quarantine": refused, "deliveries": deliveries,
        "on_lists": lists(store, plate)?,
    }))
}

/// What is still to be sent to others of these stays.
fn deliveries(store: &Store, stays: &HashSet<(String, String)>) -> anyhow::Result<Vec<Value>> {
    let mut found = Vec::new();
    let filter = DeliveryFilter { limit: usize::MAX, ..DeliveryFilter::default() };
    store.each_delivery(&filter, &mut |delivery| {
        if stays.contains(&(delivery.park_uuid.clone(), delivery.parking_serial.clone())) {
            found.push(json!({
                "subscriber": delivery.subscriber, "park_uuid": delivery.park_uuid,
                "parking_serial": delivery.parking_serial, "kind": delivery.kind.name(),
            }));
        }
        ControlFlow::Continue(())
    })?;
    Ok(found)
}

fn lists(store: &Store, plate: &NormalPlate) -> anyhow::Result<Vec<Value>> {
    let mut found = Vec::new();
    let on = listed(store, plate, None)?;
    for park in store.parks()?.into_iter().filter(|park| on.contains(&park.park_uuid)) {
        if let Some(entry) = store.plates(park.id)?.get(plate.as_str()) {
            let list = format!("{:?}", entry.list).to_lowercase();
            found.push(json!({ "park_uuid": park.park_uuid, "list": list, "plate": entry.plate, "note": entry.note }));
        }
    }
    Ok(found)
}

impl Kept {
    fn visit(&mut self, visit: &Visit) -> Value {
        let halves = visit.enter.iter().chain(&visit.leave).chain(&visit.releases);
        let records: Vec<&RecordView> = halves.chain(visit.updates.iter().map(|update| &update.record)).collect();
        let records: Vec<Value> = records.into_iter().map(|record| self.record(record)).collect();
        let ignored: Vec<Value> = visit.conflicts.iter().map(|conflict| self.record(&conflict.record)).collect();
        let payments: Vec<Value> = visit.payments.iter().map(|payment| Value::Object(payment.fields.clone())).collect();
        json!({
            "park_uuid": visit.park_uuid, "parking_serial": visit.parking_serial, "plate": visit.plate,
            "enter_time": visit.enter_time.0, "leave_time": visit.leave_time.map(|time| time.0),
            "records": records, "payments": payments, "conflicts": ignored,
        })
    }

    fn record(&mut self, record: &RecordView) -> Value {
        json!({
            "kind": record.kind.name(), "seqno": record.seqno.to_string(), "received_at": record.received_at,
            "params": record.params, "pictures": self.pictures_of(&record.pictures),
        })
    }

    fn pictures_of(&mut self, pictures: &[Picture]) -> Vec<Value> {
        let shown = pictures.iter().map(|picture| {
            let ending = picture.content_type.rsplit('/').next().unwrap_or("bin");
            let file = format!("{}.{ending}", picture.key).replace('/', "");
            self.pictures.insert(file.clone(), picture.key);
            json!({
                "name": picture.name, "file": format!("{PICTURES}/{file}"), "size": picture.size,
                "content_type": picture.content_type, "md5": picture.md5.to_string(),
            })
        });
        shown.collect()
    }
}

/// How many are not there any more.
fn write_pictures(images: &Images, out: &Path, kept: &Kept) -> anyhow::Result<usize> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let mut missing = 0;
    for (name, key) in &kept.pictures {
        let file = out.join(PICTURES).join(name);
        match runtime.block_on(images.read(key)) {
            Ok(bytes) => {
                parkgate_seal::disk::write_file(&file, &bytes).with_context(|| file.display().to_string())?;
            }
            Err(error) => {
                tracing::warn!(picture = %key, %error, "a picture could not be read");
                missing += 1;
            }
        }
    }
    Ok(missing)
}
