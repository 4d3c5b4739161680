//! `audit`: what people did that is written down, and by whom.

use parkgate_store::{AuditEntry, AuditFilter};
use parkgate_text::texts;
use serde_json::{Value, json};

use super::{open, visit};
use crate::cli;
use crate::output;

pub(super) fn run(command: cli::AuditCommand) -> anyhow::Result<()> {
    let cli::AuditCommand::List { since, limit, json, place } = command;
    let asked = [("--since", since.clone())];
    let since = since.as_deref().map(visit::moment).transpose()?.map(|since| since.0);
    let (store, filter) = (open(&place)?, AuditFilter { since, limit });
    let texts = &texts().audit;
    let head = [texts.at, texts.who, texts.done, texts.subject];
    if json {
        let mut values = Vec::new();
        store.each_audit_entry(&filter, &mut |one| {
            values.push(value(&one));
            std::ops::ControlFlow::Continue(())
        })?;
        return output::json(&Value::Array(values));
    }
    let mut rows = Vec::new();
    store.each_audit_entry(&filter, &mut |one| {
        let entry = one.entry;
        rows.push(vec![output::time(entry.at), entry.who, entry.what, entry.about]);
        std::ops::ControlFlow::Continue(())
    })?;
    output::rows(texts.what, &asked, &head, &rows)
}

fn value(one: &AuditEntry) -> Value {
    let AuditEntry { id, entry } = one;
    let detail: Value = serde_json::from_str(&entry.detail).unwrap_or(Value::Null);
    json!({ "id": id, "at": entry.at, "who": entry.who, "what": entry.what, "about": entry.about, "detail": detail })
}
