//! The help of every command, in the language in use: clap has its own words in English only, and breaks no Chinese line.

use clap::builder::styling::Style;
use clap::{Arg, Command};
use parkgate_text::texts;
use unicode_width::UnicodeWidthStr;

use crate::output::{WIDTH, wrapped};

/// Names of flags and commands that are wider have their help on the next line.
const NAMES_MAX: usize = 26;

/// `after_help` with these command lines. Long ones are broken as a shell takes them.
pub(crate) fn examples(lines: &[&str]) -> String {
    let help = &texts().help;
    let head = if lines.len() == 1 { help.example } else { help.examples };
    let lines: Vec<String> = lines.iter().map(|line| broken_line(line)).collect();
    format!("{head}:\n{}", lines.join("\n"))
}

/// The same, with a paragraph after them.
pub(crate) fn examples_and(lines: &[&str], notes: &str) -> String {
    format!("{}\n\n{notes}", examples(lines))
}

/// A command line within the width, its further lines after a backslash. Breaks outside quotation marks only.
fn broken_line(line: &str) -> String {
    let mut out = String::from(" ");
    let mut used = 1;
    for word in words(line) {
        let word = word.as_str();
        // A blank before it, and a blank and a backslash after it.
        if used + 1 + word.width() + 2 > WIDTH && used > 4 {
            out.push_str(" \\\n   ");
            used = 3;
        }
        out.push(' ');
        out.push_str(word);
        used += 1 + word.width();
    }
    out
}

/// The words of a shell's line, with their quotation marks; a flag with the word after it.
fn words(line: &str) -> Vec<String> {
    let mut is_quoted = false;
    let is_gap = |letter: char| {
        is_quoted ^= letter == '\'';
        letter == ' ' && !is_quoted
    };
    let mut words: Vec<String> = Vec::new();
    for word in line.split(is_gap) {
        match words.last_mut() {
            Some(flag) if flag.starts_with("--") && !flag.contains(' ') && !word.starts_with('-') => {
                flag.push(' ');
                flag.push_str(word);
            }
            _ => words.push(word.to_owned()),
        }
    }
    words
}

/// The same command, each of its commands with the page of its help.
pub(super) fn with_pages(plain: Command) -> Command {
    let mut built = plain.clone();
    built.build();
    paged(plain, &mut built)
}

fn paged(plain: Command, built: &mut Command) -> Command {
    let names: Vec<String> = plain.get_subcommands().map(|inner| inner.get_name().to_owned()).collect();
    let plain = plain.override_help(page(built));
    names.into_iter().fold(plain, |plain, name| match built.find_subcommand_mut(&name) {
        Some(built) => plain.mut_subcommand(&name, |inner| paged(inner, built)),
        None => plain,
    })
}

/// A command that is built, on one page.
fn page(built: &mut Command) -> String {
    let help = &texts().help;
    let bold = Style::new().bold();
    let mut out = String::new();
    if let Some(about) = built.get_about() {
        out.push_str(&wrapped("", &about.to_string(), 0));
        out.push_str("\n\n");
    }
    let start = format!("{bold}{}:{bold:#} ", help.usage);
    out.push_str(&wrapped(&start, &usage(built), 4));
    out.push('\n');
    let commands = built.get_subcommands().filter(|inner| !inner.is_hide_set());
    let commands: Vec<_> = commands.map(|inner| (format!("  {}", inner.get_name()), about(inner))).collect();
    let (arguments, options): (Vec<&Arg>, Vec<&Arg>) =
        built.get_arguments().filter(|arg| !arg.is_hide_set()).partition(|arg| arg.is_positional());
    let mut options = options;
    // What every command has stands last.
    options.sort_by_key(|arg| EVERYWHERE.iter().position(|name| *name == arg.get_id().as_str()).map_or(0, |at| at + 1));
    let listed = |args: Vec<&Arg>| -> Vec<_> { args.into_iter().map(|arg| (name(arg), described(arg))).collect() };
    for (head, rows) in
        [(help.commands, commands), (help.arguments, listed(arguments)), (help.options, listed(options))]
    {
        if !rows.is_empty() {
            out.push_str(&format!("\n{bold}{head}:{bold:#}\n{}", laid_out(&rows)));
        }
    }
    if let Some(after) = built.get_after_help() {
        out.push('\n');
        out.push_str(&paragraphs(&after.to_string()));
    }
    out
}

const EVERYWHERE: [&str; 3] = ["lang", "help", "version"];

/// How it is called, without clap's heading.
pub(super) fn usage(built: &mut Command) -> String {
    in_the_language(&built.render_usage().to_string())
}

/// clap's usage with its words in the language in use.
pub(super) fn in_the_language(usage: &str) -> String {
    let help = &texts().help;
    let usage = usage.trim().trim_start_matches("Usage:").trim_start();
    usage
        .replace("[OPTIONS]", help.some_options)
        .replace("<COMMAND>", help.a_command)
        .replace("[COMMAND]", help.a_command)
}

fn about(command: &Command) -> String {
    let help = &texts().help;
    let mut about = match command.get_name() {
        "help" => help.help_of_commands.to_owned(),
        _ => command.get_about().map(ToString::to_string).unwrap_or_default(),
    };
    let aliases: Vec<&str> = command.get_visible_aliases().collect();
    if !aliases.is_empty() {
        about.push_str(&format!(" {}", (help.aliases)(&aliases.join(", "))));
    }
    about
}

/// An argument's name as it is typed, below the others'.
fn name(arg: &Arg) -> String {
    match (arg.is_positional(), arg.get_short(), arg.get_long()) {
        (false, Some(short), Some(_)) => format!("  -{short}, {arg}"),
        (false, None, Some(_)) => format!("      {arg}"),
        _ => format!("  {arg}"),
    }
}

/// What an argument means, its values and its default.
fn described(arg: &Arg) -> String {
    let help = &texts().help;
    let mut text = match arg.get_id().as_str() {
        "help" => help.print_help.to_owned(),
        "version" => help.print_version.to_owned(),
        _ => arg.get_help().map(ToString::to_string).unwrap_or_default(),
    };
    let mut add = |more: String| {
        text.push_str(if text.is_empty() || text.ends_with('\n') { "" } else { " " });
        text.push_str(&more);
    };
    if let Some(variable) = arg.get_env().and_then(|name| name.to_str()) {
        add((help.env)(variable));
    }
    let defaults: Vec<_> = arg.get_default_values().iter().map(|value| value.to_string_lossy()).collect();
    if !defaults.is_empty() && !arg.is_hide_default_value_set() && arg.get_action().takes_values() {
        add((help.default)(&defaults.join(" ")));
    }
    let values = arg.get_possible_values();
    let values: Vec<_> = values.iter().filter(|value| !value.is_hide_set()).collect();
    if values.iter().any(|value| value.get_help().is_some()) {
        for value in values {
            let meaning = value.get_help().map(ToString::to_string).unwrap_or_default();
            text.push_str(&format!("\n{}", (help.value)(value.get_name(), &meaning)));
        }
    } else if !values.is_empty() && !arg.is_hide_possible_values_set() {
        let names: Vec<&str> = values.iter().map(|value| value.get_name()).collect();
        add((help.values)(&names.join(", ")));
    }
    text
}

/// Names, and beside them what they mean.
fn laid_out(rows: &[(String, String)]) -> String {
    let widths = rows.iter().map(|(name, _)| name.width());
    let column = widths.filter(|width| *width <= NAMES_MAX).max().unwrap_or(NAMES_MAX) + 2;
    let indent = " ".repeat(column);
    let mut out = String::new();
    for (name, text) in rows {
        let mut start = crate::output::padded(name, column);
        if name.width() + 2 > column {
            start = format!("{name}\n{indent}");
        }
        for line in text.lines() {
            out.push_str(wrapped(&start, line, column).trim_end());
            out.push('\n');
            start = indent.clone();
        }
        if text.is_empty() {
            out.push_str(start.trim_end());
            out.push('\n');
        }
    }
    out
}

/// Running text wrapped; lines that are indented stay as they are.
fn paragraphs(text: &str) -> String {
    let lines = text.lines().map(|line| match line.starts_with(' ') {
        true => line.to_owned(),
        false => wrapped("", line, 0),
    });
    lines.map(|line| line + "\n").collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_example_is_broken_between_words_only() {
        let line = format!("parkgate push leave --body 'a b' {}", "name=值 ".repeat(20));
        let broken = broken_line(line.trim());
        assert!(broken.lines().count() > 2 && broken.lines().all(|line| line.width() <= WIDTH), "{broken}");
        let joined = broken.replace(" \\\n   ", "");
        assert_eq!(joined.trim(), line.trim());
        assert_eq!(words("a 'b c' --d e f --g --h"), ["a", "'b c'", "--d e", "f", "--g", "--h"]);
    }
}
