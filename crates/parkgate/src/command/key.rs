//! `key`: the master key changed for another, and how far that is.

use std::time::{Duration, Instant};

use anyhow::bail;
use parkgate_client::now;
use parkgate_store::{KeyNode, KeyState, RotationStart, RotationStep, ShownKey, Store};
use parkgate_text::texts;
use serde_json::{Map, Value, json};

use super::{audited, open};
use crate::cli;
use crate::output;

pub(super) fn run(command: cli::KeyCommand) -> anyhow::Result<()> {
    match command {
        cli::KeyCommand::Rotate { go_on, detach, json, place } => {
            let store = open(&place)?;
            if !go_on {
                begin(store.as_ref(), json)?;
            } else if !is_under_way(store.as_ref())? {
                bail!(texts().key.nothing_under_way);
            }
            store.keep_keys(now().0)?;
            if detach {
                return if json { show(store.as_ref(), true) } else { output::line(texts().key.detached) };
            }
            finish(store.as_ref())?;
            if json { show(store.as_ref(), true) } else { said_done(store.as_ref()) }
        }
        cli::KeyCommand::Show { json, place } => show(open(&place)?.as_ref(), json),
    }
}

fn begin(store: &Store, json: bool) -> anyhow::Result<()> {
    if is_under_way(store)? {
        bail!(texts().key.under_way);
    }
    audited::note(store, "key rotate", "master key", Map::new())?;
    match store.begin_key_rotation(now().0)? {
        RotationStart::Begun(id) if !json => output::line(&(texts().key.begun)(&id.to_string())),
        RotationStart::Begun(_) => Ok(()),
        RotationStart::UnderWay => bail!(texts().key.under_way),
        RotationStart::NoNewKey => Err(output::misuse(texts().key.no_new_key)),
    }
}

fn is_under_way(store: &Store) -> anyhow::Result<bool> {
    let (keys, _) = store.shown_keys()?;
    Ok(keys.iter().any(|key| matches!(key.state, KeyState::Coming | KeyState::Old)))
}

/// Where another process does it, and for nodes to learn of the key.
const PAUSE: Duration = Duration::from_millis(200);
const PAUSE_MAX: Duration = Duration::from_millis(500);
/// Of the time that sealing anew takes, so much is left to everybody else.
const PAUSE_PER_WORK: u32 = 15;

/// How long to pause after a step, so that pushes go on nearly as before.
fn pause_after(step: RotationStep, took: Duration) -> Duration {
    match step {
        RotationStep::Nothing | RotationStep::Waits => PAUSE,
        RotationStep::Went => Duration::ZERO,
        // What is only looked at keeps nobody waiting.
        RotationStep::Resealed(0) => took,
        // A step that took long waited for others most of the time.
        RotationStep::Resealed(_) => (took * PAUSE_PER_WORK).min(PAUSE_MAX),
    }
}

fn finish(store: &Store) -> anyhow::Result<()> {
    let who = format!("{} {}", store.key_node(), std::process::id());
    let bar = indicatif::ProgressBar::no_length();
    while is_under_way(store)? {
        let started = Instant::now();
        let step = store.rotate_step(&who, now().0)?;
        if let (RotationStep::Resealed(_), Some(active)) = (step, active(store)?) {
            bar.set_message((texts().key.progress)(active.looks_through.unwrap_or("-"), active.resealed));
        }
        bar.tick();
        std::thread::sleep(pause_after(step, started.elapsed()));
    }
    bar.finish_and_clear();
    store.keep_keys(now().0)?;
    // What the database holds of the new key goes, if every node has it.
    store.rotate_step(&who, now().0)?;
    Ok(())
}

fn active(store: &Store) -> anyhow::Result<Option<ShownKey>> {
    Ok(store.shown_keys()?.0.into_iter().find(|key| key.state == KeyState::Active))
}

fn said_done(store: &Store) -> anyhow::Result<()> {
    let Some(key) = active(store)? else { return Ok(()) };
    output::line(&(texts().key.done)(&key.id.to_string(), key.resealed))
}

fn show(store: &Store, as_json: bool) -> anyhow::Result<()> {
    let (keys, nodes) = store.shown_keys()?;
    if as_json {
        let (keys, nodes): (Vec<_>, Vec<_>) = (keys.iter().map(key).collect(), nodes.iter().map(node_value).collect());
        return output::json(&json!({ "keys": keys, "nodes": nodes }));
    }
    let texts = &texts().key;
    let rows: Vec<_> = keys.iter().map(row).collect();
    output::line(&output::table(&[texts.id, texts.state, texts.resealed, texts.looks_through], &rows))?;
    if nodes.is_empty() {
        return Ok(());
    }
    let of_node = |one: &KeyNode| vec![one.node.clone(), output::time(one.seen_at), one.keys.join(" ")];
    let rows: Vec<_> = nodes.iter().map(of_node).collect();
    output::line("")?;
    output::line(&output::table(&[texts.node, texts.seen, texts.has], &rows))
}

fn row(key: &ShownKey) -> Vec<String> {
    let texts = &texts().key;
    let state = match key.state {
        KeyState::Coming => texts.coming,
        KeyState::Active => texts.active,
        KeyState::Old => texts.old,
        KeyState::Retired => texts.retired,
    };
    vec![key.id.to_string(), state.into(), key.resealed.to_string(), key.looks_through.unwrap_or_default().into()]
}

fn key(key: &ShownKey) -> Value {
    json!({
        "id": key.id.to_string(),
        "state": key.state.name(),
        "made_at": key.made_at,
        "resealed": key.resealed,
        "looks_through": key.looks_through,
        "in_database": key.is_wrapped,
    })
}

fn node_value(one: &KeyNode) -> Value {
    json!({ "node": one.node, "seen_at": one.seen_at, "keys": one.keys })
}
