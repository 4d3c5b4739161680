//! `park import`, `park export`, `app import` and `app export`, beside a running gate.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use encoding_rs::GBK;
use parkgate_testbed::{TestGate, body, leave, signed};
use serde_json::{Value, json};

use crate::demo;
use crate::release_and_update::on_both;

const FORM: &str = "application/x-www-form-urlencoded";

fn file(gate: &TestGate, name: &str, bytes: &[u8]) -> PathBuf {
    let path = gate.data().with_file_name(name);
    std::fs::write(&path, bytes).unwrap();
    path
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// What it says on stderr, and its exit code.
fn refused(gate: &TestGate, args: &[&str]) -> (i32, String) {
    let output = gate.run(args);
    assert!(!output.status.success(), "{args:?}");
    (output.status.code().unwrap(), String::from_utf8(output.stderr).unwrap())
}

fn park(gate: &TestGate, uuid: &str) -> Value {
    gate.json(&["park", "show", uuid])
}

fn count(gate: &TestGate) -> usize {
    gate.json(&["park", "list"]).as_array().unwrap().len()
}

#[test]
fn five_thousand_parks_come_from_a_gbk_file_and_each_of_seven_bad_lines_is_named() {
    on_both(|gate| {
        let before = count(gate);
        let mut list = "停车场编号,名称,总车位,商户号,密钥,来源地址,纬度\r\n".to_owned();
        for number in 0..5000 {
            list.push_str(&match number {
                100 => "P101,重复,1,,s,,\r\n".to_owned(),
                700 => "P-700,来源错误,1,,s,10.0.0.0/99,\r\n".to_owned(),
                1500 => "P-1500,车位错误,很多,,s,,\r\n".to_owned(),
                2300 => format!("P-2300,{},1,,s,,\r\n", "长".repeat(65)),
                3100 => "停车,编号错误,1,,s,,\r\n".to_owned(),
                4200 => "P-4200,商户号已用,1,M7,s,,\r\n".to_owned(),
                4900 => "P-4900,纬度错误,1,,s,,91\r\n".to_owned(),
                7 => "P7,停车场7,107,M7,s7,,\r\n".to_owned(),
                number => {
                    format!("P{number},停车场{number},{},,s{number},10.1.0.0/16 192.168.1.7,22.5\r\n", 100 + number)
                }
            });
        }
        // The line of P100 has the uuid of the line after it, which is then the second.
        let path = file(gate, "parks.csv", &GBK.encode(&list).0);
        let (code, said) = refused(gate, &["park", "import", text(&path)]);
        assert_eq!((code, count(gate)), (1, before), "{said}");
        let expected =
            [(103, "P101"), (702, "/99"), (1502, "很多"), (2302, "65"), (3102, "停"), (4202, "M7"), (4902, "91")];
        for (line, reason) in expected {
            let named = said.lines().find(|one| one.trim_start().starts_with(&format!("第 {line} 行: ")));
            assert!(named.is_some_and(|named| named.contains(reason)), "{line} {reason}: {said}");
        }
        assert_eq!(said.matches("第 ").count() - said.matches("与第 ").count(), 7, "{said}");
        let dry = gate.ok(&["park", "import", text(&path), "--skip-bad", "--dry-run"]);
        assert!(dry.contains("4993") && count(gate) == before, "{dry}");

        let report = gate.json(&["park", "import", text(&path), "--skip-bad"]);
        assert_eq!(report["added"].as_array().unwrap().len(), 4993);
        let lines: Vec<&Value> = report["bad_lines"].as_array().unwrap().iter().map(|bad| &bad["line"]).collect();
        assert_eq!(json!(lines), json!(expected.map(|(line, _)| line)));
        assert_eq!(count(gate), before + 4993);
        let one = park(gate, "P4999");
        assert_eq!((&one["name"], &one["total_parking_space"]), (&json!("停车场4999"), &json!(5099)));
        assert_eq!(one["allow"], json!(["10.1.0.0/16", "192.168.1.7/32"]));
        // A second time nothing is left to do.
        let again = gate.json(&["park", "import", text(&path), "--skip-bad"]);
        assert_eq!((&again["added"], &again["changed"], &again["unchanged"]), (&json!([]), &json!([]), &json!(4993)));
    });
}

#[test]
fn secrets_are_made_where_missing_written_once_and_the_gate_takes_them() {
    let gate = demo();
    let path = file(&gate, "new.csv", "uuid,name,secret\nN1,一,\nN2,二,given\n".as_bytes());
    let before = count(&gate);
    let (code, said) = refused(&gate, &["park", "import", text(&path)]);
    assert!(code == 2 && said.contains("--secrets-out") && count(&gate) == before, "{said}");
    let out = gate.data().with_file_name("secrets.csv");
    std::fs::write(&out, "mine").unwrap();
    let (code, said) = refused(&gate, &["park", "import", text(&path), "--secrets-out", text(&out)]);
    assert!(code == 1 && said.contains("secrets.csv") && count(&gate) == before, "{said}");
    assert_eq!(std::fs::read_to_string(&out).unwrap(), "mine");
    std::fs::remove_file(&out).unwrap();
    let said = gate.ok(&["park", "import", text(&path), "--secrets-out", text(&out)]);
    assert!(said.contains("secrets.csv"), "{said}");
    assert_eq!(std::fs::metadata(&out).unwrap().permissions().mode() & 0o777, 0o600);
    let made = std::fs::read_to_string(&out).unwrap();
    let lines: Vec<&str> = made.trim_start_matches('\u{feff}').lines().collect();
    assert_eq!((lines.len(), lines[0]), (2, "uuid,name,secret"));
    let secret = lines[1].trim().rsplit(',').next().unwrap().trim();
    assert!(lines[1].starts_with("N1,一,") && secret.len() == 32 && !said.contains(secret), "{made}");
    for (uuid, secret) in [("N1", secret), ("N2", "given")] {
        let push = signed(leave(&format!("S-{uuid}"), &[("park_uuid", uuid)]), secret);
        crate::replies::eventually(|| gate.post("leave", FORM, body(&push).into_bytes()).1["message"] == "OK");
    }
    // Nothing is made the second time, so nothing is to be written.
    gate.ok(&["park", "import", text(&path)]);

    let other = file(&gate, "other.csv", "uuid,name,secret\nN2,二,another\n".as_bytes());
    let (_, said) = refused(&gate, &["park", "import", text(&other)]);
    assert!(said.contains("--change-secrets") && !said.contains("another"), "{said}");
    let said = gate.ok(&["park", "import", text(&other), "--change-secrets", "--keep-old", "1h"]);
    assert!(said.contains("secret") && !said.contains("another"), "{said}");
    assert!(park(&gate, "N2")["old_secret_until"].as_i64().unwrap() > 0);
    for secret in ["another", "given"] {
        let push = signed(leave(&format!("S2-{secret}"), &[("park_uuid", "N2")]), secret);
        crate::replies::eventually(|| gate.post("leave", FORM, body(&push).into_bytes()).1["message"] == "OK");
    }
}

#[test]
fn a_park_is_changed_by_what_the_file_says_and_an_export_changes_nothing() {
    on_both(|gate| {
        let list = "uuid,name,total,merchant,secret,allow,address,latitude,strict,require_sign,http_200,enabled\n\
            A,东门,100,MA,s,10.0.0.0/8,\"深圳市, 南山区\",22.5,yes,no,always,no\nB,=西门,,MB,s,,,,,,,\n";
        gate.ok(&["park", "import", text(&file(gate, "list.csv", list.as_bytes()))]);
        let shown = park(gate, "A");
        assert_eq!(
            json!([shown["strict"], shown["require_sign"], shown["http_200"], shown["enabled"], shown["merchant"]]),
            json!([true, false, "always", false, "MA"])
        );
        // The numbers change hands; an empty cell says nothing, `-` takes away.
        let change = "uuid,name,total,merchant,address,enabled\nA,,-,MB,-,yes\nB,西门二,,MA,,\n";
        let said = gate.ok(&["park", "import", text(&file(gate, "change.csv", change.as_bytes()))]);
        assert!(said.contains("MA → MB") && said.contains("=西门 → 西门二") && said.contains("100 → -"), "{said}");
        let (a, b) = (park(gate, "A"), park(gate, "B"));
        assert_eq!(json!([a["merchant"], b["merchant"], b["name"]]), json!(["MB", "MA", "西门二"]));
        assert_eq!(json!([a["name"], a["total_parking_space"], a["enabled"]]), json!(["东门", null, true]));

        let before = gate.json(&["park", "list"]);
        for (lang, format) in [("zh", "csv"), ("en", "csv"), ("zh", "xlsx"), ("en", "xlsx")] {
            let out = gate.data().with_file_name(format!("out-{lang}.{format}"));
            gate.ok(&["--lang", lang, "park", "export", "--out", text(&out), "--format", format]);
            let bytes = std::fs::read(&out).unwrap();
            assert!(!bytes.windows(6).any(|part| part == b"secret"));
            let report = gate.json(&["park", "import", text(&out)]);
            assert_eq!(
                json!([report["added"], report["changed"], report["bad_lines"]]),
                json!([[], [], []]),
                "{report}"
            );
            assert_eq!(report["unchanged"], json!(before.as_array().unwrap().len()));
            assert_eq!(report["columns_passed_over"], json!([]));
        }
        assert_eq!(gate.json(&["park", "list"]), before);
        let printed = gate.ok(&["park", "export"]);
        assert!(printed.starts_with("\u{feff}停车场编号,名称") && printed.contains("22.5"), "{printed}");
    });
}

#[test]
fn rules_of_park_add_and_set_hold_in_a_file_too() {
    let gate = demo();
    for (line, reason) in [
        ("X1,无来源,no,", "来源地址"),
        (",没有编号,,", "uuid"),
        ("X2,,,", "name"),
        ("X3,是否,也许,", "也许"),
        ("X4,启用,,算了", "算了"),
    ] {
        let list = format!("uuid,name,require_sign,enabled\n{line}\n");
        let (code, said) = refused(&gate, &["park", "import", text(&file(&gate, "x.csv", list.as_bytes()))]);
        assert!(code == 1 && said.contains("第 2 行: ") && said.contains(reason), "{said}");
    }
    let (_, said) = refused(&gate, &["park", "set", parkgate_testbed::DEMO_PARK, "--location", "latitude=north"]);
    assert!(said.contains("north"), "{said}");
    // A formula that was never calculated, as programs write it.
    let unknown = gate.data().with_file_name("formula.xlsx");
    let write = "import openpyxl, sys; book = openpyxl.Workbook(); book.active.append(['uuid', 'name']); \
        book.active.append(['P1', '=A1']); book.save(sys.argv[1])";
    assert!(std::process::Command::new("python3").args(["-c", write, text(&unknown)]).status().unwrap().success());
    let (_, said) = refused(&gate, &["park", "import", text(&unknown)]);
    assert!(said.contains("第 2 行") && said.contains("没有结果"), "{said}");
    let only_head = file(&gate, "y.csv", b"uuid,name\n");
    assert!(refused(&gate, &["park", "import", text(&only_head)]).1.contains("没有内容"));
}

#[test]
fn apps_are_imported_and_exported_alike() {
    on_both(|gate| {
        gate.ok(&["park", "add", "--uuid", "P2", "--name", "二", "--secret", "2"]);
        let demo = parkgate_testbed::DEMO_PARK;
        let list =
            format!("应用编号,密钥,接口类型,停车场,启用\nop1,s1,api,{demo} P2,是\nop2,s2,,P2,否\nop3,s3,,P9,是\n");
        let path = file(gate, "apps.csv", list.as_bytes());
        let (_, said) = refused(gate, &["app", "import", text(&path)]);
        assert!(said.contains("第 4 行") && said.contains("P9"), "{said}");
        assert_eq!(gate.json(&["app", "list"]), json!([]));
        gate.ok(&["app", "import", text(&path), "--skip-bad"]);
        let listed = gate.json(&["app", "list"]);
        let expected = json!([
            { "app_id": "op1", "api_type": "api", "enabled": true, "parks": [demo, "P2"] },
            { "app_id": "op2", "api_type": null, "enabled": false, "parks": ["P2"] },
        ]);
        assert_eq!(listed, expected);
        let out = gate.data().with_file_name("apps.xlsx");
        gate.ok(&["app", "export", "--out", text(&out), "--format", "xlsx"]);
        let report = gate.json(&["app", "import", text(&out)]);
        assert_eq!(json!([report["added"], report["changed"], report["unchanged"]]), json!([[], [], 2]));
        let change = file(gate, "change.csv", "app_id,parks,enabled,api_type\nop1,P2,,-\nop2,,yes,\n".as_bytes());
        gate.ok(&["app", "import", text(&change)]);
        let listed = gate.json(&["app", "list"]);
        assert_eq!(
            json!([listed[0]["parks"], listed[0]["api_type"], listed[1]["enabled"]]),
            json!([["P2"], null, true])
        );
    });
}
