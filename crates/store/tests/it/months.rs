//! A PostgreSQL store with monthly partitions: begun while it is used, turned, redacted and dropped.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use parkgate_ledger::Verdict;
use parkgate_store::{
    Claim, ConflictFilter, DeliveryFilter, Format, Month, Months, NewSubscriber, Outgoing, Reduced, Settled, Store,
    VisitFilter,
};
use parkgate_testbed::Postgres;
use parkgate_wire::{Seqno, UnixMillis};

use crate::forwarding::subscriber;
use crate::push::{T, With, enter, leave, on_sqlite, opened};

const DAY_MS: i64 = 24 * 60 * 60 * 1000;

struct Cut {
    cluster: Arc<Postgres>,
    url: String,
    _data: tempfile::TempDir,
    store: Arc<Store>,
}

impl Cut {
    fn new() -> Cut {
        let (cluster, data) = (Postgres::shared(), tempfile::tempdir().unwrap());
        let url = cluster.database();
        let store = opened(data.path(), Some(&url));
        Cut { cluster, url, _data: data, store }
    }

    fn months(&self) -> &dyn Months {
        self.store.months().unwrap()
    }

    /// As if the newest month had been begun so many days ago.
    fn pass(&self, days: i64) {
        let ago = days * DAY_MS;
        self.cluster.sql(&self.url, &format!("UPDATE months SET begun_at = begun_at - {ago}"));
    }

    fn records(&self) -> Vec<u64> {
        self.months().list().unwrap().iter().map(|month| month.records).collect()
    }

    fn listed(&self) -> usize {
        self.store.visits(&VisitFilter { park_uuid: None, plate: None, since: None, limit: 100_000 }).unwrap().len()
    }
}

fn repeated(seqno: u64) -> Verdict {
    Verdict::Repeated { seqno: Seqno(seqno), refused_orders: Vec::new() }
}

fn recorded() -> Verdict {
    Verdict::Recorded { refused_orders: Vec::new() }
}

/// After every record of these tests.
fn later() -> UnixMillis {
    UnixMillis(i64::MAX)
}

#[test]
fn sqlite_is_not_cut() {
    on_sqlite(|store| assert!(store.months().is_none()));
}

#[test]
fn a_serial_and_an_order_are_known_whatever_month_they_are_of() {
    let cut = Cut::new();
    let paid = r#"[{"parking_order":"o1","pay_type":"1"}]"#;
    cut.store.record(&[enter("1", 1, T).content(1), leave("2", 2, T, T).content(1).payments(paid)]).unwrap();
    assert_eq!((cut.months().list().unwrap(), cut.months().turn().unwrap()), (Vec::<Month>::new(), None));
    assert!(cut.months().begin().unwrap());
    assert!(!cut.months().begin().unwrap(), "once");
    assert_eq!(cut.records(), [2, 0]);
    // Neither too early, nor without end.
    cut.pass(19);
    assert_eq!(cut.months().turn().unwrap(), None);
    for _ in 0..2 {
        cut.store.record(&[leave(&cut.records().len().to_string(), 3, T, T).park(2)]).unwrap();
        cut.pass(40);
        assert!(cut.months().turn().unwrap().is_some());
        assert_eq!(cut.months().turn().unwrap(), None, "it has just begun");
    }
    assert_eq!(cut.records(), [2, 1, 1, 0]);

    let verdicts = cut.store.record(&[
        enter("1", 10, T).content(1),
        leave("1", 11, T, T + 1),
        leave("2", 12, T, T).content(1).payments(paid),
        leave("2", 13, T, T).content(9),
        leave("4", 14, T, T).payments(paid),
    ]);
    let verdicts = verdicts.unwrap();
    assert_eq!(verdicts[..3], [repeated(1), recorded(), repeated(2)]);
    assert!(matches!(&verdicts[3], Verdict::Conflict { .. }), "{:?}", verdicts[3]);
    assert_eq!(verdicts[4], Verdict::Recorded { refused_orders: vec!["o1".into()] });
    // A visit is read from both of its months, in the order in which it happened.
    let visit = cut.store.visit("a", "1").unwrap().remove(0);
    assert!(visit.enter.is_some() && visit.leave.is_some());
    assert_eq!((cut.listed(), cut.records()), (5, vec![2, 1, 1, 3]));
    let newest = cut.store.visits(&VisitFilter { park_uuid: None, plate: None, since: None, limit: 1 }).unwrap();
    assert_eq!(newest[0].parking_serial, "4");
}

#[test]
fn a_redacted_month_has_no_plates_and_still_knows_its_pushes_and_a_dropped_one_nothing() {
    let cut = Cut::new();
    let paid = r#"[{"parking_order":"o1","pay_type":"1","value":"500"}]"#;
    let first = || leave("1", 1, T, T).plate("粤B12345").payments(paid).personal(r#"{"idcard_no":"4403"}"#);
    cut.store.record(&[first(), leave("1", 2, T, T).content(8).plate("粤B00000")]).unwrap();
    cut.months().begin().unwrap();
    cut.store.record(&[leave("2", 3, T, T).plate("粤B2"), leave("1", 4, T, T).content(9)]).unwrap();
    assert_eq!(cut.records(), [2, 2]);
    assert_eq!(cut.months().redact(UnixMillis(0)).unwrap(), Reduced::default(), "none is so old");

    let redacted = cut.months().redact(later()).unwrap().done;
    assert_eq!(redacted.iter().map(|month| month.number).collect::<Vec<_>>(), [0], "not the one that is open");
    assert_eq!(cut.months().redact(later()).unwrap(), Reduced::default(), "once");
    assert!(cut.months().list().unwrap()[0].redacted_at.is_some());
    let left = cut.cluster.sql(&cut.url, "SELECT r::text FROM records_0 r");
    assert!(!left.contains("粤B") && left.lines().count() == 1, "{left}");
    let visit = cut.store.visit("a", "1").unwrap().remove(0);
    let leave_record = visit.leave.as_ref().unwrap();
    assert_eq!((visit.plate.as_deref(), leave_record.seqno), (None, Seqno(1)));
    assert!(!leave_record.params.contains_key("idcard_no") && !leave_record.params.contains_key("plate"));
    assert_eq!(visit.payments.len(), 1, "sums stay");
    assert_eq!(visit.conflicts.len(), 1, "of the month that is open");
    assert_eq!(cut.store.record(&[first()]).unwrap(), [repeated(1)]);
    assert_eq!(cut.store.conflicts(&ConflictFilter { park_uuid: None, limit: 10 }).unwrap().len(), 1);

    let dropped = cut.months().drop(later()).unwrap().done;
    assert_eq!((dropped.len(), cut.records()), (1, vec![1]));
    assert!(cut.store.conflicts(&ConflictFilter { park_uuid: None, limit: 10 }).unwrap().is_empty());
    assert!(cut.store.visit("a", "1").unwrap().is_empty());
    assert_eq!(cut.store.record(&[first()]).unwrap(), [recorded()], "its order, too, is taken anew");
    cut.pass(40);
    assert_eq!(cut.months().turn().unwrap(), Some(2));
}

fn claimed(store: &Store, now: i64) -> Vec<Outgoing> {
    let subscriber = store.subscribers().unwrap()[0].id;
    let claim = Claim { subscriber, now, until: now + 1000, max: 100, per_second: None };
    store.claim(&claim).unwrap().outgoing
}

fn pending(reduced: &Reduced) -> Vec<(i64, u64)> {
    reduced.held.iter().map(|held| (held.month.number, held.pending.iter().map(|(_, count)| count).sum())).collect()
}

#[test]
fn what_is_still_to_be_delivered_arrives_whole_before_its_month_is_redacted_or_dropped() {
    let cut = Cut::new();
    let (store, now) = (cut.store.as_ref(), T + 10_000);
    let mut relay = subscriber("city");
    relay.settings.format = Format::Relay;
    store.add_subscriber(&NewSubscriber { parks: None, ..relay }).unwrap();
    store.record(&[leave("1", 1, T, T).plate("粤B1"), leave("2", 2, T, T).plate("粤B2"), leave("3", 3, T, T)]).unwrap();
    cut.months().begin().unwrap();
    // Ignored for one of the first month, and on its way to a platform that decides for itself.
    store.record(&[leave("3", 4, T, T).content(9).plate("粤B4")]).unwrap();
    cut.pass(40);
    cut.months().turn().unwrap().unwrap();
    store.record(&[leave("5", 5, T, T)]).unwrap();
    for reduced in [cut.months().redact(later()).unwrap(), cut.months().drop(later()).unwrap()] {
        assert_eq!((reduced.done.len(), pending(&reduced)), (0, vec![(0, 3), (1, 1)]));
        assert_eq!(reduced.held[0].pending[0].0, "city");
    }
    let outgoing = claimed(store, now);
    assert_eq!(outgoing.iter().filter_map(|one| one.plate.as_deref()).collect::<Vec<_>>(), ["粤B1", "粤B2", "粤B4"]);
    // On its way counts, too; the dead letter does not.
    let settled = [
        Settled::Delivered(outgoing[0].due),
        Settled::Dead { due: outgoing[1].due, answer: "410".into() },
        Settled::Delivered(outgoing[2].due),
    ];
    store.settle(outgoing[0].due.id.subscriber, &settled, now).unwrap();
    // The ignored one would be dropped with the month of the one that stands, but not redacted with it.
    assert_eq!(pending(&cut.months().drop(later()).unwrap()), [(0, 1), (1, 1)]);
    let reduced = cut.months().redact(later()).unwrap();
    assert_eq!((reduced.done[0].number, reduced.dead_letters, pending(&reduced)), (0, 1, vec![(1, 1)]));
    store.settle(outgoing[0].due.id.subscriber, &[Settled::Delivered(outgoing[3].due)], now).unwrap();
    let reduced = cut.months().drop(later()).unwrap();
    assert_eq!((reduced.done.len(), reduced.held.len(), cut.records(), cut.listed()), (2, 0, vec![1], 1));
}

#[test]
fn a_dead_letter_goes_with_its_month_and_a_replay_passes_by_what_was_redacted() {
    let cut = Cut::new();
    let (store, now) = (cut.store.as_ref(), T + 10_000);
    store.add_subscriber(&subscriber("city")).unwrap();
    store.record(&[leave("1", 1, T, T), leave("2", 2, T, T)]).unwrap();
    cut.months().begin().unwrap();
    store.record(&[leave("3", 3, T, T)]).unwrap();
    cut.pass(40);
    cut.months().turn().unwrap().unwrap();
    let outgoing = claimed(store, now);
    let dead = |due| Settled::Dead { due, answer: "410".into() };
    let settled = [dead(outgoing[0].due), Settled::Delivered(outgoing[1].due)];
    store.settle(outgoing[0].due.id.subscriber, &settled, now).unwrap();
    // The newer of two months goes first, since the older one waits.
    let subscriber = outgoing[2].due.id.subscriber;
    store.settle(subscriber, &[Settled::Delivered(outgoing[2].due)], now).unwrap();
    store.retry_deliveries(&[outgoing[0].due.id], now).unwrap();
    let reduced = cut.months().redact(later()).unwrap();
    assert_eq!((reduced.done[0].number, reduced.dead_letters, pending(&reduced)), (1, 0, vec![(0, 1)]));
    assert_eq!(store.replay("city", T, now).unwrap(), Some(2), "of the month that is whole");
    let again = claimed(store, now + 1);
    store.settle(subscriber, &again.iter().map(|one| dead(one.due)).collect::<Vec<_>>(), now).unwrap();
    let reduced = cut.months().redact(later()).unwrap();
    assert_eq!((reduced.done[0].number, reduced.dead_letters, reduced.held.len()), (0, 2, 0));
    assert!(store.deliveries(&DeliveryFilter { limit: 9, ..DeliveryFilter::default() }).unwrap().is_empty());
    assert_eq!(store.replay("city", T, now).unwrap(), Some(0));
}

#[test]
fn months_begin_and_go_while_pushes_come_and_none_of_these_is_lost() {
    let cut = Cut::new();
    let (next, is_over) = (AtomicU64::new(1), AtomicBool::new(false));
    std::thread::scope(|scope| {
        for thread in 0..4_i64 {
            let (cut, next, is_over) = (&cut, &next, &is_over);
            scope.spawn(move || {
                while !is_over.load(Ordering::Relaxed) {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    let entry = || leave(&number.to_string(), number, T, T).park(thread % 2 + 1);
                    assert_eq!(cut.store.record(&[entry(), entry()]).unwrap(), [recorded(), repeated(number)]);
                }
            });
        }
        let ends = Ends(&is_over);
        let wait_for = |more: u64| {
            let enough = next.load(Ordering::Relaxed) + more;
            while next.load(Ordering::Relaxed) < enough {
                std::thread::yield_now();
            }
        };
        wait_for(100);
        cut.months().begin().unwrap();
        for _ in 0..3 {
            wait_for(100);
            cut.pass(40);
            cut.months().turn().unwrap().unwrap();
        }
        wait_for(100);
        assert_eq!(cut.months().redact(later()).unwrap().done.len(), 4);
        wait_for(100);
        drop(ends);
    });
    let months = cut.records();
    assert_eq!(months.len(), 5);
    assert!(months.iter().all(|records| *records > 0), "{months:?}");
    assert_eq!(cut.listed() as u64, next.into_inner() - 1);
}

struct Ends<'a>(&'a AtomicBool);

impl Drop for Ends<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}
