//! What must hold whatever arrives, in whatever order.

use parkgate_ledger::redact::Redaction;
use parkgate_ledger::{Arrival, ParkId, Verdict};
use parkgate_wire::{Payment, PushKind, Seqno, SpaceReport, UnixMillis};
use proptest::prelude::*;

use crate::memory_store::MemoryStore;
use crate::model;

/// Few parks, serials and orders, so that everything collides.
fn arrival() -> impl Strategy<Value = Arrival> {
    let payment = (proptest::option::of(0..6_u8), 0..2_u8).prop_map(|(order, pay_type)| Payment {
        parking_order: order.map(|order| format!("O{order}")),
        pay_type: pay_type.to_string(),
        ..Payment::default()
    });
    let space = proptest::option::of((0..120_u32).prop_map(|remain| SpaceReport { total: 100, remain }));
    // Received ten minutes before the moments that events are of, or at the end of them: some clocks are ahead.
    let received_at = prop_oneof![Just(30_i64), -600_000..-599_970_i64, -600_030..-600_000_i64];
    let kind = (0..PushKind::ALL.len(), 0..4_u8, any::<bool>(), 0..4_i64);
    (0..2_i64, kind, 0..8_u8, (0..30_i64, received_at), proptest::collection::vec(payment, 0..3), space).prop_map(
        |(park, (kind, key, leaves, done_at), serial, (event_time, received_at), payments, space)| {
            let kind = PushKind::ALL[kind];
            let payments = if kind == PushKind::Leave { payments } else { Vec::new() };
            let space = space.filter(|_| kind.is_half());
            // Keys of their own look like serials, too.
            let own_key = (!kind.is_half()).then(|| format!("S{key}"));
            let gives_leave = leaves && kind == PushKind::Update;
            let text = format!("{event_time} {payments:?} {space:?} {serial} {gives_leave} {done_at}");
            Arrival {
                park: ParkId(park),
                kind,
                parking_serial: format!("S{serial}"),
                own_key,
                gives_leave,
                done_at: UnixMillis(done_at),
                enter_time: UnixMillis(event_time),
                event_time: UnixMillis(event_time),
                received_at: UnixMillis(received_at),
                digest: model::digest(&text),
                seqno: Seqno(0),
                payments,
                space,
            }
        },
    )
}

fn stream() -> impl Strategy<Value = Vec<Arrival>> {
    proptest::collection::vec(arrival(), 1..60).prop_map(|mut arrivals| {
        for (arrival, seqno) in arrivals.iter_mut().zip(1..) {
            arrival.seqno = Seqno(seqno);
        }
        arrivals
    })
}

/// The same, but no two arrivals share a key or a moment.
fn distinct_stream() -> impl Strategy<Value = Vec<Arrival>> {
    stream().prop_map(|mut arrivals| {
        for (index, arrival) in arrivals.iter_mut().enumerate() {
            arrival.parking_serial = format!("S{index}");
            arrival.own_key = arrival.own_key.take().map(|_| format!("K{index}"));
            arrival.event_time = UnixMillis(arrival.event_time.0 * 100 + index as i64);
            arrival.received_at = UnixMillis(arrival.received_at.0 * 100 + index as i64);
        }
        arrivals
    })
}

fn in_batches(arrivals: &[Arrival], cuts: &[usize]) -> (MemoryStore, Vec<Verdict>) {
    let (mut store, mut verdicts, mut rest) = (MemoryStore::default(), Vec::new(), arrivals);
    for cut in cuts.iter().cycle() {
        if rest.is_empty() {
            break;
        }
        let (batch, after) = rest.split_at((*cut).min(rest.len()));
        verdicts.extend(store.record(batch));
        rest = after;
    }
    (store, verdicts)
}

fn counts(store: &MemoryStore) -> Vec<(i64, Option<u32>, i64)> {
    store.spaces.iter().map(|(park, space)| (*park, space.snapshot.map(|s| s.remain), space.later)).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 600, ..ProptestConfig::default() })]

    /// Every verdict and every count is what the model says, whatever batches the stream is split into.
    #[test]
    fn the_ledger_agrees_with_the_model_in_any_batches(
        arrivals in stream(), cuts in proptest::collection::vec(1..20_usize, 1..6)
    ) {
        let (store, verdicts) = in_batches(&arrivals, &cuts);
        prop_assert_eq!(verdicts, model::verdicts(&arrivals));
        for (park, (remain, later)) in model::spaces(&arrivals) {
            let space = store.spaces.get(&park).copied().unwrap_or_default();
            prop_assert_eq!((space.snapshot.map(|s| s.remain), space.later), (remain, later));
        }
    }

    /// Retrying everything, in another order, changes nothing and is answered as the first time.
    #[test]
    fn retries_change_nothing(arrivals in stream(), seed in any::<u64>()) {
        let (mut store, first) = in_batches(&arrivals, &[7]);
        let before = (store.records.len(), store.orders.clone(), counts(&store));
        for index in shuffled(arrivals.len(), seed) {
            let mut again = arrivals[index].clone();
            again.seqno = Seqno(9999);
            let verdict = store.record(&[again]).remove(0);
            let expected = match first[index].clone() {
                Verdict::Recorded { refused_orders } => {
                    Verdict::Repeated { seqno: arrivals[index].seqno, refused_orders }
                }
                other => other,
            };
            prop_assert_eq!(verdict, expected);
        }
        prop_assert_eq!(before, (store.records.len(), store.orders.clone(), counts(&store)));
    }

    /// Whatever is redacted or deleted, and when: verdicts, refused orders, repeats, counts and recounts are those of the history
    /// in which nothing was.
    #[test]
    fn redaction_changes_no_verdict_and_no_count(
        arrivals in stream(),
        redactions in proptest::collection::vec((0..60_usize, 0..2_i64, 0..8_u8, any::<bool>()), 0..20),
        seed in any::<u64>(),
    ) {
        let (mut whole, first) = in_batches(&arrivals, &[1]);
        let mut redacted = MemoryStore::default();
        let redact = |store: &mut MemoryStore, (_, park, serial, is_whole): &(usize, i64, u8, bool)| {
            let redaction = if *is_whole { Redaction::Whole } else { Redaction::Personal };
            store.redact(ParkId(*park), &format!("S{serial}"), redaction);
        };
        for (index, arrival) in arrivals.iter().enumerate() {
            let due = redactions.iter().filter(|redaction| redaction.0 == index);
            due.for_each(|redaction| redact(&mut redacted, redaction));
            prop_assert_eq!(&redacted.record(std::slice::from_ref(arrival)), &first[index..=index]);
        }
        let late = redactions.iter().filter(|redaction| redaction.0 >= arrivals.len());
        late.for_each(|redaction| redact(&mut redacted, redaction));
        for index in shuffled(arrivals.len(), seed) {
            let again = Arrival { seqno: Seqno(9999), ..arrivals[index].clone() };
            prop_assert_eq!(redacted.record(std::slice::from_ref(&again)), whole.record(&[again]));
        }
        prop_assert_eq!(redacted.records.len(), whole.records.len());
        prop_assert_eq!(&redacted.taken, &whole.taken);
        prop_assert_eq!(&redacted.spaces, &whole.spaces);
        for park in 0..2 {
            prop_assert_eq!(redacted.recounted(park), whole.recounted(park));
        }
    }

    /// At most one record of a kind stands under a key.
    #[test]
    fn a_key_has_one_record_of_each_kind(arrivals in stream()) {
        let (store, _) = in_batches(&arrivals, &[5]);
        let mut seen = std::collections::BTreeSet::new();
        for (arrival, conflict, _) in &store.records {
            if conflict.is_none() {
                prop_assert!(seen.insert((arrival.park, arrival.kind, arrival.key().to_owned())));
            }
        }
    }

    /// Free spaces do not depend on the order of arrival.
    #[test]
    fn free_spaces_commute(arrivals in distinct_stream(), seed in any::<u64>(), cut in 1..20_usize) {
        let (in_order, _) = in_batches(&arrivals, &[cut]);
        let reordered: Vec<Arrival> = shuffled(arrivals.len(), seed).into_iter().map(|i| arrivals[i].clone()).collect();
        let (out_of_order, _) = in_batches(&reordered, &[cut]);
        prop_assert_eq!(counts(&in_order), counts(&out_of_order));
    }

    /// A recount from the records gives the count that is stored.
    #[test]
    fn a_recount_changes_nothing_of_a_right_count(arrivals in stream(), cut in 1..20_usize) {
        let (store, _) = in_batches(&arrivals, &[cut]);
        for (park, space) in &store.spaces {
            // What no longer counts is still remembered as the latest that did: a bound, which a recount lowers.
            let recounted = store.recounted(*park);
            prop_assert_eq!((recounted.snapshot, recounted.later), (space.snapshot, space.later));
            prop_assert!(recounted.latest_counted <= space.latest_counted);
        }
    }

    /// A conflict takes no order and counts nothing.
    #[test]
    fn conflicts_change_nothing_else(arrivals in stream()) {
        let (with, verdicts) = in_batches(&arrivals, &[9]);
        let accepted: Vec<Arrival> = arrivals
            .iter()
            .zip(&verdicts)
            .filter(|(_, verdict)| matches!(verdict, Verdict::Recorded { .. }))
            .map(|(arrival, _)| arrival.clone())
            .collect();
        let (without, _) = in_batches(&accepted, &[9]);
        prop_assert_eq!((counts(&with), with.orders, with.taken), (counts(&without), without.orders, without.taken));
    }

    /// The count shown lies within 0 and the total, and the rest is drift.
    #[test]
    fn the_shown_count_lies_within_the_total(arrivals in stream(), total in proptest::option::of(0..50_u32)) {
        let (store, _) = in_batches(&arrivals, &[4]);
        for space in store.spaces.values() {
            let shown = space.shown(total);
            let reported = space.snapshot.map(|s| (s.total, s.remain)).or(total.map(|total| (total, total)));
            match reported {
                None => prop_assert_eq!((shown.total, shown.remain, shown.drift), (None, None, 0)),
                Some((total, base)) => {
                    let remain = shown.remain.unwrap();
                    prop_assert!(remain <= total);
                    prop_assert_eq!(i64::from(remain) + shown.drift, i64::from(base) + space.later);
                }
            }
        }
    }
}

fn shuffled(count: usize, seed: u64) -> Vec<usize> {
    let mut order: Vec<usize> = (0..count).collect();
    order.sort_by_key(|index| {
        (*index as u64 + 1).wrapping_mul(seed | 1).rotate_left(17).wrapping_mul(0x9E37_79B9_7F4A_7C15)
    });
    order
}

/// The 65th other content under one serial is kept nowhere, so it must not be acknowledged.
#[test]
fn conflicts_are_bounded() {
    let base = |number: u8| Arrival {
        park: ParkId(1),
        kind: PushKind::Leave,
        parking_serial: "S".into(),
        own_key: None,
        gives_leave: false,
        done_at: UnixMillis(0),
        enter_time: UnixMillis(1),
        event_time: UnixMillis(1),
        received_at: UnixMillis(1),
        digest: parkgate_wire::Digest([number; 16]),
        seqno: Seqno(u64::from(number)),
        payments: Vec::new(),
        space: None,
    };
    let mut store = MemoryStore::default();
    let verdicts: Vec<Verdict> = (0..=65).flat_map(|number| store.record(&[base(number)])).collect();
    assert!(verdicts[1..=64].iter().all(|verdict| matches!(verdict, Verdict::Conflict { .. })));
    assert_eq!(verdicts[65], Verdict::Overflowing);
    assert_eq!(store.records.len(), 65);
}

/// One push from next century must not outlast every later report.
#[test]
fn a_snapshot_from_the_future_counts_as_of_its_receipt() {
    let now = 1_700_000_000_000;
    let reporting = |serial: &str, event_time, received_at, remain: Option<u32>| Arrival {
        park: ParkId(1),
        kind: PushKind::Leave,
        parking_serial: serial.into(),
        own_key: None,
        gives_leave: false,
        done_at: UnixMillis(0),
        enter_time: UnixMillis(1),
        event_time: UnixMillis(event_time),
        received_at: UnixMillis(received_at),
        digest: model::digest(serial),
        seqno: Seqno(1),
        payments: Vec::new(),
        space: remain.map(|remain| SpaceReport { total: 100, remain }),
    };
    let mut store = MemoryStore::default();
    let remain = |store: &MemoryStore| store.spaces[&1].shown(None).remain;
    store.record(&[reporting("ahead", 9_999_999_999_999, now, Some(0))]);
    assert_eq!(remain(&store), Some(0));
    store.record(&[reporting("counted", 9_999_999_999_998, now + 1, None)]);
    assert_eq!(remain(&store), Some(1), "an event from the future counts as of its receipt, too");
    store.record(&[reporting("right", now + 5, now + 6, Some(40))]);
    assert_eq!(remain(&store), Some(40));
    // Exactly ten minutes ahead is believed, one millisecond more is not.
    store.record(&[
        reporting("at", now + 600_010, now + 10, Some(30)),
        reporting("before", now + 600_009, now + 11, Some(20)),
    ]);
    assert_eq!(remain(&store), Some(30));
    store.record(&[reporting("past", now + 600_021, now + 20, Some(10))]);
    assert_eq!(remain(&store), Some(30), "as of its receipt it is older than what stands");
}
