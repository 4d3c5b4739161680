//! `park …-plate(s)`: who may enter and who may not, by plate.

use std::path::PathBuf;

use clap::Subcommand;
use parkgate_text::texts;

use crate::cli::{StoreArgs, examples, examples_and};

#[derive(Debug, Subcommand)]
pub(crate) enum PlateCommand {
    #[command(
        about = texts().plates.list,
        after_help = examples(&["parkgate park list-plates 49f0cc52-e8c7-41e3-b54d-af666b8cc11a --json"])
    )]
    ListPlates {
        #[arg(help = texts().flags.park_uuid)]
        uuid: String,
        #[arg(long, help = texts().flags.json)]
        json: bool,
        #[command(flatten)]
        place: StoreArgs,
    },
    #[command(
        about = texts().plates.add,
        after_help = examples(&[
            "parkgate park add-plate U 粤B12345 --allow --note 业主",
            "parkgate park add-plate U 粤B·88888 --deny",
        ])
    )]
    AddPlate {
        #[arg(help = texts().flags.park_uuid)]
        uuid: String,
        #[arg(help = texts().plates.plate_read)]
        plate: String,
        #[arg(long, conflicts_with = "deny", required_unless_present = "deny", help = texts().plates.allow)]
        allow: bool,
        #[arg(long, help = texts().plates.deny)]
        deny: bool,
        #[arg(long, value_name = "T", help = texts().flags.for_people)]
        note: Option<String>,
        #[command(flatten)]
        place: StoreArgs,
    },
    #[command(about = texts().plates.remove, after_help = examples(&["parkgate park remove-plate U 粤B12345"]))]
    RemovePlate {
        #[arg(help = texts().flags.park_uuid)]
        uuid: String,
        #[arg(help = texts().plates.plate)]
        plate: String,
        #[command(flatten)]
        place: StoreArgs,
    },
    #[command(
        about = texts().plates.import,
        after_help = examples_and(&[
            "parkgate park import-plates U plates.csv --dry-run",
            "parkgate park import-plates U plates.csv --replace",
        ], texts().plates.import_notes)
    )]
    ImportPlates {
        #[arg(help = texts().flags.park_uuid)]
        uuid: String,
        #[arg(help = texts().plates.file)]
        file: PathBuf,
        #[arg(long, help = texts().plates.replace)]
        replace: bool,
        #[arg(long, help = texts().plates.dry_run)]
        dry_run: bool,
        #[command(flatten)]
        place: StoreArgs,
    },
}
