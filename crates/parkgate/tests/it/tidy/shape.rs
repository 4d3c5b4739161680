//! The shape of the sources: short files and functions, type names that are unique over the workspace, and no circles of
//! files within a crate.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use super::source::{code, without_tests, workspace};

const FILE_LINES_MAX: usize = 500;
const FUNCTION_LINES_MAX: usize = 60;

/// Functions of a source with their number of lines, from `fn` to the closing brace of the same indentation.
fn functions(text: &str) -> Vec<(String, usize)> {
    let lines: Vec<&str> = text.lines().collect();
    let mut found = Vec::new();
    for (start, line) in lines.iter().enumerate() {
        let indent = line.len() - line.trim_start().len();
        let Some(name) = function_name(line.trim_start()) else { continue };
        let body = lines.iter().skip(start);
        let end = body.clone().position(|other| {
            let own = other.len() - other.trim_start().len();
            own == indent && (other.trim_end().ends_with('}') || other.trim_end().ends_with(';'))
        });
        found.push((name, end.map_or(1, |end| end + 1)));
    }
    found
}

/// The name of the function that a line declares.
fn function_name(line: &str) -> Option<String> {
    let modifiers = ["pub", "async", "const", "unsafe"];
    let mut words = line.split_whitespace().skip_while(|word| modifiers.contains(word) || word.starts_with("pub("));
    if words.next()? != "fn" {
        return None;
    }
    words.next()?.split(['(', '<']).next().map(str::to_owned)
}

/// Names of the types that a source declares at its top level or in a module of it, associated types left out.
fn types(text: &str) -> Vec<String> {
    let declares = |line: &str| {
        let is_inner = line.starts_with(' ');
        let mut words = line.split_whitespace().skip_while(|word| *word == "pub" || word.starts_with("pub("));
        let keyword = words.next()?;
        let is_type = ["struct", "enum", "trait", "union"].contains(&keyword) || keyword == "type" && !is_inner;
        let name = words.next().filter(|_| is_type)?;
        let name = name.split(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_').next()?;
        name.starts_with(|letter: char| letter.is_ascii_uppercase()).then(|| name.to_owned())
    };
    text.lines().filter_map(declares).collect()
}

/// Type names with the files that declare them, where there is more than one.
fn repeated_types<'a>(sources: impl Iterator<Item = (&'a str, &'a str)>) -> BTreeMap<String, Vec<&'a str>> {
    let mut places: BTreeMap<String, Vec<&str>> = BTreeMap::new();
    for (path, text) in sources {
        for name in types(&code(without_tests(text))) {
            places.entry(name).or_default().push(path);
        }
    }
    places.retain(|_, paths| paths.len() > 1);
    places
}

/// Which modules each module of a crate names, by `crate::…`, `self::…`, `super::…` and its own children's names. A module
/// is named by its path below `src`: `""` for `lib.rs`, `a::b` for `a/b.rs`.
fn uses(modules: &BTreeMap<String, &str>) -> BTreeMap<String, BTreeSet<String>> {
    let mut uses: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for (module, text) in modules {
        let text = code(without_tests(text));
        let own: Vec<&str> = module.split("::").filter(|part| !part.is_empty()).collect();
        for path in paths(&text) {
            let Some(full) = absolute(&own, &path, modules) else { continue };
            let used = longest(&full, modules);
            // A parent that names its children is no circle: they are parts of it.
            let is_child = module.is_empty() || used.starts_with(&format!("{module}::"));
            if used != *module && !is_child {
                uses.entry(module.clone()).or_default().insert(used);
            }
        }
    }
    uses
}

/// A path from the crate's root; `None` if it is of another crate.
fn absolute(own: &[&str], path: &str, modules: &BTreeMap<String, &str>) -> Option<Vec<String>> {
    let mut parts = path.split("::").map(str::to_owned).collect::<Vec<String>>();
    let mut base: Vec<String> = own.iter().map(|part| (*part).to_owned()).collect();
    match parts.first()?.as_str() {
        "crate" => return Some(parts.split_off(1)),
        "self" => parts = parts.split_off(1),
        "super" => {
            while parts.first().is_some_and(|part| part == "super") {
                base.pop();
                parts = parts.split_off(1);
            }
        }
        child => {
            let child = base.iter().map(String::as_str).chain([child]).collect::<Vec<&str>>().join("::");
            modules.get(&child)?;
        }
    }
    base.extend(parts);
    Some(base)
}

/// The innermost module that a path leads through.
fn longest(path: &[String], modules: &BTreeMap<String, &str>) -> String {
    let prefixes = (0..=path.len()).rev().map(|length| path[..length].join("::"));
    prefixes.into_iter().find(|prefix| modules.contains_key(prefix)).unwrap_or_default()
}

/// Every path of a source: those of `use`, braces expanded, and those in its code.
fn paths(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    for statement in text.split(';') {
        if let Some((_, tree)) = statement.rsplit_once("use ") {
            let tree: String = tree.split_whitespace().collect::<Vec<&str>>().join("");
            expand("", &tree, &mut found);
        }
    }
    let is_of_path = |letter: char| letter.is_ascii_alphanumeric() || letter == '_' || letter == ':';
    found.extend(text.split(|letter| !is_of_path(letter)).filter(|word| word.contains("::")).map(str::to_owned));
    found
}

fn expand(prefix: &str, tree: &str, found: &mut Vec<String>) {
    let Some((before, group)) = tree.split_once('{') else {
        found.push(format!("{prefix}{tree}"));
        return;
    };
    let group = group.strip_suffix('}').unwrap_or(group);
    let (mut depth, mut start) = (0, 0);
    for (at, letter) in group.char_indices().chain([(group.len(), ',')]) {
        match letter {
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 0 => {
                expand(&format!("{prefix}{before}"), &group[start..at], found);
                start = at + 1;
            }
            _ => {}
        }
    }
}

/// Groups of modules each of which leads to the others.
fn circles(uses: &BTreeMap<String, BTreeSet<String>>) -> Vec<BTreeSet<String>> {
    let reach = |from: &String| {
        let (mut seen, mut open) = (BTreeSet::new(), vec![from.clone()]);
        while let Some(module) = open.pop() {
            for next in uses.get(&module).into_iter().flatten() {
                if seen.insert(next.clone()) {
                    open.push(next.clone());
                }
            }
        }
        seen
    };
    let reached: BTreeMap<&String, BTreeSet<String>> = uses.keys().map(|module| (module, reach(module))).collect();
    let mut found = BTreeSet::new();
    for (module, ahead) in &reached {
        if ahead.contains(*module) {
            let back = |other: &&String| reached.get(other).is_some_and(|ahead| ahead.contains(*module));
            found.insert(ahead.iter().filter(back).cloned().collect::<BTreeSet<String>>());
        }
    }
    found.into_iter().collect()
}

#[test]
fn files_are_short() {
    for source in &workspace() {
        let lines = source.text.lines().count();
        assert!(lines <= FILE_LINES_MAX, "{} has {lines} lines", source.path);
    }
}

#[test]
fn functions_fit_a_screen() {
    let (mut all, mut long) = (0, Vec::new());
    for source in workspace().iter().filter(|source| !source.is_test()) {
        for (name, lines) in functions(without_tests(&source.text)) {
            all += 1;
            if lines > FUNCTION_LINES_MAX {
                long.push(format!("{}: {name} has {lines} lines", source.path));
            }
        }
    }
    assert!(all > 500, "{all} functions: the check finds too few");
    assert_eq!(long, Vec::<String>::new());
    let text = format!(
        "fn short() {{}}\n    pub(crate) async fn long<T>(t: T) -> u8 {{\n{}        0\n    }}\n",
        "\n".repeat(70)
    );
    assert_eq!(functions(&text), [("short".to_owned(), 1), ("long".to_owned(), 73)]);
}

#[test]
fn type_names_are_unique_over_the_workspace() {
    let sources = workspace();
    let of_crates = sources.iter().filter(|source| !source.is_test());
    let repeated = repeated_types(of_crates.map(|source| (source.path.as_str(), source.text.as_str())));
    assert!(repeated.is_empty(), "{repeated:#?}");
    let made_up = [
        ("a.rs", "pub struct Visit;\n"),
        ("b.rs", "    pub(crate) enum Visit {}\n#[cfg(test)]\nmod tests {\nstruct Own;"),
    ];
    assert_eq!(repeated_types(made_up.into_iter()).keys().collect::<Vec<_>>(), ["Visit"]);
    let impls = "impl Iterator for A {\n    type Item = u8;\n}\n// struct Gone\nstruct A<T>(T);\n";
    assert_eq!(types(&code(impls)), ["A"]);
}

#[test]
fn no_files_of_a_crate_need_each_other() {
    let sources = workspace();
    let mut crates: BTreeMap<&str, BTreeMap<String, &str>> = BTreeMap::new();
    for source in sources.iter().filter(|source| !source.is_test()) {
        let Some(module) = source.module() else { continue };
        crates.entry(source.krate.as_str()).or_default().insert(module, source.text.as_str());
    }
    assert!(crates.len() > 5 && crates.values().any(|modules| !uses(modules).is_empty()), "the check finds nothing");
    for (name, modules) in &crates {
        assert_eq!(circles(&uses(modules)), Vec::<BTreeSet<String>>::new(), "crates/{name}");
    }
    let made_up = |b: &'static str| {
        let parent = "mod part;\npub use part::Part;\n";
        let modules = [("", "mod a; mod b;"), ("a", "use crate::{b::{B, C}, Other};"), ("b", b), ("p", parent)];
        let mut modules: BTreeMap<String, &str> = modules.map(|(name, text)| (name.to_owned(), text)).into();
        modules.insert("p::part".to_owned(), "use super::P;");
        circles(&uses(&modules))
    };
    assert_eq!(made_up("use std::fmt;").len(), 0);
    assert_eq!(made_up("fn b() { crate::a::go() }"), [BTreeSet::from(["a".to_owned(), "b".to_owned()])]);
    assert_eq!(made_up("// crate::a is named in a comment only\n#[cfg(test)]\nmod tests {\nuse crate::a;").len(), 0);
}

#[test]
fn files_are_named_after_what_they_do() {
    let sources = workspace();
    assert!(sources.len() > 50, "{} files: looked in the wrong place", sources.len());
    for source in &sources {
        let stem = Path::new(&source.path).file_stem().unwrap().to_str().unwrap();
        let banned = ["util", "utils", "common", "helper", "helpers", "manager", "misc"];
        assert!(!banned.contains(&stem), "{}: name it after what it does", source.path);
        assert_ne!(stem, "mod", "{}: write name.rs beside name/", source.path);
    }
}
