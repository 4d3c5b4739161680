//! `agent`: commands and flags.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::PushCall;

/// The agent's settings file.
#[derive(Debug, Args, Clone)]
pub(crate) struct AgentFileArgs {
    /// The agent's settings
    #[arg(long, value_name = "FILE", default_value = "agent.toml")]
    pub(crate) config: PathBuf,
}

#[derive(Debug, Subcommand)]
pub(crate) enum AgentCommand {
    /// 运行 · Take records and send them
    #[command(
        after_help = "Example:\n  parkgate agent run --config agent.toml\n\nThe file, at least:\n  data = \"agent-data\"\n  listen = \"127.0.0.1:8070\"\n  [platform]\n  url = \"http://127.0.0.1:8080\"\n  park_uuid = \"49f0cc52-e8c7-41e3-b54d-af666b8cc11a\"\n  secret = \"123\"\n\nEverything else has a default (docs/settings.md), among them: spool, spool_picture_wait, on_hint, on_too_large, token, hosts."
    )]
    Run {
        #[command(flatten)]
        file: AgentFileArgs,
    },
    /// 添加记录 · Put a record into the outbox, whether or not the agent runs
    #[command(
        after_help = "Examples:\n  parkgate agent add leave parking_serial=S1 plate=粤B12345 plate_color=1 enter_time=1624874732253 \\\n    leave_time=1624937505093 car_type=1 car_desc=临时车 --image leave_image_file=car.jpg\n  parkgate agent add release parking_serial=S1 release_type=2 plate=粤B12345 operator=张三 \\\n    reason=道闸故障 --image capture_image=car.jpg\n  parkgate agent add update flow_no=F1 parking_serial=S1 plate=粤B54321 operator=张三 reason=识别错误"
    )]
    Add {
        call: PushCall,
        /// Parameters, `name=value`
        #[arg(value_name = "k=v")]
        params: Vec<String>,
        /// A picture: `leave_image_file=PATH`, of a release `capture_image=PATH`
        #[arg(long, value_name = "FIELD=PATH")]
        image: Vec<String>,
        #[command(flatten)]
        file: AgentFileArgs,
    },
    /// 状态 · The outbox at a glance
    #[command(after_help = "Example:\n  parkgate agent status --config agent.toml --json")]
    Status {
        /// 输出 JSON · As JSON
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        file: AgentFileArgs,
    },
    /// 检查 · The address, the line, the clock and the secret, before the first record
    #[command(after_help = "Example:\n  parkgate agent check --config agent.toml")]
    Check {
        /// 输出 JSON · As JSON
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        file: AgentFileArgs,
    },
    /// 死信 · Records that the platform refused
    #[command(subcommand)]
    Dead(DeadLetterCommand),
}

#[derive(Debug, Subcommand)]
pub(crate) enum DeadLetterCommand {
    /// 列表 · Dead letters, oldest first
    #[command(after_help = "Example:\n  parkgate agent dead list --json")]
    List {
        /// 输出 JSON · As JSON
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        file: AgentFileArgs,
    },
    /// 一条记录 · One of them with all that was to be sent
    #[command(after_help = "Example:\n  parkgate agent dead show 17")]
    Show {
        /// Its number in the list
        id: i64,
        /// 输出 JSON · As JSON
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        file: AgentFileArgs,
    },
    /// 重发 · Send them once more; all of them if no numbers are given
    #[command(after_help = "Example:\n  parkgate agent dead retry 17")]
    Retry {
        /// Only these
        #[arg(value_name = "ID")]
        ids: Vec<i64>,
        #[command(flatten)]
        file: AgentFileArgs,
    },
    /// 删除 · Give them up for good
    #[command(after_help = "Example:\n  parkgate agent dead drop 17")]
    Drop {
        /// These
        #[arg(value_name = "ID", required = true)]
        ids: Vec<i64>,
        #[command(flatten)]
        file: AgentFileArgs,
    },
}
