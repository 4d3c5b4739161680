//! What a batch writes: rows as columns, one array each.

use std::borrow::Cow;

use futures_util::future::{try_join, try_join5};
use parkgate_ledger::{Arrival, Decision, ParkCounts, RecordId, RecordRef};
use parkgate_wire::Fen;

use super::fault::Fault;
use super::link::Link;
use super::text;
use crate::Entry;
use crate::backend::StoreKeys;
use crate::store::batch::Routing;
use crate::stored::{StoredKeys, kind_code, orders_text, sealed_original, sealed_personal};

const ADD_RECORDS: &str = "INSERT INTO records (park_id, id, kind, parking_serial, long_serial, enter_time, event_time, \
    counted, plate, digest, seqno, received_at, variant, conflict_with, refused_orders, params, personal, original, visit_serial) \
    SELECT * FROM UNNEST($1::bigint[], $2::bigint[], $3::smallint[], $4::text[], $5::text[], $6::bigint[], $7::bigint[], \
    $8::smallint[], $9::text[], $10::bytea[], $11::bigint[], $12::bigint[], $13::smallint[], $14::bigint[], $15::text[], \
    $16::text[], $17::bytea[], $18::bytea[], $19::text[])";
const ADD_PAYMENTS: &str = "INSERT INTO payments (park_id, parking_order, pay_type, record_id, position, value, free_value, \
    change_value, pay_time) SELECT * FROM UNNEST($1::bigint[], $2::text[], $3::text[], $4::bigint[], $5::integer[], \
    $6::bigint[], $7::bigint[], $8::bigint[], $9::bigint[])";
const ADD_IMAGES: &str = "INSERT INTO images (park_id, record_id, name, sha256, md5, size, content_type) \
    SELECT * FROM UNNEST($1::bigint[], $2::bigint[], $3::text[], $4::bytea[], $5::bytea[], $6::bigint[], $7::text[])";
const ADD_DELIVERIES: &str = "INSERT INTO deliveries (park_id, subscriber_id, record_id, next_at, since) \
    SELECT * FROM UNNEST($1::bigint[], $2::bigint[], $3::bigint[], $4::bigint[], $5::bigint[])";
const PUT_SPACES: &str = "UPDATE spaces s SET total = n.total, remain = n.remain, as_of = n.as_of, later = n.later, \
    latest_counted = n.latest_counted, last_push_at = n.last_push_at, day = n.day, day_pushes = n.day_pushes, \
    touched = s.touched + 1 FROM UNNEST($1::bigint[], $2::bigint[], $3::bigint[], $4::bigint[], $5::bigint[], $6::bigint[], \
    $7::bigint[], $8::bigint[], $9::bigint[]) \
    AS n (park_id, total, remain, as_of, later, latest_counted, last_push_at, day, day_pushes) WHERE s.park_id = n.park_id";

/// Numbers of a block of `record_blocks`.
pub(super) const BLOCK: i64 = 512;

/// A batch, and what is known of the registry.
#[derive(Clone, Copy)]
pub(super) struct PushBatch<'a> {
    pub(super) entries: &'a [Entry],
    pub(super) arrivals: &'a [&'a Arrival],
    pub(super) routing: &'a Routing,
    pub(super) keys: &'a StoreKeys,
}

impl<'a> PushBatch<'a> {
    /// What came, and as the ledger takes it.
    pub(super) fn push(self, index: usize) -> Option<(&'a Entry, &'a Arrival)> {
        Some((self.entries.get(index)?, self.arrivals.get(index)?))
    }
}

/// The blocks that a batch's records are numbered in.
pub(super) struct Blocks {
    pub(super) first: Vec<i64>,
}

impl Blocks {
    pub(super) fn number(&self, record: RecordRef) -> i64 {
        match record {
            RecordRef::Stored(RecordId(id)) => id,
            RecordRef::New(index) => {
                let index = index as i64;
                let block = usize::try_from(index / BLOCK).unwrap_or(0);
                self.first.get(block).copied().unwrap_or_default() + index % BLOCK
            }
        }
    }
}

/// Writes all and commits, in one round trip.
pub(super) async fn write(
    link: &Link,
    batch: PushBatch<'_>,
    decision: &Decision,
    blocks: &Blocks,
    parks: Vec<ParkCounts>,
) -> Result<(), Fault> {
    let records = RecordColumns::of(batch, decision, blocks)?;
    let deliveries = DeliveryColumns::of(batch, decision, blocks);
    let payments = PaymentColumns::of(batch, decision, blocks);
    let images = ImageColumns::of(batch, decision, blocks);
    withdraw(link, decision).await?;
    for sql in [ADD_RECORDS, ADD_DELIVERIES, ADD_PAYMENTS, ADD_IMAGES, PUT_SPACES] {
        link.statement(sql).await?;
    }
    // Each is sent only once the one before it is; when one fails, the rest is not looked at and the connection given up.
    let rows = try_join(records.add(link), deliveries.add(link));
    try_join5(rows, payments.add(link), images.add(link), put_spaces(link, &parks), link.commit()).await?;
    Ok(())
}

const WITHDRAW: &str = "UPDATE records r SET counted = NULL FROM UNNEST($1::bigint[], $2::bigint[]) AS n (park_id, id) \
    WHERE r.park_id = n.park_id AND r.id = n.id";

/// Updates that do not count any more: seldom, so they wait for a round trip of their own.
async fn withdraw(link: &Link, decision: &Decision) -> Result<(), Fault> {
    if decision.withdrawn.is_empty() {
        return Ok(());
    }
    let (parks, ids): (Vec<i64>, Vec<i64>) = decision.withdrawn.iter().map(|(park, id)| (park.0, id.0)).unzip();
    link.execute(WITHDRAW, &[&parks, &ids]).await?;
    Ok(())
}

#[derive(Default)]
struct RecordColumns<'a> {
    parks: Vec<i64>,
    ids: Vec<i64>,
    kinds: Vec<i16>,
    serials: Vec<Cow<'a, str>>,
    long_serials: Vec<Option<Cow<'a, str>>>,
    enter_times: Vec<i64>,
    event_times: Vec<i64>,
    counted: Vec<Option<i16>>,
    plates: Vec<Option<Cow<'a, str>>>,
    digests: Vec<&'a [u8]>,
    seqnos: Vec<i64>,
    received: Vec<i64>,
    variants: Vec<i16>,
    conflicts_with: Vec<Option<i64>>,
    refused_orders: Vec<Option<String>>,
    params: Vec<Cow<'a, str>>,
    personal: Vec<Option<Vec<u8>>>,
    originals: Vec<Option<Vec<u8>>>,
    visit_serials: Vec<Option<Cow<'a, str>>>,
}

impl<'a> RecordColumns<'a> {
    fn of(batch: PushBatch<'a>, decision: &Decision, blocks: &Blocks) -> Result<RecordColumns<'a>, Fault> {
        let mut all = RecordColumns::default();
        for (index, record) in decision.records.iter().enumerate() {
            let Some((entry, arrival)) = batch.push(record.arrival) else { continue };
            let under = StoredKeys::of(arrival, record, &batch.keys.content_key);
            all.parks.push(arrival.park.0);
            all.ids.push(blocks.number(RecordRef::New(index)));
            all.kinds.push(kind_code(arrival.kind) as i16);
            all.serials.push(key_of(under.key.clone()));
            all.long_serials.push(if record.stay_by_digest { None } else { text::long(&arrival.parking_serial) });
            all.enter_times.push(arrival.enter_time.0);
            all.event_times.push(arrival.event_time.0);
            all.counted.push(record.counted.map(|delta| delta as i16));
            all.plates.push(entry.plate.as_deref().map(text::kept));
            all.digests.push(&arrival.digest.0);
            all.seqnos.push(arrival.seqno.0 as i64);
            all.received.push(arrival.received_at.0);
            all.variants.push(i16::from(entry.variant));
            all.conflicts_with.push(record.conflict_with.map(|standing| blocks.number(standing)));
            all.refused_orders.push(orders_text(&record.refused_orders));
            all.params.push(text::kept(&entry.params));
            all.personal.push(sealed_personal(&batch.keys.seal, entry, arrival, &under.serial)?);
            all.originals.push(sealed_original(&batch.keys.seal, entry, arrival, &under.serial)?);
            all.visit_serials.push(under.is_about_stay.then(|| key_of(under.serial.clone())));
        }
        Ok(all)
    }

    async fn add(&self, link: &Link) -> Result<(), Fault> {
        if self.ids.is_empty() {
            return Ok(());
        }
        link.execute(
            ADD_RECORDS,
            &[
                &self.parks,
                &self.ids,
                &self.kinds,
                &self.serials,
                &self.long_serials,
                &self.enter_times,
                &self.event_times,
                &self.counted,
                &self.plates,
                &self.digests,
                &self.seqnos,
                &self.received,
                &self.variants,
                &self.conflicts_with,
                &self.refused_orders,
                &self.params,
                &self.personal,
                &self.originals,
                &self.visit_serials,
            ],
        )
        .await?;
        Ok(())
    }
}

/// A digest is short.
fn key_of(key: Cow<'_, str>) -> Cow<'_, str> {
    match key {
        Cow::Borrowed(text) => text::key(text),
        Cow::Owned(digest) => Cow::Owned(digest),
    }
}

#[derive(Default)]
struct DeliveryColumns {
    parks: Vec<i64>,
    subscribers: Vec<i64>,
    records: Vec<i64>,
    next_at: Vec<i64>,
    since: Vec<i64>,
}

impl DeliveryColumns {
    fn of(batch: PushBatch<'_>, decision: &Decision, blocks: &Blocks) -> DeliveryColumns {
        let mut all = DeliveryColumns::default();
        for (index, delivery) in batch.routing.deliveries(batch.entries, batch.arrivals, decision) {
            let record = decision.records.get(index).and_then(|record| batch.push(record.arrival));
            let Some((_, arrival)) = record else { continue };
            all.parks.push(arrival.park.0);
            all.subscribers.push(delivery.subscriber.0);
            all.records.push(blocks.number(RecordRef::New(index)));
            all.next_at.push(delivery.next_at.0);
            all.since.push(delivery.since.0);
        }
        all
    }

    async fn add(&self, link: &Link) -> Result<(), Fault> {
        if self.parks.is_empty() {
            return Ok(());
        }
        let values: super::link::Values<'_> =
            &[&self.parks, &self.subscribers, &self.records, &self.next_at, &self.since];
        link.execute(ADD_DELIVERIES, values).await?;
        Ok(())
    }
}

#[derive(Default)]
struct PaymentColumns<'a> {
    parks: Vec<i64>,
    orders: Vec<Cow<'a, str>>,
    pay_types: Vec<Cow<'a, str>>,
    records: Vec<i64>,
    positions: Vec<i32>,
    values: Vec<Option<i64>>,
    free_values: Vec<Option<i64>>,
    change_values: Vec<Option<i64>>,
    pay_times: Vec<Option<i64>>,
}

impl<'a> PaymentColumns<'a> {
    fn of(batch: PushBatch<'a>, decision: &Decision, blocks: &Blocks) -> PaymentColumns<'a> {
        let mut all = PaymentColumns::default();
        let fen = |amount: Option<Fen>| amount.map(|fen| fen.0 as i64);
        for payment in &decision.payments {
            let record = decision.records.get(payment.record).and_then(|record| batch.push(record.arrival));
            let Some((arrival, paid)) = record.and_then(|(_, a)| Some((a, a.payments.get(payment.position)?))) else {
                continue;
            };
            all.parks.push(arrival.park.0);
            all.orders.push(text::key(paid.parking_order.as_deref().unwrap_or_default()));
            all.pay_types.push(text::key(&paid.pay_type));
            all.records.push(blocks.number(RecordRef::New(payment.record)));
            all.positions.push(i32::try_from(payment.position).unwrap_or(i32::MAX));
            all.values.push(fen(paid.value));
            all.free_values.push(fen(paid.free_value));
            all.change_values.push(fen(paid.change_value));
            all.pay_times.push(paid.pay_time.map(|time| time.0));
        }
        all
    }

    async fn add(&self, link: &Link) -> Result<(), Fault> {
        if self.parks.is_empty() {
            return Ok(());
        }
        link.execute(
            ADD_PAYMENTS,
            &[
                &self.parks,
                &self.orders,
                &self.pay_types,
                &self.records,
                &self.positions,
                &self.values,
                &self.free_values,
                &self.change_values,
                &self.pay_times,
            ],
        )
        .await?;
        Ok(())
    }
}

#[derive(Default)]
struct ImageColumns<'a> {
    parks: Vec<i64>,
    records: Vec<i64>,
    names: Vec<Cow<'a, str>>,
    keys: Vec<&'a [u8]>,
    md5s: Vec<&'a [u8]>,
    sizes: Vec<i64>,
    content_types: Vec<&'a str>,
}

impl<'a> ImageColumns<'a> {
    fn of(batch: PushBatch<'a>, decision: &Decision, blocks: &Blocks) -> ImageColumns<'a> {
        let mut all = ImageColumns::default();
        for (index, record) in decision.records.iter().enumerate() {
            let Some((entry, arrival)) = batch.push(record.arrival) else { continue };
            for (name, picture) in &entry.pictures {
                all.parks.push(arrival.park.0);
                all.records.push(blocks.number(RecordRef::New(index)));
                all.names.push(text::kept(name));
                all.keys.push(&picture.key.0);
                all.md5s.push(&picture.md5.0);
                all.sizes.push(i64::try_from(picture.size).unwrap_or(i64::MAX));
                all.content_types.push(picture.content_type.as_ref());
            }
        }
        all
    }

    async fn add(&self, link: &Link) -> Result<(), Fault> {
        if self.parks.is_empty() {
            return Ok(());
        }
        let values: super::link::Values<'_> =
            &[&self.parks, &self.records, &self.names, &self.keys, &self.md5s, &self.sizes, &self.content_types];
        link.execute(ADD_IMAGES, values).await?;
        Ok(())
    }
}

async fn put_spaces(link: &Link, counts: &[ParkCounts]) -> Result<(), Fault> {
    let column = |value: fn(&ParkCounts) -> Option<i64>| counts.iter().map(value).collect::<Vec<Option<i64>>>();
    let parks: Vec<i64> = counts.iter().map(|counts| counts.park.0).collect();
    let totals = column(|counts| Some(counts.space.snapshot?.total.into()));
    let remains = column(|counts| Some(counts.space.snapshot?.remain.into()));
    let as_of = column(|counts| Some(counts.space.snapshot?.as_of.0));
    let later: Vec<i64> = counts.iter().map(|counts| counts.space.later).collect();
    let latest = column(|counts| Some(counts.space.latest_counted?.0));
    let pushed = column(|counts| Some(counts.activity.last_push_at?.0));
    let days = column(|counts| counts.activity.day);
    let pushes = column(|counts| Some(counts.activity.day_pushes));
    let values: super::link::Values<'_> =
        &[&parks, &totals, &remains, &as_of, &later, &latest, &pushed, &days, &pushes];
    link.execute(PUT_SPACES, values).await?;
    Ok(())
}
