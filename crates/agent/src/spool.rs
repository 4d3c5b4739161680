//! The spool folder, for software that can only write files: a JSON file moved into it is a record, its pictures are named by
//! path.

mod picture_wait;

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use parkgate_seal::disk::make_shared_folder;
use parkgate_text::texts;
use parkgate_wire::content_type::without_bom;
use parkgate_wire::value::says_nothing;
use parkgate_wire::{Call, PushKind};
use serde_json::{Map, Value};
use tokio::sync::{Notify, watch};

use self::picture_wait::PicturesState;
use crate::outbox::{Outbox, OutboxError};
use crate::record::Record;

pub(crate) use self::picture_wait::PictureWait;

const LOOK_EVERY: Duration = Duration::from_millis(500);
/// Files that are no records are moved here, each beside a text file that says why.
const BAD: &str = "bad";

pub(crate) async fn watch(
    folder: PathBuf,
    picture_wait: Duration,
    outbox: Arc<Outbox>,
    added: Arc<Notify>,
    mut stop: watch::Receiver<bool>,
) {
    let arriving = Arc::new(Mutex::new(PictureWait::new(picture_wait)));
    while !*stop.borrow() {
        let (folder, outbox, arriving) = (folder.clone(), Arc::clone(&outbox), Arc::clone(&arriving));
        let look = move || empty(&folder, &outbox, &mut arriving.lock().unwrap_or_else(PoisonError::into_inner));
        match tokio::task::spawn_blocking(look).await {
            Ok(Ok(0)) => {}
            Ok(Ok(_)) => added.notify_one(),
            Ok(Err(error)) => tracing::warn!(%error, "the spool folder could not be read"),
            // The next look starts over: nothing of this one is kept in memory.
            Err(error) => tracing::error!(%error, "reading the spool folder failed"),
        }
        tokio::select! { () = tokio::time::sleep(LOOK_EVERY) => {}, _ = stop.changed() => {} }
    }
}

/// Takes every record that is ready; returns how many.
pub(crate) fn empty(folder: &Path, outbox: &Outbox, arriving: &mut PictureWait) -> std::io::Result<usize> {
    make_shared_folder(folder)?;
    let mut paths: Vec<_> = std::fs::read_dir(folder)?
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("json")))
        .collect();
    paths.sort();
    arriving.keep(&paths);
    let mut waiting = HashSet::new();
    let mut taken = 0;
    for path in paths {
        let record = std::fs::read(&path).map_err(|error| error.to_string()).and_then(|bytes| read(&bytes, folder));
        let became = match record {
            // With its enter.
            Ok(record) if waiting.contains(&record.parking_serial) => Became::Waiting,
            Ok(record) => take(&path, record, outbox, arriving, &mut waiting),
            Err(why) => Became::Bad(why),
        };
        match became {
            Became::Taken => {
                std::fs::remove_file(&path)?;
                taken += 1;
            }
            Became::Waiting => {}
            Became::Full => break,
            Became::Bad(why) => move_to_bad(folder, &path, &why)?,
        }
    }
    Ok(taken)
}

/// What happened to a file.
enum Became {
    Taken,
    /// Tried again at the next look; the others go on.
    Waiting,
    /// The outbox takes nothing at present.
    Full,
    Bad(String),
}

fn take(
    path: &Path,
    mut record: Record,
    outbox: &Outbox,
    arriving: &mut PictureWait,
    waiting: &mut HashSet<String>,
) -> Became {
    let now = Instant::now();
    let mut missing = match arriving.look(path, &record, now) {
        PicturesState::There => Vec::new(),
        PicturesState::Missing(missing) => missing,
        PicturesState::NotYet => return wait(record, waiting),
    };
    record.files.retain(|(_, picture)| !missing.contains(picture));
    let mut added = outbox.add(&record, parkgate_client::now());
    if let Err(OutboxError::File(..)) = &added
        && !record.files.is_empty()
    {
        if !arriving.is_over(path, now) {
            return wait(record, waiting);
        }
        missing.extend(record.files.drain(..).map(|(_, picture)| picture));
        added = outbox.add(&record, parkgate_client::now());
    }
    match added {
        Ok(_) => {
            go_without(&record.parking_serial, &missing, outbox);
            Became::Taken
        }
        Err(error @ OutboxError::Taken(_)) => Became::Bad(error.to_string()),
        // A fault of the outbox, not of the file.
        Err(_) => Became::Full,
    }
}

/// The others of a stay wait with its enter, and with nothing else.
fn wait(record: Record, waiting: &mut HashSet<String>) -> Became {
    if record.kind == PushKind::Enter {
        waiting.insert(record.parking_serial);
    }
    Became::Waiting
}

fn go_without(parking_serial: &str, missing: &[PathBuf], outbox: &Outbox) {
    if missing.is_empty() {
        return;
    }
    tracing::error!(parking_serial, ?missing, "pictures did not come in time: the record goes without them");
    if let Err(error) = outbox.count_missing(missing.len()) {
        tracing::warn!(%error, "missing pictures could not be counted");
    }
}

/// `"call"` names the call; without it, the parameters do.
fn read(bytes: &[u8], folder: &Path) -> Result<Record, String> {
    let text =
        std::str::from_utf8(without_bom(bytes)).map_err(|error| (texts().agent_half.not_utf8)(&error.to_string()))?;
    let mut object: Map<String, Value> = serde_json::from_str(text).map_err(|error| error.to_string())?;
    let kind = match object.remove("call").as_ref().and_then(Value::as_str) {
        Some(call) => PushKind::named(call).ok_or_else(|| (texts().agent_half.unknown_call)(call))?,
        // A question is no record, and lacks what an enter has.
        None => Call::meant_by(|name| object.get(name).is_some_and(says_something)).kind.unwrap_or(PushKind::Enter),
    };
    let mut record = Record::from_json(kind, &object)?;
    for (_, path) in &mut record.files {
        *path = folder.join(&*path);
    }
    Ok(record)
}

fn says_something(value: &Value) -> bool {
    !value.is_null() && !value.as_str().is_some_and(says_nothing)
}

fn move_to_bad(folder: &Path, path: &Path, why: &str) -> std::io::Result<()> {
    let bad = folder.join(BAD);
    make_shared_folder(&bad)?;
    let name = path.file_name().unwrap_or_default();
    tracing::error!(file = %path.display(), why, "no record: moved to the folder `bad`");
    std::fs::rename(path, bad.join(name))?;
    std::fs::write(bad.join(name).with_extension("txt"), format!("{why}\n"))
}
