use encoding_rs::GBK;
use rust_xlsxwriter::{Format, Formula, Workbook};

use super::*;

const KNOWN: &[NamedColumn] = &[
    NamedColumn { key: "uuid", names: &["停车场编号"], is_required: true },
    NamedColumn { key: "name", names: &["名称"], is_required: true },
    NamedColumn { key: "total", names: &["总车位"], is_required: false },
];

/// Line, uuid, name and total of each row.
fn read(bytes: &[u8]) -> Vec<(u64, String, String, String)> {
    let table = table_of(bytes, KNOWN).unwrap();
    let value = |row: &SpreadsheetRow, key| table.value(row, key).to_owned();
    table.rows.iter().map(|row| (row.line, value(row, "uuid"), value(row, "name"), value(row, "total"))).collect()
}

fn row(line: u64, uuid: &str, name: &str, total: &str) -> (u64, String, String, String) {
    (line, uuid.to_owned(), name.to_owned(), total.to_owned())
}

#[test]
fn csv_is_read_in_whatever_charset_and_with_whatever_mark_between_columns() {
    let text = "停车场编号,名称,总车位\r\n0001,东门,10\r\n,,\r\nP2,\"a,b;c\",\r\n";
    let utf16: Vec<u8> = "\u{feff}".encode_utf16().chain(text.encode_utf16()).flat_map(u16::to_be_bytes).collect();
    let expected = [row(2, "0001", "东门", "10"), row(4, "P2", "a,b;c", "")];
    for bytes in
        [text.as_bytes().to_vec(), format!("\u{feff}{text}").into_bytes(), GBK.encode(text).0.into_owned(), utf16]
    {
        assert_eq!(read(&bytes), expected, "{}", String::from_utf8_lossy(&bytes));
    }
    for mark in ["\t", ";"] {
        let text = ["名称", "总车位", "uuid"].join(mark) + "\n" + &["东门", "3", "P1"].join(mark) + "\n";
        assert_eq!(read(text.as_bytes()), [row(2, "P1", "东门", "3")]);
    }
    assert_eq!(read("uuid,name\n20210628000000000001\t,'=1\n".as_bytes()), [row(2, "20210628000000000001", "=1", "")]);
}

#[test]
fn a_title_may_stand_above_the_header_and_other_columns_are_named() {
    let table = table_of("停车场清单,,\n\n编制: 张三\nuuid,备注,名称\nP1,x,东门\n".as_bytes(), KNOWN).unwrap();
    assert_eq!((table.rows.len(), table.rows[0].line), (1, 5));
    assert_eq!(table.passed_over, ["备注"]);
    let twice = table_of("uuid,名称,停车场编号\n".as_bytes(), KNOWN).unwrap_err();
    assert!(twice.contains('1') && twice.contains("uuid"), "{twice}");
    let none = table_of("a,b\nP1,x\n".as_bytes(), KNOWN).unwrap_err();
    assert!(none.contains("停车场编号,名称"), "{none}");
}

/// A workbook, written by `fill`.
fn workbook(fill: impl FnOnce(&mut Workbook)) -> Vec<u8> {
    let mut workbook = Workbook::new();
    fill(&mut workbook);
    workbook.save_to_buffer().unwrap()
}

#[test]
fn a_workbook_is_read_as_it_was_typed_and_what_is_spoilt_is_named() {
    let bytes = workbook(|workbook| {
        workbook.add_worksheet().set_name("说明").unwrap().write(0, 0, "请填写").unwrap();
        let sheet = workbook.add_worksheet().set_name("清单").unwrap();
        sheet.merge_range(0, 0, 0, 2, "停车场清单", &Format::new()).unwrap();
        for (place, title) in (0..).zip(["uuid", "名称", "总车位"]) {
            sheet.write(1, place, title).unwrap();
        }
        sheet.write(2, 0, "P1").unwrap().write(2, 1, "东门").unwrap().write(2, 2, 100).unwrap();
        // Row 4 is empty.
        sheet.write(4, 0, 20_210_628_001.0).unwrap().write(4, 1, "数字").unwrap().write(4, 2, 12.5).unwrap();
        sheet.write(5, 0, 1e20).unwrap().write(5, 1, "坏").unwrap();
        sheet.write(6, 0, "P4").unwrap().write(6, 1, Formula::new("=1+1").set_result("公式")).unwrap();
        let date = Format::new().set_num_format("yyyy-mm-dd");
        sheet.write(8, 0, "P6").unwrap().write_with_format(8, 1, 45_000.0, &date).unwrap();
    });
    let table = table_of(&bytes, KNOWN).unwrap();
    let read = read(&bytes);
    assert_eq!(read[0], row(3, "P1", "东门", "100"));
    assert_eq!(read[1], row(5, "20210628001", "数字", "12.5"));
    assert_eq!(read[3], row(7, "P4", "公式", ""));
    let spoilt: Vec<(u64, Vec<String>)> =
        table.rows.iter().map(|row| (row.line, table.spoilt(row))).filter(|(_, spoilt)| !spoilt.is_empty()).collect();
    assert_eq!(spoilt.iter().map(|(line, _)| *line).collect::<Vec<_>>(), [6, 9], "{spoilt:?}");
    assert!(spoilt[0].1[0].contains("1.0E20") && spoilt[1].1[0].contains("日期"));
}

#[test]
fn of_several_sheets_one_has_the_list() {
    let with = |second: bool| {
        workbook(|workbook| {
            for (name, has_rows) in [("一", true), ("二", second)] {
                let sheet = workbook.add_worksheet().set_name(name).unwrap();
                sheet.write(0, 0, "uuid").unwrap().write(0, 1, "name").unwrap();
                if has_rows {
                    sheet.write(1, 0, name).unwrap();
                }
            }
        })
    };
    assert_eq!(read(&with(false)), [row(2, "一", "", "")]);
    let wrong = table_of(&with(true), KNOWN).unwrap_err();
    assert!(wrong.contains("一, 二"), "{wrong}");
}

#[test]
fn what_is_no_table_is_refused() {
    for bytes in [&b""[..], b"\n\n", b"PK\x03\x04rest", b"\xd0\xcf\x11\xe0", b"\xff\xff\xff", b"uuid\nP1\n"] {
        assert!(table_of(bytes, KNOWN).is_err(), "{}", String::from_utf8_lossy(bytes));
    }
}
