//! What each command does, a file each.

mod agent;
mod app;
mod conflict;
mod delivery;
mod demo;
mod explain;
mod month;
mod moving;
mod park;
mod push;
mod quarantine;
mod secret;
mod serve;
mod sign;
mod signals;
mod subscriber;
mod visit;

use std::sync::Arc;

use anyhow::bail;
use parkgate_store::Store;

use crate::cli::{Cli, Command, Place};
use crate::config::state;
use crate::output::misuse;
use crate::simulate;

/// Runs one command; its exit code.
pub(crate) fn run(cli: Cli) -> anyhow::Result<u8> {
    match cli.command {
        Command::Serve(args) => serve::run(&args).map(|()| 0),
        Command::Park(args) => park::run(args).map(|()| 0),
        Command::App(args) => app::run(args).map(|()| 0),
        Command::Visit(args) => visit::run(args).map(|()| 0),
        Command::Quarantine(args) => quarantine::run(args).map(|()| 0),
        Command::Conflict(args) => conflict::run(args).map(|()| 0),
        Command::Subscriber(args) => subscriber::run(args).map(|()| 0),
        Command::Delivery(args) => delivery::run(args).map(|()| 0),
        Command::Month(args) => month::run(args).map(|()| 0),
        Command::Move(args) => moving::run(&args).map(|()| 0),
        Command::Explain(args) => explain::run(&args).map(|()| 0),
        Command::Sign(args) => sign::run(&args).map(|()| 0),
        Command::Agent(args) => agent::run(args).map(|()| 0),
        Command::Push(args) => push::run(&args),
        Command::Simulate(args) => {
            let secret = secret::given(&args.secret)?;
            simulate::run(&args, secret).map(|is_whole| u8::from(!is_whole))
        }
    }
}

/// Opens the state a command works on; only `park add` and `serve` make it, so that a mistyped folder is told.
fn open(place: &Place) -> anyhow::Result<Arc<dyn Store>> {
    let state = state(place)?;
    if !state.data.is_dir() && state.url.is_none() {
        bail!(
            "没有数据目录 {0}: 用 --data 指定, 或先 `parkgate park add` (no data folder {0}: say --data DIR)",
            state.data.display()
        );
    }
    state.open()
}

/// Opens the state, making it on first use.
fn open_or_make(place: &Place) -> anyhow::Result<Arc<dyn Store>> {
    state(place)?.open()
}

/// `name=value` pairs as typed.
fn pairs(params: &[String]) -> anyhow::Result<Vec<(&str, &str)>> {
    params
        .iter()
        .map(|param| {
            param.split_once('=').ok_or_else(|| misuse(format!("`{param}`: 参数应写成 name=value (write name=value)")))
        })
        .collect()
}
