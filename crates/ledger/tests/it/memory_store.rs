//! A store in memory: load what a batch touches, decide, apply. It returns later events only where the contract of
//! `ParkKey::needs_events_after` requires them, so that the contract is tested, too.

use std::collections::{BTreeMap, BTreeSet};

use parkgate_ledger::redact::{Redaction, Redactor, RefusedOrders};
use parkgate_ledger::{
    Arrival, Keys, LeftByUpdate, Loaded, ParkId, ParkSpace, RecordId, RecordKey, RecordRef, Recount, Space, SpaceEvent,
    StandingRecord, StandingRecords, Verdict, decide, touches_in,
};
use parkgate_wire::PushKind;

type Stored = (Arrival, Option<RecordId>, Vec<String>);

#[derive(Default, Clone)]
pub(crate) struct MemoryStore {
    /// Accepted pushes and conflicts, in the order of their keys.
    pub(crate) records: Vec<Stored>,
    pub(crate) orders: BTreeSet<(i64, String, String)>,
    /// `(serial, position)` of every payment taken by its order.
    pub(crate) taken: Vec<(String, usize)>,
    pub(crate) spaces: BTreeMap<i64, Space>,
    counted: Vec<(i64, SpaceEvent)>,
    /// What each record counts.
    deltas: Vec<Option<i64>>,
    /// What each stands under: its own key and its stay's serial; and how its refused orders are kept.
    kept: Vec<KeptUnder>,
}

#[derive(Clone)]
struct KeptUnder {
    key: String,
    serial: String,
    refused: RefusedOrders,
}

/// A digest that nobody can take for a text.
fn digest(text: &str) -> String {
    if text.starts_with('#') { text.to_owned() } else { format!("#{text}") }
}

fn under(text: &str, by_digest: bool) -> String {
    if by_digest { digest(text) } else { text.to_owned() }
}

impl MemoryStore {
    pub(crate) fn record(&mut self, batch: &[Arrival]) -> Vec<Verdict> {
        let batch: Vec<&Arrival> = batch.iter().collect();
        let keys = touches_in(&batch, |_| true);
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
            self.kept.push(KeptUnder {
                key: under(arrival.key(), new.key_by_digest),
                serial: under(&arrival.parking_serial, new.stay_by_digest),
                refused: RefusedOrders::Named(new.refused_orders.clone()),
            });
            self.deltas.push(new.counted);
        }
        for (_, RecordId(id)) in &decision.withdrawn {
            let index = *id as usize;
            let (arrival, ..) = &self.records[index];
            let event = SpaceEvent { as_of: arrival.counts_as_of(), delta: self.deltas[index].take().unwrap() };
            let counted = self.counted.iter().position(|one| *one == (arrival.park.0, event)).unwrap();
            self.counted.remove(counted);
        }
        for payment in &decision.payments {
            let arrival = batch[decision.records[payment.record].arrival];
            let paid = &arrival.payments[payment.position];
            let key = (arrival.park.0, paid.parking_order.clone().unwrap(), paid.pay_type.clone());
            assert!(self.orders.insert(key), "an order is taken once");
            self.taken.push((arrival.parking_serial.clone(), payment.position));
        }
        for counts in &decision.parks {
            self.spaces.insert(counts.park.0, counts.space);
        }
        decision.verdicts
    }

    /// Redacts all records of a stay, as a store does.
    pub(crate) fn redact(&mut self, park: ParkId, serial: &str, redaction: Redaction) {
        let redactor = Redactor { redaction, plates: &[], personal: &[], digest: &digest };
        for ((arrival, ..), kept) in self.records.iter().zip(&mut self.kept) {
            if arrival.park != park || arrival.parking_serial != serial {
                continue;
            }
            let orders: Vec<Option<String>> = arrival.payments.iter().map(|paid| paid.parking_order.clone()).collect();
            kept.refused = redactor.refused(kept.refused.clone(), &orders);
            kept.key = redactor.key(&kept.key).unwrap_or(kept.key.clone());
            kept.serial = redactor.key(&kept.serial).unwrap_or(kept.serial.clone());
            for (order, payment) in orders.into_iter().zip(&arrival.payments) {
                let Some(order) = order else { continue };
                let key = (park.0, order, payment.pay_type.clone());
                if let Some(digest) = redactor.key(&key.1).filter(|_| self.orders.remove(&key)) {
                    self.orders.insert((park.0, digest, payment.pay_type.clone()));
                }
            }
        }
    }

    /// A park's count, recounted from its records.
    pub(crate) fn recounted(&self, park: i64) -> Space {
        let mut recount = Recount::default();
        let standing = self.records.iter().zip(&self.deltas);
        let standing = standing.filter(|((arrival, conflict, _), _)| arrival.park.0 == park && conflict.is_none());
        for ((arrival, ..), counted) in standing {
            let as_of = arrival.counts_as_of();
            match (arrival.space, counted) {
                (Some(report), _) => recount.report(report, as_of),
                (None, Some(delta)) => recount.count(SpaceEvent { as_of, delta: *delta }),
                (None, None) => {}
            }
        }
        recount.space()
    }

    fn load(&self, keys: &Keys<'_>) -> Loaded {
        let standing = |key: &RecordKey<'_>| {
            let mut standing = StandingRecords::default();
            for form in [key.key.to_owned(), digest(key.key)] {
                for kind in PushKind::ALL {
                    if let Some(record) = self.standing(key.park, &form, kind) {
                        standing.set(kind, record);
                        standing.by_digest |= form != key.key;
                    }
                }
            }
            let counts = |(index, (arrival, conflict, _)): (usize, &Stored)| {
                let is_update = conflict.is_none() && arrival.kind == PushKind::Update && self.deltas[index].is_some();
                let serial = &self.kept[index].serial;
                (is_update && arrival.park == key.park && (serial == key.key || *serial == digest(key.key))).then(
                    || LeftByUpdate {
                        record: RecordRef::Stored(RecordId(index as i64)),
                        as_of: arrival.counts_as_of(),
                        done_at: arrival.done_at,
                        received_at: arrival.received_at,
                    },
                )
            };
            let mut counting: Vec<LeftByUpdate> = self.records.iter().enumerate().filter_map(counts).collect();
            standing.left_by_update = counting.pop();
            assert!(counting.is_empty(), "one update counts");
            standing
        };
        let taken = |park: ParkId, order: &str, pay_type: &str| {
            let is_taken = |order: String| self.orders.contains(&(park.0, order, pay_type.to_owned()));
            is_taken(order.to_owned()) || is_taken(digest(order))
        };
        let parks = keys.parks.iter().map(|key| {
            let space = self.spaces.get(&key.park.0).copied().unwrap_or_default();
            let mine = self.counted.iter().filter(|(park, _)| *park == key.park.0).map(|(_, event)| *event);
            let later_events = match key.needs_events_after(&space) {
                None => Vec::new(),
                Some(after) => mine.filter(|event| event.as_of > after).collect(),
            };
            ParkSpace { space, later_events, ..ParkSpace::default() }
        });
        Loaded {
            records: keys.records.iter().map(standing).collect(),
            orders: keys.orders.iter().map(|key| taken(key.park, key.parking_order, key.pay_type)).collect(),
            parks: parks.collect(),
        }
    }

    fn standing(&self, park: ParkId, key: &str, kind: PushKind) -> Option<StandingRecord> {
        let found = self.records.iter().zip(&self.kept).position(|((arrival, conflict, _), kept)| {
            conflict.is_none() && arrival.park == park && kept.key == key && arrival.kind == kind
        })?;
        let (arrival, ..) = &self.records[found];
        let id = RecordId(found as i64);
        let conflicts = self.records.iter().filter(|(_, conflict, _)| *conflict == Some(id));
        Some(StandingRecord {
            record: RecordRef::Stored(id),
            digest: arrival.digest,
            seqno: arrival.seqno,
            refused_orders: self.kept[found].refused.clone(),
            conflicts: conflicts.map(|(arrival, ..)| (arrival.digest, arrival.seqno)).collect(),
        })
    }
}
