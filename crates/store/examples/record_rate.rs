//! How many leaves a second a store takes: `cargo run --release -p parkgate-store --example record_rate [ROWS] [BATCH] [PLACE] [SPACES]`.
//!
//! Given `PLACE`, a data folder or a PostgreSQL URL, the leaves stay there; else they go when it ends. `PLACE` may be
//! `postgres`: then a server is started for it, as durable as one is by default.
//!
//! `SPACES` is `reported` (a report of free spaces with each leave), or `counted` (none: each is counted).
//!
//! Each of the store's lanes is a thread with parks of its own.
//!
//! 500 parks, serials of date and counter, about 900 bytes of parameters, one payment each. The
//! entries of a batch are made before its clock starts: what is measured is `Store::record` alone.

#![expect(clippy::print_stdout, reason = "it prints what it measured")]

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use parkgate_ledger::{Arrival, ParkId};
use parkgate_store::{Entry, Store, open};
use parkgate_testbed::Postgres;
use parkgate_wire::{Digest, Fen, Payment, PushKind, Seqno, SpaceReport, UnixMillis};

const PARKS: u64 = 500;
const PARAMS_BYTES: usize = 900;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut given = std::env::args().skip(1);
    let rows: u64 = given.next().map_or(Ok(300_000), |text| text.parse())?;
    let batch: u64 = given.next().map_or(Ok(64), |text| text.parse())?;
    let place = given.next().unwrap_or_default();
    let has_space = given.next().is_none_or(|spaces| spaces != "counted");
    let server = (place == "postgres").then(|| Postgres::start(&["shared_buffers=1GB", "max_wal_size=4GB"]));
    let url = server.as_ref().map(Postgres::database).or_else(|| place.contains("://").then(|| place.clone()));
    let scratch = std::env::temp_dir().join(format!("record_rate.{}", std::process::id()));
    let kept = (!place.is_empty() && url.is_none()).then(|| PathBuf::from(&place));
    let data = kept.clone().unwrap_or_else(|| scratch.clone());
    let store = open(&data, url.as_deref())?;
    store.begin_serving()?;
    let lanes = store.lanes(0) as u64;
    let started = Instant::now();
    let measured: Vec<(Vec<Duration>, u64)> = std::thread::scope(|scope| {
        let (store, data) = (store.as_ref(), data.as_path());
        let lane = |lane| scope.spawn(move || record((store, data), (rows, has_space), batch, (lane, lanes)));
        let threads: Vec<_> = (0..lanes).map(lane).collect();
        threads.into_iter().filter_map(|thread| thread.join().ok()).collect()
    });
    let wal_bytes_max = measured.iter().map(|(_, bytes)| *bytes).max().unwrap_or(0);
    let mut spent: Vec<Duration> = measured.into_iter().flat_map(|(spent, _)| spent).collect();
    // With lanes beside each other the time of a batch is not the time of its rows alone.
    let total = if lanes == 1 { spent.iter().sum() } else { started.elapsed() };
    print(rows, total, &mut spent, wal_bytes_max);
    let started = Instant::now();
    store.close()?;
    println!("closed in {:?}; database {} MiB", started.elapsed(), bytes(&data.join("parkgate.db")) >> 20);
    drop(store);
    if scratch.exists() {
        std::fs::remove_dir_all(&scratch)?;
    }
    Ok(())
}

/// Records one lane's share: how long each batch took, and how large the WAL became.
#[expect(clippy::expect_used, reason = "a measurement that fails is none")]
fn record(
    (store, data): (&Store, &Path),
    (rows, has_space): (u64, bool),
    batch: u64,
    (lane, lanes): (u64, u64),
) -> (Vec<Duration>, u64) {
    let (mut spent, mut wal_bytes_max) = (Vec::new(), 0);
    let mut mine = (0..rows).filter(|number| park_of(*number) % lanes == lane).peekable();
    while mine.peek().is_some() {
        let size = usize::try_from(batch).unwrap_or(usize::MAX);
        let entries: Vec<Entry> = mine.by_ref().take(size).map(|number| entry(number, has_space)).collect();
        let started = Instant::now();
        store.record(&entries).expect("recorded");
        spent.push(started.elapsed());
        wal_bytes_max = wal_bytes_max.max(wal_bytes(data));
    }
    (spent, wal_bytes_max)
}

/// Every park in turn, not in order.
fn park_of(number: u64) -> u64 {
    number * 211 % PARKS + 1
}

fn print(rows: u64, total: Duration, spent: &mut [Duration], wal_bytes_max: u64) {
    spent.sort_unstable();
    let at =
        |percent: usize| spent.get((spent.len() * percent / 100).min(spent.len() - 1)).copied().unwrap_or_default();
    println!(
        "{:.0} rows/s, {:.2} µs a row; a batch: median {:?}, p99 {:?}, worst {:?}; WAL at most {} MiB",
        rows as f64 / total.as_secs_f64(),
        total.as_secs_f64() * 1e6 / rows as f64,
        at(50),
        at(99),
        at(100),
        wal_bytes_max >> 20,
    );
}

fn wal_bytes(data: &Path) -> u64 {
    bytes(&data.join("parkgate.db-wal"))
}

fn bytes(path: &Path) -> u64 {
    std::fs::metadata(path).map_or(0, |metadata| metadata.len())
}

fn entry(number: u64, has_space: bool) -> Entry {
    let scattered = number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    // A park's serials are the date and a counter of its own.
    let park = park_of(number);
    let event_time = 1_760_000_000_000 + i64::try_from(number).unwrap_or(0) * 20;
    let serial = format!("20261123{:010}", number / PARKS);
    let mut digest = [0; 16];
    digest.split_at_mut(8).0.copy_from_slice(&scattered.to_le_bytes());
    let payment = Payment {
        parking_order: Some(format!("O{serial}")),
        pay_type: "2".into(),
        value: Some(Fen(500)),
        free_value: Some(Fen(0)),
        change_value: None,
        pay_time: Some(UnixMillis(event_time)),
    };
    let mut params = format!(r#"{{"parking_serial":"{serial}","plate":"粤B{:05}","car_desc":""#, scattered % 100_000);
    params.extend(std::iter::repeat_n('x', PARAMS_BYTES.saturating_sub(params.len() + 2)));
    params.push_str("\"}");
    Entry {
        arrival: Arrival {
            park: ParkId(i64::try_from(park).unwrap_or(1)),
            kind: PushKind::Leave,
            parking_serial: serial,
            own_key: None,
            gives_leave: false,
            done_at: UnixMillis(0),
            enter_time: UnixMillis(event_time - 3_600_000),
            event_time: UnixMillis(event_time),
            received_at: UnixMillis(event_time),
            digest: Digest(digest),
            seqno: Seqno(scattered),
            payments: vec![payment],
            space: has_space.then(|| SpaceReport { total: 500, remain: u32::try_from(scattered % 500).unwrap_or(0) }),
        },
        plate: Some(format!("粤B{:05}", scattered % 100_000)),
        params,
        personal: None,
        original: None,
        inline: None,
        variant: 0,
        pictures: Vec::new(),
    }
}
