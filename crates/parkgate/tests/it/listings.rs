//! Long listings on the command line.

use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Command, Stdio};

use parkgate_ledger::{Arrival, ParkId};
use parkgate_store::{Entry, NewPark};
use parkgate_testbed::parkgate;
use parkgate_wire::{Digest, PushKind, Secret, Seqno, UnixMillis};
use serde_json::Value;

use crate::PARKGATE;

const T: i64 = 1_760_000_000_000;

pub(crate) fn entered(number: i64) -> Entry {
    let (seqno, at) = (Seqno(number.unsigned_abs()), UnixMillis(T + number));
    let mut digest = [0; 16];
    digest[..8].copy_from_slice(&number.to_le_bytes());
    Entry {
        arrival: Arrival {
            park: ParkId(1),
            kind: PushKind::Enter,
            parking_serial: format!("S{number}"),
            own_key: None,
            gives_leave: false,
            done_at: UnixMillis(0),
            enter_time: at,
            event_time: at,
            received_at: UnixMillis(T + number),
            digest: Digest(digest),
            seqno,
            payments: Vec::new(),
            space: None,
        },
        plate: Some(format!("粤B{number}")),
        params: "{}".into(),
        personal: None,
        original: None,
        inline: None,
        variant: 1,
        pictures: Vec::new(),
    }
}

pub(crate) fn new_park() -> NewPark {
    let (name, secret) = ("East".to_owned(), Secret::new("123".to_owned()));
    NewPark { park_uuid: "a".into(), merchant: None, name, secret, strict: false, total_parking_space: None }
}

/// 2500 vehicles in one park.
fn full(data: &Path) {
    let store = parkgate_store::open(data, None).unwrap();
    store.add_park(&new_park()).unwrap();
    for from in (1..=2500).step_by(500) {
        store.record(&(from..from + 500).map(entered).collect::<Vec<_>>()).unwrap();
    }
    store.close().unwrap();
}

#[test]
fn a_listing_of_many_pages_reads_as_one_and_ends_with_its_reader() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    full(&data);
    let list = |args: &[&str]| {
        let mut all = vec!["visit", "list", "--unmask", "--data", data.to_str().unwrap()];
        all.extend(args);
        let output = parkgate(Path::new(PARKGATE), &all);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    };
    let text = list(&["--limit", "10000000", "--json"]);
    let values: Vec<Value> = serde_json::from_str(&text).unwrap();
    assert_eq!(text.trim_end(), serde_json::to_string_pretty(&values).unwrap());
    let serials: Vec<&str> = values.iter().map(|value| value["parking_serial"].as_str().unwrap()).collect();
    assert_eq!(serials, (1..=2500).rev().map(|n| format!("S{n}")).collect::<Vec<_>>());
    assert_eq!(list(&["--plate", "粤A1", "--json"]), "[]\n");
    let table = list(&["--limit", "2400"]);
    let lines: Vec<&str> = table.lines().collect();
    assert_eq!(lines.len(), 2401);
    assert!(lines[0].starts_with("车牌") && lines[1].contains("粤B2500") && lines[2400].contains("粤B101 "));
    assert_eq!(lines.iter().filter(|line| line.contains("车牌")).count(), 1);

    let mut command = Command::new(PARKGATE);
    command.args(["visit", "list", "--limit", "10000000", "--json", "--data", data.to_str().unwrap()]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut first = String::new();
    BufReader::with_capacity(8, child.stdout.take().unwrap()).read_line(&mut first).unwrap();
    let mut talk = String::new();
    child.stderr.take().unwrap().read_to_string(&mut talk).unwrap();
    assert_eq!((first.as_str(), talk.as_str(), child.wait().unwrap().code()), ("[\n", "", Some(0)));
}
