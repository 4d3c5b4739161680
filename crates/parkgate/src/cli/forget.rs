//! `forget` and `person`: the rights of whoever drives a vehicle.

use std::path::PathBuf;

use clap::Args;
use parkgate_text::texts;

use super::{StoreArgs, examples, examples_and};

#[derive(Debug, Args)]
#[command(
    about = texts().commands.forget,
    after_help = examples_and(&[
        "parkgate forget --plate 粤B12345 --dry-run",
        "parkgate forget --plate 粤B12345 --park 49f0cc52-e8c7-41e3-b54d-af666b8cc11a",
    ], texts().retention.forget_notes)
)]
pub(crate) struct ForgetArgs {
    #[arg(long, value_name = "P", help = texts().retention.plate)]
    pub(crate) plate: String,
    #[arg(long, value_name = "U", help = texts().retention.one_park)]
    pub(crate) park: Option<String>,
    #[arg(long, help = texts().retention.dry_run)]
    pub(crate) dry_run: bool,
    #[arg(long, value_name = "URL", help = texts().retention.images)]
    pub(crate) images: Option<String>,
    #[arg(long, help = texts().flags.json)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) place: StoreArgs,
}

#[derive(Debug, Args)]
#[command(
    about = texts().commands.person,
    after_help = examples(&["parkgate person --plate 粤B12345 --out copy"])
)]
pub(crate) struct PersonArgs {
    #[arg(long, value_name = "P", help = texts().retention.plate)]
    pub(crate) plate: String,
    #[arg(long, value_name = "DIR", help = texts().retention.out)]
    pub(crate) out: PathBuf,
    #[arg(long, value_name = "URL", help = texts().retention.images)]
    pub(crate) images: Option<String>,
    #[arg(long, help = texts().flags.json)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) place: StoreArgs,
}
