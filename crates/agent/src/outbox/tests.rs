//! What the sender may rest on.

use parkgate_wire::PushKind;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::*;

const NOW: i64 = 1_760_000_000_000;

struct Kept {
    outbox: Outbox,
    folder: TempDir,
}

fn outbox() -> Kept {
    let folder = tempfile::tempdir().unwrap();
    Kept { outbox: open(&folder), folder }
}

fn open(folder: &TempDir) -> Outbox {
    Outbox::open(folder.path(), Disk::default(), SpaceSource::default()).unwrap()
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

const SENT: Settled = Settled::Sent { hint: None };

#[test]
fn a_record_is_handed_out_once_until_it_is_settled_or_given_back() {
    let kept = outbox();
    let ids: Vec<i64> = (0..5).map(|number| kept.add(&leave(&format!("S{number}")))).collect();
    assert_eq!(kept.claim(2), ids[..2]);
    assert_eq!(kept.claim(9), ids[2..]);
    assert!(kept.claim(9).is_empty());
    kept.outbox.give_back([ids[1]]);
    assert_eq!(kept.claim(9), [ids[1]]);
    kept.outbox.settle(&[(ids[0], SENT), (ids[1], Settled::Later { due: NOW + 5, reason: "x".into() })], NOW).unwrap();
    assert!(kept.claim(9).is_empty(), "one is done, one rests");
    assert_eq!(kept.outbox.next_due(NOW).unwrap(), Some(NOW + 5));
    // A claim ends with its process.
    let again = open(&kept.folder);
    let claimed: Vec<i64> = again.claim(9, NOW + 5, true).unwrap().iter().map(|claimed| claimed.id).collect();
    assert_eq!(claimed, [ids[4], ids[3], ids[2], ids[1]], "newest first, if wished");
}

#[test]
fn a_leave_waits_for_its_enter_and_takes_the_half_of_one_that_was_refused() {
    let kept = outbox();
    let (first, second) =
        (kept.add(&record(PushKind::Enter, "S1", &json!({ "enter_gate": "east" }))), kept.add(&leave("S1")));
    assert_eq!(kept.claim(9), [first]);
    assert!(kept.claim(9).is_empty(), "also while the enter is on its way");
    kept.outbox.settle(&[(first, Settled::Dead { hint: "no".into() })], NOW).unwrap();
    let claimed = kept.outbox.claim(9, NOW, false).unwrap();
    assert_eq!((claimed.len(), claimed[0].id), (1, second));
    assert!(claimed[0].params.contains(&("enter_gate".into(), "east".into())));
    kept.outbox.settle(&[(second, SENT)], NOW).unwrap();
    assert_eq!((kept.outbox.aside().unwrap().len(), kept.outbox.counts(NOW).unwrap().queued), (0, 0));
}

#[test]
fn a_mended_record_takes_the_place_of_the_refused_one_with_its_own_pictures() {
    let kept = outbox();
    let (old, new) = (kept.folder.path().join("old.gif"), kept.folder.path().join("new.gif"));
    std::fs::write(&old, b"GIF89a old").unwrap();
    std::fs::write(&new, b"GIF89a new picture").unwrap();
    let id = kept.add(&record(PushKind::Leave, "S1", &json!({ "total_value": "much", "leave_image_file": old })));
    assert_eq!(kept.claim(9), [id]);
    kept.outbox.settle(&[(id, Settled::Dead { hint: "total_value".into() })], NOW).unwrap();
    assert!(matches!(
        kept.outbox.add(&record(PushKind::Leave, "S1", &json!({ "total_value": "much" })), NOW),
        Ok(Added::Known(_))
    ));
    let mended = kept.add(&record(PushKind::Leave, "S1", &json!({ "total_value": "5", "leave_image_file": new })));
    let claimed = kept.outbox.claim(9, NOW, false).unwrap();
    assert_eq!((claimed.len(), claimed[0].id), (1, mended));
    assert_eq!(std::fs::read(&claimed[0].files[0].1).unwrap(), b"GIF89a new picture");
    assert_eq!(std::fs::read_dir(kept.folder.path().join("pictures")).unwrap().count(), 1, "the old one is gone");
    kept.outbox.settle(&[(mended, SENT)], NOW).unwrap();
    assert_eq!(kept.outbox.counts(NOW).unwrap().picture_bytes, 0);
    assert!(matches!(kept.outbox.add(&leave("S1"), NOW), Err(OutboxError::Taken(_))), "sent with other content");
}

#[test]
fn the_rate_is_that_of_the_last_whole_minute() {
    let kept = outbox();
    let rate = |now| kept.outbox.counts(now).unwrap().sent_last_minute;
    let minute = NOW / 60_000 * 60_000;
    for number in 0..6 {
        let id = kept.add(&leave(&format!("S{number}")));
        let at = if number < 4 { minute } else { minute + 60_000 };
        kept.outbox.settle(&[(id, SENT)], at).unwrap();
    }
    assert_eq!((rate(minute + 60_000), rate(minute + 120_000), rate(minute + 180_000)), (4, 2, 0));
}
