//! `app`: software that pushes for several parks.

use anyhow::{Context, bail};
use parkgate_store::NewApp;
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
            open(&place)?.add_app(&app).context("应用未添加 app not added")?;
            if json {
                return output::json(&json!({ "app_id": id, "secret": made }));
            }
            let made = made.map(|secret| format!("\nsecret: {secret}   (只显示一次 shown once)")).unwrap_or_default();
            output::line(&format!("{id} 已添加 added{made}"))
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
                    let state = if app.enabled { "启用" } else { "停用" };
                    vec![app.app_id, app.api_type.unwrap_or_default(), state.into(), app.parks.join(" ")]
                })
                .collect();
            output::rows(("应用", "apps"), &[], &["app_id", "api_type", "状态", "停车场"], &rows)
        }
        AppCommand::Disable { id, place } => {
            if !open(&place)?.disable_app(&id)? {
                bail!("没有应用 {id}, 见 `parkgate app list` (no such app)");
            }
            output::line(&format!("{id} 已停用 disabled"))
        }
    }
}
