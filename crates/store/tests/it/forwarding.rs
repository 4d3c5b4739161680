//! What every store promises of forwarding.

use parkgate_ledger::ParkId;
use parkgate_ledger::paths::PATHS_MAX;
use parkgate_store::delivery::{
    Claim, DeliveryFilter, DeliveryId, Difference, Format, NewSubscriber, Outgoing, PassedCalls, Settled, Subscriber,
    SubscriberSettings,
};
use parkgate_store::{Inline, Store, StoreError, SubscriberId};
use parkgate_wire::{KindSet, PushKind, Secret, UnixMillis};

use crate::push::{T, With, enter, leave};

on_every_store! {
    each_receives_what_it_subscribed_to_and_nothing_twice,
    what_is_taken_is_its_takers_for_a_time_and_gone_once_it_arrived,
    a_leave_waits_for_its_enter_however_that_ends,
    what_failed_comes_back_when_it_is_said_and_what_is_dead_when_it_is_retried,
    a_replay_delivers_again_what_is_for_the_subscriber_and_nobody_else,
    a_paused_subscriber_keeps_what_comes_and_a_removed_one_nothing,
    a_subscriber_is_added_whole_or_not_at_all,
    what_is_sent_is_what_came,
    differences_are_kept_newest_first,
    calls_that_were_passed_on_add_up_and_the_rest_of_the_paths_is_counted_together,
    what_was_ignored_goes_to_other_platforms_of_the_protocol_only,
    whoever_asks_before_answering_has_the_push_to_itself,
    what_was_taken_and_not_sent_is_as_if_it_had_not_been_taken,
    the_time_of_a_delivery_begins_when_it_could_first_be_sent,
    what_a_clock_that_was_set_back_made_due_comes_within_the_longest_wait,
    the_time_is_confirmed_by_pushes_and_by_what_was_noted,
    a_replay_finds_what_is_between_older_ones,
    a_subscriber_is_changed_and_keeps_what_waits,
    empty_personal_fields_are_kept,
}

fn settings() -> SubscriberSettings {
    SubscriberSettings {
        url: "https://city.example/push".into(),
        format: Format::Webhook,
        app_id: None,
        personal: false,
        mask_plates: false,
        per_second: None,
        compare: false,
    }
}

pub(crate) fn subscriber(name: &str) -> NewSubscriber {
    let (secret, settings) = (Secret::new(format!("secret-of-{name}")), settings());
    NewSubscriber {
        name: name.into(),
        settings,
        secret,
        parks: None,
        kinds: KindSet::of([PushKind::Enter, PushKind::Leave]),
    }
}

fn of(store: &Store, name: &str) -> Subscriber {
    store.subscribers().unwrap().into_iter().find(|one| one.registered.name == name).unwrap()
}

/// Everything that is due for it at T, taken until a second later.
fn claim(store: &Store, name: &str) -> Vec<Outgoing> {
    claim_at(store, name, T + 10_000)
}

fn claim_at(store: &Store, name: &str, now: i64) -> Vec<Outgoing> {
    let claim = Claim { subscriber: of(store, name).id, now, until: now + 1000, max: 100, per_second: None };
    store.claim(&claim).unwrap().outgoing
}

fn serials(outgoing: &[Outgoing]) -> Vec<String> {
    outgoing.iter().map(|one| format!("{} {}", one.record.kind.name(), one.parking_serial)).collect()
}

fn settle(store: &Store, name: &str, settled: &[Settled]) {
    store.settle(of(store, name).id, settled, T + 20_000).unwrap();
}

fn pending_and_dead(store: &Store, name: &str) -> (u64, u64) {
    let id = of(store, name).id;
    let backlog = store.backlog(100).unwrap().into_iter().find(|backlog| backlog.subscriber == id).unwrap();
    // Of no more than are counted it is the oldest of all.
    assert_eq!(backlog.oldest, store.oldest_pending(id).unwrap());
    (backlog.pending, backlog.dead)
}

fn each_receives_what_it_subscribed_to_and_nothing_twice(store: &Store) {
    store.record(&[leave("before", 1, T, T)]).unwrap();
    store.add_subscriber(&subscriber("all")).unwrap();
    store.add_subscriber(&NewSubscriber { kinds: KindSet::of([PushKind::Leave]), ..subscriber("leaves") }).unwrap();
    store.add_subscriber(&NewSubscriber { parks: Some(vec!["b".into()]), ..subscriber("b") }).unwrap();
    let pushes =
        || [enter("1", 2, T), leave("1", 3, T, T + 1), enter("2", 4, T).park(2), leave("2", 5, T, T + 1).park(2)];
    store.record(&pushes()).unwrap();
    // Neither repeats nor what is ignored.
    store.record(&pushes()).unwrap();
    store.record(&[leave("1", 6, T, T + 1).content(9)]).unwrap();
    assert_eq!(["all", "leaves", "b"].map(|name| pending_and_dead(store, name)), [(4, 0), (2, 0), (2, 0)]);
    assert_eq!(serials(&claim(store, "leaves")), ["leave 1", "leave 2"]);
    // Each leave waits for its enter.
    assert_eq!(serials(&claim(store, "all")), ["enter 1", "enter 2"]);
    assert_eq!(serials(&claim(store, "b")), ["enter 2"]);
}

fn what_is_taken_is_its_takers_for_a_time_and_gone_once_it_arrived(store: &Store) {
    store.add_subscriber(&subscriber("city")).unwrap();
    store.record(&[leave("1", 1, T, T), leave("2", 2, T, T)]).unwrap();
    let now = T + 10_000;
    let taken = claim_at(store, "city", now);
    assert_eq!((serials(&taken), taken[0].due.attempts), (vec!["leave 1".into(), "leave 2".into()], 1));
    assert!(claim_at(store, "city", now + 999).is_empty(), "it is another's");
    settle(store, "city", &[Settled::Delivered(taken[0].due)]);
    let again = claim_at(store, "city", now + 1001);
    assert_eq!((serials(&again), again[0].due.attempts), (vec!["leave 2".into()], 2), "its taker is gone");
    settle(store, "city", &[Settled::Delivered(again[0].due)]);
    // Both takers may come to an end.
    settle(store, "city", &[Settled::Delivered(taken[1].due)]);
    let city = of(store, "city");
    assert_eq!((city.delivered, city.delivered_at, pending_and_dead(store, "city")), (2, Some(T + 20_000), (0, 0)));
}

fn a_leave_waits_for_its_enter_however_that_ends(store: &Store) {
    store.add_subscriber(&subscriber("city")).unwrap();
    let pairs = ["1", "2", "3"].into_iter().flat_map(|serial| [enter(serial, 1, T), leave(serial, 2, T, T + 1)]);
    store.record(&pairs.collect::<Vec<_>>()).unwrap();
    let enters = claim(store, "city");
    assert_eq!(serials(&enters), ["enter 1", "enter 2", "enter 3"]);
    assert!(claim(store, "city").is_empty());
    let (answer, next_at) = ("no".to_owned(), T + 60_000);
    settle(
        store,
        "city",
        &[
            Settled::Delivered(enters[0].due),
            Settled::Dead { due: enters[1].due, answer: answer.clone() },
            Settled::Later { due: enters[2].due, next_at, answer },
        ],
    );
    // One arrived, one never will; the third is tried again, and its leave not before.
    assert_eq!(serials(&claim_at(store, "city", T + 20_001)), ["leave 1", "leave 2"]);
    assert_eq!(serials(&claim_at(store, "city", next_at + 1)), ["leave 1", "leave 2", "enter 3"]);
}

fn what_failed_comes_back_when_it_is_said_and_what_is_dead_when_it_is_retried(store: &Store) {
    store.add_subscriber(&subscriber("city")).unwrap();
    store.record(&[leave("1", 1, T, T), leave("2", 2, T, T)]).unwrap();
    let taken = claim(store, "city");
    let later = Settled::Later { due: taken[0].due, next_at: T + 60_000, answer: "500".into() };
    settle(store, "city", &[later, Settled::Dead { due: taken[1].due, answer: "拒收 410".into() }]);
    assert!(claim_at(store, "city", T + 59_999).is_empty());
    assert_eq!(pending_and_dead(store, "city"), (1, 1));

    let listed = store.deliveries(&DeliveryFilter { limit: 10, ..DeliveryFilter::default() }).unwrap();
    let shown: Vec<_> =
        listed.iter().map(|one| (one.parking_serial.as_str(), one.dead, one.answer.as_deref())).collect();
    assert_eq!(shown, [("1", false, Some("500")), ("2", true, Some("拒收 410"))]);
    assert_eq!((listed[0].next_at, listed[0].attempts, listed[0].subscriber.as_str()), (T + 60_000, 1, "city"));
    let dead = DeliveryFilter { dead: Some(true), limit: 10, ..DeliveryFilter::default() };
    assert_eq!(store.deliveries(&dead).unwrap().len(), 1);
    let of_another = DeliveryFilter { subscriber: Some("other".into()), limit: 10, ..DeliveryFilter::default() };
    assert!(store.deliveries(&of_another).unwrap().is_empty());

    let ids: Vec<DeliveryId> = listed.iter().map(|one| one.id).collect();
    let unknown = DeliveryId { subscriber: 99, record: 99 };
    assert_eq!(store.retry_deliveries(&[ids[1], unknown], T + 30_000).unwrap(), 1);
    let again = claim_at(store, "city", T + 30_000);
    assert_eq!((serials(&again), again[0].due.attempts, again[0].due.since), (vec!["leave 2".into()], 1, T + 30_000));
    assert_eq!(store.drop_deliveries(&[ids[0], ids[1], unknown], T).unwrap(), 2);
    assert_eq!(pending_and_dead(store, "city"), (0, 0));
    assert_eq!(ids[0].to_string().parse(), Ok(ids[0]));
}

fn a_replay_delivers_again_what_is_for_the_subscriber_and_nobody_else(store: &Store) {
    store.record(&[enter("1", 1, T), leave("1", 2, T, T + 1), leave("2", 3, T, T + 5000).park(2)]).unwrap();
    store.add_subscriber(&NewSubscriber { parks: Some(vec!["a".into()]), ..subscriber("a") }).unwrap();
    store.add_subscriber(&NewSubscriber { kinds: KindSet::of([PushKind::Leave]), ..subscriber("leaves") }).unwrap();
    assert_eq!(store.replay("nobody", 0, T).unwrap(), None);
    assert_eq!(store.replay("a", 0, T).unwrap(), Some(2));
    assert_eq!(store.replay("leaves", T + 5000, T).unwrap(), Some(1), "only what came since then");
    assert_eq!(serials(&claim(store, "a")), ["enter 1"]);
    assert_eq!(serials(&claim(store, "leaves")), ["leave 2"]);
    assert_eq!(["a", "leaves"].map(|name| pending_and_dead(store, name)), [(2, 0), (1, 0)]);
}

fn a_paused_subscriber_keeps_what_comes_and_a_removed_one_nothing(store: &Store) {
    store.add_subscriber(&subscriber("city")).unwrap();
    let before = store.registry_version().unwrap();
    assert!(store.pause_subscriber("city", true).unwrap() && !store.pause_subscriber("nobody", true).unwrap());
    assert!(of(store, "city").paused && store.registry_version().unwrap() > before, "every gate hears of it");
    store.record(&[leave("1", 1, T, T)]).unwrap();
    assert_eq!(pending_and_dead(store, "city"), (1, 0));
    assert!(store.pause_subscriber("city", false).unwrap() && !of(store, "city").paused);
    assert!(store.remove_subscriber("city").unwrap() && !store.remove_subscriber("city").unwrap());
    assert!(store.deliveries(&DeliveryFilter { limit: 10, ..DeliveryFilter::default() }).unwrap().is_empty());
    store.record(&[leave("2", 2, T, T)]).unwrap();
    store.add_subscriber(&subscriber("city")).unwrap();
    assert_eq!(pending_and_dead(store, "city"), (0, 0));
}

fn a_subscriber_is_added_whole_or_not_at_all(store: &Store) {
    let parks = Some(vec!["a".into(), "nowhere".into()]);
    let error = store.add_subscriber(&NewSubscriber { parks, ..subscriber("city") }).unwrap_err();
    assert!(matches!(&error, StoreError::Broken(text) if text.contains("nowhere")), "{error}");
    assert!(store.subscribers().unwrap().is_empty());
    let added =
        NewSubscriber { parks: Some(vec!["a".into()]), kinds: KindSet::of([PushKind::Enter]), ..subscriber("city") };
    store.add_subscriber(&added).unwrap();
    assert!(matches!(store.add_subscriber(&subscriber("city")), Err(StoreError::Exists(_))));
    let kept = of(store, "city").registered;
    assert_eq!((kept.settings, kept.secret.expose()), (settings(), "secret-of-city"));
    assert_eq!((kept.parks, kept.kinds), (Some(vec!["a".to_owned()]), KindSet::of([PushKind::Enter])));
}

fn what_is_sent_is_what_came(store: &Store) {
    store.add_subscriber(&subscriber("city")).unwrap();
    assert!(store.set_location("a", Some(r#"{"address":"深圳"}"#)).unwrap());
    assert!(!store.set_location("nowhere", None).unwrap());
    let mut push = leave("1", 7, T, T + 5).plate("粤B12345").personal(r#"{"idcard_no":"4403"}"#).space(100, 40);
    push.original = Some(r#"[["plate","%E7%B2%A4B12345"]]"#.into());
    store.record(&[push]).unwrap();
    let sent = claim(store, "city").remove(0);
    assert_eq!((sent.park_uuid.as_str(), sent.plate.as_deref()), ("a", Some("粤B12345")));
    assert_eq!((sent.enter_time.0, sent.event_time.0, sent.record.seqno.0), (T, T + 5, 7));
    assert_eq!(sent.record.params["idcard_no"], "4403");
    assert_eq!(sent.original, Some(vec![("plate".to_owned(), "%E7%B2%A4B12345".to_owned())]));
    assert_eq!(sent.location.as_deref(), Some(r#"{"address":"深圳"}"#));
    assert_eq!(sent.space.snapshot.map(|report| (report.total, report.remain)), Some((100, 40)));
    let id = of(store, "city").id;
    let due = store.delivery_of(id, ParkId(1), "1", PushKind::Leave).unwrap().unwrap();
    assert_eq!(due.id, sent.due.id);
    assert_eq!(store.delivery_of(id, ParkId(1), "1", PushKind::Enter).unwrap(), None);
}

fn differences_are_kept_newest_first(store: &Store) {
    store.add_subscriber(&subscriber("city")).unwrap();
    let subscriber = of(store, "city").id;
    let one = |number: i64| Difference {
        subscriber,
        park_uuid: "a".into(),
        kind: PushKind::Leave,
        parking_serial: format!("{number}\u{0}"),
        at: T + number,
        ours: "1001 OK".into(),
        theirs: "500 服务器错误".into(),
    };
    (1..=3).for_each(|number| store.add_difference(&one(number)).unwrap());
    assert_eq!(store.differences(subscriber, 2).unwrap(), [one(3), one(2)]);
    assert!(store.differences(subscriber + 1, 2).unwrap().is_empty());
    store.remove_subscriber("city").unwrap();
    assert!(store.differences(subscriber, 10).unwrap().is_empty());
}

fn calls_that_were_passed_on_add_up_and_the_rest_of_the_paths_is_counted_together(store: &Store) {
    store.add_subscriber(&subscriber("city")).unwrap();
    let subscriber = of(store, "city").id;
    let one = |path: &str, count, last_status, last_at| PassedCalls {
        subscriber,
        path: path.into(),
        count,
        last_status,
        last_at: T + last_at,
    };
    store.add_passed_calls(&[one("/gate/a", 2, 200, 5), one("/gate/b", 1, 0, 6)]).unwrap();
    // Of another node, whose last one was earlier.
    store.add_passed_calls(&[one("/gate/a", 3, 500, 4)]).unwrap();
    assert_eq!(store.passed_calls(subscriber).unwrap(), [one("/gate/a", 5, 200, 5), one("/gate/b", 1, 0, 6)]);
    store.add_passed_calls(&[one("/gate/b", 1, 302, 6), one("…", 1, 404, 1)]).unwrap();
    let many: Vec<PassedCalls> = (2..PATHS_MAX + 5).map(|id| one(&format!("/gate/{id}"), 1, 200, 7)).collect();
    store.add_passed_calls(&many).unwrap();
    let found = store.passed_calls(subscriber).unwrap();
    assert_eq!(found.len(), PATHS_MAX + 1, "the rest among them");
    assert_eq!(found[..3], [one("…", 6, 200, 7), one("/gate/a", 5, 200, 5), one("/gate/b", 2, 302, 6)]);
    // What is counted by itself goes on being counted so.
    store.add_passed_calls(&[one("/gate/a", 5, 200, 8), one("/gate/new", 1, 201, 8)]).unwrap();
    let found = store.passed_calls(subscriber).unwrap();
    assert_eq!((found.len(), &found[..2]), (PATHS_MAX + 1, &[one("/gate/a", 10, 200, 8), one("…", 7, 201, 8)][..]));
    assert!(store.passed_calls(subscriber + 1).unwrap().is_empty());
    store.add_passed_calls(&[PassedCalls { subscriber: subscriber + 1, ..one("/gate/a", 1, 200, 1) }]).unwrap();
    assert!(store.passed_calls(subscriber + 1).unwrap().is_empty(), "there is no such subscriber");
    store.remove_subscriber("city").unwrap();
    assert!(store.passed_calls(subscriber).unwrap().is_empty());
}

fn relay(name: &str) -> NewSubscriber {
    NewSubscriber { settings: SubscriberSettings { format: Format::Relay, ..settings() }, ..subscriber(name) }
}

fn what_was_ignored_goes_to_other_platforms_of_the_protocol_only(store: &Store) {
    store.add_subscriber(&subscriber("hook")).unwrap();
    store.add_subscriber(&relay("vendor")).unwrap();
    store.record(&[leave("1", 1, T, T), leave("1", 2, T, T).content(9)]).unwrap();
    assert_eq!(serials(&claim(store, "hook")), ["leave 1"]);
    let claimed = claim(store, "vendor");
    assert_eq!(claimed.iter().map(|one| one.record.seqno.0).collect::<Vec<_>>(), [1, 2]);
    assert_eq!(store.replay("hook", 0, T).unwrap(), Some(1));
    assert_eq!(store.replay("vendor", 0, T).unwrap(), Some(2));
}

fn whoever_asks_before_answering_has_the_push_to_itself(store: &Store) {
    store.add_subscriber(&relay("asked")).unwrap();
    store.add_subscriber(&relay("other")).unwrap();
    let inline = Some(Inline { subscriber: SubscriberId(of(store, "asked").id), until: UnixMillis(T + 60_000) });
    store.record(&[parkgate_store::Entry { inline, ..leave("1", 1, T, T) }]).unwrap();
    assert!(claim_at(store, "asked", T + 59_999).is_empty());
    assert_eq!(claim_at(store, "other", T + 59_999).len(), 1);
    assert_eq!(claim_at(store, "asked", T + 60_000).len(), 1, "whoever asked is gone");
}

fn what_was_taken_and_not_sent_is_as_if_it_had_not_been_taken(store: &Store) {
    store.add_subscriber(&subscriber("city")).unwrap();
    store.record(&[leave("1", 1, T, T), leave("2", 2, T, T)]).unwrap();
    let taken = claim(store, "city");
    let failed = Settled::Later { due: taken[0].due, next_at: T + 20_000, answer: "HTTP 500".into() };
    settle(store, "city", &[failed, Settled::Unsent { due: taken[1].due, next_at: T + 20_000, answer: None }]);
    let taken = claim_at(store, "city", T + 20_000);
    assert_eq!(taken.iter().map(|one| one.due.attempts).collect::<Vec<_>>(), [2, 1]);
    let away = |due| Settled::Unsent { due, next_at: T + 30_000, answer: Some("away".into()) };
    settle(store, "city", &[away(taken[0].due), away(taken[1].due)]);
    let listed = store.deliveries(&DeliveryFilter { limit: 10, ..DeliveryFilter::default() }).unwrap();
    let shown: Vec<_> = listed.iter().map(|one| (one.attempts, one.answer.as_deref(), one.next_at)).collect();
    assert_eq!(shown, [(1, Some("HTTP 500"), T + 30_000), (0, Some("away"), T + 30_000)]);
}

fn the_time_of_a_delivery_begins_when_it_could_first_be_sent(store: &Store) {
    const DAY: i64 = 24 * 60 * 60 * 1000;
    store.add_subscriber(&subscriber("city")).unwrap();
    store.record(&[leave("1", 1, T, T)]).unwrap();
    store.pause_subscriber("city", true).unwrap();
    store.pause_subscriber("city", false).unwrap();
    let taken = claim_at(store, "city", T + 9 * DAY);
    assert_eq!(taken[0].due.since, T + 9 * DAY);
    let later = Settled::Later { due: taken[0].due, next_at: T + 9 * DAY, answer: "HTTP 500".into() };
    settle(store, "city", &[later]);
    let again = claim_at(store, "city", T + 11 * DAY);
    assert_eq!((again[0].due.since, again[0].due.attempts), (T + 9 * DAY, 2), "it goes on while it is tried");
    settle(store, "city", &[Settled::Later { due: again[0].due, next_at: T + 11 * DAY, answer: "HTTP 500".into() }]);
    store.pause_subscriber("city", true).unwrap();
    store.pause_subscriber("city", false).unwrap();
    assert!(claim_at(store, "city", T + 11 * DAY)[0].due.since > T + 9 * DAY, "and begins anew after a pause");
}

fn what_a_clock_that_was_set_back_made_due_comes_within_the_longest_wait(store: &Store) {
    const YEAR: i64 = 365 * 24 * 3_600_000;
    store.add_subscriber(&subscriber("city")).unwrap();
    store.add_subscriber(&subscriber("other")).unwrap();
    store.record(&[leave("ahead", 1, T, T).received_at(T + YEAR), leave("right", 2, T, T).received_at(T)]).unwrap();
    let due = |name: &str| {
        let filter = DeliveryFilter { subscriber: Some(name.into()), limit: 10, ..DeliveryFilter::default() };
        let mut due: Vec<_> =
            store.deliveries(&filter).unwrap().iter().map(|delivery| (delivery.next_at, delivery.since)).collect();
        due.sort_unstable();
        due
    };
    assert_eq!(due("city"), [(T, T), (T + YEAR, T + YEAR)]);
    assert_eq!(store.clamp_due(T + 1000, T + 5).unwrap(), 2);
    for name in ["city", "other"] {
        assert_eq!(due(name), [(T, T), (T + 1000, T + 5)]);
    }
    assert_eq!(store.clamp_due(T + 1000, T + 5).unwrap(), 0, "at the longest wait it stays");
    assert_eq!(serials(&claim_at(store, "city", T + 1000)).len(), 2);
}

fn the_time_is_confirmed_by_pushes_and_by_what_was_noted(store: &Store) {
    const YEAR: i64 = 365 * 24 * 3_600_000;
    assert_eq!(store.confirm_clock(None, T).unwrap(), T, "of a new store");
    assert_eq!(store.confirm_clock(None, T + YEAR).unwrap(), T, "noted for the next start");
    assert_eq!(store.confirm_clock(Some(T + 90_000), T + YEAR).unwrap(), T + 90_000);
    assert_eq!(store.confirm_clock(None, T + YEAR).unwrap(), T + 90_000);
    store.record(&[leave("of a right clock", 1, T, T).received_at(T + YEAR)]).unwrap();
    assert_eq!(store.confirm_clock(None, T + YEAR).unwrap(), T + 90_000, "one push after a jump confirms nothing");
    store.record(&[leave("after a rest", 2, T, T + YEAR - 9).received_at(T + YEAR)]).unwrap();
    assert_eq!(store.confirm_clock(None, T + YEAR).unwrap(), T + YEAR - 9);
    assert_eq!(store.confirm_clock(None, T).unwrap(), T, "a clock that was set back is believed");
}

fn a_replay_finds_what_is_between_older_ones(store: &Store) {
    const OLDER: u64 = 5100;
    store.record(&[leave("new", 1, T, T).received_at(T + 100_000_000)]).unwrap();
    // Out of the quarantine: received long ago, recorded just now.
    let older: Vec<_> = (0..OLDER).map(|n| leave(&format!("old {n}"), n + 2, T, T).received_at(T)).collect();
    older.chunks(500).for_each(|some| drop(store.record(some).unwrap()));
    store.add_subscriber(&subscriber("city")).unwrap();
    assert_eq!(store.replay("city", T + 1, T).unwrap(), Some(1));
    assert_eq!(serials(&claim(store, "city")), ["leave new"]);
    assert_eq!(store.replay("city", T, T).unwrap(), Some(OLDER + 1));
    assert_eq!(store.replay("city", T + 200_000_000, T).unwrap(), Some(0));
}

fn a_subscriber_is_changed_and_keeps_what_waits(store: &Store) {
    store.add_subscriber(&subscriber("city")).unwrap();
    store.record(&[leave("1", 1, T, T)]).unwrap();
    let (moved, secret) = (SubscriberSettings { url: "https://new.example".into(), ..settings() }, Secret::new("new"));
    let version = store.registry_version().unwrap();
    assert!(store.change_subscriber("city", &moved, None, None).unwrap());
    assert_eq!(of(store, "city").registered.secret.expose(), "secret-of-city");
    assert!(store.change_subscriber("city", &moved, Some(&secret), None).unwrap());
    let city = of(store, "city");
    assert_eq!((city.registered.settings, city.registered.secret.expose()), (moved.clone(), "new"));
    assert!(store.registry_version().unwrap() > version, "gates see it");
    assert_eq!(claim(store, "city").len(), 1);
    assert!(!store.change_subscriber("nobody", &moved, None, None).unwrap());
}

fn empty_personal_fields_are_kept(store: &Store) {
    let mut entry = leave("1", 1, T, T);
    entry.params = r#"{"parking_serial":"1","idcard_name":""}"#.into();
    entry.personal = Some(r#"{"idcard_no":"110"}"#.into());
    store.add_subscriber(&relay("vendor")).unwrap();
    store.record(&[entry]).unwrap();
    let params = &claim(store, "vendor")[0].record.params;
    assert_eq!((&params["idcard_name"], &params["idcard_no"]), (&"".into(), &"110".into()));
}
