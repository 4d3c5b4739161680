//! Secrets from the command line, a file or standard input, and new ones.

use std::io::Read;

use anyhow::Context;
use base64::Engine as _;
use parkgate_text::texts;
use parkgate_wire::Secret;

use crate::cli::SecretArgs;
use crate::output::misuse;

/// The secret given, if any was.
pub(super) fn given(args: &SecretArgs) -> anyhow::Result<Option<Secret>> {
    let text = match (&args.secret, &args.secret_file) {
        (Some(dash), _) if dash == "-" => {
            let mut text = String::new();
            std::io::stdin().read_to_string(&mut text).context(texts().general.standard_input)?;
            text
        }
        (Some(text), _) => text.clone(),
        (None, Some(path)) => std::fs::read_to_string(path).with_context(|| path.display().to_string())?,
        (None, None) => return Ok(None),
    };
    match text.trim_end_matches(['\r', '\n']) {
        "" => Err(misuse(texts().general.secret_empty)),
        text => Ok(Some(Secret::new(text))),
    }
}

/// The secret given; there must be one.
pub(super) fn required(args: &SecretArgs) -> anyhow::Result<Secret> {
    given(args)?.ok_or_else(|| misuse(texts().general.secret_needed))
}

/// A new secret of Standard Webhooks.
pub(super) fn webhook() -> anyhow::Result<String> {
    let mut bytes = [0; 24];
    getrandom::fill(&mut bytes).context("no random bytes to be had")?;
    Ok(format!("whsec_{}", base64::engine::general_purpose::STANDARD.encode(bytes)))
}

/// The secret given, or a new one, which is then to be printed once.
pub(super) fn given_or_made(args: &SecretArgs) -> anyhow::Result<(Secret, Option<String>)> {
    if let Some(secret) = given(args)? {
        return Ok((secret, None));
    }
    let made = made()?;
    Ok((made.clone(), Some(made.expose().to_owned())))
}

/// A new secret of a park or an app.
pub(super) fn made() -> anyhow::Result<Secret> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).context("no random bytes to be had")?;
    Ok(Secret::new(hex::encode(bytes)))
}
