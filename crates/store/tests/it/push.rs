//! Pushes to record, and stores to record them in.

use std::path::Path;
use std::sync::Arc;

use parkgate_ledger::{Arrival, ParkId};
use parkgate_store::{Entry, NewPark, Store};
use parkgate_testbed::Postgres;
use parkgate_wire::{Digest, Payment, PushKind, Secret, Seqno, SpaceReport, UnixMillis};
use tempfile::TempDir;

pub(crate) const T: i64 = 1_760_000_000_000;

/// A new store with the parks `a` (1) and `b` (2).
pub(crate) fn store() -> (TempDir, Arc<Store>) {
    let folder = tempfile::tempdir().unwrap();
    let store = opened(folder.path(), None);
    (folder, store)
}

/// Opens an empty store and adds the parks `a` (1) and `b` (2).
pub(crate) fn opened(data: &Path, url: Option<&str>) -> Arc<Store> {
    let store = parkgate_store::open(data, url).unwrap();
    for uuid in ["a", "b"] {
        store.add_park(&new_park(uuid)).unwrap();
    }
    store
}

pub(crate) fn on_sqlite(promise: impl Fn(&Store)) {
    promise(store().1.as_ref());
}

pub(crate) fn on_postgres(promise: impl Fn(&Store)) {
    let (cluster, folder) = (Postgres::shared(), tempfile::tempdir().unwrap());
    let store = opened(folder.path(), Some(&cluster.database()));
    promise(store.as_ref());
}

/// With monthly partitions, the second of which is open.
pub(crate) fn on_postgres_by_months(promise: impl Fn(&Store)) {
    let (cluster, folder) = (Postgres::shared(), tempfile::tempdir().unwrap());
    let url = cluster.database();
    let store = opened(folder.path(), Some(&url));
    let months = store.months().unwrap();
    months.begin().unwrap();
    cluster.sql(&url, "UPDATE months SET begun_at = begun_at - 4000000000");
    assert!(months.turn().unwrap().is_some());
    promise(store.as_ref());
}

/// Spread by park, as `docs/scale/by_park.sql` does it.
pub(crate) fn on_postgres_by_parks(promise: impl Fn(&Store)) {
    let (cluster, folder) = (Postgres::shared(), tempfile::tempdir().unwrap());
    let url = cluster.database();
    let store = opened(folder.path(), Some(&url));
    cluster.sql(&url, include_str!("../../../../docs/scale/by_park.sql"));
    promise(store.as_ref());
}

pub(crate) fn new_park(uuid: &str) -> NewPark {
    NewPark {
        park_uuid: uuid.into(),
        merchant: None,
        name: uuid.into(),
        secret: Secret::new(format!("secret-of-{uuid}")),
        strict: false,
        total_parking_space: None,
    }
}

pub(crate) fn enter(serial: &str, seqno: u64, enter_time: i64) -> Entry {
    entry(PushKind::Enter, serial, seqno, enter_time, enter_time)
}

pub(crate) fn leave(serial: &str, seqno: u64, enter_time: i64, leave_time: i64) -> Entry {
    entry(PushKind::Leave, serial, seqno, enter_time, leave_time)
}

/// A release of a stay.
pub(crate) fn release(serial: &str, seqno: u64, released_at: i64) -> Entry {
    let params = [("release_type", "2".to_owned()), ("release_time", released_at.to_string())];
    // As the protocol's keys are: never long.
    let serial_in_key: String = serial.chars().take(40).collect();
    about(PushKind::Release, serial, &format!("2/{released_at}/{serial_in_key}"), seqno, released_at, &params)
}

/// An update of a stay, and what it gives.
pub(crate) fn update(flow_no: &str, serial: &str, seqno: u64, operate_time: i64, given: &[(&str, i64)]) -> Entry {
    let mut params = vec![("flow_no", flow_no.to_owned()), ("operate_time", operate_time.to_string())];
    params.extend(given.iter().map(|(name, time)| (*name, time.to_string())));
    let mut entry = about(PushKind::Update, serial, flow_no, seqno, operate_time, &params);
    for (name, time) in given {
        match *name {
            "enter_time" => entry.arrival.enter_time = UnixMillis(*time),
            "leave_time" => (entry.arrival.event_time, entry.arrival.gives_leave) = (UnixMillis(*time), true),
            name => panic!("{name}"),
        }
    }
    entry
}

fn about(kind: PushKind, serial: &str, key: &str, seqno: u64, at: i64, params: &[(&str, String)]) -> Entry {
    let mut entry = entry(kind, serial, seqno, at, at);
    entry.arrival.own_key = Some(key.into());
    entry.arrival.done_at = UnixMillis(at);
    let named: serde_json::Map<_, _> =
        params.iter().map(|(name, value)| ((*name).to_owned(), value.as_str().into())).collect();
    entry.params = serde_json::to_string(&named).unwrap();
    entry
}

/// Its content follows from its seqno, unless `With::content` says otherwise.
fn entry(kind: PushKind, serial: &str, seqno: u64, enter_time: i64, event_time: i64) -> Entry {
    let mut digest = [0; 16];
    digest[..8].copy_from_slice(&seqno.to_le_bytes());
    Entry {
        arrival: Arrival {
            park: ParkId(1),
            kind,
            parking_serial: serial.into(),
            own_key: None,
            gives_leave: false,
            done_at: UnixMillis(0),
            enter_time: UnixMillis(enter_time),
            event_time: UnixMillis(event_time),
            received_at: UnixMillis(event_time + 1),
            digest: Digest(digest),
            seqno: Seqno(seqno),
            payments: Vec::new(),
            space: None,
        },
        plate: None,
        params: format!(r#"{{"parking_serial":"{serial}","content":"{seqno}"}}"#),
        personal: None,
        original: None,
        inline: None,
        variant: 1,
        pictures: Vec::new(),
    }
}

pub(crate) trait With {
    fn park(self, park: i64) -> Self;
    fn content(self, content: u8) -> Self;
    fn plate(self, plate: &str) -> Self;
    fn space(self, total: u32, remain: u32) -> Self;
    fn payments(self, list: &str) -> Self;
    fn personal(self, json: &str) -> Self;
    fn received_at(self, received_at: i64) -> Self;
}

impl With for Entry {
    fn park(mut self, park: i64) -> Self {
        self.arrival.park = ParkId(park);
        self
    }

    fn content(mut self, content: u8) -> Self {
        self.arrival.digest = Digest([content; 16]);
        self
    }

    fn plate(mut self, plate: &str) -> Self {
        self.plate = Some(plate.into());
        self
    }

    fn space(mut self, total: u32, remain: u32) -> Self {
        self.arrival.space = Some(SpaceReport { total, remain });
        self.params.pop();
        self.params.push_str(&format!(r#","total_parking_space":"{total}","remain_parking_space":"{remain}"}}"#));
        self
    }

    /// As `payment_list`, and as the rules see it.
    fn payments(mut self, list: &str) -> Self {
        let entries: Vec<serde_json::Value> = serde_json::from_str(list).unwrap();
        let text = |value: &serde_json::Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        let paid = entries.iter().map(|entry| Payment {
            parking_order: entry.get("parking_order").map(text),
            pay_type: entry.get("pay_type").map(text).unwrap_or_default(),
            ..Payment::default()
        });
        self.arrival.payments = paid.collect();
        let mut params: serde_json::Map<_, _> = serde_json::from_str(&self.params).unwrap();
        params.insert("payment_list".into(), list.into());
        self.params = serde_json::to_string(&params).unwrap();
        self
    }

    fn personal(mut self, json: &str) -> Self {
        self.personal = Some(json.into());
        self
    }

    fn received_at(mut self, received_at: i64) -> Self {
        self.arrival.received_at = UnixMillis(received_at);
        self
    }
}
