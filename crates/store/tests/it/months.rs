//! A PostgreSQL store cut by months: begun while it is used, turned, stripped and dropped.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use parkgate_ledger::Verdict;
use parkgate_store::{ConflictFilter, Month, Months, Store, VisitFilter};
use parkgate_testbed::Postgres;
use parkgate_wire::{Seqno, UnixMillis};

use crate::push::{T, With, enter, leave, on_sqlite, opened};

const DAY_MS: i64 = 24 * 60 * 60 * 1000;

struct Cut {
    cluster: Arc<Postgres>,
    url: String,
    _data: tempfile::TempDir,
    store: Arc<dyn Store>,
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
fn a_stripped_month_has_no_plates_and_still_knows_its_pushes_and_a_dropped_one_nothing() {
    let cut = Cut::new();
    let paid = r#"[{"parking_order":"o1","pay_type":"1","value":"500"}]"#;
    let first = || leave("1", 1, T, T).plate("粤B12345").payments(paid).personal(r#"{"idcard_no":"4403"}"#);
    cut.store.record(&[first(), leave("1", 2, T, T).content(8).plate("粤B00000")]).unwrap();
    cut.months().begin().unwrap();
    cut.store.record(&[leave("2", 3, T, T).plate("粤B2"), leave("1", 4, T, T).content(9)]).unwrap();
    assert_eq!(cut.records(), [2, 2]);
    assert_eq!(cut.months().strip(UnixMillis(0)).unwrap(), [], "none is so old");

    let stripped = cut.months().strip(later()).unwrap();
    assert_eq!(stripped.iter().map(|month| month.number).collect::<Vec<_>>(), [0], "not the one that is open");
    assert_eq!(cut.months().strip(later()).unwrap(), [], "once");
    assert!(cut.months().list().unwrap()[0].stripped_at.is_some());
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

    let dropped = cut.months().drop(later()).unwrap();
    assert_eq!((dropped.len(), cut.records()), (1, vec![1]));
    assert!(cut.store.conflicts(&ConflictFilter { park_uuid: None, limit: 10 }).unwrap().is_empty());
    assert!(cut.store.visit("a", "1").unwrap().is_empty());
    assert_eq!(cut.store.record(&[first()]).unwrap(), [recorded()], "its order, too, is taken anew");
    cut.pass(40);
    assert_eq!(cut.months().turn().unwrap(), Some(2));
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
        assert_eq!(cut.months().strip(later()).unwrap().len(), 4);
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
