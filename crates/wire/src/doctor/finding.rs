//! What the doctor says: a sentence in two languages, and both strings with every secret masked.

use std::borrow::Cow;

use super::difference::{FirstDifference, first_difference};
use super::kind::FindingKind;
use super::mistake::{Charset, Mistake};
use super::recipe::{Recipe, Request};
use super::search::SignMatch;
use super::secret_place::{MASK, SecretText};
use super::target::Target;
use super::value_edit::{JAVA, JS};
use super::{Candidate, SecretRole, wording};
use crate::canonical::is_url_encoded;
use crate::form::{Form, url_decoded};
use crate::lost_text::{LostText, Trace, described, lost_text};
use crate::refusal::shortened;

/// What is wrong with a signature, for people and for metrics.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// One kind, or two for a pair of mistakes.
    pub kinds: Vec<FindingKind>,
    /// One sentence in Chinese.
    pub zh: String,
    /// The same in English.
    pub en: String,
    /// Both strings; only if the sign has proved that the sender knows the secret.
    pub strings: Option<Strings>,
    /// If no known mistake matches: the fields that most often change on the way.
    pub suspects: Vec<String>,
}

/// The string as Parkgate builds it and the one that was signed, secrets as `***`, invisible characters and bytes that are
/// not UTF-8 escaped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Strings {
    /// What should have been signed.
    pub expected: String,
    /// What was signed.
    pub signed: String,
    /// The first difference; none where only the secret or the hash differs.
    pub difference: Option<FirstDifference>,
}

/// At most this many suspects: a sentence, not a list.
const SUSPECTS_MAX: usize = 8;

impl Finding {
    /// Both sentences on one line, as hints carry them.
    #[must_use]
    pub fn sentence(&self) -> String {
        format!("{} / {}", self.zh, self.en)
    }

    /// A finding that needed no search.
    pub(super) fn plain(kind: FindingKind, detail: &str) -> Finding {
        Finding::saying(&[(kind, detail.to_owned())], detail)
    }

    /// No known mistake matches. Shows no string, since the sender has proved nothing.
    pub(super) fn none(form: &Form, request: &Request<'_>) -> Finding {
        let park = shortened(form.get("park_uuid").or(form.get("merchant")).unwrap_or("?"));
        let (zh, en) = match form.get("app_id").map(shortened) {
            Some(app) => (format!("应用{app}"), format!("app {app}")),
            None => (format!("停车场{park}"), format!("park {park}")),
        };
        let mut finding = Finding::saying(&[(FindingKind::NoKnownMistake, zh)], &en);
        let fragile = request.params.iter().filter(|sent| sent.is_fragile());
        finding.suspects = fragile.map(|sent| sent.name.to_owned()).take(SUSPECTS_MAX).collect();
        if !finding.suspects.is_empty() {
            let names = finding.suspects.join(", ");
            finding.zh.push_str(&format!(" (最易被改动: {names})"));
            finding.en.push_str(&format!(" (most often changed: {names})"));
        }
        finding
    }

    /// No known mistake matches, and text was lost on the way, so what was signed can no longer be known.
    pub(super) fn lost(form: &Form) -> Option<Finding> {
        let lost = lost_in(form);
        if lost.is_empty() {
            return None;
        }
        let (zh, en) = described(&lost);
        Some(Finding::saying(&[(FindingKind::LostText, zh)], &en))
    }

    /// The sender may have signed correctly in another charset and sent the same bytes under the wrong one.
    pub(super) fn beside_misread(mut self, form: &Form) -> Finding {
        let of_charset = [
            FindingKind::SignedInGbk,
            FindingKind::SignedInGb18030,
            FindingKind::SignedInLatin1,
            FindingKind::Mojibake,
        ];
        if !self.kinds.iter().any(|kind| of_charset.contains(kind)) {
            return self;
        }
        let mut lost = lost_in(form);
        lost.retain(|lost| lost.found == Trace::Misread);
        if !lost.is_empty() {
            let (zh, en) = described(&lost);
            self.zh.push_str(&format!(" (或签名无误, 而发送的{zh})"));
            self.en.push_str(&format!(" (or the signature is right, and of what was sent {en})"));
        }
        self
    }

    /// A recipe produced the sign.
    pub(super) fn of(
        found: &SignMatch,
        target: &Target,
        request: &Request<'_>,
        candidates: &[Candidate<'_>],
    ) -> Finding {
        let masks = if found.proves_secret() { Masks::of(candidates, found) } else { Masks(Vec::new()) };
        let mut kinds: Vec<(FindingKind, String)> = Vec::new();
        kinds.extend(found.wrong_role.map(|role| (of_role(role), String::new())));
        for mistake in &found.mistakes {
            let (kind, detail) = wording::of(mistake, request);
            let detail = masks.masked(&detail).into_owned();
            if !kinds.contains(&(kind, detail.clone())) {
                kinds.push((kind, detail));
            }
        }
        kinds.extend(target.kind().map(|kind| (kind, String::new())));
        if kinds.is_empty() {
            kinds.push((FindingKind::SignatureMatches, String::new()));
        }
        let strings = found.proves_secret().then(|| Strings::of(found, request, &masks));
        Finding { strings, ..Finding::saying(&kinds, "") }
    }

    /// `en` replaces the detail in the English sentence where it differs from the Chinese one.
    fn saying(kinds: &[(FindingKind, String)], en: &str) -> Finding {
        let zh: Vec<String> = kinds.iter().map(|(kind, detail)| kind.zh().replace("{}", detail)).collect();
        let detail_en = |detail: &String| if en.is_empty() { detail.clone() } else { en.to_owned() };
        let en: Vec<String> = kinds.iter().map(|(kind, detail)| kind.en().replace("{}", &detail_en(detail))).collect();
        Finding {
            kinds: kinds.iter().map(|(kind, _)| *kind).collect(),
            zh: zh.join("; 且"),
            en: en.join("; and "),
            strings: None,
            suspects: Vec::new(),
        }
    }
}

/// Where text was lost, looking at the values as they were meant.
fn lost_in(form: &Form) -> Vec<LostText> {
    let url_encoded = is_url_encoded(form);
    let meant = form.params().filter(|param| param.name != "sign").map(|param| {
        let decoded = if url_encoded { url_decoded(param.value).ok().flatten() } else { None };
        (param.name, decoded.map_or(Cow::Borrowed(param.value), Cow::Owned))
    });
    let meant: Vec<(&str, Cow<'_, str>)> = meant.collect();
    lost_text(meant.iter().map(|(name, value)| (*name, value.as_ref())))
}

fn of_role(role: SecretRole) -> FindingKind {
    match role {
        SecretRole::Park => FindingKind::ParkSecretForApp,
        SecretRole::App => FindingKind::AppSecretForPark,
        SecretRole::RotatedPark | SecretRole::RotatedApp => FindingKind::RotatedSecret,
        SecretRole::OtherPark => FindingKind::OtherParkSecret,
        SecretRole::OtherApp => FindingKind::OtherAppSecret,
    }
}

impl Strings {
    fn of(found: &SignMatch, request: &Request<'_>, masks: &Masks) -> Strings {
        let mut mistakes = found.mistakes.iter();
        let recipe = Recipe { variant: found.variant, mistakes: [mistakes.next(), mistakes.next()] };
        let documented = Recipe { mistakes: [None, None], ..recipe };
        let expected = shown(documented, request, masks);
        let signed = shown(recipe, request, masks);
        Strings { difference: first_difference(&expected, &signed), expected, signed }
    }
}

/// A recipe's string with secrets masked: also those in values, also a sign that took part.
fn shown(recipe: Recipe<'_>, request: &Request<'_>, masks: &Masks) -> String {
    let text = recipe.text(request, SecretText::Masked, MASK);
    let text = recipe.whole(masks.masked(&text).into_owned());
    let text = masks.masked(&text);
    let charset = recipe.mistakes().find_map(|m| if let Mistake::Charset(charset) = m { Some(*charset) } else { None });
    match charset {
        None | Some(Charset::Utf16) => escaped(&text),
        Some(Charset::Mojibake) => escaped(&String::from_utf8_lossy(&recipe.bytes(&text))),
        Some(Charset::Gbk | Charset::Gb18030 | Charset::Latin1) => {
            let bytes = recipe.bytes(&text);
            bytes
                .iter()
                .map(|byte| if byte.is_ascii() { escaped_char(char::from(*byte)) } else { format!("\\x{byte:02X}") })
                .collect()
        }
    }
}

/// Invisible characters as escapes such as `
/// ` or `\u{feff}`.
fn escaped(text: &str) -> String {
    text.chars().map(escaped_char).collect()
}

fn escaped_char(c: char) -> String {
    if c.is_control() || c == '\u{feff}' { c.escape_default().collect() } else { c.into() }
}

/// The texts that must not be shown: the secret that matched and, if a right one matched, the park's and the app's own.
/// Only those: masking any secret in values would confirm a guess that somebody sent there.
struct Masks(Vec<String>);

impl Masks {
    fn of(candidates: &[Candidate<'_>], found: &SignMatch) -> Masks {
        let mut texts = Vec::new();
        for (place, candidate) in candidates.iter().enumerate() {
            let is_other = matches!(candidate.role, SecretRole::OtherPark | SecretRole::OtherApp);
            if place == found.candidate || (found.wrong_role.is_none() && !is_other) {
                let secret = candidate.secret.expose();
                let encoded = [JAVA.encode(secret), JAVA.lower().encode(secret), JS.encode(secret)];
                texts.extend([
                    secret.to_owned(),
                    secret.trim().to_owned(),
                    secret.to_lowercase(),
                    secret.to_uppercase(),
                ]);
                texts.extend(encoded);
            }
        }
        texts.retain(|text| text.chars().any(|c| c != '*' && !c.is_whitespace()));
        texts.sort_unstable_by_key(|text| std::cmp::Reverse(text.len()));
        texts.dedup();
        Masks(texts)
    }

    fn masked<'t>(&self, text: &'t str) -> Cow<'t, str> {
        let mut masked = Cow::Borrowed(text);
        for secret in &self.0 {
            if masked.contains(secret.as_str()) {
                masked = Cow::Owned(masked.replace(secret.as_str(), MASK));
            }
        }
        // Masking may have joined the pieces of a secret that itself contains stars.
        if self.0.iter().any(|secret| masked.contains(secret.as_str())) { Cow::Borrowed(MASK) } else { masked }
    }
}

impl Drop for Masks {
    fn drop(&mut self) {
        self.0.iter_mut().for_each(zeroize::Zeroize::zeroize);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::canonical::Variant;
    use crate::signature::Secret;

    #[test]
    fn what_cannot_be_seen_is_escaped() {
        assert_eq!(escaped("\u{feff}粤\n"), "\\u{feff}粤\\n");
    }

    #[test]
    fn secrets_are_masked_in_every_guise_but_not_those_of_others() {
        let (own, other) = (Secret::new("aB c*"), Secret::new("other"));
        let candidates = [
            Candidate { secret: &own, role: SecretRole::Park },
            Candidate { secret: &other, role: SecretRole::OtherPark },
        ];
        let found =
            |candidate, wrong_role| SignMatch { variant: Variant::PLAIN, mistakes: Vec::new(), candidate, wrong_role };
        let masks = Masks::of(&candidates, &found(0, None));
        assert_eq!(masks.masked("x=aB c*&y=AB C*&z=aB%20c*&o=other"), "x=***&y=***&z=***&o=other");
        assert_eq!(masks.masked("aBaB c* c*"), "aB*** c*");
        assert_eq!(Masks::of(&candidates, &found(1, Some(SecretRole::OtherPark))).masked("other aB c*"), "*** aB c*");
    }
}
