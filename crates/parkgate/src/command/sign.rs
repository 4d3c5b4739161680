//! `sign`: the canonical string and its sign, as the document prints them.

use parkgate_wire::sign;
use serde_json::json;

use super::{pairs, secret};
use crate::cli::SignArgs;
use crate::output;

pub(super) fn run(args: &SignArgs) -> anyhow::Result<()> {
    let secret = secret::required(&args.secret)?;
    let (canonical, signature) = sign(pairs(&args.params)?, &secret);
    let separator = if canonical.text.is_empty() { "" } else { "&" };
    let string = format!("{}{separator}app_secret={}", canonical.text, secret.expose());
    if args.json {
        return output::json(&json!({ "canonical": string, "sign": signature }));
    }
    output::line(&format!("str={string}"))?;
    output::line(&format!("sign={signature}"))
}
