//! `park list`: every park on a page, with what an operator looks for in the morning.

use std::cmp::Reverse;

use parkgate_store::{ListedPark, Store};
use parkgate_text::texts;
use parkgate_wire::UnixMillis;
use serde_json::Value;

use super::shown;
use crate::cli::{ParkListArgs, ParkOrder};
use crate::command::open;
use crate::output::{self, misuse};
use crate::zone::Zone;

pub(super) fn run(args: &ParkListArgs) -> anyhow::Result<()> {
    let now = parkgate_client::now();
    let silent_since = args.silent.as_deref().map(|text| silent_since(text, now)).transpose()?;
    let mut parks = figures(open(&args.place)?.as_ref(), args.zone.as_deref())?;
    let is_filtered = args.refused || silent_since.is_some();
    parks.retain(|park| {
        let is_silent = silent_since.is_none_or(|since| park.last_push_at.is_none_or(|last| last < since));
        is_silent && (!args.refused || park.refused_today > 0)
    });
    sort(&mut parks, args.sort);
    if args.json {
        return output::json(&Value::Array(parks.iter().map(shown).collect()));
    }
    let texts = &texts().park_list;
    if parks.is_empty() {
        return output::line(if is_filtered { texts.none_match } else { texts.none });
    }
    let head = [texts.name, texts.last_push, texts.pushes, texts.refused, texts.free, texts.state, "park_uuid"];
    let rows: Vec<Vec<String>> = parks.iter().map(|park| row(park, now)).collect();
    output::line(&output::table(&head, &rows))
}

/// All parks, with the figures of the day that it is in a zone.
pub(super) fn figures(store: &Store, zone: Option<&str>) -> anyhow::Result<Vec<ListedPark>> {
    let midnight = Zone::chosen(zone)?.midnight(parkgate_client::now());
    Ok(store.park_figures(midnight)?)
}

fn silent_since(text: &str, now: UnixMillis) -> anyhow::Result<UnixMillis> {
    let wrong = |_| misuse((texts().park_list.no_duration)(text));
    let silence = parkgate_client::parse_duration(text).map_err(wrong)?;
    Ok(UnixMillis(now.0.saturating_sub(i64::try_from(silence.as_millis()).unwrap_or(i64::MAX))))
}

/// Parks that are alike stay in the order of their names.
fn sort(parks: &mut [ListedPark], order: ParkOrder) {
    match order {
        ParkOrder::Name => {}
        ParkOrder::Last => parks.sort_by_key(|park| park.last_push_at),
        ParkOrder::Pushes => parks.sort_by_key(|park| Reverse(park.pushes_today)),
        ParkOrder::Refused => parks.sort_by_key(|park| Reverse(park.refused_today)),
        ParkOrder::Free => parks.sort_by_key(|park| {
            // Those of which nothing is known come last.
            park.space.shown(park.park.total_parking_space).remain.map_or(u64::MAX, u64::from)
        }),
    }
}

fn row(figures: &ListedPark, now: UnixMillis) -> Vec<String> {
    let texts = &texts().park_list;
    let space = figures.space.shown(figures.park.total_parking_space);
    let free = match (space.remain, space.total) {
        (Some(remain), Some(total)) => format!("{remain}/{total}"),
        _ => "-".to_owned(),
    };
    let last = figures.last_push_at.map_or_else(|| texts.never.to_owned(), |last| (texts.ago)(&age(now.0 - last.0)));
    vec![
        figures.park.name.clone(),
        last,
        figures.pushes_today.to_string(),
        figures.refused_today.to_string(),
        free,
        if figures.park.enabled { texts.enabled } else { texts.disabled }.to_owned(),
        figures.park.park_uuid.clone(),
    ]
}

/// A duration in its largest unit.
fn age(ms: i64) -> String {
    let seconds = ms.max(0) / 1000;
    match seconds {
        0..60 => format!("{seconds}s"),
        60..3600 => format!("{}m", seconds / 60),
        3600..86_400 => format!("{}h", seconds / 3600),
        _ => format!("{}d", seconds / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_age_has_its_largest_unit() {
        let of = |seconds: i64| age(seconds * 1000);
        assert_eq!(
            [of(-5), of(59), of(60), of(3599), of(7200), of(86_399), of(172_800)],
            ["0s", "59s", "1m", "59m", "2h", "23h", "2d"]
        );
    }
}
