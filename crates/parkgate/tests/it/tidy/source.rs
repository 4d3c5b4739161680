//! The Rust sources of the workspace, as the checks read them.

use std::path::Path;

use super::{root, sources};

/// One file.
pub(super) struct Source {
    /// From the root: `crates/wire/src/form.rs`.
    pub(super) path: String,
    /// `wire`.
    pub(super) krate: String,
    pub(super) text: String,
}

impl Source {
    /// Is it of a test, an example or a benchmark, as a whole?
    pub(super) fn is_test(&self) -> bool {
        !self.path.contains("/src/") || self.path.ends_with("/tests.rs") || self.path.contains("/tests/")
    }

    /// `""` of `lib.rs` and `main.rs`, `a::b` of `a/b.rs`; `None` outside `src`.
    pub(super) fn module(&self) -> Option<String> {
        let (_, below) = self.path.split_once("/src/")?;
        let module = below.strip_suffix(".rs")?;
        Some(if ["lib", "main"].contains(&module) { String::new() } else { module.replace('/', "::") })
    }
}

/// All sources under `crates`, but for those of these checks, which quote what they forbid.
pub(super) fn workspace() -> Vec<Source> {
    let mut files = Vec::new();
    sources(&root().join("crates"), &mut files);
    let read = |file: &Path| {
        let path = file.strip_prefix(root()).unwrap().to_str().unwrap().to_owned();
        let krate = path.split('/').nth(1).unwrap_or_default().to_owned();
        Source { text: std::fs::read_to_string(file).unwrap(), path, krate }
    };
    files.iter().map(|file| read(file)).filter(|source| !source.path.contains("/it/tidy")).collect()
}

/// A source up to the unit tests at its end.
pub(super) fn without_tests(text: &str) -> &str {
    text.split_once("#[cfg(test)]\nmod tests {").map_or(text, |(code, _)| code)
}

/// A source without its comments.
pub(super) fn code(text: &str) -> String {
    let lines = text.lines().filter(|line| !line.trim_start().starts_with("//"));
    lines.collect::<Vec<&str>>().join("\n")
}
