//! What a batch of pushes asks of the registry: which epoch each push is of, and who gets its record.
//!
//! Whoever records holds this in memory, and compares the registry's version with its own in each batch's transaction,
//! once its parks are locked. So an epoch or a subscriber holds for every batch that begins after it was committed, and a
//! batch costs no query for it while nothing changed.

use std::collections::HashMap;

use parkgate_ledger::epoch::{Epoch, records_key};
use parkgate_ledger::fanout::{NewDelivery, Published, Subscription, fan_out};
use parkgate_ledger::{Arrival, Decision, ParkId};

use super::forwarding::subscriptions;
use super::registry;
use crate::backend::Transaction;
use crate::{Entry, StoreError};

/// Where records go, as of one version of the registry.
#[derive(Debug, Default)]
pub(crate) struct Routing {
    /// None before it is loaded.
    version: Option<i64>,
    /// By park, the newest first.
    epochs: HashMap<ParkId, Vec<Epoch>>,
    /// Whose each epoch's key is.
    parks: HashMap<ParkId, ParkId>,
    subscriptions: Vec<Subscription>,
}

impl Routing {
    pub(crate) fn load(transaction: &mut dyn Transaction) -> Result<Routing, StoreError> {
        // First: what changes meanwhile shows as another version next time.
        let version = registry::version_in(transaction)?;
        let mut routing = Routing { version: Some(version), ..Routing::default() };
        for (park, epochs) in registry::epochs(transaction)? {
            routing.parks.extend(epochs.iter().map(|epoch| (epoch.records, ParkId(park))));
            routing.epochs.insert(ParkId(park), epochs);
        }
        routing.subscriptions = subscriptions(transaction)?;
        Ok(routing)
    }

    /// Does it hold at this version of the registry?
    pub(crate) fn is_of(&self, version: i64) -> bool {
        self.version == Some(version)
    }

    fn park_of(&self, key: ParkId) -> ParkId {
        self.parks.get(&key).copied().unwrap_or(key)
    }

    /// Those that belong under another key than they came with: whoever sent them knew other epochs.
    pub(crate) fn moved(&self, batch: &[Entry]) -> Vec<(usize, Arrival)> {
        if self.epochs.is_empty() {
            return Vec::new();
        }
        let moved = |(index, entry): (usize, &Entry)| {
            let park = self.park_of(entry.arrival.park);
            let epochs = self.epochs.get(&park)?;
            let key = records_key(park, epochs, entry.arrival.enter_time);
            (key != entry.arrival.park).then(|| (index, Arrival { park: key, ..entry.arrival.clone() }))
        };
        batch.iter().enumerate().filter_map(moved).collect()
    }

    /// What each new record is delivered to, by the record's place in the decision.
    pub(crate) fn deliveries(
        &self,
        batch: &[Entry],
        arrivals: &[&Arrival],
        decision: &Decision,
    ) -> Vec<(usize, NewDelivery)> {
        let mut deliveries = Vec::new();
        if self.subscriptions.is_empty() {
            return deliveries;
        }
        for (index, record) in decision.records.iter().enumerate() {
            let (Some(arrival), Some(entry)) = (arrivals.get(record.arrival), batch.get(record.arrival)) else {
                continue;
            };
            let published = Published {
                park: self.park_of(arrival.park),
                kind: arrival.kind,
                is_conflict: record.conflict_with.is_some(),
                received_at: arrival.received_at,
                inline: entry.inline,
            };
            deliveries.extend(fan_out(&self.subscriptions, published).map(|delivery| (index, delivery)));
        }
        deliveries
    }
}

/// A batch as the ledger takes it.
pub(crate) fn arrivals<'a>(batch: &'a [Entry], moved: &'a [(usize, Arrival)]) -> Vec<&'a Arrival> {
    let mut arrivals: Vec<&Arrival> = batch.iter().map(|entry| &entry.arrival).collect();
    for (index, arrival) in moved {
        if let Some(place) = arrivals.get_mut(*index) {
            *place = arrival;
        }
    }
    arrivals
}
