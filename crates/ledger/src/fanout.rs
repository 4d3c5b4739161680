//! Which subscribers get a record, and when each delivery is first due.
//!
//! A record goes to every subscriber that asked for its kind and its park. A push that was ignored because its serial
//! is taken goes only to platforms of the same protocol, which decide for themselves. A delivery is written in its
//! record's own transaction: no record is ever visible without its deliveries.

use std::collections::HashSet;

use parkgate_wire::{KindSet, PushKind, UnixMillis};

use crate::ParkId;

/// A subscriber's key in the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SubscriberId(pub i64);

/// What one subscriber asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subscription {
    /// Who asked.
    pub subscriber: SubscriberId,
    /// Which parks, by their own keys; `None` for every park, also future ones.
    pub parks: Option<HashSet<ParkId>>,
    /// Which pushes.
    pub kinds: KindSet,
    /// Also pushes that were ignored because their key is taken.
    pub conflicts: bool,
}

/// A record as the fan-out sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Published {
    /// The park's own key, whichever epoch the record is of.
    pub park: ParkId,
    /// Which call it came by.
    pub kind: PushKind,
    /// Ignored because its key is taken.
    pub is_conflict: bool,
    /// When the push was received.
    pub received_at: UnixMillis,
    /// A subscriber that is asked before the push is answered.
    pub inline: Option<Inline>,
}

/// A subscriber that the gate itself asks before it answers the push (`--compare`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Inline {
    /// Which subscriber.
    pub subscriber: SubscriberId,
    /// Until then nobody else sends the delivery.
    pub until: UnixMillis,
}

/// A delivery to write with its record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NewDelivery {
    /// To whom.
    pub subscriber: SubscriberId,
    /// When the first attempt is due.
    pub next_at: UnixMillis,
    /// Since when it waits.
    pub since: UnixMillis,
}

/// Does this subscriber get this record?
#[must_use]
pub fn wants(subscription: &Subscription, record: &Published) -> bool {
    subscription.kinds.has(record.kind)
        && (subscription.conflicts || !record.is_conflict)
        && subscription.parks.as_ref().is_none_or(|parks| parks.contains(&record.park))
}

/// The deliveries of a record, in the order of the subscriptions.
pub fn fan_out<'a>(
    subscriptions: impl IntoIterator<Item = &'a Subscription>,
    record: Published,
) -> impl Iterator<Item = NewDelivery> {
    let wanted = subscriptions.into_iter().filter(move |subscription| wants(subscription, &record));
    wanted.map(move |subscription| {
        let inline = record.inline.filter(|inline| inline.subscriber == subscription.subscriber && !record.is_conflict);
        NewDelivery {
            subscriber: subscription.subscriber,
            next_at: inline.map_or(record.received_at, |inline| inline.until),
            since: record.received_at,
        }
    })
}
