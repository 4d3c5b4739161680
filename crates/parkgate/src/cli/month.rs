//! `month`.

use clap::Subcommand;
use parkgate_text::texts;

use super::{StoreArgs, examples, examples_and};

#[derive(Debug, Subcommand)]
pub(crate) enum MonthCommand {
    #[command(
        about = texts().month.begin,
        after_help = examples(&["parkgate month begin --store postgres://user@host/parkgate"])
    )]
    Begin {
        #[command(flatten)]
        place: StoreArgs,
    },
    #[command(about = texts().month.list, after_help = examples(&["parkgate month list --json"]))]
    List {
        #[arg(long, help = texts().flags.json)]
        json: bool,
        #[command(flatten)]
        place: StoreArgs,
    },
    #[command(
        about = texts().month.redact,
        alias = "strip",
        after_help = examples_and(&["parkgate month redact --before 2026-01"], texts().month.redact_notes)
    )]
    Redact {
        #[command(flatten)]
        which: BeforeArgs,
        #[command(flatten)]
        place: StoreArgs,
    },
    #[command(
        about = texts().month.drop,
        after_help = examples_and(&["parkgate month drop --before 2021-01"], texts().month.drop_notes)
    )]
    Drop {
        #[command(flatten)]
        which: BeforeArgs,
        #[command(flatten)]
        place: StoreArgs,
    },
}

/// Which months are meant.
#[derive(Debug, clap::Args)]
pub(crate) struct BeforeArgs {
    #[arg(long, value_name = "YYYY-MM", help = texts().month.before)]
    pub(crate) before: String,
    #[arg(long, help = texts().flags.json)]
    pub(crate) json: bool,
}
