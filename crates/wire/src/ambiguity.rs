//! Refuses a signed string that can be read as two different pushes.
//!
//! The string escapes neither `&` nor `=`: `parking_serial=A1&payment_list=[…]` is either one long value or two
//! parameters, and both sign alike. Whoever captured one honest push could resend it under a new serial with the
//! payment gone. So a form is accepted only if it is the one reading of its string that these two rules allow:
//!
//! 1. A *documented* name inside a value is refused wherever some reading could have it as a parameter: wherever it
//!    sorts after the first parameter's name.
//! 2. Any *other* name inside a value is refused where it sorts between the documented parameters around it. An image
//!    address with `…&fm=193&f=GIF` passes: `fm` cannot come after `leave_image`.
//!
//! Why one reading is left: suppose two readings of one string both pass, and take a parameter that starts in one but
//! not in the other. If its name is documented, rule 1 refuses the other reading. So both have the same documented
//! parameters, and any further name that only one has lies in order between those, where rule 2 refuses the reading
//! without it.

use crate::call::Call;
use crate::canonical::Canonical;
use crate::field::is_name;

/// The parameter whose value can be read as another parameter, and that other name; `None` if there is only one
/// reading. A documented name is one of this call's own page.
pub(crate) fn other_reading(canonical: &Canonical, call: &Call) -> Option<(String, String)> {
    let text = canonical.text.as_str();
    if memchr::memchr_iter(b'&', text.as_bytes()).count() < canonical.starts.len() {
        // Every `&` separates two parameters: by far the most common case.
        return None;
    }
    let mut starts = canonical.starts.iter().copied().peekable();
    let first = name_at(text, starts.next()?)?;
    let mut holder = first;
    let mut documented_before = first;
    for ampersand in memchr::memchr_iter(b'&', text.as_bytes()) {
        let position = ampersand + 1;
        if starts.next_if_eq(&position).is_some() {
            holder = name_at(text, position)?;
            if call.documents(holder) {
                documented_before = holder;
            }
            continue;
        }
        let Some(inner) = name_at(text, position) else { continue };
        let refused = if call.documents(inner) {
            inner > first
        } else {
            // The first parameter counts like a documented one: every reading starts with it.
            inner >= documented_before && next_documented(text, starts.clone(), call).is_none_or(|next| inner <= next)
        };
        if refused {
            return Some((holder.to_owned(), inner.to_owned()));
        }
    }
    None
}

fn next_documented<'a>(text: &'a str, mut starts: impl Iterator<Item = usize>, call: &Call) -> Option<&'a str> {
    starts.find_map(|start| name_at(text, start).filter(|name| call.documents(name)))
}

/// `NAME` of `NAME=…`, if one starts here.
fn name_at(text: &str, position: usize) -> Option<&str> {
    let rest = text.get(position..)?;
    let (name, _) = rest.get(..rest.len().min(65)).unwrap_or_else(|| floor(rest, 65)).split_once('=')?;
    is_name(name.as_bytes()).then_some(name)
}

fn floor(text: &str, bytes: usize) -> &str {
    let end = (0..=bytes).rev().find(|end| text.is_char_boundary(*end)).unwrap_or(0);
    text.get(..end).unwrap_or("")
}

#[cfg(test)]
mod tests;
