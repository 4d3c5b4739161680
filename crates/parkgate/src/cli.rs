//! Every command and flag, with its help.

mod agent;
mod app;
mod audit;
mod backup;
mod check;
mod config;
mod export;
mod forget;
mod forward;
mod help;
mod key;
mod month;
mod moving;
mod park;
mod program;
mod sheets;
mod simulate;
mod wrong_use;

use std::ffi::OsString;
use std::path::PathBuf;

use clap::error::ErrorKind;
use clap::{Args, CommandFactory, Parser, Subcommand, ValueEnum};
use parkgate_text::texts;
use parkgate_wire::PushKind;

pub(crate) use agent::{AgentCommand, AgentFileArgs, DeadLetterCommand};
pub(crate) use app::AppCommand;
pub(crate) use audit::{AuditCommand, UnmaskArgs};
pub(crate) use backup::{BackupArgs, RestoreArgs};
pub(crate) use check::StateCheckArgs;
pub(crate) use config::ConfigCommand;
pub(crate) use export::{ExportArgs, ExportFormat, ExportWhat, HeaderLang};
pub(crate) use forget::{ForgetArgs, PersonArgs};
pub(crate) use forward::{
    AddSubscriberArgs, DeliveryCommand, DeliveryFormat, DeliveryStateFilter, SetSubscriberArgs, SubscribedEvent,
    SubscriberCommand,
};
pub(crate) use help::{examples, examples_and};
pub(crate) use key::KeyCommand;
pub(crate) use month::MonthCommand;
pub(crate) use moving::MoveArgs;
pub(crate) use park::{CheckArgs, Http200, ParkCommand, ParkListArgs, ParkOrder, PlateCommand, YesNo};
pub(crate) use program::{CompletionsArgs, HealthArgs, ManArgs};
pub(crate) use sheets::{ImportArgs, ListExportArgs, ListFormat, ParkImportArgs};
pub(crate) use simulate::SimulateArgs;

#[derive(Debug, Parser)]
#[command(name = "parkgate", version, about = texts().commands.about, max_term_width = 100)]
pub(crate) struct Cli {
    #[arg(long, global = true, value_name = "LANG", value_parser = ["zh", "en"], help = texts().commands.lang)]
    pub(crate) lang: Option<String>,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// The command that these words are; where they are none, what to print instead.
pub(crate) fn parse(words: &[OsString]) -> Result<Cli, Refused> {
    Cli::try_parse_from(words).map_err(|plain| {
        // Once more, now with the pages of help: to lay them out for every run would be work for nothing.
        let error = help::with_pages(Cli::command()).try_get_matches_from(words).err().unwrap_or(plain);
        let text = match error.kind() {
            ErrorKind::DisplayHelp
            | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand
            | ErrorKind::DisplayVersion => error.render().ansi().to_string(),
            _ => wrong_use::described(&error),
        };
        Refused { text, is_error: error.use_stderr(), exit_code: u8::try_from(error.exit_code()).unwrap_or(2) }
    })
}

/// What is printed in place of running a command.
#[derive(Debug)]
pub(crate) struct Refused {
    pub(crate) text: String,
    /// It goes to stderr.
    pub(crate) is_error: bool,
    pub(crate) exit_code: u8,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    #[command(
        about = texts().commands.serve,
        after_help = examples(&[
            "parkgate serve --demo",
            "parkgate serve --listen 0.0.0.0:8080 --data /var/lib/parkgate",
        ])
    )]
    Serve(ServeArgs),
    #[command(subcommand, about = texts().commands.park)]
    Park(ParkCommand),
    #[command(subcommand, about = texts().commands.app)]
    App(AppCommand),
    #[command(subcommand, about = texts().commands.visit)]
    Visit(VisitCommand),
    #[command(subcommand, about = texts().commands.quarantine)]
    Quarantine(QuarantineCommand),
    #[command(subcommand, about = texts().commands.conflict)]
    Conflict(ConflictCommand),
    #[command(subcommand, about = texts().commands.subscriber)]
    Subscriber(SubscriberCommand),
    #[command(subcommand, about = texts().commands.delivery)]
    Delivery(DeliveryCommand),
    #[command(
        about = texts().commands.moving,
        after_help = examples_and(&[
            "parkgate move --to-store postgres://user@host/parkgate --to-images s3://bucket/pictures",
            "parkgate move --store postgres://user@host/parkgate --images s3://bucket/pictures --to-data /var/lib/parkgate-back",
        ], texts().moving.notes)
    )]
    Move(MoveArgs),
    #[command(
        about = texts().backup.about,
        after_help = examples_and(&[
            "parkgate backup /mnt/backup --keep 14",
            "parkgate backup s3://bucket/parkgate",
            "parkgate backup - | ssh backup@host 'cat > parkgate.tar'",
        ], texts().backup.notes)
    )]
    Backup(BackupArgs),
    #[command(
        about = texts().backup.restore_about,
        after_help = examples_and(&[
            "parkgate restore /mnt/backup --data /var/lib/parkgate",
            "parkgate restore s3://bucket/parkgate --data /var/lib/parkgate --key-file master.key",
            "ssh backup@host 'cat parkgate.tar' | parkgate restore - --data /var/lib/parkgate",
            "parkgate restore /mnt/backup --dry-run",
        ], texts().backup.restore_notes)
    )]
    Restore(RestoreArgs),
    #[command(
        about = texts().check.about,
        after_help = examples_and(&[
            "parkgate check",
            "parkgate check --mend",
            "parkgate check --max-mb-per-second 20 --json",
        ], texts().check.notes)
    )]
    Check(StateCheckArgs),
    Forget(ForgetArgs),
    Person(PersonArgs),
    #[command(
        about = texts().export.about,
        after_help = examples_and(&[
            "parkgate export visits --since 2026-11-01T00:00:00+08:00 --out visits.xlsx",
            "parkgate export payments --park 49f0cc52-e8c7-41e3-b54d-af666b8cc11a > payments.csv",
            "parkgate export records --format jsonl --after 120000 > records.jsonl",
        ], texts().export.notes)
    )]
    Export(ExportArgs),
    #[command(subcommand, about = texts().commands.month)]
    Month(MonthCommand),
    #[command(subcommand, about = texts().key.about)]
    Key(KeyCommand),
    #[command(subcommand, about = texts().audit.about)]
    Audit(AuditCommand),
    #[command(
        about = texts().commands.explain,
        after_help = examples(&[
            "parkgate explain --secret 123 --sign 142FA4A7… park_uuid=P plate=粤B12345",
            "parkgate explain --secret 123 --body body.bin --content-type 'multipart/form-data; boundary=x'",
            "parkgate explain --secret 123 --request captured.http",
            "parkgate explain --secret 123 --string '签名验证不通过[…&app_secret=***]' park_uuid=P plate=粤B12345",
        ])
    )]
    Explain(ExplainArgs),
    #[command(
        about = texts().commands.sign,
        after_help = examples(&["parkgate sign --secret 123 park_uuid=P plate=粤B12345"])
    )]
    Sign(SignArgs),
    #[command(
        about = texts().commands.push,
        after_help = examples_and(&[
            "parkgate push leave --url http://127.0.0.1:8080 --secret 123 park_uuid=49f0cc52-e8c7-41e3-b54d-af666b8cc11a parking_serial=S1 plate_color=1 enter_time=1624874732253 leave_time=1624937505093 car_type=1 car_desc=临时车 --image leave_image_file=car.jpg",
            "parkgate push release --url http://127.0.0.1:8080 --secret 123 park_uuid=49f0cc52-e8c7-41e3-b54d-af666b8cc11a parking_serial=S1 release_type=2 release_time=2021-06-29T03:31:45Z plate=粤B12345 operator=张三 reason=道闸故障 --image capture_image=car.jpg",
            "parkgate push update --url http://127.0.0.1:8080 --secret 123 park_uuid=49f0cc52-e8c7-41e3-b54d-af666b8cc11a flow_no=F1 parking_serial=S1 plate=粤B54321 operate_time=2021-06-29T03:31:45Z operator=张三 reason=识别错误",
            "parkgate push before --url http://127.0.0.1:8080 --secret 123 park_uuid=49f0cc52-e8c7-41e3-b54d-af666b8cc11a plate=粤B12345 plate_color=1 gate_time=1624874732253 gate_id=1 gate_name=东门入口",
        ], texts().push.notes)
    )]
    Push(PushArgs),
    #[command(subcommand, about = texts().commands.agent)]
    Agent(AgentCommand),
    #[command(
        about = texts().commands.simulate,
        after_help = examples(&[
            "parkgate simulate --url http://127.0.0.1:8080 --secret 123 --park 49f0cc52-e8c7-41e3-b54d-af666b8cc11a --rate 50 --for 30s",
            "parkgate simulate --url http://127.0.0.1:8080 --secret 123 --park 49f0cc52-e8c7-41e3-b54d-af666b8cc11a --day 24h --rate 0 --through-agent",
            "parkgate simulate --day 24h --through-agent=http://127.0.0.1:8070",
        ])
    )]
    Simulate(SimulateArgs),
    #[command(subcommand, about = texts().config.about)]
    Config(ConfigCommand),
    #[command(
        about = texts().program.health_about,
        after_help = examples_and(&[
            "parkgate health",
            "parkgate health --url https://127.0.0.1:8443",
        ], texts().program.health_notes)
    )]
    Health(HealthArgs),
    #[command(
        about = texts().program.completions_about,
        after_help = examples(&[
            "parkgate completions bash > /etc/bash_completion.d/parkgate",
            "parkgate completions fish > ~/.config/fish/completions/parkgate.fish",
        ])
    )]
    Completions(CompletionsArgs),
    #[command(
        about = texts().program.man_about,
        after_help = examples(&[
            "parkgate man | man -l -",
            "parkgate man --out /usr/local/share/man/man1",
        ])
    )]
    Man(ManArgs),
}

/// Where the state is kept.
#[derive(Debug, Args, Default, Clone)]
pub(crate) struct StoreArgs {
    #[arg(long, value_name = "DIR", help = texts().flags.data)]
    pub(crate) data: Option<PathBuf>,
    #[arg(long, value_name = "URL", help = texts().flags.store)]
    pub(crate) store: Option<String>,
}

/// A secret, not necessarily on the command line where others can see it.
#[derive(Debug, Args, Clone)]
#[group(multiple = false)]
pub(crate) struct SecretArgs {
    #[arg(long, value_name = "S", help = texts().flags.secret)]
    pub(crate) secret: Option<String>,
    #[arg(long, value_name = "F", help = texts().flags.secret_file)]
    pub(crate) secret_file: Option<PathBuf>,
}

/// The settings of a gate that can be given as flags, and the file with the others.
#[derive(Debug, Args)]
pub(crate) struct SettingArgs {
    #[arg(long, value_name = "ADDR", help = texts().serve.listen)]
    pub(crate) listen: Option<String>,
    #[arg(long, value_name = "ADDR", help = texts().serve.admin_listen)]
    pub(crate) admin_listen: Option<String>,
    #[command(flatten)]
    pub(crate) place: StoreArgs,
    #[arg(long, value_name = "URL", help = texts().serve.images)]
    pub(crate) images: Option<String>,
    #[arg(long, value_name = "NAME", help = texts().serve.node)]
    pub(crate) node: Option<String>,
    #[arg(long, env = "PARKGATE_CONFIG", hide_env_values = true, value_name = "FILE", help = texts().flags.config)]
    pub(crate) config: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct ServeArgs {
    #[command(flatten)]
    pub(crate) settings: SettingArgs,
    #[arg(long, help = texts().serve.demo)]
    pub(crate) demo: bool,
    #[arg(long, hide = true, help = texts().serve.verify_only)]
    pub(crate) verify_only: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum VisitCommand {
    #[command(
        about = texts().visit.list,
        after_help = examples(&[
            "parkgate visit list --plate 粤B12345",
            "parkgate visit list --since 2026-11-01T00:00:00+08:00 --json",
        ])
    )]
    List {
        #[arg(long, value_name = "U", help = texts().flags.only_park)]
        park: Option<String>,
        #[arg(long, value_name = "P", help = texts().visit.plate)]
        plate: Option<String>,
        #[arg(long, value_name = "T", help = texts().flags.since)]
        since: Option<String>,
        #[arg(long, value_name = "N", default_value_t = 50, help = texts().flags.limit)]
        limit: usize,
        #[arg(long, help = texts().flags.json)]
        json: bool,
        #[command(flatten)]
        unmask: UnmaskArgs,
        #[command(flatten)]
        place: StoreArgs,
    },
    #[command(
        about = texts().visit.show,
        after_help = examples(&["parkgate visit show 49f0cc52-e8c7-41e3-b54d-af666b8cc11a 202106028000000007 --json"])
    )]
    Show {
        #[arg(help = texts().flags.park_uuid)]
        uuid: String,
        #[arg(help = texts().visit.serial)]
        serial: String,
        #[arg(long, help = texts().flags.json)]
        json: bool,
        #[command(flatten)]
        unmask: UnmaskArgs,
        #[command(flatten)]
        place: StoreArgs,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum QuarantineCommand {
    #[command(
        about = texts().quarantine.list,
        after_help = examples(&["parkgate quarantine list --park 49f0cc52-e8c7-41e3-b54d-af666b8cc11a --json"])
    )]
    List {
        #[arg(long, value_name = "U", help = texts().flags.only_park)]
        park: Option<String>,
        #[arg(long, value_name = "N", default_value_t = 1000, help = texts().flags.limit)]
        limit: usize,
        #[arg(long, help = texts().flags.json)]
        json: bool,
        #[command(flatten)]
        unmask: UnmaskArgs,
        #[command(flatten)]
        place: StoreArgs,
    },
    #[command(about = texts().quarantine.show, after_help = examples(&["parkgate quarantine show 17"]))]
    Show {
        #[arg(help = texts().flags.number)]
        id: i64,
        #[arg(long, help = texts().flags.json)]
        json: bool,
        #[command(flatten)]
        unmask: UnmaskArgs,
        #[command(flatten)]
        place: StoreArgs,
    },
    #[command(
        about = texts().quarantine.replay,
        after_help = examples(&[
            "parkgate quarantine replay --park 49f0cc52-e8c7-41e3-b54d-af666b8cc11a",
            "parkgate quarantine replay 17 18",
        ])
    )]
    Replay {
        #[arg(value_name = "ID", help = texts().flags.only_these)]
        ids: Vec<i64>,
        #[arg(long, value_name = "U", help = texts().flags.only_park)]
        park: Option<String>,
        #[arg(long, help = texts().flags.json)]
        json: bool,
        #[command(flatten)]
        place: StoreArgs,
    },
    #[command(
        about = texts().quarantine.drop,
        after_help = examples(&[
            "parkgate quarantine drop 17 18",
            "parkgate quarantine drop --all --park 49f0cc52-e8c7-41e3-b54d-af666b8cc11a",
        ])
    )]
    Drop {
        #[arg(value_name = "ID", help = texts().flags.only_these)]
        ids: Vec<i64>,
        #[arg(long, help = texts().quarantine.all)]
        all: bool,
        #[arg(long, value_name = "U", help = texts().flags.only_park)]
        park: Option<String>,
        #[command(flatten)]
        place: StoreArgs,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum ConflictCommand {
    #[command(
        about = texts().conflict.list,
        after_help = examples(&["parkgate conflict list --park 49f0cc52-e8c7-41e3-b54d-af666b8cc11a --json"])
    )]
    List {
        #[arg(long, value_name = "U", help = texts().flags.only_park)]
        park: Option<String>,
        #[arg(long, value_name = "N", default_value_t = 50, help = texts().flags.limit)]
        limit: usize,
        #[arg(long, help = texts().flags.json)]
        json: bool,
        #[command(flatten)]
        unmask: UnmaskArgs,
        #[command(flatten)]
        place: StoreArgs,
    },
}

#[derive(Debug, Args)]
pub(crate) struct ExplainArgs {
    #[command(flatten)]
    pub(crate) secret: SecretArgs,
    #[arg(long, value_name = "X", help = texts().explain.sign)]
    pub(crate) sign: Option<String>,
    #[arg(value_name = "k=v", help = texts().explain.params)]
    pub(crate) params: Vec<String>,
    #[arg(long, value_name = "FILE", conflicts_with = "params", help = texts().explain.body)]
    pub(crate) body: Option<PathBuf>,
    #[arg(long, value_name = "T", requires = "body", help = texts().explain.content_type)]
    pub(crate) content_type: Option<String>,
    #[arg(long, value_name = "FILE", conflicts_with_all = ["params", "body"], help = texts().explain.request)]
    pub(crate) request: Option<PathBuf>,
    #[arg(long, value_name = "S", help = texts().explain.string)]
    pub(crate) string: Option<String>,
    #[arg(long, value_name = "S", help = texts().explain.other_secret)]
    pub(crate) other_secret: Vec<String>,
    #[arg(long, help = texts().flags.json)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct SignArgs {
    #[command(flatten)]
    pub(crate) secret: SecretArgs,
    #[arg(value_name = "k=v", help = texts().flags.params)]
    pub(crate) params: Vec<String>,
    #[arg(long, help = texts().flags.json)]
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
    #[arg(help = texts().push.call)]
    pub(crate) call: SentCall,
    #[arg(long, value_name = "U", help = texts().push.url)]
    pub(crate) url: String,
    #[command(flatten)]
    pub(crate) secret: SecretArgs,
    #[arg(value_name = "k=v", help = texts().flags.params)]
    pub(crate) params: Vec<String>,
    #[arg(long, value_name = "FIELD=PATH", help = texts().push.image)]
    pub(crate) image: Vec<String>,
    #[arg(long, value_name = "FILE", help = texts().push.json_file)]
    pub(crate) json: Option<PathBuf>,
    #[arg(long, help = texts().push.as_json)]
    pub(crate) as_json: bool,
}
