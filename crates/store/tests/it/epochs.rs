//! Serials that start anew: what every store promises of a new epoch.

use std::sync::Mutex;

use parkgate_ledger::{ParkId, Verdict};
use parkgate_store::{
    Claim, Claimed, ConflictFilter, DeliveryFilter, Entry, Epoch, Format, NewSubscriber, Settled, Store,
    SubscriberSettings, Visit,
};
use parkgate_testbed::Postgres;
use parkgate_wire::{KindSet, PushKind, Secret, Seqno, UnixMillis};

use crate::postgres::two_nodes;
use crate::push::{T, With, enter, leave, update};

on_every_store! {
    a_new_epoch_takes_what_is_of_it,
    what_goes_over_to_a_new_epoch_is_delivered_and_known_as_before,
    a_serial_of_both_epochs_is_there_once,
    an_epoch_holds_for_whoever_does_not_know_of_it,
}

fn recorded() -> Verdict {
    Verdict::Recorded { refused_orders: Vec::new() }
}

fn one(store: &Store, serial: &str) -> Visit {
    let mut found = store.visit("a", serial).unwrap();
    assert_eq!(found.len(), 1, "{found:?}");
    found.remove(0)
}

fn a_new_epoch_takes_what_is_of_it(store: &Store) {
    const DAY: i64 = 24 * 60 * 60 * 1000;
    let far = T + 10 * DAY;
    for number in 0..6_u64 {
        let serial = number.to_string();
        store.record(&[leave(&serial, number, T, T + 1).plate("old").space(100, 40)]).unwrap();
        store.record(&[leave(&serial, 100 + number, far, far + 1).plate("new")]).unwrap();
    }
    let reuse = store.serial_reuse("a").unwrap().unwrap();
    assert_eq!((reuse.conflicts, reuse.entered_from), (6, UnixMillis(far)));
    // Before the epoch begins.
    let paid = r#"[{"parking_order":"o","pay_type":"1"}]"#;
    store.record(&[leave("late", 900, far, far + 5).personal(r#"{"idcard_no":"L"}"#).payments(paid)]).unwrap();
    let epoch = store.begin_epoch(ParkId(1), reuse.entered_from).unwrap();
    assert_eq!(store.parks().unwrap()[0].epochs, [epoch]);
    store.settle_epoch(ParkId(1), &epoch).unwrap();
    store.settle_epoch(ParkId(1), &epoch).unwrap();
    let late = one(store, "late");
    assert_eq!((&late.leave.unwrap().params["idcard_no"], late.payments.len()), (&"L".into(), 1));
    let conflicts = store.conflicts(&ConflictFilter { park_uuid: Some("a".into()), limit: 100 }).unwrap();
    assert_eq!(conflicts.len(), 6);
    assert_eq!((conflicts[0].standing.seqno, conflicts[0].ignored.seqno), (Seqno(5), Seqno(105)));
    assert_eq!(conflicts[0].differing, ["content", "remain_parking_space", "total_parking_space"]);
    let ids: Vec<i64> = conflicts.iter().map(|conflict| conflict.id).collect();
    let again = leave("5", 105, far, far + 1).park(epoch.records.0);
    assert_eq!(store.record(&[again]).unwrap(), [recorded()]);
    assert_eq!(store.forget_conflicts(&ids).unwrap(), 6);
    assert!(store.serial_reuse("a").unwrap().is_none());
    let both = store.visit("a", "5").unwrap();
    assert_eq!(both.iter().map(|visit| visit.enter_time.0).collect::<Vec<_>>(), [far, T]);
    // The newest reported count, one leave settled after it and one recorded.
    store.recount(&store.parks().unwrap()[0]).unwrap();
    let space = store.space(epoch.records).unwrap();
    assert_eq!((space.shown(None).remain, space.latest_counted), (Some(42), Some(UnixMillis(far + 5))));
}

/// A park whose serials start anew at T, and what was recorded of the new epoch before it began.
fn late(store: &Store, entries: Vec<Entry>) -> Epoch {
    store.record(&entries).unwrap();
    store.begin_epoch(ParkId(1), UnixMillis(T)).unwrap()
}

fn subscriber(name: &str) -> NewSubscriber {
    let settings = SubscriberSettings {
        url: "https://city.example".into(),
        format: Format::Relay,
        app_id: None,
        personal: true,
        mask_plates: false,
        per_second: None,
        compare: false,
    };
    let (secret, parks) = (Secret::new(""), None);
    NewSubscriber { name: name.into(), settings, secret, parks, kinds: KindSet::of([PushKind::Enter, PushKind::Leave]) }
}

fn claimed(store: &Store, now: i64) -> Claimed {
    let subscriber = store.subscribers().unwrap()[0].id;
    let claim = Claim { subscriber, now, until: now + 1, max: 100, per_second: None };
    store.claim(&claim).unwrap()
}

fn what_goes_over_to_a_new_epoch_is_delivered_and_known_as_before(store: &Store) {
    store.add_subscriber(&subscriber("vendor")).unwrap();
    let mut signed = leave("1", 1, T, T + 5).personal(r#"{"idcard_no":"L"}"#);
    signed.original = Some(r#"[["plate","%E7%B2%A4"]]"#.into());
    let other = leave("1", 2, T, T + 6).content(9).personal(r#"{"idcard_no":"M"}"#);
    let epoch = late(store, vec![signed, other]);
    store.settle_epoch(ParkId(1), &epoch).unwrap();
    let claimed = claimed(store, T + 10_000);
    assert_eq!(claimed.unreadable, []);
    let outgoing = claimed.outgoing;
    assert_eq!(outgoing.iter().map(|one| one.record.params["idcard_no"].clone()).collect::<Vec<_>>(), ["L", "M"]);
    assert_eq!(outgoing[0].original, Some(vec![("plate".into(), "%E7%B2%A4".into())]));
    assert_eq!(outgoing[0].due.park, epoch.records);
    let settled = [Settled::Delivered(outgoing[0].due)];
    store.settle(outgoing[0].due.id.subscriber, &settled, T).unwrap();
    // What was ignored for it went with it.
    let conflicts = store.conflicts(&ConflictFilter { park_uuid: None, limit: 9 }).unwrap();
    assert_eq!((conflicts.len(), &conflicts[0].ignored.params["idcard_no"]), (1, &"M".into()));
    assert_eq!(one(store, "1").conflicts.len(), 1);
    assert_eq!(store.forget_conflicts(&[conflicts[0].id]).unwrap(), 1);
    let left = DeliveryFilter { limit: 9, ..DeliveryFilter::default() };
    assert!(store.deliveries(&left).unwrap().is_empty(), "and what was forgotten is not delivered");
}

fn a_serial_of_both_epochs_is_there_once(store: &Store) {
    let paid = |order: &str| format!(r#"[{{"parking_order":"{order}","pay_type":"1"}}]"#);
    let same = || leave("same", 1, T, T + 5).payments(&paid("o1"));
    let old = vec![same(), leave("other", 2, T, T + 5).payments(&paid("o2")), leave("other", 3, T, T + 5).content(8)];
    let epoch = late(store, old);
    let anew = [same().park(epoch.records.0), leave("other", 4, T, T + 7).content(9).park(epoch.records.0)];
    assert_eq!(store.record(&anew).unwrap(), [recorded(), recorded()]);
    store.settle_epoch(ParkId(1), &epoch).unwrap();
    store.settle_epoch(ParkId(1), &epoch).unwrap();
    let found = one(store, "same");
    assert_eq!((found.conflicts.len(), found.payments.len()), (0, 1), "the same push is there once");
    let found = one(store, "other");
    let ignored: Vec<u64> = found.conflicts.iter().map(|conflict| conflict.record.seqno.0).collect();
    assert_eq!((found.leave.unwrap().seqno, ignored), (Seqno(4), vec![2, 3]), "the first of the new epoch stands");
    assert!(found.payments.is_empty(), "what is ignored pays nothing");
    store.recount(&store.parks().unwrap()[0]).unwrap();
    // Two leaves counted, not four.
    assert_eq!(store.space(epoch.records).unwrap().later, 2);
    let again = leave("other", 9, T, T + 5).content(8).park(epoch.records.0);
    let known = Verdict::Conflict { seqno: Seqno(3), key: "other".into() };
    assert_eq!(store.record(&[again]).unwrap(), [known]);
}

/// No gate's memory decides an epoch: a push that comes with the park's own key, or with that of an epoch it is not of, is
/// recorded where its vehicle's entering belongs, from the commit of the epoch on.
fn an_epoch_holds_for_whoever_does_not_know_of_it(store: &Store) {
    store.add_subscriber(&subscriber("vendor")).unwrap();
    store.record(&[leave("1", 1, T - 9, T)]).unwrap();
    let epoch = store.begin_epoch(ParkId(1), UnixMillis(T)).unwrap();
    let signed = leave("1", 2, T, T + 5).personal(r#"{"idcard_no":"L"}"#);
    let before = leave("2", 3, T - 1, T + 5).park(epoch.records.0);
    assert_eq!(store.record(&[signed, before]).unwrap(), [recorded(), recorded()]);
    // Nothing is left to go over.
    store.settle_epoch(ParkId(1), &epoch).unwrap();
    let stays = store.visit("a", "1").unwrap();
    assert_eq!(stays.iter().map(|visit| visit.enter_time.0).collect::<Vec<_>>(), [T, T - 9]);
    assert_eq!(stays[0].leave.as_ref().unwrap().params["idcard_no"], "L");
    let parks: Vec<ParkId> = claimed(store, T + 10_000).outgoing.iter().map(|one| one.due.park).collect();
    assert_eq!(parks, [ParkId(1), epoch.records, ParkId(1)]);
}

/// By its time it is of one epoch at one node and of another at the other, and the vehicle enters meanwhile.
#[test]
fn an_update_at_two_nodes_at_once_is_recorded_in_one_epoch() {
    let cluster = Postgres::shared();
    let (_one, _two, _url, nodes) = two_nodes(&cluster);
    for park in [1, 2] {
        nodes[0].begin_epoch(ParkId(park), UnixMillis(T)).unwrap();
    }
    let recorded = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for thread in 0..4_u64 {
            let (node, recorded) = (&nodes[thread as usize % 2], &recorded);
            scope.spawn(move || {
                let at = if thread < 2 { T - 5000 } else { T + 9000 };
                for round in 0..25_u8 {
                    let name = round.to_string();
                    // Parks in another order on each thread: locks must not be taken in a circle.
                    let mut batch: Vec<Entry> =
                        (1..=3).map(|park| update(&name, &name, thread, at, &[]).content(round).park(park)).collect();
                    batch.extend((1..=2).map(|park| enter(&name, 9, T + 1000).content(round).park(park)));
                    if thread % 2 == 0 {
                        batch.reverse();
                    }
                    let verdicts = node.record(&batch).unwrap();
                    let pushes = batch.iter().map(|entry| (entry.arrival.park, entry.arrival.kind, round));
                    let new = pushes.zip(verdicts).filter(|(_, one)| matches!(one, Verdict::Recorded { .. }));
                    recorded.lock().unwrap().extend(new.map(|(push, _)| push));
                }
            });
        }
    });
    let mut recorded = recorded.into_inner().unwrap();
    let all = recorded.len();
    recorded.sort_unstable();
    recorded.dedup();
    assert_eq!((all, recorded.len()), (5 * 25, 5 * 25), "each once");
}
