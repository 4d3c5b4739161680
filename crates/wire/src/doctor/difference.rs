//! Where two strings diverge: the first thing to look at when two canonical strings should be equal.

/// The first place where two strings differ, with the text around it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FirstDifference {
    /// The position of the first byte that differs, from 0; the shorter string's length if the other goes on.
    pub at: usize,
    /// What the first string has there: whole characters only, `…` where text was cut off.
    pub one: String,
    /// What the second string has there.
    pub other: String,
}

/// Characters shown before the difference: enough to recognise the name.
const BEFORE_CHARS: usize = 16;
/// Characters shown from the difference on.
const AFTER_CHARS: usize = 24;

/// The first difference of two strings; `None` if they are equal.
#[must_use]
pub fn first_difference(one: &str, other: &str) -> Option<FirstDifference> {
    if one == other {
        return None;
    }
    let at = one.bytes().zip(other.bytes()).take_while(|(a, b)| a == b).count();
    Some(FirstDifference { at, one: window(one, at), other: window(other, at) })
}

fn window(text: &str, at: usize) -> String {
    let (before, after) = text.split_at(text.floor_char_boundary(at));
    let start = before.char_indices().rev().nth(BEFORE_CHARS - 1).map_or(0, |(start, _)| start);
    let end = after.char_indices().nth(AFTER_CHARS).map_or(after.len(), |(end, _)| end);
    let (left, right) = (if start > 0 { "…" } else { "" }, if end < after.len() { "…" } else { "" });
    format!("{left}{}{}{right}", before.get(start..).unwrap_or(""), after.get(..end).unwrap_or(""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_strings_have_no_difference() {
        assert_eq!(first_difference("", ""), None);
        assert_eq!(first_difference("粤", "粤"), None);
    }

    #[test]
    fn a_difference_inside_a_character_shows_the_whole_character() {
        // 粤 is E7 B2 A4, 粥 is E7 B2 A5.
        let found = first_difference("plate=粤B", "plate=粥B").unwrap();
        assert_eq!(found, FirstDifference { at: 8, one: "plate=粤B".into(), other: "plate=粥B".into() });
    }

    #[test]
    fn long_strings_show_a_window_and_a_prefix_its_end() {
        let long = "x".repeat(100);
        let found = first_difference(&long, &format!("{long}y")).unwrap();
        assert_eq!((found.at, found.one.chars().count(), found.other.chars().count()), (100, 17, 18));
        let found = first_difference(&format!("a{long}"), &format!("b{long}")).unwrap();
        assert_eq!((found.at, found.one.chars().count()), (0, 25));
    }
}
