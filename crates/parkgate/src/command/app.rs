//! `app`: software that pushes for several parks.

mod export;
mod import;

use anyhow::{Context, bail};
use parkgate_store::NewApp;
use parkgate_text::texts;
use parkgate_wire::Naming;
use serde_json::{Value, json};

use super::{named, open, secret};
use crate::cli::AppCommand;
use crate::output;

pub(super) fn run(command: AppCommand) -> anyhow::Result<()> {
    match command {
        AppCommand::Add { id, secret, api_type, park, json, place } => {
            named("app_id", Naming::Id, &id)?;
            api_type.as_deref().map_or(Ok(()), |given| named("api_type", Naming::Id, given))?;
            let (secret, made) = secret::given_or_made(&secret)?;
            let app = NewApp { app_id: id.clone(), secret, api_type, parks: park };
            open(&place)?.add_app(&app).context(texts().app.not_added)?;
            if json {
                return output::json(&json!({ "app_id": id, "secret": made }));
            }
            output::line(&(texts().general.added)(&id))?;
            made.map_or(Ok(()), |secret| output::line(&(texts().general.shown_once)(&secret)))
        }
        AppCommand::List { json, place } => {
            let apps = open(&place)?.apps()?;
            if json {
                let all = apps.iter().map(|app| {
                    json!({ "app_id": app.app_id, "api_type": app.api_type, "enabled": app.enabled, "parks": app.parks })
                });
                return output::json(&Value::Array(all.collect()));
            }
            let rows: Vec<_> = apps
                .into_iter()
                .map(|app| {
                    let state = if app.enabled { texts().general.enabled } else { texts().general.disabled };
                    vec![app.app_id, app.api_type.unwrap_or_default(), state.into(), app.parks.join(" ")]
                })
                .collect();
            let head = ["app_id", "api_type", texts().columns.state, texts().columns.parks];
            output::rows(texts().app.what, &[], &head, &rows)
        }
        AppCommand::Import(args) => import::run(&args),
        AppCommand::Export(args) => export::run(&args),
        AppCommand::Disable { id, place } => {
            if !open(&place)?.disable_app(&id)? {
                bail!((texts().app.unknown)(&id));
            }
            output::line(&(texts().app.disabled)(&id))
        }
    }
}
