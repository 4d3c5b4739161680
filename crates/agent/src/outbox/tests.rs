//! What the sender may rest on.

use parkgate_wire::PushKind;
use rusqlite::params;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::*;

mod by_hand;

const NOW: UnixMillis = UnixMillis(1_760_000_000_000);

const YEAR_MS: u64 = 365 * 24 * 3_600_000;

/// So many milliseconds later.
fn later(ms: u64) -> UnixMillis {
    NOW.after(std::time::Duration::from_millis(ms))
}

struct Kept {
    outbox: Outbox,
    folder: TempDir,
}

fn outbox() -> Kept {
    let folder = tempfile::tempdir().unwrap();
    Kept { outbox: open(&folder), folder }
}

fn open(folder: &TempDir) -> Outbox {
    Outbox::open(folder.path(), DiskLimits::default(), SpaceSource::default()).unwrap()
}

fn record(kind: PushKind, serial: &str, more: &Value) -> Record {
    let mut object = json!({
        "parking_serial": serial, "plate_color": "1", "enter_time": "1624874732253", "leave_time": "1624937505093",
        "car_type": "1", "car_desc": "x",
    });
    object.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    Record::from_json(kind, object.as_object().unwrap()).unwrap()
}

fn leave(serial: &str) -> Record {
    record(PushKind::Leave, serial, &json!({}))
}

impl Kept {
    fn add(&self, record: &Record) -> i64 {
        match self.outbox.add(record, NOW).unwrap() {
            Added::Queued(id) | Added::Known(id) => id,
            Added::Sent => panic!("sent already"),
        }
    }

    fn claim(&self, limit: usize) -> Vec<i64> {
        self.outbox.claim(limit, NOW, false).unwrap().iter().map(|claimed| claimed.id).collect()
    }
}

const SENT: Settlement = Settlement::Sent { hint: None };

#[test]
fn a_record_is_handed_out_once_until_it_is_settled_or_given_back() {
    let kept = outbox();
    let ids: Vec<i64> = (0..5).map(|number| kept.add(&leave(&format!("S{number}")))).collect();
    assert_eq!(kept.claim(2), ids[..2]);
    assert_eq!(kept.claim(9), ids[2..]);
    assert!(kept.claim(9).is_empty());
    kept.outbox.release([ids[1]]);
    assert_eq!(kept.claim(9), [ids[1]]);
    kept.outbox
        .settle(&[(ids[0], SENT), (ids[1], Settlement::Later { due: later(5), reason: "x".into() })], NOW)
        .unwrap();
    assert!(kept.claim(9).is_empty(), "one is done, one rests");
    assert_eq!(kept.outbox.next_due(NOW).unwrap(), Some(later(5)));
    // A claim ends with its process.
    let again = open(&kept.folder);
    let claimed: Vec<i64> = again.claim(9, later(5), true).unwrap().iter().map(|claimed| claimed.id).collect();
    assert_eq!(claimed, [ids[4], ids[3], ids[2], ids[1]], "newest first, if wished");
}

#[test]
fn a_leave_waits_for_its_enter_and_takes_the_half_of_one_that_was_refused() {
    let kept = outbox();
    let (first, second) =
        (kept.add(&record(PushKind::Enter, "S1", &json!({ "enter_gate": "east" }))), kept.add(&leave("S1")));
    assert_eq!(kept.claim(9), [first]);
    assert!(kept.claim(9).is_empty(), "also while the enter is on its way");
    kept.outbox.settle(&[(first, Settlement::Dead { hint: "no".into() })], NOW).unwrap();
    let claimed = kept.outbox.claim(9, NOW, false).unwrap();
    assert_eq!((claimed.len(), claimed[0].id), (1, second));
    assert!(claimed[0].params.contains(&("enter_gate".into(), "east".into())));
    kept.outbox.settle(&[(second, SENT)], NOW).unwrap();
    assert_eq!((kept.outbox.dead_letters().unwrap().len(), kept.outbox.counts(NOW).unwrap().queued), (0, 0));
}

#[test]
fn a_mended_record_takes_the_place_of_the_refused_one_with_its_own_pictures() {
    let kept = outbox();
    let (old, new) = (kept.folder.path().join("old.gif"), kept.folder.path().join("new.gif"));
    std::fs::write(&old, b"GIF89a old").unwrap();
    std::fs::write(&new, b"GIF89a new picture").unwrap();
    let id = kept.add(&record(PushKind::Leave, "S1", &json!({ "total_value": "much", "leave_image_file": old })));
    assert_eq!(kept.claim(9), [id]);
    kept.outbox.settle(&[(id, Settlement::Dead { hint: "total_value".into() })], NOW).unwrap();
    assert!(matches!(
        kept.outbox.add(&record(PushKind::Leave, "S1", &json!({ "total_value": "much" })), NOW),
        Ok(Added::Known(_))
    ));
    let corrected = kept.add(&record(PushKind::Leave, "S1", &json!({ "total_value": "5", "leave_image_file": new })));
    let claimed = kept.outbox.claim(9, NOW, false).unwrap();
    assert_eq!((claimed.len(), claimed[0].id), (1, corrected));
    assert_eq!(std::fs::read(&claimed[0].files[0].1).unwrap(), b"GIF89a new picture");
    assert_eq!(std::fs::read_dir(kept.folder.path().join("pictures")).unwrap().count(), 1, "the old one is gone");
    kept.outbox.settle(&[(corrected, SENT)], NOW).unwrap();
    assert_eq!(kept.outbox.counts(NOW).unwrap().picture_bytes, 0);
    assert!(matches!(kept.outbox.add(&leave("S1"), NOW), Err(OutboxError::Taken(_))), "sent with other content");
}

#[test]
fn the_rate_is_that_of_the_last_whole_minute() {
    let kept = outbox();
    let rate = |now: i64| kept.outbox.counts(UnixMillis(now)).unwrap().sent_last_minute;
    let minute = NOW.0 / 60_000 * 60_000;
    for number in 0..6 {
        let id = kept.add(&leave(&format!("S{number}")));
        let at = if number < 4 { minute } else { minute + 60_000 };
        kept.outbox.settle(&[(id, SENT)], UnixMillis(at)).unwrap();
    }
    assert_eq!((rate(minute + 60_000), rate(minute + 120_000), rate(minute + 180_000)), (4, 2, 0));
}

fn with_picture(kept: &Kept, serial: &str, bytes: &[u8]) -> i64 {
    let picture = kept.folder.path().join(format!("{serial}.gif"));
    std::fs::write(&picture, bytes).unwrap();
    kept.add(&record(PushKind::Leave, serial, &json!({ "leave_image_file": picture })))
}

fn pictures(kept: &Kept) -> Vec<String> {
    let folder = std::fs::read_dir(kept.folder.path().join("pictures")).unwrap();
    let mut names: Vec<_> = folder.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn room_is_never_made_under_a_record_that_is_being_sent() {
    let folder = tempfile::tempdir().unwrap();
    let disk = DiskLimits { picture_bytes_max: 20, ..DiskLimits::default() };
    let outbox = Outbox::open(folder.path(), disk, SpaceSource::default()).unwrap();
    let kept = Kept { outbox, folder };
    let first = with_picture(&kept, "S1", &[b'x'; 10]);
    assert_eq!(kept.claim(1), [first]);
    let second = with_picture(&kept, "S2", &[b'x'; 10]);
    with_picture(&kept, "S3", &[b'x'; 10]);
    assert_eq!(pictures(&kept), ["1-leave_image_file", "3-leave_image_file"], "the oldest that nobody reads");
    let counts = kept.outbox.counts(NOW).unwrap();
    assert_eq!((counts.pictures_dropped, counts.picture_bytes), (1, 20));
    let claimed = kept.outbox.claim(1, NOW, false).unwrap();
    assert_eq!((claimed[0].id, claimed[0].files.len()), (second, 0));
}

#[test]
fn a_picture_is_not_given_up_by_a_record_that_is_not_taken() {
    let folder = tempfile::tempdir().unwrap();
    let disk = DiskLimits { picture_bytes_max: 20, ..DiskLimits::default() };
    let outbox = Outbox::open(folder.path(), disk, SpaceSource::default()).unwrap();
    let kept = Kept { outbox, folder };
    with_picture(&kept, "S1", &[b'x'; 15]);
    // Its second picture cannot be read, after the first has made room.
    let picture = kept.folder.path().join("S2.gif");
    std::fs::write(&picture, [b'x'; 15]).unwrap();
    let connection = rusqlite::Connection::open(kept.folder.path().join("outbox.db")).unwrap();
    let fails = "CREATE TRIGGER fails BEFORE DELETE ON files BEGIN SELECT raise(ABORT, 'no'); END";
    connection.execute_batch(fails).unwrap();
    let two = record(PushKind::Leave, "S2", &json!({ "leave_image_file": picture }));
    assert!(kept.outbox.add(&two, NOW).is_err());
    connection.execute_batch("DROP TRIGGER fails").unwrap();
    let claimed = kept.outbox.claim(9, NOW, false).unwrap();
    assert_eq!(claimed.len(), 1);
    assert!(claimed[0].files[0].1.exists(), "its row says it is there");
}

#[test]
fn a_picture_that_is_gone_is_counted_and_its_record_goes_without() {
    let kept = outbox();
    let id = with_picture(&kept, "S1", b"GIF89a");
    let claimed = kept.outbox.claim(9, NOW, false).unwrap();
    assert!(claimed[0].params.iter().any(|(name, _)| name == "leave_image_hash"));
    let path = claimed[0].files[0].1.clone();
    std::fs::remove_file(&path).unwrap();
    let gone = Settlement::PictureGone { path, reason: "x".into() };
    kept.outbox.settle(&[(id, gone.clone())], NOW).unwrap();
    let claimed = kept.outbox.claim(9, NOW, false).unwrap();
    assert_eq!((claimed[0].id, claimed[0].files.len()), (id, 0));
    assert!(!claimed[0].params.iter().any(|(name, _)| name == "leave_image_hash"), "nor its hash");
    kept.outbox.settle(&[(id, gone)], NOW).unwrap();
    let counts = kept.outbox.counts(NOW).unwrap();
    assert_eq!((counts.pictures_missing, counts.picture_bytes, counts.queued), (1, 0, 1));
}

#[test]
fn what_is_too_large_goes_without_its_own_pictures_and_its_enters() {
    let kept = outbox();
    let picture = kept.folder.path().join("enter.gif");
    std::fs::write(&picture, b"GIF89a enter").unwrap();
    let enter = kept.add(&record(PushKind::Enter, "S1", &json!({ "enter_image_file": picture })));
    assert_eq!(kept.claim(9), [enter]);
    kept.outbox.settle(&[(enter, Settlement::Dead { hint: "no".into() })], NOW).unwrap();
    let leave = with_picture(&kept, "S1", b"GIF89a leave");
    assert_eq!(kept.outbox.claim(9, NOW, false).unwrap()[0].files.len(), 2);
    kept.outbox.settle(&[(leave, Settlement::WithoutPictures { reason: "HTTP 413".into() })], NOW).unwrap();
    let claimed = kept.outbox.claim(9, NOW, false).unwrap();
    assert_eq!((claimed[0].id, claimed[0].files.len(), pictures(&kept).len()), (leave, 0, 0));
    let counts = kept.outbox.counts(NOW).unwrap();
    assert_eq!((counts.pictures_too_large, counts.picture_bytes), (2, 0));
    assert_eq!(counts.last_error.as_deref(), Some("HTTP 413"));
}

#[test]
fn no_record_waits_longer_than_the_longest_wait_whatever_the_date_was() {
    let kept = outbox();
    let (first, second) = (kept.add(&leave("S1")), kept.add(&leave("S2")));
    let wait = |due| Settlement::Later { due, reason: "x".into() };
    let minute = std::time::Duration::from_secs(60);
    kept.outbox.settle(&[(first, wait(later(YEAR_MS))), (second, wait(later(60_000)))], NOW).unwrap();
    kept.outbox.clamp_due(NOW, minute).unwrap();
    assert_eq!(kept.outbox.claim(9, later(59_999), false).unwrap().len(), 0, "no sooner either");
    assert_eq!(kept.outbox.claim(9, later(60_000), false).unwrap().len(), 2);
}

#[test]
fn what_was_sent_is_forgotten_by_the_outboxes_own_age_and_not_by_the_date() {
    let kept = outbox();
    let id = kept.add(&leave("S1"));
    kept.outbox.settle(&[(id, SENT)], NOW).unwrap();
    let sent = || kept.outbox.add(&leave("S1"), later(3 * YEAR_MS));
    kept.outbox.upkeep();
    assert!(matches!(sent(), Ok(Added::Sent)), "the date is three years on, the agent is not");
    let aged = |age: i64| {
        let connection = rusqlite::Connection::open(kept.folder.path().join("outbox.db")).unwrap();
        let sent_at: i64 = connection.query_row("SELECT sent_at FROM sent", [], |row| row.get(0)).unwrap();
        schema::note(&connection, "age", Some(&(sent_at + age).to_string())).unwrap();
        let later = open(&kept.folder);
        later.upkeep();
        connection.query_row("SELECT count(*) FROM sent", [], |row| row.get::<_, i64>(0)).unwrap()
    };
    assert_eq!(aged(upkeep::REMEMBERED_MS - 60_000), 1);
    assert_eq!(aged(upkeep::REMEMBERED_MS + 1), 0);
}

const ID: &str = "110101199003070011";
const NAME: &str = "阿Q正传";

/// Every file below a folder that holds this text, in any of its encodings.
fn holds(folder: &std::path::Path, text: &str) -> Vec<std::path::PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(holds(&path, text));
        } else if std::fs::read(&path).unwrap().windows(text.len()).any(|piece| piece == text.as_bytes()) {
            found.push(path);
        }
    }
    found
}

fn with_id(serial: &str) -> Record {
    record(
        PushKind::Leave,
        serial,
        &json!({ "idcard_no": ID, "idcard_name": NAME, "idcard_image": "https://id/1.jpg" }),
    )
}

#[test]
fn id_data_is_nowhere_on_the_disk_and_goes_to_the_platform() {
    let kept = outbox();
    let (first, second) = (kept.add(&with_id("S1")), kept.add(&with_id("S2")));
    let claimed = kept.outbox.claim(9, NOW, false).unwrap();
    for name in ["idcard_no", "idcard_name", "idcard_image"] {
        assert!(claimed[0].params.iter().any(|(other, value)| other == name && !value.is_empty()), "{name}");
    }
    assert!(matches!(kept.outbox.add(&with_id("S1"), NOW), Ok(Added::Known(id)) if id == first));
    let other = record(PushKind::Leave, "S1", &json!({ "idcard_no": "110101199003070012", "idcard_name": NAME }));
    assert!(matches!(kept.outbox.add(&other, NOW), Err(OutboxError::Taken(_))), "ID data is part of what a record is");
    kept.outbox.settle(&[(first, SENT), (second, Settlement::Dead { hint: "no".into() })], NOW).unwrap();
    assert!(matches!(kept.outbox.add(&with_id("S1"), NOW), Ok(Added::Sent)));
    assert!(kept.outbox.dead_letters().unwrap()[0].params.contains(&("idcard_no".into(), ID.into())));
    for text in [ID, NAME, "https://id/1.jpg"] {
        assert_eq!(holds(kept.folder.path(), text), Vec::<std::path::PathBuf>::new(), "{text}");
    }
    assert!(!holds(kept.folder.path(), "\"S2\"").is_empty(), "it is looked for in the right place");
}

#[test]
fn an_outbox_of_an_earlier_version_is_sealed_when_it_is_opened() {
    let folder = tempfile::tempdir().unwrap();
    let connection = rusqlite::Connection::open(folder.path().join("outbox.db")).unwrap();
    connection.pragma_update_and_check(None, "journal_mode", "wal", |_| Ok(())).unwrap();
    connection
        .execute_batch(
            "CREATE TABLE records (id INTEGER PRIMARY KEY AUTOINCREMENT, kind INTEGER NOT NULL, serial TEXT NOT NULL, \
             digest BLOB NOT NULL, params TEXT NOT NULL, enter_time INTEGER NOT NULL, state INTEGER NOT NULL, \
             attempts INTEGER NOT NULL, due INTEGER NOT NULL, added_at INTEGER NOT NULL, hint TEXT) STRICT; \
             CREATE TABLE notes (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID;",
        )
        .unwrap();
    let stored = |record: &Record, hint: Option<&str>| {
        let params = serde_json::to_string(&record.params).unwrap();
        let sql = "INSERT INTO records (kind, serial, digest, params, enter_time, state, attempts, due, added_at, hint) \
                   VALUES (1, ?1, ?2, ?3, ?4, ?5, 0, 0, 1, ?6)";
        let state = i64::from(hint.is_some());
        let row = params![record.parking_serial, record.digest(), params, record.enter_time.unwrap().0, state, hint];
        connection.execute(sql, row).unwrap();
    };
    let hint = format!("签名验证不通过[car=1&idcard_no={ID}&app_secret=***]");
    stored(&with_id("S1"), None);
    stored(&with_id("S2"), Some(&hint));
    stored(&with_id("S3"), None);
    // Freed pages hold it, too.
    connection.execute("DELETE FROM records WHERE serial = 'S3'", []).unwrap();
    connection.execute("INSERT INTO notes VALUES ('last_hint', ?1)", [&hint]).unwrap();
    drop(connection);
    assert!(!holds(folder.path(), ID).is_empty());
    let outbox = open(&folder);
    for text in [ID, NAME] {
        assert_eq!(holds(folder.path(), text), Vec::<std::path::PathBuf>::new(), "{text}");
    }
    assert!(matches!(outbox.add(&with_id("S1"), NOW), Ok(Added::Known(1))), "known by its digest of then");
    let claimed = outbox.claim(9, NOW, false).unwrap();
    assert!(claimed[0].params.contains(&("idcard_no".into(), ID.into())));
    let letters = outbox.dead_letters().unwrap();
    assert_eq!(letters[0].hint, "签名验证不通过[car=1&idcard_no=***&app_secret=***]");
    assert!(letters[0].params.contains(&("idcard_name".into(), NAME.into())));
}

#[test]
fn what_was_sealed_under_a_lost_key_is_a_dead_letter_until_the_key_is_back_and_the_others_go_on() {
    let kept = outbox();
    let (sealed, open_one) = (kept.add(&with_id("S1")), kept.add(&leave("S2")));
    let key = kept.folder.path().join("master.key");
    let lost = kept.folder.path().join("lost.key");
    std::fs::rename(&key, &lost).unwrap();
    let claimed: Vec<i64> = open(&kept.folder).claim(9, NOW, false).unwrap().iter().map(|one| one.id).collect();
    assert_eq!(claimed, [open_one]);
    assert!(kept.outbox.dead_letters().unwrap()[0].hint.contains("master key"));
    std::fs::rename(&lost, &key).unwrap();
    let again = open(&kept.folder);
    again.retry(&[sealed]).unwrap();
    assert_eq!(again.claim(1, NOW, false).unwrap()[0].id, sealed);
}
