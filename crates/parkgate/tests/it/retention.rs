//! What is kept no longer is nowhere afterwards, and changes neither sums nor free spaces nor answers.

use std::path::Path;

use parkgate_testbed::{
    DEMO_PARK, NamedValues, Postgres, TestGate, body, enter, leave, md5_hex, parkgate, signed, update,
};
use serde_json::{Value, json};

use crate::PARKGATE;
use crate::replies::eventually;

const FORM: &str = "application/x-www-form-urlencoded";
const PLATE: &str = "粤B54321";
const OTHER: &str = "粤A99999";
const ID_NUMBER: &str = "440301199001011234";
const PICTURE: &[u8] = b"GIF89a of the vehicle";

/// A gate, and the flags by which commands find its store.
struct Forgetful {
    gate: TestGate,
    _folder: tempfile::TempDir,
    postgres: Option<(std::sync::Arc<Postgres>, String)>,
}

impl Forgetful {
    fn on_sqlite() -> Forgetful {
        Forgetful::with(None)
    }

    fn on_postgres() -> Forgetful {
        let cluster = Postgres::shared();
        let url = cluster.database();
        Forgetful::with(Some((cluster, url)))
    }

    fn with(postgres: Option<(std::sync::Arc<Postgres>, String)>) -> Forgetful {
        let folder = tempfile::tempdir().unwrap();
        let mut flags = vec!["--demo"];
        if let Some((_, url)) = &postgres {
            flags.extend(["--store", url]);
        }
        let gate = TestGate::at(PARKGATE, &folder.path().join("data"), &flags);
        Forgetful { gate, _folder: folder, postgres }
    }

    fn run(&self, args: &[&str]) -> (i32, String, String) {
        let data = self.gate.data().to_str().unwrap();
        let mut all = [args, &["--data", data]].concat();
        if let Some((_, url)) = &self.postgres {
            all.extend(["--store", url]);
        }
        let output = parkgate(Path::new(PARKGATE), &all);
        let text = |bytes| String::from_utf8(bytes).unwrap();
        (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
    }

    fn json(&self, args: &[&str]) -> Value {
        let (code, out, error) = self.run(&[args, &["--json"]].concat());
        assert_eq!(code, 0, "{error}");
        serde_json::from_str(&out).unwrap()
    }

    /// Everything in the database's files, its WAL and the log, pictures too.
    fn everything(&self) -> Vec<u8> {
        let mut all = self.gate.log().into_bytes();
        for entry in walk(self.gate.data()) {
            all.extend(std::fs::read(entry).unwrap_or_default());
        }
        if let Some((cluster, url)) = &self.postgres {
            // Plain VACUUM leaves bytes in the free space of pages; as `docs/settings.md` has it.
            cluster.sql(url, "VACUUM FULL records, payments, images, quarantine, deliveries, park_plates");
            cluster.sql(url, "CHECKPOINT");
            let folder = cluster.sql(url, "SHOW data_directory");
            let files = "SELECT pg_relation_filepath(oid) FROM pg_class WHERE relkind IN ('r', 'i', 't') \
                AND relnamespace NOT IN ('pg_catalog'::regnamespace, 'information_schema'::regnamespace)";
            for file in cluster.sql(url, files).lines() {
                all.extend(std::fs::read(Path::new(&folder).join(file)).unwrap_or_default());
            }
        }
        all
    }

    fn holds(&self, text: &str) -> bool {
        let all = self.everything();
        all.windows(text.len()).any(|window| window == text.as_bytes())
    }

    fn spaces(&self) -> Value {
        let shown = self.json(&["park", "show", DEMO_PARK]);
        json!([shown["total_parking_space"], shown["remain_parking_space"], shown["drift"]])
    }
}

fn walk(folder: &Path) -> Vec<std::path::PathBuf> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap().flatten() {
        if entry.path().is_dir() { files.extend(walk(&entry.path())) } else { files.push(entry.path()) }
    }
    files
}

/// A stay whose serial and order hold the plate, a picture, a correction; and another vehicle's.
fn pushes() -> Vec<(&'static str, NamedValues)> {
    let of_plate = [("plate", PLATE), ("idcard_no", ID_NUMBER), ("idcard_name", "李四四四")];
    let list = r#"[{"parking_order":"粤B54321-1","pay_type":"1","value":"500"}]"#;
    let hash = md5_hex(PICTURE);
    let paid = [&of_plate[..], &[("payment_list", list), ("leave_image_hash", &hash)]].concat();
    vec![
        ("enter", enter("粤B54321-0001", &of_plate)),
        ("leave", leave("粤B54321-0001", &paid)),
        ("update", update("F1", "粤B54321-0001", &[("plate", "粤b·54321")])),
        ("leave", leave("1001", &[&paid[..1], &[("payment_list", list)]].concat())),
        ("leave", leave("2001", &[("plate", OTHER), ("total_parking_space", "100"), ("remain_parking_space", "40")])),
        ("enter", enter("2002", &[("plate", OTHER), ("enter_time", "1624937600000")])),
    ]
}

fn push(gate: &TestGate, call: &str, pairs: NamedValues) -> Value {
    if pairs.iter().any(|(name, _)| name == "leave_image_hash") {
        return gate.push_files(call, pairs, &[("leave_image_file", PICTURE)]).1;
    }
    gate.push(call, pairs).1
}

fn forgets(at: &Forgetful) {
    let gate = &at.gate;
    let first: Vec<Value> = pushes().into_iter().map(|(call, pairs)| push(gate, call, pairs)).collect();
    let ignored = leave("粤B54321-0001", &[("plate", PLATE), ("car_desc", "其他"), ("idcard_no", ID_NUMBER)]);
    let conflict = push(gate, "leave", ignored.clone());
    assert!(conflict["hint"].as_str().unwrap().contains("重复的停车流水"), "{conflict}");
    let refused = signed(leave("3001", &[("plate", "粤B·54321"), ("idcard_no", ID_NUMBER)]), "wrong");
    gate.post("leave", FORM, body(&refused).into_bytes());
    at.run(&["park", "add-plate", DEMO_PARK, PLATE, "--allow"]);
    let spaces = at.spaces();

    let copy = at.gate.data().parent().unwrap().join("copy");
    at.json(&["person", "--plate", "粤ｂ５４３２１", "--out", copy.to_str().unwrap()]);
    let person: Value = serde_json::from_slice(&std::fs::read(copy.join("person.json")).unwrap()).unwrap();
    let text = person.to_string();
    assert_eq!(person["visits"].as_array().unwrap().len(), 2, "{text}");
    assert!(text.contains(ID_NUMBER) && text.contains("粤B54321-1") && !text.contains(OTHER));
    assert_eq!(
        (person["quarantine"].as_array().unwrap().len(), person["on_lists"][0]["list"].as_str()),
        (1, Some("allow"))
    );
    let pictures = std::fs::read_dir(copy.join("pictures")).unwrap().flatten().map(|file| std::fs::read(file.path()));
    assert_eq!(pictures.map(Result::unwrap).collect::<Vec<_>>(), [PICTURE]);
    assert_eq!(at.run(&["person", "--plate", PLATE, "--out", copy.to_str().unwrap()]).0, 1, "never over another copy");
    std::fs::remove_dir_all(&copy).unwrap();

    let counted = json!({
        "visits": 2, "records": 4, "pictures": 1, "conflicts": 1, "deliveries": 0, "quarantine": 1, "differences": 0,
    });
    let dry = at.json(&["forget", "--plate", "粤b54321", "--dry-run"]);
    assert_eq!((&dry["parks"][DEMO_PARK], &dry["on_lists_of"]), (&counted, &json!([DEMO_PARK])));
    assert!(at.holds(PLATE), "nothing was changed");
    let done = at.json(&["forget", "--plate", "粤b54321"]);
    let traces = if at.postgres.is_some() { "free_space" } else { "none" };
    assert_eq!((&done["parks"][DEMO_PARK], &done["traces"]), (&counted, &json!(traces)), "{done}");
    assert_eq!(at.json(&["forget", "--plate", PLATE])["parks"], json!({}), "and nothing is left to forget");

    // The list is the operator's.
    assert!(at.holds(PLATE));
    at.run(&["park", "remove-plate", DEMO_PARK, PLATE]);
    at.json(&["forget", "--plate", PLATE]);
    nothing_is_left(at);
    assert_eq!(at.spaces(), spaces);
    assert_eq!(at.json(&["park", "recount", DEMO_PARK])["remain_parking_space"], spaces[1]);
    // As the first time: same name, same hint.
    for ((call, pairs), first) in pushes().into_iter().zip(&first) {
        let again = push(gate, call, pairs);
        assert_eq!((&again["seqno"], &again["hint"]), (&first["seqno"], &first["hint"]));
    }
    assert_eq!(push(gate, "leave", ignored)["seqno"], conflict["seqno"]);
    assert_eq!(at.spaces(), spaces, "a repeat counts nothing");
    assert_eq!(at.json(&["visit", "list"]).as_array().unwrap().len(), 4);
    nothing_is_left(at);
    let audited = at.json(&["audit", "list"]).to_string();
    assert!(audited.contains("forget") && audited.contains("person") && !audited.contains(PLATE), "{audited}");
}

fn nothing_is_left(at: &Forgetful) {
    assert!(at.holds(OTHER), "what is there is found");
    for text in [PLATE, "B54321", ID_NUMBER, "李四四四"] {
        assert!(!at.holds(text), "{text} is still somewhere");
    }
}

#[test]
fn a_forgotten_plate_is_nowhere_afterwards() {
    forgets(&Forgetful::on_sqlite());
}

#[test]
fn a_forgotten_plate_is_nowhere_afterwards_in_postgres() {
    forgets(&Forgetful::on_postgres());
}

fn days_ago(entry: &mut parkgate_store::Entry, days: i64) {
    let at = parkgate_client::now().0 - days * 24 * 60 * 60 * 1000;
    entry.arrival.received_at = parkgate_wire::UnixMillis(at);
    entry.arrival.enter_time = parkgate_wire::UnixMillis(at);
    entry.arrival.event_time = parkgate_wire::UnixMillis(at);
}

fn retains(at: &mut Forgetful) {
    at.gate.stop();
    let url = at.postgres.as_ref().map(|(_, url)| url.clone());
    let store = parkgate_store::open(at.gate.data(), url.as_deref()).unwrap();
    for (number, days) in [(1, 40), (2, 20)] {
        let mut entry = crate::listings::entered(number);
        days_ago(&mut entry, days);
        entry.plate = Some(if days > 30 { PLATE } else { OTHER }.into());
        entry.arrival.parking_serial = format!("{}-{number}", entry.plate.as_deref().unwrap());
        entry.params = json!({ "plate": entry.plate, "parking_serial": entry.arrival.parking_serial }).to_string();
        entry.personal = Some(json!({ "idcard_no": ID_NUMBER }).to_string());
        store.record(&[entry]).unwrap();
    }
    let spaces = at.spaces();
    assert_eq!(at.run(&["park", "set", DEMO_PARK, "--keep", "personal=3m"]).0, 2);
    assert_eq!(at.run(&["park", "set", DEMO_PARK, "--keep", "personal=30d,visits=never"]).0, 0);
    let keep = &at.json(&["park", "show", DEMO_PARK])["keep"];
    assert_eq!(
        (&keep["personal"], &keep["visits"], &keep["pictures"]),
        (&json!("30d"), &json!("never"), &json!("default"))
    );
    assert!(at.holds(PLATE));
    at.gate.start();
    let redacted = || at.json(&["visit", "list"]).to_string().contains("redacted:");
    eventually(|| redacted() && !store.is_purge_wanted().unwrap());
    nothing_is_left_of_the_old(at);
    assert_eq!(at.spaces(), spaces);
    assert!(at.json(&["visit", "list"]).to_string().contains("redacted:"));
}

fn nothing_is_left_of_the_old(at: &Forgetful) {
    assert!(at.holds(OTHER), "what is there is found");
    assert!(!at.holds(PLATE) && !at.holds("B54321"));
}

#[test]
fn what_reached_its_age_is_nowhere_afterwards() {
    retains(&mut Forgetful::on_sqlite());
}

#[test]
fn what_reached_its_age_is_nowhere_afterwards_in_postgres() {
    retains(&mut Forgetful::on_postgres());
}
