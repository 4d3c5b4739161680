//! What a park, an app or a subscriber may be called when it is registered. Names registered earlier stay as they are.
//!
//! Names stand in URLs, in the signed string, in settings, in lists and on command lines. A name with an invisible
//! character, or one that has a meaning there, is refused with the first character that does not fit.

/// Characters of an id: a UUID has 36, an `app_id` of the document 15.
pub const ID_CHARS_MAX: usize = 64;
/// Characters of a display name: what still fits in a line of a table.
pub const TITLE_CHARS_MAX: usize = 64;

/// What kind of name it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Naming {
    /// `park_uuid`, `merchant`, `app_id` and `api_type`: ASCII letters, digits and `-_.:`.
    Id,
    /// A subscriber's name, which commands take as a word: letters and digits of any language, and `-_.:`.
    Word,
    /// A park's display name: all visible characters, and spaces within.
    Title,
}

/// Why a name is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("write {}: {}", .naming.en(), .what.en())]
pub struct NameError {
    naming: Naming,
    what: Unfit,
}

impl NameError {
    /// In Chinese.
    #[must_use]
    pub fn zh(&self) -> String {
        format!("应为{}, {}", self.naming.zh(), self.what.zh())
    }

    /// In English.
    #[must_use]
    pub fn en(&self) -> String {
        self.to_string()
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Unfit {
    Empty,
    TooLong { chars: usize },
    Character { place: usize, found: char },
}

impl Naming {
    /// Checks a name by this rule.
    ///
    /// The rule, and the first character that breaks it.
    pub fn check(self, name: &str) -> Result<(), NameError> {
        let unfit = |what| Err(NameError { naming: self, what });
        let chars = name.chars().count();
        if chars == 0 {
            return unfit(Unfit::Empty);
        }
        if chars > self.chars_max() {
            return unfit(Unfit::TooLong { chars });
        }
        let is_edge = |place: usize| place == 0 || place + 1 == chars;
        match name.chars().enumerate().find(|(place, found)| !self.takes(*found, is_edge(*place))) {
            None => Ok(()),
            Some((place, found)) => unfit(Unfit::Character { place: place + 1, found }),
        }
    }

    fn chars_max(self) -> usize {
        match self {
            Naming::Id | Naming::Word => ID_CHARS_MAX,
            Naming::Title => TITLE_CHARS_MAX,
        }
    }

    fn takes(self, found: char, is_edge: bool) -> bool {
        let is_joint = matches!(found, '-' | '_' | '.' | ':');
        match self {
            Naming::Id => found.is_ascii_alphanumeric() || is_joint,
            Naming::Word => found.is_alphanumeric() || is_joint,
            Naming::Title => !is_invisible(found) && (found == ' ' && !is_edge || !found.is_whitespace()),
        }
    }

    fn zh(self) -> &'static str {
        match self {
            Naming::Id => "1至64个英文字母、数字或 - _ . :",
            Naming::Word => "1至64个文字、数字或 - _ . :",
            Naming::Title => "1至64个可见字符",
        }
    }

    fn en(self) -> &'static str {
        match self {
            Naming::Id => "1 to 64 ASCII letters, digits or - _ . :",
            Naming::Word => "1 to 64 letters, digits or - _ . :",
            Naming::Title => "1 to 64 visible characters",
        }
    }
}

impl Unfit {
    fn zh(self) -> String {
        match self {
            Unfit::Empty => "不能为空".into(),
            Unfit::TooLong { chars } => format!("收到{chars}个"),
            Unfit::Character { place, found } => format!("第{place}个是{}", seen(found)),
        }
    }

    fn en(self) -> String {
        match self {
            Unfit::Empty => "it is empty".into(),
            Unfit::TooLong { chars } => format!("{chars} came"),
            Unfit::Character { place, found } => format!("character {place} is {}", seen(found)),
        }
    }
}

/// Control characters, and those that only change how others are displayed.
fn is_invisible(found: char) -> bool {
    found.is_control()
        || matches!(found, '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}')
        || matches!(found, '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

/// A character as a person can read it.
fn seen(found: char) -> String {
    if found.is_whitespace() || is_invisible(found) {
        format!("U+{:04X}", u32::from(found))
    } else {
        format!("`{found}`")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_real_name_fits() {
        for id in [
            "49f0cc52-e8c7-41e3-b54d-af666b8cc11a",
            "49F0CC52E8C741E3B54DAF666B8CC11A",
            "op1234567723122",
            "PARK-0001",
            "440305001",
            "P1",
            "sz.nanshan:east_2",
            "XXX-SERVICE",
            &"x".repeat(64),
        ] {
            assert_eq!(Naming::Id.check(id), Ok(()), "{id}");
            assert_eq!(Naming::Word.check(id), Ok(()), "{id}");
        }
        for name in ["city", "深圳市停车平台", "城市平台-2", "vendor_1"] {
            assert_eq!(Naming::Word.check(name), Ok(()), "{name}");
        }
        for name in ["东门停车场", "East gate", "A座 (地下B1&B2)", "100号/南门", "停".repeat(64).as_str()] {
            assert_eq!(Naming::Title.check(name), Ok(()), "{name}");
        }
    }

    #[test]
    fn what_does_not_fit_is_named_with_the_rule() {
        let long = "x".repeat(10_240);
        for (naming, name, named) in [
            (Naming::Id, "", "不能为空"),
            (Naming::Id, "a b", "第2个是U+0020"),
            (Naming::Id, "a\tb", "第2个是U+0009"),
            (Naming::Id, "a\u{1b}[31m", "第2个是U+001B"),
            (Naming::Id, "a&b", "第2个是`&`"),
            (Naming::Id, "a=b", "第2个是`=`"),
            (Naming::Id, "停车场", "第1个是`停`"),
            (Naming::Id, "ａ", "第1个是`ａ`"),
            (Naming::Id, &long, "收到10240个"),
            (Naming::Id, &"x".repeat(65), "收到65个"),
            (Naming::Word, "my city", "第3个是U+0020"),
            (Naming::Word, "a/b", "第2个是`/`"),
            (Naming::Word, "a\u{202e}b", "第2个是U+202E"),
            (Naming::Title, " ", "第1个是U+0020"),
            (Naming::Title, "东门 ", "第3个是U+0020"),
            (Naming::Title, "a\nb", "第2个是U+000A"),
            (Naming::Title, "\u{feff}东门", "第1个是U+FEFF"),
            (Naming::Title, &"停".repeat(65), "收到65个"),
        ] {
            let text = naming.check(name).unwrap_err().zh();
            assert!(text.contains(named) && text.contains("1至64个"), "{name}: {text}");
            assert!(text.chars().count() < 200 && !text.contains(char::is_control), "{text}");
        }
    }
}
