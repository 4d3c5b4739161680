//! The sign doctor: a push signed with each mistake, and with each pair, is told apart; right and random ones are left alone.

mod pushes;
mod random;

use encoding_rs::UTF_8;
use parkgate_wire::doctor::{
    Budget, Candidate, Diagnosis, FindingKind, SecretRole, diagnose, first_difference, from_hint,
};
use parkgate_wire::form::FormLimits;
use parkgate_wire::{Form, FormBuilder, Md5Hash, Secret, UploadedFile, sign};
use pushes::{OTHER_SECRET, SECRET, Stage, md5, mistakes, params, sent, signed};

fn form(body: &str) -> Form {
    Form::from_urlencoded(body.as_bytes(), UTF_8, FormLimits::default()).unwrap()
}

fn seen_by(form: &Form, secrets: &[(&str, SecretRole)]) -> Diagnosis {
    let secrets: Vec<(Secret, SecretRole)> = secrets.iter().map(|(text, role)| (Secret::new(*text), *role)).collect();
    let candidates: Vec<Candidate<'_>> =
        secrets.iter().map(|(secret, role)| Candidate { secret, role: *role }).collect();
    let diagnosis = diagnose(form, &candidates, Budget::default());
    let reported = format!("{:?}", diagnosis.finding).to_lowercase();
    for (secret, _) in &secrets {
        assert!(!reported.contains(&secret.expose().to_lowercase()), "{reported}");
    }
    assert!(!reported.contains(&right_sign(form).to_lowercase()), "{reported}");
    assert!(diagnosis.hashes_spent <= Budget::default().hashes);
    diagnosis
}

fn right_sign(form: &Form) -> String {
    sign(form.params().map(|param| (param.name, param.value)), &Secret::new(SECRET)).1
}

fn kinds(form: &Form) -> Vec<FindingKind> {
    seen_by(form, &[(SECRET, SecretRole::Park)]).finding.kinds
}

#[test]
fn every_mistake_is_named() {
    for mistake in mistakes() {
        let form = form(&sent(&params(), &signed(&params(), &[&mistake])));
        let finding = seen_by(&form, &[(SECRET, SecretRole::Park)]).finding;
        assert_eq!(finding.kinds, [mistake.kind], "{}: {finding:?}", mistake.name);
        assert!(!finding.zh.contains("{}") && !finding.en.contains("{}"), "{finding:?}");
        if let Some(strings) = finding.strings {
            let stage_is_shown = !matches!(mistake.stage, Stage::Hash(_));
            assert_eq!(strings.difference, first_difference(&strings.expected, &strings.signed));
            assert!(
                strings.difference.is_some() || !stage_is_shown || mistake.is_unseen,
                "{}: {strings:?}",
                mistake.name
            );
        }
    }
}

#[test]
fn pairs_of_mistakes_are_named_both() {
    let mut tried = 0;
    let mistakes = mistakes();
    for one in mistakes.iter().filter(|mistake| mistake.is_common) {
        for other in mistakes.iter().filter(|mistake| mistake.is_common) {
            if one.stage.number() >= other.stage.number()
                || one.kind == FindingKind::SecretMissing
                || other.kind == FindingKind::SecretMissing
            {
                continue;
            }
            if one.kind == FindingKind::UrlEncodedValues
                && matches!(other.kind, FindingKind::SignedInGbk | FindingKind::SignedInLatin1)
            {
                // Then nothing is left that a charset could change.
                continue;
            }
            let form = form(&sent(&params(), &signed(&params(), &[one, other])));
            let found = kinds(&form);
            assert!(
                found.len() == 2 && found.contains(&one.kind) && found.contains(&other.kind),
                "{} and {}: {found:?}",
                one.name,
                other.name
            );
            tried += 1;
        }
    }
    assert!(tried >= 100, "{tried}");
}

#[test]
fn two_mistakes_in_the_values_are_named_both() {
    let mistakes = mistakes();
    let named = |name: &str| mistakes.iter().find(|mistake| mistake.name == name).unwrap();
    for (one, other) in [
        ("hash lower", "Java URLEncoder"),
        ("hash lower", "uuid left out"),
        ("spaced JSON", "Java URLEncoder"),
        ("sorted JSON", "encodeURIComponent"),
        ("ASCII JSON", "hash lower"),
        ("numbers as strings", "spaced JSON"),
        ("sorted JSON", "spaced JSON"),
        ("slashes in JSON", "spaced JSON"),
        ("spaced JSON", "escaped JSON"),
        ("Python JSON", "type left out"),
        ("Java, lower", "hash left out"),
        ("sign empty", "spaced JSON"),
        ("file empty", "hash lower"),
    ] {
        let (one, other) = (named(one), named(other));
        let found = kinds(&form(&sent(&params(), &signed(&params(), &[one, other]))));
        let both = found.len() == 2 && found.contains(&one.kind) && found.contains(&other.kind);
        assert!(both, "{} and {}: {found:?}", one.name, other.name);
    }
}

#[test]
fn mistakes_on_the_wire_are_named() {
    let end = format!("&app_secret={SECRET}");
    for (body, string, kind) in [
        ("park_uuid=P&car_desc=A+B%E7%B2%A4", "car_desc=A+B粤&park_uuid=P", FindingKind::PlusBecameSpace),
        ("park_uuid=P&car_desc=A%2BB", "car_desc=A B&park_uuid=P", FindingKind::SpaceBecamePlus),
        ("park_uuid=P&plate=%25E7%25B2%25A4", "park_uuid=P&plate=粤", FindingKind::DoubleEncoded),
        (
            "encoding=URL&park_uuid=P&plate=%25E7%25B2%25A4",
            "encoding=URL&park_uuid=P&plate=%e7%b2%a4",
            FindingKind::EscapeCase,
        ),
        (
            "encoding=URL&park_uuid=P&plate=%25E7%25B2%25A4",
            "encoding=URL&park_uuid=P&plate=粤",
            FindingKind::DecodedValues,
        ),
        (
            "encoding=URL&park_uuid=P&plate=%E7%B2%A4",
            "encoding=URL&park_uuid=P&plate=%25E7%25B2%25A4",
            FindingKind::EncodedOnceMore,
        ),
        (
            "leave_image=https://a/?u=1&fm=193&f=GIF&park_uuid=P",
            "leave_image=https://a/?u=1&fm=193&f=GIF&park_uuid=P",
            FindingKind::AmpersandSplit,
        ),
        ("a=1&park_uuid=P&app_type=1", "a=1&app_type=1&park_uuid=P", FindingKind::SignatureMatches),
        ("a=&b=&c=&park_uuid=P", "b=&park_uuid=P", FindingKind::EmptiesMixed),
        ("a=&b=&park_uuid=P", "a=null&b=null&park_uuid=P", FindingKind::NullForEmpty),
        ("park_uuid=P&total_value=5.0", "park_uuid=P&total_value=5", FindingKind::NumberFormat),
        ("park_uuid=P&plate=%EF%BB%BFB1", "park_uuid=P&plate=B1", FindingKind::BomInValue),
        ("park_uuid=P&plate=+B1+", "park_uuid=P&plate=B1", FindingKind::WhitespaceTrimmed),
        (
            "park_uuid=P&payment_list=[{\\\"a\\\":1}]",
            "park_uuid=P&payment_list=[{\"a\":1}]",
            FindingKind::JsonUnescaped,
        ),
        (
            "park_uuid=P&payment_list=[{\"a\":\"\\u7ca4\"}]",
            "park_uuid=P&payment_list=[{\"a\":\"粤\"}]",
            FindingKind::JsonEscapes,
        ),
        (
            "park_uuid=P&payment_list=[{\"a\":null,\"b\":1}]",
            "park_uuid=P&payment_list=[{\"b\":1}]",
            FindingKind::JsonOmissions,
        ),
        ("park_uuid=P&leave_image=a%26amp;b", "leave_image=a&b&park_uuid=P", FindingKind::HtmlEntities),
        ("park_uuid=P&payment_list=", "park_uuid=P&payment_list=[]", FindingKind::NoKnownMistake),
    ] {
        let sign = md5(format!("{string}{end}").as_bytes());
        assert_eq!(kinds(&form(&format!("{body}&sign={sign}"))), [kind], "{body}");
    }
}

#[test]
fn a_secret_sorted_among_the_keys_is_named() {
    let sign = md5(format!("api_type=1&app_secret={SECRET}&park_uuid=P").as_bytes());
    assert_eq!(kinds(&form(&format!("park_uuid=P&api_type=1&sign={sign}"))), [FindingKind::SecretSortedIn]);
}

#[test]
fn similar_mistakes_differ_by_rare_characters_and_names() {
    let text = format!("park_uuid=P&plate=粤㐀&app_secret={SECRET}");
    let gb18030 = md5(&encoding_rs::GB18030.encode(&text).0);
    assert_eq!(kinds(&form(&format!("park_uuid=P&plate=粤㐀&sign={gb18030}"))), [FindingKind::SignedInGb18030]);
    let unlined = md5(format!("a_b=7&ac=2&a_d=3&app_secret={SECRET}").as_bytes());
    assert_eq!(kinds(&form(&format!("a_d=3&ac=2&a_b=7&sign={unlined}"))), [FindingKind::OrderWithoutUnderscore]);
}

#[test]
fn a_file_that_was_signed_is_named() {
    let hash = Md5Hash([0xab; 16]);
    for value in [String::new(), hash.to_string().to_uppercase(), "12345".into()] {
        let mut builder = FormBuilder::new(FormLimits::default());
        let string = format!("leave_image_file={value}&leave_image_hash={hash}&park_uuid=P&app_secret={SECRET}");
        for (name, value) in
            [("park_uuid", "P"), ("leave_image_hash", &hash.to_string()), ("sign", &md5(string.as_bytes()))]
        {
            builder.text_part(name, value.as_bytes(), UTF_8).unwrap();
        }
        builder.file_part(UploadedFile { name: "leave_image_file".into(), md5: hash, size: 12345 }).unwrap();
        assert_eq!(kinds(&builder.build()), [FindingKind::FileSigned], "{value}");
    }
}

#[test]
fn wrong_secrets_are_named_by_their_role_only() {
    let by = |secret: &str, extra: &str| {
        let string =
            format!("{}park_uuid=P&plate=B1&app_secret={secret}", if extra.is_empty() { "" } else { "app_id=op1&" });
        form(&format!("{extra}park_uuid=P&plate=B1&sign={}", md5(string.as_bytes())))
    };
    for (extra, wanted, used, kind) in [
        ("", SecretRole::Park, SecretRole::OtherPark, FindingKind::OtherParkSecret),
        ("", SecretRole::Park, SecretRole::OtherApp, FindingKind::OtherAppSecret),
        ("", SecretRole::Park, SecretRole::App, FindingKind::AppSecretForPark),
        ("", SecretRole::Park, SecretRole::RotatedPark, FindingKind::RotatedSecret),
        ("", SecretRole::Park, SecretRole::Park, FindingKind::SignatureMatches),
        ("app_id=op1&", SecretRole::App, SecretRole::Park, FindingKind::ParkSecretForApp),
        ("app_id=op1&", SecretRole::App, SecretRole::RotatedApp, FindingKind::RotatedSecret),
    ] {
        let found = seen_by(&by(OTHER_SECRET, extra), &[(SECRET, wanted), (OTHER_SECRET, used)]).finding;
        assert_eq!(found.kinds, [kind]);
        assert_eq!(found.strings.unwrap().difference, None);
    }
    let unsorted = form(&format!(
        "plate=B1&park_uuid=P&sign={}",
        md5(format!("plate=B1&park_uuid=P&app_secret={OTHER_SECRET}").as_bytes())
    ));
    let found = seen_by(&unsorted, &[(SECRET, SecretRole::Park), (OTHER_SECRET, SecretRole::OtherPark)]).finding;
    assert_eq!(found.kinds, [FindingKind::OtherParkSecret, FindingKind::OrderAsSent]);
    let blank = form(&format!("park_uuid=P&sign={}", md5(b"park_uuid=P&app_secret=blank-after-it")));
    assert_eq!(
        seen_by(&blank, &[("blank-after-it\n", SecretRole::Park)]).finding.kinds,
        [FindingKind::SecretWhitespace]
    );
}

#[test]
fn a_sign_that_is_no_md5_is_named_without_a_search() {
    let right = md5(format!("park_uuid=P&app_secret={SECRET}").as_bytes());
    let no_zeros =
        (0..).map(|n| format!("park_uuid=P{n}&app_secret={SECRET}")).find(|s| md5(s.as_bytes()).starts_with('0'));
    let no_zeros = no_zeros.unwrap();
    let uuid = no_zeros.split_once('&').unwrap().0;
    for (body, sign, kind) in [
        ("park_uuid=P", "", FindingKind::SignMissing),
        ("park_uuid=P", "  ", FindingKind::SignMissing),
        ("park_uuid=P", "abc", FindingKind::SignNotMd5),
        ("park_uuid=P", &"zz".repeat(16), FindingKind::SignNotMd5),
        ("park_uuid=P", &"ab".repeat(8), FindingKind::SignNotMd5),
        ("park_uuid=P", &"ab".repeat(20), FindingKind::SignIsSha1),
        ("park_uuid=P", &"ab".repeat(32), FindingKind::SignIsSha256),
        ("park_uuid=P", &right[8..24], FindingKind::ShortMd5),
        (uuid, md5(no_zeros.as_bytes()).trim_start_matches('0'), FindingKind::HexZerosLost),
        ("park_uuid=P", &right, FindingKind::SignatureMatches),
    ] {
        assert_eq!(kinds(&form(&format!("{body}&sign={sign}"))), [kind], "{sign}");
    }
    assert_eq!(kinds(&form("park_uuid=P")), [FindingKind::SignMissing]);
}

#[test]
fn without_a_match_no_string_is_shown_and_the_fragile_fields_are_named() {
    let body = format!("plate=粤B1&leave_image=a%26b&car_desc=a+b&car_type=1&park_uuid=P-1&sign={}", "AB".repeat(16));
    let finding = seen_by(&form(&body), &[(SECRET, SecretRole::Park)]).finding;
    assert_eq!(finding.strings, None);
    assert_eq!(finding.suspects, ["car_desc", "leave_image", "plate"]);
    assert!(finding.zh.contains("停车场P-1") && finding.en.contains("park P-1"), "{finding:?}");
}

#[test]
fn a_secret_inside_a_value_is_masked_only_for_who_has_it() {
    let string = format!("plate=x{SECRET}y&park_uuid=P&app_secret={SECRET}");
    let body = format!("plate=x{SECRET}y&park_uuid=P&sign=");
    let strings =
        seen_by(&form(&format!("{body}{}", md5(string.as_bytes()))), &[(SECRET, SecretRole::Park)]).finding.strings;
    assert_eq!(strings.unwrap().signed, "plate=x***y&park_uuid=P&app_secret=***");
    let unproved = md5(format!("park_uuid=P&plate=x{SECRET}y").as_bytes());
    let finding = seen_by(&form(&format!("{body}{unproved}")), &[(SECRET, SecretRole::Park)]).finding;
    assert_eq!((finding.kinds, finding.strings), (vec![FindingKind::SecretMissing], None));
}

#[test]
fn a_budget_is_kept_at_every_size() {
    let form = form(&sent(&params(), &"AB".repeat(16)));
    let secret = Secret::new(SECRET);
    let candidates = [Candidate { secret: &secret, role: SecretRole::Park }; 3];
    for hashes in [0, 1, 2, 7, 100, 1000] {
        let spent = diagnose(&form, &candidates, Budget { hashes, bytes: u64::MAX });
        assert_eq!((spent.hashes_spent, spent.is_exhausted), (hashes, true));
    }
    let spent = diagnose(&form, &candidates, Budget { hashes: u32::MAX, bytes: 10_000 });
    assert!(spent.is_exhausted && spent.hashes_spent < 40);
    assert!(!diagnose(&form, &candidates[..1], Budget::default()).is_exhausted);
}

#[test]
fn right_and_random_signs_are_no_known_mistake() {
    let secret = Secret::new(SECRET);
    let mut random = random::Random(7);
    for round in 0..100_000_u32 {
        let body = random.body();
        let signed_by =
            |body: &str, secret: &Secret| sign(form(body).params().map(|param| (param.name, param.value)), secret).1;
        let (sign, kind) = match round % 6 {
            0 => (signed_by(&body, &Secret::new(random.hex(16))), FindingKind::NoKnownMistake),
            1 => (random.hex(32), FindingKind::NoKnownMistake),
            // No mistake adds a 7 to the last value.
            2 => (signed_by(&format!("{body}7"), &secret), FindingKind::NoKnownMistake),
            _ => (signed_by(&body, &secret), FindingKind::SignatureMatches),
        };
        // Most get as far as the likeliest mistakes, some through all and through pairs.
        let budget = Budget { hashes: if round % 300 < 3 { 20_000 } else { 20 }, ..Budget::default() };
        let candidates = [Candidate { secret: &secret, role: SecretRole::Park }];
        let found = diagnose(&form(&format!("{body}&sign={sign}")), &candidates, budget).finding;
        assert_eq!(found.kinds, [kind], "{body}&sign={sign}");
    }
}

#[test]
fn no_input_makes_it_panic() {
    let mut random = random::Random(11);
    for _ in 0..2_000 {
        let body = random.noise();
        let Ok(form) = Form::from_urlencoded(&body, UTF_8, FormLimits::default()) else { continue };
        let secret = Secret::new(random.hex(2));
        let candidates =
            [SecretRole::Park, SecretRole::OtherPark, SecretRole::App].map(|role| Candidate { secret: &secret, role });
        let diagnosis = diagnose(&form, &candidates, Budget { hashes: 300, bytes: 1 << 20 });
        assert!(!diagnosis.finding.kinds.is_empty());
        let _any = from_hint(&String::from_utf8_lossy(&body));
    }
}

#[test]
fn lost_text_is_named_only_where_no_mistake_matches() {
    let secret = Secret::new(SECRET);
    let of = |body: &str, string: &str| kinds(&form(&format!("{body}&sign={}", md5(string.as_bytes()))));
    let end = format!("&app_secret={SECRET}");
    // Signed as it was meant, sent as it was left.
    for (sent, meant) in [
        ("plate=%3FKKKKKK&park_uuid=P", "park_uuid=P&plate=粤KKKKKK"),
        ("car_desc=%3F%3F%3F&park_uuid=P", "car_desc=临时车&park_uuid=P"),
        ("plate=%EF%BF%BDB12345&park_uuid=P", "park_uuid=P&plate=粤B12345"),
        ("car_desc=%E6%B6%93%E5%AD%98%E6%A4%82%E6%9D%9E%3F&park_uuid=P", "car_desc=临时车&park_uuid=P"),
        ("encoding=URL&park_uuid=P&plate=%253FB1", "encoding=URL&park_uuid=P&plate=%E7%B2%A4B1"),
    ] {
        assert_eq!(of(sent, &format!("{meant}{end}")), [FindingKind::LostText], "{sent}");
    }
    let reported = form(&format!("plate=%3FKKKKKK&car_desc=%3F%3F%3F&park_uuid=P&sign={}", "AB".repeat(16)));
    let finding = seen_by(&reported, &[(SECRET, SecretRole::Park)]).finding;
    assert!(finding.zh.contains("`plate`第1个字符是`?`, `car_desc`第1个字符是`?`"), "{finding:?}");
    assert!(finding.en.contains("character 1 of `plate` is `?`") && finding.en.contains("encoding=URL"), "{finding:?}");
    assert_eq!((finding.strings, finding.suspects), (None, Vec::new()));
    // Signed right and sent misread looks as if it were signed in that charset: both are said.
    let misread = "car_desc=%E6%B6%93%E5%AD%98%E6%A4%82&park_uuid=P";
    let sign_of_meant = md5(format!("car_desc=临时&park_uuid=P{end}").as_bytes());
    let finding = seen_by(&form(&format!("{misread}&sign={sign_of_meant}")), &[(SECRET, SecretRole::Park)]).finding;
    assert_eq!(finding.kinds, [FindingKind::SignedInGbk]);
    assert!(finding.zh.contains("`car_desc`从第1个字符起是乱码") && finding.en.contains("misread"), "{finding:?}");
    // Lost and signed so: nothing is wrong with the signature.
    let lost = form("plate=%3FKKKKKK&park_uuid=P");
    let right = sign(lost.params().map(|param| (param.name, param.value)), &secret).1;
    assert_eq!(kinds(&form(&format!("plate=%3FKKKKKK&park_uuid=P&sign={right}"))), [FindingKind::SignatureMatches]);
    // Lost and signed with any other mistake: that is the cause.
    let mut params = params();
    for (name, value) in [("plate", "?X44444"), ("car_desc", "??? A")] {
        params.iter_mut().filter(|param| param.0 == name).for_each(|param| param.1 = value.into());
    }
    let mut tried = 0;
    // "URL-encoded GBK" writes the table's own plate.
    for mistake in mistakes().into_iter().filter(|mistake| mistake.name != "URL-encoded GBK") {
        let kinds = kinds(&form(&sent(&params, &signed(&params, &[&mistake]))));
        assert_eq!(kinds, [mistake.kind], "{}", mistake.name);
        tried += 1;
    }
    assert!(tried > 60, "{tried}");
}
