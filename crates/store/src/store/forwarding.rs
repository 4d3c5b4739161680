//! What forwarding asks of the store.

use std::collections::HashMap;
use std::time::SystemTime;

use parkgate_ledger::fanout::{Published, SubscriberId, Subscription, wants};
use parkgate_ledger::{ParkId, Space};
use parkgate_text::texts;
use parkgate_wire::{KindSet, PushKind, Secret, UnixMillis};

use super::records::{COLUMN_COUNT, COLUMNS, pictures, record, spaces};
use super::{Store, clock, deliveries, passed_calls, registry, subscribers};
use crate::StoreError;
use crate::backend::{Access, Backend, Row, Transaction, Value};
use crate::delivery::{
    Backlog, Claim, Claimed, Delivery, DeliveryFilter, DeliveryId, Difference, Due, NewSubscriber, Outgoing,
    PassedCalls, REPLAYED_AT_ONCE, Settled, Subscriber, SubscriberSettings,
};
use crate::images::Picture;
use crate::listing::{self, Page, Take};
use crate::stored::{kind_of, original_of};
use parkgate_seal::Seal;

/// What forwarding asks.
impl Store {
    /// All subscribers, by name.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn subscribers(&self) -> Result<Vec<Subscriber>, StoreError> {
        self.with_keys(|keys| subscribers::subscribers(self.backend.as_ref(), &keys.seal))
    }

    /// Adds a subscriber: it receives what is recorded from now on.
    ///
    /// # Errors
    /// [`StoreError::Exists`] if its name is taken; [`StoreError::Broken`] names a park that is not there.
    pub fn add_subscriber(&self, subscriber: &NewSubscriber) -> Result<(), StoreError> {
        self.with_keys(|keys| subscribers::add(self.backend.as_ref(), &keys.seal, subscriber))
    }

    /// Pauses or resumes; false if there is no such subscriber. What failed before has all its time before it again.
    ///
    /// # Errors
    /// The store cannot be written.
    pub fn pause_subscriber(&self, name: &str, paused: bool) -> Result<bool, StoreError> {
        deliveries::pause(self.backend.as_ref(), name, paused, UnixMillis::from(SystemTime::now()).0)
    }

    /// Changes a subscriber from now on; what waits for it stays. False if there is no such subscriber.
    ///
    /// # Errors
    /// The store cannot be written.
    pub fn change_subscriber(
        &self,
        name: &str,
        settings: &SubscriberSettings,
        secret: Option<&Secret>,
        kinds: Option<KindSet>,
    ) -> Result<bool, StoreError> {
        self.with_keys(|keys| subscribers::change(self.backend.as_ref(), &keys.seal, name, settings, secret, kinds))
    }

    /// Removes a subscriber and all that waits for it; false if there is none.
    ///
    /// # Errors
    /// The store cannot be written.
    pub fn remove_subscriber(&self, name: &str) -> Result<bool, StoreError> {
        subscribers::remove(self.backend.as_ref(), name)
    }

    /// Deliveries that are due after `latest` become due then, and are tried since `now` at the latest: a clock that was
    /// set back left them. How many; ms since 1970.
    ///
    /// # Errors
    /// The store cannot be read or written.
    pub fn clamp_due(&self, latest: i64, now: i64) -> Result<u64, StoreError> {
        clock::clamp_due(self.backend.as_ref(), latest, now)
    }

    /// Takes deliveries that are due, for this caller alone for a time. A leave is not taken while its enter waits.
    ///
    /// # Errors
    /// The store cannot be written. What was taken comes back by itself.
    pub fn claim(&self, claim: &Claim) -> Result<Claimed, StoreError> {
        let claims = deliveries::claim_due(self.backend.as_ref(), claim)?;
        let claimed = self.with_keys(|keys| outgoing(self.backend.as_ref(), &keys.seal, claims.due.clone()))?;
        Ok(Claimed { looked_at: claims.looked_at, send_from: claims.send_from, ..claimed })
    }

    /// Writes down what became of attempts of one subscriber.
    ///
    /// # Errors
    /// The store cannot be written: what arrived is sent again later.
    pub fn settle(&self, subscriber: i64, settled: &[Settled], now: i64) -> Result<(), StoreError> {
        deliveries::settle_all(self.backend.as_ref(), subscriber, settled, now)
    }

    /// The next deliveries, the oldest record first, after one of them.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn deliveries_page(
        &self,
        filter: &DeliveryFilter,
        after: Option<DeliveryId>,
    ) -> Result<Page<Delivery, DeliveryId>, StoreError> {
        deliveries::page(self.backend.as_ref(), filter, after)
    }

    /// Deliveries, the oldest record first, each as it is read.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn each_delivery(&self, filter: &DeliveryFilter, take: Take<'_, Delivery>) -> Result<(), StoreError> {
        let page = |limit, after| self.deliveries_page(&DeliveryFilter { limit, ..filter.clone() }, after);
        listing::walk(filter.limit, page, take)
    }

    /// Deliveries, the oldest record first.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn deliveries(&self, filter: &DeliveryFilter) -> Result<Vec<Delivery>, StoreError> {
        listing::gathered(|take| self.each_delivery(filter, take))
    }

    /// Makes deliveries due now, dead ones too, with all their time before them; how many.
    ///
    /// # Errors
    /// The store cannot be written.
    pub fn retry_deliveries(&self, ids: &[DeliveryId], now: i64) -> Result<usize, StoreError> {
        deliveries::retry(self.backend.as_ref(), ids, now)
    }

    /// Gives deliveries up for good; how many there were.
    ///
    /// # Errors
    /// The store cannot be written.
    pub fn drop_deliveries(&self, ids: &[DeliveryId], now: i64) -> Result<usize, StoreError> {
        deliveries::give_up(self.backend.as_ref(), ids, now)
    }

    /// Queues for a subscriber again what was received since a time (ms since 1970) and is for it; how many records.
    /// `None` if there is no such subscriber.
    ///
    /// # Errors
    /// The store cannot be written.
    pub fn replay(&self, subscriber: &str, received_from: i64, now: i64) -> Result<Option<u64>, StoreError> {
        let Some(id) = subscribers::key_of(self.backend.as_ref(), subscriber)? else { return Ok(None) };
        replay(self.backend.as_ref(), id, received_from, now).map(Some)
    }

    /// What is waiting, of every subscriber; of each state no more than `count_max` are counted.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn backlog(&self, count_max: u64) -> Result<Vec<Backlog>, StoreError> {
        subscribers::backlog(self.backend.as_ref(), count_max)
    }

    /// Since when the oldest pending one of a subscriber waits, ms since 1970. Passes by all of them.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn oldest_pending(&self, subscriber: i64) -> Result<Option<i64>, StoreError> {
        deliveries::oldest(self.backend.as_ref(), subscriber)
    }

    /// The delivery of a push that its receiver sends on by itself, by what makes the push unique among its kind, unless it is gone.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn delivery_of(
        &self,
        subscriber: i64,
        park: ParkId,
        key: &str,
        kind: PushKind,
    ) -> Result<Option<Due>, StoreError> {
        deliveries::delivery_of(self.backend.as_ref(), subscriber, park, key, kind)
    }

    /// Notes a difference.
    ///
    /// # Errors
    /// The store cannot be written.
    pub fn add_difference(&self, difference: &Difference) -> Result<(), StoreError> {
        subscribers::add_difference(self.backend.as_ref(), difference)
    }

    /// The newest differences of a subscriber.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn differences(&self, subscriber: i64, limit: usize) -> Result<Vec<Difference>, StoreError> {
        subscribers::differences(self.backend.as_ref(), subscriber, limit)
    }

    /// Adds calls that were passed on to what was counted before. Those to subscribers that are gone are forgotten.
    ///
    /// # Errors
    /// The store cannot be written.
    pub fn add_passed_calls(&self, calls: &[PassedCalls]) -> Result<(), StoreError> {
        passed_calls::add(self.backend.as_ref(), calls)
    }

    /// What was passed on to a subscriber, by path, the most frequent first.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn passed_calls(&self, subscriber: i64) -> Result<Vec<PassedCalls>, StoreError> {
        passed_calls::all(self.backend.as_ref(), subscriber)
    }

    /// Sets where a park is, as JSON, or forgets it; false if there is no such park.
    ///
    /// # Errors
    /// The store cannot be written.
    pub fn set_location(&self, park_uuid: &str, location: Option<&str>) -> Result<bool, StoreError> {
        registry::set_location(self.backend.as_ref(), park_uuid, location)
    }
}

/// What every subscriber asked for.
pub(super) fn subscriptions(transaction: &mut dyn Transaction) -> Result<Vec<Subscription>, StoreError> {
    let rows = transaction
        .query("SELECT id, all_parks, relays, enters, leaves, releases, updates FROM subscribers ORDER BY id", &[])?;
    if rows.is_empty() {
        return Ok(Vec::new());
    }
    let mut parks: HashMap<i64, Vec<ParkId>> = HashMap::new();
    for row in transaction.query("SELECT subscriber_id, park_id FROM subscriber_parks", &[])? {
        parks.entry(row.int(0)?).or_default().push(ParkId(row.int(1)?));
    }
    let subscription = |row: &Row| {
        let id = row.int(0)?;
        Ok(Subscription {
            subscriber: SubscriberId(id),
            parks: if row.bool(1)? { None } else { Some(parks.remove(&id).unwrap_or_default().into_iter().collect()) },
            conflicts: row.bool(2)?,
            kinds: subscribers::kinds(row, 3)?,
        })
    };
    rows.iter().map(subscription).collect()
}

const OUTGOING: &str = "p.park_uuid, p.name, p.location, {serial r}, r.original, p.total_parking_space, \
    coalesce((SELECT max(n.id) FROM park_epochs n WHERE n.park_id = p.id), p.id) \
    FROM {keys $1 $2} AS k {step records r: {postgres r.park_id = k.park_id AND} r.id = k.record_id} \
    LEFT JOIN park_epochs e ON e.id = r.park_id JOIN parks p ON p.id = coalesce(e.park_id, r.park_id)";

/// Everything needed to send what was claimed.
fn outgoing(backend: &dyn Backend, seal: &Seal, due: Vec<Due>) -> Result<Claimed, StoreError> {
    let mut claimed = Claimed::default();
    if due.is_empty() {
        return Ok(claimed);
    }
    let keys: Vec<(ParkId, i64)> = due.iter().map(|due| (due.park, due.id.record)).collect();
    let values = [keys.iter().map(|(park, _)| park.0).collect(), keys.iter().map(|(_, record)| *record).collect()];
    let sql = format!("SELECT {COLUMNS}, {OUTGOING}");
    let (rows, mut pictures, spaces) = backend.transaction(Access::ReadKeys, |transaction| {
        let rows = transaction.query(&sql, &values)?;
        // Of the newest epoch, whichever the record is of.
        let counted = rows.iter().map(|row| row.int(COLUMN_COUNT + 6)).collect::<Result<Vec<_>, _>>()?;
        Ok((rows, pictures(transaction, &keys)?, spaces(transaction, Value::Ints(counted))?))
    })?;
    let mut found: HashMap<i64, Row> = HashMap::new();
    for row in rows {
        found.insert(row.int(0)?, row);
    }
    for due in due {
        let Some(row) = found.get(&due.id.record) else {
            claimed.unreadable.push((due, texts().answers.gone.into()));
            continue;
        };
        let space = spaces.get(&row.int(COLUMN_COUNT + 6)?).copied().unwrap_or_default();
        // One that cannot be read must not keep the others.
        match one(seal, row, due, pictures.remove(&due.id.record).unwrap_or_default(), space) {
            Ok(outgoing) => claimed.outgoing.push(outgoing),
            // With the key it can be.
            Err(error @ StoreError::KeyChanged(_)) => return Err(error),
            Err(error) => claimed.unreadable.push((due, error.to_string())),
        }
    }
    Ok(claimed)
}

fn one(seal: &Seal, row: &Row, due: Due, pictures: Vec<Picture>, space: Space) -> Result<Outgoing, StoreError> {
    let at = |column| COLUMN_COUNT + column;
    let parking_serial = row.text(at(3))?;
    let mut read = record(row, seal, &parking_serial)?;
    read.view.pictures = pictures;
    let original = row.opt_blob(at(4))?.map(<[u8]>::to_vec);
    let original = original_of(seal, original, due.park, &parking_serial, read.view.kind)?;
    Ok(Outgoing {
        due,
        park_uuid: row.text(at(0))?,
        park_name: row.text(at(1))?,
        location: row.opt_text(at(2))?,
        park_total: row.opt_int(at(5))?.and_then(|total| u32::try_from(total).ok()),
        parking_serial,
        plate: read.plate,
        enter_time: read.enter_time,
        event_time: read.event_time,
        record: read.view,
        original,
        space,
    })
}

/// By the time, not along the numbers from the oldest on.
const REPLAY_RANGE: &str = "SELECT min(id + 0), max(id + 0) FROM records WHERE received_at >= $1";
const REPLAY_PAGE: &str = "SELECT r.park_id, r.id, r.kind, r.conflict_with IS NOT NULL, coalesce(e.park_id, r.park_id), \
    r.received_at FROM records r LEFT JOIN park_epochs e ON e.id = r.park_id WHERE r.id >= $1 AND r.id <= $2 AND r.redacted IS NULL \
    {postgres AND NOT EXISTS (SELECT 1 FROM months m WHERE m.stripped_at IS NOT NULL AND (r.id >> 40 = m.number \
    OR r.id >> 40 < m.number AND m.number = (SELECT min(number) FROM months)))} \
    ORDER BY r.id LIMIT $3";

/// Page by page from the oldest record up, so that enters are there before their leaves; how many records.
fn replay(backend: &dyn Backend, subscriber: i64, received_from: i64, now: i64) -> Result<u64, StoreError> {
    let range = backend.transaction(Access::ReadLong, |transaction| {
        let row = transaction.query_opt(REPLAY_RANGE, &[received_from.into()])?;
        row.map_or(Ok(None), |row| Ok(row.opt_int(0)?.zip(row.opt_int(1)?)))
    })?;
    let Some((first, last)) = range else { return Ok(0) };
    let (mut replayed, mut next) = (0, Some(first));
    while let Some(from) = next {
        let values = [from.into(), last.into(), REPLAYED_AT_ONCE.into()];
        let (added, after) = backend.transaction(Access::Write, |transaction| {
            let subscriptions = subscriptions(transaction)?;
            let subscription = subscriptions.iter().find(|one| one.subscriber.0 == subscriber);
            let rows = transaction.query(REPLAY_PAGE, &values)?;
            let mut wanted = Vec::new();
            for row in &rows {
                let record = Published {
                    park: ParkId(row.int(4)?),
                    kind: kind_of(row.int(2)?),
                    is_conflict: row.bool(3)?,
                    received_at: UnixMillis(row.int(5)?),
                    inline: None,
                };
                let is_meant = record.received_at.0 >= received_from;
                if is_meant && subscription.is_some_and(|subscription| wants(subscription, &record)) {
                    wanted.push((ParkId(row.int(0)?), row.int(1)?));
                }
            }
            let added = deliveries::replay_page(transaction, subscriber, &wanted, now)?;
            let is_full = rows.len() as u64 >= REPLAYED_AT_ONCE.unsigned_abs();
            let last = rows.last().filter(|_| is_full).map(|row| row.int(1)).transpose()?;
            Ok((added, last.map(|last| last.saturating_add(1))))
        })?;
        replayed += added;
        next = after;
    }
    Ok(replayed)
}
