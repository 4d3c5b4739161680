//! A folder for software that can only write files: a JSON file moved in is a record, its pictures named by path.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use parkgate_wire::PushKind;
use serde_json::{Map, Value};
use tokio::sync::{Notify, watch};

use crate::disk;
use crate::outbox::{Outbox, OutboxError};
use crate::record::Record;
use crate::sender::now_ms;

const LOOK_EVERY: Duration = Duration::from_millis(500);
/// Files that are no records are moved here, each with a text that says why.
const BAD: &str = "bad";

pub(crate) async fn watch(
    folder: std::path::PathBuf,
    outbox: Arc<Outbox>,
    added: Arc<Notify>,
    mut stop: watch::Receiver<bool>,
) {
    while !*stop.borrow() {
        let (folder, outbox) = (folder.clone(), Arc::clone(&outbox));
        match tokio::task::spawn_blocking(move || empty(&folder, &outbox)).await {
            Ok(Ok(0)) => {}
            Ok(Ok(_)) => added.notify_one(),
            Ok(Err(error)) => tracing::warn!(%error, "the spool folder could not be read"),
            Err(error) => tracing::error!(%error, "reading the spool folder failed"),
        }
        tokio::select! { () = tokio::time::sleep(LOOK_EVERY) => {}, _ = stop.changed() => {} }
    }
}

/// Takes every file there is; how many.
pub(crate) fn empty(folder: &Path, outbox: &Outbox) -> std::io::Result<usize> {
    disk::make_folder(folder)?;
    let mut paths: Vec<_> = std::fs::read_dir(folder)?
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.extension().is_some_and(|extension| extension == "json"))
        .collect();
    paths.sort();
    let mut taken = 0;
    for path in paths {
        let record =
            std::fs::read_to_string(&path).map_err(|error| error.to_string()).and_then(|text| read(&text, folder));
        let added = record.and_then(|record| match outbox.add(&record, now_ms()) {
            Ok(_) => Ok(true),
            // Taken later.
            Err(OutboxError::Full(_) | OutboxError::Database(_)) => Ok(false),
            Err(error) => Err(error.to_string()),
        });
        match added {
            Ok(true) => {
                std::fs::remove_file(&path)?;
                taken += 1;
            }
            Ok(false) => break,
            Err(why) => put_aside(folder, &path, &why)?,
        }
    }
    Ok(taken)
}

/// `"call": "leave"` or `"enter"` beside the protocol's names; without it a record with a `leave_time` is a leave.
fn read(text: &str, folder: &Path) -> Result<Record, String> {
    let mut object: Map<String, Value> = serde_json::from_str(text).map_err(|error| error.to_string())?;
    let kind = match object.remove("call").as_ref().and_then(Value::as_str) {
        Some("enter") => PushKind::Enter,
        Some("leave") => PushKind::Leave,
        Some(other) => return Err(format!("call = {other}: 应为 enter 或 leave (write enter or leave)")),
        None if object.contains_key("leave_time") => PushKind::Leave,
        None => PushKind::Enter,
    };
    let mut record = Record::from_json(kind, &object)?;
    for (_, path) in &mut record.files {
        *path = folder.join(&*path);
    }
    Ok(record)
}

fn put_aside(folder: &Path, path: &Path, why: &str) -> std::io::Result<()> {
    let bad = folder.join(BAD);
    disk::make_folder(&bad)?;
    let name = path.file_name().unwrap_or_default();
    tracing::error!(file = %path.display(), why, "no record: moved to the folder `bad`");
    std::fs::rename(path, bad.join(name))?;
    std::fs::write(bad.join(name).with_extension("txt"), format!("{why}\n"))
}
