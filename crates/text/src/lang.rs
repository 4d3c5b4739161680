//! The language in use.

use std::sync::OnceLock;

/// A language that people read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Lang {
    /// Chinese: what users of the protocol speak.
    #[default]
    Zh,
    /// English.
    En,
}

impl Lang {
    /// By its name in `--lang` and `PARKGATE_LANG`.
    #[must_use]
    pub fn named(name: &str) -> Option<Lang> {
        match name {
            "zh" => Some(Lang::Zh),
            "en" => Some(Lang::En),
            _ => None,
        }
    }

    /// By a locale such as `zh_CN.UTF-8`. One that names no language (`C`, `POSIX`, none) gives none; one that is neither
    /// Chinese nor unnamed gives English.
    #[must_use]
    pub fn of_locale(locale: &str) -> Option<Lang> {
        let language = locale.split(['_', '.', '@', '-']).next().unwrap_or_default();
        match language.to_ascii_lowercase().as_str() {
            "" | "c" | "posix" => None,
            "zh" | "chinese" => Some(Lang::Zh),
            _ => Some(Lang::En),
        }
    }

    /// As `--lang` has it, and the `lang` of an HTML page.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Lang::Zh => "zh",
            Lang::En => "en",
        }
    }

    /// The choice of the flag, the variable `PARKGATE_LANG`, the locale's variables in their order, or Chinese.
    #[must_use]
    pub fn chosen(flag: Option<Lang>, variable: impl Fn(&str) -> Option<String>) -> Lang {
        let set = || variable("PARKGATE_LANG").and_then(|name| Lang::named(name.trim()));
        // An empty variable counts as not set, as POSIX has it; the first that is set decides.
        let locale = || {
            let names = ["LC_ALL", "LC_MESSAGES", "LANG"];
            let first = names.into_iter().filter_map(&variable).find(|locale| !locale.is_empty());
            first.and_then(|locale| Lang::of_locale(&locale))
        };
        flag.or_else(set).or_else(locale).unwrap_or_default()
    }

    /// What `PARKGATE_LANG` says, where that is no language.
    #[must_use]
    pub fn unknown(variable: impl Fn(&str) -> Option<String>) -> Option<String> {
        variable("PARKGATE_LANG").filter(|name| !name.trim().is_empty() && Lang::named(name.trim()).is_none())
    }
}

static LANG: OnceLock<Lang> = OnceLock::new();

/// The language in use: Chinese until one is set.
#[must_use]
pub fn lang() -> Lang {
    LANG.get().copied().unwrap_or_default()
}

/// Sets the language of this process, once, at its start. Later calls change nothing: no line may be in another language than
/// the one before.
pub fn set_lang(lang: Lang) {
    // Set already: the first choice stays.
    let _ = LANG.set(lang);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flag_then_variable_then_locale_then_chinese() {
        let chosen = |flag, set: &[(&str, &str)]| {
            Lang::chosen(flag, |name| {
                set.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned())
            })
        };
        assert_eq!(chosen(Some(Lang::En), &[("PARKGATE_LANG", "zh"), ("LANG", "zh_CN.UTF-8")]), Lang::En);
        assert_eq!(chosen(None, &[("PARKGATE_LANG", "en"), ("LANG", "zh_CN.UTF-8")]), Lang::En);
        assert_eq!(chosen(None, &[("PARKGATE_LANG", "xx"), ("LANG", "en_GB.UTF-8")]), Lang::En);
        assert_eq!(chosen(None, &[("LC_ALL", "zh_TW"), ("LANG", "en_GB.UTF-8")]), Lang::Zh);
        assert_eq!(chosen(None, &[("LC_ALL", ""), ("LANG", "de_DE.UTF-8")]), Lang::En);
        for unnamed in ["", "C", "C.UTF-8", "POSIX"] {
            assert_eq!(chosen(None, &[("LANG", unnamed)]), Lang::Zh, "{unnamed}");
        }
        assert_eq!(chosen(None, &[]), Lang::Zh);
        let unknown = |value: &str| Lang::unknown(|_| Some(value.to_owned()));
        assert_eq!((unknown("xx").as_deref(), unknown(" en "), unknown("")), (Some("xx"), None, None));
    }
}
