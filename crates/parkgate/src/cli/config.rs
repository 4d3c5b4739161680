//! `config`: commands and flags.

use clap::Subcommand;
use parkgate_text::texts;

use super::{SettingArgs, examples_and};

#[derive(Debug, Subcommand)]
pub(crate) enum ConfigCommand {
    #[command(
        about = texts().config.check_about,
        after_help = examples_and(&["parkgate config check --config /etc/parkgate/parkgate.toml"], texts().config.check_notes)
    )]
    Check {
        #[command(flatten)]
        settings: SettingArgs,
        #[arg(long, help = texts().flags.json)]
        json: bool,
    },
    #[command(
        about = texts().config.show_about,
        after_help = examples_and(&[
            "parkgate config show",
            "parkgate config show --config /etc/parkgate/parkgate.toml --json",
        ], texts().config.show_notes)
    )]
    Show {
        #[command(flatten)]
        settings: SettingArgs,
        #[arg(long, help = texts().flags.json)]
        json: bool,
    },
}
