//! `park check`: one page that sums up a park's integration, for the integrator and their customer.

mod page;
mod survey;

use anyhow::{Context, bail};
use parkgate_text::texts;
use serde_json::{Value, json};

use self::survey::Survey;
use crate::cli::CheckArgs;
use crate::command::{open, visit};
use crate::output::{self, misuse};

/// The thresholds.
#[derive(Debug, Clone, Copy)]
struct Wanted {
    on_time_ms: i64,
    on_time_share: f64,
    share: f64,
    by_hand_share: f64,
    silence_ms: i64,
    stay_max_ms: i64,
}

/// One line of the page.
struct CheckLine {
    name: &'static str,
    title: &'static str,
    text: String,
    /// `None` if there is nothing to check.
    good: Option<bool>,
}

/// The width of a mark and the longest title.
const TITLES: usize = 22;

pub(super) fn run(args: &CheckArgs) -> anyhow::Result<()> {
    let store = open(&args.place)?;
    let Some(park) = store.parks()?.into_iter().find(|park| park.park_uuid == args.uuid) else {
        bail!((texts().general.no_such_park)(&args.uuid));
    };
    let now = parkgate_client::now().0;
    let since = visit::moment(&args.since)?.0;
    let span = |text: &str| Ok::<_, anyhow::Error>(now - visit::moment(text)?.0);
    let wanted = Wanted {
        on_time_ms: i64::try_from(args.on_time_seconds).unwrap_or(i64::MAX / 1000).saturating_mul(1000),
        on_time_share: share(args.on_time_share)?,
        share: share(args.share)?,
        by_hand_share: share(args.by_hand_share)?,
        silence_ms: span(&args.silence)?,
        stay_max_ms: span(&args.stay_max)?,
    };
    let mut survey = Survey::new(since, now, wanted);
    store.survey(&args.uuid, since, &mut |surveyed| survey.add(&surveyed))?;
    survey.refused = store.refused(&args.uuid, since)?.by_reason;
    survey.serials_used_anew = store.serial_reuse(&args.uuid)?.is_some();
    let value = survey.json(&park.park_uuid, &park.name);
    if let Some(path) = &args.html {
        let page = page::html(&park.name, &park.park_uuid, (since, now), &survey.lines());
        std::fs::write(path, page).with_context(|| path.display().to_string())?;
    }
    if args.json {
        return output::json(&value);
    }
    output::line(&format!("{}  {}", park.name, park.park_uuid))?;
    output::line(&format!("{} – {}\n", output::time(since), output::time(now)))?;
    for line in survey.lines() {
        let mark = match line.good {
            Some(true) => "✓",
            Some(false) => "!",
            None => " ",
        };
        let mut start = output::padded(&format!("{mark} {}", line.title), TITLES);
        for text in line.text.lines() {
            output::line(&output::wrapped(&start, text, TITLES))?;
            start = " ".repeat(TITLES);
        }
    }
    Ok(())
}

fn share(value: f64) -> anyhow::Result<f64> {
    if (0.0..=1.0).contains(&value) { Ok(value) } else { Err(misuse(texts().park_check.share_range)) }
}

fn line_json(line: &CheckLine) -> Value {
    json!({ "name": line.name, "title": line.title, "text": line.text, "good": line.good })
}
