//! `agent`: commands and flags.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use parkgate_text::texts;

use super::{PushCall, examples, examples_and};

/// The agent's settings file.
#[derive(Debug, Args, Clone)]
pub(crate) struct AgentFileArgs {
    #[arg(long, value_name = "FILE", default_value = "agent.toml", help = texts().agent.config)]
    pub(crate) config: PathBuf,
}

#[derive(Debug, Subcommand)]
pub(crate) enum AgentCommand {
    #[command(
        about = texts().agent.run,
        after_help = examples_and(&["parkgate agent run --config agent.toml"], texts().agent.run_notes)
    )]
    Run {
        #[command(flatten)]
        file: AgentFileArgs,
    },
    #[command(
        about = texts().agent.add,
        after_help = examples(&[
            "parkgate agent add leave parking_serial=S1 plate=粤B12345 plate_color=1 enter_time=1624874732253 leave_time=1624937505093 car_type=1 car_desc=临时车 --image leave_image_file=car.jpg",
            "parkgate agent add release parking_serial=S1 release_type=2 plate=粤B12345 operator=张三 reason=道闸故障 --image capture_image=car.jpg",
            "parkgate agent add update flow_no=F1 parking_serial=S1 plate=粤B54321 operator=张三 reason=识别错误",
        ])
    )]
    Add {
        call: PushCall,
        #[arg(value_name = "k=v", help = texts().flags.params)]
        params: Vec<String>,
        #[arg(long, value_name = "FIELD=PATH", help = texts().agent.image)]
        image: Vec<String>,
        #[command(flatten)]
        file: AgentFileArgs,
    },
    #[command(
        about = texts().agent.status,
        after_help = examples(&["parkgate agent status --config agent.toml --json"])
    )]
    Status {
        #[arg(long, help = texts().flags.json)]
        json: bool,
        #[command(flatten)]
        file: AgentFileArgs,
    },
    #[command(about = texts().agent.check, after_help = examples(&["parkgate agent check --config agent.toml"]))]
    Check {
        #[arg(long, help = texts().flags.json)]
        json: bool,
        #[command(flatten)]
        file: AgentFileArgs,
    },
    #[command(subcommand, about = texts().agent.dead)]
    Dead(DeadLetterCommand),
}

#[derive(Debug, Subcommand)]
pub(crate) enum DeadLetterCommand {
    #[command(about = texts().agent.dead_list, after_help = examples(&["parkgate agent dead list --json"]))]
    List {
        #[arg(long, help = texts().flags.json)]
        json: bool,
        #[command(flatten)]
        file: AgentFileArgs,
    },
    #[command(about = texts().agent.dead_show, after_help = examples(&["parkgate agent dead show 17"]))]
    Show {
        #[arg(help = texts().flags.number)]
        id: i64,
        #[arg(long, help = texts().flags.json)]
        json: bool,
        #[command(flatten)]
        file: AgentFileArgs,
    },
    #[command(about = texts().agent.dead_retry, after_help = examples(&["parkgate agent dead retry 17"]))]
    Retry {
        #[arg(value_name = "ID", help = texts().flags.only_these)]
        ids: Vec<i64>,
        #[command(flatten)]
        file: AgentFileArgs,
    },
    #[command(about = texts().agent.dead_drop, after_help = examples(&["parkgate agent dead drop 17"]))]
    Drop {
        #[arg(value_name = "ID", required = true, help = texts().agent.these)]
        ids: Vec<i64>,
        #[command(flatten)]
        file: AgentFileArgs,
    },
}
