//! Releases and updates: known by their own keys, behind the enter of their stay.

use super::*;

fn release(serial: &str, more: &Value) -> Record {
    let mut object =
        json!({ "parking_serial": serial, "release_type": "2", "plate": "粤B12345", "reason": "道闸故障" });
    object.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    Record::from_json(PushKind::Release, object.as_object().unwrap()).unwrap()
}

fn update(flow_no: &str, serial: &str, plate: &str) -> Record {
    let object = json!({ "flow_no": flow_no, "parking_serial": serial, "plate": plate, "operator": "张三", "reason": "识别错误" });
    Record::from_json(PushKind::Update, object.as_object().unwrap()).unwrap()
}

fn enter(serial: &str) -> Record {
    record(PushKind::Enter, serial, &json!({}))
}

const DEAD: fn() -> Settlement = || Settlement::Dead { hint: "no".into() };

#[test]
fn they_wait_for_the_enter_of_their_stay_and_updates_for_each_other() {
    let kept = outbox();
    let ids = [
        kept.add(&enter("S1")),
        kept.add(&release("S1", &json!({}))),
        kept.add(&update("F1", "S1", "粤B1")),
        kept.add(&update("F2", "S1", "粤B2")),
        kept.add(&leave("S1")),
        kept.add(&update("F3", "S2", "粤B3")),
    ];
    assert_eq!(kept.claim(9), [ids[0], ids[5]], "of S2 no enter is known: its update goes");
    assert!(kept.claim(9).is_empty(), "also while the enter is on its way");
    kept.outbox.settle(&[(ids[0], SENT)], NOW).unwrap();
    let claimed = kept.outbox.claim(9, NOW, true).unwrap();
    let mut found: Vec<i64> = claimed.iter().map(|one| one.id).collect();
    found.sort_unstable();
    assert_eq!(found, [ids[1], ids[2], ids[4]], "the second update behind the first, also newest first");
    kept.outbox.settle(&[(ids[2], Settlement::Later { due: later(5), reason: "x".into() })], NOW).unwrap();
    assert!(kept.claim(9).is_empty(), "it still is");
    kept.outbox.settle(&[(ids[2], DEAD())], NOW).unwrap();
    assert_eq!(kept.claim(9), [ids[3]], "a dead letter holds nothing up");
}

#[test]
fn a_refused_enter_holds_them_up_no_longer_and_its_half_goes_with_the_leave_alone() {
    let kept = outbox();
    let first = kept.add(&record(PushKind::Enter, "S1", &json!({ "enter_gate": "east" })));
    let more = [kept.add(&release("S1", &json!({}))), kept.add(&update("F1", "S1", "粤B1"))];
    assert_eq!(kept.claim(9), [first]);
    kept.outbox.settle(&[(first, DEAD())], NOW).unwrap();
    let claimed = kept.outbox.claim(9, NOW, false).unwrap();
    assert_eq!(claimed.iter().map(|one| one.id).collect::<Vec<_>>(), more);
    assert!(claimed.iter().flat_map(|one| &one.params).all(|(name, _)| name != "enter_gate"));
    kept.outbox.settle(&more.map(|id| (id, SENT)), NOW).unwrap();
    assert_eq!(kept.outbox.dead_letters().unwrap().len(), 1, "the enter waits for its leave, or for a person");
    let leave = kept.add(&leave("S1"));
    let claimed = kept.outbox.claim(9, NOW, false).unwrap();
    assert!(claimed[0].id == leave && claimed[0].params.contains(&("enter_gate".into(), "east".into())));
}

#[test]
fn each_is_known_again_by_its_own_key_queued_sent_and_refused() {
    let kept = outbox();
    let timed = |reason: &str| release("S1", &json!({ "release_time": "2023-03-27T08:00:00Z", "reason": reason }));
    let records = [release("S1", &json!({})), timed("x"), update("F1", "S1", "粤B1"), leave("S1")];
    let ids = records.clone().map(|record| kept.add(&record));
    for (record, id) in records.iter().zip(ids) {
        assert!(matches!(kept.outbox.add(record, later(60_000)), Ok(Added::Known(known)) if known == id));
    }
    let others = [timed("y"), update("F1", "S2", "粤B1"), update("F1", "S1", "粤B2")];
    let taken = |record: &Record| match kept.outbox.add(record, NOW) {
        Err(error @ OutboxError::Taken(_)) => error.to_string(),
        other => panic!("{other:?}"),
    };
    assert!(taken(&others[0]).contains("流水`S1`的放行") && taken(&others[1]).contains("变更流水`F1`"));
    let second = kept.add(&release("S1", &json!({ "reason": "另一次" })));
    assert!(!ids.contains(&second), "another release of the stay, though neither says when it was");
    kept.outbox.settle(&ids.map(|id| (id, SENT)), NOW).unwrap();
    for record in &records {
        assert!(matches!(kept.outbox.add(record, later(120_000)), Ok(Added::Sent)), "{record:?}");
    }
    assert!(taken(&others[2]).contains("变更流水`F1`"));
    // Refused, and mended under its number.
    let refused = kept.add(&update("F2", "S1", ""));
    kept.outbox.settle(&[(refused, DEAD())], NOW).unwrap();
    let mended = kept.add(&update("F2", "S1", "粤B9"));
    assert_ne!(refused, mended);
    assert!(kept.outbox.dead_letters().unwrap().is_empty());
}

#[test]
fn what_does_not_say_when_it_was_done_is_sent_with_the_time_of_its_hand_in_however_often() {
    let kept = outbox();
    let (release, update) = (release("S1", &json!({})), update("F1", "S1", "粤B1"));
    let ids = [kept.add(&release), kept.add(&update)];
    for _ in 0..2 {
        assert!(matches!(kept.outbox.add(&update, later(60_000)), Ok(Added::Known(_))));
        let claimed = kept.outbox.claim(9, later(YEAR_MS), false).unwrap();
        assert!(claimed[0].params.contains(&("release_time".into(), NOW.to_iso())), "{:?}", claimed[0]);
        assert!(claimed[1].params.contains(&("operate_time".into(), NOW.to_iso())), "{:?}", claimed[1]);
        kept.outbox.settle(&ids.map(|id| (id, DEAD())), NOW).unwrap();
        assert_eq!(kept.outbox.retry(&[]).unwrap(), 2);
    }
}

#[test]
fn an_update_says_its_own_times_and_neither_reports_spaces() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("space.json");
    std::fs::write(&file, r#"{"total_parking_space": 100, "remain_parking_space": 8}"#).unwrap();
    let space = SpaceSource { file: Some(file), max_age: std::time::Duration::from_secs(u32::MAX.into()) };
    let outbox = Outbox::open(folder.path(), DiskLimits::default(), space).unwrap();
    let kept = Kept { outbox, folder };
    let first = kept.add(&enter("S1"));
    let corrected =
        json!({ "flow_no": "F1", "parking_serial": "S1", "plate": "x", "enter_time": "2021-06-28T10:00:00Z" });
    kept.add(&Record::from_json(PushKind::Update, corrected.as_object().unwrap()).unwrap());
    kept.add(&release("S1", &json!({})));
    let claimed = kept.outbox.claim(9, NOW, false).unwrap();
    assert!(claimed[0].params.iter().any(|(name, _)| name == "remain_parking_space"), "a half does");
    kept.outbox.settle(&[(first, SENT)], NOW).unwrap();
    let claimed = kept.outbox.claim(9, NOW, false).unwrap();
    assert!(claimed[0].params.contains(&("enter_time".into(), "2021-06-28T10:00:00Z".into())));
    assert!(claimed.iter().flat_map(|one| &one.params).all(|(name, _)| name != "remain_parking_space"));
}

#[test]
fn a_picture_of_a_release_goes_without_a_hash() {
    let kept = outbox();
    let picture = kept.folder.path().join("car.gif");
    std::fs::write(&picture, b"GIF89a").unwrap();
    let id = kept.add(&release("S1", &json!({ "capture_image_file": picture })));
    let claimed = kept.outbox.claim(9, NOW, false).unwrap();
    assert_eq!(
        (claimed[0].files[0].0.as_str(), pictures(&kept)),
        ("capture_image", vec![format!("{id}-capture_image")])
    );
    assert!(claimed[0].params.iter().all(|(name, _)| !name.starts_with("capture_image")), "{:?}", claimed[0]);
    kept.outbox.settle(&[(id, SENT)], NOW).unwrap();
    assert_eq!((pictures(&kept).len(), kept.outbox.counts(NOW).unwrap().picture_bytes), (0, 0));
}

/// As the version before releases and updates made it.
const EARLIER: &str = "
CREATE TABLE records (id INTEGER PRIMARY KEY AUTOINCREMENT, kind INTEGER NOT NULL, serial TEXT NOT NULL, digest BLOB NOT NULL,
    params TEXT NOT NULL, enter_time INTEGER NOT NULL, state INTEGER NOT NULL, attempts INTEGER NOT NULL, due INTEGER NOT NULL,
    added_at INTEGER NOT NULL, hint TEXT, personal BLOB) STRICT;
CREATE UNIQUE INDEX records_by_serial ON records (serial, kind);
CREATE TABLE sent (serial TEXT NOT NULL, kind INTEGER NOT NULL, digest BLOB NOT NULL, enter_time INTEGER NOT NULL,
    sent_at INTEGER NOT NULL, PRIMARY KEY (serial, kind)) STRICT, WITHOUT ROWID;
CREATE TABLE notes (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID;
INSERT INTO notes VALUES ('records', '2');
";

#[test]
fn an_outbox_of_an_earlier_version_goes_on_and_takes_both() {
    let folder = tempfile::tempdir().unwrap();
    let connection = rusqlite::Connection::open(folder.path().join("outbox.db")).unwrap();
    connection.execute_batch(EARLIER).unwrap();
    for record in [enter("S1"), leave("S1")] {
        let params = serde_json::to_string(&record.params).unwrap();
        let sql = "INSERT INTO records (kind, serial, digest, params, enter_time, state, attempts, due, added_at) \
                   VALUES (?1, ?2, ?3, ?4, ?5, 0, 0, 0, 1)";
        let kind = i64::from(record.kind == PushKind::Leave);
        connection.execute(sql, params![kind, "S1", record.digest(), params, record.enter_time.unwrap().0]).unwrap();
    }
    let sql = "INSERT INTO sent VALUES ('S0', 1, ?1, 1624874732253, 1)";
    connection.execute(sql, [leave("S0").digest()]).unwrap();
    drop(connection);
    for _ in 0..2 {
        let kept = Kept { outbox: open(&folder), folder: tempfile::tempdir().unwrap() };
        assert!(matches!(kept.outbox.add(&enter("S1"), NOW), Ok(Added::Known(1))));
        let other = record(PushKind::Leave, "S1", &json!({ "plate": "粤B2" }));
        assert!(matches!(kept.outbox.add(&other, NOW), Err(OutboxError::Taken(_))), "still one of a serial");
        assert!(matches!(kept.outbox.add(&leave("S0"), NOW), Ok(Added::Sent)));
        kept.add(&release("S1", &json!({})));
        kept.add(&update("F1", "S1", "粤B1"));
        kept.add(&update("F2", "S1", "粤B2"));
        assert_eq!(kept.outbox.counts(NOW).unwrap().queued, 5);
        assert_eq!(kept.claim(9), [1]);
        kept.outbox.release([1]);
    }
}

#[test]
fn a_row_of_a_kind_that_is_not_known_is_a_dead_letter_and_stops_nothing() {
    let kept = outbox();
    let ids = [kept.add(&leave("S1")), kept.add(&leave("S2"))];
    let connection = rusqlite::Connection::open(kept.folder.path().join("outbox.db")).unwrap();
    connection.execute("UPDATE records SET kind = 9 WHERE id = ?1", [ids[0]]).unwrap();
    assert_eq!(kept.claim(9), [ids[1]]);
    assert_eq!(kept.outbox.counts(NOW).unwrap().dead, 1);
    assert!(kept.outbox.dead_letters().unwrap().is_empty(), "it cannot be shown");
}
