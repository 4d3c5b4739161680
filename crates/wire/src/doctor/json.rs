//! JSON that was serialized again: what a library does to `payment_list` between signing and sending.

use std::cell::RefCell;
use std::fmt::Write as _;

use serde_json::Value;

/// One way in which the signed JSON differs from the JSON sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum JsonEdit {
    Compact,
    Spaced,
    Pretty(u8),
    Sorted,
    Ascii,
    AsciiUpper,
    Unicode,
    Slashes,
    PlainSlashes,
    Html,
    NumbersAsStrings,
    StringsAsNumbers,
    WithoutNulls,
    WithoutEmpties,
    Python,
    Php,
    /// `\"` for every quote, as the hint shows it (`leave.md`, note 10).
    Escaped,
    /// Sent with `\"`, signed without.
    Unescaped,
    /// `[{a=1, b=2}]`, Java's `List.toString()`.
    JavaText,
    /// `[{'a': '1'}]`, Python's `str(list)`.
    PythonText,
}

/// A value that is JSON, and how it is written.
#[derive(Debug)]
pub(super) struct Json {
    value: Value,
    style: Style,
    /// Results of single edits, kept because pairs need them over and over.
    written: RefCell<Vec<(JsonEdit, String)>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Style {
    spacing: Spacing,
    ascii: Ascii,
    slashes: bool,
    html: bool,
    sorted: bool,
    types: Types,
    without: Without,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Spacing {
    Compact,
    Spaced,
    Pretty(u8),
    Java,
    Python,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ascii {
    No,
    Lower,
    Upper,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Types {
    AsSent,
    Strings,
    Numbers,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Without {
    Nothing,
    Nulls,
    Empties,
}

const PLAIN: Style = Style {
    spacing: Spacing::Compact,
    ascii: Ascii::No,
    slashes: false,
    html: false,
    sorted: false,
    types: Types::AsSent,
    without: Without::Nothing,
};

impl Json {
    /// Reads an array or object; other values are of no interest here.
    pub(super) fn read(text: &str) -> Option<Json> {
        if !text.trim_start().starts_with(['[', '{']) {
            return None;
        }
        let value = serde_json::from_str(text).ok()?;
        Some(Json { style: style_of(&value, text), value, written: RefCell::default() })
    }

    /// The JSON after those edits.
    pub(super) fn written(&self, edits: impl Iterator<Item = JsonEdit> + Clone) -> String {
        let mut rest = edits.clone();
        let (Some(only), None) = (rest.next(), rest.next()) else { return self.edited(edits) };
        if let Some((_, text)) = self.written.borrow().iter().find(|(edit, _)| *edit == only) {
            return text.clone();
        }
        let text = self.edited(edits);
        self.written.borrow_mut().push((only, text.clone()));
        text
    }

    fn edited(&self, edits: impl Iterator<Item = JsonEdit>) -> String {
        let (mut style, mut escaped) = (self.style, false);
        for edit in edits {
            style = style.edited(edit);
            escaped |= edit == JsonEdit::Escaped;
        }
        let mut out = String::new();
        style.write(&self.value, 0, &mut out);
        if escaped { out.replace('\\', "\\\\").replace('"', "\\\"") } else { out }
    }
}

/// Undoes one escaping too many.
pub(super) fn unescaped(text: &str) -> Option<String> {
    let plain = text.contains("\\\"").then(|| text.replace("\\\"", "\"").replace("\\\\", "\\"))?;
    Json::read(&plain).map(|_| plain)
}

fn style_of(value: &Value, text: &str) -> Style {
    let spacings = [Spacing::Compact, Spacing::Spaced, Spacing::Pretty(2), Spacing::Pretty(4)];
    let with_ascii = [Ascii::No, Ascii::Lower, Ascii::Upper];
    let styles = spacings.into_iter().flat_map(|spacing| {
        with_ascii.into_iter().flat_map(move |ascii| {
            [false, true].into_iter().map(move |slashes| Style { spacing, ascii, slashes, ..PLAIN })
        })
    });
    let mut out = String::with_capacity(text.len());
    let found = styles.into_iter().find(|style| {
        out.clear();
        style.write(value, 0, &mut out);
        out == text
    });
    found.unwrap_or(PLAIN)
}

impl Style {
    fn edited(mut self, edit: JsonEdit) -> Style {
        match edit {
            JsonEdit::Compact => self.spacing = Spacing::Compact,
            JsonEdit::Spaced => self.spacing = Spacing::Spaced,
            JsonEdit::Pretty(indent) => self.spacing = Spacing::Pretty(indent),
            JsonEdit::Sorted => self.sorted = true,
            JsonEdit::Ascii => self.ascii = Ascii::Lower,
            JsonEdit::AsciiUpper => self.ascii = Ascii::Upper,
            JsonEdit::Unicode => self.ascii = Ascii::No,
            JsonEdit::Slashes => self.slashes = true,
            JsonEdit::PlainSlashes => self.slashes = false,
            JsonEdit::Html => self.html = true,
            JsonEdit::NumbersAsStrings => self.types = Types::Strings,
            JsonEdit::StringsAsNumbers => self.types = Types::Numbers,
            JsonEdit::WithoutNulls => self.without = Without::Nulls,
            JsonEdit::WithoutEmpties => self.without = Without::Empties,
            JsonEdit::Python => (self.spacing, self.ascii) = (Spacing::Spaced, Ascii::Lower),
            JsonEdit::Php => (self.spacing, self.ascii, self.slashes) = (Spacing::Compact, Ascii::Lower, true),
            JsonEdit::JavaText => self.spacing = Spacing::Java,
            JsonEdit::PythonText => self.spacing = Spacing::Python,
            JsonEdit::Escaped | JsonEdit::Unescaped => {}
        }
        self
    }

    /// `serde_json` reads at most 128 levels, so this goes no deeper.
    fn write(&self, value: &Value, depth: usize, out: &mut String) {
        match value {
            Value::Array(list) => {
                self.write_list(['[', ']'], list.iter(), depth, out, |item, out| self.write(item, depth + 1, out));
            }
            Value::Object(map) => {
                let mut entries: Vec<_> = map.iter().filter(|(_, value)| self.keeps(value)).collect();
                if self.sorted {
                    entries.sort_unstable_by_key(|(name, _)| name.as_str());
                }
                self.write_list(['{', '}'], entries.into_iter(), depth, out, |(name, value), out| {
                    self.write_text(name, out);
                    out.push_str(match self.spacing {
                        Spacing::Compact => ":",
                        Spacing::Spaced | Spacing::Pretty(_) | Spacing::Python => ": ",
                        Spacing::Java => "=",
                    });
                    self.write(value, depth + 1, out);
                });
            }
            Value::String(text) if self.types == Types::Numbers && is_number(text) => out.push_str(text),
            Value::String(text) => self.write_text(text, out),
            Value::Number(number) if self.types == Types::Strings => self.write_text(&number.to_string(), out),
            Value::Bool(true) if self.spacing == Spacing::Python => out.push_str("True"),
            Value::Bool(false) if self.spacing == Spacing::Python => out.push_str("False"),
            Value::Null if self.spacing == Spacing::Python => out.push_str("None"),
            other => {
                let _infallible = write!(out, "{other}");
            }
        }
    }

    fn write_list<T>(
        &self,
        [open, close]: [char; 2],
        items: impl ExactSizeIterator<Item = T>,
        depth: usize,
        out: &mut String,
        mut write: impl FnMut(T, &mut String),
    ) {
        let is_empty = items.len() == 0;
        out.push(open);
        for (place, item) in items.enumerate() {
            if place > 0 {
                out.push_str(if matches!(self.spacing, Spacing::Compact | Spacing::Pretty(_)) { "," } else { ", " });
            }
            self.break_line(depth + 1, out);
            write(item, out);
        }
        if !is_empty {
            self.break_line(depth, out);
        }
        out.push(close);
    }

    fn break_line(&self, depth: usize, out: &mut String) {
        if let Spacing::Pretty(indent) = self.spacing {
            out.push('\n');
            out.extend(std::iter::repeat_n(' ', depth * usize::from(indent)));
        }
    }

    fn keeps(&self, value: &Value) -> bool {
        match self.without {
            Without::Nothing => true,
            Without::Nulls => !value.is_null(),
            Without::Empties => !value.is_null() && value.as_str() != Some(""),
        }
    }

    fn write_text(&self, text: &str, out: &mut String) {
        let quote = match self.spacing {
            Spacing::Java => return out.push_str(text),
            Spacing::Python => '\'',
            Spacing::Compact | Spacing::Spaced | Spacing::Pretty(_) => '"',
        };
        out.push(quote);
        for c in text.chars() {
            match c {
                '\\' => out.push_str("\\\\"),
                '\n' => out.push_str("\\n"),
                '\r' => out.push_str("\\r"),
                '\t' => out.push_str("\\t"),
                '\u{8}' => out.push_str("\\b"),
                '\u{c}' => out.push_str("\\f"),
                '/' if self.slashes => out.push_str("\\/"),
                c if c == quote => out.extend(['\\', c]),
                c if c < ' ' || (self.html && "<>&='".contains(c)) || (self.ascii != Ascii::No && !c.is_ascii()) => {
                    self.escape(c, out);
                }
                c => out.push(c),
            }
        }
        out.push(quote);
    }

    fn escape(&self, c: char, out: &mut String) {
        for unit in c.encode_utf16(&mut [0; 2]) {
            let _infallible = match self.ascii {
                Ascii::Upper => write!(out, "\\u{unit:04X}"),
                Ascii::No | Ascii::Lower => write!(out, "\\u{unit:04x}"),
            };
        }
    }
}

/// Would it look the same as a JSON number?
fn is_number(text: &str) -> bool {
    !text.is_empty() && serde_json::from_str::<serde_json::Number>(text).is_ok_and(|n| n.to_string() == text)
}

#[cfg(test)]
mod tests;
