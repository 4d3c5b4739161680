//! `park`: commands and flags.

mod plates;

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

pub(crate) use self::plates::PlateCommand;
use super::{SecretArgs, StoreArgs};

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum YesNo {
    Yes,
    No,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Http200 {
    /// Every reply has HTTP status 200
    Always,
    /// Errors have their own status
    Errors,
}

#[derive(Debug, Subcommand)]
pub(crate) enum ParkCommand {
    /// 添加停车场 · Add a park; without a secret one is made and printed once
    #[command(
        after_help = "Example:\n  parkgate park add --uuid 49f0cc52-e8c7-41e3-b54d-af666b8cc11a --name 东门停车场 --total 100"
    )]
    Add {
        /// `park_uuid`: ASCII letters, digits and -_.: (64 at most)
        #[arg(long, value_name = "U")]
        uuid: String,
        #[command(flatten)]
        secret: SecretArgs,
        /// Name for people
        #[arg(long, value_name = "N")]
        name: String,
        /// Merchant number, which may stand in place of `park_uuid`
        #[arg(long, value_name = "M")]
        merchant: Option<String>,
        /// All its spaces
        #[arg(long, value_name = "N")]
        total: Option<u32>,
        /// Require what the document's table marks required and its examples leave out
        #[arg(long)]
        strict: bool,
        /// 输出 JSON · As JSON
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        place: StoreArgs,
    },
    /// 停车场列表 · All parks
    #[command(after_help = "Example:\n  parkgate park list --json")]
    List {
        /// 输出 JSON · As JSON
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        place: StoreArgs,
    },
    /// 停车场详情 · One park with its free spaces
    #[command(after_help = "Example:\n  parkgate park show 49f0cc52-e8c7-41e3-b54d-af666b8cc11a --json")]
    Show {
        /// `park_uuid`
        uuid: String,
        /// 输出 JSON · As JSON
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        place: StoreArgs,
    },
    /// 修改停车场 · Change a park
    #[command(
        after_help = "Examples:\n  parkgate park set U --http-200 always\n  parkgate park set U --allow 10.9.0.0/16 192.168.1.7/32\n  parkgate park set U --allow any"
    )]
    Set {
        /// `park_uuid`
        uuid: String,
        /// Name for people
        #[arg(long, value_name = "N")]
        name: Option<String>,
        /// Merchant number; empty takes it away
        #[arg(long, value_name = "M")]
        merchant: Option<String>,
        /// All its spaces; 0 takes it away
        #[arg(long, value_name = "N")]
        total: Option<u32>,
        /// Require what the document's table marks required
        #[arg(long, value_name = "yes|no", num_args = 0..=1, default_missing_value = "yes")]
        strict: Option<YesNo>,
        /// HTTP status of errors
        #[arg(long = "http-200")]
        http_200: Option<Http200>,
        /// Networks it may push from; `any` for all
        #[arg(long, value_name = "CIDR", num_args = 1..)]
        allow: Option<Vec<String>>,
        /// Must its pushes be signed? `no` needs --allow
        #[arg(long, value_name = "yes|no")]
        require_sign: Option<YesNo>,
        /// Refuse a vehicle that asks to enter while no space is free (车位已满), unless it is on the allow list
        #[arg(long, value_name = "yes|no")]
        refuse_when_full: Option<YesNo>,
        /// Its serials have restarted: begin a new epoch for vehicles that entered since (ms, or as detected), and
        /// record what was ignored because of it
        #[arg(long, value_name = "T", num_args = 0..=1, default_missing_value = "auto")]
        new_serial_epoch: Option<String>,
        /// Where it is, for city platforms: `address=…`, `area_code=440305`, `latitude=22.5`, `longitude=113.9` (WGS84)
        #[arg(long, value_name = "k=v", num_args = 1..)]
        location: Vec<String>,
        #[command(flatten)]
        place: StoreArgs,
    },
    /// 更换密钥 · A new secret; without one given, it is made and printed once
    #[command(
        after_help = "Examples:\n  parkgate park rotate-secret 49f0cc52-e8c7-41e3-b54d-af666b8cc11a --keep-old 7d\n  parkgate park rotate-secret 49f0cc52-e8c7-41e3-b54d-af666b8cc11a --secret-file new-secret"
    )]
    RotateSecret {
        /// `park_uuid`
        uuid: String,
        #[command(flatten)]
        secret: SecretArgs,
        /// How long the old secret stays good: 12h, 7d
        #[arg(long, value_name = "T")]
        keep_old: Option<String>,
        /// 输出 JSON · As JSON
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        place: StoreArgs,
    },
    /// 对接检查 · Sums up a park's integration on one page
    #[command(
        after_help = "Examples:\n  parkgate park check 49f0cc52-e8c7-41e3-b54d-af666b8cc11a --since 7d\n  parkgate park check 49f0cc52-e8c7-41e3-b54d-af666b8cc11a --html check.html"
    )]
    Check(CheckArgs),
    /// 重算剩余车位 · Recounts its free spaces from the records, beside a running gate
    #[command(after_help = "Example:\n  parkgate park recount 49f0cc52-e8c7-41e3-b54d-af666b8cc11a")]
    Recount {
        /// `park_uuid`
        uuid: String,
        /// 输出 JSON · As JSON
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        place: StoreArgs,
    },
    #[command(flatten)]
    Plates(PlateCommand),
    /// 停用 · Answer its pushes with 403
    #[command(after_help = "Example:\n  parkgate park disable 49f0cc52-e8c7-41e3-b54d-af666b8cc11a")]
    Disable {
        /// `park_uuid`
        uuid: String,
        #[command(flatten)]
        place: StoreArgs,
    },
    /// 启用 · Take its pushes again
    #[command(after_help = "Example:\n  parkgate park enable 49f0cc52-e8c7-41e3-b54d-af666b8cc11a")]
    Enable {
        /// `park_uuid`
        uuid: String,
        #[command(flatten)]
        place: StoreArgs,
    },
}

#[derive(Debug, Args)]
pub(crate) struct CheckArgs {
    /// `park_uuid`
    pub(crate) uuid: String,
    /// Pushes received since: ms, a time, or 2h, 7d
    #[arg(long, value_name = "T", default_value = "1d")]
    pub(crate) since: String,
    /// On time is what arrives within so many seconds of its event
    #[arg(long, value_name = "N", default_value_t = 10, env = "PARKGATE_CHECK_ON_TIME_SECONDS")]
    pub(crate) on_time_seconds: u64,
    /// This share must be on time: cities demand 0.8
    #[arg(long, value_name = "X", default_value_t = 0.8, env = "PARKGATE_CHECK_ON_TIME_SHARE")]
    pub(crate) on_time_share: f64,
    /// This share of leaves must report free spaces, and of pushes must have a picture
    #[arg(long, value_name = "X", default_value_t = 0.9, env = "PARKGATE_CHECK_SHARE")]
    pub(crate) share: f64,
    /// Of all stays no more than this share may be released by hand, and no more corrected
    #[arg(long, value_name = "X", default_value_t = 0.05, env = "PARKGATE_CHECK_BY_HAND_SHARE")]
    pub(crate) by_hand_share: f64,
    /// Silence longer than this is reported
    #[arg(long, value_name = "T", default_value = "6h", env = "PARKGATE_CHECK_SILENCE")]
    pub(crate) silence: String,
    /// A vehicle that entered longer ago and has not left is reported
    #[arg(long, value_name = "T", default_value = "7d", env = "PARKGATE_CHECK_STAY_MAX")]
    pub(crate) stay_max: String,
    /// Also as a page of its own
    #[arg(long, value_name = "FILE")]
    pub(crate) html: Option<PathBuf>,
    /// 输出 JSON · As JSON
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) place: StoreArgs,
}
