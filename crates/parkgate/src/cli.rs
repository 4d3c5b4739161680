//! Every command and flag, with its help.

mod agent;
mod forward;
mod month;
mod moving;
mod park;
mod simulate;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use parkgate_wire::PushKind;

pub(crate) use agent::{AgentCommand, AgentFileArgs, DeadLetterCommand};
pub(crate) use forward::{
    AddSubscriberArgs, DeliveryCommand, DeliveryFormat, DeliveryStateFilter, SetSubscriberArgs, SubscribedEvent,
    SubscriberCommand,
};
pub(crate) use month::MonthCommand;
pub(crate) use moving::MoveArgs;
pub(crate) use park::{CheckArgs, Http200, ParkCommand, PlateCommand, YesNo};
pub(crate) use simulate::SimulateArgs;

/// 开放的停车场推送平台 · An open, self-hosted parking gate platform
#[derive(Debug, Parser)]
#[command(name = "parkgate", version, max_term_width = 100)]
pub(crate) struct Cli {
    /// 语言 · Language of what people read: zh or en [env: PARKGATE_LANG] [default: the locale's, else zh]
    #[arg(long, global = true, value_name = "LANG", value_parser = ["zh", "en"])]
    pub(crate) lang: Option<String>,
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// 启动平台 · Run the gate
    #[command(
        after_help = "Examples:\n  parkgate serve --demo\n  parkgate serve --listen 0.0.0.0:8080 --data /var/lib/parkgate"
    )]
    Serve(ServeArgs),
    /// 停车场 · Parks
    #[command(subcommand)]
    Park(ParkCommand),
    /// 应用 · Apps that push for several parks
    #[command(subcommand)]
    App(AppCommand),
    /// 停车记录 · Visits
    #[command(subcommand)]
    Visit(VisitCommand),
    /// 隔离区 · Refused pushes, until their cause is mended
    #[command(subcommand)]
    Quarantine(QuarantineCommand),
    /// 流水冲突 · Pushes ignored because another one has their serial
    #[command(subcommand)]
    Conflict(ConflictCommand),
    /// 订阅方 · Platforms that receive each record
    #[command(subcommand)]
    Subscriber(SubscriberCommand),
    /// 投递 · What is still to be delivered, and what was given up
    #[command(subcommand)]
    Delivery(DeliveryCommand),
    /// 迁移 · Move everything to another store, pictures too
    #[command(
        after_help = "Examples:\n  parkgate move --to-store postgres://user@host/parkgate --to-images s3://bucket/pictures\n  parkgate move --store postgres://user@host/parkgate --images s3://bucket/pictures --to-data /var/lib/parkgate-back\n\nThe old store is only read from the beginning on: pushes to it get 503, which their senders keep. Run the same command\nagain after an interruption; --abandon gives a move up that is not finished."
    )]
    Move(MoveArgs),
    /// 按月分区 · Records in a partition a month (PostgreSQL): old ones go by dropping a table
    #[command(subcommand)]
    Month(MonthCommand),
    /// 签名诊断 · The sign doctor: why a signature does not match
    #[command(
        after_help = "Examples:\n  parkgate explain --secret 123 --sign 142FA4A7… park_uuid=P plate=粤B12345\n  parkgate explain --secret 123 --body body.bin --content-type 'multipart/form-data; boundary=x'\n  parkgate explain --secret 123 --request captured.http\n  parkgate explain --secret 123 --string '签名验证不通过[…&app_secret=***]' park_uuid=P plate=粤B12345"
    )]
    Explain(ExplainArgs),
    /// 计算签名 · The canonical string and its sign
    #[command(after_help = "Example:\n  parkgate sign --secret 123 park_uuid=P plate=粤B12345")]
    Sign(SignArgs),
    /// 推送一条记录 · Push one record to any platform of the protocol, or ask it before a vehicle enters
    #[command(
        after_help = "Examples:\n  parkgate push leave --url http://127.0.0.1:8080 --secret 123 park_uuid=49f0cc52-e8c7-41e3-b54d-af666b8cc11a \\\n    parking_serial=S1 plate_color=1 enter_time=1624874732253 leave_time=1624937505093 car_type=1 car_desc=临时车 \\\n    --image leave_image_file=car.jpg\n  parkgate push release --url http://127.0.0.1:8080 --secret 123 park_uuid=49f0cc52-e8c7-41e3-b54d-af666b8cc11a \\\n    parking_serial=S1 release_type=2 release_time=2021-06-29T03:31:45Z plate=粤B12345 operator=张三 reason=道闸故障 \\\n    --image capture_image=car.jpg\n  parkgate push update --url http://127.0.0.1:8080 --secret 123 park_uuid=49f0cc52-e8c7-41e3-b54d-af666b8cc11a \\\n    flow_no=F1 parking_serial=S1 plate=粤B54321 operate_time=2021-06-29T03:31:45Z operator=张三 reason=识别错误\n  parkgate push before --url http://127.0.0.1:8080 --secret 123 park_uuid=49f0cc52-e8c7-41e3-b54d-af666b8cc11a \\\n    plate=粤B12345 plate_color=1 gate_time=1624874732253 gate_id=1 gate_name=东门入口\n\nExit codes: 0 accepted, 3 refused (400/401/403, or the platform does not know the call), 4 not reachable or 5xx,\n5 accepted with a hint. `before` ends with 0 whatever the answer is and prints it: status 1 may enter, -1 may not,\n0 the car park decides, then status_desc, the text for the LED."
    )]
    Push(PushArgs),
    /// 车场代理 · The car park's half: a durable outbox that never gets stuck
    #[command(subcommand)]
    Agent(AgentCommand),
    /// 模拟车场 · The traffic of a car park, honest and faulty, by seed
    #[command(
        after_help = "Examples:\n  parkgate simulate --url http://127.0.0.1:8080 --secret 123 --park 49f0cc52-e8c7-41e3-b54d-af666b8cc11a --rate 50 --for 30s\n  parkgate simulate --url http://127.0.0.1:8080 --secret 123 --park 49f0cc52-e8c7-41e3-b54d-af666b8cc11a --day 24h --rate 0 --through-agent\n  parkgate simulate --day 24h --through-agent=http://127.0.0.1:8070"
    )]
    Simulate(SimulateArgs),
}

/// Where the state is kept.
#[derive(Debug, Args, Default, Clone)]
pub(crate) struct StoreArgs {
    /// Data folder [env: PARKGATE_DATA] [default: parkgate-data]
    #[arg(long, value_name = "DIR")]
    pub(crate) data: Option<PathBuf>,
    /// Store URL: sqlite:DIR in place of --data, or postgres://USER:PASSWORD@HOST/DATABASE beside it [env: PARKGATE_STORE]
    #[arg(long, value_name = "URL")]
    pub(crate) store: Option<String>,
}

/// A secret, not necessarily on the command line where others can see it.
#[derive(Debug, Args, Clone)]
#[group(multiple = false)]
pub(crate) struct SecretArgs {
    /// The secret; `-` reads it from standard input
    #[arg(long, value_name = "S")]
    pub(crate) secret: Option<String>,
    /// A file that holds the secret
    #[arg(long, value_name = "F")]
    pub(crate) secret_file: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct ServeArgs {
    /// Address to listen on; port 0 takes a free one [default: 127.0.0.1:8080]
    #[arg(long, value_name = "ADDR")]
    pub(crate) listen: Option<String>,
    /// Separate address for everything but the protocol: /metrics and /readyz in detail; `off` for none [default:
    /// 127.0.0.1:8081, or a free port if that is taken]
    #[arg(long, value_name = "ADDR")]
    pub(crate) admin_listen: Option<String>,
    #[command(flatten)]
    pub(crate) place: StoreArgs,
    /// Folder of the pictures, or s3://BUCKET/PREFIX with the usual AWS_* variables [default: DATA/images]
    #[arg(long, value_name = "URL")]
    pub(crate) images: Option<String>,
    /// Name of this node, `data_node` of every reply [default: the host's name]
    #[arg(long, value_name = "NAME")]
    pub(crate) node: Option<String>,
    /// Settings file [default: ./parkgate.toml, if there]
    #[arg(long, env = "PARKGATE_CONFIG", hide_env_values = true, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// Make the document's park and print a curl line to try (loopback only)
    #[arg(long)]
    pub(crate) demo: bool,
    /// Decode and verify, record nothing: the ceiling that bench/ measures against
    #[arg(long, hide = true)]
    pub(crate) verify_only: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum AppCommand {
    /// 添加应用 · Add an app; without a secret one is made and printed once
    #[command(
        after_help = "Example:\n  parkgate app add --id op1234567723122 --park 49f0cc52-e8c7-41e3-b54d-af666b8cc11a"
    )]
    Add {
        /// `app_id`: ASCII letters, digits and -_.: (64 at most)
        #[arg(long, value_name = "A")]
        id: String,
        #[command(flatten)]
        secret: SecretArgs,
        /// `api_type` given with the app
        #[arg(long, value_name = "T")]
        api_type: Option<String>,
        /// Parks it may push for
        #[arg(long, value_name = "U", num_args = 1.., required = true)]
        park: Vec<String>,
        /// 输出 JSON · As JSON
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        place: StoreArgs,
    },
    /// 应用列表 · All apps
    #[command(after_help = "Example:\n  parkgate app list --json")]
    List {
        /// 输出 JSON · As JSON
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        place: StoreArgs,
    },
    /// 停用 · Answer its pushes with 403
    #[command(after_help = "Example:\n  parkgate app disable op1234567723122")]
    Disable {
        /// `app_id`
        id: String,
        #[command(flatten)]
        place: StoreArgs,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum VisitCommand {
    /// 停车记录列表 · Visits, newest first
    #[command(
        after_help = "Examples:\n  parkgate visit list --plate 粤B12345\n  parkgate visit list --since 2026-11-01T00:00:00+08:00 --json"
    )]
    List {
        /// Only this park's (`park_uuid`)
        #[arg(long, value_name = "U")]
        park: Option<String>,
        /// Only this plate's
        #[arg(long, value_name = "P")]
        plate: Option<String>,
        /// Only those since: ms, or a time such as 2026-11-01T00:00:00+08:00, or 2h, 7d
        #[arg(long, value_name = "T")]
        since: Option<String>,
        /// At most so many
        #[arg(long, value_name = "N", default_value_t = 50)]
        limit: usize,
        /// 输出 JSON · As JSON
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        place: StoreArgs,
    },
    /// 一条停车记录 · One visit with all that was sent
    #[command(
        after_help = "Example:\n  parkgate visit show 49f0cc52-e8c7-41e3-b54d-af666b8cc11a 202106028000000007 --json"
    )]
    Show {
        /// `park_uuid`
        uuid: String,
        /// `parking_serial`
        serial: String,
        /// 输出 JSON · As JSON
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        place: StoreArgs,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum QuarantineCommand {
    /// 隔离区列表 · What is in it, oldest first
    #[command(after_help = "Example:\n  parkgate quarantine list --park 49f0cc52-e8c7-41e3-b54d-af666b8cc11a --json")]
    List {
        /// Only this park's (`park_uuid`)
        #[arg(long, value_name = "U")]
        park: Option<String>,
        /// At most so many
        #[arg(long, value_name = "N", default_value_t = 1000)]
        limit: usize,
        /// 输出 JSON · As JSON
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        place: StoreArgs,
    },
    /// 一条推送 · One push with all that was sent
    #[command(after_help = "Example:\n  parkgate quarantine show 17")]
    Show {
        /// Its number in the list
        id: i64,
        /// 输出 JSON · As JSON
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        place: StoreArgs,
    },
    /// 重放 · Admit them again, oldest first; what is accepted leaves the quarantine
    #[command(
        after_help = "Examples:\n  parkgate quarantine replay --park 49f0cc52-e8c7-41e3-b54d-af666b8cc11a\n  parkgate quarantine replay 17 18"
    )]
    Replay {
        /// Only these
        #[arg(value_name = "ID")]
        ids: Vec<i64>,
        /// Only this park's (`park_uuid`)
        #[arg(long, value_name = "U")]
        park: Option<String>,
        /// 输出 JSON · As JSON
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        place: StoreArgs,
    },
    /// 删除 · Give them up for good
    #[command(
        after_help = "Examples:\n  parkgate quarantine drop 17 18\n  parkgate quarantine drop --all --park 49f0cc52-e8c7-41e3-b54d-af666b8cc11a"
    )]
    Drop {
        /// Only these
        #[arg(value_name = "ID")]
        ids: Vec<i64>,
        /// All, or all of a park
        #[arg(long)]
        all: bool,
        /// Only this park's (`park_uuid`)
        #[arg(long, value_name = "U")]
        park: Option<String>,
        #[command(flatten)]
        place: StoreArgs,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum ConflictCommand {
    /// 冲突列表 · Ignored pushes and how they differ, newest first
    #[command(after_help = "Example:\n  parkgate conflict list --park 49f0cc52-e8c7-41e3-b54d-af666b8cc11a --json")]
    List {
        /// Only this park's (`park_uuid`)
        #[arg(long, value_name = "U")]
        park: Option<String>,
        /// At most so many
        #[arg(long, value_name = "N", default_value_t = 50)]
        limit: usize,
        /// 输出 JSON · As JSON
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        place: StoreArgs,
    },
}

#[derive(Debug, Args)]
pub(crate) struct ExplainArgs {
    #[command(flatten)]
    pub(crate) secret: SecretArgs,
    /// The sign that was sent, if it is not among the parameters
    #[arg(long, value_name = "X")]
    pub(crate) sign: Option<String>,
    /// Parameters as they were sent, `name=value`
    #[arg(value_name = "k=v")]
    pub(crate) params: Vec<String>,
    /// A captured body
    #[arg(long, value_name = "FILE", conflicts_with = "params")]
    pub(crate) body: Option<PathBuf>,
    /// Its content type [default: application/x-www-form-urlencoded]
    #[arg(long, value_name = "T", requires = "body")]
    pub(crate) content_type: Option<String>,
    /// A captured HTTP request: headers, an empty line, the body
    #[arg(long, value_name = "FILE", conflicts_with_all = ["params", "body"])]
    pub(crate) request: Option<PathBuf>,
    /// The platform's hint, or its whole reply, pasted; `@FILE` reads it from a file
    #[arg(long, value_name = "S")]
    pub(crate) string: Option<String>,
    /// Other secrets that may have been used by mistake
    #[arg(long, value_name = "S")]
    pub(crate) other_secret: Vec<String>,
    /// 输出 JSON · As JSON
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct SignArgs {
    #[command(flatten)]
    pub(crate) secret: SecretArgs,
    /// Parameters, `name=value`
    #[arg(value_name = "k=v")]
    pub(crate) params: Vec<String>,
    /// 输出 JSON · As JSON
    #[arg(long)]
    pub(crate) json: bool,
}

/// A record, by its call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum PushCall {
    Leave,
    Enter,
    Release,
    Update,
}

impl PushCall {
    pub(crate) fn kind(self) -> PushKind {
        match self {
            PushCall::Leave => PushKind::Leave,
            PushCall::Enter => PushKind::Enter,
            PushCall::Release => PushKind::Release,
            PushCall::Update => PushKind::Update,
        }
    }
}

/// What `push` sends: a record, or the question before entering.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum SentCall {
    Leave,
    Enter,
    Release,
    Update,
    Before,
}

#[derive(Debug, Args)]
pub(crate) struct PushArgs {
    /// What it is: `release` was opened by hand, `update` corrects a stay, `before` asks whether a vehicle may enter
    pub(crate) call: SentCall,
    /// The platform: its root, or the full address of the call
    #[arg(long, value_name = "U")]
    pub(crate) url: String,
    #[command(flatten)]
    pub(crate) secret: SecretArgs,
    /// Parameters, `name=value`
    #[arg(value_name = "k=v")]
    pub(crate) params: Vec<String>,
    /// A picture: `leave_image_file=PATH`, its hash is computed; of a release `capture_image=PATH`
    #[arg(long, value_name = "FIELD=PATH")]
    pub(crate) image: Vec<String>,
    /// A JSON object with protocol names; `k=v` go before
    #[arg(long, value_name = "FILE")]
    pub(crate) json: Option<PathBuf>,
    /// 输出平台应答的 JSON · The platform's reply as JSON
    #[arg(long)]
    pub(crate) as_json: bool,
}
