//! What forwarding needs, on this store.

use parkgate_ledger::ParkId;
use parkgate_wire::PushKind;

use super::{PostgresStore, delivery};
use crate::StoreError;
use crate::delivery::{
    Backlog, Claimed, Delivery, DeliveryFilter, DeliveryId, Difference, Due, Forwarding, NewSubscriber, Settled,
    Subscriber,
};

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

    fn remove_subscriber(&self, name: &str) -> Result<bool, StoreError> {
        self.once(async |link| delivery::remove(link, name).await)
    }

    fn claim(&self, subscriber: i64, now: i64, until: i64, max: usize) -> Result<Claimed, StoreError> {
        self.ask(async |link| {
            let (taken, looked_at) = delivery::claim(link, subscriber, now, until, max).await?;
            let outgoing = delivery::outgoing(link, &self.seal, taken).await?;
            Ok(Claimed { outgoing, looked_at })
        })
    }

    fn settle(&self, subscriber: i64, settled: &[Settled], now: i64) -> Result<(), StoreError> {
        self.ask(async |link| delivery::settle(link, subscriber, settled, now).await)
    }

    fn deliveries(&self, filter: &DeliveryFilter) -> Result<Vec<Delivery>, StoreError> {
        self.ask_long(async |link| delivery::list(link, filter).await)
    }

    fn retry_deliveries(&self, ids: &[DeliveryId], now: i64) -> Result<usize, StoreError> {
        self.ask_long(async |link| delivery::retry(link, ids, now).await)
    }

    fn drop_deliveries(&self, ids: &[DeliveryId]) -> Result<usize, StoreError> {
        self.once(async |link| delivery::give_up(link, ids).await)
    }

    fn replay(&self, subscriber: &str, received_from: i64, now: i64) -> Result<Option<u64>, StoreError> {
        let Some(id) = self.ask(async |link| delivery::id_of(link, subscriber).await)? else { return Ok(None) };
        let (mut replayed, mut below) = (0, Some(i64::MAX));
        while let Some(from) = below {
            let (added, next) =
                self.ask_long(async |link| delivery::replay(link, id, received_from, now, from).await)?;
            replayed += added;
            below = next;
        }
        Ok(Some(replayed))
    }

    fn backlog(&self) -> Result<Vec<Backlog>, StoreError> {
        self.ask(delivery::backlog)
    }

    fn delivery_of(
        &self,
        subscriber: i64,
        park: ParkId,
        parking_serial: &str,
        kind: PushKind,
    ) -> Result<Option<Due>, StoreError> {
        self.ask(async |link| delivery::delivery_of(link, subscriber, park, parking_serial, kind).await)
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
