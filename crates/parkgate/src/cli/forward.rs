//! `subscriber` and `delivery`: flags.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};
use parkgate_store::DeliveryId;
use parkgate_text::texts;

use super::{SecretArgs, StoreArgs, UnmaskArgs, examples};

/// The format in which a subscriber receives records.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum DeliveryFormat {
    #[value(help = texts().subscriber.relay)]
    Relay,
    #[value(help = texts().subscriber.openapi)]
    Openapi,
    #[value(help = texts().subscriber.webhook)]
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
    #[value(help = texts().delivery.pending)]
    Pending,
    #[value(help = texts().delivery.dead)]
    Dead,
}

#[derive(Debug, Subcommand)]
pub(crate) enum SubscriberCommand {
    #[command(
        about = texts().subscriber.add,
        after_help = examples(&[
            "parkgate subscriber add --name city --url https://city.example/sync-{event} --format openapi --app-id A1 --secret S --all",
            "parkgate subscriber add --name vendor --url https://api.example --format relay --park 49f0cc52-e8c7-41e3-b54d-af666b8cc11a",
            "parkgate subscriber add --name mine --url https://me.example/hook --format webhook --all --events leave --mask-plates",
        ])
    )]
    Add(AddSubscriberArgs),
    #[command(about = texts().subscriber.list, after_help = examples(&["parkgate subscriber list --json"]))]
    List {
        #[arg(long, help = texts().flags.json)]
        json: bool,
        #[command(flatten)]
        place: StoreArgs,
    },
    #[command(about = texts().subscriber.show, after_help = examples(&["parkgate subscriber show city"]))]
    Show {
        #[arg(help = texts().subscriber.name)]
        name: String,
        #[arg(long, help = texts().flags.json)]
        json: bool,
        #[command(flatten)]
        place: StoreArgs,
    },
    #[command(
        about = texts().subscriber.differences,
        after_help = examples(&["parkgate subscriber differences vendor --json"])
    )]
    Differences {
        #[arg(help = texts().subscriber.name)]
        name: String,
        #[arg(long, value_name = "N", default_value_t = 100, help = texts().flags.limit)]
        limit: usize,
        #[arg(long, help = texts().flags.json)]
        json: bool,
        #[command(flatten)]
        unmask: UnmaskArgs,
        #[command(flatten)]
        place: StoreArgs,
    },
    #[command(about = texts().subscriber.calls, after_help = examples(&["parkgate subscriber calls vendor --json"]))]
    Calls {
        #[arg(help = texts().subscriber.name)]
        name: String,
        #[arg(long, help = texts().flags.json)]
        json: bool,
        #[command(flatten)]
        place: StoreArgs,
    },
    #[command(
        about = texts().subscriber.set,
        after_help = examples(&[
            "parkgate subscriber set city --secret-file new-secret",
            "parkgate subscriber set city --url https://new.city.example/sync-{event} --per-second 50",
        ])
    )]
    Set(SetSubscriberArgs),
    #[command(about = texts().subscriber.pause, after_help = examples(&["parkgate subscriber pause city"]))]
    Pause {
        #[arg(help = texts().subscriber.name)]
        name: String,
        #[command(flatten)]
        place: StoreArgs,
    },
    #[command(about = texts().subscriber.resume, after_help = examples(&["parkgate subscriber resume city"]))]
    Resume {
        #[arg(help = texts().subscriber.name)]
        name: String,
        #[command(flatten)]
        place: StoreArgs,
    },
    #[command(about = texts().subscriber.remove, after_help = examples(&["parkgate subscriber remove city"]))]
    Remove {
        #[arg(help = texts().subscriber.name)]
        name: String,
        #[command(flatten)]
        place: StoreArgs,
    },
}

#[derive(Debug, Args)]
pub(crate) struct AddSubscriberArgs {
    #[arg(long, value_name = "N", help = texts().subscriber.name_rule)]
    pub(crate) name: String,
    #[arg(long, value_name = "U", help = texts().subscriber.url)]
    pub(crate) url: String,
    #[arg(long, value_enum, help = texts().subscriber.format)]
    pub(crate) format: DeliveryFormat,
    #[arg(long, value_name = "A", help = texts().subscriber.app_id)]
    pub(crate) app_id: Option<String>,
    #[command(flatten)]
    pub(crate) secret: SecretArgs,
    #[arg(long, value_name = "U", num_args = 1.., required_unless_present = "all", conflicts_with = "all", help = texts().subscriber.park)]
    pub(crate) park: Vec<String>,
    #[arg(long, help = texts().subscriber.all)]
    pub(crate) all: bool,
    #[arg(long, value_enum, value_delimiter = ',', value_name = "enter,leave,release,update", help = texts().subscriber.events)]
    pub(crate) events: Vec<SubscribedEvent>,
    #[arg(long, help = texts().subscriber.id_data)]
    pub(crate) id_data: bool,
    #[arg(long, help = texts().subscriber.mask_plates)]
    pub(crate) mask_plates: bool,
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..), help = texts().subscriber.per_second)]
    pub(crate) per_second: Option<u32>,
    #[arg(long, help = texts().subscriber.compare)]
    pub(crate) compare: bool,
    #[arg(long, env = "PARKGATE_CONFIG", hide_env_values = true, value_name = "FILE", help = texts().subscriber.gate_config)]
    pub(crate) config: Option<PathBuf>,
    #[arg(long, help = texts().flags.json)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) place: StoreArgs,
}

#[derive(Debug, Args)]
pub(crate) struct SetSubscriberArgs {
    #[arg(help = texts().subscriber.name)]
    pub(crate) name: String,
    #[arg(long, value_name = "U", help = texts().subscriber.set_url)]
    pub(crate) url: Option<String>,
    #[arg(long, value_name = "A", help = texts().subscriber.app_id)]
    pub(crate) app_id: Option<String>,
    #[command(flatten)]
    pub(crate) secret: SecretArgs,
    #[arg(long, value_name = "N", help = texts().subscriber.set_per_second)]
    pub(crate) per_second: Option<u32>,
    #[arg(long, value_enum, value_delimiter = ',', value_name = "enter,leave,release,update", help = texts().subscriber.set_events)]
    pub(crate) events: Vec<SubscribedEvent>,
    #[arg(long, env = "PARKGATE_CONFIG", hide_env_values = true, value_name = "FILE", help = texts().subscriber.gate_config)]
    pub(crate) config: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) place: StoreArgs,
}

#[derive(Debug, Subcommand)]
pub(crate) enum DeliveryCommand {
    #[command(
        about = texts().delivery.list,
        after_help = examples(&["parkgate delivery list --state dead --subscriber city --json"])
    )]
    List {
        #[arg(long, value_enum, help = texts().delivery.state)]
        state: Option<DeliveryStateFilter>,
        #[arg(long, value_name = "N", help = texts().delivery.only_subscriber)]
        subscriber: Option<String>,
        #[arg(long, value_name = "N", default_value_t = 1000, help = texts().flags.limit)]
        limit: usize,
        #[arg(long, help = texts().flags.json)]
        json: bool,
        #[command(flatten)]
        unmask: UnmaskArgs,
        #[command(flatten)]
        place: StoreArgs,
    },
    #[command(about = texts().delivery.show, after_help = examples(&["parkgate delivery show 1-17"]))]
    Show {
        #[arg(value_parser = delivery_id, help = texts().delivery.id)]
        id: DeliveryId,
        #[arg(long, help = texts().flags.json)]
        json: bool,
        #[command(flatten)]
        place: StoreArgs,
    },
    #[command(
        about = texts().delivery.retry,
        after_help = examples(&["parkgate delivery retry 1-17 1-18", "parkgate delivery retry --subscriber city"])
    )]
    Retry {
        #[arg(value_name = "ID", value_parser = delivery_id, required_unless_present = "subscriber", conflicts_with = "subscriber", help = texts().delivery.id)]
        ids: Vec<DeliveryId>,
        #[arg(long, value_name = "N", help = texts().delivery.all_dead)]
        subscriber: Option<String>,
        #[command(flatten)]
        place: StoreArgs,
    },
    #[command(about = texts().delivery.drop, after_help = examples(&["parkgate delivery drop 1-17"]))]
    Drop {
        #[arg(value_name = "ID", value_parser = delivery_id, required_unless_present = "subscriber", conflicts_with = "subscriber", help = texts().delivery.id)]
        ids: Vec<DeliveryId>,
        #[arg(long, value_name = "N", help = texts().delivery.all_dead)]
        subscriber: Option<String>,
        #[command(flatten)]
        place: StoreArgs,
    },
    #[command(
        about = texts().delivery.replay,
        after_help = examples(&["parkgate delivery replay --subscriber city --since 2h"])
    )]
    Replay {
        #[arg(long, value_name = "N", help = texts().delivery.to_whom)]
        subscriber: String,
        #[arg(long, value_name = "T", help = texts().delivery.since)]
        since: String,
        #[command(flatten)]
        place: StoreArgs,
    },
}

/// A delivery's number as the list shows it.
fn delivery_id(text: &str) -> Result<DeliveryId, &'static str> {
    text.parse().map_err(|_| texts().delivery.no_number)
}
