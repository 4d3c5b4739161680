//! `move`: everything to another store.

use std::path::Path;

use anyhow::{Context, bail};
use indicatif::{ProgressBar, ProgressStyle};
use parkgate_store::Images;
use parkgate_store::moving::{Abandoned, Begun, MissingPictures, Move, Step, Total, move_pictures};
use parkgate_text::texts;
use serde_json::json;

use super::at;
use super::serve::{lock, open_images};
use crate::cli;
use crate::config::{ImagesAt, State, images_at, state};
use crate::output::{self, misuse};

pub(super) fn run(args: &cli::MoveArgs) -> anyhow::Result<()> {
    let from = state(&args.place)?;
    if from.url.is_none() && !from.data.join("parkgate.db").exists() {
        bail!((texts().moving.no_store)(&from.data.display().to_string()));
    }
    if args.abandon {
        return abandon(&from);
    }
    let to = target(args, &from)?;
    let (old, new) = (images_at(args.images.clone(), &from.data)?, images_at(args.to_images.clone(), &to.data)?);
    let bar = bar(args.json)?;
    let mut progress = |step: Step| show(&bar, step);
    // Whoever moves to a folder must be alone there. In PostgreSQL the move itself keeps the gates out.
    let _alone = if to.url.is_none() { Some(lock(&to.data)?) } else { None };
    let Begun::Going(moving) = Move::begin(at(&from), at(&to))? else { return print_finished(args.json, &to) };
    let missing = if old == new { 0 } else { pictures(args, &moving, (&old, &from.data), (&new, &to.data), &bar)? };
    moving.copy(&mut progress)?;
    let totals = moving.finish(&mut progress)?;
    bar.finish_and_clear();
    report(args.json, &to, &totals, missing)
}

fn abandon(from: &State) -> anyhow::Result<()> {
    match Move::abandon(at(from))? {
        Abandoned::GivenUp(to) => output::line(&(texts().moving.given_up)(&to)),
        Abandoned::Nothing => bail!(texts().moving.none_under_way),
        Abandoned::Finished(to) => bail!((texts().moving.cannot_give_up)(&to)),
    }
}

fn print_finished(is_json: bool, to: &State) -> anyhow::Result<()> {
    if is_json {
        return output::json(&json!({ "to": to.name(), "already_finished": true }));
    }
    output::line(&(texts().moving.finished_before)(&to.name()))
}

fn target(args: &cli::MoveArgs, from: &State) -> anyhow::Result<State> {
    match (&args.to_data, &args.to_store) {
        (None, None) => Err(misuse(texts().moving.where_to)),
        // This is the source, whatever store the settings name.
        (Some(data), None) => Ok(State { data: data.clone(), url: None }),
        (data, Some(store)) => {
            let is_database = store.starts_with("postgres");
            if data.is_some() && !is_database {
                return Err(misuse(texts().moving.one_of_two));
            }
            // Beside a database nothing of the old folder is in the way, and its key is there.
            let data = data.clone().or_else(|| is_database.then(|| from.data.clone()));
            state(&cli::StoreArgs { data, store: Some(store.clone()) })
        }
    }
}

/// Pictures first: no record arrives before its pictures.
fn pictures(
    args: &cli::MoveArgs,
    moving: &Move,
    (old, old_data): (&ImagesAt, &Path),
    (new, new_data): (&ImagesAt, &Path),
    bar: &ProgressBar,
) -> anyhow::Result<u64> {
    let missing = if args.skip_missing { MissingPictures::Skip } else { MissingPictures::Stop };
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    runtime.block_on(async {
        // A gate may be running on the old folder: pictures that are arriving there are left alone.
        let from = match old {
            ImagesAt::Folder(folder) => Images::open_to_read(folder)?,
            ImagesAt::Bucket(_) => open_images(old, &new_data.join("moving"))?,
        };
        let to = open_images(new, new_data)?;
        let mut progress = |step: Step| show(bar, step);
        move_pictures(moving, &from, &to, missing, &mut progress)
            .await
            .with_context(|| (texts().moving.pictures_of)(&old_data.display().to_string()))
    })
}

fn bar(is_quiet: bool) -> anyhow::Result<ProgressBar> {
    if is_quiet {
        return Ok(ProgressBar::hidden());
    }
    let bar = ProgressBar::new(0);
    bar.set_style(ProgressStyle::with_template("{msg:28} {bar:30} {pos}/{len} {elapsed}")?);
    Ok(bar)
}

fn show(bar: &ProgressBar, step: Step) {
    bar.set_message(if step.compared { (texts().moving.compared)(step.what) } else { step.what.to_owned() });
    bar.set_length(step.all.max(step.done));
    bar.set_position(step.done);
}

fn report(is_json: bool, to: &State, totals: &[Total], missing: u64) -> anyhow::Result<()> {
    if is_json {
        return output::json(&json!({ "to": to.name(), "tables": totals, "missing_pictures": missing }));
    }
    let rows: Vec<_> =
        totals.iter().map(|total| vec![total.table.to_owned(), total.rows.to_string(), total.sum.clone()]).collect();
    output::line(&output::table(&[texts().columns.table, texts().columns.rows, texts().columns.checksum], &rows))?;
    if missing > 0 {
        output::line(&(texts().moving.missing_pictures)(missing))?;
    }
    output::line(&(texts().moving.done)(&to.name()))
}
