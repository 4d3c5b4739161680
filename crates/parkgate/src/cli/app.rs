//! `app`: commands and flags.

use clap::Subcommand;
use parkgate_text::texts;

use super::{ImportArgs, ListExportArgs, SecretArgs, StoreArgs, examples, examples_and};

#[derive(Debug, Subcommand)]
pub(crate) enum AppCommand {
    #[command(
        about = texts().app.add,
        after_help = examples(&["parkgate app add --id op1234567723122 --park 49f0cc52-e8c7-41e3-b54d-af666b8cc11a"])
    )]
    Add {
        #[arg(long, value_name = "A", help = texts().app.id_rule)]
        id: String,
        #[command(flatten)]
        secret: SecretArgs,
        #[arg(long, value_name = "T", help = texts().app.api_type)]
        api_type: Option<String>,
        #[arg(long, value_name = "U", num_args = 1.., required = true, help = texts().app.park)]
        park: Vec<String>,
        #[arg(long, help = texts().flags.json)]
        json: bool,
        #[command(flatten)]
        place: StoreArgs,
    },
    #[command(about = texts().app.list, after_help = examples(&["parkgate app list --json"]))]
    List {
        #[arg(long, help = texts().flags.json)]
        json: bool,
        #[command(flatten)]
        place: StoreArgs,
    },
    #[command(
        about = texts().sheets.app_import_about,
        after_help = examples_and(
            &["parkgate app import apps.csv --secrets-out secrets.csv"],
            texts().sheets.app_import_notes
        )
    )]
    Import(ImportArgs),
    #[command(
        about = texts().sheets.app_export_about,
        after_help = examples(&["parkgate app export --out apps.csv"])
    )]
    Export(ListExportArgs),
    #[command(about = texts().app.disable, after_help = examples(&["parkgate app disable op1234567723122"]))]
    Disable {
        #[arg(help = texts().app.id)]
        id: String,
        #[command(flatten)]
        place: StoreArgs,
    },
}
