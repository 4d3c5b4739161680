//! What forwarding needs, on this store.

use parkgate_ledger::ParkId;
use parkgate_wire::{PushKind, Secret};

use super::link::{Fault, Link};
use super::{PATIENCE, PostgresStore, Twice, attempt, delivery};
use crate::StoreError;
use crate::delivery::{
    Backlog, Claim, Claimed, Delivery, DeliveryFilter, DeliveryId, Difference, Due, Forwarding, NewSubscriber, Settled,
    Subscriber, SubscriberSettings,
};
use crate::listing::Page;

impl PostgresStore {
    /// What a gate asks all the time: by keys only, like a batch, and soon.
    fn by_keys<T>(&self, work: impl AsyncFn(&Link) -> Result<T, Fault>) -> Result<T, StoreError> {
        attempt(&self.batches, Twice::Harmless, PATIENCE, async |link, _| work(link).await)
    }
}

impl Forwarding for PostgresStore {
    fn subscribers(&self) -> Result<Vec<Subscriber>, StoreError> {
        self.ask(async |link| delivery::subscribers(link, &self.seal).await)
    }

    fn add_subscriber(&self, subscriber: &NewSubscriber) -> Result<(), StoreError> {
        self.once(async |link| delivery::add_subscriber(link, &self.seal, subscriber).await)
    }

    fn pause_subscriber(&self, name: &str, paused: bool) -> Result<bool, StoreError> {
        self.ask(async |link| delivery::pause(link, name, paused).await)
    }

    fn change_subscriber(
        &self,
        name: &str,
        settings: &SubscriberSettings,
        secret: Option<&Secret>,
    ) -> Result<bool, StoreError> {
        self.ask(async |link| delivery::change(link, &self.seal, name, settings, secret).await)
    }

    fn remove_subscriber(&self, name: &str) -> Result<bool, StoreError> {
        while self.ask_long(async |link| delivery::empty(link, name).await)? {}
        self.once(async |link| delivery::remove(link, name).await)
    }

    fn claim(&self, claim: &Claim) -> Result<Claimed, StoreError> {
        self.by_keys(async |link| {
            let taken = delivery::claim(link, claim).await?;
            delivery::outgoing(link, &self.seal, taken).await
        })
    }

    fn settle(&self, subscriber: i64, settled: &[Settled], now: i64) -> Result<(), StoreError> {
        self.by_keys(async |link| delivery::settle(link, subscriber, settled, now).await)
    }

    fn deliveries_page(
        &self,
        filter: &DeliveryFilter,
        after: Option<DeliveryId>,
    ) -> Result<Page<Delivery, DeliveryId>, StoreError> {
        self.ask_long(async |link| delivery::list(link, filter, after).await)
    }

    fn retry_deliveries(&self, ids: &[DeliveryId], now: i64) -> Result<usize, StoreError> {
        self.ask_long(async |link| delivery::retry(link, ids, now).await)
    }

    fn drop_deliveries(&self, ids: &[DeliveryId], now: i64) -> Result<usize, StoreError> {
        self.once(async |link| delivery::give_up(link, ids, now).await)
    }

    fn replay(&self, subscriber: &str, received_from: i64, now: i64) -> Result<Option<u64>, StoreError> {
        let Some(id) = self.ask(async |link| delivery::id_of(link, subscriber).await)? else { return Ok(None) };
        let range = self.ask_long(async |link| delivery::range(link, received_from).await)?;
        let Some((first, last)) = range else { return Ok(Some(0)) };
        let (mut replayed, mut next) = (0, Some(first));
        while let Some(from) = next {
            let piece = (from, last);
            let (added, after) =
                self.ask_long(async |link| delivery::replay(link, id, received_from, now, piece).await)?;
            replayed += added;
            next = after;
        }
        Ok(Some(replayed))
    }

    fn backlog(&self, count_max: u64) -> Result<Vec<Backlog>, StoreError> {
        self.ask_long(async |link| delivery::backlog(link, count_max).await)
    }

    fn oldest_pending(&self, subscriber: i64) -> Result<Option<i64>, StoreError> {
        self.ask_long(async |link| delivery::oldest(link, subscriber).await)
    }

    fn delivery_of(
        &self,
        subscriber: i64,
        park: ParkId,
        parking_serial: &str,
        kind: PushKind,
    ) -> Result<Option<Due>, StoreError> {
        self.by_keys(async |link| delivery::delivery_of(link, subscriber, park, parking_serial, kind).await)
    }

    fn add_difference(&self, difference: &Difference) -> Result<(), StoreError> {
        self.ask(async |link| delivery::add_difference(link, difference).await)
    }

    fn differences(&self, subscriber: i64, limit: usize) -> Result<Vec<Difference>, StoreError> {
        self.ask_long(async |link| delivery::differences(link, subscriber, limit).await)
    }

    fn set_location(&self, park_uuid: &str, location: Option<&str>) -> Result<bool, StoreError> {
        self.ask(async |link| delivery::set_location(link, park_uuid, location).await)
    }
}
