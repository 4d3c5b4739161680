//! `export`: files read back by Python as their readers would, on both stores.

use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use parkgate_testbed::{DEMO_PARK, TestGate, body, enter, leave, parkgate_with, release, signed, update};
use serde_json::{Value, json};

use crate::release_and_update::on_both;
use crate::{PARKGATE, demo};

/// Twenty digits: a spreadsheet keeps fifteen of a number.
const ORDER: &str = "20210628000000000001";
const SERIAL: &str = "00021060280000000071";

fn beside(gate: &TestGate, name: &str) -> PathBuf {
    gate.data().with_file_name(name)
}

/// What a Python program prints, as JSON; `argv[1]` is the file.
fn python(program: &str, file: &Path) -> Value {
    let output = Command::new("python3").args(["-c", program]).arg(file).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

/// Exports to a file; what is said on stderr.
fn export(gate: &TestGate, args: &[&str], out: &Path) -> String {
    let output = gate.run(&[&["export"], args, &["--out", out.to_str().unwrap()]].concat());
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success() && output.stdout.is_empty(), "{said}");
    assert!(!out.with_file_name(format!("{}.part", out.file_name().unwrap().to_string_lossy())).exists());
    said
}

/// A visit with everything: a name that is a formula, an order and a serial of twenty digits, a correction, a release.
fn record_visits(gate: &TestGate) {
    let paid = format!(
        r#"[{{"parking_order":"{ORDER}","pay_type":2,"value":1550,"free_value":0,"pay_time":1624937505093}},{{"parking_order":"=2+5","pay_type":1,"value":5}}]"#
    );
    gate.taken(
        "enter",
        enter(SERIAL, &[("plate", "粤B12345"), ("car_desc", "=HYPERLINK(\"x\")"), ("enter_gate", "东门")]),
    );
    let values = [
        ("payment_list", paid.as_str()),
        ("total_value", "1555"),
        ("plate", "粤B12345"),
        ("car_desc", "=HYPERLINK(\"x\")"),
        ("leave_gate", "@出口"),
    ];
    gate.taken("leave", leave(SERIAL, &values));
    gate.push("leave", leave(SERIAL, &[("plate", "粤B99999"), ("payment_list", "")]));
    gate.taken("enter", enter("inside", &[("plate", "京A·F0236挂")]));
    gate.taken("release", release(SERIAL, &[]));
    gate.taken("update", update("F1", "inside", &[("car_desc", "月租车")]));
}

const CSV: &str = "import csv, json, sys\nprint(json.dumps(list(csv.DictReader(open(sys.argv[1], encoding='utf-8-sig', newline='')))))";
const XLSX: &str = "
import json, openpyxl, sys
out = {}
for sheet in openpyxl.load_workbook(sys.argv[1]).worksheets:
    rows = list(sheet.iter_rows())
    out[sheet.title] = [{h.value: [type(c.value).__name__, str(c.value), c.data_type] for h, c in zip(rows[0], row)} for row in rows[1:]]
print(json.dumps(out))";

#[test]
fn csv_keeps_long_digits_and_disarms_formulas() {
    on_both(|gate| {
        record_visits(gate);
        let out = beside(gate, "visits.csv");
        let said = export(gate, &["visits", "--headers", "en"], &out);
        assert!(said.contains("2 行") && said.contains("--after"), "{said}");
        let bytes = std::fs::read(&out).unwrap();
        assert!(bytes.starts_with(b"\xef\xbb\xbfpark_uuid,park_name,") && bytes.ends_with(b"\r\n"));
        let rows = python(CSV, &out);
        let (visit, inside) = (&rows[0], &rows[1]);
        // A tab keeps a spreadsheet from taking digits for a number.
        assert_eq!(visit["parking_serial"], format!("{SERIAL}\t"));
        assert_eq!(visit["car_desc"], "'=HYPERLINK(\"x\")");
        assert_eq!(visit["leave_gate"], "'@出口");
        assert_eq!(
            json!([visit["plate"], visit["state"], visit["total_value_yuan"], visit["paid_yuan"]]),
            json!(["粤B***45", "left", "15.55", "15.55"])
        );
        assert_eq!(json!([visit["payments"], visit["releases"], visit["updates"]]), json!(["2", "1", "0"]));
        assert_eq!(visit["leave_time"], "2021-06-29T11:31:45.093+08:00");
        assert_eq!(
            json!([inside["state"], inside["leave_time"], inside["total_value_yuan"], inside["car_desc"]]),
            json!(["inside", "", "", "月租车"])
        );

        export(gate, &["payments", "--zone", "UTC"], &out);
        let rows = python(CSV, &out);
        assert_eq!(rows.as_array().unwrap().len(), 2);
        assert_eq!(
            json!([rows[0]["订单号"], rows[0]["支付金额(元)"], rows[0]["支付时间"]]),
            json!([format!("{ORDER}\t"), "15.50", "2021-06-29T03:31:45.093+00:00"])
        );
        assert_eq!(json!([rows[1]["订单号"], rows[1]["支付金额(元)"]]), json!(["'=2+5", "0.05"]));
    });
}

#[test]
fn xlsx_has_texts_dates_and_amounts_and_no_formula() {
    on_both(|gate| {
        record_visits(gate);
        let out = beside(gate, "all.xlsx");
        export(gate, &["visits"], &out);
        let visits = python(XLSX, &out);
        let visit = &visits["visits"][0];
        assert_eq!(visit["停车流水"], json!(["str", SERIAL, "s"]));
        assert_eq!(visit["离场时间"], json!(["datetime", "2021-06-29 11:31:45.093000", "d"]));
        assert_eq!(visit["应收(元)"], json!(["float", "15.55", "n"]));
        assert_eq!(visit["车辆说明"], json!(["str", "=HYPERLINK(\"x\")", "s"]), "a text, no formula");
        assert_eq!(visit["出口"], json!(["str", "@出口", "s"]));
        export(gate, &["payments", "--headers", "en"], &out);
        let payments = python(XLSX, &out);
        assert_eq!(payments["payments"][0]["parking_order"], json!(["str", ORDER, "s"]));
        assert_eq!(payments["payments"][0]["value_yuan"], json!(["float", "15.5", "n"]));
    });
}

fn lines(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn json_lines_are_for_programs_and_what_is_personal_is_masked_until_it_is_asked_for() {
    on_both(|gate| {
        record_visits(gate);
        gate.taken(
            "leave",
            leave("P1", &[("plate", "粤B54321"), ("idcard_no", "440301199003071234"), ("payment_list", "")]),
        );
        let jsonl = |args: &[&str]| lines(&gate.ok(&[&["export"], args, &["--format", "jsonl"]].concat()));
        let visits = jsonl(&["visits"]);
        assert_eq!(visits.len(), 3);
        let visit = &visits[0];
        assert_eq!(
            json!([visit["parking_serial"], visit["total_value"], visit["leave_time"], visit["car_desc"]]),
            json!([SERIAL, 1555, 1_624_937_505_093_i64, "=HYPERLINK(\"x\")"])
        );
        let records = jsonl(&["records"]);
        let kinds: Vec<&Value> = records.iter().map(|record| &record["kind"]).collect();
        assert_eq!(json!(kinds), json!(["enter", "leave", "enter", "release", "update", "leave"]));
        assert_eq!(records[1]["params"]["plate"], "粤B***45");
        assert!(records[5]["params"].get("idcard_no").is_none());
        let text = gate.ok(&["export", "records", "--format", "jsonl"]);
        assert!(!text.contains("12345\"") && !text.contains("440301199003071234"));
        let open = jsonl(&["records", "--unmask"]);
        assert_eq!(
            json!([open[1]["plate"], open[5]["params"]["idcard_no"]]),
            json!(["粤B12345", "440301199003071234"])
        );
        let audited = gate.json(&["audit", "list"]);
        assert!(audited.to_string().contains("export records"), "{audited}");

        let conflicts = jsonl(&["conflicts"]);
        assert_eq!(json!([conflicts.len(), conflicts[0]["plate"]]), json!([1, "粤B***99"]));
        assert!(conflicts[0]["differing"].as_str().unwrap().contains("plate"), "{conflicts:?}");
        assert_eq!(conflicts[0]["recorded_seqno"], records[1]["seqno"]);
        gate.ok(&[
            "subscriber",
            "add",
            "--name",
            "city",
            "--url",
            "https://city.example/",
            "--format",
            "webhook",
            "--all",
        ]);
        gate.ok(&["subscriber", "pause", "city"]);
        gate.ok(&["delivery", "replay", "--subscriber", "city", "--since", "7d"]);
        let deliveries = jsonl(&["deliveries", "--park", DEMO_PARK]);
        assert!(deliveries.len() >= 3 && deliveries.iter().all(|one| one["subscriber"] == "city"), "{deliveries:?}");
        assert!(jsonl(&["visits", "--since", "1h"]).is_empty() && jsonl(&["records", "--since", "1h"]).len() == 6);
        assert_eq!(jsonl(&["visits", "--until", "1624937505093", "--since", "1624000000000"]).len(), 1);
    });
}

#[test]
fn one_park_is_exported_and_what_is_not_there_is_named() {
    on_both(|gate| {
        gate.ok(&["park", "add", "--uuid", "P2", "--name", "二", "--secret", "2"]);
        gate.taken("leave", leave("one", &[]));
        let other = body(&signed(leave("two", &[("park_uuid", "P2")]), "2")).into_bytes();
        crate::replies::eventually(|| {
            gate.post("leave", "application/x-www-form-urlencoded", other.clone()).1["message"] == "OK"
        });
        for (park, serial) in [(DEMO_PARK, "one"), ("P2", "two")] {
            let rows = lines(&gate.ok(&["export", "visits", "--park", park, "--format", "jsonl"]));
            assert_eq!(json!([rows.len(), rows[0]["parking_serial"]]), json!([1, serial]));
        }
        for (args, code, word) in [
            (vec!["export", "visits", "--park", "P9"], 1, "P9"),
            (vec!["export", "visits", "--after", "x"], 2, "x"),
            (vec!["export", "visits", "--until", "later"], 2, "later"),
            (vec!["export", "visits", "--format", "xlsx"], 2, "--out"),
            (vec!["export", "visits", "--zone", "Mars"], 2, "Mars"),
        ] {
            let output = gate.run(&args);
            let said = String::from_utf8(output.stderr).unwrap();
            assert!(output.status.code() == Some(code) && said.contains(word), "{args:?}: {said}");
        }
    });
}

/// The cursor that was printed.
fn cursor(said: &str) -> String {
    said.split("--after ").nth(1).unwrap().split_whitespace().next().unwrap().to_owned()
}

#[test]
fn a_later_export_goes_on_where_the_last_one_ended() {
    let gate = demo();
    gate.taken("enter", enter("1", &[]));
    gate.taken("enter", enter("2", &[]));
    let run = |args: &[&str]| {
        let output = gate.run(&[&["export", "visits", "--format", "jsonl"], args].concat());
        assert!(output.status.success());
        (lines(&String::from_utf8(output.stdout).unwrap()), String::from_utf8(output.stderr).unwrap())
    };
    let (first, said) = run(&[]);
    assert_eq!(first.len(), 2);
    // What comes later is not seen with the bound of an earlier run, and is by the next.
    gate.taken("leave", leave("1", &[]));
    let (same, _) = run(&["--after", "0/2"]);
    assert_eq!(same, first);
    let (rest, _) = run(&["--after", "1/2"]);
    assert_eq!(rest, first[1..]);
    let (later, said) = run(&["--after", &cursor(&said)]);
    assert_eq!(json!([later.len(), later[0]["state"]]), json!([1, "left"]));
    assert!(run(&["--after", &cursor(&said)]).0.is_empty());
}

/// More rows than a pipe holds.
fn many(gate: &TestGate, pushes: usize) {
    let spool: Vec<String> = (0..pushes).map(|number| format!("M{number}")).collect();
    for serial in &spool {
        gate.taken("leave", leave(serial, &[("car_desc", &"长".repeat(300))]));
    }
}

#[test]
fn a_reader_that_has_enough_ends_an_export_and_an_interrupted_one_names_its_cursor() {
    let gate = demo();
    many(&gate, 300);
    let start = |args: &[&str]| {
        let mut command = Command::new(PARKGATE);
        command.args(["export", "records", "--format", "jsonl", "--data", gate.data().to_str().unwrap()]).args(args);
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    };
    let mut child = start(&[]);
    let mut first = String::new();
    BufReader::with_capacity(64, child.stdout.take().unwrap()).read_line(&mut first).unwrap();
    let mut said = String::new();
    child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
    assert_eq!((child.wait().unwrap().code(), said.as_str()), (Some(0), ""), "as with `| head`");
    assert_eq!(serde_json::from_str::<Value>(&first).unwrap()["kind"], "leave");

    let mut child = start(&[]);
    // It waits for its reader: the pipe holds less.
    let mut out = BufReader::with_capacity(64, child.stdout.take().unwrap());
    let mut written = String::new();
    out.read_line(&mut written).unwrap();
    let interrupted = Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    assert!(interrupted.success());
    out.read_to_string(&mut written).unwrap();
    let mut said = String::new();
    child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(1), "{said}");
    let (cursor, whole) = (cursor(&said), gate.ok(&["export", "records", "--format", "jsonl"]));
    assert!(cursor.contains('/') && said.contains("中断"), "{said}");
    let rest = gate.ok(&["export", "records", "--format", "jsonl", "--after", &cursor]);
    assert_eq!(written + &rest, whole, "resumed at {cursor}");
}

#[test]
fn a_file_is_put_in_place_whole_and_one_that_is_being_written_is_left_alone() {
    let gate = demo();
    gate.taken("leave", leave("1", &[]));
    let out = beside(&gate, "out.jsonl");
    std::fs::write(&out, "before").unwrap();
    export(&gate, &["visits"], &out);
    assert_eq!(lines(&std::fs::read_to_string(&out).unwrap()).len(), 1, "the format is that of the name");
    let part = beside(&gate, "out.jsonl.part");
    std::fs::write(&part, "of a run that was interrupted").unwrap();
    let args = ["export", "visits", "--after", "0", "--out", out.to_str().unwrap()];
    let output = gate.run(&args);
    assert!(output.status.code() == Some(1) && part.exists(), "{}", String::from_utf8_lossy(&output.stderr));
    export(&gate, &["visits"], &out);
    let locked = std::fs::File::create(&part).unwrap();
    locked.lock().unwrap();
    let output = gate.run(&["export", "visits", "--out", out.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(1), "{}", String::from_utf8_lossy(&output.stderr));
    drop(locked);
    let below_a_file = out.join("all.csv");
    let away = gate.run(&["export", "visits", "--out", below_a_file.to_str().unwrap()]);
    assert_eq!(away.status.code(), Some(1));
}

#[test]
fn headers_are_in_one_language() {
    let gate = demo();
    gate.taken("leave", leave("1", &[]));
    for (lang, headers, first) in
        [("zh", None, "停车场编号"), ("en", None, "park_uuid"), ("en", Some("zh"), "停车场编号")]
    {
        let mut args = vec!["--lang", lang, "export", "visits"];
        args.extend(headers.into_iter().flat_map(|headers| ["--headers", headers]));
        assert!(gate.ok(&args).trim_start_matches('\u{feff}').starts_with(first), "{args:?}");
    }
    let data = gate.data().to_str().unwrap();
    let said = parkgate_with(Path::new(PARKGATE), &["--lang", "en", "export", "visits", "--data", data], &[]).stderr;
    assert!(String::from_utf8(said).unwrap().is_ascii());
}

#[cfg(not(feature = "parquet"))]
#[test]
fn a_program_without_parquet_says_so() {
    let gate = demo();
    let out = beside(&gate, "x.parquet");
    let output = gate.run(&["export", "visits", "--out", out.to_str().unwrap()]);
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.code() == Some(2) && said.contains("--features parquet"), "{said}");
    assert!(!out.exists() && !beside(&gate, "x.parquet.part").exists());
}

#[cfg(feature = "parquet")]
#[test]
fn parquet_has_typed_columns() {
    const READ: &str = "
import json, pyarrow.parquet as pq, sys
table = pq.read_table(sys.argv[1])
print(json.dumps({'types': {f.name: str(f.type) for f in table.schema}, 'rows': table.to_pylist()}, default=str))";
    on_both(|gate| {
        record_visits(gate);
        let out = beside(gate, "x.parquet");
        export(gate, &["visits"], &out);
        let read = python(READ, &out);
        let types = &read["types"];
        assert_eq!(
            json!([types["parking_serial"], types["leave_time"], types["total_value"], types["payments"]]),
            json!(["string", "timestamp[ms, tz=UTC]", "int64", "int64"])
        );
        let visit = &read["rows"][0];
        assert_eq!(
            json!([visit["parking_serial"], visit["total_value"], visit["leave_time"]]),
            json!([SERIAL, 1555, "2021-06-29 03:31:45.093000+00:00"])
        );
        assert_eq!(read["rows"][1]["leave_time"], Value::Null);
        export(gate, &["payments"], &out);
        assert_eq!(python(READ, &out)["rows"][0]["parking_order"], ORDER);
    });
}
