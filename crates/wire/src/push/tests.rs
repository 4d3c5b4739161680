use super::*;
use crate::form::{FormLimits, UploadedFile};
use crate::signature::{Secret, Verified, sign, verify};
use encoding_rs::UTF_8;

fn read(kind: PushKind, changes: &[(&str, &str)], file: Option<UploadedFile>) -> Result<Push, Refusal> {
    let mut pairs = vec![
        ("park_uuid", "P"),
        ("parking_serial", "S1"),
        ("plate_color", "1"),
        ("enter_time", "1624874732253"),
        ("car_type", "1"),
        ("car_desc", "x"),
    ];
    if kind == PushKind::Leave {
        pairs.push(("leave_time", "1624937505093"));
    }
    for (name, value) in changes {
        pairs.retain(|(other, _)| other != name);
        pairs.push((name, value));
    }
    let secret = Secret::new("123");
    let (_, signature) = sign(pairs.iter().copied(), &secret);
    pairs.push(("sign", &signature));
    let mut builder = crate::form::FormBuilder::new(FormLimits::default());
    for (name, value) in &pairs {
        builder.text_part(name, value.as_bytes(), UTF_8)?;
    }
    if let Some(file) = file {
        builder.file_part(file)?;
    }
    match verify(builder.build(), kind.call(), &secret) {
        Verified::Matched(form) => Push::read(form, kind, 1000).map_err(|refused| refused.0),
        Verified::Refused(refusal, _) => Err(refusal),
        Verified::Mismatched(mismatch, _) => panic!("{}", mismatch.masked),
    }
}

fn hint(changes: &[(&str, &str)]) -> String {
    read(PushKind::Leave, changes, None).unwrap_err().hint()
}

#[test]
fn a_wrong_value_is_named_with_what_was_found_and_expected() {
    assert_eq!(
        hint(&[("enter_time", "1624874732")]),
        "参数`enter_time`应为13位毫秒时间戳 (13-digit milliseconds), 收到`1624874732`"
    );
    assert!(hint(&[("total_value", "1.5")]).starts_with("参数`total_value`应为不小于0的整数"));
    assert!(hint(&[("cash_value", "-1")]).starts_with("参数`cash_value`应为"));
    for list in ["{}", "[1]", "[[\"o\"]]", "x", "[{\"value\":[]}]", "[{}] x"] {
        assert!(hint(&[("payment_list", list)]).starts_with("参数`payment_list`应为JSON对象数组"), "{list}");
    }
    assert!(hint(&[("payment_list", "[{},{\"value\":1.5}]")]).starts_with("参数`payment_list[1].value`应为"));
    assert!(hint(&[("payment_list", "[{\"pay_time\":\"16\"}]")]).starts_with("参数`payment_list[0].pay_time`应为"));
    assert!(hint(&[("leave_image_hash", "3EF48C1A8A95DF308EFF872082280815")]).contains("未上传文件`leave_image_file`"));
    assert!(hint(&[("leave_image_file", "x")]).starts_with("参数`leave_image_file`应为multipart文件"));
    assert_eq!(
        read(PushKind::Enter, &[("leave_time", "1624937505093")], None).unwrap_err(),
        Refusal::Foreign { name: "leave_time".into(), call: ("入场推送", "an enter push") }
    );
}

#[test]
fn payments_come_as_numbers_or_text_and_unknown_fields_stay() {
    let list =
        r#"[{"change_value":"500","free_value":100,"parking_order":16249,"pay_type":2,"value":"500","x":[1]},{}]"#;
    let push = read(PushKind::Leave, &[("payment_list", list)], None).unwrap();
    let first = &push.payments[0];
    assert_eq!((first.value, first.free_value, first.change_value), (Some(Fen(500)), Some(Fen(100)), Some(Fen(500))));
    assert_eq!((first.parking_order.as_deref(), first.pay_type.as_str()), (Some("16249"), "2"));
    assert_eq!(push.payments[1], Payment::default());
    assert_eq!(push.params.get("payment_list"), Some(list));
}

#[test]
fn numbers_are_taken_as_their_text() {
    let list = r#"[{"parking_order":20240601123456789011,"pay_type":1,"value":500},{"parking_order":1E20,"pay_type":1.0,"value":0}]"#;
    let push = read(PushKind::Leave, &[("payment_list", list)], None).unwrap();
    let orders: Vec<_> = push.payments.iter().map(|payment| payment.parking_order.as_deref().unwrap()).collect();
    assert_eq!(orders, ["20240601123456789011", "1E20"]);
    for amount in ["5e2", "500.0", "1E3", "-0", "-1", "+5", "12345678901234567890", "9007199254740992"] {
        for list in [format!(r#"[{{"value":"{amount}"}}]"#), format!(r#"[{{"value":{amount}}}]"#)] {
            let hint = hint(&[("payment_list", &list)]);
            let named =
                hint.starts_with("参数`payment_list[0].value`应为") && hint.ends_with(&format!("收到`{amount}`"));
            // Not even JSON.
            assert!(named || hint.starts_with("参数`payment_list`应为") && amount == "+5", "{hint}");
        }
    }
    assert_eq!(
        read(PushKind::Leave, &[("payment_list", r#"[{"value":9007199254740991}]"#)], None).unwrap().payments[0].value,
        Some(Fen::MAX)
    );
}

#[test]
fn what_says_nothing_is_as_if_not_sent() {
    for nothing in ["", "null"] {
        let changes =
            [("payment_list", nothing), ("total_value", nothing), ("leave_image_hash", nothing), ("plate", nothing)];
        let push = read(PushKind::Leave, &changes, None).unwrap();
        assert_eq!((push.payments.len(), push.plate.as_deref()), (0, None));
        assert!(read(PushKind::Enter, &[("leave_time", nothing)], None).is_ok());
        assert!(matches!(
            read(PushKind::Leave, &[("leave_time", nothing)], None),
            Err(Refusal::Missing { name: "leave_time" })
        ));
    }
    let list = r#"[{"parking_order":null,"value":null},{"parking_order":"null","value":"null"},{"parking_order":"","value":""}]"#;
    let push = read(PushKind::Leave, &[("payment_list", list)], None).unwrap();
    assert!(push.payments.iter().all(|payment| *payment == Payment::default()), "{:?}", push.payments);
    assert!(hint(&[("payment_list", "[null]")]).starts_with("参数`payment_list`应为"));
}

#[test]
fn a_list_that_others_could_not_read_is_refused() {
    let deep = |levels: usize| format!(r#"[{{"x":{}{}}}]"#, "[".repeat(levels), "]".repeat(levels));
    assert!(read(PushKind::Leave, &[("payment_list", &deep(100))], None).is_ok());
    let private = r#"[{"x":{"$serde_json::private::Number":"no number"}}]"#;
    for list in [&deep(200), private, &private.replace('$', "\\u0024")] {
        assert!(hint(&[("payment_list", list)]).starts_with("参数`payment_list`应为"), "{list}");
    }
    assert!(read(PushKind::Leave, &[("payment_list", r#"[{"x":[{"y":"$"}],"z":"\u0024"}]"#)], None).is_ok());
}

#[test]
fn payments_have_a_limit() {
    let list = |count: usize| format!("[{}]", vec!["{}"; count].join(","));
    assert_eq!(read(PushKind::Leave, &[("payment_list", &list(1000))], None).unwrap().payments.len(), 1000);
    let refused = read(PushKind::Leave, &[("payment_list", &list(1001))], None).unwrap_err();
    assert_eq!(refused, Refusal::TooManyPayments { found: 1001, max: 1000 });
}

#[test]
fn a_file_needs_its_own_hash() {
    let md5 = Md5Hash::parse("DF16D33739DEFE9BDA1F4C45D36FD7A7").unwrap();
    let file = UploadedFile { name: "leave_image_file".into(), md5, size: 35 };
    let with = |hash: &str| read(PushKind::Leave, &[("leave_image_hash", hash)], Some(file.clone()));
    assert!(with("df16d33739defe9bda1f4c45d36fd7a7").is_ok());
    assert!(matches!(with("").unwrap_err(), Refusal::HashMissing { .. }));
    let of_nothing = Md5Hash::OF_NOTHING.to_string();
    assert_eq!(of_nothing, "D41D8CD98F00B204E9800998ECF8427E");
    assert!(matches!(with(&of_nothing).unwrap_err(), Refusal::HashDiffers { .. }));
    assert!(
        read(PushKind::Leave, &[("leave_image_hash", &of_nothing)], None).is_ok(),
        "of a file that is as if not sent"
    );
    assert!(matches!(with("zz").unwrap_err(), Refusal::Value { .. }));
    assert!(matches!(with("3EF48C1A8A95DF308EFF872082280815").unwrap_err(), Refusal::HashDiffers { .. }));
}

#[test]
fn two_files_of_one_picture_are_refused_also_from_a_kept_form() {
    let file = |name: &str| UploadedFile { name: name.into(), md5: Md5Hash::OF_NOTHING, size: 1 };
    for (first, second) in [
        ("capture_image", "capture_image_file"),
        ("capture_image_file", "capture_image"),
        ("leave_image_file", "leave_image_file"),
    ] {
        let mut builder = crate::form::FormBuilder::new(FormLimits::default());
        builder.file_part(file(first)).unwrap();
        let expected = Refusal::Repeated { name: second.into() };
        assert_eq!(builder.file_part(file(second)), Err(expected.clone()));
        builder.file_part(file("leave_plate_image_file")).unwrap();
        let secret = Secret::new("123");
        let (_, signature) = sign([("a", "1")], &secret);
        let pairs = [("a", "1", None), ("sign", signature.as_str(), None)];
        let form = Form::restored(pairs, vec![file(first), file("enter_image_file"), file(second)]);
        let Verified::Refused(refusal, _) = verify(form, PushKind::Release.call(), &secret) else { panic!("{first}") };
        assert_eq!(refusal, expected);
    }
}

#[test]
fn the_first_missing_parameter_is_named_in_the_order_of_the_table() {
    let check = |body: &str, kind: PushKind, strict| {
        let form = Form::from_urlencoded(body.as_bytes(), UTF_8, FormLimits::default()).unwrap();
        check_required(&form, kind.call(), strict).map_err(|refusal| refusal.hint())
    };
    let mut body = String::new();
    for name in ["parking_serial", "plate_color", "enter_time", "car_type", "car_desc", "leave_time"] {
        assert_eq!(check(&body, PushKind::Leave, false), Err(format!("参数`{name}`未传递")));
        body.push_str(&format!("&{name}=1"));
    }
    assert_eq!(check(&body, PushKind::Leave, false), Ok(()));
    assert_eq!(check(&body, PushKind::Leave, true), Err("参数`charge_type`未传递".into()));
    body.push_str("&charge_type=1");
    assert_eq!(check(&body, PushKind::Leave, true), Ok(()));
    body.push_str("&app_id=x");
    assert_eq!(check(&body, PushKind::Leave, true), Err("参数`api_type`未传递".into()));
}

#[test]
fn content_is_the_same_whatever_way_it_was_sent() {
    let digest = |pairs: &[(&str, &str)]| {
        let mut params = Params::default();
        pairs.iter().for_each(|(name, value)| params.push(name, value));
        params.digest(PushKind::Leave, std::iter::empty(), &[7; 32])
    };
    let one = digest(&[("a", "1"), ("b", "2"), ("sign", "x"), ("timestamp", "1"), ("c", "")]);
    assert_eq!(one, digest(&[("b", "2"), ("a", "1"), ("sign", "y")]));
    assert_ne!(one, digest(&[("a", "12"), ("b", "")]));
    assert_ne!(one, digest(&[("a", "1"), ("b", "3")]));
}

#[test]
fn a_file_without_a_hash_is_part_of_the_content() {
    let digest = |name: &str, md5: [u8; 16], hash: Option<&str>| {
        let mut builder = crate::form::FormBuilder::new(FormLimits::default());
        let pairs = [("release_type", "1"), ("parking_serial", "S1"), ("capture_image_hash", hash.unwrap_or_default())];
        for (name, value) in pairs {
            builder.text_part(name, value.as_bytes(), UTF_8).unwrap();
        }
        builder.file_part(UploadedFile { name: name.into(), md5: Md5Hash(md5), size: 1 }).unwrap();
        let Verified::Matched(form) = crate::signature::accept_unsigned(builder.build(), PushKind::Release.call())
        else {
            panic!("{name}")
        };
        Push::read(form, PushKind::Release, 1).unwrap().digest(&[7; 32])
    };
    let one = digest("capture_image", [1; 16], None);
    assert_eq!(one, digest("capture_image", [1; 16], None));
    assert_ne!(one, digest("capture_image", [2; 16], None));
    // Where it has one, whichever part it came in.
    let hash = Md5Hash([1; 16]).to_string();
    let hashed = digest("capture_image", [1; 16], Some(&hash));
    assert_eq!(hashed, digest("capture_image_file", [1; 16], Some(&hash)));
    assert_ne!(hashed, one);
}

#[test]
fn an_empty_personal_field_says_nothing_of_anybody_and_is_kept_as_it_was_signed() {
    let push = read(PushKind::Leave, &[("idcard_no", ""), ("idcard_name", "阿Q")], None).unwrap();
    assert!(push.params.to_json().contains(r#""idcard_no":"""#));
    assert_eq!(push.params.personal_json().unwrap(), r#"{"idcard_name":"阿Q"}"#);
    let nobody = read(PushKind::Leave, &[("idcard_no", "")], None).unwrap();
    assert_eq!(nobody.params.personal_json(), None);
}
