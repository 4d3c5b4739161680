//! Charsets of forms: the usual names are decoded, others refused by name; the agent does as the gate.

use super::*;

#[test]
fn usual_names_of_charsets_are_decoded_and_others_refused_by_name() {
    let gate = demo();
    let pairs = signed(leave("S1", &[]), "123");
    let gbk_body = |pairs: &NamedValues| {
        let pairs: Vec<String> = pairs.iter().map(|(name, value)| format!("{name}={}", percent(&gbk(value)))).collect();
        pairs.join("&").into_bytes()
    };
    for (number, name) in ["gb2312", "GBK", "x-gbk", "\"cp936\"", "ms936", "windows-936", "GB18030"].iter().enumerate()
    {
        let serial = format!("G{number}");
        let pairs = signed(leave(&serial, &[]), "123");
        taken(&gate, &format!("Application/X-WWW-Form-Urlencoded; Charset={name}"), gbk_body(&pairs));
        assert_eq!(gate.visit(&serial)["plate"], "粤B12345", "{name}");
    }
    let big5 = signed(leave("B1", &[("plate", "粵B12345"), ("car_desc", "臨時")]), "123");
    let encoded = big5.iter().map(|(name, value)| format!("{name}={}", percent(&encoding_rs::BIG5.encode(value).0)));
    taken(&gate, &format!("{FORM}; charset=Big5"), encoded.collect::<Vec<_>>().join("&").into_bytes());
    for name in ["ISO-2022-JP", "UTF-16", "utf-16le", "latin1", "ISO-8859-1", "replacement", "Shift_JIS", "utf-7"] {
        refused(
            &gate,
            &format!("{FORM}; charset={name}"),
            body(&pairs).into_bytes(),
            &[&format!("字符集`{name}`"), "GBK"],
        );
        let headers = format!("{}\r\nContent-Type: text/plain; charset={name}", disposition("plate"));
        let part = with_part(&pairs, "plate", &headers, "粤B12345".as_bytes());
        refused(&gate, &MultipartBody::content_type(), part, &["`plate`", &format!("字符集`{name}`")]);
    }
    // Apache HttpClient writes this on every text part by default, also on `sign`.
    let (_, sign) = pairs.iter().find(|(name, _)| name == "sign").unwrap();
    let headers = format!(
        "{}\r\nContent-Type: text/plain; charset=ISO-8859-1\r\nContent-Transfer-Encoding: 8bit",
        disposition("sign")
    );
    taken(&gate, &MultipartBody::content_type(), with_part(&pairs, "sign", &headers, sign.as_bytes()));
}

#[test]
fn what_is_empty_in_iso_2022_jp_is_not_added_to_a_captured_push() {
    let gate = demo();
    let pairs = signed(leave("S1", &[("plate", "B%2012345"), ("car_desc", "A"), ("encoding", "URL")]), "123");
    let captured: Vec<String> = pairs.iter().map(|(name, value)| format!("{name}={value}")).collect();
    let forged = format!("{}&leave_gate=%1B(B", captured.join("&"));
    let (_, reply) = gate.post("leave", &format!("{FORM}; charset=iso-2022-jp"), forged.clone().into_bytes());
    assert_ne!(reply["message"], "OK", "{reply}");
    let (_, reply) = gate.post("leave", FORM, forged.into_bytes());
    assert_ne!(reply["message"], "OK", "{reply}");
    taken(&gate, FORM, captured.join("&").into_bytes());
}

#[test]
fn the_agent_decodes_as_the_gate_does_or_refuses_by_name() {
    let gate = demo();
    let agent = Agent::started(PARKGATE, &gate.url, "");
    let multipart = MultipartBody::content_type();
    let record = |serial: &str| {
        let mut pairs = leave(serial, &[]);
        pairs.retain(|(name, _)| name != "park_uuid");
        pairs
    };
    // Neither said by anybody, nor UTF-8.
    let unsaid = with_part(&record("S1"), "plate", &disposition("plate"), &gbk("粤B1"));
    let cut = with_part(&record("S1"), "plate", &disposition("plate"), &"粤B粤".as_bytes()[..6]);
    let latin = with_part(
        &record("S1"),
        "plate",
        &format!("{}\r\nContent-Type: text/plain; charset=latin1", disposition("plate")),
        &gbk("粤"),
    );
    for (body, word) in [(unsaid, "UTF-8"), (cut, "UTF-8"), (latin, "latin1")] {
        let (status, reported) = give(&agent, "leave", &multipart, body.clone());
        assert!(status == 400 && reported.contains("`plate`") && reported.contains(word), "{reported}");
        refused(&gate, &multipart, body, &["`plate`", word]);
    }
    // By the request's charset, by the part's own, as a form, as JSON.
    let own = format!("{}\r\nContent-Type: text/plain; charset=GBK", disposition("plate"));
    let by_part = with_part(&record("S3"), "plate", &own, &gbk("粤B12345"));
    let mut ascii = record("S2");
    ascii.iter_mut().filter(|(name, _)| name == "car_desc").for_each(|(_, value)| *value = "A".into());
    let all_gbk = with_part(&ascii, "plate", &disposition("plate"), &gbk("粤B12345"));
    let json = json!(record("S4").into_iter().collect::<std::collections::BTreeMap<_, _>>()).to_string();
    for (content_type, body) in [
        (format!("{multipart}; charset=gb2312"), all_gbk),
        (multipart, by_part),
        ("application/JSON; charset=GBK".into(), gbk(&json)),
    ] {
        assert_eq!(give(&agent, "leave", &content_type, body).0, 202, "{content_type}");
    }
    let (status, reported) = give(&agent, "leave", "application/json; charset=UTF-16", gbk(&json));
    assert!(status == 400 && reported.contains("`UTF-16`"), "{reported}");
    let (status, reported) = give(&agent, "leave", "application/json", gbk(&json));
    assert!(status == 400 && reported.contains("UTF-8"), "{reported}");
    eventually(|| gate.json(&["visit", "list"]).as_array().unwrap().len() == 3);
    for serial in ["S2", "S3", "S4"] {
        assert_eq!(gate.visit(serial)["plate"], "粤B12345", "{serial}");
    }
}
