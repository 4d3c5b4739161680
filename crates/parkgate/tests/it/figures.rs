//! The figures of gate and agent: named as Prometheus wants it, documented, few however many parks there are; and what is
//! made of them, the dashboard and the alerts.

use std::collections::BTreeSet;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use parkgate_store::{NewPark, NewSubscriber};
use parkgate_testbed::{Agent, Authority, Postgres, TestGate, body, leave, signed};
use parkgate_wire::{KindSet, PushKind, Secret};
use serde_json::{Value, json};

use crate::replies::eventually;
use crate::{PARKGATE, demo};

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn read(path: &str) -> String {
    std::fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// Names of all metrics of a scrape, by their descriptions.
fn names(figures: &str) -> BTreeSet<String> {
    let types = figures.lines().filter_map(|line| line.strip_prefix("# TYPE "));
    types.map(|line| line.split(' ').next().unwrap().to_owned()).collect()
}

/// What `promtool` finds wrong.
fn linted(figures: &str) -> String {
    let mut child = Command::new("promtool")
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("promtool, which ./test installs: {error}"));
    child.stdin.take().unwrap().write_all(figures.as_bytes()).unwrap();
    let done = child.wait_with_output().unwrap();
    let said = [done.stdout, done.stderr].concat();
    format!("{}{}", String::from_utf8_lossy(&said), if done.status.success() { "" } else { "failed" })
}

/// A park and a subscriber whose names no command takes: earlier versions may have, and another program can.
fn add_hostile(data: &Path, store: Option<&str>) {
    let hostile = "a\"} 1\n# TYPE x counter\nb\\".to_owned();
    let store = parkgate_store::open(data, store).unwrap();
    let park = NewPark {
        park_uuid: hostile.clone(),
        merchant: None,
        name: hostile.clone(),
        secret: Secret::new("s"),
        strict: false,
        total_parking_space: None,
    };
    store.add_park(&park).unwrap();
    let settings = json!({ "url": "http://127.0.0.1:9/", "format": "webhook" });
    let subscriber = NewSubscriber {
        name: hostile,
        settings: serde_json::from_value(settings).unwrap(),
        secret: Secret::new("s"),
        parks: None,
        kinds: KindSet::of([PushKind::Leave]),
    };
    store.add_subscriber(&subscriber).unwrap();
    store.close().unwrap();
}

/// A gate with something of everything, on this store.
fn busy(flags: &[&str]) -> TestGate {
    let folder = tempfile::tempdir().unwrap().keep();
    let (data, authority) = (folder.join("data"), Authority::new("Parkgate tests"));
    let (certificate, key) = authority.certificate(&folder, "127.0.0.1");
    std::fs::create_dir_all(&data).unwrap();
    std::fs::write(data.join("last-alarm.json"), r#"{"at":1700000000000,"reason":"the disk failed to sync"}"#).unwrap();
    let mut gate = TestGate::stopped(PARKGATE, &data, flags);
    gate.variables = vec![
        ("PARKGATE_FORWARD_ALLOW_PRIVATE".into(), "true".into()),
        ("PARKGATE_TLS_CERTIFICATE".into(), certificate.display().to_string()),
        ("PARKGATE_TLS_KEY".into(), key.display().to_string()),
    ];
    gate.trust(&authority);
    add_hostile(&data, flags.iter().copied().find(|flag| flag.starts_with("postgres")));
    gate.start();
    eventually(|| gate.metrics().contains("deliveries_pending{"));
    gate.taken("leave", leave("S1", &[("car_type", "77")]));
    assert_eq!(gate.push("leave", leave("S2", &[("enter_time", "soon")])).0, 400);
    assert_eq!(gate.post("blacklist", "application/x-www-form-urlencoded", b"a=b".to_vec()).0, 404);
    let wrong = body(&signed(leave("S3", &[]), "wrong"));
    assert_eq!(gate.post("leave", "application/x-www-form-urlencoded", wrong.into()).0, 200);
    eventually(|| {
        let figures = gate.metrics();
        let there = |name: &str| figures.lines().any(|line| line.starts_with(name));
        ["parkgate_delivery_attempts_total{", "parkgate_park_silence_seconds{", "parkgate_disk_size_bytes "]
            .into_iter()
            .all(there)
    });
    gate
}

/// The names in a table of `docs/metrics.md`: those of the gate, or of the agent, in one language.
fn documented(part: &str) -> Vec<String> {
    let cell = |line: &str| Some(line.strip_prefix("| `")?.split('`').next()?.to_owned());
    part.lines().filter_map(cell).collect()
}

/// Documented names of the gate and the agent; both languages name the same.
fn all_documented() -> (BTreeSet<String>, BTreeSet<String>) {
    let docs = read("docs/metrics.md");
    let (zh, en) = docs.split_once("\n## English\n").unwrap();
    assert_eq!(documented(zh), documented(en), "both languages name the same, in the same order");
    let names = documented(zh);
    let all: BTreeSet<String> = names.iter().cloned().collect();
    assert_eq!(all.len(), names.len(), "one is named twice");
    all.into_iter().partition(|name| !name.starts_with("parkgate_agent_"))
}

#[test]
fn figures_are_named_by_the_conventions_and_the_documents_name_all_of_them() {
    let (server, agents_gate) = (Postgres::start(&[]), demo());
    let (sqlite, postgres) = (busy(&["--demo"]), busy(&["--demo", "--store", &server.database()]));
    let mut agent = Agent::new(PARKGATE, &agents_gate.url, "");
    agent.start();
    let record = json!({"parking_serial": "S1", "plate": "粤B1", "plate_color": 1, "car_type": 1, "car_desc": "临时车",
        "enter_time": 1_624_874_732_253_i64, "leave_time": 1_624_937_505_093_i64});
    assert_eq!(agent.give("leave", &record).0, 202);
    eventually(|| agent.json(&["status"])["sent"] == 1);
    let agents = reqwest::blocking::get(format!("{}/metrics", agent.url)).unwrap().text().unwrap();
    let scrapes = [sqlite.metrics(), postgres.metrics(), agents.clone()];
    for scrape in &scrapes {
        assert_eq!(linted(scrape), "", "{scrape}");
    }
    let (gate_documented, agent_documented) = all_documented();
    assert_eq!(names(&agents), agent_documented);
    let found: BTreeSet<String> = scrapes.iter().take(2).flat_map(|scrape| names(scrape)).collect();
    // Of parks that use serials anew, see `credentials.rs`.
    let lacking: Vec<_> = gate_documented.difference(&found).collect();
    assert_eq!(lacking, ["parkgate_park_reused_serials"]);
    let undocumented: Vec<_> = found.difference(&gate_documented).collect();
    assert!(undocumented.is_empty(), "{undocumented:?}");
    assert!(names(&scrapes[0]).contains("parkgate_wal_bytes"));
    assert!(scrapes[1].contains("parkgate_database_connections{state=\"idle\"}"), "{}", scrapes[1]);
    for scrape in &scrapes[..2] {
        assert!(scrape.contains("parkgate_last_alarm_timestamp_seconds 1700000000.0"), "{scrape}");
        assert!(scrape.contains("parkgate_refused_pushes_total{reason=\"Signature\"} 1"), "{scrape}");
        assert!(scrape.contains("parkgate_quarantined_pushes_total 2"), "{scrape}");
    }
}

#[test]
fn however_many_parks_there_are_few_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let store = parkgate_store::open(&data, None).unwrap();
    for number in 0..60 {
        let park = NewPark {
            park_uuid: format!("{number}{:x<300}", "p"),
            merchant: None,
            name: "p".into(),
            secret: Secret::new("s"),
            strict: false,
            total_parking_space: None,
        };
        store.add_park(&park).unwrap();
    }
    store.close().unwrap();
    let gate = TestGate::at(PARKGATE, &data, &["--demo"]);
    gate.taken("leave", leave("S1", &[]));
    eventually(|| gate.metrics().contains("parkgate_park_silence_seconds{"));
    let figures = gate.metrics();
    assert_eq!(figures.matches("\nparkgate_park_silence_seconds{").count(), 20);
    assert_eq!(figures.matches("\nparkgate_parks_silent{").count(), 3);
    assert!(figures.contains("parkgate_parks{state=\"enabled\"} 61"), "{figures}");
    assert!(!figures.contains(&"x".repeat(200)), "names are cut off");
    assert!(figures.len() < 100_000, "{}", figures.len());
}

/// The metrics that an expression asks for, without the ends that a histogram's samples have.
fn asked_for(expression: &str) -> BTreeSet<String> {
    let words = expression.split(|letter: char| !(letter.is_ascii_alphanumeric() || letter == '_'));
    let ours = words.filter(|word| word.starts_with("parkgate_") || word.starts_with("process_"));
    let ends = ["_bucket", "_sum", "_count"];
    ours.map(|word| ends.iter().find_map(|end| word.strip_suffix(end)).unwrap_or(word).to_owned()).collect()
}

#[test]
fn the_dashboard_asks_for_figures_that_exist_and_shows_all() {
    let (gate, agent) = all_documented();
    let dashboard: Value = serde_json::from_str(&read("packaging/grafana.json")).unwrap();
    assert_eq!(
        (&dashboard["id"], &dashboard["uid"]),
        (&Value::Null, &json!("parkgate")),
        "an id would overwrite another"
    );
    assert_eq!(dashboard["templating"]["list"][0]["type"], "datasource");
    let (mut ids, mut shown) = (BTreeSet::new(), BTreeSet::new());
    for panel in dashboard["panels"].as_array().unwrap() {
        assert!(ids.insert(panel["id"].as_u64().unwrap()), "{panel}");
        let place = &panel["gridPos"];
        assert!(place["x"].as_u64().unwrap() + place["w"].as_u64().unwrap() <= 24, "{panel}");
        if panel["type"] == "row" {
            continue;
        }
        for target in panel["targets"].as_array().unwrap() {
            assert_eq!(target["datasource"]["uid"], "${datasource}", "{target}");
            let asked = asked_for(target["expr"].as_str().unwrap());
            assert!(!asked.is_empty(), "{target}");
            shown.extend(asked);
        }
    }
    let all: BTreeSet<String> = gate.union(&agent).cloned().collect();
    let unknown: Vec<_> = shown.difference(&all).collect();
    assert!(unknown.is_empty(), "{unknown:?}");
    let unshown: Vec<_> = gate.difference(&shown).collect();
    assert!(unshown.is_empty(), "{unshown:?}");
}

#[test]
fn alerts_ask_for_figures_that_exist_and_each_fires_when_it_should() {
    let (gate, agent) = all_documented();
    let rules = read("packaging/alerts.yml");
    let asked: BTreeSet<String> =
        rules.lines().filter(|line| line.trim_start().starts_with("expr:")).flat_map(asked_for).collect();
    assert!(asked.len() > 20, "{asked:?}");
    let unknown: Vec<_> = asked.iter().filter(|name| !gate.contains(*name) && !agent.contains(*name)).collect();
    assert!(unknown.is_empty(), "{unknown:?}");
    let tests = read("packaging/alerts_test.yml");
    for rule in rules.lines().filter_map(|line| line.trim().strip_prefix("- alert: ")) {
        assert!(tests.contains(&format!("alertname: {rule}\n")), "{rule} is not tested");
    }
    for (what, file) in [("check", "alerts.yml"), ("test", "alerts_test.yml")] {
        let mut command = Command::new("promtool");
        command.args([what, "rules", file]).current_dir(root().join("packaging"));
        let done = command.output().unwrap_or_else(|error| panic!("promtool, which ./test installs: {error}"));
        let said = String::from_utf8_lossy(&[done.stdout, done.stderr].concat()).into_owned();
        assert!(done.status.success(), "{said}");
    }
}

#[test]
fn a_figure_says_when_the_store_was_last_backed_up() {
    let mut gate = demo();
    assert!(gate.metrics().contains("parkgate_last_backup_timestamp_seconds 0.0"));
    // The gate looks when it starts, and once a minute.
    assert_eq!(gate.stop(), Some(0));
    let place = tempfile::tempdir().unwrap();
    gate.ok(&["backup", place.path().join("backup").to_str().unwrap()]);
    gate.start();
    eventually(|| gate.metrics().contains("parkgate_last_backup_timestamp_seconds 1"));
}
