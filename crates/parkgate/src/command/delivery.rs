//! `delivery`: what is still to be delivered, and what was given up.

use anyhow::bail;
use parkgate_client::now;
use parkgate_ledger::mask::Masking;
use parkgate_store::{Delivery, DeliveryFilter, DeliveryId, Store, StoreError};
use parkgate_text::texts;
use serde_json::{Value, json};

use super::audited::masking;
use super::{call_name, open, subscriber, visit};
use crate::cli::{self, DeliveryStateFilter};
use crate::output;

pub(super) fn run(command: cli::DeliveryCommand) -> anyhow::Result<()> {
    match command {
        cli::DeliveryCommand::List { state, subscriber, limit, json, unmask, place } => {
            let dead = state.map(|state| state == DeliveryStateFilter::Dead);
            let state = dead.map(|dead| if dead { "dead" } else { "pending" }.to_owned());
            let asked = [("--state", state), ("--subscriber", subscriber.clone())];
            let filter = DeliveryFilter { dead, subscriber, limit, ..DeliveryFilter::default() };
            let store = open(&place)?;
            let masking = masking(store.as_ref(), unmask, Masking::All, "delivery list", &asked)?;
            output::listing(json, &LISTED, &asked, |take| store.each_delivery(&filter, &mut |one| take((masking, one))))
                .map(drop)
        }
        cli::DeliveryCommand::Show { id, json, place } => {
            let filter = DeliveryFilter { ids: vec![id], limit: 1, ..DeliveryFilter::default() };
            let found = open(&place)?.deliveries(&filter)?;
            let Some(found) = found.first() else {
                bail!((texts().delivery.unknown)(&id.to_string()));
            };
            if json { output::json(&value(found)) } else { output::sheet(&value(found)) }
        }
        cli::DeliveryCommand::Retry { ids, subscriber, place } => {
            let store = open(&place)?;
            let retry = |ids: &[DeliveryId]| store.retry_deliveries(ids, now().0);
            change(store.as_ref(), &ids, subscriber, texts().delivery.retried, &retry)
        }
        cli::DeliveryCommand::Drop { ids, subscriber, place } => {
            let store = open(&place)?;
            let give_up = |ids: &[DeliveryId]| store.drop_deliveries(ids, now().0);
            change(store.as_ref(), &ids, subscriber, texts().delivery.dropped, &give_up)
        }
        cli::DeliveryCommand::Replay { subscriber, since, place } => {
            let since = visit::moment(&since)?;
            match open(&place)?.replay(&subscriber, since.0, now().0)? {
                None => Err(subscriber::unknown(&subscriber)),
                Some(count) => output::line(&(texts().delivery.replayed)(count)),
            }
        }
    }
}

/// How many dead letters of a subscriber are changed at once.
const AT_ONCE: usize = 10_000;

/// Changes those named, or all dead letters of a subscriber.
fn change(
    store: &Store,
    ids: &[DeliveryId],
    name: Option<String>,
    done: fn(usize) -> String,
    change: &dyn Fn(&[DeliveryId]) -> Result<usize, StoreError>,
) -> anyhow::Result<()> {
    let Some(name) = name else {
        let changed = change(ids)?;
        output::line(&done(changed))?;
        if changed < ids.len() {
            bail!((texts().delivery.not_listed)(ids.len() - changed));
        }
        return Ok(());
    };
    if !store.subscribers()?.iter().any(|one| one.registered.name == name) {
        return Err(subscriber::unknown(&name));
    }
    let filter =
        DeliveryFilter { dead: Some(true), subscriber: Some(name), limit: AT_ONCE, ..DeliveryFilter::default() };
    let mut changed = 0;
    loop {
        let ids: Vec<DeliveryId> = store.deliveries(&filter)?.iter().map(|found| found.id).collect();
        changed += change(&ids)?;
        // Any that were refused again meanwhile would be found over and over.
        if ids.len() < AT_ONCE {
            return output::line(&done(changed));
        }
    }
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
        "told": found.answer.as_deref().filter(|answer| !answer.is_empty()),
    })
}

const LISTED: output::ListingFormat<(Masking, Delivery)> = output::ListingFormat {
    what: || texts().delivery.what,
    head: || {
        let c = &texts().columns;
        vec![c.id, c.subscriber, c.event, c.serial, c.state, c.attempts, c.result]
    },
    always: 7,
    row,
    value: |(masking, found)| output::masked(value(found), *masking),
};

fn row((masking, one): &(Masking, Delivery)) -> Vec<String> {
    vec![
        one.id.to_string(),
        one.subscriber.clone(),
        call_name(one.kind).to_owned(),
        one.parking_serial.clone(),
        if one.dead { texts().delivery.is_dead } else { texts().delivery.is_pending }.to_owned(),
        one.attempts.to_string(),
        masking.sentence(one.answer.as_deref().unwrap_or_default()),
    ]
}
