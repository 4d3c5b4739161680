//! What each command does, a file each.

mod agent;
mod app;
mod audit;
mod audited;
mod backup;
mod check;
mod config;
mod conflict;
mod delivery;
mod demo;
mod explain;
mod export;
mod forget;
mod key;
mod last_alarm;
mod list_export;
mod list_import;
mod month;
mod moving;
mod park;
mod person;
mod program;
mod push;
mod quarantine;
mod restore;
mod running;
mod secret;
mod serve;
mod sign;
mod signals;
mod subscriber;
mod supervisor;
mod visit;

use std::path::Path;
use std::sync::Arc;

use anyhow::bail;
use parkgate_store::moving::At;
use parkgate_store::{MasterKey, Store};
use parkgate_text::{either, texts};
use parkgate_wire::{Naming, PushKind};

use crate::cli::{Cli, Command, StoreArgs};
use crate::config::{State, state, state_by};
use crate::output::{self, misuse};
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
        Command::Forget(args) => forget::run(&args).map(|()| 0),
        Command::Person(args) => person::run(&args).map(|()| 0),
        Command::Export(args) => export::run(&args).map(|()| 0),
        Command::Month(args) => month::run(args).map(|()| 0),
        Command::Backup(args) => backup::run(&args).map(|()| 0),
        Command::Restore(args) => restore::run(&args).map(|()| 0),
        Command::Check(args) => check::run(&args),
        Command::Move(args) => moving::run(&args).map(|()| 0),
        Command::Key(args) => key::run(args).map(|()| 0),
        Command::Audit(args) => audit::run(args).map(|()| 0),
        Command::Explain(args) => explain::run(&args).map(|()| 0),
        Command::Sign(args) => sign::run(&args).map(|()| 0),
        Command::Agent(args) => agent::run(args).map(|()| 0),
        Command::Config(args) => config::run(args).map(|()| 0),
        Command::Health(args) => program::health(&args).map(|()| 0),
        Command::Completions(args) => program::completions(&args).map(|()| 0),
        Command::Man(args) => program::man(&args).map(|()| 0),
        Command::Push(args) => push::run(&args),
        Command::Simulate(args) => {
            let secret = secret::given(&args.secret)?;
            simulate::run(&args, secret).map(|is_whole| u8::from(!is_whole))
        }
    }
}

/// Opens the state a command works on; only `park add` and `serve` create it, so that a mistyped folder is an error.
fn open(place: &StoreArgs) -> anyhow::Result<Arc<Store>> {
    open_by(place, None)
}

/// The same, with a settings file that was named.
fn open_by(place: &StoreArgs, config: Option<&Path>) -> anyhow::Result<Arc<Store>> {
    let state = state_by(place, config)?;
    if !state.data.is_dir() && state.url.is_none() {
        bail!((texts().state.no_data)(&state.data.display().to_string()));
    }
    opened(&state)
}

/// Opens the state, creating it on first use.
fn open_or_make(place: &StoreArgs) -> anyhow::Result<Arc<Store>> {
    opened(&state(place)?)
}

/// Opens it, and says if a master key was made: nobody backs up a key they do not know of.
fn opened(state: &State) -> anyhow::Result<Arc<Store>> {
    let key = MasterKey::file(&state.data);
    let was_there = key.exists();
    let store = state.open()?;
    if !was_there && key.exists() {
        let path = std::path::absolute(&key).unwrap_or(key);
        output::remark(&(texts().state.key_made)(&path.display().to_string()));
        if state.url.is_some() {
            output::remark(texts().state.key_of_nodes);
        }
    }
    Ok(store)
}

/// Where a store is, for what works on both its data folder and its database.
fn at(state: &State) -> At<'_> {
    At { data: &state.data, url: state.url.as_ref().map(|url| url.0.as_str()) }
}

/// Refuses an invalid name, with the rule.
fn named(flag: &str, naming: Naming, given: &str) -> anyhow::Result<()> {
    naming.check(given).map_err(|error| misuse((texts().general.name_rule)(flag, &either(error.zh(), error.en()))))
}

/// `name=value` pairs as typed.
fn pairs(params: &[String]) -> anyhow::Result<Vec<(&str, &str)>> {
    params
        .iter()
        .map(|param| param.split_once('=').ok_or_else(|| misuse((texts().general.write_pair)(param))))
        .collect()
}

/// A call's name for people.
fn call_name(kind: PushKind) -> &'static str {
    let names = &texts().general;
    match kind {
        PushKind::Leave => names.leave,
        PushKind::Enter => names.enter,
        PushKind::Release => names.release,
        PushKind::Update => names.update,
    }
}
