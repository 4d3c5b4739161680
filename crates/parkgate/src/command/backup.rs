//! `backup`: the database and the pictures, while the gate serves.

use std::io::{IsTerminal, Write};
use std::path::Path;

use anyhow::{Context, anyhow};
use indicatif::{ProgressBar, ProgressStyle};
use parkgate_store::backup::{
    BackupError, BackupMade, BackupPart, BackupPlace, BackupRequest, BackupTarget, StoreKind, TarStream, back_up,
    refuse_unfit,
};
use parkgate_store::{Images, MasterKey, Throttle};
use parkgate_text::texts;
use serde_json::json;
use tokio::runtime::{Handle, Runtime};

use super::serve::aws_variables;
use super::{at, open_by};
use crate::cli::BackupArgs;
use crate::config::{ImagesAt, images_by, state_by};
use crate::output::{self, misuse};

/// Standard output or input.
const STREAM: &str = "-";
/// Damaged pictures that are named, at most.
const NAMED_MAX: usize = 20;

pub(super) fn run(args: &BackupArgs) -> anyhow::Result<()> {
    refuse_odd(args)?;
    let state = state_by(&args.place, args.config.as_deref())?;
    let images = images_by(args.images.clone(), &state.data, args.config.as_deref())?;
    let store = open_by(&args.place, args.config.as_deref())?;
    if args.with_key && !MasterKey::file(&state.data).exists() {
        return Err(misuse(texts().backup.key_needs_file));
    }
    let runtime = runtime()?;
    let place = match args.dest.as_str() {
        STREAM => None,
        dest => Some(place(dest, runtime.handle())?),
    };
    if let Some(folder) = place.as_ref().and_then(BackupPlace::as_folder) {
        let mut own = vec![state.data.as_path()];
        if let ImagesAt::Folder(images) = &images {
            own.push(images);
        }
        refuse_unfit(folder, &own).map_err(explained)?;
    }
    if state.url.is_some() {
        output::remark(texts().backup.postgres_first);
    }
    parkgate_store::give_way();
    let now = jiff::Timestamp::now();
    let request = BackupRequest {
        store: &store,
        at: at(&state),
        images: &open_to_read(&images)?,
        handle: runtime.handle(),
        made_at: now.as_millisecond(),
        label: &now.strftime("%Y%m%dT%H%M%SZ").to_string(),
        version: env!("CARGO_PKG_VERSION"),
        with_key: args.with_key,
        keep: args.keep,
        throttle: &Throttle::mb_per_second(args.max_mb_per_second.map(Into::into)),
        work: args.work.as_deref().unwrap_or(&state.data),
    };
    let target = match &place {
        Some(place) => BackupTarget::Place(place),
        None => BackupTarget::Tar(TarStream::new(Box::new(std::io::stdout()))),
    };
    let bar = Bar::new(args.json)?;
    let made = back_up(&request, &target, &mut |part, done, all| bar.show(part, done, all)).map_err(explained)?;
    bar.end();
    report(args, &made, &state.data)?;
    // The backup is there, whatever becomes of this.
    if let Err(error) = store.note_backup(now.as_millisecond()) {
        output::remark(&(texts().backup.not_noted)(&error.to_string()));
    }
    Ok(())
}

fn refuse_odd(args: &BackupArgs) -> anyhow::Result<()> {
    let text = &texts().backup;
    match args.dest.as_str() {
        STREAM if args.json => Err(misuse(text.json_and_stream)),
        STREAM if args.keep.is_some() => Err(misuse(text.keep_and_stream)),
        STREAM if std::io::stdout().is_terminal() => Err(misuse(text.to_terminal)),
        _ => Ok(()),
    }
}

/// Says what was made; fails if pictures are missing from it, unless that is known.
fn report(args: &BackupArgs, made: &BackupMade, data: &Path) -> anyhow::Result<()> {
    let text = &texts().backup;
    let say = |line: &str| {
        if args.dest != STREAM {
            return output::line(line);
        }
        output::remark(line);
        Ok(())
    };
    let missing = made.manifest.pictures.missing;
    if args.json {
        output::json(&json!({
            "name": made.name,
            "manifest": made.manifest,
            "copied_pictures": made.copied_pictures,
            "copied_bytes": made.copied_bytes,
            "missing_pictures": made.faults.iter().map(|(key, _)| key.to_string()).collect::<Vec<_>>(),
            "removed_backups": made.removed_backups,
            "removed_pictures": made.removed_pictures,
        }))?;
    } else {
        say(&(text.made)(&made.name, &args.dest))?;
        let pictures = made.manifest.pictures.count;
        say(&(text.made_of)(made.manifest.highest_record, pictures, made.copied_pictures, made.copied_bytes >> 20))?;
        if made.removed_backups > 0 {
            say(&(text.pruned)(made.removed_backups, made.removed_pictures))?;
        }
    }
    let key = MasterKey::file(data);
    output::remark(&match (made.manifest.has_key(), key.exists()) {
        (true, _) => text.key_taken.to_owned(),
        (false, true) => (text.key_reminder)(&std::path::absolute(&key).unwrap_or(key).display().to_string()),
        (false, false) => text.key_in_environment.to_owned(),
    });
    if missing == 0 {
        return Ok(());
    }
    output::remark(&(text.missing)(missing));
    for (key, _) in made.faults.iter().take(NAMED_MAX) {
        output::remark(&format!("  {key}"));
    }
    if args.skip_missing { Ok(()) } else { Err(anyhow!((text.missing_failed)(missing))) }
}

/// A runtime that buckets are asked by. Commands themselves block.
pub(super) fn runtime() -> anyhow::Result<Runtime> {
    Ok(tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?)
}

/// Where backups lie, as typed.
pub(super) fn place(text: &str, handle: &Handle) -> anyhow::Result<BackupPlace> {
    if text.starts_with("s3://") {
        return BackupPlace::bucket(text, aws_variables(), handle.clone()).map_err(explained);
    }
    let folder = text.strip_prefix("file://").unwrap_or(text);
    if folder.is_empty() || folder.contains("://") {
        return Err(misuse((texts().backup.no_such_kind)(text)));
    }
    Ok(BackupPlace::folder(Path::new(folder)))
}

/// The pictures of a gate that may be running.
pub(super) fn open_to_read(at: &ImagesAt) -> anyhow::Result<Images> {
    match at {
        ImagesAt::Folder(folder) => Images::open_to_read(folder).with_context(|| folder.display().to_string()),
        ImagesAt::Bucket(url) => Images::open_bucket_to_read(url, aws_variables()).with_context(|| url.clone()),
    }
}

/// An error in the words of people.
pub(super) fn explained(error: BackupError) -> anyhow::Error {
    let text = &texts().backup;
    match &error {
        BackupError::Store(_) | BackupError::Read { .. } | BackupError::Write { .. } => error.into(),
        BackupError::Full { path, why } => anyhow!((text.full)(path, why)),
        BackupError::Busy(place) => anyhow!((text.busy)(place)),
        BackupError::Inside(place) => misuse((text.inside)(place)),
        BackupError::Foreign(place) => misuse((text.foreign)(place)),
        BackupError::Manifest { path, why } => anyhow!((text.manifest)(path, why)),
        BackupError::Newer { path, format, known } => anyhow!((text.newer)(path, *format, *known)),
        BackupError::NoBackup(place) => anyhow!((text.no_backup)(place)),
        BackupError::Damaged { found, all } => anyhow!((text.damaged)(*all, &found.join("\n  "))),
        BackupError::NotEmpty(data) => misuse((text.not_empty)(data)),
        BackupError::Unfinished(data) => anyhow!((text.unfinished)(data)),
        BackupError::WrongKey(path) => anyhow!((text.wrong_key)(path)),
        BackupError::NoKey(path) => anyhow!((text.no_key)(path)),
    }
}

/// How far it is, on a terminal.
pub(super) struct Bar {
    bar: ProgressBar,
    bytes: ProgressStyle,
    count: ProgressStyle,
}

impl Bar {
    pub(super) fn new(is_quiet: bool) -> anyhow::Result<Bar> {
        let bytes = ProgressStyle::with_template("{msg:20} {bar:30} {bytes}/{total_bytes} {elapsed}")?;
        let count = ProgressStyle::with_template("{msg:20} {bar:30} {pos}/{len} {elapsed}")?;
        let bar = if is_quiet { ProgressBar::hidden() } else { ProgressBar::new(0) };
        Ok(Bar { bar, bytes, count })
    }

    pub(super) fn show(&self, part: BackupPart, done: u64, all: u64) {
        let text = &texts().backup;
        let (name, style) = match part {
            BackupPart::Database => (text.part_database, &self.bytes),
            BackupPart::Comparing => (text.part_comparing, &self.bytes),
            BackupPart::Pictures => (text.part_pictures, &self.count),
            BackupPart::Placing => (text.part_placing, &self.count),
        };
        if self.bar.message() != name {
            self.bar.set_style(style.clone());
            self.bar.set_message(name);
        }
        self.bar.set_length(all.max(done));
        self.bar.set_position(done);
    }

    pub(super) fn end(&self) {
        self.bar.finish_and_clear();
        // Nobody reads it: a bar that cannot be cleared is no failure.
        let _ = std::io::stderr().flush();
    }
}

/// The store's kind, in JSON and lists.
pub(super) fn kind_name(kind: StoreKind) -> &'static str {
    match kind {
        StoreKind::Sqlite => "sqlite",
        StoreKind::Postgres => "postgres",
    }
}
