//! `explain`: the sign doctor, for what was sent or what a platform answered.

mod request;

use anyhow::Context;
use parkgate_text::{ExplainTexts, either, texts};
use parkgate_wire::canonical::Canonical;
use parkgate_wire::doctor::{
    Budget, Candidate, Finding, FindingKind, FirstDifference, SecretRole, diagnose, first_difference, from_hint,
};
use parkgate_wire::lost_text::{described, lost_text};
use parkgate_wire::{Call, Form, Secret, Variant, Verified, VerifiedForm, sign, verify};
use serde_json::{Value, json};

use super::{pairs, secret};
use crate::cli::{ExplainArgs, SecretArgs};
use crate::output::{self, misuse, wrapped};

/// The width of two label columns.
const LABELS: usize = 17;

pub(super) fn run(args: &ExplainArgs) -> anyhow::Result<()> {
    let secret = secret::required(&args.secret)?;
    let pasted = match &args.string {
        None => None,
        Some(text) => Some(from_hint(&text_or_file(text)?).ok_or_else(|| misuse(texts().explain.nothing_pasted))?),
    };
    let sent = sent(args)?;
    let explanation = match (sent, pasted) {
        (None, None) => {
            return Err(misuse(texts().explain.what_was_sent));
        }
        (Some(form), Some(hint)) => compared(&form, &hint.canonical),
        (Some(form), None) => diagnosed(form, &secret, &args.other_secret)?,
        (None, Some(hint)) => match &args.sign {
            Some(found) => {
                let mut params = hint.params;
                params.push(("sign".into(), found.clone()));
                diagnosed(form_of(params.iter().map(|(n, v)| (n.as_str(), v.as_str()))), &secret, &args.other_secret)?
            }
            None => {
                let (canonical, signature) = sign(hint.params.iter().map(|(n, v)| (n.as_str(), v.as_str())), &secret);
                let (zh, en) = in_both(|texts| (texts.signs_to)(&signature));
                Explanation { zh, en, expected: Some(masked(&canonical)), ..Explanation::default() }
            }
        },
    };
    if args.json { output::json(&explanation.json()) } else { explanation.print() }
}

fn text_or_file(text: &str) -> anyhow::Result<String> {
    match text.strip_prefix('@') {
        Some(path) => std::fs::read_to_string(path).with_context(|| path.to_owned()),
        None => Ok(text.to_owned()),
    }
}

/// What was sent, with its sign.
fn sent(args: &ExplainArgs) -> anyhow::Result<Option<Form>> {
    let form = match (&args.body, &args.request) {
        (Some(path), _) => {
            let body = std::fs::read(path).with_context(|| path.display().to_string())?;
            Some(request::form(body, args.content_type.as_deref().unwrap_or(request::URLENCODED))?)
        }
        (None, Some(path)) => Some(request::whole(&std::fs::read(path).with_context(|| path.display().to_string())?)?),
        (None, None) if args.params.is_empty() => None,
        (None, None) => Some(form_of(pairs(&args.params)?.into_iter())),
    };
    Ok(form.map(|form| match &args.sign {
        None => form,
        Some(found) => {
            let others = form.params().filter(|param| param.name != "sign");
            let given = others.map(|param| (param.name, param.value, Some(param.raw)));
            Form::restored(given.chain([("sign", found.as_str(), None)]), form.files().to_vec())
        }
    }))
}

fn form_of<'a>(params: impl Iterator<Item = (&'a str, &'a str)>) -> Form {
    Form::restored(params.map(|(name, value)| (name, value, None)), Vec::new())
}

/// What is printed, as text or JSON.
#[derive(Debug, Default)]
struct Explanation {
    matches: bool,
    variant: Option<String>,
    kinds: Vec<&'static str>,
    zh: String,
    en: String,
    expected: Option<String>,
    signed: Option<String>,
    difference: Option<FirstDifference>,
    suspects: Vec<String>,
}

/// Compares the platform's string with the one that these fields give.
fn compared(form: &Form, platform: &str) -> Explanation {
    let (canonical, _) = sign(form.params().map(|param| (param.name, param.value)), &Secret::new(""));
    let ours = masked(&canonical);
    let difference = first_difference(platform, &ours);
    let said = |texts: &ExplainTexts| match &difference {
        None => texts.same_string.to_owned(),
        Some(difference) => (texts.other_string)(difference.at),
    };
    let (zh, en) = in_both(said);
    Explanation {
        matches: difference.is_none(),
        zh,
        en,
        expected: Some(platform.to_owned()),
        signed: Some(ours),
        difference,
        ..Explanation::default()
    }
}

fn diagnosed(form: Form, secret: &Secret, others: &[String]) -> anyhow::Result<Explanation> {
    let call = Call::meant_by(|name| form.has(name));
    let form = match verify(form, call, secret) {
        Verified::Matched(verified) => return Ok(matching(&verified)),
        Verified::Refused(refusal, _) => {
            let (zh, en) = in_both(|texts| (texts.refused)(&refusal.hint()));
            return Ok(Explanation { matches: true, zh, en, ..Explanation::default() });
        }
        Verified::Mismatched(_, form) => form,
    };
    let role = if form.get("app_id").is_some() { SecretRole::App } else { SecretRole::Park };
    let others =
        others.iter().map(|other| secret::required(&SecretArgs { secret: Some(other.clone()), secret_file: None }));
    let others = others.collect::<anyhow::Result<Vec<_>>>()?;
    let others = others.iter().map(|secret| Candidate { secret, role: SecretRole::OtherPark });
    let candidates: Vec<_> = std::iter::once(Candidate { secret, role }).chain(others).collect();
    Ok(found(diagnose(&form, &candidates, Budget::default()).finding))
}

fn matching(verified: &VerifiedForm) -> Explanation {
    let code = verified.variant().code();
    let variant = Variant::describe(code);
    let (in_zh, in_en) = Variant::words(code);
    let (mut zh, mut en) = ((ExplainTexts::ZH.matches)(&in_zh), (ExplainTexts::EN.matches)(&in_en));
    let lost = lost_text(verified.params().iter());
    if !lost.is_empty() {
        let (in_zh, in_en) = described(&lost);
        zh.push_str(&(ExplainTexts::ZH.but)(&FindingKind::LostText.zh().replace("{}", &in_zh)));
        en.push_str(&(ExplainTexts::EN.but)(&FindingKind::LostText.en().replace("{}", &in_en)));
    }
    Explanation { matches: true, zh, en, variant: Some(variant), ..Explanation::default() }
}

fn found(finding: Finding) -> Explanation {
    let (expected, signed, difference) = match finding.strings {
        None => (None, None, None),
        Some(strings) => (Some(strings.expected), Some(strings.signed), strings.difference),
    };
    Explanation {
        kinds: finding.kinds.iter().map(|kind| kind.code()).collect(),
        zh: finding.zh,
        en: finding.en,
        expected,
        signed,
        difference,
        suspects: finding.suspects,
        ..Explanation::default()
    }
}

/// The same sentence in Chinese and in English: JSON has both.
fn in_both(said: impl Fn(&ExplainTexts) -> String) -> (String, String) {
    (said(&ExplainTexts::ZH), said(&ExplainTexts::EN))
}

fn masked(canonical: &Canonical) -> String {
    canonical.masked()
}

impl Explanation {
    fn json(&self) -> Value {
        json!({
            "matches": self.matches,
            "variant": self.variant,
            "kinds": self.kinds,
            "zh": self.zh,
            "en": self.en,
            "expected": self.expected,
            "signed": self.signed,
            "difference": self.difference.as_ref().map(|difference| json!({
                "at": difference.at,
                "expected": difference.one,
                "signed": difference.other,
            })),
            "suspects": self.suspects,
        })
    }

    fn print(&self) -> anyhow::Result<()> {
        let row = |label: &str, text: &str| output::line(&wrapped(&output::padded(label, LABELS), text, LABELS));
        let labels = &texts().explain;
        row(labels.finding, either(&self.zh, &self.en))?;
        if !self.suspects.is_empty() {
            row(labels.suspects, &self.suspects.join(", "))?;
        }
        for (label, text) in [(labels.expected, &self.expected), (labels.signed, &self.signed)] {
            if let Some(text) = text {
                row(label, text)?;
            }
        }
        if let Some(difference) = &self.difference {
            row(labels.at_byte, &difference.at.to_string())?;
            row(&format!("  {}", labels.expected), &difference.one)?;
            row(&format!("  {}", labels.signed), &difference.other)?;
        }
        Ok(())
    }
}
