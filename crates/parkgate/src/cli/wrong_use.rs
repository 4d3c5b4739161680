//! What was typed wrongly, in the language in use: clap says it in English only.

use std::error::Error as _;
use std::num::{IntErrorKind, ParseFloatError, ParseIntError};

use clap::error::{ContextKind, ContextValue, Error, ErrorKind};
use parkgate_text::texts;

use super::help::in_the_language;
use crate::output::wrapped;

/// What is wrong, how it is called, and where more is to be read.
pub(super) fn described(error: &Error) -> String {
    let wrong = &texts().wrong_use;
    let mut lines = vec![wrapped("", &(texts().general.error)(&cause(error)), 2)];
    let names = |kind| all(error, kind);
    lines.extend(match error.kind() {
        ErrorKind::MissingRequiredArgument => {
            names(ContextKind::InvalidArg).iter().map(|name| format!("  {name}")).collect()
        }
        ErrorKind::ArgumentConflict if !is_repeated(error) => {
            names(ContextKind::PriorArg).iter().map(|name| format!("  {name}")).collect()
        }
        _ => Vec::new(),
    });
    let possible = names(ContextKind::ValidValue);
    if !possible.is_empty() {
        lines.push(wrapped("  ", &(wrong.possible)(&possible.join(", ")), 2));
    }
    for kind in [ContextKind::SuggestedSubcommand, ContextKind::SuggestedArg, ContextKind::SuggestedValue] {
        lines.extend(names(kind).iter().map(|name| format!("  {}", (wrong.similar)(name))));
    }
    if let Some(ContextValue::StyledStr(usage)) = error.get(ContextKind::Usage) {
        let start = format!("\n{}: ", texts().help.usage);
        lines.push(wrapped(&start, &in_the_language(&usage.to_string()), 4));
    }
    lines.push(format!("{}\n", wrong.more));
    lines.join("\n")
}

fn cause(error: &Error) -> String {
    let wrong = &texts().wrong_use;
    let argument = one(error, ContextKind::InvalidArg);
    let value = one(error, ContextKind::InvalidValue);
    match error.kind() {
        ErrorKind::UnknownArgument => (wrong.unknown_argument)(&argument),
        ErrorKind::InvalidSubcommand => (wrong.unknown_command)(&one(error, ContextKind::InvalidSubcommand)),
        ErrorKind::MissingRequiredArgument => wrong.missing.to_owned(),
        ErrorKind::MissingSubcommand => wrong.missing_command.to_owned(),
        ErrorKind::InvalidValue if value.is_empty() => (wrong.no_value)(&argument),
        ErrorKind::InvalidValue => (wrong.bad_value)(&value, &argument),
        ErrorKind::ValueValidation => match reason(error) {
            Some(reason) => (wrong.because)(&(wrong.bad_value)(&value, &argument), &reason),
            None => (wrong.bad_value)(&value, &argument),
        },
        ErrorKind::ArgumentConflict if is_repeated(error) => (wrong.twice)(&argument),
        ErrorKind::ArgumentConflict => (wrong.not_together)(&argument),
        ErrorKind::NoEquals => (wrong.no_equals)(&argument),
        ErrorKind::TooManyValues => (wrong.too_many)(&argument, &value),
        ErrorKind::TooFewValues | ErrorKind::WrongNumberOfValues => (wrong.wrong_number)(&argument),
        ErrorKind::InvalidUtf8 => wrong.not_utf8.to_owned(),
        _ => wrong.wrong.to_owned(),
    }
}

/// Why a value is none, where the library that read it says so in words of its own.
fn reason(error: &Error) -> Option<String> {
    let wrong = &texts().wrong_use;
    let source = error.source()?;
    if let Some(number) = source.downcast_ref::<ParseIntError>() {
        return Some(match number.kind() {
            IntErrorKind::PosOverflow | IntErrorKind::NegOverflow => wrong.not_a_number.to_owned(),
            _ => wrong.not_a_whole_number.to_owned(),
        });
    }
    if source.is::<ParseFloatError>() {
        return Some(wrong.not_a_number.to_owned());
    }
    let text = source.to_string();
    // clap's integers.
    match text.split_once(" is not in ") {
        Some((_, range)) => Some((wrong.out_of_range)(range)),
        None if text.contains("invalid digit") || text.contains("from empty string") => {
            Some(wrong.not_a_whole_number.to_owned())
        }
        None => Some(text),
    }
}

/// The same argument again.
fn is_repeated(error: &Error) -> bool {
    all(error, ContextKind::PriorArg).contains(&one(error, ContextKind::InvalidArg))
}

fn one(error: &Error, kind: ContextKind) -> String {
    all(error, kind).into_iter().next().unwrap_or_default()
}

fn all(error: &Error, kind: ContextKind) -> Vec<String> {
    match error.get(kind) {
        Some(ContextValue::String(text)) => vec![text.clone()],
        Some(ContextValue::Strings(texts)) => texts.clone(),
        _ => Vec::new(),
    }
}
