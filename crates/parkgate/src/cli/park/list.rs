//! `park list`.

use clap::{Args, ValueEnum};
use parkgate_text::texts;

use crate::cli::StoreArgs;

#[derive(Debug, Args)]
pub(crate) struct ParkListArgs {
    #[arg(long, value_name = "T", help = texts().park_list.silent_help)]
    pub(crate) silent: Option<String>,
    #[arg(long, help = texts().park_list.refused_help)]
    pub(crate) refused: bool,
    #[arg(long, value_enum, default_value_t = ParkOrder::Name, value_name = "ORDER", help = texts().park_list.sort_help)]
    pub(crate) sort: ParkOrder,
    #[arg(long, value_name = "ZONE", help = texts().park_list.zone_help)]
    pub(crate) zone: Option<String>,
    #[arg(long, help = texts().flags.json)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) place: StoreArgs,
}

/// In which order parks are listed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ParkOrder {
    Name,
    Last,
    Pushes,
    Refused,
    Free,
}
