//! `audit`.

use clap::{Args, Subcommand};
use parkgate_text::texts;

use super::{StoreArgs, examples};

#[derive(Debug, Subcommand)]
pub(crate) enum AuditCommand {
    #[command(about = texts().audit.list_about, after_help = examples(&["parkgate audit list --since 7d"]))]
    List {
        #[arg(long, value_name = "T", help = texts().flags.since)]
        since: Option<String>,
        #[arg(long, value_name = "N", default_value_t = 50, help = texts().flags.limit)]
        limit: usize,
        #[arg(long, help = texts().flags.json)]
        json: bool,
        #[command(flatten)]
        place: StoreArgs,
    },
}

/// Is personal data shown whole?
#[derive(Debug, Args, Clone, Copy, Default)]
pub(crate) struct UnmaskArgs {
    #[arg(long, help = texts().audit.unmask_help)]
    pub(crate) unmask: bool,
}
