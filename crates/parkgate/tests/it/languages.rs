//! What people read is in one language at a time: the help of every command and what each one prints, once in each.

mod outputs;

use std::path::Path;
use std::process::{Command, Output};

use unicode_width::UnicodeWidthStr;

use crate::PARKGATE;

const WIDTH: usize = 80;

/// Runs the program in a language.
fn run(lang: &str, words: &[&str]) -> Output {
    let mut command = Command::new(PARKGATE);
    command.args(words).env("PARKGATE_LANG", lang).env("COLUMNS", "80");
    for variable in ["PARKGATE_CONFIG", "PARKGATE_DATA"] {
        command.env_remove(variable);
    }
    command.output().unwrap()
}

fn is_chinese(letter: char) -> bool {
    matches!(letter, '\u{3000}'..='\u{303f}' | '\u{4e00}'..='\u{9fff}' | '\u{ff00}'..='\u{ffef}')
}

fn has_chinese(text: &str) -> bool {
    text.chars().any(is_chinese)
}

/// Four English words in a row are a sentence. What stands in backticks or is a name with marks in it is none.
fn has_english_sentence(text: &str) -> bool {
    let mut in_a_row = 0;
    text.split('`').step_by(2).flat_map(|outside| outside.split_whitespace().chain(["|"])).any(|word| {
        let letters = word.trim_matches(|letter: char| ",.;:()!?".contains(letter));
        let is_word =
            !letters.is_empty() && letters.chars().all(|letter| letter.is_ascii_lowercase() || letter == '\'');
        // Names between commas are a list, not a sentence.
        in_a_row = if is_word && !word.ends_with(',') { in_a_row + 1 } else { 0 };
        in_a_row == 4
    })
}

/// What is wrong with this text in this language. `data` are texts that people or car parks gave: they stay as they are.
fn mixed(lang: &str, text: &str, data: &[&str]) -> Vec<String> {
    let is_mixed = |line: &&str| {
        let line = data.iter().fold((*line).to_owned(), |line, given| line.replace(given, ""));
        if lang == "en" { has_chinese(&line) } else { has_english_sentence(&line) }
    };
    text.lines().filter(is_mixed).map(str::to_owned).collect()
}

#[test]
fn the_checks_find_what_they_look_for() {
    assert_eq!(mixed("en", "all is well\n车位 spaces\n", &[]), ["车位 spaces"]);
    assert_eq!(mixed("en", "plate 粤B12345", &["粤B12345"]), [""; 0]);
    assert_eq!(mixed("zh", "停车场\n没有停车场 (there is no such park)", &[]), ["没有停车场 (there is no such park)"]);
    assert_eq!(mixed("zh", "见 `parkgate park list all of it` 的说明, Standard Webhooks", &[]), [""; 0]);
    assert_eq!(commands_of("X\n\nCommands:\n  one   a\n        b\n  two   c\n\nOptions:\n  -h  d\n"), ["one", "two"]);
}

/// String literals of a source, in their order.
fn literals(source: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut rest = source;
    while let Some((_, after)) = rest.split_once('"') {
        let mut escaped = false;
        let end = after.find(|letter| {
            let is_end = letter == '"' && !escaped;
            escaped = letter == '\\' && !escaped;
            is_end
        });
        let Some(end) = end else { break };
        found.push(after[..end].to_owned());
        rest = &after[end + 1..];
    }
    found
}

#[test]
fn every_text_is_in_its_language() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../text/src/texts");
    let mut count = 0;
    for file in std::fs::read_dir(folder).unwrap() {
        let path = file.unwrap().path();
        let source = std::fs::read_to_string(&path).unwrap();
        let source: String = source
            .lines()
            .filter(|line| !line.trim_start().starts_with("//"))
            .map(|line| format!("{line}\n"))
            .collect();
        let literals = literals(&source);
        assert!(literals.len().is_multiple_of(2), "{}: each text in both languages", path.display());
        for pair in literals.chunks(2) {
            count += 1;
            assert!(!has_chinese(&pair[1]), "{}: {}", path.display(), pair[1]);
            assert!(!has_english_sentence(&pair[0]), "{}: {}", path.display(), pair[0]);
        }
    }
    assert!(count > 500, "only {count}");
}

/// The commands that a page of help lists.
fn commands_of(help: &str) -> Vec<String> {
    let listed = help.lines().skip_while(|line| *line != "Commands:" && *line != "命令:").skip(1);
    let listed = listed.take_while(|line| !line.is_empty());
    let names = listed.filter_map(|line| line.strip_prefix("  ").filter(|row| !row.starts_with(' ')));
    names.filter_map(|row| row.split_whitespace().next()).filter(|name| *name != "help").map(str::to_owned).collect()
}

/// Every command with its page, as the pages themselves name them.
fn pages(lang: &str) -> Vec<(Vec<String>, String)> {
    let mut waiting: Vec<Vec<String>> = vec![Vec::new()];
    let mut found = Vec::new();
    while let Some(path) = waiting.pop() {
        let words: Vec<&str> = path.iter().map(String::as_str).chain(["--help"]).collect();
        let output = run(lang, &words);
        let page = String::from_utf8(output.stdout).unwrap();
        assert!(output.status.success() && output.stderr.is_empty(), "{path:?}");
        waiting.extend(commands_of(&page).into_iter().map(|name| [path.clone(), vec![name]].concat()));
        found.push((path, page));
    }
    found
}

/// A page without its command lines: how it is called, and examples, whose values are a car park's.
fn texts_of(page: &str) -> String {
    let mut is_example = false;
    let kept = page.lines().filter(|line| {
        let is_head = ["示例:", "Example:", "Examples:"].contains(line);
        is_example = is_head || (is_example && line.starts_with(' '));
        (!is_example || is_head) && !line.starts_with("用法:")
    });
    kept.map(|line| format!("{line}\n")).collect()
}

/// The rows of lists: what a command, an argument or a flag means, with the lines that follow it.
fn rows(page: &str) -> Vec<String> {
    let mut rows: Vec<String> = Vec::new();
    let mut is_list = false;
    for line in page.lines() {
        let indent = line.len() - line.trim_start().len();
        match (indent, rows.last_mut()) {
            (0, _) if line.is_empty() => {}
            (0, _) => is_list = ["命令:", "参数:", "选项:"].contains(&line),
            (2..=6, _) if is_list => rows.push(line.to_owned()),
            (7.., Some(row)) if is_list => row.push_str(line),
            _ => {}
        }
    }
    rows
}

#[test]
fn every_help_is_in_one_language_within_eighty_columns() {
    let both = ["zh", "en"].map(|lang| (lang, pages(lang)));
    for (lang, pages) in &both {
        assert!(pages.len() > 60, "{lang}: only {} pages", pages.len());
        for (path, page) in pages {
            let wide: Vec<&str> = page.lines().filter(|line| line.width() > WIDTH).collect();
            assert!(wide.is_empty(), "{path:?}: {wide:#?}");
            assert_eq!(mixed(lang, &texts_of(page), &[]), [""; 0], "{lang}: {path:?}");
            let is_group = !commands_of(page).is_empty();
            let heads = ["示例:", "Example:", "Examples:"];
            assert!(is_group || page.lines().any(|line| heads.contains(&line)), "{path:?} shows no example");
            if *lang == "zh" {
                assert!(has_chinese(page.lines().next().unwrap()), "{path:?}: {page}");
                let english: Vec<String> = rows(page).into_iter().filter(|row| !has_chinese(row)).collect();
                assert!(english.is_empty(), "{path:?}: {english:#?}");
            }
        }
    }
    let paths = |(_, pages): &(&str, Vec<(Vec<String>, String)>)| pages.iter().map(|(path, _)| path.clone()).collect();
    let [zh, en]: [Vec<Vec<String>>; 2] = [paths(&both[0]), paths(&both[1])];
    assert_eq!(zh, en, "the same commands in both");
}

#[test]
fn wrong_use_is_said_in_one_language() {
    for (words, named) in [
        (&["lst"][..], "`lst`"),
        (&["park", "lst"], "`list`"),
        (&["park", "list", "--jsn"], "`--json`"),
        (&["park", "add"], "--uuid <U>"),
        (&["park", "set", "U", "--http-200", "never"], "always, errors"),
        (&["park", "set", "U", "--total", "many"], "`many`"),
        (&["park", "set", "U", "--total", "-1"], "`-1`"),
        (&["park", "set", "U", "--total", "99999999999"], "`99999999999`"),
        (&["park", "check", "U", "--share", "much"], "`much`"),
        (&["park", "set", "U", "--total", "1", "--total", "2"], "--total"),
        (&["park", "set", "U", "--total"], "--total"),
        (&["subscriber", "set", "x", "--secret", "a", "--secret-file", "b"], "--secret-file"),
        (&["subscriber", "add", "--per-second", "0"], "1.."),
        (&["delivery", "retry", "x"], "`x`"),
        (&["simulate", "--through-agent", "x"], "`x`"),
        (&["--lang", "fr", "park", "list"], "zh, en"),
    ] {
        for lang in ["zh", "en"] {
            let output = run(lang, words);
            let said = String::from_utf8(output.stderr).unwrap();
            assert_eq!(output.status.code(), Some(2), "{said}");
            assert!(said.contains(named) && said.contains("--help"), "{said}");
            assert_eq!(mixed(lang, &said, &[]), [""; 0], "{words:?}");
            assert_eq!(said.starts_with("错误: "), lang == "zh", "{said}");
            assert!(output.stdout.is_empty() && said.lines().all(|line| line.width() <= WIDTH), "{said}");
        }
    }
    let bare = run("zh", &["park"]);
    assert_eq!((bare.status.code(), bare.stdout.is_empty()), (Some(2), true));
    assert!(String::from_utf8(bare.stderr).unwrap().contains("命令:\n  add "));
}

#[test]
fn the_language_is_that_of_flag_variable_or_locale() {
    let head = |flag: &[&str], variables: &[(&str, &str)]| {
        let mut command = Command::new(PARKGATE);
        for variable in ["PARKGATE_LANG", "LC_ALL", "LC_MESSAGES", "LANG"] {
            command.env_remove(variable);
        }
        let output = command.args(flag).args(["sign", "--secret", "1", "x"]).envs(variables.iter().copied()).output();
        String::from_utf8(output.unwrap().stderr).unwrap()
    };
    assert!(head(&[], &[]).starts_with("错误: "));
    assert!(head(&[], &[("LANG", "en_US.UTF-8")]).starts_with("error: "));
    assert!(head(&[], &[("LANG", "en_US.UTF-8"), ("PARKGATE_LANG", "zh")]).starts_with("错误: "));
    assert!(head(&["--lang", "en"], &[("PARKGATE_LANG", "zh")]).starts_with("error: "));
    let said = head(&[], &[("PARKGATE_LANG", "xx"), ("LANG", "en_US.UTF-8")]);
    assert!(said.starts_with("PARKGATE_LANG=xx: ") && said.contains("\nerror: "), "an unknown one is said: {said}");
    assert!(!Path::new("parkgate-data").exists());
}
