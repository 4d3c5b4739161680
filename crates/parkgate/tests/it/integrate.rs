//! `docs/integrate.md`: every program and command of the guide does what it says.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use parkgate_testbed::{Agent, DEMO_PARK, NamedValues, Scripted, ScriptedReply, TestGate, enter, md5_hex, signed};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::replies::eventually;
use crate::{PARKGATE, demo};

const PICTURE: &[u8] = b"GIF89a a car";
/// Of the push that all programs send, with serial `S1`, this picture and secret `123`.
const SIGN: &str = "6AE2F960C18E881E72E5BC450D71BABD";

fn docs(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs").join(name)
}

/// What a language needs, ready to be run with the guide's five arguments.
struct Program {
    words: Vec<String>,
    /// Built programs are in it.
    _folder: TempDir,
}

fn run(words: &[String], more: &[&str]) -> Output {
    let mut command = Command::new(&words[0]);
    command.args(&words[1..]).args(more).env("LC_ALL", "C.UTF-8");
    command.output().unwrap_or_else(|error| panic!("{}: {error}: run ./test, which installs it", words[0]))
}

impl Program {
    fn new(build: &[&str], words: &[&str]) -> Program {
        let folder = tempfile::tempdir().unwrap();
        let there = |word: &&str| {
            let word = word.replace("OUT", folder.path().to_str().unwrap());
            word.replace("DOCS", docs("integrate").to_str().unwrap())
        };
        if !build.is_empty() {
            let build: Vec<String> = build.iter().map(there).collect();
            let built = run(&build, &[]);
            assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
        }
        Program { words: words.iter().map(there).collect(), _folder: folder }
    }

    /// Exit code and what it printed.
    fn push(&self, url: &str, secret: &str, serial: &str, picture: &Path) -> (i32, String) {
        self.run(&[url, DEMO_PARK, secret, serial, picture.to_str().unwrap()])
    }

    /// The same of another call than a leave.
    fn push_call(&self, url: &str, serial: &str, picture: &Path, call: &str) -> (i32, String) {
        self.run(&[url, DEMO_PARK, "123", serial, picture.to_str().unwrap(), call])
    }

    fn run(&self, args: &[&str]) -> (i32, String) {
        let output = run(&self.words, args);
        let text = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        (output.status.code().unwrap(), text)
    }
}

/// The same push by each: recorded once however often it is sent, with both payments and the picture.
fn is_taken(program: &Program) {
    let gate = demo();
    let picture = gate.data().join("car.gif");
    std::fs::write(&picture, PICTURE).unwrap();
    for _ in 0..2 {
        let (code, text) = program.push(&gate.url, "123", "S1", &picture);
        assert_eq!((code, text.contains("OK")), (0, true), "{text}");
    }
    let visit = gate.visit("S1");
    assert_eq!(gate.json(&["visit", "list"]).as_array().unwrap().len(), 1);
    assert_eq!((&visit["plate"], &visit["params"]["car_desc"]), (&json!("粤B12345"), &json!("临停 A&B=C+D 100%")));
    let payments: Vec<[&Value; 4]> = visit["payments"]
        .as_array()
        .unwrap()
        .iter()
        .map(|payment| ["parking_order", "pay_type", "value", "change_value"].map(|name| &payment[name]))
        .collect();
    assert_eq!(payments[0][..3], [&json!("S1-1"), &json!(2), &json!(500)]);
    assert_eq!(payments[1], [&json!("S1-2"), &json!(1), &json!(500), &json!(500)]);
    assert_eq!(visit["images"]["leave_image"]["md5"], md5_hex(PICTURE));
    assert_eq!(visit["params"]["sign"], SIGN, "the same push by all, to the byte");
    assert_eq!(visit["advisories"].as_array().unwrap().len(), 1, "but that no enter was pushed: {visit}");
}

/// What a program sends of each, without its sign.
fn by_hand(call: &str, serial: &str) -> NamedValues {
    let flow_no = format!("{serial}-U1");
    let pairs: &[(&str, &str)] = match call {
        "release" => &[
            ("release_type", "2"),
            ("parking_serial", serial),
            ("plate", "粤B12345"),
            ("plate_color", "1"),
            ("release_time", "2021-06-29T03:31:40Z"),
            ("gate_id", "2"),
            ("gate_name", "西门出口"),
            ("operator", "张三"),
            ("reason", "道闸故障 A&B=C"),
            ("release_method", "1"),
        ],
        "update" => &[
            ("flow_no", &flow_no),
            ("parking_serial", serial),
            ("plate", "粤B54321"),
            ("plate_color", "1"),
            ("operate_time", "2021-06-29T04:00:00Z"),
            ("operator", "张三"),
            ("reason", "识别错误 A&B=C"),
        ],
        _ => &[
            ("plate", "粤B12345"),
            ("plate_color", "1"),
            ("gate_time", "1624874732253"),
            ("gate_id", "1"),
            ("gate_name", "东门入口"),
        ],
    };
    let park = std::iter::once(("park_uuid", DEMO_PARK));
    park.chain(pairs.iter().copied()).map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

fn sign_of(call: &str, serial: &str) -> String {
    signed(by_hand(call, serial), "123").pop().unwrap().1
}

/// A release with its picture, and an update: each recorded once, and read with its stay.
fn takes_what_is_done_by_hand(program: &Program, is_success: impl Fn(i32, &str) -> bool) {
    let gate = demo();
    let picture = gate.data().join("car.gif");
    std::fs::write(&picture, PICTURE).unwrap();
    for (serial, calls) in [("S1", &["leave", "release", "update"][..]), ("S2", &["release"]), ("S3", &["update"])] {
        // Once in a while is enough to see that what is sent again is the same.
        let again = if serial == "S1" { calls } else { &[] };
        for call in calls.iter().chain(again) {
            let (code, text) = program.push_call(&gate.url, serial, &picture, call);
            assert!(is_success(code, &text), "{call}: {code} {text}");
        }
    }
    let visit = gate.visit("S1");
    let count = |name: &str| visit[name].as_array().unwrap().len();
    assert_eq!((count("releases"), count("updates"), &visit["plate"]), (1, 1, &json!("粤B54321")), "{visit}");
    assert_eq!(visit["releases"][0]["reason"], "道闸故障 A&B=C");
    assert_eq!(visit["releases"][0]["images"]["capture_image"]["md5"], md5_hex(PICTURE));
    for (call, serial) in [("release", "S2"), ("update", "S3")] {
        assert_eq!(gate.visit(serial)["params"]["sign"], sign_of(call, serial), "the same push by all, to the byte");
    }
}

/// The question, answered and not answered; the platform is asked once.
fn asks_before_entering(program: &Program, is_answer: impl Fn(i32, &str) -> bool) {
    let sign = sign_of("before", "");
    let platform = Scripted::start(move |request| {
        assert!(request.head.starts_with("POST /gate/1.0/parking/internal/enter/before "), "{}", request.head);
        let body = String::from_utf8_lossy(&request.body).into_owned();
        match request.number {
            1 if body.contains(&sign) => {
                ScriptedReply::says(200, r#"{"code":"1001","message":"OK","status":-1,"status_desc":"车位已满"}"#)
            }
            _ => ScriptedReply::says(503, r#"{"code":"503","message":"服务暂不可用"}"#),
        }
    });
    let picture = tempfile::NamedTempFile::new().unwrap();
    let (code, text) = program.push_call(&platform.url, "", picture.path(), "before");
    assert!(is_answer(code, &text) && text.contains("车位已满"), "{code} {text}");
    let (code, text) = program.push_call(&platform.url, "", picture.path(), "before");
    assert!(!is_answer(code, &text) && text.contains("服务暂不可用"), "{code} {text}");
    assert_eq!(platform.requests(), 2);
}

fn is_classified_rightly(program: &Program) {
    let gate = demo();
    let picture = gate.data().join("car.gif");
    std::fs::write(&picture, PICTURE).unwrap();
    let (code, text) = program.push(&gate.url, "124", "S1", &picture);
    assert_eq!((code, text.contains("签名验证不通过")), (5, true), "{text}");
    let (code, text) = program.run(&[&gate.url, DEMO_PARK, "124", "S1", picture.to_str().unwrap(), "release"]);
    assert_eq!((code, text.contains("&app_secret=***")), (3, true), "{text}");
    let disabled = gate.run(&["park", "disable", DEMO_PARK]);
    assert!(disabled.status.success());
    eventually(|| program.push(&gate.url, "123", "S1", &picture).0 == 3);
}

macro_rules! languages {
    ($($name:ident: [$($build:literal),*], [$($word:literal),+];)+) => {$(
        #[test]
        fn $name() {
            let program = Program::new(&[$($build),*], &[$($word),+]);
            is_taken(&program);
            is_classified_rightly(&program);
            takes_what_is_done_by_hand(&program, |code, text| code == 0 && text.contains("OK"));
            asks_before_entering(&program, |code, text| code == 0 && text.contains("status -1"));
        }
    )+};
}

languages! {
    java: ["javac", "-encoding", "UTF-8", "-d", "OUT", "DOCS/Leave.java"], ["java", "-Dfile.encoding=UTF-8", "-cp", "OUT", "Leave"];
    python: [], ["python3", "DOCS/leave.py"];
    c_sharp: ["mcs", "-out:OUT/leave.exe", "-r:System.Net.Http", "DOCS/leave.cs"], ["mono", "OUT/leave.exe"];
    go: ["go", "build", "-o", "OUT/leave", "DOCS/leave.go"], ["OUT/leave"];
    node: [], ["node", "DOCS/leave.mjs"];
    php: [], ["php", "DOCS/leave.php"];
}

#[test]
fn curl() {
    let gate = demo();
    let picture = gate.data().join("car.gif");
    std::fs::write(&picture, PICTURE).unwrap();
    let script = Program::new(&[], &["sh", "DOCS/leave.sh"]);
    let (_, reply) = script.push(&gate.url, "123", "S1", &picture);
    assert!(reply.contains(r#""code":"200","message":"OK""#) && !reply.contains("hint"), "{reply}");
    is_taken_by_curl(&gate);
    let is_success = |_, text: &str| {
        let reply: Value = serde_json::from_str(text).unwrap();
        ["200", "1001"].map(Value::from).contains(&reply["code"]) && reply["hint"].is_null()
    };
    takes_what_is_done_by_hand(&script, is_success);
    asks_before_entering(&script, |_, text: &str| text.contains(r#""status":-1"#));
}

fn is_taken_by_curl(gate: &TestGate) {
    let visit = gate.visit("S1");
    assert_eq!(visit["params"]["sign"], SIGN, "the same push by all, to the byte");
    assert_eq!(
        (&visit["params"]["car_desc"], &visit["payments"].as_array().unwrap().len()),
        (&json!("临停 A&B=C+D 100%"), &2)
    );
    assert_eq!(visit["images"]["leave_image"]["md5"], md5_hex(PICTURE));
}

/// Fenced blocks of the guide that begin with this line.
fn blocks(first_line: &str) -> Vec<String> {
    let guide = std::fs::read_to_string(docs("integrate.md")).unwrap();
    let start = format!("\n```{first_line}\n");
    guide.split(&start).skip(1).map(|rest| rest.split("\n```").next().unwrap().to_owned()).collect()
}

/// The guide's commands as they stand, with a gate and an agent on other ports.
#[test]
fn the_commands_of_the_guide_do_what_it_says() {
    let gate = demo();
    let configs = blocks("toml");
    assert_eq!(configs.len(), 2, "one in each language");
    assert_eq!(configs[0], configs[1]);
    let agent = Agent::new(PARKGATE, &gate.url, "");
    let config = configs[0].replace("127.0.0.1:8070", "127.0.0.1:0").replace("http://127.0.0.1:8080", &gate.url);
    std::fs::write(agent.config(), config).unwrap();
    let mut agent = agent;
    agent.start();
    let (chinese, english) = (blocks("sh agent"), blocks("sh agent-en"));
    assert_eq!((chinese.len(), english.len()), (1, 1));
    let folder = agent.folder.path();
    std::fs::write(folder.join("car.jpg"), PICTURE).unwrap();
    std::os::unix::fs::symlink(PARKGATE, folder.join("parkgate")).unwrap();
    let path = format!("{}:{}", folder.display(), std::env::var("PATH").unwrap());
    for commands in [&chinese[0], &english[0]] {
        let commands = commands.replace("http://127.0.0.1:8070", &agent.url);
        let output =
            Command::new("sh").args(["-euc", &commands]).env("PATH", &path).current_dir(folder).output().unwrap();
        let reported =
            format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(output.status.success() && !reported.contains("error\":"), "{reported}");
    }
    eventually(|| agent.is_empty() && gate.json(&["visit", "list"]).as_array().unwrap().len() == 2);
    assert_eq!(agent.json(&["dead", "list"]), json!([]));
    for serial in ["A1", "B1"] {
        let visit = gate.visit(serial);
        let pictures = [&visit["images"]["leave_image"], &visit["releases"][0]["images"]["capture_image"]];
        assert_eq!(pictures.map(|picture| picture["md5"].clone()), [json!(md5_hex(PICTURE)), json!(md5_hex(PICTURE))]);
        assert_eq!((&visit["plate"], visit["updates"].as_array().unwrap().len()), (&json!("粤B54321"), 1), "{visit}");
    }
}

#[test]
fn apps_ask_for_free_spaces_as_the_guide_has_it() {
    let gate = demo();
    gate.taken("enter", enter("S1", &[("total_parking_space", "100"), ("remain_parking_space", "10")]));
    let (chinese, english) = (blocks("sh space"), blocks("sh space-en"));
    assert_eq!((chinese.len(), &chinese), (1, &english));
    let command = chinese[0].replace("http://127.0.0.1:8080", &gate.url);
    let output = Command::new("sh").args(["-euc", &command]).output().unwrap();
    let reply: Value = serde_json::from_slice(&output.stdout).unwrap();
    let free = (&reply["payload"]["total_space"], &reply["payload"]["remain_space"]);
    assert_eq!((&reply["code"], free), (&"1001".into(), (&json!(100), &json!(10))), "{reply}");
}

/// The guide's own question, and that of a program, to a gate that has a list.
#[test]
fn the_question_of_the_guide_is_answered() {
    let gate = demo();
    let commands = blocks("sh before");
    assert_eq!(commands.len(), 1);
    let folder = tempfile::tempdir().unwrap();
    std::os::unix::fs::symlink(PARKGATE, folder.path().join("parkgate")).unwrap();
    let path = format!("{}:{}", folder.path().display(), std::env::var("PATH").unwrap());
    let asks = || {
        let command = commands[0].replace("http://127.0.0.1:8080", &gate.url);
        let output = Command::new("sh").args(["-euc", &command]).env("PATH", &path).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    };
    let program = Program::new(&[], &["python3", "DOCS/leave.py"]);
    let runs = || program.push_call(&gate.url, "S1", &docs("integrate.md"), "before");
    for (change, status, text) in [
        (None, "status 0", "status 0 车场自行判断"),
        (Some("--allow"), "status 1", "status 1 允许入场  欢迎光临"),
        (Some("--deny"), "status -1", "status -1 禁止入场  禁止入场"),
    ] {
        if let Some(list) = change {
            gate.ok(&["park", "add-plate", DEMO_PARK, "粤B12345", list]);
        }
        eventually(|| asks().contains(text));
        let (code, said) = runs();
        assert_eq!((code, said.contains(status)), (0, true), "{said}");
    }
}
