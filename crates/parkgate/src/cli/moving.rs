//! `move`.

use std::path::PathBuf;

use clap::Args;
use parkgate_text::texts;

use super::StoreArgs;

#[derive(Debug, Args)]
pub(crate) struct MoveArgs {
    #[command(flatten)]
    pub(crate) place: StoreArgs,
    #[arg(long, value_name = "URL", help = texts().moving.images)]
    pub(crate) images: Option<String>,
    #[arg(long, value_name = "DIR", help = texts().moving.to_data)]
    pub(crate) to_data: Option<PathBuf>,
    #[arg(long, value_name = "URL", help = texts().moving.to_store)]
    pub(crate) to_store: Option<String>,
    #[arg(long, value_name = "URL", help = texts().moving.to_images)]
    pub(crate) to_images: Option<String>,
    #[arg(long, help = texts().moving.skip_missing)]
    pub(crate) skip_missing: bool,
    #[arg(long, conflicts_with_all = ["to_data", "to_store", "to_images"], help = texts().moving.abandon)]
    pub(crate) abandon: bool,
    #[arg(long, help = texts().flags.json)]
    pub(crate) json: bool,
}
