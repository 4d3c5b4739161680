//! What goes after its time, and what must not change by it.

use std::sync::Arc;

use parkgate_ledger::retention::{KeepFor, ParkRetention, RetentionDefaults};
use parkgate_ledger::{ParkId, Verdict};
use parkgate_store::{
    Claim, ConflictFilter, DeliveryFilter, Entry, Images, ParkChange, QuarantineFilter, Settled, Store, StoredImage,
    Visit, VisitFilter,
};
use parkgate_wire::{Seqno, UnixMillis};

use crate::conformance::{add_to_quarantine, bound};
use crate::forwarding::subscriber;
use crate::push::{T, With, enter, leave, update};

on_every_store! {
    personal_data_go_and_sums_stay,
    a_stay_that_goes_leaves_only_what_a_repeat_is_known_by,
    a_stay_is_as_old_as_its_last_news,
    what_comes_later_of_a_redacted_stay_is_of_it,
    what_is_still_to_be_delivered_stays_whole_and_dead_letters_go,
    pictures_conflicts_and_refused_pushes_have_their_own_time,
    each_park_keeps_its_own_time,
    a_late_report_counts_what_came_after_it_though_it_is_gone,
    in_a_park_with_epochs_redacted_stays_are_known_in_theirs,
    records_of_a_clock_that_was_ahead_age_as_of_when_they_happened,
}

const DAY: i64 = 24 * 60 * 60 * 1000;
const PLATE: &str = "粤B12345";

fn nothing() -> RetentionDefaults {
    RetentionDefaults { quarantine: KeepFor::Ever, ..RetentionDefaults::default() }
}

/// Everything that is due at a time; how many stays, ignored or refused pushes, and how many wait for deliveries.
pub(crate) fn retain(store: &Store, defaults: RetentionDefaults, now: i64) -> (u64, u64) {
    let (mut redacted, mut held) = (0, 0);
    for mut walk in store.retention_walks(&defaults, UnixMillis(now)).unwrap() {
        while store.retain_step(&mut walk).unwrap() {}
        redacted += walk.redacted();
        held += walk.held();
    }
    (redacted, held)
}

fn personal(days: i64) -> RetentionDefaults {
    RetentionDefaults { personal: KeepFor::Days(days), ..nothing() }
}

fn visits(days: i64) -> RetentionDefaults {
    RetentionDefaults { visits: KeepFor::Days(days), ..nothing() }
}

fn shown(store: &Store, serial: &str) -> Vec<Visit> {
    store.visit("a", serial).unwrap()
}

fn space(store: &Store) -> (Option<u32>, i64) {
    let space = store.space(ParkId(1)).unwrap();
    let park = store.parks().unwrap().into_iter().find(|park| park.park_uuid == "a").unwrap();
    let recounted = store.recount(&park).unwrap();
    assert_eq!((recounted.snapshot, recounted.later), (space.snapshot, space.later), "a recount gives the same");
    (space.snapshot.map(|snapshot| snapshot.remain), space.later)
}

/// A stay whose serial and one of whose orders hold the plate, and a leave whose orders were taken before.
fn pushes() -> [Entry; 4] {
    let list = r#"[{"parking_order":"粤B12345-1","pay_type":1,"value":500,"payer":"张三"},{"parking_order":"77","pay_type":"2","value":"3"}]"#;
    let again = r#"[{"parking_order":"9","pay_type":1},{"parking_order":"粤B12345-1","pay_type":1},{"parking_order":"77","pay_type":"2"}]"#;
    [
        enter("粤B12345-0001", 1, T).plate(PLATE).personal(r#"{"idcard_no":"440301199001011234"}"#),
        leave("粤B12345-0001", 2, T, T + 5).plate(PLATE).payments(list),
        leave("1002", 3, T, T + 6).plate(PLATE).payments(again),
        leave("粤B12345-0001", 4, T, T + 7).plate(PLATE).content(99).personal(r#"{"idcard_no":"440301199001011234"}"#),
    ]
}

fn pushed(store: &Store) -> Vec<Verdict> {
    store.record(&pushes()).unwrap()
}

/// The answer to a push that came before.
fn as_the_first_time(first: &Verdict, seqno: u64) -> Verdict {
    match first.clone() {
        Verdict::Recorded { refused_orders } => Verdict::Repeated { seqno: Seqno(seqno), refused_orders },
        other => other,
    }
}

fn repeats_are_answered_as_the_first_time(store: &Store, first: &[Verdict]) {
    let before = (space(store), store.visits(&all()).unwrap().len());
    let again: Vec<Entry> = pushes()
        .into_iter()
        .map(|mut entry| {
            entry.arrival.seqno = Seqno(999);
            entry
        })
        .collect();
    let expected: Vec<Verdict> =
        first.iter().zip(1..).map(|(verdict, seqno)| as_the_first_time(verdict, seqno)).collect();
    assert_eq!(store.record(&again).unwrap(), expected);
    let other = leave("粤B12345-0001", 50, T, T + 5).content(50);
    let taken = leave("2000", 51, T, T + 8).payments(r#"[{"parking_order":"粤B12345-1","pay_type":1}]"#);
    let verdicts = store.record(&[other, taken]).unwrap();
    assert_eq!(verdicts[0], Verdict::Conflict { seqno: Seqno(50), key: "粤B12345-0001".into() });
    assert_eq!(verdicts[1], Verdict::Recorded { refused_orders: vec!["粤B12345-1".into()] });
    assert_eq!(space(store).1, before.0.1 + 1, "the new leave alone counts");
    assert_eq!(store.visits(&all()).unwrap().len(), before.1 + 1);
}

fn all() -> VisitFilter {
    VisitFilter { park_uuid: Some("a".into()), plate: None, since: None, limit: 100 }
}

fn personal_data_go_and_sums_stay(store: &Store) {
    let first = pushed(store);
    let before = space(store);
    assert_eq!(retain(store, personal(30), T + 30 * DAY), (0, 0), "not yet");
    assert_eq!(retain(store, personal(30), T + 31 * DAY), (2, 0));
    assert_eq!(retain(store, personal(30), T + 31 * DAY), (0, 0), "and no more");
    assert_eq!(space(store), before);
    let visit = shown(store, "粤B12345-0001").remove(0);
    assert_eq!((visit.plate, visit.leave_time), (None, Some(UnixMillis(T + 5))));
    let (enter, leave) = (visit.enter.unwrap(), visit.leave.unwrap());
    assert!(enter.is_redacted && leave.is_redacted && enter.params.get("idcard_no").is_none());
    assert_eq!(visit.payments.len(), 2);
    assert_eq!(visit.payments[0].fields["value"], 500);
    assert!(visit.payments[0].fields.get("payer").is_none());
    assert_eq!(visit.payments[1].fields["parking_order"], "77");
    // What was ignored for it has its own time, and goes along.
    assert_eq!(visit.conflicts[0].record.params["idcard_no"], "440301199001011234");
    let listed = serde_json::to_string(&leave.params).unwrap();
    assert!(!listed.contains(PLATE) && !listed.contains("content"), "{listed}");
    assert_eq!(store.visits(&VisitFilter { plate: Some(PLATE.into()), ..all() }).unwrap().len(), 0);
    assert_eq!(store.visits(&all()).unwrap().len(), 2);
    repeats_are_answered_as_the_first_time(store, &first);
}

fn a_stay_that_goes_leaves_only_what_a_repeat_is_known_by(store: &Store) {
    let first = pushed(store);
    let before = space(store);
    // Redacted first, as it is in the course of time.
    assert_eq!(retain(store, personal(30), T + 31 * DAY), (2, 0));
    assert_eq!(retain(store, visits(60), T + 61 * DAY), (2, 0));
    assert_eq!(retain(store, visits(60), T + 61 * DAY), (0, 0));
    assert_eq!(space(store), before);
    assert!(shown(store, "粤B12345-0001").is_empty() && shown(store, "1002").is_empty());
    assert!(store.visits(&all()).unwrap().is_empty());
    assert!(store.conflicts(&ConflictFilter { park_uuid: None, limit: 9 }).unwrap().is_empty());
    repeats_are_answered_as_the_first_time(store, &first);
    // What is ignored for one that is gone is kept beside it.
    let conflicts = store.conflicts(&ConflictFilter { park_uuid: None, limit: 9 }).unwrap();
    assert_eq!(conflicts.len(), 1);
    // Nor is another number given twice.
    store.record(&[leave("3000", 60, T, T + 9)]).unwrap();
    assert_eq!(shown(store, "3000").len(), 1);
}

fn a_stay_is_as_old_as_its_last_news(store: &Store) {
    store.record(&[enter("1", 1, T).plate(PLATE)]).unwrap();
    store.record(&[update("F", "1", 2, T + 20 * DAY, &[])]).unwrap();
    store.record(&[enter("2", 3, T + 20 * DAY)]).unwrap();
    assert_eq!(retain(store, visits(30), T + 40 * DAY), (0, 0));
    assert_eq!(shown(store, "1")[0].plate.as_deref(), Some(PLATE));
    assert_eq!(retain(store, visits(30), T + 51 * DAY), (2, 0));
    assert!(shown(store, "1").is_empty());
    // The vehicle leaves after all: it counts once, and is a stay of its own.
    let before = space(store).1;
    store.record(&[leave("1", 4, T, T + 52 * DAY).received_at(T + 52 * DAY)]).unwrap();
    assert_eq!(space(store).1, before + 1);
    assert_eq!(shown(store, "1").len(), 1);
}

fn what_comes_later_of_a_redacted_stay_is_of_it(store: &Store) {
    let left = [("leave_time", T + 5)];
    store.record(&[enter("粤B1-1", 1, T).plate(PLATE), update("F1", "粤B1-1", 2, T + 3, &left)]).unwrap();
    let counted = space(store).1;
    assert_eq!(retain(store, personal(30), T + 31 * DAY), (1, 0));
    let later = T + 31 * DAY;
    let plain = update("F2", "粤B1-1", 3, later, &[]).received_at(later);
    let leave = leave("粤B1-1", 4, T, T + 6).received_at(later).personal(r#"{"idcard_no":"440301199001011234"}"#);
    store.record(&[plain, leave]).unwrap();
    assert_eq!(space(store).1, counted, "the leave takes the place of the update that counted");
    let visit = shown(store, "粤B1-1").remove(0);
    assert_eq!((visit.updates.len(), visit.enter.is_some()), (2, true));
    assert_eq!(visit.leave.unwrap().params["idcard_no"], "440301199001011234");
    assert_eq!(store.visits(&all()).unwrap().len(), 1, "and it is one stay");
    assert_eq!(retain(store, personal(30), later + 31 * DAY), (1, 0));
    assert!(shown(store, "粤B1-1")[0].leave.as_ref().unwrap().is_redacted);
    assert_eq!(
        store.record(&[update("F2", "粤B1-1", 3, later, &[])]).unwrap(),
        [Verdict::Repeated { seqno: Seqno(3), refused_orders: Vec::new() }]
    );
}

fn what_is_still_to_be_delivered_stays_whole_and_dead_letters_go(store: &Store) {
    store.add_subscriber(&subscriber("s")).unwrap();
    store.record(&[enter("1", 1, T).plate(PLATE), enter("2", 2, T + 1)]).unwrap();
    let subscriber = store.subscribers().unwrap()[0].id;
    let claim = Claim { subscriber, now: T + 10_000, until: T + 11_000, max: 9, per_second: None };
    let due: Vec<_> = store.claim(&claim).unwrap().outgoing.into_iter().map(|one| one.due).collect();
    assert_eq!(retain(store, personal(1), T + 3 * DAY), (0, 2));
    assert_eq!(shown(store, "1")[0].plate.as_deref(), Some(PLATE));
    let settled = due.iter().map(|due| Settled::Dead { due: *due, answer: "no".into() });
    store.settle(subscriber, &settled.take(1).collect::<Vec<_>>(), T + 20_000).unwrap();
    assert_eq!(retain(store, personal(1), T + 3 * DAY), (1, 1), "the walk begins again where it was held");
    let filter = DeliveryFilter { limit: 9, ..DeliveryFilter::default() };
    assert_eq!(store.deliveries(&filter).unwrap().len(), 1, "the dead letter is gone");
    assert!(!shown(store, "2")[0].enter.as_ref().unwrap().is_redacted);
    // Nor is it delivered again, with what is left of it.
    assert_eq!(store.replay("s", T - 1, T + 3 * DAY).unwrap(), Some(1));
}

fn stored_picture() -> Arc<StoredImage> {
    let folder = tempfile::tempdir().unwrap();
    let images = Images::open(&folder.path().join("images")).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let mut incoming = images.incoming().await.unwrap();
        incoming.write(b"GIF89a".as_slice().into()).await.unwrap();
        Arc::new(incoming.finish().await.unwrap().store().await.unwrap())
    })
}

fn pictures_conflicts_and_refused_pushes_have_their_own_time(store: &Store) {
    let picture = stored_picture();
    let with_picture = |mut entry: Entry| {
        entry.pictures.push(("leave_image".into(), Arc::clone(&picture)));
        entry
    };
    let pushes =
        || [with_picture(leave("1", 1, T, T).plate(PLATE)), with_picture(leave("1", 2, T, T).content(9).plate(PLATE))];
    store.record(&pushes()).unwrap();
    store.add_to_quarantine(&[add_to_quarantine(1, 1)], &bound(9, 10_000)).unwrap();
    let kept = || store.keeps_images(&[picture.key]).unwrap().len();
    let keep = |pictures, conflicts, quarantine| RetentionDefaults { pictures, conflicts, quarantine, ..nothing() };
    let (ever, days) = (KeepFor::Ever, KeepFor::Days(9));
    assert_eq!(retain(store, keep(days, ever, ever), T + 10 * DAY), (1, 0));
    assert_eq!(
        (kept(), shown(store, "1")[0].leave.as_ref().unwrap().pictures.len()),
        (1, 0),
        "the conflict has it still"
    );
    assert_eq!(retain(store, keep(ever, days, ever), T + 10 * DAY), (1, 0));
    assert_eq!((kept(), shown(store, "1")[0].conflicts.len()), (0, 0));
    assert_eq!(shown(store, "1")[0].plate.as_deref(), Some(PLATE));
    let conflict = Verdict::Conflict { seqno: Seqno(2), key: "1".into() };
    assert_eq!(store.record(&pushes()).unwrap()[1], conflict, "as the first time");
    assert!(store.conflicts(&ConflictFilter { park_uuid: None, limit: 9 }).unwrap().is_empty(), "and not kept again");
    assert_eq!(retain(store, keep(ever, ever, days), T + 10 * DAY).0, 1);
    assert!(store.quarantine(&QuarantineFilter { limit: 9, ..QuarantineFilter::default() }).unwrap().is_empty());
    assert_eq!(store.quarantine_used().unwrap().iter().map(|(_, pushes, _)| pushes).sum::<u64>(), 0);
}

fn each_park_keeps_its_own_time(store: &Store) {
    let keep = ParkRetention::default().changed("personal=never").unwrap();
    store.change_park("b", &ParkChange { keep: Some(keep), ..ParkChange::default() }).unwrap();
    assert_eq!(store.parks().unwrap()[1].keep, keep);
    store.record(&[enter("1", 1, T).plate(PLATE), enter("1", 2, T).plate(PLATE).park(2)]).unwrap();
    assert_eq!(retain(store, personal(1), T + 3 * DAY), (1, 0));
    assert_eq!(store.visit("b", "1").unwrap()[0].plate.as_deref(), Some(PLATE));
    let keep = ParkRetention::default().changed("personal=2d").unwrap();
    store.change_park("b", &ParkChange { keep: Some(keep), ..ParkChange::default() }).unwrap();
    assert_eq!(
        retain(store, personal(1), T + 3 * DAY),
        (1, 0),
        "a park that changes its mind is gone along from its own beginning"
    );
    assert_eq!(store.visit("b", "1").unwrap()[0].plate, None);
}

fn a_late_report_counts_what_came_after_it_though_it_is_gone(store: &Store) {
    let pushes: Vec<Entry> = (0..20).map(|n| enter(&format!("A{n}"), n + 1, T + n as i64 * 1000)).collect();
    store.record(&pushes).unwrap();
    assert_eq!(retain(store, visits(30), T + 31 * DAY), (20, 0));
    let late = leave("late", 99, T, T + 9500).space(100, 50).received_at(T + 31 * DAY);
    store.record(&[late]).unwrap();
    assert_eq!(space(store), (Some(50), -10), "those that entered after it");
}

fn in_a_park_with_epochs_redacted_stays_are_known_in_theirs(store: &Store) {
    store.record(&[enter("粤B1-1", 1, T).plate(PLATE)]).unwrap();
    assert_eq!(retain(store, personal(30), T + 31 * DAY), (1, 0));
    let from = T + 32 * DAY;
    let epoch = store.begin_epoch(ParkId(1), UnixMillis(from)).unwrap();
    store.settle_epoch(ParkId(1), &epoch).unwrap();
    store.record(&[enter("粤B1-1", 2, from + 5).plate(PLATE).received_at(from + 5)]).unwrap();
    let about = update("F", "粤B1-1", 3, T + 9, &[]).received_at(from + 6);
    store.record(&[about]).unwrap();
    let visits = shown(store, "粤B1-1");
    assert_eq!(visits.iter().map(|visit| visit.updates.len()).collect::<Vec<_>>(), [0, 1], "of the stay before");
    assert_eq!(retain(store, personal(30), from + 31 * DAY), (2, 0));
    let visits = shown(store, "粤B1-1");
    assert!(visits.iter().all(|visit| visit.plate.is_none()));
    let again = [enter("粤B1-1", 8, T).content(1), enter("粤B1-1", 9, from + 5).content(2)];
    assert!(store.record(&again).unwrap().iter().all(|verdict| matches!(verdict, Verdict::Conflict { .. })));
}

fn records_of_a_clock_that_was_ahead_age_as_of_when_they_happened(store: &Store) {
    let ahead = T + 10 * 365 * DAY;
    store.record(&[enter("1", 1, T).plate(PLATE).received_at(ahead), enter("2", 2, T + 1).plate(PLATE)]).unwrap();
    // By a few days only: these wait for them, and are not passed by for good.
    let later = || enter("3", 3, T + 2).plate(PLATE).received_at(T + 20 * DAY);
    store.record(&[later(), enter("4", 4, T + 3).plate(PLATE)]).unwrap();
    assert_eq!(retain(store, personal(30), T + 40 * DAY).0, 2);
    assert_eq!(shown(store, "1")[0].plate, None);
    assert_eq!(shown(store, "3")[0].plate.as_deref(), Some(PLATE));
    assert_eq!(retain(store, personal(30), T + 51 * DAY).0, 2);
    assert!(["3", "4"].iter().all(|serial| shown(store, serial)[0].plate.is_none()));
}
