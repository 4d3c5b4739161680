//! `subscriber` and `delivery`: flags.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};
use parkgate_store::DeliveryId;

use super::{SecretArgs, StoreArgs};

/// The format in which a subscriber receives records.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum DeliveryFormat {
    /// 原样转发 · The push as it came, sign unchanged, to any platform of this protocol
    Relay,
    /// 开放平台 · The open platform's sync-enter and sync-leave
    Openapi,
    /// Standard Webhooks: JSON under an HMAC
    Webhook,
}

/// Which records it receives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum SubscribedEvent {
    Enter,
    Leave,
    Release,
    Update,
}

/// Which deliveries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum DeliveryStateFilter {
    /// To be sent, or on their way
    Pending,
    /// Given up
    Dead,
}

#[derive(Debug, Subcommand)]
pub(crate) enum SubscriberCommand {
    /// 添加订阅方 · Add one: it receives what is recorded from now on
    #[command(
        after_help = "Examples:\n  parkgate subscriber add --name city --url https://city.example/sync-{event} --format openapi --app-id A1 --secret S --all\n  parkgate subscriber add --name vendor --url https://api.example --format relay --park 49f0cc52-e8c7-41e3-b54d-af666b8cc11a\n  parkgate subscriber add --name mine --url https://me.example/hook --format webhook --all --events leave --mask-plates"
    )]
    Add(AddSubscriberArgs),
    /// 订阅方列表 · All subscribers, and what waits for them
    #[command(after_help = "Example:\n  parkgate subscriber list --json")]
    List {
        /// 输出 JSON · As JSON
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        place: StoreArgs,
    },
    /// 一个订阅方 · One subscriber
    #[command(after_help = "Example:\n  parkgate subscriber show city")]
    Show {
        /// Its name
        name: String,
        /// 输出 JSON · As JSON
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        place: StoreArgs,
    },
    /// 应答差异 · Where a compared platform answered differently than this one would have, newest first
    #[command(after_help = "Example:\n  parkgate subscriber differences vendor --json")]
    Differences {
        /// Its name
        name: String,
        /// At most so many
        #[arg(long, value_name = "N", default_value_t = 100)]
        limit: usize,
        /// 输出 JSON · As JSON
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        place: StoreArgs,
    },
    /// 转交的接口 · Calls passed on to a compared platform, by path: how many, the last answer's status (0: none) and time
    #[command(after_help = "Example:\n  parkgate subscriber calls vendor --json")]
    Calls {
        /// Its name
        name: String,
        /// 输出 JSON · As JSON
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        place: StoreArgs,
    },
    /// 修改订阅方 · Another address, secret or rate; what waits for it stays
    #[command(
        after_help = "Examples:\n  parkgate subscriber set city --secret-file new-secret\n  parkgate subscriber set city --url https://new.city.example/sync-{event} --per-second 50"
    )]
    Set(SetSubscriberArgs),
    /// 暂停 · Send it nothing; new records wait for it
    #[command(after_help = "Example:\n  parkgate subscriber pause city")]
    Pause {
        /// Its name
        name: String,
        #[command(flatten)]
        place: StoreArgs,
    },
    /// 恢复 · Send it what waited, and what comes
    #[command(after_help = "Example:\n  parkgate subscriber resume city")]
    Resume {
        /// Its name
        name: String,
        #[command(flatten)]
        place: StoreArgs,
    },
    /// 移除 · Remove it and all that waits for it
    #[command(after_help = "Example:\n  parkgate subscriber remove city")]
    Remove {
        /// Its name
        name: String,
        #[command(flatten)]
        place: StoreArgs,
    },
}

#[derive(Debug, Args)]
pub(crate) struct AddSubscriberArgs {
    /// Its name in commands, unique: letters, digits and -_.: (64 at most)
    #[arg(long, value_name = "N")]
    pub(crate) name: String,
    /// Where it listens; `{event}` becomes enter or leave. A relay may name the platform's root
    #[arg(long, value_name = "U")]
    pub(crate) url: String,
    /// The format it receives
    #[arg(long, value_enum)]
    pub(crate) format: DeliveryFormat,
    /// `app_id` it knows us by (openapi)
    #[arg(long, value_name = "A")]
    pub(crate) app_id: Option<String>,
    #[command(flatten)]
    pub(crate) secret: SecretArgs,
    /// Of these parks (`park_uuid`)
    #[arg(long, value_name = "U", num_args = 1.., required_unless_present = "all", conflicts_with = "all")]
    pub(crate) park: Vec<String>,
    /// Of all parks, also those to come
    #[arg(long)]
    pub(crate) all: bool,
    /// Of these events; unless named, of all that its format has (openapi: enter,leave)
    #[arg(long, value_enum, value_delimiter = ',', value_name = "enter,leave,release,update")]
    pub(crate) events: Vec<SubscribedEvent>,
    /// It may know ID data (idcard_*); a relay always does, the signature covers it
    #[arg(long)]
    pub(crate) id_data: bool,
    /// Mask the middles of plates
    #[arg(long)]
    pub(crate) mask_plates: bool,
    /// Requests a second at most, of all nodes together
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) per_second: Option<u32>,
    /// The car park gets this platform's answer; where ours differs is recorded (relay)
    #[arg(long)]
    pub(crate) compare: bool,
    /// Settings file of the gate: may a subscriber be at a private address? [default: ./parkgate.toml, if there]
    #[arg(long, env = "PARKGATE_CONFIG", hide_env_values = true, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// 输出 JSON · As JSON
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) place: StoreArgs,
}

#[derive(Debug, Args)]
pub(crate) struct SetSubscriberArgs {
    /// Its name
    pub(crate) name: String,
    /// Where it listens from now on
    #[arg(long, value_name = "U")]
    pub(crate) url: Option<String>,
    /// `app_id` it knows us by (openapi)
    #[arg(long, value_name = "A")]
    pub(crate) app_id: Option<String>,
    #[command(flatten)]
    pub(crate) secret: SecretArgs,
    /// Requests a second at most, of all nodes together; 0 for no bound
    #[arg(long, value_name = "N")]
    pub(crate) per_second: Option<u32>,
    /// Of these events from now on
    #[arg(long, value_enum, value_delimiter = ',', value_name = "enter,leave,release,update")]
    pub(crate) events: Vec<SubscribedEvent>,
    /// Settings file of the gate: may a subscriber be at a private address? [default: ./parkgate.toml, if there]
    #[arg(long, env = "PARKGATE_CONFIG", hide_env_values = true, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) place: StoreArgs,
}

#[derive(Debug, Subcommand)]
pub(crate) enum DeliveryCommand {
    /// 投递列表 · What waits or was given up, oldest first
    #[command(after_help = "Example:\n  parkgate delivery list --state dead --subscriber city --json")]
    List {
        /// Only these
        #[arg(long, value_enum)]
        state: Option<DeliveryStateFilter>,
        /// Only this subscriber's
        #[arg(long, value_name = "N")]
        subscriber: Option<String>,
        /// At most so many
        #[arg(long, value_name = "N", default_value_t = 1000)]
        limit: usize,
        /// 输出 JSON · As JSON
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        place: StoreArgs,
    },
    /// 一条投递 · One delivery
    #[command(after_help = "Example:\n  parkgate delivery show 1-17")]
    Show {
        /// As in the list
        id: DeliveryId,
        /// 输出 JSON · As JSON
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        place: StoreArgs,
    },
    /// 重试 · Send them now, dead ones too
    #[command(
        after_help = "Examples:\n  parkgate delivery retry 1-17 1-18\n  parkgate delivery retry --subscriber city"
    )]
    Retry {
        /// As in the list
        #[arg(value_name = "ID", required_unless_present = "subscriber", conflicts_with = "subscriber")]
        ids: Vec<DeliveryId>,
        /// All dead ones of this subscriber
        #[arg(long, value_name = "N")]
        subscriber: Option<String>,
        #[command(flatten)]
        place: StoreArgs,
    },
    /// 放弃 · Give them up for good
    #[command(after_help = "Example:\n  parkgate delivery drop 1-17")]
    Drop {
        /// As in the list
        #[arg(value_name = "ID", required_unless_present = "subscriber", conflicts_with = "subscriber")]
        ids: Vec<DeliveryId>,
        /// All dead ones of this subscriber
        #[arg(long, value_name = "N")]
        subscriber: Option<String>,
        #[command(flatten)]
        place: StoreArgs,
    },
    /// 补发 · Deliver again what was received since a time
    #[command(after_help = "Example:\n  parkgate delivery replay --subscriber city --since 2h")]
    Replay {
        /// To whom
        #[arg(long, value_name = "N")]
        subscriber: String,
        /// ms, a time such as 2026-11-01T00:00:00+08:00, or 2h, 7d
        #[arg(long, value_name = "T")]
        since: String,
        #[command(flatten)]
        place: StoreArgs,
    },
}
