//! `month`: monthly partitions of records, and what becomes of old ones.

use anyhow::{Context, anyhow, bail};
use parkgate_store::{Month, Months, Reduced, Store};
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
            let text = if began { "已开始按月分区 begun" } else { "早已按月分区 was begun before" };
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
    store.months().ok_or_else(|| anyhow!("按月分区只用于 PostgreSQL (only a PostgreSQL store has monthly partitions)"))
}

/// The beginning of a month in the car parks' time zone.
fn month(text: &str) -> anyhow::Result<UnixMillis> {
    let wrong = || misuse(format!("`{text}`: 应写成 2026-01 (write a month such as 2026-01)"));
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
        output::remark(&format!("随之删除的死信 dead letters that went with them: {}", reduced.dead_letters));
    }
    if reduced.held.is_empty() {
        return Ok(());
    }
    let held = reduced.held.iter().map(|held| {
        let pending = held.pending.iter().map(|(name, count)| format!("{name} {count}"));
        format!("{} ({})", held.month.number, pending.collect::<Vec<_>>().join(", "))
    });
    bail!(
        "月份 {} 还有转发未送达, 未处理: 送达后再执行, 或 `parkgate delivery drop` 放弃 (months with pending deliveries stay \
         as they are: run this again once they arrived, or drop them)",
        held.collect::<Vec<_>>().join(", ")
    )
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
                state(month).to_owned(),
            ]
        })
        .collect();
    output::rows(("月份", "months"), &[], &["月份", "开始", "最新记录", "记录数", "MiB", "状态"], &rows)
}

fn state(month: &Month) -> &'static str {
    match (month.is_open, month.redacted_at) {
        (true, _) => "open",
        (false, None) => "whole",
        (false, Some(_)) => "redacted",
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
