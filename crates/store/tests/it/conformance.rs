//! What every [`Store`] promises.

use parkgate_ledger::quarantine::{QuarantineBounds, QuarantineFull, Usage};
use parkgate_ledger::visit::VisitNote;
use parkgate_ledger::{CONFLICTS_MAX, ParkId, Verdict};
use parkgate_store::{
    Images, NewQuarantined, QuarantineContent, QuarantineFilter, QuarantineOutcome, Store, Visit, VisitFilter,
};
use parkgate_wire::{Digest, PushKind, Seqno, UnixMillis};

use crate::push::{T, With, enter, leave};

on_every_store! {
    a_repeat_is_answered_as_the_first_time_within_a_batch_and_later,
    verdicts_come_in_the_order_of_the_batch,
    another_content_is_kept_as_a_conflict_and_known_again,
    conflicts_are_bounded,
    an_order_is_taken_once_for_each_way_of_payment,
    odd_payments_do_not_hide_a_visit,
    a_late_snapshot_keeps_what_was_counted_after_it,
    a_snapshot_that_is_days_late_keeps_what_its_own_park_counted_since,
    a_snapshot_that_is_late_by_many_records_keeps_what_was_counted_since,
    a_snapshot_from_the_future_counts_as_of_its_receipt,
    a_recount_is_made_of_the_records_alone,
    a_visit_is_read_from_its_halves_and_a_late_enter_fills_its_own,
    two_times_of_entering_are_two_visits,
    visits_are_filtered_newest_first,
    a_plate_is_found_in_whichever_half_has_it,
    a_picture_is_kept_while_a_record_names_it,
    a_survey_passes_by_a_parks_records_oldest_first,
    no_text_is_too_long_or_too_odd,
    a_store_has_a_number_that_stays,
    of_several_backups_the_latest_is_known,
    when_each_park_last_pushed_is_known_from_its_count,
    the_quarantine_keeps_each_push_once_within_its_parks_bound,
}

fn recorded() -> Verdict {
    Verdict::Recorded { refused_orders: Vec::new() }
}

fn refused(orders: &[&str]) -> Verdict {
    Verdict::Recorded { refused_orders: orders.iter().map(|order| (*order).to_owned()).collect() }
}

fn all() -> VisitFilter {
    VisitFilter { park_uuid: None, plate: None, since: None, limit: 100 }
}

fn serials(store: &Store, filter: &VisitFilter) -> Vec<String> {
    store.visits(filter).unwrap().into_iter().map(|visit| visit.parking_serial).collect()
}

fn one(store: &Store, serial: &str) -> Visit {
    let mut visits = store.visit("a", serial).unwrap();
    assert_eq!(visits.len(), 1);
    visits.remove(0)
}

fn a_repeat_is_answered_as_the_first_time_within_a_batch_and_later(store: &Store) {
    let again = || leave("s", u64::MAX, T, T + 1).content(7);
    let batch = [again(), leave("s", 2, T, T + 1).content(7)];
    let repeated = Verdict::Repeated { seqno: Seqno(u64::MAX), refused_orders: Vec::new() };
    assert_eq!(store.record(&batch).unwrap(), [recorded(), repeated.clone()]);
    assert_eq!(store.record(&[leave("s", 3, T, T + 1).content(7)]).unwrap(), [repeated]);
    assert_eq!(one(store, "s").leave.unwrap().seqno, Seqno(u64::MAX));
}

fn verdicts_come_in_the_order_of_the_batch(store: &Store) {
    let batch = [leave("x", 1, T, T), enter("x", 2, T), leave("x", 3, T, T), leave("x", 4, T, T).park(2)];
    let conflict = Verdict::Conflict { seqno: Seqno(3), key: "x".into() };
    assert_eq!(store.record(&batch).unwrap(), [recorded(), recorded(), conflict, recorded()]);
    assert_eq!(store.record(&[]).unwrap(), []);
}

fn another_content_is_kept_as_a_conflict_and_known_again(store: &Store) {
    store.record(&[leave("s", 1, T, T + 1)]).unwrap();
    let conflict = [Verdict::Conflict { seqno: Seqno(2), key: "s".into() }];
    assert_eq!(store.record(&[leave("s", 2, T, T + 2).content(9)]).unwrap(), conflict);
    assert_eq!(store.record(&[leave("s", 3, T, T + 2).content(9)]).unwrap(), conflict);
    let visit = one(store, "s");
    assert_eq!(visit.leave_time, Some(UnixMillis(T + 1)));
    assert_eq!(visit.conflicts.len(), 1);
    assert_eq!(
        (visit.conflicts[0].record.seqno, &visit.conflicts[0].differing),
        (Seqno(2), &vec!["content".to_owned()])
    );
    assert_eq!(serials(store, &all()), ["s"]);
}

fn conflicts_are_bounded(store: &Store) {
    store.record(&[leave("s", 0, T, T)]).unwrap();
    let batch: Vec<_> = (1..=CONFLICTS_MAX as u64 + 1).map(|seqno| leave("s", seqno, T, T)).collect();
    let verdicts = store.record(&batch).unwrap();
    assert!(matches!(verdicts[CONFLICTS_MAX - 1], Verdict::Conflict { .. }));
    assert_eq!(verdicts[CONFLICTS_MAX], Verdict::Overflowing);
    assert_eq!(store.record(&[leave("s", 999, T, T)]).unwrap(), [Verdict::Overflowing]);
    assert_eq!(one(store, "s").conflicts.len(), CONFLICTS_MAX);
}

fn an_order_is_taken_once_for_each_way_of_payment(store: &Store) {
    let list = r#"[{"parking_order":"o","pay_type":1,"value":"500","note":"n"},{"parking_order":"o","pay_type":"2"},{"value":"3"}]"#;
    let other =
        r#"[{"parking_order":"o","pay_type":"1"},{"parking_order":"p","pay_type":"1","pay_time":"1760000000000"}]"#;
    assert_eq!(store.record(&[leave("s", 1, T, T).payments(list)]).unwrap(), [recorded()]);
    let again = || leave("t", 2, T, T).payments(other);
    assert_eq!(store.record(&[again()]).unwrap(), [refused(&["o"])]);
    let repeated = Verdict::Repeated { seqno: Seqno(2), refused_orders: vec!["o".into()] };
    assert_eq!(store.record(&[again()]).unwrap(), [repeated]);
    assert_eq!(store.record(&[leave("t", 3, T, T).payments(other).park(2)]).unwrap(), [recorded()]);

    let taken = one(store, "s").payments;
    assert_eq!(taken.iter().map(|paid| paid.position).collect::<Vec<_>>(), [0, 1, 2]);
    let first = serde_json::json!({"parking_order": "o", "pay_type": 1, "value": 500, "note": "n"});
    assert_eq!(serde_json::Value::from(taken[0].fields.clone()), first);
    let taken = one(store, "t").payments;
    assert_eq!(taken.iter().map(|paid| paid.position).collect::<Vec<_>>(), [1]);
    assert_eq!(taken[0].fields["pay_time"], 1_760_000_000_000_i64);
}

fn odd_payments_do_not_hide_a_visit(store: &Store) {
    let mut odd = leave("s", 1, T, T);
    odd.params = r#"{"payment_list":"[[\"o\"],{\"value\":\"-1\"}]"}"#.into();
    store.record(&[odd]).unwrap();
    let taken = one(store, "s").payments;
    assert_eq!((taken.len(), taken[0].position, &taken[0].fields["value"]), (1, 1, &"-1".into()));
}

fn a_late_snapshot_keeps_what_was_counted_after_it(store: &Store) {
    let shown = || store.space(ParkId(1)).unwrap().shown(None);
    let counted =
        [enter("1", 1, T + 10), enter("2", 2, T + 20), leave("3", 3, T, T + 30), enter("x", 9, T + 40).park(2)];
    store.record(&counted).unwrap();
    assert_eq!(shown().remain, None);
    // Reported late: two enters and a leave happened after it, one of the enters at its very moment.
    store.record(&[leave("4", 4, T, T + 10).space(100, 50)]).unwrap();
    assert_eq!((shown().total, shown().remain), (Some(100), Some(50)));
    // Reported later still, and older: it changes nothing.
    store.record(&[leave("5", 5, T, T + 5).space(100, 1)]).unwrap();
    assert_eq!(shown().remain, Some(50));
    store.record(&[enter("6", 6, T + 9), enter("7", 7, T + 25)]).unwrap();
    assert_eq!(shown().remain, Some(49));
    store.record(&[leave("8", 8, T, T + 22).space(200, 80)]).unwrap();
    assert_eq!((shown().total, shown().remain), (Some(200), Some(80)));
    assert_eq!(store.space(ParkId(77)).unwrap(), parkgate_ledger::Space::default());
}

fn a_snapshot_that_is_days_late_keeps_what_its_own_park_counted_since(store: &Store) {
    const DAY: i64 = 24 * 60 * 60 * 1000;
    let times = [0, 1, 59_999, 60_000, 61_000, 3_600_000, DAY, 2 * DAY + 1, 9 * DAY];
    let mut batch = Vec::new();
    for (number, after) in (0_u64..).zip(times) {
        batch.push(enter(&format!("a{number}"), number, T + after));
        batch.push(enter(&format!("b{number}"), 100 + number, T + after).park(2));
    }
    store.record(&batch).unwrap();
    // Each as of one of the enters, the first nine days late.
    for (reported, as_of) in times.iter().enumerate() {
        let serial = format!("t{reported}");
        store.record(&[leave(&serial, 200 + reported as u64, T, T + as_of).space(100, 50)]).unwrap();
        let later = times.len() - 1 - reported;
        assert_eq!(store.space(ParkId(1)).unwrap().shown(None).remain, Some(50 - later as u32), "{as_of}");
    }
    assert_eq!(store.space(ParkId(2)).unwrap().shown(None).remain, None);
}

fn a_snapshot_that_is_late_by_many_records_keeps_what_was_counted_since(store: &Store) {
    // One of ten came with a time that was long past.
    let times: Vec<i64> = (0..900).map(|number| if number % 10 == 9 { number - 500 } else { number }).collect();
    let enter = |number: usize, park: i64| {
        enter(&format!("{park}-{number}"), park as u64 * 10_000 + number as u64, T + times[number]).park(park)
    };
    let events: Vec<_> = (0..times.len()).flat_map(|number| [enter(number, 1), enter(number, 2)]).collect();
    events.chunks(70).for_each(|batch| assert_eq!(store.record(batch).unwrap().len(), batch.len()));
    for (reported, as_of) in (0_u64..).zip([-400, 0, 300, 899]) {
        let report = leave(&format!("t{reported}"), 90_000 + reported, T - 1000, T + as_of).space(2000, 1000);
        store.record(&[report]).unwrap();
        let later = times.iter().filter(|at| **at > as_of).count();
        assert_eq!(store.space(ParkId(1)).unwrap().later, -(later as i64), "{as_of}");
    }
    assert_eq!(store.space(ParkId(2)).unwrap().later, -900);
}

fn a_snapshot_from_the_future_counts_as_of_its_receipt(store: &Store) {
    const CENTURY: i64 = 3_153_600_000_000;
    let remain = || store.space(ParkId(1)).unwrap().shown(None).remain;
    store.record(&[leave("future", 1, T, T + CENTURY).received_at(T).space(100, 0)]).unwrap();
    store.record(&[leave("counted", 2, T, T + CENTURY).received_at(T + 5)]).unwrap();
    assert_eq!(remain(), Some(1));
    // Counted as of T + 5, so a snapshot of T + 4 keeps it and one of T + 6 does not.
    store.record(&[leave("before", 3, T, T + 4).received_at(T + 6).space(100, 40)]).unwrap();
    assert_eq!(remain(), Some(41));
    store.record(&[leave("after", 4, T, T + 6).received_at(T + 7).space(100, 50)]).unwrap();
    assert_eq!(remain(), Some(50));
    let late = store.visit("a", "future").unwrap();
    assert_eq!(late[0].leave_time, Some(UnixMillis(T + CENTURY)), "it is kept as it was sent");
}

fn a_recount_is_made_of_the_records_alone(store: &Store) {
    let park = || store.parks().unwrap().into_iter().find(|park| park.park_uuid == "a").unwrap();
    assert_eq!(store.recount(&park()).unwrap(), parkgate_ledger::Space::default());
    // More than a page of them, some of another park.
    let mut batch: Vec<_> = (0..1100).map(|n| enter(&format!("e{n}"), n + 10, T + n as i64)).collect();
    batch.push(leave("told", 1, T, T + 500).space(100, 40));
    batch.extend((0..5).map(|n| leave(&format!("b{n}"), n + 2000, T, T + 900).park(2).space(9, 9)));
    batch.push(leave("told", 2, T, T + 800).content(9).space(100, 90));
    batch.chunks(500).for_each(|some| drop(store.record(some).unwrap()));
    let before = store.space(ParkId(1)).unwrap();
    assert_eq!((before.snapshot.unwrap().remain, before.later), (40, -599));
    assert_eq!(store.recount(&park()).unwrap(), before);
    // In a new epoch the count goes on, whichever epoch a record is of.
    let epoch = store.begin_epoch(ParkId(1), UnixMillis(T + 5000)).unwrap();
    store.record(&[leave("new", 3, T + 5000, T + 6000).park(epoch.records.0)]).unwrap();
    store.record(&[leave("late", 4, T, T + 7000)]).unwrap();
    assert_eq!(store.recount(&park()).unwrap().later, -597);
    assert_eq!(store.space(epoch.records).unwrap().later, -597);
}

fn a_visit_is_read_from_its_halves_and_a_late_enter_fills_its_own(store: &Store) {
    store.record(&[leave("s", 1, T, T + 9).personal(r#"{"idcard_no":"L"}"#)]).unwrap();
    store.record(&[leave("later", 2, T, T + 5)]).unwrap();
    store.record(&[enter("s", 3, T).plate("P").personal(r#"{"idcard_no":"E"}"#)]).unwrap();
    let visit = one(store, "s");
    assert_eq!(visit.notes, [VisitNote::LeaveWithoutEnter]);
    assert_eq!(
        (visit.plate.as_deref(), visit.enter_time, visit.leave_time),
        (Some("P"), UnixMillis(T), Some(UnixMillis(T + 9)))
    );
    let (enter, leave) = (visit.enter.unwrap(), visit.leave.unwrap());
    assert_eq!((enter.kind, enter.received_at, enter.variant), (PushKind::Enter, T + 1, 1));
    assert_eq!(enter.params.keys().collect::<Vec<_>>(), ["parking_serial", "content", "idcard_no"]);
    assert_eq!((&enter.params["idcard_no"], &leave.params["idcard_no"]), (&"E".into(), &"L".into()));
    // By its newest record, and once.
    assert_eq!(serials(store, &all()), ["s", "later"]);
    let filters = [
        VisitFilter { plate: Some("P".into()), ..all() },
        VisitFilter { since: Some(UnixMillis(T + 9)), ..all() },
        VisitFilter { limit: 1, ..all() },
    ];
    for filter in filters {
        assert_eq!(serials(store, &filter), ["s"], "{filter:?}");
    }
    assert!(store.visit("a", "none").unwrap().is_empty() && store.visit("none", "s").unwrap().is_empty());
}

fn two_times_of_entering_are_two_visits(store: &Store) {
    store.record(&[enter("s", 1, T).plate("E"), leave("s", 2, T + 1, T + 5).plate("L")]).unwrap();
    let visits = store.visit("a", "s").unwrap();
    assert!(visits.iter().all(|visit| visit.notes == [VisitNote::EnterTimeMismatch]));
    assert_eq!(visits.iter().map(|v| v.leave.is_some()).collect::<Vec<_>>(), [true, false]);
    let listed = store.visits(&all()).unwrap();
    assert_eq!(listed.iter().map(|v| v.plate.as_deref()).collect::<Vec<_>>(), [Some("L"), Some("E")]);
    assert_eq!(listed[1].leave_time, None);
}

fn visits_are_filtered_newest_first(store: &Store) {
    let batch = [
        leave("1", 1, T, T + 1).plate("P"),
        enter("2", 2, T + 2).plate("Q"),
        leave("3", 3, T, T + 3).plate("P").park(2),
        enter("4", 4, T + 4),
    ];
    store.record(&batch).unwrap();
    let park = |uuid: &str| VisitFilter { park_uuid: Some(uuid.into()), ..all() };
    assert_eq!(serials(store, &all()), ["4", "3", "2", "1"]);
    assert_eq!(serials(store, &park("a")), ["4", "2", "1"]);
    assert_eq!(serials(store, &park("none")), [""; 0]);
    assert_eq!(serials(store, &VisitFilter { plate: Some("P".into()), ..all() }), ["3", "1"]);
    assert_eq!(serials(store, &VisitFilter { plate: Some("P".into()), ..park("a") }), ["1"]);
    assert_eq!(serials(store, &VisitFilter { since: Some(UnixMillis(T + 3)), ..all() }), ["4", "3"]);
    assert_eq!(serials(store, &VisitFilter { limit: 0, ..all() }), [""; 0]);
}

fn a_plate_is_found_in_whichever_half_has_it(store: &Store) {
    let batch = [
        enter("both", 1, T).plate("P"),
        leave("both", 2, T, T + 1).plate("P"),
        enter("enter", 3, T).plate("P"),
        leave("enter", 4, T, T + 2),
        enter("other", 5, T).plate("P"),
        leave("other", 6, T, T + 3).plate("Q"),
        leave("late", 7, T, T + 4).plate("P"),
        enter("late", 8, T),
        leave("ignored", 9, T, T + 5),
        leave("ignored", 10, T, T + 5).plate("P"),
        enter("two", 11, T).plate("P"),
        leave("two", 12, T + 1, T + 6).plate("P"),
    ];
    store.record(&batch).unwrap();
    let plate = |plate: &str, limit| VisitFilter { plate: Some(plate.into()), limit, ..all() };
    assert_eq!(serials(store, &plate("P", 9)), ["two", "two", "late", "enter", "both"]);
    assert_eq!(serials(store, &plate("P", 3)), ["two", "two", "late"]);
    assert_eq!(serials(store, &VisitFilter { park_uuid: Some("a".into()), ..plate("P", 3) }), ["two", "two", "late"]);
    assert_eq!(serials(store, &plate("Q", 9)), ["other"]);
}

pub(crate) fn add_to_quarantine(park: i64, content: u8) -> NewQuarantined {
    NewQuarantined {
        park: ParkId(park),
        kind: PushKind::Leave,
        seqno: Seqno(u64::from(content)),
        received_at: T + i64::from(content),
        address: "10.0.0.1".into(),
        reason: "Signature",
        finding: Some("signed_in_gbk"),
        digest: Digest([content; 16]),
        kept: QuarantineContent {
            hint: "h".into(),
            params: vec![("idcard_no".into(), format!("ID{content}"), Some("raw".into()))],
            ..QuarantineContent::default()
        },
        pictures: Vec::new(),
        is_admitted: false,
    }
}

pub(crate) fn bound(pushes: u64, bytes: u64) -> QuarantineBounds {
    QuarantineBounds {
        park: Usage { pushes, bytes },
        unknown: Usage { pushes: 1, bytes: 10_000 },
        all_bytes: u64::MAX,
        disk_free_min: None,
    }
}

fn the_quarantine_keeps_each_push_once_within_its_parks_bound(store: &Store) {
    let batch = [
        add_to_quarantine(1, 1),
        add_to_quarantine(1, 2),
        add_to_quarantine(1, 1),
        add_to_quarantine(1, 3),
        add_to_quarantine(2, 1),
        add_to_quarantine(0, 1),
    ];
    let kept = |seqno| QuarantineOutcome::Kept(Seqno(seqno));
    let expected = [kept(1), kept(2), kept(1), QuarantineOutcome::Full(QuarantineFull::ParkPushes), kept(1), kept(1)];
    assert_eq!(store.add_to_quarantine(&batch, &bound(2, 10_000)).unwrap(), expected);
    assert_eq!(
        store.add_to_quarantine(&[add_to_quarantine(0, 2)], &bound(9, 10_000)).unwrap(),
        [QuarantineOutcome::Full(QuarantineFull::ParkPushes)],
        "unknown parks share one"
    );
    assert_eq!(
        store.add_to_quarantine(&[add_to_quarantine(1, 4)], &bound(9, 600)).unwrap(),
        [QuarantineOutcome::Full(QuarantineFull::ParkBytes)],
        "bytes are bounded, too"
    );
    // All together are bounded, and what was admitted before its pictures were stored is kept.
    let load = store.quarantine_load(ParkId(1)).unwrap();
    let used: u64 = store.quarantine_used().unwrap().iter().map(|(.., bytes)| bytes).sum();
    assert_eq!(load.all_bytes, used);
    let all = |all_bytes| QuarantineBounds { all_bytes, ..bound(99, 10_000) };
    let each = load.park.bytes / load.park.pushes;
    assert_eq!(
        store.add_to_quarantine(&[add_to_quarantine(1, 7)], &all(used + each - 1)).unwrap(),
        [QuarantineOutcome::Full(QuarantineFull::AllBytes)]
    );
    let admitted = NewQuarantined { is_admitted: true, ..add_to_quarantine(1, 7) };
    assert_eq!(
        store.add_to_quarantine(&[admitted, add_to_quarantine(2, 8)], &all(used + 2 * each - 1)).unwrap()[1],
        QuarantineOutcome::Full(QuarantineFull::AllBytes)
    );
    assert_eq!(store.add_to_quarantine(&[add_to_quarantine(2, 8)], &all(used + 2 * each)).unwrap(), [kept(8)]);
    // What came now is of no matter for what follows.
    let newest = store.quarantine(&QuarantineFilter { limit: 99, ..QuarantineFilter::default() }).unwrap();
    store.release(&newest[4..].iter().map(|entry| entry.id).collect::<Vec<_>>()).unwrap();
    let all = QuarantineFilter { limit: 10, ..QuarantineFilter::default() };
    let found = store.quarantine(&all).unwrap();
    let facts: Vec<_> = found.iter().map(|f| (f.park_uuid.as_deref(), f.seqno.0, f.times)).collect();
    assert_eq!(facts, [(Some("a"), 1, 2), (Some("a"), 2, 1), (Some("b"), 1, 1), (None, 1, 1)]);
    assert_eq!(found[1].kept, add_to_quarantine(1, 2).kept);
    let of = |filter: QuarantineFilter| store.quarantine(&filter).unwrap().iter().map(|f| f.id).collect::<Vec<_>>();
    let ids: Vec<i64> = found.iter().map(|f| f.id).collect();
    assert_eq!(of(QuarantineFilter { park_uuid: Some("a".into()), ..all.clone() }), ids[..2]);
    assert_eq!(of(QuarantineFilter { after: ids[0], limit: 1, ..all.clone() }), ids[1..2]);
    assert_eq!(of(QuarantineFilter { ids: vec![ids[3], 99], ..all.clone() }), ids[3..]);

    assert_eq!(store.release(&[ids[0], ids[0], 99]).unwrap(), 1);
    assert_eq!(
        store.add_to_quarantine(&[add_to_quarantine(1, 3)], &bound(2, 10_000)).unwrap(),
        [kept(3)],
        "there is room again"
    );
    assert_eq!(store.release_before(T + 2).unwrap(), 2);
    let used = store.quarantine_used().unwrap();
    assert_eq!(used.iter().map(|(park, pushes, _)| (park.0, *pushes)).collect::<Vec<_>>(), [(0, 0), (1, 2), (2, 0)]);
    assert!(used.iter().all(|(_, pushes, bytes)| (*pushes == 0) == (*bytes == 0)));
    assert!(of(all).iter().all(|id| !ids[..1].contains(id)), "a number is never used twice");
}

fn a_picture_is_kept_while_a_record_names_it(store: &Store) {
    let folder = tempfile::tempdir().unwrap();
    let images = Images::open(&folder.path().join("images")).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let picture = runtime.block_on(async {
        let mut incoming = images.incoming().await.unwrap();
        incoming.write(b"GIF89a".as_slice().into()).await.unwrap();
        std::sync::Arc::new(incoming.finish().await.unwrap().store().await.unwrap())
    });
    let another = parkgate_store::ImageKey([7; 32]);
    assert!(store.keeps_images(&[picture.key]).unwrap().is_empty());
    let aside = NewQuarantined {
        pictures: vec![("leave_image_file".into(), std::sync::Arc::clone(&picture))],
        ..add_to_quarantine(1, 1)
    };
    store.add_to_quarantine(&[aside], &bound(2, 10_000)).unwrap();
    assert!(store.keeps_images(&[picture.key, another]).unwrap().iter().eq([&picture.key]));
    let listed = store.quarantine(&QuarantineFilter { limit: 10, ..QuarantineFilter::default() }).unwrap();
    assert_eq!((listed[0].pictures[0].name.as_str(), listed[0].pictures[0].size), ("leave_image_file", 6));
    store.release(&[listed[0].id]).unwrap();
    assert!(store.keeps_images(&[picture.key]).unwrap().is_empty());
    let mut with_picture = leave("s", 1, T, T);
    with_picture.pictures.push(("leave_image".into(), std::sync::Arc::clone(&picture)));
    store.record(&[with_picture]).unwrap();
    assert!(store.keeps_images(&[picture.key, another]).unwrap().iter().eq([&picture.key]));
    let shown = one(store, "s").leave.unwrap().pictures.remove(0);
    assert_eq!((shown.name.as_str(), shown.key, shown.md5, shown.size), ("leave_image", picture.key, picture.md5, 6));
    assert_eq!(shown.content_type, "image/gif");
}

fn a_survey_passes_by_a_parks_records_oldest_first(store: &Store) {
    let batch = [enter("1", 1, T), leave("1", 2, T, T + 5), leave("2", 3, T, T + 6), leave("2", 4, T, T + 7)];
    store.record(&batch).unwrap();
    store.record(&[leave("3", 5, T, T + 8).park(2)]).unwrap();
    store
        .add_to_quarantine(
            &[add_to_quarantine(1, 1), add_to_quarantine(1, 1), add_to_quarantine(2, 2)],
            &bound(9, 10_000),
        )
        .unwrap();
    let mut seen = Vec::new();
    let mut note = |found: parkgate_store::Surveyed| {
        seen.push((found.record.seqno.0, found.is_conflict, found.has_other_half, found.event_time.0 - T));
    };
    store.survey("a", T, &mut note).unwrap();
    assert_eq!(seen, [(1, false, true, 0), (2, false, true, 5), (3, false, false, 6), (4, true, false, 7)]);
    let mut count = 0;
    store.survey("a", T + 7, &mut |_| count += 1).unwrap();
    assert_eq!(count, 2);
    let refused = store.refused("a", T).unwrap().by_reason;
    assert_eq!(refused.into_iter().collect::<Vec<_>>(), [(("Signature".into(), Some("signed_in_gbk".into())), 2)]);
}

fn when_each_park_last_pushed_is_known_from_its_count(store: &Store) {
    assert!(store.last_pushes().unwrap().is_empty());
    store.record(&[leave("1", 1, T, T + 1), leave("2", 2, T, T + 2).park(2)]).unwrap();
    let known = store.last_pushes().unwrap();
    for park in store.park_figures(UnixMillis(0)).unwrap() {
        let last = park.park.record_keys().filter_map(|key| known.get(&key)).max().copied();
        assert_eq!(last, park.last_push_at, "{}", park.park.park_uuid);
    }
    assert_eq!(known.len(), 2);
}

fn of_several_backups_the_latest_is_known(store: &Store) {
    assert_eq!(store.last_backup().unwrap(), None);
    for begun_at in [T, T + 5, T + 3] {
        store.note_backup(begun_at).unwrap();
    }
    assert_eq!(store.last_backup().unwrap(), Some(T + 5));
}

fn a_store_has_a_number_that_stays(store: &Store) {
    let id = store.id().unwrap();
    assert!(id.len() == 16 && id.bytes().all(|byte| byte.is_ascii_hexdigit()), "{id}");
    assert_eq!(store.id().unwrap(), id);
}

fn no_text_is_too_long_or_too_odd(store: &Store) {
    let serials = ["x".repeat(60_000), format!("{}y", "x".repeat(59_999)), "n\0ul".into(), "n\u{10FFFF}0ul".into()];
    for (number, serial) in serials.iter().enumerate() {
        let list = serde_json::json!([{"parking_order": serial, "pay_type": serial}]).to_string();
        let mut entry = leave("", number as u64, T, T).payments(&list).plate("p\0").personal(r#"{"idcard_no":"1"}"#);
        entry.arrival.parking_serial = serial.clone();
        assert_eq!(store.record(&[entry]).unwrap(), [recorded()]);
    }
    for (number, serial) in serials.iter().enumerate() {
        let visit = one(store, serial);
        assert_eq!((visit.plate.as_deref(), visit.payments.len()), (Some("p\0"), 1));
        assert_eq!(visit.leave.unwrap().seqno, Seqno(number as u64));
    }
    assert_eq!(store.visits(&VisitFilter { plate: Some("p\0".into()), ..all() }).unwrap().len(), 4);
    assert_eq!(store.visits(&all()).unwrap().pop().unwrap().parking_serial, serials[0]);
}
