//! What importing a list of parks and one of apps have in common: which lines are good, secrets that are made, the report.

use std::collections::HashMap;
use std::io::Write as _;
use std::path::Path;

use anyhow::{Context, bail};
use parkgate_seal::disk::{new_file, sync_folder};
use parkgate_store::{ImportOutcome, Store};
use parkgate_text::texts;
use parkgate_wire::Secret;
use serde_json::{Value, json};

use super::secret;
use crate::cli::ImportArgs;
use crate::export_file::{Cell, ColumnKind, ExportColumn, LocalTimes, TextFormat, encode, head};
use crate::output;
use crate::spreadsheet::{SpreadsheetRow, SpreadsheetTable};

/// How often an import is decided anew because somebody changed the registry meanwhile.
const TRIES: usize = 10;
/// Changes that are printed for people.
const SHOWN_MAX: usize = 50;

/// A line that is wrong, and everything that is wrong with it.
#[derive(Debug)]
pub(super) struct BadLine {
    pub(super) line: u64,
    pub(super) id: String,
    pub(super) reasons: Vec<String>,
}

/// What a line changes.
#[derive(Debug, Clone)]
pub(super) struct FieldChange {
    pub(super) field: &'static str,
    pub(super) before: Value,
    pub(super) after: Value,
}

/// A good line: what is to be written, and how that reads.
#[derive(Debug)]
pub(super) struct ImportStep<T> {
    pub(super) line: u64,
    pub(super) id: String,
    pub(super) name: String,
    pub(super) is_new: bool,
    pub(super) changes: Vec<FieldChange>,
    /// None if nothing changes.
    pub(super) write: Option<T>,
    /// A secret that was made for it.
    pub(super) made: Option<Secret>,
}

/// Secrets that are made, each once, however often the import is decided.
#[derive(Debug, Default)]
pub(super) struct MadeSecrets(HashMap<String, Secret>);

impl MadeSecrets {
    pub(super) fn of(&mut self, id: &str) -> anyhow::Result<Secret> {
        if let Some(made) = self.0.get(id) {
            return Ok(made.clone());
        }
        let made = secret::made()?;
        self.0.insert(id.to_owned(), made.clone());
        Ok(made)
    }
}

/// What a list came to.
#[derive(Debug)]
pub(super) struct Decided<T> {
    pub(super) steps: Vec<ImportStep<T>>,
    pub(super) bad: Vec<BadLine>,
}

impl<T> Decided<T> {
    /// Decides line by line. `decide` gets the row, or says what is wrong with it; an id that comes twice is wrong.
    pub(super) fn of(
        table: &SpreadsheetTable,
        key: &'static str,
        mut decide: impl FnMut(&SpreadsheetRow) -> Result<ImportStep<T>, Vec<String>>,
    ) -> Decided<T> {
        let (mut steps, mut bad) = (Vec::new(), Vec::new());
        let mut seen: HashMap<String, u64> = HashMap::new();
        for row in &table.rows {
            let id = table.value(row, key).to_owned();
            let mut reasons = table.spoilt(row);
            if let Some(line) = seen.get(&id).filter(|_| !id.is_empty()) {
                reasons.push((texts().sheets.same_as_line)(&id, *line));
            }
            seen.entry(id.clone()).or_insert(row.line);
            match decide(row) {
                Ok(step) if reasons.is_empty() => steps.push(step),
                Ok(_) => bad.push(BadLine { line: row.line, id, reasons }),
                Err(more) => {
                    reasons.extend(more);
                    bad.push(BadLine { line: row.line, id, reasons });
                }
            }
        }
        Decided { steps, bad }
    }

    /// The step at this place is a bad line after all.
    pub(super) fn refuse(&mut self, place: usize, reason: String) {
        let ImportStep { line, id, .. } = self.steps.remove(place);
        self.bad.push(BadLine { line, id, reasons: vec![reason] });
        self.bad.sort_by_key(|bad| bad.line);
    }
}

/// Decides and writes, anew if the registry changed meanwhile; reports what was done.
pub(super) fn run<T>(
    args: &ImportArgs,
    store: &Store,
    table: &SpreadsheetTable,
    mut decide: impl FnMut(&Store) -> anyhow::Result<Decided<T>>,
    write: impl Fn(&Store, i64, Vec<T>) -> anyhow::Result<ImportOutcome>,
) -> anyhow::Result<()> {
    if table.rows.is_empty() {
        bail!("{}: {}", args.file.display(), texts().sheets.no_rows);
    }
    for _ in 0..TRIES {
        let version = store.registry_version()?;
        let mut decided = decide(store)?;
        let is_refused = !decided.bad.is_empty() && (!args.skip_bad || decided.steps.is_empty());
        if args.dry_run || is_refused {
            return report(args, table, &decided, is_refused);
        }
        let secrets = write_secrets(args, &decided.steps)?;
        let writes: Vec<T> = decided.steps.iter_mut().filter_map(|step| step.write.take()).collect();
        let done = if writes.is_empty() { Ok(ImportOutcome::Done) } else { write(store, version, writes) };
        match done {
            Ok(ImportOutcome::Done) => return report(args, table, &decided, false),
            Ok(ImportOutcome::RegistryChanged) => secrets.inspect(|path| drop(std::fs::remove_file(path))),
            Err(error) => {
                // Of what was not written nobody needs a secret.
                secrets.inspect(|path| drop(std::fs::remove_file(path)));
                return Err(error);
            }
        };
    }
    bail!(texts().sheets.changes_again)
}

/// Writes the secrets that were made, durably, before anything else is written: whatever happens then, none is lost.
fn write_secrets<'a, T>(args: &'a ImportArgs, steps: &[ImportStep<T>]) -> anyhow::Result<Option<&'a Path>> {
    let made: Vec<_> = steps.iter().filter_map(|step| Some((step, step.made.as_ref()?))).collect();
    if made.is_empty() {
        return Ok(None);
    }
    let Some(path) = args.secrets_out.as_deref() else {
        return Err(output::misuse((texts().sheets.needs_secrets_out)(made.len())));
    };
    let column = |key, title| ExportColumn { key, title, kind: ColumnKind::Text };
    let columns = [column("uuid", "uuid"), column("name", "name"), column("secret", "secret")];
    let rows: Vec<Vec<Cell>> = made
        .iter()
        .map(|(step, secret)| vec![Cell::text(&step.id), Cell::text(&step.name), Cell::text(secret.expose())])
        .collect();
    let times = LocalTimes::of(jiff::tz::TimeZone::UTC);
    let mut text = head(TextFormat::Csv, &columns)?;
    text.extend(encode(TextFormat::Csv, &columns, &times, &rows)?);
    let shown = path.display().to_string();
    let mut file = new_file(path).map_err(|error| match error.kind() {
        std::io::ErrorKind::AlreadyExists => anyhow::anyhow!((texts().sheets.secrets_out_there)(&shown)),
        _ => anyhow::Error::from(error).context(shown.clone()),
    })?;
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let written = file.write_all(&text).and_then(|()| file.sync_all()).and_then(|()| sync_folder(folder));
    written.inspect_err(|_| drop(std::fs::remove_file(path))).context(shown)?;
    Ok(Some(path))
}

fn report<T>(
    args: &ImportArgs,
    table: &SpreadsheetTable,
    decided: &Decided<T>,
    is_refused: bool,
) -> anyhow::Result<()> {
    let texts = &texts().sheets;
    let count = |wanted: fn(&ImportStep<T>) -> bool| decided.steps.iter().filter(|step| wanted(step)).count();
    let added = count(|step| step.is_new);
    let changed = count(|step| !step.is_new && !step.changes.is_empty());
    let made = count(|step| step.made.is_some());
    let file = args.file.display().to_string();
    let bad: Vec<String> = decided.bad.iter().map(|bad| (texts.at_line)(bad.line, &bad.reasons.join("; "))).collect();
    let bad_text = bad.join("\n  ");
    let refused = || Err(anyhow::anyhow!((texts.bad_lines)(&file, bad.len(), &bad_text)));
    if args.json {
        output::json(&as_json(args, table, decided, is_refused))?;
        return if is_refused { refused() } else { Ok(()) };
    }
    if !table.passed_over.is_empty() {
        output::remark(&(texts.passed_over)(&table.passed_over.join(", ")));
    }
    if is_refused {
        return refused();
    }
    if !bad.is_empty() {
        output::remark(&(texts.skipped_lines)(bad.len(), &bad_text));
    }
    print_changes(&decided.steps)?;
    let done = if args.dry_run { texts.dry } else { texts.done };
    output::line(&done(&file, added, changed, decided.steps.len() - added - changed))?;
    match (&args.secrets_out, args.dry_run) {
        (Some(path), false) if made > 0 => output::line(&(texts.secrets_written)(made, &path.display().to_string())),
        (None, true) if made > 0 => output::line(&(texts.needs_secrets_out)(made)),
        _ => Ok(()),
    }
}

/// Of lines that change something that stands.
fn print_changes<T>(steps: &[ImportStep<T>]) -> anyhow::Result<()> {
    let shown = |value: &Value| match value {
        Value::String(text) => text.clone(),
        Value::Null => "-".to_owned(),
        Value::Array(list) => list.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(" "),
        value => value.to_string(),
    };
    let changed: Vec<_> = steps.iter().filter(|step| !step.is_new && !step.changes.is_empty()).collect();
    for step in changed.iter().take(SHOWN_MAX) {
        let fields = step.changes.iter().map(|change| match change.field {
            "secret" => "secret".to_owned(),
            field => format!("{field} {} → {}", shown(&change.before), shown(&change.after)),
        });
        output::line(&(texts().sheets.change)(&step.id, &fields.collect::<Vec<_>>().join(", ")))?;
    }
    match changed.len().saturating_sub(SHOWN_MAX) {
        0 => Ok(()),
        more => output::line(&(texts().sheets.more)(more)),
    }
}

fn as_json<T>(args: &ImportArgs, table: &SpreadsheetTable, decided: &Decided<T>, is_refused: bool) -> Value {
    let change =
        |change: &FieldChange| json!({ "field": change.field, "before": change.before, "after": change.after });
    let ids = |wanted: fn(&ImportStep<T>) -> bool| {
        decided.steps.iter().filter(|step| wanted(step)).map(|step| step.id.clone()).collect::<Vec<_>>()
    };
    json!({
        "file": args.file.display().to_string(),
        "dry_run": args.dry_run,
        "imported": !args.dry_run && !is_refused,
        "added": ids(|step| step.is_new),
        "changed": decided.steps.iter().filter(|step| !step.is_new && !step.changes.is_empty()).map(|step| json!({
            "id": step.id,
            "changes": step.changes.iter().map(change).collect::<Vec<_>>(),
        })).collect::<Vec<_>>(),
        "unchanged": decided.steps.iter().filter(|step| !step.is_new && step.changes.is_empty()).count(),
        "secrets_made": ids(|step| step.made.is_some()),
        "bad_lines": decided.bad.iter().map(|bad| json!({
            "line": bad.line, "id": bad.id, "reasons": bad.reasons,
        })).collect::<Vec<_>>(),
        "columns_passed_over": table.passed_over,
    })
}

/// 是 or 否, in whatever words.
pub(super) fn yes_no(column: &'static str, text: &str) -> Result<bool, String> {
    match text.to_ascii_lowercase().as_str() {
        "yes" | "y" | "true" | "1" | "是" | "启用" | "always" => Ok(true),
        "no" | "n" | "false" | "0" | "否" | "停用" | "errors" => Ok(false),
        _ => Err((texts().sheets.wrong_yes_no)(column, text)),
    }
}

/// Several values of one cell.
pub(super) fn listed(text: &str) -> Vec<String> {
    let parts = text.split(|mark: char| mark.is_whitespace() || [';', ',', '；', '，', '、'].contains(&mark));
    parts.filter(|part| !part.is_empty()).map(str::to_owned).collect()
}
