//! What an older program left behind opens, is migrated, and answers as it did: `tests/upgrades/NAME`, made by
//! `tests/upgrades/make.py` with the program of that time.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use parkgate_testbed::{NamedValues, Postgres, TestGate};
use serde_json::Value;

use crate::PARKGATE;

/// Each is called after the schema it was left in.
const LEFT_BEHIND: [&str; 1] = ["schema-7"];

fn kept(name: &str, store: &str, file: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/upgrades").join(name).join(store).join(file)
}

fn sql(name: &str, store: &str) -> String {
    std::fs::read_to_string(kept(name, store, "database.sql")).unwrap()
}

/// A data folder with the master key of that time.
fn data_folder(name: &str, store: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let key = folder.path().join("master.key");
    std::fs::copy(kept(name, store, "master.key"), &key).unwrap();
    std::fs::set_permissions(key, std::fs::Permissions::from_mode(0o600)).unwrap();
    folder
}

/// An answer without what later programs say beside it, where that says nothing.
fn as_then(mut answer: Value) -> Value {
    match &mut answer {
        Value::Array(list) => list.iter_mut().for_each(|one| *one = as_then(one.take())),
        Value::Object(fields) => {
            let new = ["releases", "updates", "refuse_when_full", "plates_allowed", "plates_denied"];
            let is_new = |name: &str| new.contains(&name);
            let says_nothing = |value: &Value| {
                value == &Value::Bool(false) || value == &Value::from(0) || value.as_array().is_some_and(Vec::is_empty)
            };
            fields.retain(|name, value| !(is_new(name) && says_nothing(value)));
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
        let args: Vec<&str> = question.split(' ').collect();
        assert_eq!(&as_then(gate.json(&args)), answer, "{question}");
    }
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
    let listed = gate.json(&["conflict", "list"]);
    assert_eq!(seqno, listed[0]["recorded_seqno"], "the leave that was recorded then, and no other");
    let mut other = sent;
    other.iter_mut().find(|(name, _)| name == "plate").unwrap().1 = "粤B88888".to_owned();
    assert_eq!(gate.push("leave", other).1["message"], "已忽略当前请求");
    assert_eq!(gate.json(&["conflict", "list"]).as_array().unwrap().len(), listed.as_array().unwrap().len() + 1);
    assert_eq!(gate.stop(), Some(0));
}

#[test]
fn a_data_folder_of_an_older_program_opens_and_answers_as_then() {
    for name in LEFT_BEHIND {
        let data = data_folder(name, "sqlite");
        let database = rusqlite::Connection::open(data.path().join("parkgate.db")).unwrap();
        database.execute_batch(&sql(name, "sqlite")).unwrap();
        database.close().unwrap();
        answers_as_then(name, "sqlite", TestGate::stopped(PARKGATE, data.path(), &[]));
    }
}

#[test]
fn a_postgresql_database_of_an_older_program_opens_and_answers_as_then() {
    let server = Postgres::shared();
    for name in LEFT_BEHIND {
        let (data, url) = (data_folder(name, "postgres"), server.database());
        server.sql(&url, &sql(name, "postgres"));
        let mut gate = TestGate::stopped(PARKGATE, data.path(), &["--store", &url]);
        gate.set_variables(&[("PARKGATE_STORE".to_owned(), url)]);
        answers_as_then(name, "postgres", gate);
    }
}
