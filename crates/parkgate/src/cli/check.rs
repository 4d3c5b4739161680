//! `check`.

use std::num::NonZeroU64;
use std::path::PathBuf;

use clap::Args;
use parkgate_text::texts;

use super::StoreArgs;

#[derive(Debug, Args)]
pub(crate) struct StateCheckArgs {
    #[command(flatten)]
    pub(crate) place: StoreArgs,
    #[arg(long, value_name = "URL", help = texts().backup.images_help)]
    pub(crate) images: Option<String>,
    #[arg(long, value_name = "U", help = texts().check.park_help)]
    pub(crate) park: Option<String>,
    #[arg(long, help = texts().check.mend_help)]
    pub(crate) mend: bool,
    #[arg(long, value_name = "N", help = texts().backup.mb_help)]
    pub(crate) max_mb_per_second: Option<NonZeroU64>,
    #[arg(long, env = "PARKGATE_CONFIG", hide_env_values = true, value_name = "FILE", help = texts().flags.config)]
    pub(crate) config: Option<PathBuf>,
    #[arg(long, help = texts().flags.json)]
    pub(crate) json: bool,
}
