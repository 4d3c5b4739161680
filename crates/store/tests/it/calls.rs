//! Releases and updates: records under keys of their own, read with the visit they are about.

use parkgate_ledger::visit::{Correction, VisitNote};
use parkgate_ledger::{ParkId, Verdict};
use parkgate_store::{Claim, ConflictFilter, Settled, Store, Visit, VisitFilter};
use parkgate_wire::{KindSet, PushKind, Seqno, UnixMillis};

use crate::forwarding::subscriber;
use crate::push::{T, With, enter, leave, release, update};

on_every_store! {
    a_key_of_its_own_is_taken_once_and_is_no_serial,
    a_visit_is_read_through_its_updates_in_their_own_order,
    a_corrected_time_keeps_one_visit,
    without_an_enter_and_a_leave_they_are_a_visit_by_themselves,
    a_visit_is_found_by_what_an_update_says,
    a_vehicle_leaves_once_whoever_says_so,
    of_two_updates_the_later_one_counts,
    a_restated_time_corrects_nothing,
    a_wrong_clock_keeps_no_later_correction_away,
    a_long_serial_keeps_what_is_about_it,
    they_go_over_to_a_new_epoch,
    after_a_new_epoch_they_go_with_their_stay,
    after_a_new_epoch_a_repeat_without_times_is_one,
    a_leave_given_of_a_stay_before_a_new_epoch_counts_once,
    they_go_over_with_their_stay,
    they_are_delivered_after_their_enter_to_those_who_want_them,
}

fn recorded() -> Verdict {
    Verdict::Recorded { refused_orders: Vec::new() }
}

fn all() -> VisitFilter {
    VisitFilter { park_uuid: None, plate: None, since: None, limit: 100 }
}

fn one(store: &Store, serial: &str) -> Visit {
    let mut visits = store.visit("a", serial).unwrap();
    assert_eq!(visits.len(), 1, "{visits:?}");
    visits.remove(0)
}

fn flows(visit: &Visit) -> Vec<&str> {
    visit.updates.iter().map(|update| update.record.params["flow_no"].as_str().unwrap()).collect()
}

fn a_key_of_its_own_is_taken_once_and_is_no_serial(store: &Store) {
    // Numbers of different things look alike.
    let batch = [
        enter("1", 1, T).content(1),
        leave("1", 2, T, T + 9).content(2),
        update("1", "1", 3, T + 5, &[]).content(3),
        release("1", 4, T + 6).content(4),
        update("2", "1", 5, T + 6, &[]).content(5),
        // Of another park.
        update("1", "1", 6, T + 5, &[]).content(6).park(2),
    ];
    assert_eq!(store.record(&batch).unwrap(), vec![recorded(); 6]);
    let again = [update("1", "1", 9, T + 5, &[]).content(3), release("1", 9, T + 6).content(4)];
    let repeated = |seqno| Verdict::Repeated { seqno: Seqno(seqno), refused_orders: Vec::new() };
    assert_eq!(store.record(&again).unwrap(), [repeated(3), repeated(4)]);
    let other = [update("1", "2", 10, T + 5, &[]).content(9), release("1", 11, T + 6).content(9)];
    let conflict = |seqno, key: &str| Verdict::Conflict { seqno: Seqno(seqno), key: key.into() };
    assert_eq!(store.record(&other).unwrap(), [conflict(10, "1"), conflict(11, "1")]);
    assert_eq!(store.record(&other).unwrap(), [conflict(10, "1"), conflict(11, "1")]);
    let visit = one(store, "1");
    assert_eq!((flows(&visit), visit.releases.len(), visit.conflicts.len()), (vec!["1", "2"], 1, 2));
    assert!(store.visit("a", "2").unwrap().is_empty(), "what is ignored is about nothing");
    let conflicts = store.conflicts(&ConflictFilter { park_uuid: None, limit: 9 }).unwrap();
    assert_eq!(conflicts.iter().map(|one| one.ignored.kind).collect::<Vec<_>>(), [PushKind::Release, PushKind::Update]);
    assert_eq!(store.visits(&all()).unwrap().len(), 2);
}

fn a_visit_is_read_through_its_updates_in_their_own_order(store: &Store) {
    // The later one first; then, at the same moment, as they were received.
    store.record(&[update("b", "s", 1, T + 20, &[]).plate("B")]).unwrap();
    store.record(&[update("d", "s", 4, T + 30, &[]).plate("D").received_at(T + 60)]).unwrap();
    store.record(&[update("c", "s", 3, T + 30, &[]).plate("C").received_at(T + 50)]).unwrap();
    store.record(&[enter("s", 2, T).plate("E"), update("a", "s", 5, T + 10, &[]).plate("A")]).unwrap();
    let visit = one(store, "s");
    assert_eq!(flows(&visit), ["a", "b", "c", "d"]);
    assert_eq!(visit.plate.as_deref(), Some("D"));
    let change = |before: &str, after: &str| {
        vec![Correction { name: "plate", before: Some(before.into()), after: after.into() }]
    };
    let changes: Vec<_> = visit.updates.into_iter().map(|update| update.corrections).collect();
    assert_eq!(changes, [change("E", "A"), change("A", "B"), change("B", "C"), change("C", "D")]);
    assert_eq!(store.visits(&all()).unwrap().len(), 1);
}

fn a_corrected_time_keeps_one_visit(store: &Store) {
    store.record(&[enter("s", 1, T), leave("s", 2, T - 60, T + 90)]).unwrap();
    assert_eq!(store.visit("a", "s").unwrap().len(), 2);
    assert_eq!(store.visits(&all()).unwrap().len(), 2);
    store.record(&[update("u", "s", 3, T + 50, &[("enter_time", T - 60)])]).unwrap();
    let visit = one(store, "s");
    assert_eq!((visit.enter_time, visit.leave_time), (UnixMillis(T - 60), Some(UnixMillis(T + 90))));
    assert!(visit.notes.is_empty() && visit.enter.is_some() && visit.leave.is_some());
    let listed = store.visits(&all()).unwrap();
    assert_eq!(listed.len(), 1, "once, though its halves differ: {listed:?}");
    // A page of one each, and none of them lost.
    assert_eq!(store.visits(&VisitFilter { limit: 1, ..all() }).unwrap().len(), 1);
}

fn a_restated_time_corrects_nothing(store: &Store) {
    // A client that sends all fields, times in whole seconds.
    store.record(&[enter("s", 1, T + 514).plate("P"), leave("s", 2, T + 999_514, T + 5_000_000).plate("Q")]).unwrap();
    store.record(&[update("u", "s", 3, T + 50, &[("enter_time", T)]).plate("P")]).unwrap();
    let visits = store.visit("a", "s").unwrap();
    let times: Vec<i64> = visits.iter().map(|visit| visit.enter_time.0).collect();
    assert_eq!(times, [T + 999_514, T + 514], "two vehicles: {visits:?}");
    assert_eq!((visits[0].plate.as_deref(), visits[0].updates.len()), (Some("Q"), 0));
    let entered = &visits[1];
    assert!(entered.updates[0].corrections.is_empty() && entered.notes == [VisitNote::EnterTimeMismatch]);
    // As the leave has it, to the second.
    store.record(&[update("v", "s", 4, T + 60, &[("enter_time", T + 999_000)])]).unwrap();
    assert_eq!(one(store, "s").enter_time, UnixMillis(T + 999_000));
    store.record(&[update("w", "s", 5, T + 70, &[("leave_time", T)])]).unwrap();
    assert_eq!(one(store, "s").notes, [VisitNote::LeaveBeforeEnter]);
}

fn a_wrong_clock_keeps_no_later_correction_away(store: &Store) {
    const YEARS: i64 = 170 * 365 * 86_400_000;
    let mut ahead = update("1", "s", 1, T + YEARS, &[]).plate("B").received_at(T + 5);
    ahead.arrival.event_time = UnixMillis(T + 5);
    store.record(&[enter("s", 2, T), ahead]).unwrap();
    store.record(&[update("2", "s", 3, T + 10, &[]).plate("C").received_at(T + 11)]).unwrap();
    assert_eq!(one(store, "s").plate.as_deref(), Some("C"));
}

fn without_an_enter_and_a_leave_they_are_a_visit_by_themselves(store: &Store) {
    store.record(&[release("r", 1, T + 5).plate("R"), release("r", 2, T + 2).plate("R")]).unwrap();
    store.record(&[update("u", "u", 3, T + 7, &[]).plate("U")]).unwrap();
    let alone = one(store, "r");
    assert_eq!((alone.plate.as_deref(), alone.leave_time, alone.enter.is_none()), (Some("R"), None, true));
    let times: Vec<u64> = alone.releases.iter().map(|release| release.seqno.0).collect();
    assert_eq!(times, [2, 1], "in the order in which they happened");
    let serials = |store: &Store| -> Vec<String> {
        store.visits(&all()).unwrap().into_iter().map(|visit| visit.parking_serial).collect()
    };
    assert_eq!(serials(store), ["u", "r"]);
    store.record(&[enter("r", 4, T)]).unwrap();
    assert_eq!(serials(store), ["r", "u"]);
    assert_eq!(one(store, "r").releases.len(), 2);
    store.record(&[leave("u", 5, T, T + 9)]).unwrap();
    let visit = one(store, "u");
    assert_eq!((visit.notes, visit.plate.as_deref()), (vec![VisitNote::LeaveWithoutEnter], Some("U")));
}

fn a_visit_is_found_by_what_an_update_says(store: &Store) {
    store.record(&[enter("1", 1, T).plate("P"), enter("2", 2, T + 1).plate("Q"), leave("2", 3, T + 1, T + 2)]).unwrap();
    store.record(&[update("u", "1", 4, T + 5, &[("leave_time", T + 900)]).plate("X")]).unwrap();
    store.record(&[release("9", 5, T + 6).plate("X").park(2)]).unwrap();
    let found = |filter: VisitFilter| -> Vec<String> {
        store.visits(&filter).unwrap().into_iter().map(|visit| visit.parking_serial).collect()
    };
    let by_plate = |plate: &str| VisitFilter { plate: Some(plate.into()), ..all() };
    assert_eq!(found(by_plate("X")), ["9", "1"]);
    assert_eq!(found(VisitFilter { park_uuid: Some("a".into()), ..by_plate("X") }), ["1"]);
    assert_eq!(found(by_plate("P")), ["1"], "and by what it was before");
    assert_eq!(found(VisitFilter { since: Some(UnixMillis(T + 500)), ..all() }), ["1"]);
}

fn a_vehicle_leaves_once_whoever_says_so(store: &Store) {
    let later = |store: &Store| store.space(ParkId(1)).unwrap().later;
    let left = |flow: &str, serial: &str, seqno| update(flow, serial, seqno, T + 5, &[("leave_time", T + 9)]);
    // In one batch, and in several.
    store.record(&[left("1", "s", 1), left("2", "s", 2), leave("s", 3, T, T + 9)]).unwrap();
    assert_eq!(later(store), 1);
    for entry in [left("3", "t", 4), left("4", "t", 5), leave("t", 6, T, T + 9), enter("t", 7, T)] {
        store.record(&[entry]).unwrap();
    }
    assert_eq!(later(store), 1, "left once, entered once");
    for entry in [leave("v", 8, T, T + 9), left("5", "v", 9), update("6", "w", 10, T, &[])] {
        store.record(&[entry]).unwrap();
    }
    assert_eq!(later(store), 2);
    assert_eq!(store.recount(&store.parks().unwrap()[0]).unwrap().later, 2);
    // A count reported later goes before what was counted until then.
    store.record(&[leave("x", 11, T, T + 10).space(100, 50)]).unwrap();
    assert_eq!(store.space(ParkId(1)).unwrap().shown(None).remain, Some(50));
    assert_eq!(store.recount(&store.parks().unwrap()[0]).unwrap().shown(None).remain, Some(50));
}

/// Whoever says last when a vehicle left, and in whatever order they come.
fn of_two_updates_the_later_one_counts(store: &Store) {
    let left = |flow: &str, seqno, made: i64, at: i64| update(flow, "s", seqno, T + made, &[("leave_time", T + at)]);
    store.record(&[leave("x", 1, T, T + 100).space(100, 50)]).unwrap();
    let remain = |store: &Store| store.space(ParkId(1)).unwrap().shown(None).remain;
    // Before the report, and after it: the later update moves it over the report, the earlier one changes nothing.
    store.record(&[left("1", 2, 10, 60)]).unwrap();
    assert_eq!(remain(store), Some(50));
    store.record(&[left("3", 3, 30, 120)]).unwrap();
    assert_eq!(remain(store), Some(51));
    store.record(&[left("2", 4, 20, 70)]).unwrap();
    assert_eq!(remain(store), Some(51));
    // Its leave takes the place of both, and reports what the car park sees.
    store.record(&[leave("s", 5, T, T + 110).space(100, 60)]).unwrap();
    assert_eq!(remain(store), Some(60));
    assert_eq!(store.recount(&store.parks().unwrap()[0]).unwrap().shown(None).remain, Some(60));
    // In one batch.
    store.record(&[left("4", 6, 40, 130), leave("t", 7, T, T + 140)]).unwrap();
    assert_eq!(remain(store), Some(61));
}

fn a_long_serial_keeps_what_is_about_it(store: &Store) {
    let long = "停".repeat(2000);
    let other = format!("{long}x");
    let mut entered = enter("", 1, T).personal(r#"{"idcard_no":"E"}"#);
    entered.arrival.parking_serial = long.clone();
    let release = release(&long, 2, T + 5).personal(r#"{"idcard_no":"R"}"#);
    let batch = [entered, release, update("u", &long, 3, T + 6, &[]).plate("U"), update("v", &other, 4, T, &[])];
    assert_eq!(store.record(&batch).unwrap(), vec![recorded(); 4]);
    let visit = one(store, &long);
    assert_eq!((visit.releases.len(), flows(&visit), visit.plate.as_deref()), (1, vec!["u"], Some("U")));
    assert_eq!(visit.releases[0].params["idcard_no"], "R");
    let listed: Vec<String> = store.visits(&all()).unwrap().into_iter().map(|visit| visit.parking_serial).collect();
    assert_eq!(listed, [other, long]);
}

fn they_go_over_to_a_new_epoch(store: &Store) {
    let personal = r#"{"idcard_no":"U"}"#;
    store.record(&[update("1", "s", 1, T - 900, &[]).plate("old"), enter("s", 2, T - 901)]).unwrap();
    // Before the epoch begins.
    store
        .record(&[update("2", "n", 3, T + 5, &[("leave_time", T + 9)]).personal(personal), release("n", 4, T + 6)])
        .unwrap();
    let epoch = store.begin_epoch(ParkId(1), UnixMillis(T)).unwrap();
    store.settle_epoch(ParkId(1), &epoch).unwrap();
    // Its numbers start again, too.
    let anew = [
        update("1", "s", 5, T + 7, &[]).plate("new").park(epoch.records.0),
        enter("s", 6, T + 1).park(epoch.records.0),
    ];
    assert_eq!(store.record(&anew).unwrap(), [recorded(), recorded()]);
    let both = store.visit("a", "s").unwrap();
    assert_eq!(both.iter().map(|visit| visit.plate.as_deref()).collect::<Vec<_>>(), [Some("new"), Some("old")]);
    let moved = one(store, "n");
    assert_eq!((flows(&moved), moved.releases.len()), (vec!["2"], 1));
    assert_eq!(moved.updates[0].record.params["idcard_no"], "U");
    store.recount(&store.parks().unwrap()[0]).unwrap();
    store.record(&[leave("n", 7, T, T + 9).park(epoch.records.0)]).unwrap();
    assert_eq!(store.space(epoch.records).unwrap().later, -1, "two entered, one left, and once");
}

/// The flows of a serial's visits, that of the newest epoch first.
fn flows_of(store: &Store, serial: &str) -> Vec<Vec<String>> {
    let visits = store.visit("a", serial).unwrap();
    visits.iter().map(|visit| flows(visit).into_iter().map(str::to_owned).collect()).collect()
}

fn after_a_new_epoch_they_go_with_their_stay(store: &Store) {
    let long = "停".repeat(2000);
    for (number, serial) in ["s", long.as_str()].into_iter().enumerate() {
        let flow = |flow: &str| format!("{number}{flow}");
        store.record(&[enter(serial, 1, T - 900_000).plate("A")]).unwrap();
        if number == 0 {
            // In the middle of a second, as the first vehicle entered.
            store.begin_epoch(ParkId(1), UnixMillis(T + 60_400)).unwrap();
        }
        // Of the old stay: nobody else has this serial yet. Then, in one batch, somebody has.
        store.record(&[update(&flow("1"), serial, 2, T + 70_000, &[]), release(serial, 3, T + 70_000)]).unwrap();
        let batch = [
            enter(serial, 4, T + 60_400).plate("B"),
            update(&flow("2"), serial, 5, T + 90_000, &[]).plate("B2"),
            release(serial, 6, T + 91_000),
        ];
        assert_eq!(store.record(&batch).unwrap(), vec![recorded(); 3]);
        let batch = [
            // It happened before the other vehicle entered, and says when its own did.
            update(&flow("3"), serial, 7, T + 50_000, &[]),
            update(&flow("4"), serial, 8, T + 95_000, &[("enter_time", T - 900_000)]),
            // As B entered, but in whole seconds.
            update(&flow("5"), serial, 9, T + 96_000, &[("enter_time", T + 60_000)]),
            update(&flow("6"), serial, 10, T + 97_000, &[]),
        ];
        assert_eq!(store.record(&batch).unwrap(), vec![recorded(); 4]);
        let of = |flows: [&str; 3]| flows.map(flow).to_vec();
        assert_eq!(flows_of(store, serial), [of(["2", "5", "6"]), of(["3", "1", "4"])]);
        let visits = store.visit("a", serial).unwrap();
        assert_eq!(visits.iter().map(|visit| visit.releases[0].seqno.0).collect::<Vec<_>>(), [6, 3]);
        assert_eq!(visits[0].plate.as_deref(), Some("B2"));
    }
}

fn after_a_new_epoch_a_repeat_without_times_is_one(store: &Store) {
    // What says nothing of its time is of the time it came.
    let updated = |seqno, at| update("1", "s", seqno, at, &[]).content(7);
    let released = |seqno, at| {
        let mut entry = release("s", seqno, at).content(8);
        entry.arrival.own_key = Some("2//s".into());
        entry
    };
    store.record(&[updated(1, T - 100_000), released(2, T - 100_000)]).unwrap();
    let epoch = store.begin_epoch(ParkId(1), UnixMillis(T)).unwrap();
    let repeated = |seqno| Verdict::Repeated { seqno: Seqno(seqno), refused_orders: Vec::new() };
    for park in [1, epoch.records.0] {
        let again = [updated(3, T + 5000).park(park), released(4, T + 5000).park(park)];
        assert_eq!(store.record(&again).unwrap(), [repeated(1), repeated(2)]);
    }
    // Nor does it matter that somebody entered in between, in the same batch.
    let of_t = |seqno, at| update("2", "t", seqno, at, &[]).content(9);
    let twice = [of_t(5, T - 9000), enter("t", 6, T + 1000), of_t(7, T + 9000)];
    assert_eq!(store.record(&twice).unwrap(), [recorded(), recorded(), repeated(5)]);
    // Another content under a key of the old epoch is another push: these keys have started again, too.
    assert_eq!(store.record(&[update("1", "s", 8, T + 7000, &[])]).unwrap(), [recorded()]);
    assert_eq!(flows_of(store, "s"), [["1"], ["1"]]);
}

fn a_leave_given_of_a_stay_before_a_new_epoch_counts_once(store: &Store) {
    store.record(&[enter("s", 1, T - 900_000), enter("t", 2, T - 900_000)]).unwrap();
    store.begin_epoch(ParkId(1), UnixMillis(T)).unwrap();
    let left = |flow: &str, serial: &str, seqno| update(flow, serial, seqno, T + 5000, &[("leave_time", T + 5000)]);
    store.record(&[left("1", "s", 3)]).unwrap();
    store.record(&[leave("s", 4, T - 900_000, T + 5000), left("2", "t", 5)]).unwrap();
    store.record(&[leave("t", 6, T - 900_000, T + 5000)]).unwrap();
    assert_eq!(store.recount(&store.parks().unwrap()[0]).unwrap().later, 0, "two entered, two left");
    assert_eq!(one(store, "s").leave_time, Some(UnixMillis(T + 5000)));
}

fn they_go_over_with_their_stay(store: &Store) {
    let personal = r#"{"idcard_no":"U"}"#;
    let earlier = [("enter_time", T - 60_000)];
    // Before the epoch begins: of the old stay, of one that goes over, of one that is known only later, and of one whose enter
    // was ignored for the old one.
    let batch = [
        enter("s", 1, T - 900_000),
        update("1", "s", 2, T + 5000, &[]).personal(personal),
        release("s", 3, T + 6000),
        enter("m", 4, T + 1000),
        update("2", "m", 5, T + 5000, &earlier).personal(personal),
        release("m", 6, T + 6000),
        update("3", "n", 7, T + 5000, &earlier),
        enter("x", 8, T - 900_000),
        enter("x", 9, T + 1000),
        update("4", "x", 10, T + 5000, &[]),
        update("5", "x", 11, T - 5000, &[]),
    ];
    store.record(&batch).unwrap();
    let epoch = store.begin_epoch(ParkId(1), UnixMillis(T)).unwrap();
    store.record(&[leave("n", 12, T + 1000, T + 9000)]).unwrap();
    store.settle_epoch(ParkId(1), &epoch).unwrap();
    store.settle_epoch(ParkId(1), &epoch).unwrap();
    for (serial, flow, seqno) in [("s", "1", 3), ("m", "2", 6)] {
        let visit = one(store, serial);
        assert_eq!((flows(&visit), visit.releases[0].seqno.0), (vec![flow], seqno));
        assert_eq!(visit.updates[0].record.params["idcard_no"], "U");
    }
    let visit = one(store, "n");
    assert_eq!((flows(&visit), visit.leave.is_some()), (vec!["3"], true));
    let known = store.conflicts(&ConflictFilter { park_uuid: None, limit: 9 }).unwrap();
    store.record(&[enter("x", 9, T + 1000)]).unwrap();
    store.forget_conflicts(&[known[0].id]).unwrap();
    assert_eq!(flows_of(store, "x"), [["4"], ["5"]]);
}

fn they_are_delivered_after_their_enter_to_those_who_want_them(store: &Store) {
    store.add_subscriber(&subscriber("halves")).unwrap();
    let kinds = KindSet::of([PushKind::Enter, PushKind::Update, PushKind::Release]);
    let wants = parkgate_store::NewSubscriber { kinds, ..subscriber("all") };
    store.add_subscriber(&wants).unwrap();
    store
        .record(&[update("u", "s", 1, T + 5, &[]), release("s", 2, T + 6), enter("s", 3, T), leave("s", 4, T, T + 9)])
        .unwrap();
    let id_of = |name: &str| store.subscribers().unwrap().iter().find(|one| one.registered.name == name).unwrap().id;
    let claim = |name: &str, now: i64| {
        let asked = Claim { subscriber: id_of(name), now, until: now + 60_000, max: 9, per_second: None };
        store.claim(&asked).unwrap().outgoing
    };
    let kinds = |outgoing: &[parkgate_store::Outgoing]| outgoing.iter().map(|one| one.record.kind).collect::<Vec<_>>();
    let now = T + 100_000;
    let first = claim("all", now);
    assert_eq!(kinds(&first), [PushKind::Enter], "the others wait for it");
    assert!(claim("all", now + 1).is_empty());
    store.settle(id_of("all"), &[Settled::Delivered(first[0].due)], now + 1).unwrap();
    let mut then = kinds(&claim("all", now + 2));
    then.sort_unstable();
    assert_eq!(then, [PushKind::Release, PushKind::Update]);
    assert_eq!(kinds(&claim("halves", now)), [PushKind::Enter]);
}
