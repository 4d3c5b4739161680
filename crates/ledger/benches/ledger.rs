//! What it costs to decide one batch, without the store: `cargo bench -p parkgate-ledger`.
#![allow(clippy::unwrap_used, missing_docs, reason = "a benchmark")]

use divan::{Bencher, black_box};
use parkgate_ledger::{Arrival, Loaded, ParkId, ParkSpace, decide, touches};
use parkgate_wire::{Digest, Fen, Payment, PushKind, Seqno, SpaceReport, UnixMillis};

fn main() {
    divan::main();
}

fn arrival(number: u64) -> Arrival {
    let event_time = UnixMillis(1_624_937_505_093 + i64::try_from(number).unwrap());
    Arrival {
        park: ParkId(i64::try_from(number % 500).unwrap()),
        kind: PushKind::Leave,
        parking_serial: format!("20210602{number:010}"),
        own_key: None,
        gives_leave: false,
        done_at: UnixMillis(0),
        enter_time: UnixMillis(event_time.0 - 3_600_000),
        event_time,
        received_at: event_time,
        digest: Digest([u8::try_from(number % 251).unwrap(); 16]),
        seqno: Seqno(number),
        payments: vec![Payment {
            parking_order: Some(format!("1624937{number:06}")),
            pay_type: "2".into(),
            value: Some(Fen(500)),
            ..Payment::default()
        }],
        space: Some(SpaceReport { total: 100, remain: 10 }),
    }
}

/// Leaves of 500 parks, all of them new.
#[divan::bench(args = [1, 64, 512])]
fn touches_and_decide(bencher: Bencher<'_, '_>, batch: u64) {
    let arrivals: Vec<Arrival> = (0..batch).map(arrival).collect();
    let batch: Vec<&Arrival> = arrivals.iter().collect();
    bencher.bench_local(|| {
        let keys = touches(black_box(&batch));
        let mut loaded = Loaded::default();
        loaded.records.resize_with(keys.records.len(), Default::default);
        loaded.orders.resize(keys.orders.len(), false);
        loaded.parks.resize_with(keys.parks.len(), ParkSpace::default);
        decide(&batch, &keys, loaded)
    });
}
