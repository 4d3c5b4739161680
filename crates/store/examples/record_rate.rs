//! How many leaves a second the writer takes: `cargo run --release -p parkgate-store --example record_rate [ROWS] [BATCH] [DATA]`.
//!
//! Given `DATA`, a data folder, the leaves stay there; else they go when it ends.
//!
//! 500 parks, serials of date and counter, about 900 bytes of parameters, one payment and a space report each. The
//! entries of a batch are made before its clock starts: what is measured is `Store::record` alone.

#![expect(clippy::print_stdout, reason = "it prints what it measured")]

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use parkgate_ledger::{Arrival, ParkId};
use parkgate_store::{Entry, open};
use parkgate_wire::{Digest, Fen, Payment, PushKind, Seqno, SpaceReport, UnixMillis};

const PARKS: u64 = 500;
const PARAMS_BYTES: usize = 900;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut given = std::env::args().skip(1);
    let rows: u64 = given.next().map_or(Ok(300_000), |text| text.parse())?;
    let batch: u64 = given.next().map_or(Ok(64), |text| text.parse())?;
    let kept = given.next().map(PathBuf::from);
    let data = kept.clone().unwrap_or_else(|| std::env::temp_dir().join(format!("record_rate.{}", std::process::id())));
    let store = open(&data, None)?;
    let mut spent = Vec::new();
    let mut wal_bytes_max = 0;
    for first in (0..rows).step_by(usize::try_from(batch)?) {
        let entries: Vec<Entry> = (first..rows.min(first + batch)).map(entry).collect();
        let started = Instant::now();
        store.record(&entries)?;
        spent.push(started.elapsed());
        wal_bytes_max = wal_bytes_max.max(wal_bytes(&data));
    }
    print(rows, &mut spent, wal_bytes_max);
    let started = Instant::now();
    store.close()?;
    println!("closed in {:?}; database {} MiB", started.elapsed(), bytes(&data.join("parkgate.db")) >> 20);
    drop(store);
    if kept.is_none() {
        std::fs::remove_dir_all(&data)?;
    }
    Ok(())
}

fn print(rows: u64, spent: &mut [Duration], wal_bytes_max: u64) {
    let total: Duration = spent.iter().sum();
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

fn entry(number: u64) -> Entry {
    let scattered = number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    // Every park in turn, not in order; its serials are the date and a counter of its own.
    let park = number * 211 % PARKS + 1;
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
            enter_time: UnixMillis(event_time - 3_600_000),
            event_time: UnixMillis(event_time),
            digest: Digest(digest),
            seqno: Seqno(scattered),
            payments: vec![payment],
            space: Some(SpaceReport { total: 500, remain: u32::try_from(scattered % 500).unwrap_or(0) }),
        },
        plate: Some(format!("粤B{:05}", scattered % 100_000)),
        params,
        personal: None,
        variant: 0,
        received_at: event_time,
        pictures: Vec::new(),
    }
}
