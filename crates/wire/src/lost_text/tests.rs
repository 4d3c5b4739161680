use super::*;

/// A person's name and a payment's operator must give the same result.
fn found(name: &str, value: &str) -> Option<(usize, Trace)> {
    fn lost(name: &str, value: &str) -> Option<(usize, Trace)> {
        lost_text([(name, value)].into_iter()).into_iter().next().map(|lost| (lost.place, lost.found))
    }
    if value.len() < 1000 {
        let payments = serde_json::json!([{ "operator": value }]).to_string();
        assert_eq!(lost("payment_list", &payments), lost("leave_security", value), "{payments}");
    }
    lost(name, value)
}

#[test]
fn question_marks_count_where_chinese_ought_to_be() {
    let lost = |place| Some((place, Trace::QuestionMark));
    for (name, value, expected) in [
        ("plate", "?KKKKKK", lost(1)),
        ("plate", "WJ?12345", lost(3)),
        ("plate", "??????", lost(1)),
        ("car_desc", "???", lost(1)),
        ("car_desc", "VIP??", lost(4)),
        ("leave_gate", "?1", lost(1)),
        ("leave_security", "?", lost(1)),
        ("leave_security", "张?", lost(2)),
        ("car_desc", "VIP?", None),
        ("car_desc", "临时车??", None),
        ("plate", "粤B1?345", None),
        ("leave_image", "http://a/?u=1??", None),
        ("zz", "??", None),
        ("parking_serial", "???", None),
    ] {
        assert_eq!(found(name, value), expected, "{name}={value}");
    }
}

#[test]
fn replaced_characters_count_anywhere() {
    assert_eq!(found("plate", "\u{fffd}\u{fffd}B12345"), Some((1, Trace::Replacement)));
    assert_eq!(found("car_desc", "临时\u{fffd}"), Some((3, Trace::Replacement)));
    for name in ["zz", "parking_serial"] {
        assert_eq!(found(name, "a\u{fffd}"), Some((2, Trace::Replacement)), "{name}");
    }
    assert_eq!(found("leave_gate", "锟斤拷锟斤拷"), Some((1, Trace::Replacement)));
}

#[test]
fn text_read_in_another_charset_is_recognised() {
    let as_gbk = |text: &str| GBK.decode(text.as_bytes()).0.into_owned();
    let latin = |bytes: &[u8]| bytes.iter().copied().map(char::from).collect::<String>();
    for text in ["粤B12345", "临时车", "月租车", "东门入口", "西门出口 (B1)", "张三", "免费通行"] {
        assert_eq!(found("car_desc", &latin(text.as_bytes())), Some((1, Trace::Misread)), "{text}");
        assert_eq!(found("car_desc", &latin(&GBK.encode(text).0)), Some((1, Trace::Misread)), "{text}");
        let windows = WINDOWS_1252.decode(text.as_bytes()).0.into_owned();
        assert_eq!(found("car_desc", &windows).map(|(place, _)| place), Some(1), "{windows}");
        let misread = as_gbk(text);
        if !misread.contains('\u{fffd}') {
            assert_eq!(found("car_desc", &misread), Some((1, Trace::Misread)), "{text}: {misread}");
        }
    }
    assert_eq!(as_gbk("临时"), "涓存椂");
    assert_eq!(found("car_desc", "涓存椂杞?"), Some((1, Trace::Misread)));
    assert_eq!(found("car_desc", "ç²¤"), Some((1, Trace::Misread)));
    assert_eq!(found("leave_gate", "A涓存椂"), Some((2, Trace::Misread)));
}

#[test]
fn what_people_write_is_not_lost() {
    for value in [
        "",
        "粤B12345",
        "京A·F0236挂",
        "使014578",
        "无牌车",
        "临时车",
        "联通",
        "浏阳",
        "娅姝",
        "漳州北门（东）",
        "José",
        "Müller",
        "naïve café",
        "Ärzte",
        "VIP",
        "100%",
        "😀",
        "ｖｉｐ　车",
        "東門",
    ] {
        for name in ["plate", "car_desc", "leave_security", "zz"] {
            assert_eq!(found(name, value), None, "{name}={value}");
        }
    }
    // Every pair of common characters: none reads as another text.
    let common: String = "东南西北中门口出入停车场临时月租免费通行张王李赵刘陈杨黄周吴粤京沪津渝冀豫云辽黑湘皖鲁新苏浙赣鄂桂甘晋蒙陕吉闽贵青藏川宁琼".into();
    for one in common.chars() {
        for other in common.chars() {
            assert_eq!(found("car_desc", &format!("{one}{other}")), None);
        }
    }
}

#[test]
fn payments_are_looked_into_within_bounds() {
    let list = r#"[{"operator":"??","pay_origin_desc":"??"},{"operator":"张三"}]"#;
    let lost = lost_text([("payment_list", list)].into_iter());
    let names: Vec<&str> = lost.iter().map(|lost| lost.name.as_str()).collect();
    assert_eq!(names, ["payment_list[0].pay_origin_desc", "payment_list[0].operator"]);
    assert_eq!(found("payment_list", "[{\"operator\":\"\\ufffd\"}]"), Some((1, Trace::Replacement)));
    for odd in ["??", "[", "{}", "[1,null]", "[{\"operator\":1}]"] {
        assert_eq!(found("payment_list", odd), None, "{odd}");
    }
    let many = format!("[{}]", vec![r#"{"operator":"?"}"#; 100].join(","));
    assert_eq!(lost_text([("payment_list", many.as_str())].into_iter()).len(), PLACES_MAX);
    let pad = |bytes: usize| format!("[{{\"operator\":\"?\"}}{}]", " ".repeat(bytes - 18));
    assert_eq!(pad(JSON_BYTES_MAX).len(), JSON_BYTES_MAX);
    assert!(found("payment_list", &pad(JSON_BYTES_MAX)).is_some());
    assert!(found("payment_list", &pad(JSON_BYTES_MAX + 1)).is_none());
}

#[test]
fn no_more_places_are_named_than_a_sentence_holds() {
    let all = ["plate", "car_desc", "enter_gate", "leave_gate", "enter_security"].map(|name| (name, "??"));
    let lost = lost_text(all.into_iter());
    assert_eq!(lost.len(), PLACES_MAX);
    let (zh, en) = described(&lost[..2]);
    assert_eq!(zh, "`plate`第1个字符是`?`, `car_desc`第1个字符是`?`");
    assert_eq!(en, "character 1 of `plate` is `?`, character 1 of `car_desc` is `?`");
}
