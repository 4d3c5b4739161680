//! What a machine can keep of our rules: names, arrows of dependency, and docs that leave nothing out. The shape of
//! the sources is checked in `shape.rs`, their words in `language.rs`.

mod language;
mod logs;
mod shape;
mod source;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Each crate may use those after it.
const ORDER: [&str; 13] = [
    "parkgate", "web", "gate", "agent", "client", "intake", "store", "seal", "ledger", "wire", "log", "text", "testbed",
];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap()
}

fn read(path: &str) -> String {
    std::fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

/// The packages a crate is built of; `depth` 1 for those it names itself.
fn tree(package: &str, depth: &str) -> BTreeSet<String> {
    let output = Command::new(env!("CARGO"))
        .args(["tree", "--offline", "--locked", "--edges", "normal", "--prefix", "none", "--depth", depth])
        .args(["--package", package])
        .current_dir(root())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines().filter_map(|line| line.split(' ').next()).map(str::to_owned).collect()
}

#[test]
fn arrows_of_dependency_point_down() {
    for (index, name) in ORDER.iter().enumerate() {
        let package = if *name == "parkgate" { (*name).to_owned() } else { format!("parkgate-{name}") };
        if !root().join("crates").join(name).exists() {
            assert_eq!(*name, "agent", "no crates/{name}");
            continue;
        }
        for used in tree(&package, "1") {
            let Some(used) = used.strip_prefix("parkgate-") else { continue };
            if used == *name {
                continue;
            }
            let place = ORDER.iter().position(|other| *other == used);
            let allowed = place > Some(index) || *name == "testbed" && ["wire", "client"].contains(&used);
            assert!(allowed, "{name} may not use {used}");
            assert_ne!(used, "testbed", "{name}: for tests only");
        }
    }
}

#[test]
fn the_pure_crates_have_no_runtime_and_no_sockets() {
    for package in ["parkgate-wire", "parkgate-ledger"] {
        let packages = tree(package, "99");
        assert!(packages.contains("parkgate-wire"), "{packages:?}");
        for banned in ["tokio", "hyper", "rusqlite", "reqwest", "mio", "tracing"] {
            assert!(!packages.contains(banned), "{package} pulls in {banned}");
        }
    }
}

/// Names that stand at `start` in a source, up to the first character that is none of a name's.
fn names_after(source: &str, start: &str) -> BTreeSet<String> {
    let pieces = source.split(start).skip(1);
    let names = pieces.map(|rest| rest.split(|c: char| !c.is_ascii_alphanumeric() && c != '_').next().unwrap_or(""));
    names.filter(|name| !name.is_empty()).map(str::to_owned).collect()
}

#[test]
fn every_refusal_and_advisory_is_explained() {
    let docs = read("docs/hints.md");
    let refusals = names_after(&read("crates/wire/src/refusal.rs"), "Refusal::");
    assert!(refusals.len() > 20, "{refusals:?}");
    let advisories = names_after(&read("crates/wire/src/advisory.rs"), "code: \"");
    assert!(advisories.len() > 3, "{advisories:?}");
    for name in refusals.iter().chain(&advisories) {
        assert!(docs.contains(&format!("| `{name}` |")), "docs/hints.md does not explain {name}");
    }
}

#[test]
fn every_advisory_has_words() {
    for code in names_after(&read("crates/wire/src/advisory.rs"), "code: \"") {
        assert!(parkgate_wire::advisory::words(&code).is_some(), "{code}");
    }
}

#[test]
fn every_finding_of_the_sign_doctor_is_explained() {
    let docs = read("docs/signatures.md");
    assert!(parkgate_wire::doctor::FindingKind::ALL.len() > 50);
    for kind in parkgate_wire::doctor::FindingKind::ALL {
        assert!(
            docs.contains(&format!("| `{}` |", kind.code())),
            "docs/signatures.md does not explain {}",
            kind.code()
        );
    }
}

#[test]
fn every_setting_is_explained() {
    let docs = read("docs/settings.md");
    let (_, fields) = docs.split_once("```toml").unwrap();
    let (fields, _) = fields.split_once("```").unwrap();
    let config: toml::Table = fields.replace("\n# ", "\n").parse().unwrap();
    let limits = config["limits"].as_table().unwrap();
    let source = read("crates/gate/src/settings.rs");
    let (_, source) = source.split_once("pub struct Limits {").unwrap();
    let (source, _) = source.split_once("\n}").unwrap();
    let names = names_after(source, "    pub ");
    assert!(names.len() > 10, "{names:?}");
    for name in &names {
        assert!(limits.contains_key(name), "docs/settings.md does not name {name}");
    }
    for name in ["listen", "admin_listen", "data", "store", "images", "node"] {
        assert!(config.contains_key(name), "docs/settings.md does not name {name}");
    }
    assert_eq!(limits.len(), names.len(), "docs/settings.md names an unknown limit");
    for name in ["certificate", "key"] {
        assert!(config["tls"].get(name).is_some(), "docs/settings.md does not name {name} of [tls]");
    }
    let source = read("crates/parkgate/src/config/given.rs") + &read("crates/parkgate/src/config/retention.rs");
    let tables = [
        ("struct GivenForward {", "forward"),
        ("struct GivenBefore {", "before"),
        ("struct GivenRetention {", "retention"),
    ];
    for (start, table) in tables {
        let documented = config[table].as_table().unwrap();
        let (_, source) = source.split_once(start).unwrap();
        let (source, _) = source.split_once("\n}").unwrap();
        let names: Vec<String> = names_after(source, "    pub(super) ").into_iter().collect();
        for name in &names {
            assert!(documented.contains_key(name), "docs/settings.md does not name {name}");
        }
        assert_eq!(documented.len(), names.len(), "docs/settings.md names an unknown setting of [{table}]");
    }
}

#[test]
fn every_setting_of_the_agent_is_explained() {
    let docs = read("docs/settings.md");
    let (_, section) = docs.split_once("## 代理").unwrap();
    let (_, fields) = section.split_once("```toml").unwrap();
    let (fields, _) = fields.split_once("```").unwrap();
    let all: toml::Table = fields.replace("\n# ", "\n").parse().unwrap();
    let source = read("crates/agent/src/config.rs") + &read("crates/agent/src/outbox/types.rs");
    for (start, table) in [
        ("pub struct AgentConfig {", None),
        ("pub struct Platform {", Some("platform")),
        ("pub struct Retry {", Some("retry")),
        ("pub struct DiskLimits {", Some("disk")),
        ("pub struct SpaceFile {", Some("space")),
    ] {
        let (_, text) = source.split_once(start).unwrap();
        let (text, _) = text.split_once("\n}").unwrap();
        let documented = table.map_or(&all, |name| all[name].as_table().unwrap());
        let names: Vec<&str> = text
            .lines()
            .filter_map(|line| line.trim().trim_start_matches("pub ").split_once(": "))
            .map(|(name, _)| name)
            .filter(|name| name.chars().all(|letter| letter.is_ascii_lowercase() || letter == '_'))
            .collect();
        assert_eq!(documented.keys().filter(|name| !names.contains(&name.as_str())).count(), 0, "{start} {names:?}");
        for name in names {
            assert!(documented.contains_key(name), "docs/settings.md does not name {name} of {start}");
        }
    }
    // As it stands, it is a file the agent takes.
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("agent.toml");
    std::fs::write(&file, fields).unwrap();
    let args = ["agent", "status", "--config", file.to_str().unwrap()];
    let output = parkgate_testbed::parkgate(std::path::Path::new(crate::PARKGATE), &args);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn what_differs_between_operating_systems_is_in_one_place_of_the_car_parks_half() {
    for (folder, place) in [
        ("crates/agent/src", [""]),
        ("crates/seal/src", ["disk.rs"]),
        ("crates/client/src", [""]),
        ("crates/parkgate/src", ["signals.rs"]),
    ] {
        let mut files = Vec::new();
        sources(&root().join(folder), &mut files);
        let asks = |path: &PathBuf| {
            let text = std::fs::read_to_string(path).unwrap();
            text.lines().any(|line| !line.trim_start().starts_with("//") && line.contains("unix"))
        };
        let elsewhere = |path: &PathBuf| !place.contains(&path.file_name().unwrap().to_str().unwrap());
        let places: Vec<PathBuf> = files.into_iter().filter(|path| elsewhere(path) && asks(path)).collect();
        assert_eq!(places, Vec::<PathBuf>::new(), "{folder}");
    }
}
