//! `agent`: the car park's half.

use std::io::ErrorKind;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{anyhow, bail};
use parkgate_agent::check::CheckResult;
use parkgate_agent::config::ConfigError;
use parkgate_agent::outbox::DeadLetter;
use parkgate_agent::record::name_of_path;
use parkgate_agent::{Added, AgentConfig, Outbox, Record, RunError, status};
use parkgate_client::now;
use parkgate_text::texts;
use serde_json::{Map, Value, json};

use super::signals::Signals;
use super::{call_name, pairs, running, supervisor};
use crate::cli::{AgentCommand, AgentFileArgs, DeadLetterCommand, PushCall};
use crate::output::{self, ComponentFailed, misuse};

pub(super) fn run(command: AgentCommand) -> anyhow::Result<()> {
    match command {
        AgentCommand::Run { file } => run_agent(config(&file)?),
        AgentCommand::Add { call, params, image, file } => add(call, &params, &image, &file),
        AgentCommand::Status { json, file } => {
            let shown = status::json(&outbox(&file)?.counts(now())?, now());
            if json { output::json(&shown) } else { output::sheet(&shown) }
        }
        AgentCommand::Check { json, file } => check(json, &file),
        AgentCommand::Dead(command) => dead(command),
    }
}

fn run_agent(config: AgentConfig) -> anyhow::Result<()> {
    running::log()?;
    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    let runtime = runtime.worker_threads(2).enable_all().max_blocking_threads(4).build()?;
    running::run(runtime, async {
        let signals = Signals::listen()?;
        let listening = |address: SocketAddr, outbox: Arc<Outbox>| {
            parkgate_log::print(&format!("listening on http://{address}"));
            // Logged as well: nobody may be reading what is printed.
            tracing::info!(%address, "listening");
            supervisor::ready();
            tokio::spawn(supervisor::keep_alive(move || is_alive(Arc::clone(&outbox))));
        };
        let stopped = async {
            signals.stopped().await;
            supervisor::stopping();
            if let Err(error) = running::end_within(STOP_MAX) {
                tracing::warn!(%error, "the end may be long in coming");
            }
        };
        let listen = config.listen;
        parkgate_agent::run(config, stopped, listening).await.map_err(|error| match error {
            RunError::Ended(_) => ComponentFailed((texts().agent.restart)(&error.to_string())).into(),
            RunError::Start(error) => anyhow::Error::from(error).context((texts().agent.at)(&listen.to_string())),
        })
    })
}

/// An outbox that does not answer holds up everything; parts that end, end the agent.
async fn is_alive(outbox: Arc<Outbox>) -> Result<(), String> {
    let probed = tokio::task::spawn_blocking(move || outbox.probe().map_err(|error| error.to_string())).await;
    probed.unwrap_or_else(|error| Err(error.to_string()))
}

/// Twice what the agent allows for finishing requests and recording their outcome.
const STOP_MAX: Duration = Duration::from_secs(40);

fn check(json: bool, file: &AgentFileArgs) -> anyhow::Result<()> {
    let config = config(file)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let results = runtime.block_on(parkgate_agent::check::check(&config));
    if json {
        let value = |result: &CheckResult| json!({ "what": result.what, "ok": result.is_ok, "told": result.message });
        output::json(&Value::Array(results.iter().map(value).collect()))?;
    } else {
        for result in &results {
            output::line(&format!("{} {:<9} {}", if result.is_ok { "✓" } else { "✗" }, result.what, result.message))?;
        }
    }
    match results.iter().find(|result| !result.is_ok) {
        Some(result) => bail!((texts().agent.not_well)(result.what)),
        None => Ok(()),
    }
}

fn add(call: PushCall, params: &[String], image: &[String], file: &AgentFileArgs) -> anyhow::Result<()> {
    let mut object = Map::new();
    for (name, value) in pairs(params)? {
        object.insert(name.to_owned(), Value::from(value));
    }
    for (part, path) in pairs(image)? {
        object.insert(name_of_path(part).to_owned(), Value::from(path));
    }
    let record = Record::from_json(call.kind(), &object).map_err(misuse)?;
    match outbox(file)?.add(&record, now())? {
        Added::Queued(id) => output::line(&(texts().agent.queued)(id)),
        Added::Known(id) => output::line(&(texts().agent.known)(id)),
        Added::Sent => output::line(texts().agent.sent),
    }
}

fn dead(command: DeadLetterCommand) -> anyhow::Result<()> {
    match command {
        DeadLetterCommand::List { json, file } => {
            let aside = outbox(&file)?.dead_letters()?;
            if json {
                return output::json(&Value::Array(aside.iter().map(shown).collect()));
            }
            let rows: Vec<Vec<String>> = aside
                .iter()
                .map(|record| {
                    let state = if record.is_held { texts().agent.is_held } else { texts().agent.is_dead };
                    let (id, serial) = (record.id.to_string(), record.parking_serial.clone());
                    vec![id, state.into(), call_name(record.kind).into(), serial, record.hint.clone()]
                })
                .collect();
            let c = &texts().columns;
            output::rows(texts().agent.what, &[], &[c.id, c.state, c.push, c.serial, c.hint], &rows)
        }
        DeadLetterCommand::Show { id, json, file } => {
            let aside = outbox(&file)?.dead_letters()?;
            let Some(record) = aside.iter().find(|record| record.id == id) else {
                bail!((texts().agent.unknown)(id));
            };
            if json { output::json(&shown(record)) } else { output::sheet(&shown(record)) }
        }
        DeadLetterCommand::Retry { ids, file } => {
            let retried = outbox(&file)?.retry(&ids)?;
            output::line(&(texts().agent.retried)(retried))
        }
        DeadLetterCommand::Drop { ids, file } => {
            let dropped = outbox(&file)?.drop_dead_letters(&ids)?;
            output::line(&(texts().agent.dropped)(dropped))
        }
    }
}

fn shown(record: &DeadLetter) -> Value {
    let params: Map<String, Value> =
        record.params.iter().map(|(name, value)| (name.clone(), Value::from(value.as_str()))).collect();
    json!({
        "id": record.id,
        "state": if record.is_held { "held" } else { "dead" },
        "kind": record.kind.name(),
        "parking_serial": record.parking_serial,
        "hint": record.hint,
        "params": params,
    })
}

fn config(file: &AgentFileArgs) -> anyhow::Result<AgentConfig> {
    AgentConfig::read(&file.config).map_err(|error| match error {
        ConfigError::Wrong(..) => misuse(error.to_string()),
        ConfigError::File(ref path, ref cause) if cause.kind() == ErrorKind::NotFound => {
            anyhow!((texts().agent.no_file)(&path.display().to_string()))
        }
        ConfigError::File(..) => anyhow::Error::from(error).context("--config FILE"),
    })
}

fn outbox(file: &AgentFileArgs) -> anyhow::Result<Outbox> {
    Ok(config(file)?.outbox()?)
}
