//! Personal data in a platform's reply: a hint repeats what was sent (`leave.md`, note 10), ID data included.

use crate::field::PERSONAL;

const MASK: &str = "***";
/// Shorter values are removed only next to their name: elsewhere they may be part of another word.
const BARE_CHARS_MIN: usize = 4;

/// A platform's text without the personal data of the push it is about, to be logged, shown and kept.
#[must_use]
pub fn without_personal(text: &str, params: &[(String, String)]) -> String {
    let mut text = text.to_owned();
    for (name, value) in params.iter().filter(|(name, value)| is_personal(name) && !value.is_empty()) {
        text = text.replace(&format!("{name}={value}"), &format!("{name}={MASK}"));
        if value.chars().count() >= BARE_CHARS_MIN {
            text = text.replace(value.as_str(), MASK);
        }
    }
    PERSONAL.iter().fold(text, |text, name| masked(&text, name))
}

/// Is it sealed at rest, and kept out of logs?
#[must_use]
pub fn is_personal(name: &str) -> bool {
    PERSONAL.contains(&name)
}

/// Masks whatever follows `name=`, in whichever encoding, up to the next parameter.
fn masked(text: &str, name: &str) -> String {
    let start = format!("{name}=");
    let mut pieces = text.split(start.as_str());
    let mut out = pieces.next().unwrap_or_default().to_owned();
    for piece in pieces {
        let rest = piece.find(['&', ']']).and_then(|end| piece.get(end..)).unwrap_or_default();
        out.extend([start.as_str(), MASK, rest]);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hint_is_kept_without_what_it_says_of_a_person() {
        let params = [("idcard_no", "110101199003070011"), ("idcard_name", "Q"), ("plate", "Q1")];
        let params: Vec<_> = params.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        for (hint, kept) in [
            (
                "签名验证不通过[car=1&idcard_name=Q&idcard_no=110101199003070011&plate=Q1&app_secret=***]",
                "签名验证不通过[car=1&idcard_name=***&idcard_no=***&plate=Q1&app_secret=***]",
            ),
            ("检查`110101199003070011`!", "检查`***`!"),
            ("idcard_name=%E9%98%BF&x=1", "idcard_name=***&x=1"),
            ("idcard_no=1", "idcard_no=***"),
            ("重复的停车流水`Q1`", "重复的停车流水`Q1`"),
            ("", ""),
        ] {
            assert_eq!(without_personal(hint, &params), kept);
        }
    }
}
