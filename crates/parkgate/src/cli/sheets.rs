//! Lists of parks and apps, from files and to files.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use parkgate_text::texts;

use super::StoreArgs;

#[derive(Debug, Args)]
pub(crate) struct ImportArgs {
    #[arg(value_name = "FILE", help = texts().sheets.file_help)]
    pub(crate) file: PathBuf,
    #[arg(long, value_name = "FILE", help = texts().sheets.secrets_out_help)]
    pub(crate) secrets_out: Option<PathBuf>,
    #[arg(long, help = texts().sheets.change_secrets_help)]
    pub(crate) change_secrets: bool,
    #[arg(long, help = texts().sheets.dry_run_help)]
    pub(crate) dry_run: bool,
    #[arg(long, help = texts().sheets.skip_bad_help)]
    pub(crate) skip_bad: bool,
    #[arg(long, help = texts().flags.json)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) place: StoreArgs,
}

#[derive(Debug, Args)]
pub(crate) struct ParkImportArgs {
    #[command(flatten)]
    pub(crate) import: ImportArgs,
    #[arg(long, value_name = "T", requires = "change_secrets", help = texts().sheets.keep_old_help)]
    pub(crate) keep_old: Option<String>,
}

/// What a list is written as.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ListFormat {
    Csv,
    Xlsx,
}

#[derive(Debug, Args)]
pub(crate) struct ListExportArgs {
    #[arg(long, value_name = "FILE", help = texts().sheets.out_help)]
    pub(crate) out: Option<PathBuf>,
    #[arg(long, value_enum, default_value_t = ListFormat::Csv, value_name = "FORMAT", help = texts().sheets.list_format_help)]
    pub(crate) format: ListFormat,
    #[command(flatten)]
    pub(crate) place: StoreArgs,
}
