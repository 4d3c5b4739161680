//! `app import`: as `park import`, of apps.

use std::collections::{HashMap, HashSet};

use parkgate_store::{App, AppImport, NewApp, Store};
use parkgate_text::texts;
use parkgate_wire::{Naming, Secret};
use serde_json::{Value, json};

use crate::cli::ImportArgs;
use crate::command::list_import::{Decided, FieldChange, ImportStep, MadeSecrets, listed, run as import, yes_no};
use crate::command::{named, open};
use crate::spreadsheet::{self, NamedColumn, SpreadsheetRow, SpreadsheetTable};

/// What a list of apps may say, and how a header may call it.
pub(super) const COLUMNS: &[NamedColumn] = &[
    NamedColumn { key: "app_id", names: &["应用编号", "应用id", "id"], is_required: true },
    NamedColumn { key: "secret", names: &["密钥", "app_secret"], is_required: false },
    NamedColumn { key: "api_type", names: &["接口类型"], is_required: false },
    NamedColumn { key: "parks", names: &["停车场", "停车场编号", "park_uuid"], is_required: true },
    NamedColumn { key: "enabled", names: &["启用", "状态"], is_required: false },
];
const NOTHING: &str = "-";

pub(super) fn run(args: &ImportArgs) -> anyhow::Result<()> {
    let table = spreadsheet::load(&args.file, COLUMNS)?;
    let store = open(&args.place)?;
    let mut made = MadeSecrets::default();
    let decide = |store: &Store| decide(store, &table, args.change_secrets, &mut made);
    import(args, store.as_ref(), &table, decide, |store, version, apps| Ok(store.import_apps(version, &apps)?))
}

fn decide(
    store: &Store,
    table: &SpreadsheetTable,
    may_change: bool,
    made: &mut MadeSecrets,
) -> anyhow::Result<Decided<AppImport>> {
    let apps: HashMap<String, App> = store.apps()?.into_iter().map(|app| (app.app_id.clone(), app)).collect();
    let parks: HashSet<String> = store.parks()?.into_iter().map(|park| park.park_uuid).collect();
    let mut failed = None;
    let decided = Decided::of(table, "app_id", |row| {
        let stands = apps.get(table.value(row, "app_id"));
        step(table, row, stands, &parks, may_change, made).unwrap_or_else(|error| {
            failed = Some(error);
            Err(Vec::new())
        })
    });
    failed.map_or(Ok(decided), Err)
}

fn step(
    table: &SpreadsheetTable,
    row: &SpreadsheetRow,
    stands: Option<&App>,
    known: &HashSet<String>,
    may_change: bool,
    made: &mut MadeSecrets,
) -> anyhow::Result<Result<ImportStep<AppImport>, Vec<String>>> {
    let given = |key| Some(table.value(row, key)).filter(|text| !text.is_empty());
    let id = table.value(row, "app_id").to_owned();
    let mut reasons = Vec::new();
    if id.is_empty() {
        reasons.push((texts().sheets.missing)("app_id"));
    } else if stands.is_none() {
        reasons.extend(named("app_id", Naming::Id, &id).err().map(|error| error.to_string()));
    }
    let api_type = given("api_type").map(|text| (text != NOTHING).then(|| text.to_owned()));
    if let Some(Some(text)) = &api_type {
        reasons.extend(named("api_type", Naming::Id, text).err().map(|error| error.to_string()));
    }
    let enabled = given("enabled").map(|text| yes_no("enabled", text)).transpose().unwrap_or_else(|reason| {
        reasons.push(reason);
        None
    });
    let mut parks = given("parks").map(listed);
    if let Some(parks) = &mut parks {
        parks.sort();
        parks.dedup();
        reasons.extend(parks.iter().filter(|park| !known.contains(*park)).map(|park| (texts().sheets.no_park)(park)));
    } else if stands.is_none() {
        reasons.push(texts().sheets.no_parks.to_owned());
    }
    let secret = given("secret").filter(|given| stands.is_none_or(|app| app.secret.expose() != *given));
    if secret.is_some() && stands.is_some() && !may_change {
        reasons.push(texts().sheets.other_secret.to_owned());
    }
    if !reasons.is_empty() {
        return Ok(Err(reasons));
    }
    let Some(app) = stands else {
        let made = if secret.is_none() { Some(made.of(&id)?) } else { None };
        let secret = secret.map(Secret::new).or(made.clone()).unwrap_or_else(|| Secret::new(""));
        let add = NewApp { app_id: id, secret, api_type: api_type.flatten(), parks: parks.unwrap_or_default() };
        return Ok(Ok(added(row.line, add, enabled, made)));
    };
    let write = AppImport {
        app_id: id.clone(),
        add: None,
        secret: secret.map(Secret::new),
        api_type: api_type.filter(|given| *given != app.api_type),
        enabled: enabled.filter(|given| *given != app.enabled),
        parks: parks.filter(|given| *given != app.parks),
    };
    let changes = field_changes(app, &write);
    let write = (!changes.is_empty()).then_some(write);
    Ok(Ok(ImportStep { line: row.line, name: String::new(), id, is_new: false, changes, write, made: None }))
}

fn added(line: u64, add: NewApp, enabled: Option<bool>, made: Option<Secret>) -> ImportStep<AppImport> {
    let id = add.app_id.clone();
    let (app_id, add) = (id.clone(), Some(add));
    let write = AppImport { app_id, add, secret: None, api_type: None, enabled, parks: None };
    ImportStep { line, name: String::new(), id, is_new: true, changes: Vec::new(), write: Some(write), made }
}

fn field_changes(app: &App, write: &AppImport) -> Vec<FieldChange> {
    let change = |field, before, after: Option<Value>| after.map(|after| FieldChange { field, before, after });
    [
        change("api_type", json!(app.api_type), write.api_type.as_ref().map(|text| json!(text))),
        change("enabled", json!(app.enabled), write.enabled.map(|yes| json!(yes))),
        change("parks", json!(app.parks), write.parks.as_ref().map(|parks| json!(parks))),
        change("secret", Value::Null, write.secret.as_ref().map(|_| Value::Null)),
    ]
    .into_iter()
    .flatten()
    .collect()
}
