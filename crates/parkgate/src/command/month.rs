//! `month`: monthly partitions of records, and what becomes of old ones.

use anyhow::{Context, anyhow, bail};
use parkgate_store::{Month, Months, Reduced, Store};
use parkgate_text::texts;
use parkgate_wire::UnixMillis;
use serde_json::{Value, json};

use super::open;
use crate::cli;
use crate::output::{self, misuse};

pub(super) fn run(command: cli::MonthCommand) -> anyhow::Result<()> {
    match command {
        cli::MonthCommand::Begin { place } => {
            let store = open(&place)?;
            let began = of(store.as_ref())?.begin()?;
            let text = if began { texts().month.begun } else { texts().month.begun_before };
            output::line(text)
        }
        cli::MonthCommand::List { json, place } => {
            let store = open(&place)?;
            show(&of(store.as_ref())?.list()?, json)
        }
        cli::MonthCommand::Redact { which, place } => {
            let (before, store) = (month(&which.before)?, open(&place)?);
            print_reduced(&of(store.as_ref())?.redact(before)?, which.json)
        }
        cli::MonthCommand::Drop { which, place } => {
            let (before, store) = (month(&which.before)?, open(&place)?);
            print_reduced(&of(store.as_ref())?.drop(before)?, which.json)
        }
    }
}

fn of(store: &Store) -> anyhow::Result<&dyn Months> {
    store.months().ok_or_else(|| anyhow!(texts().month.postgres_only))
}

/// The beginning of a month in the car parks' time zone.
fn month(text: &str) -> anyhow::Result<UnixMillis> {
    let wrong = || misuse((texts().month.write_month)(text));
    let is_month = text.len() == 7 && text.as_bytes().get(4) == Some(&b'-');
    let first: jiff::civil::Date =
        Some(format!("{text}-01")).filter(|_| is_month).ok_or_else(wrong)?.parse().map_err(|_| wrong())?;
    let begins = jiff::tz::Offset::constant(8).to_timestamp(first.at(0, 0, 0, 0)).context("out of range")?;
    Ok(UnixMillis(begins.as_millisecond()))
}

/// Prints what was done; fails if something could not be done yet.
fn print_reduced(reduced: &Reduced, json: bool) -> anyhow::Result<()> {
    show(&reduced.done, json)?;
    if reduced.dead_letters > 0 {
        output::remark(&(texts().month.dead_letters)(reduced.dead_letters));
    }
    if reduced.held.is_empty() {
        return Ok(());
    }
    let held = reduced.held.iter().map(|held| {
        let pending = held.pending.iter().map(|(name, count)| format!("{name} {count}"));
        format!("{} ({})", held.month.number, pending.collect::<Vec<_>>().join(", "))
    });
    bail!((texts().month.held)(&held.collect::<Vec<_>>().join(", ")))
}

fn show(months: &[Month], json: bool) -> anyhow::Result<()> {
    if json {
        return output::json(&Value::Array(months.iter().map(value).collect()));
    }
    let rows: Vec<Vec<String>> = months
        .iter()
        .map(|month| {
            vec![
                month.number.to_string(),
                output::time(month.begun_at),
                month.newest_at.map_or("-".into(), output::time),
                month.records.to_string(),
                format!("{:.1}", month.bytes as f64 / f64::from(1 << 20)),
                state_in_words(month).to_owned(),
            ]
        })
        .collect();
    let columns = &texts().columns;
    let head = [columns.month, columns.begun, columns.newest, columns.records, "MiB", columns.state];
    output::rows(texts().month.what, &[], &head, &rows)
}

fn state(month: &Month) -> &'static str {
    match (month.is_open, month.redacted_at) {
        (true, _) => "open",
        (false, None) => "whole",
        (false, Some(_)) => "redacted",
    }
}

fn state_in_words(month: &Month) -> &'static str {
    let texts = &texts().month;
    match (month.is_open, month.redacted_at) {
        (true, _) => texts.open,
        (false, None) => texts.whole,
        (false, Some(_)) => texts.redacted,
    }
}

fn value(month: &Month) -> Value {
    json!({
        "number": month.number,
        "begun_at": month.begun_at,
        "newest_at": month.newest_at,
        "records": month.records,
        "bytes": month.bytes,
        "state": state(month),
        "redacted_at": month.redacted_at,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_month_begins_where_the_car_parks_are() {
        assert_eq!(month("2026-01").unwrap(), UnixMillis(1_767_196_800_000));
        for odd in ["2026", "2026-13", "2026-1", "2026-01-01", "x", "２０２６"] {
            assert!(month(odd).is_err(), "{odd}");
        }
    }
}
