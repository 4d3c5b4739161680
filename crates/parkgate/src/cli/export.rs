//! `export`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use parkgate_text::texts;

use super::{StoreArgs, UnmaskArgs};

/// What is exported.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ExportWhat {
    Visits,
    Payments,
    Records,
    Conflicts,
    Deliveries,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ExportFormat {
    Csv,
    Xlsx,
    Jsonl,
    Parquet,
}

/// A language of column names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum HeaderLang {
    Zh,
    En,
}

#[derive(Debug, Args)]
pub(crate) struct ExportArgs {
    #[arg(value_enum, help = texts().export.what_help)]
    pub(crate) what: ExportWhat,
    #[arg(long, value_enum, value_name = "FORMAT", help = texts().export.format_help)]
    pub(crate) format: Option<ExportFormat>,
    #[arg(long, value_name = "U", help = texts().export.park_help)]
    pub(crate) park: Option<String>,
    #[arg(long, value_name = "T", help = texts().export.since_help)]
    pub(crate) since: Option<String>,
    #[arg(long, value_name = "T", help = texts().export.until_help)]
    pub(crate) until: Option<String>,
    #[arg(long, value_name = "FILE", help = texts().export.out_help)]
    pub(crate) out: Option<PathBuf>,
    #[arg(long, value_name = "CURSOR", help = texts().export.after_help)]
    pub(crate) after: Option<String>,
    #[arg(long, value_name = "ZONE", help = texts().export.zone_help)]
    pub(crate) zone: Option<String>,
    #[arg(long, value_enum, value_name = "LANG", help = texts().export.headers_help)]
    pub(crate) headers: Option<HeaderLang>,
    #[command(flatten)]
    pub(crate) unmask: UnmaskArgs,
    #[command(flatten)]
    pub(crate) place: StoreArgs,
}
