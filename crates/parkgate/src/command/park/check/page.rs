//! The same as an HTML page, to print or to send.

use std::fmt::Write;

use parkgate_text::{lang, texts};

use super::CheckLine;
use crate::output;

const STYLE: &str = "body{font:16px/1.5 system-ui,'Noto Sans CJK SC','Microsoft YaHei',sans-serif;max-width:44rem;margin:2rem auto;\
padding:0 1rem;color:#1c2430}h1{font-size:1.4rem;margin:0}p{color:#5a6675;margin:.2rem 0 1.2rem;overflow-wrap:anywhere}\
table{border-collapse:collapse;width:100%}td{border-top:1px solid #d8dee6;padding:.5rem .6rem;vertical-align:top;overflow-wrap:anywhere}\
td:first-child{width:1.4rem;font-weight:700}td:nth-child(2){width:12rem}.ok td:first-child{color:#12733c}\
.look td:first-child{color:#b3261e}.look td{background:#fdf3f2}";

pub(super) fn html(name: &str, park_uuid: &str, (since, until): (i64, i64), lines: &[CheckLine]) -> String {
    let mut page = format!(
        "<!doctype html>\n<html lang=\"{4}\"><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width\">\
         <title>{0}</title><style>{STYLE}</style>\n<h1>{5}</h1>\n<p>{1}<br>{2} – {3}</p>\n<table>\n",
        escaped(name),
        escaped(park_uuid),
        output::time(since),
        output::time(until),
        lang().name(),
        escaped(&(texts().park_check.title)(name)),
    );
    for line in lines {
        let (class, mark) = match line.good {
            Some(true) => ("ok", "✓"),
            Some(false) => ("look", "!"),
            None => ("", ""),
        };
        // Writing into memory cannot fail.
        let _ = writeln!(
            page,
            "<tr class=\"{class}\"><td>{mark}<td>{}<td>{}",
            escaped(line.title),
            escaped(&line.text).replace('\n', "<br>")
        );
    }
    page.push_str("</table>\n</html>\n");
    page
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
