//! What forwarding needs, on this store.

use parkgate_ledger::ParkId;
use parkgate_wire::{PushKind, Secret};

use super::{SqliteStore, delivery};
use crate::StoreError;
use crate::delivery::{
    Backlog, Claim, Claimed, Delivery, DeliveryFilter, DeliveryId, Difference, Due, Forwarding, NewSubscriber, Settled,
    Subscriber, SubscriberSettings,
};
use crate::listing::Page;

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

    fn change_subscriber(
        &self,
        name: &str,
        settings: &SubscriberSettings,
        secret: Option<&Secret>,
    ) -> Result<bool, StoreError> {
        self.write(|writer| delivery::change(writer.connection(), &self.seal, name, settings, secret))
    }

    fn remove_subscriber(&self, name: &str) -> Result<bool, StoreError> {
        while self.write(|writer| delivery::empty(writer.connection(), name))? {}
        self.write(|writer| delivery::remove(writer.connection(), name))
    }

    fn claim(&self, claim: &Claim) -> Result<Claimed, StoreError> {
        // Most of the time nothing is due, and the writer has better to do.
        if !self.read(|reader| delivery::is_due(reader, claim.subscriber, claim.now))? {
            return Ok(Claimed::default());
        }
        let (taken, looked_at) = self.write(|writer| delivery::claim(writer.connection(), claim))?;
        let claimed = self.read(|reader| delivery::outgoing(reader, &self.seal, taken))?;
        // One gate has the folder, and all the turns of a rate.
        Ok(Claimed { looked_at, send_from: claim.now, ..claimed })
    }

    fn settle(&self, subscriber: i64, settled: &[Settled], now: i64) -> Result<(), StoreError> {
        self.write(|writer| delivery::settle(writer.connection(), subscriber, settled, now))
    }

    fn deliveries_page(
        &self,
        filter: &DeliveryFilter,
        after: Option<DeliveryId>,
    ) -> Result<Page<Delivery, DeliveryId>, StoreError> {
        self.read(|reader| delivery::list(reader, filter, after))
    }

    fn retry_deliveries(&self, ids: &[DeliveryId], now: i64) -> Result<usize, StoreError> {
        self.write(|writer| delivery::retry(writer.connection(), ids, now))
    }

    fn drop_deliveries(&self, ids: &[DeliveryId], now: i64) -> Result<usize, StoreError> {
        self.write(|writer| delivery::give_up(writer.connection(), ids, now))
    }

    fn replay(&self, subscriber: &str, received_from: i64, now: i64) -> Result<Option<u64>, StoreError> {
        let Some(id) = self.read(|reader| delivery::id_of(reader, subscriber))? else { return Ok(None) };
        let Some((first, last)) = self.read(|reader| delivery::range(reader, received_from))? else {
            return Ok(Some(0));
        };
        let (mut replayed, mut next) = (0, Some(first));
        while let Some(from) = next {
            let piece = (from, last);
            let (added, after) =
                self.write(|writer| delivery::replay(writer.connection(), id, received_from, now, piece))?;
            replayed += added;
            next = after;
        }
        Ok(Some(replayed))
    }

    fn backlog(&self, count_max: u64) -> Result<Vec<Backlog>, StoreError> {
        self.read(|reader| delivery::backlog(reader, count_max))
    }

    fn oldest_pending(&self, subscriber: i64) -> Result<Option<i64>, StoreError> {
        self.read(|reader| delivery::oldest(reader, subscriber))
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
