//! Which keys a batch touches, and what the store found under them.

use std::collections::HashMap;

use parkgate_wire::{Digest, PushKind, Seqno, UnixMillis};

use crate::redact::RefusedOrders;
use crate::{Arrival, ParkId, PushActivity, RecordRef, Space, SpaceEvent};

/// The distinct keys of a batch, and which of them each arrival uses. The store fills a [`Loaded`] in the same order.
#[derive(Debug, Default)]
pub struct Keys<'a> {
    /// Every key that records stand under, and every serial of a stay that an update ends.
    pub records: Vec<RecordKey<'a>>,
    /// Every `(park, parking_order, pay_type)`.
    pub orders: Vec<OrderKey<'a>>,
    /// Every park.
    pub parks: Vec<ParkKey>,
    /// For each arrival: the indexes of its keys, its payments' orders and its park in the lists above.
    pub(crate) slots: Vec<Slots>,
}

#[derive(Debug)]
pub(crate) struct Slots {
    /// Where records of its kind and key stand.
    pub(crate) own: usize,
    /// Where the halves of its stay stand.
    pub(crate) stay: usize,
    /// One for each payment of the arrival; `None` where the payment has no order.
    pub(crate) orders: Vec<Option<usize>>,
    pub(crate) park: usize,
}

impl Keys<'_> {
    /// Does a push of the batch come with a key that a stored record of its kind has, and with other content? Only then
    /// must the store load the conflicts of what it found ([`StandingRecord::conflicts`]).
    #[must_use]
    pub fn needs_conflicts(&self, batch: &[&Arrival], loaded: &Loaded) -> bool {
        batch.iter().zip(&self.slots).any(|(arrival, slots)| {
            let standing = loaded.records.get(slots.own).and_then(|standing| standing.of(arrival.kind));
            standing.is_some_and(|record| record.digest != arrival.digest)
        })
    }
}

/// The keys a batch touches, each once.
#[must_use]
pub fn touches<'a>(batch: &[&'a Arrival]) -> Keys<'a> {
    touches_in(batch, |_| false)
}

/// The same. Of parks that keep records under digests the stay of every release and update is looked at, too: it is recorded
/// under what its stay stands under.
#[must_use]
pub fn touches_in<'a>(batch: &[&'a Arrival], keeps_digests: impl Fn(ParkId) -> bool) -> Keys<'a> {
    let mut keys = Keys { slots: Vec::with_capacity(batch.len()), ..Keys::default() };
    let mut records = HashMap::with_capacity(batch.len());
    let mut orders = HashMap::with_capacity(batch.len());
    let mut parks = HashMap::with_capacity(batch.len());
    for arrival in batch {
        let mut slot_of = |key| slot(&mut records, &mut keys.records, RecordKey { park: arrival.park, key });
        let own = slot_of(arrival.key());
        let looks_at_stay = arrival.gives_leave || arrival.own_key.is_some() && keeps_digests(arrival.park);
        let stay = if looks_at_stay { slot_of(&arrival.parking_serial) } else { own };
        let order_slots = arrival
            .payments
            .iter()
            .map(|payment| {
                let parking_order = payment.parking_order.as_deref()?;
                let key = OrderKey { park: arrival.park, parking_order, pay_type: &payment.pay_type };
                Some(slot(&mut orders, &mut keys.orders, key))
            })
            .collect();
        let park = *parks.entry(arrival.park).or_insert_with(|| {
            keys.parks.push(ParkKey { park: arrival.park, earliest_snapshot: None });
            keys.parks.len() - 1
        });
        if let (Some(key), Some(_)) = (keys.parks.get_mut(park), arrival.space) {
            let as_of = arrival.counts_as_of();
            key.earliest_snapshot = Some(key.earliest_snapshot.map_or(as_of, |earliest| earliest.min(as_of)));
        }
        keys.slots.push(Slots { own, stay, orders: order_slots, park });
    }
    keys
}

fn slot<K: Copy + Eq + std::hash::Hash>(seen: &mut HashMap<K, usize>, list: &mut Vec<K>, key: K) -> usize {
    *seen.entry(key).or_insert_with(|| {
        list.push(key);
        list.len() - 1
    })
}

/// What a record stands under within its park.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct RecordKey<'a> {
    /// The park.
    pub park: ParkId,
    /// The car park's serial, or a key of the record's own ([`Arrival::key`]).
    pub key: &'a str,
}

/// What makes a payment unique: the document's own signed example pays one order in two ways.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct OrderKey<'a> {
    /// The park.
    pub park: ParkId,
    /// The car park's order number.
    pub parking_order: &'a str,
    /// The way of payment as sent; empty if there was none.
    pub pay_type: &'a str,
}

/// A park, and the time from which its counted events are needed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ParkKey {
    /// The park.
    pub park: ParkId,
    /// The earliest snapshot in the batch, if it reports any: then the store must load the counted events named by
    /// [`ParkKey::needs_events_after`], since a new snapshot keeps what came after it.
    pub earliest_snapshot: Option<UnixMillis>,
}

impl ParkKey {
    /// The time (exclusive) from which counted events are needed, given the stored count; `None` if none are.
    ///
    /// A snapshot older than the stored one changes nothing, so events before that one do not matter either.
    #[must_use]
    pub fn needs_events_after(&self, stored: &Space) -> Option<UnixMillis> {
        let after =
            self.earliest_snapshot?.max(stored.snapshot.map_or(UnixMillis(i64::MIN), |snapshot| snapshot.as_of));
        stored.latest_counted.filter(|latest| *latest > after).map(|_| after)
    }
}

/// What the store found, each list in the order of the [`Keys`].
#[derive(Debug, Default, Clone)]
pub struct Loaded {
    /// The records under each key.
    pub records: Vec<StandingRecords>,
    /// Is the order taken?
    pub orders: Vec<bool>,
    /// The state of each park's count.
    pub parks: Vec<ParkSpace>,
}

/// Under each key stands at most one record of each kind; the first wins.
#[derive(Debug, Default, Clone)]
pub struct StandingRecords {
    records: [Option<StandingRecord>; PushKind::ALL.len()],
    /// The update that counts that the vehicle of this serial left.
    pub left_by_update: Option<LeftByUpdate>,
    /// They stand under the key's digest ([`crate::redact`]): what comes after them does, too.
    pub by_digest: bool,
}

/// An update that says when a vehicle left, and counts for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LeftByUpdate {
    /// Its row.
    pub record: RecordRef,
    /// The time as of which it counts.
    pub as_of: UnixMillis,
    /// When it was made ([`Arrival::done_at`]).
    pub done_at: UnixMillis,
    /// When it was received.
    pub received_at: UnixMillis,
}

impl LeftByUpdate {
    /// Updates apply in this order.
    pub(crate) fn order(&self) -> (UnixMillis, UnixMillis) {
        (self.done_at, self.received_at)
    }
}

impl StandingRecords {
    /// The record of that kind.
    #[must_use]
    pub fn of(&self, kind: PushKind) -> Option<&StandingRecord> {
        self.records.get(kind as usize)?.as_ref()
    }

    /// The record of that kind, to be changed.
    pub fn of_mut(&mut self, kind: PushKind) -> Option<&mut StandingRecord> {
        self.records.get_mut(kind as usize)?.as_mut()
    }

    /// This record stands from now on.
    pub fn set(&mut self, kind: PushKind, record: StandingRecord) {
        if let Some(place) = self.records.get_mut(kind as usize) {
            *place = Some(record);
        }
    }

    /// Every record, to be changed.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = &mut StandingRecord> {
        self.records.iter_mut().flatten()
    }
}

/// A recorded push, reduced to what later ones are compared with.
#[derive(Debug, Clone)]
pub struct StandingRecord {
    /// Its row.
    pub record: RecordRef,
    /// Its content.
    pub digest: Digest,
    /// The number of its request.
    pub seqno: Seqno,
    /// The orders that were refused: a repeat is answered as the first time.
    pub refused_orders: RefusedOrders,
    /// The other contents that were pushed under this key.
    pub conflicts: Vec<(Digest, Seqno)>,
}

/// A park's count, with the counted events that a new snapshot may need.
#[derive(Debug, Default, Clone)]
pub struct ParkSpace {
    /// As stored; the default for an unknown park.
    pub space: Space,
    /// What it pushed.
    pub activity: PushActivity,
    /// The counted events that [`ParkKey::needs_events_after`] names.
    pub later_events: Vec<SpaceEvent>,
}
