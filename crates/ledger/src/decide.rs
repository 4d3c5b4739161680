//! Decides a batch: every arrival in order, on the state that those before it left.
//!
//! An order is accepted once (`leave.md`, `parking_order`), a serial once for each kind (note 1), a release and an update
//! once under its own key, and a repeat is answered as the first time. Repeats within one batch are no different from repeats across batches.

use parkgate_wire::PushKind;

use crate::redact::RefusedOrders;
use crate::touch::{Keys, LeftByUpdate, Loaded, ParkKey, ParkSpace, Slots, StandingRecord, StandingRecords};
use crate::{Arrival, ParkId, PushActivity, RecordId, Space, SpaceEvent, Verdict};

/// How many other contents are kept under one key as conflicts of its record: with more, a person would not find what
/// they look for, and all are read with every push of that key. Any further ones go to the quarantine.
pub const CONFLICTS_MAX: usize = 64;

/// The verdicts on a batch, and what to write.
#[derive(Debug, Default)]
pub struct Decision {
    /// One for each arrival, in its order.
    pub verdicts: Vec<Verdict>,
    /// Rows to insert, in order.
    pub records: Vec<NewRecord>,
    /// Orders that are taken from now on.
    pub payments: Vec<NewPayment>,
    /// Counts that changed.
    pub parks: Vec<ParkCounts>,
    /// Stored updates that do not count any more: something else says when their vehicle left.
    pub withdrawn: Vec<(ParkId, RecordId)>,
}

/// What is counted of a park.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ParkCounts {
    /// Which, by its epoch's key.
    pub park: ParkId,
    /// Its free spaces.
    pub space: Space,
    /// What it pushed.
    pub activity: PushActivity,
}

/// An accepted push, or a conflict kept beside one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewRecord {
    /// Its index in the batch.
    pub arrival: usize,
    /// The record that has the key, if this one is kept as a conflict of it.
    pub conflict_with: Option<RecordRef>,
    /// −1 or +1, if it counts for free spaces: an enter or a leave that reported no snapshot of its own, or, while there is no
    /// leave, the last update that says when the vehicle left.
    pub counted: Option<i64>,
    /// Orders not accepted.
    pub refused_orders: Vec<String>,
    /// It stands under the digest of its own key, as what has that key already does.
    pub key_by_digest: bool,
    /// It stands under the digest of its stay's serial, as what is there of the stay does.
    pub stay_by_digest: bool,
}

/// A record that is already stored, or one of this batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RecordRef {
    /// In the store.
    Stored(RecordId),
    /// Its index in [`Decision::records`].
    New(usize),
}

/// A payment that takes its order in this batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NewPayment {
    /// Its index in [`Decision::records`].
    pub record: usize,
    /// Its index in the arrival's payments.
    pub position: usize,
}

/// Decides every arrival in order.
#[must_use]
pub fn decide(batch: &[&Arrival], keys: &Keys<'_>, loaded: Loaded) -> Decision {
    let mut parks = Vec::with_capacity(loaded.parks.len());
    parks.extend(loaded.parks.into_iter().map(|park| ParkState { was: (park.space, park.activity), now: park }));
    let mut state =
        BatchState { standing: loaded.records, orders: loaded.orders, parks, decision: Decision::default() };
    state.decision.verdicts.reserve(batch.len());
    for (index, (arrival, slots)) in batch.iter().zip(&keys.slots).enumerate() {
        let recorded = state.decision.records.len();
        let verdict = state.decide(index, arrival, slots);
        state.decision.verdicts.push(verdict);
        if let Some(park) = state.parks.get_mut(slots.park).filter(|_| state.decision.records.len() > recorded) {
            park.now.activity.add(arrival.received_at);
        }
    }
    let counts = keys.parks.iter().zip(&state.parks);
    let changed = counts.filter(|(_, park)| (park.now.space, park.now.activity) != park.was);
    let counts = |(key, park): (&ParkKey, &ParkState)| ParkCounts {
        park: key.park,
        space: park.now.space,
        activity: park.now.activity,
    };
    state.decision.parks = changed.map(counts).collect();
    state.decision
}

/// The state while the batch is decided.
struct BatchState {
    standing: Vec<StandingRecords>,
    orders: Vec<bool>,
    parks: Vec<ParkState>,
    decision: Decision,
}

struct ParkState {
    was: (Space, PushActivity),
    now: ParkSpace,
}

impl BatchState {
    fn decide(&mut self, index: usize, arrival: &Arrival, slots: &Slots) -> Verdict {
        let by_digest = |slot: usize| self.standing.get(slot).is_some_and(|standing| standing.by_digest);
        let by_digest = (by_digest(slots.own), by_digest(slots.stay));
        if let Some(record) = self.standing.get_mut(slots.own).and_then(|standing| standing.of_mut(arrival.kind)) {
            return against(record, index, arrival, by_digest, &mut self.decision.records);
        }
        let record = self.decision.records.len();
        let refused_orders = self.take_orders(record, arrival, slots);
        let counted = self.count(record, arrival, slots);
        self.decision.records.push(NewRecord {
            arrival: index,
            conflict_with: None,
            counted,
            refused_orders: refused_orders.clone(),
            key_by_digest: by_digest.0,
            stay_by_digest: by_digest.1,
        });
        if let Some(standing) = self.standing.get_mut(slots.own) {
            let record = StandingRecord {
                record: RecordRef::New(record),
                digest: arrival.digest,
                seqno: arrival.seqno,
                refused_orders: RefusedOrders::Named(refused_orders.clone()),
                conflicts: Vec::new(),
            };
            standing.set(arrival.kind, record);
        }
        Verdict::Recorded { refused_orders }
    }

    fn take_orders(&mut self, record: usize, arrival: &Arrival, slots: &Slots) -> Vec<String> {
        let mut refused: Vec<String> = Vec::new();
        for (position, (payment, slot)) in arrival.payments.iter().zip(&slots.orders).enumerate() {
            let (Some(order), Some(taken)) = (&payment.parking_order, slot.and_then(|slot| self.orders.get_mut(slot)))
            else {
                continue;
            };
            if !std::mem::replace(taken, true) {
                self.decision.payments.push(NewPayment { record, position });
            } else if !refused.contains(order) {
                refused.push(order.clone());
            }
        }
        refused
    }

    fn count(&mut self, record: usize, arrival: &Arrival, slots: &Slots) -> Option<i64> {
        let park = self.parks.get_mut(slots.park)?;
        let as_of = arrival.counts_as_of();
        let (delta, withdrawn) = match self.standing.get_mut(slots.stay) {
            None => (0, None),
            Some(stay) => delta(record, arrival, stay),
        };
        if let Some(update) = withdrawn {
            park.count(SpaceEvent { as_of: update.as_of, delta: -1 });
            match update.record {
                RecordRef::Stored(id) => self.decision.withdrawn.push((arrival.park, id)),
                RecordRef::New(index) => {
                    if let Some(new) = self.decision.records.get_mut(index) {
                        new.counted = None;
                    }
                }
            }
        }
        if let Some(report) = arrival.space {
            park.now.space.report(report, as_of, &park.now.later_events);
            return None;
        }
        if delta == 0 {
            return None;
        }
        park.count(SpaceEvent { as_of, delta });
        Some(delta)
    }
}

impl ParkState {
    fn count(&mut self, event: SpaceEvent) {
        self.now.space.count(event);
        self.now.later_events.push(event);
    }
}

/// What an arrival that reports no free spaces adds to them, and the update whose count it takes the place of. A vehicle leaves
/// once, and in whatever order it is said: a leave goes before updates, and of these the last one in their own order counts.
fn delta(record: usize, arrival: &Arrival, stay: &mut StandingRecords) -> (i64, Option<LeftByUpdate>) {
    match arrival.kind {
        PushKind::Enter => (-1, None),
        PushKind::Leave => (1, stay.left_by_update.take()),
        PushKind::Update if arrival.gives_leave && stay.of(PushKind::Leave).is_none() => {
            let update = LeftByUpdate {
                record: RecordRef::New(record),
                as_of: arrival.counts_as_of(),
                done_at: arrival.done_at,
                received_at: arrival.received_at,
            };
            match stay.left_by_update {
                Some(other) if other.order() > update.order() => (0, None),
                _ => (1, stay.left_by_update.replace(update)),
            }
        }
        PushKind::Update | PushKind::Release => (0, None),
    }
}

/// The verdict on an arrival whose key is taken: the same push again, or another one.
fn against(
    standing: &mut StandingRecord,
    index: usize,
    arrival: &Arrival,
    (key_by_digest, stay_by_digest): (bool, bool),
    records: &mut Vec<NewRecord>,
) -> Verdict {
    if standing.digest == arrival.digest {
        let refused_orders = standing.refused_orders.named(&arrival.payments);
        return Verdict::Repeated { seqno: standing.seqno, refused_orders };
    }
    let conflict = |seqno| Verdict::Conflict { seqno, key: arrival.shown_key().to_owned() };
    if let Some((_, seqno)) = standing.conflicts.iter().find(|(digest, _)| *digest == arrival.digest) {
        return conflict(*seqno);
    }
    if standing.conflicts.len() >= CONFLICTS_MAX {
        return Verdict::Overflowing;
    }
    standing.conflicts.push((arrival.digest, arrival.seqno));
    records.push(NewRecord {
        arrival: index,
        conflict_with: Some(standing.record),
        counted: None,
        refused_orders: Vec::new(),
        key_by_digest,
        stay_by_digest,
    });
    conflict(arrival.seqno)
}
