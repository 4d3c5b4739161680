//! `check`: is what is kept whole, and does it fit together?

use anyhow::anyhow;
use indicatif::{ProgressBar, ProgressStyle};
use parkgate_store::Throttle;
use parkgate_store::check::{CheckPart, CheckReport, CheckRequest, Flaw, FlawKind, Mending};
use parkgate_text::texts;

use super::backup::{open_to_read, runtime};
use super::open_by;
use crate::cli::StateCheckArgs;
use crate::config::{images_by, state_by};
use crate::output::{self, misuse};

/// Of each kind that are named for people.
const SHOWN_MAX: usize = 20;

/// Its exit code: 1 if something is wrong.
pub(super) fn run(args: &StateCheckArgs) -> anyhow::Result<u8> {
    let state = state_by(&args.place, args.config.as_deref())?;
    let images = images_by(args.images.clone(), &state.data, args.config.as_deref())?;
    let store = match open_by(&args.place, args.config.as_deref()) {
        Err(error) if is_broken(&error) => return Err(anyhow!((texts().check.cannot_open)(&format!("{error:#}")))),
        store => store?,
    };
    let park = match &args.park {
        None => None,
        Some(uuid) => {
            let found = store.parks()?.into_iter().find(|park| park.park_uuid == *uuid);
            Some(found.ok_or_else(|| misuse((texts().general.no_such_park)(uuid)))?)
        }
    };
    let runtime = runtime()?;
    parkgate_store::give_way();
    let request = CheckRequest {
        store: &store,
        images: &open_to_read(&images)?,
        handle: runtime.handle(),
        park: park.as_ref(),
        mending: if args.mend { Mending::Yes } else { Mending::No },
        throttle: &Throttle::mb_per_second(args.max_mb_per_second.map(Into::into)),
    };
    let bar = if args.json { ProgressBar::hidden() } else { ProgressBar::new(0) };
    let (counted, spinning) = (
        ProgressStyle::with_template("{msg:20} {bar:30} {pos}/{len} {elapsed}")?,
        ProgressStyle::with_template("{msg:20} {pos} {elapsed}")?,
    );
    let report = request.run(&mut |part, done, all| {
        bar.set_style(if all > 0 { counted.clone() } else { spinning.clone() });
        bar.set_message(part_name(part));
        bar.set_length(all.max(done));
        bar.set_position(done);
    })?;
    bar.finish_and_clear();
    if args.json {
        output::json(&serde_json::to_value(&report)?)?
    } else {
        print(&report, state.url.is_some())?
    }
    Ok(u8::from(report.is_flawed()))
}

/// Is it the database itself that is damaged?
fn is_broken(error: &anyhow::Error) -> bool {
    error.chain().any(|cause| {
        let text = cause.to_string();
        text.contains("malformed") || text.contains("not a database")
    })
}

fn part_name(part: CheckPart) -> &'static str {
    let text = &texts().check;
    match part {
        CheckPart::Pages => text.part_pages,
        CheckPart::Records => text.part_records,
        CheckPart::References => text.part_references,
        CheckPart::Pictures => text.part_pictures,
        CheckPart::Strays => text.part_strays,
    }
}

fn kind_name(kind: FlawKind) -> &'static str {
    let text = &texts().check;
    match kind {
        FlawKind::Page => text.page,
        FlawKind::Unreadable => text.unreadable,
        FlawKind::Reference => text.reference,
        FlawKind::Record => text.record,
        FlawKind::Sealed => text.sealed,
        FlawKind::Space => text.space,
        FlawKind::Payment => text.payment,
        FlawKind::QuarantineUse => text.quarantine_use,
        FlawKind::MissingPicture => text.missing_picture,
        FlawKind::DamagedPicture => text.damaged_picture,
        FlawKind::StrayPicture => text.stray_picture,
    }
}

/// Could it be mended?
fn is_mendable(kind: FlawKind) -> bool {
    matches!(kind, FlawKind::Space | FlawKind::Payment | FlawKind::QuarantineUse | FlawKind::StrayPicture)
}

fn print(report: &CheckReport, is_database: bool) -> anyhow::Result<()> {
    let text = &texts().check;
    let CheckReport { records, parks, payments, pictures, picture_bytes, .. } = report;
    output::line(&(text.checked)(*records, *parks, *payments, *pictures, picture_bytes >> 20))?;
    if is_database {
        output::line(text.pages_not_read)?;
    }
    if report.strays_unknown {
        output::line(text.strays_unknown)?;
    }
    for (kind, count) in &report.counts {
        output::line(&(text.flaw)(kind_name(*kind), *count))?;
        let of_kind: Vec<&Flaw> = report.flaws.iter().filter(|flaw| flaw.kind == *kind).collect();
        for flaw in of_kind.iter().take(SHOWN_MAX) {
            output::line(&output::wrapped("  - ", &sentence(flaw), 4))?;
        }
        if *count > SHOWN_MAX as u64 {
            output::line(&(text.more)(count - SHOWN_MAX as u64))?;
        }
    }
    if report.mended > 0 {
        output::line(&(text.mended_count)(report.mended))?;
    }
    if !report.is_flawed() {
        return output::line(text.clean);
    }
    let left: Vec<FlawKind> = report.flaws.iter().filter(|flaw| !flaw.mended).map(|flaw| flaw.kind).collect();
    output::line(&(text.flawed)(report.counts.values().sum::<u64>() - report.mended))?;
    if left.iter().copied().any(is_mendable) {
        output::line(text.mendable)?;
    }
    if left.iter().copied().any(|kind| !is_mendable(kind)) {
        output::line(text.not_mendable)?;
    }
    Ok(())
}

fn sentence(flaw: &Flaw) -> String {
    let mended = if flaw.mended { texts().check.mended } else { "" };
    let parts = [flaw.about.as_str(), &flaw.detail, mended];
    parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(": ")
}
