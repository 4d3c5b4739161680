//! What each command prints, once in each language, on a folder with a visit, a conflict, a quarantined push and dead
//! letters.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use parkgate_testbed::{
    Agent, DEMO_PARK, Scripted, ScriptedReply, TestGate, body, enter, leave, parkgate_with, release, signed, update,
};
use serde_json::json;
use unicode_width::UnicodeWidthStr;

use super::{WIDTH, has_chinese, mixed};
use crate::PARKGATE;
use crate::replies::eventually;

/// What people and car parks gave: it stays as it is in every language. The hint is what the car park got.
const GIVEN: [&str; 16] = [
    "演示停车场",
    "东门停车场",
    "粤B12345",
    "粤B9",
    "粤",
    "临时车",
    "张三",
    "道闸故障",
    "识别错误",
    "业主",
    "西门出口",
    "白名单",
    "黑名单",
    "车牌",
    "已忽略当前请求",
    // A database's driver speaks English, in brackets after our words.
    "error connecting to server: Connection refused (os error 111)",
];

/// A gate on which everything has happened that lists show.
fn gate() -> TestGate {
    let gate = TestGate::with_variables(PARKGATE, &["--demo"], &[("PARKGATE_FORWARD_ALLOW_PRIVATE", "true")]);
    let space = [("total_parking_space", "100"), ("remain_parking_space", "500")];
    gate.taken("leave", leave("S1", &[("plate", "粤B12345"), ("total_value", "600"), space[0], space[1]]));
    gate.taken("enter", enter("S2", &[("car_type", "9")]));
    assert!(gate.push("leave", leave("S1", &[("plate", "粤B9")])).1["hint"].is_string(), "a conflict");
    gate.push("release", release("S2", &[("gate_name", "South"), ("operator", "Li"), ("reason", "broken")]));
    gate.push("update", update("F1", "S2", &[("operator", "Li"), ("reason", "misread")]));
    let wrong = body(&signed(leave("S3", &[]), "no secret of ours"));
    gate.post("leave", "application/x-www-form-urlencoded", wrong.into_bytes());
    assert_eq!(gate.push("leave", leave("S4", &[("enter_time", "soon")])).0, 400);
    let add = ["subscriber", "add", "--name", "hook", "--url", "http://127.0.0.1:9/", "--format", "webhook", "--all"];
    gate.ok(&add);
    gate.ok(&["subscriber", "add", "--name", "other", "--url", "http://127.0.0.1:9/", "--format", "relay", "--all"]);
    gate.ok(&["subscriber", "pause", "other"]);
    gate.ok(&["delivery", "replay", "--subscriber", "hook", "--since", "1d"]);
    gate.ok(&["park", "add-plate", DEMO_PARK, "粤B12345", "--allow", "--note", "业主"]);
    gate
}

fn check(lang: &str, words: &[&str], variables: &[(String, String)], code: i32) -> String {
    let mut all = variables.to_vec();
    all.push(("PARKGATE_LANG".into(), lang.into()));
    let output = parkgate_with(Path::new(PARKGATE), words, &all);
    let text = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert_eq!(output.status.code(), Some(code), "{lang} {words:?}: {text}");
    // The hint of a reply is what the car park got, whatever language people read here.
    let mut is_hint = false;
    let without_hints = text.lines().filter(|line| {
        is_hint = line.trim_start().starts_with("hint") || (is_hint && line.starts_with("     "));
        !is_hint
    });
    let without_hints: String = without_hints.map(|line| format!("{line}\n")).collect();
    assert_eq!(mixed(lang, &without_hints, &GIVEN), [""; 0], "{lang} {words:?}:\n{text}");
    let is_whole = |line: &str| line.width() <= WIDTH || !line.trim().contains("  ");
    assert!(text.lines().all(is_whole), "{words:?}: {text}");
    text
}

/// The commands, each with its exit code.
fn everything(data: &str) -> Vec<(Vec<&str>, i32)> {
    let p = DEMO_PARK;
    let done: [&[&str]; 28] = [
        &["park", "list"],
        &["park", "show", p],
        &["park", "check", p],
        &["park", "recount", p],
        &["park", "list-plates", p],
        &["park", "add-plate", p, "粤B12345", "--allow"],
        &["park", "set", p, "--name", "演示停车场"],
        &["park", "rotate-secret", p, "--secret", "123"],
        &["park", "enable", p],
        &["app", "list"],
        &["visit", "list"],
        &["visit", "list", "--plate", "粤A1"],
        &["visit", "show", p, "S1"],
        &["visit", "show", p, "S2"],
        &["quarantine", "list"],
        &["quarantine", "show", "1"],
        &["quarantine", "show", "2"],
        &["quarantine", "replay"],
        &["conflict", "list"],
        &["subscriber", "list"],
        &["subscriber", "show", "hook"],
        &["subscriber", "differences", "other"],
        &["subscriber", "calls", "other"],
        &["subscriber", "pause", "hook"],
        &["subscriber", "resume", "hook"],
        &["delivery", "list"],
        &["delivery", "retry", "--subscriber", "hook"],
        &["delivery", "drop", "--subscriber", "hook"],
    ];
    let failed: [&[&str]; 10] = [
        &["park", "show", "nobody"],
        &["park", "set", p, "--new-serial-epoch"],
        &["park", "remove-plate", p, "粤A1"],
        &["park", "add", "--uuid", p, "--name", "x"],
        &["app", "disable", "nobody"],
        &["visit", "show", p, "nothing"],
        &["quarantine", "show", "999"],
        &["subscriber", "show", "nobody"],
        &["delivery", "show", "1-999999"],
        &["month", "list"],
    ];
    let wrong: [&[&str]; 9] = [
        &["park", "add", "--uuid", "a b", "--name", "x"],
        &["park", "set", p, "--require-sign", "no"],
        &["park", "set", p, "--allow", "nowhere"],
        &["park", "set", p, "--location", "x"],
        &["park", "check", p, "--share", "2"],
        &["visit", "list", "--since", "soon"],
        &["quarantine", "drop"],
        &["subscriber", "set", "hook"],
        &["subscriber", "add", "--name", "x", "--url", "nowhere", "--format", "webhook", "--all"],
    ];
    let all = done.iter().map(|words| (words, 0)).chain(failed.iter().map(|words| (words, 1)));
    let all = all.chain(wrong.iter().map(|words| (words, 2)));
    all.map(|(words, code)| ([*words, &["--data", data]].concat(), code)).collect()
}

#[test]
fn every_command_prints_one_language() {
    let gate = gate();
    let data = gate.data().to_str().unwrap();
    for lang in ["zh", "en"] {
        for (words, code) in everything(data) {
            let text = check(lang, &words, &[], code);
            assert!(!text.trim().is_empty(), "{words:?}");
            // A sheet has the names of the protocol and of JSON.
            let is_sheet = words[1] == "show" && code == 0;
            assert!(lang == "en" || is_sheet || has_chinese(&text), "{words:?}: {text}");
        }
        for words in [
            &["audit", "list"][..],
            &["check"],
            &["config", "show"],
            &["visit", "show", DEMO_PARK, "S1", "--unmask"],
            &["forget", "--plate", "粤B12345", "--dry-run"],
        ] {
            check(lang, &[words, &["--data", data]].concat(), &[], 0);
        }
        let copy = gate.data().with_file_name(format!("{lang}-copy"));
        let person = gate.data().with_file_name(format!("{lang}-person"));
        let restored = gate.data().with_file_name(format!("{lang}-restored"));
        let [copy, person, restored] = [&copy, &person, &restored].map(|path| path.to_str().unwrap());
        check(lang, &["backup", copy, "--data", data], &[], 0);
        check(lang, &["restore", copy, "--data", restored], &[], 0);
        check(lang, &["restore", copy, "--data", restored], &[], 2);
        check(lang, &["person", "--plate", "粤B12345", "--out", person, "--data", data], &[], 0);
        let page = gate.data().join("check.html");
        check(lang, &["park", "check", DEMO_PARK, "--html", page.to_str().unwrap(), "--data", data], &[], 0);
        let page = std::fs::read_to_string(page).unwrap();
        assert!(page.contains(&format!("<html lang=\"{lang}\">")), "{page}");
        assert_eq!(mixed(lang, &page.replace("sans-serif", ""), &GIVEN), [""; 0]);
    }
    let text = check("zh", &["park", "check", DEMO_PARK, "--data", data], &[], 0);
    let joined = text.replace(char::is_whitespace, "");
    assert!(joined.contains("签名不正确") && joined.contains("parkgateexplain"), "a cause, and what to do: {text}");
    let json = |lang: &str| {
        let words = ["visit", "show", DEMO_PARK, "S1", "--json", "--data", data];
        let set = [("PARKGATE_LANG".to_owned(), lang.to_owned())];
        String::from_utf8(parkgate_with(Path::new(PARKGATE), &words, &set).stdout).unwrap()
    };
    assert_eq!(json("zh"), json("en"), "programs read the same");
}

#[test]
fn what_happens_without_a_gate_is_said_in_one_language() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    std::fs::write(path("plates.csv"), "车牌,名单\n粤B12345,白名单\n,黑名单\n粤,x\n").unwrap();
    std::fs::write(path("parkgate.toml"), "listen = \"x\"\nadmin_listen = \"y\"\n[limits]\nqueue_max = 0\n").unwrap();
    std::fs::create_dir(path("keyless")).unwrap();
    std::fs::write(path("keyless/master.key"), "no key").unwrap();
    std::fs::set_permissions(path("keyless/master.key"), std::fs::Permissions::from_mode(0o600)).unwrap();
    for lang in ["zh", "en"] {
        let made = check(lang, &["park", "add", "--uuid", "P1", "--name", "东门停车场", "--data", &path(lang)], &[], 0);
        assert!(made.contains("master.key"), "{made}");
        let app = ["app", "add", "--id", "op1", "--park", "P1", "--data", &path(lang)];
        check(lang, &app, &[], 0);
        check(lang, &["park", "import-plates", "P1", &path("plates.csv"), "--data", &path(lang)], &[], 1);
        check(lang, &["visit", "list", "--data", &path("nowhere")], &[], 1);
        check(lang, &["park", "list", "--store", "mysql://x"], &[], 2);
        check(lang, &["serve", "--config", &path("parkgate.toml"), "--data", &path(lang)], &[], 2);
        check(lang, &["serve", "--config", &path("none.toml"), "--data", &path(lang)], &[], 1);
        check(lang, &["serve", "--demo", "--listen", "0.0.0.0:0", "--data", &path(lang)], &[], 2);
        let keyless = check(lang, &["park", "add", "--uuid", "P1", "--name", "x", "--data", &path("keyless")], &[], 1);
        assert!(keyless.contains("64") && keyless.contains("master.key"), "{keyless}");
        let away = ["park", "list", "--store", "postgres://u@127.0.0.1:9/x", "--data", &path(lang)];
        assert!(check(lang, &away, &[], 1).contains(if lang == "zh" {
            "连不上存储"
        } else {
            "the store is away"
        }));
        check(lang, &["sign", "plate=1"], &[], 2);
        for other in [&["--string", "x"][..], &["plate=1", "sign=x"], &[]] {
            let explain = [&["explain", "--secret", "123"], other].concat();
            check(lang, &explain, &[], if other == ["plate=1", "sign=x"] { 0 } else { 2 });
        }
        let signed = check(lang, &["sign", "--secret", "123", "plate=1"], &[], 0);
        let (_, sign) = signed.trim().rsplit_once("sign=").unwrap();
        check(lang, &["explain", "--secret", "123", "--sign", sign, "plate=1"], &[], 0);
        check(lang, &["push", "leave", "--url", "http://127.0.0.1:9", "--secret", "1", "park_uuid=P1"], &[], 4);
        check(lang, &["simulate", "--url", "http://127.0.0.1:9", "--park", "P1", "--faults", "7"], &[], 2);
        check(lang, &["move", "--data", &path(lang)], &[], 2);
        check(lang, &["move", "--data", &path("nowhere"), "--to-data", &path("x")], &[], 1);
        check(lang, &["move", "--data", &path(lang), "--abandon"], &[], 1);
        check(lang, &["move", "--data", &path(lang), "--to-data", &path(&format!("{lang}-new"))], &[], 0);
    }
}

#[test]
fn the_car_parks_half_speaks_one_language() {
    let refusal = r#"{"code":"400","message":"no","hint":"no such colour","seqno":"0000000000000001","data_node":"n"}"#;
    let platform = Scripted::start(move |_| ScriptedReply::says(400, refusal));
    let mut agent = Agent::started(PARKGATE, &platform.url, "");
    let refused = json!({ "parking_serial": "S1", "enter_time": 1_624_874_732_253_i64, "plate": "粤B12345" });
    assert_eq!(agent.give("enter", &refused).0, 202);
    eventually(|| agent.json(&["dead", "list"]).as_array().is_some_and(|letters| letters.len() == 1));
    let page = reqwest::blocking::get(&agent.url).unwrap().text().unwrap();
    assert!(
        page.contains("<html lang=\"zh\">") && mixed("zh", &page.replace("sans-serif", ""), &[]).is_empty(),
        "{page}"
    );
    agent.stop();
    let config = agent.config();
    let config = config.to_str().unwrap();
    for lang in ["zh", "en"] {
        let run = |words: &[&str], code| check(lang, &[&["agent"], words, &["--config", config]].concat(), &[], code);
        let serial = format!("parking_serial={lang}");
        let record = ["add", "enter", serial.as_str(), "plate=粤B12345", "enter_time=1624874732253", "car_type=1"];
        run(&record, 0);
        run(&record, 0);
        run(&["add", "enter", "plate=粤B12345"], 2);
        run(&["add", "enter", serial.as_str(), "enter_time=soon"], 2);
        run(&["status"], 0);
        assert!(run(&["dead", "list"], 0).contains("S1"));
        run(&["dead", "show", "1"], 0);
        run(&["dead", "show", "999"], 1);
        run(&["check"], 0);
        run(&["dead", "retry", "999"], 0);
        check(lang, &["agent", "status", "--config", "nowhere.toml"], &[], 1);
    }
}
