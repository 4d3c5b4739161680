//! `park`: commands and flags.

mod list;
mod plates;

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};
use parkgate_text::texts;

pub(crate) use self::list::{ParkListArgs, ParkOrder};
pub(crate) use self::plates::PlateCommand;
use super::{ListExportArgs, ParkImportArgs, SecretArgs, StoreArgs, examples, examples_and};

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum YesNo {
    Yes,
    No,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Http200 {
    #[value(help = texts().park.always)]
    Always,
    #[value(help = texts().park.errors)]
    Errors,
}

#[derive(Debug, Subcommand)]
pub(crate) enum ParkCommand {
    #[command(
        about = texts().park.add,
        after_help = examples(&[
            "parkgate park add --uuid 49f0cc52-e8c7-41e3-b54d-af666b8cc11a --name 东门停车场 --total 100",
        ])
    )]
    Add {
        #[arg(long, value_name = "U", help = texts().park.uuid_rule)]
        uuid: String,
        #[command(flatten)]
        secret: SecretArgs,
        #[arg(long, value_name = "N", help = texts().park.name)]
        name: String,
        #[arg(long, value_name = "M", help = texts().park.merchant)]
        merchant: Option<String>,
        #[arg(long, value_name = "N", help = texts().park.total)]
        total: Option<u32>,
        #[arg(long, help = texts().park.strict)]
        strict: bool,
        #[arg(long, help = texts().flags.json)]
        json: bool,
        #[command(flatten)]
        place: StoreArgs,
    },
    #[command(
        about = texts().park.list,
        after_help = examples(&["parkgate park list --silent 6h", "parkgate park list --refused --sort refused --json"])
    )]
    List(ParkListArgs),
    #[command(
        about = texts().sheets.park_import_about,
        after_help = examples_and(&[
            "parkgate park import parks.csv --dry-run",
            "parkgate park import parks.xlsx --secrets-out secrets.csv",
        ], texts().sheets.park_import_notes)
    )]
    Import(ParkImportArgs),
    #[command(
        about = texts().sheets.park_export_about,
        after_help = examples(&["parkgate park export --out parks.xlsx --format xlsx"])
    )]
    Export(ListExportArgs),
    #[command(
        about = texts().park.show,
        after_help = examples(&["parkgate park show 49f0cc52-e8c7-41e3-b54d-af666b8cc11a --json"])
    )]
    Show {
        #[arg(help = texts().flags.park_uuid)]
        uuid: String,
        #[arg(long, help = texts().flags.json)]
        json: bool,
        #[command(flatten)]
        place: StoreArgs,
    },
    #[command(
        about = texts().park.set,
        after_help = examples(&[
            "parkgate park set U --http-200 always",
            "parkgate park set U --allow 10.9.0.0/16 192.168.1.7/32",
            "parkgate park set U --allow any",
            "parkgate park set U --keep personal=30d,pictures=90d,visits=3y",
        ])
    )]
    Set {
        #[arg(help = texts().flags.park_uuid)]
        uuid: String,
        #[arg(long, value_name = "N", help = texts().park.name)]
        name: Option<String>,
        #[arg(long, value_name = "M", help = texts().park.set_merchant)]
        merchant: Option<String>,
        #[arg(long, value_name = "N", help = texts().park.set_total)]
        total: Option<u32>,
        #[arg(long, value_name = "yes|no", num_args = 0..=1, default_missing_value = "yes", help = texts().park.set_strict)]
        strict: Option<YesNo>,
        #[arg(long = "http-200", help = texts().park.http_200)]
        http_200: Option<Http200>,
        #[arg(long, value_name = "CIDR", num_args = 1.., help = texts().park.allow)]
        allow: Option<Vec<String>>,
        #[arg(long, value_name = "yes|no", help = texts().park.require_sign)]
        require_sign: Option<YesNo>,
        #[arg(long, value_name = "yes|no", help = texts().park.refuse_when_full)]
        refuse_when_full: Option<YesNo>,
        #[arg(long, value_name = "T", num_args = 0..=1, default_missing_value = "auto", help = texts().park.new_serial_epoch)]
        new_serial_epoch: Option<String>,
        #[arg(long, value_name = "k=v", num_args = 1.., help = texts().park.location)]
        location: Vec<String>,
        #[arg(long, value_name = "KIND=T,…", help = texts().retention.keep_help)]
        keep: Option<String>,
        #[command(flatten)]
        place: StoreArgs,
    },
    #[command(
        about = texts().park.rotate_secret,
        after_help = examples(&[
            "parkgate park rotate-secret 49f0cc52-e8c7-41e3-b54d-af666b8cc11a --keep-old 7d",
            "parkgate park rotate-secret 49f0cc52-e8c7-41e3-b54d-af666b8cc11a --secret-file new-secret",
        ])
    )]
    RotateSecret {
        #[arg(help = texts().flags.park_uuid)]
        uuid: String,
        #[command(flatten)]
        secret: SecretArgs,
        #[arg(long, value_name = "T", help = texts().park.keep_old)]
        keep_old: Option<String>,
        #[arg(long, help = texts().flags.json)]
        json: bool,
        #[command(flatten)]
        place: StoreArgs,
    },
    #[command(
        about = texts().park.check,
        after_help = examples(&[
            "parkgate park check 49f0cc52-e8c7-41e3-b54d-af666b8cc11a --since 7d",
            "parkgate park check 49f0cc52-e8c7-41e3-b54d-af666b8cc11a --html check.html",
        ])
    )]
    Check(CheckArgs),
    #[command(
        about = texts().park.recount,
        after_help = examples(&["parkgate park recount 49f0cc52-e8c7-41e3-b54d-af666b8cc11a"])
    )]
    Recount {
        #[arg(help = texts().flags.park_uuid)]
        uuid: String,
        #[arg(long, help = texts().flags.json)]
        json: bool,
        #[command(flatten)]
        place: StoreArgs,
    },
    #[command(flatten)]
    Plates(PlateCommand),
    #[command(
        about = texts().park.disable,
        after_help = examples(&["parkgate park disable 49f0cc52-e8c7-41e3-b54d-af666b8cc11a"])
    )]
    Disable {
        #[arg(help = texts().flags.park_uuid)]
        uuid: String,
        #[command(flatten)]
        place: StoreArgs,
    },
    #[command(
        about = texts().park.enable,
        after_help = examples(&["parkgate park enable 49f0cc52-e8c7-41e3-b54d-af666b8cc11a"])
    )]
    Enable {
        #[arg(help = texts().flags.park_uuid)]
        uuid: String,
        #[command(flatten)]
        place: StoreArgs,
    },
}

#[derive(Debug, Args)]
pub(crate) struct CheckArgs {
    #[arg(help = texts().flags.park_uuid)]
    pub(crate) uuid: String,
    #[arg(long, value_name = "T", default_value = "1d", help = texts().park_check.since)]
    pub(crate) since: String,
    #[arg(long, value_name = "N", default_value_t = 10, env = "PARKGATE_CHECK_ON_TIME_SECONDS", help = texts().park_check.on_time_seconds)]
    pub(crate) on_time_seconds: u64,
    #[arg(long, value_name = "X", default_value_t = 0.8, env = "PARKGATE_CHECK_ON_TIME_SHARE", help = texts().park_check.on_time_share)]
    pub(crate) on_time_share: f64,
    #[arg(long, value_name = "X", default_value_t = 0.9, env = "PARKGATE_CHECK_SHARE", help = texts().park_check.share)]
    pub(crate) share: f64,
    #[arg(long, value_name = "X", default_value_t = 0.05, env = "PARKGATE_CHECK_BY_HAND_SHARE", help = texts().park_check.by_hand_share)]
    pub(crate) by_hand_share: f64,
    #[arg(long, value_name = "T", default_value = "6h", env = "PARKGATE_CHECK_SILENCE", help = texts().park_check.silence)]
    pub(crate) silence: String,
    #[arg(long, value_name = "T", default_value = "7d", env = "PARKGATE_CHECK_STAY_MAX", help = texts().park_check.stay_max)]
    pub(crate) stay_max: String,
    #[arg(long, value_name = "FILE", help = texts().park_check.html)]
    pub(crate) html: Option<PathBuf>,
    #[arg(long, help = texts().flags.json)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) place: StoreArgs,
}
