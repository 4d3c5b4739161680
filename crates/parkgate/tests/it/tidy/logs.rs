//! `docs/logs.md` names every line that somebody must act on, and none that is logged no more.

use std::collections::BTreeSet;

use super::{read, root, sources};

/// What every `error!` line says: the last text of its arguments.
fn errors_in(source: &str) -> BTreeSet<String> {
    let calls = source.split("tracing::error!(").skip(1);
    let said = calls.filter_map(|call| {
        let (mut depth, mut quoted, mut text, mut last) = (1, false, String::new(), None);
        let mut letters = call.chars();
        while let Some(letter) = letters.next() {
            match letter {
                '\\' if quoted => text.extend(letters.next()),
                '"' if quoted => {
                    quoted = false;
                    last = Some(std::mem::take(&mut text));
                }
                '"' => quoted = true,
                letter if quoted => text.push(letter),
                '(' => depth += 1,
                ')' => depth -= 1,
                _ => {}
            }
            if depth == 0 {
                break;
            }
        }
        last
    });
    said.collect()
}

#[test]
fn the_document_names_every_line_that_somebody_must_act_on() {
    let mut found = Vec::new();
    for name in ["agent", "client", "gate", "intake", "log", "parkgate", "seal", "store", "web"] {
        sources(&root().join("crates").join(name).join("src"), &mut found);
    }
    let said: BTreeSet<String> =
        found.iter().flat_map(|path| errors_in(&std::fs::read_to_string(path).unwrap())).collect();
    assert!(said.len() > 40, "{said:?}");
    let docs = read("docs/logs.md");
    let cell = |line: &str| Some(line.strip_prefix("| `")?.split("` |").next()?.to_owned());
    let named: BTreeSet<String> = docs.lines().filter_map(cell).collect();
    let missing: Vec<_> = said.difference(&named).collect();
    assert!(missing.is_empty(), "docs/logs.md lacks these lines, with what to do: {missing:#?}");
    let gone: Vec<_> = named.difference(&said).collect();
    assert!(gone.is_empty(), "docs/logs.md names what is logged no more: {gone:#?}");
}
