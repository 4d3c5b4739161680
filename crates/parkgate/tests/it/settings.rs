//! `config check` and `config show`: what is wrong, and what is meant.

use std::path::Path;

use parkgate_testbed::{Authority, TestGate, parkgate_with};
use serde_json::{Value, json};

use crate::PARKGATE;

struct Folder(tempfile::TempDir);

impl Folder {
    fn new(settings: &str) -> Folder {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("p.toml"), settings).unwrap();
        Folder(folder)
    }

    fn path(&self, name: &str) -> String {
        self.0.path().join(name).display().to_string()
    }

    /// Exit code, stdout, stderr.
    fn run(&self, args: &[&str], variables: &[(&str, &str)]) -> (i32, String, String) {
        let file = self.path("p.toml");
        let args = [&["--lang", "en", "config"], args, &["--config", &file]].concat();
        let variables: Vec<_> =
            variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let output = parkgate_with(Path::new(PARKGATE), &args, &variables);
        let text = |bytes| String::from_utf8(bytes).unwrap();
        (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
    }

    fn shown(&self, args: &[&str], variables: &[(&str, &str)]) -> Vec<Value> {
        let (code, text, said) = self.run(&[&["show", "--json"], args].concat(), variables);
        assert_eq!(code, 0, "{said}");
        serde_json::from_str(&text).unwrap()
    }
}

fn of<'a>(shown: &'a [Value], name: &str) -> &'a Value {
    shown.iter().find(|setting| setting["name"] == name).unwrap_or_else(|| panic!("{name}"))
}

#[test]
fn each_setting_is_shown_with_where_it_comes_from() {
    let folder = Folder::new("# first\nnode = \"a\"\n\n[limits]\nfiles_max = 2\nbody_timeout = \"5m\"\n");
    let file = folder.path("p.toml");
    let data = folder.path("data");
    let variables = [("PARKGATE_LIMITS_FILES_MAX", "3"), ("PARKGATE_LISTEN", "127.0.0.1:1"), ("PARKGATE_DATA", &data)];
    let shown = folder.shown(&["--listen", "127.0.0.1:2"], &variables);
    let expected = [
        json!({"name": "listen", "value": "127.0.0.1:2", "origin": "flag", "flag": "--listen"}),
        json!({"name": "node", "value": "a", "origin": "file", "file": file, "line": 2}),
        json!({"name": "limits.files_max", "value": 3, "origin": "variable", "variable": "PARKGATE_LIMITS_FILES_MAX"}),
        json!({"name": "limits.body_timeout", "value": "5m", "origin": "file", "file": file, "line": 6}),
        json!({"name": "limits.queue_max", "value": 4096, "origin": "default"}),
        json!({"name": "data", "value": data, "origin": "variable", "variable": "PARKGATE_DATA"}),
        json!({"name": "images", "value": format!("{data}/images"), "origin": "default"}),
        json!({"name": "tls.key", "value": null, "origin": "default"}),
    ];
    for setting in &expected {
        assert_eq!(of(&shown, setting["name"].as_str().unwrap()), setting);
    }
    let (_, text, _) = folder.run(&["show"], &variables);
    assert!(text.contains("[limits]\n") && text.contains(&format!("{file}:6")), "{text}");
    let table: toml::Table = text.parse().unwrap();
    assert_eq!(table["limits"]["files_max"].as_integer(), Some(3), "it can be read as settings");
}

#[test]
fn no_password_is_shown() {
    let folder = Folder::new("store = \"postgres://gate:hidden@db/gate?sslmode=require\"\n");
    for args in [&["show"][..], &["show", "--json"]] {
        let (code, text, said) = folder.run(args, &[]);
        assert_eq!(code, 0, "{said}");
        assert!(text.contains("postgres://gate:***@db/gate?sslmode=require"), "{text}");
        assert!(!text.contains("hidden") && !said.contains("hidden"));
    }
}

#[test]
fn a_data_folder_named_as_a_store_comes_from_there() {
    let folder = Folder::new("store = \"sqlite:of-file\"\n");
    let shown = folder.shown(&[], &[]);
    assert_eq!((&of(&shown, "data")["value"], &of(&shown, "data")["line"]), (&json!("of-file"), &json!(1)));
    assert_eq!(of(&shown, "store")["value"], "sqlite:of-file");
}

#[test]
fn all_that_is_wrong_is_said_at_once() {
    let folder = Folder::new("listn = 1\n[limits]\nqueue_max = 0\n");
    let (code, _, said) = folder.run(&["check"], &[("PARKGATE_LIMITS_FILES_MAX", "many")]);
    assert_eq!(code, 2);
    for name in ["listn", "limits.queue_max", "PARKGATE_LIMITS_FILES_MAX"] {
        assert!(said.contains(name), "{name}: {said}");
    }
    let (code, text, _) = folder.run(&["check", "--json"], &[]);
    let found: Value = serde_json::from_str(&text).unwrap();
    assert_eq!((code, &found["ok"]), (2, &json!(false)));
}

#[test]
fn files_and_folders_are_looked_at_too() {
    let folder = Folder::new("");
    let blocked = folder.path("blocked");
    std::fs::write(&blocked, "").unwrap();
    let data = folder.path("data");
    let (certificate, key) = (folder.path("nowhere.pem"), folder.path("nowhere.key"));
    let good = [("PARKGATE_DATA", data.as_str())];
    assert_eq!(folder.run(&["check"], &good).0, 0);
    assert!(!Path::new(&data).exists(), "a check makes nothing");
    let below = format!("{blocked}/data");
    let wrong = [
        ("PARKGATE_DATA", below.as_str()),
        ("PARKGATE_IMAGES", &blocked),
        ("PARKGATE_TLS_CERTIFICATE", &certificate),
        ("PARKGATE_TLS_KEY", &key),
        ("PARKGATE_ADMIN_LISTEN", "127.0.0.1:8080"),
        ("PARKGATE_LOG", "nonsense=loud"),
    ];
    let (code, _, said) = folder.run(&["check"], &wrong);
    assert_eq!(code, 2);
    for name in ["is no folder", "nowhere.pem", "are the same: 127.0.0.1:8080", "nonsense=loud"] {
        assert!(said.contains(name), "{name}: {said}");
    }
    assert_eq!(said.matches("is no folder").count(), 2, "data and pictures: {said}");
    let authority = Authority::new("tests");
    let (certificate, key) = authority.certificate(folder.0.path(), "localhost");
    let files = [certificate.display().to_string(), key.display().to_string()];
    let files = [("PARKGATE_TLS_CERTIFICATE", files[0].as_str()), ("PARKGATE_TLS_KEY", &files[1]), good[0]];
    assert_eq!(folder.run(&["check"], &files).0, 0);
    std::fs::create_dir(&data).unwrap();
    std::fs::write(Path::new(&data).join("master.key"), "short").unwrap();
    assert!(folder.run(&["check"], &good).2.contains("master.key"));
}

#[test]
fn variables_that_are_no_settings_are_warned_of() {
    let folder = Folder::new("");
    let data = folder.path("data");
    let variables = [("PARKGATE_DATA", data.as_str()), ("PARKGATE_LISTN", "x")];
    let (code, _, said) = folder.run(&["check"], &variables);
    assert_eq!(code, 0);
    assert!(said.contains("PARKGATE_LISTN"), "{said}");
}

#[test]
fn a_gate_says_how_it_is() {
    let mut gate = TestGate::demo(PARKGATE);
    let health = |url: &str| {
        let output = parkgate_with(Path::new(PARKGATE), &["--lang", "en", "health", "--url", url], &[]);
        (output.status.code(), String::from_utf8(output.stderr).unwrap())
    };
    assert_eq!(health(&gate.url).0, Some(0));
    assert_eq!(health(&format!("{}/", gate.url)).0, Some(0));
    let url = gate.url.clone();
    assert_eq!(gate.stop(), Some(0));
    let (code, said) = health(&url);
    assert_eq!(code, Some(1));
    assert!(said.contains("no answer"), "{said}");
}
