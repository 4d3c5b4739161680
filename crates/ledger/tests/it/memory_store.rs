//! A store in memory: load what a batch touches, decide, apply. It returns later events only where the contract of
//! `ParkKey::needs_events_after` requires them, so that the contract is tested, too.

use std::collections::{BTreeMap, BTreeSet};

use parkgate_ledger::{
    Arrival, Half, Halves, Keys, Loaded, ParkId, ParkSpace, RecordId, RecordRef, Recount, Space, SpaceEvent, Verdict,
    decide, touches,
};
use parkgate_wire::PushKind;

#[derive(Default, Clone)]
pub(crate) struct MemoryStore {
    /// Accepted pushes and conflicts, in the order of their keys.
    pub(crate) records: Vec<(Arrival, Option<RecordId>, Vec<String>)>,
    pub(crate) orders: BTreeSet<(i64, String, String)>,
    /// `(serial, position)` of every payment taken by its order.
    pub(crate) taken: Vec<(String, usize)>,
    pub(crate) spaces: BTreeMap<i64, Space>,
    counted: Vec<(i64, SpaceEvent)>,
}

impl MemoryStore {
    pub(crate) fn record(&mut self, batch: &[Arrival]) -> Vec<Verdict> {
        let batch: Vec<&Arrival> = batch.iter().collect();
        let keys = touches(&batch);
        let decision = decide(&batch, &keys, self.load(&keys));
        let first = self.records.len();
        for new in &decision.records {
            let arrival = batch[new.arrival];
            let conflict_with = new.conflict_with.map(|record| match record {
                RecordRef::Stored(id) => id,
                RecordRef::New(index) => RecordId((first + index) as i64),
            });
            if let Some(delta) = new.counted {
                self.counted.push((arrival.park.0, SpaceEvent { as_of: arrival.counts_as_of(), delta }));
            }
            self.records.push((arrival.clone(), conflict_with, new.refused_orders.clone()));
        }
        for payment in &decision.payments {
            let arrival = batch[decision.records[payment.record].arrival];
            let paid = &arrival.payments[payment.position];
            let key = (arrival.park.0, paid.parking_order.clone().unwrap(), paid.pay_type.clone());
            assert!(self.orders.insert(key), "an order is taken once");
            self.taken.push((arrival.parking_serial.clone(), payment.position));
        }
        for (park, space) in &decision.spaces {
            self.spaces.insert(park.0, *space);
        }
        decision.verdicts
    }

    /// A park's count, recounted from its records.
    pub(crate) fn recounted(&self, park: i64) -> Space {
        let mut recount = Recount::default();
        let standing =
            self.records.iter().filter(|(arrival, conflict, _)| arrival.park.0 == park && conflict.is_none());
        for (arrival, ..) in standing {
            let as_of = arrival.counts_as_of();
            match arrival.space {
                Some(report) => recount.report(report, as_of),
                None => {
                    recount.count(SpaceEvent { as_of, delta: if arrival.kind == PushKind::Enter { -1 } else { 1 } })
                }
            }
        }
        recount.space()
    }

    fn load(&self, keys: &Keys<'_>) -> Loaded {
        let serials = keys.serials.iter().map(|key| Halves {
            enter: self.half(key.park, key.parking_serial, PushKind::Enter),
            leave: self.half(key.park, key.parking_serial, PushKind::Leave),
        });
        let taken = |park: ParkId, order: &str, pay_type: &str| {
            self.orders.contains(&(park.0, order.to_owned(), pay_type.to_owned()))
        };
        let parks = keys.parks.iter().map(|key| {
            let space = self.spaces.get(&key.park.0).copied().unwrap_or_default();
            let mine = self.counted.iter().filter(|(park, _)| *park == key.park.0).map(|(_, event)| *event);
            let later_events = match key.needs_events_after(&space) {
                None => Vec::new(),
                Some(after) => mine.filter(|event| event.as_of > after).collect(),
            };
            ParkSpace { space, later_events }
        });
        Loaded {
            serials: serials.collect(),
            orders: keys.orders.iter().map(|key| taken(key.park, key.parking_order, key.pay_type)).collect(),
            parks: parks.collect(),
        }
    }

    fn half(&self, park: ParkId, serial: &str, kind: PushKind) -> Option<Half> {
        let found = self.records.iter().position(|(arrival, conflict, _)| {
            conflict.is_none() && arrival.park == park && arrival.parking_serial == serial && arrival.kind == kind
        })?;
        let (arrival, _, refused_orders) = &self.records[found];
        let id = RecordId(found as i64);
        let conflicts = self.records.iter().filter(|(_, conflict, _)| *conflict == Some(id));
        Some(Half {
            record: RecordRef::Stored(id),
            digest: arrival.digest,
            seqno: arrival.seqno,
            refused_orders: refused_orders.clone(),
            conflicts: conflicts.map(|(arrival, ..)| (arrival.digest, arrival.seqno)).collect(),
        })
    }
}
