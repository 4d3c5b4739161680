//! `app export`: the list that `app import` reads, without secrets.

use super::import::COLUMNS;
use crate::cli::ListExportArgs;
use crate::command::list_export::{self, columns_of, yes_no};
use crate::command::open;
use crate::export_file::Cell;

pub(super) fn run(args: &ListExportArgs) -> anyhow::Result<()> {
    let columns = columns_of(COLUMNS);
    let row = |app: parkgate_store::App| {
        let cell = |key: &str| match key {
            "app_id" => Cell::text(&app.app_id),
            "api_type" => app.api_type.clone().into(),
            "parks" => Cell::text(app.parks.join(" ")),
            "enabled" => yes_no(app.enabled),
            _ => Cell::Empty,
        };
        columns.iter().map(|column| cell(column.key)).collect()
    };
    let rows: Vec<_> = open(&args.place)?.apps()?.into_iter().map(row).collect();
    list_export::write(args, "apps", &columns, &rows)
}
