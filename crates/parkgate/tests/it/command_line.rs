//! The command line as scripts call it (`DESIGN.md` 6).

use parkgate_testbed::{DEMO_PARK, TestGate, enter, leave, parkgate};
use serde_json::json;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::{PARKGATE, demo};

fn golden(id: &str) -> (Vec<String>, String, String) {
    let golden: serde_json::Value = serde_json::from_str(include_str!("../../../wire/tests/golden.json")).unwrap();
    let vector = golden["documented"].as_array().unwrap().iter().find(|vector| vector["id"] == id).unwrap();
    let string = vector["string"].as_str().unwrap();
    let (canonical, _) = string.rsplit_once("&app_secret=").unwrap();
    // An image address holds & and = of its own: what does not ascend belongs to the value before.
    let mut params: Vec<String> = Vec::new();
    for piece in canonical.split('&') {
        let name = piece.split('=').next().unwrap();
        match params.last_mut() {
            Some(last) if name <= last.split('=').next().unwrap() => last.push_str(&format!("&{piece}")),
            _ => params.push(piece.to_owned()),
        }
    }
    params.reverse();
    (params, string.to_owned(), vector["sign"].as_str().unwrap().to_owned())
}

#[test]
fn without_its_file_an_agent_says_where_to_get_one() {
    for command in [&["run"][..], &["status"], &["check"], &["dead", "list"]] {
        let output = parkgate(Path::new(PARKGATE), &[&["agent"], command, &["--config", "nowhere.toml"]].concat());
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{said}");
        assert!(said.contains("nowhere.toml") && said.contains("parkgate agent run --help"), "{said}");
    }
}

#[test]
fn sign_prints_the_documents_strings_and_signs() {
    for (id, start) in [("mission-leave", "142FA4A7"), ("mission-enter-fields", "F58EDB51")] {
        let (params, string, sign) = golden(id);
        assert!(sign.starts_with(start));
        let mut args = vec!["sign", "--secret", "123"];
        args.extend(params.iter().map(String::as_str));
        let output = parkgate(Path::new(PARKGATE), &args);
        assert_eq!(String::from_utf8(output.stdout).unwrap(), format!("str={string}\nsign={sign}\n"));
    }
}

#[test]
fn push_exits_by_what_became_of_it() {
    let gate = demo();
    let secret = gate.data().join("secret");
    std::fs::write(&secret, "123\n").unwrap();
    let picture = gate.data().join("a.gif");
    std::fs::write(&picture, b"GIF89a").unwrap();
    let json_file = gate.data().join("a.json");
    let object =
        json!({"plate": "粤B1", "car_desc": "x", "payment_list": [{"parking_order": "O1", "pay_type": 1, "value": 5}]});
    std::fs::write(&json_file, object.to_string()).unwrap();
    let push = |url: &str, serial: &str, more: &[&str]| {
        let uuid = format!("park_uuid={DEMO_PARK}");
        let serial = format!("parking_serial={serial}");
        let mut args = vec!["push", "leave", "--url", url, "--secret-file", secret.to_str().unwrap(), &uuid, &serial];
        args.extend(["plate_color=1", "enter_time=1624874732253", "leave_time=1624937505093", "car_type=1"]);
        args.extend(["--json", json_file.to_str().unwrap()]);
        args.extend(more);
        let output = parkgate(Path::new(PARKGATE), &args);
        (output.status.code().unwrap(), String::from_utf8(output.stdout).unwrap())
    };
    let image = format!("leave_image_file={}", picture.display());
    let (code, text) = push(&gate.url, "S1", &["--image", &image]);
    assert_eq!((code, text.starts_with("200 OK  seqno ")), (0, true), "{text}");
    assert_eq!(gate.visit("S1")["images"]["leave_image"]["size"], 6);
    assert_eq!(gate.visit("S1")["payments"][0]["value"], 5);
    assert_eq!(push(&gate.url, "S2", &[]).0, 5, "the order is taken: accepted with a hint");
    assert_eq!(push(&gate.url, "S3", &["car_type="]).0, 3, "refused");
    assert_eq!(push("http://127.0.0.1:9", "S4", &[]).0, 4, "not reachable");
    assert_eq!(parkgate(Path::new(PARKGATE), &["push", "leave"]).status.code(), Some(2), "used wrongly");
}

#[test]
fn parks_and_apps_are_kept_and_listed() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().to_str().unwrap();
    let run = |args: &[&str]| {
        let output = parkgate(Path::new(PARKGATE), &[args, &["--data", data]].concat());
        (
            output.status.code().unwrap(),
            String::from_utf8(output.stdout).unwrap(),
            String::from_utf8(output.stderr).unwrap(),
        )
    };
    let (_, made, _) = run(&["park", "add", "--uuid", "P1", "--name", "东门停车场", "--total", "100", "--json"]);
    let made: serde_json::Value = serde_json::from_str(&made).unwrap();
    assert_eq!(made["secret"].as_str().unwrap().len(), 32);
    let (code, _, error) = run(&["park", "add", "--uuid", "P1", "--name", "x", "--secret", "1"]);
    assert_eq!(code, 1);
    assert!(error.contains("P1 已存在"), "{error}");
    let (_, shown, _) = run(&["park", "show", "P1", "--json"]);
    let shown: serde_json::Value = serde_json::from_str(&shown).unwrap();
    let keys: Vec<_> = shown.as_object().unwrap().keys().take(7).cloned().collect();
    assert_eq!(
        keys,
        ["park_uuid", "name", "enabled", "strict", "total_parking_space", "remain_parking_space", "drift"]
    );
    let (_, listed, _) = run(&["park", "list"]);
    assert_eq!(
        listed,
        "名称        上次推送  今日推送  今日拒绝  剩余/总车位  状态  park_uuid\n东门停车场  从未      0         0         100/100      启用  P1\n"
    );
    assert_eq!(run(&["park", "show", "P2"]).0, 1);
    assert_eq!(run(&["park", "disable", "P2"]).0, 1);
    assert_eq!(run(&["park", "rotate-secret", "P1", "--secret", "456"]).0, 0);
    assert_eq!(run(&["app", "add", "--id", "op1", "--secret", "1", "--park", "P1"]).0, 0);
    assert_eq!(run(&["app", "add", "--id", "op2", "--secret", "1", "--park", "P9"]).0, 1);
    assert_eq!(run(&["app", "disable", "op1"]).0, 0);
    let (_, apps, _) = run(&["app", "list", "--json"]);
    let apps: serde_json::Value = serde_json::from_str(&apps).unwrap();
    assert_eq!(apps, json!([{"app_id": "op1", "api_type": null, "enabled": false, "parks": ["P1"]}]));
    assert_eq!(run(&["park", "list", "--store", "postgres://x"]).0, 1);
}

#[test]
fn visits_are_listed_newest_first_and_filtered() {
    let gate = demo();
    for (serial, plate, time) in
        [("S1", "粤B1", "1624937505001"), ("S2", "粤B2", "1624937505002"), ("S3", "粤B1", "1624937505003")]
    {
        gate.taken("leave", leave(serial, &[("plate", plate), ("leave_time", time)]));
    }
    let serials = |args: &[&str]| -> Vec<String> {
        let listed = gate.json(&[&["visit", "list"], args].concat());
        listed.as_array().unwrap().iter().map(|v| v["parking_serial"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(serials(&[]), ["S3", "S2", "S1"]);
    assert_eq!(serials(&["--plate", "粤B1"]), ["S3", "S1"]);
    assert_eq!(serials(&["--since", "1624937505002"]), ["S3", "S2"]);
    assert_eq!(serials(&["--limit", "1"]), ["S3"]);
    assert_eq!(serials(&["--park", "nobody"]), [""; 0]);
    let table = gate.ok(&["visit", "list"]);
    assert!(
        table.starts_with("车牌  入场                 离场                 流水  已付(元)  出入口\n粤**  2"),
        "{table}"
    );
}

#[test]
fn the_printed_curl_line_records_a_push_with_a_picture() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("it's; a \"data\" folder, 数据");
    let mut child = Command::new(PARKGATE)
        .args(["serve", "--demo", "--listen", "127.0.0.1:0", "--data"])
        .arg(&data)
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::null())
        .spawn()
        .unwrap();
    let lines = std::io::BufRead::lines(std::io::BufReader::new(child.stdout.take().unwrap()));
    let mut curl = String::new();
    let mut show = String::new();
    for line in lines {
        let line = line.unwrap();
        if line.starts_with("curl ") {
            curl = line;
        } else if line.contains(" visit show ") {
            show = line;
            break;
        }
    }
    let paste = || {
        let output = Command::new("sh").args(["-c", &format!("{curl} -s")]).output().unwrap();
        serde_json::from_slice::<serde_json::Value>(&output.stdout).unwrap()
    };
    let (first, second) = (paste(), paste());
    assert_eq!(first["message"], "OK", "{first}");
    assert_eq!(first["hint"], serde_json::Value::Null);
    assert_eq!(first["seqno"], second["seqno"]);
    // As it stands: the program is in none of the folders that a shell searches.
    assert!(!show.starts_with("parkgate "), "{show}");
    let output = Command::new("sh").args(["-c", &format!("{show} --json")]).output().unwrap();
    let visit: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(visit["images"]["leave_image"]["md5"], "DF16D33739DEFE9BDA1F4C45D36FD7A7");
    assert_eq!(visit["payments"][0]["value"], 500);
    child.kill().unwrap();
    child.wait().unwrap();
}

#[test]
fn the_printed_program_is_found_from_a_folder_with_a_space() {
    let folder = tempfile::tempdir().unwrap();
    let programs = folder.path().join("my programs");
    std::fs::create_dir_all(&programs).unwrap();
    let program = programs.join("parkgate");
    std::fs::hard_link(PARKGATE, &program).or_else(|_| std::fs::copy(PARKGATE, &program).map(drop)).unwrap();
    for (place, start) in [(folder.path(), "'my programs/parkgate' visit"), (programs.as_path(), "./parkgate visit")] {
        let mut serve = Command::new(&program);
        serve.args(["serve", "--demo", "--listen", "127.0.0.1:0", "--admin-listen", "off"]).current_dir(place);
        let mut child = serve.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let mut lines = std::io::BufRead::lines(std::io::BufReader::new(child.stdout.take().unwrap()));
        let show = lines.find_map(|line| line.ok().filter(|line| line.contains(" visit show "))).unwrap();
        assert!(show.starts_with(start), "{show}");
        let run = Command::new("sh").args(["-c", &show]).current_dir(place).output().unwrap();
        let reported = String::from_utf8(run.stderr).unwrap();
        assert!(reported.contains("没有停车记录"), "it ran, and nothing was pushed yet: {reported}");
        child.kill().unwrap();
        child.wait().unwrap();
    }
}

#[test]
fn an_empty_listing_says_so_and_by_which_filter() {
    let gate = demo();
    let hook = ["--name", "x", "--url", "http://8.8.8.8/", "--format", "webhook", "--all"];
    let differences = ["subscriber", "differences", "x"];
    for (words, reported) in [
        (&["visit", "list"][..], "没有停车记录\n"),
        (&["visit", "list", "--park", "P9"], "没有符合 --park P9 的停车记录\n"),
        (&["visit", "list", "--plate", "粤A1", "--since", "2h"], "没有符合 --plate 粤A1 --since 2h 的停车记录\n"),
        (&["app", "list"], "没有应用\n"),
        (&["quarantine", "list"], "没有隔离的推送\n"),
        (&["quarantine", "replay", "--park", "P9"], "没有符合 --park P9 的隔离的推送\n"),
        (&["conflict", "list", "--park", "P9"], "没有符合 --park P9 的流水冲突\n"),
        (&["subscriber", "list"], "没有订阅方\n"),
        (&["delivery", "list", "--state", "dead"], "没有符合 --state dead 的待发或放弃的投递\n"),
    ] {
        assert_eq!(gate.ok(words), reported);
        assert_eq!(gate.json(words), json!([]), "{words:?}");
    }
    gate.ok(&[&["subscriber", "add"], &hook[..]].concat());
    assert_eq!(gate.ok(&differences), "没有符合 x 的答复差异\n");
    let other = TestGate::with(PARKGATE, &[]);
    assert_eq!(other.ok(&["park", "list"]), "没有停车场\n");
    let agent = gate.data().join("agent.toml");
    let settings = format!(
        "data = \"{}\"\nlisten = \"127.0.0.1:0\"\n[platform]\nurl = \"{}\"\npark_uuid = \"{DEMO_PARK}\"\nsecret = \"123\"\n",
        gate.data().join("agent").display(),
        gate.url
    );
    std::fs::write(&agent, settings).unwrap();
    let dead = parkgate(Path::new(PARKGATE), &["agent", "dead", "list", "--config", agent.to_str().unwrap()]);
    assert_eq!(String::from_utf8(dead.stdout).unwrap(), "没有被拒记录\n");
}

#[test]
fn visits_show_more_where_the_width_allows_and_everything_in_a_pipe() {
    let gate = demo();
    let payments =
        r#"[{"parking_order":"O1","pay_type":1,"value":500},{"parking_order":"O2","pay_type":2,"value":25}]"#;
    let gates = [("enter_gate", "东门地下入口"), ("leave_gate", "西门出口")];
    gate.taken("leave", leave("202106028000000007", &[gates[0], gates[1], ("payment_list", payments)]));
    gate.taken("leave", leave("S2", &[("online_value", "300"), ("cash_value", "50"), ("leave_time", "1624937505094")]));
    gate.taken("enter", enter("S3", &[("enter_gate", "北门")]));
    let listed = |columns: Option<&str>| {
        let mut command = Command::new(PARKGATE);
        command.args(["visit", "list", "--data"]).arg(gate.data()).env_remove("COLUMNS");
        columns.map(|columns| command.env("COLUMNS", columns));
        String::from_utf8(command.output().unwrap().stdout).unwrap()
    };
    let width = |text: &str| text.lines().map(unicode_width::UnicodeWidthStr::width).max().unwrap();
    // 8, 19, 19, 18 and 8 of money, then 23 of gates, then 36 of the park; two between.
    for (columns, has_gates, has_park) in [
        ("40", false, false),
        ("80", false, false),
        ("104", false, false),
        ("105", true, false),
        ("142", true, false),
        ("143", true, true),
    ] {
        let text = listed(Some(columns));
        let found = (text.contains("出入口"), text.contains("park_uuid"));
        assert_eq!(found, (has_gates, has_park), "{columns}:\n{text}");
        assert!(width(&text) <= columns.parse::<usize>().unwrap().max(80), "{columns}:\n{text}");
        assert!(text.contains("已付(元)") && text.contains("202106028000000007"), "{text}");
    }
    let piped = listed(None);
    assert!(piped.contains("东门地下入口 → 西门出口") && piped.contains(DEMO_PARK), "{piped}");
    assert!(piped.contains("5.25") && piped.contains("3.50") && piped.contains("北门 → -"), "{piped}");
    let name = "很长的停车场名称".repeat(8);
    gate.ok(&["park", "set", DEMO_PARK, "--name", &name]);
    let mut command = Command::new(PARKGATE);
    let piped = command.args(["park", "list", "--data"]).arg(gate.data()).env_remove("COLUMNS").output().unwrap();
    assert!(String::from_utf8(piped.stdout).unwrap().contains(&name), "a pipe gets all of a cell");
}

#[test]
fn names_that_are_none_are_refused_with_the_rule_and_old_ones_stay() {
    let gate = demo();
    let long = "x".repeat(10_240);
    let refused = |args: &[&str], named: &str| {
        let output = gate.run(args);
        let reported = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{args:?}: {reported}");
        assert!(reported.contains(named) && reported.contains("应为1至64个") && reported.len() < 1000, "{reported}");
    };
    for bad in ["a b", "a\tb", "a\u{1b}[0m", "a&b", "", "停车场", long.as_str()] {
        refused(&["park", "add", "--uuid", bad, "--name", "x"], "park_uuid");
        refused(&["park", "add", "--uuid", "P1", "--merchant", bad, "--name", "x"], "merchant");
        refused(&["app", "add", "--id", bad, "--park", DEMO_PARK], "app_id");
        if !bad.is_empty() {
            refused(&["park", "set", DEMO_PARK, "--merchant", bad], "merchant");
        }
    }
    refused(&["app", "add", "--id", "a", "--api-type", "a b", "--park", DEMO_PARK], "api_type");
    for bad in ["a\nb", " ", "\u{202e}x", ""] {
        refused(&["park", "add", "--uuid", "P1", "--name", bad], "--name");
        refused(&["park", "set", DEMO_PARK, "--name", bad], "--name");
        let add = ["subscriber", "add", "--name", bad, "--url", "http://8.8.8.8/", "--format", "webhook", "--all"];
        refused(&add, "--name");
    }
    assert_eq!(gate.json(&["park", "list"]).as_array().unwrap().len(), 1, "nothing was added");
    // What was registered before works on.
    let old = parkgate_store::NewPark {
        park_uuid: "a b".into(),
        merchant: Some("old number".into()),
        name: "x\ty".into(),
        secret: parkgate_wire::Secret::new("123"),
        strict: false,
        total_parking_space: None,
    };
    parkgate_store::open(gate.data(), None).unwrap().add_park(&old).unwrap();
    gate.ok(&["park", "set", "a b", "--total", "7", "--merchant", ""]);
    gate.ok(&["park", "set", "a b", "--name", "东门停车场"]);
    gate.ok(&["app", "add", "--id", "op1", "--park", "a b"]);
    gate.ok(&["park", "rotate-secret", "a b", "--secret", "123"]);
    crate::replies::eventually(|| gate.push("leave", leave("S1", &[("park_uuid", "a b")])).1["message"] == "OK");
    assert_eq!(gate.json(&["visit", "list", "--park", "a b"]).as_array().unwrap().len(), 1);
    gate.ok(&["park", "disable", "a b"]);
}

#[test]
fn tables_read_as_agreed() {
    let gate = demo();
    gate.ok(&["park", "add", "--uuid", "P2", "--secret", "s", "--name", "人民广场地下停车场", "--total", "300"]);
    gate.ok(&["app", "add", "--id", "op1", "--secret", "s", "--park", "P2"]);
    let space = [("total_parking_space", "100"), ("remain_parking_space", "10")];
    gate.taken("leave", leave("S1", &[("plate", "粤B12345"), ("total_value", "600"), space[0], space[1]]));
    gate.taken("leave", leave("S2", &[("plate", "京A·F0236挂"), ("car_type", "9")]));
    let mut all = String::new();
    for words in [
        &["park", "list"][..],
        &["park", "show", DEMO_PARK],
        &["park", "show", "P2"],
        &["app", "list"],
        &["visit", "list"],
        &["visit", "show", DEMO_PARK, "S1"],
        &["visit", "show", DEMO_PARK, "S2"],
    ] {
        let text = gate.ok(words);
        assert!(text.lines().all(|line| unicode_width::UnicodeWidthStr::width(line) <= 80), "{text}");
        all.push_str(&format!("$ parkgate {}\n{text}\n", words.join(" ")));
    }
    insta::with_settings!({filters => vec![
        (r"\b[0-9a-f]{16}\b", "SEQNO"),
        (r"20\d\d-\d\d-\d\d \d\d:\d\d:\d\d", "2021-01-02 03:04:05"),
        // When a push was received: now.
        (r"\b1[78]\d{11}\b", "1700000000000"),
        (r"\b\ds前", "0s前"),
    ]}, { insta::assert_snapshot!(all) });
}

#[test]
fn one_gate_a_folder() {
    let gate = demo();
    let data = gate.data().to_str().unwrap();
    let second = parkgate(Path::new(PARKGATE), &["serve", "--listen", "127.0.0.1:0", "--data", data]);
    assert_eq!(second.status.code(), Some(1));
    assert!(String::from_utf8(second.stderr).unwrap().contains("正被另一个 parkgate serve 使用"));
}

#[test]
fn every_help_has_an_example_and_reads_as_agreed() {
    let mut all = String::new();
    for words in [
        "",
        "serve",
        "park",
        "park add",
        "park list",
        "park show",
        "park set",
        "park check",
        "park rotate-secret",
        "park disable",
        "park enable",
        "app add",
        "app list",
        "app disable",
        "visit list",
        "visit show",
        "quarantine list",
        "quarantine show",
        "quarantine replay",
        "quarantine drop",
        "conflict list",
        "explain",
        "subscriber add",
        "subscriber list",
        "subscriber show",
        "subscriber differences",
        "subscriber set",
        "subscriber pause",
        "subscriber resume",
        "subscriber remove",
        "delivery list",
        "delivery show",
        "delivery retry",
        "delivery drop",
        "delivery replay",
        "move",
        "month begin",
        "month list",
        "month redact",
        "month drop",
        "agent run",
        "agent add",
        "agent status",
        "agent dead list",
        "agent dead show",
        "agent dead retry",
        "agent dead drop",
        "sign",
        "push",
        "config check",
        "config show",
        "health",
        "completions",
        "man",
    ] {
        let mut command = Command::new(PARKGATE);
        let output = command.args(words.split_whitespace()).args(["--lang", "en", "--help"]).output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        assert!(
            words.is_empty() || words == "park" || text.contains("Example") || text.contains("示例"),
            "{words}: {text}"
        );
        all.push_str(&format!("$ parkgate {words}\n{text}\n"));
    }
    insta::assert_snapshot!(all);
}

#[test]
fn wrong_use_exits_two_and_names_what_is_wrong() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let file = folder.path().join("p.toml");
    std::fs::write(&file, "nod = 1\nlisten = \"x\"\n[limits]\nqueue_max = 0\nconnections_max = 4611686018427387904\n")
        .unwrap();
    let (data, file) = (data.to_str().unwrap(), file.to_str().unwrap());
    let run = |args: &[&str]| {
        let output = parkgate(Path::new(PARKGATE), args);
        (output.status.code().unwrap(), String::from_utf8(output.stderr).unwrap())
    };
    for (args, named) in [
        (vec!["sign", "--secret", "1", "plate"], vec!["name=value"]),
        (vec!["sign", "plate=1"], vec!["--secret-file"]),
        (vec!["push", "leave", "--secret", "1", "--url", "gate.example.com"], vec!["http://"]),
        (vec!["visit", "list", "--since", "soon", "--data", folder.path().to_str().unwrap()], vec!["soon", "7d"]),
        (vec!["park", "add", "--uuid", "a&b", "--name", "x", "--data", data], vec!["park_uuid"]),
        (vec!["serve", "--demo", "--listen", "0.0.0.0:0", "--data", data], vec!["本机地址"]),
        (
            vec!["serve", "--config", file, "--data", data],
            vec!["nod", "listen = x", "limits.queue_max", "limits.connections_max"],
        ),
    ] {
        let (code, error) = run(&args);
        assert_eq!(code, 2, "{args:?}: {error}");
        assert!(named.iter().all(|name| error.contains(name)), "{error}");
    }
    let (code, error) = run(&["visit", "list", "--data", data]);
    assert_eq!((code, error.contains("--data DIR")), (1, true), "{error}");
    assert!(!Path::new(data).exists(), "nothing is made by a command that was refused, or reads");
}
