//! One word for one thing: words that the vocabulary (ARCHITECTURE.md, "Words") replaces by others are not written, neither
//! in names, comments and messages nor in documents.

use super::source::workspace;
use super::{read, root};

/// Words that begin so, and what to say. Whole words of names count: `is_judged` and `judgeAnew` are found, `Setting` is not.
const BANNED: [(&str, &str); 18] = [
    ("judge", "admit (checks before recording), classify (a reply), decide (a batch)"),
    ("judging", "admit, classify or decide"),
    ("heard", "received"),
    ("told", "received, reported, delivered"),
    ("tell", "report, deliver, name"),
    ("resplit", "ambiguity"),
    ("numbering", "epoch"),
    ("shelf", "backend"),
    ("shelves", "backends"),
    ("stripped", "redact"),
    ("stripping", "redact"),
    ("strips", "redact"),
    ("follower", "projection"),
    ("derived tables", "projection"),
    ("cut anew", "read in two ways (ambiguity)"),
    ("set aside", "quarantine"),
    ("sets aside", "quarantine"),
    ("cut by months", "partition"),
];

/// What has to be written all the same: names that programs outside rely on, and ordinary English.
const ALLOWED: [&str; 17] = [
    // Keys of `delivery show --json` and `agent check --json`.
    "\"told\"",
    // A key of `agent status --json`.
    "\"told_at\"",
    // The former name of `month redact`, which scripts use.
    "alias = \"strip\"",
    // Columns of the tables `moving`, `deliveries` and `months`.
    "SELECT told FROM moving",
    "SELECT what, told FROM moving",
    "INTO moving (what, told)",
    "SET told = excluded.told",
    "d.told",
    "told = n.told",
    "$8 text told",
    "stripped_at",
    // Ordinary English.
    "told apart",
    "tell apart",
    "tells apart",
    "to tell them apart",
    "cannot be told from",
    "told from",
];

/// The banned words of a text, each with its line.
fn banned_words(text: &str) -> Vec<(usize, &'static str)> {
    let mut found = Vec::new();
    for (number, line) in text.lines().enumerate() {
        let line = ALLOWED.iter().fold(line.to_owned(), |line, allowed| line.replace(allowed, " "));
        let words = spaced(&line);
        for (banned, _) in BANNED {
            if words.match_indices(banned).any(|(at, _)| is_word(&words, at, banned)) {
                found.push((number + 1, banned));
            }
        }
    }
    found
}

/// Is it a word of its own, or one with an ending (`judged`, `tells`, `followers`)?
fn is_word(words: &str, at: usize, banned: &str) -> bool {
    let rest: String = words[at + banned.len()..].chars().take_while(char::is_ascii_lowercase).collect();
    let endings = ["", "s", "d", "r", "rs", "ment", "ments"];
    !words[..at].ends_with(|letter: char| letter.is_ascii_alphabetic()) && endings.contains(&rest.as_str())
}

/// In lower case, the words of names parted: `JudgeAll::is_told` becomes `judge all  is told`.
fn spaced(line: &str) -> String {
    let mut out = String::with_capacity(line.len() + 16);
    let mut was_lower = false;
    for letter in line.chars() {
        if letter.is_ascii_uppercase() && was_lower {
            out.push(' ');
        }
        was_lower = letter.is_ascii_lowercase();
        out.push(if letter == '_' { ' ' } else { letter.to_ascii_lowercase() });
    }
    out
}

fn instead(banned: &str) -> &'static str {
    BANNED.iter().find(|(word, _)| *word == banned).map_or("", |(_, say)| say)
}

#[test]
fn sources_keep_to_the_vocabulary() {
    let mut wrong = Vec::new();
    for source in workspace() {
        for (line, word) in banned_words(&source.text) {
            wrong.push(format!("{}:{line}: `{word}`: say {}", source.path, instead(word)));
        }
    }
    assert!(wrong.is_empty(), "{} in all:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn documents_keep_to_the_vocabulary() {
    let mut documents = vec!["README.md".to_owned(), "ARCHITECTURE.md".to_owned(), "CONTRIBUTING.md".to_owned()];
    for folder in ["docs", "docs/decisions"] {
        for entry in std::fs::read_dir(root().join(folder)).unwrap() {
            let name = entry.unwrap().file_name().into_string().unwrap();
            if name.ends_with(".md") {
                documents.push(format!("{folder}/{name}"));
            }
        }
    }
    assert!(documents.len() > 10, "{documents:?}");
    let mut wrong = Vec::new();
    for document in documents {
        // The vocabulary itself names the words that are not said.
        let text = read(&document);
        let text = text.split("\n## Words").next().unwrap_or_default();
        for (line, word) in banned_words(text) {
            wrong.push(format!("{document}:{line}: `{word}`: say {}", instead(word)));
        }
    }
    assert!(wrong.is_empty(), "{} in all:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn the_check_finds_what_it_looks_for() {
    let text =
        "// It is judged anew.\nfn is_told() {}\nstruct FollowerState;\n/// Set aside, and sets\nlet x = judgements;";
    let found: Vec<(usize, &str)> = banned_words(text);
    assert_eq!(found, [(1, "judge"), (2, "told"), (3, "follower"), (4, "set aside"), (5, "judge")]);
    for fine in [
        "a cast-iron bookshelfish",
        "Setting::strip_prefix",
        "\"told\": found",
        "satellite",
        "told apart by",
        "the derive",
    ] {
        assert_eq!(banned_words(fine), [], "{fine}");
    }
}
