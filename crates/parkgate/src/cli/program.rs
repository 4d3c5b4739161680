//! Commands about the program itself: completions, man pages, health.

use std::path::PathBuf;

use clap::Args;
use clap_complete::Shell;
use parkgate_text::texts;

use super::SettingArgs;

#[derive(Debug, Args)]
pub(crate) struct CompletionsArgs {
    #[arg(value_name = "SHELL", help = texts().program.shell_help)]
    pub(crate) shell: Shell,
}

#[derive(Debug, Args)]
pub(crate) struct ManArgs {
    #[arg(long, value_name = "DIR", help = texts().program.out_help)]
    pub(crate) out: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct HealthArgs {
    #[arg(long, value_name = "URL", help = texts().program.url_help)]
    pub(crate) url: Option<String>,
    #[command(flatten)]
    pub(crate) settings: SettingArgs,
}
