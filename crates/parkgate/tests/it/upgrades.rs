//! What an older program left behind opens, is migrated, and answers as it did: `tests/upgrades/NAME`, made by
//! `tests/upgrades/make.py` with the program of that time.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use parkgate_testbed::{Agent, NamedValues, Postgres, TestGate};
use serde_json::Value;

use crate::PARKGATE;

/// Each is called after the release that left it, or after the schema.
fn left_behind() -> Vec<String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/upgrades");
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let names = entries.filter(|path| path.is_dir()).map(|path| path.file_name().unwrap().to_str().unwrap().to_owned());
    let names: Vec<String> = names.filter(|name| !name.starts_with("__")).collect();
    assert!(names.iter().any(|name| name == "schema-7"), "{names:?}");
    names
}

fn kept(name: &str, store: &str, file: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/upgrades").join(name).join(store).join(file)
}

fn sql(name: &str, store: &str) -> String {
    std::fs::read_to_string(kept(name, store, "database.sql")).unwrap()
}

/// A data folder with the master key of that time.
fn data_folder(name: &str, store: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let packed = kept(name, store, "data.tar.gz");
    if packed.exists() {
        unpack(&packed, folder.path());
        return folder;
    }
    let key = folder.path().join("master.key");
    std::fs::copy(kept(name, store, "master.key"), &key).unwrap();
    std::fs::set_permissions(key, std::fs::Permissions::from_mode(0o600)).unwrap();
    folder
}

fn unpack(packed: &Path, into: &Path) {
    let unpacked = Command::new("tar").arg("-xzf").arg(packed).arg("-C").arg(into).status().unwrap();
    assert!(unpacked.success(), "{}", packed.display());
}

/// An answer without what later programs say beside it, where that says nothing.
fn as_then(mut answer: Value) -> Value {
    match &mut answer {
        Value::Array(list) => list.iter_mut().for_each(|one| *one = as_then(one.take())),
        Value::Object(fields) => {
            let new = ["releases", "updates", "refuse_when_full", "plates_allowed", "plates_denied", "keep"];
            let is_new = |name: &str| new.contains(&name);
            let says_nothing = |value: &Value| {
                value == &Value::Bool(false)
                    || value == &Value::from(0)
                    || value.as_array().is_some_and(Vec::is_empty)
                    || value.as_object().is_some_and(|kinds| kinds.values().all(|keep| keep == "default"))
            };
            // What depends on the day of the question.
            let is_of_today = |name: &str| ["today", "last_push", "silent"].iter().any(|word| name.contains(word));
            fields.retain(|name, value| !(is_of_today(name) || is_new(name) && says_nothing(value)));
            fields.values_mut().for_each(|value| *value = as_then(value.take()));
        }
        _ => {}
    }
    answer
}

/// All that was asked then is answered as then, and what was sent then is known when it comes again.
fn answers_as_then(name: &str, store: &str, mut gate: TestGate) {
    let answers: Value = serde_json::from_slice(&std::fs::read(kept(name, store, "answers.json")).unwrap()).unwrap();
    let answers = answers.as_object().unwrap();
    assert!(answers.len() > 20, "{}", answers.len());
    for (question, answer) in answers {
        let mut args: Vec<&str> = question.split(' ').collect();
        // Programs of then masked nothing.
        let masks = ["visit ", "quarantine ", "conflict ", "delivery list", "subscriber differences"];
        if masks.iter().any(|masks| question.starts_with(masks)) {
            args.push("--unmask");
        }
        assert_eq!(as_then(gate.json(&args)), as_then(answer.clone()), "{name}: {question}");
    }
    let conflict = &gate.json(&["conflict", "list"])[0]["recorded_seqno"];
    gate.start();
    let (_, first) = answers.iter().find(|(question, _)| question.ends_with(" S1")).unwrap();
    let sent: NamedValues = first["params"]
        .as_object()
        .unwrap()
        .iter()
        .filter(|(name, _)| *name != "sign")
        .map(|(name, value)| (name.clone(), value.as_str().unwrap().to_owned()))
        .collect();
    let seqno = gate.taken("leave", sent.clone());
    if name == "schema-7" {
        assert_eq!(&seqno, conflict, "the leave that was recorded then, and no other");
    }
    assert_eq!(seqno, gate.taken("leave", sent.clone()));
    let mut other = sent;
    other.iter_mut().find(|(name, _)| name == "plate").unwrap().1 = "粤B88888".to_owned();
    assert_eq!(gate.push("leave", other).1["message"], "已忽略当前请求");
    assert!(!gate.json(&["conflict", "list"]).as_array().unwrap().is_empty());
    assert_eq!(gate.stop(), Some(0));
}

#[test]
fn a_data_folder_of_an_older_program_opens_and_answers_as_then() {
    for name in &left_behind() {
        let data = data_folder(name, "sqlite");
        if kept(name, "sqlite", "database.sql").exists() {
            let database = rusqlite::Connection::open(data.path().join("parkgate.db")).unwrap();
            database.execute_batch(&sql(name, "sqlite")).unwrap();
            database.close().unwrap();
        }
        answers_as_then(name, "sqlite", TestGate::stopped(PARKGATE, data.path(), &[]));
    }
}

#[test]
fn a_postgresql_database_of_an_older_program_opens_and_answers_as_then() {
    let server = Postgres::shared();
    for name in &left_behind() {
        let (data, url) = (data_folder(name, "postgres"), server.database());
        server.sql(&url, &sql(name, "postgres"));
        let mut gate = TestGate::stopped(PARKGATE, data.path(), &["--store", &url]);
        gate.set_variables(&[("PARKGATE_STORE".to_owned(), url)]);
        answers_as_then(name, "postgres", gate);
    }
}

#[test]
fn an_agents_folder_of_an_older_program_opens_and_sends_what_waits() {
    let gate = TestGate::demo(PARKGATE);
    let mut opened = 0;
    for name in &left_behind() {
        let packed = kept(name, "agent", "data.tar.gz");
        if !packed.exists() {
            continue;
        }
        let mut agent = Agent::new(PARKGATE, &gate.url, "");
        unpack(&packed, agent.folder.path());
        let settings = std::fs::read_to_string(agent.config()).unwrap();
        std::fs::write(agent.config(), settings.replace("http://127.0.0.1:9", &gate.url)).unwrap();
        agent.start();
        wait_until(|| agent.run(&["status", "--json"]).1.contains("\"queued\": 0"));
        let stay = gate.visit("A1");
        assert_eq!(
            (&stay["plate"], &stay["images"]["leave_image"]["size"]),
            (&Value::from("粤B54321"), &Value::from(43))
        );
        assert_eq!(stay["releases"].as_array().unwrap().len(), 1, "{stay}");
        assert_eq!(gate.visit("A2")["parking_serial"], "A2");
        assert_eq!(agent.stop(), Some(0));
        opened += 1;
    }
    assert!(opened > 0, "no release is kept");
}

fn wait_until(is_so: impl Fn() -> bool) {
    let until = std::time::Instant::now() + std::time::Duration::from_secs(60);
    while !is_so() {
        assert!(std::time::Instant::now() < until, "it did not come about");
        std::thread::yield_now();
    }
}

/// What a rollback meets: a database that a newer program has migrated.
fn newer_is_named(gate: &TestGate, set: &dyn Fn(u32, u32, &str)) {
    let ask = || {
        let output = gate.run(&["--lang", "en", "visit", "list", "--json"]);
        (output.status.code(), String::from_utf8(output.stderr).unwrap())
    };
    // It only added what this program never looks at.
    set(1000, 1, "9.8.7");
    assert_eq!(ask().0, Some(0), "{}", ask().1);
    set(1000, 1000, "9.8.7");
    let (code, said) = ask();
    assert_eq!((code, said.lines().count()), (Some(1), 1), "{said}");
    assert!(said.contains("use 9.8.7 or newer; this is 0.1.0") && said.contains("operate.md"), "{said}");
    let said = gate.run(&["--lang", "zh", "visit", "list"]).stderr;
    assert!(String::from_utf8(said).unwrap().contains("须用 9.8.7 或更新的版本"));
}

#[test]
fn a_data_folder_of_a_newer_program_opens_or_says_which_is_needed() {
    let mut gate = TestGate::demo(PARKGATE);
    gate.taken("leave", parkgate_testbed::leave("S1", &[]));
    gate.stop();
    let path = gate.data().join("parkgate.db");
    newer_is_named(&gate, &|version, works_from, program| {
        let database = rusqlite::Connection::open(&path).unwrap();
        database.pragma_update(None, "user_version", version).unwrap();
        database.execute("UPDATE schema_program SET works_from = ?1, program = ?2", (works_from, program)).unwrap();
        // What that program may have added.
        database.execute_batch("CREATE TABLE IF NOT EXISTS of_later (id INTEGER)").unwrap();
    });
    let database = rusqlite::Connection::open(&path).unwrap();
    database.execute_batch("DROP TABLE schema_program").unwrap();
    let said = String::from_utf8(gate.run(&["--lang", "en", "visit", "list"]).stderr).unwrap();
    assert!(said.contains("use a newer one"), "{said}");
}

#[test]
fn a_postgresql_database_of_a_newer_program_opens_or_says_which_is_needed() {
    let server = Postgres::shared();
    let (data, url) = (tempfile::tempdir().unwrap(), server.database());
    let mut gate = TestGate::stopped(PARKGATE, data.path(), &["--demo", "--store", &url]);
    gate.set_variables(&[("PARKGATE_STORE".to_owned(), url.clone())]);
    gate.start();
    gate.taken("leave", parkgate_testbed::leave("S1", &[]));
    gate.stop();
    newer_is_named(&gate, &|version, works_from, program| {
        let set = format!("version = {version}, works_from = {works_from}, program = '{program}'");
        server.sql(&url, &format!("UPDATE parkgate_schema SET {set}"));
    });
}
