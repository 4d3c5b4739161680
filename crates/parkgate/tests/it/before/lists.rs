//! `park list-plates`, `add-plate`, `remove-plate` and `import-plates`, beside a running gate.

use std::path::PathBuf;

use super::*;

fn plates(gate: &TestGate) -> Value {
    gate.json(&["park", "list-plates", DEMO_PARK])
}

/// What it says on stderr, and its exit code.
fn refused(gate: &TestGate, args: &[&str]) -> (i32, String) {
    let output = gate.run(args);
    assert!(!output.status.success(), "{args:?}");
    (output.status.code().unwrap(), String::from_utf8(output.stderr).unwrap())
}

fn file(gate: &TestGate, bytes: &[u8]) -> PathBuf {
    let path = gate.data().with_extension("csv");
    std::fs::write(&path, bytes).unwrap();
    path
}

#[test]
fn a_plate_is_on_one_list_however_it_is_written() {
    on_both(|gate| {
        assert_eq!(plates(gate), json!([]));
        assert!(gate.ok(&["park", "list-plates", DEMO_PARK]).contains("没有名单车牌"));
        let said = gate.ok(&["park", "add-plate", DEMO_PARK, "粤B·12345", "--allow", "--note", "业主"]);
        assert!(said.contains("白名单") && said.contains("已加入"), "{said}");
        assert!(gate.ok(&["park", "add-plate", DEMO_PARK, "粤B·12345", "--allow", "--note", "业主"]).contains("未变"));
        let listed = json!([{"plate": "粤B·12345", "list": "allow", "note": "业主"}]);
        assert_eq!(plates(gate), listed);
        assert!(gate.ok(&["park", "add-plate", DEMO_PARK, "粤bI2345", "--deny"]).contains("已修改"));
        assert_eq!(plates(gate), json!([{"plate": "粤bI2345", "list": "deny", "note": null}]));
        let shown = gate.ok(&["park", "list-plates", DEMO_PARK]);
        assert!(shown.contains("车牌") && shown.contains("粤bI2345") && shown.contains("黑名单"), "{shown}");
        let park = gate.json(&["park", "show", DEMO_PARK]);
        let counts = ["plates_allowed", "plates_denied", "refuse_when_full"].map(|name| park[name].clone());
        assert_eq!(counts, [json!(0), json!(1), json!(false)]);
        gate.ok(&["park", "remove-plate", DEMO_PARK, "粤Ｂ 12345"]);
        assert_eq!(plates(gate), json!([]));
        let (code, said) = refused(gate, &["park", "remove-plate", DEMO_PARK, "粤B12345"]);
        assert!(code == 1 && said.contains("不在名单中"), "{said}");
        for (args, code, expected) in [
            (&["park", "add-plate", DEMO_PARK, "无牌车", "--deny"][..], 2, "不是可识别的车牌"),
            (&["park", "add-plate", DEMO_PARK, "粤B1"], 2, "--allow"),
            (&["park", "add-plate", DEMO_PARK, "粤B1", "--allow", "--deny"], 2, "--deny"),
            (&["park", "remove-plate", DEMO_PARK, "?"], 2, "不是可识别的车牌"),
            (&["park", "add-plate", "none", "粤B1", "--allow"], 1, "没有停车场"),
            (&["park", "remove-plate", "none", "粤B1"], 1, "没有停车场"),
            (&["park", "list-plates", "none"], 1, "没有停车场"),
        ] {
            let (found, said) = refused(gate, args);
            assert!(found == code && said.contains(expected), "{args:?}: {found} {said}");
        }
    });
}

#[test]
fn a_file_is_imported_whole_or_not_at_all() {
    on_both(|gate| {
        let good = "车牌,名单,备注\r\n粤B11111,白名单,业主\r\n粤B22222,黑名单,欠费\r\n";
        let path = file(gate, &GBK.encode(good).0);
        let path = path.to_str().unwrap();
        let import = |more: &[&str]| gate.ok(&[&["park", "import-plates", DEMO_PARK, path][..], more].concat());
        let said = import(&["--dry-run"]);
        assert!(said.contains("试运行") && said.contains("新增 2") && plates(gate) == json!([]), "{said}");
        assert!(import(&[]).contains("新增 2, 修改 0, 移出 0"));
        let both = json!([
            {"plate": "粤B11111", "list": "allow", "note": "业主"},
            {"plate": "粤B22222", "list": "deny", "note": "欠费"},
        ]);
        assert_eq!(plates(gate), both);
        eventually(|| is(answer(gate, "粤B11111"), "1", "欢迎光临"));
        assert!(import(&[]).contains("新增 0, 修改 0"));

        file(gate, "plate,list\n粤B33333,deny\n粤B·22222,allow\n".as_bytes());
        assert!(import(&["--replace", "--dry-run"]).contains("新增 1, 修改 1, 移出 1"));
        assert_eq!(plates(gate), both);

        file(gate, "plate,list\n粤B44444,deny\n无牌车,deny\n粤B5,maybe\n".as_bytes());
        for more in [&[][..], &["--replace"], &["--dry-run"]] {
            let (code, said) = refused(gate, &[&["park", "import-plates", DEMO_PARK, path][..], more].concat());
            let named = ["第 3 行", "无牌车", "第 4 行", "maybe", "未导入"];
            assert!(code == 1 && named.iter().all(|named| said.contains(named)), "{said}");
        }
        assert_eq!(plates(gate), both);

        file(gate, "plate,list\n粤B33333,deny\n粤B·22222,allow\n".as_bytes());
        assert!(import(&["--replace"]).contains("移出 1"));
        assert_eq!(plates(gate).as_array().unwrap().len(), 2);
        eventually(|| is(answer(gate, "粤B22222"), "1", "欢迎光临") && is(answer(gate, "粤B11111"), "0", "请等待确认"));
        let (code, said) = refused(gate, &["park", "import-plates", DEMO_PARK, "/nowhere/x.csv"]);
        assert!(code == 1 && said.contains("/nowhere/x.csv"), "{said}");
        let (code, said) = refused(gate, &["park", "import-plates", "none", path, "--dry-run"]);
        assert!(code == 1 && said.contains("没有停车场"), "{said}");
    });
}

/// Two nodes on one database: a change by either is seen by both.
#[test]
fn every_node_sees_a_change_to_the_lists() {
    let (server, folder) = (Postgres::shared(), tempfile::tempdir().unwrap());
    let url = server.database();
    let data = folder.path().join("one");
    let start = |data: &std::path::Path| {
        let mut gate = TestGate::stopped(PARKGATE, data, &["--store", &url, "--demo"]);
        gate.set_variables(&[("PARKGATE_STORE".to_owned(), url.clone())]);
        gate.start();
        gate
    };
    let one = start(&data);
    std::fs::create_dir_all(folder.path().join("two")).unwrap();
    std::fs::copy(data.join("master.key"), folder.path().join("two/master.key")).unwrap();
    let two = start(&folder.path().join("two"));
    one.ok(&["park", "add-plate", DEMO_PARK, "粤B11111", "--deny"]);
    for gate in [&one, &two] {
        eventually(|| is(answer(gate, "粤B11111"), "-1", "禁止入场"));
    }
}

/// The command line asks as a car park does.
#[test]
fn the_command_line_asks_who_may_enter() {
    let gate = demo();
    gate.ok(&["park", "add-plate", DEMO_PARK, "粤B11111", "--deny"]);
    let mut args = vec!["push", "before", "--url", &gate.url, "--secret", "123"];
    let params: Vec<String> =
        question("粤B·11111", &[]).iter().map(|(name, value)| format!("{name}={value}")).collect();
    args.extend(params.iter().map(String::as_str));
    eventually(|| {
        let output = parkgate_testbed::parkgate(std::path::Path::new(PARKGATE), &args);
        String::from_utf8(output.stdout).unwrap().contains("禁止入场")
    });
}
