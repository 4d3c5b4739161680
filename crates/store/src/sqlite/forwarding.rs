//! What forwarding needs, on this store.

use parkgate_ledger::ParkId;
use parkgate_wire::PushKind;

use super::{SqliteStore, delivery};
use crate::StoreError;
use crate::delivery::{
    Backlog, Claimed, Delivery, DeliveryFilter, DeliveryId, Difference, Due, Forwarding, NewSubscriber, Settled,
    Subscriber,
};

impl Forwarding for SqliteStore {
    fn subscribers(&self) -> Result<Vec<Subscriber>, StoreError> {
        self.read(|reader| delivery::subscribers(reader, &self.seal))
    }

    fn add_subscriber(&self, subscriber: &NewSubscriber) -> Result<(), StoreError> {
        self.write(|writer| delivery::add_subscriber(writer.connection(), &self.seal, subscriber))
    }

    fn pause_subscriber(&self, name: &str, paused: bool) -> Result<bool, StoreError> {
        self.write(|writer| delivery::pause(writer.connection(), name, paused))
    }

    fn remove_subscriber(&self, name: &str) -> Result<bool, StoreError> {
        self.write(|writer| delivery::remove(writer.connection(), name))
    }

    fn claim(&self, subscriber: i64, now: i64, until: i64, max: usize) -> Result<Claimed, StoreError> {
        // Most of the time nothing is due, and the writer has better to do.
        if !self.read(|reader| delivery::is_due(reader, subscriber, now))? {
            return Ok(Claimed::default());
        }
        let (taken, looked_at) =
            self.write(|writer| delivery::claim(writer.connection(), subscriber, now, until, max))?;
        let claimed = self.read(|reader| delivery::outgoing(reader, &self.seal, taken))?;
        Ok(Claimed { looked_at, ..claimed })
    }

    fn settle(&self, subscriber: i64, settled: &[Settled], now: i64) -> Result<(), StoreError> {
        self.write(|writer| delivery::settle(writer.connection(), subscriber, settled, now))
    }

    fn deliveries(&self, filter: &DeliveryFilter) -> Result<Vec<Delivery>, StoreError> {
        self.read(|reader| delivery::list(reader, filter))
    }

    fn retry_deliveries(&self, ids: &[DeliveryId], now: i64) -> Result<usize, StoreError> {
        self.write(|writer| delivery::each(writer.connection(), ids, delivery::RETRY, Some(now)))
    }

    fn drop_deliveries(&self, ids: &[DeliveryId]) -> Result<usize, StoreError> {
        self.write(|writer| delivery::each(writer.connection(), ids, delivery::DROP, None))
    }

    fn replay(&self, subscriber: &str, received_from: i64, now: i64) -> Result<Option<u64>, StoreError> {
        let Some(id) = self.read(|reader| delivery::id_of(reader, subscriber))? else { return Ok(None) };
        let (mut replayed, mut below) = (0, Some(i64::MAX));
        while let Some(from) = below {
            let (added, next) =
                self.write(|writer| delivery::replay(writer.connection(), id, received_from, now, from))?;
            replayed += added;
            below = next;
        }
        Ok(Some(replayed))
    }

    fn backlog(&self) -> Result<Vec<Backlog>, StoreError> {
        self.read(delivery::backlog)
    }

    fn delivery_of(
        &self,
        subscriber: i64,
        park: ParkId,
        parking_serial: &str,
        kind: PushKind,
    ) -> Result<Option<Due>, StoreError> {
        self.read(|reader| delivery::delivery_of(reader, subscriber, park, parking_serial, kind))
    }

    fn add_difference(&self, difference: &Difference) -> Result<(), StoreError> {
        self.write(|writer| delivery::add_difference(writer.connection(), difference))
    }

    fn differences(&self, subscriber: i64, limit: usize) -> Result<Vec<Difference>, StoreError> {
        self.read(|reader| delivery::differences(reader, subscriber, limit))
    }

    fn set_location(&self, park_uuid: &str, location: Option<&str>) -> Result<bool, StoreError> {
        self.write(|writer| delivery::set_location(writer.connection(), park_uuid, location))
    }
}
