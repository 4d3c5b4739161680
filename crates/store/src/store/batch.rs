//! What a batch of pushes asks of the registry: which epoch each push is of, and who gets its record.
//!
//! Whoever records holds this in memory, and compares the registry's version with its own in each batch's transaction,
//! once its parks are locked. So an epoch or a subscriber holds for every batch that begins after it was committed, and a
//! batch costs no query for it while nothing changed. A release or an update of a park with epochs goes with its stay, or
//! where the same push stands already: what it may belong to is looked up in the same transaction, with every epoch of its
//! park locked.

use std::collections::{HashMap, HashSet};

use parkgate_ledger::epoch::{AboutStay, Epoch, RelatedRecord, records_key, records_key_about};
use parkgate_ledger::fanout::{NewDelivery, Published, Subscription, fan_out};
use parkgate_ledger::{Arrival, Decision, ParkId};
use parkgate_wire::{Digest, PushKind, UnixMillis};

use super::forwarding::subscriptions;
use super::registry;
use crate::backend::{Transaction, Value};
use crate::stored::kind_of;
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
    /// Parks some of whose records stand under digests of their keys.
    digests: HashSet<ParkId>,
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
        for row in transaction.query("SELECT id FROM parks WHERE keeps_digests", &[])? {
            routing.digests.insert(ParkId(row.int(0)?));
        }
        Ok(routing)
    }

    /// Does it hold at this version of the registry?
    pub(crate) fn is_of(&self, version: i64) -> bool {
        self.version == Some(version)
    }

    /// Whose records stand under this key.
    pub(crate) fn park_of(&self, key: ParkId) -> ParkId {
        self.parks.get(&key).copied().unwrap_or(key)
    }

    /// May records stand under digests of their keys there?
    pub(crate) fn keeps_digests(&self, key: ParkId) -> bool {
        !self.digests.is_empty() && self.digests.contains(&self.park_of(key))
    }

    /// The park of a release or an update, and its epochs, the newest first; none for nearly all parks.
    fn epochs_about(&self, entry: &Entry) -> Option<(ParkId, &[Epoch])> {
        entry.arrival.own_key.as_ref()?;
        let park = self.park_of(entry.arrival.park);
        Some((park, self.epochs.get(&park)?))
    }

    /// The keys of every epoch in which something is to be looked up for this batch: [`RelatedRecords::load`].
    pub(crate) fn looked_up(&self, batch: &[Entry]) -> Vec<ParkId> {
        let mut keys = Vec::new();
        if self.epochs.is_empty() {
            return keys;
        }
        for (park, epochs) in batch.iter().filter_map(|entry| self.epochs_about(entry)) {
            keys.extend(epochs.iter().map(|epoch| epoch.records).chain([park]));
        }
        keys.sort_unstable();
        keys.dedup();
        keys
    }

    /// The keys of a batch's parks, as far as their times say.
    pub(crate) fn keys_by_time(&self, batch: &[Entry]) -> Vec<ParkId> {
        batch.iter().map(|entry| self.key_by_time(&entry.arrival)).collect()
    }

    fn key_by_time(&self, arrival: &Arrival) -> ParkId {
        let park = self.park_of(arrival.park);
        self.epochs.get(&park).map_or(park, |epochs| records_key(park, epochs, arrival.enter_time))
    }

    /// Those that belong under another key than they came with: whoever sent them knew other epochs, or not what they are
    /// about.
    pub(crate) fn moved(&self, batch: &[Entry], mut related: RelatedRecords) -> Vec<(usize, Arrival)> {
        if self.epochs.is_empty() {
            return Vec::new();
        }
        let moved = |(index, entry): (usize, &Entry)| {
            let key = match self.epochs_about(entry) {
                None => self.key_by_time(&entry.arrival),
                Some((park, epochs)) => related.key_about(park, epochs, &entry.arrival),
            };
            related.add(key, &entry.arrival);
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

/// What stands in these epochs under these serials and own keys.
const RELATED: &str = "SELECT r.park_id, r.kind, r.visit_serial IS NULL, CASE WHEN r.visit_serial IS NULL THEN {serial r} \
    ELSE r.parking_serial END, r.enter_time, r.digest \
    FROM {sqlite records r WHERE r.park_id {in $1} AND r.parking_serial {in $2} AND r.conflict_with IS NULL}\
    {postgres UNNEST($2::text[]) AS k (record_key) CROSS JOIN LATERAL (SELECT * FROM records r WHERE r.park_id {in $1} \
    AND r.parking_serial = k.record_key AND r.conflict_with IS NULL OFFSET 0) AS r}";

/// What the releases and updates of a batch may belong to: what is stored, and what the batch has before them.
#[derive(Debug, Default)]
pub(crate) struct RelatedRecords {
    /// Was anything looked up? Else nothing of the batch is remembered either.
    is_loaded: bool,
    /// Enters and leaves by their serial: the epoch, and when the vehicle entered.
    halves: HashMap<String, Vec<(ParkId, UnixMillis)>>,
    /// Releases and updates by their own keys.
    own_keys: HashMap<(PushKind, String), Vec<(ParkId, Digest)>>,
}

impl RelatedRecords {
    /// Of the batch's releases and updates, in these epochs.
    pub(crate) fn load(
        transaction: &mut dyn Transaction,
        epochs: &[ParkId],
        batch: &[Entry],
        digest: impl Fn(&str) -> String,
    ) -> Result<RelatedRecords, StoreError> {
        let about = batch.iter().map(|entry| &entry.arrival).filter(|arrival| arrival.own_key.is_some());
        let mut keys: Vec<&str> = about.flat_map(|arrival| [arrival.key(), &arrival.parking_serial]).collect();
        keys.sort_unstable();
        keys.dedup();
        // As they are, and as what was redacted stands under them.
        let digests: HashMap<String, &str> = keys.iter().map(|key| (digest(key), *key)).collect();
        let plain = keys.iter().map(|key| (*key).to_owned());
        let keys = Value::Keys(plain.chain(digests.keys().cloned()).collect());
        let mut found = RelatedRecords { is_loaded: true, ..RelatedRecords::default() };
        for row in transaction.query(RELATED, &[epochs.iter().map(|epoch| epoch.0).collect(), keys])? {
            let (epoch, kind, name) = (ParkId(row.int(0)?), kind_of(row.int(1)?), row.text(3)?);
            let name = digests.get(&name).map_or(name, |plain| (*plain).to_owned());
            if row.bool(2)? {
                found.halves.entry(name).or_default().push((epoch, UnixMillis(row.int(4)?)));
            } else {
                found.own_keys.entry((kind, name)).or_default().push((epoch, Digest(row.bytes(5)?)));
            }
        }
        Ok(found)
    }

    fn key_about(&self, park: ParkId, epochs: &[Epoch], arrival: &Arrival) -> ParkId {
        let (halves, own) =
            (self.halves.get(&arrival.parking_serial), self.own_keys.get(&(arrival.kind, arrival.key().to_owned())));
        let halves = halves.into_iter().flatten().map(|(epoch, entered)| (*epoch, RelatedRecord::Half(*entered)));
        let own = own.into_iter().flatten().map(|(epoch, digest)| (*epoch, RelatedRecord::OwnKey(*digest)));
        let about =
            AboutStay { enter_time: arrival.enter_time, event_time: arrival.event_time, digest: arrival.digest };
        records_key_about(park, epochs, about, &halves.chain(own).collect::<Vec<_>>())
    }

    /// One of the batch, for those after it.
    fn add(&mut self, epoch: ParkId, arrival: &Arrival) {
        if !self.is_loaded {
            return;
        }
        match &arrival.own_key {
            None => {
                let halves = self.halves.entry(arrival.parking_serial.clone()).or_default();
                halves.push((epoch, arrival.enter_time));
            }
            Some(key) => {
                let standing = self.own_keys.entry((arrival.kind, key.clone())).or_default();
                // The first one wins.
                if standing.iter().all(|(other, _)| *other != epoch) {
                    standing.push((epoch, arrival.digest));
                }
            }
        }
    }
}
