use encoding_rs::GBK;

use super::*;
use crate::spreadsheet::table_of;

fn read(bytes: &[u8]) -> Result<Vec<ListedPlate>, Vec<String>> {
    plates_of(&table_of(bytes, COLUMNS).map_err(|wrong| vec![wrong])?)
}

fn listed(bytes: &[u8]) -> Vec<(String, &'static str, Option<String>)> {
    let plates = read(bytes).unwrap();
    plates.into_iter().map(|entry| (entry.plate, entry.list.name(), entry.note)).collect()
}

fn wrong(text: &str) -> Vec<String> {
    read(text.as_bytes()).unwrap_err()
}

#[test]
fn a_spreadsheets_file_is_read_in_whatever_charset_it_was_saved() {
    let text = "车牌,名单,备注\r\n粤B12345,白名单,业主\r\n粤B·88888,黑名单,\"欠费, 两次\"\r\n";
    let expected = vec![
        ("粤B12345".to_owned(), "allow", Some("业主".to_owned())),
        ("粤B·88888".to_owned(), "deny", Some("欠费, 两次".to_owned())),
    ];
    let utf16: Vec<u8> = "\u{feff}".encode_utf16().chain(text.encode_utf16()).flat_map(u16::to_le_bytes).collect();
    for bytes in [
        text.as_bytes().to_vec(),
        format!("\u{feff}{text}").into_bytes(),
        GBK.encode(text).0.into_owned(),
        utf16,
        text.replace("\r\n", "\n").into_bytes(),
        text.replace("\r\n", "\r").into_bytes(),
        text.trim_end().as_bytes().to_vec(),
        text.replace("\r\n", "\r\n\r\n,,\r\n").into_bytes(),
    ] {
        assert_eq!(listed(&bytes), expected, "{}", String::from_utf8_lossy(&bytes));
    }
}

#[test]
fn columns_are_found_by_their_names() {
    for (text, note) in [
        ("plate,list,note\n粤B1,allow,x\n", Some("x")),
        ("Plate,List\n粤B1,ALLOW\n", None),
        ("备注;电话;名单;车牌号\nx;138;白名单;粤B1\n", Some("x")),
        ("list\tnote\tplate\nwhite\t\t粤B1\n", None),
        ("\n\nplate,list,note\n粤B1,允许\n", None),
    ] {
        assert_eq!(listed(text.as_bytes()), [("粤B1".to_owned(), "allow", note.map(str::to_owned))], "{text}");
    }
    for text in ["粤B1,allow\n", "plate,note\n粤B1,x\n", "车牌\n粤B1\n"] {
        assert!(wrong(text)[0].contains("车牌,名单"), "{text}");
    }
}

#[test]
fn every_wrong_line_is_named_with_its_reason() {
    let text = "车牌,名单,备注\n粤B12345,白名单,\n,白名单,x\n粤B12346,灰名单,\n无牌车,黑名单,\n\n\"粤B12347\",黑名单,\"a\nb\"\n粤B·12345,黑名单,\n粤B12348\n粤b12345,白名单,\n";
    let wrong = wrong(text);
    let expected = [
        ("第 3 行: ", "没有车牌"),
        ("第 4 行: ", "灰名单"),
        ("第 5 行: ", "无牌车"),
        ("第 9 行: ", "与第 2 行是同一车牌, 名单不同"),
        ("第 10 行: ", "白名单 或 黑名单"),
    ];
    assert_eq!(wrong.len(), expected.len(), "{wrong:#?}");
    for (wrong, (line, reason)) in wrong.iter().zip(expected) {
        assert!(wrong.starts_with(line) && wrong.contains(reason), "{wrong}");
    }
}

#[test]
fn what_is_no_list_is_refused_with_what_to_do() {
    for (bytes, expected) in [
        (&b""[..], "文件是空的"),
        (b"\xef\xbb\xbf", "文件是空的"),
        (b"\n\n", "文件是空的"),
        (b"plate,list\n", "文件中没有车牌"),
        (b"plate,list\n,\n", "文件中没有车牌"),
        (b"PK\x03\x04rest", "XLSX"),
        (b"\xd0\xcf\x11\xe0rest", ".xlsx"),
        (b"plate,list\n\xff\xff\xff,allow\n", "第 2 行"),
        (b"\xef\xbb\xbfplate,list\n\xff,allow\n", "不是 UTF-8 或 GBK"),
        (b"\xff\xfep\x00\x00\xd8", "不是 UTF-8 或 GBK"),
    ] {
        let wrong = read(bytes).unwrap_err();
        assert!(wrong.len() == 1 && wrong[0].contains(expected), "{wrong:?}");
    }
}

#[test]
fn one_plate_may_be_written_twice_on_one_list() {
    let twice = "plate,list,note\n粤B12345,deny,x\n粤B·12345,deny,y\n";
    assert_eq!(read(twice.as_bytes()).unwrap().len(), 2, "the last one counts");
}
