//! What each command does, a file each.

mod app;
mod demo;
mod park;
mod push;
mod secret;
mod serve;
mod sign;
mod visit;

use std::sync::Arc;

use anyhow::Context;
use parkgate_store::Store;

use crate::cli::{Cli, Command, Place};
use crate::config::data_folder;

/// Runs one command; its exit code.
pub(crate) fn run(cli: Cli) -> anyhow::Result<u8> {
    match cli.command {
        Command::Serve(args) => serve::run(&args).map(|()| 0),
        Command::Park(args) => park::run(args).map(|()| 0),
        Command::App(args) => app::run(args).map(|()| 0),
        Command::Visit(args) => visit::run(args).map(|()| 0),
        Command::Sign(args) => sign::run(&args).map(|()| 0),
        Command::Push(args) => push::run(&args),
    }
}

/// Opens the state a command works on; it is never made by a command that only reads it.
fn open(place: &Place) -> anyhow::Result<Arc<dyn Store>> {
    let data = data_folder(place)?;
    parkgate_store::open(&data).with_context(|| format!("数据目录 data folder {}", data.display()))
}

/// `name=value` pairs as typed.
fn pairs(params: &[String]) -> anyhow::Result<Vec<(&str, &str)>> {
    params
        .iter()
        .map(|param| {
            param.split_once('=').with_context(|| format!("`{param}`: 参数应写成 name=value (write name=value)"))
        })
        .collect()
}
