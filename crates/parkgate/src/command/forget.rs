//! `forget`: everything that is kept about a plate goes, beside a running gate.
//!
//! Killed half way, the same command goes on: what is forgotten is not found again.

use std::fs::File;
use std::path::Path;
use std::time::{Duration, Instant, SystemTime};

use anyhow::Context;
use parkgate_ledger::plate::NormalPlate;
use parkgate_store::{Forgotten, ForgottenByPark, ImageKey, Images, PlateSearch, Store};
use parkgate_text::texts;
use serde_json::{Map, Value, json};

use super::audited::note;
use super::open;
use super::serve::open_images;
use crate::cli::ForgetArgs;
use crate::config::{ImagesAt, State, images_at, state};
use crate::output::{self, misuse};

/// Pushes of the plate that come meanwhile are looked for so many times: a vehicle pushes now and then, not all the time.
const ROUNDS_MAX: usize = 20;
/// How long the running gate is waited for, which alone may cut SQLite's WAL off.
const PURGE_MAX: Duration = Duration::from_secs(60);
const PURGE_LOOK: Duration = Duration::from_millis(200);
/// A push may bring a picture right now that it names only in a moment: younger ones are left to the gate's sweep.
const PICTURE_AGE_MIN: Duration = Duration::from_secs(10 * 60);

pub(super) fn run(args: &ForgetArgs) -> anyhow::Result<()> {
    let plate = normal(&args.plate)?;
    let state = state(&args.place)?;
    let store = open(&args.place)?;
    let images = images_at(args.images.clone(), &state.data)?;
    let mut search = store.search_plate(plate.clone(), args.park.as_deref())?;
    audited(&store, "forget", args.park.as_deref(), &plate, &[("dry_run", args.dry_run.into())])?;
    let mut forgotten = ForgottenByPark::new();
    search_all(&store, &mut search)?;
    let before = search.looked_at();
    while store.forget_step(&mut search, args.dry_run, &mut forgotten)? {}
    store.forget_aside(&search, args.park.as_deref(), args.dry_run, &mut forgotten)?;
    let mut meanwhile = 0;
    if !args.dry_run {
        meanwhile = forget_meanwhile(&store, &mut search, args.park.as_deref(), &mut forgotten)?;
    }
    let listed = listed(&store, &plate, args.park.as_deref())?;
    let files = if args.dry_run { 0 } else { remove_files(&store, &images, &state, &forgotten)? };
    let traces = if args.dry_run { Traces::None } else { purge(&store, &state)? };
    let report = Report { is_dry_run: args.dry_run, forgotten, meanwhile, listed, files, traces };
    tracing::debug!(looked_at = before, "all records were looked at");
    report.print(args.json)
}

/// The plate as it is looked for.
pub(super) fn normal(plate: &str) -> anyhow::Result<NormalPlate> {
    NormalPlate::of(plate).ok_or_else(|| misuse((texts().retention.no_plate)(plate)))
}

/// Writes down who looks for a plate, which stands there as its digest.
pub(super) fn audited(
    store: &Store,
    command: &str,
    park: Option<&str>,
    plate: &NormalPlate,
    more: &[(&str, Value)],
) -> anyhow::Result<()> {
    let mut detail = Map::new();
    detail.insert("plate_digest".into(), store.plate_digest(plate.as_str()).into());
    detail.extend(more.iter().map(|(name, value)| ((*name).to_owned(), value.clone())));
    let about = park.map_or_else(|| "--park *".to_owned(), |park| format!("--park {park}"));
    note(store, command, &about, detail)
        .map_err(|error| anyhow::anyhow!((texts().audit.not_written)(&error.to_string())))
}

/// All records that are there now.
pub(super) fn search_all(store: &Store, search: &mut PlateSearch) -> anyhow::Result<()> {
    while store.search_step(search)? {}
    Ok(())
}

/// What came of the plate since it was looked for.
fn forget_meanwhile(
    store: &Store,
    search: &mut PlateSearch,
    park: Option<&str>,
    forgotten: &mut ForgottenByPark,
) -> anyhow::Result<u64> {
    let visits = |forgotten: &ForgottenByPark| forgotten.values().map(|of_park| of_park.visits).sum::<u64>();
    let before = visits(forgotten);
    for _ in 0..ROUNDS_MAX {
        search_all(store, search)?;
        if search.stays().next().is_none() {
            break;
        }
        while store.forget_step(search, false, forgotten)? {}
        store.forget_aside(search, park, false, forgotten)?;
    }
    Ok(visits(forgotten) - before)
}

/// Parks on whose lists the plate is: what the operator put there is theirs to take away.
pub(super) fn listed(store: &Store, plate: &NormalPlate, park: Option<&str>) -> anyhow::Result<Vec<String>> {
    let mut listed = Vec::new();
    for known in store.parks()? {
        if park.is_none_or(|park| park == known.park_uuid) && store.plates(known.id)?.contains_key(plate.as_str()) {
            listed.push(known.park_uuid);
        }
    }
    Ok(listed)
}

fn remove_files(
    store: &std::sync::Arc<Store>,
    images: &ImagesAt,
    state: &State,
    forgotten: &ForgottenByPark,
) -> anyhow::Result<usize> {
    let mut keys: Vec<ImageKey> = forgotten.values().flat_map(|of_park| of_park.images.iter().copied()).collect();
    keys.sort_unstable_by_key(|key| key.0);
    keys.dedup();
    if keys.is_empty() {
        return Ok(0);
    }
    let images = images_to_read(images, &state.data)?;
    let (asked, before) = (std::sync::Arc::clone(store), SystemTime::now() - PICTURE_AGE_MIN);
    let keeps = move |keys: &[ImageKey]| asked.keeps_images(keys);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    Ok(runtime.block_on(images.remove_unkept(keys, before, &keeps))?)
}

/// Pictures that a gate may be writing to.
pub(super) fn images_to_read(at: &ImagesAt, data: &Path) -> anyhow::Result<Images> {
    match at {
        ImagesAt::Folder(folder) => Ok(Images::open_to_read(folder)?),
        ImagesAt::Bucket(_) => open_images(at, data),
    }
}

/// What the database's files still hold of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Traces {
    None,
    /// PostgreSQL clears the free space within pages only when it writes them anew.
    FreeSpace,
    /// A running gate takes them out.
    Soon,
}

/// Leaves nothing of it in the database's files, as far as that can be done: by itself, or by the gate that runs.
fn purge(store: &Store, state: &State) -> anyhow::Result<Traces> {
    if state.url.is_some() {
        store.purge()?;
        return Ok(Traces::FreeSpace);
    }
    if let Some(_alone) = alone(&state.data)? {
        store.begin_serving()?;
        return Ok(if store.purge()? { Traces::None } else { Traces::Soon });
    }
    store.want_purge()?;
    let begun = Instant::now();
    while begun.elapsed() < PURGE_MAX {
        if !store.is_purge_wanted()? {
            return Ok(Traces::None);
        }
        std::thread::sleep(PURGE_LOOK);
    }
    Ok(Traces::Soon)
}

/// The lock of the data folder, unless a gate has it.
fn alone(data: &Path) -> anyhow::Result<Option<File>> {
    let path = data.join("serve.lock");
    let file = parkgate_seal::disk::open_file(&path).with_context(|| path.display().to_string())?;
    Ok(file.try_lock().is_ok().then_some(file))
}

struct Report {
    is_dry_run: bool,
    forgotten: ForgottenByPark,
    meanwhile: u64,
    listed: Vec<String>,
    files: usize,
    traces: Traces,
}

impl Report {
    fn print(&self, is_json: bool) -> anyhow::Result<()> {
        let texts = &texts().retention;
        if is_json {
            let parks: Map<String, Value> =
                self.forgotten.iter().map(|(park, of_park)| (park.clone(), counts(of_park))).collect();
            return output::json(&json!({
                "dry_run": self.is_dry_run,
                "parks": parks,
                "picture_files_removed": self.files,
                "arrived_meanwhile": self.meanwhile,
                "on_lists_of": self.listed,
                "traces": match self.traces {
                    Traces::None => "none",
                    Traces::FreeSpace => "free_space",
                    Traces::Soon => "soon_removed",
                },
            }));
        }
        if self.forgotten.is_empty() {
            output::line(texts.nothing_kept)?;
        }
        for (park, of_park) in &self.forgotten {
            let park = if park.is_empty() { texts.no_park } else { park.as_str() };
            output::line(&(texts.forgotten)(
                park,
                of_park.visits,
                of_park.pictures,
                of_park.conflicts,
                of_park.quarantine,
                of_park.deliveries,
                of_park.differences,
            ))?;
        }
        if self.meanwhile > 0 {
            output::line(&(texts.meanwhile)(self.meanwhile))?;
        }
        for park in &self.listed {
            output::line(&(texts.on_list)(park))?;
        }
        output::line(match (self.is_dry_run, self.traces) {
            (true, _) => texts.dry_run_done,
            (false, Traces::None) => texts.purged,
            (false, Traces::FreeSpace) => texts.vacuumed,
            (false, Traces::Soon) => texts.not_purged,
        })
    }
}

fn counts(of_park: &Forgotten) -> Value {
    json!({
        "visits": of_park.visits,
        "records": of_park.records,
        "pictures": of_park.pictures,
        "conflicts": of_park.conflicts,
        "deliveries": of_park.deliveries,
        "quarantine": of_park.quarantine,
        "differences": of_park.differences,
    })
}
