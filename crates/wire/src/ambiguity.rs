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
//! 3. Where a page has `capture_image`, whose name sorts before most others: if its value is an address, other names in it are the
//!    address's own, and instead an undocumented parameter that comes directly after it is refused. There a name is
//!    documented if any page has it.
//!
//! Why one reading is left: suppose two readings of one string both pass, and take a parameter that starts in one but
//! not in the other. If its name is documented, rule 1 refuses the other reading. So both have the same documented
//! parameters, and any further name that only one has lies in order between those, where rule 2 refuses the reading
//! without it, or rule 3 the reading that has it.

use crate::call::Call;
use crate::canonical::Canonical;
use crate::field::{CAPTURE_IMAGE, is_name, known};

/// The parameter whose value can be read as another parameter, and that other name; `None` if there is only one
/// reading. A documented name is one of this call's own page.
pub(crate) fn other_reading(canonical: &Canonical, call: &Call) -> Option<(String, String)> {
    let text = canonical.text.as_str();
    let has_capture = call.documents(CAPTURE_IMAGE);
    if !has_capture && memchr::memchr_iter(b'&', text.as_bytes()).count() < canonical.starts.len() {
        // Every `&` separates two parameters: by far the most common case.
        return None;
    }
    let mut starts = canonical.starts.iter().copied().peekable();
    let is_documented = |name: &str| if has_capture { known(name) } else { call.documents(name) };
    let is_address = |at: usize| has_capture && is_capture_address(text, at);
    let first_at = starts.next()?;
    let first = name_at(text, first_at)?;
    let mut in_address = is_address(first_at);
    let mut holder = first;
    let mut documented_before = first;
    for ampersand in memchr::memchr_iter(b'&', text.as_bytes()) {
        let position = ampersand + 1;
        if starts.next_if_eq(&position).is_some() {
            let name = name_at(text, position)?;
            if in_address && !is_documented(name) {
                return Some((holder.to_owned(), name.to_owned()));
            }
            (holder, in_address) = (name, is_address(position));
            if is_documented(holder) {
                documented_before = holder;
            }
            continue;
        }
        let Some(inner) = name_at(text, position) else { continue };
        let refused = if is_documented(inner) {
            inner > first
        } else if in_address {
            false
        } else {
            // The first parameter counts like a documented one: every reading starts with it.
            inner >= documented_before
                && next_documented(text, starts.clone(), is_documented).is_none_or(|next| inner <= next)
        };
        if refused {
            return Some((holder.to_owned(), inner.to_owned()));
        }
    }
    None
}

fn next_documented(
    text: &str,
    mut starts: impl Iterator<Item = usize>,
    is_documented: impl Fn(&str) -> bool,
) -> Option<&str> {
    starts.find_map(|start| name_at(text, start).filter(|name| is_documented(name)))
}

/// Does a `capture_image` start here whose value is an address?
fn is_capture_address(text: &str, position: usize) -> bool {
    let value = text.get(position..).and_then(|rest| rest.strip_prefix(CAPTURE_IMAGE)?.strip_prefix('='));
    value.is_some_and(|value| value.starts_with("http://") || value.starts_with("https://"))
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
