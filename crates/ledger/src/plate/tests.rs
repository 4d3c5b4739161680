use proptest::prelude::*;

use super::*;

fn normal(text: &str) -> Option<String> {
    NormalPlate::of(text).map(|plate| plate.as_str().to_owned())
}

#[test]
fn writings_of_one_plate_have_one_normal_form() {
    let same: &[&[&str]] = &[
        &["粤B12345", "粤B·12345", "粤B•12345", "粤b12345", " 粤B 12345 ", "粤Ｂ１２３４５", "粵B-12345", "粤B●12345"],
        &[
            "粤B12345",
            "粤BI2345",
            "粤bi2345",
            "粤BＩ2345",
            "粤B.12345",
            "粤B．12345",
            "粤B\u{3000}12345",
            "\u{feff}粤B12345",
        ],
        &["粤BD1O345", "粤BD10345", "粤B·D10345"],
        // The letter of a city, which cameras take for a zero.
        &["京O12345", "京012345", "京Ｏ12345"],
        &["粤Z1234港", "粤Z·1234港", "粵z1234港"],
        &["粤B1234学", "粵B1234學"],
        &["AB 1234", "ab1234", "AB-1234"],
    ];
    for writings in same {
        let first = normal(writings[0]).unwrap();
        for writing in *writings {
            assert_eq!(normal(writing).as_deref(), Some(first.as_str()), "{writing}");
        }
    }
}

#[test]
fn every_form_of_plate_is_read_and_none_is_taken_for_another() {
    let plates = [
        "粤B12345",
        "粤B12346",
        "粤A12345",
        "鄂B12345",
        // New energy, small and large.
        "粤BD12345",
        "粤BF12345",
        "粤B12345D",
        "粤B12345F",
        "粤Z1234港",
        "粤Z1234澳",
        "粤B1234学",
        "粤B1234警",
        "粤B1234挂",
        "粤B1234领",
        "粤B1234超",
        "粤B1234试",
        "使224001",
        "沪A0023领",
        "WJ粤1234X",
        "WJ1912345",
        "军A12345",
        "VA12345",
        "民航A1234",
        "黑A12345",
        // Electric bicycles.
        "深圳A12345",
        "无锡A12345",
        "无锡123456",
        "东莞12345",
        // Hong Kong, Macau and abroad: all four letters are real.
        "AB1234",
        "MO1234",
        "M01234",
        "IO10",
        "1010",
        "A1",
        "LOVEU",
        "А123ВС77",
    ];
    let mut seen = std::collections::BTreeMap::new();
    for plate in plates {
        let normal = normal(plate).unwrap_or_else(|| panic!("{plate} is a plate"));
        assert_eq!(seen.insert(normal, plate), None, "{plate}");
    }
}

#[test]
fn what_is_no_plate_has_no_normal_form() {
    for text in [
        "",
        " ",
        "·",
        "无牌车",
        "无牌",
        "無牌車",
        "无牌123",
        "无牌车001",
        "未识别",
        "未 识 别",
        "未知",
        "无车牌",
        "车牌识别失败",
        "车牌",
        "粤B",
        "蓝牌",
        "?",
        "粤B12?45",
        "粤B12？45",
        "粤B***45",
        "粤B1\u{fffd}345",
        "unknown",
        "NoPlate",
        "no plate",
        "None",
        "N/A",
        "0",
        "000000",
        "00000000",
        "京000000",
        "粤B12345,粤B12346",
        "粤B'12345",
        "(粤B12345)",
        "粤B12345\u{0}",
    ] {
        assert_eq!(normal(text), None, "{text:?}");
    }
}

#[test]
fn a_plate_has_so_many_characters_and_no_more() {
    let longest = "A".repeat(PLATE_CHARS_MAX);
    assert_eq!(normal(&longest), Some(longest.clone()));
    assert_eq!(normal(&format!("{longest}·  ·")), Some(longest.clone()), "what does not count is not counted");
    assert_eq!(normal(&format!("{longest}A")), None);
    assert_eq!(normal(&"粤B12345".repeat(10_000)), None);
}

proptest! {
    #[test]
    fn a_normal_form_is_its_own(text in "\\PC{0,20}") {
        if let Some(plate) = NormalPlate::of(&text) {
            prop_assert_eq!(NormalPlate::of(plate.as_str()), Some(plate.clone()));
            prop_assert!(plate.as_str().chars().count() <= PLATE_CHARS_MAX);
        }
    }

    /// Of mainland plates no two different ones are equal, however many characters are alike.
    #[test]
    fn mainland_plates_stay_apart(
        one in "[京粤沪浙川][A-HJ-NP-Z][0-9A-HJ-NP-Z]{4,5}[0-9]",
        other in "[京粤沪浙川][A-HJ-NP-Z][0-9A-HJ-NP-Z]{4,5}[0-9]",
    ) {
        prop_assert_eq!(NormalPlate::of(&one) == NormalPlate::of(&other), one == other);
    }

    #[test]
    fn separators_case_and_width_make_no_difference(
        plate in "[京粤沪浙川][A-Z][0-9A-HJ-NP-Z]{4,5}[0-9]",
        at in 0_usize..9,
        separator in prop::sample::select(vec![" ", "·", ".", "-", "　", "．", "\t"]),
        is_wide in any::<bool>(),
    ) {
        let wide = |letter: char| match letter {
            '!'..='~' if is_wide => char::from_u32(u32::from(letter) + 0xfee0).unwrap(),
            letter => letter.to_ascii_lowercase(),
        };
        let mut written: Vec<String> = plate.chars().map(|letter| wide(letter).to_string()).collect();
        written.insert(at.min(written.len()), separator.to_owned());
        prop_assert_eq!(NormalPlate::of(&written.concat()), NormalPlate::of(&plate));
    }
}

#[test]
fn a_text_holds_a_plate_however_it_is_written() {
    let plate = NormalPlate::of("粤B12345").unwrap();
    for text in ["粤B12345", "x粤b·12345-7", "http://x/粤Ｂ１２３４５.jpg", "車牌 粵B I2345"] {
        assert!(holds_plate(text, &plate), "{text}");
    }
    for text in ["", "B12345", "粤B1234", "粤B 1234 6"] {
        assert!(!holds_plate(text, &plate), "{text}");
    }
}
