//! `move`.

use std::path::PathBuf;

use clap::Args;

use super::StoreArgs;

#[derive(Debug, Args)]
pub(crate) struct MoveArgs {
    #[command(flatten)]
    pub(crate) place: StoreArgs,
    /// Where the pictures are now: a folder, or s3://BUCKET/PREFIX [default: DATA/images]
    #[arg(long, value_name = "URL")]
    pub(crate) images: Option<String>,
    /// Data folder to move to; beside a database, for its master key [default there: the same as --data]
    #[arg(long, value_name = "DIR")]
    pub(crate) to_data: Option<PathBuf>,
    /// Store to move to: sqlite:DIR or postgres://USER:PASSWORD@HOST/DATABASE
    #[arg(long, value_name = "URL")]
    pub(crate) to_store: Option<String>,
    /// Where the pictures move to: a folder, or s3://BUCKET/PREFIX [default: the new data folder's images]
    #[arg(long, value_name = "URL")]
    pub(crate) to_images: Option<String>,
    /// Go on where a picture is missing from the old place
    #[arg(long)]
    pub(crate) skip_missing: bool,
    /// Give an unfinished move up: the old store takes pushes again
    #[arg(long, conflicts_with_all = ["to_data", "to_store", "to_images"])]
    pub(crate) abandon: bool,
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}
