//! `backup` and `restore`.

use std::num::{NonZeroU64, NonZeroUsize};
use std::path::PathBuf;

use clap::Args;
use parkgate_text::texts;

use super::StoreArgs;

#[derive(Debug, Args)]
pub(crate) struct BackupArgs {
    #[arg(value_name = "DEST", help = texts().backup.dest_help)]
    pub(crate) dest: String,
    #[command(flatten)]
    pub(crate) place: StoreArgs,
    #[arg(long, value_name = "URL", help = texts().backup.images_help)]
    pub(crate) images: Option<String>,
    #[arg(long, help = texts().backup.with_key_help)]
    pub(crate) with_key: bool,
    #[arg(long, value_name = "N", help = texts().backup.keep_help)]
    pub(crate) keep: Option<NonZeroUsize>,
    #[arg(long, value_name = "N", help = texts().backup.mb_help)]
    pub(crate) max_mb_per_second: Option<NonZeroU64>,
    #[arg(long, value_name = "DIR", help = texts().backup.work_help)]
    pub(crate) work: Option<PathBuf>,
    #[arg(long, help = texts().backup.skip_missing_help)]
    pub(crate) skip_missing: bool,
    #[arg(long, env = "PARKGATE_CONFIG", hide_env_values = true, value_name = "FILE", help = texts().flags.config)]
    pub(crate) config: Option<PathBuf>,
    #[arg(long, help = texts().flags.json)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct RestoreArgs {
    #[arg(value_name = "SRC", help = texts().backup.src_help)]
    pub(crate) src: String,
    #[arg(long, value_name = "DIR", help = texts().backup.data_help)]
    pub(crate) data: Option<PathBuf>,
    #[arg(long, value_name = "URL", help = texts().backup.store_help)]
    pub(crate) store: Option<String>,
    #[arg(long, value_name = "URL", help = texts().backup.restore_images_help)]
    pub(crate) images: Option<String>,
    #[arg(long, value_name = "F", help = texts().backup.key_file_help)]
    pub(crate) key_file: Option<PathBuf>,
    #[arg(long, value_name = "NAME", help = texts().backup.backup_help)]
    pub(crate) backup: Option<String>,
    #[arg(long, conflicts_with_all = ["data", "store", "images", "key_file", "backup", "dry_run"], help = texts().backup.list_help)]
    pub(crate) list: bool,
    #[arg(long, conflicts_with_all = ["data", "store", "images", "key_file"], help = texts().backup.dry_run_help)]
    pub(crate) dry_run: bool,
    #[arg(long, help = texts().flags.json)]
    pub(crate) json: bool,
}
