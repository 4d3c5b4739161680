//! `restore`: a backup put back into an empty folder.

use std::path::Path;

use parkgate_store::backup::{BackupPlace, WholeBackup};
use parkgate_store::restore::{PicturesTo, RestoreRequest, RestoreSource, Restored, compare, restore};
use parkgate_text::texts;
use serde_json::json;

use super::backup::{Bar, explained, kind_name, place, runtime};
use super::serve::aws_variables;
use crate::cli::RestoreArgs;
use crate::config::{ImagesAt, images_at};
use crate::output::{self, misuse};

const STREAM: &str = "-";

pub(super) fn run(args: &RestoreArgs) -> anyhow::Result<()> {
    let runtime = runtime()?;
    let from = match args.src.as_str() {
        STREAM if args.list || args.dry_run || args.backup.is_some() => {
            return Err(misuse(texts().backup.stream_whole));
        }
        STREAM => None,
        src => Some(place(src, runtime.handle())?),
    };
    let bar = Bar::new(args.json)?;
    if let Some(place) = &from {
        if args.list {
            return list(args, place);
        }
        if args.dry_run {
            let compared = compare(place, args.backup.as_deref(), &mut |part, done, all| bar.show(part, done, all));
            let backup = compared.map_err(explained)?;
            bar.end();
            return print_compared(args, &backup);
        }
    }
    let data = args.data.as_deref().ok_or_else(|| misuse(texts().backup.data_needed))?;
    let pictures = match images_at(args.images.clone(), data)? {
        ImagesAt::Folder(folder) => PicturesTo::Folder(folder),
        ImagesAt::Bucket(url) => PicturesTo::Bucket(url, aws_variables().collect()),
    };
    let request = RestoreRequest {
        data,
        url: args.store.as_deref(),
        pictures,
        key_file: args.key_file.as_deref(),
        handle: runtime.handle(),
    };
    let source = match &from {
        Some(place) => RestoreSource::Place(place, args.backup.as_deref()),
        None => RestoreSource::Tar(Box::new(std::io::stdin().lock())),
    };
    let restored = restore(&request, source, &mut |part, done, all| bar.show(part, done, all)).map_err(explained)?;
    bar.end();
    report(args, data, &restored)
}

fn report(args: &RestoreArgs, data: &Path, restored: &Restored) -> anyhow::Result<()> {
    let text = &texts().backup;
    let key_missing = restored.key_missing.as_ref().map(|path| path.display().to_string());
    if args.json {
        return output::json(&json!({
            "name": restored.name,
            "manifest": restored.manifest,
            "data": data.display().to_string(),
            "key_missing": key_missing,
            "registry_rows": restored.registry_rows,
        }));
    }
    let (data, manifest) = (data.display().to_string(), &restored.manifest);
    output::line(&(text.restored)(&restored.name, &data))?;
    output::line(&(text.restored_of)(manifest.highest_record, manifest.pictures.count))?;
    match (kind_name(manifest.store), restored.registry_rows) {
        ("sqlite", _) => {}
        (_, Some(rows)) => output::line(&(text.registry_restored)(rows))?,
        (_, None) => output::line(text.registry_left)?,
    }
    if let Some(path) = key_missing {
        output::line(&(text.key_missing)(&path))?;
    }
    output::line(&(text.check_next)(&data))
}

fn list(args: &RestoreArgs, place: &BackupPlace) -> anyhow::Result<()> {
    let text = &texts().backup;
    let found = place.backups().map_err(explained)?;
    if args.json {
        let all = found.iter().map(|backup| json!({ "name": backup.name, "manifest": backup.manifest }));
        return output::json(&all.collect::<Vec<_>>().into());
    }
    if found.is_empty() {
        output::remark(&(text.none_listed)(&args.src));
        return Ok(());
    }
    let rows: Vec<Vec<String>> = found.iter().map(row).collect();
    let head =
        [text.head_name, text.head_made_at, text.head_store, text.head_record, text.head_pictures, text.head_key];
    output::line(&output::table(&head, &rows))
}

fn row(WholeBackup { name, manifest }: &WholeBackup) -> Vec<String> {
    let key = if manifest.has_key() { texts().backup.yes } else { texts().backup.no };
    vec![
        name.clone(),
        output::time(manifest.made_at),
        kind_name(manifest.store).to_owned(),
        manifest.highest_record.to_string(),
        manifest.pictures.count.to_string(),
        key.to_owned(),
    ]
}

fn print_compared(args: &RestoreArgs, backup: &WholeBackup) -> anyhow::Result<()> {
    if args.json {
        return output::json(&json!({ "name": backup.name, "manifest": backup.manifest }));
    }
    output::line(&(texts().backup.compared)(&backup.name))
}
