//! `delivery`: what is still to be told, and what was given up.

use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::bail;
use parkgate_store::{Delivery, DeliveryFilter, DeliveryId, Store};
use serde_json::{Value, json};

use super::{open, subscriber, visit};
use crate::cli::{self, DeliveryState};
use crate::output;

pub(super) fn run(command: cli::Delivery) -> anyhow::Result<()> {
    match command {
        cli::Delivery::List { state, subscriber, limit, json, place } => {
            let dead = state.map(|state| state == DeliveryState::Dead);
            let filter = DeliveryFilter { dead, subscriber, limit, ..DeliveryFilter::default() };
            let found = open(&place)?.deliveries(&filter)?;
            if json {
                return output::json(&Value::Array(found.iter().map(value).collect()));
            }
            output::line(&table(&found))
        }
        cli::Delivery::Show { id, json, place } => {
            let filter = DeliveryFilter { ids: vec![id], limit: 1, ..DeliveryFilter::default() };
            let found = open(&place)?.deliveries(&filter)?;
            let Some(found) = found.first() else {
                bail!("没有转发 {id}: 已送达, 或见 `parkgate delivery list` (delivered, or never was)");
            };
            if json { output::json(&value(found)) } else { output::sheet(&value(found)) }
        }
        cli::Delivery::Retry { ids, subscriber, place } => {
            let store = open(&place)?;
            let ids = meant(store.as_ref(), ids, subscriber)?;
            let retried = store.retry_deliveries(&ids, now())?;
            all_there(&ids, retried, "重试 to be sent again")
        }
        cli::Delivery::Drop { ids, subscriber, place } => {
            let store = open(&place)?;
            let ids = meant(store.as_ref(), ids, subscriber)?;
            let dropped = store.drop_deliveries(&ids)?;
            all_there(&ids, dropped, "已放弃 dropped")
        }
        cli::Delivery::Replay { subscriber, since, place } => {
            let since = visit::moment(&since)?;
            match open(&place)?.replay(&subscriber, since.0, now())? {
                None => Err(subscriber::unknown(&subscriber)),
                Some(count) => output::line(&format!("重放 to be sent again {count}")),
            }
        }
    }
}

fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

/// Those named, or all dead ones of a subscriber.
fn meant(store: &dyn Store, ids: Vec<DeliveryId>, name: Option<String>) -> anyhow::Result<Vec<DeliveryId>> {
    let Some(name) = name else { return Ok(ids) };
    if !store.subscribers()?.iter().any(|one| one.told.name == name) {
        return Err(subscriber::unknown(&name));
    }
    let filter =
        DeliveryFilter { dead: Some(true), subscriber: Some(name), limit: usize::MAX, ..DeliveryFilter::default() };
    Ok(store.deliveries(&filter)?.iter().map(|found| found.id).collect())
}

fn all_there(ids: &[DeliveryId], changed: usize, what: &str) -> anyhow::Result<()> {
    output::line(&format!("{what} {changed}"))?;
    if changed < ids.len() {
        bail!("{} 条不在列表中: 已送达? (not in the list: delivered?)", ids.len() - changed);
    }
    Ok(())
}

fn state(found: &Delivery) -> &'static str {
    if found.dead { "dead" } else { "pending" }
}

fn value(found: &Delivery) -> Value {
    json!({
        "id": found.id.to_string(),
        "subscriber": found.subscriber,
        "state": state(found),
        "event": found.kind.name(),
        "park_uuid": found.park_uuid,
        "parking_serial": found.parking_serial,
        "attempts": found.attempts,
        "since": found.since,
        "next_at": if found.dead { Value::Null } else { found.next_at.into() },
        "told": found.told.as_deref().filter(|told| !told.is_empty()),
    })
}

fn table(found: &[Delivery]) -> String {
    let rows: Vec<_> = found
        .iter()
        .map(|one| {
            vec![
                one.id.to_string(),
                one.subscriber.clone(),
                one.kind.name().to_owned(),
                one.parking_serial.clone(),
                state(one).to_owned(),
                one.attempts.to_string(),
                one.told.clone().unwrap_or_default(),
            ]
        })
        .collect();
    output::table(&["ID", "订阅", "事件", "流水", "状态", "次数", "结果"], &rows)
}
