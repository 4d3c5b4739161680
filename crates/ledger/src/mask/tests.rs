use proptest::prelude::*;

use super::*;

#[test]
fn plates_of_any_length_and_kind_are_masked() {
    for (text, shown) in [
        ("", ""),
        ("A", "*"),
        ("AB", "A*"),
        ("AB12", "A***"),
        ("AB123", "AB*23"),
        ("粤B12345", "粤B***45"),
        ("粤BD12345", "粤B****45"),
        ("粤BF12345", "粤B****45"),
        ("粤Z1234港", "粤Z***4港"),
        ("粤Z1234澳", "粤Z***4澳"),
        ("使014578", "使0***78"),
        ("沪A1234领", "沪A***4领"),
        ("粤B1234警", "粤B***4警"),
        ("粤B·12345", "粤B****45"),
        ("无牌车", "无牌车"),
        ("未识别", "未识别"),
        ("无牌123456", "无牌****56"),
        ("未知粤B12345", "未知*****45"),
    ] {
        assert_eq!(plate(text), shown, "{text}");
    }
    assert_eq!(plate(&"x".repeat(5000)), format!("xx{}xx", "*".repeat(STARS_MAX)));
}

#[test]
fn a_letter_keeps_what_stands_on_it_and_loses_it_with_itself() {
    assert_eq!(plate("e\u{301}B12345"), "e\u{301}B***45");
    assert_eq!(plate("粤\u{e0100}B1\u{301}2345"), "粤\u{e0100}B***45");
    assert_eq!(plate("粤B1234\u{200d}5"), "粤B***4\u{200d}5");
    assert_eq!(name("é\u{301}a"), "é\u{301}*");
    // A mark with nothing before it is a letter of its own.
    assert_eq!(plate("\u{301}"), "*");
}

#[test]
fn names_keep_their_first_letter() {
    let shown_as =
        [("", ""), ("张", "*"), ("张三", "张*"), ("张三丰", "张**"), (" 李四 ", "李*"), ("John Li", "J******")];
    for (text, shown) in shown_as {
        assert_eq!(name(text), shown, "{text}");
    }
}

#[test]
fn numbers_keep_their_ends() {
    for (text, shown) in [
        ("440301199003071234", "4403**********1234"),
        ("44030119900307123X", "4403**********123X"),
        ("110101900307123", "1101*******7123"),
        ("E12345678", "E1*****78"),
        ("12345", "1***5"),
        ("1234", "****"),
        ("", ""),
    ] {
        assert_eq!(id_number(text), shown, "{text}");
    }
    for (text, shown) in [("13800138000", "138****8000"), ("83201234", "******34"), ("110", "***")] {
        assert_eq!(telephone(text), shown);
    }
}

#[test]
fn sentences_hide_parameters_and_plates() {
    let said = "签名验证不通过[idcard_no=440301199003071234&no_plate=1&park_uuid=P&plate=粤B12345&telephone=13800138000&app_secret=***]";
    let shown = "签名验证不通过[idcard_no=4403**********1234&no_plate=1&park_uuid=P&plate=粤B***45&telephone=138****8000&app_secret=***]";
    assert_eq!(Masking::All.sentence(said), shown);
    let shown = said.replace("440301199003071234", "4403**********1234");
    assert_eq!(Masking::IdData.sentence(said), shown);
    assert_eq!(Masking::Nothing.sentence(said), said);
    for (said, shown) in [
        ("plate=%E7%B2%A4B12345&x=1", "plate=***&x=1"),
        ("车辆粤B12345已在场", "车辆粤B***45已在场"),
        (r#"{"plate":"粤BD12345"}"#, r#"{"plate":"粤B****45"}"#),
        ("粤Z1234港 和 使014578", "粤Z***4港 和 使0***78"),
        ("重复的停车流水`S1`", "重复的停车流水`S1`"),
        ("京ABCDEFGHIJK1", "京ABCDEFGHIJK1"),
        ("", ""),
    ] {
        assert_eq!(Masking::All.sentence(said), shown);
    }
}

proptest! {
    /// Of a value with five letters or more the middle one is never shown, whatever it is.
    #[test]
    fn the_middle_never_shows(text in "[^*]{0,40}") {
        let shown = plate(&text);
        if !says_no_plate(&text) && letters(&text).len() >= 5 {
            prop_assert!(shown.contains('*'), "{} {}", text, shown);
            prop_assert!(shown != text);
        }
        let _ = (name(&text), id_number(&text), telephone(&text), Masking::All.sentence(&text));
    }
}
