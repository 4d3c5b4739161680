//! What `packaging/` installs: units, settings and scripts that fit together and the program.

use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use parkgate_testbed::{parkgate, parkgate_with};

use crate::PARKGATE;

const UNITS: [&str; 2] = ["parkgate", "parkgate-agent"];

fn packaging(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../packaging").join(name)
}

fn read(name: &str) -> String {
    std::fs::read_to_string(packaging(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// Each setting of a unit with its values, in order.
fn unit(name: &str) -> BTreeMap<String, Vec<String>> {
    let mut settings: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for line in read(&format!("systemd/{name}.service")).lines() {
        match line.split_once('=') {
            Some((key, value)) if !line.starts_with('#') => {
                settings.entry(key.to_owned()).or_default().push(value.to_owned());
            }
            _ => assert!(line.is_empty() || line.starts_with('#') || line.starts_with('['), "{name}: {line}"),
        }
    }
    settings
}

fn deb() -> toml::Table {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.toml");
    let manifest: toml::Table = std::fs::read_to_string(manifest).unwrap().parse().unwrap();
    manifest["package"]["metadata"]["deb"].as_table().unwrap().clone()
}

/// Source, target and permissions of each file in the package.
fn assets() -> Vec<[String; 3]> {
    let assets = deb()["assets"].as_array().unwrap().clone();
    let texts = |asset: &toml::Value| {
        let texts: Vec<String> =
            asset.as_array().unwrap().iter().map(|text| text.as_str().unwrap().to_owned()).collect();
        texts.try_into().unwrap()
    };
    assets.iter().map(texts).collect()
}

fn installed() -> BTreeSet<String> {
    assets().into_iter().map(|[_, target, _]| format!("/{target}")).collect()
}

#[test]
fn units_start_what_the_package_installs() {
    let installed = installed();
    for name in UNITS {
        let unit = unit(name);
        let one = |key: &str| unit[key].first().unwrap().clone();
        let command = one("ExecStart");
        let words: Vec<&str> = command.split(' ').collect();
        assert!(installed.contains(words[0]), "{command}");
        let config = words.iter().find(|word| word.ends_with(".toml")).map(|word| (*word).to_owned());
        let config = config.or_else(|| one("Environment").strip_prefix("PARKGATE_CONFIG=").map(str::to_owned)).unwrap();
        assert!(installed.contains(&config), "{config}");
        let conf_files = deb()["conf-files"].as_array().unwrap().clone();
        assert!(conf_files.iter().any(|file| file.as_str() == Some(&config)), "{config} must survive an upgrade");
        // Where it may write is where its settings put the data.
        let settings: toml::Table = read(config.rsplit('/').next().unwrap()).parse().unwrap();
        assert_eq!(settings["data"].as_str().unwrap(), format!("/var/lib/{}", one("StateDirectory")));
        assert_eq!((one("User"), one("Group")), ("parkgate".into(), "parkgate".into()));
        assert_eq!((one("Type"), one("NotifyAccess")), ("notify".into(), "main".into()));
        assert_eq!(one("RestartPreventExitStatus"), "2", "wrong settings do not mend themselves");
        assert_eq!(one("StartLimitIntervalSec"), "0", "a database that is back is found");
        let stop: u64 = one("TimeoutStopSec").trim_end_matches('s').parse().unwrap();
        let watchdog: u64 = one("WatchdogSec").trim_end_matches('s').parse().unwrap();
        assert!(stop >= 40 && watchdog > 30, "what the program itself allows");
        for key in ["NoNewPrivileges", "ProtectHome", "PrivateTmp", "PrivateDevices", "MemoryDenyWriteExecute"] {
            assert_eq!(one(key), "true", "{key}");
        }
        assert_eq!(one("ProtectSystem"), "strict");
    }
}

#[test]
fn systemd_understands_the_units() {
    let folder = tempfile::tempdir().unwrap();
    for name in UNITS {
        // The program is not installed here, nor are its man pages.
        let text = read(&format!("systemd/{name}.service")).replace("/usr/bin/parkgate", PARKGATE);
        let lines: Vec<&str> = text.lines().filter(|line| !line.starts_with("Documentation=")).collect();
        let path = folder.path().join(format!("{name}.service"));
        std::fs::write(&path, lines.join("\n")).unwrap();
        let verify = Command::new("systemd-analyze").args(["verify", "--man=no"]).arg(&path).output();
        let verify = verify.expect("systemd-analyze, which ./test installs");
        let said = String::from_utf8_lossy(&verify.stderr).into_owned();
        let ours: Vec<&str> = said.lines().filter(|line| line.contains(name)).collect();
        assert!(verify.status.success() && ours.is_empty(), "{said}");
    }
}

#[test]
fn all_files_of_the_package_are_there() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    for [source, target, mode] in assets() {
        assert!(u32::from_str_radix(&mode, 8).is_ok(), "{mode}");
        // Made by `build-deb` from the program.
        if source.contains("target/") {
            continue;
        }
        let (folder, name) = source.rsplit_once('/').unwrap();
        let is_there = match name.strip_prefix('*') {
            Some(end) => {
                let mut entries = std::fs::read_dir(root.join(folder)).unwrap();
                entries.any(|entry| entry.unwrap().file_name().to_str().unwrap().ends_with(end))
            }
            None => root.join(&source).exists(),
        };
        assert!(is_there, "{source} for {target}");
    }
    let build = read("build-deb");
    for [source, ..] in assets().iter().filter(|[source, ..]| source.contains("target/packaging/")) {
        let made = source.split("target/packaging/").nth(1).unwrap().split('/').next().unwrap();
        assert!(build.contains(&format!("$made/{made}")), "{source}");
    }
}

#[test]
fn the_scripts_can_be_run() {
    for name in ["debian/postinst", "debian/prerm", "debian/postrm"] {
        let checked = Command::new("sh").arg("-n").arg(packaging(name)).status().unwrap();
        assert!(checked.success(), "{name}");
        assert!(read(name).contains("#DEBHELPER#"), "{name}: where the units are enabled and stopped");
    }
    for name in ["build-deb", "try"] {
        assert!(Command::new("bash").arg("-n").arg(packaging(name)).status().unwrap().success(), "{name}");
        assert!(std::fs::metadata(packaging(name)).unwrap().permissions().mode() & 0o100 != 0, "{name}");
    }
}

#[test]
fn the_agents_example_needs_only_its_platform() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("agent.toml");
    let status = |text: &str| {
        std::fs::write(&file, text).unwrap();
        parkgate(Path::new(PARKGATE), &["agent", "status", "--json", "--config", file.to_str().unwrap()])
    };
    let data = folder.path().join("data").display().to_string();
    let text = read("agent.toml").replace("/var/lib/parkgate-agent", &data);
    let output = status(&text);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    // What is commented out is right, too.
    let all = text.replace("\n# spool", "\nspool").replace("/srv/spool", &data).replace("# app_id", "app_id");
    let output = status(&all.replace("# api_type", "api_type"));
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn containers_set_what_are_settings() {
    let folder = tempfile::tempdir().unwrap();
    let variables_in = |text: &str, between: [char; 2]| -> BTreeMap<String, String> {
        let words = text.split_whitespace().map(str::to_owned);
        let lines = text.lines().map(|line| line.trim().trim_start_matches("# ").to_owned());
        let pieces: Vec<String> = if between[0] == '=' { words.collect() } else { lines.collect() };
        let pairs = pieces.iter().filter_map(|piece| piece.split_once(between[0]));
        let ours = pairs.filter(|(name, _)| name.starts_with("PARKGATE_"));
        ours.map(|(name, value)| (name.to_owned(), value.trim().to_owned())).collect()
    };
    let mut variables = variables_in(&read("Dockerfile"), ['=', '=']);
    assert!(variables.len() >= 3, "{variables:?}");
    variables.extend(variables_in(&read("compose.yaml"), [':', ' ']));
    assert!(variables.contains_key("PARKGATE_STORE") && variables.contains_key("PARKGATE_TLS_KEY"), "{variables:?}");
    // The commit is known to the build only.
    variables.retain(|name, _| !name.starts_with("PARKGATE_TLS") && name != "PARKGATE_COMMIT");
    variables.insert("PARKGATE_DATA".into(), folder.path().display().to_string());
    let variables: Vec<(String, String)> = variables.into_iter().collect();
    let output = parkgate_with(Path::new(PARKGATE), &["--lang", "en", "config", "check"], &variables);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success() && said.is_empty(), "{said}");
    let dockerfile = read("Dockerfile");
    assert!(dockerfile.contains(&format!("FROM rust:{}", env!("CARGO_PKG_RUST_VERSION"))), "the Rust that we need");
    assert!(dockerfile.contains("HEALTHCHECK") && dockerfile.contains("USER 10001"));
}
