//! Tries one recipe after the other, the simplest first, until one gives the sign or the budget runs out.

use std::ops::ControlFlow;

use super::alternatives::{self, Alternative};
use super::mistake::{Charset, Mistake, SecretPlace, SignValue};
use super::recipe::{Recipe, Request};
use super::secret_place::SecretText;
use super::target::Target;
use super::{Budget, Candidate, SecretRole};
use crate::canonical::Variant;
use crate::form::Form;

/// How the sign was made.
#[derive(Debug)]
pub(super) struct SignMatch {
    pub(super) variant: Variant,
    pub(super) mistakes: Vec<Mistake>,
    /// Which candidate's secret.
    pub(super) candidate: usize,
    /// Whose it is; `None` if it is the right one.
    pub(super) wrong_role: Option<SecretRole>,
}

impl SignMatch {
    /// Could only somebody who has a secret have made this sign?
    pub(super) fn proves_secret(&self) -> bool {
        !self.mistakes.iter().any(|mistake| matches!(mistake, Mistake::Place(SecretPlace::Missing(_))))
    }
}

pub(super) struct SignSearch<'a> {
    request: &'a Request<'a>,
    variants: Vec<Variant>,
    /// Each candidate with its index: the right secrets, those easily confused with them, other parks' and apps'.
    wanted: Vec<(usize, Candidate<'a>)>,
    own: Vec<(usize, Candidate<'a>)>,
    others: Vec<(usize, Candidate<'a>)>,
    target: &'a Target,
    budget: Budget,
    spent: Budget,
    is_exhausted: bool,
}

/// How many of the other parks' and apps' secrets are also tried together with a mistake; the caller puts the likeliest
/// first.
const OTHERS_WITH_A_MISTAKE: usize = 8;

/// Goes on, or stops with the match, if there is one.
type SearchStep = ControlFlow<Option<SignMatch>>;

impl<'a> SignSearch<'a> {
    pub(super) fn new(
        form: &Form,
        request: &'a Request<'a>,
        candidates: &[Candidate<'a>],
        target: &'a Target,
        budget: Budget,
    ) -> SignSearch<'a> {
        let wanted_role = if form.get("app_id").is_some() { SecretRole::App } else { SecretRole::Park };
        let pick = |keep: &dyn Fn(SecretRole) -> bool| {
            candidates.iter().copied().enumerate().filter(|(_, candidate)| keep(candidate.role)).collect()
        };
        let is_other = |role| matches!(role, SecretRole::OtherPark | SecretRole::OtherApp);
        SignSearch {
            request,
            variants: Variant::of(form).collect(),
            wanted: pick(&|role| role == wanted_role),
            own: pick(&|role| role != wanted_role && !is_other(role)),
            others: pick(&is_other),
            target,
            budget,
            spent: Budget { hashes: 0, bytes: 0 },
            is_exhausted: false,
        }
    }

    pub(super) fn run(&mut self) -> Option<SignMatch> {
        match self.steps() {
            ControlFlow::Break(found) => found,
            ControlFlow::Continue(()) => None,
        }
    }

    pub(super) fn hashes_spent(&self) -> u32 {
        self.spent.hashes
    }

    pub(super) fn is_exhausted(&self) -> bool {
        self.is_exhausted
    }

    /// No mistake, one mistake (a wrong secret is one), two.
    fn steps(&mut self) -> SearchStep {
        let (wanted, own, others) = (self.wanted.clone(), self.own.clone(), self.others.clone());
        for candidate in &wanted {
            self.documented(candidate, None)?;
        }
        let mut alternatives = alternatives::of(self.request);
        for candidate in &wanted {
            let mut effective = self.singles(&alternatives, candidate, None)?.into_iter();
            alternatives.retain(|_| effective.next().unwrap_or(true));
        }
        for candidate in own.iter().chain(&others) {
            self.documented(candidate, Some(candidate.1.role))?;
        }
        if !self.target.is_whole() {
            // The form of such a sign is already one mistake.
            return SearchStep::Continue(());
        }
        alternatives.retain(|alternative| alternative.is_common);
        for candidate in &own {
            self.singles(&alternatives, candidate, Some(candidate.1.role))?;
        }
        for candidate in &wanted {
            self.pairs(&alternatives, candidate)?;
        }
        for candidate in others.iter().take(OTHERS_WITH_A_MISTAKE) {
            self.singles(&alternatives, candidate, Some(candidate.1.role))?;
        }
        SearchStep::Continue(())
    }

    fn documented(&mut self, candidate: &(usize, Candidate<'_>), wrong_role: Option<SecretRole>) -> SearchStep {
        for variant in self.variants.clone() {
            self.attempt(Recipe { variant, mistakes: [None, None] }, candidate, wrong_role, None)?;
        }
        SearchStep::Continue(())
    }

    /// Tries each mistake alone, and returns those that change this request's string.
    fn singles(
        &mut self,
        alternatives: &[Alternative],
        candidate: &(usize, Candidate<'_>),
        wrong_role: Option<SecretRole>,
    ) -> ControlFlow<Option<SignMatch>, Vec<bool>> {
        let key = SecretText::Real(candidate.1.secret.expose());
        let recipes = self.variants.iter().map(|variant| Recipe { variant: *variant, mistakes: [None, None] });
        let bases: Vec<(Recipe<'_>, String)> =
            recipes.map(|recipe| (recipe, recipe.text(self.request, key, ""))).collect();
        let mut effective = Vec::with_capacity(alternatives.len());
        for alternative in alternatives {
            let mut is_effective = false;
            for (recipe, base) in &bases {
                let recipe = Recipe { mistakes: [Some(&alternative.mistake), None], ..*recipe };
                is_effective |= self.attempt(recipe, candidate, wrong_role, Some(base))?;
            }
            effective.push(is_effective);
        }
        ControlFlow::Continue(effective)
    }

    fn pairs(&mut self, alternatives: &[Alternative], candidate: &(usize, Candidate<'_>)) -> SearchStep {
        // An unsigned `encoding` counts as a mistake here: the parameter left out.
        let variants: Vec<Variant> = self.variants.iter().copied().filter(|variant| variant.encoding_signed).collect();
        for (place, one) in alternatives.iter().enumerate() {
            for other in alternatives.iter().skip(place + 1) {
                for pair in [[one, other], [other, one]] {
                    let [first, second] = pair.map(|alternative| &alternative.mistake);
                    let is_other_order = std::ptr::eq(pair[0], other);
                    let order_counts = matches!((first, second), (Mistake::Value(_), Mistake::Value(_)));
                    if !first.composes_with(second) || (is_other_order && !order_counts) {
                        continue;
                    }
                    for variant in &variants {
                        let recipe = Recipe { variant: *variant, mistakes: [Some(first), Some(second)] };
                        self.attempt(recipe, candidate, None, None)?;
                    }
                }
            }
        }
        SearchStep::Continue(())
    }

    /// Signs by a recipe and compares. Returns whether the recipe differs from the documented one, whose text is
    /// `base`.
    fn attempt(
        &mut self,
        recipe: Recipe<'_>,
        candidate: &(usize, Candidate<'_>),
        wrong_role: Option<SecretRole>,
        base: Option<&str>,
    ) -> ControlFlow<Option<SignMatch>, bool> {
        let secret = candidate.1.secret.expose();
        let sign = self.sign_that_took_part(recipe, secret)?;
        let text = recipe.whole(recipe.text(self.request, SecretText::Real(secret), &sign));
        self.spend(0, text.len())?;
        if base == Some(text.as_str()) && !changes_bytes(recipe, &text) {
            return ControlFlow::Continue(false);
        }
        let hash = self.hash(recipe, &text, secret)?;
        if !self.target.matches(hash) {
            return ControlFlow::Continue(true);
        }
        let mistakes = recipe.mistakes().cloned().collect();
        ControlFlow::Break(Some(SignMatch { variant: recipe.variant, mistakes, candidate: candidate.0, wrong_role }))
    }

    /// A client that signs twice has the first sign among its parameters by then.
    fn sign_that_took_part(&mut self, recipe: Recipe<'_>, secret: &str) -> ControlFlow<Option<SignMatch>, String> {
        let is_upper = match recipe.sign_value() {
            None | Some(SignValue::Empty) => return ControlFlow::Continue(String::new()),
            Some(SignValue::Null) => return ControlFlow::Continue("null".into()),
            Some(SignValue::Upper) => true,
            Some(SignValue::Lower) => false,
        };
        let documented = Recipe { mistakes: [None, None], ..recipe };
        let text = documented.text(self.request, SecretText::Real(secret), "");
        let hash = self.hash(documented, &text, secret)?;
        ControlFlow::Continue(if is_upper { hex::encode_upper(hash) } else { hex::encode(hash) })
    }

    fn hash(&mut self, recipe: Recipe<'_>, text: &str, secret: &str) -> ControlFlow<Option<SignMatch>, [u8; 16]> {
        let bytes = recipe.bytes(text);
        self.spend(1, 0)?;
        ControlFlow::Continue(recipe.hash(&bytes, secret))
    }

    fn spend(&mut self, hashes: u32, bytes: usize) -> SearchStep {
        let spent = Budget {
            hashes: self.spent.hashes.saturating_add(hashes),
            bytes: self.spent.bytes.saturating_add(bytes as u64),
        };
        if spent.hashes > self.budget.hashes || spent.bytes > self.budget.bytes {
            self.is_exhausted = true;
            return SearchStep::Break(None);
        }
        self.spent = spent;
        SearchStep::Continue(())
    }
}

/// Does the recipe change something that only the bytes or the hash show?
fn changes_bytes(recipe: Recipe<'_>, text: &str) -> bool {
    recipe.mistakes().any(|mistake| match mistake {
        Mistake::Charset(Charset::Utf16) | Mistake::Hash(_) => true,
        Mistake::Charset(_) => !text.is_ascii(),
        _ => false,
    })
}
