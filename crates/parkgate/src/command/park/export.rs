//! `park export`: the list that `park import` reads, without secrets.

use serde_json::{Map, Value};

use super::import::{COLUMNS, LOCATION};
use crate::cli::ListExportArgs;
use crate::command::list_export::{self, columns_of, yes_no};
use crate::command::open;
use crate::export_file::Cell;

pub(super) fn run(args: &ListExportArgs) -> anyhow::Result<()> {
    let store = open(&args.place)?;
    let locations = store.locations()?;
    let columns = columns_of(COLUMNS);
    let mut rows = Vec::new();
    for park in store.parks()? {
        let stands = locations.get(&park.park_uuid).and_then(|text| serde_json::from_str(text).ok());
        let location: Map<String, Value> = stands.unwrap_or_default();
        let cell = |key: &str| match key {
            "uuid" => Cell::text(&park.park_uuid),
            "name" => Cell::text(&park.name),
            "total" => park.total_parking_space.map(i64::from).into(),
            "merchant" => park.merchant.clone().into(),
            "allow" => Cell::text(park.allow.join(" ")),
            "strict" => yes_no(park.strict),
            "require_sign" => yes_no(park.require_sign),
            "refuse_when_full" => yes_no(park.refuse_when_full),
            "http_200" => yes_no(park.http_200_always),
            "enabled" => yes_no(park.enabled),
            "keep" => Cell::text(park.keep.to_string()),
            key if LOCATION.contains(&key) => place(key, location.get(key)),
            _ => Cell::Empty,
        };
        rows.push(columns.iter().map(|column| cell(column.key)).collect());
    }
    list_export::write(args, "parks", &columns, &rows)
}

/// Degrees are a number, unless a number would read otherwise.
fn place(key: &str, value: Option<&Value>) -> Cell {
    let Some(text) = value.and_then(Value::as_str) else { return Cell::Empty };
    let is_same = text.parse::<f64>().is_ok_and(|degrees| degrees.to_string() == text);
    match key {
        "latitude" | "longitude" if is_same => Cell::Decimal(text.to_owned()),
        _ => Cell::text(text),
    }
}
