//! What every [`Store`] promises of exports in bulk.

use parkgate_ledger::ParkId;
use parkgate_store::{ExportParks, PersonalFields, RecordSpan, Store, Visit, VisitFilter};
use parkgate_wire::UnixMillis;
use serde_json::Value;

use crate::push::{T, With, enter, leave, release, update};

on_every_store! {
    every_visit_is_exported_once_where_its_newest_record_is_and_as_it_is_listed,
    what_comes_later_is_exported_by_the_next_one,
    spans_follow_each_other_to_the_newest_record,
    payments_are_those_whose_orders_were_taken,
    records_keep_their_sealed_fields_unless_they_are_asked_for,
    conflicts_are_exported_beside_what_has_their_serial,
    an_export_of_one_park_has_all_its_epochs_and_no_other_park,
}

fn parks(store: &Store, park: Option<&str>) -> ExportParks {
    store.export_parks(park).unwrap().unwrap()
}

/// The spans of an export, each as small as `records`, after one record.
fn spans(store: &Store, after: i64, records: usize) -> Vec<RecordSpan> {
    let newest = store.newest_record().unwrap();
    let all = store.exported_records(
        &parks(store, None),
        RecordSpan { after, through: newest, newest },
        PersonalFields::Sealed,
    );
    let mut ends: Vec<i64> = all.unwrap().iter().map(|one| one.record).collect();
    ends = ends.chunks(records).filter_map(|chunk| chunk.last().copied()).collect();
    ends.push(newest);
    let mut after = after;
    ends.into_iter()
        .map(|through| RecordSpan { after: std::mem::replace(&mut after, through), through, newest })
        .collect()
}

/// What an export says of a visit.
fn shown(visit: &Visit) -> String {
    let payments: Vec<&Value> =
        visit.payments.iter().filter_map(|payment| payment.fields.get("parking_order")).collect();
    format!(
        "{} {} {:?} {} {:?} {payments:?} enter {:?} leave {:?} releases {} updates {:?} {:?}",
        visit.park_uuid,
        visit.parking_serial,
        visit.plate,
        visit.enter_time,
        visit.leave_time,
        visit.enter.as_ref().map(|half| half.seqno),
        visit.leave.as_ref().map(|half| half.seqno),
        visit.releases.len(),
        visit.updates.iter().map(|update| &update.corrections).collect::<Vec<_>>(),
        visit.notes,
    )
}

fn exported(store: &Store, park: Option<&str>, after: i64, records: usize) -> Vec<String> {
    let of = parks(store, park);
    let spans = spans(store, after, records);
    spans.into_iter().flat_map(|span| store.exported_visits(&of, span).unwrap()).map(|one| shown(&one.row)).collect()
}

fn listed(store: &Store, park: Option<&str>) -> Vec<String> {
    let filter = VisitFilter { park_uuid: park.map(str::to_owned), plate: None, since: None, limit: usize::MAX };
    let mut listed: Vec<String> = store.visits(&filter).unwrap().iter().map(shown).collect();
    listed.sort();
    listed
}

/// Visits of every kind.
fn record_all_kinds(store: &Store) {
    let paid =
        |order: &str| format!(r#"[{{"parking_order":"{order}","pay_type":"1","value":100}},{{"pay_type":"2"}}]"#);
    let batches = [
        vec![
            enter("1", 1, T).plate("粤A1"),
            enter("2", 2, T).plate("粤A2"),
            leave("3", 3, T, T + 9).payments(&paid("O3")),
        ],
        // Twice the serial, and twice the order.
        vec![leave("1", 4, T, T + 20).plate("粤A1").payments(&paid("O1")), leave("1", 5, T, T + 21)],
        vec![leave("4", 6, T, T + 30).payments(&paid("O3")), enter("5", 7, T).park(2)],
        // Of another time of entering: two visits.
        vec![leave("5", 8, T - 50_000, T + 40).park(2), update("F1", "2", 9, T + 5, &[("leave_time", T + 50)])],
        vec![release("2", 10, T + 6), release("9", 11, T + 7), update("F2", "5", 12, T + 60, &[])],
        // The enter after its leave.
        vec![enter("3", 13, T), leave("6", 14, T, T + 70).park(2)],
    ];
    for batch in batches {
        store.record(&batch).unwrap();
    }
}

fn every_visit_is_exported_once_where_its_newest_record_is_and_as_it_is_listed(store: &Store) {
    record_all_kinds(store);
    for records in [1, 2, 3, 100] {
        for park in [None, Some("a"), Some("b")] {
            let mut all = exported(store, park, i64::MIN, records);
            all.sort();
            assert_eq!(all, listed(store, park), "{records} {park:?}");
        }
    }
    // In one order, however it is cut.
    assert_eq!(exported(store, None, i64::MIN, 1), exported(store, None, i64::MIN, 100));
}

fn what_comes_later_is_exported_by_the_next_one(store: &Store) {
    store.record(&[enter("1", 1, T), enter("2", 2, T)]).unwrap();
    let newest = store.newest_record().unwrap();
    let of = parks(store, None);
    let span = RecordSpan { after: i64::MIN, through: newest, newest };
    store.record(&[leave("1", 3, T, T + 5), enter("3", 4, T)]).unwrap();
    let then = store.exported_visits(&of, span).unwrap();
    let left: Vec<_> = then.iter().map(|one| (one.row.parking_serial.as_str(), one.row.leave_time)).collect();
    assert_eq!(left, [("1", None), ("2", None)], "as it was when the export began");
    let later = exported(store, None, newest, 100);
    assert_eq!(later.len(), 2);
    assert!(later[0].contains(" 1 ") && later[0].contains(&(T + 5).to_string()), "{later:?}");
    assert!(exported(store, None, store.newest_record().unwrap(), 100).is_empty());
}

fn spans_follow_each_other_to_the_newest_record(store: &Store) {
    assert_eq!(store.next_span(&parks(store, None), i64::MIN, store.newest_record().unwrap()).unwrap(), None);
    for number in 0..40_u64 {
        let batch: Vec<_> = (0..150_u64)
            .map(|one| {
                let serial = number * 150 + one;
                leave(&serial.to_string(), serial, T, T + 1).park(if serial % 1000 == 7 { 2 } else { 1 })
            })
            .collect();
        store.record(&batch).unwrap();
    }
    let newest = store.newest_record().unwrap();
    for (park, expected) in [(None, 6000), (Some("a"), 5994), (Some("b"), 6)] {
        let of = parks(store, park);
        let (mut after, mut found, mut spans) = (i64::MIN, Vec::new(), 0);
        while let Some(span) = store.next_span(&of, after, newest).unwrap() {
            assert!(span.after == after && span.through > after.max(0) && span.through <= newest, "{span:?}");
            found.extend(store.exported_visits(&of, span).unwrap().into_iter().map(|one| one.record));
            after = span.through;
            spans += 1;
        }
        assert_eq!(found.len(), expected, "{park:?}");
        assert!(found.is_sorted() && spans <= 3, "{spans}");
    }
    assert_eq!(store.settled_record(UnixMillis(T + 1000)).unwrap(), newest);
    assert!(store.record_before(UnixMillis(T)).unwrap() < newest);
}

fn payments_are_those_whose_orders_were_taken(store: &Store) {
    record_all_kinds(store);
    let newest = store.newest_record().unwrap();
    let span = RecordSpan { after: i64::MIN, through: newest, newest };
    let orders = |park| -> Vec<(String, usize)> {
        let exported = store.exported_payments(&parks(store, park), span).unwrap();
        exported.into_iter().map(|one| (one.row.parking_serial, one.row.payments.len())).collect()
    };
    let of = |serial: &str, count| (serial.to_owned(), count);
    // The order of 3 was taken when 4 came: what has no order belongs to its leave.
    assert_eq!(orders(None), [of("3", 2), of("1", 2), of("4", 1)]);
    assert_eq!(orders(Some("b")), []);
}

fn records_keep_their_sealed_fields_unless_they_are_asked_for(store: &Store) {
    store.record(&[leave("1", 1, T, T).personal(r#"{"idcard_no":"440301"}"#), leave("1", 2, T, T)]).unwrap();
    let newest = store.newest_record().unwrap();
    let span = RecordSpan { after: i64::MIN, through: newest, newest };
    for (personal, expected) in [(PersonalFields::Sealed, None), (PersonalFields::Opened, Some("440301"))] {
        let found = store.exported_records(&parks(store, None), span, personal).unwrap();
        assert_eq!(found.len(), 1, "conflicts are apart");
        let row = &found[0].row;
        assert_eq!(row.view.params.get("idcard_no").and_then(Value::as_str), expected);
        assert_eq!((row.park_uuid.as_str(), row.parking_serial.as_str(), row.event_time), ("a", "1", UnixMillis(T)));
    }
}

fn conflicts_are_exported_beside_what_has_their_serial(store: &Store) {
    record_all_kinds(store);
    store.record(&[leave("6", 99, T, T + 71).park(2)]).unwrap();
    let newest = store.newest_record().unwrap();
    let span = RecordSpan { after: i64::MIN, through: newest, newest };
    let of = |park| {
        let found = store.exported_conflicts(&parks(store, park), span).unwrap();
        found.into_iter().map(|one| (one.row.ignored.seqno.0, one.row.standing.seqno.0)).collect::<Vec<_>>()
    };
    assert_eq!((of(None), of(Some("a")), of(Some("b"))), (vec![(5, 4), (99, 14)], vec![(5, 4)], vec![(99, 14)]));
}

fn an_export_of_one_park_has_all_its_epochs_and_no_other_park(store: &Store) {
    store.record(&[leave("1", 1, T, T), leave("2", 2, T, T).park(2)]).unwrap();
    let epoch = store.begin_epoch(ParkId(1), UnixMillis(T + 10)).unwrap();
    store.record(&[leave("1", 3, T + 20, T + 30).park(epoch.records.0)]).unwrap();
    assert_eq!(exported(store, Some("a"), i64::MIN, 100).len(), 2);
    assert_eq!(exported(store, Some("b"), i64::MIN, 100).len(), 1);
    assert_eq!(exported(store, None, i64::MIN, 1).len(), 3);
    assert!(store.export_parks(Some("none")).unwrap().is_none());
}
