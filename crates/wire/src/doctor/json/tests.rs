//! What each library writes.

use super::*;

fn written(text: &str, edits: &[JsonEdit]) -> String {
    Json::read(text).unwrap().written(edits.iter().copied())
}

#[test]
fn each_edit_writes_what_its_library_writes() {
    let text = r#"[{"b":"粤/1","a":500,"n":null}]"#;
    for (edit, expected) in [
        (JsonEdit::Compact, text),
        (JsonEdit::Spaced, r#"[{"b": "粤/1", "a": 500, "n": null}]"#),
        (JsonEdit::Sorted, r#"[{"a":500,"b":"粤/1","n":null}]"#),
        (JsonEdit::Ascii, r#"[{"b":"\u7ca4/1","a":500,"n":null}]"#),
        (JsonEdit::AsciiUpper, r#"[{"b":"\u7CA4/1","a":500,"n":null}]"#),
        (JsonEdit::Slashes, r#"[{"b":"粤\/1","a":500,"n":null}]"#),
        (JsonEdit::NumbersAsStrings, r#"[{"b":"粤/1","a":"500","n":null}]"#),
        (JsonEdit::WithoutNulls, r#"[{"b":"粤/1","a":500}]"#),
        (JsonEdit::Python, r#"[{"b": "\u7ca4/1", "a": 500, "n": null}]"#),
        (JsonEdit::Php, r#"[{"b":"\u7ca4\/1","a":500,"n":null}]"#),
        (JsonEdit::JavaText, "[{b=粤/1, a=500, n=null}]"),
        (JsonEdit::PythonText, "[{'b': '粤/1', 'a': 500, 'n': None}]"),
        (JsonEdit::Pretty(2), "[\n  {\n    \"b\": \"粤/1\",\n    \"a\": 500,\n    \"n\": null\n  }\n]"),
    ] {
        assert_eq!(written(text, &[edit]), expected, "{edit:?}");
    }
}

#[test]
fn an_edit_keeps_the_style_sent_otherwise() {
    assert_eq!(written(r#"{"b": "\u7ca4", "a": 1}"#, &[JsonEdit::Sorted]), r#"{"a": 1, "b": "\u7ca4"}"#);
    assert_eq!(written(r#"{"b": "\u7ca4"}"#, &[JsonEdit::Unicode]), r#"{"b": "粤"}"#);
}

#[test]
fn escaping_and_unescaping_are_inverse() {
    let text = r#"[{"a":"1"}]"#;
    assert_eq!(unescaped(&written(text, &[JsonEdit::Escaped])).as_deref(), Some(text));
    assert_eq!(unescaped(text), None);
    assert!(Json::read("500").is_none() && Json::read("[").is_none());
}
