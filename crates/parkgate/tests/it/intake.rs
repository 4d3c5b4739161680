//! Requests as clients send them: charsets, transfer encodings, empty parts, byte order marks, broken multipart. Gate and
//! agent read them alike.

mod charsets;

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use parkgate_testbed::{
    Agent, DEMO_PARK, MultipartBody, NamedValues, TestGate, body, enter, leave, md5_hex, percent, signed,
};
use serde_json::{Value, json};

use crate::replies::eventually;
use crate::{PARKGATE, agent, demo};

const FORM: &str = "application/x-www-form-urlencoded";
const GIF: &[u8] = b"GIF89a\x01\x00\x01\x00\x80\x00\x00\x05\x04\x04\x00\x00\x00\x2c\x00\x00\x00\x00\x01\x00\x01\x00\x00\x02\x02\x44\x01\x00\x3b";
const OF_NOTHING: &str = "D41D8CD98F00B204E9800998ECF8427E";

fn gbk(text: &str) -> Vec<u8> {
    encoding_rs::GBK.encode(text).0.into_owned()
}

fn disposition(name: &str) -> String {
    format!("Content-Disposition: form-data; name=\"{name}\"")
}

/// All pairs as parts, one of them as given.
fn with_part(pairs: &[(String, String)], name: &str, headers: &str, content: &[u8]) -> Vec<u8> {
    let others: NamedValues = pairs.iter().filter(|(other, _)| other != name).cloned().collect();
    MultipartBody::of(&others).part(headers, content).end()
}

fn taken(gate: &TestGate, content_type: &str, body: Vec<u8>) -> Value {
    let (status, reply) = gate.post("leave", content_type, body);
    assert_eq!((status, &reply["message"], &reply["hint"]), (200, &json!("OK"), &Value::Null), "{reply}");
    reply
}

fn refused(gate: &TestGate, content_type: &str, body: Vec<u8>, words: &[&str]) {
    let (status, reply) = gate.post("leave", content_type, body);
    let hint = reply["hint"].as_str().unwrap_or_default();
    assert!(status == 400 && words.iter().all(|word| hint.contains(word)), "{status} {reply} {words:?}");
}

fn give(agent: &Agent, call: &str, content_type: &str, body: Vec<u8>) -> (u16, String) {
    let http = reqwest::blocking::Client::new();
    let sent =
        http.post(format!("{}/{call}", agent.url)).header("content-type", content_type).body(body).send().unwrap();
    (sent.status().as_u16(), sent.text().unwrap())
}

#[test]
fn the_agent_takes_as_much_as_the_gate_and_names_the_limit() {
    let agent = Agent::started(PARKGATE, "http://127.0.0.1:1", "");
    let record = |bytes: usize| {
        let mut record = agent::leave("S1").to_string();
        record.insert_str(1, &" ".repeat(bytes - record.len()));
        record.into_bytes()
    };
    assert_eq!(give(&agent, "leave", "application/json", record(512 * 1024)).0, 202);
    let (status, reported) = give(&agent, "leave", "application/json", record(512 * 1024 + 1));
    assert!(status == 400 && reported.contains("超过上限524288字节"), "{reported}");
    let files = |count: usize| {
        let names =
            ["enter_image_file", "enter_plate_image_file", "leave_image_file", "leave_plate_image_file", "x_file"];
        let form = MultipartBody::of(&leave(&format!("F{count}"), &[]));
        names.iter().take(count).fold(form, |form, name| form.file(name, GIF)).end()
    };
    assert_eq!(give(&agent, "leave", &MultipartBody::content_type(), files(4)).0, 202);
    let (status, reported) = give(&agent, "leave", &MultipartBody::content_type(), files(5));
    assert!(status == 400 && reported.contains("超过上限4个"), "{reported}");
}

#[test]
fn long_numbers_stay_what_they_are() {
    let gate = demo();
    let orders = r#"[{"parking_order":20240601123456789011,"pay_type":1,"value":500},{"parking_order":20240601123456789012,"pay_type":1,"value":200}]"#;
    gate.taken("leave", leave("S1", &[("payment_list", orders)]));
    let payments = gate.visit("S1")["payments"].to_string();
    for number in ["20240601123456789011", "20240601123456789012"] {
        assert!(payments.contains(number), "{payments}");
    }
    for (found, amount) in [
        ("5e2", "5e2"),
        ("500.0", "500.0"),
        ("1E3", "1E3"),
        ("-0", "-0"),
        ("12345678901234567890", "12345678901234567890"),
    ] {
        let list = format!(r#"[{{"parking_order":"O","pay_type":1,"value":{amount}}}]"#);
        let (status, reply) = gate.push("leave", leave("S2", &[("payment_list", &list)]));
        let hint = reply["hint"].as_str().unwrap();
        assert!(
            status == 400 && hint.contains("payment_list[0].value") && hint.ends_with(&format!("收到`{found}`")),
            "{reply}"
        );
    }
    // A number for a serial, and orders in a list that the agent writes anew since one has none.
    let agent = Agent::started(PARKGATE, &gate.url, "");
    let record = r#"{"parking_serial":20240601123456789011,"plate":"粤B12345","plate_color":1,"enter_time":1624874732253,"leave_time":1624937505093,
        "car_type":1,"car_desc":"x","payment_list":[{"parking_order":20240601123456789013,"pay_type":1,"value":5},{"pay_type":1,"value":6,"x":1.10}]}"#;
    assert_eq!(give(&agent, "leave", "application/json", record.into()).0, 202);
    eventually(|| gate.json(&["visit", "list"]).as_array().unwrap().len() == 2);
    let visit = gate.visit("20240601123456789011");
    let list = visit["params"]["payment_list"].as_str().unwrap();
    assert!(list.contains(r#""parking_order":20240601123456789013"#) && list.contains(r#""x":1.10"#), "{list}");
}

#[test]
fn an_empty_file_is_as_if_not_sent() {
    let gate = demo();
    let file = |form: MultipartBody, content: &[u8]| form.file("leave_image_file", content);
    let hash = md5_hex(GIF);
    let cases: [(&str, &str, &[&[u8]], bool); 7] = [
        ("E1", "", &[b""], false),
        ("E2", OF_NOTHING, &[b""], false),
        ("E3", "d41d8cd98f00b204e9800998ecf8427e", &[b"", b""], false),
        ("E4", &hash, &[b"", GIF], true),
        ("E5", &hash, &[GIF, b""], true),
        ("E6", OF_NOTHING, &[], false),
        ("E7", "null", &[b""], false),
    ];
    for (serial, hash, files, has_picture) in cases {
        let pairs = signed(leave(serial, &[("leave_image_hash", hash)]), "123");
        let form = files.iter().fold(MultipartBody::of(&pairs), |form, content| file(form, content));
        taken(&gate, &MultipartBody::content_type(), form.end());
        let visit = gate.visit(serial);
        assert_eq!(!visit["images"]["leave_image"].is_null(), has_picture, "{visit}");
        if !hash.is_empty() {
            assert_eq!(visit["params"]["leave_image_hash"], hash, "what was signed stays");
        }
    }
    let pairs = signed(leave("E8", &[("leave_image_hash", OF_NOTHING)]), "123");
    refused(&gate, &MultipartBody::content_type(), file(MultipartBody::of(&pairs), GIF).end(), &["应为文件的MD5"]);
    let pairs = signed(leave("E8", &[("leave_image_hash", &hash)]), "123");
    refused(&gate, &MultipartBody::content_type(), file(MultipartBody::of(&pairs), b"").end(), &["未上传文件"]);
    // The agent: nothing of it goes on.
    let agent = Agent::started(PARKGATE, &gate.url, "");
    for (serial, hash, files) in
        [("A1", OF_NOTHING, vec![b"".as_slice()]), ("A2", "", vec![b"", GIF]), ("A3", "null", vec![])]
    {
        let pairs = leave(serial, &[("leave_image_hash", hash)]);
        let form = files.iter().fold(MultipartBody::of(&pairs), |form, content| file(form, content));
        let (status, reported) = give(&agent, "leave", &MultipartBody::content_type(), form.end());
        assert_eq!(status, 202, "{reported}");
    }
    let empty = agent.folder.path().join("empty.gif");
    std::fs::write(&empty, b"").unwrap();
    let image = format!("leave_image_file={}", empty.display());
    let words = ["add", "leave", "parking_serial=A4", "plate_color=1", "enter_time=1624874732253"];
    let more = ["leave_time=1624937505093", "car_type=1", "car_desc=x", "--image", &image];
    assert_eq!(agent.run(&[&words[..], &more].concat()).0, 0);
    eventually(|| gate.json(&["visit", "list"]).as_array().unwrap().len() == 11 && agent.is_empty());
    for (serial, has_picture) in [("A1", false), ("A2", true), ("A3", false), ("A4", false)] {
        let visit = gate.visit(serial);
        assert_eq!(!visit["images"]["leave_image"].is_null(), has_picture, "{visit}");
        assert_eq!(!visit["params"]["leave_image_hash"].is_null(), has_picture, "{visit}");
    }
}

#[test]
fn null_empty_and_absent_are_alike() {
    let gate = demo();
    let push = |call: &str, mut pairs: NamedValues, changes: &[(&str, &str)]| {
        pairs.extend(changes.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
        let form = body(&signed(pairs, "123"));
        gate.post(call, FORM, form.into_bytes())
    };
    for (number, value) in ["", "null"].iter().enumerate() {
        let fields =
            ["leave_time", "payment_list", "total_value", "leave_image_hash", "leave_image_file", "app_id", "encoding"];
        let changes: Vec<(&str, &str)> = fields.iter().map(|name| (*name, *value)).collect();
        let (status, reply) = push("enter", enter(&format!("N{number}"), &[]), &changes);
        assert_eq!((status, &reply["message"]), (200, &json!("OK")), "{reply}");
        let changes: Vec<(&str, &str)> =
            changes.into_iter().skip(1).chain([("merchant", *value), ("sign_type", *value)]).collect();
        let (status, reply) = push("leave", leave(&format!("N{number}"), &[]), &changes);
        assert_eq!((status, &reply["message"], &reply["hint"]), (200, &json!("OK"), &Value::Null), "{reply}");
        let visit = gate.visit(&format!("N{number}"));
        assert_eq!((&visit["payments"], &visit["state"]), (&json!([]), &json!("left")), "{visit}");
        // The same push without them is a repeat.
        let (_, again) = push("leave", leave(&format!("N{number}"), &[]), &[]);
        assert_eq!((&again["message"], &again["seqno"]), (&json!("OK"), &reply["seqno"]), "{again}");
        for missing in ["parking_serial", "plate_color", "leave_time", "park_uuid"] {
            let pairs: NamedValues = leave("N9", &[]).into_iter().filter(|(name, _)| name != missing).collect();
            let (status, reply) = push("leave", pairs, &[(missing, value)]);
            assert_eq!((status, &reply["hint"]), (400, &json!(format!("参数`{missing}`未传递"))), "{reply}");
        }
    }
    // Orders that are null are no orders: neither payment is a repeat of the other.
    let list = r#"[{"parking_order":null,"pay_type":1,"value":5},{"parking_order":"null","pay_type":1,"value":6},{"parking_order":"","pay_type":1,"value":7}]"#;
    gate.taken("leave", leave("N3", &[("payment_list", list)]));
    assert_eq!(gate.visit("N3")["payments"].as_array().unwrap().len(), 3);
    let (status, reply) = push("enter", enter("N4", &[]), &[("leave_time", "1624937505093")]);
    assert_eq!((status, reply["hint"].as_str().unwrap().contains("不属于入场推送")), (400, true), "{reply}");
    let agent = Agent::started(PARKGATE, &gate.url, "");
    let mut number = 0;
    for nothing in [Value::Null, json!(""), json!("null")] {
        number += 1;
        let mut record = agent::enter(&format!("H{number}"));
        record["leave_time"] = nothing.clone();
        record["payment_list"] = nothing.clone();
        assert_eq!(agent.give("enter", &record).0, 202);
        record["parking_serial"] = json!(format!("P{number}"));
        let spool = agent.folder.path().join("spool");
        eventually(|| spool.is_dir());
        std::fs::write(spool.join(format!("{number}.tmp")), record.to_string()).unwrap();
        std::fs::rename(spool.join(format!("{number}.tmp")), spool.join(format!("{number}.json"))).unwrap();
    }
    eventually(|| gate.json(&["visit", "list"]).as_array().unwrap().len() == 9);
    for serial in ["H1", "H2", "H3", "P1", "P2", "P3"] {
        assert_eq!(gate.visit(serial)["state"], "inside", "{serial}");
    }
}

#[test]
fn byte_order_marks_are_taken_off_and_names_are_read_in_any_case() {
    let gate = demo();
    let marked = |bytes: Vec<u8>| [b"\xEF\xBB\xBF".as_slice(), &bytes].concat();
    let form = |serial: &str| body(&signed(leave(serial, &[]), "123")).into_bytes();
    taken(&gate, FORM, marked(form("M1")));
    taken(&gate, "APPLICATION/X-WWW-FORM-URLENCODED;CHARSET=UTF8", form("M2"));
    let multipart = MultipartBody::of(&signed(leave("M3", &[]), "123")).end();
    let content_type = format!("Multipart/Form-Data; Boundary={}", MultipartBody::BOUNDARY);
    taken(&gate, &content_type, marked(multipart));
    let agent = Agent::started(PARKGATE, &gate.url, "");
    let record = |serial: &str| agent::leave(serial).to_string().into_bytes();
    assert_eq!(give(&agent, "leave", "Application/JSON", marked(record("M4"))).0, 202);
    let multipart = MultipartBody::of(&leave("M5", &[])).end();
    assert_eq!(give(&agent, "leave", &content_type, marked(multipart)).0, 202);
    let spool = agent.folder.path().join("spool");
    eventually(|| spool.is_dir());
    std::fs::write(spool.join("a.tmp"), marked(record("M6"))).unwrap();
    std::fs::rename(spool.join("a.tmp"), spool.join("A1.JSON")).unwrap();
    std::fs::write(spool.join("b.tmp"), gbk("{\"plate\":\"粤\"}")).unwrap();
    std::fs::rename(spool.join("b.tmp"), spool.join("B.Json")).unwrap();
    eventually(|| gate.json(&["visit", "list"]).as_array().unwrap().len() == 6 && spool.join("bad/B.txt").exists());
    assert!(std::fs::read_to_string(spool.join("bad/B.txt")).unwrap().contains("UTF-8"));
    // `explain` reads them as the gate does.
    let file = gate.data().join("body");
    std::fs::write(&file, marked(form("M7"))).unwrap();
    for content_type in ["APPLICATION/X-WWW-FORM-URLENCODED", "application/x-www-form-urlencoded; charset=\"utf8\""] {
        let args =
            ["explain", "--secret", "123", "--json", "--content-type", content_type, "--body", file.to_str().unwrap()];
        let output = parkgate_testbed::parkgate(std::path::Path::new(PARKGATE), &args);
        let reported: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(reported["matches"], true, "{reported}");
    }
    let args = ["explain", "--secret", "123", "--content-type", "application/x-www-form-urlencoded; charset=utf-16"];
    let output = parkgate_testbed::parkgate(
        std::path::Path::new(PARKGATE),
        &[&args[..], &["--body", file.to_str().unwrap()]].concat(),
    );
    assert!(String::from_utf8_lossy(&output.stderr).contains("字符集`utf-16`"));
}

#[test]
fn broken_multipart_is_kept_with_its_bytes_each_push_for_itself() {
    let gate = demo();
    let text = |serial: &str| {
        let pairs = signed(leave(serial, &[]), "123");
        String::from_utf8(MultipartBody::of(&pairs).end()).unwrap()
    };
    let last = format!("--{}--\r\n", MultipartBody::BOUNDARY);
    type Breaking<'a> = &'a dyn Fn(&str) -> String;
    let cases: [(&str, Breaking<'_>); 5] = [
        ("line ends must be CRLF", &|serial| text(serial).replace("\r\n", "\n")),
        ("must not be folded", &|serial| text(serial).replace("form-data; ", "form-data;\r\n ")),
        ("last boundary is missing", &|serial| text(serial).replace(&last, "")),
        ("header's boundary is not in the body", &|serial| text(serial).replace(MultipartBody::BOUNDARY, "another")),
        ("line ends must be CRLF", &|serial| text(serial).replace("\r\n\r\n", "\n\n")),
    ];
    let mut number = 0;
    for (cause, broken) in cases {
        for _ in 0..3 {
            number += 1;
            let body = broken(&format!("W{number}"));
            refused(&gate, &MultipartBody::content_type(), body.clone().into_bytes(), &["请求体格式错误", cause]);
            let kept = gate.json(&["quarantine", "show", &number.to_string(), "--unmask"]);
            assert_eq!(
                (&kept["body"]["text"], &kept["times"], &kept["park_uuid"]),
                (&json!(body), &json!(1), &json!(DEMO_PARK))
            );
            assert_eq!(kept["body"]["content_type"], MultipartBody::content_type());
        }
    }
    // Nor is a picture lost: what is long is kept beside.
    let pairs = signed(leave("W", &[("leave_image_hash", "x")]), "123");
    let picture = vec![b'p'; 700 * 1024];
    let whole = MultipartBody::of(&pairs).file("leave_image_file", &picture).end();
    let with_line_feeds: Vec<u8> = whole.split(|byte| *byte == b'\r').collect::<Vec<_>>().concat();
    refused(&gate, &MultipartBody::content_type(), with_line_feeds.clone(), &["line ends must be CRLF"]);
    let kept = gate.json(&["quarantine", "show", "16"]);
    assert_eq!(kept["park_uuid"], DEMO_PARK);
    let image = &kept["images"][0];
    assert_eq!((&image["part"], &image["size"]), (&json!("body"), &json!(with_line_feeds.len())), "{kept}");
    assert_eq!(image["md5"], md5_hex(&with_line_feeds));
    let cut = whole[..whole.len() - 100].to_vec();
    refused(&gate, &MultipartBody::content_type(), cut, &["last boundary is missing"]);
    let kept = gate.json(&["quarantine", "show", "17"]);
    assert_eq!(
        (&kept["params"]["parking_serial"], &kept["images"][0]["part"]),
        (&json!("W"), &json!("leave_image_file")),
        "{kept}"
    );
    // The secret is not kept, whatever it came in.
    for serial in ["W1", "W2"] {
        let with_secret = text(serial).replace("\r\n", "\n").replace("plate_color", "app_secret");
        refused(&gate, &MultipartBody::content_type(), with_secret.into_bytes(), &["CRLF"]);
    }
    let listed = gate.json(&["quarantine", "list"]);
    assert_eq!(listed.as_array().unwrap().len(), 19, "{listed}");
    let kept = gate.json(&["quarantine", "show", "19"]);
    assert_eq!((&kept["body"], &kept["incomplete"]), (&Value::Null, &json!(true)), "{kept}");
    let outcomes = gate.json(&["quarantine", "replay"]);
    assert!(outcomes.as_array().unwrap().iter().all(|outcome| outcome["outcome"] == "stays"), "{outcomes}");
}

#[test]
fn quoted_printable_and_base64_parts_are_decoded_and_others_refused_by_name() {
    let gate = demo();
    let agent = Agent::started(PARKGATE, &gate.url, "");
    let multipart = MultipartBody::content_type();
    let quoted = |bytes: &[u8]| bytes.iter().map(|byte| format!("={byte:02X}")).collect::<Vec<_>>().join("=\r\n");
    let base64 = |bytes: &[u8]| {
        use base64::Engine;
        base64::engine::general_purpose::STANDARD.encode(bytes)
    };
    let encoded = |pairs: &NamedValues, encoding: &str, encode: &dyn Fn(&[u8]) -> String| {
        let form = pairs.iter().fold(MultipartBody::default(), |form, (name, value)| {
            let headers = format!(
                "{}\r\nContent-Type: text/plain; charset=GBK\r\nContent-Transfer-Encoding: {encoding}",
                disposition(name)
            );
            form.part(&headers, encode(&gbk(value)).as_bytes())
        });
        let headers =
            format!("{}; filename=\"a.gif\"\r\nContent-Transfer-Encoding: {encoding}", disposition("leave_image_file"));
        form.part(&headers, encode(GIF).as_bytes()).end()
    };
    let hash = md5_hex(GIF);
    for (serial, encoding, encode) in
        [("T1", "quoted-printable", &quoted as &dyn Fn(&[u8]) -> String), ("T2", "Base64", &base64)]
    {
        let pairs = signed(leave(serial, &[("leave_image_hash", &hash)]), "123");
        taken(&gate, &multipart, encoded(&pairs, encoding, encode));
        let serial = format!("{serial}-agent");
        let body = encoded(&leave(&serial, &[]), encoding, encode);
        assert_eq!(give(&agent, "leave", &multipart, body).0, 202);
    }
    eventually(|| gate.json(&["visit", "list"]).as_array().unwrap().len() == 4);
    for serial in ["T1", "T2", "T1-agent", "T2-agent"] {
        let visit = gate.visit(serial);
        assert_eq!(
            (&visit["plate"], &visit["images"]["leave_image"]["md5"]),
            (&json!("粤B12345"), &json!(hash)),
            "{visit}"
        );
    }
    let pairs = signed(leave("T3", &[]), "123");
    for (encoding, content, words) in [
        ("x-uuencode", "x", ["`plate`", "`Content-Transfer-Encoding: x-uuencode`"]),
        ("base64", "Q!==", ["`plate`", "base64"]),
        ("quoted-printable", "=G1", ["`plate`", "quoted-printable"]),
    ] {
        let headers = format!("{}\r\nContent-Transfer-Encoding: {encoding}", disposition("plate"));
        let body = with_part(&pairs, "plate", &headers, content.as_bytes());
        refused(&gate, &multipart, body.clone(), &words);
        let (status, reported) = give(&agent, "leave", &multipart, body);
        assert!(status == 400 && words.iter().all(|word| reported.contains(word)), "{reported}");
    }
}

#[test]
fn payments_are_taken_up_to_their_limit_and_one_more_is_kept() {
    let gate = demo();
    let list = |prefix: &str, count: usize| {
        let entries: Vec<String> = (0..count)
            .map(|number| {
                format!(r#"{{"parking_order":"{prefix}20240601{number:010}","pay_type":2,"pay_origin_desc":"微信支付","operator":"张三","pay_time":"1624937505093","value":1,"free_value":0}}"#)
            })
            .collect();
        format!("[{}]", entries.join(","))
    };
    gate.taken("leave", leave("S1", &[("payment_list", &list("S1", 1000))]));
    assert_eq!(gate.visit("S1")["payments"].as_array().unwrap().len(), 1000);
    let (status, reply) = gate.push("leave", leave("S2", &[("payment_list", &list("S2", 1001))]));
    let hint = reply["hint"].as_str().unwrap();
    assert!(
        status == 413 && reply["code"] == "400" && hint.contains("1001条") && hint.contains("上限1000条"),
        "{reply}"
    );
    assert_eq!(gate.json(&["quarantine", "list"])[0]["reason"], "TooManyPayments");
    assert_eq!(gate.json(&["quarantine", "replay"])[0]["outcome"], "recorded");
    assert_eq!(gate.visit("S2")["payments"].as_array().unwrap().len(), 1001);
    let mut set = TestGate::stopped(PARKGATE, &gate.data().with_extension("set"), &["--demo"]);
    set.variables.push(("PARKGATE_LIMITS_PAYMENTS_MAX".into(), "2".into()));
    set.start();
    set.taken("leave", leave("S1", &[("payment_list", &list("S1", 2))]));
    assert_eq!(set.push("leave", leave("S2", &[("payment_list", &list("S2", 3))])).0, 413);
}

/// Sends a head and reads what comes back, up to the end of a head; the connection stays open.
fn ask(gate: &TestGate, head: &str) -> (TcpStream, String) {
    let mut stream = TcpStream::connect(gate.url.strip_prefix("http://").unwrap()).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    stream.write_all(head.as_bytes()).unwrap();
    let mut reply = Vec::new();
    while !reply.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        assert_eq!(stream.read(&mut byte).unwrap(), 1, "{}", String::from_utf8_lossy(&reply));
        reply.push(byte[0]);
    }
    (stream, String::from_utf8(reply).unwrap())
}

#[test]
fn who_waits_to_be_asked_for_the_body_is_asked_only_if_it_is_wanted() {
    let gate = demo();
    let head = |method: &str, query: &str, more: &str| {
        format!(
            "{method} /gate/1.0/parking/internal/leave{query} HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\n{more}\r\n\r\n"
        )
    };
    let form = format!("Content-Type: {FORM}\r\n");
    for (request, status, word) in [
        (head("PUT", "", &format!("{form}Content-Length: 10")), 400, "`POST`"),
        (head("POST", "?a=1", &format!("{form}Content-Length: 10")), 400, "URL"),
        (head("POST", "", &format!("{form}Content-Length: 99999999")), 413, "22020096"),
        (head("POST", "", "Content-Type: text/xml\r\nContent-Length: 10"), 400, "`text/xml`"),
        (head("POST", "", &format!("Content-Type: {FORM}; charset=utf-16\r\nContent-Length: 10")), 400, "`utf-16`"),
        (head("POST", "", "Content-Type: multipart/form-data\r\nContent-Length: 10"), 400, "boundary"),
        (head("POST", "", &format!("{form}Content-Encoding: gzip\r\nTransfer-Encoding: chunked")), 415, "gzip"),
    ] {
        let (mut stream, reply) = ask(&gate, &request);
        assert!(reply.starts_with(&format!("HTTP/1.1 {status} ")), "{request}{reply}");
        let mut rest = String::new();
        // To the end: nobody waits for a body that was not asked for.
        stream.read_to_string(&mut rest).unwrap();
        assert!(rest.contains(word) && reply.to_ascii_lowercase().contains("connection: close"), "{reply}{rest}");
    }
    let body = body(&signed(leave("S1", &[]), "123"));
    let more = format!("{form}Connection: close\r\nContent-Length: {}", body.len());
    let (mut stream, reply) = ask(&gate, &head("POST", "", &more));
    assert_eq!(reply, "HTTP/1.1 100 Continue\r\n\r\n");
    stream.write_all(body.as_bytes()).unwrap();
    let mut rest = String::new();
    stream.read_to_string(&mut rest).unwrap();
    assert!(rest.starts_with("HTTP/1.1 200 ") && rest.contains("\"OK\""), "{rest}");
}
